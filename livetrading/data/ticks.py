"""Recorded ticks from files, in chunks: one recording, or quotes and trades merged; and to files."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from enum import Enum
from math import nan
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import TICK, TickFlag
from livetrading.data.columns import CHUNK_ROWS, NS_PER_UNIT, SUFFIXES, Columns, check_columns, parse_columns
from livetrading.data.csv_columns import CsvColumns
from livetrading.data.errors import DataError
from livetrading.data.merge import QUOTE_FIELDS, TS_MAX, Ticks, in_order, joined, merge, quoted
from livetrading.data.npy_ticks import NpyTicks, map_npy
from livetrading.data.parquet_columns import ParquetColumns
from livetrading.data.results import ResultWriter
from livetrading.data.ultra_ticks import UltraTicks

__all__ = [
    "TS_MAX",
    "DataError",
    "Recording",
    "open_ticks",
    "parse_columns",
    "quoted",
    "read_ticks",
    "ticks_of",
    "write_ticks",
]


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

WHOLE_TICKS: Final = (".npy", ".ultra")
"""Formats whose rows are ticks already; their columns have their names."""

Prices = NDArray[np.float64]

COARSER: Final = {"s": 10**9, "ms": 10**6, "us": 10**3}
"""Nanoseconds of the units that times are mistaken in."""
TIMES_NS: Final = (1_231_006_505 * 10**9, 4_102_444_800 * 10**9)
"""From the first block to the year 2100: a `ts` that is of these in another unit is none of 1970."""

_NONE: Final = np.empty(0, TICK)
_NONE_PRICED: Final = np.empty(0)


class Recording:
    """A recording open for reading, from its first row to its last; `open_ticks` makes it.

    It is a context manager that closes the files, and an iterator over arrays of TICK. Whatever the size of
    the files, it holds no more than a chunk of each, and of a pair the rows that the merge waits for.

    Parameters
    ----------
    first : ndarray of TICK, shape (rows,)
    chunks : iterator of ndarray of TICK
        What follows; none is empty.
    share : callable
        Returns the share of the files that has been read.
    files : ExitStack
        Closes them.
    price : callable, optional
        Returns the true price at each row of the last chunk, where the recording has one.
    notes : sequence of str
        What is to be said of the recording.

    Attributes
    ----------
    priced : bool
        Whether it has a true price.
    true_price : ndarray of float64 or None
        The true price at each row that was read last, in USD, NaN where not known; None where it has none.
    notes : tuple of str
        What is to be said of it.
    """

    def __init__(
        self,
        first: Ticks,
        chunks: Iterator[Ticks],
        share: Callable[[], float],
        files: ExitStack,
        price: Callable[[], Prices | None] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.priced = price is not None
        self.true_price: Prices | None = None
        self.notes = tuple(notes)
        self._price = (lambda: None) if price is None else price
        self._ahead = deque([(first, self._price())])
        self._chunks = chunks
        self._share = share
        self._files: ExitStack | None = files
        self._given = 0

    def read(self, n: int) -> Ticks:
        """Read the next rows.

        Parameters
        ----------
        n : int
            At most so many, 1 or more.

        Returns
        -------
        ndarray of TICK, shape (rows,)
            Fewer than `n` where a chunk ends, none where the recording ends.

        Raises
        ------
        DataError
            If a file turns out to be damaged or a row to be malformed, or the recording is closed.
        """
        if self._files is None:
            raise DataError("a recording must be open to be read, was closed")
        chunk, price = self._ahead.popleft() if self._ahead else self._next()
        if len(chunk) > n:
            self._ahead.appendleft((chunk[n:], None if price is None else price[n:]))
        rows, self.true_price = chunk[:n], None if price is None else price[:n]
        self._given += len(rows)
        return rows

    def _next(self) -> tuple[Ticks, Prices | None]:
        rows = next(self._chunks, _NONE)
        return rows, self._price() if len(rows) else _NONE_PRICED if self.priced else None

    def head(self, n: int) -> Ticks:
        """Return the next `n` rows, or all if there are fewer, and leave them to be read.

        They are held until they have been; else as `read`.
        """
        if not self._ahead or len(self._ahead[0][0]) < n:
            rows, count = np.zeros(n, TICK), 0
            price = np.zeros(n) if self.priced else None
            while count < n and len(part := self.read(n - count)):
                rows[count : count + len(part)] = part
                if price is not None:
                    price[count : count + len(part)] = self.true_price
                count += len(part)
            self._given -= count
            self._ahead.appendleft((rows[:count], None if price is None else price[:count]))
        return self._ahead[0][0][:n]

    @property
    def done(self) -> float:
        """About the share of the recording that has been read, 0 to 1."""
        return self._share() * self._given / max(1, self._given + sum(len(rows) for rows, _ in self._ahead))

    def close(self) -> None:
        """Close the files; nothing can be read then."""
        if self._files is not None:
            self._ahead.clear()  # views of a map keep it open
            self._chunks = iter(())
            self._files.close()
            self._files = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Ticks]:
        while len(rows := self.read(CHUNK_ROWS)):
            yield rows


def open_ticks(paths: Sequence[Path], columns: Mapping[str, str] | None = None) -> Recording:
    r"""Open recorded ticks, one a data row, to be read in chunks.

    Nothing is left out and nothing repaired: a row that breaks a rule of tick validation is for the processor
    to reject and count.

    Parameters
    ----------
    paths : sequence of Path
        One file (``.npy``, ``.ultra``, ``.csv``, ``.csv.gz``, ``.csv.zst`` or ``.parquet``), or two, quotes
        and trades, in either order, neither of them ``.npy`` or ``.ultra``.
    columns : mapping of str to str, optional
        Field by column of the files, where the columns' own names do not say it; see `parse_columns`.

    Returns
    -------
    Recording
        ts in ns, prices in USD per BTC, sizes and volumes in BTC.

    Raises
    ------
    DataError
        If a file is missing, unreadable or empty, a column cannot be placed or is lacking, a row is
        malformed, an array has other fields than `TICK`, or the files of a pair cannot be merged. Also if the
        first `ts` of a file that is not written by `write_ticks` is a time from 2009 to 2099 in s, ms or us.
        What stands in the first rows is found here, the rest where it is read.
    ExtraMissing
        If the format needs pyarrow (``.csv.zst``, ``.parquet``), which is not installed.

    Notes
    -----
    A single file keeps its order. A pair is ordered by the first clock of ts, recv_ns, exch_ms that both
    files have; at equal times the quote stands before the trade, then the file's order holds. A row of a pair
    may stand up to 65,536 rows late in its file. By its columns a row is

    - a quote (bid, ask; sizes NaN where the file has none): flag 1, price the mid, volume 0, side 0;
    - a trade (price, qty, side): flag 2, with bid, ask and sizes of the last quote that passes validation,
      NaN before the first; in a recording without quotes flags 2 and 4, and bid and ask are the price;
    - both: as given; where no column of flags says it, flag 1, and 2 if volume > 0.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "quotes.csv"
    >>> _ = path.write_text("ts,bid,ask\n1,99,101\n2,99,103\n")
    >>> with open_ticks([path]) as recording:
    ...     for ticks in recording:
    ...         print(ticks["price"])
    [100. 101.]
    """
    columns = {} if columns is None else columns
    paths = [Path(path) for path in paths]
    _check_paths(paths)
    check_columns(columns)
    with ExitStack() as files:
        if paths[0].suffix in WHOLE_TICKS:
            if columns:
                raise DataError(f"columns must be given for files that name theirs, was given for {paths[0]}")
            return _open_whole(paths[0], files)
        sources = [files.enter_context(closing(_open_columns(path, columns))) for path in paths]
        absent = [name for name in columns if all(name not in source.header for source in sources)]
        if absent:
            found = ", ".join(name for source in sources for name in source.header)
            raise DataError(f"columns must name columns of the recording ({found}), was {', '.join(absent)}")
        chunks = _ticks_of(sources)
        share = lambda: sum(source.done for source in sources) / len(sources)  # noqa: E731
        return Recording(next(chunks), chunks, share, files.pop_all())


def _open_whole(path: Path, files: ExitStack) -> Recording:
    """Open a file whose rows are ticks."""
    if path.suffix == ".npy":
        array = NpyTicks(path)
        files.callback(array.close)
        chunks = iter(array)
        return Recording(next(chunks), chunks, lambda: array.done, files.pop_all())
    blocks = UltraTicks(path)
    files.callback(blocks.close)
    chunks = iter(blocks)
    price = (lambda: blocks.true_price) if blocks.priced else None
    return Recording(next(chunks), chunks, lambda: blocks.done, files.pop_all(), price, blocks.notes)


def read_ticks(paths: Sequence[Path], columns: Mapping[str, str] | None = None) -> Ticks:
    """Read recorded ticks whole; parameters, errors and rules are those of `open_ticks`.

    Returns
    -------
    ndarray of TICK, shape (rows,)
        A ``.npy`` file whose dtype is `TICK` comes back as a read-only map of the file.
    """
    with open_ticks(paths, columns) as recording:
        mapped = map_npy(Path(paths[0])) if Path(paths[0]).suffix == ".npy" else None
        return joined(list(recording)) if mapped is None else mapped


def write_ticks(path: Path, chunks: Iterable[Ticks]) -> None:
    """Write ticks to a file that `open_ticks` reads back the same.

    Parameters
    ----------
    path : Path
        Its name ends in ``.npy``, ``.ultra``, ``.csv``, ``.csv.gz``, ``.csv.zst`` or ``.parquet``.
    chunks : iterable of ndarray of TICK
        Any number of rows at a time. Every format but ``.npy`` and ``.ultra`` is read with side from -1 to 1,
        flags up to 7 and ts above -2**63.

    Raises
    ------
    DataError
        If the file cannot be written; what was there before stays.
    ExtraMissing
        If the format needs pyarrow, which is not installed.
    """
    with ResultWriter(path, TICK) as writer:
        for rows in chunks:
            writer.write(rows)


def _check_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.name.endswith(SUFFIXES):
            raise DataError(f"a recording must be one of {', '.join(SUFFIXES)}, was {path}")
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe nobody writes to is read for ever
            raise DataError(f"{path} must be a readable file, was: a directory, a pipe or a device")
    if len(paths) != 1 and (len(paths) != 2 or any(path.suffix in WHOLE_TICKS for path in paths)):
        named = ", ".join(map(str, paths)) or "none"
        raise DataError(
            "a recording must be one file, or one of quotes and one of trades, neither .npy nor .ultra; "
            f"was {named}"
        )


def _open_columns(path: Path, columns: Mapping[str, str]) -> Columns:
    return ParquetColumns(path, columns) if path.suffix == ".parquet" else CsvColumns(path, columns)


def _ticks_of(sources: Sequence[Columns]) -> Iterator[Ticks]:
    """Turn the rows of one file, or of a pair, into ticks."""
    kinds = [_kind(source) for source in sources]
    clock = _clock(sources)
    if len(sources) == 1:
        return (_TICKS[kinds[0]](table, clock) for table in _in_ns(sources[0], clock))
    by_kind = dict(zip(kinds, sources, strict=True))
    if by_kind.keys() != {Kind.QUOTES, Kind.TRADES}:
        found = " and ".join(f"{s.path} of {k.value}" for k, s in zip(kinds, sources, strict=True))
        raise DataError(f"a pair must be a recording of quotes and one of trades, was {found}")
    quotes, trades = by_kind[Kind.QUOTES], by_kind[Kind.TRADES]
    return merge(
        in_order(quotes.path, (_quotes(table, clock) for table in _in_ns(quotes, clock))),
        in_order(trades.path, (_trades(table, clock) for table in _in_ns(trades, clock))),
    )


def _kind(source: Columns) -> Kind:
    """What the fields make of a file; flags tell quotes from trades, so they belong to a file of both."""
    found = set(source.fields)
    quotes = not found.isdisjoint((*QUOTE_FIELDS, "flags"))
    trades = not found.isdisjoint((*NEEDED[Kind.TRADES], "flags"))
    kind = Kind.TICKS if quotes and trades else Kind.QUOTES if quotes else Kind.TRADES
    lacking = [name for name in NEEDED[kind] if name not in found]
    if found.isdisjoint(NS_PER_UNIT):
        lacking.append(" or ".join(NS_PER_UNIT))
    if lacking:
        needed = ", ".join(NEEDED[kind])
        raise DataError(
            f"{source.path}: a recording of {kind.value} must have the columns {needed} and a time; "
            f"was {', '.join(source.header)} (lacking {', '.join(lacking)})"
        )
    return kind


def _clock(sources: Sequence[Columns]) -> str:
    """The first clock that all have."""
    for clock in NS_PER_UNIT:
        if all(clock in source.fields for source in sources):
            return clock
    found = " and ".join(
        f"{s.path} has {', '.join(c for c in NS_PER_UNIT if c in s.fields)}" for s in sources
    )
    raise DataError(
        f"the files of a pair must share a clock ({', '.join(NS_PER_UNIT)}) to be compared, was: {found}"
    )


Table = Mapping[str, NDArray[Any]]


def _in_ns(source: Columns, clock: str) -> Iterator[Table]:
    """Yield the tables of a file, of others' files after a look at the unit of the first `ts`."""
    looked = clock != "ts" or tuple(source.header) == TICK.names
    for table in source:
        if not looked:
            first, looked = int(table["ts"][0]), True
            for unit, ns in COARSER.items():
                if TIMES_NS[0] <= first * ns < TIMES_NS[1]:
                    raise DataError(f"{source.path}: ts must be in ns, was {first}, by its size in {unit}")
        yield table


