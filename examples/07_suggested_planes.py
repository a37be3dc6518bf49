"""Where should needles come from? Every direction scored, the best planes ranked and drawn."""

import sys
from pathlib import Path

from exports import suggest_map
from template_designer import read_case
from template_designer.demo_case import demo_case_file
from template_designer.suggesting import suggest, with_suggestion


def main(out: Path) -> None:
    """Write ``OUT/suggested_planes.png``."""
    with demo_case_file() as case_file:
        case = read_case(case_file)
    found = suggest(case, directions=120, top=2)  # 2000 and 10 by default

    for rank, plane in enumerate(found.planes, start=1):
        print(f"{rank}: seeds reach {plane.reach_pct:.0f} % of {found.target}", end=", ")
        print(f"tilted {plane.tilt_deg:.0f} degrees")
    if not isinstance(found.posterior, str):  # else the reason why no plate stands there
        print(f"straight from behind: {found.posterior.reach_pct:.0f} %")
    better = with_suggestion(case, found, 1)  # ready for design(better)
    print("its [entry] table:", better.settings.entry[0])

    out.mkdir(parents=True, exist_ok=True)
    (out / "suggested_planes.png").write_bytes(suggest_map.build(found))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
