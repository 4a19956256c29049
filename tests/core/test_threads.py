"""Engines in threads of their own do not know of each other; what is shared by mistake says so."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from tapes import chaos_market, gbm, knots, preset, raw
from test_determinism import SPREAD, fills_of
from test_processor import BUSY

from livetrading.core.dtypes import FILL, TICK
from livetrading.core.processor import Processor

N = 60_000


def in_thread(work: Callable[[], object]) -> str:
    """Do this work in another thread; what it was told, empty where it was let."""
    told = [""]

    def attempt() -> None:
        try:
            work()
        except RuntimeError as error:
            told[0] = str(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return told[0]


class Beside:
    """A run that is disturbed, from this thread or another, whenever it hands over fills."""

    def __init__(self, meddle: Callable[["Beside"], object], elsewhere: bool) -> None:
        self.market = chaos_market(1, N + 10, spread_bps=0.3)
        self.meddle, self.elsewhere = meddle, elsewhere
        self.told: list[str] = []
        self.processor = Processor(BUSY, 10_000.0, self.market, on_fills=self.disturb)
        self.other = Processor(BUSY, 10_000.0, self.market)

    def disturb(self, _: object) -> None:
        if self.elsewhere:
            self.told.append(in_thread(lambda: self.meddle(self)))
        else:
            with pytest.raises(RuntimeError) as caught:
                self.meddle(self)
            self.told.append(str(caught.value))

    def fills(self) -> str:
        self.processor.run(N)
        self.disturb = lambda _: None  # type: ignore[method-assign]
        return self.processor.totals()["fills_sha256"]


def ticks(n: int) -> np.ndarray:
    return np.zeros(n, TICK)


SAME_PROCESSOR: dict[str, Callable[[Beside], object]] = {
    "on_tick": lambda run: run.processor.on_tick(0, 1.0, 1.0, 1.0, 1.0, 1.0),
    "replay": lambda run: run.processor.replay(ticks(10)),
    "run": lambda run: run.processor.run(1),
    "close": lambda run: run.processor.close(),
    "totals": lambda run: run.processor.totals(),
}
SAME_MARKET: dict[str, Callable[[Beside], object]] = {
    "another's run": lambda run: run.other.run(1),
    "fill": lambda run: run.market.fill(ticks(1)),
    "feed": lambda run: run.market.feed(knots(1, 2 * N)[-1:]),
}


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("what", [*SAME_PROCESSOR, *SAME_MARKET])
def test_what_runs_is_left_alone(what: str, elsewhere: bool) -> None:
    """Who meddles is told, and the run and the market are not disturbed."""
    run = Beside((SAME_PROCESSOR | SAME_MARKET)[what], elsewhere)
    undisturbed = Processor(BUSY, 10_000.0, chaos_market(1, N, spread_bps=0.3))
    undisturbed.run(N)
    assert run.fills() == undisturbed.totals()["fills_sha256"]
    assert run.told
    owner = "processor" if what in SAME_PROCESSOR else "market"
    assert all(f"this {owner} is running" in told for told in run.told)
    assert run.market.index == N


@pytest.mark.parametrize("what", SAME_MARKET)
def test_a_market_is_free_after_the_run(what: str) -> None:
    run = Beside(SAME_MARKET[what], False)
    run.fills()
    SAME_MARKET[what](run)


def test_a_market_is_free_after_an_error() -> None:
    def refuse(_: object) -> None:
        raise LookupError

    market = chaos_market(1, N, spread_bps=0.3)
    with pytest.raises(LookupError):
        Processor(BUSY, 10_000.0, market, on_fills=refuse).run(N)
    left = Processor(BUSY, 10_000.0, market)
    left.run(100)
    assert left.totals()["ticks"] == 100


def test_the_market_of_a_replay_is_free() -> None:
    """A processor that replays an array does not take its market."""
    market, calls = chaos_market(1, 100), []

    def fill(_: object) -> None:
        market.fill(ticks(1))
        calls.append(market.index)

    Processor(BUSY, 10_000.0, market, on_fills=fill).replay(gbm(1, 5000, spread_bps=0.3))
    assert calls == list(range(1, len(calls) + 1)) != []


def test_totals_asked_again_and_again() -> None:
    """From another thread while the run goes on: refused or right, and the fills stay what they are."""
    n, handed = 400_000, []
    processor = Processor(
        preset("seed"),
        10_000.0,
        chaos_market(1, n, spread_bps=0.0),
        on_fills=lambda f: handed.append(f.tobytes()),
    )
    over, odd = threading.Event(), []

    def ask() -> None:
        while not over.is_set():
            try:
                seen = processor.totals()["ticks"]
            except RuntimeError:
                continue
            if seen not in (0, n):
                odd.append(seen)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        processor.run(n)
    finally:
        over.set()
        asker.join()
    alone = Processor(preset("seed"), 10_000.0, chaos_market(1, n, spread_bps=0.0))
    alone.run(n)
    assert processor.totals() == alone.totals()
    assert len(b"".join(handed)) // FILL.itemsize == alone.totals()["fills"] > 1000
    assert odd == []


def test_one_market_filled_by_two() -> None:
    """Each call has all of its ticks or none of them."""
    market, made = chaos_market(1, 2_000_000), []

    def fill() -> None:
        for _ in range(10):
            own = ticks(50_000)
            try:
                market.fill(own)
            except RuntimeError:
                continue
            made.append(own)

    threads = [threading.Thread(target=fill) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert market.index == 50_000 * len(made) > 0
    whole = ticks(market.index)
    chaos_market(1, market.index).fill(whole)
    made.sort(key=lambda own: own["ts"][0])
    assert b"".join(raw(own).tobytes() for own in made) == raw(whole).tobytes()


@pytest.mark.parametrize(("name", "fills"), [("realistic", 25), ("seed", 25_000)])
def test_two_engines(name: str, fills: int) -> None:
    """In two threads as alone, fill for fill."""
    seen: list[tuple[int, str]] = []

    def work() -> None:
        seen.append(fills_of(preset(name), [400_000], spread_bps=SPREAD[name]))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    work()
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] > fills
