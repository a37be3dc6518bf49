"""Names of dose metrics as goals and the report write them: ``D90``, ``D2cc``, ``V150``, ``CI``."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum

from template_designer.errors import CaseError


class MetricKind(StrEnum):
    """What a metric measures; the comment gives the meaning of its number."""

    DOSE_AT_PERCENT = "dose at percent"  # D90: dose to the hottest 90 % of the volume
    DOSE_AT_CC = "dose at cc"  # D2cc: dose to the hottest 2 cm3
    VOLUME_AT_PERCENT = "volume at percent"  # V150: volume at 150 % of the prescription
    DOSE_MAX = "dose max"
    DOSE_MEAN = "dose mean"
    CONFORMITY = "CI"
    EXTERNAL = "EI"
    HOMOGENEITY = "HI"
    NONUNIFORMITY = "DNR"
    CONFORMAL = "COIN"


INDEX_KINDS = (
    MetricKind.CONFORMITY,
    MetricKind.EXTERNAL,
    MetricKind.HOMOGENEITY,
    MetricKind.NONUNIFORMITY,
    MetricKind.CONFORMAL,
)
"""Quality indices: they compare the target with the prescription isodose."""

CHOICES = "D<percent> (D90, D98, D100), D<cm3>cc (D2cc, D0.1cc), Dmax, Dmean, V<percent> (V100), \
CI, EI, HI, DNR, COIN"
"""Every kind of metric, for messages."""

_FIXED = {
    "Dmax": MetricKind.DOSE_MAX,
    "Dmean": MetricKind.DOSE_MEAN,
    **{kind.value: kind for kind in INDEX_KINDS},
}
_NUMBERED = re.compile(r"(?P<letter>[DV])(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<cc>cc)?")
_KNOWN = (*_FIXED, "D90", "D95", "D98", "D100", "D2cc", "D1cc", "D0.1cc", "V90", "V100", "V150")


@dataclass(frozen=True, slots=True)
class MetricName:
    """One metric, taken apart.

    An index (CI, EI, HI) is a plain ratio; a goal states it in percent (62 for a CI of 0.62).
    """

    text: str
    kind: MetricKind
    number: float | None = None  # percent or cm3; None for kinds that take none

    @property
    def unit(self) -> str:
        """Unit in which a goal states it: ``"Gy"`` or ``"%"``."""
        dose = (
            MetricKind.DOSE_AT_PERCENT,
            MetricKind.DOSE_AT_CC,
            MetricKind.DOSE_MAX,
            MetricKind.DOSE_MEAN,
        )
        return "Gy" if self.kind in dose else "%"

    @property
    def is_index(self) -> bool:
        """Whether it is a quality index of the target (CI, EI, HI, DNR, COIN)."""
        return self.kind in INDEX_KINDS

    @property
    def key(self) -> str:
        """Its key in ``plan.json``.

        >>> [parse(name).key for name in ("D90", "D0.1cc", "V100", "Dmean", "CI")]
        ['d90_gy', 'd0_1cc_gy', 'v100_pct', 'mean_gy', 'ci']
        """
        if self.is_index:
            return self.text.lower()
        if self.kind is MetricKind.DOSE_MEAN:
            return "mean_gy"
        return self.text.lower().replace(".", "_") + ("_gy" if self.unit == "Gy" else "_pct")


def parse(name: str) -> MetricName:
    """Take a metric name apart.

    Parameters
    ----------
    name : str
        As in the report: ``"D90"``, ``"D0.1cc"``, ``"V100"``, ``"Dmax"``, ``"Dmean"``, ``"CI"`` ...

    Returns
    -------
    MetricName
        Kind and number of the metric.

    Raises
    ------
    CaseError
        If there is no such metric, or its number makes no sense; the text lists the choices.

    Examples
    --------
    >>> parse("D2cc").number
    2.0
    """
    if name in _FIXED:
        return MetricName(name, _FIXED[name])
    match = _NUMBERED.fullmatch(name)
    if match is None or (match["letter"] == "V" and match["cc"]):
        close = difflib.get_close_matches(name.upper(), [known.upper() for known in _KNOWN], 1)
        guess = next((known for known in _KNOWN if close and known.upper() == close[0]), None)
        hint = f"did you mean {guess!r}? " if guess else ""
        raise CaseError(f"metric {name!r} is not known; {hint}metrics: {CHOICES}")
    number = float(match["number"])
    if match["letter"] == "V":
        kind = MetricKind.VOLUME_AT_PERCENT
    else:
        kind = MetricKind.DOSE_AT_CC if match["cc"] else MetricKind.DOSE_AT_PERCENT
    if not number > 0.0 or (kind is MetricKind.DOSE_AT_PERCENT and number > 100.0):
        limits = "above 0, up to 100 % of the volume" if match["letter"] == "D" else "above 0"
        raise CaseError(f"metric {name!r}: {number:g} is out of range ({limits}); e.g. D90 or D2cc")
    return MetricName(name, kind, number)
