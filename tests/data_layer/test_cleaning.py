"""Rules of cleaning, against a loop over single rows and against the core."""

from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrading.core.bar_rules import TickBars
from livetrading.core.bars import BarBuilder
from livetrading.core.dtypes import BAR, TICK
from livetrading.data.cleaning import RULES, Cleaning
from livetrading.data.errors import DataError

NAN = float("nan")
prices = st.sampled_from([100.0] * 16 + [100.5, 0.0, -1.0, 1e-13, 1e16, NAN, float("inf")])
quotes = st.sampled_from(
    [(100.0, 100.0)] * 9 + [(99.0, NAN), (101.0, 100.0), (1e16, 1e17), *[(NAN, NAN)] * 4]
)
sizes = st.sampled_from([1.0] * 16 + [0.0, -1.0, 2e15, NAN])
times = st.sampled_from([5, 6, 7] * 4 + [-1, 0, 2**62, 2**62 + 1])
ticks = st.lists(
    st.builds(
        lambda ts, price, quote, sizes, flags: (ts, price, *quote, *sizes, 0, flags),
        times, prices, quotes, st.tuples(sizes, sizes, sizes), st.sampled_from([1, 2, 3, 4, 6, 0]),
    ),
    max_size=8,
)  # fmt: skip
bars = st.lists(
    st.tuples(
        times, st.just(0), prices, prices, prices, prices, sizes, sizes, sizes,
        st.integers(-1, 1), st.integers(0, 1),
    ),
    max_size=8,
)  # fmt: skip


def bad_price(value: float) -> bool:
    return not 1e-12 <= value <= 1e15


def bad_size(value: float) -> bool:
    return value < 0 or value > 1e15


def broken_by_itself(row: Any, dtype: np.dtype[Any]) -> list[str]:
    """Names of the rules that a row breaks whatever stands before it."""
    row = dict(zip(dtype.names or (), row.item(), strict=True))
    broken = ["time"] if not 0 <= row["ts"] <= 2**62 else []
    if dtype == BAR:
        ends = (row["open"], row["close"])
        broken += ["price"] * any(bad_price(row[name]) for name in ("open", "high", "low", "close"))
        broken += ["range"] * any(row["low"] > end or row["high"] < end for end in ends)
        broken += ["size"] * (bad_size(row["volume"]) or bad_size(row["buy_volume"]) or row["dollar"] < 0)
        return broken
    unquoted = not row["flags"] & 5 and isnan(row["bid"]) and isnan(row["ask"])
    quote_is_bad = not unquoted and (bad_price(row["bid"]) or bad_price(row["ask"]))
    broken += ["price"] * (bad_price(row["price"]) or quote_is_bad)
    broken += ["crossed"] * (row["bid"] > row["ask"])
    broken += ["no-quote"] * unquoted
    volume_is_bad = bad_size(row["volume"]) or isnan(row["volume"])
    broken += ["size"] * (bad_size(row["bid_size"]) or bad_size(row["ask_size"]) or volume_is_bad)
    return broken


def slowly(rows: np.ndarray, names: list[str]) -> tuple[list[Any], dict[str, int]]:
    kept: list[Any] = []
    dropped: dict[str, int] = {}
    for row in rows:
        broken = broken_by_itself(row, rows.dtype)
        if kept:
            broken += ["order"] * bool(row["ts"] < kept[-1]["ts"])
            pairs = list(zip(row.item(), kept[-1].item(), strict=True))
            broken += ["duplicate"] * all(a == b or (a != a and b != b) for a, b in pairs)
            broken += ["repeated"] * bool(rows.dtype == BAR and row["ts"] == kept[-1]["ts"])
        first = next((name for name in RULES if name in broken and name in names), None)
        if first is None:
            kept.append(row)
        else:
            dropped[first] = dropped.get(first, 0) + 1
    return kept, dropped


def in_pieces(rows: np.ndarray, cuts: list[int], cleaning: Cleaning) -> tuple[str, dict[str, int]]:
    sieve = cleaning.sieve(rows.dtype)
    parts = np.split(rows, sorted(cut % (len(rows) + 1) for cut in cuts))
    found = [row for part in parts for row in sieve(part).tolist()]
    return repr(found), {name: count for name, count in sieve.dropped.items() if count}


