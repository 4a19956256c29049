"""Kernels that remember as many events as a span of time holds."""
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.kernel cimport Kernel

ctypedef struct event_t:
    int64_t ts
    double sign, price, mid

cdef class WaitingKernel(Kernel):
    cdef event_t *events
    cdef uint64_t room, first, last     # places modulo the room, a power of two
    cdef bint short_of_memory

    cdef bint grow(self) noexcept nogil
    cdef object ask(self)
    cdef uint64_t waiting(self) noexcept nogil
    # The oldest is at 0.
    cdef event_t *event_at(self, uint64_t place) noexcept nogil
    cdef void event_push(self, int64_t ts, double sign, double price, double mid) noexcept nogil
    cdef void event_drop(self) noexcept nogil
    # To be called in `start`.
    cdef void forget(self) noexcept nogil
