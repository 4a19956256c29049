"""Golden numbers and references of the filters by likeness to a window (82, 88 to 90)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.clusters import ROWS, SCHEDULE, first_fit
from livetrading.formulas.checks.machine_learning.loops import Floats, Said, windows
from livetrading.formulas.checks.machine_learning.slow import rows, stream
from livetrading.formulas.registry import run

DENSITY = [0, 4, 6]


def gated(value: float, blocks: bool, confidence: float) -> dict[str, float]:
    """Return what a filter says."""
    signal, gate = (-1.0, 0.0) if blocks else (1.0, 1.0)
    return {
        "value": value,
        "signal": signal,
        "gate": gate,
        "confidence": float(np.clip(confidence, 0.0, 1.0)),
    }


@golden(82)
def golden_density() -> Mapping[str, float]:
    found = import_module("sklearn.cluster").DBSCAN(eps=0.15, min_samples=2)
    labels = found.fit_predict(np.array((0.0, 0.1, 0.2, 5.0))[:, None])
    said = first_fit(82)
    return {
        **{f"label {j}": float(label) for j, label in enumerate(labels)},
        "noise points": 500.0 * said["noise_share"],
        "value": said["value"],
    }


@golden(88)
def golden_isolation() -> Mapping[str, float]:
    return {"value": first_fit(88)["value"]}


@golden(89)
def golden_factor() -> Mapping[str, float]:
    library = import_module("sklearn.neighbors").LocalOutlierFactor(2)
    library.fit(np.array((0.0, 1.0, 2.0, 3.0, 10.0))[:, None])
    factors = {f"factor {j}": float(-f) for j, f in enumerate(library.negative_outlier_factor_)}
    return {**factors, "value": first_fit(89)["value"]}


@golden(90)
def golden_boundary() -> Mapping[str, float]:
    x = np.array((0.0, 1.0, 2.0, 4.0))[:, None]
    library = import_module("sklearn.svm").OneClassSVM(kernel="rbf", gamma=0.5, nu=0.5, tol=1e-10).fit(x)
    alphas = {f"alpha {i}": float(a) for i, a in zip(library.support_, library.dual_coef_[0], strict=True)}
    said = first_fit(90)
    window = {name: said[name] for name in ("value", "sv_share", "outlier_share")}
    return {**alphas, "f 1": float(library.decision_function(x)[1]), **window}


@reference(82)
def density_by_graph() -> Iterator[Comparison]:
    """In a window where every observation is of a cluster, and in ones where up to half are of none."""
    yield from density(1.3, 7)
    yield from density(0.7, 6)


def density(eps: float, least: int) -> Iterator[Comparison]:
    """Core points by counting, clusters as components of the graph of core points within eps."""
    tree = import_module("scipy.spatial").cKDTree
    connected = import_module("scipy.sparse.csgraph").connected_components

    def fit(z: Floats, mean: Floats, by: Floats) -> Any:
        near = tree(z[:, DENSITY]).query_ball_point(z[:, DENSITY], eps)
        core = [i for i, some in enumerate(near) if len(some) >= least]
        links = np.array([[j in near[i] for j in core] for i in core], np.int8)
        noise = np.array([not set(some) & set(core) for some in near])
        notes = {"clusters": float(connected(links)[0]), "noise_share": float(np.mean(noise))}
        return z[core][:, DENSITY], bool(noise[-1]), notes

    def ask(model: Any, z: Floats, at_fit: bool) -> Said:
        core, last, notes = model
        noise = last if at_fit else not any(np.linalg.norm(z[DENSITY] - one) <= eps for one in core)
        return {**gated(float(noise), noise, 1.0 - notes["noise_share"]), **notes}

    made = rows(ROWS, 55)
    said = run(82, made, eps=eps, min_samples=least, **SCHEDULE)
    yield from stream(f"eps {eps}", said, windows(made, fit, ask, **SCHEDULE), 1e-9)


def path(m: float) -> float:
    """Mean path of m rows, by harmonic numbers."""
    digamma = import_module("scipy.special").digamma
    return float(2.0 * (digamma(m) + np.euler_gamma) - 2.0 * (m - 1.0) / m) if m > 2 else float(m == 2)


@reference(88)
def isolation_by_paths() -> Iterator[Comparison]:
    """Scores from the lengths of paths; the library's c(m) takes ln m + Euler's constant for H_m."""
    library = import_module("sklearn.ensemble").IsolationForest

    def estimate(m: float) -> float:
        return float(2.0 * (np.log(m - 1.0) + np.euler_gamma) - 2.0 * (m - 1.0) / m) if m > 2 else path(m)

    def score(forest: Any, x: Floats, c: Any) -> float:
        lengths = []
        for one, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
            part = x[None, columns]
            leaf = one.tree_.n_node_samples[one.apply(part)[0]]
            lengths.append(one.decision_path(part).sum() - 1.0 + c(float(leaf)))
        return float(2.0 ** (-np.mean(lengths) / c(40.0)))

    def fit(z: Floats, mean: Floats, by: Floats) -> Any:
        forest = library(n_estimators=9, max_samples=40, random_state=5, n_jobs=1).fit(z)
        return forest, float(np.quantile([score(forest, x, estimate) for x in z], 0.8))

    def ask(model: Any, z: Floats, at_fit: bool) -> Said:
        s = score(model[0], z, estimate)
        return gated(s, s > model[1], 2.0 * abs(s - 0.5))

    made = rows(160, 56)
    said = run(88, made, trees=9, sub=40, q=0.8, seed=5, **SCHEDULE)
    yield from stream("isolation", said, windows(made, fit, ask, **SCHEDULE), 1e-9)
    for m in (2.0, 5.0, 40.0, 256.0):
        yield Comparison(f"mean path of {m:g}", path(m), _harmonic_path(m), 1e-12)


def _harmonic_path(m: float) -> float:
    return 2.0 * sum(1.0 / i for i in range(1, int(m))) - 2.0 * (m - 1.0) / m


@reference(89)
def factor_by_brute_force() -> Iterator[Comparison]:
    k = 9

    def fit(z: Floats, mean: Floats, by: Floats) -> Any:
        others = z[:-1]
        apart = np.linalg.norm(others[:, None] - others[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        reach = np.sort(apart, axis=1)[:, k - 1]
        density = np.array([_density(row, reach, k) for row in apart])
        return others, reach, density

    def ask(model: Any, z: Floats, at_fit: bool) -> Said:
        others, reach, density = model
        apart = np.linalg.norm(others - z, axis=1)
        near = np.argsort(apart)[:k]
        factor = float(np.mean(density[near]) / _density(apart, reach, k))
        blocks = factor > 1.2
        return gated(factor, blocks, abs(factor - 1.0) / 1.2 if blocks else 1.0 / factor)

    made = rows(ROWS, 57)
    said = run(89, made, k=k, limit=1.2, **SCHEDULE)
    yield from stream("factor", said, windows(made, fit, ask, **SCHEDULE), 1e-8)


def _density(apart: Floats, reach: Floats, k: int) -> float:
    near = np.argsort(apart)[:k]
    return float(1.0 / np.mean(np.maximum(reach[near], apart[near])))


@reference(90)
def boundary_by_library() -> Iterator[Comparison]:
    library = import_module("sklearn.svm").OneClassSVM

    def fit(z: Floats, mean: Floats, by: Floats) -> Any:
        model = library(kernel="rbf", nu=0.2, gamma=1.0 / (8.0 * np.var(z))).fit(z)
        said = model.decision_function(z)
        shares = {"sv_share": len(model.support_) / len(z), "outlier_share": float(np.mean(said < 0.0))}
        return model, float(np.max(np.abs(said))), shares

    def ask(model: Any, z: Floats, at_fit: bool) -> Said:
        found, largest, shares = model
        kernel = np.exp(-found._gamma * np.sum((found.support_vectors_ - z) ** 2, axis=1))
        f = float(found.dual_coef_[0] @ kernel + found.intercept_[0])
        return {**gated(f, f < 0.0, abs(f) / largest), **shares}

    made = rows(ROWS, 58)
    said = run(90, made, nu=0.2, **SCHEDULE)
    yield from stream("boundary", said, windows(made, fit, ask, **SCHEDULE), 1e-9)
    ready = said.ready
    for i in np.flatnonzero(ready)[:: SCHEDULE["refit"]]:
        outside, carrying = said.outputs["outlier_share"][i], said.outputs["sv_share"][i]
        yield Comparison("outside, at most nu + 0.03", max(outside, 0.23), 0.23)
        yield Comparison("carrying, at least nu", min(carrying, 0.2), 0.2)


@reference(90)
def boundary_by_quadratic_programme() -> Iterator[Comparison]:
    """The dual solved by another method: min a'Ka / 2, sum a = 1, 0 <= a <= 1 / (nu n)."""
    minimise = import_module("scipy.optimize").minimize
    x, nu = np.random.default_rng(7).standard_normal((12, 2)), 0.4
    library = import_module("sklearn.svm").OneClassSVM(kernel="rbf", gamma=0.5, nu=nu, tol=1e-10).fit(x)
    kernel = np.exp(-0.5 * np.sum((x[:, None] - x[None]) ** 2, axis=2))
    found = minimise(
        lambda a: 0.5 * a @ kernel @ a,
        np.full(12, 1.0 / 12.0),
        jac=lambda a: kernel @ a,
        bounds=[(0.0, 1.0 / (nu * 12))] * 12,
        constraints={"type": "eq", "fun": lambda a: np.sum(a) - 1.0, "jac": lambda a: np.ones(12)},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    alphas = np.zeros(12)
    alphas[library.support_] = library.dual_coef_[0] / (nu * 12)
    for i in range(12):
        yield Comparison(f"alpha {i}", alphas[i], found.x[i], 0.0, 1e-5)
