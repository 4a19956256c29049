"""The null markets that configurations name, and the controls matched to what they stand beside."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import livetrading.engine.hft as hft
from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import Config, load_config
from livetrading.core.dtypes import TICK, TickFlag
from livetrading.core.errors import LivetradingError
from livetrading.core.market import BootstrapMarket, GbmMarket, realised_sd
from livetrading.core.processor import Processor
from livetrading.data.errors import DataError
from livetrading.data.ticks import read_ticks
from livetrading.engine.hft import run_hft
from livetrading.engine.null_market import (
    NoNullMarket,
    NullLaw,
    chaos_market,
    like_recording,
    named_law,
    walk_like,
    walk_like_chaos,
)

DATA = Path(__file__).parents[1] / "data"
PAIR = f"{DATA / 'btcusdt_spot_20240808_quotes.csv'},{DATA / 'btcusdt_spot_20240808_trades.csv'}"
SIMULATED = ("garch-t", "bootstrap", "hawkes")


@pytest.fixture
def returns(tmp_path: Path) -> Path:
    """A file of returns with clusters and zeros."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal(3000) * np.exp(np.sin(np.arange(3000) / 50)) * 1e-3
    np.save(tmp_path / "returns.npy", np.where(rng.random(3000) < 0.5, 0.0, values))
    return tmp_path / "returns.npy"


def configured(market: str, returns: Path | None = None, **flags: Any) -> Config:
    given = {"run.capital": 1000, "market.name": market}
    if market == "bootstrap":
        given["market.returns"] = str(returns)
    return load_config(
        given | {key.replace("_", ".", 1): value for key, value in flags.items()}, preset="seed"
    )


def same(law: NullLaw, other: NullLaw) -> bool:
    return law == other and np.array_equal(law.returns, other.returns)


def made(law: NullLaw, seed: int, n: int) -> np.ndarray[Any, Any]:
    ticks = np.zeros(n, TICK)
    law.market(seed).fill(ticks)
    return ticks


