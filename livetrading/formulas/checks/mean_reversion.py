"""Golden numbers and references of mean reversion (131 to 150)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from livetrading.core.ornstein import entry_level, exit_level, gamma_cdf, mean_passage, vasicek_mean
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.registry import create, run

Floats = NDArray[np.float64]


def ou(seed: int, k: int) -> Floats:
    """Return the catalogue's reverting prices, an autoregression of 0.9 in steps of 10 USD about 50,000."""
    steps, x = np.random.default_rng(seed).standard_normal(k), np.zeros(k + 1)
    for i in range(k):
        x[i + 1] = 0.9 * x[i] + steps[i]
    return x[1:] * 10 + 50000


def coint() -> tuple[Floats, Floats]:
    """Return the catalogue's pair: prices of y = 0.5 + 0.95 x + e and of x."""
    g = np.random.default_rng(61)
    x = 10.8 + g.standard_normal(400).cumsum() * 0.002
    e = np.zeros(400)
    for i in range(1, 400):
        e[i] = 0.8 * e[i - 1] + 0.001 * g.standard_normal()
    return np.exp(0.5 + 0.95 * x + e), np.exp(x)


def pair() -> dict[str, Floats]:
    """Return `coint` as columns."""
    y, x = coint()
    return {"cross.0": y, "cross.1": x}


def bars() -> dict[str, Floats]:
    """Return the catalogue's 200 bars."""
    g = np.random.default_rng(51)
    opens = walk(52, 200)
    close = opens + 5 * g.standard_normal(200)
    high = np.maximum(opens, close) + g.exponential(3, 200)
    low = np.minimum(opens, close) - g.exponential(3, 200)
    return {"open": opens, "high": high, "low": low, "close": close}


def funding() -> Floats:
    """Return the catalogue's 400 funding rates, a reverting rate of 20 a year about 10% a year."""
    g, a, b, s, dt = np.random.default_rng(41), 20.0, 0.1, 0.3, 1 / 1095
    rate = np.full(400, 0.1)
    for i in range(1, 400):
        noise = s * np.sqrt((1 - np.exp(-2 * a * dt)) / (2 * a)) * g.standard_normal()
        rate[i] = b + (rate[i - 1] - b) * np.exp(-a * dt) + noise
    return rate / 1095


def fitted(x: Floats) -> dict[str, float]:
    """Fit a window the slow way: least squares of centred x on itself lagged, by statsmodels."""
    api = import_module("statsmodels.api")
    centre, pairs = float(np.mean(x)), len(x) - 1
    u = x - centre
    found = api.OLS(u[1:], api.add_constant(u[:-1])).fit()
    a, b = (float(part) for part in found.params)
    if b >= 1.0:
        return {"b": b, "theta": 0.0, "t": 0.0}
    used = b if b > 0.0 else 1e-6
    theta, s2 = -float(np.log(used)), float(found.ssr) / pairs
    s_eq = float(np.sqrt(s2 / (1.0 - used * used)))
    t = float((b - 1.0) / found.bse[1])
    mu, sigma = centre + a / (1.0 - b), float(np.sqrt(2.0 * theta)) * s_eq
    return {"b": b, "theta": theta, "t": t, "mu": mu, "s_eq": s_eq, "sigma": sigma, "s2": s2}


def windows(id: int, n: int, every: int = 7, **params: Any) -> Iterator[tuple[int, Any, dict[str, float]]]:
    """Yield rows of a run on reverting prices, and the slow fit to each one's window, where it reverts."""
    price = np.concatenate([ou(3, 300), 3.0 * walk(4, 200)])
    said = run(id, {"price": price, "account.position": np.ones(500)}, n=n, **params)
    for i in range(n - 1, 500, every):
        fit = fitted(np.log(price[i - n + 1 : i + 1]))
        if fit["theta"] > 0.0:
            yield i, said, {**fit, "x": float(np.log(price[i]))}


def both(id: int) -> dict[str, float]:
    """Return the last value on reverting and on wandering prices."""
    return {name: run(id, {"price": p}).value[-1] for name, p in (("ou", ou(1, 300)), ("walk", walk(1, 300)))}


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
    price = ou(6, 200)
    fit, said = run(131, {"price": price}, n=40), run(137, {"price": price}, n=40)
    theta = sigma = level = np.nan
    for i in range(39, 200):
        now = float(fit.outputs["theta"][i]), float(fit.outputs["sigma"][i])
        if not (abs(now[0] / theta - 1) <= 0.01 and abs(now[1] / sigma - 1) <= 0.01):
            theta, sigma = now
            level = entry_level(theta, sigma, 5e-5)[0]
        yield Comparison(f"row {i}", said.value[i], level / float(fit.outputs["s_eq"][i]), 1e-9)


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


