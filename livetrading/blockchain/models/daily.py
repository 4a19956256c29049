"""Windows over daily rows: whole ones, or NaN and why."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from livetrading.blockchain.models.model import Floats
from livetrading.blockchain.protocol import DomainError

__all__ = ["check_days", "moving_average", "why_no_average"]

Masks = list[tuple[NDArray[np.bool_], str]]


def check_days(day: NDArray[Any]) -> None:
    """Refuse rows that are not one a day, in order; a single number is one row."""
    if day.ndim > 1:
        raise DomainError(f"day must be one row a day, of one dimension, was of shape {day.shape}")
    if day.ndim == 1 and (back := np.flatnonzero(np.diff(day) <= 0)).size:
        first = back[0]
        raise DomainError(f"day must be one row a day, in order, was {day[first + 1]} after {day[first]}")


def moving_average(day: NDArray[Any], values: Floats, n: int) -> Floats:
    """Mean of a day and the n - 1 before it; NaN where one of them is missing or NaN."""
    rows = np.atleast_1d(values)
    mean = np.full(rows.shape, np.nan)
    if len(rows) >= n:
        mean[n - 1 :] = sliding_window_view(rows, n).mean(axis=-1)
        mean[n - 1 :][_spans(day, n) != n - 1] = np.nan
    return mean.reshape(np.shape(values))


def why_no_average(day: NDArray[Any], values: Floats, n: int, name: str) -> Masks:
    """Where `moving_average` is NaN, and why."""
    rows, mean = np.atleast_1d(values), np.atleast_1d(moving_average(day, values, n))
    early = np.arange(len(rows)) < n - 1
    gap = np.zeros(len(rows), bool)
    if len(rows) >= n:
        gap[n - 1 :] = _spans(day, n) != n - 1
    masks = [
        (early, f"fewer than {n} days"),
        (gap, f"a day is missing in the last {n}"),
        (np.isnan(mean), f"needs {name} on each of the last {n} days"),
    ]
    return [(mask.reshape(np.shape(values)), text) for mask, text in masks]


def _spans(day: NDArray[Any], n: int) -> NDArray[Any]:
    """Days from the first to the last of each n rows."""
    days = np.atleast_1d(day)
    return np.asarray(days[n - 1 :] - days[: len(days) - n + 1])
