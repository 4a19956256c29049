"""How long a transaction waits at a fee rate, and the rate that is enough for a wait.

The transaction is mined in the first block j with W + lambda T_j <= j C: W vB ahead of it at its rate or
above, lambda such vB arriving a second (fluid), C the space of a block, T_j the time of the j-th block
(Poisson).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, lgamma, log, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.domain import DomainError, float_of, int_of
from livetrading.blockchain.mempool_math import BLOCK_VBYTES, FeeHistogram, MempoolState, rate_from_rpc
from livetrading.blockchain.protocol import BLOCK_INTERVAL_S
from livetrading.core import variates

__all__ = [
    "ConfirmationTimes",
    "FeeEstimate",
    "NodeEstimate",
    "Queue",
    "confirmation_probabilities",
    "fee_for",
    "fluid_blocks",
    "node_estimate",
    "simulate_confirmation",
]

Array = NDArray[np.float64]

PATH_STREAM: Final = 12
"""The generator's stream of simulated waits."""
MAX_BLOCKS: Final = 2016
FIRST_BLOCKS: Final = 16
"""Blocks drawn for every path; more only for those that wait longer."""
LATE: Final = 1 << 40
"""Counter from which the later blocks of all paths are drawn, the first ones from 0."""
COUNTERS_A_PATH: Final = MAX_BLOCKS // 4
PATHS_AT_ONCE: Final = 4096
NEGLIGIBLE: Final = 1e-20
"""Probability at which a tail is cut: far below the rounding of a sum."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What stands before a transaction.

    Parameters
    ----------
    ahead : float
        W, vB at its rate or above, >= 0.
    arrival_rate : float
        lambda, vB at its rate or above that arrive a second, >= 0.
    capacity : float
        C, vB in a block, > 0.
    mean_s : float
        Mean time between blocks, s, > 0.

    Raises
    ------
    DomainError
        If a value is not finite or outside its range.
    """

    ahead: float
    arrival_rate: float
    capacity: float = BLOCK_VBYTES
    mean_s: float = BLOCK_INTERVAL_S

    def __post_init__(self) -> None:
        for name in ("ahead", "arrival_rate"):
            float_of(getattr(self, name), name, "finite and >= 0", low=0.0)
        for name in ("capacity", "mean_s"):
            float_of(getattr(self, name), name, "finite and > 0", above=0.0)

    @property
    def first_block(self) -> int:
        """The first block that could hold the transaction even if nothing more arrived."""
        return max(1, ceil(self.ahead / self.capacity))


def fluid_blocks(queue: Queue) -> int | None:
    """Blocks until confirmation if blocks came like clockwork.

    Returns
    -------
    int or None
        ceil(W / (C - m lambda)), at least 1; None ("never at this rate") where m lambda is C or more. Blocks
        that come by chance confirm sooner or later than that; see `confirmation_probabilities`.
    """
    spare = queue.capacity - queue.mean_s * queue.arrival_rate
    return max(1, ceil(queue.ahead / spare)) if spare > 0.0 else None


def confirmation_probabilities(queue: Queue, blocks: int) -> Array:
    """Probability of confirmation within 1, 2 ... blocks, exact.

    Parameters
    ----------
    queue : Queue
    blocks : int
        1 to 2016.

    Returns
    -------
    ndarray of float64, shape (blocks,)

    Raises
    ------
    DomainError
        If `blocks` is outside its range.

    Notes
    -----
    Block j confirms where T_j <= (j C - W)/lambda, that is where j blocks or more have come by then. The
    number of blocks by those times grows by independent Poisson steps of mean C/(m lambda), so that a
    recursion over j and that number, without those confirmed, gives all probabilities to rounding.
    """
    count = int_of(blocks, "blocks", 1, MAX_BLOCKS)
    first = queue.first_block
    found = np.zeros(count)
    if queue.arrival_rate * queue.mean_s <= 1e-300 * queue.capacity:
        found[first - 1 :] = 1.0
        return found
    a_block = queue.capacity / (queue.arrival_rate * queue.mean_s)
    start = first - queue.ahead / queue.capacity
    step = _poisson(a_block, count)
    step = step[: 1 + max(np.flatnonzero(step > NEGLIGIBLE), default=0)]
    waiting = np.array([1.0])
    for j in range(first, count + 1):
        law = _poisson(start * a_block, count) if j == first else step
        waiting = np.convolve(waiting, law)[:j]
        found[j - 1] = 1.0 - min(1.0, float(waiting.sum()))
    return np.asarray(np.maximum.accumulate(found))


