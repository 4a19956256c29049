"""Columns of a recording in CSV: which field each one is, and its values, exact."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import nan
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import TICK
from livetrading.data.errors import DataError

__all__ = ["IGNORE", "check_columns", "parse_columns", "read_columns"]

IGNORE: Final = "-"
"""The field of a column that is left out."""

PLACES: Final[Mapping[str, str]] = {
    **{name: name for name in TICK.names or ()},
    "recv_ns": "recv_ns",
    "exch_ms": "exch_ms",
    "bid_qty": "bid_size",
    "ask_qty": "ask_size",
    "qty": "volume",
    "update_id": IGNORE,
    "trade_id": IGNORE,
}
"""Field by column name. `ts` and `recv_ns` are nanoseconds, `exch_ms` milliseconds since the Unix epoch."""

I8_MAX: Final = 2**63 - 1
WHOLE: Final[Mapping[str, tuple[int, int]]] = {
    "ts": (-I8_MAX, I8_MAX),
    "recv_ns": (-I8_MAX, I8_MAX),
    "exch_ms": (-(I8_MAX // 10**6), I8_MAX // 10**6),
    "side": (-1, 1),
    "flags": (0, 7),
}
"""Fields that are whole numbers, with their bounds; nanoseconds exceed 2**53, so no float comes near them."""

CHUNK_LINES: Final = 65536


def parse_columns(text: str) -> dict[str, str]:
    """Read the text of ``--columns``.

    Parameters
    ----------
    text : str
        Pairs ``column=field`` separated by commas: the name of a column in the file, and the name it is to be
        read by. That is a field of `TICK`, ``recv_ns``, ``exch_ms``, one of the other names recognised in
        files (``bid_qty``, ``ask_qty``, ``qty``, ``update_id``, ``trade_id``), or ``-`` to leave the column
        out. A column may hold ``=``, no comma.

    Returns
    -------
    dict of str to str
        Field by column, as `read_ticks` takes it.

    Raises
    ------
    DataError
        If an entry is no such pair, a column stands twice, or a field does not exist.

    Examples
    --------
    >>> parse_columns("time=recv_ns, amount=volume, venue=-")
    {'time': 'recv_ns', 'amount': 'volume', 'venue': '-'}
    """
    columns: dict[str, str] = {}
    for entry in text.split(","):
        column, _, field = (part.strip() for part in entry.rpartition("="))
        if not column or not field:
            raise DataError(f"columns must be column=field pairs separated by commas, was {text!r}")
        if column in columns:
            raise DataError(f"columns must name each column once, was {text!r} ({column} twice)")
        columns[column] = field
    check_columns(columns)
    return columns


def check_columns(columns: Mapping[str, str]) -> None:
    """Raise DataError if `columns` places a column at a field that does not exist."""
    for column, field in columns.items():
        if field != IGNORE and field not in PLACES:
            allowed = ", ".join((*PLACES, IGNORE))
            raise DataError(f"columns must place each column at one of {allowed}, was {column}={field}")


def read_columns(path: Path, columns: Mapping[str, str]) -> tuple[list[str], dict[str, NDArray[Any]]]:
    """Read a CSV file, gzipped if its name ends in ``.gz``.

    Parameters
    ----------
    path : Path
        The first line names the columns; then a row a line, blank lines apart.
    columns : mapping of str to str
        Field by column, before recognition by name.

    Returns
    -------
    header : list of str
        The columns found.
    table : dict of str to ndarray
        By field, shape (rows,): i8 for times, side and flags, f8 for the rest, where an empty cell is NaN.

    Raises
    ------
    DataError
        If the file cannot be read, a column cannot be placed, or a row is malformed (with its line number).
    """
    try:
        with _open_text(path) as stream:
            header = _read_header(path, stream)
            placed = _place(path, header, columns)
            chunks = list(_read_chunks(path, stream, len(header), placed))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} must be a readable CSV file, was: {error}") from error
    if not chunks:
        raise DataError(f"{path} must hold at least one row, was a header alone")
    return header, {field: np.concatenate([chunk[field] for chunk in chunks]) for field in placed}


def _open_text(path: Path) -> TextIO:
    """Open for reading; what is no UTF-8 comes in as surrogates, so that its line can be named."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape")
    return path.open(encoding="utf-8-sig", errors="surrogateescape")


