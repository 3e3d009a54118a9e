"""Collectors of questions: one engine in this process, or several elsewhere (`envdata.collect.ray_collectors`)."""

from typing import Protocol

from envdata.collect.branches import Branch, Report, collect_question
from envdata.collect.engine import EngineFacts, Sampler, Usage
from envdata.collect.questions import Question
from envdata.collect.settings import CollectionSettings


class Collector(Protocol):
    """Collects questions with one engine or several equal ones. Calls may overlap."""

    @property
    def usage(self) -> Usage:
        """Tokens that all engines have read and written so far."""

    async def establish(self) -> EngineFacts:
        """Check that every engine works. Raises CollectError."""

    async def collect(self, question: Question, settings: CollectionSettings, report: Report) -> list[Branch]:
        """Draw, cut and probe the branches of one question, as `envdata.collect.branches.collect_question` does."""

    async def close(self) -> None:
        """Close the engines."""


class LocalCollector:
    """A collector with one engine in this process."""

    def __init__(self, engine: Sampler) -> None:
        self._engine = engine

    @property
    def usage(self) -> Usage:
        """Tokens that the engine has read and written so far."""
        return self._engine.usage

    async def establish(self) -> EngineFacts:
        """Check that the engine works. Raises CollectError."""
        return await self._engine.establish()

    async def collect(self, question: Question, settings: CollectionSettings, report: Report) -> list[Branch]:
        """Collect with the engine."""
        return await collect_question(self._engine, question, settings, report)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()
