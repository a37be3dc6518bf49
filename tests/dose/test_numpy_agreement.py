"""The engine against TG-43 in plain NumPy: the yardstick of the benchmark, and a second way."""

import math

import numpy as np
import pytest

from dose import dose_at_points, load_source, source_names
from tests.benchmarks.bench_grid import GridRow, NumpyRow
from tests.benchmarks.bench_others import write_pygrpm_tables
from tests.benchmarks.bench_points import PointsResult
from tests.benchmarks.machine import Machine
from tests.benchmarks.numpy_tg43 import numpy_dose_gy
from tests.benchmarks.report import Results
from tests.benchmarks.scenes import Deviation, cube, lattice_implant, oblique_implant, within

# both round at 1e-16; the plain formula takes the distance from the axis as sqrt(r2 - z2), which
# keeps 1e-16 (r / rho)^2: 1e-10 at 0.1 mm from an axis 100 mm out
AGREEMENT = 1e-9
ON_AXIS = 1e-6  # there sqrt(r2 - z2) is of the order 1e-8 r, and F bends by up to 0.1 per degree


def random_seeds(seed):
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(7, 3))
    return rng.uniform(-20.0, 20.0, (7, 3)), axes, rng.uniform(0.2, 1.0, 7), rng


@pytest.mark.parametrize("name", source_names())
def test_seeds_of_any_axis_and_strength_agree(name):
    source = load_source(name)
    centers, axes, strengths, rng = random_seeds(43)
    points = rng.uniform(-150.0, 150.0, (3000, 3))  # far beyond the tables too
    points[:1000] /= 5.0
    away = np.linalg.norm(points[:, None] - centers, axis=2).min(axis=1)
    points = points[away > 3.0]  # outside every capsule
    assert len(points) > 2500
    engine = dose_at_points(source, centers, axes, strengths, points)
    plain = numpy_dose_gy(source, centers, axes, strengths, points)
    np.testing.assert_allclose(plain, engine, rtol=AGREEMENT)


@pytest.mark.parametrize("name", source_names())
def test_near_the_capsule_below_the_first_radii_they_agree(name):
    source = load_source(name)
    _, diameter = source.wall_mm
    angle = np.linspace(0.0, 2.0 * math.pi, 50)
    # beside the middle of the capsule, from just outside its wall
    for distance in np.linspace(0.5 * diameter + 0.01, 3.0, 20):
        points = distance * np.column_stack((np.cos(angle), np.sin(angle), 0.3 * np.sin(angle)))
        engine = dose_at_points(source, [[0, 0, 0]], [0, 0, 1], 1.0, points)
        plain = numpy_dose_gy(source, [[0, 0, 0]], [0, 0, 1], 1.0, points)
        np.testing.assert_allclose(plain, engine, rtol=AGREEMENT)


def test_on_the_axis_they_agree():
    source = load_source("I125-6711")
    axis = np.array([2.0, -1.0, 2.0]) / 3.0
    points = np.outer([3.0, 5.0, 10.0, 40.0, 99.0, -7.0], axis)
    engine = dose_at_points(source, [[0, 0, 0]], axis, 1.0, points)
    plain = numpy_dose_gy(source, [[0, 0, 0]], axis, 1.0, points)
    np.testing.assert_allclose(plain, engine, rtol=ON_AXIS)


def test_chunks_change_nothing():
    source = load_source("I125-6711")
    centers, axes, strengths, rng = random_seeds(44)
    points = rng.uniform(-50.0, 50.0, (1001, 3))
    whole = numpy_dose_gy(source, centers, axes, strengths, points)
    chunked = numpy_dose_gy(source, centers, axes, strengths, points, 100)
    # the same sums; vector instructions may round the last digit another way at a chunk's end
    np.testing.assert_allclose(chunked, whole, rtol=1e-13)


