"""Streams that a market could send but seldom does, and the fixed streams of the worked examples."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "hot_formulas.json").read_text(encoding="utf-8")
)


def walk(seed: int, n: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(n).cumsum() * 10 + 50_000


def tape() -> tuple[Floats, Floats, Floats, Floats]:
    """Bid, ask, bid size and ask size of the 600 quotes that the worked examples use."""
    g = np.random.default_rng(4)
    mid = 50_000 + 10 * g.standard_normal(600).cumsum()
    half = 0.5 + g.exponential(1.0, 600)
    return mid - half, mid + half, g.exponential(1.0, 600), g.exponential(1.0, 600)


def flow() -> tuple[Floats, Floats, NDArray[np.int8]]:
    """Price, volume and side of the 2,000 trades that the worked examples use."""
    side = np.where(np.random.default_rng(3).random(2000) < 0.5, -1, 1).astype(np.int8)
    return walk(1, 2000), np.random.default_rng(2).exponential(1.0, 2000), side


@st.composite
def prices(draw: st.DrawFn, least: int = 2, most: int = 90) -> Floats:
    """Runs that stand still, creep by one unit in the last place, walk, or jump a million times."""
    p = draw(st.sampled_from([1e-3, 1.0, 50_000.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    out = [p]
    n = draw(st.integers(least, most))
    while len(out) < n:
        move, run = draw(st.sampled_from(["hold", "ulp", "walk", "wide", "jump"])), draw(st.integers(1, 25))
        for _ in range(1 if move == "jump" else run):
            if move == "ulp":
                p = math.nextafter(p, math.inf if rng.random() < 0.5 else 0.0)
            elif move in ("walk", "wide"):
                p *= math.exp(rng.standard_normal() * (1e-4 if move == "walk" else 0.1))
            elif move == "jump":
                p = p * 1e6 if p < 1e3 else p / 1e6
            out.append(p)
    return np.array(out[:n])


@st.composite
def sizes(draw: st.DrawFn, n: int) -> Floats:
    """Sizes of one order, or huge ones among tiny ones."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scales = draw(st.sampled_from([[1.0], [1e-8, 1.0], [1e-8, 1.0, 1e7], [1e-6, 1e12]]))
    size = rng.exponential(1.0, n) * rng.choice(scales, n)
    if draw(st.booleans()):
        size[rng.random(n) < 0.3] = 0.0
    if draw(st.booleans()):
        size[n // 3 :] = size[n // 3]
    return size


@st.composite
def quotes(draw: st.DrawFn) -> tuple[Floats, Floats, Floats, Floats]:
    bid = draw(prices())
    ask = np.nextafter(bid, math.inf) if draw(st.booleans()) else bid * 1.0001
    return bid, ask, draw(sizes(len(bid))), draw(sizes(len(bid)))


@st.composite
def trades(draw: st.DrawFn) -> tuple[Floats, Floats, NDArray[np.int8]]:
    p = draw(prices())
    side = np.random.default_rng(draw(st.integers(0, 2**32))).integers(-1, 2, len(p)).astype(np.int8)
    return p, draw(sizes(len(p))), side
