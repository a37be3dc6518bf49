"""Dose on a regular grid: where its voxels lie, and how it is read between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose.errors import DoseInputError
from dose.validation import validate_array, validate_number, validate_points

MAX_VOXELS = 100_000_000
"""Largest grid: 0.8 GB of dose. More is a wrong unit or a spacing far below any CT's."""

FIT_TOLERANCE = 1e-6
"""Part of a voxel by which bounds may miss the last centre: rounding of decimal millimetres."""


@dataclass(frozen=True, slots=True)
class DoseGrid:
    """A regular grid of voxel centres along x, y, z; arrays on it are indexed ``[z, y, x]``."""

    origin_mm: tuple[float, float, float]  # centre of voxel [0, 0, 0]
    spacing_mm: tuple[float, float, float]  # along x, y, z; one number serves all three
    shape: tuple[int, int, int]  # number of voxels along z, y, x

    def __post_init__(self) -> None:
        origin = _triple(self.origin_mm, "origin_mm")
        spacing = _triple(self.spacing_mm, "spacing_mm", repeat=True)
        if not min(spacing) > 0.0:
            raise DoseInputError(f"spacing_mm = {list(spacing)} must be above 0 on every axis")
        counts = validate_array(self.shape, "shape")
        shape = tuple(int(n) for n in counts)
        if len(shape) != 3 or min(shape) < 1 or not np.array_equal(counts, shape):
            raise DoseInputError(f"shape = {self.shape!r} must be three whole numbers, z, y, x")
        if math.prod(shape) > MAX_VOXELS:
            raise DoseInputError(
                f"a grid of {shape[0]} x {shape[1]} x {shape[2]} voxels (z, y, x) is over the "
                f"limit of {MAX_VOXELS}; choose a larger spacing_mm or nearer bounds"
            )
        object.__setattr__(self, "origin_mm", origin)
        object.__setattr__(self, "spacing_mm", spacing)
        object.__setattr__(self, "shape", shape)

    @classmethod
    def from_bounds(
        cls, lower_mm: ArrayLike, upper_mm: ArrayLike, spacing_mm: ArrayLike
    ) -> DoseGrid:
        """Grid whose first voxel centre is ``lower_mm`` and whose last is at ``upper_mm`` or past.

        Parameters
        ----------
        lower_mm, upper_mm : (3,) array_like of float
            Bounds x, y, z, mm; equal bounds give one voxel along that axis. Where the bounds are
            not a whole number of voxels apart, the last centre lies up to one spacing past
            ``upper_mm``: the grid always covers what was asked for.
        spacing_mm : float or (3,) array_like of float
            Distance between voxel centres, mm.

        Raises
        ------
        DoseInputError
            If a bound is not finite, upper is below lower, or the grid would be absurdly large.

        Examples
        --------
        >>> DoseGrid.from_bounds([0, 0, 0], [4, 2, 1], 1.0).shape
        (2, 3, 5)
        """
        lower, upper = _triple(lower_mm, "lower_mm"), _triple(upper_mm, "upper_mm")
        spacing = _triple(spacing_mm, "spacing_mm", repeat=True)
        if not min(spacing) > 0.0:
            raise DoseInputError(f"spacing_mm = {list(spacing)} must be above 0 on every axis")
        counts = []
        for axis, low, high, step in zip("xyz", lower, upper, spacing, strict=True):
            if high < low:
                raise DoseInputError(
                    f"upper_mm is below lower_mm along {axis} ({high:g} < {low:g} mm); swap them"
                )
            counts.append(math.ceil((high - low) / step - FIT_TOLERANCE) + 1)
        return cls(lower, spacing, (counts[2], counts[1], counts[0]))

    @property
    def x_mm(self) -> NDArray[np.float64]:
        """Voxel centres along x, (nx,)."""
        return self._centers(0)

    @property
    def y_mm(self) -> NDArray[np.float64]:
        """Voxel centres along y, (ny,)."""
        return self._centers(1)

    @property
    def z_mm(self) -> NDArray[np.float64]:
        """Voxel centres along z, (nz,)."""
        return self._centers(2)

    @property
    def upper_mm(self) -> tuple[float, float, float]:
        """Centre of the last voxel."""
        return float(self.x_mm[-1]), float(self.y_mm[-1]), float(self.z_mm[-1])

    @property
    def voxel_volume_cm3(self) -> float:
        """Volume of one voxel."""
        return math.prod(self.spacing_mm) / 1000.0

    def slice_points_mm(self, k: int) -> NDArray[np.float64]:
        """Voxel centres of slice ``k`` along z, row by row: (ny * nx, 3)."""
        y, x = np.meshgrid(self.y_mm, self.x_mm, indexing="ij")
        return np.column_stack((x.ravel(), y.ravel(), np.full(x.size, self.z_mm[k])))

    def points_mm(self) -> NDArray[np.float64]:
        """All voxel centres in the order of ``values_gy.ravel()``: (n, 3)."""
        return np.concatenate([self.slice_points_mm(k) for k in range(self.shape[0])])

    def _centers(self, axis: int) -> NDArray[np.float64]:
        steps = np.arange(self.shape[2 - axis], dtype=np.float64)
        return self.origin_mm[axis] + self.spacing_mm[axis] * steps


