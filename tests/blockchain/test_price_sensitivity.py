"""Sensitivity of TRUE PRICE: the closed forms against derivatives taken without them."""

import cmath
import itertools
import json
import math
from dataclasses import FrozenInstanceError, dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from livetrading.blockchain.mathematical_price import TruePrice, true_price
from livetrading.blockchain.price_sensitivity import (
    INPUTS,
    UNCERTAINTY,
    Input,
    elasticities,
    halving_effect,
    joint_range,
    price_with,
    tornado,
)
from livetrading.blockchain.protocol import TRUE_PRICE_EPOCH, DomainError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "price_sensitivity.json").read_text())
DAY = 86_400


@dataclass(frozen=True)
class State:
    """A moment of the chain."""

    height: int = 925_810
    hash_rate: float = 1081.88e18
    time: float = 1_764_478_080
    efficiency: float = 25.0
    energy_cost: float = 0.044


HERE = State()
STATES = st.builds(
    State,
    height=st.integers(1, 6_929_999),
    hash_rate=st.floats(1e3, 1e24),
    time=st.floats(TRUE_PRICE_EPOCH, 4e9),
    efficiency=st.floats(1.0, 1e7),
    energy_cost=st.floats(1e-3, 10.0),
)


def row_of(state: State) -> TruePrice:
    return true_price(state.height, state.hash_rate, state.time, state.efficiency, state.energy_cost)


def complex_price(row: TruePrice, state: State, factors: dict[str, complex]) -> complex:
    """The formula of the price as it is written down, for complex inputs, beside which piece it is on."""
    x = {
        "hash_rate": state.hash_rate,
        "efficiency": state.efficiency,
        "energy_cost": state.energy_cost,
        "reward": row.reward_btc,
        "supply": row.supply_btc,
        "days": row.days,
    }
    r, e, c, reward, supply, days = (x[name] * factors.get(name, 1.0) for name in INPUTS)
    k = row.halvings
    kwh = r * (e / 1e12) * 600 / reward / 3.6e6
    s2f = supply / (reward * 52_560)
    scarcity = cmath.log(s2f) / (k + 1) ** 2 if row.stock_to_flow > 1 else 0
    maturity = cmath.log(days) / (cmath.log(days) + k**2) if row.days > 1 else 0
    return kwh * c * (1 + scarcity + maturity / (1 + cmath.log(21e6 / supply)))


@pytest.mark.parametrize("name", INPUTS)
def test_elasticity_of_the_table(name: str) -> None:
    assert round(getattr(elasticities(HERE), name), 6) == GOLDEN["elasticity"][name]


@pytest.mark.parametrize(("name", "change", "price"), GOLDEN["price"])
def test_price_of_the_table(name: str, change: float, price: float) -> None:
    assert round(price_with(HERE, {name: change}), 2) == price


def test_halving_of_the_table() -> None:
    found = halving_effect(HERE)
    assert {name: round(getattr(found, name), 2) for name in GOLDEN["halving"]} == GOLDEN["halving"]


@given(STATES)
def test_closed_form_is_the_complex_step_derivative(state: State) -> None:
    row, found = row_of(state), elasticities(state)
    assert found.reason is None
    for name in INPUTS:
        step = complex_price(row, state, {name: 1 + 1e-100j})
        slope = step.imag / 1e-100 / step.real
        assert getattr(found, name) == pytest.approx(slope, rel=1e-11, abs=1e-13)


@given(STATES)
def test_closed_form_is_the_slope_of_the_price(state: State) -> None:
    """By differences of the price as the package computes it, apart from the kinks at 1."""
    row, found, step = row_of(state), elasticities(state), 1e-4
    assume(abs(row.stock_to_flow - 1) > 0.01)
    assume(abs(row.days - 1) > 0.01)
    at_the_cap = row.supply_btc * (1 + step) >= 21e6
    for name in [name for name in INPUTS if name != "supply" or not at_the_cap]:
        up, down = (math.log(price_with(state, {name: sign * step})) for sign in (1, -1))
        slope = (up - down) / (math.log1p(step) - math.log1p(-step))
        assert getattr(found, name) == pytest.approx(slope, abs=1e-6)


