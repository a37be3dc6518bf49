"""Turns the contours of one ROI into clean rings, and says what had to be left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.model import PlanWarning, Roi

PLANE_TOLERANCE_MM = 0.5
"""A ring whose points lie further off their common plane is no planar contour."""

SAME_POINT_MM = 1e-3
"""Points nearer than this are one point: DICOM writes coordinates to about 0.01 mm."""

CLOSED_TYPES = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})
XOR_TYPE = "CLOSEDPLANAR_XOR"


@dataclass(frozen=True, slots=True, eq=False)
class RawContour:
    """One contour as the file has it."""

    geometric_type: str
    data: bytes  # x\\y\\z\\x\\y\\z ... in decimal text
    stated_points: int | None = None  # Number of Contour Points (3006,0046)
    offset: str = ""  # Contour Offset Vector (3006,0045), '' or zero in practice


class _DamagedContourError(ValueError):
    """A contour that cannot be understood: leaving it out would change the shape unseen."""


def build_roi(
    name: str, number: int, contours: Iterable[RawContour]
) -> tuple[Roi | None, tuple[PlanWarning, ...]]:
    """Build one ROI from its contours.

    Points, open lines, two-point and non-planar contours are left out; a contour that is damaged
    (coordinates missing, not numbers) makes the whole ROI unusable.

    Parameters
    ----------
    name : str
        Its name, for the ROI and for every warning.
    number : int
        ROI Number (3006,0022).
    contours : iterable of RawContour
        In file order.

    Returns
    -------
    roi : Roi or None
        None when no closed ring is left or a contour is damaged.
    warnings : tuple of PlanWarning
        What was left out, and why.
    """
    rings: list[NDArray[np.float64]] = []
    left_out: Counter[str] = Counter()
    xor = False
    try:
        for contour in contours:
            kind = contour.geometric_type
            points = _points(contour)
            if kind not in CLOSED_TYPES:
                left_out[kind or "contour without a type"] += 1
            elif len(points) < 3:
                left_out[f"{kind} of fewer than three points"] += 1
            else:
                rings.append(points)
                xor = xor or kind == XOR_TYPE
    except _DamagedContourError as error:
        return None, (
            PlanWarning("roi-skipped", f"ROI {name!r} is left out: a contour is damaged ({error})"),
        )
    flat, bent = _planar(rings)
    if bent:
        left_out[f"ring more than {PLANE_TOLERANCE_MM:g} mm off its plane"] += bent
    unique, repeated = _without_repeats(flat)
    warnings = _warnings(name, left_out, len(unique), repeated)
    if not unique:
        return None, warnings
    return Roi(name, number, tuple(unique), xor=xor), warnings


def _points(contour: RawContour) -> NDArray[np.float64]:
    """Points of a contour, (n, 3), the first not repeated at the end."""
    text = contour.data.strip(b" \0")
    try:
        values = np.array([float(v) for v in text.split(b"\\")] if text else [], dtype=np.float64)
    except ValueError as error:
        raise _DamagedContourError("a coordinate is not a number") from error
    if values.size % 3:
        raise _DamagedContourError(f"{values.size} coordinates are not triples of x, y, z")
    if not np.all(np.isfinite(values)):
        raise _DamagedContourError("a coordinate is not finite")
    points = values.reshape(-1, 3)
    if contour.stated_points is not None and contour.stated_points != len(points):
        raise _DamagedContourError(
            f"{contour.stated_points} points are stated, {len(points)} are there"
        )
    if contour.offset.strip("[]0., -+") != "":
        raise _DamagedContourError("a contour offset vector is not supported")
    while len(points) > 1 and np.abs(points[-1] - points[0]).max() <= SAME_POINT_MM:
        points = points[:-1]
    return points


def plane_normal(rings: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Find the unit normal of the planes that most of the ring area of a ROI lies in.

    Parameters
    ----------
    rings : iterable of (n, 3) ndarray
        Rings in one frame.

    Returns
    -------
    (3,) ndarray of float64
        Its largest component is positive; [0, 0, 1] when no ring has an area.
    """
    areas = np.array([_area_vector(ring) for ring in rings])
    sizes = np.linalg.norm(areas, axis=1)
    if not sizes.max() > 0.0:
        return np.array([0.0, 0.0, 1.0])
    signs = np.where(areas @ areas[np.argmax(sizes)] < 0.0, -1.0, 1.0)
    normal = (signs[:, None] * areas).sum(axis=0)
    normal /= np.linalg.norm(normal)
    return np.asarray(normal * np.sign(normal[np.argmax(np.abs(normal))]))


def _area_vector(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    arms = ring - ring.mean(axis=0)
    return np.asarray(0.5 * np.cross(arms, np.roll(arms, -1, axis=0)).sum(axis=0))


def _planar(rings: list[NDArray[np.float64]]) -> tuple[list[NDArray[np.float64]], int]:
    """Rings that lie in planes across the ROI's normal, and how many do not."""
    if not rings:
        return [], 0
    normal = plane_normal(rings)
    flat = [
        ring
        for ring in rings
        if np.abs((ring - ring.mean(axis=0)) @ normal).max() <= PLANE_TOLERANCE_MM
    ]
    return flat, len(rings) - len(flat)


def _without_repeats(
    rings: list[NDArray[np.float64]],
) -> tuple[list[NDArray[np.float64]], int]:
    """Each ring once, wherever it starts and whichever way it runs; how many were dropped."""
    seen: set[bytes] = set()
    unique = []
    for ring in rings:
        key = _ring_key(ring)
        if key not in seen:
            seen.add(key)
            unique.append(ring)
    return unique, len(rings) - len(unique)


def _ring_key(ring: NDArray[np.float64]) -> bytes:
    grid = np.round(ring / SAME_POINT_MM).astype(np.int64)
    start = int(np.lexsort(grid.T[::-1])[0])
    forward = np.roll(grid, -start, axis=0)
    backward = np.roll(forward[::-1], 1, axis=0)
    return min(forward.tobytes(), backward.tobytes())


def _warnings(
    name: str, left_out: Counter[str], kept: int, repeated: int
) -> tuple[PlanWarning, ...]:
    warnings = []
    reasons = ", ".join(f"{count} x {kind}" for kind, count in left_out.items())
    if not kept:
        why = reasons or "it has no contours"
        warnings.append(
            PlanWarning(
                "roi-skipped",
                f"ROI {name!r} is left out: {why}; only closed planar contours enclose a volume",
            )
        )
    elif left_out:
        warnings.append(
            PlanWarning(
                "contour-skipped",
                f"ROI {name!r}: contours left out: {reasons}; {kept} closed rings are used",
            )
        )
    if repeated:
        warnings.append(
            PlanWarning(
                "ring-repeated",
                f"ROI {name!r}: {repeated} rings are drawn twice; each is used once",
            )
        )
    return tuple(warnings)
