"""Which found seed is which planned one: the assignment of least squared distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Pairs of planned and found seeds, and what is left of both."""

    planned: NDArray[np.int64]  # (k,) rising
    found: NDArray[np.int64]  # (k,) the found seed of each
    missing: NDArray[np.int64]  # planned seeds without one
    extra: NDArray[np.int64]  # found seeds without one


def assign(apart: NDArray[np.float64], farthest: float) -> Assignment:
    """Pair planned and found seeds.

    The sum of squared distances over all pairs is the least there is, where a planned seed
    without a partner costs as much as one at ``farthest``. Squares and not distances: seeds that
    all moved alike are then paired alike, even by more than their spacing, where none is missing.

    Parameters
    ----------
    apart : (n, m) ndarray of float
        Distance of every planned seed to every found one, in any unit; n and m may differ.
    farthest : float
        No pair is this far apart or farther, in the same unit.
    """
    rows, columns = linear_sum_assignment(np.minimum(apart, farthest) ** 2)
    near = apart[rows, columns] < farthest
    rows, columns = rows[near].astype(np.int64), columns[near].astype(np.int64)
    return Assignment(
        rows,
        columns,
        np.setdiff1d(np.arange(apart.shape[0]), rows),
        np.setdiff1d(np.arange(apart.shape[1]), columns),
    )
