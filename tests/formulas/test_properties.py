"""What holds for every formula, whatever it computes."""

from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest

from livetrading.formulas.base import Batch
from livetrading.formulas.checks.harness import CHECKS, check
from livetrading.formulas.checks.markets import market
from livetrading.formulas.libraries import installed
from livetrading.formulas.parameters import parameters_of
from livetrading.formulas.registry import FORMULA_REGISTRY, create, run

IDS = list(FORMULA_REGISTRY)
NAMED = [pytest.param(i, id=f"{i}-{FORMULA_REGISTRY[i].info.name}") for i in IDS]


def if_installed(id: int) -> list[pytest.MarkDecorator]:
    """Without its library, which an extra brings, a formula is Unavailable: no numbers to try."""
    info = FORMULA_REGISTRY[id].info
    missing = info.library is not None and not installed(info.library)
    return [pytest.mark.skip(reason=f"{info.library} of livetrading[{info.extra}] is not there")] * missing


RUNNING = [pytest.param(i, id=f"{i}-{FORMULA_REGISTRY[i].info.name}", marks=if_installed(i)) for i in IDS]


def given(id: int) -> dict[str, Any]:
    return dict(getattr(FORMULA_REGISTRY[id], "check_parameters", {}))


def rows_of(id: int) -> int:
    return int(getattr(FORMULA_REGISTRY[id], "check_rows", 700))


def lies_in_its_range(id: int, said: Batch) -> None:
    info = FORMULA_REGISTRY[id].info
    value = said.value[said.ready]
    with np.errstate(invalid="ignore"):
        assert np.all((value >= info.low) & (value <= info.high) | np.isnan(value)), (
            value.min(),
            value.max(),
        )
    assert set(np.unique(said.signal)) <= {-1, 0, 1}
    assert np.all((said.confidence >= 0.0) & (said.confidence <= 1.0))
    assert np.all(np.isnan(said.value[~said.ready]))
    assert np.all(said.signal[~said.ready] == 0)
    assert np.all(said.confidence[~said.ready] == 0.0)
    if info.kind == "filter":
        gate = said.outputs["gate"]
        assert np.all((gate[said.ready] >= 0.0) & (gate[said.ready] <= 1.0))
        assert np.all(np.isnan(gate[~said.ready]))
        assert np.array_equal(said.signal[said.ready] == 1, gate[said.ready] > 0.0)


@pytest.mark.parametrize("id", RUNNING)
@pytest.mark.parametrize("name", list(CHECKS))
def test_check(id: int, name: str) -> None:
    finding = check(id, name)
    assert finding.passed, finding.words


@pytest.mark.parametrize("id", RUNNING)
def test_no_look_ahead(id: int) -> None:
    rows = rows_of(id)
    columns, cut = market(rows), rows * 3 // 4
    altered = {name: column.copy() for name, column in columns.items()}
    for name, column in altered.items():
        if name == "ts":
            column[cut:] += 10**9
        else:
            column[cut:] = column[cut:][::-1] * 1.01
    said, other = (run(id, rows, **given(id)) for rows in (columns, altered))
    for mine, theirs in ((said.value, other.value), (said.signal, other.signal), (said.ready, other.ready)):
        assert np.array_equal(mine[:cut], theirs[:cut], equal_nan=mine.dtype.kind == "f")
    for name, column in said.outputs.items():
        assert np.array_equal(column[:cut], other.outputs[name][:cut], equal_nan=True), name


