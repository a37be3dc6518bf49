"""Whether two boxes, such as plates, stand in the same place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def boxes_meet(one_mm: NDArray[np.float64], other_mm: NDArray[np.float64]) -> bool:
    """Whether two boxes share space, by the separating axis theorem; touching faces do not count.

    Parameters
    ----------
    one_mm, other_mm : (8, 3) ndarray
        Corners in the order of binary counting along the three edges from the first corner.
    """
    edges = [[box[k] - box[0] for k in (4, 2, 1)] for box in (one_mm, other_mm)]
    axes = [axis for box in edges for axis in box]
    axes += [np.cross(a, b) for a in edges[0] for b in edges[1]]
    for axis in axes:
        length = float(np.linalg.norm(axis))
        if length < 1e-9:  # parallel edges: the faces' own axes decide
            continue
        low, high = ((box @ axis / length) for box in (one_mm, other_mm))
        if low.max() <= high.min() + 1e-9 or high.max() <= low.min() + 1e-9:
            return False
    return True
