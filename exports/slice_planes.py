"""Which planes the slice pictures show, and how each lies in the patient.

Axial planes stand at the level of each row of needles; a sagittal and a coronal one go through the
target's middle; oblique ones hold the needles of each column, and of each row where rows do not
lie axially. No plane is seen mirrored: right, up and the view form one right-handed frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from template_designer.model import Hole, ImageVolume, Needle, Plan, SurfaceRole, Template

SAME_LEVEL_MM = 0.05
"""Planes nearer than this are one: positions of a lattice are rounded to less."""

AXIAL_COSINE = 0.996
"""A plane tilted by less than 5 degrees shows what the axial one shows."""

_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))  # towards +x, +y, +z and back
_LETTER_PART = 0.38  # a direction over 22.5 degrees off an axis takes a second letter


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One plane through the patient as it is looked at; coordinates in mm from the LPS origin.

    A point ``p`` lies at ``p @ right_lps`` to the right, ``p @ up_lps`` up, and
    ``p @ forward_lps - offset_mm`` behind the plane.
    """

    title: str
    place: str  # where it lies, in words with units
    right_lps: NDArray[np.float64]  # (3,) unit
    up_lps: NDArray[np.float64]  # (3,) unit
    offset_mm: float

    @property
    def forward_lps(self) -> NDArray[np.float64]:
        """Direction of view: away from the reader, into the picture, (3,) unit."""
        return np.cross(self.up_lps, self.right_lps)

    @property
    def is_axial(self) -> bool:
        """Whether it lies across the patient, exactly."""
        return bool(abs(self.forward_lps[2]) > 1.0 - 1e-9)

    def flat(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """LPS points (n, 3) as they lie in the picture: (n, 2) right and up, mm."""
        return np.atleast_2d(points_lps_mm) @ np.column_stack([self.right_lps, self.up_lps])

    def behind_mm(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed distances of LPS points (n, 3), positive behind the plane, (n,)."""
        return np.atleast_2d(points_lps_mm) @ self.forward_lps - self.offset_mm

    def lps(self, flat_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the plane (n, 2) as LPS, (n, 3)."""
        axes = np.stack([self.right_lps, self.up_lps])
        return np.atleast_2d(flat_mm) @ axes + self.offset_mm * self.forward_lps

    def letters(self) -> tuple[str, str, str, str]:
        """What lies to the left, right, top and bottom of the picture, as ``"R"`` or ``"PL"``."""
        return (
            side_letters(-self.right_lps),
            side_letters(self.right_lps),
            side_letters(self.up_lps),
            side_letters(-self.up_lps),
        )


def side_letters(direction_lps: NDArray[np.float64]) -> str:
    """Patient directions that a unit vector points to, the strongest first.

    >>> side_letters(np.array([0.8, -0.6, 0.0]))
    'LA'
    """
    order = np.argsort(-np.abs(direction_lps), kind="stable")
    parts = [(int(axis), float(direction_lps[axis])) for axis in order]
    return "".join(
        _LETTERS[axis][0 if part > 0.0 else 1] for axis, part in parts if abs(part) > _LETTER_PART
    )


def axial_plane(title: str, z_mm: float) -> Plane:
    """An axial plane seen from the feet: the patient's left is on the right of the picture."""
    place = f"{_at('z', z_mm)}, seen from the feet"
    return Plane(title, place, np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]), z_mm)


def axial_planes(plan: Plan) -> tuple[Plane, ...]:
    """Axial planes at the rows of needles, from the head down.

    A row lies at the mean level of its seeds: the part of its needles in the target. Where a CT
    slice is within half a pitch, that slice is shown, as it was scanned and drawn on.
    """
    levels: dict[float, list[str]] = {}
    for template in plan.templates:
        rotation = np.asarray(template.lps_from_template)[:3, :3]
        axis = 1 if abs(rotation[2, 1]) >= abs(rotation[2, 0]) else 0
        for name, needles in _lines(plan, template, axis):
            row_mm = float(_seed_points(needles)[:, 2].mean())
            z_mm = _on_slice(plan.ct, row_mm, 0.5 * template.pitch_mm)
            known = next((z for z in levels if abs(z - z_mm) < SAME_LEVEL_MM), z_mm)
            levels.setdefault(known, []).append(f"{name} at {row_mm:.1f}")
    return tuple(
        axial_plane(f"Axial: {', '.join(levels[z])} mm", z) for z in sorted(levels, reverse=True)
    )


