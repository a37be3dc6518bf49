"""Published tables and rules: what the formalism's functions must reproduce."""

import dataclasses
import math

import numpy as np
import pytest

from dose import (
    DoseInputError,
    anisotropy,
    dose_at_points,
    dose_rate_cgy_h,
    load_source,
    radial_dose,
    source_names,
)

SOURCES = source_names()
EXACT = 1e-13  # float64 sums and products of a few table numbers


def with_radial(r_cm, g):
    """A 6711 with another g table."""
    return dataclasses.replace(load_source("I125-6711"), radial_r_cm=r_cm, radial_g=g)


@pytest.mark.parametrize("name", SOURCES)
def test_dose_rate_at_1_cm_is_the_constant(name):
    source = load_source(name)
    (rate,) = dose_rate_cgy_h(source, [10.0], [math.pi / 2])
    assert rate == pytest.approx(source.dose_rate_constant, rel=EXACT)


@pytest.mark.parametrize("name", SOURCES)
def test_published_values_come_back_at_the_nodes(name):
    source = load_source(name)
    g = radial_dose(source, 10.0 * source.radial_r_cm)
    np.testing.assert_allclose(g, source.radial_g, rtol=EXACT)
    theta, r = np.meshgrid(source.anisotropy_theta_deg, source.anisotropy_r_cm, indexing="ij")
    f = anisotropy(source, 10.0 * r.ravel(), np.radians(theta.ravel()))
    np.testing.assert_allclose(f, source.anisotropy_f.ravel(), rtol=EXACT)


@pytest.mark.parametrize("name", SOURCES)
def test_dose_rate_is_positive_everywhere(name):
    r, theta = np.meshgrid(np.geomspace(0.01, 1000.0, 60), np.linspace(0.0, np.pi, 37))
    rate = dose_rate_cgy_h(load_source(name), r.ravel(), theta.ravel())
    assert np.isfinite(rate).all()
    assert (rate > 0.0).all()


def test_worked_examples_of_tg43u1s1():
    inside = with_radial([1.0, 2.0], [1.0, 0.8])
    # the report prints three decimals
    assert radial_dose(inside, [15.0])[0] == pytest.approx(0.894, abs=5e-4)
    outside = with_radial([1.0, 4.0, 5.0], [1.0, 0.51, 0.391])
    assert radial_dose(outside, [60.0])[0] == pytest.approx(0.300, abs=5e-4)


def test_below_its_table_g_is_the_first_value():
    source = load_source("I125-6711")
    np.testing.assert_allclose(radial_dose(source, [0.0, 0.2, 0.999]), 1.055, rtol=EXACT)


def test_above_its_table_g_is_one_exponential_through_the_two_outermost_points():
    source = load_source("I125-6711")
    expected = 0.0803 * (0.0803 / 0.109) ** 2.5
    assert radial_dose(source, [125.0])[0] == pytest.approx(expected, rel=EXACT)


def test_outside_its_table_f_is_that_of_the_nearest_radius_not_1():
    source = load_source("I125-6711")
    f = anisotropy(source, [1.0, 5.0, 50.0, 90.0], [0.0] * 4)
    np.testing.assert_allclose(f, [0.333, 0.333, 0.55, 0.55], rtol=EXACT)


def test_f_is_bilinear_between_its_nodes():
    source = load_source("I125-6711")
    (f,) = anisotropy(source, [12.5], [math.radians(16.0)])
    at_1, at_2 = 0.4 * 0.537 + 0.6 * 0.705, 0.4 * 0.58 + 0.6 * 0.727
    assert f == pytest.approx(0.75 * at_1 + 0.25 * at_2, rel=EXACT)


def test_f_folds_every_angle_to_the_first_quarter():
    source, theta = load_source("I125-6711"), np.radians(np.arange(0.0, 91.0, 7.0))
    r = np.full(theta.size, 17.0)
    expected = anisotropy(source, r, theta)
    for turned in (np.pi - theta, -theta, theta + np.pi, theta - np.pi):
        # pi is rounded: angles move by 1e-16, F by less than 1e-14
        np.testing.assert_allclose(anisotropy(source, r, turned), expected, rtol=1e-13)


def test_6711_gives_1984_72_cgy_per_u_at_1_cm():
    (dose,) = dose_at_points(load_source("I125-6711"), [[0, 0, 0]], [[0, 0, 1]], 1.0, [[10, 0, 0]])
    assert 100.0 * dose == pytest.approx(1984.72, abs=5e-3)  # printed to 0.01 cGy


def test_phi_an_is_the_mean_of_f_over_the_sphere():
    """Table against table: F averaged over 4 pi with G_L, over G_L at 90 degrees."""
    source = load_source("I125-6711")
    theta = np.linspace(0.0, np.pi / 2, 2001)
    for r_cm, phi_an in zip(source.anisotropy_factor_r_cm, source.anisotropy_factor, strict=True):
        rate = dose_rate_cgy_h(source, np.full(theta.size, 10.0 * r_cm), theta)
        steps = rate * np.sin(theta)
        mean = float(np.sum(0.5 * (steps[1:] + steps[:-1]) * np.diff(theta)))
        # F is printed to 0.001 and linear between its angles: 0.2 % of their mean
        assert mean / rate[-1] == pytest.approx(phi_an, rel=2e-3)


def test_strength_scales_the_rate():
    one, three = (
        dose_rate_cgy_h(load_source("I125-6711"), [7.0], [0.3], strength_u=u)[0] for u in (1.0, 3.0)
    )
    assert three == pytest.approx(3.0 * one, rel=1e-15)  # one rounding


@pytest.mark.parametrize(
    ("r_mm", "words"), [([1.0, -1.0], r"r_mm\[1\]"), ([math.nan], r"r_mm\[0\]"), ("x", "r_mm")]
)
def test_bad_distances_are_named(r_mm, words):
    with pytest.raises(DoseInputError, match=words):
        radial_dose(load_source("I125-6711"), r_mm)
