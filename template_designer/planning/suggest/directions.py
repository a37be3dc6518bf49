"""Directions that needles may come from: evenly over the sphere, within tilt and access."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.model import CaseSettings, ImageVolume
from template_designer.model.settings import PatientPosition

DOWN_LPS = {
    PatientPosition.SUPINE: (0.0, 1.0, 0.0),
    PatientPosition.PRONE: (0.0, -1.0, 0.0),
    PatientPosition.LATERAL_LEFT: (1.0, 0.0, 0.0),
    PatientPosition.LATERAL_RIGHT: (-1.0, 0.0, 0.0),
}
"""Towards the couch, by the way the patient lies on it."""

_SUFFIXES = (
    ("DL", PatientPosition.LATERAL_LEFT),
    ("DR", PatientPosition.LATERAL_RIGHT),
    ("S", PatientPosition.SUPINE),
    ("P", PatientPosition.PRONE),
)
"""How DICOM's Patient Position (HFS, FFDR, ...) ends."""

INWARD_DEG = 0.02
"""Limits are kept with this to spare: a suggestion's numbers are rounded to four digits."""

HEAD_LPS, FRONT_LPS = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])

MOST_PER_WANTED = 8
"""Most directions looked at for each one that is wanted and allowed."""


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """Which skin is free, how far needles may tilt, and where that is known from."""

    position: PatientPosition
    told: str  # one sentence for people
    max_tilt_deg: float

    @property
    def down_lps(self) -> NDArray[np.float64] | None:
        """Towards the couch, (3,); None where every skin is free."""
        down = DOWN_LPS.get(self.position)
        return None if down is None else np.array(down)

    @property
    def most_along(self) -> float:
        """Largest part of a unit vector along the body that the search may use."""
        return math.sin(math.radians(max(0.0, min(90.0, self.max_tilt_deg) - INWARD_DEG)))

    def allows(
        self, directions_lps: NDArray[np.float64], spare_deg: float = INWARD_DEG
    ) -> NDArray[np.bool_]:
        """Whether needles may run along each of (n, 3) unit vectors, with some degrees to spare."""
        return self.tilt_allows(directions_lps, spare_deg) & self.couch_allows(
            directions_lps, spare_deg
        )

    def tilt_allows(
        self, directions_lps: NDArray[np.float64], spare_deg: float = INWARD_DEG
    ) -> NDArray[np.bool_]:
        """Whether each direction is near enough to the axial plane."""
        if self.max_tilt_deg >= 90.0:
            return np.ones(len(directions_lps), dtype=np.bool_)
        most = math.sin(math.radians(max(0.0, self.max_tilt_deg - spare_deg)))
        return np.abs(directions_lps @ HEAD_LPS) <= most + 1e-9

    def couch_allows(
        self, directions_lps: NDArray[np.float64], spare_deg: float = INWARD_DEG
    ) -> NDArray[np.bool_]:
        """Whether each direction comes from above: from skin that does not lie on the couch."""
        if self.down_lps is None:
            return np.ones(len(directions_lps), dtype=np.bool_)
        return directions_lps @ self.down_lps >= math.sin(math.radians(spare_deg)) - 1e-9


def access_of(settings: CaseSettings, image: ImageVolume) -> Access:
    """Access as the case states it, else as the patient lay in the CT, else any skin.

    The CT is not followed where the case's own entry comes from under that couch: whoever wrote it
    means to turn the patient.
    """
    stated, tilt = settings.suggest.position, settings.suggest.max_tilt_deg
    if stated is not None:
        return Access(stated, f"position: {stated.value}, as [suggest] says", tilt)
    code = image.patient_position.strip().upper()
    found = next((position for end, position in _SUFFIXES if code.endswith(end)), None)
    if found is None:
        told = "position: not stated in the case and not known from the CT, so any skin is free"
        return Access(PatientPosition.ANY, told, tilt)
    lain = Access(found, f"position: {found.value}, as in the CT ({code}); [suggest] position "
                  "changes it", tilt)  # fmt: skip
    own = np.array([entry.direction_lps for entry in settings.entry]).reshape(-1, 3)
    if np.any(own @ np.array(DOWN_LPS[found]) < -1e-6):
        told = (
            f"position: the CT says {found.value} ({code}), but the case's own entry comes from "
            "under the couch then: the patient will be turned, so any skin is taken to be free; "
            "[suggest] position changes it"
        )
        return Access(PatientPosition.ANY, told, tilt)
    return lain


def spread_directions(access: Access, count: int) -> NDArray[np.float64]:
    """At least ``count`` allowed directions, spread evenly (a Fibonacci lattice), (n, 3) LPS.

    Fewer only where next to nothing is allowed.
    """
    total = count
    while True:
        directions = _band(total, access.most_along)
        directions = directions[access.allows(directions)]
        if len(directions) >= count or total >= MOST_PER_WANTED * count:
            return directions
        short = count / max(len(directions), 1)
        total = min(MOST_PER_WANTED * count, math.ceil(total * max(1.01, min(short, 4.0))))


def _band(count: int, most_along: float) -> NDArray[np.float64]:
    """Unit vectors spread evenly over the sphere between two heights, (count, 3)."""
    n = np.arange(count) + 0.5
    z = most_along * (1.0 - 2.0 * n / count)
    around = n * math.pi * (3.0 - math.sqrt(5.0))
    across = np.sqrt(1.0 - z * z)
    return np.column_stack([across * np.cos(around), across * np.sin(around), z])


def needle_frames(
    directions_lps: NDArray[np.float64], turns_deg: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Template axes as rows x, y, z, (n, 3, 3) LPS: the head is up, then turned about the needles.

    Where needles run along the body the patient's front is up instead.
    """
    z = directions_lps
    steep = np.abs(z @ HEAD_LPS) > 0.9
    up = np.where(steep[:, None], FRONT_LPS, HEAD_LPS)
    y = -(up - np.sum(up * z, axis=1)[:, None] * z)
    y = y / np.linalg.norm(y, axis=1)[:, None]
    x = np.cross(y, z)
    turn = np.radians(turns_deg)[:, None]
    return np.stack(
        [np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x, z], axis=1
    )


def tilt_deg(direction_lps: NDArray[np.float64]) -> float:
    """Angle of needles to the axial plane, 0 to 90 degrees."""
    z = float(direction_lps[2] / np.linalg.norm(direction_lps))
    return abs(math.degrees(math.asin(min(1.0, max(-1.0, z)))))


def azimuth_elevation_deg(
    directions_lps: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where needles come from: degrees from the patient's back towards his left, and to the head.

    Parameters
    ----------
    directions_lps : (n, 3) ndarray
        Needle directions into the patient.

    Returns
    -------
    azimuth_deg : (n,) ndarray
        0 from behind, 90 from the left, 180 from the front, -90 from the right.
    elevation_deg : (n,) ndarray
        90 from the head, -90 from the feet.
    """
    x, y, z = (-directions_lps / np.linalg.norm(directions_lps, axis=1)[:, None]).T + 0.0
    return np.degrees(np.arctan2(x, y)), np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))


def apart(
    directions_lps: NDArray[np.float64], order: NDArray[np.int64], least_deg: float, most: int
) -> list[int]:
    """The first of ``order`` that lie at least so many degrees from all taken before."""
    taken: list[int] = []
    for n in order:
        if len(taken) == most:
            break
        nearest = directions_lps[taken] @ directions_lps[n] if taken else np.array([-1.0])
        if nearest.max() < math.cos(math.radians(least_deg)):
            taken.append(int(n))
    return taken
