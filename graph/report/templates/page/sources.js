// Where episodes come from: the sample that the run stored, and, where a server is behind the page, replays on demand.

function episodeSource(data) {
  const live = data.live ? { ...data.live } : null;
  const asked = new Map();
  const gridOf = async (number) => {
    const grid = await unpack(data.packed.grids[number]);
    grid.questions.forEach(prepare);
    return grid;
  };
  const orderOf = (grid, question, orders) => orders[String(grid.questions[question].cells.length)];

  async function stored(label, number, b, question) {
    if (!data.packed.plays[label]) return null;
    const plays = await unpack(data.packed.plays[label]);
    const entry = plays.sample.find((each) => each.grid === number && sameBeta(each.beta, b));
    return entry && entry.plays[question] ? { events: entry.plays[question], kinds: entry.kinds[question] || [] } : null;
  }
  async function replayed(label, number, b, repeat, question) {
    const key = JSON.stringify([label, number, b, repeat]);
    if (!asked.has(key)) {
      asked.set(key, fetch(live.replay, { method: "POST", headers: { "content-type": "application/json", "x-autotts": "replay" }, body: JSON.stringify({ controller: label, grid: number, beta: b, repeat }) }).then(async (reply) => {
        const said = await reply.json().catch(() => ({ error: `the server answered ${reply.status}` }));
        if (!reply.ok) { asked.delete(key); throw new Error(said.error); }
        return said;
      }, () => { asked.delete(key); throw new Error("the server does not answer; is autotts ui still running?"); }));
    }
    const said = await asked.get(key);
    const events = said.plays[question];
    if (!events) throw new Error("this episode left no trace");
    return { events, kinds: said.kinds[question] || [], orders: said.orders };
  }
  return {
    live: !!live,
    gridOf,
    // → {grid, question, order, events, kinds, stored}; throws with what is wrong, for people
    async episode(label, number, b, repeat, question) {
      const grid = await gridOf(number);
      const own = repeat === 0 ? await stored(label, number, b, String(question)) : null;
      if (!own && !live) throw new Error("The run stored no trace of this episode; autotts ui replays any.");
      const said = own || (await replayed(label, number, b, repeat, String(question)));
      return { question: grid.questions[question], order: orderOf(grid, question, said.orders || grid.orders), events: said.events, kinds: said.kinds, stored: !!own };
    },
    betasOf(controller) { return live ? (controller.betas.length === 1 && controller.betas[0] === null ? [null] : data.betas) : controller.traced; },
    controllers() { return live ? data.controllers : data.controllers.filter((each) => each.traced.length); },
    repeats() { return live ? data.repeats : 1; },
    figures: async (label) => (await unpack(data.packed.plays[label])),
  };
}
