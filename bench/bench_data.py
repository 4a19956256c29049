"""Ticks a second of the data layer.

    python -m pytest bench/bench_data.py --benchmark-json=bench.json

Rounds and `extra_info` are those of bench_core.py.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_core import ROUNDS, TICKS, measure, some_ticks
from numpy.typing import NDArray

from livetrading.config import load_config
from livetrading.core.checksum import crc32c
from livetrading.core.dtypes import TICK
from livetrading.data import csv_columns, csv_table
from livetrading.data.bars import BarBuilder, bars, parse_rule
from livetrading.data.history import scan
from livetrading.data.pipeline import pipeline
from livetrading.data.ticks import open_ticks, write_ticks
from livetrading.data.ultra import UltraFile, UltraWriter
from livetrading.data.ultra_blocks import layout_of
from livetrading.data.ultra_layout import BlockHead, EndMark


@pytest.fixture(scope="module")
def market() -> NDArray[np.void]:
    """Return ticks of the chaos market: each with a new quote, one in eight with a trade."""
    return some_ticks(load_config({"run.capital": 100.0}, preset="realistic"), TICKS)


@pytest.fixture(scope="module")
def trades(market: NDArray[np.void]) -> NDArray[np.void]:
    """Return the same, each with a trade, so that no rule has ticks to skip."""
    ticks = market.copy()
    rng = np.random.default_rng(1)
    ticks["flags"] = 3
    ticks["volume"] = rng.exponential(0.02, len(ticks))
    ticks["side"] = rng.choice([-1, 1], len(ticks))
    return ticks


BAR_RULES = [
    *("time:1s", "time:1m", "tick:1000", "volume:10", "dollar:1e6"),
    *("tick-imbalance", "volume-imbalance", "tick-run", "dollar-run"),
]


@pytest.mark.parametrize("rule", BAR_RULES)
def test_bars(benchmark: Any, trades: NDArray[np.void], rule: str) -> None:
    """Bars of an array in which every tick has a trade."""
    start = lambda: (BarBuilder(parse_rule(rule)),)  # noqa: E731
    measure(benchmark, lambda builder: builder.push(trades), TICKS, start, ROUNDS)


@pytest.mark.parametrize("rule", ["time:1m", "volume:10", "dollar:1e6"])
def test_bars_in_chunks(benchmark: Any, market: NDArray[np.void], rule: str) -> None:
    """Bars of chunks of 16,384 ticks, as recordings are read, one in eight with a trade."""
    chunks = np.split(market, range(16_384, TICKS, 16_384))
    start = lambda: (BarBuilder(parse_rule(rule)),)  # noqa: E731
    measure(benchmark, lambda builder: sum(map(len, bars(chunks, builder))), TICKS, start, ROUNDS)


def written(path: Path, ticks: NDArray[np.void], priced: bool) -> None:
    prices = np.repeat(np.arange(1.0, 1.0 + -(-len(ticks) // 6000)), 6000)[: len(ticks)] if priced else None
    with UltraWriter(path, TICK, true_price=priced) as writer:
        for at in range(0, len(ticks), 65_536):
            writer.write(ticks[at : at + 65_536], None if prices is None else prices[at : at + 65_536])


@pytest.mark.parametrize("priced", [False, True])
def test_ultra_write(benchmark: Any, market: NDArray[np.void], tmp_path: Path, priced: bool) -> None:
    """To a new file, a block at a time."""

    def start() -> tuple[Path]:
        (tmp_path / "a.ultra").unlink(missing_ok=True)
        return (tmp_path / "a.ultra",)

    measure(benchmark, lambda path: written(path, market, priced), TICKS, start, ROUNDS)


@pytest.mark.parametrize("priced", [False, True])
@pytest.mark.parametrize("opened", ["blocks", "open_ticks"])
def test_ultra_read(
    benchmark: Any, market: NDArray[np.void], tmp_path: Path, opened: str, priced: bool
) -> None:
    """Every block mapped and looked at; the file is in the system's cache."""
    written(tmp_path / "a.ultra", market, priced)

    def read(path: Path) -> int:
        if opened == "blocks":
            with UltraFile(path) as file:
                return sum(len(rows) for rows, _ in file.with_true_price())
        with open_ticks([path]) as recording:
            return sum(map(len, recording))

    measure(benchmark, read, TICKS, lambda: (tmp_path / "a.ultra",), ROUNDS)


CSV_ROWS = 200_000


def csv_of(path: Path, ticks: NDArray[np.void]) -> Path:
    write_ticks(path, [ticks[:CSV_ROWS]])
    return path


@pytest.mark.parametrize("by", ["pyarrow", "python"])
@pytest.mark.parametrize("opened", ["open_ticks", "scan"])
def test_csv_read(
    benchmark: Any,
    market: NDArray[np.void],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: str,
    by: str,
) -> None:
    """Ticks as this package writes them, 120 bytes a line."""
    for module in (csv_columns, csv_table):
        monkeypatch.setattr(module, "FAST_BYTES", 0 if by == "pyarrow" else 1 << 60)
    path = csv_of(tmp_path / "a.csv", market)

    def read(path: Path) -> int:
        if opened == "scan":
            return sum(map(len, scan(path)))
        with open_ticks([path]) as recording:
            return sum(map(len, recording))

    measure(benchmark, read, CSV_ROWS, lambda: (path,), ROUNDS)


@pytest.mark.parametrize("suffix", [".ultra", ".parquet", ".csv"])
def test_csv_convert(benchmark: Any, market: NDArray[np.void], tmp_path: Path, suffix: str) -> None:
    """From CSV through a chain without steps, with the checksum of the source."""
    chain = pipeline(csv_of(tmp_path / "a.csv", market)).write(tmp_path / f"b{suffix}")
    measure(benchmark, lambda: chain.run(again=True), CSV_ROWS, lambda: (), ROUNDS)


def test_ultra_open(benchmark: Any, tmp_path: Path) -> None:
    """A file of 10^9 ticks, 64 GB that are holes but for the headers of its blocks."""
    path, rows, layout, crc = tmp_path / "a.ultra", 10**9, layout_of(TICK), 0
    with path.open("wb") as file:
        file.write(layout.to_bytes())
        for number in range(-(-rows // layout.block_rows)):
            n = min(layout.block_rows, rows - number * layout.block_rows)
            crc = crc32c(bytes(n * TICK.itemsize)) if number == 0 or n < layout.block_rows else crc
            file.seek(layout.at(number))
            file.write(BlockHead(number, number * layout.block_rows, 0, 0, n, 0, crc).to_bytes(layout))
        file.seek(n * TICK.itemsize, 1)
        file.write(EndMark(number + 1, rows).to_bytes(layout))

    def opened() -> int:
        with UltraFile(path) as file:
            return file.rows

    assert benchmark(opened) == rows
