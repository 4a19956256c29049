"""The records that cross the boundary, and exact money (csrc/include/lt_tick.h, lt_money.h)."""
from libc.stdint cimport int8_t, int64_t, uint8_t, uint64_t

cdef extern from "lt_tick.h" nogil:
    int LT_QUOTE, LT_TRADE, LT_NO_QUOTE
    int LT_FILLED, LT_NO_TRADE, LT_OPEN
    const double LT_PRICE_MIN
    const double LT_PRICE_MAX
    const double LT_SIZE_MAX
    const int64_t LT_TS_MAX
    ctypedef struct lt_tick:
        int64_t ts
        double price, bid, ask, bid_size, ask_size, volume
        int8_t side
        uint8_t flags
    ctypedef void (*lt_signal)(const lt_tick *ticks, const double *true_price, int64_t n, int8_t *vote,
                               void *state) noexcept nogil
    ctypedef struct lt_result:
        int64_t ts
        double true_price, market_price, deviation, ofi, z_score, kalman_level, kalman_velocity, ewma_vol
        int8_t cusum, regime
        double kyle_lambda, flow_momentum, vpin, microprice, vote_logodds, vote_probability
        int8_t direction
        double kelly_fraction
        int64_t position, cash
        double equity, drawdown
        int64_t trades, wins
    ctypedef struct lt_fill:
        uint64_t id
        int64_t ts
        uint64_t order_id
        double price
        int64_t quantity, fee
        int8_t side
        uint8_t reason, book
    ctypedef struct lt_bar:
        int64_t ts, start
        double open, high, low, close, volume, buy_volume, dollar
        int64_t trades
        uint8_t flags
    enum:
        LT_BAD_KINDS
    int lt_tick_fault(const lt_tick *t, int64_t last_ts) noexcept
    bint lt_tick_plain(const lt_tick *t, int64_t last_ts) noexcept
    ctypedef struct lt_knot:
        int64_t ts, height
        double true_price

cdef extern from "lt_money.h" nogil:
    const int64_t LT_MICRO_MAX
    int64_t lt_notional(double price, int64_t quantity) noexcept
    int64_t lt_fee(int64_t notional, int64_t ppb) noexcept
    int64_t lt_borrow(int64_t notional, int64_t ppb, int64_t ns) noexcept
