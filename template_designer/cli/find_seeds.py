"""``find-seeds``: the seeds on a CT taken after the implant, as a table to settle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import EXIT_CHECK_FAILED, NOTICE, steps
from template_designer.errors import CaseError, OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from template_designer.model import ImageVolume
    from template_designer.postplan.seeds_on_ct import FoundSeeds


def find_seeds(
    ct: Annotated[
        Path,
        typer.Argument(
            help="CT taken after the implant: DICOM folder, .nii.gz or .nrrd.", metavar="CT"
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write (.csv).", metavar="FILE")
    ],
    expected: Annotated[
        int | None,
        typer.Option(
            "--expected", help="Seeds that were implanted.", metavar="N", show_default=False
        ),
    ] = None,
    structures: Annotated[
        Path | None,
        typer.Option(
            "--structures",
            help="Structures drawn on this CT (RTSTRUCT, label map, .seg.nrrd), for --near.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    near: Annotated[
        list[str] | None,
        typer.Option(
            "--near",
            help="Look only near this structure (a name or a glob, several times).",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", help="How far round it, mm.", metavar="MM")
    ] = 30.0,
    direction: Annotated[
        str | None,
        typer.Option(
            "--direction",
            help="Direction of the needles, LPS, such as -0.77,-0.64,0: helps in thick slices.",
            metavar="X,Y,Z",
            show_default=False,
        ),
    ] = None,
    length: Annotated[
        float, typer.Option("--seed-length", help="Of the capsule, mm.", metavar="MM")
    ] = 4.5,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            help="Draw the seeds, numbered, from three sides (.png).",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
) -> None:
    """Find the seeds on a CT taken after the implant; write them as a table.

    The table (LPS, mm) has one row a seed. Sure ones say keep = yes. Uncertain ones say keep = ?
    with the reason: look at each in the picture and on the CT, write yes or no, then give the
    table to evaluate --seeds. A seed that is missing is added as a row of its own.

    Proved on simulated seeds in real CTs only, never on patients: slices of 1 mm do best, slices
    of 5 mm give places to 1-2 mm. Ends with 1 where the number differs from --expected.
    """
    from template_designer.inputs.seed_csv import seed_csv
    from template_designer.postplan import seeds_on_ct
    from template_designer.postplan.seeds_on_ct.picture import found_picture
    from template_designer.postplan.seeds_on_ct.table import seed_rows

    for file, suffix in ((output, ".csv"), (picture, ".png")):
        if file is not None:
            _check_target(file, suffix, overwrite=overwrite)
    if bool(structures) != bool(near):
        raise CaseError("--structures and --near belong together: a file, and a name in it")
    with steps("Finding seeds", seeds_on_ct.STEPS + 2) as say:
        say("reading")
        image, inside = _read(ct, structures, near or [], margin)
        try:
            found = seeds_on_ct.find_seeds(
                image,
                seed_length_mm=length,
                expected=expected,
                inside=inside,
                needle_direction_lps=None if direction is None else _triple(direction),
                progress=say,
            )
        except CaseError as error:
            raise CaseError(f"{ct}: {error}") from error
        say("writing")
        contents = {output: seed_csv(seed_rows(found))}
        if picture is not None:
            contents[picture] = found_picture(image, found)
    _write(contents, overwrite=overwrite)
    _report(found, output)
    if expected is not None and len(found.seeds) != expected:
        raise typer.Exit(EXIT_CHECK_FAILED)


def _read(
    ct: Path, structures: Path | None, near: list[str], margin_mm: float
) -> tuple[ImageVolume, NDArray[np.bool_] | None]:
    """The CT, and the voxels to look at; None for all."""
    from template_designer.geometry.solids import build_solid
    from template_designer.inputs import resolve_names
    from template_designer.inputs.later_day import read_later_day
    from template_designer.postplan.seeds_on_ct.table import mask_near

    day = read_later_day(ct, structures)
    if day.rois is None:
        return day.image, None
    names = resolve_names(near, day.rois.names, "--near", day.rois.warnings)
    solids = [build_solid(roi, day.image) for roi in day.rois.rois if roi.name in names]
    return day.image, mask_near(solids, margin_mm, day.image)


def _triple(text: str) -> NDArray[np.float64]:
    import numpy as np

    try:
        values = np.array([float(part) for part in text.split(",")])
    except ValueError:
        values = np.zeros(0)
    if values.shape != (3,) or not np.all(np.isfinite(values)):
        raise CaseError(f"--direction {text!r} is not three numbers; write them as -0.77,-0.64,0")
    return values


def _check_target(file: Path, suffix: str, *, overwrite: bool) -> None:
    """Refuse early what cannot be written."""
    if file.suffix.lower() != suffix:
        raise OutputError(f"{str(file)!r} does not end with {suffix}; name a {suffix} file")
    if not file.absolute().parent.is_dir():
        raise OutputError(f"{str(file.parent)!r} is not a folder; make it, or name another")
    if file.is_dir() or (os.path.lexists(file) and not overwrite):
        raise OutputError(
            f"{str(file)!r} is there already; name another file, or ask to overwrite (--overwrite)"
        )


def _write(contents: dict[Path, bytes], *, overwrite: bool) -> None:
    """Write the files, together where they lie in one folder."""
    from exports.folders import add_files

    folders: dict[Path, dict[str, bytes]] = {}
    for file, content in contents.items():
        place = file.absolute()
        folders.setdefault(place.parent, {})[place.name] = content
    for folder, files in folders.items():
        add_files(folder, files, overwrite=overwrite)


def _report(found: FoundSeeds, output: Path) -> None:
    """Say what was found, what is to settle, and what it was not."""
    console = Console()
    uncertain = found.uncertain
    implanted = "" if found.expected is None else f" of {found.expected} implanted"
    console.print(
        f"[bold]{len(found.seeds)}[/bold] seeds found{implanted}: "
        f"{len(found.seeds) - len(uncertain)} sure, {len(uncertain)} to settle.",
        highlight=False,
    )
    for number in uncertain:
        reasons = escape("; ".join(found.seeds[number - 1].reasons))
        console.print(f"[yellow]?[/yellow] seed {number}: {reasons}", highlight=False)
    without = sum(seed.axis_lps is None for seed in found.seeds)
    if without:
        console.print(
            f"{without} axes do not show on this CT: their cells are empty.", highlight=False
        )
    for reason, count in found.rejected.items():
        console.print(f"Taken for no seed: {count} x {escape(reason)}.", highlight=False)
    for warning in found.warnings:
        console.print(f"[yellow]note[/yellow]  {escape(warning.text)}", highlight=False)
    console.print(f"Wrote [bold]{escape(str(output))}[/bold].", highlight=False)
    console.print(NOTICE, style="dim")
