# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What every voter says at each tick of a block, and the direction that each book's jury makes of it.

Between two samples of the entry levels a voter's level stands still, so the votes are cast group by group, a group
ending with the tick at which levels adapt: at that tick the votes are still held to the levels before.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint32_t

from livetrading.core.columns cimport formulas_t, horizon_t
from livetrading.core.signals cimport beyond, drift_signal, micro_signal, quantile_open, quantile_push, z_signal
from livetrading.core.variates cimport lt_exp
from livetrading.core.vote cimport jury_open, jury_refresh, jury_score, jury_vote

cdef extern from "lt_votes.h" nogil:
    void lt_votes_beyond(size_t n, const double *x, const double *square, double level, int32_t place,
                         int32_t *vote) noexcept
    void lt_votes_change(size_t n, const double *drift, const double *count, const double *drift_square,
                         double drift_level, int32_t drift_place, const double *innovation, const double *f,
                         double level, int32_t place, int32_t *vote) noexcept
    void lt_votes_scaled(size_t n, const double *x, const double *scale, double level, int32_t place,
                         int32_t *vote) noexcept
    void lt_votes_outside(size_t n, const double *x, const double *reference, double low, double high, int32_t place,
                          int32_t *vote) noexcept
    int lt_votes_hysteresis(size_t n, const double *gap, const double *variance, double entry, int state,
                            int32_t place, int32_t *vote) noexcept

cdef enum:
    SAMPLE = 16                 # ticks between two samples of the entry levels, and the most of a group


cdef inline int place_before(const int16_t *places, Py_ssize_t j) noexcept nogil:
    """The place of the tick before tick j of the block; that of the block before is 0."""
    return places[j - 1] if j > 0 else 0


