r"""Structure of answers: lists, tuples, sets and intervals, equations and inequalities, choices, dates, ratios.

Their parts are numbers, formulas and words (`scalars`). math-verify reads structures too, and is wrong where order or
parts matter: it compares `2,1` with (1,2) as equal, cuts `xy=12` and `1, 2, \ldots, n` to a part of them, subtracts May
6 from nothing and 2021-05-06 from itself, and takes 3:2 for a quotient but 12:00 for one as well.
"""

import re
from collections.abc import Sequence

from envdata.answers import is_parsed
from envdata.collect.equality import calendar, sets
from envdata.collect.equality.forms import Atom, Form, Ordered, Reading, Unordered, unordered
from envdata.collect.equality.rewriting import NAME, has_relation, is_name, usual
from envdata.collect.equality.scalars import atom, compound, scalar, value, wording
from envdata.collect.equality.splitting import closed, split, without_thousands
from envdata.collect.equality.tidying import TEXT_CLOSE, TEXT_OPEN, tidied, unframed, whole_group
from envdata.collect.equality.units import spoken_number
from envdata.collect.equality.values import difference_key, formula, rational_form

_JOINING = re.compile(
    rf",?\s*{TEXT_OPEN}\s*,?\s*(and|or|&)\s*,?\s*{TEXT_CLOSE}|,?\s*(?<![A-Za-z\\])(and|or)(?![A-Za-z])|\\(land|lor)(?![A-Za-z])"
)
_CHOICE = re.compile(
    r"(?:(?:option|choice)\s+)?(?:[(\[]\s*([A-J])\s*[)\]]|([A-J])\s*(?:[).:]|,(?=\s+(?:because|since|as)\b)))[.:]?\s*(.*)",
    re.I,
)
_CHOICES = re.compile(r"[(\[]?\s*[A-J]\s*[)\].]?\s*(?:,|&|and|or)\s*(?:and\s+|or\s+)?[(\[]?\s*[A-J](?![A-Za-z])")
"""Several choices, as in `(A) and (C)`."""
_ARTICLE = re.compile(
    r"an?\s+(?!(?:second|minute|hour|day|week|month|year|foot|mile|meter|gram|pound|dollar|cent)\b)"
    r"([a-z]{3,}(?: [a-z]+)?)"
)
_POINT = re.compile(r"([A-Z])\s*(\((?=[^()]*\d)[^()]*,[^()]*\))")
"""A point with its coordinates: P(3,4)."""
_NOTHING = re.compile(
    r"\\emptyset|\\\{\s*\\\}|(?:the )?(?:empty|null) set|none"
    r"|no (?:real |such )?(?:solutions?|roots?|values?|numbers?|integers?)(?: exists?)?",
    re.IGNORECASE,
)
_NONEXISTENT = re.compile(r"dne|d\.n\.e|does not exist", re.I)
_TRUTH = ("yes", "no", "true", "false")
_SIGNS = re.compile(r"\\(?:pm|mp)(?![A-Za-z])")
_INTEGERS = re.compile(r"\\Z|(?:the )?(?:set of )?(?:all )?(?:the )?integers", re.IGNORECASE)
MOST_PARTS = 60
"""Largest number of parts of a list; a longer one is compared as text."""


def read(text: str) -> Form | None:
    """Return the form of an answer; None for a text that is not one."""
    text = tidied(text)
    return _read(text) if is_answer(text) else None


def is_answer(text: str) -> bool:
    """Return whether a text is an answer. `No` is one here: in a box it answers a question."""
    return bool(text.strip()) and (is_parsed(text.strip()) or text.strip() == "No")


def _read(text: str) -> Form:
    text = usual(unframed(text))
    return _special(text) or _several(text) or _one(text)


def _special(text: str) -> Form | None:
    """Return the form of a fixed phrase, a choice, a spoken number, a measure or a date; None for other texts."""
    plain = re.sub(f"[{TEXT_OPEN}{TEXT_CLOSE}]", " ", text)
    plain = " ".join(plain.split())
    if plain.casefold() in _TRUTH:
        return wording(plain)
    if _NOTHING.fullmatch(plain):
        return sets.empty()
    if _INTEGERS.fullmatch(plain):
        return atom("integers")
    if _NONEXISTENT.fullmatch(plain):
        return atom("does not exist")
    if re.fullmatch(r"[A-J]", plain):
        found = value(plain)
        letter = Atom(f"choice {plain}")
        return Form((*(found.own if found else ()), letter), group=letter.key)
    option = re.fullmatch(r"(?:option|choice)\s+\(?([A-J])\)?", plain, re.IGNORECASE)
    if option:
        return atom(f"choice {option[1].upper()}")
    spoken = spoken_number(plain)
    if spoken is not None:
        return rational_form(spoken)
    named = _ARTICLE.fullmatch(plain)
    if named:
        return wording(named[1])
    measure = compound(plain)
    if measure is not None:
        return measure
    choice = None if _CHOICES.match(plain) else _CHOICE.fullmatch(plain)
    if choice and (choice[1] or choice[2] or "").isupper():
        letter = Atom(f"choice {choice[1] or choice[2]}")
        rest = _read(choice[3]) if choice[3] else None
        return Form((letter,), rest.own if rest else (), letter.key)
    return calendar.read(plain)


