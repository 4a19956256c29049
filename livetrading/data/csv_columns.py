"""A recording in CSV, plain or compressed, read in pieces; every number exact."""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from math import nan
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from livetrading.data.arrow import arrow
from livetrading.data.columns import NS_PER_UNIT, WHOLE, place
from livetrading.data.csv_lines import FAST_BYTES, LINE_MAX, CellKind, Lines, blocks, cells, parsed
from livetrading.data.errors import DataError

__all__ = ["CsvColumns", "ShortLines", "check_utf8", "open_text", "read_header", "readable", "unpacked"]


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
            self._lines = blocks(path, files.enter_context(unpacked(path, self._file)), above=1)
            first = next(self._lines, None)
            self.header = read_header(path, _first_line(first))
            self._rest = None if first is None else first.without(1)
            self._placed = place(path, self.header, columns)
            self.fields = list(self._placed)
            self._files = files.pop_all()

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        fast = self._size >= FAST_BYTES
        rows, lines, self._rest = 0, self._rest, None
        while True:
            if lines is not None and (chunk := self._values(lines, fast)):
                rows += 1
                yield chunk
            with readable(self.path):
                lines = next(self._lines, None)
            if lines is None:
                break
        if rows == 0:
            raise DataError(f"{self.path} must hold at least one row, was a header alone")

    def _values(self, lines: Lines, fast: bool) -> dict[str, NDArray[Any]]:
        """Turn lines into values by field; none where all are blank."""
        width, placed = len(self.header), self._placed
        if fast:
            kinds: dict[int, CellKind] = {at: "whole" if f in WHOLE else "real" for f, at in placed.items()}
            found = parsed(lines, width, ",", kinds)
            with suppress(ValueError):  # whoever reads it again, line by line, says what is wrong and where
                if found is not None:
                    return {field: _in_bounds(field, found[0][at]) for field, at in placed.items()}
        texts = lines.text()
        try:
            return _parse(texts, width, placed)
        except (ValueError, OverflowError, csv.Error):
            _raise_for_row(self.path, texts, lines.number, width, placed)
            raise

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


def unpacked(path: Path, file: Any) -> Any:
    """Return the bytes as they were before they were compressed."""
    if path.suffix == ".gz":
        return gzip.GzipFile(fileobj=file, mode="rb")
    if path.suffix == ".zst":
        lib = arrow(str(path))
        return lib.CompressedInputStream(lib.PythonFile(file, mode="r"), "zstd")
    return file


def open_text(path: Path, file: BinaryIO) -> TextIO:
    """Decode; what is no UTF-8 comes in as surrogates, so that its line can be named."""
    lines: Any = ShortLines(path, unpacked(path, file))
    return io.TextIOWrapper(lines, encoding="utf-8-sig", errors="surrogateescape")


def check_utf8(path: Path, line_number: int, line: str) -> None:
    """Raise DataError if a line came in with surrogates."""
    try:
        line.encode()
    except UnicodeEncodeError as error:
        read = line.encode(errors="surrogateescape")
        raise DataError(f"{path}, line {line_number}: must be UTF-8, was {read!r}") from error


def _first_line(lines: Lines | None) -> str:
    """Return the first line of a file, without the mark that some files begin with."""
    return "" if lines is None else lines.text()[0].removeprefix("\ufeff")


def read_header(path: Path, line: str) -> list[str]:
    """Read the names of the columns off the first line."""
    if not line.strip():
        raise DataError(f"{path} must begin with a line of column names, was {'blank' if line else 'empty'}")
    check_utf8(path, 1, line)
    try:
        return [name.strip() for name in next(csv.reader([line], strict=True))]
    except csv.Error as error:
        raise DataError(f"{path}, line 1: must name the columns, was {line!r} ({error})") from error


def _parse(lines: Sequence[str], width: int, placed: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Turn lines into values by field; none where all are blank."""
    by_column = list(zip(*filter(None, cells(lines, ",")), strict=True))
    if by_column and len(by_column) != width:
        raise ValueError(f"a row must have {width} fields")
    return {field: _numbers(field, by_column[at]) for field, at in placed.items()} if by_column else {}


def _numbers(field: str, texts: Sequence[str]) -> NDArray[Any]:
    if "_" in "".join(texts):  # Python's own literals group digits with it, a recording's numbers do not
        raise ValueError("a number must have no underscore")
    if field not in WHOLE:
        values = (text or nan for text in texts) if "" in texts else texts
        return np.fromiter(map(float, values), np.float64, len(texts))
    return _in_bounds(field, np.fromiter(map(int, texts), np.int64, len(texts)))


def _in_bounds(field: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return times in ns, and the rest as it is; ValueError if a whole number is out of bounds."""
    if field not in WHOLE:
        return values
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
