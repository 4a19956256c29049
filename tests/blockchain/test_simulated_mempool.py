"""The made-up mempool: its laws, its independence of how time is cut, and what its signals are worth."""

import itertools
import math
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from livetrading import ChaosMarket, HawkesMarket
from livetrading.blockchain.chain_clock import ChainClock
from livetrading.blockchain.mempool_math import BLOCK_VBYTES, MempoolState
from livetrading.blockchain.mempool_signals import blockspace_imbalance, tx_momentum
from livetrading.blockchain.protocol import DomainError
from livetrading.blockchain.simulated_mempool import HourlyFlow, SimulatedMempool
from livetrading.core.dtypes import KNOT, TICK, TickFlag
from livetrading.core.variates import uniforms

NS: Final = 1_000_000_000
HOUR: Final = 3600 * NS
MONDAY: Final = 1_764_547_200
"""2025-12-01 00:00 UTC."""


class Blocks:
    """A clock with blocks at given seconds after its start."""

    def __init__(self, *seconds: int, start: int = MONDAY) -> None:
        self.start_ns = start * NS
        self._left = [self.start_ns, *(self.start_ns + second * NS for second in seconds)]
        self._height = 100

    def knots(self, until_ns: int) -> NDArray[np.void]:
        rows = []
        while self._left and (not rows or rows[-1][0] <= until_ns):
            rows.append((self._left.pop(0), self._height, math.nan))
            self._height += 1
        return np.array(rows, KNOT)


def never(start: int = MONDAY) -> Blocks:
    return Blocks(10**8, start=start)


def figures(state: MempoolState) -> tuple[Any, ...]:
    parts = (state.histogram, state.arrivals)
    return (
        *(array.tolist() for part in parts for array in (part.count, part.vbytes, part.fees)),
        *(value for value in (state.time, state.height, state.tx_count, state.vbytes, state.floor)),
        str((state.min_rate, state.median_rate, state.interval_s)),
        (state.mined_vbytes, state.evicted_vbytes, state.blocks, state.refused, state.notes),
    )


