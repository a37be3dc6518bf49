"""Structures made by the program: order of the steps, the side they err to, crops of the target."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from template_designer.errors import GeometryError, NoSafePlanError
from template_designer.geometry.booleans import common_part
from template_designer.geometry.sampling import volume_samples
from template_designer.inputs.case_checks import resolve_structures, used_names
from template_designer.model.derived import BODY_FROM_CT
from template_designer.planning.constraints import check_plan
from template_designer.planning.structures import build_structures, crop_warnings, target_solid
from template_designer.workflow import design
from tests.template_designer.geometry.shapes import circle, roi
from tests.template_designer.geometry.test_margin import holds
from tests.template_designer.planning.phantom import HEIGHTS, IMAGE
from tests.template_designer.planning.plans import phantom_case

CORD_MM = (24.0, 5.0)  # axis of the phantom's cord, a tube of 5 mm radius


def resolved(case):
    return replace(case, settings=resolve_structures(case.settings, case.rois))


def structures(**tables):
    """Settings, solids and warnings of the phantom with some tables."""
    case = resolved(phantom_case(**tables))
    solids, warnings = build_structures(case, used_names(case.settings))
    return case.settings, solids, warnings


def to_cord(points_lps_mm):
    """Exact distance to the cord's axis."""
    return np.hypot(points_lps_mm[:, 0] - CORD_MM[0], points_lps_mm[:, 1] - CORD_MM[1])


def test_a_table_grows_first_then_keeps_inside_and_then_takes_away():
    _, solids, _ = structures(
        structure=[
            {
                "name": "PTV",
                "from": ["GTV", "Bone"],
                "expand_mm": 20.0,
                "and": "Body",
                "minus": "Cord",
            }
        ]
    )
    points, _ = volume_samples(solids["PTV"], 2.0)
    assert holds(solids["Body"], points).all()
    assert not holds(solids["Cord"], points).any()
    # 64-gons for circles: 0.12 % of 20 mm
    assert solids["PTV"].bounds_uvw_mm[1, 0] == pytest.approx(40.0 + 20.0, abs=0.03)  # the bone's
    # grown before the cord was taken away: it lies on both sides of it
    beside = points[(np.abs(points[:, 1] - 5.0) < 1.0) & (np.abs(points[:, 2]) < 3.0)]
    assert beside[:, 0].max() > 24.0 + 5.0


def test_tables_are_worked_out_in_their_order_and_drawn_ones_stay():
    settings, solids, _ = structures(
        structure=[
            {"name": "CTV", "from": "GTV", "expand_mm": 3.0},
            {"name": "PTV", "from": "CTV", "expand_mm": 5.0},
            {"name": "Rind", "from": "PTV", "minus": "CTV"},
        ]
    )
    assert list(solids) == ["Body", "GTV", "Cord", "Bone", "CTV", "PTV", "Rind"]
    rind = solids["PTV"].volume_cm3 - solids["CTV"].volume_cm3
    # slices are cut at the same faces: exact but for slivers
    assert solids["Rind"].volume_cm3 == pytest.approx(rind, rel=1e-3)
    assert settings.structure[1].sources == ("CTV",)


