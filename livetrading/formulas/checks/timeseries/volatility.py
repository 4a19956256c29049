"""Conditional volatility (34, 35, 36, 37, 42)."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import returns
from livetrading.formulas.checks.timeseries.series import THREE, prices_of, scaled, shaken
from livetrading.formulas.libraries import quietly
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.volatility import Variance, arch_lm, backcast, fit_variance

Floats = NDArray[np.float64]


def gaussian(y: Floats, variance: Floats) -> float:
    return float(-0.5 * np.sum(np.log(2.0 * np.pi) + np.log(variance) + y * y / variance))


def slow_variance(kind: str, x: Floats, y: Floats) -> Floats:
    """The recursions written out; the last one is ahead."""
    w = 0.94 ** np.arange(min(75, len(y)))
    b = float(w @ y[: len(w)] ** 2 / w.sum())
    h = np.empty(len(y) + 1)
    if kind == "ARCH":
        q = len(x) - 1
        past = np.concatenate([np.full(q, b), y**2])
        for t in range(len(h)):
            h[t] = x[0] + sum(x[i] * past[t + q - i] for i in range(1, q + 1))
        return h
    omega, alpha, gamma, beta = x
    if kind == "EGARCH":
        h[0] = omega + beta * np.log(b)
        for t, value in enumerate(y):
            e = value / np.exp(h[t] / 2.0)
            h[t + 1] = omega + alpha * (abs(e) - np.sqrt(2.0 / np.pi)) + gamma * e + beta * h[t]
        return np.exp(h)
    h[0] = omega + (alpha + gamma / 2.0 + beta) * b
    for t, value in enumerate(y):
        h[t + 1] = omega + (alpha + gamma * (value < 0.0)) * value**2 + beta * h[t]
    return h


def said_parameters(named: dict[str, float], kind: str, scale: float) -> Floats:
    """What was fitted, back in the units of returns over their root mean square."""
    if kind == "ARCH":
        alpha = [named[f"alpha_{i + 1}"] for i in range(sum(name.startswith("alpha_") for name in named))]
        return np.array([named["omega"] / scale**2, *alpha])
    rest = [named["alpha"], named.get("gamma", 0.0), named["beta"]]
    if kind == "EGARCH":
        return np.array([named["omega"] - (1.0 - named["beta"]) * 2.0 * np.log(scale), *rest])
    return np.array([named["omega"] / scale**2, *rest])


def inside(kind: str, x: Floats) -> bool:
    if kind == "EGARCH":
        return bool(abs(x[3]) < 1.0)
    if kind == "ARCH":
        return bool(np.all(x >= 0.0) and x[1:].sum() <= 1.0)
    omega, alpha, gamma, beta = x
    return bool(min(omega, alpha, alpha + gamma, beta) >= 0.0 and alpha + gamma / 2.0 + beta <= 1.0)


def carried(kind: str, x: Floats, y: Floats, n: int, i: int) -> float:
    """The variance after i returns, of which the first n gave the backcast."""
    h = slow_variance(kind, x, y[:n])
    state = float(h[-1])
    for t in range(n, i):
        if kind == "ARCH":
            state = float(x[0] + sum(x[k] * y[t + 1 - k] ** 2 for k in range(1, len(x))))
        elif kind == "EGARCH":
            e = y[t] / np.sqrt(state)
            size = abs(e) - np.sqrt(2.0 / np.pi)
            state = float(np.exp(x[0] + x[1] * size + x[2] * e + x[3] * np.log(state)))
        else:
            state = float(x[0] + (x[1] + x[2] * (y[t] < 0.0)) * y[t] ** 2 + x[3] * state)
    return state


def drawn_again(h: list[float], weight: list[float], u: float) -> list[float]:
    """The particle at which the weights so far first reach (u + i) / N, for every i."""
    found, i, reached = [], 0, weight[0]
    for k in range(len(h)):
        while reached < (u + k) / len(h) and i < len(h) - 1:
            i += 1
            reached += weight[i]
        found.append(h[i])
    return found


def volatility_references(id: int, kind: str, price: Floats, lags: int = 1) -> Iterator[Comparison]:
    """The recursion under the fitted parameters, and Nelder-Mead from there, which finds nothing better."""
    optimize = import_module("scipy.optimize")
    n = 300
    asked: dict[str, Any] = {"q": lags} if kind == "ARCH" else {}
    said = run(id, {"price": price}, n=n, refit=1000, **asked)
    r = np.diff(np.log(price))
    scale = float(np.sqrt(np.mean(r[:n] ** 2)))
    y = r / scale
    x = said_parameters({name: float(column[-1]) for name, column in said.outputs.items()}, kind, scale)
    loglik = gaussian(y[:n], slow_variance(kind, x, y[:n])[:-1])
    if "loglik" in said.outputs:
        yield Comparison("loglik", said.outputs["loglik"][-1], loglik, 1e-9)
    for i in range(n, len(price), 7):
        slow = scale * carried(kind, x, y, n, i) ** 0.5
        yield Comparison(f"value, row {i}", said.value[i], slow)
        if "z" in said.outputs and i < len(price) - 1:
            yield Comparison(f"z, row {i + 1}", said.outputs["z"][i + 1], r[i] / slow)
    free = [k for k in range(len(x)) if not (kind == "GARCH" and k == 2)]

    def loss(part: Floats) -> float:
        whole = x.copy()
        whole[free] = part
        h = slow_variance(kind, whole, y[:n])[:-1]
        return -gaussian(y[:n], h) if np.all(h > 0.0) and inside(kind, whole) else 1e10

    options = {"maxiter": 150, "xatol": 1e-6, "fatol": 1e-8}
    found = optimize.minimize(loss, x[free], method="Nelder-Mead", options=options)
    yield Comparison("loglik of Nelder-Mead", loglik, -float(found.fun), 1e-5)


@golden(34)
def arch() -> Mapping[str, float]:
    model = Variance(0.5, (0.3, 0.2, 0.1))
    lm, p = arch_lm(returns(34, 501), 3)
    return {"sigma": model.sd(model.path(THREE, 1.0)[-1]), "lm": lm, "lm_p": p}


@reference(34)
def arch_by_library() -> Iterator[Comparison]:
    diagnostic = import_module("statsmodels.stats.diagnostic")
    yield from volatility_references(34, "ARCH", shaken(341, 340), 3)
    z = np.random.default_rng(350).standard_normal(340)
    y = np.zeros(343)
    for i in range(3, 343):
        y[i] = z[i - 3] * (0.3 + 0.35 * y[i - 1] ** 2 + 0.2 * y[i - 2] ** 2 + 0.15 * y[i - 3] ** 2) ** 0.5
    price = prices_of(1e-3 * y[3:])
    yield from volatility_references(34, "ARCH", price, 3)
    said, r = run(34, {"price": price}, n=300, refit=30), np.diff(np.log(price))
    lm, p = quietly(diagnostic.het_arch, r[30:330], nlags=3)[:2]
    for row in (330, 340):
        yield Comparison(f"lm, row {row}", said.outputs["lm"][row], lm, 1e-8)
        yield Comparison(f"lm_p, row {row}", said.outputs["lm_p"][row], p, 1e-8)
        yield Comparison(f"confidence, row {row}", said.confidence[row], 1.0 - p, 1e-8)
    for q in (1, 4):
        r = np.diff(np.log(shaken(342 + q, 300)))
        lm, p = quietly(diagnostic.het_arch, r, nlags=q)[:2]
        mine = arch_lm(r, q)
        yield Comparison(f"lm, q {q}", mine[0], lm, 1e-8)
        yield Comparison(f"lm_p, q {q}", mine[1], p, 1e-8)


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


@reference(35)
def garch_by_library() -> Iterator[Comparison]:
    yield from volatility_references(35, "GARCH", shaken(352, 340))
    y = simulated(353, lambda h, y: 0.1 + 0.1 * y**2 + 0.8 * h)
    said = run(35, {"price": prices_of(1e-3 * y[:340])}, n=300, refit=1000)
    lasting = float(said.outputs["alpha"][-1] + said.outputs["beta"][-1])
    apart = float(said.outputs["omega"][-1]) / (1.0 - lasting)
    yield Comparison("persistence", said.outputs["persistence"][-1], lasting)
    yield Comparison("uncond_vol", said.outputs["uncond_vol"][-1], apart**0.5)


@golden(36)
def egarch() -> Mapping[str, float]:
    mean = (2.0 / np.pi) ** 0.5
    y = simulated(36, lambda h, z: 0.2 * (abs(z) - mean) - 0.1 * z + 0.95 * h, 0.0, logs=True)
    return volatility(Variance(-0.1, (0.2,), -0.1, 0.9, logs=True), y, "EGARCH")


@reference(36)
def egarch_by_library() -> Iterator[Comparison]:
    yield from volatility_references(36, "EGARCH", shaken(361, 340))
    y = simulated(367, lambda h, z: 0.3 * abs(z) - 0.15 * z + 0.9 * h - 0.24, 0.0, logs=True)
    yield from volatility_references(36, "EGARCH", prices_of(1e-3 * y[:340]))


@golden(37)
def gjr() -> Mapping[str, float]:
    y = simulated(37, lambda h, y: 0.05 + (0.15 if y < 0.0 else 0.05) * y**2 + 0.85 * h)
    return volatility(Variance(0.1, (0.05,), 0.1, 0.8), y, "GJR")


@reference(37)
def gjr_by_library() -> Iterator[Comparison]:
    price = shaken(371, 340)
    yield from volatility_references(37, "GJR", price)
    stats = import_module("scipy.stats")
    said = run(37, {"price": price}, n=300, refit=1000)
    r = np.diff(np.log(price))[:300]
    y = r / np.sqrt(np.mean(r**2))
    model = import_module("arch").arch_model
    lr = 2.0 * sum(
        sign
        * quietly(
            model(y, mean="Zero", vol="GARCH", p=1, o=o, q=1, rescale=False).fit, disp="off"
        ).loglikelihood
        for sign, o in ((1.0, 1), (-1.0, 0))
    )
    yield Comparison("lr", said.outputs["lr"][-1], lr, 1e-5)
    yield Comparison("p", said.outputs["p"][-1], stats.chi2.sf(said.outputs["lr"][-1], 1))


def grid_filter(y: Floats, phi: float, sd: float) -> float:
    """E[e^(h/2)] after y by sums over a grid of h."""
    h = np.linspace(-7.0, 7.0, 1001) * sd / np.sqrt(1.0 - phi**2)
    move = np.exp(-0.5 * ((h[None, :] - phi * h[:, None]) / sd) ** 2)
    move /= move.sum(axis=1, keepdims=True)
    p = np.exp(-0.5 * h**2 * (1.0 - phi**2) / sd**2)
    p /= p.sum()
    for x in y:
        p = (p @ move) * np.exp(-0.5 * (h + x * x * np.exp(-h)))
        p /= p.sum()
    return float(p @ np.exp(0.5 * h))


def drawn_particles(
    y: Floats, seed: int, count: int, phi: float, sd: float
) -> Iterator[tuple[float, float, float, float]]:
    """Estimate, effective number, mean and sd of the particles after each y, a particle at a time."""
    rng = np.random.default_rng(seed)  # of the same bits as Generator(PCG64(seed))
    h = [sd / (1.0 - phi**2) ** 0.5 * z for z in rng.standard_normal(count)]
    weight = [1.0 / count] * count
    for x in y:
        h = [phi * one + sd * z for one, z in zip(h, rng.standard_normal(count), strict=True)]
        weight = [w * np.exp(-0.5 * (one + x * x * np.exp(-one))) for w, one in zip(weight, h, strict=True)]
        weight = [w / sum(weight) for w in weight]
        mean = sum(w * one for w, one in zip(weight, h, strict=True))
        variance = sum(w * (one - mean) ** 2 for w, one in zip(weight, h, strict=True))
        effective = 1.0 / sum(w * w for w in weight)
        ratio = sum(w * np.exp(0.5 * one) for w, one in zip(weight, h, strict=True))
        yield ratio, effective, mean, variance**0.5
        if effective < count / 2:
            h, weight = drawn_again(h, weight, rng.random()), [1.0 / count] * count


@golden(42)
def particles() -> Mapping[str, float]:
    rng = np.random.default_rng(42)
    h, y = 0.0, np.empty(100)
    for i in range(100):
        h = 0.97 * h + 0.2 * rng.standard_normal()
        y[i] = exp(h / 2.0) * rng.standard_normal()
    short = run(42, {"price": scaled(THREE)}, n0=2, particles=20000)
    return {"E": short.value[-1], "end": run(42, {"price": scaled(y)}, n0=2).value[-1]}


@reference(42)
def grid() -> Iterator[Comparison]:
    y = np.random.default_rng(420).standard_normal(40) * 1.5
    price = np.exp(np.concatenate([[0.0], np.cumsum([1.0, -1.0, *y])]))
    found = [run(42, {"price": price}, n0=2, seed=seed, particles=300).value[-1] for seed in range(40)]
    error = 3.0 * float(np.std(found, ddof=1)) / np.sqrt(40.0)
    yield Comparison("mean of 40 seeds", float(np.mean(found)), grid_filter(y, 0.97, 0.2), 0.0, error)
    for seed, count, phi, sd in ((3, 40, 0.97, 0.2), (8, 25, 0.9, 0.7)):
        given = {"n0": 2, "seed": seed, "particles": count, "phi": phi, "sigma_eta": sd}
        said = run(42, {"price": price}, calm=0.9, stress=1.1, h=4, **given)
        for i, row in enumerate(drawn_particles(y, seed, count, phi, sd)):
            k, told = (
                i + 3,
                (said.value[i + 3], *(said.outputs[name][i + 3] for name in ("ess", "h_mean", "h_sd"))),
            )
            for name, mine, other in zip(("value", "ess", "h_mean", "h_sd"), told, row, strict=True):
                yield Comparison(f"{name}, seed {seed}, row {k}", float(mine), other, 1e-9, 1e-12)
            follow, fade = np.sign(price[k] - price[k - 4]) if k >= 4 else 0.0, -np.sign(y[i])
            side = follow if row[0] <= 0.9 else fade if row[0] >= 1.1 else 0.0
            yield Comparison(f"signal, seed {seed}, row {k}", float(said.signal[k]), float(side))
