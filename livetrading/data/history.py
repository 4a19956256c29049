"""Bars and ticks from files of any make, as one typed table, with a report of what was understood."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import BAR
from livetrading.data.arrow import arrow
from livetrading.data.bar_times import BarTimes
from livetrading.data.cells import BadCell, floats, signs, whole
from livetrading.data.csv_lines import CellKind
from livetrading.data.csv_table import DELIMITERS, CsvTable, Piece
from livetrading.data.errors import DataError, NoRows
from livetrading.data.placing import PARTS, Placing, place
from livetrading.data.spellings import TIMES
from livetrading.data.ticks import ticks_of
from livetrading.data.typed_tables import ArrowTable, NpyTable, ParquetTable, UltraTable

__all__ = [
    "KINDS",
    "SUFFIXES",
    "Column",
    "Scan",
    "Table",
    "Understanding",
    "load",
    "scan",
    "together",
    "understand",
    "utc",
]

SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".parquet", ".arrow", ".feather", ".npy", ".ultra")
"""What the name of a file of history may end in."""

KINDS: Final = ("ticks", "trades", "quotes", "bars", "columns")
"""What a table may hold; `columns` are a time and numbers under the names they have."""

Arrays = Mapping[str, NDArray[Any]]

WHOLE_CELL: Final = re.compile(r"-?[0-9]{1,19}")
"""What a cell of a whole number looks like as a rule; others are read as text."""


@dataclass(frozen=True, slots=True)
class Column:
    """What became of a column.

    Attributes
    ----------
    name : str
        Its name in the file; its position, counted from 1, where the file names none.
    field : str
        What it was read as.
    unit : str
        Of the values, as they stand in the file.
    """

    name: str
    field: str
    unit: str


@dataclass(frozen=True, slots=True)
class Understanding:
    """What was understood of a file, and how.

    Attributes
    ----------
    path, kind : str
    format, compression : str
        Such as ``csv`` and ``gzip``.
    source : str
        Who writes such files, where names or layout tell it, else "".
    delimiter, encoding : str or None
        Of text.
    named : bool
        Whether the file names its columns.
    columns : tuple of Column
        Those that are used.
    left_out : tuple of str
        Those that are not.
    clock : str
        The column whose times count.
    time_unit, time_told, zone : str
        Its unit, how the unit is known, and how the time zone is.
    rows : int
    first_ns, last_ns : int or None
        Earliest and latest time, ns since the Unix epoch, UTC; of bars the first start and the last end.
    spacing : str
        Of bars: their length and how it is known.
    notes : tuple of str
        In words, what else was taken for granted.
    """

    path: str
    kind: str
    format: str
    compression: str
    source: str
    delimiter: str | None
    encoding: str | None
    named: bool
    columns: tuple[Column, ...]
    left_out: tuple[str, ...]
    clock: str
    time_unit: str
    time_told: str
    zone: str
    rows: int
    first_ns: int | None
    last_ns: int | None
    spacing: str
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, times also as text."""
        tree = {name: getattr(self, name) for name in self.__slots__}
        tree["columns"] = [{"name": c.name, "field": c.field, "unit": c.unit} for c in self.columns]
        tree["left_out"], tree["notes"] = list(self.left_out), list(self.notes)
        tree["first"] = None if self.first_ns is None else utc(self.first_ns)
        tree["last"] = None if self.last_ns is None else utc(self.last_ns)
        return tree


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a file, by field.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    columns : mapping of str to ndarray, each of shape (rows,)
        Read-only. ``ts`` always, int64 ns since the Unix epoch, UTC: of a bar its end, which is no part of
        it, as in `BAR`, beside ``start``. Other clocks of ticks are ``recv``, ``exch`` or ``time``. Prices in
        USD per BTC, sizes and volumes in BTC, as the file gives them; what a row lacks is NaN. What a file
        has no column for has none here.
    understood : Understanding
    """

    kind: str
    columns: Arrays
    understood: Understanding

    def __len__(self) -> int:
        return len(self.columns["ts"])

    def records(self) -> NDArray[np.void]:
        """Return the rows as `TICK`, or as `BAR` where they are bars.

        Raises
        ------
        DataError
            If the table is of the kind ``columns``, which no record has fields for.
        """
        if self.kind == "bars":
            return _bars(self.columns)
        if self.kind == "columns":
            raise DataError(f"{self.understood.path} must hold bars or ticks to be records, was columns")
        return ticks_of(self.kind, {"ts": self.columns["ts"], **self.columns})

    def to_arrow(self) -> Any:
        """Return a pyarrow.Table, times as timestamps in ns, UTC; ExtraMissing without pyarrow."""
        lib = arrow("an Arrow table")
        instants = {"ts", *TIMES}
        arrays = {
            name: lib.array(values).cast(lib.timestamp("ns", tz="UTC"))
            if name in instants
            else lib.array(values)
            for name, values in self.columns.items()
        }
        return lib.table(arrays)


class Source(Protocol):
    """An open file of columns."""

    path: Path
    format: str
    compression: str
    names: list[str]
    named: bool
    notes: list[str]

    def __iter__(self) -> Iterator[Any]: ...
    @property
    def done(self) -> float: ...
    def close(self) -> None: ...


def load(
    path: Path,
    *,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    every: str | int | None = None,
    empty: bool = False,
) -> Table:
    r"""Read a file of bars or ticks whole.

    Parameters
    ----------
    path : Path
        Its name ends in one of `SUFFIXES`.
    kind : str, optional
        One of `KINDS`; told by the columns where it is not given.
    columns : mapping of str to str, optional
        Field by column, where names or numbers do not tell it; ``-`` leaves a column out. A file without
        names has the columns ``1``, ``2`` ... Times may say their unit: ``time_s``, ``start_ms`` ...
    delimiter : str, optional
        Of CSV: comma, semicolon, tab or bar, or their names.
    every : str or int, optional
        How long a bar is, as `TimeBars` takes it, where two bars do not tell it.
    empty : bool
        Whether a file without a row is a table without a row; else it is an error.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        If the file cannot be read or understood; what has several meanings is an error that names what
        settles it. The message names the file, and the line or the row.
    ExtraMissing
        If the format needs pyarrow, which is not installed.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "bars.csv"
    >>> _ = path.write_text("Date,Open,High,Low,Close\n2024-01-01,1,3,1,2\n2024-01-02,2,2,1,1\n")
    >>> bars = load(path)
    >>> bars.kind, bars.columns["close"], bars.understood.spacing
    ('bars', array([2., 1.]), '1d (the most frequent difference)')
    """
    parts = list(scan(path, kind=kind, columns=columns, delimiter=delimiter, every=every, empty=empty))
    joined = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    return Table(parts[0].kind, _frozen(joined), together([part.understood for part in parts]))


def understand(
    path: Path,
    *,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    every: str | int | None = None,
) -> Understanding:
    """Read a file to its end in flat memory, and say what was understood; else as `load`."""
    found = [
        part.understood for part in scan(path, kind=kind, columns=columns, delimiter=delimiter, every=every)
    ]
    return together(found)


def scan(
    path: Path,
    *,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    every: str | int | None = None,
    empty: bool = False,
) -> Iterator[Table]:
    """Read a file in tables of at most 16,384 rows, in flat memory; else as `load`.

    Yields
    ------
    Table
        At least one; rows, span and notes of its understanding are those of the piece. How long a bar is, is
        told by the first piece. Of an Arrow file a record batch is held, however long its writer made it.
    """
    with Scan(path, kind=kind, columns=columns, delimiter=delimiter, every=every, empty=empty) as tables:
        yield from tables


class Scan:
    """A file of history, open for reading; a context manager, and an iterator over what `scan` yields.

    Parameters and errors are those of `load`; what stands in the first lines is found here, the rest on
    iteration.
    """

    def __init__(
        self,
        path: Path,
        *,
        kind: str | None = None,
        columns: Mapping[str, str] | None = None,
        delimiter: str | None = None,
        every: str | int | None = None,
        empty: bool = False,
    ) -> None:
        self.path = path = Path(path)
        if kind is not None and kind not in KINDS:
            raise DataError(f"kind must be one of {', '.join(KINDS)}, was {kind!r}")
        self._empty = empty
        self._source = _open(path, delimiter)
        with ExitStack() as files:
            files.callback(self._source.close)
            placing = place(self._source, columns or {}, kind)
            self._reader = _Reader(self._source, placing, every)
            self._files = files.pop_all()

    def __iter__(self) -> Iterator[Table]:
        rows = 0
        for piece in self._source:
            table = self._reader.read(piece)
            rows += len(table)
            yield table
        if rows == 0:
            if not self._empty:
                raise NoRows(f"{self.path}: must hold at least one row, was {_emptiness(self._source)}")
            yield self._reader.nothing()

    @property
    def done(self) -> float:
        """About the share of the file that has been read, 0 to 1."""
        return float(self._source.done)

    def close(self) -> None:
        """Close the file."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _emptiness(source: Source) -> str:
    return f"a header alone (line 1: {', '.join(source.names)})" if source.format == "csv" else "without any"


