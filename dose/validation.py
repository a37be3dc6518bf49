"""Checks of what callers hand in: each returns a clean array or raises ``DoseInputError``.

Returned arrays are fresh, writable and contiguous, so that kernels see one array type only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose.errors import DoseInputError

FARTHEST_MM = 1.0e5
"""Coordinates beyond 100 m are no patient's: a wrong unit, or a fill value."""


def validate_array(
    value: ArrayLike, name: str, ndim: int | tuple[int, ...] = 1
) -> NDArray[np.float64]:
    """Finite real numbers as a new float64 array of ``ndim`` (or one of several) dimensions."""
    try:
        raw = np.asarray(value)
    except ValueError as error:
        raise DoseInputError(f"{name} has rows of different lengths; give a full array") from error
    if raw.dtype.kind not in "iuf":
        raise DoseInputError(f"{name} holds {raw.dtype} values; give real numbers")
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if raw.ndim not in allowed:
        wanted = " or ".join(str(n) for n in allowed)
        raise DoseInputError(
            f"{name} has shape {raw.shape}; give an array of {wanted} dimension(s)"
        )
    array = np.array(raw, dtype=np.float64, order="C")
    bad = ~np.isfinite(array)
    if bad.any():
        index = np.argwhere(bad)[0]
        where = f"[{', '.join(str(i) for i in index)}]" if raw.ndim else ""
        raise DoseInputError(
            f"{name}{where} = {array[tuple(index)]} is not finite "
            f"({int(bad.sum())} such value(s)); remove or repair it"
        )
    return array


def validate_points(value: ArrayLike, name: str) -> NDArray[np.float64]:
    """Points as (n, 3) float64, mm; an empty list is no points."""
    if isinstance(value, list | tuple) and len(value) == 0:
        return np.zeros((0, 3))
    points = validate_array(value, name, ndim=2)
    if points.shape[1] != 3:
        raise DoseInputError(f"{name} has shape {points.shape}; give (n, 3) rows x, y, z")
    far = np.abs(points) > FARTHEST_MM
    if far.any():
        row, column = np.argwhere(far)[0]
        raise DoseInputError(
            f"{name}[{row}, {column}] = {points[row, column]:g} mm is over {FARTHEST_MM:g} mm "
            "away; check that it is in millimetres"
        )
    return points


def validate_axes(value: ArrayLike, n_seeds: int, name: str = "axes") -> NDArray[np.float64]:
    """Return unit vectors as (n_seeds, 3); one vector (3,) serves all seeds."""
    if n_seeds == 0:
        return np.zeros((0, 3))
    raw = validate_array(value, name, ndim=(1, 2))
    axes = validate_points(np.tile(raw, (n_seeds, 1)) if raw.shape == (3,) else raw, name)
    if axes.shape[0] != n_seeds:
        raise DoseInputError(
            f"{name} has {axes.shape[0]} row(s) for {n_seeds} seed(s); give one axis per seed"
        )
    length = np.linalg.norm(axes, axis=1)
    short = np.flatnonzero(length < 1e-9)
    if short.size:
        raise DoseInputError(
            f"{name}[{short[0]}] = {axes[short[0]].tolist()} has no length; give the direction of "
            "the seed"
        )
    return axes / length[:, None]


def validate_strengths(value: ArrayLike, n_seeds: int) -> NDArray[np.float64]:
    """Air-kerma strengths as (n_seeds,), U; one number serves all seeds."""
    strengths = validate_array(value, "strength_u", ndim=(0, 1))
    if strengths.ndim == 0:
        strengths = np.full(n_seeds, float(strengths))
    if strengths.size != n_seeds:
        raise DoseInputError(
            f"strength_u has {strengths.size} value(s) for {n_seeds} seed(s); give one number for "
            "all or one per seed"
        )
    if (strengths < 0.0).any():
        index = int(np.flatnonzero(strengths < 0.0)[0])
        raise DoseInputError(
            f"strength_u[{index}] = {strengths[index]:g} U is negative; give 0 or more"
        )
    return strengths


def validate_number(value: Any, name: str, *, above: float = -math.inf) -> float:
    """One finite real number, greater than ``above``."""
    if np.asarray(value, dtype=object).ndim != 0 or np.asarray(value).dtype.kind not in "iuf":
        raise DoseInputError(f"{name} = {value!r} is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise DoseInputError(f"{name} = {number} is not finite; give a real number")
    if not number > above:
        raise DoseInputError(f"{name} = {number:g} must be greater than {above:g}")
    return number
