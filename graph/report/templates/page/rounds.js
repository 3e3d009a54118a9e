// Each round: what was proposed and why, its code beside its parent's, knobs over β, what was measured, where it went.

const SHARE_STYLES = ["var(--blue)", "var(--orange)", "var(--brown)", "var(--violet)", "var(--sky)", "var(--yellow)"];

function knobCharts(data, candidate) {
  const entries = Object.entries(candidate.knobs).filter(([, values]) => values.some((v) => typeof v === "number"));
  if (!entries.length) return h("p", { class: "quiet" }, "It did not load, or has no knobs.");
  const saved = () => ({ head: ["β", ...entries.map(([name]) => name)], rows: data.betas.map((b, i) => [String(b), ...entries.map(([, values]) => textOf(values[i]))]), numeric: [true, ...entries.map(() => true)] });
  return h("div", {}, h("div", { class: "small-charts" }, entries.map(([name, values]) => {
    const numbers = values.map((v) => (typeof v === "number" ? v : 0));
    const low = Math.min(...numbers), high = Math.max(...numbers), W = 150, H = 54;
    const X = (i) => 5 + (i / Math.max(1, values.length - 1)) * (W - 10);
    const Y = (v) => H - 6 - ((v - low) / (high - low || 1)) * (H - 12);
    const turning = candidate.measured && candidate.measured.monotonicity.turning.includes(name);
    return h("figure", {}, s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${name} over β: ${numbers.map((v, i) => `${data.betas[i]}: ${v}`).join(", ")}` },
      s("line", { x1: 0, x2: W, y1: H - 2, y2: H - 2, class: "rule" }),
      s("path", { d: `M${numbers.map((v, i) => `${X(i).toFixed(1)} ${Y(v).toFixed(1)}`).join("L")}`, class: "line strong", vars: { "--c": "var(--ink)" } }),
      numbers.map((v, i) => s("circle", { cx: X(i), cy: Y(v), r: 2.2, class: "mark", vars: { "--c": "var(--ink)" } }))),
    h("figcaption", {}, h("code", {}, name), h("span", { class: "quiet" }, ` ${+low.toPrecision(4)}${low === high ? "" : ` … ${+high.toPrecision(4)}`}${turning ? ", goes both ways" : ""}`)));
  })), tableSave(`Knobs of ${candidate.label} over β`, saved));
}

function spendingBars(digests, label) {
  const actions = [...new Set(digests.flatMap((each) => Object.keys(each.spending)))];
  return h("div", {}, h("div", { class: "legend plain" }, actions.map((name, i) => h("span", {}, h("i", { class: `chip pattern-${i % 3}`, vars: { "--c": SHARE_STYLES[i % 6] } }), name))),
    digests.map((each) => h("div", { class: "bar-row" }, h("span", { class: "bar-name" }, beta(each.beta)),
      h("div", { class: "bar", role: "img", "aria-label": `${beta(each.beta)}: ${actions.map((name) => `${name} ${Math.round(100 * (each.spending[name] || 0))} %`).join(", ")}` },
        actions.map((name, i) => each.spending[name] ? h("i", { class: `pattern-${i % 3}`, vars: { "--c": SHARE_STYLES[i % 6], flex: String(each.spending[name]) } }, each.spending[name] > 0.12 ? `${Math.round(100 * each.spending[name])} %` : "") : null)),
      h("span", { class: "quiet bar-note" }, `${fixed(each.width)} branches, ${Math.round(100 * each.read)} % read to the end, ${Math.round(100 * each.on_pruned)} % of tokens on pruned ones, ${Math.round(100 * each.idle)} % after the last change of the leader`))),
    tableSave(`Spending of ${label} by action, %`, () => ({ head: ["β", ...actions], rows: digests.map((each) => [textOf(each.beta), ...actions.map((name) => (100 * (each.spending[name] || 0)).toFixed(1))]), numeric: [true, ...actions.map(() => true)] })));
}

function digestTables(data, digests) {
  const kinds = Object.keys(data.kinds).filter((kind) => digests.some((each) => each.kinds[kind]));
  const stops = digests.flatMap((each) => each.stops.map((stop) => [beta(each.beta), data.ends[stop.end] || stop.end, stop.said || dash, String(stop.episodes), String(stop.right), whole(stop.tokens)]));
  return [
    h("h5", {}, "Stop reasons"), table(["β", "how it ended", "its last remark", "#episodes", "#right", "#tokens"], stops, "How the traced episodes ended"),
    h("h5", {}, "Failures"), table(["β", "#episodes", "#wrong", ...kinds.map((kind) => `#${kind.replaceAll("_", " ")}`)], digests.map((each) => [beta(each.beta), String(each.episodes), String(each.wrong), ...kinds.map((kind) => String(each.kinds[kind]))]), "Traced episodes by kind of failure"),
    h("dl", { class: "kinds" }, kinds.map((kind) => [h("dt", {}, kind.replaceAll("_", " ")), h("dd", {}, data.kinds[kind])])),
  ];
}

function candidateView(data, candidate, best) {
  const body = h("div", { class: "candidate-body" });
  const fate = candidate.status !== "ok" ? candidate.status : candidate.interval ? `objective ${between(candidate.interval)}` : candidate.screening !== null ? `screening ${fixed(candidate.screening, 2)}` : dash;
  const view = h("details", { class: "candidate", id: `candidate-${candidate.label}`, ontoggle: async () => {
    if (!view.open || body.childElementCount) return;
    const recipe = candidate.notes && Object.keys(candidate.notes).length ? h("details", {}, h("summary", {}, "Notes"), h("pre", { class: "text", tabindex: 0 }, JSON.stringify(candidate.notes, null, 1))) : null;
    fill(body, {}, [
      h("h4", {}, "Reasoning"), h("p", {}, candidate.idea || "Nothing was said."), candidate.why && h("p", { class: "bad" }, `${candidate.status}: ${candidate.why}`),
      candidate.role && h("p", {}, `Its role: ${data.roles[candidate.role] || candidate.role}.`),
      candidate.family && h("p", { class: "quiet" }, `Its mechanism family: ${candidate.family}.`),
      candidate.same_as && h("p", {}, `It acts exactly as ${candidate.same_as} does.`), recipe,
      h("h4", {}, "Knobs over β"), knobCharts(data, candidate),
      candidate.digests.length ? [h("h4", {}, "Spending by action"), spendingBars(candidate.digests, candidate.label), ...digestTables(data, candidate.digests)] : null,
      candidate.digests.length && byId("theatre-root") ? h("p", {}, h("button", { type: "button", class: "link", onclick: () => openTheatre({ a: candidate.label }) }, "Watch it in the replay theatre")) : null,
      h("h4", {}, "Code")]);
    body.append(await sourceView(data, candidate.label, candidate.parent));
  } }, h("summary", {}, h("span", { class: "name" }, candidate.label, candidate.label === data.selected ? " ★" : ""), candidate.label === best && h("span", { class: "label" }, "best of the round"), candidate.role && h("span", { class: "quiet" }, candidate.role), h("span", { class: candidate.status === "ok" ? "quiet" : "bad" }, fate),
    candidate.gain && h("span", { class: "quiet" }, `gain of the frontier ${signed(candidate.gain[0])}`), h("span", { class: "idea" }, candidate.idea.slice(0, 160))), body);
  return view;
}

// The page as of a round: each statement with the rounds and figures that carry it, struck ones with the reason.
function knowledgeView(knowledge) {
  if (!knowledge.round) return null;
  const carried = (each) => h("span", { class: "quiet" }, ` (${each.rounds.length === 1 ? "round" : "rounds"} ${each.rounds.join(", ")}: ${each.figures})`);
  return [h("h4", {}, `What is known, from the rounds 1 to ${knowledge.round}`),
    knowledge.statements.length ? h("ol", {}, knowledge.statements.map((each) => h("li", { value: each.number },
      each.struck === null ? each.text : [h("s", {}, each.text), h("span", {}, ` Struck after round ${each.struck}: ${each.why}`)], carried(each)))) : h("p", { class: "quiet" }, "No model has written statements; the measured part stands alone."),
    h("details", {}, h("summary", {}, "The rounds in figures"), h("pre", { class: "text", tabindex: 0 }, knowledge.measured))];
}

function roundView(data, round) {
  const body = h("div", {});
  const tally = `${round.candidates.length} candidates, ${round.candidates.filter((each) => each.status !== "ok").length} failed, ${round.sent_back ? `${round.sent_back} sent back as copies, ` : ""}best ${round.best || "none"}`;
  const view = h("details", { class: "round", id: `round-${round.number}`, ontoggle: () => {
    if (!view.open || body.childElementCount) return;
    const spent = round.spent;
    fill(body, {}, [
      h("p", { class: "quiet" }, `${fixed(spent.minutes, 2)} minutes${spent.nodes ? ` (${Object.entries(spent.nodes).map(([node, minutes]) => `${node} ${fixed(minutes, 2)}`).join(", ")})` : ""}, ${money(spent.cost)}, ${whole(spent.tokens || 0)} tokens of models, ${whole(spent.episodes || 0)} episodes replayed.`),
      round.candidates.map((each) => candidateView(data, each, round.best)),
      h("h4", {}, "What the critic makes of it"), h("pre", { class: "text", tabindex: 0 }, round.diagnosis || "Nothing was reasoned."),
      round.directions.length ? h("ul", {}, round.directions.map((each) => h("li", {}, each))) : null,
      knowledgeView(round.knowledge),
      h("details", {}, h("summary", {}, "What was measured"), h("pre", { class: "text", tabindex: 0 }, round.measured || "Nothing."), h("h5", {}, "Why episodes failed"), h("pre", { class: "text", tabindex: 0 }, round.failures || "Nothing.")),
      round.said.length ? h("details", {}, h("summary", {}, "What the models said"), round.said.map((each) => [h("h5", {}, `${each.node} ${each.model} ${each.part}`), h("pre", { class: "text", tabindex: 0 }, each.text)])) : null]);
  } }, h("summary", {}, h("span", { class: "name" }, `Round ${round.number}`), h("span", { class: "quiet" }, tally)), body);
  return view;
}

function roundsSection(data) {
  const chosen = data.controllers.find((each) => each.selected);
  for (const round of data.rounds) byId("rounds").append(roundView(data, round));
  if (!data.rounds.length) byId("rounds").append(h("p", { class: "quiet" }, "No round is complete yet."));
  if (chosen && chosen.round) { byId(`round-${chosen.round}`).open = true; }
}
function openCandidate(label, round) {
  const outer = byId(`round-${round}`);
  outer.open = true;
  setTimeout(() => { const own = byId(`candidate-${label}`); own.open = true; own.scrollIntoView({ behavior: still() ? "auto" : "smooth" }); own.querySelector("summary").focus(); });
}
