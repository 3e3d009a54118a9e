"""`autotts grid collect`: collects a replay grid from a model."""

import asyncio
import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import click

from envdata.collect.answer_reader import Thinking
from envdata.collect.chat_template import ChatTemplate
from envdata.collect.collection import CollectionResult, Provenance, collect, collect_with
from envdata.collect.engine import CollectError, EngineGoneError, Sampler, Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.partial_results import ONE_QUESTION, parts_folder
from envdata.collect.question_sources import load_questions, source_name
from envdata.collect.questions import DEFAULT_TEMPLATE, Question, QuestionError
from envdata.collect.server_keys import ANTHROPIC_KEY, KEY_VARIABLES, OPENAI_KEY, server_key
from envdata.collect.settings import ChatSettings, CollectionSettings
from envdata.collect.token_confidence import TOP_LOGPROBS
from envdata.grid import GridError
from envdata.json_text import parse
from envdata.text_files import TextFileError, read_text
from graph.cli.errors import Interrupted
from graph.cli.foreign_text import echo
from graph.cli.query_options import BOXED_CLOSING, TEXT_CLOSING, query_options

CHAT_TEMPLATE = "{question}\n\nReason step by step, and put your final answer within \\boxed{}."

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("collect")
@click.option("--server", help="URL of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1.")
@click.option("--protocol", type=click.Choice(["openai", "anthropic"]), default="openai", show_default=True,
              help="anthropic: the server speaks Anthropic's Messages API, which gives final answers only "
              "(--no-probe); ANTHROPIC_API_KEY takes the place of OPENAI_API_KEY.")  # fmt: skip
@click.option("--vllm", is_flag=True, help="Run the model here, with vLLM in this process.")
@click.option("--model", required=True, help="The model's name on the server; for --vllm its name or folder.")
@click.option("--vllm-arg", "vllm_args", multiple=True, metavar="NAME=VALUE",
              help="An argument of vLLM's LLM, such as max_model_len=8192; the value is JSON or text.")  # fmt: skip
@click.option("--tensor-parallel", type=click.IntRange(1), help="Short for --vllm-arg tensor_parallel_size=N.")
@click.option("--data-parallel", type=click.IntRange(1), help="Short for --vllm-arg data_parallel_size=N.")
@click.option("--description", default="", help="Description of the model, for the grid's provenance.")
@click.option("--questions", "spec", required=True, metavar="SOURCE",
              help="A JSONL, CSV or Parquet file, hf:NAME?split=…, reasoning-gym:TASK?seed=…&size=…, or "
              "word-problems?count=48&seed=1&skip=0; docs/collecting.md has the rest.")  # fmt: skip
@click.option("--dedupe", is_flag=True, help="Leave out repeated questions that have the same answer.")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The Parquet file to write."
)
@query_options(
    click.option(
        "--interval",
        type=click.IntRange(1),
        help="Δ: tokens between two probes, or with --no-probe between "
        "two decisions of a controller.  [default with --no-probe: as long as a trace may be]",
    ),
    click.option("--chat", is_flag=True, help="Ask through the model's chat template."),
)
@click.option("--probe/--no-probe", "probes", default=True,
              help="Without probes, only final answers are collected; controllers may still leave a branch before its "
              "end, with --interval.")  # fmt: skip
@click.option(
    "--branches",
    default=CollectionSettings.branches,
    show_default=True,
    type=click.IntRange(1),
    help="Traces per question.",
)
@click.option("--seed", default=CollectionSettings.seed, show_default=True, type=click.IntRange(0))
@click.option("--weights", multiple=True, type=_file, help="Weight file to record the hash of. May be repeated.")
@click.option("--top-logprobs", default=TOP_LOGPROBS, show_default=True, type=click.IntRange(0, TOP_LOGPROBS),
              help="Record the signal token_confidence from so many most probable tokens at each place, or as many as "
              "the engine gives; 0 records none.")  # fmt: skip
@click.option("--text/--no-text", default=True, show_default=True, help="Keep the traces' text.")
@click.option(
    "--at-once", type=click.IntRange(1), help="Questions in progress at a time.  [default: as the engine needs]"
)
@click.option("--concurrency", default=16, show_default=True, type=click.IntRange(1), help="Requests at a time.")
@click.option("--executor", type=click.Choice(["local", "ray"]), default="local", show_default=True,
              help="Collect here, or with an engine on each node of a Ray cluster.")  # fmt: skip
