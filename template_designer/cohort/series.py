"""A whole series: what is done already, what is to do, and the table of all of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from exports.cohort_files import NAMES, cohort_files
from exports.folders import abandoned_folders, put_files
from template_designer.cohort.cases import CohortCase
from template_designer.cohort.records import RECORD, fingerprint, read_record
from template_designer.cohort.running import ALL, PLAN, PLAN_ONLY, Done, Job
from template_designer.cohort.statistics import cohort_of
from template_designer.errors import OutputError
from template_designer.model.cohort import CaseOutcome, Cohort

CASES = "cases"
"""Folder of the cases' folders."""

Run = Callable[[Sequence[Job], Done], None]
"""Does jobs in any order and reports each outcome."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a series still takes."""

    folder: Path  # full path
    kept: tuple[CaseOutcome, ...]  # done before, from the same inputs
    jobs: tuple[Job, ...]


def find_work(
    cases: Sequence[CohortCase],
    folder: str | os.PathLike[str],
    *,
    files: str = ALL,
    progress: Callable[[str], None] | None = None,
) -> Work:
    """Which cases are to be done: new ones, changed ones, and those that failed.

    Parameters
    ----------
    cases : sequence of CohortCase
        As :func:`template_designer.cohort.cases.find_cases` gives them.
    folder : path
        New or empty, or that of an earlier run.
    files : str
        ``"all"`` that ``design`` writes, or ``"plan.json"`` alone.
    progress : callable, optional
        Called with the id of each case before its inputs are read.

    Raises
    ------
    OutputError
        If the folder holds something else.
    """
    target = check_cohort_folder(folder, [case.id for case in cases])
    kept, jobs = [], []
    for case in cases:
        if progress is not None:
            progress(case.id)
        job = Job(case, target / CASES / case.id, fingerprint(case, files), files)
        before = read_record(job.folder)
        if before is not None and _is_done(job, before):
            kept.append(before)
        else:
            jobs.append(job)
    return Work(target, tuple(kept), tuple(jobs))


def do_work(work: Work, run: Run, done: Done | None = None) -> Cohort:
    """Do what is left of a series, then write the table of all of it.

    Parameters
    ----------
    work : Work
        As :func:`find_work` gives it.
    run : callable
        How: see ``template_designer.cohort.scheduling``.
    done : callable, optional
        Called with each outcome as it comes.
    """
    outcomes = {outcome.id: outcome for outcome in work.kept}

    def take(outcome: CaseOutcome) -> None:
        outcomes[outcome.id] = outcome
        if done is not None:
            done(outcome)

    run(work.jobs, take)
    cohort = cohort_of(outcomes.values())
    files = cohort_files(cohort)
    put_files(work.folder, files, overwrite=True)
    for name in set(NAMES) - set(files):  # a picture of plans that are no more
        (work.folder / name).unlink(missing_ok=True)
    for left in abandoned_folders(work.folder / CASES):
        shutil.rmtree(left, ignore_errors=True)
    return cohort


def check_cohort_folder(folder: str | os.PathLike[str], ids: Sequence[str]) -> Path:
    """Say early whether a series may be written to a folder: its full path, or an OutputError."""
    target = Path(folder).absolute()
    if target.is_symlink():
        target = target.resolve()
    if not target.exists():
        return target
    if not target.is_dir():
        raise OutputError(f"{str(target)!r} is a file; name a new folder, or one of a series")
    foreign = sorted({path.name for path in target.iterdir()} - {*NAMES, CASES})
    if foreign:
        raise OutputError(
            f"{str(target)!r} also holds {', '.join(foreign[:5])}, which no series writes; name "
            "a new folder, or one of a series"
        )
    for name in ids:
        place = target / CASES / name
        if place.exists() and not (place / RECORD).is_file():
            raise OutputError(
                f"{str(place)!r} has no {RECORD}, so no series wrote it and it is not replaced; "
                "name another folder (-o)"
            )
    return target


def _is_done(job: Job, before: CaseOutcome) -> bool:
    """Whether a folder has the plan of the same inputs, as it was written."""
    if before.error or before.id != job.case.id or before.fingerprint != job.fingerprint:
        return False
    try:
        data = json.loads((job.folder / PLAN / PLAN_ONLY).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.get("hash") == before.plan_hash
