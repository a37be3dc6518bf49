"""The loading of one case, stated and solved: what may be chosen, what for, and what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, GoalSettings, SeedSource
from template_designer.model.earlier_seeds import EarlierSeeds
from template_designer.planning.evaluate import Seeds
from template_designer.planning.loading.objective import FEWEST_SEEDS
from template_designer.planning.loading.problem import (
    FINAL,
    SEARCH,
    LoadingProblem,
    Sampling,
    build_problem,
)
from template_designer.planning.loading.pruning import pruned
from template_designer.planning.loading.run import (
    FULL,
    QUICK,
    best_strength,
    has_plan,
    search_loading,
)
from template_designer.planning.loading.search import Loading, Locks
from template_designer.planning.together import JoinedSites

NEAR = Sampling(None, 1.6, volume_margin_pct=0.3, dose_margin=0.998)
"""For the last polish of a quick search: a quarter of the points of :data:`FINAL`."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadingStatement:
    """What may be chosen and what for; points and doses are made from it when they are needed."""

    settings: CaseSettings
    source: SeedSource
    joined: JoinedSites
    target: Solid
    goals: tuple[GoalSettings, ...]
    solids: Mapping[str, Solid]
    earlier: EarlierSeeds | None = None  # that lie in the patient already

    def problem(self, sampling: Sampling = SEARCH) -> LoadingProblem:
        """Doses of every permitted seed position at the points of a sampling."""
        return build_problem(
            self.joined.sites,
            self.joined.axes_lps,
            clash=self.joined.clash,
            source=self.source.model,
            strength_u=self.source.air_kerma_strength_u,
            prescription_gy=self.settings.prescription.dose_gy,
            target=self.target,
            goals=self.goals,
            solids=self.solids,
            sampling=sampling,
            earlier=(
                None if self.earlier is None else Seeds.of_earlier(self.earlier, self.source.model)
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LoadedSites:
    """What was chosen, with seeds of which strength."""

    loading: Loading
    source: SeedSource
    problem: LoadingProblem  # on the points of the search, at that strength


def load_sites(
    statement: LoadingStatement,
    *,
    locks: Locks | None = None,
    starts: Sequence[NDArray[np.int64]] = (),
    progress: Callable[[float], None] | None = None,
) -> LoadedSites:
    """Choose the strength, where the case leaves a choice, then needles and seeds.

    From a plan at hand (the start of ``locks``) the search is short and stays near it. ``starts``
    are further loadings to begin with, textbook patterns; they count where nothing is locked
    and no seed lies in the patient yet.
    """
    settings, source = statement.settings.loading, statement.source
    problem = statement.problem()
    at_hand = locks is not None and has_plan(locks)
    if locks is not None:
        locks = pruned(problem, settings, locks)
    if source.choices_u:
        factors = [choice / source.air_kerma_strength_u for choice in source.choices_u]
        best = best_strength(problem, settings, factors, locks=locks)
        source = source.with_strength(source.choices_u[best])
        statement = replace(statement, source=source)
        problem = statement.problem()
    loading = search_loading(
        problem,
        settings,
        final=statement.problem(NEAR if at_hand else FINAL),
        weights=None if statement.earlier is None else FEWEST_SEEDS,
        locks=locks,
        starts=() if locks is not None or statement.earlier is not None else starts,
        effort=QUICK if at_hand else FULL,
        progress=progress,
    )
    return LoadedSites(loading, source, problem)
