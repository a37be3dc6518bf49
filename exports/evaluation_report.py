"""``evaluation.html``: what was delivered beside what was planned, to read and to mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from exports.evaluation_tables import (
    accuracy_table,
    cold_table,
    found_lines,
    loss_table,
    needle_table,
    registration_facts,
    seed_table,
)
from exports.report_compare import goals_beside, metrics_beside
from exports.report_content import patient_text, tally, warning_lines
from exports.report_document import MISSED, Document, Lines, Part, Picture, Section
from exports.report_evaluation import biology_tables
from exports.report_html import html_of
from exports.report_numbers import number, verdict
from exports.report_tables import input_table, version_table
from template_designer.model.evaluation import Evaluation

HEADS = ("planned", "delivered")


def build(evaluation: Evaluation, pictures: Mapping[str, bytes]) -> bytes:
    """The report as one HTML page; ``pictures`` are ``dvh.png`` and ``slices.png``."""
    return html_of(evaluation_document(evaluation, pictures))


def evaluation_document(evaluation: Evaluation, pictures: Mapping[str, bytes]) -> Document:
    """What the report says, in the order in which it is read."""
    plan = evaluation.plan
    later = replace(plan, warnings=evaluation.warnings, inputs=evaluation.inputs)
    dvh = Picture(
        "Dose-volume histograms",
        "Solid: delivered. Dashed: planned.",
        pictures["dvh.png"],
    )
    slices = Picture(
        "The same slices, planned and delivered",
        "Lines lead from where a seed was planned to where it was found; blue: parts of the target "
        "under the prescription. Everything is in the frame of the preplan.",
        pictures["slices.png"],
    )
    of_delivered = biology_tables(replace(plan, biology=evaluation.biology))
    warnings = warning_lines(later)
    summary: tuple[Part, ...] = (
        headline(evaluation),
        goals_beside(plan.goals, evaluation.goals, HEADS),
        found_lines(evaluation),
        Lines(warnings.title, warnings.items),
        registration_facts(evaluation),
    )
    metrics = metrics_beside(plan.metrics, evaluation.metrics, HEADS)
    sections = [
        Section("summary", "Summary", summary),
        Section("dose", "Dose", (dvh, metrics)),
        Section("pictures", "Pictures", (slices,)),
        Section("cold", "Cold spots", (cold_table(evaluation),)),
        Section("loss", "What explains the change of D90", (loss_table(evaluation),)),
        Section(
            "accuracy",
            "Planned against found",
            (accuracy_table(evaluation), needle_table(evaluation), seed_table(evaluation)),
        ),
        Section("biology", "Biology of what was delivered: a model, not measured", of_delivered),
        Section("inputs", "Inputs and versions", (input_table(later), version_table(plan))),
    ]
    return Document(
        title=f"Evaluation of plan {plan.id}",
        head=(patient_text(plan), f"Plan: {plan.id} · {tally(plan)}"),
        plans=(plan,),
        sections=tuple(section for section in sections if section.parts),
    )


def headline(evaluation: Evaluation) -> Lines:
    """The first thing to read: coverage delivered, beside that planned, and goals missed."""
    plan, target = evaluation.plan, evaluation.plan.settings.target.structure
    after, before = evaluation.metrics[target], plan.metrics[target]
    told = [
        f"{target}: D90 {number(after['d90_gy'])} Gy delivered, {number(before['d90_gy'])} Gy "
        f"planned; V100 {number(after['v100_pct'])} % delivered, {number(before['v100_pct'])} % "
        "planned."
    ]
    missed = [goal for goal in evaluation.goals if not goal.met]
    told += [f"{goal.structure} {goal.metric}: {verdict(goal)}" for goal in missed]
    if missed:
        told.insert(0, f"{MISSED}: {len(missed)} of {len(evaluation.goals)} goals.")
    elif evaluation.goals:
        told.append(f"Goals: all {len(evaluation.goals)} met by what was delivered.")
    return Lines("", tuple(told), loud=bool(missed))
