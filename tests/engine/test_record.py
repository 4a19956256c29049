"""What a run saw, recorded and replayed: the same fills, to the last bit."""

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import Config, load_config
from livetrading.core.dtypes import KNOT, TICK
from livetrading.core.market import ChaosMarket, GbmMarket
from livetrading.data.errors import DataError
from livetrading.data.recorder import Recorder
from livetrading.data.ticks import open_ticks, read_ticks
from livetrading.data.ultra import UltraFile, UltraWriter, verify
from livetrading.engine.hft import run_hft
from livetrading.engine.interrupt import Interrupt
from livetrading.engine.record import SimulatedTicks, record_market
from livetrading.runner import main

TICKS = 150_000
DATA = Path(__file__).parents[1] / "data"
QUOTES, TRADES = (DATA / f"btcusdt_spot_20240808_{kind}.csv" for kind in ("quotes", "trades"))


def configured(preset: str = "realistic", **given: Any) -> Config:
    return load_config({"run.capital": 100, "run.ticks": TICKS, **given}, preset=preset)


class Pressed(Interrupt):
    """Ctrl-C at the n-th piece of work."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self._left = n

    def call(self, work: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self.requested = True
            return None
        return super().call(work)


class TestReplay:
    @pytest.mark.parametrize("preset", ["realistic", "seed"])
    @pytest.mark.parametrize("market", ["chaos", "gbm", "garch-t", "hawkes"])
    def test_of_a_recorded_run_makes_the_same_fills(self, tmp_path: Path, preset: str, market: str) -> None:
        config = configured(preset, **{"market.name": market, "market.seed": 3})
        path = tmp_path / "run.ultra"
        plain = run_hft(config, null_control=False)
        recorded = run_hft(config, null_control=False, record=path)
        replay = configured(preset, **{"market.name": str(path), "run.chunk": 7777})
        replayed = run_hft(replay, null_control=False)
        assert plain.trades > 0
        for report in (recorded, replayed):
            assert report.fills_sha256 == plain.fills_sha256
            assert (report.ticks, report.equity) == (plain.ticks, plain.equity)
            assert "true price" not in " ".join(report.notes)

    @pytest.mark.parametrize("preset", ["realistic", "seed"])
    def test_of_a_recorded_market_makes_the_same_fills(self, tmp_path: Path, preset: str) -> None:
        config = configured(preset)
        record_market(config, tmp_path / "market.ultra")
        run_hft(config, null_control=False, record=tmp_path / "run.ultra")
        assert (tmp_path / "market.ultra").read_bytes() == (tmp_path / "run.ultra").read_bytes()

    def test_takes_the_true_price_with_it(self, tmp_path: Path) -> None:
        """Without it the vote of the deviation falls away, and the fills are others."""
        config = configured("seed")
        record_market(config, tmp_path / "a.ultra")
        with Recorder(tmp_path / "bare.ultra") as recorder, open_ticks([tmp_path / "a.ultra"]) as recording:
            for ticks in recording:
                recorder.write(ticks)
        hashes = []
        for name in ("a.ultra", "bare.ultra"):
            report = run_hft(configured("seed", **{"market.name": str(tmp_path / name)}), null_control=False)
            hashes.append(report.fills_sha256)
            assert ("A recording has no true price" in " ".join(report.notes)) == (name == "bare.ultra")
        assert hashes[0] == run_hft(config, null_control=False).fills_sha256
        assert hashes[0] != hashes[1]

    def test_with_drawn_latencies_asks_for_the_seed(self, tmp_path: Path) -> None:
        drawn = {"broker.latency": "log-normal", "broker.latency_us": 2000}
        plain = run_hft(
            configured(**drawn, **{"market.seed": 5}), null_control=False, record=tmp_path / "a.ultra"
        )
        replay = {"market.name": str(tmp_path / "a.ultra"), **drawn}
        same = run_hft(configured(**replay, **{"market.seed": 5}), null_control=False)
        other = run_hft(configured(**replay, **{"market.seed": 6}), null_control=False)
        assert same.fills_sha256 == plain.fills_sha256 != other.fills_sha256

    def test_of_a_replay_that_was_recorded(self, tmp_path: Path) -> None:
        files = {"market.name": f"{QUOTES},{TRADES}", "run.ticks": None}
        config = load_config({"run.capital": 100, "market.name": files["market.name"]}, preset="seed")
        plain = run_hft(config, null_control=False, record=tmp_path / "a.ultra")
        assert read_ticks([tmp_path / "a.ultra"]).tobytes() == read_ticks([QUOTES, TRADES]).tobytes()
        again = load_config({"run.capital": 100, "market.name": str(tmp_path / "a.ultra")}, preset="seed")
        assert run_hft(again, null_control=False).fills_sha256 == plain.fills_sha256

    def test_keeps_rejected_ticks(self, tmp_path: Path) -> None:
        ticks = np.zeros(30_000, TICK)
        GbmMarket(1, 10**18, 10**8, 6e4, 1e-4).fill(ticks)
        ticks["ts"][9::2003] -= 10**12
        ticks["bid"][7::1009] = np.nan
        with Recorder(tmp_path / "a.ultra") as recorder:
            recorder.write(ticks)
        config = load_config(
            {"run.capital": 100, "market.name": str(tmp_path / "a.ultra"), "run.chunk": 1000}
        )
        report = run_hft(config, null_control=False, record=tmp_path / "b.ultra")
        assert sum(report.rejected_ticks.values()) > 40
        assert read_ticks([tmp_path / "b.ultra"]).tobytes() == ticks.tobytes()

    @pytest.mark.parametrize("presses", [1, 2, 3, 6, 7])
    def test_of_an_interrupted_run(self, tmp_path: Path, presses: int) -> None:
        """The file holds the ticks that were taken, no more."""
        config = configured("seed", **{"run.chunk": 10_000})
        path = tmp_path / "a.ultra"
        report = run_hft(config, null_control=False, record=path, interrupt=Pressed(presses))
        assert report.interrupted
        with UltraFile(path) as file:
            assert (file.rows, file.closed) == (report.ticks, True)
            assert report.ticks == 10_000 * ((presses - 1) // 2)
        if report.ticks:
            again = run_hft(configured("seed", **{"market.name": str(path)}), null_control=False)
            assert again.fills_sha256 == report.fills_sha256

    def test_where_a_slice_is_broken_off(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C inside the processor: what it took of the chunk is what is recorded."""
        import livetrading.engine.hft as hft

        class Breaking(hft.Processor):  # type: ignore[misc]
            calls = count()

            def replay(self, ticks: Any, results: Any = None, every: int = 1, true_price: Any = None) -> int:
                if next(self.calls) == 2:
                    super().replay(ticks[:4096], results, every, true_price[:4096])
                    raise KeyboardInterrupt
                return super().replay(ticks, results, every, true_price)

        monkeypatch.setattr(hft, "Processor", Breaking)
        config = configured("seed", **{"run.chunk": 10_000})
        report = run_hft(config, null_control=False, record=tmp_path / "a.ultra")
        assert (report.interrupted, report.ticks) == (True, 24_096)
        with UltraFile(tmp_path / "a.ultra") as file:
            assert file.rows == 24_096

    def test_results_are_those_without_a_recorder(self, tmp_path: Path) -> None:
        config = configured(**{"run.every": 7, "run.chunk": 9999})
        run_hft(config, null_control=False, out=tmp_path / "a.npy")
        run_hft(config, null_control=False, out=tmp_path / "b.npy", record=tmp_path / "b.ultra")
        assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()

    def test_results_in_the_format_itself(self, tmp_path: Path) -> None:
        config = configured(**{"run.every": 1000})
        for name in ("a.npy", "a.ultra"):
            run_hft(config, null_control=False, out=tmp_path / name)
        with UltraFile(tmp_path / "a.ultra") as file:
            assert file.block(0).tobytes() == np.load(tmp_path / "a.npy").tobytes()


