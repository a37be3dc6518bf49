"""The coarse search against analytic distances and against planes worked out exactly."""

import numpy as np
import pytest

from template_designer.model.settings import PatientPosition
from template_designer.planning.approach import prepare_approach
from template_designer.planning.reach import reach_of_target
from template_designer.planning.suggest import _kernels as k
from template_designer.planning.suggest.directions import Access, needle_frames, spread_directions
from template_designer.planning.suggest.exact import entries_of
from template_designer.planning.suggest.search import Planes
from template_designer.planning.suggest.space import SEEN_MM, build_space
from tests.template_designer.planning.suggest.patient import (
    BODY_MM,
    SOURCE,
    TUBES,
    image,
    settings,
    solids,
)

NEEDLE_RADIUS_MM = 0.635


@pytest.fixture(scope="module")
def space():
    parts = solids()
    return build_space(settings(), image(), parts, parts["GTV"], SOURCE)


def test_the_grid_holds_the_least_clearance_over_all_rules(space):
    w, v, u = np.indices(space.margin_mm.shape)
    x, y, z = (
        start + space.step_mm * n for start, n in zip(space.start_mm, (u, v, w), strict=True)
    )
    away = {name: np.hypot(x - a, y - b) - 6.0 for name, (a, b) in TUBES.items()}
    limit = 10.0 + NEEDLE_RADIUS_MM
    least = np.min(list(away.values()), axis=0)
    exact = np.clip(least - limit, -limit, SEEN_MM)
    inner = np.abs(z) < 36.0  # clear of the scan's end, which is a rule too
    error = (space.margin_mm - exact)[inner]
    # tubes along the grid: exact at the nodes but for the rings' 96 corners (6 mm * 5e-4)
    assert np.abs(error).max() < 0.01
    named = np.array(space.causes)[space.cause]
    for name, distance in away.items():
        others = np.min([d for other, d in away.items() if other != name], axis=0)
        assert set(named[inner & (exact < 0.0) & (distance < others - 0.1)]) == {name}
    depth = BODY_MM - np.hypot(x, y)
    near = inner & (np.abs(depth) < 15.0)
    assert np.abs(space.skin_mm + depth)[near].max() < 0.06  # chords of the ring: 0.043 mm


def test_beyond_the_scan_nothing_is_allowed(space):
    heights = space.start_mm[2] + space.step_mm * np.arange(space.margin_mm.shape[0])
    outside = np.abs(heights) > 50.0 + 1e-6  # half a slice beyond the last
    assert outside.any()
    assert (space.margin_mm[outside] < 0.0).all()


def test_scores_agree_with_planes_worked_out_exactly(space):
    free = Access(PatientPosition.ANY, "", 10.0)
    directions = spread_directions(free, 60)[::4]  # all round: some see the target
    planes = Planes(
        directions, np.linspace(-40.0, 40.0, len(directions)), np.tile([1.0, -2.0], (15, 1))
    )
    scores = space.score(planes.frames, planes.offsets_mm).features
    parts, case, differences = solids(), settings(), []
    for row, entry in zip(scores, entries_of(space, planes), strict=True):
        if row[k.STATUS] != k.FOUND:
            continue
        approach = prepare_approach(case, entry, image(), parts, parts["GTV"], SOURCE)
        exact = reach_of_target(parts["GTV"], [approach], case).reachable_pct
        differences.append(row[k.REACHED] - exact)
        # skin points stand 3 mm apart, the axis is followed in steps of 1 mm
        assert row[k.GAP] == pytest.approx(approach.gap_mm, abs=1.5)
    assert len(differences) >= 4
    # a row of seeds more or less at the edge of a rule is worth a few per cent of 11 cm3
    assert np.abs(differences).max() < 9.0
    assert abs(float(np.mean(differences))) < 2.0


def test_scores_do_not_depend_on_company(space):
    """Each plane is scored by itself: alone or among others, on any thread."""
    directions = spread_directions(Access(PatientPosition.ANY, "", 15.0), 12)
    frames = needle_frames(directions, np.zeros(len(directions)))
    offsets = np.zeros((len(directions), 2))
    together = space.score(frames, offsets, with_masks=True)
    for n in range(len(directions)):
        alone = space.score(frames[n : n + 1], offsets[n : n + 1], with_masks=True)
        np.testing.assert_array_equal(alone.features[0], together.features[n])
        np.testing.assert_array_equal(alone.masks[0], together.masks[n])


def test_distances_to_a_stack_of_layers():
    layers = np.full((9, 1, 3), 1e3, np.float32)
    layers[3:6] = [[[-4.0, 1.0, 5.0]]]  # levels 3 to 5: 4 mm inside, 1 and 5 mm outside
    out, which = np.zeros_like(layers), np.zeros(layers.shape, np.int32)
    k.distance_to_stack(layers, 2.0, 20.0, 1.0, out, which)
    np.testing.assert_allclose(out[4, 0], [0.0, 1.0, 5.0])
    # two levels above the last: 4 mm less the half level that it stands for
    np.testing.assert_allclose(out[7, 0], [3.0, np.hypot(1.0, 3.0), np.hypot(5.0, 3.0)])
    assert which[7, 0, 0] == 5
    k.distance_to_stack(layers, 2.0, 20.0, -1.0, out, which)
    np.testing.assert_allclose(out[4, 0], [3.0, 0.0, 0.0])  # up through the end, nearer than 4
