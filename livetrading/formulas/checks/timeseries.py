"""Golden numbers of time series (31 to 60); their references are in `timeseries_references`."""

from collections.abc import Callable, Mapping
from importlib import import_module
from math import exp

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks import timeseries_references  # noqa: F401
from livetrading.formulas.checks.harness import golden
from livetrading.formulas.checks.markets import returns, walk
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.autoregression import (
    arma_forecast,
    arma_residuals,
    beveridge_nelson_cycle,
)
from livetrading.formulas.timeseries.decomposition import empirical_modes, wavelet_approximation
from livetrading.formulas.timeseries.spectrum import strongest_line
from livetrading.formulas.timeseries.state_space import Regimes, Trend, fit_factor
from livetrading.formulas.timeseries.unit_root import kpss
from livetrading.formulas.timeseries.volatility import Variance, arch_lm, backcast, fit_variance

Floats = NDArray[np.float64]
THREE = np.array([1.0, -2.0, 0.5])


def last(id: int, price: Floats, names: Mapping[str, str], value: str) -> Mapping[str, float]:
    """What a formula says after prices, renamed."""
    said = run(id, {"price": price})
    return {value: said.value[-1], **{new: said.outputs[old][-1] for old, new in names.items()}}


@golden(31)
def yule_walker() -> Mapping[str, float]:
    names = {name: name for name in ("phi_1", "phi_2", "phi_3", "sigma")}
    return last(31, walk(31, 251), names, "f")


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


@golden(32)
def moving_average() -> Mapping[str, float]:
    return arma([], [0.4, 0.2], 0, 2)


@golden(33)
def mixed() -> Mapping[str, float]:
    exact = import_module("statsmodels.tsa.innovations.arma_innovations")
    five = np.array([1.0, -1.0, 2.0, 0.0, 1.0])
    one = exact.arma_loglike(five, ar_params=[0.6], ma_params=[-0.3], sigma2=1.0)
    return {**arma([0.5, 0.2], [0.3], 2, 1), "loglik 1, 1": one}


@golden(34)
def arch() -> Mapping[str, float]:
    model = Variance(0.5, (0.3, 0.2, 0.1))
    lm, p = arch_lm(returns(34, 501), 3)
    return {"sigma": model.sd(model.path(THREE, 1.0)[-1]), "lm": lm, "lm_p": p}


def simulated(
    seed: int, after: Callable[[float, float], float], h: float = 1.0, logs: bool = False
) -> Floats:
    """A thousand returns of a variance recursion."""
    y = np.empty(1000)
    for i, z in enumerate(np.random.default_rng(seed).standard_normal(1000).tolist()):
        y[i] = z * (exp(h / 2.0) if logs else h**0.5)
        h = after(h, z if logs else float(y[i]))
    return y


def volatility(known: Variance, y: Floats, kind: str) -> dict[str, float]:
    """The recursion of three returns, and what a fit to many finds."""
    found = fit_variance(y, kind)
    assert found is not None
    numbers = {"sigma_4": known.sd(known.path(THREE, 1.0)[-1]), "omega": found.omega, "alpha": found.alpha[0]}
    ahead = found.sd(found.path(y, backcast(y))[-1])
    return {**numbers, "beta": found.beta, "loglik": found.loglik, "sigma_1001": ahead, "gamma": found.gamma}


@golden(35)
def garch() -> Mapping[str, float]:
    y = simulated(35, lambda h, y: 0.05 + 0.1 * y**2 + 0.85 * h)
    found = volatility(Variance(0.1, (0.1,), 0.0, 0.8), y, "GARCH")
    del found["gamma"]
    return found


@golden(36)
def egarch() -> Mapping[str, float]:
    mean = (2.0 / np.pi) ** 0.5
    y = simulated(36, lambda h, z: 0.2 * (abs(z) - mean) - 0.1 * z + 0.95 * h, 0.0, logs=True)
    return volatility(Variance(-0.1, (0.2,), -0.1, 0.9, logs=True), y, "EGARCH")


