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
const KEYWORDS = new Set("and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield match case None True False self".split(" "));
const TOKEN = /("""|'''|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|#.*|[A-Za-z_]\w*|\d[\w.]*|\s+|.)/suy;

// The kind of each piece of Python lines: [[kind, text], …] a line; docstrings go over lines.
function highlighted(lines) {
  let open = null;
  return lines.map((line) => {
    const pieces = [];
    let rest = line;
    while (rest) {
      if (open) {
        const end = rest.indexOf(open), size = end < 0 ? rest.length : end + 3;
        pieces.push(["string", rest.slice(0, size)]);
        rest = rest.slice(size);
        if (end >= 0) open = null;
        continue;
      }
      TOKEN.lastIndex = 0;
      const text = (TOKEN.exec(rest) || [rest])[0];
      rest = rest.slice(text.length);
      if (text === '"""' || text === "'''") { open = text; pieces.push(["string", text]); }
      else pieces.push([text[0] === "#" ? "comment" : "\"'".includes(text[0]) ? "string" : KEYWORDS.has(text) ? "keyword" : /\d/.test(text[0]) ? "number" : "", text]);
    }
    return pieces;
  });
}
// Which characters of two lines differ, word by word; null for lines that share little.
function changedWords(before, after) {
  const words = (line) => line.match(/\w+|\s+|./gu) || [], [a, b] = [words(before), words(after)];
  const rows = diffLines(a, b), shared = rows.filter(([sign, word]) => sign === " " && word.trim()).length;
  if (shared * 4 < Math.max(a.length, b.length)) return null;
  const marks = { "-": [], "+": [] };
  for (const [sign, word] of rows) for (const side of ["-", "+"]) if (sign === side || sign === " ") marks[side].push(...new Array(word.length).fill(sign === side));
  return marks;
}
// Rows of a difference with their line numbers, kinds of characters, and the words that changed within a line.
function codeRows(before, after) {
  const shown = { "-": highlighted(before), "+": highlighted(after) };
  const rows = [];
  let old = 0, own = 0;
  for (const [sign, line] of diffLines(before, after)) {
    const pieces = sign === "-" ? shown["-"][old] : shown["+"][own];
    rows.push({ sign, line, pieces, old: sign === "+" ? "" : old + 1, own: sign === "-" ? "" : own + 1, marks: null });
    if (sign !== "+") old++;
    if (sign !== "-") own++;
  }
  for (let i = 0; i < rows.length;) {
    if (rows[i].sign === " ") { i++; continue; }
    const block = [];
    while (i < rows.length && rows[i].sign !== " ") block.push(rows[i++]);
    const [gone, came] = ["-", "+"].map((sign) => block.filter((row) => row.sign === sign));
    gone.slice(0, came.length).forEach((row, n) => {
      const marks = changedWords(row.line, came[n].line);
      if (marks) { row.marks = marks["-"]; came[n].marks = marks["+"]; }
    });
  }
  return rows;
}
const plainRows = (lines) => highlighted(lines).map((pieces, i) => ({ sign: " ", line: lines[i], pieces, old: "", own: i + 1, marks: null }));

function lineView(row) {
  let at = 0;
  return row.pieces.flatMap(([kind, text]) => {
    const parts = [];
    for (let i = 0; i < text.length;) {
      const changed = !!(row.marks && row.marks[at]);
      let j = i;
      while (j < text.length && !!(row.marks && row.marks[at + j - i]) === changed) j++;
      parts.push(h("span", { class: `${kind ? `code-${kind}` : ""}${changed ? " changed" : ""}` }, text.slice(i, j)));
      at += j - i;
      i = j;
    }
    return parts;
  });
}
// Line numbers are not part of the text, so that code is copied without them.
function codeView(rows) {
  const both = rows.some((row) => row.old !== "");
  return h("pre", { class: both ? "code numbered both" : "code numbered", tabindex: 0 }, rows.map((row) => h("span", { class: row.sign === "+" ? "row added" : row.sign === "-" ? "row removed" : "row", "data-old": String(row.old), "data-own": String(row.own) },
    h("span", { class: "sign", "aria-hidden": "true" }, row.sign), row.sign !== " " && h("span", { class: "unseen" }, SIGN_NAMES[row.sign]), lineView(row), "\n")));
}
// Only what changed, with a few lines around it.
function around(rows, context = 3) {
  const keep = new Set();
  rows.forEach(({ sign }, i) => { if (sign !== " ") for (let k = i - context; k <= i + context; k++) keep.add(k); });
  const found = [];
  rows.forEach((row, i) => {
    if (keep.has(i)) found.push(row);
    else if (found.length && found[found.length - 1].line !== "⋯") found.push({ sign: " ", line: "⋯", pieces: [["", "⋯"]], old: "", own: "", marks: null });
  });
  return found;
}
// What changed from one source to another, in a sentence and as code.
function differenceView(before, after, name) {
  const rows = codeRows(before, after), count = (sign) => rows.filter((row) => row.sign === sign).length;
  const told = count("+") + count("-") ? `${count("+")} lines added, ${count("-")} removed against ${name}; changed words are marked.` : `The same text as ${name}.`;
  return [h("p", { class: "quiet" }, told), codeView(around(rows))];
}
async function sourceView(data, label, parent) {
  const { lines, sources } = await unpack(data.packed.sources);
  const own = sources[label].map((n) => lines[n]);
  const earlier = Object.keys(sources).filter((name) => name !== label);
  const host = h("div", {});
  function draw(other) {
    if (!other) { host.replaceChildren(codeView(plainRows(own))); return; }
    host.replaceChildren(...differenceView(sources[other].map((n) => lines[n]), own, other));
  }
  const note = parent ? (parent.how === "named" ? `Its parent is ${parent.label}, which it names itself.` : `It names no parent; ${parent.label} shares most of its lines.`) : "It has no parent: nothing came before it.";
  draw(parent ? parent.label : "");
  return h("div", {}, h("div", { class: "controls" }, select("Show", [["", "the whole source"], ...earlier.map((name) => [name, `difference from ${name}`])], parent ? parent.label : "", draw, { "data-source": label }), copyButton("Copy the code", () => own.join("\n"))), h("p", { class: "quiet" }, note), host);
}
