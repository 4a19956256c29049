"""Golden numbers and references of clusters, mixtures and components of a window (81, 83 to 85)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.loops import Floats, Said, golden_rows, window, windows
from livetrading.formulas.checks.machine_learning.slow import rows, stream
from livetrading.formulas.machine_learning.clusters import components
from livetrading.formulas.registry import create, run

SCHEDULE: Mapping[str, int] = {"n": 90, "refit": 55, "stride": 4}
ROWS = 230
FIRST_FIT = 519
PLANE = [2, 4]


def first_fit(id: int) -> dict[str, float]:
    """Return what a formula says of the golden data at its first fit."""
    said = run(id, {name: column[: FIRST_FIT + 1] for name, column in golden_rows().items()})
    return {"value": float(said.value[-1]), **{name: float(x[-1]) for name, x in said.outputs.items()}}


@golden(81)
def golden_k_means() -> Mapping[str, float]:
    said = first_fit(81)
    sizes = {f"rows of {j}": 500.0 * said[f"share_{j}"] for j in range(3)}
    return {"inertia": said["inertia"], "regime": said["value"], **sizes}


@golden(83)
def golden_ward() -> Mapping[str, float]:
    tree = import_module("scipy.cluster.hierarchy")
    heights = tree.linkage(np.array((0.0, 1.0, 5.0, 6.0, 20.0))[:, None], "ward")[:, 2]
    said = first_fit(83)
    formula = create(83)
    formula.run({name: column[: FIRST_FIT + 1] for name, column in golden_rows().items()})
    shares = formula.state()["own"]["_fitted"].notes["shares"]
    return {
        **{f"height {j}": float(height) for j, height in enumerate(heights)},
        **{name: said[name] for name in ("cophenetic", "top_height", "value")},
        **{f"rows of {j}": 500.0 * float(share) for j, share in enumerate(shares)},
        "rows of it": 500.0 * said["share"],
    }


@golden(84)
def golden_mixture() -> Mapping[str, float]:
    said = first_fit(84)
    return {name: said[name] for name in ("loglik", "bic", "post_0", "post_1", "post_2")}


@golden(85)
def golden_components() -> Mapping[str, float]:
    said = first_fit(85)
    _, directions = components(window(golden_rows(), FIRST_FIT, 500)[0])
    loadings = {f"loading {j}": float(directions[j, 0]) for j in range(8)}
    return {"value": said["value"], "ratio_0": said["ratio_0"], "ratio_1": said["ratio_1"], **loadings}


def nearest_of(centres: Floats, point: Floats) -> Floats:
    return np.array([float(np.linalg.norm(point - centre)) for centre in centres])


@reference(81)
def k_means_by_loop() -> Iterator[Comparison]:
    k_means, k_means_2 = import_module("sklearn.cluster").KMeans, import_module("scipy.cluster.vq").kmeans2
    inertias: list[tuple[float, float]] = []

    def fit(z: Floats, mean: Floats, by: Floats) -> Any:
        points = z[:, PLANE].copy()
        centres = k_means(4, n_init=10, algorithm="lloyd", random_state=3).fit(points).cluster_centers_
        centres = centres[np.argsort(centres[:, 1])]
        moved, labels = k_means_2(points, centres, minit="matrix", iter=50)
        inertias.append((float(np.sum((points - moved[labels]) ** 2)), _inertia(points, centres)))
        shares = {f"share_{j}": float(np.mean(labels == j)) for j in range(4)}
        return centres, mean[2], by[2], {"inertia": _inertia(points, centres), **shares}

    def ask(model: Any, z: Floats, at_fit: bool) -> Said:
        centres, mean, sd, notes = model
        apart = nearest_of(centres, z[PLANE])
        regime = int(np.argmin(apart))
        d1, d2 = sorted(apart)[:2]
        raw = centres[regime, 0] * sd + mean
        signal = np.sign(raw) if abs(raw) > 0.5 * sd else 0.0
        return {
            "value": regime,
            "signal": signal,
            "confidence": (d2 - d1) / d2,
            "d1": d1,
            **notes,
        }

    made = rows(ROWS, 52)
    often = {**SCHEDULE, "refit": 20}
    expected = windows(made, fit, ask, **often)
    yield from stream("four regimes", run(81, made, k=4, seed=3, **often), expected, 1e-9)
    for after, before in inertias:
        yield Comparison("inertia after more iterations", after, before, 1e-8)


def _inertia(points: Floats, centres: Floats) -> float:
    return float(sum(np.min(nearest_of(centres, point)) ** 2 for point in points))


@reference(83)
def ward_by_library() -> Iterator[Comparison]:
    """The tree of scikit-learn cut at k has the same clusters."""
    agglomerative = import_module("sklearn.cluster").AgglomerativeClustering
    distance = import_module("scipy.spatial.distance").pdist

    def fit(z: Floats, mean: Floats, by: Floats) -> Any:
        points = z[:, PLANE].copy()
        found = agglomerative(4, linkage="ward", compute_distances=True).fit(points)
        means = np.array([np.mean(points[found.labels_ == j], axis=0) for j in range(4)])
        order = np.argsort(means[:, 0])
        shares = np.array([np.mean(found.labels_ == j) for j in order])
        joined = _heights(found.children_, found.distances_, len(points))
        correlation = float(np.corrcoef(joined, distance(points))[0, 1])
        last = int(np.flatnonzero(order == found.labels_[-1])[0])
        return means[order], shares, correlation, float(found.distances_[-1]), last

    def ask(model: Any, z: Floats, at_fit: bool) -> Said:
        means, shares, correlation, top, last = model
        index = last if at_fit else int(np.argmin(nearest_of(means, z[PLANE])))
        return {
            "value": index,
            "signal": {0: -1.0, 3: 1.0}.get(index, 0.0),
            "confidence": np.clip(correlation, 0.0, 1.0),
            "cophenetic": correlation,
            "top_height": top,
            "share": shares[index],
        }

    made = rows(ROWS, 53)
    often = {**SCHEDULE, "refit": 1}
    expected = windows(made, fit, ask, **often)
    yield from stream("four clusters", run(83, made, k=4, **often), expected, 1e-9)


def _heights(children: Floats, heights: Floats, n: int) -> Floats:
    """Height at which each pair of rows is first in one cluster, in the order of a condensed matrix."""
    members = [[i] for i in range(n)]
    joined = np.zeros((n, n))
    for (a, b), height in zip(children.tolist(), heights, strict=True):
        for i in members[a]:
            joined[i, members[b]] = joined[members[b], i] = height
        members.append(members[a] + members[b])
    return np.asarray(joined[np.triu_indices(n, 1)])


@reference(84)
def mixture_by_densities() -> Iterator[Comparison]:
    """Posteriors, likelihood and criterion from normal densities at the library's parameters."""
    mixture = import_module("sklearn.mixture").GaussianMixture
    log_density = import_module("scipy.stats").multivariate_normal.logpdf
    total = import_module("scipy.special").logsumexp

    def joint(model: Any, points: Floats) -> Floats:
        parts = zip(model.weights_, model.means_, model.covariances_, strict=True)
        return np.column_stack([np.log(w) + log_density(points, m, c).reshape(-1) for w, m, c in parts])

    def fit(z: Floats, mean: Floats, by: Floats) -> Any:
        points = z[:, PLANE].copy()
        model = mixture(2, max_iter=200, random_state=4).fit(points)
        loglik = float(np.mean(total(joint(model, points), axis=1)))
        bic = -2.0 * loglik * len(z) + 11 * np.log(len(z))
        return model, mean[2], by[2], {"loglik": loglik, "bic": bic}

    def ask(model: Any, z: Floats, at_fit: bool) -> Said:
        fitted, mean, sd, notes = model
        each = joint(fitted, z[None, PLANE])[0]
        order = np.argsort(fitted.means_[:, 1])
        posterior = np.exp(each - total(each))[order]
        best = int(np.argmax(posterior))
        centre = fitted.means_[order[best], 0]
        clear = posterior[best] > 0.6 and abs(centre) > 0.25
        return {
            "value": posterior[-1],
            "signal": np.sign(centre * sd + mean) if clear else 0.0,
            "confidence": posterior[best],
            **{f"post_{j}": p for j, p in enumerate(posterior)},
            **notes,
        }

    made = rows(ROWS, 54)
    expected = windows(made, fit, ask, **SCHEDULE)
    yield from stream("two components", run(84, made, k=2, seed=4, **SCHEDULE), expected, 1e-9)


