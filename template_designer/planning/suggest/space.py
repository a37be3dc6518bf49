"""Everything a search over entry planes looks up, sampled once: rules, skin, bone and target.

The search scores thousands of planes on a coarse grid; every plane that it proposes is then worked
out exactly (:mod:`template_designer.planning.suggest.exact`), so the grid decides what is proposed
and never what is printed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from dose import SeedModel
from template_designer.errors import NoSafePlanError
from template_designer.geometry._kernels import signed_distance_layers
from template_designer.geometry.contours import polygon_edges
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.lattice import lattice_points
from template_designer.geometry.sampling import cap_samples, surface_samples
from template_designer.geometry.solids import Solid
from template_designer.model import OUTER_DIAMETER_MM, CaseSettings, ImageVolume
from template_designer.planning.approach import needle_rules
from template_designer.planning.bone import bone_names
from template_designer.planning.reach import REACH_MM
from template_designer.planning.suggest import _kernels as k

NODES = 1_500_000
"""Nodes of the search grid, about: 1.9 mm apart in an abdomen scanned over 12 cm."""

FINEST_MM, COARSEST_MM = 1.5, 4.0
"""Bounds of the grid's spacing."""

TARGET_NODES = 2_500
"""Nodes inside the target: its reach is then known to about 1 % during the search."""

SKIN_CELL_MM = 3.0
"""Skin points that a plate must clear: one in each cell of this size."""

SEEN_MM = 10.0
"""How far beyond its limit a clearance is followed: more does not make a plane better."""

SCAN_END, NEEDLE_LENGTH, SKIN_DEPTH = "end of the scan", "needle length", "too near the skin"


