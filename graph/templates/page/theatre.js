// The replay theatre: one question, played step by step as one controller acted, or two side by side.

const FRAMES_A_SECOND = [1, 2, 4, 8, 16, 32];
let openTheatre = () => {};

function theatreSection(data, source) {
  const root = byId("theatre-root");
  const choices = source.controllers();
  root.replaceChildren();
  root.append(h("p", { class: "quiet" }, source.live
    ? "Episodes that the run stored are shown from its files; any other is replayed on demand, in the sandbox, from code and grid."
    : `This page carries the run's stored sample of traces: ${choices.length} of ${data.controllers.length} controllers, ${data.grids.search.reduce((sum, each) => sum + each.questions, 0)} questions, up to three β, repeat 0. autotts ui replays any other episode.`));
  if (!choices.length) { root.append(h("p", {}, "This run has no traces.")); return; }

  const first = choices.find((each) => each.selected) || choices.find((each) => each.best) || choices[choices.length - 1];
  const rival = choices.find((each) => data.baseline && each.label === data.baseline.label && each !== first) || choices.find((each) => each !== first);
  const middle = (controller) => { const list = source.betasOf(controller); return list[Math.floor(list.length / 2)]; };
  const state = { a: first.label, b: rival ? rival.label : "", betaA: middle(first), betaB: rival ? middle(rival) : null, grid: 0, question: 0, repeat: 0, frame: 0, all: false, rate: 8 };
  let sides = [], frames = [], timer = null, wanted = 0;

  const pick = h("div", { class: "controls" }), told = h("p", { class: "question" }), legend = h("div", { class: "legend plain" });
  const stages = h("div", { class: "stages" }), spoken = h("p", { class: "unseen", "aria-live": "polite" });
  const playButton = h("button", { type: "button", id: "theatre-play", onclick: () => (timer ? pause() : play()) }, "▶ Play");
  const scrub = h("input", { type: "range", id: "theatre-scrub", min: 0, max: 0, value: 0, "aria-label": "Step", oninput: (event) => { pause(); show(+event.target.value); } });
  const where = h("output", { id: "theatre-where" });
  const bar = h("div", { class: "controls player", role: "group", "aria-label": "Player" },
    h("button", { type: "button", id: "theatre-start", "aria-label": "To the beginning", onclick: () => { pause(); show(0); } }, "|◀"),
    h("button", { type: "button", id: "theatre-back", "aria-label": "One step back", onclick: () => { pause(); show(state.frame - 1); } }, "◀"), playButton,
    h("button", { type: "button", id: "theatre-step", "aria-label": "One step on", onclick: () => { pause(); show(state.frame + 1); } }, "▶"),
    h("button", { type: "button", id: "theatre-end", "aria-label": "To the end", onclick: () => { pause(); show(frames.length); } }, "▶|"),
    scrub, where, select("Speed", FRAMES_A_SECOND.map((n) => [n, `${n} a second`]), 8, (value) => { state.rate = +value; if (timer) { pause(); play(); } }, { id: "theatre-speed" }),
    check("the whole grid", false, (value) => { state.all = value; show(state.frame); }, { id: "theatre-all" }));
  root.append(pick, told, bar, legend, stages, spoken);

  const controllerOf = (label) => data.controllers.find((each) => each.label === label);
  const nameOf = (each) => each.name + (each.selected ? " (selected)" : each.round ? ` (round ${each.round})` : "");
  async function drawPick() {
    const grid = await source.gridOf(state.grid);
    const options = choices.map((each) => [each.label, nameOf(each)]);
    const betas = (label) => source.betasOf(controllerOf(label)).map((b) => [String(b), beta(b)]);
    const toBeta = (text) => (text === "null" ? null : +text);
    const change = (values) => { Object.assign(state, values); refresh(); };
    const swap = (side) => (label) => change({ [side]: label, ...(label ? { [side === "a" ? "betaA" : "betaB"]: nearest(label, side === "a" ? state.betaA : state.betaB) } : {}) });
    pick.replaceChildren(
      data.grids.search.length > 1 ? select("Grid", data.grids.search.map((each, i) => [i, each.name]), state.grid, (value) => change({ grid: +value, question: 0 }), { id: "theatre-grid" }) : null ?? "",
      h("span", { class: "pair" }, h("button", { type: "button", "aria-label": "Previous question", onclick: () => change({ question: (state.question + grid.questions.length - 1) % grid.questions.length }) }, "‹"),
        select("Question", grid.questions.map((each, i) => [i, `${i}: ${each.text.slice(0, 60)}`]), state.question, (value) => change({ question: +value }), { id: "theatre-question" }),
        h("button", { type: "button", id: "theatre-next", "aria-label": "Next question", onclick: () => change({ question: (state.question + 1) % grid.questions.length }) }, "›")),
      select("Controller", options, state.a, swap("a"), { id: "theatre-a" }), select("β", betas(state.a), state.betaA, (value) => change({ betaA: toBeta(value) }), { id: "theatre-beta-a" }),
      select("Beside it", [["", "nobody"], ...options], state.b, swap("b"), { id: "theatre-b" }), state.b ? select("its β", betas(state.b), state.betaB, (value) => change({ betaB: toBeta(value) }), { id: "theatre-beta-b" }) : "",
      select("Repeat", [...Array(source.repeats()).keys()].map((n) => [n, n]), state.repeat, (value) => change({ repeat: +value }), { id: "theatre-repeat", disabled: source.repeats() === 1 }));
  }
  function nearest(label, b) {
    const list = source.betasOf(controllerOf(label));
    if (list.includes(b)) return b;
    return list.reduce((best, each) => (Math.abs((each ?? 0) - (b ?? 0.5)) < Math.abs((best ?? 0) - (b ?? 0.5)) ? each : best), list[0]);
  }

  async function refresh(then) {
    const mine = ++wanted;
    pause();
    stages.setAttribute("aria-busy", "true");
    const grid = await source.gridOf(state.grid);
    await drawPick();
    const asked = [["a", state.a, state.betaA], ...(state.b ? [["b", state.b, state.betaB]] : [])];
    const loaded = await Promise.all(asked.map(async ([side, label, b]) => {
      const base = { side, label, beta: b, name: nameOf(controllerOf(label)) };
      try {
        const episode = await source.episode(label, state.grid, b, state.repeat, state.question);
        return { ...base, ...episode, summary: history(episode.question, episode.order, episode.events), opened: openedBy(episode.events) };
      } catch (error) { return { ...base, error: error.message }; }
    }));
    if (mine !== wanted) return;
    sides = loaded;
    merge();
    const question = grid.questions[state.question];
    told.replaceChildren(h("b", {}, `Question ${state.question}. `), question.text, h("span", { class: "gold" }, ` Gold answer: ${question.answers[0]}`));
    legend.replaceChildren(...classLegend(question), h("span", { class: "quiet" }, "outlined: acted on now · struck through: pruned · bar at the right: read to the end · faint: recorded, but never looked at"));
    build();
    stages.setAttribute("aria-busy", "false");
    show(then === "start" ? 0 : frames.length);
    performance.mark("theatre");
    stages.dataset.ready = JSON.stringify([state.a, state.b, state.betaA, state.betaB, state.grid, state.question, state.repeat]);
  }
  // Both are played against the tokens they spent: at one moment of the theatre they have spent alike.
  function merge() {
    const keys = new Map();
    sides.forEach((side, which) => {
      if (side.error) return;
      let last = -1, n = 0;
      side.events.forEach((event, i) => {
        n = event[1] === last ? n + 1 : 0;
        last = event[1];
        const key = event[1] * 1000 + Math.min(n, 999);
        if (!keys.has(key)) keys.set(key, []);
        keys.get(key)[which] = i;
      });
    });
    const at = sides.map(() => -1);
    frames = [...keys].sort((x, y) => x[0] - y[0]).map(([key, moved]) => { sides.forEach((_, which) => { if (moved[which] !== undefined) at[which] = moved[which]; }); return { tokens: Math.floor(key / 1000), at: [...at] }; });
    scrub.max = frames.length;
  }
  function build() {
    stages.replaceChildren(...sides.map((side) => {
      side.canvas = h("canvas", { class: "stage", role: "img", "data-side": side.side });
      side.curves = h("div", { class: "curves" });
      side.line = h("p", { class: "line-told" });
      side.fact = h("p", { class: "quiet fact" });
      return h("section", { class: "side", "aria-label": `${side.name}, ${beta(side.beta)}` }, h("h4", {}, side.name, h("span", { class: "quiet" }, ` ${beta(side.beta)}${side.error ? "" : side.stored ? "" : ", replayed just now"}`)),
        side.error ? h("p", { class: "bad" }, side.error) : [h("div", { class: "labels" }, side.kinds.map((kind) => h("span", { class: "label", title: data.kinds[kind] }, kind.replaceAll("_", " ")))), side.line, side.fact, h("div", { class: "stage-box" }, side.canvas), side.curves]);
    }));
  }
  function show(frame) {
    state.frame = Math.max(0, Math.min(frames.length, frame));
    scrub.value = state.frame;
    where.textContent = `${state.frame} / ${frames.length}`;
    scrub.setAttribute("aria-valuetext", `step ${state.frame} of ${frames.length}`);
    const most = Math.max(1, ...sides.filter((side) => !side.error).map((side) => side.summary.length ? side.summary[side.summary.length - 1].tokens : 0));
    // Both stages have as many rows, so that they can be compared by eye.
    const opened = Math.max(4, ...sides.filter((side) => !side.error).map((side) => side.opened));
    const sentences = [];
    sides.forEach((side, which) => {
      if (side.error) return;
      const index = state.frame ? frames[state.frame - 1].at[which] : -1;
      const now = newState(side.question, side.order);
      for (let i = 0; i <= index; i++) advanceState(now, side.events[i]);
      const ended = index === side.events.length - 1 && index >= 0;
      const moved = state.frame && (state.frame === 1 ? index === 0 : frames[state.frame - 2].at[which] !== index);
      if (!moved && !ended) now.acted = [];
      drawStage(side.canvas, now, state.all ? side.order.length : opened);
      const [what, lead] = describe(now);
      side.line.replaceChildren(ended ? h("strong", { class: now.answer === 0 ? "good" : "bad" }, now.answer === 0 ? "✓ " : "✗ ", what) : what);
      side.fact.textContent = `${whole(now.tokens)} tokens · ${now.branches.filter(Boolean).length} branches, ${now.branches.filter((b) => b && b.pruned).length} pruned, ${now.branches.filter((b) => b && b.finished).length} read to the end · ${lead}`;
      side.canvas.setAttribute("aria-label", `${side.name}: ${what}. ${side.fact.textContent}`);
      drawCurves(side.curves, side.summary, index, most);
      sentences.push(`${side.name}: ${what}`);
    });
    if (!timer) spoken.textContent = sentences.join(". ");
  }
  function play() {
    if (state.frame >= frames.length) show(0);
    playButton.textContent = "⏸ Pause";
    timer = setInterval(() => { if (state.frame >= frames.length) pause(); else show(state.frame + 1); }, 1000 / state.rate);
    show(state.frame + 1);
  }
  function pause() { clearInterval(timer); timer = null; playButton.textContent = "▶ Play"; }

  root.addEventListener("keydown", (event) => {
    if (["INPUT", "SELECT", "BUTTON"].includes(event.target.tagName)) return;
    const act = { " ": () => (timer ? pause() : play()), ArrowRight: () => { pause(); show(state.frame + 1); }, ArrowLeft: () => { pause(); show(state.frame - 1); }, Home: () => show(0), End: () => show(frames.length) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  let seen = 0;
  new ResizeObserver(() => { if (sides.length && Math.abs(stages.clientWidth - seen) > 2) { seen = stages.clientWidth; show(state.frame); } }).observe(stages);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh());

  openTheatre = (values) => {
    const wish = { ...values };
    for (const [side, own] of [["a", "betaA"], ["b", "betaB"]]) if (wish[side]) wish[own] = nearest(wish[side], wish[own] === undefined ? state[own] : wish[own]);
    Object.assign(state, wish);
    refresh("start");
    byId("theatre").scrollIntoView({ behavior: still() ? "auto" : "smooth" });
    byId("theatre").focus({ preventScroll: true });
  };
  refresh();
}
