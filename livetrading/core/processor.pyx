# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""One tick through all of it: validation, formulas, vote, size, orders, exits, ledger, result row.

A block of ticks is taken in passes: the formulas' columns, the votes, each book's directions, and then tick by tick the
orders and the exits. `run`, `replay` and `on_tick` are that one path.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.number cimport PyNumber_Index
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from libc.math cimport INFINITY, NAN, fabs, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from livetrading.core.ballots cimport (
    V_DRIFT, V_FLOW, V_LEVEL, V_MICRO, V_OFI, V_USER, V_Z, ballot_decide, ballot_open, ballot_t, ballots_cast,
    ballots_open, ballots_t,
)
from livetrading.core.broker cimport (
    BOOKS_MAX, FILLS_MAX, FILLS_PER_ORDER, ORDER_MARKET, REASON_ENTRY, REASON_REVERSE, REASON_STOP, REASON_TAKE_PROFIT,
    REASON_TIME, REASON_TRAILING, REFUSED_LEDGER, account_t, broker_advance, broker_borrow, broker_close, broker_open,
    broker_send, broker_t, order_t, rules_open, rules_t,
)
from livetrading.core.columns cimport (
    formulas_close, formulas_open, formulas_record, formulas_t, formulas_take, horizon_close, horizon_open, horizon_t,
)
from livetrading.core.market cimport BLOCK, Market
from livetrading.core.records cimport (
    LT_BAD_KINDS, LT_NO_QUOTE, LT_PRICE_MAX, LT_PRICE_MIN, LT_QUOTE, LT_TS_MAX, lt_fill, lt_result, lt_signal,
    lt_tick, lt_tick_fault,
)
from livetrading.core.ring cimport ring_close
from livetrading.core.sizing cimport (
    calibration_bin, calibration_t, drawdown_brake, first_at_gain, kelly_fraction, realised_open, realised_push,
    realised_t,
)
from livetrading.core.variates cimport lt_exp, lt_log

import hashlib

import numpy as np

from livetrading.core.dtypes import FILL, RESULT, TICK, Refusal, Rejection
from livetrading.core.errors import BadTick
from livetrading.core.settings import VOTERS, Settings, capital_micro, horizons

cdef enum:
    R_HALTED, R_DRAWDOWN, R_DAILY_LOSS, R_STALE, R_LOCKED, R_RATE, R_NO_EDGE, R_REALISED, R_TOO_SMALL, R_MAX_POSITION
    R_CAPITAL, R_LEDGER, R_COUNT

cdef enum:
    EXIT_NONE, EXIT_REVERSE, EXIT_FLAT

cdef enum:
    SLICE = 2 * BLOCK           # ticks between two looks at signals and fills

cdef const char *SIGNAL_CAPSULE = "livetrading.lt_signal"
cdef int64_t DAY_NS = 86_400_000_000_000
cdef int64_t PERIOD_NS = 28_800_000_000_000     # of which three are a day: what borrowing is charged by
cdef int64_t SECOND_NS = 1_000_000_000
cdef int64_t INDEX_END = 0x7fff_ffff_ffff_ffff
cdef double LEARNING_RATE = 0.05                # of the books' weights


# A book: one horizon, its vote, its record and its exits. Its money is in the broker's account of the same number.
cdef struct book_t:
    horizon_t horizon
    ballot_t ballot
    realised_t realised
    calibration_t calibration
    int bin
    double weight
    double take_profit, stop, trail_gain, trail_vol
    int64_t hold
    # of the open position
    double take_level, stop_level, best
    int64_t deadline
    bint trailing


cdef struct engine_t:
    formulas_t formulas
    ballots_t ballots
    int count
    book_t *book[BOOKS_MAX]
    horizon_t *horizon[BOOKS_MAX]
    ballot_t *ballot[BOOKS_MAX]
    # the user's own voter
    lt_signal ask
    void *ask_state
    int8_t said[BLOCK]
    # the tick
    int64_t index, last_ts
    Py_ssize_t last_place       # of the last good tick, in its block
    double mid, fraction
    double truth[BLOCK]
    int8_t wish[BLOCK]          # whether any book has a direction
    lt_tick last                # the last good tick of the block before
    # trading
    broker_t broker
    uint64_t seen_fills
    uint64_t trades, wins
    int64_t cash, position      # of all books
    int open                    # books with a position
    bint kelly, calibrate, halted, braked, trail
    double kelly_scale, max_fraction, max_drawdown, leverage, taker, impact
    int64_t quantity, max_position, stale_ns, period_end
    int on_signal
    double daily_loss, day_equity, equity, peak, trough, worst_drawdown, brake_level, release_level
    int64_t *order_times
    int64_t rate
    uint64_t refused[R_COUNT]


# The account

