"""Golden numbers and references of statistics of returns (1 to 30)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.registry import run


@golden(5)
def skewness() -> Mapping[str, float]:
    said = run(5, {"price": walk(5, 101)})
    return {"g1": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}


@reference(5)
def scipy_moments() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    price = walk(55, 200)
    said, r = run(5, {"price": price}, n=40), np.diff(np.log(price))
    for i in range(40, 200):
        window = r[i - 40 : i]
        yield Comparison(f"skewness, row {i}", said.value[i], stats.skew(window), 1e-8)
        yield Comparison(f"kurtosis, row {i}", said.outputs["kurtosis"][i], stats.kurtosis(window), 1e-8)
        yield Comparison(f"jb, row {i}", said.outputs["jb"][i], stats.jarque_bera(window).statistic, 1e-8)
