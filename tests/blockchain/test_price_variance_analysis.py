"""The breakdown adds up, and its fit is that of statsmodels."""

import json
import math
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from livetrading.blockchain.breakdown_fit import fit_breakdown, fit_ticks
from livetrading.blockchain.price_variance_analysis import (
    TERMS,
    latency_noise,
    price_breakdown,
    variance_shares,
)
from livetrading.blockchain.protocol import DomainError
from livetrading.core.dtypes import TICK, TickFlag
from livetrading.data.ticks import read_ticks

ROOT = Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "tests" / "golden" / "price_variance.json").read_text())
QUOTES = ROOT / "tests" / "data" / "btcusdt_spot_20240808_quotes.csv"
TRADES = ROOT / "tests" / "data" / "btcusdt_spot_20240808_trades.csv"
SHARED = ROOT.parent / "shared" / "data" / "ticks"


def at_golden(**changes: object) -> dict[str, object]:
    return {**GOLDEN["arguments"], **changes}


def made_ticks(n: int, seed: int, coefficients: tuple[float, float, float], sd: float) -> NDArray[np.void]:
    """Trades whose prices follow the fitted model exactly, with autocorrelated noise of uneven size."""
    rng = np.random.default_rng(seed)
    ticks = np.zeros(n, TICK)
    ticks["ts"] = np.arange(n)
    mid = 60_000 + np.cumsum(rng.normal(0, 1, n))
    spread = rng.uniform(1, 40, n)
    ticks["bid"], ticks["ask"] = mid - spread / 2, mid + spread / 2
    for name in ("bid_size", "ask_size", "volume"):
        ticks[name] = rng.lognormal(0, 1, n)
    ticks["side"] = rng.choice([-1, 1], n)
    ticks["flags"] = TickFlag.QUOTE | TickFlag.TRADE
    x, _ = regressors(ticks)
    noise = rng.normal(0, sd, n + 3)
    noise = (noise[3:] + noise[2:-1] + noise[1:-2]) * (1 + np.abs(x[:, 0]))
    mid = (ticks["bid"] + ticks["ask"]) / 2
    ticks["price"] = mid + mid * (x @ np.array(coefficients) + noise)
    return ticks


