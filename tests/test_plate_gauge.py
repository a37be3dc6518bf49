"""The fit gauge: every bore its own width, at its place, with its number under it."""

import io

import numpy as np
import pytest
import shapely
import trimesh
from stl import mesh as numpy_stl

from exports import fit_gauge
from template_designer.errors import GeometryError
from template_designer.geometry.plate_gauge import build_fit_gauge, gauge_places
from template_designer.geometry.plate_style import PlateStyle
from template_designer.geometry.text import text_outline
from template_designer.model import OUTER_DIAMETER_MM
from tests.exports.conftest import make_plan, make_template
from tests.plates import top_section

ALLOWANCES = (0.05, 0.1, 0.2, 0.35)


@pytest.fixture(scope="module")
def gauge():
    return build_fit_gauge(
        [18, 16], ALLOWANCES, chosen_mm=0.2, thickness_mm=12.0, style=PlateStyle()
    )


def test_every_bore_has_its_width_and_place(gauge):
    assert gauge.is_volume
    assert 1 - gauge.euler_number // 2 == 2 * len(ALLOWANCES)
    walls = top_section(gauge, 6.0).boundary
    for (number, allowance), place in gauge_places([18, 16], ALLOWANCES).items():
        bore = OUTER_DIAMETER_MM[number] + allowance
        around = walls.intersection(shapely.Point(place).buffer(3.0))
        # never too narrow but for single precision; chords stand out by 0.02 mm on the diameter
        assert bore - 1e-4 <= 2.0 * around.distance(shapely.Point(place)) <= bore + 0.02


def test_the_numbers_read_as_the_allowances_and_the_chosen_one_is_ringed(gauge):
    ink = top_section(gauge, 11.0).difference(top_section(gauge, 11.6).buffer(0.001))
    ink = ink.buffer(-0.05).buffer(0.05)

    def unit(shape):
        left, low, right, high = shape.bounds
        return shapely.transform(
            shape, lambda p: (p - [left, low]) * [1.0 / (right - left), 1.0 / (high - low)]
        )

    for (_, allowance), (x, y) in gauge_places([18, 16], ALLOWANCES).items():
        seen = unit(ink.intersection(shapely.box(x - 5.4, y - 7.5, x + 5.4, y - 3.4)))
        likeness = {}
        for other in ALLOWANCES:
            drawn = unit(text_outline(f"{other:.2f}", 3.4))
            likeness[other] = seen.intersection(drawn).area / seen.union(drawn).area
        assert max(likeness, key=likeness.get) == allowance
        assert likeness[allowance] > 0.8
        groove = ink.intersection(shapely.Point(x, y).buffer(2.8))
        assert (groove.area > 2.0) == (allowance == 0.2)


def test_the_file_is_closed_and_the_same_twice():
    files = [fit_gauge.build(make_plan(make_template())) for _ in range(2)]
    assert files[0] == files[1]
    read = numpy_stl.Mesh.from_file("gauge.stl", fh=io.BytesIO(files[0]))
    mesh = trimesh.Trimesh(**trimesh.triangles.to_kwargs(read.vectors.astype(float)))
    assert mesh.is_volume
    np.testing.assert_allclose(mesh.bounds[:, 2], [0.0, 20.0])  # as thick as the plate
    assert len(files[0]) < 1_000_000


def test_an_allowance_twice_is_an_error():
    with pytest.raises(GeometryError, match="fit_gauge_mm"):
        build_fit_gauge([18], [0.1, 0.1], chosen_mm=0.1, thickness_mm=9.0, style=PlateStyle())
