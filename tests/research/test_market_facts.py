"""The facts of markets and files, through Python and the command line, as a user meets them."""

import errno
import json
import os
import re
import subprocess
import sys
from math import sqrt
from pathlib import Path
from typing import Any
from xml.dom import minidom

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numpy.typing import NDArray

from livetrading import ChainClock, ChaosMarket
from livetrading.config import Config, ConfigError, load_config
from livetrading.core.dtypes import TICK
from livetrading.data.errors import DataError
from livetrading.data.ticks import read_ticks
from livetrading.engine.null_market import walk_like_chaos
from livetrading.research import facts_plot
from livetrading.research.facts_plot import plot_facts
from livetrading.research.facts_table import facts_rows
from livetrading.research.market_facts import Interval, interval_text, market_facts, parse_interval
from livetrading.research.stylised_facts import RECORDED, stylised_facts, variance_ratio, verdicts
from livetrading.runner import main

ROOT = Path(__file__).parents[2]
QUOTES = ROOT / "tests" / "data" / "btcusdt_spot_20240808_quotes.csv"
TRADES = ROOT / "tests" / "data" / "btcusdt_spot_20240808_trades.csv"
HOURS = 1439


def configured(name: str | Path, **market: object) -> Config:
    keys = {f"market.{key}": value for key, value in market.items()}
    return load_config({"run.capital": 1, "market.name": str(name), **keys})


def chaos_ticks(n: int, seed: int, dt_s: float) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """Ticks of the market in one piece, and its true price at each."""
    chain, dt_ns = ChainClock(seed), round(dt_s * 1e9)
    market, ticks = ChaosMarket(seed, chain.start_ns, dt_ns), np.empty(n, TICK)
    knots = chain.knots(chain.start_ns + n * dt_ns)
    market.feed(knots)
    market.fill(ticks)
    return ticks, knots["true_price"][np.searchsorted(knots["ts"], ticks["ts"], side="right") - 1]


def mid(ticks: NDArray[np.void]) -> NDArray[np.float64]:
    half: NDArray[np.float64] = (ticks["bid"] + ticks["ask"]) / 2
    return half


