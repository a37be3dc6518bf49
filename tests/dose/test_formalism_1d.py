"""The 1D formalism against an evaluation by hand, its limits, and the 2D one near the seed."""

import math

import numba
import numpy as np
import pytest

from dose import (
    DoseInputError,
    anisotropy_factor,
    dose_at_points,
    dose_at_points_1d,
    dose_rate_1d_cgy_h,
    dose_rate_cgy_h,
    load_source,
    point_radial_dose,
    radial_dose,
    source_names,
)
from dose._kernels_1d import sum_dose_1d
from dose._tables import factor_tables, kernel_tables

SOURCE = load_source("I125-6711")
FIRST_MM = 5.0  # of its phi_an


def line(x, x0, y0, x1, y1):
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def plain_rate_cgy_h(source, r_cm):
    """Eq. 10 of TG-43U1, one number at a time, in plain Python: (1/r)^2 g_P phi_an."""
    radii, g = source.radial_r_cm.tolist(), source.radial_g.tolist()
    k = sum(r <= r_cm for r in radii)  # nodes at or below
    if k == 0:
        radial = g[0]
    else:
        k = min(max(k, 1), len(radii) - 1)
        exponent = line(r_cm, radii[k - 1], math.log(g[k - 1]), radii[k], math.log(g[k]))
        radial = math.exp(exponent)
    half = source.active_length_mm / 20.0
    point = radial * r_cm * math.atan(half / r_cm) / math.atan(half)
    radii, phi = source.anisotropy_factor_r_cm.tolist(), source.anisotropy_factor.tolist()
    k = sum(r <= r_cm for r in radii)
    if k == len(radii):
        factor = phi[-1]
    else:
        factor = line(r_cm, radii[k - 1], phi[k - 1], radii[k], phi[k])
    return source.dose_rate_constant * point * factor / r_cm**2


def first_mm(source):
    """Where the 1D formalism begins: phi_an is tabled, and the capsule lies nearer."""
    return max(10.0 * float(source.anisotropy_factor_r_cm[0]), 0.5 * source.wall_mm[0])


def random_implant(n_seeds, seed):
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(n_seeds, 3))
    return rng.uniform(-15.0, 15.0, (n_seeds, 3)), axes, rng.uniform(0.3, 1.2, n_seeds)


@pytest.mark.parametrize("name", source_names())
def test_it_equals_an_independent_evaluation(name):
    source = load_source(name)
    r_mm = np.geomspace(first_mm(source) * 1.0001, 200.0, 80)
    expected = [plain_rate_cgy_h(source, r / 10.0) for r in r_mm]
    # a dozen roundings, and log and exp of numbers down to 1e-4
    np.testing.assert_allclose(dose_rate_1d_cgy_h(source, r_mm), expected, rtol=1e-12)
    to_gy = source.half_life_days * 24.0 / math.log(2.0) / 100.0
    direction = np.array([0.48, -0.6, 0.64])  # of length 1
    dose = dose_at_points_1d(
        source, [[1, 2, 3]], [1, 1, 0], 0.7, [1, 2, 3] + r_mm[:, None] * direction
    )
    # a position rounds to 1e-15 of 200 mm
    np.testing.assert_allclose(dose, 0.7 * to_gy * np.array(expected), rtol=1e-11)


def test_mixed_strengths_add_up_and_one_strength_serves_all():
    centers, axes, strengths = random_implant(9, 71)
    points = np.random.default_rng(72).uniform(-40.0, 40.0, (600, 3))  # more than one block
    for function in (dose_at_points, dose_at_points_1d):
        whole = function(SOURCE, centers, axes, strengths, points)
        parts = sum(
            function(SOURCE, [c], [a], u, points)
            for c, a, u in zip(centers, axes, strengths, strict=True)
        )
        np.testing.assert_allclose(whole, parts, rtol=1e-13)  # only the order of the sum differs
        same = function(SOURCE, centers, axes, np.full(9, 0.6), points)
        np.testing.assert_array_equal(function(SOURCE, centers, axes, 0.6, points), same)


def test_beyond_the_first_radius_direction_does_not_matter():
    points = 40.0 * np.random.default_rng(73).normal(size=(300, 3))
    points = points[np.linalg.norm(points, axis=1) > FIRST_MM]
    along, across = (
        dose_at_points_1d(SOURCE, [[0, 0, 0]], axis, 1.0, points) for axis in ([0, 0, 1], [1, 1, 0])
    )
    np.testing.assert_array_equal(along, across)


