"""Rows of results to a file, as they come."""

import gzip
import os
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from livetrading.data.arrow import arrow, ipc, parquet
from livetrading.data.errors import DataError
from livetrading.data.ultra_blocks import Blocks, layout_of
from livetrading.data.ultra_layout import EndMark

try:
    import fcntl
except ImportError:  # Windows has no such lock: what a killed writer leaves has to be removed by hand there
    fcntl = None  # type: ignore[assignment]

__all__ = ["FORMATS", "ResultWriter", "partial_of", "remove_left_over", "suffix_of"]

GROUP_ROWS: Final = 65_536
"""Rows in a row group of a Parquet file, or a record batch of an Arrow file."""

PARTIAL: Final = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.partial", re.DOTALL)
"""The name of a file that is not complete yet."""


class Format(Protocol):
    """A file format, open for appending rows."""

    def write(self, rows: NDArray[np.void]) -> None:
        """Append the rows."""

    def close(self) -> None:
        """Write what must stand after, or about, all rows; the file itself stays open."""


class Npy:
    """An array in NumPy's format; the header is written again once the number of rows is known."""

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._dtype = dtype
        self._rows = 0
        self._write_header()
        self._data_starts = file.tell()

    def _write_header(self) -> None:
        shape = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._rows,)}
        npy.write_array_header_1_0(self._file, shape)

    def write(self, rows: NDArray[np.void]) -> None:
        packed = np.zeros(len(rows), self._dtype)  # equal rows give equal bytes, padding included
        for name in self._dtype.names or ():
            packed[name] = rows[name]
        self._file.write(packed.data)
        self._rows += len(rows)

    def close(self) -> None:
        self._file.seek(0)
        self._write_header()
        # NumPy leaves room for the first axis to grow, so that the data stay where they are.
        if self._file.tell() != self._data_starts:
            raise DataError(f"a .npy header must end at byte {self._data_starts}, was {self._file.tell()}")


class Csv:
    """A line of names, then a line a row; floats in the shortest form that reads back the same, or nan."""

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._file.write((",".join(dtype.names or ()) + "\n").encode())

    def write(self, rows: NDArray[np.void]) -> None:
        self._file.write("".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()).encode())

    def close(self) -> None:
        pass


class CsvGz(Csv):
    """CSV through gzip, without the time of writing: equal rows give equal bytes."""

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        self._packed = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
        super().__init__(cast(BinaryIO, self._packed), dtype)

    def close(self) -> None:
        self._packed.close()


class CsvZst(Csv):
    """CSV through Zstandard."""

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        lib = arrow(".csv.zst")
        own = open(os.dup(file.fileno()), "wb")  # noqa: SIM115 - the stream closes what it is given
        self._packed = lib.CompressedOutputStream(lib.PythonFile(own, mode="w"), "zstd")
        super().__init__(self._packed, dtype)

    def close(self) -> None:
        self._packed.close()


class _Grouped:
    """Rows in groups of 65,536, however they come."""

    def __init__(self, dtype: np.dtype[Any], needs: str) -> None:
        self._arrow = arrow(needs)
        fields = [(name, self._arrow.from_numpy_dtype(dtype[name])) for name in dtype.names or ()]
        self._schema = self._arrow.schema(fields)
        self._group = np.empty(GROUP_ROWS, dtype)
        self._rows = 0
        self._writer: Any = None

    def write(self, rows: NDArray[np.void]) -> None:
        while len(rows):
            part, rows = np.split(rows, [GROUP_ROWS - self._rows])
            self._group[self._rows : self._rows + len(part)] = part
            self._rows += len(part)
            if self._rows == GROUP_ROWS:
                self._write_group()

    def _write_group(self) -> None:
        group, self._rows = self._group[: self._rows], 0
        columns = [np.ascontiguousarray(group[name]) for name in self._schema.names]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        if self._rows:
            self._write_group()
        self._writer.close()


class Parquet(_Grouped):
    """A Parquet file of row groups of 65,536 rows, however the rows come, with a checksum a page."""

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        super().__init__(dtype, ".parquet")
        small = [name for name in self._schema.names if dtype[name].itemsize == 1]
        # A dictionary of numbers that hardly repeat is four times the work and a larger file.
        self._writer = parquet(".parquet").ParquetWriter(
            file, self._schema, use_dictionary=small, write_page_checksum=True
        )


class Arrow(_Grouped):
    """An Arrow IPC file (Feather 2) of record batches of 65,536 rows, however the rows come."""

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        super().__init__(dtype, ".arrow")
        self._writer = ipc(".arrow").new_file(file, self._schema)


class Ultra:
    """An ultra file, whose blocks are written in order, each whole."""

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._blocks = Blocks(layout_of(dtype))
        self._file.write(self._blocks.layout.to_bytes())

    def write(self, rows: NDArray[np.void]) -> None:
        for head, payload in self._blocks.push(rows):
            self._write_block(head, payload)

    def _write_block(self, head: bytes, payload: memoryview) -> None:
        self._file.write(head)
        self._file.write(payload)

    def close(self) -> None:
        if self._blocks.waiting:
            self._write_block(*self._blocks.finish())
        mark = EndMark(self._blocks.number, self._blocks.first_row)
        self._file.write(mark.to_bytes(self._blocks.layout))


FORMATS: Final[Mapping[str, Callable[[BinaryIO, np.dtype[Any]], Format]]] = {
    ".npy": Npy,
    ".ultra": Ultra,
    ".csv": Csv,
    ".csv.gz": CsvGz,
    ".csv.zst": CsvZst,
    ".parquet": Parquet,
    ".arrow": Arrow,
}
"""What writes each format, by how the name of its files ends."""


