"""Delivered seeds from whatever they are stored in: a table, or a brachytherapy plan."""

from __future__ import annotations

from pathlib import Path

from template_designer.errors import CaseError
from template_designer.inputs._dicom_file import is_dicom
from template_designer.inputs.rtplan_seeds import read_rtplan_seeds
from template_designer.inputs.seed_csv import read_seed_csv
from template_designer.model.seed_set import SeedSet


def read_delivered_seeds(
    path: Path, *, strength_u: float, nuclide: str, confirm_unusual_strength: bool = False
) -> SeedSet:
    """Read seeds from a table (CSV) or an RTPLAN; see the readers.

    Parameters
    ----------
    path : Path
        The file.
    strength_u, nuclide : float, str
        Of the seeds of a table, which states neither.
    confirm_unusual_strength : bool
        Take strengths of an RTPLAN that no clinic uses.

    Raises
    ------
    CaseError, InputError
        If it is neither, or holds no seed; the text says what is wrong where.
    """
    if path.is_dir():
        raise CaseError(
            f"--seeds {path}: is a folder. Find the seeds on the CT first: find-seeds {path} -o "
            "seeds.csv, settle what is uncertain, and name that table"
        )
    if not path.is_file():
        raise CaseError(f"--seeds {path}: does not exist; name a table (.csv) or an RTPLAN (.dcm)")
    if is_dicom(path):
        return read_rtplan_seeds(path, confirm_unusual_strength=confirm_unusual_strength)
    return read_seed_csv(path, strength_u=strength_u, nuclide=nuclide)
