"""Engines spread over a Ray cluster, each in an actor that collects one question or several at a time.

An actor returns a question's branches as one engine here would have given them; spelling, storing and writing stay in
this process. So a grid that was collected on a cluster is the same file as one collected here, and a collection begun
there can continue here. An actor that is lost with its node is started again, and its questions are asked again.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from envdata.cluster import Cluster, ClusterError, join
from envdata.collect.branches import Branch, Report, collect_question
from envdata.collect.engine import CollectError, EngineFacts, EngineGoneError, QuestionFailedError, Sampler, Usage
from envdata.collect.questions import Question
from envdata.collect.settings import CollectionSettings

RETRIES = 2
"""How often a question is asked again after its actor was lost."""
SECONDS_BETWEEN_COUNTS = 2.0
"""Seconds between reports of the tokens that an actor has decoded."""
SECONDS_TO_CLOSE = 10.0
"""Time limit for closing an engine."""
SECONDS_TO_COME_BACK = 2.0
"""Seconds for the cluster to notice that an actor is gone, and to begin to start it again."""


class _EngineActor:
    """The code of an actor. Its first call makes the engine, so that an error there is a reply."""

    def __init__(self, make_engine: Callable[[], Sampler]) -> None:
        self._make_engine = make_engine
        self._engine: Sampler | None = None
        self._tokens = 0

    async def establish(self) -> EngineFacts:
        return await self._made().establish()

    async def collect(self, question: Question, settings: CollectionSettings) -> list[Branch]:
        return await collect_question(self._made(), question, settings, self._count)

    async def counted(self) -> tuple[int, Usage]:
        """Return the tokens decoded so far, also of unfinished questions, and the engine's usage."""
        return self._tokens, self._engine.usage if self._engine else Usage()

    async def close(self) -> None:
        if self._engine:
            await self._engine.close()

    def _made(self) -> Sampler:
        """Return the engine, made now or before."""
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine

    def _count(self, tokens: int) -> None:
        self._tokens += tokens


class RayCollector:
    """An `envdata.collect.collectors.Collector` with engines on the nodes of a cluster."""

    def __init__(self, make_engine: Callable[[], Sampler], *, at_once: int, gpus: int = 0) -> None:
        """Start the actors.

        There is one for every `gpus` GPUs of the cluster, or one a node if an engine needs no GPU or the cluster has
        none.

        Args:
            make_engine: Makes the engine of an actor, on its node.
            at_once: Questions that each actor collects at the same time.
            gpus: GPUs of an engine.

        Raises:
            CollectError: There is no cluster, or it is too small.
        """
        try:
            self._cluster: Cluster | None = join()
        except ClusterError as error:
            raise CollectError(str(error)) from None
        self._ray = ray = self._cluster.ray
        available = self._cluster.gpus
        gpus = gpus if available else 0
        engines = available // gpus if gpus else self._cluster.nodes
        if not engines:
            self._leave()
            raise CollectError(f"an engine takes {gpus} GPUs and the cluster has {available}; add nodes, or take fewer")
        self.places = engines * at_once
        """Number of questions that all actors together collect at the same time."""
        start = ray.remote(_EngineActor).options(
            num_cpus=1, num_gpus=gpus, max_restarts=RETRIES, max_concurrency=at_once + 2, scheduling_strategy="SPREAD"
        )
        self._actors = [start.remote(make_engine) for _ in range(engines)]
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for _ in range(at_once):
            for number in range(engines):
                self._free.put_nowait(number)
        self._lost: set[int] = set()
        self._counted: dict[int, tuple[int, Usage]] = {}

    @property
    def usage(self) -> Usage:
        """The sum over the engines, as last reported."""
        total = Usage()
        for _, usage in self._counted.values():
            total.add(usage.prompt, usage.cached, usage.decoded)
            total.under_way += usage.under_way
        return total

    async def establish(self) -> EngineFacts:
        """Check every engine. Raises CollectError if one does not work, or they differ."""
        try:
            facts: list[EngineFacts] = await asyncio.gather(
                *(self._ask(actor.establish.remote()) for actor in self._actors)
            )
        except self._ray.exceptions.RayActorError as error:
            raise EngineGoneError(
                f"an engine of the cluster ended while it was tried ({type(error).__name__})"
            ) from None
        if len(set(facts)) > 1:
            raise CollectError(f"the cluster's engines are not alike: {facts}; a grid comes from one kind of engine")
        return facts[0]

    async def collect(self, question: Question, settings: CollectionSettings, report: Report) -> list[Branch]:
        """Collect a question with the next free engine. Raises QuestionFailedError if each try loses its engine."""
        for _ in range(RETRIES + 1):
            number = await self._free.get()
            counting = asyncio.create_task(self._count_along(number, report))
            try:
                branches: list[Branch] = await self._ask(self._actors[number].collect.remote(question, settings))
                await self._count(number, report)
                return branches
            except self._ray.exceptions.RayActorError:
                await self._wait_for(number)
            finally:
                counting.cancel()
                if number not in self._lost:
                    self._free.put_nowait(number)
        raise QuestionFailedError(f"its engine was lost {RETRIES + 1} times; the cluster's own logs say why")

    async def _wait_for(self, number: int) -> None:
        """Wait until an actor that was lost works again; give it up if it does not."""
        await asyncio.sleep(SECONDS_TO_COME_BACK)
        try:
            await self._ask(self._actors[number].establish.remote())
        except self._ray.exceptions.RayActorError:
            self._lost.add(number)
            if len(self._lost) == len(self._actors):
                raise EngineGoneError("every engine of the cluster was lost; the cluster's own logs say why") from None

    async def close(self) -> None:
        """End the engines and leave the cluster."""
        if self._cluster is None:
            return
        closing = (asyncio.wait_for(actor.close.remote(), SECONDS_TO_CLOSE) for actor in self._actors)
        # An engine that cannot be closed ends with its actor.
        await asyncio.gather(*closing, return_exceptions=True)
        for actor in self._actors:
            self._ray.kill(actor)
        self._leave()

    def _leave(self) -> None:
        """Leave the cluster once."""
        if self._cluster is not None:
            self._cluster.leave()
            self._cluster = None

    async def _ask(self, reference: Any) -> Any:
        """Await an actor's reply; raises its errors as they were raised there."""
        try:
            return await reference
        except self._ray.exceptions.RayTaskError as error:
            # The original error, without the other machine's traceback in its text.
            raise (error.cause if isinstance(error.cause, Exception) else CollectError(str(error))) from None

    async def _count_along(self, number: int, report: Report) -> None:
        """Report an actor's tokens now and then."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_COUNTS)
            await self._count(number, report)

    async def _count(self, number: int, report: Report) -> None:
        """Report the tokens that an actor has decoded since it was last asked."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            tokens, usage = await self._actors[number].counted.remote()
            before = self._counted.get(number, (0, Usage()))[0]
            self._counted[number] = (tokens, usage)
            # An actor that was started again counts from 0.
            report(tokens - before if tokens >= before else tokens)
