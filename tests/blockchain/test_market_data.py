"""The signals in USD against pandas and loops, on made-up days, and the goldens on recorded ones."""

import gzip
import math
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrading.blockchain.market_data import SIGNALS, MarketSignals, market_signals
from livetrading.blockchain.mathematical_price import true_price
from livetrading.blockchain.protocol import DomainError, subsidy

RECORDED: Final = Path(__file__).parents[2].parent / "shared" / "data" / "btc_onchain_daily.csv.gz"
N: Final = 800


def made_up(n: int = N, seed: int = 8) -> dict[str, Any]:
    """Every column, one row a day, prices a random walk; the halving at 630,000 is among the days."""
    rng = np.random.default_rng(seed)
    walks = np.exp(rng.normal(0.0, 0.03, (6, n)).cumsum(axis=1))
    blocks = rng.poisson(144, n).astype(float)
    height = 628_000 + np.cumsum(blocks).astype(np.int64)
    columns = {
        "day": 18_300 + np.arange(n),
        "time": (18_301.0 + np.arange(n)) * 86_400,
        "height": height,
        "hash_rate": 1e20 * walks[0],
        "efficiency": 60.0 - 0.01 * np.arange(n),
        "energy_cost": np.full(n, 0.05),
        "supply_btc": 18e6 + 900.0 * np.arange(n),
        "price_usd": 9e3 * walks[1],
        "fees_btc": 50.0 * walks[2],
        "blocks": blocks,
        "issuance_btc": 6.25 * blocks,
        "transfer_btc": 5e5 * walks[3],
        "exchange_inflow_usd": 1e8 * walks[4],
        "exchange_outflow_usd": 1e8 * walks[5],
    }
    columns["market_cap_usd"] = columns["price_usd"] * columns["supply_btc"]
    columns["realized_cap_usd"] = 1e11 * walks[2]
    return columns


def by_pandas(columns: dict[str, Any]) -> pd.DataFrame:
    """Every signal but those of TRUE PRICE, over the calendar, where what is missing is NaN."""
    table = pd.DataFrame(columns).set_index("day")
    calendar = np.arange(table.index[0], table.index[-1] + 1)
    t = table.reindex(calendar)
    out = pd.DataFrame(index=t.index)
    out["issuance_usd"] = t.issuance_btc * t.price_usd
    out["fees_usd"] = t.fees_btc * t.price_usd
    out["miner_revenue_usd"] = out.issuance_usd + out.fees_usd
    out["fee_share"] = out.fees_usd / out.miner_revenue_usd
    out["energy_kwh"] = t.hash_rate * t.efficiency * 86_400 / 1e12 / 3.6e6
    out["energy_usd"] = out.energy_kwh * t.energy_cost
    out["miner_margin"] = out.miner_revenue_usd / out.energy_usd
    out["transfer_volume_usd"] = t.transfer_btc * t.price_usd
    out["nvt"] = t.market_cap_usd / out.transfer_volume_usd
    out["nvt_signal"] = t.market_cap_usd / out.transfer_volume_usd.rolling(90).mean()
    out["velocity"] = t.transfer_btc.rolling(365).sum() / t.supply_btc
    out["realized_cap_change_usd"] = t.realized_cap_usd.diff()
    out["exchange_net_flow_usd"] = t.exchange_inflow_usd - t.exchange_outflow_usd
    out["security_spend"] = out.miner_revenue_usd / t.market_cap_usd * 365
    out["subsidy_yield"] = t.issuance_btc / t.supply_btc * 365
    reward = t.height.map(lambda h: subsidy(int(h)) / 1e8, na_action="ignore")
    out["hashprice"] = (reward + t.fees_btc / t.blocks) * 144 * t.price_usd / (t.hash_rate / 1e15)
    return out.loc[table.index]


def agree(found: MarketSignals, expected: pd.DataFrame) -> None:
    for name in expected:
        np.testing.assert_allclose(found.values[name], expected[name], rtol=1e-9, err_msg=str(name))


