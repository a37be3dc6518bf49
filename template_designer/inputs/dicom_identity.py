"""Who a DICOM series says it is: patient, study, frame of reference, slices.

What is read here is written again beside a plan, so it is made fit for that: texts are decoded
whatever character set they are in, and values that break their own type are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from pydicom.dataset import Dataset

from template_designer.inputs._ct_geometry import SliceHeader, Stack
from template_designer.inputs._dicom_file import raw_of, text_of
from template_designer.inputs.charsets import decode_text
from template_designer.model.dicom import DicomIdentity, DicomSlice

LONGEST_NAME, LONGEST_TEXT, LONGEST_ID = 64, 64, 16
"""What DICOM allows in each group of a person's name, in LO and in SH: characters, taken here as
bytes of UTF-8, for many a program counts those."""

MOST_NAME_PARTS, MOST_NAME_GROUPS = 5, 3
"""A name has five parts (``^``) in each of three groups (``=``): letters, ideograms, sounds."""

_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?")


def dicom_identity(stack: Stack, headers: Mapping[Path, Dataset]) -> DicomIdentity:
    """Identity of an ordered series.

    Parameters
    ----------
    stack : Stack
        Its slices in order; of repeats at one position the first is meant.
    headers : mapping of Path to Dataset
        Header of every slice's file.
    """
    firsts = [files[0] for files in stack.slices]
    header = headers[firsts[0].path]
    sex = text_of(header, "PatientSex").upper()
    return DicomIdentity(
        study_uid=text_of(header, "StudyInstanceUID"),
        series_uid=text_of(header, "SeriesInstanceUID"),
        frame_of_reference_uid=firsts[0].frame_uid,
        slices=tuple(_slice(file, headers[file.path]) for file in firsts),
        patient_name=person_name(_text(header, "PatientName")),
        patient_id=plain_text(_text(header, "PatientID"), LONGEST_TEXT),
        patient_birth_date=_matching(_DATE, text_of(header, "PatientBirthDate")),
        patient_sex=sex if sex in ("M", "F", "O") else "",
        study_date=_matching(_DATE, text_of(header, "StudyDate")),
        study_time=_matching(_TIME, text_of(header, "StudyTime")),
        study_id=plain_text(_text(header, "StudyID"), LONGEST_ID),
        study_description=plain_text(_text(header, "StudyDescription"), LONGEST_TEXT),
        accession_number=plain_text(_text(header, "AccessionNumber"), LONGEST_ID),
        referring_physician_name=person_name(_text(header, "ReferringPhysicianName")),
        position_reference_indicator=plain_text(
            _text(header, "PositionReferenceIndicator"), LONGEST_TEXT
        ),
        identity_removed=text_of(header, "PatientIdentityRemoved").upper() == "YES",
    )


def plain_text(text: str, longest: int) -> str:
    r"""Make a text fit for one DICOM value: one line, no backslash, no control signs, not too long.

    Examples
    --------
    >>> plain_text("T1\\C4\n", 16)
    'T1 C4'
    """
    kept = "".join(" " if _breaks(char) else char for char in text)
    return _shortened(" ".join(kept.split()), longest).strip()


def _shortened(text: str, longest: int) -> str:
    """Beginning of a text that fits into so many bytes of UTF-8."""
    return text.encode("utf-8", "ignore")[:longest].decode("utf-8", "ignore")


def person_name(text: str) -> str:
    """Make a name fit for DICOM: at most three groups of five parts, each group not too long.

    Examples
    --------
    >>> person_name("Doe^Jane^^^^Dr^extra")
    'Doe^Jane^^^Dr extra'
    """
    groups = text.split("=")
    groups = [*groups[: MOST_NAME_GROUPS - 1], " ".join(groups[MOST_NAME_GROUPS - 1 :])]
    made = []
    for group in groups:
        parts = [plain_text(part, LONGEST_NAME) for part in group.split("^")]
        last = " ".join(part for part in parts[MOST_NAME_PARTS - 1 :] if part)
        parts = [*parts[: MOST_NAME_PARTS - 1], last]
        made.append(_shortened("^".join(parts), LONGEST_NAME).rstrip("^ "))
    return "=".join(made).rstrip("=")


def _breaks(char: str) -> bool:
    """Whether a character may not stand in a DICOM text of one line."""
    return char == "\\" or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


def _slice(file: SliceHeader, header: Dataset) -> DicomSlice:
    x, y, z = (float(value) for value in file.position_lps_mm)
    return DicomSlice(text_of(header, "SOPClassUID"), text_of(header, "SOPInstanceUID"), (x, y, z))


def _text(header: Dataset, keyword: str) -> str:
    """Value of an element in whatever character set it is, declared or not; '' where absent."""
    if keyword not in header:
        return ""
    element = header.get_item(keyword)
    if not element.is_raw:  # decoded before, by the declared character set
        return text_of(header, keyword)
    stated = raw_of(header, "SpecificCharacterSet").decode("ascii", "replace")
    declared = tuple(term.strip(" \0") for term in stated.split("\\")) if stated.strip() else ()
    return decode_text(raw_of(header, keyword), declared).text


def _matching(pattern: re.Pattern[str], text: str) -> str:
    return text if pattern.fullmatch(text) else ""
