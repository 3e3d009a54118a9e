"""Explorers that are coding agents: a session in a confined workspace for each round and attempt."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from graph.accounting.prices import Price, price_of
from graph.explorers.agents import confinement
from graph.explorers.agents.meter import Meter
from graph.explorers.agents.model_door import Upstream, open_door
from graph.explorers.agents.programs import PROGRAMS, Program
from graph.explorers.agents.tries import Service, Tries
from graph.explorers.base import Brief, Critique, Evidence, Explorer, ExplorerError, Proposal
from graph.explorers.dropbox import Submission, Unreadable, look
from graph.explorers.models.making import caps_of
from graph.explorers.setup import Setup
from graph.explorers.workspace import lay_out
from graph.journal import Journal
from graph.prompts import PROMPTS
from sandbox.quoting import quoted

EVENT = "agent"
MAX_KEPT = 4 << 20
"""Bytes of an agent's output that are kept, from its beginning."""
HOW = """\
# What to do

Write one file, `controller.py`, into this folder (or up to {wanted}, `controller-a.py`, `controller-b.py` …), and
`idea.md` with what is new about it. What lies here when you end is what you propose.

- `sandbox/tts.pyi` is the API: signatures and contracts. The package itself is not installed here.
- `history/` holds what was tried before with its scores and what was measured; `rejected/` what failed just now.
- `evaluate FILE` plays a draft on the search set in a sandbox and prints its status, its objective and its sweep.
  {tries} tries are left, whatever comes of them. No answers are shown, and the held-out set is nowhere here.
- There is no network but your own model's.
"""


class Agent:
    """A coding agent, by one of the names in `PROGRAMS`. Keeps nothing between calls but what is on the disk."""

    def __init__(self, name: str, argument: str, setup: Setup) -> None:
        self._program: Program = PROGRAMS[name](argument, setup)
        self._argument, self._setup = argument, setup

    def identity(self) -> Mapping[str, str]:
        """The program and what it was asked with, and the versions of what is written for it."""
        said = {"explorer": self._program.name, "argument": self._argument}
        return {**said, **{f"prompt {name}": version for name, version in PROMPTS.items()}}

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        """What the agent leaves in its workspace, at most `brief.wanted`.

        Raises ExplorerError if it fails without, and CapReached if a cap kept it from going on.
        """
        submission = _journalled(journal, brief)
        if submission is None:
            submission = self._session(brief, journal)
        return [Proposal(source, submission.idea) for source in submission.sources[: brief.wanted]]

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        """Nothing: what was measured lies in the next session's workspace."""
        return Critique("")

    def _session(self, brief: Brief, journal: Journal) -> Submission:
        place = journal.path.parent / f"agent-{brief.attempt}"
        # Anew, as a whole: what an earlier session left there may be links to anywhere.
        shutil.rmtree(place, ignore_errors=True)
        workspace = place / "workspace"
        tries = Tries(self._setup, brief, journal)
        lay_out(workspace, brief, HOW.format(wanted=brief.wanted, tries=tries.left))
        journal.record("agent began", round=brief.round, attempt=brief.attempt, argv=self._program.argv)
        meter = Meter(journal, caps_of(self._setup.settings), self._price, f"propose/{brief.round}/{place.name}")
        ended, seconds = self._run(workspace, place, tries, meter)
        problem = None
        try:
            found = look(workspace)
        except Unreadable as error:
            found, problem = None, str(error)
        said = quoted((place / "errors.txt").read_text(encoding="utf-8", errors="replace")[-2000:])
        if found is None:
            limit = self._setup.settings.agent_minutes
            how = f"was stopped after {limit:g} minutes" if ended is None else f"ended with code {ended}"
            why = problem or "no controller.py"
            journal.record("agent failed", round=brief.round, attempt=brief.attempt, ended=ended, problem=problem)
            if meter.capped is not None:
                journal.record("capped", cap=meter.capped.cap, why=str(meter.capped))
                raise meter.capped
            if ended == 0 and problem is None:
                return Submission((), "", ())
            raise ExplorerError(
                f"the agent {self._program.name} {how}, and left no controller ({why}); it said: "
                f"{said or 'nothing'}. {place} has all of it; once that is mended, resume the run"
            )
        journal.record(
            EVENT, round=brief.round, attempt=brief.attempt, ended=ended, seconds=seconds, idea=found.idea,
            files=found.files, sources=found.sources,
        )  # fmt: skip
        return found

    def _price(self, model: str) -> Price | None:
        upstream = self._program.upstream or Upstream("", {})
        url = None if upstream.provider else upstream.base_url
        return price_of(model, provider=upstream.provider, url=url, given=self._setup.settings.price)

    def _run(self, workspace: Path, place: Path, tries: Tries, meter: Meter) -> tuple[int | None, float]:
        """Run the agent to its end or the end of its time: its exit code, None if it was stopped, and the seconds."""
        program, started = self._program, time.monotonic()
        deadline = started + 60 * self._setup.settings.agent_minutes
        settings = self._setup.settings
        secret = [Path(path).absolute().parent for path in (*settings.grids, *settings.heldout)]
        secret += [place.parents[1].absolute()]
        with _doors() as doors, Service(doors / "evaluate.sock", tries.play) as service:
            up = program.upstream
            model = nullcontext() if up is None else open_door(doors / "model.sock", up, meter)
            line = confinement.command(
                program.argv, workspace=workspace.absolute(), doors=doors, environment=program.environment,
                shown=program.shown, secret=secret,
            )  # fmt: skip
            with model, (place / "output.txt").open("wb") as out, (place / "errors.txt").open("wb") as errors:
                process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env={})
                try:
                    while process.poll() is None and time.monotonic() < deadline:
                        # Drafts are played in this thread: sandboxes die with the thread that started them.
                        service.handle_request()
                    ended = process.poll()
                finally:
                    # The confinement's first process takes all others with it.
                    process.kill()
                    process.wait()
        for name in ("output.txt", "errors.txt"):
            path = place / name
            if path.stat().st_size > MAX_KEPT:
                with path.open("rb+") as stream:
                    stream.truncate(MAX_KEPT)
        return ended, round(time.monotonic() - started, 1)


def make_agent(name: str, argument: str, setup: Setup) -> Explorer:
    """The explorer `name:argument`. Raises ExplorerError."""
    return Agent(name, argument, setup)


@contextmanager
def _doors() -> Iterator[Path]:
    """A folder for sockets, with a short name: the path of one may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="autotts-") as made:
        doors = Path(made)
        script = doors / "evaluate"
        script.write_text(confinement.evaluate_script(), encoding="utf-8")
        script.chmod(0o755)
        yield doors


def _journalled(journal: Journal, brief: Brief) -> Submission | None:
    for event in reversed(journal.events()):
        if (event["event"], event.get("round"), event.get("attempt")) == (EVENT, brief.round, brief.attempt):
            return Submission(tuple(event["sources"]), event["idea"], tuple(event["files"]))
    return None