cdef void cast_flow(ballots_t *b, const formulas_t *f, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Flow momentum after trades `first` to `last`; its ratio is none before there was volume."""
    cdef double edge, level = b.entry[V_FLOW].level
    cdef Py_ssize_t k
    for k in range(first, last + 1):
        edge = level * f.flow_total[k]
        b.flow_vote[k] = b.flow_vote[k - 1]
        if f.flow_total[k] > 0.0:
            b.flow_vote[k] = b.place[V_FLOW] * ((f.flow_signed[k] > edge) - (f.flow_signed[k] < -edge))


cdef void cast_shared(ballots_t *b, const formulas_t *f, const double *truth, const int8_t *user, Py_ssize_t j,
                      Py_ssize_t stop) noexcept nogil:
    """The votes at ticks j to stop - 1 of what has no horizon."""
    cdef int32_t outside[SAMPLE]
    cdef Py_ssize_t q = place_before(f.quotes, j) + 1, c = place_before(f.changes, j) + 1, i
    if b.on[V_MICRO]:
        lt_votes_scaled(f.quotes[stop - 1] + 1 - q, &f.micro_gap[q], &f.micro_spread[q], b.entry[V_MICRO].level,
                        b.place[V_MICRO], &b.micro_vote[q])
    if b.on[V_DRIFT] or b.on[V_LEVEL]:
        lt_votes_change(f.changes[stop - 1] + 1 - c, &f.drift_mean[c], &f.drift_count[c], &f.drift_square[c],
                        b.entry[V_DRIFT].level, b.place[V_DRIFT], &f.innovation[c], &f.level_f[c],
                        b.entry[V_LEVEL].level, b.place[V_LEVEL], &b.change_vote[c])
    if b.on[V_FLOW]:
        cast_flow(b, f, place_before(f.trades, j) + 1, f.trades[stop - 1])
    for i in range(j, stop):
        b.code[i] = (b.abstention + b.micro_vote[f.quotes[i]] + b.change_vote[f.changes[i]]
                     + b.flow_vote[f.trades[i]])
    if b.on[V_DEVIATION] and truth != NULL:
        lt_votes_outside(stop - j, &f.mids[j], &truth[j], b.dev_low, b.dev_high, b.place[V_DEVIATION], outside)
        for i in range(j, stop):
            b.code[i] += outside[i - j]
    if b.on[V_USER]:
        for i in range(j, stop):
            b.code[i] += b.place[V_USER] * ((user[i] > 0) - (user[i] < 0))


cdef void cast_book(ballot_t *b, const ballots_t *shared, const formulas_t *f, Py_ssize_t j,
                    Py_ssize_t stop) noexcept nogil:
    """The votes at ticks j to stop - 1 of what has the book's horizon."""
    cdef Py_ssize_t q = place_before(f.quotes, j) + 1
    cdef const horizon_t *h = b.horizon
    if shared.on[V_OFI]:
        lt_votes_beyond(f.quotes[stop - 1] + 1 - q, &h.ofi_total[q], &h.ofi_square[q], b.ofi_entry.level,
                        shared.place[V_OFI], &b.ofi_vote[q])
    if shared.on[V_Z]:
        b.z_state = lt_votes_hysteresis(stop - j, &h.z_gap[j], &h.z_variance[j], b.z_entry.level, b.z_state,
                                        shared.place[V_Z], &b.z_vote[j])


cdef inline void sample(quantile_t *entry, int signal) noexcept nogil:
    """A signal under the present level is a |value| above it."""
    quantile_push(entry, signal != 0)


cdef void adapt_shared(ballots_t *b, const formulas_t *f, const double *truth, Py_ssize_t j) noexcept nogil:
    """Lets the |value| at tick j of every voter that is ready pull its entry level."""
    cdef Py_ssize_t q = f.quotes[j], c = f.changes[j], t = f.trades[j]
    cdef quantile_t *e = b.entry
    if b.on[V_DRIFT] and f.drift_square[c] >= 0.0:
        sample(&e[V_DRIFT], drift_signal(f.drift_mean[c], f.drift_count[c], f.drift_square[c], e[V_DRIFT].level))
    if b.on[V_LEVEL] and f.level_f[c] > 0.0:
        sample(&e[V_LEVEL], beyond(f.innovation[c], f.level_f[c], e[V_LEVEL].level))
    if b.on[V_MICRO] and f.micro_spread[q] > 0.0:
        sample(&e[V_MICRO], micro_signal(f.micro_gap[q], f.micro_spread[q], e[V_MICRO].level))
    if b.on[V_FLOW] and f.flow_total[t] > 0.0:
        sample(&e[V_FLOW], micro_signal(f.flow_signed[t], f.flow_total[t], e[V_FLOW].level))
    if b.on[V_DEVIATION] and truth != NULL and truth[j] > 0.0:
        sample(&e[V_DEVIATION], (f.mids[j] < truth[j] * b.dev_low) - (f.mids[j] > truth[j] * b.dev_high))
        b.dev_high = lt_exp(e[V_DEVIATION].level)
        b.dev_low = 1.0 / b.dev_high


cdef void adapt_book(ballot_t *b, const ballots_t *shared, Py_ssize_t j, Py_ssize_t q) noexcept nogil:
    cdef const horizon_t *h = b.horizon
    if shared.on[V_OFI] and h.ofi_square[q] >= 0.0:
        sample(&b.ofi_entry, beyond(h.ofi_total[q], h.ofi_square[q], b.ofi_entry.level))
    if shared.on[V_Z] and h.z_variance[j] >= 0.0:
        sample(&b.z_entry, z_signal(h.z_gap[j], h.z_variance[j], b.z_entry.level, 0.0, 0))


cdef void ballots_cast(ballots_t *b, ballot_t **books, const formulas_t *f, const double *truth, const int8_t *user,
                       Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t j = 0, stop
    cdef int k
    b.micro_vote[0], b.flow_vote[0] = b.last_micro, b.last_flow
    b.change_vote[0] = b.last_change
    for k in range(f.horizons):
        books[k].ofi_vote[0] = books[k].last_ofi
    while j < m:
        # a group ends with the tick whose number is a multiple of SAMPLE
        stop = j + <Py_ssize_t> (-(f.index + j) & (SAMPLE - 1)) + 1
        stop = stop if stop < m else m
        cast_shared(b, f, truth, user, j, stop)
        for k in range(f.horizons):
            cast_book(books[k], b, f, j, stop)
        if b.adaptive and (f.index + stop - 1) & (SAMPLE - 1) == 0:
            adapt_shared(b, f, truth, stop - 1)
            for k in range(f.horizons):
                adapt_book(books[k], b, stop - 1, f.quotes[stop - 1])
        j = stop
    b.last_micro, b.last_change = b.micro_vote[f.quotes[m - 1]], b.change_vote[f.changes[m - 1]]
    b.last_flow = b.flow_vote[f.trades[m - 1]]
    for k in range(f.horizons):
        books[k].last_ofi = books[k].ofi_vote[f.quotes[m - 1]]


cdef void score(ballot_t *b, double mid, uint32_t code) noexcept nogil:
    """Resolves the votes cast h ticks ago with the present mid, and casts the present ones."""
    cdef int truth = (mid > b.cast_mid) - (mid < b.cast_mid)
    if b.scored and truth != 0:
        jury_score(&b.jury, b.cast_code, truth)
    b.scored = True
    b.cast_code, b.cast_mid = code, mid
    b.next_score += b.h


cdef void ballot_decide(ballot_t *b, const ballots_t *shared, const formulas_t *f, Py_ssize_t m,
                        bint shown) noexcept nogil:
    cdef int64_t tick
    cdef uint32_t code
    cdef Py_ssize_t j
    cdef int direction
    for j in range(m):
        tick = f.index + j
        code = <uint32_t> (shared.code[j] + b.ofi_vote[f.quotes[j]] + b.z_vote[j])
        if tick == b.next_score:
            score(b, f.mids[j], code)
        if tick == b.next_refresh:
            jury_refresh(&b.jury)
            b.next_refresh += shared.refresh
        direction = jury_vote(&b.jury, code)
        if direction != 0 or shown or j == m - 1:
            b.logit[j], b.against[j] = b.jury.code_logit[code], b.jury.code_against[code]
            if shared.gate_trend and f.trend_side[f.changes[j]] == -direction:
                direction = 0
            if shared.gate_vpin and f.vpin_shut[f.trades[j]]:
                direction = 0
        b.direction[j] = <int8_t> direction


cdef void ballots_open(ballots_t *b) noexcept nogil:
    """The rows' own entry levels, which the adaptive ones start from (half-life 4,096 ticks)."""
    cdef double[V_COUNT] start = [1.5, 2.0, 1.0, 2.0, 0.1, 0.2, 0.02, 0.0]
    cdef int v
    for v in range(V_COUNT):
        quantile_open(&b.entry[v], start[v], 4096.0 / SAMPLE)
    b.dev_high = lt_exp(b.entry[V_DEVIATION].level)
    b.dev_low = 1.0 / b.dev_high


cdef void ballot_open(ballot_t *b, const ballots_t *shared, const horizon_t *horizon, int voters) noexcept nogil:
    b.horizon = horizon
    b.ofi_entry, b.z_entry = shared.entry[V_OFI], shared.entry[V_Z]
    jury_open(&b.jury, voters)
