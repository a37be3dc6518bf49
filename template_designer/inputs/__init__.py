"""Everything that is read: case files, CT, structures.

To add a format: one module with a ``FORMAT`` (see ``formats``), and one line in ``registry``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from template_designer.inputs import case_file
from template_designer.inputs.case_checks import used_names
from template_designer.inputs.dicom_ct import read_ct_series
from template_designer.inputs.dicom_rtstruct import read_rtstruct, referenced_series
from template_designer.inputs.inspect import Inspection, inspect_path
from template_designer.inputs.names import resolve_names
from template_designer.inputs.registry import IMAGE_FORMATS, STRUCTURE_FORMATS, VOLUME_FORMATS
from template_designer.inputs.seed_source import read_seed_source, seed_model
from template_designer.model import Case

READ_STEPS = 3
"""Calls of ``progress`` that :func:`read_case` makes."""


def read_case(
    path: str | os.PathLike[str],
    progress: Callable[[str], None] | None = None,
    *,
    entry_needed: bool = True,
) -> Case:
    """Read a case file and everything it points to.

    Parameters
    ----------
    path : str or path-like
        The TOML case file; paths in it are relative to it.
    progress : callable, optional
        Called with one short line before each step.
    entry_needed : bool
        False for a case whose entry plane is still to be found.

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
    return case_file.load_case(
        Path(path), IMAGE_FORMATS, STRUCTURE_FORMATS, progress, entry_needed=entry_needed
    )


__all__ = [
    "IMAGE_FORMATS",
    "READ_STEPS",
    "STRUCTURE_FORMATS",
    "VOLUME_FORMATS",
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
