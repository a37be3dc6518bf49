"""A plan with the numbers of its ``plan.json``: every other file is made of these."""

from __future__ import annotations

import json
from dataclasses import replace

from exports import plan_json
from template_designer.inputs.plan_file import parse_plan
from template_designer.model import Plan, Template


def as_written(plan: Plan) -> Plan:
    """The plan with positions, depths and clearances as ``plan.json`` states them.

    ``plan.json`` rounds lengths to 0.1 micrometre, clearances downwards. A table or a plate made of
    the numbers before that could differ in its last digit from one made of the file later. Names,
    settings, dose, surfaces and images stay as they are.
    """
    read = parse_plan(json.loads(plan_json.build(plan)), lambda _: plan.source.model.capsule_mm[0])
    templates = tuple(
        _with_numbers(before, after)
        for before, after in zip(plan.templates, read.templates, strict=True)
    )
    return replace(
        plan,
        templates=templates,
        metrics=read.metrics,
        goals=read.goals,
        reach=read.reach,
        biology=read.biology,
        robust=read.robust,
        delivery=read.delivery,
        loading=read.loading,
    )


def _with_numbers(before: Template, after: Template) -> Template:
    return replace(
        before,
        bore_mm=after.bore_mm,
        gap_mm=after.gap_mm,
        holes=after.holes,
        needles=after.needles,
    )
