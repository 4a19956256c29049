"""Hidden states (40, 59, 60)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from math import erf

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import returns
from livetrading.formulas.checks.timeseries.series import THREE, shaken
from livetrading.formulas.libraries import quietly
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.state_space import Factor, Regimes, Trend, fit_factor

Floats = NDArray[np.float64]


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


@golden(40)
def regimes() -> Mapping[str, float]:
    model = Regimes((0.1, -0.2), (0.5, 4.0), (0.95, 0.9))
    filtered, loglik = model.run(THREE)
    return {"filtered": filtered, "loglik": loglik, "value": model.predict(filtered)}


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


@golden(59)
def trend() -> Mapping[str, float]:
    model = Trend(1.0, 0.1, 0.01)
    model.begin(np.array([1.0, 2.0, 4.0, 3.0, 5.0]), 1.0)
    return {"level": model.level, "slope": model.slope, "loglik": model.loglik}


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
    yield from structural_filter(shaken(592, 130))
    noise = np.random.default_rng(595).standard_normal(130)
    yield from structural_filter(shaken(595, 130) * np.exp(1e-3 * noise))


def structural_filter(price: Floats) -> Iterator[Comparison]:
    """The filter of statsmodels under the variances of the first fit."""
    structural = import_module("statsmodels.tsa.statespace.structural")
    n = 100
    said = run(59, {"price": price}, n=n, refit=500, entry=0.5)
    x = np.log(price)
    sd = np.std(np.diff(x[: n + 1]))
    variances = [float(said.outputs[name][-1]) for name in ("var_irregular", "var_level", "var_trend")]
    other = structural.UnobservedComponents((x - x[0]) / sd, "lltrend")
    other.ssm.initialize_known(np.zeros(2), np.eye(2) * 1e6)
    other.ssm.loglikelihood_burn = 0
    found = quietly(other.filter, variances)
    state, spread = found.filtered_state, found.filtered_state_cov
    for i in (n, n + 1, n + 29):
        yield Comparison(f"slope, row {i}", said.value[i], state[1, i] * sd, 1e-6, 1e-12)
        yield Comparison(f"level, row {i}", np.log(said.outputs["level"][i]), x[0] + sd * state[0, i], 1e-9)
        z = abs(state[1, i]) / np.sqrt(spread[1, 1, i])
        yield Comparison(f"confidence, row {i}", said.confidence[i], erf(z / np.sqrt(2.0)), 1e-6)
        side = np.sign(state[1, i]) if z >= 0.5 else 0.0
        yield Comparison(f"signal, row {i}", said.signal[i], side)


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
    values, vectors = np.linalg.eig(z.T @ z / len(z))
    first = int(np.argmax(values))
    loading = vectors[:, first] * np.sign(vectors[:, first].sum())
    named = {"share": values[first] / 4.0, **{f"loading_{k}": one for k, one in enumerate(loading)}}
    f = z @ loading
    named["phi"] = float(f[1:] @ f[:-1] / (f[:-1] @ f[:-1]))
    for name, number in named.items():
        yield Comparison(name, said.outputs[name][-1], number, 1e-8)
    yield Comparison("P", said.outputs["P"][-1], found.P, 1e-8)
    yield from slow_factor(found, z)
