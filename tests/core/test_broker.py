"""Money is conserved: cash, position and profit follow from fills and borrow, to the last unit."""

from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tapes import awkward, chaos, replayed
from test_processor import BUSY, PLAIN, part

from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import FILL, Reason
from livetrading.core.errors import OrderError
from livetrading.core.settings import BrokerSettings, Settings

BTC = 10**8


class Book:
    """A ledger in whole numbers that sees the capital and FILL rows, and nothing else."""

    def __init__(self, capital_micro: int, taker_bps: float) -> None:
        self.cash = capital_micro
        self.rate = Fraction(round(taker_bps * 10**5), 10**9)
        self.position = self.fees = self.gross = self.net = self.trades = self.wins = 0
        self.open_cash = self.open_fees = 0

    def take(self, fills: np.ndarray) -> None:
        for number, fill in enumerate(fills.tolist()):
            _, _, _, price, quantity, fee, side, _, _ = fill
            notional = round(Fraction(price) * quantity * 10**6 / BTC)
            assert fee == round(notional * self.rate), f"fee of fill {number}"
            assert quantity > 0
            assert side in (-1, 1)
            if self.position == 0:
                self.open_cash, self.open_fees = self.cash, self.fees
            self.cash -= side * notional + fee
            self.position += side * quantity
            self.fees += fee
            if self.position == 0:
                net = self.cash - self.open_cash
                self.trades += 1
                self.wins += net > 0
                self.net += net
                self.gross += net + self.fees - self.open_fees


NAN = float("nan")


def free(**costs: object) -> BrokerSettings:
    """Without fee, borrow, impact and latency but for those named."""
    nothing = {"taker_bps": 0, "maker_bps": 0, "borrow_bps_8h": 0, "impact_bps": 0, "latency_us": 0}
    return BrokerSettings(**{**nothing, **costs})  # type: ignore[arg-type]


PRICES = [0.01, 0.25, 61661.83, 97_000.0, 97_000.005, 2.0**-20, 1e-12, 9e14]
FEES = [0.0, 1e-5, 0.1, 1.0, 5.0, 7.77777, 1000.0]
LATENCIES = [0.0, 0.001, 2.0]
prices = st.floats(1e-3, 1e8) | st.sampled_from(PRICES)
sizes = st.just(NAN) | st.just(0.0) | st.floats(1e-9, 30.0)
orders = st.tuples(st.integers(0, 3), prices, st.floats(0, 0.01), sizes, sizes, st.sampled_from([-1, 1]),
                   st.floats(0, 1), st.integers(1, 10**11))  # fmt: skip


def check_conservation(capital: int, bps: float, latency_us: float, stream: list[tuple]) -> int:
    """Assert that the broker's money is that of its fills; how many they were."""
    broker = PaperBroker(capital / 1e6, free(taker_bps=bps, latency_us=latency_us, impact_bps=3.0))
    book, taken, ts = Book(capital, bps), [], 0
    for gap, bid, spread, bid_size, ask_size, side, share, quantity in stream:
        ts += gap * 1000
        broker.quote(ts, bid, bid * (1 + spread), bid_size, ask_size)
        if broker.position * side < 0 and share < 0.8:
            quantity = max(1, int(share / 0.8 * abs(broker.position)))
        broker.submit("market", side, quantity)
        taken.append(broker.take_fills())
    broker.quote(ts + 10_000, 1.0, 1.0)
    taken.append(broker.take_fills())
    fills = np.concatenate(taken)
    book.take(fills)
    assert fills["id"].tolist() == list(range(len(fills)))
    assert (broker.cash, broker.position, broker.fees, broker.gross) == (
        book.cash,
        book.position,
        book.fees,
        book.gross,
    )
    assert (broker.trades, broker.wins) == (book.trades, book.wins)
    return len(fills)


@settings(max_examples=10_000, deadline=None)
@given(
    st.integers(10**4, 10**15),
    st.sampled_from(FEES),
    st.sampled_from(LATENCIES),
    st.lists(orders, max_size=8),
)
@example(10**8, 5.0, 0.0, [(0, 0.125, 0.0, NAN, NAN, 1, 1.0, 400)])  # half a micro-dollar
def test_conservation(capital: int, bps: float, latency_us: float, stream: list[tuple]) -> None:
    check_conservation(capital, bps, latency_us, stream)


def random_order(rng: Random) -> tuple:
    bid = rng.choice([10 ** rng.uniform(-3, 8), rng.choice(PRICES)])
    bid_size, ask_size = (rng.choice([NAN, 0.0, 10 ** rng.uniform(-9, 1.5), 30.0]) for _ in range(2))
    spread = rng.choice([0.0, rng.uniform(0, 0.01)])
    quantity = round(10 ** rng.uniform(0, 11))
    return rng.randint(0, 3), bid, spread, bid_size, ask_size, rng.choice([-1, 1]), rng.random(), quantity


