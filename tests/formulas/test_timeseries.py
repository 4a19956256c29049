"""Rules of the time series (31 to 60) that golden numbers do not reach."""

from fractions import Fraction
from math import erf, exp, inf, nan, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livetrading.core.variates import exp as compiled_exp
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import log_returns
from livetrading.formulas.registry import create, run
from livetrading.formulas.rules import forecast_signal
from livetrading.formulas.timeseries.autoregression import levinson_durbin
from livetrading.formulas.timeseries.bandpass import hodrick_prescott
from livetrading.formulas.timeseries.decomposition import extrema
from livetrading.formulas.timeseries.state_space import Regimes, Trend
from livetrading.formulas.timeseries.threshold import threshold
from livetrading.formulas.timeseries.volatility import LOG_MOST, Variance, systematic
from livetrading.formulas.timeseries.windows import (
    Recent,
)

Floats = NDArray[np.float64]
FITTED: list[tuple[int, dict[str, Any], str]] = [
    (33, {"p": 1, "q": 1}, "mu"),
    (34, {"q": 1}, "lm"),
    (38, {}, "ssr"),
    (39, {}, "ssr"),
    (54, {"p": 2}, "mu"),
]


def changed(column: Floats) -> list[int]:
    return (np.flatnonzero(np.diff(column) != 0.0) + 1).tolist()


def over_scale(value: float, r: Floats) -> float | None:
    """The one number whose product with the root mean square of r is the value, if there is but one."""
    scale = sqrt(float(np.mean(r * r)))
    near = value / scale * (1.0 + np.arange(-4, 5) * 2.0**-53)
    found = {float(one) for one in near if one * scale == value}
    return found.pop() if len(found) == 1 else None


class TestForecastSignal:
    def test_it_counts_from_z0_on(self) -> None:
        assert forecast_signal(0.25, 1.0, 0.25) == (1, erf(0.25 / sqrt(2.0)))
        assert forecast_signal(-0.25, 1.0, 0.25)[0] == -1
        assert forecast_signal(0.2499, 1.0, 0.25)[0] == 0

    def test_no_spread_is_no_evidence(self) -> None:
        assert forecast_signal(1.0, 1e-12, 0.1) == (0, 0.0)
        assert forecast_signal(1.0, 1.01e-12, 0.1)[0] == 1
        assert forecast_signal(1.0, nan, 0.1) == (0, 0.0)


class TestRefits:
    @pytest.mark.parametrize(("id", "given", "name"), FITTED)
    @pytest.mark.parametrize("phase", [0, 7])
    def test_they_come_when_they_are_due(self, id: int, given: dict[str, Any], name: str, phase: int) -> None:
        said = run(id, {"price": walk(3, 105)}, n=60, refit=20, phase=phase, **given)
        assert not said.ready[59]
        assert said.ready[60]
        # the first stays where it is; the row of m returns is row m
        assert changed(said.outputs[name][60:]) == [20 + phase, *([40] if phase == 0 else [])]

    @pytest.mark.parametrize(("id", "given", "name"), FITTED)
    def test_a_degenerate_window_leaves_the_former_fit(
        self, id: int, given: dict[str, Any], name: str
    ) -> None:
        price = walk(3, 61)
        price = np.concatenate([price, np.full(80, price[-1])])
        said = run(id, {"price": price}, n=60, refit=10, **given)
        # from row 120 on every return in the window is 0
        assert changed(said.outputs[name][60:])
        assert changed(said.outputs[name][119:]) == []
        assert np.isfinite(said.value[140])

    @pytest.mark.parametrize(("id", "given", "name"), FITTED)
    def test_the_former_fit_goes_on(self, id: int, given: dict[str, Any], name: str) -> None:
        price = np.concatenate([walk(3, 61), np.full(80, walk(3, 61)[-1]), walk(4, 10)])
        said = run(id, {"price": price}, n=60, refit=80, **given)
        # the fit at row 140 fails
        assert changed(said.outputs[name][60:]) == []
        assert len(changed(said.value[140:])) >= 8

    @pytest.mark.parametrize(("id", "given", "name"), FITTED)
    def test_without_a_fit_it_is_not_ready(self, id: int, given: dict[str, Any], name: str) -> None:
        price = np.concatenate([np.full(61, 100.0), walk(5, 60)])
        said = run(id, {"price": price}, n=60, refit=50, **given)
        assert not said.ready[:110].any()
        assert said.ready[110:].all()

    @pytest.mark.parametrize("id", [33, 35, 39, 54, 58, 59, 60])
    def test_a_variation_of_rounding_is_none(self, id: int) -> None:
        noise = np.random.default_rng(9).standard_normal(80)
        columns = {"price": 100.0 * (1.0 + 2e-13 * noise), "cross.0": walk(1, 80), "cross.1": walk(2, 80)}
        assert not run(id, columns, n=60).ready.any()

    def test_a_phase_must_be_below_the_interval(self) -> None:
        with pytest.raises(FormulaError, match="phase"):
            create(33, refit=5, phase=5)
        with pytest.raises(FormulaError, match="phase"):
            create(47, every=5, phase=5)

    def test_residuals_go_on_between_fits(self) -> None:
        price = walk(8, 90)
        said = run(33, {"price": price}, n=60, refit=100, p=1, q=1)
        phi, theta, mu = (float(said.outputs[name][-1]) for name in ("phi_1", "theta_1", "mu"))
        e = before = 0.0
        for i, r in enumerate(np.diff(np.log(price)) - mu, start=1):
            e, before = r - phi * before - theta * e, r
            if i >= 60:
                assert said.value[i] == pytest.approx(mu + phi * before + theta * e, rel=1e-8)


