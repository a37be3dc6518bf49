"""``make bench``: time the dose engine, the loading and a series; print tables, write JSON, plots.

The exit code is 1 only where results disagree; no time sets it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.benchmarks.bench_cohort import bench_cohort
from tests.benchmarks.bench_grid import bench_grid
from tests.benchmarks.bench_others import PYGRPM_PYTHON, bench_others
from tests.benchmarks.bench_points import bench_points
from tests.benchmarks.bench_scaling import bench_scaling
from tests.benchmarks.loading_report import bench_loading
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.report import Results, plot_cost, plot_scaling, print_results, write_json


def main(arguments: list[str] | None = None) -> int:
    """Run everything and report it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument(
        "--only", choices=("dose", "loading", "cohort"), help="one part (default: all)"
    )
    parser.add_argument(
        "--milp-seconds", type=float, help="for HiGHS on each instance (default: 600; quick: 20)"
    )
    parser.add_argument("--variants", type=int, help="cases of the series (default: 40; quick: 4)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder for the files")
    parser.add_argument(
        "--pygrpm", type=Path, default=PYGRPM_PYTHON, help="Python interpreter that has PyGRPM"
    )
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    start = time.perf_counter()

    def say(what: str) -> None:
        console.print(f"{time.perf_counter() - start:5.0f} s  {what} ...")

    wrong = _dose(options, console, say) if options.only in (None, "dose") else False
    if options.only in (None, "loading"):
        milp_s = options.milp_seconds or (20.0 if options.quick else 600.0)
        bench_loading(options.quick, milp_s, say, console, options.out)
    if options.only in (None, "cohort"):
        count = options.variants or (4 if options.quick else 40)
        say(f"a series of {count} cases on 1 and on 2 workers")
        wrong |= not bench_cohort(count, (1, 2), options.out, console)
    console.print(f"\n{time.perf_counter() - start:.0f} s; files are in {options.out}/")
    return 1 if wrong else 0


def _dose(options: argparse.Namespace, console: Console, say: Callable[[str], None]) -> bool:
    """The dose engine; whether results disagree."""
    say("memory bandwidth")
    machine = describe_machine()
    say("60 seeds on 100 x 100 x 100 voxels")
    numpy_rows, grid_rows = bench_grid(options.quick)
    say("other people's code")
    other_rows, others_remark = bench_others(options.pygrpm)
    say("loose points")
    points = bench_points(options.quick)
    say("cost against voxels and seeds")
    curves, large_runs, large_remark = bench_scaling(options.quick)
    results = Results(
        options.quick, machine, numpy_rows, grid_rows, other_rows, others_remark, points, curves,
        large_runs, large_remark,
    )  # fmt: skip
    print_results(results, console)
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(results, options.out / "bench.json")
    plot_scaling(results, options.out / "linear_cost.png")
    plot_cost(results, options.out / "cost_per_seed_and_voxel.png")
    return bool(results.disagreements)


if __name__ == "__main__":
    sys.exit(main())
