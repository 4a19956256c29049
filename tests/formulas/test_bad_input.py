"""What formulas are given that is none of theirs: refused before anything has moved, or read right."""

import os
import pickle
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livetrading.formulas.base import Batch
from livetrading.formulas.checks.markets import market
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import MarketHistory
from livetrading.formulas.panel import Panel
from livetrading.formulas.registry import create, run
from livetrading.formulas.tables import read_observations

ROWS = 40
EACH = (3, 15, 60, 131, 141, 147, 148)
"""Of each base, and those that take an observation in a way of their own."""
SMALL: Mapping[int, dict[str, Any]] = {
    15: {"formation": 5, "skip": 1},
    60: {"n": 30},
    141: {"n": 5},
    147: {"n": 20, "refit": 5},
    148: {"n": 20, "refit": 5},
}


def made(id: int) -> Any:
    return create(id, **SMALL.get(id, {}))


def same(a: Batch, b: Batch) -> bool:
    return all(
        np.array_equal(mine, other, equal_nan=mine.dtype.kind == "f")
        for mine, other in zip(
            (a.value, a.signal, a.confidence, a.ready),
            (b.value, b.signal, b.confidence, b.ready),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    "id", [0, 412, True, None, nan, 141.0, b"141", "", "141 ", "\u00b2", "\uff11", "9" * 5000, [141], {}]
)
def test_what_is_no_formula(id: Any) -> None:
    with pytest.raises(FormulaError, match="a formula must be one of") as said:
        create(id)
    assert len(str(said.value)) < 200


def test_one_formula_by_any_whole_number() -> None:
    said = run(np.int64(141), {"price": np.arange(1.0, 9.0)}, n=3)
    assert isinstance(said, Batch)
    assert said.ready.sum() == 6


@pytest.mark.parametrize(
    "given", [{"hidden": {1: 2}}, {"hidden": [True]}, {"hidden": "12"}, {"hidden": ()}, {"hidden": 8}]
)
def test_sizes_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(FormulaError, match="hidden must be"):
        create(62, **given)


def test_a_choice_is_a_word() -> None:
    with pytest.raises(FormulaError, match="method must be one of tls, ols"):
        create(149, method=np.array(["tls", "ols"]))


REFUSED: Sequence[tuple[Any, str]] = (
    ({"price": "100"}, "price must be a number"),
    ({"price": True}, "price must be a number"),
    ({"price": 10**400}, "price must be a number"),
    ({"price": [1.0]}, "price must be a number"),
    ({"cross.0": "1"}, "cross.0 must be a number"),
    ({"cross.prices": 5.0}, "cross.prices must be a sequence"),
    ({"cross.prices": "123"}, "cross.prices must be a sequence"),
    ({"cross.prices": ["x", 1.0]}, "must be a number"),
    ({"ts": 1.5}, "ts must be whole ns"),
    ({"ts": inf}, "ts must be whole ns"),
    ({"ts": 2**63}, "ts must be whole ns"),
    ({"ts": 10**30}, "ts must be whole ns"),
    ({"ts": "5"}, "ts must be whole ns"),
    ({"ts": True}, "ts must be whole ns"),
    ({"ts": datetime(2024, 1, 1)}, "ts must be whole ns"),
    ([("price", 1.0)], "an observation must be a mapping"),
)


def reads(id: int) -> set[str]:
    """Fields that a formula would meet in a refused observation."""
    formula = made(id)
    peers = {"cross.0", "cross.prices"} if "cross" in formula.info.inputs else set()
    return {"ts", *peers, *({"price"} & set(formula.reads))}


@pytest.mark.parametrize(
    ("id", "wrong", "words"),
    [
        (id, wrong, words)
        for id in EACH
        for wrong, words in REFUSED
        if not isinstance(wrong, dict) or reads(id) & wrong.keys()
    ],
)
def test_a_refused_observation_moves_nothing(id: int, wrong: Any, words: str) -> None:
    formula, other = made(id), made(id)
    good = {"ts": 5, "price": 100.0, "cross.0": 50.0, "cross.1": 60.0, "cross.2": 70.0}
    if isinstance(wrong, dict):
        wrong = {
            **{k: v for k, v in good.items() if "cross.prices" not in wrong or k[:5] != "cross"},
            **wrong,
        }
    with pytest.raises(FormulaError, match=words):
        formula.update(wrong)
    columns = market(ROWS)
    assert not formula.begun
    assert same(formula.run(columns), other.run(columns))


def test_a_time_that_is_nan_is_none() -> None:
    formula = made(131)
    formula.update(ts=nan, price=1.0)
    formula.update(ts=7.0, price=1.0)


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("price", np.full(ROWS, "1.0"), "price must be a column of numbers"),
        ("price", np.array(["1.0"] * ROWS, object), "price must be a column of numbers"),
        ("price", np.ones(ROWS, complex), "price must be a column of numbers"),
        ("price", np.ones(ROWS, bool), "price must be a column of numbers"),
        ("price", np.arange(ROWS).astype("M8[ns]"), "price must be a column of numbers"),
        ("price", [[1.0]] * (ROWS - 1) + [[1.0, 2.0]], "price must be a column of numbers"),
        ("price", np.ones((ROWS, 1)), "of one length"),
        ("price", 1.0, "of one length"),
        ("ts", np.arange(ROWS) + 0.5, "ts must be whole ns"),
        ("ts", np.full(ROWS, 1e300), "ts must be whole ns"),
        ("ts", np.full(ROWS, 2**64 - 1, np.uint64), "ts must be whole ns"),
        ("ts", np.full(ROWS, 2**62 + 1), "ts must be whole ns"),
        ("ts", np.arange(ROWS).astype(str), "ts must be whole ns"),
        ("ts", np.full(ROWS, "2262-04-12", "M8[D]"), "ts must be whole ns"),
        ("ts", np.full(ROWS, "9999-01-01", "M8[s]"), "ts must be whole ns"),
        ("cross.prices", np.ones(ROWS), "cross.prices must be of shape"),
        ("cross.prices", np.ones((ROWS, 2)), "once"),
    ],
)
def test_a_column_that_is_none(name: str, column: Any, words: str) -> None:
    columns = {**market(ROWS), name: column}
    for taken in (lambda: run(141, columns), lambda: made(141).run(columns)):
        with pytest.raises(FormulaError, match=words):
            taken()
    with Panel([141, 147]) as panel:
        with pytest.raises(FormulaError, match=words):
            panel.extend(columns)
        assert panel.history.rows == 0
        assert not panel[141].begun


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit_are_ns(unit: str) -> None:
    columns = market(ROWS)
    whole = columns["ts"] // 10**9 * 10**9
    elapsed = []
    for ts in (whole, whole.astype("M8[ns]").astype(f"M8[{unit}]"), whole.astype(object)):
        formula = made(147)
        formula.run({**columns, "ts": ts})
        elapsed.append(formula.state()["series"]["columns"]["elapsed"].tolist())
    assert elapsed[0] == elapsed[1] == elapsed[2] != [0.0] * ROWS


