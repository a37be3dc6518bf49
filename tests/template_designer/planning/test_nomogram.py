import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from dose import DoseInputError, dose_at_points, load_source
from template_designer.errors import GeometryError
from template_designer.geometry.sampling import volume_samples
from template_designer.geometry.solids import build_solid
from template_designer.inputs import read_case, used_names
from template_designer.loading_sheet import estimate_line
from template_designer.model.loading_report import SeedEstimate, TargetDimensions
from template_designer.planning import nomogram
from template_designer.planning.nomogram import (
    EVEN,
    FACTOR,
    SERIES,
    fewest_seeds,
    seed_estimates,
    seed_number_warnings,
    target_dimensions,
)
from template_designer.planning.structures import build_structures, target_solid
from tests.paths import DEMO, SHARED, needs_shared
from tests.template_designer.geometry.shapes import roi, rotation, turned

SOURCE = load_source("I125-6711")
U_PER_MCI = 1.270


def dimensions(volume_cm3, shape=(1.0, 1.0, 1.0)):
    """An ellipsoid of that volume and those proportions."""
    scale = np.cbrt(1000.0 * volume_cm3 / (np.pi / 6.0 * np.prod(shape)))
    a, b, c = sorted((scale * np.array(shape)).tolist(), reverse=True)
    return TargetDimensions(volume_cm3, (a, b, c))


def ellipsoid(semi_axes_mm, turn):
    a, b, c = semi_axes_mm
    angle = 2.0 * np.pi * np.arange(240) / 240
    rings = []
    for z in np.arange(-c + 0.5, c, 1.0):
        half = np.sqrt(1.0 - (z / c) ** 2)
        ring = [a * half * np.cos(angle), b * half * np.sin(angle), np.full(240, z)]
        rings.append(np.column_stack(ring) + np.array([40.0, -30.0, 7.0]))
    return build_solid(roi(turned(rings, turn), "GTV"))


@pytest.mark.parametrize(
    "turn", [np.eye(3), rotation((0, 0, 1), 0.6), rotation((1, 0, 0), 0.7)], ids=str
)
def test_dimensions_of_an_ellipsoid_are_its_axes_however_it_lies(turn):
    found = target_dimensions(ellipsoid((12.0, 18.0, 25.0), turn))
    # slabs of 1 mm end at the tips and step by up to 0.5 mm; a turn of the axes by the sampling of
    # 1 mm adds second-order parts of that
    assert found.extents_mm == pytest.approx((50.0, 36.0, 24.0), abs=0.6)
    exact_cm3 = 4.0 / 3.0 * np.pi * 12.0 * 18.0 * 25.0 / 1000.0
    assert found.volume_cm3 == pytest.approx(exact_cm3, rel=0.01)  # slabs of 1 mm
    # 24 to 50 mm: semi-axes within the 0.3 mm that half of 0.6 mm is
    assert found.semi_axes_mm == pytest.approx((25.0, 18.0, 12.0), abs=0.3)


@given(
    volume_cm3=st.floats(0.01, 1000.0),
    shape=st.tuples(*[st.floats(1.0, 100.0)] * 3),
)
def test_the_equal_ellipsoid_has_the_volume_and_the_proportions(volume_cm3, shape):
    found = TargetDimensions(volume_cm3, shape)
    a, b, c = found.semi_axes_mm
    assert 4.0 / 3.0 * np.pi * a * b * c / 1000.0 == pytest.approx(volume_cm3, rel=1e-12)
    assert (a / b, b / c) == pytest.approx((shape[0] / shape[1], shape[1] / shape[2]), rel=1e-12)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_target_without_size_is_refused(bad):
    with pytest.raises(GeometryError, match="has no size"):
        TargetDimensions(bad, (10.0, 10.0, 10.0))
    with pytest.raises(GeometryError, match="has no size"):
        TargetDimensions(10.0, (10.0, bad, 10.0))


