"""A small plan with something of everything, so that every part of its file is looked at."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dose import DoseField, DoseGrid
from template_designer.frames import transform_points
from template_designer.geometry.plate_case import plate_features
from template_designer.inputs import read_seed_source
from template_designer.model import (
    BiologyDose,
    BiologyResult,
    BoneAccess,
    ExternalBeam,
    GoalResult,
    HoleState,
    InputFile,
    Needle,
    NeedleRule,
    Plan,
    PlanWarning,
    Reach,
    Seed,
    Surface,
    SurfaceRole,
    Template,
)
from template_designer.model.robust import (
    Chance,
    ClearanceSpread,
    DoseSpread,
    GoalChance,
    NeedleRisk,
    PlacementErrors,
    RobustResult,
    Spread,
)
from template_designer.planning.delivery import deliver
from tests.plates import FRAME, case_settings, make_plate

SIZE_MM = (60.0, 40.0, 12.0)
PLANNED = ("C2", "E5", "J3")
ACCESS = "E5"
BLOCKED = ("A1", "F2")


def small_plan(plates: int = 1, seed: int = 1, technique: str = "mick", **tables) -> Plan:
    """Plates of 11 x 7 holes; places and depths with all digits that a double has."""
    rng = np.random.default_rng(seed)
    settings = case_settings(
        **{
            "avoid": [{"structure": ["SpinalCord", "Aorta"], "needle_clearance_mm": 10.0}],
            "template": {"size_mm": list(SIZE_MM)},
            "delivery": {"technique": technique},
            "target": {"structure": "GTV", "margin_mm": [1.0, 2.0, 3.5]},
            "structure": [{"name": "Ring", "from": "GTV", "expand_mm": 5.0, "minus": ["GTV"]}],
            **tables,
        }
    )
    source = read_seed_source(settings.source, None)
    templates = tuple(_template(f"T{n + 1}", settings, rng) for n in range(plates))
    grid = DoseGrid.from_bounds(np.zeros(3), np.full(3, 4.0), 2.0)
    return Plan(
        settings=settings,
        software_version="0.1.0",
        inputs=(InputFile("case.toml", "0" * 64), InputFile("dicom/", "f" * 64)),
        source=source,
        templates=templates,
        metrics={"GTV": {"d90_gy": rng.uniform(90, 150), "hi": math.nan}, "Aorta": {}},
        goals=(
            GoalResult("GTV", "V100", 93.0, "%", True, rng.uniform(80, 99), True),
            GoalResult("Aorta", "Dmax", 95.0, "Gy", False, math.nan, False),
        ),
        reach=Reach(rng.uniform(50, 100), {"SpinalCord": 28.5123456}, 97.7777777),
        warnings=(PlanWarning("roi-skipped", "ROI 'Größe' holds no contour and was skipped."),),
        dose=DoseField(grid, np.ones(grid.shape)),
        rules=(NeedleRule("SpinalCord", 10.0), NeedleRule("Aorta", 10.0)),
        surfaces={"GTV": (SurfaceRole.TARGET, tetrahedron())},
        biology=(_biology(rng),),
        robust=_robust(rng),
        delivery=deliver(settings, templates, source.model),
    )


def tetrahedron(size_mm: float = 30.0) -> Surface:
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]) * size_mm + (5.5, -7.25, 11.0)
    return Surface(corners, np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)]))


def _template(name: str, settings, rng: np.random.Generator) -> Template:
    plate = make_plate(SIZE_MM, bore_mm=1.27 + 0.2, planned=PLANNED, wide={ACCESS: 1.65 + 0.2})
    holes = tuple(
        replace(hole, state=HoleState.BLOCKED, reason="SpinalCord 3.1 mm")
        if hole.label in BLOCKED
        else hole
        for hole in plate.holes
    )
    places = {hole.label: (hole.x_mm, hole.y_mm) for hole in holes}
    needles = tuple(_needle(label, places[label], rng) for label in PLANNED)
    return replace(
        plate, name=name, holes=holes, needles=needles, features=plate_features(settings),
        gap_mm=rng.uniform(0.0, 5.0),
    )  # fmt: skip


def _needle(label: str, place: tuple[float, float], rng: np.random.Generator) -> Needle:
    tip = rng.uniform(60.0, 90.0)

    def lps(z_mm: float) -> tuple[float, float, float]:
        return tuple(transform_points(FRAME, [(*place, z_mm)])[0].tolist())

    ways = (2.5, 8.0, 18.0)  # whole spacers fit between seeds that lie so
    return Needle(
        label=label,
        gauge=18,
        length_mm=200.0,
        entry_lps_mm=lps(0.0),
        tip_lps_mm=lps(tip),
        depth_mm=tip + SIZE_MM[2],
        skin_depth_mm=tip - rng.uniform(1.0, 5.0),
        bone_mm=rng.uniform(0.0, 9.0),
        clearance_mm={"SpinalCord": rng.uniform(10.0, 40.0), "Aorta": 10.0},
        seeds=tuple(Seed(lps(tip - way), way, rng.uniform(20.0, 60.0)) for way in ways),
        bone_hu=rng.uniform(300.0, 900.0),
        bone_access=BoneAccess(16, "1.4 mm of compact bone") if label == ACCESS else None,
        clearance_error_mm={"SpinalCord": rng.uniform(0.0, 0.2)},
    )


def _biology(rng: np.random.Generator) -> BiologyResult:
    dose = BiologyDose("Dmax", *rng.uniform(10.0, 200.0, 5))
    return BiologyResult("SpinalCord", 2.0, 1.5, ExternalBeam(30.0, 10, 75.0, 37.5), (dose,), "BED")


def _robust(rng: np.random.Generator) -> RobustResult:
    def spread() -> Spread:
        values = rng.uniform(0.0, 50.0, 6)
        return Spread(values[0], values[1], math.nan, *values[3:])

    def chance() -> Chance:
        return Chance(*rng.uniform(0.0, 100.0, 3))

    def clearance() -> ClearanceSpread:
        near = {mm: chance() for mm in (10.0, 5.0, 0.0)}
        return ClearanceSpread("SpinalCord", 10.0, spread(), near, chance())

    errors = PlacementErrors("thorax", 2.4, 2.1, 4.8, 0.5, 0.25, 1.5, -0.3, True, 43)
    return RobustResult(
        scenarios=100,
        errors=errors,
        bore_play_deg=0.57123456,
        tip_error_mm=spread(),
        doses=(DoseSpread("GTV", "D90", "Gy", spread()),),
        goals=(GoalChance("GTV", "V100", 93.0, "%", True, chance()),),
        clearances=(clearance(),),
        needles=(NeedleRisk("T1", "C2", rng.uniform(0, 3), spread(), (clearance(),)),),
    )
