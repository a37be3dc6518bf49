import os
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from dose import dose_at_points
from template_designer.geometry.sampling import volume_samples
from template_designer.model import GoalSettings
from template_designer.model.settings import LoadingSettings
from template_designer.planning.loading import (
    FINAL,
    Locks,
    Weights,
    _kernels,
    best_strength,
    build_problem,
    goal_misses,
    loading_cost,
    search_loading,
    search_numbers,
)
from template_designer.planning.loading import (
    problem as problems,
)
from tests.paths import ROOT
from tests.template_designer.planning.phantom import (
    SEARCH_MOVES,
    SOURCE,
    STRENGTH_U,
    approach,
    solids,
)

GOALS = (
    GoalSettings(structure="GTV", metric="V100", at_least_pct=95.0),
    GoalSettings(structure="Cord", metric="Dmax", at_most_gy=40.0),
)
GY = 120.0


def quick(**limits):
    return LoadingSettings(search_moves=SEARCH_MOVES, **limits)


@pytest.fixture(scope="module")
def problem():
    return make_problem()


@pytest.fixture(scope="module")
def plan(problem):
    return search_loading(problem, quick())


def make_problem(goals=GOALS, sampling=problems.SEARCH, **kwargs):
    parts = solids(**kwargs)
    found = approach(parts=parts)
    return build_problem(
        found.sites,
        found.axis,
        source=SOURCE,
        strength_u=STRENGTH_U,
        prescription_gy=GY,
        target=parts["GTV"],
        goals=goals,
        solids=parts,
        sampling=sampling,
    )


def mask(problem, chosen):
    flags = np.zeros(len(problem.sites), dtype=np.bool_)
    flags[list(chosen)] = True
    return flags


def dose_gy(problem, chosen):
    return problem.quantum_gy * problem.dose_of(mask(problem, chosen)).astype(np.float64)


def parts_of(problem, chosen):
    """Doses in the target, outside it, and at the points of the goals."""
    n, m = problem.n_target, problem.n_target + problem.n_outside
    dose = dose_gy(problem, chosen)
    return dose[:n], dose[n:m], dose[m:]


def gaps_mm(problem, chosen, step_mm=2.5):
    sites, chosen = problem.sites, np.asarray(chosen)
    gaps = []
    for hole in np.unique(sites.hole[chosen]):
        slots = np.sort(sites.slot[chosen[sites.hole[chosen] == hole]])
        gaps.extend((np.diff(slots) * step_mm).tolist())
    return gaps


def test_the_influence_is_the_dose_engine(problem, plan):
    assert problem.influence.dtype == np.float32
    assert not problem.influence[-1].any()  # "no seed"
    assert np.array_equal(problem.influence, np.rint(problem.influence))  # whole quanta
    # one plan, summed from the table and by the engine at the structure's own samples
    points, weights = volume_samples(solids()["GTV"])
    axes = np.broadcast_to([0.0, 1.0, 0.0], (len(plan.chosen), 3))
    centers = problem.sites.centers_lps_mm[plan.chosen]
    exact = dose_at_points(SOURCE, centers, axes, STRENGTH_U, points)
    v100 = np.average(exact >= GY, weights=weights)
    table = np.mean(parts_of(problem, plan.chosen)[0] >= GY)
    assert table == pytest.approx(v100, abs=0.01)  # 2,500 points against 7,000


def test_the_points_of_the_search_tell_what_the_full_grid_tells(problem, plan):
    """V100, V150, CI to 1 point of the fine lattice's, the cord's maximum to 1 %."""
    fine = make_problem(sampling=FINAL)
    rng = np.random.default_rng(8)
    plans = [plan.chosen]
    for _ in range(5):  # and of worse plans
        others = np.setdiff1d(np.arange(len(problem.sites)), plan.chosen)
        dropped = rng.choice(plan.chosen, len(plan.chosen) - 3, replace=False)
        plans.append(np.append(dropped, rng.choice(others, 3, replace=False)))

    def numbers(of, chosen):
        inside, outside, cord = parts_of(of, chosen)
        covered = np.mean(inside >= GY)
        reference = np.sum(inside >= GY) + np.sum(outside >= GY)
        ci = covered * np.sum(inside >= GY) / reference
        return covered, np.mean(inside >= 1.5 * GY), ci, cord.max()

    for chosen in plans:
        rough, full = numbers(problem, chosen), numbers(fine, chosen)
        # a target of 7 cm3: what three strayed seeds cover is scattered, and told a little worse
        margin = 0.01 if chosen is plan.chosen else 0.015
        assert rough[:3] == pytest.approx(full[:3], abs=margin)
        assert rough[3] == pytest.approx(full[3], rel=0.01)


