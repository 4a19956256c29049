"""The ultra format: rows in blocks with checksums, mapped for reading, safe to append to (docs/ULTRA.md)."""

import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import numpy as np
from numpy.typing import NDArray

from livetrading.core.checksum import crc32c
from livetrading.data.errors import DataError, UltraDamaged
from livetrading.data.ultra_blocks import BLOCK_ROWS, Blocks, layout_of, priced
from livetrading.data.ultra_end import End, find_end, read_at
from livetrading.data.ultra_layout import BLOCK_HEAD, HEADER, STEP, BlockHead, EndMark, Layout

try:
    import fcntl
except ImportError:  # Windows has no such lock: nothing keeps two writers apart there
    fcntl = None  # type: ignore[assignment]

__all__ = ["BLOCK_ROWS", "UltraDamaged", "UltraFile", "UltraWriter", "append", "verify"]

Rows = NDArray[np.void]
Prices = NDArray[np.float64]

DROP: Final = getattr(mmap, "MADV_DONTNEED", None)


class UltraWriter:
    """Write rows to a new ultra file, block by block.

    What the file holds at any moment is a whole number of blocks: whatever ends the process, the blocks
    written before are there, and `append` goes on after them. It is a context manager that closes the file;
    after an exception without its end mark, since rows may be missing then.

    Parameters
    ----------
    path : Path
        Must not exist.
    dtype : dtype
        Structured, little-endian, of at most 64 numbers, in order and apart, in at most 4,096 bytes.
    block_rows : int
        Rows in a block, of 64 MiB at most. Rows wait in memory until a block of them is full.
    source : str
        What the rows are of; printable, at most 700 bytes.
    true_price : bool
        Whether rows have a true price beside them.
    sync : bool
        Have the disk take each block before the next is begun: then a loss of power loses no block.

    Attributes
    ----------
    path : Path
    rows, blocks : int
        What is in the file; rows that wait for their block to fill are not.
    torn_bytes : int
        What `append` has cut off: the beginning of a block or an end mark that was never completed.

    Raises
    ------
    DataError
        If the file exists or cannot be made, or an argument breaks a rule.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "prices.ultra"
    >>> rows = np.array([(1, 0.5), (2, np.nan)], dtype=[("ts", "<i8"), ("price", "<f8")])
    >>> with UltraWriter(path, rows.dtype) as writer:
    ...     writer.write(rows)
    >>> with UltraFile(path) as file:
    ...     print(file.rows, file.block(0)["price"])
    2 [0.5 nan]
    """

    def __init__(
        self,
        path: Path,
        dtype: np.dtype[Any],
        *,
        block_rows: int = BLOCK_ROWS,
        source: str = "",
        true_price: bool = False,
        sync: bool = False,
    ) -> None:
        path = Path(path)
        layout = layout_of(dtype, block_rows=block_rows, true_price=true_price, source=source)
        with _writable(path):
            try:
                file = path.open("xb", buffering=0)
            except FileExistsError as error:
                raise DataError(f"{path} must be a new file, was there already") from error
            try:
                _lock(path, file)
                _write_all(file, 0, layout.to_bytes())
                _synchronise(file, sync)
                _synchronise_folder(path, sync)
            except BaseException:
                file.close()
                path.unlink()
                raise
        self._begin(path, file, Blocks(layout), HEADER, sync)

    def _begin(self, path: Path, file: BinaryIO | Any, blocks: Blocks, end: int, sync: bool) -> None:
        self.path = path
        self.torn_bytes = 0
        self._file: Any = file
        self.rows, self.blocks = blocks.first_row, blocks.number
        self._blocks = blocks
        self._end = end
        self._sync = sync

    def write(self, rows: Rows, true_price: Prices | None = None) -> None:
        """Append rows.

        Parameters
        ----------
        rows : ndarray of `dtype`, shape (n,)
        true_price : ndarray of float64, shape (n,), optional
            The true price at each row in USD, NaN where not known.

        Raises
        ------
        DataError
            If an array is of another dtype or shape, a true price is out of range, the writer is closed, or
            the disk refuses the rows: then it is closed, and the blocks before them stay.
        """
        self._check_open()
        blocks = self._blocks.push(rows, true_price)
        with self._cut_short():
            for head, payload in blocks:
                self._commit(head, payload)

    def flush(self) -> None:
        """Put the rows that wait into a block of their own; the next begins where a full one would have."""
        self._check_open()
        with self._cut_short():
            self._commit_waiting()

    def close(self, *, whole: bool = True) -> None:
        """Write the rows that wait and the end mark, and close the file; errors as `write`.

        Parameters
        ----------
        whole : bool
            Whether nothing is missing. Else no end mark is written, and the file says that it may go on.
        """
        if self._file is None:
            return
        with self._cut_short():
            self._commit_waiting()
            if whole:
                mark = EndMark(self.blocks, self.rows)
                _write_all(self._file, self._end, mark.to_bytes(self._blocks.layout))
            _synchronise(self._file, self._sync)
            self._file.close()
        self._file = None

    def _check_open(self) -> None:
        if self._file is None:
            raise DataError(f"rows must be written to an open writer, was closed: {self.path}")

    def _commit_waiting(self) -> None:
        if self._blocks.waiting:
            self._commit(*self._blocks.finish())

    def _commit(self, head: bytes, payload: memoryview) -> None:
        """Write a block: it is one when its header is there, so that comes last."""
        start = self._blocks.layout.at(self.blocks)
        _write_all(self._file, start + BLOCK_HEAD, payload)
        _synchronise(self._file, self._sync)
        _write_all(self._file, start, head)
        _synchronise(self._file, self._sync)
        self._end = start + BLOCK_HEAD + len(payload)
        self.rows, self.blocks = self._blocks.first_row, self._blocks.number

    @contextmanager
    def _cut_short(self) -> Iterator[None]:
        """After an error, or an interrupt, leave the blocks that were whole before, and close."""
        try:
            with _writable(self.path):
                yield
        except BaseException:
            with suppress(OSError):  # what stays behind the last block is known to be no block
                self._file.truncate(self._end)
            with suppress(OSError):
                self._file.close()
            self._file = None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(whole=kind is None)


