"""A ledger in whole numbers that sees the capital, the rates and FILL rows, and nothing else."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from livetrading.core.settings import BrokerSettings
from livetrading.core.totals import Totals

SAT_PER_BTC: Final = 10**8
PPB: Final = 10**9


def half_even(numerator: int, denominator: int) -> int:
    """Round a quotient half to even."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


@dataclass
class Book:
    """What the fills of one book come to; amounts in micro-USD, before borrow."""

    flow: int = 0
    position: int = 0
    fees: int = 0
    gross: int = 0
    net: int = 0
    trades: int = 0
    gains: int = 0
    _opened: tuple[int, int] = (0, 0)

    def take(self, price: float, quantity: int, fee: int, side: int) -> int:
        """Add a fill; its notional."""
        top, bottom = price.as_integer_ratio()
        notional = half_even(top * quantity * 10**6, bottom * SAT_PER_BTC)
        if self.position == 0:
            self._opened = self.flow, self.fees
        turned = self.position * (self.position + side * quantity) < 0
        assert not turned, "a fill that turns the position is two rows"
        self.flow -= side * notional
        self.position += side * quantity
        self.fees += fee
        if self.position == 0:
            gross, fees = self.flow - self._opened[0], self.fees - self._opened[1]
            self.trades += 1
            self.gains += gross > fees
            self.gross += gross
            self.net += gross - fees
        return notional


def books_of(fills: np.ndarray, costs: BrokerSettings, count: int) -> list[Book]:
    """Return what the fills come to, book by book, each fee that of a taker or of a maker."""
    rates = {round(bps * 1e5) for bps in (costs.taker_bps, costs.maker_bps)}
    books = [Book() for _ in range(count)]
    for number, (index, _, _, price, quantity, fee, side, _, book) in enumerate(fills.tolist()):
        assert (index, quantity > 0, abs(side)) == (number, True, 1)
        notional = books[book].take(price, quantity, fee, side)
        assert fee in {half_even(notional * rate, PPB) for rate in rates}, f"fee of fill {number}"
    return books


def assert_account(book: Book, capital: int, account: tuple[int, ...], flat: bool) -> None:
    """Assert that cash, position, fees, borrow, gross, net, trades and wins are those of the fills."""
    cash, position, fees, borrow, gross, net, trades, wins = account
    assert (position, fees, gross, trades) == (book.position, book.fees, book.gross, book.trades)
    assert cash == capital + book.flow - book.fees - borrow
    assert borrow >= 0
    assert book.net - borrow <= net <= book.net
    assert wins <= book.gains
    if borrow == 0:
        assert (net, wins) == (book.net, book.gains)
    if flat:
        assert cash - capital == net == gross - fees - borrow


def assert_conserved(fills: np.ndarray, capital: float, costs: BrokerSettings, totals: Totals) -> None:
    """Assert that a processor's money follows from its fills, to the last unit."""
    assert totals["fills"] == len(fills)
    whole, books = Book(), books_of(fills, costs, 8)
    flat = all(book.position == 0 for book in books)
    for book in books:
        for name in ("flow", "position", "fees", "gross", "net", "trades", "gains"):
            setattr(whole, name, getattr(whole, name) + getattr(book, name))
    names = ("cash_micro", "position_sat", "fees_micro", "borrow_micro", "gross_micro", "net_micro", "trades",
             "wins")  # fmt: skip
    assert_account(whole, round(capital * 1e6), tuple(totals[name] for name in names), flat)  # type: ignore[literal-required]
