"""Files of observations, and the table of what formulas said."""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import import_module
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from livetrading.data.csv_columns import ShortLines
from livetrading.data.errors import DataError
from livetrading.formulas.channels import TIME_LIMIT, is_field
from livetrading.formulas.columns import columns_of_rows
from livetrading.formulas.errors import FormulaError

if TYPE_CHECKING:
    from livetrading.formulas.base import Batch

__all__ = ["columns_of", "columns_of_table", "read_observations", "table_of"]

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")


def columns_of(source: Any) -> dict[str, NDArray[Any]]:
    """Return the columns of the catalogue in a mapping of arrays, a table or a file; others are left alone.

    A table of pandas without a column `ts` has the times of its index, if it is one of times.

    Raises
    ------
    FormulaError
        If it is none of these, the file cannot be read, the columns do not fit, or there are columns and none
        is of the catalogue.
    """
    if isinstance(source, str | Path):
        try:
            return read_observations(Path(source))
        except DataError as error:
            raise FormulaError(str(error)) from error
    named = columns_of_table(source)
    found = columns_of_rows(named)
    if named and not found:
        raise FormulaError(
            "columns must be among those that the catalogue names (ts, price, volume, close, ...; in lower "
            f"case), were {', '.join(map(str, named)):.200}"
        )
    return found


def columns_of_table(source: Any) -> Mapping[str, Any]:
    """Return all columns of a mapping of arrays or a table, as they are.

    Raises
    ------
    FormulaError
        If it is none of these, or two columns have one name.
    """
    if isinstance(source, Mapping):
        return source
    if isinstance(source, np.ndarray) and source.dtype.names is not None:
        return {name: source[name] for name in source.dtype.names}
    names = getattr(source, "column_names", None)  # pyarrow
    if names is not None:
        _once(names)
        return {name: source.column(name).to_numpy(zero_copy_only=False) for name in names}
    if hasattr(source, "__len__") and hasattr(source, "columns"):  # pandas, polars
        _once(source.columns)
        return _of_frame(source)
    raise FormulaError(
        "columns must be a mapping as in {'price': array}, a table of pandas, polars (collected) or pyarrow, "
        f"a structured array, or a path to a file, was {type(source).__name__}"
    )


def _once(names: Iterable[Any]) -> None:
    counts = Counter(map(str, names))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise FormulaError(f"columns must have different names, had more than one {twice[0]}")


def _of_frame(frame: Any) -> dict[str, NDArray[Any]]:
    found = {str(name): frame[name] for name in frame.columns}
    index = getattr(frame, "index", None)
    if "ts" not in found and getattr(index, "inferred_type", "") == "datetime64":
        found["ts"] = index
    # of a time with a zone pandas would make objects
    zoned = {name for name, column in found.items() if getattr(column.dtype, "tz", None) is not None}
    return {n: c.to_numpy("datetime64[ns]") if n in zoned else c.to_numpy() for n, c in found.items()}


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
    if not path.exists():
        raise DataError(f"{path} must be readable, was missing")
    if not path.is_dir() and not path.is_file():
        raise DataError(f"observations must come from a regular file, was {path}")  # a pipe may never begin
    try:
        columns = _parquet(path) if path.name.endswith(".parquet") else _csv(path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} must be readable, was: {error}") from error
    if not any(name != "ts" for name in columns):
        raise DataError(
            f"{path} must have columns that the catalogue names (price, volume, close, ...; in lower "
            "case), had none beside ts"
        )
    return columns


def _parquet(path: Path) -> dict[str, NDArray[Any]]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise DataError("a Parquet file needs pyarrow: pip install 'livetrading[data]'") from None
    try:
        return columns_of_rows(columns_of_table(parquet.read_table(path)))
    except (FormulaError, ValueError) as error:
        raise DataError(f"{path} must be a Parquet file of observations, was: {error}") from error


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
    return columns_of_rows(
        {name: np.array(column, np.int64 if name == "ts" else float) for name, column in cells.items()}
    )


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


def table_of(batches: "Iterable[Batch]", ts: NDArray[np.int64] | None) -> NDArray[np.void]:
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
