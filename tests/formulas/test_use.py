"""What formulas take and how they speak: tables, times, names, words, copies."""

import copy
import pickle
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from livetrading.formulas.checks.markets import market
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import StepFormula
from livetrading.formulas.panel import Panel
from livetrading.formulas.registry import create, register, run

ROWS = 200
SECONDS = 1_700_000_000 + 7 * np.arange(ROWS)
PRICE = 50_000.0 + np.random.default_rng(1).standard_normal(ROWS).cumsum()
SAID = run(44, {"ts": SECONDS * 10**9, "price": PRICE})
"""Of a formula whose value depends on the time between prices."""


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_ns_whatever_their_unit(unit: str, tmp_path: Path) -> None:
    stamps = SECONDS.astype("M8[s]").astype(f"M8[{unit}]")
    frame = pd.DataFrame({"ts": stamps, "price": PRICE})
    frame.to_parquet(tmp_path / "x.parquet")
    for source in ({"ts": stamps, "price": PRICE}, frame, tmp_path / "x.parquet"):
        assert np.array_equal(run(44, source).value, SAID.value, equal_nan=True)


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_times_of_pandas(zone: str | None) -> None:
    stamps = pd.Series(SECONDS.astype("M8[s]")).dt.tz_localize("UTC").dt.tz_convert(zone)
    for frame in (
        pd.DataFrame({"ts": stamps, "price": PRICE}),
        pd.DataFrame({"price": PRICE, "note": "no number"}, index=pd.DatetimeIndex(stamps)),
    ):
        assert np.array_equal(run(44, frame).value, SAID.value, equal_nan=True)


@pytest.mark.parametrize(
    "ts",
    [
        SECONDS + 0.5,
        np.full(ROWS, "2024-01-01"),
    ],
    ids=["fraction", "text"],
)
def test_what_is_no_time_is_refused(ts: Any) -> None:
    with pytest.raises(FormulaError, match="ts must"):
        run(44, {"ts": ts, "price": PRICE})


def test_what_is_no_observation_is_refused() -> None:
    with pytest.raises(FormulaError, match=r"ts must be whole ns .* was datetime"):
        create(141).update(price=1.0, ts=datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(FormulaError, match="must be a mapping"):
        create(141).update(5.0)  # type: ignore[arg-type]


TIMED = (3, 27, 44, 102, 103, 105, 107, 109, 110, 114, 118, 120, 125, 126)


@pytest.mark.parametrize("id", TIMED)
def test_without_time_none_is_made_up(id: int) -> None:
    rows = {name: column for name, column in market(1_200).items() if name != "ts"}
    said = run(id, rows)
    assert said.unavailable is not None
    assert "give it a source that carries ts" in str(said.unavailable)
    assert not said.ready.any()
    formula = create(id)
    for i in range(1_200):
        formula.update({name: column[i] for name, column in rows.items()})
    assert not formula.ready
    assert formula.unavailable == said.unavailable


def test_what_comes_before_the_first_time_does_not_count() -> None:
    rows = {name: column[:200] for name, column in market(300).items()}
    rows["ts"] = np.where(np.arange(200) < 50, np.nan, rows["ts"].astype(float))
    stream, value = create(120, n=20), []
    for i in range(200):
        stream.update({name: column[i] for name, column in rows.items()})
        value.append(stream.value)
    assert np.array_equal(run(120, rows, n=20).value, value, equal_nan=True)
    after = run(120, {name: column[50:] for name, column in rows.items()}, n=20)
    assert np.array_equal(value[50:], after.value, equal_nan=True)


@pytest.mark.parametrize("cut", [20, 150])
def test_a_channel_may_be_in_some_rows_only(cut: int) -> None:
    rows, at = {name: column[:300] for name, column in market(600).items()}, np.arange(300)
    rows["account.position"] = np.where((at < 20) | (at >= 150), np.nan, 1.0)
    whole, parts = create(138, n=50).run(rows), create(138, n=50)
    parts.run({name: column[:cut] for name, column in rows.items()})
    after = parts.run({name: column[cut:] for name, column in rows.items()})
    assert after.ready.any()
    assert np.array_equal(after.value, whole.value[cut:], equal_nan=True)


class TestTables:
    def test_kinds(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"ts": SECONDS * 10**9, "price": PRICE, "symbol": "BTC"})
        frame.to_csv(tmp_path / "x.csv", index=False)
        for source in (frame, frame.to_records(index=False), tmp_path / "x.csv", str(tmp_path / "x.csv")):
            assert np.array_equal(run(44, source).value, SAID.value, equal_nan=True)
            assert np.array_equal(create(44).run(source).value, SAID.value, equal_nan=True)
            if isinstance(source, pd.DataFrame):
                source = source.drop(columns="symbol")
            elif isinstance(source, np.ndarray):
                source = source[["ts", "price"]]
            assert np.array_equal(Panel([44]).extend(source)[44].value, SAID.value, equal_nan=True)

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            (PRICE, "must be a mapping .* was ndarray"),
            ([{"price": 1.0}], "was list"),
            ({"Close": PRICE, "Volume": PRICE}, "in lower case.*were Close, Volume"),
            ({"price": PRICE[:, None]}, r"price \(200, 1\)"),
            ({"price": ["much"]}, "price must be a column of numbers"),
            ("nowhere.csv", "nowhere.csv must be readable, was missing"),
            ("x.txt", "one of .csv"),
        ],
    )
    def test_what_does_not_fit_says_how(self, source: Any, words: str) -> None:
        with pytest.raises(FormulaError, match=words):
            run(141, source)

    def test_a_batch_is_a_table(self) -> None:
        frame = pd.DataFrame(run(143, {"price": PRICE}).columns())
        assert list(frame)[:4] == ["value", "signal", "confidence", "ready"]
        assert {"upper", "lower"} <= set(frame)
        assert len(frame) == ROWS == len(run(143, {"price": PRICE}))


