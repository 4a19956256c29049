"""W1 in vectorbt: its order simulator over rows of one price, the z-score computed in numpy before.

    python bench/peers/w1_vectorbt.py FILE.npy N

The order's price is the touch. Trades and profit are the engine's matched trades, as matching is what makes
round trips of orders.
"""

import numpy as np
import vectorbt as vbt
from measure import CAPITAL, ENTRY, FEE, QUANTITY, WARM_UP, Clock, read_tape, report, z_scores
from numba import njit
from numpy.typing import NDArray
from vectorbt.portfolio.enums import NoOrder
from vectorbt.portfolio.nb import order_nb


@njit
def order(context, z, bid, ask):  # type: ignore[no-untyped-def]
    """Return the order of this row."""
    at, position = context.i, context.position_now
    if position == 0.0:
        if z[at] < -ENTRY:
            return order_nb(size=QUANTITY, price=ask[at], fees=FEE)
        if z[at] > ENTRY:
            return order_nb(size=-QUANTITY, price=bid[at], fees=FEE)
    elif position > 0.0 and z[at] >= 0.0:
        return order_nb(size=-position, price=bid[at], fees=FEE)
    elif position < 0.0 and z[at] <= 0.0:
        return order_nb(size=-position, price=ask[at], fees=FEE)
    return NoOrder


def trade(bid: NDArray[np.float64], ask: NDArray[np.float64]) -> tuple[int, float]:
    """Return how many of the engine's trades closed, and their profit after fees in USD."""
    mid = (bid + ask) / 2
    portfolio = vbt.Portfolio.from_order_func(
        mid, order, z_scores(mid), bid, ask, init_cash=CAPITAL, max_orders=len(mid) // 10
    )
    closed = portfolio.exit_trades.closed
    return len(closed.values), float(closed.values["pnl"].sum())


def main() -> None:
    """Measure."""
    bid, ask, _, _ = read_tape()
    with Clock() as compiling:
        trade(bid[:WARM_UP], ask[:WARM_UP])
    with Clock() as clock:
        trades, pnl = trade(bid, ask)
    report("vectorbt", len(bid), clock, trades, pnl, compile=compiling)


if __name__ == "__main__":
    main()