@dataclass(frozen=True, slots=True, eq=False)
class SearchSpace:
    """The patient as the search sees him, in the frame of the body outline (rows of ``axes``)."""

    axes: NDArray[np.float64]  # (3, 3) unit rows u, v, w, LPS
    start_mm: NDArray[np.float64]  # (3,) first node
    step_mm: float
    margin_mm: NDArray[np.float32]  # (nw, nv, nu) least clearance over what the rules ask for
    cause: NDArray[np.uint8]  # (nw, nv, nu) whose rule that is, index into ``causes``
    skin_mm: NDArray[np.float32]  # (nw, nv, nu) signed distance to the body, negative inside
    bone: NDArray[np.bool_]  # (nw, nv, nu)
    target_start_mm: NDArray[np.float64]
    target_step_mm: float
    target_mm: NDArray[np.float32]  # (tw, tv, tu) signed distance to the target
    centre_mm: NDArray[np.float64]  # (3,) centroid of the target
    skin_points_mm: NDArray[np.float64]  # (n, 3)
    holes_mm: NDArray[np.float64]  # (m, 2) lattice, template frame
    numbers: NDArray[np.float64]  # see _kernels
    causes: tuple[str, ...]

    @property
    def centre_lps_mm(self) -> NDArray[np.float64]:
        """Centroid of the target, (3,) LPS."""
        return self.centre_mm @ self.axes

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which nodes of the target's grid lie in the target, flat."""
        return (self.target_mm <= 0.0).ravel()

    def score(
        self,
        frames_lps: NDArray[np.float64],
        offsets_mm: NDArray[np.float64],
        *,
        with_masks: bool = False,
    ) -> Scores:
        """Score planes: (n, 3, 3) rows x, y, z in LPS, and (n, 2) offsets of the plate's centre."""
        count = len(frames_lps)
        features = np.zeros((count, k.N_FEATURES))
        masks = np.zeros((count if with_masks else 0, self.target_mm.size), np.uint8)
        hides = np.zeros((count, len(self.causes)), np.int64)
        k.score_planes(
            np.ascontiguousarray(frames_lps @ self.axes.T),
            np.ascontiguousarray(offsets_mm),
            self.centre_mm,
            self.holes_mm,
            self.skin_points_mm,
            self.margin_mm,
            self.cause,
            self.skin_mm,
            self.bone,
            self.start_mm,
            self.step_mm,
            self.target_mm,
            self.target_start_mm,
            self.target_step_mm,
            self.numbers,
            features,
            masks,
            hides,
        )
        return Scores(features, masks, hides)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the kernel found: one row a plane."""

    features: NDArray[np.float64]
    masks: NDArray[np.uint8]
    hides: NDArray[np.int64]


def build_space(
    settings: CaseSettings,
    image: ImageVolume,
    solids: Mapping[str, Solid],
    target: Solid,
    source: SeedModel,
    down_lps: NDArray[np.float64] | None = None,
) -> SearchSpace:
    """Sample the patient for a search.

    Parameters
    ----------
    settings, image, solids, target, source
        As for :func:`template_designer.planning.approach.prepare_approach`.
    down_lps : (3,) ndarray, optional
        Towards the couch; None where every skin is free.

    Raises
    ------
    NoSafePlanError
        If the target lies outside the body: no needle through skin leads there.
    """
    body = solids[settings.skin.structure]
    grid = _grid(settings, body, target)
    target_start, target_step, target_mm = _target_grid(target, body.axes)
    skin = _signed(body, grid, settings.skin.seed_depth_mm + SEEN_MM)
    skin_points = _skin_points(body)
    space = SearchSpace(
        axes=body.axes,
        start_mm=grid.start_mm,
        step_mm=grid.step_mm,
        margin_mm=np.full(grid.shape, SEEN_MM, np.float32),
        cause=np.zeros(grid.shape, np.uint8),
        skin_mm=skin,
        bone=_bone(settings, image, solids, grid, skin),
        target_start_mm=target_start,
        target_step_mm=target_step,
        target_mm=target_mm,
        centre_mm=body.axes @ target.centroid_lps_mm,
        skin_points_mm=skin_points,
        holes_mm=_holes(settings),
        numbers=np.zeros(k.N_NUMBERS),
        causes=(
            *(rule.structure for rule in needle_rules(settings)),
            SCAN_END,
            NEEDLE_LENGTH,
            SKIN_DEPTH,
        ),
    )
    _refuse_target_outside(space, settings)
    _set_numbers(space, settings, source, down_lps)
    space.numbers[[k.BODY_LOW, k.BODY_HIGH]] = body.bounds_uvw_mm[:, 2]
    _add_rules(space, settings, solids, grid)
    _add_scan(space, image, grid)
    return space


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    axes: NDArray[np.float64]
    start_mm: NDArray[np.float64]
    step_mm: float
    shape: tuple[int, int, int]  # (nw, nv, nu)

    def nodes(self, axis: int) -> NDArray[np.float64]:
        """Coordinates along u (0), v (1) or w (2)."""
        return self.start_mm[axis] + self.step_mm * np.arange(self.shape[2 - axis])


def _grid(settings: CaseSettings, body: Solid, target: Solid) -> _Grid:
    """Nodes over the part of the body that a needle can come from."""
    low, high = body.bounds_uvw_mm
    corners = target.to_lps(box_corners(*target.bounds_uvw_mm)) @ body.axes.T
    far = settings.needle.length_mm
    low = np.maximum(low, corners.min(axis=0) - far) - SEEN_MM
    high = np.minimum(high, corners.max(axis=0) + far) + SEEN_MM
    high = np.maximum(high, low + 4.0 * COARSEST_MM)  # target and body apart: refused later
    step = float(np.clip((math.prod((high - low).tolist()) / NODES) ** (1 / 3), FINEST_MM,
                         COARSEST_MM))  # fmt: skip
    counts = np.ceil((high - low) / step).astype(int) + 1
    return _Grid(body.axes, low, step, (int(counts[2]), int(counts[1]), int(counts[0])))


def _holes(settings: CaseSettings) -> NDArray[np.float64]:
    plate = settings.template
    points = lattice_points(plate.size_mm, plate.pitch_mm, plate.edge_mm)
    return np.array([(p.x_mm, p.y_mm) for p in points])


def _target_grid(
    target: Solid, axes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, NDArray[np.float32]]:
    """Signed distances to the target on a grid of its own, 6 mm and more around it."""
    step = float(np.clip((1000.0 * target.volume_cm3 / TARGET_NODES) ** (1 / 3), 0.5, 3.0))
    corners = target.to_lps(box_corners(*target.bounds_uvw_mm)) @ axes.T
    low, high = corners.min(axis=0) - 6.0, corners.max(axis=0) + 6.0
    lines = [np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)]
    w, v, u = np.meshgrid(*lines[::-1], indexing="ij")
    points = np.column_stack([u.ravel(), v.ravel(), w.ravel()]) @ axes
    field = DistanceField.around(target, points)
    return low, step, field.signed_mm(points).reshape(u.shape).astype(np.float32)


def _layers(solid: Solid, grid: _Grid, most_mm: float) -> NDArray[np.float32]:
    """In-plane signed distance to a solid at every height of the grid; far where there is none.

    What is over ``most_mm`` is not followed.
    """
    layers = np.full(grid.shape, 1e3, np.float32)
    if not np.allclose(solid.axes, grid.axes, atol=1e-6):  # drawn on planes of its own
        w, v, u = np.meshgrid(grid.nodes(2), grid.nodes(1), grid.nodes(0), indexing="ij")
        points = np.column_stack([u.ravel(), v.ravel(), w.ravel()]) @ grid.axes
        field = DistanceField.around(solid, points)
        layers[:] = field.signed_mm(points).reshape(grid.shape)
        return layers
    starts = np.array([slab.w_low_mm for slab in solid.slabs])
    edges, levels = [], []
    for level, w in enumerate(grid.nodes(2)):
        slab = solid.slabs[max(0, int(np.searchsorted(starts, w, side="right")) - 1)]
        below, above = w < solid.slabs[0].w_low_mm, w > solid.slabs[-1].w_high_mm
        held = slab.w_low_mm - 0.5 * grid.step_mm <= w <= slab.w_high_mm + 0.5 * grid.step_mm
        if held or (below and solid.open_low) or (above and solid.open_high):
            edges.append(polygon_edges(slab.shape))
            levels.append(level)
    if levels:
        found = np.zeros((len(levels), *grid.shape[1:]), np.float32)
        first = np.concatenate([[0], np.cumsum([len(part) for part in edges])]).astype(np.int64)
        signed_distance_layers(
            np.vstack(edges),
            first,
            grid.start_mm[0],
            grid.start_mm[1],
            grid.step_mm,
            found,
            most_mm,
        )
        layers[levels] = found
    return layers


def _signed(solid: Solid, grid: _Grid, most_mm: float) -> NDArray[np.float32]:
    """Signed distance on the nodes of the grid, good to about half its spacing."""
    layers = _layers(solid, grid, most_mm)
    out, deep = np.zeros_like(layers), np.zeros_like(layers)
    which = np.zeros(layers.shape, np.int32)
    k.distance_to_stack(layers, grid.step_mm, most_mm, 1.0, out, which)
    k.distance_to_stack(layers, grid.step_mm, most_mm, -1.0, deep, which)
    return np.where(layers < 0.0, -deep, out)


def _skin_points(body: Solid) -> NDArray[np.float64]:
    """Points of the body's surface, one a cell, in the body's frame."""
    every = max(1, round(SKIN_CELL_MM))
    thin = replace(body, slabs=body.slabs[::every])
    points = np.vstack([surface_samples(thin, SKIN_CELL_MM), cap_samples(body, SKIN_CELL_MM)])
    points = points @ body.axes.T
    _, first = np.unique(np.round(points / SKIN_CELL_MM), axis=0, return_index=True)
    return np.ascontiguousarray(points[np.sort(first)])


def _bone(
    settings: CaseSettings,
    image: ImageVolume,
    solids: Mapping[str, Solid],
    grid: _Grid,
    skin: NDArray[np.float32],
) -> NDArray[np.bool_]:
    names = bone_names(settings.bone.patterns, tuple(solids))
    if names:
        return np.any([_layers(solids[name], grid, grid.step_mm) < 0.0 for name in names], axis=0)
    index = _index_lines(image, grid)
    values = map_coordinates(
        image.hu, [sum(_spread(part, axis) for axis, part in enumerate(line)) + np.zeros(grid.shape)
                   for line in index], order=0, mode="nearest", output=np.float32,
    )  # fmt: skip
    return np.asarray((values >= settings.bone.threshold_hu) & (skin < 0.0))


def _index_lines(image: ImageVolume, grid: _Grid) -> list[list[NDArray[np.float64]]]:
    """Fractional slice, row, column of the nodes as sums of one part along each of u, v, w."""
    start = image.index_of((grid.start_mm @ grid.axes)[None, :])[0]
    steps = image.index_of((grid.start_mm + np.eye(3)) @ grid.axes) - start
    lines = []
    for n in range(3):
        along = [steps[axis, n] * (grid.nodes(axis) - grid.start_mm[axis]) for axis in range(3)]
        along[0] = along[0] + start[n]
        lines.append(along)
    return lines


def _spread(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Values along u, v or w in the shape of the grid."""
    return values.reshape([-1 if 2 - axis == n else 1 for n in range(3)])


