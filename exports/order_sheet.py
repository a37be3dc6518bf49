"""``order.pdf`` and ``order.csv``: what to order for a plan, and to check the delivery by."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from dose import U_PER_MCI, apparent_activity_mci
from exports.folders import put_files
from exports.pdf_page import EDGE_MM, FOOT_MM, Page, Pen, upright, write_pages
from exports.plan_json import plan_hash
from exports.report_content import tally
from exports.report_document import Column, Lines, Part, Row, Table, facts
from exports.report_flow import pages_of
from exports.report_numbers import strength
from exports.rounding import rounded
from template_designer.errors import OutputError
from template_designer.geometry.plate_qr import MODULES, QR_CHARACTERS, qr_matrix
from template_designer.model import Plan
from template_designer.model.assay import SeedOrder
from template_designer.model.delivery import Technique
from template_designer.postplan.assay import advised_sample, least_sample

COLUMNS = (
    "plan",
    "plan_sha256",
    "item",
    "template",
    "hole",
    "quantity",
    "seeds_each",
    "loading",
    "source_model",
    "implant_date",
    "air_kerma_strength_implant_u",
    "activity_implant_mci",
    "calibration_date",
    "air_kerma_strength_calibration_u",
    "activity_calibration_mci",
)
"""Of the CSV. ``item``: ``seeds`` (all, spares among them), ``spares`` (of these), ``cartridge``,
``strand`` or ``preloaded`` (one needle each). Strengths are those of one seed; mCi is apparent."""

_STRIP_MM = 36.0
"""Over the foot of a page: signatures, and the code on the plate's rim."""
_MODULE_MM = 1.2
_BLANK = "_" * 26


def order_pdf(plan: Plan, order: SeedOrder) -> bytes:
    """The order as PDF on the paper of ``[report] paper``, the same bytes every time."""
    width, height = upright(plan.settings.report.paper)
    pages = [
        _with_strip(plan, page, (width, height))
        for page in pages_of(_parts(plan, order), (width, height - _STRIP_MM), "Order of seeds")
    ]
    # it goes to a supplier: nothing of the patient stands on it
    head = (f"Order of seeds for plan {plan.id}", tally(plan))
    return write_pages(plan, pages, title=f"Order of seeds for plan {plan.id}", head=head)


def order_csv(plan: Plan, order: SeedOrder) -> bytes:
    """The order as CSV (UTF-8, one header row), the same bytes every time."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\r\n", restval="")
    writer.writeheader()
    nuclide = order.source.nuclide
    same = {
        "plan": plan.id,
        "plan_sha256": plan_hash(plan),
        "source_model": order.source.id,
        "implant_date": order.implant_date.isoformat(),
        "air_kerma_strength_implant_u": f"{rounded(order.implant_u, 6):.6f}",
        "activity_implant_mci": _mci(order.implant_u, nuclide),
        "calibration_date": order.calibration_date.isoformat(),
        "air_kerma_strength_calibration_u": f"{rounded(order.calibration_u, 6):.6f}",
        "activity_calibration_mci": _mci(order.calibration_u, nuclide),
    }
    rows: list[dict[str, object]] = [
        {"item": "seeds", "quantity": order.total, "seeds_each": 1},
        {"item": "spares", "quantity": order.spares, "seeds_each": 1},
    ]
    for seeds, count in _cartridge_counts(order):
        rows.append({"item": "cartridge", "quantity": count, "seeds_each": seeds})
    for needle in order.needles:
        rows.append(
            {"item": order.technique, "template": needle.template, "hole": needle.hole,
             "quantity": 1, "seeds_each": needle.seeds, "loading": needle.train}
        )  # fmt: skip
    writer.writerows(same | row for row in rows)
    return text.getvalue().encode("utf-8")


LAYOUTS: Mapping[str, Callable[[Plan, SeedOrder], bytes]] = {".pdf": order_pdf, ".csv": order_csv}


def order_targets(output: Path, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Files that an order is written to: one that is named, or both kinds in a folder.

    Raises
    ------
    OutputError
        If a file is there and may not be replaced, or the name ends in something else.
    """
    place = output.absolute()
    if place.suffix.lower() in LAYOUTS and not place.is_dir():
        files: tuple[Path, ...] = (place,)
    elif place.suffix and not place.is_dir():
        raise OutputError(f"{str(place)!r} ends in {place.suffix}; name a .pdf, a .csv or a folder")
    else:
        files = tuple(place / f"order{ending}" for ending in LAYOUTS)
    for file in files:
        if file.is_dir() or (file.exists() and not overwrite):
            raise OutputError(
                f"{str(file)!r} is there already; name another file (-o), or ask to overwrite "
                "(--overwrite)"
            )
    return files


def write_order(
    plan: Plan, order: SeedOrder, files: tuple[Path, ...], *, overwrite: bool = False
) -> None:
    """Write an order: every file, or none."""
    contents = {file.name: LAYOUTS[file.suffix.lower()](plan, order) for file in files}
    put_files(files[0].parent, contents, overwrite=overwrite)


