"""Tables and short numbers in Markdown."""

from collections.abc import Iterable, Iterator, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table.

    Args:
        head: Headings of the columns.
        rows: Cells of each row, as many as there are headings. Cells are plain text without `|` and line ends.
    """
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def short_tokens(value: float) -> str:
    """Return a number of tokens with two or three digits, as 850, 9.2k, 77k or 910k.

    Args:
        value: Tokens, 0 or more.
    """
    if value < 1000:
        return f"{value:.0f}"
    return f"{value / 1000:.1f}k" if value < 10_000 else f"{value / 1000:,.0f}k"
