"""What formulas see: the observations of a market, held once, handed out as windows without a copy."""

from collections.abc import Mapping
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.core.ring import MirroredRing
from livetrading.formulas.channels import (
    NO_TIME,
    Columns,
    Observation,
    channel_of,
    field_of,
    fields_of,
    time_of,
    valid,
    whole,
)
from livetrading.formulas.columns import all_valid, carried_on, columns_of_market
from livetrading.formulas.errors import FormulaError

__all__ = ["ArraySeries", "MarketHistory", "Series", "log_returns"]


class Series:
    """The observations that some formulas advance on, as columns without holes.

    An observation counts where every field of `reads` is valid (a price finite and above 0, a size finite and
    not negative, a side anything: one that is not finite reads 0) and every field of `holds` has been valid
    once; of those the last valid value stands. Beside the fields there are the columns `elapsed`, s since the
    first observation, and `dt`, s since the one before (NaN with the first), both from whole nanoseconds; and
    where a price is read `log_price`, and `r`, the log return since the observation before, NaN with the
    first (`log_returns`).

    Parameters
    ----------
    reads, holds : tuple of str
        Fields of the catalogue.
    capacity : int
        Observations to remember.
    """

    def __init__(self, reads: tuple[str, ...], holds: tuple[str, ...], capacity: int) -> None:
        self.reads, self.holds = reads, holds
        self.count = 0
        self.ts = 0
        """Time of the last observation, ns since the Unix epoch."""
        self._held = dict.fromkeys(holds, nan)
        self._rings: dict[str, MirroredRing] = {}
        self._slots: dict[str, NDArray[np.float64]] = {}
        self._first = 0
        for name in ("elapsed", "dt", *reads, *holds, *(("log_price", "r") if "price" in reads else ())):
            self._rings[name] = ring = MirroredRing(capacity)
            self._slots[name] = np.frombuffer(memoryview(ring), np.float64)

    def feed(self, ts: int, observation: Observation) -> bool:
        """Take one observation; return whether it counts."""
        for name in self.holds:
            value = field_of(observation, name)
            if valid(name, value):
                self._held[name] = value
        row = {name: field_of(observation, name) for name in self.reads}
        if not all(valid(name, value) for name, value in row.items()):
            return False
        row.update(self._held)
        if not all(valid(name, value) for name, value in self._held.items()):
            return False
        self._push(ts, row)
        return True

    def _push(self, ts: int, row: dict[str, float]) -> None:
        before_ts, self.ts = self.ts, max(ts, self.ts) if self.count else ts
        self._first = self._first if self.count else self.ts
        row["elapsed"] = (self.ts - self._first) * 1e-9
        row["dt"] = (self.ts - before_ts) * 1e-9 if self.count else nan
        if "side" in row and not isfinite(row["side"]):
            row["side"] = 0.0
        if "log_price" in self._rings:
            row["log_price"] = float(np.log(row["price"]))
            row["r"] = row["log_price"] - float(self.last("log_price", 1)[0]) if self.count else nan
        for name, ring in self._rings.items():
            ring.push(row[name])
        self.count += 1

    @property
    def m(self) -> int:
        """Returns seen so far."""
        return self.count - 1

    def last(self, name: str, n: int) -> NDArray[np.float64]:
        """Return the last `n` values of a column, oldest first: a view that the next ones overwrite."""
        ring = self._rings[name]
        begin = ring.begin(n)
        return self._slots[name][begin : begin + n]

    def go_on(self, series: "ArraySeries") -> None:
        """Be, fresh as it is, where a series of known observations has got to."""
        for name, ring in self._rings.items():
            ring.extend(np.ascontiguousarray(series.last(name, min(series.count, ring.capacity))))
        self.count, self.ts, self._first = series.count, series.ts, series.first
        self._held = {name: float(series.last(name, 1)[0]) for name in self.holds if series.count}

    def state(self) -> dict[str, Any]:
        """Return all that it remembers."""
        held = {name: self.last(name, len(ring)).copy() for name, ring in self._rings.items()}
        return {
            "count": self.count,
            "ts": self.ts,
            "first": self._first,
            "held": dict(self._held),
            "columns": held,
        }

    def check_state(self, state: Any) -> None:
        """Refuse what no series of equal fields gave.

        Raises
        ------
        FormulaError
            If the state is none of theirs.
        """
        rule = f"the state of a series must be of {', '.join(self._rings)}"
        columns = state.get("columns") if isinstance(state, Mapping) else None
        if not isinstance(columns, Mapping) or columns.keys() != self._rings.keys():
            raise FormulaError(f"{rule}, was {state!r:.99}")
        numbers = [state.get(name) for name in ("count", "ts", "first")]
        held, lengths = state.get("held"), {np.shape(column) for column in columns.values()}
        if not all(type(one) is int for one in numbers) or not isinstance(held, Mapping):
            raise FormulaError(f"{rule}, with count, ts, first and held, was {state!r:.99}")
        sound = all(getattr(column, "dtype", None) == np.float64 for column in columns.values())
        wanted = {(min(numbers[0], ring.capacity),) for ring in self._rings.values()}
        if not sound or lengths != wanted or held.keys() != self._held.keys():
            raise FormulaError(f"{rule}, each of as many float64 as it held, was of {lengths}")

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that a series of equal fields gave.

        Raises
        ------
        FormulaError
            If the state is none of theirs.
        """
        self.check_state(state)
        for name, ring in self._rings.items():
            fresh = MirroredRing(ring.capacity)
            fresh.extend(np.ascontiguousarray(state["columns"][name]))
            self._rings[name] = fresh
            self._slots[name] = np.frombuffer(memoryview(fresh), np.float64)
        self.count, self.ts, self._first = state["count"], state["ts"], state["first"]
        self._held = dict(state["held"])


class ArraySeries(Series):
    """A series whose observations are known beforehand; `advance` goes on by one.

    Attributes
    ----------
    rows : ndarray of int64
        Of the columns, those that count.
    """

    def __init__(
        self, reads: tuple[str, ...], holds: tuple[str, ...], ts: NDArray[np.int64], columns: Columns
    ) -> None:
        self.reads, self.holds = reads, holds
        counts = np.ones(len(ts), bool)
        whole: dict[str, NDArray[np.float64]] = {}
        for name in reads:
            whole[name] = np.asarray(columns[name], np.float64)
            counts &= all_valid(name, whole[name])
        for name in holds:
            whole[name] = carried_on(np.asarray(columns[name], np.float64), name)
            counts &= ~np.isnan(whole[name])
        self.rows = np.flatnonzero(counts)
        # of the observations that count, as `feed` has it, none is earlier than the one before
        ns = ts[self.rows]
        ns[:1][ns[:1] == NO_TIME] = 0
        self._ns = np.maximum.accumulate(ns)
        self._whole = {name: np.ascontiguousarray(column[self.rows]) for name, column in whole.items()}
        if "side" in self._whole:
            self._whole["side"][~np.isfinite(self._whole["side"])] = 0.0
        first = self._ns[:1]
        self.first = int(first[0]) if len(first) else 0
        self._whole["elapsed"] = np.multiply(self._ns - self.first, 1e-9, dtype=np.float64)
        self._whole["dt"] = np.multiply(np.diff(self._ns, prepend=first), 1e-9, dtype=np.float64)
        self._whole["dt"][:1] = nan
        if "price" in reads:
            price = self._whole["price"]
            self._whole["log_price"] = np.log(price)
            self._whole["r"] = np.full(len(price), nan)
            self._whole["r"][1:] = log_returns(price)
        for column in self._whole.values():
            column.flags.writeable = False
        self.count = 0
        self.ts = 0

    def advance(self) -> None:
        """Let the next observation be the last."""
        self.ts = int(self._ns[self.count])
        self.count += 1

    def last(self, name: str, n: int) -> NDArray[np.float64]:
        return self._whole[name][self.count - n : self.count]


def log_returns(price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the differences of numpy's logs, one fewer than there are prices.

    The golden numbers are made of these. A likelihood that is flat near its maximum makes whole digits of
    their last bits, so that a fit of ln(p_t / p_{t-1}), which is rounded otherwise, is another fit there.
    """
    r: NDArray[np.float64] = np.diff(np.log(price))
    return r


