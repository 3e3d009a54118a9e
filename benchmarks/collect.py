"""What the collector costs beside the model it runs, with vLLM in this process.

Three ways of drawing the same number of traces, interleaved, each from an empty prefix cache:

  engine   vLLM alone: one `LLM.generate` call for all traces
  traces   `autotts grid collect --no-probe`: the same traces, read, kept question by question and written as a grid
  probes   the same with probes

With --apart instead: traces that run on to --max-tokens, then all their probes at once. Where probes are few, as at an
interval of 64, what they add cannot be told from how two collections differ.

usage: python -m benchmarks.collect [MODEL] [--cpu] [--pairs 5] [--questions 4] [--branches 12] [--interval 5]
                                    [--apart] [--max-tokens 85] [--arg NAME=JSON …]

Run by an interpreter that has vLLM and this repository (PYTHONPATH). Without MODEL it starts itself again with what
tools/real-model prepared in AUTOTTS_REAL_MODEL. Printed: medians over pairs and their ranges of tokens/s, the share of
the engine's own that the collector reaches, and what probing adds over what its own tokens would cost at the rate of
the traces: above 100 %, a probe's token costs more than a trace's. A probe's own tokens are those that it decodes; by
another count the closing's too, which only the probe has to read. What else it reads is the rest of a block that the
cache holds whole or not at all.

--cpu counts the seconds of processor time of this process instead of the clock's. On a CPU everything runs in it, and
what else the machine does weighs less; on a GPU it says nothing.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envdata.collect.cutting import cuts
from envdata.collect.engine import Decoded, EngineFacts, Prompt, Sampling
from envdata.collect.questions import Question
from envdata.collect.run import Source, collect
from envdata.collect.settings import Settings
from envdata.collect.vllm_engine import VLLMEngine
from envdata.collect.word_problems import word_problems
from envdata.grid import Grid

clock = time.perf_counter

SAMPLING = Sampling(0.9, max_tokens=85, stop=("\n\n", "\nProblem"))


class Kept(VLLMEngine):
    """Loads the model once and keeps it from one collection to the next."""

    facts: EngineFacts | None = None
    probed = 0
    """Probes asked for."""

    async def establish(self) -> EngineFacts:
        self.facts = self.facts or await super().establish()
        return self.facts

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Decoded]:
        self.probed += len(prompts)
        return await super().answer(prompts, max_tokens, stop)

    async def close(self) -> None:
        pass


async def engine_alone(
    engine: VLLMEngine, questions: Sequence[Question], branches: int, seed: int
) -> tuple[int, float]:
    """Tokens and seconds of one `generate` call for all traces."""
    prompts = [await engine.prompt(question.prompt) for question in questions]

    def generate(llm: Any) -> tuple[int, float]:
        from vllm import SamplingParams

        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts for _ in range(branches)]
        params = [
            SamplingParams(
                temperature=SAMPLING.temperature,
                max_tokens=SAMPLING.max_tokens,
                stop=list(SAMPLING.stop),
                seed=seed + number,
            )
            for number in range(len(asked))
        ]
        began = clock()
        outputs = llm.generate(asked, params, use_tqdm=False)
        seconds = clock() - began
        return sum(len(output.outputs[0].token_ids) for output in outputs), seconds

    tokens, seconds = await engine.with_model(generate)
    return int(tokens), float(seconds)


async def collected(
    engine: VLLMEngine, questions: Sequence[Question], settings: Settings, folder: Path
) -> tuple[int, int, float]:
    """Tokens of traces, tokens of probes and seconds of one collection."""
    out = folder / "grid.parquet"
    before, began = engine.usage.decoded, clock()
    await collect(engine, questions, settings, Source("", "", "", {}), out, at_once=len(questions))
    seconds = clock() - began
    traces = int(Grid.load(out).arrays.tokens.sum())
    out.unlink()
    return traces, engine.usage.decoded - before - traces, seconds


async def apart(engine: Kept, questions: Sequence[Question], settings: Settings) -> dict[str, float]:
    """Traces first, then every probe of them in one batch: tokens and seconds of each."""

    async def draw(question: Question) -> list[Decoded]:
        drawn = engine.sample(question.prompt, settings.branches, settings.sampling, settings.seed)
        return [trace async for some in drawn for _, trace in some]

    began = clock()
    traces = await asyncio.gather(*map(draw, questions))
    seconds = clock() - began
    closing = await engine.encode(settings.closing)
    prompts = {
        (*await engine.prompt(question.prompt), *trace.pieces[:length], *closing): None
        for question, own in zip(questions, traces, strict=True)
        for trace in own
        for length in cuts(len(trace.pieces), settings.interval)
    }
    read, cached = engine.usage.prompt, engine.usage.cached or 0
    began = clock()
    replies = await engine.answer(list(prompts), settings.probe_tokens, settings.probe_stop)
    row: dict[str, float] = {
        "trace tokens": sum(trace.count for own in traces for trace in own),
        "trace s": seconds,
        "probes": len(prompts),
        "probe tokens": sum(reply.count for reply in replies),
        "closing tokens": len(prompts) * len(closing),
        "probe s": clock() - began,
    }
    return row | {"read anew": engine.usage.prompt - read - (engine.usage.cached or 0) + cached}


def summary_apart(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Medians and ranges of what is to be said."""

    def share(row: dict[str, float], *tokens: str) -> float:
        return 100 * row["probe s"] / sum(row[name] for name in tokens) / (row["trace s"] / row["trace tokens"])

    return spread(
        {
            "traces, tokens/s": [row["trace tokens"] / row["trace s"] for row in rows],
            "probes": [row["probes"] for row in rows],
            "tokens decoded a probe": [row["probe tokens"] / row["probes"] for row in rows],
            "prompt tokens read anew a probe": [row["read anew"] / row["probes"] for row in rows],
            "a decoded token's cost, of a trace's, %": [share(row, "probe tokens") for row in rows],
            "the same with the closing's tokens, %": [share(row, "probe tokens", "closing tokens") for row in rows],
            "all probes, of the traces' cost, %": [100 * row["probe s"] / row["trace s"] for row in rows],
        }
    )


