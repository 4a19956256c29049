"""What every runner shares: the rule's numbers, the tape, its own peak memory, and the line it prints.

Needs numpy alone: a runner lives in the environment of its engine, where this project is not installed.
"""

import json
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

WINDOW = 100
ENTRY = 2.0
QUANTITY = 0.01
FEE = 1e-4
GRID = 0.25
CAPITAL = 1_000_000.0
START_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000
WARM_UP = 1_000
"""Ticks of a first run that compiles what is compiled on first use."""


def read_tape() -> tuple[NDArray[np.float64], ...]:
    """Return bid, ask (USD), trade quantity (BTC) and side (+1 bought) of the file in the arguments."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: {Path(sys.argv[0]).name} FILE.npy N")
    tape, n = np.load(sys.argv[1], mmap_mode="r"), int(sys.argv[2])
    if n > tape.shape[1]:
        sys.exit(f"the tape must have {n} ticks, was {tape.shape[1]}")
    bid, ask, quantity, side = (np.array(row[:n]) for row in tape)
    return bid, ask, quantity, side


def z_scores(mid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the z-score over the window, 0 until it is full, for engines that want it beforehand.

    In steps of the grid from the first price the running sums are whole numbers, which float64 holds exactly.
    """
    steps = (mid - mid[0]) / GRID
    first, second = (np.concatenate(([0.0], np.cumsum(values))) for values in (steps, steps * steps))
    total = first[WINDOW:] - first[:-WINDOW]
    spread = WINDOW * (second[WINDOW:] - second[:-WINDOW]) - total * total
    z = np.zeros(len(mid))
    z[WINDOW - 1 :] = (WINDOW * steps[WINDOW - 1 :] - total) / np.sqrt(spread)
    return z


class Clock:
    """Seconds of wall clock and of processor time (all threads of this process) spent inside `with`."""

    def __enter__(self) -> Self:
        """Start."""
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """Stop before the block ends."""
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


def peak_mib() -> float:
    """Return the most memory this process has had, in MiB (Linux)."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("/proc/self/status must have a line VmHWM, had none")
    return int(found[1]) / 1024


def report(package: str | None, ticks: int, clock: Clock, trades: int, pnl: float, **outside: Clock) -> None:
    """Print one JSON line: what the engine did, how long it took, and what was outside the clock."""
    line = {
        "version": version(package) if package else None,
        "ticks": ticks,
        "seconds": clock.wall,
        "cpu_seconds": clock.cpu,
        "trades": trades,
        "pnl": pnl,
        "peak_mib": peak_mib(),
        "outside": {what.replace("_", " "): spent.cpu for what, spent in outside.items()},
    }
    print(json.dumps(line))
