"""References of time series (31 to 60): other libraries, and the definitions written out slowly."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, reference
from livetrading.formulas.checks.markets import returns, walk
from livetrading.formulas.libraries import quietly
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.autoregression import arma_fit, granger
from livetrading.formulas.timeseries.decomposition import (
    diagonal_means,
    empirical_modes,
    wavelet_approximation,
)
from livetrading.formulas.timeseries.spectrum import strongest_line, tapers_of
from livetrading.formulas.timeseries.state_space import Factor, Regimes, Trend, fit_factor
from livetrading.formulas.timeseries.threshold import regime_ssr, threshold
from livetrading.formulas.timeseries.unit_root import augmented_dickey_fuller, kpss, phillips_perron
from livetrading.formulas.timeseries.volatility import arch_lm

Floats = NDArray[np.float64]


def shaken(seed: int, n: int) -> Floats:
    """Prices with fat-tailed returns in bursts, which lean on the last."""
    rng = np.random.default_rng(seed)
    r = np.zeros(n)
    h = 1.0
    for i in range(1, n):
        h = 0.1 + 0.15 * (r[i - 1] * 1e3) ** 2 + 0.8 * h
        r[i] = 0.15 * r[i - 1] + 1e-3 * h**0.5 * rng.standard_t(6)
    return np.asarray(20_000.0 * np.exp(np.cumsum(r)))


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
            for k in range(p):
                yield Comparison(
                    f"phi_{k + 1}, row {i}", said.outputs[f"phi_{k + 1}"][i], phi[k], 1e-8, 1e-11
                )
    flat = run(31, {"price": np.full(80, 7.0)}, n=60)
    yield Comparison("constant", flat.value[-1] + flat.confidence[-1] + flat.outputs["r2"][-1], 0.0)


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


def exact_likelihood(y: Floats, phi: list[float], theta: list[float], variance: float) -> float:
    """Gaussian log density by the whole covariance matrix."""
    linalg, stats = import_module("scipy.linalg"), import_module("scipy.stats")
    process = import_module("statsmodels.tsa.arima_process")
    gamma = process.arma_acovf([1.0, *(-x for x in phi)], [1.0, *theta], len(y), sigma2=variance)
    return float(stats.multivariate_normal.logpdf(y, np.zeros(len(y)), linalg.toeplitz(gamma)))


@reference(32)
def moving_average() -> Iterator[Comparison]:
    yield from arma_references(32, 0, 2)
    yield from likeliest(0, 2)


@reference(33)
def mixed() -> Iterator[Comparison]:
    yield from arma_references(33, 2, 1)
    yield from arma_references(33, 1, 2)
    yield from likeliest(1, 1)


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
    free = [k for k in range(len(x)) if not (kind == "GARCH" and k == 2)]

    def loss(part: Floats) -> float:
        whole = x.copy()
        whole[free] = part
        h = slow_variance(kind, whole, y[:n])[:-1]
        return -gaussian(y[:n], h) if np.all(h > 0.0) and inside(kind, whole) else 1e10

    options = {"maxiter": 150, "xatol": 1e-6, "fatol": 1e-8}
    found = optimize.minimize(loss, x[free], method="Nelder-Mead", options=options)
    yield Comparison("loglik of Nelder-Mead", loglik, -float(found.fun), 1e-5)


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


@reference(34)
def arch() -> Iterator[Comparison]:
    diagnostic = import_module("statsmodels.stats.diagnostic")
    yield from volatility_references(34, "ARCH", shaken(341, 340), 3)
    for q in (1, 4):
        r = np.diff(np.log(shaken(342 + q, 300)))
        lm, p = quietly(diagnostic.het_arch, r, nlags=q)[:2]
        mine = arch_lm(r, q)
        yield Comparison(f"lm, q {q}", mine[0], lm, 1e-8)
        yield Comparison(f"lm_p, q {q}", mine[1], p, 1e-8)


@reference(35)
def garch() -> Iterator[Comparison]:
    yield from volatility_references(35, "GARCH", shaken(352, 340))


@reference(36)
def egarch() -> Iterator[Comparison]:
    yield from volatility_references(36, "EGARCH", shaken(361, 340))


@reference(37)
def gjr() -> Iterator[Comparison]:
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


@reference(38)
def star_grid() -> Iterator[Comparison]:
    special = import_module("scipy.special")
    price, n = shaken(381, 130), 90
    said = run(38, {"price": price}, n=n, refit=25)
    r = np.diff(np.log(price))
    for i in (n, n + 25):
        x, y = r[i - n : i - 1], r[i - n + 1 : i]
        best: tuple[float, ...] = (np.inf,)
        for level in range(15, 90, 5):
            c = np.quantile(x, level / 100.0)
            for j in range(7):
                gamma = 10.0 ** (j / 3.0)
                g = special.expit(gamma * (x - c) / x.std())
                design = np.stack([1.0 - g, x * (1.0 - g), g, x * g], axis=1)
                beta = np.linalg.lstsq(design, y, rcond=None)[0]
                ssr = float(np.sum((y - design @ beta) ** 2))
                if ssr < best[0] * (1.0 - 1e-12):
                    best = ssr, c, gamma, *beta
        ssr, c, gamma, a1, b1, a2, b2 = best
        g = special.expit(gamma * (r[i - 1] - c) / x.std())
        f = (a1 + b1 * r[i - 1]) * (1.0 - g) + (a2 + b2 * r[i - 1]) * g
        yield Comparison(f"f, row {i}", said.value[i], f, 1e-6, 1e-12)
        for name, number in (("ssr", ssr), ("c", c), ("gamma", gamma), ("G", g), ("b_1", b1), ("b_2", b2)):
            yield Comparison(f"{name}, row {i}", said.outputs[name][i], float(number), 1e-6)
    # very sharp, midway between two regressors: the two regimes of 39
    ordered = np.sort(x)
    c = float(ordered[40] + ordered[41]) / 2.0
    g = special.expit(np.clip(1e6 * (x - c) / x.std(), -700.0, 700.0))
    design = np.stack([1.0 - g, x * (1.0 - g), g, x * g], axis=1)
    sharp = float(np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2))
    below = (x <= c)[None, :]
    yield Comparison("sharp", float((regime_ssr(x, y, below) + regime_ssr(x, y, ~below))[0]), sharp, 1e-6)


@reference(39)
def brute_force() -> Iterator[Comparison]:
    for seed, n, trim in ((391, 80, 0.15), (392, 120, 0.3), (393, 60, 0.05)):
        r = np.diff(np.log(shaken(seed, n + 1)))
        if seed == 393:
            r[30] = 14.0  # one far return must not cost the others their digits
        x, y, N = r[:-1], r[1:], n - 1
        ordered = np.sort(x)
        sums = {}
        for i in range(int(np.ceil(trim * N - 1e-9)), int(np.floor((1.0 - trim) * N + 1e-9)) + 1):
            c = ordered[i - 1]
            sums[c] = sum(line_ssr(x[side], y[side]) for side in (x <= c, x > c))
        c = min(sums, key=lambda key: sums[key])
        found = threshold(r, trim)
        assert found is not None
        yield Comparison(f"c, {seed}", found.c, c)
        yield Comparison(f"ssr, {seed}", found.ssr, sums[c], 1e-9)
        yield Comparison(f"sup_f, {seed}", found.sup_f, N * (line_ssr(x, y) - sums[c]) / sums[c], 1e-8)


def line_ssr(x: Floats, y: Floats) -> float:
    design = np.stack([np.ones(len(x)), x], axis=1)
    return float(np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2))


@reference(40)
def hidden_markov() -> Iterator[Comparison]:
    price, n = shaken(401, 170), 140
    said = run(40, {"price": price}, n=n, refit=500)
    named = {name: float(column[-1]) for name, column in said.outputs.items()}
    r = np.diff(np.log(price))
    sd = r[:n].std()
    mu = np.array([named["mu_low"], named["mu_high"]]) / sd
    variance = (np.array([named["sigma_low"], named["sigma_high"]]) / sd) ** 2
    P = np.array([[named["p11"], 1.0 - named["p11"]], [1.0 - named["p22"], named["p22"]]])
    yield Comparison("loglik", named["loglik"], hamilton(P, mu, variance, r[:n] / sd)[1], 1e-6)
    for i in (n, n + 1, n + 29):
        filtered = hamilton(P, mu, variance, r[:i] / sd)[0]
        yield Comparison(f"filtered, row {i}", said.outputs["filtered"][i], filtered[1], 1e-8, 1e-12)
        yield Comparison(f"value, row {i}", said.value[i], (P.T @ filtered)[1], 1e-8, 1e-12)
    known = Regimes((0.05, -0.1), (0.4, 3.0), (0.9, 0.8))
    y = r[:n] / sd
    filtered, loglik = hamilton(
        np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0.05, -0.1]), np.array([0.4, 3.0]), y
    )
    yield Comparison("known, filtered", known.run(y)[0], filtered[1])
    yield Comparison("known, loglik", known.run(y)[1], loglik)


def hamilton(P: Floats, mu: Floats, variance: Floats, y: Floats) -> tuple[Floats, float]:
    """The forward recursion with matrices, in plain probabilities."""
    stats = import_module("scipy.stats")
    values, vectors = np.linalg.eig(P.T)
    xi = np.real(vectors[:, np.argmax(np.real(values))])
    xi = xi / xi.sum()
    loglik = 0.0
    for x in y:
        joint = (P.T @ xi) * stats.norm.pdf(x, mu, np.sqrt(variance))
        loglik += float(np.log(joint.sum()))
        xi = joint / joint.sum()
    return xi, loglik


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


def drawn_again(h: list[float], weight: list[float], u: float) -> list[float]:
    """The particle at which the weights so far first reach (u + i) / N, for every i."""
    found, i, reached = [], 0, weight[0]
    for k in range(len(h)):
        while reached < (u + k) / len(h) and i < len(h) - 1:
            i += 1
            reached += weight[i]
        found.append(h[i])
    return found


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
            yield Comparison(f"P, row {i}", said.outputs["P"][i + 3], float(ukf.P[0, 0]), 1e-8)
            yield Comparison(f"K, row {i}", said.outputs["K"][i + 3], float(ukf.K[0, 0]), 1e-8)


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


@reference(47)
def arch_adf() -> Iterator[Comparison]:
    tests = import_module("arch.unitroot")
    price, n = shaken(471, 160), 120
    for lags in (0, 4):
        said = run(47, {"price": price}, n=n, lags=lags, every=10)
        for i in (n, n + 10, n + 30):
            x = np.log(price[i - n : i + 1])
            other = tests.ADF(x, lags=lags, trend="c")
            for k in (i, i + 9):
                yield Comparison(f"t, row {k}", said.value[k], other.stat, 1e-8)
                yield Comparison(f"p, row {k}", said.outputs["p_value"][k], other.pvalue, 1e-8)
            rho = float(other.regression.params.iloc[0])
            yield Comparison(f"rho, row {i}", said.outputs["rho"][i], rho, 1e-8)
    flat = run(47, {"price": np.full(160, 3.0)}, n=n)
    yield Comparison("constant, p", flat.outputs["p_value"][-1], 1.0)
    yield Comparison("constant", flat.value[-1] + flat.outputs["z"][-1] + flat.confidence[-1], 0.0)


@reference(48)
def arch_pp() -> Iterator[Comparison]:
    tests = import_module("arch.unitroot")
    for seed, lags in ((481, 5), (482, 12), (483, 0)):
        price = shaken(seed, 121)
        said = run(48, {"price": price}, n=120, lags=lags)
        other = tests.PhillipsPerron(np.log(price), lags=lags, trend="c", test_type="tau")
        yield Comparison(f"Z, {seed}", said.value[-1], other.stat, 1e-7)
        yield Comparison(f"p, {seed}", said.outputs["p_value"][-1], other.pvalue, 1e-6)
    x = np.log(price)
    yield Comparison("no lags", phillips_perron(x, 0)[0], augmented_dickey_fuller(x, 0)[0], 1e-8)


@reference(49)
def statsmodels_kpss() -> Iterator[Comparison]:
    stattools = import_module("statsmodels.tsa.stattools")
    for seed, lags in ((491, 9), (492, 0), (493, 20)):
        x = np.log(shaken(seed, 120))
        other = quietly(stattools.kpss, x, regression="c", nlags=lags)[0]
        yield Comparison(f"eta, {seed}", kpss(x, lags), other, 1e-8)
        said = run(49, {"price": np.exp(x)}, n=120, lags=lags)
        yield Comparison(f"value, {seed}", said.value[-1], other, 1e-8)
        p = import_module("arch.unitroot").KPSS(x, lags=lags, trend="c").pvalue
        yield Comparison(f"p, {seed}", said.outputs["p_value"][-1], p, 1e-6)


@reference(50)
def slow_lines() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    for seed, n, NW, K in ((501, 64, 4.0, 7), (502, 81, 3.0, 4)):
        x = np.diff(np.log(shaken(seed, n + 1)))
        x = x - x.mean()
        tapers = tapers_of(n, NW, K)
        best, peak = (-1.0, 0), 0.0
        for j in range(1, n):
            if j >= n / 2:
                break
            wave = np.exp(-2j * np.pi * j / n * np.arange(n))
            Y = np.array([np.sum(h * x * wave) for h in tapers])
            U = tapers.sum(axis=1)
            mu = np.sum(U * Y) / np.sum(U * U)
            f = (K - 1) * abs(mu) ** 2 * np.sum(U * U) / np.sum(np.abs(Y - mu * U) ** 2)
            best, peak = max(best, (float(f), -j)), max(peak, float(np.sum(np.abs(Y) ** 2)) / K)
        found = strongest_line(x, NW, K)
        yield Comparison(f"f, {n}", found.f_stat, best[0])
        yield Comparison(f"frequency, {n}", found.frequency, -best[1] / n)
        yield Comparison(f"peak, {n}", found.psd_peak, peak)
        p = min(1.0, float(stats.f.sf(best[0], 2, 2 * K - 2)) * (n / 2 - 1))
        yield Comparison(f"p, {n}", found.p, p)
        said = run(50, {"price": np.exp(np.concatenate([[0.0], np.cumsum(x)]))}, n=n, NW=NW, tapers=K)
        yield Comparison(f"value, {n}", said.value[-1], -n / best[1])


@reference(51)
def statsmodels_bk() -> Iterator[Comparison]:
    filters = import_module("statsmodels.tsa.filters.bk_filter")
    price = shaken(511, 140)
    for low, high, K in ((6, 32, 12), (4, 20, 5)):
        said = run(51, {"price": price}, low=low, high=high, K=K)
        other = filters.bkfilter(np.log(price), low=low, high=high, K=K)
        for i in range(2 * K, 140):
            yield Comparison(f"K {K}, row {i}", said.value[i], other[i - 2 * K], 1e-8, 1e-14)
        sd = np.std(other)
        yield Comparison("z", said.outputs["z"][-1], other[-1] / sd, 1e-8)


@reference(52)
def statsmodels_hp() -> Iterator[Comparison]:
    filters = import_module("statsmodels.tsa.filters.hp_filter")
    for n, lamb in ((200, 1600.0), (60, 100.0)):
        price = shaken(521, n + 3)
        said = run(52, {"price": price}, n=n, lamb=lamb)
        for i in range(n - 1, n + 3):
            cycle, trend = filters.hpfilter(np.log(price[i + 1 - n : i + 1]), lamb=lamb)
            yield Comparison(f"trend, row {i}", np.log(said.value[i]), trend[-1], 1e-8)
            yield Comparison(f"cycle, row {i}", said.outputs["cycle"][i], cycle[-1], 1e-8, 1e-12)


@reference(53)
def statsmodels_cf() -> Iterator[Comparison]:
    filters = import_module("statsmodels.tsa.filters.cf_filter")
    for n, low, high in ((200, 6, 32), (70, 4, 12)):
        price = shaken(531, n + 3)
        said = run(53, {"price": price}, n=n, low=low, high=high)
        for i in range(n - 1, n + 3):
            cycle, _ = filters.cffilter(np.log(price[i + 1 - n : i + 1]), low=low, high=high, drift=True)
            yield Comparison(f"n {n}, row {i}", said.value[i], cycle[-1], 1e-7, 1e-13)


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


@reference(55)
def wavelet_properties() -> Iterator[Comparison]:
    pywt = import_module("pywt")
    straight = 5.0 + 0.25 * np.arange(128.0)
    smooth, energy = wavelet_approximation(straight, "db4", 3)
    yield Comparison("a straight line's details", float(np.sqrt(sum(energy))), 0.0, 0.0, 1e-10 * 32.0)
    yield Comparison("a straight line", smooth[-1], straight[-1], 1e-10)
    x = np.log(shaken(551, 128))
    parts = pywt.wavedec(x, "db4", mode="smooth", level=3)
    smooth, _ = wavelet_approximation(x, "db4", 3)
    whole = smooth + sum(detail_alone(pywt, parts, k, len(x)) for k in range(1, 4))
    yield Comparison("all parts", float(np.max(np.abs(whole - x))), 0.0, 0.0, 1e-10)
    # Haar: means of blocks of eight
    means = np.repeat(x.reshape(-1, 8).mean(axis=1), 8)
    haar, _ = wavelet_approximation(x, "haar", 3)
    yield Comparison("Haar", float(np.max(np.abs(haar - means))), 0.0, 0.0, 1e-12)
    said = run(55, {"price": np.exp(x)}, wavelet="haar")
    yield Comparison("Haar, value", said.value[-1], x[-1] - means[-1], 1e-9, 1e-12)
    total = sum(float(column[-1]) for name, column in said.outputs.items() if name.startswith("e_"))
    yield Comparison("shares", total, 1.0)


def detail_alone(pywt: Any, parts: list[Floats], k: int, n: int) -> Floats:
    """One level's details, back in time."""
    alone = [np.zeros_like(part) for part in parts]
    alone[k] = parts[k]
    back: Floats = pywt.waverec(alone, "db4", mode="smooth")[:n]
    return back


