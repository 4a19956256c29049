"""Forecasts of the next move by models of a window: smoothing, quantile regression, boosted stumps."""

from math import exp, isfinite, log, sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Real, Reals, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import clip01, forecast_signal, sign
from livetrading.formulas.statistical.windows import (
    FittedFormula,
)

Floats = NDArray[np.float64]


def smoothed(price: list[float], alpha: float) -> tuple[float, float]:
    """Return the level after simple exponential smoothing from the first price, and the squared errors' sum.

    References
    ----------
    Brown (1959), Statistical Forecasting for Inventory Control.
    """
    level, sse = price[0], 0.0
    for p in price[1:]:
        e = p - level
        level += alpha * e
        sse += e * e
    return level, sse


def fit_smoothing(price: Floats) -> tuple[float, float, float] | None:
    """Return the alpha in [0.01, 0.99] of the least squared errors, their sum, and the level after it.

    Parameters
    ----------
    price : ndarray of float64, shape (n,)

    References
    ----------
    Hyndman, Koehler, Ord, Snyder (2008), Forecasting with Exponential Smoothing (model A,N,N).
    """
    minimize = library("scipy.optimize").minimize_scalar
    listed = price.tolist()

    def fit() -> Any:
        return minimize(
            lambda alpha: smoothed(listed, float(alpha))[1],
            method="bounded",
            bounds=(0.01, 0.99),
            options={"xatol": 1e-8},
        )

    found = attempt(fit)
    if found is None or not found.success:
        return None
    level, sse = smoothed(listed, float(found.x))
    return (float(found.x), sse, level) if isfinite(sse) and isfinite(level) else None