@golden(37)
def gjr() -> Mapping[str, float]:
    y = simulated(37, lambda h, y: 0.05 + (0.15 if y < 0.0 else 0.05) * y**2 + 0.85 * h)
    return volatility(Variance(0.1, (0.05,), 0.1, 0.8), y, "GJR")


@golden(38)
def smooth() -> Mapping[str, float]:
    return last(38, walk(38, 251), {"c": "c", "gamma": "gamma", "ssr": "ssr"}, "f")


@golden(39)
def sharp() -> Mapping[str, float]:
    return last(39, walk(39, 251), {"c": "c", "ssr": "ssr", "sup_f": "sup_f"}, "f")


@golden(40)
def regimes() -> Mapping[str, float]:
    model = Regimes((0.1, -0.2), (0.5, 4.0), (0.95, 0.9))
    filtered, loglik = model.run(THREE)
    return {"filtered": filtered, "loglik": loglik, "value": model.predict(filtered)}


def prices_of(r: Floats) -> Floats:
    """Prices with these log returns, the first of them 1."""
    return np.asarray(np.exp(np.concatenate([[0.0], np.cumsum(r)])))


@golden(41)
def drift() -> Mapping[str, float]:
    price = prices_of(np.array([1.0, 2.0, 0.0, 3.0, 1.0]))
    said = run(41, {"price": price}, q=0.1, min_obs=5)
    return {"a": said.value[-1], "P": said.outputs["P"][-1], "sigma2": said.outputs["sigma2"][-1]}


def scaled(y: Floats) -> Floats:
    """Prices whose first two returns have the root mean square 1, y after them."""
    return prices_of(np.concatenate([[1.0, -1.0], y]))


@golden(42)
def particles() -> Mapping[str, float]:
    rng = np.random.default_rng(42)
    h, y = 0.0, np.empty(100)
    for i in range(100):
        h = 0.97 * h + 0.2 * rng.standard_normal()
        y[i] = exp(h / 2.0) * rng.standard_normal()
    short = run(42, {"price": scaled(THREE)}, n0=2, particles=20000)
    return {"E": short.value[-1], "end": run(42, {"price": scaled(y)}, n0=2).value[-1]}


@golden(43)
def unscented() -> Mapping[str, float]:
    said = run(43, {"price": scaled(THREE)}, n0=2)
    return {"x": said.outputs["x"][-1], "P": said.outputs["P"][-1]}


@golden(44)
def exponential() -> Mapping[str, float]:
    # ready after 15 s under tau = 5: a sixth trade makes it so, and is taken back out of
    # e_6 = w e_5 + (1 - w) p_6
    ts = (np.array([0.0, 1.0, 1.5, 4.0, 10.0, 15.0]) * 1e9).astype(np.int64)
    price = np.array([100.0, 101.0, 102.0, 101.0, 99.0, 99.0])
    said = run(44, {"ts": ts, "price": price}, tau=5.0)
    w = exp(-1.0)
    return {"e": (said.value[-1] - (1.0 - w) * 99.0) / w}


@golden(45)
def twice() -> Mapping[str, float]:
    return last(45, walk(45, 100), {"level": "a"}, "b")


@golden(46)
def thrice() -> Mapping[str, float]:
    said = run(46, {"price": walk(45, 100)}).outputs
    return {name: column[-1] for name, column in said.items()}


@golden(47)
def dickey_fuller() -> Mapping[str, float]:
    return last(47, walk(47, 251), {"p_value": "p"}, "t")


@golden(48)
def phillips() -> Mapping[str, float]:
    return last(48, walk(48, 251), {"p_value": "p"}, "Z")


@golden(49)
def stationary() -> Mapping[str, float]:
    said = last(49, walk(49, 250), {"p_value": "p"}, "eta")
    return {**said, "eta": kpss(np.log(walk(49, 250)), 9)}


