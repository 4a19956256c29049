"""The forms of a formula: compiled, over windows that others share, or step by step."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from math import nan
from sys import byteorder
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from livetrading.core.kernel import Kernel
from livetrading.formulas.base import Batch, Formula, row_of
from livetrading.formulas.channels import (
    NO_TIME,
    Columns,
    Observation,
    field_of,
    time_of,
)
from livetrading.formulas.columns import as_columns
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import ArraySeries, Series

__all__ = ["KernelFormula", "Notes", "SeriesFormula", "StepFormula"]


def _check_of(kernel: bytes) -> str:
    """Return what tells an altered block, or one of another byte order, before its pointers are followed."""
    return f"{byteorder} {crc32(kernel):08x}"


class KernelFormula(Formula):
    """A formula whose every step is compiled."""

    _parts = ("kernel", "check")
    _kernel: Kernel

    def _make(self) -> Kernel:
        """Return a new kernel of these parameters."""
        raise NotImplementedError

    def reset(self) -> None:
        self._kernel = self._make()
        self._seen.clear()

    def update(self, observation: Observation | None = None, /, **fields: Any) -> None:
        row = fields if observation is None else row_of(observation, fields)
        ts, x = time_of(row), [field_of(row, name) for name in self.reads]
        if not self._kernel.ready:
            self._note(row)
            if self._timeless(ts):
                return
        self._kernel.update(ts, x)

    def _run(self, ts: NDArray[np.int64], columns: Columns, rows: int) -> Batch:
        value, confidence = np.empty(rows), np.empty(rows)
        signal, ready = np.empty(rows, np.int8), np.empty(rows, np.uint8)
        outputs = np.empty((len(self.gives), rows))
        given = as_columns(self.reads, columns, rows)
        self._kernel.run(ts, list(given.values()), value, signal, confidence, ready, outputs)
        named = dict(zip(self.gives, outputs, strict=True))
        return Batch(self.info.id, self.info.name, value, signal, confidence, ready.view(bool), named, None)

    @property
    def value(self) -> float:
        return self._kernel.value

    @property
    def signal(self) -> int:
        return self._kernel.signal

    @property
    def confidence(self) -> float:
        return self._kernel.confidence

    @property
    def ready(self) -> bool:
        return self._kernel.ready

    @property
    def outputs(self) -> dict[str, float]:
        if not self._kernel.ready:
            return {"gate": nan} if self.info.kind == "filter" else {}
        return dict(zip(self.gives, self._kernel.outputs, strict=True))

    def state(self) -> dict[str, Any]:
        kernel = self._kernel.state()
        return {**self._identity(), "kernel": kernel, "check": _check_of(kernel)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._check_state(state)
        kernel = state["kernel"]
        if not isinstance(kernel, bytes) or state["check"] != _check_of(kernel):
            raise FormulaError("the kernel of a state must be as state() returned it, was altered")
        try:
            self._kernel.restore(kernel)
        except ValueError as error:
            raise FormulaError(str(error)) from None
        self._seen = set(state["seen"])


class _Reporting(Formula):
    """A formula in Python: what it reported last stands until it reports again."""

    _parts: ClassVar[tuple[str, ...]] = ("own",)

    def reset(self) -> None:
        self._value, self._signal, self._confidence = nan, 0, 0.0
        self._ready = False
        self._outputs: dict[str, float] = {}
        self._seen.clear()
        self._begin()

    def _begin(self) -> None:
        """Set the state before the first observation; every attribute that changes later is set here."""

    def _report(self, value: float, signal: int = 0, confidence: float = 0.0, /, **outputs: float) -> None:
        """Say something, and be ready; `outputs` are all those of `gives`."""
        self._value, self._signal, self._confidence = float(value), int(signal), float(confidence)
        self._outputs = outputs
        self._ready = True

    def _withdraw(self) -> None:
        """Not be ready."""
        self._value, self._signal, self._confidence = nan, 0, 0.0
        self._outputs, self._ready = {}, False

    @property
    def value(self) -> float:
        return self._value

    @property
    def signal(self) -> int:
        return self._signal

    @property
    def confidence(self) -> float:
        return self._confidence

    @property
    def ready(self) -> bool:
        return self._ready

    @property
    def outputs(self) -> dict[str, float]:
        if not self._ready:
            return {"gate": nan} if self.info.kind == "filter" else {}
        return dict(self._outputs)

    def _own(self) -> dict[str, Any]:
        kept = ("_parameters", "_seen", "_series", "_shared", "_taken", *self._fixed())
        return {name: part for name, part in vars(self).items() if name not in kept}

    def _fixed(self) -> Sequence[str]:
        """Names of the attributes that `_prepare` sets, which no observation changes."""
        return ()

    def state(self) -> dict[str, Any]:
        return {**self._identity(), "own": deepcopy(self._own())}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._check_state(state)
        own = state["own"]
        if not isinstance(own, Mapping) or own.keys() != self._own().keys():
            raise FormulaError("a state must be what state() returns, was of other parts")
        vars(self).update(deepcopy(dict(own)))
        self._seen = set(state["seen"])

    def _record(self, rows: int, steps: "Callable[[Notes], None]") -> Batch:
        notes = Notes(self, rows)
        steps(notes)
        return notes.batch()


class Notes:
    """What a formula in Python said after each row."""

    def __init__(self, formula: _Reporting, rows: int) -> None:
        self._formula = formula
        self._value, self._confidence = np.full(rows, nan), np.zeros(rows)
        self._signal, self._ready = np.zeros(rows, np.int8), np.zeros(rows, bool)
        self._names = formula.gives
        self._outputs = np.full((len(self._names), rows), nan)

    def stands(self, begin: int, end: int) -> None:
        """Note for the rows from `begin` to before `end` what the formula says now."""
        formula = self._formula
        if begin >= end or not formula.ready:
            return
        rows = slice(begin, end)
        self._value[rows], self._signal[rows] = formula._value, formula._signal
        self._confidence[rows], self._ready[rows] = formula._confidence, True
        said = formula._outputs
        self._outputs[:, rows] = np.array([said[name] for name in self._names])[:, None]

    def batch(self) -> Batch:
        named = dict(zip(self._names, self._outputs, strict=True))
        info = self._formula.info
        return Batch(
            info.id,
            info.name,
            self._value,
            self._signal,
            self._confidence,
            self._ready,
            named,
            self._formula.unavailable,
        )


class StepFormula(_Reporting):
    """A formula in Python that takes one observation of its fields after another and keeps what it needs."""

    _last_ts: int

    def _observe(self, ts: int, x: Sequence[float]) -> None:
        """Take the fields of `reads` at a time (ns, never back), NaN where one is not there."""
        raise NotImplementedError

    def _valid(self, x: Sequence[float]) -> bool:
        """Whether an observation counts; one that does not moves nothing, the time neither."""
        return True

    def reset(self) -> None:
        self._last_ts = NO_TIME
        super().reset()

    def _take(self, ts: int, x: Sequence[float]) -> None:
        if not self._valid(x):
            return
        self._last_ts = max(ts, self._last_ts)
        self._observe(max(self._last_ts, 0) if self._last_ts == NO_TIME else self._last_ts, x)

    def update(self, observation: Observation | None = None, /, **fields: Any) -> None:
        row = fields if observation is None else row_of(observation, fields)
        ts, x = time_of(row), [field_of(row, name) for name in self.reads]
        if not self._ready:
            self._note(row)
            if self._timeless(ts):
                return
        self._take(ts, x)

    def _run(self, ts: NDArray[np.int64], columns: Columns, rows: int) -> Batch:
        given = np.column_stack(list(as_columns(self.reads, columns, rows).values())).tolist()

        def steps(notes: Notes) -> None:
            for i, (at, x) in enumerate(zip(ts.tolist(), given, strict=True)):
                self._take(at, x)
                notes.stands(i, i + 1)

        return self._record(rows, steps)


class SeriesFormula(_Reporting):
    """A formula in Python over windows of the observations that count, which it shares with others.

    It advances where every field of `reads` is there; of those of `holds` the last value stands.
    """

    _parts = ("own", "series")
    holds: ClassVar[tuple[str, ...]] = ()
    _series: Series

    @property
    def lookback(self) -> int:
        """Observations that its windows reach back."""
        raise NotImplementedError

    def _advance(self, s: Series) -> None:
        """Say what there is to say after one more observation."""
        raise NotImplementedError

    def reset(self) -> None:
        if vars(self).get("_shared"):
            raise FormulaError("a formula on a shared series must not be reset, as the others go on")
        self._series = Series(self.reads, self.holds, self.lookback + 1)
        self._shared = False
        super().reset()

    def attach(self, series: Series) -> None:
        """Look at a series that others look at too, from its first observation; its owner calls `advance`.

        Raises
        ------
        FormulaError
            If the series is of other fields, or has begun.
        """
        fields = (series.reads, series.holds) == (self.reads, self.holds)
        if not fields or series.count or self._series.count:
            raise FormulaError("a formula must be attached to a series of its own fields before it begins")
        self._series, self._shared = series, True

    def advance(self) -> None:
        """Take the newest observation of the series."""
        if self._library() is None:
            self._advance(self._series)

    def update(self, observation: Observation | None = None, /, **fields: Any) -> None:
        if self._shared:
            raise FormulaError("a formula on a shared series must be advanced by its owner, was updated")
        row = fields if observation is None else row_of(observation, fields)
        ts = time_of(row)
        x = {name: field_of(row, name) for name in (*self.reads, *self.holds)}
        if not self._ready:
            self._note(x)
        if self._series.feed(self._series.ts if ts == NO_TIME else ts, x):
            self.advance()

    def _run(self, ts: NDArray[np.int64], columns: Columns, rows: int) -> Batch:
        if self._shared:
            raise FormulaError("a formula on a shared series must be advanced by its owner, was run")
        if self._series.count:
            return self._run_on(ts, columns, rows)
        given = as_columns((*self.reads, *self.holds), columns, rows)
        series = ArraySeries(self.reads, self.holds, ts, given)
        private, self._series = self._series, series

        def steps(notes: Notes) -> None:
            for k, row in enumerate(series.rows.tolist()):
                series.advance()
                self._advance(series)
                end = int(series.rows[k + 1]) if k + 1 < len(series.rows) else rows
                notes.stands(row, end)

        try:
            return self._record(rows, steps)
        finally:
            self._series = private
            private.go_on(series)

    def _run_on(self, ts: NDArray[np.int64], columns: Columns, rows: int) -> Batch:
        """Go on from observations that have been seen one by one."""
        names = (*self.reads, *self.holds)
        given = as_columns(names, columns, rows)

        def steps(notes: Notes) -> None:
            for i in range(rows):
                at = {} if ts[i] == NO_TIME else {"ts": int(ts[i])}
                self.update({**at, **{name: float(given[name][i]) for name in names}})
                notes.stands(i, i + 1)

        return self._record(rows, steps)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "series": None if self._shared else self._series.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._check_state(state)
        if (state["series"] is None) != self._shared:
            raise FormulaError(
                "a state from a panel must go back through a panel, another to a formula that is in none, "
                f"was of a series {'shared' if state['series'] is None else 'of its own'}"
            )
        if not self._shared:
            self._series.check_state(state["series"])
        super().restore(state)
        if not self._shared:
            self._series.restore(state["series"])
