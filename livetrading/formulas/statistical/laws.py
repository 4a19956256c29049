"""Laws fitted to returns, by which the next is scored: Student's t, a mixture of two normals."""

from math import exp, isfinite, log, pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from livetrading.core.statistics import student_two_sided
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import clip01, sign
from livetrading.formulas.statistical.windows import (
    FittedFormula,
)

Floats = NDArray[np.float64]


class Student(NamedTuple):
    """A location-scale Student t and the log-likelihood it was fitted with."""

    nu: float
    mu: float
    scale: float
    loglik: float


def fit_student(y: Floats) -> Student | None:
    """Return the maximum-likelihood Student t of values; None where the fit fails.

    Parameters
    ----------
    y : ndarray of float64, shape (n,)
        Of a standard deviation about 1.

    References
    ----------
    Lange, Little, Taylor (1989), JASA 84.
    """
    t = library("scipy.stats").t
    found = attempt(lambda: t.fit(y, 5.0, loc=np.median(y), scale=0.75))
    if found is None or not all(isfinite(one) for one in found) or not found[2] > 0.0:
        return None
    loglik = attempt(lambda: float(np.sum(t.logpdf(y, *found))))
    if loglik is None or not isfinite(loglik):
        return None
    return Student(float(found[0]), float(found[1]), float(found[2]), loglik)


def student_cdf(x: float, nu: float) -> float:
    """P(T <= x) of Student's t."""
    beyond = 0.5 * student_two_sided(x, nu)
    return beyond if x < 0.0 else 1.0 - beyond


@register(
    id=4,
    name="StudentTDistribution",
    category="statistical",
    cost="F",
    low=0.0,
    high=1.0,
    inputs=("trade",),
    library="scipy",
    extra="formulas",
    reference="Lange, Little, Taylor (1989), JASA 84; Praetz (1972), J. Business 45",
)
class StudentTDistribution(FittedFormula):
    """Chance of a return as low as the last under the Student t of the returns before it, unit 1.

    The law is fitted by maximum likelihood to y = r / s0 of the last n returns, s0 their population sd; nu
    is cut to [1, 200]. A return is scored by the law in force before it.

    Long where the value is at most `tail`, short where at least 1 - tail: an extreme reverts. Confidence
    |2 value - 1|.

    Outputs: nu; mu and scale in returns; loglik of y, before the cut.

    References
    ----------
    Lange, Little, Taylor (1989), JASA 84; Praetz (1972), J. Business 45.
    """

    check_parameters = {"n": 60, "refit": 100}  # noqa: RUF012
    check_rows = 200
    score_first = True
    n = Whole(250, "returns in the window", low=5)
    tail = Real(0.025, "chance at which an extreme is faded", low=0.0, high=0.5)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("nu", "mu", "scale", "loglik")

    def _fit(self, s: Series) -> tuple[float, float, float, float] | None:
        r = s.last("r", self.n)
        s0 = float(np.std(r))
        law = fit_student(r / s0)
        if law is None:
            return None
        return min(200.0, max(1.0, law.nu)), law.mu * s0, law.scale * s0, law.loglik

    def _score(self, s: Series) -> None:
        nu, mu, scale, loglik = self._model
        u = student_cdf((float(s.last("r", 1)[0]) - mu) / scale, nu)
        signal = 1 if u <= self.tail else -1 if u >= 1.0 - self.tail else 0
        self._report(u, signal, clip01(abs(2.0 * u - 1.0)), nu=nu, mu=mu, scale=scale, loglik=loglik)


class Mixture(NamedTuple):
    """Weights, means and variances of two normals, that of lower variance first, and the log-likelihood."""

    weights: tuple[float, float]
    means: tuple[float, float]
    variances: tuple[float, float]
    loglik: float


