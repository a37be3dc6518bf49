"""Margins in three dimensions, against analytic volumes and exact distances."""

import numpy as np
import pytest
import shapely

from template_designer.geometry.margin import GROWN_LAYER_MM, Bias, expanded
from template_designer.geometry.sampling import surface_samples
from template_designer.geometry.solids import Slab, Solid, build_solid
from template_designer.model.derived import SIDES, Margin
from tests.template_designer.geometry.shapes import circle, roi, rotation, turned

TURNS = {
    "axial": np.eye(3),
    "sagittal": rotation((0, 1, 0), np.pi / 2),
    "tilted": rotation((1, 0.3, 0.2), 0.4),
}
UNEVEN = Margin(left=8, right=2, anterior=3, posterior=5, superior=7, inferior=1)


def ball(radius, turn=None, step=0.5):
    heights = np.arange(-radius + 0.5 * step, radius, step)  # slices of that thickness
    rings = [circle(np.sqrt(radius**2 - z**2), z, points=96) for z in heights]
    return build_solid(roi(rings if turn is None else turned(rings, turn)), spacing_mm=step)


def block(low, high, axes=None, name="box"):
    """A box as one prism, exact: corners in the frame of ``axes``."""
    shape = shapely.box(low[0], low[1], high[0], high[1])
    axes = np.eye(3) if axes is None else axes
    return Solid(name, np.asarray(axes, float), (Slab(float(low[2]), float(high[2]), shape),))


def gauge(offsets_lps_mm, margin):
    """1 on the margin's surface, less inside: its definition, octant by octant."""
    low, high = np.array(margin.lps_mm).T
    return np.sqrt(((offsets_lps_mm / np.where(offsets_lps_mm > 0.0, high, low)) ** 2).sum(axis=1))


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("margin", [2.0, 6.0])
def test_a_ball_with_a_margin_is_a_larger_ball(turn, margin):
    grown = expanded(ball(8.0, turn), margin)
    exact = 4.0 / 3.0 * np.pi * (8.0 + margin) ** 3 / 1000.0
    # layers of 0.5 mm stand out of the ball by up to 0.1 mm on average on all sides
    assert grown.volume_cm3 == pytest.approx(exact, rel=3 * 0.12 / (8.0 + margin))
    far = np.linalg.norm(surface_samples(grown), axis=1)
    # half a layer of the grown solid, and half of one of the ball itself, obliquely
    assert far.max() <= 8.0 + margin + 0.5 * GROWN_LAYER_MM + 0.25 + 0.05
    assert far.min() >= 8.0 + margin - 0.5 * GROWN_LAYER_MM - 0.25 - 0.05


@pytest.mark.parametrize("side", SIDES)
def test_each_side_of_a_box_moves_by_its_own_margin(side):
    margin = Margin(**{side: 6.0})
    low, high = np.array([-10.0, -7.0, -5.0]), np.array([10.0, 7.0, 5.0])
    grown = expanded(block(low, high), margin)
    axis = {"left": 0, "right": 0, "posterior": 1, "anterior": 1}.get(side, 2)
    if side in ("left", "posterior", "superior"):  # LPS
        high[axis] += 6.0
    else:
        low[axis] -= 6.0
    # BEST moves in-plane faces outwards by under 0.12 % of the margin; heights are exact
    np.testing.assert_allclose(grown.bounds_uvw_mm, [low, high], atol=0.01)
    # one side alone: no rounded corners, the box only gets longer
    assert grown.volume_cm3 == pytest.approx(np.prod(high - low) / 1000.0, rel=1e-3)


def test_a_box_with_six_margins_has_the_volume_of_the_sum():
    low, high = np.array([-10.0, -7.0, -5.0]), np.array([10.0, 7.0, 5.0])
    grown = expanded(block(low, high), UNEVEN)
    sides = high - low
    both = np.array(UNEVEN.lps_mm)
    total = both.sum(axis=1)
    faces = sum(total[i] * sides[(i + 1) % 3] * sides[(i + 2) % 3] for i in range(3))
    # edges: quarters of ellipses in each plane; corners: eighths of ellipsoids
    edges = sum(
        0.25 * np.pi * total[i] * total[j] * sides[3 - i - j] for i, j in ((0, 1), (0, 2), (1, 2))
    )
    corners = 4.0 / 3.0 * np.pi * np.prod(total) / 8.0
    exact = (np.prod(sides) + faces + edges + corners) / 1000.0
    # layers of 0.5 mm at the rounded top and bottom, 64-gons for ellipses
    assert grown.volume_cm3 == pytest.approx(exact, rel=0.005)
    np.testing.assert_allclose(
        grown.bounds_uvw_mm, [low - both[:, 0], high + both[:, 1]], atol=0.02
    )


