"""Units of source strength, and what strength is usual.

Air-kerma strength (1 U = 1 cGy cm2 h-1 = 1 uGy m2 h-1) is what is measured and what dose follows
from; mCi and MBq here are the *apparent* activity, tied to it by a fixed number per nuclide.

References
----------
.. [1] Williamson et al., Med. Phys. 26, 2529 (1999): apparent activity of I-125 and Pd-103.
.. [2] Rivard et al., Med. Phys. 31, 633 (2004). https://doi.org/10.1118/1.1646040
.. [3] Rivard et al., Med. Phys. 44, e297 (2017): half-life of Cs-131.
"""

from __future__ import annotations

from dose.errors import DoseInputError
from dose.validation import validate_number

U_PER_MCI = {"I-125": 1.270, "Pd-103": 1.293}
"""Air-kerma strength per apparent activity, U per mCi; Cs-131 seeds are specified in U only."""

HALF_LIFE_DAYS = {"I-125": 59.40, "Pd-103": 16.991, "Cs-131": 9.689}
"""Nuclides of permanent seeds, and their half-lives, days."""

MBQ_PER_MCI = 37.0

UNITS = ("U", "mCi", "MBq")
"""Units of strength: air-kerma strength, and two of apparent activity."""

USUAL_STRENGTH_U = {"I-125": (0.1, 5.0), "Pd-103": (0.3, 15.0), "Cs-131": (0.3, 12.0)}
"""Least and greatest usual air-kerma strength of a permanent seed, U.

Usual seeds have 0.5-1.0 U of I-125 (published series: 0.4-0.8 mCi); for prostates 1.5-3 U of Pd-103
and 1.6-2.4 U of Cs-131 are common. The ranges leave a factor of five either way. What lies outside
is most often a unit mistaken, such as MBq taken for mCi or for U.
"""


def air_kerma_strength_u(value: float, unit: str, nuclide: str) -> float:
    """Air-kerma strength in U from a strength in any unit of use.

    Parameters
    ----------
    value : float
        Strength of one seed, above 0.
    unit : {"U", "mCi", "MBq"}
        Unit of ``value``; mCi and MBq are apparent activity.
    nuclide : str
        A key of ``HALF_LIFE_DAYS``, for example ``"I-125"``.

    Returns
    -------
    float

    Raises
    ------
    DoseInputError
        If the value is not a positive number, the unit or the nuclide is not known, or the nuclide
        has no apparent activity on board (Cs-131) and the unit is not U.

    Examples
    --------
    >>> round(air_kerma_strength_u(0.6, "mCi", "I-125"), 4)
    0.762
    """
    strength = validate_number(value, f"source strength ({unit})", above=0.0)
    _check_nuclide(nuclide)
    if unit not in UNITS:
        raise DoseInputError(f"unit {unit!r} is not known; choose one of: {', '.join(UNITS)}")
    if unit == "U":
        return strength
    return strength * _u_per_mci(nuclide) / (MBQ_PER_MCI if unit == "MBq" else 1.0)


def apparent_activity_mci(strength_u: float, nuclide: str) -> float:
    """Apparent activity in mCi of an air-kerma strength in U."""
    return validate_number(strength_u, "strength_u", above=0.0) / _u_per_mci(nuclide)


def apparent_activity_mbq(strength_u: float, nuclide: str) -> float:
    """Apparent activity in MBq of an air-kerma strength in U."""
    return MBQ_PER_MCI * apparent_activity_mci(strength_u, nuclide)


def check_usual_strength(strength_u: float, nuclide: str, *, confirmed: bool = False) -> float:
    """Refuse a strength that no clinic uses, unless it is confirmed; return it otherwise.

    Parameters
    ----------
    strength_u : float
        Air-kerma strength of one seed, U.
    nuclide : str
        A key of ``HALF_LIFE_DAYS``, for example ``"I-125"``.
    confirmed : bool
        Whether the user said that the strength is meant.

    Raises
    ------
    DoseInputError
        If the nuclide is not known, or the strength is not usual and not confirmed; the message
        has it in every unit.
    """
    strength = validate_number(strength_u, "strength_u", above=0.0)
    _check_nuclide(nuclide)
    least, most = USUAL_STRENGTH_U[nuclide]
    if confirmed or least <= strength <= most:
        return strength
    mci = strength / U_PER_MCI[nuclide] if nuclide in U_PER_MCI else None
    other = "" if mci is None else f" ({mci:.4g} mCi, {MBQ_PER_MCI * mci:.4g} MBq apparent)"
    factor = "" if mci is None else f" = {_u_per_mci(nuclide):.3f} U"
    raise DoseInputError(
        f"a seed of {strength:.4g} U{other} lies outside {least:g}-{most:g} U, the usual range of "
        f"{nuclide} seeds. "
        f"Was mCi taken for U, or MBq for either (1 mCi = 37 MBq{factor})? "
        "If this strength is meant, set confirm_unusual_strength = true."
    )


def _check_nuclide(nuclide: str) -> None:
    if nuclide not in HALF_LIFE_DAYS:
        raise DoseInputError(
            f"nuclide {nuclide!r} is not known; choose one of {list(HALF_LIFE_DAYS)}"
        )


def _u_per_mci(nuclide: str) -> float:
    _check_nuclide(nuclide)
    if nuclide not in U_PER_MCI:
        raise DoseInputError(
            f"{nuclide} seeds have no agreed apparent activity here (only {list(U_PER_MCI)} have); "
            "give their strength in U"
        )
    return U_PER_MCI[nuclide]
