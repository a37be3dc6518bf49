"""Needles and seeds: where they are, how deep, how near each other; from plan.json alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from template_designer.checking.evidence import Evidence
from template_designer.checking.lattice_checks import PLACE_MM
from template_designer.checking.lines import (
    CheckLine,
    all_same,
    at_least,
    at_most,
    failed,
    not_checked,
)
from template_designer.checking.segments import segment_distances_mm
from template_designer.model.needles import OUTER_DIAMETER_MM

LARGEST_ALLOWANCE_MM = 1.0
"""A bore wider than the needle by more than this does not guide it."""

PARALLEL_RAD = 1e-5
"""Ends rounded to 0.0001 mm turn an axis of 20 mm by less."""


def check_needles(evidence: Evidence) -> Iterator[CheckLine]:
    """Parallel, through their holes, from the patient face, as deep as stated."""
    turned, aside, face, depth, skin = [], [], [], [], []
    for (template, needle), name in zip(evidence.plan.needles, evidence.needle_names, strict=True):
        z = template.frame[:3, 2]
        turned.append((name, float(np.linalg.norm(needle.axis - z))))
        entry, tip = template.to_template([needle.entry, needle.tip])
        hole = next((hole for hole in template.holes if hole.label == needle.label), None)
        place = [np.nan, np.nan] if hole is None else [hole.x_mm, hole.y_mm]
        aside.append((name, float(np.abs(np.array([entry, tip])[:, :2] - place).max())))
        face.append((name, abs(float(entry[2]))))
        length = float(np.linalg.norm(needle.tip - needle.entry))
        depth.append((name, abs(template.size_mm[2] + length - needle.depth_mm)))
        skin.append((name, length - needle.skin_depth_mm))
    yield at_most(
        "needles are parallel", "axes with z of their plate", turned, PARALLEL_RAD, "rad", 7
    )
    yield at_most("needles pass their holes", "axis with the hole of its label", aside, PLACE_MM)
    yield at_most("entries lie on the plate", "entry with the patient face", face, PLACE_MM)
    yield at_most("depths", "depth_mm with plate thickness + entry to tip", depth, PLACE_MM)
    yield at_least("skin depths", "entry to tip less skin to tip (gap to skin)", skin, -PLACE_MM)


def check_lengths(evidence: Evidence) -> Iterator[CheckLine]:
    """Needles reach, and fit their bores."""
    hub = 0.0 if evidence.case is None else evidence.case.needle.hub_mm
    spare, wrong, bores = [], [], []
    for (template, needle), name in zip(evidence.plan.needles, evidence.needle_names, strict=True):
        spare.append((name, needle.length_mm - needle.depth_mm - hub))
        unknown = {needle.gauge, needle.widest_gauge} - set(OUTER_DIAMETER_MM)
        if unknown or needle.widest_gauge > needle.gauge:
            wrong.append(f"{name}: gauge {needle.gauge}, in the hole {needle.widest_gauge}")
            continue
        hole = next((hole for hole in template.holes if hole.label == needle.label), None)
        bore = template.bore_mm if hole is None else template.bore_of(hole)
        bores.append((name, bore - OUTER_DIAMETER_MM[needle.widest_gauge]))
    yield at_least("needle lengths", "length less depth and hub", spare, -PLACE_MM)
    yield all_same("gauges", "known gauges", wrong, len(spare))
    yield at_least("bores let needles pass", "bore less needle diameter", bores, 0.0)
    yield at_most("bores guide needles", "bore less needle diameter", bores, LARGEST_ALLOWANCE_MM)


def check_apart(evidence: Evidence) -> Iterator[CheckLine]:
    """Needles keep a pitch from each other, also those of different plates."""
    found = []
    both = list(zip(evidence.plan.needles, evidence.needle_names, strict=True))
    for ((plate_a, a), name_a), ((plate_b, b), name_b) in combinations(both, 2):
        away = segment_distances_mm(a.entry, a.tip, b.entry[None], b.tip[None])[0]
        pitch = max(plate_a.pitch_mm, plate_b.pitch_mm)
        found.append((f"{name_a} and {name_b}", float(away) - pitch))
    yield at_least("needles keep apart", "axis to axis less one pitch", found, -2.0 * PLACE_MM)


def check_seeds(evidence: Evidence) -> Iterator[CheckLine]:
    """Seeds lie in their needles, apart, and where their distance from the tip says."""
    source, case = evidence.source, evidence.case
    aside, told, past, gaps, wide = [], [], [], [], []
    if source is None:
        yield not_checked("seeds in needles", "seed positions", "no source tables")
        return
    length, diameter = source.capsule_mm
    least, most = (0.0, np.inf) if case is None else case.loading.seed_spacing_mm
    for (_, needle), name in zip(evidence.plan.needles, evidence.needle_names, strict=True):
        way = float(np.linalg.norm(needle.tip - needle.entry))
        places = []
        for seed in needle.seeds:
            offset = needle.tip - np.array(seed.center_lps_mm)
            along = float(offset @ needle.axis)
            aside.append((name, float(np.linalg.norm(offset - along * needle.axis))))
            told.append((name, abs(along - seed.from_tip_mm)))
            past.append((name, min(along, way - along) - 0.5 * length))
            places.append(along)
        order = sorted(places)
        if places != order:
            told.append((f"{name} (order)", np.nan))
        gaps += [(name, b - a - max(least, length)) for a, b in pairwise(order)]
        wide += [(name, b - a - most) for a, b in pairwise(order)]
    yield at_most("seeds on the axis", "seed centre with its needle's axis", aside, PLACE_MM)
    yield at_most("seeds from the tip", "from_tip_mm with the positions", told, PLACE_MM)
    yield at_least("seeds inside the needle", "capsule ends with tip and entry", past, -PLACE_MM)
    rule = "capsule length" if case is None else "spacing of the case and capsule length"
    yield at_least("seeds do not overlap", f"spacing less {rule}", gaps, -PLACE_MM)
    if case is not None:
        yield at_most(
            "seeds are near enough", "spacing less the widest of the case", wide, PLACE_MM
        )
    yield _no_two_capsules_meet(evidence, length, diameter)


def _no_two_capsules_meet(evidence: Evidence, length_mm: float, diameter_mm: float) -> CheckLine:
    """Capsules of different needles as straight segments."""
    centers, axes = evidence.plan.seed_centers, evidence.plan.seed_axes
    owner = np.repeat(
        np.arange(len(evidence.needle_names)), [len(n.seeds) for _, n in evidence.plan.needles]
    )
    low, high = centers - 0.5 * length_mm * axes, centers + 0.5 * length_mm * axes
    found = []
    for n in range(len(centers)):
        other = np.flatnonzero(owner[n + 1 :] != owner[n]) + n + 1
        if other.size:
            away = segment_distances_mm(low[n], high[n], low[other], high[other])
            m = int(other[int(np.argmin(away))])
            where = f"{evidence.needle_names[owner[n]]} and {evidence.needle_names[owner[m]]}"
            found.append((where, float(away.min()) - diameter_mm))
    return at_least("capsules do not meet", "seeds of different needles", found, 0.0)


def check_count(evidence: Evidence) -> Iterator[CheckLine]:
    """How many seeds there are, in both files."""
    compared = "seeds in plan.json with needles.csv"
    planned = len(evidence.plan.seed_centers)
    if not planned:
        yield failed("seed count", compared, "the plan has no seed")
        return
    try:
        listed = sum(int(row["seeds"]) for row in evidence.rows)
    except (KeyError, ValueError) as error:
        yield failed("seed count", compared, f"needles.csv does not say how many ({error})")
        return
    yield at_most("seed count", f"{compared} ({planned})", [("", abs(listed - planned))], 0, "", 0)
