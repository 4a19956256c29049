"""Parquet, Arrow and NumPy files of any columns, in pieces like those of a CSV file."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from livetrading.data.arrow import arrow, ipc, parquet
from livetrading.data.columns import CHUNK_ROWS
from livetrading.data.errors import DataError
from livetrading.data.npy_ticks import DAMAGE as NPY_DAMAGE
from livetrading.data.npy_ticks import HEADERS
from livetrading.data.parquet_columns import DAMAGE as ARROW_DAMAGE
from livetrading.data.parquet_columns import PAGE_BUFFER
from livetrading.data.ultra import UltraFile

__all__ = ["ArrowTable", "NpyTable", "ParquetTable", "Rows", "UltraTable"]

INSTANT: Final = "timestamp"


class Rows:
    """Some rows of a file of typed columns; `columns` are arrays of numbers, or lists of text."""

    def __init__(self, columns: Sequence[Any], first: int, place: str = "") -> None:
        self.columns = columns
        self._first = first
        self._place = place

    def where(self, row: int) -> str:
        """Say where a row of this piece stands in the file, counted from 0 as NumPy does."""
        return f"row {self._first + row} (from 0{self._place})"


class _ArrowColumns:
    """What Parquet and Arrow files have in common."""

    compression = "none"
    delimiter = None
    encoding = None
    named = True
    head: Sequence[Sequence[str]] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self.instants: dict[str, tuple[str, str]] = {}
        self.texts: frozenset[str] = frozenset()
        self._rows = 0
        self._total = 1

    def _meet(self, schema: Any) -> None:
        """Take names, and which of the columns are instants."""
        types = arrow(str(self.path)).types
        self.names = [name.strip() or str(i) for i, name in enumerate(schema.names, 1)]
        self.texts = frozenset(
            name for name, field in zip(self.names, schema, strict=True) if not _is_number(types, field.type)
        )
        for name, field in zip(self.names, schema, strict=True):
            kind = field.type
            if types.is_timestamp(kind):
                zone = f"given ({kind.tz})" if kind.tz else "none is given: read as UTC"
                self.instants[name] = (f"typed {kind}", zone)
            elif types.is_date(kind):
                self.instants[name] = (f"typed {kind}", "none is given: read as UTC")

    def _rows_of(self, batch: Any, place: str) -> Iterator[Rows]:
        for start in range(0, batch.num_rows, CHUNK_ROWS):
            part = batch.slice(start, CHUNK_ROWS)
            columns = [_values(part.column(i)) for i in range(part.num_columns)]
            self._rows += part.num_rows
            yield Rows(columns, self._rows - part.num_rows, place)

    @property
    def done(self) -> float:
        """Share of the rows that have been read."""
        return min(1.0, self._rows / max(1, self._total))

    def close(self) -> None:
        """Close the file."""
        self._files.close()

    _files: ExitStack
    names: list[str]


class ParquetTable(_ArrowColumns):
    """A Parquet file, read page by page with its checksums.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError, ExtraMissing
        If it cannot be read, or pyarrow is not installed.
    """

    format = "parquet"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        library = parquet(str(path))
        with ExitStack() as files, _readable(path, "Parquet"):
            self._file = library.ParquetFile(
                files.enter_context(path.open("rb")),
                buffer_size=PAGE_BUFFER,
                pre_buffer=False,
                page_checksum_verification=True,
            )
            files.callback(self._file.close)
            self._total = self._file.metadata.num_rows
            self._meet(self._file.schema_arrow)
            self._files = files.pop_all()

    def __iter__(self) -> Iterator[Rows]:
        for group in range(self._file.num_row_groups):
            where = f", row group {group}"
            batches = self._file.iter_batches(CHUNK_ROWS, row_groups=[group], use_threads=False)
            while True:
                with _readable(self.path, "Parquet", where):
                    batch = next(batches, None)
                    pieces = [] if batch is None else list(self._rows_of(batch, where))
                if batch is None:
                    break
                yield from pieces


class ArrowTable(_ArrowColumns):
    """An Arrow IPC file (Feather 2), a record batch at a time.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError, ExtraMissing
        If it cannot be read, or pyarrow is not installed.
    """

    format = "arrow"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        library = ipc(str(path))
        with ExitStack() as files, _readable(path, "Arrow IPC"):
            self._file = library.open_file(files.enter_context(path.open("rb")))
            self._begun = 0
            self._meet(self._file.schema)
            self._files = files.pop_all()

    def __iter__(self) -> Iterator[Rows]:
        for index in range(self._file.num_record_batches):
            where = f", batch {index}"
            with _readable(self.path, "Arrow IPC", where):
                batch = self._file.get_batch(index)
                self._begun += 1
                batch.validate(full=True)
                pieces = self._rows_of(batch, where)
            while True:
                with _readable(self.path, "Arrow IPC", where):
                    piece = next(pieces, None)
                if piece is None:
                    break
                yield piece

    @property
    def done(self) -> float:
        """Share of the record batches that have been read."""
        return self._begun / max(1, int(self._file.num_record_batches))


class NpyTable:
    """A ``.npy`` array: of named fields, or of columns without names.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If the file cannot be read, or holds no columns of numbers.
    """

    format = "npy"
    compression = "none"
    delimiter = None
    encoding = None
    head: Sequence[Sequence[str]] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self.instants: dict[str, tuple[str, str]] = {}
        self.texts: frozenset[str] = frozenset()
        self._read = 0
        with ExitStack() as files:
            try:
                self._file = files.enter_context(path.open("rb"))
                shape, dtype = _npy_header(path, self._file)
            except NPY_DAMAGE as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(f"{path} must be a readable .npy file, was: {error}") from error
            self._files = files.pop_all()
        self.named = dtype.names is not None
        self._rows, width = shape if len(shape) == 2 else (shape[0], 1)
        self.dtype = dtype
        self.names = list(dtype.names or (str(i) for i in range(1, width + 1)))
        self._record = dtype if self.named else np.dtype((dtype, (width,)))

    def __iter__(self) -> Iterator[Rows]:
        while self._read < self._rows:
            n = min(CHUNK_ROWS, self._rows - self._read)
            try:
                data = self._file.read(n * self._record.itemsize)
            except OSError as error:
                raise DataError(f"{self.path} must be a readable .npy file, was: {error}") from error
            if len(data) < n * self._record.itemsize:
                whole = self._read + len(data) // self._record.itemsize
                raise DataError(f"{self.path} must hold {self._rows} rows, was cut off after {whole}")
            if self.named:
                rows = np.frombuffer(data, self.dtype)
                columns: list[Any] = [_native(rows[name]) for name in self.names]
            else:
                table = np.frombuffer(data, self.dtype).reshape(n, -1)
                columns = [_native(table[:, i]) for i in range(table.shape[1])]
            self._read += n
            yield Rows(columns, self._read - n)

    @property
    def done(self) -> float:
        """Share of the rows that have been read."""
        return self._read / max(1, self._rows)

    def close(self) -> None:
        """Close the file."""
        self._files.close()


class UltraTable:
    """An ultra file, a block at a time, its checksums looked at.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If the file cannot be read or is damaged.
    """

    format = "ultra"
    compression = "none"
    delimiter = None
    encoding = None
    named = True
    head: Sequence[Sequence[str]] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.instants: dict[str, tuple[str, str]] = {}
        self.texts: frozenset[str] = frozenset()
        self._file = UltraFile(path)
        self._read = 0
        self.names = list(self._file.dtype.names or ())
        self.notes = []
        if self._file.layout.steps:
            self.notes.append("the true price beside the rows is left out")
        if self._file.torn_bytes:
            self.notes.append(f"{self._file.torn_bytes} bytes at the end are no whole block: left out")
        if not self._file.closed:
            self.notes.append("the file was not closed when it was written: rows may be missing at its end")

    def __iter__(self) -> Iterator[Rows]:
        for block in self._file:
            own = block.copy()  # at once: a map of a file that is cut meanwhile must not be touched again
            for start in range(0, len(own), CHUNK_ROWS):
                rows = own[start : start + CHUNK_ROWS]
                self._read += len(rows)
                yield Rows([_native(rows[name]) for name in self.names], self._read - len(rows))

    @property
    def done(self) -> float:
        """Share of the rows that have been read."""
        return self._read / max(1, self._file.rows)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def _npy_header(path: Path, file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"version {version} of the format")
        shape, fortran, dtype = HEADERS[version](file)
    kinds = [dtype[name] for name in dtype.names] if dtype.names else [dtype]
    good = all(kind.kind in "iufb" and kind.shape == () for kind in kinds)
    if not good or len(shape) not in ((1,) if dtype.names else (2,)) or (fortran and shape[1] > 1):
        rule = "named fields of numbers, or rows of numbers in C order"
        raise DataError(f"{path} must be of {rule}, was {dtype} of shape {shape}")
    rows = shape[0]
    size = os.fstat(file.fileno()).st_size - file.tell()
    width = dtype.itemsize * (1 if dtype.names else shape[1])
    if width == 0 or rows < 0 or rows * width > size:
        raise DataError(f"{path} must hold the {rows} rows of its header, was {size} bytes of rows")
    return shape, dtype


@contextmanager
def _readable(path: Path, what: str, where: str = "") -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except ARROW_DAMAGE as error:
        raise DataError(f"{path}{where} must be readable {what}, was: {error}") from error


def _is_number(types: Any, kind: Any) -> bool:
    checks = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    return any(check(kind) for check in checks)


def _values(column: Any) -> Any:
    """Numbers as an array, instants as int64 of ns, anything else as text; a null is NaN, or blank text."""
    lib = arrow("Arrow data")
    types, kind = lib.types, column.type
    if types.is_dictionary(kind):
        return _values(column.cast(kind.value_type))
    if types.is_timestamp(kind) or types.is_date(kind):
        if column.null_count:
            raise ValueError("a time must not be null")
        instants = column.cast(lib.timestamp("ns", tz=getattr(kind, "tz", None)))
        return np.asarray(instants.view(lib.int64()).to_numpy(zero_copy_only=False))
    if types.is_decimal(kind):
        column = column.cast(lib.float64())
    elif types.is_boolean(kind):
        column = column.cast(lib.int8())
    elif not _is_number(types, kind):
        return ["" if cell is None else str(cell) for cell in column.to_pylist()]
    if column.null_count:
        column = column.cast(lib.float64())
    return np.asarray(column.to_numpy(zero_copy_only=False))
