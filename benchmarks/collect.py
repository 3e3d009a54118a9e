"""Measures the overhead of the collector over the model it runs, with vLLM in this process.

Five ways, interleaved, each beginning with an empty prefix cache:

  engine          vLLM alone: one `LLM.generate` call for the same number of traces
  traces          `autotts grid collect --no-probe`: the same traces, parsed, stored by question, written as a grid
  scored          as `traces`, with the log-probabilities of all tokens, which a grid with probes needs for confidences
  probes          as `scored`, with probes
  engine probes   vLLM alone: one `LLM.generate` call for the probes of `probes`, every distinct prompt once, with their
                  traces in the prefix cache (filling it is not timed)

usage: python -m benchmarks.collect [MODEL] [--cpu] [--pairs 5] [--questions 4] [--branches 12] [--interval 5]
                                    [--max-tokens 85] [--on] [--closing TEXT] [--probe-tokens 6] [--arg NAME=JSON …]

--on lets traces continue after their first answer to --max-tokens, which a small model rarely reaches otherwise, so
that traces are long enough to probe at intervals of 16 and more. The closing is then one that the model does not write
itself, since a trace that has written its answer is not probed again.

Run it with an interpreter that has vLLM and this repository (PYTHONPATH). Without MODEL it starts itself again with the
model and interpreter that tools/real-model prepared in AUTOTTS_REAL_MODEL.

Printed are medians over pairs and ranges. The unit for the cost of probes is the time in which the collector draws as
many tokens of traces as the probes decode, in the same engine at the same width: "probing adds" is the time of `probes`
less that of `scored`, in percent of that unit. It exceeds 100 % because a probe also prefills tokens: the closing, and
the end of the trace that is not in the cache, which holds whole blocks only. Their number is "prompt tokens read anew".
`engine probes` in percent of the same unit is the engine's own part. The times of the engine alone, in percent of the
time with probes, are the share of the engine's speed that the collector reaches.

--cpu measures processor time of this process instead of wall time. On a CPU the model runs in it, and other load has
less influence; on a GPU it is meaningless.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

from envdata.collect.collection import Provenance, collect
from envdata.collect.engine import Asked, Continuation, EngineFacts, Prompt, Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.questions import Question
from envdata.collect.settings import CollectionSettings
from envdata.collect.vllm_engine import VLLMEngine
from envdata.collect.word_problems import word_problems

clock = time.perf_counter

STOP = ("\n\n", "\nProblem")
ON_CLOSING = "\nResult:"
WAYS = ("engine", "traces", "scored", "probes", "engine probes")


class RecordingEngine(VLLMEngine):
    """An engine that keeps its model between collections and records traces and prompts of probes."""

    facts: EngineFacts | None = None
    drawn: list[Prompt]
    """Tokens of each trace, with its prompt."""
    probed: list[Prompt]
    """Prompts of the probes."""
    probe_stop: tuple[str, ...] = ()

    async def establish(self) -> EngineFacts:
        self.facts = self.facts or await super().establish()
        return self.facts

    async def sample(self, asked: Asked, count: int, sampling: Sampling, seed: int) -> Any:
        prompt = await self.prompt(asked)
        async for some in super().sample(asked, count, sampling, seed):
            self.drawn += [(*prompt, *trace.pieces) for _, trace in some]
            yield some

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Continuation]:
        self.probed += prompts
        return await super().answer(prompts, max_tokens, stop)

    def score(self, scored: bool) -> None:
        """Set whether the next collection's traces have log-probabilities."""
        self._scored = scored

    async def close(self) -> None:
        pass

    async def generate(self, prompts: Sequence[Prompt], params: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Decoded tokens, prompt tokens outside the cache and seconds of one `generate` call."""

        def call(llm: Any) -> dict[str, float]:
            from vllm import SamplingParams

            asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
            all_params = [SamplingParams(**each) for each in params]
            began = clock()
            outputs = llm.generate(asked, all_params, use_tqdm=False)
            seconds = clock() - began
            tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
            new = sum(len(output.prompt_token_ids) - (output.num_cached_tokens or 0) for output in outputs)
            return {"tokens": tokens, "new": new, "s": seconds}

        measured: dict[str, float] = await self.with_model(call)
        return measured


async def engine_alone(
    engine: RecordingEngine, questions: Sequence[Question], settings: CollectionSettings
) -> dict[str, float]:
    """Draw the traces with vLLM alone."""
    sampling = settings.sampling
    prompts = [await engine.prompt(question.prompt) for question in questions for _ in range(settings.branches)]
    params = [
        {
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop),
            "seed": settings.seed + number,
        }
        for number in range(len(prompts))
    ]
    return await engine.generate(prompts, params)


async def engine_probes(engine: RecordingEngine, settings: CollectionSettings) -> dict[str, float]:
    """Repeat the probes of the last collection with vLLM alone."""
    await engine.generate(engine.drawn, [{"max_tokens": 1, "temperature": 0.0}] * len(engine.drawn))
    params = {"temperature": 0.0, "max_tokens": settings.probe_tokens, "stop": list(settings.probe_stop), "logprobs": 0}
    return await engine.generate(engine.probed, [params] * len(engine.probed))


async def collected(
    engine: RecordingEngine, questions: Sequence[Question], settings: CollectionSettings, folder: Path
) -> dict[str, float]:
    """Tokens of traces and of probes, prompt tokens outside the cache and seconds of one collection."""
    out = folder / "grid.parquet"
    engine.drawn, engine.probed = [], []
    usage = replace(engine.usage)
    began = clock()
    await collect(engine, questions, settings, Provenance("", "", "", {}), out, at_once=len(questions))
    seconds = clock() - began
    out.unlink()
    prompts = [len(await engine.prompt(question.prompt)) for question in questions]
    traces = sum(map(len, engine.drawn)) - settings.branches * sum(prompts)
    read = engine.usage.prompt - usage.prompt
    return {
        "tokens": traces,
        "probe tokens": engine.usage.decoded - usage.decoded - traces,
        "probes": len(engine.probed),
        "new": read - (engine.usage.cached or 0) + (usage.cached or 0),
        "s": seconds,
    }


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    engine = RecordingEngine(options.model, dict(options.arg))
    await engine.establish()
    closing = options.closing or (ON_CLOSING if options.on else CollectionSettings(1).closing)
    probing = CollectionSettings(
        options.interval,
        options.branches,
        Sampling(0.9, max_tokens=options.max_tokens, stop=() if options.on else STOP),
        closing=closing,
        answers=AnswerRule.after(closing, "number"),
        probe_tokens=options.probe_tokens,
    )
    questions = word_problems(options.questions, seed=7)
    rows = []
    asked: tuple[list[Prompt], list[Prompt]] = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for pair in range(-1, options.pairs):
            row: dict[str, Any] = {}
            with_probes = replace(probing, seed=1000 * (pair + 2))
            without = replace(with_probes, probes=False, interval=options.max_tokens)
            # The order rotates, so that no way always follows the same one; the last way needs the prompts of `probes`.
            first = pair % 4
            for way in (*WAYS[first:4], *WAYS[:first], WAYS[4]):
                await engine.with_model(lambda llm: llm.reset_prefix_cache())
                if way == "engine":
                    row[way] = await engine_alone(engine, questions, with_probes)
                elif way == "engine probes":
                    engine.drawn, engine.probed = asked
                    row[way] = await engine_probes(engine, with_probes)
                else:
                    settings = with_probes if way == "probes" else without
                    engine.score(way != "traces")
                    row[way] = await collected(engine, questions, settings, Path(temporary))
                    if way == "probes":
                        asked = engine.drawn, engine.probed
            print(json.dumps(row), file=sys.stderr, flush=True)
            if pair >= 0:
                # The first round is a warm-up.
                rows.append(row)
    await VLLMEngine.close(engine)
    return summary(rows)


def summary(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians and ranges of the figures to print."""

    def rate(row: dict[str, dict[str, float]], way: str) -> float:
        return row[way]["tokens"] / row[way]["s"]

    def own(row: dict[str, dict[str, float]]) -> float:
        """Seconds for as many tokens of traces as the probes decode."""
        return row["probes"]["probe tokens"] / rate(row, "scored")

    def added(row: dict[str, dict[str, float]]) -> float:
        # Both ways draw the same traces, but for a few that differ because the batches differ.
        return row["probes"]["s"] - row["probes"]["tokens"] / rate(row, "scored")

    def alone(row: dict[str, dict[str, float]]) -> float:
        return row["probes"]["tokens"] / rate(row, "engine") + row["engine probes"]["s"]

    of_each: dict[str, list[float]] = {
        "engine alone, tokens/s": [rate(row, "engine") for row in rows],
        "collecting traces, tokens/s": [rate(row, "traces") for row in rows],
        "share of the engine's tokens/s, traces, %": [100 * rate(row, "traces") / rate(row, "engine") for row in rows],
        "the same with their log-probabilities, %": [100 * rate(row, "scored") / rate(row, "engine") for row in rows],
        "probes": [row["probes"]["probes"] for row in rows],
        "tokens decoded a probe": [row["probes"]["probe tokens"] / row["probes"]["probes"] for row in rows],
        "prompt tokens read anew a probe": [row["engine probes"]["new"] / row["probes"]["probes"] for row in rows],
        "probing adds, of its tokens' cost, %": [100 * added(row) / own(row) for row in rows],
        "the engine alone with these probes, %": [100 * row["engine probes"]["s"] / own(row) for row in rows],
        "of what probing adds, the engine's own, %": [100 * row["engine probes"]["s"] / added(row) for row in rows],
        "share of the engine's speed, with probes, %": [100 * alone(row) / row["probes"]["s"] for row in rows],
        "probes, of the traces' cost, %": [
            100 * added(row) * rate(row, "scored") / row["probes"]["tokens"] for row in rows
        ],
    }
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
    parser.add_argument("--max-tokens", type=int, default=85)
    parser.add_argument("--on", action="store_true")
    parser.add_argument("--closing", type=lambda text: text.replace("\\n", "\n"))
    parser.add_argument("--probe-tokens", type=int, default=6)
    parser.add_argument("--arg", type=pair_of, action="append", default=[])
    options = parser.parse_args()
    if options.model is None:
        from tests import real_model

        given = [f"--arg={name}={json.dumps(value)}" for name, value in real_model.IN_PROCESS.items()]
        words = ["-m", "benchmarks.collect", str(real_model.folder() / "gemma-hf"), *given, *sys.argv[1:]]
        os.execve(real_model.python(), [str(real_model.python()), *words], real_model.environment())
    clock = time.process_time if options.cpu else time.perf_counter
    for name, value in asyncio.run(measure(options)).items():
        print(f"{name:<46} {value['median']:8.1f}   ({value['low']:.1f} … {value['high']:.1f})")


if __name__ == "__main__":
    main()
