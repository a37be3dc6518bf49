"""Two plates, one plan: needles kept apart in space, one dose, reach of both together."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from exports import write_plan
from template_designer.errors import NoSafePlanError
from template_designer.geometry.segments import segment_distances_mm
from template_designer.model import SurfaceRole
from template_designer.planning.approach import prepare_approach
from template_designer.planning.constraints import NeedlesApart, check_plan
from template_designer.planning.reach import REACH_MM, hidden_surface, reach_of_target
from template_designer.planning.together import join_sites
from template_designer.workflow import design
from tests.template_designer.planning.phantom import IMAGE, SOURCE, settings, solids
from tests.template_designer.planning.plans import phantom_case

FRONT = {"point_lps": [0.0, -70.0, 0.0], "direction_lps": [0.0, 1.0, 0.0], "up_lps": [0, 0, 1]}
SIDE = {"point_lps": [-70.0, 0.0, 0.0], "direction_lps": [1.0, 0.0, 0.0], "up_lps": [0, 0, 1]}


@pytest.fixture(scope="module")
def plan():
    return design(phantom_case(entry=[FRONT, SIDE]))


@pytest.fixture(scope="module")
def approaches():
    case, parts = settings(entry=[FRONT, SIDE]), solids()
    return [
        prepare_approach(case, entry, IMAGE, parts, parts["GTV"], SOURCE) for entry in case.entry
    ]


def ends(template):
    return [
        np.array([getattr(needle, name) for needle in template.needles])
        for name in ("entry_lps_mm", "tip_lps_mm")
    ]


def test_both_plates_are_planned_and_every_rule_holds(plan):
    assert [template.name for template in plan.templates] == ["T1", "T2"]
    assert all(template.needles for template in plan.templates)
    assert check_plan(plan) == ()
    for template, forward in zip(plan.templates, ([0, 1, 0], [1, 0, 0]), strict=True):
        for needle in template.needles:
            way = np.subtract(needle.tip_lps_mm, needle.entry_lps_mm)
            np.testing.assert_allclose(way / np.linalg.norm(way), forward, atol=1e-9)


def test_needles_of_different_plates_keep_a_pitch_apart(plan):
    one, other = plan.templates
    distance = segment_distances_mm(*ends(one), *ends(other))
    assert distance.min() >= 5.0 - 1e-6  # the needles cross in the target
    assert distance.min() < 40.0


def test_a_needle_pushed_into_one_of_the_other_plate_is_a_violation(plan):
    one, other = plan.templates
    needle, crossing = one.needles[0], other.needles[0]
    moved = np.array(crossing.tip_lps_mm) - np.array([3.0, 0.0, 0.0])
    along = np.array(needle.tip_lps_mm) - np.array(needle.entry_lps_mm)
    entry, tip = moved - 0.5 * along, moved + 0.5 * along
    bad = replace(needle, entry_lps_mm=tuple(entry), tip_lps_mm=tuple(tip))
    broken = replace(plan, templates=(replace(one, needles=(bad, *one.needles[1:])), other))
    found = NeedlesApart.of(broken).check(broken)
    assert f"T1 {needle.label} and T2 {crossing.label} come within 0.0 mm" in found[0].text
    with pytest.raises(NoSafePlanError):
        write_plan(broken, "never-written")


def test_two_plates_at_least_cover_what_one_does(plan):
    single = design(phantom_case(entry=[FRONT]))
    assert plan.metrics["GTV"]["v100_pct"] >= single.metrics["GTV"]["v100_pct"] - 1.0  # the search
    assert plan.reach.reachable_pct >= single.reach.reachable_pct - 1e-9
    for result in (plan, single):
        assert result.reach.largest_v100_pct >= result.metrics["GTV"]["v100_pct"] - 0.5  # points


def test_the_files_carry_both_names(plan, tmp_path):
    written = write_plan(plan, tmp_path / "out")
    names = {path.name for path in written.files}
    assert {"template-T1.stl", "template-T2.stl"} <= names
    content = json.loads((tmp_path / "out/plan.json").read_text())
    assert [template["name"] for template in content["templates"]] == ["T1", "T2"]
    rows = (tmp_path / "out/needles.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == {"T1", "T2"}


def test_clashes_are_those_of_the_needles_and_symmetric(approaches):
    joined = join_sites(approaches, 5.0)
    clash, first = joined.clash, joined.first
    assert clash.shape == (first[-1], first[-1])
    np.testing.assert_array_equal(clash, clash.T)
    assert clash[: first[1], first[1] :].any()
    assert not clash[: first[1], : first[1]].any()  # holes of one plate are apart already
    assert not clash[first[1] :, first[1] :].any()
    assert len(np.unique(joined.sites.hole[: first[1]])) + len(
        np.unique(joined.sites.hole[first[1] :])
    ) == len(np.unique(joined.sites.hole))
    # a deeper seed in the same hole means a longer needle: it clashes with all that a shorter does
    sites = joined.sites
    for hole in np.unique(sites.hole)[::7]:
        rows = np.flatnonzero(sites.hole == hole)
        deepest_first = rows[np.argsort(-sites.z_mm[rows])]
        for deep, shallow in pairwise(deepest_first):
            assert not (clash[shallow] & ~clash[deep]).any()


def test_one_plate_has_no_clashes(approaches):
    joined = join_sites(approaches[:1], 5.0)
    assert joined.clash.shape == (0, 0)
    np.testing.assert_array_equal(joined.sites.hole, approaches[0].sites.hole)


def test_chosen_sites_find_their_plate_again(approaches):
    joined = join_sites(approaches, 5.0)
    n = joined.first[1]
    chosen = np.array([0, 3, n - 1, n, n + 2])
    np.testing.assert_array_equal(joined.of_plate(chosen, 0), [0, 3, n - 1])
    np.testing.assert_array_equal(joined.of_plate(chosen, 1), [0, 2])


def test_what_is_hidden_is_drawn_with_its_volume():
    """The cord stands in the way of half of a large target: the surface holds what is hidden."""
    case, parts = settings(entry=[FRONT]), solids(cord_x=12.0, target_radius=20.0)
    found = [prepare_approach(case, case.entry[0], IMAGE, parts, parts["GTV"], SOURCE)]
    reach = reach_of_target(parts["GTV"], found, case)
    surface = hidden_surface(parts["GTV"], found)
    corners = surface.vertices_lps_mm[surface.faces]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    hidden_cm3 = (100.0 - reach.reachable_pct) / 100.0 * parts["GTV"].volume_cm3
    assert 10.0 < 100.0 - reach.reachable_pct < 80.0
    # a surface through a 1.5 mm grid rounds edges off; positive: its faces look outwards
    assert volume / 1000.0 == pytest.approx(hidden_cm3, rel=0.1)
    distance = np.linalg.norm(
        surface.vertices_lps_mm[:, None] - found[0].sites.centers_lps_mm[None], axis=2
    ).min(axis=1)
    assert distance.min() > REACH_MM - 1.0


def test_a_target_all_in_reach_has_no_hidden_surface(plan):
    roles = [role for role, _ in plan.surfaces.values()]
    if plan.reach.reachable_pct == 100.0:
        assert SurfaceRole.HIDDEN not in roles
    else:
        assert SurfaceRole.HIDDEN in roles
