"""A finished loading beside what it can be judged by: a bound, patterns, the target's size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from template_designer.model import PlanWarning
from template_designer.model.loading_report import LoadingReport
from template_designer.planning.approach import Approach
from template_designer.planning.arrangements import HoleGrid
from template_designer.planning.loading import LoadedSites, LoadingStatement
from template_designer.planning.loading.bound import loading_bound
from template_designer.planning.nomogram import (
    seed_estimates,
    seed_number_warnings,
    target_dimensions,
)
from template_designer.planning.pattern_metrics import PatternScene, compare_patterns
from template_designer.planning.patterns import loading_patterns


def textbook_patterns(
    statement: LoadingStatement, approaches: Sequence[Approach]
) -> dict[str, NDArray[np.int64]]:
    """Paris-like and peripheral loadings of a case: to start from and to compare with."""
    settings, joined = statement.settings, statement.joined
    grid = HoleGrid.of(approaches, settings.template.pitch_mm)
    return loading_patterns(joined.sites, grid, statement.target, settings.loading, joined.clash)


def report_loading(
    statement: LoadingStatement,
    approaches: Sequence[Approach],
    found: LoadedSites,
    v100_pct: float,
) -> tuple[LoadingReport, tuple[PlanWarning, ...]]:
    """Judge a loading, and warn of a seed number far from what the target's size asks for.

    Parameters
    ----------
    statement : LoadingStatement
        What might be chosen and what for.
    found : LoadedSites
        What was chosen.
    v100_pct : float
        Of the plan: patterns are compared at about the same coverage.
    """
    settings, joined, target = statement.settings, statement.joined, statement.target
    prescription_gy, chosen = settings.prescription.dose_gy, found.loading.chosen
    source, strength_u = found.source.model, found.source.air_kerma_strength_u
    bound = loading_bound(found.problem, settings.loading, chosen)
    patterns = textbook_patterns(statement, approaches)
    scene = PatternScene(joined.sites, joined.axes_lps, target, source, strength_u, prescription_gy)
    size = target_dimensions(target)
    estimates = seed_estimates(size, source, strength_u, prescription_gy)
    warnings = seed_number_warnings(
        len(chosen),
        estimates,
        size,
        target_name=target.name,
        strength_u=strength_u,
        prescription_gy=prescription_gy,
    )
    report = LoadingReport(
        cost=bound.cost,
        lower_bound=bound.lower,
        seeds_at_least=bound.seeds_at_least,
        patterns=compare_patterns(patterns, scene, v100_pct),
        estimates=tuple(estimates),
        strengths_u=found.source.choices_u,
    )
    return report, warnings
