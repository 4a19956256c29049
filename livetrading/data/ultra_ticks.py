"""An ultra file of ticks as a recording."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import TICK
from livetrading.data.columns import CHUNK_ROWS
from livetrading.data.errors import DataError
from livetrading.data.npy_ticks import as_ticks
from livetrading.data.ultra import UltraFile
from livetrading.data.ultra_layout import formats

__all__ = ["UltraTicks"]

Ticks = NDArray[np.void]


class UltraTicks:
    """An ``.ultra`` file open for reading from its first row to its last.

    Iteration gives its rows, where they are `TICK` as views of the file, and sets `true_price`.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    true_price : ndarray of float64 or None
        The true price at each row that was given last, in USD; None where the file has none.

    Raises
    ------
    DataError
        If the file cannot be read, is damaged, has other fields than `TICK` or no rows.
    """

    def __init__(self, path: Path) -> None:
        self._file = file = UltraFile(path)
        self._read = 0
        self.true_price: NDArray[np.float64] | None = None
        try:
            if formats(file.dtype) != formats(TICK):
                raise DataError(
                    f"a recording must have the fields {formats(TICK)}, was {path} with {formats(file.dtype)}"
                )
            if file.rows == 0:
                block = ", but for a block that was not completed" if file.torn_bytes else ""
                raise DataError(f"{path} must hold at least one row, was without any{block}")
        except DataError:
            file.close()
            raise

    def __iter__(self) -> Iterator[Ticks]:
        for block, price in self._file.with_true_price():
            for begin in range(0, len(block), CHUNK_ROWS):
                rows = block[begin : begin + CHUNK_ROWS]
                self.true_price = None if price is None else price[begin : begin + CHUNK_ROWS]
                self._read += len(rows)
                yield rows if self._file.dtype == TICK else as_ticks(rows)

    @property
    def priced(self) -> bool:
        """Whether the file has a true price."""
        return self._file.layout.steps > 0

    @property
    def notes(self) -> list[str]:
        """What is to be said of the end of the file."""
        file, torn = self._file, self._file.torn_bytes
        if file.closed:
            return []
        left_out = f"; {torn:,} bytes of a block that was not completed were left out" if torn else ""
        return [f"{file.path.name} was not closed when it was written, and may go on{left_out}."]

    @property
    def done(self) -> float:
        """Share of the rows that have been read."""
        return self._read / self._file.rows

    def close(self) -> None:
        """Close the file; rows that were read stay."""
        self._file.close()
