"""Band-pass filters and trends (51, 52, 53)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.checks.timeseries.series import last, shaken
from livetrading.formulas.registry import run


@golden(51)
def band() -> Mapping[str, float]:
    return {"c": run(51, {"price": walk(51, 100)}).value[-1]}


@reference(51)
def statsmodels_bk() -> Iterator[Comparison]:
    filters = import_module("statsmodels.tsa.filters.bk_filter")
    price = shaken(511, 140)
    for low, high, K in ((6, 32, 12), (4, 20, 5)):
        said = run(51, {"price": price}, low=low, high=high, K=K)
        other = filters.bkfilter(np.log(price), low=low, high=high, K=K)
        for i in range(2 * K, 140):
            yield Comparison(f"K {K}, row {i}", said.value[i], other[i - 2 * K], 1e-8, 1e-14)
        sd = np.std(other)
        yield Comparison("z", said.outputs["z"][-1], other[-1] / sd, 1e-8)


@golden(52)
def hodrick() -> Mapping[str, float]:
    said = last(52, walk(52, 200), {"cycle": "cycle"}, "value")
    return {**said, "trend": float(np.log(said["value"]))}


@reference(52)
def statsmodels_hp() -> Iterator[Comparison]:
    filters = import_module("statsmodels.tsa.filters.hp_filter")
    for n, lamb in ((200, 1600.0), (60, 100.0)):
        price = shaken(521, n + 3)
        said = run(52, {"price": price}, n=n, lamb=lamb)
        for i in range(n - 1, n + 3):
            cycle, trend = filters.hpfilter(np.log(price[i + 1 - n : i + 1]), lamb=lamb)
            yield Comparison(f"trend, row {i}", np.log(said.value[i]), trend[-1], 1e-8)
            yield Comparison(f"cycle, row {i}", said.outputs["cycle"][i], cycle[-1], 1e-8, 1e-12)


@golden(53)
def asymmetric() -> Mapping[str, float]:
    return {"c": run(53, {"price": walk(53, 200)}).value[-1]}


@reference(53)
def statsmodels_cf() -> Iterator[Comparison]:
    filters = import_module("statsmodels.tsa.filters.cf_filter")
    for n, low, high in ((200, 6, 32), (70, 4, 12)):
        price = shaken(531, n + 3)
        said = run(53, {"price": price}, n=n, low=low, high=high)
        for i in range(n - 1, n + 3):
            cycle, _ = filters.cffilter(np.log(price[i + 1 - n : i + 1]), low=low, high=high, drift=True)
            yield Comparison(f"n {n}, row {i}", said.value[i], cycle[-1], 1e-7, 1e-13)
