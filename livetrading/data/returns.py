"""Log returns from files: of bars, of recorded ticks, or returns as they are."""

import csv
import gzip
import io
import os
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from livetrading.core.variates import log_return
from livetrading.data.csv_columns import ShortLines
from livetrading.data.errors import DataError
from livetrading.data.merge import PRICE_MAX, PRICE_MIN, quoted
from livetrading.data.npy_ticks import DAMAGE
from livetrading.data.ticks import open_ticks

__all__ = ["RETURN_MAX", "Bars", "log_returns", "mids", "read_bars", "read_returns"]

RETURN: Final = "return"
CLOSES: Final = ("close", "price_usd", "price")
TIMES: Final = ("date", "open_time_ms")
OF_TICKS: Final = frozenset(("bid", "ask", "side", "flags"))
"""Columns that make a file with a `price` a recording of ticks."""
RETURN_MAX: Final = 100
"""The largest log return; between two prices that the processor accepts there are at most 62."""


@dataclass(frozen=True)
class Bars:
    """Returns of one bar after another.

    Attributes
    ----------
    returns : ndarray of float64, shape (n,)
        Log returns.
    every_s : float or None
        Time between two bars in seconds, None where the file does not say it.
    """

    returns: NDArray[np.float64]
    every_s: float | None


def read_returns(path: Path) -> NDArray[np.float64]:
    """Read the log returns of a file, one a bar or one a tick.

    Parameters
    ----------
    path : Path
        Bars or returns as `read_bars` takes them, or a recording as `open_ticks` takes one: then a return is
        the change of the mid from one row to the next, 0 where the mid stays, over the rows that the
        processor would take.

    Returns
    -------
    ndarray of float64, shape (n,)
        n is 1 at least.

    Raises
    ------
    DataError
        If the file cannot be read, or is no unbroken series of returns or prices.
    """
    path = Path(path)
    bars = read_bars(path)
    if bars is not None:
        return bars.returns
    with open_ticks([path]) as recording:
        prices = np.concatenate([np.empty(0), *(mid for _, mid in mids(recording))])
    if len(prices) < 2:
        raise DataError(f"{path} must hold at least two usable ticks, was {len(prices)}")
    return log_returns(prices)


