"""Numbers for files: never rounded towards danger."""

from __future__ import annotations

import math

_REPRESENTATION = 1e-9  # 10.0 may be stored as 9.999999999999998


def rounded_down(value: float, digits: int) -> float:
    """Largest decimal with ``digits`` places that is not above ``value``.

    >>> rounded_down(10.09, 1), rounded_down(10.0, 1), rounded_down(-0.01, 1)
    (10.0, 10.0, -0.1)
    """
    scale = 10**digits
    return math.floor(value * scale + _REPRESENTATION) / scale


def rounded(value: float, digits: int) -> float:
    """Nearest decimal with ``digits`` places, never ``-0.0``."""
    return round(float(value), digits) + 0.0


def rounded_up(value: float, digits: int) -> float:
    """Smallest decimal with ``digits`` places that is not below ``value``.

    >>> rounded_up(0.031, 2), rounded_up(0.03, 2)
    (0.04, 0.03)
    """
    return -rounded_down(-value, digits) + 0.0
