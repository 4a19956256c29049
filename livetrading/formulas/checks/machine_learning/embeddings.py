"""References of the votes on maps of a window (86, 87)."""

from collections.abc import Generator, Iterator, Mapping
from importlib import import_module
from math import isnan, nan
from typing import Any

import numpy as np

from livetrading.formulas.base import Batch
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.loops import Floats, golden_rows, window
from livetrading.formulas.checks.machine_learning.slow import rows, slow_features, stream
from livetrading.formulas.registry import create

FIRST_FIT = 219
ROWS = 285
TRUSTED = 0.85


def at_first(id: int, end: int = FIRST_FIT + 1) -> tuple[Batch, Floats]:
    """Return what a formula says of the golden data and the map of its first fit."""
    formula = create(id)
    said = formula.run({name: column[:end] for name, column in golden_rows().items()})
    return said, formula.state()["own"]["_fitted"].model[1]


@golden(86)
def golden_blobs() -> Mapping[str, float]:
    """Return 1 where blobs that lie apart stay apart on the library's map."""
    data = import_module("sklearn.datasets").make_blobs(200, 8, centers=3, random_state=0)[0]
    manifold = import_module("sklearn.manifold")
    library = manifold.TSNE(
        2, perplexity=20, init="pca", learning_rate="auto", max_iter=500, method="exact", random_state=0
    )
    trust = manifold.trustworthiness(data, library.fit_transform(data), n_neighbors=10)
    return {"blobs are kept apart": float(trust >= 0.95)}


@golden(87)
def golden_window() -> Mapping[str, float]:
    """Return 1 where the map of the golden window is to be trusted; how far differs among platforms."""
    return {"neighbours are kept": float(at_first(87)[0].outputs["trust"][-1] >= TRUSTED)}


def votes(made: Mapping[str, Floats], places: Floats, n: int, k: int, h: int) -> dict[str, Floats]:
    """Return the columns of what is said on one map, by brute force."""
    price = made["price"]
    z, mean, by = window(made, 19 + n, n)
    x, first = slow_features(price, made["volume"], made["side"]), 20
    names = ("value", "signal", "confidence", "ready", "e0", "e1", "hit_rate", "p_up")
    columns = {name: np.full(len(price), 0.0 if name[0] in "scr" else nan) for name in names}
    right: list[bool] = []
    guesses: dict[int, float] = {}
    for t in range(19 + n, len(price)):
        moved = np.log(price[t] / price[t - h])
        if not isnan(guesses.get(t - h, nan)) and moved != 0.0:
            right.append((guesses[t - h] - 0.5) * moved > 0.0)
        place = places[-1]
        if t > 19 + n:
            apart = [float(np.sum((row - (x[t] - mean) / by) ** 2)) for row in z]
            place = np.mean(places[np.argsort(apart)[:5]], axis=0)
        known = [i for i in range(n) if first + i + h <= t and price[first + i + h] != price[first + i]]
        near = sorted(known, key=lambda i: float(np.sum((places[i] - place) ** 2)))[:k]
        guesses[t] = nan
        if len(near) == k:
            p = guesses[t] = float(np.mean([price[first + i + h] > price[first + i] for i in near]))
            rate = float(np.mean(right)) if len(right) >= 50 else nan
            signal = float(p > 0.55) - float(p < 0.45)
            said = (p, signal, abs(2.0 * p - 1.0), 1.0, place[0], place[1], rate, p)
            for name, one in zip(names, said, strict=True):
                columns[name][t] = one
    return columns


def by_brute_force(id: int, **own: Any) -> Generator[Comparison, None, tuple[Batch, Floats]]:
    """Compare, and return what is said of the golden data and the map of it."""
    said, places = at_first(id, ROWS)
    head = {name: column[:ROWS] for name, column in golden_rows().items()}
    yield from stream("golden data", said, votes(head, places, 200, 10, 10), 1e-9)
    made, given = rows(150, 71), {"n": 60, "k": 20, "h": 30, "refit": 1000}
    formula = create(id, **given, **own)
    late = formula.run(made)
    expected = votes(made, formula.state()["own"]["_fitted"].model[1], 60, 20, 30)
    yield from stream("labels that come late", late, expected, 1e-9)
    trust = said.outputs["trust"][-1]
    yield Comparison("trust, at least 0.85", min(trust, TRUSTED), TRUSTED)
    z = window(head, FIRST_FIT, 200)[0]
    yield Comparison("trust", trust, trustworthiness(z, places, 10), 1e-9)
    return said, places


def trustworthiness(z: Floats, places: Floats, k: int) -> float:
    """1 less the ranks, beyond k, of those near on the map who are not among the k nearest, normed."""
    ranks = [np.argsort(np.argsort(_apart(z, i))) for i in range(len(z))]
    late = 0.0
    for i in range(len(z)):
        near = np.argsort(_apart(places, i))[1 : k + 1]
        late += float(np.sum(np.maximum(ranks[i][near] - k, 0)))
    n = len(z)
    return 1.0 - 2.0 * late / (n * k * (2.0 * n - 3.0 * k - 1.0))


def _apart(points: Floats, i: int) -> Floats:
    apart: Floats = np.sum((points - points[i]) ** 2, axis=1)
    apart[i] = -1.0
    return apart


def divergence(z: Floats, places: Floats, perplexity: float) -> float:
    """Of the pairs' distribution on the map from that of the vectors, each of which has the perplexity."""
    optimize = import_module("scipy.optimize")
    n = len(z)
    p, q = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        others = np.arange(n) != i
        apart = np.sum((z[others] - z[i]) ** 2, axis=1)

        def weights(log_beta: float, apart: Floats = apart) -> Floats:
            w = np.exp(-np.exp(log_beta) * (apart - apart.min()))
            return np.asarray(w / w.sum())

        def excess(log_beta: float, weights: Any = weights) -> float:
            w = weights(log_beta)
            return float(-np.sum(w * np.log(np.maximum(w, 1e-300))) - np.log(perplexity))

        p[i, others] = weights(optimize.brentq(excess, -20.0, 20.0))
        q[i, others] = 1.0 / (1.0 + np.sum((places[others] - places[i]) ** 2, axis=1))
    p, q = (p + p.T) / (2.0 * n), q / q.sum()
    near = p > 0.0
    return float(np.sum(p[near] * np.log(p[near] / q[near])))


@reference(86)
def t_sne_by_brute_force() -> Iterator[Comparison]:
    said, places = yield from by_brute_force(86, perplexity=10.0)
    library = import_module("sklearn.manifold").TSNE(
        2, perplexity=20, init="pca", learning_rate="auto", max_iter=500, method="exact", random_state=0
    )
    z = window(golden_rows(), FIRST_FIT, 200)[0]
    library.fit(z)
    kl = said.outputs["kl"][-1]
    yield Comparison("kl", kl, library.kl_divergence_, 0.05)
    # of the places one step of the descent before the last
    yield Comparison("kl of the map", kl, divergence(z, places, 20.0), 1e-4)


@reference(87)
def umap_by_brute_force() -> Iterator[Comparison]:
    yield from by_brute_force(87)
    one, other = at_first(87)[1], at_first(87)[1]
    for i in range(len(one)):
        for j in range(2):
            yield Comparison(f"place {i}, {j}, fitted again", other[i, j], one[i, j], 0.0)
