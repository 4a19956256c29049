"""Strategies in Python against a plain loop over single ticks, and against the processor's own trading."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from livetrading import (
    FILL,
    TICK,
    Bar,
    BrokerSettings,
    ExitSettings,
    GbmMarket,
    LimitSettings,
    OrderError,
    PaperBroker,
    Processor,
    Settings,
    SignalSettings,
    SizingSettings,
    Strategy,
    StrategyError,
    VoteSettings,
    run_strategy,
)

Ticks = NDArray[np.void]
START: Final = 1_764_478_080_000_000_000
SECOND: Final = 1_000_000_000
FREE: Final = BrokerSettings(taker_bps=0, maker_bps=0, borrow_bps_8h=0, impact_bps=0, latency_us=0)
RULES: Final = [
    replace(FREE, taker_bps=1.0),
    BrokerSettings(latency_us=400_000.0, queue="probabilistic"),
    BrokerSettings(latency_us=300_000.0, latency="log-normal", maker_bps=-0.5, impact_bps=300.0),
]
MOST: Final = {"every": 3, "bar_s": None}


def walk(n: int, seed: int = 1, sd: float = 1e-4) -> Ticks:
    ticks = np.zeros(n, TICK)
    GbmMarket(seed, START, SECOND // 10, 97_000.0, sd, spread_bps=0.5).fill(ticks)
    return ticks


def tape(seed: int, n: int) -> Ticks:
    """Quotes and trades at uneven times, one tick in ten bad."""
    rng = np.random.default_rng(seed)
    ticks = np.zeros(n, TICK)
    mid = 100.0 + 0.5 * rng.integers(-1, 2, n).cumsum()
    ticks["ts"] = START + (rng.choice([0, 1, SECOND // 5, 3 * SECOND], n, p=[0.2, 0.2, 0.5, 0.1])).cumsum()
    ticks["bid"], ticks["ask"], ticks["price"] = mid - 0.5, mid + 0.5, mid
    ticks["flags"] = rng.choice([1, 2, 3], n)
    traded = ticks["flags"] & 2 > 0
    ticks["volume"] = np.where(traded, rng.exponential(1.0, n), 0.0)
    ticks["side"] = np.where(traded, rng.choice([-1, 1], n), 0)
    ticks["price"][traded] += 0.5 * ticks["side"][traded]
    for name in ("bid_size", "ask_size"):
        ticks[name] = rng.choice([np.nan, 0.0, 0.3, 2.0], n)
    faults = [("price", np.nan), ("ask", 1.0), ("ts", 0), ("ts", 2**62 + 1), ("volume", -1.0), ("bid", 0.0)]
    for at in np.flatnonzero(rng.random(n) < 0.1):
        name, value = faults[rng.integers(len(faults))]
        ticks[name][at] = value
    return ticks


class Scripted(Strategy):
    """Sends and cancels what a seed says, and writes down all that it is shown."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.calls: list[Any] = []
        self.told: list[bytes] = []

    def act(self, what: object, broker: PaperBroker) -> None:
        self.calls.append((what, broker.ts, broker.cash, broker.position, broker.orders, len(self.told)))
        side = int(self.rng.choice([-1, 1]))
        price = 100.0 + 0.5 * self.rng.integers(-6, 7)
        kind = str(self.rng.choice(["market", "limit", "post-only", "ioc", "stop"]))
        quantity = int(self.rng.integers(1, 10**8))
        if len(broker.orders) < 20:
            broker.submit(kind, side, quantity, None if kind == "market" else price)  # type: ignore[arg-type]
        if broker.orders and self.rng.random() < 0.3:
            broker.cancel(broker.orders[0].id)

    def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
        assert ticks["ts"][-1] == broker.ts
        self.act(ticks.tobytes(), broker)

    def on_bar(self, bar: Bar, broker: PaperBroker) -> None:
        assert broker.ts >= bar.end
        self.act(asdict(bar), broker)

    def on_fills(self, fills: NDArray[np.void], broker: PaperBroker) -> None:
        self.told.append(fills.tobytes())


