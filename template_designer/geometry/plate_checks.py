"""What must hold before a plate is made: bores, walls, pockets and mounting holes."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

import numpy as np
import shapely
from scipy.spatial import cKDTree
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.geometry.plate_style import PlateStyle
from template_designer.model import Hole, HoleState, MarkerPocket, MountingHole, Template

LEAST_SINK_MM = 0.05
"""A counter-sink that widens its bore by less than this on each side is left out."""


def bored_holes(template: Template, bored: Collection[str]) -> tuple[Hole, ...]:
    """The holes to bore, by label.

    Raises
    ------
    GeometryError
        If there is no such hole, or a planned one is left out.
    """
    wanted = set(bored)
    unknown = wanted - {hole.label for hole in template.holes}
    if unknown:
        raise GeometryError(
            f"template {template.name!r} has no hole {', '.join(sorted(unknown))} to bore"
        )
    for hole in template.holes:
        if hole.state is HoleState.PLANNED and hole.label not in wanted:
            raise GeometryError(
                f"template {template.name!r}: hole {hole.label} is planned but not to be bored"
            )
    return tuple(hole for hole in template.holes if hole.label in wanted)


def columns_and_rows(template: Template) -> tuple[dict[str, float], dict[str, float]]:
    """X of every column letter and Y of every row number (print pose), as the labels state them.

    Raises
    ------
    GeometryError
        If labels are no labels, do not lie in lines, or run the wrong way.
    """
    columns: dict[str, float] = {}
    rows: dict[str, float] = {}
    for hole in template.holes:
        match = re.fullmatch(r"([A-Z]+)([1-9][0-9]*)", hole.label)
        if match is None:
            raise GeometryError(f"hole label {hole.label!r} is not letters and a number, as C4")
        letters, number = match.groups()
        place = (columns.setdefault(letters, hole.x_mm), rows.setdefault(number, -hole.y_mm))
        if not np.allclose(place, (hole.x_mm, -hole.y_mm), atol=1e-6):
            raise GeometryError(f"hole {hole.label} does not lie in its column and row")
    by_x = sorted(columns, key=lambda letters: (len(letters), letters))
    by_y = sorted(rows, key=int)
    if np.any(np.diff([columns[name] for name in by_x]) <= 0.0) or np.any(
        np.diff([rows[name] for name in by_y]) >= 0.0
    ):
        raise GeometryError(
            f"template {template.name!r} is mirrored: letters must rise along +x and numbers "
            "along +y of the template frame"
        )
    return {name: columns[name] for name in by_x}, {name: rows[name] for name in by_y}


def check_lattice(template: Template, holes: Sequence[Hole], style: PlateStyle) -> None:
    """Walls between the bores, and between the bores and the rim, must print.

    Raises
    ------
    GeometryError
        If bores overlap or the plate is too small for its lattice.
    """
    bores = [template.bore_of(hole) for hole in template.holes]
    numbers = (*template.size_mm, template.bore_mm, *bores, template.pitch_mm)
    if not all(math.isfinite(value) and value > 0.0 for value in numbers):
        raise GeometryError(f"template {template.name!r}: size, bore and pitch must be above 0 mm")
    if template.size_mm[2] < 4.0 * style.engraving_depth_mm:
        raise GeometryError(
            f"template {template.name!r}: a plate {template.size_mm[2]:g} mm thick is too thin "
            f"to be engraved {style.engraving_depth_mm:g} mm deep; make it thicker"
        )
    if not template.holes:
        raise GeometryError(f"template {template.name!r} has no holes")
    lattice = np.array([(hole.x_mm, hole.y_mm) for hole in template.holes])
    room = 0.5 * np.asarray(template.size_mm[:2]) - np.abs(lattice).max(axis=0)
    least = 0.5 * max(template.bore_mm, *bores) + style.wall_mm
    if not np.all(room >= least):
        raise GeometryError(
            f"template {template.name!r}: a plate of {template.size_mm[0]:g} x "
            f"{template.size_mm[1]:g} mm is too small for its lattice: the outer holes lie "
            f"{room.min():g} mm from its edge, at least {least:.2f} mm are needed"
        )
    _check_walls(template, holes, style)


def _check_walls(template: Template, holes: Sequence[Hole], style: PlateStyle) -> None:
    """Every two bores leave a wall between them, whatever their widths."""
    found = _thinnest_wall(template, holes, style.wall_mm)
    if found is None or found[0] >= style.wall_mm:
        return
    wall, one, other = found
    widths = " and ".join(f"{b:g}" for b in sorted({template.bore_of(h) for h in (one, other)}))
    raise GeometryError(
        f"template {template.name!r}: bores of {widths} mm at {one.label} and {other.label} leave "
        f"{'no wall: they overlap' if wall <= 0.0 else f'a wall of {wall:.2f} mm'}; "
        f"choose a larger pitch or thinner needles (wall >= {style.wall_mm:g} mm)"
    )


def _thinnest_wall(
    template: Template, holes: Sequence[Hole], within_mm: float
) -> tuple[float, Hole, Hole] | None:
    """The two bores that come nearest to each other; None where no wall is as thin as that."""
    if not holes:
        return None
    centres = np.array([(hole.x_mm, hole.y_mm) for hole in holes])
    bores = np.array([template.bore_of(hole) for hole in holes])
    pairs = cKDTree(centres).query_pairs(bores.max() + within_mm, output_type="ndarray")
    if not len(pairs):
        return None
    apart = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1)
    walls = apart - 0.5 * bores[pairs].sum(axis=1)
    worst = int(np.argmin(walls))
    one, other = (holes[n] for n in pairs[worst])
    return float(walls[worst]), one, other


def sink_mm(template: Template, holes: Sequence[Hole], style: PlateStyle) -> float:
    """How much wider than its bore each hole opens on each side at the operator face.

    At most what the style asks for, less where the wall to a neighbour or the thickness asks.
    """
    most = min(0.5 * style.counter_sink_mm, 0.1 * template.size_mm[2])
    found = _thinnest_wall(template, holes, style.wall_mm + 2.0 * most)
    if found is not None:
        most = min(most, 0.5 * (found[0] - style.wall_mm))
    return most if most > LEAST_SINK_MM else 0.0


def check_features(template: Template, outline: Polygon, style: PlateStyle) -> None:
    """Pockets and mounting holes keep a wall to every hole of the lattice, the rim, each other.

    Every place of the lattice counts, printed or not.

    Raises
    ------
    GeometryError
        With the first that does not.
    """
    taken = [
        (f"hole {h.label}", (h.x_mm, h.y_mm), _face_radius(template, h, style))
        for h in template.holes
    ]
    inside = outline.buffer(-style.engraving_depth_mm - style.wall_mm)
    for name, item in _named_features(template):
        radius = feature_radius(item)
        place = Point(item.x_mm, -item.y_mm).buffer(radius, quad_segs=16)
        where = f"template {template.name!r}: {name} at x = {item.x_mm:g}, y = {item.y_mm:g} mm"
        if not inside.covers(place):
            raise GeometryError(
                f"{where} (diameter {2.0 * radius:g} mm) leaves no wall of "
                f"{style.engraving_depth_mm + style.wall_mm:g} mm to the rim; move it inwards"
            )
        for other, (x, y), other_radius in taken:
            wall = math.hypot(item.x_mm - x, item.y_mm - y) - radius - other_radius
            if wall < style.wall_mm:
                what = "cuts into" if wall <= 0.0 else f"leaves a wall of {wall:.2f} mm to"
                raise GeometryError(
                    f"{where} {what} {other}; at least {style.wall_mm:g} mm are needed. Between "
                    f"four holes is room for a diameter of {_free_mm(template, style):.1f} mm"
                )
        taken.append((name, (item.x_mm, item.y_mm), radius))
        if isinstance(item, MarkerPocket):
            _check_depth(template, item, where, style)


def _check_depth(template: Template, item: MarkerPocket, where: str, style: PlateStyle) -> None:
    roof = template.size_mm[2] - item.depth_mm - 0.5 * item.sphere_mm
    if roof < style.engraving_depth_mm + style.wall_mm:
        raise GeometryError(
            f"{where} leaves {roof:.2f} mm to the operator face; at least "
            f"{style.engraving_depth_mm + style.wall_mm:g} mm are needed: reduce markers.depth_mm"
        )
    if item.depth_mm < 0.5 * item.sphere_mm:
        raise GeometryError(
            f"{where}: its sphere of {item.sphere_mm:g} mm would stand out of the patient face; "
            f"set markers.depth_mm to {0.5 * item.sphere_mm:g} mm or more"
        )


def _named_features(template: Template) -> list[tuple[str, MarkerPocket | MountingHole]]:
    features = template.features
    named: list[tuple[str, MarkerPocket | MountingHole]] = [
        (f"marker pocket {n}", pocket) for n, pocket in enumerate(features.markers, start=1)
    ]
    return named + [
        (f"mounting hole {n}", hole) for n, hole in enumerate(features.mounting_holes, start=1)
    ]


def feature_radius(item: MarkerPocket | MountingHole) -> float:
    """Radius of a pocket or of a mounting hole, mm."""
    return 0.5 * (item.pocket_mm if isinstance(item, MarkerPocket) else item.diameter_mm)


def _face_radius(template: Template, hole: Hole, style: PlateStyle) -> float:
    return 0.5 * (template.bore_of(hole) + style.counter_sink_mm)


def _free_mm(template: Template, style: PlateStyle) -> float:
    """Diameter that fits between four neighbouring holes."""
    widest = max(_face_radius(template, hole, style) for hole in template.holes)
    return max(0.0, 2.0 * (template.pitch_mm / math.sqrt(2.0) - widest - style.wall_mm))


def mounting_area(template: Template, style: PlateStyle) -> BaseGeometry:
    """Mounting holes with the wall around them, print plane: no engraving goes there."""
    return shapely.union_all(
        [
            Point(hole.x_mm, -hole.y_mm).buffer(0.5 * hole.diameter_mm + style.wall_mm)
            for hole in template.features.mounting_holes
        ]
    )
