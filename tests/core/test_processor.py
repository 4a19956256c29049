"""The compiled path against a plain one, tick for tick and fill for fill."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tapes import START_NS, assert_twins, awkward, chaos, gbm, known, preset, recording

from livetrading.core.dtypes import RESULT, TICK
from livetrading.core.processor import Processor
from livetrading.core.settings import (
    BrokerSettings,
    ExitSettings,
    LimitSettings,
    Settings,
    SignalSettings,
    SizingSettings,
    VoteSettings,
)

BUSY = Settings(
    signals=SignalSettings(window=40),
    vote=VoteSettings(refresh=64, p_min=0.505),
    sizing=SizingSettings(kelly=1.0, max_fraction=1.0),
    exits=ExitSettings(
        take_profit_bps=3, stop_bps=4, trail_activate_bps=1, trail_vol=0.7, hold_ticks=30, on_signal="none"
    ),
    broker=BrokerSettings(taker_bps=0.0, latency_us=0.0),
    limits=LimitSettings(daily_loss=0.5),
)
"""Trades every few ticks, so that a short tape goes everywhere."""

PLAIN = Settings(
    signals=SignalSettings(
        voters=("z_score",), window=100, adaptive=False, gate_trend=False, gate_vpin=False, estimators=False
    ),
    vote=VoteSettings(kind="majority", k_min=1),
    sizing=SizingSettings(kind="fixed", quantity_btc=0.01, max_drawdown=1.0),
    exits=ExitSettings(on_signal="flat"),
    broker=BrokerSettings(taker_bps=1.0, borrow_bps_8h=0.0, latency_us=0.0),
    limits=LimitSettings(orders_per_s=1000, daily_loss=1.0),
)
"""One voter, fixed levels and size: the rule W1."""


def part(settings: Settings, name: str, **changes: object) -> Settings:
    return replace(settings, **{name: replace(getattr(settings, name), **changes)})


VARIANTS: dict[str, Settings] = {
    "busy": BUSY,
    "plain": PLAIN,
    "plain, late": part(PLAIN, "broker", latency_us=250_000.0),
    "1 ms late": part(BUSY, "broker", latency_us=1000.0),
    "250 ms late": part(BUSY, "broker", latency_us=250_000.0),
    "on the next tick": part(BUSY, "broker", latency_us=100_000.0),
    "fees": part(BUSY, "broker", taker_bps=0.12345),
    "no gates": part(BUSY, "signals", gate_trend=False, gate_vpin=False),
    "fixed levels": part(BUSY, "signals", adaptive=False),
    "lean": part(
        part(BUSY, "signals", estimators=False, gate_trend=False, gate_vpin=False), "exits", trail_vol=0.0
    ),
    "calibrated": part(BUSY, "sizing", calibrate=True),
    "fixed size": part(BUSY, "sizing", kind="fixed", quantity_btc=0.015),
    "refreshed at once": part(BUSY, "vote", refresh=1, h=3),
    "reversing": part(BUSY, "exits", on_signal="reverse"),
    "flat": part(BUSY, "exits", on_signal="flat", trail_vol=0.0),
    "one voter": part(part(BUSY, "vote", k_min=1), "signals", voters=("z_score",)),
    "other order": part(BUSY, "signals", voters=("flow_momentum", "kalman_level", "ofi")),
    "few orders": part(BUSY, "limits", orders_per_s=2),
    "tight drawdown": part(BUSY, "sizing", max_drawdown=0.003),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_chaos(variant: str) -> None:
    ticks, true_price = chaos(len(variant), 2500, spread_bps=0.3)
    out = assert_twins(VARIANTS[variant], ticks, true_price)
    assert len(out.fills) > 20


@pytest.mark.parametrize("name", ["realistic", "seed"])
def test_presets(name: str) -> None:
    settings = preset(name)
    ticks, true_price = chaos(2, 8000, spread_bps=1.0 if name == "realistic" else 0.0)
    assert len(assert_twins(settings, ticks, true_price, capital=100.0).fills) > 0


@pytest.mark.parametrize("variant", ["busy", "plain", "250 ms late", "calibrated", "reversing"])
def test_gbm(variant: str) -> None:
    assert len(assert_twins(VARIANTS[variant], gbm(5, 2500, spread_bps=0.3)).fills) > 20


@pytest.mark.parametrize("variant", VARIANTS)
def test_awkward(variant: str) -> None:
    ticks = awkward(len(variant), 2500)
    assert_twins(VARIANTS[variant], ticks, known(ticks["bid"] * 1.001))


@pytest.mark.parametrize("variant", ["busy", "plain", "1 ms late"])
def test_recording(variant: str) -> None:
    settings = part(VARIANTS[variant], "limits", orders_per_s=4096)
    out = assert_twins(settings, recording())
    assert out.totals["ticks"] + sum(out.totals["rejected"].values()) == len(recording())


@pytest.mark.parametrize("latency_us", [0.0, 250_000.0])
def test_small_displayed_sizes(latency_us: float) -> None:
    ticks, true_price = chaos(3, 2500, spread_bps=0.3)
    ticks["bid_size"] *= 0.05
    ticks["ask_size"] *= 0.05
    ticks["bid_size"][::7] = 0.0
    ticks["ask_size"][::11] = np.nan
    out = assert_twins(part(BUSY, "broker", latency_us=latency_us), ticks, true_price, capital=1e5)
    assert out.totals["fills"] > 2 * out.totals["trades"]


def test_days() -> None:
    ticks, true_price = chaos(4, 2500, spread_bps=0.3)
    ticks["ts"] = START_NS + np.arange(2500) * 120 * 10**9
    costly = part(part(BUSY, "broker", taker_bps=2.0), "sizing", kind="fixed", quantity_btc=0.05)
    settings = part(costly, "limits", daily_loss=0.001, stale_s=600.0)
    out = assert_twins(settings, ticks, true_price)
    assert out.totals["refused"]["daily_loss"] > 0
    assert out.totals["trades"] > 20


def test_nothing() -> None:
    out = assert_twins(BUSY, np.zeros(0, TICK))
    assert out.totals["ticks"] == 0


INTERRUPTED = """
import os, signal, threading
from livetrading.core.processor import Processor
from tapes import chaos_market
from test_processor import BUSY

