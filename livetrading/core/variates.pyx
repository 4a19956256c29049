# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Random numbers and elementary functions of the core, for tests and for whoever wants the same bits."""
from libc.stdint cimport uint64_t

import numpy as np


cdef object count_of(object n, str name="n"):
    if not 0 <= n <= 1 << 32:
        raise ValueError(f"{name} must be from 0 to {1 << 32}, was {n}")
    return n


cdef object words_of(uint64_t seed, uint64_t stream, uint64_t index, object n):
    """Words of n counters, shape (4, n)."""
    words = np.empty((4, count_of(n)), np.uint64)
    cdef uint64_t[:, ::1] w = words
    if n > 0:
        with nogil:
            lt_philox_block(seed, stream, index, w.shape[1], &w[0, 0], w.shape[1])
    return words


def philox(uint64_t seed, uint64_t stream, uint64_t index):
    """Four random words of Philox4x64-10 under key (seed, stream) at counter (index, 0, 0, 0).

    Parameters
    ----------
    seed, stream, index : int
        0 to 2**64 - 1.

    Returns
    -------
    tuple of int
        Four words, 0 to 2**64 - 1.

    Raises
    ------
    OverflowError
        If an argument is out of range.

    References
    ----------
    Salmon, Moraes, Dror and Shaw 2011, SC'11.
    """
    cdef lt_words w = lt_philox(seed, stream, index)
    return w.word[0], w.word[1], w.word[2], w.word[3]


def uniforms(uint64_t seed, uint64_t stream, uint64_t index, n):
    """Uniform variates of the counters index to index + n - 1: midpoints of 2**52 equal cells of (0, 1).

    Returns
    -------
    ndarray of float64, shape (n, 4)
        One row a counter, one column a word.

    Raises
    ------
    ValueError
        If n is negative or above 2**32.
    OverflowError
        If another argument is outside 0 to 2**64 - 1.
    """
    words = words_of(seed, stream, index, n)
    out = np.empty((4, n))
    cdef const uint64_t[:, ::1] w = words
    cdef double[:, ::1] o = out
    if n > 0:
        with nogil:
            lt_uniform_block(4 * w.shape[1], &w[0, 0], &o[0, 0])
    return np.ascontiguousarray(out.T)


def normals(uint64_t seed, uint64_t stream, uint64_t index, n):
    """Standard normal variates of the counters index to index + n - 1, two of the first two words of each.

    Returns
    -------
    ndarray of float64, shape (n, 2)

    Raises
    ------
    ValueError
        If n is negative or above 2**32.
    OverflowError
        If another argument is outside 0 to 2**64 - 1.

    References
    ----------
    Box and Muller 1958, Annals of Mathematical Statistics 29.
    """
    words = words_of(seed, stream, index, n)
    out = np.empty((2, n))
    cdef const uint64_t[:, ::1] w = words
    cdef double[:, ::1] o = out
    if n > 0:
        with nogil:
            lt_normal_block(w.shape[1], &w[0, 0], &w[1, 0], &o[0, 0], &o[1, 0])
    return np.ascontiguousarray(out.T)


def exp(x):
    """e**x, elementwise, within 1 ulp: 0 below -700 and infinite above 700.

    Parameters
    ----------
    x : float, or ndarray of float64 of shape (n,)

    Returns
    -------
    float, or ndarray of float64 of shape (n,)
    """
    if isinstance(x, (float, int)):
        return lt_exp(x)
    cdef const double[:] v = x
    cdef Py_ssize_t i
    out = np.empty(v.shape[0])
    cdef double[::1] o = out
    with nogil:
        for i in range(v.shape[0]):
            o[i] = lt_exp(v[i])
    return out