@given(STATES, st.floats(-0.9, 3.0), st.floats(-0.9, 3.0), st.floats(-0.5, 0.5))
def test_changed_inputs_are_those_of_true_price(state: State, r: float, c: float, d: float) -> None:
    changed = replace(
        state,
        hash_rate=state.hash_rate * (1 + r),
        energy_cost=state.energy_cost * (1 + c),
        time=TRUE_PRICE_EPOCH + (state.time - TRUE_PRICE_EPOCH) * (1 + d),
    )
    expected = row_of(changed).price_usd
    assume(abs(row_of(changed).days - 1) > 1e-9)
    found = price_with(state, {"hash_rate": r, "energy_cost": c, "days": d})
    assert found == pytest.approx(expected, rel=1e-12)


@given(STATES, st.floats(-0.9, 3.0))
def test_changed_supply_is_that_of_true_price(state: State, change: float) -> None:
    row = row_of(state)
    supply = row.supply_btc * (1 + change)
    expected = true_price(
        state.height, state.hash_rate, state.time, state.efficiency, state.energy_cost, supply_btc=supply
    )
    assert price_with(state, {"supply": change}) == pytest.approx(expected.price_usd, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_both_is_a_halving(k: int) -> None:
    """The last block of an epoch, valued with the reward and count of the next, and the next block itself."""
    before = State(height=210_000 * k - 1)
    after = true_price(
        210_000 * k,
        HERE.hash_rate,
        HERE.time,
        supply_btc=row_of(before).supply_btc,
    )
    assert halving_effect(before).both == pytest.approx(after.price_usd, rel=1e-12)


def test_energy_cost_dominates_but_is_not_all() -> None:
    bars = tornado(HERE)
    assert [bar.input for bar in bars] == ["energy_cost", "efficiency", "hash_rate"]
    assert [(bar.low, bar.high) for bar in bars] == [UNCERTAINTY[bar.input] for bar in bars]
    swings = [bar.swing for bar in bars]
    assert swings == pytest.approx([96972.464, 0.4 * 96972.464, 0.1 * 96972.464], rel=1e-6)
    together = joint_range(HERE)
    assert together.all_high - together.all_low > swings[0]
    assert together.all_low == pytest.approx(96972.46415286741 * 0.95 * 0.8 * 0.5)
    assert together.all_high == pytest.approx(96972.46415286741 * 1.05 * 1.2 * 1.5)


@given(STATES, st.dictionaries(st.sampled_from(INPUTS), st.tuples(st.floats(-0.9, 0), st.floats(0, 2))))
def test_joint_range_is_that_of_all_corners(state: State, ranges: dict[Input, tuple[float, float]]) -> None:
    assume(ranges)
    low, high = ({name: ends[i] for name, ends in ranges.items()} for i in (0, 1))
    found = joint_range(state, low, high)
    corners = [
        price_with(state, dict(zip(ranges, corner, strict=True)))
        for corner in itertools.product(*ranges.values())
    ]
    assert found.all_low == pytest.approx(min(corners), rel=1e-12)
    assert found.all_high == pytest.approx(max(corners), rel=1e-12)
    slack = 1 + 1e-12
    assert found.all_low <= found.independent_low * slack
    assert found.independent_low <= found.price * slack <= found.independent_high * slack**2
    assert found.independent_high <= found.all_high * slack
    shares = sum(found.share.values())
    assert math.isnan(shares) or shares == pytest.approx(1.0)


def test_tornado_sorts_by_length_and_equal_bars_by_input() -> None:
    ends = dict.fromkeys(INPUTS, 0.2)
    bars = tornado(HERE, dict.fromkeys(reversed(INPUTS), -0.2), ends)
    assert [bar.input for bar in bars] == [
        "reward",
        "hash_rate",
        "efficiency",
        "energy_cost",
        "supply",
        "days",
    ]
    assert all(first.swing >= second.swing for first, second in itertools.pairwise(bars))


def test_where_there_is_no_scarcity() -> None:
    found = elasticities(State(height=50_000))
    assert (found.reward, found.days) == (-1.0, 0.0)
    row = row_of(State(height=50_000))
    assert found.supply == pytest.approx(row.supply_factor**2 / row.multiplier)


def test_in_the_first_day() -> None:
    found = elasticities(State(height=300_000, time=TRUE_PRICE_EPOCH + DAY // 2))
    assert found.days == 0.0
    row = row_of(State(height=300_000, time=TRUE_PRICE_EPOCH))
    assert found.supply == pytest.approx(0.25 / row.multiplier)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State(height=0), "height 0"),
        (State(height=6_930_000), "no subsidy"),
        (State(hash_rate=0.0), "price 0"),
        (State(energy_cost=0.0), "price 0"),
    ],
)
def test_where_there_is_none_it_says_so(state: State, reason: str) -> None:
    found = elasticities(state)
    assert found.reason == reason
    assert all(math.isnan(getattr(found, name)) for name in INPUTS)
    if reason != "price 0":
        assert math.isnan(price_with(state, {}))
        assert math.isnan(halving_effect(state).both)
        assert all(math.isnan(bar.swing) for bar in tornado(state))
    assert math.isnan(joint_range(state).share["energy_cost"])


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        ({}, {}, "low and high must have the same inputs, one or more, was none and none"),
        ({"days": -0.1}, {"supply": 0.1}, "low and high must have the same inputs, .*, was days and supply"),
        ({"days": 0.2}, {"days": 0.1}, "low of days must be at most its high, was 0.2 and 0.1"),
        ({"days": -1.0}, {"days": 0.1}, "a change of days must be finite, above -1 and at most .*, was -1.0"),
        (
            {"days": math.nan},
            {"days": 0.1},
            "a change of days must be finite, above -1 and at most .*, was nan",
        ),
        (
            {"days": 0.0},
            {"days": math.inf},
            "a change of days must be finite, above -1 and at most .*, was inf",
        ),
        ({"days": 0.0}, {"days": 1.1e6}, "a change of days must be .* at most 1e.06, was 1100000.0"),
        ({"price": 0.0}, {"price": 0.1}, "an input must be one of hash_rate, .*, was 'price'"),
    ],
)
def test_bad_ranges(low: dict[Input, float], high: dict[Input, float], message: str) -> None:
    for function in (tornado, joint_range):
        with pytest.raises(DomainError, match=f"^{message}"):
            function(HERE, low, high)


