"""Recordings in chunks: the same rows from every format, whatever the chunks, and nothing left open."""

import gzip
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import livetrading
from livetrading.core.dtypes import TICK
from livetrading.data import csv_lines, merge, npy_ticks, parquet_columns, ticks, ultra_ticks
from livetrading.data.errors import DataError, ExtraMissing
from livetrading.data.ticks import open_ticks, read_ticks, write_ticks

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
needs_pyarrow = pytest.mark.skipif(not HAS_PYARROW, reason="pyarrow is not installed (extra [data])")
SUFFIXES = [".npy", ".ultra", ".csv", ".csv.gz", *([".csv.zst", ".parquet"] if HAS_PYARROW else [])]
DATA = Path(__file__).parents[1] / "data"
QUOTES, TRADES = (DATA / f"btcusdt_spot_20240808_{kind}.csv" for kind in ("quotes", "trades"))

reals = st.floats(allow_nan=False) | st.just(np.nan)
rows_of_ticks = st.lists(
    st.tuples(
        st.integers(-(2**63) + 1, 2**63 - 1), *[reals] * 6, st.sampled_from([-1, 0, 1]), st.integers(0, 7)
    ),
    min_size=1,
    max_size=20,
)


@pytest.fixture
def chunked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the rows in a chunk, and how late a row of a pair may stand."""

    def chunked(rows: int, late: int | None = None) -> None:
        for module in (csv_lines, npy_ticks, parquet_columns, ultra_ticks):
            monkeypatch.setattr(module, "CHUNK_ROWS", rows)
        if late is not None:
            monkeypatch.setattr(merge, "LATE_ROWS", late)

    return chunked


def chunks_of(paths: list[Path], n: int = 10**9) -> list[np.ndarray]:
    with open_ticks(paths) as recording:
        return list(iter(lambda: recording.read(n), _Empty()))


class _Empty:
    """Equals an array without rows."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, np.ndarray) and len(other) == 0

    __hash__ = None  # type: ignore[assignment]


class TestFormats:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    @settings(deadline=None)
    @given(rows=rows_of_ticks, cut=st.integers(0, 20))
    def test_ticks_come_back_byte_for_byte(
        self, tmp_path_factory: pytest.TempPathFactory, suffix: str, rows: list[tuple], cut: int
    ) -> None:
        path = tmp_path_factory.mktemp("ticks") / f"a{suffix}"
        array = np.zeros(len(rows), TICK)
        array[:] = rows
        write_ticks(path, [array[:cut], array[cut:]])
        again = read_ticks([path])
        assert again.dtype == TICK
        assert again.tobytes() == array.tobytes()

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("rows", [1, 7, 599, 600, 601])
    def test_chunks_change_nothing(
        self, tmp_path: Path, chunked: Callable[..., None], suffix: str, rows: int
    ) -> None:
        whole = read_ticks([QUOTES, TRADES])
        write_ticks(tmp_path / f"a{suffix}", [whole])
        chunked(rows)
        parts = chunks_of([tmp_path / f"a{suffix}"])
        assert max(map(len, parts)) <= rows
        assert b"".join(part.tobytes() for part in parts) == whole.tobytes()

    @needs_pyarrow
    def test_a_pair_of_any_formats_is_the_same(self, tmp_path: Path) -> None:
        from pyarrow import CompressedOutputStream, csv, parquet

        parquet.write_table(csv.read_csv(QUOTES), tmp_path / "q.parquet")
        with CompressedOutputStream(str(tmp_path / "t.csv.zst"), "zstd") as file:
            file.write(TRADES.read_bytes())
        again = read_ticks([tmp_path / "t.csv.zst", tmp_path / "q.parquet"])
        assert again.tobytes() == read_ticks([QUOTES, TRADES]).tobytes()

    @pytest.mark.skipif(not HAS_PYARROW, reason="pyarrow is not installed (extra [data])")
    def test_zstandard_in_several_frames(self, tmp_path: Path) -> None:
        from pyarrow import Codec

        text = TRADES.read_bytes()
        frames = [bytes(Codec("zstd").compress(part)) for part in (text[:1000], text[1000:])]
        (tmp_path / "t.csv.zst").write_bytes(b"".join(frames))
        assert read_ticks([tmp_path / "t.csv.zst"]).tobytes() == read_ticks([TRADES]).tobytes()

    def test_public_names(self) -> None:
        for name in ("open_ticks", "read_ticks", "write_ticks"):
            assert getattr(livetrading, name) is getattr(ticks, name)