class TestWords:
    def test_names_that_are_near(self) -> None:
        with pytest.raises(FormulaError, match="was 'RSI'; near it: 145 RSIMeanReversion"):
            create("RSI")
        with pytest.raises(FormulaError, match="near it: 141 ZScoreSignal"):
            create("ZScroeSignal")

    def test_numpy_ids(self) -> None:
        assert run(np.int64(141), {"price": PRICE}, n=5).id == 141  # type: ignore[call-overload]

    def test_help_names_the_parameters(self) -> None:
        score = type(create(141))
        assert str(signature(score)) == "(*, n=100, entry=2.0, exit=0.0)"
        assert score.__dict__["n"].__doc__ == score.__dict__["n"].doc

    @pytest.mark.parametrize("id", [0, 412, 999, 1_000_000])
    def test_ids_of_ones_own(self, id: int) -> None:
        with pytest.raises(FormulaError, match="or from 1000 to 999999 for one of your own"):
            register(id=id, name="Own", category="own", inputs=("trade",), reference="mine")(StepFormula)
        with pytest.raises(FormulaError, match=r"inputs must be some of .* were 'bar'"):
            register(id=1_000, name="Own", category="own", inputs="bar", reference="a")(StepFormula)  # type: ignore[arg-type]

    def test_a_formula_shows_itself(self) -> None:
        score = create(141, n=5)
        assert repr(score).startswith("<141 ZScoreSignal(n=5, entry=2.0, exit=0.0): not ready, channel trade")
        for price in (1.0, 2.0, 3.0, 4.0, 10.0):
            score.update(price=price)
        assert repr(score).endswith("value 1.89737, signal 0, confidence 0.474>")

    def test_a_batch_shows_itself(self) -> None:
        said = repr(run(141, {"price": PRICE}, n=50))
        assert said.startswith("<Batch 141 ZScoreSignal: 151 of 200 rows ready, last value")
        assert "0 of 0 rows" in repr(run(141, {"price": []}))


class TestCopies:
    @pytest.mark.parametrize("id", [141, 10, 20, 114])
    def test_a_formula_is_pickled_and_copied_in_mid_stream(self, id: int) -> None:
        rows = market(700)
        formula = create(id, **({"dt": 20.0, "n": 25, "refit": 35} if id == 114 else {"n": 50}))
        formula.run({name: column[:350] for name, column in rows.items()})
        copies = pickle.loads(pickle.dumps(formula)), copy.deepcopy(formula)
        rest = {name: column[350:] for name, column in rows.items()}
        value = formula.run(rest).value
        for one in copies:
            assert np.array_equal(one.run(rest).value, value, equal_nan=True)

    def test_a_state_goes_to_disk(self, tmp_path: Path) -> None:
        formula = create(10, n=50)
        formula.run({"price": PRICE[:100]})
        (tmp_path / "state").write_bytes(pickle.dumps(formula.state()))
        other = create(10, n=50)
        other.restore(pickle.loads((tmp_path / "state").read_bytes()))
        rest = {"price": PRICE[100:]}
        assert np.array_equal(other.run(rest).value, formula.run(rest).value)

    def test_one_of_a_panel_is_saved_with_it(self) -> None:
        with pytest.raises(FormulaError, match="saved with it"):
            pickle.dumps(Panel([10])[10])


def test_a_panel_is_a_mapping() -> None:
    panel = Panel([131, 141])
    assert list(panel) == [131, 141]
    assert panel["ZScoreSignal"] is panel[141]
    assert 141 in panel
    assert repr(panel) == "<Panel of 2 formulas, 0 rows: 131, 141>"
    with pytest.raises(FormulaError, match="panel has the formulas 131, 141, was asked for 9"):
        panel[9]
