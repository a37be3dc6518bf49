"""How far from the best a loading can be at most: a proved bound, by linear programming."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.model.settings import LoadingSettings
from template_designer.planning.loading.bound_model import RelaxedLoading
from template_designer.planning.loading.hole_parts import hole_parts
from template_designer.planning.loading.objective import Weights, loading_cost
from template_designer.planning.loading.problem import LoadingProblem
from template_designer.planning.loading.search import spacing_rules

CLUSTERS = 256
"""Clusters of the target's points. Twice as many raise the bound by 3 to 8 % of itself and take
three times as long."""

ENTRIES = 250_000
"""Loads times clusters, at most: with many candidates the clusters are fewer."""

LEAST_CLUSTERS = 16


@dataclass(frozen=True, slots=True)
class LoadingBound:
    """How far from the best a loading can be at most."""

    lower: float  # no permitted loading costs less
    cost: float  # of the loading at hand, on the same points
    seeds_at_least: int  # that any permitted loading needs to cover as much of the target
    clusters: int  # of target points: the more, the higher the bound

    @property
    def gap_pct(self) -> float | None:
        """How much dearer than the best the loading at hand can be at most; None: no bound.

        >>> LoadingBound(lower=80.0, cost=100.0, seeds_at_least=20, clusters=64).gap_pct
        25.0
        """
        return 100.0 * (self.cost / self.lower - 1.0) if self.lower > 0.0 else None


def loading_bound(
    problem: LoadingProblem,
    settings: LoadingSettings,
    chosen: NDArray[np.int64],
    weights: Weights | None = None,
    *,
    clusters: int | None = None,
) -> LoadingBound:
    """Bound the cost of every permitted loading from below.

    Parameters
    ----------
    problem : LoadingProblem
        On the points of the search.
    settings : LoadingSettings
        Spacing and limits.
    chosen : (m,) ndarray of int
        The sites of the loading at hand, permitted by the settings.
    weights : Weights, optional
        The same as the search's.
    clusters : int, optional
        Clusters of the target's points, at most: by default as many as a few seconds allow.

    Returns
    -------
    LoadingBound
        The same every time on one machine; ``lower`` is rounded down to 4 digits.

    Raises
    ------
    CaseError
        If the problem has no sites, or ``chosen`` holds none of its.
    """
    n_sites = len(problem.sites)
    if not n_sites:
        raise CaseError(
            "a loading problem without seed positions has no bound; see why no hole takes a seed"
        )
    if chosen.size and not (0 <= chosen.min() and chosen.max() < n_sites):
        raise CaseError(
            f"the loading to bound holds sites {chosen.min()} to {chosen.max()}, its problem has "
            f"0 to {n_sites - 1}; pass what search_loading returned for this problem"
        )
    mask = np.zeros(n_sites, dtype=np.bool_)
    mask[chosen] = True
    weights = weights or Weights()
    cost = loading_cost(problem, mask, weights)
    rules = spacing_rules(settings, n_sites)
    parts = hole_parts(problem.sites, *rules[:3])
    if clusters is None:
        fitting = ENTRIES // sum(len(part.takes) for part in parts)
        clusters = max(LEAST_CLUSTERS, min(CLUSTERS, fitting))
    relaxed = RelaxedLoading(problem, parts, rules, weights, clusters)
    covered = problem.dose_of(mask)[: problem.n_target] >= problem.reference
    seeds = relaxed.seeds_at_least(1.0 - float(np.mean(covered)))
    relaxed.add_costs(cost)
    lower = max(0.0, min(cost, relaxed.program.lower_bound()))
    return LoadingBound(math.floor(lower * 1e4) / 1e4, cost, seeds, len(relaxed.target))
