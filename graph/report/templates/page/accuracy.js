// Accuracy against tokens: baselines and every round, by grid or averaged, searched on or held out.

function accuracySection(data) {
  const known = new Map(data.controllers.map((each) => [each.label, each]));
  const heldout = data.controllers.some((each) => data.curves[each.label].heldout);
  const usual = heldout ? "heldout" : "search", link = linkedTo("accuracy"), linked = Object.keys(link).length > 0;
  const state = {
    set: choice(link.set, heldout ? ["heldout", "search"] : ["search"], usual), grid: "mean", cost: choice(link.cost, ["tokens", "sequential"], "tokens"), bands: choice(link.bands, ["main", "all", "none"], "main"),
    all: link.all === "yes", upTo: choice(link.rounds, [...Array(data.rounds.length + 1).keys()], data.rounds.length), hidden: new Set((link.hidden || "").split(" ").filter(Boolean)),
  };
  const unless = (value, usual) => (value === usual ? undefined : value);
  const remember = () => writeLink("accuracy", { set: unless(state.set, usual), grid: unless(state.grid, "mean"), cost: unless(state.cost, "tokens"), bands: unless(state.bands, "main"), all: state.all ? "yes" : undefined, rounds: unless(state.upTo, data.rounds.length), hidden: [...state.hidden].join(" ") });
  const change = (values) => { Object.assign(state, values); draw(); remember(); };
  const host = h("div", {}), paired = h("div", { id: "differences" }), legend = h("div", { class: "legend", role: "group", "aria-label": "Series: press to hide or show" }), figures = folded("Figures", () => drawFigures());
  let shownNow = [];
  const gridChoice = h("span", {}), count = h("span", { "aria-live": "polite" });

  function pointsOf(label) {
    const curve = data.curves[label] && data.curves[label][state.set];
    if (!curve) return [];
    const rows = state.grid === "mean" ? curve.mean : curve.grids[+state.grid];
    const controller = known.get(label);
    return rows.map(([b, tokens, sequential, y, low, high]) => {
      const at = data.betas.indexOf(b);
      const settings = Object.entries(controller.knobs).map(([name, values]) => `${name} ${values[at < 0 ? values.length - 1 : at]}`);
      return {
        x: state.cost === "tokens" ? tokens : sequential, y, low, high, b, tokens, sequential,
        tip: [beta(b), `${fixed(y, 2)} % (${fixed(low, 2)} … ${fixed(high, 2)})`, `${whole(tokens)} tokens, ${whole(sequential)} sequential`, ...(settings.length ? [settings.slice(0, 8).join(", ")] : [])],
      };
    }).sort((a, b) => a.x - b.x);
  }
  const banded = (each) => state.bands === "all" || (state.bands === "main" && (each.selected || (data.baseline && each.label === data.baseline.label)));

  function chosen() {
    return data.controllers.filter((each) => each.round <= state.upTo && (each.round === 0 || each.selected || each.best || state.all));
  }
  function frontier(series) {
    const all = series.flatMap((each) => each.points).sort((a, b) => a.x - b.x || b.y - a.y);
    const kept = [];
    for (const p of all) if (!kept.length || p.y > kept[kept.length - 1].y) kept.push({ ...p });
    return kept;
  }

  function draw() {
    const rounds = data.rounds.length;
    const series = chosen().map((each) => ({
      name: nameOf(each),
      key: each.round && !each.selected ? "rounds" : each.label, style: styleOf(each), points: pointsOf(each.label), band: banded(each),
      faint: each.round > 0 && !each.selected, strong: each.selected,
      label: each.best && !each.selected && rounds <= 12 ? String(each.round) : null, labelAt: each.round + 1,
    }));
    const shown = series.filter((each) => !state.hidden.has(each.key)).sort((a, b) => (a.strong ? 1 : 0) - (b.strong ? 1 : 0) || (a.faint ? 0 : 1) - (b.faint ? 0 : 1));
    const best = frontier(shown);
    const lines = state.hidden.has("frontier") ? shown : [{ name: "frontier", style: ["var(--frontier)", "dot"], points: best, step: true, bare: true, wide: true, silent: true }, ...shown];
    const [low, high] = data.range;
    const where = state.grid === "mean" ? `mean over ${data.grids[state.set].length} grid${data.grids[state.set].length > 1 ? "s" : ""}` : gridName(state.grid);
    const every = lines.flatMap((each) => each.points.map((p) => p.x));
    const x = state.cost === "tokens" ? [low / 2.5, Math.max(high * 1.25, 1)] : every.length ? [Math.max(1, Math.min(...every)), Math.max(...every)] : null;
    const seen = lines.map((each) => ({ ...each, points: each.points.filter((p) => !x || (p.x >= x[0] && p.x <= x[1] * 1.05)) }));
    chart(host, { title: `Accuracy against ${state.cost === "tokens" ? "tokens" : "sequential tokens"}, ${state.set === "search" ? "search" : "held-out"} set, ${where}`,
      series: seen, log: true, x, percent: true, xLabel: `${state.cost === "tokens" ? "tokens" : "sequential tokens"} a question (log scale)`, yLabel: "accuracy, %", spans: spans(), links: paperLinks(data, "accuracy-tokens") });
    differencesPanel(data, paired, state, x);
    drawLegend(series);
    shownNow = shown;
    figures.refresh();
    count.textContent = state.upTo ? `up to round ${state.upTo}` : "baselines alone";
  }
  // The tokens saved, as a distance at self-consistency's accuracy.
  function spans() {
    const found = data.against[state.set];
    if (!found || state.grid !== "mean" || state.cost !== "tokens" || state.hidden.has("sc") || found.saving.value <= 0) return [];
    const { value, low, high } = found.saving, percent = (share) => Math.round(100 * share), tokens = found.reference.tokens;
    const ends = low === null ? "" : ` (${percent(low)} … ${percent(high)})`;
    return [{ from: tokens, to: tokens * (1 - value), y: 100 * found.reference.accuracy.value, name: `${percent(value)} %${ends} fewer tokens` }];
  }
  function drawFigures() {
    return table(["controller", "#β", "#accuracy, %", "#interval", "#tokens", "#sequential"], shownNow.flatMap((each) => each.points.map((p) => [each.name, p.b === null ? dash : String(p.b), fixed(p.y, 2), `${fixed(p.low, 2)} … ${fixed(p.high, 2)}`, whole(p.tokens), whole(p.sequential)])), "The points of the chart");
  }
  function drawLegend(series) {
    const keys = new Map();
    for (const each of series) if (each.points.length && !keys.has(each.key)) keys.set(each.key, [each.key === "rounds" ? (state.all ? "other finalists" : "best of each other round") : each.name, each.style]);
    keys.set("frontier", ["frontier", ["var(--frontier)", "dot"]]);
    legend.replaceChildren(...[...keys].map(([key, [name, style]]) => h("button", { type: "button", "data-series": key, "aria-pressed": String(!state.hidden.has(key)), onclick: (event) => {
      if (!state.hidden.delete(key)) state.hidden.add(key);
      change({});
      const again = legend.querySelector(`[data-series="${CSS.escape(key)}"]`);
      if (again && event.detail === 0) again.focus();
    } }, swatch(style), name)));
  }
  const gridName = (i) => (state.set === "search" ? data.grids.search[+i].name : data.grids.heldout[+i]);
  function drawGrids(grid) {
    state.grid = grid; // the two sets have other grids
    const names = state.set === "search" ? data.grids.search.map((each) => each.name) : data.grids.heldout;
    gridChoice.replaceChildren(select("Grid", [["mean", "mean over grids"], ...names.map((name, i) => [String(i), name])], grid, (value) => change({ grid: value }), { id: "accuracy-grid" }));
  }
  const slider = h("input", { type: "range", id: "accuracy-rounds", min: 0, max: data.rounds.length, value: state.upTo, oninput: (event) => change({ upTo: +event.target.value }) });
  drawGrids(choice(link.grid, ["mean", ...data.grids[state.set].keys()].map(String), "mean"));
  const controls = h("div", { class: "controls" },
    heldout && select("Set", [["heldout", "held-out set"], ["search", "search set"]], state.set, (value) => { state.set = value; drawGrids("mean"); change({}); }, { id: "accuracy-set" }),
    gridChoice,
    select("Cost", [["tokens", "tokens"], ["sequential", "sequential tokens"]], state.cost, (value) => change({ cost: value }), { id: "accuracy-cost" }),
    select("Bands", [["main", "selected and best baseline"], ["all", "all"], ["none", "none"]], state.bands, (value) => change({ bands: value }), { id: "accuracy-bands" }),
    h("label", { class: "field" }, h("span", {}, count), slider),
    check("all finalists", state.all, (value) => change({ all: value }), { id: "accuracy-all" }));
  byId("accuracy").append(controls, host, legend, figures, paired);
  draw();
  if (linked && !returning) byId("accuracy").scrollIntoView();
}
