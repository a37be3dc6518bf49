"""Pictures beside stored ones: a view mirrored, a structure or a needle lost does not slip through.

The plan is made up and fixed, so that a picture changes only when the code that draws it does.
``pytest tests/test_pictures_stored.py --renew-references`` writes ``tests/references/`` anew: look
at every picture before it is committed.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.metrics import structural_similarity

from exports import dvh_plot, needle_sheet, preview, slices, views
from exports.as_written import as_written
from exports.opengl import rendering_problem
from exports.slice_planes import axial_plane, middle_planes
from template_designer.model import DvhCurve, GoalResult, ImageVolume, SurfaceRole
from template_designer.planning.delivery import deliver
from tests.exports.conftest import make_plan, make_template
from tests.paths import ROOT

pdfium = pytest.importorskip("pypdfium2")

STORED = ROOT / "tests" / "references"
STORED_PX = 480
"""Width of a stored picture: a name can be read on it, and five take less than 1.5 MB."""
LOOKED_AT_PX = 160
"""Pictures are compared at this width: a pixel holds ten of the drawn ones, so edges that another
Mesa or FreeType draws a fraction of a pixel beside, or smooths otherwise, hardly show."""
BLOCK_PX = 7
NOISE_PX = 0.15
"""Of a stored pixel: half a drawn one, more than renderers disagree about an edge."""

MEAN_LIMIT = 3.0
"""Of 255: twice what moving every edge by half a drawn pixel and tinting all by 1 makes; a vessel
left out of the preview makes 3.5, a mirrored picture 8 and more."""
LIKENESS_LIMIT = 0.975
"""Structural similarity; 1 is the same. The same noise leaves 0.996 and more, a mirrored picture
0.5, a vessel left out 0.971."""
BLOCK_LIMIT = 14.0
"""Of 255, mean of the worst block of 7 x 7: what is wrong in one place only. The same noise makes
8 at most, a needle that is lost in the preview 19 and more."""


@dataclass(frozen=True)
class Difference:
    mean: float
    likeness: float
    block: float

    @property
    def is_same(self) -> bool:
        return (
            self.mean <= MEAN_LIMIT
            and self.likeness >= LIKENESS_LIMIT
            and self.block <= BLOCK_LIMIT
        )


def made_up_plan():
    """The exporters' plan with a CT of its surfaces, histograms and an order of insertion."""
    plan = make_plan(make_template())
    bodies = {name: s.vertices_lps_mm for name, (_, s) in plan.surfaces.items()}
    low, high = bodies["Body"].min(axis=0) - 10.0, bodies["Body"].max(axis=0) + 10.0
    shape = tuple(np.ceil((high - low)[::-1] / 3.0).astype(int))
    k, j, i = np.indices(shape)
    points = low + 3.0 * np.stack([i, j, k], axis=-1)
    hu = np.full(shape, -1000, dtype=np.int16)
    for name, value in (("Body", 20), ("Bone", 260), ("GTV", 60)):
        middle = 0.5 * (bodies[name].min(axis=0) + bodies[name].max(axis=0))
        half = 0.5 * (bodies[name].max(axis=0) - bodies[name].min(axis=0))
        hu[((points - middle) ** 2 / half**2).sum(axis=-1) <= 1.0] = value
    levels = 0.6 * np.arange(801)
    curves = (
        DvhCurve("GTV", levels, 100.0 / (1.0 + (levels / 260.0) ** 4)),
        DvhCurve("SpinalCord", levels, np.clip(100.0 - 2.0 * levels, 0.0, None)),
        DvhCurve("Aorta", levels, np.clip(100.0 - 1.2 * levels, 0.0, None)),
    )
    goals = (
        GoalResult("GTV", "V100", 93.0, "%", True, 95.3, True),
        GoalResult("SpinalCord", "Dmax", 55.0, "Gy", False, 61.0, False),
    )
    return replace(
        as_written(
            replace(
                plan,
                goals=goals,
                delivery=deliver(plan.settings, plan.templates, plan.source.model),
            )
        ),
        ct=ImageVolume(hu, low, np.eye(3), np.full(3, 3.0), ""),
        dvh=curves,
    )