def _parts(plan: Plan, order: SeedOrder) -> list[Part]:
    nuclide = order.source.nuclide
    what = (
        f"ORDER {order.total} seeds {order.source.id} ({nuclide}), "
        f"{strength(order.calibration_u, nuclide)} each on {order.calibration_date}."
    )
    parts: list[Part] = [Lines("", (what,), loud=True), facts("The order", _facts(plan, order))]
    if order.planned_for not in (None, order.implant_date):
        parts.append(
            Lines(
                "",
                (
                    f"OTHER DAY: the plan was made for {order.planned_for}, this order is for "
                    f"{order.implant_date}. The strength on the day of the implant is the same; "
                    "the plan's papers name the other day.",
                ),
                loud=True,
            )
        )
    return [*parts, _packing(order), _schedule(order)]


def _facts(plan: Plan, order: SeedOrder) -> list[tuple[str, str]]:
    nuclide, count = order.source.nuclide, order.total
    pairs = [
        ("seeds planned", str(order.planned)),
        ("seeds to spare", str(order.spares)),
        ("seeds in all", f"{count}, together {count * order.calibration_u:.2f} U at calibration"),
        ("model", f"{order.source.id} ({nuclide})"),
        (f"strength on {order.implant_date}, the implant", strength(order.implant_u, nuclide)),
        (
            f"strength on {order.calibration_date}, calibration",
            strength(order.calibration_u, nuclide),
        ),
        ("half-life", f"{order.source.half_life_days:.2f} days"),
        ("unit", _conversion(nuclide)),
        (
            "to assay on receipt",
            f"{advised_sample(count)} seeds drawn at random are advised, "
            f"{least_sample(count)} (10 %) are the least",
        ),
        ("plan hash (SHA-256)", plan_hash(plan)),
    ]
    return pairs


def _conversion(nuclide: str) -> str:
    text = "U: air-kerma strength, 1 U = 1 µGy·m²/h"
    if nuclide in U_PER_MCI:
        text += f"; mCi: apparent activity, 1 mCi = {U_PER_MCI[nuclide]:.3f} U"
    return text


def _packing(order: SeedOrder) -> Part:
    """What the seeds come in."""
    if order.cartridges:
        rows = tuple(
            Row((f"{count}", f"{seeds} seeds")) for seeds, count in _cartridge_counts(order)
        )
        note = "The seeds to spare are in the last ones."
        return Table("Cartridges (Mick)", (Column("number", True), Column("each")), rows, note)
    if order.needles:
        kind = "Strands" if order.technique is Technique.STRAND else "Preloaded needles"
        heads = (
            "no.",
            "plate",
            "hole",
            "seeds",
            "from the tip: S seed, spacers in mm",
            "length mm",
        )
        columns = tuple(Column(head, head in ("no.", "seeds", "length mm")) for head in heads)
        rows = tuple(
            Row(
                (
                    str(needle.number),
                    needle.template,
                    needle.hole,
                    str(needle.seeds),
                    needle.train,
                    f"{needle.length_mm:.1f}",
                )
            )
            for needle in order.needles
        )
        note = f"In order of insertion. The {order.spares} seeds to spare come loose."
        return Table(f"{kind}, one a needle", columns, rows, note)
    return Lines("Delivery", ("The plan does not say how the seeds get in: order them loose.",))


def _schedule(order: SeedOrder) -> Table:
    nuclide = order.source.nuclide
    has_mci = nuclide in U_PER_MCI
    columns = (Column("calibrated on"), Column("days before"), Column("U", True))
    rows = []
    for day, strength_u in order.schedule:
        cells = (day.isoformat(), str((order.implant_date - day).days), f"{strength_u:.3f}")
        rows.append(Row((*cells, _mci(strength_u, nuclide, 3)) if has_mci else cells))
    return Table(
        "Strength of one seed if the supplier calibrates on another day",
        (*columns, Column("mCi", True)) if has_mci else columns,
        tuple(rows),
        f"Each decays to {order.implant_u:.3f} U on {order.implant_date}.",
    )


def _cartridge_counts(order: SeedOrder) -> list[tuple[int, int]]:
    """Seeds a cartridge and how many there are of it, full ones first."""
    return sorted(Counter(order.cartridges).items(), reverse=True)


def _mci(strength_u: float, nuclide: str, digits: int = 6) -> str:
    if nuclide not in U_PER_MCI:
        return ""
    return f"{rounded(apparent_activity_mci(strength_u, nuclide), digits):.{digits}f}"


def _with_strip(plan: Plan, page: Page, size_mm: tuple[float, float]) -> Page:
    """The page with signatures and code over its foot."""

    def draw(pen: Pen) -> None:
        page.draw(pen)
        base = FOOT_MM + 2.0
        side = MODULES * _MODULE_MM
        left = pen.width_mm - EDGE_MM - side
        for row, modules in enumerate(qr_matrix(plan_hash(plan)[:QR_CHARACTERS].upper())):
            for column, dark in enumerate(modules):
                if dark:
                    pen.box(
                        left + column * _MODULE_MM,
                        base + 4.0 + side - (row + 1) * _MODULE_MM,
                        _MODULE_MM,
                        _MODULE_MM,
                        fill_gray=0.0,
                    )
        pen.text(left + 0.5 * side, base, "as on the plate's rim", 7.0, align="center")
        for n, line in enumerate(("Received: seeds, lot, date", "Checked by", "Ordered by, date")):
            pen.text(EDGE_MM, base + 4.0 + 9.0 * n, f"{line} {_BLANK}", 9.0)

    return Page(page.title, size_mm, draw)
