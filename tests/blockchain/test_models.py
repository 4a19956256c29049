"""The models against pandas, statsmodels and plain loops, on made-up days."""

import json
import math
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrading.blockchain.chain_state import chain_state
from livetrading.blockchain.mathematical_price import true_price
from livetrading.blockchain.models import metcalfe, power_law
from livetrading.blockchain.models.model import CHANNELS
from livetrading.blockchain.models.stock_to_flow import PLANB_2019, StockToFlow
from livetrading.blockchain.models.thermocap import FIRST_PRICED_DAY
from livetrading.blockchain.protocol import DomainError
from livetrading.blockchain.valuation import MODELS, Valuation, model, state_columns

CHAIN: Final = json.loads((Path(__file__).parents[1] / "golden" / "chain.json").read_text())
WINDOWED: Final = ("puell", "thermocap", "hash-ribbons", "difficulty-ribbon")
ROWWISE: Final = tuple(name for name in MODELS if name not in WINDOWED)
PRICES: Final = {"price_usd", "market_cap_usd", "realized_cap_usd"}
INTEGERS: Final = ("day", "height")


def synthetic(n: int = 450, seed: int = 4, start: int = FIRST_PRICED_DAY - 10) -> dict[str, Any]:
    """Days of a random walk, every column of them, from ten days before the first priced one."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, 0.04, (8, n)).cumsum(axis=1)
    blocks = rng.poisson(144, n).astype(float)
    price, rate = 60.0 * np.exp(steps[0]), 1e13 * np.exp(steps[1])
    columns = {
        "day": start + np.arange(n),
        "time": (start + 1.0 + np.arange(n)) * 86_400,
        "height": 209_000 + np.cumsum(blocks).astype(np.int64),
        "difficulty": 1e6 * np.exp(steps[2]),
        "difficulty_mean": 1e6 * np.exp(steps[3]),
        "hash_rate": rate,
        "hash_rate_observed": rate * np.exp(rng.normal(0.0, 0.1, n)),
        "efficiency": np.full(n, 25.0),
        "energy_cost": np.full(n, 0.044),
        "supply_btc": 10.5e6 + 25.0 * np.cumsum(blocks),
        "price_usd": price,
        "active_addresses": rng.integers(1000, 9000, n).astype(float),
        "transfer_btc": 1e5 * np.exp(steps[4]),
        "fees_btc": 20.0 * np.exp(steps[5]),
        "blocks": blocks,
        "issuance_btc": 25.0 * blocks,
        "tx_count": np.full(n, 5e4),
        "exchange_inflow_usd": np.full(n, 1e6),
        "exchange_outflow_usd": np.full(n, 1e6),
    }
    columns["market_cap_usd"] = price * columns["supply_btc"]
    columns["realized_cap_usd"] = columns["market_cap_usd"] * np.exp(steps[6])
    return columns


def rows_of(columns: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    return {name: column[rows] for name, column in columns.items()}


def rolling(columns: Mapping[str, Any], values: Any, n: int) -> Any:
    """Mean over whole windows of calendar days, by pandas, at the days there are."""
    series = pd.Series(values, index=columns["day"])
    every = np.arange(columns["day"][0], columns["day"][-1] + 1)
    return series.reindex(every).rolling(n).mean().loc[columns["day"]].to_numpy()


def agree(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=0.0)


@pytest.fixture(params=["whole", "gaps", "unknown"])
def days(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Days without a fault, with rows that are missing, and with numbers that are not known."""
    columns = synthetic(900)
    if request.param == "gaps":
        return rows_of(columns, ~np.isin(np.arange(900), [3, 420, 421, 880]))
    if request.param == "unknown":
        for name in ("price_usd", "issuance_btc", "hash_rate_observed", "difficulty_mean"):
            columns[name][[2, 400, 899]] = np.nan
    return columns


def test_puell(days: dict[str, Any]) -> None:
    issuance = days["issuance_btc"] * days["price_usd"]
    said = model("puell").value(days)
    agree(said.value, issuance / rolling(days, issuance, 365))
    assert np.isfinite(said.value).any()
    assert np.isnan(said.price_usd).all()


