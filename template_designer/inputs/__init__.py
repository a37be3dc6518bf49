"""Everything that is read: case files, CT, structures.

To add a format: one module with a ``FORMAT`` (see ``formats``), and one line in the registry here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from template_designer.inputs import case_file, dicom_ct, dicom_rtstruct
from template_designer.inputs.case_checks import used_names
from template_designer.inputs.dicom_ct import read_ct_series
from template_designer.inputs.dicom_rtstruct import read_rtstruct, referenced_series
from template_designer.inputs.inspect import Inspection, inspect_path
from template_designer.inputs.names import resolve_names
from template_designer.inputs.seed_source import read_seed_source, seed_model
from template_designer.model import Case

IMAGE_FORMATS = (dicom_ct.FORMAT,)
"""Ways to read a CT; the first that recognises a path reads it."""

READ_STEPS = 3
"""Calls of ``progress`` that :func:`read_case` makes."""

STRUCTURE_FORMATS = (dicom_rtstruct.FORMAT,)
"""Ways to read structures; the first that recognises a path reads it."""


def read_case(path: str | os.PathLike[str], progress: Callable[[str], None] | None = None) -> Case:
    """Read a case file and everything it points to.

    Parameters
    ----------
    path : str or path-like
        The TOML case file; paths in it are relative to it.
    progress : callable, optional
        Called with one short line before each step.

    Returns
    -------
    Case
        Checked settings in which every structure name is exact (globs are resolved, a goal for
        several structures is one goal each), the CT, the structures, fingerprints and warnings.

    Raises
    ------
    CaseError
        If the case file is wrong; the text names the key and, where there is one, the choice.
    InputError
        If a file is missing, damaged, or does not belong to the others.
    """
    return case_file.load_case(Path(path), IMAGE_FORMATS, STRUCTURE_FORMATS, progress)


__all__ = [
    "IMAGE_FORMATS",
    "READ_STEPS",
    "STRUCTURE_FORMATS",
    "Inspection",
    "inspect_path",
    "read_case",
    "read_ct_series",
    "read_rtstruct",
    "read_seed_source",
    "referenced_series",
    "resolve_names",
    "seed_model",
    "used_names",
]