@dataclass(frozen=True, slots=True, eq=False)
class ConfirmationTimes:
    """Simulated waits; the mean alone misleads, as a few waits are very long.

    Attributes
    ----------
    blocks : ndarray of int64, shape (paths,)
        Block of confirmation, 0 where none of the blocks simulated confirms.
    seconds : ndarray of float64, shape (paths,)
        Time of it, NaN where there is none.
    max_blocks : int
        Blocks simulated.
    """

    blocks: NDArray[np.int64]
    seconds: Array
    max_blocks: int

    @property
    def beyond(self) -> float:
        """Share of the waits longer than `max_blocks`."""
        return float(np.mean(self.blocks == 0))

    @property
    def mean_blocks(self) -> float:
        """Mean number of blocks of the waits that ended; NaN if none did."""
        ended = self.blocks[self.blocks > 0]
        return float(ended.mean()) if len(ended) else nan

    @property
    def mean_seconds(self) -> float:
        """Mean time of the waits that ended, s; NaN if none did."""
        ended = self.seconds[self.blocks > 0]
        return float(ended.mean()) if len(ended) else nan

    def quantile_seconds(self, probability: float) -> float:
        """Time within which a share of all the waits ends, s; NaN where it lies beyond the simulation.

        Raises
        ------
        DomainError
            If `probability` is not between 0 and 1.
        """
        share = _probability("probability", probability)
        times = np.where(self.blocks > 0, self.seconds, np.inf)
        found = float(np.quantile(times, share, method="inverted_cdf"))
        return found if np.isfinite(found) else nan

    def within(self, blocks: int) -> float:
        """Share of the waits of at most so many blocks.

        Raises
        ------
        DomainError
            If `blocks` is not from 1 to `max_blocks`.
        """
        most = int_of(blocks, "blocks", 1, self.max_blocks)
        return float(np.mean((self.blocks > 0) & (self.blocks <= most)))