@dataclass(frozen=True, slots=True, eq=False)
class DoseField:
    """Dose to full decay on a grid."""

    grid: DoseGrid
    values_gy: NDArray[np.float64]  # [z, y, x], read-only

    def __post_init__(self) -> None:
        values = self._checked()
        if values.shape != self.grid.shape:
            raise DoseInputError(
                f"values_gy has shape {values.shape}, its grid {self.grid.shape} (z, y, x)"
            )
        object.__setattr__(self, "values_gy", values)

    def _checked(self) -> NDArray[np.float64]:
        """Values as a read-only array; one that is read-only already is kept, not copied."""
        given = self.values_gy
        kept = (
            isinstance(given, np.ndarray)
            and given.base is None
            and not given.flags.writeable
            and given.dtype == np.float64
            and given.ndim == 3
            and math.isfinite(float(given.sum()))  # a NaN or infinity anywhere shows in the sum
        )
        if not kept:
            given = validate_array(given, "values_gy", ndim=3)
            given.setflags(write=False)
        return given

    @property
    def border_max_gy(self) -> float:
        """Highest dose on the outermost layer of voxels."""
        v = self.values_gy
        faces = (v[0], v[-1], v[:, 0], v[:, -1], v[:, :, 0], v[:, :, -1])
        return float(max(face.max() for face in faces))

    def volume_at_or_above_cm3(self, dose_gy: float) -> float:
        """Volume of the voxels at ``dose_gy`` or more; whole only if the border lies below it."""
        level = validate_number(dose_gy, "dose_gy")
        return int(np.count_nonzero(self.values_gy >= level)) * self.grid.voxel_volume_cm3

    def interpolate(
        self, points_mm: ArrayLike, *, outside_gy: float | None = None
    ) -> NDArray[np.float64]:
        """Trilinear dose between voxel centres.

        Near a seed the dose is far from linear between voxels: ask ``dose_at_points`` there.

        Parameters
        ----------
        points_mm : (n, 3) array_like of float
            Points x, y, z, mm, within the outermost voxel centres.
        outside_gy : float, optional
            Dose of points outside the grid; without it such a point is an error.

        Returns
        -------
        (n,) ndarray of float64
            Gy to full decay.

        Raises
        ------
        DoseInputError
            If a point is not finite, or lies outside the grid and ``outside_gy`` is not given.
        """
        points = validate_points(points_mm, "points_mm")
        last = np.array(self.grid.shape[::-1]) - 1.0
        at = (points - self.grid.origin_mm) / self.grid.spacing_mm  # in voxels, x, y, z
        outside = ((at < -FIT_TOLERANCE) | (at > last + FIT_TOLERANCE)).any(axis=1)
        if outside_gy is None and outside.any():
            row = int(np.flatnonzero(outside)[0])
            raise DoseInputError(
                f"points_mm[{row}] = {points[row].tolist()} lies outside the dose grid "
                f"({list(self.grid.origin_mm)} to {list(self.grid.upper_mm)} mm); make the grid "
                "larger or give outside_gy"
            )
        result = _trilinear(self.values_gy, np.clip(at, 0.0, last))
        if outside_gy is not None:
            result[outside] = validate_number(outside_gy, "outside_gy")
        return result


def _triple(value: ArrayLike, name: str, repeat: bool = False) -> tuple[float, float, float]:
    array = validate_array(value, name, ndim=(0, 1) if repeat else 1)
    if repeat and array.ndim == 0:
        array = np.repeat(array, 3)
    if array.size != 3:
        raise DoseInputError(f"{name} has {array.size} value(s); give three: x, y, z")
    return float(array[0]), float(array[1]), float(array[2])


def _trilinear(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values at fractional voxel positions (n, 3) x, y, z, all inside the grid."""
    highest = np.maximum(np.array(values.shape[::-1]) - 2, 0)
    low = np.minimum(at.astype(np.int64), highest)
    high = np.minimum(low + 1, np.array(values.shape[::-1]) - 1)
    part = at - low
    result = np.zeros(at.shape[0])
    for corner in range(8):
        bits = np.array([corner & 1, corner >> 1 & 1, corner >> 2])
        index = np.where(bits == 1, high, low)
        weight = np.prod(np.where(bits == 1, part, 1.0 - part), axis=1)
        result += weight * values[index[:, 2], index[:, 1], index[:, 0]]
    return result