def middle_planes(plan: Plan) -> tuple[Plane, Plane]:
    """Sagittal and coronal plane through the middle of the target's volume."""
    x_mm, y_mm, _ = target_centre(plan).tolist()
    left, posterior, head = np.eye(3)
    return (
        Plane(
            "Sagittal: middle of the target",
            f"{_at('x', x_mm)}, seen from the left",
            posterior,
            head,
            -x_mm,
        ),
        Plane(
            "Coronal: middle of the target",
            f"{_at('y', y_mm)}, seen from the front",
            left,
            head,
            y_mm,
        ),
    )


def needle_planes(plan: Plan, template: Template) -> tuple[Plane, ...]:
    """Planes that hold the needles of each column; then of each row, unless they are axial.

    Columns are seen from the operator's right, needles pointing right, the operator's up above;
    rows from the operator's upper side, needles pointing up.
    """
    frame = np.asarray(template.lps_from_template)
    x, y, z = frame[:3, :3].T
    planes = []
    for axis, right, up, seen in ((0, z, -y, "right"), (1, x, z, "upper side")):
        forward = np.cross(up, right)
        if abs(forward[2]) > AXIAL_COSINE:
            continue
        for name, needles in _lines(plan, template, axis):
            entry = np.array(needles[0].entry_lps_mm)
            middle = _seed_points(needles).mean(axis=0)
            place = "x {:.1f}, y {:.1f}, z {:.1f} mm (LPS)".format(*middle)
            place = f"{place}, seen from the operator's {seen}"
            title = f"Needle plane: {name}"
            planes.append(Plane(title, place, right, up, float(entry @ forward)))
    return tuple(planes)


def target_centre(plan: Plan) -> NDArray[np.float64]:
    """Middle of the target's volume, (3,) LPS, mm; of the seeds where no target was drawn."""
    for role, surface in plan.surfaces.values():
        if role is SurfaceRole.TARGET:
            mesh = trimesh.Trimesh(surface.vertices_lps_mm, surface.faces, process=False)
            return np.asarray(mesh.center_mass)
    return _seed_points(plan.needles).mean(axis=0)


def _lines(plan: Plan, template: Template, axis: int) -> list[tuple[str, tuple[Needle, ...]]]:
    """Needles with seeds of each column (axis 0) or row (axis 1), along the lattice, by name."""
    holes: dict[str, Hole] = {hole.label: hole for hole in template.holes}
    lines: dict[float, list[Needle]] = {}
    for needle in template.needles:
        hole = holes[needle.label]
        place_mm = round(hole.x_mm if axis == 0 else hole.y_mm, 3)
        if needle.seeds:
            lines.setdefault(place_mm, []).append(needle)
    plate = f"{template.name} " if len(plan.templates) > 1 else ""
    return [
        (f"{plate}{_line_name(lines[at][0].label, axis)}", tuple(lines[at])) for at in sorted(lines)
    ]


def _line_name(label: str, axis: int) -> str:
    letters = label.rstrip("0123456789")
    return f"column {letters}" if axis == 0 else f"row {label[len(letters) :]}"


def _seed_points(needles: Sequence[Needle]) -> NDArray[np.float64]:
    return np.array([seed.center_lps_mm for needle in needles for seed in needle.seeds])


def _on_slice(ct: ImageVolume | None, z_mm: float, within_mm: float) -> float:
    """Level of the nearest CT slice, where slices are axial and one is that near; else the same."""
    if ct is None or abs(ct.axes_lps[2, 2]) < 1.0 - 1e-6:
        return z_mm
    step_mm = float(ct.spacing_mm[2] * ct.axes_lps[2, 2])
    k = round((z_mm - float(ct.origin_lps_mm[2])) / step_mm)
    slice_mm = float(ct.origin_lps_mm[2]) + k * step_mm
    inside = 0 <= k < ct.hu.shape[0]
    return slice_mm if inside and abs(slice_mm - z_mm) <= within_mm + 1e-6 else z_mm


def _at(axis: str, place_mm: float) -> str:
    return f"{axis} = {place_mm:.2f} mm (LPS)"
