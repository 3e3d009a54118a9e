// Paired differences of the leading controller at the same tokens: what bands that overlap do not show.

function differencesPanel(data, host, state, x) {
  const found = state.grid === "mean" && state.cost === "tokens" && data.differences[state.set];
  const leader = data.controllers.find((each) => each.selected) || data.controllers.find((each) => each.label === data.leader);
  host.replaceChildren();
  if (!found || !leader || !Object.keys(found).length) return;
  const named = (label) => data.controllers.find((each) => each.label === label);
  const series = Object.entries(found).map(([label, rows], i) => {
    const name = `less ${named(label).name}${data.baseline && label === data.baseline.label ? ", the best baseline" : ""}`;
    return { name, style: styleOf(named(label)), band: true, bare: true, strong: i === 0,
      points: rows.map(([tokens, y, low, high]) => ({ x: tokens, y, low, high, tip: [`${gained([y, low, high])} points`, verdict(low, high), `at ${whole(tokens)} tokens`] })) };
  });
  const chartHost = h("div", {});
  host.append(h("h3", {}, `${leader.name} less the others, at the same tokens`),
    h("p", { class: "quiet" }, `Paired over questions, ${state.set === "heldout" ? "held-out" : "search"} set. A difference is clear where its band leaves the line at 0. Each curve is taken as constant after its most accurate point.`),
    chartHost, h("div", { class: "legend plain" }, series.map((each) => h("span", {}, swatch(each.style), each.name))),
    folded("Figures", () => table(["against", "#tokens", "#difference, points", "#interval", "verdict"], Object.entries(found).flatMap(([label, rows]) => rows.map(([tokens, y, low, high]) => [named(label).name, whole(tokens), signed(y), low === null ? dash : `${signed(low)} … ${signed(high)}`, verdict(low, high)])), "Differences in accuracy")));
  chart(chartHost, { title: `Difference in accuracy of ${leader.name} from others`, height: 250, log: true, x, series, rules: [{ y: 0, name: "" }],
    xLabel: "tokens a question (log scale)", yLabel: "difference, points" });
}
function verdict(low, high) {
  if (low === null) return "no interval";
  return low > 0 ? "clearly better" : high < 0 ? "clearly worse" : "inside its interval";
}
