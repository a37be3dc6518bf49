"""How many seeds a target needs by its size, strength and prescription: a sanity check of a plan.

Published nomograms (total strength as a power of the average dimension) do the same, for one seed
model each and for old calibrations. No published constant is used here: the number is worked out
from the table of the very seed model. The target becomes an ellipsoid with its volume and the
proportions of its extents. Cubic lattices of seeds fill it, as in the Paris system, over a ladder
of spacings and several offsets, and the fewest seeds are taken that give

- ``even``: 98 % of the volume the prescription (V100; the clinical series plan 98.4 %);
- ``series``: 83 % of it twice the prescription (V200), as hot as the clinical series plan.

The first is what a conformal plan needs, the second what has been common. Dose is that of one seed
averaged over all directions, summed.

How well it meets plans (I-125 6711, 33 cm3, 120 Gy): the clinical series took 55 seeds (median) of
0.4-0.8 mCi. ``series`` gives 71 at 0.4 mCi, 49 at 0.6, 38 at 0.8: within a factor of 1.45 of it.
``even`` gives 49, 33 and 27: about a third fewer, which is what optimised plans save. Parts of the
target that needles do not reach, organs nearby and odd shapes are not in it.

References
----------
.. [1] Rivard et al., Med. Phys. 31, 633 (2004). https://doi.org/10.1118/1.1646040
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import qmc

from dose import SeedModel, dose_at_points
from dose.validation import validate_number
from template_designer.geometry.sampling import surface_samples, volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model import PlanWarning
from template_designer.model.loading_report import SeedEstimate, TargetDimensions

EVEN_V100_PCT = 98.0
"""Coverage of the ``even`` estimate: DESIGN.md, section 4 (the series plan V100 98.4 %)."""

SERIES_V200_PCT = 83.0
"""Volume at twice the prescription of the ``series`` estimate: DESIGN.md, section 4."""

EVEN = "even spacing, V100 98 %"
SERIES = "as hot as published plans, V200 83 %"

FACTOR = 1.5
"""A plan this many times above or below the ``even`` estimate is warned of."""

MOST_SEEDS = 4_000
"""No implant has more; an estimate beyond it is given up."""

STEPS_PER_DOUBLING = 6
"""Lattice spacings that are tried, per factor of two in the number of seeds."""

OFFSETS = 12
"""Offsets of each lattice that are tried."""

POINTS = 512
"""Points of the ellipsoid: 10 of them may stay cold at V100 98 %."""

TABLE_STEP_MM = 0.25
NEAREST_MM = 1.0
"""Nearer to a seed its dose is taken as here: hot by far, whatever it is."""


def target_dimensions(solid: Solid) -> TargetDimensions:
    """Volume and extents of a solid along its principal axes (those of its moments of inertia).

    Raises
    ------
    GeometryError
        If the solid has no size.
    """
    points, weights = volume_samples(solid, max(1.0, (solid.volume_cm3 / 20.0) ** (1.0 / 3.0)))
    centre = np.average(points, axis=0, weights=weights)
    away = points - centre
    _, axes = np.linalg.eigh((away * weights[:, None]).T @ away)
    extents = np.ptp((surface_samples(solid) - centre) @ axes, axis=0)
    a, b, c = sorted(extents.tolist(), reverse=True)
    return TargetDimensions(solid.volume_cm3, (a, b, c))


def seed_estimates(
    dimensions: TargetDimensions,
    source: SeedModel,
    strength_u: float,
    prescription_gy: float,
) -> tuple[SeedEstimate, ...]:
    """Seed numbers for a target, the one to judge a plan by first.

    More strength, less dose or a smaller volume of the same proportions never gives more seeds.

    Parameters
    ----------
    dimensions : TargetDimensions
        Of the target, see :func:`target_dimensions`.
    source : SeedModel
    strength_u : float
        Air-kerma strength of one seed, U, above 0.
    prescription_gy : float
        Prescribed dose to full decay, Gy, above 0.

    Returns
    -------
    tuple of SeedEstimate
        ``even`` and ``series``; one that needs more than :data:`MOST_SEEDS` is left out.

    Raises
    ------
    DoseInputError
        If strength or prescription is not a positive number.
    """
    strength = validate_number(strength_u, "strength_u", above=0.0)
    dose = validate_number(prescription_gy, "prescription_gy", above=0.0)
    found = []
    for method, level, share_pct in ((EVEN, 1.0, EVEN_V100_PCT), (SERIES, 2.0, SERIES_V200_PCT)):
        seeds = fewest_seeds(dimensions.semi_axes_mm, source, level * dose / strength, share_pct)
        if seeds is not None:
            found.append(SeedEstimate(method, seeds, seeds * strength))
    return tuple(found)


def fewest_seeds(
    semi_axes_mm: Sequence[float], source: SeedModel, gy_per_u: float, share_pct: float
) -> int | None:
    """Fewest seeds on a cubic lattice that give a share of an ellipsoid a dose.

    Parameters
    ----------
    semi_axes_mm : (3,) sequence of float
        Of the ellipsoid; seeds lie inside.
    source : SeedModel
    gy_per_u : float
        Dose wanted per strength of one seed, Gy / U.
    share_pct : float
        Percent of the volume that must get it.

    Returns
    -------
    int or None
        None where it takes more than :data:`MOST_SEEDS`.
    """
    axes = np.asarray(semi_axes_mm, dtype=np.float64)
    points = _ball_points(POINTS) * axes
    kernel = _Kernel(source, 2.0 * float(axes.max()))
    volume_mm3 = 4.0 / 3.0 * math.pi * float(np.prod(axes))
    offsets = qmc.Halton(3, scramble=False).random(OFFSETS + 1)[1:]

    def dose_reached(seeds: NDArray[np.float64]) -> float:
        doses = kernel.sums(points, seeds)
        return float(np.quantile(doses, 1.0 - share_pct / 100.0, method="lower"))

    def spacing_mm(mean_count: float) -> float:
        return float(np.cbrt(volume_mm3 / mean_count))

    # first the number to within a factor of two, by one offset; then every lattice round it
    rough, best = 0, 0
    while best == 0:
        rough = 2 * rough or 1
        if rough > MOST_SEEDS:
            return None
        seeds = _lattice_inside(axes, spacing_mm(rough), offsets[0])
        best = len(seeds) if dose_reached(seeds) >= gy_per_u else 0
    for step in range(-2 * STEPS_PER_DOUBLING, STEPS_PER_DOUBLING + 1):
        for offset in offsets:
            seeds = _lattice_inside(
                axes, spacing_mm(rough * 2.0 ** (step / STEPS_PER_DOUBLING)), offset
            )
            if len(seeds) < best and dose_reached(seeds) >= gy_per_u:
                best = len(seeds)
    return best


def seed_number_warnings(
    planned_seeds: int,
    estimates: Sequence[SeedEstimate],
    dimensions: TargetDimensions,
    *,
    target_name: str,
    strength_u: float,
    prescription_gy: float,
) -> tuple[PlanWarning, ...]:
    """A warning where a plan's seed number is past :data:`FACTOR` of the first estimate."""
    size = f"{dimensions.volume_cm3:.1f} cm3"
    check = (
        f"Check the strength and its unit ({strength_u:.3f} U a seed), the prescription "
        f"({prescription_gy:g} Gy) and the target ({size})"
    )
    if not estimates or estimates[0].method != EVEN:
        text = (
            f"{target_name}: {size} would take more than {MOST_SEEDS} evenly spaced seeds, the "
            f"plan has {planned_seeds}. {check}."
        )
        return (PlanWarning("seed-number", text),)
    estimate = estimates[0]
    ratio = estimate.ratio(planned_seeds)
    if 1.0 / FACTOR <= ratio <= FACTOR:
        return ()
    reach = " and how much of it needles reach" if ratio < 1.0 else " and the goals"
    text = (
        f"{target_name}: the plan has {planned_seeds} seeds, {ratio:.2f} times the "
        f"{estimate.seeds} estimated from the target's size ({estimate.method}). {check}{reach}."
    )
    return (PlanWarning("seed-number", text),)


