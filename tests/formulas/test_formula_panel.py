"""Many formulas over one market."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from livetrading.formulas.base import Batch, Schedule
from livetrading.formulas.checks.markets import market
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.panel import Panel, staggered
from livetrading.formulas.parameters import parameters_of
from livetrading.formulas.registry import FORMULA_REGISTRY, create, run

IDS = (5, 131, 138, 141, 146, 147, 148, 150)
SMALL: dict[int, dict[str, Any]] = {147: {"n": 60, "refit": 20}, 148: {"n": 60, "refit": 20}, 138: {"n": 50}}
ROWS = 200


def fresh(**given: Any) -> Panel:
    return Panel([create(id, **SMALL.get(id, {})) for id in IDS], capacity=1000, **given)


def same(a: Batch, b: Batch) -> None:
    assert a.id == b.id
    for mine, other in ((a.value, b.value), (a.signal, b.signal), (a.confidence, b.confidence)):
        assert np.array_equal(mine, other, equal_nan=mine.dtype.kind == "f"), a.name
    assert np.array_equal(a.ready, b.ready)
    assert a.outputs.keys() == b.outputs.keys()
    for name, column in a.outputs.items():
        assert np.array_equal(column, b.outputs[name], equal_nan=True), (a.name, name)


def test_a_panel_says_what_each_formula_says_alone() -> None:
    columns = market(ROWS)
    with fresh() as panel:
        said = panel.extend(columns)
        assert tuple(said) == IDS
        for id in IDS:
            same(said[id], run(id, columns, **SMALL.get(id, {})))
        assert panel.history.rows == ROWS


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(threads: int) -> None:
    columns = market(ROWS)
    with fresh() as alone, fresh(threads=threads) as together:
        one, other = alone.extend(columns), together.extend(columns)
    for id in IDS:
        same(one[id], other[id])


def test_rows_one_by_one_and_in_pieces() -> None:
    columns = market(ROWS)
    with fresh() as whole, fresh() as rows, fresh() as pieces:
        whole.extend(columns)
        for i in range(ROWS):
            rows.append({name: column[i] for name, column in columns.items()})
        for begin in (0, 60, 61):
            end = {0: 60, 60: 61, 61: ROWS}[begin]
            pieces.extend({name: column[begin:end] for name, column in columns.items()})
        for other in (rows, pieces):
            for id in IDS:
                assert (other[id].value, other[id].outputs) == (whole[id].value, whole[id].outputs), id


def test_a_restored_panel_goes_on() -> None:
    columns = market(ROWS)
    head = {name: column[:150] for name, column in columns.items()}
    tail = {name: column[150:] for name, column in columns.items()}
    with fresh() as one, fresh() as other:
        one.extend(head)
        other.restore(one.state())
        said, again = one.extend(tail), other.extend(tail)
        for id in IDS:
            same(said[id], again[id])
        with Panel([141]) as less, pytest.raises(FormulaError, match="a state must be of the formulas"):
            less.restore(one.state())


def test_refits_are_spread() -> None:
    made = staggered([147, 148, 141], refit=30, n=90)
    assert [formula.parameters.get("phase") for formula in made] == [0, 15, None]
    assert [f.parameters["phase"] for f in staggered([147, 148], phase=3)] == [3, 3]
    with pytest.raises(FormulaError, match="params must be some of"):
        staggered([147], bogus=1)


def scheduled() -> list[Schedule]:
    """Of all formulas, spread, that count observations to their refit."""
    ids = [id for id, formula in FORMULA_REGISTRY.items() if "phase" in parameters_of(formula)]
    found = [vars(formula).get("_schedule") for formula in staggered(ids)]
    schedules = [one for one in found if isinstance(one, Schedule)]
    assert len(schedules) == len(ids) - 1  # formula 3 counts bursts
    return schedules


def test_refits_of_one_interval_never_meet() -> None:
    places: dict[int, list[int]] = {}
    for one in scheduled():
        places.setdefault(one.every, []).append((one.first + one.phase) % one.every)
    for every, group in places.items():
        assert len(set(group)) == min(len(group), every), every


def test_refits_of_different_intervals_seldom_meet() -> None:
    refitted = [one for one in scheduled() if one.every > 1]
    at_once = [sum(one.due(count) for one in refitted) for count in range(2001, 12001)]
    assert max(at_once) <= 5


def test_refits_are_spread_whatever_the_first_fits() -> None:
    """200 observations to the first of 18, 520 to that of 85."""
    made = staggered([18, 85], refit=50)
    assert [(200 + made[0].parameters["phase"]) % 50, (520 + made[1].parameters["phase"]) % 50] == [0, 25]
    made = staggered([18, 85], refit=10_000_000)
    assert [one.parameters["phase"] for one in made] == [10_000_000 - 200, 5_000_000 - 520]


def test_a_channel_that_is_absent_is_named() -> None:
    with Panel([5, 147]) as panel:
        panel.append({"price": 1.0})
        assert panel[5].unavailable is None
        missing = panel[147].unavailable
        assert missing is not None
        assert missing.missing == ("cross",)


@pytest.mark.parametrize(
    ("formulas", "given", "words"),
    [
        ([141, 141], {}, "different ids"),
        ([5], {"capacity": 50}, "capacity must be above"),
        ([5], {"threads": 0}, "threads must be a whole number from 1"),
    ],
)
def test_what_no_panel_is_made_of(formulas: list[int], given: dict[str, int], words: str) -> None:
    with pytest.raises(FormulaError, match=words):
        Panel(formulas, **given)


def test_a_formula_that_has_begun_is_refused() -> None:
    begun = create(141, n=2)
    for price in (1.0, 2.0):
        begun.update(price=price)
    with pytest.raises(FormulaError, match="must be new to its panel"):
        Panel([begun])


def test_libraries_are_loaded_before_the_threads_begin() -> None:
    """A BLAS that a thread loads keeps its own threads, and sums of another order are other numbers."""
    pytest.importorskip("arch")
    code = (
        "import sys; from livetrading.formulas.panel import Panel; Panel([35], threads=1);"
        "assert 'arch' not in sys.modules; Panel([35], threads=2).close(); assert 'arch' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
