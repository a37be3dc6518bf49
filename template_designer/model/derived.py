"""Structures that the program makes: ``[[structure]]`` tables and the margins they grow by."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from template_designer.model.tables import NameList, Number, Settings, names_of

BODY_FROM_CT = "Body (from CT)"
"""Name of the body that is found from CT numbers where the case names no skin."""

SIDES = ("left", "right", "anterior", "posterior", "superior", "inferior")
"""Patient directions of a margin, in the order of its keys."""

LONGEST_NAME = 64

Side = Annotated[Number, Field(ge=0.0, le=50.0)]


class Margin(Settings):
    """How far a structure grows towards each side of the patient, mm.

    Between two sides the margin follows an ellipsoid: with 5 mm to the left and 10 mm upwards, a
    point grows by a quarter of an ellipse of those half axes.
    """

    left: Side = 0.0
    right: Side = 0.0
    anterior: Side = 0.0
    posterior: Side = 0.0
    superior: Side = 0.0
    inferior: Side = 0.0

    @classmethod
    def uniform(cls, margin_mm: float) -> Self:
        """The same margin on all sides."""
        return cls(**dict.fromkeys(SIDES, margin_mm))

    @property
    def lps_mm(self) -> tuple[tuple[float, float], ...]:
        """Margins towards the low and the high end of the LPS axes x, y, z."""
        return (
            (self.right, self.left),
            (self.anterior, self.posterior),
            (self.inferior, self.superior),
        )

    @property
    def largest_mm(self) -> float:
        """The widest of the six; 0 where nothing grows."""
        return max(getattr(self, side) for side in SIDES)

    @property
    def is_uniform(self) -> bool:
        """Whether all six are the same."""
        return all(getattr(self, side) == self.left for side in SIDES)

    def __str__(self) -> str:
        if self.is_uniform:
            return f"{self.left:g} mm"
        parts = ", ".join(f"{side} {getattr(self, side):g}" for side in SIDES)
        return f"{parts} mm"


def _as_sides(value: object) -> object:
    """A number stands for all sides, ``[x, y, z]`` for both sides along each patient axis."""
    if isinstance(value, int | float):
        return dict.fromkeys(SIDES, value)
    if isinstance(value, list | tuple) and len(value) == 3:
        x, y, z = value
        return dict(zip(SIDES, (x, x, y, y, z, z), strict=True))
    if isinstance(value, Margin) or (isinstance(value, dict) and value):
        return value
    raise ValueError(
        f"must be a number, [x, y, z], or a table of some of {', '.join(SIDES)} (mm; 0 elsewhere)"
    )


MarginMm = Annotated[Margin, BeforeValidator(_as_sides)]
"""``5.0``, ``[5, 5, 10]`` (left and right, front and back, up and down), or a table by side."""

NO_MARGIN = Margin()


class StructureSettings(Settings):
    """``[[structure]]``: one more structure, from others or from CT numbers.

    In this order: the union of ``from`` (or what the CT shows), grown by ``expand_mm``, the part
    of it inside ``and``, without ``minus``.
    """

    name: str
    from_: NameList | None = Field(default=None, alias="from")
    ct_above_hu: Annotated[Number, Field(ge=-1000.0, le=3000.0)] | None = None
    within: NameList | None = None  # of ct_above_hu; else inside the skin
    drop_below_cm3: Annotated[Number, Field(ge=0.0, le=100.0)] = 0.1  # of ct_above_hu: islands
    expand_mm: MarginMm = NO_MARGIN
    and_: NameList | None = Field(default=None, alias="and")
    minus: NameList | None = None

    @model_validator(mode="after")
    def _is_a_recipe(self) -> Self:
        if not self.name.strip() or len(self.name) > LONGEST_NAME or set("*?[]") & set(self.name):
            raise ValueError(
                f"name = {self.name!r} must be 1 to {LONGEST_NAME} characters without * ? [ ]"
            )
        if (self.from_ is None) == (self.ct_above_hu is None):
            raise ValueError(f"{self.name!r}: state exactly one of from, ct_above_hu")
        of_ct = {"within", "drop_below_cm3"} & self.model_fields_set
        if self.ct_above_hu is None and of_ct:
            raise ValueError(
                f"{self.name!r}: {' and '.join(sorted(of_ct))} belongs to ct_above_hu; "
                "with from, use and"
            )
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """What ``from`` names."""
        return names_of(self.from_)

    @property
    def bounds(self) -> tuple[str, ...]:
        """What ``within`` names: CT numbers count inside its union."""
        return names_of(self.within)

    @property
    def common(self) -> tuple[str, ...]:
        """What ``and`` names: only the part inside its union is kept."""
        return names_of(self.and_)

    @property
    def taken_away(self) -> tuple[str, ...]:
        """What ``minus`` names."""
        return names_of(self.minus)

    @property
    def operands(self) -> tuple[str, ...]:
        """Every structure that this one is made from."""
        return (*self.sources, *self.bounds, *self.common, *self.taken_away)
