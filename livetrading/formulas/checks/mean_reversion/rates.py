"""Square-root and Gaussian rates (139, 140)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.core.ornstein import gamma_cdf, vasicek_mean
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.checks.mean_reversion.series import fitted, funding
from livetrading.formulas.registry import run


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
        share = min(max(-fit["t"] / 3.43, 0.0), 1.0)
        yield Comparison(f"confidence, row {i}", said.confidence[i], share, 1e-8)
        yield Comparison(f"R, row {i}", said.outputs["R"][i], rate[i], 1e-12)
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
        feller = 2 * a * theta / s2
        yield Comparison(f"feller, block {k}", said.outputs["feller"][i], feller, 1e-8)
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
