"""Decay from calibration to implant, and of dose and dose rate after it."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dose import (
    DoseInputError,
    dose_at_points,
    dose_fraction,
    dose_given_gy,
    dose_rate_cgy_h,
    dose_rate_on_day_cgy_h,
    load_source,
    source_names,
    strength_on,
)

SOURCE = load_source("I125-6711")
DAY = date(2024, 2, 20)
ROUNDING = 1e-14  # one exponential and a few products


@pytest.mark.parametrize("name", ["I125-6711", "Pd103-200", "Cs131-CS1Rev2"])
def test_half_the_strength_is_left_after_one_half_life(name):
    source = load_source(name)
    at = datetime(2024, 2, 20, 9, 30)
    later = at + timedelta(days=source.half_life_days)
    # a datetime counts microseconds: 1e-11 day
    assert strength_on(0.8, source, at, later) == pytest.approx(0.4, rel=1e-11)


def test_whole_days_by_hand_across_a_leap_day():
    # 20 February to 5 March 2024 are 14 days
    strength = strength_on(0.8, SOURCE, DAY, date(2024, 3, 5))
    assert strength == pytest.approx(0.8 * 2.0 ** (-14.0 / 59.4), rel=ROUNDING)
    assert strength_on(0.8, SOURCE, DAY, DAY) == 0.8


@given(first=st.integers(0, 250), second=st.integers(0, 250))
def test_two_waits_are_one_long_wait(first, second):
    middle, end = DAY + timedelta(days=first), DAY + timedelta(days=first + second)
    twice = strength_on(strength_on(0.7, SOURCE, DAY, middle), SOURCE, middle, end)
    assert strength_on(0.7, SOURCE, DAY, end) == pytest.approx(twice, rel=ROUNDING)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"calibration_date": date(2024, 2, 21)}, "2024-02-21 lies after date 2024-02-20"),
        ({"calibration_date": date(2014, 2, 20)}, "check the years"),
        ({"calibration_date": "2024-02-20"}, "calibration_date = '2024-02-20' is no date"),
        ({"date": None}, "date = None is no date"),
        ({"date": datetime(2024, 2, 20, 12)}, "time of day"),
        ({"strength_u": 0.0}, "strength_u"),
        ({"strength_u": math.nan}, "strength_u"),
        ({"strength_u": "0.5"}, "strength_u"),
    ],
)
def test_impossible_dates_and_strengths_are_named(change, words):
    good = {"strength_u": 0.5, "source": SOURCE, "calibration_date": DAY, "date": DAY}
    with pytest.raises(DoseInputError, match=words):
        strength_on(**{**good, **change})


def test_a_time_zone_on_one_side_only_is_refused():
    with pytest.raises(DoseInputError, match="time zone"):
        strength_on(0.5, SOURCE, datetime(2024, 2, 20), datetime(2024, 2, 21, tzinfo=UTC))


def test_half_the_dose_is_given_in_one_half_life():
    given = dose_fraction(SOURCE, [0.0, 59.4, 118.8, 1e5])
    np.testing.assert_allclose(given, [0.0, 0.5, 0.75, 1.0], rtol=1e-15)  # one rounding
    with pytest.raises(DoseInputError, match="negative"):
        dose_fraction(SOURCE, [-1.0])


@given(a=st.floats(0.0, 300.0), b=st.floats(0.0, 300.0))
def test_fractions_of_two_spans_add_up(a, b):
    low, high = sorted((a, b))
    parts = dose_fraction(SOURCE, low)[0] + dose_fraction(SOURCE, high, since_days=low)[0]
    assert dose_fraction(SOURCE, high)[0] == pytest.approx(parts, rel=ROUNDING, abs=1e-16)


@pytest.mark.parametrize("name", source_names())
def test_dose_and_rate_agree_with_the_initial_rate(name):
    source = load_source(name)
    (dose,) = dose_at_points(source, [[0, 0, 0]], [0, 0, 1], 0.6, [[17.0, 0, 0]])
    (initial,) = dose_rate_cgy_h(source, [17.0], [math.pi / 2], strength_u=0.6)
    assert dose_rate_on_day_cgy_h(source, dose, 0.0) == pytest.approx(initial, rel=ROUNDING)
    half = source.half_life_days
    assert dose_rate_on_day_cgy_h(source, dose, half) == pytest.approx(initial / 2, rel=ROUNDING)
    assert dose_given_gy(source, dose, half) == pytest.approx(dose / 2, rel=ROUNDING)
    # the integral of the rate over 30 days, 64 Gauss-Legendre nodes: exact for one exponential
    nodes, weights = np.polynomial.legendre.leggauss(64)
    rates = [float(dose_rate_on_day_cgy_h(source, dose, 15.0 + 15.0 * x)) for x in nodes]
    gy = 15.0 * 24.0 * float(weights @ np.array(rates)) / 100.0
    assert dose_given_gy(source, dose, 30.0) == pytest.approx(gy, rel=1e-12)


def test_mixed_strengths_decay_each_from_its_own_day():
    """Two batches in one plan: decayed to the implant, then one sum."""
    implant = date(2024, 3, 20)
    strengths = [
        strength_on(0.8, SOURCE, DAY, implant),
        strength_on(0.6, SOURCE, date(2024, 3, 15), implant),
    ]
    centers, points = [[0, 0, 0], [12, 0, 0]], [[6.0, 5.0, 2.0], [3.0, -8.0, 1.0]]
    dose = dose_at_points(SOURCE, centers, [0, 0, 1], strengths, points)
    alone = sum(
        u * dose_at_points(SOURCE, [c], [0, 0, 1], 1.0, points)
        for c, u in zip(centers, strengths, strict=True)
    )
    np.testing.assert_allclose(dose, alone, rtol=ROUNDING)


def test_shapes_are_kept():
    for shape in ((), (3,), (2, 3), (2, 3, 4)):
        doses = np.full(shape, 100.0)
        assert dose_given_gy(SOURCE, doses, 30.0).shape == shape
        assert dose_rate_on_day_cgy_h(SOURCE, doses, 30.0).shape == shape


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, "3", None, True])
def test_bad_days_and_doses_are_named(bad):
    with pytest.raises(DoseInputError, match="days"):
        dose_fraction(SOURCE, bad)
    with pytest.raises(DoseInputError, match="since_days"):
        dose_fraction(SOURCE, 5.0, since_days=bad)
    for function in (dose_given_gy, dose_rate_on_day_cgy_h):
        with pytest.raises(DoseInputError, match="days"):
            function(SOURCE, 100.0, bad)
        with pytest.raises(DoseInputError, match="dose_gy"):
            function(SOURCE, bad, 5.0)


def test_an_end_before_its_start_is_refused():
    with pytest.raises(DoseInputError, match=r"days\[1\] = 5 lies before since_days = 10"):
        dose_fraction(SOURCE, [20.0, 5.0], since_days=10.0)