class TestReading:
    @settings(deadline=None)
    @given(
        steps=st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=12),
        chunk=st.integers(1, 30),
    )
    def test_head_and_read_are_slices_of_the_whole(self, steps: list[tuple[bool, int]], chunk: int) -> None:
        whole, at = read_ticks([QUOTES])[:50], 0
        parts = np.split(whole, range(chunk, 50, chunk))
        recording = ticks.Recording(parts[0], iter(parts[1:]), lambda: 1.0, ticks.ExitStack())
        for is_head, n in steps:
            rows = recording.head(n) if is_head else recording.read(n)
            if is_head:
                assert rows.tobytes() == whole[at : at + n].tobytes()
            else:
                assert rows.tobytes() == whole[at : at + len(rows)].tobytes()
                assert (len(rows) == 0) == (at == 50)
                assert len(rows) <= n
                at += len(rows)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_done_goes_from_nothing_to_all(
        self, tmp_path: Path, chunked: Callable[..., None], suffix: str
    ) -> None:
        chunked(64)
        path = tmp_path / f"a{suffix}"
        write_ticks(path, [read_ticks([QUOTES, TRADES])])
        with open_ticks([path]) as recording:
            recording.head(200)
            seen, given = [recording.done], [0]
            while len(rows := recording.read(50)):
                seen.append(recording.done)
                given.append(given[-1] + len(rows))
            last = recording.done
        assert (seen[0], last) == (0.0, 1.0)
        assert all(0.0 <= share <= 1.0 for share in seen)
        if suffix in (
            ".npy",
            ".ultra",
            ".parquet",
        ):  # known by rows, not by the blocks that a text is read in
            assert seen == pytest.approx([n / 600 for n in given])

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_closed_recording_is_not_at_its_end(self, tmp_path: Path, suffix: str) -> None:
        write_ticks(tmp_path / f"a{suffix}", [read_ticks([QUOTES])])
        with open_ticks([tmp_path / f"a{suffix}"]) as recording:
            assert len(recording.read(3)) == 3
        with pytest.raises(DataError, match="must be open to be read, was closed"):
            recording.read(3)
        recording.close()

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc on this system")
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_no_file_stays_open(self, tmp_path: Path, chunked: Callable[..., None], suffix: str) -> None:
        chunked(64)
        good, bad = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        write_ticks(good, [read_ticks([QUOTES, TRADES])])
        bad.write_bytes(good.read_bytes()[:-2000])
        before = os.listdir("/proc/self/fd")
        for path, columns in ((good, {"x": "bid"}), (bad, {}), (good, {})):
            try:
                with open_ticks([path], columns) as recording:
                    recording.read(1)
                    raise DataError("given up")
            except DataError:
                pass
        assert os.listdir("/proc/self/fd") == before


def merged_or_late(quotes: list[int], trades: list[int], late: int) -> list[tuple[int, int, int]] | None:
    """The rows of a pair as (ts, is trade, row), row by row; None where one is too late in its file."""
    for side in (quotes, trades):
        if any(side[i] < max(side[: i - late + 1]) for i in range(late, len(side))):
            return None
    return sorted(
        [(ts, 0, row) for row, ts in enumerate(quotes)] + [(ts, 1, row) for row, ts in enumerate(trades)]
    )


