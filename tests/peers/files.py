"""Opens the files of a run with readers that others wrote; see files.sh."""

import csv
import io
import json
import re
import sys
import urllib.parse
import urllib.request
from pathlib import Path

CLOCKS = {"latency": "hgrm", "latency_failed": "hgrm-failed", "service": "hgrm-service", "lateness": "hgrm-lateness"}


def histograms(run, work):
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    told = json.loads((run / "run.json").read_text())
    for clock, form in CLOCKS.items():
        total = HdrHistogram(1, 3_600_000_000, 3)
        reader = HistogramLogReader(str(run / "latency.hlog"), total)
        while (second := reader.get_next_interval_histogram()) is not None:
            if second.get_tag() == clock:
                total.add(second)
        expected = told[f"{clock}_us"]
        assert total.get_total_count() == expected["count"], clock
        # Their ranks are rounded where ours are rounded up, so only the ends are held together here.
        for name, percentile in ("min", 0), ("max", 100):
            near(clock, name, total.get_value_at_percentile(percentile) if percentile else total.get_min_value(), expected[name])
        rows(clock, total, work / form)
        print(f"Python: {clock}: {expected['count']} samples, p99 {total.get_value_at_percentile(99)} µs")


def near(clock, name, found, expected):
    assert abs(found - expected) <= expected / 1000 + 1, f"{clock} {name}: {found}, not {expected}"


def rows(clock, total, path):
    """Every row of our .hgrm says how many samples lie up to its value: so must theirs."""
    ours = [line.split() for line in path.read_text().splitlines()[2:] if not line.startswith("#")]
    assert ours, clock
    up_to = {}
    for step in total.get_recorded_iterator():
        up_to[total.get_highest_equivalent_value(step.value_iterated_to)] = step.total_count_to_this_value
    for value, share, count, *_ in ours:
        found = up_to.get(round(float(value) * 1000))
        assert found == int(count), (clock, value, share, count, found)
        assert found >= float(share) * total.get_total_count() - 1e-6, (clock, value, share)
    assert int(ours[-1][2]) == total.get_total_count(), clock


def forms(run, work):
    import jsonschema
    import junitparser
    from markdown_it import MarkdownIt
    from prometheus_client.parser import text_string_to_metric_families

    told = json.loads((run / "run.json").read_text())
    schema = json.loads((work / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(told, schema, cls=jsonschema.Draft202012Validator)
    print("jsonschema: run.json is valid by the schema")

    suites = junitparser.JUnitXml.fromfile(str(work / "junit"))
    cases = [case for suite in suites for case in suite]
    failed = sorted(case.name for case in cases if not case.is_passed and not case.is_skipped)
    assert failed == sorted(fault["id"] for fault in told["faults"]), failed
    print(f"junitparser: {suites.tests or sum(suite.tests for suite in suites)} cases, failed: {failed}")

    page = MarkdownIt("gfm-like", {"linkify": False}).render((work / "markdown").read_text())
    assert page.count("<table>") == 3 and "<img" not in page and "<a " not in page, page
    print("markdown-it: three tables, no link")

    lines = list(csv.DictReader(io.StringIO((work / "csv").read_text())))
    sums = {key: sum(int(line[key]) for line in lines) for key in ("offered", "passed", "failed")}
    assert sums == {key: told["arrivals"][key] for key in sums}, sums
    print(f"csv: {len(lines)} seconds, {sums}")

    families = {family.name: family for family in text_string_to_metric_families((work / "prometheus").read_text())}
    counts = {sample.labels["outcome"]: sample.value for sample in families["downpour_arrivals"].samples}
    assert counts["failed"] == told["arrivals"]["failed"], counts
    print(f"prometheus_client: {len(families)} families")

    k6 = json.loads((work / "k6").read_text())["metrics"]
    assert k6["checks"]["fails"] == told["arrivals"]["failed"] and k6["http_req_waiting"]["p(95)"] > 0
    histograms(run, work)


def ask(prometheus, query):
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    answer = json.load(urllib.request.urlopen(url))
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def scraped(prometheus, dashboard, run):
    told = json.loads(Path(run).read_text())
    asked = 0
    for panel in json.loads(Path(dashboard).read_text())["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "30s").replace("$instance", ".*")
            # The run is over: its series are asked for as of its last seconds.
            query = re.sub(r"(downpour_\w+\{[^}]*\})(\[30s\])?", r"\1\2 offset 2s", query)
            result = ask(prometheus, query)
            assert result and result[0]["value"][1] != "NaN", (panel["title"], query, result)
            asked += 1
    last = lambda name: float(ask(prometheus, f"max(last_over_time({name}[1m]))")[0]["value"][1])
    offered, failed = last("downpour_offered_arrivals_total"), last('downpour_arrivals_total{outcome="failed"}')
    assert 0 < offered <= told["arrivals"]["offered"], offered
    assert failed == told["arrivals"]["failed"] > 0, failed
    scrapes = float(ask(prometheus, "sum(count_over_time(downpour_run_info[1m]))")[0]["value"][1])
    print(f"Prometheus: {asked} queries of the dashboard have a result; {scrapes:.0f} scrapes, {offered:.0f} offered, {failed:.0f} failed")


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "scraped":
        scraped(*rest)
    else:
        forms(Path(rest[0]), Path(rest[1]))
