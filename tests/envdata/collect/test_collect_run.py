"""Whole collections through the real SDK, from a server on this machine with a toy for a model."""

import asyncio
import json
import re
import resource
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from envdata.collect.collection import Provenance, collect
from envdata.collect.engine import CannotContinueError, CollectError, EngineGoneError, Sampling
from envdata.collect.openai_client import Client
from envdata.collect.openai_server import OpenAIServer
from envdata.collect.questions import Question
from envdata.collect.settings import CollectionSettings
from envdata.grid import Grid
from graph.cli.collect import collect_command
from tests.envdata.collect.completions_server import Behaviour, serving

QUESTIONS = [
    Question(f"What is {a} * {b}?", str(a * b), f"Problem: What is {a} * {b}?\nReasoning:")
    for a, b in [(2, 3), (4, 5), (6, 7), (8, 9), (3, 9)]
]
SETTINGS = CollectionSettings(interval=4, branches=7, sampling=Sampling(0.8, max_tokens=40, stop=("\n\n",)), seed=3)
SOURCE = Provenance("toy", "a toy", "five products", {"toy.bin": "00"})


@pytest.fixture
def behaviour():
    return Behaviour()


@pytest.fixture
def url(behaviour):
    with serving(behaviour) as address:
        yield address


def run(url, out, *, questions=QUESTIONS, settings=SETTINGS, model="toy", at_once=2):
    engine = OpenAIServer(Client(url, model, concurrency=4, timeout=60, retries=0))
    return asyncio.run(collect(engine, questions, settings, SOURCE, out, at_once=at_once))


def records(out):
    return pq.read_table(out).to_pylist()


def test_branches_are_cut_probed_and_read(url, tmp_path):
    out = tmp_path / "grid.parquet"
    assert run(url, out).collected == len(QUESTIONS)
    rows = records(out)
    assert [(row["question_id"], row["branch"]) for row in rows] == [(q, b) for q in range(5) for b in range(7)]
    for row in rows:
        a, b = re.findall(r"\d+", row["question"])
        assert len(row["probe_answers"]) == (row["tokens"] - 1) // 4
        if row["final_answer"]:
            # The two line ends that stop the trace were decoded, and count.
            assert (row["finish_reason"], row["tokens"]) == ("stop", len(row["text"]) + 2)
        else:
            assert row["text"] == f" {a} * {b} = {int(a) * int(b)}"[:9]
        for k, answer in enumerate(row["probe_answers"], start=1):
            written = row["text"][: 4 * k].partition("\n")[0]
            assert answer == ([b] if written == " " else re.findall(r"\d+", written) or [b])[-1]
    assert {row["final_answer"] for row in rows if row["question_id"] == 0} <= {"6", "7", ""}


def test_the_grid_says_where_it_comes_from(url, tmp_path):
    out = tmp_path / "grid.parquet"
    run(url, out)
    grid = Grid.load(out)
    assert (grid.interval, len(grid.questions), grid.gold_answers[1]) == (4, 5, "20")
    assert grid.provenance["engine"] == {
        "name": "vllm",
        "version": "0.0.1",
        "continues": "token ids",
        "sampling": None,
        "top_logprobs": 20,
        "prefill": True,
    }
    assert grid.provenance["weights"] == {"toy.bin": "00"}
    assert grid.provenance["sampling"] == {
        "temperature": 0.8,
        "top_p": None,
        "top_k": None,
        "min_p": None,
        "max_tokens": 40,
        "stop": ["\n\n"],
        "top_logprobs": 0,
    }
    assert grid.provenance["prompts"] == {"all": "Problem: {question}\nReasoning:"}
    assert grid.provenance["left_out"] == []
    assert not out.with_name("grid.parquet.parts").exists()


def test_a_probe_completes_the_closing_that_the_trace_has_begun(url, behaviour, tmp_path):
    run(url, tmp_path / "grid.parquet", questions=[QUESTIONS[2]])
    probes = [prompt.partition("Reasoning:")[2] for prompt in behaviour.probed()]
    assert " 6 * 7 =\nAnswer:" in probes
    assert all(prompt.count("Answer") == 1 and "\n\n" not in prompt for prompt in probes)
    assert len(probes) == len(set(probes)), "equal prefixes are probed once"