def test_what_needles_avoid_is_never_smaller_than_its_recipe_says():
    tables = [
        {"name": "PRV", "from": "Cord", "expand_mm": 3.0},
        {"name": "Near GTV", "from": "GTV", "expand_mm": 4.0},
        {"name": "Rest", "from": "PRV", "minus": "Near GTV"},
    ]
    rule = [{"structure": "Rest", "needle_clearance_mm": 5.0}]
    _, avoided, _ = structures(structure=tables, avoid=rule)
    _, plain, _ = structures(structure=tables, avoid=[])
    rng = np.random.default_rng(3)
    points = rng.uniform([8, -12, -20], [34, 18, 20], size=(20_000, 3))
    # the ball is a stack of slabs: what its recipe says is measured from the slabs
    slabs = plain["GTV"].slabs
    to_gtv = np.min(
        [
            np.hypot(
                shapely.distance(slab.shape, shapely.points(points[:, :2])),
                np.maximum(
                    0, np.maximum(slab.w_low_mm - points[:, 2], points[:, 2] - slab.w_high_mm)
                ),
            )
            for slab in slabs
        ],
        axis=0,
    )
    # the cord is drawn with 256 corners: inside its circle by 0.0004 mm
    true = (to_cord(points) <= 8.0 - 0.001) & (to_gtv > 4.0)
    assert holds(avoided["Rest"], points)[true].all()
    wrong = holds(plain["Rest"], points) != true
    assert 0.0 < wrong.mean() < 0.01  # the best estimate errs to both sides
    assert avoided["Rest"].volume_cm3 > plain["Rest"].volume_cm3
    assert avoided["Near GTV"].volume_cm3 == plain["Near GTV"].volume_cm3


def test_a_forgotten_stretch_of_what_an_avoided_structure_is_made_of_is_closed():
    case = phantom_case(
        structure=[{"name": "PRV", "from": "Cord", "expand_mm": 2.0}],
        avoid=[{"structure": "PRV", "needle_clearance_mm": 5.0}],
    )
    rings = [circle(5.0, z, CORD_MM) for z in HEIGHTS if not -20.0 < z < 20.0]
    rois = tuple(roi(rings, "Cord") if r.name == "Cord" else r for r in case.rois.rois)
    case = resolved(replace(case, rois=replace(case.rois, rois=rois)))
    solids, _ = build_structures(case, used_names(case.settings))
    middle = np.array([[*CORD_MM, 0.0]])
    assert holds(solids["PRV"], middle).all()


def test_nothing_left_names_the_structure_and_is_wrong_input():
    tables = [{"name": "Gone", "from": "GTV", "minus": "Body"}]
    with pytest.raises(GeometryError, match="'Gone': nothing is left") as error:
        design(resolved(phantom_case(structure=tables)))
    assert not isinstance(error.value, NoSafePlanError)  # exit code 2, not 3


def test_the_target_is_cropped_out_of_organs_with_a_gap():
    target = {
        "structure": "GTV",
        "margin_mm": {"left": 10.0, "right": 4.0, "anterior": 4.0, "posterior": 4.0},
        "crop_out_of": ["Cord"],
        "crop_gap_mm": 2.0,
    }
    settings, solids, _ = structures(target=target)
    cropped = target_solid(settings, solids)
    assert cropped.name == "GTV"
    points, _ = volume_samples(cropped, 1.0)
    # polygons of the grown cord: 64-gons, 0.12 % of 2 mm
    assert to_cord(points).min() >= 7.0 - 0.01
    assert points[:, 0].max() > 12.0 + 4.0  # the margin to the left is there, up to the gap
    assert points[:, 0].min() == pytest.approx(-16.0, abs=1.0)
    assert holds(cropped, volume_samples(solids["GTV"], 1.0)[0]).all()
    assert crop_warnings(settings, solids) == ()  # only margin was cut


def test_a_crop_into_the_drawn_target_is_said_with_its_volume():
    target = {"structure": "GTV", "crop_out_of": "Cord", "crop_gap_mm": 10.0}
    settings, solids, _ = structures(target=target)
    (warning,) = crop_warnings(settings, solids)
    cut = solids["GTV"].volume_cm3 - target_solid(settings, solids).volume_cm3
    assert cut > 0.05
    assert warning.code == "target-cropped"
    assert f"{cut:.2f} of its" in warning.text
    assert "within 10 mm" in warning.text