@reference(56)
def other_emd() -> Iterator[Comparison]:
    x = np.log(shaken(561, 200))
    modes, residue = empirical_modes(x, 6, 10)
    yield Comparison("all modes", float(np.max(np.abs(sum(modes) + residue - x))), 0.0, 0.0, 1e-12)
    other, rest = slow_modes(x, 6, 10)
    yield Comparison("how many", float(len(modes)), float(len(other)))
    for k, (mine, theirs) in enumerate(zip(modes, other, strict=False)):
        yield Comparison(f"mode {k}", float(np.max(np.abs(mine - theirs))), 0.0, 0.0, 1e-10)
    yield Comparison("residue", float(np.max(np.abs(residue - rest))), 0.0, 0.0, 1e-10)


def slow_modes(x: Floats, most: int, sift: int) -> tuple[list[Floats], Floats]:
    """The sifting in loops, with extrema found sample by sample."""
    interpolate = import_module("scipy.interpolate")
    n, rest = len(x), x.copy()
    modes: list[Floats] = []

    def turns(h: Floats, side: float) -> list[int]:
        found, rising, first = [], False, 0
        for i in range(1, n):
            step = side * (h[i] - h[i - 1])
            if step > 0.0:
                rising, first = True, i
            elif step < 0.0:
                if rising:
                    found.append(first)
                rising = False
        return found

    def through(at: list[int], h: Floats) -> Floats:
        knots = {-i: h[i] for i in at[:2]} | {2 * (n - 1) - i: h[i] for i in at[-2:]} | {i: h[i] for i in at}
        where = sorted(knots)
        return np.asarray(interpolate.CubicSpline(where, [knots[i] for i in where])(np.arange(n)))

    while len(modes) < most:
        h = rest.copy()
        done = 0
        while done < sift and len(turns(h, 1.0)) >= 2 and len(turns(h, -1.0)) >= 2:
            h = h - (through(turns(h, 1.0), h) + through(turns(h, -1.0), h)) / 2.0
            done += 1
        if not done:
            break
        modes.append(h)
        rest = rest - h
    return modes, rest