def test_the_kernel_is_the_mean_of_the_dose_engine_over_directions():
    kernel = nomogram._Kernel(SOURCE, 60.0)
    rng = np.random.default_rng(5)
    away = rng.normal(size=(20_000, 3))
    away /= np.linalg.norm(away, axis=1)[:, None]
    for r_mm in (3.0, 8.1, 15.0, 40.0):
        engine = dose_at_points(SOURCE, [[0, 0, 0]], [0, 0, 1], 1.0, r_mm * away).mean()
        mine = kernel.sums(np.array([[r_mm, 0.0, 0.0]]), np.zeros((1, 3)))[0]
        # 20,000 directions of a dose that varies by 20 %: 0.15 %; the table's step bends 0.2 %
        assert mine == pytest.approx(engine, rel=5e-3)
    assert np.all(np.diff(kernel.gy) < 0.0)  # what the monotony of the estimate rests on


def test_the_points_of_the_ball_are_even():
    points = nomogram._ball_points(512)
    radius = np.linalg.norm(points, axis=1)
    assert radius.max() <= 1.0
    # 512 points of low discrepancy: shares within a hundredth or so
    for part in (0.3, 0.6, 0.9):
        assert np.mean(radius <= part) == pytest.approx(part**3, abs=0.01)
    assert np.abs(points.mean(axis=0)).max() < 0.02


def test_the_estimate_holds_by_the_dose_engine_on_the_points_of_a_solid():
    """So many seeds cover; a quarter fewer do not: by the 2D engine, on another solid's points."""
    found = dimensions(25.0, (1.0, 1.2, 1.5))
    estimate = seed_estimates(found, SOURCE, 0.762, 120.0)[0]
    axes = np.array(sorted(found.semi_axes_mm))
    solid = ellipsoid(axes, np.eye(3))
    points, weights = volume_samples(solid, 2.0)
    centre = solid.centroid_lps_mm

    def best_v100_pct(seeds):
        spacing = np.cbrt(25_000.0 / seeds)
        found = []
        for offset in np.random.default_rng(1).random((40, 3)):
            lattice = nomogram._lattice_inside(axes, spacing, offset)
            if len(lattice) <= seeds:
                gy = dose_at_points(SOURCE, lattice + centre, [0, 0, 1], 0.762, points)
                found.append(100.0 * np.average(gy >= 120.0, weights=weights))
        return max(found)

    # 98 % at 512 points is known to half a percent; the 2D dose differs along the seeds' axes
    assert best_v100_pct(estimate.seeds) > 96.5
    assert best_v100_pct(round(0.75 * estimate.seeds)) < 96.0


positive = st.floats(1.0, 1.6)


@settings(max_examples=8)
@given(volume_cm3=st.floats(3.0, 15.0), more=positive, gy_per_u=st.floats(60.0, 300.0))
def test_more_dose_less_strength_or_more_volume_never_take_fewer_seeds(volume_cm3, more, gy_per_u):
    shape = (1.0, 1.2, 1.5)
    small, large = (dimensions(v, shape).semi_axes_mm for v in (volume_cm3, more * volume_cm3))
    seeds = fewest_seeds(small, SOURCE, gy_per_u, 98.0)
    assert fewest_seeds(large, SOURCE, gy_per_u, 98.0) >= seeds
    assert fewest_seeds(small, SOURCE, more * gy_per_u, 98.0) >= seeds  # dose up or strength down
    assert fewest_seeds(small, SOURCE, gy_per_u, 90.0) <= seeds


def test_a_speck_takes_one_seed_and_no_number_is_given_past_the_most():
    assert fewest_seeds((1.5, 1.5, 1.5), SOURCE, 120.0 / 0.762, 98.0) == 1
    assert fewest_seeds((15.0, 15.0, 15.0), SOURCE, 1e6, 98.0) is None
    assert seed_estimates(dimensions(10.0), SOURCE, 1e-3, 1000.0) == ()


