"""Decompositions (55, 56, 57)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.checks.timeseries.series import last, shaken
from livetrading.formulas.registry import run
from livetrading.formulas.timeseries.decomposition import (
    diagonal_means,
    empirical_modes,
    wavelet_approximation,
)

Floats = NDArray[np.float64]


def detail_alone(pywt: Any, parts: list[Floats], k: int, n: int) -> Floats:
    """One level's details, back in time."""
    alone = [np.zeros_like(part) for part in parts]
    alone[k] = parts[k]
    back: Floats = pywt.waverec(alone, "db4", mode="smooth")[:n]
    return back


@golden(55)
def wavelets() -> Mapping[str, float]:
    eight = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 10.0])
    pywt = import_module("pywt")
    a3, d3, d2, _ = pywt.wavedec(eight, "haar", mode="smooth", level=3)
    smooth, energy = wavelet_approximation(eight, "haar", 3)
    # what the formula makes of them: the approximation is their mean, the energies those of the details
    assert np.allclose(smooth, a3[0] / 8.0**0.5)
    assert np.allclose(energy[1:], [13.0, d3[0] ** 2])
    said = last(55, walk(55, 128), {"slope": "slope"}, "value")
    return {**said, "cA3": smooth[0] * 8.0**0.5, "cD3": d3[0], "cD2_1": d2[0], "cD2_2": d2[1]}


@reference(55)
def wavelet_properties() -> Iterator[Comparison]:
    pywt = import_module("pywt")
    straight = 5.0 + 0.25 * np.arange(128.0)
    smooth, energy = wavelet_approximation(straight, "db4", 3)
    yield Comparison("a straight line's details", float(np.sqrt(sum(energy))), 0.0, 0.0, 1e-10 * 32.0)
    yield Comparison("a straight line", smooth[-1], straight[-1], 1e-10)
    x = np.log(shaken(551, 128))
    parts = pywt.wavedec(x, "db4", mode="smooth", level=3)
    smooth, _ = wavelet_approximation(x, "db4", 3)
    whole = smooth + sum(detail_alone(pywt, parts, k, len(x)) for k in range(1, 4))
    yield Comparison("all parts", float(np.max(np.abs(whole - x))), 0.0, 0.0, 1e-10)
    # Haar: means of blocks of eight
    means = np.repeat(x.reshape(-1, 8).mean(axis=1), 8)
    haar, _ = wavelet_approximation(x, "haar", 3)
    yield Comparison("Haar", float(np.max(np.abs(haar - means))), 0.0, 0.0, 1e-12)
    said = run(55, {"price": np.exp(x)}, wavelet="haar")
    yield Comparison("Haar, value", said.value[-1], x[-1] - means[-1], 1e-9, 1e-12)
    total = sum(float(column[-1]) for name, column in said.outputs.items() if name.startswith("e_"))
    yield Comparison("shares", total, 1.0)


def slow_modes(x: Floats, most: int, sift: int) -> tuple[list[Floats], Floats]:
    """The sifting in loops, with extrema found sample by sample."""
    interpolate = import_module("scipy.interpolate")
    n, rest = len(x), x.copy()
    modes: list[Floats] = []

    def turns(h: Floats, side: float) -> list[int]:
        found, rising, first = [], False, 0
        for i in range(1, n):
            step = side * (h[i] - h[i - 1])
            if step > 0.0:
                rising, first = True, i
            elif step < 0.0:
                if rising:
                    found.append(first)
                rising = False
        return found

    def through(at: list[int], h: Floats) -> Floats:
        knots = {-i: h[i] for i in at[:2]} | {2 * (n - 1) - i: h[i] for i in at[-2:]} | {i: h[i] for i in at}
        where = sorted(knots)
        return np.asarray(interpolate.CubicSpline(where, [knots[i] for i in where])(np.arange(n)))

    while len(modes) < most:
        h = rest.copy()
        done = 0
        while done < sift and len(turns(h, 1.0)) >= 2 and len(turns(h, -1.0)) >= 2:
            h = h - (through(turns(h, 1.0), h) + through(turns(h, -1.0), h)) / 2.0
            done += 1
        if not done:
            break
        modes.append(h)
        rest = rest - h
    return modes, rest


