"""The command line: thin commands over the Python API, one exit code per outcome.

A new command is one module and one line in :data:`COMMANDS`.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from template_designer._version import SOFTWARE_NAME, __version__
from template_designer.cli import (
    assay,
    check,
    cohort,
    design,
    evaluate,
    export,
    find_seeds,
    inspect,
    order,
    report,
    sources,
    suggest,
    view,
)
from template_designer.cli.common import (
    EXIT_DEFECT,
    EXIT_DONE,
    EXIT_NO_SAFE_PLAN,
    EXIT_WRONG_INPUT,
    NOTICE,
)
from template_designer.errors import NoSafePlanError, PlannerError

__all__ = ["COMMANDS", "app", "main"]

COMMANDS: tuple[Callable[..., None], ...] = (
    design.design,
    suggest.suggest,
    design.demo,
    inspect.inspect,
    check.check,
    export.export,
    report.report,
    find_seeds.find_seeds,
    evaluate.evaluate,
    view.view,
    order.order,
    assay.assay,
    cohort.cohort,
    sources.sources,
)
"""In the order of ``--help``."""

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
for command in COMMANDS:
    app.command()(command)


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


def _fail(text: str, code: int) -> NoReturn:
    message = " ".join(text.split())
    print(f"{SOFTWARE_NAME}: {message}", file=sys.stderr)  # noqa: T201  # one plain line, no markup
    raise SystemExit(code)
