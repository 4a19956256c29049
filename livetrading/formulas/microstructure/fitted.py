"""Models of trades that are fitted now and then: permanent impact, the propagator (106, 108)."""

from collections import deque
from collections.abc import Sequence
from math import isfinite, log, log1p, nan, sqrt
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.flow import trade_side
from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import StepFormula
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.microstructure.impact import WINDOW_MAX
from livetrading.formulas.parameters import Whole
from livetrading.formulas.registry import register

__all__ = ["PermanentImpact", "PropagatorModel", "propagator", "sign_response"]

Floats = NDArray[np.float64]
SINGULAR: Final = 1e12
"""Condition number above which a system counts as singular."""


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

    The side of the last trade where the value is above 2 sd(R) / sqrt(n); confidence the value over the sum
    of the responses' sizes, within [0, 1]. Both stand on the fit, the side apart.

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

    check_parameters: ClassVar[dict[str, Any]] = {"p": 2, "n": 100, "refit": 150, "H": 10}

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
        found = attempt(lambda: sign_response(x, r, self.p, self.H))
        if found is None:
            return
        response, immediate = found
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
    linalg = library("scipy.linalg")
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
    reference="Bouchaud, Gefen, Potters, Wyart (2004), Quant. Finance 4; Eisler, Bouchaud, "
    "Kockelkoren (2012), Quant. Finance 12",
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

    check_parameters: ClassVar[dict[str, Any]] = {"L": 5, "n": 200, "refit": 150}

    @property
    def gives(self) -> tuple[str, ...]:
        return ("G_0", "G_peak", "forecast", "decay")

    def _prepare(self) -> None:
        if self.n <= self.L:
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
