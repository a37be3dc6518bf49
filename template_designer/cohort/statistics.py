"""The numbers of a series as the published ones print them: mean, SD, median, range, paired tests.

References
----------
.. [1] Student, Biometrika 6, 1 (1908): the t-test.
.. [2] Wilcoxon, Biometrics Bulletin 1, 80 (1945): the signed-rank test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from template_designer.model.cohort import (
    SERIES_METRICS,
    CaseOutcome,
    Cohort,
    MetricSeries,
    PairedTests,
    Summary,
)

DIGITS = 9
"""Differences are rounded to so many decimals: equal ones tie, whatever the last bit says."""

EXACT_PAIRS = 50
"""Up to so many pairs without ties the exact distribution is used."""


def cohort_of(outcomes: Iterable[CaseOutcome]) -> Cohort:
    """A series from its cases, in the order of their ids."""
    ordered = tuple(sorted(outcomes, key=lambda outcome: outcome.id))
    planned = [outcome for outcome in ordered if outcome.is_planned]
    return Cohort(ordered, tuple(_series(key, planned) for key in SERIES_METRICS))


def summary_of(values: Sequence[float]) -> Summary | None:
    """Mean, SD (n - 1), median and range; None of no values."""
    if not len(values):
        return None
    found = np.asarray(values, dtype=np.float64)
    mean = math.fsum(found) / len(found)
    sd = math.nan
    if len(found) > 1:
        sd = math.sqrt(math.fsum((found - mean) ** 2) / (len(found) - 1))
    low, high = float(found.min()), float(found.max())
    return Summary(len(found), mean, sd, float(np.median(found)), low, high)


def paired_tests(before: Sequence[float], after: Sequence[float]) -> PairedTests:
    """Two-sided paired t-test [1]_ and Wilcoxon signed-rank test [2]_ of after minus before.

    Parameters
    ----------
    before, after : (n,) sequence of float
        The same cases in the same order, n of 1 or more.
    """
    apart = np.round(np.asarray(after, dtype=np.float64) - np.asarray(before), DIGITS)
    t, t_p = _t_test(apart)
    w, w_p, is_exact = _wilcoxon(apart)
    return PairedTests(math.fsum(apart) / len(apart), t, t_p, w, w_p, is_exact)


def _series(key: str, planned: Sequence[CaseOutcome]) -> MetricSeries:
    plans = [o.plan[key] for o in planned if math.isfinite(o.plan.get(key, math.nan))]
    pairs = [
        (o.plan[key], o.found[key])
        for o in planned
        if math.isfinite(o.plan.get(key, math.nan)) and math.isfinite(o.found.get(key, math.nan))
    ]
    if not pairs:
        return MetricSeries(key, summary_of(plans), None, None, None)
    before, after = ([pair[n] for pair in pairs] for n in (0, 1))
    return MetricSeries(
        key,
        summary_of(plans),
        summary_of(before),
        summary_of(after),
        paired_tests(before, after),
    )


def _t_test(apart: NDArray[np.float64]) -> tuple[float, float]:
    """Statistic and p; not defined without a spread."""
    if len(apart) < 2 or np.ptp(apart) <= 0.0:
        return math.nan, math.nan
    found = stats.ttest_1samp(apart, 0.0)
    return float(found.statistic), float(found.pvalue)


def _wilcoxon(apart: NDArray[np.float64]) -> tuple[float, float, bool]:
    """Statistic, p, and whether p is exact; not defined where nothing differs."""
    differing = apart[apart != 0.0]
    if len(apart) < 2 or not len(differing):
        return math.nan, math.nan, False
    ties = len(np.unique(np.abs(differing))) < len(differing)
    is_exact = not ties and len(differing) <= EXACT_PAIRS
    found = stats.wilcoxon(differing, method="exact" if is_exact else "approx")
    return float(found.statistic), float(found.pvalue), is_exact