def append(path: Path, *, sync: bool = False) -> UltraWriter:
    """Open an ultra file to write on after its last whole block.

    What stands behind that, of a block or an end mark that was never completed, is cut off.

    Parameters
    ----------
    path : Path
    sync : bool
        As for `UltraWriter`.

    Returns
    -------
    UltraWriter
        Its `torn_bytes` says how much was cut off.

    Raises
    ------
    UltraDamaged
        If the file's header, the last block or the end mark is damaged.
    DataError
        If the file is none of this format, cannot be written, or is being written by another process.
    """
    path = Path(path)
    _check_file(path)
    with ExitStack() as files, _writable(path):
        file = files.enter_context(path.open("r+b", buffering=0))
        _lock(path, file)
        layout, end = _last_block(path)
        file.truncate(end.at)
        files.pop_all()
    writer = UltraWriter.__new__(UltraWriter)
    writer._begin(path, file, Blocks(layout, end.blocks, end.rows), end.at, sync)
    writer.torn_bytes = end.torn
    return writer


def _last_block(path: Path) -> tuple[Layout, End]:
    """Look at the block that is to be followed; no map of the file is left, so that it can be cut."""
    with UltraFile(path) as file:
        if file.blocks:
            file.block(file.blocks - 1)
        return file.layout, file.end


