"""Orders of every kind at random over streams no market sends, beside a twin that sees the good ticks."""

from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from fuzz_ledger import assert_account, books_of
from fuzz_ticks import (
    CHANCES,
    faults,
    jumps,
    latencies,
    odd_sizes,
    odd_times,
    odd_values,
    places,
    standing,
    stream,
)

from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import FILL, Rejection
from livetrading.core.errors import OrderError
from livetrading.core.orders import ORDER_KINDS, WorkingOrder
from livetrading.core.settings import BrokerSettings

Rng = np.random.Generator
Order = tuple[str, int, int, float | None, int]

BAD_ORDERS: Final = [
    *(("limit", 0, 1, 5e4, 0), ("limit", 1, 0, 5e4, 0), ("limit", 1, 1, None, 0), ("market", 1, 1, 5e4, 0)),
    *(("stop", 1, 1, float("nan"), 0), ("ioc", 1, 1, -1.0, 0), ("much", 1, 1, 5e4, 0)),
    *(("market", 1, 1 << 63, None, 0), ("market", 1, 1, None, 8), ("market", 1, 1, None, -1)),
]


def order(rng: Rng, bid: float, ask: float, books: int) -> Order:
    """Return a random order about the quote that stands."""
    kind = ORDER_KINDS[rng.integers(len(ORDER_KINDS))]
    side = int(rng.choice([-1, 1]))
    quantity = int(10 ** rng.uniform(0, rng.choice([4, 9, 15])))
    touch = bid if rng.random() < 0.5 else ask
    away = rng.choice([0.0, 0.0, 1e-5, 1e-4, -1e-4, 0.1, 100.0])
    price = None if kind == "market" else float(np.clip(touch * (1 + away), 1e-12, 1e15))
    return kind, side, quantity, price, int(rng.integers(books))


Event = tuple[int, str, Any]


def script(rng: Rng, ticks: np.ndarray, good: np.ndarray, books: int) -> list[Event]:
    """Return what is done, and before which tick: orders, bad orders, cancellations, closing."""
    events: list[Event] = []
    known = np.flatnonzero(good)
    busy = float(rng.choice([0.01, 0.1, 1.0]))
    for at in known[rng.random(len(known)) < busy][:3000] + 1:
        bid, ask = float(ticks["bid"][at - 1]), float(ticks["ask"][at - 1])
        draw = rng.random()
        if draw < 0.8:
            events.append((int(at), "submit", order(rng, bid, ask, books)))
        elif draw < 0.97:
            events.append((int(at), "cancel", float(rng.random())))
        elif draw < 0.99:
            events.append((int(at), "bad", BAD_ORDERS[rng.integers(len(BAD_ORDERS))]))
        else:
            events.append((int(at), "close", None))
    return events


class Desk:
    """A broker, and all that was sent to it and came back."""

    def __init__(self, costs: BrokerSettings, capital: float, books: int, late: Any) -> None:
        self.broker = PaperBroker(capital, costs, books=books, seed=7, latencies=late)
        self.fills: list[np.ndarray] = []
        self.sent: dict[int, Order] = {}
        self.full = 0

    def act(self, what: str, detail: Any) -> None:
        if what == "submit":
            kind, side, quantity, price, book = detail
            if len(self.broker.orders) == 64 and kind != "market":
                with pytest.raises(OrderError, match="working"):
                    self.broker.submit(kind, side, quantity, price, book=book)
                self.full += 1
                return
            try:
                self.sent[self.broker.submit(kind, side, quantity, price, book=book)] = detail
            except OrderError:
                assert len(self.broker.orders) == 64
                self.full += 1
        elif what == "cancel" and self.sent:
            self.broker.cancel(int(detail * len(self.sent)))
        elif what == "bad":
            kind, side, quantity, price, book = detail
            with pytest.raises(OrderError):
                self.broker.submit(kind, side, quantity, price, book=book)
        elif what == "close":
            self.broker.close()
        self.fills.append(self.broker.take_fills())

    def trade(self, ticks: np.ndarray, events: list[Event], cuts: set[int]) -> None:
        """Take the ticks, cut where something is done and wherever else it is asked for."""
        at = 0
        borders = sorted({*(when for when, _, _ in events), *cuts, len(ticks)})
        waiting = iter([*events, (len(ticks) + 1, "", None)])
        when, what, detail = next(waiting)
        for stop in borders:
            self.fills.append(self.broker.advance(ticks[at:stop]))
            at = stop
            while when == stop:
                self.act(what, detail)
                when, what, detail = next(waiting)

    def all_fills(self) -> np.ndarray:
        return np.frombuffer(b"".join(fills.tobytes() for fills in self.fills), FILL)


