"""The options of ``design`` that steer a plan, draw its trade-offs and explain it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

STEERING = "Steering"
"""Heading of these options."""

FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="Start from a written plan (its folder or plan.json) and stay near it; with "
        "--supplement from a written evaluation.",
        metavar="PLAN",
        rich_help_panel=STEERING,
        show_default=False,
    ),
]

SupplementOption = Annotated[
    bool,
    typer.Option(
        "--supplement",
        help="Add the fewest seeds that restore the goals to what --from (an evaluation) found.",
        rich_help_panel=STEERING,
    ),
]

LockOption = Annotated[
    list[str] | None,
    typer.Option(
        "--lock",
        help="Needles (C4) or seeds (C4/2, from the tip) of --from that stay as they are.",
        metavar="PLACES",
        rich_help_panel=STEERING,
        show_default=False,
    ),
]

ForbidOption = Annotated[
    list[str] | None,
    typer.Option(
        "--forbid",
        help="Holes (D5; with several plates T2:D5) or seed positions to leave empty.",
        metavar="PLACES",
        rich_help_panel=STEERING,
        show_default=False,
    ),
]

LoadOption = Annotated[
    list[str] | None,
    typer.Option(
        "--load",
        help="Set a needle by hand: C4=0,7.5,15 (mm behind the deepest permitted seed) or "
        "C4=3@7.5 (3 seeds 7.5 mm apart).",
        metavar="HOLE=SEEDS",
        rich_help_panel=STEERING,
        show_default=False,
    ),
]

MaxNeedlesOption = Annotated[
    int | None,
    typer.Option(
        "--max-needles",
        metavar="N",
        help="Use no more needles than this; a tighter limit of the case stays.",
        rich_help_panel=STEERING,
        show_default=False,
    ),
]

MaxSeedsOption = Annotated[
    int | None,
    typer.Option(
        "--max-seeds",
        metavar="N",
        help="Use no more seeds than this; a tighter limit of the case stays.",
        rich_help_panel=STEERING,
        show_default=False,
    ),
]

ParetoOption = Annotated[
    str | None,
    typer.Option(
        "--pareto",
        help="Trade-off curve over needles, seeds, cord (the first dose limit) or the dose to "
        "a structure: pareto.csv, pareto.png.",
        metavar="WHAT",
        rich_help_panel=STEERING,
        show_default=False,
    ),
]

ExplainOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Say what each goal and each avoid rule costs: explain.json.",
        rich_help_panel=STEERING,
    ),
]
