// A chart of lines with bands: hover and arrow keys tell of each point, a table holds the same figures.

const MARGIN = { left: 46, right: 14, top: 26, bottom: 40 };

function logTicks(low, high, wanted = [1, 2, 5]) {
  const found = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const d of wanted) if (d * 10 ** e >= low && d * 10 ** e <= high) found.push(d * 10 ** e);
  }
  return found.length > 9 && wanted.length > 1 ? logTicks(low, high, [1]) : found;
}
function ticks(low, high, count = 6) {
  const rough = (high - low) / count || 1;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 5, 10].find((m) => m * size >= rough) || 10);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) found.push(+v.toPrecision(10));
  return found;
}

// options: title, series [{name, style, points [{x, y, low, high, tip}], band, faint, strong, step, label}], xLabel, yLabel, log, x, y,
// rules [{y, name}], links {form: path} (files of it that a server has), spans [{from, to, y, name}] (arrows between two x at one y)
function chart(host, options) {
  let place = null; // the point told of: [series, point]
  const tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
  const spoken = h("div", { class: "unseen", "aria-live": "polite" });
  const frame = h("div", { class: "chart", tabindex: 0, role: "group", "aria-label": `${options.title}. Arrow keys go through the points.` });
  const named = options.series.filter((each) => each.points.length && each.style);
  host.replaceChildren(frame, spoken, saveRow(options.title, svgForm(options.title, () => frame.querySelector("svg"), named), options.links));
  let scales = null;

  function draw() {
    const width = Math.max(280, frame.clientWidth || 640);
    const height = options.height || Math.round(Math.min(430, Math.max(260, width * 0.52)));
    const shown = options.series.filter((each) => each.points.length);
    const xs = shown.flatMap((each) => each.points.map((p) => p.x));
    const ys = shown.flatMap((each) => each.points.flatMap((p) => [p.y, each.band && p.low !== null ? p.low : p.y, each.band && p.high !== null ? p.high : p.y]));
    for (const rule of options.rules || []) ys.push(rule.y);
    if (!xs.length) { frame.replaceChildren(h("p", { class: "quiet" }, "Nothing to show with this choice.")); return; }
    let [x0, x1] = options.x || [Math.min(...xs), Math.max(...xs)];
    if (options.log) { x0 = Math.max(x0, 0.5); if (x0 === x1) { x0 /= 1.5; x1 *= 1.5; } } else if (x0 === x1) { x0 -= 0.5; x1 += 0.5; }
    let [y0, y1] = options.y || [Math.min(...ys), Math.max(...ys)];
    const room = (y1 - y0 || 1) * 0.06;
    if (!options.y) { y0 -= room; y1 += room; if (options.percent) { y0 = Math.max(-1, y0); y1 = Math.min(101.5, y1); } }
    const f = options.log ? Math.log10 : (v) => v;
    const pad = options.log ? 0.03 : 0.04;
    const span = (f(x1) - f(x0)) || 1;
    const X = (v) => MARGIN.left + ((f(Math.max(v, options.log ? 0.3 : -Infinity)) - f(x0)) / span * (1 - 2 * pad) + pad) * (width - MARGIN.left - MARGIN.right);
    const Y = (v) => height - MARGIN.bottom - ((v - y0) / (y1 - y0)) * (height - MARGIN.top - MARGIN.bottom);
    scales = { X, Y, shown, width, height };
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": options.title });
    const clip = `clip-${Math.random().toString(36).slice(2)}`;
    svg.append(s("clipPath", { id: clip }, s("rect", { x: MARGIN.left - 6, y: 0, width: width - MARGIN.left - MARGIN.right + 16, height: height - MARGIN.bottom + 4 })));
    for (const v of options.yTicks || ticks(y0, y1)) {
      svg.append(s("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: Y(v), y2: Y(v), class: "rule" }), s("text", { x: MARGIN.left - 8, y: Y(v) + 4, class: "tick end" }, short(v)));
    }
    for (const v of options.xTicks || (options.log ? logTicks(x0, x1) : ticks(x0, x1, Math.min(8, width / 70)))) {
      svg.append(s("line", { x1: X(v), x2: X(v), y1: MARGIN.top, y2: height - MARGIN.bottom, class: "rule" }), s("text", { x: X(v), y: height - MARGIN.bottom + 17, class: "tick mid" }, short(v)));
    }
    svg.append(s("text", { x: (MARGIN.left + width - MARGIN.right) / 2, y: height - 5, class: "axis mid" }, options.xLabel), s("text", { x: 4, y: 12, class: "axis" }, options.yLabel));
    const body = s("g", { "clip-path": `url(#${clip})` });
    for (const rule of options.rules || []) body.append(s("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: Y(rule.y), y2: Y(rule.y), class: "level" }), s("text", { x: width - MARGIN.right, y: Y(rule.y) - 5, class: "tick end" }, rule.name));
    for (const each of shown) if (each.band) body.append(s("path", { d: bandOf(each.points, X, Y, each.step), class: "band", vars: { "--c": each.style[0] } }));
    for (const each of shown) {
      const kind = each.step ? stepOf(each.points, X, Y) : `M${each.points.map((p) => `${X(p.x).toFixed(1)} ${Y(p.y).toFixed(1)}`).join("L")}`;
      body.append(s("path", { d: kind, class: `line${each.faint ? " faint" : ""}${each.strong ? " strong" : ""}${each.wide ? " wide" : ""}`, vars: { "--c": each.style[0] } }));
      if (!each.bare) for (const p of each.points) body.append(mark(each.style[1], each.style[0], X(p.x), Y(p.y), each.faint ? 2.6 : 4));
      if (each.label) { const p = each.points[Math.min(each.points.length - 1, each.labelAt || 0)]; body.append(s("text", { x: X(p.x), y: Y(p.y) - 7, class: "tick mid" }, each.label)); }
    }
    for (const span of options.spans || []) body.append(spanOf(span, X, Y, height - MARGIN.bottom));
    svg.append(body, s("circle", { r: 8, class: "halo", hidden: true }));
    frame.replaceChildren(svg, tip);
    if (place) tell(...place, false);
  }

  function tell(i, j, aloud = true) {
    const each = scales.shown[i];
    const p = each && each.points[j];
    if (!p) return;
    place = [i, j];
    const x = scales.X(p.x), y = scales.Y(p.y);
    // Points that lie on one another: the one told of is the leader's, or the most accurate, and the others are named.
    const tied = scales.shown.filter((other) => other !== each && !other.silent && other.points.some((q) => Math.hypot(scales.X(q.x) - scales.X(p.x), scales.Y(q.y) - scales.Y(p.y)) < 2)).map((other) => other.name);
    const lines = [each.name, ...p.tip, ...(tied.length ? [`the same point: ${tied.slice(0, 4).join(", ")}`] : [])];
    tip.replaceChildren(...lines.map((text, n) => h(n ? "div" : "strong", {}, text)));
    tip.hidden = false;
    const left = x > scales.width * 0.55;
    tip.style.left = left ? "auto" : `${x + 14}px`;
    tip.style.right = left ? `${scales.width - x + 14}px` : "auto";
    tip.style.top = `${Math.min(Math.max(0, y - 20), scales.height - 120)}px`;
    const halo = frame.querySelector(".halo");
    halo.removeAttribute("hidden");
    halo.setAttribute("cx", x);
    halo.setAttribute("cy", y);
    if (aloud) spoken.textContent = lines.join(", ");
  }
  function hush() { place = null; tip.hidden = true; const halo = frame.querySelector(".halo"); if (halo) halo.setAttribute("hidden", ""); }

  frame.addEventListener("pointermove", (event) => {
    if (!scales) return;
    const box = frame.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const near = [];
    scales.shown.forEach((each, i) => { if (!each.silent) each.points.forEach((p, j) => {
      const d = Math.hypot(scales.X(p.x) - px, scales.Y(p.y) - py);
      if (d < 30) near.push({ at: [i, j], d, strong: each.strong ? 1 : 0, y: p.y });
    }); });
    const least = Math.min(...near.map((each) => each.d));
    const [best] = near.filter((each) => each.d < least + 3).sort((a, b) => b.strong - a.strong || b.y - a.y || a.d - b.d);
    if (best) tell(...best.at, false); else hush();
  });
  frame.addEventListener("pointerleave", hush);
  frame.addEventListener("keydown", (event) => {
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape") hush();
    if (!move || !scales) return;
    event.preventDefault();
    const open = scales.shown.map((each, i) => (each.silent ? -1 : i)).filter((i) => i >= 0);
    let [i, j] = place || [open[0], -1];
    i = open[(open.indexOf(i) + move[0] + open.length) % open.length];
    j = Math.max(0, Math.min(scales.shown[i].points.length - 1, j + move[1]));
    tell(i, j);
  });
  new ResizeObserver(() => { if (frame.clientWidth && (!scales || Math.abs(frame.clientWidth - scales.width) > 2)) draw(); }).observe(frame);
  draw();
}

function bandOf(points, X, Y, step) {
  // A step holds its value up to the next point, where the band has a corner.
  const edge = (value) => points.flatMap((p, i) => [...(step && i ? [[p.x, value(points[i - 1])]] : []), [p.x, value(p)]]).map(([x, y]) => `${X(x).toFixed(1)} ${Y(y).toFixed(1)}`);
  const up = edge((p) => p.high ?? p.y), down = edge((p) => p.low ?? p.y).reverse();
  return `M${up.concat(down).join("L")}Z`;
}
// A distance between two x at one y: dropped to the foot of the chart, where no curve lies over its name.
function spanOf(span, X, Y, foot) {
  const [from, to, y] = [X(span.from), X(span.to), Y(span.y)], back = to < from ? 7 : -7, at = foot - 16;
  return s("g", { class: "span" }, s("path", { d: `M${from} ${y}V${at}M${to} ${y}V${at}`, class: "span-drop" }),
    s("path", { d: `M${from} ${at}H${to}m${back} -4l${-back} 4l${back} 4`, class: "span-line" }),
    s("text", { x: (from + to) / 2, y: at - 8, class: "span-name mid" }, span.name));
}
function stepOf(points, X, Y) {
  return points.map((p, i) => (i ? `H${X(p.x).toFixed(1)}V${Y(p.y).toFixed(1)}` : `M${X(p.x).toFixed(1)} ${Y(p.y).toFixed(1)}`)).join("");
}