def test_thermocap(days: dict[str, Any]) -> None:
    said, total, last = model("thermocap").value(days), 0.0, FIRST_PRICED_DAY - 1
    for i, day in enumerate(days["day"]):
        if day >= FIRST_PRICED_DAY:
            total += days["issuance_btc"][i] * days["price_usd"][i] if day == last + 1 else math.nan
            last = day
            agree(said.value[i], total)
        else:
            assert said.reason[i] == "before the first priced day, 2010-07-18"
    agree(said.parts["multiple"], days["market_cap_usd"] / said.value)
    agree(said.price_usd, said.value / days["supply_btc"])


def test_thermocap_needs_its_first_day() -> None:
    said = model("thermocap").value(rows_of(synthetic(), slice(11, None)))
    assert set(said.reason) == {"needs every day since 2010-07-18"}


def test_hash_ribbons(days: dict[str, Any]) -> None:
    said = model("hash-ribbons").value(days)
    rate = days["hash_rate_observed"]
    ratio = rolling(days, rate, 30) / rolling(days, rate, 60)
    agree(said.value, ratio)
    known = ~np.isnan(ratio)
    np.testing.assert_array_equal(said.parts["capitulation"][known], ratio[known] < 1.0)
    for i in range(1, len(ratio)):
        if days["day"][i] == days["day"][i - 1] + 1 and known[i] and known[i - 1]:
            assert said.parts["recovery"][i] == (ratio[i - 1] < 1.0 <= ratio[i])
        else:
            assert np.isnan(said.parts["recovery"][i])
    assert np.nansum(said.parts["recovery"]) > 1


def test_difficulty_ribbon(days: dict[str, Any]) -> None:
    said = model("difficulty-ribbon").value(days)
    strands = pd.DataFrame(
        {n: rolling(days, days["difficulty_mean"], n) for n in (9, 14, 25, 40, 60, 90, 128, 200)}
    )
    expected = strands.std(axis=1, ddof=0, skipna=False) / strands.mean(axis=1, skipna=False)
    agree(said.value, expected)
    agree(said.parts["sma_25"], strands[25])


@pytest.mark.parametrize(
    ("name", "fine", "coarse"),
    [
        ("hash-ribbons", "hash_rate_observed", "hash_rate"),
        ("difficulty-ribbon", "difficulty_mean", "difficulty"),
    ],
)
def test_the_day_s_own_blocks_come_first_and_it_is_said(name: str, fine: str, coarse: str) -> None:
    columns = synthetic()
    both = model(name).value(columns)
    columns[coarse] = columns[fine]
    del columns[fine]
    alone = model(name).value(columns)
    np.testing.assert_array_equal(both.value, alone.value)
    assert both.notes[0] != alone.notes[0]


def test_why_a_window_is_not_whole() -> None:
    columns = synthetic(600)
    columns["price_usd"][450] = np.nan
    said = model("puell").value(rows_of(columns, np.arange(600) != 500))
    assert said.reason[363] == "fewer than 365 days"
    assert said.reason[364] == ""
    assert (
        said.reason[450]
        == said.reason[451]
        == "needs issuance_btc and price_usd on each of the last 365 days"
    )
    assert said.reason[500] == "a day is missing in the last 365"
    short = model("difficulty-ribbon").value(rows_of(columns, slice(0, 199)))
    assert set(short.reason) == {"fewer than 200 days"}


@pytest.mark.parametrize("name", WINDOWED)
def test_days_come_in_order_and_once(name: str) -> None:
    columns = synthetic(5)
    for days in ([1, 2, 2, 3, 4], [1, 2, 4, 3, 5]):
        with pytest.raises(DomainError, match=r"day must be one row a day, in order, was [23] after [24]"):
            model(name).value(columns | {"day": np.array(days)})
    with pytest.raises(DomainError, match=r"of one dimension, was of shape \(1, 5\)"):
        model(name).value({key: column[None] for key, column in columns.items()})


