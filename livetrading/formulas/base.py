"""What every formula is: parameters, observations in, an estimate out, a state that can be saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.channels import (
    NO_TIME,
    Columns,
    Observation,
    channel_of,
    field_of,
    time_of,
)
from livetrading.formulas.errors import FormulaError, Unavailable
from livetrading.formulas.libraries import installed
from livetrading.formulas.parameters import Whole, set_parameters
from livetrading.formulas.tables import columns_of

__all__ = ["Batch", "Formula", "FormulaInfo", "Kind", "Phase", "Schedule", "row_of"]

Kind = Literal["signal", "filter", "estimator", "sizer", "cost", "exit", "meta"]


@dataclass(frozen=True, slots=True)
class FormulaInfo:
    """What the registry knows of a formula.

    Attributes
    ----------
    id : int
        1 to 411.
    name : str
        The class's own name.
    category : str
        The module it lives in.
    kind : {"signal", "filter", "estimator", "sizer", "cost", "exit", "meta"}
        How to read `signal`.
    inputs : tuple of str
        Channels; the first drives.
    cost : {"O1", "W", "F"}
        Constant work, work by the window, or a model refitted now and then.
    unit : str
        Of `value`.
    low, high : float
        Between which `value` lies.
    reference : str
        Author, year, venue.
    library : str or None
        An optional package without which the formula is unavailable.
    extra : str or None
        The extra of this project that brings it.
    """

    id: int
    name: str
    category: str
    kind: Kind
    inputs: tuple[str, ...]
    cost: Literal["O1", "W", "F"]
    unit: str
    low: float
    high: float
    reference: str
    library: str | None
    extra: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Batch:
    """What a formula said after each of N rows.

    Attributes
    ----------
    id : int
    name : str
    value : ndarray of float64, shape (N,)
        NaN where not ready.
    signal : ndarray of int8, shape (N,)
    confidence : ndarray of float64, shape (N,)
    ready : ndarray of bool, shape (N,)
    outputs : mapping of str to ndarray of float64, shape (N,)
        NaN where not ready.
    unavailable : Unavailable or None
        Why no row is ready, where that is so for want of a channel or a library.
    """

    id: int
    name: str
    value: NDArray[np.float64]
    signal: NDArray[np.int8]
    confidence: NDArray[np.float64]
    ready: NDArray[np.bool_]
    outputs: Mapping[str, NDArray[np.float64]]
    unavailable: Unavailable | None

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        ready = int(np.count_nonzero(self.ready))
        last = f", last value {self.value[-1]:g}, signal {self.signal[-1]}" if self.ready[-1:].any() else ""
        names = f", outputs {', '.join(self.outputs)}" if self.outputs else ""
        why = "" if self.unavailable is None else f": {self.unavailable}"
        return f"<Batch {self.id} {self.name}: {ready} of {len(self)} rows ready{last}{names}{why}>"

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return all of it by column, as a table takes it: ``pandas.DataFrame(batch.columns())``."""
        said: dict[str, NDArray[Any]] = {"value": self.value, "signal": self.signal}
        return {**said, "confidence": self.confidence, "ready": self.ready, **self.outputs}


class Schedule:
    """When a model is fitted: first at `first` observations, then every `every`-th one, `phase` later.

    `phase` is below `every`; 0 is the definition of the rows. It spreads the fits of many formulas over the
    observations, and leaves the first fit where it is.
    """

    def __init__(self, first: int, every: int, phase: int = 0) -> None:
        if not 0 <= phase < every:
            raise FormulaError(f"phase must be a whole number from 0 to {every - 1}, was {phase}")
        self.first, self.every, self.phase = first, every, phase

    def due(self, count: int) -> bool:
        """Whether the fit is due at the `count`-th observation."""
        since = count - self.first
        return since == 0 or (since > self.phase and (since - self.phase) % self.every == 0)


