"""W1 as a bare numba loop: the floor, with no engine under it.

python bench/peers/w1_numba.py FILE.npy N
"""

import numpy as np
from measure import ENTRY, FEE, QUANTITY, WARM_UP, WINDOW, Clock, read_tape, report
from numba import njit
from numpy.typing import NDArray


@njit
def trade(bids: NDArray[np.float64], asks: NDArray[np.float64]) -> tuple[int, float]:
    """Return how many round trips closed, and their profit after fees in USD."""
    window = np.zeros(WINDOW)
    first = second = entry = pnl = 0.0
    trades = position = at = 0
    for i in range(len(bids)):
        bid, ask = bids[i], asks[i]
        mid = (bid + ask) / 2
        old = window[at]
        window[at] = mid
        at = at + 1 if at + 1 < WINDOW else 0
        first += mid - old
        second += mid * mid - old * old
        if i < WINDOW - 1:
            continue
        gap, spread = WINDOW * mid - first, WINDOW * second - first * first
        if position == 0:
            if gap * gap > ENTRY * ENTRY * spread:
                position = 1 if gap < 0 else -1
                entry = ask if gap < 0 else bid
        elif position * gap >= 0:
            leave = bid if position > 0 else ask
            pnl += QUANTITY * (position * (leave - entry) - FEE * (leave + entry))
            trades += 1
            position = 0
    return trades, pnl


def main() -> None:
    """Measure."""
    bid, ask, _, _ = read_tape()
    with Clock() as compiling:
        trade(bid[:WARM_UP], ask[:WARM_UP])
    with Clock() as clock:
        trades, pnl = trade(bid, ask)
    report("numba", len(bid), clock, trades, pnl, compile=compiling)


if __name__ == "__main__":
    main()
