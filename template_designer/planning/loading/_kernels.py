"""The compiled search for needles and seeds: arrays in, arrays out, no checks.

Doses are whole numbers of a small quantum, held as float32. Sums of whole numbers under 2^24 are
exact in any order, so results depend neither on the width of the processor's vectors nor on the
number of threads, and a dose that is updated a million times does not drift.

``sites`` below is the tuple (hole_first, hole_last, slot, may_add, may_drop, clash): first and last
site of each site's hole, depth step of each site, whether a seed may be put there or taken away,
and which sites exclude each other ((0, 0) where none do). ``rules`` is (least_gap, most_gap,
seeds_in_needle, max_seeds, max_needles).

``influence`` has a row of doses a site, then a row of zeros; where seeds lie there already, a
further row is their dose, which every loading starts from.
"""

import math

import numpy as np
from numba import float32, int32, njit, prange

# columns of the numbers array, filled by planning/loading/objective.py
W_UNDER, W_DEFICIT, W_OUTSIDE, W_HOT, W_TOO_HOT, W_SEED, W_NEEDLE = range(7)
REFERENCE, HOT, HOT_AIM = range(7, 10)
N_NUMBERS = 10

# columns of a limit row
FIRST, LAST, LEVEL, MOST, LEAST, WEIGHT, BOUND = range(7)
N_COLUMNS = 7

HARD = 1.0e4
"""Cost of a bound that is passed, per unit: far above anything else."""

CHUNK = 1024
"""Points summed in float32 at a time: 1024 points of up to 16384 quanta stay under 2^24."""

SHORT_CHUNK = 128
"""The same for shortfalls under any level: up to 32 times the prescription."""

KINDS = np.array([0.04, 0.08, 0.40, 0.69, 0.79, 0.92, 0.95, 0.98, 1.0])
"""Up to where a random number means: add, drop, move near, move anywhere, slide a needle's seeds,
move a needle to another hole, close a needle, open one, close one and open another."""

SLACK = 1.5
"""Cost by which few points may misjudge a move: three standard deviations."""

MOST_CHANGED = 24
"""Seeds that one move may change."""

# Every loop below runs over slices from their start: with an offset in the index the compiler
# checks for negative ones at every point and does not use vectors, ten times slower.


@njit(cache=True, fastmath=True)
def _target_terms(dose, plus, minus, last, reference, hot):
    """Number under the reference, summed shortfall in quanta, number over ``hot``."""
    under, deficit, over = 0.0, 0.0, 0.0
    for first in range(0, last, CHUNK):
        end = min(first + CHUNK, last)
        d, a, b = dose[first:end], plus[first:end], minus[first:end]
        u, s, h = float32(0), float32(0), float32(0)
        for p in range(d.size):
            value = d[p] + a[p] - b[p]
            short = reference - value
            is_short = float32(1) if short > float32(0) else float32(0)
            u += is_short
            s += is_short * short
            h += float32(1) if value > hot else float32(0)
        under += float(u)
        deficit += float(s)
        over += float(h)
    return under, deficit, over


@njit(cache=True, fastmath=True)
def _count_at(dose, plus, minus, first, last, level):
    """Number of points at or above a level."""
    count = 0.0
    for start in range(first, last, CHUNK):
        end = min(start + CHUNK, last)
        d, a, b = dose[start:end], plus[start:end], minus[start:end]
        n = float32(0)
        for p in range(d.size):
            n += float32(1) if d[p] + a[p] - b[p] >= level else float32(0)
        count += float(n)
    return count


@njit(cache=True, fastmath=True)
def _short_of(dose, plus, minus, first, last, level):
    """Summed shortfall under a level, quanta."""
    total = 0.0
    for start in range(first, last, SHORT_CHUNK):
        end = min(start + SHORT_CHUNK, last)
        d, a, b = dose[start:end], plus[start:end], minus[start:end]
        s = float32(0)
        for p in range(d.size):
            short = level - (d[p] + a[p] - b[p])
            s += short if short > float32(0) else float32(0)
        total += float(s)
    return total


