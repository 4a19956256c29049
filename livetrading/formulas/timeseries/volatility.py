"""Conditional volatility: ARCH, GARCH, EGARCH, GJR-GARCH, the particle filter (34-37, 42)."""

from dataclasses import dataclass
from math import erfc, exp, log, nan, pi, sqrt
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, direction, faded, sign
from livetrading.formulas.timeseries.windows import (
    Refitted,
)

__all__ = [
    "ARCHModel",
    "EGARCHModel",
    "GARCHModel",
    "GJRGARCHModel",
    "ParticleFilter",
    "Variance",
    "arch_lm",
    "backcast",
    "fit_variance",
    "particle_step",
    "systematic",
]

Floats = NDArray[np.float64]
ABSOLUTE_NORMAL: Final = sqrt(2.0 / pi)
LOG_MOST: Final = log(np.finfo(np.float64).max) - 0.1
"""Beyond this a log variance is held."""
LOG_VARIANCE_MOST: Final = 700.0
"""Beyond this a particle is held: with e^-h no number, a zero return would leave no weights."""


@dataclass(frozen=True, slots=True)
class Variance:
    """A recursion of the conditional variance of y.

    Attributes
    ----------
    omega : float
    alpha : tuple of float
        By lag of y^2; one in the log form, where it weighs |e| - sqrt(2/pi).
    gamma : float
        Of y^2 after a fall; in the log form of e.
    beta : float
    logs : bool
        Whether the recursion is in logs (Nelson 1991).
    loglik : float
        Gaussian, of the y that it was fitted to; NaN where it was not.
    """

    omega: float
    alpha: tuple[float, ...]
    gamma: float = 0.0
    beta: float = 0.0
    logs: bool = False
    loglik: float = nan

    def first(self, b: float) -> float:
        """Variance (or its log) before the first y, from the backcast."""
        if self.logs:
            return self._held(self.omega + self.beta * log(b))
        return self.omega + (sum(self.alpha) + 0.5 * self.gamma + self.beta) * b

    def next(self, h: float, y: float) -> float:
        """Variance (or its log) after y under h; of one lag."""
        if not self.logs:
            return self.omega + (self.alpha[0] + (self.gamma if y < 0.0 else 0.0)) * y * y + self.beta * h
        e = y * exp(-0.5 * h)
        return self._held(
            self.omega + self.alpha[0] * (abs(e) - ABSOLUTE_NORMAL) + self.gamma * e + self.beta * h
        )

    @staticmethod
    def _held(h: float) -> float:
        return min(max(h, -LOG_MOST), LOG_MOST)

    def sd(self, h: float) -> float:
        """Standard deviation of a variance (or of its log)."""
        return exp(0.5 * h) if self.logs else sqrt(max(h, 0.0))

    def path(self, y: Floats, b: float) -> list[float]:
        """Variances (or their logs) before each y and after the last, from the backcast b."""
        if len(self.alpha) > 1:
            q = len(self.alpha)
            squares = np.concatenate([np.full(q, b), y * y])
            total = np.full(len(y) + 1, self.omega)
            for i, weight in enumerate(self.alpha):
                total += weight * squares[q - 1 - i : q - 1 - i + len(y) + 1]
            return [float(h) for h in total]
        found = [self.first(b)]
        for x in y.tolist():
            found.append(self.next(found[-1], x))
        return found


def backcast(y: Floats) -> float:
    """Return the mean of the first 75 squares, weights 0.94^i, the oldest weighing most."""
    T = min(75, len(y))
    w = 0.94 ** np.arange(T)
    return float(w @ (y[:T] ** 2) / np.sum(w))


