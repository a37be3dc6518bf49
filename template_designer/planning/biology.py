"""BED and EQD2 of the planned dose, with the external beam given before: a model, not measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dose import (
    SeedModel,
    eqd2_gy,
    fractionated_bed_gy,
    implant_bed_gy,
    two_implants_bed_gy,
)
from template_designer.model import (
    BiologyDose,
    BiologyResult,
    BiologySettings,
    CaseSettings,
    ExternalBeam,
)
from template_designer.planning.evaluate import StructureDose, metric_value

ORGAN_METRICS = ("Dmax", "D0.1cc", "D2cc")
TARGET_METRICS = ("D90",)
"""Of the target; its hottest spots lie beside seeds, where the linear-quadratic model says nothing.
The mean is added to both."""

MODEL = (
    "A model, not a measurement: implant BED = D [1 + D lambda / ((mu + lambda) alpha/beta)] to "
    "full decay, lambda = ln 2 / half-life, mu = ln 2 / repair half-time; EQD2 = BED / "
    "(1 + 2 Gy / (alpha/beta)). It takes for granted: repair with one half-time, no growth of "
    "cells, and photons of the seeds as effective as those of a beam."
)
"""The formula of the implant and what it takes for granted, as ``plan.json`` says it."""

TWO_MODEL = (
    " Of two implants BED is that of both dose rates together: on one day the formula for the sum "
    "of the doses, after many half-lives that of each, added."
)
"""Added where an earlier implant counts, for whose dose the formula alone does not hold."""

BEAM_MODEL = (
    " External beam: BED = n d [1 + d / (alpha/beta)], added to the implant's; it takes for "
    "granted that the whole structure got the whole dose and that nothing recovered since."
)
"""Added where external beam was stated."""


def biology_results(
    settings: CaseSettings,
    source: SeedModel,
    doses: Mapping[str, StructureDose],
    metrics: Mapping[str, Mapping[str, float]],
    *,
    earlier: Mapping[str, StructureDose] | None = None,
    days_after: float = 0.0,
) -> tuple[BiologyResult, ...]:
    """Every ``[[biology]]`` table of a case, one result a structure.

    Parameters
    ----------
    settings : CaseSettings
        Structure names are exact. A structure may stand in several tables, to compare models.
    source : SeedModel
        Whose half-life counts.
    doses, metrics : mapping by structure name
        As from ``structure_doses`` and ``structure_metrics``, to full decay; of all seeds.
    earlier : mapping by structure name, optional
        Doses of an implant before, alone, at the same points.
    days_after : float
        From that implant to this one.

    Returns
    -------
    tuple of BiologyResult
        In the order of the tables.
    """
    target, prescription_gy = settings.target.structure, settings.prescription.dose_gy
    results = []
    for tissue in settings.biology:
        for name in tissue.patterns:
            wanted = TARGET_METRICS if name == target else ORGAN_METRICS
            physical_gy = {
                metric: metric_value(metric, doses[name], metrics[name], prescription_gy)
                for metric in wanted
            }
            before = None if earlier is None else earlier[name]
            bed = _bed_doses(tissue, source, doses[name], before, days_after)
            bed_gy = {
                metric: metric_value(metric, bed, metrics[name], prescription_gy)
                for metric in wanted
            }
            result = _result(name, tissue, doses[name], bed, physical_gy, bed_gy)
            if before is not None:
                result = replace(result, model=result.model + TWO_MODEL)
            results.append(result)
    return tuple(results)


def _bed_doses(
    tissue: BiologySettings,
    source: SeedModel,
    dose: StructureDose,
    earlier: StructureDose | None,
    days_after: float,
) -> StructureDose:
    """BED in place of the dose of a structure, wherever its dose is known."""

    def bed_gy(all_gy: NDArray[np.float64], first_gy: NDArray[np.float64] | None) -> NDArray:
        ratio, repair_h = tissue.alpha_beta_gy, tissue.repair_half_time_h
        if first_gy is None:
            return implant_bed_gy(source, all_gy, ratio, repair_half_time_h=repair_h)
        second_gy = np.maximum(all_gy - first_gy, 0.0)  # a sum rounds
        return two_implants_bed_gy(
            source, first_gy, second_gy, days_after, ratio, repair_half_time_h=repair_h
        )

    inside, surface = (None, None) if earlier is None else (earlier.doses_gy, earlier.surface_gy)
    return replace(
        dose,
        doses_gy=bed_gy(dose.doses_gy, inside),
        surface_gy=bed_gy(dose.surface_gy, surface),
    )


def _result(
    name: str,
    tissue: BiologySettings,
    dose: StructureDose,
    bed: StructureDose,
    physical_gy: Mapping[str, float],
    bed_gy: Mapping[str, float],
) -> BiologyResult:
    beam = _external_beam(tissue)

    def row(metric: str, implant_gy: float, implant_bed_gy: float) -> BiologyDose:
        total_bed_gy = implant_bed_gy + (0.0 if beam is None else beam.bed_gy)
        return BiologyDose(
            metric=metric,
            implant_gy=implant_gy,
            implant_bed_gy=implant_bed_gy,
            implant_eqd2_gy=float(eqd2_gy(implant_bed_gy, tissue.alpha_beta_gy)),
            total_bed_gy=total_bed_gy,
            total_eqd2_gy=float(eqd2_gy(total_bed_gy, tissue.alpha_beta_gy)),
        )

    # the BED to a volume; without an earlier implant it is the BED of the dose to that volume
    rows = [row(metric, value, bed_gy[metric]) for metric, value in physical_gy.items()]
    mean_gy, mean_bed_gy = (
        float(np.average(values, weights=dose.weights_cm3))
        for values in (dose.doses_gy, bed.doses_gy)
    )
    return BiologyResult(
        structure=name,
        alpha_beta_gy=tissue.alpha_beta_gy,
        repair_half_time_h=tissue.repair_half_time_h,
        external_beam=beam,
        doses=(*rows, row("Dmean", mean_gy, mean_bed_gy)),
        model=MODEL if beam is None else MODEL + BEAM_MODEL,
    )


def _external_beam(tissue: BiologySettings) -> ExternalBeam | None:
    dose_gy, fractions = tissue.external_beam_gy, tissue.external_beam_fractions
    if dose_gy is None or fractions is None:
        return None
    bed_gy = float(fractionated_bed_gy(fractions, dose_gy / fractions, tissue.alpha_beta_gy))
    return ExternalBeam(dose_gy, fractions, bed_gy, float(eqd2_gy(bed_gy, tissue.alpha_beta_gy)))
