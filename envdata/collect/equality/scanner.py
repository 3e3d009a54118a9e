"""Scanner over the text of a formula."""

import re


class NotExplicitError(ValueError):
    """A text that `explicit` cannot write out; the message names the place where it stops being understood."""


class Scanner:
    """A text and the place of the next character to read."""

    def __init__(self, text: str) -> None:
        """Start at the first character."""
        self.text, self.place = text, 0

    def stuck(self) -> NotExplicitError:
        """Return the error for the present place."""
        return NotExplicitError(f"{self.text[self.place :][:20]!r} is not understood in {self.text[:60]!r}")

    def spaces(self) -> None:
        """Skip spaces."""
        while self.place < len(self.text) and self.text[self.place] == " ":
            self.place += 1

    def at(self, *starts: str) -> str | None:
        """Return the one of `starts` that the text has here, behind spaces; a command only if its name ends there."""
        self.spaces()
        for start in starts:
            if self.text.startswith(start, self.place):
                end = self.place + len(start)
                if start[0] == "\\" and start[-1].isalpha() and self.text[end : end + 1].isalpha():
                    continue
                return start
        return None

    def take(self, *starts: str) -> str | None:
        """Return and skip the one of `starts` that the text has here; None if there is none."""
        found = self.at(*starts)
        self.place += len(found) if found else 0
        return found

    def need(self, start: str) -> None:
        """Skip `start`, or raise NotExplicitError if the text does not have it here."""
        if self.take(start) is None:
            raise self.stuck()

    def run(self, pattern: str) -> str:
        """Return and skip the match of a pattern here. Raises NotExplicitError if there is none."""
        found = re.compile(pattern).match(self.text, self.place)
        if found is None:
            raise self.stuck()
        self.place = found.end()
        return found.group()
