r"""Biologically effective dose of two permanent implants, one after the other.

While both sets of seeds irradiate together, a break from one finds those of the other not yet
repaired, so their doses cannot be taken one by one; the later the second comes, the less of the
first is left to do so.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose.biology import REPAIR_HALF_TIME_H, implant_bed_gy, rates_per_day
from dose.errors import DoseInputError
from dose.sources.model import SeedModel
from dose.validation import validate_array, validate_number


def two_implants_bed_gy(
    source: SeedModel,
    first_gy: ArrayLike,
    second_gy: ArrayLike,
    days_between: float,
    alpha_beta_gy: float,
    *,
    repair_half_time_h: float = REPAIR_HALF_TIME_H,
) -> NDArray[np.float64]:
    r"""Biologically effective dose of two implants of one nuclide to full decay; a model.

    With doses :math:`D_1`, :math:`D_2` and :math:`T` between them,

    .. math:: BED = BED_1 + BED_2 + \frac{D_1 D_2 \lambda}{\alpha/\beta} \left[
        \frac{e^{-\lambda T}}{\mu + \lambda} + \frac{1}{\mu - \lambda} \left( e^{-\lambda T} -
        \frac{2 \lambda}{\mu + \lambda} e^{-\mu T} \right) \right]

    which is the integral of Lea and Catcheside over both dose rates. On one day it is the BED of
    the sum; after many half-lives that of each alone, added.

    Parameters
    ----------
    source : SeedModel
        Whose half-life counts, of both.
    first_gy, second_gy : array_like of float, the same shape
        Physical dose of each to full decay, Gy, 0 or more.
    days_between : float
        From the first to the second implant, days, 0 or more.
    alpha_beta_gy, repair_half_time_h
        As for ``implant_bed_gy``.

    Returns
    -------
    ndarray of float64
        Gy, the shape of the doses.

    Raises
    ------
    DoseInputError
        If a value is negative, not finite, or not above 0 where it must be, or the shapes differ.

    References
    ----------
    .. [1] Dale, Br. J. Radiol. 58, 515 (1985). https://doi.org/10.1259/0007-1285-58-690-515

    Examples
    --------
    >>> from dose import load_source
    >>> source = load_source("I125-6711")
    >>> two_implants_bed_gy(source, [60.0], [40.0], 0.0, 3.0).round(2)
    array([103.5])
    """
    first = validate_array(first_gy, "first_gy", ndim=(0, 1, 2, 3))
    second = validate_array(second_gy, "second_gy", ndim=(0, 1, 2, 3))
    if first.shape != second.shape:
        raise DoseInputError(
            f"first_gy has shape {first.shape}, second_gy {second.shape}; give both at each point"
        )
    days = validate_number(days_between, "days_between")
    if days < 0.0:
        raise DoseInputError(f"days_between = {days:g} is negative; swap the implants")
    ratio = validate_number(alpha_beta_gy, "alpha_beta_gy", above=0.0)
    decay, repair = rates_per_day(source, repair_half_time_h)
    alone = sum(
        implant_bed_gy(source, gy, ratio, repair_half_time_h=repair_half_time_h)
        for gy in (first, second)
    )
    left = math.exp(-decay * days)
    after = left - 2.0 * decay / (repair + decay) * math.exp(-repair * days)
    overlap = decay * (left / (repair + decay) + after / (repair - decay))
    return np.asarray(alone + first * second * overlap / ratio)
