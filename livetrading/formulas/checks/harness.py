"""Runs the checks of formulas: golden, reference, and what holds for all of them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from math import inf, isfinite, isnan
from typing import Any, Final

import numpy as np

from livetrading.formulas.base import Batch
from livetrading.formulas.checks.markets import market
from livetrading.formulas.registry import FORMULA_REGISTRY, MODULES, create, run

__all__ = ["CHECKS", "Comparison", "Finding", "check", "golden", "reference"]

RELATIVE: Final = 1e-9
"""The tolerance where a row names none."""
ROWS: Final = 700
"""Of the market on which properties are checked; a formula with `check_rows` names its own."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A number and what it ought to be, within `rel` of that or `abs`."""

    name: str
    was: float
    expected: float
    rel: float = RELATIVE
    abs: float = 0.0

    @property
    def share(self) -> float:
        """The error over what is tolerated; at most 1 is well."""
        if isnan(self.expected) or isnan(self.was):
            return 0.0 if isnan(self.expected) and isnan(self.was) else inf
        if self.was == self.expected:
            return 0.0
        allowed = max(self.rel * abs(self.expected), self.abs)
        return abs(self.was - self.expected) / allowed if allowed > 0.0 and isfinite(self.expected) else inf

    @property
    def error(self) -> float:
        """The relative error; the absolute one of a number near 0, which is held to an absolute tolerance."""
        if self.was == self.expected or (isnan(self.was) and isnan(self.expected)):
            return 0.0
        size = abs(self.expected)
        relative = size > 0.0 and self.rel * size >= self.abs
        return abs(self.was - self.expected) / (size if relative else 1.0)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check of one formula came to.

    Attributes
    ----------
    id : int
    check : str
        Its name.
    passed : bool
    worst : float
        The largest error seen, of all numbers compared (`Comparison.error`).
    compared : int
        How many.
    words : str
        What fell short; empty where it passed.
    """

    id: int
    check: str
    passed: bool
    worst: float
    compared: int
    words: str


Numbers = Callable[[], Mapping[str, float]]
Pairs = Callable[[], Iterator[Comparison]]
_GOLDEN: dict[int, list[Numbers]] = {}
_REFERENCE: dict[int, list[Pairs]] = {}


def golden(*ids: int) -> Callable[[Numbers], Numbers]:
    """Enter a function that computes, by name, the golden numbers of a formula.

    What they ought to be stands in ``golden/<category>.json`` as printed: by id, then by name, a string
    of digits or ``{"is": digits, "rel": ..., "abs": ...}``.
    """

    def enter(numbers: Numbers) -> Numbers:
        for id in ids:
            _GOLDEN.setdefault(id, []).append(numbers)
        return numbers

    return enter


def reference(*ids: int) -> Callable[[Pairs], Pairs]:
    """Enter a function that yields a formula's numbers beside those of an independent reference."""

    def enter(pairs: Pairs) -> Pairs:
        for id in ids:
            _REFERENCE.setdefault(id, []).append(pairs)
        return pairs

    return enter


def _load() -> None:
    for module in MODULES:
        import_module(f"livetrading.formulas.checks.{module}")