def fit_mixture(y: Floats, seed: int) -> Mixture | None:
    """Return the mixture of two normals that expectation maximisation finds; None where it does not converge.

    Of three starts from k-means the best is taken. It may be a local maximum of the likelihood: of weights
    0.7, 0.3 and sds 1, 5 one that splits off a tail was seen, 49 below the log-likelihood of the greatest.

    Parameters
    ----------
    y : ndarray of float64, shape (n,)
        Of a standard deviation about 1.
    seed : int
        Of the starts.

    References
    ----------
    Dempster, Laird, Rubin (1977), JRSS B 39.
    """
    mixture = library("sklearn.mixture").GaussianMixture

    def fit() -> Any:
        model = mixture(
            2,
            covariance_type="full",
            n_init=3,
            random_state=seed,
            tol=1e-8,
            max_iter=2000,
            reg_covar=1e-6,
        )
        return model.fit(y[:, None])

    found = attempt(fit)
    if found is None or not found.converged_:
        return None
    variances = [float(one) for one in found.covariances_.ravel()]
    low, high = (0, 1) if variances[1] >= variances[0] else (1, 0)
    weights, means = ([float(one) for one in part.ravel()] for part in (found.weights_, found.means_))
    loglik = float(found.score(y[:, None])) * len(y)
    numbers = (*weights, *means, *variances, loglik)
    if not all(isfinite(one) for one in numbers) or min(variances) <= 0.0 or min(weights) <= 0.0:
        return None
    w, m, v = ((part[low], part[high]) for part in (weights, means, variances))
    return Mixture(w, m, v, loglik)


def posterior(law: Mixture, y: float) -> float:
    """Return the chance that a value is of the component of higher variance."""
    low, high = (
        log(w) - 0.5 * (log(2.0 * pi * v) + (y - m) * (y - m) / v)
        for w, m, v in zip(law.weights, law.means, law.variances, strict=True)
    )
    gap = low - high
    return 1.0 / (1.0 + exp(gap)) if gap < 700.0 else 0.0


@register(
    id=19,
    name="GaussianMixture",
    category="statistical",
    cost="F",
    low=0.0,
    high=1.0,
    inputs=("trade",),
    library="sklearn",
    extra="formulas",
    reference="Dempster, Laird, Rubin (1977), JRSS B 39; Kon (1984), J. Finance 39",
)
class GaussianMixture(FittedFormula):
    """Chance that the last return is of the wild one of two normals fitted to the returns before it, unit 1.

    The mixture is fitted (`fit_mixture`) to y = r / s0 of the last n returns, s0 their population sd; one
    is scored by the mixture in force before it. The wild component H has the larger variance.

    In the calm, value < calm, the side is that of the calm mean m where |m| sqrt(n w) / sd >= z_crit, w the
    calm weight. Confidence |2 value - 1|.

    Outputs: weight_l, weight_h; mean_l, mean_h, var_l, var_h in returns; loglik of y over the window.

    References
    ----------
    Dempster, Laird, Rubin (1977), JRSS B 39; Kon (1984), J. Finance 39.
    """

    check_parameters = {"n": 80, "refit": 100}  # noqa: RUF012
    check_rows = 190
    score_first = True
    n = Whole(500, "returns in the window", low=5)
    refit = Whole(100, "observations between fits")
    seed = Whole(0, "seed of the fit's starts", low=0, high=2**32 - 1)
    calm = Real(0.5, "chance of the wild component below which it is calm", low=0.0, high=1.0)
    z_crit = Real(1.96, "standard errors from 0 at which the calm mean counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("weight_l", "weight_h", "mean_l", "mean_h", "var_l", "var_h", "loglik")

    def _fit(self, s: Series) -> tuple[Mixture, float] | None:
        r = s.last("r", self.n)
        s0 = float(np.std(r))
        law = fit_mixture(r / s0, self.seed)
        return None if law is None else (law, s0)

    def _score(self, s: Series) -> None:
        law, s0 = self._model
        value = posterior(law, float(s.last("r", 1)[0]) / s0)
        mean, sd = law.means[0], sqrt(law.variances[0])
        drifts = abs(mean) * sqrt(self.n * law.weights[0]) / sd >= self.z_crit
        self._report(
            value,
            sign(mean) if value < self.calm and drifts else 0,
            clip01(abs(2.0 * value - 1.0)),
            weight_l=law.weights[0],
            weight_h=law.weights[1],
            mean_l=mean * s0,
            mean_h=law.means[1] * s0,
            var_l=law.variances[0] * s0 * s0,
            var_h=law.variances[1] * s0 * s0,
            loglik=law.loglik,
        )
