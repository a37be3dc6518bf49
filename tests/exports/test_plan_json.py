import datetime
import json
from dataclasses import replace

import numpy as np
import pytest

from exports import plan_json
from exports.rounding import rounded, rounded_down
from template_designer.errors import OutputError
from template_designer.model import Calibration, SeedSource


@pytest.fixture(scope="module")
def written(plan) -> dict:
    return json.loads(plan_json.build(plan), parse_constant=lambda name: pytest.fail(name))


def test_it_holds_every_key_of_the_contract(written):
    assert written["schema"] == 1
    assert written["id"] == "L1-demo"
    assert written["software"] == {"name": "template-designer", "version": "0.1.0"}
    assert written["inputs"] == [{"path": "dicom/RS.dcm", "sha256": "0" * 64}]
    assert written["source"] == {"model": "I125-6711", "air_kerma_strength_u": 0.762}
    assert written["prescription_gy"] == 120.0
    template = written["templates"][0]
    assert {"name", "size_mm", "pitch_mm", "lps_from_template", "holes", "needles"} <= set(template)
    assert set(template["holes"][0]) == {"label", "x_mm", "y_mm", "state", "reason"}
    needle = template["needles"][0]
    assert {"label", "gauge", "entry_lps_mm", "tip_lps_mm", "depth_mm", "skin_depth_mm", "bone_mm",
            "clearance_mm", "seeds"} <= set(needle)  # fmt: skip
    assert {"center_lps_mm", "from_tip_mm"} <= set(needle["seeds"][0])
    assert written["warnings"][0]["code"] == "roi-skipped"
    assert written["metrics"]["GTV"]["reachable_pct"] == 71.5


def test_an_own_table_and_a_calibration_are_told(plan):
    dates = datetime.date(2026, 11, 1), datetime.date(2026, 11, 15)
    source = SeedSource(plan.source.model, 0.647234, "my seed.toml", Calibration(0.762, *dates))
    data = json.loads(plan_json.build(replace(plan, source=source)))
    assert data["source"] == {
        "model": "I125-6711",
        "file": "my seed.toml",
        "air_kerma_strength_u": 0.647234,  # on the day of the implant
        "calibration": {
            "air_kerma_strength_u": 0.762,
            "calibration_date": "2026-11-01",
            "implant_date": "2026-11-15",
        },
    }


def test_hole_states_and_reasons(written):
    holes = {hole["label"]: hole for hole in written["templates"][0]["holes"]}
    assert len(holes) == 361
    assert holes["C4"]["state"] == "planned"
    assert holes["A1"] == {"label": "A1", "x_mm": -45.0, "y_mm": -45.0, "state": "blocked",
                           "reason": "SpinalCord 3.1 mm"}  # fmt: skip
    assert holes["B1"]["reason"] is None


def test_depths_positions_and_frame_agree_after_rounding(written):
    template = written["templates"][0]
    frame = np.array(template["lps_from_template"])
    np.testing.assert_allclose(frame[:3, :3] @ frame[:3, :3].T, np.eye(3), atol=1e-12)
    thickness = template["size_mm"][2]
    for needle in template["needles"]:
        entry, tip = np.array(needle["entry_lps_mm"]), np.array(needle["tip_lps_mm"])
        length = float(np.linalg.norm(tip - entry))
        assert length + thickness == pytest.approx(needle["depth_mm"], abs=0.001)  # the contract's
        axis = (tip - entry) / length
        for seed in needle["seeds"]:
            at = tip - seed["from_tip_mm"] * axis
            assert np.linalg.norm(at - seed["center_lps_mm"]) < 0.001


def test_clearances_are_never_rounded_up(plan):
    near = replace(plan.needles[0], clearance_mm={"SpinalCord": 10.00099999})
    template = replace(plan.templates[0], needles=(near,))
    data = json.loads(plan_json.build(replace(plan, templates=(template,))))
    assert data["templates"][0]["needles"][0]["clearance_mm"] == {"SpinalCord": 10.0}


def test_same_bytes_twice_and_no_nan(plan):
    content = plan_json.build(plan)
    assert content == plan_json.build(plan)
    assert b"NaN" not in content
    assert json.loads(content)["metrics"]["GTV"]["hi"] is None


def test_a_position_that_is_no_number_is_refused(plan):
    bad = replace(plan.needles[0], tip_lps_mm=(float("nan"), 0.0, 0.0))
    template = replace(plan.templates[0], needles=(bad,))
    with pytest.raises(OutputError, match=r"needle K10.*nan"):
        plan_json.build(replace(plan, templates=(template,)))


def test_rounding_down():
    # 10.2999999999 is below the representation error of 10.3, 10.29 is not
    assert [rounded_down(v, 1) for v in (10.3, 10.29, 10.0, -0.01, 0.0)] == [
        10.3, 10.2, 10.0, -0.1, 0.0,
    ]  # fmt: skip
    assert str(rounded(-0.00001, 4)) == "0.0"