def _several(text: str) -> Form | None:
    """Return the form of several answers separated by commas, semicolons, `and` or `or`; None for other texts."""
    joined, either = text, False
    for found in _JOINING.finditer(text):
        either = either or (found[1] or found[2] or found[3]) in ("or", "lor")
    joined = without_thousands(_JOINING.sub(", ", text))
    parts = split(joined, ",;")
    if len(parts) == 1 and (not _SIGNS.search(text) or whole_group(_named(text)[1].replace("\\", ""), "{", "}")):
        return None
    if len(parts) > MOST_PARTS or not all(part.strip() for part in parts):
        return wording(text)
    if len(parts) == 1:
        return _both_signs(text)
    parts = [part.strip() for part in parts]
    if any(re.fullmatch(r"\\ldots|\.\.\.+|\\dots", part) for part in parts):
        forms = tuple(atom("dots") if "dots" in part or "..." in part else _one(part) for part in parts)
        return Form((Ordered("sequence", forms),), group=f"sequence {[form.group for form in forms]}")
    relations = _relations(parts, either=either)
    if relations is not None:
        return relations
    forms = tuple(form for part in parts for form in _members(part))
    return listed(forms)


def listed(forms: Sequence[Form]) -> Form:
    """Return the form of a list without brackets: in any order, unless the other side has an order."""
    bare = unordered("list", forms)
    dropped: tuple[Reading, ...] = (
        Unordered("set", bare.parts),
        Ordered("tuple", tuple(forms)),
        Ordered("array", tuple(forms)),
    )
    return Form((bare,), dropped, f"set {sorted(form.group for form in bare.parts)}")


def _members(part: str) -> list[Form]:
    r"""Return the members that a part of a list adds: two with \pm."""
    if _SIGNS.search(part):
        return [_one(_signed(part, sign)) for sign in "+-"]
    return [_special(unframed(part)) or _one(part)]


def _both_signs(text: str) -> Form:
    r"""Return the form of a text with \pm: a list of two."""
    name, value_text = _named(text)
    form = listed([_one(_signed(value_text, sign)) for sign in "+-"])
    return _assigned(name, form) if name else form


def _signed(text: str, sign: str) -> str:
    r"""Return a text with \pm replaced by a sign, and \mp by the other one."""
    other = "-" if sign == "+" else "+"
    return (
        re.sub(r"\\mp(?![A-Za-z])", other, re.sub(r"\\pm(?![A-Za-z])", lambda _: sign, text)).strip().removeprefix("+")
    )


def _relations(parts: Sequence[str], *, either: bool) -> Form | None:
    """Return the form of equations or inequalities side by side; None for other lists."""
    named = [_named(part) for part in parts]
    if named[0][0] and not any(name for name, _ in named[1:]) and not any(has_relation(part) for part in parts[1:]):
        # x = 2, 3
        inner = [form for _, part in named for form in _members(part)]
        return _assigned(named[0][0], listed(inner))
    if all(name for name, _ in named):
        names = [name for name, _ in named]
        forms = [_one(part) for _, part in named]
        if len(set(names)) == 1:
            return _assigned(names[0], listed(forms))
        if len(set(names)) == len(names):
            return _system(names, forms)
    solved = [sets.solved(part) for part in parts]
    known = [solution for solution in solved if solution is not None]
    if len(known) == len(parts) and len({name for name, _ in known}) == 1:
        import sympy

        every = [found for _, found in known]
        whole = sympy.Union(*every) if either else sympy.Intersection(*every)
        if whole is sympy.S.EmptySet:
            # x < 2, x > 3: no number satisfies both, so "or" is meant.
            whole = sympy.Union(*every)
        found = sets.set_form(whole)
        return None if found is None else _assigned(known[0][0], found)
    if all(has_relation(part) for part in parts):
        forms = [_one(part) for part in parts]
        reading = unordered("relations", forms)
        return Form((reading,), group=f"relations {[form.group for form in reading.parts]}")
    return None


