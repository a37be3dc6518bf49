"""``inspect``: what a folder or file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from template_designer.cli.common import steps


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

    with steps("Reading", 1) as say:
        found = inspect_path(path, say, labels=labels)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    for table in inspection_tables(found):
        Console().print(table)
