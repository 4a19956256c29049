"""The golden numbers of the models, to the digits stated."""

import json
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from livetrading.blockchain.models import power_law
from livetrading.blockchain.models.energy_units import energy_value
from livetrading.blockchain.models.landauer import LANDAUER
from livetrading.blockchain.models.stock_to_flow import BLOCKS_PER_YEAR, PLANB_2019
from livetrading.blockchain.protocol import issued
from livetrading.blockchain.valuation import model

GOLDEN: Final = json.loads((Path(__file__).parents[1] / "golden" / "models.json").read_text())
RECORDED: Final = Path(__file__).parents[2].parent / "shared" / "data" / "btc_onchain_daily.csv.gz"
FIRST: Final = date(1970, 1, 1)
DAY_S: Final = 86_400

recorded = pytest.mark.skipif(
    not RECORDED.exists(), reason="the recorded days are not beside the project (../shared/data)"
)


def day_of(iso: str) -> int:
    return (date.fromisoformat(iso) - FIRST).days


def to_digits(value: Any, text: str) -> str:
    """The value with as many digits as the text states."""
    digits = len(text.partition("e")[0].partition(".")[2])
    return format(float(value), f".{digits}{'e' if 'e' in text else 'f'}")


@pytest.mark.parametrize(("iso", "days", "set_a", "set_b"), GOLDEN["power_law"]["rows"])
def test_power_law(iso: str, days: int, set_a: str, set_b: str) -> None:
    for name, text in (("power-law-a", set_a), ("power-law-b", set_b)):
        said = model(name).value({"day": day_of(iso)})
        assert said.parts["days"] == days
        assert to_digits(said.value, text) == text
        assert said.price_usd == said.value


@pytest.mark.parametrize(("height", "ratio", "cap", "variant"), GOLDEN["stock_to_flow"]["rows"])
def test_stock_to_flow(height: int, ratio: str, cap: str, variant: str) -> None:
    for name, text in (("s2f-planb-2019", cap), ("s2f-463d", variant)):
        said = model(name).value({"height": height})
        assert to_digits(said.parts["stock_to_flow"], ratio) == ratio
        assert to_digits(said.price_usd, text) == text
    supply = issued(height - 1) / 1e8
    assert model("s2f-planb-2019").value({"height": height}).value == pytest.approx(
        supply * float(cap), rel=2e-3
    )


def test_the_year_of_stock_to_flow_is_named() -> None:
    assert BLOCKS_PER_YEAR == 6 * 24 * 365 == 52_560
    assert "a year is 52,560 blocks" in PLANB_2019.value({"height": 925_810}).notes


def test_first_principles() -> None:
    golden = GOLDEN["first_principles"]
    assert LANDAUER.joule_per_bit == pytest.approx(golden["joule_per_bit"], rel=1e-15)
    assert LANDAUER.joule_per_hash == pytest.approx(golden["joule_per_hash"], rel=1e-15)
    for efficiency, text in golden["efficiency_ratio"]:
        said = LANDAUER.value({"height": 1, "hash_rate": 1.0, "efficiency": efficiency})
        assert to_digits(said.parts["efficiency_ratio"], text) == text
    floor = LANDAUER.value(golden["reference"])
    assert to_digits(floor.value, golden["floor_joule"]) == golden["floor_joule"]
    assert to_digits(floor.parts["kwh_per_btc"], golden["floor_kwh"]) == golden["floor_kwh"]
    assert to_digits(floor.parts["floor_usd"], golden["floor_usd"]) == golden["floor_usd"]


def test_energy_units() -> None:
    golden = GOLDEN["first_principles"]
    inputs = dict(golden["reference"])
    del inputs["energy_cost"]
    said = energy_value(**inputs)
    assert to_digits(said["kwh_per_btc"], golden["kwh"]) == golden["kwh"]
    assert to_digits(said["joule_per_btc"], golden["joule"]) == golden["joule"]
    assert to_digits(said["power_gw"], golden["power_gw"]) == golden["power_gw"]
    assert to_digits(said["twh_per_year"], golden["twh_per_year"]) == golden["twh_per_year"]
    assert said["btc_per_mwh"] == pytest.approx(1000 / 1_442_506.6666666667, rel=1e-12)


@pytest.fixture(scope="module")
def history() -> dict[str, Any]:
    """Columns of the recorded days, as a reader of daily files would hand them over."""
    import pandas as pd

    table = pd.read_csv(RECORDED, parse_dates=["date"])
    heights = table["height_eod"].to_numpy()
    supply = np.array([issued(int(height)) for height in heights])
    columns = {
        "day": (table["date"] - pd.Timestamp(FIRST)).dt.days.to_numpy(),
        "height": heights,
        "issuance_btc": np.diff(supply, prepend=0) / 1e8,
        "hash_rate": table["hash_rate_ehs"].to_numpy() * 1e18,
        "difficulty": table["difficulty_mean"].to_numpy(),
        "transfer_btc": table["transfer_adj_btc"].to_numpy(),
    }
    same = ("price_usd", "market_cap_usd", "realized_cap_usd", "supply_btc", "active_addresses", "blocks")
    return columns | {name: table[name].to_numpy(np.float64) for name in (*same, "fees_btc")}


