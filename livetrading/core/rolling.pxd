"""Windows that keep their sums: totals, spread about the mean, lines through the origin, ordered values.

A sum lies in two doubles, so that what left the window leaves 2^-104 of itself behind; where even that is too much,
after a value 1e12 times those that remain, the sum is taken again over the window.
"""
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport uint64_t
from libc.string cimport memmove

from livetrading.core.ring cimport lt_ring, lt_ring_push, lt_ring_window

cdef extern from * nogil:
    """
    #define ROLLING_REACH 1e14
    """
    const double ROLLING_REACH


# A sum. `reach` adds up the values that it has had since it was exact: each step errs by 2^-104 of the value it gives.

ctypedef struct sum_t:
    double value, low, reach


cdef inline void sum_add(sum_t *s, double x) noexcept nogil:
    """Knuth's two-sum, the error carried along."""
    cdef double t = s.value + x, b = t - s.value
    cdef double e = (s.value - (t - b)) + (x - b) + s.low
    s.value = t + e
    s.low = e - (s.value - t)
    s.reach += fabs(s.value)


cdef inline void sum_clear(sum_t *s) noexcept nogil:
    s.value = s.low = s.reach = 0.0


cdef inline bint sum_loose(const sum_t *s) noexcept nogil:
    """Of values that are not negative: whether what is left behind may show. NaN is loose."""
    return not s.reach <= ROLLING_REACH * s.value


# The sum of the last `window` values

ctypedef struct total_t:
    lt_ring ring
    uint64_t window
    sum_t sum, size             # of the values; of their magnitudes, which bounds the error of both


cdef inline uint64_t total_count(const total_t *s) noexcept nogil:
    return s.ring.head if s.ring.head < s.window else s.window


cdef inline bint total_full(const total_t *s) noexcept nogil:
    return s.ring.head >= s.window


cdef inline void total_exact(total_t *s) noexcept nogil:
    cdef uint64_t i, n = total_count(s)
    cdef const double *x = lt_ring_window(&s.ring, n)
    sum_clear(&s.sum)
    sum_clear(&s.size)
    for i in range(n):
        sum_add(&s.sum, x[i])
        sum_add(&s.size, fabs(x[i]))
    s.size.reach = s.size.value


cdef inline void total_push(total_t *s, double x) noexcept nogil:
    cdef uint64_t n = s.ring.head
    cdef double old
    if n >= s.window:
        old = s.ring.slot[(n - s.window) & s.ring.mask]
        sum_add(&s.sum, -old)
        sum_add(&s.size, -fabs(old))
    lt_ring_push(&s.ring, x)
    sum_add(&s.sum, x)
    sum_add(&s.size, fabs(x))
    if sum_loose(&s.size):
        total_exact(s)


# Mean, sum of squared deviations and lagged products of the last `window` values. They are taken about an anchor that
# the mean stays close to, so that little cancels.

ctypedef struct spread_t:
    lt_ring ring
    uint64_t window
    double anchor
    sum_t sum, squares, lagged


cdef inline bint spread_full(const spread_t *s) noexcept nogil:
    return s.ring.head >= s.window


cdef inline double spread_mean(const spread_t *s) noexcept nogil:
    return s.anchor + s.sum.value / <double> s.window


cdef inline double spread_m2(const spread_t *s) noexcept nogil:
    """Sum of squared deviations from the mean."""
    cdef double m2 = s.squares.value - s.sum.value * (s.sum.value / <double> s.window)
    return m2 if m2 > 0.0 else 0.0


cdef inline void spread_exact(spread_t *s) noexcept nogil:
    cdef const double *x = lt_ring_window(&s.ring, s.window)
    cdef double before = 0.0, u
    cdef uint64_t i
    sum_clear(&s.sum)
    for i in range(s.window):
        sum_add(&s.sum, x[i] - x[0])
    s.anchor = x[0] + s.sum.value / <double> s.window
    sum_clear(&s.sum)
    sum_clear(&s.squares)
    sum_clear(&s.lagged)
    for i in range(s.window):
        u = x[i] - s.anchor
        sum_add(&s.sum, u)
        sum_add(&s.squares, u * u)
        sum_add(&s.lagged, u * before)
        before = u
    s.squares.reach = s.squares.value


cdef inline void spread_slide(spread_t *s, double x) noexcept nogil:
    cdef uint64_t n = s.ring.head, first = n - s.window
    cdef double old = s.ring.slot[first & s.ring.mask] - s.anchor, u = x - s.anchor
    cdef double second = s.ring.slot[(first + 1) & s.ring.mask] - s.anchor if s.window > 1 else u
    cdef double last = s.ring.slot[(n - 1) & s.ring.mask] - s.anchor
    lt_ring_push(&s.ring, x)
    sum_add(&s.sum, -old)
    sum_add(&s.sum, u)
    sum_add(&s.squares, -old * old)
    sum_add(&s.squares, u * u)
    sum_add(&s.lagged, -old * second)
    sum_add(&s.lagged, u * last)


cdef inline void spread_push(spread_t *s, double x) noexcept nogil:
    if s.ring.head < s.window:
        lt_ring_push(&s.ring, x)
        if s.ring.head == s.window:
            spread_exact(s)
        return
    spread_slide(s, x)
    # a mean that is ten deviations from the anchor costs two digits
    if sum_loose(&s.squares) or not s.sum.value * s.sum.value <= 100.0 * spread_m2(s) * <double> s.window:
        spread_exact(s)


cdef inline double largest(const double *x, uint64_t n) noexcept nogil:
    cdef double most = 0.0
    cdef uint64_t i
    for i in range(n):
        most = fabs(x[i]) if fabs(x[i]) > most else most
    return most