def recording(n: int, *, gap_ns: int = 1_000_000, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    ticks = np.zeros(n, TICK)
    mid = 60_000 * np.exp(np.cumsum(rng.normal(0, 1e-5, n)))
    ticks["ts"] = 1_700_000_000_000_000_000 + gap_ns * np.arange(n)
    ticks["bid"], ticks["ask"], ticks["price"] = mid - 3, mid + 3, mid
    ticks["bid_size"] = ticks["ask_size"] = 1.0
    ticks["flags"] = TickFlag.QUOTE
    return ticks


class TestNamed:
    @pytest.mark.parametrize("name", ["gbm", *SIMULATED])
    def test_starts_where_the_chaos_market_does(self, name: str, returns: Path) -> None:
        config = configured(name, returns, market_seed=3, market_spread_bps=2)
        law, (chaos, chain) = named_law(config.market), chaos_market(config.market)
        assert (law.name, law.start_ns, law.dt_ns, law.spread_bps) == (name, chaos.start_ns, chaos.dt_ns, 2.0)
        assert law.price == chain.knots(chain.start_ns)["true_price"][0]
        assert law.sd == (None if name == "hawkes" else walk_like_chaos(config.market).sd)
        ticks = made(law, 3, 5000)
        spread = np.log((ticks["ask"] - ticks["bid"]) / (ticks["ask"] + ticks["bid"]) * 2e4)
        assert np.median(spread) == pytest.approx(np.log(2), abs=4 * 0.3 * 1.25 / 5000**0.5)
        assert (ticks["ts"][0], ticks["ts"][1]) == (law.start_ns, law.start_ns + law.dt_ns)
        assert ticks["bid"][0] + ticks["ask"][0] == pytest.approx(2 * law.price, rel=1e-3)

    @pytest.mark.parametrize("name", ["gbm", "garch-t", "bootstrap"])
    def test_has_the_volatility_of_the_chaos_market(self, name: str, returns: Path) -> None:
        """Of 8,192 returns over 256 ticks; those of garch-t have no fourth moment."""
        law = named_law(configured(name, returns).market)
        sd = realised_sd(made(law, 11, 1 << 21)) / 16
        assert sd == pytest.approx(law.sd, rel=0.1 if name == "garch-t" else 0.05)

    def test_hawkes_has_its_own(self) -> None:
        """Permanent impact 0.15 bp, of buys less sales at 4/3 a second, (1 - 0.3)^-2 wider than without."""
        law = named_law(configured("hawkes").market)
        sd = realised_sd(made(law, 11, 1 << 21), 4096) / 64
        assert sd == pytest.approx(0.15e-4 * (4 / 3 * 0.1) ** 0.5 / 0.7, rel=0.15)

    @pytest.mark.parametrize(
        ("values", "rule"),
        [([0.1] * 7, "at least 8, was 7"), ([0.0] * 9, "all 0"),
         ([0.1] * 8 + [-1.5], "from -1 to 1, was -1.5 at 8")],
    )  # fmt: skip
    def test_returns_that_cannot_be_drawn_from(self, values: list[float], rule: str, tmp_path: Path) -> None:
        path = tmp_path / "few.npy"
        np.save(path, np.array(values))
        with pytest.raises(DataError, match=f"few.npy: .*{rule}"):
            named_law(configured("bootstrap", path).market)

    def test_a_law_without_its_volatility(self) -> None:
        with pytest.raises(ValueError, match="sd must be given for gbm, was None"):
            NullLaw("gbm", 0, 1, 1.0, None, 1.0).market(1)


class TestRun:
    @pytest.mark.parametrize("name", SIMULATED)
    def test_the_figures_are_those_of_one_processor(self, name: str, returns: Path) -> None:
        config = configured(name, returns, run_ticks=50_000, run_chunk=777)
        law = named_law(config.market)
        processor = Processor(config.settings, 1000.0, market := law.market(1))
        market.feed(ChainClock(1).knots(law.start_ns + 50_000 * law.dt_ns))
        processor.run(50_000)
        processor.close()
        report = run_hft(config, null_control=False)
        assert report.fills_sha256 == processor.totals()["fills_sha256"]
        assert (report.market, report.null_control, report.ticks) == (name, None, 50_000)
        assert report.trades > 0

    @pytest.mark.parametrize("name", SIMULATED)
    def test_the_control_is_gbm_with_its_volatility(self, name: str, returns: Path) -> None:
        config = configured(name, returns, run_ticks=20_000)
        law = named_law(config.market)
        walk = walk_like(law, 1)
        assert walk.sd == pytest.approx(realised_sd(made(law, 1, 1 << 20)) / 16, rel=1e-12)
        processor = Processor(config.settings, 1000.0, market := walk.market(1))
        assert type(market) is GbmMarket
        market.feed(ChainClock(1).knots(law.start_ns + 20_000 * law.dt_ns))
        processor.run(20_000)
        processor.close()
        report = run_hft(config)
        assert report.null_control is not None
        assert report.null_control.fills_sha256 == processor.totals()["fills_sha256"]
        shown = report.null_control.config["market"]
        assert (report.null_control.market, shown["returns"]) == ("gbm", None)
        assert any(
            "gbm with the volatility of this market's first 1,048,576" in note for note in report.notes
        )

    def test_the_control_of_a_recording_draws_on_its_first_rows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hft, "HEAD", 300)
        config = load_config({"run.capital": 1000, "market.name": PAIR}, preset="seed")
        rows = read_ticks(config.market.paths)
        law = like_recording(rows[:300])
        assert law != like_recording(rows)
        processor = Processor(config.settings, 1000.0, law.market(1))
        processor.run(597)
        report = run_hft(config)
        assert report.null_control is not None
        assert (report.null_control.market, report.null_control.ticks) == ("bootstrap", 597)
        assert report.null_control.fills_sha256 == processor.totals()["fills_sha256"]
        assert hft.BOOTSTRAP in report.notes

    def test_returns_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(LivetradingError, match="no_such"):
            run_hft(configured("bootstrap", tmp_path / "no_such.npy"))


