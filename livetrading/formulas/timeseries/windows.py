"""What formulas of the time series share: refits, the last numbers of a component, prices of logs."""

from collections.abc import Sequence
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Schedule
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.parameters import Whole
from livetrading.formulas.rules import FLAT

__all__ = ["Recent", "Refitted", "dollars"]

Floats = NDArray[np.float64]


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
        return float(self._slot[self._end - 1]) / sd if sd > FLAT else 0.0


class Refitted(SeriesFormula):
    """A model fitted to a window now and then, with a cheap step between.

    `_fit` sets the model and re-runs it over the window, or says that it failed; then the former model stays,
    and goes on by `_step`. Without a model it is not ready.
    """

    n: Whole
    """Returns in the window, unless a class says of what."""
    _schedule: Schedule
    _model: Any

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n + 1

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