def log_returns(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln(p[i + 1] / p[i]); prices are above 0, shape (n,), and the returns of shape (n - 1,)."""
    # the core's own logarithm: a bootstrap of these returns is to be the same bytes on every machine
    return log_return(np.ascontiguousarray(prices, np.float64))


def mids(chunks: Iterable[NDArray[np.void]]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield the times and mids of the ticks that the processor would take, a chunk at a time.

    Parameters
    ----------
    chunks : iterable of ndarray of TICK
        A recording, in order.

    Yields
    ------
    ts : ndarray of int64, shape (m,)
        ns since the Unix epoch, never before those yielded earlier.
    mid : ndarray of float64, shape (m,)
        USD per BTC; the price itself where no quote is known. m is above 0.
    """
    last_ns = 0
    for ticks in chunks:
        good = ticks[quoted(ticks)]
        if len(good):
            latest = np.maximum.accumulate(np.maximum(good["ts"], last_ns))
            good = good[good["ts"] == latest]  # a time that goes back is rejected and moves nothing
            last_ns = int(latest[-1])
        if len(good):
            yield np.ascontiguousarray(good["ts"]), np.asarray(good["bid"] / 2 + good["ask"] / 2)


def read_bars(path: Path) -> Bars | None:
    """Read a file of returns or of bars.

    Parameters
    ----------
    path : Path
        A one-dimensional ``.npy`` array of log returns, or a ``.csv`` or ``.csv.gz`` file whose first line
        names the columns, in letters large or small: ``return`` (log returns), or one of ``close``,
        ``price_usd`` and ``price``.

    Returns
    -------
    Bars or None
        None where the file is not of this kind, a recording of ticks it may be.

    Raises
    ------
    DataError
        If the file cannot be read, is of neither kind, or a row breaks the series; the message names the row.

    Notes
    -----
    Rows before the first price and after the last may be blank: the series has not begun there, or has
    ended. Between them a blank cell, a zero, what is no number, and a bar marked ``ok`` = 0 are errors: to
    leave them out would make one return of two bars. So is a bar that does not follow the one before at the
    interval of the first two, by the column ``date`` (ISO 8601) or ``open_time_ms`` (since the Unix epoch)
    where there is one.
    """
    path = Path(path)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe nobody writes to is read for ever
        raise DataError(f"{path} must be a readable file, was: a directory, a pipe or a device")
    if path.suffix == ".npy":
        return _read_array(path)
    if not path.name.endswith((".csv", ".csv.gz")):
        return None
    try:
        with _open_text(path) as stream:
            rows = csv.reader(stream, strict=True)
            header = [name.strip().lower() for name in next(rows, [])]
            return _bars(path, header, rows) if _is_of_bars(path, header) else None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8, was {error.object[error.start : error.end]!r}") from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise DataError(f"{path} must be a readable CSV file, was: {error}") from error


def _open_text(path: Path) -> TextIO:
    packed = path.suffix == ".gz"
    lines: Any = ShortLines(path, gzip.GzipFile(path) if packed else path.open("rb"))
    return io.TextIOWrapper(lines, encoding="utf-8-sig", newline="")


def _read_array(path: Path) -> Bars | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # `np.load` opens what looks like an archive as one, and leaves a broken one open
            array = np.lib.format.open_memmap(path, mode="r")
    except DAMAGE as error:
        raise DataError(f"{path} must be a .npy array, was: {error}") from error
    if array.dtype.names is not None:
        return None
    if array.ndim != 1 or array.dtype.kind != "f" or len(array) == 0:
        raise DataError(
            f"{path} must be a row of floats, the returns, was {array.dtype} of shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # a long double beyond float64 is refused as infinite
        returns = array.astype(np.float64)
    bad = np.flatnonzero(~(np.abs(returns) <= RETURN_MAX))
    if len(bad):
        rule = f"a return must be from -{RETURN_MAX} to {RETURN_MAX}"
        raise DataError(f"{path}, row {bad[0]} (from 0): {rule}, was {returns[bad[0]]}")
    return Bars(returns, None)


def _is_of_bars(path: Path, header: Sequence[str]) -> bool:
    named = set(header)
    ticks, closes = named & OF_TICKS, named.intersection((RETURN, *CLOSES))
    if not ticks and not closes:
        rule = f"have a column {', '.join((RETURN, *CLOSES))}, or be a recording of ticks"
        raise DataError(f"{path} must {rule}, was a file of {', '.join(header) or 'nothing'}")
    return bool(closes - {"price"} or (closes and not ticks))


def _bars(path: Path, header: Sequence[str], rows: Iterator[list[str]]) -> Bars:
    """Read the rows below a header of bars."""
    places = {name: position for position, name in enumerate(header)}
    named = [name for name in (RETURN, *CLOSES) if name in places]
    if len(named) > 1 or len(places) < len(header):
        rule = f"have one column of {', '.join((RETURN, *CLOSES))}, and no name twice"
        raise DataError(f"{path} must {rule}, was {', '.join(header)}")
    column = named[0]
    values: list[float] = []
    lines: list[int] = []
    times: list[int] = []
    for line, row in _rows_with_values(path, rows, header, column):
        cells = {name: row[position].strip() for name, position in places.items()}
        at = f"{path}, line {line}"
        values.append(_value(at, column, cells[column]))
        if cells.get("ok", "1") != "1":
            raise DataError(f"{at}: a bar must be marked ok = 1, was {cells['ok']!r}")
        times.extend(_time_ms(at, name, cells[name]) for name in TIMES if name in cells)
        lines.append(line)
    if len(times) > len(values):
        raise DataError(f"{path} must have one column of {', '.join(TIMES)}, was {', '.join(header)}")
    least = 1 if column == RETURN else 2
    if len(values) < least:
        raise DataError(f"{path} must hold at least {least} of {column}, was {len(values)}")
    every_ms = _interval_ms(path, times, lines)
    series = np.array(values)
    returns = series if column == RETURN else log_returns(series)
    return Bars(returns, None if every_ms is None else every_ms / 1000)


def _rows_with_values(
    path: Path, rows: Iterator[list[str]], header: Sequence[str], column: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with their line, from the first to the last that has something in the column."""
    width, position = len(header), header.index(column)
    begun, blank_at = False, 0
    for line, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != width:
            raise DataError(f"{path}, line {line}: must have {width} fields, was {len(row)}")
        if not row[position].strip():
            blank_at = blank_at or line * begun
            continue
        if blank_at:
            raise DataError(f"{path}, line {blank_at}: {column} must not be blank within the series, was ''")
        begun = True
        yield line, row


def _value(at: str, column: str, cell: str) -> float:
    try:
        value = float(cell.replace("_", "?"))  # Python's own literals group digits with it
    except ValueError as error:
        raise DataError(f"{at}: {column} must be a number, was {cell!r}") from error
    low, high = (-RETURN_MAX, RETURN_MAX) if column == RETURN else (PRICE_MIN, PRICE_MAX)
    if not low <= value <= high:
        raise DataError(f"{at}: {column} must be from {low:g} to {high:g}, was {cell!r}")
    return value


def _time_ms(at: str, column: str, cell: str) -> int:
    try:
        if column != "date":
            return int(cell)
        when = datetime.fromisoformat(cell)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return round(when.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        rule = "a date (ISO 8601)" if column == "date" else "a whole number"
        raise DataError(f"{at}: {column} must be {rule}, was {cell!r}") from error


def _interval_ms(path: Path, times: Sequence[int], lines: Sequence[int]) -> int | None:
    """Milliseconds between two bars, which are the same all along."""
    if len(times) < 2:
        return None
    every = times[1] - times[0]
    for line, before, after in zip(lines[1:], times, times[1:], strict=False):
        if after - before != every or every <= 0:
            rule = (
                f"follow the one before after {every / 1000:g} s"
                if every > 0
                else "be later than that before"
            )
            raise DataError(
                f"{path}, line {line}: a bar must {rule}, was {(after - before) / 1000:g} s later"
            )
    return every
