"""Recordings as no exchange writes them: odd cells, quotes, encodings; damaged files of every format."""

import gzip
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import pyarrow as arrow
import pytest
from fuzz_ticks import ODD, TIMES, faults
from pyarrow import parquet
from tapes import DATA, awkward

from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import TICK, Rejection
from livetrading.core.processor import Processor
from livetrading.core.settings import BrokerSettings, ExitSettings, Settings
from livetrading.data import csv_columns
from livetrading.data.columns import PLACES, SUFFIXES
from livetrading.data.errors import DataError
from livetrading.data.latency import read_latencies
from livetrading.data.returns import read_returns
from livetrading.data.ticks import open_ticks, read_ticks, write_ticks

Rng = np.random.Generator
QUOTES, TRADES = ((DATA / f"btcusdt_spot_20240808_{kind}.csv").read_bytes() for kind in ("quotes", "trades"))
CELLS: Final = [
    *b'0 -0 nan NaN inf -inf 1e400 1e-400 1_000 0x10 1.5.2 1,5 -1 +1 True None 1e5 1.0 =1+1 " "1 "1"'.split(),
    *(b"", b" ", b"'1'", b'"1\n2"', b"9" * 30, b"9" * 5000, b"1" * 140_000, "é".encode(), "٣".encode()),
    *(b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b[2J", b"\xe2\x80\xa8", b"\x0b", b"\x1c", b"\x85", b"\r"),
]


def pick(rng: Rng, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def made_up(rng: Rng) -> bytes:
    """Return a table whose columns and cells are drawn one by one."""
    names = [str(name) for name in rng.permutation(list(PLACES))[: rng.integers(1, len(PLACES) + 1)]]
    if rng.random() < 0.2:
        names.append(pick(rng, ["", "time", "bid", " bid ", "BID"]))
    rows = [",".join(names)]
    for _ in range(rng.integers(0, 20)):
        rows.append(",".join(str(pick(rng, [*ODD, *TIMES, 1, 7.5, ""])) for _ in names))
    return "\n".join(rows).encode()


def good(rng: Rng) -> bytes:
    """Return rows of a recording, or ticks of a made-up market with every field."""
    n = int(rng.integers(2, 60))
    if rng.random() < 0.7:
        return b"\n".join(pick(rng, [QUOTES, TRADES]).split(b"\n")[:n]) + b"\n"
    ticks = awkward(int(rng.integers(1 << 32)), 60)[:n]
    rows = [",".join(TICK.names or ())] + [",".join(map(repr, row)) for row in ticks.tolist()]
    return "\n".join(rows).encode()


def swap_cells(data: bytes, rng: Rng) -> bytes:
    lines = [line.split(b",") for line in data.split(b"\n")]
    for _ in range(rng.integers(1, 4)):
        row = lines[int(rng.integers(0 if rng.random() < 0.1 else min(1, len(lines) - 1), len(lines)))]
        row[int(rng.integers(len(row)))] = pick(rng, CELLS)
    return b"\n".join(b",".join(row) for row in lines)


def mix_lines(data: bytes, rng: Rng) -> bytes:
    lines = data.split(b"\n")
    at = int(rng.integers(len(lines)))
    kind = rng.integers(5)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, pick(rng, [b"", b" ", b",", b",,,,,,,,", b"\0", b"# comment", lines[0]]))
    elif kind == 2:
        lines[at] += pick(rng, [b",", b",1", b"\r", b" ", b'"'])
    elif kind == 3:
        lines = [lines[0], *(lines[k] for k in rng.permutation(range(1, len(lines))))]
    return pick(rng, [b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n"]).join(lines)


def flip_bytes(data: bytes, rng: Rng) -> bytes:
    out = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        if out:
            out[int(rng.integers(len(out)))] = int(rng.integers(256))
    return bytes(out)


def cut_off(data: bytes, rng: Rng) -> bytes:
    return data[: int(rng.integers(len(data) + 1))]


def encode_anew(data: bytes, rng: Rng) -> bytes:
    text = data.decode("latin-1")
    return text.encode(pick(rng, ["utf-16", "utf-32", "utf-8-sig", "utf-16-le"]))


MUTATIONS: Final = (swap_cells, swap_cells, mix_lines, mix_lines, flip_bytes, cut_off, encode_anew)


def table(rng: Rng) -> bytes:
    kind = rng.random()
    if kind < 0.05:
        return rng.bytes(int(rng.integers(400)))
    data = made_up(rng) if kind < 0.2 else good(rng)
    for _ in range(rng.integers(0, 3)):
        data = pick(rng, MUTATIONS)(data, rng)
    return data


def zipped(data: bytes, rng: Rng) -> bytes:
    """Gzip, and damage some: cut, flipped, followed by more, or no gzip at all."""
    packed = gzip.compress(data, 1)
    damage = pick(rng, [None, None, cut_off, flip_bytes, "twice", "more", "plain"])
    if callable(damage):
        return damage(packed, rng)
    return {None: packed, "twice": packed + packed, "more": packed + b"more", "plain": data}[damage]


def npy_bytes(rng: Rng) -> bytes:
    file = io.BytesIO()
    ticks = awkward(int(rng.integers(1 << 32)), 60)
    kind = rng.integers(5)
    if kind == 0:
        np.save(file, ticks["bid"])
    elif kind == 1:
        np.save(file, ticks.astype([(name, TICK[name].newbyteorder(">")) for name in TICK.names or ()]))
    elif kind == 2:
        np.savez(file, ticks)
    else:
        np.save(file, ticks[: rng.integers(0, 60)])
    data = file.getvalue()
    return pick(rng, [lambda d, r: d, flip_bytes, cut_off, lambda d, r: flip_bytes(d[:128], r) + d[128:]])(
        data, rng
    )


def zstandard(data: bytes, rng: Rng) -> bytes:
    packed = arrow.compress(data, codec="zstd", asbytes=True)
    return pick(rng, [lambda d, r: d, lambda d, r: d, flip_bytes, cut_off, lambda d, r: d + d])(packed, rng)


def parquet_bytes(rng: Rng) -> bytes:
    """Return a recording in Parquet, its columns now and then of an odd type or with nulls, or damaged."""
    ticks = awkward(int(rng.integers(1 << 32)), 60)[: rng.integers(0, 60)]
    columns = {}
    for name in TICK.names or ():
        column = arrow.array(ticks[name])
        if rng.random() < 0.05:
            column = column.cast(pick(rng, [arrow.string(), arrow.float64(), arrow.int64()]), safe=False)
        if rng.random() < 0.05:
            column = arrow.array([None if rng.random() < 0.1 else x for x in column.to_pylist()], column.type)
        if rng.random() < 0.95:
            columns[name] = column
    file = io.BytesIO()
    options = {"compression": pick(rng, ["none", "snappy", "zstd", "gzip"]), "row_group_size": 20,
               "write_page_checksum": bool(rng.random() < 0.5)}  # fmt: skip
    parquet.write_table(arrow.table(columns), file, **options)
    data = file.getvalue()
    return pick(rng, [lambda d, r: d, flip_bytes, cut_off, lambda d, r: flip_bytes(d[:600], r) + d[600:],
                      lambda d, r: d[:-600] + flip_bytes(d[-600:], r)])(data, rng)  # fmt: skip


WHOLE_FILES: Final = {".npy": npy_bytes, ".parquet": parquet_bytes}


def files(rng: Rng, folder: Path) -> list[Path]:
    """Write one recording, or a pair."""
    if rng.random() < 0.2:
        suffix = pick(rng, list(WHOLE_FILES))
        path = folder / f"a{suffix}"
        path.write_bytes(WHOLE_FILES[suffix](rng))
        return [path]
    names = ["a.csv"] if rng.random() < 0.7 else ["a.csv", "b.csv"]
    paths = []
    for name in names:
        data, suffix = table(rng), pick(rng, ["", "", "", "", "", "", ".gz", ".zst"])
        pack = {"": lambda data, rng: data, ".gz": zipped, ".zst": zstandard}[suffix]
        path = folder / (name + suffix)
        path.write_bytes(pack(data, rng))
        paths.append(path)
    return paths


def mapping(rng: Rng) -> dict[str, str]:
    if rng.random() < 0.9:
        return {}
    return {
        str(pick(rng, [*PLACES, "time", ""])): str(pick(rng, [*PLACES, "-", "x"]))
        for _ in range(rng.integers(3))
    }


def assert_explains(error: DataError, paths: list[Path]) -> None:
    """Assert that the message names a file, or the mapping."""
    said = str(error)
    assert any(str(path) in said for path in paths) or said.startswith("columns must"), said[:500]


def assert_says(again: DataError, error: DataError) -> None:
    """Assert that two errors have the same words; an object that NumPy shows stands elsewhere each time."""
    said, once = (re.sub(r"0x[0-9a-f]+>", ">", str(e)) for e in (again, error))
    assert said == once


def in_pieces(paths: list[Path], columns: dict[str, str], rng: Rng) -> np.ndarray:
    """Read as a run does, a few rows at a time, and by pyarrow what it reads as Python does."""
    pieces = []
    with patch.object(csv_columns, "FAST_BYTES", 0), open_ticks(paths, columns) as recording:
        if rng.random() < 0.3:
            recording.head(int(rng.integers(1, 40)))
        while len(rows := recording.read(int(rng.integers(1, 40)))):
            assert 0.0 <= recording.done <= 1.0
            pieces.append(rows)
    return np.concatenate(pieces)


def assert_same(ticks: np.ndarray, others: np.ndarray) -> None:
    for name in TICK.names or ():
        np.testing.assert_array_equal(ticks[name], others[name], err_msg=name)


def assert_written_and_read(ticks: np.ndarray, rng: Rng, folder: Path) -> None:
    """Assert that what is written comes back the same, in every format that holds it."""
    plain = (
        (np.abs(ticks["side"]) <= 1).all() and (ticks["flags"] <= 7).all() and (ticks["ts"] > -(2**63)).all()
    )
    path = folder / f"again{pick(rng, SUFFIXES if plain else ['.npy'])}"
    write_ticks(path, [ticks[:7], ticks[7:]])
    assert_same(read_ticks([path]), ticks)


def series(rng: Rng) -> tuple[bytes, bytes]:
    """Return a table of latencies or of returns, mutated, and an array of either, whole or damaged."""
    header = pick(
        rng, ["latency_ns", "ts_ns,latency_ns", "return", "close", "date,close", "open_time_ms,price_usd,ok"]
    )
    rows = np.sort(rng.integers(0, 10**12, (30, header.count(",") + 1)), axis=0)
    if rng.random() < 0.3:
        rows = rows / 1e13
    data = "\n".join([header, *(",".join(map(str, row)) for row in rows.tolist())]).encode()
    for _ in range(rng.integers(0, 3)):
        data = pick(rng, MUTATIONS)(data, rng)
    file = io.BytesIO()
    np.save(file, pick(rng, [rows, rows[:, 0], rows[:0], rows.astype(np.float32), np.array("x")]))
    return data, pick(rng, [lambda d, r: d, flip_bytes, cut_off])(file.getvalue(), rng)


def series_case(rng: Rng, folder: Path) -> Counter[str]:
    """Read latencies or returns: usable, or an error that names the file."""
    read = pick(rng, [read_latencies, read_returns])
    text, array = series(rng)
    path = folder / pick(rng, ["a.csv", "a.csv", "a.npy"])
    path.write_bytes(pick(rng, [npy_bytes(rng), array, array]) if path.suffix == ".npy" else text)
    try:
        values = read(path)
    except DataError as error:
        assert_explains(error, [path])
        return Counter({"series fed": 1})
    assert len(values) > 0
    assert np.isfinite(values).all()
    if read is read_latencies:
        PaperBroker(100.0, BrokerSettings(latency="recorded"), latencies=values)
    return Counter({"series fed": 1, "series accepted": 1})


def case(rng: Rng, folder: Path) -> Counter[str]:
    """Read one recording: ticks, every one of which the processor counts, or an error that names the file."""
    if rng.random() < 0.15:
        return series_case(rng, folder)
    paths, columns = files(rng, folder), mapping(rng)
    try:
        ticks = read_ticks(paths, columns)
    except DataError as error:
        assert_explains(error, paths)
        with pytest.raises(DataError) as again:
            in_pieces(paths, columns, rng)
        assert_says(again.value, error)
        return Counter({"files fed": 1})
    assert ticks.dtype == TICK
    assert len(ticks) > 0
    assert_same(in_pieces(paths, columns, rng), ticks)
    if rng.random() < 0.2:
        assert_written_and_read(np.array(ticks), rng, folder)
    processor = Processor(Settings(exits=ExitSettings(take_profit_bps=3, stop_bps=4)), 1e4)
    rows = np.array(ticks)
    processor.replay(rows)
    totals, kinds = processor.totals(), faults(rows)
    assert totals["ticks"] == np.count_nonzero(kinds < 0)
    assert totals["rejected"] == {kind.name.lower(): np.count_nonzero(kinds == kind) for kind in Rejection}
    return Counter({"files fed": 1, "files accepted": 1, "rows": len(rows), "good rows": totals["ticks"]})
