"""The path of the data, top to bottom: a case in, a plan out.

Case -> solids -> plate -> needle paths -> seed sites -> chosen seeds -> needles -> dose -> Plan
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from template_designer._version import __version__
from template_designer.errors import NoSafePlanError
from template_designer.inputs import used_names
from template_designer.model import BiologyResult, Case, CaseSettings, Plan, PlanWarning
from template_designer.model.earlier import EarlierPlan
from template_designer.model.loading_report import LoadingReport
from template_designer.model.steering import Steering
from template_designer.planning.advice import plan_warnings, why_no_plan
from template_designer.planning.approach import Approach, needle_rules, prepare_approach
from template_designer.planning.biology import biology_results
from template_designer.planning.bone import bone_names, bone_on_way
from template_designer.planning.delivery import deliver, delivery_warnings
from template_designer.planning.dvh import dvh_curves
from template_designer.planning.evaluate import (
    Seeds,
    StructureDose,
    goal_results,
    structure_doses,
    structure_metrics,
)
from template_designer.planning.goals import goals_or_default
from template_designer.planning.loading import LoadedSites, LoadingStatement, Locks, load_sites
from template_designer.planning.loading.causes import goal_causes
from template_designer.planning.loading.wishes import steered_loading, with_limits
from template_designer.planning.loading_report import report_loading, textbook_patterns
from template_designer.planning.pictures import plan_surfaces
from template_designer.planning.reach import largest_v100_pct, reach_of_target
from template_designer.planning.structures import build_structures, target_solid
from template_designer.planning.suggest import refine_entries
from template_designer.planning.supplement import days_after
from template_designer.planning.template import build_template
from template_designer.planning.together import join_sites

Progress = Callable[[str], None]
STEPS = 5
"""Calls of ``progress`` that :func:`design` makes."""


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """Everything a case decides before needles and seeds are chosen."""

    case: Case
    settings: CaseSettings  # of the case, its entry planes refined where it asks for that
    approaches: tuple[Approach, ...]  # one a plate
    loading: LoadingStatement
    warnings: tuple[PlanWarning, ...]
    steering: Steering | None = None  # what was held, closed or set by hand
    locks: Locks | None = None  # what that means for the search

    @property
    def plate_names(self) -> tuple[str, ...]:
        """T1, T2, ..."""
        return tuple(f"T{number}" for number in range(1, len(self.approaches) + 1))


@dataclass(frozen=True, slots=True, eq=False)
class Designed:
    """A plan, and what it was made of: for curves and explanations."""

    plan: Plan
    prepared: Preparation
    found: LoadedSites


def design(
    case: Case,
    progress: Progress | None = None,
    *,
    steering: Steering | None = None,
    earlier: EarlierPlan | None = None,
) -> Plan:
    """Plan one case: lay out the plate, choose needles and seeds, compute the dose.

    Parameters
    ----------
    case : Case
        What :func:`template_designer.read_case` returned.
    progress : callable, optional
        Called with one short line before each of :data:`STEPS` steps.
    steering : Steering, optional
        Holes to hold, to leave empty or to load by hand, and limits.
    earlier : EarlierPlan, optional
        The plan to start from; see :func:`template_designer.inputs.earlier_plan.read_earlier_plan`.

    Returns
    -------
    Plan
        Every hard rule holds; ``plan.goals`` says which goals are met.

    Raises
    ------
    CaseError, GeometryError
        If the case cannot be planned as it is stated, or steered as it is asked for.
    NoSafePlanError
        If no hole takes a needle; the text says why.
    """
    return design_parts(case, progress, steering=steering, earlier=earlier).plan


def design_parts(
    case: Case,
    progress: Progress | None = None,
    *,
    steering: Steering | None = None,
    earlier: EarlierPlan | None = None,
) -> Designed:
    """As :func:`design`, with what the plan was made of."""
    say = progress or (lambda text: None)
    prepared = prepare(case, say, steering=steering, earlier=earlier)
    say("choosing needles and seeds")
    patterns = textbook_patterns(prepared.loading, prepared.approaches)
    found = load_sites(prepared.loading, locks=prepared.locks, starts=tuple(patterns.values()))
    return Designed(finish(prepared, found, say), prepared, found)


def prepare(
    case: Case,
    progress: Progress | None = None,
    *,
    steering: Steering | None = None,
    earlier: EarlierPlan | None = None,
) -> Preparation:
    """Structures, plates, needle paths and permitted seed positions of a case."""
    steering = steering or Steering()
    prepared = lay_out(case, with_limits(case.settings, steering), progress)
    refuse_blocked(prepared)
    return steered_preparation(prepared, steering, earlier)


def lay_out(case: Case, settings: CaseSettings, progress: Progress | None = None) -> Preparation:
    """As :func:`prepare`, before anything is asked for, even where every hole is blocked.

    ``settings`` are those of the case, or the same with other limits or entry planes.
    """
    say = progress or (lambda text: None)
    say("building structures")
    solids, odd = build_structures(case, used_names(settings))
    target, source = target_solid(settings, solids), case.source.model

    say("measuring needle paths")
    settings, refined = refine_entries(settings, case.image, solids, target, source)
    approaches = tuple(
        prepare_approach(settings, entry, case.image, solids, target, source)
        for entry in settings.entry
    )
    goals = goals_or_default(settings, solids)
    joined = join_sites(approaches, settings.template.pitch_mm)
    statement = LoadingStatement(settings, case.source, joined, target, goals, solids)
    return Preparation(case, settings, approaches, statement, (*case.warnings, *odd, *refined))


def refuse_blocked(prepared: Preparation) -> None:
    """Refuse a plate without a permitted seed position.

    Raises
    ------
    NoSafePlanError
        With the reason.
    """
    for name, approach in zip(prepared.plate_names, prepared.approaches, strict=True):
        if not len(approach.sites):
            raise NoSafePlanError(why_no_plan(prepared.settings, approach, name))


def steered_preparation(
    prepared: Preparation, steering: Steering, earlier: EarlierPlan | None = None
) -> Preparation:
    """A preparation with what is held, closed or set by hand, and the plan to start from.

    Raises
    ------
    CaseError
        If a wish cannot be kept.
    """
    steered = steered_loading(
        prepared.loading,
        prepared.approaches,
        prepared.plate_names,
        prepared.case.inputs,
        steering,
        earlier,
    )
    return replace(
        prepared,
        loading=steered.statement,
        warnings=(*prepared.warnings, *steered.warnings),
        steering=steered.steering,
        locks=steered.locks,
    )


def finish(prepared: Preparation, found: LoadedSites, progress: Progress | None = None) -> Plan:
    """The plan of a case and the sites that were chosen: needles, dose, metrics, warnings."""
    say = progress or (lambda text: None)
    case, settings, approaches = prepared.case, prepared.settings, prepared.approaches
    solids, target = prepared.loading.solids, prepared.loading.target
    prescription_gy, chosen = settings.prescription.dose_gy, found.loading.chosen
    if not chosen.size:
        raise NoSafePlanError(
            f"no plan: with the goals of case {settings.id!r} every seed does more harm than "
            "good; loosen the limits on organs or the [loading] limits"
        )
    bone = bone_names(settings.bone.patterns, tuple(solids))
    on_way = bone_on_way(case.image, solids, bone, settings.bone)
    templates = tuple(
        build_template(
            settings, approach, prepared.loading.joined.of_plate(chosen, n), on_way, name
        )
        for n, (name, approach) in enumerate(zip(prepared.plate_names, approaches, strict=True))
    )
    delivery = deliver(settings, templates, found.source.model)

    say("computing dose and metrics")
    before = prepared.loading.earlier
    seeds = Seeds.of(templates, found.source.model, found.source.air_kerma_strength_u, before)
    field = seeds.field(prescription_gy)
    most_v100_pct = largest_v100_pct(found.problem, settings.loading)
    reach = reach_of_target(target, approaches, settings, most_v100_pct)
    doses = structure_doses(settings, solids, target, seeds)
    metrics = structure_metrics(settings, doses, target.name, field, reach)
    results = goal_results(prepared.loading.goals, doses, metrics, prescription_gy)
    report: LoadingReport | None = None
    odd_number: tuple[PlanWarning, ...] = ()
    causes: dict[int, str] = {}
    if before is None:  # bounds, patterns and causes are of implants that stand alone
        report, odd_number = report_loading(
            prepared.loading, approaches, found, metrics[target.name]["v100_pct"]
        )
        causes = goal_causes(prepared.loading, found, results, reach, case.image, prepared.locks)

    say("building surfaces")
    return Plan(
        settings=settings,
        software_version=__version__,
        inputs=case.inputs,
        source=found.source,
        templates=templates,
        metrics=metrics,
        goals=results,
        reach=reach,
        warnings=(
            *prepared.warnings,
            *plan_warnings(settings, approaches, templates, solids, reach, results, causes),
            *delivery_warnings(settings, templates, delivery),
            *odd_number,
        ),
        dose=field,
        rules=needle_rules(settings),
        surfaces=plan_surfaces(settings, solids, target, bone, approaches),
        biology=_biology(prepared, found, doses, metrics),
        delivery=delivery,
        loading=report,
        steering=prepared.steering,
        image=case.image.reference,
        rois=case.rois,
        ct=case.image,
        earlier_seeds=before,
        dvh=dvh_curves(settings, doses, target.name, results),
    )


def _biology(
    prepared: Preparation,
    found: LoadedSites,
    doses: Mapping[str, StructureDose],
    metrics: Mapping[str, Mapping[str, float]],
) -> tuple[BiologyResult, ...]:
    """Tissue models; of a supplement with the dose of the earlier seeds as long as it runs."""
    settings, loading, source = prepared.settings, prepared.loading, found.source
    if loading.earlier is None or not settings.biology:
        return biology_results(settings, source.model, doses, metrics)
    alone = structure_doses(
        settings, loading.solids, loading.target, Seeds.of_earlier(loading.earlier, source.model)
    )
    days = days_after(loading.earlier, source)
    return biology_results(
        settings, source.model, doses, metrics, earlier=alone, days_after=days or 0.0
    )
