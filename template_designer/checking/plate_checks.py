"""The printed models: closed, bored where the plan says and nowhere else, not mirrored."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from template_designer.checking.evidence import Evidence
from template_designer.checking.lines import (
    CheckLine,
    State,
    all_same,
    at_least,
    at_most,
    failed,
)
from template_designer.checking.plate import PlateModel
from template_designer.checking.reading import likeness
from template_designer.checking.record import HoleRecord, TemplateRecord

SIZE_MM = 0.01
"""STL keeps single precision: 4e-6 mm at 50 mm. The contract allows 0.01 mm."""

BORE_MM = 0.02
"""A bore's polygon stands outside its circle by 0.007 mm; the contract allows 0.02 mm."""

POCKET_MM = 0.05
"""A pocket's bottom is flat or lies between chords of its sphere: 0.02 mm and rounding."""

RAYS = 24
"""Rays round each bore, inside its wall and outside it."""

SOLID_PART = 0.5
"""Where there is no hole at least this part of the thickness is material: engraving is shallow."""

READABLE, CLEARER = 0.5, 0.15
"""The labels must fit the engraving this well, and this much better than any other way round."""

CORNER_MM = 0.8
"""A point this far from both edges is solid in a rounded corner of 2 mm and free in a cut one."""

STATES = {
    "lattice": {"planned", "open", "blocked"},
    "safe": {"planned", "open"},
    "plan": {"planned"},
}
"""Holes that are printed, by ``template.holes`` of the case."""


def check_plates(evidence: Evidence) -> Iterator[CheckLine]:
    """All checks of every plate."""
    for template in evidence.plan.templates:
        model = evidence.plates[template.name]
        part = f"{template.name} " if len(evidence.plan.templates) > 1 else ""
        yield from _body(part, template, model)
        if model.open_edges:
            yield failed(f"{part}model holes", "rays along the bores", "the model is not closed")
            continue
        yield from _holes(part, template, model, evidence)
        yield from _features(part, template, model)
        yield from _handedness(part, template, model)


def _body(part: str, template: TemplateRecord, model: PlateModel) -> Iterator[CheckLine]:
    name = f"{part}model is closed"
    yield at_most(name, "edges that do not join two triangles", [("", model.open_edges)], 0, "", 0)
    yield at_most(f"{part}model is one body", "separate pieces", [("", model.bodies)], 1, "", 0)
    width, height, thickness = template.size_mm
    full = width * height * thickness
    name, compared = f"{part}model volume", "share of its box, right side out"
    yield at_least(name, compared, [("", model.volume_mm3 / full)], 0.5, "", 3)
    expected = np.array([[-width / 2, -height / 2, 0.0], [width / 2, height / 2, thickness]])
    off = np.abs(model.bounds_mm - expected)
    found = [(axis, float(off[:, n].max())) for n, axis in enumerate("XYZ")]
    yield at_most(f"{part}model size", "box with size_mm, patient face on Z = 0", found, SIZE_MM)


def _holes(
    part: str, template: TemplateRecord, model: PlateModel, evidence: Evidence
) -> Iterator[CheckLine]:
    """Rays along every position of the lattice, its rim, and outside its rim."""
    centres = np.array([(hole.x_mm, -hole.y_mm) for hole in template.holes])
    radii = np.array([0.5 * template.bore_of(hole) for hole in template.holes])
    middle = model.solid_mm(centres)
    free = np.maximum(middle, _ring(model, centres, radii - 0.5 * BORE_MM).max(axis=1))
    wall = _ring(model, centres, radii + 0.5 * BORE_MM).min(axis=1)
    thickness = template.size_mm[2]
    bored = middle < SOLID_PART * thickness
    printed, why = _printed(template, bored, evidence)
    wrong = [
        f"{hole.label} ({hole.state}) is {'open' if is_open else 'solid'}"
        for hole, is_open in zip(template.holes, bored, strict=True)
        if is_open != (hole.state in printed)
    ]
    yield all_same(f"{part}holes printed", f"open and solid positions, {why}", wrong, len(bored))
    at = [n for n, hole in enumerate(template.holes) if hole.state in printed]
    labels = [template.holes[n].label for n in at]
    name, compared = f"{part}bores are free", "material on rays inside the bore"
    yield at_most(name, compared, list(zip(labels, free[at].tolist(), strict=True)), 0.0)
    name, compared = f"{part}bores are no wider", "least part of material just outside the bore"
    share = (wall[at] / thickness).tolist()
    yield at_least(name, compared, list(zip(labels, share, strict=True)), SOLID_PART, "", 3)
    blocked = [n for n, hole in enumerate(template.holes) if hole.state not in printed]
    if blocked:
        rim = (
            np.minimum(middle, _ring(model, centres, 0.5 * radii).min(axis=1))[blocked] / thickness
        )
        name, compared = f"{part}other positions are solid", "least part of material"
        names = [template.holes[n].label for n in blocked]
        found = list(zip(names, rim.tolist(), strict=True))
        yield at_least(name, compared, found, SOLID_PART, "", 3)
    asked = len(at) + len(template.mounting_holes)
    extra = [("", float(abs(model.through_holes - asked)))]
    compared = f"holes through the body (Euler's formula: {model.through_holes}) with the plan"
    yield at_most(f"{part}number of holes", compared, extra, 0, "", 0)


