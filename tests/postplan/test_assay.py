"""A sample of seeds: decay to one day, mean, spread, verdicts, units, and the plan again."""

import datetime
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exports import read_plan
from template_designer.errors import CaseError
from template_designer.model.assay import Reading, Stated, Verdict
from template_designer.planning.evaluate import Seeds
from template_designer.postplan.assay import (
    advised_sample,
    assay_seeds,
    least_sample,
    verdict_of,
    with_strength,
)
from template_designer.postplan.readings import COLUMNS, read_readings, readings_template
from tests.paths import DEMO
from tests.postplan.test_order import run
from tests.small_plan import small_plan

PLAN = small_plan(plates=2)  # 18 seeds of 0.762 U
IMPLANT = datetime.date(2026, 12, 1)
STATED = Stated(0.8, datetime.datetime(2026, 11, 27, 12), "the certificate")
HALF_LIFE_DAYS = 59.40  # of I-125, TG-43U1


def at(hours: float) -> datetime.datetime:
    return STATED.when + datetime.timedelta(hours=hours)


def readings_of(values, hours=0.0):
    return [Reading(str(n), u, at(hours)) for n, u in enumerate(values, start=1)]


@given(
    true=st.lists(st.floats(0.77, 0.84), min_size=2, max_size=18),
    hours=st.lists(st.floats(-400.0, 400.0), min_size=18, max_size=18),
)
def test_readings_of_any_time_give_the_strengths_of_the_stated_day(true, hours):
    assume(abs(np.mean(true) / 0.8 - 1.0) < 0.2)
    readings = [
        Reading(str(n), u * 2.0 ** (-h / 24.0 / HALF_LIFE_DAYS), at(h))
        for n, (u, h) in enumerate(zip(true, hours[: len(true)], strict=True))
    ]
    found = assay_seeds(PLAN, readings, STATED, IMPLANT)
    # times have microseconds: 1e-6 s of 5e6 s
    np.testing.assert_allclose([seed.reference_u for seed in found.seeds], true, rtol=1e-9)
    assert found.mean_u == pytest.approx(np.mean(true), rel=1e-9)
    assert found.sd_u == pytest.approx(np.std(true, ddof=1), abs=1e-9)
    assert found.difference_pct == pytest.approx(100.0 * (np.mean(true) / 0.8 - 1.0), abs=1e-6)
    # four days from noon to noon
    decayed = np.mean(true) * 2.0 ** (-4.0 / HALF_LIFE_DAYS)
    assert found.measured_u == pytest.approx(decayed, rel=1e-9)


@pytest.mark.parametrize(
    ("off", "verdict"),
    [
        (0.0, Verdict.PASS),
        (0.03, Verdict.PASS),
        (-0.0301, Verdict.INVESTIGATE),
        (0.05, Verdict.INVESTIGATE),
        (-0.0501, Verdict.FAIL),
        (0.15, Verdict.FAIL),
    ],
)
def test_the_limits_of_the_mean(off, verdict):
    found = assay_seeds(PLAN, readings_of([0.8 * (1.0 + off)] * 10), STATED, IMPLANT)
    assert found.verdict is verdict
    assert verdict_of(100.0 * off) is verdict


def test_a_single_seed_far_from_the_mean_is_named():
    found = assay_seeds(PLAN, readings_of([0.8] * 9 + [0.86]), STATED, IMPLANT)
    assert [seed.reading.seed for seed in found.outliers] == ["10"]
    assert found.verdict is Verdict.PASS  # the mean is 0.75 % off


@given(st.integers(1, 3000))
def test_the_sample_is_a_tenth_at_least(count):
    assert least_sample(count) - 1 < 0.1 * count + 1e-9 <= least_sample(count) + 1e-6
    assert least_sample(count) <= advised_sample(count) <= count
    assert advised_sample(count) >= min(10, count)