cdef void peaked(engine_t *e) noexcept nogil:
    """A new peak of equity: the levels at which the drawdown control (334) halts and lets go again."""
    e.peak = e.trough = e.equity
    e.brake_level = (1.0 - e.max_drawdown) * e.peak
    e.release_level = 0.9 * e.peak
    e.braked = False


cdef inline void mark(engine_t *e) noexcept nogil:
    """Equity at the mid in micro-USD, its peak and its worst fall."""
    e.equity = <double> e.cash + <double> e.position * 0.01 * e.mid
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


cdef void sum_books(engine_t *e) noexcept nogil:
    cdef int k
    e.cash = e.position = 0
    e.trades = e.wins = 0
    e.open = 0
    for k in range(e.count):
        e.cash += e.broker.book[k].cash
        e.position += e.broker.book[k].position
        e.trades += e.broker.book[k].trades
        e.wins += e.broker.book[k].wins
        e.open += e.broker.book[k].position != 0


cdef void opened(engine_t *e, int k) noexcept nogil:
    """Sets the exits of a position from its entry price; levels are times the side, so that up is gain."""
    cdef book_t *b = e.book[k]
    cdef double price = e.broker.book[k].entry_price
    cdef int side = 1 if e.broker.book[k].position > 0 else -1
    b.deadline = e.index + b.hold if b.hold > 0 else INDEX_END
    b.take_level = side * price * (1.0 + side * b.take_profit) if b.take_profit > 0.0 else INFINITY
    b.stop_level = side * price * (1.0 - side * b.stop) if b.stop > 0.0 else -INFINITY
    b.best = side * price
    b.trailing = False


cdef void weigh_books(engine_t *e, int k) noexcept nogil:
    """Moves the weights by what the trade just closed grew book k (exponentiated gradient, Helmbold et al. 1998)."""
    cdef const account_t *a = &e.broker.book[k]
    cdef double growth, highest, mean, total = 0.0
    cdef int i
    if a.open_cash <= 0:
        return
    # a book that has lost more than it had has grown to nothing
    growth = <double> a.cash / <double> a.open_cash if a.cash > 0 else 0.0
    highest = growth if growth > 1.0 else 1.0
    mean = 1.0 + e.book[k].weight * (growth - 1.0)
    if not mean > 0.0:
        return
    for i in range(e.count):
        # less the largest of them, which normalising takes away again: no exponential overflows
        e.book[i].weight *= lt_exp(LEARNING_RATE * ((growth if i == k else 1.0) - highest) / mean)
        total += e.book[i].weight
    for i in range(e.count):
        e.book[i].weight /= total


cdef inline bint is_idle(const account_t *a) noexcept nogil:
    return a.position == 0 and a.working == 0


cdef void share_cash(engine_t *e) noexcept nogil:
    """Splits the cash of the books without position or order by their weights; what rounding leaves is the first's."""
    cdef account_t *a = e.broker.book
    cdef int64_t total = 0, left, share
    cdef double weight = 0.0
    cdef int i, first = -1
    for i in range(e.count):
        if is_idle(&a[i]):
            first = i if first < 0 else first
            total += a[i].cash
            weight += e.book[i].weight
    if total <= 0 or not weight > 0.0:
        return
    left = total
    for i in range(first + 1, e.count):
        if is_idle(&a[i]):
            share = <int64_t> (<double> total * (e.book[i].weight / weight))
            share = share if share < left else left
            a[i].cash = share
            left -= share
    a[first].cash = left


cdef void closed(engine_t *e, int k) noexcept nogil:
    cdef book_t *b = e.book[k]
    cdef double outcome = e.broker.book[k].last_return
    realised_push(&b.realised, outcome)
    b.calibration.seen[b.bin] += 1
    b.calibration.won[b.bin] += outcome > 0.0
    if e.count > 1:
        weigh_books(e, k)


cdef void settle(engine_t *e) noexcept nogil:
    """Takes notice of what the broker has filled."""
    cdef int k
    if e.broker.fill_ids == e.seen_fills:
        return
    e.seen_fills = e.broker.fill_ids
    for k in range(e.count):
        if e.broker.closed >> k & 1:
            closed(e, k)
        if e.broker.opened >> k & 1 and e.broker.book[k].position != 0:
            opened(e, k)
    if e.broker.closed and e.count > 1:
        share_cash(e)
    e.broker.opened = e.broker.closed = 0
    sum_books(e)
    mark(e)


# Entries and exits

cdef void send(engine_t *e, int k, int64_t ts, int side, int64_t quantity, int reason) noexcept nogil:
    e.order_times[e.broker.order_ids % <uint64_t> e.rate] = ts
    broker_send(&e.broker, ts, k, ORDER_MARKET, side, quantity, NAN, reason)
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
    if (e.index > 0 and t.ts - e.last_ts > e.stale_ns) or t.ts - e.broker.quote_ts > e.stale_ns:
        return R_STALE
    if t.bid == t.ask and not t.flags & LT_NO_QUOTE:
        return R_LOCKED
    if orders >= <uint64_t> e.rate and t.ts - e.order_times[orders % <uint64_t> e.rate] < SECOND_NS:
        return R_RATE
    return -1


