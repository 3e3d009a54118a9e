"""`autotts doctor` and `--version`: what is there, what is missing and what to do; a key's value is never printed."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from graph.cli import cli, main
from graph.cli.extras import extras
from sandbox.backends import choose
from sandbox.backends.base import SandboxUnavailable
from tests.graph.running import here

SECRET = "sk-a value that cannot be sent"


def test_it_fits_80_columns_and_names_what_is_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET.replace(" ", ""))
    monkeypatch.setenv("HF_TOKEN", SECRET)
    with pytest.raises(SystemExit):
        main(["doctor"])
    told = capsys.readouterr().out
    assert "OPENAI_API_KEY is set" in told
    assert "HF_TOKEN cannot be used as a key: it holds a space" in told
    assert SECRET not in told
    assert SECRET.replace(" ", "") not in told
    paths = (str(tmp_path), sys.executable, str(Path(__file__).parents[2]))
    assert [line for line in told.splitlines() if len(line) > 80 and not any(path in line for path in paths)] == []


def test_without_a_sandbox_the_main_command_cannot_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none_works(name: str) -> None:
        raise SandboxUnavailable(f"{name} is not installed\n    apt-get install {name}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(choose, "cold_backend", none_works)
    told = here(capsys, "doctor", "--json", code=1)
    rows = {row["name"]: row for row in map(json.loads, told.out.splitlines())}
    assert rows["sandbox bubblewrap"]["status"] == "missing"
    assert rows["sandbox bubblewrap"]["remedy"] == "    apt-get install bubblewrap"
    assert rows["bundled grids"]["status"] == rows["this folder"]["status"] == "ok"


def test_version_says_which_extras_are_installed(capsys: pytest.CaptureFixture[str]) -> None:
    told = here(capsys, "--version").out.splitlines()
    assert told[0] == f"autotts, version {metadata.version('autotts')}"
    assert f"extra mcp: mcp {metadata.version('mcp')}" in told
    for extra in extras():
        assert any(extra.name in line for line in told), extra.name


def test_an_extra_that_is_too_old_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ['mcp>=9999; extra == "mcp"', "autotts[mcp]; extra == 'dev'"])
    found = {extra.name: extra for extra in extras()}
    assert found["mcp"].versions == {"mcp": None}
    assert not found["mcp"].installed
    assert "dev" not in found


@pytest.mark.parametrize(
    ("typed", "meant"), [("eval", "'evaluate'"), ("discovr", "'discover'"), ("docter", "'doctor'")]
)
def test_a_mistyped_command_is_answered_by_its_like(capsys: pytest.CaptureFixture[str], typed: str, meant: str) -> None:
    assert meant in here(capsys, typed, code=2).err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    completion = kind(cli, {}, "autotts", "_AUTOTTS_COMPLETE")
    assert [item.value for item in completion.get_completions([], "doc")] == ["doctor"]
    assert [item.value for item in completion.get_completions(["doctor"], "--j")] == ["--json"]
