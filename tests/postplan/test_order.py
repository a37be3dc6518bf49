"""What is ordered: counts, strengths on their days, cartridges and strands, and both files."""

import csv
import datetime
import io
import math
import sys

import numpy as np
import pdfplumber
import pypdfium2
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from exports.order_sheet import COLUMNS, order_csv, order_pdf
from exports.plan_json import plan_hash
from template_designer.errors import CaseError
from template_designer.model.delivery import Technique
from template_designer.postplan.order import order_seeds
from tests.small_plan import small_plan

IMPLANT = datetime.date(2026, 12, 1)
PLAN = small_plan(plates=2)
PLAN_U = 0.6 * 1.270  # the case states 0.6 mCi


def decayed(strength_u: float, days: float) -> float:
    """By the half-life of TG-43U1, in powers of two: not as the program writes it."""
    return strength_u * 0.5 ** (days / 59.40)


@given(days=st.integers(0, 60), spares=st.floats(0.0, 100.0))
def test_the_seeds_are_right_on_the_day_of_the_implant(days, spares):
    day = IMPLANT - datetime.timedelta(days=days)
    order = order_seeds(PLAN, IMPLANT, calibration_date=day, spares_pct=spares)
    # 1e-12: two ways to write one exponential
    assert decayed(order.calibration_u, days) == pytest.approx(PLAN_U, rel=1e-12)
    assert order.spares >= 1
    assert order.spares >= PLAN.seed_count * spares / 100.0 - 1e-6
    assert order.spares <= max(1.0, PLAN.seed_count * spares / 100.0 + 1.0)
    assert order.total == PLAN.seed_count + order.spares


def test_the_schedule_has_every_day_of_two_weeks():
    order = order_seeds(PLAN, IMPLANT)
    assert order.calibration_date == IMPLANT
    assert order.calibration_u == pytest.approx(PLAN_U, rel=1e-12)
    days = [(IMPLANT - day).days for day, _ in order.schedule]
    assert days == list(range(14, -1, -1))
    for n, (_, strength_u) in zip(days, order.schedule, strict=True):
        assert decayed(strength_u, n) == pytest.approx(PLAN_U, rel=1e-12)


def test_cartridges_hold_all_seeds_and_only_the_last_is_not_full():
    order = order_seeds(small_plan(plates=2, delivery={"seeds_per_cartridge": 4}), IMPLANT)
    assert sum(order.cartridges) == order.total == 18 + 1
    assert set(order.cartridges[:-1]) == {4}
    assert 1 <= order.cartridges[-1] <= 4
    assert order.needles == ()


@pytest.mark.parametrize("technique", ["strand", "preloaded"])
def test_strands_are_those_of_the_needles(technique):
    plan = small_plan(plates=2, technique=technique)
    order = order_seeds(plan, IMPLANT)
    assert order.technique is Technique(technique)
    assert order.cartridges == ()
    assert [n.number for n in order.needles] == list(range(1, 7))
    assert sum(n.seeds for n in order.needles) == plan.seed_count
    for needle in order.needles:
        parts = needle.train.split("-")
        assert parts.count("S") == needle.seeds
        spacers = sum(float(part) for part in parts if part != "S")
        capsules = plan.source.model.capsule_mm[0] * needle.seeds
        assert needle.length_mm == pytest.approx(capsules + spacers, rel=1e-12)


def rows_of(plan, order):
    return list(csv.DictReader(io.StringIO(order_csv(plan, order).decode("utf-8"))))


def test_the_csv_states_both_units_and_adds_up():
    plan = small_plan(technique="strand")
    day = IMPLANT - datetime.timedelta(days=4)
    order = order_seeds(plan, IMPLANT, calibration_date=day, spares_pct=20.0)
    rows = rows_of(plan, order)
    assert tuple(rows[0]) == COLUMNS
    assert [row["item"] for row in rows] == ["seeds", "spares", "strand", "strand", "strand"]
    seeds, spares, *strands = (int(row["quantity"]) * int(row["seeds_each"]) for row in rows)
    assert seeds == spares + sum(strands)
    for row in rows:
        assert row["plan_sha256"] == plan_hash(plan)
        for moment, days in (("implant", 0), ("calibration", -4)):
            strength_u = float(row[f"air_kerma_strength_{moment}_u"])
            # six decimals
            assert strength_u == pytest.approx(decayed(PLAN_U, days), abs=5.1e-7)
            mci = float(row[f"activity_{moment}_mci"])
            assert mci == pytest.approx(strength_u / 1.270, abs=1.1e-6)


