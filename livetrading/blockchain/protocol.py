"""Bitcoin's protocol arithmetic: supply, targets, difficulty, retargets, hash rate, heights and times.

Heights, amounts (satoshi), targets and work are exact integers; difficulty and hash rate are floats. Every
function takes one value or an array; an array gives one of its shape, with the bits of single values.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, overload

import numpy as np

from livetrading.blockchain.domain import (
    MAX_TIME,
    DomainError,
    Floats,
    Int64s,
    Integers,
    Numbers,
    float_of,
    height_of,
    int_of,
    whole_seconds,
)
from livetrading.blockchain.epochs import EPOCHS, EpochTable
from livetrading.blockchain.targets import (
    BLOCK_INTERVAL_S,
    BLOCKS_PER_RETARGET,
    MAINNET_LIMIT_BITS,
    REGTEST_LIMIT_BITS,
    BigInts,
    bits_from_target,
    difficulty,
    retarget,
    target_from_bits,
    work,
)

__all__ = [
    "BLOCKS_PER_HALVING",
    "BLOCKS_PER_RETARGET",
    "BLOCK_INTERVAL_S",
    "GENESIS_BLOCK_TIME",
    "MAINNET_LIMIT_BITS",
    "MAX_ISSUE_SAT",
    "REGTEST_LIMIT_BITS",
    "SAT_PER_BTC",
    "TRUE_PRICE_EPOCH",
    "DomainError",
    "bits_from_target",
    "blocks_to_halving",
    "blocks_to_retarget",
    "difficulty",
    "difficulty_epoch",
    "difficulty_progress",
    "halving_epoch",
    "halving_progress",
    "hashrate_from_difficulty",
    "hashrate_observed",
    "height_at",
    "issued",
    "retarget",
    "subsidy",
    "target_from_bits",
    "time_at",
    "work",
]

GENESIS_BLOCK_TIME: Final = 1_231_006_505
"""Time in the header of block 0, 2009-01-03 18:15:05 UTC, in s since the Unix epoch."""
TRUE_PRICE_EPOCH: Final = 1_230_768_000
"""2009-01-01 00:00:00 UTC, from which TRUE PRICE counts its days, in s since the Unix epoch."""

SAT_PER_BTC: Final = 100_000_000
BLOCKS_PER_HALVING: Final = 210_000
FIRST_SUBSIDY_SAT: Final = 50 * SAT_PER_BTC
MAX_HALVINGS: Final = 64
MAX_ISSUE_SAT: Final = 2_099_999_997_690_000
"""All that the schedule ever pays, genesis included: 20,999,999.9769 BTC, not 21 million."""
HASHES_PER_DIFFICULTY: Final = 2**32
LARGEST_DIFFICULTY: Final = difficulty(0x01010000)

# By halvings so far; the last entry stands for all that follow.
SUBSIDIES: Final = [*(FIRST_SUBSIDY_SAT >> k for k in range(MAX_HALVINGS)), 0]
ISSUED_BEFORE: Final = list(accumulate((BLOCKS_PER_HALVING * sat for sat in SUBSIDIES[:-1]), initial=0))
SUBSIDY_COLUMN: Final = np.array(SUBSIDIES, np.int64)
ISSUED_BEFORE_COLUMN: Final = np.array(ISSUED_BEFORE, np.int64)


@overload
def subsidy(height: int) -> int: ...
@overload
def subsidy(height: Integers) -> Int64s: ...
def subsidy(height: int | Integers) -> int | Int64s:
    """New coins a block may pay to its miner, without fees.

    Parameters
    ----------
    height : int, or ndarray of ints
        Height of the block, >= 0.

    Returns
    -------
    int, or ndarray of int64
        Subsidy in satoshi, halved every 210,000 blocks and truncated; 0 from height 6,930,000 on.

    Raises
    ------
    DomainError
        If a height is negative or beyond 64 bits.
    TypeError
        If `height` is neither an int nor an array of ints.

    References
    ----------
    Nakamoto, S. (2008), Bitcoin: A Peer-to-Peer Electronic Cash System, section 6.
    """
    halvings = halving_epoch(height)
    if isinstance(halvings, np.ndarray):
        return np.asarray(SUBSIDY_COLUMN.take(halvings, mode="clip"))
    return SUBSIDIES[min(halvings, MAX_HALVINGS)]


@overload
def issued(height: int) -> int: ...
@overload
def issued(height: Integers) -> Int64s: ...
def issued(height: int | Integers) -> int | Int64s:
    """Sum of the subsidies of blocks 0 to `height`, both included.

    Parameters
    ----------
    height : int, or ndarray of ints
        Height of the last block counted, >= 0.

    Returns
    -------
    int, or ndarray of int64
        Scheduled supply in satoshi, genesis included, never above `MAX_ISSUE_SAT`. What miners did not claim
        and the coins that cannot be spent are not taken off.

    Raises
    ------
    DomainError
        If a height is negative or beyond 64 bits.
    TypeError
        If `height` is neither an int nor an array of ints.
    """
    last = height_of(height)
    if isinstance(last, np.ndarray):
        full = last // BLOCKS_PER_HALVING
        blocks = last - full * BLOCKS_PER_HALVING + 1
        paid = blocks * SUBSIDY_COLUMN.take(full, mode="clip")
        return np.asarray(ISSUED_BEFORE_COLUMN.take(full, mode="clip") + paid)
    k = min(last // BLOCKS_PER_HALVING, MAX_HALVINGS)
    return ISSUED_BEFORE[k] + (last % BLOCKS_PER_HALVING + 1) * SUBSIDIES[k]


@overload
def halving_epoch(height: int) -> int: ...
@overload
def halving_epoch(height: Integers) -> Int64s: ...
def halving_epoch(height: int | Integers) -> int | Int64s:
    """Halvings up to and including block `height`."""
    h = height_of(height)
    return np.asarray(h // BLOCKS_PER_HALVING) if isinstance(h, np.ndarray) else h // BLOCKS_PER_HALVING


@overload
def difficulty_epoch(height: int) -> int: ...
@overload
def difficulty_epoch(height: Integers) -> Int64s: ...
def difficulty_epoch(height: int | Integers) -> int | Int64s:
    """Retargets up to and including block `height`."""
    h = height_of(height)
    return np.asarray(h // BLOCKS_PER_RETARGET) if isinstance(h, np.ndarray) else h // BLOCKS_PER_RETARGET


@overload
def _position(height: int, period: int) -> int: ...
@overload
def _position(height: Integers, period: int) -> Int64s: ...
def _position(height: int | Integers, period: int) -> int | Int64s:
    """Blocks from the last multiple of `period` to `height`."""
    h = height_of(height)
    return np.asarray(h % period) if isinstance(h, np.ndarray) else h % period


@overload
def blocks_to_halving(height: int) -> int: ...
@overload
def blocks_to_halving(height: Integers) -> Int64s: ...
def blocks_to_halving(height: int | Integers) -> int | Int64s:
    """Blocks from `height` to the next height that halves the subsidy, 1 to 210,000."""
    past = _position(height, BLOCKS_PER_HALVING)
    left = BLOCKS_PER_HALVING - past
    return np.asarray(left) if isinstance(past, np.ndarray) else left


@overload
def blocks_to_retarget(height: int) -> int: ...
@overload
def blocks_to_retarget(height: Integers) -> Int64s: ...
def blocks_to_retarget(height: int | Integers) -> int | Int64s:
    """Blocks from `height` to the next height that retargets, 1 to 2016."""
    past = _position(height, BLOCKS_PER_RETARGET)
    left = BLOCKS_PER_RETARGET - past
    return np.asarray(left) if isinstance(past, np.ndarray) else left


@overload
def halving_progress(height: int) -> float: ...
@overload
def halving_progress(height: Integers) -> Floats: ...
def halving_progress(height: int | Integers) -> float | Floats:
    """Share of the halving epoch that lies before `height`, in [0, 1)."""
    past = _position(height, BLOCKS_PER_HALVING)
    return (
        np.asarray(past / BLOCKS_PER_HALVING) if isinstance(past, np.ndarray) else past / BLOCKS_PER_HALVING
    )


@overload
def difficulty_progress(height: int) -> float: ...
@overload
def difficulty_progress(height: Integers) -> Floats: ...
def difficulty_progress(height: int | Integers) -> float | Floats:
    """Share of the difficulty epoch that lies before `height`, in [0, 1)."""
    past = _position(height, BLOCKS_PER_RETARGET)
    return (
        np.asarray(past / BLOCKS_PER_RETARGET) if isinstance(past, np.ndarray) else past / BLOCKS_PER_RETARGET
    )


@overload
def hashrate_from_difficulty(difficulty: float) -> float: ...
@overload
def hashrate_from_difficulty(difficulty: Numbers) -> Floats: ...
def hashrate_from_difficulty(difficulty: float | Numbers) -> float | Floats:
    """Hash rate at which blocks of a difficulty come every 600 s on average.

    Parameters
    ----------
    difficulty : float, or ndarray of numbers
        Dimensionless, >= 0.

    Returns
    -------
    float, or ndarray of float64
        difficulty * 2^32 / 600, in H/s. The usual 2^32 is low by 1.5e-5 against `work`.

    Raises
    ------
    DomainError
        If a difficulty is negative, not finite, or above that of target 1.
    TypeError
        If `difficulty` is neither a number nor an array of numbers.
    """
    harder = float_of(difficulty, "difficulty", "finite and >= 0", low=0.0, high=LARGEST_DIFFICULTY)
    rate = harder * HASHES_PER_DIFFICULTY / BLOCK_INTERVAL_S
    return np.asarray(rate) if isinstance(harder, np.ndarray) else rate


@overload
def hashrate_observed(
    times: Integers,
    chainwork: Sequence[int] | BigInts,
    height: int | None = ...,
    blocks: int = ...,
    *,
    first_height: int = ...,
) -> float: ...
@overload
def hashrate_observed(
    times: Integers,
    chainwork: Sequence[int] | BigInts,
    height: Integers,
    blocks: int = ...,
    *,
    first_height: int = ...,
) -> Floats: ...
def hashrate_observed(
    times: Integers,
    chainwork: Sequence[int] | BigInts,
    height: int | Integers | None = None,
    blocks: int = 120,
    *,
    first_height: int = 0,
) -> float | Floats:
    """Hash rate that blocks and their times show, as a node's `getnetworkhashps` estimates it.

    Parameters
    ----------
    times : ndarray of ints, shape (n,)
        Times in the headers of n blocks in a row, s. They need not rise.
    chainwork : sequence of n ints
        Work of the chain up to each of them, the block included: the sum of `work`.
    height : int, or ndarray of ints, optional
        The last block of the window; without it the last one given.
    blocks : int
        Intervals of the window, >= 1, or -1 for those since the last retarget, ``height % 2016 + 1``. No more
        than `height` are taken.
    first_height : int
        Height of the first of the n blocks.

    Returns
    -------
    float, or ndarray of float64 of the shape of `height`
        Work over the span from the earliest to the latest time in the window, H/s; 0 where they are equal and
        at height 0. The relative standard error of n intervals is about 1/sqrt(n): 8.3 % of 144.

    Raises
    ------
    DomainError
        If lengths differ, if `blocks` is neither -1 nor >= 1, or if a window is not within the blocks given.
    TypeError
        If `times` or `height` are no ints.

    Notes
    -----
    A height takes time in proportion to its window.
    """
    seconds = int_of(np.asarray(times), "times", -MAX_TIME, MAX_TIME)
    if seconds.ndim != 1 or not 0 < len(seconds) == len(chainwork):
        raise DomainError(
            f"times and chainwork must be of one length of at least 1, was {seconds.shape}, {len(chainwork)}"
        )
    first = height_of(first_height)
    last = first + len(seconds) - 1
    if blocks < 1 and blocks != -1:
        raise DomainError(f"blocks must be -1 or >= 1, was {blocks}")

    def observed(h: int) -> float:
        n = min(h % BLOCKS_PER_RETARGET + 1 if blocks == -1 else blocks, h)
        end = h - first
        if end < n:
            raise DomainError(f"the window must begin at height {first} or above, was {h - n}")
        window = seconds[end - n : end + 1]
        span = int(window.max()) - int(window.min())
        return (int(chainwork[end]) - int(chainwork[end - n])) / span if span else 0.0

    wanted = int_of(last if height is None else height, "height", first, last)
    if isinstance(wanted, np.ndarray):
        rates = [observed(h) for h in wanted.ravel().tolist()]
        return np.array(rates, np.float64).reshape(wanted.shape)
    return observed(wanted)


@overload
def height_at(time: float, table: EpochTable = ...) -> int: ...
@overload
def height_at(time: Numbers, table: EpochTable = ...) -> Int64s: ...
def height_at(time: float | Numbers, table: EpochTable = EPOCHS) -> int | Int64s:
    """Height of the chain at a time: of the last block found by then.

    Parameters
    ----------
    time : float, or ndarray of numbers
        s since the Unix epoch, from the table's first block to 2^52. Fractions of a second are cut off.
    table : EpochTable
        Epochs between whose first blocks heights are interpolated.

    Returns
    -------
    int, or ndarray of int64
        Floor of the exact interpolation; after the first block of the last epoch 600 s a block.

    Raises
    ------
    DomainError
        If a time is NaN, infinite, before the genesis block, or beyond 2^52.
    TypeError
        If `time` is neither a number nor an array of numbers.

    Notes
    -----
    With the embedded table heights are good to about 120 blocks, because the hash rate bends within an epoch.
    n blocks past its last row sqrt(n) blocks come to that, and whatever the hash rate does. Blocks have come
    every 576 s so far: counting 600 s a block from the genesis block is wrong by 36,691 blocks late in 2025.
    """
    first = int(table.time[0])
    seconds = whole_seconds(time, first, f">= {first}, the time of the genesis block")
    if isinstance(seconds, np.ndarray):
        k = np.searchsorted(table.time, seconds, side="right") - 1
        since = seconds - table.time.take(k)
        return np.asarray(table.start_height.take(k) + since * BLOCKS_PER_RETARGET // table.span.take(k))
    i = int(np.searchsorted(table.time, seconds, side="right")) - 1
    passed = seconds - int(table.time[i])
    return int(table.start_height[i]) + passed * BLOCKS_PER_RETARGET // int(table.span[i])


@overload
def time_at(height: int, table: EpochTable = ...) -> int: ...
@overload
def time_at(height: Integers, table: EpochTable = ...) -> Int64s: ...
def time_at(height: int | Integers, table: EpochTable = EPOCHS) -> int | Int64s:
    """Time at which the chain reached a height: the inverse of `height_at`.

    Parameters
    ----------
    height : int, or ndarray of ints
        From 0 to the height at 2^52 s.
    table : EpochTable
        Epochs between whose first blocks times are interpolated.

    Returns
    -------
    int, or ndarray of int64
        s since the Unix epoch, rounded up, so that ``height_at(time_at(height)) == height``.

    Raises
    ------
    DomainError
        If a height is negative or its time beyond 2^52.
    TypeError
        If `height` is neither an int nor an array of ints.

    Notes
    -----
    The embedded times are estimates, see `EpochTable`; after its last row a block takes 600 s.
    """
    last = len(table.time) - 1
    most = int(table.start_height[last]) + (MAX_TIME - int(table.time[last])) // BLOCK_INTERVAL_S
    heights = int_of(height, "height", 0, most)
    if isinstance(heights, np.ndarray):
        k = np.minimum(heights // BLOCKS_PER_RETARGET, last)
        before = table.start_height.take(k) - heights
        return np.asarray(table.time.take(k) - before * table.span.take(k) // BLOCKS_PER_RETARGET)
    i = min(heights // BLOCKS_PER_RETARGET, last)
    missing = int(table.start_height[i]) - heights
    return int(table.time[i]) - missing * int(table.span[i]) // BLOCKS_PER_RETARGET
