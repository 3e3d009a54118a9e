"""`autotts answers`: prints how pairs of a reference answer and an answer are read and compared."""

from pathlib import Path

import click

from envdata.collect.answer_pairs import Judgement, judge, read_pairs
from envdata.collect.answer_rules import ANSWER_RULES
from envdata.collect.engine import CollectError
from envdata.collect.questions import QuestionError
from graph.cli.plugin_names import PluginName


@click.command("answers")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.csv")
@click.option("--rule", type=PluginName(ANSWER_RULES), default="math", show_default=True,
              help="How answers are read and compared, where the file has no column rule.")  # fmt: skip
def answers_command(file: Path, rule: str) -> None:
    """Print how each pair of a reference answer and an answer in FILE.csv is read and judged.

    The columns are gold and answer; rule names a rule for each row, and equal (1 or 0) what the judgement should be:
    the last line then says how many are right. A column text instead of answer holds whole texts, in which the answer
    is found first.
    """
    try:
        pairs = read_pairs(file, rule)
        expected = right = 0
        for judgement in judge(pairs):
            click.echo(_line(judgement))
            expected += judgement.right is not None
            right += judgement.right is True
    except QuestionError as error:
        text = str(error)
        raise click.ClickException(text if text.startswith(str(file)) else f"{file}: {text}") from None
    except CollectError as error:
        raise click.ClickException(str(error)) from None
    if expected:
        click.echo(f"{right} of {expected} right")


def _line(judgement: Judgement) -> str:
    """Return the line that is printed for a pair."""
    pair = judgement.pair
    verdict = {None: "", True: "  right", False: "  WRONG"}[judgement.right]
    note = "  (too much to read; compared as text)" if judgement.given_up else ""
    sign = "=" if judgement.equal else "≠"
    return (
        f"{pair.line}: {pair.rule.kind}: {_quoted(pair.gold)} ({judgement.gold}) {sign} "
        f"{_quoted(pair.answer)} ({judgement.answer}){note}{verdict}"
    )


def _quoted(text: str) -> str:
    return " ".join(text.split()) or "nothing"
