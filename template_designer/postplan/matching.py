"""Planned seeds, found seeds, and which is which.

Seeds slip along their needle more than needles go aside, so distances are counted in standard
deviations of published placement errors, along the needle and across it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from template_designer.frames import inverse, transform_points
from template_designer.model import Template
from template_designer.model.evaluation import Point, SeedMatch
from template_designer.model.settings import RobustSite
from template_designer.planning.placement import PUBLISHED
from template_designer.postplan.assignment import assign

_THORAX = PUBLISHED[RobustSite.THORAX]
ALONG_SD_MM = math.hypot(*_THORAX.depth_mm)
ACROSS_SD_MM = math.hypot(*_THORAX.entry_mm) / math.sqrt(2.0)
"""Root mean squares of depth, and of the entry along each of its two axes: 7.1 and 2.7 mm."""

FARTHEST_SD = 4.0
"""A found seed farther than this from a planned one (28 mm along the needle, 11 mm across) is
another seed, or one that has migrated."""


def match_seeds(
    templates: Sequence[Template], found_lps_mm: NDArray[np.float64]
) -> tuple[SeedMatch, ...]:
    """Every planned seed with the found one that it is, in the order of the plan; then the extra.

    Parameters
    ----------
    templates : sequence of Template
        As planned.
    found_lps_mm : (m, 3) ndarray of float
        In the frame of the plan.
    """
    places = [
        (template, needle.label, number, seed.center_lps_mm)
        for template in templates
        for needle in template.needles
        for number, seed in enumerate(needle.seeds, start=1)
    ]
    apart = np.zeros((len(places), len(found_lps_mm)))
    for row, (template, *_, center) in zip(apart, places, strict=True):
        rotation = np.asarray(template.lps_from_template)[:3, :3]
        off = (found_lps_mm - np.array(center)) @ rotation
        row[:] = np.linalg.norm(off / (ACROSS_SD_MM, ACROSS_SD_MM, ALONG_SD_MM), axis=1)
    paired = assign(apart, FARTHEST_SD)
    partner = dict(zip(paired.planned.tolist(), paired.found.tolist(), strict=True))
    matches = []
    for index, (template, hole, number, center) in enumerate(places):
        found = partner.get(index)
        if found is None:
            matches.append(SeedMatch(template.name, hole, number, None, center, None))
            continue
        to_plate = inverse(np.asarray(template.lps_from_template))
        place = _point(found_lps_mm[found])
        before, after = transform_points(to_plate, [center, place])
        right, down, depth = (after - before).tolist()
        matches.append(
            SeedMatch(template.name, hole, number, found, center, place, depth, right, down)
        )
    matches += [
        SeedMatch(None, None, None, found, None, _point(found_lps_mm[found]))
        for found in paired.extra.tolist()
    ]
    return tuple(matches)


def _point(row: NDArray[np.float64]) -> Point:
    x, y, z = row.tolist()
    return x, y, z
