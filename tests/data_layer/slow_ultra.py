"""The ultra format read from its table in docs/ULTRA.md: plain, slow, and by nothing of the package's."""

import struct
from typing import Any

import numpy as np


def crc32c(data: bytes, crc: int = 0) -> int:
    """Bit by bit, as RFC 3720 defines it."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def dtype(file: bytes) -> np.dtype[Any]:
    names, formats, offsets = [], [], []
    for i in range(struct.unpack_from("<I", file, 28)[0]):
        name, form, offset = struct.unpack_from("<40s4sI", file, 64 + 48 * i)
        names.append(name.rstrip(b"\0").decode())
        formats.append(form.rstrip(b"\0").decode())
        offsets.append(offset)
    itemsize = struct.unpack_from("<I", file, 20)[0]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": itemsize})


def parts(file: bytes) -> list[tuple[np.ndarray, list[tuple[int, float]]]]:
    """Rows and steps of every block; the checksums are looked at where they are cheap."""
    magic, order, version, block_rows, itemsize, room = struct.unpack_from("<8s5I", file)
    assert (magic, order, version) == (b"\x89ULTRA\r\n", 0x01020304, 1)
    (header_crc,) = struct.unpack_from("<I", file, 4092)
    assert header_crc == crc32c(file[:4092])
    up = lambda n: (n + 63) // 64 * 64  # noqa: E731
    slot, found, before, at = 64 + up(block_rows * itemsize) + up(room * 16), [], 0, 4096
    while True:
        head = file[at : at + 64]
        if head[:8] != b"LTBLOCK\n":
            break
        number, first_row, _, _, rows, steps, zero, crc, own = struct.unpack_from("<QQqqIIQII", head, 8)
        assert (number, first_row, zero) == (len(found), before, 0)
        assert own == crc32c(head[:60], header_crc)
        begin, steps_at = at + 64, at + 64 + up(rows * itemsize)
        end = steps_at + up(steps * 16)
        if rows < 2000:
            assert crc == crc32c(file[begin:end])
        found.append(
            (
                np.frombuffer(file, dtype(file), rows, begin),
                list(struct.iter_unpack("<qd", file[steps_at : steps_at + 16 * steps])),
            )
        )
        before += rows
        last, at = end, at + slot
    mark = file[last:] if found else file[4096:]
    magic, blocks, rows = struct.unpack_from("<8sQQ", mark)
    assert (len(mark), magic, blocks, rows) == (64, b"LTCLOSE\n", len(found), before)
    assert struct.unpack("<I", mark[60:])[0] == crc32c(mark[:60], header_crc)
    return found


def rows(file: bytes) -> np.ndarray:
    """All rows of a closed file."""
    return np.frombuffer(b"".join(block.tobytes() for block, _ in parts(file)), dtype(file))
