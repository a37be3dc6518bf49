"""Which directions are searched: evenly, within tilt and access, and named as patients are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer import frames
from template_designer.model import EntrySettings
from template_designer.model.settings import PatientPosition
from template_designer.planning.suggest.directions import (
    Access,
    access_of,
    apart,
    azimuth_elevation_deg,
    needle_frames,
    spread_directions,
    tilt_deg,
)
from template_designer.planning.suggest.exact import turn_deg
from tests.template_designer.planning.suggest.patient import image, settings

DOWN = {
    "prone": (0.0, -1.0, 0.0), "supine": (0.0, 1.0, 0.0), "lateral_left": (1.0, 0.0, 0.0),
    "lateral_right": (-1.0, 0.0, 0.0), "any": (0.0, 0.0, 0.0),
}  # fmt: skip


@given(
    position=st.sampled_from(list(PatientPosition)),
    tilt=st.sampled_from([0.0, 0.01, 5.0, 30.0, 89.9, 90.0]),
    count=st.integers(50, 400),
)
def test_enough_directions_are_searched_and_all_keep_the_limits(position, tilt, count):
    found = spread_directions(Access(position, "", tilt), count)
    assert len(found) >= count
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-12)
    assert max(tilt_deg(d) for d in found) <= tilt + 1e-6  # rounding of the arc sine
    # needles run down towards the couch: they come from the skin that is free
    assert (found @ np.array(DOWN[position.value])).min() >= 0.0


def test_directions_cover_the_free_sphere_evenly():
    found = spread_directions(Access(PatientPosition.ANY, "", 90.0), 1000)
    cosines = found @ found.T - 2.0 * np.eye(len(found))
    nearest = np.degrees(np.arccos(cosines.max(axis=1)))
    # 1000 equal caps on the sphere have centres about sqrt(4 pi / 1000) = 6.4 degrees apart
    assert nearest.min() > 4.0
    assert nearest.max() < 8.0


@pytest.mark.parametrize(
    ("direction", "azimuth", "elevation"),
    [
        ((0.0, -1.0, 0.0), 0.0, 0.0),  # needles run to the front: they come from behind
        ((-1.0, 0.0, 0.0), 90.0, 0.0),  # they run to the right: from the patient's left
        ((1.0, 0.0, 0.0), -90.0, 0.0),
        ((0.0, -1.0, -1.0), 0.0, 45.0),  # to the feet: from the head's side
    ],
)
def test_azimuth_and_elevation_say_where_needles_come_from(direction, azimuth, elevation):
    az, el = azimuth_elevation_deg(np.array([direction]))
    assert az[0] == pytest.approx(azimuth, abs=1e-9)
    assert el[0] == pytest.approx(elevation, abs=1e-9)
    assert str(az[0])[:2] != "-0"  # no negative zero in tables


@given(azimuth=st.floats(-179.0, 179.0), height=st.floats(-0.99, 0.99), turn=st.floats(-44.0, 44.0))
def test_axes_are_those_of_the_entry_table_and_its_turn_is_read_back(azimuth, height, turn):
    across, angle = np.sqrt(1.0 - height**2), np.radians(azimuth)
    direction = np.array([across * np.cos(angle), across * np.sin(angle), height])
    x, y, z = needle_frames(direction[None, :], np.array([turn]))[0]
    entry = EntrySettings(
        point_lps=(0.0, 0.0, 0.0), direction_lps=tuple(z.tolist()), up_lps=tuple((-y).tolist())
    )
    frame = frames.template_frame(entry.point_lps, entry.direction_lps, entry.up_lps)
    np.testing.assert_allclose(frame[:3, :3].T, [x, y, z], atol=1e-12)
    assert turn_deg(entry) == pytest.approx(turn, abs=1e-6)


@pytest.mark.parametrize(
    ("code", "position"),
    [("HFS", "supine"), ("FFS", "supine"), ("HFP", "prone"), ("ffp ", "prone"), ("", "any"),
     ("HFDL", "lateral_left"), ("FFDR", "lateral_right"), ("SITTING", "any")],
)  # fmt: skip
def test_the_position_is_that_of_the_ct_and_said_to_be(code, position):
    access = access_of(settings(), image(code))
    assert access.position.value == position
    assert (code.strip().upper() in access.told) or position == "any"
    stated = access_of(settings(suggest={"position": "lateral_left"}), image(code))
    assert stated.position.value == "lateral_left"
    assert "as [suggest] says" in stated.told


@pytest.mark.parametrize(
    ("direction", "position"),
    [([0.0, -1.0, 0.0], "any"), ([0.0, 1.0, 0.0], "supine"), ([1.0, 0.0, 0.0], "supine")],
)
def test_an_entry_from_under_the_couch_means_that_the_patient_will_be_turned(direction, position):
    entry = {"point_lps": [0.0, 80.0, 0.0], "direction_lps": direction, "up_lps": [0.0, 0.0, 1.0]}
    access = access_of(settings(entry=entry), image("HFS"))
    assert access.position.value == position
    assert ("will be turned" in access.told) == (position == "any")


def test_planes_apart_are_taken_in_order_until_there_are_enough():
    angle = np.radians([0.0, 3.0, 10.0, 11.0, 30.0])
    directions = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(5)])
    assert apart(directions, np.array([1, 0, 2, 3, 4]), 6.0, 9) == [1, 2, 4]
    assert apart(directions, np.array([1, 0, 2, 3, 4]), 6.0, 2) == [1, 2]