def test_conservation_of_10000_streams() -> None:
    """The same, drawn without a search for the smallest case, which takes sixty times as long."""
    rng, fills = Random(1), 0
    for _ in range(10_000):
        stream = [random_order(rng) for _ in range(rng.randint(0, 8))]
        capital = round(10 ** rng.uniform(4, 15))
        fills += check_conservation(capital, rng.choice(FEES), rng.choice(LATENCIES), stream)
    assert fills > 10_000


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "rules",
    [
        BUSY,
        part(BUSY, "broker", taker_bps=0.03333, latency_us=150_000.0),
        part(PLAIN, "broker", taker_bps=7.77777),
    ],
)
def test_conservation_of_whole_runs(seed: int, rules: Settings) -> None:
    for ticks, truth in ((awkward(seed, 20_000), None), chaos(seed, 20_000, spread_bps=0.3)):
        out = replayed(rules, ticks, truth, capital=1234.567891, close=True)
        book = Book(1_234_567_891, rules.broker.taker_bps)
        book.take(out.fills)
        totals = out.totals
        assert len(out.fills) == totals["fills"] > 10
        assert totals["cash_micro"] == book.cash - totals["borrow_micro"]
        assert (totals["position_sat"], book.position) == (0, 0)
        borrow = totals["borrow_micro"]
        assert (totals["fees_micro"], totals["gross_micro"]) == (book.fees, book.gross)
        assert totals["net_micro"] == book.net - borrow
        assert totals["trades"] == book.trades
        assert borrow > 0 or totals["wins"] == book.wins
        assert totals["cash_micro"] - 1_234_567_891 == totals["net_micro"]
        assert totals["net_micro"] == totals["gross_micro"] - totals["fees_micro"] - borrow
        assert totals["equity_usd"] == pytest.approx(totals["cash_micro"] / 1e6, rel=1e-15)


def test_rows_follow_the_fills() -> None:
    """At every row cash and position are those of the fills up to its time."""
    ticks, truth = chaos(6, 5000, spread_bps=0.3)
    out = replayed(part(BUSY, "broker", taker_bps=0.01, borrow_bps_8h=0), ticks, truth)
    book, done = Book(10**10, 0.01), 0
    for ts, position, cash in out.rows[["ts", "position", "cash"]].tolist():
        reached = int(np.searchsorted(out.fills["ts"], ts, side="right"))
        book.take(out.fills[done:reached])
        done = reached
        assert (book.position, book.cash) == (position, cash)
    assert done == len(out.fills) > 100


def filled(broker: PaperBroker) -> list[tuple]:
    return broker.take_fills()[["ts", "price", "quantity", "side"]].tolist()


def test_fills_at_the_touch() -> None:
    broker = PaperBroker(1000.0, free())
    broker.quote(5, 99.0, 101.0)
    broker.submit("market", 1, BTC)
    broker.submit("market", -1, BTC)
    assert filled(broker) == [(5, 101.0, BTC, 1), (5, 99.0, BTC, -1)]
    assert (broker.cash, broker.gross, broker.trades, broker.wins) == (998 * 10**6, -2 * 10**6, 1, 0)


def test_latency_fills_at_the_quote_of_arrival() -> None:
    """Sent at 0 with 2 us: a quote at 2 us stands when the order arrives, one a nanosecond later does not."""
    broker = PaperBroker(1000.0, free(latency_us=2))
    broker.quote(0, 99.0, 100.0)
    broker.submit("market", 1, BTC)
    broker.quote(1999, 100.0, 101.0)
    broker.quote(2000, 101.0, 102.0)
    broker.quote(2000, 101.5, 102.5)
    assert filled(broker) == []
    broker.quote(2001, 103.0, 104.0)
    assert filled(broker) == [(2000, 102.5, BTC, 1)]


