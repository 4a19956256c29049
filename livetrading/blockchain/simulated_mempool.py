"""A mempool made up: arrivals, fees and blocks of a seed and a clock, and nothing of any price."""

from collections import deque
from collections.abc import Callable
from math import isfinite, nan, sqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.blockchain.domain import DomainError, float_of, int_of
from livetrading.blockchain.mempool_math import (
    BLOCK_VBYTES,
    RELAY_MINIMUM,
    MempoolState,
    clearing_rate,
    fee_histogram,
    fullness,
)
from livetrading.core.variates import exp, log, normals, sincos_turn, uniforms

__all__ = ["BlockClock", "HourlyFlow", "SimulatedMempool"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

STREAM: Final = 6
"""The generator's stream: its counters from 0 are those of transactions, those from `DRIFT` of the drift."""
DRIFT: Final = 1 << 62

NS_PER_S: Final = 1_000_000_000
STEP_S: Final = 60
"""The arrival rate, the clearing rate that fees are set by, the floor and eviction keep step with this."""
DAY_S: Final = 86_400
STRETCH_NS: Final = 300 * NS_PER_S
STRETCHES: Final = 12

PEAK_HOUR: Final = 15.0
DAILY_SWING: Final = 0.25
WEEKEND_LOSS: Final = 0.15
DRIFT_SD: Final = 0.35
DRIFT_RELAXATION_S: Final = 21_600.0
MEDIAN_VBYTES: Final = 180.0
SIZE_SIGMA: Final = 0.7
LEAST_VBYTES: Final = 110
FEE_OVER_CLEARING: Final = 1.1
FEE_SIGMA: Final = 0.8

MAX_USAGE: Final = 300_000_000
INCREMENT: Final = 1.0
"""sat/vB by which the floor rises above what was evicted, as a node's incremental relay fee."""
FLOOR_HALF_LIFE_S: Final = 43_200.0

TX: Final = np.dtype([("rate", np.float64), ("vbytes", np.int64), ("fee", np.int64)])
_NONE: Final = np.empty(0, TX)

Flow = Callable[[int], float]
"""Standardised order flow of a market in the hour up to a time, ns since the Unix epoch."""


class BlockClock(Protocol):
    """When blocks come, as `ChainClock` says."""

    @property
    def start_ns(self) -> int:
        """Time of the first block, ns since the Unix epoch."""

    def knots(self, until_ns: int) -> NDArray[np.void]:
        """Blocks that follow those handed out before, up to the first later than `until_ns`: ts, height."""


class HourlyFlow:
    """Order flow of the last hour in standard deviations, from its own twelve stretches of 5 min.

    Parameters
    ----------
    times_ns : array_like of int, shape (n,)
        Of trades, ns since the Unix epoch, not decreasing.
    signed_volume : array_like of float, shape (n,)
        BTC, or trades, bought positive.

    Raises
    ------
    DomainError
        If lengths differ, times go backwards, or a volume is not finite.

    Notes
    -----
    With f the flows of the stretches the value is sum(f) / sqrt(sum(f^2)): of mean 0 and variance 1 where
    buying and selling are alike and what trades have in common is over in less than 5 min, and from -sqrt(12)
    to sqrt(12) always. A call sees trades up to its time, no later ones; 0 where there was none in the hour.
    """

    def __init__(self, times_ns: ArrayLike, signed_volume: ArrayLike) -> None:
        self._times = np.asarray(times_ns)
        volume = np.asarray(signed_volume, np.float64)
        if self._times.ndim != 1 or self._times.shape != volume.shape:
            raise DomainError(
                f"times_ns and signed_volume must be rows of equal length, was {self._times.shape} and "
                f"{volume.shape}"
            )
        if np.any(np.diff(self._times) < 0):
            raise DomainError("times_ns must not decrease, was a later one before an earlier")
        float_of(volume, "signed_volume", "finite")
        self._sums = np.concatenate(([0.0], np.cumsum(volume)))

    def __call__(self, time_ns: int) -> float:
        """Flow of the hour up to `time_ns`, in standard deviations."""
        ends = time_ns - STRETCH_NS * np.arange(STRETCHES, -1, -1)
        flows = np.diff(self._sums[np.searchsorted(self._times, ends, side="right")])
        size = float(np.sqrt(flows @ flows))
        return float(flows.sum()) / size if size > 0.0 else 0.0


class SimulatedMempool:
    """Transactions that arrive, wait and are mined, by a seed and a clock alone.

    Parameters
    ----------
    seed : int
        0 to 2^64 - 1.
    clock : BlockClock
        Of this mempool alone, as it hands every block out once; a `ChainClock` of the market's own seed gives
        the market's blocks.
    tx_per_s : float
        Base rate of arrivals, > 0 and at most 1,000.
    coupling : float
        0 to 1. At 0, the default, the mempool carries no information about any price. Above 0 the arrivals
        follow `flow`: the edge is then put in by hand, and every state says so.
    flow : callable, optional
        What arrivals follow, such as an `HourlyFlow`; to be given where `coupling` is above 0.
    max_usage : int
        Bytes that the mempool may hold, > 0; a transaction counts with its vB (a node's own structures take
        several times that).

    Attributes
    ----------
    start_ns : int
        Time from which it runs, empty, ns since the Unix epoch.

    Raises
    ------
    DomainError
        If an argument is outside its range.
    TypeError
        If `seed` or `max_usage` is no integer.

    Notes
    -----
    Arrivals are a Poisson process of rate tx_per_s (1 + 0.25 cos(2 pi (hour - 15)/24)) (1 - 0.15 on Saturday
    and Sunday, UTC) exp(g + coupling z), constant over steps of 60 s: g is an Ornstein-Uhlenbeck process of
    sd 0.35 and relaxation 6 h, z the flow. Sizes are lognormal (median 180 vB, sigma 0.7, at least 110), fee
    rates lognormal around 1.1 times the clearing rate of the next block at the start of the step (sigma 0.8,
    at least 1 sat/vB). A block takes the best 998,000 vB. Above `max_usage` the worst are evicted at the next
    step; the floor is then the best rate evicted plus 1 sat/vB and from the next block on decays with a
    half-life of 12 h (6 h and 3 h where a half and a quarter of the memory is used), as a node's does; what
    pays less is refused. All of it is independent of how `advance` cuts the time.
    """

    def __init__(
        self,
        seed: int,
        clock: BlockClock,
        *,
        tx_per_s: float = 3.5,
        coupling: float = 0.0,
        flow: Flow | None = None,
        max_usage: int = MAX_USAGE,
    ) -> None:
        self._seed = int_of(seed, "seed", 0, 2**64 - 1)
        self._base = float_of(tx_per_s, "tx_per_s", "above 0 and at most 1000", above=0.0)
        self._coupling = float_of(coupling, "coupling", "from 0 to 1", low=0.0)
        self._max_usage = int_of(max_usage, "max_usage", 1, 2**53)
        if self._base > 1000.0:
            raise DomainError(f"tx_per_s must be above 0 and at most 1000, was {tx_per_s!r}")
        if self._coupling > 1.0:
            raise DomainError(f"coupling must be from 0 to 1, was {coupling!r}")
        if self._coupling > 0.0 and flow is None:
            raise DomainError(f"flow must be given where coupling is above 0, was none with {coupling!r}")
        self._flow = flow if self._coupling > 0.0 else None
        self._clock = clock
        self.start_ns: Final = clock.start_ns
        self._now = self._step_start = self.start_ns
        self._blocks = deque(clock.knots(self.start_ns)[["ts", "height"]].tolist())
        _, self._height = self._blocks.popleft()  # the block that the mempool starts after
        self._pool = _NONE
        self._floor_rolling = 0.0
        self._bumped = False
        self._steps = 0
        self._transactions = 0
        self._to_next = -float(log(float(uniforms(self._seed, STREAM, 0, 1)[0, 2])))
        self._drift = 0.0
        self._since = self._now
        self._clear_counts()
        self._open_step()

    def advance(self, until_ns: int) -> MempoolState:
        """Go on to a time and say how things stand then.

        Parameters
        ----------
        until_ns : int
            ns since the Unix epoch, not before the last time.

        Returns
        -------
        MempoolState
            Rates are plain ones: no transaction here depends on another.

        Raises
        ------
        DomainError
            If the time lies before the last or the clock refuses it, before anything is done; and if the flow
            is not finite, on the way.
        """
        if until_ns < self._now:
            raise DomainError(f"until_ns must not be before {self._now}, was {until_ns}")
        if self._blocks[-1][0] <= until_ns:
            self._blocks.extend(self._clock.knots(until_ns)[["ts", "height"]].tolist())
        while True:
            block, step_end = self._blocks[0][0], self._step_start + STEP_S * NS_PER_S
            if block <= min(until_ns, step_end):
                self._admit(block)
                self._mine()
            elif step_end <= until_ns:
                self._admit(step_end)
                self._step_start = step_end
                self._open_step()
            else:
                break
        self._admit(until_ns)
        state = self._state(until_ns)
        self._now = self._since = until_ns
        self._clear_counts()
        return state

    def _open_step(self) -> None:
        self._evict()
        self._decay()
        pool = self._pool
        clearing = clearing_rate(pool["rate"], pool["vbytes"], floor=self._floor)
        self._arriving, self._arrival_ns = self._draw(self._intensity(), clearing)
        self._steps += 1

    def _intensity(self) -> float:
        """Expected arrivals of the step that begins."""
        second = self._step_start // NS_PER_S
        hour = second % DAY_S / 3600.0
        _, cosine = sincos_turn(np.array([(hour - PEAK_HOUR) / 24.0 % 1.0]))
        weekend = (second // DAY_S + 3) % 7 >= 5  # 1970-01-01 was a Thursday
        normal = float(normals(self._seed, STREAM, DRIFT + self._steps, 1)[0, 0])
        kept = float(exp(-STEP_S / DRIFT_RELAXATION_S)) if self._steps else 0.0
        self._drift = kept * self._drift + sqrt(1.0 - kept * kept) * DRIFT_SD * normal
        follow = 0.0 if self._flow is None else self._flow(self._step_start)
        if not isfinite(follow):
            raise DomainError(f"the flow must be finite, was {follow!r} at {self._step_start}")
        season = (1.0 + DAILY_SWING * float(cosine[0])) * (1.0 - WEEKEND_LOSS * weekend)
        return self._base * STEP_S * season * float(exp(self._drift + self._coupling * follow))

    def _draw(self, expected: float, clearing: float) -> tuple[NDArray[np.void], Counts]:
        """Transactions of the step with their times; the wait for the one after is carried over."""
        first = self._transactions
        gaps = np.array([self._to_next])
        while (short := expected - float(gaps.sum())) >= 0.0:
            words = uniforms(self._seed, STREAM, first + len(gaps), int(1.1 * short) + 16)
            gaps = np.concatenate((gaps, -log(np.ascontiguousarray(words[:, 2]))))
        at = np.cumsum(gaps)
        n = int(np.searchsorted(at, expected, side="right"))
        self._to_next = float(at[n]) - expected
        self._transactions += n
        shape = normals(self._seed, STREAM, first, n)
        made = np.empty(n, TX)
        sizes = np.rint(MEDIAN_VBYTES * exp(np.ascontiguousarray(SIZE_SIGMA * shape[:, 0])))
        made["vbytes"] = np.maximum(LEAST_VBYTES, sizes)
        rates = clearing * FEE_OVER_CLEARING * exp(np.ascontiguousarray(FEE_SIGMA * shape[:, 1]))
        made["fee"] = np.rint(np.maximum(1.0, rates) * made["vbytes"])
        made["rate"] = made["fee"] / made["vbytes"]
        return made, self._step_start + np.rint(at[:n] / expected * STEP_S * NS_PER_S).astype(np.int64)

    @property
    def _floor(self) -> float:
        return max(RELAY_MINIMUM, self._floor_rolling)

    def _admit(self, until_ns: int) -> None:
        """Take what arrives up to a time, if it pays the floor of the step."""
        n = int(np.searchsorted(self._arrival_ns, until_ns, side="right"))
        come, self._arriving = self._arriving[:n], self._arriving[n:]
        self._arrival_ns = self._arrival_ns[n:]
        taken = come[come["rate"] >= self._floor]
        self._refused += n - len(taken)
        self._arrived.append(taken)
        self._pool = np.concatenate((self._pool, taken))

    def _mine(self) -> None:
        _, self._height = self._blocks.popleft()
        sizes = self._pool["vbytes"]
        order = np.argsort(-self._pool["rate"], kind="stable")
        taken = order[np.cumsum(sizes[order]) <= BLOCK_VBYTES]
        self._mined += int(sizes[taken].sum())
        self._block_count += 1
        self._pool = np.delete(self._pool, taken)
        self._bumped = False

    def _evict(self) -> None:
        excess = int(self._pool["vbytes"].sum()) - self._max_usage
        if excess <= 0:
            return
        order = np.argsort(self._pool["rate"], kind="stable")
        count = int(np.searchsorted(np.cumsum(self._pool["vbytes"][order]), excess)) + 1
        gone = order[:count]
        self._evicted += int(self._pool["vbytes"][gone].sum())
        self._floor_rolling = max(self._floor_rolling, float(self._pool["rate"][gone[-1]]) + INCREMENT)
        self._pool = np.delete(self._pool, gone)
        self._bumped = True

    def _decay(self) -> None:
        if self._bumped or self._floor_rolling == 0.0:
            return
        share = int(self._pool["vbytes"].sum()) / self._max_usage
        half_life = FLOOR_HALF_LIFE_S / (4 if share < 0.25 else 2 if share < 0.5 else 1)
        self._floor_rolling *= 2.0 ** (-STEP_S / half_life)
        if self._floor_rolling < INCREMENT / 2:
            self._floor_rolling = 0.0

    def _clear_counts(self) -> None:
        self._arrived: list[NDArray[np.void]] = []
        self._mined = self._evicted = self._block_count = self._refused = 0

    def _state(self, now_ns: int) -> MempoolState:
        pool, come = self._pool, np.concatenate([_NONE, *self._arrived])
        size = int(pool["vbytes"].sum())
        return MempoolState(
            time=now_ns / NS_PER_S,
            height=self._height,
            tx_count=len(pool),
            vbytes=size,
            histogram=fee_histogram(pool["rate"], pool["vbytes"], pool["fee"]),
            min_rate=float(pool["rate"].min()) if len(pool) else nan,
            median_rate=float(np.median(pool["rate"])) if len(pool) else nan,
            floor=self._floor,
            fullness=fullness(size, self._max_usage),
            interval_s=(now_ns - self._since) / NS_PER_S,
            arrivals=fee_histogram(come["rate"], come["vbytes"], come["fee"]),
            mined_vbytes=self._mined,
            evicted_vbytes=self._evicted,
            blocks=self._block_count,
            refused=self._refused,
            notes=_notes(self._coupling),
        )


def _notes(coupling: float) -> tuple[str, ...]:
    if coupling == 0.0:
        return ("This mempool is simulated and knows nothing of any price.",)
    return (
        "This mempool is simulated, and its arrivals follow a market's order flow with coupling "
        f"{coupling:g}: what edge its signals have was put in by hand.",
    )
