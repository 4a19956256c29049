"""What the rows 1 to 30 say beside their numbers: degenerate windows, holding, skipping, schedules, edges."""

import warnings
from math import exp, inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from livetrading.core.statistics import (
    beta_survival,
    chi_square_survival,
    concordance,
    student_two_sided,
)
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.registry import FORMULA_REGISTRY, create, run
from livetrading.formulas.statistical.bursts import fit_hawkes
from livetrading.formulas.statistical.dependence import rescaled_range
from livetrading.formulas.statistical.forecasts import fit_quantile, fit_stumps

Floats = NDArray[np.float64]
OWN = [id for id in range(1, 31) if id in FORMULA_REGISTRY]
HEAVY = {3, 4, 7, 14, 17, 18, 19, 24, 28}


def moved(*moves: float) -> Floats:
    """Prices whose log returns are the numbers."""
    return np.asarray(np.exp(np.cumsum([0.0, *moves])), np.float64)


def small(id: int) -> dict[str, Any]:
    return dict(getattr(FORMULA_REGISTRY[id], "check_parameters", {}))


class TestTails:
    @settings(max_examples=200, deadline=None)
    @given(st.floats(0.0, 3000.0), st.integers(1, 2000))
    def test_chi_square(self, x: float, df: int) -> None:
        assert chi_square_survival(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-10, abs=1e-290)

    @settings(max_examples=200, deadline=None)
    @given(st.floats(-60.0, 60.0), st.floats(0.5, 500.0))
    def test_student(self, t: float, df: float) -> None:
        assert student_two_sided(t, df) == pytest.approx(2.0 * stats.t.sf(abs(t), df), rel=1e-10)

    @settings(max_examples=200, deadline=None)
    @given(st.floats(0.01, 0.99), st.floats(0.01, 900.0), st.floats(0.01, 900.0))
    def test_beta(self, x: float, a: float, b: float) -> None:
        assert beta_survival(x, a, b) == pytest.approx(stats.beta.sf(x, a, b), rel=1e-9, abs=1e-290)

    @pytest.mark.parametrize(
        "call",
        [
            lambda: chi_square_survival(1.0, 0),
            lambda: student_two_sided(1.0, 0.0),
            lambda: beta_survival(0.5, 0.0, 1.0),
        ],
    )
    def test_refused(self, call: Any) -> None:
        with pytest.raises(ValueError, match="must be"):
            call()

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30))
    def test_concordance(self, pairs: list[tuple[int, int]]) -> None:
        x, y = (np.array(part, np.float64) for part in zip(*pairs, strict=True))
        score, in_x, in_y = concordance(x, y)
        if in_x and in_y:
            assert score / np.sqrt(in_x * in_y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


class TestSkipping:
    """An observation with a bad price is not there; the next return spans the gap."""

    @pytest.mark.parametrize("id", OWN)
    def test_a_bad_price_holds_everything(self, id: int) -> None:
        rows = 200 if id in HEAVY else 700
        columns = market(rows)
        bad: dict[str, Any] = {
            name: np.insert(column, range(0, rows, 9), column[:1]) for name, column in columns.items()
        }
        at = np.flatnonzero(np.insert(np.zeros(rows), range(0, rows, 9), 1.0))
        for k, row in enumerate(at):
            bad["price"][row] = (nan, 0.0, -1.0, inf)[k % 4]
            bad["ts"][row] = bad["ts"][max(row - 1, 0)]
        said, clean = run(id, bad, **small(id)), run(id, columns, **small(id))
        kept = np.setdiff1d(np.arange(rows + len(at)), at)
        assert np.array_equal(said.value[kept], clean.value, equal_nan=True)
        assert np.array_equal(said.signal[kept], clean.signal)
        assert np.array_equal(said.value[at[1:]], said.value[at[1:] - 1], equal_nan=True)
        assert np.array_equal(said.signal[at[1:]], said.signal[at[1:] - 1])

    @pytest.mark.parametrize("id", OWN)
    def test_any_price_above_0(self, id: int) -> None:
        rows = 150
        columns: dict[str, Any] = market(rows)
        for name in ("price", "cross.0", "cross.1"):
            columns[name] = columns[name].copy()
            columns[name][40:70] *= 1e290
            columns[name][70:90] *= 1e-300
        run(id, columns, **small(id))

    def test_a_zero_return_is_no_move(self) -> None:
        price = moved(0.1, 0.0, -0.1, 0.0, 0.1)
        for id, params in ((1, {"min_obs": 3}), (6, {"n": 3, "word": 1}), (11, {"n": 3})):
            said = run(id, {"price": price}, **params)
            assert said.ready.tolist() == [False] * 5 + [True]
            still = run(id, {"price": np.append(price, price[-1])}, **params)
            assert still.value[-1] == said.value[-1]


class TestDegenerate:
    @pytest.mark.parametrize(
        ("id", "value", "outputs"),
        [
            (2, 0.0, {"mu": 0.0, "sigma": 0.0, "loglik": 0.0, "lr": 0.0}),
            (5, 0.0, {"kurtosis": 0.0, "jb": 0.0, "jb_p": 1.0}),
            (7, 0.0, {"p_value": 1.0, "beta": 0.0, "spread_z": 0.0}),
            (8, 0.0, {"S": 0.0, "p": 1.0}),
            (9, 0.0, {"Q": 0.0, "p": 1.0, "rho_1": 0.0, "rho_10": 0.0}),
            (10, 1.0, {"z_star": 0.0, "p": 1.0}),
            (12, 0.5, {"lo_v": 0.0, "lo_cdf": 0.5}),
            (13, 0.0, {"k1": 0.0, "k2": 0.0, "kappa": 0.0, "c": 0.0, "t": 0.0}),
            (14, 0.0, {"lo": 0.0, "hi": 0.0, "mean": 0.0, "se": 0.0}),
            (15, 0.0, {"rank": 2.0, "formation_return": 0.0, "weight": 0.0}),
            (16, 0.0, {"R": 0.0, "sigma": 0.0, "position": 0.0}),
            (20, 0.0, {"se": 0.0, "quantile": 0.0, "threshold": 0.0}),
            (21, 0.5, {"tau": 0.0, "rho": 0.0, "lambda_lower": 0.0, "lambda_upper": 0.0}),
            (22, 0.5, {"high": 7.0, "low": 7.0}),
            (23, 0.0, {"kendall_tau": 0.0}),
            (25, 0.0, {"t": 0.0, "p": 1.0, "se": 0.0}),
            (26, 0.0, {"median": 0.0, "z": 0.0}),
            (29, 0.0, {"mean_w": 0.0, "sd_w": 0.0}),
            (30, 0.5, {"lr": 0.0, "p_B": 1.0}),
        ],
    )
    def test_constant_prices(self, id: int, value: float, outputs: dict[str, float]) -> None:
        flat = np.full(700, 7.0)
        said = run(id, {"price": flat, "cross.0": flat, "cross.1": flat}, **small(id))
        assert said.ready[-1]
        assert said.value[-1] == value
        assert (said.signal[-1], said.confidence[-1]) == (0, 0.0)
        assert {name: said.outputs[name][-1] for name in outputs} == outputs

    @pytest.mark.parametrize("id", [4, 18, 19, 24, 28])
    def test_a_model_of_constant_prices_is_none(self, id: int) -> None:
        assert not run(id, {"price": np.full(300, 7.0)}, **small(id)).ready.any()

    @pytest.mark.parametrize("id", [4, 18, 24, 28])
    def test_a_failed_fit_leaves_the_former_in_force(self, id: int) -> None:
        params = {**small(id), "n": 60, "refit": 75}
        columns = np.asarray(market(70)["price"], np.float64)
        said = run(id, {"price": np.append(columns, np.full(80, columns[-1]))}, **params)
        assert said.ready[-1]
        kept = {4: "nu", 18: "alpha", 24: "q10", 28: "train_deviance"}[id]
        assert said.outputs[kept][-1] == said.outputs[kept][100]

    def test_a_fit_that_is_refused_leaves_the_former_in_force(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one = create(4, n=60, refit=20)
        price = market(100)["price"]
        one.run({"price": price[:65]})
        law = one.outputs
        monkeypatch.setattr("livetrading.formulas.statistical.laws.fit_student", lambda y: None)
        said = one.run({"price": price[65:]})
        assert one.outputs == law
        assert len(np.unique(said.value)) > 30  # goes on under it

    def test_the_peer_that_does_not_vary(self) -> None:
        price = walk(3, 200)
        for id, value in ((7, 0.0), (21, 0.5)):
            said = run(id, {"price": price, "cross.0": np.full(200, 3.0)}, n=50)
            assert (said.value[-1], said.signal[-1], said.confidence[-1]) == (value, 0, 0.0)

    def test_labels_all_alike(self) -> None:
        rises = moved(*(0.001 + 1e-4 * np.random.default_rng(1).random(80)))
        said = run(28, {"price": rises}, n=60, trees=3)
        assert (said.value[-1], said.outputs["train_deviance"][-1]) == (0.0, 0.0)
        assert said.outputs["prob_up"][-1] == 0.5
        assert fit_stumps(np.empty((0, 7)), np.empty(0, np.bool_), 3, 0.1, 0) is not None

    def test_a_steady_growth_has_no_tail_and_no_histogram(self) -> None:
        price = 50_000.0 * np.exp(0.0005 * np.arange(151))
        assert len(np.unique(np.log(price[1:61] / price[:60]))) > 1  # by rounding
        for id, params in ((20, {"n": 60}), (8, {"n_ref": 60, "n_rec": 60, "bins": 2})):
            said = run(id, {"price": price}, **params)
            assert said.ready[-1]
            assert set(said.value[said.ready]) == {0.0}
            assert not said.confidence.any()

    def test_blocks_of_steady_growth_have_no_rescaled_range(self) -> None:
        r = np.concatenate((np.diff(np.log(50_000.0 * np.exp(0.0005 * np.arange(9)))), walk(3, 8) / 50_000.0))
        assert np.ptp(r[:8]) > 0.0  # by rounding
        assert len(rescaled_range(r, 8)) == 1

    def test_prices_that_fit_their_peer_exactly(self) -> None:
        price = walk(9, 200)
        for slope in (1.0, 2.0):
            said = run(7, {"price": price**slope, "cross.0": price}, n=60, alpha=1.0, entry=0.0)
            assert set(said.value[said.ready]) == {0.0}
            assert set(said.outputs["p_value"][said.ready]) == {1.0}
            assert said.outputs["beta"][-1] == pytest.approx(slope)

    def test_smoothing_of_a_steady_growth(self) -> None:
        price = 50_000.0 * np.exp(0.0005 * np.arange(100))
        said = run(18, {"price": price}, n=30, refit=20)
        assert said.ready[30]
        assert said.outputs["alpha"][-1] == pytest.approx(0.99, abs=1e-6)

    def test_a_programme_without_a_solution_leaves_the_former_in_force(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nothing = optimize.OptimizeResult(x=None, success=False, status=4, message="difficulties")
        monkeypatch.setattr("sklearn.linear_model._quantile.linprog", lambda *given, **named: nothing)
        assert not run(24, {"price": walk(5, 100)}, n=60).ready.any()

    def test_events_at_one_time(self) -> None:
        assert fit_hawkes([5.0] * 10) is None
        columns: dict[str, Any] = market(300)
        assert not run(3, {**columns, "ts": np.full(300, 5)}, **small(3)).ready.any()

    def test_few_returns_that_are_not_0(self) -> None:
        price = np.repeat(walk(2, 60), 2)
        few, enough = run(20, {"price": price[:99]}, n=98), run(20, {"price": price[:102]}, n=101)
        assert (few.value[-1], few.outputs["se"][-1]) == (0.0, 0.0)
        assert enough.value[-1] > 0.0


class TestEdges:
    def test_a_new_extreme(self) -> None:
        said = run(22, {"price": [1.0, 2.0, 3.0, 3.5, 0.0001, 3.0, 3.0, 3.0, 3.0, 4.0, 2.0]}, n=3)
        assert (said.value[3], said.signal[3], said.confidence[3]) == (1.25, 1, 0.75)
        assert (said.signal[4], said.confidence[4]) == (-1, 1.0)
        assert (said.value[8], said.signal[8], said.confidence[8]) == (0.5, 0, 0.0)
        assert (said.value[9], said.signal[9], said.confidence[9]) == (1.0, 1, 1.0)

    def test_a_feature_that_does_not_vary_is_left_out(self) -> None:
        columns: dict[str, Any] = market(100)
        said = run(27, {**columns, "volume": np.full(100, 2.0)})
        assert set(said.outputs["k"][said.ready]) == {2.0}
        still = run(27, {"ts": np.arange(100), "price": np.full(100, 7.0), "volume": np.full(100, 1.0)})
        assert (still.value[-1], still.outputs["p"][-1], still.signal[-1]) == (0.0, 1.0, 1)

    def test_a_volume_that_is_not_there_is_skipped(self) -> None:
        columns: dict[str, Any] = market(100)
        volume = columns["volume"].copy()
        volume[80:] = nan
        said = run(27, {**columns, "volume": volume})
        assert np.all(said.value[80:] == said.value[79])

    def test_a_column_that_comes_late(self) -> None:
        price = walk(4, 60)
        late = np.where(np.arange(60) < 20, nan, walk(5, 60))
        said = run(15, {"price": price, "cross.0": late, "cross.1": walk(6, 60)}, formation=10, skip=0)
        assert np.flatnonzero(said.ready)[0] == 30
        holed = np.where(np.arange(60) == 45, nan, late)
        said = run(15, {"price": price, "cross.0": holed, "cross.1": walk(6, 60)}, formation=10, skip=0)
        assert said.ready.tolist() == [False] * 30 + [True] * 15 + [False] * 11 + [True] * 4

    def test_peers_in_one_field(self) -> None:
        prices = np.column_stack((walk(5, 60), walk(6, 60)))
        one = create(15, formation=10, skip=2)
        for own, row in zip(walk(4, 60), prices, strict=True):
            one.update({"price": own, "cross.prices": row})
        said = run(15, {"price": walk(4, 60), "cross.prices": prices}, formation=10, skip=2)
        assert one.value == said.value[-1]

    def test_thresholds_count_at_equality(self) -> None:
        def found(id: int, **params: Any) -> Any:
            return run(id, {"price": walk(id, 300)}, **params)

        for id, name in (
            (2, "value"),
            (16, "value"),
            (23, "value"),
            (29, "value"),
            (26, "z"),
            (10, "z_star"),
        ):
            said = found(id, **({} if id != 10 else {"n": 100}))
            size = abs(said.value[-1] if name == "value" else said.outputs[name][-1])
            at, above = (
                {"entry": float(x), **({} if id != 10 else {"n": 100})} for x in (size, np.nextafter(size, 9))
            )
            assert found(id, **at).signal[-1] != 0, id
            assert found(id, **above).signal[-1] == 0, id

    def test_a_place_counts_at_equality(self) -> None:
        """Of 19 returns and the last, which is below all of them, the place is half of 1 / 20."""
        price = moved(*np.linspace(1e-3, 3e-3, 40), -1e-3)
        given = {"n": 19, "m_cal": 4}
        assert run(30, {"price": price}, **given, entry=0.5 / 20).signal[-1] == 1
        assert run(30, {"price": price}, **given, entry=float(np.nextafter(0.5 / 20, 0.0))).signal[-1] == 0

    def test_momentum_of_a_quiet_market_is_scaled_as_any_other(self) -> None:
        """Returns of 1e-8 are far above the 1e-12 at which there is no volatility."""
        loud = np.random.default_rng(5).standard_normal(120)
        quiet, usual = (run(16, {"price": moved(*(size * loud))}).value for size in (1e-8, 1e-3))
        assert np.allclose(quiet[110:], usual[110:], rtol=1e-5)
        assert abs(quiet[-1]) > 0.01

    def test_held_cross(self) -> None:
        own, peer = walk(8, 200), walk(9, 200)
        holes = np.where(np.arange(200) % 3 == 1, nan, peer)
        filled = peer[np.arange(200) - (np.arange(200) % 3 == 1)]
        for id in (7, 21):
            one, other = (run(id, {"price": own, "cross.0": x}, n=60) for x in (holes, filled))
            assert np.array_equal(one.value, other.value, equal_nan=True)


class TestSchedules:
    def test_computed_every(self) -> None:
        for id, rows in ((7, 300), (12, 450), (14, 250)):
            params = {**small(id), "every": 40}
            said = run(id, market(rows), **params)
            first = int(np.flatnonzero(said.ready)[0])
            changes = np.flatnonzero(np.diff(said.value[first:])) + first + 1
            assert len(changes) > 1
            assert all((row - first) % 40 == 0 for row in changes)

    @pytest.mark.parametrize("id", [7, 12, 14, 18, 24])
    def test_phase_delays_all_but_the_first(self, id: int) -> None:
        every = "refit" if id in (18, 24) else "every"
        name = {7: "beta", 12: "lo_v", 14: "mean", 18: "alpha", 24: "q10"}[id]
        params = {**small(id), every: 40}
        columns = market(int(getattr(FORMULA_REGISTRY[id], "check_rows", 300)))
        plain, late = run(id, columns, **params), run(id, columns, **params, phase=15)
        first = int(np.flatnonzero(plain.ready)[0])
        assert np.array_equal(plain.ready, late.ready)
        assert np.array_equal(
            plain.outputs[name][: first + 40], late.outputs[name][: first + 40], equal_nan=True
        )
        assert not np.array_equal(
            plain.outputs[name][first + 40 : first + 55], late.outputs[name][first + 40 : first + 55]
        )

    def test_draws_are_by_the_run_whatever_the_phase(self) -> None:
        """Of constant windows of one pattern the j-th draw is the same where it comes later."""
        price = moved(*np.tile([1.1e-3, -2.3e-3, 3.7e-3, -1.9e-3, 5.3e-4], 40))
        params = {"n": 20, "B": 50, "every": 10}
        plain, late = run(14, {"price": price}, **params), run(14, {"price": price}, **params, phase=5)
        assert np.array_equal(plain.value[20:150:10], late.value[[20, *range(35, 155, 10)]])

    def test_events_have_a_phase_too(self) -> None:
        columns = market(500)
        params = {"k": 1.2, "min_events": 30, "refit_events": 20}
        plain, late = run(3, columns, **params), run(3, columns, **params, phase=7)
        assert np.array_equal(plain.ready, late.ready)
        fits = [np.flatnonzero(np.diff(said.outputs["mu"][said.ready])) for said in (plain, late)]
        assert fits[0][0] < fits[1][0] < fits[0][1]

    @pytest.mark.parametrize("id", [3, 4, 7, 12, 14, 18, 19, 21, 24, 28])
    def test_phase_is_below_the_interval(self, id: int) -> None:
        every = {3: "refit_events", 7: "every", 12: "every", 14: "every", 21: "every"}.get(id, "refit")
        with pytest.raises(FormulaError, match="phase"):
            create(id, **{**small(id), every: 10, "phase": 10})

    def test_scored_then_fitted(self) -> None:
        columns = {"price": market(190)["price"]}
        said = run(4, columns, n=60, refit=100)
        assert np.flatnonzero(said.ready)[0] == 62 - 1
        # the score at the refit of return 160 is by the law before it
        assert said.outputs["nu"][160] == said.outputs["nu"][159]
        assert said.outputs["nu"][161] != said.outputs["nu"][160]


class TestParameters:
    @pytest.mark.parametrize(
        ("id", "params"),
        [
            (6, {"n": 2, "word": 3}),
            (7, {"n": 20, "bandwidth": 20}),
            (9, {"n": 10, "lags": 10}),
            (10, {"n": 10, "q": 10}),
            (12, {"n": 10, "q": 10}),
            (24, {"taus": (0.1, 0.5, 0.7, 0.9)}),
            (25, {"n": 5, "trim": 0.45}),
            (1, {"lam": 0.0}),
            (16, {"com": -1.0}),
        ],
    )
    def test_refused(self, id: int, params: dict[str, Any]) -> None:
        with pytest.raises(FormulaError, match=r"must|was"):
            create(id, **params)


def test_the_value_of_a_burst_decays() -> None:
    """Without events the intensity goes back to mu, so the value to 1 less the branching ratio."""
    columns = market(500)
    quiet: dict[str, Any] = {
        name: np.append(column, np.repeat(column[-1:], 3)) for name, column in columns.items()
    }
    quiet["ts"][-3:] += np.array([10**9, 10**11, 10**14])
    said = run(3, quiet, **small(3))
    branching = said.outputs["branching"][-1]
    assert said.value[-3] > said.value[-2] > said.value[-1]
    assert said.value[-1] == pytest.approx(1.0 - branching)
    assert said.value[-3] == pytest.approx(
        1.0 - branching + (said.value[-4] - 1.0 + branching) * exp(-said.outputs["beta"][-1])
    )


def test_no_event_in_the_warm_up() -> None:
    price = moved(0.01, -0.01, 0.5, 2.0, -9.0, 30.0)
    rows = {"price": price, "ts": np.cumsum([1, 2, 1, 3, 2, 5, 4]) * 10**9}
    params = {"k": 2.0, "lam": 0.5, "n_events": 3, "min_events": 3}
    assert run(3, rows, **params, warm=3).ready.tolist() == [False] * 6 + [True]
    assert run(3, rows, **params, warm=2).ready.tolist() == [False] * 5 + [True] * 2


def test_what_another_thread_warns_of_is_no_failure_of_a_quantile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters of warnings are the process's: one that raises would raise in every thread."""
    linear = pytest.importorskip("sklearn.linear_model")
    warning = pytest.importorskip("sklearn.exceptions").ConvergenceWarning
    fit = linear.QuantileRegressor.fit

    def beside_another(self: Any, *given: Any) -> Any:
        warnings.warn("of another thread", warning, stacklevel=1)
        return fit(self, *given)

    monkeypatch.setattr(linear.QuantileRegressor, "fit", beside_another)
    x = np.random.default_rng(1).standard_normal((40, 2))
    assert fit_quantile(x, x[:, 0], 0.5) == pytest.approx([0.0, 1.0, 0.0], abs=1e-9)
    assert fit_quantile(x * 1e200, x[:, 0] * 1e300, 0.5) is None
