"""A round patient: a tumour in the middle, the cord behind it and vessels around."""

from functools import cache
from pathlib import Path

import numpy as np

from dose import load_source
from template_designer.geometry.solids import build_solid
from template_designer.inputs import read_seed_source
from template_designer.model import Case, CaseSettings, ImageVolume, InputFile, RoiSet
from template_designer.planning.suggest import find_planes
from tests.template_designer.geometry.shapes import circle, roi

SOURCE = load_source("I125-6711")
HEIGHTS = np.arange(-48.0, 49.0, 4.0)
BODY_MM = 60.0
CORNERS = 96  # of every ring: the body lies up to 0.04 mm inside its circle
TUBES = {"Cord": (8.0, 24.0), "Vessel": (-31.0, 2.0), "Vena": (2.0, -24.0), "Kidney": (29.0, -2.0)}
TARGET_MM = 14.0


def image(position=""):
    return ImageVolume(
        np.zeros((len(HEIGHTS), 4, 4), np.int16),
        np.array([-90.0, -90.0, HEIGHTS[0]]),
        np.eye(3),
        np.array([60.0, 60.0, 4.0]),
        "1.2.3",
        patient_position=position,
    )


def settings(**tables):
    """A case on this patient; tables replace or add to these."""
    base = {
        "id": "round",
        "images": {"ct": "ct", "structures": "rs"},
        "target": {"structure": "GTV"},
        "avoid": [{"structure": list(TUBES), "needle_clearance_mm": 10.0}],
        "skin": {"structure": "Body"},
        "template": {"size_mm": [50.0, 50.0, 20.0]},
        "source": {"model": "I125-6711", "air_kerma_strength_u": 0.762},
        "prescription": {"dose_gy": 120.0},
    }
    return CaseSettings(**{**base, **tables})


@cache
def solids(target_at=(0.0, 0.0)):
    def tube(radius, centre, name):
        return build_solid(
            roi([circle(radius, z, centre, CORNERS) for z in HEIGHTS], name), image()
        )

    return {
        "Body": tube(BODY_MM, (0.0, 0.0), "Body"),
        "GTV": build_solid(roi(_ball(target_at), "GTV"), image()),
        **{name: tube(6.0, centre, name) for name, centre in TUBES.items()},
    }


def search(case=None, *, position="", parts=None, **options):
    """Suggestions for this patient: few directions, few planes."""
    case, parts = case or settings(), parts or solids()
    options = {"directions": 120, "top": 3, **options}
    return find_planes(case, image(position), parts, parts["GTV"], SOURCE, **options)


@cache
def found():
    """The default search."""
    return search()


@cache
def pairs():
    """The default search for pairs."""
    return search(templates=2, top=2)


def case(**tables):
    """The patient as a Case."""
    stated = settings(**tables)

    def tube(radius, centre, name):
        return roi([circle(radius, z, centre, CORNERS) for z in HEIGHTS], name)

    rois = (
        tube(BODY_MM, (0.0, 0.0), "Body"),
        roi(_ball((0.0, 0.0)), "GTV"),
        *(tube(6.0, centre, name) for name, centre in TUBES.items()),
    )
    source = read_seed_source(stated.source, Path())
    return Case(stated, image(), RoiSet(rois, "1.2.3"), source, (InputFile("round", "0" * 64),))


def _ball(centre):
    return [
        circle(np.sqrt(TARGET_MM**2 - z**2), z, centre, CORNERS)
        for z in HEIGHTS
        if abs(z) < TARGET_MM - 0.5
    ]
