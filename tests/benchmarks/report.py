"""What was measured, as tables, verdicts, JSON and plots."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.bench_grid import AGREEMENT, GridRow, NumpyRow
from tests.benchmarks.bench_others import OtherRow
from tests.benchmarks.bench_points import REQUIRED_RATIO, PointsResult
from tests.benchmarks.bench_scaling import Curve, LargeRun
from tests.benchmarks.machine import Machine

STEEPEST_SLOPE = 1.1
"""Of log seconds over log count: linear, with room for noise and for leaving the caches."""

QUIET_LOAD = 0.5
"""Mean number of waiting processes above which the machine counts as busy."""


@dataclass(frozen=True)
class Results:
    """All of one run."""

    quick: bool
    machine: Machine
    numpy_rows: list[NumpyRow]
    grid_rows: list[GridRow]
    other_rows: list[OtherRow]
    others_remark: str
    points: PointsResult
    curves: list[Curve]
    large_runs: list[LargeRun]
    large_remark: str

    @property
    def disagreements(self) -> list[str]:
        """Results that differ by more than they may: the one reason to end with an error."""
        found = [
            f"{row.implant}: NumPy and the exact sum differ by {row.largest_difference:.1e} "
            f"(at most {AGREEMENT:.0e})"
            for row in self.numpy_rows
            if not row.largest_difference <= AGREEMENT
        ]
        found += [
            f"{row.implant}, {row.method}: off the exact sum by more than is promised "
            f"({_percent(row.deviation.far_quantile)} at 99.9 %, "
            f"{_percent(max(row.deviation.far_max, row.deviation.near_max))} at most)"
            for row in self.grid_rows
            if row.deviation is not None and not row.deviation.within_promise
        ]
        return found + [
            f"{row.name}: differs from the exact sum by up to {_percent(row.far_max)}"
            for row in self.other_rows
            if not row.agrees
        ]

    @property
    def verdicts(self) -> list[tuple[bool, str]]:
        """Every required ratio: whether it is reached, and the numbers."""
        found = []
        for row in self.grid_rows:
            if row.required_ratio is not None:
                ratio, whole = row.numpy_ratio or 0.0, row.numpy_whole_ratio or 0.0
                text = (
                    f"{row.implant}, {row.method}: {whole:.0f} x plain NumPy (required: "
                    f"{row.required_ratio:g} x), {ratio:.0f} x NumPy cut into slices by hand"
                )
                found.append((whole >= row.required_ratio, text))
        points = self.points
        found.append(
            (
                points.ratio < REQUIRED_RATIO,
                f"{points.points:,} points x {points.seeds} seeds, exact: {points.ratio:.1f} x the "
                f"table's time (required: under {REQUIRED_RATIO:g} x)",
            )
        )
        for curve in self.curves:
            found.append(
                (
                    curve.slope <= STEEPEST_SLOPE,
                    f"{curve.name} against {curve.against}, {curve.counts[0]:,} to "
                    f"{curve.counts[-1]:,}: slope {curve.slope:.2f} "
                    f"(linear: at most {STEEPEST_SLOPE:g})",
                )
            )
        return found


def print_results(results: Results, console: Console) -> None:
    """Tables in the order of the issue, then the verdicts."""
    machine = results.machine
    console.print(
        f"{machine.cpu}, {machine.cores} cores, {machine.threads} threads in the engine and 1 in "
        f"NumPy, {machine.memory_gb:.0f} GB; Python {machine.python}, NumPy {machine.numpy}, Numba "
        f"{machine.numba}\nmemory: triad {machine.triad_gb_s:.0f} GB/s; {machine.update_ns:.2f} ns "
        "to read and write one 8-byte voxel"
    )
    if machine.load > QUIET_LOAD:
        console.print(f"load {machine.load:.1f} before the run: busy, so times mean little")
    _print_grid(results, console)
    _print_others(results, console)
    _print_scaling(results, console)
    console.print("\nRequired (times are noisy: nothing below sets the exit code)")
    for reached, text in results.verdicts:
        console.print(f"  {'PASS' if reached else 'FAIL'}  {text}")
    for text in results.disagreements:
        console.print(f"  WRONG RESULT  {text}")


def _print_grid(results: Results, console: Console) -> None:
    plain = Table(title="Plain NumPy (numpy_tg43.py), 100 x 100 x 100 voxels of 1 mm")
    for head in ("implant", "seeds timed", "ns by slices", "ns whole grid", "off exact"):
        plain.add_column(head, justify="left" if head == "implant" else "right")
    for numpy_row in results.numpy_rows:
        plain.add_row(
            numpy_row.implant,
            str(numpy_row.seeds_timed),
            f"{numpy_row.slices_ns:.1f}",
            f"{numpy_row.whole_ns:.1f}",
            f"{numpy_row.largest_difference:.0e}",
        )
    console.print(plain)
    limit = results.machine.update_ns
    table = Table(
        title="The engine, same grid; ns per seed and voxel, where one pass over memory per seed "
        f"costs {limit:.2f} and one pass for all 60 seeds {limit / 60:.4f}"
    )
    for head in ("implant", "method", "ms", "ns", "x NumPy", "x whole", "99.9 %", "max", "near"):
        table.add_column(head, justify="left" if head in ("implant", "method") else "right")
    for row in results.grid_rows:
        off = row.deviation
        table.add_row(
            row.implant,
            row.method,
            f"{1e3 * row.seconds:.1f}",
            f"{row.ns_per_seed_voxel:.3f}",
            "refused" if row.numpy_ratio is None else f"{row.numpy_ratio:.0f}",
            "refused" if row.numpy_whole_ratio is None else f"{row.numpy_whole_ratio:.0f}",
            *(
                [""] * 3
                if off is None
                else map(_percent, (off.far_quantile, off.far_max, off.near_max))
            ),
        )
    console.print(table)
    console.print(
        "99.9 % and max: relative difference from the exact sum, voxels more than 2 mm from a "
        "seed's line; near: the largest at the others"
    )


def _print_others(results: Results, console: Console) -> None:
    if results.others_remark:
        console.print(f"\nOther people's code: {results.others_remark}")
        return
    table = Table(title="Other people's code, same seeds and grid, 1 thread")
    for head in ("package", "seeds timed", "s for 60 seeds", "ns", "off exact: 99.9 %", "max"):
        table.add_column(head, justify="left" if head == "package" else "right")
    for row in results.other_rows:
        table.add_row(
            row.name,
            str(row.seeds_timed),
            f"{row.seconds_60_seeds:.1f} (scaled)",
            f"{row.ns_per_seed_voxel:.0f}",
            _percent(row.far_quantile),
            _percent(row.far_max),
        )
    console.print(table)
    for row in results.other_rows:
        console.print(f"{row.name}: {row.how}")


def _print_scaling(results: Results, console: Console) -> None:
    table = Table(title="Seconds against voxels (60 seeds) and seeds")
    for head in ("method", "against", "counts", "seconds", "slope"):
        table.add_column(head)
    for curve in results.curves:
        table.add_row(
            curve.name,
            curve.against,
            " ".join(f"{count:.0e}" if count > 999 else str(count) for count in curve.counts),
            " ".join(f"{second:.3g}" for second in curve.seconds),
            f"{curve.slope:.2f}",
        )
    console.print(table)
    for run in results.large_runs:
        console.print(
            f"{run.name}, {run.voxels:,} voxels x 60 seeds: {run.seconds:.1f} s; peak memory "
            f"{run.peak_gb:.2f} GB, of which {run.field_gb:.2f} GB are the dose and "
            f"{run.start_gb:.2f} GB were held before"
        )
    if results.large_remark:
        console.print(results.large_remark)


def write_json(results: Results, path: Path) -> None:
    """All numbers, for comparison between runs."""
    data: dict[str, Any] = asdict(results)
    for curve, written in zip(results.curves, data["curves"], strict=True):
        written["slope"] = curve.slope
    data["verdicts"] = [{"reached": reached, "text": text} for reached, text in results.verdicts]
    data["disagreements"] = results.disagreements
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")


def plot_scaling(results: Results, path: Path) -> None:
    """Log-log seconds over counts, with the slope in the legend."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, against in zip(figure.subplots(1, 2), ("voxels", "seeds"), strict=True):
        for curve in (c for c in results.curves if c.against == against):
            label = f"{curve.name}: slope {curve.slope:.2f}"
            axes.loglog(curve.counts, curve.seconds, "o-", label=label)
        low, high = axes.get_xlim()
        first = min(c.seconds[0] / c.counts[0] for c in results.curves if c.against == against)
        axes.loglog([low, high], [first * low, first * high], "k:", label="in proportion")
        axes.set(xlabel=against, ylabel="seconds")
        axes.set_title("60 seeds" if against == "voxels" else "100³ voxels")
        axes.grid(which="both", alpha=0.2)
        axes.legend()
    figure.savefig(path, dpi=120)


