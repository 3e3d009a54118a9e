"""A model to play live episodes with: an engine, and how questions are put to it and its answers read."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envdata.collect.engine import Asked, CannotContinueError, CollectError, Conversation, Engine, EngineFacts, Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.questions import DEFAULT_TEMPLATE, Question
from envdata.collect.reading import Thinking
from envdata.collect.settings import Chat, Settings
from envdata.collect.spelling import Speller, make_speller

BOXED_CLOSING = "\n\nThe final answer is \\boxed{"
CHAT_TEMPLATE = "{question}\n\nReason step by step, and put your final answer within \\boxed{}."
INTERVAL = 64
"""Δ where nothing else is said, in tokens."""


def chat_settings(
    *, interval: int = INTERVAL, sampling: Sampling | None = None, thinking: Thinking | None = None
) -> Settings:
    """How a chat model is asked unless told otherwise: it answers in a box, and so does a probe."""
    return Settings(
        interval=interval,
        sampling=sampling or Sampling(),
        closing=BOXED_CLOSING,
        probe_tokens=32,
        answers=AnswerRule.after(BOXED_CLOSING, "math"),
        thinking=thinking,
        chat=Chat(),
    )


@dataclass(frozen=True)
class Turns(Conversation):
    """A conversation of several turns, of which the last is the user's."""

    turns: tuple[Mapping[str, str], ...] = ()

    def messages(self) -> list[dict[str, str]]:
        """The turns, as the OpenAI API writes them."""
        return [dict(turn) for turn in self.turns]


@dataclass(frozen=True)
class Asking:
    """How a question is put to the model, and how what it writes is cut, probed and read."""

    settings: Settings
    template: str
    """Of the prompt, or in a chat of the user's message; `{question}` stands in it."""

    def __post_init__(self) -> None:
        if "{question}" not in self.template:
            raise ValueError(f"the template {self.template[:60]!r} has no {{question}} in it: no question would be put")
        if not self.settings.probes:
            raise ValueError("a live episode probes; these settings are of a collection without probes")

    @classmethod
    def of(cls, settings: Settings, template: str | None = None) -> "Asking":
        """With the usual template where none is given."""
        usual = CHAT_TEMPLATE if settings.chat is not None else DEFAULT_TEMPLATE
        return cls(settings, template or usual)

    @classmethod
    def like(cls, provenance: Mapping[str, Any], family: str | None = None) -> "Asking":
        """As a grid was collected; raises ValueError where its provenance does not say, or not which of several ways.

        Templates are kept by family of questions; `family` names one of several.
        """
        prompts = dict(provenance.get("prompts") or {})
        if family is None and len(prompts) > 1:
            known = ", ".join(sorted(prompts))
            raise ValueError(f"the grid's questions are put in {len(prompts)} ways; choose one of {known}")
        if family is not None and family not in prompts:
            known = ", ".join(sorted(prompts)) or "none"
            raise ValueError(f"the grid has no way to put questions called {family!r}; there are {known}")
        settings = settings_of(provenance)
        shape = prompts[family] if family is not None else next(iter(prompts.values()), None)
        if shape is None:
            raise ValueError("the grid does not keep how its questions were put; give the template itself")
        return cls(settings, shape)

    def asked(self, question: str) -> Asked:
        """What the engine is asked."""
        return self.settings.asked(Question(question, "", self.template.replace("{question}", question)))

    def asked_turns(self, turns: tuple[Mapping[str, str], ...]) -> Asked:
        """The same for a conversation. Without a chat template, the last turn is the question, and all there is."""
        if self.settings.chat is None:
            return self.asked(turns[-1]["content"])
        chat = self.settings.chat
        last = {**turns[-1], "content": self.template.replace("{question}", turns[-1]["content"])}
        begun = [] if chat.system is None or turns[0]["role"] == "system" else [_system(chat.system)]
        return Turns(last["content"], None, chat.begun, chat.options, (*begun, *turns[:-1], last))

    def with_sampling(self, **changes: Any) -> "Asking":
        """The same with other sampling settings."""
        sampling = dataclasses.replace(self.settings.sampling, **changes)
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, sampling=sampling))


def _system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def settings_of(provenance: Mapping[str, Any]) -> Settings:
    """How a grid was collected, from its provenance; raises ValueError where that does not say."""
    given = dict(provenance)
    try:
        sampling = {**given["sampling"], "stop": tuple(given["sampling"].get("stop") or ())}
        return Settings(
            interval=given["interval"],
            branches=given["branches"],
            sampling=Sampling(**sampling),
            probes=given.get("probes", True),
            closing=given["closing"],
            probe_tokens=given["probe_tokens"],
            probe_stop=tuple(given["probe_stop"]),
            answers=AnswerRule(**given["answers"]),
            thinking=Thinking(**given["thinking"]) if given.get("thinking") else None,
            chat=Chat(**given["chat"]) if given.get("chat") else None,
            seed=given.get("seed", 0),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the grid does not say how it was collected ({type(error).__name__}: {error})") from None


class LiveModel:
    """An engine that is running, with what episodes share. All of its methods run in the engine's event loop."""

    def __init__(self, engine: Engine, asking: Asking) -> None:
        """Nothing is asked before `start`."""
        self.engine, self.asking = engine, asking
        self.context: int | None = None
        """Tokens that the model takes, prompt and trace together; None where the engine does not tell."""
        self.facts: EngineFacts | None = None
        self._speller: Speller | None = None

    @property
    def speller(self) -> Speller:
        """What spells answers; there once the model was started."""
        assert self._speller is not None  # noqa: S101 - episodes begin after the start
        return self._speller

    async def start(self) -> EngineFacts:
        """Find out that the engine can do all that an episode needs; raises CollectError."""
        self._speller = make_speller(self.asking.settings.answers)
        self.facts = await self.engine.establish()
        if self.facts.continues is None:
            raise CannotContinueError(f"{self.facts.name} cannot continue a partial answer; take a server that can")
        self.context = await self.engine.context()
        return self.facts

    def asked_like(self, asking: Asking) -> "LiveModel":
        """The same running engine, asked in another way; the answer rule stays what it is."""
        other = LiveModel(self.engine, asking)
        other.context, other.facts, other._speller = self.context, self.facts, self._speller
        return other

    async def close(self) -> None:
        """Let go of the engine."""
        if self._speller is not None:
            self._speller.close()
        await self.engine.close()


def room_for(context: int | None, prompt: int, longest: int) -> int:
    """The longest that a trace may be, in tokens, after a prompt of so many; raises CollectError if there is no room.

    A prompt of text has an unknown number of tokens: give 0.
    """
    if context is None:
        return longest
    if prompt >= context:
        raise CollectError(
            f"the prompt has {prompt} tokens, and the model takes {context} with its answer; shorten the question"
        )
    return min(longest, context - prompt)
