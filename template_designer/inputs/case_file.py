"""From a case file to a ``Case``: read, look up, and check that everything belongs together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from template_designer.errors import CaseError, InputError
from template_designer.geometry.plate_case import check_plate_case
from template_designer.inputs.case_checks import (
    check_entries,
    check_values,
    resolve_structures,
    used_names,
)
from template_designer.inputs.consistency import check_frames, check_place
from template_designer.inputs.formats import ImageFormat, StructureFormat, choose_format
from template_designer.inputs.hashing import sha256_of
from template_designer.inputs.schema import read_settings
from template_designer.inputs.seed_source import read_seed_source, source_warnings
from template_designer.model import Case, CaseSettings, InputFile, SeedSource

Progress = Callable[[str], None]


def load_case(
    path: Path,
    image_formats: Sequence[ImageFormat],
    structure_formats: Sequence[StructureFormat],
    progress: Progress | None = None,
    *,
    entry_needed: bool = True,
) -> Case:
    """Read a case file and everything it points to, with the given formats.

    ``template_designer.inputs.read_case`` is this with every format on board; see there.
    """
    say = progress or (lambda text: None)
    if not path.is_file():
        raise InputError(f"{path}: is not a case file; name a TOML file")
    try:
        settings = read_settings(path)
        if entry_needed and not settings.entry:
            raise CaseError(
                "[entry] is missing; state the entry plane, or let 'template-designer suggest' "
                "find one"
            )
        source = read_seed_source(settings.source, path.parent)
        check_values(settings, source)
        plate_warnings = check_plate_case(settings)
        case = _with_files(path, settings, source, image_formats, structure_formats, say)
        return replace(case, warnings=(*case.warnings, *plate_warnings))
    except CaseError as error:
        raise CaseError(f"{path}: {error}") from error


def _with_files(
    path: Path,
    settings: CaseSettings,
    source: SeedSource,
    image_formats: Sequence[ImageFormat],
    structure_formats: Sequence[StructureFormat],
    say: Progress,
) -> Case:
    images = settings.images
    ct, structures = path.parent / images.ct, path.parent / images.structures
    labels = None if images.labels is None else path.parent / images.labels
    image_format = choose_format(ct, image_formats, "[images] ct")
    structure_format = choose_format(structures, structure_formats, "[images] structures")
    if labels is not None and not labels.is_file():
        raise InputError(f"[images] labels: {labels} does not exist")
    say(f"Reading CT {images.ct}")
    image, told = image_format.read(ct, structure_format.referenced_series(structures))
    say(f"Reading structures {images.structures}")
    rois = structure_format.read(structures, image, labels)
    say("Checking the case")
    stated = image_format.states_frame and structure_format.states_frame
    unchecked = check_frames(image, rois, stated=stated)
    settings = resolve_structures(settings, rois)
    place_warnings = check_place(image, rois, used_names(settings))
    check_entries(settings, rois, image)
    return Case(
        settings=settings,
        image=image,
        rois=rois,
        source=source,
        inputs=_fingerprints(path, settings),
        warnings=(*source_warnings(source), *told, *rois.warnings, *unchecked, *place_warnings),
    )


def _fingerprints(path: Path, settings: CaseSettings) -> tuple[InputFile, ...]:
    """Hash everything that went in; paths as the case file has them."""
    images = settings.images
    named = (images.ct, images.structures, images.labels, settings.source.file)
    stated = [p for p in named if p is not None]
    return (
        InputFile(path.name, sha256_of(path)),
        *(InputFile(p, sha256_of(path.parent / p)) for p in stated),
    )
