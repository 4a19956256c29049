"""What is missing, doubtful or wrong in bars and ticks; filled only where asked, and marked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import BarFlag, TickFlag
from livetrading.data.bar_times import duration, frequent_step, month_ends
from livetrading.data.errors import DataError
from livetrading.data.history import Table, Understanding, load, utc
from livetrading.data.ticks import read_ticks

__all__ = ["FILLS", "Finding", "FindingKind", "Limits", "QualityReport", "examine", "examine_files", "fill"]

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Columns = Mapping[str, NDArray[Any]]

SECOND: Final = 10**9
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
SIGMA: Final = 1.4826
"""MAD times this is the standard deviation of a normal law."""
GENESIS_NS: Final = 1_231_006_505 * SECOND
LATEST_NS: Final = 4_102_444_800 * SECOND
"""2100-01-01: what is later is a time in another unit."""
MOST: Final = 1000
"""Findings of a kind that are listed; all are counted."""
FILL_MOST: Final = 1 << 20
"""Bars that one fill may add."""


class FindingKind(StrEnum):
    """What can be the matter with rows."""

    GAP = "gap"
    OFF_GRID = "off grid"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    SHARED_TIME = "shared time"
    OUT_OF_ORDER = "out of order"
    BACKWARDS = "backwards"
    STALE = "stale"
    OUTLIER = "outlier"
    INCONSISTENT = "inconsistent"
    NOT_A_NUMBER = "not a number"
    NOT_POSITIVE = "not positive"
    ZERO_VOLUME = "zero volume"
    UNIT = "unit"
    TIME_ZONE = "time zone"
    CROSSED = "crossed"
    LOCKED = "locked"
    NO_QUOTE = "no quote yet"
    CLOCK = "clock"
    DEVIATION = "deviation"


MEANING: Final[Mapping[FindingKind, str]] = {
    FindingKind.GAP: "times between which rows are missing",
    FindingKind.OFF_GRID: "bars that do not begin a whole number of spacings after the one before",
    FindingKind.DUPLICATE: "rows equal to the one before, time and all",
    FindingKind.CONFLICT: "bars of one time that say different things",
    FindingKind.SHARED_TIME: "rows that share their time with another one",
    FindingKind.OUT_OF_ORDER: "rows earlier than one that stands before them",
    FindingKind.BACKWARDS: "rows from the newest to the oldest",
    FindingKind.STALE: "runs in which nothing moves",
    FindingKind.OUTLIER: "log returns far from the median",
    FindingKind.INCONSISTENT: "bars whose low is above, or high below, another of their prices",
    FindingKind.NOT_A_NUMBER: "rows with a price that is no finite number",
    FindingKind.NOT_POSITIVE: "rows with a price of 0 or below",
    FindingKind.ZERO_VOLUME: "bars in which nothing traded",
    FindingKind.UNIT: "times that look as if written in another unit",
    FindingKind.TIME_ZONE: "times that look as if of another time zone",
    FindingKind.CROSSED: "quotes whose bid is above their ask",
    FindingKind.LOCKED: "quotes whose bid is their ask",
    FindingKind.NO_QUOTE: "trades before the first quote",
    FindingKind.CLOCK: "rows received before the exchange says that they happened",
    FindingKind.DEVIATION: "prices far from the second source",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One stretch of rows.

    Attributes
    ----------
    kind : FindingKind
    first_row, last_row : int
        In the file, counted from 0. Of a gap the rows before and after it.
    from_ns, to_ns : int
        Times of these rows, of bars their start; of a gap what is missing, its end exclusive.
    count : int
        Rows; of a gap those that are missing, or 1 where it cannot be told.
    words : str
        What is the matter.
    """

    kind: FindingKind
    first_row: int
    last_row: int
    from_ns: int
    to_ns: int
    count: int
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "kind": self.kind.value,
            "first_row": self.first_row,
            "last_row": self.last_row,
            "from": utc(self.from_ns),
            "to": utc(self.to_ns),
            "count": self.count,
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a row is found fault with.

    Attributes
    ----------
    outlier : float
        Distance of a log return from the median, in 1.4826 MAD.
    outlier_ticks : float
        The same for ticks, over returns that are not 0.
    stale : int
        Bars in a row of one close.
    stale_quotes : int
        Quotes in a row that say the same.
    silence : float
        Of ticks: a gap is longer than so many times the 99.9 % quantile of the steps between times.
    within : float
        Largest part of itself by which a price may differ from the second source.
    """

    outlier: float = 10.0
    outlier_ticks: float = 100.0
    stale: int = 5
    stale_quotes: int = 100
    silence: float = 10.0
    within: float = 0.10

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value, least = getattr(self, name), 2 if name.startswith("stale") else 0
            if not (value >= least and value > 0 and value < 1e18):
                rule = f"at least {least}" if least else "above 0"
                raise DataError(f"{name.replace('_', '-')} must be {rule} and finite, was {value}")


@dataclass(frozen=True)
class QualityReport:
    """What was found in a table.

    Attributes
    ----------
    path, kind : str
    rows : int
    first_ns, last_ns : int or None
    spacing : str
        The most frequent difference of the times, and its share; "" where there is none.
    findings : tuple of Finding
        At most 1,000 of a kind, the longest first and those of one length in order of time.
    marked : mapping of FindingKind to ndarray of int64
        Every row of a kind, in order; of a gap the rows after it.
    missing : int
        Rows that the gaps of bars stand for.
    judged : tuple of str
        In words, by which rule each judgement was made.
    notes : tuple of str
        What could not be judged.
    table : Table
        What was examined.
    """

    path: str
    kind: str
    rows: int
    first_ns: int | None
    last_ns: int | None
    spacing: str
    findings: tuple[Finding, ...]
    marked: Mapping[FindingKind, Rows]
    missing: int
    judged: tuple[str, ...]
    notes: tuple[str, ...]
    table: Table

    @property
    def counts(self) -> dict[FindingKind, int]:
        """Rows of each kind of which there are any; of gaps how many there are."""
        return {kind: len(rows) for kind, rows in self.marked.items() if len(rows)}

    def words(self) -> list[str]:
        """Return the report as sentences."""
        if not self.counts:
            return [f"{self.rows:,} rows, and nothing to find fault with."]
        lines = []
        for kind, count in self.counts.items():
            first = next(finding for finding in self.findings if finding.kind == kind)
            amount = f"{count:,}"
            if kind is FindingKind.GAP and self.kind == "bars":
                amount += f" ({self.missing:,} missing)"
            lines.append(
                f"{kind.value}: {amount} {MEANING[kind]}; such as {utc(first.from_ns)}: {first.words}."
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "path": self.path,
            "kind": self.kind,
            "rows": self.rows,
            "first": None if self.first_ns is None else utc(self.first_ns),
            "last": None if self.last_ns is None else utc(self.last_ns),
            "spacing": self.spacing,
            "missing": self.missing,
            "counts": {kind.value: count for kind, count in self.counts.items()},
            "findings": [finding.to_dict() for finding in self.findings],
            "judged": list(self.judged),
            "notes": list(self.notes),
        }


def _pair(paths: Sequence[Path], columns: Mapping[str, str] | None) -> Table:
    """Read quotes and trades, merged."""
    ticks = read_ticks(paths, columns)
    fields = {name: np.ascontiguousarray(ticks[name]) for name in ticks.dtype.names or ()}
    name = ",".join(map(str, paths))
    understood = Understanding(
        *(name, "ticks", "pair", "none", "", None, None, True, (), (), "", "ns", "read as recordings", "UTC"),
        *(len(ticks), int(ticks["ts"].min()), int(ticks["ts"].max()), ""),
        ("rows are those of quotes and trades merged: how each file is ordered, it says alone",),
    )
    return Table("ticks", MappingProxyType(fields), understood)


def examine(
    source: Table | Path,
    *,
    against: tuple[Table, str] | None = None,
    limits: Limits | None = None,
) -> QualityReport:
    """Look for gaps, duplicates, stale runs, outliers, and mistakes of order, unit and time zone.

    Parameters
    ----------
    source : Table or Path
        A table, or a file that `load` reads. It is held in memory.
    against : (Table, str), optional
        A second source of the price, and the name of its column: where a bar's close, or a trade's price,
        differs from its value of the same time by more than `Limits.within` of that value, it is found.
    limits : Limits, optional

    Returns
    -------
    QualityReport
        Nothing of the table is changed.

    Raises
    ------
    DataError
        If a file cannot be read, or the second source has no such column or no time in common.
    """
    table = source if isinstance(source, Table) else load(source)
    return _Examination(table, limits or Limits()).report(against)


def examine_files(
    paths: Sequence[Path],
    *,
    against: tuple[Table, str] | None = None,
    limits: Limits | None = None,
    columns: Mapping[str, str] | None = None,
    **given: Any,
) -> QualityReport:
    """Examine one file, or one of quotes and one of trades, merged as `open_ticks` merges them.

    Parameters
    ----------
    paths : sequence of Path
        One or two. What each of a pair shows alone, its order and its clocks, is in the notes.
    against, limits
        As `examine` takes them.
    columns : mapping of str to str, optional
        As `load`, or of a pair `open_ticks`, takes it.
    **given
        Other parameters of `load`, for one file.

    Raises
    ------
    DataError
        As `examine`.
    """
    if len(paths) == 1:
        return examine(load(paths[0], columns=columns, **given), against=against, limits=limits)
    others = [name for name, value in given.items() if value is not None]
    if others:
        raise DataError(f"{others[0]} must be given for one file, was given for {len(paths)}")
    report = examine(_pair(paths, columns), against=against, limits=limits)
    alone = _alone(paths, limits) if columns is None else ()
    return replace(report, notes=(*report.notes, *alone))


def _alone(paths: Sequence[Path], limits: Limits | None) -> Iterator[str]:
    """Say of each file of a pair what the merged recording does not show."""
    kinds = (FindingKind.OUT_OF_ORDER, FindingKind.BACKWARDS, FindingKind.SHARED_TIME, FindingKind.CLOCK)
    for path in paths:
        report = examine(path, limits=limits)
        lines = dict(zip(report.counts, report.words(), strict=False))
        for kind in kinds:
            if kind in lines:
                yield f"{Path(path).name} alone: {lines[kind]}"


class _Examination:
    """Collects findings of one table."""

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

    def report(self, against: tuple[Table, str] | None) -> QualityReport:
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
            findings=tuple(listed),
            marked=MappingProxyType({k: self.marked[k] for k in FindingKind if k in self.marked}),
            missing=self.missing,
            judged=tuple(self.judged),
            notes=tuple(dict.fromkeys(self.notes)),
            table=self.table,
        )

    def _listed(self, kind: FindingKind) -> list[Finding]:
        found = sorted((f for f in self.findings if f.kind is kind), key=lambda f: (-f.count, f.from_ns))
        if len(found) > MOST:
            self.notes.append(f"{kind.value}: {MOST:,} of {len(found):,} stretches are listed, the longest")
        return found[:MOST]

    def mark(self, kind: FindingKind, rows: Rows, words: str | Sequence[str]) -> None:
        """Add rows of the file, each stretch of neighbours a finding; `words` for all, or for each row."""
        if len(rows) == 0:
            return
        by_row = None if isinstance(words, str) else dict(zip(rows.tolist(), words, strict=True))
        rows = np.sort(rows)
        self.marked[kind] = np.union1d(self.marked.get(kind, rows[:0]), rows)
        ends = np.flatnonzero(np.diff(rows) != 1)
        starts = np.concatenate([[0], ends + 1])
        for begin, end in zip(starts.tolist(), [*ends.tolist(), len(rows) - 1], strict=True):
            first, last = int(rows[begin]), int(rows[end])
            times = self.times[first : last + 1]
            said = words if by_row is None else by_row[first]
            self.findings.append(
                Finding(kind, first, last, int(times.min()), int(times.max()), end - begin + 1, str(said))
            )

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
        behind = (np.maximum.accumulate(times) - times)[late]
        self.mark(
            FindingKind.OUT_OF_ORDER,
            late,
            [f"{_seconds(ns)} before a row above it" for ns in behind.tolist()],
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
        steps = np.diff(times)
        wrong_unit = _of_other_unit(steps, step)
        self.mark(
            FindingKind.UNIT,
            rows[1:][wrong_unit],
            [
                f"{_seconds(s)} after the bar before, spacing is {duration(step)}"
                for s in steps[wrong_unit].tolist()
            ],
        )
        off = (steps % step != 0) & ~wrong_unit
        self.mark(
            FindingKind.OFF_GRID,
            rows[1:][off],
            [f"{_seconds(s)} after the bar before" for s in steps[off].tolist()],
        )
        wide = np.flatnonzero((steps > step) & ~wrong_unit)
        for at in wide.tolist():
            missing = int((steps[at] - 1) // step)
            self._gap(
                rows, at, int(times[at]) + step, int(times[at + 1]), missing, f"{missing} bars are missing"
            )
        self.missing = sum(f.count for f in self.findings if f.kind is FindingKind.GAP)
        self.marked[FindingKind.GAP] = np.sort(rows[wide + 1])
        self._time_zone(times, rows, step)

    def _gap(self, rows: Rows, at: int, from_ns: int, to_ns: int, missing: int, words: str) -> None:
        first, last = int(rows[at]), int(rows[at + 1])
        self.findings.append(Finding(FindingKind.GAP, first, last, from_ns, to_ns, missing, words))

    def _months(self, times: Rows, rows: Rows) -> None:
        months = times.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
        wide = np.flatnonzero(np.diff(months) > 1)
        self.spacing = "a month"
        self.judged.append("gap: a month without a bar")
        for at in wide.tolist():
            missing = int(months[at + 1] - months[at] - 1)
            begin = int((months[at] + 1).astype("datetime64[M]").astype("datetime64[ns]").astype(np.int64))
            self._gap(rows, at, begin, int(times[at + 1]), missing, f"{missing} bars are missing")
            self.missing += missing
        self.marked[FindingKind.GAP] = np.sort(rows[wide + 1])

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
        for at in wide.tolist():
            silent = _seconds(int(times[at + 1] - times[at]))
            self._gap(self.order, at, int(times[at]), int(times[at + 1]), 1, f"nothing for {silent}")
        self.marked[FindingKind.GAP] = np.sort(self.order[wide + 1])

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
        rows = np.flatnonzero(wrong)
        words = [", ".join(f"{name} {columns[name][row]:g}" for name in prices) for row in rows.tolist()]
        self.mark(FindingKind.INCONSISTENT, rows, words)
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
        rows = np.flatnonzero(crossed)
        self.mark(FindingKind.CROSSED, rows, [f"bid {bid[r]:g}, ask {ask[r]:g}" for r in rows.tolist()])
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
        for begin, end in edges.reshape(-1, 2).tolist():
            count = end - begin + 1
            if count < least:
                continue
            run = np.sort(rows[begin : end + 1])
            self.marked[FindingKind.STALE] = np.union1d(self.marked.get(FindingKind.STALE, run[:0]), run)
            times = self.times[run]
            self.findings.append(
                Finding(
                    *(
                        FindingKind.STALE,
                        int(run[0]),
                        int(run[-1]),
                        int(times.min()),
                        int(times.max()),
                        count,
                    ),
                    f"{count} {what} in a row are {values[0][begin]:g}",
                )
            )

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
        spikes = set(back.tolist())
        words = [
            f"{100 * np.expm1(returns[i]):+.3g} %{', and back at once' if i in spikes else ''} ({name})"
            for i in at.tolist()
        ]
        self.mark(FindingKind.OUTLIER, rows[at + 1], words)

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
        words = [f"{name} {ours[r]:g}, {column} {theirs[r]:g}: {100 * apart[r]:+.1f} %" for r in far.tolist()]
        self.mark(FindingKind.DEVIATION, far, words)
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


FILLS: Final = {
    "previous": "a bar for each one missing: the close before it, volume 0, marked as filled",
    "drop": "leave out duplicates, rows out of order, and bars that are inconsistent or no numbers above 0",
    "sort": "put the rows in order of time",
}
"""What may be asked of `fill`."""

DROPPED: Final = (
    FindingKind.DUPLICATE,
    FindingKind.CONFLICT,
    FindingKind.OUT_OF_ORDER,
    FindingKind.INCONSISTENT,
    FindingKind.NOT_A_NUMBER,
    FindingKind.NOT_POSITIVE,
)


def fill(table: Table, how: str, report: QualityReport | None = None) -> Table:
    """Return a table with its gaps filled, bad rows left out, or its rows in order.

    Parameters
    ----------
    table : Table
    how : str
        ``previous``: a bar for each one that is missing, all prices the close before it, volume 0 and no
        trades, its flags `BarFlag.FILLED` and `BarFlag.NO_TRADE`. ``drop``: without the rows found duplicate,
        in conflict with the one before, out of order, inconsistent, or without finite prices above 0; of
        ticks and columns those out of order and no numbers alone. ``sort``: in order of time, those of equal
        times in their order.
    report : QualityReport, optional
        Of this table, where it has been examined.

    Returns
    -------
    Table
        Bars then have `flags`. Notes of its understanding say how many rows were added or left out.

    Raises
    ------
    DataError
        If `how` is none of these, bars are to be made up in what holds none, the bars are not in order, a gap
        is no whole number of bars, or more than 2**20 bars would be made up.
    """
    if how not in FILLS:
        raise DataError(f"fill must be one of {', '.join(FILLS)}, was {how!r}")
    if how == "sort":
        times = table.columns["start" if table.kind == "bars" else "ts"]
        order = np.argsort(times, kind="stable")
        moved = int((order != np.arange(len(order))).sum())
        return _taken(table, order, f"sort: {moved} rows stand elsewhere than in the file")
    found = examine(table) if report is None else report
    if how == "drop":
        bars = table.kind == "bars"
        kinds = (
            DROPPED
            if bars
            else (FindingKind.OUT_OF_ORDER, FindingKind.NOT_A_NUMBER, FindingKind.NOT_POSITIVE)
        )
        keep = np.ones(len(table), bool)
        said = []
        for kind in kinds:
            rows = found.marked.get(kind)
            if rows is not None:
                keep[rows] = False
                said.append(f"{len(rows)} {kind.value}")
        left = int((~keep).sum())
        return _taken(
            table, np.flatnonzero(keep), f"drop: {left} rows left out ({', '.join(said) or 'none'})"
        )
    return _filled(table, found)


def _taken(table: Table, rows: Rows, note: str) -> Table:
    columns = {name: values[rows] for name, values in table.columns.items()}
    return _noted(table, columns, note)


def _noted(table: Table, columns: dict[str, NDArray[Any]], note: str) -> Table:
    for values in columns.values():
        values.flags.writeable = False
    ts, starts = columns["ts"], columns.get("start", columns["ts"])
    understood = replace(
        table.understood,
        rows=len(ts),
        first_ns=int(starts.min()) if len(ts) else None,
        last_ns=int(ts.max()) if len(ts) else None,
        notes=(*table.understood.notes, note),
    )
    return Table(table.kind, MappingProxyType(columns), understood)


def _filled(table: Table, report: QualityReport) -> Table:
    """Put a flat bar where one is missing."""
    if table.kind != "bars":
        raise DataError(f"fill with previous must be asked of bars, was asked of {table.kind}")
    starts, ends = table.columns["start"], table.columns["ts"]
    if (np.diff(starts) <= 0).any():
        rule = "be in order, none of a time twice, to be filled (--fill sort, --fill drop)"
        raise DataError(f"{table.understood.path}: bars must {rule}, was not")
    gaps = [finding for finding in report.findings if finding.kind is FindingKind.GAP]
    if report.missing > FILL_MOST or len(gaps) < len(report.marked.get(FindingKind.GAP, ())):
        raise DataError(
            f"{table.understood.path}: at most {FILL_MOST} bars in {MOST} gaps may be made up, "
            f"was {report.missing} in {len(report.marked[FindingKind.GAP])}"
        )
    new = [_between(finding, report.spacing) for finding in sorted(gaps, key=lambda f: f.from_ns)]
    at = np.repeat(
        [finding.last_row for finding in sorted(gaps, key=lambda f: f.from_ns)], [len(n) for n, _ in new]
    )
    if not new:
        at = np.empty(0, np.int64)
    made = {
        "start": np.concatenate([starts[:0], *(n for n, _ in new)]),
        "ts": np.concatenate([ends[:0], *(e for _, e in new)]),
    }
    before = table.columns["close"][at - 1] if len(at) else table.columns["close"][:0]
    constant = {"volume": 0.0, "buy_volume": 0.0, "dollar": 0.0, "trades": 0}
    columns = dict(table.columns)
    columns.setdefault("flags", np.zeros(len(starts), np.uint8))
    result = {}
    for name, values in columns.items():
        if name in made:
            added: Any = made[name]
        elif name == "flags":
            added = np.full(len(at), BarFlag.FILLED | BarFlag.NO_TRADE, np.uint8)
        else:
            added = np.full(len(at), constant[name]) if name in constant else before
        result[name] = np.insert(values, at, added)
    return _noted(table, result, f"previous: {len(at)} bars made up and marked as filled")


def _between(gap: Finding, spacing: str) -> tuple[Rows, Rows]:
    """Start and end of the bars that a gap lacks."""
    if spacing == "a month":
        begin = np.datetime64(gap.from_ns, "ns").astype("datetime64[M]")
        months = (begin + np.arange(gap.count + 1)).astype("datetime64[ns]").astype(np.int64)
        return months[:-1], months[1:]
    span = gap.to_ns - gap.from_ns
    if span % gap.count:
        raise DataError(
            f"a gap must be a whole number of bars to be filled, was {utc(gap.from_ns)} to {utc(gap.to_ns)}"
        )
    step = span // gap.count
    starts = gap.from_ns + step * np.arange(gap.count, dtype=np.int64)
    return starts, starts + step
