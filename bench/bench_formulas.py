"""Updates a second of every formula, and what all of them cost a bar.

    pytest bench/bench_formulas.py --benchmark-json=formulas.json [-k "stream and 141-"]

The best of the rounds counts, in processor time, as other work on a shared machine only ever slows one. In
`extra_info`: `updates_per_second`; of `stream` the slowest single update too, `worst_us`; of the whole set
`ms_per_bar` and `worst_ms`, both of wall clock, and `worst_first_ms`, the worst of the bars before, in which
libraries load and models are fitted first. BENCH_ROUNDS is 3, BENCH_THREADS of the whole set 2.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from livetrading.formulas.checks.markets import market
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.panel import Panel, staggered
from livetrading.formulas.registry import FORMULA_REGISTRY, create

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
THREADS = int(os.environ.get("BENCH_THREADS", "2"))
COMPILED_ROWS, OTHER_ROWS = 50_000, 700
WARM_UP, BARS = 1_500, 300
LEARNED = (*range(61, 71), *range(91, 99))
"""Of constant work, but of thousands of operations a step."""

IDS = [pytest.param(id, id=f"{id}-{formula.info.name}") for id, formula in FORMULA_REGISTRY.items()]


def rows_of(id: int) -> int:
    """Return how many rows make a round."""
    if id in LEARNED or not issubclass(FORMULA_REGISTRY[id], KernelFormula):
        return OTHER_ROWS
    return COMPILED_ROWS


def parameters_for(id: int) -> dict[str, Any]:
    """Return the row's own parameters where a formula is compiled, else those of the checks, of few rows."""
    compiled = issubclass(FORMULA_REGISTRY[id], KernelFormula)
    return {} if compiled else getattr(FORMULA_REGISTRY[id], "check_parameters", {})


def columns_for(id: int) -> dict[str, Any]:
    """Return what a formula reads of a simulated market, `close` and `price` alike."""
    wanted = {"ts", *FORMULA_REGISTRY[id].reads, *getattr(FORMULA_REGISTRY[id], "holds", ())}
    return {name: column for name, column in market(rows_of(id)).items() if name in wanted}


def measure(benchmark: Any, work: Callable[..., object], updates: int, setup: Callable[[], Any]) -> None:
    """Time `work(setup())` by the processor's clock."""
    best = float("inf")

    def timed(argument: Any) -> None:
        nonlocal best
        begin = time.process_time()
        work(argument)
        best = min(best, time.process_time() - begin)

    benchmark.pedantic(timed, setup=lambda: ((setup(),), {}), rounds=ROUNDS)
    benchmark.extra_info["updates_per_second"] = updates / best
    benchmark.extra_info["learned"] = False


@pytest.mark.parametrize("id", IDS)
def test_batch(benchmark: Any, id: int) -> None:
    """All rows at once."""
    columns, given = columns_for(id), parameters_for(id)
    measure(benchmark, lambda formula: formula.run(columns), rows_of(id), lambda: create(id, **given))
    benchmark.extra_info["learned"] = id in LEARNED


@pytest.mark.parametrize("id", IDS)
def test_stream(benchmark: Any, id: int) -> None:
    """One observation after another, from Python."""
    columns, given = columns_for(id), parameters_for(id)
    names = list(columns)
    lists = (column.tolist() for column in columns.values())
    observations = [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]

    def feed(formula: Any) -> None:
        for observation in observations:
            formula.update(observation)

    measure(benchmark, feed, len(observations), lambda: create(id, **given))
    formula, worst = create(id, **given), 0
    for observation in observations:
        begin = time.process_time_ns()  # of wall clock the slowest is the machine's other work
        formula.update(observation)
        worst = max(worst, time.process_time_ns() - begin)
    benchmark.extra_info["worst_us"] = worst / 1e3
    benchmark.extra_info["learned"] = id in LEARNED


def test_whole_set(benchmark: Any) -> None:
    """A bar to every formula, with the parameters of the rows, refits spread."""
    columns = market(WARM_UP + BARS)
    names = list(columns)
    observations = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    with Panel(staggered(FORMULA_REGISTRY), capacity=1 << 14, threads=THREADS) as panel:
        took: list[float] = []

        def bars(some: list[dict[str, Any]]) -> None:
            for observation in some:
                begin = time.perf_counter()
                panel.append(observation)
                took.append(time.perf_counter() - begin)

        bars(observations[:WARM_UP])
        benchmark.extra_info["worst_first_ms"] = 1e3 * max(took)
        took.clear()
        benchmark.pedantic(bars, (observations[WARM_UP:],), rounds=1)
        benchmark.extra_info["formulas"] = len(panel)
        benchmark.extra_info["ready"] = sum(one.ready for one in panel.formulas.values())
    benchmark.extra_info["ms_per_bar"] = 1e3 * float(np.mean(took))
    benchmark.extra_info["worst_ms"] = 1e3 * max(took)
