"""CT slices for the page: pictures by numpy alone, and what is drawn over them as lines in mm.

Three planes across the patient's axes: axial seen from the feet, sagittal from the left, coronal
from the front. Lines are paths of SVG in the plane's own millimetres, y downwards.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import contourpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from exports.isodoses import LEVELS_PCT
from exports.slice_layers import (
    AIR_HU,
    Outlines,
    Window,
    ct_values,
    labelled_needles,
    needle_parts,
    seed_marks,
)
from exports.slice_looks import ISODOSES
from exports.slice_planes import Plane
from template_designer.errors import CaseError
from template_designer.model import ImageVolume
from template_designer.page.draft import Draft

SOFT_TISSUE = (40.0, 400.0)
BONE = (400.0, 1800.0)
LUNG = (-500.0, 1500.0)
"""Level and width of windows, HU."""

ALIGNED = 1.0 - 1e-6
"""Cosine from which an axis of the CT counts as one of the patient's."""

LEFT, POSTERIOR, HEAD = np.eye(3)


class Section(StrEnum):
    """Which way the patient is cut."""

    AXIAL = "axial"
    SAGITTAL = "sagittal"
    CORONAL = "coronal"

    @property
    def axis(self) -> int:
        """Index of the LPS axis across the plane."""
        return {"axial": 2, "sagittal": 0, "coronal": 1}[self.value]

    def at(self, place_mm: float) -> Plane:
        """The plane at a place on its axis, LPS, mm."""
        name = f"{'xyz'[self.axis]} = {place_mm:.1f} mm"
        match self:
            case Section.AXIAL:
                return Plane("Axial", name, LEFT, -POSTERIOR, place_mm)
            case Section.SAGITTAL:
                return Plane("Sagittal", name, POSTERIOR, HEAD, -place_mm)
            case _:
                return Plane("Coronal", name, LEFT, HEAD, place_mm)


@dataclass(frozen=True, slots=True)
class GreyScale:
    """Which CT numbers are black and which are white."""

    level_hu: float = SOFT_TISSUE[0]
    width_hu: float = SOFT_TISSUE[1]

    def __post_init__(self) -> None:
        if not (-2000.0 <= self.level_hu <= 4000.0 and 1.0 <= self.width_hu <= 8000.0):
            raise CaseError(
                f"level {self.level_hu:g} HU and width {self.width_hu:g} HU show nothing; take a "
                "level of -2000 to 4000 and a width of 1 to 8000"
            )

    def grey(self, hu: NDArray[Any]) -> NDArray[np.uint8]:
        """CT numbers as grey from 0 to 255."""
        low = self.level_hu - 0.5 * self.width_hu
        part = (np.asarray(hu, dtype=np.float32) - low) * (255.0 / self.width_hu)
        return np.clip(np.rint(part), 0.0, 255.0).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class CtSlice:
    """CT numbers in one plane; the window ends at the outer edges of its pixels."""

    hu: NDArray[Any]  # [row from the top, column from the left]
    window: Window  # outer edges of the picture, mm


