"""Entry planes moved and tilted by hand, and the distances that make their answer quick."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from template_designer import frames
from template_designer.errors import CaseError
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.solids import Solid
from template_designer.model import EntrySettings
from template_designer.planning.approach import FieldMaker

LARGEST_MOVE_MM = 60.0
LARGEST_TILT_DEG = 45.0
LARGEST_AWAY_MM = 30.0
"""Farther off another entry plane is meant: ``suggest`` finds those."""

SKIN_SEARCH_MM = 80.0
"""How far along the needles the skin is looked for under a moved plate."""

SKIN_STEP_MM = 0.1

KEPT_ROUND_MM = 20.0
"""Distances are kept this far round where they were asked for: small moves find them there."""

KEPT_AHEAD_BYTES = 400_000_000
"""Distances are not worked out ahead of need beyond this."""


@dataclass(frozen=True, slots=True)
class EntryOffset:
    """How a plate stands against where it was opened, as the operator sees it.

    Tilts turn needles and plate about the target's centre, so that they go on pointing there; then
    the plate is shifted along itself and set down on the skin again.
    """

    right_mm: float = 0.0
    down_mm: float = 0.0
    away_mm: float = 0.0  # off the skin
    tilt_right_deg: float = 0.0  # tips go to the operator's right
    tilt_down_deg: float = 0.0  # tips go down

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            limit = LARGEST_TILT_DEG if item.name.endswith("_deg") else LARGEST_MOVE_MM
            low = -limit
            if item.name == "away_mm":
                low, limit = 0.0, LARGEST_AWAY_MM
            if not low <= value <= limit:  # "not <=" also catches NaN
                raise CaseError(
                    f"{item.name} = {value:g} lies outside {low:g} to {limit:g}; for planes "
                    "farther off run suggest"
                )

    def __bool__(self) -> bool:
        return self != EntryOffset()


SLIDER_MM, SLIDER_DEG = 30.0, 30.0
"""How far the page's sliders reach; from Python a plate can be put farther off."""

SLIDER_ENDS = tuple(
    EntryOffset(**{name: sign * part * reach})
    for part in (0.5, 1.0)
    for name, reach in (
        ("right_mm", SLIDER_MM),
        ("down_mm", SLIDER_MM),
        ("tilt_right_deg", SLIDER_DEG),
        ("tilt_down_deg", SLIDER_DEG),
    )
    for sign in (1.0, -1.0)
)
"""Half the way and all the way of each slider, the near ones first."""


@dataclass(slots=True, eq=False)
class KeptFields:
    """Distances to solids, kept for the next plane as long as it stays near.

    Nodes of all regions lie in the same places, so the distances are the same.
    """

    round_mm: float = KEPT_ROUND_MM
    _kept: dict[str, DistanceField] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether so much is kept that nothing more should be, ahead of need."""
        return sum(kept.layers.nbytes for kept in self._kept.values()) > KEPT_AHEAD_BYTES

    def __call__(self, solid: Solid, region_lps_mm: NDArray[np.float64]) -> DistanceField:
        """As :meth:`DistanceField.around`; what is kept grows on the sides where it is left."""
        local = solid.to_local(region_lps_mm)
        low, high = local.min(axis=0), local.max(axis=0)
        known = self._kept.get(solid.name)
        if known is None or known.solid is not solid:
            low, high = low - self.round_mm, high + self.round_mm
            made = DistanceField.around(solid, solid.to_lps(box_corners(low, high)))
        else:
            held_low, held_high = known.region_mm
            if (low >= held_low).all() and (high <= held_high).all():
                return known
            low = np.where(low < held_low, low - self.round_mm, held_low)
            high = np.where(high > held_high, high + self.round_mm, held_high)
            made = known.grown(solid.to_lps(box_corners(low, high)))
        self._kept[solid.name] = made
        return made


def moved_entry(
    entry: EntrySettings,
    offset: EntryOffset,
    centre_lps_mm: NDArray[np.float64],
    body: Solid,
    field_around: FieldMaker,
) -> EntrySettings:
    """An entry plane moved by hand, its point on the skin under the plate's centre again.

    Parameters
    ----------
    entry : EntrySettings
        As it was opened; it comes back unchanged where nothing is moved.
    offset : EntryOffset
    centre_lps_mm : (3,) ndarray
        The target's centre, LPS: tilts turn about it.
    body : Solid
        Its surface is the skin.
    field_around : callable
        Makes distances; see :class:`KeptFields`.

    Raises
    ------
    CaseError
        If there is no skin under the plate's centre.
    """
    if not offset:
        return entry
    frame = frames.template_frame(entry.point_lps, entry.direction_lps, entry.up_lps)
    tilt = np.radians(offset.tilt_right_deg) * frame[:3, 1]
    tilt = tilt - np.radians(offset.tilt_down_deg) * frame[:3, 0]
    turn = Rotation.from_rotvec(tilt).as_matrix()
    x, y, z = (turn @ frame[:3, :3]).T
    point = centre_lps_mm + turn @ (frame[:3, 3] - centre_lps_mm)
    point = point + offset.right_mm * x + offset.down_mm * y
    point = point + (skin_mm(point, z, body, field_around) - offset.away_mm) * z
    return EntrySettings(
        point_lps=_rounded(point, 1), direction_lps=_rounded(z, 4), up_lps=_rounded(-y, 4)
    )


def skin_mm(
    point_lps_mm: NDArray[np.float64],
    direction_lps: NDArray[np.float64],
    body: Solid,
    field_around: FieldMaker,
) -> float:
    """Where a line from outside meets the skin: mm along it from a point, negative behind it.

    Raises
    ------
    CaseError
        If it does not, within :data:`SKIN_SEARCH_MM`.
    """
    along = np.arange(-SKIN_SEARCH_MM, SKIN_SEARCH_MM + SKIN_STEP_MM, SKIN_STEP_MM)
    points = point_lps_mm + along[:, None] * direction_lps
    ends = points[[0, -1]]
    region = box_corners(ends.min(axis=0), ends.max(axis=0))
    inside = field_around(body, region).inside(points)
    if not inside.any() or inside[0]:
        raise CaseError(
            f"there is no skin of {body.name!r} under the plate's centre there; move it back"
        )
    return float(along[int(np.argmax(inside))])


def _rounded(vector: NDArray[np.float64], digits: int) -> tuple[float, float, float]:
    x, y, z = (round(float(value), digits) + 0.0 for value in vector)
    return x, y, z
