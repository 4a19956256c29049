"""Times as files write them, read as nanoseconds since the Unix epoch, UTC; nothing is guessed in silence."""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNITS", "BadCell", "Stamps", "magnitude"]

UNITS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Nanoseconds in each unit of time."""

I8_MAX: Final = 2**63 - 1
FLOOR: Final = 10**8
"""The smallest number whose unit its size tells: in s that is March 1973, long before there was a Bitcoin."""
SPAN: Final = 1000
"""From FLOOR on, each unit has a range of its own, this many times as high as the one before."""

NUMBER: Final = re.compile(r"([+-]?)(\d{1,20})(?:\.(\d{0,40}))?", re.ASCII)
ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?))?"
    r"\s*(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
OFFSET_MAX_MIN: Final = 15 * 60


class BadCell(ValueError):
    """A cell breaks a rule.

    Attributes
    ----------
    index : int
        Its row within the piece that was read.
    rule : str
        What it must be.
    was : str
        What it is.
    """

    def __init__(self, index: int, rule: str, was: object) -> None:
        super().__init__(f"must {rule}, was {was!r}")
        self.index = index
        self.rule = rule
        self.was = str(was)


def magnitude(number: int) -> str | None:
    """Return the unit that a number of 1973 to 5138 is in, by its size alone, or None if it is too small.

    Examples
    --------
    >>> [magnitude(n) for n in (1_700_000_000, 1_700_000_000_000, 20_240_101)]
    ['s', 'ms', None]
    """
    low = FLOOR
    for unit in UNITS:
        if low <= number < low * SPAN:
            return unit
        low *= SPAN
    return None


class Stamps:
    """One column of times, read piece by piece.

    The first cell says how all are written: as numbers, whose unit is given or told by their size, or as
    ISO 8601 with or without a zone. A cell of another kind or unit is an error.

    Parameters
    ----------
    name : str
        The column.
    unit : str, optional
        ``s``, ``ms``, ``us`` or ``ns``.
    why : str
        Who says the unit, in words, where it is given.
    doubted : bool
        Whether a given unit must not contradict the size of the first number.

    Attributes
    ----------
    unit : str or None
        None before the first piece; ``ISO 8601`` for text, ``timestamp`` for a typed column.
    told : str
        How the unit is known.
    zone : str
        How the time zone is known.
    """

    def __init__(self, name: str, unit: str | None = None, why: str = "", doubted: bool = False) -> None:
        self.name = name
        self.unit = unit
        self.told = why
        self.zone = "UTC: numbers count from 1970-01-01T00:00Z" if unit else ""
        self._given = unit
        self._doubted = doubted
        self._zoned: bool | None = None

    def read(self, cells: Sequence[str] | NDArray[Any]) -> NDArray[np.int64]:
        """Return the times of a piece in ns; BadCell names the first that breaks a rule."""
        if isinstance(cells, np.ndarray):
            return self._of_array(cells)
        if self.unit is None or (self.unit not in UNITS and self.unit != "ISO 8601"):
            self._meet(cells[0])
        return self._of_text(cells) if self.unit == "ISO 8601" else self._scaled(self._numbers(cells))

    def _meet(self, cell: str) -> None:
        """Decide by the first cell whether the column is text."""
        text = cell.strip()
        if ISO.fullmatch(text):
            self.unit, self.told = "ISO 8601", f"the first is {text}"
        elif not NUMBER.fullmatch(text):
            raise BadCell(0, "be a number or ISO 8601 (2024-01-31, 2024-01-31T23:59:59.5Z)", cell)

    def _numbers(self, cells: Sequence[str]) -> tuple[list[int], list[int]]:
        """Whole numbers and, in 1e-9 of one, what is behind their points; none where no cell has any."""
        try:
            if "_" in "".join(cells):
                raise ValueError("a number must have no underscore")
            return list(map(int, cells)), []
        except ValueError:
            return self._decimal(cells)

    def _decimal(self, cells: Sequence[str]) -> tuple[list[int], list[int]]:
        whole, parts = [], []
        for i, cell in enumerate(cells):
            found = NUMBER.fullmatch(cell.strip())
            if found is None:
                raise BadCell(i, "be a number like the times before it", cell)
            sign, digits, fraction = found[1], found[2], (found[3] or "").rstrip("0")
            if len(fraction) > 9 or (sign == "-" and fraction):
                raise BadCell(i, "have at most nine decimals, and none below zero", cell)
            whole.append(int(sign + digits))
            parts.append(int(fraction.ljust(9, "0")) if fraction else 0)
        return whole, parts

    def _scaled(self, read: tuple[list[int], list[int]]) -> NDArray[np.int64]:
        whole, parts = read
        self._settle(whole[0])
        scale = UNITS[self.unit or "ns"]
        low, high = min(whole), max(whole)
        if low < (FLOOR if self._given is None else -I8_MAX) or high > I8_MAX:
            self._check(whole)
        values = np.array(whole, np.int64)
        self._check_range(values)
        values *= scale
        if any(parts):
            fractions = np.array(parts, np.int64)
            rest = fractions % (UNITS["s"] // scale)
            if rest.any():
                at = int(np.flatnonzero(rest)[0])
                raise BadCell(at, "be no finer than a nanosecond", f"{whole[at]}.{parts[at]:09d} {self.unit}")
            values += fractions // (UNITS["s"] // scale)
        return values

    def _settle(self, first: int) -> None:
        """Find the unit by the size of the first number, where nobody gives it."""
        unit = magnitude(first)
        if self._doubted and unit not in (None, self.unit):
            rule = f"be in {self.unit} ({self.told}), or be placed by hand as in {self.name}=time_{unit}"
            raise BadCell(0, rule, f"{first}, by its size in {unit}")
        self._doubted = False
        if self.unit is not None and self.unit in UNITS:
            return
        if unit is None:
            raise BadCell(
                0,
                f"be large enough for its size to tell its unit ({FLOOR} at least), or be given one as in "
                f"{self.name}=time_s",
                first,
            )
        low = FLOOR * SPAN ** list(UNITS).index(unit)
        self.unit = unit
        self.told = f"by size: {first} is from {low:.0e} to {low * SPAN:.0e}"
        self.zone = "UTC: numbers count from 1970-01-01T00:00Z"

    def _check(self, whole: Sequence[int]) -> None:
        """Raise BadCell for the first number that no int64, or no time of this unit, is."""
        low, high = self._bounds()
        for i, number in enumerate(whole):
            if not low <= number <= high:
                self._refuse(i, number)

    def _check_range(self, values: NDArray[np.int64]) -> None:
        low, high = self._bounds()
        bad = np.flatnonzero((values < low) | (values > high))
        if len(bad):
            self._refuse(int(bad[0]), int(values[bad[0]]))

    def _bounds(self) -> tuple[int, int]:
        most = I8_MAX // UNITS[self.unit or "ns"]
        if self._given is not None:
            return -most, most
        low = FLOOR * SPAN ** list(UNITS).index(self.unit or "ns")
        return low, min(low * SPAN - 1, most)

    def _refuse(self, index: int, number: int) -> None:
        other = magnitude(number)
        if self._given is None and other is not None and other != self.unit:
            rule = f"be in {self.unit} as the times before it"
            raise BadCell(index, rule, f"{number} (by its size in {other}: units are mixed)")
        low, high = self._bounds()
        raise BadCell(index, f"be a time in {self.unit}, from {low} to {high}", number)

    def _of_text(self, cells: Sequence[str]) -> NDArray[np.int64]:
        dates: list[str] = []
        offsets: list[int] = []
        for i, cell in enumerate(cells):
            found = ISO.fullmatch(cell.strip())
            if found is None:
                raise BadCell(i, "be ISO 8601 as the times before it", cell)
            zoned = found[3] is not None
            if self._zoned is None:
                self._zoned = zoned
                self.zone = f"given ({found[3]})" if zoned else "none is given: read as UTC"
            elif self._zoned != zoned:
                rule = "give its time zone as those before it" if self._zoned else "give no zone, as before"
                raise BadCell(i, rule, cell)
            dates.append(f"{found[1]}T{(found[2] or '00:00').replace(',', '.')}")
            offsets.append(_offset_min(i, cell, found[3]) if zoned else 0)
        return _instants(dates, cells) - np.array(offsets, np.int64) * 60 * UNITS["s"]

    def _of_array(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Numbers of a typed column."""
        if values.dtype.kind == "M":
            raise TypeError("times of an array must be numbers, was datetime64")
        if values.dtype.kind == "f":
            return self._of_floats(values)
        if len(values) and int(values.max()) > I8_MAX:
            raise BadCell(int(np.argmax(values)), "be an int64", int(values.max()))
        whole = values.astype(np.int64)
        if len(whole):
            self._settle(int(whole[0]))
            self._check_range(whole)
        return np.asarray(whole * UNITS[self.unit or "ns"])

    def _of_floats(self, values: NDArray[Any]) -> NDArray[np.int64]:
        bad = np.flatnonzero(~(np.abs(values) < 2**62))
        if len(bad):
            raise BadCell(int(bad[0]), "be a finite time", float(values[bad[0]]))
        whole = np.floor(values)
        if not (whole == values).all() and len(values):
            self._settle(int(whole[0]))
            if "floats" not in self.told:
                self.told += "; floats, rounded to the microsecond"
            scale = UNITS[self.unit or "ns"]
            self._check_range(whole.astype(np.int64))
            micros = np.rint((values - whole) * (scale / 1000)).astype(np.int64)
            return np.asarray(whole.astype(np.int64) * scale + micros * 1000)
        return self._of_array(whole.astype(np.int64))


def _offset_min(index: int, cell: str, zone: str) -> int:
    if zone in ("Z", "z", "UTC", "GMT"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if minutes > 59 or hours * 60 + minutes > OFFSET_MAX_MIN:
        raise BadCell(index, "have an offset of at most 15:00 from UTC", cell)
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def _instants(dates: Sequence[str], cells: Sequence[str]) -> NDArray[np.int64]:
    """Nanoseconds of dates that have the form of ISO 8601."""
    try:
        exact = np.array(dates, "datetime64[ns]")
        coarse = np.array(dates, "datetime64[s]")
    except ValueError:
        for i, date in enumerate(dates):
            try:
                np.datetime64(date, "ns")
            except ValueError as error:
                raise BadCell(i, "be a date and a time that exist", cells[i]) from error
        raise
    wrapped = np.flatnonzero(np.abs(exact.astype("datetime64[s]") - coarse) > np.timedelta64(1, "s"))
    if len(wrapped):  # NumPy wraps round what 64 bits of nanoseconds do not hold
        raise BadCell(int(wrapped[0]), "be from 1678 to 2261", cells[int(wrapped[0])])
    return np.asarray(exact.astype(np.int64))
