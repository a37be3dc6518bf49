"""Trade-off curves: what fewer needles or seeds cost, and what a lower dose to an organ costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from template_designer.errors import CaseError
from template_designer.model import GoalSettings
from template_designer.model.loading_study import LoadingNumbers, Tradeoff, TradeoffPoint
from template_designer.model.metrics import MetricKind, parse
from template_designer.planning.loading.problem import LoadingProblem
from template_designer.planning.loading.search import Locks
from template_designer.planning.loading.statement import LoadedSites, LoadingStatement
from template_designer.planning.loading.study import LoadingStudy, Sites

COUNTS = ("needles", "seeds")
DOSE_WORDS = ("cord", "dose")
"""Words that mean the first upper dose limit of the case."""

MOST_POINTS = 16
"""Points of a curve of needles or seeds."""

LARGEST_DROP_PCT = 5.0
"""A curve ends where the coverage is this much below the plan's."""

DOSE_PARTS = tuple(k / 10.0 for k in range(4, 13))
"""Limits of a dose curve, in parts of the stated one, or of the plan's own dose."""

_DOSES = (MetricKind.DOSE_MAX, MetricKind.DOSE_AT_CC, MetricKind.DOSE_MEAN)
Progress = Callable[[str], None]


def tradeoff_steps(axis: str) -> int:
    """Most calls of ``progress`` that :func:`tradeoff` makes."""
    return MOST_POINTS if axis in COUNTS else len(DOSE_PARTS)


def check_axis(axis: str, goals: Sequence[GoalSettings], names: Sequence[str]) -> None:
    """Refuse what no curve can be drawn over.

    Raises
    ------
    CaseError
        With what there is to choose from.
    """
    if axis in COUNTS or axis in names:
        return
    if axis in DOSE_WORDS:
        if _first_limit(goals) is None:
            raise CaseError(
                f"--pareto {axis}: the case limits no dose; name a structure: {', '.join(names)}"
            )
        return
    choices = ", ".join((*COUNTS, *DOSE_WORDS, *names))
    raise CaseError(f"--pareto {axis}: choose from {choices}")


def tradeoff(
    axis: str,
    statement: LoadingStatement,
    found: LoadedSites,
    *,
    locks: Locks | None = None,
    progress: Progress | None = None,
) -> Tradeoff:
    """A curve of plans under one limit after the other, each started from its neighbour.

    Every plan under a tighter limit is permitted under a looser one, so no point is ever worse
    than a tighter one: where the search finds less, the tighter plan stands there too.

    Parameters
    ----------
    axis : str
        "needles" or "seeds": from the plan's number down until goals fail that the plan meets, or
        the coverage drops by :data:`LARGEST_DROP_PCT`. "cord": the limit of the first upper dose
        goal. A structure: that of its first upper dose goal, else of its Dmax.
    statement : LoadingStatement
        Of the plan.
    found : LoadedSites
        The plan.
    locks : Locks, optional
        What the user holds.
    progress : callable, optional
        Called with one short line before each point.

    Raises
    ------
    CaseError
        If there is no such axis.
    """
    check_axis(axis, statement.goals, [n for n in statement.solids if n != statement.target.name])
    say = progress or (lambda text: None)
    statement = replace(statement, source=found.source)
    plan = np.zeros(len(statement.joined.sites), dtype=np.bool_)
    plan[found.loading.chosen] = True
    if axis in COUNTS:
        study = LoadingStudy.of(statement, locks=locks, search=found.problem)
        return _count_curve(axis, study, plan, say)
    return _dose_curve(axis, statement, plan, locks, say)


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """One limit, the problem under it, and the best plan so far."""

    limit: float
    study: LoadingStudy
    chosen: Sites

    def or_better(self, chosen: Sites) -> _Point:
        """With the other plan where that is the better one."""
        other = replace(self, chosen=chosen)
        return other if self.study.rank(chosen) < self.study.rank(self.chosen) else self


def _count_curve(axis: str, study: LoadingStudy, plan: Sites, say: Progress) -> Tradeoff:
    def count(numbers: LoadingNumbers) -> int:
        return numbers.needles if axis == "needles" else numbers.seeds

    whole = study.numbers(plan)
    first, start = count(whole), plan
    points: list[_Point] = []
    for limit in range(first, max(0, first - MOST_POINTS), -1):
        say(f"at most {limit} {axis}")
        limited = study.with_loading(**{f"max_{axis}": limit})
        if _fewest(study, axis) > limit:
            break
        start = plan if limit == first else limited.solved(start)
        points.append(_Point(float(limit), limited, start))
        if limit < first and _much_worse(limited.numbers(start), whole):
            break
    ordered = _carried(points[::-1])
    return Tradeoff(
        axis,
        "",
        tuple(
            TradeoffPoint(point.limit, float(count(numbers)), numbers)
            for point in ordered
            for numbers in (point.study.numbers(point.chosen),)
        ),
        float(first),
    )


