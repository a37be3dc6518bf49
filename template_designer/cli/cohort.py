"""``cohort``: many cases on many cores, one table."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from template_designer.cli.common import EXIT_DONE, EXIT_GOAL_MISSED, NOTICE, steps
from template_designer.errors import CaseError

if TYPE_CHECKING:
    from template_designer.cohort.series import Work
    from template_designer.model.cohort import CaseOutcome, Cohort


def cohort(
    cases: Annotated[
        list[Path],
        typer.Argument(
            help="Case files, folders that hold a case.toml, or tables of cases (.csv).",
            metavar="CASES",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder of the series: new, or of an earlier run."),
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Cases at a time on this machine; without it one a core.",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            help="Address of a Dask scheduler whose workers see the same folders.",
            metavar="tcp://HOST:PORT",
            show_default=False,
        ),
    ] = None,
    serial: Annotated[
        bool, typer.Option("--serial", help="One case after the other, without Dask.")
    ] = False,
    plans_only: Annotated[
        bool,
        typer.Option(
            "--plans-only", help="Only plan.json and evaluation.json; 'export' makes the rest."
        ),
    ] = False,
) -> None:
    """Plan a series of cases, compare plans with what was delivered, and write one table.

    A table of cases has the column case, and for evaluations seeds, ct, structures, labels and
    registration. A case that is done and whose inputs did not change is kept, so that the same
    command goes on where an earlier one ended. A bad case is recorded and does not stop the rest.
    Ends with 1 where a case failed or misses a goal.
    """
    from template_designer.cohort.cases import find_cases
    from template_designer.cohort.running import ALL, PLAN_ONLY
    from template_designer.cohort.series import find_work

    if sum((workers is not None, scheduler is not None, serial)) > 1:
        raise CaseError("choose one of --workers, --scheduler and --serial")
    found = find_cases(cases)
    with steps("Looking at inputs", len(found)) as say:
        work = find_work(found, output, files=PLAN_ONLY if plans_only else ALL, progress=say)
    made = _run(work, workers, scheduler, serial)
    _say(made, work)
    missed = any(outcome.goals_met < outcome.goals for outcome in made.planned)
    raise typer.Exit(EXIT_GOAL_MISSED if made.failed or missed else EXIT_DONE)


def _run(work: Work, workers: int | None, scheduler: str | None, serial: bool) -> Cohort:
    from template_designer.cohort.scheduling import (
        cores,
        local_cluster,
        remote_cluster,
        run_on,
        run_serial,
    )
    from template_designer.cohort.series import do_work

    console = Console(stderr=True)
    cluster: AbstractContextManager[Any] = nullcontext()
    if scheduler is not None and work.jobs:
        cluster = remote_cluster(scheduler)
    elif not serial and work.jobs:
        cluster = local_cluster(min(workers or cores(), len(work.jobs)))
    with cluster as client:
        if client is not None:
            console.print(f"Dashboard: {client.dashboard_link}", highlight=False)
        with _progress(console) as progress:
            task = progress.add_task("Cases", total=len(work.jobs))

            def done(outcome: CaseOutcome) -> None:
                progress.console.print(_line(outcome), highlight=False)
                progress.advance(task)

            run = run_serial if client is None else partial(run_on, client)
            return do_work(work, run, done)


def _progress(console: Console) -> Progress:
    """How many cases are done, above it a line for each of them."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24))
    return Progress(
        *columns, MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
    )


def _line(outcome: CaseOutcome) -> str:
    name = escape(outcome.id)
    if outcome.error:
        return f"[red]failed[/red]  {name}: {escape(outcome.error)}"
    v100 = f"V100 {outcome.plan['v100_pct']:.1f} %, {outcome.seeds} seeds"
    if outcome.goals_met < outcome.goals:
        missed = outcome.goals - outcome.goals_met
        return f"[yellow]missed[/yellow]  {name}: {missed} of {outcome.goals} goals; {v100}"
    return f"[green]done[/green]    {name}: {v100}"


def _say(made: Cohort, work: Work) -> None:
    from exports.cohort_files import NAMES
    from template_designer.cohort.sheet import series_table

    console = Console()
    if made.planned:
        console.print(series_table(made))
    console.print(
        f"{len(made.outcomes)} cases: {len(made.planned)} planned ({len(work.kept)} kept from "
        f"before), {len(made.evaluated)} evaluated, {len(made.failed)} failed.",
        highlight=False,
    )
    names = ", ".join(name for name in NAMES if (work.folder / name).exists())
    console.print(f"Wrote {names} to [bold]{escape(str(work.folder))}[/bold].", highlight=False)
    console.print(NOTICE, style="dim")