@njit(cache=True, fastmath=True)
def _most(dose, plus, minus, first, last):
    """Highest dose, quanta."""
    d, a, b = dose[first:last], plus[first:last], minus[first:last]
    most = int32(0)  # the highest of floats would not use vectors: 16 times slower
    for p in range(d.size):
        value = int32(d[p] + a[p] - b[p])
        most = value if value > most else most
    return most


@njit(cache=True, fastmath=True)
def _sum_of(dose, plus, minus, first, last):
    """Sum of doses, quanta."""
    d, a, b = dose[first:last], plus[first:last], minus[first:last]
    total = 0.0
    for p in range(d.size):
        total += np.float64(d[p] + a[p] - b[p])
    return total


@njit(cache=True)
def missed_part(dose, plus, minus, row, above, short):
    """By how much a limit is missed: part of its volume, or of its dose; 0 where it is met.

    ``above`` is the number of its points at or above its level and ``short`` their summed
    shortfall where those are known, else negative.
    """
    first, last = int(row[FIRST]), int(row[LAST])
    level, count = float32(row[LEVEL]), last - first
    if row[MOST] < 0.0 and row[LEAST] < 0.0:
        return max(0.0, _sum_of(dose, plus, minus, first, last) / count / level - 1.0)
    if row[MOST] == 0.0 and row[LEAST] < 0.0 and above < 0.0:
        most = _most(dose, plus, minus, first, last)
        if most < level:
            return 0.0
        above = _count_at(dose, plus, minus, first, last, level)
        return most / level - 1.0 + above / count
    if above < 0.0:
        above = _count_at(dose, plus, minus, first, last, level)
    if row[MOST] >= 0.0 and above > row[MOST]:
        excess = _most(dose, plus, minus, first, last) / level - 1.0
        return excess + (above - row[MOST]) / count
    if row[LEAST] >= 0.0 and above < row[LEAST]:
        if short < 0.0:
            short = _short_of(dose, plus, minus, first, last, level)
        return (short / level + row[LEAST] - above) / count
    return 0.0


@njit(cache=True)
def _target_cost(dose, plus, minus, n_target, numbers):
    """(cost, points under the prescription, their summed shortfall) of the target alone."""
    under, deficit, over = _target_terms(
        dose, plus, minus, n_target, float32(numbers[REFERENCE]), float32(numbers[HOT])
    )
    cost = (
        numbers[W_UNDER] * under
        + numbers[W_DEFICIT] * deficit / numbers[REFERENCE]
        + numbers[W_HOT] * over
    ) * (100.0 / n_target)
    cost += numbers[W_TOO_HOT] * max(0.0, 100.0 * over / n_target - numbers[HOT_AIM])
    return cost, under, deficit


@njit(cache=True)
def _other_cost(dose, plus, minus, n_target, n_outside, limits, numbers, under, deficit):
    """(cost of the volume outside and of the limits, how far bounds are passed)."""
    outside = _count_at(
        dose, plus, minus, n_target, n_target + n_outside, float32(numbers[REFERENCE])
    )
    cost = numbers[W_OUTSIDE] * outside * (100.0 / n_target)
    passed = 0.0
    for k in range(limits.shape[0]):
        row = limits[k]
        above, short = -1.0, -1.0
        if row[FIRST] == 0.0 and row[LAST] == n_target and row[LEVEL] == numbers[REFERENCE]:
            above, short = n_target - under, deficit
        missed = missed_part(dose, plus, minus, row, above, short)
        cost += limits[k, WEIGHT] * missed / (1.0 + missed)
        if limits[k, BOUND] >= 0.0 and missed > limits[k, BOUND]:
            passed += missed - limits[k, BOUND]
    return cost, passed


@njit(cache=True)
def _cost(dose, plus, minus, n_target, n_outside, limits, numbers):
    """(cost of doses, how far bounds are passed): per cent of the target volume.

    Points: the target's first, then those outside it, then the points of the limits. A limit whose
    bound is not negative must not be missed by more than it. A miss counts at most once, however
    large.
    """
    cost, under, deficit = _target_cost(dose, plus, minus, n_target, numbers)
    more, passed = _other_cost(
        dose, plus, minus, n_target, n_outside, limits, numbers, under, deficit
    )
    return cost + more, passed


