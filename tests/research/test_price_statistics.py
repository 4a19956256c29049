"""Errors, correlations and cointegration against pandas and statsmodels."""

from math import isnan, nan
from typing import Final

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.adfvalues import mackinnonp

from livetrading.data.errors import ExtraMissing
from livetrading.research import price_statistics
from livetrading.research.price_statistics import (
    cointegration,
    correlation,
    least_squares,
    tracking,
)

SPLIT: Final = 700


def walks(seed: int, days: int = 1500, holes: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A price and a model that follows it loosely, both in logarithms."""
    rng = np.random.default_rng(seed)
    price = 6.0 + np.cumsum(rng.normal(0.001, 0.03, days))
    model = 0.7 * price + 1.0 + np.cumsum(rng.normal(0.0, 0.01, days))
    price[rng.choice(days, holes, replace=False)] = nan
    model[rng.choice(days, holes, replace=False)] = nan
    return price, model


class TestTracking:
    @pytest.mark.parametrize("holes", [0, 40])
    def test_equals_pandas(self, holes: int) -> None:
        price, model = walks(1, holes=holes)
        found = tracking(price, model, SPLIT)
        frame = pd.DataFrame({"p": price, "m": model})
        error = frame.p - frame.m
        early = frame.iloc[:SPLIT].dropna()
        slope, intercept = np.polyfit(early.m, early.p, 1)
        refit = (frame.p - intercept - slope * frame.m).iloc[SPLIT:].abs().median()
        assert found.days == error.count()
        assert found.median_abs == pytest.approx(error.abs().median(), abs=1e-12)
        assert found.bias == pytest.approx(error.median(), abs=1e-12)
        assert found.corr_levels == pytest.approx(frame.p.corr(frame.m), abs=1e-12)
        assert found.median_abs_early == pytest.approx(error.iloc[:SPLIT].abs().median(), abs=1e-12)
        assert found.median_abs_late == pytest.approx(error.iloc[SPLIT:].abs().median(), abs=1e-12)
        assert found.refit_slope == pytest.approx(slope, rel=1e-9)
        assert found.refit_intercept == pytest.approx(intercept, rel=1e-9)
        assert found.refit_late == pytest.approx(refit, abs=1e-9)
        shifted = (error.iloc[SPLIT:] - error.iloc[:SPLIT].median()).abs().median()
        assert found.shift_late == pytest.approx(shifted, abs=1e-12)
        assert found.corr_changes == pytest.approx(frame.p.diff(30).corr(frame.m.diff(30)), abs=1e-12)
        assert found.changes == (frame.p.diff(30) - frame.m.diff(30)).count()

    @pytest.mark.parametrize("holes", [0, 200])
    def test_slope_equals_statsmodels(self, holes: int) -> None:
        price, model = walks(2, holes=holes)
        found = tracking(price, model, SPLIT)
        frame = pd.DataFrame({"p": price, "m": model})
        points = pd.DataFrame({"r": frame.p.shift(-90) - frame.p, "e": frame.p - frame.m}).iloc[::90].dropna()
        fit = sm.OLS(points.r, sm.add_constant(points.e)).fit()
        assert found.slope_points == len(points)
        assert found.slope == pytest.approx(fit.params["e"], rel=1e-9)
        assert found.slope_t == pytest.approx(fit.tvalues["e"], rel=1e-9)

    def test_too_little_is_undefined(self) -> None:
        price, model = walks(3, days=29)
        found = tracking(price, model, 10)
        assert isnan(found.median_abs)
        assert isnan(found.corr_levels)
        assert isnan(found.refit_slope)
        assert isnan(found.slope_t)
        assert found.days == 29

    def test_a_constant_correlates_with_nothing(self) -> None:
        price, _ = walks(4)
        found = tracking(price, np.full(len(price), 9.7), SPLIT)
        assert isnan(found.corr_levels)
        assert isnan(found.refit_slope)
        assert found.median_abs == pytest.approx(np.median(np.abs(price - 9.7)))

    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-5, 5), scale=st.floats(0.01, 100))
    def test_correlation_knows_neither_unit_nor_size(self, seed: int, shift: float, scale: float) -> None:
        x, y = walks(seed, days=60)
        assert correlation(x, shift + scale * y) == pytest.approx(correlation(x, y), abs=1e-7)
        assert -1.0 - 1e-12 <= correlation(x, y) <= 1.0 + 1e-12

    def test_residuals_of_least_squares_are_orthogonal(self) -> None:
        x, y = walks(5)
        intercept, slope, _, n = least_squares(x, y)
        rest = y - intercept - slope * x
        assert n == len(x)
        assert abs(rest.sum()) < 1e-8
        assert abs(rest @ x) < 1e-7


def dickey_fuller(x: np.ndarray, lags: int, start: int) -> sm.regression.linear_model.RegressionResults:
    """Changes of x on its level and on `lags` changes before, over the changes from number `start` on."""
    d = np.diff(x)
    rows = np.arange(start, len(d))
    regressors = np.column_stack([x[rows], *(d[rows - k] for k in range(1, lags + 1))])
    return sm.OLS(d[rows], regressors).fit()


class TestCointegration:
    def test_equals_the_test_made_by_hand(self) -> None:
        """Residuals of a regression with a constant, Dickey-Fuller without one, MacKinnon's p for two."""
        price, model = walks(6, days=800)
        model[60:] += sum(0.3 * np.diff(price, prepend=price[0])[60 - k : 800 - k] for k in (9, 17, 30))
        found = cointegration(price, model)
        rest = sm.OLS(price, sm.add_constant(model)).fit().resid
        most = found.lags_max
        best = min(range(most + 1), key=lambda lags: dickey_fuller(rest, lags, most).aic)
        statistic = dickey_fuller(rest, best, best).tvalues[0]
        assert found.statistic == pytest.approx(statistic, rel=1e-6)
        assert found.p_value == pytest.approx(mackinnonp(statistic, regression="c", N=2), rel=1e-5)
        assert found.lags_max == int(np.ceil(12 * 8**0.25))

    def test_knows_a_pair_from_two_walks(self) -> None:
        rng = np.random.default_rng(7)
        walk = np.cumsum(rng.normal(0, 0.03, 1000))
        assert cointegration(walk + rng.normal(0, 0.05, 1000), walk).p_value < 0.001
        assert cointegration(np.cumsum(rng.normal(0, 0.03, 1000)), walk).p_value > 0.05

    def test_takes_the_longest_stretch_without_a_hole(self) -> None:
        price, model = walks(8, days=900)
        price[300] = nan
        found = cointegration(price, model)
        assert found.days == 599
        assert found == cointegration(price[301:], model[301:])

    def test_says_why_there_is_none(self) -> None:
        price, model = walks(9, days=249)
        assert cointegration(price, model).reason == "fewer than 250 days without a hole"
        price, _ = walks(9)
        assert cointegration(price, np.full(len(price), 3.0)).reason == "a constant"
        assert isnan(cointegration(price, np.full(len(price), nan)).p_value)
        assert cointegration(price, price + 0.5).reason == "the model equals the price but for a factor"

    @pytest.mark.parametrize(
        "price",
        [
            np.log(100.0 + np.arange(1400.0)),
            np.where(np.arange(1400) % 2, 20.0, -18.0),
        ],
        ids=["a smooth line", "two prices in turn"],
    )
    def test_says_so_where_lags_cannot_be_told_apart(self, price: np.ndarray) -> None:
        model = np.log(2000.0 + np.arange(1400.0))
        for same in (model, 5.8 * model - 30.0):
            found = cointegration(price, same)
            assert isnan(found.statistic)
            assert isnan(found.p_value)
            assert found.reason == "too few different changes for the lags"

    def test_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(name: str) -> None:
            raise ImportError(name)

        monkeypatch.setattr(price_statistics, "import_module", gone)
        with pytest.raises(ExtraMissing, match=r"pip install 'livetrading\[formulas\]'"):
            price_statistics.check_formulas()
