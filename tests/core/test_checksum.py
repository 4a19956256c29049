"""CRC-32C against another library, its definition bit by bit, and what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.core.checksum import crc32c, has_instructions

google_crc32c = pytest.importorskip("google_crc32c", reason="google-crc32c is not installed (group test)")


def bitwise(data: bytes, crc: int = 0) -> int:
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_vectors_of_rfc_3720(data: bytes, value: int) -> None:
    assert crc32c(data) == crc32c(data, tables=True) == bitwise(data) == value


@given(data=st.binary(max_size=3000), value=st.integers(0, 2**32 - 1))
def test_is_that_of_another_library(data: bytes, value: int) -> None:
    assert crc32c(data, value) == google_crc32c.extend(value, data)
    assert crc32c(data, value, tables=True) == google_crc32c.extend(value, data)


@given(data=st.binary(max_size=200), cut=st.integers(0, 200))
def test_goes_on_from_what_came_before(data: bytes, cut: int) -> None:
    assert crc32c(data[cut:], crc32c(data[:cut])) == bitwise(data)


@pytest.mark.parametrize("begin", range(9))
@pytest.mark.parametrize("size", [0, 1, 767, 768, 769, 12_287, 12_288, 40_000, 1 << 20])
def test_every_length_and_alignment(begin: int, size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, begin + size, dtype=np.uint8)[begin:]
    expected = google_crc32c.value(data.tobytes())
    assert crc32c(data) == crc32c(data, tables=True) == expected


def test_takes_anything_that_is_contiguous() -> None:
    rows = np.arange(10, dtype="<i8")
    for data in (rows, rows.view([("a", "<i8")]), memoryview(rows), bytearray(rows.tobytes())):
        assert crc32c(data) == bitwise(rows.tobytes())
    with pytest.raises((ValueError, BufferError)):
        crc32c(rows[::2])
    with pytest.raises(TypeError):
        crc32c("text")
    for value in (-1, 2**32):
        with pytest.raises(ValueError, match=r"from 0 to 2\*\*32 - 1"):
            crc32c(b"", value)
    with pytest.raises(TypeError):
        crc32c(b"", 1.0)


def test_says_what_it_runs_on() -> None:
    assert isinstance(has_instructions(), bool)
