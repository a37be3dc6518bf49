"""``[[structure]]`` tables, margins and crops of a case file: what they mean, what is refused."""

from pathlib import Path

import pytest

from template_designer.errors import CaseError
from template_designer.inputs import read_case, used_names
from template_designer.inputs.schema import parse_settings
from template_designer.inputs.structure_tables import drawn_sources
from template_designer.model.derived import BODY_FROM_CT, SIDES, Margin
from tests.template_designer.inputs import dicom_factory as factory


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    """Folder of a case that is right."""
    return factory.write_case(tmp_path_factory.mktemp("phantom")).parent


def case_with(phantom: Path, tmp_path: Path, add: str, **replaced: str) -> Path:
    """The phantom's case file with tables added, and whole lines replaced."""
    text = (phantom / "case.toml").read_text(encoding="utf-8")
    text = text.replace('"dicom', f'"{phantom.as_posix()}/dicom')
    for old, new in {
        "target": ('[target]\nstructure = "GTV"', replaced.get("target")),
        "skin": ('[skin]\nstructure = "Body"', replaced.get("skin")),
        "avoid": ('["Kidney_*"]', replaced.get("avoid")),
    }.values():
        assert old in text
        text = text if new is None else text.replace(old, new, 1)
    path = tmp_path / "case.toml"
    path.write_text(text + add, encoding="utf-8")
    return path


def test_tables_get_exact_names_and_can_be_used_everywhere(phantom, tmp_path):
    path = case_with(
        phantom,
        tmp_path,
        """
[[structure]]
name = "Kidneys"
from = "Kidney_?"

[[structure]]
name = "PTV"
from = "GTV"
expand_mm = {left = 3, superior = 5}
minus = ["SpinalCord", "Kidneys"]

[[structure]]
name = "Bright"
ct_above_hu = 250

[bone]
structure = "Bright"

[[biology]]
structure = "PTV"
alpha_beta_gy = 10
""",
        target='[target]\nstructure = "PTV"',
        avoid='["Kidneys"]',
    )
    settings = read_case(path).settings
    kidneys, ptv, bright = settings.structure
    assert kidneys.sources == ("Kidney_L", "Kidney_R")
    assert ptv.taken_away == ("SpinalCord", "Kidneys")
    assert ptv.expand_mm == Margin(left=3, superior=5)
    assert bright.bounds == ("Body",)  # bone counts inside the skin
    assert settings.target.structure == "PTV"
    assert settings.avoid[1].patterns == ("Kidneys",)
    assert settings.bone.structure == ("Bright",)
    assert {"PTV", "Kidneys", "Bright", "Kidney_L", "GTV"} <= set(used_names(settings))
    assert drawn_sources(settings, "PTV") == ("GTV",)
    assert drawn_sources(settings, "Kidneys") == ("Kidney_L", "Kidney_R")


def test_without_a_skin_the_body_comes_from_the_ct(phantom, tmp_path):
    path = case_with(
        phantom, tmp_path, '\n[[structure]]\nname = "Bright"\nct_above_hu = 250\n', skin="[skin]"
    )
    settings = read_case(path).settings
    assert settings.skin.structure == BODY_FROM_CT
    assert settings.structure[0].bounds == (BODY_FROM_CT,)
    assert BODY_FROM_CT in used_names(settings)


def test_a_skin_that_is_made_looks_at_the_whole_scan(phantom, tmp_path):
    path = case_with(
        phantom,
        tmp_path,
        '\n[[structure]]\nname = "Skin"\nct_above_hu = -300\n',
        skin='[skin]\nstructure = "Skin"',
    )
    settings = read_case(path).settings
    assert settings.skin.structure == "Skin"
    assert settings.structure[0].bounds == ()


