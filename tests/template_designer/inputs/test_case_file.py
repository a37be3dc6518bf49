import re
from pathlib import Path

import numpy as np
import pytest

from template_designer.errors import CaseError, InputError
from template_designer.inputs import read_case
from tests.template_designer.inputs import dicom_factory as factory


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    """Folder of a case that is right; tests write other case files beside it."""
    return factory.write_case(tmp_path_factory.mktemp("phantom")).parent


def variant(phantom: Path, tmp_path: Path, old: str, new: str, add: str = "") -> Path:
    """The phantom's case file with one piece replaced."""
    text = (phantom / "case.toml").read_text(encoding="utf-8")
    assert old in text
    text = text.replace('"dicom', f'"{phantom.as_posix()}/dicom')  # absolute paths are allowed
    path = tmp_path / "case.toml"
    old = old.replace('"dicom', f'"{phantom.as_posix()}/dicom')
    path.write_text(text.replace(old, new, 1) + add, encoding="utf-8")
    return path


def test_the_phantom_reads(phantom):
    said: list[str] = []
    case = read_case(phantom / "case.toml", said.append)
    assert case.settings.id == "phantom"
    assert case.image.hu.shape == (12, 50, 50)
    assert case.rois.names == ("GTV", "SpinalCord", "Kidney_L", "Kidney_R", "Body")
    assert case.warnings == ()
    assert [file.path for file in case.inputs] == ["case.toml", "dicom", "dicom/RS.dcm"]
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in case.inputs)
    assert len(said) >= 2


def test_names_are_exact_after_reading(phantom, tmp_path):
    path = variant(
        phantom,
        tmp_path,
        '"SpinalCord"\nmetric = "D0.1cc"',
        '"Kidney_?"\nmetric = "Dmean"',
        '[bone]\nstructure = "Kidney_*"\n',
    )
    settings = read_case(path).settings
    assert [rule.patterns for rule in settings.avoid] == [
        ("SpinalCord",),
        ("Kidney_L", "Kidney_R"),
    ]
    assert [goal.structure for goal in settings.goal] == ["GTV", "Kidney_L", "Kidney_R"]
    assert settings.bone.structure == ("Kidney_L", "Kidney_R")


