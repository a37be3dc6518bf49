"""Units of source strength."""

import math

import pytest

from dose import (
    HALF_LIFE_DAYS,
    USUAL_STRENGTH_U,
    DoseInputError,
    air_kerma_strength_u,
    apparent_activity_mbq,
    apparent_activity_mci,
    check_usual_strength,
)


@pytest.mark.parametrize(
    ("value", "unit", "nuclide", "strength_u"),
    [
        (0.6, "mCi", "I-125", 0.762),
        (22.2, "MBq", "I-125", 0.762),
        (0.762, "U", "I-125", 0.762),
        (1.0, "mCi", "Pd-103", 1.293),
    ],
)
def test_published_conversions(value, unit, nuclide, strength_u):
    # products of two decimal numbers: rounding only
    assert air_kerma_strength_u(value, unit, nuclide) == pytest.approx(strength_u, rel=1e-14)


def test_there_and_back():
    strength = air_kerma_strength_u(0.5, "mCi", "I-125")
    assert apparent_activity_mci(strength, "I-125") == pytest.approx(0.5, rel=1e-15)
    assert apparent_activity_mbq(strength, "I-125") == pytest.approx(18.5, rel=1e-15)


@pytest.mark.parametrize(
    ("value", "unit", "nuclide"),
    [
        (0.0, "U", "I-125"),
        (-1.0, "mCi", "I-125"),
        (math.nan, "U", "I-125"),
        (math.inf, "U", "I-125"),
        ("0.6", "mCi", "I-125"),
        (True, "mCi", "I-125"),
        (None, "mCi", "I-125"),
        ([0.6], "mCi", "I-125"),
        (0.6, "Ci", "I-125"),
        (0.6, "mci", "I-125"),
        (0.6, "U", "Ir-192"),
    ],
)
def test_what_is_no_strength_is_refused(value, unit, nuclide):
    with pytest.raises(DoseInputError):
        air_kerma_strength_u(value, unit, nuclide)


@pytest.mark.parametrize("strength_u", [0.1, 0.508, 0.762, 1.016, 5.0])
def test_usual_strengths_pass(strength_u):
    assert check_usual_strength(strength_u, "I-125") == strength_u


def test_an_unusual_strength_is_told_in_every_unit_and_how_to_confirm_it():
    with pytest.raises(DoseInputError) as caught:
        check_usual_strength(22.2, "I-125")  # 22.2 MBq taken for U
    text = str(caught.value)
    for part in (
        "22.2 U",
        "17.48 mCi",
        "646.8 MBq",
        "0.1-5 U",
        "mCi taken for U",
        "confirm_unusual_strength = true",
    ):
        assert part in text
    assert check_usual_strength(22.2, "I-125", confirmed=True) == 22.2


def test_too_weak_is_unusual_too():
    with pytest.raises(DoseInputError, match="outside"):
        check_usual_strength(0.02, "I-125")


def test_every_nuclide_has_a_usual_range():
    assert set(USUAL_STRENGTH_U) == set(HALF_LIFE_DAYS)
    for nuclide, (least, most) in USUAL_STRENGTH_U.items():
        assert 0.0 < least < most
        assert check_usual_strength(least, nuclide) == least
        with pytest.raises(DoseInputError, match=f"usual range of {nuclide}"):
            check_usual_strength(1.01 * most, nuclide)
    with pytest.raises(DoseInputError, match="Ir-192"):
        check_usual_strength(1.0, "Ir-192", confirmed=True)


def test_caesium_is_specified_in_u_only():
    assert air_kerma_strength_u(2.0, "U", "Cs-131") == 2.0
    for unit in ("mCi", "MBq"):
        with pytest.raises(DoseInputError, match="strength in U"):
            air_kerma_strength_u(2.0, unit, "Cs-131")
    with pytest.raises(DoseInputError, match="strength in U"):
        apparent_activity_mci(2.0, "Cs-131")
    with pytest.raises(DoseInputError, match=r"74 U lies outside 0.3-12 U") as caught:
        check_usual_strength(74.0, "Cs-131")
    assert "apparent" not in str(caught.value)


def test_confirming_does_not_excuse_nonsense():
    with pytest.raises(DoseInputError):
        check_usual_strength(-1.0, "I-125", confirmed=True)
