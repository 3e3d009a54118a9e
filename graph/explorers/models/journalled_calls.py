"""Calls to a model that are recorded in the transcript, admitted against the caps, and retried.

A reply that was received is never requested again: it is on the disk before it is used, under an id that is derived
from the node, the prompt and the parameters. Every attempt is an event of its own.
"""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from envdata.plain_text import plain, whole
from graph.accounting.caps import WorstCase
from graph.accounting.ledger import Ledger
from graph.accounting.prices import Price, cost_of, worst_cost
from graph.accounting.usage import Usage
from graph.explorers.models.chat import ChatModel, ModelCallError, ModelReply, OtherForm
from graph.explorers.prompts import Prompt
from graph.run.redaction import redacted
from graph.run.transcript import Transcript

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the first retry and upper limit; doubled with each retry, where the service names no time."""
LONGEST_RETRY_AFTER = 3600.0
"""Seconds that a service may ask to wait; the run stops if it asks for more."""
SPARE_BYTES, BYTES_A_TOKEN = 1 << 19, 8
"""Disk space that has to be free before a call: `BYTES_A_TOKEN` for each token of the reply, and `SPARE_BYTES`."""
MAX_RAW = 1 << 18
"""Characters that are kept of a response that could not be taken as it stands."""
FORM = "other form"
"""Event for a `form` that a `model` at an `address` was found to need; it holds for all later requests of the run."""
REPLY_TIMEOUT_FACTOR = 4
"""A whole reply may take this many times `timeout`, the limit of silence, so that a slow stream ends too."""


@dataclass(frozen=True)
class ModelRequest:
    """A prompt to send, under the id by which its reply is found in the transcript."""

    id: str
    """From `model_request_id`: equal for the same request of the same node, also after the run was resumed."""
    prompt: Prompt
    schema: Mapping[str, Any] | None = None
    """JSON Schema of the reply; None for free text."""


@dataclass
class JournalledCalls:
    """The calls of one node to one model."""

    chat: ChatModel
    transcript: Transcript
    ledger: Ledger
    price: Price | None
    """None if the price is unknown."""
    max_output: int
    """Limit of a reply in tokens."""
    retries: int
    """Further attempts after the first one."""
    timeout: float
    """Seconds that the model may be silent."""
    say: Callable[[str], None]
    """Shows a message to the user."""
    forms: set[OtherForm] = field(default_factory=set)
    """Changes of the requests' form that the model is known to need; more are found by its refusals."""

    def __post_init__(self) -> None:
        """Read the replies and prompts that the transcript holds already."""
        events = self.transcript.events()
        self._received = {event["id"]: event for event in events if event["event"] == "reply"}
        self._written = {event["hash"] for event in events if event["event"] == "prompt"}

    async def ask(self, request: ModelRequest) -> ModelReply:
        """Return the reply: the recorded one if there is one, otherwise that of a new call.

        Raises:
            ModelCallError: No attempt succeeded, or the failure is not transient.
            CapReached: The worst case of the call exceeds a cap.
        """
        if request.id in self._received:
            return _from_event(self._received[request.id])
        self._write_prompt(request.prompt)
        failures = 0
        while True:
            forms = frozenset(self.forms)
            try:
                return await self._send(request, forms, failures)
            except ModelCallError as failed:
                if failed.other_form is not None and failed.other_form not in forms:
                    self._change_form(failed.other_form, str(failed))
                    continue
                failures += 1
                if not failed.transient or failures > self.retries:
                    why = f"{failed} (tried {failures} times)" if failures > 1 else str(failed)
                    raise ModelCallError(why, prompt_too_long=failed.prompt_too_long) from failed
                wait = _seconds_to_wait(failed, failures)
                self.say(f"{failed}; trying again in {wait:.0f} s ({failures} of {self.retries})")
                await asyncio.sleep(wait)

    def _change_form(self, form: OtherForm, why: str) -> None:
        """Send further requests in another form; a concurrent call may have found it too."""
        if form in self.forms:
            return
        self.forms.add(form)
        self.transcript.record(FORM, **_address(self.chat), form=form, why=redacted(why))
        self.say(f"{why}; further requests: {form}")

    async def _send(self, request: ModelRequest, forms: Set[OtherForm], failures: int) -> ModelReply:
        """Make one attempt: admit its worst case, record it, and record the reply or the failure."""
        price, tokens = self.price, request.prompt.tokens
        cost = None if price is None else worst_cost(price, tokens, self.max_output)
        worst = WorstCase(tokens, self.max_output, cost)
        # A reply for which the disk has no space would be paid for and lost.
        self.transcript.check_room(SPARE_BYTES + BYTES_A_TOKEN * self.max_output)
        await self.ledger.admit(worst)
        begun = time.monotonic()
        # Recorded before it is sent: after a kill, a call without a reply counts as possibly billed.
        self.transcript.record(
            "call", id=request.id, model=self.chat.model, prompt=_digest(request.prompt), attempt=failures,
            structured=request.schema is not None and OtherForm.WITHOUT_SCHEMA not in forms,
            max_output=self.max_output, worst=asdict(worst),
        )  # fmt: skip
        try:
            async with asyncio.timeout(self.timeout * REPLY_TIMEOUT_FACTOR):
                reply = await self.chat.complete(
                    request.prompt, max_output=self.max_output, schema=request.schema, forms=forms
                )
        except TimeoutError:
            seconds = self.timeout * REPLY_TIMEOUT_FACTOR
            why = f"{self.chat.model} had not finished its reply after {seconds:g} s; give it longer with --timeout"
            failed = ModelCallError(why, transient=True, billed=True)
            await self._record_failure(request, worst, failed, begun)
            raise failed from None
        except ModelCallError as failed:
            await self._record_failure(request, worst, failed, begun)
            raise
        reply = replace(reply, text=redacted(plain(reply.text)), thinking=redacted(plain(reply.thinking)))
        cost = None if price is None else cost_of(price, reply.usage)
        self.transcript.record(
            "reply", id=request.id, model=reply.model, text=reply.text, thinking=reply.thinking,
            usage=asdict(reply.usage), cost=cost, stop_reason=reply.stop_reason, request_id=reply.request_id,
            estimated=reply.estimated, **_raw(reply.raw), seconds=round(time.monotonic() - begun, 3),
        )  # fmt: skip
        await self.ledger.settle(worst, reply.usage, cost)
        return reply

    async def _record_failure(
        self, request: ModelRequest, worst: WorstCase, failed: ModelCallError, begun: float
    ) -> None:
        self.transcript.record(
            "failed", id=request.id, why=redacted(str(failed)), status=failed.status, after=failed.retry_after,
            billed="possibly" if failed.billed else "no", **_raw(failed.raw),
            seconds=round(time.monotonic() - begun, 3),
        )  # fmt: skip
        if failed.billed:
            await self.ledger.settle_unanswered(worst)
        else:
            await self.ledger.settle(worst, None, None)

    def _write_prompt(self, prompt: Prompt) -> None:
        digest = _digest(prompt)
        if digest not in self._written:
            self._written.add(digest)
            self.transcript.record("prompt", hash=digest, **asdict(prompt))