@golden(56)
def modes() -> Mapping[str, float]:
    t = np.arange(256.0)
    fast, slow = np.sin(2.0 * np.pi * t / 8.0), 2.0 * np.sin(2.0 * np.pi * t / 40.0)
    found, _ = empirical_modes(fast + slow + 0.01 * t, 6, 10)
    of = [float(np.corrcoef(mode, tone)[0, 1]) for mode, tone in zip(found, (fast, slow), strict=False)]
    return {"modes": float(len(found)), "fast": of[0], "slow": of[1]}


@reference(56)
def other_emd() -> Iterator[Comparison]:
    x = np.log(shaken(561, 200))
    modes, residue = empirical_modes(x, 6, 10)
    yield Comparison("all modes", float(np.max(np.abs(sum(modes) + residue - x))), 0.0, 0.0, 1e-12)
    other, rest = slow_modes(x, 6, 10)
    yield Comparison("how many", float(len(modes)), float(len(other)))
    for k, (mine, theirs) in enumerate(zip(modes, other, strict=False)):
        yield Comparison(f"mode {k}", float(np.max(np.abs(mine - theirs))), 0.0, 0.0, 1e-10)
    yield Comparison("residue", float(np.max(np.abs(residue - rest))), 0.0, 0.0, 1e-10)
    for n, most, noise in ((200, 6, 2), (96, 2, 1)):
        said = run(56, {"price": np.exp(x)}, n=n, max_imf=most, noise=noise, every=8)
        at = n - 1 + (200 - n) // 8 * 8
        other, rest = slow_modes(x[at - n + 1 : at + 1], most, 10)
        energy = [float(mode @ mode) for mode in other] + [0.0] * (most - len(other))
        named = {"n_imf": len(other), "residue": rest[-1]}
        named |= {f"e_{k}": part / sum(energy) for k, part in enumerate(energy, 1)}
        yield Comparison(f"value, n {n}", said.value[-1], np.sum(other[:noise], axis=0)[-1], 1e-7, 1e-12)
        for name, number in named.items():
            yield Comparison(f"{name}, n {n}", said.outputs[name][-1], number, 1e-7)


@golden(57)
def singular() -> Mapping[str, float]:
    said = last(57, walk(57, 200), {"trend": "trend", "share": "share"}, "value")
    return {"g": float(np.log(said["trend"]) - np.mean(np.log(walk(57, 200)))), "share": said["share"]}


@reference(57)
def full_svd() -> Iterator[Comparison]:
    for seed, n, L, r in ((571, 80, 20, 2), (572, 61, 30, 4)):
        x = np.log(shaken(seed, n))
        centred = x - x.mean()
        H = np.array([centred[i : i + n - L + 1] for i in range(L)])
        U, S, V = np.linalg.svd(H)
        low = U[:, :r] @ np.diag(S[:r]) @ V[:r]
        smooth = [np.mean([low[i, t - i] for i in range(L) if 0 <= t - i < n - L + 1]) for t in range(n)]
        said = run(57, {"price": np.exp(x)}, n=n, L=L, r=r)
        g, sd = x.mean() + smooth[-1], np.std(centred - smooth)
        yield Comparison(f"trend, {seed}", np.log(said.outputs["trend"][-1]), g, 1e-9)
        yield Comparison(f"value, {seed}", said.value[-1], (x[-1] - g) / sd, 1e-8, 1e-11)
        yield Comparison(f"share, {seed}", said.outputs["share"][-1], np.sum(S[:r] ** 2) / np.sum(S**2))
    grown = np.exp(0.03 * np.arange(50.0))
    turned = np.sin(2.0 * np.pi * np.arange(50.0) / 10.0)
    for x, r in ((grown, 1), (turned, 2)):
        U, S, V = np.linalg.svd(np.array([x[i : i + 31] for i in range(20)]), full_matrices=False)
        back = diagonal_means((U[:, :r] * S[:r]) @ V[:r])
        yield Comparison(f"exact, r {r}", float(np.max(np.abs(back - x))), 0.0, 0.0, 1e-12 * 5.0)
