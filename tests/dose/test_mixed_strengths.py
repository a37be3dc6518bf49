"""One strength per seed: the dose is the sum of calls with one strength each."""

import numpy as np
import pytest

from dose import DoseGrid, dose_at_points, dose_on_grid, load_source

SOURCE = load_source("I125-6711")
RNG = np.random.default_rng(43)
CENTERS_MM = 5.0 * RNG.permutation(np.argwhere(np.ones((4, 4, 4))))[:12]  # whole voxels apart
STRENGTHS_U = RNG.choice([0.4, 0.762, 3.0], 12)
AXIS = np.array([0.0, 0.0, 1.0])
GRID = DoseGrid.from_bounds([-20.0, -20.0, -20.0], [35.0, 30.0, 30.0], 2.5)


def parts(dose):
    """Sum over the strengths there are, each of its own seeds."""
    groups = [(u, STRENGTHS_U == u) for u in np.unique(STRENGTHS_U)]
    assert len(groups) == 3
    return sum(dose(CENTERS_MM[of], float(u)) for u, of in groups)


def test_points_get_the_sum_of_the_strengths():
    points = RNG.uniform(-30.0, 45.0, (400, 3))
    axes = RNG.normal(size=3)
    mixed = dose_at_points(SOURCE, CENTERS_MM, axes, STRENGTHS_U, points)
    alone = parts(lambda centers, u: dose_at_points(SOURCE, centers, axes, u, points))
    # rounding of another order of adding 12 positive terms
    np.testing.assert_allclose(mixed, alone, rtol=1e-14 * 12)
    mean = dose_at_points(SOURCE, CENTERS_MM, axes, float(STRENGTHS_U.mean()), points)
    assert np.abs(mixed / mean - 1.0).max() > 0.2  # so that a mean strength would be seen


@pytest.mark.parametrize("method", ["auto", "exact", "table", "shift"])
def test_grids_get_the_sum_of_the_strengths(method):
    def dose(centers, u):
        return dose_on_grid(SOURCE, centers, AXIS, u, GRID, method=method).values_gy

    mixed, alone = dose(CENTERS_MM, STRENGTHS_U), parts(dose)
    # the quick ways keep single precision: each term to 6e-8, rounded a few times
    np.testing.assert_allclose(mixed, alone, rtol=1e-6)
    exact = dose_at_points(SOURCE, CENTERS_MM, AXIS, STRENGTHS_U, GRID.points_mm())
    # what dose_on_grid promises of any method, at any voxel
    np.testing.assert_allclose(mixed.ravel(), exact, rtol=0.01)
