"""`autotts grid collect`: a replay grid from a model."""

import asyncio
import hashlib
import json
import os
from functools import partial
from pathlib import Path
from typing import Any, cast

import click

from envdata.collect.chat_template import ChatTemplate
from envdata.collect.engine import CollectError, EngineGoneError, Sampler, Sampling
from envdata.collect.extraction import AnswerRule, Kind
from envdata.collect.parts import ONE_QUESTION, parts_folder
from envdata.collect.questions import DEFAULT_TEMPLATE, Question, QuestionError, load_questions, source_name
from envdata.collect.reading import Thinking
from envdata.collect.run import Outcome, Source, collect, collect_with
from envdata.collect.settings import Chat, Settings
from envdata.grid import GridError

TEXT_CLOSING = r"\nAnswer:"
BOXED_CLOSING = r"\n\nThe final answer is \boxed{"
CHAT_TEMPLATE = "{question}\n\nReason step by step, and put your final answer within \\boxed{}."

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("collect")
@click.option("--server", help="URL of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1.")
@click.option("--vllm", is_flag=True, help="Run the model here, with vLLM in this process.")
@click.option("--model", required=True, help="The model's name on the server; for --vllm its name or folder.")
@click.option("--vllm-arg", "vllm_args", multiple=True, metavar="NAME=VALUE",
              help="An argument of vLLM's LLM, such as max_model_len=8192; the value is JSON or text.")  # fmt: skip
