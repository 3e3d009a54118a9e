// The stage: branches down, depth across, each cell an interval coloured by the answer it would give; and its curves.

const CLASS_VARS = ["--right", "--wrong-1", "--wrong-2", "--wrong-3", "--wrong-4", "--other", "--none"];
// Signs are drawn in the paper's colour on the first of them, which stand out most, and in that of ink on the others.
const BOLD = 3;

function palette() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return { classes: CLASS_VARS.map(get), ink: get("--ink"), paper: get("--paper"), line: get("--line"), quiet: get("--quiet") };
}

// Each class has a sign of its own besides its colour.
function glyph(pen, kind, x, y, w, hgt) {
  const cx = x + w / 2, cy = y + hgt / 2, r = Math.min(w, hgt) * 0.26;
  if (r < 1.3) return;
  pen.beginPath();
  if (kind === 0) { pen.arc(cx, cy, r, 0, 7); pen.fill(); return; }
  if (kind === 1) { pen.moveTo(cx - r, cy + r); pen.lineTo(cx + r, cy - r); }
  if (kind === 2) { pen.moveTo(cx - r, cy); pen.lineTo(cx + r, cy); }
  if (kind === 3) { pen.moveTo(cx, cy - r); pen.lineTo(cx, cy + r); }
  if (kind === 4) { pen.moveTo(cx - r, cy - r); pen.lineTo(cx + r, cy + r); }
  if (kind === NONE) { pen.moveTo(cx - r, cy - r); pen.lineTo(cx + r, cy + r); pen.moveTo(cx + r, cy - r); pen.lineTo(cx - r, cy + r); }
  pen.stroke();
}

// rows, depth: lanes and columns that are shown, the same at every step
function drawStage(canvas, state, rows, depth) {
  const colours = palette(), question = state.question;
  const width = Math.max(200, canvas.parentElement.clientWidth || 320), gutter = 26, top = 16;
  const cw = Math.max(3, Math.min(34, (width - gutter - 4) / depth));
  const ch = rows > 80 ? 7 : rows > 40 ? 9 : rows > 20 ? 13 : 18;
  const height = top + rows * ch + 4, scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale);
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = "10px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.fillStyle = colours.quiet;
  const every = Math.max(1, Math.ceil(depth / Math.max(1, (width - gutter) / 28)));
  for (let d = 1; d <= depth; d += every) pen.fillText(String(d), gutter + (d - 0.5) * cw, 10);
  const acting = new Set(state.acted);
  for (let n = 0; n < rows; n++) {
    const cells = question.cells[state.order[n]], branch = state.branches[n], y = top + n * ch;
    if (n % (ch < 12 ? 8 : 4) === 0) { pen.fillStyle = colours.quiet; pen.textAlign = "right"; pen.fillText(String(n), gutter - 6, y + ch - (ch > 12 ? 5 : 1)); }
    for (let d = 1; d <= cells.length; d++) {
      const kind = classOf(question, SIGNS.indexOf(cells[d - 1])), x = gutter + (d - 1) * cw;
      const visited = branch && d <= branch.depth, seen = branch && branch.seen.has(d);
      const gap = cw > 6 ? 1 : 0.5;
      pen.globalAlpha = !visited ? 0.13 : branch.pruned ? 0.42 : 1;
      if (visited && !seen) { pen.strokeStyle = colours.quiet; pen.lineWidth = 1; pen.strokeRect(x + gap + 0.5, y + gap + 0.5, cw - 2 * gap - 1, ch - 2 * gap - 1); continue; }
      pen.fillStyle = colours.classes[kind];
      pen.fillRect(x + gap, y + gap, cw - 2 * gap, ch - 2 * gap);
      if (visited) { pen.fillStyle = pen.strokeStyle = kind < BOLD ? colours.paper : colours.ink; pen.lineWidth = 1.4; glyph(pen, kind, x, y, cw, ch); }
    }
    pen.globalAlpha = 1;
    if (!branch) continue;
    const right = gutter + branch.depth * cw;
    if (branch.pruned) { pen.strokeStyle = colours.ink; pen.lineWidth = 1.5; pen.beginPath(); pen.moveTo(gutter, y + ch / 2); pen.lineTo(right + 2, y + ch / 2); pen.stroke(); }
    if (branch.finished && !branch.pruned) { pen.fillStyle = colours.ink; pen.fillRect(right - 2, y + 1, 2.5, ch - 2); }
    if (acting.has(n)) { pen.strokeStyle = colours.ink; pen.lineWidth = 2; pen.strokeRect(gutter + (branch.depth - 1) * cw, y + 0.5, cw, ch - 1); pen.fillStyle = colours.ink; pen.beginPath(); pen.moveTo(gutter - 4, y + ch / 2 - 3); pen.lineTo(gutter, y + ch / 2); pen.lineTo(gutter - 4, y + ch / 2 + 3); pen.fill(); }
  }
  return { gutter, top, cw, ch };
}