class Plain:
    """The rules of `run_strategy` said plainly: a tick at a time, everything kept."""

    def __init__(self, strategy: Strategy, capital: float, broker: BrokerSettings, seed: int) -> None:
        self.strategy, self.broker = strategy, PaperBroker(capital, broker, seed=seed)
        self.fills: list[bytes] = []
        self.told = 0
        self.good: list[Any] = []

    def keep(self, fills: NDArray[np.void]) -> None:
        self.fills += [fills[at : at + 1].tobytes() for at in range(len(fills))]

    def tell(self) -> None:
        if len(self.fills) > self.told:
            fills = np.frombuffer(b"".join(self.fills[self.told :]), FILL)
            self.told = len(self.fills)
            self.strategy.on_fills(fills, self.broker)

    def run(self, ticks: Ticks, every: int | None, bar_s: float | None) -> PaperBroker:
        held: list[Any] = []
        for at in range(len(ticks)):
            bad = sum(self.broker.rejected.values())
            self.keep(self.broker.advance(ticks[at : at + 1]))
            if sum(self.broker.rejected.values()) > bad:
                continue
            self.good.append(ticks[at])
            held.append(ticks[at])
            if every is not None and len(held) == every:
                self.tell()
                shown = np.zeros(every, TICK)
                for place, tick in enumerate(held):
                    shown[place] = tick
                self.strategy.on_ticks(shown, self.broker)
                held = []
            if bar_s is not None:
                length = int(bar_s * SECOND)
                numbers = [int(tick["ts"]) // length for tick in held]
                if numbers[-1] != numbers[0]:
                    self.tell()
                    self.strategy.on_bar(plain_bar(held[:-1], numbers[0] * length, length), self.broker)
                    held = held[-1:]
        for _ in range(2):
            self.broker.close()
            self.keep(self.broker.take_fills())
            self.tell()
        return self.broker


def plain_bar(ticks: list[Any], start: int, length: int) -> Bar:
    trades = [tick for tick in ticks if tick["flags"] & 2]
    prices = [float(tick["price"]) for tick in trades]
    prices = prices or [float(0.5 * tick["bid"] + 0.5 * tick["ask"]) for tick in ticks]
    volume = 0.0
    for tick in trades:
        volume += float(tick["volume"])
    return Bar(start, start + length, prices[0], max(prices), min(prices), prices[-1], volume, len(trades))


def cut(ticks: Ticks, at: list[int]) -> Iterator[Ticks]:
    """Chunks in one buffer that is filled again, as a market's are."""
    buffer = np.zeros(len(ticks), TICK)
    for start, stop in pairwise([0, *sorted(min(place, len(ticks)) for place in at), len(ticks)]):
        buffer[: stop - start] = ticks[start:stop]
        yield buffer[: stop - start]


steps = st.one_of(
    st.builds(lambda every: {"every": every}, st.integers(1, 7)),
    st.builds(lambda bar_s: {"bar_s": bar_s}, st.sampled_from([0.25, 1.0, 5.0])),
)
streams = st.builds(tape, st.integers(0, 2**32), st.integers(0, 80))


@given(streams, st.lists(st.integers(0, 80), max_size=6), steps, st.sampled_from(RULES), st.integers(0, 9))
def test_against_a_plain_loop(
    ticks: Ticks, at: list[int], step: dict[str, Any], rules: BrokerSettings, seed: int
) -> None:
    """However the stream is cut: the same ticks, bars and fills in the same order, and the same money."""
    ours, plain = Scripted(seed), Scripted(seed)
    result = run_strategy(ours, cut(ticks, at), 1e6, broker=rules, seed=seed, **step)
    slow = Plain(plain, 1e6, rules, seed)
    broker = slow.run(ticks, step.get("every"), step.get("bar_s"))
    assert ours.calls == plain.calls
    assert ours.told == plain.told
    fills = b"".join(ours.told)
    assert result.fills_sha256 == sha256(fills).hexdigest()
    assert (result.ticks, result.calls, result.fills) == (len(slow.good), len(plain.calls), len(fills) // 56)
    assert (result.trades, result.wins) == (broker.trades, broker.wins)
    assert (result.rejected_ticks, result.refused_orders) == (broker.rejected, broker.refused)
    assert result.equity == pytest.approx(broker.cash / 1e6, rel=1e-15)
    assert result.net_pnl == pytest.approx(result.equity - 1e6, abs=1e-6)


@given(streams, streams, steps, st.sampled_from(RULES))
def test_the_future_changes_nothing(
    past: Ticks, future: Ticks, step: dict[str, Any], rules: BrokerSettings
) -> None:
    """What a strategy is shown, has and can send up to a tick does not depend on the ticks after it."""
    alone, followed = Scripted(), Scripted()
    run_strategy(alone, past, 1e6, broker=rules, **step)
    run_strategy(followed, np.concatenate([past, future]), 1e6, broker=rules, **step)
    assert followed.calls[: len(alone.calls)] == alone.calls


SIGNAL: Final = Settings(
    signals=SignalSettings(voters=("user",), gate_trend=False, gate_vpin=False),
    vote=VoteSettings(kind="majority", k_min=1),
    sizing=SizingSettings(kind="fixed", quantity_btc=0.0001, max_drawdown=1.0),
    exits=ExitSettings(on_signal="reverse"),
    limits=LimitSettings(orders_per_s=4096, daily_loss=1.0, stale_s=1e9),
)


class Fade(Strategy):
    """The fade of docs/SIGNALS.md, entered and left as `on_signal = "reverse"` does."""

    last = 0.0

    def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
        (mid,) = ((ticks["bid"] + ticks["ask"]) / 2).tolist()
        vote = (mid < self.last) - (mid > self.last) if self.last > 0.0 else 0
        self.last = mid
        if vote == 0 or broker.orders:
            return
        if broker.position == 0:
            broker.submit("market", vote, 10_000)
        elif vote * broker.position < 0:
            broker.submit("market", vote, abs(broker.position))


class Bought(Fade):
    """Keeps the fills."""

    def __init__(self) -> None:
        self.fills: list[NDArray[np.void]] = []

    def on_fills(self, fills: NDArray[np.void], broker: PaperBroker) -> None:
        self.fills.append(fills)


@pytest.mark.parametrize(
    "rules",
    [
        replace(FREE, taker_bps=1.5),
        BrokerSettings(latency_us=250_000.0),
        BrokerSettings(latency_us=150_000.0, latency="log-normal", impact_bps=200.0),
    ],
    ids=["at once", "late", "drawn"],
)
def test_the_same_broker_as_the_processor(rules: BrokerSettings) -> None:
    """A vote copied in Python gives the processor's fills, but for the reasons it writes beside them."""
    ticks = walk(5000)
    ticks["flags"][::7] |= 2  # trades do not matter to it
    mid = (ticks["bid"] + ticks["ask"]) / 2
    fade = -np.sign(np.diff(mid, prepend=mid[0])).astype(np.int8)
    theirs: list[NDArray[np.void]] = []
    processor = Processor(replace(SIGNAL, broker=rules), 1000.0, seed=3, on_fills=theirs.append)
    processor.replay(ticks, signal=fade)
    processor.close()
    strategy = Bought()
    result = run_strategy(strategy, ticks, 1000.0, every=1, broker=rules, seed=3)
    ours, expected = np.concatenate(strategy.fills), np.concatenate(theirs)
    for name in set(FILL.names or ()) - {"reason"}:
        np.testing.assert_array_equal(ours[name], expected[name], err_msg=name)
    totals = processor.totals()
    assert (result.trades, result.wins) == (totals["trades"], totals["wins"])
    assert result.trades > 500
    assert result.equity == totals["cash_micro"] / 1e6
    assert result.fees == (totals["fees_micro"] + totals["borrow_micro"]) / 1e6
    assert result.borrow == totals["borrow_micro"] / 1e6


def quotes(*rows: tuple[float, float, float]) -> Ticks:
    """Quotes of (second, bid, ask)."""
    ticks = np.zeros(len(rows), TICK)
    for tick, (at, bid, ask) in zip(ticks, rows, strict=True):
        tick["ts"], tick["bid"], tick["ask"] = START + round(at * SECOND), bid, ask
        tick["price"], tick["flags"] = (bid + ask) / 2, 1
    return ticks


class Bars(Strategy):
    """Keeps bars and fills, and buys on the first bar."""

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self.fills: list[Any] = []

    def on_bar(self, bar: Bar, broker: PaperBroker) -> None:
        if not self.bars:
            broker.submit("market", 1, 10**8)
        self.bars.append(bar)

    def on_fills(self, fills: NDArray[np.void], broker: PaperBroker) -> None:
        self.fills += fills[["ts", "price", "side"]].tolist()


def test_bars_by_hand() -> None:
    """Mids where nothing traded, trades alone where something did, no bar for a gap, none at the open end."""
    ticks = quotes((0.0, 9, 11), (0.4, 11, 13), (0.9, 8, 10), (1.0, 10, 12), (1.5, 20, 22), (7.2, 14, 16))
    ticks["flags"][3] = 3
    ticks["price"][3], ticks["volume"][3] = 11.5, 0.25
    strategy = Bars()
    run_strategy(strategy, ticks, 1000, bar_s=1, broker=FREE)
    first, second = START, START + SECOND
    assert strategy.bars == [
        Bar(first, first + SECOND, 10.0, 12.0, 9.0, 9.0, 0.0, 0),
        Bar(second, second + SECOND, 11.5, 11.5, 11.5, 11.5, 0.25, 1),
    ]


def test_an_order_after_a_bar_meets_what_stands_after_it() -> None:
    """The bar ended at a bid of 8 and an ask of 10; its order goes out with the tick that shows its end."""
    strategy = Bars()
    run_strategy(strategy, quotes((0, 8, 10), (2.5, 30, 31), (3, 40, 41)), 1000, bar_s=1, broker=FREE)
    assert strategy.fills == [(START + 5 * SECOND // 2, 31.0, 1), (START + 3 * SECOND, 40.0, -1)]


def test_bars_are_aligned_to_utc() -> None:
    ticks = quotes(*((at, 9, 11) for at in range(0, 7200, 50)))
    strategy = Bars()
    run_strategy(strategy, ticks, 1000, bar_s=3600, broker=FREE)
    assert [bar.start % (3600 * SECOND) for bar in strategy.bars] == [0, 0]
    assert [bar.end - bar.start for bar in strategy.bars] == [3600 * SECOND] * 2


def test_ticks_are_the_strategy_s_to_keep() -> None:
    kept: list[Ticks] = []

    class Keeper(Strategy):
        def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
            kept.append(ticks)

    ticks = walk(10)
    run_strategy(Keeper(), cut(ticks, [5]), 1000, every=2)
    assert np.concatenate(kept).tobytes() == ticks.tobytes()
    for array in kept:
        assert array.base is None  # a view would lead to the ticks that follow
        with pytest.raises(ValueError, match="read-only"):
            array["ts"] = 0


def test_what_is_sent_after_the_end_is_closed() -> None:
    class Stubborn(Strategy):
        def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
            if broker.position == 0:
                broker.submit("market", 1, 10**8)

        def on_fills(self, fills: NDArray[np.void], broker: PaperBroker) -> None:
            broker.submit("market", 1, 10**8)
            broker.submit("limit", -1, 10**8, 1e6)

    result = run_strategy(Stubborn(), quotes((0, 9, 11), (1, 9, 11), (2, 9, 11)), 1000, every=1, broker=FREE)
    # bought three times and sold whole at the end; on hearing of that bought again, and sold
    assert (result.fills, result.trades, result.net_pnl, result.equity) == (6, 2, -8.0, 992.0)


def test_figures() -> None:
    result = run_strategy(
        Fade(), walk(3000), 500, every=1, broker=BrokerSettings(taker_bps=0.01, borrow_bps_8h=1000)
    )
    interval = binomtest(result.wins, result.trades).proportion_ci(method="wilson")
    assert 0 < result.wins < result.trades
    assert result.win_rate == result.wins / result.trades
    assert (result.win_rate_low, result.win_rate_high) == pytest.approx((interval.low, interval.high))
    assert result.net_pnl == pytest.approx(result.gross_pnl - result.fees, abs=1e-9)
    assert result.equity == pytest.approx(500 + result.net_pnl, abs=1e-9)
    assert result.fees > result.borrow > 0
    nothing = run_strategy(Fade(), np.zeros(0, TICK), 500, every=1)
    assert (nothing.ticks, nothing.trades, nothing.win_rate, nothing.win_rate_low) == (0, 0, None, None)
    assert (nothing.equity, nothing.net_pnl) == (500, 0)


def test_what_a_callback_raises_comes_out() -> None:
    """The broker is left with a ledger that adds up, its orders and its time."""
    seen: list[PaperBroker] = []

    class Fragile(Strategy):
        def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
            seen.append(broker)
            broker.submit("market", 1, 10**8)
            if len(seen) == 3:
                broker.submit("limit", 2, 1, 1.0)

    with pytest.raises(OrderError, match="side must be 1 or -1, was 2"):
        run_strategy(Fragile(), quotes(*((at, 9, 11) for at in range(9))), 1000, every=2, broker=FREE)
    broker = seen[0]
    assert (broker.ts, broker.position, broker.cash) == (START + 5 * SECOND, 3 * 10**8, 967 * 10**6)
    assert broker.take_fills()["id"].tolist() == [2]


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ({}, "one of every and bar_s must be given, was None and None"),
        ({"every": 1, "bar_s": 1}, "one of every and bar_s must be given, was 1 and 1"),
        ({"every": 0}, "every must be a whole number from 1 to 1048576, was 0"),
        ({"every": (1 << 20) + 1}, "every must be"),
        ({"every": 2.0}, "every must be"),
        ({"every": True}, "every must be"),
        ({"bar_s": 0}, "bar_s must be from 1e-06 to 86400 seconds, was 0"),
        ({"bar_s": 86_400.1}, "bar_s must be"),
        ({"bar_s": float("nan")}, "bar_s must be"),
        ({"bar_s": "1"}, "bar_s must be"),
    ],
)
def test_refuses(step: dict[str, Any], rule: str) -> None:
    """Before anything is read."""
    untouched = iter([walk(1)])
    with pytest.raises(StrategyError, match=rule):
        run_strategy(Scripted(), untouched, 1000, **step)
    assert len(next(untouched)) == 1


@pytest.mark.parametrize("step", [{"every": 1 << 20}, {"bar_s": 1e-6}, {"bar_s": 86_400}])
def test_bounds(step: dict[str, Any]) -> None:
    assert run_strategy(Scripted(), walk(2), 1000, **step).ticks == 2


def test_refuses_what_else_cannot_be() -> None:
    untouched = iter([walk(1)])
    with pytest.raises(ValueError, match=r"capital must be from 0\.01 to 1e12 USD, was 0"):
        run_strategy(Scripted(), untouched, 0, every=1)
    with pytest.raises(TypeError, match="strategy must be an instance of a Strategy, was <class"):
        run_strategy(Scripted, untouched, 1000, every=1)  # type: ignore[arg-type]
    with pytest.raises(StrategyError, match="must override on_bar"):
        run_strategy(Fade(), untouched, 1000, bar_s=1)
    assert len(next(untouched)) == 1
    for wrong in ([walk(1), np.zeros(1)], np.zeros((1, 1), TICK), ["ticks.npy"]):
        with pytest.raises(TypeError, match="ticks must be one-dimensional arrays of TICK, was"):
            run_strategy(Scripted(), wrong, 1000, every=1)  # type: ignore[arg-type]


def test_every_other_tick_of_an_array() -> None:
    """A view that skips is taken as it is seen."""
    ticks = walk(20)
    a, b = Scripted(), Scripted()
    assert run_strategy(a, ticks[::2], 1e6, **MOST) == run_strategy(b, ticks[::2].copy(), 1e6, **MOST)
    assert a.calls == b.calls


def test_time_that_goes_back_between_chunks() -> None:
    """The first tick of a chunk is held against the last good one before it."""
    ticks = quotes((1, 9, 11), (0, 9, 11), (0.5, 9, 11), (1, 9, 11))
    strategy = Scripted()
    result = run_strategy(strategy, cut(ticks, [1, 2]), 1e6, every=1)
    assert (result.ticks, result.rejected_ticks["time"], len(strategy.calls)) == (2, 2, 2)


def test_a_position_that_the_ledger_cannot_close() -> None:
    """Its most notional is 1.8e11 USD: 100,000 BTC at 1e6 USD, not at 1e7; they are marked at the mid."""

    class Whale(Strategy):
        def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
            broker.submit("market", 1, 10**13)

    held = run_strategy(Whale(), quotes((0, 1e6, 1e6), (1, 9e6, 11e6)), 1000, every=1, broker=FREE)
    assert (held.fills, held.trades, held.equity) == (1, 0, 9e11 + 1000)
    assert held.refused_orders["ledger"] == 2  # the second order, and the close


def test_fills_and_ticks_are_not_the_strategy_s() -> None:
    class Taker(Fade):
        def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
            broker.submit("market", 1, 10_000)
            if len(broker.take_fills()):
                broker.submit("market", 1, 10_000)

    class Feeder(Strategy):
        def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
            broker.quote(broker.ts + SECOND, 1.0, 2.0)

    with pytest.raises(
        StrategyError, match="fills must be left for run_strategy to take, was fill 1 after 0"
    ):
        run_strategy(Taker(), walk(10), 1e6, every=1, broker=FREE)
    with pytest.raises(StrategyError, match="ticks must be left for run_strategy to give"):
        run_strategy(Feeder(), walk(10), 1e6, every=1, broker=FREE)


def test_memory_is_flat() -> None:
    def peak(chunks: int, **step: Any) -> int:
        ticks = walk(2000)

        def stream() -> Iterator[Ticks]:
            for _ in range(chunks):
                ticks["ts"] += 2000 * SECOND // 10
                yield ticks

        tracemalloc.start()
        run_strategy(Silent(), stream(), 1e9, **step)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    for step in ({"every": 500}, {"bar_s": 20}):
        assert peak(40, **step) < 1.05 * peak(10, **step)


class Silent(Strategy):
    """Turns its position at every call, and keeps nothing."""

    def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
        broker.submit("market", -1 if broker.position > 0 else 1, 2 * abs(broker.position) or 10_000)

    def on_bar(self, bar: Bar, broker: PaperBroker) -> None:
        self.on_ticks(np.zeros(0, TICK), broker)
