"""Means, spreads and tests of a series against published examples and formulas written again."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import stdtr

from template_designer.cohort.statistics import cohort_of, paired_tests, summary_of
from template_designer.model.cohort import SERIES_METRICS, CaseOutcome

DARWIN = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
"""Heights of cross- less self-fertilised maize, eighths of an inch (Darwin 1876); see Fisher,
The Design of Experiments (1935), section 16, and Wilcoxon, Biometrics Bulletin 1, 80 (1945)."""

values = st.floats(-1e3, 1e3).map(lambda x: round(x, 4))


def test_darwins_maize_gives_fishers_t_and_wilcoxons_rank_sum():
    found = paired_tests([0.0] * 15, DARWIN)
    assert found.mean_difference == pytest.approx(20.93, abs=0.005)  # Fisher prints 20.93
    assert found.t == pytest.approx(2.148, abs=0.0005)  # Fisher prints 2.148
    assert found.t_p == pytest.approx(0.0497, abs=0.00005)  # 5 % lies at 2.145
    assert found.w == 24.0  # ranks 10 and 14 are negative
    assert found.w_is_exact
    # of 2^15 sets of signs, those whose smaller rank sum is 24 or less
    ranks = np.arange(1, 16)
    sums = np.array(list(product((0, 1), repeat=15))) @ ranks
    extreme = (np.minimum(sums, 120 - sums) <= 24).mean()
    assert found.w_p == pytest.approx(extreme, rel=1e-9)
    assert found.w_p == pytest.approx(0.0413, abs=0.00005)


def test_students_sleep_data():
    """Student, Biometrika 6, 1 (1908): hours of sleep gained with two drugs by ten patients."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired_tests(first, second)
    assert found.mean_difference == pytest.approx(1.58)  # as printed there
    # t = 4.06 by Fisher's table, Statistical Methods, section 24
    assert found.t == pytest.approx(4.062, abs=0.0005)
    assert found.t_p == pytest.approx(0.00283, abs=0.000005)
    assert found.w == 0.0  # no patient slept less; one pair is equal
    assert not found.w_is_exact  # two patients gained 1.3 hours: a tie


@given(st.lists(st.tuples(values, values), min_size=2, max_size=30))
def test_t_is_the_textbook_formula(pairs):
    before, after = (np.array(column) for column in zip(*pairs, strict=True))
    apart = np.round(after - before, 9)
    assume(apart.std() > 1e-3)
    found = paired_tests(before, after)
    n = len(apart)
    t = apart.mean() / (apart.std(ddof=1) / math.sqrt(n))
    # sums in another order
    assert found.t == pytest.approx(t, rel=1e-9, abs=1e-12)
    assert found.t_p == pytest.approx(2.0 * stdtr(n - 1, -abs(t)), rel=1e-8, abs=1e-12)
    back = paired_tests(after, before)
    assert (back.t, back.w) == (pytest.approx(-found.t, abs=1e-12), found.w)


@given(st.lists(values.filter(lambda x: x != 0.0), min_size=2, max_size=9, unique_by=abs))
def test_wilcoxon_is_the_count_of_all_signs(apart):
    found = paired_tests([0.0] * len(apart), apart)
    ranks = np.argsort(np.argsort(np.abs(apart))) + 1
    total = int(ranks.sum())
    positive = int(ranks[np.array(apart) > 0].sum())
    w = min(positive, total - positive)
    sums = np.array(list(product((0, 1), repeat=len(apart)))) @ ranks
    assert found.w == w
    assert found.w_is_exact
    assert found.w_p == pytest.approx((np.minimum(sums, total - sums) <= w).mean(), rel=1e-9)


@given(st.lists(values, min_size=1, max_size=40))
def test_summaries_are_those_of_numpy(numbers):
    found = summary_of(numbers)
    assert found.count == len(numbers)
    assert found.mean == pytest.approx(np.mean(numbers), rel=1e-9, abs=1e-9)
    assert (found.low, found.median, found.high) == (
        min(numbers),
        pytest.approx(np.median(numbers)),
        max(numbers),
    )
    if len(numbers) == 1:
        assert math.isnan(found.sd)
    else:
        assert found.sd == pytest.approx(np.std(numbers, ddof=1), rel=1e-6, abs=1e-6)


def test_what_is_not_defined_is_nan_and_no_warning():
    for before, after in (([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0]), ([1.0, 2.0], [2.0, 3.0])):
        found = paired_tests(before, after)
        assert math.isnan(found.t)
        assert math.isnan(found.t_p)
    assert math.isnan(paired_tests([1.0, 2.0], [1.0, 2.0]).w_p)  # nothing differs
    assert summary_of([]) is None


def outcome(name, plan=None, found=None, **others):
    def of(value):
        return {} if value is None else dict.fromkeys(SERIES_METRICS, value)

    return CaseOutcome(name, "case.toml", "0", 0, plan=of(plan), found=of(found), **others)


def test_only_cases_with_both_are_compared():
    cohort = cohort_of(
        [
            outcome("c", 100.0, 90.0),
            outcome("a", 120.0),
            outcome("d", error="no plan"),
            outcome("b", 110.0, 105.0),
            outcome("e", math.nan, 80.0),  # an index may not be defined
        ]
    )
    assert [case.id for case in cohort.outcomes] == ["a", "b", "c", "d", "e"]
    assert [case.id for case in cohort.failed] == ["d"]
    metric = cohort.metrics[0]
    assert metric.plans.count == 3
    assert metric.plans.mean == pytest.approx(110.0)
    assert (metric.before.count, metric.before.mean) == (2, pytest.approx(105.0))
    assert (metric.after.count, metric.after.mean) == (2, pytest.approx(97.5))
    assert metric.tests.mean_difference == pytest.approx(-7.5)


def test_without_evaluations_there_are_no_tests():
    cohort = cohort_of([outcome("a", 1.0), outcome("b", 2.0)])
    assert all(metric.tests is None and metric.after is None for metric in cohort.metrics)
    assert [metric.key for metric in cohort.metrics] == list(SERIES_METRICS)
