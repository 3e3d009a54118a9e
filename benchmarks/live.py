"""What a live episode costs beside asking the server directly, in tokens per second.

usage: python -m benchmarks.live --server URL --model NAME [--rounds 3] [--tokens 256] [--interval 64]

Each round asks directly and through a controller in a sandbox, one after the other, so that both meet the same machine:
one trace read whole, and 16 traces, asked for at once (n=16) and advanced together by `--interval`. A live episode's
time is all of it, from the question to the answer: the sandbox's start, the calls and the pauses between them.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

import openai

from envdata.collect.engine import Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.settings import Settings
from envdata.live.model import Asking
from sandbox.candidate import Candidate
from sandbox.solving import Solver
from sandbox.solving.two_lines import served

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


async def direct(client: openai.AsyncOpenAI, model: str, prompt: str, n: int, tokens: int, seed: int) -> float:
    """Tokens per second of one request."""
    started = time.perf_counter()
    reply = await client.completions.create(
        model=model, prompt=prompt, n=n, max_tokens=tokens, temperature=1.0, seed=seed,
        extra_body={"ignore_eos": False, "return_token_ids": True}, logprobs=0,
    )  # fmt: skip
    assert reply.usage is not None
    return reply.usage.completion_tokens / (time.perf_counter() - started)


async def live(solver: Solver, source: str, question: str, seed: int) -> tuple[float, int]:
    """Tokens of traces per second of one episode, and how many tokens."""
    solution = await solver.solve(question, Candidate("mine", source), seed=seed)
    return solution.cost.decoded / solution.cost.seconds, solution.cost.decoded


async def measure(given: argparse.Namespace) -> None:
    """Measure and print all of it."""
    sampling = Sampling(temperature=1.0, max_tokens=given.tokens)
    settings = Settings(interval=given.interval, sampling=sampling, answers=AnswerRule("Answer:"), probe_tokens=8)
    client = openai.AsyncOpenAI(base_url=given.server, api_key="none", timeout=600)
    cases: dict[str, tuple[int, str]] = {
        "one branch read whole": (1, WHOLE),
        f"16 branches, {given.interval} tokens a call": (16, TOGETHER.replace("PROBE", "False")),
        f"16 branches, {given.interval} tokens a call, probed": (16, TOGETHER.replace("PROBE", "True")),
    }
    async with Solver(served(given.server, given.model, timeout=600), Asking.of(settings, PROMPT)) as solver:
        # Once without counting: a sandbox is tried out and another made ready, and the server warms up.
        await live(solver, WHOLE, "Warm up.", 0)
        for name, (n, source) in cases.items():
            rates: list[tuple[float, float, int]] = []
            for number in range(given.rounds):
                # A prompt of its own for each round, so that neither side finds the other's in the prefix cache.
                asked = f"Number {number} of {len(name)}."
                plain = await direct(
                    client, given.model, PROMPT.replace("{question}", asked + " a"), n, given.tokens, number
                )
                played, tokens = await live(solver, source, asked + " b", number)
                rates.append((plain, played, tokens))
            _print(name, rates)


def _print(name: str, rates: list[tuple[float, float, int]]) -> None:
    shares = [played / plain for plain, played, _ in rates]
    plain, played = (statistics.median(pair[i] for pair in rates) for i in (0, 1))
    each = ", ".join(f"{share:.0%}" for share in shares)
    print(f"{name}: direct {plain:.1f} tokens/s, live {played:.1f}; {statistics.median(shares):.0%} (rounds: {each})")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--interval", type=int, default=64)
    given: Any = parser.parse_args()
    asyncio.run(measure(given))


if __name__ == "__main__":
    main()