def test_the_plain_dose_is_the_published_one_at_1_cm():
    # 0.965 cGy/h/U x 59.40 d x 24 h/d / ln 2 = 1984.72 cGy per U
    (dose,) = numpy_dose_gy(load_source("I125-6711"), [[0, 0, 0]], [0, 0, 1], 1.0, [[10, 0, 0]])
    assert 100.0 * dose == pytest.approx(1984.72, abs=0.005)  # the published digits


def test_the_benchmark_finds_voxels_near_a_line():
    scene = lattice_implant(cube(60)).first_seeds(1)
    points = scene.grid.points_mm() - scene.centers_mm[0]
    half = 0.5 * scene.source.active_length_mm
    beyond = np.maximum(np.abs(points[:, 2]) - half, 0.0)  # this seed lies along z
    distance = np.sqrt(points[:, 0] ** 2 + points[:, 1] ** 2 + beyond**2)
    found = within(scene, 2.0).ravel()
    assert 0 < found.sum() < found.size
    np.testing.assert_array_equal(found, distance <= 2.0)


def test_the_benchmark_times_60_seeds_10_mm_apart():
    for make in (oblique_implant, lattice_implant):
        scene = make(cube(4))
        apart = np.linalg.norm(scene.centers_mm[:, None] - scene.centers_mm, axis=2)
        np.fill_diagonal(apart, math.inf)
        assert len(scene.centers_mm) == 60
        np.testing.assert_allclose(apart.min(axis=1), 10.0, rtol=1e-12)  # a few float64 sums
    shifts = lattice_implant(cube(4)).centers_mm
    np.testing.assert_array_equal((shifts - shifts[0]) % 1.0, 0.0)


def test_a_broken_promise_is_seen():
    assert Deviation(0.003, 0.01, 0.01).within_promise
    assert not Deviation(0.0031, 0.004, 0.0).within_promise
    assert not Deviation(0.0, 0.011, 0.0).within_promise
    assert not Deviation(0.0, 0.0, 0.011).within_promise
    assert not Deviation(math.nan, 0.0, 0.0).within_promise


def test_only_wrong_numbers_count_as_disagreement():
    machine = Machine("", 2, 2, 8.0, 0.0, "", "", "", 10.0, 0.5)

    def results(difference, off):
        plain = NumpyRow("60 seeds", 60, 50.0, 90.0, difference)
        slow = GridRow("60 seeds", "table", 9.0, 150.0, 0.3, 0.6, 100.0, off)
        points = PointsResult(10, 10, 100.0, 1.0)
        return Results(True, machine, [plain], [slow], [], "", points, [], [], "")

    slow = results(1e-10, Deviation(0.001, 0.002, 0.002))
    assert not slow.disagreements
    assert [reached for reached, _ in slow.verdicts] == [False, False]
    assert "NumPy" in results(1e-8, Deviation(0.001, 0.002, 0.002)).disagreements[0]
    assert results(math.nan, Deviation(0.001, 0.002, 0.002)).disagreements
    assert "table" in results(1e-10, Deviation(0.001, 0.011, 0.002)).disagreements[0]


def test_tables_for_other_code_hold_ours(tmp_path):
    source = load_source("I125-6711")
    write_pygrpm_tables(source, tmp_path / "tables")
    g = np.loadtxt(tmp_path / "tables" / "gL.dat")
    at = np.searchsorted(g[:, 0], source.radial_r_cm)
    np.testing.assert_allclose(g[at, 1], source.radial_g, rtol=1e-12)  # exp(log g), as text
    f = np.loadtxt(tmp_path / "tables" / "F.dat")
    angles, columns = f[1:, 0], f[1:, 2:-1]
    assert f[0, 2:-1].tolist() == source.anisotropy_r_cm.tolist()
    assert angles.tolist() == sorted({*angles, *(180.0 - angles)})
    np.testing.assert_array_equal(columns[: len(source.anisotropy_theta_deg)], source.anisotropy_f)
    np.testing.assert_array_equal(columns, columns[::-1])