class Formula:
    """A formula: parameters by name, `update` with one observation after another, and what it says.

    Parameters
    ----------
    **parameters
        As the class declares them; `parameters_of(class)` lists them.

    Raises
    ------
    FormulaError
        If a parameter is unknown or outside its range.
    """

    info: ClassVar[FormulaInfo]
    reads: ClassVar[tuple[str, ...]] = ("price",)
    """Fields it looks at, those that drive it first."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Fields without which it is never ready; `reads` but `side`, which may be unknown, unless given."""
    timed: bool = False
    """Whether `ts` is one of them: without a time no time has passed, and that would be made up."""
    _parts: ClassVar[tuple[str, ...]] = ()
    """Of a state, beside what it is of."""

    def __init__(self, **parameters: Any) -> None:
        set_parameters(self, parameters)
        self._seen: set[str] = set()
        self._taken = False
        self._prepare()
        self.reset()

    def _prepare(self) -> None:
        """Check parameters against each other and work out what follows from them."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was made with."""
        return dict(self.__dict__["_parameters"])

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        if self.ready:
            said = f"value {self.value:g}, signal {self.signal}, confidence {self.confidence:.3g}"
        else:
            why = self.unavailable
            said = "not ready" if why is None else f"not ready, {why}"
        return f"<{self.info.id} {type(self).__name__}({given}): {said}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._taken:
            raise FormulaError("a formula of a panel must be saved with it, by the panel's state()")
        return _revived, (type(self), self.parameters, self.state())

    @property
    def gives(self) -> tuple[str, ...]:
        """Names of its outputs."""
        return ()

    @property
    def warm_up(self) -> int | None:
        """Observations that count from which on it is ready; None where that is up to what they hold."""
        return None

    @property
    def value(self) -> float:
        """The primary quantity; NaN before `ready`."""
        raise NotImplementedError

    @property
    def signal(self) -> int:
        """-1, 0 or 1, as the kind says; 0 before `ready`."""
        raise NotImplementedError

    @property
    def confidence(self) -> float:
        """How far the evidence goes, 0 to 1; 0 before `ready`."""
        raise NotImplementedError

    @property
    def ready(self) -> bool:
        """Whether enough has been seen, on every channel."""
        raise NotImplementedError

    @property
    def outputs(self) -> dict[str, float]:
        """The other quantities by name; empty before `ready`, but for the gate of a filter, which is NaN."""
        raise NotImplementedError

    @property
    def begun(self) -> bool:
        """Whether it has seen a channel that it reads."""
        return bool(self._seen - {"ts"}) or self.ready

    def take(self) -> None:
        """Belong to a panel from now on.

        Raises
        ------
        FormulaError
            If it belongs to one, or has begun.
        """
        self.check_new()
        self._taken = True

    def check_new(self) -> None:
        """Refuse to belong to another panel, or to one that it has begun before.

        Raises
        ------
        FormulaError
            If it belongs to one, or has begun.
        """
        if self._taken or self.begun:
            state = "in a panel" if self._taken else "ready" if self.ready else "begun"
            raise FormulaError(f"a formula must be new to its panel, was {state}: {self.info.id}")

    @property
    def unavailable(self) -> Unavailable | None:
        """Why it is not ready, where a channel has not been seen yet or a library is missing; else None."""
        missing = self._library()
        return missing if missing is not None or self.ready else self._missing()

    def _needed(self) -> tuple[str, ...]:
        fields = self.needs or tuple(field for field in self.reads if field != "side")
        return (*fields, "ts") if self.timed else fields

    def _missing(self) -> Unavailable | None:
        """Say which channels are missing with the fields that have not been seen."""
        fields = [field for field in self._needed() if field not in self._seen]
        if not fields:
            return None
        named = (self.info.inputs[0] if field == "ts" else channel_of(field) for field in fields)
        channels = tuple(dict.fromkeys(named))
        return Unavailable("channel", channels, f"give it a source that carries {', '.join(fields)}")

    def _library(self) -> Unavailable | None:
        name = self.info.library
        if name is None or installed(name):
            return None
        return Unavailable("library", (name,), f"pip install 'livetrading[{self.info.extra}]'")

    def _note(self, observation: Observation) -> None:
        """Remember which fields have been seen, while that can matter."""
        for field in self._needed():
            if field in self._seen:
                continue
            there = (
                time_of(observation) != NO_TIME if field == "ts" else not isnan(field_of(observation, field))
            )
            if there:
                self._seen.add(field)

    def _timeless(self, ts: int) -> bool:
        """Whether an observation cannot count, as no time has been seen yet and it has none."""
        return ts == NO_TIME and self.timed and "ts" not in self._seen

    def update(self, observation: Observation | None = None, /, **fields: Any) -> None:
        """Take one observation.

        Parameters
        ----------
        observation : mapping of str to number, optional
            By the catalogue's column names; what is absent or NaN is not in it. `ts` in ns since the Unix
            epoch. ``cross.prices`` may be a sequence.
        **fields
            The same, for names that are identifiers.

        Raises
        ------
        FormulaError
            If a field it reads is no number, or the time is not whole ns within 2^62 of the Unix epoch; then
            nothing has moved.
        """
        raise NotImplementedError

    def reset(self) -> None:
        """Forget every observation."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return all that it remembers, independent of the formula that goes on."""
        raise NotImplementedError

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a formula of the same class and parameters.

        Raises
        ------
        FormulaError
            If the state is of another class or other parameters.
        """
        raise NotImplementedError

    def _check_state(self, state: Mapping[str, Any]) -> None:
        if not isinstance(state, Mapping):
            raise FormulaError(f"a state must be what state() returns, was {state!r:.99}")
        # by what they look like, as NaN differs from itself
        was = (state.get("id"), state.get("parameters"))
        if repr(was) != repr((self.info.id, self.parameters)):
            raise FormulaError(
                f"a state must be of formula {self.info.id} with {self.parameters}, was of {was[0]!r:.99} "
                f"with {was[1]!r:.999}"
            )
        missing = [name for name in ("seen", *self._parts) if name not in state]
        if missing or not isinstance(state["seen"], set | frozenset):
            raise FormulaError(f"a state must be what state() returns, was without {missing or 'a set seen'}")

    def _identity(self) -> dict[str, Any]:
        return {"id": self.info.id, "parameters": self.parameters, "seen": set(self._seen)}

    def run(self, columns: Any) -> Batch:
        """Take rows by column after what it has seen, and return what it says after each.

        Parameters
        ----------
        columns : mapping of str to array, table, or path
            As `livetrading.formulas.registry.run` takes them.

        Raises
        ------
        FormulaError
            If the columns do not fit; then nothing has moved.
        """
        columns = columns_of(columns)
        rows = len(next(iter(columns.values()))) if columns else 0
        missing = self._library()
        if missing is not None:
            return _nothing(self, rows, missing)
        given = columns.get("ts")
        ts = np.full(rows, NO_TIME) if given is None else np.ascontiguousarray(given)
        columns = self._from_first_time(ts, columns)
        self._seen.update(field for field in self._needed() if _carries(columns, field))
        missing = self._missing()
        if self.timed and "ts" not in self._seen:
            return _nothing(self, rows, missing)
        said = self._run(ts, columns, rows)  # also where it says nothing: later rows may bring the rest
        return said if missing is None else _nothing(self, rows, missing)

    def _from_first_time(self, ts: NDArray[np.int64], columns: Columns) -> Columns:
        """Return the columns without the observations that cannot count for want of a time."""
        early = len(ts) if (ts == NO_TIME).all() else int(np.argmax(ts != NO_TIME))
        if not early or early == len(ts) or not self._timeless(NO_TIME):
            return columns
        cut = {name: columns[name].copy() for name in self.reads if name in columns}
        for column in cut.values():
            column[:early] = nan
        return {**columns, **cut}

    def _run(self, ts: NDArray[np.int64], columns: Columns, rows: int) -> Batch:
        raise NotImplementedError


def _carries(columns: Columns, field: str) -> bool:
    if field not in columns:
        return False
    if field == "ts":
        return bool(np.any(columns["ts"] != NO_TIME))
    return not np.all(np.isnan(columns[field]))


def row_of(observation: Observation, fields: Mapping[str, Any]) -> Observation:
    """Return an observation with further fields by name.

    Raises
    ------
    FormulaError
        If it is no mapping.
    """
    if not isinstance(observation, Mapping):
        raise FormulaError(f"an observation must be a mapping of names to numbers, was {observation!r:.99}")
    return {**observation, **fields} if fields else observation


def _nothing(formula: Formula, rows: int, reason: Unavailable | None) -> Batch:
    outputs = {name: np.full(rows, nan) for name in formula.gives}
    quiet = np.zeros(rows, np.int8), np.zeros(rows), np.zeros(rows, bool)
    return Batch(formula.info.id, formula.info.name, np.full(rows, nan), *quiet, outputs, reason)


def _revived(formula: type[Formula], parameters: Mapping[str, Any], state: Mapping[str, Any]) -> Formula:
    made = formula(**parameters)
    made.restore(state)
    return made


class Phase(Whole):
    """By how much the fits after the first come late, counted as the schedule's interval is and below it."""

    def __init__(self) -> None:
        super().__init__(
            0, "by how much fits after the first come later, counted as their interval is and below it", low=0
        )