def assert_orders(fills: np.ndarray, sent: dict[int, Order], working: list[WorkingOrder]) -> None:
    """Assert that an order fills on its side, in its book, within its limit, no more than it asked for."""
    filled: Counter[int] = Counter()
    for _, _, number, price, quantity, _, side, reason, book in fills.tolist():
        if number not in sent:
            assert reason == 6, "only the broker's own orders close"
            continue
        kind, asked_side, _, limit, asked_book = sent[number]
        assert (side, book) == (asked_side, asked_book)
        if kind in ("limit", "post-only", "ioc") and limit is not None:
            assert side * price <= side * limit
            assert kind != "post-only" or price == limit
        filled[number] += quantity
    for number, quantity in filled.items():
        assert quantity <= sent[number][2]
    assert len(working) <= 64
    for one in working:
        assert one.quantity == sent[one.id][2] - filled[one.id] > 0
        assert one.ahead is None or one.ahead >= 0


MUTATIONS: Final = (jumps, odd_sizes, odd_times, odd_values, standing)


def draw_ticks(rng: Rng) -> np.ndarray:
    ticks = stream(rng, int(10 ** rng.uniform(1, 3.5)))[1]
    if rng.random() < 0.3:
        with np.errstate(all="ignore"):
            MUTATIONS[rng.integers(len(MUTATIONS))](ticks, rng)
    if rng.random() < 0.5:  # trades at the touch, where queues are
        at = places(rng, len(ticks))
        side = rng.choice([-1, 1], len(ticks))
        ticks["flags"][at] = 3
        ticks["side"][at] = side[at]
        ticks["price"][at] = np.where(side > 0, ticks["ask"], ticks["bid"])[at]
        ticks["volume"][at] = rng.exponential(1.0, len(ticks))[at]
    return ticks


def case(rng: Rng, folder: Path) -> Counter[str]:
    """Run one stream of ticks and orders; counts of what came of them."""
    costs = BrokerSettings(**{key: draw(rng) for key, draw in CHANCES["broker"].items()})
    capital, books = float(rng.choice([0.01, 100.0, 1e6, 1e12])), int(rng.choice([1, 1, 2, 8]))
    late = latencies(rng, costs)
    ticks = draw_ticks(rng)
    kinds = faults(ticks)
    good = kinds < 0
    events = script(rng, ticks, good, books)
    rank = np.concatenate([[0], np.cumsum(good)])
    one, twin = (Desk(costs, capital, books, late) for _ in range(2))
    one.trade(ticks, events, {int(cut) for cut in rng.integers(0, len(ticks) + 1, 20)})
    twin.trade(ticks[good], [(int(rank[at]), what, detail) for at, what, detail in events], set())
    fills = one.all_fills()
    assert fills.tobytes() == twin.all_fills().tobytes()
    assert one.broker.orders == twin.broker.orders
    assert one.broker.refused == twin.broker.refused
    assert one.broker.rejected == {r.name.lower(): int(np.count_nonzero(kinds == r)) for r in Rejection}
    assert (np.diff(fills["ts"]) >= 0).all()
    assert_orders(fills, one.sent, one.broker.orders)
    share, rest = divmod(round(capital * 1e6), books)
    for number, book in enumerate(books_of(fills, costs, books)):
        account = one.broker.account(number)
        assert account == twin.broker.account(number)
        assert account.capital == share + (rest if number == 0 else 0)
        assert_account(book, account.capital, account[1:], book.position == 0)
    one.broker.close()
    assert one.broker.orders == []
    assert one.broker.position == 0 or one.broker.refused["ledger"] > 0
    counts = Counter({"ticks": len(ticks), "good ticks": int(good.sum()), "fills": len(fills)})
    counts.update({"orders fed": len(one.sent), "refused, 64 working": one.full})
    counts.update({f"refused, {name}": count for name, count in one.broker.refused.items()})
    counts.update(f"fills of {one.sent[n][0]}" for n in fills["order_id"].tolist() if n in one.sent)
    return counts
