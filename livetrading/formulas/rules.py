"""Rules that rows of the catalogue share: no variation, the forecast's signal, the direction of a move."""

from math import erf, floor, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.history import Series

__all__ = [
    "FLAT",
    "clip01",
    "direction",
    "faded",
    "flat",
    "forecast_signal",
    "sign",
    "whole",
    "within",
]

Floats = NDArray[np.float64]
FLAT: Final = 1e-12
"""A standard deviation of returns that is rounding."""


def flat(x: Floats) -> bool:
    """Whether returns do not vary: their population sd is at most 1e-12."""
    return float(np.std(x)) <= FLAT


def sign(x: float) -> int:
    """-1, 0 or 1."""
    return (x > 0.0) - (x < 0.0)


def clip01(x: float) -> float:
    """Return x cut to [0, 1]."""
    return min(1.0, max(0.0, x))


def within(z: float) -> float:
    """2 Phi(|z|) - 1, the chance of a smaller deviation than z sd."""
    return erf(abs(z) / sqrt(2.0))


def whole(x: float) -> int:
    """floor(x), where x just below a whole number is that number."""
    return floor(x + 1e-9)


def forecast_signal(f: float, s: float, z0: float, least: float = FLAT) -> tuple[int, float]:
    """Return signal and confidence of a forecast f of the next move with standard deviation s.

    With z = f / s: the sign of f where |z| >= z0, and 2 Phi(|z|) - 1; nothing where s is at most `least`.
    """
    if not s > least:
        return 0, 0.0
    z = f / s
    return (sign(f) if abs(z) >= z0 else 0), within(z)


def direction(s: Series, h: int) -> int:
    """Sign of the log price less that of h observations before; 0 where there is none yet."""
    if s.count <= h:
        return 0
    x = s.last("log_price", h + 1)
    return sign(float(x[-1] - x[0]))


def faded(z: float, entry: float) -> int:
    """Against the sign of a score where |z| >= entry."""
    return -sign(z) if abs(z) >= entry else 0