def _system(names: Sequence[str], forms: Sequence[Form]) -> Form:
    """Return the form of a system of values by name."""
    pairs = [
        Form((Ordered("=", (atom(f"name {name}"), form)),), group=f"{name}={form.group}")
        for name, form in zip(names, forms, strict=True)
    ]
    ordered = [form for _, form in sorted(zip(names, forms, strict=True), key=lambda pair: pair[0])]
    dropped: tuple[Reading, ...] = (Ordered("tuple", tuple(ordered)), unordered("list", forms))
    return Form((unordered("system", pairs),), dropped, f"tuple {[form.group for form in ordered]}")


def _one(text: str) -> Form:
    """Return the form of a single answer."""
    text = unframed(text)
    relation = _relation(text)
    if relation is not None:
        return relation
    bracketed = _bracketed(text)
    if bracketed is not None:
        return bracketed
    found = _ratio(text)
    point = _POINT.fullmatch(text) if found is None else None
    if point and (inner := _bracketed(point[2])) is not None:
        form = _assigned(point[1], inner)
        return Form((*scalar(text).own, *form.own), form.dropped, form.group)
    return found if found is not None else scalar(text)


def _relation(text: str) -> Form | None:
    """Return the form of an equation, an inequality or a membership; None for other texts."""
    belongs = re.split(r"\\in(?![A-Za-z])|∈", text)
    if len(belongs) == 2 and NAME.fullmatch(belongs[0].strip()):
        return _assigned(_key_of_name(belongs[0]), _read(belongs[1].strip()))
    if len(belongs) == 2 and (names := _tuple_of_names(belongs[0].strip())):
        return _assigned(",".join(names), _read(belongs[1].strip()))
    if "=" in text and sets.chain(text) is None:
        return _equation(text)
    if sets.chain(text) is not None:
        solved = sets.solved(text)
        if solved is not None:
            found = sets.set_form(solved[1])
            if found is not None:
                return _assigned(solved[0], found)
        sides, signs = sets.chain(text) or ([], [])
        key = sets.inequality_key(text)
        if key is not None:
            return atom(f"inequality {key}")
        if len(signs) == 2 and NAME.fullmatch(sides[1]) and set(signs) <= {"<", r"\le"}:
            low, high = scalar(sides[0]), scalar(sides[2])
            reading = sets.interval(low, high, left_open=signs[0] == "<", right_open=signs[1] == "<")
            return _assigned(_key_of_name(sides[1]), Form((reading,), group=f"{reading.tag} {low.group} {high.group}"))
        return wording(text)
    return None


def _named(text: str) -> tuple[str, str]:
    """Return the name that an equation gives a value, and the value; "" and the text itself for other texts."""
    parts = [part.strip() for part in split(text, "=")]
    if len(parts) > 1 and all(parts) and is_name(parts[0]):
        return _key_of_name(parts[0]), parts[-1]
    if len(parts) == 2 and all(parts) and is_name(parts[1]):
        return _key_of_name(parts[1]), parts[0]
    belongs = re.split(r"\\in(?![A-Za-z])", text)
    if len(belongs) == 2 and is_name(belongs[0].strip()):
        return _key_of_name(belongs[0]), belongs[1].strip()
    return "", text


def _key_of_name(text: str) -> str:
    return re.sub(rf"[\s{{}}{TEXT_OPEN}{TEXT_CLOSE}]", "", text)


def _assigned(name: str, form: Form) -> Form:
    """Return the form of a named value; the name may be dropped."""
    return Form((Ordered("=", (atom(f"name {name}"), form)),), (*form.own, *form.dropped), form.group)


def _equation(text: str) -> Form:
    """Return the form of an equation."""
    parts = [part.strip() for part in split(text, "=")]
    if not all(parts):
        return wording(text)
    names = _tuple_of_names(parts[0])
    if names and len(parts) == 2:
        values = _read(parts[1])
        inside = [
            each
            for each in values.own
            if isinstance(each, Ordered) and len(each.parts) == len(names) and each.tag == "tuple"
        ]
        if inside:
            system = _system(names, inside[0].parts)
            return Form(system.own, (*values.own, *system.dropped), values.group)
        return Form(
            (Ordered("=", (atom(f"name {','.join(names)}"), values)),), (*values.own, *values.dropped), values.group
        )
    name, value_text = _named(text)
    formulas = [formula(part) for part in parts]
    key = None
    if len(parts) == 2 and all(hasattr(each, "free_symbols") and hasattr(each, "together") for each in formulas):
        key = difference_key(formulas[0], formulas[1], signed=False)
    equation = () if key is None else (Atom(f"equation {key}"),)
    if name:
        form = _assigned(name, _read(value_text))
        varies = key is not None and "," in key.split()[0] and "(" not in name
        return Form((*form.own, *equation), form.dropped, f"equation {key}" if varies else form.group)
    if key is not None:
        return Form(equation, group=f"equation {key}")
    forms = [scalar(part) for part in parts]
    # 1 + 1 = 2: a chain of equal values is its value.
    return forms[-1] if len({form.group for form in forms}) == 1 else wording(text)