@pytest.mark.parametrize(
    ("strength_u", "dose_gy"), [(0.0, 120.0), (-0.7, 120.0), (float("nan"), 120.0), (0.7, 0.0)]
)
def test_a_strength_or_dose_that_is_none_is_refused(strength_u, dose_gy):
    with pytest.raises(DoseInputError):
        seed_estimates(dimensions(10.0), SOURCE, strength_u, dose_gy)


@pytest.mark.parametrize("mci", [0.4, 0.5, 0.6, 0.7, 0.8])
def test_the_published_series_lie_within_the_factor(mci):
    """DESIGN.md, section 4: 55 seeds (median) for 33 cm3 and 120 Gy, 0.4-0.8 mCi, V200 83 %."""
    even, series = seed_estimates(dimensions(33.0), SOURCE, mci * U_PER_MCI, 120.0)
    assert (even.method, series.method) == (EVEN, SERIES)
    assert 1.0 / FACTOR <= series.ratio(55) <= FACTOR
    assert even.seeds < series.seeds
    assert series.total_strength_u == pytest.approx(series.seeds * mci * U_PER_MCI, rel=1e-12)
    if mci == 0.6:
        # the same section: an optimiser needs a third fewer; a round number, so to a quarter
        assert even.seeds == pytest.approx(55 * 2.0 / 3.0, rel=0.25)


def test_another_nuclide_takes_other_numbers():
    """A U of Pd-103 decays sooner and reaches less far: more seeds for the same strength."""
    size = dimensions(15.0)
    palladium, iodine = (
        seed_estimates(size, load_source(model), 2.0, 100.0)[0].seeds
        for model in ("Pd103-200", "I125-6711")
    )
    assert palladium > 2 * iodine  # mean life 24.5 d against 85.7 d alone is 3.5 times


@pytest.mark.parametrize(
    ("case", "planned"),
    [
        (DEMO / "case.toml", 38),
        pytest.param(SHARED / "cases" / "L3" / "case.toml", 32, marks=needs_shared),
    ],
    ids=["demo", "L3"],
)
def test_real_targets_are_planned_with_about_the_estimate(case, planned):
    """The seeds that a plain annealing needed on both (the cases' README)."""
    read = read_case(case)
    solids, _ = build_structures(read, used_names(read.settings))
    target = target_solid(read.settings, solids)
    size = target_dimensions(target)
    found = seed_estimates(size, read.source.model, read.source.air_kerma_strength_u, 120.0)
    assert 1.0 / FACTOR <= found[0].ratio(planned) <= FACTOR
    assert warn(planned, found, size) == ()


def warn(planned, estimates, size=None):
    return seed_number_warnings(
        planned,
        estimates,
        size or dimensions(30.1),
        target_name="GTV",
        strength_u=0.762,
        prescription_gy=120.0,
    )


@pytest.mark.parametrize(
    ("planned", "warned"), [(13, True), (14, False), (20, False), (30, False), (31, True)]
)
def test_past_a_factor_of_one_and_a_half_there_is_a_warning(planned, warned):
    found = warn(planned, [SeedEstimate(EVEN, 20, 15.24)])
    assert bool(found) == warned
    for warning in found:
        assert warning.code == "seed-number"
        for part in (f"{planned} seeds", "the 20 estimated", EVEN, "0.762 U", "120 Gy", "30.1 cm3"):
            assert part in warning.text


def test_without_an_estimate_the_warning_says_so():
    for left in ([], [SeedEstimate(SERIES, 20, 15.24)]):
        (warning,) = warn(38, left)
        assert warning.code == "seed-number"
        assert "more than 4000" in warning.text
        assert "0.762 U" in warning.text


def test_the_line_has_every_number():
    line = estimate_line(38, [SeedEstimate(EVEN, 36, 27.43), SeedEstimate(SERIES, 48, 36.58)])
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(line)
    text = console.export_text()
    for part in ("36", EVEN, "27.4 U", "1.06", "48", SERIES, "36.6 U", "0.79", "planned 38"):
        assert part in text
