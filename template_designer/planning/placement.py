"""Placement errors: how large they are, and where needles and seeds end up under them.

Errors are normal and centred on zero. What a publication gives as the mean and standard deviation
of a magnitude is turned into one standard deviation per axis that has the same mean square; of
entry and angle half of the variance belongs to the plate (common to its needles), half to each
needle. ``docs/robust.md`` gives the sources and what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from template_designer.errors import GeometryError
from template_designer.model import OUTER_DIAMETER_MM, Template
from template_designer.model.robust import PlacementErrors
from template_designer.model.settings import RobustSettings, RobustSite

Magnitude = tuple[float, float]
"""Mean and standard deviation of the length of an error, as published."""

FOLDED_SD_OF_MEAN = math.sqrt(0.5 * math.pi - 1.0)
"""Standard deviation over mean of the magnitude of a normal error along one axis."""


@dataclass(frozen=True, slots=True)
class PublishedErrors:
    """Errors of needles through printed templates, as one series measured them."""

    entry_mm: Magnitude  # across the needle: two axes
    angle_deg: Magnitude  # about two axes
    depth_mm: Magnitude  # along the needle: one axis
    tip_mm: Magnitude | None  # in space: three axes; None where it was not measured
    reference: str


PUBLISHED = {
    RobustSite.THORAX: PublishedErrors(
        (3.4, 1.7), (2.8, 1.7), (5.2, 4.8), (4.4, 2.9), "J Radiat Res 62:910 (2021)"
    ),
    RobustSite.HEAD_NECK: PublishedErrors(
        (1.18, 0.81),
        (2.08, 1.07),
        (1.68, 1.68 * FOLDED_SD_OF_MEAN),  # only its mean was published
        None,
        "J Radiat Res 57:662 (2016); depth: Front Oncol 11:664996 (2021)",
    ),
}
"""By site; the slip of seeds along their needle was measured by none."""

PLATE_SHARE = 0.5
"""Part of the variance of entry and angle that the plate has; no series took the two apart."""


def per_axis(magnitude: Magnitude, axes: int) -> float:
    """Standard deviation along each axis of an error whose length is known.

    >>> round(per_axis((3.4, 1.7), 2), 2)  # such an error has a mean length of 3.37 +- 1.76
    2.69
    """
    mean, sd = magnitude
    return math.sqrt((mean * mean + sd * sd) / axes)


def placement_errors(settings: RobustSettings) -> PlacementErrors:
    """The errors to plan against: the site's, and what the case states instead.

    Where the error of the tip was measured, it bounds the others: the depth error is the tip's
    along one axis, and entry and angle are correlated so that the errors across the needle at its
    entry and at its tip are independent of each other, as large as published.
    """
    published = PUBLISHED[settings.site]
    entry, angle = per_axis(published.entry_mm, 2), per_axis(published.angle_deg, 2)
    depth, correlation = per_axis(published.depth_mm, 1), 0.0
    if published.tip_mm is not None:
        depth = per_axis(published.tip_mm, 3)
        # angle = (tip - entry) / length: its covariance with the entry is -entry^2 / length
        correlation = -entry / math.hypot(entry, depth)
    shift = math.sqrt(PLATE_SHARE) * entry
    usual = {
        "entry_mm": math.sqrt(1.0 - PLATE_SHARE) * entry,
        "angle_deg": math.sqrt(1.0 - PLATE_SHARE) * angle,
        "depth_mm": math.sqrt(depth * depth - shift * shift),  # the plate shifts along it too
        "plate_shift_mm": shift,
        "plate_rotation_deg": math.sqrt(PLATE_SHARE) * angle,
        "seed_slip_mm": 0.0,
        "entry_angle_correlation": correlation,
    }
    stated = {key: getattr(settings, key) for key in usual}
    values = {key: usual[key] if value is None else value for key, value in stated.items()}
    return PlacementErrors(
        site=settings.site.value,
        bore_play=settings.bore_play,
        random_seed=settings.random_seed,
        **values,
    )


class _NeedleRow(NamedTuple):
    """One needle of a plan or of its file."""

    label: str
    gauge: int
    bore_mm: float
    entry_lps_mm: Sequence[float]
    tip_lps_mm: Sequence[float]
    seeds: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, eq=False)
class NeedleGroup:
    """The needles of one plate as arrays, LPS, mm."""

    name: str
    frame: NDArray[np.float64]  # (4, 4) lps_from_template
    thickness_mm: float
    labels: tuple[str, ...]
    radius_mm: NDArray[np.float64]  # (n,)
    play_mm: NDArray[np.float64]  # (n,) bore less needle, on the diameter
    entry_lps_mm: NDArray[np.float64]  # (n, 3) on the plate's patient face
    tip_lps_mm: NDArray[np.float64]  # (n, 3)
    seeds_lps_mm: NDArray[np.float64]  # (s, 3)
    seed_needle: NDArray[np.int64]  # (s,) which needle holds each seed

    @classmethod
    def of(cls, template: Template) -> Self:
        """The needles of a template of a plan; an access needle counts with its own diameter."""
        bores = {hole.label: template.bore_of(hole) for hole in template.holes}
        return cls._of_needles(
            template.name,
            np.asarray(template.lps_from_template),
            template.size_mm[2],
            [
                _NeedleRow(
                    needle.label,
                    needle.widest_gauge,
                    bores[needle.label],
                    needle.entry_lps_mm,
                    needle.tip_lps_mm,
                    [seed.center_lps_mm for seed in needle.seeds],
                )
                for needle in template.needles
            ],
        )

    @classmethod
    def from_plan_json(cls, template: Mapping[str, Any]) -> Self:
        """The same of an entry of ``templates`` in ``plan.json``."""
        bores = {
            hole["label"]: float(hole.get("bore_mm") or template["bore_mm"])
            for hole in template["holes"]
        }
        return cls._of_needles(
            template["name"],
            np.array(template["lps_from_template"], dtype=np.float64),
            float(template["size_mm"][2]),
            [
                _NeedleRow(
                    needle["label"],
                    (needle.get("bone_access") or needle)["gauge"],
                    bores[needle["label"]],
                    needle["entry_lps_mm"],
                    needle["tip_lps_mm"],
                    [seed["center_lps_mm"] for seed in needle["seeds"]],
                )
                for needle in template["needles"]
            ],
        )

    @classmethod
    def _of_needles(
        cls,
        name: str,
        frame: NDArray[np.float64],
        thickness_mm: float,
        needles: Sequence[_NeedleRow],
    ) -> Self:
        outer = np.array([OUTER_DIAMETER_MM[n.gauge] for n in needles])
        entry = np.array([n.entry_lps_mm for n in needles]).reshape(-1, 3)
        tip = np.array([n.tip_lps_mm for n in needles]).reshape(-1, 3)
        if np.any(np.linalg.norm(tip - entry, axis=1) < 1e-6):
            raise GeometryError(
                f"template {name!r}: the tip of a needle lies on its entry point; check the plan"
            )
        return cls(
            name=name,
            frame=frame,
            thickness_mm=thickness_mm,
            labels=tuple(n.label for n in needles),
            radius_mm=0.5 * outer,
            play_mm=np.maximum(np.array([n.bore_mm for n in needles]) - outer, 0.0),
            entry_lps_mm=entry,
            tip_lps_mm=tip,
            seeds_lps_mm=np.array([seed for n in needles for seed in n.seeds]).reshape(-1, 3),
            seed_needle=np.repeat(np.arange(len(needles)), [len(n.seeds) for n in needles]),
        )

    @property
    def play_rad(self) -> NDArray[np.float64]:
        """Largest tilt of each needle in its bore, (n,) rad."""
        return self.play_mm / self.thickness_mm


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Needles and seeds of one plate in some scenarios, LPS, mm."""

    entry_lps_mm: NDArray[np.float64]  # (scenarios, n, 3)
    tip_lps_mm: NDArray[np.float64]  # (scenarios, n, 3)
    seeds_lps_mm: NDArray[np.float64]  # (scenarios, s, 3)
    seed_axes_lps: NDArray[np.float64]  # (scenarios, s, 3)


