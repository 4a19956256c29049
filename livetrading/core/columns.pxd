# cython: boundscheck=False, wraparound=False, cdivision=True
"""The formulas of a block of ticks: each leaves a column, its value after each of its observations.

Nothing up to the vote depends on trading, so each formula takes the whole block, its state in registers. A column of
what is observed at quotes, changes of the mid or trades has the last value of the block before in place 0; `quotes`,
`changes` and `trades` tell at which place each tick is.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint64_t

from livetrading.core.market cimport BLOCK
from livetrading.core.records cimport LT_BAD_KINDS, lt_result, lt_tick
from livetrading.core.ring cimport lt_moments
from livetrading.core.signals cimport cusum_t, drift_t, ewma_t, flow_t, kyle_t, level_t, micro_t, ofi_t, trend_t, vpin_t

# Which formulas are asked for
ctypedef struct wanted_t:
    bint ofi, z, drift, level, micro, flow
    bint vol, trend, cusum, kyle, vpin, changes, trades

# The formulas of one horizon: 121 and 141
ctypedef struct horizon_t:
    ofi_t ofi
    lt_moments z
    double z_gap[BLOCK]
    double z_variance[BLOCK]
    double ofi_total[BLOCK + 1]
    double ofi_square[BLOCK + 1]

# What all horizons share
ctypedef struct formulas_t:
    wanted_t on
    int horizons
    drift_t drift
    level_t level
    micro_t micro
    flow_t flow
    ewma_t vol
    trend_t trend
    cusum_t cusum
    kyle_t kyle
    vpin_t vpin
    # the stream
    int64_t index, last_ts      # good ticks before this block, and the time of the last of them
    double last_mid
    bint quoted                 # there was a quote with both sizes
    uint64_t rejected[LT_BAD_KINDS]
    # the block: its good ticks, their mids and returns, and which quote, change and trade each is up to
    int32_t good[BLOCK]
    double mids[BLOCK]
    double returns[BLOCK]
    int16_t quotes[BLOCK]
    int16_t changes[BLOCK]
    int16_t trades[BLOCK]
    Py_ssize_t quote_count, change_count, trade_count
    # the columns
    double bid[BLOCK + 1]
    double ask[BLOCK + 1]
    double bid_size[BLOCK + 1]
    double ask_size[BLOCK + 1]
    double flow_quote[BLOCK + 1]
    double change_return[BLOCK + 1]
    double change_mid[BLOCK + 1]
    double level_g0[BLOCK + 1]
    double level_g1[BLOCK + 1]
    double micro_gap[BLOCK + 1]
    double micro_spread[BLOCK + 1]
    double micro_mid[BLOCK + 1]
    double drift_mean[BLOCK + 1]
    double drift_square[BLOCK + 1]
    double drift_count[BLOCK + 1]
    double innovation[BLOCK + 1]            # signed by the way it votes
    double level_f[BLOCK + 1]
    double residual[BLOCK + 1]
    double variance[BLOCK + 1]
    double flow_signed[BLOCK + 1]
    double flow_total[BLOCK + 1]
    double kyle_lambda[BLOCK + 1]
    double vpin_value[BLOCK + 1]
    int8_t trend_side[BLOCK + 1]
    int8_t cusum_event[BLOCK + 1]
    int8_t vpin_shut[BLOCK + 1]             # the gate lets nothing through

cdef int formulas_open(formulas_t *f) noexcept nogil
cdef void formulas_close(formulas_t *f) noexcept nogil
cdef int horizon_open(horizon_t *h, uint64_t window) noexcept nogil
cdef void horizon_close(horizon_t *h) noexcept nogil

# Validates a block of n <= BLOCK ticks and takes what is good of it through every formula; how many were good. What is
# only ever shown is left where it is asked for.
cdef Py_ssize_t formulas_take(formulas_t *f, horizon_t **horizons, const lt_tick *ticks, Py_ssize_t n,
                              bint shown) noexcept nogil

# What the formulas have to show of good tick j.
cdef void formulas_record(const formulas_t *f, const horizon_t *first, Py_ssize_t j, double mid,
                          lt_result *out) noexcept nogil
