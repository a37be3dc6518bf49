"""The whole search of one case: rounds of annealings, goals in order of priority, last polish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from template_designer.model.settings import LoadingSettings
from template_designer.planning.loading.objective import (
    NOT_BOUND,
    Weights,
    goal_misses,
    loading_cost,
)
from template_designer.planning.loading.problem import COVERAGE, LoadingProblem
from template_designer.planning.loading.search import Loading, Locks, Search


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a search looks."""

    starts: int  # annealings from nothing, and SHORTER times as many short ones
    rounds: int  # further ones, from the best plans so far, on all points
    moves: float  # of an annealing, as part of ``search_moves``


FULL = Effort(10, 4, 1.0)
"""For a new plan. Twenty seeds of the random numbers give one cost for a target of 3 cm3; for 26
and 30 cm3 beside a cord the costs have a standard deviation of 0.7 % and lie within 3 %."""

QUICK = Effort(4, 1, 0.3)
"""From a plan at hand, for whoever waits for the answer: a fifth of the time."""

SHORTER = 8
"""Short annealings for every long one, of that part of its moves. Long ones mostly end in the same
widest valley; of many short ones some end in narrow, deep ones.
"""

KEPT_FIRST, KEPT = 8, 4
"""Best plans that go on to the first round on all points, and to the next ones."""

POLISHED = 2
"""Best plans that are polished."""

PATTERNS = 4
"""Best of the textbook patterns that are started from."""

HOT, WARM, MILD, COLD = 4.0, 2.0, 1.0, 0.03
"""Temperatures in the unit of the cost: from nothing, from a plan, from a good one, at the end."""

GOALS_FIRST = 50.0
"""Factor on the price of goals while the search finds out how near they can be met."""

GOALS_LESS, LEAST_GOAL_PRICE = 4.0, 5.0
"""Where an empty plan comes out cheapest, goals are priced at that part, again and again down to
here: any plan is better than none, its goals are missed and said to be."""

GOAL_ROUNDS = 2
"""Annealings, one after the other, for the goals of one priority."""

WORTH_A_CHANGE = 0.5
"""Cost by which a plan must be better than the one at hand to take its place: about that of a seed,
and more than the points of a quick search tell apart."""

LEAST_MOVES = 1_000
"""Moves of the shortest annealing."""

Sites = NDArray[np.bool_]
Progress = Callable[[float], None]


def search_loading(
    problem: LoadingProblem,
    settings: LoadingSettings,
    *,
    final: LoadingProblem | None = None,
    weights: Weights | None = None,
    locks: Locks | None = None,
    starts: Sequence[NDArray[np.int64]] = (),
    effort: Effort = FULL,
    progress: Progress | None = None,
) -> Loading:
    """Best set of seed positions found; the same every time.

    Annealings from several starts, again from the best of them, then single moves: no seed
    dropped, added or put elsewhere lowers the cost of what is returned. Goals come in order of
    their priority: none of a lower one is bought with a higher one.

    Parameters
    ----------
    problem : LoadingProblem
        On the points of the annealings.
    settings : LoadingSettings
        Spacing, limits, moves of every annealing, random numbers.
    final : LoadingProblem, optional
        The same on finer points, for the last polish; ``problem`` itself by default.
    locks : Locks, optional
        What may not change, and a plan to start from.
    starts : sequence of (m,) ndarray of int
        Further loadings to start from: textbook patterns.
    effort : Effort
        How long to look.
    progress : callable, optional
        Called with the part that is done, 0 to 1.
    """
    weights = weights or Weights()
    if effort.moves != 1.0:
        moves = max(LEAST_MOVES, round(effort.moves * settings.search_moves))
        settings = settings.model_copy(update={"search_moves": moves})
    last = problem if final is None else final
    best, start_costs = _searched(problem, last, settings, weights, locks, starts, effort, progress)
    price = weights.goal
    while not best.any() and price > LEAST_GOAL_PRICE and len(problem.limits) > 1:
        # goals that no plan comes near made an empty one the cheapest
        price /= GOALS_LESS
        less = replace(weights, goal=price)
        best, _ = _searched(problem, last, settings, less, locks, starts, effort, progress)
    cost = loading_cost(last, best, weights)
    return Loading(np.flatnonzero(best), cost, start_costs, goal_misses(last, best))


