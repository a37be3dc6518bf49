"""The examples of docs/structures.md work on the case that ships."""

import re
import tomllib

import numpy as np
import pytest

from template_designer.demo_case import demo_case_file
from template_designer.geometry.sampling import volume_samples
from template_designer.inputs import read_case, used_names
from template_designer.model.settings import BoneSettings
from template_designer.planning.structures import build_structures, target_solid
from tests.paths import ROOT
from tests.template_designer.geometry.test_margin import holds

TEXT = (ROOT / "docs/structures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.S)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The demo with both examples, its solids and warnings."""
    target, obstacles = BLOCKS
    with demo_case_file() as path:
        case_text = path.read_text(encoding="utf-8").replace(
            '"dicom/', f'"{path.parent.as_posix()}/dicom/'
        )
        case_text = case_text.replace('[target]\nstructure = "GTV"\n', target)
        own = tmp_path_factory.mktemp("docs") / "case.toml"
        own.write_text(f"{case_text}\n{obstacles}", encoding="utf-8")
        case = read_case(own)
    solids, warnings = build_structures(case, used_names(case.settings))
    return case, solids, warnings


def test_the_obstacles_are_bone_away_from_the_tumour(made):
    case, solids, warnings = made
    assert case.settings.avoid[-1].patterns == ("Obstacles",)
    points, _ = volume_samples(solids["Obstacles"], 2.0)
    # what is avoided errs to the larger side: a layer of 0.5 mm of the way in may remain
    assert holds(solids["Way in"], points).mean() < 0.01
    for organ in ("Kidney_L", "Aorta"):
        assert not holds(solids[organ], points).any()
    drawn = holds(solids["Bone"], points)
    # 0.79: contrast agent in the gut counts as well, and the outlines of bone are automatic
    assert drawn.mean() > 0.7
    ribs = np.abs(points[:, 0] - 17.0) > 60.0  # far from the spine
    assert ribs.sum() > 200
    assert [w.code for w in warnings].count("structure-from-ct") == 1


def test_the_target_grows_by_its_sides_and_keeps_its_gap(made):
    case, solids, _ = made
    target = target_solid(case.settings, solids)
    low, high = target.bounds_uvw_mm - solids["GTV"].bounds_uvw_mm
    # 64-gons for ellipses: 0.12 % of 5 mm; the aorta crops the front, nothing the left
    assert high[0] == pytest.approx(5.0, abs=0.01)
    assert (low[2], high[2]) == (pytest.approx(-8.0), pytest.approx(8.0))
    points, _ = volume_samples(target, 2.0)
    for organ in ("SpinalCord", "Aorta"):
        assert not holds(solids[organ], points).any()


def test_the_defaults_it_names_are_those_of_the_program():
    bone = BoneSettings()
    for key in ("cortex_mm", "cortex_hu", "access_gauge"):
        stated = re.search(rf"`{key}` \((\d+)", TEXT)
        assert stated is not None
        assert float(stated[1]) == getattr(bone, key)
    assert bone.access_bone_mm is None
    assert all(tomllib.loads(block) for block in BLOCKS)