class TestRuns:
    def test_the_test_is_held_and_the_score_is_not(self) -> None:
        said = run(47, {"price": walk(4, 120)}, n=60, lags=1, every=20)
        assert changed(said.value[60:]) == [20, 40]
        assert len(changed(said.outputs["z"][60:])) == 59
        x = np.log(walk(4, 120))[-61:]
        assert said.outputs["z"][-1] == pytest.approx((x[-1] - x.mean()) / x.std(), rel=1e-9)

    @pytest.mark.parametrize("id", [47, 48, 49])
    @pytest.mark.parametrize("level", [50_000.0, 12_345.678, 0.1, 7.7])
    def test_a_degenerate_window_says_nothing(self, id: int, level: float) -> None:
        price = np.concatenate([walk(4, 70), np.full(80, level)])
        said = run(id, {"price": price}, n=60, lags=1, every=5)
        assert said.ready[-1]
        assert (said.value[-1], said.signal[-1], said.confidence[-1]) == (0.0, 0, 0.0)
        assert said.outputs["p_value"][-1] == 1.0

    @pytest.mark.parametrize("id", [47, 48])
    @pytest.mark.parametrize("level", [50_000.0, 7.7])
    def test_a_level_that_no_row_tells_from_the_constant_says_nothing(self, id: int, level: float) -> None:
        """Only the last price differs: x_{t-1} does not vary, and any number would be its coefficient."""
        price = np.concatenate([walk(4, 20), np.full(61, level), [1.001 * level]])
        said = run(id, {"price": price}, n=61, lags=1, every=1, alpha=1.0, entry=0.0)
        assert said.ready[-1]
        assert (said.value[-1], said.signal[-1], said.confidence[-1]) == (0.0, 0, 0.0)
        assert (said.outputs["p_value"][-1], said.outputs["rho"][-1]) == (1.0, 0.0)

    def test_a_lone_spike_is_not_a_level(self) -> None:
        """Of one that was just taken back, x_{t-1} and the lagged change are one beside a constant."""
        price = np.concatenate([walk(4, 20), np.full(40, 5e4), [5.1e4, 5e4]])
        said = run(47, {"price": price}, n=38, lags=1, every=1)
        assert (said.value[-1], said.outputs["p_value"][-1], said.outputs["rho"][-1]) == (0.0, 1.0, 0.0)

    def test_log_prices_are_counted_from_the_first(self) -> None:
        assert run(49, {"price": walk(4, 70)}, n=60, every=5).ready.argmax() == 59
        assert changed(run(49, {"price": walk(4, 70)}, n=60, every=5).value[59:]) == [5, 10]

    @pytest.mark.parametrize(("id", "every"), [(55, 4), (56, 8)])
    def test_a_decomposition_is_held(self, id: int, every: int) -> None:
        said = run(id, {"price": walk(4, 100)}, n=64)
        assert changed(said.value[63:]) == list(range(every, 37, every))

    def test_a_line_is_carried_on(self) -> None:
        t = np.arange(400)
        price = 100.0 * np.exp(0.01 * np.sin(2.0 * np.pi * t / 16.0 + 0.3))
        said = run(50, {"price": price}, n=128, every=50)
        ahead = np.sign(np.diff(np.log(price)))
        counts = said.signal[128:-1] != 0
        assert said.value[-1] == 16.0
        assert counts.mean() > 0.8
        assert np.array_equal(said.signal[128:-1][counts], ahead[128:][counts])


