"""All structures of a case as solids; a broken one that no rule needs is left out, and said so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from template_designer.errors import GeometryError
from template_designer.geometry.margin import expanded
from template_designer.geometry.solids import Solid, build_solid
from template_designer.model import Case, CaseSettings, PlanWarning


def build_structures(
    case: Case, used: Collection[str]
) -> tuple[dict[str, Solid], tuple[PlanWarning, ...]]:
    """Solids of all structures by name, in file order, and what was odd about them.

    Raises
    ------
    GeometryError
        If a structure that the case uses cannot be built.
    """
    avoided = {name for rule in case.settings.avoid for name in rule.patterns}
    solids: dict[str, Solid] = {}
    warnings: list[PlanWarning] = []
    for roi in case.rois.rois:
        try:
            solid = build_solid(roi, case.image, bridge_all=roi.name in avoided)
        except GeometryError as error:
            if roi.name in used:
                raise
            warnings.append(PlanWarning("roi-skipped", f"ROI {roi.name!r} is left out: {error}"))
            continue
        solids[roi.name] = solid
        warnings.extend(solid.warnings)
    return solids, tuple(warnings)


def target_solid(settings: CaseSettings, solids: Mapping[str, Solid]) -> Solid:
    """What the dose must cover: the target structure with its margin, closed where the scan ends.

    Beyond the scan nothing was drawn, so nothing there can be asked to be covered.
    """
    drawn = replace(solids[settings.target.structure], open_low=False, open_high=False)
    return expanded(drawn, settings.target.margin_mm)
