"""Forecasts out of sample against slow loops, and their comparison against statsmodels."""

from math import isnan, nan
from typing import Final

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter
from statsmodels.stats.multitest import multipletests

from livetrading.research.walk_forward import (
    FORMS,
    HORIZONS,
    STEP_DAYS,
    TRAINING_DAYS,
    Forecasts,
    Form,
    compare,
    diebold_mariano,
    equal_losses,
    forecast,
    growth_forecast,
    holm,
    naive_forecast,
    origins,
    overlap,
)

DAYS: Final = 1500


def series(seed: int, holes: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    price = 6.0 + np.cumsum(rng.normal(0.001, 0.03, DAYS))
    model = 5.0 + 0.001 * np.arange(DAYS) + np.cumsum(rng.normal(0.0, 0.01, DAYS))
    price[rng.choice(DAYS, holes, replace=False)] = nan
    model[rng.choice(DAYS, holes, replace=False)] = nan
    return price, model


def slow_forecast(price: np.ndarray, model: np.ndarray, t: int, h: int, form: Form) -> float | None:
    """One forecast the obvious way, from lists that end at day t."""
    known_price, known_model = price[: t + 1], model[: t + 1]
    pairs = []
    for s in range(len(known_price) - h):
        now, then, says = known_price[s], known_price[s + h], known_model[s]
        if form == "error-correction":
            pairs.append((now - says, then - now))
        elif not isnan(says):
            pairs.append((says, then))
    pairs = [(x, y) for x, y in pairs if not isnan(x + y)]
    x_now = known_model[t] if form == "level" else known_price[t] - known_model[t]
    if len(pairs) < TRAINING_DAYS or isnan(x_now):
        return None
    slope, intercept = np.polyfit(*np.array(pairs).T, 1)
    ahead = intercept + slope * x_now
    return float(ahead if form == "level" else known_price[t] + ahead)


class TestForecast:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("horizon", HORIZONS)
    @pytest.mark.parametrize("holes", [0, 60])
    def test_equals_a_loop_over_what_was_known(self, form: Form, horizon: int, holes: int) -> None:
        price, model = series(1, holes)
        found = forecast(price, model, horizon, form)
        made = dict(zip(found.origins.tolist(), found.values.tolist(), strict=True))
        for t in range(TRAINING_DAYS + horizon, DAYS - horizon, STEP_DAYS):
            expected = slow_forecast(price, model, t, horizon, form)
            if expected is None or isnan(price[t] + price[t + horizon]):
                assert t not in made
            else:
                assert made[t] == pytest.approx(expected, abs=1e-8)
        np.testing.assert_array_equal(found.outcomes, price[found.origins + horizon])
        assert len(found.origins) > 30

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), cut=st.integers(900, 1300), form=st.sampled_from(FORMS))
    def test_nothing_later_is_looked_at(self, seed: int, cut: int, form: Form) -> None:
        price, model = series(seed)
        changed, moved = price.copy(), model.copy()
        changed[cut:] += 3.0
        moved[cut:] -= 2.0
        made = [
            function(p, *([m] if wants_model else []), 30, *([form] if wants_model else []))
            for p, m in ((price, model), (changed, moved))
            for function, wants_model in ((forecast, True), (growth_forecast, False), (naive_forecast, False))
        ]
        for before, after in zip(made[:3], made[3:], strict=True):
            early = before.origins < cut
            np.testing.assert_array_equal(before.values[early], after.values[early])
            assert early.any()

    def test_naive_and_growth(self) -> None:
        price, _ = series(2)
        days = origins(price, 30)
        assert days[0] == TRAINING_DAYS + 30
        assert set(np.diff(days)) == {STEP_DAYS}
        np.testing.assert_array_equal(naive_forecast(price, 30).values, price[days])
        grown = [price[t] + 30 * np.diff(price[: t + 1]).mean() for t in days]
        np.testing.assert_allclose(growth_forecast(price, 30).values, grown, rtol=1e-12)

    def test_a_constant_model_foretells_nothing(self) -> None:
        price, _ = series(3)
        assert len(forecast(price, np.full(DAYS, 5.0), 30, "level").origins) == 0

    def test_a_level_form_knows_no_unit(self) -> None:
        price, model = series(4)
        one, other = (forecast(price, m, 90, "level") for m in (model, 3.0 - 0.5 * model))
        np.testing.assert_allclose(one.values, other.values, atol=1e-8)


