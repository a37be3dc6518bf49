"""From a case to suggested entry planes, and from one of them to a case that plans it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from template_designer.errors import CaseError
from template_designer.inputs import used_names
from template_designer.model import Case, PlanWarning
from template_designer.planning.structures import build_structures, target_solid
from template_designer.planning.suggest import Suggestions, find_planes, suggest_steps

Progress = Callable[[str], None]

DIRECTIONS, TOP = 2000, 10
"""Directions scored and planes returned where nothing else is asked for."""

LEAST_DIRECTIONS, MOST_DIRECTIONS, MOST_TOP = 50, 100_000, 30


def steps(top: int = TOP, templates: int = 1) -> int:
    """Most calls of ``progress`` that :func:`suggest` makes."""
    return 1 + suggest_steps(top, templates)


def suggest(
    case: Case,
    *,
    directions: int = DIRECTIONS,
    top: int = TOP,
    templates: int = 1,
    progress: Progress | None = None,
) -> Suggestions:
    """Entry planes for a case, or pairs of them, best first.

    Parameters
    ----------
    case : Case
        What :func:`template_designer.read_case` returned; its own entry is compared, not used.
    directions : int
        Directions within the limits of ``[suggest]`` to score, at least; 50 to 100,000.
    top : int
        Most planes (or pairs) to return, 1 to 30.
    templates : int
        1: single planes; 2: pairs for two plates used together.
    progress : callable, optional
        Called with one short line before each step.

    Raises
    ------
    CaseError
        If a number is out of range, or the case cannot be planned as it is stated.
    NoSafePlanError
        If no plane within the limits lets a seed into the target.
    """
    check_numbers(directions=directions, top=top, templates=templates)
    say = progress or (lambda text: None)
    say("building structures")
    solids, _ = build_structures(case, used_names(case.settings))
    return find_planes(
        case.settings,
        case.image,
        solids,
        target_solid(case.settings, solids),
        case.source.model,
        directions=directions,
        top=top,
        templates=templates,
        progress=say,
    )


def check_numbers(*, directions: int, top: int, templates: int, apply: int | None = None) -> None:
    """Refuse numbers out of range, before anything is read.

    Raises
    ------
    CaseError
        With the option that is wrong.
    """
    for name, value, least, most in (
        ("--directions", directions, LEAST_DIRECTIONS, MOST_DIRECTIONS),
        ("--top", top, 1, MOST_TOP),
        ("--templates", templates, 1, 2),
        ("--apply", 1 if apply is None else apply, 1, top),
    ):
        if not least <= value <= most:
            raise CaseError(f"{name} {value}: choose {least} to {most}")


def with_suggestion(case: Case, found: Suggestions, number: int) -> Case:
    """The case with the entry tables of rank ``number`` (from 1) in place of its own.

    Raises
    ------
    CaseError
        If there is no such rank, or the case names holes of its own plate.
    """
    if not 1 <= number <= len(found):
        raise CaseError(f"--apply {number}: there are {len(found)} suggestions, 1 to {len(found)}")
    if case.settings.loading.forbid or case.settings.loading.load:
        raise CaseError(
            f"--apply {number}: [loading] forbid and load name holes of the case's own plate, "
            "which the suggestion replaces; leave them out of the case"
        )
    entries = found.entries(number)
    tables = "; ".join(
        f"point_lps = {list(entry.point_lps)}, direction_lps = {list(entry.direction_lps)}, "
        f"up_lps = {list(entry.up_lps)}"
        for entry in entries
    )
    told = PlanWarning(
        "entry-suggested",
        f"Suggestion {number} of {len(found)} stands in place of the case file's entry: {tables}.",
    )
    return replace(
        case,
        settings=case.settings.model_copy(update={"entry": entries}),
        warnings=(*case.warnings, told),
    )