def test_goals_and_spacing_hold_and_the_plan_is_conformal(problem, plan):
    inside, outside, cord = parts_of(problem, plan.chosen)
    assert np.mean(inside >= GY) >= 0.95
    assert cord.max() <= 40.0
    assert not plan.misses[1:].any()
    covered = np.count_nonzero(inside >= GY)
    index = covered**2 / problem.n_target / (covered + np.count_nonzero(outside >= GY))
    assert index > 0.65  # published optimisers reach 0.7-0.8 on targets four times as large
    assert all(5.0 <= gap <= 10.0 for gap in gaps_mm(problem, plan.chosen))


def test_the_same_case_gives_the_same_plan_every_time(problem, plan):
    again = search_loading(problem, quick())
    np.testing.assert_array_equal(plan.chosen, again.chosen)


def test_twenty_other_starts_of_the_random_numbers_agree_within_one_percent():
    small, settings = make_problem(target_radius=9.0), LoadingSettings(search_moves=20_000)
    costs = [
        search_loading(small, settings.model_copy(update={"random_seed": seed})).cost
        for seed in range(20)
    ]
    assert max(costs) <= 1.01 * min(costs)


def test_the_plan_does_not_depend_on_the_number_of_threads():
    code = (
        "from tests.template_designer.planning.test_loading import *\n"
        "p = make_problem(target_radius=9.0)\n"
        "print(search_loading(p, quick()).chosen.tolist())"
    )
    seen = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "NUMBA_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.add(run.stdout)
    assert len(seen) == 1


def test_limits_on_needles_and_seeds_are_kept(problem):
    result = search_loading(problem, quick(max_needles=3, max_seeds=6, max_seeds_per_needle=2))
    holes, counts = np.unique(problem.sites.hole[result.chosen], return_counts=True)
    assert len(holes) <= 3
    assert counts.max() <= 2
    assert len(result.chosen) <= 6


@pytest.mark.parametrize("spacing", [(5.0, 5.0), (7.5, 10.0), (5.0, 30.0)])
def test_any_permitted_spacing_is_kept(problem, spacing):
    result = search_loading(problem, quick(seed_spacing_mm=spacing))
    assert all(spacing[0] <= gap <= spacing[1] for gap in gaps_mm(problem, result.chosen))


def plain_cost(problem, chosen, weights):
    """The cost once more, in plain NumPy, straight from the docstring of Weights."""
    n = problem.n_target
    dose = problem.dose_of(mask(problem, chosen)).astype(np.float64)
    inside, outside = dose[:n], dose[n : n + problem.n_outside]
    reference = problem.reference
    cost = weights.under * 100.0 * np.mean(inside < reference)
    cost += weights.deficit * 100.0 * np.mean(np.maximum(0.0, 1.0 - inside / reference))
    hot_pct = 100.0 * np.mean(inside > 2.0 * reference)
    cost += weights.hot * hot_pct
    cost += weights.too_hot * max(0.0, hot_pct - weights.hot_aim_pct)
    cost += weights.outside * problem.outside_weight * 100.0 * np.sum(outside >= reference) / n
    for limit in problem.limits:
        there, level = dose[limit.first : limit.last], limit.level
        above, count, missed = np.sum(there >= level), len(there), 0.0
        if limit.most_above < 0.0 and limit.least_above < 0.0:
            missed = max(0.0, there.mean() / level - 1.0)
        if limit.most_above >= 0.0 and above > limit.most_above:
            missed = there.max() / level - 1.0 + (above - limit.most_above) / count
        if limit.least_above >= 0.0 and above < limit.least_above:
            short = np.maximum(0.0, 1.0 - there / level).sum()
            missed = (short + limit.least_above - above) / count
        price = weights.coverage if limit.goal < 0 else weights.goal
        cost += price * limit.weight * missed / (1.0 + missed)
    holes = len(np.unique(problem.sites.hole[list(chosen)]))
    return cost + weights.seed * len(list(chosen)) + weights.needle * holes


