"""Why a plan misses a goal, and what would help: decided by solving it again, never by guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dose.units import U_PER_MCI, USUAL_STRENGTH_U
from template_designer.model import CaseSettings, GoalResult, ImageVolume, Reach, SeedSource
from template_designer.model.loading_study import LoadingNumbers
from template_designer.planning.approach import FieldMaker, needle_rules
from template_designer.planning.loading.explain import kept_fields, without_rules
from template_designer.planning.loading.problem import COVERAGE
from template_designer.planning.loading.search import Locks
from template_designer.planning.loading.statement import LoadedSites, LoadingStatement
from template_designer.planning.loading.study import LoadingStudy, Sites, nearest_sites

STRENGTHS = (0.7, 0.85, 1.2, 1.45)
"""Strengths that are tried, in parts of the plan's: the series use 0.4 to 0.8 mCi."""

FINER = 0.5
"""Seed positions are tried this much closer together, with capsules end to end if need be."""

EXPLAINED = 3
"""Missed goals that are looked into, the first ones: each takes seconds."""

HIDING_PCT = 0.5
"""Structures that hide less of the target than this are not named."""


def goal_causes(
    statement: LoadingStatement,
    found: LoadedSites,
    results: Sequence[GoalResult],
    reach: Reach,
    image: ImageVolume,
    locks: Locks | None = None,
) -> dict[int, str]:
    """Why goals are missed and what would help, by number of the goal; nothing where all are met.

    Parameters
    ----------
    statement : LoadingStatement
        Of the plan.
    found : LoadedSites
        The plan.
    results : sequence of GoalResult
        Its goals, in the order of the statement's.
    reach : Reach
        Of the plan: what hides the target.
    image : ImageVolume
        The CT.
    locks : Locks, optional
        What the user holds.
    """
    missed = [number for number, result in enumerate(results) if not result.met]
    if not missed:
        return {}
    trials = _Trials(replace(statement, source=found.source), found, image, locks)
    return {
        number: (
            _lower_missed(trials, number, reach)
            if results[number].is_minimum
            else _upper_missed(trials, number)
        )
        for number in missed[:EXPLAINED]
    }


@dataclass(eq=False)
class _Trials:
    """The plan solved again under other conditions, each at most once."""

    statement: LoadingStatement
    found: LoadedSites
    image: ImageVolume
    locks: Locks | None

    @cached_property
    def study(self) -> LoadingStudy:
        return LoadingStudy.of(
            self.statement, locks=self.locks, search=self.found.problem, coarse=True
        )

    @cached_property
    def plan(self) -> Sites:
        chosen = np.zeros(len(self.statement.joined.sites), dtype=np.bool_)
        chosen[self.found.loading.chosen] = True
        return chosen

    @cached_property
    def now(self) -> LoadingNumbers:
        return self.study.numbers(self.plan)

    @cached_property
    def fields(self) -> FieldMaker:
        return kept_fields()

    @property
    def is_limited(self) -> bool:
        """Whether numbers of needles and seeds are limited, or the user holds something."""
        loading = self.statement.settings.loading
        limits = (loading.max_needles, loading.max_seeds, loading.max_seeds_per_needle)
        return any(limit is not None for limit in limits) or self.locks is not None

    @cached_property
    def unlimited(self) -> LoadingStudy:
        limits = ("max_needles", "max_seeds", "max_seeds_per_needle")
        return self.study.unheld().with_loading(**dict.fromkeys(limits))

    def others(self, number: int) -> tuple[int, ...]:
        """Numbers of the other goals."""
        return tuple(n for n in range(len(self.statement.goals)) if n != number)

    def solved(self, study: LoadingStudy) -> LoadingNumbers:
        """What the best plan found under other conditions gives."""
        return study.numbers(study.solved(self.plan))

    @cached_property
    def again(self) -> LoadingNumbers:
        """The same problem looked at again."""
        return self.solved(self.study)

    @cached_property
    def by_strength(self) -> tuple[tuple[SeedSource, LoadingNumbers], ...]:
        """All goals under usual strengths that the case does not choose from."""
        source, found = self.statement.source, []
        low_u, high_u = USUAL_STRENGTH_U[source.model.nuclide]
        for factor in STRENGTHS:
            study = self.study.with_strength(factor)
            other = study.statement.source
            if low_u <= other.air_kerma_strength_u <= high_u:
                found.append((other, self.solved(study)))
        return tuple(found)

    @cached_property
    def without_avoid(self) -> LoadingNumbers:
        """All goals without any avoid rule: what the same plates could do if nothing hid."""
        names = [rule.structure for rule in needle_rules(self.statement.settings)]
        return self._rebuilt(without_rules(self.statement.settings, names))

    @cached_property
    def finer(self) -> LoadingNumbers:
        """All goals with seed positions closer together, at any spacing that capsules permit."""
        settings = self.statement.settings
        capsule_mm = self.statement.source.model.capsule_mm[0]
        loading = settings.loading.model_copy(
            update={
                "step_mm": FINER * settings.loading.step_mm,
                "seed_spacing_mm": (
                    min(capsule_mm, settings.loading.seed_spacing_mm[0]),
                    10.0 * settings.loading.seed_spacing_mm[1],
                ),
            }
        )
        return self._rebuilt(settings.model_copy(update={"loading": loading}))

    def _rebuilt(self, settings: CaseSettings) -> LoadingNumbers:
        study, _ = self.study.with_settings(settings, self.image, self.fields)
        near = nearest_sites(self.statement, self.plan, study.statement)
        return study.numbers(study.solved_afresh(near))

    def helped(self, numbers: LoadingNumbers, number: int) -> bool:
        """Whether a goal is met then, and none is missed that the plan meets."""
        return numbers.goals[number].met and all(
            then.met or not was.met for was, then in zip(self.now.goals, numbers.goals, strict=True)
        )


