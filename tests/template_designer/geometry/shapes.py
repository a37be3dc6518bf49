"""Structures with known volumes and distances, drawn slice by slice."""

import numpy as np

from template_designer.model import Roi


def circle(radius_mm, z_mm, centre=(0.0, 0.0), points=256):
    """A ring of that many corners on a circle."""
    angle = 2.0 * np.pi * np.arange(points) / points
    return np.column_stack(
        [
            centre[0] + radius_mm * np.cos(angle),
            centre[1] + radius_mm * np.sin(angle),
            np.full(points, z_mm),
        ]
    )


def box(x, y, z_mm):
    """A rectangle from x[0], y[0] to x[1], y[1]."""
    return np.array(
        [[x[0], y[0], z_mm], [x[1], y[0], z_mm], [x[1], y[1], z_mm], [x[0], y[1], z_mm]]
    )


def roi(rings, name="part", **kwargs):
    return Roi(name, 1, tuple(np.asarray(ring, dtype=float) for ring in rings), **kwargs)


def turned(rings, rotation):
    return [ring @ np.asarray(rotation).T for ring in rings]


def rotation(axis, angle_rad):
    """Rotation matrix by Rodrigues' formula."""
    x, y, z = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle_rad) * k + (1 - np.cos(angle_rad)) * k @ k