function drawCurves(host, summary, index, most) {
  const W = Math.max(220, host.clientWidth || 300), H = 92, left = 4, base = 74, X = (tokens) => left + (tokens / Math.max(1, most)) * (W - 2 * left);
  const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: "img", "aria-label": "Shares of the votes and confidence over the tokens spent" });
  let past = null;
  for (let k = 0; k < summary.length; k++) {
    const here = summary[k];
    if (past && here.tokens > past.tokens) {
      let y = base;
      past.shares.forEach((share, i) => {
        if (!share) return;
        const size = share * (base - 8);
        svg.append(s("rect", { x: X(past.tokens), y: y - size, width: X(here.tokens) - X(past.tokens) + 0.3, height: size, class: k <= index ? "area" : "area later", vars: { "--c": `var(${CLASS_VARS[i]})` } }));
        y -= size;
      });
    }
    past = here;
  }
  const sure = summary.filter((each) => each.sure !== null);
  if (sure.length) svg.append(s("path", { d: `M${sure.map((each) => `${X(each.tokens).toFixed(1)} ${(base - each.sure * (base - 8)).toFixed(1)}`).join("L")}`, class: "sure" }));
  const now = index >= 0 ? summary[index].tokens : 0;
  svg.append(s("line", { x1: X(now), x2: X(now), y1: 4, y2: base, class: "cursor" }), s("line", { x1: left, x2: W - left, y1: base, y2: base, class: "rule" }),
    s("text", { x: left, y: H - 4, class: "tick" }, "0"), s("text", { x: W - left, y: H - 4, class: "tick end" }, `${whole(most)} tokens`), s("text", { x: W / 2, y: H - 4, class: "tick mid" }, sure.length ? "votes, and confidence (line)" : "votes"));
  host.replaceChildren(svg);
}

function classLegend(question) {
  const texts = [["gold", answerText(question, 0)], ...question.wrong.map((sign) => ["wrong", answerText(question, sign)])];
  const row = texts.map(([kind, text], i) => [i, `${text.slice(0, 40)}`, kind]);
  return [...row, [OTHER, "other answers", ""], [NONE, "no answer (error)", ""]].map(([kind, text, note]) => {
    const box = h("canvas", { width: 36, height: 28, "aria-hidden": "true", class: "cell" });
    const pen = box.getContext("2d"), colours = palette();
    pen.scale(2, 2); pen.fillStyle = colours.classes[kind]; pen.fillRect(0, 0, 18, 14);
    pen.fillStyle = pen.strokeStyle = kind < BOLD ? colours.paper : colours.ink; pen.lineWidth = 1.6;
    glyph(pen, kind, 1, 0, 16, 14);
    return h("span", { "data-class": kind }, box, h("b", {}, text), note && h("span", { class: "quiet" }, ` ${note}`));
  });
}
