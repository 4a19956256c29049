"""What formulas see: the observations of a market, held once, handed out as windows without a copy."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, isnan, nan
from operator import index
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.ring import MirroredRing
from livetrading.formulas.errors import FormulaError

__all__ = [
    "CHANNELS",
    "NO_TIME",
    "Columns",
    "MarketHistory",
    "Series",
    "channel_of",
    "columns_of_market",
    "columns_of_rows",
    "field_of",
    "is_field",
    "log_returns",
    "number_of",
    "prices_of",
    "time_of",
    "whole",
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
TABLES: Final = frozenset(("book.bids", "book.asks", "signals.signal", "signals.confidence", "signals.id"))
"""Fields that hold more than one number a row, which no series takes."""
NO_TIME: Final = -(2**63)
"""Stands for a time that an observation does not give."""
TIME_LIMIT: Final = 2**62
"""ns within which a time lies, so that the difference of any two fits into 64 bits."""


def channel_of(field: str) -> str:
    """Return the channel that a field belongs to.

    Raises
    ------
    FormulaError
        If it belongs to none.
    """
    for channel, fields in CHANNELS.items() if isinstance(field, str) else ():
        if field in fields or any(name.endswith(".") and field.startswith(name) for name in fields):
            return channel
    raise FormulaError(f"a field must belong to a channel of the catalogue, was {field!r}")


def is_field(name: str) -> bool:
    """Whether a name is `ts`, `cross.prices` or a field of the catalogue."""
    if name in ("ts", "cross.prices"):
        return True
    try:
        channel_of(name)
    except FormulaError:
        return False
    return True


def field_of(observation: Observation, field: str) -> float:
    """Return a field of one observation, NaN where it is not there; a bar's close stands for a price.

    Raises
    ------
    FormulaError
        If it is no number.
    """
    value = observation.get(field)
    if type(value) is float:
        return value
    if value is None and field == "price":
        value = observation.get("close")
    if value is None and field.startswith("cross."):
        row = prices_of(observation)
        column = int(field[6:])
        value = row[column] if column < len(row) else None
    return number_of(field, value)


def prices_of(observation: Observation) -> Sequence[Any]:
    """Return the `cross.prices` of one observation, none where they are not there.

    Raises
    ------
    FormulaError
        If they are no sequence.
    """
    row = observation.get("cross.prices")
    if row is None:
        return ()
    if isinstance(row, list | tuple):
        return row
    whole = np.asarray(row)
    if whole.ndim != 1:
        raise FormulaError(f"cross.prices must be a sequence of numbers, was {row!r:.99}")
    return whole.tolist()  # type: ignore[no-any-return]


def number_of(field: str, value: Any) -> float:
    """Return what stands for a field as a float, NaN for None.

    Raises
    ------
    FormulaError
        If it is no number.
    """
    if value is None:
        return nan
    try:
        if isinstance(value, str | bytes | bool | np.bool_) or np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise FormulaError(f"{field} must be a number, was {value!r:.99}") from None


def time_of(observation: Observation) -> int:
    """Return the time of one observation, `NO_TIME` where it gives none.

    Raises
    ------
    FormulaError
        If it is no whole number of ns, or outside 2^62 of them about the Unix epoch (1823 to 2116).
    """
    ts = observation.get("ts")
    number = ts if type(ts) is int else NO_TIME if ts is None else _whole_time(ts)
    if -TIME_LIMIT <= number <= TIME_LIMIT or number == NO_TIME:
        return number
    raise _refused_time(number)


def _whole_time(ts: Any) -> int:
    if isinstance(ts, float | np.floating):
        number = float(ts)
        if isnan(number):
            return NO_TIME
        if abs(number) <= TIME_LIMIT and number.is_integer():
            return int(number)
    elif not isinstance(ts, bool):
        try:
            return index(ts)
        except TypeError:
            pass
    raise _refused_time(ts)


def _refused_time(ts: Any) -> FormulaError:
    return FormulaError(
        f"ts must be whole ns since the Unix epoch, from -2^62 to 2^62 (or NaN for none), was {ts!r:.99}"
    )


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
            counts &= _all_valid(name, whole[name])
        for name in holds:
            whole[name] = _forward(np.asarray(columns[name], np.float64), name)
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
    """Return the columns that the catalogue names: `ts` as int64, the fields as float64, a row an element.

    `cross.prices` is spelt out, a bar's close stands for a price that is not there, and other columns are
    left alone. A time that is not there (NaN, NaT) becomes `NO_TIME`, a masked number NaN.

    Raises
    ------
    FormulaError
        If a column is not of numbers, a time not whole ns or outside its range, or the columns differ in
        length or have a shape that no column has.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        if not isinstance(name, str) or not is_field(name):
            continue
        if name == "ts":
            found[name] = _times(column)
        elif name == "cross.prices":
            found.update(_spelt_out(column, columns))
        elif name in TABLES:
            found[name] = _table(name, column)
        else:
            found[name] = _numbers(name, column)
    found.pop("signals.id", None)
    lengths = {name: len(column) for name, column in found.items() if column.ndim}
    flat = all(column.ndim == 1 or name in TABLES for name, column in found.items())
    if len(set(lengths.values())) > 1 or len(lengths) < len(found) or not flat:
        said = ", ".join(f"{name} {np.shape(column)}" for name, column in found.items())
        raise FormulaError(f"the columns must be of one length, were of the shapes {said:.500}")
    if "price" not in found and "close" in found:
        found["price"] = found["close"]
    return found


