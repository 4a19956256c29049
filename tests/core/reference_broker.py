"""The paper broker said plainly: events in a sorted list, queues of single satoshi, money in fractions.

Written from the rules of docs/ARCHITECTURE.md ("Orders") for the tests of the compiled broker, which must
agree to the last unit. Slow: a trade of n satoshi is n trades of one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import isnan, sqrt
from typing import Any

import numpy as np

from livetrading.core.dtypes import FILL
from livetrading.core.settings import BrokerSettings

PERIOD_NS = 8 * 3600 * 10**9
BTC = 10**8

Quote = dict[str, Any]
Late = Callable[[int, int, int], int]
"""Nanoseconds of (time, order, 0 for the order or 1 for its cancellation)."""


def rate(bps: float) -> Fraction:
    return Fraction(round(bps * 10**5), 10**9)


def satoshi(btc: float) -> int:
    return int(btc * 1e8 + 1e-6)


@dataclass
class Order:
    id: int
    book: int
    kind: str
    side: int
    left: int
    price: float | None
    arrival: int
    cancelled: bool = False
    crowd: list[str] | None = None
    shown: int | None = None
    traded: int = 0


@dataclass
class Ledger:
    """One book, and what its open trade began with."""

    capital: int
    cash: int = 0
    position: int = 0
    fees: int = 0
    borrow: int = 0
    gross: int = 0
    net: int = 0
    trades: int = 0
    wins: int = 0
    paid_ts: int = 0
    opening: dict[str, int] = field(default_factory=dict)

    def pay_borrow(self, ts: int, mid: float, share: Fraction) -> None:
        if self.position < 0:
            notional = round(Fraction(mid) * -self.position / 100)
            due = round(notional * share * (ts - self.paid_ts) / PERIOD_NS)
            self.cash -= due
            self.borrow += due
        self.paid_ts = ts

    def fill(self, side: int, price: float, quantity: int, share: Fraction) -> int:
        """Book a fill that does not turn the position; the fee."""
        notional = round(Fraction(price) * quantity / 100)
        fee = round(notional * share)
        if self.position == 0:
            self.opening = {"cash": self.cash, "paid": self.fees + self.borrow}
        self.cash -= side * notional + fee
        self.fees += fee
        self.position += side * quantity
        if self.position == 0:
            profit = self.cash - self.opening["cash"]
            self.net += profit
            self.gross += profit + self.fees + self.borrow - self.opening["paid"]
            self.trades += 1
            self.wins += profit > 0
        return fee


class ReferenceBroker:
    """Takes ticks and orders as the paper broker does, and keeps the fills that it should give."""

    def __init__(self, capital_micro: int, settings: BrokerSettings, books: int, late: Late) -> None:
        self.settings, self.late = settings, late
        shares = [capital_micro // books] * books
        shares[0] += capital_micro % books
        self.books = [Ledger(share, share) for share in shares]
        self.taker, self.maker = rate(settings.taker_bps), rate(settings.maker_bps)
        self.events: list[tuple[int, int, str]] = []
        self.orders: dict[int, Order] = {}
        self.resting: list[Order] = []
        self.armed: list[Order] = []
        self.fills: list[tuple[Any, ...]] = []
        self.refused = {"ledger": 0, "post_only": 0, "lapsed": 0}
        self.sent, self.ts, self.period = 0, 0, -1
        self.quote: Quote = {}
        self.quote_ts = 0
        self.used: dict[int, tuple[Any, int]] = {}

    # Orders

    def send(self, kind: str, side: int, quantity: int, price: float | None, book: int) -> int:
        number = self.sent
        self.sent += 1
        late = self.late(self.ts, number, 0)
        self.orders[number] = Order(number, book, kind, side, quantity, price, self.ts + late)
        if late == 0:
            self.arrive(self.orders[number])
        else:
            self.events.append((self.ts + late, number, "arrives"))
        return number

    def cancel(self, number: int) -> bool:
        if number not in self.orders:
            return False
        order = self.orders[number]
        if not order.cancelled:
            order.cancelled = True
            late = self.late(self.ts, number, 1)
            on_its_way = any(event[1] == number for event in self.events)
            if late == 0 and not on_its_way:
                self.forget(order)
            else:
                self.events.append((max(self.ts + late, order.arrival), number, "cancelled"))
        return True

    def forget(self, order: Order) -> None:
        del self.orders[order.id]
        self.events = [event for event in self.events if event[1] != order.id]
        self.resting = [other for other in self.resting if other is not order]
        self.armed = [other for other in self.armed if other is not order]

    def arrive(self, order: Order) -> None:
        if order.kind == "market":
            self.forget(order)
            self.market(order, order.arrival)
            return
        if order.kind == "stop":
            self.armed.append(order)
            self.trigger(order, order.arrival)
            return
        assert order.price is not None
        crosses = self.touch(order.side) <= order.price if order.side > 0 else self.touch(-1) >= order.price
        if order.kind == "post-only" and crosses:
            self.refused["post_only"] += 1
            self.forget(order)
            return
        if crosses:
            self.take(order, order.arrival, min(order.left, self.displayed(order.side, order.left)))
        if order.left == 0:
            self.forget(order)
        elif order.kind == "ioc":
            self.refused["lapsed"] += 1
            self.forget(order)
        else:
            self.resting.append(order)
            self.queue(order)

    def trigger(self, order: Order, ts: int) -> None:
        assert order.price is not None
        touch = self.touch(order.side)
        if touch >= order.price if order.side > 0 else touch <= order.price:
            self.forget(order)
            self.market(order, ts)

    # The quote

    def touch(self, side: int) -> float:
        """The price that an order of this side takes."""
        return float(self.quote["ask"] if side > 0 else self.quote["bid"])

    def displayed(self, side: int, wanted: int) -> int:
        size = self.quote["ask_size"] if side > 0 else self.quote["bid_size"]
        if isnan(size):
            return wanted
        quote, used = self.used.get(side, (None, 0))
        return satoshi(size) - (used if quote == self.showing(side) else 0)

    def showing(self, side: int) -> tuple[int, float, float]:
        """What tells a quote of one side from another: when it came, its price and its size."""
        return self.quote_ts, self.touch(side), self.quote["ask_size" if side > 0 else "bid_size"]

    def use(self, side: int, quantity: int) -> None:
        quote, used = self.used.get(side, (None, 0))
        self.used[side] = self.showing(side), quantity + (used if quote == self.showing(side) else 0)

    def take(self, order: Order, ts: int, quantity: int) -> None:
        """Fill at the touch."""
        if quantity > 0:
            self.fill(order, ts, self.touch(order.side), quantity, self.taker)
            self.use(order.side, quantity)

    def market(self, order: Order, ts: int) -> None:
        impact = self.settings.impact_bps * 1e-4
        if impact == 0:
            self.fill(order, ts, self.touch(order.side), order.left, self.taker)
            return
        self.take(order, ts, min(order.left, self.displayed(order.side, order.left)))
        if order.left > 0:
            factor = 1 + impact * sqrt(order.left * 1e-8)
            touch = self.touch(order.side)
            self.fill(order, ts, touch * factor if order.side > 0 else touch / factor, order.left, self.taker)

    def fill(self, order: Order, ts: int, price: float, quantity: int, share: Fraction) -> None:
        """Fill in one row, or in two where the position turns."""
        book = self.books[order.book]
        mid = 0.5 * self.quote["bid"] + 0.5 * self.quote["ask"]
        against = max(0, -order.side * book.position)
        order.left -= quantity
        for part in (min(against, quantity), quantity - min(against, quantity)):
            if part > 0:
                book.pay_borrow(ts, mid, rate(self.settings.borrow_bps_8h))
                fee = book.fill(order.side, price, part, share)
                row = (len(self.fills), ts, order.id, price, part, fee, order.side, 0, order.book)
                self.fills.append(row)

    # The queue

    def queue(self, order: Order) -> None:
        """See what the standing quote shows at the order's price."""
        assert order.price is not None
        own, size = self.quote["bid"], self.quote["bid_size"]
        if order.side < 0:
            own, size = self.quote["ask"], self.quote["ask_size"]
        passed = own < order.price if order.side > 0 else own > order.price
        shown: int | None = None
        if passed:
            shown = 0
        elif own == order.price and not isnan(size):
            shown = satoshi(size)
        if order.crowd is None:
            order.crowd = None if shown is None else ["x"] * shown
        elif self.settings.queue == "probabilistic" and shown is not None:
            if order.shown is not None:
                self.cancellations(order, order.shown - order.traded, shown)
            del order.crowd[shown:]
        order.shown, order.traded = shown, 0

    def cancellations(self, order: Order, left: int, shown: int) -> None:
        """Of what is gone and has not traded, the share that the powers of the lengths give was ahead."""
        assert order.crowd is not None
        gone, ahead, n = left - shown, len(order.crowd), self.settings.queue_power
        if gone <= 0 or ahead == 0:
            return
        behind = max(0, left - ahead)
        share = Fraction(ahead**n, ahead**n + behind**n)
        del order.crowd[: int(share * gone)]

    # The tick

    def tick(self, t: Quote) -> None:
        """Take a good tick."""
        while self.events and min(self.events)[0] < t["ts"]:
            event = min(self.events)
            self.events.remove(event)
            order = self.orders[event[1]]
            if event[2] == "arrives":
                self.arrive(order)
            else:
                self.forget(order)
        if t["ts"] // PERIOD_NS != self.period and self.quote:
            mid = 0.5 * self.quote["bid"] + 0.5 * self.quote["ask"]
            for book in self.books:
                book.pay_borrow(t["ts"], mid, rate(self.settings.borrow_bps_8h))
        self.period = t["ts"] // PERIOD_NS
        self.ts, self.quote = t["ts"], t
        self.quote_ts = t["ts"] if t["flags"] & 5 else self.quote_ts
        for order in list(self.armed):
            self.trigger(order, t["ts"])
        if t["flags"] & 1 and not t["flags"] & 4:
            self.match_quote(t)
        if t["flags"] & 2 and t["volume"] > 0:
            self.match_trade(t)

    def match_quote(self, t: Quote) -> None:
        for order in list(self.resting):
            assert order.price is not None
            if t["ask"] <= order.price if order.side > 0 else t["bid"] >= order.price:
                got = min(order.left, self.displayed(order.side, order.left))
                if got > 0:
                    self.fill(order, t["ts"], order.price, got, self.maker)
                    self.use(order.side, got)
            if order.left == 0:
                self.forget(order)
            else:
                self.queue(order)

    def match_trade(self, t: Quote) -> None:
        """Let the trade's satoshi pass one by one; an order leaves to the next what it cannot use."""
        units = {side: list(range(satoshi(t["volume"]))) for side in (1, -1)}
        for order in list(self.resting):
            assert order.price is not None
            got = 0
            if order.side * t["price"] < order.side * order.price:
                got = order.left
            elif t["price"] == order.price and t["side"] != order.side:
                order.traded += satoshi(t["volume"])
                for unit in list(units[order.side]) if order.crowd is not None else []:
                    if order.crowd:
                        order.crowd.pop()
                    elif got < order.left:
                        got += 1
                        units[order.side].remove(unit)
            if got > 0:
                self.fill(order, t["ts"], order.price, got, self.maker)
            if order.left == 0:
                self.forget(order)

    def rows(self) -> np.ndarray:
        out = np.zeros(len(self.fills), FILL)
        for i, row in enumerate(self.fills):
            out[i] = row
        return out
