"""Cells of a column as numbers; a cell that is none is named."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.data.stamps import BadCell

__all__ = ["BadCell", "floats", "signs", "whole"]

NULLS: Final = frozenset(("", "null", "none", "na", "n/a"))
"""How files say that a cell has no value, in small letters; nan is a number."""

SIDES: Final = {
    "side": {"buy": 1, "b": 1, "1": 1, "+1": 1, "sell": -1, "s": -1, "-1": -1, "0": 0, "unknown": 0, "": 0},
    "is_buyer_maker": {"true": -1, "1": -1, "false": 1, "0": 1},
    "is_sell": {"0": 1, "buy": 1, "false": 1, "1": -1, "sell": -1, "true": -1},
}
"""Who began a trade, by the words of each column: +1 a buyer, -1 a seller, 0 not known."""

BOUNDS: Final = {"trades": (-1, 2**63 - 1), "flags": (0, 7)}

Cells = Sequence[str] | NDArray[Any]


def floats(cells: Cells) -> tuple[NDArray[np.float64], int]:
    """Return the numbers, NaN where there is none, and how many those are; BadCell for what is no number."""
    if isinstance(cells, np.ndarray):
        return np.asarray(cells, np.float64), 0
    try:
        if "_" in "".join(cells):  # Python's own literals group digits with it
            raise ValueError("a number must have no underscore")
        return np.fromiter(map(float, cells), np.float64, len(cells)), 0
    except ValueError:
        return _floats_one_by_one(cells)


def _floats_one_by_one(cells: Sequence[str]) -> tuple[NDArray[np.float64], int]:
    values = np.full(len(cells), np.nan)
    nulls = 0
    for i, cell in enumerate(cells):
        text = cell.strip().lower()
        if text in NULLS:
            nulls += 1
            continue
        try:
            values[i] = float(text.replace("_", "?"))
        except ValueError:
            raise BadCell(i, "be a number", cell) from None
    return values, nulls


def signs(name: str, cells: Cells) -> NDArray[np.int8]:
    """Return +1, -1 or 0 for each cell of `side`, `is_buyer_maker` or `is_sell`."""
    words = SIDES[name]
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "i" and len(cells):
        meant = [words.get(str(number)) for number in (-1, 0, 1)]
        if cells.min() >= (-1 if meant[0] is not None else 0) and cells.max() <= 1:
            return np.asarray(np.array([sign or 0 for sign in meant], np.int8)[cells + 1])
    if isinstance(cells, np.ndarray):
        cells = [
            str(int(cell)) if cell == cell and cell == int(cell) else str(cell) for cell in cells.tolist()
        ]
    try:
        if words.keys() >= set(cells):
            return np.fromiter(map(words.__getitem__, cells), np.int8, len(cells))
        return np.fromiter((words[cell.strip().lower()] for cell in cells), np.int8, len(cells))
    except KeyError:
        bad = next(i for i, cell in enumerate(cells) if cell.strip().lower() not in words)
        known = ", ".join(word for word in words if word)
        raise BadCell(bad, f"be one of {known}", cells[bad]) from None


def whole(name: str, cells: Cells) -> NDArray[Any]:
    """Return whole numbers; -1 for a number of trades that is not known."""
    low, high = BOUNDS[name]
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iu":
        if cells.dtype.kind == "u":
            cells = np.minimum(cells, np.uint64(2**63 - 1))
        values = cells.astype(np.int64)
    else:
        texts = [str(cell) for cell in cells.tolist()] if isinstance(cells, np.ndarray) else cells
        values = np.fromiter((_whole(name, i, cell) for i, cell in enumerate(texts)), np.int64, len(texts))
    bad = np.flatnonzero((values < low) | (values > high))
    if len(bad):
        raise BadCell(int(bad[0]), f"be a whole number from {low} to {high}", int(values[bad[0]]))
    return values if name == "trades" else values.astype(np.uint8)


def _whole(name: str, index: int, cell: str) -> int:
    text = cell.strip().lower()
    if name == "trades" and (text in NULLS or text == "nan"):
        return -1
    stem, point, rest = text.partition(".")
    try:
        if point and rest.strip("0"):
            raise ValueError("a count must be whole")
        value = int(stem.replace("_", "?"))
    except ValueError:
        raise BadCell(index, "be a whole number", cell) from None
    if abs(value) > 2**63 - 1:
        raise BadCell(index, "be an int64", cell)
    return value