def test_against_pandas() -> None:
    columns = made_up()
    found, expected = market_signals(columns), by_pandas(columns)
    agree(found, expected)
    in_loops = {"production_cost_usd", "market_premium", "implied_energy_cost"}
    assert set(SIGNALS) == {*expected, *in_loops}
    assert found.available == tuple(SIGNALS)
    windows = {"nvt_signal": 89, "velocity": 364, "realized_cap_change_usd": 1}
    assert {name: int(np.isnan(found.values[name]).sum()) for name in SIGNALS} == {
        name: windows.get(name, 0) for name in SIGNALS
    }
    assert found.reasons["nvt_signal"][88] == "fewer than 90 days"
    assert found.reasons["velocity"][363] == "fewer than 365 days"
    assert found.reasons["realized_cap_change_usd"][0] == "no day before"


def test_against_loops_over_true_price() -> None:
    columns = made_up(60)
    found = market_signals(columns)
    for i in range(60):
        height, price = int(columns["height"][i]), columns["price_usd"][i]
        rest = [columns[name][i] for name in ("hash_rate", "time", "efficiency")]
        value = true_price(height, *rest, columns["energy_cost"][i])
        assert found.values["production_cost_usd"][i] == pytest.approx(value.cost_usd, rel=1e-14)
        assert found.values["market_premium"][i] == pytest.approx(price / value.cost_usd - 1, rel=1e-9)
        implied = found.values["implied_energy_cost"][i]
        assert true_price(height, *rest, implied).price_usd == pytest.approx(price, rel=1e-12)


def test_a_missing_day_and_an_unknown_number() -> None:
    columns = made_up()
    for name in ("transfer_btc", "realized_cap_usd", "fees_btc", "hash_rate"):
        columns[name][[150, 500]] = np.nan
    kept = ~np.isin(np.arange(N), [100, 620])
    columns = {name: column[kept] for name, column in columns.items()}
    found = market_signals(columns)
    agree(found, by_pandas(columns))
    for name in ("production_cost_usd", "market_premium", "implied_energy_cost"):
        assert found.reasons[name][[149, 499]].tolist() == ["needs hash_rate"] * 2
    at = {int(day - 18_300): row for row, day in enumerate(columns["day"])}
    reasons = {name: found.reasons[name] for name in SIGNALS}
    assert reasons["nvt_signal"][at[101]] == "a day is missing in the last 90"
    assert reasons["nvt_signal"][at[501]] == "needs transfer_btc and price_usd on each of the last 90 days"
    assert reasons["transfer_volume_usd"][at[500]] == "needs transfer_btc"
    assert reasons["velocity"][at[800 - 1]] == "a day is missing in the last 365"
    assert reasons["realized_cap_change_usd"][at[150]] == "needs realized_cap_usd"
    assert reasons["realized_cap_change_usd"][at[101]] == "the day before is missing"
    assert reasons["realized_cap_change_usd"][at[151]] == "needs realized_cap_usd on the day before"
    assert reasons["miner_margin"][at[150]] == "needs fees_btc"
    assert reasons["issuance_usd"][at[150]] == ""


@pytest.mark.parametrize("name", SIGNALS)
def test_a_missing_column_is_named_and_nothing_invented(name: str) -> None:
    for channel in SIGNALS[name].channels:
        columns = {key: column for key, column in made_up(400).items() if key != channel}
        if channel == "day":
            columns = {key: column[:1] for key, column in columns.items()}
        found = market_signals(columns)
        assert np.isnan(found.values[name]).all()
        assert set(found.reasons[name]) == {f"needs {channel}"}
        assert name not in found.available


