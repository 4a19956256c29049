"""The probability of informed trading, by maximum likelihood (114)."""

from collections import Counter, deque
from collections.abc import Sequence
from functools import partial
from itertools import product
from math import exp, inf, isfinite, log, nan
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.flow import pin_cost, trade_side
from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.forms import StepFormula
from livetrading.formulas.libraries import library, quietly
from livetrading.formulas.microstructure.impact import WINDOW_MAX
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

__all__ = ["InformedTraderProbability", "fit_pin", "pin_likelihood"]

Floats = NDArray[np.float64]
BOUNDS: Final = (*[(-30.0, 30.0)] * 2, *[(-30.0, 50.0)] * 3)
"""Of logit alpha, logit delta, ln mu, ln eb, ln es: beyond them likelihood is flat."""
OPTIONS: Final = {"ftol": 1e-12, "gtol": 1e-8, "maxiter": 200}


def _log_factorials(counts: Floats) -> Floats:
    special = library("scipy.special")
    logs: Floats = special.gammaln(counts + 1.0)
    return logs


def pin_likelihood(parameters: Sequence[float], buys: Floats, sells: Floats) -> float:
    """Log likelihood of the numbers of buys and sells under the model of informed trading.

    Parameters
    ----------
    parameters : sequence of float
        alpha, delta, mu, eb, es: the chances of news and of bad news, and trades per interval of the
        informed, of other buyers and of other sellers.
    buys, sells : ndarray of float64, shape (n,)
        Numbers of trades in each interval.

    References
    ----------
    Easley, Kiefer, O'Hara, Paperman (1996), J. Finance 51.
    """
    a, d, mu, eb, es = parameters
    quiet_b, quiet_s = buys * np.log(eb) - eb, sells * np.log(es) - es
    busy_b, busy_s = buys * np.log(mu + eb) - mu - eb, sells * np.log(mu + es) - mu - es
    quiet = np.log1p(-a) + quiet_b + quiet_s
    bad, good = np.log(a) + np.log(d) + quiet_b + busy_s, np.log(a) + np.log1p(-d) + busy_b + quiet_s
    rest = _log_factorials(buys) + _log_factorials(sells)
    return float(np.sum(np.logaddexp.reduce((quiet, bad, good), axis=0) - rest))


def _natural(theta: Floats) -> tuple[float, float, float, float, float]:
    a, d = 1.0 / (1.0 + np.exp(-theta[:2]))
    mu, eb, es = np.exp(theta[2:])
    return float(a), float(d), float(mu), float(eb), float(es)


def _starts(mean_b: float, mean_s: float) -> Floats:
    """The grid of Yan and Zhang: a, d, mu, eb, es by row, shape (K, 5), without the impossible ones."""
    found = []
    for a, d, g in product((0.1, 0.5, 0.9), repeat=3):
        eb = g * mean_b
        mu = (mean_b - eb) / (a * (1.0 - d))
        es = mean_s - a * d * mu
        if es > 0.0:
            found.append((a, d, mu, eb, es))
    return np.array(found).reshape(-1, 5)


def _coordinates(p: Floats) -> Floats:
    return np.concatenate((np.log(p[..., :2] / (1.0 - p[..., :2])), np.log(p[..., 2:])), axis=-1)


def _maximum(buys: Floats, sells: Floats, weights: Floats) -> tuple[float, float, float, float, float] | None:
    """The parameters of highest likelihood of intervals, of each of which there are so many."""
    starts = _starts(float(buys @ weights / weights.sum()), float(sells @ weights / weights.sum()))
    if not len(starts):
        return None
    minimize = library("scipy.optimize").minimize
    best, parameters = inf, None
    for start in _coordinates(starts):
        climb = partial(minimize, pin_cost, start, (buys, sells, weights), "L-BFGS-B")
        found = quietly(climb, jac=True, bounds=BOUNDS, options=OPTIONS)
        if found.fun < best:
            best, parameters = float(found.fun), _natural(found.x)
    return parameters


def fit_pin(buys: Floats, sells: Floats) -> tuple[tuple[float, float, float, float, float], float] | None:
    """Fit the model of informed trading by maximum likelihood.

    L-BFGS-B climbs from every start of a grid; the highest is taken.

    Parameters
    ----------
    buys, sells : ndarray of float64, shape (n,)
        Numbers of trades in each interval.

    Returns
    -------
    tuple of float, float, or None
        alpha, delta, mu, eb, es, and their log likelihood; None where there are no buys or no sells, or no
        start of the grid is possible.

    References
    ----------
    Easley, Kiefer, O'Hara, Paperman (1996), J. Finance 51; Yan, Zhang (2012), J. Banking and Finance 36 (the
    grid).
    """
    if not np.any(buys) or not np.any(sells):
        return None
    # likelihood does not know the order of intervals, and many are alike
    pairs = Counter(zip(buys.tolist(), sells.tolist(), strict=True))
    counts = np.array([(b, s, count) for (b, s), count in sorted(pairs.items())], np.float64)
    parameters = _maximum(*counts.T.copy())
    return None if parameters is None else (parameters, pin_likelihood(parameters, buys, sells))