def test_the_cost_is_what_its_words_say():
    goals = (
        *GOALS,
        GoalSettings(structure="GTV", metric="V200", at_most_pct=20.0, weight=2.0),
        GoalSettings(structure="Cord", metric="Dmean", at_most_gy=2.0),
    )
    problem, rng = make_problem(goals=goals), np.random.default_rng(3)
    for size in (1, 5, 15, 40):
        chosen = rng.choice(len(problem.sites), size, replace=False)
        mine = plain_cost(problem, chosen, Weights())
        # float32 whole numbers against float64: only divisions differ
        assert loading_cost(problem, mask(problem, chosen)) == pytest.approx(mine, rel=1e-6)


def test_a_move_is_turned_down_early_only_where_it_costs_too_much(problem):
    """The price of a change is the whole cost after it, or one above the ceiling, never below."""
    numbers, limits = search_numbers(problem, Weights())
    level = (problem.influence, (problem.n_target, problem.n_outside), limits, numbers)
    rng, none, early = np.random.default_rng(5), problem.nothing, 0
    for size in (2, 12, 30):
        chosen = rng.choice(len(problem.sites), size, replace=False)
        others = np.setdiff1d(np.arange(len(problem.sites)), chosen)
        for n_adds, n_drops in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (4, 2)):
            adds, drops = rng.choice(others, n_adds, replace=False), chosen[:n_drops]
            after = set(chosen.tolist()) - set(drops.tolist()) | set(adds.tolist())
            seeds_and_needles = Weights(under=0, deficit=0, outside=0, hot=0, too_hot=0, goal=0)
            known = plain_cost(problem, after, Weights()) - plain_cost(
                problem, after, replace(seeds_and_needles, coverage=0)
            )
            for part in (0.02, 0.2, 0.9, 1.1):
                dose, trial = problem.dose_of(mask(problem, chosen)), none.copy()
                places = (adds, n_adds, drops, n_drops)
                price, _ = _kernels._priced(
                    level, none, dose, trial, limits, numbers, *places, part * known
                )
                if price > part * known:
                    assert price <= known * (1.0 + 1e-6)  # float32 sums against float64
                    early += price < known * (1.0 - 1e-3)
                else:
                    assert price == pytest.approx(known, rel=1e-6)
    assert early > 10


@pytest.mark.parametrize("moves", [1_000, SEARCH_MOVES])
def test_no_seed_dropped_added_or_moved_improves_a_plan(problem, moves):
    """However short the annealing was: every single change is tried by another way."""
    fine = make_problem(sampling=replace(FINAL, spacing_mm=1.4))
    result = search_loading(problem, LoadingSettings(search_moves=moves), final=fine)
    chosen = set(result.chosen.tolist())
    mine = plain_cost(fine, chosen, Weights())
    assert result.cost == pytest.approx(mine, rel=1e-6)
    misses = goal_misses(fine, mask(fine, chosen))[1:]
    others = [site for site in range(len(fine.sites)) if site not in chosen]
    changes = [(drop, None) for drop in chosen]
    changes += [(None, add) for add in others]
    changes += [(drop, add) for drop in chosen for add in others]
    tried = 0
    for drop, add in changes:
        changed = sorted((chosen - {drop}) | ({int(add)} if add is not None else set()))
        if not all(5.0 <= gap <= 10.0 for gap in gaps_mm(fine, changed)):
            continue
        tried += 1
        better = loading_cost(fine, mask(fine, changed)) < mine - 1e-4
        # a goal is never traded for cost
        assert not better or np.any(goal_misses(fine, mask(fine, changed))[1:] > misses)
    assert tried > len(others)


def test_on_a_small_problem_the_search_finds_the_proven_optimum():
    whole = make_problem(goals=(), target_radius=7.0)
    rng = np.random.default_rng(0)
    # 9 sites of different holes, at most 3 seeds: all 129 subsets are tried by brute force
    holes = rng.permutation(np.unique(whole.sites.hole))[:9]
    keep = np.sort([np.flatnonzero(whole.sites.hole == h)[0] for h in holes])
    sites = replace(
        whole.sites,
        hole=whole.sites.hole[keep],
        slot=whole.sites.slot[keep],
        z_mm=whole.sites.z_mm[keep],
        centers_lps_mm=whole.sites.centers_lps_mm[keep],
    )
    small = replace(whole, influence=whole.influence[[*keep, -1]], sites=sites)
    result = search_loading(small, quick(max_seeds=3))
    best = min(
        plain_cost(small, chosen, Weights())
        for size in (1, 2, 3)
        for chosen in combinations(range(len(keep)), size)
    )
    assert result.cost == pytest.approx(best, rel=1e-6)


