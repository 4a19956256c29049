"""The ultra format: what is written comes back, and what is not whole is known."""

import errno
import io
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slow_ultra
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrading.core.checksum import crc32c
from livetrading.core.dtypes import BAR, FILL, RESULT, TICK
from livetrading.data import ultra, ultra_end
from livetrading.data.errors import DataError, UltraDamaged
from livetrading.data.results import ResultWriter
from livetrading.data.ultra import UltraFile, UltraWriter, append, verify
from livetrading.data.ultra_layout import STEP, BlockHead, EndMark, Layout

PAIR = np.dtype([("ts", "<i8"), ("price", "<f8")])
ODD = np.dtype(
    {"names": ["ts", "x", "é"], "formats": ["<i8", "|b1", "<f2"], "offsets": [3, 11, 20], "itemsize": 23}
)
Folder = pytest.TempPathFactory


def random_rows(n: int, dtype: np.dtype[Any] = TICK, seed: int = 1) -> np.ndarray:
    """Any bits in every field, so NaN of every payload too; zeros between the fields."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(n, dtype)
    for name in dtype.names or ():
        kind = dtype[name]
        values = rng.integers(0, 2 if kind.kind == "b" else 256, (n, kind.itemsize), dtype=np.uint8)
        rows[name] = values.view(kind)[:, 0]
    return rows


def write(path: Path, rows: np.ndarray, block_rows: int = 10, **options: Any) -> Path:
    with UltraWriter(path, rows.dtype, block_rows=block_rows, **options) as writer:
        writer.write(rows)
    return path


def contents(path: Path) -> bytes:
    with UltraFile(path) as file:
        return b"".join(rows.tobytes() for rows in file)


def bits(prices: np.ndarray | None) -> list[int]:
    assert prices is not None
    return prices.view(np.int64).tolist()


class TestRoundTrip:
    @settings(deadline=None)
    @given(
        dtype=st.sampled_from([TICK, BAR, RESULT, FILL, PAIR, ODD]),
        n=st.integers(0, 60),
        seed=st.integers(0, 2**32),
        block_rows=st.integers(1, 30),
        cuts=st.lists(st.integers(0, 60), max_size=5),
    )
    def test_any_bits_come_back(
        self,
        tmp_path_factory: Folder,
        dtype: np.dtype[Any],
        n: int,
        seed: int,
        block_rows: int,
        cuts: list[int],
    ) -> None:
        rows = random_rows(n, dtype, seed)
        path = tmp_path_factory.mktemp("ultra") / "a.ultra"
        with UltraWriter(path, dtype, block_rows=block_rows) as writer:
            for part in np.split(rows, sorted(cuts)):
                writer.write(part)
        with UltraFile(path) as file:
            assert (file.dtype, file.rows, file.blocks) == (dtype, n, -(-n // block_rows))
            assert b"".join(block.tobytes() for block in file) == rows.tobytes()
            times = (int(rows["ts"][0]), int(rows["ts"][-1])) if n else (None, None)
            assert (file.first_ts, file.last_ts) == times
            assert (file.closed, file.torn_bytes) == (True, 0)
        assert slow_ultra.rows(path.read_bytes()).tobytes() == rows.tobytes()
        assert verify(path) == []

    @settings(deadline=None)
    @given(
        runs=st.lists(
            st.tuples(st.integers(1, 40), st.sampled_from([60_000.0, 1e-12, 1e15, float("nan"), 61_000.5])),
            max_size=20,
        ),
        block_rows=st.integers(1, 50),
        cuts=st.lists(st.integers(0, 400), max_size=4),
    )
    def test_true_prices_come_back(
        self, tmp_path_factory: Folder, runs: list[tuple[int, float]], block_rows: int, cuts: list[int]
    ) -> None:
        prices = np.concatenate([np.zeros(0), *(np.full(n, price) for n, price in runs)])
        rows = random_rows(len(prices), PAIR)
        path = tmp_path_factory.mktemp("ultra") / "a.ultra"
        with UltraWriter(path, PAIR, block_rows=block_rows, true_price=True) as writer:
            for at in np.split(np.arange(len(rows)), sorted(cuts)):
                writer.write(rows[at], prices[at])
        with UltraWriter(
            path.with_name("whole.ultra"), PAIR, block_rows=block_rows, true_price=True
        ) as writer:
            writer.write(rows, prices)
        assert path.read_bytes() == path.with_name("whole.ultra").read_bytes()
        with UltraFile(path) as file:
            found = [file.true_price(i) for i in range(file.blocks)]
            assert contents(path) == rows.tobytes()
        assert [bit for block in found for bit in bits(block)] == bits(prices)
        slow = []
        for block, steps in slow_ultra.parts(path.read_bytes()):
            ends = [row for row, _ in steps[1:]] + [len(block)]
            slow += [value for (row, value), end in zip(steps, ends, strict=True) for _ in range(row, end)]
        np.testing.assert_array_equal(np.array(slow), prices)
        assert verify(path) == []

    def test_views_are_of_the_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.ultra", random_rows(25))
        with UltraFile(path) as file:
            for i in range(3):
                rows = file.block(i)
                assert not rows.flags.writeable
                assert not rows.flags.owndata
                assert rows.ctypes.data % 64 == 0
                assert np.shares_memory(rows, np.frombuffer(file._map, np.uint8))
            kept = list(file)
        assert b"".join(rows.tobytes() for rows in kept) == random_rows(25).tobytes()
        with pytest.raises(DataError, match=r"must be open to be read, was closed: .*a.ultra"):
            file.block(0)

    def test_equal_rows_give_equal_bytes(self, tmp_path: Path) -> None:
        dirty = np.frombuffer(b"\x55" * (TICK.itemsize * 25), TICK)
        clean = np.zeros(25, TICK)
        for name in TICK.names or ():
            clean[name] = dirty[name]
        files = [write(tmp_path / f"{i}.ultra", rows).read_bytes() for i, rows in enumerate((dirty, clean))]
        assert files[0] == files[1]

    def test_a_writer_and_results_make_the_same_file(self, tmp_path: Path) -> None:
        rows = random_rows(70_000, PAIR)
        with ResultWriter(tmp_path / "results.ultra", PAIR) as results:
            results.write(rows[:1])
            results.write(rows[1:])
        made = write(tmp_path / "writer.ultra", rows, ultra.BLOCK_ROWS)
        assert made.read_bytes() == (tmp_path / "results.ultra").read_bytes()

    def test_the_header_says_what_it_is(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.ultra", random_rows(3), source="chaos, seed 1 – “ü”")
        with UltraFile(path) as file:
            assert file.layout.source == "chaos, seed 1 – “ü”"
            assert file.layout.creator.startswith("livetrading ")
            assert file.layout.dtype == TICK

    def test_flushed_blocks_are_short(self, tmp_path: Path) -> None:
        path, rows = tmp_path / "a.ultra", random_rows(25)
        with UltraWriter(path, TICK, block_rows=10) as writer:
            for begin, end in ((0, 3), (3, 3), (3, 14), (14, 25)):
                writer.write(rows[begin:end])
                writer.flush()
                assert (writer.rows, contents(path)) == (end, rows[:end].tobytes())
        assert contents(path) == rows.tobytes()
        assert slow_ultra.rows(path.read_bytes()).tobytes() == rows.tobytes()
        with UltraFile(path) as file:
            assert [len(block) for block in file] == [3, 10, 1, 10, 1]


class TestAppend:
    @pytest.mark.parametrize("first", [0, 5, 10, 25])
    @pytest.mark.parametrize("second", [0, 5, 20])
    @pytest.mark.parametrize("priced", [False, True])
    def test_goes_on_after_the_last_block(
        self, tmp_path: Path, first: int, second: int, priced: bool
    ) -> None:
        rows = random_rows(first + second)
        prices = np.full(len(rows), 5.0) if priced else None
        path = tmp_path / "a.ultra"
        with UltraWriter(path, TICK, block_rows=10, true_price=priced) as writer:
            writer.write(rows[:first], None if prices is None else prices[:first])
        with append(path) as writer:
            assert (writer.rows, writer.blocks, writer.torn_bytes) == (first, -(-first // 10), 0)
            writer.write(rows[first:], None if prices is None else prices[first:])
        assert contents(path) == rows.tobytes()
        assert slow_ultra.rows(path.read_bytes()).tobytes() == rows.tobytes()
        assert verify(path) == []

    def test_one_writer_at_a_time(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ultra"
        with UltraWriter(path, TICK) as writer:
            with pytest.raises(DataError, match="one process at a time"):
                append(path)
            writer.write(random_rows(3))
        with append(path), pytest.raises(DataError, match="one process at a time"):
            append(path)
        assert contents(path) == random_rows(3).tobytes()

    def test_a_file_that_is_there_is_not_replaced(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.ultra", random_rows(3))
        before = path.read_bytes()
        with pytest.raises(DataError, match=r"a\.ultra must be a new file, was there already"):
            UltraWriter(path, TICK)
        assert path.read_bytes() == before

    def test_damage_is_not_built_on(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.ultra", random_rows(25))
        good = path.read_bytes()
        for at in (0, 5000, len(good) - 1, len(good) - 100):  # the first block is not looked at
            path.write_bytes(flipped(good, at, 1))
            if at == 5000:
                append(path).close()
            else:
                with pytest.raises(DataError, match=r"a\.ultra"):
                    append(path)
                assert path.read_bytes() == flipped(good, at, 1)

    def test_a_file_that_grows_is_read_to_where_it_was(self, tmp_path: Path) -> None:
        path, rows = tmp_path / "a.ultra", random_rows(40)
        with UltraWriter(path, TICK, block_rows=10) as writer:
            writer.write(rows[:20])
            with UltraFile(path) as file:
                writer.write(rows[20:])
                assert b"".join(block.tobytes() for block in file) == rows[:20].tobytes()
                assert not file.closed
            assert contents(path) == rows.tobytes()


def layout_of(path: Path) -> Layout:
    with UltraFile(path) as file:
        return file.layout


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]


def block_of(content: bytes, at: int) -> int | None:
    """The block that a byte belongs to; None for the header and the end mark."""
    slot = 64 + 64 * 10
    return None if at < 4096 or at >= len(content) - 64 else (at - 4096) // slot


class TestDamage:
    @pytest.mark.parametrize("rows", [20, 25])
    def test_any_flipped_bit_is_found_and_its_block_named(self, tmp_path: Path, rows: int) -> None:
        path = write(tmp_path / "a.ultra", random_rows(rows))
        good, rng = path.read_bytes(), np.random.default_rng(1)
        for at in [*rng.integers(0, len(good), 1000), 0, 4095, 4096, *range(len(good) - 64, len(good))]:
            path.write_bytes(flipped(good, at, 1 << int(rng.integers(8))))
            block = block_of(good, at)
            if at < 8:  # a file of another kind
                with pytest.raises(DataError, match=r"must begin as an ultra file does"):
                    verify(path)
                continue
            faults = verify(path)
            assert [fault.block for fault in faults] == [block], at
            assert (f"a.ultra, block {block}: " if block is not None else "a.ultra: ") in str(faults[0])
            with pytest.raises(UltraDamaged) as caught:
                contents(path)
            assert (caught.value.block, str(caught.value)) == (block, str(faults[0]))

    def test_any_flipped_byte_of_short_blocks_and_true_prices(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ultra"
        with UltraWriter(path, PAIR, block_rows=20, true_price=True) as writer:
            for n in (7, 20, 3):
                writer.write(random_rows(n, PAIR), np.arange(n) + 1.0)
                writer.flush()
        good = path.read_bytes()
        with UltraFile(path) as file:
            slot = file.layout.slot
            assert [len(rows) for rows in file] == [7, 16, 4, 3]  # there is room for 16 prices
        for at in range(4096, len(good), 3):
            path.write_bytes(flipped(good, at, 16))
            expected = None if at >= len(good) - 64 else (at - 4096) // slot
            assert [fault.block for fault in verify(path)] == [expected], at

    def test_every_damaged_block_is_named(self, tmp_path: Path) -> None:
        content = write(tmp_path / "a.ultra", random_rows(55)).read_bytes()
        for at in (4096 + 704 + 3, 4096 + 3 * 704 + 70, 4096 + 5 * 704 + 1):
            content = flipped(content, at, 128)
        (tmp_path / "a.ultra").write_bytes(content)
        assert [fault.block for fault in verify(tmp_path / "a.ultra")] == [1, 3, 5]

    def test_blocks_of_other_files_and_places_are_known(self, tmp_path: Path) -> None:
        rows = random_rows(30)
        one = write(tmp_path / "a.ultra", rows).read_bytes()
        other = write(tmp_path / "b.ultra", rows, source="another").read_bytes()
        block = [slice(4096 + i * 704, 4096 + (i + 1) * 704) for i in range(3)]
        for content in (
            one[: block[1].start] + other[block[1]] + one[block[1].stop :],
            one[: block[1].start] + one[block[0]] + one[block[1].stop :],
            one[: block[1].start] + bytes(704) + one[block[1].stop :],
        ):
            (tmp_path / "c.ultra").write_bytes(content)
            assert [fault.block for fault in verify(tmp_path / "c.ultra")] == [1]
            with UltraFile(tmp_path / "c.ultra") as file:
                assert (
                    file.block(0).tobytes() + file.block(2).tobytes()
                    == rows[:10].tobytes() + rows[20:].tobytes()
                )
                with pytest.raises(UltraDamaged, match=r"c.ultra, block 1: its header must"):
                    file.block(1)

    def test_a_fault_goes_between_processes_whole(self) -> None:
        fault = UltraDamaged(Path("a"), 3, "it is so")
        again = pickle.loads(pickle.dumps(fault))
        assert (str(again), again.path, again.block) == (str(fault), Path("a"), 3)

    def test_a_file_cut_while_it_is_read(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.ultra", random_rows(1000, block := TICK), 10)
        with UltraFile(path) as file:
            blocks = iter(file)
            next(blocks)
            os.truncate(path, 5000)
            with pytest.raises(UltraDamaged, match="was cut to 5000 bytes while it was read"):
                next(blocks)
            assert block == TICK


class TestTornTail:
    @pytest.mark.parametrize("n", [20, 25])
    @pytest.mark.parametrize("priced", [False, True])
    def test_cut_anywhere_in_the_last_block_all_others_are_there(
        self, tmp_path: Path, n: int, priced: bool
    ) -> None:
        path, rows = tmp_path / "a.ultra", random_rows(n)
        prices = np.linspace(1.0, 2.0, n) if priced else None
        with UltraWriter(path, TICK, block_rows=10, true_price=priced) as writer:
            writer.write(rows, prices)
        whole = path.read_bytes()
        with UltraFile(path) as file:
            start, end = file.layout.at(file.blocks - 1), file.end.at
            before = (file.blocks - 1) * 10
        for size in range(start, len(whole)):
            path.write_bytes(whole[:size])
            kept = n if size >= end else before
            with UltraFile(path) as file:
                assert (file.rows, file.closed) == (kept, False), size
                assert file.torn_bytes == size - (end if size >= end else file.end.at)
                assert b"".join(block.tobytes() for block in file) == rows[:kept].tobytes()
            assert verify(path) == []
        path.write_bytes(whole[: end - 1])
        with append(path) as writer:
            assert (writer.rows, writer.torn_bytes > 0) == (before, True)
            writer.write(rows[before:], None if prices is None else prices[before:])
        assert path.read_bytes() == whole

    @given(data=st.data())
    @settings(deadline=None, max_examples=60)
    def test_a_block_without_its_header_is_none(self, tmp_path_factory: Folder, data: st.DataObject) -> None:
        """A loss of power may leave any part of what came after the last whole block, but for its header."""
        path, rows = tmp_path_factory.mktemp("torn") / "a.ultra", random_rows(20)
        content = write(path, rows).read_bytes()
        lost = bytearray(content[:-64])
        lost[4800:4864] = bytes(64)
        for page in range(4864 // 512, len(lost) // 512 + 1):
            if data.draw(st.booleans()):
                lost[max(4864, page * 512) : (page + 1) * 512] = bytes(
                    len(lost[max(4864, page * 512) : (page + 1) * 512])
                )
        path.write_bytes(lost)
        assert contents(path) == rows[:10].tobytes()
        with append(path) as writer:
            writer.write(rows[10:])
        assert path.read_bytes() == content

    def test_a_lost_header_before_the_end_mark_is_damage(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ultra"
        with UltraWriter(path, PAIR, block_rows=10) as writer:
            writer.write(random_rows(35, PAIR))
        with UltraFile(path) as file:
            start = file.layout.at(3)
        raw = bytearray(path.read_bytes())
        raw[start : start + 64] = bytes(64)
        path.write_bytes(raw)
        (fault,) = verify(path)
        assert (fault.block, "end mark of 4 blocks" in str(fault)) == (3, True)
        with pytest.raises(UltraDamaged, match="block 3: its header must be there"):
            UltraFile(path)
        path.write_bytes(raw[:-1])
        with UltraFile(path) as file:
            assert (file.rows, file.closed) == (30, False)

    def test_too_long_a_hole_is_no_tail(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write(tmp_path / "a.ultra", random_rows(20))
        os.truncate(path, 4096 + 100 * 704)
        assert contents(path) == random_rows(20).tobytes()
        monkeypatch.setattr(ultra_end, "TAIL_BLOCKS", 50)
        with pytest.raises(UltraDamaged, match="one of the last 50 blocks must have a header"):
            UltraFile(path)
        assert [fault.block for fault in verify(path)] == [99]


class Faulty(io.FileIO):
    """A file whose n-th call of a kind fails, or that takes only a part of what it is given."""

    calls = 0
    fails_at = 10**9
    error = errno.ENOSPC
    partial = False

    @classmethod
    def count(cls) -> None:
        Faulty.calls += 1
        if Faulty.calls == Faulty.fails_at:
            raise OSError(Faulty.error, os.strerror(Faulty.error))

    def write(self, data: Any) -> int:
        if Faulty.partial and Faulty.calls + 1 == Faulty.fails_at:
            super().write(memoryview(data)[: len(data) // 2])
        Faulty.count()
        return super().write(memoryview(data)[: max(1, len(data) // 2)]) or 0


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let the n-th write, fsync or rename from now on fail."""
    replace = Path.replace

    def open_faulty(path: Path, mode: str = "r", buffering: int = -1, **options: Any) -> Any:
        if mode not in ("xb", "r+b"):
            return open(path, mode, buffering, **options)
        raw = Faulty(path, mode.replace("b", ""))
        return raw if buffering == 0 else io.BufferedWriter(raw)

    monkeypatch.setattr(Path, "open", open_faulty)
    monkeypatch.setattr(os, "fsync", lambda _: Faulty.count())
    monkeypatch.setattr(Path, "replace", lambda path, to: (Faulty.count(), replace(path, to))[1])

    def faulty(n: int, error: int, partial: bool = False) -> None:
        Faulty.calls, Faulty.fails_at, Faulty.error, Faulty.partial = 0, n, error, partial

    yield faulty
    faulty(10**9, 0)