def two_slices(plan):
    seeds = np.array([s.center_lps_mm for n in plan.needles for s in n.seeds])
    planes = (axial_plane("Axial", float(np.median(seeds[:, 2]))), middle_planes(plan)[0])
    figure = slices.draw(plan, planes)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def needle_map(plan):
    """The first sheet of paper, the plate and its numbered needles, without the foot."""
    page = pdfium.PdfDocument(needle_sheet.build(plan))[0]
    image = page.render(scale=2.0).to_pil().convert("RGB")
    stream = io.BytesIO()
    image.crop((0, 0, image.width, 9 * image.height // 10)).save(stream, format="png")
    return stream.getvalue()


@dataclass(frozen=True)
class Stored:
    name: str
    build: Callable
    needs_opengl: bool = False
    shows_needles: bool = True
    shows_structures: bool = True


PICTURES = (
    Stored("preview", preview.build, needs_opengl=True),
    Stored(
        "plate-on-skin",
        views._on_skin,
        needs_opengl=True,
        shows_needles=False,
        shows_structures=False,
    ),
    Stored("slices", two_slices, shows_needles=False),
    Stored("dvh", dvh_plot.build, shows_needles=False),
    Stored("needle-map", needle_map, shows_structures=False),
)
every_picture = pytest.mark.parametrize("stored", PICTURES, ids=lambda stored: stored.name)


@pytest.fixture(scope="module")
def plan():
    return made_up_plan()


@pytest.fixture(scope="module")
def drawn(plan):
    """What the code draws now, by name; drawn once."""
    made = {}

    def draw(stored):
        if stored.needs_opengl and rendering_problem() is not None:
            pytest.skip(f"cannot draw here: {rendering_problem()}")
        if stored.name not in made:
            made[stored.name] = small(stored.build(plan), STORED_PX)
        return made[stored.name]

    return draw


def small(content: bytes, width_px: int) -> Image.Image:
    return resized(Image.open(io.BytesIO(content)).convert("RGB"), width_px)


def resized(image: Image.Image, width_px: int) -> Image.Image:
    """At another width; every pixel is the mean of those that it stands for."""
    high = round(image.height * width_px / image.width)
    return image.resize((width_px, high), Image.Resampling.BOX)


def difference(one: Image.Image, other: Image.Image) -> Difference:
    a, b = (np.asarray(resized(image, LOOKED_AT_PX)).astype(float) for image in (one, other))
    if a.shape != b.shape:
        return Difference(255.0, 0.0, 255.0)
    apart = np.abs(a - b).mean(axis=2)
    likeness = structural_similarity(a, b, channel_axis=2, data_range=255.0)
    return Difference(
        float(apart.mean()), float(likeness), float(ndimage.uniform_filter(apart, BLOCK_PX).max())
    )


@every_picture
def test_the_picture_is_the_stored_one(stored, drawn, request):
    image, path = drawn(stored), STORED / f"{stored.name}.png"
    if request.config.getoption("--renew-references"):
        STORED.mkdir(exist_ok=True)
        image.save(path, optimize=True)
    assert path.is_file(), f"{path} is missing; make it with --renew-references and look at it"
    found = difference(image, Image.open(path).convert("RGB"))
    assert found.is_same, f"{stored.name} is not the stored picture: {found}; look at both"


@every_picture
def test_a_mirrored_picture_is_noticed(stored, drawn):
    image = drawn(stored)
    assert not difference(image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).is_same


@pytest.mark.parametrize("stored", [s for s in PICTURES if s.shows_needles], ids=lambda s: s.name)
def test_a_lost_needle_is_noticed(stored, drawn, plan):
    image, template = drawn(stored), plan.templates[0]
    for lost in template.needles[:3]:
        kept = tuple(needle for needle in template.needles if needle is not lost)
        templates = (replace(template, needles=kept),)
        order = deliver(plan.settings, templates, plan.source.model)
        fewer = replace(plan, templates=templates, delivery=order)
        assert not difference(image, small(stored.build(fewer), STORED_PX)).is_same, lost.label


@pytest.mark.parametrize(
    "stored", [s for s in PICTURES if s.shows_structures], ids=lambda s: s.name
)
@pytest.mark.parametrize("name", ["GTV", "SpinalCord"])
def test_a_lost_structure_is_noticed(stored, name, drawn, plan):
    without = replace(
        plan,
        surfaces={n: found for n, found in plan.surfaces.items() if n != name},
        dvh=tuple(curve for curve in plan.dvh if curve.structure != name),
    )
    assert plan.surfaces[name][0] in (SurfaceRole.TARGET, SurfaceRole.AVOID)
    image = drawn(stored)
    assert not difference(image, small(stored.build(without), STORED_PX)).is_same


@every_picture
def test_what_another_renderer_may_do_is_no_difference(stored, drawn):
    """Every edge half a drawn pixel aside, both ways, and colours off by one."""
    image = drawn(stored)
    assert difference(image, noisy(image)).is_same


def noisy(image: Image.Image) -> Image.Image:
    moved = ndimage.shift(
        np.asarray(image).astype(float), (NOISE_PX, NOISE_PX, 0), mode="nearest", order=1
    )
    return Image.fromarray(np.clip(moved + 1.0, 0.0, 255.0).astype(np.uint8))


def test_stored_pictures_are_small():
    files = list(STORED.glob("*.png"))
    assert {path.stem for path in files} == {stored.name for stored in PICTURES}
    assert sum(path.stat().st_size for path in files) < 1_500_000
