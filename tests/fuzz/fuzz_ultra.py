"""Ultra files, whole, torn and damaged, and such whose checksums agree though their rules are broken."""

import struct
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from fuzz_csv import assert_explains, cut_off, flip_bytes, pick
from fuzz_ticks import faults
from tapes import awkward

from livetrading.core.checksum import crc32c
from livetrading.core.dtypes import TICK, Rejection
from livetrading.core.processor import Processor
from livetrading.core.settings import ExitSettings, Settings
from livetrading.data.errors import DataError
from livetrading.data.ticks import open_ticks
from livetrading.data.ultra import UltraFile, UltraWriter, append, verify

Rng = np.random.Generator
CORPUS: Final = sorted((Path(__file__).parents[1] / "golden").glob("*.ultra"))
PAIR: Final = np.dtype([("ts", "<i8"), ("x", "<f4"), ("on", "|b1")])
NUMBERS: Final = [0, 1, 2, 63, 64, 2**16, 2**20, 2**31, 2**32 - 1]


def written(rng: Rng, folder: Path) -> tuple[bytes, bytes]:
    """Return a good file, and its rows."""
    path = folder / "good.ultra"
    path.unlink(missing_ok=True)
    dtype = pick(rng, [TICK, TICK, TICK, PAIR])
    rows = awkward(int(rng.integers(1 << 32)), 60) if dtype == TICK else np.zeros(60, PAIR)
    rows, priced = rows[: rng.integers(61)].copy(), bool(rng.random() < 0.5)
    prices = np.repeat(rng.choice([6e4, 7e4, np.nan], 10), 6)[: len(rows)]
    with UltraWriter(path, dtype, block_rows=int(rng.integers(1, 30)), true_price=priced) as writer:
        for at in np.array_split(np.arange(len(rows)), 3):
            writer.write(rows[at], prices[at] if priced else None)
            if rng.random() < 0.3:
                writer.flush()
    with UltraFile(path) as file:
        return path.read_bytes(), b"".join(block.tobytes() for block in file)


def sealed_header(data: bytes, rng: Rng) -> bytes:
    """Change the header, and make its checksum agree."""
    page = bytearray(data[:4092].ljust(4092, b"\0"))
    for _ in range(rng.integers(1, 4)):
        at = int(pick(rng, [8, 12, 16, 20, 24, 28, 32, *range(64, 600, 4), 3136, 3264]))
        value = struct.pack("<I", int(pick(rng, NUMBERS))) if rng.random() < 0.7 else rng.bytes(4)
        page[at : at + 4] = value
    return bytes(page) + struct.pack("<I", crc32c(page)) + data[4096:]


def sealed_block(data: bytes, rng: Rng) -> bytes:
    """Change a block's header or what follows it, and make its checksums agree."""
    at = data.find(b"LTBLOCK\n", 4096 + int(rng.integers(max(1, len(data) - 4096))))
    if at < 0 or len(data) < at + 64:
        return data
    head = bytearray(data[at : at + 60])
    field, form = pick(
        rng, [(8, "<Q"), (16, "<Q"), (24, "<q"), (32, "<q"), (40, "<I"), (44, "<I"), (48, "<Q")]
    )
    end = data.find(b"LTBLOCK\n", at + 1)
    body = bytearray(data[at + 64 : end if end > 0 else -64])
    if rng.random() < 0.7:
        struct.pack_into(form, head, field, int(pick(rng, NUMBERS[:-2])))
    elif body:
        place = int(rng.integers(len(body)))
        body[place : place + 8] = rng.bytes(len(body[place : place + 8]))
    struct.pack_into("<I", head, 56, crc32c(bytes(body)))
    own = crc32c(head, struct.unpack_from("<I", data, 4092)[0])
    return data[:at] + bytes(head) + struct.pack("<I", own) + bytes(body) + data[at + 64 + len(body) :]


def move(data: bytes, rng: Rng) -> bytes:
    """Cut a piece out, and put it in elsewhere, once or twice."""
    a, b, c = sorted(int(x) // 64 * 64 for x in rng.integers(0, len(data) + 1, 3))
    return pick(
        rng, [data[:a] + data[b:], data[:c] + data[a:b] + data[c:], data[:a] + bytes(b - a) + data[b:]]
    )


def go_on(data: bytes, rng: Rng) -> bytes:
    return data + pick(rng, [b"\0" * 64, b"\n", data, rng.bytes(int(rng.integers(300))), bytes(5000)])


DAMAGE: Final = [flip_bytes, cut_off, cut_off, sealed_header, sealed_block, sealed_block, move, go_on]


def read(path: Path) -> tuple[bytes, UltraFile]:
    with UltraFile(path) as file:
        rows = b"".join(rows.tobytes() for rows, _ in file.with_true_price())
        assert len(rows) == file.rows * file.dtype.itemsize
        return rows, file


def assert_replays(path: Path) -> int:
    """Every row of a recording is taken or counted."""
    processor = Processor(Settings(exits=ExitSettings(take_profit_bps=3, stop_bps=4)), 1e4)
    with open_ticks([path]) as recording:
        parts = []
        while len(rows := recording.read(17)):
            processor.replay(rows, None, 1, recording.true_price)
            parts.append(rows.copy())
    kinds, totals = faults(np.concatenate(parts)), processor.totals()
    assert totals["ticks"] == np.count_nonzero(kinds < 0)
    assert totals["rejected"] == {kind.name.lower(): np.count_nonzero(kinds == kind) for kind in Rejection}
    return len(kinds)


def assert_goes_on(path: Path, rows: bytes, dtype: np.dtype[Any]) -> None:
    """What is whole stays, and rows can be added."""
    more = np.zeros(3, dtype)
    with append(path) as writer:
        writer.write(more)
    assert read(path)[0] == rows + more.tobytes()
    assert verify(path) == []


def case(rng: Rng, folder: Path) -> Counter[str]:
    """Read one file: its rows, or an error that names it; what was only torn gives whole blocks."""
    data, rows = written(rng, folder)
    if rng.random() < 0.1:
        data, rows = pick(rng, CORPUS).read_bytes(), b""
    damage = [pick(rng, DAMAGE) for _ in range(rng.integers(0, 3))]
    for change in damage:
        data = change(data, rng)
    path = folder / "a.ultra"
    path.write_bytes(data)
    try:
        found, file = read(path)
    except DataError as error:
        assert_explains(error, [path])
        assert_faulty(path)
        return Counter({"files fed": 1, "damaged": 1})
    assert verify(path) == []
    if rows and not {sealed_header, sealed_block, move} & set(damage):
        assert rows.startswith(found)
    counts = Counter({"files fed": 1, "files accepted": 1, "torn": file.torn_bytes > 0})
    if found and file.dtype == TICK:
        counts["rows"] = assert_replays(path)
    assert_goes_on(path, found, file.dtype)
    return counts


def assert_faulty(path: Path) -> None:
    """Both ways of looking at a file come to the same."""
    try:
        assert verify(path) != []
    except DataError as error:
        assert_explains(error, [path])
    with pytest.raises(DataError):
        read(path)