def test_confidence_and_cost_of_an_answer_that_is_cut_in_two(url, tmp_path):
    # " 6 * 7 = 42.\nAnswer: 42" is 23 characters long: with an interval of 22 the cut falls between 4 and 2.
    settings = CollectionSettings(interval=22, branches=7, sampling=SETTINGS.sampling)
    out = tmp_path / "grid.parquet"
    run(url, out, questions=[QUESTIONS[2]], settings=settings)
    right = [row for row in records(out) if row["final_answer"] == "42"]
    assert right
    for row in right:
        assert row["probe_answers"] == ["42"]
        assert row["probe_confidences"] == [pytest.approx(-(4 + 2) / 8 / 2)]
        assert row["probe_tokens"] == [len("2\n")]


def test_a_trace_that_has_moved_past_its_answer_is_not_probed(url, tmp_path):
    settings = CollectionSettings(interval=24, branches=7, sampling=SETTINGS.sampling)
    out = tmp_path / "grid.parquet"
    run(url, out, questions=[QUESTIONS[2]], settings=settings)
    right = [row for row in records(out) if row["final_answer"] == "42"]
    assert right
    assert all(row["probe_answers"] == ["42"] and row["probe_tokens"] == [0] for row in right)


def test_the_same_seed_gives_the_same_grid_whatever_goes_on_at_once(url, tmp_path):
    grids = []
    for name, at_once in (("a", 1), ("b", 4)):
        run(url, tmp_path / f"{name}.parquet", at_once=at_once)
        grids.append(records(tmp_path / f"{name}.parquet"))
    assert grids[0] == grids[1]


def test_a_server_that_gives_one_completion_at_a_time(url, behaviour, tmp_path):
    run(url, tmp_path / "whole.parquet")
    behaviour.one_completion = True
    run(url, tmp_path / "single.parquet")
    assert records(tmp_path / "single.parquet") == records(tmp_path / "whole.parquet")


@pytest.mark.parametrize("lacking", [{"logprobs": False}, {"token_ids": False, "forgets": True}])
def test_a_server_that_cannot_continue_is_refused_before_anything_is_drawn(url, behaviour, tmp_path, lacking):
    for name, value in lacking.items():
        setattr(behaviour, name, value)
    with pytest.raises(CannotContinueError, match=r"cannot continue a partial answer .*--no-probe") as refused:
        run(url, tmp_path / "grid.parquet")
    assert "\n" not in str(refused.value)
    assert not behaviour.sampled()
    assert not list(tmp_path.iterdir())


def test_no_server_and_no_model(url, tmp_path):
    with pytest.raises(EngineGoneError, match="cannot be reached"):
        run("http://127.0.0.1:9/v1", tmp_path / "grid.parquet")
    with pytest.raises(CollectError, match=r"does not know the model .*no model other"):
        run(url, tmp_path / "grid.parquet", model="other")


def test_a_server_that_dies_leaves_what_was_collected(behaviour, tmp_path):
    out = tmp_path / "grid.parquet"
    behaviour.seconds = 0.05
    with serving(behaviour) as url:
        run(url, tmp_path / "undisturbed.parquet")
        with serving(Behaviour(dies_after=2)) as dying, pytest.raises(EngineGoneError, match="cannot be reached"):
            run(dying, out, at_once=1)
        kept = sorted(file.name for file in out.with_name("grid.parquet.parts").glob("question-*"))
        assert kept == ["question-00000.json", "question-00001.json"]
        behaviour.requests.clear()
        run(url, out)
    assert len(behaviour.sampled()) == len(QUESTIONS) - 2, "nothing is collected twice"
    assert records(out) == records(tmp_path / "undisturbed.parquet")


def test_another_plan_does_not_go_on_in_the_same_folder(url, behaviour, tmp_path):
    out = tmp_path / "grid.parquet"
    behaviour.broken_for = QUESTIONS[0].text
    run(url, out)
    other = CollectionSettings(interval=5, branches=7, sampling=SETTINGS.sampling, seed=3)
    with pytest.raises(CollectError, match="was begun with interval = 4 and this command says 5"):
        run(url, out, settings=other)


