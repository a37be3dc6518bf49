"""The path of the data, top to bottom: a case in, a plan out.

Case -> solids -> plate -> needle paths -> seed sites -> chosen seeds -> needles -> dose -> Plan
"""

from __future__ import annotations

from collections.abc import Callable

from template_designer._version import __version__
from template_designer.errors import NoSafePlanError
from template_designer.inputs import used_names
from template_designer.model import Case, Plan
from template_designer.planning.advice import plan_warnings, why_no_plan
from template_designer.planning.approach import needle_rules, prepare_approach
from template_designer.planning.biology import biology_results
from template_designer.planning.bone import bone_names, bone_on_way
from template_designer.planning.evaluate import (
    Seeds,
    goal_results,
    structure_doses,
    structure_metrics,
)
from template_designer.planning.goals import goals_or_default
from template_designer.planning.loading import build_problem, search_loading
from template_designer.planning.pictures import plan_surfaces
from template_designer.planning.reach import largest_v100_pct, reach_of_target
from template_designer.planning.structures import build_structures, target_solid
from template_designer.planning.suggest import refine_entries
from template_designer.planning.template import build_template
from template_designer.planning.together import join_sites

Progress = Callable[[str], None]
STEPS = 6
"""Calls of ``progress`` that :func:`design` makes."""


def design(case: Case, progress: Progress | None = None) -> Plan:
    """Plan one case: lay out the plate, choose needles and seeds, compute the dose.

    Parameters
    ----------
    case : Case
        What :func:`template_designer.read_case` returned.
    progress : callable, optional
        Called with one short line before each of :data:`STEPS` steps.

    Returns
    -------
    Plan
        Every hard rule holds; ``plan.goals`` says which goals are met.

    Raises
    ------
    CaseError, GeometryError
        If the case cannot be planned as it is stated.
    NoSafePlanError
        If no hole takes a needle; the text says why.
    """
    say = progress or (lambda text: None)
    settings, prescription_gy = case.settings, case.settings.prescription.dose_gy
    source, strength_u = case.source.model, case.source.air_kerma_strength_u
    names = tuple(f"T{number}" for number in range(1, len(settings.entry) + 1))

    say("building structures")
    solids, odd = build_structures(case, used_names(settings))
    target = target_solid(settings, solids)

    say("measuring needle paths")
    settings, refined = refine_entries(settings, case.image, solids, target, source)
    approaches = [
        prepare_approach(settings, entry, case.image, solids, target, source)
        for entry in settings.entry
    ]
    for name, approach in zip(names, approaches, strict=True):
        if not len(approach.sites):
            raise NoSafePlanError(why_no_plan(settings, approach, name))

    say("computing the dose of every seed position")
    goals = goals_or_default(settings, solids)
    joined = join_sites(approaches, settings.template.pitch_mm)
    problem = build_problem(
        joined.sites,
        joined.axes_lps,
        clash=joined.clash,
        source=source,
        strength_u=strength_u,
        prescription_gy=prescription_gy,
        target=target,
        goals=goals,
        solids=solids,
    )
    say("choosing needles and seeds")
    loading = search_loading(problem, settings.loading, prescription_gy)
    if not loading.chosen.size:
        raise NoSafePlanError(
            f"no plan: with the goals of case {settings.id!r} every seed does more harm than "
            "good; loosen the limits on organs or the [loading] limits"
        )
    bone = bone_names(settings.bone.patterns, tuple(solids))
    on_way = bone_on_way(case.image, solids, bone, settings.bone)
    templates = tuple(
        build_template(settings, approach, joined.of_plate(loading.chosen, n), on_way, names[n])
        for n, approach in enumerate(approaches)
    )
    say("computing dose and metrics")
    seeds = Seeds.of(templates, source, strength_u)
    field = seeds.field(prescription_gy)
    most_v100_pct = largest_v100_pct(problem, settings.loading, prescription_gy)
    reach = reach_of_target(target, approaches, settings, most_v100_pct)
    doses = structure_doses(settings, solids, target, seeds)
    metrics = structure_metrics(settings, doses, target.name, field, reach)
    results = goal_results(goals, doses, metrics, prescription_gy)

    say("building surfaces")
    return Plan(
        settings=settings,
        software_version=__version__,
        inputs=case.inputs,
        source=case.source,
        templates=templates,
        metrics=metrics,
        goals=results,
        reach=reach,
        warnings=(
            *case.warnings,
            *odd,
            *refined,
            *plan_warnings(settings, approaches, templates, solids, reach, results),
        ),
        dose=field,
        rules=needle_rules(settings),
        surfaces=plan_surfaces(settings, solids, target, bone, approaches),
        biology=biology_results(settings, source, doses, metrics),
    )
