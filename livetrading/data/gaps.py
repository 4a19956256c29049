"""What is missing, doubtful or wrong in bars and ticks; filled only where asked, and marked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import BarFlag
from livetrading.data.bar_times import MONTH, month_ends
from livetrading.data.errors import DataError
from livetrading.data.findings import MEANING, Finding, FindingKind, Limits, QualityReport
from livetrading.data.gap_checks import Examination
from livetrading.data.history import Table, Understanding, load, utc
from livetrading.data.ticks import read_ticks

__all__ = [
    "FILLS",
    "MEANING",
    "Finding",
    "FindingKind",
    "Limits",
    "QualityReport",
    "examine",
    "examine_files",
    "fill",
]

Rows = NDArray[np.int64]

FILL_MOST: Final = 1 << 20
"""Bars that one fill may add."""


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
    return Examination(table, limits or Limits()).report(against)


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
    path = table.understood.path
    if table.kind != "bars":
        raise DataError(f"fill with previous must be asked of bars, was asked of {table.kind}")
    if (np.diff(table.columns["start"]) <= 0).any():
        rule = "be in order, none of a time twice, to be filled (--fill sort, --fill drop)"
        raise DataError(f"{path}: bars must {rule}, was not")
    if report.missing > FILL_MOST:
        raise DataError(f"{path}: at most {FILL_MOST} bars may be made up, was {report.missing}")
    at, starts, ends = _missing(table, report)
    closes = table.columns["close"][at - 1]
    constant = {"volume": 0.0, "buy_volume": 0.0, "dollar": 0.0, "trades": 0}
    constant["flags"] = int(BarFlag.FILLED | BarFlag.NO_TRADE)
    columns = {"flags": np.zeros(len(table), np.uint8), **table.columns}
    result = {}
    for name, values in columns.items():
        made: Any = {"start": starts, "ts": ends}.get(name, constant.get(name, closes))
        result[name] = np.insert(values, at, made)
    return _noted(table, result, f"previous: {len(at)} bars made up and marked as filled")


def _missing(table: Table, report: QualityReport) -> tuple[Rows, Rows, Rows]:
    """Return before which row each missing bar stands, its start and its end."""
    starts = table.columns["start"]
    if report.step == MONTH:
        units = starts.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    elif report.step is None or report.missing == 0:
        units = np.arange(len(starts))
    else:
        steps = np.diff(starts)
        crooked = np.flatnonzero(steps % int(report.step))
        if len(crooked):
            when = utc(int(starts[crooked[0] + 1]))
            rule = "begin a whole number of spacings after the one before to be filled"
            raise DataError(f"{table.understood.path}: bars must {rule}, was not at {when}")
        units = np.concatenate([[0], np.cumsum(steps // int(report.step))])
    lacking = np.diff(units) - 1
    at = np.repeat(np.arange(1, len(starts)), lacking)
    before = np.concatenate([[0], np.cumsum(lacking)])[at - 1]
    unit = units[at - 1] + 1 + np.arange(len(at)) - before
    if report.step == MONTH:
        begins = np.asarray(unit.astype("datetime64[M]").astype("datetime64[ns]").astype(np.int64))
        ends = month_ends(begins)
        assert ends is not None
        return at, begins, ends
    step = 0 if report.step is None else int(report.step)
    begins = starts[0] + unit * step if len(at) else starts[:0]
    return at, begins, begins + step
