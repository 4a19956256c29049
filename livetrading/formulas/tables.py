"""Files of observations, and the table of what formulas said."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Mapping
from math import nan
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from livetrading.data.csv_columns import ShortLines
from livetrading.data.errors import DataError
from livetrading.formulas.base import Batch
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import TIME_LIMIT, columns_of_rows, is_field
from livetrading.formulas.registry import columns_of

__all__ = ["read_observations", "table_of"]

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")


def read_observations(path: Path) -> dict[str, NDArray[Any]]:
    """Read the columns of a file that the catalogue names.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.csv.gz`` or ``.parquet``. In CSV the first line has the names and an empty cell is NaN;
        `ts` is in whole ns since the Unix epoch. Other columns are left alone.

    Returns
    -------
    dict of str to ndarray, shape (N,)

    Raises
    ------
    DataError
        If the file cannot be read, a cell is no number, or no column is one of the catalogue's.
    """
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"observations must come from one of {', '.join(SUFFIXES)}, was {path}")
    if path.exists() and not path.is_dir() and not path.is_file():
        raise DataError(f"observations must come from a regular file, was {path}")  # a pipe may never begin
    try:
        columns = _parquet(path) if path.name.endswith(".parquet") else _csv(path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} must be readable, was: {error}") from error
    if not any(name != "ts" for name in columns):
        raise DataError(f"{path} must have columns that the catalogue names, had none beside ts")
    return columns


def _parquet(path: Path) -> dict[str, NDArray[Any]]:
    try:
        found = columns_of(path)
    except FormulaError as error:
        raise DataError(str(error)) from error
    return columns_of_rows({name: column for name, column in found.items() if is_field(name)})


def _csv(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        plain: Any = gzip.GzipFile(fileobj=file) if path.name.endswith(".gz") else file
        lines = io.TextIOWrapper(cast(BinaryIO, ShortLines(path, plain)), "utf-8-sig", newline="")
        try:
            rows = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(rows, [])]
            if twice := [name for name in header if is_field(name) and header.count(name) > 1]:
                raise DataError(f"{path} must have each column once, had {twice[0]} {len(twice)} times")
            placed = {name: i for i, name in enumerate(header) if is_field(name)}
            cells: dict[str, list[float | int]] = {name: [] for name in placed}
            for row in rows:
                if row:
                    _take(path, rows.line_num, row, len(header), placed, cells)
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path} must be CSV in UTF-8, was: {error}") from error
    return {name: np.array(column, np.int64 if name == "ts" else float) for name, column in cells.items()}


def _take(
    path: Path,
    line: int,
    row: list[str],
    width: int,
    placed: Mapping[str, int],
    cells: Mapping[str, list[float | int]],
) -> None:
    if len(row) != width:
        raise DataError(f"{path}, line {line}: must have {width} cells, had {len(row)}")
    for name, at in placed.items():
        text = row[at].strip()
        try:
            if "_" in text:
                raise ValueError
            number = int(text) if name == "ts" else float(text) if text else nan
        except ValueError:
            kind = "a whole number" if name == "ts" else "a number or empty"
            raise DataError(f"{path}, line {line}: {name} must be {kind}, was {row[at]!r}") from None
        if name == "ts" and abs(number) > TIME_LIMIT:
            raise DataError(f"{path}, line {line}: ts must be from -2^62 to 2^62, was {text}")
        cells[name].append(number)


def table_of(batches: Iterable[Batch], ts: NDArray[np.int64] | None) -> NDArray[np.void]:
    """Return what formulas said, a row an observation.

    Parameters
    ----------
    batches : iterable of Batch
    ts : ndarray of int64 or None
        Times of the rows, ns since the Unix epoch.

    Returns
    -------
    structured ndarray, shape (N,)
        `ts`, and by formula ``141.value``, ``141.signal``, ``141.confidence``, ``141.ready`` and
        ``141.NAME`` of each output.
    """
    columns: dict[str, NDArray[Any]] = {} if ts is None else {"ts": ts}
    for batch in batches:
        said: dict[str, NDArray[Any]] = {
            "value": batch.value,
            "signal": batch.signal,
            "confidence": batch.confidence,
            "ready": batch.ready.astype(np.int8),
            **batch.outputs,
        }
        columns.update({f"{batch.id}.{name}": column for name, column in said.items()})
    rows = len(next(iter(columns.values()))) if columns else 0
    table = np.empty(rows, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table