@golden(139)
def vasicek() -> Mapping[str, float]:
    said = run(139, {"derivatives.funding_rate": funding()})
    found = {name: said.outputs[name][-1] for name in ("kappa", "beta", "sigma")}
    return {"closed": vasicek_mean(20.0, 0.1, 0.3, 30.0), "value": said.value[-1], **found}


@reference(139)
def slow_vasicek() -> Iterator[Comparison]:
    rate, n, days, dt = funding() * 1095, 80, 10.0, 1 / 365
    said = run(139, {"derivatives.funding_rate": rate / 1095}, n=n, H=days, dt=dt)
    for i in range(n - 1, 400, 9):
        window = rate[i - n + 1 : i + 1]
        fit = fitted(window)
        if fit["theta"] == 0.0:
            continue
        kh = fit["theta"] / dt * days / 365
        mean = fit["mu"] + (rate[i] - fit["mu"]) * (1 - np.exp(-kh)) / kh
        yield Comparison(f"row {i}", said.value[i], mean, 1e-8, 1e-9)
        yield Comparison(f"sigma, row {i}", said.outputs["sigma"][i], fit["sigma"] / np.sqrt(dt), 1e-8)
        crowded = mean > np.quantile(window, 0.95)
        signal = -1.0 if crowded else 1.0 if mean < np.quantile(window, 0.05) else 0.0
        yield Comparison(f"signal, row {i}", said.signal[i], signal)


@golden(140)
def square_root() -> Mapping[str, float]:
    said = run(140, {"price": walk(1, 2000)})
    found = {name: said.outputs[name][-1] for name in ("a", "s", "stationary_cdf")}
    return {"theta": said.value[-1], **found}


