"""The folder of an evaluation: all files together, or none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import trimesh

from exports import (
    evaluation_csv,
    evaluation_dvh,
    evaluation_json,
    evaluation_report,
    evaluation_slices,
)
from exports.evaluation_json import EVALUATION_FILE
from exports.evaluation_tables import SMALL_CM3
from exports.folders import write_files
from exports.patient_stl import FRAME_WORDS
from exports.stl import stl_bytes
from template_designer.errors import OutputError
from template_designer.model.evaluation import Evaluation

FILES = (EVALUATION_FILE, "evaluation.html", "seeds.csv", "dvh.png", "slices.png")
"""What every evaluation writes; beside them ``cold-spot-1.stl``, the largest, and so on."""

STEPS = len(FILES) + 1
"""Calls of ``progress`` that :func:`write_evaluation` makes."""

_OURS = re.compile(r"cold-spot-\d+\.stl")


def write_evaluation(
    evaluation: Evaluation,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> tuple[Path, ...]:
    """Write every file of an evaluation into a folder, or none.

    Parameters
    ----------
    evaluation : Evaluation
    folder : path
        New or empty; parents are made.
    overwrite : bool
        Also take a folder that holds a written evaluation and nothing else, and replace it whole.
    progress : callable, optional
        Called with each file name.

    Raises
    ------
    OutputError
        If the folder may not be used or cannot be written.
    """
    say = progress or (lambda text: None)
    target = check_evaluation_folder(folder, overwrite=overwrite)
    say("dvh.png")
    contents = {"dvh.png": evaluation_dvh.build(evaluation)}
    say("slices.png")
    contents["slices.png"] = evaluation_slices.build(evaluation)
    say("evaluation.html")
    contents["evaluation.html"] = evaluation_report.build(evaluation, contents)
    say(EVALUATION_FILE)
    contents[EVALUATION_FILE] = evaluation_json.build(evaluation)
    say("seeds.csv")
    contents["seeds.csv"] = evaluation_csv.build(evaluation)
    say("cold spots")
    contents |= cold_spot_files(evaluation)
    names = write_files(
        target,
        contents,
        lambda: check_evaluation_folder(target, overwrite=overwrite),
        overwrite=overwrite,
    )
    return tuple(target / name for name in names)


def cold_spot_files(evaluation: Evaluation) -> dict[str, bytes]:
    """Surfaces of the cold spots (binary STL, LPS, mm, frame of the preplan), by file name."""
    files = {}
    for place, spot in enumerate(evaluation.cold_spots, start=1):
        if spot.surface is None or spot.volume_cm3 < SMALL_CM3:
            continue
        mesh = trimesh.Trimesh(spot.surface.vertices_lps_mm, spot.surface.faces, process=False)
        title = f"{FRAME_WORDS} {evaluation.plan.id} cold spot {place}"
        files[f"cold-spot-{place}.stl"] = stl_bytes(mesh, title)
    return files


def check_evaluation_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Say early whether an evaluation may be written to a folder: its full path, or an error."""
    target = Path(folder).absolute()
    if target.is_symlink():
        target = target.resolve()
    if not target.exists():
        return target
    if not target.is_dir():
        raise OutputError(f"{str(target)!r} is a file; name a new or empty folder")
    names = sorted(path.name for path in target.iterdir())
    if not names:
        return target
    if not overwrite:
        raise OutputError(
            f"{str(target)!r} is not empty; name a new folder, or ask to overwrite (--overwrite)"
        )
    if EVALUATION_FILE not in names:
        raise OutputError(
            f"{str(target)!r} holds no {EVALUATION_FILE}, so it is no written evaluation and is "
            "not overwritten; name another folder"
        )
    foreign = [name for name in names if name not in FILES and not _OURS.fullmatch(name)]
    if foreign:
        raise OutputError(
            f"{str(target)!r} also holds files of yours ({', '.join(foreign[:5])}) that "
            "overwriting would delete; move them away or name another folder"
        )
    return target