class TestScores:
    def test_fifty_values_are_needed(self) -> None:
        recent = Recent(60)
        for i in range(49):
            recent.push(float(i % 7))
        assert recent.score() == 0.0
        recent.push(3.0)
        assert recent.score() != 0.0

    def test_the_last_n_are_held(self) -> None:
        recent = Recent(5)
        for i in range(23):
            recent.push(float(i))
            assert recent.last.tolist() == [float(k) for k in range(max(0, i - 4), i + 1)]

    @pytest.mark.parametrize(("id", "first"), [(51, 25), (52, 60), (53, 60)])
    def test_cycles_score_from_the_fiftieth(self, id: int, first: int) -> None:
        given = {} if id == 51 else {"n": 60}
        said = run(id, {"price": walk(6, 150)}, **given)
        z = said.outputs["z"]
        assert said.ready.argmax() == first - 1
        assert np.all(z[first - 1 : first + 48] == 0.0)
        assert z[first + 48] != 0.0

    def test_level_prices_are_their_own_trend(self) -> None:
        said = run(52, {"price": np.full(300, 123.0)})
        assert said.value[-1] == 123.0
        assert (said.signal[-1], said.confidence[-1], said.outputs["cycle"][-1]) == (0, 0.0, 0.0)


class TestSmoothing:
    def test_a_trade_at_the_same_instant_has_no_weight(self) -> None:
        ts = [0, 4_000_000_000, 4_000_000_000]
        said = run(44, {"ts": ts, "price": [10.0, 20.0, 1000.0]}, tau=1.0)
        assert said.value[2] == said.value[1]
        assert said.outputs["sd"][2] == said.outputs["sd"][1]
        assert said.outputs["z"][2] > said.outputs["z"][1]

    def test_it_is_ready_after_three_tau_to_the_border(self) -> None:
        ts = np.array([5, 5 + 299_999_999, 5 + 300_000_000])
        said = run(44, {"ts": ts, "price": [10.0, 11.0, 12.0]}, tau=0.1)
        assert said.ready.tolist() == [False, False, True]

    def test_time_does_not_go_back(self) -> None:
        price = [10.0, 20.0, 30.0, 40.0]
        back = run(44, {"ts": [0, 4_000_000_000, 1_000_000_000, 5_000_000_000], "price": price}, tau=1.0)
        stood = run(44, {"ts": [0, 4_000_000_000, 4_000_000_000, 5_000_000_000], "price": price}, tau=1.0)
        assert np.array_equal(back.value, stood.value, equal_nan=True)

    @pytest.mark.parametrize(("id", "first"), [(45, 25), (46, 40)])
    def test_brown_is_ready_when_its_start_has_faded(self, id: int, first: int) -> None:
        said = run(id, {"price": walk(7, 60)})
        assert said.ready.argmax() == first - 1
        flat = run(id, {"price": np.full(60, 0.3)})
        assert (flat.value[-1], flat.signal[-1], flat.confidence[-1]) == (0.0, 0, 0.0)

    def test_the_forecast_error_starts_at_the_first_one(self) -> None:
        price, lam, alpha = walk(7, 60), 0.9, 0.3
        said = run(45, {"price": price}, lam=lam, alpha=alpha)
        one = two = price[0]
        level, slope, variance = price[0], 0.0, nan
        for p in price[1:]:
            miss = (p - level - slope) ** 2
            variance = miss if np.isnan(variance) else lam * variance + (1.0 - lam) * miss
            one = alpha * p + (1.0 - alpha) * one
            two = alpha * one + (1.0 - alpha) * two
            level, slope = 2.0 * one - two, alpha / (1.0 - alpha) * (one - two)
        assert said.confidence[-1] == pytest.approx(erf(abs(slope) / sqrt(2.0 * variance)), rel=1e-9)

    def test_the_largest_prices_leave_a_finite_spread(self) -> None:
        price = np.where(np.arange(80) % 2, 1e300, 1.0)
        for id in (45, 46):
            assert run(id, {"price": price}).confidence[-1] > 0.0


