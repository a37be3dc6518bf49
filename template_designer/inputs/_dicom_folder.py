"""What lies in a folder of DICOM files: CT series, structure sets, and the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from template_designer.errors import InputError
from template_designer.inputs._dicom_file import (
    cut_off_error,
    describe_file,
    is_dicom,
    read_dataset,
    text_of,
)
from template_designer.inputs.dicom_rtstruct import is_rtstruct
from template_designer.model import PlanWarning

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""A file of such a name that is not DICOM was damaged on its way."""


@dataclass(frozen=True, slots=True, eq=False)
class CtFile:
    """One CT image file, its header read, its pixels not."""

    path: Path
    header: Dataset
    cut: str | None  # where the file breaks off


@dataclass(slots=True, eq=False)
class FolderContent:
    """The DICOM files of one folder, sorted by what they are."""

    folder: Path
    series: dict[str, list[CtFile]] = field(default_factory=dict)  # by Series Instance UID
    structure_sets: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)  # modality: files
    subfolders: int = 0
    warnings: list[PlanWarning] = field(default_factory=list)

    def describe(self) -> str:
        """Say what the folder holds besides CT, for messages."""
        found = [f"{count} {kind}" for kind, count in sorted(self.others.items())]
        if self.structure_sets:
            found.append(f"{len(self.structure_sets)} RTSTRUCT")
        if self.subfolders:
            found.append(f"{self.subfolders} folders, which are not searched")
        return ", ".join(found) or "nothing"

    def describe_series(self, uid: str) -> str:
        """Say what a series is: UID, description, number of slices."""
        files = self.series[uid]
        title = text_of(files[0].header, "SeriesDescription") or "no description"
        return f"{uid} ({title!r}, {len(files)} slices)"


def visible_files(folder: Path) -> list[Path]:
    """Files of a folder in the order of their names; hidden files and subfolders are left out."""
    if not folder.is_dir():
        what = "is a file; name the folder that holds the CT" if folder.exists() else "is not there"
        raise InputError(f"{folder}: {what}")
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def scan_folder(folder: Path) -> FolderContent:
    """Read the headers of every DICOM file in a folder (subfolders are not searched).

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    FolderContent
        CT images by series, RTSTRUCT files, counts of the rest; warnings for what was passed over.

    Raises
    ------
    InputError
        If the folder is missing, or a DICOM file is so short that it does not say what it is.
    """
    content = FolderContent(folder)
    for path in visible_files(folder):
        if not is_dicom(path):
            _check_not_meant(path)
            content.others["not DICOM"] += 1
            continue
        header, cut = read_dataset(path, pixels=False)
        _sort_in(content, CtFile(path, header, cut))
    content.subfolders = sum(1 for p in folder.iterdir() if p.is_dir())
    return content


def _check_not_meant(path: Path) -> None:
    """Refuse files that should have been DICOM: a lost slice must not go unseen."""
    what = describe_file(path)
    if path.suffix.lower() in DICOM_SUFFIXES or what == "an empty file":
        raise InputError(
            f"{path}: is not a DICOM file ({what}); copy it again, or move it elsewhere"
        )


def _sort_in(content: FolderContent, file: CtFile) -> None:
    modality = text_of(file.header, "Modality")
    if not modality and (file.cut is not None or _claims_ct(file.header)):
        raise cut_off_error(file.path, file.cut or "it has no modality")
    if is_rtstruct(file.header):
        content.structure_sets.append(file.path)
    elif modality != "CT" and text_of(file.header, "SOPClassUID") != CT_CLASS:
        content.others[modality or "DICOM without modality"] += 1
    elif "LOCALIZER" in text_of(file.header, "ImageType"):
        _pass_over(content, file, "localizer-skipped", "is a localizer")
    else:
        _sort_in_ct(content, file)


def _claims_ct(header: Dataset) -> bool:
    """Whether a file without modality may have been a CT slice before it was cut off."""
    meta = getattr(header, "file_meta", Dataset())
    image_class = text_of(header, "SOPClassUID") or text_of(meta, "MediaStorageSOPClassUID")
    return image_class in ("", CT_CLASS)


def _sort_in_ct(content: FolderContent, file: CtFile) -> None:
    image_class = text_of(file.header, "SOPClassUID")
    if image_class in ENHANCED_CT_CLASSES or text_of(file.header, "NumberOfFrames") not in (
        "",
        "1",
    ):
        content.others["enhanced multi-frame CT"] += 1
        return
    has_place = bool(text_of(file.header, "ImagePositionPatient"))
    if image_class != CT_CLASS and not has_place:
        _pass_over(content, file, "image-skipped", "is no CT slice (a screen capture or report)")
        return
    uid = text_of(file.header, "SeriesInstanceUID")
    if not uid:
        if file.cut is not None:
            raise cut_off_error(file.path, file.cut)
        raise InputError(f"{file.path}: a CT image without Series Instance UID; export it again")
    content.series.setdefault(uid, []).append(file)


def _pass_over(content: FolderContent, file: CtFile, code: str, what: str) -> None:
    content.others[code.removesuffix("-skipped")] += 1
    content.warnings.append(PlanWarning(code, f"{file.path.name}: {what}; passed over"))