@recorded
@pytest.mark.parametrize("row", GOLDEN["daily"]["rows"], ids=lambda row: str(row[0]))
def test_recorded_days(history: dict[str, Any], row: list[Any]) -> None:
    golden = dict(zip(GOLDEN["daily"]["columns"], row, strict=True))
    at = int(np.flatnonzero(history["day"] == day_of(golden.pop("date")))[0])
    thermocap = model("thermocap").value(history)
    found = {
        "price": history["price_usd"],
        "issuance": history["issuance_btc"],
        "puell": model("puell").value(history).value,
        "mvrv": model("mvrv").value(history).value,
        "realized": model("realized-price").value(history).value,
        "thermocap": thermocap.value / 1e9,
        "multiple": thermocap.parts["multiple"],
        "ribbons": model("hash-ribbons").value(history).value,
        "compression": model("difficulty-ribbon").value(history).value,
    }
    assert {name: float(column[at]) for name, column in found.items()} == pytest.approx(golden, rel=1e-4)


@recorded
def test_recorded_nvt(history: dict[str, Any]) -> None:
    at = history["day"] == day_of(GOLDEN["nvt"]["date"])
    said = model("nvt").value(history)
    assert to_digits(said.value[at][0], GOLDEN["nvt"]["value"]) == GOLDEN["nvt"]["value"]
    assert set(said.reason[history["day"] > day_of("2019-10-31")]) <= {
        "needs transfer_btc",
        "needs market_cap_usd",
    }


@recorded
def test_recorded_power_law_fit(history: dict[str, Any]) -> None:
    golden = GOLDEN["power_law_fit"]
    first, last = (day_of(iso) for iso in golden["window"])
    window = (history["day"] >= first) & (history["day"] <= last)
    day, price = history["day"][window], history["price_usd"][window]
    law = power_law.fit(day, price)
    assert law.fit_window == tuple(date.fromisoformat(iso) for iso in golden["window"])
    assert law.regression is not None
    assert law.regression.n == golden["n"]
    for name in ("intercept", "exponent"):
        assert to_digits(getattr(law, name), golden[name]) == golden[name]
    for name in ("r_squared", "residual_sd"):
        assert to_digits(getattr(law.regression, name), golden[name]) == golden[name]
    for year in (2014, 2019):
        early, then = day <= day_of(f"{year}-12-31"), golden[f"to_{year}"]
        law = power_law.fit(day[early], price[early])
        error = np.median(np.abs(np.log(price / law.value({"day": day}).value)[~early]))
        assert to_digits(law.exponent, then["exponent"]) == then["exponent"]
        if "later_median_factor" in then:
            assert to_digits(np.exp(error), then["later_median_factor"]) == then["later_median_factor"]
        else:
            assert to_digits(error, then["later_median_error"]) == then["later_median_error"]


@recorded
@pytest.mark.parametrize(("year", "cap", "variant"), GOLDEN["stock_to_flow_failure"]["rows"])
def test_recorded_failure_of_stock_to_flow(
    history: dict[str, Any], year: int, cap: str, variant: str
) -> None:
    days = (history["day"] >= day_of(f"{year}-01-01")) & (history["day"] <= day_of(f"{year}-12-31"))
    for name, text in (("s2f-planb-2019", cap), ("s2f-463d", variant)):
        ratio = model(name).value(history).price_usd[days] / history["price_usd"][days]
        assert to_digits(np.median(ratio), text) == text


@recorded
def test_recorded_errors_of_metcalfe(history: dict[str, Any]) -> None:
    error = np.log(history["market_cap_usd"]) - np.log(model("metcalfe").value(history).value)
    day, golden = history["day"], GOLDEN["metcalfe"]
    window = (day >= day_of("2014-01-02")) & (day <= day_of("2025-12-13")) & ~np.isnan(error)
    late = day >= day_of("2020-01-01")
    assert to_digits(np.median(np.abs(error[window & ~late])), golden["to_2019"]) == golden["to_2019"]
    assert to_digits(np.median(np.abs(error[window & late])), golden["from_2020"]) == golden["from_2020"]
    assert to_digits(np.median(np.abs(error[window])), golden["all"]) == golden["all"]
    assert to_digits(np.median(error[window]), golden["bias"]) == golden["bias"]
