# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The formulas of a block of ticks: each leaves a column, its value after each of its observations.

Rolling sums go by stretches in csrc; what a stretch refuses, or comes before the window is full, is pushed singly.
"""
from libc.math cimport NAN, sqrt
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint64_t

from livetrading.core.market cimport BLOCK
from livetrading.core.records cimport LT_QUOTE, LT_TRADE, lt_result, lt_tick, lt_tick_fault, lt_tick_plain
from livetrading.core.ring cimport (
    LT_OK, LT_STRETCH, lt_flow_gains, lt_moments_push, lt_moments_stretch, lt_quote_flow, lt_return_gains,
    lt_ring_push, lt_ring_window, lt_sums_stretch, lt_weighted_mids, ring_close,
)
from livetrading.core.signals cimport (
    OFI_SHARE, cusum_open, cusum_push, cusum_t, drift_open, drift_push, drift_square, drift_t, ewma_push, ewma_t,
    flow_open, flow_push, kyle_open, kyle_push, kyle_value, level_filter, level_open, level_start, level_sums, level_t,
    level_turn, micro_open, ofi_add, ofi_open, ofi_t, trend_open, trend_push, trend_t, vpin_free, vpin_open, vpin_push,
    vpin_ready, z_gap, z_open, z_variance,
)
from livetrading.core.variates cimport lt_exp, lt_log_return_block


cdef Py_ssize_t accept(formulas_t *f, const lt_tick *ticks, Py_ssize_t n) noexcept nogil:
    """Validates the block and forms the mids; how many ticks are good."""
    cdef Py_ssize_t i, m = 0
    cdef int64_t last = f.last_ts
    cdef int fault
    for i in range(n):
        if not lt_tick_plain(&ticks[i], last):
            fault = lt_tick_fault(&ticks[i], last)
            if fault >= 0:
                f.rejected[fault] += 1
                continue
        last = ticks[i].ts
        f.good[m] = <int32_t> i
        f.mids[m] = 0.5 * ticks[i].bid + 0.5 * ticks[i].ask
        m += 1
    f.last_ts = last
    return m


cdef void feed_mids(horizon_t *h, const double *mids, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t j = 0, stop
    while j < m:
        stop = j + LT_STRETCH if j + LT_STRETCH < m else m
        if h.z.ring.head >= h.z.window and lt_moments_stretch(
                &h.z, stop - j, &mids[j], &h.z_gap[j], &h.z_variance[j]) == 0:
            j = stop
        while j < stop:
            if lt_moments_push(&h.z, mids[j]) == LT_OK:
                h.z_gap[j], h.z_variance[j] = z_gap(&h.z, mids[j]), z_variance(&h.z)
            j += 1


cdef bint flow_stretch(horizon_t *h, const double *flow, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Order flow imbalance after quotes k to k + n - 1; False, with nothing done, where it has to be recomputed."""
    cdef ofi_t *s = &h.ofi
    cdef double gain[LT_STRETCH]
    cdef double gain2[LT_STRETCH]
    cdef Py_ssize_t i
    for i in range(n):
        lt_ring_push(&s.ring, flow[k + i])
    lt_flow_gains(n, lt_ring_window(&s.ring, s.window + n) + s.window, s.window, gain, gain2)
    if lt_sums_stretch(n, gain, gain2, OFI_SHARE, &s.total, &s.squares, &h.ofi_total[k], &h.ofi_square[k]) != 0:
        s.ring.head -= n
        return False
    return True


