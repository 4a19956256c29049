# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""CRC-32C, the checksum of recordings (csrc/include/lt_crc32c.h)."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.number cimport PyNumber_Index
from libc.stdint cimport uint32_t

cdef extern from "lt_crc32c.h" nogil:
    void lt_crc32c_open()
    uint32_t lt_crc32c(uint32_t crc, const void *data, size_t n)
    uint32_t lt_crc32c_tables(uint32_t crc, const void *data, size_t n)
    int lt_crc32c_has_instructions()

lt_crc32c_open()


def crc32c(data, value=0, *, bint tables=False):
    """Return the CRC-32C (Castagnoli) of bytes, as iSCSI, ext4 and SCTP have it.

    Parameters
    ----------
    data : buffer
        Contiguous; bytes, an array, a map of a file.
    value : int
        The checksum of what comes before `data`, 0 of nothing.
    tables : bool
        Take tables also where the processor has instructions for it: slower, and the same.

    Returns
    -------
    int
        From 0 to 2**32 - 1.

    Raises
    ------
    TypeError, ValueError, BufferError
        If `data` has no contiguous buffer, or `value` is no checksum.

    Notes
    -----
    Any change that spans at most 32 bits changes it, and so does any odd number of flipped bits; any other escapes
    with a probability of 2**-32.

    References
    ----------
    Castagnoli, G., Braeuer, S., Herrmann, M. (1993), Optimization of cyclic redundancy-check codes with 24 and 32
    parity bits, IEEE Transactions on Communications 41 (6).

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    cdef Py_buffer view
    cdef uint32_t crc
    value = PyNumber_Index(value)
    if not 0 <= value < 1 << 32:
        raise ValueError(f"value must be from 0 to 2**32 - 1, was {value}")
    crc = value
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    with nogil:
        crc = (lt_crc32c_tables if tables else lt_crc32c)(crc, view.buf, <size_t> view.len)
    PyBuffer_Release(&view)
    return crc


def has_instructions():
    """Tell whether this processor has instructions for the checksum."""
    return bool(lt_crc32c_has_instructions())
