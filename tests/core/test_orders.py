"""Orders of every kind against a slow broker that is plain to see, and each rule by hand."""

from collections import Counter
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_broker import Late, ReferenceBroker
from test_broker import free

from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import TICK
from livetrading.core.errors import OrderError
from livetrading.core.orders import ORDER_KINDS, WorkingOrder
from livetrading.core.settings import BrokerSettings
from livetrading.core.variates import exp, normal_quantile, uniforms

BTC = 10**8
NAN = float("nan")
HOUR = 3600 * 10**9
MID = 1_000_000.0
"""USD: one satoshi is 10,000 micro-dollars, so that fees do not vanish."""

DRAWN = [0, 1, 2, 5, 9]
DATED = [(0, 3), (4, 0), (4, 2), (9, 7), (5 * HOUR, 1)]


def price(step: int) -> float:
    return MID + 0.5 * step


def size(units: int | None) -> float:
    return NAN if units is None else units * 1e-8


def late_by(settings_: BrokerSettings, seed: int, latencies: list[Any] | None) -> Late:
    """The latency that the rules give, in nanoseconds."""
    feed, order_ns = round(settings_.feed_latency_us * 1000), round(settings_.latency_us * 1000)

    def late(ts: int, order: int, word: int) -> int:
        if settings_.latency == "constant":
            return feed + order_ns
        u = float(uniforms(seed, 9, order, 1)[0, word])
        if settings_.latency == "log-normal":
            return feed + int(
                order_ns * exp(settings_.latency_sigma * normal_quantile(np.array([u]))[0]) + 0.5
            )
        assert latencies is not None
        if isinstance(latencies[0], int):
            return feed + int(latencies[int(u * len(latencies))])
        before = [ns for at, ns in latencies if at <= ts]
        return feed + int(before[-1] if before else latencies[0][1])

    return late


rules = st.builds(
    BrokerSettings,
    taker_bps=st.sampled_from([0.0, 5.0, 7.77777]),
    maker_bps=st.sampled_from([-1.23456, 0.0, 2.0]),
    borrow_bps_8h=st.sampled_from([0.0, 1.0, 33.33333]),
    impact_bps=st.sampled_from([0.0, 2.0, 500.0]),
    feed_latency_us=st.sampled_from([0.0, 0.002]),
    latency_us=st.sampled_from([0.0, 0.002, 0.004]),
    latency=st.sampled_from(["constant", "constant", "log-normal", "recorded"]),
    latency_sigma=st.sampled_from([0.0, 1.0]),
    queue=st.sampled_from(["conservative", "probabilistic"]),
    queue_power=st.sampled_from([1, 2, 3, 8]),
)
steps = st.integers(0, 5)
sizes = st.none() | st.integers(0, 25)
gaps = st.sampled_from([0, 1, 1, 2, 3, 5, 3 * HOUR, 9 * HOUR])
ticks = st.tuples(st.just("tick"), gaps, steps, st.integers(0, 2), sizes, sizes,
                  st.sampled_from([0, 1, 1, 1, 2, 2, 3, 3, 5, 6]), steps, st.integers(0, 30),
                  st.sampled_from([-1, 0, 1]))  # fmt: skip
sides = st.sampled_from([-1, 1])
sends = st.tuples(st.just("send"), st.sampled_from(ORDER_KINDS), sides, st.integers(1, 40), steps,
                  st.integers(0, 2))  # fmt: skip
cancels = st.tuples(st.just("cancel"), st.integers(0, 30))
streams = st.lists(st.one_of(ticks, ticks, sends, sends, cancels), max_size=40)


def tick_of(ts: int, action: tuple[Any, ...]) -> np.ndarray:
    _, _, bid, spread, bid_size, ask_size, flags, traded, volume, side = action
    t = np.zeros(1, TICK)
    t["ts"], t["flags"] = ts, flags
    t["bid"], t["ask"] = price(bid), price(bid + spread)
    t["bid_size"], t["ask_size"] = size(bid_size), size(ask_size)
    t["price"] = 0.5 * t["bid"] + 0.5 * t["ask"]
    if flags & 2:
        t["price"], t["volume"], t["side"] = price(traded), volume * 1e-8, side
    if flags & 4:
        t["bid"] = t["ask"] = t["price"]
    return t


