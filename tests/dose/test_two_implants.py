"""Two implants, one after the other: against the integral over both dose rates, and its limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import dblquad

from dose import DoseInputError, implant_bed_gy, load_source, two_implants_bed_gy

SOURCE = load_source("I125-6711")
doses = st.floats(0.0, 300.0)


def overlap_by_integral(days: float, repair_h: float) -> float:
    """Twice the integral of R1(t) R2(s) exp(-mu |t - s|) over t and s, for doses of 1 Gy, 1/day."""
    decay = math.log(2.0) / 59.4
    repair = math.log(2.0) / repair_h * 24.0

    def product(lag, t):
        """Of dose rates at t and a lag earlier or later."""
        first, second = decay * math.exp(-decay * t), 0.0
        for s in (t - lag, t + lag):
            if s >= days:
                second += decay * math.exp(-decay * (s - days)) * math.exp(-repair * lag)
        return first * second

    # kernels of repair are hours wide: beyond 20 half-times nothing is left
    end, wide = days + 15.0 * 59.4, 20.0 * repair_h / 24.0
    early, _ = dblquad(product, max(0.0, days - wide), days + wide, 0.0, wide, epsabs=1e-10)
    late, _ = dblquad(product, days + wide, end, 0.0, wide, epsabs=1e-10)
    return 2.0 * (early + late)


@pytest.mark.parametrize(("days", "repair_h"), [(10.0, 1.5), (60.0, 3.0)])
def test_it_is_the_integral(days, repair_h):
    got = two_implants_bed_gy(SOURCE, 100.0, 40.0, days, 3.0, repair_half_time_h=repair_h)
    alone = sum(
        float(implant_bed_gy(SOURCE, gy, 3.0, repair_half_time_h=repair_h)) for gy in (100.0, 40.0)
    )
    overlap = 100.0 * 40.0 / 3.0 * overlap_by_integral(days, repair_h)
    # the numerical integral of a kink at s = t and at the second implant
    assert float(got) - alone == pytest.approx(overlap, rel=2e-3)


@given(doses, doses, st.floats(0.5, 20.0), st.floats(0.1, 20.0))
def test_on_one_day_it_is_the_bed_of_the_sum(first, second, ratio, repair_h):
    got = two_implants_bed_gy(SOURCE, first, second, 0.0, ratio, repair_half_time_h=repair_h)
    summed = implant_bed_gy(SOURCE, first + second, ratio, repair_half_time_h=repair_h)
    assert float(got) == pytest.approx(float(summed), rel=1e-12, abs=1e-12)


@given(doses, doses, st.floats(0.0, 3000.0), st.floats(0.0, 3000.0))
def test_the_later_the_second_comes_the_less(first, second, one, other):
    early, late = sorted((one, other))
    values = [float(two_implants_bed_gy(SOURCE, first, second, t, 3.0)) for t in (early, late)]
    alone = sum(float(implant_bed_gy(SOURCE, gy, 3.0)) for gy in (first, second))
    assert values[0] >= values[1] - 1e-9
    assert values[1] >= alone - 1e-9


def test_after_many_half_lives_each_counts_alone():
    got = two_implants_bed_gy(SOURCE, 120.0, 60.0, 40 * 59.4, 3.0)
    alone = implant_bed_gy(SOURCE, 120.0, 3.0) + implant_bed_gy(SOURCE, 60.0, 3.0)
    assert float(got) == pytest.approx(float(alone), rel=1e-10)  # 2 ** -40


@pytest.mark.parametrize(
    "arguments",
    [(-1.0, 1.0, 0, 3.0), (1.0, 1.0, -1, 3.0), (1.0, 1.0, 0, 0.0), (np.ones(2), 1.0, 0, 3.0)],
)
def test_what_makes_no_sense_is_refused(arguments):
    with pytest.raises(DoseInputError):
        two_implants_bed_gy(SOURCE, *arguments)