def _open(path: Path, delimiter: str | None) -> Any:
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"a file of history must be one of {', '.join(SUFFIXES)}, was {path}")
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe nobody writes to is read for ever
        raise DataError(f"{path} must be a readable file, was: a directory, a pipe or a device")
    if not path.name.endswith((".csv", ".csv.gz", ".csv.zst")):
        if delimiter is not None:
            raise DataError(f"delimiter must be given for CSV, was given for {path}")
        typed = {".parquet": ParquetTable, ".npy": NpyTable, ".ultra": UltraTable}
        return typed.get(path.suffix, ArrowTable)(path)
    signs_by_name = {**{name: sign for sign, name in DELIMITERS.items()}, **{s: s for s in DELIMITERS}}
    if delimiter is not None and delimiter not in signs_by_name:
        raise DataError(f"delimiter must be one of {', '.join(DELIMITERS.values())}, was {delimiter!r}")
    return CsvTable(path, None if delimiter is None else signs_by_name[delimiter])


@dataclass
class _Reader:
    """Turns pieces of a source into tables."""

    source: Any
    placing: Placing
    every: str | int | None
    bar_times: BarTimes | None = field(init=False)

    def __post_init__(self) -> None:
        is_bars = self.placing.kind == "bars"
        if self.every is not None and not is_bars:
            raise DataError(f"every must be given for bars, was given for {self.placing.kind}")
        self.bar_times = BarTimes(str(self.source.path), self.every) if is_bars else None
        self.nulls = 0
        self._kinds: dict[int, CellKind] = {}

    def read(self, piece: Any) -> Table:
        """Read one piece."""
        typed = piece.typed(self._kinds) if self._kinds else None
        if typed is not None:
            with suppress(DataError):  # the text of the same rows gives the error, or is what is meant
                return self._read(typed, typed.blank)
        table = self._read(piece, 0)
        if not self._kinds and isinstance(piece, Piece):
            self._kinds = self._kinds_of(piece)
        return table

    def _kinds_of(self, piece: Piece) -> dict[int, CellKind]:
        """Tell by the first rows what the columns may be read as."""
        text = {*self.placing.stamps, "side", "is_buyer_maker", "is_sell", "trades", "flags"}
        exact = text if self.placing.kind != "columns" else set(self.placing.stamps)
        kinds: dict[int, CellKind] = {}
        for name, at in self.placing.positions.items():
            is_whole = name in exact and all(map(WHOLE_CELL.fullmatch, piece.columns[at]))
            kinds[at] = "whole" if is_whole else "text" if name in exact else "real"
        return kinds

    def _read(self, piece: Any, nulls: int) -> Table:
        placing = self.placing
        self.nulls = nulls
        times = {name: self._of(piece, name, stamps.read) for name, stamps in placing.stamps.items()}
        found: dict[str, NDArray[Any]] = {}
        if self.bar_times is not None:
            found["ts"], found["start"] = self.bar_times.resolve(times, placing.own)
        else:
            found["ts"] = times.pop(next(iter(times)))
            found.update(times)
        for name in placing.positions:
            if name in placing.stamps:
                continue
            target = PARTS.get(name, name)
            found[target] = self._of(piece, name, lambda cells, name=name: self._values(name, cells))
        return Table(
            placing.kind, _frozen(found), self._understood(found["ts"], found.get("start", found["ts"]))
        )

    def nothing(self) -> Table:
        """Return a table without rows."""
        whole_fields = {**dict.fromkeys(("ts", "trades", *TIMES), "i8"), "side": "i1", "flags": "u1"}
        names = [name for name in self.placing.positions if name not in self.placing.stamps]
        others = ["start"] if self.bar_times is not None else list(self.placing.stamps)[1:]
        names = ["ts", *others, *(PARTS.get(n, n) for n in names)]
        empty = {name: np.empty(0, whole_fields.get(name, "f8")) for name in names}
        return Table(self.placing.kind, _frozen(empty), self._understood(empty["ts"], empty["ts"]))

    def _values(self, name: str, cells: Any) -> NDArray[Any]:
        if self.placing.kind != "columns":
            if name in ("side", "is_buyer_maker", "is_sell"):
                return signs(name, cells)
            if name in ("trades", "flags"):
                return whole(name, cells)
        values, nulls = floats(cells)
        self.nulls += nulls
        return values

    def _of(self, piece: Any, name: str, read: Any) -> NDArray[Any]:
        position = self.placing.positions[name]
        try:
            return np.asarray(read(piece.columns[position]))
        except BadCell as error:
            column = self.source.names[position]
            said = column if column == name else f"{column} ({name})"
            where = f"{self.source.path}, {piece.where(error.index)}"
            raise DataError(f"{where}: {said} must {error.rule}, was {error.was[:200]!r}") from error

    def _understood(self, ts: NDArray[np.int64], starts: NDArray[np.int64]) -> Understanding:
        source, placing = self.source, self.placing
        clock, stamps = next(iter(placing.stamps.items()))
        notes = [*source.notes, *placing.notes]
        if self.nulls:
            notes.append(f"{self.nulls} cells are blank or null: read as NaN")
        if self.bar_times is not None:
            notes.extend(self.bar_times.notes)
        sign = source.delimiter
        return Understanding(
            path=str(source.path),
            kind=placing.kind,
            format=source.format,
            compression=source.compression,
            source=placing.source,
            delimiter=None if sign is None else DELIMITERS[sign],
            encoding=source.encoding,
            named=source.named,
            columns=tuple(
                Column(source.names[at], name, placing.unit(name)) for name, at in placing.positions.items()
            ),
            left_out=tuple(placing.left_out),
            clock=source.names[placing.positions[clock]],
            time_unit=stamps.unit or "",
            time_told=stamps.told,
            zone=stamps.zone,
            rows=len(ts),
            first_ns=int(starts.min()) if len(ts) else None,
            last_ns=int(ts.max()) if len(ts) else None,
            spacing="" if self.bar_times is None else self.bar_times.said,
            notes=tuple(notes),
        )


