"""Files within listings: with line numbers or an interpreter's prompts, escaped, or in a shell's here-document."""

import re
import textwrap

_NUMBERED = re.compile(r"[ \t]*\[?(\d{1,5})(?:[ \t]?[|│:→.\]]|(?=[ \t]|$))")
_PROMPTED = re.compile(r"(?:>>>|\.\.\.)(?: |$)")
_HERE = re.compile(r"""(?:^|[\s;&$|])(?:cat|tee)\b[^\n]{0,200}<<-?[ \t]*\\?['"]?(\w{1,40})['"]?""")
_JSON = re.compile(r"\s*(?:<[^<>\n]{0,200}>\s*)?[{\[]")
_TITLE = re.compile(
    r"\s*(?:%%[a-z]\w{0,20}\b[^\n]{0,200}|(?://|--+|==+|<!--)?\s*(?:file(?:name|path)?\s*[:=]\s*)?"
    r"[\"'`*]{0,3}[\w./-]{1,100}\.py[\"'`*]{0,3}\s*(?:--+|==+|-->|:)?)\s*$",
    re.IGNORECASE,
)
"""A first line that names the file, or that a notebook writes it by."""
FEW_LINES = 2
"""Lines of a text, at most, whose escaped line ends are taken for line ends."""


def unlisted(text: str) -> str:
    """Return the file in a listing; the text itself if it is none.

    Args:
        text: Text of a code block, with a line end after its last line.
    """
    if text.count("\n") <= FEW_LINES and text.count("\\n") > FEW_LINES and not _JSON.match(text):
        text = text.replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t").strip("\n") + "\n"
    lines = text.strip("\n").split("\n")
    inner = _here_document(lines) or (lines[1:] if _TITLE.match(lines[0]) else lines)
    numbers = [_NUMBERED.match(line) for line in inner]
    values = [int(each[1]) for each in numbers if each]
    if len(values) == len(inner) > FEW_LINES and values == list(range(values[0], values[0] + len(inner))):
        bare = (line[each.end() :] for line, each in zip(inner, numbers, strict=True) if each)
        inner = textwrap.dedent("\n".join(bare)).split("\n")
    elif all(_PROMPTED.match(line) for line in inner if line.strip()) and any(line.strip() for line in inner):
        inner = [line[4:] for line in inner]
    elif inner is lines:
        return text
    return "\n".join(inner).strip("\n") + "\n"


def _here_document(lines: list[str]) -> list[str]:
    """Return the lines of the first here-document that holds a class; empty if there is none.

    A shell's commands may stand before it and after it.
    """
    for place, line in enumerate(lines):
        here = _HERE.search(line)
        if here is not None:
            end = next((i for i in range(place + 1, len(lines)) if lines[i].strip() == here[1]), len(lines))
            inner = lines[place + 1 : end]
            if any(each.lstrip("\t").startswith("class ") for each in inner):
                return inner
    return []
