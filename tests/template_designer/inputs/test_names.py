import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer.errors import CaseError
from template_designer.inputs.names import resolve_names, resolve_one
from template_designer.model.metrics import MetricKind, parse

NAMES = ("GTV", "Kidney_L", "Kidney_R", "GTV*", "gtv", "Moelle\u0301", "靶区")


def test_an_exact_name_means_itself_even_if_it_looks_like_a_glob():
    assert resolve_names(["GTV*"], NAMES, "key") == ("GTV*",)
    assert resolve_names(["GTV?"], NAMES, "key") == ("GTV*",)


def test_globs_keep_file_order_and_name_nothing_twice():
    found = resolve_names(["*_R", "Kidney_*", "靶*"], NAMES, "key")
    assert found == ("Kidney_R", "Kidney_L", "靶区")


def test_case_matters_and_the_form_of_accents_does_not():
    assert resolve_names(["gtv"], NAMES, "key") == ("gtv",)
    assert resolve_names(["Moell\u00e9"], NAMES, "key") == ("Moelle\u0301",)
    with pytest.raises(CaseError, match="did you mean 'Kidney_L'"):
        resolve_names(["kidney_l"], NAMES, "key")


def test_one_means_one():
    assert resolve_one("K*_L", NAMES, "key") == "Kidney_L"
    with pytest.raises(CaseError, match="key = 'K\\*' matches 2 structures"):
        resolve_one("K*", NAMES, "key")


@given(st.lists(st.text(min_size=1), unique=True, min_size=1))
def test_every_name_finds_itself(names):
    assert set(resolve_names(names, names, "key")) == set(names)


@pytest.mark.parametrize(
    ("name", "kind", "number", "unit", "key"),
    [
        ("D90", MetricKind.DOSE_AT_PERCENT, 90.0, "Gy", "d90_gy"),
        ("D99.5", MetricKind.DOSE_AT_PERCENT, 99.5, "Gy", "d99_5_gy"),
        ("D2cc", MetricKind.DOSE_AT_CC, 2.0, "Gy", "d2cc_gy"),
        ("D0.1cc", MetricKind.DOSE_AT_CC, 0.1, "Gy", "d0_1cc_gy"),
        ("V100", MetricKind.VOLUME_AT_PERCENT, 100.0, "%", "v100_pct"),
        ("V150", MetricKind.VOLUME_AT_PERCENT, 150.0, "%", "v150_pct"),
        ("Dmax", MetricKind.DOSE_MAX, None, "Gy", "dmax_gy"),
        ("Dmean", MetricKind.DOSE_MEAN, None, "Gy", "mean_gy"),
        ("CI", MetricKind.CONFORMITY, None, "%", "ci"),
        ("EI", MetricKind.EXTERNAL, None, "%", "ei"),
        ("HI", MetricKind.HOMOGENEITY, None, "%", "hi"),
    ],
)
def test_metric_names_are_taken_apart(name, kind, number, unit, key):
    metric = parse(name)
    assert (metric.kind, metric.number, metric.unit, metric.key) == (kind, number, unit, key)


@pytest.mark.parametrize("name", ["", "D", "V", "D90%", "V2cc", "d90", "DMAX", "D-5", "V100 ", "X"])
def test_an_unknown_metric_lists_the_choices(name):
    with pytest.raises(CaseError, match=r"not known; .*metrics: D<percent>.*CI, EI, HI"):
        parse(name)


@pytest.mark.parametrize("name", ["D0", "D101", "V0", "D0cc"])
def test_a_metric_number_out_of_range_is_refused(name):
    with pytest.raises(CaseError, match="out of range"):
        parse(name)


def test_a_metric_in_the_wrong_case_is_guessed():
    with pytest.raises(CaseError, match="did you mean 'Dmax'"):
        parse("DMAX")
