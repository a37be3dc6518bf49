"""The bound against every loading there is, against plans, and the search against the MILP."""

from dataclasses import replace
from itertools import pairwise, product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import linprog

from template_designer.errors import CaseError
from template_designer.model import GoalSettings
from template_designer.model.settings import LoadingSettings
from template_designer.planning.loading import (
    LoadingProblem,
    Sampling,
    Weights,
    build_problem,
    linear_program,
    loading_cost,
    search_loading,
)
from template_designer.planning.loading.bound import LoadingBound, loading_bound
from template_designer.planning.loading.bound_model import RelaxedLoading
from template_designer.planning.loading.hole_parts import hole_parts
from template_designer.planning.loading.linear_program import LinearProgram
from template_designer.planning.loading.point_sums import cluster_points
from template_designer.planning.loading.problem import COVERAGE, NO_CLASH, QUANTA, Limit
from template_designer.planning.loading.search import spacing_rules
from template_designer.planning.sites import SeedSites
from tests.benchmarks.loading_milp import solve_milp
from tests.template_designer.planning.phantom import SOURCE, STRENGTH_U, approach, solids

GOALS = (
    GoalSettings(structure="GTV", metric="V100", at_least_pct=95.0),
    GoalSettings(structure="Cord", metric="Dmax", at_most_gy=40.0),
)
NO_GOALS = Weights(goal=0.0, coverage=0.0)
MOVES = 4_000


def quick(**limits):
    return LoadingSettings(search_moves=MOVES, **limits)


def make_sites(slots_of_holes):
    """Sites of some holes by their slots; where they lie is not asked here."""
    hole = np.repeat(np.arange(len(slots_of_holes)) * 3, [len(s) for s in slots_of_holes])
    slot = np.concatenate([np.array(s, dtype=np.int64) for s in slots_of_holes])
    centers = np.column_stack([5.0 * hole, 2.5 * slot, np.zeros(len(slot))])
    return SeedSites(hole, slot, 2.5 * slot, centers)


def permitted_loads(slots, rules):
    """Every permitted subset of one hole's slots, by trying all."""
    least, most, seeds = rules[:3]
    for flags in product((False, True), repeat=len(slots)):
        gaps = np.diff(np.array(slots)[list(flags)])
        if np.all((gaps >= least) & (gaps <= most)) and sum(flags) <= seeds:
            yield np.array(flags)


def every_loading(problem, rules):
    """Every permitted loading of a small problem, (loadings, sites)."""
    holes = [problem.sites.slot[problem.sites.hole == h] for h in np.unique(problem.sites.hole)]
    loads = [list(permitted_loads(slots.tolist(), rules)) for slots in holes]
    flags = np.array([np.concatenate(chosen) for chosen in product(*loads)])
    needles = sum(np.any(part, axis=1).astype(int) for part in np.split(
        flags, np.cumsum([len(slots) for slots in holes])[:-1], axis=1))  # fmt: skip
    keep = (flags.sum(axis=1) <= rules[3]) & (needles <= rules[4])
    if problem.clash.size:
        keep &= ~np.any((flags @ problem.clash.astype(int)) * flags, axis=1)
    return flags[keep]


LIMITS = 6


def random_problem(seed, *, clash=False, limits=None):
    """Doses that no seed has, limits of every kind: what holds here holds by logic alone."""
    rng = np.random.default_rng(seed)
    sites = make_sites([[0, 1, 2, 3, 4, 5], [0, 2, 3, 4], [0, 1, 4, 5], [7, 8]])
    n_target, n_outside, n_organ = 30, 20, 12
    count = n_target + n_outside + n_organ
    doses = QUANTA * 0.5 * rng.lognormal(0.0, rng.uniform(0.3, 1.5), (len(sites), count))
    doses[:, ::5] *= 0.02  # points far from everything
    influence = np.zeros((len(sites) + 1, count), dtype=np.float32)
    influence[:-1] = np.rint(doses)
    organ = (n_target + n_outside, count)
    every = (
        Limit(0, n_target, QUANTA, -1.0, rng.uniform(0.3, 1.0) * n_target, COVERAGE),
        Limit(0, n_target, 2 * QUANTA, -1.0, 0.6 * n_target, 0),  # like V200 at least
        Limit(*organ, 0.5 * QUANTA, -1.0, 0.5 * n_organ, 1),  # some organ must get dose
        Limit(*organ, 0.8 * QUANTA, 0.0, -1.0, 2, weight=0.1),  # maximum dose
        Limit(*organ, 0.6 * QUANTA, 3.0, -1.0, 3),  # 3 points may be above
        Limit(*organ, 0.4 * QUANTA, -1.0, -1.0, 4, weight=0.5),  # mean dose
    )
    excludes = NO_CLASH
    if clash:
        one = rng.random((len(sites), len(sites))) < 0.25
        excludes = (one | one.T) & (sites.hole[:, None] != sites.hole[None])
    if limits is None:
        limits = np.flatnonzero(rng.random(LIMITS) < 0.6)
    used = tuple(every[k] for k in limits)
    return LoadingProblem(influence, 1.0, n_target, n_outside, used, sites, excludes)


