"""Unit roots and stationarity (47, 48, 49)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.checks.timeseries.series import last, shaken
from livetrading.formulas.libraries import quietly
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.unit_root import augmented_dickey_fuller, kpss, phillips_perron


@golden(47)
def dickey_fuller() -> Mapping[str, float]:
    return last(47, walk(47, 251), {"p_value": "p"}, "t")


@reference(47)
def arch_adf() -> Iterator[Comparison]:
    tests = import_module("arch.unitroot")
    price, n = shaken(471, 160), 120
    for lags in (0, 4):
        said = run(47, {"price": price}, n=n, lags=lags, every=10)
        for i in (n, n + 10, n + 30):
            x = np.log(price[i - n : i + 1])
            other = tests.ADF(x, lags=lags, trend="c")
            for k in (i, i + 9):
                yield Comparison(f"t, row {k}", said.value[k], other.stat, 1e-8)
                yield Comparison(f"p, row {k}", said.outputs["p_value"][k], other.pvalue, 1e-8)
            rho = float(other.regression.params.iloc[0])
            yield Comparison(f"rho, row {i}", said.outputs["rho"][i], rho, 1e-8)
    flat = run(47, {"price": np.full(160, 3.0)}, n=n)
    yield Comparison("constant, p", flat.outputs["p_value"][-1], 1.0)
    yield Comparison("constant", flat.value[-1] + flat.outputs["z"][-1] + flat.confidence[-1], 0.0)


@golden(48)
def phillips() -> Mapping[str, float]:
    return last(48, walk(48, 251), {"p_value": "p"}, "Z")


@reference(48)
def arch_pp() -> Iterator[Comparison]:
    tests = import_module("arch.unitroot")
    for seed, lags in ((481, 5), (482, 12), (483, 0)):
        price = shaken(seed, 121)
        said = run(48, {"price": price}, n=120, lags=lags)
        other = tests.PhillipsPerron(np.log(price), lags=lags, trend="c", test_type="tau")
        yield Comparison(f"Z, {seed}", said.value[-1], other.stat, 1e-7)
        yield Comparison(f"p, {seed}", said.outputs["p_value"][-1], other.pvalue, 1e-6)
        x = np.log(price)
        rho = import_module("scipy.stats").linregress(x[:-1] - x[0], x[1:] - x[0]).slope
        yield Comparison(f"rho, {seed}", said.outputs["rho"][-1], rho, 1e-8)
        yield Comparison(f"z, {seed}", said.outputs["z"][-1], (x[-1] - x.mean()) / x.std(), 1e-8)
    yield Comparison("no lags", phillips_perron(x, 0)[0], augmented_dickey_fuller(x, 0)[0], 1e-8)


@golden(49)
def stationary() -> Mapping[str, float]:
    said = last(49, walk(49, 250), {"p_value": "p"}, "eta")
    return {**said, "eta": kpss(np.log(walk(49, 250)), 9)}


@reference(49)
def statsmodels_kpss() -> Iterator[Comparison]:
    stattools = import_module("statsmodels.tsa.stattools")
    for seed, lags in ((491, 9), (492, 0), (493, 20)):
        x = np.log(shaken(seed, 120))
        other = quietly(stattools.kpss, x, regression="c", nlags=lags)[0]
        yield Comparison(f"eta, {seed}", kpss(x, lags), other, 1e-8)
        said = run(49, {"price": np.exp(x)}, n=120, lags=lags)
        yield Comparison(f"value, {seed}", said.value[-1], other, 1e-8)
        p = import_module("arch.unitroot").KPSS(x, lags=lags, trend="c").pvalue
        yield Comparison(f"p, {seed}", said.outputs["p_value"][-1], p, 1e-6)
