"""Validators of settings that are not plain numbers or words, and the values allowed for some.

Each function is a pydantic validator: it takes text or the value itself, returns the value, and raises ValueError with
the sentence that a user is shown.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from sandbox.candidate import PAPER_BASELINES, SHIPPED

THINKING = ("adaptive", "off")
"""Values of extended thinking besides a number of tokens: the model decides, or none."""
TURNS, SIDE_BY_SIDE, BANDIT = ALLOCATIONS = ("turns", "side-by-side", "bandit")
"""Divisions of a run's rounds among several explorers."""
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Levels of effort that services name; a model may accept only some."""


def read_list(value: Any) -> Any:
    """Return a list from text: a JSON list, as a form's field gives it, or else the text as only element."""
    if isinstance(value, str):
        return json.loads(value) if value.startswith("[") else [value]
    return value


def read_baselines(value: Any) -> Any:
    """Return names of shipped controllers in their own order; several may stand in one text, with commas between.

    `paper` stands for the seven methods of the paper.
    """
    names = [name.strip() for text in read_list(value) for name in str(text).split(",") if name.strip()]
    names = [each for name in names for each in (PAPER_BASELINES if name == "paper" else (name,))]
    unknown = next((name for name in names if name not in SHIPPED), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} is no shipped controller; give some of {', '.join(SHIPPED)}, or paper")
    if not names:
        raise ValueError("there is none; give one or more, as in sc,asc")
    return [name for name in SHIPPED if name in names]


MOST_PROBE_COST = 10**9
"""Largest cost of a probe, in tokens."""
MOST_BETAS = 1001
"""Largest number of values in a range of β."""


def read_betas(value: Any) -> Any:
    """Return distinct ascending β in 0 … 1, from `0,0.5,1` or from `0:1:0.1`, a range that includes both ends."""
    try:
        if not isinstance(value, str):
            betas = [float(each) for each in value]
        elif ":" in value:
            betas = _range(value)
        else:
            betas = [float(part) for part in value.strip("[]").split(",")]
    except (TypeError, ValueError):
        raise ValueError(
            f"{value!r} is neither a list like 0,0.5,1 nor a range like 0:1:0.1 of at most {MOST_BETAS} values"
        ) from None
    outside = [beta for beta in betas if not 0 <= beta <= 1]
    if outside:
        raise ValueError(f"{value!r}: β = {outside[0]:g} is outside 0 … 1")
    # A 0 with a minus sign is 0.
    return sorted({beta + 0.0 for beta in betas})


def read_probe_cost(value: Any) -> Any:
    """Return κ_probe in tokens: 0 for `free`, and None for `recorded`, the costs in the grid."""
    if value is None or value == "recorded":
        return None
    if value == "free":
        return 0
    if not (str(value).isdigit() or isinstance(value, int)):
        raise ValueError(f"{value!r} is neither a whole number of tokens nor 'free' nor 'recorded'")
    if int(value) > MOST_PROBE_COST:
        raise ValueError(f"{value!r} tokens for a probe; the limit is {MOST_PROBE_COST:,}")
    return int(value)


def read_price(value: Any) -> Any:
    """Return the prices of input and output in US dollars per million tokens, from `3,15`; None for None."""
    if value is None:
        return None
    try:
        input_price, output_price = (
            float(part) for part in (value.strip("[]").split(",") if isinstance(value, str) else value)
        )
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not two numbers, dollars for a million tokens in and out, as in 3,15") from None
    if not (0 <= input_price < float("inf") and 0 <= output_price < float("inf")):
        raise ValueError(f"{value!r}: a price is 0 or more")
    return input_price, output_price


def read_url(value: Any) -> Any:
    """Return an http or https address; it has no user, password or query, since `run.toml` must hold no key."""
    if value is None:
        return None
    try:
        parts = urlsplit(str(value))
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("give an address like http://127.0.0.1:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        # The value is not quoted: it may hold a key.
        raise ValueError("leave user, password and query away; a key comes from OPENAI_API_KEY alone")
    return str(value).rstrip("/")


def read_thinking(value: Any) -> Any:
    """Return a number of tokens above 0, or one of `THINKING`."""
    if value is None or value in THINKING:
        return value
    try:
        tokens = int(value)
    except (TypeError, ValueError):
        tokens = 0
    if tokens < 1:
        raise ValueError(f"{value!r} is neither a number of tokens nor {' nor '.join(THINKING)}")
    return tokens


def _range(value: str) -> list[float]:
    """Return the values of a range FIRST:LAST:STEP. Raises ValueError, without text, for a malformed one."""
    first, last, step = (float(part) for part in value.split(":"))
    if not (step > 0 and 0 <= last - first < MOST_BETAS * step):
        raise ValueError
    count = round((last - first) / step)
    # Rounded, so that 0:1:0.1 holds 0.3 and not 0.30000000000000004.
    return [round(first + i * step, 10) for i in range(count + 1) if first + i * step <= last + 1e-9]
