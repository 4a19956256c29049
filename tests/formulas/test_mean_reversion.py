"""Rules of rows 131 to 150 that golden numbers do not reach."""

from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livetrading.core.ornstein import entry_level, exit_level
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.checks.mean_reversion.series import coint, fitted, ou, pair
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.registry import create, run

Floats = NDArray[np.float64]
HOLDING = (131, 133, 134, 136, 137, 138)


def side_of(q: int, u: float, entry: float, exit: float) -> int:
    """The catalogue's HYST, word for word."""
    if q == 0:
        return -1 if u >= entry else 1 if u <= -entry else 0
    if q == -1 and u <= exit:
        q = 0
        if u <= -entry:
            q = 1
    elif q == 1 and u >= -exit:
        q = 0
        if u >= entry:
            q = -1
    return q


@pytest.mark.parametrize(("entry", "exit"), [(1.0, 0.0), (1.0, 1.5), (0.5, -0.5), (0.8, 0.8)])
def test_hysteresis_of_every_kernel(entry: float, exit: float) -> None:
    price = ou(9, 500)
    for id in (131, 141, 142):
        given = {"n_max": 30, "n_min": 5} if id == 142 else {}
        said = run(id, {"price": price}, n=30, entry=entry, exit=exit, **given)
        q = 0
        for i in range(29, 500):
            held = id == 131 and said.confidence[i] == 0.0 and said.value[i] == said.value[i - 1]
            q = 0 if held else side_of(q, said.value[i], entry, exit)
            assert said.signal[i] == q, (id, i)
        assert set(said.signal) == {-1, 0, 1}


