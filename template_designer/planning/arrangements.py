"""Where holes stand in their lattice, and the regular arrangements that a part of them forms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.planning.approach import Approach

NEEDLE_SPACING_MM = (5.0, 15.0)
"""Needles of a regular pattern stand this far apart: closer ones are never planned, and the dose of
I-125 between wider ones falls below any prescription."""


@dataclass(frozen=True, slots=True, eq=False)
class HoleGrid:
    """Where every traced hole stands in its plate's lattice, counted through over the plates."""

    plate: NDArray[np.int64]  # (holes,)
    column: NDArray[np.int64]  # (holes,) along +x of the template
    row: NDArray[np.int64]  # (holes,) along +y
    pitch_mm: float

    @classmethod
    def of(cls, approaches: Sequence[Approach], pitch_mm: float) -> HoleGrid:
        """The holes of all plates in the order of :func:`together.join_sites`."""
        plate: list[int] = []
        places: list[tuple[int, int]] = []
        for number, approach in enumerate(approaches):
            first = approach.points[0]  # A1: the lattice begins there
            for point in approach.paths.points:
                plate.append(number)
                places.append(
                    (
                        round((point.x_mm - first.x_mm) / pitch_mm),
                        round((point.y_mm - first.y_mm) / pitch_mm),
                    )
                )
        column, row = np.array(places, dtype=np.int64).reshape(-1, 2).T
        return cls(np.array(plate, dtype=np.int64), column, row, pitch_mm)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A regular part of a square lattice: ``i (a, b) + j (0, d)``, in columns and rows."""

    shape: str  # "squares", "triangles", "planes"
    a: int
    b: int
    d: int

    @property
    def places(self) -> int:
        """In how many places it can be laid."""
        return self.a * self.d

    @property
    def spacing(self) -> float:
        """Least distance between two of its points, in pitches."""
        # a shorter one than (0, d) has its multiples of (a, b) reduced to under d rows
        steps = itertools.product(range(self.d + 1), range(-self.d - self.b, self.d + self.b + 1))
        return min(math.hypot(i * self.a, i * self.b + j * self.d) for i, j in steps if i or j)

    def place_of(self, grid: HoleGrid) -> NDArray[np.int64]:
        """In which of its places each hole stands, (holes,)."""
        i, rest = np.divmod(grid.column, self.a)
        return np.asarray(rest * self.d + (grid.row - i * self.b) % self.d)


def arrangements(pitch_mm: float) -> tuple[Arrangement, ...]:
    """Regular arrangements whose needles stand :data:`NEEDLE_SPACING_MM` apart, closest first."""
    least, most = NEEDLE_SPACING_MM
    found = []
    for n in range(1, math.floor(most / pitch_mm) + 2):
        found += [
            Arrangement("squares", n, 0, n),
            Arrangement("squares", n, n, 2 * n),  # on their corners
            Arrangement("squares", n, 3 * n, 5 * n),  # turned by a knight's move, both ways
            Arrangement("squares", n, 2 * n, 5 * n),
            Arrangement("triangles", 2 * n, n, 2 * n),  # sides 1 : 1.12 : 1.12
            Arrangement("triangles", n, 2 * n, 4 * n),
            Arrangement("planes", n, 0, 2 * n),
            Arrangement("planes", 2 * n, 0, n),
        ]
    near = [a for a in found if least - 1e-6 <= a.spacing * pitch_mm <= most + 1e-6]
    if not near:  # a coarse lattice: all of its holes
        near = [Arrangement("squares", 1, 0, 1)]
    return tuple(sorted(near, key=lambda a: (a.spacing, a.places)))
