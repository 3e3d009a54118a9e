"""Grids, controllers and runs that the tools may use: those that the person who starts the server names, and no others.

An agent writes the arguments of a tool. It may name a grid of the server, a shipped controller, a Python file below the
folder that the server was started in, and a run below the folder of runs. It may never name a grid that one of these
runs holds out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from envdata.grid import Grid
from graph.run.files import RunError
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned
from graph.serve.mcp.errors import tool_errors
from sandbox.backends.base import Limits, SandboxUnavailable
from sandbox.candidate import CONTROLLERS, Candidate

UNISOLATED = "process"
"""The backend that only limits controllers; what an agent writes is not run in it."""
SOURCE_BYTES: int = Limits.source_bytes


class Draft(BaseModel):
    """A controller given as source text."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
    source: Annotated[str, Field(max_length=SOURCE_BYTES, description="Python, as autotts.pyi and the brief ask for.")]


ControllerArgument = Annotated[
    str | Draft,
    Field(
        description="A shipped controller with settings if wanted (asc:max_branches=32), the path of a Python file "
        "below the server's folder, or an object with name and source."
    ),
]


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server."""

    grids: tuple[str, ...]
    """Paths or names of the grids that tools may play on."""
    runs: Path = Path("runs")
    """Folder whose subfolders are the runs that tools may read and go on with."""
    sandbox: str = "auto"
    """Isolation backend of evaluations; never `process`."""
    jobs: int = 1
    """Processes that play episodes."""
    max_episodes: int = 500_000
    """Limit on the episodes of one call."""
    minutes: float = 10.0
    """Limit on the time of one call."""


class Workplace:
    """The grids, controllers and runs of a server."""

    def __init__(self, settings: ServerSettings) -> None:
        """Load the grids, which tools then play from memory.

        Raises:
            GridError: A grid cannot be read.
            SandboxUnavailable: The backend does not isolate.
        """
        if settings.sandbox == UNISOLATED:
            raise SandboxUnavailable(
                f"--sandbox {UNISOLATED} only limits a controller, and an agent's code is to be isolated: give docker "
                "or bubblewrap (autotts sandbox check says which of them works here)"
            )
        self.settings = settings
        self.folder = Path.cwd().resolve()
        """Folder below which files of controllers may be named."""
        self._grids = {name: Grid.load(name) for name in dict.fromkeys(settings.grids)}

    def grids(self, names: Sequence[str] | None) -> dict[str, Grid]:
        """Return grids by name; None for all that may be played.

        Raises:
            ToolError: A grid is not the server's, or a run holds it out.
        """
        held = self._held_out()
        if names is None:
            free = {name: grid for name, grid in self._grids.items() if grid.content_hash not in held}
            if not free:
                raise ToolError(f"every grid of this server is held out by a run in {self.settings.runs}")
            return free
        chosen = {}
        for name in names:
            if name not in self._grids:
                raise ToolError(
                    f"{name!r} is no grid of this server, which has {', '.join(self._grids)}; who starts it "
                    "adds one with --grid"
                )
            grid = self._grids[name]
            if grid.content_hash in held:
                raise ToolError(f"{name} is held out by the run {held[grid.content_hash]}: no tool shows it")
            chosen[name] = grid
        return chosen

    def candidate(self, given: str | Draft) -> Candidate:
        """Return the controller that an argument names.

        Raises:
            ToolError: There is no such controller, it cannot be read, or its path leads out of the server's folder.
        """
        if isinstance(given, Draft):
            return Candidate(given.name, given.source)
        name = given.partition(":")[0]
        if name not in CONTROLLERS.names():
            path = (self.folder / name).resolve()
            if not path.is_relative_to(self.folder) or path.suffix != ".py":
                raise ToolError(
                    f"{name!r} is neither a shipped controller ({', '.join(CONTROLLERS.names())}) nor a Python file "
                    f"below {self.folder}; give a name and the source instead"
                )
        with tool_errors():
            return Candidate.parse(given)

    def runs(self) -> Iterator[Path]:
        """Yield the folders of the runs, by name."""
        folder = self.settings.runs
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if RunFolder(path).settings.is_file():
                yield path

    def run(self, given: str) -> Path:
        """Return the folder of a run that is given by its name or its path. Raises ToolError."""
        runs = list(self.runs())
        for path in runs:
            if given == path.name or Path(given).resolve() == path.resolve():
                return path
        known = ", ".join(path.name for path in runs) or "none"
        raise ToolError(f"{given!r} is no run in {self.settings.runs}; there are: {known}")

    def _held_out(self) -> dict[str, str]:
        """Return the names of runs by the content hashes of the grids that they hold out."""
        held: dict[str, str] = {}
        for path in self.runs():
            try:
                pinned = Pinned.load(RunFolder(path).settings)
            except RunError:
                continue
            held |= {pinned.grid_hashes.get(grid, grid): path.name for grid in pinned.settings.heldout}
        return held
