"""Choose needles and seeds: the problem, what a loading is worth, the search."""

from template_designer.planning.loading.objective import (
    Weights,
    goal_misses,
    loading_cost,
    search_numbers,
)
from template_designer.planning.loading.problem import (
    FINAL,
    SEARCH,
    LoadingProblem,
    Sampling,
    build_problem,
)
from template_designer.planning.loading.run import (
    FULL,
    QUICK,
    Effort,
    best_strength,
    search_loading,
)
from template_designer.planning.loading.search import Loading, Locks
from template_designer.planning.loading.statement import (
    NEAR,
    LoadedSites,
    LoadingStatement,
    load_sites,
)

__all__ = [
    "FINAL",
    "FULL",
    "NEAR",
    "QUICK",
    "SEARCH",
    "Effort",
    "LoadedSites",
    "Loading",
    "LoadingProblem",
    "LoadingStatement",
    "Locks",
    "Sampling",
    "Weights",
    "best_strength",
    "build_problem",
    "goal_misses",
    "load_sites",
    "loading_cost",
    "search_loading",
    "search_numbers",
]
