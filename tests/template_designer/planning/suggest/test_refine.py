"""``[entry] refine = true``: a better lattice within the plane, never a worse one."""

import math

import numpy as np
import pytest

from template_designer import frames
from template_designer.errors import CaseError
from template_designer.model import EntrySettings
from template_designer.planning.approach import prepare_approach
from template_designer.planning.reach import reach_of_target
from template_designer.planning.suggest import refined_entry, refinement_note
from template_designer.planning.suggest.exact import turn_deg
from tests.template_designer.planning.suggest.patient import (
    BODY_MM,
    SOURCE,
    image,
    settings,
    solids,
)

ENTRY = EntrySettings(
    point_lps=(2.5, BODY_MM, 0.0),
    direction_lps=(0.0, -1.0, 0.0),
    up_lps=(0.0, 0.0, 1.0),
    refine=True,
)


def reach_pct(entry):
    parts = solids()
    approach = prepare_approach(settings(), entry, image(), parts, parts["GTV"], SOURCE)
    return reach_of_target(parts["GTV"], [approach], settings()).reachable_pct


def refined(entry, parts=None):
    parts = parts or solids()
    return refined_entry(settings(), entry, image(), parts, parts["GTV"], SOURCE)


def test_the_lattice_moves_and_turns_within_its_plane_and_reaches_more():
    better = refined(ENTRY)
    assert refined(ENTRY) == better  # the same every time
    assert reach_pct(better) > reach_pct(ENTRY) + 1.0
    assert better.direction_lps == ENTRY.direction_lps
    assert better.refine is False
    frame = frames.template_frame(better.point_lps, better.direction_lps, better.up_lps)
    moved = np.array(better.point_lps) - ENTRY.point_lps
    x, y, z = frame[:3, :3].T
    assert abs(moved @ z) <= 0.001  # positions are rounded to 0.001 mm
    half_pitch = 2.5
    assert max(abs(moved @ x), abs(moved @ y)) <= half_pitch + 0.001
    assert abs(turn_deg(better)) <= 45.0
    text = refinement_note("T1", ENTRY, better).text
    assert f"point_lps = {list(better.point_lps)}" in text
    assert f"up_lps = {list(better.up_lps)}" in text
    assert f"moved the lattice {math.dist(better.point_lps, ENTRY.point_lps):.1f} mm" in text


def test_a_lattice_that_cannot_be_bettered_stays():
    """Needles from the left front reach nothing whatever the lattice: all stays as stated."""
    entry = EntrySettings(
        point_lps=(BODY_MM, -2.0, 0.0), direction_lps=(-1.0, 0.0, 0.0), up_lps=(0.0, 0.0, 1.0)
    )
    assert reach_pct(entry) == 0.0
    same = refined(entry)
    assert (same.point_lps, same.up_lps) == (entry.point_lps, entry.up_lps)
    assert "it stays as stated" in refinement_note("T2", entry, same).text


def test_a_plate_that_cannot_stand_is_refused_as_without_refine():
    inside = ENTRY.model_copy(update={"point_lps": (0.0, -10.0, 0.0)})
    with pytest.raises(CaseError, match="would have to stand 70 mm off point_lps"):
        refined(inside)


def test_a_target_outside_the_body_is_left_to_design():
    assert refined(ENTRY, solids(target_at=(120.0, 0.0))).point_lps == ENTRY.point_lps
