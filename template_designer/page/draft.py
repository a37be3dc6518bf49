"""What a loading is worth, quickly: needles, dose, metrics and goals as the finished plan has them.

The numbers are those of :func:`template_designer.workflow.finish`, made by the same functions; the
bound, the patterns, the errors of clearances and the advice are left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dose import DoseField, DoseGrid
from template_designer._version import __version__
from template_designer.model import (
    CaseSettings,
    DvhCurve,
    GoalResult,
    Needle,
    Plan,
    Reach,
    SeedSource,
    Template,
)
from template_designer.planning.approach import Approach, needle_rules
from template_designer.planning.bone import bone_names, bone_on_way
from template_designer.planning.dvh import dvh_curves, judged_structures
from template_designer.planning.evaluate import (
    Seeds,
    goal_results,
    structure_doses,
    structure_metrics,
)
from template_designer.planning.needles import build_needles
from template_designer.planning.pictures import plan_surfaces
from template_designer.planning.reach import reach_of_target
from template_designer.planning.template import plate_with
from template_designer.workflow import Preparation

LOWEST_ISODOSE = 0.5
"""Of the prescription: the lowest isodose that is drawn; the grid reaches past it."""


def _go_on() -> None:
    """Goes on, whatever happens meanwhile."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """Seeds that look, before each structure, whether their dose is still asked for."""

    seeds: Seeds
    check: Callable[[], None]

    def dose_gy(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """As :meth:`Seeds.dose_gy`."""
        self.check()
        return self.seeds.dose_gy(points_lps_mm)


@dataclass(slots=True, eq=False)
class NeedleShelf:
    """Needles that were built before, so that a change builds only what changed."""

    _approach: dict[int, Approach] = field(default_factory=dict)  # held, so that ids stay unique
    _needles: dict[tuple[int, int, bytes], Needle] = field(default_factory=dict)

    def templates(
        self,
        prepared: Preparation,
        chosen: NDArray[np.int64],
        check: Callable[[], None] = _go_on,
    ) -> tuple[Template, ...]:
        """The plates with a needle for every hole with chosen sites; no errors of clearances.

        ``check`` is called before each needle that has to be built; it may raise.
        """
        settings, solids = prepared.settings, prepared.loading.solids
        bone = bone_on_way(
            prepared.case.image,
            solids,
            bone_names(settings.bone.patterns, tuple(solids)),
            settings.bone,
        )
        plates = []
        for number, approach in enumerate(prepared.approaches):
            own = prepared.loading.joined.of_plate(chosen, number)
            needles: list[Needle] = []
            for hole in np.unique(approach.sites.hole[own]).tolist():
                sites = np.sort(own[approach.sites.hole[own] == hole])
                key = (id(approach), hole, sites.tobytes())
                if key not in self._needles:
                    check()
                    self._approach[id(approach)] = approach
                    (self._needles[key],) = build_needles(
                        sites,
                        approach.sites,
                        approach.paths,
                        approach.frame,
                        needle=settings.needle,
                        thickness_mm=settings.template.size_mm[2],
                        rules=approach.seed_rules,
                        skin=approach.skin,
                        bone=bone,
                        access=approach.access,
                    )
                needles.append(self._needles[key])
            name = prepared.plate_names[number]
            plates.append(plate_with(settings, approach, tuple(needles), name))
        return tuple(plates)

    def keep_only(self, approaches: Sequence[Approach]) -> None:
        """Forget the needles of plates that nobody can come back to."""
        kept = {id(approach) for approach in approaches}
        self._approach = {key: a for key, a in self._approach.items() if key in kept}
        self._needles = {key: n for key, n in self._needles.items() if key[0] in kept}


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A loading with its dose and numbers."""

    plan: Plan  # to look at: not to be written, some of its parts are left out
    wide_dose: DoseField  # past the lowest isodose that is drawn

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """By structure, the target first; empty without seeds."""
        return self.plan.metrics

    @property
    def goals(self) -> tuple[GoalResult, ...]:
        """Every goal beside what the loading gives; empty without seeds."""
        return self.plan.goals

    @property
    def dvh(self) -> tuple[DvhCurve, ...]:
        """Curves of the judged structures, the target first; empty without seeds."""
        return self.plan.dvh


def evaluate_draft(
    prepared: Preparation,
    source: SeedSource,
    templates: tuple[Template, ...],
    reach: Reach,
    check: Callable[[], None] = _go_on,
) -> Draft:
    """Dose, metrics, goals and curves of a loading.

    Parameters
    ----------
    prepared : Preparation
    source : SeedSource
        Of one strength.
    templates : tuple of Template
        From :class:`NeedleShelf`.
    reach : Reach
        Of these plates.
    check : callable, optional
        Called between the parts of the work; it may raise.
    """
    settings, case = prepared.settings, prepared.case
    solids, target = prepared.loading.solids, prepared.loading.target
    middle = target.to_lps(np.mean(target.bounds_uvw_mm, axis=0))[0]
    nothing = DoseGrid.from_bounds(middle, middle, 1.0)
    empty = DoseField(nothing, np.zeros(nothing.shape))
    plan = Plan(
        settings=settings,
        software_version=__version__,
        inputs=case.inputs,
        source=source,
        templates=templates,
        metrics={},
        goals=(),
        reach=reach,
        warnings=prepared.warnings,
        dose=empty,
        rules=needle_rules(settings),
        surfaces=plan_surfaces(
            settings, solids, target, bone_names(settings.bone.patterns, tuple(solids)),
            prepared.approaches,
        ),
        steering=prepared.steering,
        image=case.image.reference,
        rois=case.rois,
        ct=case.image,
    )  # fmt: skip
    if not plan.seed_count:
        return Draft(plan, empty)
    return _with_dose(plan, prepared, settings, check)


def _with_dose(
    plan: Plan, prepared: Preparation, settings: CaseSettings, check: Callable[[], None]
) -> Draft:
    solids, target = prepared.loading.solids, prepared.loading.target
    prescription_gy, goals = settings.prescription.dose_gy, prepared.loading.goals
    seeds = Seeds.of(plan.templates, plan.source.model, plan.air_kerma_strength_u)
    field_ = seeds.field(prescription_gy)
    names = {target.name, *(goal.structure for goal in goals)}
    names |= {*judged_structures(settings, target.name, ())}
    judged = {name: solid for name, solid in solids.items() if name in names}
    doses = structure_doses(settings, judged, target, _Checked(seeds, check))
    check()
    metrics = structure_metrics(settings, doses, target.name, field_, plan.reach)
    results = goal_results(goals, doses, metrics, prescription_gy)
    plan = replace(
        plan,
        metrics=metrics,
        goals=results,
        dose=field_,
        dvh=dvh_curves(settings, doses, target.name, results),
    )
    check()
    return Draft(plan, seeds.field(LOWEST_ISODOSE * prescription_gy))


def reach_of(prepared: Preparation) -> Reach:
    """How much of the target permitted seeds come near, and what hides the rest."""
    return reach_of_target(prepared.loading.target, prepared.approaches, prepared.settings)
