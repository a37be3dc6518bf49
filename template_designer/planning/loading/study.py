"""One plan as the start of others: solved again under other limits, goals, rules or strengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dose import target_metrics
from template_designer.model import CaseSettings, GoalResult, ImageVolume, Reach
from template_designer.model.loading_study import LoadingNumbers
from template_designer.model.metrics import MetricKind, parse
from template_designer.planning.approach import Approach, FieldMaker, prepare_approach
from template_designer.planning.evaluate import (
    Seeds,
    StructureDose,
    critical_structures,
    goal_results,
    structure_doses,
    structure_metrics,
)
from template_designer.planning.loading.chains import mended
from template_designer.planning.loading.objective import loading_cost
from template_designer.planning.loading.problem import SEARCH, LoadingProblem
from template_designer.planning.loading.pruning import pruned
from template_designer.planning.loading.run import (
    QUICK,
    Effort,
    has_plan,
    misses_by_priority,
    search_loading,
)
from template_designer.planning.loading.search import Locks, spacing_rules
from template_designer.planning.loading.statement import NEAR, LoadingStatement
from template_designer.planning.together import join_sites

Sites = NDArray[np.bool_]
Rank = tuple[tuple[float, ...], float]

AFRESH = Effort(4, 1, 0.5)
"""For a problem whose sites are other ones: there is no plan to start from."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadingStudy:
    """A loading problem on its points, ready to be solved again and again."""

    statement: LoadingStatement
    search: LoadingProblem  # on the points of the annealings
    fine: LoadingProblem  # on those of the last polish
    locks: Locks  # what the user holds; the start is not used

    @classmethod
    def of(
        cls,
        statement: LoadingStatement,
        *,
        locks: Locks | None = None,
        search: LoadingProblem | None = None,
        coarse: bool = False,
    ) -> LoadingStudy:
        """The study of a statement with one strength.

        ``search`` is its problem where that was built already; ``coarse`` leaves the polish on
        finer points out.
        """
        search = search or statement.problem(SEARCH)
        fine = search if coarse else statement.problem(NEAR)
        return cls(statement, search, fine, locks or Locks.none(len(statement.joined.sites)))

    @property
    def is_coarse(self) -> bool:
        """Whether the polish on finer points is left out."""
        return self.fine is self.search

    def with_loading(self, **limits: Any) -> LoadingStudy:
        """The same under other ``[loading]`` settings that change no seed position."""
        settings = self.statement.settings
        loading = settings.loading.model_copy(update=limits)
        settings = settings.model_copy(update={"loading": loading})
        return replace(self, statement=replace(self.statement, settings=settings))

    def with_problems(self, change: Callable[[LoadingProblem], LoadingProblem]) -> LoadingStudy:
        """The same with both problems changed."""
        search = change(self.search)
        fine = search if self.is_coarse else change(self.fine)
        return replace(self, search=search, fine=fine)

    def unheld(self) -> LoadingStudy:
        """The same with nothing held by the user."""
        return replace(self, locks=Locks.none(len(self.locks.start)))

    def without_goals(self, *numbers: int) -> LoadingStudy:
        """The same without some goals; :data:`problem.COVERAGE` is the aim of every plan."""
        return self.with_problems(partial(_without, numbers))

    def with_strength(self, factor: float) -> LoadingStudy:
        """The same with seeds of another strength."""
        source = self.statement.source
        source = source.with_strength(factor * source.air_kerma_strength_u)
        study = self.with_problems(lambda problem: problem.scaled(factor))
        return replace(study, statement=replace(self.statement, source=source))

    def with_settings(
        self, settings: CaseSettings, image: ImageVolume, field_around: FieldMaker
    ) -> tuple[LoadingStudy, tuple[Approach, ...]]:
        """The same case under other rules: paths and seed positions are found again.

        What the user holds by label is let go: the positions are others.
        """
        old = self.statement
        approaches = tuple(
            prepare_approach(
                settings, entry, image, old.solids, old.target, old.source.model, field_around
            )
            for entry in settings.entry
        )
        joined = join_sites(approaches, settings.template.pitch_mm)
        statement = replace(old, settings=settings, joined=joined)
        return LoadingStudy.of(statement, coarse=self.is_coarse), approaches

    def solved(self, start: Sites) -> Sites:
        """The best plan found from one at hand, never a worse one."""
        settings = self.statement.settings.loading
        held = self.locks.start & ~self.locks.may_drop
        locks = pruned(self.search, settings, replace(self.locks, start=start | held))
        return self._found(locks, QUICK if has_plan(locks) else AFRESH)

    def solved_afresh(self, near: Sites) -> Sites:
        """The best plan found from nothing, and from one that may be far from it."""
        held = self.locks.start & ~self.locks.may_drop
        return self._found(replace(self.locks, start=held), AFRESH, (np.flatnonzero(near),))

    def _found(self, locks: Locks, effort: Effort, starts: tuple[Any, ...] = ()) -> Sites:
        loading = search_loading(
            self.search,
            self.statement.settings.loading,
            final=self.fine,
            locks=locks,
            starts=starts,
            effort=effort,
        )
        chosen = np.zeros(len(locks.start), dtype=np.bool_)
        chosen[loading.chosen] = True
        return chosen

    def rank(self, chosen: Sites) -> Rank:
        """Misses by priority, then cost: what the search makes small, on the finer points."""
        return misses_by_priority(self.fine, chosen), loading_cost(self.fine, chosen)

    def cost(self, chosen: Sites) -> float:
        """Cost of a plan on the finer points, per cent of the target volume."""
        return loading_cost(self.fine, chosen)

    def numbers(self, chosen: Sites) -> LoadingNumbers:
        """What a loading gives, computed as a plan's numbers are."""
        statement, settings = self.statement, self.statement.settings
        values, goals = self._measured(chosen)
        own = values[statement.target.name] if values else {}
        return LoadingNumbers(
            needles=len(np.unique(statement.joined.sites.hole[chosen])),
            seeds=int(np.count_nonzero(chosen)),
            cost=self.cost(chosen),
            d90_gy=own.get("d90_gy", 0.0),
            v100_pct=own.get("v100_pct", 0.0),
            v150_pct=own.get("v150_pct", 0.0),
            v200_pct=own.get("v200_pct", 0.0),
            ci=own.get("ci", float("nan")),
            goals=goals if values else _nothing_given(statement, settings),
        )

    def _measured(
        self, chosen: Sites
    ) -> tuple[Mapping[str, Mapping[str, float]], tuple[GoalResult, ...]]:
        """Metrics of the structures with goals, and the goals; nothing without seeds."""
        statement, settings = self.statement, self.statement.settings
        if not chosen.any():
            return {}, ()
        prescription_gy, target = settings.prescription.dose_gy, statement.target
        names = {goal.structure for goal in statement.goals}
        if any(parse(goal.metric).kind is MetricKind.CONFORMAL for goal in statement.goals):
            names |= critical_structures(settings, target.name)
        solids = {name: solid for name, solid in statement.solids.items() if name in names}
        axes = np.broadcast_to(statement.joined.axes_lps, (len(chosen), 3))
        seeds = Seeds(
            statement.source.model,
            statement.joined.sites.centers_lps_mm[chosen],
            axes[chosen],
            statement.source.air_kerma_strength_u,
        )
        doses = structure_doses(settings, solids, target, seeds)
        has_index = any(parse(goal.metric).is_index for goal in statement.goals)
        if self.is_coarse and not has_index:
            values = _without_indices(doses, target.name, prescription_gy)
        else:
            unknown = Reach(reachable_pct=float("nan"), hidden_pct_by_cause={})
            field = seeds.field(prescription_gy)
            values = structure_metrics(settings, doses, target.name, field, unknown)
        return values, goal_results(statement.goals, doses, values, prescription_gy)


