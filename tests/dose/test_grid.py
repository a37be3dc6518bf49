"""Dose grids: where voxels lie, how dose is read, and growing until an isodose is enclosed."""

import math

import numpy as np
import pytest

from dose import (
    DoseField,
    DoseGrid,
    DoseInputError,
    dose_at_points,
    dose_field_enclosing,
    dose_on_grid,
    load_source,
)

SOURCE = load_source("I125-6711")
SEEDS = ([[0.0, 0.0, 0.0], [10.0, 3.0, 7.0]], [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]], [0.7, 0.8])


def test_centres_run_from_lower_to_upper():
    grid = DoseGrid.from_bounds([-1.0, 0.0, 2.0], [1.0, 3.0, 2.0], [0.5, 1.0, 2.0])
    assert grid.shape == (1, 4, 5)  # z, y, x
    assert grid.x_mm.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert grid.y_mm.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert grid.z_mm.tolist() == [2.0]
    assert grid.voxel_volume_cm3 == 0.001
    assert grid.upper_mm == (1.0, 3.0, 2.0)


def test_a_grid_covers_its_bounds_and_decimal_rounding_adds_no_voxel():
    assert DoseGrid.from_bounds([0, 0, 0], [1.1, 1.0, 0.9], 0.5).shape == (3, 3, 4)
    assert DoseGrid.from_bounds([0, 0, 0], [0.3, 0.6, 0.7], 0.1).shape == (8, 7, 4)


def test_one_spacing_serves_all_axes_and_numpy_input_works():
    grid = DoseGrid(np.zeros(3), np.float64(2.0), np.array([1, 2, 3]))
    assert (grid.spacing_mm, grid.shape) == ((2.0, 2.0, 2.0), (1, 2, 3))


@pytest.mark.parametrize(
    ("lower", "upper", "spacing", "words"),
    [
        ([0, 0, 0], [1, -1, 1], 1.0, "below lower_mm along y"),
        ([0, 0, 0], [1, 1, 1], 0.0, "spacing_mm"),
        ([0, 0, 0], [1, 1, 1], [1.0, -1.0, 1.0], "spacing_mm"),
        ([0, 0, 0], [1, 1, 1], math.nan, "spacing_mm"),
        ([0, 0, 0], [1, 1, 1], [1.0, 1.0], "spacing_mm has 2"),
        ([0, 0], [1, 1, 1], 1.0, "lower_mm has 2"),
        ([0, 0, math.inf], [1, 1, 1], 1.0, "lower_mm"),
        ([0, 0, 0], [1e4, 1e4, 1e4], 1.0, "larger spacing_mm"),
    ],
)
def test_impossible_bounds_are_named(lower, upper, spacing, words):
    with pytest.raises(DoseInputError, match=words):
        DoseGrid.from_bounds(lower, upper, spacing)


@pytest.mark.parametrize("shape", [(0, 1, 1), (2.5, 3, 4), (2, 2)])
def test_a_grid_without_whole_counts_is_refused(shape):
    with pytest.raises(DoseInputError, match="shape"):
        DoseGrid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), shape)


def test_every_voxel_holds_the_dose_at_its_centre():
    grid = DoseGrid.from_bounds([-9.0, -7.0, -5.0], [9.0, 8.0, 6.0], [3.0, 2.5, 2.0])
    steps = []
    field = dose_on_grid(
        SOURCE, *SEEDS, grid, progress=lambda done, all_: steps.append((done, all_))
    )
    assert field.values_gy.shape == grid.shape
    np.testing.assert_array_equal(
        field.values_gy.ravel(), dose_at_points(SOURCE, *SEEDS, grid.points_mm())
    )
    k, j, i = 2, 3, 1
    point = [grid.x_mm[i], grid.y_mm[j], grid.z_mm[k]]
    assert field.values_gy[k, j, i] == dose_at_points(SOURCE, *SEEDS, [point])[0]
    assert steps == [(grid.shape[0], grid.shape[0])]  # one slab of little work


def test_interpolation_is_exact_for_a_trilinear_field():
    grid = DoseGrid((-2.0, 1.0, 0.0), (1.0, 2.0, 0.5), (5, 4, 6))
    z, y, x = np.meshgrid(grid.z_mm, grid.y_mm, grid.x_mm, indexing="ij")
    field = DoseField(grid, 50.0 + x + 2.0 * y - 3.0 * z + 0.5 * x * y * z)
    points = np.random.default_rng(60).uniform(grid.origin_mm, grid.upper_mm, (200, 3))
    px, py, pz = points.T
    expected = 50.0 + px + 2.0 * py - 3.0 * pz + 0.5 * px * py * pz
    np.testing.assert_allclose(field.interpolate(points), expected, rtol=1e-13)  # rounding
    corners = [grid.origin_mm, grid.upper_mm]
    np.testing.assert_allclose(
        field.interpolate(corners), field.values_gy[[0, -1], [0, -1], [0, -1]], rtol=1e-15
    )