def test_what_is_masked_is_not_there() -> None:
    columns = market(ROWS)
    hidden = np.arange(ROWS) % 3 == 1
    masked = np.ma.masked_array(columns["price"], mask=hidden)
    holes = np.where(hidden, nan, columns["price"])
    assert same(
        run(141, {**columns, "price": masked}, n=5),
        run(141, {**columns, "price": holes}, n=5),
    )


def test_times_before_1970_that_are_not_there() -> None:
    """One by one and by column a time that is not there is the last, also below 0."""
    prices, times = (100.0, 101.0, 100.5), (-5_000_000_000, None, -1_000_000_000)
    alone = MarketHistory(8)
    series = alone.series(("price",))
    for price, ts in zip(prices, times, strict=True):
        alone.append({"ts": ts, "price": price})
    assert series.last("dt", 2).tolist() == [0.0, 4.0]
    formula = made(147)
    formula.run({"ts": np.array(times, object), "cross.0": np.array(prices), "cross.1": np.array(prices)})
    assert formula.state()["series"]["columns"]["dt"][1:].tolist() == [0.0, 4.0]


def test_a_row_that_does_not_count_moves_no_time_in_a_panel() -> None:
    history = MarketHistory(8)
    series = history.series(("price",))
    for ts, price in ((0, 100.0), (9_000_000_000, nan), (2_000_000_000, 101.0)):
        history.append({"ts": ts, "price": price})
    assert series.last("dt", 1)[0] == 2.0


