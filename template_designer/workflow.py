"""The path of the data, top to bottom: a case in, a plan out.

Case -> solids -> plate -> needle paths -> seed sites -> chosen seeds -> needles -> dose -> Plan
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from dose import SeedModel, load_source
from template_designer._version import __version__
from template_designer.errors import NoSafePlanError
from template_designer.geometry.margin import expanded
from template_designer.geometry.sampling import volume_samples
from template_designer.geometry.solids import Solid
from template_designer.inputs import source_strength_u, used_names
from template_designer.model import OUTER_DIAMETER_MM, Case, Hole, HoleState, Plan, Template
from template_designer.planning.advice import plan_warnings, why_no_plan
from template_designer.planning.approach import Approach, prepare_approach
from template_designer.planning.bone import bone_in_ct, bone_in_structures, bone_names
from template_designer.planning.evaluate import (
    Seeds,
    StructureDose,
    goal_results,
    structure_metrics,
)
from template_designer.planning.goals import goals_or_default
from template_designer.planning.loading import build_problem, search_loading
from template_designer.planning.needles import BoneLength, build_needles
from template_designer.planning.pictures import plan_surfaces
from template_designer.planning.reach import reach_of_target
from template_designer.planning.structures import build_structures

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
    source, strength_u = load_source(settings.source.model), source_strength_u(settings.source)

    say("building structures")
    solids, odd = build_structures(case, used_names(settings))
    target = expanded(solids[settings.target.structure], settings.target.margin_mm)

    say("measuring needle paths")
    approach = prepare_approach(settings, case.image, solids, target, source)
    if not len(approach.sites):
        raise NoSafePlanError(why_no_plan(settings, approach))

    say("computing the dose of every seed position")
    goals = goals_or_default(settings)
    problem = build_problem(
        approach.sites,
        approach.axis,
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
    template = _template(case, approach, loading.chosen, _bone_length(case, solids, bone))

    say("computing dose and metrics")
    seeds = _seeds(template, approach.axis, source, strength_u)
    field = seeds.field(prescription_gy)
    shown = {target.name: target} | {
        n: s for n, s in solids.items() if n not in (settings.skin.structure, target.name)
    }
    doses = {name: StructureDose.of(solid, seeds) for name, solid in shown.items()}
    metrics = structure_metrics(doses, target.name, field, prescription_gy)
    results = goal_results(goals, doses, metrics, prescription_gy)
    reach = reach_of_target(
        *volume_samples(target),
        sites=approach.sites,
        points=approach.points,
        paths=approach.paths,
        frame=approach.frame,
        pitch_mm=settings.template.pitch_mm,
        skin_name=settings.skin.structure,
    )
    metrics[target.name]["reachable_pct"] = reach.reachable_pct

    say("building surfaces")
    return Plan(
        settings=settings,
        software_version=__version__,
        inputs=case.inputs,
        source_model=source.id,
        air_kerma_strength_u=strength_u,
        templates=(template,),
        metrics=metrics,
        goals=results,
        reach=reach,
        warnings=(
            *case.warnings,
            *odd,
            *plan_warnings(settings, approach, template, reach, results),
        ),
        dose=field,
        rules=approach.rules,
        surfaces=plan_surfaces(settings, solids, target, bone),
    )


def _bone_length(case: Case, solids: Mapping[str, Solid], names: tuple[str, ...]) -> BoneLength:
    if names:
        return bone_in_structures(tuple(solids[name] for name in names))
    return bone_in_ct(case.image, case.settings.bone.threshold_hu)


def _template(
    case: Case, approach: Approach, chosen: NDArray[np.int64], bone_mm: BoneLength
) -> Template:
    settings = case.settings
    needles = build_needles(
        chosen,
        approach.sites,
        approach.paths,
        approach.frame,
        needle=settings.needle,
        thickness_mm=settings.template.size_mm[2],
        rules=approach.seed_rules,
        skin=approach.skin,
        bone_mm=bone_mm,
    )
    planned = {needle.label for needle in needles}

    def state(label: str) -> HoleState:
        if label in planned:
            return HoleState.PLANNED
        return HoleState.OPEN if approach.reasons[label] is None else HoleState.BLOCKED

    return Template(
        name="T1",
        size_mm=settings.template.size_mm,
        pitch_mm=settings.template.pitch_mm,
        bore_mm=OUTER_DIAMETER_MM[settings.needle.gauge] + settings.needle.bore_allowance_mm,
        gap_mm=approach.gap_mm,
        lps_from_template=approach.frame,
        holes=tuple(
            Hole(p.label, p.x_mm, p.y_mm, state(p.label), approach.reasons[p.label])
            for p in approach.points
        ),
        needles=needles,
    )


def _seeds(
    template: Template, axis: NDArray[np.float64], source: SeedModel, strength_u: float
) -> Seeds:
    centers = np.array([s.center_lps_mm for n in template.needles for s in n.seeds])
    return Seeds(source, centers, np.broadcast_to(axis, centers.shape), strength_u)