def plot_cost(results: Results, path: Path) -> None:
    """Nanoseconds per seed and voxel of everything, beside the limit that memory sets."""
    from matplotlib.figure import Figure

    bars = [(f"PyGRPM: {row.name.split(', ')[-1]}", row.ns_per_seed_voxel, "tab:gray")
            for row in results.other_rows]  # fmt: skip
    first = results.numpy_rows[0]
    bars += [
        ("NumPy, whole grid", first.whole_ns, "tab:orange"),
        ("NumPy, slice by slice", first.slices_ns, "tab:orange"),
    ]
    for row in results.grid_rows:
        bars.append((f"{row.method}: {row.implant}", row.ns_per_seed_voxel, "tab:blue"))
    figure = Figure(figsize=(9, 0.4 * len(bars) + 1.2), layout="constrained")
    axes = figure.subplots()
    drawn = axes.barh([b[0] for b in bars], [b[1] for b in bars], color=[b[2] for b in bars])
    axes.bar_label(drawn, fmt="%.3g", padding=3)
    update = results.machine.update_ns
    axes.axvline(update, color="k", ls="--", label="one memory pass per seed")
    axes.axvline(update / 60, color="k", ls=":", label="one memory pass for 60 seeds")
    axes.set(xscale="log", xlabel="ns per seed and voxel (60 seeds, 100³ voxels)")
    axes.set_xlim(right=6 * max(b[1] for b in bars))
    axes.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=120)


def _percent(part: float) -> str:
    return f"{100.0 * part:.3f} %"
