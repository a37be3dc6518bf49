"""The path of an evaluation, top to bottom: a plan and what was found in, both side by side out.

Seeds and structures of the day -> registration -> the preplan's frame -> which seed is which ->
dose, metrics, goals -> cold spots, errors of needles, loss of D90 -> Evaluation
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

import numpy as np

from template_designer._version import __version__
from template_designer.errors import CaseError
from template_designer.geometry.solids import Solid
from template_designer.inputs import used_names
from template_designer.model import Case, CaseSettings, ImageVolume, Plan, PlanWarning, RoiSet
from template_designer.model.evaluation import (
    AxisKind,
    DeliveredSeeds,
    Evaluation,
    SeedMatch,
    StructuresOfDay,
)
from template_designer.model.seed_set import SeedSet
from template_designer.planning.biology import biology_results
from template_designer.planning.dvh import dvh_curves
from template_designer.planning.evaluate import (
    Seeds,
    goal_results,
    structure_doses,
    structure_metrics,
)
from template_designer.planning.goals import goals_or_default
from template_designer.planning.structures import build_structures, target_solid
from template_designer.postplan.cold_spots import cold_spots
from template_designer.postplan.day import settings_of_day, surfaces_of_day
from template_designer.postplan.delivered_dose import DeliveredDose
from template_designer.postplan.loss import loss_of_d90
from template_designer.postplan.matching import match_seeds
from template_designer.postplan.needle_errors import accuracy, needle_errors
from template_designer.postplan.reading import Delivered, LaterImplant, on_preplan, read_later
from template_designer.postplan.strength import day_of_implant

__all__ = ["STEPS", "Delivered", "evaluate"]

Progress = Callable[[str], None]
STEPS = 5
"""Calls of ``progress`` that :func:`evaluate` makes."""


def evaluate(plan: Plan, delivered: Delivered, progress: Progress | None = None) -> Evaluation:
    """What was delivered, beside what was planned.

    Parameters
    ----------
    plan : Plan
        With its CT and structures, as ``exports.again.read_plan`` gives it with the case.
    delivered : Delivered
        What to read.
    progress : callable, optional
        Called with one short line before each of :data:`STEPS` steps.

    Returns
    -------
    Evaluation
        Everything in the frame of the preplan (LPS, mm).

    Raises
    ------
    CaseError, InputError
        If a file cannot be read, is not of this patient or this implant, or cannot be brought into
        the frame of the preplan; the text says which and what to do.
    """
    say = progress or (lambda text: None)
    ct, rois = plan.ct, plan.rois
    if ct is None or rois is None:
        raise CaseError("the plan was read without its case; name it (--case CASE.toml)")

    say("reading seeds and structures")
    implanted = day_of_implant(plan.source, delivered.implanted)
    read = read_later(plan, ct, delivered, implanted)

    say("registering")
    day = on_preplan(plan, ct, delivered, read)

    say("finding out which seed is which")
    matches = match_seeds(plan.templates, day.seeds.centers_lps_mm)
    if not any(m.hole and m.found is not None for m in matches):
        raise CaseError(
            f"{delivered.seeds}: no seed lies near a planned one; is it another implant, or "
            "another frame? Register the day (--registration)"
        )
    return _judged(plan, day, matches, implanted, say)


def _judged(
    plan: Plan,
    day: LaterImplant,
    matches: tuple[SeedMatch, ...],
    implanted: datetime.date | None,
    say: Progress,
) -> Evaluation:
    """Dose, metrics and causes of what was brought into the frame of the preplan."""
    ct, rois = plan.ct, plan.rois
    assert ct is not None
    assert rois is not None
    say("computing dose and metrics")
    seeds = _delivered_seeds(plan, day.seeds, matches)
    needles, parts = needle_errors(plan.templates, matches)
    settings, missing, case = _case_of_day(plan, ct, rois, day)
    solids, odd = build_structures(case, _used(settings, case.rois))
    target = target_solid(settings, solids)
    goals = goals_or_default(settings, solids) if settings.goal or not plan.settings.goal else ()
    dose = DeliveredDose(seeds)
    field = dose.field(plan.prescription_gy)
    doses = structure_doses(settings, solids, target, dose)
    metrics = structure_metrics(settings, doses, target.name, field, plan.reach)
    del metrics[target.name]["reachable_pct"]  # a matter of the plate, not of what was delivered
    results = goal_results(goals, doses, metrics, plan.prescription_gy)

    say("looking for cold spots and causes")
    before = target if day.rois is None else _planned_target(plan, ct, rois)
    planned = Seeds.of(plan.templates, plan.source.model, plan.air_kerma_strength_u)
    built = odd if day.rois is not None else ()  # of the preplan's the plan has told
    return Evaluation(
        plan=plan,
        software_version=__version__,
        inputs=(*plan.inputs, *day.inputs),
        implanted=implanted,
        registration=day.registration,
        structures=StructuresOfDay(day.rois is None, missing, day.image or ct, case.rois),
        seeds=seeds,
        matches=matches,
        needles=needles,
        accuracy=accuracy(needles, matches),
        metrics=metrics,
        goals=results,
        biology=biology_results(settings, plan.source.model, doses, metrics),
        dose=field,
        dvh=dvh_curves(settings, doses, target.name, results),
        planned_dvh=plan.dvh,
        cold_spots=cold_spots(target, dose.dose_gy, plan.prescription_gy),
        loss=loss_of_d90(planned, seeds, matches, parts, before, target),
        surfaces=surfaces_of_day(settings, solids, target),
        warnings=(*day.warnings, *_notes(seeds, day, missing), *built),
    )


def _delivered_seeds(plan: Plan, found: SeedSet, matches: tuple[SeedMatch, ...]) -> DeliveredSeeds:
    """Seeds with an axis each: their own, else that of the needle they came through."""
    needle_axis = {t.name: np.asarray(t.lps_from_template)[:3, 2] for t in plan.templates}
    axes = found.axes_lps.copy()
    kinds = [AxisKind.STATED if known else AxisKind.NONE for known in found.axis_known]
    axes[~found.axis_known] = needle_axis[plan.templates[0].name]
    for match in matches:
        if match.found is not None and match.template and kinds[match.found] is AxisKind.NONE:
            kinds[match.found] = AxisKind.NEEDLE
            axes[match.found] = needle_axis[match.template]
    return DeliveredSeeds(
        plan.source.model,
        found.channels,
        found.centers_lps_mm,
        axes,
        tuple(kinds),
        found.strength_u,
    )


def _case_of_day(
    plan: Plan, ct: ImageVolume, rois: RoiSet, day: LaterImplant
) -> tuple[CaseSettings, tuple[str, ...], Case]:
    """What the delivered dose is judged by; where nothing was drawn, as the plan was."""
    if day.rois is None or day.image is None:
        return plan.settings, (), Case(plan.settings, ct, rois, plan.source, ())
    settings, missing = settings_of_day(plan.settings, day.rois.names)
    return settings, missing, Case(settings, day.image, day.rois, plan.source, ())


def _used(settings: CaseSettings, rois: RoiSet) -> tuple[str, ...]:
    """Structures that must be built; a skin that nobody drew is none of them."""
    made = {table.name for table in settings.structure}
    skin = settings.skin.structure
    known = {*rois.names, *made}
    return tuple(name for name in used_names(settings) if name != skin or name in known)


def _planned_target(plan: Plan, ct: ImageVolume, rois: RoiSet) -> Solid:
    """The target that was planned on."""
    case = Case(plan.settings, ct, rois, plan.source, ())
    solids, _ = build_structures(case, used_names(plan.settings))
    return target_solid(plan.settings, solids)


def _notes(
    seeds: DeliveredSeeds, day: LaterImplant, missing: tuple[str, ...]
) -> tuple[PlanWarning, ...]:
    """What the reader must know about what the numbers rest on."""
    notes = []
    if day.rois is None:
        text = (
            "No structures of that day were named (--structures): doses are those in the "
            "structures of the preplan, as if nothing had moved or swollen."
        )
        notes.append(PlanWarning("structures-of-preplan", text))
    if missing:
        text = f"Not drawn on that day: {', '.join(missing)}. Nothing is said of them."
        notes.append(PlanWarning("structure-not-drawn", text))
    counts = {kind: seeds.axis_kinds.count(kind) for kind in AxisKind}
    if counts[AxisKind.STATED] < len(seeds.numbers):
        text = (
            f"Axes of seeds: {counts[AxisKind.STATED]} stated, {counts[AxisKind.NEEDLE]} taken "
            f"from the planned needle, {counts[AxisKind.NONE]} not known (1D formalism)."
        )
        notes.append(PlanWarning("axes-assumed", text))
    return tuple(notes)
