r"""Tidying of answers: removes frames (dollar signs, boxes, fonts, spaces) and unifies notations of one LaTeX command.

Text inside a formula (`\text{ cm}`, `\mathrm{km}`) is put between the marks `TEXT_OPEN` and `TEXT_CLOSE`, so that later
steps know that it was written as text.
"""

import re
import unicodedata

TEXT_OPEN, TEXT_CLOSE = "⟦", "⟧"
"""Marks around text inside a formula."""

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
_SUPERSCRIPTS = {**SUPERSCRIPTS, "ⁿ": "n"}
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
VULGAR_FRACTIONS = {
    character: unicodedata.normalize("NFKC", character).replace("⁄", "/") for character in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
}
"""Single characters that are fractions, as `p/q`."""
_SIGNS = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "‒": "-",
    "―": "-",
    "﹣": "-",
    "⁄": "/",
    "∕": "/",
    "÷": r" \div ",
    "×": r" \times ",
    "·": r" \cdot ",
    "⋅": r" \cdot ",
    "∙": r" \cdot ",
    "∗": "*",
    "√": r"\sqrt ",
    "∛": r"\sqrt[3]",
    "π": r"\pi ",
    "∞": r"\infty ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "⩽": r"\le ",
    "⩾": r"\ge ",
    "≠": r"\ne ",
    "≈": r"\approx ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "∅": r"\emptyset ",
    "ℝ": r"\R ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "°": r"^\circ ",
    "º": r"^\circ ",
    "…": r"\ldots ",
    "⋯": r"\ldots ",
    "θ": r"\theta ",
    "α": r"\alpha ",
    "β": r"\beta ",
    "γ": r"\gamma ",
    "λ": r"\lambda ",
    "μ": r"\mu ",
    "φ": r"\phi ",
    "ω": r"\omega ",
    "σ": r"\sigma ",
    "δ": r"\delta ",
    "ε": r"\epsilon ",
    "′": "'",
    "’": "'",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "⌈": r"\lceil ",
    "⌉": r"\rceil ",
    "∖": r"\setminus ",
    "∠": r"\angle ",
    "¢": " cents",
    "∧": r"\land ",
    "∨": r"\lor ",
    "￥": "¥",
}
_SPACES = re.compile(
    r"(?<!\\)\\[,;:> ]|\\q?quad(?![A-Za-z])|~|\\(?:thinspace|enspace|hspace\*?\{[^{}]*\})"
    r"|[\u00a0\u2000-\u200a\u202f\u205f]"
)
_NOTHING = re.compile(
    r"\\!|\\(?:displaystyle|textstyle|scriptstyle|limits|left|right|[bB]igg?[lrm]?|mathstrut|strut|phantom\{[^{}]*\})(?![A-Za-z])\.?"
    r"|[\u200b-\u200d\u2060\ufeff]|\\(?:rm|bf|it|sf|cal)(?![A-Za-z])"
)
_TEXTS = re.compile(
    r"\\(?:text(?:bf|it|rm|normal|sf|tt|up|sc)?|mbox|hbox|math(?:rm|bf|it|sf|normal|tt)|operatorname\*?|emph|boldsymbol|bm|underline)\s*"
    r"\{((?:[^{}\\]|\\[%$,;!: ]|\\circ )*)\}"
)
_SYNONYMS = {
    "dfrac": "frac",
    "tfrac": "frac",
    "cfrac": "frac",
    "nicefrac": "frac",
    "sfrac": "frac",
    "flatfrac": "frac",
    "surd": "\\sqrt ",
    "varepsilon": "epsilon",
    "varphi": "phi",
    "vartheta": "theta",
    "leq": "le",
    "leqslant": "le",
    "geq": "ge",
    "geqslant": "ge",
    "neq": "ne",
    "varnothing": "emptyset",
    "lbrace": "{",
    "rbrace": "}",
    "lbrack": "[",
    "rbrack": "]",
    "dots": "ldots",
    "cdots": "ldots",
    "dotsc": "ldots",
    "dotsb": "ldots",
    "dotso": "ldots",
    "infin": "infty",
    "degree": "^\\circ ",
    "lvert": "|",
    "rvert": "|",
    "vert": "|",
    "mid": "|",
    "colon": ":",
    "lparen": "(",
    "rparen": ")",
    "wedge": "land",
    "vee": "lor",
    "tbinom": "binom",
    "dbinom": "binom",
    "lt": "<",
    "gt": ">",
    "Reals": "R",
    "reals": "R",
    "backslash": "setminus",
    "langle": "⟨",
    "rangle": "⟩",
    "smallsetminus": "setminus",
    "simeq": "approx",
    "ast": "*",
    "percent": "%",
    "euro": "€",
    "pounds": "£",
    "slash": "/",
}
_PLAIN = {"lbrace": r"\{", "rbrace": r"\}"}
_LEAD = re.compile(
    r"^(?:so|thus|hence|therefore)?,?\s*(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|solution|result|value)s?"
    r"(?:\s+(?:is|are|equals?))?\s*[:=]?\s+(?=\S)|^(?:answer|solution|result)\s*:\s*",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    rf"^(?:\\approx|\\sim"
    rf"|{TEXT_OPEN}?\s*(?:approximately|approx\.?|about|roughly|exactly|around|a total of)"
    rf"\s*{TEXT_CLOSE}?)(?![A-Za-z])\s*",
    re.I,
)
_DECORATION = re.compile(
    r"\\(?:color|textcolor|colorbox|definecolor)\s*\{[^{}]*\}|\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z])"
    r"|\\(?:checkmark|blacksquare|square|qed|hfill)(?![A-Za-z])|[\u2705\u2713\u2714\u25a0\u25a1\u220e]"
)
"""Colours, sizes and marks of an end."""
_FORMULA_WITHIN = re.compile(r"(?<!\\)\$(?!\$)(\S|[^\s$][^$]*[^\s$\\])\$(?![\d$])")
"""A formula between dollar signs, which are no currency's: `$2$ and $3$`."""
_BETWEEN_EQUATIONS = re.compile(r"(?<==)(\s*[^=,;\s]+)\s*\\q?quad\s*(?=[A-Za-z](?:_\{?\w+\}?)?\s*=)")
_OVER = re.compile(r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}|^\$*([^{}=,$]*)\\over(?![A-Za-z])([^{}=,$]*)\$*$")
_UNIT_QUOTIENT = re.compile(
    rf"\\frac\s*\{{\s*{TEXT_OPEN}([A-Za-z ]+){TEXT_CLOSE}\s*\}}"
    rf"\s*\{{\s*{TEXT_OPEN}([A-Za-z ]+){TEXT_CLOSE}(\^\{{?\d\}}?)?\s*\}}"
)
_WRITTEN = (
    # Thousands, in the notation of programs and of Switzerland.
    (re.compile(r"(?<![\w.])\d{1,3}(?:_\d{3})+(?![\w{])"), lambda found: _joined(found)),
    (re.compile(r"(?<![\w.])\d{1,3}(?:'\d{3})+(?!['\d])"), lambda found: _joined(found)),
    (re.compile(r"\^\s*\{?(\d+)\}?\s*/\s*_\s*\{?(\d+)\}?"), r"\\frac{\1}{\2}"),
    (re.compile(r"(?<=[\d}])\s*\^\s*(?:\{\s*o\s*\}|o(?![A-Za-z0-9]))"), r"^\\circ "),
    (re.compile(r"(?<![\w}])(\d+)\s*\^\s*\{?\s*\\circ\s*\}?\s*(\d+(?:\.\d+)?)\s*(?:'|\^\s*\{?\\prime\s*\}?)(?![\w'])"),
     r"(\1+\\frac{\2}{60})^\\circ "),
    (re.compile(r"^(\d+)\s*'\s*(\d+(?:\.\d+)?)\s*(?:''|\"|inches)$"), r"\1 feet \2 inches"),
    (re.compile(r"(?<![A-Za-z\\])oo(?![A-Za-z])"), r"\\infty "),
)  # fmt: skip
"""Rarer notations of numbers, and the usual ones."""
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])\s*")


