"""What the rows share: the forecast's signal, the direction of a move, degenerate windows, refits."""

from collections.abc import Sequence
from math import erf, exp, sqrt
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Schedule, SeriesFormula
from livetrading.formulas.history import Series

__all__ = [
    "NEGLIGIBLE",
    "Recent",
    "Refitted",
    "direction",
    "dollars",
    "faded",
    "forecast_signal",
    "sign",
    "two_sided",
]

Floats = NDArray[np.float64]
T = TypeVar("T")
NEGLIGIBLE: Final = 1e-12
"""A standard deviation up to which there is no variation."""


def sign(x: float) -> int:
    """-1, 0 or 1."""
    return (x > 0.0) - (x < 0.0)


def two_sided(z: float) -> float:
    """2 Phi(|z|) - 1."""
    return erf(abs(z) / sqrt(2.0))


def forecast_signal(f: float, s: float, z0: float, least: float = NEGLIGIBLE) -> tuple[int, float]:
    """Signal and confidence of a forecast of the next move and its standard deviation.

    The sign of f where |f / s| >= z0, with confidence 2 Phi(|f / s|) - 1; nothing where s <= `least`.
    """
    if not s > least:
        return 0, 0.0
    z = f / s
    return sign(f) if abs(z) >= z0 else 0, two_sided(z)


def direction(s: Series, h: int) -> int:
    """Sign of the log price less that of h observations before; 0 where there is none yet."""
    if s.count <= h:
        return 0
    x = s.last("log_price", h + 1)
    return sign(float(x[-1] - x[0]))


def faded(z: float, entry: float) -> int:
    """Against the sign of a score where |z| >= entry."""
    return -sign(z) if abs(z) >= entry else 0


def dollars(log_price: float) -> float:
    """e^x, at most about 8e307."""
    return exp(min(log_price, 709.0))


class Recent:
    """The last n numbers of a series.

    Parameters
    ----------
    n : int
    """

    def __init__(self, n: int) -> None:
        self._slot = np.empty(2 * n)
        self._n, self._end, self.count = n, 0, 0

    def push(self, x: float) -> None:
        """Take one more."""
        if self._end == len(self._slot):
            self._slot[: self._n] = self._slot[self._n :]
            self._end = self._n
        self._slot[self._end] = x
        self._end += 1
        self.count = min(self.count + 1, self._n)

    @property
    def last(self) -> Floats:
        """Those that are held, oldest first: a view."""
        return self._slot[self._end - self.count : self._end]

    def score(self, least: int = 50) -> float:
        """The newest over the population sd; 0 before `least` numbers and where there is no variation."""
        if self.count < least:
            return 0.0
        sd = float(np.std(self.last))
        return float(self._slot[self._end - 1]) / sd if sd > NEGLIGIBLE else 0.0


class Refitted(SeriesFormula):
    """A model fitted to a window now and then, with a cheap step between.

    `_fit` sets the model and re-runs it over the window, or says that it failed; then the former model stays,
    and goes on by `_step`. Without a model it is not ready.
    """

    _schedule: Schedule
    _model: Any

    def _fixed(self) -> Sequence[str]:
        return ("_schedule",)

    def _begin(self) -> None:
        self._model = None

    def _counted(self, s: Series) -> int:
        """What the schedule counts: returns, unless the window is of prices."""
        return s.m

    def _fit(self, s: Series) -> bool:
        raise NotImplementedError

    def _step(self, s: Series) -> None:
        """Carry the model's state on by the newest observation."""

    def _say(self, s: Series) -> None:
        raise NotImplementedError

    def _advance(self, s: Series) -> None:
        count = self._counted(s)
        if count < self._schedule.first:
            return
        fitted = self._schedule.due(count) and self._fit(s)
        if self._model is None:
            return
        if not fitted:
            self._step(s)
        self._say(s)
