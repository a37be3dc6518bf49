"""The formats on board. A new one is a module with a ``FORMAT`` (see ``formats``) and a line here.

A format of voxels goes into ``VOLUME_FORMATS`` and serves as CT and as plain label map; of several
formats the first that recognises a path reads it.
"""

from __future__ import annotations

from template_designer.inputs import dicom_ct, dicom_rtstruct, nifti, nrrd_file, slicer_seg
from template_designer.inputs.ct_image import image_format
from template_designer.inputs.formats import ImageFormat, StructureFormat, VolumeFormat
from template_designer.inputs.label_map import label_format

VOLUME_FORMATS: tuple[VolumeFormat, ...] = (nifti.FORMAT, nrrd_file.FORMAT)
"""Ways to store voxels with their place."""

IMAGE_FORMATS: tuple[ImageFormat, ...] = (dicom_ct.FORMAT, *map(image_format, VOLUME_FORMATS))
"""Ways to store a CT."""

STRUCTURE_FORMATS: tuple[StructureFormat, ...] = (
    dicom_rtstruct.FORMAT,
    slicer_seg.FORMAT,
    *map(label_format, VOLUME_FORMATS),
)
"""Ways to store structures."""