@njit(cache=True)
def _hole_fits(chosen, sites, rules, site):
    """Whether the seeds of a site's hole keep the spacing and their number."""
    before, count = -1, 0
    for s in range(sites[0][site], sites[1][site]):
        if not chosen[s]:
            continue
        if before >= 0:
            gap = sites[2][s] - sites[2][before]
            if gap < rules[0] or gap > rules[1]:
                return False
        before = s
        count += 1
    return count <= rules[2]


@njit(cache=True)
def _seeds_in(chosen, sites, site):
    count = 0
    for s in range(sites[0][site], sites[1][site]):
        if chosen[s]:
            count += 1
    return count


@njit(cache=True)
def _change(chosen, sites, adds, n_adds, drops, n_drops):
    """Apply a change to ``chosen``; returns how many needles more there are."""
    needles = 0
    for k in range(n_drops):
        chosen[drops[k]] = False
        if _seeds_in(chosen, sites, drops[k]) == 0:
            needles -= 1
    for k in range(n_adds):
        if _seeds_in(chosen, sites, adds[k]) == 0:
            needles += 1
        chosen[adds[k]] = True
    return needles


@njit(cache=True)
def _permitted(chosen, sites, rules, adds, n_adds, drops, n_drops):
    """Whether a change that stands in ``chosen`` keeps locks, spacing and distance."""
    may_add, may_drop, clash = sites[3], sites[4], sites[5]
    for k in range(n_drops):
        if not may_drop[drops[k]] or not _hole_fits(chosen, sites, rules, drops[k]):
            return False
    for k in range(n_adds):
        if not may_add[adds[k]] or not _hole_fits(chosen, sites, rules, adds[k]):
            return False
        if clash.shape[0] > 0:
            for s in range(chosen.size):
                if chosen[s] and clash[adds[k], s]:
                    return False
    return True


@njit(cache=True)
def _shifted(chosen, sites, source, hole, by, adds, drops):
    """Put the seeds of ``source``'s hole into ``hole``'s, ``by`` steps further back.

    Returns (number of adds, number of drops); (0, 0) where a place is missing or taken.
    """
    n_adds, n_drops = 0, 0
    same = sites[0][source] == sites[0][hole]
    if not same and _seeds_in(chosen, sites, hole) > 0:
        return 0, 0
    for s in range(sites[0][source], sites[1][source]):
        if not chosen[s]:
            continue
        found = -1
        for t in range(sites[0][hole], sites[1][hole]):
            if sites[2][t] == sites[2][s] + by:
                found = t
                break
        if found < 0 or n_drops == MOST_CHANGED:
            return 0, 0
        adds[n_adds], drops[n_drops] = found, s
        n_adds += 1
        n_drops += 1
    return n_adds, n_drops


@njit(cache=True)
def _opened(chosen, sites, rules, adds):
    """Two seeds for a hole that has none; returns their number, 0 where it is not to be."""
    site = np.random.randint(chosen.size)
    if _seeds_in(chosen, sites, site) > 0:
        return 0
    slot = sites[2][site] + rules[0] + np.random.randint(rules[1] - rules[0] + 1)
    adds[0] = site
    for s in range(site, sites[1][site]):
        if sites[2][s] == slot:
            adds[1] = s
            return 2
    return 0


@njit(cache=True)
def _closed(chosen, sites, site, drops):
    """All seeds of a site's hole; returns their number."""
    n = 0
    for s in range(sites[0][site], sites[1][site]):
        if chosen[s] and n < MOST_CHANGED:
            drops[n] = s
            n += 1
    return n


