"""What formulas of a window of returns share: when they are ready, when a model is fitted."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.parameters import Whole
from livetrading.formulas.rules import flat

Floats = NDArray[np.float64]


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
