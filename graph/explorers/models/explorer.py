"""The explorer that is a language model, over any `Chat`.

Candidates are asked for one a call, several calls at a time. A reply that cannot be read is asked for again once, with
what is wrong with it. A critique that cannot be read twice is given up: the measurements stand alone then. A prompt
that the model's context does not hold is made shorter, by what `graph.prompts` leaves out first, and sent again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from graph.accounting.caps import CapReached, Caps
from graph.accounting.ledger import Ledger
from graph.accounting.prices import Price
from graph.explorers.base import Brief, Critique, Evidence, Proposal
from graph.explorers.models.calls import Calls, Errand, errand_id
from graph.explorers.models.chat import CallFailed, Chat, Reply
from graph.journal import Journal
from graph.prompts import (
    CRITIQUE_SCHEMA,
    PROMPTS,
    Prompt,
    PromptTooLong,
    ReplyError,
    critique_prompt,
    proposal_prompt,
    read_critique,
    read_proposals,
)
from graph.prompts.again import for_one_of, once_more

Read = TypeVar("Read")

SHORTER = 0.7
"""A prompt that was too long is tried again with that part of its tokens."""


@dataclass(frozen=True)
class Manner:
    """How a model is asked."""

    brief_tokens: int
    max_output: int
    retries: int
    timeout: float
    at_once: int
    caps: Caps
    parameters: Mapping[str, Any]
    """What a reply depends on besides prompt and model: a part of the call's id, and of the explorer's identity."""


@dataclass(frozen=True)
class ModelExplorer:
    """Asks a model for candidates and critiques."""

    name: str
    """As in `--explorer`, without the model."""
    chat: Chat
    price: Price | None
    manner: Manner
    say: Callable[[str], None] = lambda text: None

    def identity(self) -> Mapping[str, str]:
        """The model, its parameters and the versions of the prompts."""
        said = {name: str(value) for name, value in self.manner.parameters.items() if value is not None}
        prompts = {f"prompt {name}": version for name, version in PROMPTS.items()}
        return {"explorer": self.name, "model": self.chat.model, **said, **prompts}

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        """Up to `brief.wanted` candidates; fewer where a reply could not be read, or a cap was reached on the way.

        Raises CapReached if nothing could be asked for any more, and ExplorerError if the model cannot be reached.
        """
        return asyncio.run(self._closing(self._propose(brief, journal)))

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        """What the model makes of the evidence; empty if its reply could not be read, or a cap was reached."""
        return asyncio.run(self._closing(self._critique(evidence, journal)))

    async def _closing(self, work: Coroutine[Any, Any, Read]) -> Read:
        try:
            return await work
        finally:
            await self.chat.close()

    async def _propose(self, brief: Brief, journal: Journal) -> list[Proposal]:
        calls = self._calls(journal)
        gate = asyncio.Semaphore(self.manner.at_once)

        async def one(place: int) -> Proposal | None:
            share = replace(
                brief,
                wanted=1,
                # Samples that are told nothing are told apart by their seeds.
                seed=brief.seed if brief.feedback else brief.seed + (brief.round - 1) * brief.wanted + place - 1,
                rejected=tuple(brief.rejected[place - 1 : place]),
            )

            def prompt(limit: int) -> Prompt:
                made = proposal_prompt(share, limit=limit)
                return for_one_of(made, place, brief.wanted) if brief.feedback and not share.rejected else made

            async with gate:
                # No schema: a file in a block of its own needs no escapes.
                said = await self._asked(
                    calls, f"propose/{brief.round}", f"{brief.attempt}-{place}", prompt, None,
                    lambda text: read_proposals(text, 1),
                )  # fmt: skip
            return said[0] if said else None

        done = await asyncio.gather(*(one(place) for place in range(1, brief.wanted + 1)), return_exceptions=True)
        proposals = [each for each in done if isinstance(each, Proposal)]
        capped = next((each for each in done if isinstance(each, CapReached)), None)
        # Only now: what was received in the meantime is in the journal, and is not asked for again.
        for each in done:
            if isinstance(each, BaseException) and not isinstance(each, CapReached):
                raise each
        if capped is not None:
            journal.record("capped", cap=capped.cap, why=str(capped))
            if not proposals:
                raise capped
            self.say(f"no more calls: {capped}")
        return proposals

    async def _critique(self, evidence: Evidence, journal: Journal) -> Critique:
        def prompt(limit: int) -> Prompt:
            return critique_prompt(evidence, limit=limit)

        place = f"critique/{evidence.round}"
        try:
            said = await self._asked(self._calls(journal), place, "1", prompt, CRITIQUE_SCHEMA, read_critique)
        except CapReached as capped:
            journal.record("capped", cap=capped.cap, why=str(capped))
            said = None
        except PromptTooLong as error:
            # The measurements are there all the same, and a run goes on without somebody who reasons on them.
            self.say(f"no critique: {error}")
            journal.record("without critique", why=str(error))
            said = None
        return said if said is not None else Critique("")

    async def _asked(
        self,
        calls: Calls,
        node: str,
        place: str,
        make: Callable[[int], Prompt],
        schema: Mapping[str, Any] | None,
        read: Callable[[str], Read],
    ) -> Read | None:
        """What a reply holds; None if neither it nor the one after it can be read, or the model refuses."""
        parameters = {**self.manner.parameters, "model": self.chat.model, "structured": schema is not None}
        limit = self.manner.brief_tokens
        unusable: tuple[str, str] | None = None
        while True:
            prompt = make(limit)
            if unusable is not None:
                prompt = once_more(prompt, *unusable, limit=limit)
            time = 1 if unusable is None else 2
            errand = Errand(errand_id(node, f"{place}-{time}", prompt, parameters), prompt, schema)
            try:
                reply = await calls.ask(errand)
            except CallFailed as failed:
                shorter = int(min(limit, prompt.tokens) * SHORTER)
                if not failed.too_long or not _fits(make, shorter):
                    raise
                limit = shorter
                calls.journal.record("shortened", id=errand.id, limit=limit, why=str(failed))
                self.say(f"{self.chat.model}: the prompt is too long for it; trying with {limit:,} tokens")
                continue
            if reply.stop_reason == "refusal":
                calls.journal.record("refused", id=errand.id, text=reply.text)
                self.say(f"{self.chat.model} refused: {reply.text[:200]!r}")
                return None
            try:
                return read(reply.text)
            except ReplyError as error:
                why = _why(error, reply, self.manner.max_output)
                calls.journal.record("unreadable", id=errand.id, why=why)
                if unusable is not None:
                    self.say(f"{self.chat.model}: a reply could not be read, and the one after it neither: {why}")
                    return None
                unusable = (reply.text, why)

    def _calls(self, journal: Journal) -> Calls:
        manner = self.manner
        ledger = Ledger(manner.caps, journal.of_all_rounds())
        return Calls(
            self.chat, journal, ledger, self.price, manner.max_output, manner.retries, manner.timeout, self.say
        )


def _fits(make: Callable[[int], Prompt], limit: int) -> bool:
    try:
        make(limit)
    except PromptTooLong:
        return False
    return True


def _why(error: ReplyError, reply: Reply, max_output: int) -> str:
    if reply.stop_reason == "length":
        return f"the reply was cut at its limit of {max_output:,} tokens; {error}"
    return str(error)