@pytest.mark.parametrize(
    ("shown", "got"),
    [
        (0.75, [(100.0, 75_000_000), (105.0, 25_000_000)]),
        (0.0, [(100.0 * 1.1, BTC)]),
        (NAN, [(100.0, BTC)]),
        (7.0, [(100.0, BTC)]),
    ],
)
def test_impact(shown: float, got: list[tuple]) -> None:
    """Ten per cent times the root of the BTC beyond the displayed size; the selling side is its mirror."""
    broker = PaperBroker(1000.0, free(impact_bps=1000.0))
    broker.quote(0, 100.0, 100.0, shown, shown)
    broker.submit("market", 1, BTC)
    broker.submit("market", -1, BTC)
    fills = broker.take_fills()
    assert fills["order_id"].tolist() == [0] * len(got) + [1] * len(got)
    assert fills[["price", "quantity"]][: len(got)].tolist() == got
    sold = [(100.0 * 100.0 / price, quantity) for price, quantity in got]
    assert fills[["price", "quantity"]][len(got) :].tolist() == [
        (pytest.approx(price, rel=1e-15), quantity) for price, quantity in sold
    ]


def test_displayed_size_is_taken_once_a_tick() -> None:
    broker = PaperBroker(1000.0, free(impact_bps=1000.0), books=2)
    for ts in (0, 1):
        broker.quote(ts, 100.0, 100.0, 1.0, 1.5)
        broker.submit("market", 1, BTC, book=0)
        broker.submit("market", 1, BTC, book=1)
        got = broker.take_fills()[["price", "quantity", "book"]].tolist()
        assert got == [(100.0, BTC, 0), (100.0, BTC // 2, 1), (100 * (1 + 0.1 * 0.5**0.5), BTC // 2, 1)]


@pytest.mark.parametrize(
    ("price", "satoshi", "micro"),
    [
        (50.0, 1, 0),
        (50.0, 3, 2),
        (150.0, 1, 2),
        (250.0, 1, 2),
        (350.0, 1, 4),
        (0.01, 4999, 0),
        (0.01, 5001, 1),
    ],
)
def test_half_to_even(price: float, satoshi: int, micro: int) -> None:
    broker = PaperBroker(1000.0, free())
    broker.quote(0, price, price)
    broker.submit("market", 1, satoshi)
    assert broker.cash == 10**9 - micro


def test_fill_bytes() -> None:
    """56 packed bytes, what is unused zero."""
    broker = PaperBroker(1000.0, free(taker_bps=10))
    broker.quote(7, 2.0, 3.0)
    broker.submit("market", 1, BTC)
    broker.submit("market", -1, BTC // 2)
    expected = np.zeros(2, FILL)
    expected[0] = (0, 7, 0, 3.0, BTC, 3000, 1, Reason.ENTRY, 0)
    expected[1] = (1, 7, 1, 2.0, BTC // 2, 1000, -1, Reason.ENTRY, 0)
    assert broker.take_fills().tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("order", "rule"),
    [
        (("market", 0, 1), "side must be 1 or -1, was 0"),
        (("market", 2, 1), "side must be"),
        (("market", 1, 0), "quantity must be"),
        (("market", 1, 1.5), "quantity must be"),
        (("market", 1, 21 * 10**14 + 1), "quantity must be"),
        (("market", 1, 1, 2.0), "price must be given but for a market order, was 2.0"),
        (("limit", 1, 1), "price must be given"),
        (("limit", 1, 1, NAN), "price must be from"),
        (("stop", 1, 1, -1.0), "price must be from"),
        (("iceberg", 1, 1, 1.0), "kind must be one of market, limit, post-only, ioc, stop, was 'iceberg'"),
    ],
)
def test_refuses(order: tuple, rule: str) -> None:
    broker = PaperBroker(1000.0, free())
    with pytest.raises(OrderError, match="standing quote"):
        broker.submit("market", 1, BTC)
    broker.quote(0, 1.0, 2.0)
    broker.submit("market", 1, BTC)
    with pytest.raises(OrderError, match=rule):
        broker.submit(*order)
    with pytest.raises(OrderError, match="book must be from 0 to 0, was 1"):
        broker.submit("market", 1, 1, book=1)
    assert (broker.cash, broker.position, len(broker.take_fills())) == (998 * 10**6, BTC, 1)


def test_a_fill_the_ledger_cannot_hold_changes_nothing() -> None:
    broker = PaperBroker(1000.0, free())
    broker.quote(0, 9e14, 9e14)
    broker.submit("market", 1, 21 * 10**14)
    assert (broker.cash, broker.position, broker.fees, len(broker.take_fills())) == (10**9, 0, 0, 0)
    assert broker.refused == {"ledger": 1, "post_only": 0, "lapsed": 0}


@pytest.mark.parametrize(
    "quote", [(0, 2.0, 1.0), (0, -1.0, 1.0), (0, float("nan"), 1.0), (0, 1.0, 2.0, -1.0), (-1, 1.0, 2.0)]
)
def test_bad_quotes(quote: tuple) -> None:
    broker = PaperBroker(1000.0)
    with pytest.raises(ValueError, match="must"):
        broker.quote(*quote)
