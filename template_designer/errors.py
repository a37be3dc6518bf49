"""Errors of the planner; each kind maps to one exit code of the command line.

``InputError``, ``CaseError`` and ``OutputError`` end with exit code 2 (the input is wrong, nothing
is written), ``NoSafePlanError`` with 3 (no safe plan exists).
"""

from dose.errors import PlannerError


class InputError(PlannerError, ValueError):
    """A file cannot be used: it is missing, damaged, or not what the case says it is."""


class CaseError(PlannerError, ValueError):
    """The case file asks for something that is not known, not possible or not plausible."""


class GeometryError(PlannerError, ValueError):
    """A shape, frame or position makes no sense (an open ring, a tip above its entry, NaN)."""


class NoSafePlanError(PlannerError, RuntimeError):
    """No plan that keeps every hard rule exists for this case."""


class OutputError(PlannerError, OSError):
    """An output cannot be written where it was asked for."""

    def __str__(self) -> str:  # OSError formats its arguments in its own way
        return str(self.args[0])


__all__ = [
    "CaseError",
    "GeometryError",
    "InputError",
    "NoSafePlanError",
    "OutputError",
    "PlannerError",
]