def test_too_few_or_too_many_readings_are_refused():
    assert len(assay_seeds(PLAN, readings_of([0.8] * 2), STATED, IMPLANT).seeds) == 2
    for readings, received, clue in (
        (1, None, "too few"),  # of 18
        (2, 200, "at least 20"),
        (19, None, "--received"),
        (5, 10, "18 seeds"),  # a batch smaller than the plan
    ):
        with pytest.raises(CaseError, match=clue):
            assay_seeds(PLAN, readings_of([0.8] * readings), STATED, IMPLANT, received=received)


@pytest.mark.parametrize(("factor", "unit"), [(1 / 1.27, "mCi"), (1.27, "mCi"), (37 / 1.27, "MBq")])
@pytest.mark.parametrize("which", ["readings", "stated"])
def test_another_unit_is_recognised(which, factor, unit):
    stated, readings = STATED, readings_of([0.8, 0.79, 0.81])
    if which == "readings":
        readings = [replace(r, strength_u=factor * r.strength_u) for r in readings]
    else:
        stated = replace(STATED, strength_u=factor * STATED.strength_u)
    with pytest.raises(CaseError, match=unit):
        assay_seeds(PLAN, readings, stated, IMPLANT)
    found = assay_seeds(PLAN, readings, stated, IMPLANT, units_are_right=True)
    assert found.verdict is Verdict.FAIL


def test_without_the_case_doses_are_proportional_and_the_rest_is_not_known():
    effect = with_strength(PLAN, 1.1 * PLAN.air_kerma_strength_u)
    assert not effect.recomputed
    assert effect.metrics["GTV"]["d90_gy"] == pytest.approx(1.1 * PLAN.metrics["GTV"]["d90_gy"])
    assert math.isnan(effect.metrics["GTV"]["hi"])
    assert {goal.unit for goal in effect.goals} <= {"Gy"}


@pytest.fixture(scope="module")
def demo_plan(planned_demo):
    return read_plan(planned_demo[0], DEMO / "case.toml")


def test_with_the_case_everything_is_computed_again(demo_plan):
    """At the planned strength the plan's numbers; at another the doses proportional to it."""
    same = with_strength(demo_plan, demo_plan.air_kerma_strength_u)
    more = with_strength(demo_plan, 1.07 * demo_plan.air_kerma_strength_u)
    assert same.recomputed
    assert set(same.metrics) == set(demo_plan.metrics)
    for name, values in demo_plan.metrics.items():
        assert set(values) == set(same.metrics[name])
        for key, planned in values.items():
            # seeds of the file lie 0.05 um from those of the search: 4e-5 of the dose at 2.5 mm;
            # four decimals are written
            assert same.metrics[name][key] == pytest.approx(planned, rel=1e-4, abs=6e-3), key
            if key.endswith("_gy"):
                ratio = more.metrics[name][key] / same.metrics[name][key]
                # the sums over seeds are the same, times one number
                assert ratio == pytest.approx(1.07, rel=1e-9), (name, key)
    target = demo_plan.settings.target.structure
    for key in ("v90_pct", "v100_pct", "v150_pct", "v200_pct"):
        assert more.metrics[target][key] >= same.metrics[target][key]
    assert more.metrics[target]["v150_pct"] > same.metrics[target]["v150_pct"]
    assert [goal.met for goal in same.goals] == [goal.met for goal in demo_plan.goals]


def test_the_volume_at_a_dose_follows_from_the_planned_field(demo_plan):
    """V_ref by another way: the plan's own grid, counted at a lower level."""
    factor = 1.07
    target = demo_plan.settings.target.structure
    seeds = Seeds.of(demo_plan.templates, demo_plan.source.model, demo_plan.air_kerma_strength_u)
    wide = seeds.field(demo_plan.prescription_gy / factor)
    reference = wide.volume_at_or_above_cm3(demo_plan.prescription_gy / factor)
    values = with_strength(demo_plan, factor * demo_plan.air_kerma_strength_u).metrics[target]
    covered = values["volume_cm3"] * values["v100_pct"] / 100.0
    # both grids have 1 mm; their voxels may lie elsewhere: a part of 1 % at this volume
    expected = covered**2 / (values["volume_cm3"] * reference)
    assert values["ci"] == pytest.approx(expected, rel=0.01)


