"""The dose engine alone: isodoses of one needle with four seeds, in its own plane."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from dose import DoseGrid, air_kerma_strength_u, dose_at_points, dose_on_grid, load_source


def main(out: Path) -> None:
    """Write ``OUT/one_needle.png``."""
    source = load_source("I125-6711")
    strength_u = air_kerma_strength_u(0.6, "mCi", source.nuclide)
    centers_mm = np.array([[0.0, 0.0, z] for z in (-7.5, -2.5, 2.5, 7.5)])
    along = [0.0, 0.0, 1.0]

    beside = dose_at_points(source, centers_mm, along, strength_u, [[5.0, 0.0, 0.0]])
    print(f"5 mm beside the middle: {beside[0]:.0f} Gy to full decay")

    grid = DoseGrid.from_bounds([-25.0, 0.0, -25.0], [25.0, 0.0, 25.0], 0.25)
    field = dose_on_grid(source, centers_mm, along, strength_u, grid)
    figure, axes = plt.subplots(figsize=(6, 6))
    lines = axes.contour(
        grid.x_mm, grid.z_mm, field.values_gy[:, 0, :], [60, 120, 180, 240], cmap="viridis"
    )
    axes.clabel(lines, fmt="%g Gy")
    for _, _, z in centers_mm:
        axes.plot([0, 0], [z - 2.25, z + 2.25], color="black", linewidth=3)
    axes.set(xlabel="mm beside the needle", ylabel="mm along it", aspect="equal")
    axes.set_title(f"Four {source.id} seeds of {strength_u:.3f} U")
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "one_needle.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
