"""Ticks a second, latency and memory of the core.

    pytest bench/bench_core.py --benchmark-json=bench.json

Every round does the same work afresh, and the best of the rounds counts, as other processes only ever slow
one. In `extra_info`: `ticks_per_second`, and `ratio`, ticks per thousand additions of the calibration kernel
(workload.py) that runs before every round. Ratios can be compared between machines and hours; ticks a second
cannot. BENCH_LONG=1 adds the memory of 1e8 ticks; BENCH_ROUNDS is 7.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from w1 import W1, tape
from w1_signal import STATE, USER, said_of, z_rule
from workload import add_up, additions_per_second, fed_market, fresh_processor, write_w1

from livetrading.config import Config, load_config
from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import TICK
from livetrading.core.market import ChaosMarket, NullMarket
from livetrading.core.processor import Processor
from livetrading.core.settings import BookSettings
from livetrading.engine.null_market import NullLaw, walk_like_chaos

TICKS = 4_000_000
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
MEMORY = """
import sys
from livetrading.runner import main
code = main()
status = open("/proc/self/status").read()
print(status.split("VmHWM:")[1].split()[0], file=sys.stderr)
sys.exit(code)
"""
"""Reads the peak of its own memory: the usage that a parent is told counts the parent itself, before exec."""


@pytest.fixture(params=["realistic", "seed"])
def config(request: pytest.FixtureRequest) -> Config:
    """Return a preset with 100 USD."""
    return load_config({"run.capital": 100.0}, preset=request.param)


def measure(
    benchmark: Any, work: Callable[..., object], ticks: int, setup: Callable[[], tuple[Any, ...]], rounds: int
) -> None:
    """Time `work(*setup())`, which takes `ticks` ticks, and note the speed."""
    kernel: list[float] = []

    def prepare() -> tuple[tuple[Any, ...], dict[str, Any]]:
        arguments = setup()
        kernel.append(additions_per_second())
        return arguments, {}

    benchmark.pedantic(work, setup=prepare, rounds=rounds)
    if benchmark.stats is None:  # --benchmark-disable
        return
    speed = ticks / benchmark.stats.stats.min
    benchmark.extra_info["ticks"] = ticks
    benchmark.extra_info["ticks_per_second"] = speed
    benchmark.extra_info["ratio"] = 1000 * speed / max(kernel)


def some_ticks(config: Config, n: int) -> NDArray[np.void]:
    """Return the first `n` ticks of the configured market."""
    ticks = np.zeros(n, TICK)
    fed_market(config, n).fill(ticks)
    return ticks


def fill(market: ChaosMarket | NullMarket) -> None:
    """Make `TICKS` ticks."""
    ticks = np.zeros(4_000, TICK)
    for _ in range(TICKS // len(ticks)):
        market.fill(ticks)


def test_market(benchmark: Any, config: Config) -> None:
    """The market alone, into an array that the cache holds."""
    measure(benchmark, fill, TICKS, lambda: (fed_market(config, TICKS),), ROUNDS)


@pytest.fixture(scope="module")
def walk() -> NullLaw:
    """Return the random walk like the chaos market."""
    return walk_like_chaos(load_config({"run.capital": 100.0}, preset="realistic").market)


@pytest.mark.parametrize("name", ["gbm", "garch-t", "bootstrap", "hawkes"])
def test_null_market(benchmark: Any, walk: NullLaw, name: str) -> None:
    """A null market alone, into an array that the cache holds; the bootstrap draws from 65,536 returns."""
    returns = 1e-4 * np.random.default_rng(1).standard_t(4, 1 << 16) if name == "bootstrap" else None
    law = replace(walk, name=name, returns=returns)
    measure(benchmark, fill, TICKS, lambda: (law.market(1),), ROUNDS)


def test_replay(benchmark: Any, config: Config) -> None:
    """Processing alone, of an array: every voter, adaptive levels, vote, Kelly, exits.

    The preset `seed` fills more than 100,000 orders in these ticks, `realistic` as many as its costs allow.
    """
    ticks, last = some_ticks(config, TICKS), [fresh_processor(config)]

    def start() -> tuple[Processor]:
        last[0] = fresh_processor(config)
        return (last[0],)

    measure(benchmark, lambda processor: processor.replay(ticks), TICKS, start, ROUNDS)
    benchmark.extra_info["fills"] = last[0].totals()["fills"]


def test_run(benchmark: Any, config: Config) -> None:
    """Market and processing."""
    last = [fresh_processor(config)]

    def start() -> tuple[Processor]:
        last[0] = fresh_processor(config, fed_market(config, TICKS))
        return (last[0],)

    measure(benchmark, lambda processor: processor.run(TICKS), TICKS, start, ROUNDS)
    benchmark.extra_info["fills"] = last[0].totals()["fills"]


def test_books(benchmark: Any, config: Config) -> None:
    """Processing alone, of an array, over eight time scales."""
    settings, ticks = replace(config.settings, books=BookSettings(count=8)), some_ticks(config, TICKS)
    last = [Processor(settings, config.run.capital)]

    def start() -> tuple[Processor]:
        last[0] = Processor(settings, config.run.capital)
        return (last[0],)

    measure(benchmark, lambda processor: processor.replay(ticks), TICKS, start, ROUNDS)
    benchmark.extra_info["fills"] = last[0].totals()["fills"]


@pytest.fixture(scope="module")
def tape_of_w1(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.void]:
    """Return the 5,000,000 ticks of W1."""
    path = Path(os.environ.get("W1_FILE", tmp_path_factory.mktemp("w1") / "w1.npy"))
    write_w1(path, 5_000_000)
    return tape(str(path), 5_000_000)


def test_w1(benchmark: Any, tape_of_w1: NDArray[np.void]) -> None:
    """The rule W1 on its 5,000,000 ticks: what it must trade is what other engines trade on them."""
    last = [Processor(W1, 1_000_000.0)]

    def start() -> tuple[Processor]:
        last[0] = Processor(W1, 1_000_000.0)
        return (last[0],)

    measure(benchmark, lambda processor: processor.replay(tape_of_w1), len(tape_of_w1), start, ROUNDS)
    totals = last[0].totals()
    assert (totals["trades"], totals["net_micro"]) == (55_989, -6_475_449_408)
    benchmark.extra_info["trades"] = totals["trades"]


@pytest.mark.parametrize("source", ["function", "array"])
def test_w1_as_user(benchmark: Any, tape_of_w1: NDArray[np.void], source: str) -> None:
    """W1 said by a caller's function in C, or by an array made beforehand, in turn with the built-in."""
    said = said_of(tape_of_w1) if source == "array" else None
    built_in: list[float] = []
    totals: list[Any] = []

    def start() -> tuple[Processor]:
        processor = Processor(W1, 1_000_000.0)
        begun = time.perf_counter()
        processor.replay(tape_of_w1)
        built_in.append(time.perf_counter() - begun)
        totals.append(processor.totals())
        signal: dict[str, Any] = (
            {"signal": z_rule, "signal_state": np.zeros(STATE)} if source == "function" else {}
        )
        return (Processor(USER, 1_000_000.0, **signal),)

    def replay(processor: Processor) -> None:
        processor.replay(tape_of_w1, signal=said)
        totals.append(processor.totals())

    measure(benchmark, replay, len(tape_of_w1), start, ROUNDS)
    assert all(t == totals[0] for t in totals)
    if benchmark.stats is not None:
        benchmark.extra_info["share_of_built_in"] = min(built_in) / benchmark.stats.stats.min


