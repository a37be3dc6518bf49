"""Seeds put into real CTs are found; what is no seed is not. All of it is simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from template_designer.errors import CaseError
from template_designer.postplan.seeds_on_ct import SeedState, find_seeds
from tests.paths import needs_shared
from tests.postplan.seeds_on_ct.truth import (
    GATE_MM,
    HEAD,
    NEEDLES,
    OBLIQUE,
    box_of,
    ct_of,
    implanted,
    score,
)
from tests.simulated_ct import (
    Look,
    add_ball,
    add_wire,
    implant,
    noise_of,
    resampled,
    simulate,
)

IMPLANTS = [  # case, seeds, random seed, needles, signal of the capsule (HU)
    ("demo", 40, 1, NEEDLES, 25_000.0),
    ("demo", 30, 3, OBLIQUE, 25_000.0),
    ("demo", 10, 12, NEEDLES, 40_000.0),
]
WANTED = {1.0: (0.98, 1.0), 2.5: (0.97, 1.5), 5.0: (0.95, 2.0)}
"""Least part found and most mean error, mm, by slice: what is promised; between at 2.5 mm."""

AXIS_DEG = {1.0: 5.0, 2.5: 10.0}
"""Most mean error of axes: a line of 4.5 mm whose ends are off by 0.2 mm each is off by 5 degrees;
in slices of 2.5 mm steepness shows by length alone, and 5 % of length are 10 degrees of 45."""


def _pooled(implants, slice_mm: float):
    scores = []
    if slice_mm == 2.5:  # lies between the others: two implants of the three
        implants = implants[:2]
    for case, count, seed, way, signal in implants:
        look = Look(slice_mm=slice_mm, signal_hu=signal)
        image, there = implanted(case, look, count, seed, way)
        scores.append(score(there, find_seeds(image), GATE_MM[slice_mm]))
    errors = np.concatenate([s.errors_mm for s in scores])
    angles = np.concatenate([s.angles_deg for s in scores])
    part = len(errors) / sum(s.implanted for s in scores)
    return part, errors, angles, sum(s.extra for s in scores)


@pytest.mark.parametrize("slice_mm", [1.0, 2.5, 5.0])
def test_seeds_of_the_case_that_ships_are_found(slice_mm):
    part, errors, angles, extra = _pooled(IMPLANTS, slice_mm)
    least, most_mm = WANTED[slice_mm]
    assert part >= least
    assert errors.mean() < most_mm
    assert extra == 0
    if slice_mm in AXIS_DEG:
        assert len(angles) > 0.5 * len(errors)
        assert angles.mean() < AXIS_DEG[slice_mm]
    else:  # slices of 5 mm hide how steep a seed is
        assert len(angles) == 0


def test_needles_direction_gives_axes_in_thick_slices():
    image, there = implanted("demo", Look(slice_mm=5.0), 20, 14)
    found = find_seeds(image, needle_direction_lps=NEEDLES)
    angles = score(there, found, GATE_MM[5.0]).angles_deg
    # needles bend by 0.04 to either side in the simulation: 3 degrees on the mean; the fit adds
    assert len(angles) >= 15
    assert angles.mean() < 6.0


def test_seeds_along_the_stack_are_warned_of_in_thick_slices():
    image, there = implanted("demo", Look(slice_mm=5.0), 20, 11, HEAD)
    found = find_seeds(image)
    assert "seeds-along-the-stack" in {warning.code for warning in found.warnings}
    assert score(there, found, GATE_MM[5.0]).extra == 0


@needs_shared
@pytest.mark.parametrize(
    ("implant", "slice_mm"),
    [
        (("L3", 50, 21, OBLIQUE, 25_000.0), 5.0),
        (("L1", 100, 22, OBLIQUE, 40_000.0), 1.0),
    ],
)
def test_seeds_in_other_patients_are_found(implant, slice_mm):
    part, errors, _, extra = _pooled([implant], slice_mm)
    least, most_mm = WANTED[slice_mm]
    assert part >= least
    assert errors.mean() < most_mm
    assert extra == 0


def _hostile(case: str, slice_mm: float, look: Look):
    """Two wires of metal, two calcifications, a vessel and a bowel with contrast medium: HU."""
    box, (_, middle) = box_of(case, slice_mm, (45.0, 45.0, 40.0)), ct_of(case)
    others = np.zeros(box.hu.shape)

    def at(x: float, y: float, z: float):
        return middle + np.array([x, y, z])

    add_wire(others, box, at(-40, -25, 5), at(5, -38, 7), 1.27, 25_000.0, look)
    add_wire(others, box, at(-30, 30, -25), at(-30, 32, 25), 1.0, 25_000.0, look)
    add_ball(others, box, at(-5, -30, 10), (4.0, 2.5, 6.0), 1200.0, look)
    add_ball(others, box, at(15, -32, -12), 3.0, 1400.0, look)
    add_wire(others, box, at(25, -35, -30), at(28, -35, 30), 6.0, 350.0, look)
    add_ball(others, box, at(-35, 0, 0), (12.0, 10.0, 14.0), 2500.0, look)
    return box, others


@pytest.mark.parametrize("slice_mm", [1.0, 5.0])
def test_needle_calcification_and_contrast_are_no_seeds(slice_mm):
    look = Look(slice_mm=slice_mm)
    box, others = _hostile("demo", slice_mm, look)
    rng = np.random.default_rng(7)
    there = implant(rng, 30, ct_of("demo")[1], NEEDLES)
    found = find_seeds(simulate(box, there, look, rng, others))
    result = score(there, found, GATE_MM[slice_mm])
    assert result.extra == 0
    assert len(result.errors_mm) >= 0.95 * 30
    assert sum(count for why, count in found.rejected.items() if "needle" in why) >= 2
    with pytest.raises(CaseError, match="no seed was found"):
        find_seeds(simulate(box, None, look, rng, others))


@pytest.mark.parametrize("slice_mm", [None, 1.0])
def test_the_ct_without_seeds_holds_none(slice_mm):
    image, _ = ct_of("demo")
    if slice_mm is not None:
        image = box_of("demo", slice_mm)
    with pytest.raises(CaseError, match="no seed was found"):
        find_seeds(image)


@needs_shared
@pytest.mark.parametrize(("case", "slice_mm"), [("L1", None), ("L3", 2.5), ("L3", 5.0)])
def test_other_ct_without_seeds_hold_none(case, slice_mm):
    image, _ = ct_of(case)
    if slice_mm is not None:  # the whole scan: its own voxels of 3 mm are refused
        half = 0.5 * np.array(image.hu.shape[::-1]) * image.spacing_mm
        image = resampled(image, image.origin_lps_mm + half @ image.axes_lps, half, slice_mm)
    with pytest.raises(CaseError, match="no seed was found"):
        find_seeds(image)


@needs_shared
def test_voxels_of_3_mm_are_refused():
    with pytest.raises(CaseError, match="pixels of 3 mm"):
        find_seeds(ct_of("L3")[0])


@pytest.fixture(scope="module")
def twenty():
    look = Look(slice_mm=1.0)
    return implanted("demo", look, 20, 2)


def test_turned_image_gives_the_same_places_in_the_patient(twenty):
    image, there = twenty
    plain = find_seeds(image)
    # slices that run feet to head, columns that run right to left: the same voxels, other axes
    last = (np.array(image.hu.shape[::-1]) - 1) * image.spacing_mm * (1.0, 0.0, 1.0)
    turned = replace(
        image,
        hu=np.ascontiguousarray(image.hu[::-1, :, ::-1]),
        origin_lps_mm=image.origin_lps_mm + last @ image.axes_lps,
        axes_lps=image.axes_lps * np.array([[-1.0], [1.0], [-1.0]]),
    )
    found = find_seeds(turned)
    # starts of the fits differ by a turn of the grid of directions: 0.05 mm is what it stops at
    np.testing.assert_allclose(found.centers_lps_mm, plain.centers_lps_mm, atol=0.05)
    assert score(there, found, 2.5).extra == 0


def test_only_what_is_inside_is_found(twenty):
    image, there = twenty
    half = np.zeros(image.hu.shape, dtype=bool)
    half[:, :, : image.hu.shape[2] // 2] = True
    found = find_seeds(image, inside=half)
    column = image.index_of(there.centers)[:, 2]
    sure_in = int(np.count_nonzero(column < image.hu.shape[2] // 2 - 4.0))
    any_in = int(np.count_nonzero(column < image.hu.shape[2] // 2 + 4.0))
    assert sure_in <= len(found.seeds) <= any_in


def test_states_say_why_and_a_count_far_off_is_said(twenty):
    image, _ = twenty
    found = find_seeds(image, expected=60)
    for seed in found.seeds:
        assert seed.state is SeedState.SURE or seed.reasons
        assert seed.axis_lps is not None or any("axis" in reason for reason in seed.reasons)
    # most of an implant is sure, or nobody would settle it
    assert len(found.uncertain) <= 0.3 * len(found.seeds)
    told = [warning.text for warning in found.warnings if warning.code == "seed-count"]
    assert len(told) == 1
    assert f"{60 - len(found.seeds)} fewer than the 60 implanted" in told[0]
    assert "far off" in told[0]


def test_side_by_side_seeds_are_two():
    image, there = implanted("demo", Look(slice_mm=1.0), 24, 5, touching=0.5)
    result = score(there, find_seeds(image), 2.5)
    # half of all touch, 1-2 mm side by side or 4.5-5 mm end to end: one in ten may be lost
    assert len(result.errors_mm) >= 0.9 * 24
    assert result.extra == 0


def test_noise_alone_holds_no_seed():
    image = box_of("demo", 5.0)
    noise = noise_of(image.hu.shape, Look(noise_hu=30.0), np.random.default_rng(3))
    with pytest.raises(CaseError, match="no seed was found"):
        find_seeds(replace(image, hu=np.rint(noise).astype(np.int16)))


def test_zeros_are_no_ct():
    image = box_of("demo", 5.0)
    with pytest.raises(CaseError, match="no CT of a patient in Hounsfield units"):
        find_seeds(replace(image, hu=np.zeros_like(image.hu)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"inside": np.zeros((3, 3, 3), dtype=bool)}, "they differ"),
        ({"inside": "empty"}, "outside of the image"),
        ({"expected": 0}, "1 or more"),
        ({"seed_length_mm": 45.0}, "is none that is known"),
        ({"needle_direction_lps": np.zeros(3)}, "no direction"),
    ],
)
def test_wrong_wishes_are_one_clear_error(twenty, wrong, says):
    image, _ = twenty
    if wrong.get("inside") is not None and isinstance(wrong["inside"], str):
        wrong = {"inside": np.zeros(image.hu.shape, dtype=bool)}
    with pytest.raises(CaseError, match=says) as caught:
        find_seeds(image, **wrong)
    assert "\n" not in str(caught.value)
