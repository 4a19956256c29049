"""A bad tick is counted by kind and changes nothing else; no bytes crash or hang the core."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import DT_NS, awkward, chaos, gbm, known, replayed
from test_processor import BUSY, PLAIN, VARIANTS, part

from livetrading.core.dtypes import RESULT, TICK, Rejection
from livetrading.core.errors import BadTick, LivetradingError
from livetrading.core.processor import Processor

NAN, INF = float("nan"), float("inf")
OUTSIDE = [NAN, INF, -INF, -1.0, 0.0, -0.0, 1e308, 1.1e15, 9e-13, 5e-324, -1e-300]
FAULTS: list[tuple[str, dict[str, object]]] = [
    *(("price", {name: value}) for name in ("price", "bid", "ask") for value in OUTSIDE),
    ("crossed", {"bid": 2e9}),
    ("crossed", {"ask": 1e-6}),
    ("time", {"ts": 0}),
    ("time", {"ts": -(2**63)}),
    ("time", {"ts": 2**63 - 1}),
    ("time", {"ts": 2**62 + 1}),
    *(
        ("size", {name: value})
        for name in ("bid_size", "ask_size", "volume")
        for value in (-1.0, -INF, INF, 1e16)
    ),
    ("size", {"volume": NAN}),
    ("no_quote", {"bid": NAN, "ask": NAN, "flags": 2}),
    ("no_quote", {"bid": NAN, "ask": NAN, "flags": 0}),
    ("price", {"bid": NAN, "ask": NAN, "flags": 3}),
    ("price", {"bid": NAN, "ask": NAN, "flags": 255}),
]
PRECEDENCE: list[tuple[str, dict[str, object]]] = [
    ("price", {"price": NAN, "bid": 2e9, "ts": 0, "volume": -1.0}),
    ("crossed", {"bid": 2e9, "ts": 0, "volume": -1.0}),
    ("time", {"ts": 0, "volume": -1.0}),
    ("size", {"volume": -1.0, "bid": NAN, "ask": NAN, "flags": 2}),
]


def with_bad(ticks: np.ndarray, at: int, changes: dict[str, object]) -> np.ndarray:
    """Put a changed copy of tick `at` before it."""
    out = np.zeros(len(ticks) + 1, TICK)
    out[:at], out[at + 1 :] = ticks[:at], ticks[at:]
    out[at] = ticks[at]
    for name, value in changes.items():
        out[name][at] = value
    return out


@pytest.mark.parametrize(("kind", "changes"), FAULTS + PRECEDENCE)
@pytest.mark.parametrize("at", [1, 700, 1023, 1024, 1499])
def test_a_bad_tick_leaves_no_trace(kind: str, changes: dict[str, object], at: int) -> None:
    ticks = gbm(21, 1500, spread_bps=0.3)
    clean, dirty = replayed(BUSY, ticks), replayed(BUSY, with_bad(ticks, at, changes))
    assert dirty.rows.tobytes() == clean.rows.tobytes()
    assert dirty.fills.tobytes() == clean.fills.tobytes()
    assert len(clean.fills) > 10
    expected = dict.fromkeys(clean.totals["rejected"], 0) | {kind: 1}
    assert dirty.totals == clean.totals | {"rejected": expected}


placed_faults = st.lists(
    st.tuples(st.integers(1, 799), st.sampled_from(FAULTS)), max_size=30, unique_by=lambda fault: fault[0]
)


@settings(max_examples=200, deadline=None)
@given(placed_faults, st.sampled_from(sorted(VARIANTS)))
def test_bad_ticks_at_every_position(bad: list[tuple[int, tuple[str, dict[str, object]]]], name: str) -> None:
    ticks = gbm(22, 800, spread_bps=0.3)
    dirty = ticks
    for at, (_, changes) in sorted(bad, key=lambda item: -item[0]):
        dirty = with_bad(dirty, at, changes)
    first, second = replayed(VARIANTS[name], ticks), replayed(VARIANTS[name], dirty)
    assert second.rows.tobytes() == first.rows.tobytes()
    assert second.totals["fills_sha256"] == first.totals["fills_sha256"]
    kinds = [kind for _, (kind, _) in bad]
    assert second.totals["rejected"] == {
        kind.name.lower(): kinds.count(kind.name.lower()) for kind in Rejection
    }


def test_first_ticks() -> None:
    """Trades before the first good quote are rejected, quotes that are none as well."""
    ticks = gbm(23, 10)
    for name in ("bid", "ask", "bid_size", "ask_size"):
        ticks[name][:4] = NAN
    ticks["flags"][:4] = 2
    ticks["ask"][4] = 1.0
    out = replayed(BUSY, ticks)
    assert out.totals["ticks"] == len(out.rows) == 5
    assert out.totals["rejected"] == {"price": 0, "crossed": 1, "time": 0, "size": 0, "no_quote": 4}


@pytest.mark.parametrize(
    ("name", "value"),
    [("bid_size", NAN), ("ask_size", NAN), ("bid_size", 0.0), ("ask_size", 1e15), ("volume", 0.0),
     ("volume", 1e15), ("side", -128), ("side", 127), ("flags", 0), ("flags", 255), ("flags", 6),
     ("price", 1e-12), ("price", 1e15)],
)  # fmt: skip
def test_odd_ticks_are_good(name: str, value: float) -> None:
    ticks = gbm(24, 600)
    ticks[name][100:500:7] = value
    out = replayed(BUSY, ticks)
    assert out.totals["ticks"] == 600
    assert np.isfinite(out.rows["market_price"]).all()


def test_equal_times_are_kept_in_order() -> None:
    ticks = gbm(25, 900, spread_bps=0.3)
    ticks["ts"][1::3] = ticks["ts"][::3]
    out = replayed(PLAIN, ticks)
    assert out.rows["ts"].tolist() == ticks["ts"].tolist()
    mids = 0.5 * ticks["bid"] + 0.5 * ticks["ask"]
    assert out.rows["market_price"].tolist() == mids.tolist()


@pytest.mark.parametrize(("kind", "changes"), PRECEDENCE + FAULTS[-4:-2])
@pytest.mark.parametrize("at", [0, 5, 1024, 16_390])
def test_strict_raises(kind: str, changes: dict[str, object], at: int) -> None:
    ticks = gbm(26, 17_000, spread_bps=0.3)
    ticks["ts"] += DT_NS
    dirty = with_bad(ticks, at, changes)
    if at == 0 and kind == "time":
        dirty["ts"][0] = -1
    strict, lax = Processor(BUSY, 10_000.0, strict=True), Processor(BUSY, 10_000.0)
    rows = np.zeros(len(dirty), RESULT)
    with pytest.raises(BadTick, match=rf"\(tick {at}, {kind}\)"):
        strict.replay(dirty, rows)
    lax.replay(ticks[:at])
    assert strict.totals() == lax.totals() | {"rejected": lax.totals()["rejected"] | {kind: 1}}
    assert np.count_nonzero(rows["ts"]) == at
    strict.replay(dirty[at + 1 :])
    lax.replay(ticks[at:])
    assert strict.totals()["fills_sha256"] == lax.totals()["fills_sha256"]


def test_strict_on_tick() -> None:
    strict, lax = Processor(BUSY, 100.0, strict=True), Processor(BUSY, 100.0)
    assert lax.on_tick(5, NAN, 1.0, 2.0, 1.0, 1.0) == 0
    assert lax.totals()["rejected"]["price"] == 1
    with pytest.raises(BadTick, match="price, bid and ask must"):
        strict.on_tick(5, NAN, 1.0, 2.0, 1.0, 1.0)
    assert strict.totals() == lax.totals()
    assert issubclass(BadTick, LivetradingError)


def test_strict_on_tick_names_the_tick() -> None:
    """By its number among all that were fed, the rejected ones too."""
    processor = Processor(BUSY, 100.0, strict=True)
    good = gbm(28, 40).tolist()
    for at, tick in enumerate(good):
        if at in (0, 7, 8, 30):
            bad = (*tick[:3], 0.5 * tick[2], *tick[4:])
            with pytest.raises(BadTick, match=rf"\(tick {at}, crossed\)"):
                processor.on_tick(*bad)
        else:
            processor.on_tick(*tick)
    assert processor.totals()["ticks"] == 36


def test_a_true_price_that_is_not_known_casts_no_vote() -> None:
    ticks, truth = chaos(27, 3000, spread_bps=0.3)
    lone = part(PLAIN, "signals", voters=("deviation",))
    assert (replayed(lone, ticks, 1.1 * truth).rows["direction"] == 1).all()
    for never in (replayed(lone, ticks, np.full(3000, NAN)), replayed(lone, ticks)):
        assert np.isnan(never.rows["deviation"]).all()
        assert np.isnan(never.rows["true_price"]).all()
        assert not never.rows["direction"].any()
        assert len(never.fills) == 0


@pytest.mark.parametrize("placeholder", [0.0, -0.0, -1.0, INF, -INF, 9e-13, 1.1e15, 5e-324])
def test_what_is_no_true_price_is_refused(placeholder: float) -> None:
    """A placeholder for what is not known would vote; nothing is taken where there is one."""
    ticks, truth = chaos(27, 2000, spread_bps=0.3)
    processor = Processor(BUSY, 10_000.0)
    truth[1999] = placeholder
    with pytest.raises(
        ValueError, match="a true price must be NaN, for not known, or from 1e-12 to 1e15 USD"
    ):
        processor.replay(ticks, true_price=truth)
    assert processor.totals()["ticks"] == 0


def finite(out: np.ndarray) -> bool:
    return bool(np.isfinite(out["market_price"]).all() and np.isin(out["direction"], (-1, 0, 1)).all())


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=64 * 40), st.sampled_from(sorted(VARIANTS)))
def test_random_bytes(data: bytes, name: str) -> None:
    ticks = np.frombuffer(data[: len(data) // 64 * 64], TICK)
    out = replayed(VARIANTS[name], ticks, close=True)
    assert out.totals["ticks"] + sum(out.totals["rejected"].values()) == len(ticks)
    assert finite(out.rows)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.sampled_from(sorted(VARIANTS)))
def test_random_bits_in_good_ticks(seed: int, noise: int, name: str) -> None:
    """One bit in a thousand flipped: most ticks stay good, and wild."""
    ticks = awkward(seed, 400)
    rng = np.random.default_rng(noise)
    bits = rng.random(400 * 64 * 8) < 1e-3
    ticks.view(np.uint8)[:] ^= np.packbits(bits)
    out = replayed(VARIANTS[name], ticks, known(ticks["bid"]), close=True)
    assert out.totals["ticks"] + sum(out.totals["rejected"].values()) == 400
    assert finite(out.rows)
    assert out.totals["position_sat"] == 0
    assert out.totals["cash_micro"] == 10**10 + out.totals["net_micro"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda t: t["ts"],
        lambda t: t[::2],
        lambda t: t.reshape(2, -1),
        lambda t: t.tolist(),
        lambda t: t.astype([(n, TICK[n]) for n in TICK.names]),
    ],
)
def test_other_arrays_are_refused(wrong: Callable[[np.ndarray], object]) -> None:
    with pytest.raises(TypeError, match="ticks must be a contiguous one-dimensional array"):
        Processor(BUSY, 100.0).replay(wrong(gbm(1, 10)))


@pytest.mark.parametrize(
    ("rows", "every", "truth", "error", "rule"),
    [(np.zeros(9, RESULT), 1, None, ValueError, "room for 10 rows, was 9"),
     (np.zeros(10, RESULT), 0, None, ValueError, "every must be from 1 to "),
     (np.zeros(10), 1, None, TypeError, "results must be"),
     (np.zeros(10, RESULT), 1.5, None, TypeError, "float"),
     (None, 1, np.zeros(9), TypeError, "true_price must be"),
     (None, 1, [5e4] * 10, TypeError, "true_price must be"),
     (None, 1, np.zeros(10, np.float32), TypeError, "true_price must be")],
)  # fmt: skip
def test_bad_arguments(rows: object, every: int, truth: object, error: type[Exception], rule: str) -> None:
    processor = Processor(BUSY, 100.0)
    with pytest.raises(error, match=rule):
        processor.replay(gbm(1, 10), rows, every, truth)
    assert processor.totals()["ticks"] == 0


def test_arrays_that_overlap_are_refused() -> None:
    """Rows written over ticks not yet taken would be taken for ticks."""
    memory = np.zeros(20 * RESULT.itemsize, np.uint8)
    ticks, rows = memory[: 10 * TICK.itemsize].view(TICK), memory.view(RESULT)
    ticks[:] = gbm(1, 10)
    truth = memory[-80:].view(np.float64)
    truth[:] = 5e4
    processor = Processor(BUSY, 100.0)
    for results, true_price in ((rows[:10], None), (rows[10:], truth)):
        with pytest.raises(ValueError, match="share memory"):
            processor.replay(ticks, results, 1, true_price)
    assert processor.totals()["ticks"] == 0
    assert processor.replay(ticks, rows[10:]) == 10


def test_a_tick_repaired_after_it_was_judged() -> None:
    """The fault is that of the bytes that were judged, whatever on_fills makes of them then."""
    ticks = gbm(30, 3000, spread_bps=0.3)
    sound = ticks[2000].copy()
    ticks["volume"][2000] = -1.0

    def repair(_: object) -> None:
        ticks[2000] = sound

    processor = Processor(BUSY, 10_000.0, strict=True, on_fills=repair)
    with pytest.raises(BadTick, match=r"\(tick 2000, size\)"):
        processor.replay(ticks)
    assert (processor.totals()["ticks"], processor.totals()["rejected"]["size"]) == (2000, 1)


@pytest.mark.parametrize("capital", [0.0, -1.0, NAN, INF, 0.009, 1.1e12])
def test_bad_capital(capital: float) -> None:
    with pytest.raises(ValueError, match=r"capital must be from 0\.01"):
        Processor(BUSY, capital)


def test_run_needs_a_market() -> None:
    with pytest.raises(ValueError, match="run needs a market"):
        Processor(BUSY, 100.0).run(1)
