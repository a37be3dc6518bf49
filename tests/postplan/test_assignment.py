"""The assignment against every possible one, and seeds that all moved alike."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer.postplan.assignment import assign
from template_designer.postplan.matching import ACROSS_SD_MM, ALONG_SD_MM, match_seeds
from tests.postplan.seeds import planned_centers
from tests.small_plan import small_plan

FARTHEST = 20.0


def cost(apart, pairs) -> float:
    """Squared distances of the pairs; a seed of the shorter list without one costs the most."""
    kept = [(i, j) for i, j in pairs if apart[i, j] < FARTHEST]
    alone = min(apart.shape) - len(kept)
    return sum(apart[i, j] ** 2 for i, j in kept) + alone * FARTHEST**2


def every_pairing(n: int, m: int):
    """All pairings of as many as there can be."""
    if n <= m:
        for columns in permutations(range(m), n):
            yield list(enumerate(columns))
    else:
        for rows in permutations(range(n), m):
            yield [(row, column) for column, row in enumerate(rows)]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**31 - 1))
def test_no_other_pairing_is_better(n, m, seed):
    rng = np.random.default_rng(seed)
    planned, found = rng.uniform(0.0, 40.0, (n, 3)), rng.uniform(0.0, 40.0, (m, 3))
    apart = np.linalg.norm(planned[:, None] - found[None], axis=2)
    got = assign(apart, FARTHEST)
    pairs = list(zip(got.planned.tolist(), got.found.tolist(), strict=True))
    best = min(cost(apart, pairing) for pairing in every_pairing(n, m))
    # rounding of sums of squares up to 5 * 400
    assert cost(apart, pairs) == pytest.approx(best, abs=1e-9)
    assert sorted([*got.planned.tolist(), *got.missing.tolist()]) == list(range(n))
    assert sorted([*got.found.tolist(), *got.extra.tolist()]) == list(range(m))
    assert all(apart[i, j] < FARTHEST for i, j in pairs)


def test_what_is_too_far_is_missing_and_extra():
    got = assign(np.array([[1.0, 50.0], [60.0, 20.0]]), FARTHEST)
    assert got.planned.tolist() == [0]
    assert got.missing.tolist() == [1]
    assert got.extra.tolist() == [1]  # at the limit is over it


def test_seeds_that_all_moved_alike_keep_their_partners():
    """By more than their spacing: the nearest one is another's place."""
    plan = small_plan(plates=1)
    centers = planned_centers(plan)
    frame = np.asarray(plan.templates[0].lps_from_template)
    shift = frame[:3, :3] @ np.array([1.5, -2.0, 14.0])  # spacing of the seeds is 5.5 and 10 mm
    matches = match_seeds(plan.templates, centers + shift)
    assert [m.found for m in matches] == list(range(len(centers)))
    for match in matches:
        # rounding of coordinates around 100 mm through the frame
        assert (match.right_mm, match.down_mm, match.depth_mm) == pytest.approx((1.5, -2, 14))
        assert match.displacement_mm == pytest.approx(np.linalg.norm(shift))


def test_an_error_along_the_needle_is_likelier_than_one_across_it():
    """Between two planned seeds a found one belongs to that of its own needle."""
    assert pytest.approx((7.08, 2.69), abs=0.01) == (ALONG_SD_MM, ACROSS_SD_MM)  # as published
    plan = small_plan(plates=1)
    frame = np.asarray(plan.templates[0].lps_from_template)
    own = plan.templates[0].needles[0].seeds[0]
    found = np.array([own.center_lps_mm]) + 6.0 * frame[:3, 2]
    (match,) = [m for m in match_seeds(plan.templates, found) if m.found is not None]
    assert match.hole == plan.templates[0].needles[0].label
