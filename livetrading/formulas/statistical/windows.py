"""What formulas of a window of returns share: when they are ready, when a model is fitted, signals."""

from math import erf, floor, sqrt
from typing import Any, ClassVar, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule, SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.parameters import Whole

Floats = NDArray[np.float64]
T = TypeVar("T")
FLAT: Final = 1e-12
"""A standard deviation that is rounding."""


def flat(x: Floats) -> bool:
    """Whether returns do not vary: their population sd is at most 1e-12."""
    return float(np.std(x)) <= FLAT


def sign(x: float) -> int:
    """-1, 0 or 1."""
    return (x > 0.0) - (x < 0.0)


def clip01(x: float) -> float:
    """Return x cut to [0, 1]."""
    return min(1.0, max(0.0, x))


def within(z: float) -> float:
    """2 Phi(|z|) - 1, the chance of a smaller deviation than z sd."""
    return erf(abs(z) / sqrt(2.0))


def whole(x: float) -> int:
    """floor(x), where x just below a whole number is that number."""
    return floor(x + 1e-9)


def forecast_signal(f: float, s: float, z0: float, least: float = FLAT) -> tuple[int, float]:
    """Return signal and confidence of a forecast f of the next move with standard deviation s.

    With z = f / s: the sign of f where |z| >= z0, and 2 Phi(|z|) - 1; nothing where s is at most `least`.
    """
    if s <= least:
        return 0, 0.0
    z = f / s
    return (sign(f) if abs(z) >= z0 else 0), within(z)


class WindowFormula(SeriesFormula):
    """A formula of the last n returns, ready with them."""

    n = Whole(100, "returns in the window", low=2)

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _advance(self, s: Series) -> None:
        if s.m >= self.n:
            self._look(s)

    def _look(self, s: Series) -> None:
        """Say what there is to say of a full window."""
        raise NotImplementedError


class FittedFormula(WindowFormula):
    """A model of the last n returns, fitted when they are there and every `refit` observations after.

    A fit that fails, or a window that does not vary, leaves the model in force; without one it is not ready.
    """

    refit = Whole(50, "observations between fits")
    phase = Phase()
    score_first: ClassVar[bool] = False
    """Whether an observation is scored by the model before the fit that it is part of."""
    _model: Any

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    def _begin(self) -> None:
        self._model = None

    @property
    def warm_up(self) -> int:
        return self.n + 1 + self.score_first

    def _look(self, s: Series) -> None:
        if self.score_first:
            self._apply(s)
            self._refit(s)
        else:
            self._refit(s)
            self._apply(s)

    def _refit(self, s: Series) -> None:
        if self._schedule.due(s.m) and self._varies(s):
            found = self._fit(s)
            self._model = self._model if found is None else found

    def _varies(self, s: Series) -> bool:
        return not flat(s.last("r", self.n))

    def _apply(self, s: Series) -> None:
        if self._model is not None:
            self._score(s)

    def _fit(self, s: Series) -> Any:
        """Return a model of the window, None where none was found."""
        raise NotImplementedError

    def _score(self, s: Series) -> None:
        """Report on the newest observation by the model in force."""
        raise NotImplementedError
