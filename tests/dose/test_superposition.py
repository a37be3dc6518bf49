"""Dose of many seeds: against an independent evaluation, symmetries, threads, bad input."""

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dose import DoseInputError, dose_at_points, influence_matrix, load_source, source_names

SOURCE = load_source("I125-6711")
ONE = ([[0.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]], 1.0)


def plain_dose_gy(source, centers_mm, axes, strengths_u, point_mm):
    """TG-43U1 by hand, one number at a time, sharing no code with the package."""
    total = 0.0
    length = source.active_length_mm / 10.0
    g1 = 2.0 * math.atan(length / 2.0) / length  # G_L(1 cm, 90 degrees)
    for center, axis, strength in zip(centers_mm, axes, strengths_u, strict=True):
        d = [(p - c) / 10.0 for p, c in zip(point_mm, center, strict=True)]
        norm = math.sqrt(sum(a * a for a in axis))
        u = [a / norm for a in axis]
        r = math.sqrt(sum(v * v for v in d))
        z = abs(sum(v * a for v, a in zip(d, u, strict=True)))
        cross = (
            d[1] * u[2] - d[2] * u[1],
            d[2] * u[0] - d[0] * u[2],
            d[0] * u[1] - d[1] * u[0],
        )
        rho = math.sqrt(sum(v * v for v in cross))
        theta = math.degrees(math.atan2(rho, z))
        # the angle that the line subtends, as the difference of two slopes
        beta = math.atan((z + length / 2.0) / rho) - math.atan((z - length / 2.0) / rho)
        radii, g = source.radial_r_cm, source.radial_g
        if r > radii[-1]:
            slope = math.log(g[-1] / g[-2]) / (radii[-1] - radii[-2])
            radial = g[-1] * math.exp(slope * (r - radii[-1]))
        else:
            radial = math.exp(np.interp(r, radii, np.log(g)))
        by_theta = [np.interp(r, source.anisotropy_r_cm, row) for row in source.anisotropy_f]
        f = np.interp(theta, source.anisotropy_theta_deg, by_theta)
        rate = strength * source.dose_rate_constant * beta / (length * rho) / g1 * radial * f
        total += rate * source.half_life_days * 24.0 / math.log(2.0) / 100.0
    return float(total)


def random_implant(n_seeds, seed):
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-15.0, 15.0, (n_seeds, 3))
    axes = rng.normal(size=(n_seeds, 3))
    return centers, axes, rng.uniform(0.3, 1.2, n_seeds)


@pytest.mark.parametrize("name", source_names())
def test_it_equals_an_independent_evaluation_from_a_quarter_cm_to_12_cm(name):
    source = load_source(name)
    rng = np.random.default_rng(45)
    for n_seeds in (1, 7):
        centers, axes, strengths = random_implant(n_seeds, 46)
        directions = rng.normal(size=(60, 3))
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        points = centers[0] + np.geomspace(2.5, 120.0, 60)[:, None] * directions
        dose = dose_at_points(source, centers, axes, strengths, points)
        expected = [plain_dose_gy(source, centers, axes, strengths, p) for p in points]
        # the difference of two arctangents loses at most 4 digits of 16 at 12 cm
        np.testing.assert_allclose(dose, expected, rtol=1e-11)


def test_it_equals_an_independent_evaluation_between_capsule_and_a_quarter_cm():
    rho, z = np.meshgrid([0.45, 0.8, 1.2, 1.6, 2.4], [0.0, 0.3, 0.9, 1.49, 1.51, 2.2, 2.3])
    points = np.column_stack((0.6 * rho.ravel(), -0.8 * rho.ravel(), z.ravel()))
    dose = dose_at_points(SOURCE, *ONE, points)
    expected = [plain_dose_gy(SOURCE, *ONE[:2], [1.0], p) for p in points]
    np.testing.assert_allclose(dose, expected, rtol=1e-12)  # rounding of a few operations


def test_doses_of_seeds_add_up():
    centers, axes, strengths = random_implant(20, 47)
    points = np.random.default_rng(48).uniform(-40.0, 40.0, (300, 3))
    whole = dose_at_points(SOURCE, centers, axes, strengths, points)
    parts = sum(
        dose_at_points(SOURCE, centers[half], axes[half], strengths[half], points)
        for half in (slice(0, 9), slice(9, None))
    )
    np.testing.assert_allclose(whole, parts, rtol=1e-13)  # only the order of the sum differs