cdef int size_kelly(engine_t *e, book_t *b, Py_ssize_t j, double costs, double *fraction) noexcept nogil:
    """The share of the book's equity to trade; a refusal, or -1."""
    cdef double p, drawdown, f
    fraction[0] = 0.0
    if e.calibrate and b.calibration.seen[b.bin] >= 50:
        p = (1.0 + <double> b.calibration.won[b.bin]) / (2.0 + <double> b.calibration.seen[b.bin])
    else:
        p = first_at_gain(b.take_profit / b.stop, b.ballot.against[j])
    f = e.kelly_scale * kelly_fraction(p, b.take_profit, b.stop, costs)
    if not f > 0.0:
        return R_NO_EDGE
    if b.realised.count >= b.realised.n_min:
        if not b.realised.f_full > 0.0:
            return R_REALISED
        p = 0.5 * b.realised.f_full
        p = p if p < 0.25 else 0.25
        f = f if f < p else p
    f = f if f < e.max_fraction else e.max_fraction
    drawdown = 1.0 - e.equity / e.peak
    fraction[0] = f * drawdown_brake(drawdown, e.max_drawdown)
    return -1 if fraction[0] > 0.0 else R_DRAWDOWN


cdef double slippage(const engine_t *e, int64_t quantity, double displayed) noexcept nogil:
    """What both ways of an order cost beyond the touch, as a share of its notional."""
    cdef double wanted = <double> quantity * 1e-8
    cdef double beyond = wanted - displayed
    return 2.0 * e.impact * sqrt(beyond) * (beyond / wanted) if beyond > 0.0 else 0.0


cdef int64_t affordable(const engine_t *e, double fraction, double equity, double touch) noexcept nogil:
    # micro-USD to satoshi: 1e-6 USD / (USD per BTC) * 1e8
    cdef double spend = fraction * equity * 100.0 / (touch * (1.0 + e.taker))
    return <int64_t> spend if spend < <double> e.max_position else e.max_position + 1


cdef int64_t exposure(const engine_t *e, int side) noexcept nogil:
    """Satoshi that books hold on this side or are about to enter: those against it may be gone before they are."""
    cdef const order_t *o
    cdef int64_t held = 0, position
    cdef int k
    for k in range(e.count):
        position = side * e.broker.book[k].position
        held += position if position > 0 else 0
    for k in range(e.broker.working):
        o = &e.broker.order[k]
        held += o.quantity if o.side == side and o.reason == REASON_ENTRY else 0
    return held


cdef int size_entry(engine_t *e, int k, const lt_tick *t, Py_ssize_t j, int side, int64_t *quantity) noexcept nogil:
    """The satoshi of an entry; a refusal, or -1."""
    cdef double touch = t.ask if side > 0 else t.bid, displayed = t.ask_size if side > 0 else t.bid_size
    cdef double equity = <double> e.broker.book[k].cash, costs, slip, fraction
    cdef int why
    quantity[0] = e.quantity
    if e.kelly:
        costs = (t.ask - t.bid) / e.mid + 2.0 * e.taker
        e.book[k].bin = calibration_bin(e.book[k].ballot.logit[j])
        why = size_kelly(e, e.book[k], j, costs, &fraction)
        if why >= 0:
            return why
        quantity[0] = affordable(e, fraction, equity, touch)
        slip = slippage(e, quantity[0], displayed)
        if slip > 0.0:
            # sized again with what the larger order would have cost: the smaller one costs less than that
            why = size_kelly(e, e.book[k], j, costs + slip, &fraction)
            if why >= 0:
                return why
            quantity[0] = affordable(e, fraction, equity, touch)
        e.fraction += fraction if e.count == 1 else fraction * equity / e.equity
    if quantity[0] < 1:
        return R_TOO_SMALL
    if exposure(e, side) + quantity[0] > e.max_position:
        return R_MAX_POSITION
    touch *= 1.0 + 0.5 * slippage(e, quantity[0], displayed)
    if <double> quantity[0] * touch * 0.01 * (1.0 + e.taker) > e.leverage * equity:
        return R_CAPITAL
    return -1


cdef void enter(engine_t *e, int k, const lt_tick *t, Py_ssize_t j, int side) noexcept nogil:
    """Sends the vote's order, or counts why not."""
    cdef int64_t quantity = 0
    cdef int why = refusal(e, t)
    if why < 0:
        why = size_entry(e, k, t, j, side, &quantity)
    if why < 0:
        send(e, k, t.ts, side, quantity, REASON_ENTRY)
    else:
        e.refused[why] += 1