class TestComparison:
    def test_equals_numpy_and_statsmodels(self) -> None:
        price, model = series(5)
        mine, naive = forecast(price, model, 90, "error-correction"), naive_forecast(price, 90)
        found = compare(mine, naive)
        e, n = mine.values - mine.outcomes, naive.values - naive.outcomes
        assert found.forecasts == len(e)
        assert found.rmse == pytest.approx(np.sqrt(np.mean(e**2)))
        assert found.rmse_ratio == pytest.approx(np.sqrt(np.mean(e**2) / np.mean(n**2)))
        assert found.median_ratio == pytest.approx(np.median(np.abs(e)) / np.median(np.abs(n)))
        assert (found.statistic, found.p_value) == equal_losses(e**2 - n**2, 8)

    @pytest.mark.parametrize(("horizon", "lags"), [(30, 2), (90, 8), (10, 0), (11, 1)])
    def test_overlap_counts_the_forecasts_that_share_days(self, horizon: int, lags: int) -> None:
        shared = [k for k in range(1, 50) if k * STEP_DAYS < horizon]
        assert overlap(horizon) == lags == len(shared)

    @pytest.mark.parametrize("lags", [0, 2, 8])
    def test_diebold_mariano_is_a_mean_with_uniform_hac_errors(self, lags: int) -> None:
        rng = np.random.default_rng(6)
        d = np.convolve(rng.normal(0.1, 1.0, 300), np.ones(lags + 1), "valid")
        n = len(d)
        fit = sm.OLS(d, np.ones(n)).fit(
            cov_type="HAC", cov_kwds={"maxlags": lags, "kernel": "uniform", "use_correction": False}
        )
        steps = lags + 1
        t = fit.tvalues[0] * np.sqrt((n + 1 - 2 * steps + steps * (steps - 1) / n) / n)
        statistic, p = diebold_mariano(d, lags)
        assert statistic == pytest.approx(t, rel=1e-9)
        assert p == pytest.approx(2 * stats.t.sf(abs(t), n - 1), rel=1e-9)

    def test_it_rejects_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(7)
        window = np.ones(9)
        p = [diebold_mariano(np.convolve(rng.normal(size=358), window, "valid"), 8)[1] for _ in range(400)]
        assert 0.02 < np.mean(np.array(p) < 0.05) < 0.11

    @pytest.mark.parametrize("lags", [0, 2, 8])
    def test_equal_losses_are_the_more_careful_of_two_errors(self, lags: int) -> None:
        rng = np.random.default_rng(8)
        d = stats.zscore(lfilter([1.0], [1.0, -0.9], rng.normal(size=300))) + 0.4
        n, r = len(d), np.corrcoef(d[1:] - d.mean(), d[:-1] - d.mean())[0, 1]
        width = 1.1447 * (4 * r**2 * n / (1 - r**2) ** 2) ** (1 / 3)
        k = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        long_run = (d - d.mean()) @ np.maximum(0.0, 1.0 - k / width) @ (d - d.mean()) / n
        b = width / n
        t = d.mean() / np.sqrt(long_run / n) * 1.96 / np.polyval([-0.5324, 0.4160, 2.9694, 1.96], b)
        statistic, p = equal_losses(d, lags)
        assert statistic == pytest.approx(t, rel=0.02)  # r is of slightly other sums
        assert statistic < diebold_mariano(d, lags)[0]
        assert p == pytest.approx(2 * stats.t.sf(statistic, n - 1))

    def test_losses_that_stay_for_years_are_not_called_unequal_by_chance(self) -> None:
        rng = np.random.default_rng(9)
        made = [lfilter([1.0], [1.0, -0.96], rng.normal(size=658))[300:] for _ in range(300)]
        careless, careful = ([test(d, 2)[1] < 0.05 for d in made] for test in (diebold_mariano, equal_losses))
        assert np.mean(careless) > 0.45
        assert np.mean(careful) < 0.22

    def test_a_variance_that_is_not_above_0_gives_nothing(self) -> None:
        assert isnan(diebold_mariano(np.zeros(50), 2)[0])
        assert isnan(diebold_mariano(np.tile([1.0, -1.0], 40), 1)[1])
        assert isnan(diebold_mariano(np.ones(2), 2)[0])
        assert isnan(equal_losses(np.zeros(50), 2)[0])
        assert isnan(equal_losses(np.ones(50), 2)[1])
        assert isnan(equal_losses(np.ones(2), 2)[0])

    def test_too_few_are_not_compared(self) -> None:
        few = Forecasts(origins=np.arange(29), values=np.zeros(29), outcomes=np.ones(29), horizon=30)
        assert compare(few, few).forecasts == 29
        assert isnan(compare(few, few).rmse_ratio)

    def test_only_common_origins_count(self) -> None:
        one = Forecasts(origins=np.arange(60), values=np.zeros(60), outcomes=np.ones(60), horizon=30)
        two = Forecasts(origins=np.arange(20, 80), values=np.full(60, 0.5), outcomes=np.ones(60), horizon=30)
        found = compare(one, two)
        assert found.forecasts == 40
        assert found.rmse_ratio == 2.0


class TestHolm:
    @settings(max_examples=8, deadline=None)  # each takes statsmodels 50 ms
    @given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
    def test_equals_statsmodels(self, p: list[float]) -> None:
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)

    def test_what_is_undefined_counts_for_nothing(self) -> None:
        found = holm([0.01, nan, 0.04])
        assert found[0] == 0.02
        assert isnan(found[1])
        assert found[2] == 0.04
