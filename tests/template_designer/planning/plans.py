"""A finished plan on the phantom, made by the real workflow."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from template_designer.inputs import read_seed_source
from template_designer.model import Case, InputFile, RoiSet
from template_designer.workflow import design
from tests.template_designer.geometry.shapes import box, circle, roi
from tests.template_designer.planning.phantom import HEIGHTS, IMAGE, settings


def phantom_case(**tables):
    """The phantom as a Case, with a bone plate in front of the target."""
    rois = (
        roi([box((-70, 70), (-70, 70), z) for z in HEIGHTS], "Body"),
        roi([circle(12.0, z) for z in HEIGHTS if abs(z) < 12.0], "GTV"),
        roi([circle(5.0, z, (24.0, 5.0)) for z in HEIGHTS], "Cord"),
        roi([box((-40, 40), (-30, -26), z) for z in HEIGHTS], "Bone"),
    )
    stated = settings(**tables)
    return Case(
        settings=stated,
        image=IMAGE,
        rois=RoiSet(rois, "1.2.3"),
        source=read_seed_source(stated.source, Path()),
        inputs=(InputFile("phantom", "0" * 64),),
    )


@cache
def good_plan():
    """The phantom planned with its defaults."""
    return design(phantom_case())


def with_needle(plan, needle):
    """The plan with its first needle of that label replaced."""
    template = plan.templates[0]
    needles = tuple(needle if n.label == needle.label else n for n in template.needles)
    return replace(plan, templates=(replace(template, needles=needles),))