def _expected(id: int) -> dict[str, Any]:
    category = FORMULA_REGISTRY[id].info.category
    text = files("livetrading.formulas.checks").joinpath("golden", f"{category}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text).get(str(id), {})
    return found


def half_unit(digits: str) -> float:
    """Half a unit of the last digit of a printed number."""
    mantissa, _, exponent = digits.lower().partition("e")
    places = len(mantissa.partition(".")[2])
    return 0.5 * 10.0 ** (int(exponent or 0) - places)


def _comparison(name: str, was: float, expected: Any) -> Comparison:
    told = expected if isinstance(expected, dict) else {"is": expected}
    digits = str(told["is"])
    rel = float(told.get("rel", 0.0 if "abs" in told else RELATIVE))
    # what was cut off in print is no error of ours
    return Comparison(
        name, was, float(digits), rel, max(float(told.get("abs", 0.0)), half_unit(digits) * 1.001)
    )


def _check_golden(id: int) -> Iterator[Comparison]:
    numbers: dict[str, float] = {}
    for each in _GOLDEN.get(id, []):
        numbers.update(each())
    expected = _expected(id)
    for name in expected.keys() | numbers.keys():
        if name in expected and name in numbers:
            yield _comparison(name, float(numbers[name]), expected[name])
        else:
            side = "computed" if name in expected else "expected"
            yield Comparison(f"{name} is not {side}", inf, 0.0)


def _check_reference(id: int) -> Iterator[Comparison]:
    for each in _REFERENCE.get(id, []):
        yield from each()


def _rows_of(id: int) -> int:
    rows: int = getattr(FORMULA_REGISTRY[id], "check_rows", ROWS)
    return rows


def _parameters_of(id: int) -> dict[str, Any]:
    """Parameters with which a formula is ready in few rows; its own defaults unless the class names them."""
    given: dict[str, Any] = getattr(FORMULA_REGISTRY[id], "check_parameters", {})
    return given


def _said(batch: Batch, row: int) -> dict[str, float]:
    said = {
        "value": float(batch.value[row]),
        "signal": float(batch.signal[row]),
        "confidence": float(batch.confidence[row]),
        "ready": float(batch.ready[row]),
    }
    said.update({name: float(column[row]) for name, column in batch.outputs.items()})
    return said


def _says(formula: Any) -> dict[str, float]:
    said = {
        "value": formula.value,
        "signal": float(formula.signal),
        "confidence": formula.confidence,
        "ready": float(formula.ready),
    }
    named = formula.outputs
    said.update({name: named.get(name, float("nan")) for name in formula.gives})
    return said


def _pairs(where: str, was: Mapping[str, float], expected: Mapping[str, float]) -> Iterator[Comparison]:
    for name in expected:
        yield Comparison(f"{name} at {where}", was.get(name, float("nan")), expected[name], 1e-9, 1e-13)


def _check_stream(id: int) -> Iterator[Comparison]:
    """Batch equals one observation after another."""
    columns = market(_rows_of(id))
    batch = run(id, columns, **_parameters_of(id))
    formula = create(id, **_parameters_of(id))
    for i in range(_rows_of(id)):
        formula.update({name: column[i] for name, column in columns.items()})
        yield from _pairs(f"row {i}", _said(batch, i), _says(formula))


def _check_restore(id: int) -> Iterator[Comparison]:
    """A state restored in mid-stream goes on identically, in another formula and in itself."""
    rows = _rows_of(id)
    columns = market(rows)
    head = {name: column[: rows * 2 // 3] for name, column in columns.items()}
    one, other = create(id, **_parameters_of(id)), create(id, **_parameters_of(id))
    one.run(head)
    other.run({name: column[:50] for name, column in columns.items()})
    other.restore(one.state())
    for i in range(rows * 2 // 3, rows):
        observation = {name: column[i] for name, column in columns.items()}
        one.update(observation)
        other.update(observation)
        for pair in _pairs(f"row {i}", _says(other), _says(one)):
            yield Comparison(pair.name, pair.was, pair.expected, 0.0, 0.0)


def _check_determinism(id: int) -> Iterator[Comparison]:
    """The same rows give the same numbers, bit for bit."""
    columns = market(_rows_of(id))
    once, again = (run(id, columns, **_parameters_of(id)) for _ in range(2))
    for i in range(_rows_of(id)):
        for pair in _pairs(f"row {i}", _said(again, i), _said(once, i)):
            yield Comparison(pair.name, pair.was, pair.expected, 0.0, 0.0)


CHECKS: Final[Mapping[str, Callable[[int], Iterator[Comparison]]]] = {
    "golden": _check_golden,
    "reference": _check_reference,
    "stream": _check_stream,
    "restore": _check_restore,
    "determinism": _check_determinism,
}
"""By name, as ``livetrading formulas check`` shows them."""


def check(id: int, name: str) -> Finding:
    """Run one check of one formula; one that compares nothing, or misses its library, does not pass.

    Parameters
    ----------
    id : int
    name : str
        One of `CHECKS`.
    """
    _load()
    missing = create(id, **_parameters_of(id)).unavailable
    if missing is not None and missing.kind == "library":
        return Finding(id, name, False, inf, 0, str(missing))
    pairs = list(CHECKS[name](id))
    short = [pair for pair in pairs if not pair.share <= 1.0]
    words = "" if pairs else "nothing was compared"
    if short:
        first = max(short, key=lambda pair: pair.share)
        words = f"{first.name}: was {first.was!r}, expected {first.expected!r} ({len(short)} of {len(pairs)})"
    worst = max((pair.error for pair in pairs), default=0.0)
    return Finding(id, name, not words, float(np.float64(worst)), len(pairs), words)
