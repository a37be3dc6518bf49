"""A rendered view with what makes it readable: title, legend, directions, cube and scale in mm."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from numpy.typing import NDArray

from exports.drawn3d import View, scale_length_mm
from exports.pdf_fonts import shown
from exports.views_cameras import IMAGE_PX
from template_designer._version import SOFTWARE_NAME
from template_designer.frames import direction_letters

WIDTH_PX, HEIGHT_PX = 1600, 1200
IMAGE_LEFT_PX, IMAGE_TOP_PX = 8, 108
"""Where the rendered view stands on the page, from its upper left corner."""

_DPI = 100
_COLUMN_PX = IMAGE_LEFT_PX + IMAGE_PX[0] + 22
_LINE_PX = 27
_LONGEST_NAME = 32
_FACES = (
    *(("L", (1, 0, 0)), ("R", (-1, 0, 0)), ("P", (0, 1, 0))),
    *(("A", (0, -1, 0)), ("H", (0, 0, 1)), ("F", (0, 0, -1))),
)
_LEAST_FACING = 0.2
"""Of a cube's face towards the viewer: on a narrower one no letter can be read."""


@dataclass(frozen=True, slots=True)
class LegendPart:
    """A heading of one line or more, and what each colour under it means."""

    heading: str
    entries: Sequence[tuple[str, str]]  # text, colour


@dataclass(frozen=True, slots=True)
class Note:
    """A short text beside a place of the patient, such as a needle's label."""

    text: str
    place_lps_mm: NDArray[np.float64]


def page(
    image: NDArray[np.uint8],
    view: View,
    titles: tuple[str, str],
    legend: Sequence[LegendPart],
    notes: Sequence[Note] = (),
) -> bytes:
    """The page as PNG, 1600 x 1200, signed near its start and without a time stamp.

    Parameters
    ----------
    image : (1084, 1220, 3) ndarray of uint8
        What was rendered through ``view``.
    view : View
        The camera.
    titles : tuple of str
        The large line and the small one.
    legend : sequence of LegendPart
        From top to bottom.
    notes : sequence of Note
        Drawn where ``view`` projects them.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=(WIDTH_PX / _DPI, HEIGHT_PX / _DPI), dpi=_DPI, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH_PX)
        axes.set_ylim(HEIGHT_PX, 0)  # pixels, from the upper left corner
        bottom = HEIGHT_PX - IMAGE_TOP_PX - IMAGE_PX[1]
        figure.figimage(image, IMAGE_LEFT_PX, bottom, origin="upper", zorder=-1)
        corner = (IMAGE_LEFT_PX, IMAGE_TOP_PX)
        axes.add_patch(Rectangle(corner, *IMAGE_PX, fill=False, edgecolor="0.6"))
        _text(axes, 14, 16, _short(titles[0], 90), 20, weight="bold")
        _text(axes, 14, 62, _short(titles[1], 130), 14)
        _text(axes, WIDTH_PX - 14, 16, "Planning aid, not a medical device", 10, ha="right")
        _draw_edge_letters(axes, view)
        _draw_scale_bar(axes, view)
        _draw_notes(axes, view, notes)
        _draw_cube(axes, view)
        _draw_legend(axes, legend)
        buffer = io.BytesIO()
        title = f"{titles[0]}: {titles[1]}".encode("ascii", "replace").decode("ascii")[:150]
        canvas.print_png(buffer, metadata={"Software": SOFTWARE_NAME, "Title": title})
    return buffer.getvalue()


def edge_letters(view: View) -> dict[str, str]:
    """Patient direction at each edge of a picture: one of L, R, A, P, H, F, or two if oblique."""
    return {
        "left": direction_letters(-view.right_lps),
        "right": direction_letters(view.right_lps),
        "top": direction_letters(view.up_lps),
        "bottom": direction_letters(-view.up_lps),
    }


def cube_letters(view: View) -> dict[str, tuple[float, float]]:
    """Letters on the faces of the cube that can be seen: how far right and up of its middle.

    In half edges of the cube.
    """
    return {
        letter: (float(np.dot(normal, view.right_lps)), float(np.dot(normal, view.up_lps)))
        for letter, normal in _FACES
        if -np.dot(normal, view.forward_lps) > _LEAST_FACING
    }


def _text(axes: Any, x_px: float, y_px: float, text: str, size: float, **more: Any) -> None:
    """A text as it stands: no letter of a name is a command, none is lost."""
    settings = {"va": "top", "ha": "left", "parse_math": False, **more}
    axes.text(x_px, y_px, shown(text), fontsize=size, **settings)


def _short(text: str, longest: int) -> str:
    text = shown(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _draw_edge_letters(axes: Any, view: View) -> None:
    left, top = IMAGE_LEFT_PX, IMAGE_TOP_PX
    middle_x, middle_y = left + IMAGE_PX[0] / 2, top + IMAGE_PX[1] / 2
    places = {
        "left": (left + 34, middle_y),
        "right": (left + IMAGE_PX[0] - 34, middle_y),
        "top": (middle_x, top + 26),
        "bottom": (middle_x, top + IMAGE_PX[1] - 26),
    }
    box = {"facecolor": "white", "edgecolor": "0.6", "alpha": 0.85, "pad": 4.0}
    for edge, letters in edge_letters(view).items():
        _text(axes, *places[edge], letters, 18, weight="bold", ha="center", va="center", bbox=box)


def _draw_scale_bar(axes: Any, view: View) -> None:
    """A bar of a round number of millimetres, true in the picture's plane."""
    px_per_mm = 0.5 * IMAGE_PX[1] / view.half_height_mm
    length_mm = scale_length_mm(0.22 * IMAGE_PX[0] / px_per_mm)
    right = IMAGE_LEFT_PX + IMAGE_PX[0] - 30
    left, y = right - length_mm * px_per_mm, IMAGE_TOP_PX + IMAGE_PX[1] - 24
    box = (left - 12, y - 40), right - left + 24, 54
    axes.add_patch(Rectangle(*box, facecolor="white", edgecolor="none", alpha=0.8))
    axes.plot([left, right], [y, y], color="0.1", lw=4, solid_capstyle="butt")
    _text(axes, 0.5 * (left + right), y - 8, f"{length_mm} mm", 13, ha="center", va="bottom")


