"""``[[biology]]`` tables of a case file: what is read, and what is refused with which words."""

import pytest

from template_designer.errors import CaseError
from template_designer.inputs import read_case, used_names
from tests.template_designer.inputs import dicom_factory as factory

GOOD = {
    "structure": '"SpinalCord"',
    "alpha_beta_gy": "2.0",
    "external_beam_gy": "40.0",
    "external_beam_fractions": "20",
}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return factory.write_case(tmp_path_factory.mktemp("phantom"))


def read_with(phantom, *tables):
    """The phantom's case with these tables added."""
    path = phantom.parent / "with_biology.toml"
    lines = [phantom.read_text(encoding="utf-8")]
    for table in tables:
        lines += ["[[biology]]", *(f"{k} = {v}" for k, v in table.items() if v is not None)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_case(path).settings


def test_tables_are_read_and_globs_become_names(phantom):
    settings = read_with(phantom, GOOD, {"structure": '["Kidney_?", "GTV"]', "alpha_beta_gy": "3"})
    cord, others = settings.biology
    assert cord.patterns == ("SpinalCord",)
    assert (cord.alpha_beta_gy, cord.repair_half_time_h) == (2.0, 1.5)
    assert (cord.external_beam_gy, cord.external_beam_fractions) == (40.0, 20)
    assert others.patterns == ("Kidney_L", "Kidney_R", "GTV")
    assert others.external_beam_gy is None
    assert others.external_beam_fractions is None


def test_a_structure_that_only_biology_names_is_one_the_case_uses(phantom):
    assert read_case(phantom).settings.biology == ()
    settings = read_with(phantom, {"structure": '"Kidney_L"', "alpha_beta_gy": "3"})
    settings = settings.model_copy(update={"avoid": (), "goal": ()})
    assert used_names(settings) == ("GTV", "Body", "Kidney_L")


def test_a_structure_may_stand_in_several_tables(phantom):
    settings = read_with(phantom, GOOD, {**GOOD, "alpha_beta_gy": "3.0"})
    assert [table.alpha_beta_gy for table in settings.biology] == [2.0, 3.0]


WRONG = {
    # name: (what differs from a good table, what the message must say)
    "unknown structure": (
        {"structure": '"SpinalCrd"'},
        ["[[biology]] #2 structure = 'SpinalCrd'", "did you mean 'SpinalCord'", "Kidney_L"],
    ),
    "glob of nothing": ({"structure": '["rib_*"]'}, ["[[biology]] #2 structure = 'rib_*'"]),
    "list of nothing": ({"structure": "[]"}, ["[[biology]] #2 structure", "names no structure"]),
    "wrong type of name": ({"structure": "7"}, ["[[biology]] #2 structure", "name in quotes"]),
    "no structure": ({"structure": None}, ["[[biology]] #2 structure is missing"]),
    "no ratio": ({"alpha_beta_gy": None}, ["[[biology]] #2 alpha_beta_gy is missing"]),
    "ratio of zero": ({"alpha_beta_gy": "0.0"}, ["#2 alpha_beta_gy = 0", "above 0"]),
    "ratio too high": ({"alpha_beta_gy": "50.1"}, ["#2 alpha_beta_gy = 50.1", "at most 50"]),
    "ratio not finite": ({"alpha_beta_gy": "nan"}, ["#2 alpha_beta_gy = nan"]),
    "ratio in quotes": ({"alpha_beta_gy": '"2"'}, ["#2 alpha_beta_gy", "not a number"]),
    "no repair": ({"repair_half_time_h": "0"}, ["#2 repair_half_time_h = 0", "above 0"]),
    "repair in minutes": ({"repair_half_time_h": "90"}, ["#2 repair_half_time_h", "at most 24"]),
    "no fractions": (
        {"external_beam_fractions": None},
        ["[[biology]] #2", "state external_beam_gy and external_beam_fractions, or neither"],
    ),
    "no beam dose": (
        {"external_beam_gy": None},
        ["[[biology]] #2", "state external_beam_gy and external_beam_fractions, or neither"],
    ),
    "half a fraction": (
        {"external_beam_fractions": "2.5"},
        ["#2 external_beam_fractions = 2.5", "whole number"],
    ),
    "zero fractions": ({"external_beam_fractions": "0"}, ["#2 external_beam_fractions = 0"]),
    "negative beam": ({"external_beam_gy": "-40.0"}, ["#2 external_beam_gy = -40", "above 0"]),
    "beam in cGy": ({"external_beam_gy": "4000"}, ["#2 external_beam_gy", "at most 200"]),
    "a fraction too large": (
        {"external_beam_fractions": "1"},
        ["[[biology]] #2", "40 Gy a fraction, over 30 Gy", "check both"],
    ),
    "unknown key": (
        {"alpha_beta": "2.0"},
        ["[[biology]] #2 alpha_beta is not known", "did you mean 'alpha_beta_gy'"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_names_the_key(phantom, name):
    change, words = WRONG[name]
    with pytest.raises(CaseError) as error:
        read_with(phantom, GOOD, {**GOOD, **change})
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_one_table_in_single_brackets_is_refused(phantom):
    path = phantom.parent / "single.toml"
    table = '\n[biology]\nstructure = "GTV"\nalpha_beta_gy = 10\n'
    path.write_text(phantom.read_text(encoding="utf-8") + table, encoding="utf-8")
    with pytest.raises(CaseError, match=r"\[biology\]: must be a list"):
        read_case(path)