class Pair:
    """The compiled broker and the plain one, told the same."""

    def __init__(self, rules: BrokerSettings, books: int, seed: int, latencies: list[Any] | None) -> None:
        self.real = PaperBroker(1234.567891, rules, books=books, seed=seed, latencies=latencies)
        self.plain = ReferenceBroker(1_234_567_891, rules, books, late_by(rules, seed, latencies))
        self.taken = [self.real.take_fills()]
        self.waiting: list[np.ndarray] = []
        self.ts = 0

    def tick(self, t: np.ndarray) -> None:
        self.ts = int(t["ts"][0])
        self.waiting.append(t)
        self.plain.tick(dict(zip(TICK.names or (), t[0].tolist(), strict=True)))

    def catch_up(self) -> None:
        """Hand over all ticks since the last order in one array."""
        if self.waiting:
            self.taken.append(self.real.advance(np.concatenate(self.waiting)))
            self.waiting = []
            self.compare()

    def act(self, action: tuple[Any, ...]) -> None:
        if action[0] == "tick":
            self.tick(tick_of(self.ts + action[1], action))
            return
        self.catch_up()
        if action[0] == "send":
            _, kind, side, quantity, step, book = action
            at = None if kind == "market" else price(step)
            book %= len(self.plain.books)
            assert self.real.submit(kind, side, quantity, at, book=book) == self.plain.send(
                kind, side, quantity, at, book
            )
        elif action[1] < self.plain.sent:
            assert self.real.cancel(action[1]) == self.plain.cancel(action[1])
        self.compare()

    def compare(self) -> None:
        at_rest = {order.id: order for order in self.plain.resting}
        armed = {order.id for order in self.plain.armed}
        expected = []
        for number, order in sorted(self.plain.orders.items()):
            crowd = order.crowd if number in at_rest else None
            state = "resting" if number in at_rest else "armed" if number in armed else "sent"
            ahead = None if crowd is None else len(crowd)
            expected.append(
                WorkingOrder(
                    number,
                    order.book,
                    order.kind,
                    order.side,
                    order.left,
                    order.price,
                    state,
                    ahead,  # type: ignore[arg-type]
                )
            )
        assert self.real.orders == expected
        for book, ledger in enumerate(self.plain.books):
            names = ("capital", "cash", "position", "fees", "borrow", "gross", "net", "trades", "wins")
            assert self.real.account(book) == tuple(getattr(ledger, name) for name in names)
        assert self.real.refused == self.plain.refused

    def fills(self) -> np.ndarray:
        self.catch_up()
        fills = np.concatenate([*self.taken, self.real.take_fills()])
        np.testing.assert_array_equal(fills, self.plain.rows())
        return fills


def run_pair(
    rules: BrokerSettings, books: int, seed: int, dated: bool, stream: list[tuple[Any, ...]]
) -> tuple[Pair, np.ndarray]:
    """Tell both brokers the stream, compare after every order, and count the money at the end."""
    latencies: list[Any] | None = None
    if rules.latency == "recorded":
        latencies = list(DATED) if dated else list(DRAWN)
    pair = Pair(rules, books, seed, latencies)
    pair.tick(tick_of(0, ("tick", 0, 2, 1, 10, 10, 1, 0, 0, 0)))
    for action in stream:
        pair.act(action)
    fills = pair.fills()
    conserve(pair.real, books, fills)
    return pair, fills


@settings(max_examples=200, deadline=None)
@given(rules, st.integers(1, 3), st.integers(0, 2**64 - 1), st.booleans(), streams)
def test_orders_are_those_of_the_plain_broker(
    rules: BrokerSettings, books: int, seed: int, dated: bool, stream: list[tuple[Any, ...]]
) -> None:
    run_pair(rules, books, seed, dated, stream)


def random_rules(rng: Random) -> BrokerSettings:
    return BrokerSettings(
        taker_bps=rng.choice([0.0, 5.0, 7.77777]),
        maker_bps=rng.choice([-1.23456, 0.0, 2.0]),
        borrow_bps_8h=rng.choice([0.0, 1.0, 33.33333]),
        impact_bps=rng.choice([0.0, 2.0, 500.0]),
        feed_latency_us=rng.choice([0.0, 0.002]),
        latency_us=rng.choice([0.0, 0.002, 0.004]),
        latency=rng.choice(["constant", "constant", "log-normal", "recorded"]),
        queue=rng.choice(["conservative", "probabilistic"]),
        queue_power=rng.choice([1, 2, 3, 8]),
    )


