"""``fit-gauge.stl``: a small part to print first, with one bore of each allowance."""

from __future__ import annotations

from exports.stl import stl_bytes
from template_designer.geometry.plate_gauge import build_fit_gauge
from template_designer.geometry.plate_style import PlateStyle
from template_designer.model import Plan


def build(plan: Plan) -> bytes:
    """Binary STL of the fit gauge for the plan's needles, and its access needles where it has any.

    As thick as the plate and with its counter-sinks, so that needles run in it as in the plate.
    """
    settings = plan.settings
    gauges = {settings.needle.gauge, *(needle.widest_gauge for needle in plan.needles)}
    mesh = build_fit_gauge(
        sorted(gauges, reverse=True),
        sorted({*settings.printer.fit_gauge_mm, settings.bore_allowance_mm}),
        chosen_mm=settings.bore_allowance_mm,
        thickness_mm=settings.template.size_mm[2],
        style=PlateStyle.of(plan.templates[0].features),
    )
    made_for = " ".join(filter(None, (settings.printer.name, settings.printer.material)))
    return stl_bytes(mesh, f"fit gauge units=mm {made_for}".strip())