@pytest.mark.parametrize("name", WINDOWED)
def test_no_window_looks_ahead(name: str) -> None:
    columns = synthetic(450)
    whole, part = model(name).value(columns), model(name).value(rows_of(columns, slice(0, 420)))
    np.testing.assert_array_equal(part.value, whole.value[:420])
    np.testing.assert_array_equal(part.reason == "", whole.reason[:420] == "")
    for key, values in part.parts.items():
        np.testing.assert_array_equal(values, whole.parts[key][:420])


def test_ratios_of_caps_and_prices() -> None:
    columns = synthetic(20)
    columns["transfer_btc"][3] = 0.0
    nvt, mvrv, realized = (model(name).value(columns) for name in ("nvt", "mvrv", "realized-price"))
    for i in range(20):
        moved = columns["transfer_btc"][i] * columns["price_usd"][i]
        agree(nvt.value[i], columns["market_cap_usd"][i] / moved if i != 3 else np.nan)
        agree(mvrv.value[i], columns["market_cap_usd"][i] / columns["realized_cap_usd"][i])
        agree(realized.price_usd[i], columns["realized_cap_usd"][i] / columns["supply_btc"][i])
    assert nvt.reason[3] == "no transfer that day"


def test_hashprice() -> None:
    columns = synthetic(30)
    columns["blocks"][4] = columns["hash_rate"][5] = 0.0
    said = model("hashprice").value(columns)
    for i in range(30):
        if i not in (4, 5):
            subsidy = 50.0 if columns["height"][i] < 210_000 else 25.0
            reward = subsidy + columns["fees_btc"][i] / columns["blocks"][i]
            expected = reward * 144 * columns["price_usd"][i] / (columns["hash_rate"][i] / 1e15)
            assert said.value[i] == pytest.approx(expected, rel=1e-12)
    assert {*said.parts["subsidy_btc"]} == {50.0, 25.0}
    agree(said.parts["subsidy_usd"] + said.parts["fees_usd"], said.value)
    assert said.reason[4] == "no block that day"
    assert said.reason[5] == "hash rate 0"


def test_metcalfe() -> None:
    said = model("metcalfe").value({"active_addresses": [0.0, 1.0, 1e6], "supply_btc": 2e7})
    assert said.reason.tolist() == ["no active address", "", ""]
    agree(said.value[1:], [math.exp(1.51), math.exp(1.51) * 1e6**1.69])
    agree(said.price_usd, said.value / 2e7)
    bare = model("metcalfe").value({"active_addresses": 1e6})
    assert np.isnan(bare.price_usd)
    assert bare.value == said.value[2]
    assert bare.notes[-1] == "parts that need supply_btc are not known"


@pytest.mark.parametrize(
    ("height", "day", "difficulty", "efficiency", "price"),
    [(row[0], row[1], row[2], row[3], row[4]) for row in CHAIN["history"]],
)
def test_true_price_golden(height: int, day: int, difficulty: float, efficiency: float, price: float) -> None:
    columns = {
        "height": height,
        "time": day,
        "hash_rate": difficulty * 2**32 / 600,
        "efficiency": efficiency,
        "energy_cost": 0.044,
    }
    assert model("true-price").value(columns).price_usd == pytest.approx(price, rel=1e-12)


def test_true_price_is_the_formula_s_bit_for_bit() -> None:
    columns = synthetic(40)
    columns["height"] = np.concatenate([[0, 1, 52_559, 52_560, 6_929_999, 6_930_000], columns["height"][6:]])
    columns["hash_rate"][9] = np.nan
    said = model("true-price").value(columns)
    for i in range(40):
        if i != 9:
            row = true_price(
                int(columns["height"][i]), columns["hash_rate"][i], columns["time"][i], 25.0, 0.044
            )
            assert said.reason[i] == (row.reason or "")
            for name in ("scarcity", "maturity", "multiplier", "cost_usd", "halvings"):
                np.testing.assert_array_equal(said.parts[name][i], getattr(row, name))
            np.testing.assert_array_equal(said.price_usd[i], row.price_usd)
    assert said.reason[9] == "needs hash_rate"
    assert "stock-to-flow is at most 1: scarcity is 0" in said.notes
    assert any("by construction" in note for note in said.notes)
    other = model("true-price").value(rows_of(columns, slice(-3, None)) | {"energy_cost": 0.05})
    assert other.notes == ()