class UltraFile:
    """An ultra file, open for reading; a context manager, and an iterator over its blocks.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    path : Path
    layout : Layout
    end : End

    Raises
    ------
    UltraDamaged
        If the file's header, that of the last block or the end mark is damaged.
    DataError
        If the file is none of this format or cannot be read.

    Notes
    -----
    Opening reads the header and the ends, however long the file is. Rows are views of a map of the file: they
    stay as long as they are used, also after `close`. Iteration gives the memory of a block back before the
    next. A file that grows meanwhile is read to what it was at opening.
    """

    def __init__(self, path: Path) -> None:
        self._open(Path(path))
        if self.end.fault is not None:
            self.close()
            raise self.end.fault

    def _open(self, path: Path) -> None:
        self.path = path
        _check_file(path)
        with ExitStack() as files, _readable(path):
            file = files.enter_context(path.open("rb", buffering=0))
            size = os.fstat(file.fileno()).st_size
            self.layout = Layout.from_bytes(path, read_at(file, 0, HEADER))
            self.end = find_end(path, file, self.layout, size)
            self._map = mmap.mmap(file.fileno(), self.end.at, access=mmap.ACCESS_READ)
            self._file: BinaryIO | Any = file
            files.pop_all()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the rows."""
        return self.layout.dtype

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.end.rows

    @property
    def blocks(self) -> int:
        """How many there are."""
        return self.end.blocks

    @property
    def first_ts(self) -> int | None:
        """The `ts` of the first row in ns; None where there is no row, or rows have no time."""
        return self.head(0).first_ts if self.blocks and self.layout.timed else None

    @property
    def last_ts(self) -> int | None:
        """The `ts` of the last row."""
        return self.end.head.last_ts if self.end.head is not None and self.layout.timed else None

    @property
    def torn_bytes(self) -> int:
        """Bytes after the last whole block, of one that was never completed; they are left out."""
        return self.end.torn

    @property
    def closed(self) -> bool:
        """Whether the file was closed when it was written, so that nothing is missing at its end."""
        return self.end.closed

    def head(self, block: int) -> BlockHead:
        """Return the header of a block; IndexError if there is none such, UltraDamaged if it is damaged."""
        if not 0 <= block < self.blocks:
            raise IndexError(f"block must be from 0 to {self.blocks - 1}, was {block}")
        self._check_size(block)
        start = self.layout.at(block)
        return BlockHead.from_bytes(self.path, block, self._map[start : start + BLOCK_HEAD], self.layout)

    def block(self, block: int) -> Rows:
        """Return the rows of a block, after a look at its checksum.

        Parameters
        ----------
        block : int
            From 0.

        Returns
        -------
        ndarray of `dtype`, shape (n,)
            A read-only view of the file, its start aligned to 64 bytes.

        Raises
        ------
        IndexError
            If there is no such block.
        UltraDamaged
            If it does not agree with its checksum, or the file has been cut meanwhile.
        """
        return self._rows(self._checked(block))

    def true_price(self, block: int) -> Prices | None:
        """Return the true price at each row of a block in USD, None where there is none; else as `block`."""
        return self._prices(self._checked(block))

    def __iter__(self) -> Iterator[Rows]:
        return (rows for rows, _ in self.with_true_price())

    def with_true_price(self) -> Iterator[tuple[Rows, Prices | None]]:
        """Yield the rows of block after block, and the true price at each; errors as `block`."""
        first_row = 0
        for number in range(self.blocks):
            head = self._checked(number)
            if head.first_row != first_row:
                words = f"it must begin with row {first_row}, was {head.first_row}"
                raise UltraDamaged(self.path, number, words)
            first_row += head.rows
            yield self._rows(head), self._prices(head)
            self._drop(number)

    def _checked(self, block: int) -> BlockHead:
        """Return the header of a block that agrees with its checksums and has nothing but zeros behind it."""
        head, layout = self.head(block), self.layout
        begin, end = layout.at(block), layout.at(block) + layout.used(head.rows, head.steps)
        after = min(layout.at(block + 1), self.end.at)
        if end > after:
            raise UltraDamaged(self.path, block, f"it must end before the next begins, was {head}")
        if crc32c(self._bytes(begin + BLOCK_HEAD, end)) != head.payload_crc:
            raise UltraDamaged(self.path, block, "its rows must agree with their checksum, did not")
        if self._bytes(end, after).any():
            raise UltraDamaged(self.path, block, "what follows its rows must be zero, was not")
        return head

    def _bytes(self, begin: int, end: int) -> NDArray[np.uint8]:
        return np.frombuffer(self._map, np.uint8, end - begin, begin)

    def _rows(self, head: BlockHead) -> Rows:
        start = self.layout.at(head.number) + BLOCK_HEAD
        return np.frombuffer(self._map, self.dtype, head.rows, start)

    def _prices(self, head: BlockHead) -> Prices | None:
        if not self.layout.steps:
            return None
        start = self.layout.at(head.number) + self.layout.steps_at(head.rows)
        steps = np.frombuffer(self._map, STEP, head.steps, start)
        at = steps["row"]
        in_order = at[0] == 0 and bool((at[1:] > at[:-1]).all()) and at[-1] < head.rows
        if not in_order or not priced(steps["value"]).all():
            raise UltraDamaged(
                self.path, head.number, "its true prices must be in order and in range, were not"
            )
        return np.repeat(steps["value"], np.diff(at, append=head.rows))

    def _check_size(self, block: int) -> None:
        """Touching a map past the end of its file would end the process."""
        if self._file.closed:
            raise DataError(f"an ultra file must be open to be read, was closed: {self.path}")
        size = os.fstat(self._file.fileno()).st_size
        if size < self.end.at:
            raise UltraDamaged(self.path, block, f"the file was cut to {size} bytes while it was read")

    def _drop(self, block: int) -> None:
        """Give a block's pages back; who still looks at its rows has them read again."""
        if DROP is not None:
            begin = self.layout.at(block) // mmap.PAGESIZE * mmap.PAGESIZE
            end = min(self.layout.at(block + 1), self.end.at)
            self._map.madvise(DROP, begin, end - begin)

    def close(self) -> None:
        """Close the file; the map of it goes with the last rows that are views of it."""
        self._file.close()
        with suppress(BufferError):  # somebody still looks at rows
            self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def verify(path: Path) -> list[UltraDamaged]:
    """Read a file whole and say what is damaged.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of UltraDamaged
        A fault a block, in order; that of the file's header or its end mark has None as its block. Empty
        where all is well. What was never completed behind the last block is no damage.

    Raises
    ------
    DataError
        If the file is none of this format or cannot be read.
    """
    file = UltraFile.__new__(UltraFile)
    try:
        file._open(Path(path))
    except UltraDamaged as fault:
        return [fault]
    with file:
        faults = list(_faults(file))
    return faults if file.end.fault is None else [*faults, file.end.fault]


