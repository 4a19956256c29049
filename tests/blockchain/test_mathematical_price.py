import json
import math
from dataclasses import FrozenInstanceError, astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain.mathematical_price import TruePrice, implied_energy_cost, true_price
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
    with pytest.raises(DomainError, match=f"^{name} must .*, was {value}"):
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
