"""Stylised facts against other libraries, slow obvious forms, closed forms, and the design's own rows."""

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import fsum, log, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats
from statsmodels.tsa.stattools import acf

from livetrading.data.returns import log_returns, read_returns
from livetrading.research.stylised_facts import (
    CRITERIA,
    RECORDED,
    BadReturns,
    StylisedFacts,
    autocorrelation,
    hill_index,
    stylised_facts,
    variance_ratio,
    verdicts,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded data are not beside the checkout")

# Sizes that a square neither loses nor blows up, so that exact symmetries hold to a rounding.
returns_of = arrays(np.float64, st.integers(2, 60), elements=st.floats(-1, 1).map(lambda x: round(x, 6)))


def drawn(n: int, seed: int = 1) -> NDArray[np.float64]:
    """Fat-tailed returns with clusters."""
    random = np.random.default_rng(seed)
    wild = np.exp(np.repeat(random.normal(size=-(-n // 20)), 20)[:n])
    return 0.01 * wild * random.standard_t(4, size=n) + 1e-4


def slow_acf(x: Sequence[float], lag: int) -> float:
    mean = fsum(x) / len(x)
    products = [(x[i] - mean) * (x[i + lag] - mean) for i in range(len(x) - lag)]
    return fsum(products) / len(products) / (fsum((value - mean) ** 2 for value in x) / len(x))


def slow_variance_ratio(r: Sequence[float], span: int) -> float:
    def variance(x: Sequence[float]) -> float:
        mean = fsum(x) / len(x)
        return fsum((value - mean) ** 2 for value in x) / len(x)

    sums = [fsum(r[begin : begin + span]) for begin in range(len(r) - span)]
    return variance(sums) / (span * variance(r))


def slow_hill(r: Sequence[float]) -> float:
    mean = fsum(r) / len(r)
    sizes = sorted((abs(value - mean) for value in r), reverse=True)
    k = int(0.05 * len(r))
    return k / fsum(log(size / sizes[k]) for size in sizes[:k])


def values(facts: StylisedFacts) -> dict[str, float | None]:
    tree = pd.json_normalize(facts.to_dict()).iloc[0].to_dict()
    return {name: None if value is None else float(value) for name, value in tree.items()}


class TestDefinitions:
    def test_moments_are_scipys(self) -> None:
        r = drawn(500)
        facts = stylised_facts(r)
        assert facts.n == 500
        assert facts.sd == pytest.approx(np.std(r), rel=1e-12)
        assert facts.skew == pytest.approx(stats.skew(r), rel=1e-10)
        assert facts.excess_kurtosis == pytest.approx(stats.kurtosis(r), rel=1e-10)

    def test_autocorrelation_is_that_of_statsmodels(self) -> None:
        r = drawn(500)
        facts = stylised_facts(r)
        known = acf(r, nlags=100, adjusted=True, fft=False)
        of_size = acf(np.abs(r), nlags=100, adjusted=True, fft=False)
        assert list(facts.acf_r.values()) == pytest.approx(known[[1, 2, 5]], abs=1e-12)
        assert list(facts.acf_abs_r.values()) == pytest.approx(of_size[[1, 5, 10, 20, 50, 100]], abs=1e-12)

    def test_leverage_is_the_correlation_of_pandas(self) -> None:
        d = pd.Series(drawn(500))
        d -= d.mean()
        assert stylised_facts(drawn(500)).leverage == pytest.approx(d.corr((d**2).shift(-1)), abs=1e-12)

    def test_variance_ratio_is_that_of_rolling_sums(self) -> None:
        r = pd.Series(drawn(500))
        for span, ratio in stylised_facts(drawn(500)).variance_ratio.items():
            sums = r.rolling(span).sum().dropna()[:-1]
            assert ratio == pytest.approx(sums.var(ddof=0) / (span * r.var(ddof=0)), rel=1e-9)

    @pytest.mark.parametrize("n", [22, 39, 40, 41, 137])
    def test_slow_obvious_forms(self, n: int) -> None:
        r = drawn(n, seed=n)
        for lag in (1, 7, n - 1):
            assert autocorrelation(r, lag) == pytest.approx(slow_acf(r.tolist(), lag), abs=1e-12)
        for span in (1, 2, n - 2):
            assert variance_ratio(r, span) == pytest.approx(slow_variance_ratio(r.tolist(), span), rel=1e-9)
        assert hill_index(r) == pytest.approx(slow_hill(r.tolist()), rel=1e-10)

    def test_golden(self) -> None:
        """A row that can be done by hand: 1, 2, 3, -2, 1, mean 1, deviations 0, 1, 2, -3, 0."""
        facts = stylised_facts([1, 2, 3, -2, 1])
        assert facts.sd == pytest.approx(sqrt(14 / 5))
        assert facts.skew == pytest.approx((1 + 8 - 27) / 5 / (14 / 5) ** 1.5)
        assert facts.excess_kurtosis == pytest.approx((1 + 16 + 81) / 5 / (14 / 5) ** 2 - 3)
        assert facts.acf_r[1] == pytest.approx((2 - 6) / 4 / (14 / 5))
        assert facts.acf_r[2] == pytest.approx(-3 / 3 / (14 / 5))
        assert facts.variance_ratio[2] == pytest.approx(np.var([3, 5, 1]) / (2 * 14 / 5))
        assert facts.leverage == pytest.approx(np.corrcoef([0, 1, 2, -3], [1, 4, 9, 0])[0, 1])


class TestClosedForms:
    @pytest.mark.parametrize("alpha", [1.5, 3.0, 4.5])
    def test_hill_finds_the_index_of_a_power_law(self, alpha: float) -> None:
        sizes = 1 + np.random.default_rng(1).pareto(alpha, 20_000)
        r = np.concatenate((sizes, -sizes)) / 1e5  # a mean of exactly 0, each size twice
        # The error of Hill's index is alpha / sqrt(k), of k = 1,000 different sizes.
        assert hill_index(r) == pytest.approx(alpha, abs=4 * alpha / sqrt(1000))

    def test_memory_of_an_autoregression(self) -> None:
        random, phi, n = np.random.default_rng(1), 0.5, 100_000
        noise, r = random.normal(size=n), np.empty(n)
        r[0] = noise[0]
        for i in range(1, n):
            r[i] = phi * r[i - 1] + noise[i]
        facts = stylised_facts(r / 10)
        for lag, value in facts.acf_r.items():
            assert value == pytest.approx(phi**lag, abs=5 / sqrt(n))
        for span, ratio in facts.variance_ratio.items():
            exact = 1 + 2 * sum((1 - k / span) * phi**k for k in range(1, span))
            assert ratio == pytest.approx(exact, abs=12 * sqrt(span / n))

    def test_a_turn_every_time_has_no_variance_over_two(self) -> None:
        r = np.tile([0.5, -0.5], 50)
        facts = stylised_facts(r)
        assert facts.acf_r == {1: pytest.approx(-1), 2: pytest.approx(1), 5: pytest.approx(-1)}
        assert facts.variance_ratio[2] == pytest.approx(0, abs=1e-15)
        assert facts.acf_abs_r[1] is None  # the sizes are constant, and so are the squares
        assert facts.leverage is None
        assert facts.hill is None


class TestInvariance:
    @given(returns_of, st.floats(1e-150, 1e1))
    def test_scale_changes_the_sd_alone(self, r: NDArray[np.float64], scale: float) -> None:
        assume(np.ptp(r) > 1e-3)
        before, after = values(stylised_facts(r)), values(stylised_facts(r * scale))
        assert after.pop("sd") == pytest.approx((before.pop("sd") or 0) * scale, rel=1e-9)
        assert after.keys() == before.keys()
        for name, value in before.items():
            assert after[name] == (None if value is None else pytest.approx(value, rel=1e-6, abs=1e-6)), name

    @given(returns_of)
    def test_a_change_of_sign_turns_skew_and_leverage(self, r: NDArray[np.float64]) -> None:
        before, after = values(stylised_facts(r)), values(stylised_facts(-r))
        for name, value in before.items():
            turned = -1 if name in ("skew", "leverage") else 1
            expected = None if value is None else pytest.approx(turned * value, rel=1e-9, abs=1e-12)
            assert after[name] == expected, name

    @given(returns_of)
    def test_what_is_undefined_is_null(self, r: NDArray[np.float64]) -> None:
        facts = stylised_facts(r)
        assert json.loads(json.dumps({**facts.to_dict(), **verdicts(facts)}, allow_nan=False))["n"] == len(r)
        for lag, value in facts.acf_r.items():
            assert (value is None) == (len(r) <= lag or bool(np.ptp(r) == 0))

    @pytest.mark.parametrize(
        "r",
        [
            [0.0],
            [0.1],
            [0.0] * 500,
            [0.1] * 500,
            [1e-300] * 30,
            log_returns(1.01 ** np.arange(200)),  # 1 % a bar, up to rounding
        ],
    )
    def test_a_constant_has_no_shape(self, r: list[float]) -> None:
        facts = stylised_facts(r)
        assert (facts.n, facts.sd) == (len(r), 0.0)
        assert {value for name, value in values(facts).items() if name not in ("n", "sd")} == {None}
        assert set(verdicts(facts).values()) == {None}

    @pytest.mark.parametrize("r", [[], [[0.1]], 0.1, [0.1, np.nan], [np.inf], [0.1, 100.5]])
    @pytest.mark.parametrize(
        "measure",
        [
            stylised_facts,
            hill_index,
            lambda r: autocorrelation(r, 1),
            lambda r: variance_ratio(r, 2),
        ],
    )
    def test_what_is_no_row_of_returns_is_refused(
        self, r: object, measure: Callable[[object], object]
    ) -> None:
        with pytest.raises(BadReturns, match=r"must be .* was "):
            measure(r)


class TestVerdicts:
    def test_recorded_bitcoin_has_all_four(self) -> None:
        for row in RECORDED:
            assert verdicts(row.facts) == dict.fromkeys(CRITERIA, True), row.name

    def test_a_normal_walk_is_only_a_walk(self) -> None:
        for seed in range(5):
            facts = stylised_facts(np.random.default_rng(seed).normal(size=2000))
            assert verdicts(facts) == {
                "fat_tails": False,
                "uncorrelated": True,
                "clustering": False,
                "random_walk": True,
            }

    def test_each_rule_turns_at_its_bound(self) -> None:
        facts = replace(RECORDED[0].facts, n=900, variance_ratio={2: 1.0, 5: 1.0, 10: 1.0, 20: 1.0})
        bound, fat = 0.1, 3 * sqrt(24 / 900)
        ratio = 3 * sqrt(2 * 39 * 19 / (60 * 900))
        for key, field, inside, outside in (
            ("fat_tails", "excess_kurtosis", fat + 1e-9, fat - 1e-9),
            ("fat_tails", "hill", 4.999, 5.0),
            ("uncorrelated", "acf_r", {1: bound - 1e-9, 2: 0.0, 5: 0.0}, {1: 0.0, 2: 0.0, 5: bound + 1e-9}),
            ("uncorrelated", "acf_r", {1: 1e-9 - bound, 2: 0.0, 5: 0.0}, {1: -bound - 1e-9, 2: 0.0, 5: 0.0}),
            (
                "clustering",
                "acf_abs_r",
                {1: bound + 1e-9, 5: 0.2, 10: 0.2, 20: 0.0},
                {1: 0.9, 5: bound - 1e-9, 10: 0.9},
            ),
            (
                "random_walk",
                "variance_ratio",
                {2: 1.0, 20: 1 + ratio - 1e-9},
                {2: 1.0, 20: 1 + ratio + 1e-9},
            ),
        ):
            assert verdicts(replace(facts, **{field: inside}))[key] is True, field
            assert verdicts(replace(facts, **{field: outside}))[key] is False, field
        assert verdicts(replace(facts, hill=None))["fat_tails"] is None
        assert verdicts(replace(facts, acf_r={1: None, 2: 0.0, 5: 0.0}))["uncorrelated"] is None


@needs_shared
class TestRecorded:
    @staticmethod
    def daily(first: str) -> NDArray[np.float64]:
        with gzip.open(SHARED / "btc_onchain_daily.csv.gz", "rt") as stream:
            rows = [row for row in csv.DictReader(stream) if first <= row["date"] <= "2025-12-13"]
        return log_returns(np.array([float(row["price_usd"]) for row in rows]))

    @pytest.mark.parametrize("which", [0, 1, 2], ids=[row.name for row in RECORDED])
    def test_rows_of_the_design_to_their_digits(self, which: int) -> None:
        measured = (
            read_returns(SHARED / "btc_usd_hourly_90d.csv.gz")
            if which == 2
            else self.daily(("2014-01-02", "2020-01-01")[which])
        )
        found = values(stylised_facts(measured))
        for name, value in values(RECORDED[which].facts).items():
            digits = {"sd": 5, "excess_kurtosis": 2, "hill": 2}.get(name, 3)
            assert round(found[name] or 0.0, digits) == value, name

    def test_bars_marked_bad_are_refused(self) -> None:
        with pytest.raises(ValueError, match="line 4: a bar must be marked ok = 1, was '0'"):
            read_returns(SHARED / "btc_usd_ohlcv_daily.csv.gz")
