# cython: boundscheck=False, wraparound=False, cdivision=True
"""What every voter says at each tick of a block, and the direction that each book's jury makes of it."""
from libc.stdint cimport int8_t, int32_t, int64_t, uint32_t

from livetrading.core.columns cimport formulas_t, horizon_t
from livetrading.core.market cimport BLOCK
from livetrading.core.signals cimport quantile_t
from livetrading.core.vote cimport jury_t

cdef enum:
    V_OFI, V_Z, V_DRIFT, V_LEVEL, V_MICRO, V_FLOW, V_DEVIATION, V_USER, V_COUNT

# The ballot of one book: 121 and 141 over its horizon, its jury, and what it decides
ctypedef struct ballot_t:
    const horizon_t *horizon
    quantile_t ofi_entry, z_entry
    int z_state
    int32_t last_ofi            # as the block before left it
    int32_t ofi_vote[BLOCK + 1]
    int32_t z_vote[BLOCK]
    jury_t jury
    int64_t h, next_score, next_refresh
    bint scored
    uint32_t cast_code
    double cast_mid
    # what the jury says at each tick: the direction after the gates, and the odds where they are asked for
    int8_t direction[BLOCK]
    double logit[BLOCK]
    double against[BLOCK]

# What the books' ballots share
ctypedef struct ballots_t:
    int32_t place[V_COUNT]      # 3^position of the voter in a set of votes, 0 where it does not vote
    int32_t abstention          # the set in which all abstain
    bint on[V_COUNT]
    bint adaptive, gate_trend, gate_vpin
    int64_t refresh
    quantile_t entry[V_COUNT]
    double dev_high, dev_low    # exp of the deviation's entry level, and its inverse
    int32_t last_micro, last_change, last_flow      # as the block before left them
    int32_t micro_vote[BLOCK + 1]
    int32_t change_vote[BLOCK + 1]
    int32_t flow_vote[BLOCK + 1]
    int32_t code[BLOCK]         # of the shared voters

cdef void ballots_open(ballots_t *b) noexcept nogil
cdef void ballot_open(ballot_t *b, const ballots_t *shared, const horizon_t *horizon, int voters) noexcept nogil

# Casts the votes of the m good ticks of a block. `truth` and `user` are of the good ticks; NULL where there is none.
cdef void ballots_cast(ballots_t *b, ballot_t **books, const formulas_t *f, const double *truth, const int8_t *user,
                       Py_ssize_t m) noexcept nogil

# Directions of one book at the m good ticks of a block.
cdef void ballot_decide(ballot_t *b, const ballots_t *shared, const formulas_t *f, Py_ssize_t m,
                        bint shown) noexcept nogil