def test_a_tighter_cord_goal_lowers_the_cord_dose():
    highest = []
    for limit in (60.0, 25.0):
        tight = GoalSettings(structure="Cord", metric="Dmax", at_most_gy=limit)
        problem = make_problem(goals=(tight,), cord_x=20.0)
        chosen = search_loading(problem, quick()).chosen
        highest.append(float(parts_of(problem, chosen)[2].max()))
    assert highest[1] < highest[0]
    assert highest[1] <= 25.0


CORD_FIRST = (
    GoalSettings(structure="Cord", metric="Dmax", at_most_gy=20.0),
    GoalSettings(structure="GTV", metric="V100", at_least_pct=96.0, priority=2),
)


@pytest.mark.parametrize("swap", [False, True])
def test_a_higher_priority_is_never_traded_for_a_lower_one(swap):
    """Two goals that cannot both be met: the first one is met, whichever it is."""
    goals = CORD_FIRST
    if swap:
        goals = tuple(g.model_copy(update={"priority": 3 - g.priority}) for g in goals)
    problem = make_problem(goals=goals, cord_x=14.0)
    # without the other goal, the first can be met
    alone = make_problem(goals=[g for g in goals if g.priority == 1], cord_x=14.0)
    assert not search_loading(alone, quick()).misses[1:].any()
    misses = search_loading(problem, quick()).misses[1:]
    cord, coverage = misses
    assert (coverage if swap else cord) == 0.0
    assert (cord if swap else coverage) > 0.0


def test_of_two_goals_of_one_priority_the_heavier_gives_way_less():
    missed = []
    for weight in (0.05, 20.0):
        goals = tuple(
            g.model_copy(update={"priority": 1, "weight": weight if g.metric == "V100" else 1.0})
            for g in CORD_FIRST
        )
        problem = make_problem(goals=goals, cord_x=14.0)
        missed.append(search_loading(problem, quick()).misses[2])
    assert missed[1] < missed[0]


def test_locked_seeds_stay_and_forbidden_sites_stay_empty(problem, plan):
    sites, free = problem.sites, Locks.none(len(problem.sites))
    locked_hole, forbidden_hole = sites.hole[plan.chosen[0]], sites.hole[plan.chosen[-1]]
    locked = sites.hole == locked_hole
    start = mask(problem, plan.chosen[sites.hole[plan.chosen] != forbidden_hole])
    locks = Locks(free.may_add & ~locked & (sites.hole != forbidden_hole), ~locked, start)
    again = search_loading(problem, quick(), locks=locks).chosen
    assert set(again[locked[again]]) == set(plan.chosen[locked[plan.chosen]])
    assert not np.any(sites.hole[again] == forbidden_hole)


def test_the_best_of_several_strengths_is_found():
    """The pick is the one whose full plan costs least; hopeless strengths are never picked."""
    problem = make_problem()
    factors = (0.02, 0.7, 1.0, 30.0)
    pick = best_strength(problem, quick(), factors)
    assert pick in (1, 2)
    weaker = problem.scaled(0.5)
    assert np.abs(weaker.influence - 0.5 * problem.influence).max() <= 0.5  # rounded to quanta


@pytest.mark.parametrize(
    ("metric", "limit", "row"),
    [
        ("V150", {"at_most_pct": 50.0}, (180.0, 48.5, -1.0)),
        ("D90", {"at_least_gy": 130.0}, (130.0, -1.0, 91.5)),
        ("D2cc", {"at_most_gy": 60.0}, (60.0, 18.5, -1.0)),  # 2 of 10 cm3, less the margin
        ("Dmax", {"at_most_gy": 100.0}, (99.7, 0.0, -1.0)),
        ("Dmean", {"at_most_gy": 100.0}, (99.7, -1.0, -1.0)),
    ],
)
def test_every_kind_of_goal_becomes_a_limit(metric, limit, row):
    goal = GoalSettings(structure="x", metric=metric, **limit)
    assert problems._limit_numbers(goal, 100, 10.0, GY, 1.5, 0.997) == pytest.approx(row)
