import json
import math
import re
from dataclasses import FrozenInstanceError, astuple, fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain import mathematical_price
from livetrading.blockchain.mathematical_price import (
    REASONS,
    TruePrice,
    TruePrices,
    implied_energy_cost,
    true_price,
)
from livetrading.blockchain.protocol import (
    GENESIS_BLOCK_TIME,
    TRUE_PRICE_EPOCH,
    DomainError,
    difficulty,
    hashrate_from_difficulty,
    issued,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "chain.json").read_text())
INPUTS = ("height", "hash_rate", "time", "efficiency", "energy_cost")
REFERENCE = {name: GOLDEN["reference"][name] for name in INPUTS}
DAY = 86_400


def at_reference(**changes: float | None) -> TruePrice:
    return true_price(**{**REFERENCE, **changes})


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("name", [name for name in GOLDEN["reference"] if name not in INPUTS])
def test_reference_point(name: str) -> None:
    assert getattr(at_reference(), name) == close(GOLDEN["reference"][name])
    assert at_reference().reason is None


def test_the_defaults_are_those_of_the_reference_point() -> None:
    assert true_price(REFERENCE["height"], REFERENCE["hash_rate"], REFERENCE["time"]) == at_reference()


def test_conventions() -> None:
    expected = GOLDEN["conventions"]
    through_block = at_reference(supply_btc=issued(925_810) / 1e8)
    assert through_block.price_usd == close(expected["supply_through_block"])
    since_genesis = at_reference(time=REFERENCE["time"] - GENESIS_BLOCK_TIME + TRUE_PRICE_EPOCH)
    assert since_genesis.price_usd == close(expected["genesis_block_time"])
    by_difficulty = at_reference(hash_rate=hashrate_from_difficulty(difficulty(0x1701E2A0)))
    assert by_difficulty.price_usd == close(expected["retarget_difficulty"])
    here = at_reference()
    factor = 1 / (1 + math.log(20_999_999.9769 / here.supply_btc))
    capped = here.cost_usd * (1 + here.scarcity + here.maturity * factor)
    assert capped == close(expected["cap_of_schedule"])


@pytest.mark.parametrize(("energy_cost", "cost", "price"), GOLDEN["energy_cost"])
def test_energy_cost(energy_cost: float, cost: float, price: float) -> None:
    row = at_reference(energy_cost=energy_cost)
    assert (round(row.cost_usd, 2), round(row.price_usd, 2)) == (cost, price)


@pytest.mark.parametrize(("height", "time", "work", "efficiency", "by_table", "fixed"), GOLDEN["history"])
def test_history(
    height: int, time: int, work: float, efficiency: float, by_table: float, fixed: float
) -> None:
    hash_rate = hashrate_from_difficulty(work)
    assert true_price(height, hash_rate, time).price_usd == close(fixed)
    assert true_price(height, hash_rate, time, efficiency).price_usd == pytest.approx(by_table, rel=1e-12)


def test_the_jump_at_a_halving() -> None:
    _, time, work, efficiency, _, _ = next(row for row in GOLDEN["history"] if row[0] == 840_000)
    before, after = (
        true_price(height, hashrate_from_difficulty(work), time, efficiency).price_usd
        for height in (839_999, 840_000)
    )
    jump = GOLDEN["halving_jump"]
    assert (before, after) == (close(jump["before"]), close(jump["after"]))
    assert round(after / before, 4) == jump["factor"]


def test_the_multiplier_hardly_moves_in_an_epoch() -> None:
    first = true_price(840_000, 1e20, 1_713_571_767)
    last = true_price(1_049_999, 1e21, REFERENCE["time"] + 600 * (1_049_999 - 925_810))
    assert [round(row.multiplier, 4) for row in (first, last)] == GOLDEN["multiplier_range"]


@pytest.mark.parametrize(("market_price", "cost"), GOLDEN["implied_energy_cost"])
def test_implied_energy_cost(market_price: float, cost: float) -> None:
    place = (REFERENCE["height"], REFERENCE["hash_rate"], REFERENCE["time"])
    assert implied_energy_cost(market_price, *place) == close(cost)
    assert at_reference(energy_cost=cost).price_usd == close(market_price)