def random_action(rng: Random) -> tuple[Any, ...]:
    def some(n: int) -> int:
        return rng.randint(0, n)

    def queued() -> int | None:
        return None if rng.random() < 0.1 else some(25)

    kind = rng.random()
    if kind < 0.1:
        return "cancel", some(30)
    if kind < 0.5:
        return "send", rng.choice(ORDER_KINDS), rng.choice([-1, 1]), 1 + some(39), some(5), some(2)
    gap = rng.choice([0, 1, 1, 2, 3, 5, 3 * HOUR, 9 * HOUR])
    flags = rng.choice([0, 1, 1, 1, 2, 2, 3, 3, 5, 6])
    return "tick", gap, some(5), some(2), queued(), queued(), flags, some(5), some(30), rng.choice([-1, 0, 1])


def test_1500_streams() -> None:
    """The same, drawn without a search for the smallest case: together they go everywhere."""
    rng, seen = Random(1), Counter[str]()
    for seed in range(1500):
        stream = [random_action(rng) for _ in range(rng.randint(0, 40))]
        pair, fills = run_pair(random_rules(rng), rng.randint(1, 3), seed, rng.random() < 0.5, stream)
        kinds = [action[1] for action in stream if action[0] == "send"]
        orders = [kinds[number] for number in fills["order_id"].tolist()]
        seen.update(orders)
        twice = fills["order_id"][1:] == fills["order_id"][:-1]
        seen["turned"] += int(
            np.sum(twice & (fills["price"][1:] == fills["price"][:-1]) & (np.diff(fills["ts"]) == 0))
        )
        seen["beyond the touch"] += int(np.sum(twice & (fills["price"][1:] != fills["price"][:-1])))
        seen["in parts"] += int(np.sum(twice & (np.diff(fills["ts"]) > 0)))
        seen["rebates"] += int(np.sum(fills["fee"] < 0))
        seen["borrow"] += pair.real.borrow > 0
        seen.update({kind: n for kind, n in pair.real.refused.items() if kind != "ledger"})
    assert min(seen.values()) > 100, seen
    assert set(seen) == {
        *ORDER_KINDS,
        "turned",
        "beyond the touch",
        "in parts",
        "rebates",
        "borrow",
        "post_only",
        "lapsed",
    }


def conserve(broker: PaperBroker, books: int, fills: np.ndarray) -> None:
    """Cash, position, fees and profit of each book, and of all, from FILL rows, borrow and the capital."""
    cash = {k: broker.account(k).capital for k in range(books)}
    position, fees = dict.fromkeys(cash, 0), dict.fromkeys(cash, 0)
    for fill in fills.tolist():
        _, _, _, at, quantity, fee, side, _, book = fill
        cash[book] -= side * round(Fraction(at) * quantity / 100) + fee
        position[book] += side * quantity
        fees[book] += fee
    for k in range(books):
        a = broker.account(k)
        assert (a.cash, a.position, a.fees) == (cash[k] - a.borrow, position[k], fees[k])
        if a.position == 0:
            assert a.cash - a.capital == a.net == a.gross - a.fees - a.borrow
    assert sum(broker.account(k).capital for k in range(books)) == 1_234_567_891
    assert (broker.cash, broker.fees) == (sum(cash.values()) - broker.borrow, sum(fees.values()))
    assert fills["id"].tolist() == list(range(len(fills)))


# Each rule by hand. A tick is ts, bid, ask, their sizes in BTC, and, where it trades, (price, BTC, side).


def market(*rows: tuple[Any, ...], trade_only: bool = False) -> np.ndarray:
    ticks = np.zeros(len(rows), TICK)
    for t, row in zip(ticks, rows, strict=True):
        ts, bid, ask, bid_size, ask_size, *trade = row
        t["ts"], t["bid"], t["ask"], t["bid_size"], t["ask_size"] = ts, bid, ask, bid_size, ask_size
        t["price"], t["flags"] = (bid + ask) / 2, 1
        if trade:
            t["price"], t["volume"], t["side"] = trade[0]
            t["flags"] = 2 if trade_only else 3
    return ticks


