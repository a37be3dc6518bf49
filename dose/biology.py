r"""BED and EQD2 of permanent implants and of external beam: a model, never a measurement.

Linear-quadratic model. A permanent implant gives its dose :math:`D` at the rate
:math:`D \lambda e^{-\lambda t}`; tissue mends the sublethal part of the damage with one half-time,
:math:`\mu = \ln 2 / T_{repair}`. To full decay that makes

.. math:: BED = D \left[1 + \frac{D \lambda}{(\mu + \lambda)(\alpha/\beta)}\right]

BEDs of one tissue, with one :math:`\alpha/\beta`, may be added; so may their EQD2s.

>>> from dose import load_source
>>> implant = implant_bed_gy(load_source("I125-6711"), [40.0], 2.0)
>>> beam = fractionated_bed_gy(20, [2.0], 2.0)
>>> implant.round(2), beam, eqd2_gy(implant + beam, 2.0).round(2)
(array([40.84]), array([80.]), array([60.42]))

References
----------
.. [1] Dale, Br. J. Radiol. 58, 515 (1985). https://doi.org/10.1259/0007-1285-58-690-515
.. [2] Dale, Br. J. Radiol. 62, 241 (1989). https://doi.org/10.1259/0007-1285-62-735-241
.. [3] Nath et al., TG-137, Med. Phys. 36, 5310 (2009). https://doi.org/10.1118/1.3246613
.. [4] Poetter et al., GEC-ESTRO, Radiother. Oncol. 78, 67 (2006): 1.5 h of repair half-time.
   https://doi.org/10.1016/j.radonc.2005.11.014
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose.errors import DoseInputError
from dose.sources.model import SeedModel
from dose.validation import validate_array, validate_number

REPAIR_HALF_TIME_H = 1.5
"""Half-time of sublethal repair, hours, where none is stated: GEC-ESTRO 2006, for all tissues.

