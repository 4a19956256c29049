"""Autoregressions and moving averages (31, 32, 33, 54, 58)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import returns, walk
from livetrading.formulas.checks.timeseries.series import last, shaken
from livetrading.formulas.libraries import quietly
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.autoregression import (
    arma_fit,
    arma_forecast,
    arma_residuals,
    beveridge_nelson_cycle,
    granger,
)

Floats = NDArray[np.float64]


def exact_likelihood(y: Floats, phi: list[float], theta: list[float], variance: float) -> float:
    """Gaussian log density by the whole covariance matrix."""
    linalg, stats = import_module("scipy.linalg"), import_module("scipy.stats")
    process = import_module("statsmodels.tsa.arima_process")
    gamma = process.arma_acovf([1.0, *(-x for x in phi)], [1.0, *theta], len(y), sigma2=variance)
    return float(stats.multivariate_normal.logpdf(y, np.zeros(len(y)), linalg.toeplitz(gamma)))


@golden(31)
def yule_walker() -> Mapping[str, float]:
    names = {name: name for name in ("phi_1", "phi_2", "phi_3", "sigma")}
    return last(31, walk(31, 251), names, "f")


@reference(31)
def statsmodels_yule_walker() -> Iterator[Comparison]:
    linear = import_module("statsmodels.regression.linear_model")
    price = shaken(310, 160)
    for n, p in ((60, 1), (60, 5)):
        said, r = run(31, {"price": price}, n=n, p=p), np.diff(np.log(price))
        for i in range(n, 160, 9):
            window = r[i - n : i]
            phi, sigma = quietly(linear.yule_walker, window, order=p, method="mle", demean=True)
            mean = window.mean()
            f = mean + float(phi @ (window[::-1][:p] - mean))
            yield Comparison(f"f, p {p}, row {i}", said.value[i], f, 1e-9, 1e-15)
            yield Comparison(f"sigma, row {i}", said.outputs["sigma"][i], sigma)
            share = 1.0 - sigma**2 / np.var(window)
            yield Comparison(f"r2, row {i}", said.outputs["r2"][i], share, 1e-8, 1e-11)
            for k in range(p):
                yield Comparison(
                    f"phi_{k + 1}, row {i}", said.outputs[f"phi_{k + 1}"][i], phi[k], 1e-8, 1e-11
                )
    flat = run(31, {"price": np.full(80, 7.0)}, n=60)
    yield Comparison("constant", flat.value[-1] + flat.confidence[-1] + flat.outputs["r2"][-1], 0.0)


def arma(phi: list[float], theta: list[float], p: int, q: int) -> dict[str, float]:
    """Residuals and forecast of three returns, the log likelihood of five, the forecast after many."""
    exact = import_module("statsmodels.tsa.innovations.arma_innovations")
    r = np.array([1.0, -1.0, 2.0])
    e = arma_residuals(r, phi, theta)
    found = {f"e_{i + 1}": x for i, x in enumerate(e)}
    found["f"] = arma_forecast(phi, theta, r[::-1][:p].tolist(), e[::-1][:q])
    five = np.array([1.0, -1.0, 2.0, 0.0, 1.0])
    found["loglik"] = exact.arma_loglike(five, ar_params=phi, ma_params=theta, sigma2=1.0)
    y = returns(17, 401)
    y = y / np.std(y)
    e = arma_residuals(y, phi, theta)
    found["f of many"] = arma_forecast(phi, theta, y[::-1][:p].tolist(), e[::-1][:q])
    return found


def arma_references(id: int, p: int, q: int) -> Iterator[Comparison]:
    """SARIMAX's forecast under the formula's own parameters, and a likelihood that no neighbour beats."""
    sarimax = import_module("statsmodels.tsa.statespace.sarimax")
    price, n = shaken(320 + id, 440), 400
    orders = {"q": q} if id == 32 else {"p": p, "q": q}
    said = run(id, {"price": price}, n=n, refit=30, **orders)
    r = np.diff(np.log(price))
    for i in (n, n + 17, n + 30):
        start = n if i < n + 30 else n + 30
        window = r[start - n : start]
        mean, sd = window.mean(), window.std()
        named = {name: float(column[i]) for name, column in said.outputs.items()}
        phi = [named[f"phi_{k + 1}"] for k in range(p)]
        theta = [named[f"theta_{k + 1}"] for k in range(q)]
        y = (r[start - n : i] - mean) / sd
        model = sarimax.SARIMAX(y, order=(p, 0, q))
        filtered = quietly(model.filter, [*phi, *theta, (named["sigma"] / sd) ** 2])
        f = mean + sd * float(filtered.get_forecast(1).predicted_mean[0])
        yield Comparison(f"f, row {i}", said.value[i], f, 1e-7, 1e-13)
        yield Comparison(f"mu, row {i}", named["mu"], mean)


def likeliest(p: int, q: int) -> Iterator[Comparison]:
    """No parameters near those fitted have a higher likelihood by the covariance matrix."""
    r = np.diff(np.log(shaken(331, 121)))
    y = (r - r.mean()) / r.std()
    found = arma_fit(y, p, q)
    assert found is not None
    best = exact_likelihood(y, *found)
    for k in range(p + q):
        for step in (-0.02, 0.02):
            x = np.array([*found[0], *found[1]])
            x[k] += step
            near = exact_likelihood(y, x[:p].tolist(), x[p:].tolist(), found[2])
            yield Comparison(f"likelihood beside the optimum, {k}", max(near - best, 0.0), 0.0, 0.0, 1e-5)


@golden(32)
def moving_average() -> Mapping[str, float]:
    return arma([], [0.4, 0.2], 0, 2)


@reference(32)
def moving_average_by_library() -> Iterator[Comparison]:
    yield from arma_references(32, 0, 2)
    yield from likeliest(0, 2)


@golden(33)
def mixed() -> Mapping[str, float]:
    exact = import_module("statsmodels.tsa.innovations.arma_innovations")
    five = np.array([1.0, -1.0, 2.0, 0.0, 1.0])
    one = exact.arma_loglike(five, ar_params=[0.6], ma_params=[-0.3], sigma2=1.0)
    return {**arma([0.5, 0.2], [0.3], 2, 1), "loglik 1, 1": one}


@reference(33)
def mixed_by_library() -> Iterator[Comparison]:
    yield from arma_references(33, 2, 1)
    yield from arma_references(33, 1, 2)
    yield from likeliest(1, 1)


@golden(54)
def beveridge() -> Mapping[str, float]:
    one = beveridge_nelson_cycle(np.array([0.5]), np.array([0.01]))
    return {**last(54, walk(54, 401), {"mu": "mu"}, "c"), "one lag": one}


@reference(54)
def summed_forecasts() -> Iterator[Comparison]:
    models = import_module("statsmodels.tsa.ar_model")
    for seed, n, p in ((541, 200, 4), (542, 150, 1)):
        price = shaken(seed, n + 1)
        r = np.diff(np.log(price))
        said = run(54, {"price": price}, n=n, p=p)
        fitted = models.AutoReg(r, p, trend="c").fit()
        mu = float(fitted.params[0]) / (1.0 - float(np.sum(fitted.params[1:])))
        c = -float(np.sum(fitted.forecast(400) - mu))
        yield Comparison(f"c, p {p}", said.value[-1], c, 1e-8, 1e-13)
        yield Comparison(f"mu, p {p}", said.outputs["mu"][-1], mu, 1e-8, 1e-14)
        yield Comparison(f"trend, p {p}", said.outputs["trend"][-1], price[-1] * np.exp(-c))
        for k in range(1, p + 1):
            yield Comparison(f"phi_{k}, p {p}", said.outputs[f"phi_{k}"][-1], fitted.params[k], 1e-8)


@golden(58)
def vector() -> Mapping[str, float]:
    said = run(58, {"price": walk(58, 401), "cross.0": walk(580, 401)})
    return {"f": said.value[-1], "F": said.outputs["f_stat"][-1], "p": said.outputs["p_value"][-1]}


@reference(58)
def statsmodels_var() -> Iterator[Comparison]:
    models = import_module("statsmodels.tsa.api")
    for seed, n, p in ((581, 200, 2), (582, 120, 3)):
        own, peer = shaken(seed, n + 1), shaken(seed + 50, n + 1)
        R = np.stack([np.diff(np.log(own)), np.diff(np.log(peer))], axis=1)
        R[1:, 0] += 0.2 * R[:-1, 1]
        own = np.exp(np.concatenate([[0.0], np.cumsum(R[:, 0])]))
        said = run(58, {"price": own, "cross.0": peer}, n=n, p=p)
        sd = R.std(axis=0)
        fitted = quietly(models.VAR(R / sd).fit, p, trend="c")
        ahead = fitted.forecast((R / sd)[-p:], 1)[0] * sd
        test = fitted.test_causality(0, 1, kind="f")
        yield Comparison(f"f, p {p}", said.value[-1], ahead[0], 1e-7, 1e-13)
        yield Comparison(f"peer, p {p}", said.outputs["forecast_peer"][-1], ahead[1], 1e-7, 1e-13)
        yield Comparison(f"F, p {p}", said.outputs["f_stat"][-1], test.test_statistic, 1e-7)
        yield Comparison(f"p, p {p}", said.outputs["p_value"][-1], test.pvalue, 1e-7)
    y = R / sd
    found = granger(y, p)
    assert found is not None
    yield Comparison("residuals", found[1], float(np.sum(np.asarray(fitted.resid)[:, 0] ** 2)), 1e-9)
