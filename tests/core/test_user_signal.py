"""The caller's own voter: an array aligned with the ticks, or a function in C."""

import ctypes
from dataclasses import replace
from itertools import pairwise

import numba as nb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import types
from tapes import assert_twins, awkward, chaos, chaos_market, filled, raw, replayed
from test_processor import BUSY, PLAIN, part

from livetrading.core.dtypes import RESULT, TICK
from livetrading.core.processor import Processor
from livetrading.core.settings import VOTERS, Settings

ALONE = part(PLAIN, "signals", voters=("user",))
AMONG = part(BUSY, "signals", voters=VOTERS)
TICK_RECORD = nb.from_dtype(TICK)
SIGNATURE = types.void(
    types.CPointer(TICK_RECORD),
    types.CPointer(types.float64),
    types.int64,
    types.CPointer(types.int8),
    types.CPointer(types.float64),
)


@nb.cfunc(SIGNATURE)
def fade(ticks, true_price, n, vote, state):  # type: ignore[no-untyped-def]
    rows, votes, last = nb.carray(ticks, n), nb.carray(vote, n), nb.carray(state, 1)
    for i in range(n):
        mid = 0.5 * rows[i].bid + 0.5 * rows[i].ask
        votes[i] = (int(mid < last[0]) - int(mid > last[0])) if last[0] > 0.0 else 0
        last[0] = mid


@nb.cfunc(SIGNATURE)
def true_side(ticks, true_price, n, vote, state):  # type: ignore[no-untyped-def]
    """Which side of the true price; 5 where there is none, to be told from -1, 0 and 1."""
    rows, votes, truth = nb.carray(ticks, n), nb.carray(vote, n), nb.carray(true_price, n)
    for i in range(n):
        votes[i] = 5
        if truth[i] > 0.0:
            votes[i] = int(rows[i].price < truth[i]) - int(rows[i].price > truth[i])


@nb.cfunc(SIGNATURE)
def log_calls(ticks, true_price, n, vote, state):  # type: ignore[no-untyped-def]
    """Keeps the times of what it was shown behind its count."""
    rows, votes, seen = nb.carray(ticks, n), nb.carray(vote, n), nb.carray(state, 100_000)
    for i in range(n):
        seen[0] += 1.0
        seen[int(seen[0])] = rows[i].ts - 1_764_478_080_000_000_000
        votes[i] = 0


@nb.cfunc(SIGNATURE)
def once(ticks, true_price, n, vote, state):  # type: ignore[no-untyped-def]
    """Writes one vote, ever."""
    votes, said = nb.carray(vote, n), nb.carray(state, 1)
    if said[0] == 0.0:
        votes[0] = said[0] = 1


WINDOW = 100


@nb.cfunc(SIGNATURE)
def z_rule(ticks, true_price, n, vote, state):  # type: ignore[no-untyped-def]
    """The z-score's rule with fixed level 2, on prices whose sums are exact."""
    rows, votes, s = nb.carray(ticks, n), nb.carray(vote, n), nb.carray(state, 4 + WINDOW)
    for i in range(n):
        mid = 0.5 * rows[i].bid + 0.5 * rows[i].ask - 60_000.0
        at = 4 + int(s[0]) % WINDOW
        s[0] += 1.0
        s[1] += mid - s[at]
        s[2] += mid * mid - s[at] * s[at]
        s[at] = mid
        votes[i] = 0
        if s[0] < WINDOW:
            continue
        mean = s[1] / WINDOW
        gap, variance = mid - mean, s[2] / WINDOW - mean * mean
        if s[3] == 0.0 or gap == 0.0 or (s[3] > 0.0) == (gap > 0.0):
            s[3] = 0.0
            if gap * gap >= 4.0 * variance:
                s[3] = -1.0 if gap > 0.0 else 1.0
        votes[i] = int(s[3])


def said_of(ticks: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 2, len(ticks)).astype(np.int8)


@pytest.mark.parametrize("rule", [ALONE, AMONG], ids=["alone", "among all"])
def test_array_against_the_plain_path(rule: Settings) -> None:
    ticks, true_price = chaos(4, 2500, spread_bps=0.3)
    out = assert_twins(rule, ticks, true_price, signal=said_of(ticks))
    assert out.totals["trades"] > 50


def test_array_with_bad_ticks() -> None:
    """An entry stands for a tick that is rejected too."""
    ticks = awkward(5, 2500)
    assert_twins(part(ALONE, "limits", stale_s=1e6), ticks, signal=said_of(ticks, 1))


