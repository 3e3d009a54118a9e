// An episode as states: what is opened, read, pruned and voted after each of its events.

const SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

// Classes of answers: 0 gold, 1 … 4 the common wrong ones, 5 any other, 6 none (an error).
const OTHER = 5, NONE = 6;
function classOf(question, sign) {
  if (sign === 0) return 0;
  if (question.noneSet.has(sign)) return NONE;
  const rank = question.wrong.indexOf(sign);
  return rank >= 0 ? rank + 1 : OTHER;
}
function prepare(question) {
  if (!question.noneSet) {
    question.noneSet = new Set(question.none);
    question.wrong = question.answers.map((_, i) => i).slice(1).filter((i) => !question.noneSet.has(i)).slice(0, 4);
  }
  return question;
}
const answerText = (question, sign) => (sign < 0 ? "no answer" : sign < question.answers.length ? (question.noneSet.has(sign) ? `none (${question.answers[sign] || "empty"})` : question.answers[sign]) : "a rare answer");

// events of graph/report/page/trace_events.py → a state to be advanced; order: which recorded branch is opened as the n-th
function newState(question, order) {
  return { question, order, branches: [], tokens: 0, acted: [], changes: [], op: "", note: "", answer: undefined, failed: null, at: 0 };
}
function advanceState(state, event) {
  const [op, tokens, ...rest] = event;
  state.op = op; state.tokens = tokens; state.acted = []; state.changes = []; state.note = ""; state.at++;
  if (op === "N") { state.note = rest[0]; return state; }
  if (op === "!") { state.failed = rest[0] || "failed"; return state; }
  if (op === "A") { state.answer = rest[0]; return state; }
  for (const entry of rest) {
    const [n, depth, shown, finished] = Array.isArray(entry) ? entry : [entry, null, null, null];
    const cells = state.question.cells[state.order[n]];
    const branch = (state.branches[n] = state.branches[n] || { depth: 0, seen: new Map(), pruned: false, finished: false, latest: null });
    if (op === "X") branch.pruned = true;
    else {
      const reached = depth !== null ? depth : op === "B" ? 1 : op === "C" ? branch.depth + 1 : op === "P" ? branch.depth : cells.length;
      branch.depth = reached;
      branch.finished = finished !== null ? !!finished : reached >= cells.length;
      if (shown === null || shown) {
        const before = branch.latest;
        branch.latest = SIGNS.indexOf(cells[reached - 1]);
        branch.seen.set(reached, branch.latest);
        if (before !== null && before !== branch.latest) state.changes.push([n, before, branch.latest]);
      }
    }
    state.acted.push(n);
  }
  return state;
}
function votes(state) {
  const counts = new Map();
  for (const branch of state.branches) {
    if (!branch || branch.pruned || branch.latest === null || state.question.noneSet.has(branch.latest)) continue;
    counts.set(branch.latest, (counts.get(branch.latest) || 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]);
}
// The mean probability that the model gave the latest probed answers of those who vote for the leader; null without any.
function sureness(state, leader) {
  if (!state.question.sure || leader === undefined) return null;
  const values = [];
  state.branches.forEach((branch, n) => {
    if (!branch || branch.pruned || branch.latest !== leader) return;
    const row = state.question.sure[state.order[n]];
    for (let k = Math.min(branch.depth, row.length) - 1; k >= 0; k--) {
      if (row[k] !== " ") { values.push(SIGNS.indexOf(row[k]) / 61); break; }
    }
  });
  return values.length ? values.reduce((a, b) => a + b) / values.length : null;
}
function openedBy(events) {
  return Math.max(0, ...events.flatMap((event) => (["A", "N", "!"].includes(event[0]) ? [] : event.slice(2).map((entry) => 1 + (Array.isArray(entry) ? entry[0] : entry)))));
}
// One summary for each event, for the curves under the stage.
function history(question, order, events) {
  const state = newState(question, order);
  return events.map((event) => {
    advanceState(state, event);
    const ranked = votes(state), total = ranked.reduce((sum, [, n]) => sum + n, 0), shares = new Array(6).fill(0);
    for (const [sign, n] of ranked) shares[Math.min(classOf(question, sign), 5)] += n / total;
    return { tokens: state.tokens, shares, total, sure: ranked.length ? sureness(state, ranked[0][0]) : null };
  });
}