def _tuple_of_names(text: str) -> list[str]:
    """Return the names in a tuple, empty for other texts."""
    inside = text[1:-1] if whole_group(text, "(", ")") else ""
    parts = [part.strip() for part in re.split("[,;]", inside)]
    return [_key_of_name(part) for part in parts] if len(parts) > 1 and all(map(is_name, parts)) else []


def _bracketed(text: str) -> Form | None:
    """Return the form of a tuple, a set, an interval or a union of intervals; None for other texts."""
    if re.search(
        r"\\(?:cup|cap|setminus|R)(?![A-Za-z])|all real|all reals|real numbers|[)\]]\s*(?:U|union|⟦\s*U\s*⟧)\s*[(\[]",
        text,
    ):
        found = sets.set_of(text)
        known = None if found is None else sets.set_form(found)
        if known is not None:
            return known
    for start, end in ((r"\{", r"\}"), ("⟨", "⟩"), ("(", ")"), ("[", "]"), ("(", "]"), ("[", ")")):
        if not (text.startswith(start) and text.endswith(end) and len(text) > len(start) + len(end)):
            continue
        inside = text[len(start) : -len(end)].strip()
        if not closed(inside):
            continue
        parts = [
            part.strip() for part in split(without_thousands(_JOINING.sub(", ", inside), inside_brackets=True), ",;")
        ]
        if start == r"\{":
            if any(re.fullmatch(r"\\ldots|\.\.\.+", part) for part in parts) or re.search(r"\||:|\\mid", inside):
                return wording(text)
            return _set([form for part in parts for form in _members(part)])
        if len(parts) > 1 and all(parts):
            return _tuple(start, end, [_special(unframed(part)) or _one(part) for part in parts])
    return None


def _set(forms: Sequence[Form]) -> Form:
    """Return the form of a set."""
    reading = unordered("set", forms)
    return Form(
        (reading, Unordered("list", reading.parts)), group=f"set {sorted(form.group for form in reading.parts)}"
    )


def _tuple(start: str, end: str, forms: Sequence[Form]) -> Form:
    """Return the form of a tuple, an array or an interval in given brackets."""
    parts = tuple(forms)
    group = [form.group for form in forms]
    if start == "⟨":
        return Form((Ordered("tuple", parts),), group=f"tuple {group}")
    own: list[Reading] = []
    if start == "(" and end == ")":
        own.append(Ordered("tuple", parts))
    elif start == "[" and end == "]":
        own.append(Ordered("array", parts))
    if len(parts) == 2:
        own.append(sets.interval(*parts, left_open=start == "(", right_open=end == ")"))
    kind = (
        "tuple"
        if start == "(" and end == ")"
        else own[-1].tag
        if len(parts) == 2 and isinstance(own[-1], Ordered)
        else "array"
    )
    if isinstance(own[-1], Ordered) and own[-1].tag == "interval ()" and "oo" in group[0] + group[1]:
        kind = "interval ()"
    shown = f"{kind} {group}" if kind in ("tuple", "array") else f"{kind} {group[0]} {group[1]}"
    return Form(tuple(own), group=shown) if own else wording(start)


def _ratio(text: str) -> Form | None:
    """Return the form of a ratio such as 3:2; None for other texts."""
    sides = [
        side.strip()
        for side in split(re.sub(rf"\s*{TEXT_OPEN}\s*to\s*{TEXT_CLOSE}\s*|(?<=\d)\s+to\s+(?=\d)", ":", text), ":")
    ]
    if len(sides) < 2 or not all(sides):
        return None
    import sympy

    formulas = [formula(side) for side in sides]
    if any(not isinstance(each, sympy.Expr) for each in formulas) or formulas[-1].doit() == 0:
        return None
    ratios = [value(f"\\frac{{{side}}}{{{sides[-1]}}}") for side in sides[:-1]]
    known = tuple(ratio for ratio in ratios if ratio is not None)
    if len(known) < len(ratios):
        return None
    group = f"ratio {[ratio.group for ratio in known]}"
    return Form((Ordered("ratio", known),), known[0].own if len(known) == 1 else (), group)
