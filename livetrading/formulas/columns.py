"""Rows by column: numbers and times of whatever array holds them, spelt as the catalogue has them."""

from collections.abc import Iterable
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.channels import (
    NO_TIME,
    NOT_NEGATIVE,
    POSITIVE,
    TABLES,
    TIME_LIMIT,
    Columns,
    channel_of,
    is_field,
    refused_time,
    time_of,
)
from livetrading.formulas.errors import FormulaError

__all__ = ["all_valid", "as_columns", "carried_on", "columns_of_market", "columns_of_rows"]


def all_valid(field: str, column: NDArray[np.float64]) -> NDArray[np.bool_]:
    if field == "side":
        return np.ones(len(column), bool)
    finite = np.isfinite(column)
    with np.errstate(invalid="ignore"):
        if field in POSITIVE or field.startswith("cross."):
            return finite & (column > 0.0)
        if field in NOT_NEGATIVE:
            return finite & (column >= 0.0)
    return finite


def carried_on(column: NDArray[np.float64], field: str) -> NDArray[np.float64]:
    """The last valid value at every row, NaN before the first."""
    good = all_valid(field, column)
    source = np.maximum.accumulate(np.where(good, np.arange(len(column)), -1))
    held = np.full(len(column), nan)
    held[source >= 0] = column[source[source >= 0]]
    return held


def columns_of_rows(columns: Columns) -> dict[str, NDArray[Any]]:
    """Return the columns that the catalogue names: `ts` as int64, the fields as float64, a row an element.

    `cross.prices` is spelt out, a bar's close stands for a price that is not there, and other columns are
    left alone. A time that is not there (NaN, NaT) becomes `NO_TIME`, a masked number NaN.

    Raises
    ------
    FormulaError
        If a column is not of numbers, a time not whole ns or outside its range, or the columns differ in
        length or have a shape that no column has.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        if not isinstance(name, str) or not is_field(name):
            continue
        if name == "ts":
            found[name] = _times(column)
        elif name == "cross.prices":
            found.update(_spelt_out(column, columns))
        elif name in TABLES:
            found[name] = _table(name, column)
        else:
            found[name] = _numbers(name, column)
    found.pop("signals.id", None)
    lengths = {name: len(column) for name, column in found.items() if column.ndim}
    flat = all(column.ndim == 1 or name in TABLES for name, column in found.items())
    if len(set(lengths.values())) > 1 or len(lengths) < len(found) or not flat:
        said = ", ".join(f"{name} {np.shape(column)}" for name, column in found.items())
        raise FormulaError(f"the columns must be of one length, were of the shapes {said:.500}")
    if "price" not in found and "close" in found:
        found["price"] = found["close"]
    return found


def columns_of_market(columns: Columns) -> dict[str, NDArray[Any]]:
    """Return columns as `columns_of_rows` does, where all of them are to be the catalogue's.

    Raises
    ------
    FormulaError
        As there, or if a name belongs to no channel.
    """
    for name in columns:
        if name not in ("ts", "cross.prices"):
            channel_of(name)
    return columns_of_rows(columns)


def _spelt_out(column: Any, columns: Columns) -> dict[str, NDArray[np.float64]]:
    wide = _numbers("cross.prices", column)
    if wide.ndim == 1 and not len(wide):
        return {}
    if wide.ndim != 2:
        raise FormulaError(f"cross.prices must be of shape (N, K), was {wide.shape}")
    spelt = {f"cross.{k}": wide[:, k] for k in range(wide.shape[1])}
    if twice := [name for name in spelt if name in columns]:
        raise FormulaError(f"a column must be given once, were twice: {', '.join(twice)} and in cross.prices")
    return spelt


def _numbers(name: str, column: Any) -> NDArray[np.float64]:
    """Return a column as float64, NaN where it is masked or None."""
    try:
        values = np.asarray(column)
        if values.dtype == object:
            if name == "cross.prices" and values.ndim == 1:  # each row a sequence, as tables keep lists
                values = np.array([list(row) for row in values], object)
            if any(isinstance(one, str | bytes | bool) for one in values.flat):
                raise TypeError("some are text or truth values")
        elif values.dtype.kind not in "fiu":
            raise TypeError(f"it is of {values.dtype}")
        numbers = values.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormulaError(f"{name} must be a column of numbers, was not: {error}") from None
    if isinstance(column, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(column), nan, numbers)
    return numbers


def _table(name: str, column: Any) -> NDArray[Any]:
    try:
        return np.asarray(column)
    except ValueError as error:
        raise FormulaError(f"{name} must be a table of numbers, was not: {error}") from None


def _times(column: Any) -> NDArray[np.int64]:
    """Return times in ns as int64, `NO_TIME` where there is none."""
    try:
        values = np.asarray(column)
    except ValueError as error:
        raise FormulaError(f"ts must be a column of times, was not: {error}") from None
    kind = values.dtype.kind
    if kind == "M":
        if np.datetime_data(values.dtype)[0] == "generic":
            raise refused_time(values.dtype)
        whole = values.astype("datetime64[ns]")
        if not np.array_equal(whole.astype(values.dtype), values, equal_nan=True):
            raise refused_time(f"{values.dtype} beyond it")
        ts = whole.view(np.int64)
    elif kind == "O":
        ts = np.array([time_of({"ts": one}) for one in values.flat], np.int64).reshape(values.shape)
    elif kind == "f":
        bad = ~np.isnan(values) & ~((np.abs(values) <= TIME_LIMIT) & (np.trunc(values) == values))
        if bad.any():
            raise refused_time(values[bad][0])
        ts = np.where(np.isnan(values), 0.0, values).astype(np.int64)
        ts[np.isnan(values)] = NO_TIME
    elif kind == "i" or (kind == "u" and not (values > TIME_LIMIT).any()):
        ts = values.astype(np.int64, copy=False)
    else:
        raise refused_time(values[values > TIME_LIMIT][0] if kind == "u" else f"of {values.dtype}")
    bad = ((ts < -TIME_LIMIT) | (ts > TIME_LIMIT)) & (ts != NO_TIME)
    if bad.any():
        raise refused_time(int(ts[bad][0]))
    if isinstance(column, np.ma.MaskedArray):
        ts = np.where(np.ma.getmaskarray(column), NO_TIME, ts)
    return ts


def as_columns(names: Iterable[str], columns: Columns, rows: int) -> dict[str, NDArray[np.float64]]:
    """Return the named columns as contiguous float64, NaN throughout where one is not there."""
    return {
        name: np.ascontiguousarray(columns[name], np.float64) if name in columns else np.full(rows, nan)
        for name in names
    }