@njit(cache=True)
def _propose(chosen, members, n_members, sites, rules, neighbours, adds, drops):
    """Draw one move into ``adds`` and ``drops``; returns how many of each, (0, 0) for none."""
    n_sites = chosen.size
    kind = int(np.searchsorted(KINDS, np.random.random(), side="right"))
    if n_members == 0:
        kind = 0
    if kind == 0:
        adds[0] = np.random.randint(n_sites)
        return (0, 0) if chosen[adds[0]] else (1, 0)
    if kind == 7:
        return _opened(chosen, sites, rules, adds), 0
    drop = members[np.random.randint(n_members)]
    if kind == 1:
        drops[0] = drop
        return 0, 1
    near = neighbours[drop, np.random.randint(neighbours.shape[1])]
    if kind == 4:
        by = 1 if np.random.random() < 0.5 else -1
        return _slid(chosen, sites, drop, by, adds, drops)
    if kind == 5:
        if sites[0][near] == sites[0][drop]:
            return 0, 0
        by = sites[2][near] - sites[2][drop]
        return _shifted(chosen, sites, drop, near, by, adds, drops)
    if kind == 6:
        return 0, _closed(chosen, sites, drop, drops)
    if kind == 8:
        n_adds = _opened(chosen, sites, rules, adds)
        return (n_adds, _closed(chosen, sites, drop, drops)) if n_adds else (0, 0)
    drops[0] = drop
    adds[0] = near if kind == 2 else np.random.randint(n_sites)
    return (0, 0) if chosen[adds[0]] else (1, 1)


@njit(cache=True)
def _slid(chosen, sites, site, by, adds, drops):
    """Every seed of a hole one step on: only the places that really change."""
    n_adds, n_drops = _shifted(chosen, sites, site, site, by, adds, drops)
    kept_adds, kept_drops = 0, 0
    for k in range(n_adds):  # a place that is left by one seed and taken by the next stays
        if not chosen[adds[k]]:
            adds[kept_adds] = adds[k]
            kept_adds += 1
    for k in range(n_drops):
        stays = False
        for s in range(sites[0][site], sites[1][site]):
            if chosen[s] and sites[2][s] == sites[2][drops[k]] - by:
                stays = True
        if not stays:
            drops[kept_drops] = drops[k]
            kept_drops += 1
    return kept_adds, kept_drops


@njit(cache=True)
def _plus(dose, row):
    for p in range(dose.size):
        dose[p] += row[p]


@njit(cache=True)
def _minus(dose, row):
    for p in range(dose.size):
        dose[p] -= row[p]


@njit(cache=True)
def _changed_dose(dose, influence, adds, n_adds, drops, n_drops, first, last, trial):
    """Dose with several seeds more and less, at a range of points."""
    part = trial[first:last]
    part[:] = dose[first:last]
    for k in range(n_adds):
        _plus(part, influence[adds[k], first:last])
    for k in range(n_drops):
        _minus(part, influence[drops[k], first:last])


@njit(cache=True)
def _calibrate(n_sites, fine_dose, fine, coarse_dose, coarse, limits, numbers):
    """Move the kinks of the coarse cost to where the fine doses stand beside theirs.

    With few points V100 is known to 0.3 %; a change of it, by one move, far better. So the counts
    that limits ask for are moved by what both counts differ now.
    """
    none, none_too = fine[0][n_sites], coarse[0][n_sites]
    for k in range(limits.shape[0]):
        row, here = fine[2][k], coarse[2][k]
        if row[MOST] <= 0.0 and row[LEAST] < 0.0:
            continue
        first, last, level = int(row[FIRST]), int(row[LAST]), float32(row[LEVEL])
        above = _count_at(fine_dose, none, none, first, last, level)
        scale = (here[LAST] - here[FIRST]) / (last - first)
        first, last, level = int(here[FIRST]), int(here[LAST]), float32(here[LEVEL])
        there = _count_at(coarse_dose, none_too, none_too, first, last, level)
        for column in (MOST, LEAST):
            if row[column] >= 0.0:
                limits[k, column] = max(0.0, there + scale * (row[column] - above))
    hot = float32(fine[3][HOT])
    over = _count_at(fine_dose, none, none, 0, fine[1][0], hot) / fine[1][0]
    over_too = _count_at(coarse_dose, none_too, none_too, 0, coarse[1][0], hot) / coarse[1][0]
    numbers[HOT_AIM] = fine[3][HOT_AIM] + 100.0 * (over_too - over)