class TestSimulatedTicks:
    def test_true_prices_are_the_knots_that_hold(self) -> None:
        chain, market = ChainClock(4), ChaosMarket(4, ChainClock(4).start_ns, 10**9)
        source, knots = SimulatedTicks(market, chain), ChainClock(4)
        all_knots = knots.knots(market.start_ns + 20_000 * 10**9)
        for n in (1, 999, 4000, 15_000):
            ticks = source.read(n)
            at = np.searchsorted(all_knots["ts"], ticks["ts"], "right") - 1
            assert source.true_price.tobytes() == all_knots["true_price"][at].tobytes()

    def test_before_the_first_knot_it_is_not_known(self) -> None:
        market = GbmMarket(1, 0, 10, 5e4, 1e-5)
        market.feed(np.array([(50, 1, 7.0), (75, 2, 8.0)], KNOT))
        ticks, prices = np.zeros(10, TICK), np.zeros(10)
        market.fill(ticks, prices)
        np.testing.assert_array_equal(prices, [np.nan] * 5 + [7.0] * 3 + [8.0] * 2)
        for wrong in (prices[:9], prices.astype(np.float32), prices[::-1], [0.0] * 10):
            with pytest.raises(TypeError, match="true_price must be a contiguous array of float64"):
                market.fill(ticks, wrong)
        assert market.index == 10

    def test_ends_with_the_clock(self) -> None:
        source = SimulatedTicks(GbmMarket(1, (1 << 62) - 100, 10, 5e4, 1e-5), None)
        assert [len(source.read(7)) for _ in range(3)] == [7, 3, 0]
        assert np.isnan(source.true_price).all()
        assert not source.priced


