"""The explorer that asks a language model, over any `ChatModel`.

Each candidate is requested by a call of its own, several calls at a time. A reply that cannot be read is requested once
more, with a description of the error. After a second unreadable reply, a draft in the reasoning of one of them is
taken; without one the candidate, or the critique, is left out, or the page of what is known stays as it is. A prompt
that exceeds the model's context is shortened, in the order that `graph.explorers.prompts` gives, and sent again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from envdata.event_loops import run_coroutine
from graph.accounting.caps import CapReached, Caps
from graph.accounting.ledger import Ledger
from graph.accounting.prices import Price
from graph.explorers.base import Brief, Consolidation, Critique, Evidence, Explorer, Findings, Proposal
from graph.explorers.models.chat import ChatModel, ModelCallError, ModelReply
from graph.explorers.models.journalled_calls import JournalledCalls, ModelRequest, known_forms, model_request_id
from graph.explorers.prompts import (
    CONSOLIDATION_SCHEMA,
    CRITIQUE_SCHEMA,
    PROMPTS,
    Prompt,
    PromptTooLong,
    ReplyError,
    consolidation_prompt,
    critique_prompt,
    proposal_prompt,
    read_consolidation,
    read_critique,
    read_proposals,
    shown_sources,
    split_reasoning,
)
from graph.explorers.prompts.variations import for_request, retry_prompt
from graph.run.settings import ModelCallSettings
from graph.run.transcript import Transcript

Parsed = TypeVar("Parsed")

SHORTENED = 0.7
"""Factor on the tokens of a prompt that was too long for the model's context."""


@dataclass(frozen=True)
class ModelExplorerSettings:
    """Limits and parameters of an explorer's calls."""

    brief_tokens: int
    """Limit of a prompt in tokens."""
    max_output: int
    """Limit of a reply in tokens."""
    calls: ModelCallSettings
    """Time limit, retries and concurrent requests."""
    caps: Caps
    """Limits of the run on money, minutes and tokens."""
    parameters: Mapping[str, Any]
    """Everything besides prompt and model that a reply depends on: part of the request id and of the identity."""


