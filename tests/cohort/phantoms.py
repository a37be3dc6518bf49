"""Small patients on disk that plan in seconds: a box, a ball to treat, a cord beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.template_designer.inputs.volume_factory import voxel_centres, write_nifti

SHAPE, SPACING_MM = (36, 36, 26), 3.0
ORIGIN = (-54.0, -54.0, -39.0)
LABELS = {"1": "Body", "2": "GTV", "3": "Cord"}


def write_case(
    folder: Path,
    case_id: str,
    *,
    radius_mm: float = 8.0,
    strength_u: float = 0.762,
    goal_pct: float = 80.0,
    cord_mm: float = 20.0,
    moves: int = 1000,
) -> Path:
    """A case file with its CT and label map; the id is that of the case."""
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    lps[:3, 3] = ORIGIN
    place = voxel_centres(SHAPE, lps)
    labels = np.zeros(SHAPE, np.uint8)
    labels[np.abs(place[..., :2]).max(axis=-1) < 45.0] = 1
    labels[np.hypot(place[..., 0] - cord_mm, place[..., 1] - 2.0) < 4.5] = 3
    labels[np.linalg.norm(place, axis=-1) <= radius_mm] = 2
    write_nifti(folder / "ct.nii.gz", np.where(labels, 20, -1000).astype(np.int16), lps)
    write_nifti(folder / "labels.nii.gz", labels, lps)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    text = f"""\
id = "{case_id}"

[images]
ct = "ct.nii.gz"
structures = "labels.nii.gz"
labels = "labels.json"

[target]
structure = "GTV"

[[avoid]]
structure = "Cord"
needle_clearance_mm = 10.0

[[goal]]
structure = "GTV"
metric = "V100"
at_least_pct = {goal_pct}

[skin]
structure = "Body"

[entry]
point_lps = [0.0, -45.0, 0.0]
direction_lps = [0.0, 1.0, 0.0]
up_lps = [0.0, 0.0, 1.0]

[template]
size_mm = [60, 60, 15]

[source]
model = "I125-6711"
air_kerma_strength_u = {strength_u}

[prescription]
dose_gy = 120.0

[loading]
search_moves = {moves}
"""
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def write_seeds(plan_file: Path, target: Path, shift_mm: tuple[float, float, float]) -> Path:
    """The seeds of a ``plan.json`` as a table of found ones, all moved by the same vector."""
    data = json.loads(plan_file.read_text("utf-8"))
    lines = ["number,x_mm,y_mm,z_mm"]
    seeds = [s for t in data["templates"] for n in t["needles"] for s in n["seeds"]]
    for number, seed in enumerate(seeds, start=1):
        place = np.add(seed["center_lps_mm"], shift_mm)
        lines.append(",".join([str(number), *(f"{value:.4f}" for value in place)]))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target
