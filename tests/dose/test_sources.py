"""Seed models on board, what their constructor refuses, and the numbers they were copied from."""

import dataclasses
import tomllib
from importlib import resources

import numpy as np
import pytest

from dose import (
    HALF_LIFE_DAYS,
    USUAL_STRENGTH_U,
    DoseInputError,
    PlannerError,
    UnknownSourceError,
    anisotropy,
    load_source,
    point_radial_dose,
    source_names,
)
from dose.sources import REGISTRY, parse_source
from dose.sources.consistency import phi_an_deviations_pct
from tests.paths import SHARED

OFF_AXIS = {  # (r cm, theta deg, F as printed): retyped here, so that a slip in a file shows
    "I125-6711": [(0.5, 0.0, 0.333), (2.0, 30.0, 0.842), (5.0, 60.0, 0.987)],
    "I125-IAI125A": [(0.5, 10.0, 0.481), (3.0, 40.0, 0.916), (7.0, 80.0, 1.025)],
    "Pd103-200": [(0.25, 5.0, 0.617), (2.0, 25.0, 0.582), (7.5, 80.0, 1.043)],
    "I125-2301": [(1.0, 10.0, 0.653), (4.0, 40.0, 0.939), (7.0, 70.0, 1.01)],
    "I125-AgX100": [(0.25, 5.0, 0.22), (2.0, 35.0, 0.878), (7.0, 80.0, 1.017)],
    "I125-6702": [(0.5, 10.0, 0.531), (3.0, 40.0, 0.944), (5.0, 70.0, 0.99)],
    "I125-130.002": [(0.5, 7.0, 0.367), (3.0, 25.0, 0.797), (10.0, 70.0, 1.005)],
    "I125-STM1251": [(0.25, 5.0, 0.784), (2.0, 30.0, 0.819), (7.0, 70.0, 0.998)],
    "Cs131-CS1Rev2": [(0.25, 7.0, 0.73), (2.0, 25.0, 0.866), (10.0, 70.0, 0.992)],
    "I125-6733": [(1.0, 10.0, 0.507), (4.0, 40.0, 0.932), (7.0, 70.0, 1.019)],
    "I125-9011": [(0.5, 20.0, 0.655), (3.0, 50.0, 0.943), (5.0, 70.0, 0.992)],
    "I125-I25.S06": [(0.25, 10.0, 0.44), (3.0, 40.0, 0.908), (7.0, 70.0, 0.994)],
    "I125-LS1": [(0.25, 20.0, 2.755), (1.5, 50.0, 0.945), (10.0, 70.0, 0.993)],
    "I125-1251L": [(0.5, 10.0, 0.725), (2.0, 40.0, 0.91), (5.0, 70.0, 0.988)],
    "I125-IS12501": [(1.0, 20.0, 0.479), (3.0, 50.0, 0.878), (7.0, 70.0, 0.955)],
    "I125-3500": [(0.25, 20.0, 0.785), (2.0, 50.0, 0.934), (10.0, 70.0, 0.99)],
    "I125-SL125SH125": [(1.0, 20.0, 0.568), (3.0, 50.0, 0.936), (5.0, 70.0, 0.993)],
    "I125-MED3631": [(0.25, 20.0, 0.916), (2.0, 50.0, 0.95), (10.0, 70.0, 0.989)],
    "Pd103-2335": [(1.0, 15.0, 0.675), (4.0, 35.0, 0.721), (7.0, 70.0, 0.916)],
    "Pd103-IAPd103A": [(0.5, 15.0, 0.436), (4.0, 45.0, 0.873), (7.0, 80.0, 0.985)],
    "Pd103-MED3633": [(0.25, 20.0, 0.85), (2.0, 50.0, 0.891), (10.0, 70.0, 0.974)],
}


@pytest.fixture
def source():
    return load_source("I125-6711")