@reference(57)
def full_svd() -> Iterator[Comparison]:
    for seed, n, L, r in ((571, 80, 20, 2), (572, 61, 30, 4)):
        x = np.log(shaken(seed, n))
        centred = x - x.mean()
        H = np.array([centred[i : i + n - L + 1] for i in range(L)])
        U, S, V = np.linalg.svd(H)
        low = U[:, :r] @ np.diag(S[:r]) @ V[:r]
        smooth = [np.mean([low[i, t - i] for i in range(L) if 0 <= t - i < n - L + 1]) for t in range(n)]
        said = run(57, {"price": np.exp(x)}, n=n, L=L, r=r)
        g, sd = x.mean() + smooth[-1], np.std(centred - smooth)
        yield Comparison(f"trend, {seed}", np.log(said.outputs["trend"][-1]), g, 1e-9)
        yield Comparison(f"value, {seed}", said.value[-1], (x[-1] - g) / sd, 1e-8, 1e-11)
        yield Comparison(f"share, {seed}", said.outputs["share"][-1], np.sum(S[:r] ** 2) / np.sum(S**2))
    grown = np.exp(0.03 * np.arange(50.0))
    turned = np.sin(2.0 * np.pi * np.arange(50.0) / 10.0)
    for x, r in ((grown, 1), (turned, 2)):
        U, S, V = np.linalg.svd(np.array([x[i : i + 31] for i in range(20)]), full_matrices=False)
        back = diagonal_means((U[:, :r] * S[:r]) @ V[:r])
        yield Comparison(f"exact, r {r}", float(np.max(np.abs(back - x))), 0.0, 0.0, 1e-12 * 5.0)


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


