"""The command line: thin commands over the Python API, one exit code per outcome."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from template_designer._version import SOFTWARE_NAME, __version__
from template_designer.errors import CaseError, NoSafePlanError, PlannerError

if TYPE_CHECKING:  # commands import what they need when they run
    from template_designer.model import Case, Plan
    from template_designer.planning.suggest import Suggestions

EXIT_DONE, EXIT_GOAL_MISSED, EXIT_WRONG_INPUT, EXIT_NO_SAFE_PLAN = 0, 1, 2, 3
EXIT_CHECK_FAILED = 1
EXIT_DEFECT = 70
"""An error that nobody foresaw (EX_SOFTWARE): not one of the four outcomes of the contract."""
NOTICE = "Research and education only; not a medical device."

app = typer.Typer(
    name=SOFTWARE_NAME,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Plan 3D-printed coplanar templates for iodine-125 seed implantation.\n\n"
        "A CT with contours and a skin entry plane go in; a printable plate, a needle depth table "
        "and the TG-43 dose come out. Start with: template-designer demo -o out/demo\n\n"
        f"{NOTICE}"
    ),
    epilog=(
        "Exit codes: 0 done and every hard rule holds; 1 a plan was made but a goal is missed; "
        "2 the input is wrong, nothing is written; 3 no safe plan exists."
    ),
)

OutputOption = Annotated[
    Path, typer.Option("-o", "--output", help="Folder to write; must be new or empty.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a folder that an earlier run wrote.")
]

RobustOption = Annotated[
    int | None,
    typer.Option(
        "--robust",
        help="Try the plan in N scenarios of placement errors.",
        metavar="N",
        show_default=False,
    ),
]


@app.command()
def design(
    case: Annotated[Path, typer.Argument(help="Case file (TOML).", metavar="CASE.toml")],
    output: OutputOption,
    overwrite: OverwriteOption = False,
    robust: RobustOption = None,
) -> None:
    """Plan a case: CT, contours and entry plane in; plate, needle table and dose out.

    The case file says what to plan; the demo's is an example to start from. Ends with 0 when every
    hard rule holds and every goal is met, with 1 when the plan is written but misses a goal.
    """
    raise typer.Exit(EXIT_DONE if _run(case, output, overwrite, robust) else EXIT_GOAL_MISSED)


@app.command()
def suggest(
    case: Annotated[Path, typer.Argument(help="Case file (TOML).", metavar="CASE.toml")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for map, entry tables and data; with --apply for the plan.",
            show_default=False,
        ),
    ] = None,
    directions: Annotated[
        int, typer.Option("--directions", help="Directions to score, at least.", metavar="N")
    ] = 2000,
    top: Annotated[int, typer.Option("--top", help="Suggestions to give.", metavar="N")] = 10,
    templates: Annotated[
        int, typer.Option("--templates", help="1: single planes; 2: pairs.", metavar="N")
    ] = 1,
    apply: Annotated[
        int | None,
        typer.Option(
            "--apply",
            help="Plan suggestion N into the folder of -o.",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Rank entry planes over the free skin by how much of the target seeds can reach.

    Depth, bone, clearance to spare and the gap under the plate weigh in; [suggest] in the case file
    says how the patient lies and how far needles may tilt. Every number printed is that of a plan
    with the entry table given. Ends with 3 when no plane is of use.
    """
    from template_designer import suggesting
    from template_designer.inputs import READ_STEPS, read_case
    from template_designer.suggest_sheet import suggestion_tables

    suggesting.check_numbers(directions=directions, top=top, templates=templates, apply=apply)
    if apply is not None and output is None:
        raise CaseError(f"--apply {apply} writes a plan; name its folder with -o")
    if apply is not None and as_json:
        raise CaseError("--json prints the suggestions, --apply plans one; leave one out")
    if output is not None:
        from exports import check_folder
        from exports.suggest_files import check_suggest_folder, write_suggestions

        (check_suggest_folder if apply is None else check_folder)(output, overwrite=overwrite)
    with _steps("Searching", READ_STEPS + suggesting.steps(top, templates)) as say:
        read = read_case(case, say, entry_needed=False)
        found = suggesting.suggest(
            read, directions=directions, top=top, templates=templates, progress=say
        )
    written: tuple[Path, ...] = ()
    if output is not None and apply is None:
        written = write_suggestions(found, output, overwrite=overwrite)
    if as_json:
        from exports.suggest_files import as_data

        typer.echo(json.dumps(as_data(found), indent=2, ensure_ascii=False))
        return
    console = Console()
    for part in suggestion_tables(found):
        console.print(part, highlight=False)
    if apply is not None and output is not None:
        met = _suggest_and_plan(read, found, apply, output, overwrite)
        raise typer.Exit(EXIT_DONE if met else EXIT_GOAL_MISSED)
    if output is None:
        console.print("\nAdd -o DIR for a map and entry tables, --apply N -o DIR to plan one.")
    else:
        names = ", ".join(path.name for path in written)
        console.print(f"\nWrote {names} to [bold]{escape(str(written[0].parent))}[/bold].")
    console.print(NOTICE, style="dim")