def test_only_the_sign_counts() -> None:
    ticks, _ = chaos(4, 2500)
    said = said_of(ticks)
    a, b = (replayed(ALONE, ticks, signal=x) for x in (said, said * np.int8(100)))
    assert a.totals == b.totals


def test_array_for_a_simulated_market_and_single_ticks() -> None:
    n = 4000
    ticks = filled(chaos_market(3, n), n)
    said = said_of(ticks)
    run, single = Processor(ALONE, 10_000.0, chaos_market(3, n)), Processor(ALONE, 10_000.0)
    run.run(n, signal=said)
    for tick, vote in zip(ticks.tolist(), said.tolist(), strict=True):
        assert single.on_tick(*tick, signal=vote) == vote
    expected = replayed(ALONE, ticks, signal=said).totals["fills_sha256"]
    assert run.totals()["fills_sha256"] == single.totals()["fills_sha256"] == expected


def asked(rule: Settings, ticks: np.ndarray, cuts: tuple[int, ...] = (), signal: object = fade, size: int = 1,
          true_price: np.ndarray | None = None) -> tuple[dict, np.ndarray]:  # fmt: skip
    state = np.zeros(size)
    processor = Processor(rule, 10_000.0, signal=signal, signal_state=state)
    rows, written = np.zeros(len(ticks), RESULT), 0
    borders = [0, *cuts, len(ticks)]
    for begin, end in pairwise(borders):
        truth = None if true_price is None else true_price[begin:end]
        written += processor.replay(ticks[begin:end], rows[written:], true_price=truth)
    return processor.totals(), rows[:written]


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2500), max_size=5).map(sorted))
def test_function_says_what_the_array_says_however_cut(cuts: list[int]) -> None:
    ticks = awkward(9, 2500)
    plain = replayed(part(ALONE, "limits", stale_s=1e6), ticks, signal=fades_of(ticks))
    totals, rows = asked(part(ALONE, "limits", stale_s=1e6), ticks, tuple(cuts))
    assert totals == plain.totals
    np.testing.assert_array_equal(raw(rows), raw(plain.rows))


def fades_of(ticks: np.ndarray) -> np.ndarray:
    """The fade from the processor's own rows: a bad tick has none, and is not between two good ones."""
    good = replayed(part(ALONE, "limits", stale_s=1e6), ticks, signal=np.zeros(len(ticks), np.int8)).rows
    mid, said, at = good["market_price"], np.zeros(len(ticks), np.int8), 0
    fades = -np.sign(np.diff(mid, prepend=mid[0]))
    for i in range(len(ticks)):
        if at < len(good) and ticks["ts"][i] == good["ts"][at] and _mid(ticks[i]) == mid[at]:
            said[i], at = fades[at], at + 1
    assert at == len(good)
    return said


def _mid(tick: np.void) -> float:
    return float(0.5 * tick["bid"] + 0.5 * tick["ask"])


def test_function_sees_every_good_tick_once() -> None:
    ticks = awkward(2, 2500)
    state = np.zeros(100_000)
    processor = Processor(ALONE, 10_000.0, signal=log_calls, signal_state=state)
    rows = np.zeros(len(ticks), RESULT)
    written = processor.replay(ticks, rows)
    assert state[0] == written < len(ticks)
    np.testing.assert_array_equal(state[1 : written + 1], rows["ts"][:written] - 1_764_478_080_000_000_000)


@pytest.mark.parametrize("cuts", [(), (1,), (1024, 1700)])
def test_what_a_function_does_not_write_is_no_vote(cuts: tuple[int, ...]) -> None:
    ticks, _ = chaos(4, 2500)
    _, rows = asked(ALONE, ticks, cuts, signal=once)
    assert np.flatnonzero(rows["direction"]).tolist() == [0]


def test_a_function_that_leads_back_finds_the_processor_running() -> None:
    """It must not touch Python; one that does shall break nothing."""
    ticks, _ = chaos(4, 3)
    found: list[str] = []

    @ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_int64, *[ctypes.c_void_p] * 2)
    def back(*_: object) -> None:
        for call in (lambda: processor.on_tick(*ticks[2]), processor.close, processor.totals):
            with pytest.raises(RuntimeError) as told:
                call()
            found.append(str(told.value))

    address = ctypes.cast(back, ctypes.c_void_p).value
    processor = Processor(ALONE, 100.0, signal=address)
    processor.on_tick(*ticks[0])
    processor.replay(ticks[1:2])
    assert len(found) == 6
    assert all("is running" in text for text in found)
    assert processor.totals()["ticks"] == 2


