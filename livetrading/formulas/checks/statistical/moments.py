"""Golden numbers and references of the formulas of moments (5, 13, 25, 26, 29)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.registry import run
from livetrading.formulas.statistical.moments import k_statistics, variance_gamma

Floats = NDArray[np.float64]


def windows(n: int, rows: int = 400, every: int = 3) -> Iterator[tuple[int, Floats]]:
    """Rows of the checks' market and the n returns up to each."""
    r = np.diff(np.log(np.asarray(market(rows)["price"], np.float64)))
    for i in range(n, rows, every):
        yield i, r[i - n : i]


@golden(5)
def skewness() -> Mapping[str, float]:
    said = run(5, {"price": walk(5, 101)})
    return {"g1": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}


@reference(5)
def scipy_moments() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    said = run(5, market(400), n=40)
    for i, r in windows(40):
        yield Comparison(f"skewness, row {i}", said.value[i], stats.skew(r), 1e-8)
        yield Comparison(f"kurtosis, row {i}", said.outputs["kurtosis"][i], stats.kurtosis(r), 1e-8)
        yield Comparison(f"jb, row {i}", said.outputs["jb"][i], stats.jarque_bera(r).statistic, 1e-8)
    flat = run(5, {"price": np.full(50, 7.0)}, n=40)
    yield Comparison("jb_p of equal prices", flat.outputs["jb_p"][-1], 1.0)


@golden(13)
def cumulants() -> Mapping[str, float]:
    stats = import_module("scipy.stats")
    y = stats.t.rvs(5, size=400, random_state=np.random.default_rng(13)) * 1e-4 + 1e-5
    kappa, theta, c = variance_gamma(y)
    k1, k2, _, _ = k_statistics(y)
    return {"k1": k1, "k2": k2, "kappa": kappa, "theta": theta, "c": c}


@reference(13)
def scipy_kstat() -> Iterator[Comparison]:
    kstat = import_module("scipy.stats").kstat
    said = run(13, market(400), n=60, entry=1.0)
    for i, r in windows(60):
        k = [float(kstat(r, j)) for j in (1, 2, 3, 4)]
        for j in range(4):
            scale = k[1] ** ((j + 1) / 2)
            yield Comparison(f"k{j + 1}, row {i}", said.outputs[f"k{j + 1}"][i], k[j], 1e-10, 1e-10 * scale)
        kappa = max(0.0, k[3] / (3.0 * k[1] ** 2))
        theta = k[2] / (3.0 * k[1] * kappa) if kappa else 0.0
        yield Comparison(f"kappa, row {i}", said.outputs["kappa"][i], kappa, 1e-9, 1e-12)
        yield Comparison(f"theta, row {i}", said.value[i], theta, 1e-8)
        yield Comparison(f"c, row {i}", said.outputs["c"][i], k[0] - theta, 1e-8)
        t = k[0] / np.sqrt(k[1] / 60.0)
        yield Comparison(f"t, row {i}", said.outputs["t"][i], t, 1e-9, 1e-12)
        yield Comparison(f"signal, row {i}", said.signal[i], np.sign(t) if abs(t) >= 1.0 else 0.0)


@reference(13)
def simulated() -> Iterator[Comparison]:
    g = np.random.default_rng(130)
    clock = g.gamma(2.0, 0.5, 1_000_000)
    x = 0.01 + 0.05 * clock + np.sqrt(clock) * g.standard_normal(len(clock))
    kappa, theta, _ = variance_gamma(x)
    yield Comparison("kappa", kappa, 0.5, 0.05)
    yield Comparison("theta", theta, 0.05, 0.0, 0.03)


@golden(25)
def trimmed() -> Mapping[str, float]:
    said = run(25, {"price": walk(25, 51)})
    return {"value": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}


@reference(25)
def scipy_trimmed() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    for n, trim in ((50, 0.1), (37, 0.2), (20, 0.0), (10, 0.3)):
        said = run(25, market(400), n=n, trim=trim)
        g = int(trim * n + 1e-9)
        for i, r in windows(n, every=11):
            mean = stats.trim_mean(r, g / n + 1e-12)
            yield Comparison(f"value, n {n}, row {i}", said.value[i], mean, 1e-9, 1e-16)
            error = stats.mstats.trimmed_stde(r, limits=(g / n + 1e-12, g / n + 1e-12))
            p = 2.0 * stats.t.sf(abs(mean / error), n - 2 * g - 1)
            yield Comparison(f"se, n {n}, row {i}", said.outputs["se"][i], error)
            yield Comparison(f"t, n {n}, row {i}", said.outputs["t"][i], mean / error, 1e-9, 1e-12)
            yield Comparison(f"p, n {n}, row {i}", said.outputs["p"][i], p)


def last_move(moves: tuple[float, ...]) -> Floats:
    """Prices whose log returns are the numbers."""
    prices: Floats = np.exp(np.cumsum([0.0, *moves]))
    return prices


@golden(26)
def robust() -> Mapping[str, float]:
    five = run(26, {"price": last_move((1.0, 2.0, 3.0, 4.0, 100.0))}, n=5)
    said = run(26, {"price": walk(26, 101)})
    z = {"five z": five.outputs["z"][-1], "walk z": said.outputs["z"][-1]}
    return {"five": five.value[-1], "walk": said.value[-1], **z}


@reference(26)
def scipy_robust() -> Iterator[Comparison]:
    mad = import_module("scipy.stats").median_abs_deviation
    for n in (31, 100):
        said = run(26, market(400), n=n, entry=1.5)
        for i, r in windows(n):
            scale = mad(r, scale="normal")
            z = (r[-1] - np.median(r)) / scale
            yield Comparison(f"value, n {n}, row {i}", said.value[i], scale)
            yield Comparison(f"z, n {n}, row {i}", said.outputs["z"][i], z, 1e-9, 1e-12)
            yield Comparison(f"signal, n {n}, row {i}", said.signal[i], -np.sign(z) if abs(z) >= 1.5 else 0.0)
    half = run(26, {"price": last_move((0.0, 0.0, 0.0, 0.0, 0.1))}, n=5)
    yield Comparison("z without a spread", half.outputs["z"][-1], 0.0)


@golden(29)
def winsorised() -> Mapping[str, float]:
    said = run(29, {"price": walk(29, 101)})
    return {"z": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}


@reference(29)
def scipy_winsorised() -> Iterator[Comparison]:
    winsorize = import_module("scipy.stats").mstats.winsorize
    for n, limit in ((100, 0.1), (33, 0.2), (10, 0.0), (20, 0.15)):
        said = run(29, market(400), n=n, limit=limit, entry=1.0)
        g = int(limit * n + 1e-9) / n + 1e-12
        for i, r in windows(n, every=7):
            kept = np.asarray(winsorize(r, limits=(g, g)))
            z = (r[-1] - kept.mean()) / kept.std()
            yield Comparison(f"value, n {n}, row {i}", said.value[i], z, 1e-9, 1e-12)
            yield Comparison(f"sd, n {n}, row {i}", said.outputs["sd_w"][i], kept.std())
            yield Comparison(f"signal, n {n}, row {i}", said.signal[i], -np.sign(z) if abs(z) >= 1.0 else 0.0)
