// Two sources line by line: what they share, and what the one has and the other has not.

function diffLines(before, after) {
  const n = before.length, m = after.length;
  // The longest common subsequence, from the end. Sources of a few hundred lines; a very long pair is shown as replaced.
  if (n * m > 4e6) return [...before.map((line) => ["-", line]), ...after.map((line) => ["+", line])];
  const width = m + 1, common = new Uint16Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      common[i * width + j] = before[i] === after[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const rows = [];
  let i = 0, j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && before[i] === after[j]) { rows.push([" ", before[i]]); i++; j++; }
    else if (i < n && (j === m || common[(i + 1) * width + j] >= common[i * width + j + 1])) rows.push(["-", before[i++]]);
    else rows.push(["+", after[j++]]);
  }
  return rows;
}

const SIGN_NAMES = { "+": "added: ", "-": "removed: " };
function codeView(rows) {
  return h("pre", { class: "code", tabindex: 0 }, rows.map(([sign, line]) => h("span", { class: sign === "+" ? "row added" : sign === "-" ? "row removed" : "row" },
    h("span", { class: "sign", "aria-hidden": "true" }, sign), sign !== " " && h("span", { class: "unseen" }, SIGN_NAMES[sign]), `${line}\n`)));
}
// Only what changed, with a few lines around it.
function around(rows, context = 3) {
  const keep = new Set();
  rows.forEach(([sign], i) => { if (sign !== " ") for (let k = i - context; k <= i + context; k++) keep.add(k); });
  const found = [];
  rows.forEach((row, i) => {
    if (keep.has(i)) found.push(row);
    else if (found.length && found[found.length - 1][1] !== "⋯") found.push([" ", "⋯"]);
  });
  return found;
}

async function sourceView(data, label, parent) {
  const { lines, sources } = await unpack(data.packed.sources);
  const own = sources[label].map((n) => lines[n]);
  const earlier = Object.keys(sources).filter((name) => name !== label);
  const host = h("div", {});
  function draw(other) {
    if (!other) { host.replaceChildren(codeView(own.map((line) => [" ", line]))); return; }
    const rows = diffLines(sources[other].map((n) => lines[n]), own);
    const changed = rows.filter(([sign]) => sign !== " ").length;
    host.replaceChildren(h("p", { class: "quiet" }, changed ? `${rows.filter(([sign]) => sign === "+").length} lines added, ${rows.filter(([sign]) => sign === "-").length} removed against ${other}.` : `The same text as ${other}.`), codeView(around(rows)));
  }
  const note = parent ? (parent.how === "named" ? `Its parent is ${parent.label}, which it names itself.` : `It names no parent; ${parent.label} shares most of its lines.`) : "It has no parent: nothing came before it.";
  draw(parent ? parent.label : "");
  return h("div", {}, h("div", { class: "controls" }, select("Show", [["", "the whole source"], ...earlier.map((name) => [name, `difference from ${name}`])], parent ? parent.label : "", draw, { "data-source": label })), h("p", { class: "quiet" }, note), host);
}