def quoted(rules: BrokerSettings, *row: float, **more: Any) -> PaperBroker:
    """A broker at whose quote of 99 to 101, 2 BTC and 3 BTC, orders can be sent."""
    broker = PaperBroker(1000.0, rules, **more)
    broker.quote(*(row or (0, 99.0, 101.0, 2.0, 3.0)))  # type: ignore[arg-type]
    return broker


def got(fills: np.ndarray) -> list[tuple[Any, ...]]:
    return [(ts, at, quantity / BTC) for ts, at, quantity in fills[["ts", "price", "quantity"]].tolist()]


SOLD = -1
BOUGHT = 1


def test_a_limit_order_takes_what_is_shown_and_rests() -> None:
    broker = quoted(free(taker_bps=10, maker_bps=-10))
    broker.submit("limit", 1, 5 * BTC, 102.0)
    fills = broker.take_fills()
    assert got(fills) == [(0, 101.0, 3.0)]
    assert fills["fee"].tolist() == [303_000]
    assert broker.orders == [WorkingOrder(0, 0, "limit", 1, 2 * BTC, 102.0, "resting", 0)]
    fills = broker.advance(market((1, 101.0, 103.0, 9, 9, (102.0, 0.5, SOLD)), (2, 101.0, 102.0, 9, 0.1)))
    assert got(fills) == [(1, 102.0, 0.5), (2, 102.0, 0.1)]
    assert fills["fee"].tolist() == [-51_000, -10_200]
    assert broker.orders == [WorkingOrder(0, 0, "limit", 1, 140_000_000, 102.0, "resting", 0)]


