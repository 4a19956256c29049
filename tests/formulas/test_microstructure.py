"""Rules of the rows 101 to 130 that their goldens do not reach."""

from fractions import Fraction
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrading.formulas.base import Formula
from livetrading.formulas.checks.microstructure.tapes import flow, rough, tape
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.registry import FORMULA_REGISTRY, create, run

IDS = [i for i in FORMULA_REGISTRY if 101 <= i <= 130]
S = 10**9


def fed(id: int, rows: list[dict[str, Any]], **params: Any) -> Formula:
    formula = create(id, **params)
    for row in rows:
        formula.update(row)
    return formula


def trade(ts: float, price: float, volume: float = 1.0, side: float = 0.0) -> dict[str, Any]:
    return {"ts": round(ts * S), "price": price, "volume": volume, "side": side}


def says(formula: Formula) -> tuple[str, ...]:
    said = formula.value, formula.signal, formula.confidence, formula.ready, formula.outputs
    return tuple(map(repr, said))  # NaN is NaN


class TestSides:
    """Formula 130 with decay 1 adds up what providers took."""

    def held(self, rows: list[dict[str, Any]]) -> float:
        return fed(130, rows, decay=1.0, n=3).value

    def test_the_tick_rule_carries_changes_of_price_and_not_sides(self) -> None:
        rows = [trade(0, 100), trade(1, 101), trade(2, 101, 4, side=-1), trade(3, 101, 8)]
        assert self.held(rows) == -(0 + 1 - 4 + 8)

    def test_before_any_change_there_is_no_side(self) -> None:
        rows = [trade(0, 100, 4, side=1), trade(1, 100, 8), trade(2, 100, 16, side=nan), trade(3, 99, 32)]
        assert self.held(rows) == -(4 - 32)

    def test_the_shared_kernels_take_the_same_sides(self) -> None:
        # in the core a trade without a side takes that of the trade before; in the rows, of the last change
        prices = [100.0, 100, 101, 101, 101, 100, 100, 102, 102, 102, 103, 103]
        columns = {"price": np.array(prices), "volume": np.arange(1.0, 13.0)}
        ruled = {**columns, "side": np.array([1.0, -1, 0, -1, 0, 0, 1, 0, 0, -1, 0, 1])}
        told = {**columns, "side": np.array([1.0, -1, 1, -1, 1, -1, 1, 1, 1, -1, 1, 1])}
        for id, params in ((101, {"m": 2, "n": 3}), (111, {"bucket": 2.0, "n": 2}), (127, {"bucket": 2.0})):
            mine, theirs = run(id, ruled, **params), run(id, told, **params)
            assert mine.ready.any()
            assert np.array_equal(mine.value, theirs.value, equal_nan=True), id

    def test_a_side_is_not_carried_on_in_the_shared_kernels(self) -> None:
        rows = [trade(0, 100, 2, side=1), trade(1, 100, 2)]
        assert fed(111, rows, bucket=2.0, n=2).outputs["last_imbalance"] == 0.0
        later = [trade(2, 101, 3), trade(3, 99, 5), trade(4, 102, 4)]
        slope = np.polyfit([0, 3, -5, 4], [0, 1, -2, 3], 1)[0]
        assert fed(101, [*rows, *later], m=1, n=4).value == pytest.approx(slope)

    def test_at_the_quote_first_then_by_the_tick(self) -> None:
        quote = {"bid": 99.0, "ask": 101.0}
        above = fed(119, [{**trade(0, 100.5), **quote}], n=1)
        assert above.value == pytest.approx(100.0)
        at_mid = [{**trade(0, 99.5), **quote}, {**trade(1, 100.0), **quote}]
        assert fed(119, at_mid, n=2).value == pytest.approx((100.0 + 0.0) / 2)

    def test_a_quote_comes_before_the_trade_of_its_own_observation(self) -> None:
        first = {"ts": 0, "bid": 98.0, "ask": 100.0}
        both = {**trade(1, 100.5, side=1), "bid": 99.0, "ask": 101.0}
        assert fed(119, [first, both], n=1).value == pytest.approx(100.0)

    @pytest.mark.parametrize("bid", [nan, inf, 0.0, 101.0])
    def test_a_quote_that_is_none_leaves_the_one_before(self, bid: float) -> None:
        rows = [{"ts": 0, "bid": 99.0, "ask": 101.0}, {"ts": 1, "bid": bid, "ask": 101.0}]
        assert fed(119, [*rows, trade(1, 100.5, side=1)], n=1).value == pytest.approx(100.0)