def adversarial(kind: str, rows: int) -> dict[str, Any]:
    columns: dict[str, Any] = {name: column.copy() for name, column in market(rows).items()}
    prices = [
        name
        for name in columns
        if name.startswith("cross.") or name in ("price", "bid", "ask", "open", "high", "low", "close")
    ]
    if kind == "constant":
        for name in prices:
            columns[name][:] = columns[name][0]
        columns["high"][:], columns["low"][:] = columns["close"][0], columns["close"][0]
    elif kind == "jumps":
        for name in prices:
            columns[name][rows // 2 :] *= 1e6
            columns[name][rows * 3 // 4 :] *= 1e-6
    elif kind == "tiny":
        for name in prices:
            columns[name] = columns[name] / columns[name][0] * 1e-8
    elif kind == "holes":
        g = np.random.default_rng(3)
        for name in columns:
            if name != "ts":
                columns[name] = np.where(g.random(rows) < 0.3, nan, columns[name])
    elif kind == "rubbish":
        g = np.random.default_rng(4)
        for name in columns:
            if name != "ts":
                bad = g.choice([nan, inf, -inf, 0.0, -1.0], rows)
                columns[name] = np.where(g.random(rows) < 0.2, bad, columns[name])
    elif kind == "back in time":
        columns["ts"] = columns["ts"][::-1].copy()
    elif kind == "one row":
        columns = {name: column[:1] for name, column in columns.items()}
    elif kind == "no rows":
        columns = {name: column[:0] for name, column in columns.items()}
    return columns


@pytest.mark.parametrize("id", RUNNING)
@pytest.mark.parametrize(
    "kind", ["constant", "jumps", "tiny", "holes", "rubbish", "back in time", "one row", "no rows"]
)
def test_bad_weather(id: int, kind: str) -> None:
    lies_in_its_range(id, run(id, adversarial(kind, rows_of(id)), **given(id)))


@pytest.mark.parametrize("id", RUNNING)
def test_a_skipped_observation_moves_nothing(id: int) -> None:
    """Not even the time: what is skipped lies an hour ahead."""
    columns = market(rows_of(id))
    rows = np.arange(rows_of(id))
    skipped = np.flatnonzero(rows % 7 == 3)
    holes = {name: np.insert(column.astype(np.float64), skipped, nan) for name, column in columns.items()}
    ts = np.insert(columns["ts"], skipped, columns["ts"][skipped] + 3600 * 10**9)
    holes["ts"] = ts
    kept = np.delete(np.arange(len(ts)), skipped + np.arange(len(skipped)))
    said, other = run(id, columns, **given(id)), run(id, holes, **given(id))
    for mine, theirs in (
        (said.value, other.value),
        (said.signal, other.signal),
        (said.confidence, other.confidence),
        (said.ready, other.ready),
        *((column, other.outputs[name]) for name, column in said.outputs.items()),
    ):
        assert np.array_equal(mine, theirs[kept], equal_nan=mine.dtype.kind == "f")


@pytest.mark.parametrize("id", RUNNING)
def test_warm_up(id: int) -> None:
    said = run(id, market(rows_of(id)), **given(id))
    warm_up = create(id, **given(id)).warm_up
    assert said.ready.any(), "the check's market must make it ready"
    lies_in_its_range(id, said)
    if warm_up is not None:
        assert not said.ready[: warm_up - 1].any()
        assert said.ready[warm_up - 1 :].all()


@pytest.mark.parametrize("id", NAMED)
def test_an_absent_channel_is_named(id: int) -> None:
    info = FORMULA_REGISTRY[id].info
    formula = create(id, **given(id))
    formula.update(ts=1)
    assert formula.unavailable is not None
    assert not formula.ready
    assert isnan(formula.value)
    assert set(formula.unavailable.missing) <= set(info.inputs) or formula.unavailable.kind == "library"
    nothing = {"ts": np.arange(10), "price": np.full(10, nan)}
    said = run(id, nothing, **given(id))
    assert said.unavailable is not None
    assert not said.ready.any()


@pytest.mark.parametrize("id", [101, 125, 27, 71])
def test_an_absent_field_is_named(id: int) -> None:
    """A trade without a volume is none for those who read it; one without a side is."""
    columns = {name: column for name, column in market(60).items() if name in ("ts", "price", "side")}
    said, formula = run(id, columns, **given(id)), create(id, **given(id))
    formula.update({name: column[0] for name, column in columns.items()})
    for reason in (said.unavailable, formula.unavailable):
        assert str(reason) == "channel trade is missing: give it a source that carries volume"
    assert (
        run(id, {**columns, "volume": np.ones(60), "side": np.full(60, nan)}, **given(id)).unavailable is None
    )


@pytest.mark.parametrize("id", RUNNING)
def test_reset_forgets(id: int) -> None:
    columns = market(min(rows_of(id), 300))
    formula = create(id, **given(id))
    once = formula.run(columns)
    formula.reset()
    assert not formula.ready
    again = formula.run(columns)
    assert np.array_equal(once.value, again.value, equal_nan=True)


@pytest.mark.parametrize("id", NAMED)
def test_documented(id: int) -> None:
    formula = FORMULA_REGISTRY[id]
    assert formula.__doc__
    assert formula.info.name == formula.__name__
    assert all(part.doc for part in parameters_of(formula).values())
    made = create(id, **given(id))
    assert len(set(made.gives)) == len(made.gives)