cdef inline int exit_reason(engine_t *e, int k, Py_ssize_t j, double touch, int side) noexcept nogil:
    """Why to leave now, or -1. All exits are market orders at one touch; of several the most adverse is named."""
    cdef book_t *b = e.book[k]
    cdef double entry = e.broker.book[k].entry_price
    cdef int direction = b.ballot.direction[j]
    if touch <= b.stop_level:
        return REASON_STOP
    if e.trail:
        b.best = touch if touch > b.best else b.best
        if not b.trailing:
            b.trailing = touch - side * entry >= b.trail_gain * entry
        if b.trailing and (b.best - touch
                           >= b.trail_vol * sqrt(e.formulas.variance[e.formulas.changes[j]]) * fabs(b.best)):
            return REASON_TRAILING
    if e.index >= b.deadline:
        return REASON_TIME
    if (direction == -side and e.on_signal != EXIT_NONE) or (direction != side and e.on_signal == EXIT_FLAT):
        return REASON_REVERSE
    return REASON_TAKE_PROFIT if touch >= b.take_level else -1


cdef inline void trade(engine_t *e, int k, const lt_tick *t, Py_ssize_t j) noexcept nogil:
    cdef const account_t *a = &e.broker.book[k]
    cdef int64_t position = a.position
    cdef int side, reason, direction = e.book[k].ballot.direction[j]
    if a.working:
        return
    if position == 0:
        if direction != 0:
            enter(e, k, t, j, direction)
        return
    side = 1 if position > 0 else -1
    reason = exit_reason(e, k, j, t.bid if side > 0 else -t.ask, side)
    if reason >= 0:
        send(e, k, t.ts, -side, position if side > 0 else -position, reason)


# The tick

