"""A CSV file some whole lines at a time, and their cells as columns; at speed where pyarrow is installed."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from livetrading.data.columns import CHUNK_ROWS
from livetrading.data.errors import DataError

__all__ = ["FAST_BYTES", "LINE_MAX", "CellKind", "Lines", "blocks", "cells", "parsed", "split_lines"]

LINE_MAX: Final = 1 << 20
"""Bytes in a line. A few kilobytes of packed zeros unpack to a line that no memory holds."""

READ_BYTES: Final = 1 << 20
BLOCK_BYTES: Final = 1 << 22
"""Bytes after which a block ends, also where its lines are fewer than `CHUNK_ROWS`."""

FIELD_MAX: Final = 131_072
"""Characters of a cell, the limit of Python's own reader; a shorter line has none that is longer."""

FAST_BYTES: Final = 1 << 20
"""Size of a file from which on reading by pyarrow saves more time than its import takes."""

ODD: Final = re.compile(rb'["(]|(?<=0)[xX]')
"""What pyarrow reads otherwise than Python does: quotes, nan with a payload, numbers in hexadecimal."""

CellKind = Literal["whole", "real", "text"]
"""What the cells of a column are read as: int64, float64 where a blank one is NaN, or text."""


class Lines:
    """Some whole lines of a file.

    Attributes
    ----------
    data : bytes
        The lines, each ended by a line feed but for the last of a file that has none there.
    number : int
        Of the first line, from 1.
    count : int
    longest : int
        Bytes of the longest.

    Notes
    -----
    `ends`, by which it is made, are where the line feeds stand.
    """

    __slots__ = ("count", "data", "longest", "number")

    def __init__(self, data: bytes, number: int, ends: NDArray[np.intp]) -> None:
        self.data = data
        self.number = number
        self.count = len(ends) + (not data.endswith(b"\n"))
        self.longest = int(np.diff(ends, prepend=-1, append=len(data)).max())

    def text(self) -> list[str]:
        """Return the lines as text; what is no UTF-8 comes as surrogates."""
        return split_lines(self.data)

    def without(self, count: int) -> "Lines | None":
        """Return what is left behind the first lines, None if nothing is."""
        ends = _ends(self.data)
        begin = int(ends[count - 1]) + 1 if 0 < count <= len(ends) else len(self.data) * (count > 0)
        if begin == len(self.data):
            return None
        return Lines(self.data[begin:], self.number + count, ends[count:] - begin)


def _ends(data: bytes) -> NDArray[np.intp]:
    return np.flatnonzero(np.frombuffer(data, np.uint8) == 10)


def split_lines(data: bytes) -> list[str]:
    """Return lines as text, with the line feeds that end them; what is no UTF-8 comes as surrogates."""
    return list(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="\n"))


def blocks(path: Path, stream: Any, above: int = 0) -> Iterator[Lines]:
    """Read a file some lines at a time.

    Parameters
    ----------
    path : Path
        The file, for the message.
    stream : binary stream
        Its bytes, unpacked. A line may end in a line feed, a carriage return, or both.
    above : int
        Lines at the top that are no rows.

    Yields
    ------
    Lines
        At most `CHUNK_ROWS` lines, the first time with those above them, and about 4 MiB.

    Raises
    ------
    DataError
        If a line is longer than 2**20 bytes.
    """
    number, rest = 1, b""
    for data in _line_feeds(stream):
        rest += data
        ends = _ends(rest)
        if len(rest) > LINE_MAX:
            lengths = np.diff(ends, prepend=-1, append=len(rest))
            if int(lengths.max()) > LINE_MAX + 1:
                line = number + int(np.argmax(lengths))
                raise DataError(f"{path}, line {line}: must be of at most {LINE_MAX} bytes, was longer")
        begin = 0
        while len(ends) >= CHUNK_ROWS + above or (len(ends) and len(rest) - begin > BLOCK_BYTES):
            taken, ends = ends[: CHUNK_ROWS + above], ends[CHUNK_ROWS + above :]
            above = 0
            end = int(taken[-1]) + 1
            yield Lines(rest[begin:end], number, taken - begin)
            number, begin = number + len(taken), end
        rest = rest[begin:]
    if rest:
        yield Lines(rest, number, _ends(rest))


def _line_feeds(stream: Any) -> Iterator[bytes]:
    """Read, and end every line in a line feed alone; of a pair that is cut the second half waits."""
    held = b""
    while data := stream.read(READ_BYTES):
        data = held + data
        held = b""
        if b"\r" in data:
            if data.endswith(b"\r"):
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield data
    if held:
        yield b"\n"


def parsed(
    lines: Lines, width: int, delimiter: str, kinds: Mapping[int, CellKind]
) -> tuple[dict[int, Any], int] | None:
    """Read lines by pyarrow, if it reads them as Python does.

    Parameters
    ----------
    lines : Lines
    width : int
        Columns of each line.
    delimiter : str
    kinds : mapping of int to CellKind
        What each column is that is read, by its position.

    Returns
    -------
    tuple of dict, int; or None
        By position an array, or a list of text; and how many cells of ``real`` columns are blank. None where
        Python has to read: pyarrow is not there, a line is malformed or blank, a cell is no such number, or
        there is anything in the lines that the two read differently.
    """
    reader = _arrow_csv()
    data = lines.data
    if reader is None or width < 2 or lines.longest > FIELD_MAX:
        return None
    if not data.isascii() or (any(sign in data for sign in b'"(xX') and ODD.search(data)):
        return None
    table = _table(reader, data, width, delimiter, kinds)
    if table is None or table.num_rows != lines.count:
        return None
    columns: dict[int, Any] = {}
    blank = 0
    for position, kind in kinds.items():
        column = table.column(str(position))
        if column.null_count and kind == "whole":
            return None
        blank += column.null_count
        columns[position] = column.to_pylist() if kind == "text" else column.to_numpy()
    return columns, blank


def _table(reader: Any, data: bytes, width: int, delimiter: str, kinds: Mapping[int, CellKind]) -> Any:
    lib = import_module("pyarrow")
    types = {"whole": lib.int64(), "real": lib.float64(), "text": lib.string()}
    try:
        return reader.read_csv(
            lib.BufferReader(data),
            reader.ReadOptions(
                use_threads=False,
                block_size=len(data) + 1,
                column_names=[str(position) for position in range(width)],
            ),
            reader.ParseOptions(delimiter=delimiter, quote_char=False),
            reader.ConvertOptions(
                check_utf8=False,
                include_columns=[str(position) for position in kinds],
                column_types={str(position): types[kind] for position, kind in kinds.items()},
                null_values=[""],
                strings_can_be_null=False,
            ),
        )
    except lib.ArrowInvalid:  # whoever reads it again, line by line, says what is wrong and where
        return None


def _arrow_csv() -> Any:
    with suppress(ImportError):
        return import_module("pyarrow.csv")
    return None


def cells(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Split lines; ValueError or csv.Error if one is malformed, or no UTF-8."""
    "".join(lines).encode()  # fails at surrogates
    rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    if len(rows) != len(lines):
        raise ValueError("a row must be one line")
    return rows