def together(parts: Sequence[Understanding]) -> Understanding:
    """Join what was understood of the pieces of a file, in order."""
    firsts = [part.first_ns for part in parts if part.first_ns is not None]
    lasts = [part.last_ns for part in parts if part.last_ns is not None]
    blank = [note for part in parts for note in part.notes if note.endswith("read as NaN")]
    notes = list(dict.fromkeys(note for part in parts for note in part.notes if note not in blank))
    if blank:
        count = sum(int(note.partition(" ")[0]) for note in blank)
        notes.append(f"{count} cells are blank or null: read as NaN")
    return replace(
        parts[-1],
        rows=sum(part.rows for part in parts),
        first_ns=min(firsts) if firsts else None,
        last_ns=max(lasts) if lasts else None,
        notes=tuple(notes),
    )


def _frozen(columns: dict[str, NDArray[Any]]) -> Arrays:
    for values in columns.values():
        values.flags.writeable = False
    return MappingProxyType(columns)


def _bars(columns: Arrays) -> NDArray[np.void]:
    rows = np.zeros(len(columns["ts"]), BAR)
    for name in BAR.names or ():
        unknown = {"trades": -1, "flags": 0}.get(name, np.nan)
        rows[name] = columns.get(name, unknown)
    return rows


def utc(ns: int) -> str:
    """Write a time as ISO 8601, to the second, or to as many decimals as it has.

    Examples
    --------
    >>> utc(1_700_000_000_000_000_001)
    '2023-11-14T22:13:20.000000001Z'
    """
    seconds, rest = divmod(ns, 10**9)
    try:
        text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        return f"{ns} ns"
    return f"{text}.{rest:09d}".rstrip("0").rstrip(".") + "Z"
