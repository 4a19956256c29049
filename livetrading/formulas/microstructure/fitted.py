"""Models of trades that are fitted now and then: impact by regression, the propagator, PIN (106, 108, 114)."""

from collections import Counter, deque
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from itertools import product
from math import exp, inf, isfinite, log, log1p, nan, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.flow import trade_side
from livetrading.formulas.base import Phase, Schedule, StepFormula
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.microstructure.impact import WINDOW_MAX
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

__all__ = [
    "InformedTraderProbability",
    "PermanentImpact",
    "PropagatorModel",
    "fit_pin",
    "pin_likelihood",
    "propagator",
    "sign_response",
]

Floats = NDArray[np.float64]
SINGULAR: Final = 1e12
"""Condition number above which a system counts as singular."""
LOW: Final = np.array((-30.0, -30.0, -30.0, -30.0, -30.0))
HIGH: Final = np.array((30.0, 30.0, 50.0, 50.0, 50.0))
BOUNDS: Final = tuple(zip(LOW.tolist(), HIGH.tolist(), strict=True))
"""Of logit alpha, logit delta, ln mu, ln eb, ln es: beyond them likelihood is flat."""
OPTIONS: Final = {"ftol": 1e-12, "gtol": 1e-8, "maxiter": 1000}
DESCENT: Final = 80
"""Most steps from the starts before the best are finished."""
NEAR: Final = 0.5
"""How far above the best a start may have come and still be finished."""


def _move(before: float, after: float) -> float:
    """Log return, bps, accurate also where it is small."""
    change = (after - before) / before
    return 1e4 * (log1p(change) if abs(change) < 0.5 else log(after) - log(before))


def _sd(x: Floats) -> float:
    """Population standard deviation, 0 where it is rounding."""
    sd = float(np.std(x))
    return sd if sd > 1e-12 * float(np.max(np.abs(x))) else 0.0


class _Tape(StepFormula):
    """Trades with their sides and the mids of the quotes before them, in pairs of (side, move of the mid).

    The pair of a trade is known with the next one.
    """

    reads = ("price", "side", "bid", "ask")
    _memory: int

    def _begin(self) -> None:
        self._bid, self._ask = 0.0, 0.0
        self._price, self._tick = 0.0, 0
        self._mid, self._side = nan, 0
        self._pairs = 0
        self._sides: deque[float] = deque(maxlen=self._memory)
        self._moves: deque[float] = deque(maxlen=self._memory)

    def _observe(self, ts: int, x: Sequence[float]) -> None:
        price, side, bid, ask = x
        if isfinite(bid) and isfinite(ask) and 0.0 < bid < ask:
            self._bid, self._ask = bid, ask
        if not (isfinite(price) and price > 0.0) or self._bid == 0.0:
            return
        before, mid = self._mid, 0.5 * self._bid + 0.5 * self._ask
        if before == before:
            self._sides.append(float(self._side))
            self._moves.append(_move(before, mid))
            self._pairs += 1
        self._side, self._tick = trade_side(price, side, mid, self._price, self._tick)
        self._price, self._mid = price, mid
        self._trade(before == before)

    def _trade(self, paired: bool) -> None:
        """Take a trade, which has completed a pair or is the first."""
        raise NotImplementedError


def _lags(column: Floats, first: int, last: int) -> list[Floats]:
    """The column `first` to `last` steps back, for the rows from `last` on or, if that is later, all lags."""
    rows = len(column)
    return [column[last - lag : rows - lag] for lag in range(first, last + 1)]


