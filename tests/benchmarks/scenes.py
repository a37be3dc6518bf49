"""The implants and grids that are timed, and how far a dose is from the exact one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dose import DoseField, DoseGrid, SeedModel, dose_on_grid, load_source

Array = NDArray[np.float64]

PITCH_MM = 10.0
"""Between needles and between seeds, centre to centre."""

SEEDS_PER_NEEDLE = 5

OBLIQUE_AXIS = np.array([0.35, 0.48, 0.81]) / math.hypot(0.35, 0.48, 0.81)

NEAR_MM = 2.0
"""Voxels nearer than this to a seed's active line are counted apart."""

FAR_QUANTILE = 0.999
FAR_LIMIT = 0.003
"""The engine's promise: this part of the voxels that are not near within 0.3 %, ..."""

ANY_LIMIT = 0.01
"""... and every other voxel within 1 %."""


@dataclass(frozen=True)
class Scene:
    """Seeds of one model, and the grid their dose is wanted on."""

    source: SeedModel
    centers_mm: Array  # (s, 3)
    axes: Array  # (s, 3) unit vectors
    strength_u: Array  # (s,)
    grid: DoseGrid

    @property
    def seed_voxels(self) -> float:
        """Seeds times voxels: what costs are divided by."""
        return len(self.centers_mm) * float(math.prod(self.grid.shape))

    def first_seeds(self, count: int) -> Scene:
        """The same with the first seeds only."""
        return replace(
            self,
            centers_mm=self.centers_mm[:count],
            axes=self.axes[:count],
            strength_u=self.strength_u[:count],
        )

    def dose(self, method: str) -> DoseField:
        """The engine's dose by one of its methods."""
        return dose_on_grid(
            self.source, self.centers_mm, self.axes, self.strength_u, self.grid, method=method
        )


def cube(voxels_per_side: int, spacing_mm: float = 1.0) -> DoseGrid:
    """Voxels around the origin, which is a corner of eight of them if their number is even."""
    first = -0.5 * spacing_mm * (voxels_per_side - 1)
    return DoseGrid((first,) * 3, (spacing_mm,) * 3, (voxels_per_side,) * 3)


def implant(axis: Array, grid: DoseGrid, needles: tuple[int, int]) -> Scene:
    """Parallel needles around the origin on a square lattice, 5 seeds each at the same heights.
    Strengths differ, 0.4 to 0.8 U, as in a mixed implant.
    """
    counts = (*needles, SEEDS_PER_NEEDLE)
    u, v = _across(axis)
    steps = [PITCH_MM * (np.arange(n) - (n - 1) // 2 - 0.5) for n in counts]
    a, b, c = (part.reshape(-1, 1) for part in np.meshgrid(*steps, indexing="ij"))
    centers = a * u + b * v + c * axis
    strengths = np.random.default_rng(43).uniform(0.4, 0.8, len(centers))
    source = load_source("I125-6711")
    return Scene(source, centers, np.tile(axis, (len(centers), 1)), strengths, grid)


def oblique_implant(grid: DoseGrid, needles: tuple[int, int] = (4, 3)) -> Scene:
    """Parallel seeds that lie on no lattice of the grid."""
    return implant(OBLIQUE_AXIS, grid, needles)


def lattice_implant(grid: DoseGrid, needles: tuple[int, int] = (4, 3)) -> Scene:
    """Seeds along z, whole voxels apart for spacings that divide 10 mm."""
    return implant(np.array([0.0, 0.0, 1.0]), grid, needles)


def scattered_implant(grid: DoseGrid) -> Scene:
    """The same places, every seed with an axis of its own."""
    axes = np.random.default_rng(44).normal(size=(60, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return replace(oblique_implant(grid), axes=axes)


@dataclass(frozen=True)
class Deviation:
    """Relative difference from the exact dose, largest and at the 99.9 % quantile."""

    far_quantile: float
    far_max: float
    near_max: float  # within NEAR_MM of an active line; 0 if there is no such voxel

    @property
    def within_promise(self) -> bool:
        """What the engine states for its fast methods."""
        return self.far_quantile <= FAR_LIMIT and max(self.far_max, self.near_max) <= ANY_LIMIT


def deviation(scene: Scene, values_gy: Array, exact_gy: Array) -> Deviation:
    """Compare two doses on the scene's grid."""
    relative = np.abs(values_gy - exact_gy) / exact_gy
    near = within(scene, NEAR_MM)
    far = relative[~near]
    nearest = relative[near]
    return Deviation(
        far_quantile=float(np.quantile(far, FAR_QUANTILE)),
        far_max=float(far.max()),
        near_max=float(nearest.max()) if nearest.size else 0.0,
    )


def within(scene: Scene, distance_mm: float) -> NDArray[np.bool_]:
    """Voxels within a distance of the active line of any seed, [z, y, x]."""
    half = 0.5 * scene.source.active_length_mm
    reach = half + distance_mm + 1e-6  # a little wide: the box only saves work
    result = np.zeros(scene.grid.shape, dtype=bool)
    coordinates = (scene.grid.x_mm, scene.grid.y_mm, scene.grid.z_mm)
    for center, axis in zip(scene.centers_mm, scene.axes, strict=True):
        box = tuple(
            slice(*np.searchsorted(c, (m - reach, m + reach)))
            for c, m in zip(coordinates, center, strict=True)
        )
        dx, dy, dz = np.meshgrid(
            *(c[part] - m for c, part, m in zip(coordinates, box, center, strict=True)),
            indexing="ij",
        )
        along = dx * axis[0] + dy * axis[1] + dz * axis[2]
        nearest = np.clip(along, -half, half)
        squared = dx**2 + dy**2 + dz**2 - 2.0 * along * nearest + nearest**2
        result[box[::-1]] |= (squared <= distance_mm**2).transpose(2, 1, 0)
    return result


def _across(axis: Array) -> tuple[Array, Array]:
    """Two unit vectors that make a right-handed frame with the axis."""
    u = np.cross([0.0, 1.0, 0.0], axis)
    u /= np.linalg.norm(u)
    return u, np.cross(axis, u)
