"""Bitcoin's protocol arithmetic: supply, targets, difficulty and retargets.

Heights, amounts (satoshi), targets and work are exact integers; difficulty and hash rate are floats.
"""

from math import isfinite
from operator import index
from typing import Final

from livetrading.core.errors import LivetradingError

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
    "issued",
    "retarget",
    "subsidy",
    "target_from_bits",
    "work",
]

GENESIS_BLOCK_TIME: Final = 1_231_006_505
"""Time in the header of block 0, 2009-01-03 18:15:05 UTC, in s since the Unix epoch."""
TRUE_PRICE_EPOCH: Final = 1_230_768_000
"""2009-01-01 00:00:00 UTC, from which TRUE PRICE counts its days, in s since the Unix epoch."""

SAT_PER_BTC: Final = 100_000_000
BLOCKS_PER_HALVING: Final = 210_000
BLOCKS_PER_RETARGET: Final = 2016
BLOCK_INTERVAL_S: Final = 600
FIRST_SUBSIDY_SAT: Final = 50 * SAT_PER_BTC
MAX_HALVINGS: Final = 64
MAX_ISSUE_SAT: Final = 2_099_999_997_690_000
"""All that the schedule ever pays, genesis included: 20,999,999.9769 BTC, not 21 million."""

MAINNET_LIMIT_BITS: Final = 0x1D00FFFF
REGTEST_LIMIT_BITS: Final = 0x207FFFFF
DIFFICULTY_1_TARGET: Final = 0xFFFF << 208
RETARGET_SPAN_S: Final = BLOCKS_PER_RETARGET * BLOCK_INTERVAL_S
HASHES_PER_DIFFICULTY: Final = 2**32


class DomainError(LivetradingError, ValueError):
    """An argument is outside the domain of the protocol or of a model of it."""


def _height(value: int) -> int:
    try:
        height = index(value)
    except TypeError:
        raise TypeError(f"height must be an int, was {value!r}") from None
    if height < 0:
        raise DomainError(f"height must be >= 0, was {height}")
    return height


def subsidy(height: int) -> int:
    """New coins a block may pay to its miner, without fees.

    Parameters
    ----------
    height : int
        Height of the block, >= 0.

    Returns
    -------
    int
        Subsidy in satoshi, halved every 210,000 blocks and truncated; 0 from height 6,930,000 on.

    Raises
    ------
    DomainError
        If `height` is negative.
    TypeError
        If `height` is no integer.

    References
    ----------
    Nakamoto, S. (2008), Bitcoin: A Peer-to-Peer Electronic Cash System, section 6.
    """
    halvings = halving_epoch(height)
    return 0 if halvings >= MAX_HALVINGS else FIRST_SUBSIDY_SAT >> halvings


def issued(height: int) -> int:
    """Sum of the subsidies of blocks 0 to `height`, both included.

    Parameters
    ----------
    height : int
        Height of the last block counted, >= 0.

    Returns
    -------
    int
        Scheduled supply in satoshi, genesis included, never above `MAX_ISSUE_SAT`. What miners did not claim
        and the coins that cannot be spent are not taken off.

    Raises
    ------
    DomainError
        If `height` is negative.
    TypeError
        If `height` is no integer.
    """
    full, rest = divmod(_height(height) + 1, BLOCKS_PER_HALVING)
    total = sum(FIRST_SUBSIDY_SAT >> k for k in range(min(full, MAX_HALVINGS))) * BLOCKS_PER_HALVING
    return total + (rest * (FIRST_SUBSIDY_SAT >> full) if full < MAX_HALVINGS else 0)


def halving_epoch(height: int) -> int:
    """Halvings up to and including block `height`."""
    return _height(height) // BLOCKS_PER_HALVING


def difficulty_epoch(height: int) -> int:
    """Retargets up to and including block `height`."""
    return _height(height) // BLOCKS_PER_RETARGET


def blocks_to_halving(height: int) -> int:
    """Blocks from `height` to the next height that halves the subsidy, 1 to 210,000."""
    return BLOCKS_PER_HALVING - _height(height) % BLOCKS_PER_HALVING


def blocks_to_retarget(height: int) -> int:
    """Blocks from `height` to the next height that retargets, 1 to 2016."""
    return BLOCKS_PER_RETARGET - _height(height) % BLOCKS_PER_RETARGET


def halving_progress(height: int) -> float:
    """Share of the halving epoch that lies before `height`, in [0, 1)."""
    return (_height(height) % BLOCKS_PER_HALVING) / BLOCKS_PER_HALVING