def test_a_table_that_was_filled_in_comes_back(tmp_path):
    text = readings_template(5, ("Plan x: 5 seeds",)).decode("utf-8")
    assert text.splitlines()[1] == ",".join(COLUMNS)
    filled = text.replace("2,,", "2,0.801,2026-11-25 09:30").replace("4,,", "4,0.79,2026-11-26")
    path = tmp_path / "r.csv"
    path.write_text(filled, encoding="utf-8-sig")
    assert read_readings(path) == (
        Reading("2", 0.801, datetime.datetime(2026, 11, 25, 9, 30)),
        Reading("4", 0.79, datetime.datetime(2026, 11, 26, 12)),  # noon
    )
    path.write_text("measured;seed;strength_u;note\n2026-11-25;a;0.8;fine\n")
    assert read_readings(path) == (Reading("a", 0.8, datetime.datetime(2026, 11, 25, 12)),)


HEAD = "seed,strength_u,measured\n"
BAD_TABLES = {
    "empty": ("", "is empty"),
    "blank lines": ("\n\n ,,\n", "is empty"),
    "only the head": (HEAD, "no reading"),
    "the empty template": (readings_template(4).decode(), "no reading"),
    "in mCi": ("seed,strength_mci,measured\n1,0.6,2026-11-25\n", "in mCi"),
    "in MBq": ("seed,activity_mbq,measured\n1,22,2026-11-25\n", "in MBq"),
    "a column missing": ("seed,strength_u\n1,0.8\n", "'measured'"),
    "a column twice": ("seed,seed,strength_u,measured\n1,1,0.8,2026-11-25\n", "2 columns 'seed'"),
    "no head": ("1,0.8,2026-11-25\n", "'seed'"),
    "negative": (HEAD + "1,-0.8,2026-11-25\n", "line 2.*above 0"),
    "zero": (HEAD + "1,0,2026-11-25\n", "above 0"),
    "NaN": (HEAD + "1,nan,2026-11-25\n", "above 0"),
    "infinite": (HEAD + "1,inf,2026-11-25\n", "above 0"),
    "text": (HEAD + "1,strong,2026-11-25\n", "not a number"),
    "decimal comma": ("seed;strength_u;measured\n1;0,8;2026-11-25\n", "with a point"),
    "no day": (HEAD + "1,0.8,\n", "measured is empty"),
    "no strength": (HEAD + "1,,2026-11-25\n", "not a number"),
    "another calendar": (HEAD + "1,0.8,25.11.2026\n", "no moment"),
    "a time zone": (HEAD + "1,0.8,2026-11-25T09:30+01:00\n", "time zone"),
    "no name": (HEAD + ",0.8,2026-11-25\n", "names no seed"),
    "a seed twice": (HEAD + "1,0.8,2026-11-25\n1,0.81,2026-11-25\n", "stands twice"),
    "an open quotation": (HEAD + '"1,0.8,2026-11-25\n2,0.8,2026-11-25\n', "quotation"),
}


@pytest.mark.parametrize("what", BAD_TABLES)
def test_a_bad_table_is_one_clear_error(tmp_path, what):
    text, clue = BAD_TABLES[what]
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(CaseError, match=clue) as error:
        read_readings(path)
    assert "\n" not in str(error.value)


