"""A recording replayed from its file: the same fills from every format, in flat memory."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import livetrading.engine.hft as hft
from livetrading.config import load_config
from livetrading.core.dtypes import TICK
from livetrading.core.market import GbmMarket
from livetrading.core.processor import Processor
from livetrading.data import csv_lines, npy_ticks, parquet_columns, ticks, ultra_ticks
from livetrading.data.errors import DataError
from livetrading.data.ticks import read_ticks, write_ticks
from livetrading.engine.hft import run_hft
from livetrading.engine.interrupt import Interrupt
from livetrading.engine.report import Report
from livetrading.runner import main

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
SUFFIXES = [".npy", ".ultra", ".csv", ".csv.gz", *([".csv.zst", ".parquet"] if HAS_PYARROW else [])]
SIZING = {
    "sizing.kind": "fixed",
    "sizing.quantity_btc": 1e-4,
    "sizing.max_drawdown": 1,
    "limits.daily_loss": 1,
}
START_NS = 1_700_000_000 * 10**9
ROWS = 40_000


def market(n: int) -> Iterator[np.ndarray]:
    """Ticks of a random walk wide enough to be traded, some of them bad."""
    walk = GbmMarket(1, START_NS, 10**8, 60_000.0, 1e-4, spread_bps=1.0)
    for begin in range(0, n, 65_536):
        rows = np.zeros(min(65_536, n - begin), TICK)
        walk.fill(rows)
        rows["bid"][7::1009] = np.nan
        rows["ts"][9::2003] -= 10**12
        yield rows


def replayed(path: Path | str, *, null_control: bool = False, out: Path | None = None, **run: Any) -> Report:
    given = {"run.capital": 1000, "market.name": str(path), **SIZING, **run}
    return run_hft(load_config(given, preset="seed"), null_control=null_control, out=out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ticks in every format."""
    folder = tmp_path_factory.mktemp("recording")
    for suffix in SUFFIXES:
        write_ticks(folder / f"a{suffix}", market(ROWS))
    return folder


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """What one processor makes of the ticks in memory."""
    config = load_config({"run.capital": 1000, **SIZING}, preset="seed")
    processor = Processor(config.settings, 1000.0)
    for rows in market(ROWS):
        processor.replay(rows)
    processor.close()
    return dict(processor.totals())


