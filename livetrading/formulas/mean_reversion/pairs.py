"""Pairs and baskets: cointegration and hedge ratios (147 to 150)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.core.kernel import Kernel
from livetrading.core.reversion import HedgeRatio, KalmanHedge
from livetrading.formulas.base import Batch, Phase, Schedule, row_of
from livetrading.formulas.channels import Columns, Observation, field_of, prices_of, time_of
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import KernelFormula, SeriesFormula, StepFormula
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Choice, Real, Whole
from livetrading.formulas.registry import register

Floats = NDArray[np.float64]
COLUMNS_MAX = 5
ZERO = 1e-12


def hysteresis(q: int, u: float, entry: float, exit: float) -> int:
    """Return -1 from u >= entry until u <= exit, 1 mirrored, else 0; NaN leaves the side `q` as it was."""
    if (q < 0 and u <= exit) or (q > 0 and u >= -exit):
        side, q = q, 0
        if side < 0:
            return 1 if u <= -entry else 0
        return -1 if u >= entry else 0
    if q == 0:
        return -1 if u >= entry else 1 if u <= -entry else 0
    return q


def _flat(x: Floats, scale: Floats) -> bool:
    return float(np.std(x)) <= ZERO * float(np.max(np.abs(scale)))


@register(
    id=147,
    name="EngleGrangerCoint",
    category="mean_reversion",
    cost="F",
    inputs=("cross",),
    library="statsmodels",
    extra="formulas",
    reference="Engle, Granger (1987), Econometrica 55; MacKinnon (2010), Queen's Economics Department 1227",
)
class EngleGrangerCoint(SeriesFormula):
    """Residual of ln cross.0 on ln cross.1 in its own sd, traded while the two are cointegrated.

    e = y - alpha - beta x by least squares over the last n, fitted at the n-th observation that counts and
    then every `refit`; z = e_t / sd(e), alpha, beta and sd as of the last fit, which comes before the
    score. A window in which x or e has no variance (of e, against the largest |y|) leaves the former fit.
    Short the spread (sell column 0, buy beta of column 1) where z >= entry until z <= exit, long mirrored,
    while the Dickey-Fuller test of e with `lags` lags has p < p_max; else flat. Where x explains all but
    1.5e-6 of the variance of y, as two quotes of one thing do, the library does not test: t is -inf, p 0.
    Confidence 1 - p.

    Outputs: t_stat, p (MacKinnon), alpha, beta.

    References
    ----------
    Engle, Granger (1987), Econometrica 55. MacKinnon (2010), Queen's Economics Department 1227.
    """

    check_parameters = {"n": 60, "refit": 40}  # noqa: RUF012
    check_rows = 200

    reads = ("cross.0", "cross.1")
    n = Whole(300, "observations that are fitted", low=20, high=100_000)
    refit = Whole(50, "observations from one fit to the next")
    lags = Whole(1, "lagged differences in the test", low=0, high=100)
    p_max = Real(0.05, "p-value below which it trades", low=0.0, high=1.0)
    entry = Real(2.0, "score at which a position is taken", low=0.0, open_low=True)
    exit = Real(0.5, "score at which it is left")
    phase = Phase()

    def _prepare(self) -> None:
        _check_lags(self.n, self.lags)
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _fixed(self) -> Sequence[str]:
        return ("_schedule",)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("t_stat", "p", "alpha", "beta")

    @property
    def lookback(self) -> int:
        return self.n

    def _begin(self) -> None:
        self._fit: tuple[float, float, float, float, float] | None = None
        self._side = 0

    def _advance(self, s: Series) -> None:
        if self._schedule.due(s.count):
            self._refit(np.log(s.last("cross.0", self.n).copy()), np.log(s.last("cross.1", self.n).copy()))
        if self._fit is None:
            return
        t, p, alpha, beta, sd = self._fit
        y, x = np.log(float(s.last("cross.0", 1)[0])), np.log(float(s.last("cross.1", 1)[0]))
        z = (y - alpha - beta * x) / sd
        self._side = hysteresis(self._side, z, self.entry, self.exit) if p < self.p_max else 0
        self._report(z, self._side, 1.0 - p, t_stat=t, p=p, alpha=alpha, beta=beta)

    def _refit(self, y: Floats, x: Floats) -> None:
        if _flat(x, x):
            return
        my, mx = float(np.mean(y)), float(np.mean(x))
        u, v = y - my, x - mx
        beta = float(u @ v) / float(v @ v)
        e = u - beta * v
        if _flat(e, y):
            return
        coint = library("statsmodels.tsa.stattools").coint
        found = attempt(lambda: coint(y, x, trend="c", maxlag=self.lags, autolag=None)[:2])
        if found is None or np.any(np.isnan(found)):
            return
        t, p = found
        self._fit = float(t), float(min(max(p, 0.0), 1.0)), my - beta * mx, beta, float(np.std(e))


def _check_lags(n: int, lags: int) -> None:
    if 3 * lags + 10 > n:
        raise FormulaError(f"lags must be at most a third of n - 10 ({(n - 10) // 3}), was {lags}")


def width_of(names: Sequence[str] | Observation) -> int:
    """Return how many columns cross.0, cross.1, ... are named without a gap, at most 5."""
    return next((k for k in range(COLUMNS_MAX) if f"cross.{k}" not in names), COLUMNS_MAX)


@register(
    id=148,
    name="JohansenCoint",
    category="mean_reversion",
    cost="F",
    inputs=("cross",),
    library="statsmodels",
    extra="formulas",
    reference="Johansen (1991), Econometrica 59",
)
class JohansenCoint(StepFormula):
    """Score of the first cointegrating combination of up to five log prices.

    w = v'[ln cross.0, ..., ln cross.K-1], v the eigenvector of the largest eigenvalue of Johansen's test
    with a constant and `lags` lagged differences, its first weight 1; z = (w - mean)/sd, all three of the
    last fit, which is at the n-th observation that counts and then every `refit`, before the score. K is
    the number of columns that the first observation with any names without a gap. Singular moments
    (condition above 1e12) leave the former fit. Short v where z >= entry until z <= exit, long mirrored,
    while the trace statistic of rank 0 is above its 95% value; else flat. Where |v_0| < 1e-10 v is left as
    it is and nothing is traded. Confidence trace / (2 x 95% value), at most 1.

    Outputs: trace_0; rank, trace statistics above 95% up to the first that is not; eig_0; v_1, ..., v_K-1.

    References
    ----------
    Johansen (1991), Econometrica 59.
    """

    check_parameters = {"n": 60, "refit": 40}  # noqa: RUF012
    check_rows = 200

    reads = tuple(f"cross.{k}" for k in range(COLUMNS_MAX))
    needs = ("cross.0", "cross.1")
    n = Whole(300, "observations that are fitted", low=20, high=100_000)
    refit = Whole(50, "observations from one fit to the next")
    lags = Whole(1, "lagged differences in the test", low=0, high=20)
    entry = Real(2.0, "score at which a position is taken", low=0.0, open_low=True)
    exit = Real(0.5, "score at which it is left")
    phase = Phase()

    def _prepare(self) -> None:
        _check_lags(self.n, 2 * self.lags)
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _fixed(self) -> Sequence[str]:
        return ("_schedule",)

    @property
    def gives(self) -> tuple[str, ...]:
        width: int = vars(self).get("_width", 0)
        return ("trace_0", "rank", "eig_0", *(f"v_{k}" for k in range(1, width)))

    def _begin(self) -> None:
        self._width = 0
        self._count = 0
        self._side = 0
        self._window: list[list[float]] = []
        self._fit: dict[str, Any] | None = None

    def update(self, observation: Observation | None = None, /, **fields: Any) -> None:
        row = dict(fields if observation is None else row_of(observation, fields))
        for k, price in enumerate(prices_of(row)):
            row.setdefault(f"cross.{k}", price)
        for name in self.reads:
            field_of(row, name)
        time_of(row)
        self._widen(width_of(row))
        super().update(row)

    def _run(self, ts: NDArray[np.int64], columns: Columns, rows: int) -> Batch:
        if rows:
            self._widen(width_of(columns))
        return super()._run(ts, columns, rows)

    def _widen(self, width: int) -> None:
        if self._width == 0 and width >= 2:
            self._width = width

    def _observe(self, ts: int, x: Sequence[float]) -> None:
        row = list(x[: self._width])
        if not row or not all(0.0 < price < np.inf for price in row):
            return
        self._window.append([np.log(price) for price in row])
        if len(self._window) > self.n:
            del self._window[0]
        self._count += 1
        if self._schedule.due(self._count):
            self._refit(np.array(self._window))
        if self._fit is not None:
            self._say(self._fit)

    def _say(self, fit: dict[str, Any]) -> None:
        z = (float(np.dot(fit["v"], self._window[-1])) - fit["mean"]) / fit["sd"]
        traded = fit["outputs"]["trace_0"] > fit["crit"] and fit["traded"]
        self._side = hysteresis(self._side, z, self.entry, self.exit) if traded else 0
        share = min(max(fit["outputs"]["trace_0"] / (2.0 * fit["crit"]), 0.0), 1.0)
        self._report(z, self._side, share, **fit["outputs"])

    def _refit(self, y: Floats) -> None:
        if any(_flat(column, column) for column in y.T):
            return
        centred = y - y.mean(axis=0)
        moves = np.diff(y, axis=0)
        for part in (centred, moves - moves.mean(axis=0)):
            if not np.linalg.cond(part.T @ part) <= 1.0 / ZERO:
                return
        johansen = library("statsmodels.tsa.vector_ar.vecm").coint_johansen
        test = attempt(lambda: johansen(y, 0, self.lags))
        if test is None:
            return
        trace, crit = np.real(test.lr1), test.cvt[:, 1]
        v = np.real(test.evec[:, 0])
        if not (np.all(np.isfinite(v)) and np.all(np.isfinite(trace))):
            return
        traded = bool(abs(v[0]) >= 1e-10)
        self._keep(y, v / v[0] if traded else v, np.real(test.eig)[0], trace, crit, traded)

    def _keep(self, y: Floats, v: Floats, eig: float, trace: Floats, crit: Floats, traded: bool) -> None:
        w = y @ v
        sd = float(np.std(w))
        if sd <= ZERO * float(np.max(np.abs(w))):
            return
        above = trace > crit
        rank = len(above) if above.all() else int(np.argmin(above))
        outputs = {"trace_0": float(trace[0]), "rank": float(rank), "eig_0": float(eig)}
        outputs |= {f"v_{k}": float(v[k]) for k in range(1, len(v))}
        self._fit = {
            "v": v,
            "mean": float(np.mean(w)),
            "sd": sd,
            "crit": float(crit[0]),
            "traded": traded,
            "outputs": outputs,
        }


@register(
    id=149,
    name="HedgeRatioEstimator",
    category="mean_reversion",
    kind="estimator",
    inputs=("cross",),
    reference="Pearson (1901), Philosophical Magazine 2; Teetor (2011), Better Hedge Ratios for Spread "
    "Trading",
)
class HedgeRatioEstimator(KernelFormula):
    """Slope of ln cross.0 on ln cross.1 over the last n, by total or ordinary least squares.

    With centred sums S: (S_yy - S_xx + sqrt((S_yy - S_xx)^2 + 4 S_xy^2)) / (2 S_xy), or S_xy / S_xx. The
    slopes stay where S_xy is 0 or a column has no variance (NaN where there was none). Against z, the last
    y - slope x less its mean over its sd in the window, where |z| > entry; z is 0 where that sd is <=
    1e-12. Confidence the squared correlation.

    Outputs: ols; inverse_ols = S_yy / S_xy; z.

    References
    ----------
    Pearson (1901), Philosophical Magazine 2. Teetor (2011), Better Hedge Ratios for Spread Trading.
    """

    check_parameters = {"n": 80}  # noqa: RUF012
    reads = ("cross.0", "cross.1")
    n = Whole(300, "observations in the window", low=3)
    method = Choice("tls", "total or ordinary least squares", among=("tls", "ols"))
    entry = Real(2.0, "score of the spread beyond which it signals", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("ols", "inverse_ols", "z")

    @property
    def warm_up(self) -> int:
        return self.n

    def _make(self) -> Kernel:
        return HedgeRatio(self.n, self.method == "tls", self.entry)


@register(
    id=150,
    name="KalmanHedgeRatio",
    category="mean_reversion",
    inputs=("cross",),
    reference="Kalman (1960), J. Basic Engineering 82; Chan (2013), Algorithmic Trading, ch. 3",
)
class KalmanHedgeRatio(KernelFormula):
    """Slope of ln cross.0 on ln cross.1 that walks at random, filtered.

    The state (slope, constant) moves by delta/(1 - delta) I an observation and is seen as y = slope x +
    constant + noise of variance R; it starts at 0 with covariance P0 I. Short the spread where the innovation
    over its sd is >= entry until it is <= exit, long mirrored. Confidence 1 - sd(slope)/|slope|, at least 0.

    Outputs: alpha, the constant; nu, the innovation, and S, its variance, before the update; z = nu/sqrt(S).

    References
    ----------
    Kalman (1960), J. Basic Engineering 82; Chan (2013), Algorithmic Trading, ch. 3.
    """

    reads = ("cross.0", "cross.1")
    delta = Real(1e-4, "how fast the state walks", low=0.0, high=1.0, open_low=True, open_high=True)
    R = Real(1e-6, "variance of the noise", low=0.0, open_low=True)
    P0 = Real(1.0, "variance of the state at the start", low=0.0, open_low=True)
    entry = Real(1.0, "innovation in sd at which a position is taken", low=0.0, open_low=True)
    exit = Real(0.0, "innovation in sd at which it is left")
    warm = Whole(50, "observations before it is ready")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("alpha", "nu", "S", "z")

    @property
    def warm_up(self) -> int:
        return self.warm

    def _make(self) -> Kernel:
        return KalmanHedge(self.delta, self.R, self.P0, self.entry, self.exit, self.warm)
