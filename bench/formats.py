"""Replay from each format of a recording against replay from memory: ``formats.py [ROWS]`` prints the table.

Ratios are of processor time, the median of the rounds, so that what else the machine does matters little.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading import TICK, GbmMarket, Processor, load_config, open_ticks, write_ticks

SUFFIXES: Final = (".npy", ".ultra", ".parquet", ".csv", ".csv.gz", ".csv.zst")
CHUNK: Final = 65_536
ROUNDS: Final = 3


def seconds(chunks: Iterable[NDArray[np.void]]) -> tuple[float, str]:
    config = load_config({"run.capital": 1000})
    processor = Processor(config.settings, config.run.capital)
    begun = time.process_time()
    for ticks in chunks:
        processor.replay(ticks)
    processor.close()
    return time.process_time() - begun, processor.totals()["fills_sha256"]


def from_file(path: Path) -> Iterator[NDArray[np.void]]:
    with open_ticks([path]) as recording:
        yield from recording


def main(rows: int) -> None:
    ticks = np.zeros(rows, TICK)
    GbmMarket(1, 1_700_000_000 * 10**9, 10**8, 60_000.0, 2e-5).fill(ticks)
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"ticks{suffix}" for suffix in SUFFIXES]
        for path in paths:
            write_ticks(path, [ticks])
        ratios: dict[Path, list[float]] = {path: [] for path in paths}
        for _ in range(ROUNDS):
            memory, fills = seconds(ticks[at : at + CHUNK] for at in range(0, rows, CHUNK))
            for path in paths:
                taken, found = seconds(from_file(path))
                assert found == fills, path
                ratios[path].append(memory / taken)
        print(
            f"memory: {rows / memory / 1e6:.1f} million ticks/s; {rows:,} ticks, equal fills from every file"
        )
        for path in paths:
            size = path.stat().st_size / rows
            print(f"{path.name}: {median(ratios[path]):.3f} of that, {size:.1f} bytes a tick")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