def test_the_influence_matrix_holds_the_terms_of_the_sum():
    centers, axes, strengths = random_implant(5, 49)
    points = np.random.default_rng(50).uniform(-40.0, 40.0, (700, 3))  # more than one block
    dose = dose_at_points(SOURCE, centers, axes, strengths, points)
    exact = influence_matrix(SOURCE, centers, axes, points, dtype=np.float64)
    np.testing.assert_allclose(strengths @ exact, dose, rtol=1e-13)  # order of the sum
    short = influence_matrix(SOURCE, centers, axes, points)
    assert (short.dtype, short.shape) == (np.float32, (5, 700))
    np.testing.assert_array_equal(short, exact.astype(np.float32))
    with pytest.raises(DoseInputError, match="dtype"):
        influence_matrix(SOURCE, centers, axes, points, dtype=np.int32)


def test_turning_and_moving_everything_changes_nothing():
    rng = np.random.default_rng(51)
    centers, axes, strengths = random_implant(8, 52)
    points = rng.uniform(-40.0, 40.0, (200, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))  # a rotation, perhaps with a mirror
    shift = np.array([120.0, -340.0, 55.0])
    before = dose_at_points(SOURCE, centers, axes, strengths, points)
    after = dose_at_points(
        SOURCE, centers @ turn.T + shift, axes @ turn.T, strengths, points @ turn.T + shift
    )
    # positions round to 6e-14 mm; half a millimetre from a seed that is 2e-13 of the dose
    np.testing.assert_allclose(after, before, rtol=1e-11)


@given(r=st.floats(0.5, 80.0), theta=st.floats(0.0, math.pi), phi=st.floats(0.0, 2 * math.pi))
def test_one_seed_is_symmetric_about_its_axis_and_its_middle(r, theta, phi):
    rho, z = r * math.sin(theta), r * math.cos(theta)
    points = [
        [rho, 0.0, z],
        [rho * math.cos(phi), rho * math.sin(phi), z],
        [-rho, 0.0, -z],
        [rho, 0.0, -z],
    ]
    dose = dose_at_points(SOURCE, *ONE, points)
    # cos and sin round rho to 2e-16; on the capsule's wall (rho = 0.4 mm) either side is continuous
    np.testing.assert_allclose(dose, dose[0], rtol=1e-12)


def test_the_length_and_sign_of_an_axis_do_not_matter_and_one_axis_serves_all():
    centers, _, strengths = random_implant(3, 53)
    points = [[20.0, 5.0, -3.0]]
    first = dose_at_points(SOURCE, centers, [[1.0, 2.0, 3.0]] * 3, strengths, points)
    for axes in ([1.0, 2.0, 3.0], [-2.0, -4.0, -6.0]):
        # normalising rounds the axis to 1e-16
        np.testing.assert_allclose(
            dose_at_points(SOURCE, centers, axes, strengths, points), first, rtol=1e-13
        )


def test_inside_the_capsule_the_dose_is_that_on_its_side():
    inside = [[0.0, 0.0, 0.0], [0.2, 0.0, 0.0], [0.0, 0.1, 1.5], [0.0, 0.0, -2.2]]
    side = [[0.4, 0.0, 0.0], [0.4, 0.0, 0.0], [0.0, 0.4, 1.5], [0.4, 0.0, -2.2]]
    dose = dose_at_points(SOURCE, *ONE, inside)
    assert np.isfinite(dose).all()
    # 0.4 mm is not a binary number: its distance from the axis may round
    np.testing.assert_allclose(dose, dose_at_points(SOURCE, *ONE, side), rtol=1e-13)


def test_dose_falls_along_every_ray_from_5_mm_outwards():
    for theta in np.radians([0.0, 15.0, 45.0, 90.0]):
        r = np.linspace(5.0, 200.0, 400)
        points = np.column_stack((r * np.sin(theta), 0.0 * r, r * np.cos(theta)))
        assert (np.diff(dose_at_points(SOURCE, *ONE, points)) < 0.0).all()


def test_no_seed_no_dose_no_point_no_number():
    assert dose_at_points(SOURCE, [], [], 1.0, [[1.0, 2.0, 3.0]]).tolist() == [0.0]
    assert dose_at_points(SOURCE, np.zeros((0, 3)), np.zeros((0, 3)), [], [[0, 0, 0]])[0] == 0.0
    assert dose_at_points(SOURCE, *ONE, []).shape == (0,)
    assert dose_at_points(SOURCE, [[0, 0, 0]], [0, 0, 1], 0.0, [[1, 2, 3]])[0] == 0.0
    assert influence_matrix(SOURCE, [], [], [[1.0, 2.0, 3.0]]).shape == (0, 1)