@register(
    id=18,
    name="ExponentialSmoothing",
    category="statistical",
    cost="F",
    unit="USD",
    inputs=("trade",),
    library="scipy",
    extra="formulas",
    reference="Brown (1959), Statistical Forecasting for Inventory Control; Hyndman, Koehler, Ord, Snyder "
    "(2008), Forecasting with Exponential Smoothing (model A,N,N)",
)
class ExponentialSmoothing(FittedFormula):
    """Level of simple exponential smoothing with the alpha that forecast the last n prices best, USD.

    l <- l + alpha (p - l), from the first of n + 1 prices; alpha in [0.01, 0.99] has the least SSE of the
    one-step forecasts. After a fit the level is that of the window, then it is carried on. No fit to prices
    that are all equal.

    Forecast l - p_t with s = sqrt(SSE / (n - 1)): its sign where |l - p_t| >= z0 s, confidence
    2 Phi(|l - p_t| / s) - 1; nothing where s <= 1e-12 p_t.

    Outputs: alpha; sse, USD^2.

    References
    ----------
    Brown (1959), Statistical Forecasting for Inventory Control; Hyndman, Koehler, Ord, Snyder (2008),
    Forecasting with Exponential Smoothing (model A,N,N).
    """

    check_parameters = {"n": 60, "refit": 50}  # noqa: RUF012
    check_rows = 300
    n = Whole(200, "returns in the window", low=2)
    z0 = Real(0.1, "forecast in its sd at which a side is taken", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("alpha", "sse")

    @property
    def lookback(self) -> int:
        return self.n + 1

    def _look(self, s: Series) -> None:
        if self._model is not None:
            alpha, sse, level = self._model
            self._model = (alpha, sse, level + alpha * (float(s.last("price", 1)[0]) - level))
        super()._look(s)

    def _varies(self, s: Series) -> bool:
        price = s.last("price", self.n + 1)
        return bool(np.any(price != price[0]))

    def _fit(self, s: Series) -> tuple[float, float, float] | None:
        return fit_smoothing(s.last("price", self.n + 1))

    def _score(self, s: Series) -> None:
        alpha, sse, level = self._model
        price = float(s.last("price", 1)[0])
        side = forecast_signal(level - price, sqrt(sse / (self.n - 1)), self.z0, 1e-12 * price)
        self._report(level, *side, alpha=alpha, sse=sse)


def fit_quantile(x: Floats, y: Floats, tau: float) -> Floats | None:
    """Return constant and slopes of the linear tau-quantile of y given x, None where none is found.

    Parameters
    ----------
    x : ndarray of float64, shape (n, k)
    y : ndarray of float64, shape (n,)
    tau : float
        In (0, 1).

    References
    ----------
    Koenker and Bassett (1978), Econometrica 46.
    """
    regressor = library("sklearn.linear_model").QuantileRegressor

    def fit() -> Any:
        try:
            return regressor(quantile=tau, alpha=0, solver="highs").fit(x, y)
        except TypeError:  # a linear programme without a solution leaves None, of which the slopes are taken
            return None

    found = attempt(fit)
    if found is None:
        return None
    beta = np.array([found.intercept_, *found.coef_], np.float64)
    return beta if np.all(np.isfinite(beta)) else None


@register(
    id=24,
    name="QuantileRegression",
    category="statistical",
    cost="F",
    unit="log return",
    inputs=("trade",),
    library="sklearn",
    extra="formulas",
    reference="Koenker and Bassett (1978), Econometrica 46; Koenker and Xiao (2006), JASA 101",
)
class QuantileRegression(FittedFormula):
    """Median forecast of the next return, between two quantiles, all linear in the last return and its size.

    With y = r / s0, s0 the population sd of the window fitted to, q_tau = s0 x' b_tau, x = (1, y_t, |y_t|);
    b_tau minimises sum rho_tau(y_{i+1} - x_i' b) over the n - 1 pairs (`fit_quantile`). The three forecasts
    are sorted, so that none crosses another, and the middle one is the value.

    Its sign where that of q10 + q90 agrees. Confidence |q10 + q90| / (q90 - q10), at most 1, 0 where the two
    are equal.

    Outputs: q10, q50, q90, named so whatever the taus.

    References
    ----------
    Koenker and Bassett (1978), Econometrica 46; Koenker and Xiao (2006), JASA 101.
    """

    check_parameters = {"n": 60, "refit": 100}  # noqa: RUF012
    check_rows = 200
    n = Whole(300, "returns in the window", low=5)
    taus = Reals((0.1, 0.5, 0.9), "the three quantiles", low=0.0, high=1.0, least=3)

    def _prepare(self) -> None:
        super()._prepare()
        if len(self.taus) != 3:
            raise FormulaError(f"taus must be 3 numbers, were {self.taus}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("q10", "q50", "q90")

    def _fit(self, s: Series) -> tuple[float, list[list[float]]] | None:
        r = s.last("r", self.n)
        s0 = float(np.std(r))
        y = r / s0
        x = np.column_stack((y[:-1], np.abs(y[:-1])))
        found = [fit_quantile(x, y[1:], tau) for tau in self.taus]
        betas = [beta.tolist() for beta in found if beta is not None]
        return (s0, betas) if len(betas) == 3 else None

    def _score(self, s: Series) -> None:
        s0, betas = self._model
        y = float(s.last("r", 1)[0]) / s0
        low, middle, high = sorted(s0 * (b[0] + b[1] * y + b[2] * abs(y)) for b in betas)
        signal = sign(middle) if sign(low + high) == sign(middle) else 0
        confidence = clip01(abs(low + high) / (high - low)) if high > low else 0.0
        self._report(middle, signal, confidence, q10=low, q50=middle, q90=high)


REACH: Final = 20
"""Returns that the features of an observation take."""


class Stumps(NamedTuple):
    """Boosted stumps: a constant, and splits that add `left` up to a threshold of a feature, else `right`."""

    constant: float
    feature: NDArray[np.int64]
    threshold: Floats
    left: Floats
    right: Floats
    deviance: float

    def __call__(self, x: Floats) -> float:
        """Return the log-odds at features x, shape (k,), which are compared as float32."""
        at = x.astype(np.float32)[self.feature]
        return self.constant + float(np.sum(np.where(at <= self.threshold, self.left, self.right)))


def fit_stumps(x: Floats, up: NDArray[np.bool_], trees: int, rate: float, seed: int) -> Stumps | None:
    """Return stumps boosted to the logistic deviance of labels; a constant 0 where labels are all alike.

    Parameters
    ----------
    x : ndarray of float64, shape (n, k)
    up : ndarray of bool, shape (n,)
    trees : int
    rate : float
        By which a tree's step is shortened.
    seed : int
        Decides between features of equal use.

    References
    ----------
    Friedman (2001), Ann. Stat. 29.
    """
    if not len(up) or up.all() or not up.any():
        none = np.empty(0)
        return Stumps(0.0, np.empty(0, np.int64), none, none, none, 0.0)
    classifier = library("sklearn.ensemble").GradientBoostingClassifier
    model = classifier(n_estimators=trees, max_depth=1, learning_rate=rate, subsample=1.0, random_state=seed)
    found = attempt(lambda: model.fit(x, up.astype(np.int64)))
    if found is None:
        return None
    grown = [one.tree_ for one in found.estimators_[:, 0]]
    split = [tree.node_count == 3 for tree in grown]  # root, left, right; else the root alone
    share = float(np.mean(up))
    return Stumps(
        log(share / (1.0 - share)),
        np.array([tree.feature[0] if both else 0 for tree, both in zip(grown, split, strict=True)], np.int64),
        np.array([tree.threshold[0] if both else 0.0 for tree, both in zip(grown, split, strict=True)]),
        rate
        * np.array([tree.value[1 if both else 0].item() for tree, both in zip(grown, split, strict=True)]),
        rate
        * np.array([tree.value[2 if both else 0].item() for tree, both in zip(grown, split, strict=True)]),
        float(found.train_score_[-1]),
    )


def move_features(y: Floats) -> Floats:
    """Return the last five moves, newest first, and the sums of the last 5 over sqrt(5), of 20 over sqrt(20).

    Parameters
    ----------
    y : ndarray of float64, shape (n,)
        At least 20 moves.

    Returns
    -------
    ndarray of float64, shape (n - 19, 7)
        From the 20th move on.
    """
    lags = [y[REACH - 1 - k : len(y) - k] for k in range(5)]
    sums = [sliding_window_view(y, k).sum(axis=1) / sqrt(k) for k in (5, REACH)]
    return np.column_stack((*lags, sums[0][REACH - 5 :], sums[1]))


@register(
    id=28,
    name="GradientBoostingScore",
    category="statistical",
    cost="F",
    inputs=("trade",),
    library="sklearn",
    extra="formulas",
    reference="Friedman (2001), Ann. Stat. 29",
)
class GradientBoostingScore(FittedFormula):
    """Log-odds that the next return that is not 0 is up, by boosted stumps on the last moves, unit 1.

    The features (`move_features`) are of y = r / s0, s0 the population sd of the window fitted to; the stumps
    (`fit_stumps`) are of the pairs of features and next return within it, those of 0 left out. Where the
    labels are all alike the value is 0.

    The sign of the value where |value| >= entry. Confidence |2 / (1 + e^-value) - 1|.

    Outputs: prob_up 1 / (1 + e^-value); train_deviance, of the last tree.

    References
    ----------
    Friedman (2001), Ann. Stat. 29.
    """

    check_parameters = {"n": 60, "refit": 100, "trees": 10}  # noqa: RUF012
    check_rows = 200
    n = Whole(500, "returns in the window", low=REACH + 2)
    refit = Whole(100, "observations between fits")
    trees = Whole(50, "stumps", high=10_000)
    rate = Real(0.1, "by which a stump's step is shortened", low=0.0, open_low=True)
    entry = Real(0.1, "log-odds at which a side is taken", low=0.0)
    seed = Whole(0, "decides between features of equal use", low=0, high=2**32 - 1)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("prob_up", "train_deviance")

    def _fit(self, s: Series) -> tuple[Stumps, float] | None:
        r = s.last("r", self.n)
        s0 = float(np.std(r))
        following = r[REACH:]
        moved = following != 0.0
        x = move_features(r / s0)[:-1]
        stumps = fit_stumps(x[moved], following[moved] > 0.0, self.trees, self.rate, self.seed)
        return None if stumps is None else (stumps, s0)

    def _score(self, s: Series) -> None:
        stumps, s0 = self._model
        value = stumps(move_features(s.last("r", REACH) / s0)[0])
        up = 1.0 / (1.0 + exp(-value)) if value > -700.0 else 0.0
        signal = sign(value) if abs(value) >= self.entry else 0
        self._report(value, signal, clip01(abs(2.0 * up - 1.0)), prob_up=up, train_deviance=stumps.deviance)
