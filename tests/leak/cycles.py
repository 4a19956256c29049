"""Make, use and drop each class of the core again and again: ``cycles.py N`` prints what is left, as JSON.

By name: the growth of the bytes in use, as the allocator counts them, and of the resident memory. To be run
with PYTHONMALLOC=malloc, so that Python's objects count too.
"""

import ctypes
import gc
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import numpy as np

from livetrading.core.agents import Policy
from livetrading.core.bar_rules import RunBars
from livetrading.core.bars import BarBuilder
from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import KNOT, RESULT, TICK
from livetrading.core.impact import Line
from livetrading.core.market import BootstrapMarket, ChaosMarket, GarchMarket, GbmMarket, HawkesMarket
from livetrading.core.nets import Draws, Net, Vae
from livetrading.core.orders import ORDER_KINDS
from livetrading.core.processor import Processor
from livetrading.core.ring import MirroredRing
from livetrading.core.settings import BookSettings, BrokerSettings, ExitSettings, Settings, SignalSettings
from livetrading.core.signals import (
    VPIN,
    AdaptiveEWMAVolatility,
    BitcoinMicroPrice,
    CUSUMFilter,
    EntryLevel,
    EwmaVolatility,
    FlowMomentum,
    KalmanFilter,
    KalmanPriceFilter,
    KylesLambda,
    OrderFlowImbalance,
    TrendStrength,
    ZScoreSignal,
)
from livetrading.core.sizing import DrawdownControl, KellyCriterion
from livetrading.core.vote import SignalConfluence
from livetrading.formulas.checks.markets import market
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.registry import FORMULA_REGISTRY, create

START_NS: Final = 1_764_478_080 * 10**9
RNG: Final = np.random.default_rng(1)
PRICES: Final = 5e4 * np.exp(np.cumsum(RNG.standard_normal(300)) * 1e-4)
SIZES: Final = RNG.exponential(1.0, 300)
SIDES: Final = RNG.choice([-1, 1], 300).astype(np.int8)
VOTES: Final = RNG.integers(-1, 2, (300, 3)).astype(np.int8)
KNOTS: Final = np.array([(START_NS, 925_810, 95e3), (START_NS + 10**12, 925_811, 95e3)], KNOT)
SETTINGS: Final = Settings(
    signals=SignalSettings(window=40), exits=ExitSettings(take_profit_bps=3, stop_bps=4)
)
BOOKS: Final = Settings(
    signals=SignalSettings(voters=("user", "z_score")),
    exits=ExitSettings(take_profit_bps=3, stop_bps=4),
    broker=BrokerSettings(latency="recorded"),
    books=BookSettings(count=8),
)
BAD: Final = np.zeros(3, TICK)
LATE: Final = np.array([[0, 1000], [START_NS, 10**6]])


def gbm() -> GbmMarket:
    return GbmMarket(1, START_NS, 10**8, 5e4, 1e-4)


TICKS: Final = np.zeros(300, TICK)
gbm().fill(TICKS)
ROWS: Final = np.zeros(300, RESULT)


def ring() -> None:
    one = MirroredRing(64)
    one.extend(PRICES)
    one.window(32)


def of_prices(make: Callable[[], Any]) -> Callable[[], None]:
    def use() -> None:
        formula = make()
        formula.update_many(PRICES)
        formula.outputs  # noqa: B018

    return use


def of_quotes(make: Callable[[], Any]) -> Callable[[], None]:
    return lambda: make().update_many(PRICES, PRICES * 1.0001, SIZES, SIZES)


def of_trades(make: Callable[[], Any]) -> Callable[[], None]:
    return lambda: make().update_many(PRICES, SIZES, SIDES)


def broker() -> None:
    account = PaperBroker(1000.0, BrokerSettings(latency="recorded"), books=2, latencies=LATE)
    account.quote(1, 5e4, 5e4)
    for k, kind in enumerate(ORDER_KINDS):
        account.submit(kind, 1, 10**6, None if kind == "market" else 5e4, book=k % 2)
    account.advance(TICKS)
    account.cancel(0)
    account.orders  # noqa: B018
    account.close()


def bars() -> None:
    builder = BarBuilder(RunBars("volume", T0=2, T_min=1))
    builder.push(TICKS)
    builder.open_bar()
    builder.restore(builder.state())


def chaos() -> None:
    market = ChaosMarket(1, START_NS, 10**8)
    market.feed(KNOTS)
    market.fill(TICKS.copy())


def processor() -> None:
    one = Processor(SETTINGS, 1e4, on_fills=lambda fills: None)
    one.replay(TICKS, ROWS)
    one.on_tick(*TICKS[-1].tolist())
    one.close()
    one.totals()


def running() -> None:
    Processor(SETTINGS, 1e4, gbm()).run(300, ROWS)


