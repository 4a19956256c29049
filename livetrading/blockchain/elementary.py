"""Logarithm and exponential that give the same bits on every machine.

The C library's functions differ in the last bit from one machine to the next, and a simulated chain whose
price differs in the last bit is another chain. These use only operations that IEEE 754 rounds exactly.
"""

from math import frexp, inf, ldexp
from typing import Final

from livetrading.blockchain.protocol import DomainError

__all__ = ["exp", "log"]

# ln 2 in two parts; the high one has 21 trailing zero bits, so its product with an exponent is exact.
LN2_HIGH: Final = float.fromhex("0x1.62e42feep-1")
LN2_LOW: Final = float.fromhex("0x1.a39ef35793c76p-33")
SQRT_HALF: Final = 0.7071067811865476
ATANH: Final = tuple(2.0 / n for n in range(23, 1, -2))
EXP_MAX: Final = 700.0


def log(x: float) -> float:
    """Natural logarithm.

    Parameters
    ----------
    x : float
        Positive and finite.

    Returns
    -------
    float
        ln x, within 2 units in the last place.

    Raises
    ------
    DomainError
        If `x` is not positive and finite.

    Notes
    -----
    x = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh((m - 1)/(m + 1)), as its power series.

    References
    ----------
    Muller, J.-M. (2016), Elementary Functions: Algorithms and Implementation, 3rd ed., ch. 6.
    """
    if not 0.0 < x < inf:
        raise DomainError(f"x must be positive and finite, was {x!r}")
    mantissa, exponent = frexp(x)
    if mantissa < SQRT_HALF:
        mantissa, exponent = 2.0 * mantissa, exponent - 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    tail = 0.0
    for coefficient in ATANH:
        tail = (tail + coefficient) * square
    return exponent * LN2_HIGH + (2.0 * s + (s * tail + exponent * LN2_LOW))


def exp(x: float) -> float:
    """Exponential function.

    Parameters
    ----------
    x : float
        From -700 to 700.

    Returns
    -------
    float
        e^x, within 2 units in the last place.

    Raises
    ------
    DomainError
        If `x` is outside [-700, 700].

    Notes
    -----
    x = k ln 2 + r with abs(r) <= ln(2)/2, e^r as its power series.

    References
    ----------
    Muller, J.-M. (2016), Elementary Functions: Algorithms and Implementation, 3rd ed., ch. 6.
    """
    if not -EXP_MAX <= x <= EXP_MAX:
        raise DomainError(f"x must be from -700 to 700, was {x!r}")
    exponent = round(x / (LN2_HIGH + LN2_LOW))
    rest = (x - exponent * LN2_HIGH) - exponent * LN2_LOW
    series = 1.0
    for n in range(15, 0, -1):
        series = 1.0 + series * rest / n
    return ldexp(series, exponent)