class TestSimulated:
    @pytest.mark.parametrize("step", [1, 7, 4096, 65536, 70_001])
    def test_prices_are_every_step_th_mid(self, step: int) -> None:
        """Whatever blocks the ticks are made in."""
        n = 140_003
        ticks, _ = chaos_ticks(n, 3, 0.1)
        found = market_facts(configured("chaos", seed=3), Interval(ticks=step), n)
        assert found.returns == pytest.approx(np.diff(np.log(mid(ticks)[::step])), abs=1e-14)
        assert (found.every_s, found.ticks) == (pytest.approx(step * 0.1), n)

    def test_seconds_are_ticks_of_dt(self) -> None:
        config = configured("gbm", dt_s=0.5)
        by_time = market_facts(config, Interval(ns=3_000_000_000), 5000)
        assert np.array_equal(by_time.returns, market_facts(config, Interval(ticks=6), 5000).returns)

    def test_sixty_days_of_hours_unless_told(self) -> None:
        found = market_facts(configured("gbm", dt_s=10.0))
        assert (found.facts.n, found.every_s, found.ticks) == (HOURS, 3600.0, HOURS * 360 + 1)

    def test_the_walk_is_a_walk_of_its_own_volatility(self) -> None:
        turned = 0
        for seed in range(1, 9):
            config = configured("gbm", seed=seed, dt_s=10.0)
            facts = market_facts(config, Interval(ticks=10), HOURS * 10 + 1).facts
            if seed == 1:
                sd = walk_like_chaos(config.market).sd * sqrt(10)
                assert facts.sd == pytest.approx(sd, rel=4 / sqrt(2 * HOURS))
            assert [facts.acf_r[1], facts.acf_abs_r[1]] == pytest.approx([0, 0], abs=4 / sqrt(HOURS))
            answers = verdicts(facts)
            assert (answers["fat_tails"], answers["clustering"]) == (False, False)
            turned += not (answers["uncorrelated"] and answers["random_walk"])
        assert turned <= 1  # seven bounds at 3 standard errors: 2.4 % of normal walks cross one

    def test_chaos_about_its_true_price_is_near_the_row_of_the_design(self) -> None:
        """In the mean of four seeds, within the spread of one: the design gives no errors."""
        shapes = []
        for seed in range(1, 5):
            ticks, true_price = chaos_ticks(HOURS * 360 + 1, seed, 10.0)
            r = np.diff(np.log(mid(ticks) / true_price)[::360])
            facts = stylised_facts(r)
            ratios = (variance_ratio(r, 24), variance_ratio(r, 96))
            shapes.append((facts.excess_kurtosis, facts.acf_r[1], facts.acf_abs_r[1], *ratios))
        # Excess kurtosis, acf r (1), acf |r| (1), VR24, VR96.
        design = (-0.10, 0.550, 0.287, 0.476, 0.179)
        bounds = (0.25, 0.02, 0.06, 0.03, 0.03)
        for mean, expected, bound in zip(np.mean(shapes, axis=0), design, bounds, strict=True):
            assert mean == pytest.approx(expected, abs=bound)

    def test_garch_has_fat_tails_and_clusters_tick_by_tick(self) -> None:
        """The design's row has excess kurtosis 7.1 and acf r -0.004, of one path whose steps are hours."""
        rows = [
            market_facts(configured("garch-t", seed=seed), Interval(ticks=1), HOURS + 1).facts
            for seed in range(1, 9)
        ]
        assert all(verdicts(facts)["fat_tails"] for facts in rows)
        assert sum(bool(verdicts(facts)["clustering"]) for facts in rows) >= 5
        kurtosis = np.mean([facts.excess_kurtosis or 0.0 for facts in rows])
        assert kurtosis == pytest.approx(7.1, abs=5)  # the spread from seed to seed is 4.7
        assert np.mean([facts.acf_r[1] or 0.0 for facts in rows]) == pytest.approx(0, abs=0.05)

    def test_chaos_itself_fails_as_the_design_says(self) -> None:
        for seed in (1, 2):
            facts = market_facts(configured("chaos", seed=seed, dt_s=10.0)).facts
            assert facts.acf_r[1] > 0.4
            answers = verdicts(facts)
            assert (answers["uncorrelated"], answers["clustering"], answers["random_walk"]) == (False,) * 3

    @pytest.mark.parametrize(
        ("every", "ticks", "said"),
        [
            (Interval(ns=250_000_000), None, "must be a multiple of market.dt_s, 0.1 s, was 0.25 s"),
            (Interval(ns=1), None, "must be a multiple of market.dt_s"),
            (None, 36_000, "must leave 2 to 20000001 prices, was 1 (36000 ticks, a price every 36000)"),
            (Interval(ticks=1), 20_000_002, "must leave 2 to 20000001 prices, was 20000002"),
            (Interval(ticks=10**12), None, "--ticks must be at most 28"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, every: Interval | None, ticks: int | None, said: str) -> None:
        with pytest.raises(ConfigError) as caught:
            market_facts(configured("gbm"), every, ticks)
        assert said in str(caught.value)


class TestFiles:
    def test_a_recording_by_time_takes_the_last_mid(self) -> None:
        found = market_facts(configured(f"{QUOTES},{TRADES}"), Interval(ns=100_000_000))
        rows = pd.DataFrame(read_ticks([QUOTES, TRADES]))
        rows = rows[rows["bid"].notna()]
        series = pd.Series(((rows["bid"] + rows["ask"]) / 2).to_numpy(), rows["ts"].to_numpy())
        at = np.arange(rows["ts"].iloc[0], rows["ts"].iloc[-1] + 1, 100_000_000)
        prices = [series[series.index <= when].iloc[-1] for when in at]
        assert found.returns == pytest.approx(np.diff(np.log(prices)), abs=1e-14)
        assert (found.kind, found.every_s, found.every_ticks, found.ticks) == ("recording", 0.1, None, 600)

    @example(gaps=[0, 1, 0, 1], every=1, block=2, by_time=True)  # equal times on either side of a cut
    @given(
        gaps=st.lists(st.integers(-2, 4), min_size=2, max_size=40),
        every=st.integers(1, 9),
        block=st.integers(1, 7),
        by_time=st.booleans(),
    )
    def test_prices_do_not_depend_on_the_chunks(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        gaps: list[int],
        every: int,
        block: int,
        by_time: bool,
    ) -> None:
        """Times that go back are left out; of equal times the last stands."""
        ticks = np.zeros(len(gaps), TICK)
        ticks["ts"] = np.maximum(100 + np.cumsum(gaps), 0)
        ticks["price"] = ticks["bid"] = ticks["ask"] = 1.0 + np.arange(len(gaps))
        np.save(tmp_path_factory.getbasetemp() / "t.npy", ticks)
        kept: list[tuple[int, float]] = []
        for ts, price in zip(ticks["ts"].tolist(), ticks["bid"].tolist(), strict=True):
            if not kept or ts >= kept[-1][0]:
                kept.append((ts, price))
        prices = [price for _, price in kept[::every]]
        if by_time:
            at = range(kept[0][0], kept[-1][0] + 1, every)
            prices = [[price for ts, price in kept if ts <= when][-1] for when in at]
        interval = Interval(ns=every) if by_time else Interval(ticks=every)
        config = configured(tmp_path_factory.getbasetemp() / "t.npy")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("livetrading.research.market_facts.BLOCK", block)
            if len(prices) < 2:
                with pytest.raises(ConfigError, match="must leave 2 to"):
                    market_facts(config, interval)
            else:
                found = market_facts(config, interval)
                assert found.returns == pytest.approx(np.diff(np.log(prices)), abs=1e-14)
                assert found.ticks == len(gaps)

    def test_a_recording_by_rows(self) -> None:
        found = market_facts(configured(QUOTES), Interval(ticks=7), 100)
        prices = mid(read_ticks([QUOTES]))[:100:7]
        assert found.returns == pytest.approx(np.diff(np.log(prices)), abs=1e-14)
        assert (found.every_ticks, found.every_s) == (7, None)

    def test_bars_are_summed_by_rows(self, tmp_path: Path) -> None:
        closes = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 100)))
        days = pd.date_range("2024-01-01", periods=100).strftime("%Y-%m-%d")
        pd.DataFrame({"date": days, "close": closes}).to_csv(tmp_path / "b.csv", index=False)
        week = market_facts(configured(tmp_path / "b.csv"), Interval(ticks=7), 90)
        assert week.returns == pytest.approx(np.diff(np.log(closes[:85:7])), abs=1e-12)
        assert (week.kind, week.ticks, week.every_s, week.facts.n) == ("bars", 84, 7 * 86400.0, 12)
        assert interval_text(week) == "7 d"
        with pytest.raises(ConfigError, match="must be given in rows"):
            market_facts(configured(tmp_path / "b.csv"), Interval(ns=10**9))
        with pytest.raises(ConfigError, match=r"was 1 \(99 returns, 100 at a time\)"):
            market_facts(configured(tmp_path / "b.csv"), Interval(ticks=100))

    def test_a_recording_too_short_or_too_long_for_the_interval(self) -> None:
        with pytest.raises(ConfigError, match="must leave 2 to 20000001 prices, was 1"):
            market_facts(configured(QUOTES), Interval(ns=10**15))
        with pytest.raises(ConfigError, match="must leave at most 20000001 prices"):
            market_facts(configured(QUOTES), Interval(ns=1))


