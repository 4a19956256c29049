"""Golden numbers and references of the formulas of dependence (9, 10, 12, 21, 23)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.checks.statistical.moments import windows
from livetrading.formulas.registry import run
from livetrading.formulas.statistical.dependence import place, range_law, rescaled_range

Floats = NDArray[np.float64]


@golden(9)
def autocorrelation() -> Mapping[str, float]:
    said = run(9, {"price": walk(9, 201)})
    return {"rho_1": said.value[-1], "Q": said.outputs["Q"][-1], "p": said.outputs["p"][-1]}


@reference(9)
def statsmodels_acf() -> Iterator[Comparison]:
    acf = import_module("statsmodels.tsa.stattools").acf
    ljungbox = import_module("statsmodels.stats.diagnostic").acorr_ljungbox
    for n, lags in ((60, 5), (30, 20), (10, 1)):
        said = run(9, market(400), n=n, lags=lags, alpha=0.3)
        for i, r in windows(n, every=11):
            rho = acf(r, nlags=lags, fft=False)
            for k in range(1, lags + 1):
                yield Comparison(f"rho_{k}, n {n}, row {i}", said.outputs[f"rho_{k}"][i], rho[k], 1e-9, 1e-11)
            test = ljungbox(r, lags=[lags])
            p = float(test["lb_pvalue"].iloc[0])
            yield Comparison(f"Q, n {n}, row {i}", said.outputs["Q"][i], float(test["lb_stat"].iloc[0]))
            yield Comparison(f"p, n {n}, row {i}", said.outputs["p"][i], p)
            side = np.sign(rho[1]) * np.sign(r[-1] - r.mean()) if p < 0.3 else 0.0
            yield Comparison(f"signal, n {n}, row {i}", said.signal[i], side)


@golden(10)
def ratio() -> Mapping[str, float]:
    said = run(10, {"price": walk(10, 241)})
    return {"VR": said.value[-1], "z_star": said.outputs["z_star"][-1]}


@reference(10)
def arch_ratio() -> Iterator[Comparison]:
    test = import_module("arch.unitroot").VarianceRatio
    price = np.asarray(market(400)["price"], np.float64)
    for n, q in ((240, 5), (60, 2), (50, 12)):
        said = run(10, {"price": price}, n=n, q=q, entry=1.0)
        for i in range(n, 400, 17):
            log_price = np.log(price[i - n : i + 1])
            its = test(log_price, lags=q, trend="c", debiased=True, robust=True, overlap=True)
            yield Comparison(f"ratio, n {n}, row {i}", said.value[i], its.vr, 1e-8)
            yield Comparison(f"z*, n {n}, row {i}", said.outputs["z_star"][i], its.stat, 1e-7, 1e-9)
            r = np.diff(log_price)
            side = np.sign(its.stat) * np.sign(r[-q:].sum() - q * r.mean()) if abs(its.stat) >= 1.0 else 0.0
            yield Comparison(f"signal, n {n}, row {i}", said.signal[i], side)


@golden(12)
def exponent() -> Mapping[str, float]:
    said = run(12, {"price": walk(12, 513)})
    return {"value": said.value[-1], "V": said.outputs["lo_v"][-1], "F": said.outputs["lo_cdf"][-1]}


def slow_exponent(r: Floats, sizes: tuple[int, ...]) -> float:
    """The slope, loop by loop."""
    points = []
    for m in sizes:
        found = []
        for end in range(len(r), m - 1, -m):
            block = r[end - m : end]
            total, path = 0.0, []
            for x in block:
                total += float(x) - float(np.mean(block))
                path.append(total)
            if np.std(block) > 0.0:
                found.append((max(path) - min(path)) / float(np.std(block)))
        if found:
            points.append((np.log(m), np.log(np.mean(found))))
    return float(np.polyfit([x for x, _ in points], [y for _, y in points], 1)[0])


@reference(12)
def slow_hurst() -> Iterator[Comparison]:
    columns = market(300)
    sizes = (8, 16, 50)
    said = run(12, columns, n=120, sizes=sizes, every=10, q=4, h=7, alpha=0.6)
    price = np.asarray(columns["price"], np.float64)
    r = np.diff(np.log(price))
    for i in range(120, 300, 10):
        x = r[i - 120 : i]
        yield Comparison(f"value, row {i}", said.value[i], slow_exponent(x, sizes), 1e-9)
        d = x - x.mean()
        gamma = [float(np.sum(d[j:] * d[: len(d) - j])) / 120 for j in range(5)]
        variance = gamma[0] + 2.0 * sum((1.0 - j / 5.0) * gamma[j] for j in range(1, 5))
        v = np.ptp(np.cumsum(d)) / np.sqrt(120 * variance)
        yield Comparison(f"V, row {i}", said.outputs["lo_v"][i], v, 1e-9)
        for j in range(i, i + 10):
            f = said.outputs["lo_cdf"][j]
            way = np.sign(price[j] - price[j - 7])
            side = way if f >= 0.7 else -way if f <= 0.3 else 0.0
            yield Comparison(f"held, row {j}", said.value[j], said.value[i])
            yield Comparison(f"signal, row {j}", said.signal[j], side)


@reference(12)
def tables() -> Iterator[Comparison]:
    """Lo's table, and the mean of R/S of normals (Anis and Lloyd 1976)."""
    yield Comparison("F(0.809)", range_law(0.809), 0.025, 0.0, 1e-3)
    yield Comparison("F(1.862)", range_law(1.862), 0.975, 0.0, 1e-3)
    g = np.random.default_rng(12)
    for m, printed in ((16, 4.03553068129), (128, 13.0906664408)):
        factor = np.exp(lgamma((m - 1) / 2) - lgamma(m / 2)) / np.sqrt(np.pi)
        expected = factor * sum(np.sqrt((m - i) / i) for i in range(1, m))
        yield Comparison(f"Anis-Lloyd {m}", expected, printed)
        mean = float(np.mean(rescaled_range(g.standard_normal(20_000 * m), m)))
        yield Comparison(f"simulated {m}", mean, printed, 0.01)