@reference(140)
def slow_square_root() -> Iterator[Comparison]:
    api, special = import_module("statsmodels.api"), import_module("scipy.special")
    price, m, n = np.asarray(market(900)["price"]), 7, 25
    r2 = (1e4 * np.diff(np.log(price))) ** 2
    v = r2[: len(r2) // m * m].reshape(-1, m).mean(axis=1)
    said = run(140, {"price": price}, m=m, n=n)
    for k in range(n, len(v) + 1, 5):
        x, i = v[k - n : k], k * m
        root = np.sqrt(x[:-1])
        found = api.OLS(np.diff(x) / root, np.column_stack([1 / root, root])).fit()
        a, theta = -found.params[1], -found.params[0] / found.params[1]
        if a <= 0 or theta <= 0:
            yield Comparison(f"mean, block {k}", said.value[i], x.mean(), 1e-9)
            continue
        s2 = float(np.mean(found.resid**2))
        yield Comparison(f"theta, block {k}", said.value[i], theta, 1e-8)
        yield Comparison(f"a, block {k}", said.outputs["a"][i], a, 1e-8)
        cdf = special.gammainc(2 * a * theta / s2, x[-1] * 2 * a / s2)
        yield Comparison(f"cdf, block {k}", said.outputs["stationary_cdf"][i], cdf, 1e-8)
        share = min(max(a / found.bse[1] / 3, 0.0), 1.0)
        yield Comparison(f"confidence, block {k}", said.confidence[i], share, 1e-8)


@reference(140)
def scipy_gamma() -> Iterator[Comparison]:
    special = import_module("scipy.special")
    for a in (1e-3, 0.5, 3.0, 19.0, 21.0, 400.0, 3e4, 2e6, 1e9):
        for sd in (-3.0, -1.0, -0.01, 0.0, 0.3, 2.0, 4.0):
            x = a + sd * np.sqrt(a)
            if x > 0:
                was = gamma_cdf(a, x)
                yield Comparison(f"a {a}, x {x}", was, float(special.gammainc(a, x)), 1e-9, 1e-11)


@golden(141)
def scores() -> Mapping[str, float]:
    return {
        "five": run(141, {"price": [1.0, 2.0, 3.0, 4.0, 10.0]}, n=5).value[-1],
        "walk": run(141, {"price": walk(1, 300)}).value[-1],
    }


@reference(141)
def scipy_zscore() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    for scale in (1.0, 1e-8, 1e298):
        price = walk(14, 400) * scale
        said = run(141, {"price": price}, n=60)
        for i in range(59, 400):
            window = price[i - 59 : i + 1] / scale
            yield Comparison(f"row {i}", said.value[i], stats.zscore(window)[-1], 1e-9, 1e-10)


@golden(142)
def adaptive() -> Mapping[str, float]:
    reverting, wandering = (run(142, {"price": p}) for p in (ou(1, 300), walk(1, 300)))
    return {
        "ou HL": reverting.outputs["half_life"][-1],
        "ou n_t": reverting.outputs["n_t"][-1],
        "ou z": reverting.value[-1],
        "walk n_t": wandering.outputs["n_t"][-1],
        "walk z": wandering.value[-1],
    }


@reference(142)
def slow_adaptive() -> Iterator[Comparison]:
    price = np.concatenate([ou(3, 300), walk(4, 200)])
    said = run(142, {"price": price}, n=60, mult=6.0, n_min=10, n_max=90)
    for i in range(89, 500, 7):
        fit = fitted(np.log(price[i - 59 : i + 1]))
        life = np.log(2) / fit["theta"] if fit["theta"] > 0 else np.inf
        n = int(min(max(np.floor(min(6.0 * life, 1e6) + 0.5), 10), 90))
        window = price[i - n + 1 : i + 1]
        yield Comparison(f"n_t, row {i}", said.outputs["n_t"][i], n)
        yield Comparison(f"row {i}", said.value[i], (price[i] - window.mean()) / window.std(), 1e-9, 1e-10)


@golden(143)
def bands() -> Mapping[str, float]:
    said = run(143, {"price": walk(1, 300)})
    return {"%b": said.value[-1], **{name: said.outputs[name][-1] for name in ("upper", "mid", "lower")}}


@reference(143)
def pandas_bands() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    price = walk(15, 300)
    said, rolling = run(143, {"price": price}, n=30, k=1.5), pandas.Series(price).rolling(30)
    mid, sd = rolling.mean().to_numpy(), rolling.std(ddof=0).to_numpy()
    side = 0
    for i in range(29, 300):
        lower, upper = mid[i] - 1.5 * sd[i], mid[i] + 1.5 * sd[i]
        share = (price[i] - lower) / (upper - lower)
        if (side > 0 and share >= 0.5) or (side < 0 and share <= 0.5):
            side = 0
        if side == 0:
            side = 1 if share < 0 else -1 if share > 1 else 0
        yield Comparison(f"row {i}", said.value[i], share, 1e-8, 1e-8)
        yield Comparison(f"lower, row {i}", said.outputs["lower"][i], lower, 1e-9)
        yield Comparison(f"bandwidth, row {i}", said.outputs["bandwidth"][i], (upper - lower) / mid[i], 1e-8)
        yield Comparison(f"signal, row {i}", said.signal[i], float(side))


@golden(144)
def channel() -> Mapping[str, float]:
    said = run(144, bars())
    return {"u": said.value[-1], **{name: said.outputs[name][-1] for name in ("ema", "atr")}}


@reference(144)
def pandas_channel() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    rows = bars()
    close, high, low = rows["close"], rows["high"], rows["low"]
    said = run(144, rows, n=12, atr_n=7, k=1.0)
    ema = pandas.Series(close).ewm(span=12, adjust=False).mean().to_numpy()
    before = np.concatenate([[np.nan], close[:-1]])
    ranges = np.max([high - low, np.abs(high - before), np.abs(low - before)], axis=0)
    atr = float(np.mean(ranges[1:8]))
    for i in range(11, 200):
        atr = atr if i > 11 else _wilder(ranges[8:11], atr, 7)
        atr += (ranges[i] - atr) / 7
        yield Comparison(f"atr, row {i}", said.outputs["atr"][i], atr, 1e-9)
        yield Comparison(f"row {i}", said.value[i], (close[i] - ema[i]) / atr, 1e-8, 1e-9)


def _wilder(x: Floats, start: float, n: int) -> float:
    for one in x:
        start += (one - start) / n
    return start


@golden(145)
def strength() -> Mapping[str, float]:
    text = "44.34 44.09 44.15 43.61 44.33 44.83 45.10 45.42 45.84 46.08 45.89 46.03 45.61 46.28 46.28 46.00"
    said = run(145, {"close": np.array(text.split(), float)})
    return {"first": said.value[-2], "second": said.value[-1], "bars": run(145, bars()).value[-1]}


@reference(145)
def pandas_strength() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    close, n = np.asarray(market(300)["close"]), 9
    said, change = run(145, {"close": close}, n=n), np.diff(close)
    averages = []
    for moves in (np.maximum(change, 0), np.maximum(-change, 0)):
        first = np.concatenate([[moves[:n].mean()], moves[n:]])
        averages.append(pandas.Series(first).ewm(alpha=1 / n, adjust=False).mean().to_numpy())
    for i in range(n, 300):
        gain, loss = averages[0][i - n], averages[1][i - n]
        yield Comparison(f"row {i}", said.value[i], 100 - 100 / (1 + gain / loss), 1e-9)


@golden(146)
def stochastic() -> Mapping[str, float]:
    said = run(146, bars())
    return {"%K": said.value[-1], "%D": said.outputs["d"][-1]}


@reference(146)
def pandas_stochastic() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    rows = bars()
    for n, d in ((9, 4), (1, 1), (40, 2)):
        said = run(146, rows, n=n, d=d)
        top = pandas.Series(rows["high"]).rolling(n).max().to_numpy()
        bottom = pandas.Series(rows["low"]).rolling(n).min().to_numpy()
        k = 100 * (rows["close"] - bottom) / (top - bottom)
        for i in range(n + d - 2, 200):
            mean = np.mean(k[i - d + 1 : i + 1])
            yield Comparison(f"%K, row {i}", said.value[i], k[i], 1e-9, 1e-9)
            yield Comparison(f"%D, row {i}", said.outputs["d"][i], mean, 1e-9, 1e-9)
            signal = 1.0 if mean < 20 and k[i] > mean else -1.0 if mean > 80 and k[i] < mean else 0.0
            yield Comparison(f"signal, row {i}", said.signal[i], signal)


@golden(147)
def engle_granger() -> Mapping[str, float]:
    formula = create(147)
    formula.run({name: column[-300:] for name, column in pair().items()})
    return {"z": formula.value, **formula.outputs}


@reference(147)
def arch_engle_granger() -> Iterator[Comparison]:
    test = import_module("arch.unitroot.cointegration").engle_granger
    columns, n = pair(), 100
    said = run(147, columns, n=n, refit=60, lags=2)
    y, x = np.log(columns["cross.0"]), np.log(columns["cross.1"])
    for i in range(n - 1, 400, 60):
        rows = slice(i - n + 1, i + 1)
        other = test(y[rows], x[rows], trend="c", lags=2)
        beta, alpha = np.polyfit(x[rows] - 10.8, y[rows], 1)
        alpha -= 10.8 * beta
        e = y[rows] - alpha - beta * x[rows]
        yield Comparison(f"t, row {i}", said.outputs["t_stat"][i], float(other.stat), 1e-8)
        yield Comparison(f"beta, row {i}", said.outputs["beta"][i], beta, 1e-8)
        yield Comparison(f"alpha, row {i}", said.outputs["alpha"][i], alpha, 1e-7)
        yield Comparison(f"p, row {i}", said.outputs["p"][i], float(other.pvalue), 0.1, 0.01)
        for j in range(i, min(i + 60, 400), 9):
            z = (y[j] - alpha - beta * x[j]) / e.std()
            yield Comparison(f"row {j}", said.value[j], z, 1e-7, 1e-7)


@golden(148)
def johansen() -> Mapping[str, float]:
    formula = create(148)
    formula.run({name: column[-300:] for name, column in pair().items()})
    return formula.outputs


@reference(148)
def eigenvalues() -> Iterator[Comparison]:
    linalg = import_module("scipy.linalg")
    columns = {f"cross.{k}": np.asarray(market(400)[f"cross.{k}"]) for k in range(3)}
    n, lags = 120, 2
    said = run(148, columns, n=n, refit=90, lags=lags)
    logs = np.log(np.column_stack(list(columns.values())))
    for i in range(n - 1, 400, 90):
        y = logs[i - n + 1 : i + 1]
        moves = np.diff(y, axis=0)
        past = [moves[lags - j : n - 1 - j] for j in range(1, lags + 1)]
        base = np.column_stack([np.ones(n - 1 - lags), *past])
        r0, r1 = (
            z - base @ np.linalg.lstsq(base, z, rcond=None)[0] for z in (moves[lags:], y[lags:-1] - y[0])
        )
        rows = len(r0)
        s00, s11, s01 = r0.T @ r0 / rows, r1.T @ r1 / rows, r0.T @ r1 / rows
        found, vectors = linalg.eigh(s01.T @ np.linalg.solve(s00, s01), s11)
        yield Comparison(
            f"trace, row {i}", said.outputs["trace_0"][i], -rows * np.sum(np.log1p(-found)), 1e-6
        )
        yield Comparison(f"eig, row {i}", said.outputs["eig_0"][i], found[-1], 1e-6)
        v = vectors[:, -1] / vectors[0, -1]
        for k in (1, 2):
            yield Comparison(f"v_{k}, row {i}", said.outputs[f"v_{k}"][i], v[k], 1e-6)
        w = (y - y[0]) @ v
        yield Comparison(f"z, row {i}", said.value[i], (w[-1] - w.mean()) / w.std(), 1e-6)


@golden(149)
def slopes() -> Mapping[str, float]:
    return {method: run(149, pair(), method=method).value[-1] for method in ("tls", "ols")}


@reference(149)
def singular_vectors() -> Iterator[Comparison]:
    for columns in (pair(), {name: np.asarray(market(400)[name]) for name in ("cross.0", "cross.1")}):
        n = 70
        said = run(149, columns, n=n)
        y, x = np.log(columns["cross.0"]), np.log(columns["cross.1"])
        for i in range(n - 1, 400, 7):
            u, v = (z[i - n + 1 : i + 1] - z[i - n + 1 : i + 1].mean() for z in (y, x))
            vectors = np.linalg.svd(np.column_stack([v, u]), full_matrices=False)[2]
            slope = -vectors[1, 0] / vectors[1, 1]
            yield Comparison(f"row {i}", said.value[i], slope, 1e-9)
            e = u - slope * v
            yield Comparison(f"z, row {i}", said.outputs["z"][i], e[-1] / e.std(), 1e-8, 1e-8)
            share = np.corrcoef(u, v)[0, 1] ** 2
            yield Comparison(f"confidence, row {i}", said.confidence[i], share, 1e-9)
            yield Comparison(f"inverse, row {i}", said.outputs["inverse_ols"][i], (u @ u) / (u @ v), 1e-9)


@golden(150)
def hedge() -> Mapping[str, float]:
    said = run(150, pair())
    return {"beta": said.value[-1], **{name: said.outputs[name][-1] for name in ("alpha", "nu", "S")}}


@reference(150)
def statsmodels_filter() -> Iterator[Comparison]:
    filters = import_module("statsmodels.tsa.statespace.kalman_filter")
    for columns in (pair(), {name: np.asarray(market(400)[name]) for name in ("cross.0", "cross.1")}):
        y, x = np.log(columns["cross.0"]), np.log(columns["cross.1"])
        delta, noise, p0 = 3e-4, 2e-6, 0.5
        said = run(150, columns, delta=delta, R=noise, P0=p0, warm=5)
        model = filters.KalmanFilter(k_endog=1, k_states=2)
        model.bind(y[None, :].copy())
        model["design"] = np.stack([x, np.ones(len(x))])[None, :, :]
        model["obs_cov"] = [[noise]]
        model["transition"] = model["selection"] = np.eye(2)
        model["state_cov"] = delta / (1 - delta) * np.eye(2)
        model.initialize_known(np.zeros(2), p0 * np.eye(2))
        model.tolerance = 0
        other = model.filter()
        for i in range(5, 400, 3):
            yield Comparison(f"beta, row {i}", said.value[i], other.filtered_state[0, i], 1e-8)
            yield Comparison(
                f"alpha, row {i}", said.outputs["alpha"][i], other.filtered_state[1, i], 1e-8, 1e-10
            )
            yield Comparison(f"nu, row {i}", said.outputs["nu"][i], other.forecasts_error[0, i], 1e-8, 1e-10)
            variance = other.forecasts_error_cov[0, 0, i]
            yield Comparison(f"S, row {i}", said.outputs["S"][i], variance, 1e-8)