def rough(n: int) -> Floats:
    """Reverting prices with jumps by a million and back, and stretches in which they hardly move."""
    price = ou(2, n)
    price[n // 3 : n // 2] *= 1e6
    price[n // 2 : n // 2 + 150] = 50_000.0 + 1e-5 * walk(3, 150)
    return price


def test_the_fit_does_not_drift() -> None:
    price = rough(6000)
    said = run(131, {"price": price}, n=40)
    for i in [*range(1990, 2060, 3), *range(2990, 3060, 3), *range(3100, 6000, 97)]:
        fit = fitted(np.log(price[i - 39 : i + 1]))
        if fit["theta"] > 0.0:
            assert said.outputs["theta"][i] == pytest.approx(fit["theta"], rel=1e-6), i
            assert said.outputs["s_eq"][i] == pytest.approx(fit["s_eq"], rel=1e-6), i


@pytest.mark.parametrize("id", HOLDING)
def test_what_needs_a_mean_holds_where_there_is_none(id: int) -> None:
    rising = 50_000.0 * np.exp(np.linspace(0.0, 1.0, 60) ** 2)
    columns = {"price": np.concatenate([ou(1, 60), rising]), "account.position": np.ones(120)}
    said = run(id, columns, n=30)
    assert not isnan(said.value[59])
    assert said.value[-1] == said.value[-2]
    assert (said.signal[-1], said.confidence[-1], said.ready[-1]) == (0, 0.0, True)
    for name, column in said.outputs.items():
        assert column[-1] == column[-2], name
    alone = run(id, {"price": rising, "account.position": np.ones(60)}, n=30)
    assert alone.ready[-1]
    assert isnan(alone.value[-1])
    assert all(isnan(column[-1]) for column in alone.outputs.values())


@pytest.mark.parametrize("id", HOLDING)
def test_a_noiseless_fit_reverts_to_nothing(id: int) -> None:
    halves = np.exp(0.5 ** np.arange(30.0))
    said = run(id, {"price": halves, "account.position": np.ones(30)}, n=10)
    assert said.ready[-1]
    assert isnan(said.value[9])
    assert said.confidence[9] == 0.0


def test_no_reversion_and_constant_prices() -> None:
    for price in (np.full(40, 50_000.0), 50_000.0 * 1.01 ** np.arange(40.0)):
        life, speed = run(132, {"price": price}, n=30), run(135, {"price": price}, n=30)
        assert life.value[-1] == inf
        assert (life.signal[-1], life.confidence[-1]) == (-1, 0.0)
        assert speed.value[-1] == pytest.approx(-4 / 29, rel=1e-12)
        assert (speed.signal[-1], speed.confidence[-1]) == (-1, 0.0)


def test_a_half_life_of_the_longest_passes() -> None:
    price = ou(5, 60)
    life = float(run(132, {"price": price}, n=40).value[-1])
    assert run(132, {"price": price}, n=40, hl_max=life).signal[-1] == 1
    assert run(132, {"price": price}, n=40, hl_max=float(np.nextafter(life, 0.0))).signal[-1] == -1


def test_reversion_faster_than_the_sampling() -> None:
    price = 50_000.0 + 10.0 * (-1.0) ** np.arange(40) + np.random.default_rng(1).standard_normal(40)
    said, fit = run(131, {"price": price}, n=40), fitted(np.log(price))
    assert fit["b"] < 0.0
    assert said.outputs["theta"][-1] == pytest.approx(-np.log(1e-6))
    assert said.outputs["mu"][-1] == pytest.approx(fit["mu"], rel=1e-12)
    assert said.outputs["sigma"][-1] == pytest.approx(fit["sigma"], rel=1e-9)
    assert run(132, {"price": price}, n=40).value[-1] == pytest.approx(np.log(2) / -np.log(1e-6))


@pytest.mark.parametrize(("low", "step"), [(50_000.0, 0.1), (100.0, 1.0), (61_826.01, 0.01)])
def test_the_rounding_of_a_slope_of_zero_is_no_speed(low: float, step: float) -> None:
    fastest = -np.log(1e-6)
    pairs = low + step * (np.arange(120) % 4 < 2)
    for n in (5, 9, 13, 29):
        for price in (pairs, np.concatenate([ou(5, 60), pairs])):
            theta = run(131, {"price": price}, n=n).outputs["theta"][-60:]
            assert theta == pytest.approx(np.full(60, fastest)), n
            life = run(132, {"price": price}, n=n).value[-60:]
            assert life == pytest.approx(np.full(60, np.log(2) / fastest)), n
    for n in (4, 30, 100):
        stale = np.concatenate([ou(5, 60), [low + step], np.full(n - 1, low)])
        assert run(132, {"price": stale}, n=n).value[-1] == pytest.approx(np.log(2) / fastest), n


def test_an_exit_needs_a_position() -> None:
    formula = create(138, n=20, rate=0.5)
    prices = ou(4, 80)
    for price in prices[:40]:
        formula.update(price=price)
    assert not formula.ready
    assert formula.unavailable is not None
    assert formula.unavailable.missing == ("account",)
    formula.update({"account.position": -2.0})
    assert not formula.ready
    told = set()
    for price in prices[40:]:
        formula.update(price=price)
        assert formula.ready
        away = (
            np.log(price)
            - run(131, {"price": prices[: np.argmax(prices == price) + 1]}, n=20).outputs["mu"][-1]
        )
        if formula.confidence > 0.0:
            assert formula.signal == int(away <= -formula.value)
            told.add(formula.signal)
    assert told == {0, 1}
    before = formula.value, formula.signal
    formula.update({"account.position": 0.0})
    assert (formula.value, formula.signal) == before
    formula.update(price=prices[-1])
    assert formula.signal == 0


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e3])
def test_levels_know_no_scale(scale: float) -> None:
    entry, leave = (
        entry_level(0.05, 1e-3 * scale, 5e-4 * scale),
        exit_level(0.05, 1e-3 * scale, 1e-3, 5e-4 * scale),
    )
    assert entry[0] / scale == pytest.approx(0.0020099367, abs=5.1e-11)
    assert leave / scale == pytest.approx(0.0071269875, abs=5.1e-11)


def test_funding_that_does_not_revert_is_its_own_forecast() -> None:
    rate = np.concatenate([1e-4 * np.sin(np.arange(80.0) ** 2), 1e-4 * 1.1 ** np.arange(80.0)])
    said = run(139, {"derivatives.funding_rate": rate}, n=40)
    assert said.value[-1] == rate[-1] * 1095
    assert said.outputs["kappa"][-1] == 0.0
    assert said.outputs["beta"][-1] == said.outputs["beta"][-2] != 0.0
    assert (said.signal[-1], said.confidence[-1]) == (0, 0.0)


def test_realised_variance_speaks_once_a_block() -> None:
    price = np.asarray(market(400)["price"])
    said = run(140, {"price": price}, m=7, n=10)
    assert list(np.flatnonzero(np.diff(said.value[70:])) % 7) == [6] * len(
        np.flatnonzero(np.diff(said.value[70:]))
    )
    assert not said.ready[69]
    assert said.ready[70]
    constant = run(140, {"price": np.full(100, 5.0)}, m=4, n=6)
    assert constant.value[-1] == 0.0
    assert all(isnan(column[-1]) for column in constant.outputs.values())
    equal = 100.0 * np.exp(0.001 * (np.arange(100) % 2))  # every block alike: the columns are collinear
    assert isnan(run(140, {"price": equal}, m=4, n=6).outputs["a"][-1])


