import json

import numpy as np
import pytest

from template_designer.errors import InputError
from template_designer.inputs import inspect_path
from tests.template_designer.inputs import dicom_factory as factory


@pytest.mark.parametrize("name", factory.ORIENTATIONS)
def test_volume_and_centroid_in_any_orientation(tmp_path, name):
    ct = factory.write_ct_series(tmp_path, shape=(9, 30, 30), iop=factory.ORIENTATIONS[name])
    factory.write_rtstruct(
        tmp_path / "RS.dcm",
        {"A": factory.discs(ct, range(2, 7), 10.0)},
        frame_uid=ct.frame_uid,
        series_uid=ct.series_uid,
    )
    found = inspect_path(tmp_path)
    (a,) = found.structures
    # five slabs of 3 mm; coordinates are written to 1e-4 mm
    assert a.volume_cm3 == pytest.approx(5 * 3.0 * factory.disc_area_mm2(10.0) / 1000, rel=1e-4)
    np.testing.assert_allclose(a.centroid_lps_mm, ct.centre, atol=2e-3)
    assert (a.contours, a.slices, a.file) == (5, 5, "RS.dcm")
    assert found.images[0].size == (30, 30, 9)
    assert found.images[0].spacing_mm == pytest.approx((2.0, 2.5, 3.0), abs=1e-5)
    assert found.warnings == ()


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_a_ring_in_a_ring_is_a_hole(tmp_path, kind):
    ct = factory.write_ct_series(tmp_path, shape=(5, 30, 30))
    rings = factory.discs(ct, range(5), 10.0) + factory.discs(ct, range(5), 4.0)
    path = factory.write_rtstruct(
        tmp_path / "RS.dcm", {"A": rings}, frame_uid=ct.frame_uid, geometric_type=kind
    )
    area = factory.disc_area_mm2(10.0) - factory.disc_area_mm2(4.0)
    for target in (tmp_path, path):  # with the CT, and the structure set alone
        (a,) = inspect_path(target).structures
        assert a.volume_cm3 == pytest.approx(5 * 3.0 * area / 1000, rel=1e-4)


def test_a_keyhole_is_a_hole(tmp_path):
    ct = factory.write_ct_series(tmp_path, shape=(3, 30, 30))
    rings = []
    for k in range(3):
        outer, inner = factory.disc(ct, k, 10.0), factory.disc(ct, k, 4.0)[::-1]
        inner = np.roll(inner, 1, axis=0)  # starts where the outer ring starts
        rings.append(np.vstack([outer, outer[:1], inner, inner[:1]]))
    factory.write_rtstruct(tmp_path / "RS.dcm", {"A": rings}, frame_uid=ct.frame_uid)
    (a,) = inspect_path(tmp_path).structures
    area = factory.disc_area_mm2(10.0) - factory.disc_area_mm2(4.0)
    assert a.volume_cm3 == pytest.approx(3 * 3.0 * area / 1000, rel=1e-4)


def test_it_is_ready_for_json(tmp_path):
    factory.write_case(tmp_path)
    found = inspect_path(tmp_path / "dicom").to_dict()
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, sort_keys=True))
    assert {"structures", "images", "warnings"} <= set(found)
    assert [s["name"] for s in found["structures"]][:2] == ["GTV", "SpinalCord"]
    wanted = {"name", "volume_cm3", "centroid_lps_mm", "contours", "slices", "bbox_lps_mm"}
    assert wanted <= set(found["structures"][0])
    low, high = found["structures"][0]["bbox_lps_mm"]
    np.testing.assert_allclose(np.subtract(high, low), [24.0, 24.0, 15.0], atol=0.1)


def test_what_is_wrong_becomes_a_warning(tmp_path):
    ct = factory.write_ct_series(tmp_path, skip=[2])
    factory.write_rtstruct(tmp_path / "A.dcm", {"A": factory.discs(ct, [1], 5)}, frame_uid="1.2")
    damaged = factory.write_rtstruct(tmp_path / "B.dcm", {"B": []}, frame_uid="1.2")
    damaged.write_bytes(damaged.read_bytes()[:-40])
    found = inspect_path(tmp_path)
    assert {w.code for w in found.warnings} == {"ct-unreadable", "structures-unreadable"}
    assert [s.name for s in found.structures] == ["A"]
    assert found.images[0].size is None


def test_structures_of_another_frame_are_said(tmp_path):
    ct = factory.write_ct_series(tmp_path)
    factory.write_rtstruct(tmp_path / "A.dcm", {"A": factory.discs(ct, [1], 5)}, frame_uid="1.2")
    assert [w.code for w in inspect_path(tmp_path).warnings] == ["frame-differs"]


def test_what_cannot_be_inspected_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        inspect_path(tmp_path / "nowhere")
    with pytest.raises(InputError, match="neither CT nor RTSTRUCT"):
        inspect_path(tmp_path)
    ct = factory.write_ct_series(tmp_path)
    with pytest.raises(InputError, match="one CT slice; name the folder"):
        inspect_path(ct.paths[0])
    text = tmp_path / "notes.txt"
    text.write_text("no")
    with pytest.raises(InputError, match="not a DICOM file"):
        inspect_path(text)
