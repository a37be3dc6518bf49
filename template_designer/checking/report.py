"""The signed-off list: every check in order, the verdict, tables for the terminal and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from template_designer.checking import (
    anatomy_checks,
    case_checks,
    delivery_checks,
    dose_checks,
    goal_checks,
    hash_checks,
    lattice_checks,
    needle_checks,
    plate_checks,
    table_checks,
)
from template_designer.checking.evidence import Evidence, read_evidence
from template_designer.checking.lines import CheckLine, State, failed
from template_designer.checking.record import SCHEMA

Check = Callable[[Evidence], Iterable[CheckLine]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("Inputs", case_checks.check_inputs),
    ("Inputs", hash_checks.check_hash),
    ("Inputs", case_checks.check_case),
    ("Inputs", case_checks.check_source),
    ("Inputs", case_checks.check_calibration),
    ("Frames and holes", lattice_checks.check_frames),
    ("Frames and holes", case_checks.check_entries),
    ("Frames and holes", lattice_checks.check_labels),
    ("Frames and holes", lattice_checks.check_lattice),
    ("Frames and holes", lattice_checks.check_states),
    ("Needles and seeds", needle_checks.check_needles),
    ("Needles and seeds", needle_checks.check_lengths),
    ("Needles and seeds", needle_checks.check_apart),
    ("Needles and seeds", needle_checks.check_seeds),
    ("Needles and seeds", needle_checks.check_count),
    ("Needles and seeds", table_checks.check_table),
    ("Needles and seeds", delivery_checks.check_order),
    ("Needles and seeds", delivery_checks.check_delivery),
    ("Needles and seeds", delivery_checks.check_limits),
    ("Printed models", plate_checks.check_plates),
    ("Printed models", hash_checks.check_codes),
    ("Anatomy", anatomy_checks.check_clearances),
    ("Anatomy", anatomy_checks.check_skin),
    ("Anatomy", anatomy_checks.check_scan),
    ("Anatomy", anatomy_checks.check_bone),
    ("Anatomy", anatomy_checks.check_in_target),
    ("Dose", goal_checks.check_goals),
    ("Dose", goal_checks.check_biology),
    ("Dose", dose_checks.check_reference_volume),
    ("Dose", dose_checks.check_metrics),
)
"""Every check under its heading; cheap ones first. A new one is a function and a line here."""

STYLES = {State.OK: "green", State.FAIL: "bold red", State.NOT_CHECKED: "yellow"}


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All lines by heading."""

    folder: Path
    lines: tuple[tuple[str, CheckLine], ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed; what could not be checked is no failure, and is listed."""
        return not self.failures

    @property
    def failures(self) -> tuple[CheckLine, ...]:
        """Lines that fail."""
        return tuple(line for _, line in self.lines if line.state is State.FAIL)

    @property
    def unchecked(self) -> tuple[CheckLine, ...]:
        """Lines that could not be checked."""
        return tuple(line for _, line in self.lines if line.state is State.NOT_CHECKED)

    @property
    def verdict(self) -> str:
        """One sentence."""
        counts = f"{len(self.lines) - len(self.failures) - len(self.unchecked)} ok"
        if self.unchecked:
            counts += f", {len(self.unchecked)} not checked"
        if self.failures:
            return f"{len(self.failures)} of {len(self.lines)} checks FAIL ({counts})"
        return f"No check fails: {counts}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "passed": self.passed,
            "verdict": self.verdict,
            "checks": [{"group": group} | line.to_dict() for group, line in self.lines],
        }


def check_folder(
    folder: Path, case: Path | None = None, progress: Callable[[str], None] | None = None
) -> CheckReport:
    """Verify a written plan again, from its files alone and by code of its own.

    Parameters
    ----------
    folder : Path
        As ``design`` wrote it.
    case : Path, optional
        The case file; its CT and contours are looked for beside it. Without it the file that
        plan.json names is taken where it is found with its fingerprint.
    progress : callable, optional
        Called with one short line before each of the :data:`CHECKS` and before reading.

    Raises
    ------
    InputError
        If the folder, or a file that every plan has, is missing or cannot be read.
    """
    say = progress or (lambda text: None)
    say("reading")
    compared = f"names, types and finite numbers of plan.json with schema {SCHEMA}"
    evidence = read_evidence(folder, case)
    if isinstance(evidence, str):
        return CheckReport(folder, (("Inputs", failed("schema", compared, evidence)),))
    sound = CheckLine("schema", compared, "all present", "all present", State.OK)
    report = check_evidence(evidence, say)
    return CheckReport(folder, (("Inputs", sound), *report.lines))


def check_evidence(
    evidence: Evidence, progress: Callable[[str], None] | None = None
) -> CheckReport:
    """All :data:`CHECKS` of what was read."""
    lines: list[tuple[str, CheckLine]] = []
    for group, check in CHECKS:
        if progress is not None:
            progress(group.lower())
        lines.extend((group, line) for line in lines_of(check, evidence))
    return CheckReport(evidence.folder, tuple(lines))


def lines_of(check: Check, evidence: Evidence) -> Iterator[CheckLine]:
    """Lines of one check; where the plan's numbers make it impossible, that is a failure."""
    try:
        yield from check(evidence)
    except (ArithmeticError, LookupError, ValueError) as error:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        reason = f"could not be carried out: {type(error).__name__}: {error}"
        yield failed(name, "what plan.json states", reason)


def report_tables(report: CheckReport) -> list[Table | Text]:
    """The list for a terminal, one table a heading, the verdict last."""
    found: list[Table | Text] = []
    for group in dict.fromkeys(group for group, _ in report.lines):
        table = Table(title=group, title_justify="left", title_style="bold", expand=False)
        for column in ("check", "compared", "worst", "limit", ""):
            table.add_column(column, overflow="fold")
        for line in (line for name, line in report.lines if name == group):
            state = Text(str(line.state), style=STYLES[line.state])
            table.add_row(
                Text(line.name), Text(line.compared), Text(line.worst), Text(line.limit), state
            )
        found.append(table)
    style = "bold green" if report.passed else "bold red"
    found.append(Text(f"{report.verdict}.", style=style))
    return found