EXTREME: Final = st.floats(1e-300, 1.7e308)


@given(
    st.builds(State, st.integers(1, 6_929_999), EXTREME, st.integers(1_231_006_505, 2**52), EXTREME, EXTREME),
    st.floats(0.0, 0.999999),
    st.floats(0.0, 1e6),
)
@example(State(1_680_000, 2.0, 1_231_006_505, 862_882.0, 4.58e306), 0.0, 983_457.0)
def test_what_a_float_does_not_hold_is_nan(state: State, fall: float, rise: float) -> None:
    low, high = dict.fromkeys(INPUTS, -fall), dict.fromkeys(INPUTS, rise)
    found, bars = joint_range(state, low, high), tornado(state, low, high)
    ends = [end for bar in bars for end in (bar.price_low, bar.price_high)]
    joint = [found.all_low, found.all_high, found.independent_low, found.independent_high]
    assert not any(math.isinf(value) for value in (*ends, *joint, *found.share.values()))
    if not all(end > 0.0 for end in ends) and found.price != 0.0:
        assert all(math.isnan(value) for value in (*joint, *found.share.values()))


def test_a_bar_that_ends_at_0_for_a_float_has_no_logarithm() -> None:
    state = State(hash_rate=7.5e14, energy_cost=5e-324)
    found = joint_range(state, {"energy_cost": -0.9}, {"energy_cost": 0.0})
    assert 0.0 < found.price < 1e-320
    assert math.isnan(found.independent_low)


def test_bad_states() -> None:
    for function in (elasticities, tornado, joint_range, halving_effect):
        with pytest.raises(DomainError, match="must be"):
            function(replace(HERE, height=-1))
        with pytest.raises(DomainError, match="hash_rate must be"):
            function(replace(HERE, hash_rate=math.nan))
        with pytest.raises(TypeError, match="height must be an int"):
            function(replace(HERE, height=1.5))


def test_results_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        elasticities(HERE).days = 1.0
    with pytest.raises(TypeError):
        joint_range(HERE).share["days"] = 1.0
