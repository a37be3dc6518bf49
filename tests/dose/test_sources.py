"""Seed models on board, and what their constructor refuses."""

import dataclasses
from importlib import resources

import numpy as np
import pytest

from dose import (
    DoseInputError,
    PlannerError,
    UnknownSourceError,
    anisotropy,
    load_source,
    source_names,
)
from dose.sources import REGISTRY, parse_source

OFF_AXIS = {  # (r cm, theta deg, F as printed): retyped here, so that a slip in a file shows
    "I125-6711": [(0.5, 0.0, 0.333), (2.0, 30.0, 0.842), (5.0, 60.0, 0.987)],
    "I125-IAI125A": [(0.5, 10.0, 0.481), (3.0, 40.0, 0.916), (7.0, 80.0, 1.025)],
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
    assert "0 disagreements" in source.status
    assert len(source.provenance) >= 3


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