def exact_t(x: Any, y: Any) -> float:
    """The t value of the slope of y on x, its moments without rounding."""
    columns = [[Fraction(value) for value in column.tolist()] for column in (x, y)]
    p, q = ([value - sum(column) / len(column) for value in column] for column in columns)
    pp, pq, qq = (
        sum(a * b for a, b in zip(left, right, strict=True)) for left, right in ((p, p), (p, q), (q, q))
    )
    return float(pq / pp) / sqrt(float((qq - pq * pq / pp) / (len(p) - 2) / pp))


class TestHolding:
    def test_flow_that_does_not_vary_keeps_what_was_said(self) -> None:
        g = np.random.default_rng(1)
        volumes = [1.0, 2.0, 1.5, 0.5, 10.0, 1.0, 1.0, 1.0, 1.0]
        rows = [trade(i, 100 + g.normal(), volume, 1) for i, volume in enumerate(volumes)]
        formula = fed(101, rows, m=1, n=5, t_min=-1e9)
        assert formula.ready
        assert formula.signal == 0  # the last flow lies within the sd, that of the 10 among it
        before = says(formula)
        formula.update(trade(9, 103, 1.0, 1))
        assert says(formula) == before

    def test_what_a_steep_line_leaves_is_not_lost_in_the_flow_before_it(self) -> None:
        g, worst = np.random.default_rng(5), 0.0
        for _ in range(20):
            volumes = np.concatenate([g.exponential(1.0, 12), g.exponential(0.01, 8)])
            moves = np.concatenate([g.normal(size=12), volumes[12:] / 0.01 + 3e-3 * g.normal(size=8)])
            prices = 1000.0 + np.cumsum(moves)
            formula = create(101, m=1, n=4)
            for i, (price, volume) in enumerate(zip(prices.tolist(), volumes.tolist(), strict=True)):
                formula.update(trade(i, price, volume, 1))
                if i >= 15:
                    expected = exact_t(volumes[i - 3 : i + 1], np.diff(prices[i - 4 : i + 1]))
                    worst = max(worst, abs(formula.outputs["t"] / expected - 1.0))
        assert worst < 1e-9

    def test_no_flow_leaves_the_linear_impact(self) -> None:
        quotes = [{"bid": 99.0 + i % 3, "ask": 101.0 + i % 3} for i in range(12)]
        rows = [{**trade(i, 101, 1.0 if i < 5 else 0.0, 1), **quote} for i, quote in enumerate(quotes)]
        formula = fed(104, rows[:8], n=3)
        assert formula.ready
        formula.update(rows[8])
        before = says(formula)
        formula.update(rows[9])
        assert says(formula) == before

    def test_a_day_of_no_length_keeps_the_scale(self) -> None:
        rows = [trade(i, 100 + i % 2, 1.0) for i in range(4)]
        formula = fed(105, rows, n=2)
        before = formula.value
        formula.update(trade(3, 150, 5.0))
        assert formula.value != before  # two returns over one second
        before = says(formula)
        formula.update(trade(3, 170, 9.0))
        assert says(formula) == before

    def test_no_volume_leaves_the_root_law(self) -> None:
        formula = fed(105, [trade(i, 100 + i % 2, 1.0) for i in range(4)], n=2)
        formula.update(trade(4, 101, 0.0))
        before = says(formula)
        formula.update(trade(5, 102, 0.0))
        assert says(formula) == before

    def test_no_trade_leaves_everything(self) -> None:
        for id in IDS:
            if FORMULA_REGISTRY[id].info.inputs == ("trade",):
                params = dict(getattr(FORMULA_REGISTRY[id], "check_parameters", {}))
                formula = create(id, **params)
                formula.run(flow(1200))
                before = says(formula)
                for price, volume in ((nan, 1.0), (-1.0, 1.0), (inf, 1.0)):
                    formula.update(trade(5000, price, volume, 1))
                assert says(formula) == before, id

    def test_a_fit_of_even_chances_is_none(self) -> None:
        quote = {"bid": 99.0, "ask": 101.0}
        sides = [1, 1, -1, -1, 1, 1, -1, -1, 1]  # four changes among eight pairs
        rows = [{**trade(i, 100 + s, side=s), **quote} for i, s in enumerate(sides)]
        assert not fed(115, rows, n=9, cluster=False).ready
        assert fed(115, [*rows, {**trade(9, 99, side=-1), **quote}], n=9, cluster=False).ready

    def test_nearly_even_chances_are_no_fit_either(self) -> None:
        g = np.random.default_rng(7)
        changes = g.permutation([1] * 51 + [0] * 50)  # 1 - 2 pi is -1/101
        sides = np.concatenate([[1], np.where(np.cumsum(changes) % 2, -1, 1)])
        mids = 100 + np.cumsum(g.standard_normal(102))
        columns = {"price": mids + sides, "side": sides, "bid": mids - 1, "ask": mids + 1}
        assert not run(115, columns, n=102, cluster=False).ready[-1]
        assert run(115, columns, n=60, cluster=False).ready[-1]

    def test_moves_of_nothing_leave_the_reversal(self) -> None:
        assert not fed(129, [trade(i, 100.0) for i in range(30)], m=2, n=5).ready