def test_after_a_run_no_channel_is_said_to_be_missing() -> None:
    formula = made(141)
    formula.run({"price": np.ones(2)})
    assert not formula.ready
    assert formula.unavailable is None


@pytest.mark.parametrize("id", EACH)
@pytest.mark.parametrize("how", ["truncated", "altered", "without", "of no type", "nothing"])
def test_a_state_that_is_none(id: int, how: str) -> None:
    formula, other = made(id), made(id)
    before = made(id)
    before.run(market(ROWS))
    state = before.state()
    part = "kernel" if "kernel" in state else "own"
    kernel = state.get("kernel", b"")
    wrong: dict[str, Any] = {
        "truncated": {**state, part: kernel[:-1]},
        "altered": {**state, part: bytes([kernel[-1] ^ 1]) if kernel else {"_value": 1.0}},
        "without": {name: state[name] for name in state if name != part},
        "of no type": {**state, part: None},
        "nothing": None,  # type: ignore[dict-item]
    }
    with pytest.raises(FormulaError, match="state"):
        formula.restore(wrong[how])
    assert same(formula.run(market(ROWS)), other.run(market(ROWS)))


def test_a_parameter_that_is_nan_is_itself_in_a_state() -> None:
    formula = create(103, sigma=float("nan"))
    create(103).restore(pickle.loads(pickle.dumps(formula.state())))


def test_a_panel_that_cannot_be_leaves_its_formulas_alone() -> None:
    formula = made(147)
    with pytest.raises(FormulaError, match="twice"):
        Panel([formula, 141, 141])
    formula.update({"cross.0": 1.0, "cross.1": 2.0})
    assert formula.begun


@pytest.mark.parametrize("id", [141, 147])
def test_a_formula_belongs_to_one_panel(id: int) -> None:
    formula = made(id)
    with Panel([formula]), pytest.raises(FormulaError, match="in a panel"):
        Panel([formula])
    begun = made(id)
    begun.run({name: column[:2] for name, column in market(ROWS).items()})
    assert not begun.ready
    with pytest.raises(FormulaError, match="begun"):
        Panel([begun])


def test_what_is_shared_goes_on_with_its_panel_alone() -> None:
    with Panel([made(147)]) as panel:
        own = made(147)
        own.run(market(ROWS))
        columns = market(ROWS)
        for wrong in (
            panel[147].reset,
            lambda: panel[147].run(columns),
            lambda: panel[147].restore(own.state()),
            lambda: made(147).restore(panel[147].state()),
        ):
            with pytest.raises(FormulaError, match=r"shared|panel"):
                wrong()
        assert same(panel.extend(columns)[147], run(147, columns, **SMALL[147]))


def test_a_closed_panel_goes_on_alone() -> None:
    columns = market(ROWS)
    panel = Panel([made(147), made(148), 141], threads=3)
    panel.close()
    panel.close()
    assert same(panel.extend(columns)[147], run(147, columns, **SMALL[147]))


@pytest.mark.parametrize("state", [None, {}, {"rows": 1, "columns": {}, "series": {}}])
def test_a_history_that_is_none(state: Any) -> None:
    with Panel([made(147)]) as panel:
        with pytest.raises(FormulaError, match="state"):
            panel.restore({"formulas": panel.state()["formulas"], "history": state})
        assert same(panel.extend(market(ROWS))[147], run(147, market(ROWS), **SMALL[147]))


@pytest.mark.parametrize(
    ("text", "words"),
    [("ts,price,price\n1,2,3\n", "each column once"), ("ts,price\n1_000,2\n", "ts must be a whole number")],
)
def test_a_file_that_says_two_things(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=words):
        read_observations(file)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.csv")
    with pytest.raises(ValueError, match="regular file"):
        read_observations(tmp_path / "rows.csv")


def test_a_file_with_a_byte_order_mark_and_blanks(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("ts, price\n5, 2\n", "utf-8-sig")
    columns = read_observations(file)
    assert (columns["ts"][0], columns["price"][0]) == (5, 2.0)