def _blank(table: Table, clock: str) -> Ticks:
    """One tick a row with its ts and what else the table has; what it has not is NaN, side and flags 0."""
    ticks = np.zeros(len(table[clock]), TICK)
    for name in ("price", *QUOTE_FIELDS, "volume"):
        ticks[name] = table.get(name, nan)
    for name in ("side", "flags"):
        ticks[name] = table.get(name, 0)
    ticks["ts"] = table[clock]
    return ticks


def _quotes(table: Table, clock: str) -> Ticks:
    ticks = _blank(table, clock)
    with np.errstate(over="ignore", invalid="ignore"):
        ticks["price"] = (ticks["bid"] + ticks["ask"]) / 2
    ticks["volume"] = 0.0
    ticks["flags"] = TickFlag.QUOTE
    return ticks


def _trades(table: Table, clock: str) -> Ticks:
    ticks = _blank(table, clock)
    ticks["flags"] = TickFlag.TRADE
    return ticks


def _trades_alone(table: Table, clock: str) -> Ticks:
    ticks = _trades(table, clock)
    ticks["flags"] = TickFlag.TRADE | TickFlag.NO_QUOTE
    ticks["bid"] = ticks["ask"] = ticks["price"]
    return ticks


def _quotes_and_trades(table: Table, clock: str) -> Ticks:
    ticks = _blank(table, clock)
    if "flags" not in table:
        ticks["flags"] = np.where(ticks["volume"] > 0.0, TickFlag.QUOTE | TickFlag.TRADE, TickFlag.QUOTE)
    return ticks


_TICKS: Final = {Kind.QUOTES: _quotes, Kind.TRADES: _trades_alone, Kind.TICKS: _quotes_and_trades}


def ticks_of(kind: str, table: Table) -> Ticks:
    """Make ticks of columns.

    Parameters
    ----------
    kind : str
        ``quotes``, ``trades`` or ``ticks``, which is quotes and trades.
    table : mapping of str to ndarray, each of shape (rows,)
        ``ts`` in ns, and fields of `TICK`.

    Returns
    -------
    ndarray of TICK, shape (rows,)
        By the rules of `open_ticks`.
    """
    return _TICKS[{"quotes": Kind.QUOTES, "trades": Kind.TRADES, "ticks": Kind.TICKS}[kind]](table, "ts")