def regressors(ticks: NDArray[np.void]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The model written out row by row."""
    rows = []
    for row in ticks:
        mid, spread = (row["bid"] + row["ask"]) / 2, row["ask"] - row["bid"]
        depth = row["ask_size"] + row["bid_size"]
        tilt = (row["bid_size"] - row["ask_size"]) / depth
        impact = spread / math.sqrt(depth) * math.sqrt(row["volume"]) / mid
        rows.append((tilt, row["side"] * spread / 2 / mid, row["side"] * impact, row["price"] / mid - 1))
    table = np.array(rows)
    return table[:, :3], table[:, 3]


class TestBreakdown:
    def test_golden(self) -> None:
        found = price_breakdown(**GOLDEN["arguments"])
        for name, value in GOLDEN["terms"].items():
            assert float(found.terms[name]) == pytest.approx(value, rel=1e-15, abs=0)
        assert sum(map(float, found.terms.values())) == pytest.approx(GOLDEN["sum"], rel=1e-15)
        assert float(found.quoted) == GOLDEN["quoted"]

    def test_arrays_are_the_scalars(self) -> None:
        rng = np.random.default_rng(1)
        columns = {name: rng.uniform(0.1, 1.0, (3, 5)) for name in GOLDEN["arguments"]}
        found = price_breakdown(**columns)
        for at in np.ndindex(3, 5):
            one = price_breakdown(**{name: column[at] for name, column in columns.items()})
            assert float(one.quoted) == found.quoted[at]
            assert all(float(one.terms[name]) == found.terms[name][at] for name in TERMS)

    def test_arguments_are_broadcast(self) -> None:
        found = price_breakdown(**at_golden(volume=[0.0, 1.0], spread=[[10.0], [30.0], [0.0]]))
        assert found.quoted.shape == (3, 2)
        assert found.volume_impact[2].tolist() == [0.0, 0.0]
        assert float(found.quoted[1, 1]) == GOLDEN["quoted"]

    def test_no_size_quoted(self) -> None:
        found = price_breakdown(**at_golden(bid_size=[0, 12], ask_size=[0, 0]))
        assert found.imbalance.tolist() == [0.0, 60.0]
        assert math.isnan(found.volume_impact[0])
        assert math.isnan(found.quoted[0])
        assert math.isfinite(found.quoted[1])

    @pytest.mark.parametrize(
        ("name", "value", "rule"),
        [
            ("reference", 0.0, "> 0"),
            ("bid_size", -1.0, ">= 0"),
            ("ask_size", -1.0, ">= 0"),
            ("spread", -0.01, ">= 0"),
            ("volume", -1.0, ">= 0"),
            ("urgency", -0.5, ">= 0"),
            ("fill_probability", -0.1, ">= 0"),
            ("fill_probability", 1.1, "from 0 to 1"),
            *((name, bad, "finite") for name in GOLDEN["arguments"] for bad in (math.nan, math.inf)),
        ],
    )
    def test_outside_the_domain(self, name: str, value: float, rule: str) -> None:
        with pytest.raises(DomainError, match=f"^{name} must be .*{rule}.*, was {value}"):
            price_breakdown(**at_golden(**{name: [GOLDEN["arguments"][name], value]}))

    def test_shapes_that_do_not_fit(self) -> None:
        with pytest.raises(DomainError, match=r"shapes that fit, was .*\(2,\)"):
            price_breakdown(**at_golden(volume=[1, 2], spread=[1, 2, 3]))

    def test_latency_is_drawn_by_index_and_to_scale(self) -> None:
        whole = latency_noise(np.full(20_000, 60_000.0), 7)
        assert np.array_equal(whole[500:900], latency_noise(np.full(400, 60_000.0), 7, 500))
        assert whole.std() == pytest.approx(12.0, rel=0.02)
        assert abs(whole.mean()) < 4 * 12 / math.sqrt(20_000)
        assert not np.array_equal(whole, latency_noise(np.full(20_000, 60_000.0), 8))

    def test_latency_of_a_bad_seed(self) -> None:
        with pytest.raises(DomainError, match=r"^seed must be from 0 to 2\^64 - 1, was -1"):
            latency_noise([1.0], -1)
        with pytest.raises(DomainError, match=r"^reference must be finite and > 0, was 0.0"):
            latency_noise([0.0], 1)

    def test_frozen(self) -> None:
        with pytest.raises(FrozenInstanceError):
            price_breakdown(**GOLDEN["arguments"]).quoted = 1.0


class TestShares:
    @given(
        st.integers(2, 40).flatmap(
            lambda n: st.lists(arrays(float, n, elements=st.floats(-1e3, 1e3)), min_size=1, max_size=6)
        )
    )
    def test_covariances_sum_to_the_variance(self, columns: list[NDArray[np.float64]]) -> None:
        terms = {f"t{i}": column for i, column in enumerate(columns)}
        found, whole = variance_shares(terms), np.sum(columns, axis=0)
        assert found.variance == pytest.approx(np.var(whole), abs=1e-8)
        assert sum(found.covariance.values()) == pytest.approx(found.variance, abs=1e-8)
        for name, column in terms.items():
            expected = np.cov(column, whole, bias=True)[0, 1]
            assert found.covariance[name] == pytest.approx(expected, abs=1e-8)
        if not math.isnan(found.share["t0"]):
            assert sum(found.share.values()) == pytest.approx(1.0)

    def test_of_a_breakdown(self) -> None:
        rng = np.random.default_rng(2)
        v = 60_000 + rng.normal(0, 100, 500)
        found = price_breakdown(
            v, *rng.lognormal(0, 1, (2, 500)), 10, rng.random(500), 0.5, 0.9, latency_noise(v, 3)
        )
        shares = variance_shares(found.terms)
        assert shares.variance == pytest.approx(np.var(found.quoted - found.reference), rel=1e-9)
        assert shares.share["half_spread"] == 0.0

    def test_a_sum_that_stands_still_has_no_shares(self) -> None:
        found = variance_shares({"a": [0.1, 0.1, 0.1], "b": [3.0, 3.0, 3.0]})
        assert math.isnan(found.share["a"])

    @pytest.mark.parametrize(
        ("terms", "message"),
        [
            ({}, "terms must be one or more, was none"),
            ({"a": []}, r"terms must be rows of equal length, at least 1, was \(0,\) of a"),
            ({"a": [1.0], "b": [1.0, 2.0]}, r".*was \(2,\) of b"),
            ({"a": [1.0, math.nan]}, "the term a must be finite, was nan"),
        ],
    )
    def test_bad_terms(self, terms: dict[str, list[float]], message: str) -> None:
        with pytest.raises(DomainError, match=f"^{message}"):
            variance_shares(terms)


class TestFit:
    @pytest.mark.parametrize("lags", [0, 1, 7])
    def test_is_that_of_statsmodels(self, lags: int) -> None:
        ticks = made_ticks(700, 4, (3e-4, 0.9, 0.4), 1e-4)
        x, y = regressors(ticks)
        kind = {"cov_type": "HAC", "cov_kwds": {"maxlags": lags, "use_correction": True}}
        expected = sm.OLS(y, x).fit(**(kind if lags else {"cov_type": "HC1"}))
        found = fit_ticks(ticks, lags=lags)
        named = [found.coefficients[name] for name in ("imbalance", "half_spread", "volume_impact")]
        assert [one.estimate for one in named] == pytest.approx(list(expected.params), rel=1e-9)
        assert [one.standard_error for one in named] == pytest.approx(list(expected.bse), rel=1e-9)
        assert [one.t_zero for one in named] == pytest.approx(list(expected.tvalues), rel=1e-9)
        assert found.r_squared == pytest.approx(expected.rsquared, rel=1e-9)

    def test_residual_sd_and_its_error(self) -> None:
        """The error of the mean square is that of a regression on a constant; the root's is half of it."""
        ticks = made_ticks(700, 5, (3e-4, 0.9, 0.4), 1e-4)
        x, y = regressors(ticks)
        u = y - x @ np.linalg.lstsq(x, y)[0]
        kind = {"maxlags": 6, "use_correction": False}
        mean = sm.OLS(u**2, np.ones(len(u))).fit(cov_type="HAC", cov_kwds=kind)
        found = fit_ticks(ticks, lags=6).coefficients["latency"]
        assert found.estimate == pytest.approx(math.sqrt(mean.params[0]), rel=1e-9)
        assert found.standard_error == pytest.approx(mean.bse[0] / (2 * found.estimate), rel=1e-9)

    def test_finds_what_was_put_in(self) -> None:
        """Over many seeds the distances in standard errors are about standard normal."""
        truth = (0.001, 1.0, 1.0)
        distances = [
            (found.coefficients[name].t_convention)
            for seed in range(60)
            for found in [fit_ticks(made_ticks(300, seed, truth, 5e-5))]
            for name in ("imbalance", "half_spread", "volume_impact")
        ]
        assert abs(np.mean(distances)) < 4 / math.sqrt(len(distances))
        assert 0.8 < np.std(distances) < 1.35

    def test_trades_and_quotes_apart_are_the_merged_recording(self) -> None:
        ticks = read_ticks([QUOTES, TRADES])
        apart = fit_breakdown(read_ticks([TRADES]), read_ticks([QUOTES]))
        assert apart == fit_ticks(ticks)
        assert apart.left_out == {
            "no quote": 3,
            "crossed quote": 0,
            "sizes unknown": 0,
            "bad price or volume": 0,
            "side unknown": 0,
        }
        assert apart.trades == 297

    def test_a_trade_meets_the_quote_of_its_own_time(self) -> None:
        ticks = made_ticks(40, 6, (3e-4, 0.9, 0.4), 1e-4)
        assert fit_breakdown(ticks, ticks) == fit_ticks(ticks)
        late = ticks.copy()
        late["ts"] += 1
        assert fit_breakdown(ticks, late).left_out["no quote"] == 1

    def test_what_the_recording_says_of_the_conventions(self) -> None:
        found = fit_ticks(read_ticks([QUOTES, TRADES]))
        imbalance, latency = found.coefficients["imbalance"], found.coefficients["latency"]
        assert imbalance.estimate == pytest.approx(1.139e-4, rel=1e-3)
        assert imbalance.t_convention < -20
        assert latency.estimate == pytest.approx(1.268e-4, rel=1e-3)
        assert latency.t_convention < -5
        for shares in (found.shares, found.shares_by_convention):
            assert sum(shares.share.values()) == pytest.approx(1.0)
        assert found.shares_by_convention.variance == pytest.approx(found.shares.variance, rel=1e-9)
        assert found.shares_by_convention.share["residual"] < 0
        assert "conventions, not estimates" in found.notes[0]

    @pytest.mark.skipif(not SHARED.exists(), reason="the longer recordings are not at hand")
    @pytest.mark.parametrize(
        ("name", "trades"), [("20240808T2354", 9757), ("20210108", 1971)], ids=["2024", "2021"]
    )
    def test_longer_recordings(self, name: str, trades: int) -> None:
        paths = [SHARED / f"btcusdt_spot_{name}_{kind}.csv.gz" for kind in ("quotes", "trades")]
        found = fit_ticks(read_ticks(paths))
        assert found.trades == trades
        assert abs(found.coefficients["imbalance"].estimate) < 1e-4
        assert found.coefficients["imbalance"].t_convention < -100

    def test_every_reason_to_leave_a_trade_out_is_counted(self) -> None:
        ticks = made_ticks(40, 6, (3e-4, 0.9, 0.4), 1e-4)
        ticks["flags"][0] = TickFlag.QUOTE
        ticks["flags"][1] |= TickFlag.NO_QUOTE
        ticks["bid"][2] = math.nan
        ticks["bid"][3] = ticks["ask"][3] + 1
        ticks["bid_size"][4] = math.nan
        ticks["bid_size"][5] = ticks["ask_size"][5] = 0.0
        ticks["price"][6] = math.nan
        ticks["volume"][7] = 0.0
        ticks["side"][8] = 0
        found = fit_ticks(ticks)
        assert found.trades == 31
        assert list(found.left_out.values()) == [2, 1, 2, 2, 1]
        assert found.coefficients == fit_ticks(ticks[9:]).coefficients

    def test_nothing_to_fit(self) -> None:
        with pytest.raises(DomainError, match=r"at least 4 trades to use, was 0 \(none left out\)"):
            fit_ticks(np.zeros(0, TICK))
        with pytest.raises(DomainError, match=r"was 0 \(no quote 300\)"):
            fit_ticks(read_ticks([TRADES]))
        with pytest.raises(DomainError, match=r"was 0 \(no quote 300\)"):
            fit_breakdown(read_ticks([TRADES]), np.zeros(0, TICK))

    def test_terms_that_are_one(self) -> None:
        ticks = made_ticks(40, 6, (3e-4, 0.9, 0.4), 1e-4)
        ticks["volume"] = ticks["bid_size"] + ticks["ask_size"]
        with pytest.raises(DomainError, match=r"must be linearly independent, was of rank 2$"):
            fit_ticks(ticks)

    @pytest.mark.parametrize("lags", [-1, 40])
    def test_bad_lags(self, lags: int) -> None:
        with pytest.raises(DomainError, match=rf"^lags must be from 0 to 39, was {lags}"):
            fit_ticks(made_ticks(40, 6, (3e-4, 0.9, 0.4), 1e-4), lags=lags)

    def test_time_that_goes_backwards(self) -> None:
        ticks = made_ticks(40, 6, (3e-4, 0.9, 0.4), 1e-4)
        ticks["ts"][7] = 0
        with pytest.raises(DomainError, match=r"^ts of ticks must not go backwards, was 0 at 7"):
            fit_ticks(ticks)

    def test_records_without_the_fields(self) -> None:
        with pytest.raises(DomainError, match=r"^quotes must be .* without bid, ask, bid_size, ask_size"):
            fit_breakdown(np.zeros(5, TICK), np.zeros(5, [("ts", "i8")]))
        with pytest.raises(DomainError, match=r"^ticks must be a row of records .*, was of shape \(2, 2\)"):
            fit_ticks(np.zeros((2, 2), TICK))
