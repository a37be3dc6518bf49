"""The plan that a new one starts from, read from where it was written to."""

from __future__ import annotations

from pathlib import Path

from template_designer.errors import InputError
from template_designer.inputs.plan_file import read_plan_file, refuse_supplement
from template_designer.model import Case
from template_designer.model.earlier import EarlierPlan


def read_earlier_plan(path: Path, case: Case) -> EarlierPlan:
    """Read ``plan.json``, or the one in a folder, as a plan to start from.

    Raises
    ------
    InputError
        If it cannot be read, was changed since it was written, is the plan of another case or a
        supplement.
    """
    read = read_plan_file(path, lambda _: case.source.model.capsule_mm[0])
    refuse_supplement(path, is_one=read.earlier_seeds is not None)
    if read.settings.id != case.settings.id:
        raise InputError(
            f"--from {path}: it is the plan of case {read.settings.id!r}, not of "
            f"{case.settings.id!r}; name a plan of this case"
        )
    return EarlierPlan(
        where=str(path),
        sha256=read.sha256,
        case_id=read.settings.id,
        inputs=read.inputs,
        templates=read.templates,
        air_kerma_strength_u=read.air_kerma_strength_u,
    )
