"""Solves questions with a controller and a live model, one sandbox per question, many questions concurrently."""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

from envdata.collect.answer_reader import Thinking
from envdata.collect.chat_streams import ChatStreams
from envdata.collect.engine import Asked, Conversation, Engine, EngineFacts, Prompt
from envdata.episode_state import EpisodeStates
from envdata.episodes import Terms
from envdata.errors import UserError
from envdata.grid_schema import PROBE_CONFIDENCE
from envdata.live.answers import AnswerBook
from envdata.live.branch_source import LiveBranches, LiveBranchSource
from envdata.live.episode import LiveEpisode, costs_of
from envdata.live.episode_judge import EpisodeJudge
from envdata.live.judge import JUDGE, Judge
from envdata.live.metering import METER, Meter
from envdata.live.model import LiveModel, LiveSettings
from envdata.live.stream_source import StreamedQuestion, StreamSource
from sandbox.backends.base import Limits
from sandbox.backends.choose import make_backend
from sandbox.candidate import SHIPPED, Candidate, without_probes
from sandbox.live.bridge import LoopBridge
from sandbox.live.episode_player import LiveEpisodePlayer
from sandbox.live.solution import Cost, LateError, Solution, SolveError, StartCost, make_solution

OnFailure = Literal["raise", "majority"]
"""Result of a failed episode: SolveError, or the majority of the answers that its branches revealed before."""

Watch = Callable[[LiveEpisode], None]
"""Called after every change in an episode, from any thread; must return quickly."""

CONCURRENT_EPISODES = 256
"""Largest number of concurrent episodes; each waits in a thread."""


class SignalError(UserError, ValueError):
    """A controller reads a signal that the model cannot give live."""


class ProbeError(UserError, ValueError):
    """A controller probes branches, and the model's server can only stream answers."""