class TestVolatility:
    @pytest.mark.parametrize("id", [42, 43])
    def test_without_a_scale_it_is_never_ready(self, id: int) -> None:
        price = np.concatenate([np.full(12, 5.0), walk(1, 40)])
        assert not run(id, {"price": price}, n0=10).ready.any()

    @pytest.mark.parametrize("id", [42, 43])
    def test_calm_follows_the_direction_where_there_is_one(self, id: int) -> None:
        price = 100.0 * np.exp(np.cumsum(np.concatenate([[0.01, -0.01] * 5, np.full(60, 1e-5)])))
        said = run(id, {"price": price}, n0=9, h=30, calm=0.99)
        assert np.all(said.signal[:30] == 0)
        assert said.signal[-1] == 1

    @pytest.mark.parametrize("id", [42, 43])
    def test_stress_goes_against_the_last_return(self, id: int) -> None:
        r = np.concatenate([[0.01, -0.01] * 10, [0.2, 0.2, -0.2]])
        said = run(id, {"price": 100.0 * np.exp(np.cumsum(r))}, n0=10, stress=1.2)
        assert said.signal[-1] == 1
        assert said.signal[-2] == -1

    @pytest.mark.parametrize(
        ("id", "given", "first"), [(35, {"n": 60}, 60), (42, {"n0": 20}, 22), (43, {"n0": 20}, 22)]
    )
    def test_calm_and_stress_begin_at_their_levels(self, id: int, given: dict[str, Any], first: int) -> None:
        price = walk(11, 90)
        said, r = run(id, {"price": price}, **given), log_returns(price)

        def side(row: int, **levels: float) -> int:
            return int(run(id, {"price": price}, h=4, **given, **levels).signal[row])

        def level_at(row: int) -> float | None:
            value = float(said.value[row])
            if id == 35:
                return value / sqrt(float(np.mean(r[row - 60 : row] ** 2)))
            return over_scale(value, r[:20]) if id == 42 else compiled_exp(0.5 * said.outputs["x"][row])

        found = [(row, level) for row in range(first, 90) if (level := level_at(row)) is not None][:4]
        assert len(found) == 4
        for row, level in found:
            below, above = float(np.nextafter(level, 0.0)), float(np.nextafter(level, inf))
            assert side(row, calm=level, stress=9.0) == np.sign(price[row] - price[row - 4])
            assert side(row, calm=below, stress=9.0) == 0
            assert side(row, calm=0.0, stress=level) == -np.sign(r[row - 1])
            assert side(row, calm=0.0, stress=above) == 0

    def test_a_far_return_leaves_the_unscented_filter_finite(self) -> None:
        price = walk(2, 400)
        price[150:] *= 1e6
        said = run(43, {"price": price})
        assert all(np.all(np.isfinite(column[said.ready])) for column in (said.value, *said.outputs.values()))
        assert said.outputs["x"][152] > 1000.0

    @pytest.mark.parametrize(
        "given", [{"phi": -0.9, "sigma_eta": 1.0}, {"phi": 0.99999, "sigma_eta": 5.0}, {"phi": 0.9999}]
    )
    def test_no_persistence_leaves_the_unscented_filter_infinite(self, given: dict[str, float]) -> None:
        price = walk(2, 400)
        price[60:300] = price[60]
        price[320:] *= 1e6
        said = run(43, {"price": price}, n0=20, **given)
        assert all(np.all(np.isfinite(column[said.ready])) for column in (said.value, *said.outputs.values()))

    @pytest.mark.parametrize("phi", [0.9999, -0.9999])
    def test_particles_stay_where_their_weights_are_numbers(self, phi: float) -> None:
        price = np.concatenate([walk(2, 30), np.full(300, 5e4), walk(3, 30)])
        said = run(42, {"price": price}, n0=20, phi=phi, sigma_eta=5.0, particles=20)
        assert all(np.all(np.isfinite(column[said.ready])) for column in (said.value, *said.outputs.values()))
        assert np.all(said.value[said.ready] > 0.0)

    def test_systematic_resampling_counts_within_one(self) -> None:
        weight = np.array([0.5, 0.1, 0.25, 0.15])
        for u in (0.05, 0.3, 0.999):
            count = np.bincount(systematic(weight, u), minlength=4)
            assert np.all(np.abs(count - 4.0 * weight) < 1.0)

    def test_a_log_variance_is_held_within_range(self) -> None:
        model = Variance(0.0, (0.3,), 0.0, 0.9, logs=True)
        assert model.next(-5.0, 1e6) == LOG_MOST
        assert np.isfinite(model.sd(model.next(LOG_MOST, 1.0)))

    def test_a_window_that_begins_at_rest_has_no_first_log_variance(self) -> None:
        """The optimiser converges here all the same."""
        moves = np.random.default_rng(7).standard_normal(44) * 1e-3
        price = np.exp(np.cumsum(np.concatenate([np.zeros(76), moves])))
        said = run(36, {"price": price}, n=114, refit=1)
        assert said.ready.argmax() == 115

    def test_a_fit_that_is_not_invertible_is_refused(self) -> None:
        price = np.where(np.arange(200) % 2, 100.0, 101.0)
        assert not run(36, {"price": price}, n=100).ready.any()