def books() -> None:
    """Eight books, recorded latencies, a signal of the caller's."""
    one = Processor(BOOKS, 1e4, latencies=LATE)
    one.replay(TICKS, ROWS, signal=SIDES)
    one.last_row()
    one.close()


def refused() -> None:
    """What ends in an error has to be given back as well."""
    for wrong in (-1.0, "much"):
        with suppress(ValueError, TypeError):
            Processor(SETTINGS, wrong)  # type: ignore[arg-type]
    strict = Processor(SETTINGS, 1e4, strict=True)
    with suppress(ValueError):
        strict.replay(BAD)
    with suppress(ValueError):
        strict.replay(TICKS, ROWS[:3])
    with suppress(ValueError):
        PaperBroker(1000.0, latencies=LATE)
    with suppress(ValueError):
        BarBuilder(RunBars()).restore({})
    with suppress(TypeError):
        MirroredRing("x")  # type: ignore[arg-type]
    with suppress(ValueError):
        ZScoreSignal(-1)
    with suppress(ValueError):
        ChaosMarket(1, START_NS, 10**8).fill(TICKS.copy())


def of_formula(id: int) -> Callable[[], None]:
    formula = FORMULA_REGISTRY[id]
    given = getattr(formula, "check_parameters", {})

    def use() -> None:
        one = create(id, **given)
        one.run(MARKET)
        one.restore(one.state())

    return use


WORDS: Final = (1, 2, 3, 4, 0, 0)
MARKET: Final = market(16)
KERNELS: Final = [id for id, formula in FORMULA_REGISTRY.items() if issubclass(formula, KernelFormula)]
"""Formulas whose every step is compiled; between them they use each class of kernels."""

USES: Final[dict[str, Callable[[], object]]] = {
    "MirroredRing": ring,
    "OrderFlowImbalance": of_quotes(OrderFlowImbalance),
    "ZScoreSignal": of_prices(ZScoreSignal),
    "KalmanFilter": of_prices(KalmanFilter),
    "KalmanPriceFilter": of_prices(KalmanPriceFilter),
    "EwmaVolatility": of_prices(EwmaVolatility),
    "CUSUMFilter": of_prices(CUSUMFilter),
    "TrendStrength": of_prices(TrendStrength),
    "KylesLambda": of_trades(KylesLambda),
    "VPIN": of_trades(VPIN),
    "FlowMomentum": of_trades(FlowMomentum),
    "BitcoinMicroPrice": of_quotes(BitcoinMicroPrice),
    "AdaptiveEWMAVolatility": of_prices(AdaptiveEWMAVolatility),
    "EntryLevel": lambda: EntryLevel(1.0, 256.0).update_many(SIZES),
    "KellyCriterion": lambda: KellyCriterion().update_many(SIZES - 1.0),
    "DrawdownControl": lambda: DrawdownControl().update_many(PRICES),
    "SignalConfluence": lambda: SignalConfluence(3).update_many(VOTES, PRICES),
    "BarBuilder": bars,
    "PaperBroker": broker,
    "ChaosMarket": chaos,
    "GbmMarket": lambda: gbm().fill(TICKS.copy()),
    "GarchMarket": lambda: GarchMarket(1, START_NS, 10**8, 5e4, 1e-4).fill(TICKS.copy()),
    "BootstrapMarket": lambda: BootstrapMarket(1, START_NS, 10**8, 5e4, SIZES * 1e-4).fill(TICKS.copy()),
    "HawkesMarket": lambda: HawkesMarket(1, START_NS, 10**8, 5e4).fill(TICKS.copy()),
    "Processor": processor,
    "Processor, running": running,
    "Processor, books": books,
    "refused": refused,
    "Draws": lambda: Draws(WORDS).standard_normal(),
    "Net": lambda: Net("dense", (8, 16, 8)),
    "Vae": lambda: Vae((8, 8, 2), 1.0),
    "Policy": lambda: Policy(np.zeros((3, 10))),
    "Line": lambda: Line(20).state(),
    **{f"formula {id}": of_formula(id) for id in KERNELS},
}


COUNTED = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in COUNTED.split()]


def bytes_in_use() -> int:
    """Return what the C library has handed out and not got back."""
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _Mallinfo2
    info = library.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def growth(use: Callable[[], object], cycles: int) -> tuple[int, int]:
    """Return by how much `cycles` more uses make the bytes in use grow, and the resident memory."""
    marks = []
    for n in (max(300, cycles // 20), cycles):
        for _ in range(n):
            use()
        gc.collect()
        marks.append((bytes_in_use(), resident()))
    return marks[1][0] - marks[0][0], marks[1][1] - marks[0][1]


if __name__ == "__main__":
    print(json.dumps({name: growth(use, int(sys.argv[1])) for name, use in USES.items()}))
