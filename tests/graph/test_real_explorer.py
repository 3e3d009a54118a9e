"""The whole loop with a real model as the explorer: it writes poor controllers, or none, and the loop copes."""

import json
import sysconfig
from pathlib import Path

import pytest

from graph.run.paths import read_json
from graph.run.record import load
from graph.run.transcript import Transcript
from tests import real_model
from tests.graph.running import autotts

pytestmark = pytest.mark.vllm

TEMPLATE = Path(__file__).with_name("base_model.jinja")


def test_a_discovery_with_a_real_model(
    tmp_path: Path, options: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_MODEL_LEN", "6144")
    monkeypatch.setenv("CHAT_TEMPLATE", str(TEMPLATE))
    run = tmp_path / "run"
    with real_model.serving(tmp_path / "server.log") as url:
        # A base model writes on to its limit, whatever it is asked for: the limit is what the time goes into.
        done = autotts(
            "discover", *options, "--candidates", 2, "--explorer", "openai:gemma", "--base-url", url,
            "--brief-tokens", 5600, "--max-output", 160, "--temperature", 0.8, "--max-tokens", 200_000,
            "--max-minutes", 20, "--out", run, "--json", patience=1200,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        events = Transcript(run / "round-001/transcript.jsonl").of_all_rounds()
        replies = [event for event in events if event["event"] == "reply"]
        assert len(replies) >= 4
        assert all(reply["usage"]["input"] > 500 and reply["usage"]["output"] > 0 for reply in replies)
        assert not any(reply["estimated"] for reply in replies)
        # The prompt is counted before it is sent, and never too low.
        calls = {event["id"]: event for event in events if event["event"] == "call"}
        assert all(reply["usage"]["input"] <= calls[reply["id"]]["worst"]["input"] for reply in replies)
        # What cannot be read is asked for again once, and no oftener.
        unread = [event["id"] for event in events if event["event"] == "unreadable"]
        assert len(replies) <= 2 * (2 + 2) * 3
        assert len(unread) <= len(replies)
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["rounds"] == 2
        assert result["accounting"]["cost"] == "unknown"
        assert result["accounting"]["tokens"]["output"] == sum(reply["usage"]["output"] for reply in replies)
        history = load(run)
        assert [record.number for record in history.rounds] == [1, 2]
        for record in history.rounds:
            assert read_json(run / f"round-{record.number:03d}" / "metrics.json")["candidates"] == record.candidates
        # A resume after the end asks for nothing.
        again = autotts("discover", "--resume", run, "--json")
        assert again.returncode == 0, again.stderr
        assert json.loads(again.stdout)["selected"] == result["selected"]
        later = Transcript(run / "round-001/transcript.jsonl").of_all_rounds()
        assert [event for event in later if event["event"] in {"call", "reply"}] == [
            event for event in events if event["event"] in {"call", "reply"}
        ]


def test_a_batch_in_process(tmp_path: Path) -> None:
    engine = ",".join(f"{name}={json.dumps(value)}" for name, value in real_model.IN_PROCESS.items())
    spec = f"{real_model.folder() / 'gemma-hf'},chat_template={TEMPLATE},{engine}".replace('"', "")
    script = Path(__file__).with_name("vllm_batch.py")
    free, structured = real_model.told_by(script, spec, sysconfig.get_paths()["purelib"], timeout=400)
    assert free[0]
    assert free[3] <= 12
    assert min(free[2], structured[2]) > 5
    if structured[1] == "end":
        assert isinstance(json.loads(structured[0])["n"], int)
    else:
        assert structured[1] == "length"
