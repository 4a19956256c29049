"""Mirrored rings and rolling quantities with error bounds (csrc/include/lt_ring.h, lt_rolling.h)."""
from libc.stdint cimport uint64_t

cdef extern from "lt_base.h" nogil:
    int LT_WARMUP, LT_OK, LT_ELEDGER

cdef extern from "lt_ring.h" nogil:
    ctypedef struct lt_ring:
        double *slot
        uint64_t mask
        uint64_t head
    uint64_t lt_ring_capacity(uint64_t n) noexcept
    void lt_ring_init(lt_ring *r, double *slot, uint64_t capacity) noexcept
    void lt_ring_push(lt_ring *r, double x) noexcept
    double lt_ring_at(const lt_ring *r, uint64_t age) noexcept
    const double *lt_ring_window(const lt_ring *r, uint64_t n) noexcept

cdef extern from "lt_rolling.h" nogil:
    const double LT_EPS
    const double LT_TOL
    ctypedef struct lt_squares:
        double value, reach
    ctypedef struct lt_moments:
        lt_ring ring
        uint64_t window
        double inverse, anchor, sum, mean, m2, updates
        lt_squares squares
    void lt_squares_slide(lt_squares *s, double enters, double leaves) noexcept
    bint lt_squares_loose(const lt_squares *s, double scale) noexcept
    int lt_moments_push(lt_moments *s, double x) noexcept

cdef extern from "lt_columns.h" nogil:
    enum:
        LT_STRETCH
    int lt_moments_stretch(lt_moments *s, size_t n, const double *x, double *gap, double *variance) noexcept
    int lt_sums_stretch(size_t n, const double *gain, const double *gain2, double share, double *plain,
                        lt_squares *squares, double *plain_out, double *squares_out) noexcept
    void lt_flow_gains(size_t n, const double *e, size_t window, double *gain, double *gain2) noexcept
    void lt_return_gains(size_t n, const double *r, size_t window, double *gain, double *gain2) noexcept
    void lt_quote_flow(size_t n, const double *bid, const double *ask, const double *bid_size, const double *ask_size,
                       double *e) noexcept
    void lt_weighted_mids(size_t n, const double *bid, const double *ask, const double *bid_size,
                          const double *ask_size, double *weighted, double *spread) noexcept

# Allocates the zeroed slots of a ring that holds n values; 0, or -1 where memory ran out.
cdef int ring_open(lt_ring *ring, uint64_t n) noexcept nogil
cdef void ring_close(lt_ring *ring) noexcept nogil