class Solver:
    """Solves questions with one model and one isolation backend. An async context manager."""

    def __init__(
        self,
        engine: Engine | ChatStreams,
        live_settings: LiveSettings,
        *,
        sandbox: str = "auto",
        limits: Limits | None = None,
        terms: Terms | None = None,
        on_failure: OnFailure = "raise",
        seconds: float | None = None,
        show_answers: bool = False,
        show_questions: bool = False,
        judge: Judge | None = None,
    ) -> None:
        """Prepare a solver; nothing is started before `async with`.

        Args:
            engine: The model's engine, or the streams of a server that can do nothing else.
            live_settings: How questions are put and answers read.
            sandbox: Name of an isolation backend, or `auto`.
            limits: Limits on controllers.
            terms: Costs and budget of an episode.
            on_failure: `raise` a SolveError, or answer with the `majority` of the revealed answers.
            seconds: Wall-clock time per question; None for no limit.
            show_answers: Whether controllers see the texts of answers.
            show_questions: Whether controllers see the text of the question.
            judge: Gives the signal `judge` of branches that have ended; closed with the solver.

        Raises:
            ValueError: `on_failure` is unknown, or the terms cannot be kept live.
        """
        if on_failure not in get_args(OnFailure):
            raise ValueError(f"on_failure is {on_failure!r}; give one of {', '.join(get_args(OnFailure))}")
        self.model = LiveModel(engine, live_settings)
        self._sandbox, self._limits = sandbox, limits or Limits()
        self._terms = terms or Terms()
        if self._terms.repeats_last:
            raise ValueError("a finished branch cannot be asked again live: repeats_last is for the release's replays")
        if self._terms.prefill_weight:
            raise ValueError("prefill is not charged live, where it is not known beforehand; leave prefill_weight at 0")
        self._on_failure, self._seconds, self.judge = on_failure, seconds, judge
        self._shows = {"answers": show_answers, "questions": show_questions}
        self._threads = ThreadPoolExecutor(CONCURRENT_EPISODES, thread_name_prefix="episode")
        self.running = 0
        """Number of running episodes."""
        self.facts: EngineFacts | None = None
        """The engine's name and version, once started."""
        self.start_cost: StartCost | None = None
        """Cost of the start, once started."""

    async def __aenter__(self) -> "Solver":
        """Start the model and return the solver."""
        try:
            self.facts = await self.model.start()
            if self.judge is not None:
                await self.judge.check()
            self.start_cost = self._spent_so_far()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the solver."""
        await self.close()

    async def close(self) -> None:
        """Close the model and the judge. The caller ends running episodes first."""
        self._threads.shutdown(wait=False)
        try:
            await self.model.close()
        finally:
            if self.judge is not None:
                await self.judge.close()

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Names of the signals that the running model and the judge give."""
        return self.model.signal_names if self.judge is None else (*self.model.signal_names, JUDGE)

    @property
    def fallback_requests(self) -> int:
        """Number of requests that another server than the first one answered, of all questions."""
        return self.model.server.usage.fallbacks

    def _spent_so_far(self) -> StartCost:
        model, judge = self.model.server.usage, None if self.judge is None else self.judge.client.usage
        asked = (0, 0) if judge is None else (judge.prompt, judge.decoded)
        return StartCost(model.prompt, model.decoded, *asked)

    def runnable(self) -> list[str]:
        """Return the names of the shipped controllers that can run on the started model."""
        able = SHIPPED if self.model.probes else without_probes()
        return [name for name in able if Candidate.parse(name).signals <= set(self.signal_names)]

    def check(self, candidate: Candidate) -> None:
        """Raise ProbeError or SignalError for a controller whose source needs what the running model cannot give."""
        if candidate.asks_probes and not self.model.probes:
            raise ProbeError(
                f"{candidate.label} probes branches, which needs a server that continues a partial answer, such as "
                f"vLLM's or llama.cpp's; this one only streams. There can run: {', '.join(self.runnable())}, and "
                "controllers that branch and advance with probe=False"
            )
        missing = sorted(candidate.signals - set(self.signal_names))
        if JUDGE in missing:
            raise SignalError(f"{candidate.label} reads a judge's scores; name one with --judge, as openai:MODEL")
        if missing:
            raise SignalError(
                f"{candidate.label} reads the signal {missing[0]!r}, which this model's engine cannot give live; it "
                f"gives {' and '.join(self.signal_names) or 'none'}"
            )

    async def solve(
        self,
        question: str | Sequence[Mapping[str, str]],
        controller: str | Candidate,
        beta: float = 0.5,
        *,
        seed: int | None = None,
        live_settings: LiveSettings | None = None,
        terms: Terms | None = None,
        watch: Watch | None = None,
    ) -> Solution:
        """Let a controller solve a question or a conversation, and return the solution.

        If the task is cancelled, the episode's requests and its sandbox are ended first.

        Args:
            question: Text of the question, or chat messages with `role` and `content`, the question last.
            controller: A candidate, or `NAME_OR_FILE[:knob=value,…]`.
            beta: β in [0, 1].
            seed: Seed of the branches; drawn anew if None.
            live_settings: How this question is put, in place of the solver's own; the answer rule stays.
            terms: Costs and budget of this episode, in place of the solver's own.
            watch: Called after every change in the episode.

        Raises:
            SolveError: The episode failed and `on_failure` is "raise", or there is no answer at all.
            CandidateError: The controller cannot be read.
            SandboxUnavailable: The backend does not work here.
            CollectError: The question could not be sent to the model; LateError if not in time.
            SignalError: The controller names a signal that the model cannot give.
            ProbeError: The controller probes, and the model's server only streams.
            ValueError: β is out of range, or the conversation is empty.
        """
        if not 0 <= beta <= 1:
            raise ValueError(f"β is {beta:g}; it is between 0 and 1")
        candidate = controller if isinstance(controller, Candidate) else Candidate.parse(controller)
        self.check(candidate)
        seed = random.SystemRandom().getrandbits(31) if seed is None else seed
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        backend = await loop.run_in_executor(self._threads, make_backend, self._sandbox)
        model = self.model if live_settings is None else self.model.with_settings(live_settings)
        asked = _asked(model.live_settings, question)
        own_terms = terms or self._terms
        # The episode's time begins here, and includes the request for the question's tokens.
        play = LiveEpisodePlayer(backend, candidate, self._limits, self._seconds)
        meter = Meter()
        put = await self._put(model, asked, meter)
        bridge = LoopBridge(loop, play.attend)
        text = question if isinstance(question, str) else question[-1]["content"]
        judge = self._episode_judge(model, candidate, bridge, text)
        episode = self._episode(model, candidate, put, bridge, own_terms, seed, watch, judge)
        job = self._job(candidate, beta, seed, text, model.live_settings.settings.interval, own_terms)
        job["signals"] = list(episode.signal_names)
        self.running += 1
        try:
            await self._play(play, episode, job)
        finally:
            self.running -= 1
            await episode.source.close()
        asking_cost = Cost(0, 0, meter.decoded, 0, 0, meter.prompt, meter.cached, meter.requests, 0.0)
        solution = make_solution(episode, play.failed_by, asking_cost, time.monotonic() - started, seed)
        if solution.failed_by is not None and (self._on_failure == "raise" or solution.answer is None):
            raise SolveError(solution)
        return solution

    async def _put(self, model: LiveModel, asked: Asked, meter: Meter) -> Prompt | StreamedQuestion:
        """Return the question as branches begin with it: its prompt, or a conversation where answers are streamed."""
        METER.set(meter)
        try:
            async with asyncio.timeout(self._seconds):
                if model.streams is None or not isinstance(asked, Conversation):
                    return await model.engine.prompt(asked)
                # The prompt's tokens are of use only beside the context.
                return StreamedQuestion(asked, 0 if model.context is None else await model.streams.prompt_tokens(asked))
        except TimeoutError:
            raise LateError(f"the model did not take the question within {self._seconds:g} s") from None
        finally:
            METER.set(None)

    async def _play(self, play: LiveEpisodePlayer, episode: LiveEpisode, job: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        playing = loop.run_in_executor(self._threads, play.run, episode, job, self._shows["answers"])
        try:
            await asyncio.shield(playing)
        except asyncio.CancelledError:
            play.stop()
            await asyncio.wait([playing])
            raise

    def _episode(
        self,
        model: LiveModel,
        candidate: Candidate,
        put: Prompt | StreamedQuestion,
        bridge: LoopBridge,
        terms: Terms,
        seed: int,
        watch: Watch | None,
        judge: EpisodeJudge | None,
    ) -> LiveEpisode:
        settings = model.live_settings.settings
        states = EpisodeStates(1, terms.max_branches)
        book = AnswerBook(model.speller)

        def left() -> int | None:
            return None if terms.budget is None else terms.budget - int(states.tokens[0])

        def tell() -> None:
            if watch is not None:
                watch(episode)

        reads = candidate.reads_signals
        top = model.top_logprobs if candidate.reads_other_signals(JUDGE) else 0
        source: LiveBranches
        if isinstance(put, StreamedQuestion):
            source = StreamSource(model, put, bridge, book, seed=seed, left=left, watch=tell, top_logprobs=top)
        else:
            source = LiveBranchSource(
                model, put, bridge, book, seed=seed, probe_cost=terms.probe_cost, left=left, watch=tell,
                top_logprobs=top,
            )  # fmt: skip
        costs = costs_of(terms, settings.interval, settings.probe_tokens if model.probes else None)
        names = self.signal_names if reads else (PROBE_CONFIDENCE,)
        episode = LiveEpisode(source, book, states, terms, costs, names, judge)
        return episode

    def _episode_judge(
        self, model: LiveModel, candidate: Candidate, bridge: LoopBridge, question: str
    ) -> EpisodeJudge | None:
        if self.judge is None or not candidate.reads_signals:
            return None
        thinking = model.live_settings.settings.thinking
        if thinking is None and model.streams is not None:
            # The tags of thinking that the server sends apart (`envdata.live.streamed_branch`).
            thinking = Thinking()
        return EpisodeJudge(self.judge, bridge, question, None if thinking is None else thinking.end)

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
            "episodes": [(_own_seed(seed, beta), terms.max_branches, question if self._shows["questions"] else None)],
        }


def _asked(live_settings: LiveSettings, question: str | Sequence[Mapping[str, str]]) -> Asked:
    if isinstance(question, str):
        return live_settings.asked(question)
    if not question:
        raise ValueError("the conversation is empty; give at least the question")
    return live_settings.asked_turns(tuple(question))


def _own_seed(seed: int, beta: float) -> int:
    """Return a 64-bit seed of `episode.rng` from the seed and β; independent of the question."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{beta!r}".encode()).digest()[:8], "big")