@pytest.mark.parametrize("name", ["s2f-planb-2019", "s2f-463d"])
def test_where_stock_to_flow_is_singular(name: str) -> None:
    said = model(name).value({"height": np.array([0, 1, 52_560, 52_561, 6_929_999, 6_930_000])})
    assert said.reason.tolist() == ["height 0", "", "", "", "", "no subsidy"]
    assert said.parts["stock_to_flow"][2] == 1.0
    assert "stock-to-flow is at most 1: the power law goes on, below all it was fitted to" in said.notes
    assert said.notes[0].startswith("a documented failure")
    late = model(name).value({"height": 925_810})
    assert not any("at most 1" in note for note in late.notes)


def test_the_other_year_of_stock_to_flow() -> None:
    other = StockToFlow(
        name="s2f-julian",
        title="",
        source="",
        kind="cap",
        intercept=14.6,
        exponent=3.3,
        blocks_per_year=52_596,
    )
    here, there = (law.value({"height": 925_810}) for law in (PLANB_2019, other))
    assert there.parts["stock_to_flow"] / here.parts["stock_to_flow"] == pytest.approx(52_560 / 52_596)
    assert there.value / here.value == pytest.approx((52_560 / 52_596) ** 3.3)
    assert "a year is 52,596 blocks" in there.notes


def test_a_power_law_begins_after_its_first_day() -> None:
    said = model("power-law-a").value({"day": [0, 14_247, 14_248]})
    assert said.reason.tolist() == ["no day since 2009-01-03"] * 2 + [""]
    assert said.value[2] == pytest.approx(10**-17.0161223)


@pytest.mark.parametrize("name", ["energy", "landauer"])
def test_energy_needs_a_subsidy(name: str) -> None:
    said = model(name).value(
        {"height": [0, 6_929_999, 6_930_000], "hash_rate": [1e18, 0.0, 1e18], "efficiency": 25.0}
    )
    assert said.reason.tolist() == ["", "", "no subsidy"]
    assert said.value[1] == 0.0
    assert not np.isinf(list(said.parts.values())).any()


def test_power_law_fit_is_that_of_statsmodels() -> None:
    columns = synthetic(300)
    law = power_law.fit(columns["day"], columns["price_usd"])
    x = sm.add_constant(np.log10(columns["day"] - 14_247))
    slow = sm.OLS(np.log10(columns["price_usd"]), x).fit()
    assert [law.intercept, law.exponent] == pytest.approx(slow.params.tolist(), rel=1e-9)
    assert law.regression is not None
    assert law.regression.r_squared == pytest.approx(slow.rsquared, rel=1e-9)
    assert law.regression.residual_sd == pytest.approx(math.sqrt(slow.ssr / 300), rel=1e-9)
    assert (law.regression.n, law.fitted, law.name) == (300, True, "power-law-fit")
    assert str(law.fit_window[0] if law.fit_window else None) == "2010-07-08"
    assert model("power-law-a").fit_window is None


@given(st.floats(-20.0, 5.0), st.floats(-3.0, 7.0), st.integers(3, 50))
def test_a_fit_finds_the_law_that_made_the_prices(intercept: float, exponent: float, n: int) -> None:
    days = 14_247 + 100 * np.arange(1, n + 1)
    law = power_law.fit(days, 10.0 ** (intercept + exponent * np.log10(days - 14_247)))
    assert law.intercept == pytest.approx(intercept, abs=1e-8)
    assert law.exponent == pytest.approx(exponent, abs=1e-8)


