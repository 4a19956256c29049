"""The tick engine against the parts it is made of."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import livetrading.engine.hft as hft
from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import Config, ConfigError, load_config
from livetrading.core.dtypes import RESULT, TICK
from livetrading.core.market import ChaosMarket, GbmMarket, realised_sd
from livetrading.core.processor import Processor
from livetrading.data.ticks import read_ticks
from livetrading.engine.hft import run_hft
from livetrading.engine.interrupt import Interrupt
from livetrading.engine.null_market import walk_like_chaos
from livetrading.engine.snapshot import Snapshot

DATA = Path(__file__).parents[1] / "data"
PAIR = f"{DATA / 'btcusdt_spot_20240808_quotes.csv'},{DATA / 'btcusdt_spot_20240808_trades.csv'}"
TICKS = 300_000


def configured(preset: str = "seed", **flags: Any) -> Config:
    given = {"run_capital": 1000, **flags}
    return load_config({key.replace("_", ".", 1): value for key, value in given.items()}, preset=preset)


def chaos(config: Config, n: int) -> tuple[ChaosMarket, ChainClock]:
    """The configured market, with true prices for `n` ticks."""
    chain = ChainClock(config.market.seed)
    dt_ns = round(config.market.dt_s * 1e9)
    market = ChaosMarket(config.market.seed, chain.start_ns, dt_ns, spread_bps=config.market.spread_bps)
    market.feed(chain.knots(chain.start_ns + n * dt_ns))
    return market, chain


def test_latencies_of_a_file_and_of_the_seed(tmp_path: Path) -> None:
    """One recorded latency is a constant one; drawn ones are another with every seed of the market."""
    (tmp_path / "late.csv").write_text("latency_ns\n250000000\n")
    run = {"run_ticks": 30_000, "broker_taker_bps": 0, "sizing_kelly": 1}
    recorded = configured(**run, broker_latency="recorded", broker_latency_file=str(tmp_path / "late.csv"))
    constant = run_hft(configured(**run, broker_latency_us=250_000), null_control=False)
    assert run_hft(recorded, null_control=False).fills_sha256 == constant.fills_sha256
    drawn = configured(**run, broker_latency="log-normal", broker_latency_us=250_000)
    processor = Processor(drawn.settings, 1000.0, chaos(drawn, 30_000)[0], seed=drawn.market.seed)
    processor.run(30_000)
    processor.close()
    totals = processor.totals()
    assert totals["trades"] > 100
    assert run_hft(drawn, null_control=False).fills_sha256 == totals["fills_sha256"] != constant.fills_sha256


class FakeClock:
    """One second passes from each look to the next."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class TestSimulated:
    @pytest.mark.parametrize("preset", ["realistic", "seed"])
    def test_the_figures_are_those_of_one_processor_and_one_run(self, preset: str) -> None:
        config = configured(preset, run_ticks=TICKS)
        market, _ = chaos(config, TICKS)
        processor = Processor(config.settings, 1000.0, market)
        processor.run(TICKS)
        processor.close()
        totals = processor.totals()
        report = run_hft(config)
        assert report.ticks == TICKS
        assert (report.trades, report.wins) == (totals["trades"], totals["wins"])
        assert report.fills_sha256 == totals["fills_sha256"]
        assert report.refused_orders == totals["refused"]
        assert report.trades > 0

    def test_chunks_change_nothing(self) -> None:
        shas = {
            run_hft(configured(run_ticks=50_000, run_chunk=chunk)).fills_sha256 for chunk in (777, 65_536)
        }
        assert len(shas) == 1

    def test_the_seed_changes_the_run(self) -> None:
        one, two = (run_hft(configured(run_ticks=50_000, market_seed=seed)) for seed in (1, 2))
        assert one.fills_sha256 != two.fills_sha256

    def test_money_adds_up(self) -> None:
        report = run_hft(configured("realistic", run_ticks=TICKS))
        for side in (report, report.null_control):
            assert side is not None
            assert side.net_pnl == pytest.approx(side.gross_pnl - side.fees, abs=1e-9)
            assert side.net_pnl == pytest.approx(side.equity - 1000, abs=1e-9)
            assert side.fees > 0

    def test_the_null_control_is_a_walk_with_the_markets_volatility(self) -> None:
        config = configured(run_ticks=TICKS)
        market, chain = chaos(config, 1 << 20)
        ticks = np.empty(1 << 20, TICK)
        market.fill(ticks)
        price = ChainClock(1).knots(chain.start_ns)["true_price"][0]
        walk = walk_like_chaos(config.market)
        mid = (ticks["bid"] + ticks["ask"])[::256] / 2
        assert walk.sd == pytest.approx(np.sqrt(np.mean(np.diff(np.log(mid)) ** 2) / 256), rel=1e-9)
        assert walk.sd == realised_sd(ticks, 256) / 16
        assert (walk.price, walk.start_ns, walk.dt_ns, walk.spread_bps) == (
            price,
            chain.start_ns,
            10**8,
            0.0,
        )
        gbm = GbmMarket(1, chain.start_ns, 10**8, price, walk.sd, spread_bps=0.0)
        gbm.feed(ChainClock(1).knots(chain.start_ns + TICKS * 10**8))
        processor = Processor(config.settings, 1000.0, gbm)
        processor.run(TICKS)
        processor.close()
        control = run_hft(config).null_control
        assert control is not None
        assert control.fills_sha256 == processor.totals()["fills_sha256"]
        assert (control.ticks, control.market, control.null_control) == (TICKS, "gbm", None)
        assert control.config["market"]["name"] == "gbm"

    def test_without_the_control_there_is_none(self) -> None:
        assert run_hft(configured(run_ticks=1000), null_control=False).null_control is None

    def test_gbm_as_the_market_is_its_own_control(self) -> None:
        report = run_hft(configured(run_ticks=50_000, market_name="gbm"))
        assert report.null_control is not None
        assert report.fills_sha256 == report.null_control.fills_sha256
        assert (
            report.fills_sha256
            == run_hft(configured(run_ticks=50_000, market_name="gbm"), null_control=False).fills_sha256
        )
        assert any("null market itself" in note for note in report.notes)

    def test_seconds_are_those_of_the_clock(self) -> None:
        config = configured(run_seconds=3, run_chunk=1000)
        report = run_hft(config, clock=FakeClock())
        assert (report.ticks, report.seconds, report.ticks_per_second) == (3000, 3.0, 1000.0)
        assert report.null_control is not None
        assert report.null_control.ticks == 3000

    def test_the_run_ends_where_the_clock_of_the_market_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start_ns = ChainClock(1).start_ns
        monkeypatch.setattr(hft, "CLOCK_END_NS", start_ns + 1234 * 10**8)
        report = run_hft(configured(run_forever=True))
        assert report.ticks == 1234
        assert any("clock" in note for note in report.notes)

    def test_progress_goes_from_nothing_to_all(self) -> None:
        seen: list[Snapshot] = []
        config = configured(run_ticks=2500, run_chunk=1000)
        run_hft(config, progress=seen.append, clock=FakeClock())
        assert [(s.ticks, s.done) for s in seen] == [(1000, 0.4), (2000, 0.8), (2500, 1.0)]

    def test_a_limit_that_held_orders_is_named(self) -> None:
        report = run_hft(configured(run_ticks=TICKS, limits_max_position_btc=1e-8))
        assert report.refused_orders["max_position"] > 0
        assert any("limits.max_position_btc" in note for note in report.notes)
        assert any("no trade" in note for note in report.notes)