class TestLaws:
    def test_arrivals_follow_hour_and_weekend(self) -> None:
        """Over many seeds: exp(g) has mean exp(0.35^2 / 2), hours and weekends their factors."""
        cases = ((0, 15, 1.25), (0, 3, 0.75), (5, 15, 1.25 * 0.85), (6, 21, 0.85), (4, 9, 1.0))
        for days, hour, factor in cases:
            start = MONDAY + days * 86_400 + hour * 3600 - 60
            counts = np.array(
                [
                    SimulatedMempool(seed, never(start)).advance((start + 120) * NS).arrivals.count.sum()
                    for seed in range(300)
                ]
            )
            expected = 3.5 * 120 * factor * math.exp(0.35**2 / 2)
            assert counts.mean() == pytest.approx(expected, abs=4 * counts.std() / math.sqrt(300))
            assert np.log(counts).std() == pytest.approx(0.35, rel=0.2)

    def test_counts_of_a_step_are_poisson(self) -> None:
        """Of one seed's drift: two halves of a step are as alike as chance has it."""
        halves = []
        for seed in range(150):
            pool = SimulatedMempool(seed, never(), tx_per_s=1.0)
            at = [pool.advance(pool.start_ns + second * NS).arrivals.count.sum() for second in (30, 60)]
            halves.append(at)
        first, second = np.array(halves, float).T
        ratio = (first - second) ** 2 / (first + second)
        assert ratio.mean() == pytest.approx(1.0, abs=4 * math.sqrt(2 / 150))

    def test_waits_are_the_generators_exponentials_one_after_another(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At a constant rate the times of arrival are their plain sum, over any number of steps."""
        monkeypatch.setattr(SimulatedMempool, "_intensity", lambda pool: 30.0)
        pool, seen = SimulatedMempool(11, never()), []
        for step in range(40):
            seen.append(pool._arrival_ns - pool.start_ns)
            pool.advance(pool.start_ns + (step + 1) * 60 * NS)
        times = np.concatenate(seen)
        waits = -np.log(uniforms(11, 6, 0, len(times))[:, 2])
        assert len(times) > 1000
        assert times / NS == pytest.approx(np.cumsum(waits) * 60 / 30, abs=1e-6)

    def test_sizes_and_fees(self) -> None:
        pool = SimulatedMempool(1, never(), tx_per_s=100.0)
        pool.advance(pool.start_ns + 100 * NS)
        made = pool._pool
        sizes, rates = made["vbytes"].astype(float), made["rate"]
        assert sizes.min() == 110
        assert np.median(sizes) == pytest.approx(180, rel=0.03)
        above = np.log(sizes[sizes > 180] / 180) / 0.7
        assert np.mean(above**2) == pytest.approx(1.0, rel=0.06)
        assert np.array_equal(rates, made["fee"] / made["vbytes"])
        assert rates.min() >= 1.0
        high = np.log(rates[rates > 1.2] / 1.1) / 0.8
        expected = np.abs(np.random.default_rng(1).normal(size=10**6))
        expected = expected[expected > math.log(1.2 / 1.1) / 0.8]
        assert high.mean() == pytest.approx(expected.mean(), rel=0.05)

    def test_fees_follow_the_clearing_rate(self) -> None:
        pool = SimulatedMempool(2, never(), tx_per_s=50.0)
        early = pool.advance(pool.start_ns + 60 * NS).arrivals
        pool.advance(pool.start_ns + 1200 * NS)
        clearing = pool.advance(pool.start_ns + 1200 * NS).clearing_rate
        late = pool.advance(pool.start_ns + 1260 * NS).arrivals
        assert clearing > 1.5
        ratio = (late.fees.sum() / late.vbytes.sum()) / (early.fees.sum() / early.vbytes.sum())
        assert ratio > 1.2

    def test_a_block_takes_the_best(self) -> None:
        pool = SimulatedMempool(3, Blocks(1200, 10**8), tx_per_s=20.0)
        before = pool.advance(pool.start_ns + 1199 * NS)
        waiting = pool._pool.copy()
        after = pool.advance(pool.start_ns + 1200 * NS)
        assert (after.blocks, after.height) == (1, before.height + 1)
        assert BLOCK_VBYTES - 20_000 < after.mined_vbytes <= BLOCK_VBYTES
        came = after.arrivals.total_vbytes
        assert before.vbytes + came - after.mined_vbytes == after.vbytes
        left = pool._pool["rate"]
        gone = np.sort(waiting["rate"])[::-1]
        assert left.max() <= gone[int(len(gone) * after.mined_vbytes / before.vbytes * 0.8)]
        assert left.max() <= depth_of_a_block(waiting) * 1.001

    def test_everything_is_accounted_for(self) -> None:
        pool = SimulatedMempool(4, ChainClock(4), tx_per_s=8.0, max_usage=3_000_000)
        came = gone = 0
        for hour in range(1, 13):
            now = pool.advance(pool.start_ns + hour * HOUR)
            came += now.arrivals.total_vbytes
            gone += now.mined_vbytes + now.evicted_vbytes
            assert now.vbytes == came - gone == now.histogram.total_vbytes
            assert now.tx_count == now.histogram.count.sum()
            assert now.interval_s == 3600.0
        assert gone > 0

    def test_state_of_the_pool(self) -> None:
        pool = SimulatedMempool(5, never())
        empty = pool.advance(pool.start_ns)
        assert (empty.tx_count, empty.vbytes, empty.interval_s) == (0, 0, 0.0)
        assert math.isnan(empty.min_rate)
        now = pool.advance(pool.start_ns + HOUR)
        rates = pool._pool["rate"]
        assert (now.min_rate, now.median_rate) == (rates.min(), np.median(rates))
        assert now.time == MONDAY + 3600
        assert now.notes == ("This mempool is simulated and knows nothing of any price.",)


def depth_of_a_block(pool: NDArray[np.void]) -> float:
    """Rate of the transaction at which a block is full, one after another from the best."""
    left = BLOCK_VBYTES
    for rate, size in sorted(zip(pool["rate"], pool["vbytes"], strict=True), reverse=True):
        left -= size
        if left < 0:
            return float(rate)
    return math.inf


class TestEviction:
    def test_the_worst_go_and_the_floor_rises(self) -> None:
        most = 2_000_000
        pool = SimulatedMempool(6, never(), tx_per_s=10.0, max_usage=most)
        floors, sizes = [], []
        for minute in range(1, 120):
            now = pool.advance(pool.start_ns + minute * 60 * NS)
            floors.append(now.floor)
            sizes.append(now.vbytes)
        assert max(sizes) <= most
        assert floors[0] == 1.0 < floors[-1]
        assert all(a <= b for a, b in itertools.pairwise(floors))  # no block yet: it does not decay
        assert now.min_rate >= floors[0]
        assert now.fullness <= 1.0

    def test_the_floor_decays_as_a_nodes_does(self) -> None:
        pool = SimulatedMempool(7, Blocks(4 * 3600, 10**8), tx_per_s=10.0, max_usage=10**6)
        start = pool.advance(pool.start_ns + 3600 * NS).floor
        assert start > 2.0
        pool._arriving, pool._arrival_ns = pool._arriving[:0], pool._arrival_ns[:0]
        pool._pool, pool._base, pool._to_next = pool._pool[:0], 1e-9, 1.0
        # Only a block makes room that lasts: without one the floor stays.
        assert pool.advance(pool.start_ns + 4 * HOUR - NS).floor == start
        # Empty, and so less than a quarter full: half of it is gone 3 h after the block.
        later = pool.advance(pool.start_ns + 7 * HOUR - NS)
        assert later.floor == pytest.approx(start / 2, rel=1e-9)
        assert pool.advance(pool.start_ns + 200 * HOUR).floor == 1.0

    def test_who_pays_less_than_the_floor_is_refused(self) -> None:
        pool = SimulatedMempool(8, never(), tx_per_s=10.0, max_usage=500_000)
        pool.advance(pool.start_ns + HOUR)
        now = pool.advance(pool.start_ns + HOUR + 59 * NS)
        assert now.refused > 0
        assert now.floor > 1.0
        below = np.searchsorted(now.arrivals.edges, now.floor, side="right") - 1
        assert now.arrivals.count[:below].sum() == 0


class TestDeterminism:
    @settings(max_examples=12, deadline=None)
    @given(st.lists(st.integers(0, 7200 * NS), max_size=12), st.integers(0, 2**64 - 1))
    def test_cutting_time_changes_nothing(self, cuts: list[int], seed: int) -> None:
        def made() -> SimulatedMempool:
            return SimulatedMempool(
                seed, Blocks(60, 61, 601, 1800, 3600, 7199, 10**7), tx_per_s=6.0, max_usage=600_000
            )

        pool, whole = made(), made()
        parts = [pool.advance(pool.start_ns + cut) for cut in (*sorted(cuts), 7200 * NS)]
        once = whole.advance(whole.start_ns + 7200 * NS)
        assert np.array_equal(pool._pool, whole._pool)
        assert (parts[-1].floor, parts[-1].height) == (once.floor, once.height)
        for name in ("mined_vbytes", "evicted_vbytes", "blocks", "refused"):
            assert sum(getattr(part, name) for part in parts) == getattr(once, name)
        assert np.array_equal(sum(part.arrivals.vbytes for part in parts), once.arrivals.vbytes)

    def test_a_seed_is_a_mempool(self) -> None:
        states = [SimulatedMempool(seed, ChainClock(1)) for seed in (9, 9, 10)]
        one, same, other = (figures(pool.advance(pool.start_ns + HOUR)) for pool in states)
        assert one == same
        assert one != other


def correlated_states(
    seed: int, coupling: float, hours: int, ahead_ns: int, kind: str
) -> tuple[NDArray[np.float64], ...]:
    """Momentum and imbalance of each hour, and the market's log return in that hour and in the next."""
    clock = ChainClock(seed)
    if kind == "hawkes":
        market: HawkesMarket | ChaosMarket = HawkesMarket(seed, clock.start_ns, NS, 96_000.0)
    else:
        market = ChaosMarket(seed, clock.start_ns, NS)
    ticks = np.zeros(3600 * (hours + 1) + 1, TICK)
    market.feed(clock.knots(clock.start_ns + len(ticks) * NS))
    market.fill(ticks)
    trades = ticks[(ticks["flags"] & TickFlag.TRADE) != 0]
    flow = HourlyFlow(trades["ts"] - ahead_ns, trades["side"].astype(float)) if coupling else None
    # Fewer transactions than by default, for speed: blocks are never full.
    pool = SimulatedMempool(seed, ChainClock(seed), tx_per_s=1.0, coupling=coupling, flow=flow)
    states = [pool.advance(pool.start_ns + ten * HOUR // 6) for ten in range(1, 6 * hours + 1)]
    arrivals = [float(now.arrivals.count.sum()) for now in states]
    momentum = tx_momentum([pool.start_ns / NS, *(now.time for now in states)], arrivals)[5::6]
    imbalance = np.array([blockspace_imbalance(now) for now in states])[5::6]
    price = np.log((ticks["bid"] + ticks["ask"]) / 2)[::3600]
    steps = np.diff(price)
    return momentum[1:], imbalance[1:], steps[1:hours], steps[2 : hours + 1]


def t_of(signals: list[NDArray[np.float64]], returns: list[NDArray[np.float64]]) -> float:
    """T of the profit at the mid of being long where the signal is above its median, else short.

    A seed is one observation: hours of one market follow each other, those of chaos by half.
    """
    middle = np.median(np.concatenate(signals))
    profit = [np.mean(np.sign(s - middle) * r) for s, r in zip(signals, returns, strict=True)]
    return float(np.mean(profit) / (np.std(profit, ddof=1) / math.sqrt(len(profit))))


def edges(
    seeds: range, coupling: float, hours: int, ahead: int = 0, kind: str = "hawkes"
) -> dict[str, float]:
    rows = [correlated_states(seed, coupling, hours, ahead, kind) for seed in seeds]
    momentum, imbalance, same, following = map(list, zip(*rows, strict=True))
    return {
        "momentum, same hour": t_of(momentum, same),
        "momentum, next hour": t_of(momentum, following),
        "imbalance, same hour": t_of(imbalance, same),
        "imbalance, next hour": t_of(imbalance, following),
    }


SEEDS: Final = range(1, 17)
HOURS: Final = 8
"""The same for every case, so that what is not there would have been seen if it were."""


class TestEdge:
    """What a signal of the mempool is worth on the simulated market."""

    @pytest.mark.parametrize("kind", ["hawkes", "chaos"])
    def test_uncoupled_there_is_none(self, kind: str) -> None:
        found = edges(SEEDS, 0.0, HOURS, kind=kind)
        assert all(abs(t) < 3 for t in found.values()), found

    def test_coupled_it_tells_the_hour_it_follows_and_not_the_next(self) -> None:
        found = edges(SEEDS, 0.8, HOURS)
        assert found["momentum, same hour"] > 3
        assert abs(found["momentum, next hour"]) < 3

    def test_an_edge_on_what_comes_is_there_if_the_flow_looks_ahead(self) -> None:
        """That is by hand: the flow handed in is that of the hour to come."""
        found = edges(SEEDS, 0.8, HOURS, ahead=HOUR)
        assert found["momentum, next hour"] > 3

    @pytest.mark.full
    @pytest.mark.parametrize("kind", ["hawkes", "chaos"])
    def test_uncoupled_over_many_seeds(self, kind: str) -> None:
        found = edges(range(1, 61), 0.0, 24, kind=kind)
        assert all(abs(t) < 3 for t in found.values()), found

    def test_every_state_says_that_it_was_put_in(self) -> None:
        pool = SimulatedMempool(1, never(), coupling=0.5, flow=lambda time_ns: 0.0)
        (note,) = pool.advance(pool.start_ns).notes
        assert "coupling 0.5: what edge its signals have was put in by hand" in note

    def test_coupling_multiplies_the_rate(self) -> None:
        counts = [
            [
                SimulatedMempool(seed, never(), coupling=coupling, flow=lambda time_ns: 1.5)
                .advance((MONDAY + 60) * NS)
                .arrivals.count.sum()
                for seed in range(60)
            ]
            for coupling in (0.0, 0.5)
        ]
        ratio = np.mean(counts[1]) / np.mean(counts[0])
        assert ratio == pytest.approx(math.exp(0.5 * 1.5), rel=0.03)


class TestFlow:
    def test_is_the_sum_of_the_stretches_over_their_root_of_squares(self) -> None:
        rng = np.random.default_rng(1)
        times, volume = np.sort(rng.integers(0, 5 * HOUR, 400)), rng.normal(0, 2, 400)
        flow = HourlyFlow(times, volume)
        for at in (0, HOUR // 2, 2 * HOUR, 7 * HOUR, int(times[200])):
            flows = [
                volume[(times > at - (k + 1) * HOUR // 12) & (times <= at - k * HOUR // 12)].sum()
                for k in range(12)
            ]
            size = math.sqrt(sum(f * f for f in flows))
            assert flow(at) == pytest.approx(sum(flows) / size if size else 0.0, abs=1e-9)

    def test_the_future_is_not_in_it(self) -> None:
        times, volume = np.arange(100) * 60 * NS, np.ones(100)
        changed = np.where(times > HOUR, -50.0, volume)
        assert HourlyFlow(times, volume)(HOUR) == HourlyFlow(times, changed)(HOUR)

    def test_is_standardised_on_clustered_trades(self) -> None:
        """Hawkes sides follow each other, so that single trades' squares would make it 3 times too large."""
        values = []
        for seed in range(1, 41):
            market = HawkesMarket(seed, 0, NS, 96_000.0)
            ticks = np.zeros(5 * 3600, TICK)
            market.feed(np.array([(0, 1, 96_000.0), (10**15, 2, 96_000.0)], KNOT))
            market.fill(ticks)
            trades = ticks[(ticks["flags"] & TickFlag.TRADE) != 0]
            flow = HourlyFlow(trades["ts"], trades["side"].astype(float))
            values += [flow(hour * HOUR) for hour in range(1, 5)]
        assert abs(np.mean(values)) < 4 / math.sqrt(len(values))
        assert np.var(values) == pytest.approx(1.0, abs=4 * math.sqrt(2 / len(values)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be >= 0, was -1"),
        ({"seed": 2**64}, "seed must be <= 18446744073709551615, was"),
        ({"tx_per_s": 0.0}, "tx_per_s must be above 0 and at most 1000, was 0.0"),
        ({"tx_per_s": 1001.0}, "tx_per_s must be above 0 and at most 1000, was 1001.0"),
        ({"coupling": -0.1}, "coupling must be from 0 to 1, was -0.1"),
        ({"coupling": 1.1}, "coupling must be from 0 to 1, was 1.1"),
        ({"coupling": math.nan}, "coupling must be from 0 to 1, was nan"),
        ({"coupling": 0.5}, "flow must be given where coupling is above 0, was none with 0.5"),
        ({"max_usage": 0}, "max_usage must be >= 1, was 0"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError, match=f"^{message}"):
        SimulatedMempool(**{"seed": 1, "clock": never(), **options})


def test_time_does_not_go_back() -> None:
    pool = SimulatedMempool(1, never())
    pool.advance(pool.start_ns + HOUR)
    with pytest.raises(DomainError, match=r"^until_ns must not be before \d+, was"):
        pool.advance(pool.start_ns)


def test_a_time_the_clock_refuses_changes_nothing() -> None:
    pool, twin = SimulatedMempool(1, ChainClock(1)), SimulatedMempool(1, ChainClock(1))
    with pytest.raises(DomainError, match=r"^until_ns must be at most"):
        pool.advance(pool.start_ns + 3 * 10**17)
    assert figures(pool.advance(pool.start_ns + HOUR)) == figures(twin.advance(pool.start_ns + HOUR))


def test_a_flow_that_is_no_number() -> None:
    with pytest.raises(DomainError, match=r"^the flow must be finite, was nan at"):
        SimulatedMempool(1, never(), coupling=0.5, flow=lambda time_ns: math.nan)


@pytest.mark.parametrize(
    ("times", "volume", "message"),
    [
        ([1, 2], [1.0], "times_ns and signed_volume must be rows of equal length"),
        ([2, 1], [1.0, 1.0], "times_ns must not decrease"),
        ([1, 2], [1.0, math.nan], "signed_volume must be finite, was nan"),
    ],
)
def test_bad_flows(times: list[int], volume: list[float], message: str) -> None:
    with pytest.raises(DomainError, match=f"^{message}"):
        HourlyFlow(times, volume)