@njit(cache=True)
def _priced(level, none, dose, trial, limits, numbers, adds, n_adds, drops, n_drops, ceiling):
    """Cost of doses after a change, bounds passed as well; ``trial`` is written for large ones.

    ``none`` is the row of zeros of the influence. Where the target alone costs more than the
    ceiling, so does the whole, and the rest is not looked at.
    """
    influence, n_target, n_outside = level[0], level[1][0], level[1][1]
    plus, minus, after = none, none, trial
    many = n_adds > 1 or n_drops > 1
    if many:
        _changed_dose(dose, influence, adds, n_adds, drops, n_drops, 0, n_target, trial)
    else:
        after = dose
        plus = influence[adds[0]] if n_adds else none
        minus = influence[drops[0]] if n_drops else none
    cost, under, deficit = _target_cost(after, plus, minus, n_target, numbers)
    if cost > ceiling:
        return cost, 0.0
    if many:
        _changed_dose(dose, influence, adds, n_adds, drops, n_drops, n_target, dose.size, trial)
    more, passed = _other_cost(
        after, plus, minus, n_target, n_outside, limits, numbers, under, deficit
    )
    return cost + more, passed


@njit(cache=True)
def _update(level, dose, adds, n_adds, drops, n_drops):
    for k in range(n_adds):
        _plus(dose, level[0][adds[k]])
    for k in range(n_drops):
        _minus(dose, level[0][drops[k]])


@njit(cache=True)
def _anneal(level, screen, sites, neighbours, rules, start, moves, heat, random_seed):
    """One annealing: cost of the best set seen (infinite where bounds are passed), and the set.

    A ``level`` is (influence, counts, limits, numbers). Where ``screen`` has sites, moves that are
    clearly too dear on its few points are not tried on the many of ``level``.
    """
    np.random.seed(random_seed)
    n_sites, limits, numbers = start.size, level[2], level[3]
    dose = np.zeros(level[0].shape[1], np.float32)
    trial = np.zeros(level[0].shape[1], np.float32)
    screened = screen[0].shape[0] > 0
    coarse_dose = np.zeros(screen[0].shape[1], np.float32)
    coarse_trial = np.zeros(screen[0].shape[1], np.float32)
    coarse_limits, coarse_numbers = screen[2].copy(), screen[3].copy()
    none = level[0][n_sites]
    coarse_none = screen[0][n_sites] if screened else coarse_dose
    if level[0].shape[0] > n_sites + 1:
        dose[:] = level[0][n_sites + 1]
        if screened:
            coarse_dose[:] = screen[0][n_sites + 1]
    chosen, members = start.copy(), np.zeros(n_sites, np.int64)
    n_members, n_needles = 0, 0
    for s in range(n_sites):
        if start[s]:
            _plus(dose, level[0][s])
            if screened:
                _plus(coarse_dose, screen[0][s])
            members[n_members] = s
            n_members += 1
        if s == sites[0][s] and _seeds_in(start, sites, s) > 0:
            n_needles += 1
    adds, drops = np.zeros(MOST_CHANGED, np.int64), np.zeros(MOST_CHANGED, np.int64)
    value, passed = _priced(level, none, dose, trial, limits, numbers, adds, 0, drops, 0, math.inf)
    value += numbers[W_SEED] * n_members + numbers[W_NEEDLE] * n_needles
    cost, coarse_cost = value + HARD * passed, 0.0
    best = value if passed == 0.0 else math.inf
    best_chosen = chosen.copy()
    cooling = math.log(heat[1] / heat[0])
    moved = True
    for step in range(moves):
        n_adds, n_drops = _propose(
            chosen, members, n_members, sites, rules, neighbours, adds, drops
        )
        if n_adds + n_drops == 0:
            continue
        seeds = n_members + n_adds - n_drops
        needles = n_needles + _change(chosen, sites, adds, n_adds, drops, n_drops)
        fits = seeds <= rules[3] and needles <= rules[4]
        if not (fits and _permitted(chosen, sites, rules, adds, n_adds, drops, n_drops)):
            _change(chosen, sites, drops, n_drops, adds, n_adds)
            continue
        price = numbers[W_SEED] * seeds + numbers[W_NEEDLE] * needles
        most = -heat[0] * math.exp(cooling * step / moves) * math.log(1.0 - np.random.random())
        if screened:
            if moved:
                _calibrate(n_sites, dose, level, coarse_dose, screen, coarse_limits, coarse_numbers)
                value, passed = _priced(
                    screen, coarse_none, coarse_dose, coarse_trial, coarse_limits, coarse_numbers,
                    adds, 0, drops, 0, math.inf,
                )  # fmt: skip
                coarse_cost = value + HARD * passed
                coarse_cost += numbers[W_SEED] * n_members + numbers[W_NEEDLE] * n_needles
                moved = False
            ceiling = coarse_cost + most + SLACK - price
            value, passed = _priced(
                screen, coarse_none, coarse_dose, coarse_trial, coarse_limits, coarse_numbers,
                adds, n_adds, drops, n_drops, ceiling,
            )  # fmt: skip
            if value + HARD * passed > ceiling:
                _change(chosen, sites, drops, n_drops, adds, n_adds)
                continue
        ceiling = cost + most - price
        value, passed = _priced(
            level, none, dose, trial, limits, numbers, adds, n_adds, drops, n_drops, ceiling
        )
        if value + HARD * passed > ceiling:
            _change(chosen, sites, drops, n_drops, adds, n_adds)
            continue
        value += price
        _update(level, dose, adds, n_adds, drops, n_drops)
        if screened:
            _update(screen, coarse_dose, adds, n_adds, drops, n_drops)
        moved = True
        cost, n_needles = value + HARD * passed, needles
        n_members = _listed(members, n_members, adds, n_adds, drops, n_drops)
        if passed == 0.0 and value < best - 1e-9:
            best = value
            best_chosen[:] = chosen
    return best, best_chosen


