"""Each limit holds back the entry it is for, is counted by name, and never an exit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import DT_NS, START_NS, chaos, replayed
from test_exits import OBEDIENT, flat, obeyed, rules, tape
from test_processor import BUSY, part

from livetrading.core.dtypes import Reason, Refusal, TickFlag
from livetrading.core.processor import Processor
from livetrading.core.settings import Settings
from livetrading.core.totals import Totals

SECOND = 10**9
DAY = 86_400 * SECOND


def refused(totals: Totals) -> dict[str, int]:
    return {name: count for name, count in totals["refused"].items() if count}


def test_every_reason_is_counted_under_its_name() -> None:
    totals = Processor(OBEDIENT, 1.0).totals()
    assert list(totals["refused"]) == [reason.name.lower() for reason in Refusal]


def test_halt_and_resume() -> None:
    """The kill switch holds entries; the position that is open is still left by its exits."""
    processor = Processor(rules(hold_ticks=3), 1e6)
    ticks = tape(flat(*[10_000] * 10))
    up = ticks["price"] * np.exp(0.05)
    processor.replay(ticks[:1], true_price=up[:1])
    processor.halt()
    processor.replay(ticks[1:6], true_price=up[1:6])
    halted = processor.totals()
    assert (halted["position_sat"], halted["trades"], refused(halted)) == (0, 1, {"halted": 2})
    processor.resume()
    processor.replay(ticks[6:7], true_price=up[6:7])
    assert processor.totals()["position_sat"] == 10**8


def test_an_order_sent_before_the_halt_is_filled() -> None:
    processor = Processor(part(OBEDIENT, "broker", latency_us=1000.0), 1e6)
    ticks = tape(flat(*[10_000] * 3))
    processor.replay(ticks[:1], true_price=ticks["price"][:1] * 1.05)
    processor.halt()
    processor.replay(ticks[1:], true_price=ticks["price"][1:])
    assert processor.totals()["position_sat"] == 10**8


def test_locked() -> None:
    ticks = tape([(10_000, 10_000)] * 3)
    out = obeyed(OBEDIENT, ticks, [1, 1, 1])
    assert refused(out.totals) == {"locked": 3}
    ticks["flags"] = TickFlag.NO_QUOTE
    assert obeyed(OBEDIENT, ticks, [1, 1, 1]).totals["fills"] == 1


@pytest.mark.parametrize(("gap", "held"), [(SECOND, 0), (SECOND + 1, 1)])
def test_stale_by_a_gap(gap: int, held: int) -> None:
    ticks = tape(flat(10_000, 10_000))
    ticks["ts"][1] = START_NS + gap
    out = obeyed(part(OBEDIENT, "limits", stale_s=1.0), ticks, [0, 1])
    assert refused(out.totals) == ({"stale": 1} if held else {})


@pytest.mark.parametrize(("step", "held"), [(SECOND // 4, 0), (SECOND // 4 + 1, 1)])
def test_stale_by_the_age_of_the_quote(step: int, held: int) -> None:
    """Trades keep coming, the quote does not."""
    ticks = tape(flat(*[10_000] * 5), step)
    ticks["flags"][1:] = TickFlag.TRADE
    out = obeyed(part(OBEDIENT, "limits", stale_s=1.0), ticks, [0, 0, 0, 0, 1])
    assert refused(out.totals) == ({"stale": 1} if held else {})


def test_stale_where_no_quote_was_ever_new() -> None:
    ticks = tape(flat(10_000))
    ticks["flags"] = TickFlag.TRADE
    assert refused(obeyed(part(OBEDIENT, "limits", stale_s=1.0), ticks, [1]).totals) == {"stale": 1}


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(0, 400_000_000), min_size=5, max_size=60))
def test_rate(rate: int, gaps: list[int]) -> None:
    """At most `rate` orders in any second, unless exits make it more; none refused that kept to it."""
    ticks = tape(flat(*[10_000] * len(gaps)))
    ticks["ts"] = START_NS + np.cumsum(gaps)
    settings_ = part(rules(hold_ticks=1), "limits", orders_per_s=rate)
    out = obeyed(settings_, ticks, [1] * len(gaps))
    sent: list[int] = []
    position, held = False, 0
    for ts in ticks["ts"].tolist():
        if position or sum(ts - at < SECOND for at in sent[-rate:]) < rate:
            sent.append(ts)
            position = not position
        else:
            held += 1
    assert out.fills["ts"].tolist() == sent
    assert out.totals["refused"]["rate"] == held


def test_max_position() -> None:
    ticks = tape(flat(10_000))
    for most, held in ((1.0, {}), (0.99999999, {"max_position": 1})):
        assert refused(obeyed(part(OBEDIENT, "limits", max_position_btc=most), ticks, [1]).totals) == held


def test_capital() -> None:
    """The notional and its fee must be there: 10,001 USD at 10 bps."""
    settings_ = part(OBEDIENT, "broker", taker_bps=10.0)
    for capital, held in ((10_011.01, {}), (10_011.0, {"capital": 1})):
        assert refused(obeyed(settings_, tape(flat(10_000)), [1], capital).totals) == held


def test_capital_covers_the_impact() -> None:
    """0.75 BTC at 10,001 and 0.25 at 10,051.005 are 10,013.50125 USD."""
    ticks = tape(flat(10_000))
    ticks["ask_size"] = 0.75
    settings_ = part(OBEDIENT, "broker", impact_bps=100.0)
    for capital, held in ((10_013.51, {}), (10_013.50, {"capital": 1})):
        assert refused(obeyed(settings_, ticks, [1], capital).totals) == held


def test_what_is_not_shown_fills_at_its_impact() -> None:
    ticks = tape(flat(10_000))
    ticks["ask_size"] = 0.75
    out = obeyed(part(OBEDIENT, "broker", impact_bps=100.0), ticks, [1])
    assert refused(out.totals) == {}
    assert out.fills[["price", "quantity"]].tolist() == [(10_001.0, 75 * 10**6), (10_051.005, 25 * 10**6)]


def test_daily_loss_is_of_the_day() -> None:
    """Stopped for the rest of the UTC day at the loss, free again at midnight, measured from there anew."""
    mids = [10_000, 9800, 9800, 9800, 9800, 9690, 9690]
    ticks = tape(flat(*mids))
    midnight = (START_NS // DAY + 1) * DAY
    ticks["ts"] = midnight + np.array([-5, -4, -3, -1, 0, 1, 2])
    settings_ = part(rules(stop_bps=100), "limits", daily_loss=0.01)
    out = obeyed(settings_, ticks, [1, 0, 1, 1, 1, 0, 1], capital=20_000.0)
    assert out.fills["reason"].tolist() == [
        Reason.ENTRY,
        Reason.STOP,
        Reason.ENTRY,
        Reason.STOP,
        Reason.ENTRY,
    ]
    assert out.fills["ts"].tolist() == ticks["ts"][[0, 1, 4, 5, 6]].tolist()
    assert refused(out.totals) == {"daily_loss": 2}


def test_daily_loss_starts_at_the_loss_itself() -> None:
    """A loss of 202 USD on 20,200 is 1 %: entries stop at it."""
    ticks = tape([(9999, 10_000), (9798, 9799), (9798, 9799)])
    for capital, fills in ((20_200.0, 2), (20_201.0, 3)):
        settings_ = part(rules(stop_bps=100), "limits", daily_loss=0.01)
        assert obeyed(settings_, ticks, [1, 0, 1], capital).totals["fills"] == fills


def test_exits_are_never_refused() -> None:
    """Every limit is in force: the position is left all the same."""
    ticks = tape([(9999, 10_001), (9000, 9000), (9000, 9000)])
    ticks["ts"][1:] += 10**12
    settings_ = part(rules(stop_bps=10), "limits", daily_loss=0.001, stale_s=1.0, orders_per_s=1)
    settings_ = part(settings_, "sizing", max_drawdown=0.001)
    processor = Processor(settings_, 20_000.0)
    processor.replay(ticks[:1], true_price=ticks["price"][:1] * 1.05)
    processor.halt()
    processor.replay(ticks[1:], true_price=ticks["price"][1:] * 1.05)
    totals = processor.totals()
    assert (totals["trades"], totals["position_sat"], refused(totals)) == (1, 0, {"halted": 1})


def test_first_that_applies() -> None:
    """Halted, drawn down, past the day's loss, stale, locked: each named once those before it are gone."""
    mids = [10_000, 8000, 8000]
    for halted, most, loss, stale, first in (
        (True, 0.1, 0.1, 0.1, "halted"),
        (False, 0.1, 0.1, 0.1, "drawdown"),
        (False, 1.0, 0.1, 0.1, "daily_loss"),
        (False, 1.0, 1.0, 0.05, "stale"),
        (False, 1.0, 1.0, 9.0, "locked"),
    ):
        ticks = tape(flat(*mids))
        ticks["bid"][2] = ticks["ask"][2]
        settings_ = part(rules(stop_bps=10), "limits", daily_loss=loss, stale_s=stale)
        settings_ = part(settings_, "sizing", max_drawdown=most)
        processor = Processor(settings_, 10_500.0)
        processor.replay(ticks[:2], true_price=ticks["price"][:2] * np.exp([0.05, 0]))
        if halted:
            processor.halt()
        processor.replay(ticks[2:], true_price=ticks["price"][2:] * 1.05)
        assert refused(processor.totals()) == {first: 1}


