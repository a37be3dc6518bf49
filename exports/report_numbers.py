"""Numbers as reports write them: units beside them, and never rounded over a goal's limit."""

from __future__ import annotations

import math

from dose import U_PER_MCI, apparent_activity_mci
from exports.report_document import MISSED, NOTHING
from exports.rounding import rounded
from template_designer.model import GoalResult
from template_designer.model.robust import Chance

UNDEFINED = "not defined"
_MOST_DIGITS = 4  # as plan.json states metrics
_UNITS = {"_gy": "Gy", "_pct": "%", "_cm3": "cm³"}
_NAMES = {"mean_gy": "Dmean", "volume_cm3": "volume", "reachable_pct": "reachable by seeds"}


def metric_name(key: str) -> tuple[str, str]:
    """Name and unit of a metric of ``plan.json``; an index has none.

    >>> metric_name("d0_1cc_gy"), metric_name("v100_pct"), metric_name("ci")
    (('D0.1cc', 'Gy'), ('V100', '%'), ('CI', ''))
    >>> metric_name("dmax_gy"), metric_name("mean_gy")
    (('Dmax', 'Gy'), ('Dmean', 'Gy'))
    """
    unit = next((unit for ending, unit in _UNITS.items() if key.endswith(ending)), "")
    if key in _NAMES:
        return _NAMES[key], unit
    stem = key.rsplit("_", 1)[0] if unit else key
    name = stem.replace("_", ".")
    return (name[:1].upper() + name[1:] if unit else name.upper()), unit


def metric_digits(key: str) -> int:
    """Decimals a metric is written with: one, and two for an index."""
    return 1 if metric_name(key)[1] else 2


def number(value: float | None, digits: int = 1) -> str:
    """A number with so many decimals; a dash for none, a word for one that is not defined.

    >>> number(1.25, 1), number(None), number(float("nan"))
    ('1.2', '–', 'not defined')
    """
    if value is None:
        return NOTHING
    return f"{rounded(value, digits):.{digits}f}" if math.isfinite(value) else UNDEFINED


def difference(before: float | None, after: float | None, digits: int = 1) -> str:
    """How much more the second is, of the numbers as they are printed, with its sign.

    >>> difference(1.0, 3.5), difference(2.0, 2.0), difference(None, 1.0)
    ('+2.5', '0.0', '–')
    """
    if before is None or after is None or not (math.isfinite(before) and math.isfinite(after)):
        return NOTHING
    change = rounded(rounded(after, digits) - rounded(before, digits), digits)
    return f"{change:+.{digits}f}".replace("-", "−") if change else f"{change:.{digits}f}"


def limit_text(goal: GoalResult) -> str:
    """What a goal asks for: ``at least 93 %``."""
    return f"{'at least' if goal.is_minimum else 'at most'} {goal.limit:g} {goal.unit}"


def goal_digits(goal: GoalResult) -> int:
    """Decimals at which a value stands on the right side of its limit: one, or more if it must."""
    stated = f"{goal.limit:.10f}".rstrip("0").partition(".")[2]
    digits = max(1, len(stated))
    while digits < _MOST_DIGITS and _looks_met(goal, digits) != goal.met:
        digits += 1
    return digits


def goal_value(goal: GoalResult) -> str:
    """What a plan reaches, with its unit."""
    text = number(goal.value, goal_digits(goal))
    return text if text == UNDEFINED else f"{text} {goal.unit}"


def verdict(goal: GoalResult) -> str:
    """Whether a goal is met, and by how much, of the numbers as they are printed."""
    unit = "percentage points" if goal.unit == "%" else goal.unit
    if not math.isfinite(goal.value):
        return "met" if goal.met else f"{MISSED}: the plan gives no value"
    digits = goal_digits(goal)
    apart = rounded(abs(rounded(goal.value, digits) - goal.limit), digits)
    if goal.met:
        return f"met, {apart:.{digits}f} {unit} to spare"
    if apart <= 0.0:
        return f"{MISSED} by less than {10.0**-digits:g} {unit}"
    return f"{MISSED} by {apart:.{digits}f} {unit}"


def strength(strength_u: float, nuclide: str) -> str:
    """Strength of a seed in U, and in mCi where the nuclide has an apparent activity."""
    if nuclide not in U_PER_MCI:
        return f"{strength_u:.3f} U"
    return f"{strength_u:.3f} U ({apparent_activity_mci(strength_u, nuclide):.3f} mCi)"


def chance(found: Chance) -> str:
    """Percent with its interval, by the unit in the column's head.

    >>> chance(Chance(4.1, 2.96, 5.52))
    '4.1 (3.0 to 5.5)'
    """
    return f"{found.pct:.1f} ({found.low_pct:.1f} to {found.high_pct:.1f})"


def _looks_met(goal: GoalResult, digits: int) -> bool:
    value = rounded(goal.value, digits)
    return value >= goal.limit if goal.is_minimum else value <= goal.limit
