"""Answer rules by name: each finds the answer in the text after its marker and writes equal answers alike.

A rule is a function of that text. It returns the answer with its start and end as character offsets, or None if there
is none. Answers are compared as strings, so a rule has one notation for equal answers: `number` gives `1200` for
"1,200.0". Only for `math` a comparison of meanings follows (`envdata.collect.equality`).

Another package registers a rule through an entry point of the group `autotts.answer_rules`.
"""

import functools
import re
from collections.abc import Callable

from envdata.errors import UserError
from envdata.plugins import PluginGroup

Finder = Callable[[str], tuple[str, int, int] | None]
"""A rule's function."""

MATH, EXACT = "math", "exact"


class AnswerRuleError(UserError, ValueError):
    """There is no such answer rule, or it cannot be used; the message names it and the rules there are."""


ANSWER_RULES = PluginGroup(
    "autotts.answer_rules",
    "answer rule",
    {
        MATH: "envdata.collect.answer_rules:find_expression",
        "number": "envdata.collect.equality.numbers:find_number",
        "choice": "envdata.collect.equality.choices:find_choice",
        EXACT: "envdata.collect.answer_rules:find_text",
    },
    AnswerRuleError,
)
"""All answer rules."""

_LEAD = re.compile(r"(?:\\text\s*\{)?\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is)?\s*:?\s*\}?\s*(?=\S)", re.IGNORECASE)


@functools.cache
def finder(name: str) -> Finder:
    """Return the function of the answer rule called `name`. Raises AnswerRuleError.

    Results of other packages' rules are checked.
    """
    find: Finder = ANSWER_RULES.load(name)
    if not callable(find):
        raise ANSWER_RULES.failure(name, "is not callable; name a function of a text")
    if name in ANSWER_RULES.built_in:
        return find

    def checked(text: str) -> tuple[str, int, int] | None:
        found = find(text)
        if found is None:
            return None
        try:
            answer, start, end = found
            sound = isinstance(answer, str) and 0 <= start <= end <= len(text)
        except (TypeError, ValueError):
            sound = False
        if not sound:
            raise ANSWER_RULES.failure(
                name,
                f"gave {found!r} for a text of {len(text)} characters; give the answer as a string and the offsets of "
                "its first character and of the one after its last, or None",
            )
        return answer, start, end

    return checked


def find_text(text: str) -> tuple[str, int, int] | None:
    """Return the whole text without spaces around it, with its start and end; None if it is empty."""
    answer = text.strip()
    start = text.index(answer)
    return (answer, start, start + len(answer)) if answer else None


def find_expression(text: str) -> tuple[str, int, int] | None:
    """Return the text as `find_text`, without words such as "the final answer is" before it."""
    found = find_text(text)
    if found is None:
        return None
    answer, start, end = found
    lead = _LEAD.match(answer)
    skipped = lead.end() if lead else 0
    return answer[skipped:], start + skipped, end
