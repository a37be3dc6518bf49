"""Scenarios in numbers: spreads, chances with their confidence, needles to watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from template_designer.model import GoalResult
from template_designer.model.robust import (
    CLOSE_MM,
    CONFIDENCE_PCT,
    Chance,
    ClearanceSpread,
    DoseSpread,
    GoalChance,
    NeedleRisk,
    Spread,
)

Clearances = Mapping[str, NDArray[np.float64]]
"""By structure, mm."""


def spread_of(values: NDArray[np.float64], planned: float) -> Spread:
    """Mean, standard deviation and percentiles of (n,) values."""
    p5, p50, p95 = (float(v) for v in np.percentile(values, [5.0, 50.0, 95.0]))
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Spread(float(planned), float(np.mean(values)), sd, p5, p50, p95)


def chance_of(happened: NDArray[np.bool_]) -> Chance:
    """Share of (n,) scenarios with its exact interval.

    The interval of Clopper and Pearson holds the true chance at least as often as it says.

    References
    ----------
    .. [1] Clopper and Pearson, Biometrika 26, 404 (1934). https://doi.org/10.1093/biomet/26.4.404

    Examples
    --------
    >>> chance = chance_of(np.zeros(1000, dtype=bool))
    >>> chance.pct, round(chance.high_pct, 2)
    (0.0, 0.37)
    """
    n, k = len(happened), int(np.count_nonzero(happened))
    tail = 0.5 * (1.0 - CONFIDENCE_PCT / 100.0)
    low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(1.0 - tail, k + 1, n - k)) if k < n else 1.0
    return Chance(100.0 * k / n, 100.0 * low, 100.0 * high)


def clearance_spread(
    structure: str, rule_mm: float, values_mm: NDArray[np.float64], planned_mm: float
) -> ClearanceSpread:
    """Clearances to one structure over (n,) scenarios."""
    return ClearanceSpread(
        structure=structure,
        rule_mm=rule_mm,
        spread=spread_of(values_mm, planned_mm),
        nearer_than={limit: chance_of(values_mm < limit) for limit in CLOSE_MM},
        breaks_rule=chance_of(values_mm < rule_mm),
    )


def goal_chances(
    goals: Sequence[GoalResult], followed: Sequence[DoseSpread], values: NDArray[np.float64]
) -> tuple[GoalChance, ...]:
    """How often each goal is met, for goals on a followed metric.

    Parameters
    ----------
    followed : sequence of DoseSpread
        One per column of ``values``, (scenarios, metrics).
    """
    column = {(dose.structure, dose.metric): n for n, dose in enumerate(followed)}
    chances = []
    for goal in goals:
        if (goal.structure, goal.metric) not in column:
            continue
        found = values[:, column[goal.structure, goal.metric]]
        met = found >= goal.limit if goal.is_minimum else found <= goal.limit
        chances.append(
            GoalChance(
                goal.structure, goal.metric, goal.limit, goal.unit, goal.is_minimum, chance_of(met)
            )
        )
    return tuple(chances)


def needle_risks(
    places: Sequence[tuple[str, str]],
    tip_errors_mm: NDArray[np.float64],
    clearances_mm: Clearances,
    planned_mm: Clearances,
    limits_mm: Mapping[str, float],
) -> tuple[NeedleRisk, ...]:
    """Every needle, those to watch first.

    Needles are ranked by how far they get into the margin of a rule in the mean of all scenarios:
    a large margin, as of the cord, weighs more than a small one, as of the bowel.

    Parameters
    ----------
    places : sequence of (str, str)
        Template and hole of each needle.
    tip_errors_mm : (scenarios, needles) ndarray
    clearances_mm, planned_mm : mapping of str to (scenarios, needles) and (needles,) ndarray
    limits_mm : mapping of str to float
        The rules.
    """
    risks = []
    for n, (template, label) in enumerate(places):
        short = {
            name: np.clip(limits_mm[name] - found[:, n], 0.0, limits_mm[name])
            for name, found in clearances_mm.items()
        }
        spreads = [
            clearance_spread(name, limits_mm[name], found[:, n], float(planned_mm[name][n]))
            for name, found in clearances_mm.items()
        ]
        worst_first = sorted(
            spreads, key=lambda s: (-short[s.structure].mean(), s.spread.mean, s.structure)
        )
        worst = np.max([*short.values(), np.zeros(len(tip_errors_mm))], axis=0)
        risks.append(
            NeedleRisk(
                template=template,
                label=label,
                shortfall_mm=float(worst.mean()),
                tip_error_mm=spread_of(tip_errors_mm[:, n], 0.0),
                clearances=tuple(worst_first),
            )
        )
    return tuple(sorted(risks, key=lambda risk: (-risk.shortfall_mm, risk.template, risk.label)))