def test_resting_orders(benchmark: Any) -> None:
    """The broker driven by hand: eight limit orders 20 to 50 bps off, renewed every 4,096 ticks."""
    n, step = 1 << 20, 4096
    ticks = some_ticks(load_config({"run.capital": 100.0}, preset="realistic"), n)
    fills = [0]

    def quote_both_sides(broker: PaperBroker) -> None:
        fills[0] = 0
        for begin in range(0, n, step):
            fills[0] += len(broker.advance(ticks[begin : begin + step]))
            last = ticks[begin + step - 1]
            for order in broker.orders:
                broker.cancel(order.id)
            for bps in (20, 30, 40, 50):
                broker.submit("limit", 1, 100_000, last["bid"] * (1 - bps * 1e-4))
                broker.submit("limit", -1, 100_000, last["ask"] * (1 + bps * 1e-4))

    measure(benchmark, quote_both_sides, n, lambda: (PaperBroker(1_000_000.0),), ROUNDS)
    benchmark.extra_info["fills"] = fills[0]


def test_on_tick(benchmark: Any, config: Config) -> None:
    """One call from Python a tick."""
    n = 200_000
    rows: list[Any] = some_ticks(config, n).tolist()

    def call(processor: Processor) -> None:
        on_tick = processor.on_tick
        for row in rows:
            on_tick(*row)

    measure(benchmark, call, n, lambda: (fresh_processor(config),), ROUNDS)
    if benchmark.stats is not None:
        benchmark.extra_info["nanoseconds_per_call"] = 1e9 * benchmark.stats.stats.min / n


