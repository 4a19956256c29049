"""The state of the chain at a height or a time, from the embedded facts: what a valuation needs of it."""

from dataclasses import dataclass
from math import sqrt
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.asic_efficiency import ANCHORS, efficiency_at
from livetrading.blockchain.domain import (
    DomainError,
    Floats,
    Int64s,
    Integers,
    Numbers,
    float_of,
    height_of,
    whole_seconds,
)
from livetrading.blockchain.epochs import EPOCHS
from livetrading.blockchain.mathematical_price import ENERGY_COST_USD_KWH
from livetrading.blockchain.protocol import (
    BLOCK_INTERVAL_S,
    BLOCKS_PER_RETARGET,
    GENESIS_BLOCK_TIME,
    SAT_PER_BTC,
    hashrate_from_difficulty,
    height_at,
    issued,
    time_at,
)

__all__ = ["HEIGHT_ERROR", "ChainState", "chain_columns", "chain_state"]

HEIGHT_ERROR: Final = 120.0
"""Standard error, in blocks, of a height interpolated in the embedded table."""
CHUNK: Final = 8192
LAST_HEIGHT: Final = int(EPOCHS.start_height[-1])
GENESIS_RULE: Final = f">= {GENESIS_BLOCK_TIME}, the time of the genesis block"


@dataclass(frozen=True, slots=True)
class ChainState:
    """What the chain is like at one block, and how far it is known.

    Attributes
    ----------
    height : int
        Of the last block.
    time : int
        s since the Unix epoch.
    bits : int
        Compact target.
    difficulty : float
        Dimensionless.
    hash_rate : float
        H/s.
    efficiency : float
        J/TH.
    energy_cost : float
        USD/kWh.
    supply_sat : int
        Satoshi issued by blocks 0 to `height`.
    estimate : bool
        Whether height, time or difficulty had to be extended past the embedded table.
    height_error : float
        Standard error of the height, blocks: 0 where it was given, about 120 within the table, and
        sqrt(120^2 + n) n blocks past it, should the hash rate stay.
    notes : tuple of str
        What is estimated, and how.
    """

    height: int
    time: int
    bits: int
    difficulty: float
    hash_rate: float
    efficiency: float
    energy_cost: float
    supply_sat: int
    estimate: bool
    height_error: float
    notes: tuple[str, ...]


