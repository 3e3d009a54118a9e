"""What `autotts discover` shows: in place on a terminal, in lines elsewhere, as JSON lines, or nothing."""

import io
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from graph.cli.console import LiveViewObserver
from graph.cli.foreign_text import json_line
from graph.loop.interrupts import RunInterrupt
from graph.run.events import node_event
from graph.run.observers import ObserverGroup, SilentObserver
from graph.run.paths import RunFolder, read_json
from sandbox.sanitize import printable
from tests.graph.running import here


def test_json_lines_tell_each_step_and_the_result_last(
    tmp_path: Path, options: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    done = here(capsys, "discover", *options, "--rounds", 1, "--out", run, "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["event"] for event in events] == ["baselines", "proposals", "evaluation", "round", "result"]
    assert len(events[1]["candidates"]) == 3
    assert events[3]["frontier"]
    assert events[3]["spent"]["episodes"] > 0
    assert "round 1 of 1" in done.err
    quiet = here(capsys, "discover", "--resume", run, "--json", "--quiet")
    (result,) = quiet.out.splitlines()
    assert json.loads(result) == events[-1]
    assert quiet.err == ""


def test_the_view_shows_rounds_frontier_spending_and_what_goes_on(finished: Path) -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=140)
    with LiveViewObserver(RunFolder(finished), console) as live:
        live.say("a remark")
        with live.progress("round 2: screening") as progress:
            assert progress is not None
            progress(3, 9)
            during = io.StringIO()
            Console(file=during, width=140).print(live._view())
        live.finished("historian", 2)
        shown = live._view()
    page = io.StringIO()
    Console(file=page, width=140).print(shown)
    text = page.getvalue()
    best = read_json(finished / "round-002" / "metrics.json")["best"]
    for part in ("over baseline", best or "none sound", "frontier: ", "episodes replayed"):
        assert part in text
    assert "a remark" in said.getvalue()
    assert "round 2: screening" in during.getvalue()
    assert "3/9" in during.getvalue()
    assert "round 2: screening" not in text
    assert text.count("│ ") >= 2


def test_a_person_is_asked_without_the_view_in_the_way(finished: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with LiveViewObserver(RunFolder(finished), console) as live:
        seen = []

        def person(pause: RunInterrupt) -> bool:
            seen.append(live._live.is_started)
            return True

        assert live.hidden_during(person)(RunInterrupt("approval", {}))
        assert seen == [False]
        assert live._live.is_started


def test_what_a_candidate_calls_itself_is_no_markup(tmp_path: Path, finished: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    said = io.StringIO()
    with LiveViewObserver(RunFolder(run), Console(file=said, force_terminal=True, width=140)) as live:
        live.say("[red]not red[/red] [/]")
    assert "[red]not red[/red]" in said.getvalue()


def test_watchers_are_told_of_every_node(finished: Path) -> None:
    seen: list[tuple[str, int]] = []

    class Watching:
        def finished(self, node: str, number: int) -> None:
            seen.append((node, number))

    ObserverGroup(SilentObserver(), [Watching(), Watching()]).finished("historian", 2)
    assert seen == [("historian", 2)] * 2
    assert node_event(RunFolder(finished), "critic", 1) is None


@settings(max_examples=40)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_what_is_printed_steers_no_terminal_and_json_means_the_same(value: object) -> None:
    line = json_line(value)
    assert json.loads(line) == value
    assert printable(line) == line
    assert "\n" not in line


def test_errors_are_printed_without_what_steers_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name of a file is anybody's choice, such as of whoever packed a folder."""
    run = tmp_path / "x\x1b[2J\u202e\U000e0041"
    run.mkdir()
    (run / "run.toml").symlink_to("/etc/hostname")
    said = here(capsys, "report", run, code=1).err
    assert "is a link" in said
    assert not set("\x1b\u202e\U000e0041") & set(said)