def columns_of_market(columns: Columns) -> dict[str, NDArray[Any]]:
    """Return columns as `columns_of_rows` does, where all of them are to be the catalogue's.

    Raises
    ------
    FormulaError
        As there, or if a name belongs to no channel.
    """
    for name in columns:
        if name not in ("ts", "cross.prices"):
            channel_of(name)
    return columns_of_rows(columns)


def _spelt_out(column: Any, columns: Columns) -> dict[str, NDArray[np.float64]]:
    wide = _numbers("cross.prices", column)
    if wide.ndim == 1 and not len(wide):
        return {}
    if wide.ndim != 2:
        raise FormulaError(f"cross.prices must be of shape (N, K), was {wide.shape}")
    spelt = {f"cross.{k}": wide[:, k] for k in range(wide.shape[1])}
    if twice := [name for name in spelt if name in columns]:
        raise FormulaError(f"a column must be given once, were twice: {', '.join(twice)} and in cross.prices")
    return spelt


def _numbers(name: str, column: Any) -> NDArray[np.float64]:
    """Return a column as float64, NaN where it is masked or None."""
    try:
        values = np.asarray(column)
        if values.dtype == object:
            if name == "cross.prices" and values.ndim == 1:  # each row a sequence, as tables keep lists
                values = np.array([list(row) for row in values], object)
            if any(isinstance(one, str | bytes | bool) for one in values.flat):
                raise TypeError("some are text or truth values")
        elif values.dtype.kind not in "fiu":
            raise TypeError(f"it is of {values.dtype}")
        numbers = values.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormulaError(f"{name} must be a column of numbers, was not: {error}") from None
    if isinstance(column, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(column), nan, numbers)
    return numbers


def _table(name: str, column: Any) -> NDArray[Any]:
    try:
        return np.asarray(column)
    except ValueError as error:
        raise FormulaError(f"{name} must be a table of numbers, was not: {error}") from None


def _times(column: Any) -> NDArray[np.int64]:
    """Return times in ns as int64, `NO_TIME` where there is none."""
    try:
        values = np.asarray(column)
    except ValueError as error:
        raise FormulaError(f"ts must be a column of times, was not: {error}") from None
    kind = values.dtype.kind
    if kind == "M":
        if np.datetime_data(values.dtype)[0] == "generic":
            raise _refused_time(values.dtype)
        whole = values.astype("datetime64[ns]")
        if not np.array_equal(whole.astype(values.dtype), values, equal_nan=True):
            raise _refused_time(f"{values.dtype} beyond it")
        ts = whole.view(np.int64)
    elif kind == "O":
        ts = np.array([time_of({"ts": one}) for one in values.flat], np.int64).reshape(values.shape)
    elif kind == "f":
        bad = ~np.isnan(values) & ~((np.abs(values) <= TIME_LIMIT) & (np.trunc(values) == values))
        if bad.any():
            raise _refused_time(values[bad][0])
        ts = np.where(np.isnan(values), 0.0, values).astype(np.int64)
        ts[np.isnan(values)] = NO_TIME
    elif kind == "i" or (kind == "u" and not (values > TIME_LIMIT).any()):
        ts = values.astype(np.int64, copy=False)
    else:
        raise _refused_time(values[values > TIME_LIMIT][0] if kind == "u" else f"of {values.dtype}")
    bad = ((ts < -TIME_LIMIT) | (ts > TIME_LIMIT)) & (ts != NO_TIME)
    if bad.any():
        raise _refused_time(int(ts[bad][0]))
    if isinstance(column, np.ma.MaskedArray):
        ts = np.where(np.ma.getmaskarray(column), NO_TIME, ts)
    return ts


def whole(name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number.

    Raises
    ------
    FormulaError
        If it is none, or not from `low` to `high`.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= index(value) <= high:
        raise FormulaError(f"{name} must be a whole number from {low} to {high}, was {value!r:.99}")
    return index(value)


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
        row = _flat(observation)
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


def _flat(observation: Observation) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, value in observation.items():
        if type(value) is float:
            row[name] = value
        elif name == "cross.prices":
            row.update({f"cross.{k}": number_of(name, one) for k, one in enumerate(prices_of(observation))})
        elif name != "ts" and name not in TABLES:  # ns exceed what a float64 tells apart
            channel_of(name)
            row[name] = number_of(name, value)
    return row


def as_columns(names: Iterable[str], columns: Columns, rows: int) -> dict[str, NDArray[np.float64]]:
    """Return the named columns as contiguous float64, NaN throughout where one is not there."""
    return {
        name: np.ascontiguousarray(columns[name], np.float64) if name in columns else np.full(rows, nan)
        for name in names
    }
