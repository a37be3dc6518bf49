"""Distances between straight needles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def segment_distances_mm(
    a_start: NDArray[np.float64],
    a_end: NDArray[np.float64],
    b_start: NDArray[np.float64],
    b_end: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Least distance between every segment of one set and every segment of another.

    Parameters
    ----------
    a_start, a_end : (n, 3) ndarray
        Ends of the first set, mm.
    b_start, b_end : (m, 3) ndarray
        Ends of the second set, same frame.

    Returns
    -------
    (n, m) ndarray
        mm; exact to rounding. Two segments are nearest inside both, or at an end of one of them.
    """
    u, v = (a_end - a_start)[:, None], (b_end - b_start)[None]
    between = a_start[:, None] - b_start[None]
    uu, vv, uv = (u * u).sum(-1), (v * v).sum(-1), (u * v).sum(-1)
    ub, vb = (u * between).sum(-1), (v * between).sum(-1)
    across = uu * vv - uv * uv
    skew = across > 1e-12 * np.maximum(uu * vv, 1e-30)
    s = np.divide(uv * vb - vv * ub, across, out=np.zeros_like(across), where=skew)
    t = np.divide(uu * vb - uv * ub, across, out=np.zeros_like(across), where=skew)
    inside = skew & (s >= 0.0) & (s <= 1.0) & (t >= 0.0) & (t <= 1.0)
    nearest = np.linalg.norm(between + s[..., None] * u - t[..., None] * v, axis=-1)
    ends = [
        _to_segments(a_start, b_start, b_end),
        _to_segments(a_end, b_start, b_end),
        _to_segments(b_start, a_start, a_end).T,
        _to_segments(b_end, a_start, a_end).T,
    ]
    return np.minimum(np.where(inside, nearest, np.inf), np.min(ends, axis=0))


def _to_segments(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of every point (n, 3) to every segment (m, 3): (n, m)."""
    along = end - start
    length2 = np.maximum((along * along).sum(-1), 1e-30)
    offset = points[:, None] - start[None]
    part = np.clip((offset * along[None]).sum(-1) / length2, 0.0, 1.0)
    return np.linalg.norm(offset - part[..., None] * along[None], axis=-1)