class TestRecorder:
    def test_goes_on_where_it_was(self, tmp_path: Path) -> None:
        path, ticks = tmp_path / "a.ultra", np.zeros(2500, TICK)
        ticks["ts"] = np.arange(2500)
        prices = np.arange(2500.0) // 100 + 1
        with Recorder(path, block_rows=1000, priced=True, source="made up") as recorder:
            recorder.write(ticks[:1500], prices[:1500])
            assert recorder.rows == 1000
            recorder.flush()
            assert recorder.rows == 1500
        os.truncate(path, path.stat().st_size - 80)  # the end mark, and a piece of the last block
        with Recorder(path, resume=True) as recorder:
            assert recorder.rows == 1000
            recorder.write(ticks[1000:], prices[1000:])
        with open_ticks([path]) as recording:
            assert (recording.priced, recording.notes) == (True, ())
            assert recording.head(1200).tobytes() == ticks[:1200].tobytes()
            for begin, n in ((0, 700), (700, 500), (1200, 800), (2000, 500)):
                assert recording.read(n).tobytes() == ticks[begin : begin + n].tobytes()
                assert recording.true_price is not None
                assert recording.true_price.tolist() == prices[begin : begin + n].tolist()
            assert len(recording.read(1)) == 0

    def test_a_tail_that_is_torn_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ultra"
        with Recorder(path, block_rows=10) as recorder:
            recorder.write(np.zeros(25, TICK))
        os.truncate(path, path.stat().st_size - 100)
        with open_ticks([path]) as recording:
            assert recording.notes == (
                "a.ultra was not closed when it was written, and may go on; "
                "348 bytes of a block that was not completed were left out.",
            )
        report = run_hft(load_config({"run.capital": 100, "market.name": str(path)}), null_control=False)
        assert report.notes[1].startswith("a.ultra was not closed")
        assert record_market(
            load_config({"run.capital": 1, "market.name": str(path)}), tmp_path / "b.ultra"
        ).notes
        os.truncate(path, 4200)
        with pytest.raises(
            DataError, match="at least one row, was without any, but for a block that was not"
        ):
            open_ticks([path])

    def test_an_exception_keeps_what_came_before(self, tmp_path: Path) -> None:
        def fail() -> None:
            with Recorder(tmp_path / "a.ultra") as recorder:
                recorder.write(np.zeros(25, TICK))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        with open_ticks([tmp_path / "a.ultra"]) as recording:
            assert recording.notes == ("a.ultra was not closed when it was written, and may go on.",)
            assert len(recording.read(100)) == 25

    def test_nothing_is_left_of_a_recording_that_cannot_be_read(self, tmp_path: Path) -> None:
        source, out = tmp_path / "a.ultra", tmp_path / "b.ultra"
        with Recorder(source, block_rows=100) as recorder:
            recorder.write(np.zeros(1000, TICK))
        raw = bytearray(source.read_bytes())
        raw[-200] ^= 1
        source.write_bytes(raw)
        config = load_config({"run.capital": 1, "market.name": str(source)})
        with pytest.raises(DataError, match=r"a.ultra, block 9: its rows must agree with their checksum"):
            record_market(config, out)
        assert not out.exists()
        out.write_bytes(b"mine")
        with pytest.raises(DataError, match="must be a new file"):
            record_market(config, out)
        assert out.read_bytes() == b"mine"

    def test_what_cannot_be_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"to a file \.ultra, was .*a\.npy"):
            Recorder(tmp_path / "a.npy")
        with pytest.raises(DataError, match="No such file"):
            Recorder(tmp_path / "a.ultra", resume=True)
        rows = np.zeros(3, [("ts", "<i8")])
        with UltraWriter(tmp_path / "other.ultra", rows.dtype) as writer:
            writer.write(rows)
        with pytest.raises(DataError, match="must hold ticks to be gone on with, was ts <i8"):
            Recorder(tmp_path / "other.ultra", resume=True)
        with pytest.raises(
            DataError, match=r"must have the fields ts <i8, price <f8.*other.ultra with ts <i8"
        ):
            open_ticks([tmp_path / "other.ultra"])
        assert [path.name for path in tmp_path.iterdir()] == ["other.ultra"]

    def test_ticks_laid_out_otherwise_are_read(self, tmp_path: Path) -> None:
        packed = np.dtype([(name, TICK[name]) for name in TICK.names or ()])
        ticks = read_ticks([QUOTES])
        with UltraWriter(tmp_path / "a.ultra", packed) as writer:
            writer.write(ticks.astype(packed))
        assert read_ticks([tmp_path / "a.ultra"]).tobytes() == ticks.tobytes()


