"""Seeds of an implant before, which a plan counts with. Types only."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import GeometryError


@dataclass(frozen=True, slots=True, eq=False)
class EarlierSeeds:
    """Seeds that lie in the patient already, patient frame (LPS, mm); their dose is summed up."""

    evaluation_sha256: str  # of the evaluation that they are from, as its file states it
    centers_lps_mm: NDArray[np.float64]  # (n, 3)
    axes_lps: NDArray[np.float64]  # (n, 3) unit
    strength_u: NDArray[np.float64]  # (n,) on the day on which they were implanted
    implanted: datetime.date | None = None  # None where nobody stated it

    def __post_init__(self) -> None:
        count = len(self.strength_u)
        if count < 1 or {self.centers_lps_mm.shape, self.axes_lps.shape} != {(count, 3)}:
            raise GeometryError("earlier seeds need a place, an axis and a strength each")


@dataclass(frozen=True, slots=True, eq=False)
class EarlierImplant:
    """What lies in the patient already, and where its needles went, LPS, mm."""

    where: str  # as the user named it, for messages
    seeds: EarlierSeeds
    needle_points_lps_mm: NDArray[np.float64]  # (k, 3) a point of each needle as planned
    needle_axes_lps: NDArray[np.float64]  # (k, 3) its direction
    axes_assumed: int  # seeds whose axis nobody knows
