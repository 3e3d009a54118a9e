"""The search as a node of a user's own LangGraph graph: its results, its interrupts and its events."""

import asyncio
import re
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

import autotts
from graph.run.files import RunError
from graph.run.ownership import is_own
from graph.run.paths import RunFolder, read_json
from tests.graph.running import files

DOCUMENT = (Path(__file__).parents[2] / "docs" / "langgraph.md").read_text(encoding="utf-8")
SHORT: dict[str, Any] = {
    "rounds": 1, "candidates": 2, "finalists": 1, "repeats": 1, "screening_repeats": 1, "betas": "0,1",
    "baselines": "sc", "sandbox": "process",
}  # fmt: skip
THREAD: Any = {"configurable": {"thread_id": "1"}}


class Parent(TypedDict, total=False):
    question: str
    selected: str
    controller: str
    told: str


def parent(search: Any, saver: InMemorySaver) -> Any:
    def tell(state: Parent) -> Parent:
        return {"told": f"{state['question']} {state['selected']}: {Path(state['controller']).name}"}

    builder = StateGraph(Parent)
    builder.add_node("search", search)
    builder.add_node("tell", tell)
    builder.add_edge(START, "search")
    builder.add_edge("search", "tell")
    builder.add_edge("tell", END)
    return builder.compile(checkpointer=saver)


def test_a_person_approves_in_the_graph_around_it(tmp_path: Path, grids: tuple[Path, Path]) -> None:
    saver, out = InMemorySaver(), tmp_path / "run"

    def make() -> Any:
        """The graph as another process makes it."""
        return parent(autotts.graph(*grids, out=out, approve=True, **SHORT), saver)

    events = list(make().stream({"question": "Which?"}, THREAD, stream_mode=["updates", "custom"], subgraphs=True))
    own = [event for _, mode, event in events if mode == "custom"]
    assert [each["event"] for each in own if each["event"] in ("baselines", "proposals")] == ["baselines", "proposals"]
    assert {"event": "progress", "what": "baselines", "episodes": 12, "of": 12} in own
    assert [next(iter(event)) for path, mode, event in events if mode == "updates" and path][:2] == [
        "baselines", "proposer",
    ]  # fmt: skip
    assert is_own(RunFolder(out))

    waiting = make().invoke(Command(resume="no"), THREAD)
    (asked,) = waiting["__interrupt__"]
    assert asked.value["for"] == "approval"
    assert asked.value["problem"] == "the answer was 'no'; only true approves"
    assert not (out / "round-001" / "screening.parquet").exists()

    ended = make().invoke(Command(resume=True), THREAD)
    result = read_json(out / "result.json")
    assert ended["told"] == f"Which? {result['selected']}: selected.py"
    assert Path(ended["controller"]).read_text() == (out / "selected.py").read_text()
    assert autotts.load_run(out).result is not None
    assert (out / "report.html").exists()
    assert not (out / ".lock").exists()


def test_it_runs_by_itself_and_in_an_event_loop(tmp_path: Path, grids: tuple[Path, Path]) -> None:
    search = autotts.graph(grids[0], out=tmp_path / "run", **SHORT)

    async def stream() -> list[Any]:
        return [event async for event in search.astream({}, stream_mode="custom")]

    events = asyncio.run(stream())
    assert [each["event"] for each in events if each["event"] == "round"] == ["round"]
    before = files(tmp_path / "run")
    # What is there is overwritten with the same bytes; other settings are refused.
    assert search.invoke({})["selected"] == read_json(tmp_path / "run" / "result.json")["selected"]
    assert files(tmp_path / "run") == before
    with pytest.raises(RunError, match="seed: the run began with 0"):
        autotts.graph(grids[0], out=tmp_path / "run", **SHORT, seed=1).invoke({})


@pytest.mark.slow
def test_the_document_is_code_that_runs(
    tmp_path: Path, grids: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grids").mkdir()
    for path, name in zip(grids, ("mine", "other"), strict=True):
        (tmp_path / "grids" / f"{name}.parquet").write_bytes(path.read_bytes())
    around, approval, streaming = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"SHORT": {**SHORT, "rounds": 2, "candidates": 1}}
    exec(around.replace("rounds=2,", "**SHORT,"), names)
    exec(approval, names)
    assert names["state"]["notes"].endswith("runs/release/selected.py")
    assert capsys.readouterr().out.count("'for': 'approval'") == 2
    names["thread"] = {"configurable": {"thread_id": "another"}}
    exec(streaming, names)
