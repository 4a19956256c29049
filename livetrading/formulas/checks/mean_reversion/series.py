"""Series of the checks of mean reversion, and fits of their windows the slow way."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.markets import walk
from livetrading.formulas.registry import run

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