def test_a_table_that_is_no_text(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes("seed,strength_u\n".encode("utf-16"))
    with pytest.raises(CaseError, match="UTF-8"):
        read_readings(path)


def test_readings_of_another_year_are_refused():
    readings = [Reading("1", 0.8, datetime.datetime(2023, 11, 25, 12))] * 2
    with pytest.raises(CaseError, match="half-lives"):
        assay_seeds(PLAN, readings, STATED, IMPLANT)


def table_of(path, strengths):
    lines = [f"{n},{u:.5f},2026-11-27" for n, u in enumerate(strengths, start=1)]
    path.write_text(HEAD + "\n".join(lines) + "\n")
    return path


def test_the_command_writes_what_it_found_and_ends_with_its_verdict(
    planned_demo, tmp_path, monkeypatch, capsys
):
    plan_dir = planned_demo[0]
    before = sorted(path.name for path in plan_dir.iterdir())
    readings = table_of(tmp_path / "r.csv", [0.80, 0.81, 0.79, 0.82, 0.80])
    out = tmp_path / "assay"
    arguments = (
        "assay", plan_dir, "--readings", readings, "--implant-date", "2026-12-01",
        "--stated-u", "0.80", "--stated-date", "2026-11-27", "--case", DEMO / "case.toml",
    )  # fmt: skip
    code, said, told = run(monkeypatch, capsys, *arguments, "-o", out)
    assert code == 0, told
    assert "+0.50 %" in said
    assert sorted(p.name for p in out.iterdir()) == ["assay.html", "assay.json", "assay.pdf"]
    data = json.loads((out / "assay.json").read_text("utf-8"))
    assert data["verdict"] == "pass"
    assert data["mean_u"] == pytest.approx(0.804, abs=1e-6)
    assert data["sd_u"] == pytest.approx(np.std([0.80, 0.81, 0.79, 0.82, 0.80], ddof=1), abs=1e-6)
    measured_u = 0.804 * 0.5 ** (4.0 / HALF_LIFE_DAYS)
    assert data["measured_u"] == pytest.approx(measured_u, abs=1e-6)
    plan = json.loads((plan_dir / "plan.json").read_text("utf-8"))
    assert data["plan"] == {"id": plan["id"], "hash": plan["hash"]}
    told_d90 = data["metrics"]["GTV"]["d90_gy"]
    scaled = plan["metrics"]["GTV"]["d90_gy"] * measured_u / 0.762
    assert told_d90 == pytest.approx(scaled, rel=1e-4)
    page = (out / "assay.html").read_text("utf-8")
    assert "PASS" in page
    assert plan["hash"] in page
    code, _, told = run(monkeypatch, capsys, *arguments, "-o", out)  # a second time
    assert code == 2
    assert "is there already" in told
    table_of(readings, [0.70, 0.71, 0.70, 0.71])
    assert run(monkeypatch, capsys, *arguments, "-o", tmp_path / "bad")[0] == 1
    assert sorted(path.name for path in plan_dir.iterdir()) == before


WRONG = {
    "nothing asked for": ((), "--readings"),
    "no such table": (("--readings", "gone.csv"), "gone.csv"),
    "no day of the implant": (("--readings", "r.csv"), "--implant-date"),
    "a strength without its day": (
        ("--readings", "r.csv", "--implant-date", "2026-12-01", "--stated-u", "0.8"),
        "--stated-date",
    ),
    "a stated strength below 0": (
        ("--readings", "r.csv", "--implant-date", "2026-12-01", "--stated-u", "-1",
         "--stated-date", "2026-11-27"),
        "above 0",
    ),
    "mCi stated for U": (
        ("--readings", "r.csv", "--implant-date", "2026-12-01", "--stated-u", "0.63",
         "--stated-date", "2026-11-27"),
        "mCi",
    ),
    "a file as folder": (
        ("--readings", "r.csv", "--implant-date", "2026-12-01", "-o", "r.csv"),
        "is a file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_options_are_one_line_and_write_nothing(
    planned_demo, tmp_path, monkeypatch, capsys, what
):
    options, clue = WRONG[what]
    monkeypatch.chdir(tmp_path)
    table_of(tmp_path / "r.csv", [0.8] * 5)
    code, _, told = run(monkeypatch, capsys, "assay", planned_demo[0], *options)
    assert code == 2
    line = told.strip().splitlines()[-1]
    assert line.startswith("template-designer: ")
    assert clue in line
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]
    assert not (planned_demo[0] / "assay.json").exists()


def test_the_empty_table_has_room_for_the_advised_sample(
    planned_demo, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "new" / "readings.csv"
    arguments = ("assay", planned_demo[0], "--write-template", path, "--received", "130")
    assert run(monkeypatch, capsys, *arguments)[0] == 0
    assert len(path.read_text().splitlines()) == 2 + 1 + 13
    assert run(monkeypatch, capsys, *arguments)[0] == 2  # it may be filled in by now