def test_a_crop_that_leaves_nothing_is_refused():
    settings, solids, _ = structures(target={"structure": "GTV", "crop_out_of": "Bone"})
    away = {"structure": "GTV", "crop_out_of": ["Body"]}
    with pytest.raises(GeometryError, match="'GTV': nothing is left"):
        target_solid(*structures(target=away)[:2])
    assert target_solid(settings, solids).volume_cm3 > 0.0  # the bone lies in front of the GTV


def ct_phantom(**tables):
    """The phantom on a CT that shows it: body of 140 x 140 mm, bone before the target, a couch."""
    centres = -89.0 + 2.0 * np.arange(90)
    hu = np.full((len(HEIGHTS), 90, 90), -1000, np.int16)
    inside = np.abs(centres) < 70.0
    hu[:, np.ix_(inside, inside)[0], np.ix_(inside, inside)[1]] = 30
    hu[:, 29:32, 25:65] = 700  # rows at y = -31 ... -27
    hu[:, 84:86, :] = 200  # a couch 10 mm under the body
    image = replace(
        IMAGE,
        hu=hu,
        origin_lps_mm=np.array([-89.0, -89.0, HEIGHTS[0]]),
        spacing_mm=np.array([2.0, 2.0, 3.0]),
    )
    case = replace(phantom_case(**tables), image=image)
    rois = tuple(r for r in case.rois.rois if r.name not in ("Body", "Bone"))
    return resolved(replace(case, rois=replace(case.rois, rois=rois)))


def test_a_case_without_skin_and_with_made_structures_is_planned_and_keeps_every_rule():
    case = ct_phantom(
        skin={"seed_depth_mm": 10.0},
        target={"structure": "GTV", "margin_mm": 2.0, "crop_out_of": "PRV"},
        structure=[
            {"name": "PRV", "from": "Cord", "expand_mm": [2, 2, 4]},
            {"name": "Bone", "ct_above_hu": 250},
            {"name": "Way in", "from": "GTV", "expand_mm": {"anterior": 40}},
            {"name": "Ribs", "from": "Bone", "minus": "Way in"},
        ],
        avoid=[
            {"structure": "PRV", "needle_clearance_mm": 8.0},
            {"structure": "Ribs", "needle_clearance_mm": 1.0},
        ],
    )
    plan = design(case)
    assert not check_plan(plan)
    codes = [w.code for w in plan.warnings]
    assert codes.count("body-from-ct") == 1
    assert codes.count("structure-from-ct") == 1
    assert "target-margin" not in codes  # cropping was stated
    assert {"PRV", "Bone", "Way in", "Ribs"} <= set(plan.metrics)
    assert BODY_FROM_CT not in plan.metrics
    assert BODY_FROM_CT in plan.surfaces
    for needle in plan.needles:
        assert set(needle.clearance_mm) == {"PRV", "Ribs"}
        # the skin is at y = -70 where 30 HU beside air crosses -300 HU: within a pixel
        assert needle.skin_depth_mm == pytest.approx(needle.depth_mm - 20.0, abs=1.0)
        assert needle.bone_hu == pytest.approx(700.0, abs=150.0)  # edges count, with less
        axis = np.array([needle.entry_lps_mm, needle.tip_lps_mm])
        way = np.linspace(0.0, 1.0, 200)[:, None]
        points = axis[0] + way * (axis[1] - axis[0])
        # recomputed: needle of 1.27 (or 1.65) mm, cord of 5 mm grown by 2 mm
        assert needle.clearance_mm["PRV"] <= to_cord(points).min() - 7.0 - 0.5 * 1.27 + 1e-6


def test_bone_from_the_ct_leaves_the_couch_out():
    case = ct_phantom(skin={"seed_depth_mm": 10.0}, structure=[{"name": "B", "ct_above_hu": 100}])
    solids, _ = build_structures(case, used_names(case.settings))
    assert solids["B"].bounds_uvw_mm[1, 1] < 0.0
    shared = common_part("x", solids["B"], solids[BODY_FROM_CT]).volume_cm3
    assert shared == pytest.approx(solids["B"].volume_cm3)
