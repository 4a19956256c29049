"""Fitted models of trades (106, 108, 114)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.core.flow import pin_cost
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.microstructure.tapes import compare, flow, rough, tape, trades
from livetrading.formulas.microstructure.fitted import propagator, sign_response
from livetrading.formulas.microstructure.pin import fit_pin, pin_likelihood
from livetrading.formulas.registry import run

Floats = NDArray[np.float64]


def pairs(columns: Mapping[str, Any]) -> tuple[list[int], Floats, Floats, Floats]:
    """Rows at which pairs are known, their sides and moves in bps, and the newest side at those rows."""
    of = trades(columns, quoted=True, sized=False)
    x, mid = np.array([float(t.sign) for t in of]), np.array([t.mid for t in of])
    return [t.row for t in of[1:]], x[:-1], 1e4 * np.diff(np.log(mid)), x[1:]


def fits(count: int, n: int, refit: int, phase: int = 0) -> list[int]:
    """How many pairs are known at each fit."""
    return [n, *(k for k in range(n + refit + phase, count + 1, refit))]


@golden(106)
def hasbrouck() -> Mapping[str, float]:
    _, x, r, _ = pairs(tape())
    response, immediate = sign_response(x[-500:], r[-500:], 5, 50)
    return {"value": float(np.sum(response)), "b_0": immediate}


@reference(106)
def autoregression() -> Iterator[Comparison]:
    model = import_module("statsmodels.tsa.api").VAR
    for columns, p, horizon in ((rough(61, 500), 3, 12), (tape(), 2, 30)):
        rows, x, r, newest = pairs(columns)
        said = run(106, columns, p=p, n=150, refit=60, H=horizon, phase=7)
        at = fits(len(rows), 150, 60, 7)
        for begin, end in zip(at, [*at[1:], len(rows) + 1], strict=True):
            sides, moves = x[begin - 150 : begin], r[begin - 150 : begin]
            fit = model(np.column_stack([sides, moves])).fit(p, trend="c")
            irf, unit = fit.irf(horizon), np.linalg.cholesky(fit.sigma_u)[0, 0]
            value = irf.orth_cum_effects[horizon][1, 0] / unit
            size = np.abs(irf.orth_irfs[:, 1, 0]).sum() / unit
            beyond = value > 2 * np.std(moves) / np.sqrt(150)
            for count in range(begin, min(end, len(rows) + 1)):
                expected = {
                    "value": value,
                    "immediate": irf.orth_irfs[0][1, 0] / unit,
                    "transient": irf.orth_irfs[0][1, 0] / unit - value,
                    "confidence": min(1.0, max(0.0, value / size)),
                    "signal": newest[count - 1] if beyond else 0,
                }
                yield from compare(said, rows[count - 1], expected, 1e-8, 1e-10)


@golden(108)
def toeplitz_system() -> Mapping[str, float]:
    e = np.array([1, 1, -1, 1, 1, 1, -1, -1, 1, -1], float)
    r = np.array([1, 0.5, -2, 1, 0, 0.5, -1, -0.5, 2, -1])
    g = propagator(e, r, 2)
    assert g is not None
    return {"g_0": g[0], "g_1": g[1], "g_2": g[2], "G": float(g.sum())}


@reference(108)
def solved_in_full() -> Iterator[Comparison]:
    toeplitz = import_module("scipy.linalg").toeplitz
    for columns, lags in ((rough(62, 500), 4), (tape(), 9), (tape(), 2)):
        rows, e, r, _ = pairs(columns)
        newest = pairs(columns)[3]
        said = run(108, columns, L=lags, n=120, refit=70)
        at = fits(len(rows), 120, 70)
        for begin, end in zip(at, [*at[1:], len(rows) + 1], strict=True):
            a, b = e[begin - 120 : begin], r[begin - 120 : begin]
            c = np.array([np.sum(a[k:] * a[: 120 - k]) for k in range(lags + 1)]) / 120
            s = np.array([np.sum(b[k:] * a[: 120 - k]) for k in range(lags + 1)]) / 120
            g = np.linalg.solve(toeplitz(c), s)
            kernel, sd = np.cumsum(g), np.std(b)
            decay = np.nan
            if np.all(kernel[1:] > 0.0):
                log_lag = np.log(np.arange(2.0, lags + 2.0))
                decay = -np.polyfit(log_lag, np.log(kernel[1:]), 1)[0]
            for count in range(begin, min(end, len(rows) + 1)):
                forecast = float(g[1:] @ newest[count - lags : count][::-1])
                expected = {
                    "value": kernel[-1],
                    "G_0": kernel[0],
                    "G_peak": kernel.max(),
                    "decay": decay,
                    "forecast": forecast,
                    "confidence": min(1.0, abs(forecast) / sd),
                    "signal": np.sign(forecast) if abs(forecast) > sd / 10 else 0,
                }
                yield from compare(said, rows[count - 1], expected, 1e-8, 1e-10)


@reference(108)
def known_propagator() -> Iterator[Comparison]:
    g = np.random.default_rng(63)
    e = np.cumprod(np.where(g.random(200_000) < 0.7, 1.0, -1.0)).astype(np.float64)
    known = np.array([1.0, -0.3, -0.15, -0.05])
    found = propagator(e, np.convolve(e, known)[: len(e)] + g.standard_normal(len(e)), 5)
    assert found is not None
    for lag, step in enumerate([*known, 0.0, 0.0]):
        yield Comparison(f"g({lag})", found[lag], step, 0, 0.01)


@golden(114)
def informed() -> Mapping[str, float]:
    b, s = np.array([50.0, 80, 45, 52, 49, 110]), np.array([48.0, 51, 95, 47, 53, 46])
    g = np.random.default_rng(13)
    event = g.random(60)
    buys = g.poisson(50 + 40 * ((event < 0.4) & (event >= 0.16))).astype(float)
    sells = g.poisson(45 + 40 * (event < 0.16)).astype(float)
    fit = fit_pin(buys, sells)
    assert fit is not None
    (a, _, mu, eb, es), loglik = fit
    return {
        "likelihood": pin_likelihood((0.5, 0.4, 40.0, 50.0, 50.0), b, s),
        "PIN": a * mu / (a * mu + eb + es),
        "loglik": loglik,
    }


@reference(114)
def likelihood_by_scipy() -> Iterator[Comparison]:
    pmf = import_module("scipy.stats").poisson.pmf
    g = np.random.default_rng(64)
    for _ in range(5):
        a, d = g.random(2)
        mu, eb, es = g.uniform(1.0, 30.0, 3)
        b, s = g.poisson(20.0, 40).astype(float), g.poisson(15.0, 40).astype(float)
        both = (1 - a) * pmf(b, eb) * pmf(s, es) + a * d * pmf(b, eb) * pmf(s, mu + es)
        total = np.log(both + a * (1 - d) * pmf(b, mu + eb) * pmf(s, es)).sum()
        yield Comparison("likelihood", pin_likelihood((a, d, mu, eb, es), b, s), total)


@reference(114)
def slope_by_differences() -> Iterator[Comparison]:
    """What is climbed is the likelihood, and its slope that of the likelihood."""
    g = np.random.default_rng(66)
    b, s = g.poisson(20.0, 40).astype(float), g.poisson(15.0, 40).astype(float)
    alike = np.repeat(np.arange(40), 2)

    def likelihood(theta: Floats) -> float:
        a, d = 1.0 / (1.0 + np.exp(-theta[:2]))
        return pin_likelihood((a, d, *np.exp(theta[2:])), b[alike], s[alike])

    for _ in range(5):
        theta, other = g.normal((0, 0, 2, 3, 3), 1.0), g.normal((0, 0, 2, 3, 3), 1.0)
        down, slope = pin_cost(theta, b, s, np.full(40, 2.0))
        gained = pin_cost(other, b, s, np.full(40, 2.0))[0] - down
        yield Comparison("cost", gained, likelihood(theta) - likelihood(other), 1e-9)
        for i, step in enumerate(1e-5 * np.eye(5)):
            numeric = (likelihood(theta - step) - likelihood(theta + step)) / 2e-5
            yield Comparison(f"slope {i}", slope[i], numeric, 1e-6, 1e-5)


@reference(114)
def highest_of_every_start() -> Iterator[Comparison]:
    """By the library from its own differences, over starts written out again."""
    g = np.random.default_rng(67)
    news, bad = g.random(40) < 0.4, g.random(40) < 0.5
    b, s = (g.poisson(12.0 + 15.0 * (news & side)).astype(float) for side in (~bad, bad))
    minimize = import_module("scipy.optimize").minimize
    reached = []
    for a, d, share in product((0.1, 0.5, 0.9), repeat=3):
        eb = share * b.mean()
        mu = (b.mean() - eb) / (a * (1.0 - d))
        es = s.mean() - a * d * mu
        if es > 0.0:
            start = np.log([a / (1 - a), d / (1 - d), mu, eb, es])

            def cost(theta: Floats) -> float:
                a, d = 1.0 / (1.0 + np.exp(-theta[:2]))
                return -pin_likelihood((a, d, *np.exp(theta[2:])), b, s)

            found = minimize(cost, start, method="L-BFGS-B")
            reached.append((found.fun, found.x))
    down, theta = min(reached, key=lambda pair: pair[0])
    a, (mu, eb, es) = 1.0 / (1.0 + np.exp(-theta[0])), np.exp(theta[2:])
    fit = fit_pin(b, s)
    assert fit is not None
    (our_a, _, our_mu, our_eb, our_es), loglik = fit
    pin = our_a * our_mu / (our_a * our_mu + our_eb + our_es)
    yield Comparison("PIN", pin, a * mu / (a * mu + eb + es), 0.0, 1e-3)
    yield Comparison("loglik", loglik, -down, 0.0, 1e-3)


@reference(114)
def simulated_news() -> Iterator[Comparison]:
    g = np.random.default_rng(65)
    news, bad = g.random(1000) < 0.3, g.random(1000) < 0.6
    buys = g.poisson(20.0 + 25.0 * (news & ~bad)).astype(float)
    sells = g.poisson(30.0 + 25.0 * (news & bad)).astype(float)
    fit = fit_pin(buys, sells)
    assert fit is not None
    (a, d, mu, eb, es), loglik = fit
    for name, was, known in (
        ("alpha", a, 0.3),
        ("delta", d, 0.6),
        ("mu", mu, 25.0),
        ("eb", eb, 20.0),
        ("es", es, 30.0),
    ):
        yield Comparison(name, was, known, 0.15)
    # no direction leads up from a maximum
    for j in range(5):
        for step in (-1e-3, 1e-3):
            other = [a, d, mu, eb, es]
            other[j] *= 1 + step
            yield Comparison(f"uphill {j}", float(pin_likelihood(other, buys, sells) <= loglik), 1.0)


@reference(114)
def counted_intervals() -> Iterator[Comparison]:
    columns = flow(900)
    columns["ts"] = columns["ts"] + np.where(np.arange(900) > 500, 37, 0) * 10**9
    said, of = run(114, columns, dt=13.0, n=30, refit=7, phase=3, limit=0.07), trades(columns, sized=False)
    logpmf = import_module("scipy.stats").poisson.logpmf
    first = of[0].ts // 13_000_000_000
    last = of[-1].ts // 13_000_000_000 - first
    counts = np.zeros((last + 1, 2))
    for trade in of:
        counts[trade.ts // 13_000_000_000 - first, 0 if trade.sign > 0 else 1] += 1
    for complete in fits(int(last), 30, 7, 3):
        row = next(t.row for t in of if t.ts // 13_000_000_000 - first >= complete)
        window = np.ascontiguousarray(counts[complete - 30 : complete].T)
        fit = fit_pin(*window)
        assert fit is not None
        (a, d, mu, eb, es), loglik = fit
        pin = a * mu / (a * mu + eb + es)
        alone = sum(logpmf(x, x.mean()).sum() for x in window)
        gate = 0.0 if pin > 0.07 else 1.0
        expected = {
            "value": pin,
            "alpha": a,
            "delta": d,
            "mu": mu,
            "eb": eb,
            "es": es,
            "loglik": loglik,
            "confidence": min(1.0, max(0.0, 1.0 - np.exp(-(loglik - alone) / 30))),
            "gate": gate,
            "signal": 2 * gate - 1,
        }
        yield from compare(said, row, expected)
