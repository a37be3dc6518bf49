"""Opens one DICOM file, or says in plain words why it cannot be used."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from template_designer.errors import InputError
from template_designer.inputs._dicom_structure import find_cut, looks_like_dicom

_MAGIC = {
    b"\x1f\x8b": "a gzip file (a NIfTI image?)",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"NRRD": "an NRRD file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"solid": "an STL model",
    b"{": "a text file (JSON?)",
    b"<": "a text file (XML?)",
}
"""First bytes of files that get mistaken for DICOM."""


def is_dicom(path: Path) -> bool:
    """Whether the file starts like DICOM (a folder does not)."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return looks_like_dicom(stream.read(512))


def describe_file(path: Path) -> str:
    """Say what a file that is not DICOM seems to be."""
    with path.open("rb") as stream:
        head = stream.read(512)
    if not any(head):
        return "an empty file"
    for magic, text in _MAGIC.items():
        if head.startswith(magic):
            return text
    return "a text file" if all(byte in b"\t\n\r" or byte >= 32 for byte in head) else "unknown"


def read_bytes(path: Path) -> bytes:
    """Content of a file; ``InputError`` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check path and rights") from (
            error
        )


def read_dataset(path: Path, *, pixels: bool = True) -> tuple[Dataset, str | None]:
    """Read a DICOM file as far as it goes.

    Parameters
    ----------
    path : Path
        The file.
    pixels : bool
        Whether to keep the pixel data.

    Returns
    -------
    dataset : Dataset
        Its elements, not yet converted; where the file breaks off, those that are surely whole.
    cut : str or None
        Where the file breaks off, pixel data included; None when it is whole.

    Raises
    ------
    InputError
        If the file is not DICOM, or so damaged that nothing can be read.
    """
    data = read_bytes(path)
    if not looks_like_dicom(data[:512]):
        raise InputError(
            f"{path}: is not a DICOM file ({describe_file(path)}); name a DICOM file, or export it "
            "again"
        )
    cut = find_cut(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is checked by the readers, by name
            dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels, force=True)
    except Exception as error:  # pydicom raises many kinds on damaged bytes
        raise (cut_off_error(path, cut) if cut else damaged_error(path, error)) from error
    if cut is not None and len(dataset):
        del dataset[max(dataset.keys())]  # its value may be a part of the true one
    return dataset, cut


def whole_dataset(path: Path, *, pixels: bool = True) -> Dataset:
    """Read a DICOM file that must be whole; ``InputError`` naming it where it is cut off."""
    dataset, cut = read_dataset(path, pixels=pixels)
    if cut is not None:
        raise cut_off_error(path, cut)
    return dataset


def cut_off_error(path: Path, cut: str) -> InputError:
    """Build the error for a file that ends too early."""
    return InputError(f"{path}: is cut off ({cut}); copy or export it again")


def damaged_error(path: Path, reason: object) -> InputError:
    """Build the error, one line, for a file whose elements cannot be understood."""
    text = one_line(str(reason)) or type(reason).__name__
    return InputError(f"{path}: is a damaged DICOM file ({text}); copy or export it again")


def one_line(text: str) -> str:
    """Text of a damaged file made fit for a message: no control characters, no line ends."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def text_of(dataset: Dataset, keyword: str) -> str:
    """Value of an element as stripped text, '' where it is absent or unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = dataset.get(keyword)
    except Exception:  # a value that breaks its own VR reads as absent
        return ""
    return "" if value is None else one_line(str(value).strip(" \0"))


def items_of(dataset: Dataset, keyword: str) -> Iterator[Dataset]:
    """Items of a sequence, none where it is absent, empty or unreadable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequence = dataset.get(keyword)
    yield from sequence or ()


def raw_of(dataset: Dataset, keyword: str) -> bytes:
    """Bytes of a value as they stand in the file; b'' where it is absent."""
    if keyword not in dataset:
        return b""
    value = dataset.get_item(keyword).value
    if value is None or isinstance(value, bytes):
        return value or b""
    values = value if isinstance(value, MultiValue) else [value]
    return "\\".join(map(str, values)).encode()


def integer_of(dataset: Dataset, keyword: str) -> int | None:
    """Value of an element as a whole number, None where it is absent or is none."""
    try:
        return int(raw_of(dataset, keyword).strip(b" \0"))
    except ValueError:
        return None
