"""Placement errors of a plan that was written earlier, from its ``plan.json`` and its case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from template_designer.errors import InputError
from template_designer.inputs import read_case
from template_designer.inputs.plan_file import refuse_supplement
from template_designer.model import GoalResult
from template_designer.model.robust import RobustResult
from template_designer.planning.approach import needle_rules
from template_designer.planning.placement import NeedleGroup
from template_designer.planning.robust import Patient, robustness
from template_designer.planning.structures import build_structures, target_solid

Progress = Callable[[str], None]


def robustness_of_folder(
    folder: Path, case_file: Path, scenarios: int, progress: Progress | None = None
) -> tuple[str, RobustResult]:
    """Plan id, and what placement errors do to the needles and seeds that ``plan.json`` lists.

    Parameters
    ----------
    folder : Path
        Folder that a plan was written to.
    case_file : Path
        Its case: structures, rules and ``[robust]`` come from there.
    scenarios : int
        1 to 100,000.
    progress : callable, optional
        Called with one short line before each step.

    Raises
    ------
    InputError
        If ``plan.json`` cannot be read, or is not the plan of that case.
    """
    data = _plan_data(folder / "plan.json")
    refuse_supplement(folder, is_one=data.get("earlier_seeds") is not None)
    case = read_case(case_file, progress)
    settings = case.settings
    try:
        plan_id, model = data["id"], data["source"]["model"]
        strength_u = float(data["source"]["air_kerma_strength_u"])
        groups = [NeedleGroup.from_plan_json(template) for template in data["templates"]]
        goals = [_goal(item) for item in data["goals"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / 'plan.json'} lacks or misstates {error}; run 'check' without --robust"
        ) from error
    if (plan_id, model) != (settings.id, case.source.model.id):
        raise InputError(
            f"{folder / 'plan.json'} is the plan of {plan_id!r} with {model!r}, and {case_file} "
            f"states {settings.id!r} with {case.source.model.id!r}; name the plan's own case"
        )
    rules = needle_rules(settings)
    names = {settings.target.structure, *(rule.structure for rule in rules)}
    solids, _ = build_structures(case, names)
    patient = Patient(
        target_solid(settings, solids), solids, rules, settings.prescription.dose_gy, goals
    )
    result = robustness(
        groups,
        patient,
        source=case.source.model,
        strength_u=strength_u,
        settings=settings.robust,
        scenarios=scenarios,
        progress=progress,
    )
    return plan_id, result


def _plan_data(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; name a plan's folder"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no plan")
    return data


def _goal(item: dict[str, Any]) -> GoalResult:
    is_minimum = "at_least" in item
    limit = float(item["at_least" if is_minimum else "at_most"])
    value = float(item["value"])
    return GoalResult(
        item["structure"], item["metric"], limit, item["unit"], is_minimum, value, bool(item["met"])
    )
