import pytest

from template_designer.errors import CaseError
from template_designer.planning.goals import goals_or_default
from tests.template_designer.planning.phantom import settings, solids


def stated(goals):
    return [(g.structure, g.metric, g.limit, g.priority) for g in goals]


DEFAULT = [("GTV", "D90", 120.0, 1), ("GTV", "V100", 90.0, 1)]


def test_without_goals_the_target_is_to_be_covered():
    assert stated(goals_or_default(settings(), solids())) == DEFAULT


def test_the_spine_adds_the_cord_at_second_priority():
    found = stated(goals_or_default(settings(site="spine"), solids()))
    assert found == [*DEFAULT, ("Cord", "Dmax", 39.0, 2)]  # DESIGN.md: median of a series


def test_stated_goals_stand_alone():
    goal = {"structure": "Cord", "metric": "Dmax", "at_most_gy": 50.0, "priority": 3}
    found = stated(goals_or_default(settings(site="spine", goal=[goal]), solids()))
    assert found == [("Cord", "Dmax", 50.0, 3)]


def test_more_cm3_than_there_are_cannot_be_limited():
    goal = {"structure": "GTV", "metric": "D50cc", "at_most_gy": 50.0}
    with pytest.raises(CaseError, match="has only"):
        goals_or_default(settings(goal=[goal]), solids())
