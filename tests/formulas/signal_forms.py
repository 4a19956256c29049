"""What formulas say of a market, and forms that the rules of their signals share."""

from collections.abc import Callable
from math import erf, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livetrading.formulas.checks.markets import market
from livetrading.formulas.libraries import installed
from livetrading.formulas.registry import FORMULA_REGISTRY, create, run

Floats = NDArray[np.float64]
Rule = Callable[["Said"], tuple[Any, Any]]
RULES: dict[int, tuple[Rule, dict[str, Any]]] = {}


class Said:
    """What a formula said of the rows of a market, and what its rules read of these."""

    def __init__(self, id: int, **others: Any) -> None:
        formula = FORMULA_REGISTRY[id]
        given = {**getattr(formula, "check_parameters", {}), **others}
        rows = int(getattr(formula, "check_rows", 700))
        columns = market(rows)
        self.p: Floats = np.asarray(columns["price"], np.float64)
        self.r = np.diff(np.log(self.p), prepend=np.nan)
        self.peers = [
            np.diff(np.log(np.asarray(columns[f"cross.{k}"], np.float64)), prepend=np.nan) for k in range(3)
        ]
        batch = run(id, columns, **given)
        self.v, self.o, self.batch = batch.value, batch.outputs, batch
        self.of: dict[str, Any] = create(id, **given).parameters

    def moved(self) -> Floats:
        """The direction over `h` observations."""
        moves = np.full(len(self.p), np.nan)
        moves[self.of["h"] :] = np.sign(np.log(self.p[self.of["h"] :] / self.p[: -self.of["h"]]))
        return moves

    def of_window(self, what: Callable[[Floats], Any], n: int) -> Floats:
        """A number of the last n returns at every row."""
        numbers = np.full(len(self.r), np.nan)
        for i in range(n, len(self.r)):
            numbers[i] = what(self.r[i - n + 1 : i + 1])
        return numbers

    def at_fits(self, what: Callable[[slice], Any]) -> Floats:
        """A number of the last n returns at the fits, which stands until the next."""
        n, every = self.of["n"], self.of["refit"]
        return np.array(
            [
                np.nan if i < n else what(slice(i - (i - n) % every - n + 1, i - (i - n) % every + 1))
                for i in range(len(self.r))
            ]
        )


def rule(*ids: int, **others: Any) -> Callable[[Rule], Rule]:
    """Enter a rule, and the parameters under which the market calls for each side."""

    def enter(of: Rule) -> Rule:
        RULES.update(dict.fromkeys(ids, (of, others)))
        return of

    return enter


def normal(z: Floats) -> Floats:
    """Twice the normal distribution function of |z| less 1."""
    return np.array([erf(abs(one) / sqrt(2.0)) for one in z])


def cut(x: Floats) -> Floats:
    return np.clip(x, 0.0, 1.0)


def past(z: Floats, level: Any) -> Floats:
    """The side of z where it is at least the level in size."""
    return np.asarray(np.sign(z) * (np.abs(z) >= level), np.float64)


def forecast(s: Said, f: Floats, sd: Any) -> tuple[Floats, Floats]:
    z = f / sd
    return past(z, s.of.get("z0", 0.1)), normal(z)


def extreme(s: Said, entry: float) -> Floats:
    return np.where(s.v <= entry, 1.0, np.where(s.v >= 1.0 - entry, -1.0, 0.0))


def held(s: Said, u: Floats, entry: float, leave: float, may: Any = True) -> Floats:
    """The side against u from where it passes `entry` until it is back at `leave`; flat where it may not."""
    side, sides = 0, np.zeros(len(u))
    allowed = np.broadcast_to(may, len(u))
    for i in np.flatnonzero(s.batch.ready):
        if not allowed[i]:
            side = 0
            continue
        if (side == -1 and u[i] <= leave) or (side == 1 and u[i] >= -leave):
            side = 0
        if side == 0:
            side = -1 if u[i] >= entry else 1 if u[i] <= -entry else 0
        sides[i] = side
    return sides


def faded(s: Said) -> tuple[Any, Any]:
    return -past(s.v, s.of["entry"]), cut(np.abs(s.v) / (2.0 * s.of["entry"]))


def named(id: int) -> Any:
    """A formula's id as a parameter of a test, skipped where its library is not there."""
    info = FORMULA_REGISTRY[id].info
    missing = info.library is not None and not installed(info.library)
    marks = [pytest.mark.skip(reason=f"{info.library} of livetrading[{info.extra}] is not there")] * missing
    return pytest.param(id, id=f"{id}-{info.name}", marks=marks)


def ruled(category: str) -> list[Any]:
    """The formulas of a category whose rules have been entered."""
    return [named(id) for id in sorted(RULES) if FORMULA_REGISTRY[id].info.category == category]


def assert_rule(id: int) -> None:
    """Signal and confidence of a market are what the rule makes of the rest that is said."""
    of, others = RULES[id]
    said = Said(id, **others)
    ready = said.batch.ready
    with np.errstate(all="ignore"):
        signal, confidence = of(said)
    if confidence is not None:
        assert np.allclose(said.batch.confidence[ready], confidence[ready], rtol=1e-8, atol=1e-10)
    if signal is not None:
        ready &= ~np.isnan(signal)  # where a rule reads what nobody says
        assert np.array_equal(said.batch.signal[ready], signal[ready])
        assert np.any(signal[ready] != 0.0)