class TestCross:
    def prices(self, rows: int) -> dict[str, Floats]:
        return {"price": walk(1, rows), "cross.0": walk(2, rows), "cross.1": walk(3, rows)}

    def test_a_peer_keeps_its_last_value(self) -> None:
        columns = self.prices(90)
        held = {name: column.copy() for name, column in columns.items()}
        columns["cross.0"][70:73] = nan
        held["cross.0"][70:73] = held["cross.0"][69]
        for id in (58, 60):
            one, other = (run(id, each, n=60, refit=5) for each in (columns, held))
            assert np.array_equal(one.value, other.value, equal_nan=True)

    def test_it_begins_when_every_column_is_known(self) -> None:
        columns = self.prices(90)
        columns["cross.1"][:7] = nan
        assert run(60, columns, n=60).ready.argmax() == 67
        assert run(58, columns, n=60).ready.argmax() == 60

    def test_a_constant_peer_is_a_failed_fit(self) -> None:
        columns = self.prices(90)
        columns["cross.0"][:] = 7.0
        assert not run(58, columns, n=60).ready.any()
        assert not run(60, columns, n=60).ready.any()

    def test_the_factor_reads_as_many_columns_as_there_are(self) -> None:
        columns = {**self.prices(80), "cross.2": walk(4, 80), "cross.3": walk(5, 80)}
        named = run(60, columns, n=60)
        assert "loading_4" in named.outputs
        whole = np.column_stack([columns[f"cross.{k}"] for k in range(4)])
        spelt = run(60, {"price": columns["price"], "cross.prices": whole}, n=60)
        formula = create(60, n=60)
        for price, peers in zip(columns["price"], whole, strict=True):
            formula.update({"price": price, "cross.prices": peers.tolist()})
        assert np.array_equal(named.value, spelt.value, equal_nan=True)
        assert formula.value == named.value[-1]
        formula.reset()
        assert formula.gives == create(60).gives

    def test_one_peer_is_not_enough(self) -> None:
        columns = self.prices(80)
        del columns["cross.1"]
        said = run(60, columns, n=60)
        assert not said.ready.any()


