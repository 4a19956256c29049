"""Several time scales: each book with its own horizon, vote and record, one ledger for all."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import assert_twins, awkward, chaos, gbm, known, raw, replayed
from test_processor import BUSY, PLAIN, VARIANTS, part

from livetrading.core.dtypes import RESULT
from livetrading.core.settings import BookSettings, Settings, horizons


def books(settings: Settings, count: int) -> Settings:
    return replace(settings, books=BookSettings(count=count))


def test_horizons() -> None:
    assert horizons(BUSY) == (40,)
    assert horizons(books(BUSY, 8)) == (16, 32, 64, 128, 256, 512, 1024, 2048)
    assert horizons(books(BUSY, 2)) == (16, 32)


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("variant", ["busy", "250 ms late", "fees", "calibrated", "reversing", "other order"])
def test_against_the_plain_path(variant: str, count: int) -> None:
    ticks, true_price = chaos(count + len(variant), 2600, spread_bps=0.3)
    out = assert_twins(books(VARIANTS[variant], count), ticks, true_price)
    assert len(np.unique(out.fills["book"])) >= min(count, 6)


@pytest.mark.parametrize("seed", range(3))
def test_awkward_ticks(seed: int) -> None:
    ticks = awkward(seed, 2600)
    assert_twins(books(part(BUSY, "limits", stale_s=1e6), 4), ticks, known(ticks["bid"] * 1.01))


def test_null_market() -> None:
    assert_twins(books(PLAIN, 5), gbm(3, 3000))


def test_max_position_is_of_the_account() -> None:
    """Each book alone stays below it; together they would not, nor once one against them closes."""
    fixed = part(
        part(BUSY, "sizing", kind="fixed", quantity_btc=0.01), "exits", stop_bps=0.0, take_profit_bps=0.0
    )
    ticks, true_price = chaos(5, 4000, spread_bps=0.3)
    for late in (0.0, 250_000.0):
        limited = part(part(fixed, "limits", max_position_btc=0.02, leverage=100), "broker", latency_us=late)
        out = assert_twins(books(limited, 8), ticks[:1500], true_price[:1500])
        assert np.abs(out.rows["position"]).max() == 2_000_000
        assert out.totals["refused"]["max_position"] > 0


@pytest.mark.parametrize("latency_us", [0.0, 250_000.0])
def test_max_position_holds_whichever_books_close(latency_us: float) -> None:
    """On either side, with what was on its way: the rest could close and leave it standing alone."""
    fixed = part(
        part(BUSY, "sizing", kind="fixed", quantity_btc=0.01), "exits", stop_bps=0.0, take_profit_bps=0.0
    )
    late = part(fixed, "broker", latency_us=latency_us, impact_bps=0.0)
    settings = books(part(late, "limits", max_position_btc=0.02, leverage=100), 8)
    ticks, true_price = chaos(5, 4000, spread_bps=0.3)
    out = replayed(settings, ticks, true_price, 10_000.0)
    held, against = np.zeros(8, np.int64), False
    for fill in out.fills:
        held[fill["book"]] += fill["side"] * fill["quantity"]
        assert held[held > 0].sum() <= 2_000_000
        assert held[held < 0].sum() >= -2_000_000
        against |= bool((held > 0).any() and (held < 0).any())
    assert against


def test_a_book_that_lost_all_weighs_less() -> None:
    """One of three books is short, by a quarter of its cash, and meets a price six times as high."""
    rule = books(part(part(BUSY, "limits", daily_loss=1.0), "sizing", max_fraction=1.0, max_drawdown=1.0), 3)
    ticks, true_price = chaos(5, 6000, spread_bps=0.3)
    position = replayed(rule, ticks, true_price).rows["position"]
    at = 2000 + int(np.flatnonzero((position[2000:] < -800_000) & (position[2000:] > -900_000))[0])
    for name in ("bid", "ask", "price"):
        ticks[name][at + 1 :] *= 6
    true_price[at + 1 :] *= 6
    out = assert_twins(rule, ticks, true_price)
    assert 5000 < out.rows["equity"][at + 1] < 6667 < out.rows["equity"][at]
    assert (out.fills["ts"] > ticks["ts"][at + 1]).sum() > 100


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5000), max_size=5).map(sorted), st.integers(2, 8))
def test_any_cut_gives_the_same_bytes(cuts: list[int], count: int) -> None:
    ticks, true_price = chaos(11, 5000, spread_bps=0.3)
    whole = replayed(books(BUSY, count), ticks, true_price, close=True)
    cut = replayed(books(BUSY, count), ticks, true_price, cuts=tuple(cuts), close=True)
    assert whole.totals == cut.totals
    np.testing.assert_array_equal(raw(whole.rows), raw(cut.rows))
    assert whole.totals["fills"] > 100


def test_the_future_changes_nothing_before_it() -> None:
    ticks, true_price = chaos(7, 6000, spread_bps=0.3)
    other = ticks.copy()
    for name in ("bid", "ask", "price"):
        other[name][3000:] *= 1.02
    a, b = (replayed(books(BUSY, 8), t, true_price) for t in (ticks, other))
    np.testing.assert_array_equal(raw(a.rows[:3000]), raw(b.rows[:3000]))
    assert (a.rows["equity"][3000:] != b.rows["equity"][3000:]).any()


def test_cash_is_neither_made_nor_lost_between_books() -> None:
    """From FILL rows and the capital alone, at every row, though cash moves between the books meanwhile."""
    ticks, true_price = chaos(2, 20_000, spread_bps=0.3)
    out = replayed(books(part(BUSY, "broker", borrow_bps_8h=0.0), 8), ticks, true_price, 12_345.678901)
    fills = out.fills
    paid = zip(fills["price"].tolist(), fills["quantity"].tolist(), strict=True)
    notional = np.array([round(Fraction(price) * quantity / 100) for price, quantity in paid])
    spent = np.cumsum(fills["side"] * notional + fills["fee"])
    at = np.searchsorted(fills["ts"], out.rows["ts"], side="right")
    cash = 12_345_678_901 - np.concatenate([[0], spent])[at]
    np.testing.assert_array_equal(out.rows["cash"], cash)
    assert out.totals["trades"] > 500


def test_cash_follows_growth() -> None:
    """On a cost-free market that reverts, the books that trade often are given the others' cash."""
    ticks, true_price = chaos(1, 60_000, spread_bps=0.0)
    out = replayed(books(part(BUSY, "broker", impact_bps=0.0), 8), ticks, true_price)
    entries = out.fills[out.fills["reason"] == 0]
    assert out.totals["net_micro"] > 0
    assert np.bincount(entries["book"], minlength=8).argmax() < 4


def test_rows_are_one_a_tick() -> None:
    ticks, true_price = chaos(1, 1000)
    out = replayed(books(BUSY, 8), ticks, true_price)
    assert out.rows.dtype == RESULT
    assert all(a <= b for a, b in pairwise(out.rows["ts"]))