def sign_response(x: Floats, r: Floats, p: int, horizon: int) -> tuple[Floats, float]:
    """Respond to a surprise of one trade sign, by Hasbrouck's vector autoregression.

    r_t = c1 + sum a_i r_(t-i) + sum_(i>=0) b_i x_(t-i) + u1 and x_t = c2 + sum c_i r_(t-i) + sum d_i x_(t-i)
    + u2, p lags each, by least squares of minimum norm.

    Parameters
    ----------
    x, r : ndarray of float64, shape (n,)
        Signs of trades, and the moves of the mid that follow them.
    p : int
        Lags, below n.
    horizon : int
        Steps after the surprise u2 = 1.

    Returns
    -------
    response : ndarray of float64, shape (horizon + 1,)
        Of r, in its unit.
    immediate : float
        b_0.

    Raises
    ------
    numpy.linalg.LinAlgError
        If least squares do not converge.

    References
    ----------
    Hasbrouck (1991), J. Finance 46.
    """
    one, own, other = np.ones(len(x) - p), _lags(r, 1, p), _lags(x, 1, p)
    moves = np.linalg.lstsq(np.column_stack([one, *own, x[p:], *other]), r[p:], rcond=None)[0]
    signs = np.linalg.lstsq(np.column_stack([one, *own, *other]), x[p:], rcond=None)[0]
    a, b = moves[1 : p + 1], moves[p + 1 :]
    c, d = signs[1 : p + 1], signs[p + 1 :]
    past_r, past_x = np.zeros(p), np.zeros(p)  # newest first
    response = np.empty(horizon + 1)
    for k in range(horizon + 1):
        x_k = 1.0 if k == 0 else float(c @ past_r + d @ past_x)
        response[k] = a @ past_r + b[0] * x_k + b[1:] @ past_x
        past_r, past_x = np.append(response[k], past_r[:-1]), np.append(x_k, past_x[:-1])
    return response, float(b[0])


@register(
    id=106,
    name="PermanentImpact",
    category="microstructure",
    kind="estimator",
    inputs=("trade", "quote"),
    cost="F",
    unit="bps",
    reference="Hasbrouck (1991), J. Finance 46",
)
class PermanentImpact(_Tape):
    """How far a trade whose side was no surprise to come moves the mid for good, bps.

    Hasbrouck's vector autoregression of p lags in the side x_t of trades and the log return R_t of the mid
    from one trade to the next, the side acting at once; the value is the sum over H trades of the response of
    R to a surprise of 1 in x. Fitted on the last n pairs when n are known and every `refit` after.

    The side of the last trade where the value is above 2 sd(R) / sqrt(n); confidence the value over the sum of
    the responses' sizes, within [0, 1]. Both stand on the fit, the side apart.

    Outputs: immediate, b_0; transient, immediate less the value; bps.

    References
    ----------
    Hasbrouck (1991), J. Finance 46.
    """

    p = Whole(5, "lags", high=1000)
    n = Whole(500, "pairs in the window", low=2, high=WINDOW_MAX)
    refit = Whole(100, "pairs between fits")
    H = Whole(50, "trades that the response is followed for", low=0, high=1_000_000)
    phase = Phase()

    check_parameters = {"p": 2, "n": 100, "refit": 150, "H": 10}

    @property
    def gives(self) -> tuple[str, ...]:
        return ("immediate", "transient")

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _prepare(self) -> None:
        if self.p >= self.n:
            raise FormulaError(f"p must be below n, was {self.p} with n {self.n}")
        self._memory = self.n
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _fixed(self) -> Sequence[str]:
        return ("_memory", "_schedule")

    def _begin(self) -> None:
        super()._begin()
        self._fit: tuple[float, float, float, bool] | None = None

    def _trade(self, paired: bool) -> None:
        if paired and self._schedule.due(self._pairs):
            self._estimate()
        if self._fit is not None:
            value, immediate, confidence, moves = self._fit
            signal = self._side if moves else 0
            self._report(value, signal, confidence, immediate=immediate, transient=immediate - value)

    def _estimate(self) -> None:
        x, r = np.array(self._sides), np.array(self._moves)
        try:
            with np.errstate(all="ignore"):
                response, immediate = sign_response(x, r, self.p, self.H)
        except np.linalg.LinAlgError:
            return
        value, size = float(np.sum(response)), float(np.sum(np.abs(response)))
        if not isfinite(size):
            return
        confidence = min(1.0, max(0.0, value / size)) if size > 0.0 else 0.0
        self._fit = value, immediate, confidence, value > 2.0 * _sd(r) / sqrt(self.n)