def tidied(text: str) -> str:
    """Return an answer in a unified notation, without frames."""
    text = _characters(text)
    text = _FORMULA_WITHIN.sub(r" \1 ", text)
    text = re.sub(r"(?<=\d)\{,\}(?=\d{3}(?!\d))", ",", text)
    text = re.sub(r"(?<=\d)\{,\}(?=\d)", ".", text)
    # Spaces between groups of three digits separate thousands; elsewhere they are spaces.
    text = re.sub(r"(?<=\d),\s*\\!\s*(?=\d{3})", ",", text)
    text = re.sub(
        r"(?<![\d.,])\d{1,3}(?:(?:\\[,;:! ]|~|\\thinspace|[\u00a0\u2009\u202f])\s?\d{3})+(?![\d])", _joined, text
    )
    text = _BETWEEN_EQUATIONS.sub(r"\1, ", text)
    text = _SPACES.sub(" ", text)
    text = _DECORATION.sub(" ", _NOTHING.sub("", text))
    text = re.sub(r"\\([A-Za-z]+)", lambda found: _synonym(found.group(1)), text)
    for written, command in (("<=", r"\le "), (">=", r"\ge "), ("!=", r"\ne "), ("==", "="), ("~=", r"\approx ")):
        text = text.replace(written, command)
    text = re.sub(r"\\mathbb\s*\{?\s*([RZNQC])\s*\}?", r"\\\1 ", text)
    text = re.sub(r"\\(?:mathbf|mathit|boldsymbol|bm)\s*\{\s*([A-Za-z])\s*\}", r" \1 ", text)
    text = _OVER.sub(_fraction, text)
    for pattern, replacement in _WRITTEN:
        text = pattern.sub(replacement, text)
    for _ in range(3):
        text = _TEXTS.sub(lambda found: f"{TEXT_OPEN}{found.group(1)}{TEXT_CLOSE}", text)
    text = re.sub(rf"{TEXT_OPEN}\s*([.,;:]?|\\?%|\^\\circ)\s*{TEXT_CLOSE}", r"\1 ", text)
    text = _UNIT_QUOTIENT.sub(rf"{TEXT_OPEN}\1/\2{TEXT_CLOSE}\3", text)
    text = text.replace(r"\%", "%").replace(r"\$", "$").replace(r"\#", "#").replace(r"\&", "&")
    return unframed(" ".join(text.split()))


