"""Suggested entry planes for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from template_designer import frames
from template_designer.planning.suggest import PlaneNumbers, Suggestions
from template_designer.source_sheet import plain_table

COLUMNS = (
    "", "reach %", "from", "tilt", "turn", "depth", "bone", "spare", "gap", "open",
)  # fmt: skip
LEGEND = (
    "from: where needles come from, 0° behind, 90° the patient's left, 180° the front. tilt: "
    "needles to the axial plane, H from the head's side, F from the feet's. turn: plate against "
    "head-up. depth (skin to tip), bone, spare (clearance over the rules): mm, means over open "
    "holes; gap: skin to plate, mm; open: holes. Ranked by reach less what depth, bone, gap and "
    "turn cost. case: its own entry; back: straight from behind."
)


def suggestion_tables(found: Suggestions) -> tuple[Table | Text, ...]:
    """What the user should read, most important last."""
    return (_table(found), Text(LEGEND, style="dim"), *_sentences(found))


def _table(found: Suggestions) -> Table:
    what = "pairs of entry planes" if found.pairs else "entry planes"
    table = plain_table(f"{found.case_id}: {what} for {found.target}")
    for heading in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    if found.pairs:
        for number, pair in enumerate(found.pairs, start=1):
            table.add_row(str(number), f"{pair.reach_pct:.1f}", "both")
            for plane in pair.planes:
                table.add_row(*_row("", plane))
    else:
        for number, plane in enumerate(found.planes, start=1):
            table.add_row(*_row(str(number), plane))
    table.add_section()
    for own in found.own:
        table.add_row(*_row("case", own))
    table.add_row(*_row("back", found.posterior))
    return table


def _row(name: str, plane: PlaneNumbers | str) -> tuple[str | Text, ...]:
    if isinstance(plane, str):
        return (name, "-", Text(plane, overflow="ellipsis"))
    side = "" if abs(plane.elevation_deg) < 0.5 else ("H" if plane.elevation_deg > 0.0 else "F")
    x, y, z = plane.entry.direction_lps
    return (
        name,
        f"{plane.reach_pct:.1f}",
        f"{round(plane.azimuth_deg)}° {frames.direction_letters((-x, -y, -z))}",
        f"{plane.tilt_deg:.0f}° {side}".rstrip(),
        f"{round(plane.turn_deg)}°",
        f"{plane.depth_mm:.0f}",
        f"{plane.bone_mm:.0f}",
        f"{plane.margin_mm:.1f}",
        f"{plane.gap_mm:.0f}",
        str(plane.open_holes),
    )


def _sentences(found: Suggestions) -> list[Text]:
    access = found.access
    limits = f"{access.told}; tilt up to {access.max_tilt_deg:g}° to the axial plane"
    lines = [Text(f"\n{limits[0].upper()}{limits[1:]}. {found.scored} directions scored.")]
    best = f"The best {'pair' if found.pairs else 'plane'} reaches {found.best_pct:.0f} %"
    if found.gain is not None and not isinstance(found.posterior, str):
        text = (
            f"{best} of {found.target}, {found.gain:.2f} times the {found.posterior.reach_pct:.0f} "
            "% of the straight posterior plane."
        )
    else:
        why = found.posterior if isinstance(found.posterior, str) else "it reaches nothing"
        text = f"{best} of {found.target}; the straight posterior plane is of no use: {why}."
    lines.append(Text(text, style="bold"))
    return lines
