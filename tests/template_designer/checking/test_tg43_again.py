"""The second TG-43 against the first, and against numbers worked out by hand."""

import numpy as np
import pytest

from dose import dose_at_points, load_source
from template_designer.checking.case_checks import CONSENSUS, HALF_LIFE_DAYS, U_PER_MCI
from template_designer.checking.tg43 import dose_per_u_gy

MODELS = ("I125-6711", "I125-IAI125A", "Pd103-200", "Cs131-CS1Rev2", "I125-3500")


@pytest.mark.parametrize("model", MODELS)
def test_both_dose_codes_agree_everywhere(model):
    source = load_source(model)
    rng = np.random.default_rng(43)
    centers = rng.uniform(-20.0, 20.0, (8, 3))
    axes = rng.normal(size=(8, 3))
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    points = np.vstack(
        [
            rng.uniform(-60.0, 60.0, (400, 3)),
            rng.uniform(-200.0, 200.0, (50, 3)),  # beyond the tables
            centers + 3.0 * axes,  # on the axis
            centers + rng.uniform(-1.0, 1.0, (8, 3)),  # inside capsules
        ]
    )
    first = dose_at_points(source, centers, axes, 1.0, points)
    second = dose_per_u_gy(source, centers, axes, points)
    # differences of two angles near the axis cancel to 1e-7 here; the other code has one angle
    np.testing.assert_allclose(second, first, rtol=1e-6)


def test_one_centimetre_beside_one_seed_by_hand():
    source = load_source("I125-6711")
    gy = dose_per_u_gy(source, np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]]),
                       np.array([[10.0, 0.0, 0.0]]))  # fmt: skip
    # Lambda x mean life: 0.965 cGy/(h U) x 59.40 d x 24 / ln 2
    assert gy[0] == pytest.approx(0.965 * 59.40 * 24.0 / np.log(2.0) / 100.0, rel=1e-9)


def test_constants_typed_a_second_time_are_those_on_board():
    for model, constant in CONSENSUS.items():
        assert load_source(model).dose_rate_constant == constant
    assert (
        HALF_LIFE_DAYS[load_source("I125-6711").nuclide] == load_source("I125-6711").half_life_days
    )
    assert 0.6 * U_PER_MCI["I-125"] == pytest.approx(0.762)
