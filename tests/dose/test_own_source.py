"""A user's own table file: what is taken, and what is refused with file and key named."""

import os
import re
from importlib import resources

import numpy as np
import pytest

from dose import DoseInputError, dose_at_points, load_source, load_source_file
from dose.sources import REGISTRY
from dose.sources.reader import KEY_OF_FIELD, LAYOUT


def text_of(name):
    text = resources.files("dose.sources").joinpath(REGISTRY[name]).read_text(encoding="utf-8")
    return text.replace(f'id = "{name}"', 'id = "Own-1"')


@pytest.fixture
def own(tmp_path):
    """Write a file and load it."""

    def load(text):
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return load_source_file(path)

    return load


@pytest.mark.parametrize("name", list(REGISTRY))
def test_every_model_on_board_would_pass_as_a_users_file(own, name):
    mine, theirs = own(text_of(name)), load_source(name)
    assert (mine.id, mine.verified) == ("Own-1", theirs.verified)
    points = [[3.0, 4.0, 5.0], [0.0, 0.0, 40.0]]
    seed = ([[0, 0, 0]], [0, 0, 1], 1.0, points)
    np.testing.assert_array_equal(dose_at_points(mine, *seed), dose_at_points(theirs, *seed))


def test_optional_keys_may_be_left_out(own):
    text = text_of("I125-6711")
    for line in ("capsule_length_cm", "capsule_diameter_cm", "consensus", "origin", "tables"):
        text = re.sub(rf"^{line} = .*\n", "", text, flags=re.M)
    source = own("\ufeff" + text)  # a byte-order mark, as some editors write
    assert (source.capsule_length_mm, source.consensus_constant) == (None, None)


def test_a_name_on_board_is_refused(own):
    with pytest.raises(DoseInputError, match=r"own\.toml: source\.id = 'I125-6711'"):
        own(text_of("I125-6711").replace("Own-1", "I125-6711"))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DoseInputError, match=r"none\.toml"):
        load_source_file(tmp_path / "none.toml")
    with pytest.raises(DoseInputError, match="cannot be read"):
        load_source_file(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'status = "\xe9"')
    with pytest.raises(DoseInputError, match=r"latin\.toml.*UTF-8"):
        load_source_file(tmp_path / "latin.toml")
    (tmp_path / "large.toml").write_bytes(b"# " + b"x" * 1_100_000)
    with pytest.raises(DoseInputError, match=r"large\.toml"):
        load_source_file(tmp_path / "large.toml")
    for nonsense in (None, 5.0, "\0"):
        with pytest.raises(DoseInputError, match="cannot be read"):
            load_source_file(nonsense)
    assert load_source("I125-6711")
    if os.name == "posix":
        with pytest.raises(DoseInputError):
            load_source_file("/dev/null")  # empty: every key is missing