class TestEveryFormat:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize(("chunk", "rows"), [(65_536, 16_384), (1000, 16_384), (65_536, 7777)])
    def test_fills_are_those_of_the_array(
        self,
        folder: Path,
        whole: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
        suffix: str,
        chunk: int,
        rows: int,
    ) -> None:
        for module in (csv_lines, npy_ticks, parquet_columns, ultra_ticks):
            monkeypatch.setattr(module, "CHUNK_ROWS", rows)
        report = replayed(folder / f"a{suffix}", **{"run.chunk": chunk})
        assert report.fills_sha256 == whole["fills_sha256"]
        assert (report.ticks, report.rejected_ticks) == (whole["ticks"], whole["rejected"])
        assert report.trades > 50

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_the_control_is_made_of_the_head_and_takes_nothing_from_the_run(
        self, folder: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        expected = replayed(folder / "a.npy", null_control=True, **{"run.ticks": 20_000}).null_control
        monkeypatch.setattr(hft, "HEAD", 20_000)
        report = replayed(folder / f"a{suffix}", null_control=True)
        assert report.fills_sha256 == whole["fills_sha256"]
        assert report.null_control is not None
        assert expected is not None
        assert report.null_control.ticks == report.ticks
        assert report.null_control.config == {**report.config, "market": expected.config["market"]}

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("n", [1, 16_384, 20_000])
    def test_ticks_takes_the_first_rows(self, folder: Path, suffix: str, n: int) -> None:
        report = replayed(folder / f"a{suffix}", **{"run.ticks": n})
        assert report.ticks + sum(report.rejected_ticks.values()) == n

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_progress_ends_at_the_end(self, folder: Path, suffix: str) -> None:
        for ticks_wanted in (None, 30_000):
            shares: list[float] = []
            given = {"run.capital": 1000, "market.name": str(folder / f"a{suffix}"), "run.chunk": 5000}
            if ticks_wanted:
                given["run.ticks"] = ticks_wanted
            run_hft(
                load_config(given),
                null_control=False,
                progress=lambda s, seen=shares: seen.append(s.done),
                clock=count().__next__,
            )
            assert shares[-1] == pytest.approx(1.0)
            assert 0 < shares[0] < 0.3
            assert all(0 <= share <= 1 for share in shares)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_ctrl_c_while_it_is_read(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        read, calls = ticks.Recording.read, 0

        def press(recording: ticks.Recording, n: int) -> np.ndarray:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise KeyboardInterrupt
            return read(recording, n)

        monkeypatch.setattr(ticks.Recording, "read", press)
        config = load_config(
            {"run.capital": 1000, "market.name": str(folder / f"a{suffix}"), "run.chunk": 1000}
        )
        report = run_hft(config, null_control=False, interrupt=Interrupt())
        assert report.interrupted
        assert report.ticks + sum(report.rejected_ticks.values()) == 2000


class TestDamage:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_found_in_the_middle_of_a_run_leaves_no_results(
        self, folder: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        content = (folder / f"a{suffix}").read_bytes()
        damaged = tmp_path / f"damaged{suffix}"
        if suffix == ".parquet":  # the pages before the last, which has the footer
            at = len(content) * 9 // 10
            content = content[:at] + bytes(64) + content[at + 64 :]
        else:
            content = content[:-101]
        damaged.write_bytes(content)
        out = tmp_path / "rows.npy"
        line = ["hft", "100", "--market", str(damaged), "--no-null-control", "--out", str(out)]
        assert main(line) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        assert damaged.name in captured.err
        assert list(tmp_path.iterdir()) == [damaged]

    def test_a_row_that_is_none_is_named_when_it_is_reached(self, tmp_path: Path) -> None:
        path = tmp_path / "q.csv"
        rows = [f"{START_NS + i},{100 + i % 7},{101 + i % 7}\n" for i in range(20_000)]
        path.write_text("ts,bid,ask\n" + "".join(rows) + "x,1,2\n")
        with pytest.raises(DataError, match=r"q.csv, line 20002: ts must be a whole number"):
            replayed(path)
        assert replayed(path, **{"run.ticks": 1000}).ticks == 1000


def peak_mib(path: Path, *arguments: str) -> float:
    """Peak of the process's own resident memory."""
    line = ("hft", "100", "--market", str(path), "--quiet", *arguments)
    code = (
        f"from livetrading.runner import main; assert main({line!r}) == 0; "
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
class TestMemory:
    @pytest.mark.parametrize(
        ("suffix", "rows"),
        [(".npy", 300_000), (".csv", 20_000)] + ([(".parquet", 300_000)] if HAS_PYARROW else []),
    )
    def test_four_times_the_file_takes_no_more(self, tmp_path: Path, suffix: str, rows: int) -> None:
        peaks = []
        for n in (rows, 4 * rows):
            path = tmp_path / f"{n}{suffix}"
            write_ticks(path, market(n))
            peaks.append(peak_mib(path, "--no-null-control"))
        assert peaks[1] - peaks[0] < 16, peaks

    def test_a_file_larger_than_the_address_space(self, tmp_path: Path) -> None:
        path, rows = tmp_path / "a.npy", 1 << 30
        write_ticks(path, market(20_000))
        data = path.read_bytes()
        header = data[: -20_000 * TICK.itemsize]
        longer = header.replace(b"(20000,), }     ", b"(%d,), }" % rows)
        assert len(longer) == len(header)
        with path.open("r+b") as file:
            file.write(longer)
            file.truncate(len(header) + rows * TICK.itemsize)  # a disk holds what was written of its 64 GiB
        assert len(read_ticks([path])) == rows
        line = ("hft", "100", "--market", str(path), "--ticks", "20000", "--quiet")
        code = (
            "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); "
            f"from livetrading.runner import main; raise SystemExit(main({line!r}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.full
    @pytest.mark.parametrize("suffix", [".npy", ".parquet"])
    def test_two_gibibytes_replay_in_flat_memory(self, tmp_path: Path, suffix: str) -> None:
        """With the control, whose 2**20 rows both files have: 0.5 and 2 GiB of ticks."""
        peaks = []
        for n in (1 << 23, 1 << 25):
            path = tmp_path / f"{n}{suffix}"
            write_ticks(path, market(n))
            peaks.append(peak_mib(path))
            path.unlink()
        assert peaks[1] < 512
        assert peaks[1] - peaks[0] < 16, peaks