@pytest.mark.parametrize("seed", range(12))
def test_no_loading_there_is_costs_less_than_the_bound(seed):
    problem = random_problem(seed, clash=seed % 3 == 1)
    limits = {0: {"max_seeds": 4}, 1: {"max_needles": 2}, 2: {"max_seeds_per_needle": 2}}
    settings = quick(**limits.get(seed % 4, {}))
    weights = Weights(goal=(400.0, 5.0)[seed % 2], coverage=(400.0, 5.0)[seed // 2 % 2])
    every = every_loading(problem, spacing_rules(settings, len(problem.sites)))
    assert len(every) > 100
    costs = np.array([loading_cost(problem, chosen, weights) for chosen in every])
    covered = [np.sum(problem.dose_of(c)[: problem.n_target] >= QUANTA) for c in every]
    rng = np.random.default_rng(seed)
    for at in (int(np.argmin(costs)), int(rng.integers(len(every)))):
        for clusters in (1, 8, 64):
            bound = loading_bound(
                problem, settings, np.flatnonzero(every[at]), weights, clusters=clusters
            )
            assert 0.0 <= bound.lower <= costs.min()
            assert bound.cost == costs[at]
            as_covering = np.array(covered) >= covered[at]
            assert bound.seeds_at_least <= every[as_covering].sum(axis=1).min()


PRICES = ("under", "deficit", "outside", "hot", "too_hot", "hot_aim_pct", "goal", "coverage")
NOTHING = dict.fromkeys(PRICES, 0.0)
TERMS = [
    *({name: 1.0} for name in ("under", "deficit", "outside", "hot", "too_hot")),
    {"deficit": 1.0, "hot": 3.0},
    {"deficit": 1.0, "hot": 1.0, "too_hot": 2.0, "hot_aim_pct": 10.0},
    *(
        {"goal": price, "coverage": price, "limit": k}
        for k in range(LIMITS)
        for price in (3.0, 2e4)
    ),
    {"under": 1.5, "deficit": 1.0, "outside": 0.4, "hot": 1.4, "goal": 400.0, "coverage": 400.0},
]


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_every_loading_satisfies_the_programme_at_its_cost_or_less(term):
    """The rows themselves, kind by kind and point by point: with the seeds of a loading fixed, what
    is left to the programme is feasible and costs no more than the loading does."""
    prices = NOTHING | {key: value for key, value in term.items() if key != "limit"}
    weights = Weights(**prices, seed=0.01, needle=0.02)
    limits = [term["limit"]] if "limit" in term else None
    shares = []
    for seed in range(4):
        problem = random_problem(seed, clash=seed % 2 == 1, limits=limits)
        rules = spacing_rules(quick(), len(problem.sites))
        every = every_loading(problem, rules)
        parts = hole_parts(problem.sites, *rules[:3], most_loads=(1, 4, 20, 4)[seed])
        rng = np.random.default_rng(seed)
        for chosen in every[rng.choice(len(every), 6, replace=False)]:
            cost = loading_cost(problem, chosen, weights)
            relaxed = RelaxedLoading(problem, parts, rules, weights, clusters=256)
            relaxed.add_costs(cost)
            assert len(relaxed.target) >= 16  # one or two points a cluster
            left = least_cost_with(relaxed, problem, parts, chosen)
            assert left.status == 0
            assert left.fun <= cost * (1.0 + 1e-6) + 1e-6  # the solver's tolerance
            shares.append(left.fun / cost)
    # rows that say nothing would pass all this; of limit 4 the programme leaves the excess out
    assert max(shares) > (0.05 if limits == [4] else 0.4)


def least_cost_with(relaxed, problem, parts, chosen):
    """The programme solved with the loads of a loading fixed."""
    matrix, right, upper = relaxed.program.arrays()
    lower = np.zeros_like(upper)
    loads = [np.all(part.takes == chosen[part.sites], axis=1) for part in parts]
    lower[relaxed.loads] = upper[relaxed.loads] = np.concatenate(loads)
    used = np.unique(problem.sites.hole[chosen]) // 3
    upper[relaxed.needles] = 0.0
    lower[relaxed.needles.start + used] = upper[relaxed.needles.start + used] = 1.0
    bounds = np.column_stack([lower, upper])
    return linprog(relaxed.program.cost(), matrix, right, bounds=bounds)


def by_hand(doses_of_sites, n_target, limits=()):
    """A problem of single-site holes with these doses, in prescriptions."""
    doses = np.array(doses_of_sites)
    influence = np.vstack([np.rint(doses * QUANTA), np.zeros(doses.shape[1])]).astype(np.float32)
    sites = make_sites([[0]] * len(doses))
    return LoadingProblem(influence, 1.0, n_target, 0, limits, sites, NO_CLASH)


def test_seeds_that_each_cover_their_own_part_are_all_needed():
    problem = by_hand(np.kron(np.eye(4), np.full(5, 1.1)), 20)
    for chosen in ([0, 1, 2, 3], [0, 2], [1], []):
        bound = loading_bound(problem, quick(), np.array(chosen, dtype=np.int64))
        assert bound.seeds_at_least == len(chosen)
        # nothing hot or outside: what each seed covers is the whole story, and all four pay
        assert bound.lower == pytest.approx(4 * (Weights().seed + Weights().needle), abs=1e-3)


def test_the_miss_of_a_volume_limit_by_hand():
    """6 of 10 points just above the level, 2 permitted: missed by 0.4 and nearly no excess."""
    organ = [1.0] * 6 + [0.95] * 4
    limit = Limit(1, 11, QUANTA, 2.0, -1.0, 0)
    problem = by_hand([[1.2, *organ]], 1, (limit,))
    chosen, weights = np.array([True]), Weights(**NOTHING | {"goal": 9.0}, seed=0.0, needle=0.0)
    cost = loading_cost(problem, chosen, weights)
    assert cost == pytest.approx(9.0 * 0.4 / 1.4, rel=1e-12)
    parts = hole_parts(problem.sites, 2, 4, 9)
    relaxed = RelaxedLoading(problem, parts, (2, 4, 9, 9, 9), weights, clusters=64)
    relaxed.add_costs(cost)
    left = least_cost_with(relaxed, problem, parts, chosen)
    assert left.fun == pytest.approx(cost, abs=1e-6)


@pytest.mark.parametrize("most_loads", [1, 7, 20, 1000])
def test_parts_hold_every_load_and_no_other(most_loads):
    """A hole with gaps between its slots, a long one, one with a single site; two rules."""
    sites = make_sites([[0, 1, 2, 5, 6, 9], list(range(3, 14)), [4]])
    for rules in ((2, 4, 99), (1, 2, 3), (3, 3, 2)):
        parts = hole_parts(sites, *rules, most_loads)
        assert np.array_equal(np.concatenate([p.sites for p in parts]), np.arange(len(sites)))
        for part in parts:
            assert len(np.unique(sites.hole[part.sites])) == 1
            assert len(part.takes) <= max(most_loads, 1)
            slots = sites.slot[part.sites].tolist()
            wanted = {tuple(load) for load in permitted_loads(slots, rules)} - {
                (False,) * len(slots)
            }
            assert {tuple(load) for load in part.takes} == wanted
            assert len(part.takes) == len(wanted)


def test_clusters_are_divided_by_finer_ones():
    problem = random_problem(3)
    doses = problem.influence[:-1, : problem.n_target]
    coarse, fine = cluster_points(doses, 4), cluster_points(doses, 11)
    assert (len(coarse), len(fine)) == (4, 8)
    assert sorted(np.concatenate(fine).tolist()) == list(range(problem.n_target))
    for cluster in fine:
        assert sum(set(cluster) <= set(other) for other in coarse) == 1


def test_bad_prices_give_a_low_bound_never_a_wrong_one(monkeypatch):
    """Weak duality: whatever the solver says, or if it fails, no number above the optimum."""
    program = LinearProgram()
    x = program.columns(np.array([1.0, 2.0, -1.0]), 3.0)
    rows = np.array([[-1.0, -1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    program.rows([(x, rows)], np.array([-2.0, 2.5, 2.9]))
    best = 2.0 - 2.5  # x = (2, 0, 2.5), by hand; the last row is idle there
    assert program.lower_bound() == pytest.approx(best, abs=1e-6)  # given away for rounding
    assert program.lower_bound() < best
    rng = np.random.default_rng(1)
    for status in (0,) * 100 + (1,):
        lies = SimpleNamespace(
            status=status, ineqlin=SimpleNamespace(marginals=rng.normal(0.0, 2.0, 3))
        )
        monkeypatch.setattr(linear_program, "linprog", lambda *_, _lies=lies, **__: _lies)
        assert program.lower_bound() < best


def test_a_row_for_one_bound_is_not_kept():
    program = LinearProgram()
    x = program.columns(np.array([1.0]))
    program.rows([(x, np.array([[1.0]]))], np.array([0.9]))
    once = program.lower_bound(extra=([(x, np.array([[-1.0]]))], np.array([-0.5])))
    assert once == pytest.approx(0.5, abs=1e-6)
    assert program.lower_bound() == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match=r"a block of \(1, 2\) cannot stand in 1 rows"):
        program.rows([(x, np.ones((1, 2)))], np.zeros(1))


@pytest.fixture(scope="module")
def phantom():
    parts = solids()
    found = approach(parts=parts)
    return build_problem(
        found.sites,
        found.axis,
        source=SOURCE,
        strength_u=STRENGTH_U,
        prescription_gy=120.0,
        target=parts["GTV"],
        goals=GOALS,
        solids=parts,
        sampling=Sampling(600, 0.0, volume_margin_pct=1.5, dose_margin=0.997),
    )


@pytest.fixture(scope="module")
def plan(phantom):
    return search_loading(phantom, quick())


def test_finer_clusters_raise_the_bound_up_to_the_plan(phantom, plan):
    bounds = [loading_bound(phantom, quick(), plan.chosen, clusters=c) for c in (4, 16, 64, 256)]
    lower = [bound.lower for bound in bounds]
    assert all(b > a - 1e-4 for a, b in pairwise(lower))  # rounded down
    assert [bound.clusters for bound in bounds] == [4, 16, 64, 256]
    assert lower[-1] <= plan.cost + 1e-9
    assert lower[-1] > 1.2 * lower[0]
    assert lower[-1] > 0.25 * plan.cost  # a bound that says something
    assert 0.5 * len(plan.chosen) < bounds[-1].seeds_at_least <= len(plan.chosen)
    assert bounds[-1].gap_pct == pytest.approx(100.0 * (bounds[-1].cost / lower[-1] - 1.0))


def test_it_is_the_same_every_time_and_has_a_default(phantom, plan):
    one, two = (loading_bound(phantom, quick(), plan.chosen) for _ in range(2))
    assert one == two
    assert one.clusters >= 64
    assert one.cost == pytest.approx(plan.cost, abs=1e-9)  # sums in another order


def test_random_loadings_of_the_phantom_cost_no_less(phantom, plan):
    bound = loading_bound(phantom, quick(), plan.chosen, clusters=128)
    rules = spacing_rules(quick(), len(phantom.sites))
    rng = np.random.default_rng(5)
    holes = np.unique(phantom.sites.hole)
    for _ in range(40):
        flags = np.zeros(len(phantom.sites), dtype=np.bool_)
        for hole in holes[rng.random(len(holes)) < rng.uniform(0.1, 0.9)]:
            of_hole = np.flatnonzero(phantom.sites.hole == hole)
            loads = list(permitted_loads(phantom.sites.slot[of_hole].tolist(), rules))
            flags[of_hole] = loads[rng.integers(len(loads))]
        assert loading_cost(phantom, flags) >= bound.lower
        dose = phantom.dose_of(flags)[: phantom.n_target]
        if np.sum(dose >= QUANTA) >= np.sum(phantom.dose_of(_mask(phantom, plan.chosen))[
            : phantom.n_target] >= QUANTA):  # fmt: skip
            assert flags.sum() >= bound.seeds_at_least


def _mask(problem, chosen):
    flags = np.zeros(len(problem.sites), dtype=np.bool_)
    flags[chosen] = True
    return flags


def test_wrong_loadings_are_refused(phantom):
    with pytest.raises(CaseError, match="the loading to bound holds sites 0 to 9999"):
        loading_bound(phantom, quick(), np.array([0, 9999]))
    with pytest.raises(CaseError, match="holds sites -1 to 3"):
        loading_bound(phantom, quick(), np.array([-1, 3]))


def test_nothing_placed_has_a_bound_and_no_bound_no_gap(phantom):
    bound = loading_bound(phantom, quick(), np.zeros(0, dtype=np.int64), clusters=16)
    assert bound.seeds_at_least == 0
    assert 0.0 < bound.lower < bound.cost
    assert LoadingBound(0.0, 5.0, 0, 1).gap_pct is None


def small_problem(phantom, seed):
    """A few holes and points of the phantom, with weaker seeds or stronger ones."""
    rng = np.random.default_rng(seed)
    holes = rng.choice(np.unique(phantom.sites.hole), 3, replace=False)
    kept = np.flatnonzero(np.isin(phantom.sites.hole, holes))[: int(rng.integers(10, 17))]
    sites = SeedSites(*(getattr(phantom.sites, name)[kept] for name in (
        "hole", "slot", "z_mm", "centers_lps_mm")))  # fmt: skip
    n_target, n_outside = int(rng.integers(20, 35)), int(rng.integers(10, 30))
    # points that these holes can cover at all
    able = np.argsort(-phantom.influence[kept][:, : phantom.n_target].sum(axis=0))[:150]
    shell = phantom.n_target + rng.choice(phantom.n_outside, n_outside, replace=False)
    points = np.concatenate([rng.choice(able, n_target, replace=False), shell])
    influence = phantom.influence[np.append(kept, len(phantom.sites))][:, points]
    problem = replace(
        phantom, influence=np.ascontiguousarray(influence), n_target=n_target,
        n_outside=n_outside, limits=(), sites=sites,
    )  # fmt: skip
    return problem.scaled(float(rng.uniform(1.0, 2.0)))


@pytest.mark.parametrize("seed", range(6))
def test_the_search_finds_what_highs_proves_optimal(phantom, seed):
    problem = small_problem(phantom, seed)
    settings = quick(max_needles=2) if seed == 5 else quick()
    exact = solve_milp(problem, settings, NO_GOALS, time_limit_s=60.0)
    assert exact.proved
    found = search_loading(problem, settings, weights=NO_GOALS)
    # HiGHS takes binaries within 1e-6 as whole and sums some hundred prices of about 5
    assert found.cost == pytest.approx(exact.cost, abs=1e-3)
    assert loading_cost(problem, _mask(problem, exact.chosen), NO_GOALS) == pytest.approx(
        exact.cost, abs=1e-3
    )
    bound = loading_bound(problem, settings, found.chosen, NO_GOALS, clusters=64)
    assert 0.0 < bound.lower <= exact.cost + 1e-3
    assert len(found.chosen) >= bound.seeds_at_least


def test_the_milp_is_the_problem_itself():
    """Against every loading there is, with clashes and limits on numbers."""
    problem = replace(random_problem(4, clash=True), limits=())
    settings = quick(max_seeds=5, max_needles=3, max_seeds_per_needle=2)
    every = every_loading(problem, spacing_rules(settings, len(problem.sites)))
    best = min(loading_cost(problem, chosen, NO_GOALS) for chosen in every)
    exact = solve_milp(problem, settings, NO_GOALS, time_limit_s=60.0)
    assert exact.proved
    assert exact.cost == pytest.approx(best, abs=1e-3)
