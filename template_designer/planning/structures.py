"""All structures of a case as solids: as drawn, found in the CT, made from others.

A broken one that no rule needs is left out, and said so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from template_designer.errors import GeometryError
from template_designer.geometry.booleans import common_part, united, without
from template_designer.geometry.from_ct import BODY_HU, THIN_MM, body_from_ct, solid_above
from template_designer.geometry.margin import Bias, expanded
from template_designer.geometry.solids import Solid, build_solid
from template_designer.model import Case, CaseSettings, ImageVolume, PlanWarning
from template_designer.model.derived import BODY_FROM_CT, StructureSettings

CUT_CM3 = 0.01
"""A crop that takes less than this of the drawn target is rounding."""


def build_structures(
    case: Case, used: Collection[str]
) -> tuple[dict[str, Solid], tuple[PlanWarning, ...]]:
    """Solids of all structures by name, and what was odd about them.

    Those of the file come first, in its order, then a body found in the CT, then those of the
    ``[[structure]]`` tables in theirs. What needles must avoid errs to the larger side.

    Raises
    ------
    GeometryError
        If a structure that the case uses cannot be built, or nothing is left of a made one.
    """
    settings = case.settings
    avoided = {name for rule in settings.avoid for name in rule.patterns}
    kept_whole = _with_sources(avoided, settings.structure)
    solids: dict[str, Solid] = {}
    warnings: list[PlanWarning] = []
    for roi in case.rois.rois:
        try:
            solid = build_solid(roi, case.image, bridge_all=roi.name in kept_whole)
        except GeometryError as error:
            if roi.name in used:
                raise
            warnings.append(PlanWarning("roi-skipped", f"ROI {roi.name!r} is left out: {error}"))
            continue
        solids[roi.name] = solid
        warnings.extend(solid.warnings)
    if BODY_FROM_CT in used and BODY_FROM_CT not in solids:
        solids[BODY_FROM_CT] = body_from_ct(case.image)
        warnings.append(_body_warning(solids[BODY_FROM_CT]))
    maker = _Maker(case.image, dict(solids), {table.name: table for table in settings.structure})
    for table in settings.structure:
        bias = Bias.LARGER if table.name in avoided else Bias.BEST
        solids[table.name] = maker.made(table.name, bias)
        warnings.extend(_ct_warnings(table))
    return solids, tuple(warnings)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes structures by their tables, each once for every side it may err to."""

    image: ImageVolume
    given: Mapping[str, Solid]
    tables: Mapping[str, StructureSettings]
    done: dict[tuple[str, Bias], Solid] = field(default_factory=dict)
    of_ct: dict[str, Solid] = field(default_factory=dict)  # the same for every side

    def made(self, name: str, bias: Bias) -> Solid:
        """One structure, given or made."""
        if name in self.given:
            return self.given[name]
        if (name, bias) not in self.done:
            self.done[name, bias] = self._fresh(self.tables[name], bias)
        return self.done[name, bias]

    def _fresh(self, table: StructureSettings, bias: Bias) -> Solid:
        name = table.name
        solid = self._start(table, bias)
        solid = replace(expanded(solid, table.expand_mm, bias), name=name, warnings=())
        if table.common:
            solid = common_part(name, solid, self._union(name, table.common, bias), bias)
        if table.taken_away:
            away = self._union(name, table.taken_away, bias.opposite)
            solid = without(name, solid, away, bias)
        return solid

    def _start(self, table: StructureSettings, bias: Bias) -> Solid:
        if table.ct_above_hu is None:
            return self._union(table.name, table.sources, bias)
        if table.name not in self.of_ct:
            self.of_ct[table.name] = solid_above(
                self.image,
                table.ct_above_hu,
                name=table.name,
                within=self._union(table.name, table.bounds, Bias.BEST) if table.bounds else None,
                smallest_cm3=table.drop_below_cm3,
            )
        return self.of_ct[table.name]

    def _union(self, name: str, parts: Sequence[str], bias: Bias) -> Solid:
        solids = [self.made(part, bias) for part in parts]
        return solids[0] if len(solids) == 1 else united(name, solids, bias)


def _with_sources(names: Collection[str], tables: Sequence[StructureSettings]) -> set[str]:
    """The names, and what those among them that are made are made of (not what is taken away)."""
    found = set(names)
    for table in reversed(tables):  # a table uses only those above it
        if table.name in found:
            found.update((*table.sources, *table.common))
    return found


def _body_warning(body: Solid) -> PlanWarning:
    return PlanWarning(
        "body-from-ct",
        f"[skin] names no structure: the body ({body.volume_cm3:.0f} cm3) is what lies at or above "
        f"{BODY_HU:g} HU, in one piece, without what is thinner than {THIN_MM:g} mm (couch, "
        "wires, but also fingers). Check its outline, above all where it lies on the couch.",
    )


def _ct_warnings(table: StructureSettings) -> list[PlanWarning]:
    if table.ct_above_hu is None:
        return []
    text = (
        f"{table.name}: taken from the CT, at or above {table.ct_above_hu:g} HU, parts under "
        f"{table.drop_below_cm3:g} cm3 dropped. Contrast agent, metal and stones count as well; "
        "check its outline."
    )
    return [PlanWarning("structure-from-ct", text)]


def target_solid(settings: CaseSettings, solids: Mapping[str, Solid]) -> Solid:
    """What the dose must cover: the target with its margin, cropped, closed where the scan ends.

    Beyond the scan nothing was drawn, so nothing there can be asked to be covered.

    Raises
    ------
    GeometryError
        If the crop leaves nothing.
    """
    target = expanded(solids[settings.target.structure], settings.target.margin_mm)
    if settings.target.cropped_by:
        target = without(target.name, target, _kept_out(settings, solids))
    return replace(target, open_low=False, open_high=False)


def crop_warnings(settings: CaseSettings, solids: Mapping[str, Solid]) -> tuple[PlanWarning, ...]:
    """Say how much of the drawn target, not only of its margin, the crop takes away."""
    if not settings.target.cropped_by:
        return ()
    drawn = solids[settings.target.structure]
    try:
        cut = common_part(drawn.name, drawn, _kept_out(settings, solids))
    except GeometryError:  # nothing in common
        return ()
    if cut.volume_cm3 < CUT_CM3:
        return ()
    gap = settings.target.crop_gap_mm
    text = (
        f"{drawn.name}: {cut.volume_cm3:.2f} of its {drawn.volume_cm3:.2f} cm3 lie in "
        f"{', '.join(settings.target.cropped_by)}{f' or within {gap:g} mm of it' if gap else ''} "
        "and are cropped; no metric of the target counts them. Check both outlines."
    )
    return (PlanWarning("target-cropped", text),)


def _kept_out(settings: CaseSettings, solids: Mapping[str, Solid]) -> Solid:
    """What the target is cropped out of, with the gap."""
    gap = settings.target.crop_gap_mm
    organs = [expanded(solids[name], gap) for name in settings.target.cropped_by]
    return organs[0] if len(organs) == 1 else united(organs[0].name, organs)