def test_drawdown_halts_and_lets_go() -> None:
    """Halted at 20 % below the peak until 10 %: a position that recovers frees the account."""
    mids = [10_000, 7900, 8900, 8901, 9100, 9100]
    wishes = [1, 0, -1, 1, -1, 1]
    settings_ = part(rules(on_signal="reverse"), "sizing", max_drawdown=0.2)
    stuck = obeyed(settings_, tape(flat(*mids)), wishes, capital=10_001.0)
    assert refused(stuck.totals) == {"drawdown": 3}
    freed = obeyed(settings_, tape(flat(*mids)), [1, 0, 0, 0, -1, 1], capital=10_001.0)
    assert refused(freed.totals) == {"capital": 1}


def test_drawdown_is_of_the_peak() -> None:
    """The column, on any tape: 1 - equity over its running maximum, the start included."""
    ticks, truth = chaos(31, 4000, spread_bps=0.3)
    out = replayed(BUSY, ticks, truth)
    equity = out.rows["equity"]
    peak = np.maximum(np.maximum.accumulate(equity), 10_000.0)
    # a fill at the touch costs half the spread within the tick: the peak may stand between two rows
    assert np.all(out.rows["drawdown"] >= 1 - equity / peak - 1e-12)
    assert np.all(out.rows["drawdown"] <= 1 - equity / peak + 1e-4)
    assert out.totals["max_drawdown"] == pytest.approx(out.rows["drawdown"].max(), abs=1e-4)