def _refuse_target_outside(space: SearchSpace, settings: CaseSettings) -> None:
    """A target outside the body has no skin before it."""
    centre = tuple(round(float(x), 1) for x in space.centre_lps_mm)
    node = np.round((space.centre_mm - space.start_mm) / space.step_mm).astype(int)[::-1]
    within = np.all(node >= 0) and np.all(node < space.skin_mm.shape)
    if not (within and space.skin_mm[tuple(node)] < space.step_mm):
        raise NoSafePlanError(
            f"no entry plane: the target {settings.target.structure!r}, centred on {centre} mm "
            f"(LPS), lies outside the body {settings.skin.structure!r}; check the [target] and "
            "[skin] structures and that both were drawn on this CT"
        )


def _set_numbers(
    space: SearchSpace,
    settings: CaseSettings,
    source: SeedModel,
    down_lps: NDArray[np.float64] | None,
) -> None:
    plate, needle, numbers = settings.template, settings.needle, space.numbers
    length_mm, diameter_mm = source.capsule_mm
    numbers[[k.SIZE_X, k.SIZE_Y, k.THICKNESS]] = plate.size_mm
    numbers[k.LONGEST_TIP] = needle.length_mm - plate.size_mm[2] - needle.hub_mm
    numbers[k.HALF_SEED] = 0.5 * length_mm
    numbers[k.OUTSIDE] = settings.loading.outside_target_mm
    numbers[k.SKIN_DEPTH] = settings.skin.seed_depth_mm + 0.5 * diameter_mm
    numbers[k.SEED_STEP] = settings.loading.step_mm
    numbers[k.REACH] = REACH_MM
    numbers[k.MOST_GAP] = settings.suggest.max_gap_mm
    nodes = np.argwhere(space.target_mm <= 0.0)[:, ::-1] * space.target_step_mm
    away = np.linalg.norm(nodes + space.target_start_mm - space.centre_mm, axis=1)
    numbers[k.RADIUS] = away.max(initial=0.0) + space.target_step_mm
    numbers[k.COUCH] = math.inf
    if down_lps is not None:
        down = space.axes @ down_lps
        numbers[[k.DOWN_U, k.DOWN_V, k.DOWN_W]] = down
        numbers[k.COUCH] = (space.skin_points_mm @ down).max()


