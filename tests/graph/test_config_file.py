"""`autotts.toml` and variables: what wins, and that nothing is ignored."""

from pathlib import Path
from typing import Any

import click
import pytest

from graph.cli import main
from graph.cli.config_file import configure, options
from graph.cli.discover import discover_command
from graph.run.setting_fields import ConfigurationError
from graph.run.settings import RunSettings


@click.group()
def group() -> None: ...


@group.command("discover")
@click.option("--rounds", type=click.IntRange(1), default=5)
@click.option("--max-cost", type=float)
@click.option("--grid", "grids", multiple=True)
@click.option("--approve", is_flag=True)
@click.option("--betas")
def discover(**said: Any) -> None: ...


@group.group("grid")
def grid() -> None: ...


@grid.command("collect")
@click.option("--branches", type=int, default=64)
def collect(**said: Any) -> None: ...


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parsed(*arguments: str, name: str = "discover") -> dict[str, Any]:
    """What a command is called with, after the file and the variables were read."""
    context = click.Context(group, info_name="autotts")
    command = group.get_command(context, name)
    assert command is not None
    configure(context, name, command)
    own = command.make_context(name, list(arguments), parent=context)
    if isinstance(command, click.Group):
        sub, inner, rest = command.resolve_command(own, [*own._protected_args, *own.args])
        assert inner is not None
        return inner.make_context(sub, rest, parent=own).params
    return own.params


def test_flags_win_over_variables_and_those_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed()["rounds"] == 5
    Path("autotts.toml").write_text("[discover]\nrounds = 2\nmax-cost = 1\napprove = true\nbetas = [0, 0.5]\n")
    assert parsed()["rounds"] == 2
    assert parsed() == {"rounds": 2, "max_cost": 1.0, "grids": (), "approve": True, "betas": "0,0.5"}
    monkeypatch.setenv("AUTOTTS_DISCOVER_ROUNDS", "3")
    assert parsed()["rounds"] == 3
    assert parsed()["max_cost"] == 1.0
    assert parsed("--rounds", "4")["rounds"] == 4


def test_what_may_be_given_again_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("autotts.toml").write_text('[discover]\ngrid = ["a", "b c"]\n')
    assert parsed()["grids"] == ("a", "b c")
    monkeypatch.setenv("AUTOTTS_DISCOVER_GRID", "x 'y z'")
    assert parsed()["grids"] == ("x", "y z")


def test_commands_in_groups_have_tables_in_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("autotts.toml").write_text("[grid.collect]\nbranches = 8\n")
    assert parsed("collect", name="grid") == {"branches": 8}
    monkeypatch.setenv("AUTOTTS_GRID_COLLECT_BRANCHES", "9")
    assert parsed("collect", name="grid") == {"branches": 9}


def test_another_file_is_named_by_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUTOTTS_CONFIG", str(tmp_path / "mine.toml"))
    with pytest.raises(ConfigurationError, match=r"mine.toml, and there is no such file"):
        parsed()
    (tmp_path / "mine.toml").write_text("[discover]\nrounds = 7\n")
    assert parsed()["rounds"] == 7


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[discover]\nmax_costs = 3\n", r"max_costs in \[discover\] is no setting; did you mean max_cost\?"),
        ("[discovery]\n", r"discovery is no command; did you mean discover\?"),
        ("[grid.colect]\n", r"\[grid.colect\] is no command; did you mean collect\?"),
        ("rounds = 3\n", r"rounds is no command"),
        ("discover = 3\n", r"discover is a command; give a table"),
        ("[discover]\nrounds = 0\n", r"rounds in \[discover\]: 0 is not in the range"),
        ('[discover]\nrounds = "many"\n', r"rounds in \[discover\]: 'many' is not a valid"),
        ("[discover\n", r"autotts.toml cannot be read"),
    ],
)
def test_what_is_not_known_is_an_error_with_the_nearest_that_is(text: str, says: str) -> None:
    Path("autotts.toml").write_text(text)
    name = "grid" if "grid" in text else "discover"
    with pytest.raises(ConfigurationError, match=says):
        parsed(name=name)


def test_a_key_has_no_place_in_a_file_and_is_not_quoted() -> None:
    Path("autotts.toml").write_text('[discover]\nopenai_api_key = "sk-canary"\n')
    with pytest.raises(ConfigurationError, match="keys come from the environment alone") as refused:
        parsed()
    assert "sk-canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("AUTOTTS_DISCOVER_ROUND", r"did you mean rounds\?"),
        ("AUTOTTS_DISCOVERY_ROUNDS", r"did you mean AUTOTTS_DISCOVER_…\?"),
        ("AUTOTTS_ROUNDS", r"settings are AUTOTTS_COMMAND_FLAG"),
    ],
)
def test_a_variable_that_is_not_known_is_an_error(monkeypatch: pytest.MonkeyPatch, variable: str, says: str) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(ConfigurationError, match=says):
        parsed()


def test_every_setting_of_a_run_has_a_name_in_the_file() -> None:
    fields = set(RunSettings.model_fields)
    assert {str(option.name) for option in options(discover_command).values()} >= fields


def test_the_command_itself_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("autotts.toml").write_text('[discover]\nexplorer = ["nobody"]\n')
    with pytest.raises(SystemExit):
        main(["discover", "--out", str(tmp_path / "run")])
    assert "there is no explorer 'nobody'" in capsys.readouterr().err
    Path("autotts.toml").write_text("[discover]\nexplorers = 1\n")
    with pytest.raises(SystemExit):
        main(["discover", "--out", str(tmp_path / "run")])
    assert "explorers in [discover] is no setting; did you mean explorer?" in capsys.readouterr().err


def test_a_file_as_windows_saves_it_is_read_and_other_encodings_are_named(tmp_path: Path) -> None:
    file = tmp_path / "autotts.toml"
    file.write_bytes(b"\xef\xbb\xbf[discover]\r\nrounds = 3\r\n")
    assert parsed()["rounds"] == 3
    for content, message in (
        ("[discover]\nrounds = 3\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"[discover]\nrounds = " + b"[" * 100_000, "nested too deeply"),
        (b"[discover]\nmodel = '\xff'", "is not UTF-8 text"),
    ):
        file.write_bytes(content)
        with pytest.raises(ConfigurationError, match=message):
            parsed()
