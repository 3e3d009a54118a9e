"""A call to a model that is journalled, paid for and repeated as it should be.

What was received is never asked for again: a reply is on the disk before it is used, under an id that says for what it
was asked, with which prompt and parameters. Every time a request is sent is an event of its own.
"""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from graph.accounting.caps import Worst
from graph.accounting.ledger import Ledger
from graph.accounting.prices import Price, worst_cost
from graph.accounting.usage import Usage
from graph.explorers.models.chat import CallFailed, Chat, Reply
from graph.journal import Journal
from graph.prompts import Prompt
from graph.secrets import redacted

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the first repetition, and at most, where the service names none; doubled each time."""
LONGEST_ASKED = 3600.0
"""Seconds; a service that asks for more has a problem that somebody should know of."""
TIMES_ALL = 4
"""A whole reply may take as many times as long as its model may be silent: a slow drip comes to an end."""


@dataclass(frozen=True)
class Errand:
    """What is asked for."""

    id: str
    """The same for the same request of the same node: round, node, attempt, place, prompt and parameters."""
    prompt: Prompt
    schema: Mapping[str, Any] | None = None


@dataclass
class Calls:
    """Calls of one node to one model."""

    chat: Chat
    journal: Journal
    ledger: Ledger
    price: Price | None
    max_output: int
    retries: int
    timeout: float
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        events = self.journal.events()
        self._received = {event["id"]: event for event in events if event["event"] == "reply"}
        self._written = {event["hash"] for event in events if event["event"] == "prompt"}

    async def ask(self, errand: Errand) -> Reply:
        """The reply, received now or before the process began. Raises CallFailed, CapReached."""
        if errand.id in self._received:
            return _from_event(self._received[errand.id])
        self._write_prompt(errand.prompt)
        schema = errand.schema
        failures = 0
        while True:
            try:
                return await self._send(errand, schema, failures)
            except CallFailed as failed:
                if failed.unsupported and schema is not None:
                    schema = None
                    continue
                failures += 1
                if not failed.passing or failures > self.retries:
                    raise CallFailed(_all_in_all(failed, failures), too_long=failed.too_long) from failed
                wait = _wait(failed, failures)
                self.say(f"{failed}; trying again in {wait:.0f} s ({failures} of {self.retries})")
                await asyncio.sleep(wait)

    async def _send(self, errand: Errand, schema: Mapping[str, Any] | None, failures: int) -> Reply:
        price, tokens = self.price, errand.prompt.tokens
        cost = None if price is None else worst_cost(price, tokens, self.max_output)
        worst = Worst(tokens, self.max_output, cost)
        await self.ledger.admit(worst)
        begun = time.monotonic()
        # From here on the request may reach the service.
        self.journal.record(
            "call", id=errand.id, model=self.chat.model, prompt=_digest(errand.prompt), attempt=failures,
            structured=schema is not None, max_output=self.max_output, worst=asdict(worst),
        )  # fmt: skip
        try:
            async with asyncio.timeout(self.timeout * TIMES_ALL):
                reply = await self.chat.complete(errand.prompt, max_output=self.max_output, schema=schema)
        except TimeoutError:
            failed = CallFailed(
                f"{self.chat.model} had not finished its reply after {self.timeout * TIMES_ALL:g} s; give it longer "
                "with --timeout",
                passing=True, billed=True,
            )  # fmt: skip
            await self._record_failure(errand, worst, failed, begun)
            raise failed from None
        except CallFailed as failed:
            await self._record_failure(errand, worst, failed, begun)
            raise
        reply = Reply(**{**vars(reply), "text": redacted(reply.text), "thinking": redacted(reply.thinking)})
        cost = None if price is None else price.cost(reply.usage)
        self.journal.record(
            "reply", id=errand.id, model=reply.model, text=reply.text, thinking=reply.thinking,
            usage=asdict(reply.usage), cost=cost, stop_reason=reply.stop_reason, request_id=reply.request_id,
            estimated=reply.estimated,
            seconds=round(time.monotonic() - begun, 3),
        )  # fmt: skip
        await self.ledger.settle(worst, reply.usage, cost)
        return reply

    async def _record_failure(self, errand: Errand, worst: Worst, failed: CallFailed, begun: float) -> None:
        self.journal.record(
            "failed", id=errand.id, why=redacted(str(failed)), status=failed.status, after=failed.after,
            billed="possibly" if failed.billed else "no", seconds=round(time.monotonic() - begun, 3),
        )  # fmt: skip
        if failed.billed:
            await self.ledger.lose(worst)
        else:
            await self.ledger.settle(worst, None, None)

    def _write_prompt(self, prompt: Prompt) -> None:
        digest = _digest(prompt)
        if digest not in self._written:
            self._written.add(digest)
            self.journal.record("prompt", hash=digest, **asdict(prompt))


def errand_id(node: str, place: str, prompt: Prompt, parameters: Mapping[str, Any]) -> str:
    """Names a request: the node and its round, the place among its calls, and a hash of all that it depends on."""
    text = json.dumps([asdict(prompt), dict(parameters)], sort_keys=True, default=str)
    return f"{node}/{place}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _digest(prompt: Prompt) -> str:
    text = json.dumps([prompt.system, prompt.stable, prompt.changing])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _from_event(event: Mapping[str, Any]) -> Reply:
    return Reply(
        event["text"],
        Usage.read(event["usage"]),
        event["model"],
        event["stop_reason"],
        event["request_id"],
        event["thinking"],
    )


def _wait(failed: CallFailed, failures: int) -> float:
    if failed.after is not None:
        if failed.after > LONGEST_ASKED:
            raise CallFailed(f"{failed}; it asks to wait for {failed.after / 3600:.1f} hours: go on with the run then")
        return failed.after
    # Drawn, so that calls which failed together do not come back together.
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (failures - 1)) * random.uniform(0.75, 1.0)


def _all_in_all(failed: CallFailed, failures: int) -> str:
    return f"{failed} (tried {failures} times)" if failures > 1 else str(failed)