def test_metcalfe_fit() -> None:
    columns = synthetic(300)
    law = metcalfe.fit(columns["day"], columns["active_addresses"], columns["market_cap_usd"])
    ratio = [
        math.log(c / n**2)
        for c, n in zip(columns["market_cap_usd"], columns["active_addresses"], strict=True)
    ]
    assert law.exponent == 2.0
    assert law.intercept == pytest.approx(sum(ratio) / 300)
    assert law.regression is not None
    assert law.regression.residual_sd == pytest.approx(np.std(ratio))
    said = law.value(columns)
    agree(said.value, math.exp(law.intercept) * columns["active_addresses"] ** 2)
    assert said.notes[0] == "its coefficients were fitted to market prices of 2010-07-08 to 2011-05-03"
    assert model("metcalfe").value(columns).notes[0].endswith("over days its author does not state")


@pytest.mark.parametrize(
    ("days", "prices", "rule"),
    [
        ([15_000, 15_001, 15_002], [1.0, 0.0, 2.0], r"prices must be finite and > 0, was 0\.0"),
        ([15_000, 15_001, 15_002], [1.0, math.nan, 2.0], "prices must be finite and > 0, was nan"),
        ([15_000, 15_001], [1.0, 2.0], "days must have at least 3 different values, was 2"),
        ([15_000] * 3, [1.0, 2.0, 3.0], "days must have at least 3 different values, was 1"),
        (
            [15_000, 15_001, 15_002],
            [1.0, 2.0],
            r"days and prices must be of one length, was \(3,\) and \(2,\)",
        ),
        ([14_247, 15_001, 15_002], [1.0, 2.0, 3.0], r"days must be > 14247 \(2009-01-03\), was 14247"),
    ],
)
def test_what_no_law_is_fitted_to(days: list[int], prices: list[float], rule: str) -> None:
    with pytest.raises(DomainError, match=rule):
        power_law.fit(days, prices)


def test_days_of_a_fit_are_integers() -> None:
    with pytest.raises(TypeError, match="days must be of integers, was float64"):
        power_law.fit([15_000.0, 15_001.0, 15_002.0], [1.0, 2.0, 3.0])


