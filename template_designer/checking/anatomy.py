"""Contours straight from the RTSTRUCT and slice places straight from the CT, by pydicom alone."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from template_designer.checking.outlines import Outlines, build_outlines
from template_designer.errors import InputError

CHARSETS = ("utf-8", "gb18030", "latin-1", "iso2022_jp", "shift_jis", "euc_kr", "cp1251", "cp1252")
"""Tried on structure names whose file declares another character set than it uses."""

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What was drawn and where it was scanned, LPS, mm."""

    rings: Mapping[str, tuple[NDArray[np.float64], ...]]  # by name, in every reading of it
    known: tuple[str, ...]  # names as declared, of structures with contours
    scan_lps_mm: NDArray[np.float64] | None  # (slices, 3), a point on each; None where not known
    _made: dict[tuple[str, bool, bool], Outlines] = field(default_factory=dict)

    def find(self, name: str) -> str | None:
        """Name in the file of a structure of the plan, whichever way its accents are written."""
        wanted = unicodedata.normalize("NFC", name)
        same = (known for known in self.rings if unicodedata.normalize("NFC", known) == wanted)
        return next(same, None)

    def outlines(self, name: str, *, avoided: bool = False, held: bool = False) -> Outlines | None:
        """Structure of that name, built once; None where the file has none."""
        known = self.find(name)
        if known is None or not self.rings[known]:
            return None
        key = (known, avoided, held)
        if key not in self._made:
            self._made[key] = build_outlines(
                known, self.rings[known], self.scan_lps_mm, avoided=avoided, held=held
            )
        return self._made[key]


def read_anatomy(structures: Path, ct: Path | None) -> Anatomy:
    """Read the closed contours of an RTSTRUCT, and where the slices of its CT lie.

    Raises
    ------
    InputError
        If the file is no RTSTRUCT that pydicom can read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(structures)
            rings, known = _rings(dataset)
            uids = {str(item.value) for item in dataset.iterall() if item.tag == 0x0020000E}
    except Exception as error:  # pydicom raises many kinds on damaged or foreign files
        raise InputError(
            f"{structures}: is no RTSTRUCT that can be read ({type(error).__name__}: {error})"
        ) from error
    return Anatomy(rings, known, None if ct is None else _scan(ct, uids))


def _rings(dataset: Any) -> tuple[dict[str, tuple[NDArray[np.float64], ...]], tuple[str, ...]]:
    """Rings of every structure by name and other readings of it, and the names as declared."""
    drawn: dict[int, list[NDArray[np.float64]]] = {}
    for item in dataset.ROIContourSequence:
        rings = drawn.setdefault(int(item.ReferencedROINumber), [])
        for contour in item.get("ContourSequence") or []:
            points = np.array(contour.get("ContourData") or [], dtype=float).reshape(-1, 3)
            if str(contour.get("ContourGeometricType", "")) in CLOSED and len(points) >= 3:
                rings.append(points)
    found: dict[str, tuple[NDArray[np.float64], ...]] = {}
    known = []
    for item in dataset.StructureSetROISequence:
        rings = _once(drawn.get(int(item.ROINumber), []))
        for number, name in enumerate(_names(item)):
            count, unique = 1, name
            while unique in found:
                count += 1
                unique = f"{name} ({count})"
            found[unique] = tuple(rings)
            if number == 0 and rings:
                known.append(unique)
    return found, tuple(known)


def _once(rings: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Rings without exact repeats: by the even-odd rule a ring drawn twice would be none."""
    unique: dict[bytes, NDArray[np.float64]] = {}
    for ring in rings:
        corners = np.round(ring, 3)
        if len(corners) > 1 and np.array_equal(corners[0], corners[-1]):
            corners = corners[:-1]
        unique.setdefault(corners[np.lexsort(corners.T)].tobytes(), ring)
    return list(unique.values())


def _names(item: Any) -> list[str]:
    """A structure's name as declared, then as other character sets would read the same bytes."""
    names = [str(item.get("ROIName", "")).strip()]
    raw = getattr(item.get_item("ROIName"), "value", None) if "ROIName" in item else None
    original = raw if isinstance(raw, bytes) else None
    if original is None:
        try:
            original = names[0].encode("latin-1")
        except UnicodeEncodeError:
            original = b""
    for charset in CHARSETS:
        try:
            names.append(original.decode(charset).strip(" \0"))
        except UnicodeDecodeError:
            continue
    return list(dict.fromkeys(name for name in names if name))


def _scan(folder: Path, series_uids: set[str]) -> NDArray[np.float64] | None:
    """A corner of every CT slice, (n, 3) LPS; of several series the one that was drawn on."""
    if not folder.is_dir():
        return None
    places: dict[str, list[Any]] = {}
    for path in sorted(folder.iterdir()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if str(header.Modality) == "CT":
                uid = str(header.SeriesInstanceUID)
                places.setdefault(uid, []).append(header.ImagePositionPatient)
        except Exception:  # what is no CT slice is none; too few slices: not known
            continue
    named = [uid for uid in places if uid in series_uids]
    chosen = named or list(places)
    return np.array(places[chosen[0]], dtype=float) if len(chosen) == 1 else None
