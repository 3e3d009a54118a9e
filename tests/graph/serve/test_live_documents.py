"""The Python in docs/live.md runs as it stands, against a server of this machine instead of the reader's."""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from envdata.live.model import LiveSettings, chat_settings
from tests.graph.serve.conftest import Serve
from tests.live_model import Toy

DOCUMENT = Path(__file__).parents[3] / "docs" / "live.md"


def test_its_snippets(
    serve: Serve, upstream: str, toy: Toy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The default sandbox is another matter, and not everywhere.
    monkeypatch.setattr("sandbox.backends.choose.AUTOMATIC", ("process",))
    toy.ways = "abd"
    places = {
        "http://127.0.0.1:8000/v1": upstream,
        "http://127.0.0.1:8300/v1": serve(ask=LiveSettings.of(chat_settings())),
        "Qwen/Qwen3-8B": "toy",
    }
    snippets = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
    assert len(snippets) == 4
    namespace: dict[str, Any] = {}
    for snippet in snippets:
        for written, here in places.items():
            snippet = snippet.replace(written, here)
        # As a notebook does it, where `await` needs no function.
        code = compile(snippet, DOCUMENT.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, namespace)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    said = capsys.readouterr().out
    assert said.startswith("408\n")
    assert said.count("12 * 34 = 408") == 2
    assert [solution.answer for solution in namespace["solutions"]] == ["408", "30"]
    assert namespace["reply"].model_extra["autotts"]["answer"] == "408"