class TestBuckets:
    def test_a_large_trade_closes_many(self) -> None:
        formula = fed(111, [trade(0, 100, 0.5, 1), trade(1, 100, 7.25, -1)], bucket=1.0, n=4)
        assert formula.outputs["buckets"] == 7.0
        assert formula.value == 1.0
        assert formula.outputs["last_imbalance"] == -1.0

    def test_blocks_at_the_quantile_itself(self) -> None:
        rows = [trade(i, 100, 1.0, 1) for i in range(60)]
        formula = fed(111, rows[:50], bucket=1.0, n=1)
        assert formula.signal == 1  # 49 values before
        formula.update(rows[50])
        assert (formula.signal, formula.outputs["gate"]) == (-1, 0.0)

    def test_index_counts_its_own_history(self) -> None:
        volumes = [1.0, 2.0, 3.0, 4.0] * 10
        rows = [x for i, v in enumerate(volumes) for x in (trade(i, 100, v, 1), trade(i, 100, 10 - v, -1))]
        early = fed(113, rows[:40], bucket=10.0, n=1, hist=20)
        assert not early.ready
        later = fed(113, rows[:42], bucket=10.0, n=1, hist=20)
        # imbalances .8 .6 .4 .2 five times over, then .8
        assert later.value == 1.0
        assert fed(113, rows[:48], bucket=10.0, n=1, hist=20).value == 0.25
        assert fed(113, rows[:44], bucket=10.0, n=1, hist=20).value == 0.75

    @pytest.mark.parametrize("volume", [40.0, 5000.0, 9000.0])
    def test_a_clock_is_wound_by_one_trade_or_many(self, volume: float) -> None:
        start = [trade(0, 100, 13.0, 1), trade(1, 100, 0.5, -1)]
        at_once = fed(127, [*start, trade(2, 100, volume, -1)], bucket=2.0, span=2000)
        parts = min(int(volume), 20_000)
        bit_by_bit = fed(
            127, [*start, *(trade(2, 100, volume / parts, -1) for _ in range(parts))], bucket=2.0, span=2000
        )
        assert at_once.ready == bit_by_bit.ready == (volume > 4000 - 13.5)
        if at_once.ready:
            assert at_once.value == pytest.approx(bit_by_bit.value, rel=1e-9)


class TestSpreads:
    def test_realised_when_the_horizon_is_passed_and_by_a_quote_alone(self) -> None:
        formula = fed(118, [{**trade(0, 101, side=1), "bid": 99.0, "ask": 101.0}], n=1, horizon=2.0)
        formula.update(ts=1 * S, bid=98.0, ask=100.0)
        formula.update(ts=2 * S, bid=97.0, ask=99.0)  # at the horizon, not beyond it
        assert not formula.ready
        formula.update(ts=2 * S + 1, bid=90.0, ask=92.0)
        assert formula.value == pytest.approx(2e4 * (101 - 98) / 100)
        assert formula.outputs["pending"] == 0.0

    def test_what_waits_is_remembered_through_a_state(self) -> None:
        columns = tape()
        columns["ts"] = columns["ts"] // 1000  # 600 trades within 0.6 s
        late = {"ts": 10 * S, "bid": 49_000.0, "ask": 49_002.0}
        one, other = create(118), create(118)
        one.run(columns)
        assert not one.ready
        other.restore(one.state())
        one.update(late)
        other.update(late)
        assert one.ready
        assert says(one) == says(other)

    def test_quotes_of_one_time_are_averaged_plainly(self) -> None:
        rows = [{"ts": 5, "bid": 100.0 - k, "ask": 100.0 + k} for k in (1, 2, 6)]
        assert fed(120, rows, n=3).value == pytest.approx(600.0)

    def test_a_run_at_one_quote_is_one_trade(self) -> None:
        columns = tape()
        twice = {name: np.repeat(column, 2) for name, column in columns.items()}
        once = run(115, columns, n=50)
        merged, apart = run(115, twice, n=50), run(115, twice, n=50, cluster=False)
        assert np.array_equal(merged.value[1::2], once.value, equal_nan=True)
        assert not np.array_equal(apart.value[1::2], once.value, equal_nan=True)

    def test_a_quote_that_moved_parts_trades(self) -> None:
        quotes = [{"bid": 99.0, "ask": 101.0}, {"bid": 99.0, "ask": 101.5}, {"bid": 98.0, "ask": 101.5}]
        rows = [{**trade(i, 101, side=1), **quotes[i % 3]} for i in range(12)]
        assert fed(115, rows, n=12).ready


