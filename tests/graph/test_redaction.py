"""What counts as a secret of the environment, and that it does not stay in a text."""

import json
from pathlib import Path

import pytest

from graph.run.redaction import MARK, redacted
from graph.run.transcript import Transcript


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "X_CREDENTIALS", "my_apikey",
        "AUTOTTS_SERVER_KEY", "AUTOTTS_JUDGE_KEY",
    ],
)  # fmt: skip
def test_values_of_such_variables_are_replaced(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "canary-123456")
    assert redacted("a canary-123456 b") == f"a {MARK} b"


@pytest.mark.parametrize(
    ("name", "value"), [("AUTOTTS_DISCOVER_MAX_TOKENS", "12345678"), ("A_KEY", "short"), ("HOME_PAGE", "12345678")]
)
def test_others_are_not(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert redacted(f"a {value} b") == f"a {value} b"


@pytest.mark.parametrize("value", ["canary-123456", 'can"ary\\123456', "kanärie-123456"])
def test_a_transcript_never_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    monkeypatch.setenv("SOME_API_KEY", value)
    transcript = Transcript(tmp_path / "transcript.jsonl")
    transcript.record("reply", text=f"it is {value}", more=[value])
    (event,) = transcript.events()
    assert event["text"] == f"it is {MARK}"
    assert value not in transcript.path.read_text()
    assert json.dumps(value)[1:-1] not in transcript.path.read_text()
