import numpy as np
import pytest

from dose import dose_at_points, dose_of_arrangements, load_source
from dose.errors import DoseInputError

SOURCE = load_source("I125-6711")


def arrangements(count=5, seeds=4, points=600):
    rng = np.random.default_rng(3)
    return (
        rng.uniform(-20.0, 20.0, (count, seeds, 3)),
        rng.normal(size=(count, seeds, 3)),
        rng.uniform(0.2, 2.0, seeds),
        rng.uniform(-40.0, 40.0, (points, 3)),
    )


def test_every_row_is_the_dose_of_its_arrangement():
    centers, axes, strengths, points = arrangements()  # 600 points: three blocks, the last not full
    every = dose_of_arrangements(SOURCE, centers, axes, strengths, points)
    assert every.shape == (5, 600)
    for row, places, directions in zip(every, centers, axes, strict=True):
        alone = dose_at_points(SOURCE, places, directions, strengths, points)
        np.testing.assert_array_equal(row, alone)  # same operations in the same order


@pytest.mark.parametrize("empty", ["arrangements", "seeds", "points"])
def test_nothing_gives_nothing(empty):
    shape = {"arrangements": 2, "seeds": 3, "points": 4} | {empty: 0}
    centers = np.zeros((shape["arrangements"], shape["seeds"], 3))
    points = np.full((shape["points"], 3), 10.0)
    dose = dose_of_arrangements(SOURCE, centers, np.ones_like(centers), 1.0, points)
    assert dose.shape == (shape["arrangements"], shape["points"])
    assert not dose.any()


@pytest.mark.parametrize(
    ("centers", "axes", "strength", "told"),
    [
        (np.zeros((4, 3)), np.ones((4, 3)), 1.0, "arrangements, seeds, 3"),
        (np.zeros((2, 4, 3)), np.ones((4, 3)), 1.0, "arrangements, seeds, 3"),
        (np.zeros((2, 4, 3)), np.zeros((2, 4, 3)), 1.0, "has no length"),
        (np.zeros((2, 4, 3)), np.ones((2, 4, 3)), [1.0, 2.0], "4 seed"),
        (np.full((2, 4, 3), np.nan), np.ones((2, 4, 3)), 1.0, "finite"),
    ],
)
def test_wrong_shapes_and_values_are_refused(centers, axes, strength, told):
    with pytest.raises(DoseInputError, match=told):
        dose_of_arrangements(SOURCE, centers, axes, strength, [[10.0, 0.0, 0.0]])