class TestLikeRecording:
    def test_equals_plain_forms(self) -> None:
        ticks = recording(5000)
        law = like_recording(ticks)
        mid = (ticks["bid"] + ticks["ask"]) / 2
        returns = np.diff(np.log(mid[::256]))
        assert law.sd == pytest.approx(np.sqrt(np.mean(returns**2)) / 16, rel=1e-9)
        assert law.price == pytest.approx(mid[0], rel=1e-15)
        assert (law.start_ns, law.dt_ns) == (ticks["ts"][0], 1_000_000)
        spread = np.median((ticks["ask"] - ticks["bid"]) / mid) * 1e4
        assert law.spread_bps == pytest.approx(spread, abs=1e-6)

    def test_returns_are_those_of_its_mids(self) -> None:
        ticks = recording(5000)
        ticks["bid"][100:200] = ticks["bid"][100]
        ticks["ask"][100:200] = ticks["ask"][100]
        law = like_recording(ticks)
        assert law.returns is not None
        np.testing.assert_allclose(
            law.returns, np.diff(np.log((ticks["bid"] + ticks["ask"]) / 2)), atol=1e-15
        )
        assert not law.returns[100:199].any()
        same = BootstrapMarket(
            3, law.start_ns, law.dt_ns, law.price, law.returns, law.sd, spread_bps=law.spread_bps
        )
        expected = np.zeros(100, TICK)
        same.fill(expected)
        assert made(law, 3, 100).tobytes() == expected.tobytes()

    def test_a_move_that_is_no_return(self) -> None:
        ticks = recording(100)
        for name in ("bid", "ask", "price"):
            ticks[name][50:] *= 3
        with pytest.raises(NoNullMarket, match=r"every return must be from -1 to 1, was 1\.098"):
            like_recording(ticks)

    def test_rows_without_a_usable_quote_are_left_out(self) -> None:
        ticks = recording(5000)
        usable = like_recording(ticks)
        bad = ticks[:8].copy()
        bad["bid"] = [np.nan, 0, -1, 2, np.inf, 1, 1, np.nan]
        bad["ask"] = [1, 1, 1, 1, np.inf, np.nan, np.inf, np.nan]
        assert same(like_recording(np.concatenate([bad, ticks])), usable)

    def test_a_short_recording_has_eight_returns_at_least(self) -> None:
        ticks = recording(100)
        mid = ((ticks["bid"] + ticks["ask"]) / 2)[::12]
        sd = np.sqrt(np.mean(np.diff(np.log(mid)) ** 2) / 12)
        assert like_recording(ticks).sd == pytest.approx(sd, rel=1e-9)

    @pytest.mark.parametrize("n", [0, 1, 8])
    def test_too_few_rows(self, n: int) -> None:
        with pytest.raises(NoNullMarket, match=f"more than 8 usable ticks, was {n}"):
            like_recording(recording(max(n, 1))[:n])

    def test_a_constant_mid(self) -> None:
        ticks = recording(100)
        ticks["bid"], ticks["ask"] = 99.0, 101.0
        with pytest.raises(NoNullMarket, match="mid that moves"):
            like_recording(ticks)

    def test_rows_that_the_processor_rejects_are_left_out(self) -> None:
        ticks = recording(5000)
        usable = like_recording(ticks)
        bad = ticks[[256, 512, 768, 1024, 1280, 1536, 1792]].copy()
        bad["bid"] = bad["ask"] = 1.0
        bad["price"][0], bad["ask"][1], bad["bid"][2], bad["ts"][3] = -1.0, 1e308, 5e-324, 0
        bad["ts"][4], bad["bid_size"][5], bad["volume"][6] = 2**62 + 1, -1.0, np.nan
        mixed = np.insert(ticks, [256, 512, 768, 1024, 1280, 1536, 1792], bad)
        processor = Processor(configured("gbm").settings, 1000.0)
        processor.replay(mixed)
        assert sum(processor.totals()["rejected"].values()) == len(bad)
        assert same(like_recording(mixed), usable)
        assert same(like_recording(np.concatenate([ticks, bad[3:4]])), usable)

    def test_one_wrong_time_does_not_set_the_gap(self) -> None:
        ticks = recording(5000)
        ticks["ts"][0] = 0
        assert like_recording(ticks).dt_ns == 1_000_000

    def test_the_gap_is_that_of_many_ticks_where_they_come_in_bursts(self) -> None:
        ticks = recording(5120)
        ticks["ts"] = ticks["ts"][0] + np.arange(5120) // 16 * 16_000_000
        assert like_recording(ticks).dt_ns == 1_000_000

    @pytest.mark.parametrize("first_ns", [-100, 2**62, 2**62 - 50])
    def test_times_beyond_what_a_market_can_have(self, first_ns: int) -> None:
        ticks = recording(100)
        ticks["ts"] = first_ns + np.arange(100)
        with pytest.raises(NoNullMarket):
            like_recording(ticks)

    def test_the_excerpt(self) -> None:
        ticks = read_ticks([Path(part) for part in PAIR.split(",")])
        law = like_recording(ticks)
        assert law.price == pytest.approx(61661.835)
        assert 0 < law.sd < 1e-3
