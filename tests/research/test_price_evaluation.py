"""The evaluation of a made-up history against pandas, its words, and the figures of the recorded one."""

import json
from dataclasses import replace
from datetime import date, timedelta
from math import isnan, nan
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from livetrading.blockchain.protocol import height_at
from livetrading.data.chain_history import ChainHistory, embedded_history, read_chain_history
from livetrading.data.errors import DataError
from livetrading.research.evaluation_table import (
    evaluation_lines,
    evaluation_notes,
    evaluation_tables,
    evaluation_tree,
)
from livetrading.research.price_evaluation import Evaluation, evaluate
from livetrading.research.price_findings import findings

ROOT: Final = Path(__file__).parents[2]
RECORDED: Final = ROOT.parent / "shared" / "data" / "btc_onchain_daily.csv.gz"
GOLDEN: Final = json.loads((ROOT / "tests" / "golden" / "evaluation.json").read_text())
GENESIS: Final = date(2009, 1, 3)


@pytest.fixture(scope="module")
def history(made_history: Path) -> ChainHistory:
    return read_chain_history(made_history)


@pytest.fixture(scope="module")
def found(history: ChainHistory) -> Evaluation:
    return evaluate(history)


@pytest.fixture(scope="module")
def frame(made_history: Path) -> pd.DataFrame:
    """The same file by pandas, with models written out once more."""
    table = pd.read_csv(made_history, parse_dates=["date"]).set_index("date")
    age = np.array([(day.date() - GENESIS).days for day in table.index])
    heights = np.array([height_at(int(day.timestamp()) + 86_399) for day in table.index])
    reward = 50.0 / 2.0 ** (heights // 210_000)
    supply = np.array(
        [sum(min(max(h + 1 - 210_000 * k, 0), 210_000) * 50.0 / 2**k for k in range(5)) for h in heights]
    )
    table["power-law-a"] = 10 ** (-17.0161223 + 5.8451542 * np.log10(age))
    table["s2f-463d"] = np.exp(-1.84) * ((supply - reward) / (reward * 52_560)) ** 3.36
    table["metcalfe"] = np.exp(1.51) * table.active_addresses**1.69
    table["realized-price"] = table.realized_cap_usd / supply
    table["price 365 days ago"] = table.price_usd.shift(365)
    table["price 30 days ago"] = table.price_usd.shift(30)
    table["200-day mean price"] = table.price_usd.rolling(200).mean()
    return table


LABELS: Final = (
    "power-law-a",
    "s2f-463d",
    "metcalfe",
    "realized-price",
    "price 365 days ago",
    "price 30 days ago",
    "200-day mean price",
)


class TestRows:
    @pytest.mark.parametrize("label", LABELS)
    def test_equals_pandas(self, found: Evaluation, frame: pd.DataFrame, label: str) -> None:
        row = found.row(label)
        assert row is not None
        target = frame.market_cap_usd if label == "metcalfe" else frame.price_usd
        price, model = np.log(target), np.log(frame[label])
        error = price - model
        assert row.tracking.days == error.count()
        assert row.tracking.median_abs == pytest.approx(error.abs().median(), abs=1e-9)
        assert row.tracking.bias == pytest.approx(error.median(), abs=1e-9)
        assert row.tracking.corr_levels == pytest.approx(price.corr(model), abs=1e-9)
        late = error[str(found.split) :].abs().median()
        assert row.tracking.median_abs_late == pytest.approx(late, abs=1e-9)
        assert row.tracking.corr_changes == pytest.approx(price.diff(30).corr(model.diff(30)), abs=1e-9)

    def test_window_and_split(self, found: Evaluation, frame: pd.DataFrame) -> None:
        assert (found.first, found.last, found.days) == (date(2016, 3, 1), date(2021, 5, 13), len(frame))
        assert found.split == date(2020, 1, 1)
        assert found.halvings == 2

    def test_no_name_holds_the_comma_that_parts_names_in_a_sentence(self, found: Evaluation) -> None:
        assert not [row.label for row in found.rows if "," in row.label]

    def test_cost_of_energy_is_a_shift_and_changes_no_forecast(self, found: Evaluation) -> None:
        one, other = found.row("true-price"), found.row("true-price c 0.05")
        assert one is not None
        assert other is not None
        assert one.tracking.bias - other.tracking.bias == pytest.approx(np.log(0.05 / 0.044))
        for form in ("level", "error-correction"):
            ahead = found.outlook("true-price c 0.05", form, 30)
            assert ahead is not None
            assert ahead.same_as == "true-price"
            assert ahead.adjusted_p == found.outlook("true-price", form, 30).adjusted_p  # type: ignore[union-attr]

    def test_flags(self, found: Evaluation) -> None:
        flags = {r.label: (r.benchmark, r.prices_inside, r.fitted, r.scheduled) for r in found.rows}
        assert flags["power-law-b"] == (False, False, True, True)
        assert flags["true-price"] == (False, False, True, False)
        assert flags["realized-price"] == (False, True, False, False)
        assert flags["200-day mean price"] == (True, True, False, False)

    def test_what_gives_no_price_is_named(self, found: Evaluation) -> None:
        assert found.unavailable["nvt"] == "the answer is no price"
        assert found.unavailable["thermocap"] == "needs issuance_btc"

    def test_refits_equal_polyfit(self, found: Evaluation, frame: pd.DataFrame) -> None:
        assert [refit.until.year for refit in found.refits] == [2018, 2019]
        age = np.array([(day.date() - GENESIS).days for day in frame.index])
        for refit in found.refits:
            known = frame.index <= str(refit.until)
            slope, intercept = np.polyfit(np.log10(age[known]), np.log10(frame.price_usd[known]), 1)
            later = np.log(frame.price_usd[~known]) - np.log(10) * (intercept + slope * np.log10(age[~known]))
            assert refit.exponent == pytest.approx(slope, rel=1e-8)
            assert refit.later_median_abs == pytest.approx(later.abs().median(), rel=1e-8)
            assert refit.later_bias == pytest.approx(later.median(), rel=1e-8)

    def test_benchmarks_see_the_window_alone(self, history: ChainHistory) -> None:
        part = evaluate(history, {}, first=date(2018, 1, 1), last=date(2020, 12, 31))
        days = {row.label: row.tracking.days for row in part.rows}
        n = (date(2021, 1, 1) - date(2018, 1, 1)).days
        assert days == {
            "price 365 days ago": n - 365,
            "price 30 days ago": n - 30,
            "200-day mean price": n - 199,
        }

    def test_a_gap_is_no_price_of_any_benchmark(self, history: ChainHistory) -> None:
        day = history.columns["day"]
        kept = (day < day[600]) | (day > day[603])
        columns = {name: values[kept] for name, values in history.columns.items()}
        holed = evaluate(replace(history, columns=columns), {})
        days = {row.label: row.tracking.days for row in holed.rows}
        n = len(day)
        assert holed.days == n - 4
        assert days["price 30 days ago"] == n - 30 - 8
        assert days["200-day mean price"] == n - 199 - 4 - 199


class TestVerdicts:
    def test_a_random_walk_is_not_foretold(self, found: Evaluation) -> None:
        assert len(found.outlooks) == len(found.rows) * 4
        assert not [one for one in found.outlooks if one.verdict == "beats"]
        assert any("none is shown to beat the last price" in text for text in findings(found))

    def test_a_model_that_prices_return_to_is_found(self, made_history: Path, tmp_path: Path) -> None:
        """Prices that revert to the realized price within weeks are foretold by it, and the words say so."""
        rng = np.random.default_rng(3)
        value = np.cumsum(rng.normal(0.0, 0.002, 2600))
        gap = np.zeros(2600)
        for i in range(1, 2600):
            gap[i] = 0.97 * gap[i - 1] + rng.normal(0.0, 0.06)
        start, rows = date(2013, 1, 1), ["date,price,realized_cap_usd,height"]
        for i in range(2600):
            day = start + timedelta(days=i)
            height = height_at(int(pd.Timestamp(day).timestamp()) + 86_399)
            supply = embedded_supply(height)
            rows.append(f"{day},{100 * np.exp(value[i] + gap[i])},{100 * np.exp(value[i]) * supply},{height}")
        path = tmp_path / "reverts.csv"
        path.write_text("\n".join(rows))
        found = evaluate(read_chain_history(path))
        ahead = found.outlook("realized-price", "error-correction", 30)
        assert ahead is not None
        assert ahead.verdict == "beats"
        assert ahead.naive.rmse_ratio < 0.9
        said = " ".join(findings(found))
        assert "these beat the last price" in said
        assert "realized-price (error-correction, 30 days)" in said
        assert "none is shown" not in said

    @pytest.mark.parametrize(
        ("ratio", "p", "verdict"),
        [
            (0.9, 0.01, "beats"),
            (0.9, 0.2, "lower"),
            (1.1, 0.2, "higher"),
            (1.1, 0.01, "worse"),
            (nan, nan, "undefined"),
            (0.9, nan, "lower"),
        ],
    )
    def test_words(self, found: Evaluation, ratio: float, p: float, verdict: str) -> None:
        one = found.outlooks[0]
        assert replace(one, naive=replace(one.naive, rmse_ratio=ratio), adjusted_p=p).verdict == verdict


def embedded_supply(height: int) -> float:
    from livetrading.blockchain.protocol import issued

    return issued(height) / 1e8


class TestFindings:
    def test_they_name_the_numbers(self, found: Evaluation) -> None:
        row = found.row("true-price")
        assert row is not None
        said = " ".join(findings(found))
        assert f"off by a factor of {np.exp(row.tracking.median_abs):.2f} in the median" in said
        assert f"correlate with the market's at {row.tracking.corr_changes:+.2f}" in said
        assert "models that read no prices correlate" in said  # their constants were fitted to some
        assert "outside this window" in said
        assert "No model here is offered as an edge." in said

    @pytest.mark.parametrize(
        ("figures", "said", "not_said"),
        [
            ({"corr_changes": 0.02}, "does not track the market's moves", "shares"),
            ({"corr_changes": 0.8}, "shares 64% of the variance", "does not track"),
            ({"corr_changes": -0.8}, "moves against the market", "does not track"),
            ({"corr_changes": nan}, "TRUE PRICE at 0.044", "over 30 days correlate"),
            ({"median_abs": 0.01}, "no closer over all", "it is closer"),
            ({"median_abs": 3.0}, "it is closer over all", "no closer"),
            ({"slope_t": -9.5}, "true-price (-9.5)", "No model's error says"),
        ],
    )
    def test_other_numbers_give_other_sentences(
        self, found: Evaluation, figures: dict[str, float], said: str, not_said: str
    ) -> None:
        rows = tuple(
            replace(row, tracking=replace(row.tracking, **figures)) if row.label == "true-price" else row
            for row in found.rows
        )
        text = " ".join(findings(replace(found, rows=rows)))
        assert said in text
        assert not_said not in text

    def test_no_slope_beyond_chance_is_said(self, found: Evaluation) -> None:
        rows = tuple(replace(row, tracking=replace(row.tracking, slope_t=0.4)) for row in found.rows)
        said = " ".join(findings(replace(found, rows=rows)))
        assert "No model's error says anything of the next 90 days' return" in said

    @pytest.mark.parametrize(("late", "word"), [(1.2, "broke"), (0.2, "did not break")])
    def test_stock_to_flow(self, found: Evaluation, late: float, word: str) -> None:
        rows = tuple(
            replace(r, tracking=replace(r.tracking, median_abs_early=0.4, median_abs_late=late))
            for r in found.rows
        )
        assert f"Stock-to-flow {word}: off by a median factor of {np.exp(late):.2f}" in " ".join(
            findings(replace(found, rows=rows))
        )

    def test_a_short_window_says_that_nothing_can_be_said(self, history: ChainHistory) -> None:
        short = evaluate(history, first=date(2017, 1, 1), last=date(2017, 6, 30))
        said = " ".join(findings(short))
        assert "Out of sample nothing can be said" in said
        assert "Engle" not in said
        assert not short.refits
        json.dumps(evaluation_tree(short), allow_nan=False)


class TestTables:
    @pytest.mark.parametrize("last", [date(2016, 7, 10), date(2021, 5, 13)])
    def test_json_has_no_nan_and_a_reason_beside_each_null(self, history: ChainHistory, last: date) -> None:
        tree = json.loads(json.dumps(evaluation_tree(evaluate(history, last=last)), allow_nan=False))
        assert tree["last"] == str(last)
        for name, row in tree["models"].items():
            assert None not in row.values() or row["reason"], name
        for one in tree["forecasts"]:
            for side in ("against_last_price", "against_constant_growth"):
                assert None not in one[side].values() or one[side]["reason"]

    def test_tables_are_rectangles_with_every_row(self, found: Evaluation) -> None:
        tables = evaluation_tables(found)
        assert len(tables) == 4
        for _, (headings, *rows) in tables:
            assert {len(row) for row in rows} == {len(headings)}
        assert len(tables[0][1]) == 1 + len(found.rows)
        assert tables[0][1][8][0] == "metcalfe (cap)"

    def test_lines_have_every_forecast(self, found: Evaluation) -> None:
        lines = evaluation_lines(found)
        assert len(lines["forecasts"]) == len(found.outlooks)
        ahead = found.outlook("metcalfe", "level", 90)
        assert ahead is not None
        assert lines["forecasts"]["metcalfe, level, 90 days"]["rmse_ratio"] == ahead.naive.rmse_ratio

    def test_notes_name_gaps_and_caps(self, found: Evaluation) -> None:
        holed = replace(found, gaps=((date(2017, 1, 2), date(2017, 1, 5)),))
        notes = evaluation_notes(holed)
        assert "no price from 2017-01-02 to 2017-01-05, nothing was filled" in notes
        assert "compared with the market cap, not the price: metcalfe" in notes
        assert any(note.startswith("not evaluated: landauer, ") for note in notes)


class TestBadInput:
    def test_no_prices(self, history: ChainHistory) -> None:
        with pytest.raises(DataError, match="must have prices to be evaluated, was the chain alone"):
            evaluate(embedded_history())
        with pytest.raises(DataError, match="must hold at least 120 prices, was 31"):
            evaluate(history, first=date(2017, 1, 1), last=date(2017, 1, 31))
        with pytest.raises(
            DataError, match=r"must be among those of .*, 2016-03-01 to 2021-05-13, was 2022-01-01"
        ):
            evaluate(history, first=date(2022, 1, 1))

    def test_split_outside(self, history: ChainHistory) -> None:
        with pytest.raises(DataError, match="split must be from 2016-03-02 to 2021-05-13, was 2016-03-01"):
            evaluate(history, {}, split=date(2016, 3, 1))
        assert evaluate(history, {}, split=date(2016, 3, 2)).split == date(2016, 3, 2)


@pytest.fixture(scope="module")
def recorded() -> Evaluation:
    if not RECORDED.exists():
        pytest.skip("the recorded daily history is not beside the checkout (shared/data)")
    first, last, _ = GOLDEN["window"]
    return evaluate(
        read_chain_history(RECORDED), first=date.fromisoformat(first), last=date.fromisoformat(last)
    )


class TestRecorded:
    """The table of the design, to two digits: errors within 0.002, correlations within 0.01."""

    @pytest.mark.parametrize("label", GOLDEN["rows"])
    def test_rows(self, recorded: Evaluation, label: str) -> None:
        row = recorded.row(label)
        assert row is not None
        assert recorded.days == GOLDEN["window"][2]
        for name, expected in zip(GOLDEN["columns"], GOLDEN["rows"][label], strict=True):
            if expected is not None:
                tolerance = tolerance_of(name)
                assert getattr(row.tracking, name) == pytest.approx(expected, abs=tolerance), name

    @pytest.mark.parametrize("year", GOLDEN["refits"])
    def test_refits(self, recorded: Evaluation, year: str) -> None:
        (refit,) = [refit for refit in recorded.refits if refit.until.year == int(year)]
        intercept, exponent, error, bias = GOLDEN["refits"][year]
        assert refit.intercept == pytest.approx(intercept, abs=0.001)
        assert refit.exponent == pytest.approx(exponent, abs=0.001)
        assert refit.later_median_abs == pytest.approx(error, abs=0.002)
        assert bias is None or refit.later_bias == pytest.approx(bias, abs=0.002)

    def test_words(self, recorded: Evaluation) -> None:
        said = " ".join(findings(recorded))
        for text in (
            "the price of 30 days before reaches 0.994",
            "correlate with the market's at +0.02",
            "does not track the market's moves",
            "off by a factor of 1.65 in the median, 1.28 from 2020-01-01 on",
            "is off by 1.24 and 1.20: it is closer over all",
            "inside this window: in-sample by design",
            "Stock-to-flow broke: off by a median factor of 3.20",
            "48 points, 3 halvings and 10 models tried",
            "none is shown to beat the last price",
        ):
            assert text in said

    def test_readme_shows_these_tables(self, recorded: Evaluation) -> None:
        shown = {tuple(line.split()) for line in (ROOT / "README.md").read_text("utf-8").splitlines()}
        tables = evaluation_tables(recorded)
        for _, (_, *rows) in (tables[0], tables[1], tables[3]):
            for row in rows:
                assert tuple(" ".join(row).split()) in shown


def test_all_recorded_days_say_what_the_readme_says_of_them() -> None:
    if not RECORDED.exists():
        pytest.skip("the recorded daily history is not beside the checkout (shared/data)")
    found = evaluate(read_chain_history(RECORDED))
    row = found.row("true-price")
    assert row is not None
    assert (found.days, found.first, found.last) == (5798, date(2010, 7, 18), date(2026, 6, 1))
    assert row.cointegration.p_value == pytest.approx(0.053, abs=0.0005)
    assert row.tracking.corr_changes == pytest.approx(0.34, abs=0.005)
    ratios = {
        (one.label, one.horizon): round(one.naive.rmse_ratio, 2)
        for one in found.outlooks
        if one.form == "error-correction" and one.label in ("true-price", "power-law-a", "power-law-b")
    }
    assert (ratios["true-price", 30], ratios["true-price", 90]) == (1.00, 1.03)
    assert all(1.01 <= ratio <= 1.04 for (label, _), ratio in ratios.items() if label != "true-price")
    assert not [one for one in found.outlooks if one.verdict == "beats"]


def tolerance_of(name: str) -> float:
    if name.startswith("corr") or name == "refit_slope":
        return 0.01
    return 0.06 if name == "slope_t" else 0.002


def test_nan_is_nowhere_a_verdict(found: Evaluation) -> None:
    rows: list[Any] = [one for one in found.outlooks if isnan(one.naive.rmse_ratio)]
    assert all(one.verdict == "undefined" for one in rows)
