# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Mirrored ring buffer: fixed memory, and any window of it one contiguous view."""
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from livetrading.core.ring cimport lt_ring, lt_ring_capacity, lt_ring_init, lt_ring_push, lt_ring_window

import numpy as np

CAPACITY_MAX = 1 << 24


cdef int ring_open(lt_ring *ring, uint64_t n) noexcept nogil:
    cdef uint64_t capacity = lt_ring_capacity(n)
    cdef double *slot = <double *> calloc(2 * capacity, sizeof(double))
    if slot == NULL:
        return -1
    lt_ring_init(ring, slot, capacity)
    return 0


cdef void ring_close(lt_ring *ring) noexcept nogil:
    free(ring.slot)
    ring.slot = NULL


cdef class MirroredRing:
    """The last `capacity` values of a stream of float64.

    Parameters
    ----------
    capacity : int
        Values held, 1 to 2**24; rounded up to a power of two.
    """

    cdef lt_ring _ring
    cdef readonly Py_ssize_t capacity

    def __cinit__(self, Py_ssize_t capacity):
        if not 1 <= capacity <= CAPACITY_MAX:
            raise ValueError(f"capacity must be from 1 to {CAPACITY_MAX}, was {capacity}")
        if ring_open(&self._ring, <uint64_t> capacity) < 0:
            raise MemoryError()
        self.capacity = <Py_ssize_t> (self._ring.mask + 1)

    def __dealloc__(self):
        ring_close(&self._ring)

    def __len__(self):
        return <Py_ssize_t> min(self._ring.head, self._ring.mask + 1)

    def __getbuffer__(self, Py_buffer *view, int flags):
        """Give the slots to read: 2 * `capacity` doubles, of which `begin` finds a window."""
        PyBuffer_FillInfo(view, self, self._ring.slot, <Py_ssize_t> (2 * self.capacity * sizeof(double)), True, flags)

    def begin(self, Py_ssize_t n):
        """Return where among the slots the last `n` values begin; 0 <= n <= len(self) is the caller's to keep."""
        return <Py_ssize_t> ((self._ring.head - <uint64_t> n) & self._ring.mask)

    def push(self, double x):
        """Append one value; the oldest leaves when the ring is full."""
        lt_ring_push(&self._ring, x)

    def extend(self, const double[::1] xs not None):
        """Append many values in order."""
        cdef Py_ssize_t i
        with nogil:
            for i in range(xs.shape[0]):
                lt_ring_push(&self._ring, xs[i])

    def window(self, Py_ssize_t n):
        """Return a copy of the last `n` values, oldest first.

        Raises
        ------
        ValueError
            If `n` is negative or more than the ring holds.
        """
        if not 0 <= n <= len(self):
            raise ValueError(f"n must be from 0 to {len(self)}, was {n}")
        out = np.empty(n)
        cdef double[::1] o = out
        cdef const double *w = lt_ring_window(&self._ring, <uint64_t> n)
        cdef Py_ssize_t i
        for i in range(n):
            o[i] = w[i]
        return out
