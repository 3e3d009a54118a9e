"""Which of a model's answers are answers at all.

Answers are compared as plain strings. A probe can come back without one; the published replay data writes that as
`ERR`, `?` or `No`, and an empty string says the same.
"""

UNPARSED: frozenset[str] = frozenset({"", "ERR", "?", "No"})


def is_parsed(answer: str) -> bool:
    """Say whether `answer` is an answer, rather than the mark of a probe that found none."""
    return answer not in UNPARSED