def test_two_threads(benchmark: Any) -> None:
    """Two engines in two threads against one, in turn, and what plain additions gain from a second thread.

    Rounds are short and many: two cores are seldom both free of other work.
    """
    config, n = load_config({"run.capital": 100.0}, preset="realistic"), 1_000_000
    one: list[float] = []
    chains: dict[int, list[float]] = {1: [], 2: []}
    digests: set[str] = set()

    def start() -> Processor:
        return fresh_processor(config, fed_market(config, n))

    def alone_first() -> tuple[Processor, Processor]:
        for threads, seconds in chains.items():
            begun = time.perf_counter()
            list(pool.map(add_up, [400] * threads))
            seconds.append(time.perf_counter() - begun)
        alone = start()
        begun = time.perf_counter()
        alone.run(n)
        one.append(time.perf_counter() - begun)
        digests.add(alone.totals()["fills_sha256"])
        return start(), start()

    def together(*pair: Processor) -> None:
        list(pool.map(lambda processor: processor.run(n), pair))
        digests.update(processor.totals()["fills_sha256"] for processor in pair)

    with ThreadPoolExecutor(2) as pool:
        measure(benchmark, together, 2 * n, alone_first, 25)
    assert len(digests) == 1
    if benchmark.stats is not None:
        gain = 2 * min(one) / benchmark.stats.stats.min
        # two chains of additions share neither the GIL nor a result: what they miss of 2, the machine lacks
        possible = 2 * min(chains[1]) / min(chains[2])
        benchmark.extra_info |= {
            "threads_speed_up": gain,
            "machine_speed_up": possible,
            "ratio": gain / possible,
        }


@pytest.mark.parametrize("ticks", [1_000_000, 100_000_000])
def test_memory(benchmark: Any, ticks: int) -> None:
    """Peak memory of `hft`."""
    if ticks > 1_000_000 and not os.environ.get("BENCH_LONG"):
        pytest.skip("BENCH_LONG is not set: 1e8 ticks take some 10 s")
    command = [
        sys.executable,
        "-c",
        MEMORY,
        "hft",
        "100",
        "--ticks",
        str(ticks),
        "--no-null-control",
        "--json",
    ]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, check=True, capture_output=True, text=True)

    done = benchmark.pedantic(run, rounds=1)
    assert json.loads(done.stdout)["ticks"] == ticks
    benchmark.extra_info["peak_mib"] = int(done.stderr.split()[-1]) / 1024
