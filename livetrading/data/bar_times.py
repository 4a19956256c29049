"""When bars open and close, by the times that their files give."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.bar_rules import TimeBars
from livetrading.core.errors import BarError
from livetrading.data.errors import DataError
from livetrading.data.stamps import UNITS

__all__ = ["MONTH", "BarTimes", "duration", "frequent_step", "month_ends"]

Times = NDArray[np.int64]

MONTH: Final = "month"
SECOND: Final = UNITS["s"]
DAY: Final = 86_400 * SECOND


def frequent_step(times: Times) -> tuple[int, float] | None:
    """Return the most frequent difference between neighbours, and its share of all that are not 0.

    Of several the smallest; None where no two differ.
    """
    steps = np.abs(np.diff(times))
    steps = steps[steps > 0]
    if len(steps) == 0:
        return None
    values, counts = np.unique(steps, return_counts=True)
    at = int(np.argmax(counts))
    return int(values[at]), float(counts[at] / len(steps))


def month_ends(starts: Times) -> Times | None:
    """Return when the months end that begin at `starts`, or None if one is no beginning of a month."""
    months = starts.astype("datetime64[ns]").astype("datetime64[M]")
    if not np.array_equal(months.astype("datetime64[ns]").astype(np.int64), starts):
        return None
    return np.asarray((months + 1).astype("datetime64[ns]").astype(np.int64))


def duration(ns: int) -> str:
    """Write a length of time in its largest whole unit.

    Examples
    --------
    >>> duration(60_000_000_000), duration(90_000_000_000)
    ('1m', '90s')
    """
    units = {"d": DAY, "h": 3600 * SECOND, "m": 60 * SECOND, **UNITS}
    for name, size in units.items():
        if ns % size == 0 and ns:
            return f"{ns // size}{name}"
    return f"{ns}ns"


class BarTimes:
    """The start and the end of bars, whichever of them the file gives.

    Parameters
    ----------
    path : str
        The file, for messages.
    every : str or int, optional
        How long a bar is, as `TimeBars` takes it.

    Attributes
    ----------
    said : str
        How long bars are, and how that is known.
    notes : list of str
        What was taken for granted.
    """

    def __init__(self, path: str, every: str | int | None) -> None:
        self._path = path
        self._length: int | str | None = None
        self._inclusive: int | None = None
        self.said = ""
        self.notes: list[str] = []
        if every is not None:
            try:
                self._length = TimeBars(every).length_ns
            except BarError as error:
                raise DataError(f"every: {error}") from error
            self.said = f"{duration(self._length)} (given)"

    def resolve(self, times: Mapping[str, Times], own: bool) -> tuple[Times, Times]:
        """Return end and start of the bars of a piece; `own` is whether `time` is the end, as in `BAR`."""
        if own:
            self._tell(times["start"])
            return times["time"], times["start"]
        if "start" in times and "end" in times:
            self._tell(times["start"])
            return self._exclusive(times["end"]), times["start"]
        if "end" in times:
            ends = self._exclusive(times["end"])
            return ends, self._shifted(ends, -1)
        starts = times["start"] if "start" in times else times["time"]
        if "time" in times and not self.notes:
            self.notes.append("a bar's time is taken for its start; where it is its end: --columns NAME=end")
        return self._shifted(starts, 1), starts

    def _tell(self, starts: Times) -> None:
        """Say how long bars seem to be, where nothing depends on it."""
        found = frequent_step(starts)
        if not self.said and found is not None:
            self.said = f"{duration(found[0])} (the most frequent difference)"

    def _exclusive(self, ends: Times) -> Times:
        """Ends that are no part of their bars: some files give the last millisecond, or so, that is one."""
        if self._inclusive is None:
            self._inclusive = 0
            for name, grid in (("s", 60 * SECOND), ("ms", SECOND), ("us", SECOND)):
                unit = UNITS[name]
                if len(ends) and ((ends + unit) % grid == 0).all():
                    self._inclusive = unit
                    self.notes.append(f"a bar's end is its last {name}: bars end 1 {name} later")
                    break
        return ends + self._inclusive

    def _shifted(self, times: Times, sign: int) -> Times:
        if self._length is None and len(times):
            self._length = self._told(times)
        if self._length == MONTH:
            ends = month_ends(times) if sign > 0 else None
            if ends is None:
                raise DataError(f"{self._path}: bars must begin with a month as those before them do")
            return ends
        length = int(self._length or 0)
        bound = 2**63 - 1 - length
        if len(times) and (int(times.max()) > bound or int(times.min()) < -bound):
            raise DataError(f"{self._path}: bars must end within the years 1678 to 2261, was one beyond")
        return times + sign * length

    def _told(self, times: Times) -> int | str:
        found = frequent_step(times)
        hint = "how long a bar is must be told by the times or be given (--every 1d)"
        if found is None:
            raise DataError(f"{self._path}: {hint}, was {'one bar' if len(times) == 1 else 'one time'} alone")
        step, share = found
        if 28 * DAY <= step <= 31 * DAY and month_ends(times) is not None:
            self.said = "a month (all begin with one)"
            return MONTH
        steps = np.diff(times)
        if share < 0.5 and (steps % step).any():
            raise DataError(
                f"{self._path}: {hint}, was {duration(step)} in {share:.0%} of cases, "
                "and others no multiple of it"
            )
        self.said = f"{duration(step)} (the most frequent difference)"
        return step