@pytest.mark.parametrize("step", [0.01, 0.1, 0.25, 1.0, 3.0])
def test_a_variance_without_noise_is_where_it_reverts_to(step: float) -> None:
    calm, level = 50_000.0 + step * (np.arange(9) % 2), (1e4 * np.log1p(step / 50_000.0)) ** 2
    for price in (calm, np.repeat(calm, 2)):
        said = run(140, {"price": np.concatenate([[51_000.0], price])}, m=len(price) // 9, n=9)
        assert said.value[-1] == pytest.approx(level * 9 / len(price), rel=1e-6)
        assert (said.outputs["s"][-1], said.outputs["feller"][-1]) == (0.0, inf)
        assert said.outputs["stationary_cdf"][-1] == 0.5
        assert (said.signal[-1], said.confidence[-1]) == (0, 1.0)


@pytest.mark.parametrize("id", [*range(131, 139), *range(140, 147)])
def test_what_is_no_price_changes_nothing(id: int) -> None:
    rows: dict[str, Any] = {
        k: v[:150] for k, v in market(150).items() if k in ("price", "high", "low", "close")
    }
    rows["account.position"] = np.ones(150)
    given = {"n": 20, **({"n_max": 20} if id == 142 else {"m": 3} if id == 140 else {})}
    clean = create(id, **given)
    clean.run(rows)
    dirty = create(id, **given)
    for i in range(150):
        for bad in (nan, inf, 0.0, -5.0):
            dirty.update(price=bad, close=bad, high=1.0, low=1.0)
        dirty.update({name: column[i] for name, column in rows.items()})
    assert (dirty.value, dirty.signal, dirty.outputs) == (clean.value, clean.signal, clean.outputs)


def test_bands_at_their_edges() -> None:
    flat = run(143, {"price": np.full(30, 7.0)})
    assert (flat.value[-1], flat.signal[-1]) == (0.5, 0)
    assert flat.outputs["upper"][-1] == flat.outputs["lower"][-1] == 7.0
    bars = {name: np.full(40, 7.0) for name in ("open", "high", "low", "close")}
    assert (run(144, bars).value[-1], run(145, bars).value[-1], run(146, bars).value[-1]) == (0.0, 50.0, 50.0)
    up = run(145, {"close": np.arange(1.0, 41.0)})
    assert up.value[-1] == 100.0
    assert up.signal[-1] == -1
    # from a long straight into a short, in one step
    turn = run(145, {"close": np.concatenate([np.arange(40.0, 20.0, -1.0), [500.0]])})
    assert list(turn.signal[-2:]) == [1, -1]


def test_a_channel_waits_for_the_longer_of_its_windows() -> None:
    """A true range needs the bar before."""
    bars = {name: column for name, column in market(30).items() if name in ("open", "high", "low", "close")}
    for n, atr_n, first in ((5, 10, 11), (12, 10, 12), (11, 10, 11), (10, 10, 11)):
        said, warm_up = run(144, bars, n=n, atr_n=atr_n), create(144, n=n, atr_n=atr_n).warm_up
        assert (int(np.argmax(said.ready)) + 1, warm_up) == (first, first)


def test_prices_beyond_their_squares() -> None:
    for id in (141, 143):
        whole = run(id, {"price": walk(5, 200)}, n=30).value
        for scale in (2.0**970, 2.0**-970):
            assert run(id, {"price": walk(5, 200) * scale}, n=30).value[-1] == pytest.approx(
                whole[-1], rel=1e-9
            )
        mixed = np.concatenate([walk(5, 60) * 2.0**970, walk(5, 200)])
        assert run(id, {"price": mixed}, n=30).value[-1] == pytest.approx(whole[-1], rel=1e-9)


def test_cointegration_is_fitted_when_it_is_due() -> None:
    columns = pair()
    early, late = (run(147, columns, n=100, refit=50, phase=phase) for phase in (0, 20))
    assert list(np.flatnonzero(np.diff(early.outputs["beta"][99:]))) == [49, 99, 149, 199, 249, 299]
    assert list(np.flatnonzero(np.diff(late.outputs["beta"][99:]))) == [69, 119, 169, 219, 269]
    assert early.ready[99]
    assert late.ready[99]
    with pytest.raises(FormulaError, match="phase must be"):
        create(147, refit=50, phase=50)
    assert not run(147, columns, n=100, p_max=0.0).signal.any()
    assert run(147, columns, n=100, entry=1.0).signal.any()


@pytest.mark.parametrize("id", [147, 148])
def test_a_window_without_variance_keeps_the_fit(id: int) -> None:
    y, x = coint()
    still = {
        "cross.0": np.concatenate([y[:100], y[99] + np.zeros(100)]),
        "cross.1": np.concatenate([x[:100], x[99] + np.zeros(100)]),
    }
    said = run(id, still, n=60, refit=10)
    name = "beta" if id == 147 else "v_1"
    assert said.outputs[name][-1] == said.outputs[name][-30]
    constant = run(id, {"cross.0": np.full(100, 5.0), "cross.1": np.full(100, 6.0)}, n=60)
    assert not constant.ready.any()
    twice = run(id, {"cross.0": y, "cross.1": y}, n=60)
    assert not twice.ready.any()


def test_two_quotes_of_one_thing_are_cointegrated() -> None:
    g = np.random.default_rng(12)
    x = 10.8 + np.cumsum(g.standard_normal(120)) * 0.002
    e = 1e-6 * g.standard_normal(120)
    said = run(147, {"cross.0": np.exp(x + e), "cross.1": np.exp(x)}, n=60, refit=60, entry=1.0)
    assert said.ready[59:].all()
    assert (said.outputs["t_stat"][-1], said.outputs["p"][-1], said.confidence[-1]) == (-inf, 0.0, 1.0)
    beta, alpha = np.polyfit(x[60:] - 10.8, x[60:] + e[60:], 1)
    rest = x[60:] + e[60:] - alpha - beta * (x[60:] - 10.8)
    assert said.value[-1] == pytest.approx(rest[-1] / rest.std(), rel=1e-5)
    assert set(said.signal[59:]) == {-1, 0, 1}


def test_a_basket_is_as_wide_as_its_first_row() -> None:
    columns = {f"cross.{k}": np.asarray(market(150)[f"cross.{k}"]) for k in range(3)}
    assert "v_2" in run(148, columns, n=60).outputs
    assert run(148, columns, n=20, refit=10).ready[19]
    formula = create(148)
    formula.update({"cross.prices": None})
    formula.update({"cross.prices": [2.0, 3.0]})
    assert formula.gives[3:] == ("v_1",)
    two = {name: columns[name] for name in ("cross.0", "cross.1")}
    assert "v_2" not in run(148, two, n=60).outputs
    formula = create(148, n=60)
    for i in range(150):
        formula.update({"cross.prices": [columns[f"cross.{k}"][i] for k in range(3)]})
    assert formula.outputs == {name: column[-1] for name, column in run(148, columns, n=60).outputs.items()}


def test_a_hedge_ratio_stays_where_a_column_stands_still() -> None:
    y, x = coint()
    x[200:] = x[199]
    said = run(149, {"cross.0": y, "cross.1": x}, n=50)
    assert said.value[-1] == said.value[260]
    assert said.confidence[-1] == 0.0
    window = np.log(y[-50:])
    assert said.outputs["z"][-1] == pytest.approx((window[-1] - window.mean()) / window.std(), rel=1e-9)
    never = run(149, {"cross.0": y, "cross.1": np.full(400, 3.0)}, n=50)
    assert never.ready[-1]
    assert isnan(never.value[-1])


def test_a_tight_spread_keeps_its_digits() -> None:
    x = np.cumsum(np.random.default_rng(2).standard_normal(800)) * 0.01
    noise = 1e-7 * np.random.default_rng(3).standard_normal(800)
    said = run(149, {"cross.0": np.exp(x + noise), "cross.1": np.exp(x)}, n=300, method="ols")
    u, v = np.log(np.exp(x + noise))[-300:], np.log(np.exp(x))[-300:]
    u, v = u - u.mean(), v - v.mean()
    e = u - (u @ v) / (v @ v) * v
    assert said.outputs["z"][-1] == pytest.approx(e[-1] / e.std(), rel=1e-6)


def test_parameters_that_contradict_each_other() -> None:
    with pytest.raises(FormulaError, match="n_min must be at most n_max"):
        create(142, n_min=50, n_max=40)
    with pytest.raises(FormulaError, match="lags must be at most"):
        create(147, n=20, lags=4)
    with pytest.raises(FormulaError, match="n must be a whole number from 4"):
        create(131, n=3)
