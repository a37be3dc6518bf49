"""Samples of solids and shares of voxels: volumes that add up, histograms that converge."""

import itertools

import numpy as np
import pytest

from dose import (
    DoseGrid,
    dose_at_points,
    dose_on_grid,
    load_source,
    organ_metrics,
    target_metrics,
)
from template_designer.errors import GeometryError
from template_designer.geometry.sampling import volume_samples, voxel_shares
from template_designer.geometry.solids import build_solid
from tests.template_designer.geometry.shapes import box, circle, roi, rotation, turned


def solid_of(rings):
    return build_solid(roi(rings))


BALL = solid_of(
    [circle(np.sqrt(144.0 - z * z), z) for z in np.arange(-11.5, 12.0, 1.0)]
)  # 12 mm, slices of 1 mm
SEEDS = ([[x, y, z] for x in (-6, 6) for y in (-6, 6) for z in (-6, 2)], [0, 0, 1], 0.6)
SOURCE = load_source("I125-6711")


@pytest.mark.parametrize("spacing_mm", [0.5, 1.0, 2.5])
def test_samples_share_the_volume(spacing_mm):
    points, weights = volume_samples(BALL, spacing_mm)
    assert weights.sum() == pytest.approx(BALL.volume_cm3, rel=1e-12)  # sums of float64
    # a point lies at most half a step outside a polygon of 256 corners (1 um inside its circle)
    assert np.linalg.norm(points, axis=1).max() < 12.6


def test_voxels_share_a_box_exactly_where_its_sides_cut_them():
    """A box whose sides lie on quarters of voxels: every share is known."""
    part = solid_of([box((0.25, 4.0), (0.5, 3.0), z) for z in (1.0, 2.0, 3.0)])  # z 0.5 to 3.5
    points, weights = voxel_shares(part, DoseGrid((0.0, 0.0, 0.0), 1.0, (5, 5, 6)))
    x = [(0.25, 0.5), (0.5, 1.5), (1.5, 2.5), (2.5, 3.5), (3.5, 4.0)]  # cut by voxel sides
    y, z = [(0.5, 1.5), (1.5, 2.5), (2.5, 3.0)], [(0.5, 1.5), (1.5, 2.5), (2.5, 3.5)]
    pieces = [np.array(p) for p in itertools.product(z, y, x)]  # as voxels are counted
    np.testing.assert_allclose(points, [p.mean(axis=1)[::-1] for p in pieces], rtol=0.0, atol=1e-9)
    volumes = [np.prod(p[:, 1] - p[:, 0]) / 1000.0 for p in pieces]
    np.testing.assert_allclose(weights, volumes, rtol=1e-9)


def test_a_turned_solid_keeps_its_volume_and_its_middle_on_the_grid():
    tilt = rotation([1.0, 2.0, 0.5], 0.5)
    part = solid_of(turned([circle(8.0, z) for z in np.arange(-6.0, 7.0, 2.0)], tilt))
    points, weights = voxel_shares(part, DoseGrid.from_bounds([-16] * 3, [16] * 3, 1.0))
    assert weights.sum() == pytest.approx(part.volume_cm3, rel=1e-12)
    middle = np.average(points, axis=0, weights=weights)
    np.testing.assert_allclose(middle, part.centroid_lps_mm, atol=0.01)  # samples 0.25 mm apart


def test_a_solid_that_leaves_the_grid_is_refused():
    with pytest.raises(GeometryError, match="reaches out of the dose grid"):
        voxel_shares(BALL, DoseGrid.from_bounds([-16, -16, -16], [16, 16, 10], 1.0))


def grid_metrics(spacing_mm):
    """Metrics from a dose grid and shares of voxels."""
    grid = DoseGrid.from_bounds([-22] * 3, [22] * 3, spacing_mm)
    field = dose_on_grid(SOURCE, *SEEDS, grid)
    points, weights = voxel_shares(BALL, grid, parts=4 if spacing_mm > 0.4 else 2)
    reference, hot = (field.volume_at_or_above_cm3(level) for level in (120.0, 180.0))
    return _metrics(field.interpolate(points), weights, reference, hot)


def _metrics(doses, weights, reference_cm3, hot_cm3):
    target = target_metrics(doses, weights, reference_cm3, 120.0, reference_150_cm3=hot_cm3)
    organ = organ_metrics(doses, weights)
    return target | {key: organ[key] for key in ("d0_1cc_gy", "d1cc_gy", "d2cc_gy")}


def assert_close(metrics, true, doses_rel, points_pct):
    """Doses within a part of themselves, volumes within points of percent, indices as volumes."""
    assert metrics["d0_1cc_gy"] > metrics["d2cc_gy"] > metrics["d90_gy"] > metrics["d98_gy"]
    for name in ("d90_gy", "d98_gy", "d1cc_gy", "d2cc_gy", "mean_gy"):
        assert metrics[name] == pytest.approx(true[name], rel=doses_rel), name
    for name in ("v90_pct", "v100_pct", "v150_pct", "v200_pct"):
        assert metrics[name] == pytest.approx(true[name], abs=points_pct), name
    for name in ("ci", "ei", "dnr"):
        assert metrics[name] == pytest.approx(true[name], abs=2.0 * points_pct / 100.0), name


# A hard case: 7 cm3 with seeds near its surface, all of them on one lattice with the voxels; a
# voxel of 1 mm then lies 0.5 mm from a seed or 1.1 mm, so that volumes at high doses come in steps.


def test_metrics_of_a_1_mm_grid_are_near_those_of_a_quarter():
    assert_close(grid_metrics(1.0), grid_metrics(0.25), doses_rel=0.02, points_pct=1.1)


def test_metrics_of_a_half_millimetre_grid_are_nearer():
    assert_close(grid_metrics(0.5), grid_metrics(0.25), doses_rel=0.004, points_pct=0.2)


def test_shares_of_voxels_agree_with_exact_doses_at_samples():
    """Two ways to one histogram: doses between voxels, and TG-43 at points that no grid knows."""
    points, weights = volume_samples(BALL)  # 0.49 mm apart
    fine = grid_metrics(0.25)
    sampled = _metrics(dose_at_points(SOURCE, *SEEDS, points), weights, 5.0, 1.0)
    for name in ("d90_gy", "d98_gy", "d1cc_gy", "d2cc_gy", "mean_gy"):
        assert sampled[name] == pytest.approx(fine[name], rel=0.01), name
    for name in ("v90_pct", "v100_pct", "v150_pct", "v200_pct"):
        assert sampled[name] == pytest.approx(fine[name], abs=0.4), name