def suffix_of(path: Path) -> str:
    """Return the one that names the format, or raise DataError."""
    for suffix in FORMATS:
        if path.name.endswith(suffix):
            return suffix
    raise DataError(f"results must go to one of {', '.join(FORMATS)}, was {path}")


def partial_of(target: Path) -> Path:
    """Return a name for a file that is not complete yet, beside its target."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")


class ResultWriter:
    """Write rows to a file as they come; the file is there whole, or not at all.

    Rows go to a temporary file beside the target, which takes its place when the context ends without an
    exception, and is removed when it ends with one. A file already at `path` is replaced only then; where
    `path` is a symbolic link, that is the file it leads to.

    Parameters
    ----------
    path : Path
        The target; its name chooses the format: ``.npy``, ``.ultra``, ``.csv``, ``.csv.gz``,
        ``.csv.zst``, ``.parquet`` or ``.arrow`` (these three need pyarrow).
    dtype : dtype
        A structured dtype of numbers, such as `RESULT`.

    Raises
    ------
    DataError
        If the suffix is another, something else than a file stands at `path`, or its directory does not
        exist.
    ExtraMissing
        If the format needs pyarrow, which is not installed.

    Notes
    -----
    Holds no more than the rows of one write, and of a Parquet or Arrow file a group of rows. The bytes of a
    file are those of its rows, however these were cut into writes, but for ``.csv.zst``. The temporary file
    of a process that was killed stays; `remove_left_over` knows it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.csv"
    >>> rows = np.array([(1, 0.1), (2, np.nan)], dtype=[("ts", "<i8"), ("z_score", "<f8")])
    >>> with ResultWriter(path, rows.dtype) as results:
    ...     results.write(rows)
    >>> print(path.read_text(), end="")
    ts,z_score
    1,0.1
    2,nan
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        path = Path(path)
        suffix = suffix_of(path)
        target = os.path.realpath(path)
        if os.path.lexists(target) and not os.path.isfile(target):
            raise DataError(f"results must go to a file, was a directory, a pipe, a device or a loop: {path}")
        if not os.path.isdir(os.path.dirname(target)):
            raise DataError(f"results must go to a file in a directory that exists, was {path}")
        if suffix in (".csv.zst", ".parquet", ".arrow"):
            parquet(str(path))
        self._path = path
        self._suffix = suffix
        self._dtype = dtype
        self._target = Path(target)
        self._partial = partial_of(self._target)
        self._file: BinaryIO | None = None
        self._format: Format | None = None

    def __enter__(self) -> Self:
        """Open the temporary file; DataError if it cannot be made."""
        try:
            self._file = self._partial.open("xb")
            _lock(self._file)
            self._format = FORMATS[self._suffix](self._file, self._dtype)
        except BaseException as error:
            self._discard()
            if isinstance(error, OSError):
                raise DataError(f"{self._path} must be writable, was: {error}") from error
            raise
        return self

    def write(self, rows: NDArray[np.void]) -> None:
        """Append rows.

        Parameters
        ----------
        rows : ndarray of `dtype`, shape (n,)
            n may be 0.

        Raises
        ------
        DataError
            If the rows are of another dtype or shape, the writer is not open, or the disk refuses them.
        """
        if self._format is None:
            raise DataError(f"results must be written to an open writer, was closed: {self._path}")
        if rows.dtype != self._dtype or rows.ndim != 1:
            raise DataError(f"results must be rows of {self._dtype}, was {rows.dtype} of shape {rows.shape}")
        if len(rows) == 0:
            return
        try:
            self._format.write(rows)
        except BaseException as error:  # also an interrupt: rows written in part cannot be continued
            self._discard()
            if isinstance(error, OSError):
                raise DataError(f"{self._path} must be writable, was: {error}") from error
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the file in its place, or remove it after an exception; DataError if a write was cut off."""
        try:
            if kind is None:
                self._finish()
        except OSError as failure:
            raise DataError(f"{self._path} must be writable, was: {failure}") from failure
        finally:
            self._discard()

    def _finish(self) -> None:
        form, self._format = self._format, None
        if form is None or self._file is None:
            raise DataError(f"{self._path} must be written whole, was cut off in a write")
        form.close()
        self._file.flush()
        os.fsync(self._file.fileno())  # else a loss of power could leave the name to a file without its bytes
        self._file.close()
        self._partial.replace(self._target)

    def _discard(self) -> None:
        """Close and remove the temporary file, if it is there; what it cannot take is to be lost anyway."""
        if self._format is not None:
            with suppress(OSError):  # while the file is open: a Parquet writer closes itself when collected
                self._format.close()
            self._format = None
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
            self._partial.unlink(missing_ok=True)


def _lock(file: BinaryIO) -> None:
    """Hold the file for as long as it is open, to show that its writer lives."""
    if fcntl is not None:
        with suppress(OSError):  # not every file system knows locks; then nothing is removed there either
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.name == "posix" and os.fstat(file.fileno()).st_nlink == 0:
        raise FileNotFoundError(f"the temporary file was removed as soon as it was made: {file.name}")


def remove_left_over(folder: Path, names: Collection[str]) -> list[Path]:
    """Remove what writers that were killed have left of files in a folder.

    Parameters
    ----------
    folder : Path
    names : collection of str
        The files whose temporary files are looked at; those of writers at work stay.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed: list[Path] = []
    if fcntl is None:
        return removed
    with os.scandir(folder) as entries:
        found = [
            entry for entry in entries if (part := PARTIAL.fullmatch(entry.name)) and part["name"] in names
        ]
    for entry in found:
        path = Path(entry.path)
        with suppress(OSError), path.open("r+b") as file:  # of another writer at work, or of another user
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed.append(path)
    return removed
