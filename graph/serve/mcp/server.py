"""The server of the Model Context Protocol: its tools, and the instructions that a client shows to its model."""

from importlib.metadata import version
from typing import Any

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

from graph.serve.mcp.evaluations import EvaluationTools
from graph.serve.mcp.runs import RunTools
from graph.serve.mcp.work import Work
from graph.serve.mcp.workplace import ServerSettings, Workplace

INSTRUCTIONS = """\
autotts discovers controllers for test-time scaling. A controller is a Python class that decides when to open, continue,
probe and prune reasoning branches and when to answer; it is replayed over recorded branches (a replay grid), in a
sandbox, without calling a model. evaluate, compare and explain play controllers on the grids that list_grids shows.
A run that waits for a controller has a brief: read it with brief, write a controller, try it with evaluate, and submit
it with submit, which goes on with the run. Accuracies come with 95 % intervals; a difference inside its interval is
none. Scores are those of the search set. No tool shows right answers or a held-out set.
"""
CHANGING = ("submit", "resume")
"""Tools that change a run; all others only read."""


def make_server(settings: ServerSettings) -> "MCPServer[Any]":
    """Return the server with its tools.

    Raises:
        GridError: A grid cannot be read.
        SandboxUnavailable: The sandbox backend does not isolate.
    """
    server: MCPServer[Any] = MCPServer(
        "autotts",
        title="autotts: controllers for test-time scaling",
        instructions=INSTRUCTIONS,
        version=version("autotts"),
        log_level="WARNING",
    )
    workplace, work = Workplace(settings), Work(settings)
    for tools in (EvaluationTools(workplace, work), RunTools(workplace, work)):
        for tool in tools.tools:
            changes = tool.__name__ in CHANGING
            hints = ToolAnnotations(read_only_hint=not changes, destructive_hint=False, open_world_hint=False)
            server.add_tool(tool, annotations=hints)
    return server
