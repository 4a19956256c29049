"""Bars of recordings chunk by chunk, against pandas, and rules as they are written on the command line."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from livetrading.core.dtypes import BAR, TICK, BarFlag
from livetrading.data.bars import (
    RULES,
    BarBuilder,
    BarError,
    BarRule,
    DollarBars,
    DollarImbalanceBars,
    RunBars,
    TickBars,
    TickImbalanceBars,
    TimeBars,
    VolumeBars,
    VolumeImbalanceBars,
    bars,
    parse_rule,
)
from livetrading.data.ticks import open_ticks, read_ticks

TESTS: Final = Path(__file__).parents[1]
PAIR: Final = [TESTS / "data" / f"btcusdt_spot_20240808_{kind}.csv" for kind in ("quotes", "trades")]
SHARED: Final = Path(__file__).parents[3] / "shared" / "data" / "ticks"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the full recordings are not beside the project (../shared)"
)


@pytest.fixture
def plain_bars(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plain form that the tests of the core hold the kernel against."""
    monkeypatch.syspath_prepend(str(TESTS / "core"))
    import reference_bars

    return reference_bars.plain_bars


def by_pandas(ticks: np.ndarray, length: str) -> pd.DataFrame:
    """Resample trades, and mids where an interval has none."""
    good = ticks[ticks["bid"] > 0]
    index = pd.to_datetime(good["ts"], unit="ns", utc=True)
    frame = pd.DataFrame({"mid": 0.5 * good["bid"] + 0.5 * good["ask"], "price": good["price"]}, index)
    traded = (good["flags"] & 2) > 0
    trades = frame["price"][traded].resample(length, origin="epoch")
    out = frame["mid"].resample(length, origin="epoch").ohlc().dropna()
    out.update(trades.ohlc())
    volume = pd.Series(good["volume"][traded], index[traded]).resample(length, origin="epoch")
    out["volume"], out["trades"] = volume.sum(), trades.count()
    return out.fillna({"volume": 0.0, "trades": 0})


def rows_of(ticks: Any, rule: BarRule) -> np.ndarray:
    """Return all bars, the open one last; in one buffer, as numpy does not copy padding."""
    chunks = bars(ticks, rule, with_open=True)
    return np.frombuffer(b"".join(chunk.tobytes() for chunk in chunks), BAR)


@pytest.mark.parametrize("length", ["1ms", "50ms", "100ms", "1s"])
def test_time_bars_against_pandas(length: str) -> None:
    ticks = read_ticks(PAIR)
    found, expected = rows_of(ticks, TimeBars(length)), by_pandas(ticks, length)
    np.testing.assert_array_equal(found["start"], expected.index.as_unit("ns").asi8)
    for name in ("open", "high", "low", "close", "trades"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    np.testing.assert_allclose(found["volume"], expected["volume"], rtol=1e-12)
    np.testing.assert_array_equal(found["flags"] & BarFlag.NO_TRADE > 0, expected["trades"] == 0)


def test_filled_bars_against_pandas() -> None:
    ticks = read_ticks(PAIR)
    found = rows_of(ticks, TimeBars("1ms", fill=True))
    expected = by_pandas(ticks, "1ms").resample("1ms", origin="epoch").asfreq()
    made_up = expected["close"].isna()
    assert made_up.any()
    np.testing.assert_array_equal(found["flags"] & BarFlag.FILLED > 0, made_up)
    expected["close"] = expected["close"].ffill()
    for name in ("open", "high", "low"):
        np.testing.assert_array_equal(found[name], expected[name].fillna(expected["close"]), err_msg=name)
    np.testing.assert_array_equal(found["close"], expected["close"])
    assert (found["volume"][made_up] == 0).all()


@pytest.mark.parametrize("rule", [TimeBars("10ms"), TickBars(7), VolumeImbalanceBars(T0=20)], ids=repr)
@pytest.mark.parametrize("paths", [PAIR, PAIR[1:]], ids=["pair", "trades"])
def test_a_recording_in_chunks(rule: BarRule, paths: list[Path]) -> None:
    """As the chunks come from the files, or row by row: the bars of the whole; none is empty."""
    builder, ticks = BarBuilder(rule), read_ticks(paths)
    whole = rows_of(ticks, rule)
    with open_ticks(paths) as recording:
        assert rows_of(recording, rule).tobytes() == whole.tobytes()
    singly = list(bars((ticks[i : i + 1] for i in range(len(ticks))), builder, with_open=True))
    assert b"".join(chunk.tobytes() for chunk in singly) == whole.tobytes()
    assert min(map(len, singly)) == 1
    assert builder.rejected["no_quote"] == (3 if len(paths) == 2 else 0)
    assert whole["flags"][-1] & BarFlag.OPEN
    assert not (whole["flags"][:-1] & BarFlag.OPEN).any()
    closed = b"".join(chunk.tobytes() for chunk in bars(ticks, rule))
    assert closed == whole[:-1].tobytes()


def test_arrays_that_skip_and_are_no_ticks() -> None:
    ticks = read_ticks(PAIR)
    rule = TickBars(3)
    assert rows_of(ticks[::2], rule).tobytes() == rows_of(ticks[::2].copy(), rule).tobytes()
    for wrong in ([ticks, np.zeros(1)], np.zeros((1, 1), TICK), ["ticks.npy"]):
        with pytest.raises(TypeError, match="ticks must be one-dimensional arrays of TICK, was"):
            list(bars(wrong, rule))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="rule must be a rule"):
        bars(ticks, "time:1m")  # type: ignore[arg-type]


