"""Bars of every rule against a plain form, however the stream is cut, and what they refuse."""

import json
import re
import signal
from collections.abc import Callable
from itertools import pairwise
from math import isnan, nan
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_bars import plain_bars
from tapes import awkward, recording

from livetrading.core.bar_rules import (
    BarRule,
    DollarBars,
    DollarImbalanceBars,
    RunBars,
    TickBars,
    TickImbalanceBars,
    TimeBars,
    VolumeBars,
    VolumeImbalanceBars,
)
from livetrading.core.bars import BarBuilder
from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import BAR, TICK, BarFlag
from livetrading.core.errors import BarError

START: Final = 1_764_478_080_000_000_000
SECOND: Final = 1_000_000_000
SHORT: Final[dict[str, Any]] = {"T0": 4, "span_T": 3, "span_b": 10, "T_min": 1.5, "T_max": 12}
EXPECTING: Final[list[Callable[..., Any]]] = [
    TickImbalanceBars,
    VolumeImbalanceBars,
    DollarImbalanceBars,
    *(lambda of=of, **given: RunBars(of, **given) for of in ("tick", "volume", "dollar")),  # type: ignore[misc]
]
RULES: Final[list[BarRule]] = [
    *(TimeBars(length, fill=fill) for length in ("250ms", "1s", "7s") for fill in (False, True)),
    TickBars(1),
    TickBars(3),
    VolumeBars(0.7),
    VolumeBars(4),
    DollarBars(123.4),
    *(make(**SHORT) for make in EXPECTING),
]


