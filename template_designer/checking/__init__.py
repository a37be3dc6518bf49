"""A second opinion on a written plan, from its files alone, by code that made none of them.

Nothing here uses the planner: no solids, no distance fields, no frames, no dose engine. Distances
come straight from the drawn outlines, holes from rays through the STL's triangles, dose from the
TG-43 formula written a second time. Shared with the planner are only the case file's types, the
published source tables, needle diameters and the kinds of error.
"""

from template_designer.checking.evidence import Evidence, read_evidence
from template_designer.checking.lines import CheckLine, State
from template_designer.checking.report import (
    CHECKS,
    CheckReport,
    check_evidence,
    check_folder,
    report_tables,
)

__all__ = [
    "CHECKS",
    "CheckLine",
    "CheckReport",
    "Evidence",
    "State",
    "check_evidence",
    "check_folder",
    "read_evidence",
    "report_tables",
]
