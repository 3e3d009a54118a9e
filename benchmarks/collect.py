"""What the collector costs beside the model it runs, with vLLM in this process.

Five ways, interleaved, each from an empty prefix cache:

  engine          vLLM alone: one `LLM.generate` call for as many traces
  traces          `autotts grid collect --no-probe`: the same traces, read, kept question by question, written as a grid
  scored          the same with the log-probabilities of all tokens, which a grid with probes needs for confidences
  probes          the same with probes
  engine probes   vLLM alone: one `LLM.generate` call for exactly the probes of the way before, every distinct prompt
                  once, while their traces, which are read in beforehand and not timed, are in the prefix cache

usage: python -m benchmarks.collect [MODEL] [--cpu] [--pairs 5] [--questions 4] [--branches 12] [--interval 5]
                                    [--max-tokens 85] [--on] [--closing TEXT] [--probe-tokens 6] [--arg NAME=JSON …]

--on lets traces run on behind their first answer to --max-tokens, which a small model otherwise rarely reaches, so that
intervals of 16 and more have cuts to probe. The closing is then one that the model does not write itself, for a trace
that has written its answer is not probed any more.

Run by an interpreter that has vLLM and this repository (PYTHONPATH). Without MODEL it starts itself again with what
tools/real-model prepared in AUTOTTS_REAL_MODEL.

Measured are medians over pairs and their ranges. The tokens of a probe are those that it decodes, and what they cost is
what as many tokens of traces cost, in the same engine at the same width: "probing adds" is the time of `probes` less
that of `scored`, in percent of it. Above 100 %, a probe's token costs more than a trace's, for what it has to read
first: the closing, and what the cache does not hold of the trace, since it holds whole blocks only. How many tokens
that is stands beside it ("read anew"), and what it costs the engine itself is what `engine probes` takes of the same
tokens' cost. Both times of the engine alone, in percent of the time with probes, are what the collector leaves of the
engine's speed.

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
from dataclasses import replace
from pathlib import Path
from typing import Any

from envdata.collect.engine import Asked, Decoded, EngineFacts, Prompt, Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.questions import Question
from envdata.collect.run import Source, collect
from envdata.collect.settings import Settings
from envdata.collect.vllm_engine import VLLMEngine
from envdata.collect.word_problems import word_problems

clock = time.perf_counter

STOP = ("\n\n", "\nProblem")
ON_CLOSING = "\nResult:"
WAYS = ("engine", "traces", "scored", "probes", "engine probes")


class Kept(VLLMEngine):
    """Loads the model once and keeps it from one collection to the next; remembers what it was asked."""

    facts: EngineFacts | None = None
    drawn: list[Prompt]
    """Traces with their prompts."""
    probed: list[Prompt]
    probe_stop: tuple[str, ...] = ()

    async def establish(self) -> EngineFacts:
        self.facts = self.facts or await super().establish()
        return self.facts

    async def sample(self, asked: Asked, count: int, sampling: Sampling, seed: int) -> Any:
        prompt = await self.prompt(asked)
        async for some in super().sample(asked, count, sampling, seed):
            self.drawn += [(*prompt, *trace.pieces) for _, trace in some]
            yield some

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Decoded]:
        self.probed += prompts
        return await super().answer(prompts, max_tokens, stop)

    def score(self, scored: bool) -> None:
        """Make the next collection's traces come with log-probabilities, or without."""
        self._scored = scored

    async def close(self) -> None:
        pass

    async def generate(self, prompts: Sequence[Prompt], params: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Tokens and seconds of one `generate` call."""

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


async def engine_alone(engine: Kept, questions: Sequence[Question], settings: Settings) -> dict[str, float]:
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


async def engine_probes(engine: Kept, settings: Settings) -> dict[str, float]:
    """vLLM alone with what the last collection probed."""
    await engine.generate(engine.drawn, [{"max_tokens": 1, "temperature": 0.0}] * len(engine.drawn))
    params = {"temperature": 0.0, "max_tokens": settings.probe_tokens, "stop": list(settings.probe_stop), "logprobs": 0}
    return await engine.generate(engine.probed, [params] * len(engine.probed))


async def collected(engine: Kept, questions: Sequence[Question], settings: Settings, folder: Path) -> dict[str, float]:
    """Tokens of traces and of probes, prompt tokens read anew and seconds of one collection."""
    out = folder / "grid.parquet"
    engine.drawn, engine.probed = [], []
    usage = replace(engine.usage)
    began = clock()
    await collect(engine, questions, settings, Source("", "", "", {}), out, at_once=len(questions))
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
    engine = Kept(options.model, dict(options.arg))
    await engine.establish()
    closing = options.closing or (ON_CLOSING if options.on else Settings(1).closing)
    probing = Settings(
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
            # The order goes round, so that none always follows the same other; the last needs what `probes` asked.
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
                # The first round only warms up.
                rows.append(row)
    await VLLMEngine.close(engine)
    return summary(rows)


def summary(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians and ranges of what is to be said."""

    def rate(row: dict[str, dict[str, float]], way: str) -> float:
        return row[way]["tokens"] / row[way]["s"]

    def own(row: dict[str, dict[str, float]]) -> float:
        """Seconds that the probes' own tokens would take as tokens of traces."""
        return row["probes"]["probe tokens"] / rate(row, "scored")

    def added(row: dict[str, dict[str, float]]) -> float:
        # The traces of both ways are the same but for the few that another batch turned elsewhere.
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