async def measure_apart(options: argparse.Namespace) -> dict[str, Any]:
    engine = Kept(options.model, dict(options.arg))
    await engine.establish()
    questions = word_problems(options.questions, seed=7)
    rows = []
    for pair in range(-1, options.pairs):
        await engine.with_model(lambda llm: llm.reset_prefix_cache())
        settings = Settings(
            options.interval,
            options.branches,
            Sampling(SAMPLING.temperature, max_tokens=options.max_tokens),
            probe_tokens=6,
            seed=1000 * (pair + 2),
        )
        row = await apart(engine, questions, settings)
        print(json.dumps(row), file=sys.stderr, flush=True)
        if pair >= 0:
            rows.append(row)
    await VLLMEngine.close(engine)
    return summary_apart(rows)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    engine = Kept(options.model, dict(options.arg))
    await engine.establish()
    closing = len(await engine.encode(Settings(1).closing))
    questions = word_problems(options.questions, seed=7)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for pair in range(-1, options.pairs):
            row: dict[str, float] = {}
            seed = 1000 * (pair + 2)
            probing = {"interval": options.interval, "probes": True}
            ways = ["engine", "traces", "probes"]
            # The order goes round, so that none always follows the same other.
            for way in ways[pair % 3 :] + ways[: pair % 3]:
                await engine.with_model(lambda llm: llm.reset_prefix_cache())
                if way == "engine":
                    tokens, seconds = await engine_alone(engine, questions, options.branches, seed)
                    row |= {"engine tokens": tokens, "engine s": seconds}
                    continue
                how = probing if way == "probes" else {"interval": SAMPLING.max_tokens, "probes": False}
                settings = Settings(**how, branches=options.branches, sampling=SAMPLING, seed=seed, probe_tokens=6)
                prompts, cached, probed = engine.usage.prompt, engine.usage.cached or 0, engine.probed
                traces, probes, seconds = await collected(engine, questions, settings, Path(temporary))
                row |= {f"{way} tokens": traces, f"{way} probe tokens": probes, f"{way} s": seconds}
                row[f"{way} closing tokens"] = (engine.probed - probed) * closing
                row[f"{way} cached"] = ((engine.usage.cached or 0) - cached) / (engine.usage.prompt - prompts)
            print(json.dumps(row), file=sys.stderr, flush=True)
            if pair >= 0:
                # The first round only warms up.
                rows.append(row)
    await VLLMEngine.close(engine)
    return summary(rows)


def summary(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Medians and ranges of what is to be said."""

    def added(row: dict[str, float], *tokens: str) -> float:
        """Seconds that probing adds a trace token, in percent of what so many tokens cost at the rate of the traces."""
        rate = row["traces s"] / row["traces tokens"]
        own = sum(row[name] for name in tokens) / row["probes tokens"]
        return 100 * (row["probes s"] / row["probes tokens"] - rate) / (own * rate)

    of_each: dict[str, list[float]] = {
        "engine alone, tokens/s": [row["engine tokens"] / row["engine s"] for row in rows],
        "collecting traces, tokens/s": [row["traces tokens"] / row["traces s"] for row in rows],
        "collecting with probes, tokens/s": [
            (row["probes tokens"] + row["probes probe tokens"]) / row["probes s"] for row in rows
        ],
        "share of the engine's tokens/s, %": [
            100 * row["traces tokens"] / row["traces s"] / (row["engine tokens"] / row["engine s"]) for row in rows
        ],
        "probing adds, of its tokens' cost, %": [added(row, "probes probe tokens") for row in rows],
        "the same with the closings' tokens, %": [
            added(row, "probes probe tokens", "probes closing tokens") for row in rows
        ],
        "probe tokens of a trace token": [row["probes probe tokens"] / row["probes tokens"] for row in rows],
        "prompt tokens from the cache, with probes, %": [100 * row["probes cached"] for row in rows],
    }
    return spread(of_each)


def spread(of_each: dict[str, list[float]]) -> dict[str, Any]:
    """The median and the range of each list."""
    return {
        name: {"median": statistics.median(values), "low": min(values), "high": max(values)}
        for name, values in of_each.items()
    }


def pair_of(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


def main() -> None:
    global clock
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--branches", type=int, default=12)
    parser.add_argument("--interval", type=int, default=5)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--max-tokens", type=int, default=SAMPLING.max_tokens)
    parser.add_argument("--arg", type=pair_of, action="append", default=[])
    options = parser.parse_args()
    if options.model is None:
        from tests import real_model

        given = [f"--arg={name}={json.dumps(value)}" for name, value in real_model.IN_PROCESS.items()]
        words = ["-m", "benchmarks.collect", str(real_model.folder() / "gemma-hf"), *given, *sys.argv[1:]]
        os.execve(real_model.python(), [str(real_model.python()), *words], real_model.environment())
    clock = time.process_time if options.cpu else time.perf_counter
    if options.max_tokens != SAMPLING.max_tokens and not options.apart:
        parser.error("--max-tokens is for --apart: the three ways stop where the problems end")
    for name, value in asyncio.run((measure_apart if options.apart else measure)(options)).items():
        print(f"{name:<46} {value['median']:8.1f}   ({value['low']:.1f} … {value['high']:.1f})")


if __name__ == "__main__":
    main()
