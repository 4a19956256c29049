"""A recording in CSV, plain or compressed, read in pieces; every number exact."""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from math import nan
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from livetrading.data.arrow import arrow
from livetrading.data.columns import CHUNK_ROWS, NS_PER_UNIT, WHOLE, place
from livetrading.data.errors import DataError

__all__ = ["CsvColumns", "ShortLines", "check_utf8", "open_text", "read_header", "readable"]

LINE_MAX: Final = 1 << 20
"""Bytes in a line. A few kilobytes of packed zeros unpack to a line that no memory holds."""


class CsvColumns:
    """A CSV file as `Columns`; gzip or Zstandard if its name ends in ``.gz`` or ``.zst``.

    The first line names the columns; then a row a line, blank lines apart. An empty cell of a number that
    need not be whole is NaN.

    Parameters
    ----------
    path : Path
    columns : mapping of str to str
        Field by column, before recognition by name.

    Raises
    ------
    DataError
        If the file cannot be read, a column cannot be placed, or, on iteration, a row is malformed (with its
        line number).
    ExtraMissing
        If the file is compressed with Zstandard and pyarrow is not installed.
    """

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self.path = path
        with ExitStack() as files, readable(path):
            self._file = files.enter_context(path.open("rb"))
            self._size = max(1, os.fstat(self._file.fileno()).st_size)
            self._text = files.enter_context(open_text(path, self._file))
            self.header = read_header(path, self._text)
            self._placed = place(path, self.header, columns)
            self.fields = list(self._placed)
            self._files = files.pop_all()

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        chunks = _read_chunks(self.path, self._text, len(self.header), self._placed)
        rows = 0
        while True:
            with readable(self.path):
                chunk = next(chunks, None)
            if chunk is None:
                break
            rows += 1
            yield chunk
        if rows == 0:
            raise DataError(f"{self.path} must hold at least one row, was a header alone")

    @property
    def done(self) -> float:
        """Share of the bytes that have been read."""
        return min(1.0, self._file.tell() / self._size)

    def close(self) -> None:
        """Close the file."""
        self._files.close()


class ShortLines(io.BufferedIOBase):
    """Bytes to be read line by line, none of the lines too long to be held.

    Parameters
    ----------
    path : Path
        The file, for the message.
    stream : binary stream
        What is read, and closed with this.

    Raises
    ------
    DataError
        On reading, if a line is longer than 2**20 bytes.
    """

    def __init__(self, path: Path, stream: Any) -> None:
        self._path = path
        self._stream = stream
        self._unended = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Read what there is, up to `size` bytes."""
        block: bytes = self._stream.read1(size)
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        self._unended = len(block) - 1 - end + (self._unended if end < 0 else 0)
        if self._unended > LINE_MAX:
            raise DataError(f"{self._path} must have lines of at most {LINE_MAX} bytes, was a longer one")
        return block

    def close(self) -> None:
        """Close both."""
        self._stream.close()
        super().close()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise DataError for what goes wrong with a file while it is read."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} must be a readable CSV file, was: {error}") from error


def open_text(path: Path, file: BinaryIO, encoding: str = "utf-8-sig") -> TextIO:
    """Decode; what is no UTF-8 comes in as surrogates, so that its line can be named."""
    unpacked: Any = file
    if path.suffix == ".gz":
        unpacked = gzip.GzipFile(fileobj=file, mode="rb")
    elif path.suffix == ".zst":
        lib = arrow(str(path))
        unpacked = lib.CompressedInputStream(lib.PythonFile(file, mode="r"), "zstd")
    lines: Any = ShortLines(path, unpacked)
    return io.TextIOWrapper(lines, encoding=encoding, errors="surrogateescape")


def check_utf8(path: Path, line_number: int, line: str) -> None:
    """Raise DataError if a line came in with surrogates."""
    try:
        line.encode()
    except UnicodeEncodeError as error:
        read = line.encode(errors="surrogateescape")
        raise DataError(f"{path}, line {line_number}: must be UTF-8, was {read!r}") from error


def read_header(path: Path, stream: TextIO) -> list[str]:
    """Read the names of the columns."""
    line = stream.readline()
    if not line.strip():
        raise DataError(f"{path} must begin with a line of column names, was {'blank' if line else 'empty'}")
    check_utf8(path, 1, line)
    try:
        return [name.strip() for name in next(csv.reader([line], strict=True))]
    except csv.Error as error:
        raise DataError(f"{path}, line 1: must name the columns, was {line!r} ({error})") from error


def _read_chunks(
    path: Path, stream: TextIO, width: int, placed: Mapping[str, int]
) -> Iterator[dict[str, NDArray[Any]]]:
    line_number = 2
    while lines := list(islice(stream, CHUNK_ROWS)):
        try:
            chunk = _parse(lines, width, placed)
        except (ValueError, OverflowError, csv.Error):
            _raise_for_row(path, lines, line_number, width, placed)
            raise
        line_number += len(lines)
        del lines  # before the next are read
        if chunk:
            yield chunk


def _parse(lines: Sequence[str], width: int, placed: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Turn lines into values by field; none where all are blank."""
    "".join(lines).encode()  # fails at what is no UTF-8
    rows = list(csv.reader(lines, strict=True))
    if len(rows) != len(lines):
        raise ValueError("a row must be one line")
    by_column = list(zip(*filter(None, rows), strict=True))
    if by_column and len(by_column) != width:
        raise ValueError(f"a row must have {width} fields")
    return {field: _numbers(field, by_column[at]) for field, at in placed.items()} if by_column else {}


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
    return values * NS_PER_UNIT.get(field, 1)


def _raise_for_row(
    path: Path, lines: Sequence[str], line_number: int, width: int, placed: Mapping[str, int]
) -> None:
    """Raise DataError for the first malformed row, found line by line."""
    for number, line in enumerate(lines, line_number):
        check_utf8(path, number, line)
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
