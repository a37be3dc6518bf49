"""A series on disk: what is kept, what is done again, what fails, and the same bytes each time."""

import csv
import json
import math
import re

import numpy as np
import pytest
from matplotlib import image

from exports.cohort_files import COLUMNS, NAMES, STATISTICS_COLUMNS
from template_designer import design, read_case
from template_designer.cli import common
from template_designer.cohort import records
from template_designer.cohort.cases import find_cases
from template_designer.cohort.running import PLAN_ONLY, Job, run_case
from template_designer.cohort.scheduling import run_serial
from template_designer.cohort.series import do_work, find_work
from template_designer.errors import CaseError, NoSafePlanError, OutputError
from template_designer.model.cohort import SERIES_METRICS
from tests.cohort.phantoms import write_case, write_seeds
from tests.exports.test_report import Reader

SHIFTS = {"P1": (0.5, 1.0, 0.0), "P2": (1.0, -2.0, 1.0), "P3": (0.0, 0.0, 0.0)}


def run(cases, folder):
    return do_work(find_work(find_cases(cases), folder, files=PLAN_ONLY), run_serial)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Three cases that plan, one without a safe plan, one that cannot be read; then evaluated."""
    base = tmp_path_factory.mktemp("series")
    for n, (name, radius) in enumerate(zip(SHIFTS, (8.0, 9.0, 7.0), strict=True)):
        goal = 99.99 if n == 2 else 80.0
        write_case(base / name, name, radius_mm=radius, strength_u=0.6 + 0.05 * n, goal_pct=goal)
    write_case(base / "P4", "P4", cord_mm=3.0)
    (base / "P5").mkdir()
    (base / "P5" / "case.toml").write_text('id = "P5"\n[target]\nstructure = 5\n')
    plans = run([base / name for name in (*SHIFTS, "P4", "P5")], base / "plans")
    lines = ["case,seeds"]
    for name, shift in SHIFTS.items():
        plan = base / "plans" / "cases" / name / "plan" / "plan.json"
        write_seeds(plan, base / name / "seeds.csv", shift)
        lines.append(f"{name},{name}/seeds.csv")
    (base / "cases.csv").write_text("\n".join([*lines, "P4,", "P5,"]) + "\n")
    both = run([base / "cases.csv"], base / "both")
    return base, plans, both


def test_the_plans_are_those_of_design(series):
    base, plans, _ = series
    assert [outcome.exit_code for outcome in plans.outcomes] == [0, 0, 1, 3, 2]
    for outcome in plans.planned:
        plan = design(read_case(base / outcome.id / "case.toml"))
        assert outcome.seeds == plan.seed_count
        assert outcome.needles == len(plan.needles)
        assert outcome.strength_u == pytest.approx(plan.air_kerma_strength_u, abs=1e-6)
        for key in SERIES_METRICS:
            # four decimals
            assert outcome.plan[key] == pytest.approx(plan.metrics["GTV"][key], abs=5.1e-5)


def test_a_bad_case_is_recorded_and_stops_nobody(series):
    base, plans, _ = series
    rows = {row["id"]: row for row in rows_of(base / "plans" / "cohort.csv")}
    assert list(rows) == ["P1", "P2", "P3", "P4", "P5"]
    assert rows["P4"]["exit_code"] == "3"
    assert "no safe plan" in rows["P4"]["error"]
    assert rows["P5"]["exit_code"] == "2"
    assert "images" in rows["P5"]["error"] or "target" in rows["P5"]["error"]
    for name in ("P4", "P5"):
        assert [p.name for p in (base / "plans" / "cases" / name).iterdir()] == ["case.json"]
        assert rows[name]["pre_d90_gy"] == ""
    assert len(plans.failed) == 2


def test_the_table_holds_what_the_files_hold(series):
    base, _, both = series
    rows = rows_of(base / "both" / "cohort.csv")
    assert tuple(rows[0]) == COLUMNS
    for row in rows[:3]:
        folder = base / "both" / "cases" / row["id"]
        plan = json.loads((folder / "plan" / "plan.json").read_text("utf-8"))
        found = json.loads((folder / "evaluation" / "evaluation.json").read_text("utf-8"))
        for key in SERIES_METRICS:
            assert float(row[f"pre_{key}"]) == plan["metrics"]["GTV"][key]
            delivered = found["metrics"]["delivered"]["GTV"][key]
            assert float(row[f"post_{key}"]) == pytest.approx(delivered, abs=5.1e-5)
        assert int(row["found_seeds"]) == int(row["seeds"])
    # seeds in their places give the plan's numbers: places of 0.1 um, four decimals
    for key in SERIES_METRICS:
        same = float(rows[2][f"post_{key}"])
        assert same == pytest.approx(float(rows[2][f"pre_{key}"]), rel=2e-4, abs=6e-3), key
    assert float(rows[1]["post_d90_gy"]) < float(rows[1]["pre_d90_gy"]) - 1.0  # moved by 2.4 mm
    assert len(both.evaluated) == 3


def test_the_statistics_are_those_of_the_table(series):
    base, _, _ = series
    rows = rows_of(base / "both" / "cohort.csv")[:3]
    statistics = {row["metric"]: row for row in rows_of(base / "both" / "statistics.csv")}
    assert tuple(next(iter(statistics.values()))) == STATISTICS_COLUMNS
    assert tuple(statistics) == SERIES_METRICS
    for key in SERIES_METRICS:
        told = statistics[key]
        before, after = (
            np.array([float(row[f"{when}_{key}"]) for row in rows]) for when in ("pre", "post")
        )
        for name, values in (("plans", before), ("pre", before), ("post", after)):
            assert int(told[f"{name}_n"]) == 3
            for word, value in (
                ("mean", values.mean()),
                ("sd", values.std(ddof=1)),
                ("median", np.median(values)),
                ("min", values.min()),
                ("max", values.max()),
            ):
                # four decimals
                assert float(told[f"{name}_{word}"]) == pytest.approx(value, abs=5.1e-5)
        apart = after - before
        if np.ptp(apart) > 1e-9:
            t = apart.mean() / (apart.std(ddof=1) / math.sqrt(3))
            assert float(told["t"]) == pytest.approx(t, abs=5.1e-5)
        else:
            assert told["t"] == ""


def test_the_page_prints_the_series_table(series):
    base, _, _ = series
    page = (base / "both" / "cohort.html").read_bytes()
    read = Reader(page)
    title = "Preplan and postplan, 3 pairs: mean ± SD"
    head, *rows = read.table(title)
    assert head[:3] == ["metric", "preplan", "postplan"]
    statistics = {row["metric"]: row for row in rows_of(base / "both" / "statistics.csv")}
    d90 = statistics["d90_gy"]
    line = next(row for row in rows if row[0] == "D90 Gy")
    assert line[1] == f"{float(d90['pre_mean']):.1f} ± {float(d90['pre_sd']):.1f}"
    assert line[2] == f"{float(d90['post_mean']):.1f} ± {float(d90['post_sd']):.1f}"
    assert line[5] == f"{float(d90['t_p']):.3f}"
    ranges = dict((row[0], row[1]) for row in read.table("The same: median (range)")[1:])
    assert ranges["CI"] == "{:.2f} ({:.2f} to {:.2f})".format(
        *(float(statistics["ci"][f"pre_{key}"]) for key in ("median", "min", "max"))
    )
    assert "no safe plan" in read.text
    assert not re.search(rb'(?:src|href)="(?!data:|#)', page)  # nothing from elsewhere
    assert b"<script" not in page
    drawn = image.imread(base / "both" / "cohort.png")
    assert drawn.std() > 0.05  # not blank


def test_the_same_series_gives_the_same_bytes(series, tmp_path):
    base, _, _ = series
    run([base / "cases.csv"], tmp_path / "again")
    for name in NAMES:
        assert (tmp_path / "again" / name).read_bytes() == (base / "both" / name).read_bytes()


def test_what_is_done_is_kept_and_what_changed_is_done_again(tmp_path):
    for name in ("A", "B"):
        write_case(tmp_path / name, name)
    named = [tmp_path / "A", tmp_path / "B"]
    out = tmp_path / "out"
    run(named, out)
    first = (out / "cohort.csv").read_bytes()

    def to_do(files=PLAN_ONLY):
        return [job.case.id for job in find_work(find_cases(named), out, files=files).jobs]

    assert to_do() == []
    assert to_do(files="all") == ["A", "B"]  # more files are asked for
    run(named, out)
    assert (out / "cohort.csv").read_bytes() == first
    write_case(tmp_path / "B", "B", radius_mm=9.0)  # another CT and label map
    assert to_do() == ["B"]
    before = (out / "cases" / "A" / "case.json").stat().st_mtime_ns
    run(named, out)
    assert (out / "cases" / "A" / "case.json").stat().st_mtime_ns == before
    assert (out / "cohort.csv").read_bytes() != first
    text = (tmp_path / "A" / "case.toml").read_text()
    (tmp_path / "A" / "case.toml").write_text(text.replace("0.762", "0.7"))
    assert to_do() == ["A"]
    (tmp_path / "A" / "case.toml").write_text(text)
    assert to_do() == []
    (out / "cases" / "A" / "plan" / "plan.json").unlink()  # somebody took it away
    assert to_do() == ["A"]
    run(named, out)
    record = out / "cases" / "B" / "case.json"
    record.write_text(record.read_text().replace('"version": "', '"version": "0.0-'))
    assert to_do() == ["B"]  # of another version
    record.write_text("{")
    assert to_do() == ["B"]


def test_a_case_that_failed_is_tried_again_and_leaves_nothing_old(tmp_path):
    write_case(tmp_path / "A", "A")
    out = tmp_path / "out"
    run([tmp_path / "A"], out)
    ct = (tmp_path / "A" / "ct.nii.gz").read_bytes()
    (tmp_path / "A" / "ct.nii.gz").write_bytes(ct[: len(ct) // 2])
    broken = run([tmp_path / "A"], out)
    assert [outcome.exit_code for outcome in broken.outcomes] == [2]
    assert "ct.nii.gz" in broken.outcomes[0].error
    assert [p.name for p in (out / "cases" / "A").iterdir()] == ["case.json"]
    assert not (out / "cohort.png").exists()  # a picture of no plan
    (tmp_path / "A" / "ct.nii.gz").write_bytes(ct)
    assert run([tmp_path / "A"], out).outcomes[0].exit_code == 0


def test_an_evaluation_that_fails_leaves_the_plan(tmp_path):
    write_case(tmp_path / "A", "A")
    (tmp_path / "seeds.csv").write_text("number,x_mm,y_mm,z_mm\n1,900,900,900\n")
    (tmp_path / "cases.csv").write_text("case,seeds\nA,seeds.csv\n")
    cohort = run([tmp_path / "cases.csv"], tmp_path / "out")
    (outcome,) = cohort.outcomes
    assert outcome.is_planned
    assert not outcome.is_evaluated
    assert outcome.exit_code == 2
    assert "seeds.csv" in outcome.error
    names = sorted(path.name for path in (tmp_path / "out" / "cases" / "A").iterdir())
    assert names == ["case.json", "plan"]


def test_folders_of_others_are_left_alone(tmp_path):
    write_case(tmp_path / "A", "A")
    cases = find_cases([tmp_path / "A"])
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.docx").write_text("years")
    with pytest.raises(OutputError, match="thesis.docx"):
        find_work(cases, mine)
    with pytest.raises(OutputError, match="is a file"):
        find_work(cases, mine / "thesis.docx")
    (tmp_path / "out" / "cases" / "A").mkdir(parents=True)
    (tmp_path / "out" / "cases" / "A" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="no case.json"):
        find_work(cases, tmp_path / "out")


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    write_case(tmp_path / "A", "A")
    left = tmp_path / "out" / "cases" / ".B.0123456789ab.tmp"
    left.mkdir(parents=True)
    (left / "plan.json").write_text("half")
    run([tmp_path / "A"], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "cases").iterdir()) == ["A"]


def test_a_worker_of_another_version_is_refused(tmp_path):
    write_case(tmp_path / "A", "A")
    (case,) = find_cases([tmp_path / "A"])
    job = Job(case, tmp_path / "out" / "A", "0" * 64, version="9.9.9")
    with pytest.raises(CaseError, match="9.9.9"):
        run_case(job)
    assert not (tmp_path / "out").exists()


def test_the_exit_codes_are_those_of_the_commands():
    assert records.DONE == common.EXIT_DONE
    assert records.GOAL_MISSED == common.EXIT_GOAL_MISSED
    assert records.exit_code_of(CaseError("x")) == common.EXIT_WRONG_INPUT
    assert records.exit_code_of(FileNotFoundError("x")) == common.EXIT_WRONG_INPUT
    assert records.exit_code_of(NoSafePlanError("x")) == common.EXIT_NO_SAFE_PLAN
    assert records.exit_code_of(ZeroDivisionError("x")) == common.EXIT_DEFECT


def test_all_files_are_written_unless_less_is_asked_for(tmp_path, series):
    base, _, _ = series
    work = find_work(find_cases([base / "cases.csv"])[:1], tmp_path / "out")
    do_work(work, run_serial)
    folder = tmp_path / "out" / "cases" / "P1"
    names = {path.name for path in (folder / "plan").iterdir()}
    assert {"plan.json", "template.stl", "needles.pdf", "RTPLAN.dcm"} <= names
    names = {path.name for path in (folder / "evaluation").iterdir()}
    assert {"evaluation.json", "evaluation.html", "seeds.csv"} <= names
    for name in ("plan/plan.json", "evaluation/evaluation.json"):
        alone = base / "both" / "cases" / "P1" / name
        assert (folder / name).read_bytes() == alone.read_bytes()