cdef void feed_flow(horizon_t *h, const double *flow, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """The flow of quotes k to n."""
    cdef Py_ssize_t stop
    while k <= n:
        stop = k + LT_STRETCH if k + LT_STRETCH <= n else n + 1
        if h.ofi.ring.head >= h.ofi.window and flow_stretch(h, flow, k, stop - k):
            k = stop
        while k < stop:
            if ofi_add(&h.ofi, flow[k]) == LT_OK:
                h.ofi_total[k], h.ofi_square[k] = h.ofi.total, h.ofi.squares.value
            k += 1


cdef Py_ssize_t gather_quotes(formulas_t *f, const lt_tick *ticks, Py_ssize_t m) noexcept nogil:
    """The new quotes with both sizes known, in places 1 to n; comparisons with NaN are false."""
    cdef const lt_tick *t
    cdef Py_ssize_t j, n = 0, last = f.quote_count
    f.bid[0], f.ask[0], f.bid_size[0], f.ask_size[0] = f.bid[last], f.ask[last], f.bid_size[last], f.ask_size[last]
    f.micro_gap[0], f.micro_spread[0], f.micro_mid[0] = f.micro_gap[last], f.micro_spread[last], f.micro_mid[last]
    for j in range(m):
        t = &ticks[f.good[j]]
        if t.flags & LT_QUOTE and t.ask > t.bid and t.bid_size >= 0.0 and t.ask_size >= 0.0:
            n += 1
            f.bid[n], f.ask[n], f.bid_size[n], f.ask_size[n] = t.bid, t.ask, t.bid_size, t.ask_size
        f.quotes[j] = <int16_t> n
    f.quote_count = n
    return n


cdef void feed_micro(formulas_t *f, Py_ssize_t n) noexcept nogil:
    """The weighted mid against its average; a quote with an empty side is none."""
    cdef ewma_t smooth = f.micro.smooth
    cdef Py_ssize_t k
    lt_weighted_mids(n, &f.bid[1], &f.ask[1], &f.bid_size[1], &f.ask_size[1], &f.micro_mid[1], &f.micro_spread[1])
    for k in range(1, n + 1):
        if f.bid_size[k] > 0.0 and f.ask_size[k] > 0.0:
            ewma_push(&smooth, f.micro_mid[k])
            f.micro_gap[k] = f.micro_mid[k] - smooth.value
        else:
            f.micro_gap[k], f.micro_spread[k] = f.micro_gap[k - 1], f.micro_spread[k - 1]
            f.micro_mid[k] = f.micro_mid[k - 1]
    f.micro.smooth = smooth


cdef void feed_quotes(formulas_t *f, horizon_t **horizons, const lt_tick *ticks, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t before = f.quote_count, n = gather_quotes(f, ticks, m)
    cdef horizon_t *h
    cdef int i
    if f.on.ofi:
        for i in range(f.horizons):
            h = horizons[i]
            h.ofi_total[0], h.ofi_square[0] = h.ofi_total[before], h.ofi_square[before]
        if n > 0:
            lt_quote_flow(n, &f.bid[1], &f.ask[1], &f.bid_size[1], &f.ask_size[1], &f.flow_quote[1])
            for i in range(f.horizons):
                # the first quote of all has none to flow from
                feed_flow(horizons[i], f.flow_quote, 1 if f.quoted else 2, n)
            f.quoted = True
    if f.on.micro and n > 0:
        feed_micro(f, n)


cdef Py_ssize_t gather_changes(formulas_t *f, Py_ssize_t m) noexcept nogil:
    """The changes of the mid and their log returns, in places 1 to n."""
    cdef Py_ssize_t j, n = 0, last = f.change_count
    f.drift_mean[0], f.drift_square[0], f.drift_count[0] = f.drift_mean[last], f.drift_square[last], f.drift_count[last]
    f.innovation[0], f.level_f[0] = f.innovation[last], f.level_f[last]
    f.residual[0], f.variance[0], f.trend_side[0] = f.residual[last], f.variance[last], f.trend_side[last]
    for j in range(m):
        if f.returns[j] != 0.0:
            n += 1
            f.change_return[n], f.change_mid[n] = f.returns[j], f.mids[j]
        f.changes[j] = <int16_t> n
    f.change_count = n
    return n


cdef bint level_stretch(formulas_t *f, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """The sums of 201 after changes k to k + n - 1; False, with nothing done, where they have to be recomputed."""
    cdef level_t *s = &f.level
    cdef double gain[LT_STRETCH]
    cdef double gain2[LT_STRETCH]
    cdef Py_ssize_t i
    for i in range(n):
        lt_ring_push(&s.ring, f.change_return[k + i])
    lt_return_gains(n, lt_ring_window(&s.ring, s.window + n) + s.window, s.window, gain, gain2)
    if lt_sums_stretch(n, gain, gain2, s.floor, &s.g1, &s.g0, &f.level_g1[k], &f.level_g0[k]) != 0:
        s.ring.head -= n
        return False
    return True


cdef void feed_level_sums(formulas_t *f, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k = 1, stop
    while k <= n:
        stop = k + LT_STRETCH if k + LT_STRETCH <= n else n + 1
        if f.level.ring.head >= f.level.window and level_stretch(f, k, stop - k):
            k = stop
        while k < stop:
            level_sums(&f.level, f.change_return[k])
            f.level_g0[k], f.level_g1[k] = f.level.g0.value, f.level.g1
            k += 1


cdef void feed_filters(formulas_t *f, Py_ssize_t n, int64_t seen) noexcept nogil:
    """The recurrences over the changes, `seen` of which 201 had before: side by side they hide their latency."""
    cdef drift_t drift = f.drift
    cdef level_t level = f.level
    cdef ewma_t vol = f.vol
    cdef trend_t trend = f.trend
    cdef cusum_t cusum = f.cusum
    cdef int64_t full = <int64_t> level.window - seen
    cdef Py_ssize_t k
    cdef double r
    for k in range(1, n + 1):
        r = f.change_return[k]
        if f.on.cusum:
            cusum_push(&cusum, r, vol.value if vol.ready else NAN)
            f.cusum_event[k] = <int8_t> cusum.event
        if f.on.vol:
            ewma_push(&vol, r * r)
            f.variance[k] = vol.value
        if f.on.trend:
            trend_push(&trend, f.change_mid[k], vol.value)
            f.trend_side[k] = <int8_t> trend.side
        if f.on.drift:
            if drift_push(&drift, r) == LT_OK:
                f.drift_mean[k], f.drift_square[k] = drift.a, drift_square(&drift)
            f.drift_count[k] = <double> (drift.count - 1)
        if f.on.level and k >= full:
            level.g0.value, level.g1 = f.level_g0[k], f.level_g1[k]
            if k == full:
                level_start(&level)
            else:
                level_filter(&level, r)
            f.innovation[k], f.level_f[k] = level.innovation * level_turn(&level), level.f
            f.residual[k] = level.residual
    level.g0, level.g1 = f.level.g0, f.level.g1
    f.drift, f.level, f.vol, f.trend, f.cusum = drift, level, vol, trend, cusum


cdef void feed_changes(formulas_t *f, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t n = gather_changes(f, m)
    cdef int64_t seen = <int64_t> f.level.ring.head
    if f.on.level:
        feed_level_sums(f, n)
    feed_filters(f, n, seen)


cdef void leave_trade(formulas_t *f, Py_ssize_t k, bint shown) noexcept nogil:
    """What the formulas on trades stand at, in place k."""
    f.flow_signed[k], f.flow_total[k] = f.flow.signed.value, f.flow.total.value
    f.vpin_shut[k] = f.on.vpin and vpin_ready(&f.vpin) and not f.vpin.passes
    if shown:
        f.kyle_lambda[k] = kyle_value(&f.kyle)
        f.vpin_value[k] = f.vpin.value if f.on.vpin and vpin_ready(&f.vpin) else NAN


cdef void feed_trades(formulas_t *f, const lt_tick *ticks, Py_ssize_t m, bint shown) noexcept nogil:
    cdef const lt_tick *t
    cdef Py_ssize_t j, n = 0
    leave_trade(f, 0, shown)
    for j in range(m):
        t = &ticks[f.good[j]]
        if t.flags & LT_TRADE:
            n += 1
            if f.on.kyle:
                kyle_push(&f.kyle, t.price, t.volume, t.side)
            if f.on.vpin:
                vpin_push(&f.vpin, t.price, t.volume, t.side)
            if f.on.flow:
                flow_push(&f.flow, t.price, t.volume, t.side)
            leave_trade(f, n, shown)
        f.trades[j] = <int16_t> n
    # the row of the last tick may be asked for later
    leave_trade(f, n, True)
    f.trade_count = n


cdef Py_ssize_t formulas_take(formulas_t *f, horizon_t **horizons, const lt_tick *ticks, Py_ssize_t n,
                              bint shown) noexcept nogil:
    cdef Py_ssize_t m = accept(f, ticks, n)
    cdef int i
    if m == 0:
        return 0
    lt_log_return_block(m, f.mids, f.last_mid if f.index > 0 else f.mids[0], f.returns)
    if f.index == 0 and f.on.trend:
        trend_push(&f.trend, f.mids[0], NAN)
    f.last_mid = f.mids[m - 1]
    if f.on.z:
        for i in range(f.horizons):
            feed_mids(horizons[i], f.mids, m)
    if f.on.ofi or f.on.micro:
        feed_quotes(f, horizons, ticks, m)
    if f.on.changes:
        feed_changes(f, m)
    if f.on.trades:
        feed_trades(f, ticks, m, shown)
    return m


cdef void formulas_record(const formulas_t *f, const horizon_t *first, Py_ssize_t j, double mid,
                          lt_result *out) noexcept nogil:
    cdef Py_ssize_t q = f.quotes[j], c = f.changes[j], t = f.trades[j]
    out.market_price = mid
    out.ofi, out.microprice = first.ofi_total[q], f.micro_mid[q]
    out.z_score = NAN
    if first.z_variance[j] >= 0.0:
        out.z_score = first.z_gap[j] / sqrt(first.z_variance[j]) if first.z_variance[j] > 0.0 else 0.0
    out.kalman_level, out.kalman_velocity = mid * lt_exp(0.0 - f.residual[c]), f.drift_mean[c]
    out.ewma_vol, out.regime = sqrt(f.variance[c]), f.trend_side[c]
    out.cusum = f.cusum_event[c] if c != (f.changes[j - 1] if j > 0 else 0) else 0
    out.kyle_lambda, out.vpin = f.kyle_lambda[t], f.vpin_value[t]
    out.flow_momentum = f.flow_signed[t] / f.flow_total[t] if f.flow_total[t] > 0.0 else NAN


cdef void formulas_close(formulas_t *f) noexcept nogil:
    ring_close(&f.level.ring)
    ring_close(&f.kyle.flow)
    ring_close(&f.kyle.change)
    vpin_free(&f.vpin)


cdef int formulas_open(formulas_t *f) noexcept nogil:
    """Every kernel with its row's parameters, and columns in which nothing has been observed: 0, or -1 where memory
    ran out."""
    cdef Py_ssize_t n
    drift_open(&f.drift, 0.001, 50)
    micro_open(&f.micro, 8.0)
    flow_open(&f.flow, 20.0, 200.0)
    f.vol.alpha = 0.06
    trend_open(&f.trend, 20.0, 50.0, 50, 2.0)
    cusum_open(&f.cusum, 3.0)
    for n in range(BLOCK + 1):
        f.micro_gap[n] = f.micro_spread[n] = f.micro_mid[n] = f.drift_mean[n] = f.drift_square[n] = NAN
        f.innovation[n] = f.level_f[n] = f.residual[n] = f.variance[n] = f.kyle_lambda[n] = f.vpin_value[n] = NAN
    if level_open(&f.level, 200, 0.01) < 0 or kyle_open(&f.kyle, 50, 1) < 0:
        return -1
    return vpin_open(&f.vpin, 1.0, 50, 200, 0.9)


cdef void horizon_close(horizon_t *h) noexcept nogil:
    ring_close(&h.ofi.ring)
    ring_close(&h.z.ring)


cdef int horizon_open(horizon_t *h, uint64_t window) noexcept nogil:
    cdef Py_ssize_t n
    for n in range(BLOCK):
        h.z_gap[n] = h.z_variance[n] = NAN
    for n in range(BLOCK + 1):
        h.ofi_total[n] = h.ofi_square[n] = NAN
    if ofi_open(&h.ofi, window) < 0:
        return -1
    return z_open(&h.z, window)
