"""The checks that users run: all pass, they cover what they promise, and they can fail."""

import dataclasses
import math

import pytest

from dose import Check, load_source, published_checks, source_names

CHECKS = published_checks()


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: f"{c.source}: {c.what}")
def test_every_published_value_is_met(check):
    assert check.passed, f"{check.published} published, {check.computed} computed"
    assert math.isfinite(check.deviation_pct)
    assert check.tolerance_pct > 0.0
    assert check.reference


def rows(source, words):
    return [c for c in CHECKS if c.source == source and words in c.what]


@pytest.mark.parametrize("name", source_names())
def test_each_source_has_its_rows(name):
    for words in ("dose rate at 1 cm", "consensus", "g_L at", "F at", "mean of F"):
        assert rows(name, words), words
    (rate,) = rows(name, "dose rate at 1 cm")
    assert rate.published == load_source(name).dose_rate_constant


def test_the_worked_examples_are_those_of_the_report():
    example = {c.what[: c.what.index(" from")]: c for c in CHECKS if c.source == "formalism"}
    assert example["g(1.5 cm)"].published == 0.894
    assert example["g(6 cm)"].published == 0.300
    # sqrt(0.8), and one exponential through 4 and 5 cm
    assert example["g(1.5 cm)"].computed == pytest.approx(math.sqrt(0.8), rel=1e-13)
    assert example["g(6 cm)"].computed == pytest.approx(0.391**2 / 0.51, rel=1e-13)


def test_total_doses_are_the_published_ones():
    (per_u,) = rows("I125-6711", "cGy per U")
    assert (per_u.published, per_u.computed) == (1984.72, pytest.approx(1984.72, abs=5e-3))
    (per_mci,) = rows("I125-6711", "cGy per mCi")
    assert per_mci.computed == pytest.approx(1.270 * per_u.computed, rel=1e-13)
    (palladium,) = rows("Pd103-200", "cGy per mCi")
    by_hand = 1.293 * 0.686 * 24.0 * 16.991 / math.log(2.0)
    assert palladium.computed == pytest.approx(by_hand, rel=1e-13)


def test_odd_spots_and_disputed_constants_show_their_deviation():
    (spot,) = rows("I125-2301", "1 cm (odd as published)")
    assert spot.published == pytest.approx(0.945, rel=1e-13)
    assert spot.deviation_pct == pytest.approx(5.3, abs=0.05)  # as the notes print it
    assert rows("I125-IAI125A", "0.5 cm (odd")[0].deviation_pct == pytest.approx(3.1, abs=0.1)
    disputed = {c.source: c for c in CHECKS if "consensus" in c.what and abs(c.deviation_pct) > 0.1}
    assert set(disputed) == {"I125-9011", "Pd103-IAPd103A"}
    assert disputed["I125-9011"].published == 0.933
    assert disputed["Pd103-IAPd103A"].published == 0.693


def test_where_g_p_is_published_it_is_checked():
    assert {c.source for c in CHECKS if c.what.startswith("g_P")} == {"I125-2301", "Pd103-200"}


def test_a_check_can_fail():
    check = Check("a", "b", 1.0, 1.02, 2.1, "c")
    assert check.passed
    assert check.deviation_pct == pytest.approx(2.0, rel=1e-12)  # one subtraction near 1
    assert not dataclasses.replace(check, tolerance_pct=1.9).passed
    assert not dataclasses.replace(check, computed=math.nan).passed
    with pytest.raises(dataclasses.FrozenInstanceError):
        check.computed = 1.0
