"""Each rule by which rows of bars and ticks are found fault with."""

from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import TickFlag
from livetrading.data.bar_times import MONTH, duration, frequent_step, month_ends
from livetrading.data.errors import DataError
from livetrading.data.findings import Finding, FindingKind, Limits, QualityReport
from livetrading.data.history import Table

__all__ = ["Examination"]

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Words = str | Callable[[int], str]

SECOND: Final = 10**9
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
SIGMA: Final = 1.4826
"""MAD times this is the standard deviation of a normal law."""
GENESIS_NS: Final = 1_231_006_505 * SECOND
LATEST_NS: Final = 4_102_444_800 * SECOND
"""2100-01-01: what is later is a time in another unit."""
MOST: Final = 1000
"""Findings of a rule that are listed; all are counted."""


class Examination:
    """Collects what is found in one table.

    Parameters
    ----------
    table : Table
    limits : Limits
    """

    def __init__(self, table: Table, limits: Limits) -> None:
        self.table = table
        self.limits = limits
        self.columns = table.columns
        self.times: Rows = self.columns["start" if table.kind == "bars" else "ts"]
        self.findings: list[Finding] = []
        self.marked: dict[FindingKind, Rows] = {}
        self.judged: list[str] = []
        self.notes: list[str] = list(table.understood.notes)
        self.missing = 0
        self.spacing = ""
        self.step: int | str | None = None

    def report(self, against: tuple[Table, str] | None) -> QualityReport:
        """Look at everything, and return what was found."""
        if len(self.times) and int(self.times.max()) - int(self.times.min()) > 2**63 - 1:
            rule = "must span less than 292 years to be examined"
            raise DataError(f"{self.table.understood.path}: times {rule}, was more")
        self.order = self._ordered()
        self.sorted = self.times[self.order]
        self._duplicates()
        self._range()
        if self.table.kind == "bars":
            self._spacing_of_bars()
        else:
            self._silences()
        self._values()
        if "bid" in self.columns and "ask" in self.columns:
            self._quotes()
        self._clocks()
        for name, rows, prices in self._prices():
            self._outliers(name, rows, prices)
        if against is not None:
            self._deviation(*against)
        listed = [f for kind in FindingKind for f in self._listed(kind)]
        ts = self.times
        return QualityReport(
            path=self.table.understood.path,
            kind=self.table.kind,
            rows=len(ts),
            first_ns=int(ts.min()) if len(ts) else None,
            last_ns=int(ts.max()) if len(ts) else None,
            spacing=self.spacing,
            step=self.step,
            findings=tuple(listed),
            marked=MappingProxyType({k: self.marked[k] for k in FindingKind if k in self.marked}),
            missing=self.missing,
            judged=tuple(self.judged),
            notes=tuple(dict.fromkeys(self.notes)),
            table=self.table,
        )

    def _listed(self, kind: FindingKind) -> list[Finding]:
        return sorted((f for f in self.findings if f.kind is kind), key=lambda f: (-f.count, f.from_ns))

    def mark(self, kind: FindingKind, rows: Rows, words: Words) -> None:
        """Add rows of the file, each stretch of neighbours a finding; `words` may depend on its first row."""
        if len(rows) == 0:
            return
        rows = np.sort(rows)
        self.marked[kind] = np.union1d(self.marked.get(kind, rows[:0]), rows)
        ends = np.flatnonzero(np.diff(rows, append=rows[-1] + 2) != 1)
        begins = np.concatenate([[0], ends[:-1] + 1])
        for at in self._longest(kind, ends - begins).tolist():
            first, last = int(rows[begins[at]]), int(rows[ends[at]])
            times = self.times[first : last + 1]
            said = words if isinstance(words, str) else words(first)
            span = (int(times.min()), int(times.max()))
            self.findings.append(Finding(kind, first, last, *span, last - first + 1, said))

    def _longest(self, kind: FindingKind, lengths: Rows) -> Rows:
        """Return which stretches are listed."""
        if len(lengths) <= MOST:
            return np.arange(len(lengths))
        self.notes.append(f"{kind.value}: {MOST:,} of {len(lengths):,} stretches are listed, the longest")
        return np.sort(np.argsort(-lengths, kind="stable")[:MOST])

    def _ordered(self) -> Rows:
        """Return the rows in order of time, and tell those that were not."""
        times = self.times
        order = np.arange(len(times))
        if len(times) < 2 or (np.diff(times) >= 0).all():
            return order
        if (np.diff(times) <= 0).all():
            self.findings.append(
                Finding(
                    *(FindingKind.BACKWARDS, 0, len(times) - 1, int(times[-1]), int(times[0]), len(times)),
                    "the file runs from the newest row to the oldest; the rest is judged the other way round",
                )
            )
            self.marked[FindingKind.BACKWARDS] = order
            return order[::-1]
        late = np.flatnonzero(times < np.maximum.accumulate(times))
        behind = np.maximum.accumulate(times) - times
        self.mark(
            FindingKind.OUT_OF_ORDER, late, lambda row: f"{_seconds(int(behind[row]))} before a row above it"
        )
        return np.argsort(times, kind="stable")

    def _duplicates(self) -> None:
        if len(self.sorted) < 2:
            return
        same = np.diff(self.sorted) == 0
        equal = same.copy()
        for values in self.columns.values():
            a = values[self.order]
            unequal = a[1:] != a[:-1]
            if a.dtype.kind == "f":
                unequal &= ~(np.isnan(a[1:]) & np.isnan(a[:-1]))
            equal &= ~unequal
        if self.table.kind in ("bars", "columns"):
            self.mark(FindingKind.DUPLICATE, self.order[1:][equal], "equal to the row before")
            self.mark(FindingKind.CONFLICT, self.order[1:][same & ~equal], "another row of this time differs")
            return
        for name in ("ts", "recv", "exch", "time"):
            if name in self.columns:
                self._shared(name)
        if self.table.kind != "quotes":
            equal &= self._is_trade()[self.order][1:]
        self.mark(
            FindingKind.DUPLICATE,
            self.order[1:][equal],
            "equal to the row before; trades of one size at one time look so too"
            if self.table.kind != "quotes"
            else "equal to the row before",
        )

    def _shared(self, clock: str) -> None:
        """Mark rows that are not alone at their time, by one of the clocks."""
        _, at, sizes = np.unique(self.columns[clock], return_inverse=True, return_counts=True)
        shared = sizes[at] > 1
        by = "" if clock == "ts" else f" by the clock {clock}"
        words = f"times shared by several rows{by}, up to {int(sizes.max())} at one"
        self.mark(FindingKind.SHARED_TIME, np.flatnonzero(shared), words)

    def _clocks(self) -> None:
        """Compare the receiver's clock with the exchange's."""
        clocks = {name: self.columns[name] for name in ("recv", "exch") if name in self.columns}
        understood = self.table.understood
        counts = next((c.field for c in understood.columns if c.name == understood.clock), "")
        if counts in ("recv", "exch"):
            clocks[counts] = self.times
        if len(clocks) != 2:
            return
        ahead = clocks["exch"] - clocks["recv"]
        rows = np.flatnonzero(ahead > 0)
        if len(rows):
            middle = _seconds(int(np.median(ahead[rows])))
            words = f"the receiver's clock is behind the exchange's, in the median by {middle}: a skew"
            self.mark(FindingKind.CLOCK, rows, words)

    def _range(self) -> None:
        for mask, words in (
            (
                self.times < GENESIS_NS,
                "before the first block of Bitcoin, 2009-01-03: another unit, or no time",
            ),
            (self.times >= LATEST_NS, "after 2100: another unit, or no time"),
        ):
            self.mark(FindingKind.UNIT, np.flatnonzero(mask), words)
        self.judged.append(
            "unit: times before 2009-01-03T18:15:05Z or from 2100 on; of bars a spacing that is "
            "1e3, 1e6 or 1e9 times the usual one, or a part of it"
        )

    def _spacing_of_bars(self) -> None:
        times, firsts = np.unique(self.sorted, return_index=True)
        rows = self.order[firsts]
        found = frequent_step(times)
        if found is None:
            self.notes.append("one time alone has no spacing: gaps are not judged")
            return
        step, share = found
        if 28 * DAY <= step <= 31 * DAY and month_ends(times) is not None:
            self._months(times, rows)
            return
        self.spacing = f"{duration(step)} ({share:.1%} of differences)"
        self.judged.append(
            f"gap: more than the most frequent difference, {duration(step)}, between two starts"
        )
        self.step = step
        steps = np.diff(times)
        since = np.zeros(len(self.times), np.int64)
        since[rows[1:]] = steps

        def after(row: int) -> str:
            return f"{_seconds(int(since[row]))} after the bar before, where {duration(step)} is usual"

        wrong_unit = _of_other_unit(steps, step)
        self.mark(FindingKind.UNIT, rows[1:][wrong_unit], after)
        self.mark(FindingKind.OFF_GRID, rows[1:][(steps % step != 0) & ~wrong_unit], after)
        self._gaps(times, rows, np.where(wrong_unit, 0, (steps - 1) // step), times[:-1] + step)
        self._time_zone(times, rows, step)

    def _gaps(self, times: Rows, rows: Rows, missing: Rows, begins: Rows) -> None:
        """Mark where bars are missing: how many after each row, and when the first of them would begin."""
        wide = np.flatnonzero(missing > 0)
        self.missing = int(missing[wide].sum())
        self.marked[FindingKind.GAP] = np.sort(rows[wide + 1])
        for at in wide[self._longest(FindingKind.GAP, missing[wide])].tolist():
            span = (int(rows[at]), int(rows[at + 1]), int(begins[at]), int(times[at + 1]))
            words = "1 bar is missing" if missing[at] == 1 else f"{missing[at]} bars are missing"
            self.findings.append(Finding(FindingKind.GAP, *span, int(missing[at]), words))

    def _months(self, times: Rows, rows: Rows) -> None:
        months = times.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
        self.spacing, self.step = "a month", MONTH
        self.judged.append("gap: a month without a bar")
        ends = month_ends(times)
        assert ends is not None
        self._gaps(times, rows, np.diff(months) - 1, ends[:-1])

    def _time_zone(self, times: Rows, rows: Rows, step: int) -> None:
        if DAY % step or step < 60 * SECOND:
            return
        self.judged.append(
            "time zone: bars that do not begin at a multiple of their spacing from 00:00 UTC; a "
            "spring Sunday that lacks an hour and an autumn one that has one twice"
        )
        offsets, counts = np.unique(times % step, return_counts=True)
        usual = int(offsets[np.argmax(counts)])
        if usual and counts.max() * 2 > len(times):
            self.mark(
                FindingKind.TIME_ZONE,
                rows[times % step == usual],
                f"bars of {duration(step)} begin "
                f"{_seconds(usual)} after 00:00 UTC or a multiple of their length: cut in another zone",
            )
        gaps = [f for f in self.findings if f.kind is FindingKind.GAP and f.to_ns - f.from_ns == HOUR]
        lost = [f for f in gaps if _is_sunday_night(f.from_ns, (3, 4))]
        doubled = self.marked.get(FindingKind.CONFLICT, rows[:0])
        twice = [r for r in doubled.tolist() if _is_sunday_night(int(self.times[r]), (10, 11))]
        if step <= HOUR and lost and twice:
            summer = np.array([*(f.last_row for f in lost), *twice])
            self.mark(
                FindingKind.TIME_ZONE,
                summer,
                "an hour is missing in spring or stands twice in autumn, on a "
                "Sunday: local time with summer time, read as UTC",
            )

    def _silences(self) -> None:
        times = self.sorted
        steps = np.diff(times)
        steps = steps[steps > 0]
        if len(steps) == 0:
            self.notes.append("one time alone has no spacing: gaps are not judged")
            return
        found = frequent_step(times)
        assert found is not None
        unit = next(
            name
            for name, ns in (("s", SECOND), ("ms", 10**6), ("us", 10**3), ("ns", 1))
            if not (times % ns).any()
        )
        self.spacing = f"{duration(found[0])} ({found[1]:.1%} of differences above 0; whole {unit})"
        quantile = float(np.quantile(steps, 0.999))
        limit = self.limits.silence * quantile
        self.judged.append(
            f"gap: more than {self.limits.silence:g} times the 99.9 % quantile of the steps between "
            f"times, {_seconds(int(quantile))}"
        )
        wide = np.flatnonzero(np.diff(times) > limit)
        self.marked[FindingKind.GAP] = np.sort(self.order[wide + 1])
        for at in wide[self._longest(FindingKind.GAP, np.diff(times)[wide])].tolist():
            begin, end = int(times[at]), int(times[at + 1])
            span = (int(self.order[at]), int(self.order[at + 1]), begin, end)
            self.findings.append(Finding(FindingKind.GAP, *span, 1, f"nothing for {_seconds(end - begin)}"))

    def _values(self) -> None:
        prices = [
            name for name in ("open", "high", "low", "close", "price", "bid", "ask") if name in self.columns
        ]
        broken = np.zeros(len(self.times), bool)
        low = broken.copy()
        for name in prices:
            values = self.columns[name]
            bad = ~np.isfinite(values)
            if name in ("price", "bid", "ask") and self.table.kind == "ticks":
                bad &= self._is_trade() if name == "price" else self._is_quote()
            broken |= bad
            low |= np.isfinite(values) & (values <= 0)
        self.mark(
            FindingKind.NOT_A_NUMBER,
            np.flatnonzero(broken),
            f"one of {', '.join(prices)} is no finite number",
        )
        self.mark(FindingKind.NOT_POSITIVE, np.flatnonzero(low), f"one of {', '.join(prices)} is 0 or below")
        if self.table.kind == "bars":
            self._bars(prices)

    def _bars(self, prices: Sequence[str]) -> None:
        columns = self.columns
        rest = [columns[name] for name in prices if name != "low"]
        wrong = np.zeros(len(self.times), bool)
        with np.errstate(invalid="ignore"):
            if "low" in columns:
                wrong |= columns["low"] > np.fmin.reduce(rest)
            if "high" in columns:
                wrong |= columns["high"] < np.fmax.reduce(
                    [columns[name] for name in prices if name != "high"]
                )
        self.mark(
            FindingKind.INCONSISTENT,
            np.flatnonzero(wrong),
            lambda row: ", ".join(f"{name} {columns[name][row]:g}" for name in prices),
        )
        if "volume" in columns:
            self.mark(FindingKind.ZERO_VOLUME, np.flatnonzero(columns["volume"] == 0), "volume 0")
        self.judged.append("inconsistent: low above, or high below, another price of the bar")
        run = self.limits.stale
        self.judged.append(f"stale: {run} bars or more of one close")
        self._runs([columns["close"][self.order]], self.order, run, "closes")

    def _quotes(self) -> None:
        bid, ask = self.columns["bid"], self.columns["ask"]
        known = self._is_quote()
        with np.errstate(invalid="ignore"):
            crossed, locked = known & (bid > ask), known & (bid == ask)
        self.mark(
            FindingKind.CROSSED, np.flatnonzero(crossed), lambda row: f"bid {bid[row]:g}, ask {ask[row]:g}"
        )
        self.mark(FindingKind.LOCKED, np.flatnonzero(locked), "bid and ask are one price")
        quotes = self.order[known[self.order]]
        names = [name for name in ("bid", "ask", "bid_size", "ask_size") if name in self.columns]
        self.judged.append(f"stale: {self.limits.stale_quotes} quotes or more that say the same")
        self._runs([self.columns[name][quotes] for name in names], quotes, self.limits.stale_quotes, "quotes")
        if self.table.kind == "ticks":
            trades = self._is_trade()[self.order]
            first = int(np.argmax(known[self.order])) if len(quotes) else len(trades)
            before = self.order[:first][trades[:first]]
            self.mark(
                FindingKind.NO_QUOTE, before, "a trade before the first quote: what it met is not known"
            )

    def _runs(self, values: Sequence[NDArray[Any]], rows: Rows, least: int, what: str) -> None:
        """Mark runs of equal values that are at least so long."""
        if len(rows) < least:
            return
        same = np.ones(len(rows) - 1, bool)
        for column in values:
            same &= (column[1:] == column[:-1]) | ((column[1:] != column[1:]) & (column[:-1] != column[:-1]))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
        begins, ends = edges[::2], edges[1::2]
        long = ends - begins + 1 >= least
        begins, ends = begins[long], ends[long]
        if len(begins) == 0:
            return
        depth = np.zeros(len(rows) + 1, np.int8)
        depth[begins] += 1
        depth[ends + 1] -= 1
        self.marked[FindingKind.STALE] = np.sort(rows[np.cumsum(depth[:-1]) > 0])
        for at in self._longest(FindingKind.STALE, ends - begins).tolist():
            begin, end = int(begins[at]), int(ends[at])
            edge = rows[[begin, end]]
            times = self.times[edge]
            span = (int(edge.min()), int(edge.max()), int(times.min()), int(times.max()))
            words = f"{end - begin + 1} {what} in a row are {values[0][begin]:g}"
            self.findings.append(Finding(FindingKind.STALE, *span, end - begin + 1, words))

    def _prices(self) -> Iterator[tuple[str, Rows, NDArray[np.float64]]]:
        """Yield the series whose returns are looked at: name, rows in order, prices."""
        columns = self.columns
        if self.table.kind == "bars":
            yield "close", self.order, columns["close"][self.order]
        if "price" in columns and self.table.kind in ("ticks", "trades"):
            rows = self.order[self._is_trade()[self.order]]
            yield "price of trades", rows, columns["price"][rows]
        if "bid" in columns and "ask" in columns and self.table.kind in ("ticks", "quotes"):
            rows = self.order[self._is_quote()[self.order]]
            with np.errstate(invalid="ignore", over="ignore"):
                yield "mid", rows, columns["bid"][rows] / 2 + columns["ask"][rows] / 2

    def _outliers(self, name: str, rows: Rows, prices: NDArray[np.float64]) -> None:
        good = np.isfinite(prices) & (prices > 0)
        rows, logs = rows[good], np.log(prices[good])
        returns = np.diff(logs)
        bars = self.table.kind == "bars"
        times = self.limits.outlier if bars else self.limits.outlier_ticks
        counted = returns if bars else returns[returns != 0]
        if len(counted) < 10:
            self.notes.append(f"outliers of the {name} are not judged: fewer than 10 returns")
            return
        median = float(np.median(counted))
        scale = SIGMA * float(np.median(np.abs(counted - median)))
        if scale == 0:
            self.notes.append(
                f"outliers of the {name} are not judged: half of the returns or more are one number"
            )
            return
        self.judged.append(
            f"outlier: a log return of the {name} further than {times:g} x 1.4826 MAD from the median, "
            f"{times:g} x {scale:.3g}{'' if bars else ', of returns that are not 0'}"
        )
        far = np.abs(returns - median) > times * scale
        back = np.flatnonzero(
            far[1:] & far[:-1] & (np.abs(returns[1:] + returns[:-1] - median) <= times * scale)
        )
        far[back + 1] = False  # a return from a spike is none of its own
        at = np.flatnonzero(far)
        by_row = np.zeros(len(self.times))
        by_row[rows[at + 1]] = 100 * np.expm1(returns[at])
        spikes = np.isin(np.arange(len(self.times)), rows[back + 1])
        self.mark(
            FindingKind.OUTLIER,
            rows[at + 1],
            lambda row: f"{by_row[row]:+.3g} %{', and back at once' if spikes[row] else ''} ({name})",
        )

    def _deviation(self, other: Table, column: str) -> None:
        kind = self.table.kind
        name = {"bars": "close", "ticks": "price", "trades": "price"}.get(kind)
        if name is None or column not in other.columns:
            known = ", ".join(n for n in other.columns if n not in ("ts", "start"))
            what = f"a column of {other.understood.path} ({known})" if name else "given for bars or trades"
            raise DataError(f"against must be {what}, was {column if name else kind}")
        times, firsts = np.unique(other.columns["start" if other.kind == "bars" else "ts"], return_index=True)
        values = other.columns[column][firsts]
        mine = self.times
        at = np.minimum(np.searchsorted(times, mine), max(0, len(times) - 1))
        both = times[at] == mine
        if not both.any():
            raise DataError(
                f"against must share times with {self.table.understood.path}, was without any in common"
            )
        theirs, ours = values[at], self.columns[name]
        both &= np.isfinite(theirs) & (theirs > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = ours / theirs - 1
        far = np.flatnonzero(both & (np.abs(apart) > self.limits.within))
        self.mark(
            FindingKind.DEVIATION,
            far,
            lambda r: f"{name} {ours[r]:g}, {column} {theirs[r]:g}: {100 * apart[r]:+.1f} %",
        )
        self.judged.append(
            f"deviation: {name} further than {self.limits.within:.3g} of it from {column} of the same time "
            f"({int(both.sum()):,} of {len(mine):,} rows have one)"
        )

    def _is_trade(self) -> Mask:
        flags = self.columns.get("flags")
        if self.table.kind == "trades":
            return np.ones(len(self.times), bool)
        if flags is None:
            return np.asarray(self.columns["volume"] > 0)
        return np.asarray((flags & TickFlag.TRADE) != 0)

    def _is_quote(self) -> Mask:
        flags = self.columns.get("flags")
        if flags is None or self.table.kind == "quotes":
            return np.ones(len(self.times), bool)
        return np.asarray(((flags & TickFlag.QUOTE) != 0) & ((flags & TickFlag.NO_QUOTE) == 0))


def _of_other_unit(steps: Rows, usual: int) -> Mask:
    """Steps that are a power of 1000 of the usual one, three or more in a row."""
    ratios = np.log(steps / usual) / np.log(1000.0)
    near = (np.abs(ratios - np.rint(ratios)) < 0.002) & (np.rint(ratios) != 0) & (np.abs(ratios) < 3.5)
    padded = np.concatenate([[False], near, [False]])
    edges = np.flatnonzero(np.diff(padded.astype(np.int8))).reshape(-1, 2)
    for begin, end in edges.tolist():
        if end - begin < 3:
            near[begin:end] = False
    return np.asarray(near)


def _is_sunday_night(ns: int, months: tuple[int, ...]) -> bool:
    """Whether a time is in the first hours of a Sunday of one of the months."""
    day = np.datetime64(ns // DAY, "D")
    month = int(day.astype("datetime64[M]").astype(np.int64)) % 12 + 1
    return (ns // DAY) % 7 == 3 and month in months and ns % DAY <= 3 * HOUR


def _seconds(ns: int) -> str:
    return duration(ns) if ns % SECOND == 0 else f"{ns / SECOND:.6g} s"