class TestTime:
    @pytest.mark.parametrize(
        ("id", "params"), [(107, {"m": 2, "n": 40, "day_n": 10}), (118, {"n": 5, "horizon": 20.0})]
    )
    def test_a_trade_before_the_first_quote_does_not_move_it(self, id: int, params: dict[str, Any]) -> None:
        columns = tape()
        ts = columns["ts"]
        early = {name: np.concatenate([column[:1], column]) for name, column in columns.items()}
        early["bid"][0] = nan
        early["ts"][0] = ts[len(ts) // 2]
        said, expected = run(id, early, **params), run(id, columns, **params)
        assert expected.ready[-1]
        assert np.array_equal(said.value[1:], expected.value, equal_nan=True)

    def test_what_lies_a_window_back_is_outside(self) -> None:
        rows = [trade(t, 100, side=1) for t in (0, 1, 2, 3)]
        assert fed(126, rows, window=2.0, n=3).outputs["k"] == 2.0

    def test_trades_of_one_time_have_no_rate(self) -> None:
        formula = fed(126, [trade(t, 100, side=1) for t in (0, 1, 1, 1)], n=3)
        assert formula.ready
        formula.update(trade(1, 100))
        assert not formula.ready
        assert formula.outputs == {}
        formula.update(trade(4, 100))
        assert formula.ready

    def test_a_crowd_is_waited_for_whatever_its_size(self) -> None:
        rows = [trade(0, 100), *(trade(1 + i * 1e-6, 100, side=1) for i in range(1000))]
        formula = fed(126, rows, n=5)
        assert formula.outputs["k"] == 1001.0

    def test_the_arrival_rate_waits_for_time_to_pass(self) -> None:
        formula = fed(125, [trade(0, 100) for _ in range(9)], warm=3)
        assert not formula.ready
        formula.update(trade(1, 100))
        assert formula.ready

    def test_a_pause_ends_a_run(self) -> None:
        rows = [trade(t, 100 + 0.1 * t, side=1) for t in range(5)]
        assert fed_running([*rows, trade(64, 101, side=1)]) == 6.0
        assert fed_running([*rows, trade(64.000000001, 101, side=1)]) == 1.0


def fed_running(rows: list[dict[str, Any]]) -> float:
    """Volume of the run in progress, after a history that makes the formula ready."""
    g = np.random.default_rng(3)
    before = [trade(-5000 + i, 100 + g.normal(), 1.0, 1 - 2 * (i // 2 % 2)) for i in range(60)]
    return fed(110, [*before, *rows], min_trades=2).outputs["running_Q"]


class TestFits:
    @pytest.mark.parametrize(("id", "known"), [(106, {"p": 2, "H": 5}), (108, {"L": 3})])
    def test_fits_come_when_they_are_due(self, id: int, known: dict[str, int]) -> None:
        for phase in (0, 4):
            said = run(id, tape(), n=60, refit=25, phase=phase, **known)
            changes = np.flatnonzero(np.diff(said.value[60:]) != 0) + 61
            assert said.ready.argmax() == 60
            assert changes.tolist() == list(range(60 + 25 + phase, 600, 25))

    def test_a_system_without_sides_is_not_solved(self) -> None:
        quote = {"bid": 99.0, "ask": 101.0}
        rows = [{**trade(i, 100.0), **quote} for i in range(40)]
        assert not fed(108, rows, n=20, L=3).ready

    @pytest.mark.parametrize("id", [106, 108])
    def test_lags_fit_into_the_window(self, id: int) -> None:
        with pytest.raises(FormulaError, match=r"must be below n, was 20"):
            create(id, n=20, **({"p": 20} if id == 106 else {"L": 20}))

    def test_a_phase_lies_within_the_interval(self) -> None:
        for id in (106, 108, 114):
            with pytest.raises(FormulaError, match="phase must be"):
                create(id, refit=10, phase=10)

    def test_intervals_without_trades_count(self) -> None:
        g = np.random.default_rng(4)
        busy = [trade(t, 100, 1.0, s) for t, s in zip(range(80), g.choice([-1, 1], 80), strict=True)]
        formula = fed(114, busy, dt=10.0, n=12, refit=100)
        assert not formula.ready
        formula.update(trade(125, 100, 1.0, 1))
        assert formula.ready
        assert formula.outputs["eb"] + formula.outputs["es"] < 80 / 12 + 1e-3

    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_a_window_of_one_side_is_not_fitted(self, side: float) -> None:
        rows = [trade(t, 100, 1.0, side) for t in range(200)]
        assert not fed(114, rows, dt=10.0, n=12).ready

    def test_a_pause_of_years_is_soon_over(self) -> None:
        formula = create(114, dt=1.0, n=5, refit=2)
        formula.update(trade(0, 100, 1.0, 1))
        formula.update(trade(0.5, 100, 1.0, -1))
        formula.update(trade(1e9, 100, 1.0, 1))
        assert formula.ready

    def test_schedules_that_cannot_be_traded_are_refused(self) -> None:
        with pytest.raises(FormulaError, match="must be above 0, was"):
            create(103, gamma=1e-5, eta=1e-6)


WINDOWED = {
    104: {"n": 30},
    105: {"n": 30},
    115: {"n": 40},
    116: {"n": 40},
    117: {"n": 40},
    119: {"n": 30},
    120: {"n": 30},
    121: {"n": 30},
    123: {"n": 30},
    124: {"n": 15},
    128: {"n": 30},
}


@pytest.mark.parametrize("id", WINDOWED)
@pytest.mark.parametrize("size", [1e3, 1e8, 1e14, 1e150])
def test_what_has_left_the_window_is_forgotten(id: int, size: float) -> None:
    columns = tape()
    wild = {name: column.astype(np.float64) for name, column in columns.items()}
    for name in wild.keys() - {"ts", "side"}:
        wild[name][:80] *= size ** np.random.default_rng(5).random()
        wild[name][:80:7] *= size
    wild["ask"][:80] = wild["bid"][:80] * 1.5
    wild["ts"] = columns["ts"]
    calm = {name: column[80:] for name, column in columns.items()}
    said, expected = run(id, wild, **WINDOWED[id]), run(id, calm, **WINDOWED[id])
    for mine, theirs in ((said.value, expected.value), (said.confidence, expected.confidence)):
        # past the lags that still see a wild row
        assert np.allclose(mine[80 + 60 :], theirs[60:], rtol=1e-9, atol=1e-12, equal_nan=True)


HUGE = st.sampled_from([1e-300, 1e-8, 1.0, 2.0, 1e6, 1e150, 1e300, nan])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(HUGE, HUGE, HUGE, st.sampled_from([-1.0, 0.0, 1.0])), min_size=60, max_size=90))
@pytest.mark.parametrize("id", IDS)
def test_extremes_do_no_harm(id: int, rows: list[tuple[float, float, float, float]]) -> None:
    price, volume, bid, sides = (np.array(column) for column in zip(*rows, strict=True))
    columns = {
        "ts": np.arange(len(rows)) * 700_000_000,
        "price": price,
        "volume": volume,
        "side": sides,
        "bid": bid,
        "ask": bid * 1.5,
        "bid_size": volume,
        "ask_size": price,
    }
    small = {"m": 2, "n": 8, "day_n": 10, "hist": 20, "bucket": 1e5, "sigma_n": 5, "warm": 8, "span": 3}
    small.update({"p": 2, "L": 3, "refit": 9, "min_trades": 1, "dt": 5.0, "N": 4})
    known = FORMULA_REGISTRY[id]
    params = {name: value for name, value in small.items() if hasattr(known, name)}
    said = run(id, columns, **params)
    assert np.all((said.confidence >= 0.0) & (said.confidence <= 1.0))
    value = said.value[said.ready]
    assert np.all(np.isnan(value) | (value >= known.info.low) & (value <= known.info.high))


def test_states_do_not_depend_on_where_they_lie() -> None:
    for id in IDS:
        params = dict(getattr(FORMULA_REGISTRY[id], "check_parameters", {}))
        one, other = create(id, **params), create(id, **params)
        one.run(rough(6, 300))
        other.run(rough(6, 300))
        assert repr(one.state()) == repr(other.state()), id
