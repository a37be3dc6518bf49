"""``[source]``: a table file of the user's own, and strengths that decay to the implant."""

import hashlib
import re
from importlib import resources

import pytest

from dose import load_source
from dose.sources import REGISTRY
from template_designer.errors import CaseError, InputError, PlannerError
from template_designer.inputs import read_case, seed_model
from tests.template_designer.inputs import dicom_factory as factory

MODEL = 'model = "I125-6711"\n'
STRENGTH = "activity_mci = 0.6\n"
DATES = "calibration_date = 2026-11-01\nimplant_date = 2026-11-15\n"


def own_table(name: str = "I125-6711", old: str = "", new: str = "") -> str:
    """A model on board as a user's own file, with one piece replaced."""
    text = resources.files("dose.sources").joinpath(REGISTRY[name]).read_text(encoding="utf-8")
    assert old in text
    return text.replace(f'id = "{name}"', 'id = "Own-1"').replace(old, new)


@pytest.fixture
def case(tmp_path):
    """Write the phantom with other lines in ``[source]`` and a table file beside it; read it."""

    def read(lines: str, table: str | None = None, name: str = "my_seed.toml"):
        path = factory.write_case(tmp_path, replace={MODEL + STRENGTH: lines})
        if table is not None:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(table, encoding="utf-8")
        return read_case(path)

    return read


def test_a_model_on_board_with_its_strength_as_stated(case):
    source = case(MODEL + STRENGTH).source
    assert source.model is load_source("I125-6711")
    assert source.air_kerma_strength_u == pytest.approx(0.762, rel=1e-14)
    assert (source.file, source.calibration) == (None, None)


def test_a_table_of_the_users_own_is_read_beside_the_case_and_fingerprinted(case, tmp_path):
    name = "tables/my seed.toml"
    read = case(f'file = "{name}"\n{STRENGTH}', own_table(), name)
    assert (read.source.model.id, read.source.file) == ("Own-1", name)
    assert read.source.air_kerma_strength_u == pytest.approx(0.762, rel=1e-14)
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert (name, digest) in {(file.path, file.sha256) for file in read.inputs}
    assert read.warnings == ()


def test_a_model_on_board_leaves_no_table_among_the_inputs(case):
    assert [file.path for file in case(MODEL + STRENGTH).inputs] == [
        "case.toml",
        "dicom",
        "dicom/RS.dcm",
    ]


UNVERIFIED = own_table(old="verified = true", new="verified = false")


def test_an_own_table_that_nobody_checked_must_be_accepted_and_stays_marked(case):
    with pytest.raises(CaseError, match=r"\[source\] file = 'my_seed\.toml'.*accept_unverified"):
        case(f'file = "my_seed.toml"\n{STRENGTH}', UNVERIFIED)
    read = case(f'file = "my_seed.toml"\naccept_unverified = true\n{STRENGTH}', UNVERIFIED)
    (warning,) = read.warnings
    assert warning.code == "source-unverified"
    assert "'Own-1'" in warning.text


def test_a_model_on_board_that_nobody_checked_stays_marked(case):
    cesium = (
        f'model = "Cs131-CS1Rev2"\n{DATES}air_kerma_strength_u = 4.0\naccept_unverified = true\n'
    )
    read = case(cesium)
    assert [warning.code for warning in read.warnings] == ["source-unverified"]
    # its own half-life counts: 9.689 days
    expected = 4.0 * 0.5 ** (14.0 / 9.689)
    assert read.source.air_kerma_strength_u == pytest.approx(expected, rel=1e-12)


