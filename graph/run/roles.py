"""Roles of candidates: how `--roles` is read, and how the candidates of a round are divided among roles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES: Mapping[str, str] = {
    "refine": "change the part of the best candidate that its measurements blame",
    "combine": "combine the best candidates of two mechanism families",
    "new": "try a mechanism family that no candidate has tried",
    "cheaper": "make the best candidate cheaper: fewer knobs, fewer sequential tokens",
    "worst": "improve the best candidate on the grid where it gains least over the best baseline",
}
"""Roles by name, with their meanings."""
DEFAULT_SHARES = "refine=4,combine=2,new=3,cheaper=2,worst=1"
"""Default of `--roles`."""
NO_ROLES = "off"
"""Value of `--roles` that gives no candidate a role."""


@dataclass(frozen=True)
class Assignment:
    """The role of one candidate, and the candidates, the family or the grid that it is about."""

    role: str
    """One of `ROLES`."""
    parents: tuple[str, ...] = ()
    """Labels of the candidates to start from, the first one first."""
    family: str = ""
    """Mechanism family to try, one of `graph.critic.families.FAMILIES`; empty: any."""
    grid: int | None = None
    """Number of the grid to improve on, from 1, in the order of the run's search grids."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> "Assignment | None":
        """Return the assignment in an entry of `proposals.json`; None for None."""
        if value is None:
            return None
        return cls(value["role"], tuple(value["parents"]), value["family"], value["grid"])


def read_shares(text: str) -> dict[str, int]:
    """Return the share of each role from text such as `refine=4,new=1`; empty for `off`.

    Raises:
        ValueError: The text is neither; the message says what to give.
    """
    if text == NO_ROLES:
        return {}
    shares: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = (each.strip() for each in part.partition("="))
        if name not in ROLES:
            raise ValueError(f"{text!r}: {name!r} is no role; there are {', '.join(ROLES)}, or give {NO_ROLES}")
        if name in shares:
            raise ValueError(f"{text!r}: {name} is given twice")
        if not (number.isascii() and number.isdigit() and len(number) < 7):
            raise ValueError(
                f"{text!r}: the share of {name} is {number!r}; give a whole number, as in {DEFAULT_SHARES}"
            )
        shares[name] = int(number)
    if not any(shares.values()):
        raise ValueError(f"{text!r} gives every role a share of 0; give {NO_ROLES} for candidates without roles")
    return shares


def divide(shares: Mapping[str, int], wanted: int) -> list[str]:
    """Return the roles of `wanted` candidates, in proportion to shares, by the method of largest remainders.

    The earlier role wins a tie. The roles alternate, so that a part of the candidates has about the same shares.

    Args:
        shares: Share of each role; empty or all 0: no candidate has a role.
        wanted: Number of candidates.
    """
    total = sum(shares.values())
    if not total:
        return []
    counts = {role: share * wanted // total for role, share in shares.items()}
    by_remainder = sorted(shares, key=lambda role: -(shares[role] * wanted % total))
    for role in by_remainder[: wanted - sum(counts.values())]:
        counts[role] += 1
    order = list(shares)
    places = [((2 * place + 1) / count, order.index(role), role) for role, count in counts.items()
              for place in range(count)]  # fmt: skip
    return [role for _, _, role in sorted(places)]
