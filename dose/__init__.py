"""TG-43 dose of brachytherapy seeds: points, axes and a source; no needle and no patient.

>>> from dose import load_source, dose_at_points
>>> dose_at_points(load_source("I125-6711"), [[0, 0, 0]], [0, 0, 1], 1.0, [[10, 0, 0]]).round(4)
array([19.8472])
"""

from dose.arrangements import dose_of_arrangements
from dose.biology import (
    REPAIR_HALF_TIME_H,
    eqd2_gy,
    fractionated_bed_gy,
    implant_bed_gy,
    implant_bed_with_repopulation_gy,
)
from dose.checks import Check, published_checks
from dose.decay import dose_fraction, dose_given_gy, dose_rate_on_day_cgy_h, strength_on
from dose.enclosing import dose_field_enclosing
from dose.errors import DoseInputError, PlannerError, UnknownSourceError
from dose.filling import dose_on_grid
from dose.grid import DoseField, DoseGrid
from dose.indices import (
    conformal_index_with_organs,
    conformity_index,
    dose_nonuniformity_ratio,
    external_index,
    homogeneity_index,
)
from dose.metrics import (
    cumulative_dvh,
    dose_at_volume_cc,
    dose_at_volume_pct,
    natural_dvh,
    organ_metrics,
    target_metrics,
    volume_pct_at_dose,
)
from dose.point_source import (
    anisotropy_factor,
    dose_at_points_1d,
    dose_rate_1d_cgy_h,
    point_radial_dose,
)
from dose.sources import SeedModel, load_source, load_source_file, source_names
from dose.superposition import dose_at_points, influence_matrix
from dose.tg43 import (
    anisotropy,
    dose_rate_cgy_h,
    geometry_function,
    radial_dose,
)
from dose.two_implants import two_implants_bed_gy
from dose.units import (
    HALF_LIFE_DAYS,
    MBQ_PER_MCI,
    U_PER_MCI,
    USUAL_STRENGTH_U,
    air_kerma_strength_u,
    apparent_activity_mbq,
    apparent_activity_mci,
    check_usual_strength,
)

__all__ = [
    "HALF_LIFE_DAYS",
    "MBQ_PER_MCI",
    "REPAIR_HALF_TIME_H",
    "USUAL_STRENGTH_U",
    "U_PER_MCI",
    "Check",
    "DoseField",
    "DoseGrid",
    "DoseInputError",
    "PlannerError",
    "SeedModel",
    "UnknownSourceError",
    "air_kerma_strength_u",
    "anisotropy",
    "anisotropy_factor",
    "apparent_activity_mbq",
    "apparent_activity_mci",
    "check_usual_strength",
    "conformal_index_with_organs",
    "conformity_index",
    "cumulative_dvh",
    "dose_at_points",
    "dose_at_points_1d",
    "dose_at_volume_cc",
    "dose_at_volume_pct",
    "dose_field_enclosing",
    "dose_fraction",
    "dose_given_gy",
    "dose_nonuniformity_ratio",
    "dose_of_arrangements",
    "dose_on_grid",
    "dose_rate_1d_cgy_h",
    "dose_rate_cgy_h",
    "dose_rate_on_day_cgy_h",
    "eqd2_gy",
    "external_index",
    "fractionated_bed_gy",
    "geometry_function",
    "homogeneity_index",
    "implant_bed_gy",
    "implant_bed_with_repopulation_gy",
    "influence_matrix",
    "load_source",
    "load_source_file",
    "natural_dvh",
    "organ_metrics",
    "point_radial_dose",
    "published_checks",
    "radial_dose",
    "source_names",
    "strength_on",
    "target_metrics",
    "two_implants_bed_gy",
    "volume_pct_at_dose",
]
