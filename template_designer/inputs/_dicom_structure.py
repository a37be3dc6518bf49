"""Is a DICOM file whole? Walks the elements and finds where the bytes break off.

pydicom reads a file that was cut off as far as it goes and says nothing. Every element states its
length and every sequence its end, so a cut shows, unless it falls exactly between two elements of
the top level; there the readers demand the elements they need.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

PREFIX = b"DICM"
PREAMBLE_LENGTH = 128

_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)

Tag = tuple[int, int]


class CutOffError(Exception):
    """The bytes end inside an element."""

    def __init__(self, tag: Tag | None, offset: int) -> None:
        where = "in an element's tag" if tag is None else f"in element ({tag[0]:04X},{tag[1]:04X})"
        super().__init__(f"it breaks off {where} at byte {offset}")


@dataclass(frozen=True, slots=True)
class _Encoding:
    explicit: bool
    order: str  # "<" or ">", as struct has it


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first bytes of a file (132 or more) are those of a DICOM file.

    Files without preamble, as some old systems write them, start with a low element of group 2 or
    8, little endian.
    """
    if head[PREAMBLE_LENGTH : PREAMBLE_LENGTH + 4] == PREFIX:
        return True
    if len(head) < 8 or head[0] not in (2, 8) or head[1] != 0 or head[3] != 0:
        return False
    if head[4:6].isalpha() and head[4:6].isupper():
        return True
    length: int = struct.unpack_from("<I", head, 4)[0]
    return length < 1024


def find_cut(data: bytes) -> str | None:
    """Say where a DICOM file breaks off.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    str or None
        Where the bytes end too early, as a clause for a message; None when every element is whole.
    """
    try:
        position, syntax = _skip_file_meta(data)
        if syntax == _DEFLATED:
            data, position = _inflate(data, position), 0
        order = ">" if syntax == _BIG_ENDIAN else "<"
        explicit = data[position + 4 : position + 6].isalpha()
        _walk(data, position, len(data), _Encoding(explicit, order), nested=False)
    except CutOffError as cut:
        return str(cut)
    return None


def _skip_file_meta(data: bytes) -> tuple[int, str]:
    """Offset of the data set and the transfer syntax UID ('' when there is none)."""
    has_preamble = data[PREAMBLE_LENGTH : PREAMBLE_LENGTH + 4] == PREFIX
    position = PREAMBLE_LENGTH + 4 if has_preamble else 0
    syntax = ""
    while data[position : position + 2] == b"\x02\x00":
        tag, length, start = _header(data, position, _Encoding(True, "<"))
        if start + length > len(data):
            raise CutOffError(tag, len(data))
        if tag == (0x0002, 0x0010):
            syntax = data[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")
        position = start + length
    return position, syntax


def _inflate(data: bytes, position: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        whole = inflater.decompress(data[position:])
    except zlib.error as error:
        raise CutOffError(None, len(data)) from error
    if not inflater.eof:
        raise CutOffError(None, len(data))
    return whole


def _header(data: bytes, position: int, encoding: _Encoding) -> tuple[Tag, int, int]:
    """Tag, length and offset of the value of the element at ``position``."""
    if position + 8 > len(data):
        raise CutOffError(None, len(data))
    tag: Tag = struct.unpack_from(encoding.order + "HH", data, position)
    vr = data[position + 4 : position + 6]
    is_explicit = encoding.explicit and tag[0] != 0xFFFE and vr.isalpha() and vr.isupper()
    if not is_explicit:
        return tag, struct.unpack_from(encoding.order + "I", data, position + 4)[0], position + 8
    if vr not in _LONG_VRS:
        return tag, struct.unpack_from(encoding.order + "H", data, position + 6)[0], position + 8
    if position + 12 > len(data):
        raise CutOffError(tag, len(data))
    return tag, struct.unpack_from(encoding.order + "I", data, position + 8)[0], position + 12


def _walk(data: bytes, position: int, end: int, encoding: _Encoding, *, nested: bool) -> int:
    """Step over elements up to ``end``, or (nested) over the item delimiter; return the offset."""
    while position < end:
        if not nested and not any(data[position:end]):
            return end  # zero bytes that fill up a block
        tag, length, start = _header(data, position, encoding)
        if tag == _ITEM_END:
            return start
        if length == _UNDEFINED:
            inner = encoding
            if encoding.explicit and data[position + 4 : position + 6] == b"UN":
                inner = _Encoding(False, "<")  # PS3.5, 6.2.2: unknown sequences are implicit
            position = _walk_items(data, tag, start, end, inner)
            continue
        position = start + length
        if position > end:
            raise CutOffError(tag, len(data))
    if nested:
        raise CutOffError(None, len(data))
    return position


def _walk_items(data: bytes, parent: Tag, position: int, end: int, encoding: _Encoding) -> int:
    """Step over the items of a sequence of undefined length, and over its delimiter."""
    while True:
        tag, length, start = _header(data, position, encoding)
        if tag == _SEQUENCE_END:
            return start
        if tag != _ITEM:
            raise CutOffError(parent, position)
        if length != _UNDEFINED:
            position = start + length
            if position > end:
                raise CutOffError(parent, len(data))
        else:
            position = _walk(data, start, end, encoding, nested=True)
