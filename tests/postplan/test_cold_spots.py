"""Cold spots of doses whose cold parts are known by arithmetic."""

import numpy as np
import pytest
import trimesh

from template_designer.geometry.solids import build_solid
from template_designer.model import Roi
from template_designer.postplan.cold_spots import cold_spots

RX = 100.0
SIDE_MM = 20.0


@pytest.fixture(scope="module")
def block():
    """A cube of 20 mm: slices every millimetre, cut by half a millimetre at both ends."""
    ring = np.array([(0.0, 0.0), (SIDE_MM, 0.0), (SIDE_MM, SIDE_MM), (0.0, SIDE_MM)])
    rings = [np.column_stack([ring, np.full(4, z)]) for z in np.arange(0.5, SIDE_MM)]
    return build_solid(Roi("GTV", 1, tuple(rings)))


def flat(width_mm):
    """A dose under the prescription where x is under a width, 5 % a millimetre."""
    return lambda points: RX * (1.0 + 0.05 * (points[:, 0] - width_mm))


def test_a_cold_slab(block):
    (spot,) = cold_spots(block, flat(5.0), RX)
    # points stand for cells of 0.5 mm: the border is known to half of one, 5 % of the slab
    assert spot.volume_cm3 == pytest.approx(2.0, rel=0.05)
    assert spot.centroid_lps_mm == pytest.approx((2.5, 10.0, 10.0), abs=0.26)
    assert 75.0 <= spot.lowest_gy < 77.0  # 0.05 a mm below 100 at 5 mm, first point at 0.2-0.3 mm
    mesh = trimesh.Trimesh(spot.surface.vertices_lps_mm, spot.surface.faces, process=False)
    assert mesh.is_watertight
    assert mesh.volume / 1000.0 == pytest.approx(2.0, rel=0.05)  # positive: normals look outwards
    # edges are cut by half a cell of 0.5 mm
    assert mesh.bounds == pytest.approx(np.array([(0, 0, 0), (5, 20, 20)]), abs=0.26)


def test_two_parts_are_two_the_larger_first(block):
    def dose(points):
        at_low = RX * (1.0 + 0.05 * (points[:, 0] - 3.0))
        at_high = RX * (1.0 + 0.05 * (SIDE_MM - 6.0 - points[:, 0]))
        return np.minimum(at_low, at_high)

    large, small = cold_spots(block, dose, RX)
    assert large.volume_cm3 == pytest.approx(2.4, rel=0.05)
    assert small.volume_cm3 == pytest.approx(1.2, rel=0.09)  # half a cell of 3 mm
    assert large.centroid_lps_mm[0] == pytest.approx(17.0, abs=0.26)
    assert small.centroid_lps_mm[0] == pytest.approx(1.5, abs=0.26)


def test_together_they_are_what_v100_leaves(block):
    from template_designer.geometry.sampling import volume_samples

    rng = np.random.default_rng(2)
    hot = rng.uniform(0.0, SIDE_MM, (12, 3))

    def dose(points):
        apart = np.linalg.norm(points[:, None] - hot[None], axis=2)
        return 2500.0 * np.sum(1.0 / (apart**2 + 4.0), axis=1)

    points, weights = volume_samples(block)
    cold = float(weights[dose(points) < RX].sum())
    assert cold > 0.01
    spots = cold_spots(block, dose, RX)
    assert sum(spot.volume_cm3 for spot in spots) == pytest.approx(cold, rel=1e-9)  # same samples
    volumes = [spot.volume_cm3 for spot in spots]
    assert volumes == sorted(volumes, reverse=True)
    for spot in spots:
        if spot.surface is not None:
            mesh = trimesh.Trimesh(spot.surface.vertices_lps_mm, spot.surface.faces, process=False)
            assert mesh.is_watertight


def test_a_covered_target_has_none(block):
    assert cold_spots(block, lambda points: np.full(len(points), RX), RX) == ()


def test_all_cold_is_one_part_as_large_as_the_target(block):
    (spot,) = cold_spots(block, lambda points: np.zeros(len(points)), RX)
    assert spot.volume_cm3 == pytest.approx(block.volume_cm3)
