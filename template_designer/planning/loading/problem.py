"""One loading problem as arrays: points, the dose of every seed position there, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from dose import SeedModel, influence_matrix
from template_designer.errors import CaseError
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.sampling import surface_samples, volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model import GoalSettings, metrics
from template_designer.planning.evaluate import DoseAtPoints
from template_designer.planning.sites import SeedSites

QUANTA = 4096
"""Steps of dose up to the prescription: sums of whole numbers are exact in any order."""

HIGHEST_QUANTA = 2.0**18
"""Dose of one seed at a point, at most: 64 times the prescription, beside the capsule."""

SHELL_MM = 9.0
"""Dose outside the target is weighed up to here; conformal plans stay under the prescription."""

LEAST_SPACING_MM = 0.7
"""Points of the search lie at least this far apart: a tiny target must not fill its shell."""

COVERAGE_AIM_PCT = 98.2
"""V100 that every plan tries to reach, whatever less its goals ask for: what the clinical series
plan (98 %)."""

TURN = Rotation.from_euler("xyz", (0.5, 0.3, 0.7)).as_matrix()
"""Of the lattice of points: no axis or plane of it lies along one of the template's."""

COVERAGE = -1
"""Goal number of the limit that stands for the coverage aim."""

NO_CLASH = np.zeros((0, 0), dtype=np.bool_)
"""For one plate: the holes keep its needles apart."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How finely doses are looked at, and how much tighter goals are aimed at for it."""

    target_points: int | None  # number of points in the target,
    spacing_mm: float  # or their spacing where no number is given
    volume_margin_pct: float  # for what lies between the points of the target
    dose_margin: float  # factor on the highest doses allowed, for the same reason


SEARCH = Sampling(2_600, 0.0, volume_margin_pct=0.5, dose_margin=0.997)
"""For the first annealings, and to sort out moves: V100 is then known to about 0.3 %."""

FINAL = Sampling(None, 1.25, volume_margin_pct=0.2, dose_margin=0.999)
"""For the rest: V100 is then known to 0.1 %, as on the 1 mm grid a plan is judged on."""

ORGAN_MARGIN_PCT = 1.5
"""Volume goals of organs are aimed at by this much more: 2,000 points drawn at random tell a volume
to about 1 %."""

