"""Exact distances between straight segments: no sampling, no tolerance but rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PARALLEL = 1e-12
"""Squared sine under which two segments count as parallel: their least distance then lies at an
end point, which is always looked at."""


def segment_distances_mm(
    start_mm: NDArray[np.float64],
    end_mm: NDArray[np.float64],
    starts_mm: NDArray[np.float64],
    ends_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Least distance of one segment from each of many.

    The least distance lies at an end point of one of the two, or where both lines come nearest
    inside both segments: the five candidates are all worked out.

    Parameters
    ----------
    start_mm, end_mm : (d,) ndarray or (n, d) ndarray
        Ends of the segment, or of one segment for each of the others, mm, any frame; d = 2 or 3.
    starts_mm, ends_mm : (n, d) ndarray
        Ends of the others.

    Returns
    -------
    (n,) ndarray of float64
        mm; 0 where they meet.
    """
    here = np.broadcast_to(start_mm, starts_mm.shape)
    there = np.broadcast_to(end_mm, starts_mm.shape)
    squared = np.minimum.reduce(
        [
            _point_segment_squared(here, starts_mm, ends_mm),
            _point_segment_squared(there, starts_mm, ends_mm),
            _point_segment_squared(starts_mm, here, there),
            _point_segment_squared(ends_mm, here, there),
            _inner_squared(here, there, starts_mm, ends_mm),
        ]
    )
    return np.sqrt(squared)


def point_segment_distances_mm(
    points_mm: NDArray[np.float64], starts_mm: NDArray[np.float64], ends_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of each point from its segment; all (..., d), mm."""
    return np.sqrt(_point_segment_squared(points_mm, starts_mm, ends_mm))


def _point_segment_squared(
    points: NDArray[np.float64], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    along = ends - starts
    length = np.sum(along * along, axis=-1)
    share = np.sum((points - starts) * along, axis=-1) / np.where(length > 0.0, length, 1.0)
    off = points - starts - np.clip(share, 0.0, 1.0)[..., None] * along
    return np.sum(off * off, axis=-1)


def _inner_squared(
    p0: NDArray[np.float64],
    p1: NDArray[np.float64],
    q0: NDArray[np.float64],
    q1: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Squared distance where both lines come nearest, infinite where that is outside a segment."""
    u, v, w = p1 - p0, q1 - q0, p0 - q0
    a, b, c = (np.sum(x * y, axis=-1) for x, y in ((u, u), (u, v), (v, v)))
    d, e = np.sum(u * w, axis=-1), np.sum(v * w, axis=-1)
    sine = a * c - b * b
    crossing = sine > _PARALLEL * a * c
    safe = np.where(crossing, sine, 1.0)
    s, t = (b * e - c * d) / safe, (a * e - b * d) / safe
    inside = crossing & (s > 0.0) & (s < 1.0) & (t > 0.0) & (t < 1.0)
    off = w + s[..., None] * u - t[..., None] * v
    return np.where(inside, np.sum(off * off, axis=-1), np.inf)
