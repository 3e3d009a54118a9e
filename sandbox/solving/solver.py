"""Solves questions with a controller and a live model, one sandbox a question, many questions at once."""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

from envdata.collect.engine import Asked, Engine, EngineFacts, Prompt
from envdata.episodes import Terms
from envdata.ledger import Ledger
from envdata.live.answers import AnswerBook
from envdata.live.episode import LiveEpisode, costs_of
from envdata.live.metering import METER, Meter
from envdata.live.model import Asking, LiveModel
from envdata.live.world import LiveWorld
from sandbox.backends.base import Limits
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.solving.bridge import LoopBridge
from sandbox.solving.playing import LivePlay
from sandbox.solving.solution import Cost, LateError, Solution, SolveError, make_solution

OnFailure = Literal["raise", "majority"]
"""What becomes of an episode that failed: an error, or the majority of what its branches showed until then."""

Watch = Callable[[LiveEpisode], None]
"""Is told whenever something happened in an episode; from any thread, and quick."""

AT_ONCE = 256
"""Episodes that can be played side by side; each waits in a thread."""


class Solver:
    """An async context manager around a model and a kind of sandbox."""

    def __init__(
        self,
        engine: Engine,
        asking: Asking,
        *,
        sandbox: str = "auto",
        limits: Limits | None = None,
        terms: Terms | None = None,
        on_failure: OnFailure = "raise",
        seconds: float | None = None,
        show_answers: bool = False,
        show_questions: bool = False,
    ) -> None:
        """Nothing is started yet. `seconds` bounds one question by the clock."""
        if on_failure not in get_args(OnFailure):
            raise ValueError(f"on_failure is {on_failure!r}; give one of {', '.join(get_args(OnFailure))}")
        self.model = LiveModel(engine, asking)
        self._sandbox, self._limits = sandbox, limits or Limits()
        self._terms = terms or Terms()
        if self._terms.repeats_last:
            raise ValueError("a finished branch cannot be asked again live: repeats_last is for the release's replays")
        self._on_failure, self._seconds = on_failure, seconds
        self._shows = {"answers": show_answers, "questions": show_questions}
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="episode")
        self.running = 0
        """Episodes under way."""
        self.facts: EngineFacts | None = None
        """What the engine said of itself, once started."""

    async def __aenter__(self) -> "Solver":
        try:
            self.facts = await self.model.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the model. Episodes under way are the caller's to end first."""
        self._threads.shutdown(wait=False)
        await self.model.close()

    async def solve(
        self,
        question: str | Sequence[Mapping[str, str]],
        controller: str | Candidate,
        beta: float = 0.5,
        *,
        seed: int | None = None,
        asking: Asking | None = None,
        terms: Terms | None = None,
        watch: Watch | None = None,
    ) -> Solution:
        """Let a controller (a file, a shipped name, with settings or not) solve a question, or a conversation.

        `asking` and `terms` replace the solver's own for this question; the answer rule stays. Without a `seed` it is
        drawn anew each time. Raises SolveError if it failed and `on_failure` is "raise"; CandidateError,
        SandboxUnavailable, and CollectError if the question could not even be put, LateError if not in time.
        Cancelled, it ends the episode's branches and its sandbox before it returns.
        """
        if not 0 <= beta <= 1:
            raise ValueError(f"β is {beta:g}; it is between 0 and 1")
        candidate = controller if isinstance(controller, Candidate) else Candidate.parse(controller)
        seed = random.SystemRandom().getrandbits(31) if seed is None else seed
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        backend = await loop.run_in_executor(self._threads, make_backend, self._sandbox)
        model = self.model if asking is None else self.model.asked_like(asking)
        asked = _asked(model.asking, question)
        own_terms = terms or self._terms
        # Its time begins here: what the question's tokens take is taken from it.
        play = LivePlay(backend, candidate, self._limits, self._seconds)
        meter = Meter()
        prompt = await self._put(model, asked, meter)
        episode = self._episode(model, prompt, LoopBridge(loop, play.attend), own_terms, seed, watch)
        text = question if isinstance(question, str) else question[-1]["content"]
        job = self._job(candidate, beta, seed, text, model.asking.settings.interval, own_terms)
        self.running += 1
        try:
            await self._play(play, episode, job)
        finally:
            self.running -= 1
        asking_cost = Cost(0, 0, meter.decoded, 0, 0, meter.prompt, meter.cached, meter.requests, 0.0)
        solution = make_solution(episode, play.failed_by, asking_cost, time.monotonic() - started, seed)
        if solution.failed_by is not None and (self._on_failure == "raise" or solution.answer is None):
            raise SolveError(solution)
        return solution

    async def _put(self, model: LiveModel, asked: Asked, meter: Meter) -> Prompt:
        METER.set(meter)
        try:
            async with asyncio.timeout(self._seconds):
                return await model.engine.prompt(asked)
        except TimeoutError:
            raise LateError(f"the model did not take the question within {self._seconds:g} s") from None
        finally:
            METER.set(None)

    async def _play(self, play: LivePlay, episode: LiveEpisode, job: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        playing = loop.run_in_executor(self._threads, play.run, episode, job, self._shows["answers"])
        try:
            await asyncio.shield(playing)
        except asyncio.CancelledError:
            play.stop()
            await asyncio.wait([playing])
            raise

    def _episode(
        self, model: LiveModel, prompt: Any, bridge: LoopBridge, terms: Terms, seed: int, watch: Watch | None
    ) -> LiveEpisode:
        settings = model.asking.settings
        ledger = Ledger(1, terms.max_branches)
        book = AnswerBook(model.speller)

        def left() -> int | None:
            return None if terms.budget is None else terms.budget - int(ledger.tokens[0])

        def tell() -> None:
            if watch is not None:
                watch(episode)

        world = LiveWorld(
            model, prompt, bridge, book, seed=seed, probe_cost=terms.probe_cost, left=left, watch=tell
        )  # fmt: skip
        costs = costs_of(terms, settings.interval, settings.probe_tokens)
        episode = LiveEpisode(world, book, ledger, terms, costs)
        return episode

    def _job(
        self, candidate: Candidate, beta: float, seed: int, question: str, interval: int, terms: Terms
    ) -> dict[str, Any]:
        return {
            "kind": "play",
            "api": "native",
            "seed": seed,
            "beta": beta,
            "settings": dict(candidate.settings),
            "interval": interval,
            "budget": terms.budget,
            "live": 1,
            "renamed": False,
            "episodes": [
                (_own_seed(seed, question, beta), terms.max_branches, question if self._shows["questions"] else None)
            ],
        }


def _asked(asking: Asking, question: str | Sequence[Mapping[str, str]]) -> Asked:
    if isinstance(question, str):
        return asking.asked(question)
    if not question:
        raise ValueError("the conversation is empty; give at least the question")
    return asking.asked_turns(tuple(question))


def _own_seed(seed: int, question: str, beta: float) -> int:
    """64 bits for `episode.rng`, from the seed, the question and β."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{question}\n{beta!r}".encode()).digest()[:8], "big")