@app.command()
def demo(output: OutputOption, overwrite: OverwriteOption = False) -> None:
    """Plan the case that ships with the program: a real CT with a synthetic tumour in L1.

    Ends with 0 when the plan is written and every hard rule holds.
    """
    from template_designer.demo_case import demo_case_file

    with demo_case_file() as case:
        _run(case, output, overwrite)


@app.command()
def inspect(
    path: Annotated[
        Path, typer.Argument(help="Folder, RTSTRUCT, label map, segmentation or CT file.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="Names of a label map's labels (.json).",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say what a folder or file holds: structures, volumes, images, oddities."""
    from template_designer.inputs import inspect_path
    from template_designer.summary import inspection_tables

    with _steps("Reading", 1) as say:
        found = inspect_path(path, say, labels=labels)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    for table in inspection_tables(found):
        Console().print(table)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder that a plan was written to.")],
    case: Annotated[
        Path | None,
        typer.Option(
            "--case",
            help="Case file of the plan, with its CT and contours beside it.",
            metavar="CASE.toml",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    robust: RobustOption = None,
) -> None:
    """Verify a written plan again from its files, by other code than made it.

    Prints a signed-off list. Clearances, skin and dose metrics need the case: name it with --case,
    or run where plan.json finds it. Ends with 0 when nothing fails, 1 when a check fails. With
    --robust N it then says what placement errors do to the plan.
    """
    from template_designer.checking import CHECKS, check_folder, report_tables

    if robust is not None:
        _check_robust_options(robust, case, as_json)

    with _steps("Checking", len(CHECKS) + 1) as say:
        report = check_folder(folder, case, say)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        for part in report_tables(report):
            Console().print(part)
        Console().print(NOTICE, style="dim")
    if robust is not None and case is not None:
        _print_robustness(folder, case, robust)
    raise typer.Exit(EXIT_DONE if report.passed else EXIT_CHECK_FAILED)


def _check_robust_options(scenarios: int, case: Path | None, as_json: bool) -> None:
    from template_designer.planning.robust import check_scenarios

    check_scenarios(scenarios)
    if case is None:
        raise CaseError(f"--robust {scenarios} needs the structures of the case; add --case")
    if as_json:
        raise CaseError("--json prints the checks alone; leave --robust or --json out")


def _print_robustness(folder: Path, case: Path, scenarios: int) -> None:
    from template_designer.inputs import READ_STEPS
    from template_designer.planning.robust import STEPS
    from template_designer.robust_check import robustness_of_folder
    from template_designer.robust_sheet import robust_tables

    with _steps("Placement errors", READ_STEPS + STEPS - 1) as say:
        plan_id, result = robustness_of_folder(folder, case, scenarios, say)
    for table in robust_tables(plan_id, result):
        Console().print(table)


@app.command()
def sources(
    model: Annotated[
        str | None,
        typer.Argument(
            help="Name of one model, or a table file of your own (.toml).", show_default=False
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            help="Draw the model's curves: .png, .svg or .pdf.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --plot if it is there.")
    ] = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="Recompute published values; 1 where one fails.")
    ] = False,
) -> None:
    """List the seed models on board; with MODEL its data sheet, with --plot its curves too."""
    if validate and (model or plot):
        raise CaseError("--validate checks every model on board; leave out MODEL and --plot")
    if plot and not model:
        raise CaseError("--plot draws one model; name it: sources MODEL --plot FILE")
    if validate:
        raise typer.Exit(EXIT_DONE if _validate_sources() else EXIT_GOAL_MISSED)
    if model:
        _show_source(model, plot, overwrite)
    else:
        from template_designer.source_sheet import source_tables

        for table in source_tables():
            Console().print(table)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"{SOFTWARE_NAME} {__version__}")
        raise typer.Exit(EXIT_DONE)


def main() -> None:
    """Entry point of the console script: every error becomes one line and a code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without "³" must not end the run
            stream.reconfigure(errors="replace")
    try:
        app(standalone_mode=True)
    except NoSafePlanError as error:
        _fail(str(error), EXIT_NO_SAFE_PLAN)
    except PlannerError as error:
        _fail(str(error), EXIT_WRONG_INPUT)
    except OSError as error:
        where = f" {error.filename!r}" if error.filename else ""
        _fail(f"cannot read or write{where}: {error.strerror or error}", EXIT_WRONG_INPUT)
    except Exception as error:  # a defect of ours: never to be taken for a missed goal
        if os.environ.get("TEMPLATE_DESIGNER_DEBUG"):
            raise
        _fail(
            f"internal error, please report it: {type(error).__name__}: {error} "
            "(TEMPLATE_DESIGNER_DEBUG=1 shows where)",
            EXIT_DEFECT,
        )


def _run(case_file: Path, output: Path, overwrite: bool, robust: int | None = None) -> bool:
    """Plan and write one case; whether every goal is met."""
    from exports import check_folder
    from template_designer.inputs import READ_STEPS, read_case
    from template_designer.planning.robust import STEPS as ROBUST_STEPS
    from template_designer.planning.robust import check_scenarios, robust_plan
    from template_designer.workflow import STEPS
    from template_designer.workflow import design as plan_case

    check_folder(output, overwrite=overwrite)
    if robust is not None:
        check_scenarios(robust)
    with _steps("Planning", READ_STEPS + STEPS) as say:
        case = read_case(case_file, say)
        plan = plan_case(case, say)
    if robust is not None:
        with _steps("Placement errors", ROBUST_STEPS) as say:
            plan = robust_plan(case, plan, robust, say)
    return _write(plan, output, overwrite)


def _write(plan: Plan, output: Path, overwrite: bool) -> bool:
    """Write a plan and print what it gives; whether every goal is met."""
    from exports import file_names, write_plan
    from template_designer.summary import plan_tables

    with _steps("Writing", len(file_names(plan))) as say:
        written = write_plan(plan, output, overwrite=overwrite, progress=say)
    console = Console()
    for table in plan_tables(plan):
        console.print(table)
    for note in written.notes:
        console.print(f"[yellow]note[/yellow]  {escape(note)}", highlight=False)
    console.print(
        f"\nWrote {len(written.files)} files to [bold]{escape(str(written.folder))}[/bold]."
    )
    console.print(NOTICE, style="dim")
    return plan.goals_met


def _suggest_and_plan(
    case: Case, found: Suggestions, number: int, output: Path, overwrite: bool
) -> bool:
    """Plan and write suggestion ``number``; whether every goal is met."""
    from template_designer.suggesting import with_suggestion
    from template_designer.workflow import STEPS
    from template_designer.workflow import design as plan_case

    with _steps("Planning", STEPS) as say:
        plan = plan_case(with_suggestion(case, found, number), say)
    return _write(plan, output, overwrite)


def _validate_sources() -> bool:
    """Print published values beside computed ones; whether all agree."""
    from dose import published_checks
    from template_designer.source_sheet import check_table

    checks = published_checks()
    Console().print(check_table(checks))
    passed = sum(check.passed for check in checks)
    Console().print(f"{passed} of {len(checks)} published values reproduced.")
    return passed == len(checks)


def _show_source(name_or_file: str, plot: Path | None, overwrite: bool) -> None:
    """Print one model's data sheet and draw its curves where asked."""
    from exports.source_plots import check_plot_path, write_source_plot
    from template_designer.inputs import seed_model
    from template_designer.source_sheet import source_sheet

    if plot is not None:
        check_plot_path(plot, overwrite=overwrite)
    source = seed_model(name_or_file)
    console = Console()
    for part in source_sheet(source):
        console.print(part, highlight=False)
    if plot is None:
        console.print("\nAdd --plot FILE (.png, .svg or .pdf) for curves.", highlight=False)
        return
    written = write_source_plot(source, plot, overwrite=overwrite)
    console.print(f"\nWrote [bold]{escape(str(written))}[/bold].", highlight=False)


@contextmanager
def _steps(title: str, total: int) -> Iterator:
    """Progress bar on standard error; the caller reports each step before it starts."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        begun = False

        def say(text: str) -> None:
            nonlocal begun
            progress.update(task, description=escape(f"{title}: {text}"), advance=1 if begun else 0)
            begun = True

        yield say


def _fail(text: str, code: int) -> NoReturn:
    message = " ".join(text.split())
    print(f"{SOFTWARE_NAME}: {message}", file=sys.stderr)  # noqa: T201  # one plain line, no markup
    raise SystemExit(code)