def propagator(e: Floats, r: Floats, lags: int) -> Floats | None:
    """Solve for the move that a trade's sign brings, lag by lag.

    sum_k C(|l - k|) g(k) = S(l) for l = 0 to `lags`, with the uncentred C(l) = (1/n) sum e_(t+l) e_t and
    S(l) = (1/n) sum r_(t+l) e_t over the t of which both ends are among the n.

    Parameters
    ----------
    e, r : ndarray of float64, shape (n,)
        Signs of trades, and the moves that follow them; n above `lags`.
    lags : int

    Returns
    -------
    ndarray of float64, shape (lags + 1,), or None
        g; None where the system is singular.

    References
    ----------
    Bouchaud, Gefen, Potters, Wyart (2004), Quant. Finance 4; Eisler, Bouchaud, Kockelkoren (2012), Quant.
    Finance 12.
    """
    linalg = import_module("scipy.linalg")
    n = len(e)
    c = np.array([e[lag:] @ e[: n - lag] for lag in range(lags + 1)]) / n
    s = np.array([r[lag:] @ e[: n - lag] for lag in range(lags + 1)]) / n
    if not c[0] > 0.0 or not np.linalg.cond(linalg.toeplitz(c)) <= SINGULAR:
        return None
    try:
        g: Floats = linalg.solve_toeplitz(c, s)
    except np.linalg.LinAlgError:
        return None
    return g if np.all(np.isfinite(g)) else None


def _decay(kernel: Floats) -> float:
    """Minus the slope of ln G(l) on ln(l + 1), l from 1; NaN where it is not defined."""
    if len(kernel) < 3 or not np.all(kernel[1:] > 0.0):
        return nan
    x, y = np.log(np.arange(2.0, len(kernel) + 1.0)), np.log(kernel[1:])
    x = x - np.mean(x)
    return -float(x @ y) / float(x @ x)


@register(
    id=108,
    name="PropagatorModel",
    category="microstructure",
    kind="estimator",
    inputs=("trade", "quote"),
    cost="F",
    unit="bps",
    reference="Bouchaud, Gefen, Potters, Wyart (2004), Quant. Finance 4; Eisler, Bouchaud, Kockelkoren (2012)",
    library="scipy",
    extra="formulas",
)
class PropagatorModel(_Tape):
    """The propagator G(L): how far a trade has moved the mid L trades later, bps.

    With the side e_t of a trade and the log return R_t of the mid to the next trade, g(l) = G(l) - G(l - 1)
    solves sum_k C(|l - k|) g(k) = S(l), l = 0 to L, where C is the autocorrelation of sides and S(l) the mean
    of R_(t+l) e_t. Fitted on the last n pairs when n are known and every `refit` after; where the system is
    singular the fit before stands.

    The sign of the forecast sum_l g(l + 1) e_(t-l) of the next move where it is above sd(R) / 10 in size;
    confidence its size over sd(R), at most 1.

    Outputs: G_0 and G_peak, the kernel at 0 and its largest value, bps; forecast, bps; decay, by which power
    of l + 1 the kernel falls (NaN where it is not above 0 throughout).

    References
    ----------
    Bouchaud, Gefen, Potters, Wyart (2004), Quant. Finance 4; Eisler, Bouchaud, Kockelkoren (2012), Quant.
    Finance 12.
    """

    L = Whole(20, "lags", high=1000)
    n = Whole(2000, "pairs in the window", low=2, high=WINDOW_MAX)
    refit = Whole(200, "pairs between fits")
    phase = Phase()

    check_parameters = {"L": 5, "n": 200, "refit": 150}

    @property
    def gives(self) -> tuple[str, ...]:
        return ("G_0", "G_peak", "forecast", "decay")

    def _prepare(self) -> None:
        if self.L >= self.n:
            raise FormulaError(f"L must be below n, was {self.L} with n {self.n}")
        self._memory = self.n
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _fixed(self) -> Sequence[str]:
        return ("_memory", "_schedule")

    def _begin(self) -> None:
        super()._begin()
        self._recent: deque[float] = deque(maxlen=self.L)  # newest first
        self._kernel: Floats | None = None
        self._steps: list[float] = []
        self._spread = 0.0
        self._fading = nan

    def _trade(self, paired: bool) -> None:
        self._recent.appendleft(float(self._side))
        if paired and self._schedule.due(self._pairs):
            self._estimate()
        if self._kernel is None:
            return
        forecast = sum(g * e for g, e in zip(self._steps[1:], self._recent, strict=True))
        size, kernel = abs(forecast), self._kernel
        signal = (forecast > 0.0) - (forecast < 0.0) if size > self._spread / 10.0 else 0
        confidence = min(1.0, size / self._spread) if self._spread > 0.0 else 0.0
        self._report(
            float(kernel[-1]),
            signal,
            confidence,
            G_0=float(kernel[0]),
            G_peak=float(np.max(kernel)),
            forecast=forecast,
            decay=self._fading,
        )

    def _estimate(self) -> None:
        moves = np.array(self._moves)
        g = propagator(np.array(self._sides), moves, self.L)
        if g is None:
            return
        self._kernel, self._steps = np.cumsum(g), g.tolist()
        self._spread, self._fading = _sd(moves), _decay(self._kernel)


