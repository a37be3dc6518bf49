"""Seeds by themselves: where they lie, how they point, how strong they are. Types only."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import GeometryError
from template_designer.model.case import PlanWarning


@dataclass(frozen=True, slots=True, eq=False)
class SeedSet:
    """Seeds of one nuclide as another file has them, patient frame (LPS, mm)."""

    centers_lps_mm: NDArray[np.float64]  # (n, 3)
    axes_lps: NDArray[np.float64]  # (n, 3) unit, either sense; rows of NaN where not known
    strength_u: NDArray[np.float64]  # (n,) air-kerma strength on the reference date
    nuclide: str  # "I-125"
    reference_date: datetime.date | None  # None: strength of the implant's day, whenever it is
    channels: tuple[str, ...]  # n: what each seed belongs to, for messages and tables
    source_model: str = ""  # as the file names it
    frame_of_reference_uid: str = ""
    study_uid: str = ""
    patient_id: str = ""
    warnings: tuple[PlanWarning, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.channels)
        shapes = self.centers_lps_mm.shape, self.axes_lps.shape, self.strength_u.shape
        if count < 1 or shapes != ((count, 3), (count, 3), (count,)):
            raise GeometryError(f"seeds of shapes {shapes} with {count} channel names are no set")

    @property
    def axis_known(self) -> NDArray[np.bool_]:
        """Whether each seed's axis is known, (n,); without it only the 1D dose can be computed."""
        return np.asarray(np.isfinite(self.axes_lps).all(axis=1))
