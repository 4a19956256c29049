"""Golden numbers and references of mean reversion (131 to 150)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.registry import run


def coint() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The catalogue's pair: prices of y = 0.5 + 0.95 x + e and of x."""
    g = np.random.default_rng(61)
    x = 10.8 + g.standard_normal(400).cumsum() * 0.002
    e = np.zeros(400)
    for i in range(1, 400):
        e[i] = 0.8 * e[i - 1] + 0.001 * g.standard_normal()
    return np.exp(0.5 + 0.95 * x + e), np.exp(x)


@golden(141)
def scores() -> Mapping[str, float]:
    return {
        "five": run(141, {"price": [1.0, 2.0, 3.0, 4.0, 10.0]}, n=5).value[-1],
        "walk": run(141, {"price": walk(1, 300)}).value[-1],
    }


@reference(141)
def scipy_zscore() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    price = walk(14, 400)
    said = run(141, {"price": price}, n=60)
    for i in range(59, 400):
        yield Comparison(f"row {i}", said.value[i], stats.zscore(price[i - 59 : i + 1])[-1], 1e-9, 1e-10)


@golden(150)
def hedge() -> Mapping[str, float]:
    y, x = coint()
    said = run(150, {"cross.0": y, "cross.1": x})
    return {"beta": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}
