"""The compiled search for needles and seeds: arrays in, arrays out, no checks.

One start is one simulated annealing over sets of seed positions, its random numbers seeded by the
start; starts run on several threads and write only their own rows, so the result does not depend
on the number of threads.
"""

import math

import numpy as np
from numba import njit, prange

# columns of the settings array, filled by planning/loading.py
W_UNDER, W_DEFICIT, W_OUTSIDE, W_HOT, W_LIMIT, W_SEED, W_NEEDLE = 0, 1, 2, 3, 4, 5, 6
REFERENCE, HOT, T_START, T_END = 7, 8, 9, 10
N_SETTINGS = 11


@njit(cache=True)
def _cost(dose, influence, add, drop, n_target, n_outside, limits, settings):
    """Cost of a dose with one seed more and one less, per cent of the target volume.

    ``add`` and ``drop`` are rows of ``influence``; -1 is its last row, which is zero: no seed.
    Points: the target's first, then those outside it, then the points of the dose limits; rows of
    ``limits`` are (first, last, limit Gy, permitted number above, least number above, weight);
    a row whose two numbers are negative limits the mean dose.
    """
    reference, hot = settings[REFERENCE], settings[HOT]
    plus, minus = influence[add], influence[drop]
    under, deficit, over, outside = 0, 0.0, 0, 0
    for p in range(n_target):
        d = dose[p] + plus[p] - minus[p]
        if d < reference:
            under += 1
            deficit += 1.0 - d / reference
        elif d > hot:
            over += 1
    for p in range(n_target, n_target + n_outside):
        d = dose[p] + plus[p] - minus[p]
        if d >= reference:
            outside += 1
    per = 100.0 / n_target
    cost = per * (
        settings[W_UNDER] * under
        + settings[W_DEFICIT] * deficit
        + settings[W_HOT] * over
        + settings[W_OUTSIDE] * outside
    )
    for row in range(limits.shape[0]):
        first, last, limit = int(limits[row, 0]), int(limits[row, 1]), limits[row, 2]
        above, excess, short, total = 0, 0.0, 0.0, 0.0
        for p in range(first, last):
            d = dose[p] + plus[p] - minus[p]
            total += d
            if d >= limit:
                above += 1
                excess = max(excess, d / limit - 1.0)
            else:
                short += 1.0 - d / limit
        count = max(1, last - first)
        missed = 0.0  # part of the volume or of the dose; counts at most once however large
        if limits[row, 3] < 0.0 and limits[row, 4] < 0.0:
            missed = max(0.0, total / count / limit - 1.0)
        if limits[row, 3] >= 0.0 and above > limits[row, 3]:
            missed = excess + (above - limits[row, 3]) / count
        if limits[row, 4] >= 0.0 and above < limits[row, 4]:
            missed = (short + limits[row, 4] - above) / count
        cost += limits[row, 5] * missed / (1.0 + missed)
    return cost


@njit(cache=True)
def _fits(chosen, hole_first, hole_last, slot, add, drop, least_gap, most_gap):
    """Whether spacing along the needles holds with one seed more and one less."""
    for site in (add, drop):
        if site < 0:
            continue
        before = -1
        for s in range(hole_first[site], hole_last[site]):
            if (chosen[s] and s != drop) or s == add:
                if before >= 0:
                    gap = slot[s] - slot[before]
                    if gap < least_gap or gap > most_gap:
                        return False
                before = s
    return True


@njit(cache=True)
def _clashes(clash, members, n_members, add, drop):
    """Whether a seed to add needs a needle too near to one of another plate."""
    if add < 0 or clash.shape[0] == 0:
        return False
    for k in range(n_members):
        if members[k] != drop and clash[add, members[k]]:
            return True
    return False


@njit(cache=True)
def _count_hole(chosen, hole_first, hole_last, site):
    count = 0
    for s in range(hole_first[site], hole_last[site]):
        if chosen[s]:
            count += 1
    return count


@njit(cache=True)
def _needle_change(chosen, hole_first, hole_last, add, drop):
    """Change in the number of needles when one seed is added and one dropped."""
    change = 0
    if add >= 0 and drop >= 0 and hole_first[add] == hole_first[drop]:
        return 0
    if add >= 0 and _count_hole(chosen, hole_first, hole_last, add) == 0:
        change += 1
    if drop >= 0 and _count_hole(chosen, hole_first, hole_last, drop) == 1:
        change -= 1
    return change


@njit(cache=True)
def _apply(dose, influence, chosen, members, n_members, add, drop):
    if drop >= 0:
        for p in range(dose.size):
            dose[p] -= influence[drop, p]
        chosen[drop] = False
        for k in range(n_members):
            if members[k] == drop:
                members[k] = members[n_members - 1]
                break
        n_members -= 1
    if add >= 0:
        for p in range(dose.size):
            dose[p] += influence[add, p]
        chosen[add] = True
        members[n_members] = add
        n_members += 1
    return n_members