HOSTILE = [  # (old text of the 6711 file, new text, what the message must name)
    ("[source]", "[source", "not a TOML file"),
    ("verified = true", "", "verified"),
    ("verified = true", 'verified = "yes"', "verified"),
    ("verified = true", "verified = 1", "verified"),
    ('nuclide = "I-125"', 'nuclide = "I125"', r"source\.nuclide"),
    ('nuclide = "I-125"', 'nuclide = ""', r"source\.nuclide"),
    ('nuclide = "I-125"', 'nuclide = "Pd-103"', r"source\.half_life_days = 59\.4"),
    ("half_life_days = 59.4", "half_life_days = 1425.6", r"source\.half_life_days"),  # hours
    ("half_life_days = 59.4", "half_life_hours = 1425.6", r"source\.half_life_hours"),
    ("half_life_days = 59.4", "half_life_days = true", r"source\.half_life_days"),
    ("effective_length_cm = 0.3", "effective_length_cm = 3.0", r"source\.effective_length_cm"),
    ("effective_length_cm = 0.3", "effective_length_cm = 0.0", r"source\.effective_length_cm"),
    ("effective_length_cm = 0.3", "effective_length_cm = 0.5", r"source\.effective_length_cm"),
    ("effective_length_cm = 0.3", "effective_length_cm = 0.1", r"anisotropy_1d\.phi_an"),
    ("effective_length_cm", "effective_length_mm", r"source\.effective_length_mm"),
    ("capsule_length_cm", "capsule_lenght_cm", r"source\.capsule_lenght_cm"),
    ("capsule_diameter_cm = 0.08", "", r"source\.capsule_length_cm"),
    ("capsule_diameter_cm = 0.08", "capsule_diameter_cm = 0.8", r"source\.capsule_diameter_cm"),
    ("value = 0.965", "value = 0.00965", r"dose_rate_constant\.value"),  # Gy
    ("value = 0.965", "value = -0.965", r"dose_rate_constant\.value"),
    ("value = 0.965", "value = inf", r"dose_rate_constant\.value"),
    ("value = 0.965", f"value = 1{'0' * 400}", r"dose_rate_constant\.value"),
    ('unit = "cGy h^-1 U^-1"', "", r"dose_rate_constant\.unit"),
    ('unit = "cGy h^-1 U^-1"', 'unit = "Gy/h/U"', r"dose_rate_constant\.unit"),
    ("g = [1.055,", "g = [nan,", r"radial_dose_line\.g\[0\]"),
    ("g = [1.055,", 'g = ["1.055",', r"radial_dose_line\.g\[0\]"),
    ("g = [1.055,", "g = [true,", r"radial_dose_line\.g\[0\]"),
    ("g = [1.055,", "g = [", r"radial_dose_line\.g: "),
    ("1.042, 1.0, 0.908", "1.042, 1.01, 0.908", r"radial_dose_line\.g: .*g\(1 cm\)"),
    ("0.109, 0.0803", "0.109, 0.11", r"radial_dose_line\.g: .*outermost"),
    ("g = [1.055,", "g = [0.0,", r"radial_dose_line\.g: .*positive"),
    ("[0.1, 0.15, 0.25,", "[0.1, 0.25, 0.15,", r"radial_dose_line\.r_cm: .*rise"),
    ("[0.1, 0.15, 0.25,", "[0.0, 0.15, 0.25,", r"radial_dose_line\.r_cm: .*positive"),
    ("8.0, 9.0, 10.0]", "8.0, 9.0, 100.0]", r"radial_dose_line\.r_cm\[15\]"),
    ("phi_an = [0.973,", "phi_an = [0.5, 0.973,", r"anisotropy_1d\.phi_an: "),
    ("phi_an = [0.973,", "phi_an = [0.953,", r"anisotropy_1d\.phi_an: .*odd_r_cm"),
    ("phi_an = [0.973,", "odd_r_cm = [0.6]\nphi_an = [0.973,", r"anisotropy_1d\.odd_r_cm"),
    ("phi_an = [0.973,", "odd_r_cm = [0.5]\nphi_an = [0.5,", r"anisotropy_1d\.phi_an"),
    ("theta_deg = [0.0,", "theta_rad = [0.0,", r"anisotropy_2d\.theta_rad"),
    ("theta_deg = [0.0,", "theta_deg = [1.0,", r"anisotropy_2d\.theta_deg: .*0 to 90"),
    ("10.0, 20.0, 30.0", "10.0, 30.0, 20.0", r"anisotropy_2d\.theta_deg: .*rise"),
    ("  [0.333, 0.37,", "  [0.37,", r"anisotropy_2d\.F\[1\]"),
    ("  [0.333, 0.37,", "  [0.333, -0.37,", r"anisotropy_2d\.F: .*positive"),
    ("  [0.333, 0.37,", "  [0.333, [0.37],", r"anisotropy_2d\.F\[0\]\[1\]"),
    ("  [0.333, 0.37, 0.442, 0.488, 0.52, 0.55],\n", "", r"anisotropy_2d\.F: .*shape"),
    ("[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]", "[1.0, 1.0, 0.9, 1.0, 1.0, 1.0]", r"_2d\.F: .*90 degrees"),
    ("0.972, 0.972, 0.97,", "0.972, 0.792, 0.97,", r"anisotropy_1d\.phi_an: .*1 cm"),  # a slip
    ("[provenance]", "[origin]", "origin"),
    ("publication =", "published =", r"provenance\.published"),
    ("read = [", "read = [1,", r"provenance\.read"),
]


@pytest.mark.parametrize(("old", "new", "words"), HOSTILE)
def test_a_hostile_file_is_refused_by_file_and_key(own, old, new, words):
    text = text_of("I125-6711")
    assert old in text
    with pytest.raises(DoseInputError, match=words) as caught:
        own(text.replace(old, new, 1))
    assert "own.toml" in str(caught.value)


@pytest.mark.parametrize("part", ["source", "anisotropy_2d", "provenance", "radial_dose_line"])
def test_a_table_that_is_no_table_is_refused(own, part):
    text = re.sub(rf"^\[{part}\]\n(?:(?!\[[a-z]).*\n)*", "", text_of("I125-6711"), flags=re.M)
    with pytest.raises(DoseInputError, match=f"own.toml: {part} is missing"):
        own(text)
    with pytest.raises(DoseInputError, match=f"own.toml: {part} must be a table"):
        own(f"{part} = 5\n{text}")


def test_a_published_g_p_must_follow_from_g_l_and_the_length(own):
    text = text_of("Pd103-200")
    with pytest.raises(DoseInputError, match=r"radial_dose_point\.g: .*0\.25 cm"):
        own(text.replace("0.494, 0.831, 1.154,", "0.494, 0.831, 1.145,"))
    with pytest.raises(DoseInputError, match=r"radial_dose_point\.r_cm"):
        own(text.replace('"transcribed"\nr_cm = [0.1,', '"transcribed"\nr_cm = [0.11,', 1))
    # a length wrong by 0.1 mm moves g_P by up to 0.009 (phi_an by less than its tolerance)
    with pytest.raises(DoseInputError, match="effective length"):
        own(text.replace("effective_length_cm = 0.423", "effective_length_cm = 0.433"))


def test_every_error_of_the_constructor_has_a_key():
    known = {f"{part}.{key}" for part, keys in LAYOUT.items() for key in (*keys[0], *keys[1])}
    assert {key if "." in key else f".{key}" for key in KEY_OF_FIELD.values()} <= known