@given(
    st.integers(1, 6_929_999),
    st.floats(1e3, 1e24),
    st.integers(TRUE_PRICE_EPOCH, 10**11),
    st.floats(1.0, 1e7),
    st.floats(1e-3, 10.0),
)
def test_price_is_cost_times_multiplier(
    height: int, hash_rate: float, time: int, efficiency: float, energy_cost: float
) -> None:
    row = true_price(height, hash_rate, time, efficiency, energy_cost)
    assert row.reason is None
    assert all(math.isfinite(value) for value in astuple(row)[:-1])
    assert row.multiplier >= 1.0
    assert row.price_usd == close(row.cost_usd * row.multiplier)
    assert row.supply_btc == (issued(height) - row.reward_btc * 1e8) / 1e8
    implied = implied_energy_cost(row.price_usd, height, hash_rate, time, efficiency)
    assert implied == close(energy_cost)


def test_no_coin_no_price() -> None:
    row = at_reference(height=0)
    assert row.reason == "height 0"
    assert row.supply_btc == 0.0
    assert math.isfinite(row.cost_usd)
    assert math.isnan(row.price_usd)
    assert math.isnan(row.multiplier)
    assert math.isnan(at_reference(height=0, supply_btc=1.0).price_usd)


@pytest.mark.parametrize("height", [6_930_000, 13_440_000, 20_000_000])
def test_no_subsidy_no_price(height: int) -> None:
    row = at_reference(height=height)
    assert row.reason == "no subsidy"
    assert not any(math.isinf(value) for value in astuple(row)[:-1])
    for name in ("energy_kwh", "cost_usd", "stock_to_flow", "scarcity", "multiplier", "price_usd"):
        assert math.isnan(getattr(row, name))
    assert 0.0 < row.supply_factor < 1.0


def test_scarcity_starts_where_the_stock_is_a_years_flow() -> None:
    assert at_reference(height=52_559).scarcity == 0.0
    assert at_reference(height=52_560).stock_to_flow == 1.0
    assert at_reference(height=52_560).scarcity == 0.0
    assert at_reference(height=52_561).scarcity == pytest.approx(math.log(52_561 / 52_560), rel=1e-9)


def test_maturity_of_the_first_days() -> None:
    for days, maturity in [(-3.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.5, 1.0), (900.0, 1.0)]:
        assert at_reference(height=1000, time=TRUE_PRICE_EPOCH + days * DAY).maturity == maturity


def test_supply_factor_at_and_beyond_the_cap() -> None:
    assert at_reference(supply_btc=21e6).supply_factor == 1.0
    assert at_reference(supply_btc=30e6).supply_factor == 1.0
    assert at_reference(supply_btc=20.9e6).supply_factor < 1.0


def test_without_hash_rate_a_coin_costs_nothing() -> None:
    assert at_reference(hash_rate=0.0).price_usd == 0.0
    with pytest.raises(DomainError, match=r"^hash_rate must be > 0, was 0"):
        implied_energy_cost(90_000.0, 925_810, 0.0, 1_764_478_080)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("height", -1),
        ("hash_rate", -1.0),
        ("efficiency", 0.0),
        ("efficiency", -25.0),
        ("energy_cost", -0.01),
        ("supply_btc", 0.0),
        ("supply_btc", -1.0),
        *((name, bad) for name in (*INPUTS[1:], "supply_btc") for bad in (math.nan, math.inf)),
    ],
)
def test_outside_the_domain(name: str, value: float) -> None:
    with pytest.raises(DomainError, match=f"^{name} must .*, was {re.escape(str(value))}"):
        at_reference(**{name: value})


@pytest.mark.parametrize("market_price", [0.0, -1.0, math.nan, math.inf])
def test_implied_cost_of_no_price(market_price: float) -> None:
    with pytest.raises(DomainError, match=r"^market_price must be finite and > 0, was"):
        implied_energy_cost(market_price, 925_810, 1e21, 1_764_478_080)


def test_a_float_is_no_height() -> None:
    with pytest.raises(TypeError, match="height must be an int"):
        at_reference(height=925_810.0)


def test_the_record_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        at_reference().price_usd = 1.0