@contextmanager
def failing_as(n: int, path: Path) -> Iterator[list[str]]:
    """Assert that the n-th call failed with a named error; the list is empty where there was none such."""
    failed: list[str] = []
    try:
        yield failed
    except DataError as failure:
        failed.append(str(failure))
    assert bool(failed) == (Faulty.calls >= n)
    assert all(f"{path} must be writable, was: " in words for words in failed)


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
class TestFullDisk:
    """What the n-th call that fails leaves behind, for every n."""

    def test_a_new_file(self, tmp_path: Path, faulty: Callable[..., None], error: int, partial: bool) -> None:
        rows = random_rows(25)
        for n in range(1, 1000):
            path = tmp_path / f"{n}.ultra"
            made: list[UltraWriter] = []
            faulty(n, error, partial)
            with failing_as(n, path) as failed:
                made.append(UltraWriter(path, TICK, block_rows=10, sync=True))
                with made[0]:
                    made[0].write(rows)
            faulty(10**9, 0)
            if not made:
                assert not path.exists()
                continue
            kept = made[0].rows
            assert contents(path) == rows[:kept].tobytes()
            assert verify(path) == []
            with append(path) as again:
                again.write(rows[kept:])
            assert contents(path) == rows.tobytes()
            if not failed:
                break
        assert n > 20

    def test_a_file_that_is_appended_to(
        self, tmp_path: Path, faulty: Callable[..., None], error: int, partial: bool
    ) -> None:
        rows = random_rows(45)
        whole = write(tmp_path / "whole.ultra", rows[:25]).read_bytes()
        for n in range(1, 1000):
            path = tmp_path / f"{n}.ultra"
            path.write_bytes(whole)
            faulty(n, error, partial)
            with failing_as(n, path) as failed, append(path, sync=True) as writer:
                writer.write(rows[25:])
            kept = writer.rows
            faulty(10**9, 0)
            assert contents(path) == rows[:kept].tobytes()
            assert kept >= 25
            if not failed:
                break
        assert n > 15

    def test_a_file_that_is_written_whole(
        self, tmp_path: Path, faulty: Callable[..., None], error: int, partial: bool
    ) -> None:
        path, rows = tmp_path / "a.ultra", random_rows(3)
        path.write_text("before")
        for n in range(1, 1000):
            faulty(n, error, partial)
            with failing_as(n, path) as failed, ResultWriter(path, TICK) as writer:
                writer.write(rows)
            if not failed:
                break
            assert path.read_text() == "before"
            assert list(tmp_path.iterdir()) == [path]
        faulty(10**9, 0)
        assert contents(path) == rows.tobytes()
        assert n > 10


