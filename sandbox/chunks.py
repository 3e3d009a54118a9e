"""Plays a chunk of an evaluation in a sandbox of this machine, for whichever executor was given the chunk."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from envdata.grid import Grid
from envdata.grid_names import grid_file
from sandbox.backends.choose import make_backend
from sandbox.evaluation_plan import Chunk
from sandbox.replay_player import EvaluationSettings, PlayedRepeat, Player
from sandbox.trial import until_trial_failed


def play_chunk(chunk: Chunk, sandbox: str, settings: EvaluationSettings) -> list[PlayedRepeat]:
    """Play a chunk in this process's sandbox and return its repeats.

    Args:
        chunk: The chunk.
        sandbox: Name of the isolation backend.
        settings: Settings of the evaluation.

    Raises:
        InfrastructureError: The sandbox keeps failing by itself.
        OutOfTime: The chunk's deadline has passed.
    """
    return list(play_repeats(chunk, sandbox, settings))


def play_repeats(
    chunk: Chunk, sandbox: str, settings: EvaluationSettings, on_output: Callable[[bytes], None] | None = None
) -> Iterator[PlayedRepeat]:
    """Yield the repeats of a chunk as they end; arguments and errors are those of `play_chunk`.

    `on_output` is called with what the candidate prints, of one repeat after the other.
    """
    grid = chunk.perturbation.of(load_grid(chunk.file or chunk.grid))
    if chunk.perturbation.renamed:
        settings = replace(settings, renamed=True)
    player = Player(make_backend(sandbox), chunk.candidate, grid, settings, on_output)
    if chunk.failed is not None:
        return player.refuse(chunk.repeats, *chunk.failed)
    played = until_trial_failed(player.play(chunk.repeats, until=chunk.until), chunk.trial)
    return played if chunk.cache is None else chunk.cache.keep(chunk.key, played)


def load_grid(path: str) -> Grid:
    """Return a grid, the same object for the same path as long as its file is the same. Raises GridError."""
    file = grid_file(path).absolute()
    try:
        found = file.stat()
    except OSError:
        return Grid.load(path)  # It says what is wrong.
    return _load(path, file, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=64)
def _load(path: str, file: Path, version: tuple[int, ...]) -> Grid:
    """Return the grid of a path. A file that was written anew, or another working directory, is another version."""
    return Grid.load(path)
