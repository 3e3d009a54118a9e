// The replay theatre: one question, played step by step as one controller acted, or two side by side.

const SPEEDS = [0.5, 1, 2, 4, 8];
const LONGEST = 200; // characters of a question that the page holds
const SECONDS = 24, SLOWEST = 1, QUICKEST = 5; // an episode lasts as long at speed 1, within so many steps a second
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
  const state = { a: first.label, b: rival ? rival.label : "", betaA: middle(first), betaB: null, grid: 0, question: 0, repeat: 0, frame: 0, all: false, speed: 1 };
  const link = linkedTo("theatre"), linked = "question" in link;
  let sides = [], frames = [], timer = null, wanted = 0, untouched = !linked;

  const pick = h("div", { class: "controls" }), told = h("p", { class: "question" }), legend = h("div", { class: "legend plain" });
  const stages = h("div", { class: "stages" }), spoken = h("p", { class: "unseen", "aria-live": "polite" });
  const playButton = h("button", { type: "button", id: "theatre-play", onclick: () => { untouched = false; if (timer) pause(); else play(); } });
  const scrub = h("input", { type: "range", id: "theatre-scrub", min: 0, max: 0, value: 0, "aria-label": "Step", oninput: (event) => go(+event.target.value) });
  const where = h("output", { id: "theatre-where" });
  const go = (frame) => { untouched = false; pause(); show(frame); remember(); };
  const jump = (id, name, picture, to) => h("button", { type: "button", id: `theatre-${id}`, class: "round-button", "aria-label": name, title: name, onclick: () => go(to()) }, icon(picture));
  const bar = h("div", { class: "controls player", role: "group", "aria-label": "Player" },
    playButton, jump("start", "To the beginning", "start", () => 0), jump("back", "One step back", "stepBack", () => state.frame - 1),
    jump("step", "One step on", "stepOn", () => state.frame + 1), jump("end", "To the end", "end", () => frames.length),
    scrub, where, select("Speed", SPEEDS.map((n) => [n, `× ${n}`]), 1, (value) => { state.speed = +value; if (timer) { pause(); play(); } }, { id: "theatre-speed" }),
    check("branches never opened", false, (value) => { state.all = value; show(state.frame); }, { id: "theatre-all" }));
  root.append(pick, told, bar, stages, legend, spoken);

  // The other controller is played where it costs most alike.
  const costOf = (label, b) => (data.curves[label].search.mean.find((row) => sameBeta(row[0], b)) || [0, 1])[1];
  const alike = (label, tokens) => source.betasOf(controllerOf(label)).reduce((best, b) => (Math.abs(Math.log(costOf(label, b) / tokens)) < Math.abs(Math.log(costOf(label, best) / tokens)) ? b : best));
  const controllerOf = (label) => data.controllers.find((each) => each.label === label);
  async function drawPick() {
    const grid = await source.gridOf(state.grid);
    const options = choices.map((each) => [each.label, nameOf(each)]);
    const betas = (label) => source.betasOf(controllerOf(label)).map((b) => [String(b), beta(b)]);
    const toBeta = (text) => (text === "null" ? null : +text);
    const change = (values) => { untouched = false; Object.assign(state, values); refresh().then(remember); };
    const swap = (side) => (label) => change({ [side]: label, ...(label ? { [side === "a" ? "betaA" : "betaB"]: nearest(label, side === "a" ? state.betaA : state.betaB) } : {}) });
    pick.replaceChildren(
      data.grids.search.length > 1 ? select("Grid", data.grids.search.map((each, i) => [i, each.name]), state.grid, (value) => change({ grid: +value, question: 0 }), { id: "theatre-grid" }) : "",
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
    told.replaceChildren(h("b", {}, `Question ${state.question}. `), question.text, question.text.length >= LONGEST ? "… " : " ", h("span", { class: "gold" }, `Gold answer: ${question.answers[0]}`));
    legend.replaceChildren(...classLegend(question), h("span", { class: "quiet" }, "outlined: acted on now · struck through: pruned · bar at the right: read to the end · faint: recorded, but not looked at yet"));
    build();
    stages.setAttribute("aria-busy", "false");
    show(then === "start" ? 0 : typeof then === "number" ? then : frames.length);
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
      side.standing = h("p", { class: "standing" });
      side.labels = h("div", { class: "labels" });
      return h("section", { class: "side", "aria-label": `${side.name}, ${beta(side.beta)}` }, h("h4", {}, side.name, h("span", { class: "quiet" }, ` ${beta(side.beta)}${side.error ? "" : side.stored ? "" : ", replayed just now"}`)),
        side.error ? h("p", { class: "bad" }, side.error) : [h("div", { class: "story" }, side.line, side.standing), h("div", { class: "stage-box" }, side.canvas), side.curves,
          saveRow(`${side.name}, question ${state.question}`, { PNG: () => side.canvas.toBlob((blob) => saveAs(fileName(`${side.name} question ${state.question} step ${state.frame}`, "png"), blob)) }), side.fact, side.labels]);
    }));
  }
  function show(frame) {
    state.frame = Math.max(0, Math.min(frames.length, frame));
    scrub.value = state.frame;
    where.textContent = `${state.frame} / ${frames.length}`;
    scrub.setAttribute("aria-valuetext", `step ${state.frame} of ${frames.length}`);
    const most = Math.max(1, ...sides.filter((side) => !side.error).map((side) => side.summary.length ? side.summary[side.summary.length - 1].tokens : 0));
    // Both stages have as many rows and columns, from the first step on, so that they can be compared by eye.
    const opened = Math.max(4, ...sides.filter((side) => !side.error).map((side) => side.opened));
    const lanes = (side) => (state.all ? side.order.length : opened), depthOf = (side) => Math.max(...side.order.slice(0, lanes(side)).map((n) => side.question.cells[n].length));
    const depth = Math.max(1, ...sides.filter((side) => !side.error).map(depthOf));
    const sentences = [], revealed = new Set();
    sides.forEach((side, which) => {
      if (side.error) return;
      const index = state.frame ? frames[state.frame - 1].at[which] : -1;
      const now = newState(side.question, side.order);
      for (let i = 0; i <= index; i++) advanceState(now, side.events[i]);
      const ended = index === side.events.length - 1 && index >= 0;
      const moved = state.frame && (state.frame === 1 ? index === 0 : frames[state.frame - 2].at[which] !== index);
      const [what, lead] = describe(now);
      if (!moved && !ended) now.acted = [];
      drawStage(side.canvas, now, lanes(side), depth);
      side.line.replaceChildren(ended ? h("strong", { class: now.answer === 0 ? "good" : "bad" }, icon(now.answer === 0 ? "right" : "wrong"), " ", what) : what);
      side.standing.textContent = lead;
      // What the digest makes of an episode is known at its end.
      side.labels.replaceChildren(...(ended ? side.kinds : []).map((kind) => h("span", { class: "label", title: data.kinds[kind] }, kind.replaceAll("_", " "))));
      side.fact.textContent = `${whole(now.tokens)} tokens · ${now.branches.filter(Boolean).length} branches, ${now.branches.filter((b) => b && b.pruned).length} pruned, ${now.branches.filter((b) => b && b.finished).length} read to the end`;
      side.canvas.setAttribute("aria-label", `${side.name}: ${what} ${lead} ${side.fact.textContent}`);
      for (const branch of now.branches) if (branch) for (const sign of branch.seen.values()) revealed.add(classOf(side.question, sign));
      drawCurves(side.curves, side.summary, index, most);
      sentences.push(`${side.name}: ${what}`);
    });
    // Answers are named as they come.
    legend.querySelectorAll("[data-class]").forEach((entry) => entry.classList.toggle("not-yet", !revealed.has(+entry.dataset.class)));
    if (!timer) spoken.textContent = sentences.join(" ");
  }
  function play() {
    if (state.frame >= frames.length) show(0);
    const rate = Math.min(QUICKEST, Math.max(SLOWEST, frames.length / SECONDS)) * state.speed;
    playButton.replaceChildren(icon("pause"), " Pause");
    playButton.dataset.playing = "yes";
    timer = setInterval(() => { if (state.frame >= frames.length) { pause(); remember(); } else show(state.frame + 1); }, 1000 / rate);
    show(state.frame + 1);
  }
  function pause() { clearInterval(timer); timer = null; playButton.replaceChildren(icon("play"), " Play"); delete playButton.dataset.playing; }
  const remember = () => writeLink("theatre", { grid: state.grid || undefined, question: state.question, repeat: state.repeat || undefined, a: state.a, betaA: state.betaA, b: state.b || "none", betaB: state.b ? state.betaB : undefined, step: state.frame });

  root.addEventListener("keydown", (event) => {
    if (["INPUT", "SELECT", "BUTTON"].includes(event.target.tagName)) return;
    const act = { " ": () => (timer ? pause() : play()), ArrowRight: () => go(state.frame + 1), ArrowLeft: () => go(state.frame - 1), Home: () => go(0), End: () => go(frames.length) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  let seen = 0;
  new ResizeObserver(() => { if (sides.length && Math.abs(stages.clientWidth - seen) > 2) { seen = stages.clientWidth; show(state.frame); } }).observe(stages);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh());

  openTheatre = (values) => {
    const wish = { ...values };
    untouched = false;
    for (const [side, own] of [["a", "betaA"], ["b", "betaB"]]) if (wish[side]) wish[own] = nearest(wish[side], wish[own] === undefined ? state[own] : wish[own]);
    Object.assign(state, wish);
    refresh("start").then(() => { remember(); if (!still()) play(); });
    byId("theatre").scrollIntoView({ behavior: still() ? "auto" : "smooth" });
    byId("theatre").focus({ preventScroll: true });
  };
  // The first look: the link's episode at its step, or the question on which the two differ most, played once it comes into view.
  async function begin() {
    if (rival) state.betaB = alike(rival.label, costOf(first.label, state.betaA));
    const labels = choices.map((each) => each.label);
    state.a = choice(link.a, labels, state.a);
    state.b = link.b === "none" ? "" : choice(link.b, labels, state.b);
    for (const [side, own] of [["a", "betaA"], ["b", "betaB"]]) if (state[side]) state[own] = choice(link[own], source.betasOf(controllerOf(state[side])), nearest(state[side], state[own]));
    if (linked) {
      state.grid = choice(link.grid, data.grids.search.map((_, i) => i), 0);
      state.question = choice(link.question, [...Array(data.grids.search[state.grid].questions).keys()], 0);
      state.repeat = choice(link.repeat, [...Array(source.repeats()).keys()], 0);
      await refresh(/^\d{1,6}$/.test(link.step || "") ? +link.step : undefined);
      if (!returning) byId("theatre").scrollIntoView();
      return;
    }
    Object.assign(state, await questionOfMostDifference(data, source, state.a, state.betaA, state.b, state.betaB));
    await refresh();
    if (still() || returning) return;
    new IntersectionObserver((seen, watcher) => {
      if (!untouched) watcher.disconnect();
      else if (seen.some((each) => each.isIntersecting)) { watcher.disconnect(); untouched = false; show(0); play(); }
    }, { threshold: 0.35 }).observe(stages);
  }
  pause();
  begin();
}
