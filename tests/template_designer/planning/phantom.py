"""A box of a patient: body, a round tumour, a cord beside it, needles along +y."""

import numpy as np

from dose import load_source
from template_designer.geometry.solids import build_solid
from template_designer.model import CaseSettings, ImageVolume
from template_designer.planning.approach import prepare_approach
from tests.template_designer.geometry.shapes import box, circle, roi

SOURCE = load_source("I125-6711")
STRENGTH_U = 0.762
SEARCH_MOVES = 8_000  # a tenth of a second: what the tests claim holds for any search
HEIGHTS = np.arange(-60.0, 61.0, 3.0)
IMAGE = ImageVolume(
    np.zeros((len(HEIGHTS), 4, 4), np.int16),
    np.array([-75.0, -75.0, HEIGHTS[0]]),
    np.eye(3),
    np.array([50.0, 50.0, 3.0]),
    "1.2.3",
)


def settings(**tables):
    """A case on the phantom; tables replace or add to these."""
    base = {
        "id": "phantom",
        "images": {"ct": "ct", "structures": "rs"},
        "target": {"structure": "GTV"},
        "avoid": [{"structure": "Cord", "needle_clearance_mm": 10.0}],
        "skin": {"structure": "Body"},
        "entry": {
            "point_lps": [0.0, -70.0, 0.0],
            "direction_lps": [0.0, 1.0, 0.0],
            "up_lps": [0.0, 0.0, 1.0],
        },
        "template": {"size_mm": [80.0, 80.0, 20.0]},
        "source": {"model": "I125-6711", "air_kerma_strength_u": STRENGTH_U},
        "prescription": {"dose_gy": 120.0},
        "loading": {"search_moves": SEARCH_MOVES},
    }
    return CaseSettings(**{**base, **tables})


def ball(centre, radius, name):
    heights = [z for z in HEIGHTS if abs(z - centre[2]) < radius - 0.5]
    rings = [circle(np.sqrt(radius**2 - (z - centre[2]) ** 2), z, centre[:2]) for z in heights]
    return build_solid(roi(rings, name), IMAGE)


def solids(*, cord_x=24.0, target_radius=12.0):
    """Body 140 x 140 mm, GTV round the origin, cord a 10 mm tube beside it."""
    return {
        "Body": build_solid(roi([box((-70, 70), (-70, 70), z) for z in HEIGHTS], "Body"), IMAGE),
        "GTV": ball((0.0, 0.0, 0.0), target_radius, "GTV"),
        "Cord": build_solid(roi([circle(5.0, z, (cord_x, 5.0)) for z in HEIGHTS], "Cord"), IMAGE),
    }


def approach(case=None, parts=None):
    """The phantom's plate, paths and sites."""
    case, parts = case or settings(), parts or solids()
    return prepare_approach(case, case.entry[0], IMAGE, parts, parts[case.target.structure], SOURCE)