def kelly_settings(**sizing: object) -> Settings:
    """Kelly on one obedient voter whose posterior is near even, with far barriers."""
    one = part(OBEDIENT, "vote", kind="condorcet", p_min=0.501)
    priced = part(one, "exits", take_profit_bps=100.0, stop_bps=50.0)
    return part(priced, "sizing", kind="kelly", max_drawdown=0.2, **sizing)


def learnt(moves: int) -> float:
    """Log-odds of a voter that was right `moves` times (333: a0 = b0 = 10, lambda 0.999)."""
    a = 10.0
    for _ in range(moves):
        a = 10 + 0.999 * (a - 10) + 1
    return math.log(a / 10)


def rising(n: int) -> tuple[np.ndarray, list[int]]:
    """A tape that rises by a cent a tick, and a voter that says so."""
    mids = [10_000 + 0.01 * k for k in range(n)]
    return tape([(mid - 0.005, mid + 0.005) for mid in mids]), [1] * n


def test_kelly_fraction_by_hand() -> None:
    """A vote is scored every ten ticks; at tick 1,024 the first refresh weighs 102 of them."""
    ticks, wishes = rising(1025)
    out = obeyed(kelly_settings(kelly=0.25, max_fraction=0.5), ticks, wishes, capital=1000.0)
    odds = learnt(102)
    p = 1 / (1 + math.exp(-(math.log(50 / 100) + odds)))
    costs = 0.01 / ticks["price"][1024]
    b = (0.01 - costs) / (0.005 + costs)
    f = 0.25 * (p - (1 - p) / b)
    assert out.rows["vote_logodds"][1024] == pytest.approx(odds, rel=1e-12)
    assert out.rows["kelly_fraction"][1024] == pytest.approx(f, rel=1e-9)
    assert out.fills["quantity"].tolist() == [math.floor(f * 1000 * 1e8 / ticks["ask"][1024])]
    assert refused(out.totals) == {}
    capped = obeyed(kelly_settings(kelly=0.25, max_fraction=0.05), ticks, wishes, capital=1000.0)
    assert capped.rows["kelly_fraction"][1024] == 0.05


def test_no_edge_after_costs() -> None:
    ticks, wishes = rising(1025)
    costly = part(kelly_settings(), "broker", taker_bps=60.0)
    assert refused(obeyed(costly, ticks, wishes, capital=1000.0).totals) == {"no_edge": 1}


def test_too_small() -> None:
    ticks, wishes = rising(1025)
    ticks["bid"] *= 1e9
    ticks["ask"] *= 1e9
    ticks["price"] *= 1e9
    out = obeyed(kelly_settings(max_fraction=1e-3), ticks, wishes, capital=1.0)
    assert refused(out.totals) == {"too_small": 1}


def test_realised() -> None:
    """A hundred trades that lost: the realised fraction is 0 and holds the account."""
    settings_ = part(kelly_settings(), "exits", take_profit_bps=100.0, stop_bps=50.0, hold_ticks=1)
    ticks, wishes = rising(1600)
    ticks["bid"][1024:] -= 0.3
    out = obeyed(settings_, ticks, wishes, capital=1000.0)
    assert out.totals["trades"] == 100
    assert out.totals["wins"] == 0
    assert refused(out.totals) == {"realised": 1600 - 1024 - 200}


def test_the_clock_of_orders_is_the_markets() -> None:
    """A second is a second of the tape, however fast it is replayed."""
    settings_ = part(rules(hold_ticks=1), "limits", orders_per_s=1)
    slow, fast = tape(flat(*[10_000] * 8), SECOND), tape(flat(*[10_000] * 8), DT_NS)
    assert refused(obeyed(settings_, slow, [1] * 8).totals) == {}
    assert refused(obeyed(settings_, fast, [1] * 8).totals) == {"rate": 6}