cdef void begin_period(engine_t *e, int64_t ts) noexcept nogil:
    """The first tick of eight hours: a day's equity is taken at its first, and shorts pay for the time up to here."""
    if ts // DAY_NS != (e.period_end - 1) // DAY_NS:
        e.day_equity = e.equity
    e.period_end = (ts // PERIOD_NS + 1) * PERIOD_NS
    broker_advance(&e.broker, ts)
    settle(e)
    broker_borrow(&e.broker, ts)
    sum_books(e)


cdef inline void step(engine_t *e, const lt_tick *t, Py_ssize_t j) noexcept nogil:
    cdef int k
    if t.ts >= e.period_end:
        begin_period(e, t.ts)
    if e.broker.working:
        broker_advance(&e.broker, t.ts)
        settle(e)
    e.broker.quote = t
    if t.flags & (LT_QUOTE | LT_NO_QUOTE):
        e.broker.quote_ts = t.ts
    e.mid = e.formulas.mids[j]
    e.fraction = 0.0
    if e.open:
        mark(e)
    if e.open or e.wish[j]:
        for k in range(e.count):
            trade(e, k, t, j)
    e.last_ts = t.ts


cdef void record(const engine_t *e, Py_ssize_t j, double truth, lt_result *out) noexcept nogil:
    """The result row of the tick just taken; formulas with a horizon and the vote are those of the first book."""
    cdef const ballot_t *ballot = e.ballot[0]
    memset(out, 0, sizeof(lt_result))
    formulas_record(&e.formulas, e.horizon[0], j, e.mid, out)
    out.ts, out.true_price = e.last_ts, truth
    out.deviation = lt_log(e.mid / truth) if truth > 0.0 else NAN
    out.vote_logodds = ballot.logit[j]
    out.vote_probability = 1.0 / (1.0 + lt_exp(0.0 - out.vote_logodds))
    out.direction = ballot.direction[j]
    out.kelly_fraction = e.fraction if e.kelly else NAN
    out.position, out.cash = e.position, e.cash
    out.equity = e.equity * 1e-6
    out.drawdown = 1.0 - e.equity / e.peak
    out.trades, out.wins = <int64_t> e.trades, <int64_t> e.wins


cdef void hear(engine_t *e, const lt_tick *ticks, const int8_t *signal, Py_ssize_t m) noexcept nogil:
    """What the user's voter says at the good ticks: of an array as long as the block, or asked stretch by stretch."""
    cdef const int32_t *good = e.formulas.good
    cdef Py_ssize_t j = 0, stop
    if e.ask == NULL:
        for j in range(m):
            e.said[j] = signal[good[j]]
        return
    memset(e.said, 0, m)
    while j < m:
        stop = m if good[m - 1] - good[j] == m - 1 - j else j + 1
        while stop < m and good[stop] == good[stop - 1] + 1:
            stop += 1
        e.ask(ticks + good[j], &e.truth[j], stop - j, &e.said[j], e.ask_state)
        j = stop


cdef void take_truth(engine_t *e, const double *true_price, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(m):
        e.truth[j] = true_price[e.formulas.good[j]] if true_price != NULL else NAN


cdef void take_votes(engine_t *e, Py_ssize_t m, bint shown) noexcept nogil:
    cdef int k
    cdef Py_ssize_t j
    ballots_cast(&e.ballots, e.ballot, &e.formulas, e.truth, e.said, m)
    memset(e.wish, 0, m)
    for k in range(e.count):
        ballot_decide(e.ballot[k], &e.ballots, &e.formulas, m, shown)
        for j in range(m):
            e.wish[j] |= e.ballot[k].direction[j]


cdef Py_ssize_t take(engine_t *e, const lt_tick *ticks, const double *true_price, const int8_t *signal, Py_ssize_t n,
                     lt_result *rows, int64_t every) noexcept nogil:
    """Feeds a block of at most BLOCK ticks; how many rows were written."""
    cdef Py_ssize_t j, written = 0, m = formulas_take(&e.formulas, e.horizon, ticks, n, rows != NULL)
    cdef const lt_tick *t
    if m == 0:
        return 0
    take_truth(e, true_price, m)
    if e.ballots.on[V_USER]:
        hear(e, ticks, signal, m)
    take_votes(e, m, rows != NULL)
    for j in range(m):
        t = &ticks[e.formulas.good[j]]
        step(e, t, j)
        if rows != NULL and e.index % every == 0:
            record(e, j, e.truth[j], &rows[written])
            written += 1
        e.index += 1
    e.formulas.index, e.last_place = e.index, m - 1
    e.last = t[0]
    e.broker.quote = &e.last
    return written


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


cdef const unsigned char[::1] raw_records(array, dtype, str name):
    if (not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1
            or not array.flags.c_contiguous or not array.flags.aligned):
        found = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"{name} must be a contiguous one-dimensional array, aligned, of {dtype.name or 'records'} as "
                        f"in livetrading.core.dtypes, was {found}")
    return array.view(np.uint8)


cdef int64_t stride(every) except -1:
    every = PyNumber_Index(every)
    if not 1 <= every <= LT_TS_MAX:
        raise ValueError(f"every must be from 1 to 2**62, was {every}")
    return every


cdef object signal_of(signal, Py_ssize_t n):
    if not isinstance(signal, np.ndarray) or signal.dtype != np.int8 or signal.shape != (n,):
        found = f"{signal.dtype} of shape {signal.shape}" if isinstance(signal, np.ndarray) else type(signal).__name__
        raise TypeError(f"signal must be an array of int8 of shape ({n},), was {found}")
    return np.ascontiguousarray(signal)


cdef uintptr_t address_of(signal) except? 0:
    """Where a function in C begins: an address, what has one (numba.cfunc), or a capsule named after its signature."""
    cdef uintptr_t address = 0
    if PyCapsule_IsValid(signal, SIGNAL_CAPSULE):
        return <uintptr_t> PyCapsule_GetPointer(signal, SIGNAL_CAPSULE)
    found = getattr(signal, "address", signal)
    if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 1 << 64:
        address = found
    if address == 0:
        raise TypeError("signal must be the address of a C function, have one as .address, or be a capsule named "
                        f"{SIGNAL_CAPSULE.decode()!r}, was {signal!r}")
    return address


cdef uintptr_t memory_of(state) except? 0:
    if not isinstance(state, np.ndarray) or not state.flags.c_contiguous or not state.flags.writeable:
        raise TypeError(f"signal_state must be a contiguous, writeable array, was {type(state).__name__}")
    return state.ctypes.data


cdef class Processor:
    """The whole path of a tick, in fixed memory, without the GIL.

    Parameters
    ----------
    settings : Settings
        What votes, how it is sized, how it exits, costs and limits.
    capital_usd : float
        Cash at the start in USD, 0.01 to 1e12.
    market : Market, optional
        What `run` takes its ticks from.
    strict : bool
        Raise `BadTick` at the first tick that breaks a rule, instead of counting it.
    on_fills : callable, optional
        Called with each batch of new fills, a FILL array of its own.
    seed : int
        Of drawn latencies, 0 to 2**64 - 1.
    latencies : array_like of int, optional
        Recorded latencies as in `PaperBroker`.
    signal : numba.cfunc, capsule or int, optional
        The voter "user": a function in C of the signature `lt_signal` (include/lt_tick.h), by its address, as an
        object with an `address`, or as a capsule named "livetrading.lt_signal". Called without the GIL with stretches
        of good ticks, each tick once and in order; how long the stretches are must not matter to it.
    signal_state : ndarray, optional
        Memory that `signal` is handed a pointer to, contiguous and writeable.

    Notes
    -----
    A seed, a capital and settings give the same fills byte for byte, however the ticks are cut into calls. One
    processor is driven by one thread at a time; processors in different threads are independent.
    """

    cdef engine_t *_e
    cdef readonly object settings
    cdef Market _market
    cdef object _digest, _on_fills, _ask, _ask_state, _latencies
    cdef bint _strict, _busy
    cdef lt_tick *_ticks
    cdef double *_true_price

    def __cinit__(self, settings, capital_usd, Market market=None, *, strict=False, on_fills=None, signal=None,
                  signal_state=None, seed=0, latencies=None):
        cdef engine_t *e
        if not isinstance(settings, Settings):
            raise TypeError(f"settings must be Settings, was {settings!r}")
        e = <engine_t *> calloc(1, sizeof(engine_t))
        if e == NULL:
            raise MemoryError()
        self._e = e
        self.settings, self._market, self._strict, self._on_fills = settings, market, strict, on_fills
        self._digest = hashlib.sha256()
        self._ticks = <lt_tick *> calloc(BLOCK, sizeof(lt_tick))
        self._true_price = <double *> calloc(BLOCK, sizeof(double))
        if self._ticks == NULL or self._true_price == NULL or formulas_open(&e.formulas) < 0:
            raise MemoryError()
        self._open_formulas(settings.signals)
        self._open_signal(signal, signal_state)
        self._open_books(settings)
        self._open_trading(settings, capital_micro(capital_usd), seed, latencies)

    def __dealloc__(self):
        cdef int k
        if self._e != NULL:
            formulas_close(&self._e.formulas)
            for k in range(self._e.count):
                if self._e.book[k] != NULL:
                    horizon_close(&self._e.book[k].horizon)
                    ring_close(&self._e.book[k].realised.trades)
                    free(self._e.book[k])
            free(self._e.broker.fills)
            free(self._e.order_times)
        free(self._e)
        free(self._ticks)
        free(self._true_price)

    cdef _open_formulas(self, signals):
        """What votes, and which formulas are asked for."""
        cdef ballots_t *b = &self._e.ballots
        cdef uint32_t place = 1
        for voter in signals.voters:
            v = VOTERS.index(voter)
            b.on[v] = True
            b.place[v] = place
            b.abstention += place
            place *= 3
        shown = signals.estimators
        trailing = self.settings.exits.trail_vol > 0 and self.settings.exits.trail_activate_bps > 0
        b.adaptive, b.gate_trend, b.gate_vpin = signals.adaptive, signals.gate_trend, signals.gate_vpin
        b.refresh = self.settings.vote.refresh
        on = &self._e.formulas.on
        on.ofi, on.z, on.drift, on.level = b.on[V_OFI], b.on[V_Z], b.on[V_DRIFT], b.on[V_LEVEL]
        on.micro, on.flow = b.on[V_MICRO], b.on[V_FLOW]
        on.trend = shown or b.gate_trend
        on.cusum = on.kyle = shown
        on.vol = shown or b.gate_trend or trailing
        on.vpin = shown or b.gate_vpin
        on.changes = on.vol or on.drift or on.level
        on.trades = on.kyle or on.vpin or on.flow
        ballots_open(b)

    cdef _open_signal(self, signal, state):
        """The user's own voter: an array with every call, or a function in C asked for every stretch of ticks."""
        if signal is None and state is not None:
            raise ValueError("signal_state must come with a signal")
        if signal is None:
            return
        if not self._e.ballots.on[V_USER]:
            raise ValueError(f"a signal needs 'user' among signals.voters, which were {self.settings.signals.voters}")
        self._ask, self._ask_state = signal, state
        self._e.ask = <lt_signal> <uintptr_t> address_of(signal)
        if state is not None:
            self._e.ask_state = <void *> <uintptr_t> memory_of(state)

    cdef _open_books(self, settings):
        """A book a horizon: barriers as wide as a random walk gets in it, holding time and scoring as long as it."""
        cdef engine_t *e = self._e
        cdef book_t *b
        exits, windows = settings.exits, horizons(settings)
        for k, window in enumerate(windows):
            b = e.book[k] = <book_t *> calloc(1, sizeof(book_t))
            if b == NULL or horizon_open(&b.horizon, window) < 0:
                raise MemoryError()
            e.count += 1
            e.horizon[k], e.ballot[k] = &b.horizon, &b.ballot
            ballot_open(&b.ballot, &e.ballots, &b.horizon, len(settings.signals.voters))
            # judged on a full window: over 20 trades the standard error of a win rate is 0.11
            if realised_open(&b.realised, 100, 100) < 0:
                raise MemoryError()
            b.ballot.jury.majority = settings.vote.kind == "majority"
            b.ballot.jury.p_min, b.ballot.jury.k_min = settings.vote.p_min, settings.vote.k_min
            if b.ballot.jury.majority:
                b.ballot.next_score = b.ballot.next_refresh = -1
            longer = window / settings.signals.window
            wider = sqrt(longer)
            b.weight = 1.0 / len(windows)
            b.ballot.h = max(1, round(settings.vote.h * longer))
            b.hold = max(1, round(exits.hold_ticks * longer)) if exits.hold_ticks > 0 else 0
            b.take_profit, b.stop = exits.take_profit_bps * 1e-4 * wider, exits.stop_bps * 1e-4 * wider
            b.trail_gain, b.trail_vol = exits.trail_activate_bps * 1e-4 * wider, exits.trail_vol * wider
        e.formulas.horizons = e.count

    cdef _open_trading(self, settings, int64_t capital, seed, latencies):
        cdef engine_t *e = self._e
        cdef rules_t rules
        sizing, exits, limits = settings.sizing, settings.exits, settings.limits
        self._latencies = rules_open(&rules, settings.broker, seed, latencies)
        broker_open(&e.broker, capital, e.count, &rules)
        # of each book an order that arrives and one that is sent at once, at every tick
        e.broker.fill_capacity = 2 * FILLS_PER_ORDER * e.count * (SLICE + BLOCK) + FILLS_MAX
        e.broker.fills = <lt_fill *> calloc(e.broker.fill_capacity, sizeof(lt_fill))
        e.rate = limits.orders_per_s
        e.order_times = <int64_t *> calloc(e.rate, sizeof(int64_t))
        if e.broker.fills == NULL or e.order_times == NULL:
            raise MemoryError()
        e.kelly, e.calibrate = sizing.kind == "kelly", sizing.calibrate
        e.kelly_scale, e.max_fraction, e.max_drawdown = sizing.kelly, sizing.max_fraction, sizing.max_drawdown
        e.quantity = round(sizing.quantity_btc * 1e8)
        e.taker, e.impact = settings.broker.taker_bps * 1e-4, rules.impact
        e.trail = exits.trail_activate_bps > 0 and exits.trail_vol > 0
        e.on_signal = {"none": EXIT_NONE, "reverse": EXIT_REVERSE, "flat": EXIT_FLAT}[exits.on_signal]
        e.max_position, e.leverage = round(limits.max_position_btc * 1e8), limits.leverage
        e.daily_loss = limits.daily_loss
        e.stale_ns = round(limits.stale_s * 1e9)
        sum_books(e)
        e.equity = e.day_equity = <double> capital
        peaked(e)

    def run(self, n, results=None, every=1, signal=None):
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
        signal : ndarray of int8, shape (n,), optional
            What the voter "user" says at each tick: its sign. Needed where it votes and no function was given for it.

        Returns
        -------
        int
            Rows written.

        Raises
        ------
        ValueError
            If there is no market, a number is out of range, `results` is too short, or there is no signal for "user",
            or one without it.
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
        if not 0 <= n <= LT_TS_MAX:
            raise ValueError(f"n must be from 0 to 2**62, was {n}")
        return self._drive(None, None, n, results, every, signal)

    def replay(self, ticks, results=None, every=1, true_price=None, signal=None):
        """Take the ticks of an array.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (n,)
        results, every, signal
            As in `run`; `signal` has an entry for every tick, also for those that are rejected.
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
        return self._drive(ticks, true_price, len(ticks), results, every, signal)

    def _drive(self, ticks, true_price, Py_ssize_t n, results, every_given, signal):
        """Slice by slice: take, hand over the fills, look at signals."""
        cdef const unsigned char[::1] raw
        cdef const double[::1] prices
        cdef const int8_t[::1] signs
        cdef const int8_t *said = NULL
        cdef unsigned char[::1] out
        cdef const lt_tick *source = NULL
        cdef const double *truth = NULL
        cdef lt_result *rows = NULL
        cdef Py_ssize_t done = 0, written = 0, length
        cdef int kind = -1
        cdef int64_t every = stride(every_given)
        for read in (ticks, true_price, signal, self._ask_state) if results is not None else ():
            if np.may_share_memory(results, read):
                raise ValueError("results must not share memory with the ticks, the true prices or the signal, was "
                                 "an array that does")
        if n > 0 and ticks is not None:
            raw = raw_records(ticks, TICK, "ticks")
            source = <const lt_tick *> &raw[0]
        if n > 0 and true_price is not None:
            prices = np.ascontiguousarray(true_price)
            truth = &prices[0]
        self._check_signal(signal is not None)
        if signal is not None:
            signs = signal_of(signal, n)
            said = &signs[0] if n > 0 else NULL
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
                                           truth + done if truth != NULL else NULL,
                                           said + done if said != NULL else NULL, length,
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

    cdef _check_signal(self, bint given):
        """The voter "user" needs one source: an array with the call, or a function given to the processor."""
        wanted = self._e.ballots.on[V_USER] and self._ask is None
        if given and not wanted:
            raise ValueError("signal must not be given unless 'user' is among signals.voters without a function of its "
                             f"own, voters were {self.settings.signals.voters}")
        if wanted and not given:
            raise ValueError("the voter 'user' needs a signal: an array here, or a function given to the processor")

    cdef _check_idle(self):
        if self._busy:
            raise RuntimeError("this processor is running, in another thread or around this callback")

    def rows_for(self, n, every=1):
        """Return how many result rows the next `n` ticks give at most."""
        every = stride(every)
        first = -self._e.index % every
        return 0 if first >= n else (n - 1 - first) // every + 1

    cdef Py_ssize_t _slice(self, const lt_tick *source, const double *truth, const int8_t *said, Py_ssize_t n,
                           lt_result *rows, int64_t every) noexcept nogil:
        cdef const lt_tick *ticks
        cdef const double *prices
        cdef Py_ssize_t done = 0, written = 0, step
        while done < n:
            step = n - done if n - done < BLOCK else BLOCK
            ticks, prices = source + done, truth + done if truth != NULL else NULL
            if source == NULL:
                self._market.make(self._ticks, self._true_price, step)
                ticks, prices = self._ticks, self._true_price
            written += take(self._e, ticks, prices, said + done if said != NULL else NULL, step,
                            rows + written if rows != NULL else NULL, every)
            done += step
        return written

    cdef _raise_bad(self, int kind, tick, number):
        rule = ("price, bid and ask must be finite and from 1e-12 to 1e15", "bid must not exceed ask",
                "ts must not go back", "sizes must be from 0 to 1e15", "a trade needs a quote before it")[kind]
        self._e.formulas.rejected[kind] += 1
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

    def on_tick(self, ts, double price, double bid, double ask, double bid_size, double ask_size,
                double volume=0.0, int8_t side=0, uint8_t flags=1, int8_t signal=0):
        """Take one tick; its fields as in TICK, and what the voter "user" says of it, where no function says it.

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
        t.ts = PyNumber_Index(ts)
        t.price, t.bid, t.ask, t.bid_size, t.ask_size = price, bid, ask, bid_size, ask_size
        t.volume, t.side, t.flags = volume, side, flags
        kind = lt_tick_fault(&t, e.last_ts) if self._strict else -1
        if kind >= 0:
            fed = e.index
            for rejected in range(LT_BAD_KINDS):
                fed += e.formulas.rejected[rejected]
            self._raise_bad(kind, (ts, price, bid, ask, bid_size, ask_size, volume, side, flags), fed)
        self._busy = True       # a signal may lead back here
        take(e, &t, NULL, &signal, 1, NULL, 1)
        self._busy = False
        if e.broker.fill_count > 0:
            self._hand_over()
        return e.ballot[0].direction[0] if e.index > before else 0

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
        self._check_idle()
        row = np.zeros(1 if self._e.index > 0 else 0, RESULT)
        if len(row) > 0:
            out = row.view(np.uint8)
            record(self._e, self._e.last_place, self._e.truth[self._e.last_place], <lt_result *> &out[0])
        return row

    def close(self):
        """Close what is open whole at the touch of the last quote; orders on their way lapse."""
        cdef engine_t *e = self._e
        cdef int k
        self._check_idle()
        for k in range(e.count):
            if e.broker.book[k].position != 0:
                e.order_times[e.broker.order_ids % <uint64_t> e.rate] = e.last_ts
            broker_close(&e.broker, e.last_ts, k)
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
        cdef account_t[BOOKS_MAX] books
        cdef uint64_t[LT_BAD_KINDS] rejected
        cdef uint64_t[R_COUNT] refused
        cdef int64_t index
        cdef uint64_t fills
        cdef double equity, drawdown
        self._check_idle()
        index = e.index
        self._hand_over()
        digest = self._digest.hexdigest()
        # what follows up to the copies runs no Python, so no other thread can start a run in between
        self._check_idle()
        if e.index != index:
            raise RuntimeError("this processor ran in another thread meanwhile")
        books, fills, rejected, refused = e.broker.book, e.broker.fill_ids, e.formulas.rejected, e.refused
        equity, drawdown = e.equity, e.worst_drawdown
        refused[R_LEDGER] = e.broker.refused[REFUSED_LEDGER]
        accounts = [books[k] for k in range(e.count)]
        return {
            "ticks": index,
            "fills": fills,
            "trades": sum(a["trades"] for a in accounts),
            "wins": sum(a["wins"] for a in accounts),
            "position_sat": sum(a["position"] for a in accounts),
            "cash_micro": sum(a["cash"] for a in accounts),
            "gross_micro": sum(a["gross"] for a in accounts),
            "net_micro": sum(a["net"] for a in accounts),
            "fees_micro": sum(a["fees"] for a in accounts),
            "borrow_micro": sum(a["borrow"] for a in accounts),
            "equity_usd": equity * 1e-6,
            "max_drawdown": drawdown,
            "return_sum": sum(a["return_sum"] for a in accounts),
            "return_sum_sq": sum(a["return_squares"] for a in accounts),
            "rejected": {kind.name.lower(): rejected[<int> kind] for kind in Rejection},
            "refused": {reason.name.lower(): refused[<int> reason] for reason in Refusal},
            "fills_sha256": digest,
        }
