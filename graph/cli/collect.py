"""`autotts grid collect`: a replay grid from a model server."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import cast

import click

from envdata.collect.engine import CollectError, Sampling
from envdata.collect.extraction import AnswerRule, Kind
from envdata.collect.questions import DEFAULT_TEMPLATE, GENERATOR, QuestionError, load_questions
from envdata.collect.run import Outcome, Source, collect
from envdata.collect.settings import Settings
from envdata.grid import GridError


@click.command("collect")
@click.option("--server", required=True, help="URL of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1.")
@click.option("--model", required=True, help="The model's name on that server.")
@click.option("--description", default="", help="What the model is, for the grid's provenance.")
@click.option("--questions", "spec", required=True, help="A JSONL file, or word-problems?count=48&seed=1&skip=0.")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The Parquet file to write."
)
@click.option("--interval", required=True, type=click.IntRange(1), help="Tokens between two probes.")
@click.option("--branches", default=64, show_default=True, type=click.IntRange(1), help="Traces a question.")
@click.option("--temperature", default=0.8, show_default=True, type=click.FloatRange(0))
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="Left to the server unless given.")
@click.option("--max-tokens", default=2048, show_default=True, type=click.IntRange(1), help="Longest trace.")
@click.option("--stop", multiple=True, help=r"Text that ends a trace; \n is a line end. May be repeated.")
@click.option("--closing", default=r"\nAnswer:", show_default=True, help="What makes a cut trace answer.")
@click.option("--marker", help="What an answer follows, where that is not the whole closing.")
@click.option("--answers", default="math", show_default=True, type=click.Choice(["math", "number", "exact"]),
              help="What is equal: by math-verify, as the first number, or as exact strings.")  # fmt: skip
@click.option("--probe-tokens", default=8, show_default=True, type=click.IntRange(1), help="Longest probe.")
@click.option(
    "--template", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Prompt with {question}."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--weights", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Weight file to record the hash of. May be repeated.")  # fmt: skip
@click.option("--text/--no-text", default=True, show_default=True, help="Keep the traces' text.")
@click.option("--at-once", default=2, show_default=True, type=click.IntRange(1), help="Questions under way together.")
@click.option("--timeout", default=900.0, show_default=True, type=click.FloatRange(1), help="Seconds a request.")
def collect_command(
    server: str,
    model: str,
    description: str,
    spec: str,
    out: Path,
    interval: int,
    branches: int,
    temperature: float,
    top_p: float | None,
    max_tokens: int,
    stop: tuple[str, ...],
    closing: str,
    marker: str | None,
    answers: str,
    probe_tokens: int,
    template: Path | None,
    seed: int,
    weights: tuple[Path, ...],
    text: bool,
    at_once: int,
    timeout: float,
) -> None:
    """Collect a replay grid: traces of a model, cut every INTERVAL tokens and probed at every cut.

    Each question is kept when it is finished; after an interruption the same command goes on. A key for the server is
    read from OPENAI_API_KEY.
    """
    # Imported here: the SDK takes a second to load, which no other command should pay.
    from envdata.collect.openai_server import OpenAIServer

    try:
        closing = _line_ends(closing)
        settings = Settings(
            interval=interval,
            branches=branches,
            sampling=Sampling(temperature, top_p, max_tokens, tuple(map(_line_ends, stop))),
            closing=closing,
            probe_tokens=probe_tokens,
            answers=_answer_rule(closing, marker, cast("Kind", answers)),
            seed=seed,
            keep_text=text,
        )
        questions = load_questions(spec, template.read_text("utf-8") if template else DEFAULT_TEMPLATE)
        # A file's folder is of this machine, and the questions' own hash says which they were.
        named = spec if spec.startswith(f"{GENERATOR}?") else Path(spec).name
        source = Source(model, description, named, {path.name: _sha256(path) for path in weights})
        key = os.environ.get("OPENAI_API_KEY") or "none"
        engine = OpenAIServer(server, model, api_key=key, concurrency=2 * at_once, timeout=timeout)
        outcome = asyncio.run(collect(engine, questions, settings, source, out, at_once=at_once))
    except (CollectError, QuestionError, GridError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("\nInterrupted. Finished questions are kept; the same command goes on from them.", err=True)
        raise SystemExit(130) from None
    _report(outcome, out)


def _report(outcome: Outcome, out: Path) -> None:
    click.echo(f"{out}: {outcome.collected} questions")
    for question, error in outcome.left_out.items():
        click.echo(f"left out: {question[:60]!r}: {error}", err=True)
    if outcome.left_out:
        click.echo("The same command asks the left-out questions again.", err=True)


def _line_ends(text: str) -> str:
    r"""Turn a typed \n into a line end, which no shell makes easy to type."""
    return text.replace("\\n", "\n")


def _answer_rule(closing: str, marker: str | None, kind: Kind) -> AnswerRule:
    return AnswerRule(_line_ends(marker), kind) if marker else AnswerRule.after(closing, kind)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
