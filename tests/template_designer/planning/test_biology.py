"""The tissue model of a plan: mapped metrics, the mean, external beam, and what is printed."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from dose import eqd2_gy, implant_bed_gy, load_source
from exports import plan_json
from template_designer.geometry.sampling import volume_samples
from template_designer.geometry.solids import build_solid
from template_designer.planning.evaluate import Seeds
from template_designer.summary import plan_tables
from template_designer.workflow import design
from tests.template_designer.planning.phantom import IMAGE
from tests.template_designer.planning.plans import good_plan, phantom_case

SOURCE = load_source("I125-6711")
HOURS = 59.4 * 24.0
TABLES = [
    {
        "structure": "Cord",
        "alpha_beta_gy": 2.0,
        "external_beam_gy": 40.0,
        "external_beam_fractions": 20,
    },
    {"structure": ("GTV",), "alpha_beta_gy": 10.0, "repair_half_time_h": 0.5},
    {"structure": ("Cord", "Bone"), "alpha_beta_gy": 3.0},
]


@pytest.fixture(scope="module")
def plan():
    return design(phantom_case(biology=TABLES))


def by_metric(result):
    return {dose.metric: dose for dose in result.doses}


def by_hand(dose_gy, alpha_beta_gy, repair_h):
    return dose_gy * (1.0 + dose_gy * repair_h / (repair_h + HOURS) / alpha_beta_gy)


def test_one_result_for_each_structure_of_each_table(plan):
    found = [(r.structure, r.alpha_beta_gy, r.repair_half_time_h) for r in plan.biology]
    assert found == [("Cord", 2.0, 1.5), ("GTV", 10.0, 0.5), ("Cord", 3.0, 1.5), ("Bone", 3.0, 1.5)]
    assert all("not a measurement" in result.model for result in plan.biology)
    assert ["External beam" in result.model for result in plan.biology] == [True, *[False] * 3]
    assert [d.metric for d in plan.biology[0].doses] == ["Dmax", "D0.1cc", "D2cc", "Dmean"]
    assert [d.metric for d in plan.biology[1].doses] == ["D90", "Dmean"]


def test_the_plan_itself_does_not_change(plan):
    plain = good_plan()
    assert plain.biology == ()
    assert plain.metrics == plan.metrics
    assert plain.goals == plan.goals


def test_metrics_are_mapped_exactly(plan):
    keys = {"Dmax": "dmax_gy", "D0.1cc": "d0_1cc_gy", "D2cc": "d2cc_gy"}
    cord = by_metric(plan.biology[0])
    for metric, key in keys.items():
        dose = cord[metric]
        assert dose.implant_gy == plan.metrics["Cord"][key]
        # a handful of products: 1e-12
        assert dose.implant_bed_gy == pytest.approx(by_hand(dose.implant_gy, 2.0, 1.5), rel=1e-12)
        assert dose.implant_eqd2_gy == pytest.approx(dose.implant_bed_gy / 2.0, rel=1e-12)
    d90 = by_metric(plan.biology[1])["D90"]
    assert d90.implant_gy == plan.metrics["GTV"]["d90_gy"]
    assert d90.implant_bed_gy == pytest.approx(by_hand(d90.implant_gy, 10.0, 0.5), rel=1e-12)
    assert d90.implant_eqd2_gy == pytest.approx(d90.implant_bed_gy / 1.2, rel=1e-12)


def test_the_mean_is_that_of_the_voxels_not_of_the_mean_dose(plan):
    rois = {roi.name: roi for roi in phantom_case().rois.rois}
    points, weights = volume_samples(build_solid(rois["Cord"], IMAGE, bridge_all=True))
    (template,) = plan.templates
    doses = Seeds.of([template], SOURCE, plan.air_kerma_strength_u).dose_gy(points)
    mean = by_metric(plan.biology[0])["Dmean"]
    assert mean.implant_gy == pytest.approx(np.average(doses, weights=weights), rel=1e-12)
    expected = np.average(by_hand(doses, 2.0, 1.5), weights=weights)
    assert mean.implant_bed_gy == pytest.approx(expected, rel=1e-12)
    # the square of an uneven dose: the mean's BED would be lower
    of_mean = float(implant_bed_gy(SOURCE, mean.implant_gy, 2.0))
    assert mean.implant_bed_gy > of_mean * (1.0 + 1e-5)


def test_earlier_beam_is_added_as_if_all_of_the_organ_got_all_of_it(plan):
    cord, target = plan.biology[:2]
    beam = cord.external_beam
    assert (beam.dose_gy, beam.fractions, beam.bed_gy, beam.eqd2_gy) == (40.0, 20, 80.0, 40.0)
    for dose in cord.doses:
        assert dose.total_bed_gy == pytest.approx(dose.implant_bed_gy + 80.0, rel=1e-12)
        assert dose.total_eqd2_gy == pytest.approx(dose.implant_eqd2_gy + 40.0, rel=1e-12)
    assert target.external_beam is None
    for dose in target.doses:
        assert dose.total_eqd2_gy == dose.implant_eqd2_gy
        assert dose.total_eqd2_gy == pytest.approx(float(eqd2_gy(dose.total_bed_gy, 10.0)))


def test_the_body_is_reported_where_a_table_names_it():
    body = {"structure": "Body", "alpha_beta_gy": 3.0}
    plan = design(phantom_case(biology=[body]))
    assert plan.biology[0].structure == "Body"
    assert "Body" in plan.metrics
    assert "Body" not in good_plan().metrics


def test_plan_json_holds_it_beside_an_unchanged_rest(plan):
    plain, told = (json.loads(plan_json.build(p)) for p in (good_plan(), plan))
    for data in (plain, told):  # the case has the tables, and the hash is of all of it
        del data["case"], data["hash"]
    assert plain.pop("biology") == []
    results = told.pop("biology")
    assert told == plain
    cord = results[0]
    assert set(cord) == {
        "structure", "model", "alpha_beta_gy", "repair_half_time_h", "external_beam", "doses",
    }  # fmt: skip
    assert cord["external_beam"] == {
        "dose_gy": 40.0, "fractions": 20, "bed_gy": 80.0, "eqd2_gy": 40.0,
    }  # fmt: skip
    assert results[1]["external_beam"] is None
    for written, dose in zip(cord["doses"], plan.biology[0].doses, strict=True):
        assert written["metric"] == dose.metric
        for key in ("implant_gy", "implant_bed_gy", "implant_eqd2_gy", "total_bed_gy",
                    "total_eqd2_gy"):  # fmt: skip
            assert written[key] == pytest.approx(getattr(dose, key), abs=5.1e-5)  # four digits


def printed(plan):
    console = Console(width=100, record=True, file=io.StringIO())
    for table in plan_tables(plan):
        console.print(table)
    return console.export_text()


def test_the_summary_says_that_it_is_a_model(plan):
    text = printed(plan)
    assert "biology (a model, not measured)" in text
    assert "the beam gave all of its dose to all of the structure" in " ".join(text.split())
    dmax = by_metric(plan.biology[0])["Dmax"]
    rows = [row.split() for row in text.splitlines()]
    with_beam, without = (row[2:] for row in rows if row[:2] == ["Cord", "Dmax"])
    assert with_beam == [
        f"{dmax.implant_gy:.1f}", f"{dmax.implant_bed_gy:.1f}", f"{dmax.implant_eqd2_gy:.1f}",
        "40.0", f"{dmax.total_eqd2_gy:.1f}",
    ]  # fmt: skip
    assert without[-2] == "0.0"
    assert "biology" not in printed(good_plan())
