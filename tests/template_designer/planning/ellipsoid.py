"""An ellipsoid of 33 cm3 that lies 9 mm clear of the cord, needles coming in obliquely."""

import numpy as np

from template_designer.geometry.solids import build_solid
from tests.template_designer.geometry.shapes import box, circle, roi
from tests.template_designer.planning.phantom import HEIGHTS, IMAGE, approach, settings

SEMI_AXES_MM = (25.0, 17.5, 18.0)
CORD_RADIUS_MM, CLEAR_MM = 6.0, 9.0


def ellipse(scale, z, count=90):
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    x, y = SEMI_AXES_MM[0] * scale * np.cos(angle), SEMI_AXES_MM[1] * scale * np.sin(angle)
    return np.column_stack([x, y, np.full(count, z)])


def ellipsoid_solids():
    """Body, GTV and Cord: the cord runs along z on the GTV's -y side, towards the skin."""
    c = SEMI_AXES_MM[2]
    rings = [ellipse(np.sqrt(1.0 - (z / c) ** 2), z) for z in HEIGHTS if abs(z) < c - 0.3]
    cord_x = SEMI_AXES_MM[0] + CLEAR_MM + CORD_RADIUS_MM
    return {
        "Body": build_solid(roi([box((-70, 70), (-70, 70), z) for z in HEIGHTS], "Body"), IMAGE),
        "GTV": build_solid(roi(rings, "GTV"), IMAGE),
        "Cord": build_solid(
            roi([circle(CORD_RADIUS_MM, z, (cord_x, -5.0)) for z in HEIGHTS], "Cord"), IMAGE
        ),
    }


def ellipsoid_settings(**tables):
    """Needles come in 35 degrees off the axis of the body, from the side away from the cord."""
    angle = np.radians(35.0)
    entry = {
        "point_lps": [-70.0 * np.tan(angle), -70.0, 0.0],
        "direction_lps": [float(np.sin(angle)), float(np.cos(angle)), 0.0],
        "up_lps": [0.0, 0.0, 1.0],
    }
    return settings(entry=entry, template={"size_mm": [80.0, 80.0, 20.0]}, **tables)


def ellipsoid_approach(parts, **tables):
    """Plate, paths and sites."""
    return approach(ellipsoid_settings(**tables), parts)
