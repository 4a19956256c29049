"""Compact bits, targets, difficulty and retargets: how hard a block is to find."""

from collections.abc import Callable
from operator import index
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.domain import DomainError, Floats, Int64s, Integers

__all__ = [
    "BLOCKS_PER_RETARGET",
    "BLOCK_INTERVAL_S",
    "MAINNET_LIMIT_BITS",
    "REGTEST_LIMIT_BITS",
    "bits_from_target",
    "difficulty",
    "retarget",
    "target_from_bits",
    "work",
]

BLOCKS_PER_RETARGET: Final = 2016
BLOCK_INTERVAL_S: Final = 600
MAINNET_LIMIT_BITS: Final = 0x1D00FFFF
REGTEST_LIMIT_BITS: Final = 0x207FFFFF
DIFFICULTY_1_TARGET: Final = 0xFFFF << 208
RETARGET_SPAN_S: Final = BLOCKS_PER_RETARGET * BLOCK_INTERVAL_S

BigInts = NDArray[np.object_]
"""Python ints, which 256 bits need."""


def _each(function: Callable[[int], Any], values: Integers | BigInts, dtype: type) -> NDArray[Any]:
    """Apply an exact function of one int to an array, to equal values once."""
    if values.dtype.kind not in "iuO":
        raise TypeError(f"the array must be one of ints, was one of {values.dtype}")
    place: dict[Any, Any] = {value: function(index(value)) for value in set(values.ravel().tolist())}
    out: NDArray[Any] = np.empty(values.size, dtype)
    out[:] = [place[value] for value in values.ravel().tolist()]
    return out.reshape(values.shape)


def _expand(bits: int) -> int:
    """Target of compact `bits`, whatever its size."""
    if not 0 <= bits <= 0xFFFFFFFF:
        raise DomainError(f"bits must be a 32-bit number, was {bits:#x}")
    if bits & 0x800000:
        raise DomainError(f"bits must not have the sign bit, was {bits:#010x}")
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    return mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)


def _target(bits: int, limit_bits: int) -> int:
    target = _expand(bits)
    if not 0 < target <= _expand(limit_bits):
        raise DomainError(f"bits must mean a target from 1 to that of {limit_bits:#010x}, was {bits:#010x}")
    return target


@overload
def target_from_bits(bits: int, limit_bits: int = ...) -> int: ...
@overload
def target_from_bits(bits: Integers, limit_bits: int = ...) -> BigInts: ...
def target_from_bits(bits: int | Integers, limit_bits: int = MAINNET_LIMIT_BITS) -> int | BigInts:
    """Target that a block's hash must not exceed.

    Parameters
    ----------
    bits : int, or ndarray of ints
        Compact form, 32 bits: exponent in the highest byte, a sign bit, 23 bits of mantissa.
    limit_bits : int
        Compact form of the network's easiest target.

    Returns
    -------
    int, or ndarray of Python ints (dtype object) of the shape of `bits`
        Mantissa times 256^(exponent - 3), truncated.

    Raises
    ------
    DomainError
        If `bits` is no 32-bit number, has the sign bit, or means 0 or a target above the limit.
    TypeError
        If an array is not one of ints.
    """
    if isinstance(bits, np.ndarray):
        return _each(lambda one: _target(one, limit_bits), bits, object)
    return _target(bits, limit_bits)


def _compact(target: int) -> int:
    if not 0 < target < 1 << 256:
        raise DomainError(f"target must be from 1 to 2^256 - 1, was {target}")
    size = (target.bit_length() + 7) // 8
    mantissa = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if mantissa & 0x800000:  # would read as the sign
        mantissa, size = mantissa >> 8, size + 1
    return size << 24 | mantissa


@overload
def bits_from_target(target: int) -> int: ...
@overload
def bits_from_target(target: Integers | BigInts) -> Int64s: ...
def bits_from_target(target: int | Integers | BigInts) -> int | Int64s:
    """Compact form of a target; what its 23 bits of mantissa cannot hold is cut off.

    Parameters
    ----------
    target : int, or ndarray of Python ints or of ints
        From 1 to 2^256 - 1.

    Returns
    -------
    int, or ndarray of int64 of the shape of `target`
        32-bit compact form.

    Raises
    ------
    DomainError
        If `target` is outside its range.
    TypeError
        If an array is not one of ints.
    """
    if isinstance(target, np.ndarray):
        return _each(_compact, target, np.int64)
    return _compact(target)