class MarketHistory:
    """The rows of a market, held once for every formula that looks at them.

    Parameters
    ----------
    capacity : int
        Rows to remember, 1 to 2^24.

    Raises
    ------
    FormulaError
        If `capacity` is outside its range.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self.capacity = whole("capacity", capacity, 1, 1 << 24)
        self.rows = 0
        """Rows appended so far."""
        self._rings: dict[str, MirroredRing] = {}
        self._slots: dict[str, NDArray[np.float64]] = {}
        self._series: dict[tuple[tuple[str, ...], tuple[str, ...]], Series] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the columns that have been seen."""
        return tuple(self._rings)

    def series(self, reads: tuple[str, ...], holds: tuple[str, ...] = ()) -> Series:
        """Return the series of these fields, the same one every time.

        Raises
        ------
        FormulaError
            If it is asked for first when rows have gone by that it would have needed.
        """
        key = (tuple(reads), tuple(holds))
        for field in (*key[0], *key[1]):
            channel_of(field)
        if key not in self._series:
            if self.rows:
                raise FormulaError(
                    f"a series must be asked for before the first row, was asked for after {self.rows}"
                )
            self._series[key] = Series(*key, self.capacity)
        return self._series[key]

    def append(self, observation: Observation) -> list[Series]:
        """Append one row; return the series for which it counts.

        Parameters
        ----------
        observation : mapping of str to float
            By the catalogue's column names; `ts` in ns since the Unix epoch.

        Raises
        ------
        FormulaError
            If a field belongs to no channel or is no number, or the time is none; then nothing has moved.
        """
        if not isinstance(observation, Mapping):
            raise FormulaError(f"an observation must be a mapping, was {observation!r:.99}")
        ts = time_of(observation)
        row = fields_of(observation)
        new = row.keys() - self._rings.keys()
        for name in new:
            channel_of(name)
        for name in new:
            self._open(name)
        for name, ring in self._rings.items():
            ring.push(row.get(name, nan))
        self.rows += 1
        return [
            series for series in self._series.values() if series.feed(series.ts if ts == NO_TIME else ts, row)
        ]

    def extend(self, columns: Columns) -> None:
        """Append rows by column; as `append`, one after another."""
        columns = columns_of_market(columns)
        names = list(columns)
        for row in zip(*columns.values(), strict=True):
            self.append(dict(zip(names, row, strict=True)))

    def window(self, field: str, n: int) -> NDArray[np.float64]:
        """Return the last `n` rows of a field, NaN where it was not there: a read-only view, not a copy.

        Raises
        ------
        FormulaError
            If the field has not been seen, or `n` rows are not held.
        """
        if field not in self._rings:
            raise FormulaError(f"field must be one of {', '.join(self._rings) or 'none yet'}, was {field!r}")
        held = min(self.rows, self.capacity)
        n = whole("n", n, 0, held)
        begin = self._rings[field].begin(n)
        return self._slots[field][begin : begin + n]

    def _open(self, name: str) -> None:
        self._rings[name] = ring = MirroredRing(self.capacity)
        self._slots[name] = np.frombuffer(memoryview(ring), np.float64)
        ring.extend(np.full(min(self.rows, ring.capacity), nan))

    def state(self) -> dict[str, Any]:
        """Return all that it remembers."""
        held = {name: self._tail(name) for name in self._rings}
        series = {key: one.state() for key, one in self._series.items()}
        return {"rows": self.rows, "columns": held, "series": series}

    def check_state(self, state: Any) -> None:
        """Refuse what no history of equal capacity and series gave.

        Raises
        ------
        FormulaError
            If the state is none of theirs.
        """
        columns, series, rows = (
            state.get(name) if isinstance(state, Mapping) else None for name in ("columns", "series", "rows")
        )
        if not isinstance(columns, Mapping) or not isinstance(series, Mapping) or type(rows) is not int:
            raise FormulaError(f"a history's state must have rows, columns and series, was {state!r:.99}")
        if series.keys() != self._series.keys():
            raise FormulaError(f"a state must be of the series {list(self._series)}, was of {list(series)}")
        held = min(rows, self.capacity)
        for name, column in columns.items():
            channel_of(name)
            if np.shape(column) != (held,) or getattr(column, "dtype", None) != np.float64:
                raise FormulaError(f"a state must hold {held} float64 of {name}, was {np.shape(column)}")
        for key, one in self._series.items():
            one.check_state(series[key])

    def _tail(self, name: str) -> NDArray[np.float64]:
        return self.window(name, min(self.rows, self.capacity)).copy()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a history of equal capacity, whose series have been asked for here too.

        Raises
        ------
        FormulaError
            If the state is none of such a history.
        """
        self.check_state(state)
        self.rows = 0
        self._rings.clear()
        for name, column in state["columns"].items():
            self._open(name)
            self._rings[name].extend(np.ascontiguousarray(column))
        self.rows = state["rows"]
        for key, one in self._series.items():
            one.restore(state["series"][key])
