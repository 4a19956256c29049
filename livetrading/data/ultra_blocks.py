"""Rows on their way into the blocks of an ultra file."""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.checksum import crc32c
from livetrading.data.errors import DataError
from livetrading.data.merge import PRICE_MAX, PRICE_MIN
from livetrading.data.ultra_layout import BLOCK_HEAD, STEP, STEP_ROWS_MIN, BlockHead, Layout

__all__ = ["BLOCK_ROWS", "Blocks", "layout_of", "priced"]

Rows = NDArray[np.void]
Prices = NDArray[np.float64]

BLOCK_ROWS: Final = 65_536
"""Rows in a block unless told otherwise: 4 MiB of ticks."""
STEP_EVERY: Final = 64
"""A block has room for a new true price every so many rows."""


@cache
def _creator() -> str:
    return f"livetrading {version('livetrading')}"


def layout_of(
    dtype: np.dtype[Any], *, block_rows: int = BLOCK_ROWS, true_price: bool = False, source: str = ""
) -> Layout:
    """Lay out a file of this program's.

    Parameters
    ----------
    dtype : dtype
        Structured, of numbers.
    block_rows : int
        Most rows of a block.
    true_price : bool
        Whether the rows have a true price beside them.
    source : str
        What the rows are of.

    Raises
    ------
    DataError
        If one of them breaks a rule of the format.
    """
    steps = max(STEP_ROWS_MIN, block_rows // STEP_EVERY) if true_price else 0
    return Layout(dtype, block_rows, steps, _creator(), source)


class Blocks:
    """Rows on their way into blocks.

    Parameters
    ----------
    layout : Layout
    number, rows : int
        Blocks and rows that the file has already.
    """

    def __init__(self, layout: Layout, number: int = 0, rows: int = 0) -> None:
        self.layout = layout
        self.number = number
        self.first_row = rows
        self._count = 0
        self._steps: list[Any] = []
        self._price = 0  # the bits of the last one
        self._clear()

    def _clear(self) -> None:
        """Start on zeros: equal rows give equal bytes, those between the fields and behind them included."""
        layout = self.layout
        self._bytes = np.zeros(layout.slot - BLOCK_HEAD, np.uint8)
        self._rows = np.frombuffer(self._bytes, layout.dtype, layout.block_rows)

    @property
    def waiting(self) -> int:
        """Rows that are in no block yet."""
        return self._count

    def push(self, rows: Rows, true_price: Prices | None = None) -> Iterator[tuple[bytes, memoryview]]:
        """Take rows, and yield the header and the payload of every block that they fill.

        The payload is overwritten when the next is asked for.
        """
        if rows.dtype != self.layout.dtype or rows.ndim != 1:
            raise DataError(f"rows must be of {self.layout.dtype}, was {rows.dtype} of shape {rows.shape}")
        if true_price is not None:
            _check_prices(true_price, len(rows), self.layout)
        elif self.layout.steps:
            true_price = np.full(len(rows), np.nan)
        return self._push(rows, true_price)

    def _push(self, rows: Rows, prices: Prices | None) -> Iterator[tuple[bytes, memoryview]]:
        while len(rows):
            n = min(len(rows), self.layout.block_rows - self._count)
            n, filled = (n, False) if prices is None else self._take_steps(prices[:n])
            for name in self.layout.dtype.names or ():
                self._rows[name][self._count : self._count + n] = rows[name][:n]
            self._count += n
            rows, prices = rows[n:], None if prices is None else prices[n:]
            if filled or self._count == self.layout.block_rows:
                yield self.finish()

    def _take_steps(self, prices: Prices) -> tuple[int, bool]:
        """Note where the price changes; how many rows there was room for, and whether it ended there."""
        bits = np.ascontiguousarray(prices).view(np.int64)
        before = bits[:1] ^ 1 if self._count == 0 else np.array([self._price])
        at = np.flatnonzero(np.diff(bits, prepend=before))
        room = self.layout.steps - sum(map(len, self._steps))
        n = int(at[room]) if len(at) > room else len(bits)
        at = at[:room]
        steps = np.zeros(len(at), STEP)
        steps["row"], steps["value"] = self._count + at, prices[at]
        self._steps.append(steps)
        if n:
            self._price = int(bits[n - 1])
        return n, n < len(bits)

    def finish(self) -> tuple[bytes, memoryview]:
        """Return the header and the payload of a block of the rows that wait, one at least."""
        layout, count = self.layout, self._count
        steps = np.concatenate(self._steps) if self._steps else np.empty(0, STEP)
        end = layout.used(count, len(steps)) - BLOCK_HEAD
        at = layout.steps_at(count) - BLOCK_HEAD
        payload, rows = self._bytes, self._rows[:count]
        first_ts, last_ts = (int(rows["ts"][i]) if layout.timed else 0 for i in (0, -1))
        payload[at : at + steps.nbytes] = steps.view(np.uint8)
        head = BlockHead(
            self.number, self.first_row, first_ts, last_ts, count, len(steps), crc32c(payload[:end])
        )
        if layout.steps or count < layout.block_rows:
            self._clear()
        self.number += 1
        self.first_row += count
        self._count = 0
        self._steps.clear()
        return head.to_bytes(layout), payload[:end].data


def _check_prices(prices: Prices, rows: int, layout: Layout) -> None:
    if not layout.steps:
        raise DataError("a true price must be given for a file that has one, was given for one without")
    if prices.dtype != np.float64 or prices.shape != (rows,):
        raise DataError(f"true prices must be {rows} of float64, was {prices.dtype} of shape {prices.shape}")
    if not priced(prices).all():
        raise DataError(f"a true price must be NaN, for not known, or from {PRICE_MIN} to {PRICE_MAX} USD")


def priced(prices: Prices) -> NDArray[np.bool_]:
    """Tell which true prices the core takes: NaN, for not known, and those of a market."""
    return np.isnan(prices) | (prices >= PRICE_MIN) & (prices <= PRICE_MAX)
