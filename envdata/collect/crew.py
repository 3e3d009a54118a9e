"""Who collects questions: one engine in this process, or several elsewhere (`envdata.collect.ray_crew`)."""

from typing import Protocol

from envdata.collect.branches import Branch, Report, collect_question
from envdata.collect.engine import EngineFacts, Sampler, Usage
from envdata.collect.questions import Question
from envdata.collect.settings import Settings


class Crew(Protocol):
    """Collects questions with one or several engines that are alike. Calls may overlap."""

    @property
    def usage(self) -> Usage:
        """What all engines have read and written so far."""

    async def establish(self) -> EngineFacts:
        """Make sure that every engine works; raises CollectError."""

    async def collect(self, question: Question, settings: Settings, report: Report) -> list[Branch]:
        """Draw, cut and probe the branches of one question, as `envdata.collect.branches.collect_question` does."""

    async def close(self) -> None:
        """Let go of the engines."""


class OneEngine:
    """A crew of one engine in this process."""

    def __init__(self, engine: Sampler) -> None:
        self._engine = engine

    @property
    def usage(self) -> Usage:
        """The engine's."""
        return self._engine.usage

    async def establish(self) -> EngineFacts:
        """Try the engine."""
        return await self._engine.establish()

    async def collect(self, question: Question, settings: Settings, report: Report) -> list[Branch]:
        """Collect with the engine."""
        return await collect_question(self._engine, question, settings, report)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()
