"""A model for live episodes: an engine, prompts for questions and the reading of answers."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envdata.collect.answer_reader import Thinking
from envdata.collect.canonical_answers import Speller, make_speller
from envdata.collect.chat_streams import ChatStreams, HasChatStreams
from envdata.collect.engine import (
    Asked,
    CannotContinueError,
    CollectError,
    Conversation,
    Engine,
    EngineFacts,
    EngineGoneError,
    Sampling,
    UnknownPathError,
)
from envdata.collect.extraction import AnswerRule
from envdata.collect.question_sources import load_questions
from envdata.collect.questions import DEFAULT_TEMPLATE, Question, QuestionError
from envdata.collect.settings import ChatSettings, CollectionSettings
from envdata.collect.token_confidence import CONFIDENCE_SIGNAL, TOP_LOGPROBS
from envdata.grid_schema import PROBE_CONFIDENCE
from envdata.live.question_templates import QuestionTemplates

BOXED_CLOSING = "\n\nThe final answer is \\boxed{"
"""Default closing of a probe of a chat model."""
CHAT_TEMPLATE = "{question}\n\nReason step by step, and put your final answer within \\boxed{}."
"""Default message to a chat model."""
INTERVAL = 64
"""Default Δ, in tokens."""


def chat_settings(
    *, interval: int = INTERVAL, sampling: Sampling | None = None, thinking: Thinking | None = None
) -> CollectionSettings:
    """Return the default settings for a chat model, which answers in a box, and in a box when it is probed.

    Args:
        interval: Δ, in tokens.
        sampling: How traces are sampled; by default as the model's own settings say.
        thinking: The tags around the model's reasoning, if it writes any.
    """
    return CollectionSettings(
        interval=interval,
        sampling=sampling or Sampling(),
        closing=BOXED_CLOSING,
        probe_tokens=32,
        answers=AnswerRule.after(BOXED_CLOSING, "math"),
        thinking=thinking,
        chat=ChatSettings(),
    )


@dataclass(frozen=True)
class Turns(Conversation):
    """A conversation of several turns, of which the last one is the user's."""

    turns: tuple[Mapping[str, str], ...] = ()

    def messages(self) -> list[dict[str, str]]:
        """Return the turns as the OpenAI API writes them."""
        return [dict(turn) for turn in self.turns]


@dataclass(frozen=True)
class LiveSettings:
    """Settings of live episodes: the prompt's template, and how traces are decoded, cut, probed and read."""

    settings: CollectionSettings
    template: str
    """Template of the prompt, or in a chat of the user's message, in which `{question}` stands for the question."""
    by_question: QuestionTemplates | None = None
    """Templates that take its place, one for each family of questions."""

    def __post_init__(self) -> None:
        if "{question}" not in self.template:
            raise ValueError(f"the template {self.template[:60]!r} has no {{question}} in it: no question would be put")

    @classmethod
    def of(cls, settings: CollectionSettings, template: str | None = None) -> "LiveSettings":
        """Return live settings with the default template where none is given."""
        usual = CHAT_TEMPLATE if settings.chat is not None else DEFAULT_TEMPLATE
        return cls(settings, template or usual)

    @classmethod
    def like(cls, provenance: Mapping[str, Any], family: str | None = None) -> "LiveSettings":
        """Return live settings equal to those that a grid was collected with.

        Args:
            provenance: The grid's provenance.
            family: The family of questions whose template is taken; None finds out each question's own, where the
                grid has several.

        Raises:
            ValueError: The provenance lacks the settings or the template, or has several families whose questions
                cannot be read again.
        """
        recorded = provenance.get("prompts")
        prompts = (
            {name: text for name, text in recorded.items() if isinstance(text, str)}
            if isinstance(recorded, dict)
            else {}
        )
        if family is not None and family not in prompts:
            known = ", ".join(sorted(prompts)) or "none"
            raise ValueError(f"the grid has no way to put questions called {family!r}; there are {known}")
        settings = settings_of(provenance)
        template = prompts[family] if family is not None else next(iter(prompts.values()), None)
        if template is None:
            raise ValueError("the grid does not keep how its questions were put; give the template itself")
        several = None if family is not None or len(prompts) < 2 else _templates_of(provenance, prompts)
        return cls(settings, template, several)

    def template_of(self, question: str) -> str:
        """Return the template of a question. Raises NoFamilyError where it is like none of the grid's."""
        return self.template if self.by_question is None else self.by_question.template(question)

    def asked(self, question: str) -> Asked:
        """Return what the engine is asked for a question."""
        return self.settings.asked(Question(question, "", self.template_of(question).replace("{question}", question)))

    def asked_turns(self, turns: tuple[Mapping[str, str], ...]) -> Asked:
        """Return what the engine is asked for a conversation. Without a chat template only the last turn is used."""
        if self.settings.chat is None:
            return self.asked(turns[-1]["content"])
        chat = self.settings.chat
        question = turns[-1]["content"]
        last = {**turns[-1], "content": self.template_of(question).replace("{question}", question)}
        begun = [] if chat.system is None or turns[0]["role"] == "system" else [_system(chat.system)]
        return Turns(last["content"], None, chat.begun, chat.options, (*begun, *turns[:-1], last))

    def with_sampling(self, **changes: Any) -> "LiveSettings":
        """Return the same settings with other sampling settings."""
        sampling = dataclasses.replace(self.settings.sampling, **changes)
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, sampling=sampling))


def _templates_of(provenance: Mapping[str, Any], prompts: Mapping[str, str]) -> QuestionTemplates:
    """Return the templates with the grid's questions. Raises ValueError where these cannot be read again."""
    try:
        questions = load_questions(str(provenance.get("questions", "")), dedupe=True)
    except QuestionError as error:
        known = ", ".join(sorted(prompts))
        raise ValueError(
            f"the grid's questions are put in {len(prompts)} ways, and cannot be read again to tell which of them "
            f"belongs to which: {error}; choose one of {known} (--family)"
        ) from None
    return QuestionTemplates.of(prompts, questions)