@overload
def difficulty(bits: int, limit_bits: int = ...) -> float: ...
@overload
def difficulty(bits: Integers, limit_bits: int = ...) -> Floats: ...
def difficulty(bits: int | Integers, limit_bits: int = MAINNET_LIMIT_BITS) -> float | Floats:
    """How many times harder a block is to find than one at target 0xffff * 2^208.

    Parameters
    ----------
    bits : int, or ndarray of ints
        Compact target.
    limit_bits : int
        Compact form of the network's easiest target.

    Returns
    -------
    float, or ndarray of float64 of the shape of `bits`
        Difficulty, dimensionless, correctly rounded.

    Raises
    ------
    DomainError, TypeError
        As `target_from_bits`.
    """
    if isinstance(bits, np.ndarray):
        return _each(lambda one: DIFFICULTY_1_TARGET / _target(one, limit_bits), bits, np.float64)
    return DIFFICULTY_1_TARGET / _target(bits, limit_bits)


@overload
def work(bits: int, limit_bits: int = ...) -> int: ...
@overload
def work(bits: Integers, limit_bits: int = ...) -> BigInts: ...
def work(bits: int | Integers, limit_bits: int = MAINNET_LIMIT_BITS) -> int | BigInts:
    """Hashes that a block at this target takes on average: what chainwork sums.

    Parameters
    ----------
    bits : int, or ndarray of ints
        Compact target.
    limit_bits : int
        Compact form of the network's easiest target.

    Returns
    -------
    int, or ndarray of Python ints (dtype object) of the shape of `bits`
        2^256 / (target + 1), rounded down.

    Raises
    ------
    DomainError, TypeError
        As `target_from_bits`.
    """
    if isinstance(bits, np.ndarray):
        return _each(lambda one: (1 << 256) // (_target(one, limit_bits) + 1), bits, object)
    return (1 << 256) // (_target(bits, limit_bits) + 1)


def _retarget(first_time: int, last_time: int, bits: int, limit_bits: int) -> int:
    span = min(max(last_time - first_time, RETARGET_SPAN_S // 4), RETARGET_SPAN_S * 4)
    target = _target(bits, limit_bits) * span // RETARGET_SPAN_S
    return _compact(min(target, _expand(limit_bits)))


@overload
def retarget(first_time: int, last_time: int, bits: int, limit_bits: int = ...) -> int: ...
@overload
def retarget(first_time: Integers, last_time: Integers, bits: Integers, limit_bits: int = ...) -> Int64s: ...
def retarget(
    first_time: int | Integers,
    last_time: int | Integers,
    bits: int | Integers,
    limit_bits: int = MAINNET_LIMIT_BITS,
) -> int | Int64s:
    """Compact target of the 2016 blocks after an epoch.

    Parameters
    ----------
    first_time, last_time : int, or ndarray of ints
        Times in the headers of the epoch's first and last block, s. They are 2015 intervals apart and are
        measured against 2016: the protocol's own off-by-one.
    bits : int, or ndarray of ints
        Compact target of the epoch that ends.
    limit_bits : int
        Compact form of the network's easiest target.

    Returns
    -------
    int, or ndarray of int64 where an argument is an array, to whose shapes the others are broadcast
        The new compact target, at most 4 times harder or easier and never easier than the limit.

    Raises
    ------
    DomainError, TypeError
        As `target_from_bits`.
    """
    columns = (first_time, last_time, bits)
    if not any(isinstance(column, np.ndarray) for column in columns):
        return _retarget(index(first_time), index(last_time), index(bits), limit_bits)
    shaped = np.broadcast_arrays(*map(_ints, columns))
    rows = zip(*(column.ravel().tolist() for column in shaped), strict=True)
    values = [_retarget(first, last, compact, limit_bits) for first, last, compact in rows]
    return np.array(values, np.int64).reshape(shaped[0].shape)


def _ints(values: int | Integers) -> Integers:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"the array must be one of ints, was one of {array.dtype}")
    return array
