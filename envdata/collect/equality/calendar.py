"""Dates and times of day: May 5, 5 May 2021, 2021-05-06, 12:00, 3:30 pm."""

import re

from envdata.collect.equality.forms import Atom, Form, Ordered, Reading
from envdata.collect.equality.values import rational_form

_NAMES = "january february march april may june july august september october november december"
_MONTHS = _NAMES.split()
_MONTH = "|".join([*_MONTHS, *(month[:3] + r"\.?" for month in _MONTHS), r"sept\.?"])
_DAY = r"(\d{1,2})(?:\s*(?:st|nd|rd|th))?"
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?"
_WRITTEN = (
    re.compile(rf"{_WEEKDAY}({_MONTH})\s+{_DAY}(?:,?\s+(\d{{4}}))?", re.IGNORECASE),
    re.compile(rf"{_WEEKDAY}{_DAY}\s+(?:of\s+)?({_MONTH})(?:,?\s+(\d{{4}}))?", re.IGNORECASE),
)
_NUMERIC = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})|(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})|(\d{1,2})-(\d{1,2})-(\d{4})"
)
_TIME = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?\s*(a\.?m\.?|p\.?m\.?|noon|midnight)?", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2})\s*(a\.?m|p\.?m)\.?|(?:12 )?(noon|midnight)", re.IGNORECASE)


def read(text: str) -> Form | None:
    """Return the form of a date or a time; None for another text."""
    for number, pattern in enumerate(_WRITTEN):
        found = pattern.fullmatch(text)
        if found:
            month, day = (found[1], found[2]) if number == 0 else (found[2], found[1])
            return _date(
                found[3] or "",
                1 + _MONTHS.index(next(name for name in _MONTHS if name[:3] == month[:3].lower())),
                int(day),
            )
    found = _NUMERIC.fullmatch(text)
    if found:
        if found[1]:
            return _date(found[1], int(found[2]), int(found[3]))
        # Either number may be the month: the date is compared as it is written.
        key = "date " + "/".join(str(int(part)) for part in found.groups()[3:] if part)
        month, day, year = (int(part) for part in found.groups()[3:] if part)
        named = (Atom(f"date {month}-{day} {year}"), Atom(f"date {day}-{month} {year}"))
        return Form((Atom(key),), named, key)
    return _time(text)


def _date(year: str, month: int, day: int) -> Form:
    """Return the form of a date; `year` may be empty."""
    key = f"date {month}-{day}"
    if not year:
        return Form((Atom(key),), group=key)
    return Form((Atom(f"{key} {int(year)}"),), (Atom(key),), f"{key} {int(year)}")


def _time(text: str) -> Form | None:
    """Return the form of a time of day, None for another text."""
    found = _HOUR.fullmatch(text)
    if found:
        half = found[3] or found[2]
        hour = int(found[1] or 12)
        return _clock(hour, 0, 0, half) if 1 <= hour <= 12 else None
    found = _TIME.fullmatch(text)
    if found is None or int(found[1]) > 24:
        return None
    form = _clock(int(found[1]), int(found[2]), int(found[3] or 0), found[4] or "")
    if found[4] or found[2].startswith("0"):
        return form
    # 12:15 may also be a ratio, if the other side is certainly one (4:5).
    from fractions import Fraction

    sides = [int(part) for part in found.groups()[:3] if part]
    ratio: tuple[Reading, ...] = (
        (Ordered("ratio", tuple(rational_form(Fraction(side, sides[-1])) for side in sides[:-1])),) if sides[-1] else ()
    )
    return Form(form.own, (*form.dropped, *ratio), form.group)


def _clock(hour: int, minute: int, second: int, half: str) -> Form:
    """Return the form of a time; `half` is "am", "pm", "noon", "midnight" or empty."""
    half = half.lower().replace(".", "")
    written = f"time {hour}:{minute}:{second}"
    if not half and not 13 <= hour <= 24 and hour:
        return Form((Atom(written),), group=written)
    if half in ("pm", "noon"):
        hour = hour % 12 + 12
    elif half in ("am", "midnight"):
        hour %= 12
    key = f"day {hour}:{minute}:{second}"
    # 3:00 may mean 15:00, and so may 3:00 pm.
    return Form((Atom(key),), (Atom(f"time {(hour - 1) % 12 + 1}:{minute}:{second}"),), key)