def _searched(
    problem: LoadingProblem,
    final: LoadingProblem,
    settings: LoadingSettings,
    weights: Weights,
    locks: Locks | None,
    starts: Sequence[NDArray[np.int64]],
    effort: Effort,
    progress: Progress | None,
) -> tuple[Sites, NDArray[np.float64]]:
    """The best plan found, and what the first annealings cost."""
    say = progress or (lambda part: None)
    say(0.0)
    rough = Search(problem, settings, weights, locks)
    costs, plans = _first_round(rough, starts, effort.starts)
    start_costs = costs.copy()
    say(0.2)
    costs, plans = _by_priority(rough, costs, plans)
    say(0.3)
    screen = None if final is problem else problem
    fine = Search(final, settings, weights, locks, screen=screen)
    plans = _again(fine, plans, effort.rounds, lambda part: say(0.3 + 0.6 * part))
    polished = [fine.polished(plan, _goals_kept(final, plan)) for plan in plans[:POLISHED]]
    if has_plan(fine.locks):
        polished.append(_at_hand(fine))
    best, _ = min(polished, key=lambda found: (misses_by_priority(final, found[0]), found[1]))
    say(1.0)
    return best, start_costs


def _again(fine: Search, plans: Sites, rounds: int, progress: Progress) -> Sites:
    """The plans annealed again and again on all points, best first.

    Few points flatter whatever was chosen on them: by the time a plan is the best of millions, its
    cost is 10 % too low. So only all points decide, and the few sort out what is not worth it.
    """
    problem, moves = fine.problem, fine.settings.search_moves
    plans = plans[_ranking(fine, plans)]
    for number in range(1, rounds + 1):
        begin = plans[: KEPT_FIRST if number == 1 else KEPT]
        bounds = _higher_goals_kept(problem, plans[0])
        heat = (WARM if number == 1 else MILD, COLD)
        _, more = fine.anneal(begin, moves, heat, bounds=bounds, round_number=number)
        plans = np.unique(np.concatenate([plans[:KEPT_FIRST], more]), axis=0)
        plans = plans[_ranking(fine, plans)]
        progress(number / rounds)
    return plans


def _ranking(search: Search, plans: Sites) -> NDArray[np.int64]:
    """Order of plans: goals of the higher priorities first, then cost."""
    ranks = [
        (misses_by_priority(search.problem, plan), search.cost(plan), plan.tobytes())
        for plan in plans
    ]
    return np.array(sorted(range(len(plans)), key=ranks.__getitem__), dtype=np.int64)


def has_plan(locks: Locks) -> bool:
    """Whether the start holds more than what must stay: a plan at hand."""
    return bool(np.any(locks.start & locks.may_drop))


def _at_hand(fine: Search) -> tuple[Sites, float]:
    """The plan to start from, and what a plan must cost less than to take its place."""
    start = fine.locks.start
    return start, fine.cost(start) - WORTH_A_CHANGE


def best_strength(
    problem: LoadingProblem,
    settings: LoadingSettings,
    factors: Sequence[float],
    *,
    weights: Weights | None = None,
    locks: Locks | None = None,
) -> int:
    """Which of several strengths gives the best plan, by a shorter search with each.

    Parameters
    ----------
    factors : sequence of float
        Strengths in units of that of ``problem``.

    Returns
    -------
    int
        Index into ``factors``: the plan that misses its goals least, then that of least cost.
    """
    found = []
    for factor in factors:
        scaled = problem.scaled(factor)
        search = Search(scaled, settings, weights, locks)
        _, plans = _first_round(search, (), n_starts=2)
        plan, cost = search.polished(plans[0])
        found.append((misses_by_priority(scaled, plan), cost))
    return min(range(len(found)), key=found.__getitem__)


