"""What an input format must offer; the formats on board are in ``registry``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from template_designer.errors import InputError
from template_designer.inputs._dicom_file import describe_file
from template_designer.inputs._voxels import VoxelGrid
from template_designer.model import ImageVolume, PlanWarning, RoiSet


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """One way to store a CT."""

    name: str  # for messages, with its article
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Sequence[str]], tuple[ImageVolume, tuple[PlanWarning, ...]]]
    """Path and the series the structures refer to; returns the image and its warnings."""
    states_frame: bool = True
    """Whether it names a frame of reference; where it cannot, frames are compared by place."""


@dataclass(frozen=True, slots=True)
class StructureFormat:
    """One way to store structures."""

    name: str
    recognises: Callable[[Path], bool]
    referenced_series: Callable[[Path], tuple[str, ...]]
    """UIDs of the image series it was drawn on; empty where the format does not say."""
    read: Callable[[Path, ImageVolume | None, Path | None], RoiSet]
    """Path, the image (None where there is none yet), and the file of label names (None unless the
    case states one)."""
    states_frame: bool = True
    """Whether it names a frame of reference; where it cannot, frames are compared by place."""


@dataclass(frozen=True, slots=True)
class VolumeFormat:
    """One way to store voxels with their place: ``registry`` makes a CT and a label map of it."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], VoxelGrid]


Format = TypeVar("Format", ImageFormat, StructureFormat, VolumeFormat)


def choose_format(path: Path, formats: Sequence[Format], key: str) -> Format:
    """Find the format of a file or folder.

    Raises
    ------
    InputError
        If the path does not exist or no format recognises it; the text names the key of the case
        file and what the file seems to be.
    """
    if not path.exists():
        raise InputError(f"{key}: {path} does not exist; paths are relative to the case file")
    for form in formats:
        if form.recognises(path):
            return form
    what = "a folder; name the file in it" if path.is_dir() else describe_file(path)
    names = ", ".join(form.name for form in formats)
    raise InputError(f"{key}: {path} is {what}; only {names} can be read")