@pytest.mark.parametrize("name", source_names())
def test_nearer_than_the_first_radius_it_is_the_2d_formalism(name):
    source = load_source(name)
    rng = np.random.default_rng(74)
    directions = rng.normal(size=(400, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    points = directions * rng.uniform(0.0, 2.0 * first_mm(source), 400)[:, None]
    near = np.linalg.norm(points, axis=1) < first_mm(source)
    assert 100 < near.sum() < 300
    seed = ([[0.0, 0.0, 0.0]], [0.0, 0.6, 0.8], 0.8)
    one, two = dose_at_points_1d(source, *seed, points), dose_at_points(source, *seed, points)
    np.testing.assert_array_equal(one[near], two[near])
    assert (np.abs(one[~near] / two[~near] - 1.0) > 1e-6).mean() > 0.9
    assert np.isfinite(one).all()


def test_the_mean_over_directions_is_that_of_the_2d_formalism():
    """phi_an's own meaning, here as an integral over random directions on a sphere of 2 cm."""
    nodes, weights = np.polynomial.legendre.leggauss(200)  # cos(theta): an even sphere
    rate = dose_rate_cgy_h(SOURCE, np.full(200, 20.0), np.arccos(nodes))
    mean = 0.5 * float(weights @ rate)
    # phi_an is printed to 0.001, F too and linear between angles: 0.2 %
    assert dose_rate_1d_cgy_h(SOURCE, [20.0])[0] == pytest.approx(mean, rel=2e-3)


def test_at_1_cm_g_p_is_1_and_the_rate_the_constant_times_phi_an():
    assert point_radial_dose(SOURCE, [10.0])[0] == pytest.approx(1.0, rel=1e-15)
    assert dose_rate_1d_cgy_h(SOURCE, [10.0])[0] == pytest.approx(0.965 * 0.944, rel=1e-14)
    assert dose_rate_1d_cgy_h(SOURCE, [10.0], strength_u=0.5)[0] == pytest.approx(
        0.5 * 0.965 * 0.944, rel=1e-14
    )


def test_g_p_far_away_is_g_l_and_at_the_centre_0():
    near, far = point_radial_dose(SOURCE, [0.0, 1000.0])
    assert near == 0.0
    # there r^2 G_L is 1 within (L / 2r)^2 / 3; G_L(1 cm) of 0.3 cm is 0.992600
    assert far == pytest.approx(radial_dose(SOURCE, [1000.0])[0] / 0.992599652, rel=1e-5)


def test_phi_an_is_linear_holds_its_last_value_and_has_no_value_below():
    np.testing.assert_allclose(
        anisotropy_factor(SOURCE, [5.0, 7.5, 10.0, 50.0, 300.0]),
        [0.973, 0.5 * (0.973 + 0.944), 0.944, 0.944, 0.944],
        rtol=1e-15,
    )
    for function in (anisotropy_factor, dose_rate_1d_cgy_h):
        with pytest.raises(DoseInputError, match=r"r_mm\[1\] = 4.9 mm.*2D"):
            function(SOURCE, [5.0, 4.9])
        with pytest.raises(DoseInputError, match=r"r_mm\[0\]"):
            function(SOURCE, [math.nan])


def test_compiled_kernel_equals_its_plain_python_source():
    centers, axes, strengths = random_implant(3, 75)
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    xyz_cm = np.random.default_rng(76).uniform(-2.0, 2.0, (3, 300))
    fast, slow = np.zeros(300), np.zeros(300)
    tables = (kernel_tables(SOURCE), factor_tables(SOURCE))
    plain = getattr(sum_dose_1d, "py_func", sum_dose_1d)  # no py_func when JIT is off
    for function, out in ((sum_dose_1d, fast), (plain, slow)):
        function(*tables, centers / 10.0, axes, strengths, xyz_cm, out)
    assert fast.min() > 0.0
    # the same operations but for fused multiply-add
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def test_the_number_of_threads_does_not_matter():
    centers, axes, strengths = random_implant(7, 77)
    points = np.random.default_rng(78).uniform(-30.0, 30.0, (3000, 3))
    dose = dose_at_points_1d(SOURCE, centers, axes, strengths, points)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = dose_at_points_1d(SOURCE, centers, axes, strengths, points)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(dose, alone)


def test_no_seeds_or_no_points_give_no_dose():
    assert dose_at_points_1d(SOURCE, [], [], 1.0, [[0, 0, 0]]).tolist() == [0.0]
    assert dose_at_points_1d(SOURCE, [[0, 0, 0]], [0, 0, 1], 1.0, []).size == 0


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("centers_mm", [[0, 0, math.nan]], r"centers_mm\[0, 2\]"),
        ("axes", [[0, 0, 0]], r"axes\[0\]"),
        ("strength_u", [-1.0], r"strength_u\[0\]"),
        ("points_mm", [[math.inf, 0, 0]], r"points_mm\[0, 0\]"),
        ("source", "I125-6711", "load_source"),
    ],
)
def test_hostile_input_is_named(argument, value, words):
    good = {
        "source": SOURCE,
        "centers_mm": [[0, 0, 0]],
        "axes": [[0, 0, 1]],
        "strength_u": [1.0],
        "points_mm": [[10, 0, 0]],
    }
    with pytest.raises(DoseInputError, match=words):
        dose_at_points_1d(**{**good, argument: value})