class TestRows:
    @pytest.mark.parametrize(("every", "chunk"), [(1, 4096), (7, 1000), (5000, 1024), (1, 1)])
    def test_rows_are_those_of_one_processor(self, tmp_path: Path, every: int, chunk: int) -> None:
        n = 10_000 if chunk > 1 else 50
        config = configured(run_ticks=n, run_every=every, run_chunk=chunk)
        run_hft(config, out=tmp_path / "rows.npy", null_control=False)
        market, _ = chaos(config, n)
        expected = np.zeros(-(-n // every), RESULT)
        assert Processor(config.settings, 1000.0, market).run(n, expected, every) == len(expected)
        rows = np.load(tmp_path / "rows.npy")
        for name in RESULT.names or ():
            np.testing.assert_array_equal(rows[name], expected[name])

    def test_a_failure_leaves_no_file(self, tmp_path: Path) -> None:
        def fail(snapshot: Snapshot) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run_hft(configured(run_ticks=1000), out=tmp_path / "rows.npy", progress=fail, clock=FakeClock())
        assert list(tmp_path.iterdir()) == []


class TestInterrupted:
    def test_the_request_ends_both_sides_at_the_same_tick(self, tmp_path: Path) -> None:
        interrupt = Interrupt()

        def press(snapshot: Snapshot) -> None:
            assert snapshot.done is None
            if snapshot.ticks == 3000:
                interrupt.requested = True

        config = configured(run_forever=True, run_chunk=1000)
        out = tmp_path / "rows.npy"
        report = run_hft(config, progress=press, interrupt=interrupt, out=out, clock=FakeClock())
        assert (report.ticks, report.interrupted) == (3000, True)
        assert report.null_control is not None
        assert report.null_control.ticks == 3000
        assert len(np.load(tmp_path / "rows.npy")) == 3000
        assert any("interrupted" in note for note in report.notes)

    def test_what_a_chunk_did_before_it_was_broken_off_counts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hft, "Processor", breaking_off(at_call=3, after=333))
        config = configured(run_forever=True, run_chunk=1000, run_every=2)
        report = run_hft(config, out=tmp_path / "rows.npy")
        # The first and the third chunk are the market's, the second is the control's.
        assert (report.ticks, report.interrupted) == (1333, True)
        assert report.null_control is not None
        assert report.null_control.ticks == 1333
        rows = np.load(tmp_path / "rows.npy")
        market, _ = chaos(config, 1333)
        ticks = np.empty(1333, TICK)
        market.fill(ticks)
        np.testing.assert_array_equal(rows["ts"], ticks["ts"][::2])

    def test_the_control_is_made_whole_when_it_is_broken_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hft, "Processor", breaking_off(at_call=2, after=10))
        report = run_hft(configured(run_forever=True, run_chunk=1000))
        assert report.null_control is not None
        assert (report.ticks, report.null_control.ticks, report.interrupted) == (1000, 1000, True)

    @pytest.mark.parametrize("market", ["chaos", "gbm", "garch-t", "hawkes", PAIR])
    def test_a_request_before_the_start_gives_an_empty_report(self, market: str) -> None:
        interrupt = Interrupt()
        interrupt.requested = True
        report = run_hft(configured(market_name=market), interrupt=interrupt)
        assert (report.ticks, report.trades, report.equity) == (0, 0, 1000.0)
        assert (report.interrupted, report.win_rate, report.null_control) == (True, None, None)

    def test_ctrl_c_while_rows_are_written_is_remembered(
        self, tmp_path: Path, handled: Interrupt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = hft.ResultWriter.write

        def press(writer: Any, rows: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            write(writer, rows)

        monkeypatch.setattr(hft.ResultWriter, "write", press)
        config = configured(run_forever=True, run_chunk=1000)
        report = run_hft(config, out=tmp_path / "rows.npy", interrupt=handled)
        assert (report.ticks, report.interrupted) == (1000, True)
        assert len(np.load(tmp_path / "rows.npy")) == 1000


@pytest.fixture
def handled() -> Iterator[Interrupt]:
    interrupt = Interrupt()
    before = signal.signal(signal.SIGINT, interrupt.handle)
    yield interrupt
    signal.signal(signal.SIGINT, before)


def breaking_off(at_call: int, after: int) -> Callable[..., Any]:
    """A processor whose `at_call`-th run, of all of them, is broken off by Ctrl-C after some ticks."""
    calls = 0

    class Broken(Processor):
        def run(self, n: int, *rest: Any) -> int:
            nonlocal calls
            calls += 1
            if calls == at_call:
                super().run(after, *rest)
                raise KeyboardInterrupt
            return super().run(n, *rest)

    return Broken


class TestRecorded:
    def test_every_row_is_a_tick_or_rejected(self) -> None:
        report = run_hft(configured(market_name=PAIR))
        assert report.rejected_ticks["no_quote"] == 3
        assert report.ticks + sum(report.rejected_ticks.values()) == 600
        assert report.market == PAIR
        assert any("deviation had no input" in note for note in report.notes)
        assert report.null_control is not None
        assert report.null_control.ticks == report.ticks

    def test_ticks_takes_the_first_rows(self) -> None:
        report = run_hft(configured(market_name=PAIR, run_ticks=100))
        assert report.ticks + sum(report.rejected_ticks.values()) == 100
        assert run_hft(configured(market_name=PAIR, run_ticks=10_000)).ticks == 597

    @pytest.mark.parametrize("chunk", [100, 65_536])
    def test_rows_are_those_of_one_replay(self, tmp_path: Path, chunk: int) -> None:
        config = configured(market_name=PAIR, run_chunk=chunk)
        run_hft(config, out=tmp_path / "rows.npy", null_control=False)
        ticks = read_ticks(config.market.paths)
        expected = np.zeros(len(ticks), RESULT)
        written = Processor(config.settings, 1000.0).replay(ticks, expected)
        rows = np.load(tmp_path / "rows.npy")
        assert written == len(rows)
        for name in RESULT.names or ():
            np.testing.assert_array_equal(rows[name], expected[name][:written])

    def test_rows_of_results_have_no_true_price(self, tmp_path: Path) -> None:
        run_hft(configured(market_name=PAIR, run_chunk=64), out=tmp_path / "rows.npy")
        rows = np.load(tmp_path / "rows.npy")
        assert len(rows) == 597
        assert np.isnan(rows["true_price"]).all()

    def test_too_short_for_a_control_says_so(self) -> None:
        report = run_hft(configured(market_name=PAIR, run_ticks=9))
        assert report.null_control is None
        assert any("no null control" in note for note in report.notes)


def test_a_run_has_no_signal_for_the_user() -> None:
    config = load_config({"run.capital": 100, "run.ticks": 10, "signals.voters": ["ofi", "user"]}, environ={})
    with pytest.raises(ConfigError, match=r"must not hold 'user' .* was ofi, user"):
        run_hft(config)


def test_books_split_the_run() -> None:
    """Eight books trade on other horizons than one, on both markets, and the totals add up."""
    given = {"run.capital": 1000, "run.ticks": 300_000}
    one, eight = (
        run_hft(load_config({**given, "books.count": k}, preset="seed", environ={})) for k in (1, 8)
    )
    assert eight.config["books"] == {"count": 8}
    assert eight.fills_sha256 != one.fills_sha256
    assert eight.trades > one.trades
    assert eight.equity == pytest.approx(1000 + eight.gross_pnl - eight.fees, abs=1e-6)
    assert eight.null_control is not None
    assert eight.null_control.trades > 0
