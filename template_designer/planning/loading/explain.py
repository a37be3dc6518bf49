"""What each goal and each avoid rule costs a plan: solved again without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry.distance import DistanceField
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, ImageVolume, NeedleRule, Reach
from template_designer.model.loading_study import Explanation, GoalCost, RuleCost
from template_designer.planning.approach import Approach, FieldMaker, needle_rules
from template_designer.planning.loading.search import Locks
from template_designer.planning.loading.statement import LoadedSites, LoadingStatement
from template_designer.planning.loading.study import LoadingStudy, Sites, nearest_sites
from template_designer.planning.reach import largest_v100_pct, reach_of_target

Progress = Callable[[str], None]


def explain_steps(statement: LoadingStatement, approaches: Sequence[Approach]) -> int:
    """Calls of ``progress`` that :func:`explain` makes."""
    return len(statement.goals) + len(stopping_rules(statement.settings, approaches))


def explain(
    statement: LoadingStatement,
    found: LoadedSites,
    approaches: Sequence[Approach],
    image: ImageVolume,
    reach: Reach,
    *,
    locks: Locks | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Solve a plan again without each goal, and without each avoid rule that stops a needle.

    The plan is not changed. What is found without an avoid rule must never be carried out.

    Parameters
    ----------
    statement : LoadingStatement
        Of the plan.
    found : LoadedSites
        The plan.
    approaches : sequence of Approach
        Its plates.
    image : ImageVolume
        The CT.
    reach : Reach
        Of the plan.
    locks : Locks, optional
        What the user holds; let go where a rule is left out, for the positions are others then.
    progress : callable, optional
        Called with one short line before each solution.
    """
    say = progress or (lambda text: None)
    statement = replace(statement, source=found.source)
    study = LoadingStudy.of(statement, locks=locks, search=found.problem)
    plan = np.zeros(len(statement.joined.sites), dtype=np.bool_)
    plan[found.loading.chosen] = True
    # looked at again with every goal: what that alone gains is no goal's cost
    again = study.solved(plan)
    twice = study.solved(again)
    goals = []
    for number in range(len(statement.goals)):
        say(f"without {statement.goals[number].structure} {statement.goals[number].metric}")
        goals.append(_goal_cost(study, plan, (again, twice), number))
    stopping = stopping_rules(statement.settings, approaches)
    fields = kept_fields()
    rules = []
    for rule in stopping:
        say(f"without the rule for {rule.structure}")
        rules.append(_rule_cost(study, plan, rule, image, fields))
    names = {rule.structure for rule in stopping}
    return Explanation(
        plan=study.numbers(plan),
        reach=reach,
        goals=tuple(goals),
        rules=tuple(sorted(rules, key=lambda rule: -rule.without.v100_pct)),
        idle_rules=tuple(
            rule.structure
            for rule in needle_rules(statement.settings)
            if rule.structure not in names
        ),
    )


def stopping_rules(
    settings: CaseSettings, approaches: Sequence[Approach]
) -> tuple[NeedleRule, ...]:
    """Rules that stop a needle somewhere; without any other one no needle would go deeper."""
    stops = {stop for approach in approaches for stop in approach.paths.stop}
    return tuple(rule for rule in needle_rules(settings) if rule.structure in stops)


def without_rules(settings: CaseSettings, structures: Sequence[str]) -> CaseSettings:
    """The settings without the avoid rules of some structures."""
    kept = []
    for rule in settings.avoid:
        names = tuple(name for name in rule.patterns if name not in structures)
        if names:
            kept.append(rule.model_copy(update={"structure": names}))
    return settings.model_copy(update={"avoid": tuple(kept)})


def kept_fields() -> FieldMaker:
    """Distances to solids, made once for each region: the same plates are traced repeatedly."""
    made: dict[tuple[str, bytes], DistanceField] = {}

    def field_around(solid: Solid, region_lps_mm: NDArray[np.float64]) -> DistanceField:
        key = solid.name, region_lps_mm.tobytes()
        if key not in made:
            made[key] = DistanceField.around(solid, region_lps_mm)
        return made[key]

    return field_around


def _goal_cost(
    study: LoadingStudy, plan: Sites, again: tuple[Sites, Sites], number: int
) -> GoalCost:
    """One goal: the plan without it, or the plan itself where nothing better is found.

    ``again`` holds a start and what the same search makes of it with every goal.
    """
    goal, without = study.statement.goals[number], study.without_goals(number)
    start, with_all = again
    other = without.solved(start)
    cost = max(0.0, without.cost(with_all) - without.cost(other))
    chosen = other if cost > 0.0 else plan
    # every goal is told, the cost is that without this one
    numbers = replace(study.numbers(chosen), cost=without.cost(chosen))
    return GoalCost(
        goal.structure, goal.metric, goal.limit, goal.unit, goal.is_minimum, numbers, cost
    )


def _rule_cost(
    study: LoadingStudy,
    plan: Sites,
    rule: NeedleRule,
    image: ImageVolume,
    fields: FieldMaker,
) -> RuleCost:
    settings = without_rules(study.statement.settings, [rule.structure])
    without, approaches = study.with_settings(settings, image, fields)
    near = nearest_sites(study.statement, plan, without.statement)
    chosen = without.solved_afresh(near)
    most = largest_v100_pct(without.search, settings.loading)
    reach = reach_of_target(without.statement.target, approaches, settings, most)
    return RuleCost(
        rule.structure, rule.clearance_mm, reach.reachable_pct, most, without.numbers(chosen)
    )