class Logged(io.FileIO):
    """A file that notes what is done to it."""

    log: list[tuple[int, bytes] | None] = []  # noqa: RUF012

    def write(self, data: Any) -> int:
        Logged.log.append((self.tell(), bytes(data)))
        return super().write(data) or 0


def after_a_loss_of_power(log: list[tuple[int, bytes] | None], rng: np.random.Generator) -> bytes:
    """What was synchronised, and of what was written since some sectors and others not."""
    synced = max((i for i, entry in enumerate(log) if entry is None), default=-1)
    disk, lost = bytearray(), rng.random(1000) < rng.random()
    for i, entry in enumerate(log):
        begin, data = (0, b"") if entry is None else entry
        for at in range(0, len(data), 64):
            if i < synced or not lost[(begin + at) // 512]:
                disk.extend(bytes(max(0, begin + at + 64 - len(disk))))
                disk[begin + at : begin + at + 64] = data[at : at + 64]
    return bytes(disk)


def test_a_loss_of_power_leaves_the_blocks_that_were_synchronised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_logged(file: Path, mode: str, buffering: int = -1, **options: Any) -> Any:
        return Logged(file, "x") if mode == "xb" else open(file, mode, buffering, **options)

    rows, rng, path = random_rows(37), np.random.default_rng(1), tmp_path / "lost.ultra"
    Logged.log, acknowledged = [], [(0, 0)]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_logged)
        patch.setattr(os, "fsync", lambda _: Logged.log.append(None))
        writer = UltraWriter(tmp_path / "a.ultra", TICK, block_rows=10, sync=True)
        acknowledged.append((len(Logged.log), 0))
        for row in range(37):
            writer.write(rows[row : row + 1])
            acknowledged.append((len(Logged.log), writer.rows))
        writer.close()
    for end in range(acknowledged[1][0], len(Logged.log) + 1):
        least = max(kept for at, kept in acknowledged if at <= end)
        for _ in range(20):
            path.write_bytes(after_a_loss_of_power(Logged.log[:end], rng))
            with UltraFile(path) as file:
                assert file.rows >= least
                assert b"".join(block.tobytes() for block in file) == rows[: file.rows].tobytes()
            assert verify(path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from livetrading.core.dtypes import TICK
from livetrading.data.ultra import UltraFile, UltraWriter, append, verify
from livetrading.data.ultra_layout import STEP, BlockHead, EndMark, Layout

folder, rng, torn = Path(sys.argv[1]), np.random.default_rng(1), 0
def rows(first, n):
    ticks = np.zeros(n, TICK)
    ticks["ts"] = np.arange(first, first + n)
    return ticks

for k in range(int(sys.argv[2])):
    path = folder / f"{k % 10}.ultra"
    if k % 10 == k:
        UltraWriter(path, TICK, block_rows=2000).close()
    with UltraFile(path) as file:
        before = file.rows
    out, say = os.pipe()
    if not (child := os.fork()):
        writer = append(path)
        first = writer.rows
        while True:
            writer.write(rows(first, 500))
            first += 500
            os.write(say, writer.rows.to_bytes(8, "little"))
    acknowledged = before
    while acknowledged < before + 2000 * int(rng.integers(1, 4)):
        acknowledged = int.from_bytes(os.read(out, 8), "little")
    for _ in range(int(rng.integers(0, 3000))):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(say)
    while said := os.read(out, 8):
        acknowledged = int.from_bytes(said, "little")
    os.close(out)
    assert verify(path) == []
    with UltraFile(path) as file:
        torn += file.torn_bytes > 0
        assert not file.closed
        assert file.rows >= acknowledged and file.rows % 2000 == 0, (file.rows, acknowledged)
        assert np.array_equal(np.concatenate([b["ts"] for b in file]), np.arange(file.rows))
print(torn)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_killed_at_any_moment_it_holds_whole_blocks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "100"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


class TestSize:
    def test_a_thousand_million_ticks_open_with_a_few_reads(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.ultra"
        sparse(path, 10**9)
        assert path.stat().st_size > 64 * 10**9
        reads: list[int] = []
        read_at = ultra_end.read_at

        def counted(file: Any, at: int, count: int) -> bytes:
            reads.append(count)
            return read_at(file, at, count)

        monkeypatch.setattr(ultra, "read_at", counted)
        monkeypatch.setattr(ultra_end, "read_at", counted)
        with UltraFile(path) as file:
            assert (file.rows, file.blocks, file.closed) == (10**9, 15_259, True)
            assert (file.first_ts, file.last_ts) == (0, 0)
            assert len(reads) <= 4
            assert sum(reads) <= 5000
            assert len(file.block(7)) == 65_536
            assert len(file.block(15_258)) == 10**9 % 65_536

    def test_iteration_holds_a_block_at_a_time(self, tmp_path: Path) -> None:
        if not Path("/proc/self/smaps").exists():
            pytest.skip("no /proc on this system")
        write(tmp_path / "a.ultra", random_rows(400_000), 16_384)

        def resident(path: Path) -> int:
            at = Path("/proc/self/smaps").read_text().split(str(path))
            return sum(int(part.split("Rss:")[1].split()[0]) for part in at[1:])

        with UltraFile(tmp_path / "a.ultra") as file:
            held = [(block["ts"].sum(), resident(file.path))[1] for block in file]
        assert len(held) == 25
        assert 1024 <= max(held) <= 3 * 1024


def sparse(path: Path, rows: int) -> None:
    """A file of zero ticks whose payload is holes: headers alone take room."""
    layout = ultra.layout_of(TICK)
    crc = crc32c(bytes(layout.slot - 64))
    with path.open("wb") as file:
        file.write(layout.to_bytes())
        for number in range(-(-rows // layout.block_rows)):
            first = number * layout.block_rows
            n = min(layout.block_rows, rows - first)
            crc = crc if n == layout.block_rows else crc32c(bytes(n * TICK.itemsize))
            file.seek(layout.at(number))
            file.write(BlockHead(number, first, 0, 0, n, 0, crc).to_bytes(layout))
        end = layout.at(number) + layout.used(n, 0)
        file.seek(end)
        file.write(EndMark(number + 1, rows).to_bytes(layout))


class TestHostileHeaders:
    def test_big_endian_and_other_versions_are_refused_by_name(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.ultra", random_rows(3))
        good = path.read_bytes()
        for at, value, words in (
            (8, b"\x01\x02\x03\x04", "must be little-endian, was big-endian"),
            (8, b"\x04\x03\x01\x02", "little-endian, was of the mark 0x2010304"),
            (12, struct.pack("<I", 2), "must be of version 1 of the format, was 2"),
            (12, struct.pack(">I", 1), "must be of version 1"),
        ):
            path.write_bytes(sealed(good, at, value))
            with pytest.raises(DataError, match=words):
                UltraFile(path)

    @pytest.mark.parametrize(
        ("at", "value", "words"),
        [
            (16, struct.pack("<I", 0), "block_rows must be from 1"),
            (16, struct.pack("<I", 2**32 - 1), "block_rows must be from 1 to 1048576"),
            (20, struct.pack("<I", 0), "a row must be of 1 to 4096 bytes, was 0"),
            (20, struct.pack("<I", 5000), "a row must be of 1 to 4096 bytes, was 5000"),
            (20, struct.pack("<I", 50), "by the rules"),
            (24, struct.pack("<I", 2**31), "steps must be from 0"),
            (28, struct.pack("<I", 0), "fields must be from 1 to 64, was 0"),
            (28, struct.pack("<I", 2**32 - 1), "fields must be from 1 to 64"),
            (28, struct.pack("<I", 10), "little-endian number"),
            (28, struct.pack("<I", 8), "not used must be zero"),
            (32, struct.pack("<I", 1), "fields must be from"),
            (36, b"\x01", "not used must be zero"),
            (64 + 40, b"|O8\0", "little-endian number of 1 to 8 bytes, was ts |O8"),
            (64 + 40, b">i8\0", "little-endian number of 1 to 8 bytes, was ts >i8"),
            (64 + 40, b"<M8\0", "little-endian number"),
            (64 + 40, b"\xff\xff\xff\xff", "by the rules"),
            (64 + 44, struct.pack("<I", 2**32 - 1), "by the rules"),
            (64 + 44, struct.pack("<I", 4), "in order and apart"),
            (64, b"price\0", "by the rules"),
            (64, b"\x1b[", "printable name"),
            (64, b"\0\0\0", "printable name"),
            (64, b"\0a\0", "printable name"),
            (64, b"\xff\xfe", "by the rules"),
            (3136, b"\n", "creator must be printable"),
            (3264, b"\x1b[2J", "source must be printable"),
        ],
    )
    def test_rules_are_held_though_the_checksum_agrees(
        self, tmp_path: Path, at: int, value: bytes, words: str
    ) -> None:
        path = write(tmp_path / "a.ultra", random_rows(3))
        path.write_bytes(sealed(path.read_bytes(), at, value))
        with pytest.raises(DataError, match=words) as caught:
            UltraFile(path)
        assert str(path) in str(caught.value)

    def test_blocks_that_do_not_follow_each_other(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.ultra", random_rows(20))
        layout = layout_of(path)
        for head in (
            BlockHead(1, 11, 0, 0, 10, 0, 0),
            BlockHead(1, 10, 0, 0, 11, 0, 0),
            BlockHead(1, 10, 0, 0, 0, 0, 0),
            BlockHead(1, 10, 0, 0, 10, 1, 0),
            BlockHead(2, 10, 0, 0, 10, 0, 0),
            BlockHead(1, 2**63, 0, 0, 10, 0, 0),
        ):
            content = bytearray(path.read_bytes())
            payload = crc32c(content[4864:-64])
            content[4800:4864] = BlockHead(*[*vars(head).values()][:-1], payload).to_bytes(layout)
            (tmp_path / "b.ultra").write_bytes(content[:-64])
            assert [fault.block for fault in verify(tmp_path / "b.ultra")] == [1]
            with pytest.raises(UltraDamaged, match=r"b.ultra, block 1: "):
                contents(tmp_path / "b.ultra")

    @pytest.mark.parametrize(
        "steps",
        [
            *(
                [(1, 5.0)],
                [(0, 5.0), (0, 6.0)],
                [(0, 5.0), (10, 6.0)],
                [(0, -1.0)],
                [(0, np.inf)],
                [(-1, 1.0)],
            ),
            [
                (0, 5.0),
                (2**62, 5.0),
                (-(2**63), 5.0),
                (-(2**62), 5.0),
            ],  # their differences wrap, and are above 0
        ],
    )
    def test_true_prices_that_cannot_be(self, tmp_path: Path, steps: list[tuple[int, float]]) -> None:
        path = tmp_path / "a.ultra"
        with UltraWriter(path, TICK, block_rows=10, true_price=True) as writer:
            writer.write(random_rows(10), np.arange(10) // 5 + 1.0)
        content, layout = bytearray(path.read_bytes()), layout_of(path)
        content[4800:4864] = np.array(steps, STEP).tobytes().ljust(64, b"\0")
        head = BlockHead(0, 0, 0, 0, 10, len(steps), crc32c(content[4160:4864]))
        content[4096:4160] = head.to_bytes(layout)
        path.write_bytes(content)
        assert [fault.block for fault in verify(path)] == [0]
        with UltraFile(path) as file, pytest.raises(UltraDamaged, match="true prices must be in order"):
            file.true_price(0)


def sealed(content: bytes, at: int, value: bytes) -> bytes:
    """Change the header and make its checksum agree."""
    page = content[:at] + value + content[at + len(value) : 4092]
    return page + struct.pack("<I", crc32c(page)) + content[4096:]


class TestArguments:
    @pytest.mark.parametrize(
        ("dtype", "words"),
        [
            (np.dtype("<f8"), "from 1 to 64 fields"),
            (np.dtype([(f"f{i}", "<f8") for i in range(65)]), "from 1 to 64 fields"),
            (np.dtype([("a", ">i8")]), "little-endian number of 1 to 8 bytes, was a >i8"),
            (np.dtype([("a", "O")]), "little-endian number"),
            (np.dtype([("a", "<c16")]), "little-endian number"),
            (np.dtype([("a", "<i8", (2,))]), "little-endian number"),
            (np.dtype([("a", "S8")]), "little-endian number"),
            (np.dtype([("a", "<M8[ns]")]), "little-endian number"),
            (np.dtype([("a" * 41, "<i8")]), "printable name"),
            (np.dtype([("a\n", "<i8")]), "printable name"),
            (
                np.dtype({"names": ["a", "b"], "formats": ["<i8", "<i8"], "offsets": [8, 0]}),
                "in order and apart",
            ),
            (
                np.dtype({"names": ["a", "b"], "formats": ["<i8", "<i8"], "offsets": [0, 4]}),
                "in order and apart",
            ),
            (np.dtype({"names": ["a"], "formats": ["<i8"], "itemsize": 5000}), "in 4096 bytes"),
        ],
    )
    def test_rows_that_it_cannot_hold(self, tmp_path: Path, dtype: np.dtype[Any], words: str) -> None:
        with pytest.raises(DataError, match=words):
            UltraWriter(tmp_path / "a.ultra", dtype)
        assert list(tmp_path.iterdir()) == []

    def test_what_cannot_be_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        for options, words in (
            ({"block_rows": 0}, "block_rows must be from 1 to 1048576 for 64 bytes, was 0"),
            ({"block_rows": 2**20 + 1}, "block_rows must be"),
            ({"source": "a\nb"}, "source must be printable text"),
            ({"source": "é" * 415}, "of at most 828 bytes"),
        ):
            with pytest.raises(DataError, match=words):
                UltraWriter(tmp_path / "a.ultra", TICK, **options)
        with pytest.raises(DataError, match="No such file"):
            UltraWriter(tmp_path / "none" / "a.ultra", TICK)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("at", ["finish", "_commit"])
    def test_an_interrupt_leaves_whole_blocks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
    ) -> None:
        """Also between a block's end in memory and its first byte in the file."""

        def press(*_: object) -> None:
            raise KeyboardInterrupt

        path, rows = tmp_path / "a.ultra", random_rows(35)
        writer = UltraWriter(path, TICK, block_rows=10)
        writer.write(rows[:12])
        monkeypatch.setattr(writer if at == "_commit" else writer._blocks, at, press)
        with pytest.raises(KeyboardInterrupt):
            writer.write(rows[12:])
        with pytest.raises(DataError, match="open writer"):
            writer.write(rows)
        assert contents(path) == rows[:10].tobytes()
        with append(path) as writer:
            writer.write(rows[10:])
        assert contents(path) == rows.tobytes()

    def test_what_is_written_is_looked_at(self, tmp_path: Path) -> None:
        prices = np.full(3, 5.0)
        with UltraWriter(tmp_path / "a.ultra", TICK, block_rows=2) as writer:
            with pytest.raises(DataError, match="rows must be of"):
                writer.write(random_rows(3, PAIR))
            with pytest.raises(DataError, match="shape"):
                writer.write(np.zeros((2, 2), TICK))
            with pytest.raises(DataError, match="was given for one without"):
                writer.write(random_rows(3), prices)
        with pytest.raises(DataError, match="open writer"):
            writer.write(random_rows(3))
        with pytest.raises(DataError, match="open writer"):
            writer.flush()
        writer.close()
        with UltraWriter(tmp_path / "b.ultra", TICK, block_rows=2, true_price=True) as writer:
            for wrong in (prices[:2], prices.astype(np.float32), prices * -1, prices * np.inf, prices * 0):
                with pytest.raises(DataError, match="true price"):
                    writer.write(random_rows(3), wrong)
            writer.write(random_rows(3))
        with UltraFile(tmp_path / "b.ultra") as file:
            assert file.rows == 3
            np.testing.assert_array_equal(file.true_price(0), [np.nan, np.nan])
            for block in (-1, 2):
                with pytest.raises(IndexError, match="block must be from 0 to 1"):
                    file.block(block)

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        for content, words in (
            (b"", "must begin as an ultra file does, was b''"),
            (b"ts,price\n1,2\n", "must begin as an ultra file does"),
            (b"\x89ULTRA\n", "must begin as an ultra file does"),
            (b"\x89ULTRA\r\n" + bytes(50), "the header must be 4096 bytes, was 58"),
        ):
            (tmp_path / "a.ultra").write_bytes(content)
            for read in (UltraFile, append):
                with pytest.raises(DataError, match=words):
                    read(tmp_path / "a.ultra")
        for read in (UltraFile, append):
            with pytest.raises(DataError, match="No such file"):
                read(tmp_path / "none.ultra")
            with pytest.raises(DataError, match="was: a directory"):
                read(tmp_path)


def test_version_1_stays_readable() -> None:
    """A file of that version, as it was written then."""
    path = Path(__file__).parents[1] / "golden" / "ultra-1.ultra"
    ticks = np.zeros(25, TICK)
    for k, name in enumerate(TICK.names or ()):
        ticks[name] = np.arange(25) * (k + 1) % 100
    with UltraFile(path) as file:
        assert (file.closed, file.layout.creator, file.blocks) == (True, "livetrading 0.1", 3)
        prices = np.concatenate([file.true_price(i) for i in range(3)])
    assert contents(path) == ticks.tobytes()
    assert slow_ultra.rows(path.read_bytes()).tobytes() == ticks.tobytes()
    np.testing.assert_array_equal(prices, [np.nan] * 7 + [60_000.0] * 2 + [60_001.0] * 9 + [60_002.0] * 7)
