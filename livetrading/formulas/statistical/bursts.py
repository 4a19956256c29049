"""Bursts of large moves: a self-exciting process of events."""

from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.kernel import Kernel
from livetrading.core.statistics import Bursts, hawkes_cost
from livetrading.formulas.base import Phase
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

BOUNDS: Final = ((0.01, 2.0), (0.001, 0.99), (0.05, 50.0))
"""Of mu, eta and beta, in units of the mean gap."""
STARTS: Final = (0.2, 0.5, 0.8)


def fit_hawkes(times: list[float] | NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Return the maximum-likelihood parameters of an exponential Hawkes process.

    The likelihood is of the events from the first to the last, over (mu, alpha / beta, beta) with the mean
    gap as the unit of time, by L-BFGS-B from three starts with the exact gradient.

    Parameters
    ----------
    times : sequence of float, shape (n,)
        s, ascending.

    Returns
    -------
    tuple of float or None
        mu, alpha, beta in 1/s; None where all gaps are 0 or no maximum is finite.

    References
    ----------
    Ozaki (1979), AISM 31.
    """
    t = np.asarray(times, np.float64)
    gap = float(t[-1] - t[0]) / max(len(t) - 1, 1)
    if not gap > 0.0:
        return None
    scaled = (t - t[0]) / gap
    minimize = library("scipy.optimize").minimize

    def climb(eta: float) -> Any:
        start = (1.0 - eta, eta, 1.0)
        return minimize(hawkes_cost, start, args=(scaled,), method="L-BFGS-B", jac=True, bounds=BOUNDS)

    found = attempt(lambda: [climb(eta) for eta in STARTS]) or []
    finite = [one for one in found if isfinite(one.fun) and np.all(np.isfinite(one.x))]
    if not finite:
        return None
    best = min(finite, key=lambda one: float(one.fun))
    mu, eta, beta = best.x.tolist()
    parameters = mu / gap, eta * beta / gap, beta / gap
    return parameters if all(isfinite(one) and one > 0.0 for one in parameters) else None


@register(
    id=3,
    name="HawkesProcess",
    category="statistical",
    inputs=("trade",),
    low=0.0,
    library="scipy",
    extra="formulas",
    reference="Hawkes (1971), Biometrika 58; Ozaki (1979), AISM 31; Bacry, Mastromatteo, Muzy (2015), "
    "Market Microstructure and Liquidity 1",
)
class HawkesProcess(KernelFormula):
    """Intensity of large moves over its stationary mean, in a process where each makes others likelier.

    An event is |r_t| > k sqrt(v_{t-1}) with v_t = lam v_{t-1} + (1 - lam) r_t^2, which begins as the mean
    square of the first `warm` returns. The intensity, events a second, is mu + sum alpha e^{-beta (t - t_i)}
    over the events so far, its mean mu / (1 - alpha / beta); the value is their ratio, unit 1. Parameters are
    fitted to the last `n_events` times when there are `min_events` and every `refit_events` events after
    (`fit_hawkes`); `phase`, too, counts events.

    Against the return of the last event where the value is at least `entry`. Confidence 1 - 1 / value, at
    least 0. Ready after the first fit.

    Outputs: mu, alpha, beta (1/s); branching alpha / beta; intensity (1/s).

    References
    ----------
    Hawkes (1971), Biometrika 58; Ozaki (1979), AISM 31; Bacry, Mastromatteo, Muzy (2015), Market
    Microstructure and Liquidity 1.
    """

    timed = True
    check_parameters = {"k": 1.5, "n_events": 25, "min_events": 20, "refit_events": 60}  # noqa: RUF012
    check_rows = 500
    k = Real(2.5, "sd of the returns beyond which a move is an event", low=0.0)
    lam = Real(0.97, "what the variance keeps at the next return", low=0.0, high=1.0)
    warm = Whole(50, "returns that the variance begins with")
    n_events = Whole(300, "events that a fit looks at", low=3, high=100_000)
    min_events = Whole(100, "events at the first fit", low=3)
    refit_events = Whole(50, "events between fits")
    entry = Real(2.0, "value at which a burst is faded", low=0.0)
    phase = Phase()

    def _prepare(self) -> None:
        if self.phase >= self.refit_events:
            raise FormulaError(
                f"phase must be a whole number from 0 to {self.refit_events - 1}, was {self.phase}"
            )

    @property
    def gives(self) -> tuple[str, ...]:
        return ("mu", "alpha", "beta", "branching", "intensity")

    def _make(self) -> Kernel:
        fit = fit_hawkes if self._library() is None else _no_fit
        return Bursts(
            self.k, self.lam, self.warm, self.n_events, self.min_events, self.refit_events, self.entry,
            self.phase, fit,
        )  # fmt: skip


def _no_fit(times: list[float]) -> None:
    """Without the library there are no parameters, and the formula says why it is not ready."""
