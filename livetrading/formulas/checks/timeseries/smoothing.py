"""Smoothing (41, 43, 44, 45, 46)."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from math import exp

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.checks.timeseries.series import THREE, last, prices_of, scaled, shaken
from livetrading.formulas.libraries import quietly
from livetrading.formulas.registry import run

Floats = NDArray[np.float64]


@golden(41)
def drift() -> Mapping[str, float]:
    price = prices_of(np.array([1.0, 2.0, 0.0, 3.0, 1.0]))
    said = run(41, {"price": price}, q=0.1, min_obs=5)
    return {"a": said.value[-1], "P": said.outputs["P"][-1], "sigma2": said.outputs["sigma2"][-1]}


@reference(41)
def local_level() -> Iterator[Comparison]:
    structural = import_module("statsmodels.tsa.statespace.structural")
    price = shaken(411, 200)
    r = np.diff(np.log(price))
    for q in (0.001, 0.3):
        said = run(41, {"price": price}, q=q, min_obs=2)
        model = structural.UnobservedComponents(r * 1e3, "llevel", use_exact_diffuse=True)
        model.ssm.tolerance = 0.0
        state = quietly(model.filter, [1.0, q]).filtered_state[0] / 1e3
        for i in range(1, len(r)):
            yield Comparison(f"q {q}, row {i + 1}", said.value[i + 1], state[i], 1e-9, 1e-14)
    said = run(41, {"price": price}, q=0.1)
    yield Comparison("gain", said.outputs["K"][-1], (-0.1 + np.sqrt(0.01 + 0.4)) / 2.0)


@golden(43)
def unscented() -> Mapping[str, float]:
    said = run(43, {"price": scaled(THREE)}, n0=2)
    return {"x": said.outputs["x"][-1], "P": said.outputs["P"][-1]}


@reference(43)
def filterpy_unscented() -> Iterator[Comparison]:
    filters = import_module("filterpy.kalman")
    y = np.random.default_rng(430).standard_normal(60) * np.linspace(0.3, 3.0, 60)
    price = np.exp(np.concatenate([[0.0], np.cumsum([1.0, -1.0, *y])]))
    for alpha, beta, kappa in ((1.0, 0.0, 2.0), (0.7, 2.0, 1.0)):
        said = run(43, {"price": price}, n0=2, alpha=alpha, beta=beta, kappa=kappa)
        points = filters.MerweScaledSigmaPoints(1, alpha, beta, kappa)
        seen: Callable[[Floats], Floats] = lambda x: np.sqrt(2.0 / np.pi) * np.exp(0.5 * x)  # noqa: E731
        ukf = filters.UnscentedKalmanFilter(1, 1, 1.0, seen, lambda x, dt: 0.97 * x, points)
        ukf.x, ukf.P, ukf.Q = np.zeros(1), np.eye(1) * 0.04 / (1.0 - 0.97**2), np.eye(1) * 0.04
        for i, x in enumerate(y):
            ukf.predict()
            ukf.sigmas_f = points.sigma_points(ukf.x, ukf.P)
            noise = (1.0 - 2.0 / np.pi) * float(points.Wm @ np.exp(ukf.sigmas_f[:, 0]))
            ukf.update(np.array([abs(x)]), R=noise)
            yield Comparison(f"x, row {i}", said.outputs["x"][i + 3], float(ukf.x[0]), 1e-8, 1e-10)
            # the first two returns have the root mean square 1
            yield Comparison(f"value, row {i}", said.value[i + 3], float(np.exp(ukf.x[0] / 2.0)), 1e-8)
            yield Comparison(f"P, row {i}", said.outputs["P"][i + 3], float(ukf.P[0, 0]), 1e-8)
            yield Comparison(f"K, row {i}", said.outputs["K"][i + 3], float(ukf.K[0, 0]), 1e-8)


@golden(44)
def exponential() -> Mapping[str, float]:
    # ready after 15 s under tau = 5: a sixth trade makes it so, and is taken back out of
    # e_6 = w e_5 + (1 - w) p_6
    ts = (np.array([0.0, 1.0, 1.5, 4.0, 10.0, 15.0]) * 1e9).astype(np.int64)
    price = np.array([100.0, 101.0, 102.0, 101.0, 99.0, 99.0])
    said = run(44, {"ts": ts, "price": price}, tau=5.0)
    w = exp(-1.0)
    return {"e": (said.value[-1] - (1.0 - w) * 99.0) / w}


@reference(44)
def pandas_ewm() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    rng = np.random.default_rng(440)
    ts = 1_700_000_000_000_000_000 + np.cumsum(rng.integers(0, 3, 300)) * 700_000_000
    price = shaken(441, 300)
    said = run(44, {"ts": ts, "price": price}, tau=20.0)
    life = pandas.Timedelta(20.0 * np.log(2.0), "s")
    mean = pandas.Series(price).ewm(halflife=life, times=pandas.to_datetime(ts), adjust=False).mean()
    e, v = price[0], 0.0
    for i in range(1, 300):
        w = np.exp(-(ts[i] - ts[i - 1]) * 1e-9 / 20.0)
        v = w * (v + (1.0 - w) * (price[i] - e) ** 2)
        e = w * e + (1.0 - w) * price[i]
        if said.ready[i]:
            # pandas keeps a half-life in whole nanoseconds
            yield Comparison(f"row {i}", said.value[i], float(mean.iloc[i]), 1e-9)
            yield Comparison(f"sd, row {i}", said.outputs["sd"][i], float(np.sqrt(v)), 1e-9)
    ready = int(np.argmax(said.ready))
    yield Comparison("ready", float(ready), float(np.argmax(ts - ts[0] >= 60_000_000_000)))


@golden(45)
def twice() -> Mapping[str, float]:
    return last(45, walk(45, 100), {"level": "a"}, "b")


@reference(45)
def holt() -> Iterator[Comparison]:
    holtwinters = import_module("statsmodels.tsa.holtwinters")
    price = walk(451, 150)
    for alpha in (0.2, 0.6):
        said = run(45, {"price": price}, alpha=alpha)
        known = {"initialization_method": "known", "initial_level": price[0], "initial_trend": 0.0}
        model = holtwinters.Holt(price, **known)
        weights = {"smoothing_level": alpha * (2.0 - alpha), "smoothing_trend": alpha / (2.0 - alpha)}
        found = quietly(model.fit, **weights, optimized=False)
        for i in range(40, 150):
            yield Comparison(f"level, {alpha}, row {i}", said.outputs["level"][i], found.level[i], 1e-9)
            yield Comparison(f"trend, {alpha}, row {i}", said.value[i], found.trend[i], 1e-9, 1e-9)


@golden(46)
def thrice() -> Mapping[str, float]:
    said = run(46, {"price": walk(45, 100)}).outputs
    return {name: column[-1] for name, column in said.items()}


@reference(46)
def discounted_parabola() -> Iterator[Comparison]:
    for alpha in (0.2, 0.35):
        price = walk(461, 120)
        said = run(46, {"price": price}, alpha=alpha)
        for i in (60, 119):
            y = np.concatenate([np.full(600, price[0]), price[: i + 1]])
            age = np.arange(len(y))[::-1].astype(float)
            root = (1.0 - alpha) ** (age / 2.0)
            design = np.stack([np.ones(len(y)), -age, age**2 / 2.0], axis=1) * root[:, None]
            a, b, c = np.linalg.lstsq(design, (y - price[i]) * root, rcond=None)[0]
            yield Comparison(f"a, row {i}", said.outputs["a"][i], a + price[i], 1e-7)
            yield Comparison(f"b, row {i}", said.outputs["b"][i], b, 1e-7, 1e-7)
            yield Comparison(f"c, row {i}", said.outputs["c"][i], c, 1e-7, 1e-7)
    t = np.arange(400.0)
    bent = run(46, {"price": 50_000.0 + 3.0 * t + 0.25 * t * t})
    yield Comparison("second difference", bent.outputs["c"][-1], 0.5, 1e-6)
