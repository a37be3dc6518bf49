"""``design`` and ``demo``: a case in, a written plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import (
    EXIT_DONE,
    EXIT_GOAL_MISSED,
    NOTICE,
    OutputOption,
    OverwriteOption,
    RobustOption,
    steps,
)
from template_designer.cli.steering_options import (
    ExplainOption,
    ForbidOption,
    FromOption,
    LoadOption,
    LockOption,
    MaxNeedlesOption,
    MaxSeedsOption,
    ParetoOption,
    SupplementOption,
)
from template_designer.errors import CaseError

if TYPE_CHECKING:  # commands import what they need when they run
    from rich.table import Table
    from rich.text import Text

    from template_designer.model import Case, Plan
    from template_designer.model.steering import Steering
    from template_designer.workflow import Designed


def design(
    case: Annotated[Path, typer.Argument(help="Case file (TOML).", metavar="CASE.toml")],
    output: OutputOption,
    overwrite: OverwriteOption = False,
    robust: RobustOption = None,
    earlier: FromOption = None,
    lock: LockOption = None,
    forbid: ForbidOption = None,
    load: LoadOption = None,
    max_needles: MaxNeedlesOption = None,
    max_seeds: MaxSeedsOption = None,
    pareto: ParetoOption = None,
    explain: ExplainOption = False,
    supplement: SupplementOption = False,
) -> None:
    """Plan a case: CT, contours and entry plane in; plate, needle table and dose out.

    The case file says what to plan; the demo's is an example to start from. Ends with 0 when every
    hard rule holds and every goal is met, with 1 when the plan is written but misses a goal.
    """
    from template_designer.model.steering import Steering, parse_loads, parse_places

    steering = Steering(
        lock=parse_places(lock or ()),
        forbid=parse_places(forbid or ()),
        load=parse_loads(load or ()),
        max_needles=max_needles,
        max_seeds=max_seeds,
    )
    wishes = _Wishes(steering, earlier, pareto, explain, supplement)
    if supplement:
        _check_supplement(wishes, robust)
    met = _run(case, output, overwrite, robust, wishes)
    raise typer.Exit(EXIT_DONE if met else EXIT_GOAL_MISSED)


@dataclass(frozen=True, slots=True)
class _Wishes:
    """The options of ``steering_options``."""

    steering: Steering | None = None
    earlier: Path | None = None
    pareto: str | None = None
    explain: bool = False
    supplement: bool = False  # ``earlier`` is an evaluation


def demo(output: OutputOption, overwrite: OverwriteOption = False) -> None:
    """Plan the case that ships with the program: a real CT with a synthetic tumour in L1.

    Ends with 0 when the plan is written and every hard rule holds.
    """
    from template_designer.demo_case import demo_case_file

    with demo_case_file() as case:
        _run(case, output, overwrite)


def _run(
    case_file: Path,
    output: Path,
    overwrite: bool,
    robust: int | None = None,
    wishes: _Wishes | None = None,
) -> bool:
    """Plan and write one case; whether every goal is met."""
    from exports import check_folder
    from template_designer.inputs import READ_STEPS, read_case
    from template_designer.inputs.earlier_plan import read_earlier_plan
    from template_designer.inputs.earlier_seeds import read_earlier_implant
    from template_designer.planning.robust import STEPS as ROBUST_STEPS
    from template_designer.planning.robust import check_scenarios, robust_plan
    from template_designer.supplementing import supplement
    from template_designer.workflow import STEPS, design_parts

    wishes = wishes or _Wishes()
    check_folder(output, overwrite=overwrite)
    if robust is not None:
        check_scenarios(robust)
    with steps("Planning", READ_STEPS + STEPS) as say:
        case = read_case(case_file, say)
        _check_wishes(case, wishes)
        if wishes.earlier is not None and wishes.supplement:
            implant = read_earlier_implant(wishes.earlier, case)
            made = supplement(case, implant, say, steering=wishes.steering)
        else:
            earlier = None if wishes.earlier is None else read_earlier_plan(wishes.earlier, case)
            made = design_parts(case, say, steering=wishes.steering, earlier=earlier)
    plan = made.plan
    studies, tables = _studies(made, wishes)
    if robust is not None:
        with steps("Placement errors", ROBUST_STEPS) as say:
            plan = robust_plan(case, plan, robust, say)
    return write(plan, output, overwrite, studies, tables)


def _check_supplement(wishes: _Wishes, robust: int | None) -> None:
    """Refuse what is not worked out for seeds that lie in the patient already."""
    if wishes.earlier is None:
        raise CaseError("--supplement adds to what was found; name the evaluation with --from")
    for option, asked in (
        ("--robust", robust is not None),
        ("--pareto", wishes.pareto is not None),
        ("--explain", wishes.explain),
    ):
        if asked:
            raise CaseError(f"{option} is not offered with --supplement; leave one out")


def _check_wishes(case: Case, wishes: _Wishes) -> None:
    """Refuse early what can be refused before anything is planned."""
    from template_designer.planning.loading.tradeoff import check_axis
    from template_designer.planning.loading.wishes import check_wishes

    if wishes.steering is not None:
        has_earlier = wishes.earlier is not None and not wishes.supplement
        check_wishes(case.settings, wishes.steering, has_earlier=has_earlier)
    if wishes.pareto is not None:
        names = [name for name in case.rois.names if name != case.settings.target.structure]
        check_axis(wishes.pareto, case.settings.goal, names)


def _studies(made: Designed, wishes: _Wishes) -> tuple[dict[str, bytes], list[Table | Text]]:
    """Curve and explanation of a plan: files to write beside it, tables to print."""
    from exports import explain_json, tradeoff_files
    from template_designer.planning.loading.explain import explain, explain_steps
    from template_designer.planning.loading.tradeoff import tradeoff, tradeoff_steps
    from template_designer.study_sheet import explanation_tables, tradeoff_table

    files: dict[str, bytes] = {}
    tables: list[Table | Text] = []
    prepared, plan = made.prepared, made.plan
    if wishes.pareto is not None:
        with steps("Trade-off", tradeoff_steps(wishes.pareto)) as say:
            curve = tradeoff(
                wishes.pareto, prepared.loading, made.found, locks=prepared.locks, progress=say
            )
        files |= tradeoff_files.build(curve, plan.id)
        tables.append(tradeoff_table(plan.id, curve))
    if wishes.explain:
        with steps("Explaining", explain_steps(prepared.loading, prepared.approaches)) as say:
            found = explain(
                prepared.loading,
                made.found,
                prepared.approaches,
                prepared.case.image,
                plan.reach,
                locks=prepared.locks,
                progress=say,
            )
        files |= explain_json.build(found, plan.id)
        tables.extend(explanation_tables(plan.id, found))
    return files, tables


def write(
    plan: Plan,
    output: Path,
    overwrite: bool,
    studies: Mapping[str, bytes] | None = None,
    study_tables: Sequence[Table | Text] = (),
) -> bool:
    """Write a plan and print what it gives; whether every goal is met.

    ``studies`` are further files for its folder, ``study_tables`` what there is to print of them.
    """
    from exports import file_names, write_plan
    from exports.folders import add_files
    from template_designer.summary import plan_tables

    with steps("Writing", len(file_names(plan))) as say:
        written = write_plan(plan, output, overwrite=overwrite, progress=say)
    if studies:
        add_files(written.folder, studies, overwrite=True)
    console = Console()
    for table in (*plan_tables(plan), *study_tables):
        console.print(table)
    for note in written.notes:
        console.print(f"[yellow]note[/yellow]  {escape(note)}", highlight=False)
    count = len(written.files) + len(studies or {})
    console.print(f"\nWrote {count} files to [bold]{escape(str(written.folder))}[/bold].")
    console.print(NOTICE, style="dim")
    return plan.goals_met
