"""Hard rules. A plan that breaks one is never exported.

To add one: a module here with a frozen dataclass that has ``of(plan)`` (its limits for a plan) and
``check(plan) -> tuple[Violation, ...]``, and one line in :data:`CONSTRAINTS`.
"""

from template_designer.model import Plan, Violation
from template_designer.planning.constraints.apart import NeedlesApart
from template_designer.planning.constraints.clearance import NeedleClearance
from template_designer.planning.constraints.holes import HoleUse
from template_designer.planning.constraints.length import NeedleLength
from template_designer.planning.constraints.seeds import SeedPositions
from template_designer.planning.constraints.skin import SeedToSkin

CONSTRAINTS = (
    NeedleClearance,
    NeedleLength,
    HoleUse,
    NeedlesApart,
    SeedPositions,
    SeedToSkin,
)
"""Every hard rule, in the order of the report."""


def check_plan(plan: Plan) -> tuple[Violation, ...]:
    """Every hard rule that a plan breaks; empty when it may be exported."""
    found: list[Violation] = []
    for constraint in CONSTRAINTS:
        found.extend(constraint.of(plan).check(plan))
    return tuple(found)


__all__ = ["CONSTRAINTS", "check_plan"]