def chain_state(
    height: int | None = None,
    time: float | None = None,
    *,
    hash_rate: float | None = None,
    efficiency: float | None = None,
    energy_cost: float = ENERGY_COST_USD_KWH,
) -> ChainState:
    """State of the chain at a height or a time, without a node.

    Parameters
    ----------
    height : int, optional
        Height of the last block, >= 0; without it `height_at` of the time.
    time : float, optional
        s since the Unix epoch, not before the genesis block; without it `time_at` of the height.
    hash_rate : float, optional
        H/s, >= 0; without it that at which blocks of the difficulty come every 600 s.
    efficiency : float, optional
        J/TH, > 0; without it `efficiency_at` of the time.
    energy_cost : float
        USD/kWh, >= 0.

    Returns
    -------
    ChainState
        Past the embedded table with 600 s a block and the last difficulty.

    Raises
    ------
    DomainError
        If neither height nor time is given, or an argument is outside its range.
    TypeError
        If the height is no int or another argument no number.
    """
    if height is None and time is None:
        raise DomainError("height or time must be given, was neither")
    energy_cost = float_of(energy_cost, "energy_cost", "finite and >= 0", low=0.0)
    if hash_rate is not None:
        hash_rate = float_of(hash_rate, "hash_rate", "finite and >= 0", low=0.0)
    if efficiency is not None:
        efficiency = float_of(efficiency, "efficiency", "finite and > 0", above=0.0)
    seconds = None if time is None else whole_seconds(time, GENESIS_BLOCK_TIME, GENESIS_RULE)
    block = height_at(seconds) if height is None and seconds is not None else height_of(height or 0)
    if seconds is None:
        seconds = time_at(block)
    epoch = min(block // BLOCKS_PER_RETARGET, len(EPOCHS.bits) - 1)
    difficulty = float(EPOCHS.difficulty[epoch])
    interpolated = height is None or time is None
    return ChainState(
        height=block,
        time=seconds,
        bits=int(EPOCHS.bits[epoch]),
        difficulty=difficulty,
        hash_rate=hashrate_from_difficulty(difficulty) if hash_rate is None else hash_rate,
        efficiency=efficiency_at(seconds) if efficiency is None else efficiency,
        energy_cost=energy_cost,
        supply_sat=issued(block),
        estimate=block >= EPOCHS.end_height or (interpolated and block > LAST_HEIGHT),
        height_error=_height_error(block) if height is None else 0.0,
        notes=(
            *_clock_notes(block, height is None, time is None),
            *_rate_notes(block, hash_rate is None),
            *_efficiency_notes(seconds, efficiency is None),
        ),
    )


def _height_error(height: int) -> float:
    return sqrt(HEIGHT_ERROR**2 + max(0, height - LAST_HEIGHT))


def _clock_notes(height: int, from_time: bool, from_height: bool) -> list[str]:
    if not (from_time or from_height):
        return []
    name = "height" if from_time else "time"
    error = _height_error(height)
    wide = f"{error:.0f} blocks" if from_time else f"{error * BLOCK_INTERVAL_S / 3600:.0f} hours"
    if height > LAST_HEIGHT:
        return [
            f"{name} extended at 600 s a block from height {LAST_HEIGHT}: standard error about {wide}, "
            "more if the hash rate moves"
        ]
    if height % BLOCKS_PER_RETARGET == 0 and from_height:
        return [] if height == 0 else ["time of a retarget is an estimate: standard error about 1000 s"]
    return [f"{name} interpolated between retargets: standard error about {wide}"]


def _rate_notes(height: int, from_difficulty: bool) -> list[str]:
    notes = []
    if height >= EPOCHS.end_height:
        notes.append(f"difficulty held at that of height {EPOCHS.end_height - 1}, the last known")
    if from_difficulty:
        notes.append("hash rate from the difficulty, at 600 s a block")
    return notes


def _efficiency_notes(time: int, from_time: bool) -> list[str]:
    if not from_time:
        return []
    year = np.datetime64(time, "s").astype("datetime64[Y]").astype(int) + 1970
    wide = "about 20 %" if year >= 2018 else "a factor of 2" if year >= 2013 else "more than a factor of 2"
    last = ANCHORS[-1]
    if np.datetime64(time, "s") >= np.datetime64(last.day) + 1:
        return [f"efficiency held at {last.j_per_th:g} J/TH since {last.day}: uncertain by {wide}"]
    return [f"efficiency interpolated between surveys and assumptions: uncertain by {wide}"]


@overload
def chain_columns(heights: Integers, times: Numbers | None = ...) -> dict[str, NDArray[np.generic]]: ...
@overload
def chain_columns(heights: None = ..., *, times: Numbers) -> dict[str, NDArray[np.generic]]: ...
def chain_columns(
    heights: Integers | None = None, times: Numbers | None = None
) -> dict[str, NDArray[np.generic]]:
    """Columns of the chain at many heights or times, as `chain_state` has them, for the models.

    Parameters
    ----------
    heights : ndarray of ints, optional
        Without them `height_at` of the times.
    times : ndarray of numbers, optional
        s since the Unix epoch; without them `time_at` of the heights. With both, of one shape.

    Returns
    -------
    dict
        Arrays of that shape: ``time`` (s) and ``height``, int64; ``difficulty`` (1), ``hash_rate`` (H/s, of
        the difficulty), ``efficiency`` (J/TH) and ``supply_btc`` (BTC issued up to the height), float64.

    Raises
    ------
    DomainError
        If neither is given, shapes differ, or a value is outside its range.
    TypeError
        If heights are no array of ints or times no array of numbers.
    """
    given = [column for column in (heights, times) if column is not None]
    if not given:
        raise DomainError("heights or times must be given, was neither")
    if not all(isinstance(column, np.ndarray) for column in given):
        raise TypeError("heights and times must be arrays, was " + ", ".join(type(c).__name__ for c in given))
    shape = given[0].shape
    if given[-1].shape != shape:
        raise DomainError(f"heights and times must be of one shape, was {shape} and {given[-1].shape}")
    blocks = None if heights is None else heights.ravel()
    seconds = None if times is None else times.ravel()
    size = given[0].size
    out = {name: np.empty(size, dtype) for name, dtype in COLUMNS.items()}
    for start in range(0, size, CHUNK):
        part = slice(start, start + CHUNK)
        height = None if blocks is None else blocks[part]
        time = None if seconds is None else seconds[part]
        for name, values in _columns(height, time).items():
            out[name][part] = values
    return {name: column.reshape(shape) for name, column in out.items()}


COLUMNS: Final = {
    "time": np.int64,
    "height": np.int64,
    "difficulty": np.float64,
    "hash_rate": np.float64,
    "efficiency": np.float64,
    "supply_btc": np.float64,
}


def _columns(heights: Integers | None, times: Numbers | None) -> dict[str, Int64s | Floats]:
    time = None if times is None else whole_seconds(times, GENESIS_BLOCK_TIME, GENESIS_RULE)
    if heights is not None:
        height = height_of(heights)
    elif time is not None:
        height = height_at(time)
    else:
        raise DomainError("heights or times must be given, was neither")
    difficulty = EPOCHS.difficulty.take(height // BLOCKS_PER_RETARGET, mode="clip")
    time = time_at(height) if time is None else time
    return {
        "time": time,
        "height": height,
        "difficulty": difficulty,
        "hash_rate": hashrate_from_difficulty(difficulty),
        "efficiency": efficiency_at(time),
        "supply_btc": issued(height) / SAT_PER_BTC,
    }