Rat spinal cord gave 1.6-1.9 h (Ang, Int. J. Radiat. Oncol. 13, 557 (1987)). A longer one makes a
higher BED: by 4 % at 100 Gy of I-125 with an alpha/beta of 2 Gy for 2.6 h instead of 1.5 h.
"""

HOURS_PER_DAY = 24.0

_NEAR = 1e-5
"""Repair and decay constants nearer than this part of their sum count as one: taking the derivative
at their mean errs by under 1e-11, the difference of two nearly equal terms by more."""

_SHORT = 1e-3
"""Repair and decay times a time whose sum is below this: a series errs by under 1e-10."""


def implant_bed_gy(
    source: SeedModel,
    dose_gy: ArrayLike,
    alpha_beta_gy: float,
    *,
    repair_half_time_h: float = REPAIR_HALF_TIME_H,
    days: float | None = None,
) -> NDArray[np.float64]:
    r"""Biologically effective dose of a permanent implant; a model.

    For a finite time :math:`t`, with :math:`D(t) = D(1 - e^{-\lambda t})`,

    .. math:: BED(t) = D(t) + \frac{2 (D \lambda)^2}{(\alpha/\beta)(\mu - \lambda)}
        \left[\frac{1 - e^{-2 \lambda t}}{2 \lambda} -
        \frac{1 - e^{-(\mu + \lambda) t}}{\mu + \lambda}\right]

    Parameters
    ----------
    source : SeedModel
        Whose half-life counts.
    dose_gy : array_like of float, any shape up to a grid
        Physical dose **to full decay**, Gy, 0 or more, also where ``days`` is given.
    alpha_beta_gy : float
        :math:`\alpha/\beta` of the tissue, Gy, above 0.
    repair_half_time_h : float
        Half-time of its sublethal repair, hours, above 0.
    days : float, optional
        Count the dose up to this day after the implant, 0 or more; default all of it.

    Returns
    -------
    ndarray of float64
        Gy, the shape of ``dose_gy``; it rises with dose and with time.

    Raises
    ------
    DoseInputError
        If a value is negative, not finite, or not above 0 where it must be.

    References
    ----------
    .. [1] Dale, Br. J. Radiol. 58, 515 (1985). https://doi.org/10.1259/0007-1285-58-690-515
    .. [2] Nath et al., TG-137, Med. Phys. 36, 5310 (2009). https://doi.org/10.1118/1.3246613

    Examples
    --------
    >>> from dose import load_source
    >>> implant_bed_gy(load_source("I125-6711"), [0.0, 100.0], 3.0).round(2)
    array([  0. , 103.5])
    """
    doses = _not_negative(dose_gy, "dose_gy")
    ratio = validate_number(alpha_beta_gy, "alpha_beta_gy", above=0.0)
    decay, repair = rates_per_day(source, repair_half_time_h)
    if days is None:
        return np.asarray(doses * (1.0 + doses * decay / (repair + decay) / ratio))
    time = float(_not_negative(validate_number(days, "days"), "days"))
    return _bed_by_day(doses, np.asarray(time), decay, repair, ratio)


def implant_bed_with_repopulation_gy(
    source: SeedModel,
    dose_gy: ArrayLike,
    alpha_beta_gy: float,
    *,
    alpha_per_gy: float,
    doubling_time_days: float,
    kick_off_days: float = 0.0,
    repair_half_time_h: float = REPAIR_HALF_TIME_H,
) -> NDArray[np.float64]:
    r"""Biologically effective dose of a permanent implant in a tumour that grows; a model.

    The dose counts up to the effective treatment time, when the dose rate has fallen so far that
    its linear term kills no faster than the tumour doubles, and growth up to then is taken off:

    .. math:: t_{eff} = \max\left(T_k, \frac{1}{\lambda}
        \ln\frac{\alpha D \lambda T_d}{\ln 2}\right), \qquad
        BED = BED(t_{eff}) - \frac{\ln 2}{\alpha T_d}(t_{eff} - T_k)

    The best time for the tumour's BED lies a little later, for the quadratic term kills too; so the
    result is a little low, never too high, by the choice of the time.

    Parameters
    ----------
    source, dose_gy, alpha_beta_gy, repair_half_time_h
        As for ``implant_bed_gy``.
    alpha_per_gy : float
        :math:`\alpha` of the tumour, 1/Gy, above 0.
    doubling_time_days : float
        :math:`T_d`, potential doubling time of its cells, days, above 0.
    kick_off_days : float
        :math:`T_k`, days after the implant at which growth starts, 0 or more.

    Returns
    -------
    ndarray of float64
        Gy, the shape of ``dose_gy``, never negative; it rises with dose.

    Raises
    ------
    DoseInputError
        As for ``implant_bed_gy``.

    References
    ----------
    .. [1] Dale, Br. J. Radiol. 62, 241 (1989). https://doi.org/10.1259/0007-1285-62-735-241
    .. [2] Nath et al., TG-137, Med. Phys. 36, 5310 (2009). https://doi.org/10.1118/1.3246613
    """
    doses = _not_negative(dose_gy, "dose_gy")
    ratio = validate_number(alpha_beta_gy, "alpha_beta_gy", above=0.0)
    alpha = validate_number(alpha_per_gy, "alpha_per_gy", above=0.0)
    doubling = validate_number(doubling_time_days, "doubling_time_days", above=0.0)
    kick_off = float(
        _not_negative(validate_number(kick_off_days, "kick_off_days"), "kick_off_days")
    )
    decay, repair = rates_per_day(source, repair_half_time_h)
    growth_gy_per_day = math.log(2.0) / (alpha * doubling)
    excess = np.maximum(doses * decay / growth_gy_per_day, 1.0)  # of killing over growth at first
    time = np.maximum(np.log(excess) / decay, kick_off)
    return _bed_by_day(doses, time, decay, repair, ratio) - growth_gy_per_day * (time - kick_off)


def fractionated_bed_gy(
    fractions: int, dose_per_fraction_gy: ArrayLike, alpha_beta_gy: float
) -> NDArray[np.float64]:
    r"""Biologically effective dose of fractionated external beam, :math:`nd[1 + d/(\alpha/\beta)]`.

    A model: every fraction is short against repair, repair between fractions is complete, and
    nothing grows or recovers meanwhile.

    Parameters
    ----------
    fractions : int
        How many, 1 or more.
    dose_per_fraction_gy : array_like of float, any shape up to a grid
        Gy, 0 or more.
    alpha_beta_gy : float
        :math:`\alpha/\beta` of the tissue, Gy, above 0.

    Returns
    -------
    ndarray of float64
        Gy, the shape of ``dose_per_fraction_gy``.

    Raises
    ------
    DoseInputError
        If ``fractions`` is no whole number above 0, or a value is negative or not finite.

    Examples
    --------
    >>> fractionated_bed_gy(25, [1.8, 2.0], 3.0).round(2)
    array([72.  , 83.33])
    """
    number = validate_number(fractions, "fractions", above=0.0)
    if number != int(number):
        raise DoseInputError(f"fractions = {number:g} is not a whole number; count the sessions")
    doses = _not_negative(dose_per_fraction_gy, "dose_per_fraction_gy")
    ratio = validate_number(alpha_beta_gy, "alpha_beta_gy", above=0.0)
    return np.asarray(number * doses * (1.0 + doses / ratio))


def eqd2_gy(bed_gy: ArrayLike, alpha_beta_gy: float) -> NDArray[np.float64]:
    r"""Total dose in fractions of 2 Gy with the same BED, :math:`BED / (1 + 2/(\alpha/\beta))`.

    Parameters
    ----------
    bed_gy : array_like of float, any shape up to a grid
        BED of that tissue, Gy, 0 or more; a sum of implant and external beam too.
    alpha_beta_gy : float
        :math:`\alpha/\beta` that the BED was computed with, Gy, above 0.

    Returns
    -------
    ndarray of float64
        Gy, the shape of ``bed_gy``.

    Raises
    ------
    DoseInputError
        If a value is negative, not finite, or ``alpha_beta_gy`` not above 0.
    """
    ratio = validate_number(alpha_beta_gy, "alpha_beta_gy", above=0.0)
    return np.asarray(_not_negative(bed_gy, "bed_gy") / (1.0 + 2.0 / ratio))


def _bed_by_day(
    doses_gy: NDArray[np.float64],
    days: NDArray[np.float64],
    decay_per_day: float,
    repair_per_day: float,
    alpha_beta_gy: float,
) -> NDArray[np.float64]:
    """BED of the dose up to a day; doses are those to full decay, one day or one for each."""
    u, v = 2.0 * decay_per_day * days, (repair_per_day + decay_per_day) * days
    initial = doses_gy * decay_per_day  # Gy a day
    squared = 2.0 * (initial * days) ** 2 * _drop(u, v)
    given = -doses_gy * np.expm1(-decay_per_day * days)
    return np.asarray(given + squared / alpha_beta_gy)


def _drop(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """[f(u) - f(v)] / (v - u) of f(x) = (1 - exp(-x)) / x, by series where differences cancel."""
    short = u + v < _SHORT
    near = np.abs(v - u) <= _NEAR * (u + v)
    plain = (_mean_decay(u) - _mean_decay(v)) / np.where(near, 1.0, v - u)
    middle = np.maximum(0.5 * (u + v), 0.5 * _SHORT)
    slope = (-np.expm1(-middle) - middle * np.exp(-middle)) / middle**2
    series = 0.5 - (u + v) / 6.0 + (u**2 + u * v + v**2) / 24.0
    return np.asarray(np.where(short, series, np.where(near, slope, plain)))


def _mean_decay(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 - exp(-x)) / x, which is 1 at 0."""
    safe = np.maximum(x, 1e-300)
    return np.asarray(-np.expm1(-safe) / safe)


def rates_per_day(source: SeedModel, repair_half_time_h: Any) -> tuple[float, float]:
    """Decay and repair, 1/day; for this package's own use."""
    half_time = validate_number(repair_half_time_h, "repair_half_time_h", above=0.0)
    return math.log(2.0) / source.half_life_days, math.log(2.0) * HOURS_PER_DAY / half_time


def _not_negative(value: ArrayLike, name: str) -> NDArray[np.float64]:
    array = validate_array(value, name, ndim=(0, 1, 2, 3))
    if (array < 0.0).any():
        raise DoseInputError(f"{name} = {float(array.min()):g} is negative; give 0 or more")
    return array