def _first_round(
    search: Search, starts: Sequence[NDArray[np.int64]], n_starts: int = FULL.starts
) -> tuple[NDArray[np.float64], Sites]:
    """Annealings from the plan at hand or from nothing, from patterns, from coverage alone."""
    problem, locks, moves = search.problem, search.locks, search.settings.search_moves
    begin = np.repeat(locks.start[None], n_starts, axis=0)
    if len(problem.limits) > 1 and not has_plan(locks):
        # goals that cannot be met would keep an empty start empty: one starts with what coverage
        # alone would choose
        coverage = np.array([limit.goal == COVERAGE for limit in problem.limits])
        _, loose = search.anneal(begin[:1], moves // 4, (HOT, COLD), counted=coverage)
        begin[1] = loose[0]
    heat = WARM if has_plan(locks) else HOT
    found = search.anneal(begin, moves, (heat, COLD))
    many, short = np.repeat(begin[:1], SHORTER * n_starts, axis=0), max(moves // SHORTER, 1)
    found = _best_of(found, search.anneal(many, short, (heat, COLD), round_number=98))
    if starts:
        given = np.zeros((len(starts), len(locks.start)), dtype=np.bool_)
        for row, sites in zip(given, starts, strict=True):
            row[sites] = True
        given = given[_ranking(search, given)[:PATTERNS]]
        found = _best_of(found, search.anneal(given, moves, (WARM, COLD), round_number=99))
    return found


def _best_of(
    one: tuple[NDArray[np.float64], Sites], other: tuple[NDArray[np.float64], Sites]
) -> tuple[NDArray[np.float64], Sites]:
    """Different plans of both, best first."""
    costs, plans = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    order = np.argsort(costs, kind="stable")
    _, first = np.unique(plans[order], axis=0, return_index=True)
    order = order[np.sort(first)]
    return costs[order], plans[order]


def _goals_kept(problem: LoadingProblem, plan: Sites) -> NDArray[np.float64]:
    """Bounds by which no goal may be missed by more than it is; coverage is not bound."""
    misses = goal_misses(problem, plan)
    stated = np.array([limit.goal != COVERAGE for limit in problem.limits])
    return np.where(stated, misses, NOT_BOUND)


def _higher_goals_kept(problem: LoadingProblem, plan: Sites) -> NDArray[np.float64]:
    """The same for the goals of all priorities but the lowest."""
    levels = _levels(problem)[:-1]
    higher = [limit.goal != COVERAGE and limit.priority in levels for limit in problem.limits]
    return np.where(np.array(higher), goal_misses(problem, plan), NOT_BOUND)


def misses_by_priority(problem: LoadingProblem, plan: Sites) -> tuple[float, ...]:
    """Weighted misses of the goals of each priority but the lowest, the highest first.

    The lowest (the only one, where goals state none) is weighed against coverage and seeds by the
    cost: a cord dose that nobody can reach must not empty the target. No plan misses everything.
    """
    misses = goal_misses(problem, plan)
    levels = _levels(problem)[:-1]
    if not plan.any():
        return (np.inf,) * len(levels)
    return tuple(
        round(
            sum(
                limit.weight * float(miss)
                for limit, miss in zip(problem.limits, misses, strict=True)
                if limit.goal != COVERAGE and limit.priority == level
            ),
            9,
        )
        for level in levels
    )


def _levels(problem: LoadingProblem) -> list[int]:
    """Priorities that the goals have, the highest first."""
    return sorted({limit.priority for limit in problem.limits if limit.goal != COVERAGE})


def _by_priority(
    search: Search, costs: NDArray[np.float64], plans: Sites
) -> tuple[NDArray[np.float64], Sites]:
    """The plans, or where goals are missed: new ones that miss those of each priority least.

    Priority after priority, but for the lowest, the misses are made as small as the search can make
    them, and from then on bound; what is left is the cost of everything else.
    """
    problem, settings = search.problem, search.settings
    missed = misses_by_priority(problem, plans[0])
    if not any(missed):
        return costs, plans
    stated = np.array([limit.goal != COVERAGE for limit in problem.limits])
    priority = np.array([limit.priority for limit in problem.limits])
    bounds = np.full(len(problem.limits), NOT_BOUND)
    eager = replace(search.weights, goal=GOALS_FIRST * search.weights.goal)
    first = Search(problem, settings, eager, search.locks)
    number = 100
    for level in _levels(problem)[:-1]:
        ranks = [misses_by_priority(problem, plan) for plan in plans]
        plans = plans[sorted(range(len(plans)), key=ranks.__getitem__)]
        rows = stated & (priority == level)
        for _ in range(GOAL_ROUNDS):
            if not goal_misses(problem, plans[0])[rows].any():
                break
            number += 1
            _, more = first.anneal(
                np.repeat(plans[:KEPT], 2, axis=0),
                settings.search_moves,
                (HOT, COLD),
                bounds=bounds,
                counted=rows,
                round_number=number,
            )
            every = np.unique(np.concatenate([plans, more]), axis=0)
            ranks = [misses_by_priority(problem, plan) for plan in every]
            order = sorted(
                range(len(every)), key=lambda k: (ranks[k], loading_cost(problem, every[k]))
            )
            plans = every[order]
        bounds[rows] = goal_misses(problem, plans[0])[rows]
    kept = plans[:1]
    found = search.anneal(
        np.repeat(kept, 4, axis=0),
        settings.search_moves,
        (HOT, COLD),
        bounds=bounds,
        round_number=number + 1,
    )
    start_cost = np.array([loading_cost(problem, kept[0], search.weights)])
    return _best_of((start_cost, kept), found)
