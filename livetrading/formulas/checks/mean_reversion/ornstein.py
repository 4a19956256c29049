"""Ornstein-Uhlenbeck fits and what is read off them (131 to 138)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from livetrading.core.ornstein import entry_level, exit_level, mean_passage
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.checks.mean_reversion.series import fitted, ou, windows
from livetrading.formulas.registry import run


@golden(131)
def fits() -> Mapping[str, float]:
    found = {}
    for name, price in (("ou", ou(1, 300)), ("walk", walk(1, 300))):
        said = run(131, {"price": price})
        found[f"{name} z"] = float(said.value[-1])
        found[f"{name} b"] = float(np.exp(-said.outputs["theta"][-1]))
        found.update({f"{name} {key}": float(column[-1]) for key, column in said.outputs.items()})
    del found["walk sigma"]
    return found


@reference(131)
def slow_fits() -> Iterator[Comparison]:
    for n in (25, 100):
        for i, said, fit in windows(131, n):
            z = (fit["x"] - fit["mu"]) / fit["s_eq"]
            yield Comparison(f"z, row {i}", said.value[i], z, 1e-8, 1e-8)
            for key in ("theta", "mu", "s_eq", "sigma"):
                yield Comparison(f"{key}, row {i}", said.outputs[key][i], fit[key], 1e-8)
            yield Comparison(f"t_DF, row {i}", said.outputs["t_DF"][i], fit["t"], 1e-8)
            share = min(max(-fit["t"] / 3.43, 0.0), 1.0)
            yield Comparison(f"confidence, row {i}", said.confidence[i], share, 1e-8)


@reference(131)
def dickey_fuller() -> Iterator[Comparison]:
    adfuller = import_module("statsmodels.tsa.stattools").adfuller
    price = ou(8, 200)
    said = run(131, {"price": price}, n=50)
    for i in range(49, 200, 15):
        if np.isfinite(said.outputs["t_DF"][i]):
            x = np.log(price[i - 49 : i + 1])
            with catch_warnings():
                simplefilter("ignore", FutureWarning)  # of what it will return one day
                t = adfuller(x - x.mean(), maxlag=0, autolag=None, regression="c")[0]
            yield Comparison(f"t_DF, row {i}", said.outputs["t_DF"][i], float(t), 1e-6)


@golden(132)
def half_lives() -> Mapping[str, float]:
    halves = np.exp([1.0, 0.5, 0.25, 0.125])
    return {
        "ou": run(132, {"price": ou(1, 300)}).value[-1],
        "walk": run(132, {"price": walk(1, 300)}).value[-1],
        "noiseless": run(132, {"price": halves}, n=4).value[-1],
    }


@reference(132)
def slow_half_lives() -> Iterator[Comparison]:
    for i, said, fit in windows(132, 40, hl_max=5.0):
        life = np.log(2) / fit["theta"]
        yield Comparison(f"row {i}", said.value[i], life, 1e-8)
        yield Comparison(f"signal, row {i}", said.signal[i], 1.0 if life <= 5.0 else -1.0)


@golden(133)
def levels() -> Mapping[str, float]:
    price = {"price": walk(1, 300)}
    return {mode: run(133, price, mode=mode).value[-1] for mode in ("median", "mean")}


@reference(133)
def slow_levels() -> Iterator[Comparison]:
    for mode in ("median", "mean"):
        for i, said, fit in windows(133, 40, mode=mode, entry=1.0):
            level = fit["mu"] + (fit["s_eq"] ** 2 / 2 if mode == "mean" else 0.0)
            yield Comparison(f"row {i}", said.value[i], float(np.exp(level)), 1e-8)
            gap = 1e4 * (fit["mu"] - fit["x"])
            yield Comparison(f"gap, row {i}", said.outputs["gap_bps"][i], gap, 1e-8, 1e-7)
            error = np.sqrt(fit["s2"] / 39) / (1 - fit["b"])
            yield Comparison(f"se_mu, row {i}", said.outputs["se_mu"][i], error, 1e-8)
            far = abs(fit["x"] - fit["mu"]) > fit["s_eq"]
            yield Comparison(f"signal, row {i}", said.signal[i], np.sign(level - fit["x"]) if far else 0.0)


@golden(134)
def volatilities() -> Mapping[str, float]:
    return {
        name: run(134, {"price": p}).value[-1] for name, p in (("ou", ou(1, 300)), ("walk", walk(1, 300)))
    }


@reference(134)
def slow_volatilities() -> Iterator[Comparison]:
    price = np.concatenate([ou(3, 300), 3.0 * walk(4, 200)])
    for i, said, fit in windows(134, 40):
        used = fit["b"] if fit["b"] > 0.0 else 1e-6
        sigma = said.value[i] / 1e4
        yield Comparison(f"row {i}", sigma**2 * (1 - used**2) / (2 * fit["theta"]), fit["s2"], 1e-8)
        sd = np.std(np.diff(np.log(price[i - 39 : i + 1])))
        yield Comparison(f"ratio, row {i}", said.outputs["ratio"][i], fit["sigma"] / sd, 1e-8)
        yield Comparison(f"s_eq, row {i}", said.outputs["s_eq_bps"][i], 1e4 * fit["s_eq"], 1e-8)
        yield Comparison(f"confidence, row {i}", said.confidence[i], 1.0 - 1.0 / np.sqrt(78.0))
        yield Comparison(f"signal, row {i}", said.signal[i], 0.0)


@golden(135)
def speeds() -> Mapping[str, float]:
    return {
        name: run(135, {"price": p}).value[-1] for name, p in (("ou", ou(1, 300)), ("walk", walk(1, 300)))
    }


@reference(135)
def slow_speeds() -> Iterator[Comparison]:
    for i, said, fit in windows(135, 40):
        h = min(fit["theta"], 1.0)
        bias = (5 + 2 * np.exp(h) + np.exp(2 * h)) / 78
        yield Comparison(f"row {i}", said.value[i], fit["theta"] - bias, 1e-8, 1e-10)
        yield Comparison(f"theta, row {i}", said.outputs["theta"][i], fit["theta"], 1e-8)
        yield Comparison(f"bias, row {i}", said.outputs["bias"][i], bias, 1e-8)
    up = run(135, {"price": np.exp(np.linspace(0.0, 1.0, 60) ** 2)}, n=60)
    yield Comparison("theta 0", up.value[-1], -4 / 59)


@golden(136)
def tails() -> Mapping[str, float]:
    return {
        name: run(136, {"price": p}).value[-1] for name, p in (("ou", ou(1, 300)), ("walk", walk(1, 300)))
    }


@reference(136)
def scipy_passage() -> Iterator[Comparison]:
    special, integrate = import_module("scipy.special"), import_module("scipy.integrate")
    stats = import_module("scipy.stats")

    def density(w: Any) -> Any:
        return special.erfcx(w / np.sqrt(2)) / 2

    for i, said, fit in windows(136, 40, every=11):
        z = (fit["x"] - fit["mu"]) / fit["s_eq"]
        yield Comparison(f"row {i}", said.value[i], stats.norm.cdf(z), 1e-8)
        time = np.sqrt(2 * np.pi) / fit["theta"] * integrate.quad(density, 0, abs(z))[0]
        yield Comparison(f"passage, row {i}", said.outputs["passage"][i], time, 1e-6)
    for z in (0.0, 1e-6, 0.3, 1.0, 2.5, 5.0, 9.7, 11.99, 12.01, 20.0, 24.9, 25.1, 1e3):
        points = np.concatenate([[0.0], np.geomspace(1e-3, 1.0, 20)]) * z
        parts = [integrate.quad(density, a, b, epsabs=0, epsrel=1e-11)[0] for a, b in pairwise(points)]
        yield Comparison(f"z {z}", mean_passage(0.5, z), np.sqrt(2 * np.pi) / 0.5 * sum(parts), 1e-6)
        if z <= 25.0:
            w = np.linspace(0.0, z, 201)
            rule = integrate.simpson(density(w), x=w) if z > 0 else 0.0
            yield Comparison(f"Simpson, z {z}", mean_passage(0.5, z), np.sqrt(2 * np.pi) / 0.5 * rule, 1e-9)


@golden(137)
def entries() -> Mapping[str, float]:
    level, rate, cycle = entry_level(0.05, 0.001, 5e-4)
    said = run(137, {"price": ou(1, 300)})
    return {
        "A_x": level,
        "A*": level / (0.001 / np.sqrt(0.1)),
        "rate": rate,
        "cycle": cycle,
        "ou A_x": said.outputs["A_bps"][-1] / 1e4,
        "ou A*": said.value[-1],
    }


@reference(137)
def scipy_entry() -> Iterator[Comparison]:
    special, optimize = import_module("scipy.special"), import_module("scipy.optimize")
    stats, integrate = import_module("scipy.stats"), import_module("scipy.integrate")
    for theta, sigma, cost in ((0.3, 2e-4, 5e-5), (0.01, 1e-3, 1e-6), (0.05, 1e-3, 3e-3), (2.0, 1e-4, 2e-4)):
        level, rate, cycle = entry_level(theta, sigma, cost)
        k = np.sqrt(theta) / sigma

        def profit(a: float, k: float = k, theta: float = theta, cost: float = cost) -> float:
            return float(-(2 * a - cost) * theta / (2 * np.pi * special.erfi(a * k)))

        bounds, how = (cost / 2, cost / 2 + 1 / k), {"xatol": 1e-12}
        best = optimize.minimize_scalar(profit, bounds=bounds, method="bounded", options=how)
        yield Comparison("rate", rate, -best.fun, 1e-6)
        yield Comparison("level", level, best.x, 1e-3)
        y = level * k
        yield Comparison("root", 2 * y - cost * k, 2 * special.dawsn(y), 1e-10)
        a = level * np.sqrt(2) * k
        time = integrate.quad(lambda w: stats.norm.cdf(w) * np.exp(w * w / 2), -a, a, epsabs=0, epsrel=1e-10)[
            0
        ]
        yield Comparison("cycle", cycle, 2 * np.sqrt(2 * np.pi) / theta * time, 1e-6)


@reference(137)
def one_per_cent() -> Iterator[Comparison]:
    """The last solution stands until theta or sigma is 1% off its own."""
    price, erfi = ou(6, 200), import_module("scipy.special").erfi
    fit, said = run(131, {"price": price}, n=40), run(137, {"price": price}, n=40)
    theta = sigma = level = np.nan
    for i in range(39, 200):
        now = float(fit.outputs["theta"][i]), float(fit.outputs["sigma"][i])
        if not (abs(now[0] / theta - 1) <= 0.01 and abs(now[1] / sigma - 1) <= 0.01):
            theta, sigma = now
            level = entry_level(theta, sigma, 5e-5)[0]
            cycle = 2 * np.pi / theta * erfi(level * np.sqrt(theta) / sigma)
        yield Comparison(f"row {i}", said.value[i], level / float(fit.outputs["s_eq"][i]), 1e-9)
        yield Comparison(f"cycle, row {i}", said.outputs["cycle"][i], cycle, 1e-8)
        yield Comparison(f"rate, row {i}", said.outputs["rate"][i], (2 * level - 5e-5) / cycle, 1e-8)


@golden(138)
def exits() -> Mapping[str, float]:
    said = run(138, {"price": ou(1, 300), "account.position": np.ones(300)})
    found = {f"rate {r}": exit_level(0.05, 0.001, float(r), 5e-4) for r in ("1e-5", "1e-3", "1e-2")}
    return {**found, "ou B": said.value[-1], "ou B_z": said.outputs["B_z"][-1]}


@reference(138)
def scipy_exit() -> Iterator[Comparison]:
    special, optimize = import_module("scipy.special"), import_module("scipy.optimize")
    integrate = import_module("scipy.integrate")
    for theta, sigma, rate, cost in (
        (0.05, 1e-3, 1e-3, 5e-4),
        (0.5, 2e-4, 1e-4, 5e-5),
        (0.02, 1e-3, 0.1, 1e-5),
        (0.3, 3e-4, 0.9, 0.0),
        (3.0, 1e-3, 1e-2, 2e-3),
    ):
        nu, q = rate / theta, np.sqrt(2 * theta) / sigma
        level = exit_level(theta, sigma, rate, cost)

        def above(b: float, nu: float = nu, q: float = q, cost: float = cost) -> float:
            down = special.pbdv(-nu - 1, -q * b)[0] / special.pbdv(-nu, -q * b)[0]
            return float((b - cost) * q * nu * down - 1)

        root = optimize.brentq(above, cost + 1e-9 / q, cost + 12 / q, xtol=1e-18, rtol=1e-13)
        yield Comparison(f"root, nu {nu:.3g}", level, root, 1e-8)

        def worth(b: float, nu: float = nu, q: float = q, cost: float = cost) -> float:
            # u = v^(1/nu) takes the singularity of u^(nu - 1) away
            f = integrate.quad(lambda v: np.exp(q * b * v ** (1 / nu) - v ** (2 / nu) / 2), 0, 1)[0] / nu
            f += integrate.quad(lambda u: u ** (nu - 1) * np.exp(q * b * u - u * u / 2), 1, 40)[0]
            return float(-(b - cost) / f)

        bounds = (cost, cost + 2 * (level - cost))
        best = optimize.minimize_scalar(worth, bounds=bounds, method="bounded", options={"xatol": 1e-12})
        yield Comparison(f"worth, nu {nu:.3g}", worth(level), best.fun, 1e-6)


@reference(138)
def left_at_the_level() -> Iterator[Comparison]:
    """The last solution stands until theta or sigma is 1% off its own; a side is left beyond it."""
    price, side = ou(7, 300), np.tile(np.repeat([1.0, 0.0, -1.0, -1.0], 25), 3)
    fit = run(131, {"price": price}, n=40)
    said = run(138, {"price": price, "account.position": side}, n=40, rate=0.9, cost=1e-5)
    theta = sigma = level = np.nan
    for i in range(39, 300):
        now = float(fit.outputs["theta"][i]), float(fit.outputs["sigma"][i])
        if not (abs(now[0] / theta - 1) <= 0.01 and abs(now[1] / sigma - 1) <= 0.01):
            theta, sigma = now
            level = exit_level(theta, sigma, 0.9, 1e-5)
        yield Comparison(f"row {i}", said.value[i], level, 1e-9)
        yield Comparison(f"confidence, row {i}", said.confidence[i], fit.confidence[i], 1e-9, 1e-12)
        yield Comparison(f"B_bps, row {i}", said.outputs["B_bps"][i], 1e4 * level, 1e-9)
        away = side[i] * (np.log(price[i]) - fit.outputs["mu"][i])
        leave = side[i] != 0.0 and away >= level and fitted(np.log(price[i - 39 : i + 1]))["b"] < 1.0
        yield Comparison(f"signal, row {i}", said.signal[i], float(leave))


@reference(138)
def wide_exits() -> Iterator[Comparison]:
    """The expansion for large arguments joins the series, and both are as quadrature has them."""
    integrate = import_module("scipy.integrate")
    for nu, cost in (
        (35.0, 0.0),
        (37.9, 0.1),
        (38.2, 0.1),
        (60.0, 2.0),
        (900.0, 1.0),
        (2e4, 0.0),
        (0.01, 15.0),
    ):
        s = exit_level(1.0, np.sqrt(2.0), nu, cost)
        top = (s + np.sqrt(s * s + 4 * max(nu - 1, 0.0))) / 2

        def density(u: float, nu: float = nu, s: float = s, top: float = top) -> float:
            return float(np.exp((nu - 1) * np.log(u / top) + s * (u - top) - (u * u - top * top) / 2))

        def moment(u: float, top: float = top, density: Any = density) -> float:
            return float((u - top) * density(u))

        ends = (max(top - 12, 1e-9), top + 12)
        mean = (
            integrate.quad(moment, *ends, epsrel=1e-12, limit=200)[0]
            / integrate.quad(density, *ends, epsrel=1e-12, limit=200)[0]
            + top
        )
        yield Comparison(f"nu {nu}", (s - cost) * mean, 1.0, 1e-9)
