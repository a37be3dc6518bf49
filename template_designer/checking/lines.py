"""Lines of the signed-off list: what was compared, the worst value, the limit, the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """Verdict of one line."""

    OK = "ok"
    FAIL = "FAIL"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line of the list."""

    name: str
    compared: str
    worst: str
    limit: str
    state: State

    def to_dict(self) -> dict[str, str]:
        """For JSON."""
        return {key: str(value) for key, value in asdict(self).items()}


Found = Iterable[tuple[str, float]]
"""Where, and how much there."""


def at_most(
    name: str, compared: str, found: Found, limit: float, unit: str = "mm", digits: int = 3
) -> CheckLine:
    """Line for values that must not pass a limit; NaN fails."""
    values = list(found)
    bad = [item for item in values if not item[1] <= limit]
    worst = max(values, key=lambda v: math.inf if math.isnan(v[1]) else v[1], default=None)
    return _judged(name, compared, worst, bad, len(values), f"at most {limit:g} {unit}", digits)


def at_least(
    name: str, compared: str, found: Found, limit: float, unit: str = "mm", digits: int = 3
) -> CheckLine:
    """Line for values that must reach a limit; NaN fails."""
    values = list(found)
    bad = [item for item in values if not item[1] >= limit]
    worst = min(values, key=lambda v: -math.inf if math.isnan(v[1]) else v[1], default=None)
    return _judged(name, compared, worst, bad, len(values), f"at least {limit:g} {unit}", digits)


def excess(*gaps: float) -> float:
    """Largest of some gaps and 0; NaN if one is NaN (``max`` would lose it).

    >>> excess(-1.0, -2.0), excess(-1.0, 0.5), excess(float("nan"), -1.0)
    (0.0, 0.5, nan)
    """
    return math.nan if any(math.isnan(gap) for gap in gaps) else max(0.0, *gaps)


def all_same(name: str, compared: str, wrong: Sequence[str], count: int) -> CheckLine:
    """Line for things that must be exactly so: what is wrong, of how many."""
    if not wrong:
        return CheckLine(name, compared, f"all {count} agree", "all agree", State.OK)
    more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
    return CheckLine(name, compared, "; ".join(wrong[:3]) + more, "all agree", State.FAIL)


def not_checked(name: str, compared: str, why: str) -> CheckLine:
    """Line for what could not be checked, with the reason."""
    return CheckLine(name, compared, why, "", State.NOT_CHECKED)


def failed(name: str, compared: str, what: str, limit: str = "") -> CheckLine:
    """Line for what is plainly wrong."""
    return CheckLine(name, compared, what, limit, State.FAIL)


def _judged(
    name: str,
    compared: str,
    worst: tuple[str, float] | None,
    bad: Sequence[tuple[str, float]],
    count: int,
    limit: str,
    digits: int,
) -> CheckLine:
    if worst is None:
        return not_checked(name, compared, "nothing to compare")
    where, value = worst
    text = f"{value:.{digits}f} at {where}" if where else f"{value:.{digits}f}"
    if bad and count > 1:
        text += f" ({len(bad)} of {count} fail)"
    return CheckLine(name, compared, text, limit, State.FAIL if bad else State.OK)