def _lower_missed(trials: _Trials, number: int, reach: Reach) -> str:
    """A goal that asks for more: alone it is met, or reach, spacing or strength keep it low."""
    alone = trials.solved(trials.unlimited.without_goals(*trials.others(number)))
    if alone.goals[number].met:
        return _conflict(trials, number, trials.others(number))
    why = [f"even alone, without other goals and limits, it reaches {_value(alone.goals[number])}"]
    helps = []
    open_way, now = trials.without_avoid.goals[number], trials.now.goals[number]
    if trials.helped(trials.without_avoid, number):
        why.append(f"reach: without the rules for needles the same plates give {_value(open_way)}")
        helps.append(_other_ways(reach))
    elif _closer(open_way, now):
        why.append(
            f"reach in part: without the rules for needles the same plates give {_value(open_way)}"
        )
        helps.append(_other_ways(reach))
    finer = trials.finer.goals[number]
    if trials.helped(trials.finer, number):
        why.append(f"spacing: with seeds closer together it is {_value(finer)}")
        helps.append("a smaller [loading] step_mm and a wider seed_spacing_mm")
    helps.extend(_strength_that_helps(trials, number))
    return _text(why, helps)


def _upper_missed(trials: _Trials, number: int) -> str:
    """A goal that asks for less: what it conflicts with."""
    return _conflict(trials, number, trials.others(number))


def _conflict(trials: _Trials, number: int, others: tuple[int, ...]) -> str:
    """Which other goal, or which limit, stands against a goal that can be met."""
    why, helps = [], []
    again = trials.again
    if trials.helped(again, number):
        why.append(f"the search: looking again finds {_value(again.goals[number])}")
        helps.append("more [loading] search_moves")
        return _text(why, helps)
    if trials.is_limited:
        free = trials.solved(trials.unlimited)
        if trials.helped(free, number):
            then = _value(free.goals[number])
            why.append(f"limits: without limits on needles and seeds it is {then}")
            helps.append(f"looser limits: it took {free.needles} needles and {free.seeds} seeds")
    against = []
    for other in others:
        without = trials.solved(trials.study.without_goals(other))
        if without.goals[number].met:
            goal = trials.now.goals[other]
            against.append(f"{_name(goal)} (then {_value(without.goals[other])})")
    if against:
        why.append(f"conflict: it is met without {' or without '.join(against)}")
    elif not why:
        every = (*others, COVERAGE)
        least = trials.solved(trials.study.without_goals(*every))
        kept = "is met" if least.goals[number].met else f"is still {_value(least.goals[number])}"
        why.append(
            f"conflict with the coverage: without any other goal it {kept}, with V100 "
            f"{least.v100_pct:.1f} %"
        )
    helps.extend(_strength_that_helps(trials, number))
    return _text(why, helps)


def _strength_that_helps(trials: _Trials, number: int) -> list[str]:
    for source, numbers in trials.by_strength:
        if trials.helped(numbers, number):
            value = _value(numbers.goals[number])
            return [f"seeds of {_strength(source)}: {value} with {numbers.seeds} of them"]
    return []


def _text(why: list[str], helps: list[str]) -> str:
    tried = f"no strength from {min(STRENGTHS):g} to {max(STRENGTHS):g} times the plan's"
    helping = "; ".join(helps) if helps else f"nothing that was tried, {tried}"
    return f"Why: {'; '.join(why)}. What helps: {helping}."


def _closer(value: GoalResult, than: GoalResult) -> bool:
    """Whether a value closes at least half of what is missing."""
    return value.value - than.value >= 0.5 * (than.limit - than.value)


def _other_ways(reach: Reach) -> str:
    causes = [cause for cause, pct in reach.hidden_pct_by_cause.items() if pct >= HIDING_PCT]
    hiding = ", ".join(causes[:3]) or "what hides the target"
    return (
        f"another entry plane or a second template may come past {hiding} ('template-designer "
        "suggest' ranks both)"
    )


def _name(goal: GoalResult) -> str:
    sign = "≥" if goal.is_minimum else "≤"
    return f"{goal.structure} {goal.metric} {sign} {goal.limit:g} {goal.unit}"


def _value(goal: GoalResult) -> str:
    return f"{goal.value:.1f} {goal.unit}"


def _strength(source: SeedSource) -> str:
    strength_u, nuclide = source.air_kerma_strength_u, source.model.nuclide
    if nuclide not in U_PER_MCI:
        return f"{strength_u:.2f} U"
    mci = strength_u / U_PER_MCI[nuclide]
    return f"{strength_u:.2f} U ({mci:.2f} mCi)"
