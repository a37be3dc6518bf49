"""A plan at hand brought under the limits on needles and seeds, at the least cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.model.settings import LoadingSettings
from template_designer.planning.loading.chains import fits
from template_designer.planning.loading.objective import loading_cost
from template_designer.planning.loading.problem import LoadingProblem
from template_designer.planning.loading.search import Locks, spacing_rules

Sites = NDArray[np.bool_]


def pruned(problem: LoadingProblem, settings: LoadingSettings, locks: Locks) -> Locks:
    """The locks with a start that keeps the limits: the search cannot begin above them.

    The needles, then the seeds, that are missed least are left out one after the other; those that
    must stay are not touched.

    Raises
    ------
    CaseError
        If what must stay needs more than the limits permit.
    """
    hole, start = problem.sites.hole, locks.start.copy()
    most_needles, most_seeds = settings.max_needles, settings.max_seeds
    while most_needles is not None and len(np.unique(hole[start])) > most_needles:
        held = hole[start & ~locks.may_drop]
        needles = [start & (hole != h) for h in np.unique(hole[start]) if h not in held]
        start = _cheapest(problem, needles, lambda: f"max_needles = {most_needles}")
    rules = spacing_rules(settings, len(start))[:3]
    while most_seeds is not None and np.count_nonzero(start) > most_seeds:
        fewer = []
        for site in np.flatnonzero(start & locks.may_drop):
            without = start.copy()
            without[site] = False
            if fits(problem.sites.slot[without & (hole == hole[site])], rules):
                fewer.append(without)
        start = _cheapest(problem, fewer, lambda: f"max_seeds = {most_seeds}")
    return replace(locks, start=start)


def _cheapest(problem: LoadingProblem, choices: list[Sites], limit: Callable[[], str]) -> Sites:
    if not choices:
        raise CaseError(f"{limit()} is too few for what is locked or loaded by hand")
    return min(choices, key=lambda plan: loading_cost(problem, plan))
