# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled formulas: the frame that feeds a kernel one observation after another and keeps what it reports.

All that a kernel remembers lies in one block: what it reported last, its struct, and the slots of its rings. So a
state is a copy of the block, and a reset is zeros.
"""
from libc.math cimport NAN
from libc.stdint cimport INT64_MIN, int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from livetrading.core.ring cimport lt_ring, lt_ring_capacity

ctypedef struct report_t:
    int64_t ts
    double value, confidence
    int64_t signal, ready

cdef enum:
    READS_MAX = 64


cdef size_t slots_of(uint64_t n) noexcept nogil:
    """Doubles that a ring of at least n values takes of the block."""
    return 2 * lt_ring_capacity(n)


cdef inline report_t *report_of(Kernel kernel) noexcept nogil:
    return <report_t *> kernel.block


cdef class Kernel:
    """A compiled formula; the subclasses say of what."""

    cdef int allocate(self, size_t own, size_t slots, Py_ssize_t reads, Py_ssize_t gives) except -1:
        if not 1 <= reads <= READS_MAX:
            raise ValueError(f"a kernel must read from 1 to {READS_MAX} fields, was {reads}")
        own = (own + 7) // 8 * 8
        self.size = sizeof(report_t) + own + (<size_t> gives + slots) * sizeof(double)
        self.block = <char *> calloc(1, self.size)
        if self.block == NULL:
            raise MemoryError()
        self.own = self.block + sizeof(report_t)
        self.out = <double *> (self.own + own)
        self.used = sizeof(report_t) + own + <size_t> gives * sizeof(double)
        self.reads = reads
        self.gives = gives
        return 0

    cdef double *array(self, size_t n) except NULL:
        cdef size_t begin = self.used
        if begin + n * sizeof(double) > self.size:
            raise MemoryError(f"a kernel asked for more slots than it allocated: {n}")
        self.used = begin + n * sizeof(double)
        return <double *> (self.block + begin)

    cdef int attach(self, lt_ring *ring, uint64_t n) except -1:
        cdef uint64_t capacity = lt_ring_capacity(n)
        if self.rings == RINGS:
            raise MemoryError(f"a kernel has at most {RINGS} rings")
        self.slot[self.rings] = self.array(2 * capacity)
        self.ring[self.rings] = ring
        self.mask[self.rings] = capacity - 1
        self.rings += 1
        return 0

    cdef void link(self) noexcept nogil:
        cdef int i
        for i in range(self.rings):
            self.ring[i].slot = self.slot[i]
            self.ring[i].mask = self.mask[i]

    cdef void start(self) noexcept nogil:
        pass

    cdef bint counts(self, const double *x) noexcept nogil:
        return True

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        pass

    cdef void report(self, double value, int signal, double confidence) noexcept nogil:
        cdef report_t *last = report_of(self)
        last.value, last.signal, last.confidence, last.ready = value, signal, confidence, 1

    cdef void withdraw(self) noexcept nogil:
        """Not ready, as before the first observation."""
        cdef report_t *last = report_of(self)
        cdef Py_ssize_t i
        last.value, last.signal, last.confidence, last.ready = NAN, 0, 0.0, 0
        for i in range(self.gives):
            self.out[i] = NAN

    cdef void observe(self, int64_t ts, const double *x) noexcept nogil:
        cdef report_t *last = report_of(self)
        if not self.counts(x):
            return
        if ts > last.ts:  # one that steps back, or is not there, reads as the last
            last.ts = ts
        self.step(0 if last.ts == INT64_MIN else last.ts, x)

    def __dealloc__(self):
        free(self.block)
        self.block = NULL

    def reset(self):
        """Forget every observation."""
        memset(self.block, 0, self.size)
        self.link()
        report_of(self).ts = INT64_MIN
        self.withdraw()
        self.start()

    def update(self, int64_t ts, x):
        """Observe one row: its time in ns (INT64_MIN: none) and the fields read, NaN where one is not there."""
        cdef double row[READS_MAX]
        cdef Py_ssize_t i
        if len(x) != self.reads:
            raise ValueError(f"an observation must have {self.reads} fields, was {len(x)}")
        for i in range(self.reads):
            row[i] = x[i]
        self.observe(ts, row)

    def run(self, const int64_t[::1] ts not None, columns, double[::1] value not None, signed char[::1] signal not None,
            double[::1] confidence not None, unsigned char[::1] ready not None, double[:, ::1] outputs not None):
        """Observe rows in order, without the GIL, and note what stands after each.

        Parameters
        ----------
        ts : ndarray of int64, shape (n,)
        columns : sequence of (ndarray of float64, shape (n,)) or None
            One a field; None where the source does not carry it.
        value, signal, confidence, ready : ndarray of float64, int8, float64, uint8, shape (n,)
        outputs : ndarray of float64, shape (gives, n)
            Written.

        Raises
        ------
        ValueError
            If an array has another shape.
        """
        cdef Py_ssize_t i, j, n = ts.shape[0]
        cdef const double *column[READS_MAX]
        cdef double row[READS_MAX]
        cdef const double[::1] view
        cdef report_t *last = report_of(self)
        if len(columns) != self.reads:
            raise ValueError(f"the columns must be {self.reads}, were {len(columns)}")
        if not n == value.shape[0] == signal.shape[0] == confidence.shape[0] == ready.shape[0] == outputs.shape[1] \
                or outputs.shape[0] != self.gives:
            raise ValueError(f"results must have {n} rows and {self.gives} outputs")
        for j in range(self.reads):
            column[j] = NULL
            if columns[j] is not None:
                view = columns[j]
                if view.shape[0] != n:
                    raise ValueError(f"the columns must have {n} rows, was {view.shape[0]}")
                if n > 0:
                    column[j] = &view[0]
        with nogil:
            for i in range(n):
                for j in range(self.reads):
                    row[j] = NAN if column[j] == NULL else column[j][i]
                self.observe(ts[i], row)
                value[i], confidence[i] = last.value, last.confidence
                signal[i] = <signed char> last.signal
                ready[i] = <unsigned char> last.ready
                for j in range(self.gives):
                    outputs[j, i] = self.out[j]

    @property
    def value(self):
        return report_of(self).value

    @property
    def signal(self):
        return report_of(self).signal

    @property
    def confidence(self):
        return report_of(self).confidence

    @property
    def ready(self):
        return report_of(self).ready == 1

    @property
    def outputs(self):
        return [self.out[i] for i in range(self.gives)]

    def state(self):
        """Return all that the kernel remembers, as bytes that do not depend on where it lies."""
        cdef int i
        cdef bytes copy
        for i in range(self.rings):
            self.ring[i].slot = NULL
        copy = self.block[:self.size]
        self.link()
        return copy

    def restore(self, const unsigned char[::1] state not None):
        """Go on from a state that a kernel of equal parameters gave.

        Raises
        ------
        ValueError
            If it has another size.
        """
        if <size_t> state.shape[0] != self.size:
            raise ValueError(f"a state of this kernel must have {self.size} bytes, was {state.shape[0]}")
        memcpy(self.block, &state[0], self.size)
        self.link()
