"""What library models share: scaled features of the last trades, fits now and then, readings in between."""

from collections.abc import Mapping
from math import isfinite, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt
from livetrading.formulas.machine_learning.features import FIRST, HitRate, features, labels, up_down
from livetrading.formulas.parameters import Real, Whole

__all__ = ["Fitted", "Forecast", "Reading", "Refitted", "Scale", "Windowed", "features_of"]

Floats = NDArray[np.float64]
Reading = tuple[float, int, float, Mapping[str, float]]
"""Value, signal, confidence and the outputs that belong to them."""
SEED_MAX: Final = 2**32 - 1
ZERO: Final = 1e-12
SINGLE: Final = float(np.finfo(np.float32).max)
"""Above it lies infinity to the libraries that read single precision, and they raise."""


class Scale:
    """Mean and sd (ddof 0) of the columns of x; an sd of at most 1e-12 of the largest |x| counts as 0.

    Parameters
    ----------
    x : ndarray of float64, shape (n, k)
    """

    def __init__(self, x: Floats) -> None:
        self.mean = np.mean(x, axis=0)
        spread = np.std(x, axis=0)
        self.sd = np.where(spread <= ZERO * np.max(np.abs(x), axis=0), 0.0, spread)
        self._by = np.where(self.sd == 0.0, 1.0, self.sd)

    def __call__(self, x: Floats) -> Floats:
        """Return x in sds from the mean; where the sd is 0, less the mean."""
        z: Floats = (x - self.mean) / self._by
        return z


class Fitted:
    """A model of a library with what was noted when it was fitted; nothing changes it, so states share it.

    Parameters
    ----------
    model : object
    scale : Scale
    at : int
        The observation it was fitted at, counted from 1.
    **notes
    """

    def __init__(self, model: Any, scale: Scale, at: int, **notes: Any) -> None:
        self.model, self.scale, self.at, self.notes = model, scale, at, notes

    def __deepcopy__(self, memo: dict[int, Any]) -> "Fitted":
        return self


def features_of(s: Series, n: int) -> Floats:
    """Return the features of the last n observations, shape (n, 8)."""
    last = FIRST + n
    return features(s.last("price", last), s.last("volume", last), s.last("side", last))[FIRST:]


class Refitted(SeriesFormula):
    """A model of the last trades, fitted at every `refit`-th observation and read at every `stride`-th."""

    reads = ("price", "volume", "side")
    n = Whole(500, "observations in the window", low=2, high=100_000)
    refit = Whole(250, "observations from one fit to the next")
    stride = Whole(10, "observations from one reading to the next")
    seed = Whole(0, "of the library's choices", low=0, high=SEED_MAX)
    phase = Phase()

    def _prepare(self) -> None:
        self._schedule = Schedule(self._first(), self.refit, self.phase)

    def _first(self) -> int:
        """Observations that count at the first fit."""
        return self.n + FIRST

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    @property
    def lookback(self) -> int:
        return self._first()

    def _begin(self) -> None:
        self._fitted: Fitted | None = None
        self._said: Reading = (nan, 0, 0.0, {})

    def _due(self, s: Series) -> bool:
        """Fit where a fit is due; return whether there is something to read and it is time for it."""
        since = s.count - self._schedule.first
        if since < 0:
            return False
        fits = self._schedule.due(s.count)
        if fits:
            found = attempt(lambda: self._fit(s))
            if found is not None:  # a window that the library cannot be fitted to leaves the former model
                self._fitted = found
        return self._fitted is not None and (fits or since % self.stride == 0)

    def _fit(self, s: Series) -> Fitted | None:
        """Return the model of the window that ends now, or the former one."""
        raise NotImplementedError

    def _say(self, s: Series, fitted: Fitted) -> bool:
        """Read the model, if it makes a number of now; else what was said stands. Return whether it did."""
        with np.errstate(all="ignore"):
            z = fitted.scale(features_of(s, 1))
            if not np.all(np.abs(z) <= SINGLE):
                return False
            said = self._read(fitted, z, fitted.at == s.count)
        if not isfinite(said[0]):
            return False
        self._said = said
        return True

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        """Say what the model makes of the scaled features of now, shape (1, 8)."""
        raise NotImplementedError


class Forecast(Refitted):
    """Probability of a rise over the next h observations, from a classifier fitted to the last n known pairs.

    The pairs are those of the observations s in [t - h - n + 1, t - h], eight features each and whether the
    price was higher h observations later; where it was the same the pair is dropped. Features are scaled by
    mean and sd of the pairs kept. First fitted at observation n + h + 19, counted from 0. A set of one class
    leaves the former model.
    """

    h = Whole(10, "observations ahead", high=100_000)
    theta = Real(0.05, "distance from 1/2 past which the probability is a signal", low=0.0, high=0.5)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p_up", "hit_rate", *self._names())

    def _names(self) -> tuple[str, ...]:
        """Names of the outputs beside the probability and the hit rate."""
        return ()

    def _first(self) -> int:
        return self.n + self.h + FIRST

    def _begin(self) -> None:
        super()._begin()
        self._hits = HitRate(self.h)

    def _advance(self, s: Series) -> None:
        if s.count < self._schedule.first:
            return
        price = float(s.last("price", 1)[0])
        self._hits.resolve(price)
        reads = self._due(s) and self._fitted is not None and self._say(s, self._fitted)
        value, signal, confidence, others = self._said
        self._hits.predict(price, value - 0.5 if reads else nan)
        if isfinite(value):
            self._report(value, signal, confidence, p_up=value, hit_rate=self._hits.value, **others)

    def _fit(self, s: Series) -> Fitted | None:
        x = features_of(s, self.n + self.h)[: self.n]
        y = labels(s.last("price", self.n + self.h), self.h)[: self.n]
        known = ~np.isnan(y)
        if not (np.any(y == 0.0) and np.any(y == 1.0)):
            return self._fitted
        scale = Scale(x[known])
        model, notes = self._train(scale(x[known]), y[known].astype(np.int64))
        return Fitted(model, scale, s.count, **notes)

    def _train(self, z: Floats, y: NDArray[np.int64]) -> tuple[Any, dict[str, Any]]:
        """Fit the library's model; return it and what is to be noted of it."""
        raise NotImplementedError

    def _p_up(self, fitted: Fitted, z: Floats) -> float:
        return float(fitted.model.predict_proba(z)[0, 1])

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        p = self._p_up(fitted, z)
        return (p, *up_down(p, self.theta), {name: fitted.notes[name] for name in self._names()})


class Windowed(Refitted):
    """A model of the last n feature vectors, each feature scaled by its mean and sd over them.

    First fitted when n vectors exist, at observation n + 19 counted from 0.
    """

    @property
    def warm_up(self) -> int:
        return self.n + FIRST

    def _advance(self, s: Series) -> None:
        if self._due(s) and self._fitted is not None and self._say(s, self._fitted):
            value, signal, confidence, others = self._said
            self._report(value, signal, confidence, **others)

    def _fit(self, s: Series) -> Fitted | None:
        x = features_of(s, self.n)
        scale = Scale(x)
        model, notes = self._train(scale(x), scale)
        return Fitted(model, scale, s.count, **notes)

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        """Fit to the scaled window, shape (n, 8), the last row of which is now."""
        raise NotImplementedError
