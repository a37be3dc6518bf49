"""``check``: a written plan verified again from its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from template_designer.cli.common import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    NOTICE,
    RobustOption,
    steps,
)
from template_designer.errors import CaseError


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

    with steps("Checking", len(CHECKS) + 1) as say:
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

    with steps("Placement errors", READ_STEPS + STEPS - 1) as say:
        plan_id, result = robustness_of_folder(folder, case, scenarios, say)
    for table in robust_tables(plan_id, result):
        Console().print(table)