@reference(85)
def components_by_library() -> Iterator[Comparison]:
    analysis = import_module("sklearn.decomposition").PCA

    def fit(z: Floats, mean: Floats, by: Floats) -> Any:
        return analysis(svd_solver="full").fit(z), len(z)

    def ask(model: Any, z: Floats, at_fit: bool) -> Said:
        found, n = model
        ups = np.array([1.0 if max(axis, key=abs) > 0.0 else -1.0 for axis in found.components_])
        scores = found.transform(z[None, :])[0] * ups
        variance = found.explained_variance_[0] * (n - 1) / n
        far = abs(scores[0]) > 2.0 * np.sqrt(variance)
        rest = z - found.components_[:3].T @ (found.components_[:3] @ z)
        return {
            "value": scores[0],
            "signal": np.sign(scores[0] * ups[0] * found.components_[0, 2]) if far else 0.0,
            "confidence": found.explained_variance_ratio_[0],
            **{f"ratio_{j}": ratio for j, ratio in enumerate(found.explained_variance_ratio_)},
            "score_1": scores[1],
            "spe": float(np.sum(rest**2)),
        }

    made = rows(ROWS, 54)
    said = run(85, made, k=3, n=90, refit=30, stride=2)
    expected = windows(made, fit, ask, n=90, refit=30, stride=2)
    yield from stream("three components", said, expected, 1e-9)
