"""Simulated markets: a tick every dt, with a new quote and at most one trade."""
from libc.stdint cimport int8_t, int64_t, uint64_t

from livetrading.core.records cimport lt_knot, lt_tick
from livetrading.core.variates cimport lt_lorenz

cdef enum:
    BLOCK = 1024                # ticks made at a time
    KNOTS_MAX = 65536

# Scratch of one block, and the state of what every market shares: spread, sizes and the Hawkes flow of trades
ctypedef struct block_t:
    uint64_t words[4][BLOCK]
    double z0[BLOCK]
    double z1[BLOCK]
    double uniform[BLOCK]
    double exponent[BLOCK]
    double tilt[BLOCK]
    double price[BLOCK]
    double ramp[BLOCK]          # 0, dt, 2 dt ... in ns, exact
    int8_t side[BLOCK]
    double dt, spread
    bint centred                # the mid is the price to its last bit
    double diffusion, diffusion_keep, diffusion_kick
    double imbalance, imbalance_keep, imbalance_kick
    double buy, sell, decay     # excess intensities, per second

cdef class Market:
    cdef uint64_t seed
    cdef readonly int64_t start_ns, dt_ns, index
    cdef bint busy              # its ticks are being made without the GIL
    cdef block_t *block
    cdef lt_knot *knots
    cdef Py_ssize_t knot_count, knot_at
    cdef int make(self, lt_tick *out, double *true_price, Py_ssize_t n) noexcept nogil
    cdef void draw(self, uint64_t stream, Py_ssize_t n) noexcept nogil
    cdef void prices(self, Py_ssize_t n, double *true_price) noexcept nogil
    cdef int check(self, Py_ssize_t n) except -1
    cdef int claim(self) except -1
    cdef Py_ssize_t until_knot(self, int64_t index) noexcept nogil

cdef class ChaosMarket(Market):
    cdef lt_lorenz here, there
    cdef int64_t cell
    cdef void next_cell(self) noexcept nogil
    cdef double amplitude_at(self, int64_t height) noexcept nogil
    cdef Py_ssize_t deviations(self, Py_ssize_t first, Py_ssize_t n, double *true_price) noexcept nogil

cdef class NullMarket(Market):
    cdef double origin, walked, sd
    cdef int target(self, double sd) except -1
    cdef void moves(self, Py_ssize_t n) noexcept nogil
    cdef void walk(self, Py_ssize_t n) noexcept nogil
    cdef double known_price(self, int64_t index) noexcept nogil

cdef class GbmMarket(NullMarket):
    pass

cdef class GarchMarket(NullMarket):
    cdef double variance

cdef class BootstrapMarket(NullMarket):
    cdef double *recorded
    cdef Py_ssize_t count, at
    cdef double restart, trend
    cdef bint signs
    cdef int keep(self, const double[::1] returns, bint scaled) except -1

cdef class HawkesMarket(NullMarket):
    cdef double stays, decays, drift, passing