FIELDS = [field.name for field in fields(TruePrices)]
rows = st.tuples(
    st.one_of(
        st.integers(0, 7_200_000),
        st.builds(lambda k, d: max(0, 210_000 * k + d), st.integers(0, 70), st.integers(-2, 2)),
        st.integers(52_550, 52_570),
        st.integers(0, 2**63 - 1),
    ),
    st.one_of(st.floats(0.0, 1e24), st.floats(0.0, 1.7e308)),
    st.one_of(st.integers(TRUE_PRICE_EPOCH - 3 * DAY, 2**52), st.floats(TRUE_PRICE_EPOCH, 1e10)),
    st.one_of(st.floats(1.0, 1e7), st.floats(5e-324, 1.7e308)),
    st.one_of(st.floats(0.0, 10.0), st.floats(0.0, 1.7e308)),
    st.floats(1e-8, 22e6),
)


def bits(column: np.ndarray) -> np.ndarray:
    """All of them; of NaN that it is one."""
    return np.where(np.isnan(column), -1, np.ascontiguousarray(column).view(np.int64))


def assert_rows(prices: TruePrices, expected: list[TruePrice]) -> None:
    """The bits of every field are those of the single values."""
    for name in FIELDS[:-1]:
        column = np.array([getattr(row, name) for row in expected])
        found = getattr(prices, name)
        assert found.dtype == column.dtype
        assert bits(found).tolist() == bits(column).tolist(), name
    words = np.array(REASONS)[prices.reason].tolist()
    assert words == ["" if row.reason is None else row.reason for row in expected]


@given(st.lists(rows, min_size=1, max_size=30), st.booleans())
def test_arrays_have_the_bits_of_single_values(cases: list[tuple[float, ...]], own_supply: bool) -> None:
    columns = list(zip(*cases, strict=True))
    height = np.array(columns[0], np.int64)
    arrays = [np.array(column, np.float64) for column in columns[1:]]
    supply = arrays.pop() if own_supply else None
    prices = true_price(height, *arrays[:4], supply_btc=supply)
    expected = [true_price(*row[:5], supply_btc=row[5] if own_supply else None) for row in cases]
    assert_rows(prices, expected)


def test_arrays_longer_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematical_price, "CHUNK", 7)
    height = np.arange(0, 7_000_000, 70_001)
    rate, time = np.linspace(0, 1e21, height.size), np.arange(height.size) * 10_000_000 + 1_230_768_000
    expected = [
        true_price(h, r, t) for h, r, t in zip(*(c.tolist() for c in (height, rate, time)), strict=True)
    ]
    assert_rows(true_price(height, rate, time), expected)


@pytest.mark.parametrize("name", INPUTS)
def test_single_values_go_with_an_array(name: str) -> None:
    values = np.array([3, 1, 2])
    prices = true_price(**{**REFERENCE, name: values})
    assert_rows(prices, [at_reference(**{name: value}) for value in values.tolist()])


def test_arrays_keep_their_shape() -> None:
    height = np.arange(1_000, 1_024, dtype=np.uint16).reshape(4, 6)
    time = REFERENCE["time"] + np.arange(12.0)[::2]
    prices = true_price(height[:, ::-1], 1e18, time, np.float32(25.0))
    assert prices.price_usd.shape == prices.reason.shape == (4, 6)
    assert prices.price_usd[2, 5] == true_price(1_012, 1e18, float(time[5])).price_usd
    one = true_price(np.array(925_810), 1e21, 1_764_478_080)
    assert (one.price_usd.shape, one.halvings.shape) == ((), ())
    none = true_price(np.array([], np.int64), 1e21, 1_764_478_080)
    assert all(getattr(none, field).shape == (0,) for field in FIELDS)


def test_golden_history_in_one_call() -> None:
    height, time, work, efficiency, by_table, fixed = map(np.array, zip(*GOLDEN["history"], strict=True))
    hash_rate = hashrate_from_difficulty(work)
    assert true_price(height, hash_rate, time, efficiency).price_usd.tolist() == close(by_table.tolist())
    assert true_price(height, hash_rate, time).price_usd.tolist() == close(fixed.tolist())


