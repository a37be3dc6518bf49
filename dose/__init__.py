"""TG-43 dose of brachytherapy seeds: points, axes and a source; no needle and no patient.

>>> from dose import load_source, dose_at_points
>>> dose_at_points(load_source("I125-6711"), [[0, 0, 0]], [0, 0, 1], 1.0, [[10, 0, 0]]).round(4)
array([19.8472])
"""

from dose.enclosing import dose_field_enclosing
from dose.errors import DoseInputError, PlannerError, UnknownSourceError
from dose.grid import DoseField, DoseGrid, dose_on_grid
from dose.metrics import (
    conformity_index,
    cumulative_dvh,
    dose_at_volume_cc,
    dose_at_volume_pct,
    external_index,
    homogeneity_index,
    organ_metrics,
    target_metrics,
    volume_pct_at_dose,
)
from dose.sources import SeedModel, load_source, source_names
from dose.superposition import dose_at_points, influence_matrix
from dose.tg43 import (
    anisotropy,
    decayed_fraction,
    dose_rate_cgy_h,
    geometry_function,
    radial_dose,
)
from dose.units import (
    MBQ_PER_MCI,
    U_PER_MCI,
    USUAL_STRENGTH_U,
    air_kerma_strength_u,
    apparent_activity_mbq,
    apparent_activity_mci,
    check_usual_strength,
)

__all__ = [
    "MBQ_PER_MCI",
    "USUAL_STRENGTH_U",
    "U_PER_MCI",
    "DoseField",
    "DoseGrid",
    "DoseInputError",
    "PlannerError",
    "SeedModel",
    "UnknownSourceError",
    "air_kerma_strength_u",
    "anisotropy",
    "apparent_activity_mbq",
    "apparent_activity_mci",
    "check_usual_strength",
    "conformity_index",
    "cumulative_dvh",
    "decayed_fraction",
    "dose_at_points",
    "dose_at_volume_cc",
    "dose_at_volume_pct",
    "dose_field_enclosing",
    "dose_on_grid",
    "dose_rate_cgy_h",
    "external_index",
    "geometry_function",
    "homogeneity_index",
    "influence_matrix",
    "load_source",
    "organ_metrics",
    "radial_dose",
    "source_names",
    "target_metrics",
    "volume_pct_at_dose",
]
