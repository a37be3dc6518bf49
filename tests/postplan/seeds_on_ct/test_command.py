"""``find-seeds`` as it is called: what it writes, and what it refuses."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from PIL import Image

from template_designer.inputs.seed_csv import read_seed_csv
from tests.paths import DEMO, ROOT
from tests.postplan.seeds_on_ct.truth import implanted
from tests.simulated_ct import Look


def _run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "template_designer", "find-seeds", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        check=False,
    )


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A simulated CT as NIfTI, and where its seeds are."""
    image, there = implanted("demo", Look(slice_mm=1.0), 12, 4, touching=0.3)
    steps = (image.axes_lps * image.spacing_mm[:, None]).T
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, image.origin_lps_mm
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # NIfTI is RAS
    path = tmp_path_factory.mktemp("scan") / "ct.nii.gz"
    nibabel.save(nibabel.Nifti1Image(image.hu.transpose(2, 1, 0), affine), path)
    return path, there


def test_table_and_picture_are_written_and_read_back(scan, tmp_path):
    path, there = scan
    table, picture = tmp_path / "seeds.csv", tmp_path / "found.png"
    done = _run(path, "-o", table, "--expected", 12, "--picture", picture)
    assert done.returncode in (0, 1), done.stderr
    assert "not on patients" in done.stdout
    lines = table.read_text().splitlines()
    assert lines[0] == "number,x_mm,y_mm,z_mm,ax,ay,az,state,reason,keep"
    assert done.returncode == (0 if len(lines) == 13 else 1)
    assert {line.rsplit(",", 1)[1] for line in lines[1:]} <= {"yes", "?"}
    settled = tmp_path / "settled.csv"
    settled.write_text(table.read_text().replace(",?\n", ",yes\n"))
    seeds = read_seed_csv(settled, strength_u=0.7, nuclide="I-125")
    away = np.linalg.norm(there.centers[:, None] - seeds.centers_lps_mm[None], axis=2).min(axis=1)
    assert np.count_nonzero(away < 1.0) >= 11  # 1 mm: what is promised on the mean
    with Image.open(io.BytesIO(picture.read_bytes())) as drawn:
        assert drawn.size[0] > 1500
        colours = np.asarray(drawn.convert("RGB")).reshape(-1, 3)
    assert np.any(np.all(np.abs(colours.astype(int) - (0x56, 0xB4, 0xE9)) < 12, axis=1))

    again = _run(path, "-o", table)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert table.read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-o", "seeds.txt"), "does not end with .csv"),
        (("-o", "nowhere/seeds.csv"), "is not a folder"),
        (("-o", "seeds.csv", "--near", "GTV"), "belong together"),
        (("-o", "seeds.csv", "--direction", "1,2"), "is not three numbers"),
    ],
)
def test_wrong_calls_are_one_line_and_nothing_is_written(scan, tmp_path, arguments, says):
    option, target, *rest = arguments
    done = _run(scan[0], option, tmp_path / target, *rest)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_ct_without_seeds_is_one_error(tmp_path):
    done = _run(
        DEMO / "dicom", "-o", tmp_path / "seeds.csv", "--structures", DEMO / "dicom/RS.dcm",
        "--near", "GTV",
    )  # fmt: skip
    assert done.returncode == 2
    assert "no seed was found" in done.stderr
    assert list(tmp_path.iterdir()) == []