@register(
    id=114,
    name="InformedTraderProbability",
    category="microstructure",
    kind="filter",
    inputs=("trade",),
    cost="F",
    low=0.0,
    high=1.0,
    reference="Easley, Kiefer, O'Hara, Paperman (1996), J. Finance 51; Yan, Zhang (2012), J. Banking and "
    "Finance 36",
    library="scipy",
    extra="formulas",
)
class InformedTraderProbability(StepFormula):
    """PIN: the share of trades that the informed make, alpha mu / (alpha mu + eb + es).

    In each interval of dt s news come with chance alpha, bad with chance delta; buys and sells are Poisson
    with means eb and es, and the informed add mu to the side that the news favour. Fitted by maximum
    likelihood on the last n complete intervals, counted from that of the first trade, when n are complete and
    every `refit` after; an interval without trades counts. Trades take the side of the last change of price
    where they have none. Where a window lacks buys or sells the fit before stands.

    L-BFGS-B climbs from each of the 27 starts of Yan and Zhang's grid. Where the likelihood is flat (no news
    to speak of) the value is one of many that are as likely.

    Blocks (-1) where the value is above `limit`, else passes. Confidence 1 - exp(-(LL - LL0) / n), LL0 the
    likelihood without informed traders.

    Outputs: gate; alpha, delta; mu, eb, es in trades per interval; loglik.

    References
    ----------
    Easley, Kiefer, O'Hara, Paperman (1996), J. Finance 51; Yan, Zhang (2012), J. Banking and Finance 36.
    """

    reads = ("price", "side")
    timed = True
    dt = Real(300.0, "length of an interval, s", low=1e-9, high=9e9)
    n = Whole(60, "intervals in the window", low=2, high=WINDOW_MAX)
    refit = Whole(10, "intervals between fits")
    limit = Real(0.3, "value above which it blocks", low=0.0, high=1.0)
    phase = Phase()

    check_parameters: ClassVar[dict[str, Any]] = {"dt": 20.0, "n": 25, "refit": 35}

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate", "alpha", "delta", "mu", "eb", "es", "loglik")

    def _prepare(self) -> None:
        self._length = max(1, round(self.dt * 1e9))
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _fixed(self) -> Sequence[str]:
        return ("_length", "_schedule")

    def _begin(self) -> None:
        self._price, self._tick = 0.0, 0
        self._interval: int | None = None
        self._count = [0.0, 0.0]
        self._complete = 0
        self._counts: deque[tuple[float, float]] = deque(maxlen=self.n)

    def _valid(self, x: Sequence[float]) -> bool:
        return isfinite(x[0]) and x[0] > 0.0

    def _observe(self, ts: int, x: Sequence[float]) -> None:
        price, side = x
        interval = ts // self._length
        if self._interval is not None and interval > self._interval:
            self._close(interval - self._interval)
        self._interval = interval
        sign, self._tick = trade_side(price, side, nan, self._price, self._tick)
        self._price = price
        if sign != 0:
            self._count[sign < 0] += 1.0

    def _close(self, intervals: int) -> None:
        """Complete the interval that runs, and the empty ones after it up to that of the trade."""
        # once the window holds nothing but empty intervals no fit changes anything
        each = min(intervals, self.n + 1)
        for _ in range(each):
            self._counts.append((self._count[0], self._count[1]))
            self._count = [0.0, 0.0]
            self._complete += 1
            if self._schedule.due(self._complete):
                self._estimate()
        self._complete += intervals - each

    def _estimate(self) -> None:
        buys, sells = np.array(self._counts).T
        fit = fit_pin(np.ascontiguousarray(buys), np.ascontiguousarray(sells))
        if fit is None:
            return
        (alpha, delta, mu, eb, es), loglik = fit
        pin = alpha * mu / (alpha * mu + eb + es)
        alone = self._alone(buys) + self._alone(sells)
        confidence = min(1.0, max(0.0, 1.0 - exp(-(loglik - alone) / self.n)))
        gate = 0.0 if pin > self.limit else 1.0
        self._report(
            pin,
            1 if gate else -1,
            confidence,
            gate=gate,
            alpha=alpha,
            delta=delta,
            mu=mu,
            eb=eb,
            es=es,
            loglik=loglik,
        )

    def _alone(self, counts: Floats) -> float:
        """Log likelihood of counts that are Poisson of one mean."""
        mean = float(np.mean(counts))
        return float(np.sum(counts * log(mean) - mean - _log_factorials(counts)))
