// Draws what stands in #data into the places that wait for it. Everything else of
// the page is there without this script.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const font = "12px system-ui, sans-serif";

  const short = v => {
    for (const [unit, size] of [[" G", 1e9], [" M", 1e6], [" k", 1e3]]) {
      if (v >= size) return +(v / size).toPrecision(3) + unit;
    }
    return String(+v.toPrecision(3));
  };

  // axis is what all axes have in common.
  const axis = more => Object.assign({
    stroke: colour("muted"), font,
    grid: {stroke: colour("line"), width: 1}, ticks: {show: false},
  }, more);

  // plot makes an empty uPlot of a box; paint draws into it.
  const plot = (box, height, x, y, axes, paint, steep) => {
    box.replaceChildren();
    new uPlot({
      width: box.clientWidth, height, padding: [8, 8, 0, 0],
      cursor: {show: false}, legend: {show: false}, select: {show: false},
      scales: {x: {time: false, range: x}, y: {range: y, distr: steep ? 3 : 1}},
      axes, series: [{}, {show: false}], hooks: {draw: [u => inside(u, paint)]},
    }, [x, y], box);
  };

  // inside keeps what is painted within the frame of the axes, with lengths in
  // pixels of the page.
  const inside = (u, paint) => {
    const c = u.ctx, ratio = devicePixelRatio;
    c.save();
    c.scale(ratio, ratio);
    c.translate(.5, .5);
    paint(c, v => u.valToPos(v, "x", true) / ratio, v => u.valToPos(v, "y", true) / ratio);
    c.restore();
  };

  const path = (c, points) => {
    c.beginPath();
    points.forEach(([x, y], i) => i ? c.lineTo(x, y) : c.moveTo(x, y));
  };
  const ring = (x, y, corners) => corners.map(([dx, dy]) => [x + dx, y + dy]);

  // shapes are the marks of medians, as in the legend.
  const shapes = [
    (c, x, y) => { c.beginPath(); c.arc(x, y, 5, 0, 7); },
    (c, x, y) => path(c, ring(x, y, [[-4.5, -4.5], [4.5, -4.5], [4.5, 4.5], [-4.5, 4.5]])),
    (c, x, y) => path(c, ring(x, y, [[0, -5.5], [6, 5], [-6, 5]])),
    (c, x, y) => path(c, ring(x, y, [[0, -6], [6, 0], [0, 6], [-6, 0]])),
    (c, x, y) => path(c, ring(x, y, [[0, 5.5], [-6, -5], [6, -5]])),
    (c, x, y) => path(c, ring(x, y, [[-1.5, -6], [1.5, -6], [1.5, -1.5], [6, -1.5], [6, 1.5], [1.5, 1.5], [1.5, 6], [-1.5, 6], [-1.5, 1.5], [-6, 1.5], [-6, -1.5], [-1.5, -1.5]])),
  ];

  const trials = (c, p, x, y) => {
    const wide = Math.min(14, 2 * p.trials.length);
    c.globalAlpha = .5;
    p.trials.forEach((v, i) => {
      c.beginPath();
      c.arc(x - 9 - wide * i / Math.max(1, p.trials.length - 1), y(v), 2.5, 0, 7);
      c.fill();
    });
    c.globalAlpha = 1;
  };

  const bars = (c, p, x, y) => {
    if (!p.interval) return;
    for (const [x0, y0, x1, y1] of [[x, y(p.low), x, y(p.high)], [x - 5, y(p.low), x + 5, y(p.low)], [x - 5, y(p.high), x + 5, y(p.high)]]) {
      path(c, [[x0, y0], [x1, y1]]);
      c.stroke();
    }
  };

  const marks = (c, p, x, y) => {
    c.strokeStyle = colour("muted");
    c.lineWidth = 1.75;
    for (const v of p.excluded || []) {
      path(c, ring(x - 16, y(v), [[-3.5, -3.5], [3.5, 3.5]]));
      c.stroke();
      path(c, ring(x - 16, y(v), [[3.5, -3.5], [-3.5, 3.5]]));
      c.stroke();
    }
    if (p.published) {
      path(c, ring(x, y(p.published), [[0, -6], [6, 0], [0, 6], [-6, 0]]));
      c.closePath();
      c.stroke();
    }
  };

  const line = (c, points, stroke, dash) => {
    c.strokeStyle = stroke;
    c.lineWidth = 1.5;
    c.setLineDash(dash);
    path(c, points);
    c.stroke();
    c.setLineDash([]);
  };

  const paintSeries = (chart, c, x, y) => {
    if (chart.curve) line(c, chart.curve.map(p => [x(p.x), y(p.y)]), colour("muted"), []);
    const ticks = chart.ticks, between = ticks.length > 1 ? Math.abs(x(ticks[1].x) - x(ticks[0].x)) : 100;
    const apart = chart.joined ? 0 : Math.min(30, .7 * between / chart.series.length);
    chart.series.forEach((s, i) => {
      const own = colour("c" + i), dodge = apart * (i - (chart.series.length - 1) / 2);
      const there = s.points.filter(p => p.trials.length).sort((a, b) => a.x - b.x);
      if (chart.joined && !chart.curve) line(c, there.map(p => [x(p.x) + dodge, y(p.median)]), own, [[], [6, 3], [2, 3]][i % 3]);
      for (const p of s.points) {
        const at = x(p.x) + dodge;
        c.fillStyle = own;
        trials(c, p, at, y);
        marks(c, p, at, y);
        if (!p.trials.length) continue;
        c.strokeStyle = own;
        c.lineWidth = 1.75;
        bars(c, p, at, y);
        shapes[i](c, at, y(p.median));
        c.fill();
      }
    });
  };

  // names shortens the labels of ticks to what fits, and turns them when little does.
  const names = (ticks, width) => {
    const each = width / ticks.length, longest = Math.max(...ticks.map(t => t.label.length));
    const turned = longest * 7 > each;
    const cut = s => s.length > 22 ? s.slice(0, 21) + "…" : s;
    return {
      splits: () => ticks.map(t => t.x), values: () => ticks.map(t => cut(t.label)),
      rotate: turned ? 40 : 0, size: turned ? 24 + 4.5 * Math.min(22, longest) : 32,
    };
  };

  const drawChart = (box, chart) => {
    const xs = chart.ticks.map(t => t.x), low = Math.min(...xs), high = Math.max(...xs);
    const pad = (high - low) * (chart.joined ? .08 : .5 / Math.max(1, xs.length - 1));
    let top = 0, least = Infinity;
    for (const s of chart.series) for (const p of s.points) {
      const all = [p.low, p.high, p.published || 0, ...p.trials, ...(p.excluded || [])];
      top = Math.max(top, ...all);
      least = Math.min(least, ...all.filter(v => v > 0));
    }
    for (const p of chart.curve || []) top = Math.max(top, p.y);
    const across = axis(Object.assign({label: chart.axis, labelSize: 20, labelFont: font, grid: {show: false}, gap: 6}, names(chart.ticks, box.clientWidth - 60)));
    const height = Math.max(268, Math.min(368, box.clientWidth / 2)) + across.size;
    plot(box, height, [low - pad, high + pad], chart.steep ? [10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(top))] : [0, (top || 1) * 1.1], [
      across,
      axis({values: (u, all) => all.map(v => v === null ? "" : short(v)), size: 56, space: 44}),
    ], (c, x, y) => paintSeries(chart, c, x, y), chart.steep);
  };

  const drawTime = (box, trial, top) => {
    const end = trial.rates.length * trial.bin, from = trial.warmup, to = trial.warmup + trial.window;
    plot(box, 112, [0, end], [0, top || 1], [
      axis({size: 22, space: 40, grid: {show: false}, values: (u, all) => all.map(v => v + " s")}),
      axis({size: 40, space: 30, values: (u, all) => all.map(short)}),
    ], (c, x, y) => {
      c.fillStyle = colour("line");
      c.globalAlpha = .7;
      c.fillRect(x(0), y(top), x(Math.min(from, end)) - x(0), y(0) - y(top));
      trial.rates.forEach((v, i) => {
        const a = i * trial.bin, b = a + trial.bin, middle = (a + b) / 2;
        c.globalAlpha = middle > to ? .35 : 1;
        const before = i ? trial.rates[i - 1] : v;
        line(c, [[x(a), y(before)], [x(a), y(v)], [x(b), y(v)]], colour(trial.counts ? "c0" : "muted"), []);
      });
      c.globalAlpha = 1;
    });
  };

  const draw = box => {
    if (!box.clientWidth) return; // within what is closed
    if (box.dataset.chart !== undefined) return drawChart(box, data.charts[box.dataset.chart]);
    const row = data.times[box.dataset.row];
    drawTime(box, row[box.dataset.trial], Math.max(...Object.values(row).flatMap(t => t.rates)));
  };
  const boxes = [...document.querySelectorAll(".plot")];
  const drawAll = () => boxes.forEach(draw);

  drawAll();
  for (const details of document.querySelectorAll(".times details")) {
    details.addEventListener("toggle", () => details.open && details.querySelectorAll(".plot").forEach(draw));
  }
  let width = document.documentElement.clientWidth, waiting = 0;
  addEventListener("resize", () => {
    if (width === (width = document.documentElement.clientWidth)) return;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 100);
  });
  for (const query of ["print", "(prefers-color-scheme: dark)"]) matchMedia(query).addEventListener("change", drawAll);
})();