@njit(cache=True)
def _propose(members, n_members, n_sites, neighbours, max_seeds):
    """Draw one move: (site to add, site to drop), -1 for none."""
    kind = np.random.random()
    if n_members == 0 or (kind < 0.10 and n_members < max_seeds):
        return np.random.randint(n_sites), -1
    drop = members[np.random.randint(n_members)]
    if kind < 0.20:
        return -1, drop
    if kind < 0.35:
        return np.random.randint(n_sites), drop
    near = neighbours[drop]
    return near[np.random.randint(near.size)], drop


@njit(cache=True)
def _anneal(
    influence,
    n_target,
    n_outside,
    limits,
    settings,
    hole_first,
    hole_last,
    slot,
    clash,
    neighbours,
    gaps,
    caps,
    start_chosen,
    iterations,
    random_seed,
    dose,
    chosen,
    members,
):
    np.random.seed(random_seed)
    n_sites = hole_first.size
    max_seeds, max_needles = caps
    dose[:] = 0.0
    chosen[:] = False
    n_members, n_needles = 0, 0
    for site in range(n_sites):
        if start_chosen[site]:
            n_needles += _needle_change(chosen, hole_first, hole_last, site, -1)
            n_members = _apply(dose, influence, chosen, members, n_members, site, -1)

    cost = _cost(dose, influence, -1, -1, n_target, n_outside, limits, settings)
    cost += settings[W_SEED] * n_members + settings[W_NEEDLE] * n_needles
    best = cost
    best_chosen = chosen.copy()
    cooling = math.log(settings[T_END] / settings[T_START])
    for step in range(iterations):
        temperature = settings[T_START] * math.exp(cooling * step / iterations)
        add, drop = _propose(members, n_members, n_sites, neighbours, max_seeds)
        if add >= 0 and chosen[add]:
            continue
        if not _fits(chosen, hole_first, hole_last, slot, add, drop, gaps[0], gaps[1]):
            continue
        if _clashes(clash, members, n_members, add, drop):
            continue
        needles = n_needles + _needle_change(chosen, hole_first, hole_last, add, drop)
        seeds = n_members + (1 if add >= 0 else 0) - (1 if drop >= 0 else 0)
        if needles > max_needles or seeds > max_seeds:
            continue
        new_cost = (
            _cost(dose, influence, add, drop, n_target, n_outside, limits, settings)
            + settings[W_SEED] * seeds
            + settings[W_NEEDLE] * needles
        )
        change = new_cost - cost
        if change <= 0.0 or np.random.random() < math.exp(-change / temperature):
            n_members = _apply(dose, influence, chosen, members, n_members, add, drop)
            n_needles, cost = needles, new_cost
            if cost < best - 1e-9:
                best = cost
                best_chosen[:] = chosen
    return best, best_chosen


@njit(parallel=True, cache=True)
def anneal_starts(
    influence,
    n_target,
    n_outside,
    limits,
    settings,
    hole_first,
    hole_last,
    slot,
    clash,
    neighbours,
    gaps,
    caps,
    start_chosen,
    iterations,
    random_seed,
    costs,
    results,
):
    """Run ``len(costs)`` independent annealings; row k of ``results`` is what start k found."""
    for k in prange(costs.size):
        dose = np.zeros(influence.shape[1])
        chosen = np.zeros(hole_first.size, np.bool_)
        members = np.zeros(hole_first.size, np.int64)
        best, found = _anneal(
            influence,
            n_target,
            n_outside,
            limits,
            settings,
            hole_first,
            hole_last,
            slot,
            clash,
            neighbours,
            gaps,
            caps,
            start_chosen[k],
            iterations,
            random_seed + k,
            dose,
            chosen,
            members,
        )
        costs[k] = best
        results[k, :] = found


@njit(parallel=True, cache=True)
def move_costs(
    influence,
    n_target,
    n_outside,
    limits,
    settings,
    hole_first,
    hole_last,
    slot,
    clash,
    gaps,
    caps,
    dose,
    chosen,
    members,
    n_needles,
    drop,
    costs,
):
    """costs[add] = cost with one seed more and ``drop`` less (-1: none); infinite where forbidden.

    The last of ``costs`` is that of adding none. ``members`` are the chosen sites.
    """
    n_sites, max_seeds, max_needles = hole_first.size, caps[0], caps[1]
    for k in prange(n_sites + 1):
        add = np.int64(k)  # the loop's own counter has no sign
        if add == n_sites:
            add = np.int64(-1)
        costs[k] = math.inf
        if add >= 0 and chosen[add]:
            continue
        if not _fits(chosen, hole_first, hole_last, slot, add, drop, gaps[0], gaps[1]):
            continue
        if _clashes(clash, members, members.size, add, drop):
            continue
        needles = n_needles + _needle_change(chosen, hole_first, hole_last, add, drop)
        seeds = members.size + (1 if add >= 0 else 0) - (1 if drop >= 0 else 0)
        if needles > max_needles or seeds > max_seeds:
            continue
        costs[k] = (
            _cost(dose, influence, add, drop, n_target, n_outside, limits, settings)
            + settings[W_SEED] * seeds
            + settings[W_NEEDLE] * needles
        )
