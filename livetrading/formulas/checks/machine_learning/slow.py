"""Slow and obvious forms of what the learned formulas are made of."""

from collections.abc import Callable, Iterator, Mapping
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Batch
from livetrading.formulas.checks.harness import Comparison
from livetrading.formulas.checks.markets import market

__all__ = [
    "Arrays",
    "Model",
    "complex_gradient",
    "cut",
    "rows",
    "sd",
    "slow_features",
    "slow_pairs",
    "slow_z",
    "stream",
]

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
Model = Callable[[Arrays, Floats], NDArray[Any]]


def rows(n: int, seed: int = 31) -> dict[str, Floats]:
    """Return price, volume and side of a made-up market."""
    made = market(n, seed)
    return {name: np.asarray(made[name], np.float64) for name in ("price", "volume", "side")}


def sd(x: Floats) -> float:
    """Population sd, 0 where it is rounding beside the values."""
    found = float(np.std(x))
    return 0.0 if found <= 1e-12 * np.max(np.abs(x)) else found


def slow_features(price: Floats, volume: Floats, side: Floats) -> Floats:
    """Eight features of every trade from the 21st on, NaN before."""
    r = np.concatenate([[nan], np.log(price[1:] / price[:-1])])
    log_volume = np.log(1.0 + volume)
    found = np.full((len(price), 8), nan)
    for t in range(20, len(price)):
        last = slice(t - 19, t + 1)
        s5, s20, sp = sd(r[t - 4 : t + 1]), sd(r[last]), sd(price[last])
        total = float(np.sum(volume[last]))
        found[t] = (
            r[t],
            np.log(price[t] / price[t - 5]),
            np.log(price[t] / price[t - 20]),
            np.log(s5 / s20) if s5 > 0.0 and s20 > 0.0 else 0.0,
            s20,
            (price[t] - np.mean(price[last])) / sp if sp > 0.0 else 0.0,
            log_volume[t] - np.mean(log_volume[last]),
            np.sum(side[last] * volume[last]) / total if total > 0.0 else 0.0,
        )
    return found


def slow_z(x: Floats) -> Floats:
    """Features standardised by all so far, from the 21st row on."""
    z = np.full(x.shape, nan)
    for t in range(20, len(x)):
        for j in range(8):
            seen = x[20 : t + 1, j]
            s = sd(seen)
            z[t, j] = np.clip((x[t, j] - np.mean(seen)) / s, -5.0, 5.0) if s > 0.0 else 0.0
    return z


def complex_gradient(loss: Callable[[NDArray[np.complex128]], NDArray[Any]], w: Floats) -> Floats:
    """Derivatives of an analytic function without differences (Squire, Trapp 1998, SIAM Review 40)."""
    shifted = np.repeat(w[None, :].astype(np.complex128), len(w), axis=0)
    shifted[np.diag_indices(len(w))] += 1e-30j
    return np.asarray(loss(shifted).imag / 1e-30)


def cut(gradient: Floats, clip: float) -> Floats:
    """Return a gradient of at most the length `clip`."""
    norm = float(np.sqrt(np.sum(gradient * gradient)))
    return gradient * min(1.0, clip / norm) if norm > 0.0 else gradient


def stream(name: str, said: Batch, expected: Mapping[str, Floats], rel: float = 1e-9) -> Iterator[Comparison]:
    """Compare what a formula said after each row with columns of what it ought to say."""
    columns = {
        "value": said.value,
        "signal": said.signal.astype(np.float64),
        "confidence": said.confidence,
        "ready": said.ready.astype(np.float64),
        **said.outputs,
    }
    for key, column in expected.items():
        for i, (was, ought) in enumerate(zip(columns[key], column, strict=True)):
            yield Comparison(f"{name}: {key}, row {i}", float(was), float(ought), rel, 1e-11)


def slow_pairs(
    price: Floats, first: int, h: int, warm: int, length: int, learner: Any
) -> Iterator[tuple[int, float, float, bool]]:
    """Walk the observations: train on what is known, predict, count what was right.

    `learner.train(s, y)` and `learner.predict(t)`, which returns above 0 for a rise. Yields the observation,
    what was predicted, the hit rate and whether there were enough steps.
    """
    steps, right = 0, []
    made: dict[int, float] = {}
    for t in range(first, len(price)):
        s = t - h
        rise = np.log(price[t] / price[s]) if s >= first else 0.0
        if rise != 0.0:
            if s in made:
                right.append(made[s] * rise > 0.0)
            if s - first + 1 >= length:
                learner.train(s, 1.0 if rise > 0.0 else 0.0)
                steps += 1
        if t - first + 1 >= length:
            made[t] = learner.predict(t)
            rate = float(np.mean(right[-200:])) if len(right) >= 50 else nan
            yield t, made[t], rate, steps >= warm
