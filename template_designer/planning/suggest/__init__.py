"""Finds entry planes: the search over the skin, the best planes and pairs, and refinement."""

from template_designer.planning.suggest.directions import Access, access_of
from template_designer.planning.suggest.exact import PlaneNumbers
from template_designer.planning.suggest.finding import (
    PairNumbers,
    SphereMap,
    Suggestions,
    find_planes,
    suggest_steps,
)
from template_designer.planning.suggest.refine import refine_entries, refined_entry, refinement_note

__all__ = [
    "Access",
    "PairNumbers",
    "PlaneNumbers",
    "SphereMap",
    "Suggestions",
    "access_of",
    "find_planes",
    "refine_entries",
    "refined_entry",
    "refinement_note",
    "suggest_steps",
]
