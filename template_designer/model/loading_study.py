"""What a loading costs and what limits it: trade-off curves and explanations. Types only."""

from __future__ import annotations

from dataclasses import dataclass

from template_designer.model.plan import GoalResult, Reach


@dataclass(frozen=True, slots=True)
class LoadingNumbers:
    """What one loading gives, computed as a plan's numbers are."""

    needles: int
    seeds: int
    cost: float  # what the search makes small, per cent of the target volume
    d90_gy: float
    v100_pct: float
    v150_pct: float
    v200_pct: float
    ci: float
    goals: tuple[GoalResult, ...]

    @property
    def goals_met(self) -> bool:
        """Whether every goal is met."""
        return all(goal.met for goal in self.goals)


@dataclass(frozen=True, slots=True)
class TradeoffPoint:
    """The best plan found under one limit."""

    limit: float
    value: float  # what the plan makes of it: its needles, its seeds, its dose
    numbers: LoadingNumbers


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """A curve: what is gained by needles, by seeds, or by a higher dose to a structure."""

    axis: str  # "needles", "seeds", or structure and metric: "SpinalCord Dmax"
    unit: str  # "" for counts, else "Gy"
    points: tuple[TradeoffPoint, ...]  # by limit, rising
    plan_limit: float  # of the plan that the curve belongs to


@dataclass(frozen=True, slots=True)
class GoalCost:
    """The best plan found without one goal, beside the plan with it."""

    structure: str
    metric: str
    limit: float
    unit: str
    is_minimum: bool
    without: LoadingNumbers
    cost: float  # that the plan pays for it, never below 0


@dataclass(frozen=True, slots=True)
class RuleCost:
    """The best plan found without the avoid rule of one structure; never to be carried out."""

    structure: str
    clearance_mm: float
    reachable_pct: float
    largest_v100_pct: float
    without: LoadingNumbers


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each goal and each avoid rule costs a plan."""

    plan: LoadingNumbers
    reach: Reach
    goals: tuple[GoalCost, ...]
    rules: tuple[RuleCost, ...]  # the one that costs the most coverage first
    idle_rules: tuple[str, ...]  # structures whose rule stops no needle: they cost nothing
