"""Golden numbers and references of the bursts of large moves (3)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from livetrading.core.statistics import hawkes_intensity, hawkes_loglik
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market
from livetrading.formulas.registry import run
from livetrading.formulas.statistical.bursts import fit_hawkes

Floats = NDArray[np.float64]


@golden(3)
def three_events() -> Mapping[str, float]:
    times = np.array([0.0, 1.0, 3.0])
    return {
        "intensity": hawkes_intensity(times, 0.5, 0.8, 1.2, 4.0),
        "loglik": hawkes_loglik(times, 0.5, 0.8, 1.2, 4.0),
    }


def thinned(mu: float, alpha: float, beta: float, n: int, seed: int) -> Floats:
    """Events of an exponential Hawkes process by Ogata's thinning."""
    g = np.random.default_rng(seed)
    times: list[float] = []
    t, excited = 0.0, 0.0
    while len(times) < n:
        most = mu + alpha * excited
        wait = g.exponential(1.0 / most)
        t += wait
        excited *= np.exp(-beta * wait)
        if g.random() * most <= mu + alpha * excited:
            times.append(t)
            excited += 1.0
    return np.array(times)


@reference(3)
def naive_likelihood() -> Iterator[Comparison]:
    quad = import_module("scipy.integrate").quad
    g = np.random.default_rng(3)
    times = np.cumsum(g.exponential(1.0, 40))
    for mu, alpha, beta in ((0.5, 0.8, 1.2), (0.05, 0.01, 9.0), (1.0, 3.0, 4.0)):
        gaps = times[:, None] - times[None, :]
        kernel = np.where(gaps > 0.0, np.exp(-beta * np.clip(gaps, 0.0, None)), 0.0)
        ends = [0.0, *times, times[-1] + 2.0]

        def rate(t: float, to: int, mu: float = mu, alpha: float = alpha, beta: float = beta) -> float:
            return float(mu + alpha * np.sum(np.exp(-beta * (t - times[:to]))))

        mass = sum(quad(rate, ends[i], ends[i + 1], args=(i,), epsabs=1e-13)[0] for i in range(41))
        loglik = float(np.sum(np.log(mu + alpha * kernel.sum(axis=1)))) - mass
        yield Comparison(f"loglik {mu}", hawkes_loglik(times, mu, alpha, beta, ends[-1]), loglik, 1e-10)


@reference(3)
def thinning() -> Iterator[Comparison]:
    kstest = import_module("scipy.stats").kstest
    mu, alpha, beta = 0.5, 0.6, 1.2
    times = thinned(mu, alpha, beta, 2000, 30)
    fitted = fit_hawkes(times)
    assert fitted is not None
    yield Comparison("branching", fitted[1] / fitted[2], 0.5, 0.0, 0.08)
    mass = [0.0]
    for before, t in pairwise(times):
        excited = hawkes_intensity(times[times <= before], mu, alpha, beta, before) - mu
        mass.append(mu * (t - before) + excited / beta * (1.0 - np.exp(-beta * (t - before))))
    uniform = kstest(mass[1:], "expon").pvalue
    yield Comparison("rescaled gaps are exponential", float(uniform > 0.01), 1.0)


@reference(3)
def slow_form() -> Iterator[Comparison]:
    """Events and intensity of a market, as the row defines them, under the parameters in force."""
    columns = market(500)
    price = np.asarray(columns["price"], np.float64)
    at = (columns["ts"] - columns["ts"][0]).astype(np.float64) * 1e-9
    said = run(3, columns, k=1.5, lam=0.9, warm=30, n_events=40, min_events=30, refit_events=20, entry=1.2)
    r = np.diff(np.log(price))
    variance = float(np.mean(r[:30] ** 2))
    events: list[int] = []
    for i in range(31, 500):
        x = r[i - 1]
        if abs(x) > 1.5 * np.sqrt(variance):
            events.append(i)
        variance = 0.9 * variance + 0.1 * x * x
        yield Comparison(f"ready, row {i}", float(said.ready[i]), float(len(events) >= 30))
        if len(events) < 30:
            continue
        # a fit looks at its own events, the last 40 of then, and those after
        fits = (len(events) - 30) // 20
        first = max(0, 30 + 20 * fits - 40)
        mu, alpha, beta = (float(said.outputs[name][i]) for name in ("mu", "alpha", "beta"))
        rate = mu + alpha * sum(np.exp(-beta * (at[i] - at[j])) for j in events[first:])
        value = rate * (1.0 - alpha / beta) / mu
        yield Comparison(f"intensity, row {i}", said.outputs["intensity"][i], rate, 1e-9)
        yield Comparison(f"value, row {i}", said.value[i], value, 1e-9)
        signal = -np.sign(r[events[-1] - 1]) if value >= 1.2 else 0.0
        yield Comparison(f"signal, row {i}", said.signal[i], signal)
        if i == events[-1] and len(events) in (30, 50):
            own = fit_hawkes(at[events[-40:]])
            assert own is not None
            yield Comparison(f"beta, row {i}", beta, own[2], 1e-6)


@reference(3)
def without_a_gradient() -> Iterator[Comparison]:
    """The fit against one of the naive likelihood, whose slopes the library takes by differences."""
    minimize = import_module("scipy.optimize").minimize
    for seed, mu, alpha, beta in ((31, 0.5, 0.6, 1.2), (32, 0.2, 4.0, 5.0), (33, 0.9, 0.01, 1.0)):
        times = thinned(mu, alpha, beta, 80, seed)
        gap = (times[-1] - times[0]) / 79.0
        t = (times - times[0]) / gap
        gaps = t[:, None] - t[None, :]

        def cost(x: Floats, gaps: Floats = gaps, before: NDArray[np.bool_] = gaps > 0.0) -> float:
            decayed = np.exp(-x[2] * np.where(before, gaps, np.inf))
            mass = x[0] * gaps[-1, 0] + x[1] * np.sum(1.0 - np.exp(-x[2] * gaps[-1]))
            return float(mass - np.sum(np.log(x[0] + x[1] * x[2] * decayed.sum(axis=1))))

        bounds = ((0.01, 2.0), (0.001, 0.99), (0.05, 50.0))
        starts = ((1.0 - eta, eta, 1.0) for eta in (0.2, 0.5, 0.8))
        best = min(
            (minimize(cost, x, method="L-BFGS-B", bounds=bounds) for x in starts), key=lambda one: one.fun
        )
        fitted = fit_hawkes(times)
        assert fitted is not None
        of = best.x[0] / gap, best.x[1] * best.x[2] / gap, best.x[2] / gap
        for name, ours, theirs in zip(("mu", "alpha", "beta"), fitted, of, strict=True):
            yield Comparison(f"{name} of {seed}", ours, float(theirs), 1e-3)
