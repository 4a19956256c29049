"""Energy that the network's machines take for their hashes, by date."""

from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple, overload

import numpy as np

from livetrading.blockchain.domain import Floats, Numbers, float_of
from livetrading.core.variates import exp, log

__all__ = ["ANCHORS", "Anchor", "efficiency_at"]

SECONDS_PER_DAY: Final = 86_400


class Anchor(NamedTuple):
    """Mean efficiency of the network on a day, and who says so."""

    day: date
    j_per_th: float
    source: str


ANCHORS: Final = (
    Anchor(date(2009, 1, 3), 1e7, "assumed: desktop CPUs, an order of magnitude; there is no survey"),
    Anchor(date(2010, 10, 1), 330_000.0, "D. Davis (2013), table (bitcointalk 281279): GPUs, 330 J/GH"),
    Anchor(date(2013, 1, 30), 100_000.0, "assumed: GPUs and FPGAs on the day the first ASIC shipped"),
    Anchor(date(2014, 1, 1), 2_000.0, "assumed: machines like the Antminer S1"),
    Anchor(date(2015, 7, 1), 510.0, "M. Bevand (2017), phases 0 to 3: upper bound 0.51 J/GH"),
    Anchor(date(2017, 2, 26), 170.0, "M. Bevand (2017): midpoint of the bounds 0.10 and 0.238 J/GH"),
    Anchor(date(2018, 7, 1), 89.0, "Coin Metrics (June 2023), network efficiency of July 2018"),
    Anchor(date(2023, 5, 1), 33.0, "Coin Metrics (June 2023), network efficiency of May 2023"),
    Anchor(date(2024, 6, 30), 28.2, "Cambridge Digital Mining Industry Report (April 2025), survey of 2024"),
    Anchor(date(2025, 11, 30), 25.0, "assumed: the project's figure for height 925,810; renewal suggests 21"),
)
"""In order of their days. About 20 % uncertain from 2018 on, a factor of 2 in 2013 to 2017, more before."""


def _day(anchor: Anchor) -> int:
    return (anchor.day - date(1970, 1, 1)).days


def _by_day() -> Floats:
    """J/TH of every day from the first anchor to the last: straight in the logarithm between two anchors."""
    pieces = []
    for here, there in pairwise(ANCHORS):
        days = _day(there) - _day(here)
        start = log(here.j_per_th)
        piece = exp(start + (log(there.j_per_th) - start) / days * np.arange(days, dtype=np.float64))
        piece[0] = here.j_per_th
        pieces.append(piece)
    return np.concatenate([*pieces, [ANCHORS[-1].j_per_th]])


FIRST_DAY: Final = _day(ANCHORS[0])
LAST_DAY: Final = _day(ANCHORS[-1])
BY_DAY: Final = _by_day()


@overload
def efficiency_at(time: float) -> float: ...
@overload
def efficiency_at(time: Numbers) -> Floats: ...
def efficiency_at(time: float | Numbers) -> float | Floats:
    """Mean efficiency of the network's machines on the UTC day of a time.

    Parameters
    ----------
    time : float, or ndarray of numbers
        s since the Unix epoch.

    Returns
    -------
    float, or ndarray of float64
        J/TH: log-linear in the day between the `ANCHORS`, that of the first before them and that of the last
        after them.

    Raises
    ------
    DomainError
        If a time is NaN or infinite.
    TypeError
        If `time` is neither a number nor an array of numbers.
    """
    seconds = float_of(time, "time", "finite")
    if isinstance(seconds, np.ndarray):
        whole = np.clip(np.floor(seconds), FIRST_DAY * SECONDS_PER_DAY, LAST_DAY * SECONDS_PER_DAY)
        days = whole.astype(np.int64) // SECONDS_PER_DAY
        return np.asarray(BY_DAY.take(days - FIRST_DAY))
    day = min(max(seconds // SECONDS_PER_DAY, FIRST_DAY), LAST_DAY)
    return float(BY_DAY[int(day) - FIRST_DAY])
