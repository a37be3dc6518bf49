"""``slicer/template-patient.stl``: each plate where it sits on the patient (DICOM LPS, mm)."""

from __future__ import annotations

import numpy as np

from exports.stl import plate_mesh, stl_bytes
from template_designer.geometry.plate import plate_in_patient
from template_designer.model import Plan, Template

FRAME_WORDS = "SPACE=LPS units=mm"
"""What the 80 bytes of the header begin with: 3D Slicer reads ``SPACE=LPS`` and asks nothing."""


def build(plan: Plan, template: Template) -> bytes:
    """Binary STL of one plate in the frame of its CT, to lay over the images in a viewer.

    Never print this one: it lies obliquely, as the plate does. ``template.stl`` is in print pose.

    Returns
    -------
    bytes
        As :func:`exports.stl.build`; the header says the frame, the plan and the template.
    """
    mesh = plate_in_patient(plate_mesh(plan, template), template)
    # normals turn with the mesh; computed anew they are those of the rounded corners
    mesh.vertices = np.asarray(mesh.vertices, dtype=np.float32).astype(np.float64)
    return stl_bytes(mesh, f"{FRAME_WORDS} {plan.id} {template.name}")
