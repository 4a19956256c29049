# cython: boundscheck=False, wraparound=False, cdivision=True
"""The paper broker: one standing quote, one order at a time, fills at the touch, and the exact ledger."""
from libc.stdint cimport int8_t, int64_t, uint8_t, uint64_t

from livetrading.core.records cimport lt_fill, lt_tick

cdef enum:
    REASON_ENTRY, REASON_TAKE_PROFIT, REASON_STOP, REASON_TRAILING, REASON_TIME, REASON_REVERSE, REASON_CLOSE

# What an execution did to the position
cdef enum:
    FILL_NONE, FILL_OPENED, FILL_REDUCED, FILL_CLOSED

ctypedef struct account_t:
    int64_t capital, cash, position, fees             # micro-USD; position in satoshi
    int64_t gross, net                                # of closed trades, before and after fees
    uint64_t fills, orders, trades, wins
    int64_t open_cash, open_fees, open_notional       # cash and fees before the open trade, and its entry notional
    double entry_price
    double last_return, return_sum, return_squares    # net profit over entry notional, closed trades

ctypedef struct broker_t:
    account_t account
    int64_t fee_ppb, latency_ns
    const lt_tick *quote                              # the standing quote, not owned; NaN sizes are not known
    bint pending
    int64_t arrival, quantity
    int side, reason
    uint64_t order_id
    uint64_t short_fills                              # executions that the displayed size cut, or the ledger refused
    lt_fill *fills
    uint64_t fill_count, fill_capacity

cdef void broker_open(broker_t *b, int64_t capital, int64_t fee_ppb, int64_t latency_ns) noexcept nogil
cdef int broker_execute(broker_t *b, int64_t ts) noexcept nogil
cdef int broker_send(broker_t *b, int64_t ts, int side, int64_t quantity, int reason) noexcept nogil


cdef inline int broker_advance(broker_t *b, int64_t ts) noexcept nogil:
    """Executes the pending order if it arrives before the tick at `ts`: at the quote that stood until then."""
    if b.pending and b.arrival < ts:
        return broker_execute(b, b.arrival)
    return FILL_NONE


cdef inline double account_equity(const account_t *a, double mid) noexcept nogil:
    """Cash and position at the mid, in micro-USD."""
    return <double> a.cash + <double> a.position * 0.01 * mid
