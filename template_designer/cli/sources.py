"""``sources``: the seed models on board, and those of table files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import EXIT_DONE, EXIT_GOAL_MISSED
from template_designer.errors import CaseError


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