def test_flows_are_not_available_without_their_columns() -> None:
    columns = {key: column for key, column in made_up(5).items() if not key.startswith("exchange")}
    found = market_signals(columns)
    assert found.reasons["exchange_net_flow_usd"][0] == "needs exchange_inflow_usd, exchange_outflow_usd"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_value_or_a_reason(data: st.DataObject) -> None:
    """Whatever is absent, unknown or 0: NaN where and only where a reason stands, and never infinity."""
    columns = made_up(100)
    for name in sorted(data.draw(st.sets(st.sampled_from(sorted(columns))), "absent")):
        if name != "day":
            del columns[name]
    rows = st.lists(st.integers(0, 99), max_size=3)
    may_be_0 = {"hash_rate", "energy_cost", "fees_btc", "blocks", "issuance_btc", "transfer_btc", "height"}
    for name in sorted(set(columns) - {"day"}):
        if name != "height":
            columns[name][data.draw(rows, f"{name} unknown")] = np.nan
        if name in may_be_0:
            columns[name][data.draw(rows, f"{name} 0")] = 0
    found = market_signals(columns)
    for name in SIGNALS:
        assert not np.isinf(found.values[name]).any(), name
        np.testing.assert_array_equal(np.isnan(found.values[name]), found.reasons[name] != "", err_msg=name)


@pytest.mark.parametrize(
    ("name", "zero", "reason"),
    [
        ("fee_share", ("fees_btc", "issuance_btc"), "no revenue that day"),
        ("hashprice", ("blocks",), "no block that day"),
        ("hashprice", ("hash_rate",), "hash rate 0"),
        ("miner_margin", ("energy_cost",), "no cost of energy"),
        ("market_premium", ("hash_rate",), "no cost of energy"),
        ("implied_energy_cost", ("hash_rate",), "hash rate 0"),
        ("implied_energy_cost", ("height",), "height 0"),
        ("nvt", ("transfer_btc",), "no transfer that day"),
    ],
)
def test_what_is_undefined_says_why(name: str, zero: tuple[str, ...], reason: str) -> None:
    columns = made_up(3)
    for channel in zero:
        columns[channel] = np.zeros_like(columns[channel])
    found = market_signals(columns)
    assert np.isnan(found.values[name]).all()
    assert set(found.reasons[name]) == {reason}


def test_after_the_last_subsidy_there_is_no_production_cost() -> None:
    columns = {**made_up(1), "height": np.array([6_930_000])}
    found = market_signals(columns)
    for name in ("production_cost_usd", "market_premium", "implied_energy_cost"):
        assert found.reasons[name][0] == "no subsidy", name


def test_network_power_at_the_reference_point() -> None:
    """27.047 GW are 236.93 TWh a year."""
    found = market_signals({"hash_rate": 1081.88e18, "efficiency": 25.0, "energy_cost": 0.044})
    assert found.values["energy_kwh"].shape == ()
    assert float(found.values["energy_kwh"]) / 24 / 1e6 == pytest.approx(27.047, abs=1e-12)
    assert float(found.values["energy_kwh"]) * 365 / 1e9 == pytest.approx(236.93, abs=0.005)
    assert float(found.values["energy_usd"]) == pytest.approx(27.047e6 * 24 * 0.044, rel=1e-14)


def test_a_single_number_counts_for_every_row() -> None:
    columns = made_up(40)
    alike = market_signals({**columns, "energy_cost": 0.05, "exchange_inflow_usd": 1.0})
    for name in ("energy_usd", "miner_margin", "production_cost_usd"):
        np.testing.assert_array_equal(alike.values[name], market_signals(columns).values[name])
    assert alike.values["exchange_net_flow_usd"].shape == (40,)
    alone = market_signals({"day": columns["day"], "hash_rate": 1e20, "efficiency": 25.0})
    assert alone.values["energy_kwh"].shape == alone.reasons["energy_kwh"].shape == (40,)


def test_what_was_given_stays_and_what_is_answered_too() -> None:
    columns = made_up(100)
    before = {name: column.copy() for name, column in columns.items()}
    found = market_signals(columns)
    for name, column in before.items():
        np.testing.assert_array_equal(column, columns[name])
    with pytest.raises(ValueError, match="read-only"):
        found.values["nvt"][0] = 1.0
    with pytest.raises(AttributeError):
        found.values = {}  # type: ignore[misc]


def test_no_rows() -> None:
    found = market_signals({name: column[:0] for name, column in made_up(2).items()})
    assert all(found.values[name].shape == (0,) for name in SIGNALS)


