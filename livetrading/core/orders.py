"""What the paper broker takes and tells: kinds and states of orders, and the account of a book."""

from typing import Final, Literal, NamedTuple, get_args

__all__ = ["ORDER_KINDS", "ORDER_STATES", "Account", "OrderKind", "OrderState", "WorkingOrder"]

OrderKind = Literal["market", "limit", "post-only", "ioc", "stop"]
ORDER_KINDS: Final[tuple[OrderKind, ...]] = get_args(OrderKind)

OrderState = Literal["sent", "resting", "armed"]
"""On its way; in the queue at its price; waiting for its trigger."""
ORDER_STATES: Final[tuple[OrderState, ...]] = get_args(OrderState)


class WorkingOrder(NamedTuple):
    """An order that is on its way or at rest.

    Attributes
    ----------
    id, book : int
    kind : str
    side : int
        +1 buys, -1 sells.
    quantity : int
        Satoshi that are left of it.
    price : float or None
        Limit or trigger in USD; None for a market order.
    state : str
    ahead : int or None
        Satoshi queued before it at its price; None where that is not known, or nothing queues.
    """

    id: int
    book: int
    kind: OrderKind
    side: int
    quantity: int
    price: float | None
    state: OrderState
    ahead: int | None


class Account(NamedTuple):
    """The ledger of one book: amounts in micro-USD, position in satoshi.

    Attributes
    ----------
    capital, cash, position, fees, borrow : int
        cash = capital - sum(side * notional + fee) - borrow over the book's fills.
    gross, net : int
        Profit of the closed trades before, and after fees and borrow.
    trades, wins : int
        Round trips, and those whose net profit is above 0.
    """

    capital: int
    cash: int
    position: int
    fees: int
    borrow: int
    gross: int
    net: int
    trades: int
    wins: int
