# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""One tick through all of it: validation, formulas, vote, size, orders, exits, ledger, result row.

A block of ticks is taken in passes: validate and form mids, take log returns, let each formula that does not depend
on trades leave a column, and then tick by tick the signals, the vote, the orders and the exits. `run`, `replay` and
`on_tick` are that one path.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.number cimport PyNumber_Index
from libc.math cimport INFINITY, NAN, fabs, sqrt
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from livetrading.core.broker cimport (
    FILLS_PER_ORDER, ORDER_MARKET, REASON_ENTRY, REASON_REVERSE, REASON_STOP, REASON_TAKE_PROFIT, REASON_TIME,
    REASON_TRAILING, REFUSED_LEDGER, account_equity, account_t, broker_advance, broker_borrow, broker_close,
    broker_open, broker_send, broker_t, rules_open, rules_t,
)
from livetrading.core.market cimport BLOCK, Market
from livetrading.core.records cimport (
    LT_BAD_KINDS, LT_NO_QUOTE, LT_PRICE_MAX, LT_PRICE_MIN, LT_QUOTE, LT_TRADE, lt_fill, lt_result, lt_tick,
    lt_tick_fault, lt_tick_plain,
)
from livetrading.core.ring cimport (
    LT_OK, LT_STRETCH, lt_flow_gains, lt_moments, lt_moments_push, lt_moments_stretch, lt_quote_flow, lt_return_gains,
    lt_ring_push, lt_ring_window, lt_sums_stretch, lt_weighted_mids, ring_close,
)
from livetrading.core.signals cimport (
    OFI_SHARE, beyond, cusum_open, cusum_push, cusum_t, drift_open, drift_push, drift_signal, drift_square, drift_t,
    ewma_push, ewma_t, flow_open, flow_push, flow_ready, flow_signal, flow_t, flow_value, kyle_open, kyle_push, kyle_t,
    kyle_value, level_filter, level_open, level_start, level_sums, level_t, level_turn, micro_open, micro_signal,
    micro_t, ofi_open, ofi_push, ofi_t, quantile_open, quantile_push, quantile_t, trend_open, trend_push, trend_t,
    vpin_free, vpin_open, vpin_push, vpin_ready, vpin_t, z_gap, z_open, z_signal, z_variance,
)
from livetrading.core.sizing cimport (
    calibration_bin, calibration_t, drawdown_brake, first_at_gain, kelly_fraction, realised_open, realised_push,
    realised_t,
)
from livetrading.core.variates cimport lt_exp, lt_log, lt_log_return_block
from livetrading.core.vote cimport jury_open, jury_refresh, jury_score, jury_t, jury_vote

import hashlib

import numpy as np

from livetrading.core.dtypes import FILL, RESULT, TICK, Refusal, Rejection
from livetrading.core.errors import BadTick
from livetrading.core.settings import VOTERS, capital_micro

cdef enum:
    V_OFI, V_Z, V_DRIFT, V_LEVEL, V_MICRO, V_FLOW, V_DEVIATION, V_COUNT

cdef enum:
    R_HALTED, R_DRAWDOWN, R_DAILY_LOSS, R_STALE, R_LOCKED, R_RATE, R_NO_EDGE, R_REALISED, R_TOO_SMALL, R_MAX_POSITION
    R_CAPITAL, R_LEDGER, R_COUNT

cdef enum:
    EXIT_NONE, EXIT_REVERSE, EXIT_FLAT

cdef enum:
    SLICE = 2 * BLOCK           # ticks between two looks at signals and fills
    SAMPLE = 16                 # ticks between two samples of the entry levels

cdef int64_t DAY_NS = 86_400_000_000_000
cdef int64_t PERIOD_NS = 28_800_000_000_000               # a short pays at 00, 08 and 16 h UTC
cdef int64_t SECOND_NS = 1_000_000_000
cdef int64_t INDEX_END = 0x7fff_ffff_ffff_ffff


cdef struct engine_t:
    # formulas
    bint on[V_COUNT]
    bint on_vol, on_trend, on_cusum, on_kyle, on_vpin, on_changes, on_trades
    bint gate_trend, gate_vpin, adaptive
    ofi_t ofi
    lt_moments z
    drift_t drift
    level_t level
    micro_t micro
    flow_t flow
    ewma_t vol
    trend_t trend
    cusum_t cusum
    kyle_t kyle
    vpin_t vpin
    quantile_t entry[V_COUNT]
    double dev_high, dev_low    # exp of the deviation's entry level, and its inverse
    int32_t vote[V_COUNT]       # sign of the voter times its place
    int32_t place[V_COUNT]      # 3^position of the voter in a set of votes, 0 where it does not vote
    int32_t abstention          # the set in which all abstain
    int z_state
    # vote
    jury_t jury
    int64_t h, refresh, next_score, next_refresh
    bint scored
    uint32_t cast_code
    double cast_mid
    # the tick
    int64_t index, last_ts, quote_ts
    double last_mid, mid, true_price
    lt_tick last                # the last good tick of the block before
    uint32_t code
    int direction
    double fraction
    # trading
    broker_t broker
    uint64_t settled            # fills that exits and equity know of
    bint kelly, calibrate, halted, braked
    double kelly_scale, max_fraction, max_drawdown, taker, take_profit, stop
    int64_t quantity, max_position
    realised_t realised
    calibration_t calibration
    int bin
    double take_level, stop_level, best, trail_gain, trail_vol
    bint trail, trailing
    int on_signal
    int64_t hold, deadline, stale_ns, period_end
    double daily_loss, day_equity, equity, peak, trough, worst_drawdown, brake_level, release_level
    int64_t *order_times
    int64_t rate
    # counts
    uint64_t rejected[LT_BAD_KINDS]
    uint64_t refused[R_COUNT]
    # the block: places of the good ticks, their mids and returns, and which quote and change each is up to
    int32_t good[BLOCK]
    double mids[BLOCK]
    double returns[BLOCK]
    int16_t quotes[BLOCK]
    int16_t changes[BLOCK]
    int quote, change
    bint changed
    Py_ssize_t quote_count, change_count
    Py_ssize_t last_place       # of the last good tick
    # the columns
    double z_gap[BLOCK]
    double z_variance[BLOCK]
    double bid[BLOCK + 1]
    double ask[BLOCK + 1]
    double bid_size[BLOCK + 1]
    double ask_size[BLOCK + 1]
    double change_return[BLOCK + 1]
    double change_mid[BLOCK + 1]
    double level_g0[BLOCK + 1]
    double level_g1[BLOCK + 1]
    double ofi_total[BLOCK + 1]
    double ofi_square[BLOCK + 1]
    double micro_gap[BLOCK + 1]
    double micro_spread[BLOCK + 1]
    double micro_mid[BLOCK + 1]
    double drift_mean[BLOCK + 1]
    double drift_square[BLOCK + 1]
    double drift_count[BLOCK + 1]
    double innovation[BLOCK + 1]
    double level_f[BLOCK + 1]
    double residual[BLOCK + 1]
    double variance[BLOCK + 1]
    int8_t level_side[BLOCK + 1]
    int8_t trend_side[BLOCK + 1]
    int8_t cusum_event[BLOCK + 1]


