"""Rows dropped and kept by named rules, chunk by chunk; what was dropped is counted by rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import BAR, TICK, TickFlag
from livetrading.data.errors import DataError
from livetrading.data.merge import PRICE_MAX, PRICE_MIN, SIZE_MAX, TS_MAX

__all__ = ["KEEPS", "RULES", "Cleaning", "Sieve"]

Rows = NDArray[np.void]
Mask = NDArray[np.bool_]

RULES: Final[Mapping[str, str]] = {
    "price": "a price is none: not from 1e-12 to 1e15 USD",
    "crossed": "the bid is above the ask",
    "range": "a bar's low is above, or its high below, its open or close",
    "time": "the time is before 1970 or after 2^62 ns, the year 2116",
    "size": "a size or a volume is below 0 or above 1e15 BTC; not to know one is no fault",
    "no-quote": "a trade without bid and ask, as before the first quote",
    "order": "the time is before that of a row that was kept",
    "duplicate": "the row equals the one kept before it, field by field",
    "repeated": "a bar ends when the one kept before it does",
}
"""What each rule drops, in the order in which a row is counted: under the first that applies to it."""

KEEPS: Final[Mapping[str, str]] = {
    "quotes": "rows with a new quote",
    "trades": "rows with a trade",
}
"""What may be kept of ticks; all else is dropped."""

RULES_OF: Final[Mapping[str, frozenset[str]]] = {
    "ticks": frozenset(RULES) - {"range", "repeated"},
    "bars": frozenset(RULES) - {"crossed", "no-quote"},
    "columns": frozenset(("time", "order", "duplicate")),
}


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Rules by which rows are dropped or kept.

    Parameters
    ----------
    drop : sequence of str
        Names of `RULES`, in any order; of those that the rows have no fields for nothing comes.
    keep : str, optional
        One of `KEEPS`, for ticks alone.
    since, until : int, optional
        ns since the Unix epoch, UTC: rows before `since`, or at or after `until`, are dropped.

    Raises
    ------
    DataError
        If there is no such rule, or `since` is not before `until`.

    Examples
    --------
    >>> ticks = np.zeros(3, TICK)
    >>> ticks["ts"], ticks["price"], ticks["flags"] = [5, 4, 6], 100, 1
    >>> ticks["bid"], ticks["ask"] = [99, 99, 102], 101
    >>> sieve = Cleaning(["crossed", "order"]).sieve(TICK)
    >>> sieve(ticks)["ts"].tolist(), sieve.dropped
    ([5], {'crossed': 1, 'order': 1})
    """

    drop: Sequence[str] = tuple(RULES)
    keep: str | None = None
    since: int | None = None
    until: int | None = None

    def __post_init__(self) -> None:
        for name in self.drop:
            if name not in RULES:
                raise DataError(f"a rule of cleaning must be one of {', '.join(RULES)}, was {name!r}")
        if self.keep is not None and self.keep not in KEEPS:
            raise DataError(f"what is kept must be one of {', '.join(KEEPS)}, was {self.keep!r}")
        if self.since is not None and self.until is not None and not self.since < self.until:
            raise DataError(f"since must be before until, was {self.since} and {self.until} ns")
        object.__setattr__(self, "drop", tuple(name for name in RULES if name in self.drop))

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, equal for equal rules."""
        return {"drop": list(self.drop), "keep": self.keep, "since": self.since, "until": self.until}

    def sieve(self, dtype: np.dtype[Any]) -> "Sieve":
        """Begin with the first row of a stream.

        Parameters
        ----------
        dtype : dtype
            Of the rows: `TICK`, `BAR`, or any with a field ``ts`` in ns.

        Raises
        ------
        DataError
            If `keep` is asked of other rows than ticks.
        """
        return Sieve(self, dtype)


class Sieve:
    """Rules at work on a stream of rows; how it is cut into chunks does not matter.

    Attributes
    ----------
    dropped : dict of str to int
        Rows dropped by each rule that is in force; by ``kept only`` and ``span`` where these are asked for.
    """

    def __init__(self, rules: Cleaning, dtype: np.dtype[Any]) -> None:
        kind = "ticks" if dtype == TICK else "bars" if dtype == BAR else "columns"
        if rules.keep is not None and kind != "ticks":
            raise DataError(f"{rules.keep} must be kept of ticks, was asked of {kind}")
        tests = {**_CHECKS, **(_CHECKS_OF_BARS if kind == "bars" else {})}
        in_force = [name for name in rules.drop if name in RULES_OF[kind]]
        self._checks: dict[str, Callable[[Rows], Mask]] = {
            name: tests[name] for name in in_force if name in tests
        }
        if rules.keep is not None:
            flag = TickFlag.TRADE if rules.keep == "trades" else TickFlag.QUOTE
            self._checks["kept only"] = lambda rows: (rows["flags"] & flag) == 0
        if rules.since is not None or rules.until is not None:
            self._checks["span"] = lambda rows: _outside(rows["ts"], rules.since, rules.until)
        # These come last, among the rows that the others keep.
        self._follow = [name for name in in_force if name not in tests]
        self.dropped = dict.fromkeys([*self._checks, *self._follow], 0)
        self._last: Rows = np.empty(0, dtype)

    def __call__(self, rows: Rows) -> Rows:
        """Return the rows that no rule drops: the array itself if these are all."""
        for name, bad in self._checks.items():
            rows = self._without(name, rows, bad(rows))
        for name in self._follow:
            rows = self._without(name, rows, self._follows(name, rows)[len(self._last) :])
        if len(rows):
            self._last = rows[-1:].copy()
        return rows

    def _follows(self, name: str, rows: Rows) -> Mask:
        """Which rows a rule drops for what stands before; the one kept last is put before them."""
        if name == "duplicate":
            return _duplicate(np.concatenate([self._last, rows]), "repeated" in self._follow)
        ts = np.concatenate([self._last["ts"], rows["ts"]])
        return _out_of_order(ts) if name == "order" else _repeated(ts)[: len(ts)]

    def _without(self, name: str, rows: Rows, bad: Mask) -> Rows:
        count = int(np.count_nonzero(bad))
        self.dropped[name] += count
        return rows[~bad] if count else rows


def _no_price(values: NDArray[np.float64]) -> Mask:
    return np.asarray(~((values >= PRICE_MIN) & (values <= PRICE_MAX)))


def _no_size(values: NDArray[np.float64]) -> Mask:
    return np.asarray((values < 0.0) | (values > SIZE_MAX))


def _unquoted(rows: Rows) -> Mask:
    known = (rows["flags"] & (TickFlag.QUOTE | TickFlag.NO_QUOTE)) != 0
    return np.asarray(~known & np.isnan(rows["bid"]) & np.isnan(rows["ask"]))


def _bad_price(rows: Rows) -> Mask:
    return _no_price(rows["price"]) | (~_unquoted(rows) & (_no_price(rows["bid"]) | _no_price(rows["ask"])))


def _bad_size(rows: Rows) -> Mask:
    volume = rows["volume"]
    bad = _no_size(rows["bid_size"]) | _no_size(rows["ask_size"]) | _no_size(volume) | np.isnan(volume)
    return np.asarray(bad)


def _bad_price_of_bar(rows: Rows) -> Mask:
    return np.asarray(np.any([_no_price(rows[name]) for name in ("open", "high", "low", "close")], axis=0))


def _bad_range(rows: Rows) -> Mask:
    low, high = rows["low"], rows["high"]
    edges = rows["open"], rows["close"]
    return np.asarray(np.any([(low > edge) | (high < edge) for edge in edges], axis=0))


def _bad_size_of_bar(rows: Rows) -> Mask:
    return _no_size(rows["volume"]) | _no_size(rows["buy_volume"]) | np.asarray(rows["dollar"] < 0.0)


def _outside(ts: NDArray[np.int64], since: int | None, until: int | None) -> Mask:
    early = ts < since if since is not None else np.zeros(len(ts), bool)
    return np.asarray(early if until is None else early | (ts >= until))


_CHECKS: Final[Mapping[str, Callable[[Rows], Mask]]] = {
    "price": _bad_price,
    "crossed": lambda rows: np.asarray(rows["bid"] > rows["ask"]),
    "time": lambda rows: np.asarray((rows["ts"] < 0) | (rows["ts"] > TS_MAX)),
    "size": _bad_size,
    "no-quote": _unquoted,
}
_CHECKS_OF_BARS: Final[Mapping[str, Callable[[Rows], Mask]]] = {
    "price": _bad_price_of_bar,
    "range": _bad_range,
    "size": _bad_size_of_bar,
}


def _out_of_order(ts: NDArray[np.int64]) -> Mask:
    """What is dropped lies below the latest time, so that it can be left in while that is looked for."""
    return np.asarray(ts < np.maximum.accumulate(ts))


def _duplicate(rows: Rows, of_run: bool) -> Mask:
    """Hold each row against the one before, which it equals, or which is kept.

    Where rows of equal times are dropped besides, `of_run`, the one kept is the first of that time.
    """
    before = np.arange(len(rows)) - 1
    if of_run:
        begins = np.concatenate([[True], rows["ts"][1:] != rows["ts"][:-1]])
        before = np.where(begins, before, np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0)))
    same = np.ones(len(rows), bool)
    for name in rows.dtype.names or ():
        values = rows[name]
        equal = values == values[before]
        if rows.dtype[name].kind == "f":
            equal |= np.isnan(values) & np.isnan(values[before])
        same &= equal
    same[:1] = False
    return same


def _repeated(ts: NDArray[np.int64]) -> Mask:
    return np.concatenate([[False], ts[1:] == ts[:-1]])