def test_inputs_are_left_alone():
    centers, axes, strengths = random_implant(4, 54)
    points = np.random.default_rng(55).uniform(-9.0, 9.0, (10, 3))
    copies = [a.copy() for a in (centers, axes, strengths, points)]
    for array in (centers, axes, strengths, points):
        array.setflags(write=False)
    dose_at_points(SOURCE, centers, axes, strengths, points)
    for array, copy in zip((centers, axes, strengths, points), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_points_may_come_in_any_memory_layout_and_number_type():
    points = np.random.default_rng(56).integers(-40, 40, (30, 3))
    expected = dose_at_points(SOURCE, *ONE, points.astype(np.float64))
    for same in (points, points.tolist(), np.asfortranarray(points), points.astype(np.float32)):
        np.testing.assert_array_equal(dose_at_points(SOURCE, *ONE, same), expected)


THREADS = """
import hashlib, numpy as np
from dose import dose_at_points, influence_matrix, load_source
rng = np.random.default_rng(57)
seeds = rng.uniform(-20, 20, (30, 3)), rng.normal(size=(30, 3))
points = rng.uniform(-50, 50, (3001, 3))
source = load_source("I125-6711")
dose = dose_at_points(source, *seeds, rng.uniform(0.3, 1.0, 30), points)
influence = influence_matrix(source, *seeds, points)
print(hashlib.sha256(dose.tobytes() + influence.tobytes()).hexdigest())
"""


def test_every_bit_is_the_same_on_any_number_of_threads():
    root = str(Path(__file__).resolve().parents[2])
    digests = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "NUMBA_NUM_THREADS": threads, "PYTHONPATH": root}
        done = subprocess.run(
            [sys.executable, "-c", THREADS],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == hashlib.sha256().digest_size * 2


NAN, INF = math.nan, math.inf
GOOD = {
    "centers_mm": [[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]],
    "axes": [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]],
    "strength_u": [0.5, 0.6],
    "points_mm": [[10.0, 0.0, 0.0]],
}


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("centers_mm", [[0, 0, 0], [NAN, 0, 0]], r"centers_mm\[1, 0\]"),
        ("centers_mm", [[0, 0, 0], [0, INF, 0]], r"centers_mm\[1, 1\]"),
        ("centers_mm", [[0, 0], [1, 1]], r"\(n, 3\)"),
        ("centers_mm", [0, 0, 0], "centers_mm has shape"),
        ("centers_mm", [[0, 0, 0], [1, 1]], "different lengths"),
        ("centers_mm", [["0", "0", "0"], ["1", "1", "1"]], "real numbers"),
        ("centers_mm", None, "real numbers"),
        ("centers_mm", [[0, 0, 0], [1e9, 0, 0]], "millimetres"),
        ("axes", [[0, 0, 1], [0, 0, 0]], r"axes\[1\].*no length"),
        ("axes", [[0, 0, 1], [0, 0, NAN]], r"axes\[1, 2\]"),
        ("axes", [[0, 0, 1]] * 3, "one axis per seed"),
        ("axes", [[0, 0, 1], [1]], "different lengths"),
        ("axes", [0, 0], "axes has shape"),
        ("strength_u", [0.5, -0.1], r"strength_u\[1\].*negative"),
        ("strength_u", [0.5, NAN], r"strength_u\[1\]"),
        ("strength_u", NAN, "strength_u"),
        ("strength_u", -1.0, "negative"),
        ("strength_u", [0.5], "one per seed"),
        ("strength_u", "0.5", "real numbers"),
        ("strength_u", True, "real numbers"),
        ("points_mm", [[NAN, 0, 0]], r"points_mm\[0, 0\]"),
        ("points_mm", [[0, 0, 0], [0, 0, -INF]], r"points_mm\[1, 2\]"),
        ("points_mm", [[1j, 0, 0]], "real numbers"),
        ("points_mm", [1.0, 2.0, 3.0], "points_mm has shape"),
    ],
)
def test_hostile_input_is_named(argument, value, words):
    with pytest.raises(DoseInputError, match=words):
        dose_at_points(SOURCE, **{**GOOD, argument: value})


def test_a_name_is_no_source():
    with pytest.raises(DoseInputError, match="load_source"):
        dose_at_points("I125-6711", **GOOD)