@dataclass(frozen=True)
class ModelExplorer(Explorer):
    """An explorer whose candidates and critiques a language model writes."""

    name: str
    """The explorer's name in `--explorer`, without the model."""
    chat: ChatModel
    price: Price | None
    """None if the price is unknown."""
    settings: ModelExplorerSettings
    say: Callable[[str], None] = lambda text: None
    """Shows a message to the user."""

    def identity(self) -> Mapping[str, str]:
        """Return the model, its parameters and the versions of the prompts."""
        parameters = {name: str(value) for name, value in self.settings.parameters.items() if value is not None}
        prompts = {f"prompt {name}": version for name, version in PROMPTS.items()}
        return {"explorer": self.name, "model": self.chat.model, **parameters, **prompts}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return up to `brief.wanted` candidates; fewer if a reply could not be read or a cap was reached.

        Args:
            brief: The task and the history, from which the prompt is made.
            transcript: The round's transcript, which records each call and reply.

        Raises:
            CapReached: A cap was reached before any candidate was received.
            ExplorerError: The model cannot be reached, or refuses the request.
        """
        return run_coroutine(self._then_close(self._propose(brief, transcript)))

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return the model's critique of a round; empty if no reply could be read or a cap was reached.

        Args:
            evidence: The round's measurements, from which the prompt is made.
            transcript: The round's transcript, which records each call and reply.

        Raises:
            ExplorerError: The model cannot be reached, or refuses the request.
        """
        return run_coroutine(self._then_close(self._critique(evidence, transcript)))

    def consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation:
        """Return the model's changes of the page of what is known.

        Args:
            findings: The rounds and the page so far, from which the prompt is made.
            transcript: Transcript of the latest round, which records each call and reply.

        Raises:
            ReplyError: No reply could be read, or the model refuses.
            PromptTooLong: The page and the task exceed the limit of a prompt.
            CapReached: A cap was reached before a reply was received.
            ExplorerError: The model cannot be reached, or refuses the request.
        """
        return run_coroutine(self._then_close(self._consolidate(findings, transcript)))

    async def _then_close(self, work: Coroutine[Any, Any, Parsed]) -> Parsed:
        try:
            return await work
        finally:
            await self.chat.close()

    async def _propose(self, brief: Brief, transcript: Transcript) -> list[Proposal]:
        calls = self._calls(transcript)
        semaphore = asyncio.Semaphore(self.settings.calls.concurrent_requests)

        async def request_candidate(number: int) -> Proposal | None:
            share = replace(
                brief,
                wanted=1,
                # Without feedback all prompts would be equal; the seed makes each an independent sample.
                seed=brief.seed if brief.feedback else brief.seed + (brief.round - 1) * brief.wanted + number - 1,
                rejected=tuple(brief.rejected[number - 1 : number]),
                roles=tuple(brief.roles[number - 1 : number]),
            )

            def prompt(limit: int) -> Prompt:
                whole = proposal_prompt(share, limit=limit)
                return for_request(whole, number, brief.wanted) if brief.feedback and not share.rejected else whole

            async with semaphore:
                # No schema: source code in a fenced block needs no escapes.
                proposals = await self._ask(
                    calls, f"propose/{brief.round}", f"{brief.attempt}-{number}", prompt, None,
                    lambda text: read_proposals(text, 1, shown_sources(share)),
                )  # fmt: skip
            return replace(proposals[0], assignment=next(iter(share.roles), None)) if proposals else None

        requests = (request_candidate(number) for number in range(1, brief.wanted + 1))
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        proposals = [each for each in outcomes if isinstance(each, Proposal)]
        capped = next((each for each in outcomes if isinstance(each, CapReached)), None)
        # Raised after all calls have ended: every reply is in the transcript then, and is not paid for again.
        for each in outcomes:
            if isinstance(each, BaseException) and not isinstance(each, CapReached):
                raise each
        if capped is not None:
            transcript.record("capped", cap=capped.cap, why=str(capped))
            if not proposals:
                raise capped
            self.say(f"no more calls: {capped}")
        return proposals

    async def _critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        def prompt(limit: int) -> Prompt:
            return critique_prompt(evidence, limit=limit)

        node = f"critique/{evidence.round}"
        critique: Critique | None = None
        try:
            critique = await self._ask(self._calls(transcript), node, "1", prompt, CRITIQUE_SCHEMA, read_critique)
        except CapReached as capped:
            transcript.record("capped", cap=capped.cap, why=str(capped))
        except PromptTooLong as error:
            # The run can go on: the next prompt has the measurements, which no model writes.
            self.say(f"no critique: {error}")
            transcript.record("without critique", why=str(error))
        return critique if critique is not None else Critique("")

    async def _consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation:
        changes = await self._ask(
            self._calls(transcript), f"consolidate/{findings.round}", "1",
            lambda limit: consolidation_prompt(findings, limit=limit), CONSOLIDATION_SCHEMA,
            lambda text: read_consolidation(text, findings),
        )  # fmt: skip
        if changes is None:
            raise ReplyError(f"no reply of {self.chat.model} could be used")
        return changes

    async def _ask(
        self,
        calls: JournalledCalls,
        node: str,
        place: str,
        make_prompt: Callable[[int], Prompt],
        schema: Mapping[str, Any] | None,
        parse: Callable[[str], Parsed],
    ) -> Parsed | None:
        """Return the parsed reply; None if two replies cannot be parsed or the model refuses.

        `make_prompt` takes the limit in tokens; `parse` raises ReplyError. `node` and `place` go into the request's id.
        """
        parameters = {**self.settings.parameters, "model": self.chat.model, "structured": schema is not None}
        parse = _refusing(parse)
        limit = self.settings.brief_tokens
        unusable: tuple[str, str] | None = None
        replies: list[ModelReply] = []
        while True:
            prompt = make_prompt(limit)
            if unusable is not None:
                prompt = retry_prompt(prompt, *unusable, limit=limit)
            asking = 1 if unusable is None else 2
            request = ModelRequest(model_request_id(node, f"{place}-{asking}", prompt, parameters), prompt, schema)
            try:
                reply = _without_reasoning(await calls.ask(request))
            except ModelCallError as failed:
                shorter = int(min(limit, prompt.tokens) * SHORTENED)
                if not failed.prompt_too_long or not _can_fit(make_prompt, shorter):
                    raise
                limit = shorter
                calls.transcript.record("shortened", id=request.id, limit=limit, why=str(failed))
                self.say(f"{self.chat.model}: the prompt is too long for it; trying with {limit:,} tokens")
                continue
            if reply.stop_reason == "refusal":
                calls.transcript.record("refused", id=request.id, text=reply.text)
                self.say(f"{self.chat.model} refused: {reply.text[:200]!r}")
                return None
            replies.append(reply)
            try:
                return _parsed(reply, parse)
            except ReplyError as error:
                why = _parse_error(error, reply, self.settings.max_output)
                calls.transcript.record("unreadable", id=request.id, why=why)
                if unusable is None:
                    unusable = (reply.text, why)
                elif (drafted := _drafted(replies, parse)) is not None:
                    return drafted
                else:
                    self.say(f"{self.chat.model}: a reply could not be read, and the one after it neither: {why}")
                    return None

    def _calls(self, transcript: Transcript) -> JournalledCalls:
        settings = self.settings
        events = transcript.of_all_rounds()
        ledger = Ledger(settings.caps, events)
        return JournalledCalls(
            self.chat,
            transcript,
            ledger,
            self.price,
            settings.max_output,
            settings.calls.retries,
            settings.calls.timeout,
            self.say,
            known_forms(events, self.chat),
        )


