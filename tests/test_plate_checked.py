"""``check`` on plates with marker pockets, mounting holes and a code: what is wrong must fail."""

import json
from dataclasses import replace

import numpy as np
import pytest

from exports import plan_json
from exports.stl import plate_mesh
from template_designer.checking.evidence import Evidence, read_record
from template_designer.checking.hash_checks import check_codes, check_hash
from template_designer.checking.lines import State
from template_designer.checking.plate import PlateModel
from template_designer.checking.plate_checks import check_plates
from template_designer.model import MarkerPocket, MountingHole, PlateFeatures
from tests.exports.conftest import make_plan, make_template

FEATURES = PlateFeatures(
    markers=(MarkerPocket(-42.5, -42.5, 2.0, 2.0, 2.2), MarkerPocket(32.5, -42.5, 3.0, 2.0, 2.2)),
    mounting_holes=(MountingHole(2.5, 42.5, 3.4),),
)


def plan_with(features):
    return make_plan(replace(make_template(), features=features))


def evidence_of(plan, folder, model=None):
    folder.mkdir(exist_ok=True)
    content = plan_json.build(plan)
    (folder / "plan.json").write_bytes(content)
    mesh = plate_mesh(plan, plan.templates[0])
    return Evidence(
        folder, read_record(json.loads(content)), (), {"T1": model or PlateModel(mesh.triangles)}
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return evidence_of(plan_with(FEATURES), tmp_path_factory.mktemp("sound"))


def lines(check, evidence):
    return {line.name: line.state for line in check(evidence)}


def failures(evidence):
    found = {**lines(check_plates, evidence), **lines(check_codes, evidence)}
    return {name for name, state in found.items() if state is State.FAIL}


def test_a_plate_with_everything_on_it_passes(sound):
    found = {**lines(check_plates, sound), **lines(check_codes, sound), **lines(check_hash, sound)}
    assert set(found.values()) == {State.OK}
    assert {"marker pockets", "marker centres", "mounting holes", "number of holes",
            "model belongs to the plan", "plan hash"} <= set(found)  # fmt: skip


def test_pockets_and_mounting_holes_that_are_not_there(sound, tmp_path):
    plain = plan_with(PlateFeatures())
    without = replace(sound, plates=evidence_of(plain, tmp_path).plates)
    assert failures(without) == {"marker pockets", "mounting holes", "number of holes",
                                 "model belongs to the plan"}  # fmt: skip


def test_a_pocket_at_another_depth_or_stated_elsewhere(sound):
    data = json.loads((sound.folder / "plan.json").read_text())
    marker = data["templates"][0]["markers"][0]
    marker["center_mm"][2] -= 0.2
    assert failures(replace(sound, plan=read_record(data))) == {"marker pockets", "marker centres"}
    marker["center_mm"][2] += 0.2
    marker["center_lps_mm"][0] += 0.01
    assert failures(replace(sound, plan=read_record(data))) == {"marker centres"}


def test_the_plate_of_another_plan_is_told_by_its_code(sound):
    data = json.loads((sound.folder / "plan.json").read_text())
    data["hash"] = "0" * 64
    assert failures(replace(sound, plan=read_record(data))) == {"model belongs to the plan"}


@pytest.mark.parametrize("mirror", [(-1.0, 1.0, 1.0), (1.0, -1.0, 1.0)])
def test_a_mirrored_plate_fails(sound, mirror):
    triangles = sound.plates["T1"].triangles_mm[:, ::-1] * np.array(mirror)
    found = failures(replace(sound, plates={"T1": PlateModel(triangles)}))
    assert {"engraved labels", "cut corner", "model belongs to the plan"} <= found


def test_a_changed_number_breaks_the_hash(sound, tmp_path):
    text = (sound.folder / "plan.json").read_text()
    assert '"prescription_gy": 120.0' in text
    (tmp_path / "plan.json").write_text(text.replace('"prescription_gy": 120.0',
                                                     '"prescription_gy": 121.0'))  # fmt: skip
    changed = replace(sound, folder=tmp_path)
    assert lines(check_hash, changed) == {"plan hash": State.FAIL}


def test_no_hash_and_no_code_are_told(sound):
    data = json.loads((sound.folder / "plan.json").read_text())
    del data["hash"]
    bare = replace(sound, plan=read_record(data))
    assert lines(check_hash, bare) == {"plan hash": State.NOT_CHECKED}
    assert lines(check_codes, bare) == {"model belongs to the plan": State.NOT_CHECKED}