class Scenarios:
    """Draws scenarios for one plate, always the same ones in the same order.

    Every kind of error has a stream of its own, so a scenario depends neither on how many follow
    nor on how large the other errors are.

    Parameters
    ----------
    group : NeedleGroup
    errors : PlacementErrors
    plate : int
        Number of the plate among those of the plan: its errors are independent of the others'.
    """

    def __init__(self, group: NeedleGroup, errors: PlacementErrors, plate: int) -> None:
        self._group, self._errors = group, errors
        self._plate, self._needles, self._bores, self._seeds = (
            np.random.default_rng([errors.random_seed, plate, kind]) for kind in range(4)
        )

    def draw(self, count: int) -> Placed:
        """The next ``count`` scenarios."""
        group, errors = self._group, self._errors
        n = len(group.labels)
        plate = self._plate.standard_normal((count, 6))  # shift x, y, z; tilt x, y; turn
        needle = self._needles.standard_normal((count, n, 5))  # entry x, y; tilt x, y; depth
        slip = errors.seed_slip_mm * self._seeds.standard_normal((count, len(group.seeds_lps_mm)))
        play = _in_disc(self._bores.random((count, n, 2))) * group.play_rad[:, None]
        if not errors.bore_play:
            play = np.zeros_like(play)
        axes, origin = group.frame[:3, :3], group.frame[:3, 3]
        lean = self._correlated(plate[:, :2], plate[:, 3:5])  # z of the plate goes this way
        vectors = np.column_stack([-lean[:, 1], lean[:, 0], plate[:, 5]])
        turned = _rotations(np.radians(errors.plate_rotation_deg) * vectors, axes)
        plate_axes = turned @ axes  # (count, 3, 3), columns x, y, z of the plate as it stands
        across = plate_axes[:, None, :, :2]  # (count, 1, 3, 2)
        stands = origin + errors.plate_shift_mm * (plate[:, :3] @ axes.T)

        span = group.tip_lps_mm - group.entry_lps_mm
        length = np.linalg.norm(span, axis=1)
        planned = span / length[:, None]
        tilt = np.radians(errors.angle_deg) * self._correlated(needle[..., :2], needle[..., 2:4])
        tilt += play
        along = _tilted(_apply(turned, planned), (across @ tilt[..., None])[..., 0])
        # a needle tilts in its bore about the middle of the plate
        offset = errors.entry_mm * needle[..., :2] + 0.5 * group.thickness_mm * play
        entry = (
            stands[:, None]
            + _apply(turned, group.entry_lps_mm - origin)
            + (across @ offset[..., None])[..., 0]
        )
        deeper = errors.depth_mm * needle[..., 4]
        tip = entry + np.maximum(length + deeper, 0.0)[..., None] * along

        of = group.seed_needle
        from_entry = group.seeds_lps_mm - group.entry_lps_mm[of]
        depth = np.einsum("si,si->s", from_entry, planned[of])
        beside = from_entry - depth[:, None] * planned[of]  # rounding of the file, if any
        depths = depth + deeper[:, of] + slip
        seeds = entry[:, of] + depths[..., None] * along[:, of] + beside
        return Placed(entry, tip, seeds, along[:, of])

    def _correlated(
        self, shifts: NDArray[np.float64], tilts: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Tilts of unit variance that go with the shifts as the errors say."""
        part = self._errors.entry_angle_correlation
        return part * shifts + math.sqrt(1.0 - part * part) * tilts


def _in_disc(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points spread evenly over the unit disc, (..., 2), from numbers in 0-1."""
    radius, angle = np.sqrt(uniform[..., 0]), 2.0 * np.pi * uniform[..., 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _rotations(vectors_rad: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations about the origin by vectors given along ``axes``, (n, 3) -> (n, 3, 3)."""
    return Rotation.from_rotvec(vectors_rad @ axes.T).as_matrix()


def _apply(matrices: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, 3, 3) on (n, 3) vectors: (k, n, 3)."""
    return np.einsum("kij,nj->kni", matrices, vectors)


def _tilted(directions: NDArray[np.float64], tilt_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit directions turned towards vectors across them by the vectors' lengths, in rad."""
    angle = np.linalg.norm(tilt_rad, axis=-1, keepdims=True)
    return np.cos(angle) * directions + np.sinc(angle / np.pi) * tilt_rad