def _log_factorials(counts: Floats) -> Floats:
    special = import_module("scipy.special")
    logs: Floats = special.gammaln(counts + 1.0)
    return logs


def _state_terms(parameters: Any, buys: Floats, sells: Floats) -> Floats:
    """Log likelihoods of intervals without news, with bad and with good news, but for the factorials.

    Every parameter may be an array of shape (K, 1), for shape (3, K, n).
    """
    a, d, mu, eb, es = parameters
    quiet_b, quiet_s = buys * np.log(eb) - eb, sells * np.log(es) - es
    busy_b, busy_s = buys * np.log(mu + eb) - mu - eb, sells * np.log(mu + es) - mu - es
    return np.stack(
        (
            np.log1p(-a) + quiet_b + quiet_s,
            np.log(a) + np.log(d) + quiet_b + busy_s,
            np.log(a) + np.log1p(-d) + busy_b + quiet_s,
        )
    )


def pin_likelihood(parameters: Sequence[float], buys: Floats, sells: Floats) -> float:
    """Log likelihood of the numbers of buys and sells under the model of informed trading.

    Parameters
    ----------
    parameters : sequence of float
        alpha, delta, mu, eb, es: the chances of news and of bad news, and trades per interval of the informed,
        of other buyers and of other sellers.
    buys, sells : ndarray of float64, shape (n,)
        Numbers of trades in each interval.

    References
    ----------
    Easley, Kiefer, O'Hara, Paperman (1996), J. Finance 51.
    """
    terms = _state_terms(parameters, buys, sells)
    rest = _log_factorials(buys) + _log_factorials(sells)
    return float(np.sum(np.logaddexp.reduce(terms, axis=0) - rest))


def _natural(theta: Floats) -> tuple[float, float, float, float, float]:
    a, d = 1.0 / (1.0 + np.exp(-theta[:2]))
    mu, eb, es = np.exp(theta[2:])
    return float(a), float(d), float(mu), float(eb), float(es)