def test_memory_is_flat() -> None:
    def peak(chunks: int) -> int:
        ticks = read_ticks(PAIR)[10:].copy()
        span = int(ticks["ts"][-1] - ticks["ts"][0])

        def stream() -> Iterator[np.ndarray]:
            for _ in range(chunks):
                ticks["ts"] += span
                yield ticks

        builder = BarBuilder(TickBars(1))
        tracemalloc.start()
        assert sum(map(len, bars(stream(), builder))) == builder.bars > 290 * chunks
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(80) < 1.05 * peak(10)


@needs_shared
@pytest.mark.parametrize(
    "rule",
    [
        *(TimeBars("1s"), TimeBars("100ms", fill=True), TickBars(10), VolumeBars(2), DollarBars(1e5)),
        *(TickImbalanceBars(), VolumeImbalanceBars(), DollarImbalanceBars()),
        *(RunBars("tick"), RunBars("volume"), RunBars("dollar")),
    ],
    ids=repr,
)
def test_full_recordings(rule: BarRule, plain_bars: Any) -> None:
    ticks = read_ticks([SHARED / f"btcusdt_spot_20210108_{kind}.csv.gz" for kind in ("quotes", "trades")])
    found, expected = rows_of(ticks, rule), np.array(plain_bars(ticks, rule), BAR)
    assert len(found) >= 10
    for name in BAR.names or ():
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@needs_shared
@pytest.mark.parametrize("length", ["1s", "1min"])
def test_six_minutes_against_pandas(length: str) -> None:
    ticks = read_ticks(
        [SHARED / f"btcusdt_spot_20240808T2354_{kind}.csv.gz" for kind in ("quotes", "trades")]
    )
    found, expected = rows_of(ticks, TimeBars(length.removesuffix("in"))), by_pandas(ticks, length)
    np.testing.assert_array_equal(found["start"], expected.index.as_unit("ns").asi8)
    for name in ("open", "high", "low", "close", "trades"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


WRITTEN: Final[dict[str, BarRule]] = {
    "time:15m": TimeBars("15m"),
    "tick:1000": TickBars(1000),
    "tick:1e3": TickBars(1000),
    "volume:0.5": VolumeBars(0.5),
    "dollar:1e6": DollarBars(1e6),
    "tick-imbalance": TickImbalanceBars(),
    "volume-imbalance": VolumeImbalanceBars(),
    "dollar-imbalance": DollarImbalanceBars(),
    "tick-run": RunBars("tick"),
    "volume-run": RunBars("volume"),
    "dollar-run": RunBars("dollar"),
}


@pytest.mark.parametrize(("text", "rule"), WRITTEN.items())
def test_rules_as_written(text: str, rule: BarRule) -> None:
    assert parse_rule(text) == rule


def test_every_rule_is_named() -> None:
    assert {parse_rule(text).__class__ for text in RULES} == {rule.__class__ for rule in WRITTEN.values()}
    assert len(RULES) == 10


def test_parameters_as_written() -> None:
    given = ["T0=20", "span_T=5", "span_b=30", "T_min=2", "T_max=1e3"]
    assert parse_rule("volume-run", given) == RunBars(
        "volume", T0=20, span_T=5, span_b=30, T_min=2, T_max=1000
    )
    assert parse_rule("time:1s", fill=True) == TimeBars("1s", fill=True)


@pytest.mark.parametrize(
    ("text", "parameters", "fill", "rule"),
    [
        ("", [], False, "rule must be one of time:1m, tick:1000, .*, dollar-run, was ''"),
        ("time", [], False, "rule must be one of .*, was 'time'"),
        ("renko:5", [], False, "rule must be one of .*, was 'renko:5'"),
        ("tick-run:5", [], False, "rule must be one of .*, was 'tick-run:5'"),
        ("time:1 minute", [], False, "the length of a bar must be .*, was '1 minute'"),
        ("tick:0", [], False, "trades of a bar must be a whole number .*, was 0"),
        ("tick:1.5", [], False, "trades of a bar must be a whole number, was '1.5'"),
        ("tick:many", [], False, "trades of a bar must be a number, was 'many'"),
        ("volume:-1", [], False, "volume of a bar must be above 0 .*, was -1.0"),
        ("volume:nan", [], False, "volume of a bar must be a number, was 'nan'"),
        ("dollar:inf", [], False, "value of a bar must be a number, was 'inf'"),
        ("dollar:", [], False, "value of a bar must be a number, was ''"),
        ("tick:9", ["T0=20"], False, "parameters must be given to a rule that expects, was given to tick:9"),
        ("tick-run", ["T0"], False, "T0 must be a number, was ''"),
        ("tick-run", ["t0=1"], False, "a parameter must be one of T0, span_T, .*, was 't0=1'"),
        ("tick-run", ["T0=20", "T0=30"], False, "a parameter must be given once, was T0 twice"),
        ("tick-run", ["T0=nan"], False, "T0 must be a number, was 'nan'"),
        ("tick-run", ["T0=5"], False, "T0 must be a number from 10 to 200, was 5.0"),
        ("tick:5", [], True, "fill must be asked of bars by time, was asked of tick:5"),
    ],
)
def test_rules_that_cannot_be(text: str, parameters: list[str], fill: bool, rule: str) -> None:
    with pytest.raises(BarError, match=rule):
        parse_rule(text, parameters, fill=fill)
