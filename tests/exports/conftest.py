"""A small made-up plan on an oblique frame: enough of everything for every exporter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from dose import DoseField, DoseGrid, load_source
from template_designer import frames
from template_designer.model import (
    CaseSettings,
    GoalResult,
    Hole,
    HoleState,
    InputFile,
    Needle,
    NeedleRule,
    Plan,
    PlanWarning,
    Reach,
    Seed,
    SeedSource,
    Surface,
    SurfaceRole,
    Template,
)

GAP_MM = 3.0
THICKNESS_MM = 20.0
PLANNED = {"K10": 118.0, "H9": 114.0, "L12": 121.3, "M8": 109.37, "H12": 120.0, "C4": 101.0}
"""Hole -> depth in mm; C4 lies where a mirrored or turned plate would not have it."""
BLOCKED = ("A1", "U19", "B3")
SETTINGS = {
    "id": "L1-demo",
    "images": {"ct": "dicom/", "structures": "dicom/RS.dcm"},
    "target": {"structure": "GTV"},
    "avoid": [{"structure": ["SpinalCord", "Aorta"], "needle_clearance_mm": 10.0}],
    "skin": {"structure": "Body"},
    "entry": {
        "point_lps": [106.2, 102.6, -279.3],
        "direction_lps": [-0.766, -0.643, 0.1],
        "up_lps": [0.1, 0.0, 1.0],
    },
    "source": {"model": "I125-6711", "activity_mci": 0.6},
    "prescription": {"dose_gy": 120.0},
}


def make_template(name: str = "T1", planned: dict[str, float] = PLANNED) -> Template:
    """A 100 x 100 mm plate of 19 x 19 holes on the oblique frame of the settings."""
    entry = SETTINGS["entry"]
    skin_frame = frames.template_frame(entry["point_lps"], entry["direction_lps"], entry["up_lps"])
    frame = frames.lifted(skin_frame, GAP_MM)
    holes = []
    for row in range(19):
        for column in range(19):
            label = frames.hole_label(column, row)
            state = HoleState.OPEN
            if label in BLOCKED:
                state = HoleState.BLOCKED
            if label in planned:
                state = HoleState.PLANNED
            reason = "SpinalCord 3.1 mm" if state is HoleState.BLOCKED else None
            holes.append(Hole(label, 5.0 * (column - 9), 5.0 * (row - 9), state, reason))
    places = {hole.label: (hole.x_mm, hole.y_mm) for hole in holes}
    needles = tuple(make_needle(frame, label, places[label], planned[label]) for label in planned)
    return Template(
        name=name,
        size_mm=(100.0, 100.0, THICKNESS_MM),
        pitch_mm=5.0,
        bore_mm=1.47,
        gap_mm=GAP_MM,
        lps_from_template=frame,
        holes=tuple(holes),
        needles=needles,
    )


def make_needle(frame: np.ndarray, label: str, xy_mm: tuple[float, float], depth: float) -> Needle:
    def lps(z_mm: float) -> tuple[float, float, float]:
        return tuple(frames.transform_points(frame, [(*xy_mm, z_mm)])[0].tolist())

    tip_z = depth - THICKNESS_MM
    seeds = tuple(Seed(lps(tip_z - from_tip), from_tip, 61.27) for from_tip in (2.5, 10.0, 17.5))
    return Needle(
        label=label,
        gauge=18,
        length_mm=200.0,
        entry_lps_mm=lps(0.0),
        tip_lps_mm=lps(tip_z),
        depth_mm=depth,
        skin_depth_mm=tip_z - GAP_MM,
        bone_mm=7.46,
        clearance_mm={"SpinalCord": 12.39, "Aorta": 10.0},
        seeds=seeds,
    )


def make_plan(*templates: Template, **changes: object) -> Plan:
    settings = CaseSettings.model_validate(SETTINGS)
    frame = templates[0].lps_from_template
    seeds = np.array([s.center_lps_mm for t in templates for n in t.needles for s in n.seeds])
    grid = DoseGrid.from_bounds(seeds.min(axis=0) - 25.0, seeds.max(axis=0) + 25.0, 2.0)
    squared = np.full(int(np.prod(grid.shape)), 0.0)
    for seed in seeds:  # inverse squares stand in for a dose: only the picture looks at it
        squared += 4000.0 / (np.sum((grid.points_mm() - seed) ** 2, axis=1) + 1.0)
    plan = Plan(
        settings=settings,
        software_version="0.1.0",
        inputs=(InputFile("dicom/RS.dcm", "0" * 64),),
        source=SeedSource(load_source("I125-6711"), 0.762),
        templates=templates,
        metrics={
            "GTV": {"volume_cm3": 32.0, "d90_gy": 131.2, "v100_pct": 95.3, "hi": float("nan"),
                    "reachable_pct": 71.5},
            "SpinalCord": {"volume_cm3": 8.2, "dmax_gy": 61.0},
        },
        goals=(GoalResult("GTV", "V100", 93.0, "%", True, 95.3, True),),
        reach=Reach(71.5, {"SpinalCord": 28.5}),
        warnings=(PlanWarning("roi-skipped", "ROI 'empty' holds no contour and was skipped."),),
        dose=DoseField(grid, squared.reshape(grid.shape)),
        rules=(NeedleRule("SpinalCord", 10.0), NeedleRule("Aorta", 10.0)),
        surfaces=make_surfaces(frame),
    )  # fmt: skip
    return replace(plan, **changes)


def make_surfaces(frame: np.ndarray) -> dict[str, tuple[SurfaceRole, Surface]]:
    def placed(mesh: trimesh.Trimesh, x: float, y: float, z: float) -> Surface:
        vertices = frames.transform_points(frame, mesh.vertices + np.array([x, y, z]))
        return Surface(vertices, np.asarray(mesh.faces))

    ball = trimesh.creation.icosphere(subdivisions=3, radius=20.0)
    tube = trimesh.creation.cylinder(radius=6.0, height=140.0, sections=48)
    tube = tube.subdivide_to_size(6.0)
    along_y = tube.copy()
    along_y.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    body = trimesh.creation.icosphere(subdivisions=4, radius=1.0)
    body.vertices *= (150.0, 160.0, 95.0)
    bone = trimesh.creation.icosphere(subdivisions=3, radius=24.0)
    return {
        "GTV": (SurfaceRole.TARGET, placed(ball, 0.0, 0.0, 88.0)),
        "SpinalCord": (SurfaceRole.AVOID, placed(along_y, 36.0, 0.0, 85.0)),
        "Aorta": (SurfaceRole.AVOID, placed(along_y, -12.0, 0.0, 130.0)),
        "Body": (SurfaceRole.SKIN, placed(body, 0.0, 0.0, 95.0 + GAP_MM)),
        "Bone": (SurfaceRole.BONE, placed(bone, 8.0, 0.0, 98.0)),
    }


@pytest.fixture(scope="session")
def plan() -> Plan:
    return make_plan(make_template())


@pytest.fixture(scope="session")
def two_plates() -> Plan:
    return make_plan(make_template("T1"), make_template("T2", {"J7": 100.0}))
