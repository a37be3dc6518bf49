"""One case of a series from its file to its folder: what a worker does."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exports import EXPORTERS, evaluation_json, write_plan
from exports.as_written import as_written
from exports.evaluation_files import write_evaluation
from exports.evaluation_json import EVALUATION_FILE
from exports.folders import put_files, whole_folder
from exports.rounding import rounded
from template_designer._version import __version__
from template_designer.cohort.cases import CohortCase
from template_designer.cohort.records import (
    DEFECT,
    DONE,
    GOAL_MISSED,
    error_text,
    exit_code_of,
    write_record,
)
from template_designer.errors import CaseError
from template_designer.evaluating import Delivered, evaluate
from template_designer.inputs import read_case
from template_designer.model import Plan
from template_designer.model.cohort import SERIES_METRICS, CaseOutcome
from template_designer.workflow import design

PLAN, EVALUATION = "plan", "evaluation"
"""Folders of a case that has a plan, and one of what was delivered."""

ALL, PLAN_ONLY = "all", "plan.json"
"""Which files are written: all that ``design`` and ``evaluate`` write, or the numbers alone."""

_ONE_AT_A_TIME = threading.Lock()
"""A worker with several threads still plans one case at a time: a case takes all its cores."""


@dataclass(frozen=True, slots=True)
class Job:
    """One case to do, and where its folder goes."""

    case: CohortCase
    folder: Path  # full path
    fingerprint: str
    files: str = ALL
    version: str = __version__  # of the program that asks for it


def run_case(job: Job) -> CaseOutcome:
    """Plan one case, evaluate it where there is something after the implant, write its folder.

    Whatever goes wrong with the case is recorded, also in its folder, and is no error here. The
    folder is written whole, or, where the process is killed, not at all.

    Raises
    ------
    CaseError
        If this machine runs another version of the program than the one that asks.
    OutputError
        If the folder cannot be written.
    """
    if job.version != __version__:
        raise CaseError(
            f"a worker runs version {__version__}, the command is of version {job.version}; "
            "install one version everywhere"
        )
    with _ONE_AT_A_TIME, whole_folder(job.folder, overwrite=True) as staging:
        outcome = _attempt(job, staging)
        write_record(outcome, staging)
    return outcome


def record_failure(job: Job, why: str) -> CaseOutcome:
    """Write the folder of a case that no worker could finish."""
    outcome = CaseOutcome(job.case.id, job.case.case_file.name, job.fingerprint, DEFECT, why)
    with whole_folder(job.folder, overwrite=True) as staging:
        write_record(outcome, staging)
    return outcome


def evaluate_case(
    plan: Plan, delivered: Delivered, folder: Path, files: str = ALL
) -> tuple[Mapping[str, float], int]:
    """Compare what was delivered with the plan; write the folder of the evaluation.

    Returns
    -------
    metrics : mapping
        Of the target, as the plan has them.
    seeds : int
        Seeds found.
    """
    found = evaluate(as_written(plan), delivered)
    if files == ALL:
        write_evaluation(found, folder)
    else:
        put_files(folder, {EVALUATION_FILE: evaluation_json.build(found)}, overwrite=False)
    return found.metrics[plan.settings.target.structure], len(found.seeds.numbers)


def _attempt(job: Job, staging: Path) -> CaseOutcome:
    planned = CaseOutcome(job.case.id, job.case.case_file.name, job.fingerprint, DONE)
    try:
        case = read_case(job.case.case_file)
        if case.settings.id != job.case.id:
            raise CaseError(
                f"{job.case.case_file}: the id changed from {job.case.id!r} to "
                f"{case.settings.id!r} while the series ran; start it again"
            )
        plan = design(case)
        exporters = EXPORTERS if job.files == ALL else {PLAN_ONLY: EXPORTERS[PLAN_ONLY]}
        write_plan(plan, staging / PLAN, exporters=exporters)
        planned = _planned(planned, json.loads((staging / PLAN / PLAN_ONLY).read_text("utf-8")))
        if job.case.delivered is None:
            return planned
    except Exception as error:  # one bad case never stops the rest
        shutil.rmtree(staging / PLAN, ignore_errors=True)
        return _failed(job, error)
    try:
        folder = staging / EVALUATION
        found, seeds = evaluate_case(plan, job.case.delivered, folder, job.files)
        metrics = {key: rounded(found[key], 4) for key in SERIES_METRICS}
        return replace(planned, found=metrics, found_seeds=seeds)
    except Exception as error:  # the plan stands
        shutil.rmtree(staging / EVALUATION, ignore_errors=True)
        return replace(planned, exit_code=exit_code_of(error), error=error_text(error))


def _planned(outcome: CaseOutcome, data: Mapping[str, Any]) -> CaseOutcome:
    """The outcome with the numbers of a ``plan.json``."""
    needles = [needle for template in data["templates"] for needle in template["needles"]]
    met = sum(bool(goal["met"]) for goal in data["goals"])
    target = data["metrics"][data["target"]]
    return replace(
        outcome,
        exit_code=DONE if met == len(data["goals"]) else GOAL_MISSED,
        target=data["target"],
        prescription_gy=data["prescription_gy"],
        strength_u=data["source"]["air_kerma_strength_u"],
        needles=len(needles),
        seeds=sum(len(needle["seeds"]) for needle in needles),
        goals=len(data["goals"]),
        goals_met=met,
        plan_hash=data["hash"],
        plan={key: float("nan") if target[key] is None else target[key] for key in SERIES_METRICS},
    )


def _failed(job: Job, error: Exception) -> CaseOutcome:
    return CaseOutcome(
        job.case.id,
        job.case.case_file.name,
        job.fingerprint,
        exit_code_of(error),
        error_text(error),
    )


Done = Callable[[CaseOutcome], None]
"""Called with every outcome as it comes."""

__all__ = [
    "ALL",
    "PLAN_ONLY",
    "Done",
    "Job",
    "evaluate_case",
    "record_failure",
    "run_case",
]
