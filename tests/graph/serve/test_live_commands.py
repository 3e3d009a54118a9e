"""`autotts solve`, `serve` and `validate` as they are called."""

import errno
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from envdata.atomic import write_text
from envdata.live import judged_grid
from envdata.live.episode import BranchState
from graph.cli import cli
from graph.cli.live_branches import branch_table
from tests import live_model
from tests.judge_server import JudgeState, judge_application
from tests.live_model import Toy

ASKED = ["--no-chat", "--interval", "16", "--max-tokens", "300", "--sandbox", "process"]


@pytest.fixture
def model(_upstream: tuple[str, Toy]) -> list[str]:
    return ["--server", _upstream[0], "--model", "toy"]


def autotts(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_solve(model: list[str], toy: Toy, tmp_path: Path) -> None:
    solve = ["solve", "What is 6 * 7?", "--controller", "cmc", *model, *ASKED, "--seed", "3"]
    plain = autotts(*solve, "--text")
    assert plain.exit_code == 0
    assert "6 * 7 = 42" in plain.stdout
    assert plain.stdout.endswith("\n42\n")
    assert "tokens generated" in plain.stderr
    assert "self-consistency with 5 branches" in plain.stderr
    told = json.loads(autotts(*solve, "--json", "--traces", str(tmp_path / "t.parquet")).stdout)
    assert (told["answer"], told["seed"]) == ("42", 3)
    assert told["cost"]["generated"] == told["cost"]["decoded"] + told["cost"]["probe_tokens"]
    assert told["self_consistency"]["branches"] == len(told["branches"]) == 5
    assert told["dollars"] is None
    start = told["start"]
    assert start["prompt_tokens"] > 0
    tried = f"tried with {start['prompt_tokens']:,} prompt tokens, and generated {start['generated']:,}: in no figure"
    assert tried in plain.stderr
    assert "ANSWER" in pq.read_table(tmp_path / "t.parquet").column("action").to_pylist()


def test_solve_in_dollars(model: list[str], toy: Toy) -> None:
    solve = ["solve", "What is 6 * 7?", "--controller", "cmc", *model, *ASKED, "--seed", "3", "--prices", "2,1,0.5"]
    told = json.loads(autotts(*solve, "--json").stdout)
    cost, baseline, dollars = told["cost"], told["self_consistency"], told["dollars"]
    assert cost["cached_tokens"] > 0
    prompts = cost["prompt_tokens"] - 0.5 * cost["cached_tokens"]
    assert dollars["spent"] == pytest.approx((2 * cost["generated"] + prompts) / 1e6)
    assert baseline["prompt_tokens"] > 0
    assert dollars["self_consistency"] == pytest.approx((2 * baseline["tokens"] + baseline["prompt_tokens"]) / 1e6)
    said = autotts(*solve).stderr
    assert re.search(r"sequential; \$0\.\d+; ", said)
    assert "dollars at $2 decoded, $1 prefill, $0.5 cached, for a million tokens\n" in said
    assert re.search(r"were generated\), \$0\.\d+ \(\d+% of that were spent\)", said)
    wrong = autotts("solve", "What?", "--controller", "cmc", *model, "--prices", "2,1")
    assert "'2,1' are no prices; give DECODED,PREFILL,CACHED" in wrong.stderr


def test_solve_prints_nothing_that_steers_a_terminal_or_cannot_be_seen(
    model: list[str], toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = "\x1b[2J\x9b31m\x07\r\u202e\U000e0041\ufe0f\u3164" + "e" + "\u0301" * 40
    plainly = live_model.way
    monkeypatch.setattr(live_model, "way", lambda *said: plainly(*said).replace("so it is", f"so{hidden} it is"))
    solve = ["solve", "What is 6 * 7?", "--controller", "cmc", *model, *ASKED, "--seed", "3"]
    said = autotts(*solve, "--text")
    assert "6 * 7 = 42." in said.stdout
    assert said.stdout.endswith("\n42\n")
    assert not set(hidden) - set("[2J31me\u0301") & set(said.stdout + said.stderr)
    assert said.stdout.count("\u0301") <= 4
    as_json = autotts(*solve, "--json").stdout
    assert as_json.isascii()
    assert hidden in json.loads(as_json)["text"]


def test_what_self_consistency_would_cost_is_not_known_of_branches_that_go_on(
    model: list[str], toy: Toy, tmp_path: Path
) -> None:
    looks = tmp_path / "looks.py"
    looks.write_text(
        "from sandbox.tts import *\nclass Looks(Controller):\n    @staticmethod\n    def schedule(beta): return {}\n"
        "    def solve(self, episode):\n        return episode.branch(3)[0].answer\n"
    )
    said = autotts("solve", "What is 6 * 7?", "--controller", str(looks), *model, *ASKED).stderr
    assert "self-consistency with 3 branches (equal width): more than 48 tokens: none was read whole" in said


def test_solve_says_what_is_wrong(model: list[str], toy: Toy, tmp_path: Path) -> None:
    asked = ["solve", "What is 6 * 7?", "--controller"]
    assert "no such controller" in autotts(*asked, "nothing", *model, *ASKED).stderr
    assert "cannot be reached" in autotts(
        *asked, "cmc", "--server", "http://127.0.0.1:9/v1", "--model", "toy", "--retries", "0", *ASKED
    ).stderr  # fmt: skip
    assert "does not know the model" in autotts(*asked, "cmc", *model[:3], "other", *ASKED).stderr
    toy.gone_after = 2
    gone = autotts(*asked, "cmc", *model, *ASKED, "--retries", "0")
    assert gone.exit_code == 1
    assert "tokens were generated until then" in gone.stderr
    grid = "envdata/bundled/word-problems-search.parquet"
    unlike = autotts(*asked, "cmc", *model, "--like", grid, "--sandbox", "process")
    assert "this question is like none of them; choose one of containers, prices, times, travel" in unlike.stderr
    twice = autotts(*asked, "cmc", *model, "--like", grid, "--family", "times", "--top-p", "0.9")
    assert "--top-p and --like both say how the model is asked" in twice.stderr
    assert "give the grid with --like" in autotts(*asked, "cmc", *model, "--family", "times").stderr
    streamed = autotts(*asked, "sc", *model, "--protocol", "chat", "--chat-template", "pyproject.toml")
    assert "makes no use of --chat-template" in streamed.stderr


def test_solve_with_a_judge(model: list[str], toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    solve = ["solve", "What is 6 * 7?", "--controller", "best_of:branches=5", *model, *ASKED, "--seed", "3"]
    assert "name one with --judge" in autotts(*solve).stderr
    assert "name it with --judge" in autotts(*solve, "--judge-arg", "temperature=0").stderr
    assert "names no judge" in autotts(*solve, "--judge", "gpt").stderr
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert "needs a key" in autotts(*solve, "--judge", "openai:gpt").stderr
    monkeypatch.setenv("AUTOTTS_JUDGE_KEY", "sk-hidden\r")
    unsendable = autotts(*solve, "--judge", "openai:gpt")
    assert "AUTOTTS_JUDGE_KEY cannot be used as a key: it holds a line end" in unsendable.stderr
    assert "hidden" not in unsendable.output
    monkeypatch.delenv("AUTOTTS_JUDGE_KEY")
    state = JudgeState()
    monkeypatch.setenv("OPENAI_API_KEY", "token-of-my-server")
    with live_model.serving(judge_application(state)) as url:
        judged = [*solve, "--judge", "openai:j", "--judge-url", url.replace("127.0.0.1", "localhost")]
        solved = autotts(*judged, "--judge-arg", "temperature=0", "--prices", "2,1,0.5")
        told = json.loads(autotts(*judged, "--prices", "2,1,0.5", "--judge-prices", "20,10,5", "--json").stdout)
    assert state.keys == {"Bearer none"}, "the model's server has this key, and the judge is another one"
    asked = [body for body in state.asked if "temperature" in body]
    assert solved.stdout.endswith("42\n")
    assert f"judge: {len(asked)} requests, {len(asked) * 100} prompt tokens" in solved.stderr
    assert "nor in the dollars: its prices are not known, give --judge-prices" in solved.stderr
    assert len(state.asked) == 2 * len(asked)
    cost, dollars = told["cost"], told["dollars"]
    judges = (20 * cost["judge_tokens"] + 10 * cost["judge_prompt_tokens"]) / 1e6
    prompts = cost["prompt_tokens"] - 0.5 * cost["cached_tokens"]
    assert dollars["judge"] == pytest.approx(judges)
    assert dollars["spent"] == pytest.approx((2 * cost["generated"] + prompts) / 1e6 + judges)
    assert (told["start"]["judge_prompt_tokens"], told["start"]["judge_tokens"]) == (100, 10)
    priced = ("--judge-prices", "20,10,5")
    assert "name it with --judge" in autotts(*solve, "--prices", "2,1,0.5", *priced).stderr
    assert "give those of the model too" in autotts(*judged, *priced).stderr


def test_branches_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    states = [BranchState(40, 3, "42", True, False, "so\x1b[31mit is 42"), BranchState(20, 1, None, False, True, "hm")]
    Console(width=100).print(branch_table("cmc", states * 20, 1200))
    drawn = capsys.readouterr().out
    assert "42" in drawn
    assert "■" in drawn
    assert "✂" in drawn
    assert "8 more branches" in drawn
    assert "\x1b" not in drawn


@pytest.fixture(scope="module")
def grid(_upstream: tuple[str, Toy], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid that was collected from the toy."""
    url, toy = _upstream
    toy.__dict__.update(Toy().__dict__)
    folder = tmp_path_factory.mktemp("grid")
    rows = [{"question": f"What is {a} * {b}?", "answer": str(a * b)} for a, b in ((3, 4), (6, 7), (5, 5), (9, 2))]
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    grid = folder / "toy.parquet"
    collected = autotts(
        "grid", "collect", "--server", url, "--model", "toy", "--questions", str(folder / "q.jsonl"), "--out",
        str(grid), "--interval", "16", "--max-tokens", "300", "--branches", "8",
    )  # fmt: skip
    assert collected.exit_code == 0, collected.output
    return grid


def test_solve_compares_at_equal_accuracy_where_there_is_a_grid(model: list[str], toy: Toy, grid: Path) -> None:
    solve = ["solve", "What is 6 * 7?", "--controller", "sc:branches=3", *model, "--like", str(grid), "--seed", "3",
             "--prices", "2,1,0.5", "--sandbox", "process"]  # fmt: skip
    told = json.loads(autotts(*solve, "--json").stdout)
    equal, width = told["equal_accuracy"], told["self_consistency"]
    assert equal["reached"]
    assert equal["tokens"] == round(equal["branches"]["value"] * width["tokens"] / width["branches"])
    dollars = (2 * equal["tokens"] + width["prompt_tokens"]) / 1e6
    assert told["dollars"]["self_consistency"] == pytest.approx(dollars)
    assert re.search(r"self-consistency with \d\.\d \(.*\) branches \(equal accuracy, ", autotts(*solve).stderr)
    broken = autotts(*solve, "--budget", "1", "--on-failure", "majority")
    assert broken.exit_code == 1


def test_a_server_that_refuses_the_key_is_told_its_own_in_a_variable(
    model: list[str], toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.key = "token-of-my-server"
    solve = ["solve", "What is 6 * 7?", "--controller", "sc:branches=1", *model, *ASKED]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-hidden-T3BlbkFJ")
    refused = autotts(*solve)
    assert "OPENAI_API_KEY is not for 127.0.0.1 and was not sent: set AUTOTTS_SERVER_KEY" in refused.stderr
    assert toy.keys == {"Bearer none"}
    assert "hidden" not in refused.output
    for variable in ("OPENAI_API_KEY", "AUTOTTS_SERVER_KEY"):
        monkeypatch.setenv(variable, "token-of-my-server")
        assert autotts(*solve).exit_code == 0
        monkeypatch.setenv(variable, "sk-proj-hidden-T3BlbkFJ")


def test_validate(model: list[str], toy: Toy, tmp_path: Path, grid: Path) -> None:
    out = tmp_path / "live.parquet"
    validate = ["validate", "cmc", "asc", "--grid", str(grid), *model, "--sandbox", "process", "--quiet",
                "--repeats", "20", "--live-repeats", "2", "--out", str(out), "--prices", "2,1,0.5"]  # fmt: skip
    ended = autotts(*validate, "--json")
    assert ended.exit_code == 0, ended.output
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each["controller"] for each in told] == ["cmc", "asc"]
    for each in told:
        accuracy, tokens = each["figures"]["accuracy"], each["figures"]["tokens"]
        assert (each["questions"], each["live_repeats"], each["failures"]) == (4, 2, {})
        # Three ways in four come to the right answer, in replay and live.
        assert accuracy["replay"]["value"] > 0.8
        assert accuracy["live"]["value"] > 0.7
        assert tokens["difference"]["value"] == pytest.approx(tokens["live"]["value"] - tokens["replay"]["value"])
        assert abs(tokens["difference"]["value"]) < 0.5 * tokens["replay"]["value"]
        assert each["figures"]["branches"]["live"]["value"] > 1
    assert told[0]["figures"]["CONTINUE"]["live"]["value"] > told[0]["figures"]["branches"]["live"]["value"]
    assert told[1]["figures"]["READ"]["live"]["value"] == told[1]["figures"]["branches"]["live"]["value"]
    for each in told:
        bill = {name: each["bill"][name]["value"] for name in each["bill"] if "prices" not in name}
        prompts = bill["uncached_tokens"] + 0.5 * bill["cached_tokens"]
        assert bill["dollars"] == pytest.approx((2 * bill["generated"] + prompts) / 1e6)
        assert bill["uncached_per_decoded"] == pytest.approx(bill["uncached_tokens"] / bill["generated"])
    assert pq.read_table(out).num_rows == 2 * 4 * 2
    assert "No such option" in autotts(*validate, "--on-failure", "majority").stderr
    table = autotts("validate", "sc:branches=4", "--grid", str(grid), *model[:3], "toy", "--sandbox", "process",
                    "--repeats", "2", "--limit", "2", "--quiet")  # fmt: skip
    assert "live − replay" in table.stdout
    assert "one draw a question" in table.stdout
    assert "not cached for each one generated" in table.stdout
    assert "accuracy: " in table.stdout
    assert not out.with_name("live.parquet.played").exists()

    def seeds(name: str) -> set[int]:
        toy.requests.clear()
        ended = autotts("validate", name, "--grid", str(grid), *model, "--sandbox", "process", "--quiet",
                        "--repeats", "2", "--limit", "2")  # fmt: skip
        assert ended.exit_code == 0
        return {body["seed"] for body in toy.requests if "seed" in body and body.get("n") == 1}

    drawn = seeds("sc:branches=4")
    assert len(drawn) == 8
    assert seeds("sc:branches=4") == drawn, "the same command draws the same branches"
    assert not seeds("asc") & drawn, "another controller's luck is its own"


def test_validate_goes_on_with_what_it_recorded(model: list[str], toy: Toy, tmp_path: Path, grid: Path) -> None:
    out = tmp_path / "live.parquet"
    validate = ["validate", "sc:branches=2", "--grid", str(grid), *model, "--sandbox", "process", "--repeats", "2",
                "--at-once", "1", "--retries", "0"]  # fmt: skip
    assert autotts(*validate, "--judge", "gpt").exit_code == 2, "a wrong call is none that can go on"
    whole = autotts(*validate, "--out", str(tmp_path / "whole.parquet"), "--json", "--difference", "10", "--quiet")
    assert whole.exit_code == 0, whole.output
    needed = json.loads(whole.stdout)["questions_needed"]
    assert needed["difference"] == 10
    toy.sampled, toy.gone_after = 0, 5
    broken = autotts(*validate, "--out", str(out))
    assert broken.exit_code == 1
    assert "2 episodes are kept in" in broken.stderr
    assert "give the same command again to go on" in broken.stderr
    assert len(list(out.with_name("live.parquet.played").glob("*.json"))) == 2
    toy.sampled, toy.gone_after = 0, None
    ended = autotts(*validate, "--out", str(out))
    assert ended.exit_code == 0, ended.output
    assert "4 episodes, recorded in" in ended.stderr
    assert "2 episodes had been played before" in ended.stderr
    assert toy.sampled == 2 * 2, "what was recorded is not asked for again"
    assert not out.with_name("live.parquet.played").exists()
    played, uncut = (pq.read_table(file).drop_columns(["seconds"]) for file in (out, tmp_path / "whole.parquet"))
    assert played.equals(uncut)


def test_a_grid_is_judged_and_goes_on_with_what_was_scored(
    model: list[str], toy: Toy, tmp_path: Path, grid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, text: str) -> None:
        if file.name.startswith("branch-"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_text(file, text)

    out, state = tmp_path / "judged.parquet", JudgeState()
    with live_model.serving(judge_application(state)) as url:
        judge = ["--judge", "openai:j", "--judge-url", url]
        command = ["grid", "judge", str(grid), *judge, "--out", str(out), "--concurrency", "1", "--retries", "0"]
        with monkeypatch.context() as patch:
            patch.setattr(judged_grid, "write_text", full)
            assert "cannot be written (No space left on device); make room" in autotts(*command).stderr
        state.asked.clear()
        state.breaks_after = 3
        broken = autotts(*command)
        assert "the judge j: " in broken.stderr
        assert len(list(tmp_path.glob("judged.parquet.scores/branch-*.json"))) == 3
        assert "another grid or judge" in autotts(*command, "--judge-arg", "temperature=0").stderr
        state.breaks_after = None
        ended = autotts(*command, "--judge-prices", "20,10,5")
        assert ended.exit_code == 0, ended.output
        assert re.search(r"tokens generated by the judge, \$0\.\d+; 3 branches had been judged before", ended.stderr)
        table = pq.read_table(out)
        for row in table.to_pylist():
            *before, last = row["signal_judge"]
            assert before == [None] * len(row["probe_answers"])
            assert last is None or round(last, 3) == (0.9 if row["gold_answer"] in row["text"] else 0.05)
        asked = table.num_rows - sum(row["signal_judge"][-1] is None for row in table.to_pylist())
        assert len(state.asked) == asked + 1, "one request failed, and none was made twice"
        assert not out.with_name("judged.parquet.scores").exists()
        assert "has the signal 'judge' already" in autotts(*command[:2], str(out), *command[3:]).stderr
        validated = autotts("validate", "best_of:branches=3", "--grid", str(out), *model, "--sandbox", "process",
                            "--quiet", "--repeats", "4", "--limit", "2", "--prices", "2,1,0.5", "--judge-prices",
                            "20,10,5", *judge)  # fmt: skip
    assert "of them for the judge, at $2 decoded, $1 prefill, $0.5 cached" in validated.stdout
    assert validated.exit_code == 0, validated.output
    assert "live, an episode: judge: " in validated.stdout


def test_serve_until_told_to_end(model: list[str], toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    command = [
        sys.executable,
        "-c",
        "from graph.cli import main; main()",
        "serve",
        "--controller",
        "cmc",
        "--controller",
        "mine=asc",
        "--upstream",
    ]
    command += [*model[1:], *ASKED, "--port", "0", "--key-file", str(tmp_path / "key")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        # It says that it is ready when it is: the first request is answered.
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        ready = next((line for line in lines if line.startswith("ready: ")), "")
        assert ready.endswith("/v1 has the models cmc, cmc-toy, mine, mine-toy\n")
        url = ready.split()[1].removesuffix("/v1")
        assert httpx.get(f"{url}/health").status_code == 200
        sdk = openai.OpenAI(base_url=f"{url}/v1", api_key="secret", max_retries=0)
        asked: Any = [{"role": "user", "content": "What is 6 * 7?"}]
        reply = sdk.chat.completions.create(model="mine", messages=asked, seed=3)
        assert reply.model_extra is not None
        assert reply.model_extra["autotts"]["answer"] == "42"
        toy.holds = True
        with pytest.raises(openai.APITimeoutError):
            sdk.with_options(timeout=1).chat.completions.create(model="cmc", messages=asked)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "secret" not in said
    assert "Traceback" not in said
    # It notices at its next look that nobody is there.
    deadline = time.monotonic() + 10
    while toy.active and time.monotonic() < deadline:
        time.sleep(0.01)
    assert toy.active == 0


def test_serve_refuses_what_is_not_safe(model: list[str]) -> None:
    asked = ["serve", "--controller", "cmc", "--upstream", *model[1:], *ASKED]
    assert "--key-file" in autotts(*asked, "--host", "0.0.0.0").stderr
    for origin in ("*", "null", "pages.example", "https://pages.example/path"):
        assert "is no origin" in autotts(*asked, "--cors", origin).stderr
    assert "two controllers are called cmc" in autotts(*asked, "--controller", "cmc").stderr
    gone = ["serve", "--controller", "cmc", "--upstream", "http://127.0.0.1:9/v1", "--model", "toy", "--retries", "0"]
    assert "cannot be reached" in autotts(*gone, *ASKED).stderr
