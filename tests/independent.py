"""A second opinion: plan.json judged by code that shares nothing with the planner.

Contours come straight from pydicom, the target is its slabs (area times slice spacing, even-odd),
distances are brute force to densely sampled contours, and the dose is TG-43U1 written out from the
published table in the test data below.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from matplotlib.path import Path as Outline

# 6711, TG-43U1 (Rivard 2004), typed here a second time: Lambda, g_L(r), F(r, theta)
LAMBDA, HALF_LIFE_DAYS, LENGTH_CM = 0.965, 59.40, 0.3
R_CM = [0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
G = [1.055, 1.078, 1.082, 1.071, 1.042, 1.0, 0.908, 0.814, 0.632, 0.496, 0.364, 0.27, 0.199,
     0.148, 0.109, 0.0803]  # fmt: skip
F_R_CM = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0]
F_DEG = [0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90]
F = np.array([
    [0.333, 0.37, 0.442, 0.488, 0.52, 0.55], [0.4, 0.429, 0.497, 0.535, 0.561, 0.587],
    [0.519, 0.537, 0.58, 0.609, 0.63, 0.645], [0.716, 0.705, 0.727, 0.743, 0.752, 0.76],
    [0.846, 0.834, 0.842, 0.846, 0.848, 0.852], [0.926, 0.925, 0.926, 0.926, 0.928, 0.928],
    [0.972, 0.972, 0.97, 0.969, 0.969, 0.969], [0.991, 0.991, 0.987, 0.987, 0.987, 0.987],
    [0.996, 0.996, 0.996, 0.995, 0.995, 0.995], [1.0, 1.0, 1.0, 0.999, 0.999, 0.999],
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
])  # fmt: skip


def tg43_dose_gy(centers_mm, axes, strength_u, points_mm):
    """Dose to full decay by the formula of the report, one seed after the other."""

    def geometry(r, sine, cosine):
        across = LENGTH_CM * r * sine
        near, far = r * cosine + 0.5 * LENGTH_CM, r * cosine - 0.5 * LENGTH_CM
        height = np.maximum(r * sine, 1e-12)
        angle = np.arctan(near / height) - np.arctan(far / height)
        on_axis = 1.0 / (r * r - 0.25 * LENGTH_CM**2)
        return np.where(across < 1e-7, on_axis, angle / np.maximum(across, 1e-12))

    reference = geometry(np.array([1.0]), np.array([1.0]), np.array([0.0]))[0]
    slope = (np.log(G[-1]) - np.log(G[-2])) / (R_CM[-1] - R_CM[-2])
    total = np.zeros(len(points_mm))
    for center, axis in zip(centers_mm, axes, strict=True):
        offset = (points_mm - center) / 10.0
        r = np.maximum(np.linalg.norm(offset, axis=1), 0.05)
        cosine = np.clip(offset @ (axis / np.linalg.norm(axis)) / r, -1.0, 1.0)
        sine = np.sqrt(1.0 - cosine**2)
        log_g = np.interp(r, R_CM, np.log(G))
        log_g = np.where(r > R_CM[-1], np.log(G[-1]) + slope * (r - R_CM[-1]), log_g)
        column = np.clip(np.interp(r, F_R_CM, range(len(F_R_CM))), 0, len(F_R_CM) - 1 - 1e-9)
        row = np.interp(np.degrees(np.arccos(np.abs(cosine))), F_DEG, range(len(F_DEG)))
        row = np.clip(row, 0, len(F_DEG) - 1 - 1e-9)
        i, j = row.astype(int), column.astype(int)
        a, b = row - i, column - j
        f = (F[i, j] * (1 - a) * (1 - b) + F[i + 1, j] * a * (1 - b)
             + F[i, j + 1] * (1 - a) * b + F[i + 1, j + 1] * a * b)  # fmt: skip
        total += LAMBDA * geometry(r, sine, np.abs(cosine)) / reference * np.exp(log_g) * f
    mean_life_h = 24.0 * HALF_LIFE_DAYS / np.log(2.0)
    return strength_u * total * mean_life_h / 100.0


@dataclass
class Contours:
    """All rings of a structure set by name, each (n, 3), LPS, mm."""

    rings: dict

    @classmethod
    def read(cls, path: Path) -> "Contours":
        dataset = pydicom.dcmread(path)
        names = {s.ROINumber: str(s.ROIName) for s in dataset.StructureSetROISequence}
        rings = {}
        for item in dataset.ROIContourSequence:
            rings[names[item.ReferencedROINumber]] = [
                np.array(contour.ContourData, dtype=float).reshape(-1, 3)
                for contour in item.get("ContourSequence", [])
            ]
        return cls(rings)

    def sampled(self, name: str, step_mm: float = 0.2) -> np.ndarray:
        """Points on every contour, at most ``step_mm`` apart."""
        points = []
        for ring in self.rings[name]:
            for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                count = max(1, int(np.ceil(np.linalg.norm(b - a) / step_mm)))
                points.append(a + (b - a) * (np.arange(count) / count)[:, None])
        return np.vstack(points)

    def slab_points(self, name: str, step_mm: float = 1.0) -> tuple[np.ndarray, float]:
        """Points filling the slabs of an axial structure, and the volume (cm3) of each."""
        rings = self.rings[name]
        heights = np.unique([round(float(ring[0, 2]), 2) for ring in rings])
        spacing = float(np.median(np.diff(heights)))
        layers = round(spacing / step_mm) or 1
        every = np.vstack(rings)
        low, high = every.min(axis=0), every.max(axis=0)
        xs, ys = (
            np.arange(a + 0.5 * step_mm, b, step_mm) for a, b in zip(low[:2], high[:2], strict=True)
        )
        grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
        points = []
        for height in heights:
            inside = np.zeros(len(grid), dtype=bool)
            for ring in rings:
                if abs(float(ring[0, 2]) - height) < 0.02:
                    inside ^= Outline(ring[:, :2]).contains_points(grid)
            for k in range(layers):
                z = height + ((k + 0.5) / layers - 0.5) * spacing
                points.append(np.column_stack([grid[inside], np.full(inside.sum(), z)]))
        return np.vstack(points), step_mm * step_mm * spacing / layers / 1000.0


@dataclass
class PlanFile:
    """What plan.json says, as arrays."""

    data: dict

    @classmethod
    def read(cls, folder: Path) -> "PlanFile":
        return cls(json.loads((folder / "plan.json").read_text()))

    @property
    def needles(self):
        return [needle for template in self.data["templates"] for needle in template["needles"]]

    @property
    def seeds(self):
        """Centres and axes of all seeds."""
        centers, axes = [], []
        for needle in self.needles:
            axis = np.subtract(needle["tip_lps_mm"], needle["entry_lps_mm"])
            for seed in needle["seeds"]:
                centers.append(seed["center_lps_mm"])
                axes.append(axis / np.linalg.norm(axis))
        return np.array(centers), np.array(axes)

    def dose_gy(self, points_mm):
        return tg43_dose_gy(*self.seeds, self.data["source"]["air_kerma_strength_u"], points_mm)

    def target_indices(self, contours: Contours, target: str) -> dict:
        """V100, D90, V200 and CI of the target on its slabs, dose by the formula above."""
        dose = self.data["prescription_gy"]
        points, weight = contours.slab_points(target)
        inside = self.dose_gy(points)
        volume = weight * len(points)
        covered = weight * np.count_nonzero(inside >= dose)
        centers, _ = self.seeds
        low, high = centers.min(axis=0) - 30.0, centers.max(axis=0) + 30.0
        axes = [np.arange(a, b, 1.0) for a, b in zip(low, high, strict=True)]
        cube = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        reference = np.count_nonzero(self.dose_gy(cube) >= dose) / 1000.0
        return {
            "volume_cm3": volume,
            "v100_pct": 100.0 * covered / volume,
            "v200_pct": 100.0 * weight * np.count_nonzero(inside >= 2 * dose) / volume,
            "d90_gy": float(np.percentile(inside, 10.0)),
            "ci": covered / volume * covered / reference,
        }

    def clearance_mm(self, needle: dict, points_mm: np.ndarray, radius_mm: float) -> float:
        """Needle surface (plate to tip, round end) to the nearest of many points."""
        start, end = np.array(needle["entry_lps_mm"]), np.array(needle["tip_lps_mm"])
        along = np.clip((points_mm - start) @ (end - start) / np.sum((end - start) ** 2), 0, 1)
        nearest = start + along[:, None] * (end - start)
        return float(np.linalg.norm(points_mm - nearest, axis=1).min()) - radius_mm