def difficulty_progress(height: int) -> float:
    """Share of the difficulty epoch that lies before `height`, in [0, 1)."""
    return (_height(height) % BLOCKS_PER_RETARGET) / BLOCKS_PER_RETARGET


def _expand(bits: int) -> int:
    """Target of compact `bits`, whatever its size."""
    if not 0 <= bits <= 0xFFFFFFFF:
        raise DomainError(f"bits must be a 32-bit number, was {bits:#x}")
    if bits & 0x800000:
        raise DomainError(f"bits must not have the sign bit, was {bits:#010x}")
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    return mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)


def target_from_bits(bits: int, limit_bits: int = MAINNET_LIMIT_BITS) -> int:
    """Target that a block's hash must not exceed.

    Parameters
    ----------
    bits : int
        Compact form, 32 bits: exponent in the highest byte, a sign bit, 23 bits of mantissa.
    limit_bits : int
        Compact form of the network's easiest target.

    Returns
    -------
    int
        Mantissa times 256^(exponent - 3), truncated.

    Raises
    ------
    DomainError
        If `bits` is no 32-bit number, has the sign bit, or means 0 or a target above the limit.
    """
    target = _expand(bits)
    if not 0 < target <= _expand(limit_bits):
        raise DomainError(f"bits must mean a target from 1 to that of {limit_bits:#010x}, was {bits:#010x}")
    return target


def bits_from_target(target: int) -> int:
    """Compact form of a target; what its 23 bits of mantissa cannot hold is cut off.

    Parameters
    ----------
    target : int
        From 1 to 2^256 - 1.

    Returns
    -------
    int
        32-bit compact form.

    Raises
    ------
    DomainError
        If `target` is outside its range.
    """
    if not 0 < target < 1 << 256:
        raise DomainError(f"target must be from 1 to 2^256 - 1, was {target}")
    size = (target.bit_length() + 7) // 8
    mantissa = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if mantissa & 0x800000:  # would read as the sign
        mantissa, size = mantissa >> 8, size + 1
    return size << 24 | mantissa


def difficulty(bits: int, limit_bits: int = MAINNET_LIMIT_BITS) -> float:
    """How many times harder a block is to find than one at target 0xffff * 2^208.

    Parameters
    ----------
    bits : int
        Compact target.
    limit_bits : int
        Compact form of the network's easiest target.

    Returns
    -------
    float
        Difficulty, dimensionless, correctly rounded.

    Raises
    ------
    DomainError
        As `target_from_bits`.
    """
    return DIFFICULTY_1_TARGET / target_from_bits(bits, limit_bits)


def work(bits: int, limit_bits: int = MAINNET_LIMIT_BITS) -> int:
    """Hashes that a block at this target takes on average: what chainwork sums.

    Parameters
    ----------
    bits : int
        Compact target.
    limit_bits : int
        Compact form of the network's easiest target.

    Returns
    -------
    int
        2^256 / (target + 1), rounded down.

    Raises
    ------
    DomainError
        As `target_from_bits`.
    """
    return (1 << 256) // (target_from_bits(bits, limit_bits) + 1)


def retarget(first_time: int, last_time: int, bits: int, limit_bits: int = MAINNET_LIMIT_BITS) -> int:
    """Compact target of the 2016 blocks after an epoch.

    Parameters
    ----------
    first_time, last_time : int
        Times in the headers of the epoch's first and last block, s. They are 2015 intervals apart and are
        measured against 2016: the protocol's own off-by-one.
    bits : int
        Compact target of the epoch that ends.
    limit_bits : int
        Compact form of the network's easiest target.

    Returns
    -------
    int
        The new compact target, at most 4 times harder or easier and never easier than the limit.

    Raises
    ------
    DomainError
        As `target_from_bits`.
    """
    span = min(max(last_time - first_time, RETARGET_SPAN_S // 4), RETARGET_SPAN_S * 4)
    target = target_from_bits(bits, limit_bits) * span // RETARGET_SPAN_S
    return bits_from_target(min(target, _expand(limit_bits)))


def hashrate_from_difficulty(difficulty: float) -> float:
    """Hash rate at which blocks of a difficulty come every 600 s on average.

    Parameters
    ----------
    difficulty : float
        Dimensionless, >= 0.

    Returns
    -------
    float
        difficulty * 2^32 / 600, in H/s. The usual 2^32 is low by 1.5e-5 against `work`.

    Raises
    ------
    DomainError
        If `difficulty` is negative or not finite.
    """
    if not (isfinite(difficulty) and difficulty >= 0.0):
        raise DomainError(f"difficulty must be finite and >= 0, was {difficulty!r}")
    return difficulty * HASHES_PER_DIFFICULTY / BLOCK_INTERVAL_S
