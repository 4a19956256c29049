"""Arguments that are almost right: numbers with a fraction, shared memory, types of another kind."""

import ctypes
from collections.abc import Callable

import numpy as np
import pytest
from tapes import awkward
from test_processor import BUSY, PLAIN, part

from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import RESULT, TICK
from livetrading.core.errors import OrderError
from livetrading.core.market import BootstrapMarket, GbmMarket
from livetrading.core.processor import Processor
from livetrading.core.settings import BrokerSettings, LimitSettings, SizingSettings, VoteSettings

ALONE = part(PLAIN, "signals", voters=("user",))
RECORDED = BrokerSettings(latency="recorded")


@ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_int8), ctypes.c_void_p
)
def says_long(ticks, true_price, n, vote, state):  # type: ignore[no-untyped-def]
    for i in range(n):
        vote[i] = 1
    for ask in ASKED:
        try:
            ask()
        except RuntimeError as error:
            REFUSED.append(str(error))


ASKED: list[Callable[[], object]] = []
REFUSED: list[str] = []


@pytest.mark.parametrize(
    "make",
    [
        lambda x: PaperBroker(100, books=x),
        lambda x: PaperBroker(100, seed=x),
        lambda x: PaperBroker(100).quote(x, 1.0, 2.0),
        lambda x: Processor(BUSY, 100, seed=x),
        lambda x: Processor(BUSY, 100).on_tick(x, 1.0, 1.0, 1.0, 1.0, 1.0),
        lambda x: Processor(BUSY, 100).rows_for(5, x),
        lambda x: GbmMarket(x, 0, 1000, 1.0, 0.1),
        lambda x: GbmMarket(1, x, 1000, 1.0, 0.1),
        lambda x: GbmMarket(1, 0, x, 1.0, 0.1),
    ],
)
def test_whole_numbers_have_no_fraction(make: Callable[[object], object]) -> None:
    for wrong in (1.5, np.float64(1.0), "1"):
        with pytest.raises(TypeError, match="integer"):
            make(wrong)


@pytest.mark.parametrize("every", [0, -1, (1 << 62) + 1, 10**30])
def test_strides_out_of_range(every: int) -> None:
    processor, ticks = Processor(BUSY, 100, GbmMarket(1, 0, 100_000_000, 97_000.0, 1e-4)), awkward(1, 50)
    for use in (
        lambda: processor.replay(ticks, every=every),
        lambda: processor.run(5, every=every),
        lambda: processor.rows_for(5, every),
    ):
        with pytest.raises(ValueError, match=f"every must be from 1 to 2\\*\\*62, was {every}"):
            use()
    with pytest.raises(ValueError, match=r"n must be from 0 to 2\*\*62"):
        processor.run(10**30)
    assert processor.totals()["ticks"] == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda x: BrokerSettings(taker_bps=x),
        lambda x: SizingSettings(kelly=x),
        lambda x: LimitSettings(leverage=x),
        lambda x: VoteSettings(p_min=x),
        lambda x: PaperBroker(x),
    ],
)
@pytest.mark.parametrize("wrong", [10**400, -(10**400), float("nan"), float("inf")])
def test_numbers_beyond_floats(make: Callable[[float], object], wrong: float) -> None:
    with pytest.raises(ValueError, match=r"must be .*, was "):
        make(wrong)


@pytest.mark.parametrize("wrong", [None, 1.5, "realistic", {}])
def test_settings_of_another_type(wrong: object) -> None:
    with pytest.raises(TypeError, match="settings must be Settings, was "):
        Processor(wrong, 100)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="settings must be BrokerSettings, was "):
        PaperBroker(100, BUSY)  # type: ignore[arg-type]


@pytest.mark.parametrize("time", [(1 << 62) + 1, (1 << 63) + 5])
def test_latencies_after_all_time(time: int) -> None:
    latencies = np.array([[0, 1], [time, 2]], np.uint64)
    with pytest.raises(ValueError, match=r"from 0 to 2\*\*62 and not go back"):
        PaperBroker(100, RECORDED, latencies=latencies)


@pytest.mark.parametrize("price", ["99", b"99", [99.0], 99j, object()])
def test_prices_of_another_type(price: object) -> None:
    broker = PaperBroker(100)
    broker.quote(0, 99.0, 101.0)
    with pytest.raises(OrderError, match="price must be from"):
        broker.submit("limit", 1, 1, price)  # type: ignore[arg-type]
    assert broker.orders == []


def test_results_over_the_signal() -> None:
    ticks = awkward(1, 400)
    memory = np.zeros(400 * RESULT.itemsize, np.uint8)
    results, signal = memory.view(RESULT), memory.view(np.int8)[:400]
    with pytest.raises(ValueError, match="results must not share memory"):
        Processor(ALONE, 100).replay(ticks, results, signal=signal)
    state = memory.view(np.float64)[:1]
    given = Processor(ALONE, 100, signal=ctypes.cast(says_long, ctypes.c_void_p).value, signal_state=state)
    with pytest.raises(ValueError, match="results must not share memory"):
        given.replay(ticks, results)


def test_a_market_fills_aligned_ticks_alone() -> None:
    market = GbmMarket(1, 0, 100_000_000, 97_000.0, 1e-4)
    askew = np.zeros(10 * TICK.itemsize + 1, np.uint8)[1:].view(TICK)
    with pytest.raises(TypeError, match="aligned"):
        market.fill(askew)
    assert market.index == 0


def test_returns_too_small_to_be_scaled() -> None:
    with pytest.raises(ValueError, match="sum of squares of at least 1e-200, was 0"):
        BootstrapMarket(1, 0, 1000, 1.0, np.full(20, 1e-300), 0.001)
    BootstrapMarket(1, 0, 1000, 1.0, np.full(20, 1e-99), 0.001)


def test_a_function_that_calls_its_own_processor() -> None:
    """It must not; it would find the books half way through a tick."""
    ticks = awkward(1, 300)
    address = ctypes.cast(says_long, ctypes.c_void_p).value
    plain, asking = Processor(ALONE, 1000, signal=address), Processor(ALONE, 1000, signal=address)
    for tick in ticks:
        plain.on_tick(*tick.item())
    ASKED[:] = [
        lambda: asking.on_tick(*ticks[-1].item()),
        asking.close,
        asking.totals,
        lambda: asking.replay(ticks),
    ]
    try:
        for tick in ticks:
            asking.on_tick(*tick.item())
    finally:
        ASKED.clear()
    assert asking.totals() == plain.totals()
    assert len(REFUSED) == 4 * plain.totals()["ticks"] > 0
    assert all("is running" in text for text in REFUSED)