def simulate_confirmation(
    queue: Queue, seed: int, paths: int = 200_000, max_blocks: int = 400
) -> ConfirmationTimes:
    """Draw waits: what gives times as well, where `confirmation_probabilities` gives blocks.

    Parameters
    ----------
    queue : Queue
    seed : int
        0 to 2^64 - 1. A path's blocks are a function of seed and path, so that of two queues under one seed
        the one with less ahead and less arriving never waits longer.
    paths : int
        1 to 10,000,000.
    max_blocks : int
        16 to 2016, a multiple of 4.

    Returns
    -------
    ConfirmationTimes

    Raises
    ------
    DomainError
        If an argument is outside its range.
    """
    key = int_of(seed, "seed", 0, 2**64 - 1)
    count, most = int_of(paths, "paths", 1, 10_000_000), int_of(max_blocks, "max_blocks", 16, MAX_BLOCKS)
    if most % 4:
        raise DomainError(f"max_blocks must be a multiple of 4, was {most}")
    blocks, seconds = np.zeros(count, np.int64), np.full(count, nan)
    for start in range(0, count, PATHS_AT_ONCE):
        some = np.arange(start, min(start + PATHS_AT_ONCE, count))
        first = _gaps(queue, key, start * FIRST_BLOCKS // 4, len(some), FIRST_BLOCKS)
        blocks[some], seconds[some], passed = _first_passage(queue, first, 0, np.zeros(len(some)))
        late = some[blocks[some] == 0]
        if most > FIRST_BLOCKS and len(late):
            counters = [LATE + path * COUNTERS_A_PATH for path in late.tolist()]
            rest = np.concatenate(
                [_gaps(queue, key, counter, 1, most - FIRST_BLOCKS) for counter in counters]
            )
            blocks[late], seconds[late], _ = _first_passage(
                queue, rest, FIRST_BLOCKS, passed[blocks[some] == 0]
            )
    return ConfirmationTimes(blocks, seconds, most)


def _gaps(queue: Queue, seed: int, counter: int, paths: int, blocks: int) -> Array:
    """Times between the blocks of paths whose words follow each other, shape (paths, blocks)."""
    words = variates.uniforms(seed, PATH_STREAM, counter, paths * blocks // 4)
    return -queue.mean_s * variates.log(words.ravel()).reshape(paths, blocks)


def _first_passage(
    queue: Queue, gaps: Array, before: int, passed: Array
) -> tuple[NDArray[np.int64], Array, Array]:
    """Block and time of confirmation (0 and NaN where there is none), and the time of the last block."""
    times = passed[:, None] + np.cumsum(gaps, axis=1)
    numbers = np.arange(before + 1, before + gaps.shape[1] + 1)
    fits = queue.ahead + queue.arrival_rate * times <= numbers * queue.capacity
    at, ever = np.argmax(fits, axis=1), fits.any(axis=1)
    when = np.where(ever, times[np.arange(len(times)), at], nan)
    return np.where(ever, numbers[at], 0), when, times[:, -1]


def _poisson(mean: float, count: int) -> Array:
    """Probabilities of 0 to count - 1 arrivals."""
    if mean == 0.0:
        return np.concatenate(([1.0], np.zeros(count - 1)))
    return np.exp([i * log(mean) - mean - lgamma(i + 1) for i in range(count)])


@dataclass(frozen=True, slots=True)
class FeeEstimate:
    """A fee rate that is enough, by the present mempool.

    Attributes
    ----------
    rate : float
        sat/vB, an edge of the histogram or the floor; NaN where none of them is known to do.
    probability : float
        Of confirmation within the target at that rate.
    queue : Queue or None
        What stands before a transaction at that rate.
    reason : str or None
        Why there is no rate.
    """

    rate: float
    probability: float
    queue: Queue | None
    reason: str | None


def fee_for(
    target_blocks: int,
    confidence: float,
    state: MempoolState,
    *,
    capacity: float = BLOCK_VBYTES,
    mean_s: float = BLOCK_INTERVAL_S,
) -> FeeEstimate:
    """Lowest rate that confirms within some blocks, with a probability.

    Parameters
    ----------
    target_blocks : int
        1 to 2016.
    confidence : float
        Between 0 and 1.
    state : MempoolState
        Its histogram is what stands ahead; what arrived since the state before is taken to go on arriving.
    capacity, mean_s
        As in `Queue`.

    Returns
    -------
    FeeEstimate
        The lowest of the floor and the histogram's edges above it at which `confirmation_probabilities`
        reaches the confidence.

    Raises
    ------
    DomainError
        If an argument is outside its range, or the state's interval is not above 0 s.
    """
    target = int_of(target_blocks, "target_blocks", 1, MAX_BLOCKS)
    sure = _probability("confidence", confidence)
    seconds = float_of(state.interval_s, "interval_s of the state", "finite and > 0", above=0.0)
    probability = 0.0
    for rate in _candidates(state.histogram, state.floor):
        queue = Queue(
            ahead=state.histogram.vbytes_from(rate),
            arrival_rate=state.arrivals.vbytes_from(rate) / seconds,
            capacity=capacity,
            mean_s=mean_s,
        )
        probability = float(confirmation_probabilities(queue, target)[-1])
        if probability >= sure:
            return FeeEstimate(rate, probability, queue, None)
    top = float(state.histogram.edges[-2])
    reason = f"even {top:g} sat/vB, the highest edge, confirms with probability {probability:.3g} only"
    return FeeEstimate(nan, nan, None, reason)


@dataclass(frozen=True, slots=True)
class NodeEstimate:
    """Answer of a node's ``estimatesmartfee``.

    Attributes
    ----------
    rate : float
        sat/vB; NaN where the node has none.
    blocks : int
        Target that the answer is for.
    reason : str or None
        What the node says instead of a rate. It needs days of history; to have none is a normal state.
    """

    rate: float
    blocks: int
    reason: str | None


def node_estimate(answer: Mapping[str, Any]) -> NodeEstimate:
    """Read the answer of ``estimatesmartfee``, to be held against `fee_for`.

    Raises
    ------
    DomainError
        If it has neither ``feerate`` nor ``errors``, or no ``blocks``, or they are outside their ranges.
    """
    if "blocks" not in answer or not ("feerate" in answer or answer.get("errors")):
        raise DomainError(
            f"an estimate must have blocks and a feerate or errors, was of {', '.join(answer) or 'nothing'}"
        )
    blocks = int_of(answer["blocks"], "blocks", 0, MAX_BLOCKS)
    if "feerate" in answer:
        return NodeEstimate(rate_from_rpc(answer["feerate"]), blocks, None)
    return NodeEstimate(nan, blocks, "; ".join(map(str, answer["errors"])))


def _candidates(histogram: FeeHistogram, floor: float) -> list[float]:
    return [floor, *(float(edge) for edge in histogram.edges[:-1] if edge > floor)]


def _probability(name: str, value: float) -> float:
    number = float_of(value, name, "between 0 and 1", above=0.0)
    if number >= 1.0:
        raise DomainError(f"{name} must be between 0 and 1, was {number!r}")
    return number