class TestEveryModel:
    """What holds for each entry of the registry."""

    @pytest.mark.parametrize("name", MODELS)
    def test_says_what_it_is(self, name: str) -> None:
        entry = model(name)
        assert entry.name == name
        assert all((entry.title, entry.unit, entry.source, entry.channels))
        assert entry.kind in ("price", "cap", "ratio", "energy", "signal")
        assert {*entry.channels, *entry.optional} <= set(CHANNELS)
        assert entry.prices_inside == bool(PRICES & set(entry.channels))
        assert entry.fitted or entry.fit_window is None
        assert entry.fit_window is None or entry.fit_window[0] <= entry.fit_window[1]
        assert entry.available(entry.channels)
        assert not entry.available(entry.channels[1:])
        said = entry.value(synthetic(400))
        assert said.unit == entry.unit
        if entry.kind == "price":
            np.testing.assert_array_equal(said.price_usd, said.value)

    @pytest.mark.parametrize("name", MODELS)
    def test_is_frozen(self, name: str) -> None:
        with pytest.raises(FrozenInstanceError):
            model(name).name = "other"  # type: ignore[misc]

    @pytest.mark.parametrize("name", ROWWISE)
    def test_arrays_are_the_numbers_one_by_one(self, name: str) -> None:
        columns = synthetic(25)
        whole = model(name).value(columns)
        table = model(name).value({key: column.reshape(5, 5) for key, column in columns.items()})
        np.testing.assert_array_equal(table.value, whole.value.reshape(5, 5))
        for i in range(25):
            one = model(name).value({key: column[i] for key, column in columns.items()})
            assert one.value.shape == one.price_usd.shape == one.reason.shape == ()
            np.testing.assert_allclose(one.value, whole.value[i], rtol=1e-14)
            np.testing.assert_allclose(one.price_usd, whole.price_usd[i], rtol=1e-14)

    @pytest.mark.parametrize("name", MODELS)
    @given(st.data())
    @settings(max_examples=15)
    def test_is_a_number_or_says_why_not(self, name: str, data: st.DataObject) -> None:
        columns = synthetic(430)
        for key in model(name).channels:
            rows = data.draw(st.lists(st.integers(0, 429), max_size=3), key)
            if key not in INTEGERS:
                odd = data.draw(st.sampled_from([math.nan, 1e-300, 1e300]))
                columns[key][rows] = odd if CHANNELS[key] != "any" else math.nan
        if data.draw(st.booleans()):
            columns["height"] = columns["height"] * data.draw(st.sampled_from([0, 30, 100]))
        columns = rows_of(columns, np.arange(430) != data.draw(st.integers(0, 500)))
        said = model(name).value(columns)
        assert ((said.reason == "") == np.isfinite(said.value)).all()
        assert not np.isinf(said.price_usd).any()
        assert not any(np.isinf(part).any() for part in said.parts.values())
        assert all(part.shape == said.value.shape for part in said.parts.values())
        assert np.isnan(said.price_usd[said.reason != ""]).all()

    @pytest.mark.parametrize("name", MODELS)
    def test_leaves_its_columns_alone(self, name: str) -> None:
        columns, again = synthetic(400), synthetic(400)
        model(name).value(columns)
        for key, column in columns.items():
            np.testing.assert_array_equal(column, again[key])

    @pytest.mark.parametrize("name", MODELS)
    def test_refuses_what_cannot_be(self, name: str) -> None:
        for key in model(name).channels:
            columns = synthetic(3)
            if CHANNELS[key].startswith("integer"):
                with pytest.raises(TypeError, match=f"{key} must be of integers, was float64"):
                    model(name).value(columns | {key: columns[key] * 1.0})
                with pytest.raises(DomainError, match=rf"{key} must be from 0 to \d+, was -1"):
                    model(name).value(columns | {key: np.array([5, -1, 6])})
                continue
            with pytest.raises(DomainError, match=f"{key} must be finite.*, was inf"):
                model(name).value(columns | {key: math.inf})
            with pytest.raises(TypeError, match=f"{key} must be of numbers, was"):
                model(name).value(columns | {key: "12"})
            if CHANNELS[key] != "any":
                with pytest.raises(DomainError, match=rf"{key} must be finite and >=? 0, was -1\.5"):
                    model(name).value(columns | {key: np.array([1.0, -1.5, 1.0])})
            if CHANNELS[key] == "> 0":
                with pytest.raises(DomainError, match=rf"{key} must be finite and > 0, was 0\.0"):
                    model(name).value(columns | {key: 0.0})


def test_columns_of_different_lengths_are_no_table() -> None:
    with pytest.raises(
        DomainError, match=r"equal shapes, was market_cap_usd \(3,\), realized_cap_usd \(2,\)"
    ):
        model("mvrv").value({"market_cap_usd": np.ones(3), "realized_cap_usd": np.ones(2)})


def test_columns_of_a_state() -> None:
    columns = state_columns(chain_state(925_810, 1_764_478_080, hash_rate=1081.88e18, efficiency=25.0))
    assert columns["day"] == 20_422  # 2025-11-30, not yet over
    assert columns["supply_btc"] == 19_955_659.375
    said = {name: entry.value(columns) for name, entry in MODELS.items()}
    assert said["true-price"].price_usd == pytest.approx(96972.46415286741, rel=1e-12)
    assert said["power-law-a"].price_usd == pytest.approx(138272.3229, abs=5e-5)
    assert {str(answer.reason) for answer in said.values() if np.isnan(answer.value)} == {
        "needs active_addresses",
        "needs market_cap_usd, transfer_btc, price_usd",
        "needs realized_cap_usd",
        "needs market_cap_usd, realized_cap_usd",
        "needs issuance_btc, price_usd",
        "needs price_usd, fees_btc, blocks",
        "fewer than 60 days",
        "fewer than 200 days",
    }
    assert all(isinstance(answer, Valuation) for answer in said.values())
