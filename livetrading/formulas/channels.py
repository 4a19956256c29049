"""The channels of the catalogue: fields by name, and one observation's numbers and time."""

from collections.abc import Mapping, Sequence
from math import isfinite, isnan, nan
from operator import index
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.errors import FormulaError

__all__ = [
    "CHANNELS",
    "NOT_NEGATIVE",
    "NO_TIME",
    "POSITIVE",
    "TABLES",
    "TIME_LIMIT",
    "Columns",
    "Observation",
    "channel_of",
    "field_of",
    "fields_of",
    "is_field",
    "number_of",
    "prices_of",
    "refused_time",
    "time_of",
    "valid",
    "whole",
]

Columns = Mapping[str, NDArray[Any]]
"""Columns by their name in the catalogue, all of one length."""
Observation = Mapping[str, Any]
CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "trade": ("price", "volume", "side"),
    "quote": ("bid", "ask", "bid_size", "ask_size"),
    "book": ("book.bids", "book.asks"),
    "bar": ("open", "high", "low", "close"),
    "chain": ("chain.",),
    "mempool": ("mempool.",),
    "flows": ("flows.",),
    "derivatives": ("derivatives.",),
    "cross": ("cross.",),
    "account": ("account.",),
    "sentiment": ("sentiment.",),
    "signals": ("signals.",),
}
"""Fields of each channel; what ends in a dot is what their names begin with."""
POSITIVE: Final = frozenset(("price", "bid", "ask", "open", "high", "low", "close"))
NOT_NEGATIVE: Final = frozenset(("volume", "bid_size", "ask_size"))
TABLES: Final = frozenset(("book.bids", "book.asks", "signals.signal", "signals.confidence", "signals.id"))
"""Fields that hold more than one number a row, which no series takes."""
NO_TIME: Final = -(2**63)
"""Stands for a time that an observation does not give."""
TIME_LIMIT: Final = 2**62
"""ns within which a time lies, so that the difference of any two fits into 64 bits."""


def channel_of(field: str) -> str:
    """Return the channel that a field belongs to.

    Raises
    ------
    FormulaError
        If it belongs to none.
    """
    for channel, fields in CHANNELS.items() if isinstance(field, str) else ():
        if field in fields or any(name.endswith(".") and field.startswith(name) for name in fields):
            return channel
    raise FormulaError(f"a field must belong to a channel of the catalogue, was {field!r}")


def is_field(name: str) -> bool:
    """Whether a name is `ts`, `cross.prices` or a field of the catalogue."""
    if name in ("ts", "cross.prices"):
        return True
    try:
        channel_of(name)
    except FormulaError:
        return False
    return True


def field_of(observation: Observation, field: str) -> float:
    """Return a field of one observation, NaN where it is not there; a bar's close stands for a price.

    Raises
    ------
    FormulaError
        If it is no number.
    """
    value = observation.get(field)
    if type(value) is float:
        return value
    if value is None and field == "price":
        value = observation.get("close")
    if value is None and field.startswith("cross."):
        row = prices_of(observation)
        column = int(field[6:])
        value = row[column] if column < len(row) else None
    return number_of(field, value)


def prices_of(observation: Observation) -> Sequence[Any]:
    """Return the `cross.prices` of one observation, none where they are not there.

    Raises
    ------
    FormulaError
        If they are no sequence.
    """
    row = observation.get("cross.prices")
    if row is None:
        return ()
    if isinstance(row, list | tuple):
        return row
    whole = np.asarray(row)
    if whole.ndim != 1:
        raise FormulaError(f"cross.prices must be a sequence of numbers, was {row!r:.99}")
    return whole.tolist()  # type: ignore[no-any-return]


def number_of(field: str, value: Any) -> float:
    """Return what stands for a field as a float, NaN for None.

    Raises
    ------
    FormulaError
        If it is no number.
    """
    if value is None:
        return nan
    try:
        if isinstance(value, str | bytes | bool | np.bool_) or np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise FormulaError(f"{field} must be a number, was {value!r:.99}") from None


def time_of(observation: Observation) -> int:
    """Return the time of one observation, `NO_TIME` where it gives none.

    Raises
    ------
    FormulaError
        If it is no whole number of ns, or outside 2^62 of them about the Unix epoch (1823 to 2116).
    """
    ts = observation.get("ts")
    number = ts if type(ts) is int else NO_TIME if ts is None else _whole_time(ts)
    if -TIME_LIMIT <= number <= TIME_LIMIT or number == NO_TIME:
        return number
    raise refused_time(number)


def _whole_time(ts: Any) -> int:
    if isinstance(ts, float | np.floating):
        number = float(ts)
        if isnan(number):
            return NO_TIME
        if abs(number) <= TIME_LIMIT and number.is_integer():
            return int(number)
    elif not isinstance(ts, bool):
        try:
            return index(ts)
        except TypeError:
            pass
    raise refused_time(ts)


def refused_time(ts: Any) -> FormulaError:
    return FormulaError(
        f"ts must be whole ns since the Unix epoch, from -2^62 to 2^62 (or NaN for none), was {ts!r:.99}"
    )


def valid(field: str, value: float) -> bool:
    """Whether a value can be an observation of its field."""
    if field == "side":
        return True
    if field in POSITIVE or field.startswith("cross."):
        return isfinite(value) and value > 0.0
    if field in NOT_NEGATIVE:
        return isfinite(value) and value >= 0.0
    return isfinite(value)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number.

    Raises
    ------
    FormulaError
        If it is none, or not from `low` to `high`.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= index(value) <= high:
        raise FormulaError(f"{name} must be a whole number from {low} to {high}, was {value!r:.99}")
    return index(value)


def fields_of(observation: Observation) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, value in observation.items():
        if type(value) is float:
            row[name] = value
        elif name == "cross.prices":
            row.update({f"cross.{k}": number_of(name, one) for k, one in enumerate(prices_of(observation))})
        elif name != "ts" and name not in TABLES:  # ns exceed what a float64 tells apart
            channel_of(name)
            row[name] = number_of(name, value)
    return row
