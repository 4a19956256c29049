"""Rows of a small table, from CSV or Parquet: each as text, with its place in the file."""

import csv
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from livetrading.data.arrow import parquet
from livetrading.data.csv_columns import check_utf8, open_text, read_header, readable
from livetrading.data.errors import DataError
from livetrading.data.parquet_columns import DAMAGE

__all__ = ["SUFFIXES", "read_rows"]

SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".parquet")
"""What the name of such a file may end in."""

Row = tuple[str, list[str]]


def read_rows(path: Path) -> tuple[list[str], Iterator[Row]]:
    """Read a table that has a name for each column.

    Parameters
    ----------
    path : Path
        A file whose name ends in one of `SUFFIXES`.

    Returns
    -------
    header : list of str
        The names, without blanks around them.
    rows : iterator of (str, list of str)
        The place of a row (``line 2``, or ``row 1`` in Parquet) and its cells, as many as there are names;
        an empty cell is "". Blank lines are passed over.

    Raises
    ------
    DataError
        If the file cannot be read, or a name stands twice; in the iterator if a row is malformed.
    ExtraMissing
        If the format needs pyarrow and it is not installed.
    """
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"a daily history must be one of {', '.join(SUFFIXES)}, was {path}")
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe nobody writes to is read for ever
        raise DataError(f"{path} must be a readable file, was: a directory, a pipe or a device")
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    _, header = next(rows)
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        rows.close()
        raise DataError(
            f"{path} must name each column once, was {', '.join(header)} ({', '.join(twice)} twice)"
        )
    return header, rows


def _csv_rows(path: Path) -> Any:
    with ExitStack() as files, readable(path):
        stream = files.enter_context(open_text(path, files.enter_context(path.open("rb"))))
        header = read_header(path, stream.readline())
        yield "line 1", header
        for number, line in enumerate(stream, 2):
            check_utf8(path, number, line)
            try:
                cells = next(csv.reader([line], strict=True))
            except csv.Error as error:
                raise DataError(
                    f"{path}, line {number}: must be a row of CSV, was {line!r} ({error})"
                ) from error
            if cells and len(cells) != len(header):
                raise DataError(
                    f"{path}, line {number}: must have {len(header)} fields, was {len(cells)}: "
                    f"{line.rstrip()!r}"
                )
            if cells:
                yield f"line {number}", [cell.strip() for cell in cells]


def _parquet_rows(path: Path) -> Any:
    library = parquet(str(path))
    try:
        table = library.read_table(path)
        header = [name.strip() for name in table.schema.names]
        columns = [column.to_pylist() for column in table.columns]
    except DAMAGE as error:
        raise DataError(f"{path} must be readable Parquet, was: {error}") from error
    yield "row 0", header
    for number, row in enumerate(zip(*columns, strict=True), 1):
        yield f"row {number}", ["" if value is None else str(value) for value in row]
