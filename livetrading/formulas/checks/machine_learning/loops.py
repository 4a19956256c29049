"""Fits and readings of library models in plain loops over the definitions of their rows."""

from collections.abc import Callable, Mapping
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.machine_learning.slow import sd, slow_features
from livetrading.formulas.checks.markets import side, vol, walk

__all__ = ["Said", "forecasts", "golden_rows", "judged", "window", "windows"]

Floats = NDArray[np.float64]
Said = Mapping[str, float]


def golden_rows() -> dict[str, Floats]:
    """Return the catalogue's data for fitted models."""
    return {"price": walk(7, 700), "volume": vol(8, 700), "side": side(9, 700).astype(np.float64)}


def _spread(x: Floats) -> tuple[Floats, Floats]:
    by = np.array([sd(column) for column in x.T])
    return np.mean(x, axis=0), np.where(by == 0.0, 1.0, by)


def judged(p: float, theta: float = 0.05) -> dict[str, float]:
    """Return what a probability says where nothing else is said."""
    signal = 1.0 if p > 0.5 + theta else -1.0 if p < 0.5 - theta else 0.0
    return {"value": p, "signal": signal, "confidence": abs(2.0 * p - 1.0), "p_up": p}


def forecasts(
    made: Mapping[str, Floats],
    fit: Callable[[Floats, NDArray[np.int64]], Any],
    ask: Callable[[Any, Floats], Said],
    *,
    n: int,
    refit: int,
    stride: int,
    h: int,
) -> dict[str, Floats]:
    """Return what a classifier of the last n known pairs says after every row.

    `fit` takes the scaled pairs and their labels, `ask` what it returned and the scaled row of now.
    """
    price, x = made["price"], slow_features(made["price"], made["volume"], made["side"])
    first, kept, right = 20 + h + n - 1, None, []
    guesses: dict[int, float] = {}
    columns: dict[str, Floats] = {}
    said: dict[str, float] = {}
    for t in range(first, len(price)):
        moved = np.log(price[t] / price[t - h])
        if t - h in guesses and moved != 0.0:
            right.append((guesses[t - h] - 0.5) * moved > 0.0)
        fits = (t - first) % refit == 0
        if fits:
            rises = [(s, np.log(price[s + h] / price[s])) for s in range(t - h - n + 1, t - h + 1)]
            pairs = np.array([x[s] for s, rise in rises if rise != 0.0])
            y = np.array([1 if rise > 0.0 else 0 for _, rise in rises if rise != 0.0])
            if len(set(y)) == 2:
                mean, by = _spread(pairs)
                kept = (fit((pairs - mean) / by, y), mean, by)
        if kept is not None and (fits or (t - first) % stride == 0):
            model, mean, by = kept
            said = dict(ask(model, ((x[t] - mean) / by)[None, :]))
            guesses[t] = said["value"]
        if kept is not None:
            rate = float(np.mean(right[-200:])) if len(right) >= 50 else nan
            _note(columns, t, len(price), {**said, "hit_rate": rate})
    return columns


def _note(columns: dict[str, Floats], t: int, rows: int, said: Said) -> None:
    for name, value in {**said, "ready": 1.0}.items():
        quiet = 0.0 if name in ("signal", "confidence", "ready") else nan
        columns.setdefault(name, np.full(rows, quiet))[t] = value


def window(made: Mapping[str, Floats], t: int, n: int) -> tuple[Floats, Floats, Floats]:
    """Return the scaled window of the n feature vectors that end at t, their means and sds, 1 for 0."""
    x = slow_features(made["price"], made["volume"], made["side"])[t - n + 1 : t + 1]
    mean, by = _spread(x)
    return (x - mean) / by, mean, by


def windows(
    made: Mapping[str, Floats],
    fit: Callable[[Floats, Floats, Floats], Any],
    ask: Callable[[Any, Floats, bool], Said],
    *,
    n: int,
    refit: int,
    stride: int,
) -> dict[str, Floats]:
    """Return what a model of the last n feature vectors says after every row.

    `fit` takes the scaled window, means and sds, `ask` what it returned, the scaled row of now, and whether
    it is the last of the window.
    """
    x = slow_features(made["price"], made["volume"], made["side"])
    columns: dict[str, Floats] = {}
    kept: Any = None
    said: Said = {}
    for t in range(19 + n, len(x)):
        since = t - 19 - n
        if since % refit == 0:
            z, mean, by = window(made, t, n)
            kept = (fit(z, mean, by), mean, by)
        if since % refit == 0 or since % stride == 0:
            model, mean, by = kept
            said = ask(model, (x[t] - mean) / by, since % refit == 0)
        _note(columns, t, len(x), said)
    return columns
