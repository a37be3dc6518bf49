"""What the benchmark of the search measured, as tables, verdicts, JSON and a plot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.bench_loading import MOST_SECONDS, Duel, SizeRun, duels, size_runs


@dataclass(frozen=True)
class LoadingResults:
    """All of one run."""

    milp_limit_s: float
    duels: list[Duel]
    remark: str
    sizes: list[SizeRun]

    @property
    def verdicts(self) -> list[tuple[bool, str]]:
        """At least as good as HiGHS and in time, instance by instance."""
        found = []
        for duel in self.duels:
            ratio = "HiGHS found nothing" if duel.ratio is None else f"{duel.ratio:.4f} x its cost"
            found.append(
                (
                    duel.reached,
                    f"search on {duel.name}: {ratio} after {duel.milp_s:.0f} s (required: at most "
                    f"1), in {duel.search_s:.1f} s (required: under {MOST_SECONDS:g} s); "
                    f"{duel.over_bound:.2f} x the LP bound",
                )
            )
        return found


def bench_loading(
    quick: bool, milp_s: float, say: Callable[[str], None], console: Console, out: Path
) -> LoadingResults:
    """Run all of it, print tables, write ``loading.json`` and ``loading_size.png``."""
    fought, remark = duels(milp_s, say)
    results = LoadingResults(milp_s, fought, remark, size_runs(quick, say))
    print_loading(results, console)
    out.mkdir(parents=True, exist_ok=True)
    data = asdict(results)
    for duel, written in zip(results.duels, data["duels"], strict=True):
        written.update(ratio=duel.ratio, over_bound=duel.over_bound)
    data["verdicts"] = [{"reached": reached, "text": text} for reached, text in results.verdicts]
    (out / "loading.json").write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
    plot_sizes(results.sizes, out / "loading_size.png")
    return results


def print_loading(results: LoadingResults, console: Console) -> None:
    """Both tables and the verdicts."""
    table = Table(title=f"The search beside HiGHS's MILP ({results.milp_limit_s:g} s, 1 thread)")
    heads = ("case", "candidates", "points", "binaries", "search s", "cost", "HiGHS s", "its cost",
             "ratio", "LP bound", "cost/bound")  # fmt: skip
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for duel in results.duels:
        table.add_row(
            duel.name, str(duel.candidates), str(duel.points), str(duel.binaries),
            f"{duel.search_s:.2f}", f"{duel.search_cost:.3f}",
            f"{duel.milp_s:.0f}" + " (optimal)" * duel.proved,
            "none" if duel.milp_cost is None else f"{duel.milp_cost:.3f}",
            "" if duel.ratio is None else f"{duel.ratio:.4f}",
            f"{duel.lower:.2f}", f"{duel.over_bound:.2f}",
        )  # fmt: skip
    console.print(table)
    if results.remark:
        console.print(results.remark)
    sizes = Table(title="Loading against the number of candidates (full points)")
    for head in ("candidates", "points", "table s", "search s", "bound s", "GB before", "GB peak"):
        sizes.add_column(head, justify="right")
    for run in results.sizes:
        sizes.add_row(
            f"{run.candidates:,}", f"{run.points:,}", f"{run.build_s:.2f}", f"{run.search_s:.2f}",
            f"{run.bound_s:.2f}", f"{run.start_gb:.2f}", f"{run.peak_gb:.2f}",
        )  # fmt: skip
    console.print(sizes)
    for reached, text in results.verdicts:
        console.print(f"  {'PASS' if reached else 'FAIL'}  {text}")


def plot_sizes(runs: list[SizeRun], path: Path) -> None:
    """Seconds and memory over the number of candidates, log-log."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    counts = [run.candidates for run in runs]
    for name, label in (
        ("build_s", "doses of every position"),
        ("search_s", "search"),
        ("bound_s", "bound"),
    ):
        seconds.loglog(counts, [getattr(run, name) for run in runs], "o-", label=label)
    seconds.set(xlabel="candidates", ylabel="seconds", title="time")
    memory.loglog(counts, [run.peak_gb for run in runs], "o-", label="peak")
    memory.loglog(counts, [run.start_gb for run in runs], "k:", label="before")
    memory.set(xlabel="candidates", ylabel="GB", title="memory of the process")
    for axes in (seconds, memory):
        axes.grid(which="both", alpha=0.2)
        axes.legend()
    figure.savefig(path, dpi=120)
