"""Other people's TG-43 code on the same seeds, where it is installed.

PyGRPM (Universite Laval, AGPL) is the one package found on the Python package index that computes
2D TG-43 dose for given seeds; README.md beside this file lists what else was tried. Its pins
(pydicom below 3) shut it out of our environment, so it runs in one of its own, which
``make bench-others`` makes.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dose import SeedModel
from tests.benchmarks.scenes import Scene, cube, deviation, oblique_implant

PYGRPM_PYTHON = Path("out/pygrpm/bin/python")
RUNNER = Path(__file__).with_name("pygrpm_runner.py")
SEEDS_TIMED = 6

REACH_CM = 30.0
"""How far its tables are written: it returns 0 beyond F's last radius."""

G_STEP_CM = 0.05
"""It takes g as linear between radii where TG-43U1S1 has an exponential; they differ by at most
(step x slope of ln g)^2 / 8, 3e-5 for a slope of 0.3 per cm."""

AGREEMENT = 1e-4
"""Largest difference from our exact dose that is taken as the same calculation: see above."""


@dataclass(frozen=True)
class OtherRow:
    """One route through one package."""

    name: str
    how: str
    seeds_timed: int
    seconds_60_seeds: float  # scaled from the seeds timed, in proportion
    ns_per_seed_voxel: float
    far_quantile: float  # relative difference from the engine's exact sum, voxels beyond 2 mm
    far_max: float
    agrees: bool


def bench_others(python: Path | None = None) -> tuple[list[OtherRow], str]:
    """Rows for what is installed, and a line on what is not."""
    python = python or PYGRPM_PYTHON
    if not python.is_file():
        return [], f"PyGRPM is not installed ({python} is missing): run `make bench-others` first"
    scene = oblique_implant(cube(100)).first_seeds(SEEDS_TIMED)
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "tables"
        write_pygrpm_tables(scene.source, tables)
        _write_job(scene, Path(folder) / "job.npz")
        done = subprocess.run(
            # its own interpreter, unresolved: a virtual environment is found by its path
            [python.absolute(), RUNNER, "job.npz", tables, "result.npz"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        if done.returncode != 0:
            return [], f"PyGRPM did not run: {done.stderr.strip()[-300:]}"
        with np.load(Path(folder) / "result.npz") as result:
            return [_row(scene, result, route) for route in ("points", "grid")], ""


def write_pygrpm_tables(source: SeedModel, folder: Path) -> None:
    """Our table in the files that its ``Seed`` reads, 0 to 180 degrees, out to ``REACH_CM``."""
    folder.mkdir()
    (folder / "L.dat").write_text(f"{source.active_length_mm / 10.0!r}\n")
    (folder / "Lambda.dat").write_text(f"{source.dose_rate_constant!r}\n")
    (folder / "HalfLife.dat").write_text(f"{source.half_life_days!r}\n")
    r, log_g = source.radial_r_cm, np.log(source.radial_g)
    slope = (log_g[-1] - log_g[-2]) / (r[-1] - r[-2])
    fine = np.union1d(r, np.arange(G_STEP_CM, REACH_CM, G_STEP_CM))
    beyond = np.maximum(fine - r[-1], 0.0)
    np.savetxt(
        folder / "gL.dat",
        np.column_stack((fine, np.exp(np.interp(fine, r, log_g) + slope * beyond))),
    )
    f, theta = source.anisotropy_f, source.anisotropy_theta_deg
    f = np.column_stack((f[:, 0], f, f[:, -1]))
    f = np.vstack((f, f[-2::-1]))
    theta = np.concatenate((theta, 180.0 - theta[-2::-1]))
    head = np.concatenate(([np.nan, 0.0], source.anisotropy_r_cm, [REACH_CM]))
    np.savetxt(folder / "F.dat", np.vstack((head, np.column_stack((theta, f)))))


def _write_job(scene: Scene, path: Path) -> None:
    np.savez(
        path,
        centers_cm=scene.centers_mm / 10.0,
        axes=scene.axes,
        strength_u=scene.strength_u,
        points_cm=scene.grid.points_mm() / 10.0,
        shape=scene.grid.shape,
        first_cm=np.array(scene.grid.origin_mm) / 10.0,
        spacing_cm=scene.grid.spacing_mm[0] / 10.0,
    )


def _row(scene: Scene, result: dict[str, NDArray[np.float64]], route: str) -> OtherRow:
    how = {
        "points": "Seed(tables, use_xarray=False).dose_at_points(voxels, ...), summed over seeds",
        "grid": "Seed(tables).grid(...), summed over seeds",
    }[route]
    seconds = float(result[f"seconds_{route}"])
    dose_gy = result[f"rate_{route}"] * scene.source.mean_life_hours / 100.0
    off = deviation(scene, dose_gy, scene.dose("exact").values_gy)
    return OtherRow(
        name=f"PyGRPM {result['version']}, {route}",
        how=how,
        seeds_timed=len(scene.centers_mm),
        seconds_60_seeds=seconds * 60 / len(scene.centers_mm),
        ns_per_seed_voxel=1e9 * seconds / scene.seed_voxels,
        far_quantile=off.far_quantile,
        far_max=off.far_max,
        agrees=off.far_max <= AGREEMENT,
    )