WRONG = {
    # name: (piece of the case file, what stands there, what the message must say)
    "unknown key": (
        "activity_mci = 0.6",
        "activity_mcl = 0.6",
        ["[source] activity_mcl", "did you mean 'activity_mci'", "air_kerma_strength_u"],
    ),
    "a list of targets": (
        '[target]\nstructure = "GTV"',
        '[target]\nstructure = ["GTV", "SpinalCord"]',
        ["[target] structure", "one name", "[[structure]]"],
    ),
    "unknown table": ("[template]", "[templates]", ["[templates]", "did you mean 'template'"]),
    "missing key": ('id = "phantom"\n', "", ["id is missing"]),
    "missing table": ("[prescription]\ndose_gy = 120.0", "", ["[prescription] is missing"]),
    "missing number": (
        "[prescription]\ndose_gy = 120.0",
        "[prescription]",
        ["[prescription] dose_gy is missing"],
    ),
    "two units": (
        "activity_mci = 0.6",
        "activity_mci = 0.6\nair_kerma_strength_u = 0.76",
        ["[source]", "exactly one", "activity_mci", "air_kerma_strength_u"],
    ),
    "no unit": ("activity_mci = 0.6", "", ["[source]", "exactly one"]),
    "60 mCi": (
        "activity_mci = 0.6",
        "activity_mci = 60.0",
        ["[source] activity_mci = 60", "mCi", "confirm_unusual_strength"],
    ),
    "MBq as mCi": ("activity_mci = 0.6", "activity_mci = 22.2", ["[source] activity_mci", "MBq"]),
    "NaN": ("dose_gy = 120.0", "dose_gy = nan", ["[prescription] dose_gy = nan", "finite"]),
    "infinite": ("dose_gy = 120.0", "dose_gy = inf", ["[prescription] dose_gy = inf"]),
    "NaN in a vector": (
        "direction_lps = [0.0, -1.0",
        "direction_lps = [nan, -1.0",
        ["[entry] direction_lps"],
    ),
    "zero pitch": ("pitch_mm = 5.0", "pitch_mm = 0", ["[template] pitch_mm = 0", "at least 2.5"]),
    "negative dose": (
        "dose_gy = 120.0",
        "dose_gy = -120.0",
        ["[prescription] dose_gy = -120", "above 0"],
    ),
    "text for a number": (
        "dose_gy = 120.0",
        'dose_gy = "120"',
        ["[prescription] dose_gy", "not a number"],
    ),
    "table for a number": ("dose_gy = 120.0", "dose_gy = { gy = 120 }", ["[prescription] dose_gy"]),
    "value for a table": (
        '[source]\nmodel = "I125-6711"\nactivity_mci = 0.6\n',
        "",
        ["[source] is missing"],
    ),
    "short vector": (
        "up_lps = [0.0, 0.0, 1.0]",
        "up_lps = [0.0, 1.0]",
        ["[entry] up_lps has too few values"],
    ),
    "long vector": (
        "up_lps = [0.0, 0.0, 1.0]",
        "up_lps = [0.0, 0.0, 1.0, 0.0]",
        ["[entry] up_lps"],
    ),
    "unknown source": ('"I125-6711"', '"I125-6712"', ["[source] model", "I125-6712", "I125-6711"]),
    "unknown metric": ('"V100"', '"VV100"', ["[[goal]] #1 metric", "'VV100'", "D90", "Dmean"]),
    "percent for a dose": ('"V100"', '"D90"', ["[[goal]] #1 metric", "in Gy", "at_least_gy"]),
    "gray for a volume": (
        "at_least_pct = 93.0",
        "at_least_gy = 93.0",
        ["[[goal]] #1 metric", "in %", "at_least_pct"],
    ),
    "two limits": (
        "at_least_pct = 93.0",
        "at_least_pct = 93.0\nat_most_pct = 99",
        ["[[goal]] #1", "exactly one of at_least_gy"],
    ),
    "index as a ratio": (
        '"V100"\nat_least_pct = 93.0',
        '"CI"\nat_least_pct = 0.62',
        ["[[goal]] #1 metric", "write 62"],
    ),
    "index of an organ": (
        '"SpinalCord"\nmetric = "D0.1cc"\nat_most_gy = 95.0',
        '"SpinalCord"\nmetric = "CI"\nat_least_pct = 62',
        ["[[goal]] #2 structure", "target"],
    ),
    "missing target": (
        '[target]\nstructure = "GTV"',
        '[target]\nstructure = "GTVp"',
        ["[target] structure = 'GTVp'", "did you mean 'GTV'", "SpinalCord, Kidney_L"],
    ),
    "missing organ": (
        'structure = "SpinalCord"\nneedle',
        'structure = "Spinal"\nneedle',
        ["[[avoid]] #1 structure = 'Spinal'"],
    ),
    "glob of nothing": ('"Kidney_*"', '"rib_*"', ["[[avoid]] #2 structure = 'rib_*'", "Kidney_L"]),
    "list of nothing": ('["Kidney_*"]', "[]", ["[[avoid]] #2 structure", "names no structure"]),
    "missing goal": ('"GTV"\nmetric', '"PTV"\nmetric', ["[[goal]] #1 structure = 'PTV'"]),
    "missing skin": (
        'structure = "Body"',
        'structure = "BODY"',
        ["[skin] structure = 'BODY'", "did you mean 'Body'"],
    ),
    "target avoided": ('["Kidney_*"]', '["G*"]', ["[[avoid]] #2 structure", "target 'GTV'"]),
    "skin avoided": ('["Kidney_*"]', '["Bod?"]', ["[[avoid]] #2 structure", "skin 'Body'"]),
    "two targets": (
        '[target]\nstructure = "GTV"',
        '[target]\nstructure = "Kidney*"',
        ["[target] structure", "matches 2 structures"],
    ),
    "clearance out of range": (
        "needle_clearance_mm = 1.0",
        "needle_clearance_mm = -1.0",
        ["[[avoid]] #2 needle_clearance_mm = -1", "at least 0"],
    ),
    "wrong type of name": ('["Kidney_*"]', "7", ["[[avoid]] #2 structure", "name in quotes"]),
    "points away": (
        "direction_lps = [0.0, -1.0, 0.0]",
        "direction_lps = [0.0, 1.0, 0.0]",
        ["[entry] direction_lps", "away from the target 'GTV'", "[0, -1, 0]"],
    ),
    "no direction": (
        "direction_lps = [0.0, -1.0, 0.0]",
        "direction_lps = [0.0, 0.0, 0.0]",
        ["[entry]", "direction_lps has no length"],
    ),
    "direction of no length that squares": (
        "direction_lps = [0.0, -1.0, 0.0]",
        "direction_lps = [0.0, -1e300, 0.0]",
        ["[entry]", "direction_lps is 1e+300 long", "near 1"],
    ),
    "up of no length that squares": (
        "up_lps = [0.0, 0.0, 1.0]",
        "up_lps = [0.0, 0.0, 1e308]",
        ["[entry]", "up_lps is 1e+308 long"],
    ),
    "up along the needle": (
        "up_lps = [0.0, 0.0, 1.0]",
        "up_lps = [0.0, 2.0, 0.0]",
        ["[entry]", "up_lps runs along"],
    ),
    "bad holes": ("pitch_mm = 5.0", 'holes = "all"', ["[template] holes = 'all'", "lattice"]),
    "bad gauge": (
        "[source]",
        "[needle]\ngauge = 19\n[source]",
        ["[needle] gauge = 19", "11, 13, 16, 17 or 18"],
    ),
    "bad id": ('id = "phantom"', 'id = "../x"', ["id = '../x'", "letters"]),
    "not TOML": ('id = "phantom"', "id = phantom", ["not valid TOML", "line 1"]),
    "key twice": ('id = "phantom"', 'id = "phantom"\nid = "b"', ["not valid TOML"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_case_file_names_the_key(phantom, tmp_path, name):
    old, new, words = WRONG[name]
    with pytest.raises(CaseError) as error:
        read_case(variant(phantom, tmp_path, old, new))
    message = str(error.value)
    assert "\n" not in message
    assert "case.toml" in message
    for word in words:
        assert word in message


def test_several_mistakes_are_counted(phantom, tmp_path):
    path = variant(phantom, tmp_path, "pitch_mm = 5.0", "pitch_mm = 0\nedge_mm = 1\ncolour = 1")
    with pytest.raises(CaseError, match=r"\[template\] colour is not known.*\(and 2 more\)"):
        read_case(path)


def test_an_unusual_strength_can_be_confirmed(phantom, tmp_path):
    path = variant(
        phantom,
        tmp_path,
        "activity_mci = 0.6",
        "activity_mci = 6.0\nconfirm_unusual_strength = true",
    )
    assert read_case(path).settings.source.activity_mci == 6.0


def test_entries_may_stand_once_or_as_a_list_and_a_bom_does_no_harm(phantom, tmp_path):
    path = variant(phantom, tmp_path, "[entry]", "[[entry]]")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (entry,) = read_case(path).settings.entry
    assert entry.up_lps == (0.0, 0.0, 1.0)
    text = path.read_text(encoding="utf-8-sig")
    far = "[[entry]]\npoint_lps = [0, 900, 0]\ndirection_lps = [0, -1, 0]\nup_lps = [0, 0, 1]\n"
    path.write_text(text + far)
    with pytest.raises(CaseError, match=r"\[\[entry\]\] number 2"):
        read_case(path)


def test_an_entry_far_from_the_skin_is_refused(phantom, tmp_path):
    text = (phantom / "case.toml").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("point_lps"))
    path = variant(phantom, tmp_path, line, "point_lps = [400.0, 300.0, -30.0]")
    with pytest.raises(CaseError, match=r"\[entry\] point_lps = \[400, 300, -30\] lies .* mm from"):
        read_case(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00i", b"id = \xe9"])
def test_a_case_file_in_another_encoding_is_refused(tmp_path, content):
    path = tmp_path / "case.toml"
    path.write_bytes(content)
    with pytest.raises(CaseError, match="UTF-8"):
        read_case(path)


def test_a_missing_case_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.toml: is not a case file"):
        read_case(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('ct = "dicom"', 'ct = "dcm"', ["[images] ct", "dcm does not exist"]),
        ('"dicom/RS.dcm"', '"dicom/RS2.dcm"', ["[images] structures", "RS2.dcm does not exist"]),
        ('structures = "dicom/RS.dcm"', 'structures = "dicom"', ["[images] structures", "folder"]),
        ('"dicom/RS.dcm"', '"notes.txt"', ["[images] structures", "a text file", "RTSTRUCT"]),
        ('ct = "dicom"', 'ct = "scan.gz"', ["[images] ct", "gzip", "DICOM series", "NIfTI"]),
        ('ct = "dicom"', 'ct = "ct.nii.gz"', ["ct.nii.gz", "compressed data are damaged"]),
        ('"dicom/RS.dcm"', '"dicom/test_000.dcm"', ["not an RTSTRUCT", "modality CT"]),
        ('ct = "dicom"', 'ct = "dicom/test_000.dcm"', ["is a file; name the folder"]),
    ],
)
def test_a_wrong_path_names_key_and_path(tmp_path, old, new, words):
    path = factory.write_case(tmp_path, replace={old: new})
    (tmp_path / "notes.txt").write_text("no contours here")
    for name in ("scan.gz", "ct.nii.gz"):
        (tmp_path / name).write_bytes(b"\x1f\x8b\x08\x00 an image, perhaps")
    with pytest.raises(InputError) as error:
        read_case(path)
    for word in words:
        assert word in str(error.value)


def test_labels_are_for_label_maps(tmp_path):
    path = factory.write_case(
        tmp_path, replace={'ct = "dicom"': 'ct = "dicom"\nlabels = "case.toml"'}
    )
    with pytest.raises(CaseError, match=r"\[images\] labels"):
        read_case(path)


def test_a_cut_slice_and_a_cut_structure_set_are_named(tmp_path):
    path = factory.write_case(tmp_path)
    for name in ("test_000.dcm", "RS.dcm"):
        file = tmp_path / "dicom" / name
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) * 2 // 3])
        with pytest.raises(InputError, match=f"{name}: is cut off"):
            read_case(path)
        file.write_bytes(whole)


@pytest.mark.parametrize(("ct", "structures"), [("", "1.2.3"), ("1.2.4", "")])
def test_other_frame_of_reference_is_refused_with_both(tmp_path, ct, structures):
    path = factory.write_case(tmp_path, ct_frame_uid=ct, structures_frame_uid=structures)
    with pytest.raises(InputError, match="different frames of reference") as error:
        read_case(path)
    assert (ct or factory.uid("frame")) in str(error.value)
    assert (structures or factory.uid("frame")) in str(error.value)


def _rewrite_structures(folder: Path, rois: dict[str, list[np.ndarray]]) -> None:
    factory.write_rtstruct(
        folder / "dicom" / "RS.dcm",
        rois,
        frame_uid=factory.uid("frame"),
        series_uid=factory.uid("series"),
    )


def test_structures_outside_the_ct(tmp_path):
    path = factory.write_case(tmp_path)
    case = read_case(path)
    rois = {roi.name: list(roi.rings_lps_mm) for roi in case.rois.rois}
    up = np.array([0.0, 0.0, 1.0])
    rois["Far"] = [ring + 500.0 * up for ring in rois["GTV"]]
    rois["Kidney_L"] = [ring + 20.0 * up for ring in rois["Kidney_L"]]
    rois["Kidney_R"] = [ring + 7.0 * up for ring in rois["Kidney_R"]]
    _rewrite_structures(tmp_path, rois)
    warnings = {w.text.split("'")[1]: w for w in read_case(path).warnings if "'" in w.text}
    assert warnings["Far"].code == "roi-outside-ct"
    assert "wholly" in warnings["Far"].text
    # top slice 9 of 0..11, 3 mm apart, moved by 20 mm: 12.5 mm over the box, 4 rings over a slice
    assert warnings["Kidney_L"].code == "roi-beyond-ct"
    assert "4 of 8 contours" in warnings["Kidney_L"].text
    assert "12.5 mm" in warnings["Kidney_L"].text
    assert "Kidney_R" not in warnings  # less than one slice over
    rois["GTV"] = rois["Far"]
    _rewrite_structures(tmp_path, rois)
    with pytest.raises(InputError, match="'GTV' lies wholly outside the CT"):
        read_case(path)


def test_contours_between_slices_and_another_patient_are_said(tmp_path):
    path = factory.write_case(tmp_path)
    case = read_case(path)
    rois = {roi.name: list(roi.rings_lps_mm) for roi in case.rois.rois}
    rois["GTV"] = [ring + np.array([0.0, 0.0, 1.0]) for ring in rois["GTV"]]
    factory.write_rtstruct(
        tmp_path / "dicom" / "RS.dcm",
        rois,
        frame_uid=factory.uid("frame"),
        change=lambda ds: setattr(ds, "PatientID", "SOMEBODY"),
    )
    codes = {w.code: w.text for w in read_case(path).warnings}
    assert set(codes) == {"contours-between-slices", "patient-differs"}
    assert "contours of GTV lie" in codes["contours-between-slices"]


def test_a_structure_left_out_says_why_it_is_not_there(tmp_path):
    path = factory.write_case(tmp_path)
    case = read_case(path)
    rois = {roi.name: list(roi.rings_lps_mm) for roi in case.rois.rois}
    rois["SpinalCord"] = [rois["SpinalCord"][0][:2]]
    _rewrite_structures(tmp_path, rois)
    with pytest.raises(CaseError, match=r"'SpinalCord' matches no structure.*fewer than three"):
        read_case(path)
