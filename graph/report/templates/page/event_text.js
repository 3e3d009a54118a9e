// An episode in words: what the last event did, who changed their mind, and how the vote stands.

const counted = (n, name) => `${n} ${name}${n === 1 ? "" : name.endsWith("branch") ? "es" : "s"}`;
const theBranches = (list) => (list.length === 1 ? `branch ${list[0]}` : list.length <= 3 ? `branches ${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}` : `${list.length} branches`);
const DEEDS = {
  B: (acted) => `Opens ${acted.length === 1 ? theBranches(acted) : counted(acted.length, "branch")}.`,
  C: (acted) => `Follows ${theBranches(acted)} one interval further.`,
  F: (acted) => `Reads ${theBranches(acted)} to the end.`, R: (acted) => `Opens ${counted(acted.length, "branch")} and reads to the end.`,
  P: (acted) => `Probes ${theBranches(acted)}.`, X: (acted) => `Prunes ${theBranches(acted)}.`,
};

// → [the event, how the vote stands]
function describe(state) {
  const question = state.question, said = (sign) => answerText(question, sign);
  const ranked = votes(state), total = ranked.reduce((sum, [, n]) => sum + n, 0);
  let what = "Nothing yet.";
  if (state.op === "N") what = `It says: “${state.note}”`;
  else if (state.op === "!") what = `It failed: ${state.failed}`;
  else if (state.op === "A") what = `Answers ${said(state.answer)}: ${state.answer === 0 ? "right" : "wrong"}.`;
  else if (state.op) {
    what = DEEDS[state.op](state.acted);
    const moves = new Map();
    for (const [n, from, to] of state.changes) { const key = `${from} ${to}`; moves.set(key, [...(moves.get(key) || []), n]); }
    const told = [...moves].sort((x, y) => y[1].length - x[1].length).slice(0, 2).map(([key, list]) => {
      const [from, to] = key.split(" ").map(Number), who = theBranches(list);
      return `${who[0].toUpperCase()}${who.slice(1)} ${list.length === 1 ? "leaves" : "leave"} ${said(from)} for ${said(to)}.`;
    });
    if (told.length) what += ` ${told.join(" ")}`;
    else if (state.acted.length === 1 && state.op !== "X") { const b = state.branches[state.acted[0]]; if (b.latest !== null) what += ` It gives ${said(b.latest)}.`; }
  }
  if (!total) return [what, state.branches.some((branch) => branch && branch.pruned) ? "No branch is left to vote." : "No votes yet."];
  const [[first, most], second] = ranked, others = ranked.length - 2;
  const standing = most === total ? (total === 1 ? `One vote, for ${said(first)}` : `All ${total} agree on ${said(first)}`)
    : `${most} of ${total} agree on ${said(first)}; ${second[1]} on ${said(second[0])}${others > 0 ? `, ${counted(total - most - second[1], "vote")} on ${counted(others, "other answer")}` : ""}`;
  return [what, `${standing}.`];
}
