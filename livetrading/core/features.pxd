"""Features of trades and their running standardisation (csrc/include/lt_features.h)."""
from libc.stdint cimport uint64_t

cdef extern from "lt_features.h" nogil:
    enum:
        LT_FEATURES
        LT_SPAN
    ctypedef struct lt_features:
        uint64_t seen
        double price[21]
        double x[8]
    ctypedef struct lt_standard:
        double n
    bint lt_trade_valid(double price, double volume) noexcept
    double lt_log_change(double p, double q) noexcept
    double lt_scale(double x) noexcept
    double lt_sd_of(size_t n, const double *x, double scale, double *mean) noexcept
    int lt_features_push(lt_features *s, double price, double volume, double side) noexcept
    void lt_standard_push(lt_standard *s, const double *x, double *z) noexcept