def test_every_signal_is_declared() -> None:
    for name, signal in SIGNALS.items():
        assert signal.name == name
        assert all((signal.title, signal.unit, signal.formula, signal.source, signal.channels))
        assert (
            signal.prices_inside
            == any(
                channel in signal.channels for channel in ("price_usd", "market_cap_usd", "realized_cap_usd")
            )
            or name == "exchange_net_flow_usd"
        )
    found = market_signals(made_up(2))
    assert dict(found.units) == {name: signal.unit for name, signal in SIGNALS.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"price_usd": -1.0}, "price_usd must be finite and > 0, was -1.0"),
        ({"fees_btc": math.inf}, "fees_btc must be finite and >= 0, was inf"),
        ({"efficiency": 0.0}, "efficiency must be finite and > 0, was 0.0"),
        ({"blocks": np.ones(7)}, "columns must have equal shapes, was"),
        ({"blocks": np.ones((3, 3))}, "columns must be of one row a day, of one dimension, was of shape"),
        ({"day": np.array([5, 5, 6])}, "day must be one row a day, in order, was 5 after 5"),
        ({"day": np.array([5, 4, 6])}, "in order, was 4 after 5"),
    ],
)
def test_bad_columns(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DomainError, match=said):
        market_signals({**made_up(3), **change})


def test_rows_without_days_are_refused() -> None:
    columns = {name: column for name, column in made_up(3).items() if name != "day"}
    with pytest.raises(DomainError, match="day must be among the columns of more than one row"):
        market_signals(columns)
    with pytest.raises(DomainError, match=r"columns must hold one of day, .* was mood"):
        market_signals({"mood": 1.0})
    with pytest.raises(TypeError, match="height must be of integers"):
        market_signals({**made_up(3), "height": np.ones(3)})


@pytest.mark.skipif(
    not RECORDED.exists(), reason="the recorded days are not beside the project (../shared/data)"
)
def test_implied_energy_cost_of_recorded_year_ends() -> None:
    """With the table of efficiencies, at 24:00 UTC of each day, and the hash rate of the difficulty."""
    from livetrading.blockchain.asic_efficiency import efficiency_at
    from livetrading.blockchain.chain_state import chain_columns

    with gzip.open(RECORDED, "rt") as file:
        table = pd.read_csv(file)
    table = table[(table.date >= "2014-01-02") & (table.date <= "2025-12-13")]
    day = np.array([(date.fromisoformat(text) - date(1970, 1, 1)).days for text in table.date])
    height = table.height_eod.to_numpy(np.int64)
    found = market_signals(
        {
            "day": day,
            "time": (day + 1) * 86_400,
            "height": height,
            "hash_rate": chain_columns(height)["hash_rate"],
            "efficiency": efficiency_at(day * 86_400),
            "energy_cost": 0.044,
            "price_usd": table.price_usd.to_numpy(),
            "market_cap_usd": table.market_cap_usd.to_numpy(),
            "transfer_btc": table.transfer_adj_btc.to_numpy(),
        }
    )
    implied = pd.Series(found.values["implied_energy_cost"], index=table.date)
    golden = {
        "2014-12-31": 0.0932,
        "2017-12-31": 0.3609,
        "2018-12-31": 0.0443,
        "2021-12-31": 0.1363,
        "2024-12-31": 0.0541,
        "2025-12-13": 0.0418,
    }
    assert {at: round(implied[at], 4) for at in golden} == golden
    quantiles = [round(implied.quantile(q), 4) for q in (0, 0.05, 0.5, 0.95, 1)]
    assert quantiles[:3] == [0.0255, 0.0386, 0.0724]
    assert [round(quantiles[3], 3), round(quantiles[4], 2)] == [0.327, 3.21]
    nvt = pd.Series(found.values["nvt"], index=table.date)
    assert round(nvt["2017-12-16"], 4) == 47.0535
    assert found.reasons["nvt"][-1] == "needs transfer_btc"
