"""A written plan read back, its dose as a NumPy array, and the same from the DICOM file.

Run 01_first_template.py first: its folder is the one that is read.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pydicom

from dose import dose_at_points
from exports import read_plan


def main(out: Path) -> None:
    """Write ``OUT/dose_slice.png``."""
    plan = read_plan(out / "first_template")  # its hash says that nobody changed it
    grid, dose_gy = plan.dose.grid, plan.dose.values_gy  # [z, y, x], LPS mm
    voxel_cm3 = np.prod(grid.spacing_mm) / 1000.0
    treated_cm3 = np.count_nonzero(dose_gy >= plan.prescription_gy) * voxel_cm3
    print(f"{treated_cm3:.1f} cm3 get {plan.prescription_gy:g} Gy or more")

    rtdose = pydicom.dcmread(out / "first_template" / "RTDOSE.dcm")
    written_gy = rtdose.pixel_array * float(rtdose.DoseGridScaling)
    x, y, z = (float(mm) for mm in rtdose.ImagePositionPatient)
    k, j, i = np.unravel_index(np.argmin(np.abs(written_gy - plan.prescription_gy)), dose_gy.shape)
    place = [
        x + i * float(rtdose.PixelSpacing[1]),
        y + j * float(rtdose.PixelSpacing[0]),
        z + float(rtdose.GridFrameOffsetVector[k]),
    ]
    seeds = [seed.center_lps_mm for needle in plan.needles for seed in needle.seeds]
    along = plan.templates[0].lps_from_template[:3, 2]  # all needles of a plate are parallel
    strength_u, source = plan.air_kerma_strength_u, plan.source.model
    (again_gy,) = dose_at_points(source, np.array(seeds), along, strength_u, [place])
    print(f"at {np.round(place, 1)}: {again_gy:.2f} Gy, RTDOSE says {written_gy[k, j, i]:.2f} Gy")

    middle = dose_gy.shape[0] // 2
    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    shown = axes.pcolormesh(grid.x_mm, grid.y_mm, dose_gy[middle], vmax=300.0, cmap="viridis")
    levels = [0.5 * plan.prescription_gy, plan.prescription_gy]
    lines = axes.contour(grid.x_mm, grid.y_mm, dose_gy[middle], levels, colors="white")
    axes.clabel(lines, fmt="%g Gy")
    axes.invert_yaxis()  # the patient's front above, the patient's left on the right
    axes.set(xlabel="x, mm to the left", ylabel="y, mm to the back", aspect="equal")
    axes.set_title(f"{plan.id}: axial slice at z = {grid.z_mm[middle]:.1f} mm")
    figure.colorbar(shown, label="Gy to full decay")
    figure.savefig(out / "dose_slice.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