@click.option("--timeout", default=900.0, show_default=True, type=click.FloatRange(1), help="Seconds per request.")
def collect_command(**given: Any) -> None:
    """Collect a replay grid: traces of a model, cut every INTERVAL tokens and probed at every cut.

    Each finished question is saved; after an interruption the same command continues. The server's key is read from
    AUTOTTS_SERVER_KEY, else from OPENAI_API_KEY, which goes to OpenAI alone if it is OpenAI's.
    """
    out: Path = given["out"]
    try:
        settings = make_collection_settings(given)
        template = read_template(given["template"])
        if template is None:
            template = CHAT_TEMPLATE if given["chat"] else DEFAULT_TEMPLATE
        questions = load_questions(given["spec"], template, dedupe=given["dedupe"])
        at_once = given["at_once"] or (2 if given["server"] else _default_at_once(given, settings))
        provenance = _provenance(given)
        if given["executor"] == "ray":
            result = asyncio.run(_collect_on_cluster(given, questions, settings, provenance, at_once))
        else:
            engine = _engine(given, settings)
            result = asyncio.run(collect(engine, questions, settings, provenance, out, at_once=at_once))
    except EngineGoneError as error:
        kept = len(list(parts_folder(out).glob(ONE_QUESTION)))
        advice = (
            f"; {kept} of {len(questions)} questions are kept, and the same command goes on from them" if kept else ""
        )
        raise click.ClickException(f"{error}{advice}") from None
    except (CollectError, QuestionError, GridError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        raise Interrupted("stopped; finished questions are kept, and the same command goes on from them") from None
    _print_result(result, out)


async def _collect_on_cluster(
    given: dict[str, Any], questions: list[Question], settings: CollectionSettings, provenance: Provenance, at_once: int
) -> CollectionResult:
    """Collect with an engine on each node of a Ray cluster; `at_once` questions per engine."""
    from envdata.collect.ray_collectors import RayCollector

    arguments = _vllm_arguments(given)
    gpus = int(arguments.get("tensor_parallel_size", 1)) * int(arguments.get("data_parallel_size", 1))
    collector = RayCollector(partial(_engine, given, settings), at_once=at_once, gpus=gpus if given["vllm"] else 0)
    try:
        return await collect_with(collector, questions, settings, provenance, given["out"], at_once=collector.places)
    finally:
        # Also where nothing was started, such as when the grid exists already.
        await collector.close()


def make_collection_settings(given: dict[str, Any]) -> CollectionSettings:
    """Return the settings for prompts, intervals, probes and answers that the options give.

    Args:
        given: Values of the options by parameter.

    Raises:
        click.UsageError: options contradict each other, or one that is needed is missing.
        ValueError: a value is out of range.
    """
    chat, probes = given["chat"], given["probes"]
    if not chat:
        for name in ("system", "begin", "chat_args", "chat_template"):
            if given[name]:
                raise click.UsageError(f"--{name.replace('_args', '-arg').replace('_', '-')} needs --chat")
    if probes and given["interval"] is None:
        raise click.UsageError("--interval is needed, the number of tokens between two probes; or give --no-probe")
    if not probes and given["server"] and (given["begin"] or given["chat_template"]):
        raise click.UsageError("--begin and --chat-template have no meaning with --no-probe: the server writes it all")
    closing = unescape_newlines(given["closing"] or (BOXED_CLOSING if chat or given["think"] else TEXT_CLOSING))
    boxed = closing.rstrip().endswith("\\boxed{")
    kind = given["answers"] or ("math" if boxed else "number")
    marker = given["marker"]
    return CollectionSettings(
        interval=given["interval"] or given["max_tokens"],
        branches=given["branches"],
        sampling=Sampling(
            given["temperature"],
            given["top_p"],
            given["top_k"],
            given["min_p"],
            given["max_tokens"],
            tuple(map(unescape_newlines, given["stop"])),
            given.get("top_logprobs", 0) if probes else 0,
        ),
        probes=probes,
        closing=closing,
        probe_tokens=given["probe_tokens"] or (32 if boxed else 8),
        probe_stop=tuple(map(unescape_newlines, given["probe_stop"])),
        answers=AnswerRule(unescape_newlines(marker), kind) if marker else AnswerRule.after(closing, kind),
        thinking=Thinking(*given["think"]) if given["think"] else None,
        chat=ChatSettings(given["system"], unescape_newlines(given["begin"]), parse_name_values(given["chat_args"]))
        if chat
        else None,
        seed=given["seed"],
        keep_text=given["text"],
    )


def _engine(given: dict[str, Any], settings: CollectionSettings) -> Sampler:
    """Return the engine that the options name. Raises click.UsageError for options that contradict each other."""
    if bool(given["server"]) == given["vllm"]:
        raise click.UsageError("give --server URL for a model that is served, or --vllm to run it here")
    template = ChatTemplate.load(given["chat_template"]) if given["chat_template"] else None
    if given["vllm"]:
        from envdata.collect.vllm_engine import VLLMEngine

        return VLLMEngine(given["model"], _vllm_arguments(given), template=template, scored=settings.probes)
    if given["vllm_args"] or given["tensor_parallel"] or given["data_parallel"]:
        raise click.UsageError("--vllm-arg, --tensor-parallel and --data-parallel are for --vllm")
    # Imported here: the SDKs take a second to load, which other commands do not need.
    if given["protocol"] == "anthropic":
        return _anthropic_sampler(given, settings)
    from envdata.collect.final_answers import FinalAnswerSampler
    from envdata.collect.openai_client import Client
    from envdata.collect.openai_server import OpenAIServer
    from graph.explorers.models.connection_settings import check_connection

    check_keys()
    check_connection("openai")
    concurrency, timeout = given["concurrency"], given["timeout"]
    key = server_key(given["server"])
    client = Client(given["server"], given["model"], key=key, concurrency=concurrency, timeout=timeout)
    if settings.probes:
        return OpenAIServer(client, template=template)
    return FinalAnswerSampler(client, chat=settings.chat is not None, thinking=settings.thinking)


def _anthropic_sampler(given: dict[str, Any], settings: CollectionSettings) -> Sampler:
    """Return a sampler of whole answers. Raises click.UsageError for settings that the Messages API cannot keep."""
    from envdata.collect.anthropic_streams import AnthropicStreams
    from envdata.collect.stream_sampler import StreamSampler
    from graph.explorers.models.connection_settings import check_connection

    if settings.probes or settings.chat is None:
        raise click.UsageError("--protocol anthropic gives whole answers in a chat: give --no-probe and --chat")
    check_keys(ANTHROPIC_KEY)
    check_connection("anthropic")
    key = server_key(given["server"], ANTHROPIC_KEY)
    streams = AnthropicStreams(
        given["server"], given["model"], key=key, concurrency=given["concurrency"], timeout=given["timeout"]
    )
    return StreamSampler(streams, settings.thinking)


def check_keys(variable: str = OPENAI_KEY) -> None:
    """Raise ExplorerError for a key in `variable`, or in a server's own one, that cannot be sent."""
    from graph.explorers.models.connection_settings import service_key

    for each in (*KEY_VARIABLES, variable):
        service_key(each)


def _vllm_arguments(given: dict[str, Any]) -> dict[str, Any]:
    arguments = parse_name_values(given["vllm_args"])
    for option, name in (("tensor_parallel", "tensor_parallel_size"), ("data_parallel", "data_parallel_size")):
        if given[option] is not None:
            arguments[name] = given[option]
    return arguments


def _default_at_once(given: dict[str, Any], settings: CollectionSettings) -> int:
    """Return a number of questions at a time with which vLLM always has a trace waiting for a free sequence."""
    sequences = int(parse_name_values(given["vllm_args"]).get("max_num_seqs", 256))
    return 1 + -(-2 * sequences // settings.branches)


def _provenance(given: dict[str, Any]) -> Provenance:
    # The path of a folder holds on this machine only; its name and the hashes of the weights identify the model.
    model = Path(given["model"]).name if given["vllm"] and Path(given["model"]).is_dir() else given["model"]
    named = source_name(given["spec"])
    return Provenance(model, given["description"], named, {path.name: _sha256(path) for path in given["weights"]})


def read_template(path: Path | None) -> str | None:
    """Return the text of a template file, None without one. Raises click.ClickException if it cannot be read."""
    if path is None:
        return None
    try:
        return read_text(path)
    except (TextFileError, OSError) as error:
        raise click.ClickException(f"{path} cannot be read: it {error}") from None


def parse_name_values(given: tuple[str, ...]) -> dict[str, Any]:
    """Return NAME=VALUE options as a dict; a value that is not JSON is text. Raises click.UsageError without `=`."""
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{text!r} is not NAME=VALUE")
        try:
            values[name] = parse(value)
        except ValueError:
            values[name] = value
    return values


def _print_result(result: CollectionResult, out: Path) -> None:
    """Print the size of the grid and the model's usage."""
    click.echo(f"{out}: {result.collected} questions")
    usage = result.usage
    cached = "" if usage.cached is None else f", {usage.cached:,} of them from the prefix cache"
    click.echo(f"{usage.decoded:,} tokens decoded; prompts of {usage.prompt:,} tokens{cached}", err=True)
    if result.given_up:
        click.echo(
            f"{result.given_up} answers took too long to be read as mathematics and are compared as text; the grid's "
            "provenance lists them (given_up)",
            err=True,
        )
    for question, error in result.left_out.items():
        echo(f"left out: {question[:60]!r}: {error}", err=True)
    if result.left_out:
        click.echo("The same command asks the left-out questions again.", err=True)


def unescape_newlines(text: str) -> str:
    r"""Return text with each typed \n replaced by a line end, which is hard to type in a shell."""
    return text.replace("\\n", "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
