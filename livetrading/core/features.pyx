# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Features of trades and their running standardisation, over arrays."""
from libc.math cimport NAN
from libc.string cimport memset

from livetrading.core.ring cimport LT_OK

import numpy as np


def trade_features(const double[::1] price not None, const double[::1] volume not None,
                   const double[::1] side not None):
    """Eight features of every trade, all of which are valid.

    Parameters
    ----------
    price, volume, side : ndarray of float64, shape (n,)
        USD per BTC, above 0; BTC, not negative; a side that is not finite reads 0.

    Returns
    -------
    ndarray of float64, shape (n, 8)
        NaN in the first 20 rows.

    Raises
    ------
    ValueError
        If the arrays differ in length, or a trade is not valid.
    """
    cdef Py_ssize_t i, j, n = price.shape[0]
    cdef lt_features state
    if volume.shape[0] != n or side.shape[0] != n:
        raise ValueError(f"volume and side must have {n} values, had {volume.shape[0]} and {side.shape[0]}")
    for i in range(n):
        if not lt_trade_valid(price[i], volume[i]):
            raise ValueError("a trade must have a finite price above 0 and a finite volume not below 0, "
                             f"was {price[i]} and {volume[i]}")
    found = np.full((n, LT_FEATURES), NAN)
    cdef double[:, ::1] x = found
    memset(&state, 0, sizeof(state))
    with nogil:
        for i in range(n):
            if lt_features_push(&state, price[i], volume[i], side[i]) == LT_OK:
                for j in range(LT_FEATURES):
                    x[i, j] = state.x[j]
    return found


def running_scores(const double[:, ::1] x not None):
    """z of every row of features by the mean and sd of the rows so far, within +-5; 0 where that sd is 0.

    Parameters
    ----------
    x : ndarray of float64, shape (n, 8)

    Returns
    -------
    ndarray of float64, shape (n, 8)

    Raises
    ------
    ValueError
        If a row has another length.
    """
    cdef Py_ssize_t i, n = x.shape[0]
    cdef lt_standard state
    if x.shape[1] != LT_FEATURES:
        raise ValueError(f"a row must have {LT_FEATURES} features, was {x.shape[1]}")
    found = np.empty((n, LT_FEATURES))
    cdef double[:, ::1] z = found
    memset(&state, 0, sizeof(state))
    with nogil:
        for i in range(n):
            lt_standard_push(&state, &x[i, 0], &z[i, 0])
    return found