LARGEST_TABLE = 160e6
"""Numbers in a table of doses at most (640 MB); beyond it the points of :data:`FINAL` thin out."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit on the doses of a range of points; -1 where a number is not limited.

    With neither number it limits the mean dose.
    """

    first: int
    last: int
    level: float  # quanta
    most_above: float  # points at or above the level
    least_above: float
    goal: int  # number of the goal in the case, or :data:`COVERAGE`
    priority: int = 1
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LoadingProblem:
    """Everything the search needs. Doses are whole numbers of ``quantum_gy``."""

    influence: NDArray[np.float32]  # (sites + 1, points) of one seed, the last row zero; where
    # earlier seeds lie in the patient a further row: their dose
    quantum_gy: float
    n_target: int
    n_outside: int
    limits: tuple[Limit, ...]
    sites: SeedSites
    clash: NDArray[np.bool_]  # (sites, sites) that exclude each other; (0, 0) where none do
    outside_weight: float = 1.0  # volume that a point outside stands for, by that of one inside

    @property
    def reference(self) -> float:
        """The prescription, quanta."""
        return float(QUANTA)

    @property
    def nothing(self) -> NDArray[np.float32]:
        """Dose of no seed, (points,) quanta."""
        return self.influence[len(self.sites)]

    @property
    def earlier(self) -> NDArray[np.float32]:
        """Dose of the seeds that lie in the patient already, (points,) quanta."""
        return self.influence[-1]

    def dose_of(self, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Doses of a set of sites, (sites,) -> (points,) quanta; exact."""
        dose = self.earlier.copy()
        for site in np.flatnonzero(chosen):
            dose += self.influence[site]
        return dose

    def scaled(self, factor: float) -> LoadingProblem:
        """The same with seeds of another strength."""
        influence = np.rint(self.influence * np.float32(factor))
        influence[len(self.sites) + 1 :] = self.influence[len(self.sites) + 1 :]
        return replace(self, influence=np.minimum(influence, HIGHEST_QUANTA))


def build_problem(
    sites: SeedSites,
    axes_lps: NDArray[np.float64],
    *,
    clash: NDArray[np.bool_] = NO_CLASH,
    source: SeedModel,
    strength_u: float,
    prescription_gy: float,
    target: Solid,
    goals: Sequence[GoalSettings],
    solids: Mapping[str, Solid],
    sampling: Sampling = SEARCH,
    earlier: DoseAtPoints | None = None,
) -> LoadingProblem:
    """Points, doses and goals of one loading problem.

    Parameters
    ----------
    sites : SeedSites
        Permitted seed positions.
    axes_lps : (3,) or (n, 3) ndarray
        Direction of all needles, or of each site's needle.
    clash : (n, n) ndarray of bool
        Sites whose needles, of different plates, come too near each other.
    goals : sequence of GoalSettings
        Stated goals, their structures by exact name.
    solids : mapping of str to Solid
        The structures of the goals.
    sampling : Sampling
        How finely the doses are looked at.
    earlier : DoseAtPoints, optional
        Seeds that lie in the patient already.
    """
    quantum_gy = prescription_gy / QUANTA
    spacing_mm = _spacing_mm(target, sampling, len(sites))
    inside, outside, outside_weight = _target_points(target, spacing_mm)
    blocks, count = [inside, outside], len(inside) + len(outside)
    # first the coverage that every plan aims at, then the goals of the case
    aim = COVERAGE_AIM_PCT / 100.0 * len(inside)
    limits = [Limit(0, len(inside), float(QUANTA), -1.0, aim, COVERAGE)]
    for number, goal in enumerate(goals):
        name = goal.structure
        volume_cm3 = (target if name == target.name else solids[name]).volume_cm3
        points = inside if name == target.name else _organ_points(solids[name], goal, sites)
        margin_pct = sampling.volume_margin_pct if name == target.name else ORGAN_MARGIN_PCT
        row = _limit_numbers(
            goal, len(points), volume_cm3, prescription_gy, margin_pct, sampling.dose_margin
        )
        if row is None or not len(points):
            continue
        level_gy, most, least = row
        # an upper limit must not gain by rounding, nor a lower one
        level = np.floor(level_gy / quantum_gy) if least < 0.0 else np.ceil(level_gy / quantum_gy)
        level = max(1.0, level)
        first = 0 if name == target.name else count
        last = first + len(points)
        limits.append(
            Limit(first, last, float(level), most, least, number, goal.priority, goal.weight)
        )
        if name != target.name:
            blocks.append(points)
            count += len(points)
    axes = np.broadcast_to(axes_lps, (len(sites), 3))
    rows = len(sites) + (1 if earlier is None else 2)
    influence = np.zeros((rows, count), dtype=np.float32)
    first = 0
    for block in blocks:
        per_u = influence_matrix(source, sites.centers_lps_mm, axes, block)
        quanta = np.rint(per_u * (strength_u / quantum_gy))
        influence[: len(sites), first : first + len(block)] = np.minimum(quanta, HIGHEST_QUANTA)
        if earlier is not None:
            quanta = np.rint(earlier.dose_gy(block) / quantum_gy)
            influence[-1, first : first + len(block)] = np.minimum(quanta, HIGHEST_QUANTA)
        first += len(block)
    return LoadingProblem(
        influence,
        quantum_gy,
        len(inside),
        len(outside),
        tuple(limits),
        sites,
        clash,
        outside_weight,
    )


def _spacing_mm(target: Solid, sampling: Sampling, n_sites: int) -> float:
    """Spacing of the points in and round the target."""
    if sampling.target_points is not None:
        cell_mm3 = target.volume_cm3 * 1000.0 / sampling.target_points
        return max(float(np.cbrt(cell_mm3)), LEAST_SPACING_MM)
    low, high = target.bounds_uvw_mm
    box_mm3 = float(np.prod(high - low + 2.0 * SHELL_MM))
    return max(sampling.spacing_mm, float(np.cbrt(box_mm3 * (n_sites + 1) / LARGEST_TABLE)))


def _target_points(
    target: Solid, spacing_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Points inside, points in the shell outside, and the weight of one outside.

    Points outside lie as densely as those inside, but there are no more of them: the shell round a
    small target is many times its volume.
    """
    points, signed_mm = _shell_lattice(target, spacing_mm)
    inside, outside = points[signed_mm <= 0.0], points[signed_mm > 0.0]
    if not len(inside):
        raise CaseError(
            f"[target] structure {target.name!r} has {target.volume_cm3:.3f} cm3, too little to "
            "plan on; check its contours"
        )
    wider = float(np.cbrt(len(outside) / len(inside)))
    if wider <= 1.0:
        return inside, outside, 1.0
    points, signed_mm = _shell_lattice(target, spacing_mm * wider)
    thinned = points[signed_mm > 0.0]
    return inside, thinned, len(outside) / len(thinned)


def _shell_lattice(
    target: Solid, spacing_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A cubic lattice over the target and a shell round it, and its distance from the surface.

    The lattice is turned: along a flat face, or along rows of seeds, whole planes of points would
    change sides at once.
    """
    low, high = target.bounds_uvw_mm
    low, high = low - SHELL_MM, high + SHELL_MM
    reach = 0.5 * float(np.linalg.norm(high - low))
    axis = np.arange(-reach + 0.5 * spacing_mm, reach, spacing_mm)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid @ TURN.T + 0.5 * (low + high)
    grid = grid[np.all((grid >= low) & (grid <= high), axis=1)]
    points = target.to_lps(grid)
    distance = DistanceField.around(target, target.to_lps(box_corners(low, high))).signed_mm(points)
    near = distance <= SHELL_MM
    return points[near], distance[near]


def _organ_points(solid: Solid, goal: GoalSettings, sites: SeedSites) -> NDArray[np.float64]:
    metric = metrics.parse(goal.metric)
    if metric.kind is metrics.MetricKind.DOSE_MAX:
        points = surface_samples(solid, 1.5)
        near, _ = cKDTree(sites.centers_lps_mm).query(points)
        if not len(points):
            return points
        return points[near <= near.min() + 6.0]
    spacing = min(max(float(np.cbrt(solid.volume_cm3 * 1000.0 / 2000.0)), 1.0), 8.0)
    points, weights = volume_samples(solid, spacing)
    # equal weights for the counts of the search: slabs are 1 mm, thin them to the in-plane spacing
    rng = np.random.default_rng(0)
    wanted = min(len(points), 2000)
    return points[rng.choice(len(points), wanted, replace=False, p=weights / weights.sum())]


def _limit_numbers(
    goal: GoalSettings,
    count: int,
    volume_cm3: float,
    prescription_gy: float,
    margin_pct: float,
    dose_margin: float,
) -> tuple[float, float, float] | None:
    """(level Gy, most above, least above) of one goal; None where points cannot say."""
    metric = metrics.parse(goal.metric)
    number = metric.number or 0.0
    if metric.kind is metrics.MetricKind.VOLUME_AT_PERCENT:
        level, share = number / 100.0 * prescription_gy, goal.limit / 100.0
    elif metric.kind is metrics.MetricKind.DOSE_AT_PERCENT:
        level, share = goal.limit, number / 100.0
    elif metric.kind is metrics.MetricKind.DOSE_AT_CC:
        level, share = goal.limit, min(1.0, number / max(volume_cm3, 1e-9))
    elif metric.kind is metrics.MetricKind.DOSE_MAX and not goal.is_minimum:
        return goal.limit * dose_margin, 0.0, -1.0
    elif metric.kind is metrics.MetricKind.DOSE_MEAN and not goal.is_minimum:
        return goal.limit * dose_margin, -1.0, -1.0
    else:
        return None
    margin = margin_pct / 100.0
    if goal.is_minimum:
        return level, -1.0, min(1.0, share + margin) * count
    return level, max(0.0, share - margin) * count, -1.0