def test_interpolation_works_across_a_single_layer():
    field = DoseField(DoseGrid((0.0, 0.0, 5.0), 1.0, (1, 1, 2)), [[[1.0, 3.0]]])
    assert field.interpolate([[0.25, 0.0, 5.0]]).tolist() == [1.5]


def test_outside_the_grid_is_an_error_unless_a_dose_is_given():
    field = DoseField(DoseGrid((0.0, 0.0, 0.0), 1.0, (2, 2, 2)), np.ones((2, 2, 2)))
    points = [[0.5, 0.5, 0.5], [0.5, 1.5, 0.5]]
    with pytest.raises(DoseInputError, match=r"points_mm\[1\]"):
        field.interpolate(points)
    assert field.interpolate(points, outside_gy=0.0).tolist() == [1.0, 0.0]
    with pytest.raises(DoseInputError, match="points_mm"):
        field.interpolate([[math.nan, 0.0, 0.0]], outside_gy=0.0)


def test_a_field_refuses_what_does_not_fit_and_cannot_be_changed():
    grid = DoseGrid((0.0, 0.0, 0.0), 1.0, (1, 2, 3))
    with pytest.raises(DoseInputError, match="shape"):
        DoseField(grid, np.zeros((3, 2, 1)))
    with pytest.raises(DoseInputError, match="not finite"):
        DoseField(grid, np.full((1, 2, 3), np.nan))
    field = DoseField(grid, np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match="read-only"):
        field.values_gy[0, 0, 0] = 1.0


def test_an_enclosing_grid_grows_until_its_border_is_below():
    field = dose_field_enclosing(SOURCE, *SEEDS, dose_gy=5.0, spacing_mm=2.0, margin_mm=2.0)
    assert field.border_max_gy < 5.0
    assert field.values_gy.max() > 5.0
    # it grew: the 5 Gy isodose of 0.7 U lies 15 mm from a seed, the margin was 2 mm
    assert field.grid.origin_mm[0] < -10.0
    wide = dose_field_enclosing(SOURCE, *SEEDS, dose_gy=5.0, spacing_mm=2.0, margin_mm=60.0)
    assert wide.volume_at_or_above_cm3(5.0) == field.volume_at_or_above_cm3(5.0)


def test_the_volume_of_an_isodose_is_that_of_the_body_it_bounds():
    """One seed: the 20 Gy surface by root search along rays, integrated, against voxels."""
    one = ([[0.3, -0.2, 0.1]], [[0.0, 0.0, 1.0]], 1.0)
    field = dose_field_enclosing(SOURCE, *one, dose_gy=20.0, spacing_mm=0.5)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    low, high = np.full(200, 1.0), np.full(200, 40.0)
    across = np.sqrt(1.0 - nodes**2)
    for _ in range(50):
        r = 0.5 * (low + high)
        points = np.column_stack((r * across, 0.0 * r, r * nodes)) + one[0][0]
        inside = dose_at_points(SOURCE, *one, points) >= 20.0
        low, high = np.where(inside, r, low), np.where(inside, high, r)
    volume_cm3 = 2.0 * math.pi / 3.0 * float(np.sum(weights * low**3)) / 1000.0
    # voxels of 0.5 mm on a 10 mm ball: counting error about sqrt(surface voxels) = 0.2 %
    assert field.volume_at_or_above_cm3(20.0) == pytest.approx(volume_cm3, rel=5e-3)


def test_enclosing_grids_share_their_voxels_and_hold_what_they_are_told_to():
    field = dose_field_enclosing(
        SOURCE, *SEEDS, dose_gy=60.0, spacing_mm=1.5, include_mm=[[40.2, 0.0, 0.0]]
    )
    assert field.grid.upper_mm[0] >= 40.2
    # centres are whole multiples of the spacing, to rounding
    np.testing.assert_allclose(np.array(field.grid.origin_mm) / 1.5 % 1.0, 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dose_gy": 1e-3}, "max_reach_mm"),
        ({"dose_gy": 0.0}, "dose_gy"),
        ({"dose_gy": math.nan}, "dose_gy"),
        ({"spacing_mm": 0.0}, "spacing_mm"),
        ({"margin_mm": -1.0}, "margin_mm"),
        ({"spacing_mm": 0.01}, "larger spacing_mm"),
    ],
)
def test_an_enclosing_grid_has_limits(change, words):
    asked = {"dose_gy": 100.0, "spacing_mm": 5.0, **change}
    with pytest.raises(DoseInputError, match=words):
        dose_field_enclosing(SOURCE, *SEEDS, **asked)


def test_an_enclosing_grid_needs_something_to_enclose():
    with pytest.raises(DoseInputError, match="no seed and no point"):
        dose_field_enclosing(SOURCE, [], [], 1.0, dose_gy=1.0, spacing_mm=1.0)
    field = dose_field_enclosing(
        SOURCE, [], [], 1.0, dose_gy=1.0, spacing_mm=1.0, include_mm=[[0, 0, 0], [3, 2, 1]]
    )
    assert field.values_gy.shape == (2, 3, 4)
    assert field.values_gy.max() == 0.0
