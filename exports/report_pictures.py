"""The pictures of a report: one line each, drawn once a plan however many files show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial

from exports import dvh_plot, preview, report_reach, slices, views
from exports.opengl import SkippedFileError
from exports.report_document import Picture
from template_designer.model import Plan

Drawn = bytes | Mapping[str, bytes]
"""One picture (PNG), or several by their names."""

NO_CASE = (
    "plan.json alone holds no images and no surfaces: add --case CASE.toml, and this picture is "
    "drawn"
)


class Place(Enum):
    """Section of a report that a picture stands in, by its anchor."""

    PICTURES = "pictures"
    DOSE = "dose"  # above the metrics
    REACH = "loading"  # beside what seeds reach


@dataclass(frozen=True, slots=True)
class PictureKind:
    """What a report shows: how it is called, what it shows, what draws it."""

    title: str
    caption: str
    build: Callable[[Plan], Drawn]
    place: Place = Place.PICTURES
    only_full: bool = False  # takes seconds: left out of the report that ``design`` writes


@lru_cache(maxsize=8)  # by the plan itself: every kind of picture for two plans
def drawn_once(build: Callable[[Plan], Drawn], plan: Plan) -> Drawn:
    """What ``build`` makes of a plan; a second file that shows it does not draw it again.

    Raises
    ------
    SkippedFileError
        If this machine cannot draw it: the text names what to install.
    """
    return build(plan)


def once(build: Callable[[Plan], Drawn]) -> Callable[[Plan], Drawn]:
    """The same pictures, drawn once a plan: for files that reports show too."""
    return partial(drawn_once, build)


PICTURES: tuple[PictureKind, ...] = (
    PictureKind(
        "The plan at a glance",
        "Left: plate, needles and target as somebody beside the operator sees them. Right: the "
        "target with its seeds and the prescription isodose, from the side.",
        preview.build,
    ),
    PictureKind(
        "View",
        "Needles, seeds, target and organs; L, R, H, F, A, P are the patient's directions.",
        views.build,
        only_full=True,
    ),
    PictureKind(
        "CT slices",
        "The CT with contours, needles, seeds and isodose lines as planned.",
        slices.build,
        only_full=True,
    ),
    PictureKind(
        "Dose-volume histograms",
        "Part of each structure that gets a dose or more, with the goals marked.",
        dvh_plot.build,
        Place.DOSE,
    ),
    PictureKind(
        "What seeds reach",
        "Hatched: the part of the target that no permitted seed comes near. Two slices through its "
        "middle, and what hides it.",
        report_reach.build,
        Place.REACH,
    ),
)
"""In the order in which they are shown."""


def pictures(plan: Plan, place: Place, *, full: bool = True) -> tuple[Picture, ...]:
    """The pictures of a plan in one section; in the place of one that cannot be drawn stands why.

    Without ``full`` those that take seconds are left out.
    """
    kinds = [k for k in PICTURES if k.place is place and (full or not k.only_full)]
    return tuple(picture for kind in kinds for picture in _of_kind(kind, plan))


def left_out() -> str:
    """What the report that ``design`` writes does not show; empty where it shows everything."""
    return ", ".join(kind.title for kind in PICTURES if kind.only_full)


def missing_pictures(plan: Plan) -> tuple[str, ...]:
    """A line for every picture that a report of the plan cannot show."""
    found = [picture for place in Place for picture in pictures(plan, place)]
    return tuple(f"{item.title}: {item.missing}" for item in found if item.png is None)


def _of_kind(kind: PictureKind, plan: Plan) -> tuple[Picture, ...]:
    if not plan.surfaces:
        return (Picture(kind.title, kind.caption, None, NO_CASE),)
    try:
        made = drawn_once(kind.build, plan)
    except SkippedFileError as reason:
        return (Picture(kind.title, kind.caption, None, str(reason)),)
    if isinstance(made, bytes):
        return (Picture(kind.title, kind.caption, made),)
    return tuple(Picture(f"{kind.title}: {name}", kind.caption, png) for name, png in made.items())
