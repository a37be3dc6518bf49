"""What is wrong with a plate is said when the case is read, with the key to change."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from template_designer.errors import CaseError
from template_designer.geometry.plate_case import check_plate_case, plate_features
from template_designer.inputs import read_case
from tests.paths import DEMO, ROOT
from tests.plates import case_settings, write_case

CASE = (DEMO / "case.toml").read_text()
PLATE = 'size_mm = [100, 100, 20]\npitch_mm = 5.0\nholes = "lattice"\n'


def wrong(tmp_path, **changes):
    """The message of the demo's case file with some text replaced and some added."""
    text = CASE
    for old, new in changes.pop("swap", {}).items():
        assert old in text
        text = text.replace(old, new)
    path = write_case(tmp_path, text + changes.pop("more", ""))
    with pytest.raises(CaseError) as caught:
        read_case(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


SMALL = {"size_mm = [100, 100, 20]": "size_mm = [60, 40, 10]"}
LONG = {'id = "demo-L1"': 'id = "Mueller_2026.clinic-plan-0123456"'}


@pytest.mark.parametrize(
    ("swap", "more", "says"),
    [
        (SMALL | LONG, "", ["Mueller_2026", "too long for the rim", "shorten the id"]),
        ({"size_mm = [100, 100, 20]": "size_mm = [100, 100, 20]\nedge_mm = 60"},
         "", ["edge_mm", "at most 50"]),
        ({"size_mm = [100, 100, 20]": "size_mm = [40, 100, 20]\nedge_mm = 25"},
         "", ["40 mm has no room for a hole", "template.size_mm"]),
        ({"pitch_mm = 5.0": "pitch_mm = 2.5", "gauge = 18": "gauge = 13"},
         "", ["template.pitch_mm = 2.5", "wall"]),
        ({"size_mm = [100, 100, 20]": "size_mm = [100, 100, 10]\nqr = true"},
         "", ["QR code", "0.6 mm", "leave template.qr out"]),
        ({"size_mm = [100, 100, 20]": "size_mm = [100, 100, 20]\ncorner_radius_mm = 20"},
         "", ["corners rounded by 20 mm", "template.corner_radius_mm"]),
        ({}, "\n[markers]\npositions_mm = [[0, 0], [2.5, 2.5], [7.5, 2.5]]\n",
         ["marker pocket 1", "cuts into hole K10", "room for a diameter of 3.9 mm"]),
        ({}, "\n[markers]\npositions_mm = [[48, 2.5], [2.5, 2.5], [7.5, 2.5]]\n",
         ["marker pocket 1", "x = 48", "to the rim"]),
        ({}, "\n[markers]\ndepth_mm = 18\n", ["marker pocket 1", "markers.depth_mm"]),
        ({}, "\n[markers]\ndepth_mm = 0.5\n", ["stand out of the patient face", "1 mm or more"]),
        ({"size_mm = [100, 100, 20]": "size_mm = [30, 100, 20]"}, "\n[markers]\n",
         ["5 x 19", "too small", "positions_mm"]),
        ({}, "\n[mount]\npositions_mm = [[5, 5]]\n", ["mounting hole 1", "cuts into hole L11"]),
        ({}, "\n[mount]\npositions_mm = [[2.5, 2.5]]\ndiameter_mm = 4.5\n",
         ["mounting hole 1", "leaves a wall of 0.30 mm to"]),
        ({}, "\n[mount]\npositions_mm = [[2.5, 2.5]]\n\n[markers]\n"
             "positions_mm = [[2.5, 2.5], [7.5, 2.5], [7.5, 7.5]]\n",
         ["mounting hole 1", "marker pocket 1"]),
        ({}, "\n[mount]\npositions_mm = [[42.5, 42.5]]\n", ["hole U19 no room for the ring"]),
        ({}, "\n[mount]\n", ["[mount] positions_mm is missing"]),
        ({}, "\n[mount]\npositions_mm = [[2.5, nan]]\n", ["[mount]"]),
        ({"gauge = 18": "gauge = 18\nbore_allowance_mm = 0.1"},
         "\n[printer]\nbore_allowance_mm = 0.3\n", ["0.1", "0.3", "fit gauge"]),
        ({}, "\n[printer]\nresolution_mm = 0.1\n", ["resolution_mm", "at least 0.3"]),
        ({}, "\n[printer]\nresolution = 0.5\n", ["resolution_mm"]),
    ],
)  # fmt: skip
def test_it_says_what_where_and_what_to_do(tmp_path, swap, more, says):
    message = wrong(tmp_path, swap=swap, more=more)
    for part in says:
        assert part in message


def test_the_command_ends_with_2_and_writes_nothing(tmp_path):
    path = write_case(tmp_path, CASE + "\n[mount]\npositions_mm = [[5, 5]]\n")
    done = subprocess.run(
        [sys.executable, "-m", "template_designer", "design", str(path), "-o", str(tmp_path / "o")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    assert "mounting hole 1" in done.stderr
    assert not (tmp_path / "o").exists()


def test_what_finds_no_room_on_the_rim_is_a_warning():
    assert check_plate_case(case_settings()) == ()
    thin = case_settings(template={"size_mm": [100.0, 100.0, 10.0]})
    (warning,) = check_plate_case(thin)
    assert warning.code == "plate-rim"
    assert "QR code" in warning.text
    without = case_settings(template={"size_mm": [100.0, 100.0, 10.0], "qr": False})
    assert check_plate_case(without) == ()


def test_the_printer_decides_the_bore():
    plain = case_settings()
    printer = case_settings(printer={"name": "P", "material": "M", "bore_allowance_mm": 0.31})
    assert plain.bore_for_mm(18) == pytest.approx(1.47)
    assert printer.bore_for_mm(18) == pytest.approx(1.58)
    needle = case_settings(needle={"bore_allowance_mm": 0.1})
    assert needle.bore_for_mm(18) == pytest.approx(1.37)


def test_the_features_are_those_of_the_case():
    case = case_settings(
        template={"corner_radius_mm": 3.0, "counter_sink_mm": 0.3, "cross_lines": False},
        printer={"resolution_mm": 0.5},
        mount={"positions_mm": [[2.5, 2.5]], "diameter_mm": 3.0},
        markers={"diameter_mm": 1.5, "positions_mm": [[-2.5, 2.5], [7.5, 2.5], [7.5, -7.5]]},
    )
    features = plate_features(case)
    assert (features.resolution_mm, features.corner_radius_mm) == (0.5, 3.0)
    assert (features.counter_sink_mm, features.cross_lines) == (0.3, False)
    assert features.mounting_holes[0].diameter_mm == 3.0
    assert [(m.x_mm, m.y_mm) for m in features.markers] == [(-2.5, 2.5), (7.5, 2.5), (7.5, -7.5)]
    # one diameter deep; template frame, z into the patient
    assert features.markers[0].center_mm == (-2.5, 2.5, -1.5)
    assert features.markers[0].pocket_mm == pytest.approx(1.7)
    assert check_plate_case(case) == ()
    assert replace(features, markers=()).markers == ()
    assert np.all([m.sphere_mm == 1.5 for m in features.markers])