def fit_variance(y: Floats, kind: str, lags: int = 1) -> Variance | None:
    """Fit a variance recursion by Gaussian quasi-likelihood.

    Parameters
    ----------
    y : ndarray of float64
        Returns over their root mean square.
    kind : {"ARCH", "GARCH", "EGARCH", "GJR"}
    lags : int, optional
        Of ARCH.

    Returns
    -------
    Variance or None
        None where the optimiser does not converge, or a log recursion is not invertible: alpha <= 0, or a
        likelihood below that of a constant variance; or where it has no start, the backcast being 0.
    """
    if kind == "EGARCH" and not backcast(y) > 0.0:
        return None
    arch = library("arch")
    vol = "GARCH" if kind == "GJR" else kind
    asked: dict[str, Any] = {"ARCH": {"p": lags}, "GARCH": {"p": 1, "q": 1}}.get(
        kind, {"p": 1, "o": 1, "q": 1}
    )

    def fit() -> Variance | None:
        model = arch.arch_model(y, mean="Zero", vol=vol, rescale=False, **asked)
        found = model.fit(disp="off", show_warning=False)
        parameters = found.params.tolist() if hasattr(found.params, "tolist") else list(found.params)
        loglik = float(found.loglikelihood)
        if found.convergence_flag != 0 or not np.all(np.isfinite([*parameters, loglik])):
            return None
        if kind == "ARCH":
            return Variance(parameters[0], tuple(parameters[1:]), loglik=loglik)
        if kind == "GARCH":
            return Variance(parameters[0], (parameters[1],), 0.0, parameters[2], loglik=loglik)
        omega, alpha, gamma, beta = parameters
        constant = -0.5 * len(y) * (log(2.0 * pi) + 1.0)
        if kind == "EGARCH" and (alpha <= 0.0 or loglik < constant):
            return None
        return Variance(omega, (alpha,), gamma, beta, kind == "EGARCH", loglik)

    return attempt(fit)


class _Conditional(Refitted):
    """The kernel of the variance recursions: fitted on r over its root mean square, carried on by each r."""

    n = Whole(500, "returns in the window", low=20, high=1_000_000)
    refit = Whole(100, "returns between fits")
    phase = Phase()
    check_parameters: ClassVar[dict[str, Any]] = {"n": 150, "refit": 150}
    check_rows = 360
    form = "GARCH"

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _begin(self) -> None:
        super()._begin()
        self._now, self._next = nan, nan

    def _estimate(self, y: Floats) -> Any:
        return fit_variance(y, self.form)

    def _fit(self, s: Series) -> bool:
        r = s.last("r", self.n)
        if float(np.std(r)) <= FLAT:
            return False
        scale = sqrt(float(np.mean(r * r)))
        y = r / scale
        found = self._estimate(y)
        if found is None:
            return False
        self._model = (found, scale)
        self._rerun(self._recursion, y)
        return True

    @property
    def _recursion(self) -> Variance:
        recursion: Variance = self._model[0]
        return recursion

    def _rerun(self, model: Variance, y: Floats) -> None:
        path = model.path(y, backcast(y))
        self._now, self._next = path[-2], path[-1]

    def _step(self, s: Series) -> None:
        y = float(s.last("r", 1)[0]) / self._model[1]
        self._now, self._next = self._next, self._recursion.next(self._next, y)

    def _volatility(self) -> tuple[float, float]:
        """Of the newest return and of the next."""
        model, scale = self._recursion, self._model[1]
        return scale * model.sd(self._now), scale * model.sd(self._next)


def arch_lm(r: Floats, q: int) -> tuple[float, float]:
    """Engle's test for ARCH effects: (n - q) R^2 of r^2 on a constant and its q lags, and its p-value.

    References
    ----------
    Engle (1982), Econometrica 50.
    """
    special = library("scipy.special")
    squares = r * r / np.mean(r * r)
    y = squares[q:]
    design = np.column_stack([np.ones(len(y)), *(squares[q - i : len(squares) - i] for i in range(1, q + 1))])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    total = float(np.sum((y - np.mean(y)) ** 2))
    lm = len(y) * max(1.0 - float(rest @ rest) / total, 0.0) if total > 0.0 else 0.0
    return lm, float(special.chdtrc(q, lm))


