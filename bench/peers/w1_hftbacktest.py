"""W1 in hftbacktest: its exchange and its local book replay a feed of depth changes and trades.

    python bench/peers/w1_hftbacktest.py FILE.npy N

A tick is at most five events: the new bid and ask, the level each has left, and the trade. Market orders,
latency 0; trades and profit are the engine's state at the last moment it was flat.
"""

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.order import GTC, MARKET
from hftbacktest.types import event_dtype
from measure import ENTRY, FEE, GRID, QUANTITY, START_NS, STEP_NS, WARM_UP, WINDOW, Clock, read_tape, report
from numba import njit
from numpy.typing import NDArray

SEEN = EXCH_EVENT | LOCAL_EVENT
BID, ASK = SEEN | DEPTH_EVENT | BUY_EVENT, SEEN | DEPTH_EVENT | SELL_EVENT
BOUGHT, SOLD = SEEN | TRADE_EVENT | BUY_EVENT, SEEN | TRADE_EVENT | SELL_EVENT
SHOWN_BTC = 10.0


@njit
def put(events: NDArray[np.void], at: int, kind: int, ts: int, price: float, quantity: float) -> int:
    """Write one event; return the place of the next."""
    event = events[at]
    event.ev, event.exch_ts, event.local_ts, event.px, event.qty = kind, ts, ts, price, quantity
    return at + 1


@njit
def fill_feed(
    events: NDArray[np.void],
    bid: NDArray[np.float64],
    ask: NDArray[np.float64],
    quantity: NDArray[np.float64],
    side: NDArray[np.float64],
) -> int:
    """Write the feed and return its length."""
    at = 0
    for i in range(len(bid)):
        ts = START_NS + STEP_NS * i
        rises = i == 0 or bid[i] > bid[i - 1]
        # The side that makes room moves first: no book on the way is crossed, and none is empty.
        for ask_side in (rises, not rises):
            kind, prices = (ASK, ask) if ask_side else (BID, bid)
            if i == 0 or prices[i] != prices[i - 1]:
                at = put(events, at, kind, ts, prices[i], SHOWN_BTC)
                if i > 0:
                    at = put(events, at, kind, ts, prices[i - 1], 0.0)
        price, kind = (ask[i], BOUGHT) if side[i] > 0 else (bid[i], SOLD)
        at = put(events, at, kind, ts, price, quantity[i])
    # The engine ends with its last event: one more, a step later, lets the last tick's order through.
    return put(events, at, kind, ts + STEP_NS, price, QUANTITY)


def feed(
    bid: NDArray[np.float64],
    ask: NDArray[np.float64],
    quantity: NDArray[np.float64],
    side: NDArray[np.float64],
) -> NDArray[np.void]:
    """Return the tape as the engine's events."""
    moves = np.count_nonzero(bid[1:] != bid[:-1]) + np.count_nonzero(ask[1:] != ask[:-1])
    events = np.zeros(2 + 2 * moves + len(bid) + 1, event_dtype)
    written = fill_feed(events, bid, ask, quantity, side)
    if written != len(events):
        raise RuntimeError(f"the feed must have {len(events)} events, had {written}")
    return events


@njit
def trade(hbt: ROIVectorMarketDepthBacktest, ticks: int) -> tuple[int, int, float, float]:
    """Return the ticks seen, and the engine's fills, balance and fees when it was flat last."""
    window = np.zeros(WINDOW)
    first = second = balance = fees = 0.0
    seen = at = fills = 0
    closing, end = False, hbt.elapse(0)
    while end == 0 and seen < ticks:
        seen += 1
        depth = hbt.depth(0)
        bid, ask = depth.best_bid, depth.best_ask
        mid = (bid + ask) / 2
        old = window[at]
        window[at] = mid
        at = at + 1 if at + 1 < WINDOW else 0
        first += mid - old
        second += mid * mid - old * old
        gap, spread = WINDOW * mid - first, WINDOW * second - first * first
        position = hbt.position(0)
        wanted = 0
        if position != 0.0:
            wanted = -1 if position > 0.0 else 1
            wanted = wanted if wanted * gap <= 0.0 else 0
            closing = wanted != 0
        elif seen >= WINDOW and gap * gap > ENTRY * ENTRY * spread:
            wanted = 1 if gap < 0.0 else -1
        if wanted > 0:
            hbt.submit_buy_order(0, seen, ask, QUANTITY, GTC, MARKET, False)
        elif wanted < 0:
            hbt.submit_sell_order(0, seen, bid, QUANTITY, GTC, MARKET, False)
        end = hbt.elapse(STEP_NS)
        if closing and hbt.position(0) == 0.0:
            state = hbt.state_values(0)
            fills, balance, fees, closing = state.num_trades, state.balance, state.fee, False
        if wanted != 0:
            hbt.clear_inactive_orders(0)
    return seen, fills, balance, fees


def backtest(events: NDArray[np.void]) -> ROIVectorMarketDepthBacktest:
    """Return the engine on this feed."""
    prices = events["px"]
    asset = (
        BacktestAsset()
        .data(events)
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(FEE, FEE)
        .tick_size(GRID)
        .lot_size(QUANTITY)
        .roi_lb(prices.min() - 1)
        .roi_ub(prices.max() + 1)
    )
    return ROIVectorMarketDepthBacktest([asset])


def main() -> None:
    """Measure."""
    tape = read_tape()
    with Clock() as compiling:
        trade(backtest(feed(*(row[:WARM_UP] for row in tape))), WARM_UP)
    with Clock() as feeding:
        events = feed(*tape)
        hbt = backtest(events)
    with Clock() as clock:
        seen, fills, balance, fees = trade(hbt, len(tape[0]))
    report("hftbacktest", seen, clock, fills // 2, balance - fees, compile=compiling, feed=feeding)


if __name__ == "__main__":
    main()