def unframed(text: str) -> str:
    """Return a text without frames around the whole of it."""
    while True:
        before = text
        text = text.strip().removeprefix("**").removesuffix("**").strip().strip("`").strip()
        text = re.sub(r"^\*([^*]+)\*$", r"\1", text)
        # A space or a row break of LaTeX that lost what followed.
        text = re.sub(r"(?<=[^\s\\])\s*\\{1,2}$", "", text)
        text = re.sub(r"(?<=[^.\s])\s*[.,;:]$", "", text)
        for start, end in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
            inner = text[len(start) : -len(end)]
            if len(text) > len(start) + len(end) and text.startswith(start) and text.endswith(end) and "$" not in inner:
                text = inner
        box = _BOX.match(text)
        if box:
            text = text[box.end() :]
        if whole_group(text, "{", "}"):
            # {1,2} is a set with its backslashes left out.
            text = rf"\{text[:-1]}\}}" if "," in text and "=" not in text else text[1:-1]
        if whole_group(text, TEXT_OPEN, TEXT_CLOSE):
            text = text[1:-1]
        lead = _LEAD.sub(
            "",
            re.sub(
                rf"^{TEXT_OPEN}\s*((?:the\s+)?(?:final\s+)?answer(?:\s+is)?:?)\s*{TEXT_CLOSE}", r"\1 ", text, flags=re.I
            ),
        )
        text = lead or text
        text = _ABOUT.sub("", text) or text
        text = re.sub(r"\s*\(approx(?:\.|imately)?\)$", "", text)
        text = re.sub(r"(?<=\d)\s*(?:\"|'')$", " inches", text)
        text = re.sub(r"^(-?\d+) and (\d+/\d+)(?=\s|$)", r"\1 \2", text)
        if text == before:
            return text


def whole_group(text: str, start: str, end: str) -> bool:
    """Return whether the group that opens at the first character closes at the last one.

    Args:
        text: A text.
        start: The opening bracket.
        end: The closing bracket.
    """
    if len(text) < 2 or not text.startswith(start) or not text.endswith(end) or text.endswith("\\" + end):
        return False
    depth = 0
    for place, character in enumerate(text):
        if character in (start, end) and (place == 0 or text[place - 1] != "\\"):
            depth += 1 if character == start else -1
            if depth == 0:
                return place == len(text) - 1
    return False


def _characters(text: str) -> str:
    """Return a text with ASCII or LaTeX in place of mathematical characters."""
    text = re.sub(
        "[" + "".join(_SUPERSCRIPTS) + "]+",
        lambda found: "^{" + "".join(_SUPERSCRIPTS[c] for c in found.group()) + "}",
        text,
    )
    text = re.sub(
        "[" + "".join(_SUBSCRIPTS) + "]+",
        lambda found: "_{" + "".join(_SUBSCRIPTS[c] for c in found.group()) + "}",
        text,
    )
    text = re.sub("[" + "".join(VULGAR_FRACTIONS) + "]", lambda found: f" {VULGAR_FRACTIONS[found.group()]} ", text)
    text = "".join(_SIGNS.get(character, character) for character in text)
    return unicodedata.normalize("NFKC", text) if not text.isascii() else text


def _fraction(found: re.Match[str]) -> str:
    r"""Return `{1 \over 2}` as \frac."""
    top, bottom = found[1] or found[3] or "", found[2] or found[4] or ""
    return rf"\frac{{{top}}}{{{bottom}}}"


def _joined(found: re.Match[str]) -> str:
    """Return a number without the separators of its thousands."""
    return re.sub(r"\D", "", found.group())


def _synonym(name: str) -> str:
    """Return the usual name of a LaTeX command."""
    known = _SYNONYMS.get(name)
    if known is None:
        return f"\\{name}"
    return _PLAIN.get(name) or (f"\\{known}" if known.isalpha() else known)
