"""Each way out of a position: its threshold to the tick, its name, its price."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import DT_NS, START_NS, Outcome, replayed
from test_processor import part

from livetrading.core.dtypes import TICK, Reason, TickFlag
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

MS = 1_000_000

OBEDIENT = Settings(
    signals=SignalSettings(voters=("deviation",), adaptive=False, gate_trend=False, gate_vpin=False),
    vote=VoteSettings(kind="majority", k_min=1),
    sizing=SizingSettings(kind="fixed", quantity_btc=1.0, max_drawdown=1.0),
    exits=ExitSettings(on_signal="none"),
    broker=BrokerSettings(taker_bps=0.0, latency_us=0.0),
    limits=LimitSettings(orders_per_s=4096, daily_loss=1.0, stale_s=1e9),
)
"""One voter, the deviation from the true price, so that a tape says in so many words which way it votes."""


def rules(**exits: object) -> Settings:
    return part(OBEDIENT, "exits", **exits)


def tape(quotes: Sequence[tuple[float, float]], step_ns: int = DT_NS) -> np.ndarray:
    ticks = np.zeros(len(quotes), TICK)
    ticks["ts"] = START_NS + step_ns * np.arange(len(quotes))
    ticks["bid"], ticks["ask"] = np.array(quotes, float).T
    ticks["price"] = 0.5 * (ticks["bid"] + ticks["ask"])
    ticks["bid_size"] = ticks["ask_size"] = np.nan
    ticks["flags"] = TickFlag.QUOTE
    return ticks


def obeyed(settings: Settings, ticks: np.ndarray, wishes: Sequence[int], capital: float = 1e6) -> Outcome:
    """Replay with a vote of +1, 0 or -1 at each tick."""
    return replayed(settings, ticks, ticks["price"] * np.exp(0.05 * np.array(wishes)), capital)


def fills_of(out: Outcome) -> list[tuple[Reason, int, float]]:
    """Reason, place in the tape and price of each fill."""
    return [(Reason(f["reason"]), int(f["ts"] - START_NS) // DT_NS, float(f["price"])) for f in out.fills]


def mirrored(ticks: np.ndarray, about: float = 10_000.0) -> np.ndarray:
    """The same tape upside down, in which a short lives through what a long did."""
    out = ticks.copy()
    out["bid"], out["ask"], out["price"] = (
        2 * about - ticks["ask"],
        2 * about - ticks["bid"],
        2 * about - ticks["price"],
    )
    out["bid_size"], out["ask_size"] = ticks["ask_size"], ticks["bid_size"]
    return out


def both_ways(
    settings: Settings, quotes: Sequence[tuple[float, float]], wishes: Sequence[int]
) -> list[tuple[Reason, int, float]]:
    """What a long does on the tape, having asserted that a short does the same on its mirror image."""
    long = fills_of(obeyed(settings, tape(quotes), wishes))
    short = fills_of(obeyed(settings, mirrored(tape(quotes)), [-wish for wish in wishes]))
    assert [(reason, at, 20_000 - price) for reason, at, price in short] == long
    return long


def flat(*mids: float) -> list[tuple[float, float]]:
    return [(mid - 1, mid + 1) for mid in mids]


# Entry at tick 0, ask 10,000; 10 bps of it are 10 USD at the touch that closes.


def test_take_profit_to_the_cent() -> None:
    quotes = [(9998, 10_000), (10_009.99, 10_012), (10_010, 10_012), (10_050, 10_052)]
    out = both_ways(rules(take_profit_bps=10), quotes, [1, 0, 0, 0])
    assert out == [(Reason.ENTRY, 0, 10_000), (Reason.TAKE_PROFIT, 2, 10_010)]


def test_stop_to_the_cent() -> None:
    quotes = [(9998, 10_000), (9990.01, 9992), (9990, 9992), (9000, 9002)]
    out = both_ways(rules(stop_bps=10), quotes, [1, 0, 0, 0])
    assert out == [(Reason.ENTRY, 0, 10_000), (Reason.STOP, 2, 9990)]


def test_stop_fills_at_the_touch_after_a_jump() -> None:
    out = both_ways(rules(stop_bps=10), [(9998, 10_000), (9000, 9002)], [1, 0])
    assert out == [(Reason.ENTRY, 0, 10_000), (Reason.STOP, 1, 9000)]


@pytest.mark.parametrize("hold", [1, 2, 5])
def test_holding_time(hold: int) -> None:
    out = both_ways(rules(hold_ticks=hold), flat(*[10_000] * 8), [1] + [0] * 7)
    assert [(reason, at) for reason, at, _ in out] == [(Reason.ENTRY, 0), (Reason.TIME, hold)]


@pytest.mark.parametrize(
    ("on_signal", "wishes", "left"),
    [
        ("none", [1, 1, 0, -1, -1], []),
        ("reverse", [1, 1, 0, -1, 0], [3]),
        ("flat", [1, 1, 0, 0, 0], [2]),
        ("flat", [1, -1, 0, 0, 0], [1]),
    ],
)
def test_signal(on_signal: str, wishes: list[int], left: list[int]) -> None:
    out = both_ways(rules(on_signal=on_signal), flat(*[10_000] * 5), wishes)
    assert [(reason, at) for reason, at, _ in out] == [
        (Reason.ENTRY, 0),
        *((Reason.REVERSE, at) for at in left),
    ]


def test_a_reversal_is_two_orders() -> None:
    """Out on the tick of the vote, in the other way on the next one."""
    out = both_ways(rules(on_signal="reverse"), flat(*[10_000] * 5), [1, 1, -1, -1, -1])
    assert [(reason, at) for reason, at, _ in out] == [
        (Reason.ENTRY, 0),
        (Reason.REVERSE, 2),
        (Reason.ENTRY, 3),
    ]


def trailing_stop(mids: np.ndarray, gain: float, width: float, half: float) -> int | None:
    """Where a long from the first tick is stopped, from the mids alone."""
    entry = best = mids[0] + half
    variance = None
    active = False
    for at, mid in enumerate(mids):
        if at > 0 and mid != mids[at - 1]:
            square = np.log(mid / mids[at - 1]) ** 2
            variance = square if variance is None else 0.94 * variance + 0.06 * square
        touch = mid - half
        best = max(best, touch)
        active = active or touch - entry >= gain * entry
        if at > 0 and active and best - touch >= width * np.sqrt(variance) * best:
            return at
    return None


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 20), st.floats(0.2, 8))
def test_trailing_stop(seed: int, gain_bps: float, width: float) -> None:
    mids = 10_000 * np.exp(np.cumsum(np.r_[0, 2e-4 * np.random.default_rng(seed).standard_normal(80)]))
    out = obeyed(rules(trail_activate_bps=gain_bps, trail_vol=width), tape(flat(*mids)), [1] + [0] * 80)
    at = trailing_stop(mids, gain_bps * 1e-4, width, 1.0)
    expected = [(Reason.ENTRY, 0)] + ([] if at is None else [(Reason.TRAILING, at)])
    assert [(reason, place) for reason, place, _ in fills_of(out)] == expected


def test_trailing_stop_waits_for_its_gain() -> None:
    mids = [10_000, 10_009, 9990, 10_012, 10_013, 9950]
    out = both_ways(rules(trail_activate_bps=10, trail_vol=0.5), flat(*mids), [1, 0, 0, 0, 0, 0])
    assert [(reason, at) for reason, at, _ in out] == [(Reason.ENTRY, 0), (Reason.TRAILING, 5)]


CROWD = {"hold_ticks": 3, "on_signal": "reverse", "trail_activate_bps": 10, "trail_vol": 1, "stop_bps": 100}


@pytest.mark.parametrize(
    ("without", "last", "first"),
    [
        ((), 9000, Reason.STOP),
        (("stop_bps",), 9000, Reason.TRAILING),
        (("stop_bps", "trail_vol"), 9000, Reason.TIME),
        (("stop_bps", "trail_vol", "hold_ticks"), 9000, Reason.REVERSE),
        ((), 10_500, Reason.TIME),
        (("hold_ticks",), 10_500, Reason.REVERSE),
    ],
)
def test_of_several_the_most_adverse_is_named(without: tuple[str, ...], last: float, first: Reason) -> None:
    """All trigger on the last tick and fill at the one touch; the name is the worst for the trader."""
    exits = rules(**CROWD | {"take_profit_bps": 100} | dict.fromkeys(without, 0))
    wishes = [1, 0, 0, -1]
    out = both_ways(exits, flat(10_000, 10_020, 10_021, last), wishes)
    assert [reason for reason, _, _ in out] == [Reason.ENTRY, first]
    assert out[1][1:] == (3, last - 1)


@pytest.mark.parametrize("latency_ms", [1, 99, 100, 101, 250])
def test_latency_fills_at_the_quote_of_arrival(latency_ms: int) -> None:
    """Ticks every 100 ms: an order is filled when it arrives, at the last quote not after that."""
    quotes = [(9990.0 + k, 9992.0 + k) for k in range(12)]
    settings = part(rules(hold_ticks=2), "broker", latency_us=latency_ms * 1000.0)
    out = obeyed(settings, tape(quotes), [1] + [0] * 11)
    stood = latency_ms // 100
    seen = stood + 1  # the first tick after the arrival finds the position
    leave = seen + 2
    assert out.fills["ts"].tolist() == [
        START_NS + latency_ms * MS,
        START_NS + leave * DT_NS + latency_ms * MS,
    ]
    assert out.fills["price"].tolist() == [quotes[stood][1], quotes[leave + stood][0]]
    assert out.fills["reason"].tolist() == [Reason.ENTRY, Reason.TIME]


def test_no_second_order_while_one_is_on_its_way() -> None:
    settings = part(rules(hold_ticks=1), "broker", latency_us=1e6)
    out = obeyed(settings, tape(flat(*[10_000] * 40)), [1] * 40)
    assert out.fills["order_id"].tolist() == list(range(len(out.fills)))
    assert np.diff(out.fills["ts"]).min() >= 1e9


def test_an_exit_beyond_the_displayed_size() -> None:
    """One round trip of three rows: what the size does not show fills at its impact."""
    ticks = tape(flat(*[10_000] * 4))
    ticks["bid_size"] = [9, 9, 0.75, 9]
    out = obeyed(part(rules(hold_ticks=2), "broker", impact_bps=100), ticks, [1, 0, 0, 0])
    assert out.fills["quantity"].tolist() == [10**8, 75 * 10**6, 25 * 10**6]
    assert out.fills["price"].tolist() == [10_001, 9999, 9999 / 1.005]
    assert [at for _, at, _ in fills_of(out)] == [0, 2, 2]
    assert (out.totals["trades"], out.totals["position_sat"]) == (1, 0)


def test_exits_stand_about_the_mean_entry_price() -> None:
    """A quarter of the entry at 10,001, the rest above it: the stop is 100 bps under their mean."""
    factor = 1 + 0.01 * 0.75**0.5
    stop = 0.99 * (0.25 * 10_001 + 0.75 * 10_001 * factor)
    settings = part(rules(stop_bps=100), "broker", impact_bps=100)
    for last, exits in ((stop + 1.01, False), (stop + 0.99, True)):  # the bid is a dollar under the mid
        ticks = tape(flat(10_000, last))
        ticks["ask_size"] = 0.25
        out = obeyed(settings, ticks, [1, 0])
        assert out.fills["quantity"].tolist() == [25 * 10**6, 75 * 10**6] + [10**8] * exits


def test_close_takes_the_last_quote_whole() -> None:
    ticks = tape(flat(10_000, 10_000, 10_007))
    ticks["bid_size"] = 0.01
    processor = Processor(OBEDIENT, 1e6)
    processor.replay(ticks, true_price=ticks["price"] * np.exp([0.05, 0, 0]))
    assert processor.totals()["position_sat"] == 10**8
    processor.close()
    processor.close()
    totals = processor.totals()
    assert (totals["trades"], totals["fills"], totals["gross_micro"]) == (1, 2, 5 * 10**6)
    assert totals["equity_usd"] == 1_000_005.0


def test_an_order_on_its_way_lapses_at_the_close() -> None:
    settings = part(OBEDIENT, "broker", latency_us=1e6)
    processor = Processor(settings, 1e6)
    ticks = tape(flat(10_000, 10_000))
    processor.replay(ticks, true_price=ticks["price"] * np.exp(0.05))
    processor.close()
    processor.replay(ticks[-1:].copy(), true_price=ticks["price"][-1:])
    assert processor.totals()["fills"] == 0