class TestCommand:
    def test_says_what_it_recorded(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "a.ultra"
        assert main(["data", "record", "gbm", str(path), "--ticks", "1000", "--seed", "9", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        with UltraFile(path) as file:
            assert json.loads(file.layout.source) == {
                "name": "gbm",
                "seed": 9,
                "dt_s": 0.1,
                "spread_bps": 1.0,
            }
            assert (said["first_ts"], said["last_ts"]) == (file.first_ts, file.last_ts)
        assert (said["ticks"], said["bytes"], said["true_price"]) == (1000, path.stat().st_size, True)
        assert main(["data", "record", str(path), str(tmp_path / "b.ultra"), "--ticks", "400"]) == 0
        assert "ticks: 400\n" in capsys.readouterr().out
        assert verify(tmp_path / "b.ultra") == []

    def test_run_records_and_replays(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path, hashes = str(tmp_path / "a.ultra"), []
        for extra in (["--ticks", "50000", "--record", path], ["--market", path]):
            assert main(["hft", "100", "--preset", "seed", "--no-null-control", "--json", *extra]) == 0
            hashes.append(json.loads(capsys.readouterr().out)["fills_sha256"])
        assert hashes[0] == hashes[1]

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            (["data", "record", "chaos", "a.npy"], "ticks must be recorded to a file .ultra"),
            (["data", "record", "chaos", "old.ultra"], "old.ultra must be a new file, was there already"),
            (["data", "record", "old.ultra", "old.ultra"], "OUT must not be the recording"),
            (
                ["data", "record", "old.ultra", "a.ultra", "--seed", "1"],
                "--seed must be given for a simulated",
            ),
            (["data", "record", "chaoss", "a.ultra"], "argument NAME|FILE"),
            (["data", "record", "chaos", "a.ultra", "--ticks", "0"], "above 0, was 0 (--ticks)"),
            (["data", "record", "none.ultra", "a.ultra"], "none.ultra must be a readable ultra file"),
            (["hft", "100", "--record", "old.ultra", "--ticks", "10"], "old.ultra must be a new file"),
            (["hft", "100", "--record", "a.npy", "--ticks", "10"], "recorded to a file .ultra"),
            (["hft", "100", "--record", "a.ultra", "--out", "a.ultra"], "--record must not be"),
            (["hft", "100", "--market", "old.ultra", "--record", "old.ultra"], "--record must not be"),
            (["hft", "100", "--market", "old.ultra,old.ultra"], "neither .npy nor .ultra"),
            (
                ["hft", "100", "--market", "old.ultra", "--columns", "a=bid"],
                "columns must be given for files",
            ),
        ],
    )
    def test_bad_lines_leave_nothing(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        line: list[str],
        words: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with Recorder(Path("old.ultra")) as recorder:
            recorder.write(np.zeros(3, TICK))
        before = Path("old.ultra").read_bytes()
        assert main(line) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        assert words in captured.err
        assert [path.name for path in tmp_path.iterdir()] == ["old.ultra"]
        assert Path("old.ultra").read_bytes() == before
