"""Texts that mark the absence of an answer.

Answers are compared as plain strings. A probe can come back without one; the published replay data writes that as
`ERR`, `?` or `No`, and an empty string means the same.
"""

UNPARSED: frozenset[str] = frozenset({"", "ERR", "?", "No"})
"""Texts that are not answers.

A branch with one of them as its final answer is never right, and votes do not count it.
"""

NO_ANSWER = ""
"""The text that the collector records where it finds no answer; one of `UNPARSED`."""


def is_parsed(answer: str) -> bool:
    """Return whether a text is an answer, rather than a mark for the absence of one.

    Args:
        answer: An answer as a grid records it. White space around it is not ignored.

    Returns:
        False for the texts in `UNPARSED`, True for every other text.
    """
    return answer not in UNPARSED
