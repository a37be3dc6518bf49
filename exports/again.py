"""Files of a plan that was written earlier, from its ``plan.json`` and, where needed, its case."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from exports.folders import add_files, write_files
from exports.plan_json import plan_hash
from exports.registry import FORMATS, Format
from exports.writer import Progress, WrittenPlan, file_contents
from template_designer._version import __version__
from template_designer.errors import InputError, OutputError
from template_designer.inputs import read_case, read_seed_source, used_names
from template_designer.inputs.names import did_you_mean
from template_designer.inputs.plan_file import PLAN_FILE, PlanFile, read_plan_file
from template_designer.model import Case, CaseSettings, Plan, SeedSource
from template_designer.planning.approach import needle_rules, prepare_approach
from template_designer.planning.bone import bone_names
from template_designer.planning.dvh import dvh_curves, judged_structures
from template_designer.planning.evaluate import Seeds, structure_doses
from template_designer.planning.pictures import plan_surfaces
from template_designer.planning.structures import build_structures, target_solid

STEPS = 1
"""Calls of ``progress`` that :func:`read_plan` makes beyond those of ``read_case``."""


def read_plan(
    path: str | os.PathLike[str],
    case_file: str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Plan:
    """A plan from the folder it was written to.

    Parameters
    ----------
    path : path
        The folder, or its ``plan.json``.
    case_file : path, optional
        The plan's own case: surfaces and images come from there. Without it the plan has none.
    progress : callable, optional
        Called with one short line before each step.

    Returns
    -------
    Plan
        With the numbers of the file; the dose is computed again from the seeds it lists.

    Raises
    ------
    InputError
        If the file cannot be read, was changed, was written by a version that this one does not
        understand in full, or is not the plan of that case.
    """
    folder = Path(path)
    case = None if case_file is None else read_case(case_file, progress)

    def capsule_mm(settings: CaseSettings) -> float:
        return _source(folder, settings, case).model.capsule_mm[0]

    read = read_plan_file(folder, capsule_mm)
    if case is not None:
        _same_case(folder, read, case, Path(str(case_file)))
    source = _of_strength(_source(folder, read.settings, case), read.air_kerma_strength_u)
    if progress is not None:
        progress("computing dose" if case is None else "computing dose and surfaces")
    plan = _plan(read, source)
    if plan_hash(plan) != read.sha256:
        raise InputError(
            f"{folder}: version {read.software_version} wrote this plan, and version {__version__} "
            "does not read all of it; export with that version, or plan the case again"
        )
    return plan if case is None else _with_case(plan, case)


def write_formats(
    plan: Plan,
    formats: Sequence[Format],
    folder: str | os.PathLike[str],
    *,
    beside: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> WrittenPlan:
    """Write some files of a plan: all of them, or none.

    The plan's hard rules were checked when it was written, and its hash says that it is the same.

    Parameters
    ----------
    plan : Plan
        As :func:`read_plan` gives it.
    formats : sequence of Format
        What to write; see :func:`choose_formats`.
    folder : path
        New or empty; parents are made.
    beside : bool
        The folder may hold other files, which stay as they are; not those to be written.
    overwrite : bool
        As ``beside``, and files of the same names are replaced.
    progress : callable, optional
        Called with each file name.

    Returns
    -------
    WrittenPlan
        The folder and the files.

    Raises
    ------
    OutputError
        If the folder may not be used, or a file cannot be made or written: nothing is written.
    """
    target = check_export_folder(folder, beside=beside, overwrite=overwrite)
    notes: list[str] = []
    exporters = {item.file: item.build for item in formats}
    contents = dict(file_contents(plan, exporters, notes, progress))
    if notes:
        raise OutputError(f"{notes[0]}; nothing was written")
    if _is_used(target):
        names = add_files(target, contents, overwrite=overwrite)
    else:
        names = write_files(
            target,
            contents,
            lambda: check_export_folder(target, beside=False, overwrite=False),
            overwrite=False,
        )
    return WrittenPlan(target, tuple(target / name for name in names))


def choose_formats(names: Sequence[str], *, has_case: bool) -> tuple[Format, ...]:
    """Formats by their names, in the order of the registry.

    Raises
    ------
    InputError
        If a name is not known, or a format needs the case and there is none.
    OutputError
        If a format cannot be made on this machine.
    """
    known = tuple(dict.fromkeys(item.name for item in FORMATS))
    for name in names:
        if name not in known:
            raise InputError(
                f"format {name!r} is not known; {did_you_mean(name, known)}formats: "
                f"{', '.join(known)} (export --list says more)"
            )
    if not names:
        raise InputError(f"--format names no format; choose from {', '.join(known)}")
    chosen = tuple(item for item in FORMATS if item.name in names)
    for item in chosen:
        if item.needs_case and not has_case:
            raise InputError(
                f"format {item.name!r} ({item.file}) needs images, surfaces or dose, which "
                f"{PLAN_FILE} does not hold; add --case CASE.toml, or leave it out"
            )
        problem = item.problem()
        if problem is not None:
            raise OutputError(f"{item.file}: {problem}; nothing was written")
    return chosen


def check_export_folder(
    folder: str | os.PathLike[str], *, beside: bool = False, overwrite: bool = False
) -> Path:
    """Say early whether files may be written to a folder: its full path, or an OutputError."""
    target = Path(folder).absolute()
    if target.is_symlink():
        target = target.resolve()
    if os.path.lexists(target) and not target.is_dir():
        raise OutputError(f"{str(target)!r} is a file; name a new or empty folder")
    if _is_used(target) and not (beside or overwrite):
        raise OutputError(
            f"{str(target)!r} is not empty; name a new folder, or ask to overwrite (--overwrite)"
        )
    return target


def _is_used(folder: Path) -> bool:
    try:
        return folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        raise OutputError(f"cannot look into {str(folder)!r}: {error.strerror}") from error


def _source(folder: Path, settings: CaseSettings, case: Case | None) -> SeedSource:
    if case is not None:
        return case.source
    if settings.source.file is not None:
        raise InputError(
            f"{folder}: the seeds are of the table file {settings.source.file!r}, which lies "
            "beside the case; add --case CASE.toml"
        )
    return read_seed_source(settings.source, folder)


def _of_strength(source: SeedSource, written_u: float) -> SeedSource:
    """Of several strengths the one that was planned with: the file rounds it."""
    if not source.choices_u:
        return source
    return source.with_strength(min(source.choices_u, key=lambda u: abs(u - written_u)))


def _same_case(folder: Path, read: PlanFile, case: Case, case_file: Path) -> None:
    """Refuse a case that is not the one that was planned, to the last byte."""
    planned = {item.sha256: item.path for item in read.inputs}
    missing = set(planned) - {item.sha256 for item in case.inputs}
    if missing or len(case.inputs) != len(read.inputs):
        names = ", ".join(sorted(planned[sha] for sha in missing)) or "the number of files"
        raise InputError(
            f"{case_file} is not the case of the plan in {folder}, or was changed since: {names} "
            "differs; name the plan's own case, or plan this one"
        )


def _plan(read: PlanFile, source: SeedSource) -> Plan:
    seeds = Seeds.of(read.templates, source.model, source.air_kerma_strength_u, read.earlier_seeds)
    return Plan(
        settings=read.settings,
        software_version=read.software_version,
        inputs=read.inputs,
        source=source,
        templates=read.templates,
        metrics=read.metrics,
        goals=read.goals,
        reach=read.reach,
        warnings=read.warnings,
        dose=seeds.field(read.settings.prescription.dose_gy),
        rules=needle_rules(read.settings),
        biology=read.biology,
        robust=read.robust,
        delivery=read.delivery,
        steering=read.steering,
        loading=read.loading,
        earlier_seeds=read.earlier_seeds,
    )


def _with_case(plan: Plan, case: Case) -> Plan:
    """The plan with surfaces, images, structures and histograms of its case."""
    settings, source = plan.settings, plan.source.model
    solids, _ = build_structures(replace(case, settings=settings), used_names(settings))
    target = target_solid(settings, solids)
    approaches = [
        prepare_approach(settings, entry, case.image, solids, target, source)
        for entry in settings.entry
    ]
    bone = bone_names(settings.bone.patterns, tuple(solids))
    judged = {name: solids[name] for name in judged_structures(settings, target.name, plan.goals)}
    seeds = Seeds.of(plan.templates, source, plan.air_kerma_strength_u, plan.earlier_seeds)
    doses = structure_doses(settings, judged, target, seeds)
    return replace(
        plan,
        surfaces=plan_surfaces(settings, solids, target, bone, approaches),
        image=case.image.reference,
        rois=case.rois,
        ct=case.image,
        dvh=dvh_curves(settings, doses, target.name, plan.goals),
    )