def test_a_question_that_fails_is_left_out_and_asked_again(url, behaviour, tmp_path):
    out = tmp_path / "grid.parquet"
    behaviour.broken_for = QUESTIONS[1].text
    outcome = run(url, out)
    assert list(outcome.left_out) == [QUESTIONS[1].text]
    assert "this prompt hurts" in outcome.left_out[QUESTIONS[1].text]
    grid = Grid.load(out)
    assert grid.questions == [question.text for question in QUESTIONS if question != QUESTIONS[1]]
    assert grid.provenance["left_out"] == [QUESTIONS[1].text]
    behaviour.broken_for = ""
    behaviour.requests.clear()
    assert run(url, out).left_out == {}
    assert len(behaviour.sampled()) == 1
    assert Grid.load(out).questions == [question.text for question in QUESTIONS]


def test_questions_that_fail_in_a_row_do_not_end_what_has_worked(url, behaviour, tmp_path):
    out = tmp_path / "grid.parquet"
    hard = [Question(f"What is 9 * {b}?", str(9 * b), f"Problem: What is 9 * {b}?\nReasoning:") for b in range(2, 7)]
    behaviour.broken_for = "What is 9"
    outcome = run(url, out, questions=[QUESTIONS[0], *hard, QUESTIONS[1]], at_once=1)
    assert (outcome.collected, len(outcome.left_out)) == (2, 5)


def test_a_server_that_fails_every_question_ends_the_run(url, behaviour, tmp_path):
    behaviour.broken_for = "Reasoning:"
    with pytest.raises(CollectError, match="failed one after the other"):
        run(url, tmp_path / "grid.parquet")


def test_a_grid_that_is_there_is_not_overwritten(url, tmp_path):
    out = tmp_path / "grid.parquet"
    run(url, out)
    with pytest.raises(CollectError, match="is there already"):
        run(url, out)


@pytest.fixture
def words(url, tmp_path):
    """The command's words that collect QUESTIONS to a path."""
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps({"question": q.text, "answer": q.answer}) + "\n" for q in QUESTIONS))

    def words(out):
        text = f"--server {url} --model toy --questions {file} --out {out} --interval 4 --branches 7 --max-tokens 40"
        return [*text.split(), "--stop", r"\n\n", "--seed", "3", "--at-once", "1"]

    return words


def in_process_of_its_own(words):
    script = "from graph.cli.collect import collect_command; collect_command()"
    return subprocess.Popen(
        [sys.executable, "-c", script, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def wait_for_parts(out, count):
    deadline = time.monotonic() + 60
    while len(list(out.with_name(f"{out.name}.parts").glob("question-*.json"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_or_interrupted_the_same_command_goes_on(words, behaviour, tmp_path):
    undisturbed, out = tmp_path / "undisturbed.parquet", tmp_path / "grid.parquet"
    assert CliRunner().invoke(collect_command, words(undisturbed)).exit_code == 0
    behaviour.requests.clear()

    behaviour.holds_after = 1
    killed = in_process_of_its_own(words(out))
    wait_for_parts(out, 1)
    killed.kill()
    killed.communicate()
    assert not out.exists()

    behaviour.holds_after = len(behaviour.sampled()) + 2
    interrupted = in_process_of_its_own(words(out))
    wait_for_parts(out, 3)
    interrupted.send_signal(signal.SIGINT)
    _, said = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not out.exists()

    behaviour.holds_after = None
    done = CliRunner().invoke(collect_command, words(out))
    assert done.exit_code == 0
    assert "5 of 5 questions" in done.stderr
    assert records(out) == records(undisturbed)
    # At most the question under way at each of the two ends was drawn twice.
    assert len(QUESTIONS) <= len(behaviour.sampled()) <= len(QUESTIONS) + 2


@pytest.mark.slow
def test_a_server_that_goes_away_is_told_with_what_is_kept(words, behaviour, tmp_path):
    behaviour.dies_after = 2
    done = CliRunner().invoke(collect_command, words(tmp_path / "grid.parquet"))
    assert done.exit_code == 1
    assert re.search(r"Error: .*cannot be reached.*; 2 of 5 questions are kept, and the same command", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_full_disk_ends_in_one_sentence(words, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files is met in the same place as the end of a disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1200, before[1]))
    try:
        done = CliRunner().invoke(collect_command, words(tmp_path / "grid.parquet"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.exit_code == 1
    assert re.search(r"Error: .*question-00000.json cannot be written \(File too large\); make room", done.stderr)
    assert "Traceback" not in done.stderr
