"""Pairs and baskets (147 to 150)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market
from livetrading.formulas.checks.mean_reversion.series import pair
from livetrading.formulas.registry import create, run

TRACE_95 = np.array([29.7961, 15.4943, 3.8415])
"""Critical values of the trace of three, two and one series, at 95 % (MacKinnon, Haug, Michelis 1999)."""


@golden(147)
def engle_granger() -> Mapping[str, float]:
    formula = create(147)
    formula.run({name: column[-300:] for name, column in pair().items()})
    return {"z": formula.value, **formula.outputs}


@reference(147)
def arch_engle_granger() -> Iterator[Comparison]:
    test = import_module("arch.unitroot.cointegration").engle_granger
    columns, n = pair(), 100
    said = run(147, columns, n=n, refit=60, lags=2)
    y, x = np.log(columns["cross.0"]), np.log(columns["cross.1"])
    for i in range(n - 1, 400, 60):
        rows = slice(i - n + 1, i + 1)
        other = test(y[rows], x[rows], trend="c", lags=2)
        beta, alpha = np.polyfit(x[rows] - 10.8, y[rows], 1)
        alpha -= 10.8 * beta
        e = y[rows] - alpha - beta * x[rows]
        yield Comparison(f"t, row {i}", said.outputs["t_stat"][i], float(other.stat), 1e-8)
        yield Comparison(f"beta, row {i}", said.outputs["beta"][i], beta, 1e-8)
        yield Comparison(f"alpha, row {i}", said.outputs["alpha"][i], alpha, 1e-7)
        yield Comparison(f"p, row {i}", said.outputs["p"][i], float(other.pvalue), 0.1, 0.01)
        for j in range(i, min(i + 60, 400), 9):
            z = (y[j] - alpha - beta * x[j]) / e.std()
            yield Comparison(f"row {j}", said.value[j], z, 1e-7, 1e-7)


@golden(148)
def johansen() -> Mapping[str, float]:
    formula = create(148)
    formula.run({name: column[-300:] for name, column in pair().items()})
    return formula.outputs


@reference(148)
def eigenvalues() -> Iterator[Comparison]:
    linalg = import_module("scipy.linalg")
    columns = {f"cross.{k}": np.asarray(market(400)[f"cross.{k}"]) for k in range(3)}
    n, lags = 120, 2
    said = run(148, columns, n=n, refit=90, lags=lags)
    logs = np.log(np.column_stack(list(columns.values())))
    for i in range(n - 1, 400, 90):
        y = logs[i - n + 1 : i + 1]
        moves = np.diff(y, axis=0)
        past = [moves[lags - j : n - 1 - j] for j in range(1, lags + 1)]
        base = np.column_stack([np.ones(n - 1 - lags), *past])
        r0, r1 = (
            z - base @ np.linalg.lstsq(base, z, rcond=None)[0] for z in (moves[lags:], y[lags:-1] - y[0])
        )
        rows = len(r0)
        s00, s11, s01 = r0.T @ r0 / rows, r1.T @ r1 / rows, r0.T @ r1 / rows
        found, vectors = linalg.eigh(s01.T @ np.linalg.solve(s00, s01), s11)
        yield Comparison(
            f"trace, row {i}", said.outputs["trace_0"][i], -rows * np.sum(np.log1p(-found)), 1e-6
        )
        left = -rows * np.cumsum(np.log1p(-found))[::-1]
        rank = int(np.argmin(np.append(left > TRACE_95, False)))
        yield Comparison(f"rank, row {i}", said.outputs["rank"][i], rank)
        yield Comparison(f"eig, row {i}", said.outputs["eig_0"][i], found[-1], 1e-6)
        v = vectors[:, -1] / vectors[0, -1]
        for k in (1, 2):
            yield Comparison(f"v_{k}, row {i}", said.outputs[f"v_{k}"][i], v[k], 1e-6)
        w = (y - y[0]) @ v
        for j in range(i, min(i + 90, 400), 11):
            z = ((logs[j] - y[0]) @ v - w.mean()) / w.std()
            yield Comparison(f"z, row {j}", said.value[j], z, 1e-6, 1e-8)


@golden(149)
def slopes() -> Mapping[str, float]:
    return {method: run(149, pair(), method=method).value[-1] for method in ("tls", "ols")}


@reference(149)
def singular_vectors() -> Iterator[Comparison]:
    for columns in (pair(), {name: np.asarray(market(400)[name]) for name in ("cross.0", "cross.1")}):
        n = 70
        said = run(149, columns, n=n)
        y, x = np.log(columns["cross.0"]), np.log(columns["cross.1"])
        for i in range(n - 1, 400, 7):
            u, v = (z[i - n + 1 : i + 1] - z[i - n + 1 : i + 1].mean() for z in (y, x))
            vectors = np.linalg.svd(np.column_stack([v, u]), full_matrices=False)[2]
            slope = -vectors[1, 0] / vectors[1, 1]
            yield Comparison(f"row {i}", said.value[i], slope, 1e-9)
            e = u - slope * v
            yield Comparison(f"z, row {i}", said.outputs["z"][i], e[-1] / e.std(), 1e-8, 1e-8)
            share = np.corrcoef(u, v)[0, 1] ** 2
            yield Comparison(f"confidence, row {i}", said.confidence[i], share, 1e-9)
            yield Comparison(f"ols, row {i}", said.outputs["ols"][i], (u @ v) / (v @ v), 1e-9)
            yield Comparison(f"inverse, row {i}", said.outputs["inverse_ols"][i], (u @ u) / (u @ v), 1e-9)


@golden(150)
def hedge() -> Mapping[str, float]:
    said = run(150, pair())
    return {"beta": said.value[-1], **{name: said.outputs[name][-1] for name in ("alpha", "nu", "S")}}


@reference(150)
def statsmodels_filter() -> Iterator[Comparison]:
    filters = import_module("statsmodels.tsa.statespace.kalman_filter")
    for columns in (pair(), {name: np.asarray(market(400)[name]) for name in ("cross.0", "cross.1")}):
        y, x = np.log(columns["cross.0"]), np.log(columns["cross.1"])
        delta, noise, p0 = 3e-4, 2e-6, 0.5
        said = run(150, columns, delta=delta, R=noise, P0=p0, warm=5)
        model = filters.KalmanFilter(k_endog=1, k_states=2)
        model.bind(y[None, :].copy())
        model["design"] = np.stack([x, np.ones(len(x))])[None, :, :]
        model["obs_cov"] = [[noise]]
        model["transition"] = model["selection"] = np.eye(2)
        model["state_cov"] = delta / (1 - delta) * np.eye(2)
        model.initialize_known(np.zeros(2), p0 * np.eye(2))
        model.tolerance = 0
        other = model.filter()
        for i in range(5, 400, 3):
            yield Comparison(f"beta, row {i}", said.value[i], other.filtered_state[0, i], 1e-8)
            yield Comparison(
                f"alpha, row {i}", said.outputs["alpha"][i], other.filtered_state[1, i], 1e-8, 1e-10
            )
            yield Comparison(f"nu, row {i}", said.outputs["nu"][i], other.forecasts_error[0, i], 1e-8, 1e-10)
            variance = other.forecasts_error_cov[0, 0, i]
            yield Comparison(f"S, row {i}", said.outputs["S"][i], variance, 1e-8)