def test_a_trade_goes_through_the_queue_first() -> None:
    """2 BTC are ahead: a trade of 1.5, then one of 1, of which half a coin comes through."""
    broker = quoted(free())
    broker.submit("limit", 1, BTC, 99.0)
    rows = [(ts, 99.0, 101.0, 2, 3, (99.0, btc, SOLD)) for ts, btc in ((1, 1.5), (2, 1.0), (3, 0.25))]
    assert got(broker.advance(market(*rows, trade_only=True))) == [(2, 99.0, 0.5), (3, 99.0, 0.25)]
    assert broker.orders[0][4:] == (BTC // 4, 99.0, "resting", 0)


@pytest.mark.parametrize(
    ("trade", "filled", "ahead"),
    [
        ((99.0, 9.0, SOLD), 1.0, None),
        ((99.0, 9.0, 0), 1.0, None),
        ((99.0, 9.0, BOUGHT), 0.0, 2 * BTC),
        ((98.5, 0.1, SOLD), 1.0, None),
        ((98.5, 0.1, BOUGHT), 1.0, None),
        ((98.5, 0.0, SOLD), 0.0, 2 * BTC),
        ((99.5, 9.0, SOLD), 0.0, 2 * BTC),
        ((99.0, 2.0, SOLD), 0.0, 0),
    ],
)
def test_which_trades_fill_a_bid(trade: tuple, filled: float, ahead: int | None) -> None:
    broker = quoted(free())
    broker.submit("post-only", 1, BTC, 99.0)
    fills = broker.advance(market((1, 99.0, 101.0, 2, 3, trade), trade_only=True))
    assert fills["quantity"].sum() / BTC == filled
    assert [order.ahead for order in broker.orders] == [ahead] * (filled < 1)


def test_a_new_quote_across_the_price_fills_what_it_shows() -> None:
    """All of it where the size is not known; what it gave is gone until the next new quote."""
    broker = quoted(free())
    broker.submit("limit", -1, 7 * BTC, 103.0)
    assert got(broker.advance(market((1, 103.0, 104.0, 0.1, 1)))) == [(1, 103.0, 0.1)]
    assert got(broker.advance(market((1, 103.0, 104.0, 0.1, 1), (2, 103.5, 104.0, 0.4, 1)))) == [
        (2, 103.0, 0.4)
    ]
    assert got(broker.advance(market((3, 103.5, 104.0, float("nan"), 1)))) == [(3, 103.0, 6.5)]


def test_what_is_taken_of_a_quote_comes_back_with_a_new_one_alone() -> None:
    broker = quoted(free(impact_bps=100.0))
    fills = []
    for ts in (1, 2, 3):
        broker.submit("ioc", 1, 2 * BTC, 101.0)
        fills += got(broker.take_fills())
        tick = market((ts, 99.0, 101.0, 2, 3))
        tick["flags"] = 1 if ts == 2 else 2
        broker.advance(tick)
    assert fills == [(0, 101.0, 2.0), (1, 101.0, 1.0), (2, 101.0, 2.0)]


@pytest.mark.parametrize("flags", [0, 2, 4, 5, 6])
def test_a_quote_that_is_not_new_fills_nothing(flags: int) -> None:
    broker = quoted(free())
    broker.submit("limit", -1, BTC, 105.0)
    tick = market((2, 105.0, 106.0, 1, 1))
    tick["flags"], tick["price"], tick["volume"] = flags, 103.0, 1.0
    assert len(broker.advance(tick)) == 0


def test_the_quote_acts_before_the_trade() -> None:
    """The tick's quote shows 4 BTC where the touch reaches the order; its trade of 5 fills one."""
    broker = quoted(free())
    broker.submit("limit", 1, 2 * BTC, 98.0)
    assert broker.orders[0].ahead is None
    assert got(broker.advance(market((1, 98.0, 100.0, 4, 1, (98.0, 5.0, SOLD))))) == [(1, 98.0, 1.0)]


def test_the_queue_of_a_price_below_the_touch() -> None:
    """Not known until the touch is there; nobody where the touch has gone past it."""
    for bid, ahead in ((99.0, None), (98.5, 2 * BTC), (98.0, 0)):
        broker = quoted(free())
        broker.submit("limit", 1, BTC, 98.5)
        broker.advance(market((1, bid, 101.0, 2, 1)))
        assert broker.orders[0].ahead == ahead


def test_unknown_sizes() -> None:
    """Without a size the queue is not known, and only what trades through fills."""
    broker = quoted(free(), 0, 99.0, 101.0)
    broker.submit("limit", 1, BTC, 99.0)
    assert len(broker.advance(market((1, 99.0, 101.0, NAN, NAN, (99.0, 50.0, SOLD))))) == 0
    assert got(broker.advance(market((2, 99.0, 101.0, 1, 1, (99.0, 1.5, SOLD))))) == [(2, 99.0, 0.5)]
    assert got(broker.advance(market((3, 99.0, 101.0, NAN, NAN, (98.9, 0.1, SOLD))))) == [(3, 99.0, 0.5)]


def test_own_orders_at_one_price_share_a_trade() -> None:
    """Behind 2 BTC and each other: 4 BTC fill the first, half of the second, none of the third."""
    broker = quoted(free(), books=2)
    for quantity, book in ((1.5, 0), (1.0, 1), (1.0, 0)):
        broker.submit("limit", 1, round(quantity * BTC), 99.0, book=book)
    fills = broker.advance(market((1, 99.0, 101.0, 2, 3, (99.0, 4.0, SOLD)), trade_only=True))
    assert fills[["order_id", "quantity", "book"]].tolist() == [(0, 3 * BTC // 2, 0), (1, BTC // 2, 1)]


@pytest.mark.parametrize(("power", "gone"), [(1, Fraction(4, 3)), (2, Fraction(8, 5)), (3, Fraction(16, 9))])
def test_cancellations(power: int, gone: Fraction) -> None:
    """4 BTC are left ahead and 2 queue behind; of 2 that are cancelled 4^n / (4^n + 2^n) was ahead."""
    ticks = market((2, 99.0, 101.0, 6, 1), (3, 99.0, 101.0, 4, 1))
    for queue, ahead in (("probabilistic", 4 - gone), ("conservative", Fraction(4))):
        broker = quoted(free(queue=queue, queue_power=power), 0, 99.0, 101.0, 7.0, 1.0)
        broker.submit("limit", 1, BTC, 99.0)
        broker.advance(market((1, 99.0, 101.0, 7, 1, (99.0, 3.0, SOLD)), trade_only=True))
        assert broker.orders[0].ahead == 4 * BTC
        broker.advance(ticks)
        assert broker.orders[0].ahead == pytest.approx(float(ahead * BTC), abs=1)


def test_what_has_traded_is_not_cancelled() -> None:
    broker = quoted(free(queue="probabilistic"), 0, 99.0, 101.0, 7.0, 1.0)
    broker.submit("limit", 1, BTC, 99.0)
    broker.advance(market((1, 99.0, 101.0, 9, 1, (99.0, 3.0, SOLD)), (2, 99.0, 101.0, 6, 1)))
    assert broker.orders[0].ahead == 4 * BTC
    # no more can be ahead than is shown
    broker.advance(market((3, 99.0, 101.0, 24, 1), (4, 99.0, 101.0, 2, 1)))
    assert broker.orders[0].ahead == 2 * BTC


def test_no_more_is_cancelled_ahead_than_is_there() -> None:
    """Of 6 BTC, 4 ahead, 5.5 are gone: 64/72 of them would be more than 4."""
    broker = quoted(free(queue="probabilistic"), 0, 99.0, 101.0, 4.0, 1.0)
    broker.submit("limit", 1, BTC, 99.0)
    broker.advance(market((1, 99.0, 101.0, 6, 1), (2, 99.0, 101.0, 0.5, 1)))
    assert broker.orders[0].ahead == 0


def test_post_only_and_ioc() -> None:
    broker = quoted(free())
    broker.submit("post-only", 1, BTC, 101.0)
    broker.submit("post-only", -1, BTC, 99.0)
    broker.submit("ioc", 1, BTC, 100.9)
    assert len(broker.take_fills()) == 0
    broker.submit("ioc", 1, 4 * BTC, 101.0)
    assert got(broker.take_fills()) == [(0, 101.0, 3.0)]
    assert broker.orders == []
    assert broker.refused == {"ledger": 0, "post_only": 2, "lapsed": 2}


def test_stops() -> None:
    broker = quoted(free(impact_bps=100))
    broker.submit("stop", 1, 2 * BTC, 105.0)
    broker.submit("stop", -1, BTC, 95.0)
    assert [order.state for order in broker.orders] == ["armed", "armed"]
    assert len(broker.advance(market((1, 95.5, 104.5, 1, 1)))) == 0
    # a buy fills at the ask that triggered it, the coin that is not shown a per cent above
    assert got(broker.advance(market((2, 100.0, 106.0, 1, 1)))) == [(2, 106.0, 1.0), (2, 106.0 * 1.01, 1.0)]
    assert got(broker.advance(market((3, 94.0, 96.0, 1, 1)))) == [(3, 94.0, 1.0)]
    broker.submit("stop", -1, BTC, 94.0)  # triggered where it arrives
    assert got(broker.take_fills())[-1] == (3, pytest.approx(94.0 / 1.01), 1.0)


def test_a_turn_is_two_round_trips() -> None:
    broker = quoted(free(taker_bps=100))
    broker.submit("market", 1, BTC)
    broker.submit("market", -1, 3 * BTC)
    fills = broker.take_fills()
    assert fills[["order_id", "side", "quantity"]].tolist() == [(0, 1, BTC), (1, -1, BTC), (1, -1, 2 * BTC)]
    assert fills["fee"].tolist() == [1_010_000, 990_000, 1_980_000]
    assert (broker.position, broker.trades, broker.wins) == (-2 * BTC, 1, 0)
    assert (broker.gross, broker.net) == (-2_000_000, -4_000_000)


def test_borrow_is_paid_for_the_time_at_the_mid() -> None:
    """A short of 1 BTC from 2 h on at 8 bps for 8 hours: 6 h to 08:00 at 100, and an hour at 200."""
    broker = PaperBroker(1000.0, free(borrow_bps_8h=8.0))
    broker.quote(2 * HOUR, 100.0, 100.0)
    broker.submit("market", -1, BTC)
    broker.quote(7 * HOUR, 100.0, 100.0)
    assert broker.borrow == 0
    broker.quote(8 * HOUR, 200.0, 200.0)
    assert broker.borrow == 60_000
    broker.quote(9 * HOUR, 300.0, 300.0)
    broker.submit("market", 1, BTC // 2)
    assert broker.borrow == 60_000 + 30_000
    broker.submit("market", 1, BTC // 2)
    assert (broker.borrow, broker.net, broker.gross) == (90_000, -200_090_000, -200_000_000)
    broker.quote(99 * HOUR, 300.0, 300.0)
    assert broker.borrow == 90_000


def test_a_cancellation_takes_its_time() -> None:
    """Sent at 0, it arrives at 2 us: what trades up to then fills."""
    broker = quoted(free(latency_us=2), 0, 99.0, 101.0, 0.0, 0.0)
    order = broker.submit("limit", 1, BTC, 100.0)
    assert broker.cancel(order)
    assert broker.orders[0].state == "sent"
    rows = [(ts, 99.0, 101.0, 1, 1, (100.0, 0.25, SOLD)) for ts in (1999, 2000, 2001, 2002)]
    assert got(broker.advance(market(*rows))) == []
    order = broker.submit("limit", 1, BTC, 100.0)
    broker.advance(market((5000, 99.0, 101.0, 1, 1)))
    assert broker.cancel(order)
    rows = [(ts, 99.0, 101.0, 1, 1, (100.0, 0.25, SOLD)) for ts in (6999, 7000, 7001)]
    assert got(broker.advance(market(*rows))) == [(6999, 100.0, 0.25), (7000, 100.0, 0.25)]
    assert not broker.cancel(order)
    with pytest.raises(OrderError, match="an id that submit returned, was 2"):
        broker.cancel(2)


def test_the_first_of_two_cancellations_counts() -> None:
    broker = quoted(free(latency_us=2), 0, 99.0, 101.0, 0.0, 0.0)
    order = broker.submit("limit", 1, BTC, 100.0)
    for ts in (5000, 6999):
        broker.quote(ts, 99.0, 101.0, 1.0, 1.0)
        assert broker.cancel(order)
    assert len(broker.advance(market((7001, 99.0, 101.0, 1, 1, (100.0, 0.25, SOLD))))) == 0
    assert broker.orders == []


def test_feed_and_order_latency_add() -> None:
    broker = quoted(free(latency_us=2, feed_latency_us=3))
    broker.submit("market", 1, BTC)
    assert got(broker.advance(market((5000, 99.0, 102.0, 1, 1), (5001, 99.0, 103.0, 1, 1)))) == [
        (5000, 102.0, 1.0)
    ]


def test_log_normal_latencies_are_log_normal() -> None:
    """Median 50 us, sigma 0.5: their logarithms by the law of Kolmogorov and Smirnov."""
    late = []
    broker = PaperBroker(1e9, free(latency="log-normal", latency_us=50, latency_sigma=0.5), seed=3)
    broker.quote(0, 99.0, 101.0)
    for ts in range(0, 400 * 10**7, 10**7):
        broker.submit("market", 1, 1)
        broker.quote(ts + 10**7, 99.0, 101.0)
        late.append(int(broker.take_fills()["ts"][0]) - ts)
    from scipy.stats import kstest

    assert kstest(np.log(np.array(late) / 50_000) / 0.5, "norm").pvalue > 0.01
    assert len(set(late)) > 390


def test_recorded_latencies() -> None:
    dated = np.array([[10, 7], [20, 1], [20, 4]])
    for ts, arrival in ((0, 7), (10, 17), (19, 26), (20, 24), (99, 103)):
        broker = quoted(free(latency="recorded"), ts, 99.0, 101.0, 1.0, 1.0, latencies=dated)
        broker.submit("market", 1, BTC)
        broker.quote(10**6, 99.0, 101.0)
        assert broker.take_fills()["ts"].tolist() == [arrival]
    drawn = PaperBroker(1e9, free(latency="recorded"), latencies=[3, 5, 7])
    drawn.quote(0, 99.0, 101.0)
    late = []
    for ts in range(0, 6000, 100):
        drawn.submit("market", 1, 1)
        drawn.quote(ts + 100, 99.0, 101.0)
        late.append(int(drawn.take_fills()["ts"][0]) - ts)
    assert min(Counter(late)[ns] for ns in (3, 5, 7)) > 10
    assert set(late) == {3, 5, 7}


@pytest.mark.parametrize(
    ("latencies", "rule"),
    [
        (None, "latencies must be given"),
        ([], "whole ns of shape"),
        ([1.5], "whole ns of shape"),
        ([[1, 2, 3]], "whole ns of shape"),
        ([-1], "from 0 to 1000000000000000 ns, was -1"),
        ([[2, 1], [1, 1]], "not go back"),
    ],
)
def test_bad_latencies(latencies: list | None, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        PaperBroker(1.0, free(latency="recorded"), latencies=latencies)
    with pytest.raises(ValueError, match="nowhere else"):
        PaperBroker(1.0, free(), latencies=[1])


def test_arrivals_go_by_time_and_number() -> None:
    """The second is sent later and arrives sooner; the third arrives with the first, after it."""
    late = np.array([[0, 9], [1, 3], [5, 4]])
    broker = PaperBroker(1000.0, free(latency="recorded"), latencies=late)
    for ts in (0, 1, 5):
        broker.quote(ts, 99.0, 101.0)
        broker.submit("market", 1, ts + 1)
    broker.quote(100, 99.0, 101.0)
    assert broker.take_fills()[["ts", "order_id"]].tolist() == [(4, 1), (9, 0), (9, 2)]


def test_64_orders_may_work() -> None:
    broker = quoted(free())
    for number in range(64):
        assert broker.submit("limit", 1, 1, 50.0 + number / 100) == number
    with pytest.raises(OrderError, match="at most 64 orders may be working, was 64"):
        broker.submit("limit", 1, 1, 50.0)
    assert broker.submit("market", 1, 1) == 64
    broker.advance(market((1, 40.0, 50.25, 1, 1)))
    assert len(broker.orders) == 25
    assert broker.submit("limit", 1, 1, 50.0) == 65


def test_closing_lets_orders_lapse() -> None:
    broker = quoted(free(impact_bps=100), books=2)
    broker.submit("market", 1, BTC, book=0)
    broker.submit("market", -1, BTC, book=1)
    broker.submit("limit", 1, 10 * BTC, 98.0, book=1)
    broker.take_fills()
    broker.quote(1, 99.0, 101.0, 0.1, 0.1)
    broker.close()
    fills = broker.take_fills()
    assert fills[["price", "quantity", "reason", "book"]].tolist() == [(99.0, BTC, 6, 0), (101.0, BTC, 6, 1)]
    assert (broker.orders, broker.position, broker.trades) == ([], 0, 2)


def test_bad_ticks_change_nothing() -> None:
    broker = quoted(free())
    broker.submit("limit", 1, BTC, 99.0)
    bad = market((1, 99.0, 98.0, 1, 1), (0, 99.0, 100.0, -1, 1), (-5, 1.0, 2.0, 1, 1), (1, NAN, 2.0, 1, 1))
    assert len(broker.advance(bad)) == 0
    assert broker.rejected == {"price": 1, "crossed": 1, "time": 1, "size": 1, "no_quote": 0}
    assert (broker.ts, broker.orders[0].ahead) == (0, 2 * BTC)
    with pytest.raises(TypeError, match="array of TICK"):
        broker.advance(np.zeros(3))  # type: ignore[arg-type]


def test_as_many_fills_as_the_ticks_give() -> None:
    """More than the first buffer holds, in one call."""
    broker = quoted(free(), 0, 99.0, 101.0, 0.0, 0.0)
    broker.submit("limit", 1, 5000, 100.0)
    rows = [(ts, 99.0, 101.0, 1, 1, (100.0, 1e-8, SOLD)) for ts in range(1, 5001)]
    fills = broker.advance(market(*rows))
    assert fills["ts"].tolist() == list(range(1, 5001))
    assert fills["id"].tolist() == list(range(5000))


def test_capital_is_shared_exactly() -> None:
    broker = PaperBroker(0.10, books=8)
    assert [broker.account(k).cash for k in range(8)] == [12_500] * 8
    broker = PaperBroker(0.100003, books=8)
    assert [broker.account(k).cash for k in range(8)] == [12_503] + [12_500] * 7
    with pytest.raises(ValueError, match="books must be from 1 to 8, was 9"):
        PaperBroker(1.0, books=9)


def test_equity_marks_every_book() -> None:
    broker = quoted(free(), books=2)
    broker.submit("market", 1, BTC, book=1)
    assert broker.equity(100.0) == 999.0
