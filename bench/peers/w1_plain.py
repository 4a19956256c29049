"""W1 as a plain Python loop: the reference for trades and profit at any number of ticks.

    python bench/peers/w1_plain.py FILE.npy N

No engine, no orders, no books: one hard-coded rule. Bids and asks lie on a binary grid, so that both rolling
sums and their products are exact in float64.
"""

from math import sqrt

from measure import ENTRY, FEE, QUANTITY, WINDOW, Clock, read_tape, report


def trade(bids: list[float], asks: list[float]) -> tuple[int, float]:
    """Return how many round trips closed, and their profit after fees in USD."""
    window = [0.0] * WINDOW
    first = second = entry = pnl = 0.0
    trades = position = 0
    for i, (bid, ask) in enumerate(zip(bids, asks, strict=True)):
        mid = (bid + ask) / 2
        old = window[i % WINDOW]
        window[i % WINDOW] = mid
        first += mid - old
        second += mid * mid - old * old
        if i < WINDOW - 1:
            continue
        gap, spread = WINDOW * mid - first, WINDOW * second - first * first
        if position == 0:
            z = gap / sqrt(spread) if spread > 0 else 0.0
            if z < -ENTRY:
                position, entry = 1, ask
            elif z > ENTRY:
                position, entry = -1, bid
        elif position * gap >= 0:  # the sign of z is that of the gap
            leave = bid if position > 0 else ask
            pnl += QUANTITY * (position * (leave - entry) - FEE * (leave + entry))
            trades, position = trades + 1, 0
    return trades, pnl


def main() -> None:
    """Measure."""
    bid, ask, _, _ = read_tape()
    with Clock() as to_lists:
        bids, asks = bid.tolist(), ask.tolist()
    with Clock() as clock:
        trades, pnl = trade(bids, asks)
    report(None, len(bids), clock, trades, pnl, lists=to_lists)


if __name__ == "__main__":
    main()