def log(x):
    """Natural logarithm, elementwise, within 1 ulp of a normal number: -inf at 0, NaN below.

    Parameters
    ----------
    x : float, or ndarray of float64 of shape (n,)

    Returns
    -------
    float, or ndarray of float64 of shape (n,)
    """
    if isinstance(x, (float, int)):
        return lt_log(x)
    cdef const double[:] given = x
    cdef const double[::1] v = x if given.strides[0] == sizeof(double) else np.ascontiguousarray(x)
    out = np.empty(v.shape[0])
    cdef double[::1] o = out
    if v.shape[0] > 0:
        with nogil:
            lt_log_block(v.shape[0], &v[0], &o[0])
    return out


def sincos_turn(const double[:] u not None):
    """Sine and cosine of 2 pi u, for u in [0, 1], within 2 ulp of 1.

    Parameters
    ----------
    u : ndarray of float64, shape (n,)

    Returns
    -------
    sine, cosine : ndarray of float64, shape (n,)

    Raises
    ------
    ValueError
        If a value is outside [0, 1].
    """
    cdef Py_ssize_t i
    sine, cosine = np.empty(u.shape[0]), np.empty(u.shape[0])
    cdef double[::1] s = sine, c = cosine
    for i in range(u.shape[0]):
        if not 0.0 <= u[i] <= 1.0:
            raise ValueError(f"u must be from 0 to 1, was {u[i]}")
        lt_sincos_turn(u[i], &s[i], &c[i])
    return sine, cosine


def log_return(const double[::1] prices not None):
    """ln(p_t / p_{t-1}), accurate also where the two are close.

    Parameters
    ----------
    prices : ndarray of float64, shape (n,)
        In [1e-150, 1e150].

    Returns
    -------
    ndarray of float64, shape (n - 1,); empty for n = 0

    Raises
    ------
    ValueError
        If a price is out of range.
    """
    cdef Py_ssize_t i, n = prices.shape[0]
    for i in range(n):
        if not 1e-150 <= prices[i] <= 1e150:
            raise ValueError(f"a price must be from 1e-150 to 1e150, was {prices[i]}")
    out = np.empty(max(n - 1, 0))
    cdef double[::1] o = out
    if n > 1:
        with nogil:
            lt_log_return_block(n - 1, &prices[1], prices[0], &o[0])
    return out


def lorenz(steps, double dt=0.01, start=(1.0, 1.0, 1.0)):
    """The Lorenz system, sigma 10, rho 28, beta 8/3, by classical Runge-Kutta steps.

    x' = 10 (y - x), y' = x (28 - z) - y, z' = x y - 8 z / 3.

    Parameters
    ----------
    steps : int
        0 to 2**32.
    dt : float
        Step in Lorenz units of time, in (0, 0.02].
    start : sequence of float
        x, y, z before the first step.

    Returns
    -------
    ndarray of float64, shape (steps, 3)
        The state after each step.

    Raises
    ------
    ValueError
        If `dt` or `steps` is out of range.

    References
    ----------
    Lorenz 1963, Journal of the Atmospheric Sciences 20.
    """
    cdef lt_lorenz p
    cdef Py_ssize_t i
    if not 0.0 < dt <= 0.02:
        raise ValueError(f"dt must be above 0 and at most 0.02, was {dt}")
    p.x, p.y, p.z = start
    out = np.empty((count_of(steps, "steps"), 3))
    cdef double[:, ::1] o = out
    with nogil:
        for i in range(o.shape[0]):
            p = lt_lorenz_step(p, dt)
            o[i, 0], o[i, 1], o[i, 2] = p.x, p.y, p.z
    return out


def normal_quantile(const double[:] p not None):
    """Quantile of the standard normal distribution, elementwise; relative error about 1e-15.

    Parameters
    ----------
    p : ndarray of float64, shape (n,)
        Probabilities in (0, 1).

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    ValueError
        If a probability is outside (0, 1).

    References
    ----------
    Wichura 1988, algorithm AS 241, Applied Statistics 37.
    """
    cdef Py_ssize_t i
    out = np.empty(p.shape[0])
    cdef double[::1] o = out
    for i in range(p.shape[0]):
        if not 0.0 < p[i] < 1.0:
            raise ValueError(f"a probability must be between 0 and 1, was {p[i]}")
        o[i] = lt_normal_quantile(p[i])
    return out
