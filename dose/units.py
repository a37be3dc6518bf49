"""Units of source strength, and what strength is usual.

Air-kerma strength (1 U = 1 cGy cm2 h-1 = 1 uGy m2 h-1) is what is measured and what dose follows
from; mCi and MBq here are the *apparent* activity, tied to it by a fixed number per nuclide.

References
----------
.. [1] Williamson et al., Med. Phys. 26, 2529 (1999): apparent activity of I-125 and Pd-103.
.. [2] Rivard et al., Med. Phys. 31, 633 (2004). https://doi.org/10.1118/1.1646040
"""

from __future__ import annotations

from dose.errors import DoseInputError
from dose.validation import validate_number

U_PER_MCI = {"I-125": 1.270, "Pd-103": 1.293}
"""Air-kerma strength per apparent activity, U per mCi."""

MBQ_PER_MCI = 37.0

USUAL_STRENGTH_U = {"I-125": (0.1, 5.0)}
"""Least and greatest usual air-kerma strength of a permanent seed, U.

Published series implant 0.4-0.8 mCi, 0.5-1.0 U; the range leaves a factor of five either way. What
lies outside is most often a unit mistaken, such as MBq taken for mCi or for U.
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
        A key of ``U_PER_MCI``, for example ``"I-125"``.

    Returns
    -------
    float

    Raises
    ------
    DoseInputError
        If the value is not a positive number, or the unit or the nuclide is not known.

    Examples
    --------
    >>> round(air_kerma_strength_u(0.6, "mCi", "I-125"), 4)
    0.762
    """
    strength = validate_number(value, f"source strength ({unit})", above=0.0)
    u_per_mci = _u_per_mci(nuclide)
    factors = {"U": 1.0, "mCi": u_per_mci, "MBq": u_per_mci / MBQ_PER_MCI}
    if unit not in factors:
        raise DoseInputError(f"unit {unit!r} is not known; choose one of: {', '.join(factors)}")
    return strength * factors[unit]


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
        For example ``"I-125"``; one without a usual range always needs confirming.
    confirmed : bool
        Whether the user said that the strength is meant.

    Raises
    ------
    DoseInputError
        If the strength is not usual and not confirmed; the message has it in every unit.
    """
    strength = validate_number(strength_u, "strength_u", above=0.0)
    mci = apparent_activity_mci(strength, nuclide)
    usual = USUAL_STRENGTH_U.get(nuclide)
    if confirmed or (usual is not None and usual[0] <= strength <= usual[1]):
        return strength
    value = f"a seed of {strength:.4g} U ({mci:.4g} mCi, {MBQ_PER_MCI * mci:.4g} MBq apparent)"
    if usual is None:
        raise DoseInputError(
            f"{value} of {nuclide}: no usual range is known for this nuclide. If this strength is "
            "meant, set confirm_unusual_strength = true."
        )
    raise DoseInputError(
        f"{value} lies outside {usual[0]:g}-{usual[1]:g} U, the usual range of {nuclide} seeds. "
        f"Was mCi taken for U, or MBq for either (1 mCi = 37 MBq = {_u_per_mci(nuclide):.3f} U)? "
        "If this strength is meant, set confirm_unusual_strength = true."
    )


def _u_per_mci(nuclide: str) -> float:
    if nuclide not in U_PER_MCI:
        raise DoseInputError(f"nuclide {nuclide!r} is not known; choose one of {list(U_PER_MCI)}")
    return U_PER_MCI[nuclide]
