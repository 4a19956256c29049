"""A stream of ticks to an ultra file, so that what was made of it can be made of it again, bit for bit."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import TICK
from livetrading.data.errors import DataError
from livetrading.data.ultra import BLOCK_ROWS, UltraFile, UltraWriter, append
from livetrading.data.ultra_layout import formats

__all__ = ["Recorder"]


class Recorder:
    """Record ticks, of a live or a simulated stream, as they come.

    Whatever ends the process, the file holds a whole number of blocks, and opens as a recording. It is a
    context manager that closes the file; after an exception without its end mark, since ticks may be missing.

    Parameters
    ----------
    path : Path
        Ends in ``.ultra``. Must not exist, unless it is gone on with.
    source : str
        What the ticks are of; printable, at most 828 bytes.
    priced : bool
        Whether a true price comes with the ticks. A processor that was given one trades otherwise without.
    block_rows : int
        Ticks in a block, 1 to 2**20; as many can be lost when the process ends badly.
    sync : bool
        Have the disk take each block before the next is begun: then a loss of power loses no block.
    resume : bool
        Go on with a file of ticks that is there, after its last whole block. The other arguments but `sync`
        are the file's then.

    Attributes
    ----------
    path : Path

    Raises
    ------
    DataError
        If the file cannot be made or gone on with, or an argument breaks a rule.

    Notes
    -----
    A live stream of a few ticks a second wants small blocks: `flush` makes one of what waits, but it takes
    the room of a full one.

    Examples
    --------
    >>> import tempfile
    >>> from livetrading import GbmMarket, open_ticks
    >>> path, ticks = Path(tempfile.mkdtemp()) / "gbm.ultra", np.zeros(1000, TICK)
    >>> GbmMarket(1, 0, 10**9, 60_000.0, 1e-4).fill(ticks)
    >>> with Recorder(path) as recorder:
    ...     recorder.write(ticks)
    >>> with open_ticks([path]) as recording:
    ...     print(bytes(recording.read(1000)) == bytes(ticks))
    True
    """

    def __init__(
        self,
        path: Path,
        *,
        source: str = "",
        priced: bool = False,
        block_rows: int = BLOCK_ROWS,
        sync: bool = False,
        resume: bool = False,
    ) -> None:
        self.path = path = Path(path)
        if path.suffix != ".ultra":
            raise DataError(f"ticks must be recorded to a file .ultra, was {path}")
        if resume:
            with UltraFile(path) as file:
                if file.dtype != TICK:
                    raise DataError(f"{path} must hold ticks to be gone on with, was {formats(file.dtype)}")
            self._writer = append(path, sync=sync)
        else:
            self._writer = UltraWriter(
                path, TICK, block_rows=block_rows, source=source, true_price=priced, sync=sync
            )

    @property
    def rows(self) -> int:
        """Ticks that are in the file; others wait for their block to fill."""
        return self._writer.rows

    def write(self, ticks: NDArray[np.void], true_price: NDArray[np.float64] | None = None) -> None:
        """Record ticks.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (n,)
        true_price : ndarray of float64, shape (n,), optional
            The true price at each in USD, NaN where not known.

        Raises
        ------
        DataError
            If an array is of another dtype or shape, a true price is out of range, the recorder is closed, or
            the disk refuses the ticks: then it is closed, and the blocks before them stay.
        """
        self._writer.write(ticks, true_price)

    def flush(self) -> None:
        """Put the ticks that wait into a block of their own; errors as `write`."""
        self._writer.flush()

    def close(self, *, whole: bool = True) -> None:
        """Put the ticks that wait into the file and close it, as `UltraWriter.close` does."""
        self._writer.close(whole=whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(whole=kind is None)