def _without_indices(
    doses: Mapping[str, StructureDose], target: str, prescription_gy: float
) -> dict[str, dict[str, float]]:
    """Metrics that need no dose grid; the indices are not numbers."""
    hit = doses[target]
    covered_cm3 = float(hit.weights_cm3[hit.doses_gy >= prescription_gy].sum())
    own = target_metrics(hit.doses_gy, hit.weights_cm3, covered_cm3, prescription_gy)
    known = {key: value for key, value in own.items() if key.endswith(("_gy", "_pct"))}
    return {name: {} for name in doses} | {target: known}


def _without(numbers: tuple[int, ...], problem: LoadingProblem) -> LoadingProblem:
    kept = tuple(limit for limit in problem.limits if limit.goal not in numbers)
    return replace(problem, limits=kept)


def _nothing_given(statement: LoadingStatement, settings: CaseSettings) -> tuple[GoalResult, ...]:
    """Goals of no seeds at all: no dose anywhere."""
    return tuple(
        GoalResult(
            structure=goal.structure,
            metric=goal.metric,
            limit=goal.limit,
            unit=goal.unit,
            is_minimum=goal.is_minimum,
            value=0.0,
            met=not goal.is_minimum,
        )
        for goal in statement.goals
    )


def nearest_sites(old: LoadingStatement, chosen: Sites, new: LoadingStatement) -> Sites:
    """A plan on the sites of another statement: the nearest within half a step, spacing kept."""
    sites, step_mm = new.joined.sites, new.settings.loading.step_mm
    result = np.zeros(len(sites), dtype=np.bool_)
    if not len(sites) or not chosen.any():
        return result
    away, near = cKDTree(sites.centers_lps_mm).query(old.joined.sites.centers_lps_mm[chosen])
    result[near[away <= 0.5 * step_mm + 1e-6]] = True
    rules = spacing_rules(new.settings.loading, len(sites))[:3]
    for hole in np.unique(sites.hole[result]):
        mine = np.flatnonzero(sites.hole == hole)
        free = np.zeros(len(mine), dtype=np.bool_)
        kept = mended(sites.slot[mine], result[mine], free, ~free, rules)
        result[mine] = False if kept is None else kept
    return result
