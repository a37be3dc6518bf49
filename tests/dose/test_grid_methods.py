"""The quick ways to fill a grid against the exact sum: how far they may be off, and when they run.

Grids are small, so that the tests also run where the kernels are plain Python.
"""

import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dose import (
    DoseField,
    DoseGrid,
    DoseInputError,
    dose_at_points,
    dose_on_grid,
    filling,
    load_source,
    source_names,
)
from dose.filling import TABLE_ERROR, GridMethod, chosen_method
from dose.superposition import seed_arrays

SOURCE = load_source("I125-6711")
SMALL = DoseGrid((-20.0, -16.0, -12.0), (2.0, 1.6, 3.0), (9, 21, 20))  # holds seeds at the origin
LATTICE = np.array([(x, y, z) for x in (0.0, 6.0) for y in (-4.8, 3.2) for z in (-6.0, 0.0, 9.0)])


def _error(source, seeds, grid, method):
    """Relative error of every voxel, and its distance to the nearest seed, mm."""
    quick = dose_on_grid(source, *seeds, grid, method=method).values_gy.ravel()
    points = grid.points_mm()
    exact = dose_at_points(source, *seeds, points)
    apart = np.linalg.norm(points[:, None] - np.asarray(seeds[0])[None], axis=2).min(axis=1)
    return np.abs(quick / exact - 1.0), apart


def _assert_promise_holds(error, apart):
    # the promise of dose_on_grid, and the smaller number that enclosing grids rely on
    assert error.max() < 0.01
    assert np.quantile(error[apart > 2.0], 0.999) < 0.003
    assert error.max() < TABLE_ERROR


@pytest.mark.parametrize("name", source_names())
def test_one_seed_of_every_source_by_table(name):
    """One seed is the hardest case: nothing averages the errors of the table."""
    axis = [0.36, 0.48, 0.8]
    error, apart = _error(
        load_source(name), ([[0.3, -0.2, 0.4]], axis, 1.0), SMALL, GridMethod.TABLE
    )
    _assert_promise_holds(error, apart)


@pytest.mark.parametrize("spacing_mm", [0.25, 1.0, 5.0])
def test_the_table_holds_at_any_spacing(spacing_mm):
    low = -10.5 * spacing_mm
    grid = DoseGrid((low, low + 0.1, low), spacing_mm, (21, 21, 21))
    seeds = ([[0.0, 0.0, 0.0], [3.0, 1.0, 7.0]], [[0, 0, 1], [1, 0, 0]], [0.5, 0.9])
    _assert_promise_holds(*_error(SOURCE, seeds, grid, "table"))


@given(
    centers=st.lists(st.tuples(*[st.floats(-40.0, 40.0)] * 3), min_size=1, max_size=6),
    axis=st.tuples(*[st.floats(-1.0, 1.0)] * 3).filter(lambda a: math.hypot(*a) > 0.1),
    strengths=st.floats(0.1, 5.0),
)
@settings(max_examples=25)
def test_seeds_anywhere_by_table(centers, axis, strengths):
    """In, beside and outside the grid, along any axis."""
    _assert_promise_holds(*_error(SOURCE, (centers, axis, strengths), SMALL, "table"))


def test_on_the_axis_and_on_the_transverse_plane():
    """The two ends of the table's columns: voxels exactly there, up to 60 mm out."""
    grid = DoseGrid((-60.0, 0.0, -60.0), 5.0, (25, 1, 25))
    _assert_promise_holds(*_error(SOURCE, ([[0.0, 0.0, 0.0]], [0, 0, 1], 1.0), grid, "table"))


@pytest.mark.parametrize("axis", [[0.0, 0.0, 1.0], [0.48, 0.6, 0.64]])
def test_shift_and_add_of_parallel_seeds(axis):
    """Mixed strengths, some seeds turned end for end, voxels of three different sides."""
    rng = np.random.default_rng(12)
    strengths = rng.uniform(0.4, 0.9, len(LATTICE))
    axes = np.array(axis) * rng.choice([-1.0, 1.0], len(LATTICE))[:, None]
    seeds = (LATTICE + np.array([0.3, 0.4, 0.5]), axes, strengths)
    _assert_promise_holds(*_error(SOURCE, seeds, SMALL, "shift"))


def test_shift_and_add_of_seeds_outside_the_grid():
    seeds = (LATTICE + np.array([40.0, -32.0, 30.0]), [0, 0, 1], 0.7)
    _assert_promise_holds(*_error(SOURCE, seeds, SMALL, "shift"))


def test_positions_rounded_to_a_micrometre_still_shift():
    centers = np.round(LATTICE + np.array([0.12345, 0.6789, 0.1011]), 3) + 0.0004
    seeds = (centers, [0, 0, 1], 0.7)
    _assert_promise_holds(*_error(SOURCE, seeds, SMALL, "shift"))


@pytest.mark.parametrize("method", ["exact", "table", "shift"])
def test_the_number_of_threads_changes_nothing(method):
    seeds = (LATTICE, [0, 0, 1], 0.7)
    results = []
    for threads in {1, min(2, numba.config.NUMBA_NUM_THREADS)}:
        numba.set_num_threads(threads)
        results.append(dose_on_grid(SOURCE, *seeds, SMALL, method=method).values_gy.tobytes())
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert len(set(results)) == 1


