"""Decay: strength from calibration to implant, and how dose and dose rate run over time.

One nuclide, nothing washed out: everything follows one exponential from the day of the implant.
"""

from __future__ import annotations

import datetime
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose.errors import DoseInputError
from dose.sources.model import SeedModel
from dose.validation import validate_array, validate_number

CGY_PER_GY = 100.0
SECONDS_PER_DAY = 86400.0

LONGEST_STORAGE_HALF_LIVES = 10.0
"""After ten half-lives a thousandth is left: the year of one of the dates is wrong."""


def strength_on(
    strength_u: float,
    source: SeedModel,
    calibration_date: datetime.date,
    date: datetime.date,
) -> float:
    """Air-kerma strength on a day, from that on the day of calibration.

    Parameters
    ----------
    strength_u : float
        Air-kerma strength on the calibration date, U, above 0.
    source : SeedModel
        Whose half-life counts.
    calibration_date, date : datetime.date
        Day of calibration and day asked for (the implant), the same or later. Two
        ``datetime.datetime`` count hours too, two dates whole days.

    Returns
    -------
    float
        U.

    Raises
    ------
    DoseInputError
        If the strength is not a positive number, a date is none, the calibration lies after
        ``date``, or more than ten half-lives before it.

    Examples
    --------
    >>> from datetime import date
    >>> from dose import load_source
    >>> source = load_source("I125-6711")
    >>> round(strength_on(0.8, source, date(2024, 3, 1), date(2024, 3, 15)), 4)
    0.6794
    """
    strength = validate_number(strength_u, "strength_u", above=0.0)
    days = _days_between(calibration_date, date)
    if days < 0.0:
        raise DoseInputError(
            f"calibration_date {calibration_date} lies after date {date} (of the implant); swap "
            "them, or take the strength from the seeds' certificate for an earlier day"
        )
    if days > LONGEST_STORAGE_HALF_LIVES * source.half_life_days:
        raise DoseInputError(
            f"calibration_date {calibration_date} lies {days:g} days before date {date}, over "
            f"{LONGEST_STORAGE_HALF_LIVES:g} half-lives of {source.nuclide}; check the years"
        )
    return strength * math.exp(-math.log(2.0) * days / source.half_life_days)


def dose_fraction(
    source: SeedModel, days: ArrayLike, *, since_days: float = 0.0
) -> NDArray[np.float64]:
    """Part of the dose to full decay that is given between two days after the implant, 0 to 1.

    Parameters
    ----------
    source : SeedModel
    days : float or (n,) array_like of float
        End of the time, days after the implant, ``since_days`` or more.
    since_days : float
        Start of the time, days after the implant, 0 or more; 0 counts from the implant.

    Returns
    -------
    (n,) ndarray of float64

    Raises
    ------
    DoseInputError
        If a day is negative or not finite, or the end lies before the start.

    Examples
    --------
    >>> from dose import load_source
    >>> dose_fraction(load_source("I125-6711"), [59.4, 118.8])
    array([0.5 , 0.75])
    """
    time = _days(days)
    start = validate_number(since_days, "since_days")
    if start < 0.0:
        raise DoseInputError(f"since_days = {start:g} is negative; count from the implant")
    early = np.flatnonzero(time < start)
    if early.size:
        raise DoseInputError(
            f"days[{early[0]}] = {time[early[0]]:g} lies before since_days = {start:g}; swap them"
        )
    per_day = math.log(2.0) / source.half_life_days
    return np.asarray(-math.exp(-per_day * start) * np.expm1(-per_day * (time - start)))


def dose_given_gy(source: SeedModel, dose_gy: ArrayLike, days: float) -> NDArray[np.float64]:
    """Dose given by a day after the implant, from the dose to full decay.

    Parameters
    ----------
    source : SeedModel
    dose_gy : array_like of float, any shape
        Dose to full decay, Gy, 0 or more: of points, of a grid, or a metric.
    days : float
        Days after the implant, 0 or more.

    Returns
    -------
    ndarray of float64
        Gy, the shape of ``dose_gy``.

    Raises
    ------
    DoseInputError
        If a dose or the time is negative or not finite.
    """
    return _doses(dose_gy) * float(dose_fraction(source, days)[0])


def dose_rate_on_day_cgy_h(
    source: SeedModel, dose_gy: ArrayLike, days: float
) -> NDArray[np.float64]:
    """Dose rate on a day after the implant, from the dose to full decay.

    Parameters
    ----------
    source, dose_gy, days
        As for ``dose_given_gy``; day 0 gives the initial dose rate.

    Returns
    -------
    ndarray of float64
        cGy per hour, the shape of ``dose_gy``.

    Raises
    ------
    DoseInputError
        As for ``dose_given_gy``.
    """
    doses, time = _doses(dose_gy), float(_days(days)[0])
    remaining = math.exp(-math.log(2.0) * time / source.half_life_days)
    return doses * (CGY_PER_GY / source.mean_life_hours * remaining)


def _days(days: ArrayLike) -> NDArray[np.float64]:
    time = validate_array(np.atleast_1d(np.asarray(days)), "days")
    if (time < 0.0).any():
        raise DoseInputError(f"days = {float(time.min()):g} is negative; count from the implant")
    return time


def _doses(dose_gy: ArrayLike) -> NDArray[np.float64]:
    doses = validate_array(dose_gy, "dose_gy", ndim=(0, 1, 2, 3))
    if (doses < 0.0).any():
        raise DoseInputError(f"dose_gy = {float(doses.min()):g} Gy is negative; give 0 or more")
    return doses


def _days_between(first: datetime.date, last: datetime.date) -> float:
    for name, value in (("calibration_date", first), ("date", last)):
        if not isinstance(value, datetime.date):
            raise DoseInputError(
                f"{name} = {value!r} is no date; give datetime.date(year, month, day)"
            )
    if isinstance(first, datetime.datetime) != isinstance(last, datetime.datetime):
        raise DoseInputError(
            f"calibration_date = {first} and date = {last}: one has a time of day; give two dates, "
            "or two times"
        )
    try:
        return (last - first).total_seconds() / SECONDS_PER_DAY
    except TypeError as error:
        raise DoseInputError(
            f"calibration_date = {first} and date = {last}: one has a time zone; give both one"
        ) from error
