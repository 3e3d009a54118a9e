"""Small grids from the real model, behind a server and in process; asserted is structure, never text or speed."""

import json
import signal
import subprocess
import time

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from envdata.collect.word_problems import FAMILIES, word_problems
from envdata.grid import Grid
from graph.cli.collect import collect_command
from tests import real_model

pytestmark = pytest.mark.vllm

INTERVAL, BRANCHES, QUESTIONS = 5, 8, 4
SIZES = f"--interval {INTERVAL} --branches {BRANCHES} --max-tokens 85 --probe-tokens 6 --temperature 0.9".split()
COLLECT = "from graph.cli.collect import collect_command; collect_command()"

PROBES_OF_A_LONG_TRACE = """
import asyncio, json, sys
from envdata.collect.engine import Sampling
from envdata.collect.vllm_engine import VLLMEngine

async def main():
    engine = VLLMEngine(sys.argv[1], json.loads(sys.argv[2]))
    await engine.establish()
    prompt = await engine.prompt("Problem: 12 + 7 = ? Count up to it, number by number.\\nReasoning: 1, 2, 3,")
    drawn = [await engine.extend(prompt, Sampling(0.9, max_tokens=160), seed) for seed in range(4)]
    trace = max(drawn, key=lambda one: one.count)
    closing = await engine.encode("\\nAnswer:")
    read = []
    for cut in range(16, trace.count, 16):
        before = engine.usage.prompt - (engine.usage.cached or 0)
        await engine.answer([(*prompt, *trace.pieces[:cut], *closing)], 4, ["\\n"])
        read.append(engine.usage.prompt - (engine.usage.cached or 0) - before - len(closing))
    block = await engine.with_model(lambda llm: llm.llm_engine.vllm_config.cache_config.block_size)
    print(json.dumps([trace.count, block, read]))
    await engine.close()

asyncio.run(main())
"""


def check(out):
    """Check a grid's structure; returns its rows."""
    grid = Grid.load(out)
    assert grid.branches.tolist() == [BRANCHES] * QUESTIONS
    assert grid.provenance["engine"]["name"] == "vllm"
    assert grid.provenance["engine"]["continues"] == "token ids"
    assert grid.provenance["signals"] == {"token_confidence": {"top_logprobs": 20}}
    rows = pq.read_table(out).to_pylist()
    for row in rows:
        assert 1 <= row["tokens"] <= 85
        assert row["finish_reason"] in ("stop", "length")
        assert len(row["probe_answers"]) == (row["tokens"] - 1) // INTERVAL
        assert all(0 <= tokens <= 6 for tokens in row["probe_tokens"])
        assert all(confidence <= 0 for confidence in row["probe_confidences"])
        # The cache holds whole blocks of 32 tokens, so that few tokens are read beside the closing.
        assert all(0 <= tokens <= 64 for tokens in row["probe_prefill"])
        sure = row["signal_token_confidence"]
        assert len(sure) == len(row["probe_answers"]) + 1
        assert all(value is not None and value > 0 for value in sure)
    assert len({row["text"] for row in rows}) > QUESTIONS, "traces of one question are independent"
    return rows


def collected(words):
    result = CliRunner().invoke(collect_command, words)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def chat(tmp_path):
    """The words that ask questions of one family as a chat, with the worked examples as the system prompt."""
    family = FAMILIES[0]
    questions = [question for question in word_problems(16, seed=5) if question.family == family.name][:QUESTIONS]
    file, template = tmp_path / "questions.jsonl", tmp_path / "template.txt"
    file.write_text("".join(json.dumps({"question": q.text, "answer": q.answer}) + "\n" for q in questions))
    template.write_text("{question}")
    words = ["--questions", file, "--template", template, "--chat", "--system", family.prompt().strip()]
    return [*map(str, words), "--closing", r"\nAnswer:", "--stop", r"\n\n", *SIZES]


def in_process(out, words):
    """Start the collector in the interpreter that has vLLM."""
    arguments = [f"--vllm-arg={name}={json.dumps(value)}" for name, value in real_model.IN_PROCESS.items()]
    model = ["--vllm", "--model", str(real_model.folder() / "gemma-hf"), "--out", str(out), "--at-once", "1"]
    return subprocess.Popen(
        [real_model.python(), "-c", COLLECT, *model, *arguments, *words],
        env=real_model.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_grid_from_each_engine(tmp_path, chat):
    served, here = tmp_path / "served.parquet", tmp_path / "here.parquet"
    with real_model.serving(tmp_path / "server.log") as url:
        server = ["--server", url, "--model", real_model.MODEL]
        plain = ["--questions", "word-problems?count=4&seed=5", "--out", str(tmp_path / "plain.parquet")]
        collected([*server, *plain, *SIZES, "--stop", r"\n\n"])
        collected([*server, *chat, "--out", str(served)])
    check(tmp_path / "plain.parquet")
    by_server = check(served)

    begun = in_process(here, chat)
    parts = here.with_name("here.parquet.parts")
    deadline = time.monotonic() + real_model.SECONDS_TO_START
    while not list(parts.glob("question-*.json")):
        assert begun.poll() is None, begun.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=real_model.SECONDS_TO_START)
    assert begun.returncode == 130, said
    assert "the same command goes on" in said
    kept = {file.name: file.read_bytes() for file in parts.glob("question-*.json")}
    assert len(kept) < QUESTIONS
    going_on = in_process(here, chat)
    assert going_on.wait() == 0, going_on.communicate()
    in_this_process = check(here)
    said = going_on.communicate()[1]
    assert f"{QUESTIONS} of {QUESTIONS} questions" in said
    assert "from the prefix cache" in said
    for name, content in kept.items():
        number = int(name.removeprefix("question-").removesuffix(".json"))
        branches = json.loads(content)["branches"]
        assert [row["text"] for row in in_this_process if row["question_id"] == number] == [b["text"] for b in branches]

    # The same prompts, seeds and weights: where both drew the same trace, their greedy probes agree.
    both = {(row["question"], row["text"]): row for row in by_server}
    pairs = [(row, both[key]) for row in in_this_process if (key := (row["question"], row["text"])) in both]
    answers = [
        one == other
        for first, second in pairs
        for one, other in zip(first["probe_answers"], second["probe_answers"], strict=True)
    ]
    assert len(answers) >= 10, "equal seeds draw some equal traces"
    # Sums of other batches round differently; a tie between two tokens may fall either way, rarely.
    assert sum(answers) >= 0.95 * len(answers)
    assert all(first["final_answer"] == second["final_answer"] for first, second in pairs)


def test_probes_read_no_more_of_their_trace_than_the_cache_cannot_hold(tmp_path):
    script = tmp_path / "probes.py"
    script.write_text(PROBES_OF_A_LONG_TRACE)
    tokens, block, read = real_model.told_by(
        script,
        real_model.folder() / "gemma-hf",
        json.dumps(real_model.IN_PROCESS),
        timeout=real_model.SECONDS_TO_START,
    )
    assert tokens > 3 * block, "a trace of several blocks"
    # Less than a block is not cached, and a token more where the closing makes it the last of one.
    assert max(read) <= block, (block, read)