@pytest.mark.parametrize("technique", ["mick", "strand"])
def test_the_sheet_says_it_all_and_carries_the_code_of_the_plate(technique):
    plan = small_plan(technique=technique)
    day = IMPLANT - datetime.timedelta(days=10)
    order = order_seeds(plan, IMPLANT, calibration_date=day)
    data = order_pdf(plan, order)
    assert data == order_pdf(plan, order)
    with pdfplumber.open(io.BytesIO(data)) as pdf:
        text = "\n".join(page.extract_text() for page in pdf.pages)
    wanted = decayed(PLAN_U, -10)
    for clue in (
        "ORDER 10 seeds I125-6711",
        f"{wanted:.3f} U ({wanted / 1.27:.3f} mCi) each on 2026-11-21",
        "1 mCi = 1.270 U",
        "59.40 days",
        plan_hash(plan),
    ):
        assert clue in text
    if technique == "strand":
        for needle in order.needles:
            assert needle.train in text
    picture = pypdfium2.PdfDocument(data)[0].render(scale=3.0).to_numpy()
    (code,) = zxingcpp.read_barcodes(np.ascontiguousarray(picture))
    assert code.text == plan_hash(plan)[:16].upper()


def test_nothing_of_the_patient_goes_to_the_supplier(planned_demo):
    from exports import read_plan
    from tests.paths import DEMO

    plan = read_plan(planned_demo[0], DEMO / "case.toml")
    assert plan.image.dicom.patient_name  # there is something to keep
    with pdfplumber.open(io.BytesIO(order_pdf(plan, order_seeds(plan, IMPLANT)))) as pdf:
        text = "\n".join(page.extract_text() for page in pdf.pages)
    for word in (plan.image.dicom.patient_id, *plan.image.dicom.patient_name.split("^")):
        assert not word or word not in text


WRONG = {
    "calibration after the implant": ({"calibration_date": datetime.date(2026, 12, 2)}, "after"),
    "years before": ({"calibration_date": datetime.date(2024, 1, 1)}, "half-lives"),
    "too strong then": ({"calibration_date": datetime.date(2026, 5, 1)}, "nearer to the implant"),
    "spares below none": ({"spares_pct": -1.0}, "--spares-pct"),
    "spares as NaN": ({"spares_pct": math.nan}, "--spares-pct"),
    "spares as a count": ({"spares_pct": 500.0}, "--spares-pct"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_ordered_is_refused(what):
    options, clue = WRONG[what]
    with pytest.raises(CaseError, match=clue):
        order_seeds(PLAN, IMPLANT, **options)


def run(monkeypatch, capsys, *arguments):
    from template_designer import cli

    monkeypatch.setattr(sys, "argv", ["x", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr()
    return stop.value.code, told.out, told.err


def test_the_command_writes_both_files_and_never_over_others(
    planned_demo, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "order"
    arguments = ("order", planned_demo[0], "--implant-date", "2026-12-01", "-o", out)
    code, said, _ = run(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "0.762 U (0.600 mCi)" in said
    assert sorted(path.name for path in out.iterdir()) == ["order.csv", "order.pdf"]
    (out / "order.csv").write_text("mine")
    code, _, told = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "is there already" in told
    assert (out / "order.csv").read_text() == "mine"
    assert run(monkeypatch, capsys, *arguments, "--overwrite")[0] == 0
    single = tmp_path / "single" / "seeds.csv"
    assert run(monkeypatch, capsys, *arguments[:-1], single)[0] == 0
    assert [path.name for path in single.parent.iterdir()] == ["seeds.csv"]


@pytest.mark.parametrize(
    ("options", "clue"),
    [
        (("--implant-date", "1.12.2026"), "2026-12-01"),
        (("--implant-date", "2026-12-01", "--calibration-date", "2026-12-05"), "after"),
        (("--implant-date", "2026-12-01", "-o", "order.xlsx"), ".pdf"),
    ],
)
def test_wrong_options_are_one_line(planned_demo, tmp_path, monkeypatch, capsys, options, clue):
    monkeypatch.chdir(tmp_path)
    code, _, told = run(monkeypatch, capsys, "order", planned_demo[0], *options)
    assert code == 2
    assert clue in told.strip().splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
    assert not (planned_demo[0] / "order.pdf").exists()