@golden(50)
def line() -> Mapping[str, float]:
    x = np.sin(2.0 * np.pi * np.arange(256) / 16.0) + 0.5 * np.random.default_rng(50).standard_normal(256)
    found = strongest_line(x, 4.0, 7)
    return {"period": 1.0 / found.frequency, "F": found.f_stat, "psd_peak": found.psd_peak}


@golden(51)
def band() -> Mapping[str, float]:
    return {"c": run(51, {"price": walk(51, 100)}).value[-1]}


@golden(52)
def hodrick() -> Mapping[str, float]:
    said = last(52, walk(52, 200), {"cycle": "cycle"}, "value")
    return {**said, "trend": float(np.log(said["value"]))}


@golden(53)
def asymmetric() -> Mapping[str, float]:
    return {"c": run(53, {"price": walk(53, 200)}).value[-1]}


@golden(54)
def beveridge() -> Mapping[str, float]:
    one = beveridge_nelson_cycle(np.array([0.5]), np.array([0.01]))
    return {**last(54, walk(54, 401), {"mu": "mu"}, "c"), "one lag": one}


@golden(55)
def wavelets() -> Mapping[str, float]:
    eight = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 10.0])
    pywt = import_module("pywt")
    a3, d3, d2, _ = pywt.wavedec(eight, "haar", mode="smooth", level=3)
    smooth, energy = wavelet_approximation(eight, "haar", 3)
    # what the formula makes of them: the approximation is their mean, the energies those of the details
    assert np.allclose(smooth, a3[0] / 8.0**0.5)
    assert np.allclose(energy[1:], [13.0, d3[0] ** 2])
    said = last(55, walk(55, 128), {"slope": "slope"}, "value")
    return {**said, "cA3": smooth[0] * 8.0**0.5, "cD3": d3[0], "cD2_1": d2[0], "cD2_2": d2[1]}


@golden(56)
def modes() -> Mapping[str, float]:
    t = np.arange(256.0)
    fast, slow = np.sin(2.0 * np.pi * t / 8.0), 2.0 * np.sin(2.0 * np.pi * t / 40.0)
    found, _ = empirical_modes(fast + slow + 0.01 * t, 6, 10)
    of = [float(np.corrcoef(mode, tone)[0, 1]) for mode, tone in zip(found, (fast, slow), strict=False)]
    return {"modes": float(len(found)), "fast": of[0], "slow": of[1]}


@golden(57)
def singular() -> Mapping[str, float]:
    said = last(57, walk(57, 200), {"trend": "trend", "share": "share"}, "value")
    return {"g": float(np.log(said["trend"]) - np.mean(np.log(walk(57, 200)))), "share": said["share"]}


@golden(58)
def vector() -> Mapping[str, float]:
    said = run(58, {"price": walk(58, 401), "cross.0": walk(580, 401)})
    return {"f": said.value[-1], "F": said.outputs["f_stat"][-1], "p": said.outputs["p_value"][-1]}


@golden(59)
def trend() -> Mapping[str, float]:
    model = Trend(1.0, 0.1, 0.01)
    model.begin(np.array([1.0, 2.0, 4.0, 3.0, 5.0]), 1.0)
    return {"level": model.level, "slope": model.slope, "loglik": model.loglik}


@golden(60)
def factor() -> Mapping[str, float]:
    rng = np.random.default_rng(60)
    f = np.zeros(400)
    for i in range(1, 400):
        f[i] = 0.5 * f[i - 1] + rng.standard_normal()
    y = f[:, None] * np.array([1.0, 0.8, 0.6, 0.4]) + rng.standard_normal((400, 4))
    z = (y - y.mean(axis=0)) / y.std(axis=0)
    found = fit_factor(z)
    assert found is not None
    found.begin(z)
    return {"phi": found.phi, "q": found.q, "F": found.F, "P": found.P}
