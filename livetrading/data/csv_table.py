"""Any CSV file of bars or ticks as columns of text: its encoding, delimiter, names and rows told apart."""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

from livetrading.data.csv_columns import check_utf8, readable, unpacked
from livetrading.data.csv_lines import FAST_BYTES, CellKind, Lines, blocks, cells, parsed
from livetrading.data.errors import DataError

__all__ = ["DELIMITERS", "CsvTable", "Piece", "Typed"]

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""What may stand between the cells of a line, and how it is called."""

BOM: Final = "\ufeff"

HEAD_LINES: Final = 64
"""Lines at the top that are looked at to tell delimiter and names."""

_ADDRESS: Final = re.compile(r'"?(https?://|(www\.)?cryptodatadownload)', re.IGNORECASE)
_CELL_OF_DATA: Final = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*|true|false|", re.IGNORECASE
)


class Piece:
    """Some rows of a file, their cells as text; read when they are asked for.

    Attributes
    ----------
    columns : sequence of sequence of str
        Cells by column, then by row.
    lines : sequence of int
        Line of each row.
    """

    def __init__(self, table: "CsvTable", lines: Lines) -> None:
        self._table = table
        self._lines = lines

    @cached_property
    def _rows(self) -> tuple[Sequence[Sequence[str]], Sequence[int]]:
        return self._table.split(self._lines)

    @property
    def columns(self) -> Sequence[Sequence[str]]:
        """Cells by column; DataError for a line that is malformed."""
        return self._rows[0]

    @property
    def lines(self) -> Sequence[int]:
        """Line of each row."""
        return self._rows[1]

    def where(self, row: int) -> str:
        """Say where a row of this piece stands in the file."""
        return f"line {self.lines[row]}"

    def typed(self, kinds: Mapping[int, CellKind]) -> "Typed | None":
        """Return columns as numbers where that is possible at speed; as `csv_lines.parsed`."""
        table = self._table
        found = parsed(self._lines, len(table.names), table.delimiter, kinds) if table.fast else None
        return None if found is None else Typed(*found, self._lines.number)


@dataclass(frozen=True)
class Typed:
    """Some rows of a file as numbers.

    Attributes
    ----------
    columns : mapping of int to ndarray, or to list of str
        By position of the column.
    blank : int
        Cells of real numbers that are blank.
    first : int
        Line of the first row.
    """

    columns: Mapping[int, Any]
    blank: int
    first: int

    def where(self, row: int) -> str:
        """Say where a row stands in the file."""
        return f"line {self.first + row}"


class _AtMost(io.BufferedIOBase):
    """The first bytes of a file: one that grows while it is read would never end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        block = self._file.read(wanted)
        self._left -= len(block)
        return block

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(1 << 16 if size < 0 else size)

    def tell(self) -> int:
        return self._file.tell()


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Cells of lines that need not be CSV; none where a cell is longer than any that is read."""
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []


class CsvTable:
    """A CSV file, open for reading from its first row to its last.

    Parameters
    ----------
    path : Path
        Compressed with gzip or Zstandard if it ends in ``.gz`` or ``.zst``.
    delimiter : str, optional
        One of comma, semicolon, tab and bar; told by the first lines where it is not given.

    Attributes
    ----------
    names : list of str
        Of the columns; ``1``, ``2`` ... where the file names none.
    named : bool
        Whether the file names them.
    delimiter, encoding, compression : str
    fast : bool
        Whether the file is so large that reading it by pyarrow saves time.
    notes : list of str
        What stood above the rows and is no row.
    head : list of list of str
        The first rows.

    Raises
    ------
    DataError
        If the file cannot be read, is empty or not UTF-8, or the delimiter cannot be told; on iteration if a
        line is malformed (with its number), or the file has changed its size since it was opened.
    """

    def __init__(self, path: Path, delimiter: str | None = None) -> None:
        self.path = path
        self.format = "csv"
        self.compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix, "none")
        self.notes: list[str] = []
        self.instants: dict[str, tuple[str, str]] = {}
        self.texts: frozenset[str] = frozenset()
        with ExitStack() as files, readable(path):
            self._file = files.enter_context(path.open("rb"))
            self._size = os.fstat(self._file.fileno()).st_size
            self.fast = self._size >= FAST_BYTES
            stream = files.enter_context(unpacked(path, _AtMost(self._file, self._size)))
            self._blocks = blocks(path, stream)
            self._first = next(self._blocks, None)
            head = [] if self._first is None else self._first.text()[:HEAD_LINES]
            self.encoding = "utf-8"
            if head and head[0].startswith(BOM):
                head[0], self.encoding = head[0].removeprefix(BOM), "utf-8 with a byte order mark"
            for number, line in enumerate(head, 1):
                check_utf8(path, number, line)
            self._above = self._skip_above(head)
            self.delimiter = self._told(head[self._above :], delimiter)
            self._read_names(head)
            self._head = head[self._above :]
            self.head = [row for row in _rows(self._head, self.delimiter) if len(row) == len(self.names)]
            self._files = files.pop_all()

    def _skip_above(self, head: Sequence[str]) -> int:
        """Return the lines above names and rows: blank, a comment, the address of a source."""
        if not "".join(head).strip():
            raise DataError(f"{self.path} must hold rows, was {'blank' if head else 'empty'}")
        above = 0
        for line in head:
            if line.strip() and not line.startswith("#") and not _ADDRESS.match(line):
                break
            if line.strip():
                self.notes.append(f"line {above + 1} is no row: {line.strip()[:100]}")
            above += 1
        return above

    def _told(self, lines: Sequence[str], given: str | None) -> str:
        """Find the delimiter by which all of the first lines have as many fields, at least two."""
        if not lines:
            raise DataError(f"{self.path} must hold rows, was lines above them alone")
        if given is not None:
            return given
        widths = {sign: {len(row) for row in _rows(lines, sign) if row} for sign in DELIMITERS}
        fitting = [sign for sign, found in widths.items() if len(found) == 1 and found.pop() > 1]
        if not fitting:  # a line may be malformed; then the first one tells
            fitting = [sign for sign in DELIMITERS if sign in lines[0]]
        if len(fitting) > 1:
            both = " or ".join(DELIMITERS[sign] for sign in fitting)
            raise DataError(
                f"{self.path}, line {self._above + 1}: the delimiter must be told by the first lines or be "
                f"given (--delimiter), was {both}: {lines[0].rstrip()!r}"
            )
        if not fitting:
            names = ", ".join(DELIMITERS.values())
            raise DataError(
                f"{self.path}, line {self._above + 1}: columns must be separated by {names}, "
                f"was {lines[0].rstrip()[:200]!r}"
            )
        return fitting[0]

    def _read_names(self, head: Sequence[str]) -> None:
        cells = self._split(head[self._above], self._above + 1)
        self.named = not all(_CELL_OF_DATA.fullmatch(cell.strip()) for cell in cells)
        if not self.named:
            self.names = [str(i) for i in range(1, len(cells) + 1)]
            return
        self._above += 1
        self.names = [cell.strip() or str(i) for i, cell in enumerate(cells, 1)]
        if self.names[0] == "Price" and len(head) > self._above:
            self._read_names_of_yfinance(head)

    def _read_names_of_yfinance(self, head: Sequence[str]) -> None:
        """Three lines: the prices' names, the ticker of each, the time's name with nothing beside it."""
        tickers = self._split(head[self._above], self._above + 1)
        if tickers[0] != "Ticker" or len(head) < self._above + 2:
            return
        if len(set(tickers[1:])) > 1:
            raise DataError(
                f"{self.path}, line {self._above + 1}: must hold one ticker, was {', '.join(tickers[1:])}"
            )
        self.names[0] = self._split(head[self._above + 1], self._above + 2)[0]
        self.notes.append(f"three lines of names as yfinance writes them, ticker {tickers[-1]}")
        self._above += 2

    def _split(self, line: str, number: int) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True), [])
        except csv.Error as error:
            raise DataError(
                f"{self.path}, line {number}: must be a line of CSV, was {line[:200]!r} ({error})"
            ) from error

    def __iter__(self) -> Iterator[Piece]:
        number, self._first, lines = 0, None, self._first and self._first.without(self._above)
        while True:
            if lines is not None:
                number = lines.number + lines.count
                if lines.data.strip(b"\n"):
                    yield Piece(self, lines)
            with readable(self.path):
                lines = next(self._blocks, None)
            if lines is None:
                break
        size = os.fstat(self._file.fileno()).st_size
        if size != self._size:
            raise DataError(
                f"{self.path}, line {number}: a file must not change while it is read, was "
                f"{self._size} bytes when opened and {size} at its end"
            )

    def split(self, lines: Lines) -> tuple[Sequence[Sequence[str]], Sequence[int]]:
        """Return cells by column, and the line of each row; DataError for a line that is malformed."""
        texts = lines.text()
        try:
            rows = cells(texts, self.delimiter)
            if any(row and len(row) != len(self.names) for row in rows):
                raise ValueError("a row must have a field a column")
        except (ValueError, csv.Error):
            self._raise_for_line(texts, lines.number)
            raise
        numbers = [lines.number + i for i, row in enumerate(rows) if row]
        return list(zip(*filter(None, rows), strict=True)), numbers

    def _raise_for_line(self, block: Sequence[str], number: int) -> None:
        for at, line in enumerate(block, number):
            check_utf8(self.path, at, line)
            row = self._split(line, at)
            if row and len(row) != len(self.names):
                others = [
                    name for sign, name in DELIMITERS.items() if sign != self.delimiter and sign in line
                ]
                hint = f"; it holds a {others[0]}" if others else ""
                raise DataError(
                    f"{self.path}, line {at}: must have {len(self.names)} fields separated by "
                    f"{DELIMITERS[self.delimiter]}, was {len(row)}: {line.rstrip()[:200]!r}{hint}"
                )

    @property
    def done(self) -> float:
        """Share of the bytes that have been read."""
        return min(1.0, self._file.tell() / max(1, self._size))

    def close(self) -> None:
        """Close the file."""
        self._files.close()
