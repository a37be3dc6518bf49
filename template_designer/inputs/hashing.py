"""Fingerprints of what went into a plan."""

from __future__ import annotations

import hashlib
from pathlib import Path

from template_designer.inputs._dicom_file import read_bytes
from template_designer.inputs._dicom_folder import visible_files


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file, or of all visible files of a folder together.

    For a folder it is the SHA-256 of the files' digests (hexadecimal, sorted, joined without
    separators): the same files under other names give the same fingerprint. Hidden files and
    subfolders do not count.
    """
    if not path.is_dir():
        return hashlib.sha256(read_bytes(path)).hexdigest()
    digests = sorted(hashlib.sha256(read_bytes(file)).hexdigest() for file in visible_files(path))
    return hashlib.sha256("".join(digests).encode("ascii")).hexdigest()
