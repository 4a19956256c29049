"""Spectra (50)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.timeseries.series import shaken
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.spectrum import strongest_line, tapers_of


@golden(50)
def line() -> Mapping[str, float]:
    x = np.sin(2.0 * np.pi * np.arange(256) / 16.0) + 0.5 * np.random.default_rng(50).standard_normal(256)
    found = strongest_line(x, 4.0, 7)
    return {"period": 1.0 / found.frequency, "F": found.f_stat, "psd_peak": found.psd_peak}


@reference(50)
def slow_lines() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    for seed, n, NW, K in ((501, 64, 4.0, 7), (502, 81, 3.0, 4)):
        x = np.diff(np.log(shaken(seed, n + 1)))
        x = x - x.mean()
        tapers = tapers_of(n, NW, K)
        best, peak = (-1.0, 0), 0.0
        for j in range(1, n):
            if j >= n / 2:
                break
            wave = np.exp(-2j * np.pi * j / n * np.arange(n))
            Y = np.array([np.sum(h * x * wave) for h in tapers])
            U = tapers.sum(axis=1)
            mu = np.sum(U * Y) / np.sum(U * U)
            f = (K - 1) * abs(mu) ** 2 * np.sum(U * U) / np.sum(np.abs(Y - mu * U) ** 2)
            best, peak = max(best, (float(f), -j)), max(peak, float(np.sum(np.abs(Y) ** 2)) / K)
        found = strongest_line(x, NW, K)
        yield Comparison(f"f, {n}", found.f_stat, best[0])
        yield Comparison(f"frequency, {n}", found.frequency, -best[1] / n)
        yield Comparison(f"peak, {n}", found.psd_peak, peak)
        p = min(1.0, float(stats.f.sf(best[0], 2, 2 * K - 2)) * (n / 2 - 1))
        yield Comparison(f"p, {n}", found.p, p)
        said = run(50, {"price": np.exp(np.concatenate([[0.0], np.cumsum(x)]))}, n=n, NW=NW, tapers=K)
        yield Comparison(f"value, {n}", said.value[-1], -n / best[1])
        for name, number in (("f_stat", best[0]), ("p", p), ("psd_peak", peak)):
            yield Comparison(f"{name} said, {n}", said.outputs[name][-1], number, 1e-8)