@golden(21)
def copula() -> Mapping[str, float]:
    own = walk(21, 251)
    r = np.diff(np.log(own))
    peer = 0.5 * r + 0.5 * np.diff(np.log(walk(210, 251)))
    said = run(21, {"price": own, "cross.0": np.exp(np.concatenate(([0.0], np.cumsum(peer))))})
    named = {name: said.outputs[name][-1] for name in ("tau", "lambda_lower", "lambda_upper")}
    return {"h": said.value[-1], "u": place(r), "v": place(peer), **named}


@reference(21)
def scipy_copula() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    copulas = import_module("statsmodels.distributions.copula.api")
    columns = market(300)
    own, peer = (np.asarray(columns[name], np.float64) for name in ("price", "cross.1"))
    peer = np.where(np.arange(300) % 9 == 4, np.nan, peer)  # holds
    said = run(21, {"price": own, "cross.0": peer}, n=80)
    held = import_module("pandas").Series(peer).ffill().to_numpy()
    x, y = np.diff(np.log(own)), np.diff(np.log(held))
    for i in range(80, 300, 5):
        a, b = x[i - 80 : i], y[i - 80 : i]
        tau = stats.kendalltau(a, b).statistic
        u, v = stats.rankdata(a)[-1] / 81.0, stats.rankdata(b)[-1] / 81.0
        joint = copulas.GaussianCopula(corr=np.sin(np.pi * tau / 2.0))
        h = 1e-4
        slope = (joint.cdf([u, v + h]) - joint.cdf([u, v - h])) / (2.0 * h)
        yield Comparison(f"tau, row {i}", said.outputs["tau"][i], tau, 1e-12)
        yield Comparison(f"rho, row {i}", said.outputs["rho"][i], joint.corr[0, 1])
        yield Comparison(f"tau of rho, row {i}", joint.tau(), said.outputs["tau"][i])
        yield Comparison(f"value, row {i}", said.value[i], float(np.squeeze(slope)), 0.0, 1e-5)
        normal = (stats.norm.ppf(u) - joint.corr[0, 1] * stats.norm.ppf(v)) / np.sqrt(
            1.0 - joint.corr[0, 1] ** 2
        )
        yield Comparison(f"closed form, row {i}", said.value[i], stats.norm.cdf(normal), 1e-9)
        clayton = 2.0 ** (-1.0 / copulas.ClaytonCopula().theta_from_tau(tau)) if tau > 0.0 else 0.0
        yield Comparison(f"lower, row {i}", said.outputs["lambda_lower"][i], clayton)


@golden(23)
def ranks() -> Mapping[str, float]:
    said = run(23, {"price": walk(23, 50)})
    return {"rho": said.value[-1], "tau": said.outputs["kendall_tau"][-1]}


@reference(23)
def scipy_ranks() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    price = np.round(np.asarray(market(300)["price"], np.float64) / 20.0)  # with ties
    for n in (50, 12):
        said = run(23, {"price": price}, n=n)
        for i in range(n - 1, 300, 5):
            window, time = price[i - n + 1 : i + 1], np.arange(n)
            if np.ptp(window) == 0.0:
                yield Comparison(f"rho of equal prices, row {i}", said.value[i], 0.0)
                continue
            rho = stats.spearmanr(time, window).statistic
            yield Comparison(f"rho, n {n}, row {i}", said.value[i], rho, 1e-9, 1e-14)
            tau = stats.kendalltau(time, window).statistic
            yield Comparison(f"tau, n {n}, row {i}", said.outputs["kendall_tau"][i], tau, 1e-9, 1e-14)
            yield Comparison(
                f"signal, n {n}, row {i}", said.signal[i], np.sign(rho) if abs(rho) >= 0.7 else 0.0
            )