@reference(59)
def steady_state() -> Iterator[Comparison]:
    linalg = import_module("scipy.linalg")
    T, Z = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    P = linalg.solve_discrete_are(T.T, Z.T, np.diag([0.1, 0.01]), np.eye(1))
    model = Trend(1.0, 0.1, 0.01)
    y = np.random.default_rng(590).standard_normal(400).cumsum()
    model.begin(y, 1e6)
    model.predict()
    yield Comparison("P00", model.p00, P[0, 0], 1e-9)
    yield Comparison("P01", model.p01, P[0, 1], 1e-9)
    yield Comparison("P11", model.p11, P[1, 1], 1e-9)
    structural = import_module("statsmodels.tsa.statespace.structural")
    price, n = shaken(592, 130), 100
    said = run(59, {"price": price}, n=n, refit=500)
    x = np.log(price)
    sd = np.std(np.diff(x[: n + 1]))
    variances = [float(said.outputs[name][-1]) for name in ("var_irregular", "var_level", "var_trend")]
    other = structural.UnobservedComponents((x - x[0]) / sd, "lltrend")
    other.ssm.initialize_known(np.zeros(2), np.eye(2) * 1e6)
    other.ssm.loglikelihood_burn = 0
    state = quietly(other.filter, variances).filtered_state
    for i in (n, n + 1, n + 29):
        yield Comparison(f"slope, row {i}", said.value[i], state[1, i] * sd, 1e-6, 1e-12)
        yield Comparison(f"level, row {i}", np.log(said.outputs["level"][i]), x[0] + sd * state[0, i], 1e-9)