def _fewest(study: LoadingStudy, axis: str) -> int:
    """Needles or seeds that the user holds."""
    held = study.locks.start & ~study.locks.may_drop
    if axis == "seeds":
        return int(np.count_nonzero(held))
    return len(np.unique(study.statement.joined.sites.hole[held]))


def _much_worse(numbers: LoadingNumbers, whole: LoadingNumbers) -> bool:
    failed = any(
        was.met and not now.met for was, now in zip(whole.goals, numbers.goals, strict=True)
    )
    return failed or numbers.v100_pct < whole.v100_pct - LARGEST_DROP_PCT


def _carried(points: Sequence[_Point]) -> list[_Point]:
    """Points by rising limit, none of them worse than a tighter one."""
    ordered: list[_Point] = []
    for point in points:
        ordered.append(point.or_better(ordered[-1].chosen) if ordered else point)
    return ordered


def _dose_curve(
    axis: str, statement: LoadingStatement, plan: Sites, locks: Locks | None, say: Progress
) -> Tradeoff:
    number, goals = _limited_goal(axis, statement)
    if number == len(statement.goals):  # no goal of the case: its dose now is where it starts
        probe = LoadingStudy.of(replace(statement, goals=goals), locks=locks)
        level_gy = probe.numbers(plan).goals[number].value
        if not level_gy > 0.1:
            raise CaseError(
                f"--pareto {axis}: the plan gives {axis} {level_gy:.2f} Gy at most; there is "
                "nothing to trade"
            )
        goals = (*goals[:-1], goals[-1].model_copy(update={"at_most_gy": level_gy}))
    goal = goals[number]
    study = LoadingStudy.of(replace(statement, goals=goals), locks=locks)
    # loosest first: the plan at hand keeps to the stated limit, tighter ones follow from it
    points: list[_Point] = []
    start = plan
    for part in reversed(DOSE_PARTS):
        limit_gy = round(part * goal.limit, 1)
        say(f"{goal.structure} {goal.metric} at most {limit_gy:g} {goal.unit}")
        limited = _with_limit(study, number, limit_gy)
        start = limited.solved(start)
        point = _Point(limit_gy, limited, start)
        points.append(point.or_better(plan) if limit_gy >= goal.limit else point)
    ordered = _carried(points[::-1])
    return Tradeoff(
        f"{goal.structure} {goal.metric}",
        goal.unit,
        tuple(
            TradeoffPoint(point.limit, numbers.goals[number].value, numbers)
            for point in ordered
            for numbers in (point.study.numbers(point.chosen),)
        ),
        goal.limit,
    )


def _limited_goal(axis: str, statement: LoadingStatement) -> tuple[int, tuple[GoalSettings, ...]]:
    """Number of the goal whose limit is moved, and the goals; a new one where there was none."""
    goals = statement.goals
    if axis in statement.solids:
        number = _first_limit(goals, axis)
    else:
        number = _first_limit(goals)
    if number is not None:
        return number, goals
    new = GoalSettings(structure=axis, metric="Dmax", at_most_gy=1.0)
    return len(goals), (*goals, new)


def _first_limit(goals: Sequence[GoalSettings], structure: str | None = None) -> int | None:
    """The first goal that limits a dose from above, of a structure where one is named."""
    for number, goal in enumerate(goals):
        named = structure is None or goal.structure == structure
        if named and goal.at_most_gy is not None and parse(goal.metric).kind in _DOSES:
            return number
    return None


def _with_limit(study: LoadingStudy, number: int, limit_gy: float) -> LoadingStudy:
    """The study with the limit of one dose goal moved."""
    goals = study.statement.goals
    factor = limit_gy / goals[number].limit

    def moved(problem: LoadingProblem) -> LoadingProblem:
        limits = tuple(
            replace(limit, level=max(1.0, float(np.floor(limit.level * factor))))
            if limit.goal == number
            else limit
            for limit in problem.limits
        )
        return replace(problem, limits=limits)

    goal = goals[number].model_copy(update={"at_most_gy": limit_gy})
    stated = (*goals[:number], goal, *goals[number + 1 :])
    statement = replace(study.statement, goals=stated)
    return replace(study.with_problems(moved), statement=statement)
