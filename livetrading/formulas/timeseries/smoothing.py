"""Filters of constant work: the drift, the unscented volatility filter, exponential smoothing (41, 43-46)."""

from math import ceil

from livetrading.core.filters import Brown, Decaying, Drift, LogVariance
from livetrading.core.kernel import Kernel
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register


@register(
    id=41,
    name="KalmanFilter",
    category="timeseries",
    inputs=("trade",),
    unit="log return",
    reference="Kalman (1960), J. Basic Engineering 82; Harvey (1989), Forecasting, Structural Time Series "
    "Models and the Kalman Filter",
)
class KalmanFilter(KernelFormula):
    """Drift of the returns, filtered: a level that walks at random under noise, Var eta / Var eps = q.

    In units of Var eps: P^- = P + q, K = P^- / (P^- + 1), a += K (r - a), P = P^- (1 - K), from a = r_1 and
    P = 1. Var eps is concentrated out: sigma2 = sum of nu^2 / F over m - 1. With z = a / sqrt(sigma2 P), the
    sign of z where |z| >= entry; confidence 2 Phi(|z|) - 1. Outputs: P, K, sigma2, z.

    References
    ----------
    Kalman (1960), J. Basic Engineering 82; Harvey (1989), Forecasting, Structural Time Series Models and the
    Kalman Filter.
    """

    q = Real(0.001, "variance of the level's step over that of the noise", low=1e-12, high=1e12)
    min_obs = Whole(50, "returns before it is ready", low=2)
    entry = Real(1.0, "score at which the drift counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("P", "K", "sigma2", "z")

    @property
    def warm_up(self) -> int:
        return self.min_obs + 1

    def _make(self) -> Kernel:
        return Drift(self.q, self.min_obs, self.entry)


@register(
    id=43,
    name="UnscentedKalman",
    category="timeseries",
    kind="estimator",
    inputs=("trade",),
    unit="log return",
    low=0.0,
    reference="Julier and Uhlmann (1997), SPIE 3068; Wan and van der Merwe (2000), AS-SPCC",
)
class UnscentedKalman(KernelFormula):
    """Volatility s e^(x/2), x the log variance filtered from |r| by an unscented Kalman filter.

    h_t = phi h_{t-1} + sigma_eta eta; |r_t| / s = sqrt(2/pi) e^(h/2) + noise of variance (1 - 2/pi) e^h, with
    s^2 the mean squared return of the first n0. Sigma points x, x +- sqrt((1 + lambda) P), 1 + lambda =
    alpha^2 (1 + kappa), are drawn anew from the prediction. Where e^(x/2) <= calm the direction over h
    observations; where it is >= stress against the last return. Confidence |x| / 2, at most 1.
    Outputs: x, P, K. A value beyond e^700 s reads as that; x stays between -1400 and 1e6.

    References
    ----------
    Julier and Uhlmann (1997), SPIE 3068; Wan and van der Merwe (2000), AS-SPCC.
    """

    phi = Real(0.97, "persistence of the log variance", low=-1.0, high=1.0, open_low=True, open_high=True)
    sigma_eta = Real(0.2, "sd of its innovations", low=0.0, high=5.0, open_low=True)
    alpha = Real(1.0, "spread of the sigma points", low=1e-4, high=2.0)
    beta = Real(0.0, "weight of the middle point in covariances", low=0.0, high=10.0)
    kappa = Real(2.0, "secondary spread of the sigma points", low=0.0, high=10.0)
    n0 = Whole(100, "returns from which the scale is taken")
    calm = Real(0.8, "e^(x/2) up to which the market is calm", low=0.0)
    stress = Real(1.5, "e^(x/2) from which on it is under stress", low=0.0)
    h = Whole(20, "observations over which the direction is read", high=1_000_000)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("x", "P", "K")

    @property
    def warm_up(self) -> int:
        return self.n0 + 2

    def _make(self) -> Kernel:
        points = (self.alpha, self.beta, self.kappa)
        return LogVariance(self.phi, self.sigma_eta, *points, self.n0, self.calm, self.stress, self.h)


@register(
    id=44,
    name="ExponentialFilter",
    category="timeseries",
    inputs=("trade",),
    unit="USD",
    low=0.0,
    reference="Müller (1991), Olsen working paper; "
    "Zumbach and Müller (2001), Int. J. Theoretical and Applied "
    "Finance 4",
)
class ExponentialFilter(KernelFormula):
    """Exponential mean of the price at irregular times, w = e^(-dt/tau).

    e_t = w e_{t-1} + (1 - w) p_t from e_1 = p_1; a trade at the same instant has no weight. Beside it the
    variance v_t = w (v_{t-1} + (1 - w)(p_t - e_{t-1})^2). The sign of z = (p_t - e_t) / sqrt(v_t) where
    |z| >= entry; z = 0 where v_t <= 1e-18 p_t^2. Confidence |z| / 3, at most 1. Ready 3 tau after the first
    trade. Outputs: z, sd.

    References
    ----------
    Müller (1991), Olsen working paper; Zumbach and Müller (2001), Int. J. Theoretical and Applied Finance 4.
    """

    timed = True
    tau = Real(60.0, "time constant, s", low=1e-9, high=1e12)
    entry = Real(1.0, "score at which the gap counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("z", "sd")

    def _make(self) -> Kernel:
        return Decaying(self.tau, self.entry)


class _Smoothed(KernelFormula):
    """Brown's smoothing: the same exponential mean taken again and again."""

    alpha = Real(0.2, "weight of the newest price", low=1e-4, high=1.0, open_high=True)
    lam = Real(0.99, "decay of the squared forecast errors", low=0.0, high=1.0, open_high=True)
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)


@register(
    id=45,
    name="DoubleExponential",
    category="timeseries",
    inputs=("trade",),
    unit="USD per observation",
    reference="Brown (1959); Brown (1963), Smoothing, Forecasting and Prediction",
)
class DoubleExponential(_Smoothed):
    """Trend b = alpha / (1 - alpha) (S' - S'') of Brown's double exponential smoothing; level 2 S' - S''.

    The trend is the forecast of the next move; its sd comes of squared errors of level + trend with decay
    lam, from the first one. The sign of b where |b| / s >= z0; confidence 2 Phi(|b| / s) - 1; nothing where
    s <= 1e-12 p_t. Ready at ceil(5 / alpha) observations. Outputs: level, USD.

    References
    ----------
    Brown (1959); Brown (1963), Smoothing, Forecasting and Prediction.
    """

    @property
    def gives(self) -> tuple[str, ...]:
        return ("level",)

    @property
    def warm_up(self) -> int:
        return ceil(5.0 / self.alpha - 1e-9)

    def _make(self) -> Kernel:
        return Brown(2, self.alpha, self.lam, self.z0, self.warm_up)


@register(
    id=46,
    name="TripleExponential",
    category="timeseries",
    inputs=("trade",),
    unit="USD",
    reference="Brown (1963), Smoothing, Forecasting and Prediction, ch. 9",
)
class TripleExponential(_Smoothed):
    """One-step change b + c/2 of Brown's quadratic smoothing, p_{t+h} = a + b h + c h^2 / 2.

    a = 3 (S' - S'') + S'''; b and c follow from the three means. Signal as the double form, errors of
    a + b + c/2. Ready at ceil(8 / alpha) observations. Outputs: a, b, c.

    References
    ----------
    Brown (1963), Smoothing, Forecasting and Prediction, ch. 9.
    """

    @property
    def gives(self) -> tuple[str, ...]:
        return ("a", "b", "c")

    @property
    def warm_up(self) -> int:
        return ceil(8.0 / self.alpha - 1e-9)

    def _make(self) -> Kernel:
        return Brown(3, self.alpha, self.lam, self.z0, self.warm_up)
