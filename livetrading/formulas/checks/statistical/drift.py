"""Golden numbers and references of the formulas of drift and place (2, 15, 16, 22, 27)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from livetrading.core.statistics import mahalanobis
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.registry import run

Floats = NDArray[np.float64]


@golden(2)
def likelihood() -> Mapping[str, float]:
    said = run(2, {"price": walk(2, 101)})
    return {"value": said.value[-1], **{name: said.outputs[name][-1] for name in ("mu", "sigma", "loglik")}}


@reference(2)
def scipy_likelihood() -> Iterator[Comparison]:
    norm = import_module("scipy.stats").norm
    price = np.asarray(market(500)["price"], np.float64)
    price[250:] *= 1e6  # a jump that enters the window and leaves it
    r = np.diff(np.log(price))
    for n in (7, 60):
        said = run(2, {"price": price}, n=n, entry=1.0)
        for i in range(n, 500, 3):
            x = r[i - n : i]
            mu, sigma = norm.fit(x)
            at = norm.logpdf(x, mu, sigma).sum()
            lr = 2.0 * (at - norm.logpdf(x, 0.0, np.sqrt(np.mean(x * x))).sum())
            # of a difference of sums the root is good to the root of their rounding
            yield Comparison(f"lr, row {i}", said.outputs["lr"][i], lr, 1e-8, 1e-10)
            yield Comparison(
                f"value, row {i}", said.value[i] ** 2 * np.sign(mu), lr * np.sign(mu), 1e-8, 1e-10
            )
            yield Comparison(f"mu, row {i}", said.outputs["mu"][i], mu, 1e-8, 1e-12 * sigma)
            yield Comparison(f"sigma, row {i}", said.outputs["sigma"][i], sigma, 1e-8)
            yield Comparison(f"loglik, row {i}", said.outputs["loglik"][i], at, 1e-8)
            p = 1.0 - 2.0 * norm.sf(abs(said.value[i]))
            yield Comparison(f"confidence, row {i}", said.confidence[i], p, 1e-9, 1e-14)


def section_of(formation: list[float]) -> dict[str, Floats]:
    """Two rows, between which the own price and the columns return as told."""
    prices = {"price": np.array([1.0, np.exp(formation[0])])}
    for k, r in enumerate(formation[1:]):
        prices[f"cross.{k}"] = 3.0 * np.array([1.0, np.exp(r)])
    return prices


@golden(15)
def section() -> Mapping[str, float]:
    said = run(15, section_of([0.05, 0.01, -0.02, 0.03]), formation=1, skip=0)
    rank, weight = said.outputs["rank"][-1], said.outputs["weight"][-1]
    return {"value": said.value[-1], "rank": rank, "weight": weight, "signal": float(said.signal[-1])}


@reference(15)
def scipy_section() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    g = np.random.default_rng(15)
    n, formation, skip = 300, 20, 3
    prices = np.exp(np.cumsum(1e-3 * g.standard_normal((n, 5)), axis=0))
    prices[g.random((n, 5)) < 0.01] = np.nan
    prices[100:130, 3] = prices[100:130, 4] = 1.0  # equal ones
    prices[:, 0] = np.where(np.isnan(prices[:, 0]), 1.0, prices[:, 0])
    columns = {"price": prices[:, 0], **{f"cross.{k}": prices[:, k + 1] for k in range(4)}}
    said = run(15, columns, formation=formation, skip=skip)
    for t in range(formation + skip, n):
        span = prices[t - skip - formation : t - skip + 1]
        whole = ~np.isnan(span).any(axis=0)
        r = np.log(span[-1, whole] / span[0, whole])
        yield Comparison(f"ready, row {t}", float(said.ready[t]), float(len(r) >= 3))
        if len(r) < 3:
            continue
        q = stats.rankdata(r)[0]
        yield Comparison(f"value, row {t}", said.value[t], stats.zscore(r)[0], 1e-9, 1e-12)
        yield Comparison(f"rank, row {t}", said.outputs["rank"][t], q)
        weight = (r[0] - r.mean()) / len(r)
        yield Comparison(f"weight, row {t}", said.outputs["weight"][t], weight, 1e-9, 1e-16)
        side = 1.0 if q > 2 * len(r) / 3 else -1.0 if q <= len(r) / 3 else 0.0
        yield Comparison(f"signal, row {t}", said.signal[t], side)


@golden(16)
def momentum() -> Mapping[str, float]:
    said = run(16, {"price": walk(16, 301)})
    sigma, total = said.outputs["sigma"], said.outputs["R"]
    return {"v_299": sigma[-2] ** 2, "v_300": sigma[-1] ** 2, "R": total[-1], "value": said.value[-1]}


@reference(16)
def pandas_momentum() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    price = np.asarray(market(400)["price"], np.float64)
    r = np.diff(np.log(price))
    for com, lookback in ((10.0, 40), (33.5, 7)):
        v = pandas.Series(r).ewm(com=com, adjust=False).var(bias=True).to_numpy()
        said = run(16, {"price": price}, com=com, lookback=lookback)
        for i in range(int(np.ceil(max(com, lookback))) + 1, 400):
            total = np.log(price[i] / price[i - lookback])
            value = total / np.sqrt(v[i - 2] * lookback)
            yield Comparison(f"ready, row {i}", float(said.ready[i]), 1.0)
            yield Comparison(f"value, row {i}", said.value[i], value, 1e-9, 1e-12)
            yield Comparison(f"sigma, row {i}", said.outputs["sigma"][i], np.sqrt(v[i - 1]))
            position = np.sign(total) * min(0.001 / np.sqrt(v[i - 2]), 2.0)
            yield Comparison(f"position, row {i}", said.outputs["position"][i], position)


@golden(22)
def channel() -> Mapping[str, float]:
    said = run(22, {"price": walk(22, 60)})
    return {"value": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}


@reference(22)
def pandas_channel() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    price = np.round(np.asarray(market(400)["price"], np.float64) / 40.0) * 40.0  # with ties
    for n in (1, 4, 50):
        said = run(22, {"price": price}, n=n)
        rolling = pandas.Series(price).rolling(n)
        low, high = rolling.min().shift().to_numpy(), rolling.max().shift().to_numpy()
        for i in range(n, 400):
            p, bottom, top = price[i], low[i], high[i]
            flat = 0.5 + 0.5 * np.sign(p - bottom)
            value = (p - bottom) / (top - bottom) if top > bottom else flat
            beyond = max(p - top, bottom - p) / (top - bottom) if top > bottom else np.inf
            inside = bottom <= p <= top
            confidence = (abs(value - 0.5) if top > bottom else 0.0) if inside else min(1.0, 0.5 + beyond)
            yield Comparison(f"high, n {n}, row {i}", said.outputs["high"][i], top)
            yield Comparison(f"low, n {n}, row {i}", said.outputs["low"][i], bottom)
            yield Comparison(f"value, n {n}, row {i}", said.value[i], value)
            yield Comparison(f"signal, n {n}, row {i}", said.signal[i], float(p > top) - float(p < bottom))
            yield Comparison(f"confidence, n {n}, row {i}", said.confidence[i], confidence)


@golden(27)
def distance() -> Mapping[str, float]:
    score, _, p = mahalanobis(np.random.default_rng(27).standard_normal((60, 3)), 0.99)[-1]
    return {"d2": score, "p": p}


@reference(27)
def pandas_distance() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    squared = import_module("scipy.spatial.distance").mahalanobis
    chi2 = import_module("scipy.stats").chi2
    columns = market(300)
    ts, price, volume = (np.asarray(columns[name]) for name in ("ts", "price", "volume"))
    said = run(27, columns, lam=0.95, alpha=0.05)
    x = np.column_stack((np.diff(np.log(price)), np.log1p(volume[1:]), np.log1p(np.diff(ts) * 1e-9)))
    past = pandas.DataFrame(x).ewm(alpha=0.05, adjust=False)
    mean, cov = past.mean().to_numpy(), past.cov(bias=True).to_numpy().reshape(-1, 3, 3)
    for i in range(51, 300):
        d2 = squared(x[i - 1], mean[i - 2], np.linalg.inv(cov[i - 2])) ** 2
        yield Comparison(f"d2, row {i}", said.value[i], d2)
        p = chi2.sf(d2, 3)
        yield Comparison(f"p, row {i}", said.outputs["p"][i], p)
        yield Comparison(f"k, row {i}", said.outputs["k"][i], 3.0)
        yield Comparison(f"gate, row {i}", said.outputs["gate"][i], float(p >= 0.05))
