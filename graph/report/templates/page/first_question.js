// The question that the theatre opens with: where two controllers differ most, among the episodes that the run stored.

// Episodes with fewer events show little, with more take long to watch.
const FEW_EVENTS = 5, MANY_EVENTS = 120;

async function questionOfMostDifference(data, source, a, betaA, b, betaB) {
  const [own, other] = await Promise.all([source.figures(a), b ? source.figures(b) : null]);
  const entryOf = (figures, grid, at) => figures && figures.sample.find((each) => each.grid === grid && sameBeta(each.beta, at));
  const rightIn = (events) => { const last = events[events.length - 1]; return last && last[0] === "A" && last[2] === 0 ? 1 : 0; };
  const place = (figures, at) => figures.betas.findIndex((each) => sameBeta(each, at));
  let best = null;
  data.grids.search.forEach((_, grid) => {
    const [mine, theirs] = [entryOf(own, grid, betaA), entryOf(other, grid, betaB)];
    if (!mine) return;
    for (const [question, events] of Object.entries(mine.plays)) {
      const rival = theirs && theirs.plays[question];
      const watchable = events.length >= FEW_EVENTS && events.length <= MANY_EVENTS ? 1 : 0;
      const rank = [rival ? rightIn(events) - rightIn(rival) : rightIn(events), watchable];
      if (rival) {
        const shares = (figures, at) => figures.questions[grid].right[place(figures, at)][question], spent = (list) => list[list.length - 1][1];
        rank.push(shares(own, betaA) - shares(other, betaB), spent(rival) / Math.max(1, spent(events)));
      }
      const ahead = best ? rank.map((value, i) => value - best.rank[i]).find((gap) => gap !== 0) || 0 : 1;
      if (ahead > 0) best = { grid, question: +question, rank };
    }
  });
  return best ? { grid: best.grid, question: best.question } : { grid: 0, question: 0 };
}