@njit(cache=True)
def _listed(members, n_members, adds, n_adds, drops, n_drops):
    """Bring the list of chosen sites up to date; returns its length."""
    for k in range(n_drops):
        for m in range(n_members):
            if members[m] == drops[k]:
                members[m] = members[n_members - 1]
                n_members -= 1
                break
    for k in range(n_adds):
        members[n_members] = adds[k]
        n_members += 1
    return n_members


@njit(parallel=True, cache=True)
def anneal_starts(
    level, screen, sites, neighbours, rules, starts, moves, heat, random_seed, costs, results
):
    """Run ``len(starts)`` independent annealings; row k of ``results`` is what start k found."""
    for k in prange(costs.size):
        best, found = _anneal(
            level, screen, sites, neighbours, rules, starts[k], moves, heat, random_seed + k
        )
        costs[k] = best
        results[k, :] = found


@njit(parallel=True, cache=True)
def move_costs(influence, counts, limits, numbers, sites, rules, dose, chosen, drop, costs):
    """costs[add] = cost with one seed more and ``drop`` less (-1: none); infinite where forbidden.

    The last of ``costs`` is that of adding none. ``dose`` is that of the chosen sites.
    """
    n_sites = chosen.size
    none = influence[n_sites]
    n_members, n_needles = 0, 0
    for s in range(n_sites):
        n_members += 1 if chosen[s] else 0
        if s == sites[0][s] and _seeds_in(chosen, sites, s) > 0:
            n_needles += 1
    for k in prange(n_sites + 1):
        add = np.int64(k)  # the loop's own counter has no sign
        costs[k] = math.inf
        if add < n_sites and chosen[add]:
            continue
        trial = chosen.copy()
        adds, drops = np.full(1, add), np.full(1, drop)
        n_adds = 1 if add < n_sites else 0
        n_drops = 1 if drop >= 0 else 0
        needles = n_needles + _change(trial, sites, adds, n_adds, drops, n_drops)
        seeds = n_members + n_adds - n_drops
        if seeds > rules[3] or needles > rules[4]:
            continue
        if not _permitted(trial, sites, rules, adds, n_adds, drops, n_drops):
            continue
        plus = influence[add] if n_adds else none
        minus = influence[drop] if n_drops else none
        value, passed = _cost(dose, plus, minus, counts[0], counts[1], limits, numbers)
        if passed == 0.0:
            costs[k] = value + numbers[W_SEED] * seeds + numbers[W_NEEDLE] * needles


@njit(cache=True)
def limit_misses(dose, zero, limits, misses):
    """By how much each limit is missed."""
    for k in range(limits.shape[0]):
        misses[k] = missed_part(dose, zero, zero, limits[k], -1.0, -1.0)