@click.option("--tensor-parallel", type=click.IntRange(1), help="Short for --vllm-arg tensor_parallel_size=N.")
@click.option("--data-parallel", type=click.IntRange(1), help="Short for --vllm-arg data_parallel_size=N.")
@click.option("--description", default="", help="What the model is, for the grid's provenance.")
@click.option("--questions", "spec", required=True, metavar="SOURCE",
              help="A JSONL or Parquet file, hf:NAME?split=…, reasoning-gym:TASK?seed=…&size=…, or "
              "word-problems?count=48&seed=1&skip=0; docs/collecting.md has the rest.")  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The Parquet file to write."
)
@click.option("--interval", type=click.IntRange(1), help="Tokens between two probes.")
@click.option("--probe/--no-probe", "probes", default=True, help="Without probes, only final answers are collected.")
@click.option("--branches", default=64, show_default=True, type=click.IntRange(1), help="Traces a question.")
@click.option("--temperature", type=click.FloatRange(0), help="The model's own unless given, as the engine has it.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="Likewise.")
@click.option("--top-k", type=click.IntRange(1), help="Likewise.")
@click.option("--min-p", type=click.FloatRange(0, 1), help="Likewise.")
@click.option("--max-tokens", default=2048, show_default=True, type=click.IntRange(1), help="Longest trace.")
@click.option("--stop", multiple=True, help=r"Text that ends a trace; \n is a line end. May be repeated.")
@click.option("--closing", help=rf"What makes a cut trace answer.  [default: {TEXT_CLOSING}, with --chat "
              rf"{BOXED_CLOSING}]")  # fmt: skip
@click.option("--marker", help="What an answer follows, where that is not the closing's last line.")
@click.option("--answers", type=click.Choice(["math", "number", "exact"]),
              help=r"How answers are read and compared.  [default: math after \boxed{, else number]")  # fmt: skip
@click.option("--probe-tokens", type=click.IntRange(1), help=r"Longest probe.  [default: 8, after \boxed{ 32]")
@click.option("--probe-stop", multiple=True, default=(r"\n",), show_default=True, help="Text that ends a probe.")
@click.option("--template", type=_file, help="Prompt, or with --chat the user's message, with {question} in it.")
@click.option("--chat", is_flag=True, help="Ask through the model's chat template.")
@click.option("--system", help="System prompt, with --chat.")
@click.option("--begin", default="", help="Start of the answer, put into the model's mouth, with --chat.")
@click.option("--chat-arg", "chat_args", multiple=True, metavar="NAME=VALUE",
              help="A variable of the chat template, such as enable_thinking=true.")  # fmt: skip
@click.option("--chat-template", "chat_template", type=click.Path(exists=True, path_type=Path),
              help="The chat template: a Jinja file, or the folder of a model.")  # fmt: skip
@click.option("--think", nargs=2, metavar="START END", help="The tags that a reasoning model thinks between, such as "
              "'<think>' '</think>': its answer follows END.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--weights", multiple=True, type=_file, help="Weight file to record the hash of. May be repeated.")
@click.option("--text/--no-text", default=True, show_default=True, help="Keep the traces' text.")
@click.option("--at-once", type=click.IntRange(1), help="Questions under way together.  [default: as the engine needs]")
@click.option("--concurrency", default=16, show_default=True, type=click.IntRange(1), help="Requests under way.")
@click.option("--executor", type=click.Choice(["local", "ray"]), default="local", show_default=True,
              help="Collect here, or with an engine on each node of a Ray cluster.")  # fmt: skip
@click.option("--timeout", default=900.0, show_default=True, type=click.FloatRange(1), help="Seconds a request.")
def collect_command(**given: Any) -> None:
    """Collect a replay grid: traces of a model, cut every INTERVAL tokens and probed at every cut.

    Each question is kept when it is finished; after an interruption the same command goes on. A key for the server is
    read from OPENAI_API_KEY.
    """
    out: Path = given["out"]
    try:
        settings = make_settings(given)
        default = CHAT_TEMPLATE if given["chat"] else DEFAULT_TEMPLATE
        template: Path | None = given["template"]
        questions = load_questions(given["spec"], template.read_text("utf-8") if template else default)
        at_once = given["at_once"] or (2 if given["server"] else _enough(given, settings))
        source = _source(given)
        if given["executor"] == "ray":
            outcome = asyncio.run(_collect_on_cluster(given, questions, settings, source, at_once))
        else:
            engine = _engine(given, settings)
            outcome = asyncio.run(collect(engine, questions, settings, source, out, at_once=at_once))
    except EngineGoneError as error:
        kept = len(list(parts_folder(out).glob(ONE_QUESTION)))
        told = (
            f"; {kept} of {len(questions)} questions are kept, and the same command goes on from them" if kept else ""
        )
        raise click.ClickException(f"{error}{told}") from None
    except (CollectError, QuestionError, GridError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("\nInterrupted. Finished questions are kept; the same command goes on from them.", err=True)
        raise SystemExit(130) from None
    _report(outcome, out, by_server=bool(given["server"]))


async def _collect_on_cluster(
    given: dict[str, Any], questions: list[Question], settings: Settings, source: Source, at_once: int
) -> Outcome:
    from envdata.collect.ray_crew import RayCrew

    arguments = _vllm_arguments(given)
    gpus = int(arguments.get("tensor_parallel_size", 1)) * int(arguments.get("data_parallel_size", 1))
    crew = RayCrew(partial(_engine, given, settings), at_once=at_once, gpus=gpus if given["vllm"] else 0)
    try:
        return await collect_with(crew, questions, settings, source, given["out"], at_once=crew.places)
    finally:
        # Also where nothing was begun, such as over a grid that is there already.
        await crew.close()


def make_settings(given: dict[str, Any]) -> Settings:
    """What the options say of how a model is asked, cut, probed and read; raises UsageError, ValueError."""
    chat, probes = given["chat"], given["probes"]
    if not chat:
        for name in ("system", "begin", "chat_args", "chat_template"):
            if given[name]:
                raise click.UsageError(f"--{name.replace('_args', '-arg').replace('_', '-')} needs --chat")
    if probes and given["interval"] is None:
        raise click.UsageError("--interval is needed, the number of tokens between two probes; or give --no-probe")
    if not probes and given["interval"] is not None:
        raise click.UsageError("--interval has no meaning with --no-probe: each branch is one interval")
    if not probes and given["server"] and (given["begin"] or given["chat_template"]):
        raise click.UsageError("--begin and --chat-template have no meaning with --no-probe: the server writes it all")
    closing = line_ends(given["closing"] or (BOXED_CLOSING if chat or given["think"] else TEXT_CLOSING))
    boxed = closing.rstrip().endswith("\\boxed{")
    kind = cast("Kind", given["answers"] or ("math" if boxed else "number"))
    marker = given["marker"]
    return Settings(
        interval=given["interval"] or given["max_tokens"],
        branches=given["branches"],
        sampling=Sampling(
            given["temperature"],
            given["top_p"],
            given["top_k"],
            given["min_p"],
            given["max_tokens"],
            tuple(map(line_ends, given["stop"])),
        ),
        probes=probes,
        closing=closing,
        probe_tokens=given["probe_tokens"] or (32 if boxed else 8),
        probe_stop=tuple(map(line_ends, given["probe_stop"])),
        answers=AnswerRule(line_ends(marker), kind) if marker else AnswerRule.after(closing, kind),
        thinking=Thinking(*given["think"]) if given["think"] else None,
        chat=Chat(given["system"], line_ends(given["begin"]), pairs(given["chat_args"])) if chat else None,
        seed=given["seed"],
        keep_text=given["text"],
    )


def _engine(given: dict[str, Any], settings: Settings) -> Sampler:
    if bool(given["server"]) == given["vllm"]:
        raise click.UsageError("give --server URL for a model that is served, or --vllm to run it here")
    template = ChatTemplate.load(given["chat_template"]) if given["chat_template"] else None
    if given["vllm"]:
        from envdata.collect.vllm_engine import VLLMEngine

        return VLLMEngine(given["model"], _vllm_arguments(given), template=template, scored=settings.probes)
    if given["vllm_args"] or given["tensor_parallel"] or given["data_parallel"]:
        raise click.UsageError("--vllm-arg, --tensor-parallel and --data-parallel are for --vllm")
    # Imported here: the SDK takes a second to load, which no other command should pay.
    from envdata.collect.final_answers import FinalAnswers
    from envdata.collect.openai_client import Client
    from envdata.collect.openai_server import OpenAIServer

    key = os.environ.get("OPENAI_API_KEY") or "none"
    concurrency, timeout = given["concurrency"], given["timeout"]
    client = Client(given["server"], given["model"], api_key=key, concurrency=concurrency, timeout=timeout)
    if settings.probes:
        return OpenAIServer(client, template=template)
    return FinalAnswers(client, chat=settings.chat is not None, thinking=settings.thinking)


def _vllm_arguments(given: dict[str, Any]) -> dict[str, Any]:
    arguments = pairs(given["vllm_args"])
    for option, name in (("tensor_parallel", "tensor_parallel_size"), ("data_parallel", "data_parallel_size")):
        if given[option] is not None:
            arguments[name] = given[option]
    return arguments


def _enough(given: dict[str, Any], settings: Settings) -> int:
    """So many questions that vLLM always has another trace to fill a free place with."""
    places = int(pairs(given["vllm_args"]).get("max_num_seqs", 256))
    return 1 + -(-2 * places // settings.branches)


def _source(given: dict[str, Any]) -> Source:
    # A folder is of this machine; its name, and the hashes of the weights, say which model it was.
    model = Path(given["model"]).name if given["vllm"] and Path(given["model"]).is_dir() else given["model"]
    named = source_name(given["spec"])
    return Source(model, given["description"], named, {path.name: _sha256(path) for path in given["weights"]})


def pairs(given: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE options as a dict; values are JSON or text."""
    found_pairs: dict[str, Any] = {}
    for text in given:
        name, found, value = text.partition("=")
        if not found or not name:
            raise click.UsageError(f"{text!r} is not NAME=VALUE")
        try:
            found_pairs[name] = json.loads(value)
        except ValueError:
            found_pairs[name] = value
    return found_pairs


def _report(outcome: Outcome, out: Path, *, by_server: bool) -> None:
    click.echo(f"{out}: {outcome.collected} questions")
    usage = outcome.usage
    # Of a request with several prompts, as probes are, vLLM's server tells the last one's only.
    least = "at least " if by_server else ""
    cached = "" if usage.cached is None else f", {least}{usage.cached:,} of them from the prefix cache"
    click.echo(f"{usage.decoded:,} tokens decoded; prompts of {usage.prompt:,} tokens{cached}", err=True)
    if outcome.given_up:
        click.echo(
            f"{outcome.given_up} answers took too long to be read as mathematics and are compared as text; the grid's "
            "provenance lists them (given_up)",
            err=True,
        )
    for question, error in outcome.left_out.items():
        click.echo(f"left out: {question[:60]!r}: {error}", err=True)
    if outcome.left_out:
        click.echo("The same command asks the left-out questions again.", err=True)


def line_ends(text: str) -> str:
    r"""Turn a typed \n into a line end, which no shell makes easy to type."""
    return text.replace("\\n", "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
