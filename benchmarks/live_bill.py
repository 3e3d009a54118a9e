"""Compares the uncached prefill and the wait of live episodes with and without several probes in one request.

usage: python -m benchmarks.live_bill --server URL --model NAME --grid FILE [--controller cmc] [--beta 0.5]
                                      [--questions 24] [--seed 0] [--other URL]

Every question of the grid is solved twice, directly one after the other and in alternating order: once with a request
for each probe, as before, and once as `LiveBranchSource` does now. `--other` solves the second time on another server,
such as one with other blocks of its prefix cache. Only one episode runs at a time, and the server must have no other
clients: the prompt tokens, and those that its prefix cache held, are the growth of the server's own counters
(`/metrics` of vLLM's), because the usage of a reply with several prompts tells only the last one's. For the same
reason the server runs without --enable-prompt-tokens-details: with it probes are always asked one by one.

Each side's prompts begin with words of its own, so that neither finds the other's prefixes in the cache. Figures are
means over questions with 95 % intervals; differences are after − before, paired by question.
"""

import argparse
import asyncio
import dataclasses
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from envdata.collect.engine import EngineFacts
from envdata.grid import Grid
from envdata.intervals import Interval, Sample, unbounded
from envdata.live.model import LiveSettings
from graph.analysis.saving import saved_share
from sandbox.candidate import Candidate
from sandbox.live import Solution, Solver
from sandbox.live.api import served
from sandbox.live.validation import live_settings_of

FEWEST = 24
"""Questions below which the intervals say little."""
QUERIED, HIT = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"
"""Counters of prompt tokens, and of those from the prefix cache."""
SIDES = {"before": "First", "after": "Later"}
"""Both sides, with the word that begins their prompts: of one length, so that the prompts are as long."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """One question solved by one side."""

    decoded: int
    uncached: float
    requests: int
    seconds: float


def one_probe_a_request(engine: Any) -> Any:
    """Make an engine say that it tells cached tokens, for which every probe is asked by itself; return it."""
    establish = engine.establish

    async def saying() -> EngineFacts:
        facts: EngineFacts = await establish()
        return dataclasses.replace(facts, prefill=True)

    engine.establish = saying
    return engine


async def uncached_so_far(http: httpx.AsyncClient, server: str) -> float:
    """Return the prompt tokens that a server read so far and that its prefix cache did not hold."""
    reply = await http.get(f"{server.rstrip('/').removesuffix('/v1')}/metrics")
    totals: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(reply.raise_for_status().text):
        for sample in family.samples:
            totals[sample.name] += sample.value
    if QUERIED not in totals or HIT not in totals:
        sys.exit(f"{server} counts no {QUERIED}: the figures need vLLM's server, with its prefix cache on")
    return totals[QUERIED] - totals[HIT]


async def measure(given: argparse.Namespace) -> dict[str, list[Measured]]:
    """Solve the questions with both sides in turn."""
    grid = Grid.load(given.grid)
    if len(grid.questions) < given.questions:
        sys.exit(f"{given.grid} has {len(grid.questions)} questions; give --questions no more than that")
    asked, candidate = live_settings_of(grid), Candidate.parse(given.controller)
    servers = {"before": given.server, "after": given.other or given.server}
    engines = {side: served(url, given.model, timeout=1800) for side, url in servers.items()}
    one_probe_a_request(engines["before"])
    found: dict[str, list[Measured]] = {side: [] for side in SIDES}
    async with (
        httpx.AsyncClient(timeout=60) as http,
        Solver(engines["before"], asked[0]) as before,
        Solver(engines["after"], asked[0]) as after,
    ):
        if after.facts is not None and after.facts.prefill:
            sys.exit(f"{servers['after']} reports cached tokens; start it without --enable-prompt-tokens-details")
        solvers = {"before": before, "after": after}
        # Warm-up, not counted: the sandbox and the servers.
        for side in SIDES:
            await solve(solvers[side], candidate, given, side, grid.questions[0], asked[0], 10**6)
        for number in range(given.questions):
            for side in SIDES if number % 2 else reversed(SIDES.keys()):
                start = await uncached_so_far(http, servers[side])
                solution = await solve(
                    solvers[side], candidate, given, side, grid.questions[number], asked[number], number
                )
                uncached = await uncached_so_far(http, servers[side]) - start
                cost = solution.cost
                found[side].append(Measured(cost.generated, uncached, cost.requests, cost.seconds))
                print(f"question {number}, {side}: {found[side][-1]}", flush=True)
    return found


async def solve(
    solver: Solver, candidate: Candidate, given: argparse.Namespace, side: str, question: str, asked: LiveSettings,
    number: int,
) -> Solution:  # fmt: skip
    """Solve a question; each side's prompts differ from the first word on."""
    own = dataclasses.replace(asked, template=f"({SIDES[side]}, {number}.) {asked.template}")
    return await solver.solve(question, candidate, given.beta, seed=given.seed + number, live_settings=own)


def report(found: dict[str, list[Measured]]) -> None:
    """Print the figures of both sides, and their differences."""
    values = {
        name: {side: np.array([float(getattr(each, name)) for each in own]) for side, own in found.items()}
        for name in ("decoded", "uncached", "requests", "seconds")
    }
    for name, unit in (("seconds", "wait, s"), ("requests", "requests"), ("uncached", "uncached prompt tokens")):
        before, after = (values[name][side] for side in SIDES)
        print(f"{unit}: before {_mean(before)}, after {_mean(after)}, after − before {_mean(after - before)}")
    for side in SIDES:
        share = saved_share(Sample((values["uncached"][side],)), Sample((values["decoded"][side],)))
        high, low = (None if end is None else 1 - end for end in (share.low, share.high))
        print(f"uncached prompt tokens a decoded token, {side}: {Interval(1 - share.value, low, high).text()}")


def _mean(values: Any) -> str:
    return unbounded(Sample((values,))).text(1, ",.2f")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--other", help="Server of the second side.  [default: the same]")
    parser.add_argument("--model", required=True)
    parser.add_argument("--grid", required=True)
    parser.add_argument("--controller", default="cmc")
    parser.add_argument("--beta", type=float, default=0.5)
    parser.add_argument("--questions", type=int, default=FEWEST)
    parser.add_argument("--seed", type=int, default=0)
    given: Any = parser.parse_args(arguments)
    if given.questions < FEWEST:
        parser.error(f"--questions is {given.questions}; give at least {FEWEST}")
    report(asyncio.run(measure(given)))


if __name__ == "__main__":
    main()
