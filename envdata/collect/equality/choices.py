"""The rule `choice`: a letter from A to J, several of them, or yes, no, true and false."""

import re

_FULL_WIDTH = {0xFF21 + place: chr(ord("A") + place) for place in range(10)} | {0xFF08: "(", 0xFF09: ")", 0xFF1A: ":"}
_QUOTED = re.compile(r"['‘’]([A-Ja-j])['‘’]")
_WORDS = {
    "I": re.compile(r"\s+[a-z']"),
    "A": re.compile(r"\s+(?!(?:is|are|was|because|since|as|and|or|with|by|due|which|where|for|would|must|can)\b)[a-z]"),
}
"""Letters that are words too, and what follows the word."""
_NO_WORD = re.compile(r"(?!)")
_MARKUP = re.compile(r"\\[A-Za-z]+|\\[,;! ]|[*$`\"{}~_]")
_LEAD = (
    r"(?:(?:so|thus|hence|therefore),?\s+)?(?:both\s+)?(?:the\s+)?(?:final\s+|correct\s+|right\s+|best\s+)*(?:answers?|options?|choices?)?"
    r"(?:\s+(?:is|are|choice|option))*\s*[:=]?\s*(?:option\s+|choice\s+|letter\s+)?"
)
_LETTER = r"[(\[]?\s*([A-Ja-j])\s*[)\]]?"
_ALONE = re.compile(rf"\s*{_LEAD}{_LETTER}\s*[.:,;!)]*\s*", re.IGNORECASE)
_SEVERAL = re.compile(
    rf"\s*{_LEAD}(?P<letters>[(\[]?[A-J][)\]]?(?:(?:\s*[,;&/]\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+)[(\[]?[A-J][)\]]?)+)\s*\.?\s*(?![A-Za-z])"
)
_FIRST = re.compile(rf"\s*(?i:{_LEAD})(?:[(\[]\s*([A-Ja-j])\s*[)\]]|([A-Ja-j])\s*[).:]|([A-J])(?![\w']))")
_NAMED = re.compile(
    r"(?i:answer|choice|option|select|choose)(?:(?i:\s+is|\s+would be|\s+must be))?\s*:?\s*[(\[]?\s*([A-J])(?![\w'])"
)
_BRACKETED = re.compile(r"[(\[]\s*([A-J])\s*[)\]]")
_LONE = re.compile(r"(?<![\w'])([B-HJ])(?![\w'])")
_TRUTH = re.compile(rf"\s*(?:{_LEAD})(yes|no|true|false)(?![\w'])", re.IGNORECASE)


def find_choice(text: str) -> tuple[str, int, int] | None:
    """Return the choice in a text, as `A`, `A,C` or `yes`, with its start and end as character offsets.

    None if there is no choice.
    """
    # Markup becomes spaces, so that offsets stay the same.
    plain = text.translate(_FULL_WIDTH)
    plain = _QUOTED.sub(r" \1 ", _MARKUP.sub(lambda found: " " * len(found.group()), plain))
    word = _TRUTH.match(plain)
    if word:
        return word[1].lower(), *word.span(1)
    alone = _ALONE.fullmatch(plain)
    if alone:
        return alone[1].upper(), *alone.span(1)
    together = re.fullmatch(r"\s*([A-J](?:\s*[A-J]){1,5})\s*\.?\s*", plain)
    if together and len(set(letters := together[1].split() if " " in together[1] else list(together[1]))) == len(
        letters
    ):
        return ",".join(sorted(letters)), *together.span(1)
    several = _SEVERAL.match(plain)
    if several:
        letters = sorted(set(re.findall("[A-J]", several["letters"].replace("and", ""))))
        return ",".join(letters), *several.span("letters")
    first = _FIRST.match(plain)
    # "I think B", "A person": a letter that is also a word counts only where no other letter is named.
    if first and not (_WORDS.get(first[3] or "") or _NO_WORD).match(plain, first.end()):
        return _taken(first)
    for pattern in (_NAMED, _BRACKETED):
        found = list(pattern.finditer(plain))
        if found:
            return _taken(found[-1] if pattern is _NAMED else found[0])
    lone = list(_LONE.finditer(plain))
    return _taken(lone[0]) if len({found[1] for found in lone}) == 1 else None


def _taken(found: re.Match[str]) -> tuple[str, int, int]:
    """Return the letter that a pattern found, with its start and end."""
    number = next(number for number, letter in enumerate(found.groups(), 1) if letter)
    return found[number].upper(), *found.span(number)
