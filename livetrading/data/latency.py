"""Recorded order latencies from files."""

import csv
import os
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.data.errors import DataError
from livetrading.data.merge import TS_MAX
from livetrading.data.npy_ticks import DAMAGE

__all__ = ["LATENCY_MAX_NS", "read_latencies"]

LATENCY_MAX_NS: Final = 10**15
"""The longest latency that the settings take: eleven days."""
HEADERS: Final = (["latency_ns"], ["ts_ns", "latency_ns"])


def read_latencies(path: Path) -> NDArray[np.int64]:
    """Read how long orders took to arrive.

    Parameters
    ----------
    path : Path
        A ``.csv`` file whose first line is ``latency_ns`` or ``ts_ns,latency_ns``, or a ``.npy`` array of
        whole numbers of the same columns.

    Returns
    -------
    ndarray of int64, shape (n,) or (n, 2)
        Nanoseconds, from 0 to 1e15; in two columns the time since the Unix epoch, which does not go back,
        and the latency. n is 1 at least.

    Raises
    ------
    DataError
        If the file cannot be read, or a row breaks a rule; the message names the row.
    """
    path = Path(path)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe nobody writes to is read for ever
        raise DataError(f"{path} must be a readable file, was: a directory, a pipe or a device")
    table, first = (_read_array(path), 0) if path.suffix == ".npy" else (_read_csv(path), 2)
    bad = np.flatnonzero((table[:, -1] < 0) | (table[:, -1] > LATENCY_MAX_NS))
    if len(bad):
        rule = f"a latency must be from 0 to {LATENCY_MAX_NS} ns"
        raise DataError(f"{path}, row {bad[0] + first}: {rule}, was {table[bad[0], -1]}")
    if table.shape[1] == 1:
        return table[:, 0]
    times = table[:, 0]
    bad = np.flatnonzero((times < np.r_[0, times[:-1]]) | (times > TS_MAX))
    if len(bad):
        rule = f"a time must be from 0 to {TS_MAX} ns and not go back"
        raise DataError(f"{path}, row {bad[0] + first}: {rule}, was {times[bad[0]]}")
    return table


def _read_array(path: Path) -> NDArray[np.int64]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # `np.load` opens what looks like an archive as one, and leaves a broken one open
            array = np.lib.format.open_memmap(path, mode="r")
    except DAMAGE as error:
        raise DataError(f"{path} must be a .npy array, was: {error}") from error
    fits = array.dtype.kind in "iu" and np.can_cast(array.dtype, np.int64)
    if not fits or array.size == 0 or not (array.ndim == 1 or array.shape[1:] == (2,)):
        rule = "whole numbers of shape (n,), or (n, 2) with the time first"
        raise DataError(f"{path} must be {rule}, was {array.dtype} of shape {array.shape}")
    return np.asarray(array.reshape(len(array), -1).astype(np.int64))


def _read_csv(path: Path) -> NDArray[np.int64]:
    """Read a table, a row a line, without what is blank."""
    rows: list[list[int]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(lines, [])]
            if header not in HEADERS:
                named = " or ".join(",".join(names) for names in HEADERS)
                raise DataError(f"{path} must begin with {named}, was {','.join(header)!r}")
            for line in filter(None, lines):
                rows.append(_whole(path, lines.line_num, line, len(header)))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8, was {error.object[error.start : error.end]!r}") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} must be a readable CSV file, was: {error}") from error
    if not rows:
        raise DataError(f"{path} must hold at least one row, was a header alone")
    return np.array(rows, np.int64)


def _whole(path: Path, line: int, cells: list[str], width: int) -> list[int]:
    at = f"{path}, line {line}"
    if len(cells) != width:
        raise DataError(f"{at}: must have {width} fields, was {len(cells)}")
    try:
        values = [int(cell.replace("_", "?")) for cell in cells]  # Python's own literals group digits with it
    except ValueError as error:
        raise DataError(f"{at}: must be whole numbers, was {','.join(cells)!r}") from error
    if any(abs(value) > TS_MAX for value in values):
        raise DataError(f"{at}: must be from 0 to {TS_MAX}, was {','.join(cells)!r}")
    return values
