"""``slicer/structures/*.vtp``: target and organs as closed surfaces (DICOM LPS, mm).

VTK's XML layout, written by hand: nothing of VTK is needed to write it, and the same plan gives the
same bytes.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from template_designer._version import SOFTWARE_NAME
from template_designer.model import Plan, Surface

LONGEST_NAME = 80
"""Of a file without its ending: folder names and ``.vtp`` must fit beside it on any system."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{n}{k}" for n in ("com", "lpt") for k in range(10))}
"""Names that Windows keeps for devices, whatever their ending."""


def build(plan: Plan) -> dict[str, bytes]:
    """Every surface that the plan's pictures show, by its file name without ``.vtp``.

    Target, the part of it out of reach, structures that needles keep 5 mm or more from, bone, skin.
    """
    names = safe_names(plan.surfaces)
    return {
        names[name]: vtp_bytes(surface, f"{plan.id}: {name}")
        for name, (_, surface) in plan.surfaces.items()
    }


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """File names for structures: no path characters, none twice, not even by case alone.

    >>> safe_names(["GTV", "a/b", "A:B", "../x"])
    {'GTV': 'GTV', 'a/b': 'a_b', 'A:B': 'A_B-2', '../x': 'x'}
    """
    given: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^\w() +,=-]+", "_", name, flags=re.ASCII).strip(" _")[:LONGEST_NAME]
        plain = plain.strip() or "structure"
        if plain.split(" ")[0].casefold() in _RESERVED:
            plain = f"_{plain}"
        unique, number = plain, 2
        while unique.casefold() in taken:
            unique, number = f"{plain}-{number}", number + 1
        taken.add(unique.casefold())
        given[name] = unique
    return given


def vtp_bytes(surface: Surface, title: str) -> bytes:
    """One closed surface as VTK PolyData, with its frame as 3D Slicer reads it (field SPACE)."""
    points = np.asarray(surface.vertices_lps_mm, dtype="<f4")
    faces = np.asarray(surface.faces, dtype="<i4")
    ends = np.arange(3, 3 * len(faces) + 1, 3, dtype="<i4")
    return (
        '<?xml version="1.0"?>\n'
        f"<!-- {SOFTWARE_NAME}: a structure of a plan -->\n"
        '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt32" '
        'compressor="vtkZLibDataCompressor">\n'
        "<PolyData>\n<FieldData>\n"
        f"{_text('SPACE', 'LPS')}{_text('UNITS', 'mm')}{_text('TITLE', title)}"
        "</FieldData>\n"
        f'<Piece NumberOfPoints="{len(points)}" NumberOfVerts="0" NumberOfLines="0" '
        f'NumberOfStrips="0" NumberOfPolys="{len(faces)}">\n'
        f"<Points>\n{_array('Points', 'Float32', points, 3)}</Points>\n"
        f"<Polys>\n{_array('connectivity', 'Int32', faces, 1)}"
        f"{_array('offsets', 'Int32', ends, 1)}</Polys>\n"
        "</Piece>\n</PolyData>\n</VTKFile>\n"
    ).encode("ascii")


def _text(name: str, value: str) -> str:
    """A string array: VTK writes the codes of its bytes, ended by a 0."""
    codes = " ".join(str(code) for code in (*value.encode("utf-8"), 0))
    return (
        f'<DataArray type="String" Name={quoteattr(name)} NumberOfTuples="1" format="ascii">'
        f"{codes}</DataArray>\n"
    )


def _array(name: str, kind: str, values: NDArray[np.generic], components: int) -> str:
    """One array in a single compressed block: its header and its data, both in base 64."""
    raw = values.tobytes()
    packed = zlib.compress(raw, 6)
    header = struct.pack("<4I", 1, len(raw), 0, len(packed))
    text = base64.b64encode(header) + base64.b64encode(packed)
    return (
        f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{components}" '
        f'format="binary">\n{text.decode("ascii")}\n</DataArray>\n'
    )
