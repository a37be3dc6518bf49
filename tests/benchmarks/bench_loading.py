"""The search for needles and seeds: beside HiGHS on the same model, and against its size."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context

import numpy as np

from template_designer.inputs import read_case, used_names
from template_designer.model import GoalSettings
from template_designer.model.settings import LoadingSettings
from template_designer.planning.approach import prepare_approach
from template_designer.planning.goals import goals_or_default
from template_designer.planning.loading import (
    LoadingProblem,
    Sampling,
    build_problem,
    loading_cost,
    search_loading,
)
from template_designer.planning.loading.bound import LoadingBound, loading_bound
from template_designer.planning.structures import build_structures, target_solid
from tests.benchmarks.loading_milp import MilpResult, solve_milp
from tests.benchmarks.machine import peak_memory_gb
from tests.paths import SHARED
from tests.template_designer.planning.ellipsoid import (
    ellipsoid_approach,
    ellipsoid_settings,
    ellipsoid_solids,
)
from tests.template_designer.planning.phantom import SOURCE, STRENGTH_U, approach, settings, solids

THIN = Sampling(200, 0.0, volume_margin_pct=1.5, dose_margin=0.997)
"""Points in the target: HiGHS has three rows and two binaries for each, all of them dense."""

ORGAN_POINTS = 60
"""Points kept of each organ's."""

MOST_RATIO = 1.0 + 1e-6
"""Cost of the search over that of HiGHS: at least as good."""

MOST_SECONDS = 5.0

GOALS = (
    GoalSettings(structure="GTV", metric="V100", at_least_pct=95.0),
    GoalSettings(structure="Cord", metric="Dmax", at_most_gy=45.0),
)

RADII_MM = (12, 16, 21, 27, 34, 42)
"""Of round targets with about 100 to 5000 permitted seed positions."""


@dataclass(frozen=True)
class Duel:
    """One instance, given to both."""

    name: str
    candidates: int
    points: int
    binaries: int
    search_s: float
    search_cost: float
    milp_s: float  # its time limit, or less where it was done
    milp_cost: float | None  # by the same objective; None: it found nothing
    proved: bool  # HiGHS says it is optimal
    lower: float  # the LP bound

    @property
    def ratio(self) -> float | None:
        """Cost of the search over that of HiGHS: under 1, the search is better."""
        return None if self.milp_cost is None else self.search_cost / self.milp_cost

    @property
    def over_bound(self) -> float:
        """Cost of the search over the LP bound."""
        return self.search_cost / self.lower

    @property
    def reached(self) -> bool:
        """At least as good as HiGHS, in time."""
        as_good = self.ratio is None or self.ratio <= MOST_RATIO
        return as_good and self.search_s < MOST_SECONDS


@dataclass(frozen=True)
class SizeRun:
    """One search in a process of its own."""

    candidates: int
    points: int
    build_s: float  # points and doses of every position
    search_s: float
    bound_s: float
    start_gb: float  # held after the imports and a small run
    peak_gb: float


def duels(milp_s: float, say: Callable[[str], None]) -> tuple[list[Duel], str]:
    """The search and HiGHS on every instance; a line on what was left out."""
    cases, remark = _instances()
    searched = []
    for name, problem, loading in cases:
        say(f"searching {name}")
        search_loading(problem, loading.model_copy(update={"search_moves": 1000}))  # compiles
        start = time.perf_counter()
        found = search_loading(problem, loading)
        seconds = time.perf_counter() - start
        searched.append((found, seconds, loading_bound(problem, loading, found.chosen)))
    say(f"HiGHS on {len(cases)} instances, up to {milp_s:g} s each, two at a time")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_timed_milp, problem, s, milp_s) for _, problem, s in cases]
        exact = [job.result() for job in jobs]
    results = []
    for (name, problem, _), (found, seconds, bound), (milp, spent) in zip(
        cases, searched, exact, strict=True
    ):
        results.append(_duel(name, problem, (found.chosen, seconds), bound, (milp, spent)))
    return results, remark


def _timed_milp(
    problem: LoadingProblem, loading: LoadingSettings, limit_s: float
) -> tuple[MilpResult, float]:
    start = time.perf_counter()
    result = solve_milp(problem, loading, time_limit_s=limit_s)
    return result, time.perf_counter() - start


def _duel(
    name: str,
    problem: LoadingProblem,
    search: tuple[np.ndarray, float],
    bound: LoadingBound,
    exact: tuple[MilpResult, float],
) -> Duel:
    def cost(chosen: np.ndarray) -> float:
        flags = np.zeros(len(problem.sites), dtype=np.bool_)
        flags[chosen] = True
        return loading_cost(problem, flags)

    milp, milp_s = exact
    return Duel(
        name=name,
        candidates=len(problem.sites),
        points=problem.influence.shape[1],
        binaries=milp.binaries,
        search_s=search[1],
        search_cost=cost(search[0]),
        milp_s=milp_s,
        milp_cost=None if milp.chosen is None else cost(milp.chosen),
        proved=milp.proved,
        lower=bound.lower,
    )