@pytest.mark.parametrize(("dtype", "rows"), [(TICK, ticks), (BAR, bars)], ids=["ticks", "bars"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_against_single_rows(dtype: np.dtype[Any], rows: Any, data: st.DataObject) -> None:
    given_rows = np.zeros(len(values := data.draw(rows)), dtype)
    for at, value in enumerate(values):
        given_rows[at] = value
    names = data.draw(st.lists(st.sampled_from(list(RULES)), unique=True))
    cuts = data.draw(st.lists(st.integers(0, 12), max_size=3))
    kept, dropped = slowly(given_rows, names)
    expected = repr([row.item() for row in kept])
    assert in_pieces(given_rows, cuts, Cleaning(names)) == (expected, dropped)


@given(values=ticks)
@settings(max_examples=100, deadline=None)
def test_what_all_rules_keep_the_core_takes(values: list[tuple[Any, ...]]) -> None:
    rows = np.zeros(len(values), TICK)
    for at, value in enumerate(values):
        rows[at] = value
    names = [name for name in RULES if name != "duplicate"]
    sieve = Cleaning(names).sieve(TICK)
    clean, as_given = BarBuilder(TickBars(1)), BarBuilder(TickBars(1))
    clean.push(np.require(sieve(rows), requirements="C"))
    as_given.push(rows)
    assert sum(clean.rejected.values()) == 0
    assert sum(as_given.rejected.values()) == sum(sieve.dropped.values())
    assert clean.state()["last_ts"] == as_given.state()["last_ts"]


def some_ticks() -> np.ndarray:
    rows = np.zeros(4, TICK)
    rows["ts"], rows["flags"] = [10, 20, 30, 40], [1, 2, 3, 1]
    return rows


@pytest.mark.parametrize(
    ("cleaning", "times_kept", "reason"),
    [
        (Cleaning((), keep="trades"), [20, 30], "kept only"),
        (Cleaning((), keep="quotes"), [10, 30, 40], "kept only"),
        (Cleaning((), since=20), [20, 30, 40], "span"),
        (Cleaning((), until=30), [10, 20], "span"),
        (Cleaning((), since=11, until=40), [20, 30], "span"),
    ],
)
def test_keeps(cleaning: Cleaning, times_kept: list[int], reason: str) -> None:
    sieve = cleaning.sieve(TICK)
    assert sieve(some_ticks())["ts"].tolist() == times_kept
    assert sieve.dropped == {reason: 4 - len(times_kept)}


def test_columns_have_the_rules_of_time_alone() -> None:
    rows = np.array([(5, 1.0), (5, 1.0), (4, 2.0), (-1, 3.0)], [("ts", "<i8"), ("bid", "<f8")])
    sieve = Cleaning().sieve(rows.dtype)
    assert sieve(rows).tolist() == [(5, 1.0)]
    assert sieve.dropped == {"time": 1, "order": 1, "duplicate": 1}


def test_nothing_dropped_is_nothing_copied() -> None:
    rows = some_ticks()
    assert Cleaning(["time"]).sieve(TICK)(rows) is rows


@pytest.mark.parametrize(
    ("given_rules", "message"),
    [
        ({"drop": ["prices"]}, r"must be one of price, crossed, .*, was 'prices'"),
        ({"keep": "bars"}, "must be one of quotes, trades, was 'bars'"),
        ({"since": 5, "until": 5}, "since must be before until, was 5 and 5 ns"),
    ],
)
def test_rules_that_are_none(given_rules: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Cleaning(**given_rules)


def test_trades_cannot_be_kept_of_bars() -> None:
    with pytest.raises(DataError, match="trades must be kept of ticks, was asked of bars"):
        Cleaning(keep="trades").sieve(BAR)


@pytest.mark.parametrize("cuts", [[], [1], [2], [1, 2]])
def test_a_bar_that_comes_again_after_another_of_its_time(cuts: list[int]) -> None:
    """It equals the one that is kept, though not the one before it."""
    rows = np.zeros(3, BAR)
    rows["ts"], rows["open"], rows["volume"] = 5, [1.0, 2.0, 1.0], NAN
    names = ["duplicate", "repeated"]
    assert in_pieces(rows, cuts, Cleaning(names))[1] == {"duplicate": 1, "repeated": 1}
    assert in_pieces(rows, cuts, Cleaning(names[:1]))[1] == {}
    assert in_pieces(rows[[0, 0, 1]], cuts, Cleaning(names[:1]))[1] == {"duplicate": 1}
