"""Compares the tokens per second of live episodes with those of direct requests to the server.

usage: python -m benchmarks.live --server URL --model NAME [--rounds 5] [--tokens 256] [--interval 64] [--assert]

Cases: one trace read whole, and 16 traces advanced together by `--interval`. All traces have `--tokens` tokens
(ignore_eos). A direct request is one plain completion of text with all traces (n=16). The time of a live episode is its
whole duration, from the question to the answer: tokenising the prompt, starting the sandbox, the requests and the
pauses between them.

Each round measures a pair, one directly after the other, and alternates their order. The result is the median over
rounds of live speed divided by direct speed. `--assert` ends with status 1 if it is below 95 % for the trace read
whole, or below 80 % for the 16 traces without probes.
"""

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import openai

from envdata.collect.engine import Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.openai_client import Client
from envdata.collect.openai_server import OpenAIServer
from envdata.collect.settings import CollectionSettings
from envdata.live.metering import count_per_episode
from envdata.live.model import LiveSettings
from sandbox.candidate import Candidate
from sandbox.live import Solver

PROMPT = "{question} This is a long story, told by an old sailor to his grandchildren. Once upon a time"

HEAD = """
from sandbox.tts import *

class Mine(Controller):
    @staticmethod
    def schedule(beta):
        return {}
    def solve(self, episode):
"""
WHOLE = HEAD + "        episode.read(1)\n"
TOGETHER = (
    HEAD
    + """
        branches = episode.branch(16, probe=PROBE)
        while going := [branch for branch in branches if not branch.finished]:
            episode.advance(going, probe=PROBE)
"""
)


@dataclass(frozen=True)
class Case:
    """A controller to measure."""

    name: str
    branches: int
    source: str
    """The controller's source."""
    bound: float | None
    """Smallest acceptable median of `Pair.share`; None if there is no bound."""


@dataclass(frozen=True)
class Pair:
    """Tokens per second of both sides in one round."""

    direct: float
    live: float

    @property
    def share(self) -> float:
        """Live speed divided by direct speed."""
        return self.live / self.direct


class Endless(Client):
    """A client whose traces have their full length (ignore_eos), as those of the direct requests."""

    async def complete(self, *, probing: bool = False, **arguments: Any) -> Any:
        """POST to /completions."""
        extra = {} if probing else {"ignore_eos": True}
        arguments["extra_body"] = {**arguments.get("extra_body", {}), **extra}
        return await super().complete(probing=probing, **arguments)


async def direct(client: openai.AsyncOpenAI, given: argparse.Namespace, case: Case, prompt: str, seed: int) -> float:
    """Tokens per second of one request."""
    started = time.perf_counter()
    reply = await client.completions.create(
        model=given.model, prompt=prompt, n=case.branches, max_tokens=given.tokens, temperature=1.0, seed=seed,
        extra_body={"ignore_eos": True},
    )  # fmt: skip
    seconds = time.perf_counter() - started
    assert reply.usage is not None
    assert reply.usage.completion_tokens == case.branches * given.tokens
    return reply.usage.completion_tokens / seconds


async def live(solver: Solver, given: argparse.Namespace, case: Case, question: str, seed: int) -> float:
    """Tokens of traces per second of one episode."""
    solution = await solver.solve(question, Candidate("mine", case.source), seed=seed)
    # Tokens as the rules charge them: one that the server decodes to tokenise the prompt is not included.
    assert solution.cost.tokens == case.branches * given.tokens
    return solution.cost.tokens / solution.cost.seconds


async def measure(given: argparse.Namespace) -> bool:
    """Measure and print all cases; returns whether every bound holds."""
    sampling = Sampling(temperature=1.0, max_tokens=given.tokens)
    settings = CollectionSettings(
        interval=given.interval, sampling=sampling, answers=AnswerRule("Answer:"), probe_tokens=8
    )
    plain = openai.AsyncOpenAI(base_url=given.server, api_key="none", timeout=600)
    own = Endless(given.server, given.model, concurrency=256, timeout=600)
    count_per_episode(own)
    cases = [
        Case("one branch read whole", 1, WHOLE, 0.95),
        Case(f"16 branches, {given.interval} tokens a call", 16, TOGETHER.replace("PROBE", "False"), 0.80),
        Case(f"16 branches, {given.interval} tokens a call, probed", 16, TOGETHER.replace("PROBE", "True"), None),
    ]
    holds = True
    async with Solver(OpenAIServer(own), LiveSettings.of(settings, PROMPT)) as solver:
        # Warm-up, not counted: the choice of a sandbox, the start of a spare one, and the server.
        await live(solver, given, cases[0], "Warm up.", 0)
        await direct(plain, given, cases[0], "Warm up.", 0)
        for case in cases:
            pairs = []
            for number in range(given.rounds):
                # Prompts differ from the first word on, so that neither side profits from the other's prefix cache.
                text = f"Number {number} of {len(case.name)}."
                prompt = PROMPT.replace("{question}", f"Plainly. {text}")
                if number % 2:
                    played = await live(solver, given, case, f"Played. {text}", number)
                    rate = await direct(plain, given, case, prompt, number)
                else:
                    rate = await direct(plain, given, case, prompt, number)
                    played = await live(solver, given, case, f"Played. {text}", number)
                pairs.append(Pair(rate, played))
            holds &= _report(case, pairs)
    return holds


def _report(case: Case, pairs: list[Pair]) -> bool:
    """Print a case's result; returns whether its bound holds."""
    share = statistics.median(pair.share for pair in pairs)
    plain, played = (statistics.median(getattr(pair, side) for pair in pairs) for side in ("direct", "live"))
    each = ", ".join(f"{pair.share:.0%}" for pair in pairs)
    holds = case.bound is None or share >= case.bound
    wanted = "" if case.bound is None else f" of at least {case.bound:.0%}{'' if holds else ': MISSED'}"
    print(
        f"{case.name}: direct {plain:.1f} tokens/s, live {played:.1f}; median {share:.1%}{wanted} (rounds: {each})",
        flush=True,
    )
    return holds


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--interval", type=int, default=64)
    parser.add_argument("--assert", dest="asserts", action="store_true", help="End with status 1 below a bound.")
    given: Any = parser.parse_args()
    holds = asyncio.run(measure(given))
    if given.asserts and not holds:
        sys.exit("a share is below its bound")


if __name__ == "__main__":
    main()
