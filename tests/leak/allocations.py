"""Count the allocations of a run of n ticks and of one of 2n: ``allocations.py`` prints both, as JSON.

To be run with count_allocations.c preloaded and PYTHONMALLOC=malloc, so that Python's objects count too.
"""

import ctypes
import json
from collections.abc import Callable
from typing import Final

import numpy as np

from livetrading.core.dtypes import RESULT, TICK
from livetrading.core.market import GbmMarket
from livetrading.core.processor import Processor
from livetrading.core.settings import ExitSettings, Settings

N: Final = 200_000
SETTINGS: Final = Settings(exits=ExitSettings(take_profit_bps=3, stop_bps=4))
LIBRARY: Final = ctypes.CDLL(None)
LIBRARY.lt_allocations.restype = ctypes.c_ulong


def market() -> GbmMarket:
    return GbmMarket(1, 1_764_478_080 * 10**9, 10**8, 5e4, 1e-4)


TICKS: Final = np.zeros(2 * N, TICK)
market().fill(TICKS)
ROWS: Final = np.zeros(2 * N, RESULT)


def halted(one: Processor) -> Processor:
    """No entry, no fill: what is left is the loop."""
    one.halt()
    return one


def run(n: int) -> Callable[[], object]:
    one = halted(Processor(SETTINGS, 1e4, market()))
    return lambda: one.run(n)


def run_with_rows(n: int) -> Callable[[], object]:
    one = halted(Processor(SETTINGS, 1e4, market()))
    return lambda: one.run(n, ROWS)


def replay(n: int) -> Callable[[], object]:
    one, ticks = halted(Processor(SETTINGS, 1e4)), TICKS[:n]
    return lambda: one.replay(ticks)


def fill(n: int) -> Callable[[], object]:
    one, ticks = market(), TICKS[:n].copy()
    return lambda: one.fill(ticks)


def count(make: Callable[[int], Callable[[], object]], n: int) -> int:
    work = make(n)
    before = LIBRARY.lt_allocations()
    work()
    return int(LIBRARY.lt_allocations() - before)


if __name__ == "__main__":
    works = (run, run_with_rows, replay, fill)
    for work in works:
        count(work, N)  # what is done once is done here
    print(json.dumps({work.__name__: [count(work, N), count(work, 2 * N)] for work in works}))