class _Kernel:
    """Dose of one seed per U by distance, the mean over all directions, Gy."""

    def __init__(self, source: SeedModel, reach_mm: float) -> None:
        self.r_mm = np.arange(NEAREST_MM, reach_mm + 2.0 * TABLE_STEP_MM, TABLE_STEP_MM)
        cosine, weight = np.polynomial.legendre.leggauss(32)
        cosine, weight = cosine[16:], weight[16:]  # the seed's two halves are alike
        sine = np.sqrt(1.0 - cosine**2)
        along = np.stack([sine, np.zeros(16), cosine], axis=1)
        points = (self.r_mm[:, None, None] * along).reshape(-1, 3)
        doses = dose_at_points(source, [[0.0, 0.0, 0.0]], [0.0, 0.0, 1.0], 1.0, points)
        self.gy = doses.reshape(len(self.r_mm), 16) @ weight

    def sums(
        self, points_mm: NDArray[np.float64], seeds_mm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Dose of all seeds at (n, 3) points, (n,) Gy per U."""
        total: NDArray[np.float64] = np.interp(cdist(points_mm, seeds_mm), self.r_mm, self.gy).sum(
            axis=1
        )
        return total


def _ball_points(count: int) -> NDArray[np.float64]:
    """Evenly spread points of the unit ball, the same every time, (count, 3)."""
    drawn = qmc.Sobol(3, scramble=False).random(count)
    radius, height = np.cbrt(drawn[:, 0] + 0.5 / count), 1.0 - 2.0 * drawn[:, 1]
    aside, turn = np.sqrt(np.maximum(0.0, 1.0 - height**2)), 2.0 * np.pi * drawn[:, 2]
    shell = np.column_stack([aside * np.cos(turn), aside * np.sin(turn), height])
    return shell * np.minimum(radius, 1.0)[:, None]


def _lattice_inside(
    semi_axes_mm: NDArray[np.float64], spacing_mm: float, offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points of a cubic lattice inside an ellipsoid about the origin, (n, 3) mm."""
    axes = []
    for half, shift in zip(semi_axes_mm, offset, strict=True):
        reach = math.ceil(half / spacing_mm) + 1
        axes.append((np.arange(-reach, reach + 1) + shift) * spacing_mm)
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return lattice[np.sum((lattice / semi_axes_mm) ** 2, axis=1) <= 1.0]
