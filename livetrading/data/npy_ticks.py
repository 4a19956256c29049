"""An array of ticks in NumPy's format, read in pieces."""

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from livetrading.core.dtypes import TICK
from livetrading.data.columns import CHUNK_ROWS
from livetrading.data.errors import DataError

__all__ = ["DAMAGE", "NpyTicks", "as_ticks", "map_npy"]

Ticks = NDArray[np.void]

DAMAGE: Final = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, SyntaxError),
    *(TokenError, MemoryError, RecursionError, Warning),
)
"""What NumPy raises of a .npy header that makes no sense; it reads it as Python."""

HEADERS: Final = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpyTicks:
    """A ``.npy`` file open for reading from its first row to its last.

    It is read, not mapped: pages of a map count as memory, and one larger than the address space has no map.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If the file cannot be read, has other fields than `TICK` or no rows, or, on iteration, was cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        with ExitStack() as files:
            try:
                self._file = files.enter_context(path.open("rb"))
                self._rows, self.dtype = _read_header(path, self._file)
            except DAMAGE as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(f"{path} must be a readable .npy file, was: {error}") from error
            self._files = files.pop_all()

    def __iter__(self) -> Iterator[Ticks]:
        while self._read < self._rows:
            n = min(CHUNK_ROWS, self._rows - self._read)
            try:
                rows = np.fromfile(self._file, self.dtype, n)
            except OSError as error:
                raise DataError(f"{self._path} must be a readable .npy file, was: {error}") from error
            if len(rows) < n:
                raise DataError(
                    f"{self._path} must hold {self._rows} rows, was cut off after {self._read + len(rows)}"
                )
            self._read += n
            yield rows if self.dtype == TICK else as_ticks(rows)

    def map(self) -> Ticks:
        """Map the whole file, read-only; a process that reads past where it was cut meanwhile is ended."""
        return np.asarray(np.memmap(self._file, self.dtype, "r", self._file.tell(), (self._rows,)))

    @property
    def done(self) -> float:
        """Share of the rows that have been read."""
        return self._read / self._rows

    def close(self) -> None:
        """Close the file; a map of it stays."""
        self._files.close()


def map_npy(path: Path) -> Ticks | None:
    """Map a file whose dtype is `TICK`, None if it is another; errors as `NpyTicks`."""
    array = NpyTicks(path)
    try:
        return array.map() if array.dtype == TICK else None
    except OSError as error:
        raise DataError(f"{path} must be a readable .npy file, was: {error}") from error
    finally:
        array.close()


def _read_header(path: Path, file: BinaryIO) -> tuple[int, np.dtype[Any]]:
    """Return rows and dtype; the file stands at its first row then."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"version {version} of the format")
        shape, _, dtype = HEADERS[version](file)
    if len(shape) != 1 or dtype.names != TICK.names or not _same_formats(dtype):
        raise DataError(
            f"{path} must be one-dimensional with the fields {_formats(TICK)}, "
            f"was of shape {shape} with {_formats(dtype)}"
        )
    rows = shape[0]
    if rows == 0:
        raise DataError(f"{path} must hold at least one row, was an empty array")
    size = os.fstat(file.fileno()).st_size
    if not 0 < rows <= (size - file.tell()) // dtype.itemsize:
        raise DataError(f"{path} must hold the {rows} rows of its header, was {size} bytes")
    return int(rows), dtype


def as_ticks(rows: Ticks) -> Ticks:
    ticks = np.zeros(len(rows), TICK)
    for name in TICK.names or ():
        ticks[name] = rows[name]
    return ticks


def _same_formats(dtype: np.dtype[Any]) -> bool:
    """Equal fields; byte order and padding may differ."""
    return all(dtype[name].newbyteorder("<") == TICK[name] for name in TICK.names or ())


def _formats(dtype: np.dtype[Any]) -> str:
    return ", ".join(f"{name} {dtype[name].str}" for name in dtype.names) if dtype.names else f"dtype {dtype}"
