"""A supplement: seeds that lie in the patient already stay, and the fewest others are added."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from template_designer.model import Case, Reach
from template_designer.model.earlier_seeds import EarlierImplant
from template_designer.model.steering import Steering
from template_designer.planning.evaluate import (
    Seeds,
    goal_results,
    structure_doses,
    structure_metrics,
)
from template_designer.planning.loading import load_sites
from template_designer.planning.supplement import (
    beside_earlier,
    check_needed,
    free_sites,
    supplement_warnings,
)
from template_designer.workflow import Designed, Preparation, finish, prepare


def supplement(
    case: Case,
    implant: EarlierImplant,
    progress: Callable[[str], None] | None = None,
    *,
    steering: Steering | None = None,
) -> Designed:
    """Plan the fewest seeds that restore the goals beside those of an earlier implant.

    Parameters
    ----------
    case : Case
        That of the preplan, or another entry plane, or one on the CT of the later day.
    implant : EarlierImplant
        As :func:`template_designer.inputs.earlier_seeds.read_earlier_implant` gives it.
    progress : callable, optional
        Called with one short line before each of ``workflow.STEPS`` steps.
    steering : Steering, optional
        Holes to leave empty or to load by hand, and limits.

    Raises
    ------
    CaseError
        If what was delivered meets every goal, or no free place is left.
    NoSafePlanError
        If no hole takes a needle.
    """
    say = progress or (lambda text: None)
    prepared = supplementing(prepare(case, say, steering=steering), implant)
    say("choosing needles and seeds")
    found = load_sites(prepared.loading, locks=prepared.locks)
    return Designed(finish(prepared, found, say), prepared, found)


def supplementing(prepared: Preparation, implant: EarlierImplant) -> Preparation:
    """A preparation in which earlier seeds count, and their places are taken.

    Raises
    ------
    CaseError
        If what was delivered meets every goal, or no free place is left.
    """
    loading, settings, source = prepared.loading, prepared.settings, prepared.case.source.model
    judged = {
        goal.structure: loading.solids[goal.structure]
        for goal in loading.goals
        if goal.structure != loading.target.name
    }
    delivered = Seeds.of_earlier(implant.seeds, source)
    doses = structure_doses(settings, judged, loading.target, delivered)
    field = delivered.field(settings.prescription.dose_gy)
    reach = Reach(math.nan, {})  # of no plate: these seeds are there
    metrics = structure_metrics(settings, doses, loading.target.name, field, reach)
    check_needed(
        goal_results(loading.goals, doses, metrics, settings.prescription.dose_gy), implant.where
    )
    free = free_sites(loading.joined, implant, source.capsule_mm[0], settings.template.pitch_mm)
    return replace(
        prepared,
        loading=replace(loading, earlier=implant.seeds),
        locks=beside_earlier(prepared.locks, free, implant.where),
        warnings=(*prepared.warnings, *supplement_warnings(implant, prepared.case.source)),
    )