def holds(solid, points_lps_mm):
    """Whether points lie in a solid, exactly."""
    local = solid.to_local(points_lps_mm)
    found = np.zeros(len(local), bool)
    for slab in solid.slabs:
        here = (local[:, 2] >= slab.w_low_mm) & (local[:, 2] < slab.w_high_mm)
        found[here] = shapely.contains_xy(slab.shape, local[here, 0], local[here, 1])
    return found


SIZES = {"box": np.array([6.0, 4.0, 3.0]), "point": np.array([1e-3, 1e-3, 1e-3])}


@pytest.mark.parametrize("margin", [Margin.uniform(4.0), UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize(
    ("size", "turn"),
    [("box", "axial"), ("box", "sagittal"), ("point", "axial"), ("point", "tilted")],
)
def test_every_point_of_the_sum_by_its_definition(size, turn, margin):
    half = SIZES[size]
    axes = np.asarray(TURNS[turn]).T  # rows: u, v, w
    # the sagittal frame permutes the patient axes: the box is the same in LPS
    own = half if turn != "sagittal" else np.abs(axes) @ half
    solid = block(-own, own, axes)
    rng = np.random.default_rng(7)
    points = rng.uniform(-1.2, 1.2, size=(6000, 3)) * (half + np.array(margin.lps_mm).max(axis=1))

    def off(points):
        """At most 1 in the sum: the gauge of the way from the nearest point of the box."""
        return gauge(points - np.clip(points, -half, half), margin)

    true = off(points)
    shifts = np.linspace(-0.5, 0.5, 11)[:, None, None] * GROWN_LAYER_MM * axes[2]
    near = np.array([off(points + shift) for shift in shifts])  # up to half a layer off
    grown = {bias: holds(expanded(solid, margin, bias), points) for bias in Bias}
    assert grown[Bias.LARGER][true < 0.999].all()  # the point is a box of 0.002 mm
    assert true[grown[Bias.SMALLER]].max() < 1.001
    assert 0.05 < grown[Bias.BEST].mean() < 0.9
    # polygons for ellipses: BEST lies 0.12 % of the margin outside and inside of them
    assert grown[Bias.BEST][near.max(axis=0) < 0.997].all()
    assert near.min(axis=0)[grown[Bias.BEST]].max() < 1.003
    # to one side by at most a whole layer
    layers = np.linspace(-1.0, 1.0, 21)[:, None, None] * GROWN_LAYER_MM * axes[2]
    wider = np.array([off(points + shift) for shift in layers])
    assert wider.min(axis=0)[grown[Bias.LARGER]].max() < 1.005
    assert grown[Bias.SMALLER][wider.max(axis=0) < 0.995].all()


def test_no_margin_is_the_solid_itself_and_margins_add_up():
    solid = block([-10, -10, -10], [10, 10, 10])
    assert expanded(solid, 0.0) is solid
    assert expanded(solid, Margin()) is solid
    once, twice = expanded(solid, 5.0), expanded(expanded(solid, 2.0), 3.0)
    # balls add up; each step errs by half a layer at most, on a surface of 6 x 30 x 30 mm
    assert twice.volume_cm3 == pytest.approx(once.volume_cm3, rel=0.01)


def test_holes_of_a_solid_shrink_by_the_margin():
    tube = shapely.Point(0, 0).buffer(20.0, 64).difference(shapely.Point(0, 0).buffer(8.0, 64))
    solid = Solid("tube", np.eye(3), (Slab(-10.0, 10.0, tube),))
    grown = expanded(solid, Margin(left=3, right=3, anterior=3, posterior=3))
    exact = np.pi * (23.0**2 - 5.0**2) * 20.0 / 1000.0
    assert grown.volume_cm3 == pytest.approx(exact, rel=0.003)  # corners of 64-gons


def test_where_the_scan_ends_a_solid_goes_on_instead_of_growing_round():
    rod = Solid(
        "rod", np.eye(3), (Slab(0.0, 20.0, shapely.Point(0, 0).buffer(5.0, 64)),), open_high=True
    )
    grown = expanded(rod, 4.0)
    assert grown.open_high
    assert not grown.open_low
    np.testing.assert_allclose(grown.bounds_uvw_mm[:, 2], [-4.0, 20.0], atol=1e-9)
    assert grown.slabs[-1].shape.area == pytest.approx(np.pi * 81.0, rel=0.005)  # full width


def test_a_gap_between_parts_closes_when_the_margin_spans_half_of_it():
    parts = (Slab(0.0, 5.0, shapely.box(0, 0, 10, 10)), Slab(9.0, 14.0, shapely.box(0, 0, 10, 10)))
    apart = Solid("two", np.eye(3), parts)
    up_and_down = Margin(superior=2.0, inferior=2.0)
    joined = expanded(apart, up_and_down)
    assert joined.volume_cm3 == pytest.approx(100.0 * 18.0 / 1000.0, rel=1e-3)
    short = expanded(apart, Margin(superior=1.0, inferior=1.0))
    assert short.volume_cm3 == pytest.approx(100.0 * 14.0 / 1000.0, rel=1e-3)