def _faults(file: UltraFile) -> Iterator[UltraDamaged]:
    first_row: int | None = 0
    for number in range(file.blocks):
        try:
            head = file._checked(number)
            file._prices(head)
        except UltraDamaged as fault:
            first_row = None  # where the next begins is not known then
            yield fault
            continue
        if first_row not in (None, head.first_row):
            yield UltraDamaged(file.path, number, f"it must begin with row {first_row}, was {head.first_row}")
        first_row = head.first_row + head.rows
        file._drop(number)


def _check_file(path: Path) -> None:
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe nobody writes to is read for ever
        raise DataError(f"{path} must be a readable file, was: a directory, a pipe or a device")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, OverflowError) as error:  # overflow: larger than the address space
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} must be a readable ultra file, was: {error}") from error


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} must be writable, was: {error}") from error


def _lock(path: Path, file: BinaryIO | Any) -> None:
    """Keep a second writer out, for as long as the file is open."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataError(f"{path} must be written by one process at a time, was locked") from error


def _write_all(file: BinaryIO | Any, at: int, data: bytes | memoryview) -> None:
    file.seek(at)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _synchronise_folder(path: Path, wanted: bool) -> None:
    """Make the name of a new file last; Windows does that by itself."""
    if wanted and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _synchronise(file: BinaryIO | Any, wanted: bool) -> None:
    if wanted:
        os.fsync(file.fileno())
