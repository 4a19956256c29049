"""Small networks: their shapes, and the memory that a pass takes."""
from livetrading.core.learning cimport lt_net, lt_pcg64, lt_vae

cdef class Net:
    cdef lt_net net
    cdef double *places
    cdef double *scratch
    cdef double *by_weights
    cdef readonly Py_ssize_t weights, inputs, outputs, notes
    cdef readonly str shape
    cdef readonly tuple layout
    cdef object order

cdef class Vae:
    cdef lt_vae net
    cdef double *scratch
    cdef double *by_weights
    cdef readonly Py_ssize_t weights, inputs, code
    cdef readonly tuple layout
    cdef object order

cdef double *vector(size_t n) except NULL
cdef double *copied(const double[::1] x) except NULL
cdef int seeded(lt_pcg64 *g, words) except -1