fills = 0
def count(batch):
    global fills
    fills += len(batch)
    if fills == len(batch):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

def settled(processor):
    processor.close()
    totals = processor.totals()
    assert totals["position_sat"] == 0 and totals["fills"] > 0
    assert totals["cash_micro"] == 10**10 + totals["net_micro"]
    return totals

# a shell that starts the tests in the background has it ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
market = chaos_market(1, 30_000_000)
processor = Processor(BUSY, 10_000.0, market, on_fills=count)
try:
    processor.run(30_000_000)
except KeyboardInterrupt:
    ticks = processor.totals()["ticks"]
else:
    raise SystemExit("not interrupted")
assert 0 < ticks == market.index < 30_000_000
assert processor.totals()["fills"] == fills
processor.run(10_000)
whole = Processor(BUSY, 10_000.0, chaos_market(1, ticks + 10_000))
whole.run(ticks + 10_000)
assert settled(processor) == settled(whole)
print("consistent")
"""


def test_ctrl_c() -> None:
    """KeyboardInterrupt comes out of run at the border of a block; the run goes on as if there were none."""
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("consistent\n", "")


def test_an_error_of_on_fills_comes_out_and_leaves_the_processor_usable() -> None:
    calls: list[object] = []

    def refuse(fills: object) -> None:
        calls.append(fills)
        if len(calls) == 1:
            raise LookupError("no room")

    ticks, true_price = chaos(1, 20_000, spread_bps=0.3)
    processor = Processor(BUSY, 10_000.0, on_fills=refuse)
    with pytest.raises(LookupError, match="no room"):
        processor.replay(ticks, true_price=true_price)
    totals = processor.totals()
    assert totals["fills"] > 0
    assert processor.on_tick(*ticks[-1].tolist()) in (-1, 0, 1)
    assert processor.totals()["ticks"] == totals["ticks"] + 1


class TestLastRow:
    def test_there_is_none_before_the_first_good_tick(self) -> None:
        processor = Processor(BUSY, 1000.0)
        assert processor.last_row().shape == (0,)
        processor.replay(np.zeros(3, TICK))  # all rejected
        assert processor.last_row().shape == (0,)
        assert processor.last_row().dtype == RESULT

    @pytest.mark.parametrize("cut", [1, 2, 777, 1024, 1025, 3000])
    def test_it_is_the_row_that_results_would_have(self, cut: int) -> None:
        ticks, true_price = chaos(5, 3000, spread_bps=0.3)
        ticks["bid"][cut - 1 : cut + 2] = np.nan  # so that the last good tick is not the last
        ticks["bid"][0] = ticks["ask"][0] - 1
        whole, processor = Processor(BUSY, 1000.0), Processor(BUSY, 1000.0)
        rows = np.zeros(len(ticks), RESULT)
        for begin, end in ((0, cut), (cut, len(ticks))):
            n = whole.replay(ticks[begin:end], rows, true_price=true_price[begin:end])
            processor.replay(ticks[begin:end], true_price=true_price[begin:end])
            if n > 0:
                assert processor.last_row().tobytes() == rows[n - 1].tobytes()
        assert processor.last_row()["trades"][0] > 0

    def test_tick_by_tick(self) -> None:
        ticks = gbm(3, 500)
        processor = Processor(BUSY, 1000.0)
        rows = np.zeros(len(ticks), RESULT)
        Processor(BUSY, 1000.0).replay(ticks, rows)
        for tick, row in zip(ticks, rows, strict=True):
            processor.on_tick(*tick.item())
            assert processor.last_row().tobytes() == row.tobytes()