def _system(text: str) -> dict[str, str]:
    """Return a system message."""
    return {"role": "system", "content": text}


def settings_of(provenance: Mapping[str, Any]) -> CollectionSettings:
    """Return the settings that a grid was collected with. Raises ValueError where its provenance lacks them."""
    given = dict(provenance)
    try:
        sampling = {**given["sampling"], "stop": tuple(given["sampling"].get("stop") or ())}
        return CollectionSettings(
            interval=given["interval"],
            branches=given["branches"],
            sampling=Sampling(**sampling),
            probes=given.get("probes", True),
            closing=given["closing"],
            probe_tokens=given["probe_tokens"],
            probe_stop=tuple(given["probe_stop"]),
            answers=AnswerRule(**given["answers"]),
            thinking=Thinking(**given["thinking"]) if given.get("thinking") else None,
            chat=ChatSettings(**given["chat"]) if given.get("chat") else None,
            seed=given.get("seed", 0),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the grid does not say how it was collected ({type(error).__name__}: {error})") from None


class LiveModel:
    """A running engine with the settings that episodes share. All methods run in the engine's event loop."""

    def __init__(self, server: Engine | ChatStreams, live_settings: LiveSettings) -> None:
        """Store the engine or the streams, and the settings; nothing is requested before `start`."""
        self.server, self.live_settings = server, live_settings
        """The engine, or the streams of a server that can do nothing else."""
        self.context: int | None = None
        """The model's context for prompt and trace together, in tokens; None where the engine does not report it."""
        self.facts: EngineFacts | None = None
        self._speller: Speller | None = None

    @property
    def speller(self) -> Speller:
        """The speller of answers; there is one once the model was started."""
        assert self._speller is not None  # noqa: S101 - episodes begin after the start
        return self._speller

    @property
    def engine(self) -> Engine:
        """The engine, where the server continues partial answers."""
        assert not isinstance(self.server, ChatStreams)  # noqa: S101 - asked for only where there are no streams
        return self.server

    @property
    def streams(self) -> ChatStreams | None:
        """The streams, where the server can do nothing else; None otherwise."""
        return self.server if isinstance(self.server, ChatStreams) else None

    @property
    def probes(self) -> bool:
        """Whether a branch can be probed wherever it may be: a stream cannot, but one interval may be all of it."""
        settings = self.live_settings.settings
        return self.streams is None or settings.interval >= settings.sampling.max_tokens

    @property
    def top_logprobs(self) -> int:
        """Return k of the tokens' confidences: the settings' or the usual one, as far as the engine goes; 0: none."""
        most = 0 if self.facts is None else self.facts.top_logprobs
        return min(self.live_settings.settings.sampling.top_logprobs or TOP_LOGPROBS, most)

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Names of the signals that the running engine can give live."""
        probed = (PROBE_CONFIDENCE,) if self.streams is None else ()
        return (*probed, CONFIDENCE_SIGNAL) if self.top_logprobs else probed

    async def start(self) -> EngineFacts:
        """Find out what the server can do: continue partial answers, or at least stream whole ones.

        Raises CollectError if it can do neither.
        """
        self._speller = make_speller(self.live_settings.settings.answers)
        try:
            self.facts = await self._established()
        except (CannotContinueError, UnknownPathError) as error:
            self.facts = await self._stream_instead(error)
        self.context = await self.server.context()
        return self.facts

    async def _established(self) -> EngineFacts:
        facts = await self.server.establish()
        chat = self.live_settings.settings.chat
        if self.streams is not None and (chat is None or chat.begun):
            raise CollectError(
                "streamed answers are whole ones to a chat: leave away --no-chat, and the --begin of an answer"
            )
        if self.streams is None and facts.continues is None:
            raise CannotContinueError(f"{facts.name} cannot continue a partial answer; take a server that can")
        return facts

    async def _stream_instead(self, error: CollectError) -> EngineFacts:
        """Turn to the streams of a server that cannot continue partial answers, as `error` says."""
        chat = self.live_settings.settings.chat
        if not isinstance(self.server, HasChatStreams):
            raise error
        if chat is None or chat.begun:
            raise CannotContinueError(
                f"{error}; it may still stream the answers of a chat, without --no-chat and --begin"
            ) from None
        streams = self.server.chat_streams()
        try:
            facts = await streams.establish()
        except EngineGoneError:
            raise
        except CollectError as also:
            raise CannotContinueError(f"{error}; and it streams no chat completions ({also})") from None
        self.server = streams
        return facts

    def with_settings(self, live_settings: LiveSettings) -> "LiveModel":
        """Return the same running engine with other settings; the answer rule stays the same."""
        other = LiveModel(self.server, live_settings)
        other.context, other.facts, other._speller = self.context, self.facts, self._speller
        return other

    async def close(self) -> None:
        """Close the engine and the speller."""
        if self._speller is not None:
            self._speller.close()
        await self.server.close()


def room_for(context: int | None, prompt: int, longest: int) -> int:
    """Return the largest length of a trace, in tokens.

    Args:
        context: The model's context in tokens, None where it is unknown.
        prompt: The tokens of the prompt; 0 for a prompt of text, whose number of tokens is unknown.
        longest: The largest length that the settings allow, in tokens.

    Raises:
        CollectError: The prompt fills the context.
    """
    if context is None:
        return longest
    if prompt >= context:
        raise CollectError(
            f"the prompt has {prompt} tokens, and the model takes {context} with its answer; shorten the question"
        )
    return min(longest, context - prompt)
