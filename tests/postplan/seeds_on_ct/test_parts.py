"""The parts of the search by themselves, each against a second way."""

from __future__ import annotations

import numpy as np
import pytest

from template_designer.postplan.seeds_on_ct._fit import Prior, fit_rods
from template_designer.postplan.seeds_on_ct._metal import beside_line, long_lines
from template_designer.postplan.seeds_on_ct._rods import Scanner, gap_mm, rod_voxels

SCANNER = Scanner(np.array([0.9, 0.9, 2.0]), 4.0, np.array([0.45, 0.45, 0.5]), np.inf)
WINDOW = (slice(0, 12), slice(0, 24), slice(0, 24))


def _rod(rng: np.random.Generator) -> np.ndarray:
    way = rng.normal(size=3)
    return np.array([*rng.uniform(9.0, 12.0, 3), *way / np.linalg.norm(way), np.log(5e4)])


def test_signal_of_a_rod_is_that_of_many_points_seen_one_by_one():
    rng = np.random.default_rng(5)
    rod = _rod(rng)
    signal, _ = rod_voxels(rod, WINDOW, SCANNER)
    # points of the line, moved at random by the point spread, counted in voxels
    points = rod[:3] + rng.uniform(-2.0, 2.0, (400_000, 1)) * rod[3:6]
    points = points + rng.normal(size=points.shape) * SCANNER.sigma_mm
    edges = [
        s * (np.arange(n + 1) - 0.5) for s, n in zip(SCANNER.spacing_mm, (24, 24, 12), strict=True)
    ]
    counted, _ = np.histogramdd(points, bins=edges)
    counted = counted.transpose(2, 1, 0) * 5e4 / len(points) / SCANNER.voxel_mm3
    # a voxel with part p of 400 000 points scatters by sqrt(p / 400 000): 4 sigma of the fullest
    part = counted.max() * SCANNER.voxel_mm3 / 5e4
    assert np.abs(signal - counted).max() < 4.0 * counted.max() / np.sqrt(part * 400_000)
    assert signal.sum() * SCANNER.voxel_mm3 == pytest.approx(5e4, rel=1e-6)  # all of it is inside


def test_slopes_are_those_of_differences():
    rod = _rod(np.random.default_rng(6))
    _, slopes = rod_voxels(rod, WINDOW, SCANNER, slopes=True)
    for n in range(7):
        step = np.zeros(7)
        step[n] = 1e-5
        more, _ = rod_voxels(rod + step, WINDOW, SCANNER)
        less, _ = rod_voxels(rod - step, WINDOW, SCANNER)
        # central differences err by step^2 and by rounding of 5e4 HU / 2e-5
        np.testing.assert_allclose(slopes[n], ((more - less) / 2e-5).ravel(), atol=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_two_rods_are_fitted_back_where_they_were(seed):
    rng = np.random.default_rng(seed)
    first = _rod(rng)
    second = first.copy()
    second[:3] += (2.5, -1.0, 1.5)
    truth = np.array([first, second])
    hu = 40.0 + sum(rod_voxels(rod, WINDOW, SCANNER)[0] for rod in truth)
    start = truth.copy()
    start[:, :3] += rng.normal(0.0, 0.4, (2, 3))
    start[:, 3:6] += rng.normal(0.0, 0.15, (2, 3))
    background, others = np.full(hu.shape, 40.0), np.zeros(hu.shape)
    prior = Prior(5e4)
    fit = fit_rods(hu, background, others, WINDOW, start, SCANNER, prior)
    # the data are exact: 0.02 mm is where the fit stops
    np.testing.assert_allclose(fit.rods[:, :3], truth[:, :3], atol=0.02)
    cosine = np.abs(np.sum(fit.rods[:, 3:6] * truth[:, 3:6], axis=1))
    assert np.all(cosine > np.cos(np.radians(2.0)))


def test_cut_off_numbers_say_only_at_least():
    scanner = Scanner(SCANNER.spacing_mm, 4.0, SCANNER.sigma_mm, 1500.0)
    rod = _rod(np.random.default_rng(8))
    hu = np.minimum(40.0 + rod_voxels(rod, WINDOW, scanner)[0], 1500.0)
    assert np.count_nonzero(hu >= 1500.0) >= 2
    start = rod.copy()
    start[:3] += (0.3, -0.3, 0.4)
    background, others = np.full(hu.shape, 40.0), np.zeros(hu.shape)
    fit = fit_rods(hu, background, others, WINDOW, start[None], scanner, Prior(5e4))
    np.testing.assert_allclose(fit.rods[0, :3], rod[:3], atol=0.03)  # where the fit stops


def test_gap_of_two_segments_is_that_of_their_points():
    rng = np.random.default_rng(2)
    t = np.linspace(0.0, 1.0, 301)[:, None]
    for _ in range(30):
        one, two = rng.uniform(-5.0, 5.0, (2, 2, 3))
        points = [part[0] + t * (part[1] - part[0]) for part in (one, two)]
        brute = np.linalg.norm(points[0][:, None] - points[1][None], axis=2).min()
        # sampled points are at most half a step (of 17 mm / 300) off on either segment
        assert gap_mm(one, two) <= brute + 1e-9
        assert gap_mm(one, two) >= brute - 0.06


def test_a_wire_is_a_line_and_a_plate_is_none():
    spacing = np.array([1.0, 1.0, 2.5])
    excess = np.zeros((20, 60, 60))
    excess[6, 20, 10:45] = 2500.0
    excess[14, 10:30, 10:30] = 2500.0
    lines = long_lines(excess, excess > 0.0, spacing)
    assert len(lines) == 1
    assert lines[0].length_mm == pytest.approx(34.0)  # from the first voxel's centre to the last's
    assert abs(lines[0].axis[0]) == pytest.approx(1.0)
    points = np.array([[12.0, 20.0, 15.0], [12.0, 26.0, 15.0], [60.0, 20.0, 15.0]])
    np.testing.assert_array_equal(
        beside_line(lines[0], points, np.full(3, 3.0)), [True, False, False]
    )
