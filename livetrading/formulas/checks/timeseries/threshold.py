"""Threshold and transition models (38, 39)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.checks.timeseries.series import last, prices_of, shaken
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.threshold import regime_ssr, threshold

Floats = NDArray[np.float64]


@golden(38)
def smooth() -> Mapping[str, float]:
    return last(38, walk(38, 251), {"c": "c", "gamma": "gamma", "ssr": "ssr"}, "f")


@reference(38)
def star_grid() -> Iterator[Comparison]:
    special = import_module("scipy.special")
    price, n = shaken(381, 130), 90
    said = run(38, {"price": price}, n=n, refit=25)
    r = np.diff(np.log(price))
    for i in (n, n + 25):
        x, y = r[i - n : i - 1], r[i - n + 1 : i]
        best: tuple[float, ...] = (np.inf,)
        for level in range(15, 90, 5):
            c = np.quantile(x, level / 100.0)
            for j in range(7):
                gamma = 10.0 ** (j / 3.0)
                g = special.expit(gamma * (x - c) / x.std())
                design = np.stack([1.0 - g, x * (1.0 - g), g, x * g], axis=1)
                beta = np.linalg.lstsq(design, y, rcond=None)[0]
                ssr = float(np.sum((y - design @ beta) ** 2))
                if ssr < best[0] * (1.0 - 1e-12):
                    best = ssr, c, gamma, *beta
        ssr, c, gamma, a1, b1, a2, b2 = best
        g = special.expit(gamma * (r[i - 1] - c) / x.std())
        f = (a1 + b1 * r[i - 1]) * (1.0 - g) + (a2 + b2 * r[i - 1]) * g
        yield Comparison(f"f, row {i}", said.value[i], f, 1e-6, 1e-12)
        for name, number in (("ssr", ssr), ("c", c), ("gamma", gamma), ("G", g), ("b_1", b1), ("b_2", b2)):
            yield Comparison(f"{name}, row {i}", said.outputs[name][i], float(number), 1e-6)
    # very sharp, midway between two regressors: the two regimes of 39
    ordered = np.sort(x)
    c = float(ordered[40] + ordered[41]) / 2.0
    g = special.expit(np.clip(1e6 * (x - c) / x.std(), -700.0, 700.0))
    design = np.stack([1.0 - g, x * (1.0 - g), g, x * g], axis=1)
    sharp = float(np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2))
    below = (x <= c)[None, :]
    yield Comparison("sharp", float((regime_ssr(x, y, below) + regime_ssr(x, y, ~below))[0]), sharp, 1e-6)


def line_ssr(x: Floats, y: Floats) -> float:
    design = np.stack([np.ones(len(x)), x], axis=1)
    return float(np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2))


@golden(39)
def sharp() -> Mapping[str, float]:
    return last(39, walk(39, 251), {"c": "c", "ssr": "ssr", "sup_f": "sup_f"}, "f")


@reference(39)
def brute_force() -> Iterator[Comparison]:
    for seed, n, trim in ((391, 80, 0.15), (392, 120, 0.3), (393, 60, 0.05)):
        r = np.diff(np.log(shaken(seed, n + 1)))
        if seed == 393:
            r[30] = 14.0  # one far return must not cost the others their digits
        x, y, N = r[:-1], r[1:], n - 1
        ordered = np.sort(x)
        sums = {}
        for i in range(int(np.ceil(trim * N - 1e-9)), int(np.floor((1.0 - trim) * N + 1e-9)) + 1):
            c = ordered[i - 1]
            sums[c] = sum(line_ssr(x[side], y[side]) for side in (x <= c, x > c))
        c = min(sums, key=lambda key: sums[key])
        found = threshold(r, trim)
        assert found is not None
        yield Comparison(f"c, {seed}", found.c, c)
        yield Comparison(f"ssr, {seed}", found.ssr, sums[c], 1e-9)
        said = run(39, {"price": prices_of(r)}, n=n, trim=trim)
        for k, side in ((1, x <= c), (2, x > c)):
            b, a = np.polyfit(x[side], y[side], 1)
            yield Comparison(f"a_{k}, {seed}", said.outputs[f"a_{k}"][-1], a, 1e-7)
            yield Comparison(f"b_{k}, {seed}", said.outputs[f"b_{k}"][-1], b, 1e-7)
        yield Comparison(f"sup_f, {seed}", found.sup_f, N * (line_ssr(x, y) - sums[c]) / sums[c], 1e-8)
