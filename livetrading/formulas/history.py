"""What formulas see: the observations of a market, held once, handed out as windows without a copy."""

from collections.abc import Iterable, Mapping
from math import isfinite, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.ring import MirroredRing
from livetrading.formulas.errors import FormulaError

__all__ = [
    "CHANNELS",
    "Columns",
    "MarketHistory",
    "Series",
    "channel_of",
    "columns_of_rows",
    "field_of",
    "log_returns",
]

Columns = Mapping[str, NDArray[Any]]
"""Columns by their name in the catalogue, all of one length."""
Observation = Mapping[str, Any]

CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "trade": ("price", "volume", "side"),
    "quote": ("bid", "ask", "bid_size", "ask_size"),
    "book": ("book.bids", "book.asks"),
    "bar": ("open", "high", "low", "close"),
    "chain": ("chain.",),
    "mempool": ("mempool.",),
    "flows": ("flows.",),
    "derivatives": ("derivatives.",),
    "cross": ("cross.",),
    "account": ("account.",),
    "sentiment": ("sentiment.",),
    "signals": ("signals.",),
}
"""Fields of each channel; what ends in a dot is what their names begin with."""

POSITIVE: Final = frozenset(("price", "bid", "ask", "open", "high", "low", "close"))
NOT_NEGATIVE: Final = frozenset(("volume", "bid_size", "ask_size"))


def channel_of(field: str) -> str:
    """Return the channel that a field belongs to.

    Raises
    ------
    FormulaError
        If it belongs to none.
    """
    for channel, fields in CHANNELS.items():
        if field in fields or any(name.endswith(".") and field.startswith(name) for name in fields):
            return channel
    raise FormulaError(f"a field must belong to a channel of the catalogue, was {field!r}")


def field_of(observation: Observation, field: str) -> float:
    """Return a field of one observation, NaN where it is not there; a bar's close stands for a price."""
    value = observation.get(field)
    if value is None and field == "price":
        value = observation.get("close")
    if value is None and field.startswith("cross."):
        row = observation.get("cross.prices")
        column = int(field[6:])
        value = row[column] if row is not None and column < len(row) else None
    return nan if value is None else float(value)


def valid(field: str, value: float) -> bool:
    """Whether a value can be an observation of its field."""
    if field == "side":
        return True
    if field in POSITIVE or field.startswith("cross."):
        return isfinite(value) and value > 0.0
    if field in NOT_NEGATIVE:
        return isfinite(value) and value >= 0.0
    return isfinite(value)


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

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that a series of equal fields gave."""
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
            counts &= _all_valid(name, whole[name])
        for name in holds:
            whole[name] = _forward(np.asarray(columns[name], np.float64), name)
            counts &= ~np.isnan(whole[name])
        self.rows = np.flatnonzero(counts)
        # of the observations that count, as `feed` has it, none is earlier than the one before
        self._ns = np.maximum.accumulate(ts[self.rows]) if len(self.rows) else ts[:0]
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


def _all_valid(field: str, column: NDArray[np.float64]) -> NDArray[np.bool_]:
    if field == "side":
        return np.ones(len(column), bool)
    finite = np.isfinite(column)
    with np.errstate(invalid="ignore"):
        if field in POSITIVE or field.startswith("cross."):
            return finite & (column > 0.0)
        if field in NOT_NEGATIVE:
            return finite & (column >= 0.0)
    return finite


def _forward(column: NDArray[np.float64], field: str) -> NDArray[np.float64]:
    """The last valid value at every row, NaN before the first."""
    good = _all_valid(field, column)
    source = np.maximum.accumulate(np.where(good, np.arange(len(column)), -1))
    held = np.full(len(column), nan)
    held[source >= 0] = column[source[source >= 0]]
    return held


def columns_of_rows(columns: Columns) -> dict[str, NDArray[Any]]:
    """Return columns with `cross.prices` spelt out and a bar's close standing for a price that is not there.

    Raises
    ------
    FormulaError
        If the columns differ in length or have a shape that no column has.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        values = np.asarray(column)
        if name == "cross.prices" and values.ndim == 2:
            found.update({f"cross.{k}": values[:, k] for k in range(values.shape[1])})
        else:
            found[name] = values
    lengths = {name: len(column) for name, column in found.items() if column.ndim}
    if len(set(lengths.values())) > 1 or len(lengths) < len(found):
        said = ", ".join(f"{name} {np.shape(column)}" for name, column in found.items())
        raise FormulaError(f"the columns must be of one length, were of the shapes {said}")
    if "price" not in found and "close" in found:
        found["price"] = found["close"]
    return found


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
        if not 1 <= capacity <= 1 << 24:
            raise FormulaError(f"capacity must be from 1 to {1 << 24}, was {capacity}")
        self.capacity = capacity
        self.rows = 0
        """Rows appended so far."""
        self._ts = 0
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
        key = (reads, holds)
        if key not in self._series:
            if self.rows:
                raise FormulaError(
                    f"a series must be asked for before the first row, was asked for after {self.rows}"
                )
            self._series[key] = Series(reads, holds, self.capacity)
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
            If a field belongs to no channel.
        """
        ts = observation.get("ts")
        self._ts = self._ts if ts is None else max(int(ts), self._ts) if self.rows else int(ts)
        row = _flat(observation)
        for name in row.keys() - self._rings.keys():
            self._open(name)
        for name, ring in self._rings.items():
            ring.push(row.get(name, nan))
        self.rows += 1
        return [series for series in self._series.values() if series.feed(self._ts, observation)]

    def extend(self, columns: Columns) -> None:
        """Append rows by column; as `append`, one after another."""
        columns = columns_of_rows(columns)
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
        if not 0 <= n <= held:
            raise FormulaError(f"n must be from 0 to {held}, was {n}")
        begin = self._rings[field].begin(n)
        return self._slots[field][begin : begin + n]

    def _open(self, name: str) -> None:
        channel_of(name)
        self._rings[name] = ring = MirroredRing(self.capacity)
        self._slots[name] = np.frombuffer(memoryview(ring), np.float64)
        ring.extend(np.full(min(self.rows, ring.capacity), nan))

    def state(self) -> dict[str, Any]:
        """Return all that it remembers."""
        held = {name: self._tail(name) for name in self._rings}
        series = {key: one.state() for key, one in self._series.items()}
        return {"rows": self.rows, "ts": self._ts, "columns": held, "series": series}

    def _tail(self, name: str) -> NDArray[np.float64]:
        return self.window(name, min(self.rows, self.capacity)).copy()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a history of equal capacity, whose series have been asked for here too."""
        self.rows, self._ts = 0, state["ts"]
        self._rings.clear()
        for name, column in state["columns"].items():
            self._open(name)
            self._rings[name].extend(np.ascontiguousarray(column))
        self.rows = state["rows"]
        for key, one in self._series.items():
            one.restore(state["series"][key])


def _flat(observation: Observation) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, value in observation.items():
        if name == "cross.prices":
            row.update({f"cross.{k}": float(one) for k, one in enumerate(value)})
        elif name == "ts":
            continue  # ns exceed what a float64 tells apart
        elif value is not None and np.ndim(value) == 0:
            row[name] = float(value)
    return row


def as_columns(names: Iterable[str], columns: Columns, rows: int) -> dict[str, NDArray[np.float64]]:
    """Return the named columns as contiguous float64, NaN throughout where one is not there."""
    return {
        name: np.ascontiguousarray(columns[name], np.float64) if name in columns else np.full(rows, nan)
        for name in names
    }