# Formulas. Nothing up to the vote depends on trading, so each formula takes the whole block, its state in registers,
# and leaves a column: the value after each of its observations, the last of the block before in place 0.

# Rolling sums go by stretches in csrc; what a stretch refuses, or comes before the window is full, is pushed singly.

cdef void feed_mids(engine_t *e, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t j = 0, stop
    while j < m:
        stop = j + LT_STRETCH if j + LT_STRETCH < m else m
        if e.z.ring.head >= e.z.window and lt_moments_stretch(
                &e.z, stop - j, &e.mids[j], &e.z_gap[j], &e.z_variance[j]) == 0:
            j = stop
        while j < stop:
            if lt_moments_push(&e.z, e.mids[j]) == LT_OK:
                e.z_gap[j], e.z_variance[j] = z_gap(&e.z, e.mids[j]), z_variance(&e.z)
            j += 1


cdef Py_ssize_t gather_quotes(engine_t *e, const lt_tick *ticks, Py_ssize_t m) noexcept nogil:
    """The new quotes with both sizes known, in places 1 to n; comparisons with NaN are false."""
    cdef const lt_tick *t
    cdef Py_ssize_t j, n = 0, last = e.quote_count
    e.bid[0], e.ask[0], e.bid_size[0], e.ask_size[0] = e.bid[last], e.ask[last], e.bid_size[last], e.ask_size[last]
    e.ofi_total[0], e.ofi_square[0] = e.ofi_total[last], e.ofi_square[last]
    e.micro_gap[0], e.micro_spread[0], e.micro_mid[0] = e.micro_gap[last], e.micro_spread[last], e.micro_mid[last]
    for j in range(m):
        t = &ticks[e.good[j]]
        if t.flags & LT_QUOTE and t.ask > t.bid and t.bid_size >= 0.0 and t.ask_size >= 0.0:
            n += 1
            e.bid[n], e.ask[n], e.bid_size[n], e.ask_size[n] = t.bid, t.ask, t.bid_size, t.ask_size
        e.quotes[j] = <int16_t> n
    e.quote_count = n
    return n


cdef bint flow_stretch(engine_t *e, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Order flow imbalance after quotes k to k + n - 1; False, with nothing done, where it has to be recomputed."""
    cdef ofi_t *s = &e.ofi
    cdef double flow[LT_STRETCH]
    cdef double gain[LT_STRETCH]
    cdef double gain2[LT_STRETCH]
    cdef Py_ssize_t i
    lt_quote_flow(n, &e.bid[k], &e.ask[k], &e.bid_size[k], &e.ask_size[k], flow)
    for i in range(n):
        lt_ring_push(&s.ring, flow[i])
    lt_flow_gains(n, lt_ring_window(&s.ring, s.window + n) + s.window, s.window, gain, gain2)
    if lt_sums_stretch(n, gain, gain2, OFI_SHARE, &s.total, &s.squares, &e.ofi_total[k], &e.ofi_square[k]) != 0:
        s.ring.head -= n
        return False
    s.e = flow[n - 1]
    i = k + n - 1
    s.bid, s.ask, s.bid_size, s.ask_size = e.bid[i], e.ask[i], e.bid_size[i], e.ask_size[i]
    return True


cdef void feed_flow(engine_t *e, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k = 1, stop
    while k <= n:
        stop = k + LT_STRETCH if k + LT_STRETCH <= n else n + 1
        if e.ofi.ring.head >= e.ofi.window and flow_stretch(e, k, stop - k):
            k = stop
        while k < stop:
            if ofi_push(&e.ofi, e.bid[k], e.ask[k], e.bid_size[k], e.ask_size[k]) == LT_OK:
                e.ofi_total[k], e.ofi_square[k] = e.ofi.total, e.ofi.squares.value
            k += 1


cdef void feed_micro(engine_t *e, Py_ssize_t n) noexcept nogil:
    """The weighted mid against its average; a quote with an empty side is none."""
    cdef ewma_t smooth = e.micro.smooth
    cdef Py_ssize_t k
    lt_weighted_mids(n, &e.bid[1], &e.ask[1], &e.bid_size[1], &e.ask_size[1], &e.micro_mid[1], &e.micro_spread[1])
    for k in range(1, n + 1):
        if e.bid_size[k] > 0.0 and e.ask_size[k] > 0.0:
            ewma_push(&smooth, e.micro_mid[k])
            e.micro_gap[k] = e.micro_mid[k] - smooth.value
        else:
            e.micro_gap[k], e.micro_spread[k] = e.micro_gap[k - 1], e.micro_spread[k - 1]
            e.micro_mid[k] = e.micro_mid[k - 1]
    e.micro.smooth = smooth


cdef Py_ssize_t gather_changes(engine_t *e, Py_ssize_t m) noexcept nogil:
    """The changes of the mid and their log returns, in places 1 to n."""
    cdef Py_ssize_t j, n = 0, last = e.change_count
    e.drift_mean[0], e.drift_square[0], e.drift_count[0] = e.drift_mean[last], e.drift_square[last], e.drift_count[last]
    e.innovation[0], e.level_f[0], e.level_side[0] = e.innovation[last], e.level_f[last], e.level_side[last]
    e.residual[0], e.variance[0], e.trend_side[0] = e.residual[last], e.variance[last], e.trend_side[last]
    for j in range(m):
        if e.returns[j] != 0.0:
            n += 1
            e.change_return[n], e.change_mid[n] = e.returns[j], e.mids[j]
        e.changes[j] = <int16_t> n
    e.change_count = n
    return n


cdef bint level_stretch(engine_t *e, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """The sums of 201 after changes k to k + n - 1; False, with nothing done, where they have to be recomputed."""
    cdef level_t *s = &e.level
    cdef double gain[LT_STRETCH]
    cdef double gain2[LT_STRETCH]
    cdef Py_ssize_t i
    for i in range(n):
        lt_ring_push(&s.ring, e.change_return[k + i])
    lt_return_gains(n, lt_ring_window(&s.ring, s.window + n) + s.window, s.window, gain, gain2)
    if lt_sums_stretch(n, gain, gain2, s.floor, &s.g1, &s.g0, &e.level_g1[k], &e.level_g0[k]) != 0:
        s.ring.head -= n
        return False
    return True


cdef void feed_level_sums(engine_t *e, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k = 1, stop
    while k <= n:
        stop = k + LT_STRETCH if k + LT_STRETCH <= n else n + 1
        if e.level.ring.head >= e.level.window and level_stretch(e, k, stop - k):
            k = stop
        while k < stop:
            level_sums(&e.level, e.change_return[k])
            e.level_g0[k], e.level_g1[k] = e.level.g0.value, e.level.g1
            k += 1


cdef void feed_filters(engine_t *e, Py_ssize_t n, int64_t seen) noexcept nogil:
    """The recurrences over the changes, `seen` of which 201 had before: side by side they hide their latency."""
    cdef drift_t drift = e.drift
    cdef level_t level = e.level
    cdef ewma_t vol = e.vol
    cdef trend_t trend = e.trend
    cdef cusum_t cusum = e.cusum
    cdef int64_t full = <int64_t> level.window - seen
    cdef Py_ssize_t k
    cdef double r
    for k in range(1, n + 1):
        r = e.change_return[k]
        if e.on_cusum:
            cusum_push(&cusum, r, vol.value if vol.ready else NAN)
            e.cusum_event[k] = <int8_t> cusum.event
        if e.on_vol:
            ewma_push(&vol, r * r)
            e.variance[k] = vol.value
        if e.on_trend:
            trend_push(&trend, e.change_mid[k], vol.value)
            e.trend_side[k] = <int8_t> trend.side
        if e.on[V_DRIFT]:
            if drift_push(&drift, r) == LT_OK:
                e.drift_mean[k], e.drift_square[k] = drift.a, drift_square(&drift)
            e.drift_count[k] = <double> (drift.count - 1)
        if e.on[V_LEVEL] and k >= full:
            level.g0.value, level.g1 = e.level_g0[k], e.level_g1[k]
            if k == full:
                level_start(&level)
            else:
                level_filter(&level, r)
            e.innovation[k], e.level_f[k], e.residual[k] = level.innovation, level.f, level.residual
            e.level_side[k] = <int8_t> level_turn(&level)
    level.g0, level.g1 = e.level.g0, e.level.g1
    e.drift, e.level, e.vol, e.trend, e.cusum = drift, level, vol, trend, cusum


cdef void feed_changes(engine_t *e, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t n = gather_changes(e, m)
    cdef int64_t seen = <int64_t> e.level.ring.head
    if e.on[V_LEVEL]:
        feed_level_sums(e, n)
    feed_filters(e, n, seen)


cdef void feed_quotes(engine_t *e, const lt_tick *ticks, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t n = gather_quotes(e, ticks, m)
    if e.on[V_OFI]:
        feed_flow(e, n)
    if e.on[V_MICRO] and n > 0:
        feed_micro(e, n)


cdef void feed_trade(engine_t *e, const lt_tick *t) noexcept nogil:
    if e.on_kyle:
        kyle_push(&e.kyle, t.price, t.volume, t.side)
    if e.on_vpin:
        vpin_push(&e.vpin, t.price, t.volume, t.side)
    if e.on[V_FLOW]:
        flow_push(&e.flow, t.price, t.volume, t.side)
        if flow_ready(&e.flow):
            e.vote[V_FLOW] = e.place[V_FLOW] * flow_signal(&e.flow, e.entry[V_FLOW].level)


cdef inline int signal_of(const engine_t *e, int voter) noexcept nogil:
    """The direction of a voter, but the z-score's, under its present entry level."""
    cdef double level = e.entry[voter].level
    if voter == V_OFI:
        return beyond(e.ofi_total[e.quote], e.ofi_square[e.quote], level)
    if voter == V_MICRO:
        return micro_signal(e.micro_gap[e.quote], e.micro_spread[e.quote], level)
    if voter == V_DRIFT:
        return drift_signal(e.drift_mean[e.change], e.drift_count[e.change], e.drift_square[e.change], level)
    if voter == V_LEVEL:
        return beyond(e.innovation[e.change], e.level_f[e.change], level) * e.level_side[e.change]
    return (e.mid < e.true_price * e.dev_low) - (e.mid > e.true_price * e.dev_high)


cdef inline void feed(engine_t *e, const lt_tick *t, Py_ssize_t j) noexcept nogil:
    """Takes the columns' values of this tick, and lets the voters that observed something vote anew."""
    if e.on[V_Z]:
        e.z_state = z_signal(e.z_gap[j], e.z_variance[j], e.entry[V_Z].level, 0.0, e.z_state)
        e.vote[V_Z] = e.place[V_Z] * e.z_state
    if e.on[V_DEVIATION]:
        e.vote[V_DEVIATION] = e.place[V_DEVIATION] * signal_of(e, V_DEVIATION)
    if e.quotes[j] != e.quote:
        e.quote = e.quotes[j]
        if e.on[V_OFI]:
            e.vote[V_OFI] = e.place[V_OFI] * signal_of(e, V_OFI)
        if e.on[V_MICRO]:
            e.vote[V_MICRO] = e.place[V_MICRO] * signal_of(e, V_MICRO)
    e.changed = e.changes[j] != e.change
    if e.changed:
        e.change = e.changes[j]
        if e.on[V_DRIFT]:
            e.vote[V_DRIFT] = e.place[V_DRIFT] * signal_of(e, V_DRIFT)
        if e.on[V_LEVEL]:
            e.vote[V_LEVEL] = e.place[V_LEVEL] * signal_of(e, V_LEVEL)
    if t.flags & LT_TRADE and e.on_trades:
        feed_trade(e, t)


cdef inline void sample(quantile_t *entry, int signal) noexcept nogil:
    """A signal under the present level is a |value| above it."""
    quantile_push(entry, signal != 0)


cdef void adapt(engine_t *e, Py_ssize_t j) noexcept nogil:
    """Lets every ready voter's |value| pull its entry level."""
    if e.on[V_OFI] and e.ofi_square[e.quote] >= 0.0:
        sample(&e.entry[V_OFI], signal_of(e, V_OFI))
    if e.on[V_Z] and e.z_variance[j] >= 0.0:
        sample(&e.entry[V_Z], z_signal(e.z_gap[j], e.z_variance[j], e.entry[V_Z].level, 0.0, 0))
    if e.on[V_DRIFT] and e.drift_square[e.change] >= 0.0:
        sample(&e.entry[V_DRIFT], signal_of(e, V_DRIFT))
    if e.on[V_LEVEL] and e.level_f[e.change] > 0.0:
        sample(&e.entry[V_LEVEL], signal_of(e, V_LEVEL))
    if e.on[V_MICRO] and e.micro_spread[e.quote] > 0.0:
        sample(&e.entry[V_MICRO], signal_of(e, V_MICRO))
    if e.on[V_FLOW] and flow_ready(&e.flow):
        sample(&e.entry[V_FLOW], flow_signal(&e.flow, e.entry[V_FLOW].level))
    if e.on[V_DEVIATION] and e.true_price > 0.0:
        sample(&e.entry[V_DEVIATION], e.vote[V_DEVIATION])
        e.dev_high = lt_exp(e.entry[V_DEVIATION].level)
        e.dev_low = 1.0 / e.dev_high


# Vote

cdef inline uint32_t votes(const engine_t *e) noexcept nogil:
    cdef int32_t code = e.abstention
    cdef int v
    for v in range(V_COUNT):
        code += e.vote[v]
    return <uint32_t> code


cdef void score(engine_t *e) noexcept nogil:
    """Resolves the votes cast h ticks ago with the present mid, and casts the present ones."""
    cdef int truth = (e.mid > e.cast_mid) - (e.mid < e.cast_mid)
    if e.scored and truth != 0:
        jury_score(&e.jury, e.cast_code, truth)
    e.scored = True
    e.cast_code, e.cast_mid = e.code, e.mid
    e.next_score += e.h


cdef inline int decide(engine_t *e) noexcept nogil:
    """The direction of the vote after the gates."""
    cdef int direction
    e.code = votes(e)
    if e.index == e.next_score:
        score(e)
    if e.index == e.next_refresh:
        jury_refresh(&e.jury)
        e.next_refresh += e.refresh
    direction = jury_vote(&e.jury, e.code)
    if direction != 0:
        if e.gate_trend and e.trend_side[e.change] == -direction:
            return 0
        if e.gate_vpin and vpin_ready(&e.vpin) and not e.vpin.passes:
            return 0
    return direction


# Trading

cdef void peaked(engine_t *e) noexcept nogil:
    """A new peak of equity: the levels at which the drawdown control (334) halts and lets go again."""
    e.peak = e.trough = e.equity
    e.brake_level = (1.0 - e.max_drawdown) * e.peak
    e.release_level = 0.9 * e.peak
    e.braked = False


cdef inline void mark(engine_t *e) noexcept nogil:
    """Equity at the mid, its peak and its worst fall."""
    e.equity = account_equity(&e.broker.book[0], e.mid)
    if e.equity > e.peak:
        peaked(e)
    elif e.equity < e.trough:
        e.trough = e.equity
        if e.peak - e.equity > e.worst_drawdown * e.peak:
            e.worst_drawdown = 1.0 - e.equity / e.peak
    if e.equity <= e.brake_level:
        e.braked = True
    elif e.braked and e.equity >= e.release_level:
        e.braked = False


cdef void opened(engine_t *e) noexcept nogil:
    """Sets the exits of a position from its entry price; levels are times the side, so that up is gain."""
    cdef double price = e.broker.book[0].entry_price
    cdef int side = 1 if e.broker.book[0].position > 0 else -1
    e.deadline = e.index + e.hold if e.hold > 0 else INDEX_END
    e.take_level = side * price * (1.0 + side * e.take_profit) if e.take_profit > 0.0 else INFINITY
    e.stop_level = side * price * (1.0 - side * e.stop) if e.stop > 0.0 else -INFINITY
    e.best = side * price
    e.trailing = False


cdef void closed(engine_t *e) noexcept nogil:
    cdef double outcome = e.broker.book[0].last_return
    realised_push(&e.realised, outcome)
    e.calibration.seen[e.bin] += 1
    e.calibration.won[e.bin] += outcome > 0.0


cdef void settle(engine_t *e) noexcept nogil:
    """Takes note of the fills since `settled`."""
    if e.broker.closed:
        closed(e)
    if e.broker.opened:
        opened(e)
    e.broker.opened = e.broker.closed = 0
    mark(e)
    e.settled = e.broker.fill_ids


cdef inline void arrivals(engine_t *e, int64_t ts) noexcept nogil:
    broker_advance(&e.broker, ts)
    if e.broker.fill_ids != e.settled:
        settle(e)


cdef void send(engine_t *e, int64_t ts, int side, int64_t quantity, int reason) noexcept nogil:
    e.order_times[e.broker.order_ids % <uint64_t> e.rate] = ts
    broker_send(&e.broker, ts, 0, ORDER_MARKET, side, quantity, NAN, reason)
    if e.broker.fill_ids != e.settled:
        settle(e)


cdef int refusal(engine_t *e, const lt_tick *t) noexcept nogil:
    """The first limit that holds an entry back, or -1."""
    cdef uint64_t orders = e.broker.order_ids
    if e.halted:
        return R_HALTED
    if e.braked:
        return R_DRAWDOWN
    if e.equity <= e.day_equity * (1.0 - e.daily_loss):
        return R_DAILY_LOSS
    if (e.index > 0 and t.ts - e.last_ts > e.stale_ns) or t.ts - e.quote_ts > e.stale_ns:
        return R_STALE
    if t.bid == t.ask and not t.flags & LT_NO_QUOTE:
        return R_LOCKED
    if orders >= <uint64_t> e.rate and t.ts - e.order_times[orders % <uint64_t> e.rate] < SECOND_NS:
        return R_RATE
    return -1


cdef int size_kelly(engine_t *e, const lt_tick *t) noexcept nogil:
    """Sets `fraction`, the share of equity to trade; a refusal, or -1."""
    cdef double logit = e.jury.code_logit[e.code], costs = (t.ask - t.bid) / e.mid + 2.0 * e.taker, p, drawdown
    e.bin = calibration_bin(logit)
    if e.calibrate and e.calibration.seen[e.bin] >= 50:
        p = (1.0 + <double> e.calibration.won[e.bin]) / (2.0 + <double> e.calibration.seen[e.bin])
    else:
        p = first_at_gain(e.take_profit / e.stop, e.jury.code_against[e.code])
    e.fraction = e.kelly_scale * kelly_fraction(p, e.take_profit, e.stop, costs)
    if not e.fraction > 0.0:
        return R_NO_EDGE
    if e.realised.count >= e.realised.n_min:
        if not e.realised.f_full > 0.0:
            e.fraction = 0.0
            return R_REALISED
        p = 0.5 * e.realised.f_full
        p = p if p < 0.25 else 0.25
        e.fraction = e.fraction if e.fraction < p else p
    e.fraction = e.fraction if e.fraction < e.max_fraction else e.max_fraction
    drawdown = 1.0 - e.equity / e.peak
    e.fraction *= drawdown_brake(drawdown, e.max_drawdown)
    return -1 if e.fraction > 0.0 else R_DRAWDOWN


cdef void enter(engine_t *e, const lt_tick *t, int side) noexcept nogil:
    """Sends the vote's order, or counts why not."""
    cdef double touch = t.ask if side > 0 else t.bid, spend
    cdef int64_t quantity = e.quantity
    cdef int why = refusal(e, t)
    if why < 0 and e.kelly:
        why = size_kelly(e, t)
        if why < 0:
            # micro-USD to satoshi: 1e-6 USD / (USD per BTC) * 1e8
            spend = e.fraction * e.equity * 100.0 / (touch * (1.0 + e.taker))
            quantity = <int64_t> spend if spend < <double> e.max_position else e.max_position + 1
    if why < 0:
        if quantity < 1:
            why = R_TOO_SMALL
        elif quantity > e.max_position:
            why = R_MAX_POSITION
        elif <double> quantity * touch * 0.01 * (1.0 + e.taker) > e.equity:
            why = R_CAPITAL
    if why < 0:
        send(e, t.ts, side, quantity, REASON_ENTRY)
    else:
        e.refused[why] += 1


cdef inline int exit_reason(engine_t *e, double touch, int side, int direction) noexcept nogil:
    """Why to leave now, or -1. All exits are market orders at one touch; of several the most adverse is named."""
    if touch <= e.stop_level:
        return REASON_STOP
    if e.trail:
        e.best = touch if touch > e.best else e.best
        if not e.trailing:
            e.trailing = touch - side * e.broker.book[0].entry_price >= e.trail_gain * e.broker.book[0].entry_price
        if e.trailing and e.best - touch >= e.trail_vol * sqrt(e.variance[e.change]) * fabs(e.best):
            return REASON_TRAILING
    if e.index >= e.deadline:
        return REASON_TIME
    if (direction == -side and e.on_signal != EXIT_NONE) or (direction != side and e.on_signal == EXIT_FLAT):
        return REASON_REVERSE
    return REASON_TAKE_PROFIT if touch >= e.take_level else -1


cdef inline void trade(engine_t *e, const lt_tick *t, int direction) noexcept nogil:
    cdef int64_t position = e.broker.book[0].position
    cdef int side, reason
    e.fraction = 0.0
    if position == 0:
        if direction != 0 and e.broker.working == 0:
            enter(e, t, direction)
        return
    mark(e)
    if e.broker.working > 0:
        return
    side = 1 if position > 0 else -1
    reason = exit_reason(e, t.bid if side > 0 else -t.ask, side, direction)
    if reason >= 0:
        send(e, t.ts, -side, position if side > 0 else -position, reason)


# The tick

cdef void turn_period(engine_t *e, int64_t ts) noexcept nogil:
    """The first tick of eight hours: a day's equity is taken at its first, and shorts pay for the time up to here."""
    if ts // DAY_NS != (e.period_end - 1) // DAY_NS:
        e.day_equity = e.equity
    e.period_end = (ts // PERIOD_NS + 1) * PERIOD_NS
    arrivals(e, ts)
    broker_borrow(&e.broker, ts)


cdef inline void step(engine_t *e, const lt_tick *t, Py_ssize_t j, double true_price) noexcept nogil:
    if t.ts >= e.period_end:
        turn_period(e, t.ts)
    if e.broker.working > 0:
        arrivals(e, t.ts)
    e.broker.quote = t
    if t.flags & (LT_QUOTE | LT_NO_QUOTE):
        e.quote_ts = t.ts
    e.mid, e.true_price = e.mids[j], true_price
    feed(e, t, j)
    if e.adaptive and e.index % SAMPLE == 0:
        adapt(e, j)
    e.direction = decide(e)
    trade(e, t, e.direction)
    e.last_ts = t.ts


cdef void record(const engine_t *e, Py_ssize_t j, lt_result *out) noexcept nogil:
    """The result row of the tick just taken."""
    memset(out, 0, sizeof(lt_result))
    out.ts, out.true_price, out.market_price = e.last_ts, e.true_price, e.mid
    out.deviation = lt_log(e.mid / e.true_price) if e.true_price > 0.0 else NAN
    out.ofi, out.microprice = e.ofi_total[e.quote], e.micro_mid[e.quote]
    out.z_score = NAN
    if e.z_variance[j] >= 0.0:
        out.z_score = e.z_gap[j] / sqrt(e.z_variance[j]) if e.z_variance[j] > 0.0 else 0.0
    out.kalman_level, out.kalman_velocity = e.mid * lt_exp(0.0 - e.residual[e.change]), e.drift_mean[e.change]
    out.ewma_vol, out.regime = sqrt(e.variance[e.change]), e.trend_side[e.change]
    out.cusum = e.cusum_event[e.change] if e.changed else 0
    out.kyle_lambda = kyle_value(&e.kyle)
    out.flow_momentum = flow_value(&e.flow) if e.on[V_FLOW] and flow_ready(&e.flow) else NAN
    out.vpin = e.vpin.value if e.on_vpin and vpin_ready(&e.vpin) else NAN
    out.vote_logodds = e.jury.code_logit[e.code]
    out.vote_probability = 1.0 / (1.0 + lt_exp(0.0 - out.vote_logodds))
    out.direction = <int8_t> e.direction
    out.kelly_fraction = e.fraction if e.kelly else NAN
    out.position, out.cash = e.broker.book[0].position, e.broker.book[0].cash
    out.equity = e.equity * 1e-6
    out.drawdown = 1.0 - e.equity / e.peak
    out.trades, out.wins = e.broker.book[0].trades, e.broker.book[0].wins


cdef Py_ssize_t first_fault(const engine_t *e, const lt_tick *ticks, Py_ssize_t n, int *kind) noexcept nogil:
    """The place of the first bad tick and its kind, n and -1 where there is none."""
    cdef int64_t last = e.last_ts
    cdef Py_ssize_t i
    for i in range(n):
        kind[0] = lt_tick_fault(&ticks[i], last)
        if kind[0] >= 0:
            return i
        last = ticks[i].ts
    return n


cdef Py_ssize_t accept(engine_t *e, const lt_tick *ticks, Py_ssize_t n) noexcept nogil:
    """Validates the block and forms the mids; how many ticks are good."""
    cdef Py_ssize_t i, m = 0
    cdef int64_t last = e.last_ts
    cdef int fault
    for i in range(n):
        if not lt_tick_plain(&ticks[i], last):
            fault = lt_tick_fault(&ticks[i], last)
            if fault >= 0:
                e.rejected[fault] += 1
                continue
        last = ticks[i].ts
        e.good[m] = <int32_t> i
        e.mids[m] = 0.5 * ticks[i].bid + 0.5 * ticks[i].ask
        m += 1
    return m


cdef Py_ssize_t take(engine_t *e, const lt_tick *ticks, const double *true_price, Py_ssize_t n,
                     lt_result *rows, int64_t every) noexcept nogil:
    """Feeds a block of at most BLOCK ticks; how many rows were written."""
    cdef Py_ssize_t j, written = 0, m = accept(e, ticks, n)
    cdef const lt_tick *t
    if m == 0:
        return 0
    lt_log_return_block(m, e.mids, e.last_mid if e.index > 0 else e.mids[0], e.returns)
    if e.index == 0 and e.on_trend:
        trend_push(&e.trend, e.mids[0], NAN)
    e.last_mid = e.mids[m - 1]
    if e.on[V_Z]:
        feed_mids(e, m)
    if e.on[V_OFI] or e.on[V_MICRO]:
        feed_quotes(e, ticks, m)
    if e.on_changes:
        feed_changes(e, m)
    e.quote = e.change = 0
    for j in range(m):
        t = &ticks[e.good[j]]
        step(e, t, j, true_price[e.good[j]] if true_price != NULL else NAN)
        if rows != NULL and e.index % every == 0:
            record(e, j, &rows[written])
            written += 1
        e.index += 1
    e.last = t[0]
    e.broker.quote = &e.last
    e.last_place = m - 1
    return written


cdef void close_formulas(engine_t *e) noexcept nogil:
    ring_close(&e.ofi.ring)
    ring_close(&e.z.ring)
    ring_close(&e.level.ring)
    ring_close(&e.kyle.flow)
    ring_close(&e.kyle.change)
    ring_close(&e.realised.trades)
    vpin_free(&e.vpin)


cdef int open_formulas(engine_t *e, uint64_t window) noexcept nogil:
    """Every kernel with its row's parameters; 0, or -1 where memory ran out."""
    drift_open(&e.drift, 0.001, 50)
    micro_open(&e.micro, 8.0)
    flow_open(&e.flow, 20.0, 200.0)
    e.vol.alpha = 0.06
    trend_open(&e.trend, 20.0, 50.0, 50, 2.0)
    cusum_open(&e.cusum, 3.0)
    if ofi_open(&e.ofi, window) < 0 or z_open(&e.z, window) < 0 or level_open(&e.level, 200, 0.01) < 0:
        return -1
    if kyle_open(&e.kyle, 50, 1) < 0 or vpin_open(&e.vpin, 1.0, 50, 200, 0.9) < 0:
        return -1
    # judged on a full window: over 20 trades the standard error of a win rate is 0.11
    return realised_open(&e.realised, 100, 100)


cdef void open_columns(engine_t *e) noexcept nogil:
    """Nothing has been observed, and a formula that is off never will."""
    cdef Py_ssize_t n
    for n in range(BLOCK):
        e.z_gap[n] = e.z_variance[n] = NAN
    for n in range(BLOCK + 1):
        e.ofi_total[n] = e.ofi_square[n] = e.micro_gap[n] = e.micro_spread[n] = e.micro_mid[n] = NAN
        e.drift_mean[n] = e.drift_square[n] = e.innovation[n] = e.level_f[n] = e.residual[n] = e.variance[n] = NAN


cdef void open_levels(engine_t *e) noexcept nogil:
    """The rows' own entry levels, which the adaptive ones start from (half-life 4,096 ticks)."""
    cdef double[V_COUNT] start = [1.5, 2.0, 1.0, 2.0, 0.1, 0.2, 0.02]
    cdef int v
    for v in range(V_COUNT):
        quantile_open(&e.entry[v], start[v], 4096.0 / SAMPLE)
    e.dev_high = lt_exp(e.entry[V_DEVIATION].level)
    e.dev_low = 1.0 / e.dev_high


cdef const unsigned char[::1] raw_records(array, dtype, str name):
    if (not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1
            or not array.flags.c_contiguous or not array.flags.aligned):
        found = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"{name} must be a contiguous one-dimensional array, aligned, of {dtype.name or 'records'} as "
                        f"in livetrading.core.dtypes, was {found}")
    return array.view(np.uint8)


cdef class Processor:
    """The whole path of a tick, in fixed memory, without the GIL.

    Parameters
    ----------
    settings : Settings
        What votes, how it is sized, how it exits, costs and limits.
    capital_usd : float
        Cash at the start in USD, 0.01 to 1e12.
    market : ChaosMarket or GbmMarket, optional
        What `run` takes its ticks from.
    strict : bool
        Raise `BadTick` at the first tick that breaks a rule, instead of counting it.
    on_fills : callable, optional
        Called with each batch of new fills, a FILL array of its own.
    seed : int
        Of drawn latencies, 0 to 2**64 - 1.
    latencies : array_like of int, optional
        Recorded latencies as in `PaperBroker`.

    Notes
    -----
    A seed, a capital and settings give the same fills byte for byte, however the ticks are cut into calls. One
    processor is driven by one thread at a time; processors in different threads are independent.
    """

    cdef engine_t *_e
    cdef readonly object settings
    cdef Market _market
    cdef object _digest, _on_fills, _latencies
    cdef bint _strict, _busy
    cdef lt_tick *_ticks
    cdef double *_true_price

    def __cinit__(self, settings, capital_usd, Market market=None, *, strict=False, on_fills=None, uint64_t seed=0,
                  latencies=None):
        cdef engine_t *e = <engine_t *> calloc(1, sizeof(engine_t))
        if e == NULL:
            raise MemoryError()
        self._e = e
        self.settings, self._market, self._strict, self._on_fills = settings, market, strict, on_fills
        self._digest = hashlib.sha256()
        self._ticks = <lt_tick *> calloc(BLOCK, sizeof(lt_tick))
        self._true_price = <double *> calloc(BLOCK, sizeof(double))
        if self._ticks == NULL or self._true_price == NULL or open_formulas(e, settings.signals.window) < 0:
            raise MemoryError()
        open_columns(e)
        open_levels(e)
        e.adaptive = settings.signals.adaptive
        self._open_voters(settings.signals)
        self._open_vote(settings.vote)
        self._open_trading(settings, capital_micro(capital_usd), seed, latencies)

    def __dealloc__(self):
        if self._e != NULL:
            close_formulas(self._e)
            free(self._e.broker.fills)
            free(self._e.order_times)
        free(self._e)
        free(self._ticks)
        free(self._true_price)

    cdef _open_voters(self, signals):
        cdef engine_t *e = self._e
        cdef uint32_t place = 1
        for voter in signals.voters:
            v = VOTERS.index(voter)
            e.on[v] = True
            e.place[v] = place
            e.abstention += place
            place *= 3
        shown = signals.estimators
        trailing = self.settings.exits.trail_vol > 0 and self.settings.exits.trail_activate_bps > 0
        e.gate_trend, e.gate_vpin = signals.gate_trend, signals.gate_vpin
        e.on_trend = shown or e.gate_trend
        e.on_cusum = e.on_kyle = shown
        e.on_vol = shown or e.gate_trend or trailing
        e.on_vpin = shown or e.gate_vpin
        e.on_changes = e.on_vol or e.on[V_DRIFT] or e.on[V_LEVEL]
        e.on_trades = e.on_kyle or e.on_vpin or e.on[V_FLOW]

    cdef _open_vote(self, vote):
        cdef engine_t *e = self._e
        jury_open(&e.jury, len(self.settings.signals.voters))
        e.jury.majority = vote.kind == "majority"
        e.jury.p_min, e.jury.k_min = vote.p_min, vote.k_min
        e.h, e.refresh = vote.h, vote.refresh
        if e.jury.majority:
            e.next_score = e.next_refresh = -1

    cdef _open_trading(self, settings, int64_t capital, uint64_t seed, latencies):
        cdef engine_t *e = self._e
        sizing, exits, limits = settings.sizing, settings.exits, settings.limits
        cdef rules_t rules
        self._latencies = rules_open(&rules, settings.broker, seed, latencies)
        broker_open(&e.broker, capital, 1, &rules)
        e.broker.fill_capacity = FILLS_PER_ORDER * (SLICE + BLOCK)
        e.broker.fills = <lt_fill *> calloc(e.broker.fill_capacity, sizeof(lt_fill))
        e.rate = limits.orders_per_s
        e.order_times = <int64_t *> calloc(e.rate, sizeof(int64_t))
        if e.broker.fills == NULL or e.order_times == NULL:
            raise MemoryError()
        e.kelly, e.calibrate = sizing.kind == "kelly", sizing.calibrate
        e.kelly_scale, e.max_fraction, e.max_drawdown = sizing.kelly, sizing.max_fraction, sizing.max_drawdown
        e.quantity = round(sizing.quantity_btc * 1e8)
        e.taker = settings.broker.taker_bps * 1e-4
        e.take_profit, e.stop = exits.take_profit_bps * 1e-4, exits.stop_bps * 1e-4
        e.trail_gain, e.trail_vol = exits.trail_activate_bps * 1e-4, exits.trail_vol
        e.trail = e.trail_gain > 0 and e.trail_vol > 0
        e.on_signal = {"none": EXIT_NONE, "reverse": EXIT_REVERSE, "flat": EXIT_FLAT}[exits.on_signal]
        e.hold = exits.hold_ticks
        e.max_position = round(limits.max_position_btc * 1e8)
        e.daily_loss = limits.daily_loss
        e.stale_ns = round(limits.stale_s * 1e9)
        e.equity = e.day_equity = <double> capital
        peaked(e)

    def run(self, n, results=None, every=1):
        """Take the next `n` ticks of the market.

        Parameters
        ----------
        n : int
            Ticks, at least 0.
        results : ndarray of RESULT, optional
            Filled from its start with the rows of ticks whose index (from 0, over the processor's life) is a multiple
            of `every`.
        every : int
            At least 1.

        Returns
        -------
        int
            Rows written.

        Raises
        ------
        ValueError
            If there is no market, a number is out of range, or `results` is too short.
        RuntimeError
            If the processor or its market is running in another thread.
        ChainKnotsExhausted
            If the market's true prices do not reach the last tick.
        KeyboardInterrupt
            On Ctrl-C, at the border of a block: what was taken counts, and the processor goes on from there.
        """
        if self._market is None:
            raise ValueError("run needs a market: give one to the processor, or use replay or on_tick")
        n = PyNumber_Index(n)
        if n < 0:
            raise ValueError(f"n must be at least 0, was {n}")
        return self._drive(None, None, n, results, PyNumber_Index(every))

    def replay(self, ticks, results=None, every=1, true_price=None):
        """Take the ticks of an array.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (n,)
        results, every
            As in `run`.
        true_price : ndarray of float64, shape (n,), optional
            The true price at each tick in USD; NaN where not known.

        Returns
        -------
        int
            Rows written.

        Raises
        ------
        BadTick
            At the first tick that breaks a rule, where the processor is strict; those before it count.
        TypeError, ValueError
            If an array is not of the stated type or shape.
        KeyboardInterrupt
            As in `run`.
        """
        raw_records(ticks, TICK, "ticks")
        if true_price is not None:
            found = np.asarray(true_price)
            if found is not true_price or found.dtype != np.float64 or found.shape != ticks.shape:
                raise TypeError(f"true_price must be an array of float64 of shape {ticks.shape}, was {found.dtype} of "
                                f"shape {found.shape}")
            wrong = found[(found < LT_PRICE_MIN) | (found > LT_PRICE_MAX)]
            if wrong.size > 0:
                raise ValueError(f"a true price must be NaN, for not known, or from 1e-12 to 1e15 USD, was {wrong[0]}")
        return self._drive(ticks, true_price, len(ticks), results, PyNumber_Index(every))

    def _drive(self, ticks, true_price, Py_ssize_t n, results, int64_t every):
        """Slice by slice: take, hand over the fills, look at signals."""
        cdef const unsigned char[::1] raw
        cdef const double[::1] prices
        cdef unsigned char[::1] out
        cdef const lt_tick *source = NULL
        cdef const double *truth = NULL
        cdef lt_result *rows = NULL
        cdef Py_ssize_t done = 0, written = 0, length
        cdef int kind = -1
        if every < 1:
            raise ValueError(f"every must be at least 1, was {every}")
        if results is not None and (np.may_share_memory(results, ticks) or np.may_share_memory(results, true_price)):
            raise ValueError("results must not share memory with the ticks or the true prices")
        if n > 0 and ticks is not None:
            raw = raw_records(ticks, TICK, "ticks")
            source = <const lt_tick *> &raw[0]
        if n > 0 and true_price is not None:
            prices = np.ascontiguousarray(true_price)
            truth = &prices[0]
        if results is not None:
            raw_records(results, RESULT, "results")
            needed = self.rows_for(n, every)
            if len(results) < needed:
                raise ValueError(f"results must have room for {needed} rows, was {len(results)}")
            if len(results) > 0:
                out = results.view(np.uint8)
                rows = <lt_result *> &out[0]
        self._check_idle()
        if ticks is None:
            self._market.claim()
        self._busy = True
        try:
            if ticks is None:
                self._market.check(n)
            while done < n:
                length = n - done if n - done < SLICE else SLICE
                with nogil:
                    if source != NULL and self._strict:
                        length = first_fault(self._e, source + done, length, &kind)
                    written += self._slice(source + done if source != NULL else NULL,
                                           truth + done if truth != NULL else NULL, length,
                                           rows + written if rows != NULL else NULL, every)
                self._hand_over()
                done += length
                if kind >= 0:
                    self._raise_bad(kind, ticks[done], done)
                PyErr_CheckSignals()
        finally:
            self._busy = False
            if ticks is None:
                self._market.busy = False
        return written

    cdef _check_idle(self):
        if self._busy:
            raise RuntimeError("this processor is running, in another thread or around this callback")

    def rows_for(self, n, every=1):
        """Return how many result rows the next `n` ticks give at most."""
        first = -self._e.index % every
        return 0 if first >= n else (n - 1 - first) // every + 1

    cdef Py_ssize_t _slice(self, const lt_tick *source, const double *truth, Py_ssize_t n, lt_result *rows,
                           int64_t every) noexcept nogil:
        cdef Py_ssize_t done = 0, written = 0, step
        while done < n:
            step = n - done if n - done < BLOCK else BLOCK
            if source == NULL:
                self._market.make(self._ticks, self._true_price, step)
                written += take(self._e, self._ticks, self._true_price, step,
                                rows + written if rows != NULL else NULL, every)
            else:
                written += take(self._e, source + done, truth + done if truth != NULL else NULL, step,
                                rows + written if rows != NULL else NULL, every)
            done += step
        return written

    cdef _raise_bad(self, int kind, tick, number):
        rule = ("price, bid and ask must be finite and from 1e-12 to 1e15", "bid must not exceed ask",
                "ts must not go back", "sizes must be from 0 to 1e15", "a trade needs a quote before it")[kind]
        self._e.rejected[kind] += 1
        raise BadTick(f"{rule}, was {tick} (tick {number}, {Rejection(kind).name.lower()})")

    cdef _hand_over(self):
        """Digests the new fills, gives them to whoever asked, and empties the buffer."""
        cdef Py_ssize_t count = <Py_ssize_t> self._e.broker.fill_count
        if count == 0:
            return
        fills = np.frombuffer((<const unsigned char *> self._e.broker.fills)[:count * sizeof(lt_fill)], FILL)
        self._e.broker.fill_count = 0
        self._digest.update(fills)
        if self._on_fills is not None:
            self._on_fills(fills)

    def on_tick(self, int64_t ts, double price, double bid, double ask, double bid_size, double ask_size,
                double volume=0.0, int8_t side=0, uint8_t flags=1):
        """Take one tick; its fields as in TICK.

        Returns
        -------
        int
            Direction of the vote after the gates: -1, 0 or 1. 0 where the tick is rejected.

        Raises
        ------
        BadTick
            If the tick breaks a rule and the processor is strict.
        """
        cdef lt_tick t
        cdef engine_t *e = self._e
        cdef int64_t before = e.index
        cdef int kind, rejected
        self._check_idle()
        t.ts, t.price, t.bid, t.ask, t.bid_size, t.ask_size = ts, price, bid, ask, bid_size, ask_size
        t.volume, t.side, t.flags = volume, side, flags
        kind = lt_tick_fault(&t, e.last_ts) if self._strict else -1
        if kind >= 0:
            fed = e.index
            for rejected in range(LT_BAD_KINDS):
                fed += e.rejected[rejected]
            self._raise_bad(kind, (ts, price, bid, ask, bid_size, ask_size, volume, side, flags), fed)
        take(e, &t, NULL, 1, NULL, 1)
        if e.broker.fill_count > 0:
            self._hand_over()
        return e.direction if e.index > before else 0

    def last_row(self):
        """Return the row of results of the last tick, whatever rows were asked for.

        Returns
        -------
        ndarray of RESULT, shape (1,) or (0,)
            No row before the first tick.

        Raises
        ------
        RuntimeError
            While the processor is running.
        """
        cdef unsigned char[::1] out
        row = np.zeros(1 if self._e.index > 0 else 0, RESULT)
        self._check_idle()
        if len(row) > 0:
            out = row.view(np.uint8)
            record(self._e, self._e.last_place, <lt_result *> &out[0])
        return row

    def close(self):
        """Close an open position whole at the touch of the last quote; an order on its way lapses."""
        cdef engine_t *e = self._e
        self._check_idle()
        if e.broker.book[0].position != 0:
            e.order_times[e.broker.order_ids % <uint64_t> e.rate] = e.last_ts
        broker_close(&e.broker, e.last_ts, 0)
        if e.broker.fill_ids != e.settled:
            settle(e)
            self._hand_over()

    def halt(self):
        """Refuse entries from now on; exits go on."""
        self._e.halted = True

    def resume(self):
        """Take entries again after `halt`."""
        self._e.halted = False

    def totals(self):
        """Return what has happened so far.

        Raises
        ------
        RuntimeError
            While the processor is running.

        Returns
        -------
        dict
            ticks, fills, trades, wins : int; position_sat, cash_micro, gross_micro, net_micro, fees_micro,
            borrow_micro : int (satoshi and micro-USD; gross and net over closed trades, before and after fees and
            borrow); equity_usd,
            max_drawdown, return_sum, return_sum_sq : float (net profit over entry notional, summed over closed
            trades); rejected, refused : dict of str to int; fills_sha256 : str, of the FILL records in order.
        """
        cdef engine_t *e = self._e
        cdef account_t a
        cdef uint64_t[LT_BAD_KINDS] rejected
        cdef uint64_t[R_COUNT] refused
        cdef int64_t index
        cdef double equity, drawdown
        self._check_idle()
        index = e.index
        self._hand_over()
        digest = self._digest.hexdigest()
        # what follows up to the copies runs no Python, so no other thread can start a run in between
        self._check_idle()
        if e.index != index:
            raise RuntimeError("this processor ran in another thread meanwhile")
        a, rejected, refused = e.broker.book[0], e.rejected, e.refused
        equity, drawdown = e.equity, e.worst_drawdown
        refused[R_LEDGER] = e.broker.refused[REFUSED_LEDGER]
        return {
            "ticks": index,
            "fills": e.broker.fill_ids,
            "trades": a.trades,
            "wins": a.wins,
            "position_sat": a.position,
            "cash_micro": a.cash,
            "gross_micro": a.gross,
            "net_micro": a.net,
            "fees_micro": a.fees,
            "borrow_micro": a.borrow,
            "equity_usd": equity * 1e-6,
            "max_drawdown": drawdown,
            "return_sum": a.return_sum,
            "return_sum_sq": a.return_squares,
            "rejected": {kind.name.lower(): rejected[<int> kind] for kind in Rejection},
            "refused": {reason.name.lower(): refused[<int> reason] for reason in Refusal},
            "fills_sha256": digest,
        }
