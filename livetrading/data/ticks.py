"""Recorded ticks from files: one recording, or quotes and trades merged."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import nan
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import TICK, TickFlag
from livetrading.data.columns import check_columns, parse_columns, read_columns
from livetrading.data.errors import DataError

__all__ = ["TS_MAX", "DataError", "parse_columns", "quoted", "read_ticks"]

NS_PER_CLOCK: Final = {"ts": 1, "recv_ns": 1, "exch_ms": 10**6}
"""Nanoseconds in a unit of each time column, the preferred clock first."""

SUFFIXES: Final = (".npy", ".csv", ".csv.gz")


class Kind(Enum):
    """What a recording holds, known by its columns."""

    QUOTES = "quotes"
    TRADES = "trades"
    TICKS = "quotes and trades"


NEEDED: Final = {
    Kind.QUOTES: ("bid", "ask"),
    Kind.TRADES: ("price", "volume", "side"),
    Kind.TICKS: ("price", "bid", "ask", "volume", "side"),
}
QUOTE_FIELDS: Final = ("bid", "ask", "bid_size", "ask_size")

PRICE_MIN: Final = 1e-12
PRICE_MAX: Final = 1e15
SIZE_MAX: Final = 1e15
TS_MAX: Final = 1 << 62
"""What the processor accepts; past these it rejects a tick."""

DAMAGE: Final = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, SyntaxError),
    *(TokenError, MemoryError, RecursionError, Warning),
)
"""What NumPy raises of a .npy header that makes no sense; it reads it as Python."""


@dataclass(frozen=True)
class Recording:
    """The columns of one CSV file."""

    path: Path
    kind: Kind
    table: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.table.values())))


def read_ticks(paths: Sequence[Path], columns: Mapping[str, str] | None = None) -> NDArray[np.void]:
    """Read recorded ticks, one a data row.

    Nothing is left out and nothing repaired: a row that breaks a rule of tick validation is for the processor
    to reject and count.

    Parameters
    ----------
    paths : sequence of Path
        One file (``.npy``, ``.csv``, ``.csv.gz``), or two CSV files, quotes and trades, in either order.
    columns : mapping of str to str, optional
        Field by column of the CSV files, where the columns' own names do not say it; see `parse_columns`.

    Returns
    -------
    ndarray of TICK, shape (rows,)
        ts in ns, prices in USD per BTC, sizes and volumes in BTC. A ``.npy`` file whose dtype is `TICK` comes
        back as a read-only map of the file.

    Raises
    ------
    DataError
        If a file is missing, unreadable or empty, a column cannot be placed or is lacking, a row is
        malformed, an array has other fields than `TICK`, or the files of a pair cannot be merged.

    Notes
    -----
    A single file keeps its order. A pair is ordered by the first clock of ts, recv_ns, exch_ms that both
    files have; at equal times the quote stands before the trade, then the file's order holds. By its columns
    a row is

    - a quote (bid, ask; sizes NaN where the file has none): flag 1, price the mid, volume 0, side 0;
    - a trade (price, qty, side): flag 2, with bid, ask and sizes of the last quote that passes validation,
      NaN before the first; in a recording without quotes flags 2 and 4, and bid and ask are the price;
    - both: as given; where no column of flags says it, flag 1, and 2 if volume > 0.
    """
    columns = {} if columns is None else columns
    paths = [Path(path) for path in paths]
    check_columns(columns)
    for path in paths:
        if not path.name.endswith(SUFFIXES):
            raise DataError(f"a recording must be one of {', '.join(SUFFIXES)}, was {path}")
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe nobody writes to is read for ever
            raise DataError(f"{path} must be a readable file, was: a directory, a pipe or a device")
    if len(paths) == 1 and paths[0].suffix == ".npy":
        if columns:
            raise DataError(f"columns must be given for CSV files only, was given for {paths[0]}")
        return _read_npy(paths[0])
    if len(paths) not in (1, 2) or any(path.suffix == ".npy" for path in paths):
        named = ", ".join(map(str, paths)) or "none"
        raise DataError(
            f"a recording must be one file, or a CSV file of quotes and one of trades, was {named}"
        )
    recordings = _read_recordings(paths, columns)
    return _ticks_of(recordings[0]) if len(recordings) == 1 else _merge(*recordings)


def _read_npy(path: Path) -> NDArray[np.void]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # `np.load` opens what looks like an archive as one, and leaves a broken one open
            rows = np.lib.format.open_memmap(path, mode="r")
    except DAMAGE as error:
        raise DataError(f"{path} must be a readable .npy file, was: {error}") from error
    if rows.ndim != 1 or rows.dtype.names != TICK.names or not _same_formats(rows.dtype):
        raise DataError(
            f"{path} must be one-dimensional with the fields {_formats(TICK)}, "
            f"was of shape {rows.shape} with {_formats(rows.dtype)}"
        )
    if len(rows) == 0:
        raise DataError(f"{path} must hold at least one row, was an empty array")
    if rows.dtype == TICK:
        return np.asarray(rows)
    ticks = np.zeros(len(rows), TICK)
    for name in TICK.names or ():
        ticks[name] = rows[name]
    return ticks


def _same_formats(dtype: np.dtype[Any]) -> bool:
    """Equal fields; byte order and padding may differ."""
    return all(dtype[name].newbyteorder("<") == TICK[name] for name in TICK.names or ())


def _formats(dtype: np.dtype[Any]) -> str:
    return ", ".join(f"{name} {dtype[name].str}" for name in dtype.names) if dtype.names else f"dtype {dtype}"


def _read_recordings(paths: Iterable[Path], columns: Mapping[str, str]) -> list[Recording]:
    headers: list[str] = []
    recordings = []
    for path in paths:
        header, table = read_columns(path, columns)
        headers += header
        recordings.append(Recording(path, _kind(path, header, table), table))
    absent = [name for name in columns if name not in headers]
    if absent:
        raise DataError(
            f"columns must name columns of the recording ({', '.join(headers)}), was {', '.join(absent)}"
        )
    return recordings


def _kind(path: Path, header: Iterable[str], fields: Iterable[str]) -> Kind:
    """What the fields make of a file; flags tell quotes from trades, so they belong to a file of both."""
    found = set(fields)
    quotes = not found.isdisjoint((*QUOTE_FIELDS, "flags"))
    trades = not found.isdisjoint((*NEEDED[Kind.TRADES], "flags"))
    kind = Kind.TICKS if quotes and trades else Kind.QUOTES if quotes else Kind.TRADES
    lacking = [name for name in NEEDED[kind] if name not in found]
    if found.isdisjoint(NS_PER_CLOCK):
        lacking.append(" or ".join(NS_PER_CLOCK))
    if lacking:
        needed = ", ".join(NEEDED[kind])
        raise DataError(
            f"{path}: a recording of {kind.value} must have the columns {needed} and a time; "
            f"was {', '.join(header)} (lacking {', '.join(lacking)})"
        )
    return kind


def _clock(recordings: Sequence[Recording]) -> str:
    """The first clock that all have."""
    for clock in NS_PER_CLOCK:
        if all(clock in recording.table for recording in recordings):
            return clock
    found = " and ".join(
        f"{r.path} has {', '.join(c for c in NS_PER_CLOCK if c in r.table)}" for r in recordings
    )
    raise DataError(
        f"the files of a pair must share a clock ({', '.join(NS_PER_CLOCK)}) to be compared, was: {found}"
    )


def _blank(recording: Recording, clock: str) -> NDArray[np.void]:
    """One tick a row with its ts and what else the table has; what it has not is NaN, side and flags 0."""
    ticks = np.zeros(len(recording), TICK)
    for name in ("price", *QUOTE_FIELDS, "volume"):
        ticks[name] = recording.table.get(name, nan)
    for name in ("side", "flags"):
        ticks[name] = recording.table.get(name, 0)
    ticks["ts"] = recording.table[clock] * NS_PER_CLOCK[clock]
    return ticks


def _quotes(recording: Recording, clock: str) -> NDArray[np.void]:
    ticks = _blank(recording, clock)
    with np.errstate(over="ignore", invalid="ignore"):
        ticks["price"] = (ticks["bid"] + ticks["ask"]) / 2
    ticks["volume"] = 0.0
    ticks["flags"] = TickFlag.QUOTE
    return ticks


def _trades(recording: Recording, clock: str) -> NDArray[np.void]:
    ticks = _blank(recording, clock)
    ticks["flags"] = TickFlag.TRADE
    return ticks


def _ticks_of(recording: Recording) -> NDArray[np.void]:
    clock = _clock([recording])
    if recording.kind is Kind.QUOTES:
        return _quotes(recording, clock)
    if recording.kind is Kind.TRADES:
        ticks = _trades(recording, clock)
        ticks["flags"] = TickFlag.TRADE | TickFlag.NO_QUOTE
        ticks["bid"] = ticks["ask"] = ticks["price"]
        return ticks
    ticks = _blank(recording, clock)
    if "flags" not in recording.table:
        ticks["flags"] = np.where(ticks["volume"] > 0.0, TickFlag.QUOTE | TickFlag.TRADE, TickFlag.QUOTE)
    return ticks


def _merge(first: Recording, second: Recording) -> NDArray[np.void]:
    by_kind = {recording.kind: recording for recording in (first, second)}
    if by_kind.keys() != {Kind.QUOTES, Kind.TRADES}:
        found = f"{first.path} of {first.kind.value} and {second.path} of {second.kind.value}"
        raise DataError(f"a pair must be a recording of quotes and one of trades, was {found}")
    clock = _clock((first, second))
    ticks = np.concatenate([_quotes(by_kind[Kind.QUOTES], clock), _trades(by_kind[Kind.TRADES], clock)])
    # Stable, and the quotes come first: at equal times the quote stands before the trade.
    ticks = ticks[np.argsort(ticks["ts"], kind="stable")]
    _carry_quotes(ticks)
    return ticks


def _carry_quotes(ticks: NDArray[np.void]) -> None:
    """Give each trade the last valid quote before it; the ticks are in order, so none goes back in time."""
    good = (ticks["flags"] == TickFlag.QUOTE) & quoted(ticks)
    last = np.maximum.accumulate(np.where(good, np.arange(len(ticks)), -1))
    carried = np.flatnonzero((ticks["flags"] == TickFlag.TRADE) & (last >= 0))
    for name in QUOTE_FIELDS:
        ticks[name][carried] = ticks[name][last[carried]]


def quoted(ticks: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which ticks have a quote and break no rule of tick validation; their order is not looked at.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n,)

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    good = (ticks["ts"] >= 0) & (ticks["ts"] <= TS_MAX) & (ticks["bid"] <= ticks["ask"])
    for name in ("price", "bid", "ask"):
        good &= (ticks[name] >= PRICE_MIN) & (ticks[name] <= PRICE_MAX)
    for name in ("bid_size", "ask_size"):  # NaN: not known
        good &= ~((ticks[name] < 0.0) | (ticks[name] > SIZE_MAX))
    good &= (ticks["volume"] >= 0.0) & (ticks["volume"] <= SIZE_MAX)
    return np.asarray(good)