def _add_rules(
    space: SearchSpace, settings: CaseSettings, solids: Mapping[str, Solid], grid: _Grid
) -> None:
    """Clearances less what the rules ask for, structures of the same limit in one go."""
    radius = 0.5 * OUTER_DIAMETER_MM[settings.needle.gauge]
    rules = needle_rules(settings)
    for limit in sorted({rule.clearance_mm for rule in rules}):
        need = limit + radius
        layers = np.full(grid.shape, 1e3, np.float32)
        owner = np.zeros(grid.shape, np.uint8)
        for number, rule in enumerate(rules):
            if rule.clearance_mm == limit:
                own = _layers(solids[rule.structure], grid, need + SEEN_MM)
                nearer = own < layers
                layers[nearer], owner[nearer] = own[nearer], number
        out, which = np.zeros_like(layers), np.zeros(layers.shape, np.int32)
        k.distance_to_stack(layers, grid.step_mm, need + SEEN_MM, 1.0, out, which)
        _keep_least(space, out - need, np.take_along_axis(owner, which, axis=0))


def _add_scan(space: SearchSpace, image: ImageVolume, grid: _Grid) -> None:
    """Needles stay between the first and the last slice, and inside the body also beside them."""
    number = np.uint8(space.causes.index(SCAN_END))
    for n, line in enumerate(_index_lines(image, grid)):
        spacing = float(image.spacing_mm[2 - n])
        index = sum(_spread(part, axis) for axis, part in enumerate(line)) + np.zeros(grid.shape)
        room = np.minimum(index + 0.5, image.hu.shape[n] - 0.5 - index) * spacing
        if n > 0:
            room = np.where(space.skin_mm < 0.0, room, SEEN_MM)
        _keep_least(space, room.astype(np.float32), np.broadcast_to(number, grid.shape))


def _keep_least(
    space: SearchSpace, margin_mm: NDArray[np.float32], cause: NDArray[np.uint8]
) -> None:
    less = margin_mm < space.margin_mm
    space.margin_mm[less], space.cause[less] = margin_mm[less], cause[less]