class TestPair:
    @settings(deadline=None)
    @given(
        quotes=st.lists(st.integers(0, 9), min_size=1, max_size=25),
        trades=st.lists(st.integers(0, 9), min_size=1, max_size=25),
        sort=st.booleans(),
        chunk=st.integers(1, 6),
        late=st.integers(1, 8),
    )
    def test_any_pair_in_any_chunks(
        self, quotes: list[int], trades: list[int], sort: bool, chunk: int, late: int
    ) -> None:
        if sort:
            quotes, trades = sorted(quotes), sorted(trades)
        expected = merged_or_late(quotes, trades, late)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(merge, "LATE_ROWS", late)
            if expected is None:
                with pytest.raises(DataError, match=rf"in order of time, to within {late} rows"):
                    self.merged(quotes, trades, chunk)
                return
            parts = self.merged(quotes, trades, chunk)
        rows = np.concatenate(parts)
        assert all(len(part) for part in parts)
        found = list(zip(rows["ts"], rows["flags"] - 1, rows["volume"].astype(int), strict=True))
        assert found == expected
        standing = np.nan
        for row in rows:
            standing = row["bid"] if row["flags"] == 1 else standing
            np.testing.assert_equal(row["bid"], standing)

    def merged(self, quotes: list[int], trades: list[int], chunk: int) -> list[np.ndarray]:
        q, t = np.zeros(len(quotes), TICK), np.zeros(len(trades), TICK)
        for side, ts, flag in ((q, quotes, 1), (t, trades, 2)):
            side["ts"], side["flags"], side["volume"] = ts, flag, np.arange(len(ts))
        q["bid"] = q["ask"] = q["price"] = 1.0 + np.arange(len(q))
        sides = (
            merge.in_order(Path(name), iter(np.split(side, range(chunk, len(side), chunk))))
            for name, side in (("q.csv", q), ("t.csv", t))
        )
        return list(merge.merge(*sides))

    def test_a_row_too_late_is_named(self, tmp_path: Path, chunked: Callable[..., None]) -> None:
        chunked(2, late=4)
        trades = tmp_path / "t.csv"
        lines = [f"{ts},100,1,1\n" for ts in (10, 11, 12, 13, 14, 11, 15, 10)]
        trades.write_text("ts,price,qty,side\n" + "".join(lines))
        quotes = tmp_path / "q.csv"
        quotes.write_text("ts,bid,ask\n1,99,101\n")
        with pytest.raises(DataError, match=r"t.csv must be in order of time, to within 4 rows.* at row 8"):
            read_ticks([quotes, trades])
        trades.write_text("ts,price,qty,side\n" + "".join(lines[:-1]))
        assert read_ticks([quotes, trades])["ts"].tolist() == [1, 10, 11, 11, 12, 13, 14, 15]

    def test_no_more_than_the_late_rows_are_held(self) -> None:
        drawn = 0

        def source() -> Iterator[np.ndarray]:
            nonlocal drawn
            for begin in range(0, 10**6, 10_000):
                rows = np.zeros(10_000, TICK)
                rows["ts"] = begin + np.arange(10_000)
                rows["ts"][::7] -= 5  # never in order, so that it has to be sorted each time
                drawn += len(rows)
                yield rows

        given = 0
        for rows in merge.in_order(Path("q.csv"), source()):
            given += len(rows)
            assert drawn - given <= merge.LATE_ROWS + 20_000
            if drawn == 500_000:
                break
        assert given > 400_000


