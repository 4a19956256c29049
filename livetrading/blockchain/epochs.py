"""The chain's own facts by retarget epoch, shipped with the package: heights, times and targets."""

from dataclasses import dataclass, field
from importlib import resources
from typing import Final

import numpy as np

from livetrading.blockchain.domain import MAX_TIME, DomainError, Floats, Int64s, int_of
from livetrading.blockchain.targets import (
    BLOCK_INTERVAL_S,
    BLOCKS_PER_RETARGET,
    REGTEST_LIMIT_BITS,
    difficulty,
)

__all__ = ["EPOCHS", "EpochTable"]


@dataclass(frozen=True, slots=True, eq=False)
class EpochTable:
    """One row a retarget epoch, from the genesis block on.

    Attributes
    ----------
    start_height : ndarray of int64, shape (n,), read-only
        Height of the epoch's first block: 0, 2016, 4032 ...
    time : ndarray of int64, shape (n,), read-only
        Time of that block, s since the Unix epoch. In `EPOCHS` an estimate, but for block 0.
    bits : ndarray of int64, shape (n,), read-only
        Compact target of the epoch's blocks.
    difficulty : ndarray of float64, shape (n,), read-only
        Of `bits`.
    span : ndarray of int64, shape (n,), read-only
        Seconds from an epoch's first block to the next one's; 1,209,600 for the last epoch and what follows.

    Raises
    ------
    DomainError
        If there is no row, if columns differ in length, if heights are no multiples of 2016 in order, if an
        epoch takes less than a second a block, or if bits mean no target.
    TypeError
        If a column is not an array of ints.
    """

    start_height: Int64s
    time: Int64s
    bits: Int64s
    difficulty: Floats = field(init=False)
    span: Int64s = field(init=False)

    def __post_init__(self) -> None:
        heights = int_of(np.array(self.start_height), "start_height", 0, 2**40)
        times = int_of(np.array(self.time), "time", 0, MAX_TIME)
        bits = int_of(np.array(self.bits), "bits", 0, 2**32 - 1)
        if not (heights.ndim == 1 and heights.size and heights.shape == times.shape == bits.shape):
            shapes = ", ".join(str(column.shape) for column in (heights, times, bits))
            raise DomainError(f"columns must be of one length of at least 1, was {shapes}")
        expected = BLOCKS_PER_RETARGET * np.arange(heights.size)
        if not np.array_equal(heights, expected):
            wrong = int(heights[heights != expected][0])
            raise DomainError(
                f"start_height must be the multiples of {BLOCKS_PER_RETARGET} from 0, was {wrong}"
            )
        span = np.append(np.diff(times), BLOCKS_PER_RETARGET * BLOCK_INTERVAL_S)
        if span.min() < BLOCKS_PER_RETARGET:
            raise DomainError(f"an epoch must take {BLOCKS_PER_RETARGET} s or more, was {span.min()}")
        columns = {
            "start_height": heights,
            "time": times,
            "bits": bits,
            "difficulty": difficulty(bits, REGTEST_LIMIT_BITS),
            "span": span,
        }
        for name, column in columns.items():
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    @property
    def end_height(self) -> int:
        """First height whose difficulty the table does not hold; its times end with the last row."""
        return int(self.start_height[-1]) + BLOCKS_PER_RETARGET


def _embedded() -> EpochTable:
    text = (resources.files("livetrading.blockchain") / "epochs.csv").read_text("ascii")
    header, *lines = [line for line in text.splitlines() if not line.startswith("#")]
    names = header.split(",")
    rows = [line.split(",") for line in lines]
    column = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return EpochTable(
        np.array([int(value) for value in column["start_height"]], np.int64),
        np.array([int(value) for value in column["time"]], np.int64),
        np.array([int(value, 16) for value in column["bits"]], np.int64),
    )


EPOCHS: Final = _embedded()
"""Epochs 0 to 473 of the Bitcoin block chain, heights 0 to 955,583; times are good to some 1000 s."""
