"""Golden numbers and references of the ARIMA forecast of a move (17)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, returns
from livetrading.formulas.history import log_returns
from livetrading.formulas.registry import run
from livetrading.formulas.statistical.arima import ARMA11
from livetrading.formulas.timeseries.autoregression import arma_residuals


@golden(17)
def forecast() -> Mapping[str, float]:
    three = np.array([1.0, -1.0, 2.0])
    errors = arma_residuals(three, [0.6], [-0.3])
    r = returns(17, 401)
    r = r / np.std(r)
    model = ARMA11(0.6, -0.3, 0.0, 1.0, arma_residuals(r, [0.6], [-0.3])[-1])
    f, sd = model.move(float(r[-1]), 10)
    named = {f"e_{i + 1}": e for i, e in enumerate(errors)}
    return {**named, "f1": ARMA11(0.6, -0.3, 0.0, 1.0, errors[-1]).next(2.0), "f": f, "s2": sd * sd}


@reference(17)
def state_space() -> Iterator[Comparison]:
    sarimax = import_module("statsmodels.tsa.statespace.sarimax").SARIMAX
    r = returns(171, 500)
    r = (r - r.mean()) / np.std(r)
    path = np.concatenate(([0.0], np.cumsum(r)))
    for phi, theta, horizon in ((0.6, -0.3, 10), (-0.4, 0.7, 3), (0.2, 0.1, 1)):
        its = sarimax(path, order=(1, 1, 1)).filter([phi, theta, 0.8]).get_forecast(horizon)
        error = arma_residuals(r, [phi], [theta])[-1]
        f, sd = ARMA11(phi, theta, 0.0, np.sqrt(0.8), error).move(float(r[-1]), horizon)
        mean = float(its.predicted_mean[-1]) - path[-1]
        yield Comparison(f"f {phi}", f, mean, 1e-8, 1e-10)
        yield Comparison(f"s {phi}", sd**2, float(its.var_pred_mean[-1]), 1e-8)


@reference(17)
def carried_on() -> Iterator[Comparison]:
    """Between fits the forecast is that of the window's model run on."""
    innovations = import_module("statsmodels.tsa.arima.estimators.innovations").innovations_mle
    price = np.asarray(market(260)["price"], np.float64)
    said = run(17, {"price": price}, n=150, refit=60, horizon=4)
    r = log_returns(price)  # the optimiser stops elsewhere for a return of another last digit
    for i in (150, 210):
        window = r[i - 150 : i]
        sd, mu = float(np.std(window)), float(np.mean(window))
        its = innovations((window - mu) / sd, order=(1, 0, 1), demean=False)[0]
        phi, theta = float(its.ar_params[0]), float(its.ma_params[0])
        e = before = 0.0
        for j in range(i - 150, min(i + 59, 259)):
            e = (r[j] - mu) - phi * before - theta * e
            before = r[j] - mu
            if j + 1 < i:
                continue
            steps = [phi * before + theta * e]
            for _ in range(3):
                steps.append(phi * steps[-1])
            yield Comparison(f"mu, row {j + 1}", said.outputs["mu"][j + 1], mu)
            yield Comparison(f"f1, row {j + 1}", said.outputs["f1"][j + 1], mu + steps[0], 1e-6, 1e-12)
            yield Comparison(f"value, row {j + 1}", said.value[j + 1], 4.0 * mu + sum(steps), 1e-6, 1e-12)