WRONG_FILES = {
    # name: (lines of [source], table file, what the message must say)
    "both": (f'{MODEL}file = "my_seed.toml"\n', own_table(), ["exactly one of model, file"]),
    "neither": ("", None, ["[source]", "exactly one of model, file", "none"]),
    "missing": ('file = "other.toml"\n', own_table(), ["[source] file = 'other.toml'", "relative"]),
    "folder": ('file = "dicom"\n', None, ["[source] file = 'dicom'", "not a file"]),
    "empty name": ('file = ""\n', None, ["[source] file = ''", "not a file"]),
    "not a name": ("file = 7\n", None, ["[source] file = 7", "text in quotes"]),
    "no table": ('file = "my_seed.toml"\n', "x", ["[source] file", "my_seed.toml", "not a TOML"]),
    "wrong table": (
        'file = "my_seed.toml"\n',
        own_table(old="1.042, 1.0, 0.908", new="1.042, 1.01, 0.908"),
        ["[source] file = 'my_seed.toml'", "radial_dose_line.g", "g(1 cm)"],
    ),
    "a name on board": (
        'file = "my_seed.toml"\n',
        own_table().replace("Own-1", "I125-6711"),
        ["[source] file = 'my_seed.toml'", "source.id = 'I125-6711'", "on board"],
    ),
    "no capsule": (
        'file = "my_seed.toml"\n',
        re.sub(r"^capsule_.*\n", "", own_table(), flags=re.M),
        ["[source] file = 'my_seed.toml'", "capsule is not known", "add capsule_length_cm"],
    ),
    "long capsule": (
        'file = "my_seed.toml"\n',
        own_table(old="capsule_length_cm = 0.455", new="capsule_length_cm = 0.55"),
        ["[loading] seed_spacing_mm", "5.5 mm would overlap"],
    ),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_table_file_names_key_file_and_remedy(case, name):
    lines, table, words = WRONG_FILES[name]
    with pytest.raises((CaseError, InputError)) as error:
        case(lines + STRENGTH, table)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("implant", "days"),
    # 720 days are 12.1 half-lives of iodine, 174 the last day of 0.762 U above 0.1 U
    [("2026-11-01", 0), ("2026-11-15", 14), ("2027-01-01", 61), ("2027-04-24", 174)],
)
def test_the_stated_strength_decays_from_calibration_to_implant(case, implant, days):
    dates = DATES.replace("2026-11-15", implant)
    source = case(MODEL + dates + STRENGTH).source
    expected = 0.762 * 0.5 ** (days / 59.4)
    assert source.air_kerma_strength_u == pytest.approx(expected, rel=1e-12)
    assert source.calibration.air_kerma_strength_u == pytest.approx(0.762, rel=1e-14)
    assert source.calibration.calibration_date.isoformat() == "2026-11-01"
    assert source.calibration.implant_date.isoformat() == implant


WRONG_DATES = {
    # name: (dates, what the message must say)
    "swapped": (
        "calibration_date = 2026-11-15\nimplant_date = 2026-11-01\n",
        ["[source] calibration_date = 2026-11-15, implant_date = 2026-11-01", "after", "swap"],
    ),
    "a wrong year": (
        "calibration_date = 2023-11-01\nimplant_date = 2026-11-15\n",
        ["[source] calibration_date = 2023-11-01", "half-lives", "check the years"],
    ),
    "no implant": (
        "calibration_date = 2026-11-01\n",
        ["[source]", "calibration_date stands without implant_date", "both, or neither"],
    ),
    "no calibration": (
        "implant_date = 2026-11-15\n",
        ["[source]", "implant_date stands without calibration_date", "both, or neither"],
    ),
    "quoted": (
        DATES.replace("2026-11-01", '"2026-11-01"'),
        ["[source] calibration_date = '2026-11-01'", "without quotes"],
    ),
    "with a time": (
        DATES.replace("2026-11-15", "2026-11-15T08:30:00"),
        ["[source] implant_date = 2026-11-15T08:30:00", "without a time"],
    ),
    "only a time": (
        DATES.replace("2026-11-15", "08:30:00"),
        ["[source] implant_date = 08:30:00", "must be a date"],
    ),
    "a number": (
        DATES.replace("2026-11-15", "20261115"),
        ["[source] implant_date = 20261115", "must be a date"],
    ),
    "no such day": (DATES.replace("2026-11-15", "2026-11-31"), ["not valid TOML"]),
    "too weak at the implant": (
        DATES.replace("2026-11-15", "2027-04-25"),  # 175 days: 0.0989 U
        ["[source] calibration_date", "0.762 U decays to 0.09887 U", "confirm_unusual_strength"],
    ),
}


@pytest.mark.parametrize("name", WRONG_DATES)
def test_wrong_dates_name_key_and_remedy(case, name):
    dates, words = WRONG_DATES[name]
    with pytest.raises(CaseError) as error:
        case(MODEL + dates + STRENGTH)
    assert "\n" not in str(error.value)
    assert "case.toml" in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_weak_strength_at_the_implant_can_be_confirmed(case):
    dates = DATES.replace("2026-11-15", "2027-04-25")
    source = case(f"{MODEL}{dates}{STRENGTH}confirm_unusual_strength = true\n").source
    assert source.air_kerma_strength_u < 0.1


def test_the_stated_strength_is_judged_too_though_it_decays_into_the_usual_range(case):
    dates = DATES.replace("2026-11-15", "2027-01-01")
    stated = "air_kerma_strength_u = 6.0\n"  # 2.9 U after 61 days
    with pytest.raises(CaseError, match=r"\[source\] air_kerma_strength_u = 6: .*0\.1-5 U"):
        case(MODEL + dates + stated)


def test_a_model_is_found_by_name_or_by_file(tmp_path):
    path = tmp_path / "mine.TOML"
    path.write_text(own_table(), encoding="utf-8")
    assert seed_model(path).id == seed_model(str(path)).id == "Own-1"
    assert seed_model("I125-130.002") is load_source("I125-130.002")  # a suffix, but no .toml
    for nonsense in ("I125-6712", str(tmp_path / "none.toml"), str(tmp_path), ""):
        with pytest.raises(PlannerError):
            seed_model(nonsense)