@register(
    id=34,
    name="ARCHModel",
    category="timeseries",
    kind="estimator",
    inputs=("trade",),
    cost="F",
    unit="log return",
    low=0.0,
    reference="Engle (1982), Econometrica 50",
    library="arch",
    extra="formulas",
)
class ARCHModel(_Conditional):
    """Volatility of the next return by an ARCH(q): sigma^2 = omega + sum of alpha_i r_{t+1-i}^2.

    Gaussian quasi-likelihood, zero mean. Against the sign of z = r_t / sigma_t where |z| >= entry;
    confidence 1 - lm_p. Outputs: omega, alpha_1 ... alpha_q, z; lm, lm_p: Engle's test at the fit,
    chi-squared of q degrees of freedom.

    References
    ----------
    Engle (1982), Econometrica 50.
    """

    form = "ARCH"
    q = Whole(3, "lags", high=50)
    entry = Real(2.5, "score at which a return is faded", low=0.0)

    def _prepare(self) -> None:
        super()._prepare()
        if self.n < 2 * self.q + 2:
            raise FormulaError(f"n must be at least 2 q + 2, was {self.n} with q {self.q}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("omega", *(f"alpha_{i}" for i in range(1, self.q + 1)), "z", "lm", "lm_p")

    def _estimate(self, y: Floats) -> tuple[Variance, tuple[float, float]] | None:
        found = fit_variance(y, "ARCH", self.q)
        test = attempt(lambda: arch_lm(y, self.q))
        return None if found is None or test is None else (found, test)

    @property
    def _recursion(self) -> Variance:
        recursion: Variance = self._model[0][0]
        return recursion

    def _step(self, s: Series) -> None:
        y = s.last("r", self.q + 1) / self._model[1]
        self._rerun(self._recursion, y)

    def _say(self, s: Series) -> None:
        model, scale, (lm, p) = self._recursion, self._model[1], self._model[0][1]
        now, after = self._volatility()
        z = float(s.last("r", 1)[0]) / now if now > 0.0 else 0.0
        alpha = {f"alpha_{i + 1}": x for i, x in enumerate(model.alpha)}
        said = {"omega": model.omega * scale**2, **alpha, "z": z, "lm": lm, "lm_p": p}
        self._report(after, faded(z, self.entry), 1.0 - p, **said)


@register(
    id=35,
    name="GARCHModel",
    category="timeseries",
    kind="estimator",
    inputs=("trade",),
    cost="F",
    unit="log return",
    low=0.0,
    reference="Bollerslev (1986), J. Econometrics 31",
    library="arch",
    extra="formulas",
)
class GARCHModel(_Conditional):
    """Volatility of the next return by GARCH(1,1): sigma^2 = omega + alpha r_t^2 + beta sigma_t^2.

    Gaussian quasi-likelihood, zero mean. With ratio = sigma / root mean square of the window: the direction
    over h observations where ratio <= calm, against the last return where ratio >= stress; confidence
    |ln ratio|, at most 1. Outputs: omega, alpha, beta, persistence alpha + beta, uncond_vol
    sqrt(omega / (1 - persistence)) (NaN where that is 0.9999 or more), loglik of r over its root mean square.

    References
    ----------
    Bollerslev (1986), J. Econometrics 31.
    """

    calm = Real(0.9, "ratio up to which the market is calm", low=0.0)
    stress = Real(1.5, "ratio from which on it is under stress", low=0.0)
    h = Whole(20, "observations over which the direction is read", high=1_000_000)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("omega", "alpha", "beta", "persistence", "uncond_vol", "loglik")

    @property
    def lookback(self) -> int:
        return max(self.n, self.h)

    def _say(self, s: Series) -> None:
        model, scale = self._recursion, self._model[1]
        value = self._volatility()[1]
        r = s.last("r", self.n)
        signal, confidence = 0, 0.0
        if (mean := float(np.mean(r * r))) > 1e-24:
            ratio = value / sqrt(mean)
            signal = self._side(s, ratio)
            confidence = min(1.0, abs(log(ratio))) if ratio > 0.0 else 1.0
        persistence, omega = model.alpha[0] + model.beta, model.omega * scale**2
        lasting = sqrt(omega / (1.0 - persistence)) if persistence < 0.9999 else nan
        said = {"omega": omega, "alpha": model.alpha[0], "beta": model.beta, "persistence": persistence}
        self._report(value, signal, confidence, **said, uncond_vol=lasting, loglik=model.loglik)

    def _side(self, s: Series, ratio: float) -> int:
        if ratio <= self.calm:
            return direction(s, self.h)
        return -sign(float(s.last("r", 1)[0])) if ratio >= self.stress else 0


@register(
    id=36,
    name="EGARCHModel",
    category="timeseries",
    kind="estimator",
    inputs=("trade",),
    cost="F",
    unit="log return",
    low=0.0,
    reference="Nelson (1991), Econometrica 59",
    library="arch",
    extra="formulas",
)
class EGARCHModel(_Conditional):
    """Volatility of the next return by EGARCH(1,1).

    ln sigma^2 = omega + alpha (|e_t| - sqrt(2/pi)) + gamma e_t + beta ln sigma_t^2, e_t = r_t / sigma_t.
    Short where gamma < 0 and e_t <= -entry (a loss that raises volatility), long where gamma > 0 and
    e_t >= entry; confidence |gamma| / (|alpha| + |gamma|). A fit with alpha <= 0, or less likely than a
    constant variance, is refused: there the recursion is not invertible. So is one over a window that begins
    with 75 zero returns: the logarithm of its first variance is no number.
    Outputs: omega, alpha, gamma, beta, loglik of r over its root mean square.

    References
    ----------
    Nelson (1991), Econometrica 59.
    """

    form = "EGARCH"
    entry = Real(1.0, "standardised return that counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("omega", "alpha", "gamma", "beta", "loglik")

    def _say(self, s: Series) -> None:
        model, scale = self._recursion, self._model[1]
        e = float(s.last("r", 1)[0]) / scale * exp(-0.5 * self._now)
        fear = model.gamma < 0.0 and e <= -self.entry
        greed = model.gamma > 0.0 and e >= self.entry
        alpha, gamma = model.alpha[0], model.gamma
        omega = model.omega + (1.0 - model.beta) * 2.0 * log(scale)
        said = {"omega": omega, "alpha": alpha, "gamma": gamma, "beta": model.beta, "loglik": model.loglik}
        self._report(self._volatility()[1], greed - fear, abs(gamma) / (abs(alpha) + abs(gamma)), **said)


@register(
    id=37,
    name="GJRGARCHModel",
    category="timeseries",
    kind="estimator",
    inputs=("trade",),
    cost="F",
    unit="log return",
    low=0.0,
    reference="Glosten, Jagannathan, Runkle (1993), J. Finance 48",
    library="arch",
    extra="formulas",
)
class GJRGARCHModel(_Conditional):
    """Volatility of the next return by GJR-GARCH(1,1).

    sigma^2 = omega + (alpha + gamma 1[r_t < 0]) r_t^2 + beta sigma_t^2. The asymmetry is tested against
    GARCH(1,1) on the same window: lr = 2 (loglik - loglik of GARCH), p of chi-squared with one degree of
    freedom. With p < alpha_lr: short where gamma > 0 and r_t <= -entry sigma_t, long where gamma < 0 and
    r_t >= entry sigma_t. Confidence 1 - p. Outputs: omega, alpha, gamma, beta, lr, p.

    References
    ----------
    Glosten, Jagannathan, Runkle (1993), J. Finance 48.
    """

    entry = Real(1.0, "return over its volatility that counts", low=0.0)
    alpha_lr = Real(0.05, "level of the likelihood-ratio test", low=0.0, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("omega", "alpha", "gamma", "beta", "lr", "p")

    @property
    def _recursion(self) -> Variance:
        recursion: Variance = self._model[0][0]
        return recursion

    def _estimate(self, y: Floats) -> tuple[Variance, float] | None:
        found, plain = fit_variance(y, "GJR"), fit_variance(y, "GARCH")
        return None if found is None or plain is None else (found, 2.0 * (found.loglik - plain.loglik))

    def _say(self, s: Series) -> None:
        model, scale, lr = self._recursion, self._model[1], self._model[0][1]
        p = erfc(sqrt(0.5 * max(lr, 0.0)))
        now, after = self._volatility()
        r = float(s.last("r", 1)[0])
        fear = p < self.alpha_lr and model.gamma > 0.0 and r <= -self.entry * now
        greed = p < self.alpha_lr and model.gamma < 0.0 and r >= self.entry * now
        said = {"omega": model.omega * scale**2, "alpha": model.alpha[0], "gamma": model.gamma}
        self._report(after, greed - fear, 1.0 - p, **said, beta=model.beta, lr=lr, p=p)


def systematic(weight: Floats, u: float) -> NDArray[np.int64]:
    """Return the indices of a systematic resampling with one uniform u."""
    n = len(weight)
    edges = np.cumsum(weight)
    edges[-1] = 1.0
    return np.searchsorted(edges, (u + np.arange(n)) / n, side="left")


def particle_step(h: Floats, log_weight: Floats, y: float) -> tuple[Floats, Floats]:
    """Weigh particles of the log variance by an observation; return log weights and normalised weights."""
    with np.errstate(over="ignore"):
        surprise = np.minimum(y * y * np.exp(-h), 1e300)
    log_weight = log_weight - 0.5 * (h + surprise)
    log_weight -= np.max(log_weight)
    weight = np.exp(log_weight)
    return log_weight, weight / np.sum(weight)


@register(
    id=42,
    name="ParticleFilter",
    category="timeseries",
    kind="estimator",
    inputs=("trade",),
    cost="W",
    unit="log return",
    low=0.0,
    reference="Gordon, Salmond, Smith (1993), IEE Proc. F 140; "
    "Kim, Shephard, Chib (1998), Review of Economic "
    "Studies 65",
)
class ParticleFilter(SeriesFormula):
    """Volatility s E[e^(h/2)] of a stochastic-volatility model, filtered by particles.

    r_t / s = e^(h_t/2) eps, h_t = phi h_{t-1} + sigma_eta eta; s^2 is the mean squared return of the first n0
    and the filter begins after them. Bootstrap proposals; systematic resampling where 1 / sum w^2 is below
    half the particles, after the estimate. Where E[e^(h/2)] <= calm the direction over h observations, where
    it is >= stress against the last return; confidence |ln E[e^(h/2)]|, at most 1.
    Outputs: ess, h_mean, h_sd, all before resampling. A particle stays between -700 and 700.

    References
    ----------
    Gordon, Salmond, Smith (1993), IEE Proc. F 140; Kim, Shephard, Chib (1998), Review of Economic Studies 65.
    """

    particles = Whole(500, "particles", low=2, high=1_000_000)
    phi = Real(0.97, "persistence of the log variance", low=-1.0, high=1.0, open_low=True, open_high=True)
    sigma_eta = Real(0.2, "sd of its innovations", low=0.0, high=5.0, open_low=True)
    n0 = Whole(100, "returns from which the scale is taken", high=1_000_000)
    seed = Whole(0, "of the random numbers", low=0, high=2**63 - 1)
    calm = Real(0.8, "E[e^(h/2)] up to which the market is calm", low=0.0)
    stress = Real(1.5, "E[e^(h/2)] from which on it is under stress", low=0.0)
    h = Whole(20, "observations over which the direction is read", high=1_000_000)
    check_parameters: ClassVar[dict[str, Any]] = {"particles": 100}

    @property
    def gives(self) -> tuple[str, ...]:
        return ("ess", "h_mean", "h_sd")

    @property
    def lookback(self) -> int:
        return max(self.n0, self.h)

    @property
    def warm_up(self) -> int:
        return self.n0 + 2

    def _begin(self) -> None:
        self._random = np.random.Generator(np.random.PCG64(self.seed))
        self._scale = nan
        self._states = np.empty(0)
        self._log_weight = np.zeros(self.particles)

    def _advance(self, s: Series) -> None:
        if s.m < self.n0:
            return
        if s.m == self.n0:
            r = s.last("r", self.n0)
            self._scale = sqrt(float(np.mean(r * r)))
            sd = self.sigma_eta / sqrt(1.0 - self.phi**2)
            self._states = sd * self._random.standard_normal(self.particles)
        elif self._scale > FLAT:
            self._observe(s, float(s.last("r", 1)[0]))

    def _observe(self, s: Series, r: float) -> None:
        moves = self._random.standard_normal(self.particles)
        moved = self.phi * self._states + self.sigma_eta * moves
        self._states = np.clip(moved, -LOG_VARIANCE_MOST, LOG_VARIANCE_MOST)
        self._log_weight, weight = particle_step(self._states, self._log_weight, r / self._scale)
        ratio = float(weight @ np.exp(0.5 * self._states))
        mean = float(weight @ self._states)
        spread = sqrt(float(weight @ (self._states - mean) ** 2))
        ess = 1.0 / float(weight @ weight)
        side = direction(s, self.h) if ratio <= self.calm else -sign(r) if ratio >= self.stress else 0
        said = {"ess": ess, "h_mean": mean, "h_sd": spread}
        self._report(ratio * self._scale, side, min(1.0, abs(log(ratio))), **said)
        if ess < 0.5 * self.particles:
            self._states = self._states[systematic(weight, self._random.random())]
            self._log_weight = np.zeros(self.particles)
