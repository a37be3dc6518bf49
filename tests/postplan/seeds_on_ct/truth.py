"""Simulated implants in real CTs, and what the search made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from template_designer.inputs import read_ct_series, read_rtstruct
from template_designer.model import ImageVolume
from template_designer.postplan.seeds_on_ct import FoundSeeds
from tests.paths import DEMO, SHARED
from tests.simulated_ct import Implant, Look, implant, resampled, simulate

HALF_MM = (38.0, 38.0, 35.0)
"""Half a side of the boxes that are cut out of the CTs: 70 seeds, vertebra and ribs."""

GATE_MM = {1.0: 2.5, 2.5: 4.0, 5.0: 5.0}
"""A seed counts as found where one is listed nearer than this: a half of its length, or a slice."""

NEEDLES = np.array([-0.766, -0.6428, 0.0])  # the demo's: in the slices, oblique from behind
OBLIQUE = np.array([-0.5, -0.5, 0.7])
HEAD = np.array([0.1, 0.0, 1.0])

CASES = {
    "demo": (DEMO / "dicom", "GTV"),
    "L1": (SHARED / "cases/L1/dicom", "GTV"),
    "L3": (SHARED / "cases/L3/dicom", "GTV_L3_met"),
}


@dataclass(frozen=True)
class Score:
    """One implant against what was found of it."""

    implanted: int
    errors_mm: np.ndarray  # of the found ones
    angles_deg: np.ndarray  # of those whose axis is given
    extra: int  # listed, and no seed near


@cache
def ct_of(case: str) -> tuple[ImageVolume, np.ndarray]:
    """A case's CT, and the middle of its target."""
    folder, target = CASES[case]
    image, _ = read_ct_series(folder)
    structures = [path for path in folder.glob("*.dcm") if path.name.startswith("RS")]
    rois = read_rtstruct(structures[0])
    roi = next(roi for roi in rois.rois if roi.name == target)
    return image, np.vstack(roi.rings_lps_mm).mean(axis=0)


def box_of(case: str, slice_mm: float, half_mm=HALF_MM) -> ImageVolume:
    """The CT round the target in slices of another thickness."""
    image, middle = ct_of(case)
    return resampled(image, middle, half_mm, slice_mm)


def implanted(
    case: str, look: Look, count: int, seed: int, direction=NEEDLES, touching: float = 0.12
) -> tuple[ImageVolume, Implant]:
    """A CT with that many seeds in the target."""
    rng = np.random.default_rng(seed)
    there = implant(rng, count, ct_of(case)[1], direction, touching=touching)
    return simulate(box_of(case, look.slice_mm), there, look, rng), there


def score(there: Implant, found: FoundSeeds, gate_mm: float) -> Score:
    """Assign found seeds to those implanted, so that the sum of distances is least."""
    away = np.linalg.norm(there.centers[:, None] - found.centers_lps_mm[None], axis=2)
    i, j = linear_sum_assignment(np.minimum(away, gate_mm + 1.0))
    near = away[i, j] < gate_mm
    i, j = i[near], j[near]
    angles = [
        np.degrees(np.arccos(min(1.0, abs(float(found.seeds[b].axis_lps @ there.axes[a])))))
        for a, b in zip(i, j, strict=True)
        if found.seeds[b].axis_lps is not None
    ]
    extra = int(np.count_nonzero(away.min(axis=0) >= gate_mm))
    return Score(len(there.centers), away[i, j], np.array(angles), extra)