def _features(part: str, template: TemplateRecord, model: PlateModel) -> Iterator[CheckLine]:
    """Mounting holes are open; marker pockets end where the sphere's centre says, towards Z = 0."""
    if template.mounting_holes:
        centres = np.array([(hole.x_mm, -hole.y_mm) for hole in template.mounting_holes])
        radii = np.array([0.5 * hole.diameter_mm for hole in template.mounting_holes])
        free = np.maximum(
            model.solid_mm(centres), _ring(model, centres, radii - 0.5 * BORE_MM).max(axis=1)
        )
        name, compared = f"{part}mounting holes", "material on rays inside"
        found = [(str(n), float(left)) for n, left in enumerate(free, start=1)]
        yield at_most(name, compared, found, 0.0)
    if template.markers:
        centres = np.array([(m.center_mm[0], -m.center_mm[1]) for m in template.markers])
        bottom = np.array([0.5 * m.sphere_mm - m.center_mm[2] for m in template.markers])
        off = np.abs(template.size_mm[2] - bottom - model.solid_mm(centres))
        name, compared = f"{part}marker pockets", "depth on the axis with centre and sphere"
        found = [(str(n), float(gap)) for n, gap in enumerate(off, start=1)]
        yield at_most(name, compared, found, POCKET_MM)
        moved = [
            float(np.linalg.norm(template.frame @ [*m.center_mm, 1.0] - [*m.center_lps_mm, 1.0]))
            for m in template.markers
        ]
        name, compared = f"{part}marker centres", "patient frame with the template's frame"
        yield at_most(name, compared, [(str(n), d) for n, d in enumerate(moved, start=1)], 0.001)


def _printed(
    template: TemplateRecord, bored: NDArray[np.bool_], evidence: Evidence
) -> tuple[set[str], str]:
    """States of holes that should be printed; without the case, the choice that fits best."""
    if evidence.case is not None:
        choice = str(evidence.case.template.holes)
        return STATES[choice], f"holes = {choice!r}"

    def misses(states: set[str]) -> int:
        return sum((h.state in states) != o for h, o in zip(template.holes, bored, strict=True))

    choice = min(STATES, key=lambda name: misses(STATES[name]))
    return STATES[choice], f"as with holes = {choice!r}"


def _ring(
    model: PlateModel, centres: NDArray[np.float64], radii: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Material on rays round every centre, (n, RAYS)."""
    angles = (np.arange(RAYS) + 0.37) * (2.0 * np.pi / RAYS)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    points = centres[:, None, :] + radii[:, None, None] * circle
    return model.solid_mm(points.reshape(-1, 2)).reshape(len(centres), RAYS)


def _handedness(part: str, template: TemplateRecord, model: PlateModel) -> Iterator[CheckLine]:
    """The cut corner is at A1, and the engraving reads as the labels."""
    x, y = 0.5 * template.size_mm[0] - CORNER_MM, 0.5 * template.size_mm[1] - CORNER_MM
    names = ("at A1", "right of it", "below it", "across from it")
    cut = model.solid_mm(np.array([(-x, y), (x, y), (-x, -y), (x, -y)])) == 0.0
    wrong = [
        f"the corner {name} is {'cut' if is_cut else 'not cut'}"
        for name, is_cut in zip(names, cut, strict=True)
        if is_cut != (name == "at A1")
    ]
    yield all_same(f"{part}cut corner", "corners of the model", wrong, 4)
    yield _engraving(f"{part}engraved labels", template, model)


def _engraving(name: str, template: TemplateRecord, model: PlateModel) -> CheckLine:
    compared = "letters along +x, numbers along +y, none mirrored"
    columns: dict[str, float] = {}
    rows: dict[str, float] = {}
    for hole in template.holes:
        letters, number = _split(hole)
        columns[letters], rows[number] = hole.x_mm, -hole.y_mm
    if not model.engraved:
        return failed(name, compared, "nothing is engraved on the operator face")
    half = (0.5 * template.size_mm[0], 0.5 * template.size_mm[1])
    found = likeness(model.engraved, columns, rows, half, template.bore_mm)
    right = found.pop("as it should be")
    other = max(found, key=lambda way: found[way])
    limit = f"at least {READABLE:g}, and {CLEARER:g} clearer than any other way"
    text = f"{right:.2f} read as it should be, {found[other]:.2f} {other}"
    sound = right >= READABLE and right - found[other] >= CLEARER
    return CheckLine(name, compared, text, limit, State.OK if sound else State.FAIL)


def _split(hole: HoleRecord) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Z]+)([0-9]+)", hole.label)
    return (match[1], match[2]) if match else (hole.label, hole.label)
