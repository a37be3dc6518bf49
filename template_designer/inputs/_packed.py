"""Unpacks compressed volume files, and says where they break off."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from pathlib import Path

from template_designer.errors import InputError
from template_designer.inputs._dicom_file import one_line

MOST_BYTES = 4 * 2**30
"""Larger contents are refused: a CT of 2000 slices has 1 GB."""

GZIP_MAGIC = b"\x1f\x8b"


def gunzip(path: Path, data: bytes) -> bytes:
    """Content of gzip data; ``InputError`` where it is cut off or damaged."""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return _all_of(path, stream)


def bunzip2(path: Path, data: bytes) -> bytes:
    """Content of bzip2 data; ``InputError`` where it is cut off or damaged."""
    with bz2.BZ2File(io.BytesIO(data)) as stream:
        return _all_of(path, stream)


def gunzip_start(data: bytes, size: int) -> bytes:
    """First bytes of gzip data, as many as can be had; for finding out what a file is."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, size)
    except zlib.error:
        return b""


def _all_of(path: Path, stream: gzip.GzipFile | bz2.BZ2File) -> bytes:
    try:
        content = stream.read(MOST_BYTES + 1)
    except EOFError as error:
        raise InputError(
            f"{path}: is cut off (its compressed data end too early); copy or export it again"
        ) from error
    except (OSError, zlib.error) as error:
        raise InputError(
            f"{path}: its compressed data are damaged ({one_line(str(error))}); copy or export it "
            "again"
        ) from error
    if len(content) > MOST_BYTES:
        raise InputError(
            f"{path}: unpacks to more than {MOST_BYTES // 2**30} GiB, which is no CT; crop it, or "
            "save it with larger voxels"
        )
    return content