@needs_pyarrow
class TestParquet:
    def write(self, path: Path, **columns: Any) -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(columns), path, row_group_size=2)
        return path

    @pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
    @pytest.mark.parametrize("name", ["ts", "recv_ns", "exch_ms"])
    def test_timestamps_are_instants_whatever_their_column(
        self, tmp_path: Path, unit: str, per_second: int, name: str
    ) -> None:
        import pyarrow as pa

        instants = [0, 1_700_000_000, -5]
        for zone in ("UTC", "Europe/Berlin"):
            times = pa.array([t * per_second for t in instants], pa.timestamp(unit, zone))
            path = self.write(tmp_path / "q.parquet", **{name: times, "bid": [1.0] * 3, "ask": [2.0] * 3})
            assert read_ticks([path])["ts"].tolist() == [t * 10**9 for t in instants]

    def test_numbers_of_any_width(self, tmp_path: Path) -> None:
        import pyarrow as pa

        path = self.write(
            tmp_path / "a.parquet",
            exch_ms=pa.array([1, 2, 3], pa.uint16()),
            price=pa.array([1.5, None, -0.0], pa.float32()),
            bid=pa.array([1, 2**53, 3], pa.int64()),
            ask=pa.array([1.5, 2.5, 3.5], pa.float16()),
            volume=pa.array([0, 1, None], pa.uint8()),
            side=pa.array([-1, 0, 1], pa.int64()),
            venue=["x", "y", "z"],
        )
        rows = read_ticks([path], {"venue": "-"})
        assert rows["ts"].tolist() == [10**6, 2 * 10**6, 3 * 10**6]
        np.testing.assert_array_equal(rows["price"], [1.5, np.nan, 0.0])
        assert rows["bid"].tolist() == [1.0, 2.0**53, 3.0]
        assert rows["ask"].tolist() == [1.5, 2.5, 3.5]
        np.testing.assert_array_equal(rows["volume"], [0.0, 1.0, np.nan])
        assert rows["side"].tolist() == [-1, 0, 1]

    def test_names_with_dots_are_names(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.parquet", **{"t.ns": [1, 2], "b.id": [1.0, 2.0], "ask": [3.0, 4.0]})
        rows = read_ticks([path], {"t.ns": "ts", "b.id": "bid"})
        assert rows["bid"].tolist() == [1.0, 2.0]

    @pytest.mark.parametrize(
        ("column", "values", "kind", "message"),
        [
            ("ts", [1, 2, None], "int64", r"row 3 \(row group 1\): ts must be a whole number .* was None"),
            ("ts", [1, 2, 2**63], "uint64", r"row 3 \(row group 1\): ts must .* was 9223372036854775808"),
            ("ts", [1.0, 2.0, 3.0], "float64", r"column ts \(ts\) must be of integers, or timestamps"),
            ("ts", [1, 2, 3], "timestamp[us]", r"with a time zone, was timestamp\[us\]"),
            ("ts", [1, 2, 2**50], "timestamp[s, tz=UTC]", r"row 3 \(row group 1\): ts must be a whole"),
            ("exch_ms", [1, 2**62, 3], "int64", r"row 2 \(row group 0\): exch_ms must .* was 4611"),
            (
                "bid",
                ["1", "2", "3"],
                "string",
                r"column bid \(bid\) must be of integers or floats, was string",
            ),
            ("bid", [1, 2, 2**53 + 1], "int64", r"row 3 \(row group 1\): bid must be a number"),
            ("bid", [True, True, False], "bool", "was bool"),
        ],
    )
    def test_what_is_no_number_of_its_field(
        self, tmp_path: Path, column: str, values: list, kind: str, message: str
    ) -> None:
        import pyarrow as pa

        types = {"timestamp[us]": pa.timestamp("us"), "timestamp[s, tz=UTC]": pa.timestamp("s", "UTC")}
        array = pa.array(values, types.get(kind) or pa.type_for_alias(kind))
        columns = {"ts": [1, 2, 3], "bid": [1.0, 2.0, 3.0], "ask": [4.0, 5.0, 6.0], column: array}
        if column == "exch_ms":
            del columns["ts"]
        with pytest.raises(DataError, match=rf"q.parquet.*{message}"):
            read_ticks([self.write(tmp_path / "q.parquet", **columns)])

    def test_columns_are_placed_as_those_of_csv(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "q.parquet", ts=[1], bid=[1.0], ask=[2.0], mood=[3.0])
        with pytest.raises(DataError, match=r"q.parquet: columns must be among .* \(unknown: mood\)"):
            read_ticks([path])
        assert len(read_ticks([path], {"mood": "-"})) == 1
        write_ticks(tmp_path / "none.parquet", [])
        with pytest.raises(DataError, match="at least one row"):
            read_ticks([tmp_path / "none.parquet"])

    def test_a_flipped_bit_is_seen(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        write_ticks(path, [read_ticks([QUOTES, TRADES])])
        content = bytearray(path.read_bytes())
        content[2000] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a.parquet, row group 0 must be readable Parquet"):
            read_ticks([path])


class TestDamage:
    @pytest.mark.parametrize("suffix", SUFFIXES[1:])
    @pytest.mark.parametrize("damage", ["cut", "empty", "other", "folder", "absent"])
    def test_a_file_that_is_none_is_named(self, tmp_path: Path, suffix: str, damage: str) -> None:
        path = tmp_path / f"a{suffix}"
        if damage == "folder":
            path.mkdir()
        elif damage != "absent":
            write_ticks(path, [read_ticks([QUOTES, TRADES])])
            cut = path.read_bytes()[: -11 if suffix != ".ultra" else -64 - 11]  # it may lack its end mark
            content = {"cut": cut, "empty": b"", "other": bytes(range(256)) * 9}[damage]
            path.write_bytes(content)
        with pytest.raises(DataError, match=f"a{suffix}"):
            read_ticks([path])

    def test_an_array_cut_short_while_it_is_read(self, tmp_path: Path, chunked: Callable[..., None]) -> None:
        chunked(100)
        path = tmp_path / "a.npy"
        write_ticks(path, [read_ticks([QUOTES, TRADES])])
        with open_ticks([path]) as recording:
            recording.read(100)
            os.truncate(path, path.stat().st_size - 64)
            with pytest.raises(DataError, match=r"a.npy must hold 600 rows, was cut off after 599"):
                list(recording)

    def test_what_stands_in_the_first_rows_is_found_on_opening(
        self, tmp_path: Path, chunked: Callable[..., None]
    ) -> None:
        chunked(2)
        path = tmp_path / "q.csv"
        path.write_text("ts,bid,ask\n1,2,3\n1,2,x\n")
        with pytest.raises(DataError, match="line 3: ask"):
            open_ticks([path])
        path.write_text("ts,bid,ask\n1,2,3\n1,2,3\n\n1,2,x\n")
        with open_ticks([path]) as recording:
            assert len(recording.read(9)) == 2
            with pytest.raises(DataError, match="line 5: ask"):
                recording.read(9)

    def test_a_failed_write_leaves_what_was_there(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("before")

        def broken() -> Iterator[np.ndarray]:
            yield read_ticks([QUOTES])
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write_ticks(path, broken())
        assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.csv", "before")]

    @pytest.mark.parametrize("name", ["a.parquet", "a.csv.zst"])
    def test_a_missing_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(ExtraMissing, match=rf"{name} needs pyarrow: pip install 'livetrading\[data\]'"):
            open_ticks([tmp_path / name])

    def test_csv_needs_no_extra(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TRADES.read_bytes()))
        code = (
            "import sys; from livetrading import read_ticks; from pathlib import Path; "
            f"read_ticks([Path({str(QUOTES)!r}), Path({str(tmp_path / 't.csv.gz')!r})]); "
            "print('pyarrow' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("scale", "unit"), [(1, "s"), (1000, "ms"), (10**6, "us")])
def test_times_of_another_unit_are_not_taken_for_nanoseconds(tmp_path: Path, scale: int, unit: str) -> None:
    trades, quotes = tmp_path / "trades.csv", tmp_path / "quotes.csv"
    ts = 1_700_000_000 * scale
    trades.write_text(f"ts,price,qty,side\n{ts},100,1,1\n")
    quotes.write_text(f"ts,bid,ask\n{ts * 10**9 // scale},99,101\n")
    for paths in ([trades], [quotes, trades]):
        with pytest.raises(DataError, match=f"trades.csv: ts must be in ns, was {ts}, by its size in {unit}"):
            open_ticks(paths)
    with open_ticks([quotes]) as recording:
        assert recording.read(1)["ts"][0] == 1_700_000_000 * 10**9