def _draw_notes(axes: Any, view: View, notes: Sequence[Note]) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6}
    for note in notes:
        column, row = view.projected(note.place_lps_mm, IMAGE_PX)[0]
        if 20 < column < IMAGE_PX[0] - 20 and 20 < row < IMAGE_PX[1] - 20:
            place = (IMAGE_LEFT_PX + column, IMAGE_TOP_PX + row)
            _text(axes, *place, note.text, 10.5, weight="bold", ha="center", va="center", bbox=box)


def _draw_cube(axes: Any, view: View) -> None:
    """A cube that stands as the patient does, with a letter on every face that can be read."""
    centre, half_px = np.array([_COLUMN_PX + 165.0, IMAGE_TOP_PX + 82.0]), 48.0
    right, up, forward = view.right_lps, view.up_lps, view.forward_lps
    for letter, normal in _FACES:
        facing = -float(np.dot(normal, forward))
        if facing < 1e-6:
            continue
        axis = int(np.argmax(np.abs(normal)))
        first, second = np.roll(np.eye(3), axis, axis=1)[1], np.roll(np.eye(3), axis, axis=1)[2]
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        corners = [np.asarray(normal) + i * first + j * second for i, j in signs]
        flat = [centre + half_px * np.array([c @ right, -(c @ up)]) for c in corners]
        shade = f"{0.72 + 0.26 * facing:.3f}"
        axes.add_patch(Polygon(flat, facecolor=shade, edgecolor="0.25", lw=1.5))
        if letter in cube_letters(view):
            across, above = cube_letters(view)[letter]
            place = centre + half_px * np.array([across, -above])
            size = 12 + 8 * min(1.0, facing)
            style: dict[str, Any] = {"weight": "bold", "ha": "center", "va": "center"}
            _text(axes, float(place[0]), float(place[1]), letter, size, **style)


def _draw_legend(axes: Any, legend: Sequence[LegendPart]) -> None:
    y = IMAGE_TOP_PX + 190.0
    for part in legend:
        for line in part.heading.split("\n"):
            _text(axes, _COLUMN_PX, y, _short(line, _LONGEST_NAME + 3), 12, weight="bold")
            y += _LINE_PX - 3
        y += 3
        for text, colour in part.entries:
            box = (_COLUMN_PX, y), 26, 17
            axes.add_patch(Rectangle(*box, facecolor=colour, edgecolor="0.3", lw=0.8))
            _text(axes, _COLUMN_PX + 36, y - 1, _short(text, _LONGEST_NAME), 12)
            y += _LINE_PX
        y += 16
