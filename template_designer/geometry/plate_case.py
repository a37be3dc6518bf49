"""From the case file to the features of a plate, and whether such a plate can be made at all."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError, GeometryError
from template_designer.geometry.lattice import LatticePoint, lattice_points
from template_designer.geometry.plate_checks import check_features, check_lattice
from template_designer.geometry.plate_face import lay_out_face
from template_designer.geometry.plate_rim import RimText, lay_out_rim
from template_designer.geometry.plate_style import PlateStyle
from template_designer.model import (
    CaseSettings,
    Hole,
    HoleState,
    MarkerPocket,
    MountingHole,
    PlanWarning,
    PlateFeatures,
    Template,
)

_WIDEST_FRAME = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
"""Axes between those of the patient: every side carries two letters."""

_ANY_HASH = "0" * 64

_AWAY = 4
"""A marker lies at most this many holes away from its corner."""


def plate_features(settings: CaseSettings) -> PlateFeatures:
    """Shape and marks of the case's plates.

    The date is that of ``[template] date``, else the implant's; today's never: the same case gives
    the same plate on any day.

    Raises
    ------
    CaseError
        If marker pockets are asked for by default and the lattice is too small for them.
    """
    plate, mount = settings.template, settings.mount
    holes = () if mount is None else mount.positions_mm
    return PlateFeatures(
        resolution_mm=settings.printer.resolution_mm,
        corner_radius_mm=plate.corner_radius_mm,
        counter_sink_mm=plate.counter_sink_mm,
        cross_lines=plate.cross_lines,
        qr=plate.qr,
        date=plate.date or settings.source.implant_date,
        markers=_markers(settings),
        mounting_holes=tuple(MountingHole(x, y, mount.diameter_mm) for x, y in holes if mount),
    )


def _markers(settings: CaseSettings) -> tuple[MarkerPocket, ...]:
    stated = settings.markers
    if stated is None:
        return ()
    places = stated.positions_mm or _corner_places(settings)
    depth = stated.diameter_mm if stated.depth_mm is None else stated.depth_mm
    pocket = stated.diameter_mm + stated.allowance_mm
    return tuple(MarkerPocket(x, y, depth, stated.diameter_mm, pocket) for x, y in places)


def _corner_places(settings: CaseSettings) -> tuple[tuple[float, float], ...]:
    """Middles between four holes near the corners that no turn and no mirror exchanges.

    One in its corner, the others up to four holes away from theirs along a side: those whose
    distances from each other change most, at the least, when any of them are taken for others. So a
    scan cannot be registered the wrong way round.
    """
    points = _lattice(settings)
    xs, ys = (np.array(sorted({getattr(p, k) for p in points})) for k in ("x_mm", "y_mm"))
    x, y = 0.5 * (xs[:-1] + xs[1:]), 0.5 * (ys[:-1] + ys[1:])
    best, most_mm = None, 0.5 * settings.template.pitch_mm
    if min(len(x), len(y)) > _AWAY:
        for a, b, c in product(range(_AWAY + 1), repeat=3):
            places = np.array([(x[0], y[0]), (x[-1 - a], y[0]), (x[-1], y[-1 - b]), (x[c], y[-1])])
            change_mm = _least_change_mm(places)
            if change_mm > most_mm + 1e-9:
                best, most_mm = places, change_mm
    if best is None:
        raise CaseError(
            f"[markers]: a lattice of {len(xs)} x {len(ys)} holes is too small for four pockets "
            "that tell every side apart; state positions_mm"
        )
    return tuple((float(px), float(py)) for px, py in best)


def _least_change_mm(places_mm: NDArray[np.float64]) -> float:
    """How much the distances between four places change at the least when some are exchanged."""
    apart = np.linalg.norm(places_mm[:, None] - places_mm[None], axis=2)
    others = [order for order in permutations(range(4)) if order != (0, 1, 2, 3)]
    return min(float(np.abs(apart[np.ix_(order, order)] - apart).max()) for order in others)


def _lattice(settings: CaseSettings) -> tuple[LatticePoint, ...]:
    plate = settings.template
    return lattice_points(plate.size_mm, plate.pitch_mm, plate.edge_mm)


def check_plate_case(settings: CaseSettings) -> tuple[PlanWarning, ...]:
    """Lay out the plates that a case asks for before anything is planned.

    Returns
    -------
    tuple of PlanWarning
        ``plate-rim``: what the rim has no room for.

    Raises
    ------
    CaseError
        If the lattice does not fit the plate, the id does not fit the rim, or a pocket or a
        mounting hole leaves no wall.
    """
    try:
        return _checked(settings)
    except GeometryError as error:
        raise CaseError(f"[template] {error}") from error


def _checked(settings: CaseSettings) -> tuple[PlanWarning, ...]:
    features = plate_features(settings)
    style = PlateStyle.of(features)
    bore = settings.bore_for_mm(settings.needle.gauge)
    frame = np.eye(4)
    frame[:3, :3] = _WIDEST_FRAME
    holes = tuple(Hole(p.label, p.x_mm, p.y_mm, HoleState.OPEN) for p in _lattice(settings))
    left_out: dict[str, None] = {}
    for number in range(1, max(1, len(settings.entry)) + 1):
        template = Template(
            f"T{number}",
            settings.template.size_mm,
            settings.template.pitch_mm,
            bore,
            0.0,
            frame,
            holes,
            (),
            features,
        )
        rim = lay_out_rim(template, RimText(settings.id, _ANY_HASH), style)
        left_out.update(dict.fromkeys(rim.left_out))
        if number == 1:  # the faces are alike
            check_lattice(template, holes, style)
            check_features(template, lay_out_face(template, holes, style).outline, style)
    if not left_out:
        return ()
    width, height, thickness = settings.template.size_mm
    return (
        PlanWarning(
            "plate-rim",
            f"The rim of a plate of {width:g} x {height:g} x {thickness:g} mm has no room for "
            f"{' and '.join(left_out)}: left out. A thicker or larger plate has it.",
        ),
    )