TABLE = "\n[[structure]]\n"
WRONG = {
    "unknown source": (
        f'{TABLE}name = "P"\nfrom = "GVT"\n',
        ["[[structure]] #1 from = 'GVT' matches no structure", "did you mean 'GTV'"],
    ),
    "unknown in a list": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nminus = ["SpinalCord", "Nerve*"]\n',
        ["[[structure]] #1 minus = 'Nerve*' matches no structure"],
    ),
    "name of the file": (
        f'{TABLE}name = "GTV"\nfrom = "Kidney_*"\n',
        ["[[structure]] #1 name = 'GTV' is taken"],
    ),
    "name twice": (
        f'{TABLE}name = "P"\nfrom = "GTV"\n{TABLE}name = "P"\nfrom = "GTV"\n',
        ["[[structure]] #2 name = 'P' is taken"],
    ),
    "itself": (
        f'{TABLE}name = "P"\nfrom = ["GTV", "P"]\n',
        ["[[structure]] #1 from = 'P'", "cannot be made of itself"],
    ),
    "circle": (
        f'{TABLE}name = "P"\nfrom = "Q"\n{TABLE}name = "Q"\nfrom = "P"\n',
        ["[[structure]] #1 from = 'Q' is made by [[structure]] #2", "neither can be made"],
    ),
    "no recipe": (f'{TABLE}name = "P"\nminus = "GTV"\n', ["exactly one of from, ct_above_hu"]),
    "two recipes": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nct_above_hu = 250\n',
        ["[[structure]] #1", "exactly one of from, ct_above_hu"],
    ),
    "within of no CT": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nwithin = "Body"\n',
        ["within belongs to ct_above_hu"],
    ),
    "name with a star": (f'{TABLE}name = "P*"\nfrom = "GTV"\n', ["'P*'", "without * ? [ ]"]),
    "no name": (f'{TABLE}from = "GTV"\n', ["[[structure]] #1 name is missing"]),
    "unknown key": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nplus = "Body"\n',
        ["[[structure]] #1 plus is not known", "keys: name, from, ct_above_hu", "and, minus"],
    ),
    "from a number": (
        f'{TABLE}name = "P"\nfrom = 7\n',
        ["[[structure]] #1 from", "name in quotes or a list"],
    ),
    "shrinking": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nexpand_mm = -3\n',
        ["[[structure]] #1 expand_mm", "-3", "at least 0"],
    ),
    "two values": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nexpand_mm = [3, 5]\n',
        ["[[structure]] #1 expand_mm", "a number, [x, y, z], or a table"],
    ),
    "unknown side": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nexpand_mm = {{up = 3}}\n',
        ["[[structure]] #1 expand_mm.up is not known", "superior"],
    ),
    "no side": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nexpand_mm = {{}}\n',
        ["[[structure]] #1 expand_mm", "some of left, right"],
    ),
    "margin in words": (
        f'{TABLE}name = "P"\nfrom = "GTV"\nexpand_mm = "5"\n',
        ["[[structure]] #1 expand_mm", "a number, [x, y, z], or a table"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_one_line_with_the_key(phantom, tmp_path, name):
    add, words = WRONG[name]
    with pytest.raises(CaseError) as error:
        read_case(case_with(phantom, tmp_path, add))
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("crop_gap_mm = 2", ["[target]", "crop_gap_mm stands without crop_out_of"]),
        ('crop_out_of = "Spine"', ["[target] crop_out_of = 'Spine' matches no structure"]),
        ('crop_out_of = ["SpinalCord", "G*"]', ["[target] crop_out_of", "target 'GTV' itself"]),
        ("margin_mm = -1", ["[target] margin_mm", "at least 0"]),
        ("margin_mm = true", ["[target] margin_mm", "not a number"]),
    ],
)
def test_a_wrong_margin_or_crop_of_the_target_is_refused(phantom, tmp_path, target, words):
    path = case_with(phantom, tmp_path, "", target=f'[target]\nstructure = "GTV"\n{target}')
    with pytest.raises(CaseError) as error:
        read_case(path)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("stated", "sides"),
    [
        (5, (5, 5, 5, 5, 5, 5)),
        ([3, 4, 6.5], (3, 3, 4, 4, 6.5, 6.5)),
        ({"left": 2, "inferior": 7}, (2, 0, 0, 0, 0, 7)),
    ],
)
def test_a_margin_is_a_number_three_or_six(stated, sides):
    data = {
        "id": "x",
        "images": {"ct": "a", "structures": "b"},
        "target": {"structure": "GTV", "margin_mm": stated},
        "entry": {"point_lps": [0, 0, 0], "direction_lps": [0, 1, 0], "up_lps": [0, 0, 1]},
        "source": {"model": "I125-6711", "activity_mci": 0.6},
        "prescription": {"dose_gy": 120.0},
    }
    margin = parse_settings(data).target.margin_mm
    assert tuple(getattr(margin, side) for side in SIDES) == sides
    # towards -x is right, -y anterior, -z inferior
    left, right, anterior, posterior, superior, inferior = sides
    assert margin.lps_mm == ((right, left), (anterior, posterior), (inferior, superior))


def test_an_access_bore_needs_its_wall_too(phantom, tmp_path):
    path = case_with(phantom, tmp_path, "\n[bone]\naccess_gauge = 11\n")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("pitch_mm = 5.0", "pitch_mm = 3.5"), encoding="utf-8")
    with pytest.raises(CaseError, match=r"3\.25 mm for bone access \(11G, \[bone\] access_gauge"):
        read_case(path)


def test_an_entry_is_checked_against_what_made_structures_are_made_of(phantom, tmp_path):
    add = f'{TABLE}name = "P"\nfrom = "GTV"\nexpand_mm = 2\n'
    path = case_with(phantom, tmp_path, add, target='[target]\nstructure = "P"', skin="[skin]")
    read_case(path)
    text = path.read_text(encoding="utf-8")
    away = text.replace("direction_lps = [0.0, -1.0, 0.0]", "direction_lps = [0.0, 1.0, 0.0]")
    path.write_text(away, encoding="utf-8")
    with pytest.raises(CaseError, match="points away from the target 'P'"):
        read_case(path)
