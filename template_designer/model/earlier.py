"""A plan that was made before, as far as a new one starts from it. Types only."""

from __future__ import annotations

from dataclasses import dataclass

from template_designer.model.case import InputFile
from template_designer.model.plan import Template


@dataclass(frozen=True, slots=True, eq=False)
class EarlierPlan:
    """Plates with needles and seeds, and what they were planned with."""

    where: str  # as the user named it, for messages
    sha256: str  # of the plan, as its file states it
    case_id: str
    inputs: tuple[InputFile, ...]
    templates: tuple[Template, ...]
    air_kerma_strength_u: float  # of one seed on the day of the implant