def tape(seed: int, n: int) -> np.ndarray:
    """Quotes and trades at uneven times, sizes that add up to round numbers, one tick in ten bad."""
    rng = np.random.default_rng(seed)
    ticks = np.zeros(n, TICK)
    mid = 100.0 + 0.5 * rng.integers(-1, 2, n).cumsum()
    ticks["ts"] = START + rng.choice([0, 1, SECOND // 5, 3 * SECOND], n, p=[0.2, 0.2, 0.5, 0.1]).cumsum()
    ticks["bid"], ticks["ask"], ticks["price"] = mid - 0.5, mid + 0.5, mid
    ticks["flags"] = rng.choice([1, 2, 3, 6], n)
    traded = ticks["flags"] & 2 > 0
    ticks["volume"] = np.where(traded, rng.choice([0.0, 0.1, 0.3, rng.exponential()], n), 0.0)
    ticks["side"] = np.where(traded, rng.choice([-1, 0, 1], n, p=[0.48, 0.04, 0.48]), 0)
    ticks["price"][traded] += 0.5 * ticks["side"][traded]
    faults = [("price", nan), ("ask", 1.0), ("ts", 0), ("ts", 2**62 + 1), ("volume", -1.0), ("bid", 0.0)]
    for at in (
        1 + np.flatnonzero(rng.random(n - 1) < 0.1) if n else ()
    ):  # no time goes back to before the first
        name, value = faults[rng.integers(len(faults))]
        ticks[name][at] = value
    return ticks


def of_trades(
    prices: list[float], volumes: list[float] | None = None, sides: list[int] | None = None
) -> np.ndarray:
    """Trades a second apart, without quotes."""
    ticks = np.zeros(len(prices), TICK)
    ticks["ts"] = SECOND * np.arange(1, len(prices) + 1)
    ticks["price"] = ticks["bid"] = ticks["ask"] = prices
    ticks["volume"] = 1.0 if volumes is None else volumes
    ticks["side"] = 1 if sides is None else sides
    ticks["flags"] = 6
    return ticks


def built(ticks: np.ndarray, rule: BarRule) -> np.ndarray:
    """Return all bars, the open one last."""
    builder = BarBuilder(rule)
    closed = builder.push(ticks)
    return np.concatenate([closed, builder.open_bar()])


def assert_plain(ticks: np.ndarray, rule: BarRule) -> np.ndarray:
    bars, expected = built(ticks, rule), np.array(plain_bars(ticks, rule), BAR)
    assert len(bars) == len(expected)
    for name in BAR.names or ():
        np.testing.assert_array_equal(bars[name], expected[name], err_msg=name)
    return bars


tapes_of_all_kinds = st.builds(tape, st.integers(0, 2**32), st.integers(0, 90))
rules = st.sampled_from(RULES)


@given(tapes_of_all_kinds, rules)
def test_against_a_plain_form(ticks: np.ndarray, rule: BarRule) -> None:
    assert_plain(ticks, rule)


@given(st.integers(0, 2**32), st.sampled_from(EXPECTING), st.floats(1, 30), st.floats(1, 300))
def test_expectations_against_a_plain_form(seed: int, make: Any, span_t: float, span_b: float) -> None:
    """Where moves go one way for a while, the mean of the signs closes the bars, and not its floor."""
    rng = np.random.default_rng(seed)
    drift = np.repeat(rng.choice([-1, 0, 1], 5), 30)
    prices = 1000 + (drift + rng.integers(-1, 2, 150)).cumsum()
    ticks = of_trades(list(prices), list(rng.exponential(1.0, 150)))
    assert_plain(ticks, make(T0=3, span_T=span_t, span_b=span_b, T_min=2, T_max=60))


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("seed", [1, 2])
def test_awkward_ticks(rule: BarRule, seed: int) -> None:
    assert_plain(awkward(seed, 400)[:300] if rule.__class__ is not TimeBars else tape(seed, 300), rule)


@pytest.mark.parametrize(
    "rule",
    [
        TimeBars("50ms", fill=True),
        TimeBars("1ms"),
        TickBars(7),
        VolumeBars(0.25),
        DollarBars(3e4),
        *(make(T0=20) for make in EXPECTING),
    ],
    ids=repr,
)
def test_recorded_ticks(rule: BarRule) -> None:
    assert len(assert_plain(recording(), rule)) > 4


@given(tapes_of_all_kinds, rules, st.lists(st.integers(0, 90), max_size=5))
def test_the_cut_does_not_show(ticks: np.ndarray, rule: BarRule, at: list[int]) -> None:
    """In bars, places and state; a state that goes through JSON carries on the same."""
    whole, cut = BarBuilder(rule), BarBuilder(rule)
    bars = whole.push(ticks).tobytes()
    pieces, places = b"", []
    for begin, end in pairwise([0, *sorted(min(place, len(ticks)) for place in at), len(ticks)]):
        pieces += cut.push(ticks[begin:end]).tobytes()
        places += (begin + cut.closed_by).tolist()
        state = json.loads(json.dumps(cut.state(), allow_nan=False))
        cut = BarBuilder(rule)
        cut.restore(state)
    assert pieces == bars
    assert places == whole.closed_by.tolist()
    assert cut.state() == whole.state()
    assert cut.open_bar().tobytes() == whole.open_bar().tobytes()


@pytest.mark.parametrize("rule", [TickBars(1), TimeBars("1us"), TimeBars("1us", fill=True)], ids=repr)
def test_more_bars_than_are_handed_over_at_once(rule: BarRule) -> None:
    """The kernel's room is 1,024 bars and its stride 65,536 ticks."""
    ticks = of_trades(list(np.arange(70_000) % 7 + 100.0))
    ticks["ts"] = 1000 * np.arange(70_000) + 5000 * (np.arange(70_000) > 68_000)
    builder = BarBuilder(rule)
    bars = builder.push(ticks)
    filled = 5 if isinstance(rule, TimeBars) and rule.fill else 0
    assert len(bars) == builder.bars == 70_000 + filled - isinstance(rule, TimeBars)
    assert builder.ticks == 70_000
    late = bars["flags"] & BarFlag.FILLED > 0
    assert late.sum() == filled
    np.testing.assert_array_equal(bars["open"][~late], ticks["price"][: len(bars) - filled])
    gaps = np.diff(builder.closed_by)
    assert (gaps == 1).sum() == len(bars) - 1 - filled
    assert (bars["ts"][1:] == bars["start"][1:] + 1000).all() or not isinstance(rule, TimeBars)


@given(tapes_of_all_kinds, rules)
def test_a_bad_tick_is_counted_and_leaves_no_trace(ticks: np.ndarray, rule: BarRule) -> None:
    builder, broker, alone = BarBuilder(rule), PaperBroker(100.0), BarBuilder(rule)
    bars = builder.push(ticks)
    good = []
    for at in range(len(ticks)):
        before = broker.rejected
        broker.advance(ticks[at : at + 1])
        good.append(broker.rejected == before)
    assert builder.rejected == broker.rejected
    assert builder.ticks == sum(good)
    assert alone.push(ticks[np.array(good, bool)]).tobytes() == bars.tobytes()


class TestTimeBars:
    def test_by_hand(self) -> None:
        """Mids where nothing traded, trades alone where something did; a tick at an end is the next's."""
        ticks = np.zeros(5, TICK)
        ticks["ts"] = [1 * SECOND, 2 * SECOND - 1, 2 * SECOND, 2 * SECOND + 1, 6 * SECOND]
        ticks["bid"], ticks["ask"], ticks["price"] = (
            [9, 11, 7, 8, 9],
            [11, 13, 9, 10, 11],
            [10, 12, 8.5, 9, 10],
        )
        ticks["flags"], ticks["side"][2], ticks["volume"][2] = [1, 1, 3, 1, 1], 1, 0.5
        expected = [
            (2 * SECOND, SECOND, 10, 12, 10, 12, 0, 0, 0, 0, BarFlag.NO_TRADE),
            (3 * SECOND, 2 * SECOND, 8.5, 8.5, 8.5, 8.5, 0.5, 0.5, 4.25, 1, 0),
        ]
        assert BarBuilder(TimeBars("1s")).push(ticks).tolist() == expected
        made_up = BarFlag.FILLED | BarFlag.NO_TRADE
        filled = [((t + 1) * SECOND, t * SECOND, 8.5, 8.5, 8.5, 8.5, 0, 0, 0, 0, made_up) for t in (3, 4, 5)]
        assert BarBuilder(TimeBars("1s", fill=True)).push(ticks).tolist() == expected + filled

    def test_the_open_bar_ends_where_it_will(self) -> None:
        builder = BarBuilder(TimeBars("1h"))
        assert len(builder.open_bar()) == 0
        builder.push(of_trades([5.0, 6.0]))
        (bar,) = builder.open_bar()
        assert (bar["start"], bar["ts"], bar["flags"]) == (0, 3600 * SECOND, BarFlag.OPEN)

    def test_a_gap_too_long_to_fill_changes_nothing(self) -> None:
        """1,048,576 bars are filled, one more is refused, before or after a cut."""
        ticks = of_trades([5.0, 6.0, 7.0])
        ticks["ts"] = [0, 1000, 1000 * (2**20 + 3)]
        builder = BarBuilder(TimeBars("1us", fill=True))
        rule = "a gap must be at most 1048576 bars long to be filled, was 1048577 at 1048579000 ns"
        with pytest.raises(BarError, match=rule):
            builder.push(ticks)
        assert builder.state() == BarBuilder(builder.rule).state()
        builder.push(ticks[:2])
        before = builder.state()
        with pytest.raises(BarError, match=rule):
            builder.push(ticks[2:])
        assert builder.state() == before
        ticks["ts"][2] -= 1000
        assert len(builder.push(ticks[2:])) == 2**20 + 1

    @pytest.mark.parametrize(
        ("length", "ns"),
        [("1us", 1000), ("250ms", 250_000_000), ("15m", 900 * SECOND), ("366d", 366 * 86_400 * SECOND)],
    )
    def test_lengths(self, length: str, ns: int) -> None:
        assert TimeBars(length) == TimeBars(ns)
        assert TimeBars(length).length_ns == ns


class TestThresholds:
    def test_golden_numbers_of_240(self) -> None:
        builder = BarBuilder(TickImbalanceBars(T0=16))
        ticks = of_trades([float(price) for price in range(1, 20)])
        assert len(builder.push(ticks[:4])) == 0
        assert (builder.theta, builder.threshold) == (3.0, 4.0)
        (bar,) = builder.push(ticks[4:5])
        assert (builder.closing, bar["trades"], bar["ts"]) == ((4.0, 4.0), 5, 5 * SECOND)
        assert builder.expected_trades == 14
        assert builder.state()["imbalance"] == pytest.approx(0.07688611540, rel=1e-9)
        assert builder.threshold == pytest.approx(3.7416573868, rel=1e-9)
        builder.push(ticks[5:])
        assert builder.closed_by[0] == 3

    def test_golden_numbers_of_249(self) -> None:
        bars = built(of_trades([100, 100, 100, 50, 100], [1, 1, 1, 1, 3]), DollarBars(250))
        assert bars["dollar"].tolist() == [300.0, 350.0]
        assert bars["close"].tolist() == [100.0, 100.0]

    def test_golden_numbers_of_285(self) -> None:
        builder, values = BarBuilder(VolumeBars(3)), []
        for tick in of_trades([1.0] * 6, [1, 1, 1, 5, 2, 2]).reshape(-1, 1):
            closed = len(builder.push(tick))
            values.append(1.0 if closed else builder.theta / builder.threshold)
        assert values == [1 / 3, 2 / 3, 1, 1, 2 / 3, 1]

    def test_what_closing_leaves_is_no_trade(self) -> None:
        """Ten tenths add up to less than one: the rule of 1e-12; 2e-12 less is less."""
        assert built(of_trades([1.0] * 10, [0.1] * 10), VolumeBars(1))["trades"].tolist() == [10]
        assert built(of_trades([1.0] * 2, [1 - 2e-12, 1.0]), VolumeBars(1))["trades"].tolist() == [2]
        assert built(of_trades([1.0] * 2, [1 - 0.5e-12, 1.0]), VolumeBars(1))["trades"].tolist() == [1, 1]

    @pytest.mark.parametrize("volume", [1.0, 0.25])
    def test_of_equal_volumes_imbalance_is_240(self, volume: float) -> None:
        rng = np.random.default_rng(1)
        prices = 1000 + rng.choice([-1, 0, 1], 5000, p=[0.2, 0.4, 0.4]).cumsum()
        ticks = of_trades(list(prices), [volume] * 5000)
        by_trades, by_volume = BarBuilder(TickImbalanceBars()), BarBuilder(VolumeImbalanceBars())
        assert by_trades.push(ticks).tobytes() == by_volume.push(ticks).tobytes()
        assert by_trades.bars > 20
        runs = [BarBuilder(RunBars("tick")), BarBuilder(RunBars("volume"))]
        assert runs[0].push(ticks).tobytes() == runs[1].push(ticks).tobytes()

    def test_without_volume_nothing_closes(self) -> None:
        ticks = of_trades([1.0, 2.0, 3.0, 4.0] * 100, [0.0] * 400)
        assert len(BarBuilder(VolumeImbalanceBars()).push(ticks)) == 0
        assert len(BarBuilder(RunBars("dollar")).push(ticks)) == 0

    def test_fair_signs_do_not_make_bars_collapse(self) -> None:
        """Without the floors T falls to T_min and stays."""
        prices = 1e6 + np.random.default_rng(3).choice([-1, 1], 50_000).cumsum()
        for rule in (TickImbalanceBars(), RunBars("tick")):
            trades = BarBuilder(rule).push(of_trades(list(prices)))["trades"]
            assert trades[len(trades) // 2 :].mean() > 40

    def test_an_unknown_side_makes_the_buyers_part_unknown(self) -> None:
        ticks = of_trades([1.0] * 6, [1, 2, 1, 0, 1, 1], [1, -1, 1, 0, 0, 1])
        assert built(ticks, TickBars(2))["buy_volume"].tolist()[:2] == [1.0, 1.0]
        assert isnan(built(ticks, TickBars(2))["buy_volume"][2])

    def test_quotes_do_not_count(self) -> None:
        ticks = of_trades([1.0, 2.0, 3.0, 4.0])
        ticks["flags"][[0, 2]] = 5
        bars = built(ticks, TickBars(2))
        assert bars["open"].tolist() == [2.0]
        assert bars["start"].tolist() == [2 * SECOND]


LENGTH: Final = "the length of a bar must be a whole number of ns, us, ms, s, m, h or d, from 1us to 366d"
LENGTHS: Final = ["0s", "-1m", "999ns", "367d", "1", "m", "1.5s", "1 m", "1M", "", "1" * 30 + "s", "\u0661s"]
ABOVE: Final = r"must be above 0 and at most 1e\+30"
REFUSED: Final[list[tuple[Callable[[Any], object], list[Any], str]]] = [
    (TimeBars, [*LENGTHS, 0, -1, 999, 1.0, nan, None, True], LENGTH),
    (lambda x: TimeBars("1s", fill=x), [1, None], "fill must be true or false"),
    (TickBars, [0, -1, 1.5, nan, True, 10**9 + 1], "trades of a bar must be a whole number from 1 to"),
    (VolumeBars, [0, -1.0, nan, float("inf"), True, "1"], f"volume of a bar {ABOVE} BTC"),
    (DollarBars, [0.0, -1e6, nan, 10**400], f"value of a bar {ABOVE} USD"),
    (lambda x: TickImbalanceBars(T0=x), [0, 9, 201, nan, True], "T0 must be a number from 10 to 200"),
    (lambda x: VolumeImbalanceBars(span_T=x), [0.5, -1, nan], "span_T must be a number from 1 to"),
    (lambda x: DollarImbalanceBars(span_b=x), [0, nan, 1e10], "span_b must be a number from 1 to"),
    (lambda x: RunBars(T_min=x), [0, 201, nan], "T_min must be a number from 1 to 200"),
    (lambda x: RunBars(T_max=x), [0, float("inf")], "T_max must be a number from 1 to"),
    (RunBars, ["btc", None, 1], "weight must be one of tick, volume, dollar"),
]


@pytest.mark.parametrize(("make", "values", "rule"), REFUSED)
def test_rules_that_cannot_be(make: Callable[[Any], object], values: list[Any], rule: str) -> None:
    for value in values:
        with pytest.raises(BarError, match=f"{rule}.*, was {re.escape(repr(value))}$"):
            make(value)


def test_what_is_no_rule_and_no_tick() -> None:
    for wrong in ("time:1m", None, TimeBars):
        with pytest.raises(TypeError, match="rule must be a rule for bars"):
            BarBuilder(wrong)  # type: ignore[arg-type]
    builder = BarBuilder(TickBars(1))
    for ticks in (np.zeros(4), np.zeros((2, 2), TICK), np.zeros(4, TICK)[::2], [1], np.zeros(4, BAR)):
        with pytest.raises(TypeError, match="ticks must be a contiguous one-dimensional array of TICK"):
            builder.push(ticks)  # type: ignore[arg-type]


def test_ctrl_c_leaves_a_builder_as_it_was() -> None:
    """What a signal leads to amid a push is refused, and what it raises takes the push back."""
    builder, ticks, refused = BarBuilder(TickBars(3)), of_trades([1.0] * 300_000), list[str]()
    builder.push(ticks[:9])
    before = builder.state()

    def interrupt(*_: object) -> None:
        try:
            builder.push(ticks[:0])
        except RuntimeError as error:
            refused.append(str(error))
            raise KeyboardInterrupt from None

    kept = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(1000):
            signal.setitimer(signal.ITIMER_REAL, 1e-3)
            try:
                builder.push(ticks[9:])
            except KeyboardInterrupt:
                break
            builder.restore(before)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)
    assert refused == ["this builder is pushing, in another thread"]
    assert builder.state() == before
    assert len(builder.push(ticks[9:])) == 100_000 - 3


class TestState:
    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            ({"rule": "TickBars(trades=2)"}, r"a state must be of TimeBars.*, was of 'TickBars\(trades=2\)'"),
            ({"volume": nan}, "volume of a state must be a number"),
            ({"volume": "1"}, "volume of a state must be a number"),
            ({"last_ts": -1}, "last_ts of a state must be a number"),
            ({"end": 2**63}, "end of a state must be a number"),
            ({"ticks": 1.0}, "ticks of a state must be a number"),
            ({"start": 2**40, "end": 0}, "one that ticks leave behind"),
            ({"closed": 3, "seen": 0}, "one that ticks leave behind"),
            ({"more": 1}, r"what a builder's state\(\) gave"),
        ],
    )
    def test_of_something_else(self, change: dict[str, Any], rule: str) -> None:
        builder = BarBuilder(TimeBars("1s", fill=True))
        builder.push(of_trades([1.0, 2.0]))
        before = builder.state()
        with pytest.raises(BarError, match=rule):
            builder.restore({**before, **change})
        assert builder.state() == before

    def test_none(self) -> None:
        for wrong in ({}, None, []):
            with pytest.raises(BarError, match="a state must be what"):
                BarBuilder(TickBars(2)).restore(wrong)  # type: ignore[arg-type]
