"""What a live episode costs beside asking the server directly, in tokens per second.

usage: python -m benchmarks.live --server URL --model NAME [--rounds 5] [--tokens 256] [--interval 64] [--assert]

Asked for are one trace, read whole, and 16 traces, at once (n=16) or advanced together by `--interval`. Traces do not
end before `--tokens` (ignore_eos), on both sides. Directly, the server is asked in one plain request: text in, text
out. A live episode's time is all of it, from the question to the answer: the tokens of the prompt, the sandbox's start,
the requests and the pauses between them.

Each round is a pair, one after the other, so that both meet the same machine; which comes first changes from round to
round. What counts is the median of the rounds' shares. `--assert` ends with status 1 if it is below 95 % for the trace
read whole, or below 80 % for the 16 unprobed.
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
from envdata.collect.settings import Settings
from envdata.live.metering import metered
from envdata.live.model import Asking
from sandbox.candidate import Candidate
from sandbox.solving import Solver

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
    """One way to spend tokens."""

    name: str
    branches: int
    source: str
    bound: float | None
    """The least share that the median may have."""


@dataclass(frozen=True)
class Pair:
    """Tokens per second of one round."""

    direct: float
    live: float

    @property
    def share(self) -> float:
        """What of the direct rate is left."""
        return self.live / self.direct


class Endless(Client):
    """Asks for traces that do not end by themselves, as the direct requests do."""

    async def complete(self, *, probing: bool = False, **arguments: Any) -> Any:
        """POST /completions."""
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
    # What the rules charged: the prompt's own token, where the server decodes one, is none of them.
    assert solution.cost.tokens == case.branches * given.tokens
    return solution.cost.tokens / solution.cost.seconds


async def measure(given: argparse.Namespace) -> bool:
    """Measure and print all of it; returns whether every bound holds."""
    sampling = Sampling(temperature=1.0, max_tokens=given.tokens)
    settings = Settings(interval=given.interval, sampling=sampling, answers=AnswerRule("Answer:"), probe_tokens=8)
    plain = openai.AsyncOpenAI(base_url=given.server, api_key="none", timeout=600)
    own = Endless(given.server, given.model, concurrency=256, timeout=600)
    metered(own)
    cases = [
        Case("one branch read whole", 1, WHOLE, 0.95),
        Case(f"16 branches, {given.interval} tokens a call", 16, TOGETHER.replace("PROBE", "False"), 0.80),
        Case(f"16 branches, {given.interval} tokens a call, probed", 16, TOGETHER.replace("PROBE", "True"), None),
    ]
    holds = True
    async with Solver(OpenAIServer(own), Asking.of(settings, PROMPT)) as solver:
        # Once without counting: a sandbox is tried out and another made ready, and the server warms up.
        await live(solver, given, cases[0], "Warm up.", 0)
        await direct(plain, given, cases[0], "Warm up.", 0)
        for case in cases:
            pairs = []
            for number in range(given.rounds):
                # Prompts differ from their first word on, so that no side finds another's in the prefix cache.
                asked = f"Number {number} of {len(case.name)}."
                prompt = PROMPT.replace("{question}", f"Plainly. {asked}")
                if number % 2:
                    played = await live(solver, given, case, f"Played. {asked}", number)
                    rate = await direct(plain, given, case, prompt, number)
                else:
                    rate = await direct(plain, given, case, prompt, number)
                    played = await live(solver, given, case, f"Played. {asked}", number)
                pairs.append(Pair(rate, played))
            holds &= _told(case, pairs)
    return holds


def _told(case: Case, pairs: list[Pair]) -> bool:
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
    """Read the arguments and measure."""
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