def test_function_is_told_the_true_price() -> None:
    ticks, true_price = chaos(4, 3000)
    _, rows = asked(ALONE, ticks, signal=true_side, true_price=true_price)
    price = np.where(ticks["flags"] & 2, ticks["price"], (ticks["bid"] + ticks["ask"]) / 2)
    np.testing.assert_array_equal(rows["direction"], np.sign(true_price - price))
    _, without = asked(ALONE, ticks, signal=true_side)
    assert (without["direction"] == 1).all()


def test_a_copy_of_the_z_score_gives_its_fills() -> None:
    rng = np.random.default_rng(7)
    ticks = np.zeros(50_000, TICK)
    mid = 60_000 + 0.25 * np.cumsum(rng.integers(-3, 4, len(ticks)))
    ticks["ts"] = 1_764_478_080_000_000_000 + 10**8 * np.arange(len(ticks))
    ticks["bid"], ticks["ask"], ticks["price"], ticks["flags"] = mid - 0.5, mid + 0.5, mid, 1
    ticks["bid_size"] = ticks["ask_size"] = np.nan
    built_in = replayed(PLAIN, ticks)
    totals, _ = asked(ALONE, ticks, signal=z_rule, size=4 + WINDOW)
    assert totals == built_in.totals
    assert totals["trades"] > 200


def test_capsule_and_address() -> None:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    name = ctypes.create_string_buffer(b"livetrading.lt_signal")
    other = ctypes.create_string_buffer(b"livetrading.lt_tick")
    ticks, _ = chaos(4, 2500)
    expected = asked(ALONE, ticks)[0]["fills_sha256"]
    for given_ in (fade.address, new(fade.address, name, None)):
        assert asked(ALONE, ticks, signal=given_)[0]["fills_sha256"] == expected
    with pytest.raises(TypeError, match=r"capsule named 'livetrading\.lt_signal'"):
        Processor(ALONE, 100.0, signal=new(fade.address, other, None))


@pytest.mark.parametrize("wrong", [0, -1, True, 1 << 64, "fade", lambda: None, 1.5])
def test_what_is_no_function(wrong: object) -> None:
    with pytest.raises(TypeError, match="address of a C function"):
        Processor(ALONE, 100.0, signal=wrong)


@pytest.mark.parametrize("wrong", [[0.0], 0, np.zeros(4)[::2], np.broadcast_to(0.0, 3)])
def test_what_is_no_state(wrong: object) -> None:
    with pytest.raises(TypeError, match="contiguous, writeable array"):
        Processor(ALONE, 100.0, signal=fade, signal_state=wrong)


@pytest.mark.parametrize(
    "wrong", [np.zeros(3, np.int8), np.zeros(5), [0] * 5, np.zeros((5, 1), np.int8), np.int8(1)]
)
def test_what_is_no_signal(wrong: object) -> None:
    ticks, _ = chaos(1, 5)
    processor = Processor(ALONE, 100.0)
    with pytest.raises(TypeError, match=r"array of int8 of shape \(5,\)"):
        processor.replay(ticks, signal=wrong)
    assert processor.totals()["ticks"] == 0


def test_a_voter_without_signal_and_a_signal_without_voter() -> None:
    ticks, _ = chaos(1, 5)
    said = np.zeros(5, np.int8)
    with pytest.raises(ValueError, match="'user' needs a signal"):
        Processor(ALONE, 100.0).replay(ticks)
    with pytest.raises(ValueError, match="must not be given"):
        Processor(PLAIN, 100.0).replay(ticks, signal=said)
    with pytest.raises(ValueError, match="must not be given"):
        Processor(ALONE, 100.0, signal=fade, signal_state=np.zeros(1)).replay(ticks, signal=said)
    with pytest.raises(ValueError, match="needs 'user'"):
        Processor(PLAIN, 100.0, signal=fade)
    with pytest.raises(ValueError, match="must come with a signal"):
        Processor(ALONE, 100.0, signal_state=np.zeros(1))


def test_settings_take_it_once() -> None:
    assert "user" not in Settings.__dataclass_fields__["signals"].default_factory().voters  # type: ignore[misc]
    with pytest.raises(ValueError, match="repetition"):
        replace(ALONE.signals, voters=("user", "user"))
