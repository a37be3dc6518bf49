"""Geometry function: properties, published number, compiled kernel against its own source."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dose import DoseInputError, geometry_function
from dose._kernels import _atan_ratio, _exp, line_geometry

ANGLES = st.floats(0.0, math.pi)


@given(r_mm=st.floats(50.0, 150.0), theta=ANGLES)
def test_far_away_it_is_the_inverse_square(r_mm, theta):
    (g,) = geometry_function([r_mm], [theta], active_length_mm=3.0)
    # largest on the axis: (L / 2r)^2 = 9e-4 at 50 mm
    assert g * (r_mm / 10.0) ** 2 == pytest.approx(1.0, rel=1e-3)


@given(r_mm=st.floats(1.6, 150.0), theta=ANGLES)
def test_it_is_the_mean_inverse_square_over_the_line(r_mm, theta):
    """By its definition, integrated with 400-point Gauss-Legendre along the line."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    z, rho = r_mm * math.cos(theta), r_mm * math.sin(theta)
    mean = 0.5 * np.sum(weights / ((z - 1.5 * nodes) ** 2 + rho**2))
    (g,) = geometry_function([r_mm], [theta], active_length_mm=3.0)
    # quadrature: 0.1 mm past the end of a 3 mm line the error of 400 nodes is far under 1e-9;
    # G itself loses digits near the axis limit at most 1e-10 (sin(pi) is 1e-16, not 0)
    assert g / 100.0 == pytest.approx(mean, rel=1e-9)


@given(r_mm=st.floats(1.6, 150.0), theta=ANGLES)
def test_both_ends_of_the_seed_are_alike(r_mm, theta):
    near, far = geometry_function([r_mm, r_mm], [theta, math.pi - theta], active_length_mm=3.0)
    # pi - theta rounds to 2e-16 rad; 0.1 mm off the end G changes by at most 30 per rad
    assert near == pytest.approx(far, rel=1e-12)


def test_on_the_axis_it_is_the_limit_and_continuous():
    at, beside = geometry_function([10.0, 10.0], [0.0, 1e-7], active_length_mm=3.0)
    assert at == pytest.approx(1.0 / (1.0 - 0.15**2), rel=1e-15)  # rounding of one division
    assert beside == pytest.approx(at, rel=1e-12)  # second order in the angle: 1e-14


def test_reference_value_at_1_cm():
    (g,) = geometry_function([10.0], [math.pi / 2], active_length_mm=3.0)
    # 2 atan(L / 2) / L with L = 0.3 cm, worked out by hand to 9 digits
    assert g == pytest.approx(2.0 * math.atan(0.15) / 0.3, rel=1e-14)
    assert g == pytest.approx(0.992599652, abs=2e-9)


def test_compiled_kernel_equals_its_plain_python_source():
    rng = np.random.default_rng(43)
    r_cm, theta = rng.uniform(0.2, 10.0, 500), rng.uniform(0.0, np.pi, 500)
    fast, slow = np.zeros(500), np.zeros(500)
    line_geometry(r_cm, theta, 0.3, fast)
    plain = getattr(line_geometry, "py_func", line_geometry)  # no py_func when JIT is off
    plain(r_cm, theta, 0.3, slow)
    # the same operations; sine may differ in its last bit
    np.testing.assert_allclose(fast, slow, rtol=1e-13)


def test_the_kernels_own_atan_and_exp_are_exact_to_rounding():
    rng = np.random.default_rng(44)
    for num, den in 10.0 ** rng.uniform(-8.0, 4.0, (500, 2)):
        # three units in the last place, as its docstring promises
        assert _atan_ratio(num, den) == pytest.approx(math.atan2(num, den), rel=7e-16)
    for exponent in np.concatenate((rng.uniform(-1.0, 1.0, 500), rng.uniform(-690.0, 690.0, 500))):
        assert _exp(exponent) == pytest.approx(math.exp(exponent), rel=1e-15)
    assert _exp(0.0) == 1.0
    assert 0.0 < _exp(-1e9) < 1e-300
    assert _atan_ratio(0.0, 1.0) == 0.0
    assert _atan_ratio(1.0, 0.0) == math.pi / 2


@pytest.mark.parametrize(
    ("r_mm", "theta", "length_mm", "words"),
    [
        ([10.0], [0.0, 1.0], 3.0, "one angle per distance"),
        ([10.0, 1.5], [0.0, 0.0], 3.0, r"r_mm\[1\]"),
        ([10.0], [math.nan], 3.0, r"theta_rad\[0\]"),
        ([math.inf], [0.0], 3.0, r"r_mm\[0\]"),
        ([10.0], [0.0], 0.0, "active_length_mm"),
        ([10.0], [0.0], math.nan, "active_length_mm"),
        ([10.0], ["1"], 3.0, "theta_rad"),
    ],
)
def test_bad_input_is_named(r_mm, theta, length_mm, words):
    with pytest.raises(DoseInputError, match=words):
        geometry_function(r_mm, theta, active_length_mm=length_mm)
