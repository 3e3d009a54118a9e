"""The state machine as LangGraph draws it: `python -m graph.drawing` writes `docs/graph.mmd`."""

from pathlib import Path
from typing import Any, NoReturn

from envdata.atomic import write_text
from graph.machine import build

DRAWING = Path(__file__).parents[1] / "docs" / "graph.mmd"


def mermaid() -> str:
    """Mermaid's text of the graph, without anything run."""

    def nothing(config: Any) -> NoReturn:
        raise AssertionError("a drawing runs no node")

    return build(nothing).compile().get_graph().draw_mermaid()


if __name__ == "__main__":
    write_text(DRAWING, mermaid())