def table_text(name="I125-6711"):
    return resources.files("dose.sources").joinpath(REGISTRY[name]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", source_names())
def test_three_published_values_off_the_axis(name):
    r_cm, theta_deg, published = np.array(OFF_AXIS[name]).T
    f = anisotropy(load_source(name), 10.0 * r_cm, np.radians(theta_deg))
    np.testing.assert_allclose(f, published, rtol=1e-13)  # rounding only: these are table nodes


@pytest.mark.parametrize("name", source_names())
def test_a_model_says_where_its_numbers_come_from(name):
    source = load_source(name)
    assert source.id == name
    assert "Med Phys" in source.publication
    assert len(source.provenance) >= 3
    assert source.half_life_days == HALF_LIFE_DAYS[source.nuclide]
    assert source.nuclide in USUAL_STRENGTH_U
    assert name.startswith(source.nuclide.replace("-", ""))


def test_only_what_was_compared_without_a_question_left_is_verified():
    assert source_names(verified_only=True) == ("I125-6711", "I125-IAI125A", "Pd103-200")
    for name in source_names(verified_only=True):
        status = load_source(name).status
        assert status.startswith("verified: ")
        assert status.endswith("0 disagreements")


def test_the_capsule_is_known_or_asking_for_it_is_an_error(source):
    assert source.capsule_mm == source.wall_mm == (4.55, 0.8)
    unknown = load_source("Pd103-200")
    assert (unknown.capsule_length_mm, unknown.capsule_diameter_mm) == (None, None)
    assert unknown.wall_mm == pytest.approx((4.23 + 0.5, 0.8), rel=1e-15)  # one sum
    with pytest.raises(DoseInputError, match=r"'Pd103-200'.*capsule_length_cm"):
        _ = unknown.capsule_mm


SHARED_TABLES = SHARED / "sources"
needs_tables = pytest.mark.skipif(
    not SHARED_TABLES.is_dir(), reason="the tables copied from are not beside this checkout"
)


def shared_files():
    files = {}
    for path in sorted(SHARED_TABLES.rglob("*.toml")):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        files[path.stem] = data
    return files


@needs_tables
def test_every_table_is_on_board_number_by_number():
    """Whole tables against the files copied from; g_P derived there, computed here."""
    on_board = {
        (s.nuclide, s.dose_rate_constant, s.radial_g.tobytes(), s.anisotropy_f.tobytes()): s
        for s in map(load_source, source_names())
    }
    files = shared_files()
    assert len(files) == len(on_board) == len(REGISTRY)
    for stem, data in files.items():
        radial, seed = data["radial_dose_line"], data["source"]
        f = np.array(data["anisotropy_2d"]["F"])
        constant = data["dose_rate_constant"]["value"]
        key = (seed["nuclide"], constant, np.array(radial["g"]).tobytes(), f.tobytes())
        assert key in on_board, stem  # nuclide, constant, g and F are equal to the last bit
        source = on_board.pop(key)
        assert source.half_life_days == seed["half_life_d"]
        # times ten, rounded to 1e-9 mm
        assert source.active_length_mm == pytest.approx(10 * seed["effective_length_cm"], rel=1e-12)
        assert (source.capsule_length_mm is None) == ("capsule_length_cm" not in seed)
        if source.capsule_length_mm is not None:
            for ours, theirs in zip(source.capsule_mm, ("length", "diameter"), strict=True):
                assert ours == pytest.approx(10 * seed[f"capsule_{theirs}_cm"], rel=1e-12)
        assert source.radial_r_cm.tolist() == radial["r_cm"]
        assert source.anisotropy_r_cm.tolist() == data["anisotropy_2d"]["r_cm"]
        assert source.anisotropy_theta_deg.tolist() == data["anisotropy_2d"]["theta_deg"]
        assert source.anisotropy_factor_r_cm.tolist() == data["anisotropy_1d"]["r_cm"]
        assert source.anisotropy_factor.tolist() == data["anisotropy_1d"]["phi_an"]
        transcribed = data["anisotropy_1d"]["origin"] == "transcribed"
        assert source.anisotropy_factor_derived != transcribed
        check_point_g(source, data["radial_dose_point"])
    assert not on_board


def check_point_g(source, table):
    derived = point_radial_dose(source, 10.0 * source.radial_r_cm)
    if table["origin"] == "transcribed":
        assert source.radial_point_g.tolist() == table["g"]
        np.testing.assert_allclose(derived, table["g"], atol=5.1e-4)  # printed to 0.001
    else:
        assert source.radial_point_g is None
        # rounded to 4 significant digits (5 above 1), at worst half of 1 in 1000; 1 % for the tie
        np.testing.assert_allclose(derived, table["g"], rtol=5.05e-4)


def test_the_odd_spots_are_those_that_the_files_list():
    """Elsewhere phi_an and F agree within 1 %: the tolerance that users' files must meet."""
    odd = {
        (name, r_cm)
        for name in source_names()
        for r_cm, _, deviation_pct in phi_an_deviations_pct(load_source(name))
        if abs(deviation_pct) > 1.0
    }
    assert odd == {
        ("I125-IAI125A", 0.5),
        *(("I125-2301", r_cm) for r_cm in (1.0, 2.0)),
        *(("I125-IS12501", r_cm) for r_cm in (2.0, 3.0, 4.0, 7.0)),
    }
    for name in source_names():
        listed = load_source(name).anisotropy_factor_odd_r_cm
        assert {(name, r_cm) for r_cm in listed} == {spot for spot in odd if spot[0] == name}


def test_the_6711_is_the_published_one(source):
    assert (source.dose_rate_constant, source.half_life_days) == (0.965, 59.4)
    assert (source.active_length_mm, source.nuclide) == (3.0, "I-125")
    assert (source.capsule_length_mm, source.capsule_diameter_mm) == (4.55, 0.8)
    assert source.radial_range_mm == (1.0, 100.0)
    assert source.anisotropy_range_mm == (5.0, 50.0)
    assert (source.radial_g.size, source.anisotropy_f.shape) == (16, (11, 6))


def test_loading_twice_gives_the_same_object(source):
    assert load_source("I125-6711") is source


@pytest.mark.parametrize("name", ["6711", "i125-6711", "", None, 5, ["I125-6711"]])
def test_an_unknown_name_lists_the_names_there_are(name):
    with pytest.raises(UnknownSourceError) as caught:
        load_source(name)
    assert isinstance(caught.value, PlannerError | KeyError)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in source_names())