def _can_fit(make_prompt: Callable[[int], Prompt], limit: int) -> bool:
    """Whether a prompt can be made within `limit` tokens."""
    try:
        make_prompt(limit)
    except PromptTooLong:
        return False
    return True


def _without_reasoning(reply: ModelReply) -> ModelReply:
    """Return a reply with the reasoning in its text moved to its thinking."""
    split = split_reasoning(reply.text)
    thinking = "\n\n".join(each for each in (reply.thinking, split.thinking) if each)
    return replace(reply, text=split.text, thinking=thinking)


def _refusing(parse: Callable[[str], Parsed]) -> Callable[[str], Parsed]:
    """Return `parse` with ReplyError as its only error: nothing that a model writes ends a run."""

    def parse_or_refuse(text: str) -> Parsed:
        try:
            return parse(text)
        except ReplyError:
            raise
        except Exception as error:
            raise ReplyError(
                f"the reply cannot be read ({type(error).__name__}); answer in the form asked for"
            ) from error

    return parse_or_refuse


def _parsed(reply: ModelReply, parse: Callable[[str], Parsed]) -> Parsed:
    """Return the parsed reply. Raises ReplyError.

    A reply that is reasoning alone and was not cut is parsed as such: some servers take the whole reply for reasoning.
    """
    if reply.thinking and not reply.text.strip() and reply.stop_reason != "length":
        with contextlib.suppress(ReplyError):
            return parse(reply.thinking)
    try:
        return parse(reply.text)
    except ReplyError:
        if reply.stop_reason == "end" and "```" in reply.text:
            # The model ended it by itself: it may lack the closing fence alone.
            with contextlib.suppress(ReplyError):
                return parse(f"{reply.text}\n```")
        raise


def _drafted(replies: Sequence[ModelReply], parse: Callable[[str], Parsed]) -> Parsed | None:
    """Return what the reasoning of replies holds, where their texts hold nothing, the latest first; None if nothing."""
    for reply in reversed(replies):
        with contextlib.suppress(ReplyError):
            return parse(reply.thinking)
    return None


def _parse_error(error: ReplyError, reply: ModelReply, max_output: int) -> str:
    """Return the description of an unreadable reply that the model gets when it is asked again."""
    if reply.stop_reason == "length":
        return f"the reply was cut at its limit of {max_output:,} tokens; {error}"
    return str(error)
