"""What the functions of the chain take: heights, times and numbers, one or an array of them."""

from math import isfinite
from operator import index
from typing import Any, Final, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from livetrading.core.errors import LivetradingError

__all__ = [
    "MAX_HEIGHT",
    "MAX_TIME",
    "DomainError",
    "Floats",
    "Int64s",
    "Integers",
    "Numbers",
    "float_of",
    "height_of",
    "int_of",
    "whole_seconds",
]

Integers: TypeAlias = NDArray[np.integer[Any]]
Int64s: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]

MAX_HEIGHT: Final = 2**63 - 1
MAX_TIME: Final = 2**52
"""In s since the Unix epoch: 143 million years. 2016 times it fits 64 bits, and a float holds it exactly."""


class DomainError(LivetradingError, ValueError):
    """An argument is outside the domain of the protocol or of a model of it."""


@overload
def int_of(value: int, name: str, low: int, high: int) -> int: ...
@overload
def int_of(value: Integers, name: str, low: int, high: int) -> Int64s: ...
def int_of(value: int | Integers, name: str, low: int, high: int) -> int | Int64s:
    """Return integers from `low` to `high`, one as an int, an array as int64 of its shape.

    Raises
    ------
    DomainError
        If one is outside the range.
    TypeError
        If `value` is neither an int nor an array of ints; a bool is none.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iu":
            raise TypeError(f"{name} must be an array of ints, was one of {value.dtype}")
        if value.size:
            _in_range(int(value.min()), name, low, high)
            _in_range(int(value.max()), name, low, high)
        return value.astype(np.int64, copy=False)
    try:
        whole = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, was {value!r}") from None
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an int, was {value!r}")
    return _in_range(whole, name, low, high)


def _in_range(value: int, name: str, low: int, high: int) -> int:
    if value < low:
        raise DomainError(f"{name} must be >= {low}, was {value}")
    if value > high:
        raise DomainError(f"{name} must be <= {high}, was {value}")
    return value


@overload
def height_of(value: int) -> int: ...
@overload
def height_of(value: Integers) -> Int64s: ...
def height_of(value: int | Integers) -> int | Int64s:
    """Return heights, from 0 to `MAX_HEIGHT`, as `int_of` does."""
    return int_of(value, "height", 0, MAX_HEIGHT)


@overload
def float_of(
    value: float, name: str, rule: str, low: float = ..., above: float = ..., high: float = ...
) -> float: ...
@overload
def float_of(
    value: Numbers, name: str, rule: str, low: float = ..., above: float = ..., high: float = ...
) -> Floats: ...
def float_of(
    value: float | Numbers,
    name: str,
    rule: str,
    low: float = -np.inf,
    above: float = -np.inf,
    high: float = np.inf,
) -> float | Floats:
    """Return finite numbers from `low` to `high` and above `above`, one as a float, an array as float64.

    Raises
    ------
    DomainError
        If one is NaN, infinite or outside the range; `rule` says what it must be.
    TypeError
        If `value` is neither a number nor an array of numbers; a bool is none.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iuf":
            raise TypeError(f"{name} must be an array of numbers, was one of {value.dtype}")
        floats = value.astype(np.float64, copy=False)
        if value.size:
            # NaN is the least and the largest of an array that holds one.
            for extreme in (float(floats.min()), float(floats.max())):
                _in_bounds(extreme, name, rule, low, above, high)
        return floats
    if isinstance(value, bool | np.bool) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, was {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = np.inf
    return _in_bounds(number, name, rule, low, above, high)


def _in_bounds(number: float, name: str, rule: str, low: float, above: float, high: float) -> float:
    if not (isfinite(number) and number >= low and number > above):
        raise DomainError(f"{name} must be {rule}, was {number!r}")
    if number > high:
        raise DomainError(f"{name} must be <= {high:.17g}, was {number!r}")
    return number


@overload
def whole_seconds(time: float, low: int, rule: str) -> int: ...
@overload
def whole_seconds(time: Numbers, low: int, rule: str) -> Int64s: ...
def whole_seconds(time: float | Numbers, low: int, rule: str) -> int | Int64s:
    """Return times in whole seconds, fractions cut off, from `low` to `MAX_TIME`, as `int_of` does.

    Raises
    ------
    DomainError
        If one is NaN, infinite or outside the range; `rule` says what it must be.
    TypeError
        If `time` is neither a number nor an array of numbers; a bool is none.
    """
    if isinstance(time, np.ndarray):
        floats = float_of(time, "time", rule, low=low, high=MAX_TIME)
        return (
            np.asarray(np.floor(floats)).astype(np.int64) if time.dtype.kind == "f" else time.astype(np.int64)
        )
    return int(float_of(time, "time", rule, low=low, high=MAX_TIME) // 1)