def test_a_model_cannot_be_changed(source):
    with pytest.raises(dataclasses.FrozenInstanceError):
        source.half_life_days = 1.0
    for field in dataclasses.fields(source):
        value = getattr(source, field.name)
        if isinstance(value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[0] = 1.0


def changed(array, index, value):
    copy = np.array(array)
    copy[index] = value
    return copy


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {"half_life_days": 0.0}, "half_life_days"),
        (lambda s: {"dose_rate_constant": float("nan")}, "dose_rate_constant"),
        (lambda s: {"active_length_mm": 5.0}, "longer than the capsule"),
        (lambda s: {"active_length_mm": 4.55}, "as long as"),  # G_L is infinite at its ends
        (lambda s: {"capsule_length_mm": None}, "both or neither"),
        (lambda s: {"capsule_diameter_mm": -0.8}, "capsule_diameter_mm"),
        (lambda s: {"verified": "yes"}, "verified"),
        (lambda s: {"radial_point_g": [1.0]}, "g_P has 1 values"),
        (lambda s: {"anisotropy_factor_odd_r_cm": (0.7,)}, "radii of phi_an"),
        (lambda s: {"radial_r_cm": s.radial_r_cm[::-1]}, "radial_r_cm must rise"),
        (lambda s: {"radial_r_cm": changed(s.radial_r_cm, 0, 0.0)}, "radial_r_cm must rise"),
        (lambda s: {"radial_g": s.radial_g[:-1]}, "15 values for 16 radii"),
        (lambda s: {"radial_g": changed(s.radial_g, 3, 0.0)}, "g must be positive"),
        (lambda s: {"radial_g": changed(s.radial_g, 5, 1.01)}, r"g\(1 cm\)"),
        (lambda s: {"radial_g": changed(s.radial_g, -1, 0.2)}, "outermost"),
        (lambda s: {"radial_g": changed(s.radial_g, 2, np.inf)}, r"radial_g\[2\]"),
        (lambda s: {"anisotropy_f": s.anisotropy_f.T}, "F has shape"),
        (lambda s: {"anisotropy_f": changed(s.anisotropy_f, (0, 0), -0.1)}, "F must be positive"),
        (lambda s: {"anisotropy_f": changed(s.anisotropy_f, (-1, 2), 0.99)}, "F.90 degrees"),
        (
            lambda s: {"anisotropy_theta_deg": changed(s.anisotropy_theta_deg, 0, 1.0)},
            "0 to 90 degrees",
        ),
        (lambda s: {"anisotropy_factor": s.anisotropy_factor[:-1]}, "phi_an"),
    ],
)
def test_a_damaged_table_is_refused(source, change, words):
    with pytest.raises(DoseInputError, match=words):
        dataclasses.replace(source, **change(source))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("half_life_days", "half_life_d", "half_life_days"),
        ("[anisotropy_2d]", "[anisotropy_3d]", "anisotropy_2d"),
        ("[source]", "[source", "not a TOML file"),
        ("g = [1.055,", "g = [-1.055,", "positive"),
        ("value = 0.965", 'value = "0.965"', "dose_rate_constant"),
        ("effective_length_cm = 0.3", 'effective_length_cm = "0.3"', "x.toml"),
    ],
)
def test_a_damaged_file_is_named(old, new, words):
    text = table_text()
    assert old in text
    with pytest.raises(DoseInputError, match=words) as caught:
        parse_source(text.replace(old, new), where="x.toml")
    assert "x.toml" in str(caught.value)