@pytest.mark.parametrize("method", ["exact", "table", "shift"])
def test_slabs_change_nothing_and_report_progress(method, monkeypatch):
    seeds = (LATTICE, [0, 0, 1], 0.7)
    whole = dose_on_grid(SOURCE, *seeds, SMALL, method=method).values_gy
    monkeypatch.setattr(filling, "SLAB_WORK", 2 * 20 * 21 * len(LATTICE))  # two slices
    done = []
    parts = dose_on_grid(SOURCE, *seeds, SMALL, lambda *at: done.append(at), method=method)
    assert parts.values_gy.tobytes() == whole.tobytes()
    assert done == [(2, 9), (4, 9), (6, 9), (8, 9), (9, 9)]


def test_mixed_strengths_are_the_sum_of_their_parts():
    strengths = np.linspace(0.4, 0.8, len(LATTICE))
    together = dose_on_grid(SOURCE, LATTICE, [0, 0, 1], strengths, SMALL, method="table")
    parts = sum(
        dose_on_grid(SOURCE, [center], [0, 0, 1], strength, SMALL, method="table").values_gy
        for center, strength in zip(LATTICE, strengths, strict=True)
    )
    # single precision: 6e-8 a sum, twelve sums
    np.testing.assert_allclose(together.values_gy, parts, rtol=1e-6)


@pytest.mark.parametrize(
    ("centers", "axes", "grid", "expected"),
    [
        (LATTICE, [0, 0, 1], SMALL, GridMethod.EXACT),  # small: nothing to save
        (LATTICE, [0, 0, 1], DoseGrid((0, 0, 0), (2.0, 1.6, 3.0), (70, 70, 70)), GridMethod.SHIFT),
        (LATTICE, [0, 0, 1], DoseGrid((0, 0, 0), 0.7, (70, 70, 70)), GridMethod.TABLE),
        (LATTICE, np.eye(3)[np.arange(12) % 3], DoseGrid((0, 0, 0), 2.0, (70, 70, 70)), "table"),
        # far: the table ends at half a metre
        (LATTICE, [0, 0, 1], DoseGrid((0, 0, 0), 9.0, (70, 70, 70)), GridMethod.EXACT),
        # two seeds far apart: the grid of one would be larger than the work it saves
        ([[0, 0, 0], [200] * 3], [0, 0, 1], DoseGrid((0, 0, 0), 1.0, (110, 110, 110)), "table"),
    ],
)  # fmt: skip
def test_the_quickest_method_that_holds_is_chosen(centers, axes, grid, expected):
    seeds = seed_arrays(SOURCE, centers, axes, 0.7)
    assert chosen_method(GridMethod.AUTO, seeds, grid) == expected


def test_auto_is_within_the_promise_of_exact():
    grid = DoseGrid((-20.0, -20.0, -20.0), 0.9, (45, 45, 45))
    rng = np.random.default_rng(8)
    seeds = (rng.uniform(-15.0, 15.0, (24, 3)), rng.normal(size=(24, 3)), 0.6)
    if numba.config.DISABLE_JIT:
        pytest.skip("half a minute a voxel slice as plain Python")
    error, apart = _error(SOURCE, seeds, grid, "auto")
    assert error.max() > 0.0  # it was not the exact sum
    _assert_promise_holds(error, apart)


def test_no_seed_gives_no_dose():
    for method in ("auto", "exact", "table"):
        assert not dose_on_grid(SOURCE, [], [0, 0, 1], 0.7, SMALL, method=method).values_gy.any()


@pytest.mark.parametrize(
    ("centers", "axes", "grid", "method", "words"),
    [
        (LATTICE, [0, 0, 1], SMALL, "fast", "method = 'fast' is not known; choose one of: auto"),
        (LATTICE + np.eye(12, 3), [0, 0, 1], SMALL, "shift", "voxels off whole voxels"),
        (LATTICE, np.eye(3)[np.arange(12) % 3], SMALL, "shift", "not parallel"),
        ([], [0, 0, 1], SMALL, "shift", "no seed"),
        ([[0, 0, 0], [9e4, 0, 0]], [0, 0, 1], SMALL, "shift", "reaches farther"),
        ([[0, 0, 0], [600, 0, 0]], [0, 0, 1], SMALL, "table", "up to 500 mm"),
    ],
)
def test_a_method_that_cannot_serve_says_why(centers, axes, grid, method, words):
    with pytest.raises(DoseInputError, match=words):
        dose_on_grid(SOURCE, centers, axes, 0.7, grid, method=method)


def test_a_large_field_is_not_copied_and_cannot_be_changed():
    field = dose_on_grid(SOURCE, LATTICE, [0, 0, 1], 0.7, SMALL)
    assert not field.values_gy.flags.writeable
    assert DoseField(SMALL, field.values_gy).values_gy is field.values_gy
    mine = np.ones(SMALL.shape)
    view = mine.view()
    view.setflags(write=False)
    kept = DoseField(SMALL, view)  # a read-only view of an array that can still change
    mine[:] = 2.0
    assert (kept.values_gy == 1.0).all()