def _descents(theta: Floats, buys: Floats, sells: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Minus the log likelihoods, but for the factorials, and their gradients.

    The rows of theta, shape (K, 5), are logit a, logit d, ln mu, ln eb, ln es.
    """
    chances, means = 1.0 / (1.0 + np.exp(-theta.T[:2, :, None])), np.exp(theta.T[2:, :, None])
    (a, d), (mu, eb, es) = chances, means
    terms = _state_terms((a, d, mu, eb, es), buys, sells)
    total = np.logaddexp.reduce(terms, axis=0)
    quiet, bad, good = np.exp(terms - total) * weights
    busy_b, busy_s = good * (buys / (mu + eb) - 1.0), bad * (sells / (mu + es) - 1.0)
    slopes = (
        bad + good - a * weights,
        bad * (1.0 - d) - good * d,
        mu * (busy_b + busy_s),
        (quiet + bad) * (buys - eb) + eb * busy_b,
        (quiet + good) * (sells - es) + es * busy_s,
    )
    return -(total @ weights), -np.sum(slopes, axis=-1).T


def _descent(theta: Floats, buys: Floats, sells: Floats, weights: Floats) -> tuple[float, Floats]:
    """`_descents` of one row."""
    f, g = _descents(theta[None], buys, sells, weights)
    return float(f[0]), g[0]


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


def _descend(theta: Floats, buys: Floats, sells: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Go down from every row of theta at once, by BFGS steps that are cut until they go down enough."""
    f, g = _descents(theta, buys, sells, weights)
    h = np.eye(5) / np.maximum(np.linalg.norm(g, axis=1), 1e-300)[:, None, None]
    for _ in range(DESCENT):
        step = -np.einsum("kij,kj->ki", h, g)
        step *= np.minimum(1.0, 3.0 / np.maximum(np.max(np.abs(step), axis=1), 1e-300))[:, None]
        slope, length = np.sum(step * g, axis=1), np.ones(len(f))
        for _ in range(10):
            there = np.clip(theta + length[:, None] * step, LOW, HIGH)
            f_there, g_there = _descents(there, buys, sells, weights)
            down = f_there <= f + 1e-4 * length * slope
            if down.all():
                break
            length[~down] *= 0.3
        s = np.where(down[:, None], there - theta, 0.0)
        y = np.where(down[:, None], g_there - g, 0.0)
        sy = np.sum(s * y, axis=1)
        curved = sy > 1e-12 * np.linalg.norm(s, axis=1) * np.linalg.norm(y, axis=1)
        rho = np.where(curved, 1.0 / np.where(curved, sy, 1.0), 0.0)[:, None, None]
        turn = np.eye(5) - rho * s[:, :, None] * y[:, None, :]
        h = turn @ h @ turn.transpose(0, 2, 1) + rho * s[:, :, None] * s[:, None, :]
        gained = np.max(np.where(down, f - f_there, 0.0))
        theta = theta + s
        f, g = np.where(down, f_there, f), np.where(down[:, None], g_there, g)
        if gained < 1e-6:
            break
    return theta, f


def _coordinates(p: Floats) -> Floats:
    return np.concatenate((np.log(p[..., :2] / (1.0 - p[..., :2])), np.log(p[..., 2:])), axis=-1)


@lru_cache(maxsize=256)
def _maximum(counts: tuple[tuple[float, float, int], ...]) -> tuple[float, float, float, float, float] | None:
    """The parameters of highest likelihood of (buys, sells, how often)."""
    buys, sells, weights = np.array(counts, np.float64).T.copy()
    starts = _starts(float(buys @ weights / weights.sum()), float(sells @ weights / weights.sum()))
    if not len(starts):
        return None
    minimize = import_module("scipy.optimize").minimize
    best, parameters = inf, None
    seen: list[Floats] = []
    with np.errstate(all="ignore"):
        reached, heights = _descend(_coordinates(starts), buys, sells, weights)
        for k in np.argsort(heights, kind="stable"):
            start = reached[k]
            if heights[k] > best + NEAR or any(np.max(np.abs(start - other)) < 0.05 for other in seen):
                continue
            seen.append(start)
            found = minimize(
                _descent, start, (buys, sells, weights), "L-BFGS-B", jac=True, bounds=BOUNDS, options=OPTIONS
            )
            if found.fun < best:
                best, parameters = float(found.fun), _natural(found.x)
    return parameters


def fit_pin(buys: Floats, sells: Floats) -> tuple[tuple[float, float, float, float, float], float] | None:
    """Fit the model of informed trading by maximum likelihood.

    The starts of a grid go up side by side; where they have come to, L-BFGS-B goes on to the maximum.

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
    parameters = _maximum(tuple((b, s, count) for (b, s), count in sorted(pairs.items())))
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
    reference="Easley, Kiefer, O'Hara, Paperman (1996), J. Finance 51; Yan, Zhang (2012), J. Banking and Finance 36",
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

    Blocks (-1) where the value is above `limit`, else passes. Confidence 1 - exp(-(LL - LL0) / n), LL0 the
    likelihood without informed traders.

    Outputs: gate; alpha, delta; mu, eb, es in trades per interval; loglik.

    References
    ----------
    Easley, Kiefer, O'Hara, Paperman (1996), J. Finance 51; Yan, Zhang (2012), J. Banking and Finance 36.
    """

    reads = ("price", "side")
    dt = Real(300.0, "length of an interval, s", low=1e-9, high=9e9)
    n = Whole(60, "intervals in the window", low=2, high=WINDOW_MAX)
    refit = Whole(10, "intervals between fits")
    limit = Real(0.3, "value above which it blocks", low=0.0, high=1.0)
    phase = Phase()

    check_parameters = {"dt": 20.0, "n": 25, "refit": 35}

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

    def _observe(self, ts: int, x: Sequence[float]) -> None:
        price, side = x
        if not (isfinite(price) and price > 0.0):
            return
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
