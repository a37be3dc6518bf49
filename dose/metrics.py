"""Dose-volume metrics of one structure, from doses at sample points and the volume of each.

Samples may be voxels or points of any density: ``weights_cm3`` holds the volume that each stands
for. All metrics are exact for the samples given: nothing is binned or interpolated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose.errors import DoseInputError
from dose.indices import (
    VOLUME_ROUNDING,
    conformity_index,
    dose_nonuniformity_ratio,
    external_index,
    homogeneity_index,
)
from dose.validation import validate_array, validate_number

SAMPLING_PART, SAMPLING_CM3 = 0.10, 0.05
"""By how much a target's covered volume may exceed the whole reference volume: the two are sampled
on different points, so they differ at the surface. More means that V_ref was cut off."""


def cumulative_dvh(
    doses_gy: ArrayLike, weights_cm3: ArrayLike, levels_gy: ArrayLike
) -> NDArray[np.float64]:
    """Percent of the volume that gets each level or more (cumulative dose-volume histogram).

    Parameters
    ----------
    doses_gy, weights_cm3 : (n,) array_like of float
        Dose at each sample, Gy; volume that it stands for, cm3.
    levels_gy : (m,) array_like of float
        Dose levels, Gy, in any order.

    Returns
    -------
    (m,) ndarray of float64
        Percent, 0 to 100.

    Raises
    ------
    DoseInputError
        If there is no sample, shapes differ, a dose is negative, a weight is not positive, or a
        value is not finite.
    """
    doses, weights = _falling(doses_gy, weights_cm3)
    levels = validate_array(levels_gy, "levels_gy")
    volume = np.concatenate(([0.0], np.cumsum(weights)))
    count = doses.size - np.searchsorted(doses[::-1], levels, side="left")
    return 100.0 * volume[count] / volume[-1]


def natural_dvh(
    doses_gy: ArrayLike, weights_cm3: ArrayLike, levels_gy: ArrayLike
) -> NDArray[np.float64]:
    r"""Natural dose-volume histogram: volume per step of :math:`u = D^{-3/2}`.

    One point source gives the same value at every dose: the inverse square is taken out, and what
    an implant adds stands out.

    Parameters
    ----------
    doses_gy, weights_cm3 : (n,) array_like of float
        Dose at each sample, Gy; volume that it stands for, cm3.
    levels_gy : (m,) array_like of float
        Edges of the bins, Gy, above 0 and rising strictly, two at least.

    Returns
    -------
    (m - 1,) ndarray of float64
        dV/du of each bin, cm3 Gy\ :sup:`3/2`. Doses on an edge belong to the bin above it.

    Raises
    ------
    DoseInputError
        As for ``cumulative_dvh``, or if the levels do not rise.

    References
    ----------
    .. [1] Anderson, Med. Phys. 13, 898 (1986). https://doi.org/10.1118/1.595815
    """
    doses, weights = _falling(doses_gy, weights_cm3)
    levels = validate_array(levels_gy, "levels_gy")
    if levels.size < 2 or not levels[0] > 0.0 or not (np.diff(levels) > 0.0).all():
        raise DoseInputError("levels_gy must be two edges or more, above 0 and rising")
    volume = np.concatenate(([0.0], np.cumsum(weights)))
    above = volume[doses.size - np.searchsorted(doses[::-1], levels, side="left")]
    return -np.diff(above) / -np.diff(levels**-1.5)


def volume_pct_at_dose(doses_gy: ArrayLike, weights_cm3: ArrayLike, level_gy: float) -> float:
    """Percent of the volume that gets ``level_gy`` or more: V100 at the prescription dose."""
    level = validate_number(level_gy, "level_gy")
    return float(cumulative_dvh(doses_gy, weights_cm3, [level])[0])


def dose_at_volume_pct(doses_gy: ArrayLike, weights_cm3: ArrayLike, volume_pct: float) -> float:
    """Highest dose that at least ``volume_pct`` percent of the volume gets, Gy.

    D90 is 90 percent. D100 is the lowest dose of all samples.

    Parameters
    ----------
    doses_gy, weights_cm3 : (n,) array_like of float
        Dose at each sample, Gy; volume that it stands for, cm3.
    volume_pct : float
        Percent of the volume, above 0, up to 100.

    Returns
    -------
    float

    Raises
    ------
    DoseInputError
        As for ``cumulative_dvh``, or if ``volume_pct`` is not in (0, 100].
    """
    part = validate_number(volume_pct, "volume_pct", above=0.0) / 100.0
    if part > 1.0:
        raise DoseInputError(f"volume_pct = {volume_pct:g} is over 100")
    doses, weights = _falling(doses_gy, weights_cm3)
    return _dose_of_hottest(doses, weights, part * float(np.sum(weights)))


def dose_at_volume_cc(doses_gy: ArrayLike, weights_cm3: ArrayLike, volume_cm3: float) -> float:
    """Highest dose that at least ``volume_cm3`` of the structure get, Gy: D2cc, D0.1cc.

    A structure smaller than ``volume_cm3`` has no such volume; its lowest dose is returned, which
    is what all of it gets.
    """
    volume = validate_number(volume_cm3, "volume_cm3", above=0.0)
    doses, weights = _falling(doses_gy, weights_cm3)
    return _dose_of_hottest(doses, weights, volume)


def target_metrics(
    doses_gy: ArrayLike,
    weights_cm3: ArrayLike,
    reference_volume_cm3: float,
    prescription_gy: float,
    *,
    reference_150_cm3: float | None = None,
) -> dict[str, float]:
    """All metrics of a target, by their names in ``plan.json``.

    Parameters
    ----------
    doses_gy, weights_cm3 : (n,) array_like of float
        Dose at each sample of the target, Gy; volume that it stands for, cm3.
    reference_volume_cm3 : float
        V_ref: all volume at or above the prescription, inside the target or not, cm3. It is
        sampled on its own grid; where it comes out a little below the covered part of the target,
        which it contains, that part is taken.
    prescription_gy : float
        Prescription dose, Gy.
    reference_150_cm3 : float, optional
        All volume at or above 150 % of the prescription, cm3; with it ``dnr`` is among the results.

    Returns
    -------
    dict
        ``volume_cm3, d90_gy, d98_gy, d100_gy, v90_pct, v100_pct, v150_pct, v200_pct, ci, ei, hi,
        mean_gy``, and ``dnr``.

    Raises
    ------
    DoseInputError
        As for ``cumulative_dvh``, or if V_ref is far below the covered volume of the target (a
        dose grid that cut it off).
    """
    prescription = validate_number(prescription_gy, "prescription_gy", above=0.0)
    reference = validate_number(reference_volume_cm3, "reference_volume_cm3")
    doses, weights = _falling(doses_gy, weights_cm3)
    volume = float(np.sum(weights))
    levels = prescription * np.array([0.9, 1.0, 1.5, 2.0])
    v90, v100, v150, v200 = (float(v) for v in cumulative_dvh(doses, weights, levels))
    covered = min(volume, volume * v100 / 100.0)
    if reference < covered * (1.0 - SAMPLING_PART) - SAMPLING_CM3:
        raise DoseInputError(
            f"reference_volume_cm3 = {reference:g} is below the {covered:g} cm3 of the target at "
            f"{prescription:g} Gy, which it contains; let the dose grid enclose the prescription"
        )
    reference = max(reference, covered)
    ratio = {}
    if reference_150_cm3 is not None:
        ratio["dnr"] = dose_nonuniformity_ratio(reference, reference_150_cm3)
    return {
        "volume_cm3": volume,
        "d90_gy": dose_at_volume_pct(doses, weights, 90.0),
        "d98_gy": dose_at_volume_pct(doses, weights, 98.0),
        "d100_gy": float(doses[-1]),
        "v90_pct": v90,
        "v100_pct": v100,
        "v150_pct": v150,
        "v200_pct": v200,
        "ci": conformity_index(volume, reference, covered),
        "ei": external_index(volume, reference, covered),
        "hi": homogeneity_index(covered, min(covered, volume * v150 / 100.0)),
        "mean_gy": float(np.sum(doses * weights) / volume),
        **ratio,
    }


def organ_metrics(
    doses_gy: ArrayLike, weights_cm3: ArrayLike, surface_doses_gy: ArrayLike | None = None
) -> dict[str, float]:
    """All metrics of an organ at risk, by their names in ``plan.json``.

    Parameters
    ----------
    doses_gy, weights_cm3 : (n,) array_like of float
        Dose at each sample of the organ, Gy; volume that it stands for, cm3.
    surface_doses_gy : (m,) array_like of float, optional
        Doses on its surface: they count for the highest dose, which lies there, and not for
        volumes.

    Returns
    -------
    dict
        ``volume_cm3, dmax_gy, d0_1cc_gy, d1cc_gy, d2cc_gy, mean_gy``.

    Raises
    ------
    DoseInputError
        As for ``cumulative_dvh``.
    """
    doses, weights = _falling(doses_gy, weights_cm3)
    highest = float(doses[0])
    if surface_doses_gy is not None:
        surface = validate_array(surface_doses_gy, "surface_doses_gy")
        highest = max(highest, float(surface.max(initial=highest)))
    return {
        "volume_cm3": float(np.sum(weights)),
        "dmax_gy": highest,
        "d0_1cc_gy": _dose_of_hottest(doses, weights, 0.1),
        "d1cc_gy": _dose_of_hottest(doses, weights, 1.0),
        "d2cc_gy": _dose_of_hottest(doses, weights, 2.0),
        "mean_gy": float(np.sum(doses * weights) / np.sum(weights)),
    }


def _falling(
    doses_gy: ArrayLike, weights_cm3: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check samples and sort them by falling dose."""
    doses = validate_array(doses_gy, "doses_gy")
    weights = validate_array(weights_cm3, "weights_cm3", ndim=(0, 1))
    weights = np.full(doses.size, float(weights)) if weights.ndim == 0 else weights
    if doses.size == 0:
        raise DoseInputError("doses_gy is empty: the structure has no sample; sample it finer")
    if weights.shape != doses.shape:
        raise DoseInputError(
            f"weights_cm3 has {weights.size} value(s) for {doses.size} dose(s); give one per sample"
        )
    for name, values, bad in (
        ("doses_gy", doses, doses < 0.0),
        ("weights_cm3", weights, weights <= 0.0),
    ):
        if bad.any():
            index = int(np.flatnonzero(bad)[0])
            raise DoseInputError(f"{name}[{index}] = {values[index]:g} is not a possible value")
    order = np.argsort(-doses, kind="stable")
    return doses[order], weights[order]


def _dose_of_hottest(
    doses: NDArray[np.float64], weights: NDArray[np.float64], volume_cm3: float
) -> float:
    """Dose at which the hottest ``volume_cm3`` are complete; the lowest if there is less."""
    volume = np.cumsum(weights)
    needed = volume_cm3 - VOLUME_ROUNDING * volume[-1]
    return float(doses[min(int(np.searchsorted(volume, needed)), doses.size - 1)])
