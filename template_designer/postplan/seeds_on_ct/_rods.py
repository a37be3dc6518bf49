"""What a rod of metal looks like in voxels: its line, seen through a point spread and the voxel.

Lengths here are mm along the image's own columns, rows and slices (u, v, w), from the centre of
the first voxel of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

NODES = 8
"""Points a rod is summed over (Gauss-Legendre): 0.8 mm apart at most on 4.5 mm, less than two
sigma of any scanner's point spread, so that the sum is smooth."""

_AT, _WEIGHT = np.polynomial.legendre.leggauss(NODES)
_WEIGHT = 0.5 * _WEIGHT
_ROOT = np.sqrt(2.0 * np.pi)

PARAMETERS = 7
"""Of one rod: centre (u, v, w), a vector along the axis, logarithm of the signal."""

MOST_LOG = np.log(1e8)
"""No metal in a CT has more signal: steps of a fit beyond it are stopped here."""


@dataclass(frozen=True, slots=True, eq=False)
class Scanner:
    """How the scanner shows a rod."""

    spacing_mm: NDArray[np.float64]  # (3,): u, v, w
    length_mm: float  # of the line that a seed looks like
    sigma_mm: NDArray[np.float64]  # (3,): of the Gaussian beside the voxel's own box
    clip_hu: float  # largest number that the image can hold
    capsule_mm: float = 4.5  # length of a seed's capsule

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm))


Window = tuple[slice, slice, slice]
"""Voxels of an image, slices first."""


def window_round(
    points_uvw_mm: NDArray[np.float64],
    reach_mm: NDArray[np.float64] | float,
    scanner: Scanner,
    shape: Sequence[int],
) -> Window:
    """Voxels within a distance of the box round points, inside the image."""
    low = np.floor((points_uvw_mm.min(axis=0) - reach_mm) / scanner.spacing_mm).astype(int)
    high = np.ceil((points_uvw_mm.max(axis=0) + reach_mm) / scanner.spacing_mm).astype(int) + 1
    size = np.array(shape)[::-1]
    low, high = np.clip(low, 0, size - 1), np.clip(high, 1, size)
    w, v, u = (slice(int(low[n]), int(high[n])) for n in (2, 1, 0))
    return w, v, u


def centres_of(window: Window, scanner: Scanner) -> tuple[NDArray[np.float64], ...]:
    """Voxel centres of a window along u, v and w, mm."""
    w, v, u = window
    return tuple(
        step * np.arange(part.start, part.stop)
        for step, part in zip(scanner.spacing_mm, (u, v, w), strict=True)
    )


def rod_voxels(
    rod: NDArray[np.float64],
    window: Window,
    scanner: Scanner,
    *,
    slopes: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Signal of a rod in the voxels of a window.

    Parameters
    ----------
    rod : (7,) ndarray
        See :data:`PARAMETERS`; its signal is in HU mm3.
    window : Window
    scanner : Scanner
    slopes : bool
        Also give the derivative by each parameter.

    Returns
    -------
    signal : (nw, nv, nu) ndarray
        HU.
    slopes : (7, nw * nv * nu) ndarray or None
    """
    size = float(np.linalg.norm(rod[3:6]))
    axis = rod[3:6] / size
    half = 0.5 * scanner.length_mm
    points = rod[:3] + half * _AT[:, None] * axis  # (nodes, 3)
    level = np.exp(min(rod[6], MOST_LOG)) / scanner.voxel_mm3
    seen, seen_slope = [], []
    for n, centres in enumerate(centres_of(window, scanner)):
        step, sigma = scanner.spacing_mm[n], scanner.sigma_mm[n]
        edges = np.append(centres - 0.5 * step, centres[-1] + 0.5 * step)
        z = (edges - points[:, n, None]) / sigma
        seen.append(np.diff(ndtr(z), axis=1))
        if slopes:
            seen_slope.append(-np.diff(np.exp(-0.5 * z * z), axis=1) / (_ROOT * sigma))
    signal = _summed(level * _WEIGHT, *seen)
    if not slopes:
        return signal, None
    table = np.zeros((PARAMETERS, signal.size))
    turn = (np.eye(3) - np.outer(axis, axis)) * half / size  # of the end point by the vector
    moved = np.zeros((3, signal.size))
    for n in range(3):
        parts = [seen_slope[m] if m == n else seen[m] for m in range(3)]
        table[n] = _summed(level * _WEIGHT, *parts).ravel()
        moved[n] = _summed(level * _WEIGHT * _AT, *parts).ravel()
    table[3:6] = turn @ moved
    table[6] = signal.ravel()
    return signal, table


def _summed(
    weight: NDArray[np.float64],
    along_u: NDArray[np.float64],
    along_v: NDArray[np.float64],
    along_w: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum over nodes of the products, (nw, nv, nu)."""
    plane = (along_v[:, :, None] * along_u[:, None, :]).reshape(len(weight), -1)
    total = (along_w * weight[:, None]).T @ plane
    return np.asarray(total.reshape(along_w.shape[1], along_v.shape[1], along_u.shape[1]))


def ends_of(
    rods: NDArray[np.float64], scanner: Scanner, *, capsule: bool = False
) -> NDArray[np.float64]:
    """Both ends of rods (n, 7), or of their capsules, (n, 2, 3) u, v, w, mm."""
    axes = rods[:, 3:6] / np.linalg.norm(rods[:, 3:6], axis=1, keepdims=True)
    half = 0.5 * (scanner.capsule_mm if capsule else scanner.length_mm) * axes
    return np.stack([rods[:, :3] - half, rods[:, :3] + half], axis=1)


def gap_mm(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Least distance between two line segments, each (2, 3).

    The squared distance is a convex parabola of both places: its least value lies inside, or on
    the edge where one place is an end of its segment.
    """
    a, b = first[1] - first[0], second[1] - second[0]
    d = first[0] - second[0]
    aa, bb, ab, ad, bd = a @ a, b @ b, a @ b, a @ d, b @ d
    places = [(s, np.clip((bd + s * ab) / bb, 0.0, 1.0)) for s in (0.0, 1.0)]
    places += [(np.clip((t * ab - ad) / aa, 0.0, 1.0), t) for t in (0.0, 1.0)]
    spread = aa * bb - ab * ab
    if spread > 1e-12 * aa * bb:
        s, t = (ab * bd - bb * ad) / spread, (aa * bd - ab * ad) / spread
        if 0.0 <= s <= 1.0 and 0.0 <= t <= 1.0:
            places.append((s, t))
    return float(min(np.linalg.norm(d + s * a - t * b) for s, t in places))
