"""`autotts solve`, `serve` and `validate` as they are called."""

import json
import signal
import socket
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

from envdata.live.episode import BranchState
from graph.cli import cli
from graph.cli.growing import picture
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
    assert "ANSWER" in pq.read_table(tmp_path / "t.parquet").column("action").to_pylist()


def test_what_self_consistency_would_cost_is_not_known_of_branches_that_go_on(
    model: list[str], toy: Toy, tmp_path: Path
) -> None:
    looks = tmp_path / "looks.py"
    looks.write_text(
        "from sandbox.tts import *\nclass Looks(Controller):\n    @staticmethod\n    def schedule(beta): return {}\n"
        "    def solve(self, episode):\n        return episode.branch(3)[0].answer\n"
    )
    said = autotts("solve", "What is 6 * 7?", "--controller", str(looks), *model, *ASKED).stderr
    assert "self-consistency with 3 branches: more than 48 tokens: none was read whole" in said


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
    assert "choose one of containers, prices, times, travel" in autotts(*asked, "cmc", *model, "--like", grid).stderr
    twice = autotts(*asked, "cmc", *model, "--like", grid, "--family", "times", "--top-p", "0.9")
    assert "--top-p and --like both say how the model is asked" in twice.stderr
    assert "give the grid with --like" in autotts(*asked, "cmc", *model, "--family", "times").stderr


def test_branches_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    states = [BranchState(40, 3, "42", True, False, "so\x1b[31mit is 42"), BranchState(20, 1, None, False, True, "hm")]
    Console(width=100).print(picture("cmc", states * 20, 1200))
    drawn = capsys.readouterr().out
    assert "42" in drawn
    assert "■" in drawn
    assert "✂" in drawn
    assert "8 more branches" in drawn
    assert "\x1b" not in drawn


def test_validate(model: list[str], toy: Toy, tmp_path: Path) -> None:
    rows = [{"question": f"What is {a} * {b}?", "answer": str(a * b)} for a, b in ((3, 4), (6, 7), (5, 5), (9, 2))]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    grid = tmp_path / "toy.parquet"
    collected = autotts(
        "grid", "collect", *model, "--questions", str(tmp_path / "q.jsonl"), "--out", str(grid),
        "--interval", "16", "--max-tokens", "300", "--branches", "8",
    )  # fmt: skip
    assert collected.exit_code == 0, collected.output
    out = tmp_path / "live.parquet"
    validate = ["validate", "cmc", "asc", "--grid", str(grid), *model, "--sandbox", "process", "--quiet",
                "--repeats", "20", "--live-repeats", "2", "--out", str(out)]  # fmt: skip
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
    assert pq.read_table(out).num_rows == 2 * 4 * 2
    table = autotts("validate", "sc:branches=4", "--grid", str(grid), *model[:3], "toy", "--sandbox", "process",
                    "--repeats", "2", "--limit", "2", "--quiet")  # fmt: skip
    assert "live − replay" in table.stdout
    assert "one draw a question" in table.stdout

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


def test_serve_until_told_to_end(model: list[str], toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
    command += [*model[1:], *ASKED, "--port", str(port), "--key-file", str(tmp_path / "key")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
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
    assert "two controllers are called cmc" in autotts(*asked, "--controller", "cmc").stderr
    gone = ["serve", "--controller", "cmc", "--upstream", "http://127.0.0.1:9/v1", "--model", "toy", "--retries", "0"]
    assert "cannot be reached" in autotts(*gone, *ASKED).stderr
