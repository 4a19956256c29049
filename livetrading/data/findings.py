"""What can be the matter with bars and ticks, from where on, and the report of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.data.errors import DataError
from livetrading.data.history import Table, utc

__all__ = ["MEANING", "Finding", "FindingKind", "Limits", "QualityReport"]

Rows = NDArray[np.int64]


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
        The longest of each kind, at least 1,000 if there are as many; those of one length in order of time.
    step : int, str or None
        The most frequent difference between the starts of bars in ns, or `MONTH`; None where there is none.
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
    step: int | str | None
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
