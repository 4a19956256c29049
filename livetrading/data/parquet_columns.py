"""A recording in Parquet, read in pieces; every number exact."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.data.arrow import arrow, parquet
from livetrading.data.columns import CHUNK_ROWS, NS_PER_UNIT, WHOLE, place
from livetrading.data.errors import DataError

__all__ = ["ParquetColumns"]

DAMAGE: Final = (OSError, ValueError, TypeError, LookupError, NotImplementedError, MemoryError, RuntimeError)
"""What pyarrow raises of a file that makes no sense."""

PAGE_BUFFER: Final = 1 << 16
"""Bytes of a column read at once: a row group may be larger than the memory."""


class ParquetColumns:
    """A Parquet file as `Columns`.

    Times are whole numbers in the unit of their name, or timestamps with a time zone, whatever their unit.
    Numbers that need not be whole are integers or floats; null is NaN there, and an error elsewhere.

    Parameters
    ----------
    path : Path
    columns : mapping of str to str
        Field by column, before recognition by name.

    Raises
    ------
    DataError
        If the file cannot be read, a column cannot be placed or is of another type, or, on iteration, a value
        is out of bounds (with its row, counted from 1, and its row group, from 0).
    ExtraMissing
        If pyarrow is not installed.
    """

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self.path = path
        self._rows = 0
        library = parquet(str(path))
        with ExitStack() as files, _readable(path):
            self._file = library.ParquetFile(
                files.enter_context(path.open("rb")),
                buffer_size=PAGE_BUFFER,
                pre_buffer=False,
                page_checksum_verification=True,
            )
            files.callback(self._file.close)
            self._total: int = max(1, self._file.metadata.num_rows)
            schema = self._file.schema_arrow
            self.header = [name.strip() for name in schema.names]
            self._names = {f: schema.names[at] for f, at in place(path, self.header, columns).items()}
            self.fields = list(self._names)
            for field, name in self._names.items():
                _check_type(path, field, name, schema.field(name).type)
            self._files = files.pop_all()

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        for group in range(self._file.num_row_groups):
            batches = self._file.iter_batches(
                CHUNK_ROWS, row_groups=[group], columns=list(self._names.values()), use_threads=False
            )
            while True:
                with _readable(self.path, f", row group {group}"):
                    batch = next(batches, None)
                if batch is None:
                    break
                table = {f: self._values(f, batch.column(name), group) for f, name in self._names.items()}
                self._rows += batch.num_rows
                yield table
        if self._rows == 0:
            raise DataError(f"{self.path} must hold at least one row, was without any")

    def _values(self, field: str, column: Any, group: int) -> NDArray[Any]:
        try:
            return _numbers(field, column)
        except ValueError:
            for row in range(len(column)):
                try:
                    _numbers(field, column[row : row + 1])
                except ValueError as error:
                    low, high = WHOLE.get(field, (0, 0))
                    rule = f"a whole number from {low} to {high}" if field in WHOLE else "a number"
                    where = f"row {self._rows + row + 1} (row group {group})"
                    was = f"{_plain(column)[row]} ({column.type})"
                    raise DataError(f"{self.path}, {where}: {field} must be {rule}, was {was}") from error
            raise

    @property
    def done(self) -> float:
        """Share of the rows that have been read."""
        return min(1.0, self._rows / self._total)

    def close(self) -> None:
        """Close the file."""
        self._files.close()


@contextmanager
def _readable(path: Path, where: str = "") -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"{path}{where} must be readable Parquet, was: {error}") from error


def _check_type(path: Path, field: str, name: str, kind: Any) -> None:
    types = arrow(str(path)).types
    if field not in WHOLE:
        rule, ok = "integers or floats", types.is_integer(kind) or types.is_floating(kind)
    elif field in NS_PER_UNIT:
        zoned = types.is_timestamp(kind) and kind.tz is not None
        rule, ok = "integers, or timestamps with a time zone", types.is_integer(kind) or zoned
    else:
        rule, ok = "integers", types.is_integer(kind)
    if not ok:
        raise DataError(f"{path}: the column {name} ({field}) must be of {rule}, was {kind}")


def _plain(column: Any) -> Any:
    """Timestamps as numbers: those that Python cannot hold as dates have no text."""
    lib = arrow("Parquet")
    return column.view(lib.int64()) if lib.types.is_timestamp(column.type) else column


def _numbers(field: str, column: Any) -> NDArray[Any]:
    """Return the values; ValueError if one has none that is exact."""
    lib = arrow("Parquet")
    if field not in WHOLE:
        return np.asarray(column.cast(lib.float64()).to_numpy(zero_copy_only=False))
    if lib.types.is_timestamp(column.type):  # nanoseconds, whatever the name of the column says
        column, field = column.cast(lib.timestamp("ns", tz=column.type.tz)), "ts"
    values = np.asarray(column.cast(lib.int64()).to_numpy())  # a null is no int64: it raises too
    low, high = WHOLE[field]
    if len(values) and (values.min() < low or values.max() > high):
        raise ValueError(f"{field} must be from {low} to {high}")
    unit = NS_PER_UNIT.get(field, 1)
    return values if unit == 1 else values * unit
