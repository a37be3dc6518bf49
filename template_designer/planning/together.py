"""The permitted seed positions of several plates as one problem, and which exclude each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.frames import transform_points
from template_designer.geometry.segments import segment_distances_mm
from template_designer.planning.approach import Approach
from template_designer.planning.sites import SeedSites

ROWS = 200
"""Sites compared with all others at a time: keeps the memory small."""


@dataclass(frozen=True, slots=True, eq=False)
class JoinedSites:
    """Seed positions of all plates, plate after plate."""

    sites: SeedSites  # holes counted through over the plates
    first: tuple[int, ...]  # where each plate's sites begin, and their number at the end
    axes_lps: NDArray[np.float64]  # (n, 3) direction of each site's needle
    clash: NDArray[np.bool_]  # (n, n) whose needles come too near; (0, 0) for one plate

    def of_plate(self, chosen: NDArray[np.int64], plate: int) -> NDArray[np.int64]:
        """The chosen sites of one plate, as indices into its own approach's sites."""
        low, high = self.first[plate], self.first[plate + 1]
        return chosen[(chosen >= low) & (chosen < high)] - low


def join_sites(approaches: Sequence[Approach], apart_mm: float) -> JoinedSites:
    """All permitted seed positions of all plates.

    Parameters
    ----------
    approaches : sequence of Approach
        One per plate.
    apart_mm : float
        Least distance between the axes of needles of different plates. (Needles of one plate are a
        pitch apart by their holes.)
    """
    holes, offset, first = [], 0, [0]
    for approach in approaches:
        holes.append(approach.sites.hole + offset)
        offset += len(approach.paths.points)
        first.append(first[-1] + len(approach.sites))
    every = [approach.sites for approach in approaches]
    sites = SeedSites(
        np.concatenate(holes),
        np.concatenate([s.slot for s in every]),
        np.concatenate([s.z_mm for s in every]),
        np.concatenate([s.centers_lps_mm for s in every]),
    )
    axes = [np.broadcast_to(a.axis, (len(a.sites), 3)) for a in approaches]
    clash = np.zeros((0, 0), dtype=np.bool_)
    if len(approaches) > 1:
        clash = _clashes([_needles(a) for a in approaches], apart_mm)
    return JoinedSites(sites, tuple(first), np.concatenate(axes), clash)


def _needles(approach: Approach) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both ends of the needle that puts its deepest seed at each site, LPS (n, 3) each."""
    sites, paths = approach.sites, approach.paths
    xy = np.array([(p.x_mm, p.y_mm) for p in paths.points]).reshape(-1, 2)[sites.hole]
    tip_z = sites.z_mm + approach.seed_rules.half_length_mm

    def at(z_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        return transform_points(approach.frame, np.column_stack([xy, z_mm]))

    return at(np.zeros(len(sites))), at(tip_z)


def _clashes(
    needles: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], apart_mm: float
) -> NDArray[np.bool_]:
    """Pairs of sites whose needles, of different plates, come nearer than ``apart_mm``."""
    starts = np.cumsum([0, *(len(entry) for entry, _ in needles)])
    clash = np.zeros((starts[-1], starts[-1]), dtype=np.bool_)
    for i, (entry_i, tip_i) in enumerate(needles):
        for j, (entry_j, tip_j) in enumerate(needles[:i]):
            for low in range(0, len(entry_i), ROWS):
                rows = slice(low, min(low + ROWS, len(entry_i)))
                near = segment_distances_mm(entry_i[rows], tip_i[rows], entry_j, tip_j) < apart_mm
                clash[starts[i] + low : starts[i] + rows.stop, starts[j] : starts[j + 1]] = near
    return clash | clash.T
