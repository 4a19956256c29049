# cython: boundscheck=False, wraparound=False, cdivision=True
"""The paper broker: orders on their way and at rest, their fills, and an exact ledger for each book.

Time goes so: `broker_advance(ts)` lets happen what arrives strictly before `ts`, at the quote that stood until then;
then the tick's quote stands, and `broker_match` lets it act on resting orders, the quote before the trade. Where
nothing is `working`, neither has anything to do.
"""
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t

from livetrading.core.records cimport lt_fill, lt_tick

cdef enum:
    BOOKS_MAX = 8
    ORDERS_MAX = 64             # orders on their way or at rest at a time
    FILLS_PER_ORDER = 4         # rows an order can give in a tick: touch and impact, each cut where the position turns
    FILLS_MAX = 256             # rows all of them can give in a tick

cdef enum:
    REASON_ENTRY, REASON_TAKE_PROFIT, REASON_STOP, REASON_TRAILING, REASON_TIME, REASON_REVERSE, REASON_CLOSE

cdef enum:
    ORDER_MARKET, ORDER_LIMIT, ORDER_POST_ONLY, ORDER_IOC, ORDER_STOP

cdef enum:
    STATE_SENT, STATE_RESTING, STATE_ARMED

cdef enum:
    LATENCY_CONSTANT, LATENCY_LOG_NORMAL, LATENCY_DATED, LATENCY_DRAWN

# What the broker does not do, and counts
cdef enum:
    REFUSED_LEDGER              # an amount beyond what the ledger holds
    REFUSED_POST_ONLY           # a post-only order that would have taken
    REFUSED_LAPSED              # what the quote could not fill of an immediate-or-cancel order
    REFUSED_KINDS

ctypedef struct rules_t:
    int64_t taker_ppb, maker_ppb, borrow_ppb          # of the notional; borrow for eight hours
    double impact                                     # of the touch, a square root of a BTC beyond the displayed size
    int64_t feed_ns, order_ns                         # the median of a log-normal latency
    int latency
    double sigma
    uint64_t seed
    const int64_t *recorded                           # not owned: latencies, or pairs of time and latency
    int64_t records
    int queue_power                                   # 0: only trades advance the queue

ctypedef struct order_t:
    uint64_t id
    int64_t arrival, cancel                           # when it arrives, and when its cancellation does
    int64_t quantity, ahead                           # satoshi left, and queued ahead; -1 is not known
    int64_t shown, traded                             # the queue as last shown, and what has traded there since
    double price
    int8_t side, kind, state
    uint8_t reason, book

# What orders have taken of the displayed size of one quote
ctypedef struct taken_t:
    int64_t quote_ts, quantity
    double price, size

ctypedef struct account_t:
    int64_t capital, cash, position, fees, borrow     # micro-USD; position in satoshi
    int64_t most                                      # that any of them may come to
    int64_t gross, net                                # of closed trades: before, and after fees and borrow
    uint64_t trades, wins
    int64_t open_cash, open_fees, open_borrow         # as they were before the open trade
    int64_t open_notional                             # what went into it
    int64_t borrow_ts                                 # up to when a short has paid
    double entry_price                                # mean over what went in
    double last_return, return_sum, return_squares    # net profit over entry notional, closed trades
    int working                                       # its orders on their way or at rest

ctypedef struct broker_t:
    account_t book[BOOKS_MAX]
    int books
    uint64_t fill_ids, order_ids                      # how many there have been
    int working, resting                              # orders on their way or at rest; those that a tick can fill
    int64_t next_event                                # the soonest arrival of an order or a cancellation
    uint32_t opened, closed                           # books whose position has left zero, or come back to it
    bint instant                                      # no latency at all
    rules_t rules
    const lt_tick *quote                              # the standing quote, not owned; NaN sizes are not known
    int64_t quote_ts                                  # when there was last a new one
    taken_t taken[2]                                  # of the bid, of the ask
    uint64_t refused[REFUSED_KINDS]
    lt_fill *fills                                    # not owned: room for FILLS_MAX rows more before every tick
    uint64_t fill_count, fill_capacity
    order_t order[ORDERS_MAX]                         # those at rest by arrival

# Reads the settings into rules; the array of recorded latencies that has to outlive them, or None.
cdef object rules_open(rules_t *rules, object settings, object seed, object latencies)
cdef void broker_open(broker_t *b, int64_t capital, int books, const rules_t *rules) noexcept nogil
# The order's id, or -1 where ORDERS_MAX are working.
cdef int64_t broker_send(broker_t *b, int64_t ts, int book, int kind, int side, int64_t quantity, double price,
                         int reason) noexcept nogil
# 0, or -1 where no such order is working.
cdef int broker_cancel(broker_t *b, int64_t ts, uint64_t order) noexcept nogil
cdef void broker_arrivals(broker_t *b, int64_t ts) noexcept nogil
cdef void broker_match(broker_t *b, const lt_tick *t) noexcept nogil
cdef void broker_borrow(broker_t *b, int64_t ts) noexcept nogil
# Lets a book's working orders lapse, and closes its position whole at the touch.
cdef void broker_close(broker_t *b, int64_t ts, int book) noexcept nogil


cdef inline void broker_advance(broker_t *b, int64_t ts) noexcept nogil:
    """Lets happen what arrives before the tick at `ts`, by (arrival, id): at the quote that stood until then."""
    if b.next_event < ts:
        broker_arrivals(b, ts)


cdef inline double account_equity(const account_t *a, double mid) noexcept nogil:
    """Cash and position at the mid, in micro-USD."""
    return <double> a.cash + <double> a.position * 0.01 * mid
