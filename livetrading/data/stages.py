"""What may stand between reading and writing in a chain: each step as it is described, and at work."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livetrading.core.bar_rules import BarRule
from livetrading.core.bars import BarBuilder
from livetrading.core.dtypes import BAR, TICK
from livetrading.data.cleaning import Cleaning
from livetrading.data.errors import DataError

__all__ = ["Clean", "Resample", "Stage", "Step"]

Rows = NDArray[np.void]


class Stage(Protocol):
    """A step at work on the rows of one file.

    Attributes
    ----------
    dtype : dtype
        Of the rows that come out.
    """

    dtype: np.dtype[Any]

    def push(self, rows: Rows) -> Rows:
        """Take some rows, and return those that are done."""

    def finish(self) -> Rows:
        """Return what is left when there are no more."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows left out, by reason."""


class Step(Protocol):
    """A step of a chain, before anything runs."""

    @property
    def name(self) -> str:
        """What the step is called in a result."""

    def to_dict(self) -> dict[str, Any]:
        """Describe it by what JSON can hold; equal steps are described equally."""

    def begin(self, dtype: np.dtype[Any]) -> Stage:
        """Begin with a file whose rows are of `dtype`; DataError if it is none for them."""


@dataclass(frozen=True, slots=True)
class Clean:
    """Rows dropped and kept by rules."""

    rules: Cleaning
    name: str = "clean"

    def to_dict(self) -> dict[str, Any]:
        """Describe the rules."""
        return {"clean": self.rules.to_dict()}

    def begin(self, dtype: np.dtype[Any]) -> Stage:
        """Begin with rows of any dtype that the rules can be asked of."""
        return _Cleaner(self.rules, dtype)


@dataclass(frozen=True, slots=True)
class Resample:
    """Bars of ticks."""

    rule: BarRule
    with_open: bool = False
    name: str = "bars"

    def to_dict(self) -> dict[str, Any]:
        """Describe the rule."""
        return {"bars": repr(self.rule), "with_open": self.with_open}

    def begin(self, dtype: np.dtype[Any]) -> Stage:
        """Begin with ticks."""
        if dtype != TICK:
            raise DataError(f"bars must be made of ticks, was of {'bars' if dtype == BAR else 'columns'}")
        return _Resampler(self)


class _Cleaner:
    def __init__(self, rules: Cleaning, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._sieve = rules.sieve(dtype)

    def push(self, rows: Rows) -> Rows:
        return self._sieve(rows)

    def finish(self) -> Rows:
        return np.empty(0, self.dtype)

    @property
    def counts(self) -> Mapping[str, int]:
        return self._sieve.dropped


class _Resampler:
    dtype = BAR

    def __init__(self, step: Resample) -> None:
        self._builder = BarBuilder(step.rule)
        self._with_open = step.with_open

    def push(self, rows: Rows) -> Rows:
        return self._builder.push(np.require(rows, requirements=["C", "A"]))

    def finish(self) -> Rows:
        return self._builder.open_bar() if self._with_open else np.empty(0, BAR)

    @property
    def counts(self) -> Mapping[str, int]:
        return self._builder.rejected