def model_request_id(node: str, place: str, prompt: Prompt, parameters: Mapping[str, Any]) -> str:
    """Return a request's id, `NODE/PLACE/HASH`.

    Args:
        node: The node and its round, as in `propose/3`.
        place: The attempt, the candidate's number and the time of asking, as in `0-1-1`.
        prompt: Goes into the hash, with all its fields.
        parameters: Everything else that the reply depends on, such as the model; goes into the hash.
    """
    text = json.dumps([asdict(prompt), dict(parameters)], sort_keys=True, default=str)
    return f"{node}/{place}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def known_forms(events: Iterable[Mapping[str, Any]], chat: ChatModel) -> set[OtherForm]:
    """Return the forms of requests that a run's events have found the model to need."""
    place = _address(chat).items()
    found = {str(event.get("form")) for event in events if event["event"] == FORM and place <= event.items()}
    return {form for form in OtherForm if form in found}


def _address(chat: ChatModel) -> dict[str, Any]:
    """Return what a form belongs to: the model, and the address where it is asked, if it has one."""
    return {"model": chat.model, "address": getattr(chat, "base_url", None)}


def _raw(text: str) -> dict[str, str]:
    """Return the field of an event for a response that could not be taken as it stands; none without one."""
    return {"raw": redacted(whole(text[:MAX_RAW]))} if text else {}


def _digest(prompt: Prompt) -> str:
    text = json.dumps([prompt.system, prompt.stable, prompt.changing])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _from_event(event: Mapping[str, Any]) -> ModelReply:
    return ModelReply(
        event["text"],
        Usage.read(event["usage"]),
        event["model"],
        event["stop_reason"],
        event["request_id"],
        event["thinking"],
    )


def _seconds_to_wait(failed: ModelCallError, failures: int) -> float:
    """Return the seconds before the next attempt. Raises ModelCallError if the service asks for too many."""
    if failed.retry_after is not None:
        if failed.retry_after > LONGEST_RETRY_AFTER:
            hours = failed.retry_after / 3600
            raise ModelCallError(f"{failed}; it asks to wait for {hours:.1f} hours: go on with the run then")
        return failed.retry_after
    # Random, so that calls which failed together are not sent again together.
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (failures - 1)) * random.uniform(0.75, 1.0)
