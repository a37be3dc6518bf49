"""Dose-volume metrics on examples worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dose import (
    DoseInputError,
    conformal_index_with_organs,
    conformity_index,
    cumulative_dvh,
    dose_at_volume_cc,
    dose_at_volume_pct,
    dose_nonuniformity_ratio,
    external_index,
    homogeneity_index,
    natural_dvh,
    organ_metrics,
    target_metrics,
    volume_pct_at_dose,
)

DOSES = np.arange(10.0, 110.0, 10.0)  # 10, 20, ... 100 Gy
EVEN = np.full(10, 0.5)  # 5 cm3 in all
SUMS = 1e-12  # float64 sums of a few volumes


def test_dvh_counts_what_gets_a_level_or_more():
    pct = cumulative_dvh(DOSES, EVEN, [0.0, 10.0, 10.1, 55.0, 100.0, 100.1])
    np.testing.assert_allclose(pct, [100.0, 100.0, 90.0, 50.0, 10.0, 0.0], rtol=SUMS)


def test_dvh_weighs_by_volume():
    assert volume_pct_at_dose([10.0, 20.0], [3.0, 1.0], 15.0) == pytest.approx(25.0, rel=SUMS)


def test_d90_is_what_90_percent_get_and_d100_the_lowest():
    assert dose_at_volume_pct(DOSES, EVEN, 90.0) == 20.0
    assert dose_at_volume_pct(DOSES, EVEN, 90.1) == 10.0
    assert dose_at_volume_pct(DOSES, EVEN, 100.0) == 10.0
    assert dose_at_volume_pct(DOSES, EVEN, 50.0) == 60.0
    assert dose_at_volume_pct(DOSES, EVEN, 1e-6) == 100.0


def test_dose_at_a_volume_and_what_happens_below_it():
    assert dose_at_volume_cc(DOSES, EVEN, 0.1) == 100.0
    assert dose_at_volume_cc(DOSES, EVEN, 0.5) == 100.0
    assert dose_at_volume_cc(DOSES, EVEN, 0.6) == 90.0
    assert dose_at_volume_cc(DOSES, EVEN, 2.0) == 70.0
    assert dose_at_volume_cc(DOSES, EVEN, 5.0) == 10.0
    assert dose_at_volume_cc(DOSES, EVEN, 50.0) == 10.0  # smaller than asked: all of it


@given(
    st.lists(st.floats(0.0, 500.0), min_size=1, max_size=40),
    st.floats(0.1, 100.0),
    st.randoms(use_true_random=False),
)
def test_dose_and_volume_answer_each_other_in_any_order(doses, pct, random):
    weights = [random.uniform(0.1, 2.0) for _ in doses]
    dose = dose_at_volume_pct(doses, weights, pct)
    assert volume_pct_at_dose(doses, weights, dose) >= pct * (1.0 - 1e-8)  # VOLUME_ROUNDING
    order = list(range(len(doses)))
    random.shuffle(order)
    assert dose == dose_at_volume_pct([doses[i] for i in order], [weights[i] for i in order], pct)


def test_indices_by_their_definitions():
    # V_T = 40, V_ref = 50, V_T,ref = 36, V_T,1.5ref = 9 cm3
    assert conformity_index(40.0, 50.0, 36.0) == pytest.approx(0.9 * 0.72, rel=SUMS)
    assert external_index(40.0, 50.0, 36.0) == pytest.approx(14.0 / 40.0, rel=SUMS)
    assert homogeneity_index(36.0, 9.0) == pytest.approx(0.75, rel=SUMS)


def test_indices_at_their_ends():
    assert conformity_index(40.0, 40.0, 40.0) == 1.0
    assert external_index(40.0, 40.0, 40.0) == 0.0
    assert conformity_index(40.0, 0.0, 0.0) == 0.0  # nothing at the prescription
    assert external_index(40.0, 20.0, 0.0) == 0.5  # all of it beside the target
    assert homogeneity_index(36.0, 0.0) == 1.0
    assert homogeneity_index(36.0, 36.0) == 0.0
    assert homogeneity_index(0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    "volumes",
    [(0.0, 1.0, 0.0), (4.0, 5.0, 4.1), (4.0, 3.0, 3.5), (4.0, 5.0, -1.0), (4.0, math.nan, 1.0)],
)
def test_impossible_volumes_are_refused(volumes):
    for index in (conformity_index, external_index):
        with pytest.raises(DoseInputError):
            index(*volumes)


def test_a_hotter_volume_cannot_be_larger():
    with pytest.raises(DoseInputError, match="target_150_cm3"):
        homogeneity_index(1.0, 2.0)


def test_target_metrics_have_the_names_and_values_of_the_plan_file():
    m = target_metrics(DOSES, EVEN, reference_volume_cm3=6.0, prescription_gy=40.0)
    assert list(m) == [
        *("volume_cm3", "d90_gy", "d98_gy", "d100_gy", "v90_pct", "v100_pct", "v150_pct"),
        *("v200_pct", "ci", "ei", "hi", "mean_gy"),
    ]
    assert all(type(value) is float for value in m.values())
    # at or above 36, 40, 60, 80 Gy: 7, 7, 5, 3 of 10 samples
    expected = [5.0, 20.0, 10.0, 10.0, 70.0, 70.0, 50.0, 30.0]
    covered, hot = 3.5, 2.5
    expected += [covered / 5.0 * covered / 6.0, (6.0 - covered) / 5.0, (covered - hot) / covered]
    np.testing.assert_allclose(list(m.values()), [*expected, 55.0], rtol=SUMS)


def test_dnr_is_among_them_where_the_hot_volume_is_given():
    m = target_metrics(DOSES, EVEN, 6.0, 40.0, reference_150_cm3=2.4)
    assert m["dnr"] == pytest.approx(0.4, rel=SUMS)
    assert dose_nonuniformity_ratio(0.0, 0.0) == 0.0
    with pytest.raises(DoseInputError, match="reference_150_cm3 = 7"):
        dose_nonuniformity_ratio(6.0, 7.0)


def test_coin_takes_the_part_of_every_organ_off():
    assert conformal_index_with_organs(0.8, []) == 0.8
    assert conformal_index_with_organs(0.8, [0.1, 0.25]) == pytest.approx(0.54, rel=SUMS)
    assert conformal_index_with_organs(0.8, [0.0, 1.0]) == 0.0
    for conformity, parts in ((80.0, []), (0.8, [-0.1]), (0.8, [0.1, 25.0]), (math.nan, [])):
        with pytest.raises(DoseInputError, match=r"conformity|organ_parts\["):
            conformal_index_with_organs(conformity, parts)


def test_the_natural_histogram_of_a_point_source_is_level():
    """D = k / r2 in shells: dV/du = 4/3 pi k^1.5 at every dose (Anderson 1986)."""
    k, radii_cm = 50.0, np.linspace(0.2, 4.0, 40_001)
    middle = 0.5 * (radii_cm[1:] + radii_cm[:-1])
    shells_cm3 = 4.0 / 3.0 * math.pi * np.diff(radii_cm**3)
    level = natural_dvh(k / middle**2, shells_cm3, np.geomspace(4.0, 1000.0, 15))
    # a bin gains or loses one shell in several hundred at its edges
    np.testing.assert_allclose(level, 4.0 / 3.0 * math.pi * k**1.5, rtol=4e-3)


def test_the_natural_histogram_holds_the_whole_volume():
    edges = np.array([10.0, 25.0, 60.0, 101.0])
    per_u = natural_dvh(DOSES, EVEN, edges)
    steps = edges[:-1] ** -1.5 - edges[1:] ** -1.5
    np.testing.assert_allclose(per_u * steps, [1.0, 1.5, 2.5], rtol=SUMS)
    for bad in ([10.0], [0.0, 1.0], [2.0, 2.0], [3.0, 2.0]):
        with pytest.raises(DoseInputError, match="levels_gy"):
            natural_dvh(DOSES, EVEN, bad)


def test_a_cold_target_has_metrics_too():
    m = target_metrics(DOSES, EVEN, reference_volume_cm3=0.0, prescription_gy=500.0)
    assert (m["v100_pct"], m["ci"], m["ei"], m["hi"]) == (0.0, 0.0, 0.0, 0.0)


def test_a_reference_volume_cut_off_by_its_grid_is_noticed():
    with pytest.raises(DoseInputError, match="enclose"):
        target_metrics(DOSES, EVEN, reference_volume_cm3=2.0, prescription_gy=40.0)
    # a little below is sampling: the covered volume is taken, so that EI is 0 and not negative
    assert target_metrics(DOSES, EVEN, 3.4, 40.0)["ei"] == 0.0


def test_organ_metrics_have_the_names_and_values_of_the_plan_file():
    m = organ_metrics(DOSES, EVEN, surface_doses_gy=[50.0, 130.0])
    assert m == {
        "volume_cm3": 5.0,
        "dmax_gy": 130.0,
        "d0_1cc_gy": 100.0,
        "d1cc_gy": 90.0,
        "d2cc_gy": 70.0,
        "mean_gy": 55.0,
    }
    assert organ_metrics(DOSES, EVEN)["dmax_gy"] == 100.0
    assert organ_metrics(DOSES, EVEN, [])["dmax_gy"] == 100.0
    assert organ_metrics(DOSES, EVEN, [1.0])["dmax_gy"] == 100.0


def test_an_organ_smaller_than_the_volume_gives_its_lowest_dose():
    m = organ_metrics([30.0, 10.0, 20.0], 0.01)  # 0.03 cm3, one weight for all
    assert (m["d0_1cc_gy"], m["d2cc_gy"], m["dmax_gy"]) == (10.0, 10.0, 30.0)


@pytest.mark.parametrize(
    ("doses", "weights", "words"),
    [
        ([], [], "empty"),
        ([1.0, 2.0], [1.0], "one per sample"),
        ([1.0, -2.0], [1.0, 1.0], r"doses_gy\[1\]"),
        ([1.0, math.nan], [1.0, 1.0], r"doses_gy\[1\]"),
        ([1.0, 2.0], [0.0, 1.0], r"weights_cm3\[0\]"),
        ([1.0, 2.0], [1.0, math.inf], r"weights_cm3\[1\]"),
        ([[1.0]], [1.0], "doses_gy has shape"),
    ],
)
def test_bad_samples_are_named(doses, weights, words):
    for metric in (organ_metrics, lambda d, w: dose_at_volume_pct(d, w, 90.0)):
        with pytest.raises(DoseInputError, match=words):
            metric(doses, weights)


@pytest.mark.parametrize("pct", [0.0, -1.0, 100.1, math.nan])
def test_a_percentage_is_a_percentage(pct):
    with pytest.raises(DoseInputError, match="volume_pct"):
        dose_at_volume_pct(DOSES, EVEN, pct)