def test_implied_cost_of_many_prices() -> None:
    place = (REFERENCE["height"], REFERENCE["hash_rate"], REFERENCE["time"])
    market, cost = map(np.array, zip(*GOLDEN["implied_energy_cost"], strict=True))
    implied = implied_energy_cost(market, *place)
    assert implied.tolist() == [implied_energy_cost(price, *place) for price in market.tolist()]
    assert implied.tolist() == close(cost.tolist())
    height = np.array([0, 925_810, 6_930_000])
    by_height = implied_energy_cost(90_000.0, height, *place[1:])
    singles = [implied_energy_cost(90_000.0, h, *place[1:]) for h in height.tolist()]
    assert np.array_equal(by_height, singles, equal_nan=True)
    assert np.isnan(by_height).tolist() == [True, False, True]
    by_rate = implied_energy_cost(np.array([[1e5], [2e5]]), 925_810, np.array([1e20, 1e21]), place[2])
    assert by_rate.shape == (2, 2)
    assert by_rate[1, 0] == implied_energy_cost(2e5, 925_810, 1e20, place[2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("height", -1),
        ("hash_rate", -1.0),
        ("efficiency", 0.0),
        ("energy_cost", -0.01),
        ("supply_btc", 0.0),
        *((name, bad) for name in (*INPUTS[1:], "supply_btc") for bad in (math.nan, math.inf)),
        ("supply_btc", 1e16),
    ],
)
def test_one_bad_row_of_an_array(name: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematical_price, "CHUNK", 4)
    good = {**REFERENCE, "supply_btc": 19e6}[name]
    column = np.full(10, good, np.int64 if name == "height" else np.float64)
    column[7] = value
    with pytest.raises(DomainError, match=f"^{name} must .*, was {re.escape(str(value))}"):
        at_reference(**{name: column})
    if name != "height":
        with pytest.raises(DomainError, match=f"^{name} must .*, was {re.escape(str(value))}"):
            at_reference(**{name: value})


@pytest.mark.parametrize("kind", ["1.5", "bool", "object", "empty", "str"])
def test_what_is_no_array_of_heights(kind: str) -> None:
    arrays = {
        "1.5": np.array([1.5]),
        "bool": np.array([True]),
        "object": np.array([2**70]),
        "empty": np.array([]),
        "str": np.array(["1"]),
    }
    with pytest.raises(TypeError, match=r"^height must be an array of ints, was one of"):
        at_reference(height=arrays[kind])


@pytest.mark.parametrize("name", [*INPUTS[1:], "supply_btc"])
@pytest.mark.parametrize("value", [np.array([True]), np.array(["1"]), np.array([1j]), True, "1", 1j])
def test_what_is_no_number(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be"):
        at_reference(**{name: value})


def test_too_large_for_a_float_is_nan() -> None:
    huge = {"hash_rate": 1e300, "efficiency": 1e30}
    for changes in (huge, {"energy_cost": 1e303}, {**huge, "energy_cost": 0.0}):
        row = at_reference(**changes)
        assert (row.reason, math.isnan(row.price_usd)) == ("too large for a float", True)
        assert not any(math.isinf(value) for value in astuple(row)[:-1])
    place = (925_810, 1e-300, REFERENCE["time"])
    assert math.isnan(implied_energy_cost(1e300, *place))
    assert math.isnan(implied_energy_cost(1.0, *place, 1e-300))
    assert np.isnan(implied_energy_cost(np.array([1e300, 1.0]), *place, np.array([25.0, 1e-300]))).all()


def test_shapes_that_do_not_go_together() -> None:
    with pytest.raises(
        DomainError, match=r"^arguments must have shapes that broadcast, was market_price \(2,"
    ):
        implied_energy_cost(np.ones(2), 925_810, np.ones(3), 0.0)
    with pytest.raises(DomainError, match=r"^arguments must have shapes that broadcast, was height \(2,\)"):
        at_reference(height=np.array([1, 2]), hash_rate=np.ones(3))


def test_heights_and_numbers_beyond_all_sense() -> None:
    for height in (2**63, np.array([2**63], np.uint64)):
        with pytest.raises(
            DomainError, match=r"^height must be <= 9223372036854775807, was 9223372036854775808"
        ):
            at_reference(height=height)
    with pytest.raises(DomainError, match=r"^hash_rate must be finite and >= 0, was inf"):
        at_reference(hash_rate=10**400)
    last = at_reference(height=2**63 - 1)
    assert (last.reason, last.halvings) == ("no subsidy", (2**63 - 1) // 210_000)
