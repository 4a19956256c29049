"""The rule of W1 as a caller's own voter: a function in C, compiled by numba."""

import ctypes
from dataclasses import replace

import numba as nb
import numpy as np
from numba import types
from numpy.typing import NDArray
from w1 import W1

from livetrading.core.dtypes import TICK

WINDOW = W1.signals.window
STATE = 5 + WINDOW
"""Ticks seen, place in the window, sum and sum of squares of the mids there, the vote; and the mids."""
LEVEL2 = 4.0
"""The square of the entry level 2."""
SHIFT = 60_000.0
USER = replace(W1, signals=replace(W1.signals, voters=("user",)))


@nb.cfunc(
    types.void(
        types.CPointer(nb.from_dtype(TICK)),
        types.CPointer(types.float64),
        types.int64,
        types.CPointer(types.int8),
        types.CPointer(types.float64),
    )
)
def z_rule(ticks, true_price, n, vote, state):  # type: ignore[no-untyped-def]
    """Against the side of the mean that the mid is on, from two deviations off it until it is back at it.

    W1's prices are multiples of 0.25, so that the sums, and what they are compared by, are exact.
    """
    rows, votes, s = nb.carray(ticks, n), nb.carray(vote, n), nb.carray(state, STATE)
    seen, at, total, squares, side = s[0], int(s[1]), s[2], s[3], s[4]
    for i in range(n):
        mid = 0.5 * rows[i].bid + 0.5 * rows[i].ask - SHIFT
        old = s[5 + at]
        s[5 + at] = mid
        at = at + 1 if at + 1 < WINDOW else 0
        total += mid - old
        squares += mid * mid - old * old
        seen += 1.0
        gap = WINDOW * mid - total
        if gap * side >= 0.0:
            side = 0.0
        if seen >= WINDOW and gap * gap >= LEVEL2 * (WINDOW * squares - total * total):
            side = -1.0 if gap > 0.0 else 1.0
        votes[i] = np.int8(side)
    s[0], s[1], s[2], s[3], s[4] = seen, at, total, squares, side


def said_of(ticks: NDArray[np.void]) -> NDArray[np.int8]:
    """Return what the rule says at each tick."""
    said, state, no_truth = np.zeros(len(ticks), np.int8), np.zeros(STATE), np.zeros(0)
    double = ctypes.POINTER(ctypes.c_double)
    z_rule.ctypes(
        ticks.ctypes.data,
        no_truth.ctypes.data_as(double),
        len(ticks),
        said.ctypes.data_as(ctypes.POINTER(ctypes.c_byte)),
        state.ctypes.data_as(double),
    )
    return said
