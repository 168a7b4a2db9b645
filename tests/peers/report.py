"""Makes up an hour's run directory, and looks at pages in a browser; see report.sh."""

import json
import math
import random
import sys
from pathlib import Path


def hour(demo, out):
    """An hour with a daily wave, a stall, and ten broken minutes, in the demo's form."""
    out.mkdir(parents=True)
    run = json.loads((demo / "run.json").read_text())
    random.seed(1)
    broken = range(1200, 1800)
    totals = {"offered": 0, "failed": 0, "503": 0}
    with (out / "intervals.ndjson").open("w") as lines:
        for second in range(3600):
            offered = int(4700 + 900 * math.sin(second / 500) + random.gauss(0, 70))
            failed = int(offered * random.uniform(0.5, 0.7)) if second in broken else 0
            late = failed // 40 if second % 7 == 0 else 0
            errors = failed // 9
            stall = 40 if 2700 <= second < 2712 else 1

            def times(count, scale):
                p50 = int(scale * stall * random.uniform(0.9, 1.1))
                p99 = int(p50 * random.uniform(3, 5))
                return {"count": count, "p50": p50, "p90": p50 * 2, "p99": p99, "max": p99 * random.randint(1, 9)}

            totals["offered"] += offered
            totals["failed"] += failed
            totals["503"] += errors
            line = {
                "t_s": second, "offered": offered, "sent": offered, "completed": offered - late,
                "passed": offered - failed, "failed": failed,
                "in_flight": 8 * stall, "waiting": 3 * (stall - 1), "connections_open": 32 if stall == 1 else 64,
                "statuses": {"302": offered - late - errors, "503": errors},
                "faults": {"dns.nxdomain": failed - late - errors, "status.5xx": errors, "timeout.total": late},
                "latency_us": times(offered - failed, 1200), "latency_failed_us": times(failed, 1500),
                "service_us": times(offered, 1100), "lateness_us": times(offered, 40),
            }
            for key in "latency_failed_us", "faults":
                if not failed:
                    line[key] = {}
            lines.write(json.dumps(line, separators=(",", ":")) + "\n")
    arrivals = run["arrivals"]
    arrivals.update(offered=totals["offered"], failed=totals["failed"], passed=totals["offered"] - totals["failed"])
    fault = run["faults"][0]
    fault.update(count=totals["failed"] - totals["503"], first_s=1200.0, last_s=1799.9)
    run["faults"].append({
        "id": "status.5xx", "meaning": "a server error", "count": totals["503"], "first_s": 1200.0, "last_s": 1799.9,
        "examples": [{"at_s": 1200.5, "path": "/api/v1/crates/" + "very-long-name-" * 12 + "/1.0.0/download",
                      "location": None, "detail": "answered 503"}],
    })
    run["statuses"] = {"302": totals["offered"] - totals["503"], "503": totals["503"]}
    run["attempts"].update(total=totals["offered"], first=totals["offered"], sent=totals["offered"], completed=totals["offered"])
    run["rate"].update(**{key: totals["offered"] / 3600 for key in run["rate"]})
    run["plan"]["duration_s"] = 3600.0
    (out / "run.json").write_text(json.dumps(run))


def look(chromium, pages):
    from playwright.sync_api import sync_playwright

    views = [
        ("light", {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}),
        ("dark", {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}}),
        ("narrow", {"color_scheme": "light", "viewport": {"width": 400, "height": 800}}),
        ("still", {"color_scheme": "light", "viewport": {"width": 1000, "height": 800}, "java_script_enabled": False}),
    ]
    wrong = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for page_path in pages:
            for name, view in views:
                context = browser.new_context(**view)
                page = context.new_page()
                told = f"{page_path} ({name})"
                page.on("console", lambda m, told=told: wrong.append(f"{told}: {m.type}: {m.text}"))
                page.on("pageerror", lambda e, told=told: wrong.append(f"{told}: {e}"))
                page.on("request", lambda r, told=told: r.url.startswith("file:") or wrong.append(f"{told}: {r.url}"))
                page.goto(page_path.resolve().as_uri())
                if name == "still":
                    # A comparison has its numbers in tables alone.
                    still = page.locator("svg.still")
                    is_shown = still.is_visible() or page_path.parent.name == "compared"
                    check(wrong, told, is_shown, "the still picture is not shown")
                    check(wrong, told, page.locator("noscript p").is_visible(), "it does not say why charts are missing")
                else:
                    look_at_charts(wrong, told, page)
                page.screenshot(path=page_path.with_name(f"{name}.png"), full_page=True)
                if name == "dark":
                    page.pdf(path=page_path.with_name("print.pdf"), format="A4")
                context.close()
        browser.close()
    for text in wrong:
        print(text)
    sys.exit(bool(wrong))


def look_at_charts(wrong, told, page):
    page.wait_for_function("document.querySelectorAll('.plot canvas').length > 0")
    drawn = page.evaluate("""() => [...document.querySelectorAll(".plot")].map((plot) => {
        const canvas = plot.querySelector("canvas");
        if (!canvas) return [plot.dataset.chart, 0];
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const colours = new Set();
        for (let n = 0; n < pixels.length; n += 4) if (pixels[n + 3] > 200) colours.add(pixels.slice(n, n + 3).join());
        return [plot.dataset.chart, colours.size];
    })""")
    check(wrong, told, len(drawn) >= 5, f"charts: {drawn}")
    for chart, colours in drawn:
        check(wrong, told, colours > 3, f"the chart {chart} is empty")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    check(wrong, told, wide <= 0, f"it is {wide} pixels wider than the screen")
    rate = page.locator("[data-chart=rate] .u-over")
    rate.hover(position={"x": 90, "y": 60})
    live = page.locator("[data-chart=rate] .u-legend .u-value").first.inner_text()
    check(wrong, told, any(c.isdigit() for c in live), f"the legend says {live!r} under the pointer")
    page.mouse.move(0, 0)


def check(wrong, told, is_right, otherwise):
    if not is_right:
        wrong.append(f"{told}: {otherwise}")


if __name__ == "__main__":
    if sys.argv[1] == "hour":
        hour(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        look(sys.argv[2], [Path(page) for page in sys.argv[3:]])