class TestParts:
    def test_a_plateau_is_one_extremum_at_its_first_sample(self) -> None:
        tops, bottoms = extrema(np.array([0.0, 1.0, 3.0, 3.0, 3.0, 2.0, 2.0, 4.0, 4.0, 1.0, 1.0]))
        assert tops.tolist() == [2, 7]
        assert bottoms.tolist() == [5]

    @pytest.mark.parametrize("lamb", [0, 3, 1600, 10**9])
    def test_the_weights_of_a_trend_keep_their_digits(self, lamb: int) -> None:
        """Against the same system solved in fractions."""
        n = 40
        rows = [[Fraction(i == j) for j in range(n)] for i in range(n)]
        for i in range(n - 2):
            for j, a in enumerate((1, -2, 1)):
                for k, b in enumerate((1, -2, 1)):
                    rows[i + j][i + k] += lamb * a * b
        right = [Fraction(i == n - 1) for i in range(n)]
        for i in range(n):
            for k in range(i + 1, min(i + 3, n)):
                ratio = rows[k][i] / rows[i][i]
                rows[k] = [x - ratio * y for x, y in zip(rows[k], rows[i], strict=True)]
                right[k] -= ratio * right[i]
        for i in reversed(range(n)):
            right[i] = (right[i] - sum(rows[i][j] * right[j] for j in range(i + 1, n))) / rows[i][i]
        found = hodrick_prescott(n, float(lamb))
        assert found == pytest.approx(np.array([float(w) for w in right]), rel=1e-9, abs=1e-13)

    def test_levinson_durbin_solves_yule_walker(self) -> None:
        gamma = np.array([2.0, 1.2, 0.1, -0.4, -0.3])
        phi, variance = levinson_durbin(gamma)
        matrix = np.array([[gamma[abs(i - j)] for j in range(4)] for i in range(4)])
        assert phi == pytest.approx(np.linalg.solve(matrix, gamma[1:]), rel=1e-12)
        assert variance == pytest.approx(2.0 - float(phi @ gamma[1:]), rel=1e-12)

    def test_equal_regressors_have_no_slope(self) -> None:
        r = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 1.0, 3.0, 1.0, 1.0, 3.0, 1.0]) * 1e-3
        found = threshold(r, 0.15)
        assert found is not None
        x, y = r[:-1], r[1:]
        low = float(np.sum((y[x < 2e-3] - y[x < 2e-3].mean()) ** 2))
        assert found.ssr == pytest.approx(low, rel=1e-9)
        assert found.low[0] + found.low[1] * 1e-3 == pytest.approx(float(y[x < 2e-3].mean()), rel=1e-9)

    def test_an_observation_neither_regime_explains_is_survived(self) -> None:
        high, loglik = Regimes((0.0, 0.0), (1.0, 4.0), (0.9, 0.8)).update(0.3, 1e8)
        assert (high, np.isfinite(loglik)) == (1.0, True)

    def test_the_trend_of_a_line_is_its_slope(self) -> None:
        model = Trend(1.0, 0.1, 0.01)
        model.begin(3.0 + 0.5 * np.arange(400.0), 1e6)
        assert model.slope == pytest.approx(0.5, rel=1e-6)
        assert model.level == pytest.approx(3.0 + 0.5 * 399.0, rel=1e-9)

    @pytest.mark.parametrize(
        ("id", "given", "rule"),
        [
            (31, {"n": 5, "p": 5}, "p must be below n"),
            (33, {"p": 0, "q": 0}, r"p \+ q must be"),
            (33, {"n": 20, "p": 5, "q": 5}, r"p \+ q must be"),
            (39, {"n": 12, "trim": 0.499}, "trim must leave"),
            (47, {"n": 10, "lags": 4}, "n must be at least 2 lags"),
            (50, {"n": 8, "tapers": 9}, "tapers at most n"),
            (51, {"low": 32, "high": 6}, "low must be below high"),
            (57, {"n": 40, "L": 40}, "L must be below n"),
            (58, {"n": 6, "p": 3}, "n must be at least 3 p"),
        ],
    )
    def test_parameters_must_fit_each_other(self, id: int, given: dict[str, Any], rule: str) -> None:
        with pytest.raises(FormulaError, match=rule):
            create(id, **given)

    def test_an_unscented_step_of_no_spread_is_an_extended_one(self) -> None:
        """With points close to the mean the gain is that of the linearised observation."""
        price = np.exp(np.cumsum([0.0, 1.0, -1.0, 0.7]))
        said = run(43, {"price": price}, n0=2, alpha=1e-3, kappa=0.0, beta=2.0)
        before = 0.04 / (1.0 - 0.97**2) * 0.97**2 + 0.04
        slope = 0.5 * sqrt(2.0 / np.pi)
        spread = slope**2 * before + (1.0 - 2.0 / np.pi) * exp(0.5 * before)
        assert said.outputs["P"][-1] == pytest.approx(before - (before * slope) ** 2 / spread, rel=0.05)