cdef inline double spread_sd(const spread_t *s) noexcept nogil:
    """Population standard deviation; 0 where it is at most 1e-12 of the largest value."""
    cdef double m2 = spread_m2(s), sd = sqrt(m2 / <double> s.window), most = fabs(spread_mean(s)) + sqrt(m2)
    if sd > 1e-12 * most:       # no value is larger: a clear case needs no search
        return sd
    most = largest(lt_ring_window(&s.ring, s.window), s.window)
    return sd if sd > 1e-12 * most else 0.0


cdef inline double spread_slope(const spread_t *s) noexcept nogil:
    """Least-squares slope, with constant, of each value on the one before it; 0 where those do not vary."""
    cdef const double *x = lt_ring_window(&s.ring, s.window)
    cdef double first = x[0] - s.anchor, last = x[s.window - 1] - s.anchor, n = <double> s.window - 1.0
    cdef double before = s.sum.value - last, after = s.sum.value - first
    cdef double square = s.squares.value - last * last - before * before / n, most
    if not square > 0.0:
        return 0.0
    most = fabs(spread_mean(s)) + sqrt(spread_m2(s))
    if sqrt(square / n) <= 1e-12 * most:
        most = largest(x, s.window - 1)
        if sqrt(square / n) <= 1e-12 * most:
            return 0.0
    return (s.lagged.value - before * after / n) / square


# y = slope x over the last `window` pairs, fewer at the start

ctypedef struct pairs_t:
    lt_ring x, y
    uint64_t window
    sum_t xx, xy, yy

ctypedef struct line_t:
    double slope, t, share      # share of the sum of y^2 that the line explains


cdef inline uint64_t pairs_count(const pairs_t *s) noexcept nogil:
    return s.x.head if s.x.head < s.window else s.window


cdef inline bint pairs_full(const pairs_t *s) noexcept nogil:
    return s.x.head >= s.window


cdef inline void pairs_exact(pairs_t *s) noexcept nogil:
    cdef uint64_t i, n = pairs_count(s)
    cdef const double *x = lt_ring_window(&s.x, n)
    cdef const double *y = lt_ring_window(&s.y, n)
    sum_clear(&s.xx)
    sum_clear(&s.xy)
    sum_clear(&s.yy)
    for i in range(n):
        sum_add(&s.xx, x[i] * x[i])
        sum_add(&s.xy, x[i] * y[i])
        sum_add(&s.yy, y[i] * y[i])
    s.xx.reach, s.yy.reach = s.xx.value, s.yy.value


cdef inline void pairs_push(pairs_t *s, double x, double y) noexcept nogil:
    cdef uint64_t first = s.x.head - s.window
    cdef double a, b
    if s.x.head >= s.window:
        a, b = s.x.slot[first & s.x.mask], s.y.slot[first & s.y.mask]
        sum_add(&s.xx, -a * a)
        sum_add(&s.xy, -a * b)
        sum_add(&s.yy, -b * b)
    lt_ring_push(&s.x, x)
    lt_ring_push(&s.y, y)
    sum_add(&s.xx, x * x)
    sum_add(&s.xy, x * y)
    sum_add(&s.yy, y * y)
    if sum_loose(&s.xx) or sum_loose(&s.yy):
        pairs_exact(s)


cdef inline double t_value(double c, double error) noexcept nogil:
    """c / error; where the error is 0, 0 for c = 0 and else infinite."""
    if error > 0.0 or c == 0.0:
        return c / error if error > 0.0 else 0.0
    return INFINITY if c > 0.0 else -INFINITY


cdef inline double pairs_rest(const pairs_t *s, double slope) noexcept nogil:
    """Sum of squared residuals; from the residuals themselves where their squares would cancel."""
    cdef double rest = s.yy.value - slope * s.xy.value, e
    cdef uint64_t i, n = pairs_count(s)
    cdef const double *x = lt_ring_window(&s.x, n)
    cdef const double *y = lt_ring_window(&s.y, n)
    if rest > 1e-6 * s.yy.value:
        return rest
    rest = 0.0
    for i in range(n):
        e = y[i] - slope * x[i]
        rest += e * e
    return rest


cdef inline bint pairs_fit(const pairs_t *s, line_t *line) noexcept nogil:
    """Whether there is a line: x that are not all 0, and nothing that overflows."""
    cdef double rest, n = <double> pairs_count(s)
    if not 0.0 < s.xx.value < INFINITY or not s.yy.value < INFINITY:
        return False
    line.slope = s.xy.value / s.xx.value
    rest = pairs_rest(s, line.slope)
    line.t = t_value(line.slope, sqrt(rest / (n - 1.0) / s.xx.value))
    line.share = 1.0 - rest / s.yy.value if s.yy.value > 0.0 else 0.0
    return True


# Values in ascending order

cdef inline uint64_t rank_below(const double *ordered, uint64_t count, double x) noexcept nogil:
    """How many are below x."""
    cdef uint64_t low = 0, high = count, mid
    while low < high:
        mid = (low + high) >> 1
        if ordered[mid] < x:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline uint64_t rank_upto(const double *ordered, uint64_t count, double x) noexcept nogil:
    """How many are at most x."""
    cdef uint64_t low = 0, high = count, mid
    while low < high:
        mid = (low + high) >> 1
        if ordered[mid] <= x:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline void order_take(double *x, uint64_t count, uint64_t at) noexcept nogil:
    """Takes out the value at a place; there are `count` before."""
    memmove(x + at, x + at + 1, (count - at - 1) * sizeof(double))


cdef inline void order_put(double *x, uint64_t count, uint64_t at, double value) noexcept nogil:
    """Puts in a value at a place; there are `count` before."""
    memmove(x + at + 1, x + at, (count - at) * sizeof(double))
    x[at] = value