@reference(60)
def statsmodels_factor() -> Iterator[Comparison]:
    models = import_module("statsmodels.tsa.statespace.dynamic_factor")
    R = np.stack([returns(600 + k, 200) for k in range(4)], axis=1)
    R += 3e-4 * np.random.default_rng(601).standard_normal((199, 1)).cumsum(axis=0) * 0.2
    z = (R - R.mean(axis=0)) / R.std(axis=0)
    found = fit_factor(z)
    assert found is not None
    found.begin(z)
    root = np.sqrt(found.q)
    model = models.DynamicFactor(z, k_factors=1, factor_order=1)
    given = np.concatenate([found.loading * root, found.psi, [found.phi]])
    other = quietly(model.smooth, given).factors.filtered[0, -1] * root
    yield Comparison("factor", found.F, other, 1e-8)
    prices = np.exp(np.concatenate([np.zeros((1, 4)), np.cumsum(R, axis=0)]))
    said = run(60, {"price": prices[:, 0], "cross.prices": prices[:, 1:]}, n=199)
    yield Comparison("value", said.value[-1], other, 1e-7)
    yield from slow_factor(found, z)


def slow_factor(found: Factor, z: Floats) -> Iterator[Comparison]:
    """The filter with matrices."""
    F, P = 0.0, found.q / (1.0 - found.phi**2)
    for t, row in enumerate(z):
        if t:
            F, P = found.phi * F, found.phi**2 * P + found.q
        S = np.outer(found.loading, found.loading) * P + np.diag(found.psi)
        K = P * np.linalg.solve(S, found.loading)
        F, P = F + float(K @ (row - found.loading * F)), P * (1.0 - float(K @ found.loading))
    yield Comparison("matrices, F", found.F, F, 1e-8)
    yield Comparison("matrices, P", found.P, P, 1e-8)
