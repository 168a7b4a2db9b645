
// Draws the charts from the data in the page. Texts become text nodes only.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const HEIGHT = 250;
  const PRINTED_WIDTH = 660;
  const DASHES = { second: [7, 3], third: [2, 3], fourth: [9, 3, 2, 3], fifth: [5, 2], sixth: [1, 2], reference: [4, 4], max: [2, 3], p50: [], p90: [6, 3], p99: [], "a-p50": [2, 3], "a-p99": [7, 3], "b-p50": [2, 3], wrong: [6, 3] };
  const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800];

  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const digits = (value) => Number(value.toPrecision(3)).toLocaleString("en");

  const micros = (value) => {
    if (value < 1e3) return digits(value) + " \u00b5s";
    if (value < 1e6) return digits(value / 1e3) + " ms";
    return digits(value / 1e6) + " s";
  };
  const count = (value) => {
    if (value < 1e4) return digits(value);
    if (value < 1e6) return digits(value / 1e3) + "k";
    return digits(value / 1e6) + "M";
  };
  const seconds = (value) => {
    const end = data.points * data.step_s;
    if (end <= 300) return value + " s";
    const two = (n) => String(n).padStart(2, "0");
    const [h, m, s] = [Math.floor(value / 3600), Math.floor(value / 60) % 60, value % 60];
    return end <= 3600 ? Math.floor(value / 60) + ":" + two(s) : h + ":" + two(m) + (s ? ":" + two(s) : "");
  };
  // The tables count seconds, the axis minutes.
  const moment = (value) => (data.points * data.step_s <= 300 ? seconds(value) : value + " s (" + seconds(value) + ")");
  const percent = (value) => Number((100 - 100 / value).toPrecision(8)) + " %";
  const UNITS = {
    micros: { show: micros, log: true },
    per_second: { show: count, log: false, after: "/s" },
    count: { show: count, log: false },
  };

  // Times a power of ten, by how many powers lie between the ends.
  const FINE = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const nice = (ratio) => (ratio > 300 ? [1] : ratio > 6 ? [1, 2, 5] : FINE);
  // The nearest of these, outwards.
  const outward = (value, up, of) => {
    const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
    const all = [...of, ...of.map((n) => 10 * n)].map((n) => n * power);
    return up ? all.find((n) => n >= value * 1.02) : all.findLast((n) => n <= value * 1.001);
  };
  const logRange = (u, low, high) => {
    if (!(low > 0)) return [1, 10];
    const of = high / low > 6 ? [1, 2, 5] : FINE;
    const from = outward(low, false, of);
    return [from, Math.max(outward(high, true, of), 2 * from)];
  };
  const logSplits = (u, axis, low, high) => {
    const every = [];
    for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
      for (const n of nice(high / low)) {
        if (n * power >= low * 0.999 && n * power <= high * 1.001) every.push(n * power);
      }
    }
    return every;
  };

  // Tints the time in which faults were seen.
  const tint = (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = colour("wash");
    for (const [from, to] of merged(data.windows)) {
      const left = u.valToPos(from, "x", true);
      ctx.fillRect(left, bbox.top, Math.max(u.valToPos(to, "x", true) - left, 2), bbox.height);
    }
    ctx.restore();
  };
  // Windows that overlap would tint twice.
  const merged = (windows) => {
    const out = [];
    for (const [from, to] of [...windows].sort((a, b) => a[0] - b[0])) {
      const last = out.at(-1);
      if (last && from <= last[1]) last[1] = Math.max(last[1], to);
      else out.push([from, to]);
    }
    return out;
  };

  // A point of time stands for all of its seconds, so it is drawn as long as
  // they are, the last one before a gap too.
  const steps = (u, series, from, to) => {
    const [xs, ys, path] = [u.data[0], u.data[series], new Path2D()];
    let joined = false;
    for (let n = from; n <= to; n += 1) {
      if (ys[n] != null) {
        const y = u.valToPos(ys[n], "y", true);
        const left = u.valToPos(xs[n], "x", true);
        if (joined) path.lineTo(left, y);
        else path.moveTo(left, y);
        path.lineTo(n + 1 < xs.length ? u.valToPos(xs[n + 1], "x", true) : left, y);
      }
      joined = ys[n] != null;
    }
    return { stroke: path, fill: null, clip: null, band: null, gaps: null, flags: 1 };
  };

  const options = (chart, width, printed) => {
    const unit = UNITS[chart.unit];
    const overTime = !chart.percentiles;
    const axis = { stroke: colour("quiet"), font: "12px system-ui, sans-serif", grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const show = (value) => (value == null ? "\u2013" : unit.show(value) + (unit.after || ""));
    const line = ({ label, ink, hidden }) => ({
      label,
      stroke: hidden ? "transparent" : colour(ink),
      width: hidden ? 0 : ink === "first" || ink === "p99" || ink === "b-p99" ? 2 : 1.5,
      dash: hidden ? undefined : DASHES[ink],
      points: { show: false },
      value: (u, value) => show(value),
      spanGaps: false,
      ...(overTime ? { paths: hidden ? uPlot.paths.stepped({ align: 1, alignGaps: 1 }) : steps } : {}),
    });
    const lines = chart.lines.map(line);
    const bands = [];
    const ranged = chart.lines.filter((line) => line.range);
    ranged.forEach((of, n) => {
      const at = 1 + chart.lines.length + 2 * n;
      lines.push(line({ hidden: true, label: "" }), line({ hidden: true, label: "" }));
      bands.push({ series: [at + 1, at], fill: colour(of.ink) + "26" });
    });
    return {
      width,
      height: HEIGHT,
      padding: [null, overTime ? null : 34, null, null],
      series: [{ label: overTime ? "at" : "percentile", value: (u, value) => (value == null ? "\u2013" : overTime ? moment(value) : percent(value)) }, ...lines],
      bands,
      scales: {
        x: overTime ? { time: false, range: (u, low, high) => (low === high ? [low, low + 1] : [low, high]) } : { time: false, distr: 3 },
        y: unit.log ? { distr: 3, range: logRange } : { range: (u, low, high) => [0, Math.max(high * 1.06, 1)] },
      },
      axes: [
        overTime
          ? { ...axis, size: 32, incrs: TIME_STEPS, space: 60, values: (u, all) => all.map(seconds) }
          : { ...axis, size: 32, space: 40, splits: (u, n, low, high) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].filter((x) => x >= low && x <= high), values: (u, all) => all.map(percent) },
        unit.log
          ? { ...axis, size: 64, splits: logSplits, values: (u, all) => all.map(unit.show), filter: (u, all) => all }
          : { ...axis, size: 64, space: 36, values: (u, all) => all.map((v) => unit.show(v) + (unit.after || "")) },
      ],
      cursor: overTime && !printed ? { sync: { key: "time" }, y: false, points: { size: 6 }, dataIdx: (u, series, nearest, at) => (nearest > 0 && u.data[0][nearest] > at ? nearest - 1 : nearest) } : { y: false, points: { size: 6 } },
      legend: { live: !printed, markers: { width: 2, dash: (u, n) => (lines[n - 1].dash && lines[n - 1].dash.length ? "dashed" : "solid") } },
      hooks: {
        drawClear: overTime ? [tint] : [],
        // Values are of a place; without one there are only names.
        setCursor: [(u) => u.root.classList.toggle("hovered", u.cursor.idx != null && u.cursor.left >= 0)],
      },
    };
  };

  const columns = (chart) => {
    const ranged = chart.lines.filter((line) => line.range);
    const all = [...chart.lines.map((line) => line.values), ...ranged.flatMap((line) => line.range)];
    // A logarithm has no place for 0.
    const drawable = UNITS[chart.unit].log ? all.map((values) => values.map((v) => (v === 0 ? 1 : v))) : all;
    if (chart.percentiles) return [chart.percentiles.map((p) => 100 / (100 - p)), ...drawable];
    // One more, for the last to end at.
    const xs = Array.from({ length: data.points + 1 }, (_, n) => n * data.step_s);
    return [xs, ...drawable.map((values) => [...values, values.at(-1)])];
  };

  const places = data.charts
    .map((chart) => ({ chart, place: document.querySelector('[data-chart="' + chart.id + '"]') }))
    .filter(({ place }) => place);
  let drawn = [];
  const draw = (printed) => {
    drawn.forEach((plot) => plot.destroy());
    drawn = places.map(({ chart, place }) => {
      const width = printed ? PRINTED_WIDTH : Math.max(place.clientWidth, 240);
      const plot = new uPlot(options(chart, width, printed), columns(chart), place);
      // The edges of bands are no lines of their own.
      const edges = 2 * chart.lines.filter((line) => line.range).length;
      const rows = [...plot.root.querySelectorAll(".u-legend .u-series")];
      rows.slice(rows.length - edges).forEach((row) => { row.style.display = "none"; });
      return plot;
    });
  };

  root.classList.add("scripted");
  draw(false);
  let pending = 0;
  new ResizeObserver(() => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => {
      if (root.classList.contains("printing")) return;
      places.forEach(({ place }, n) => {
        const width = Math.max(place.clientWidth, 240);
        if (drawn[n].width !== width) drawn[n].setSize({ width, height: HEIGHT });
      });
    });
  }).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(false));
  addEventListener("beforeprint", () => { root.classList.add("printing"); draw(true); });
  addEventListener("afterprint", () => { root.classList.remove("printing"); draw(false); });
})();
