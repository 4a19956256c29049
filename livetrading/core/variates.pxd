"""Elementary functions and random numbers with one result on every machine (csrc/include)."""
from libc.stdint cimport uint64_t

cdef extern from "lt_math.h" nogil:
    double lt_log(double x) noexcept
    double lt_log_ratio(double p, double q) noexcept
    double lt_log1p(double x) noexcept
    double lt_exp(double x) noexcept
    double lt_where(bint condition, double x) noexcept
    int lt_side(double x) noexcept
    void lt_sincos_turn(double u, double *sine, double *cosine) noexcept
    double lt_normal_quantile(double p) noexcept

cdef extern from "lt_philox.h" nogil:
    ctypedef struct lt_words:
        uint64_t word[4]
    lt_words lt_philox(uint64_t seed, uint64_t stream, uint64_t index) noexcept

cdef extern from "lt_variates.h" nogil:
    void lt_philox_block(uint64_t seed, uint64_t stream, uint64_t index, size_t n, uint64_t *w, size_t stride) noexcept
    void lt_uniform_block(size_t n, const uint64_t *w, double *u) noexcept
    void lt_normal_block(size_t n, const uint64_t *w0, const uint64_t *w1, double *z0, double *z1) noexcept
    void lt_exp_block(size_t n, const double *x, double *y) noexcept
    void lt_log_block(size_t n, const double *x, double *y) noexcept
    void lt_log_return_block(size_t n, const double *p, double before, double *r) noexcept

cdef extern from "lt_lorenz.h" nogil:
    ctypedef struct lt_lorenz:
        double x, y, z
    lt_lorenz lt_lorenz_slope(lt_lorenz p) noexcept
    lt_lorenz lt_lorenz_step(lt_lorenz p, double dt) noexcept