class TestInterval:
    @pytest.mark.parametrize(
        ("text", "interval"),
        [
            ("3600", Interval(ns=3600 * 10**9)),
            ("0.1", Interval(ns=10**8)),
            (".5", Interval(ns=5 * 10**8)),
            ("1e-9", Interval(ns=1)),
            ("256t", Interval(ticks=256)),
        ],
    )
    def test_seconds_or_ticks(self, text: str, interval: Interval) -> None:
        assert parse_interval(text) == interval

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0",
            "0t",
            "-1",
            "1h",
            "t",
            "1.5t",
            "nan",
            "inf",
            "1e-10",
            "2e9",
            "1_0",
            "9" * 14 + "t",
            "1e999",
        ],
    )
    def test_others_are_refused(self, text: str) -> None:
        with pytest.raises(ConfigError, match="--every must be seconds from"):
            parse_interval(text)


class TestFigure:
    def test_is_the_same_every_time(self, tmp_path: Path) -> None:
        found = market_facts(configured("gbm"), Interval(ticks=10), 3000)
        files = [tmp_path / "a.png", tmp_path / "a.svg", tmp_path / "b.svg"]
        for file in files:
            plot_facts(found, file)
        image, drawing, again = (file.read_bytes() for file in files)
        assert image.startswith(b"\x89PNG")
        assert drawing == again
        assert sorted(tmp_path.iterdir()) == files
        text = " ".join(re.findall("<!-- (.*?) -->", drawing.decode()))
        for words in ("log return (%)", "normal law", "autocorrelation", "var of q-sums", "intervals of 1 s"):
            assert words in text

    @pytest.mark.parametrize("returns", [[0.1], [0.0] * 50 + [0.1]])
    def test_draws_what_has_hardly_any_facts(self, tmp_path: Path, returns: list[float]) -> None:
        np.save(tmp_path / "$x_$.npy", np.array(returns))
        plot_facts(market_facts(configured(tmp_path / "$x_$.npy")), tmp_path / "a.png")
        assert (tmp_path / "a.png").stat().st_size > 10_000

    @pytest.mark.parametrize("name", ["\x07", os.fsdecode(b"\xff"), "\u540d", "\ufffe", "\u202e"])
    def test_any_name_of_a_file(self, tmp_path: Path, name: str) -> None:
        np.save(tmp_path / f"{name}.npy", np.linspace(-0.1, 0.1, 30))
        plot_facts(market_facts(configured(tmp_path / f"{name}.npy")), tmp_path / "a.svg")
        minidom.parse(str(tmp_path / "a.svg"))

    def test_a_disk_that_is_full_leaves_what_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = market_facts(configured("gbm"), Interval(ticks=10), 3000)
        (tmp_path / "a.png").write_text("before")
        whole = Path.write_bytes

        def write_some(path: Path, data: bytes) -> int:
            whole(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left")

        monkeypatch.setattr(Path, "write_bytes", write_some)
        with pytest.raises(DataError, match="No space left"):
            plot_facts(found, tmp_path / "a.png")
        assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.png", "before")]

    @pytest.mark.parametrize("n", [20_000, 20_001, 100_003])
    def test_draws_a_long_series_by_its_extremes(self, tmp_path: Path, n: int) -> None:
        r = np.random.default_rng(1).normal(0, 0.01, n)
        r[-1] = 1.0  # the last stretch is a short one
        np.save(tmp_path / "long.npy", r)
        found = market_facts(configured(tmp_path / "long.npy"))
        axes = Figure().subplots()
        facts_plot._draw_returns(axes, found)
        drawn = np.asarray(axes.lines[0].get_ydata())
        assert 10_000 <= len(drawn) <= 20_000
        assert (drawn.min(), drawn.max()) == (100 * found.returns.min(), 100 * found.returns.max())


def facts(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["market", "facts", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


class TestCommand:
    def test_json_is_one_line_of_numbers(self, capsys: pytest.CaptureFixture[str]) -> None:
        line = facts(capsys, "gbm", "--ticks", "1001", "--every", "100t", "--seed", "7", "--json")
        assert line.count("\n") == 1
        tree: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
        assert (tree["market"], tree["seed"], tree["n"], tree["every_s"]) == ("gbm", 7, 10, 10.0)
        assert tree["acf_abs_r"]["100"] is None
        recorded = tree["recorded"]["hourly 2025"]
        assert recorded["variance_ratio"]["2"] == 0.997
        assert recorded["verdicts"] == dict.fromkeys(tree["verdicts"], True)
        expected = market_facts(configured("gbm", seed=7), Interval(ticks=100), 1001)
        assert tree == json.loads(json.dumps(expected.to_dict()))

    def test_lines_where_there_is_no_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = facts(capsys, str(QUOTES), "--every", "1t").splitlines()
        pairs = dict(line.split(": ", 1) for line in lines)
        assert pairs["n"] == "299"
        assert pairs["recorded.daily 2014-2025.hill"] == "3.26"
        assert pairs["note"] == "The standard errors are those of independent normal returns."

    def test_table_holds_the_recorded_rows(self) -> None:
        header, *rows = facts_rows(market_facts(configured("gbm"), Interval(ticks=1), 1000))
        assert header[2:] == tuple(row.name for row in RECORDED)
        table = {row[0]: row[1:] for row in rows}
        assert table["returns"] == ("999", "4,363", "2,173", "2,160")
        assert table["sd"][1:] == ("0.03592", "0.03245", "0.00495")
        assert table["acf |r| (100)"][1:] == ("0.016", "0.006", "0.002")
        assert table["fat tails"] == ("no", "yes", "yes", "yes")

    def test_environment_sets_the_market(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LIVETRADING_MARKET__DT_S", "10")
        assert (
            json.loads(facts(capsys, "gbm", "--ticks", "1000", "--every", "10", "--json"))["every_ticks"] == 1
        )

    def test_a_bootstrap_draws_from_a_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        tree = json.loads(
            facts(capsys, "bootstrap", "--returns", str(QUOTES), "--ticks", "500", "--every", "1t", "--json")
        )
        assert (tree["market"], tree["n"]) == ("bootstrap", 499)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["bootstrap"], "market.returns must be a file for the market bootstrap"),
            (["gbm", "--returns", str(QUOTES)], "market.returns"),
            (
                ["bootstrap", "--returns", str(QUOTES), "--plot", str(QUOTES)],
                "--plot must not be the recording",
            ),
            (["kaos"], "market.name must be chaos, gbm"),
            (["absent.csv"], "absent.csv must be a readable CSV file"),
            (["chaos", "--plot", "a.pdf"], "a figure must go to one of .png, .svg, was a.pdf"),
            (["chaos", "--plot", "absent/a.png"], "in a directory that exists"),
            ([str(QUOTES), "--plot", str(QUOTES)], "--plot must not be the recording"),
            ([str(QUOTES), "--seed", "1"], "--seed must be given for a simulated market only"),
            (["gbm", "--ticks", "0"], "run.ticks must be a whole number above 0, was 0 (--ticks)"),
            (["gbm", "--seed", "x"], "market.seed must be a whole number, was 'x' (--seed)"),
            (["gbm", "--every", "1h"], "--every must be seconds"),
            ([], "Missing argument"),
        ],
    )
    def test_bad_input_is_one_line(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
    ) -> None:
        assert main(["market", "facts", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert said in captured.err

    def test_without_matplotlib_the_extra_is_named(self, tmp_path: Path) -> None:
        code = (
            "import sys; sys.modules['matplotlib'] = None; from livetrading.runner import main; "
            f"sys.exit(main(['market', 'facts', 'gbm', '--plot', {str(tmp_path / 'a.png')!r}]))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == [
            "livetrading: a figure needs matplotlib: pip install 'livetrading[plot]'"
        ]
        assert not list(tmp_path.iterdir())

    def test_readme_names_every_option(self) -> None:
        environ = {**os.environ, "COLUMNS": "200"}
        command = [sys.executable, "-m", "livetrading.runner", "market", "facts", "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout
        options = set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help"}
        section = (
            (ROOT / "README.md").read_text("utf-8").partition("### Stylised facts")[2].partition("\n## ")[0]
        )
        assert options <= set(re.findall(r"--[a-z][a-z-]+", section))