def _check_utf8(path: Path, line_number: int, line: str) -> None:
    try:
        line.encode()
    except UnicodeEncodeError as error:
        read = line.encode(errors="surrogateescape")
        raise DataError(f"{path}, line {line_number}: must be UTF-8, was {read!r}") from error


def _read_header(path: Path, stream: TextIO) -> list[str]:
    line = stream.readline()
    if not line.strip():
        raise DataError(f"{path} must begin with a line of column names, was {'blank' if line else 'empty'}")
    _check_utf8(path, 1, line)
    try:
        header = [name.strip() for name in next(csv.reader([line], strict=True))]
    except csv.Error as error:
        raise DataError(f"{path}, line 1: must name the columns, was {line!r} ({error})") from error
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(
            f"{path} must name each column once, was {', '.join(header)} ({', '.join(twice)} twice)"
        )
    return header


def _place(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Position in the row by field, for the columns that are used."""
    unknown = [name for name in header if name not in columns and name not in PLACES]
    if unknown:
        raise DataError(
            f"{path}: columns must be among {', '.join(PLACES)}, or be placed by --columns column=field; "
            f"was {', '.join(header)} (unknown: {', '.join(unknown)})"
        )
    placed: dict[str, int] = {}
    for position, name in enumerate(header):
        field = PLACES.get(columns.get(name, name), IGNORE)
        if field == IGNORE:
            continue
        if field in placed:
            both = f"{header[placed[field]]} and {name}"
            raise DataError(f"{path}: {field} must be one column, was {both} (of {', '.join(header)})")
        placed[field] = position
    return placed


def _read_chunks(
    path: Path, stream: TextIO, width: int, placed: Mapping[str, int]
) -> Iterator[dict[str, NDArray[Any]]]:
    line_number = 2
    while lines := list(islice(stream, CHUNK_LINES)):
        try:
            "".join(lines).encode()  # fails at what is no UTF-8
            rows = list(csv.reader(lines, strict=True))
            if len(rows) != len(lines):
                raise ValueError("a row must be one line")
            by_column = list(zip(*filter(None, rows), strict=True))
            if by_column and len(by_column) != width:
                raise ValueError(f"a row must have {width} fields")
            if by_column:
                yield {field: _numbers(field, by_column[position]) for field, position in placed.items()}
        except (ValueError, OverflowError, csv.Error):
            _raise_for_row(path, lines, line_number, width, placed)
            raise
        line_number += len(lines)


def _numbers(field: str, cells: Sequence[str]) -> NDArray[Any]:
    if "_" in "".join(cells):  # Python's own literals group digits with it, a recording's numbers do not
        raise ValueError("a number must have no underscore")
    if field not in WHOLE:
        texts = (cell or nan for cell in cells) if "" in cells else cells
        return np.fromiter(map(float, texts), np.float64, len(cells))
    values = np.fromiter(map(int, cells), np.int64, len(cells))
    low, high = WHOLE[field]
    if values.min() < low or values.max() > high:
        raise ValueError(f"{field} must be from {low} to {high}")
    return values


def _raise_for_row(
    path: Path, lines: Sequence[str], line_number: int, width: int, placed: Mapping[str, int]
) -> None:
    """Raise DataError for the first malformed row, found line by line."""
    for number, line in enumerate(lines, line_number):
        _check_utf8(path, number, line)
        try:
            row = next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise DataError(f"{path}, line {number}: must be a row of CSV, was {line!r} ({error})") from error
        if row and len(row) != width:
            raise DataError(
                f"{path}, line {number}: must have {width} fields, was {len(row)}: {line.rstrip()!r}"
            )
        for field, position in placed.items() if row else ():
            try:
                _numbers(field, row[position : position + 1])
            except (ValueError, OverflowError) as error:
                low, high = WHOLE.get(field, (0, 0))
                rule = f"a whole number from {low} to {high}" if field in WHOLE else "a number"
                cell = row[position]
                raise DataError(f"{path}, line {number}: {field} must be {rule}, was {cell!r}") from error