def _instances() -> tuple[list[tuple[str, LoadingProblem, LoadingSettings]], str]:
    """Name, thinned problem and settings of each; a line on what was left out."""
    parts = ellipsoid_solids()
    tables = {"loading": {"outside_target_mm": 0.5}}  # under 600 candidates
    found = ellipsoid_approach(parts, **tables)
    problem = build_problem(
        found.sites, found.axis, source=SOURCE, strength_u=STRENGTH_U, prescription_gy=120.0,
        target=parts["GTV"], goals=GOALS, solids=parts, sampling=THIN,
    )  # fmt: skip
    cases = [("ellipsoid", thinned(problem), ellipsoid_settings(**tables).loading)]
    missing = []
    for name, step_mm in (("L1", 2.5), ("L3", 2.0)):  # both with 300 to 600 candidates
        path = SHARED / "cases" / name / "case.toml"
        if path.is_file():
            cases.append((name, *_of_case(str(path), step_mm)))
        else:
            missing.append(name)
    return cases, f"{' and '.join(missing)} left out: not beside this checkout" * bool(missing)


def _of_case(path: str, step_mm: float) -> tuple[LoadingProblem, LoadingSettings]:
    case = read_case(path)
    loading = case.settings.loading.model_copy(update={"step_mm": step_mm})
    stated = case.settings.model_copy(update={"loading": loading})
    parts, _ = build_structures(case, used_names(stated))
    target, source = target_solid(stated, parts), case.source
    found = prepare_approach(stated, stated.entry[0], case.image, parts, target, source.model)
    problem = build_problem(
        found.sites, found.axis, source=source.model, strength_u=source.air_kerma_strength_u,
        prescription_gy=stated.prescription.dose_gy, target=target,
        goals=goals_or_default(stated, parts), solids=parts, sampling=THIN,
    )  # fmt: skip
    return thinned(problem), loading


def thinned(problem: LoadingProblem) -> LoadingProblem:
    """The same with few points of every organ; the target's and those round it stay."""
    kept = [np.arange(problem.n_target + problem.n_outside)]
    limits, count = [], len(kept[0])
    for limit in problem.limits:
        if limit.first == 0:
            limits.append(limit)
            continue
        n = min(limit.last - limit.first, ORGAN_POINTS)
        kept.append(np.linspace(limit.first, limit.last - 1, n).round().astype(np.int64))
        share = n / (limit.last - limit.first)
        limits.append(
            replace(
                limit,
                first=count,
                last=count + n,
                most_above=limit.most_above * (share if limit.most_above > 0.0 else 1.0),
                least_above=limit.least_above * (share if limit.least_above > 0.0 else 1.0),
            )
        )
        count += n
    influence = np.ascontiguousarray(problem.influence[:, np.concatenate(kept)])
    return replace(problem, influence=influence, limits=tuple(limits))


def size_runs(quick: bool, say: Callable[[str], None]) -> list[SizeRun]:
    """Targets of growing size, each in a process of its own."""
    runs = []
    for radius_mm in RADII_MM[::2] if quick else RADII_MM:
        say(f"a round target of {radius_mm} mm radius")
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, str(radius_mm)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"radius {radius_mm} mm failed: {done.stderr.strip()[-500:]}")
        runs.append(SizeRun(**json.loads(done.stdout)))
    return runs


def _size_run(radius_mm: float) -> SizeRun:
    """Here and now: for a process of its own."""
    warm = _round_problem(8.0)
    search_loading(warm, LoadingSettings(search_moves=1000))  # compiles
    start_gb, start = peak_memory_gb(), time.perf_counter()
    problem = _round_problem(radius_mm)
    built = time.perf_counter()
    found = search_loading(problem, LoadingSettings())
    searched, peak_gb = time.perf_counter(), peak_memory_gb()
    loading_bound(problem, LoadingSettings(), found.chosen)
    bound_s = time.perf_counter() - searched
    return SizeRun(
        len(problem.sites), problem.influence.shape[1], built - start, searched - built, bound_s,
        start_gb, peak_gb,
    )  # fmt: skip


def _round_problem(radius_mm: float) -> LoadingProblem:
    parts = solids(cord_x=radius_mm + 16.0, target_radius=radius_mm)
    case = settings(template={"size_mm": [100.0, 100.0, 20.0]})
    found = approach(case, parts)
    return build_problem(
        found.sites, found.axis, source=SOURCE, strength_u=STRENGTH_U, prescription_gy=120.0,
        target=parts["GTV"], goals=GOALS, solids=parts,
    )  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_size_run(float(sys.argv[1])))))
