"""What every compiled formula is: one block of memory, stepped one observation at a time."""
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.ring cimport lt_ring

cdef enum:
    RINGS = 16

cdef class Kernel:
    cdef char *block
    cdef size_t size
    cdef size_t used
    cdef lt_ring *ring[RINGS]
    cdef double *slot[RINGS]
    cdef uint64_t mask[RINGS]
    cdef int rings
    cdef char *own              # the subclass's struct of state
    cdef double *out            # its `gives` outputs
    cdef readonly Py_ssize_t reads, gives

    # Called once, in __cinit__: `own` bytes of struct, `slots` doubles for rings and arrays.
    cdef int allocate(self, size_t own, size_t slots, Py_ssize_t reads, Py_ssize_t gives) except -1
    # Gives a ring in `own` its slots, for at least n values; `slots_of(n)` of them come out of the block.
    cdef int attach(self, lt_ring *ring, uint64_t n) except -1
    # An array of n doubles in the block, zeroed at a reset; its pointer must not be kept inside `own`.
    cdef double *array(self, size_t n) except NULL

    # To be overridden. `start` finds the block zeroed; `step` gets one observation: ts, and the `reads` fields, NaN
    # where one is not there. A kernel that looks at the time says which observations count: with others it stands.
    cdef void start(self) noexcept nogil
    cdef bint counts(self, const double *x) noexcept nogil
    cdef void step(self, int64_t ts, const double *x) noexcept nogil

    cdef void link(self) noexcept nogil
    cdef void observe(self, int64_t ts, const double *x) noexcept nogil

    # What a step reports; what it does not report holds.
    cdef void report(self, double value, int signal, double confidence) noexcept nogil
    cdef void withdraw(self) noexcept nogil

cdef size_t slots_of(uint64_t n) noexcept nogil