def bounds_of(image: ImageVolume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest LPS coordinates that voxels reach, mm, (3,) each."""
    high = np.array(image.hu.shape[::-1]) - 0.5
    corners = np.array([[(-0.5, high[k])[i >> k & 1] for k in range(3)] for i in range(8)])
    lps = image.origin_lps_mm + (corners * image.spacing_mm) @ image.axes_lps
    return lps.min(axis=0), lps.max(axis=0)


def ct_slice(image: ImageVolume, section: Section, place_mm: float) -> CtSlice:
    """The CT in a plane across the patient; between slices, linear.

    Voxels are taken as they are where the CT lies along the patient's axes; else they are sampled.
    """
    plane = section.at(place_mm)
    low, high = bounds_of(image)
    flat = plane.flat(np.stack([low, high]))
    window = Window(*np.sort(flat[:, 0]).tolist(), *np.sort(flat[:, 1]).tolist())
    which = np.argmax(np.abs(image.axes_lps), axis=1)  # LPS axis of columns, rows, slices
    if not np.abs(image.axes_lps[np.arange(3), which]).min() > ALIGNED:
        across, along = window.raster()  # middles of pixels: the picture reaches half of one past
        x, y = 0.5 * (across[1] - across[0]), 0.5 * (along[1] - along[0])
        grown = Window(
            window.left_mm - x, window.right_mm + x, window.bottom_mm - y, window.top_mm + y
        )
        return CtSlice(ct_values(image, plane, window)[::-1], grown)
    axis = int(np.flatnonzero(which == section.axis)[0])  # of the image: columns, rows, slices
    step = image.spacing_mm[axis] * image.axes_lps[axis, section.axis]
    index = (place_mm - image.origin_lps_mm[section.axis]) / step
    hu = _between(image.hu, 2 - axis, float(index))
    rest = [n for n in (2, 1, 0) if n != axis]  # image axes of the rows and columns of hu
    vertical = int(np.argmax(np.abs(plane.up_lps)))
    if which[rest[0]] != vertical:
        hu, rest = hu.T, rest[::-1]
    if image.axes_lps[rest[0]] @ plane.up_lps > 0.0:
        hu = hu[::-1]
    if image.axes_lps[rest[1]] @ plane.right_lps < 0.0:
        hu = hu[:, ::-1]
    return CtSlice(hu, window)


def _between(hu: NDArray[np.int16], axis: int, index: float) -> NDArray[Any]:
    """One layer of a volume along an axis, between two of them linear; air beyond its end."""
    last = hu.shape[axis] - 1
    if not -0.5 <= index <= last + 0.5:
        return np.full([n for k, n in enumerate(hu.shape) if k != axis], AIR_HU, dtype=np.int16)
    index = min(max(index, 0.0), float(last))
    first = min(int(index), max(last - 1, 0))
    part = np.float32(index - first)
    lower = hu.take(first, axis=axis)
    if part < 1e-6:
        return lower
    return lower + part * (hu.take(first + 1, axis=axis) - lower.astype(np.float32))


def as_png(grey: NDArray[np.uint8]) -> str:
    """A grey picture as the address of a PNG that holds itself."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def slice_picture(
    image: ImageVolume, draft: Draft, section: Section, place_mm: float, scale: GreyScale
) -> dict[str, Any]:
    """One slice with isodoses, needles and seeds, as the page draws it."""
    cut = ct_slice(image, section, place_mm)
    plane, window = section.at(place_mm), cut.window
    wide, high = window.size_mm
    left, right, top, bottom = plane.letters()
    plan = draft.plan
    labelled = labelled_needles(plan)
    pitch_mm = max(template.pitch_mm for template in plan.templates)
    parts = needle_parts(labelled, plane, 0.5 * pitch_mm)
    near = [labelled[label] for label in dict.fromkeys(part.label for part in parts)]
    return {
        "section": section.value,
        "at": place_mm,
        "place": plane.place,
        "picture": as_png(scale.grey(cut.hu)),
        "box": _rounded([window.left_mm, -window.top_mm, wide, high]),
        "letters": {"left": left, "right": right, "top": top, "bottom": bottom},
        "isodoses": _isodoses(draft, section, place_mm),
        "needles": [
            {
                "label": part.label,
                "line": _path([part.ends_mm], closed=False),
                "inside": part.in_plane,
            }
            for part in parts
        ],
        "seeds": [
            {
                "at": _rounded([mark.center_mm[0], -mark.center_mm[1]]),
                "axis": _rounded([mark.axis[0], -mark.axis[1]]),
                "inside": mark.in_plane,
            }
            for mark in seed_marks(near, plane, pitch_mm)
        ],
    }


def outlines_of(
    outlines: Outlines, image: ImageVolume, names: Iterable[str], section: Section, place_mm: float
) -> dict[str, str]:
    """Outlines of structures in a plane, as paths by name; only of those that it cuts."""
    plane = section.at(place_mm)
    flat = plane.flat(np.stack(bounds_of(image)))
    window = Window(*np.sort(flat[:, 0]).tolist(), *np.sort(flat[:, 1]).tolist())
    paths = {name: _path(outlines.cut(name, plane, window), closed=True) for name in names}
    return {name: path for name, path in paths.items() if path}


def isodose_levels(prescription_gy: float) -> list[dict[str, Any]]:
    """Levels, colours and texts of the isodoses that are drawn: as on the sheets of slices."""
    return [
        {
            "key": f"{pct:g}",
            "colour": colour,
            "text": f"{pct:g} %: {0.01 * pct * prescription_gy:g} Gy",
        }
        for pct, colour, _, _ in ISODOSES
    ]


def _isodoses(draft: Draft, section: Section, place_mm: float) -> Mapping[str, str]:
    """Lines of equal dose in a plane, as paths by level in percent."""
    grid, plane = draft.wide_dose.grid, section.at(place_mm)
    axes = [
        grid.origin_mm[k] + grid.spacing_mm[k] * np.arange(n)
        for k, n in enumerate(grid.shape[::-1])
    ]
    if min(len(axis) for axis in axes) < 2:
        return {}
    across = int(np.argmax(np.abs(plane.right_lps)))
    along = int(np.argmax(np.abs(plane.up_lps)))
    place = np.zeros((len(axes[along]), len(axes[across]), 3))
    place[:, :, across], place[:, :, along] = np.meshgrid(axes[across], axes[along])
    place[:, :, section.axis] = place_mm
    points = place.reshape(-1, 3)
    dose_gy = draft.wide_dose.interpolate(points, outside_gy=0.0).reshape(place.shape[:2])
    flat = plane.flat(points).reshape(*place.shape[:2], 2)
    lines = contourpy.contour_generator(flat[:, :, 0], flat[:, :, 1], dose_gy)
    paths = {
        f"{pct}": _path(
            [np.asarray(line) for line in lines.lines(0.01 * pct * draft.plan.prescription_gy)],
            closed=False,
        )
        for pct in LEVELS_PCT
    }
    return {level: path for level, path in paths.items() if path}


def _path(lines: Iterable[NDArray[np.float64]], *, closed: bool) -> str:
    """Lines (n, 2) right and up, mm, as one path of SVG."""
    parts = []
    for line in lines:
        points = np.round(np.asarray(line) * (1.0, -1.0), 2) + 0.0
        if len(points) > 1:
            text = "L".join(f"{x:g} {y:g}" for x, y in points.tolist())
            parts.append(f"M{text}{'Z' if closed else ''}")
    return "".join(parts)


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 3) + 0.0 for value in values]
