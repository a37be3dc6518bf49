"""Sessions from what is on disk: a case, or a plan that was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from template_designer.errors import InputError
from template_designer.inputs import read_case
from template_designer.inputs.earlier_plan import read_earlier_plan
from template_designer.inputs.hashing import sha256_of
from template_designer.inputs.plan_file import (
    PLAN_FILE,
    PlanFile,
    read_plan_file,
    refuse_supplement,
)
from template_designer.model.steering import Steering
from template_designer.page.session import PlanningSession
from template_designer.workflow import lay_out

STEPS = 2
"""Calls of ``progress`` beyond those of ``read_case``."""

Progress = Callable[[str], None]


def open_case(case_file: Path, progress: Progress | None = None) -> PlanningSession:
    """A session on a case: plates and holes, nothing planned yet."""
    case = read_case(case_file, progress)
    return PlanningSession(lay_out(case, case.settings, progress))


def open_plan(
    folder: Path, case_file: Path | None = None, progress: Progress | None = None
) -> PlanningSession:
    """A session on a written plan.

    Parameters
    ----------
    folder : Path
        Where the plan was written to.
    case_file : Path, optional
        The plan's own case; without it one with the right fingerprint is looked for in the working
        folder, in the plan's and in the two above it.

    Raises
    ------
    InputError
        If there is no plan, it is a supplement, or its case is not found or was changed.
    """
    read = read_plan_file(folder, lambda _: 0.0)  # strands, and so their capsules, are not used
    refuse_supplement(folder, is_one=read.earlier_seeds is not None)
    folder = folder if folder.is_dir() else folder.parent
    found = case_file or find_case(folder, read)
    case = read_case(found, progress)
    if {item.sha256 for item in case.inputs} != {item.sha256 for item in read.inputs}:
        raise InputError(
            f"{found} is not the case of the plan in {folder}, or a file of it was changed since; "
            "name the plan's own case with --case, or plan this one"
        )
    # the plan's own planes, as they were refined or moved; limits of the case, not of its steering
    entries = tuple(entry.model_copy(update={"refine": False}) for entry in read.settings.entry)
    settings = read.settings.model_copy(update={"loading": case.settings.loading, "entry": entries})
    laid_out = lay_out(replace(case, settings=settings), settings, progress)
    return PlanningSession(
        laid_out,
        steering=_wishes(read),
        origin=read_earlier_plan(folder, case),
        folder=folder.absolute(),
    )


def find_case(folder: Path, read: PlanFile) -> Path:
    """The case file that ``plan.json`` names, where one with its fingerprint lies near.

    Raises
    ------
    InputError
        If there is none.
    """
    full = folder.absolute()
    stated = next(iter(read.inputs), None)
    if stated is not None:
        for base in (Path.cwd(), full, *full.parents[:2]):
            path = base / stated.path
            if path.is_file() and sha256_of(path) == stated.sha256:
                return path
    name = "its case" if stated is None else repr(stated.path)
    raise InputError(
        f"{folder / PLAN_FILE}: {name} is not at hand as it was planned; name it with --case"
    )


def _wishes(read: PlanFile) -> Steering:
    """Whole holes that were held, closed or set by hand; single seeds are free again."""
    steering = read.steering or Steering()
    return replace(
        steering,
        lock=tuple(place for place in steering.lock if place.seed is None),
        forbid=tuple(place for place in steering.forbid if place.seed is None),
        origin=None,
    )
