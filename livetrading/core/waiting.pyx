# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels that remember as many events as a span of time holds: a queue beside the block, which doubles when full."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from livetrading.core.kernel cimport Kernel

cdef uint64_t FIRST_ROOM = 256


cdef class WaitingKernel(Kernel):
    """A compiled formula with a queue; the subclasses say of what."""

    def __dealloc__(self):
        free(self.events)
        self.events = NULL

    cdef uint64_t waiting(self) noexcept nogil:
        return self.last - self.first

    cdef event_t *event_at(self, uint64_t place) noexcept nogil:
        return &self.events[(self.first + place) & (self.room - 1)]

    cdef void event_push(self, int64_t ts, double sign, double price, double mid) noexcept nogil:
        cdef event_t *at
        if self.last - self.first == self.room and not self.grow():
            self.short_of_memory = True
            return
        at = &self.events[self.last & (self.room - 1)]
        at.ts, at.sign, at.price, at.mid = ts, sign, price, mid
        self.last += 1

    cdef bint grow(self) noexcept nogil:
        cdef uint64_t room = 2 * self.room if self.room > 0 else FIRST_ROOM, count = self.last - self.first, i
        cdef event_t *events = <event_t *> malloc(room * sizeof(event_t))
        if events == NULL:
            return False
        for i in range(count):
            events[i] = self.event_at(i)[0]
        free(self.events)
        self.events, self.room, self.first, self.last = events, room, 0, count
        return True

    cdef void event_drop(self) noexcept nogil:
        self.first += 1

    cdef void forget(self) noexcept nogil:
        self.first = self.last = 0

    cdef object ask(self):
        if self.short_of_memory:
            self.short_of_memory = False
            raise MemoryError(f"the events of the span must fit into memory, were {self.waiting()}")

    def update(self, int64_t ts, x):
        """Observe one row, as `Kernel.update`.

        Raises
        ------
        MemoryError
            If what waits does not fit into memory; the last event is not among it.
        """
        Kernel.update(self, ts, x)
        self.ask()

    def run(self, ts, columns, value, signal, confidence, ready, outputs):
        """Observe rows, as `Kernel.run`.

        Raises
        ------
        MemoryError
            If what waits does not fit into memory; some events are not among it.
        """
        Kernel.run(self, ts, columns, value, signal, confidence, ready, outputs)
        self.ask()

    def state(self):
        """Return all that the kernel remembers, the queue behind the block."""
        cdef uint64_t count = self.waiting(), i
        cdef list parts = [Kernel.state(self)]
        for i in range(count):
            parts.append((<char *> self.event_at(i))[:sizeof(event_t)])
        return b"".join(parts)

    def restore(self, const unsigned char[::1] state not None):
        """Go on from a state that a kernel of equal parameters gave.

        Raises
        ------
        ValueError
            If it has a size that no state of this kernel has.
        """
        cdef uint64_t size = <uint64_t> state.shape[0], i, count
        if size < self.size or (size - self.size) % sizeof(event_t) != 0:
            raise ValueError(f"a state of this kernel must have {self.size} bytes and whole events, was {size}")
        Kernel.restore(self, state[:self.size])
        count = (size - self.size) // sizeof(event_t)
        self.forget()
        for i in range(count):
            self.event_push(0, 0.0, 0.0, 0.0)
            self.ask()
            memcpy(self.event_at(i), &state[self.size + i * sizeof(event_t)], sizeof(event_t))
