"""Regimes and directions in a window of features: clusters, mixtures, components (81, 83 to 85)."""

from math import sqrt
from typing import Any, ClassVar

import numpy as np

from livetrading.formulas.errors import FormulaError
from livetrading.formulas.libraries import library
from livetrading.formulas.machine_learning.fitted import ZERO, Fitted, Floats, Reading, Scale, Windowed
from livetrading.formulas.parameters import Whole
from livetrading.formulas.registry import register

__all__ = ["GaussianMixtureRegime", "HierarchicalCluster", "KMeansRegime", "PCAFeatures", "components"]

MOVE, VOLATILITY = 2, 4
PLANE = [MOVE, VOLATILITY]


class _Clusters(Windowed):
    """k groups of the points (f2, f4), move and volatility over the last 20, of the scaled window."""

    check_parameters: ClassVar[dict[str, Any]] = {"n": 60, "refit": 50}
    check_rows = 160
    k = Whole(3, "groups", low=2, high=100)

    def _prepare(self) -> None:
        super()._prepare()
        if self.k > self.n:
            raise FormulaError(f"k must be at most n, {self.n}, was {self.k}")


def _distances(means: Floats, z: Floats) -> Floats:
    apart: Floats = np.sqrt(np.sum((means - z[:, PLANE]) ** 2, axis=1))
    return apart


@register(
    id=81,
    name="KMeansRegime",
    category="machine_learning",
    kind="estimator",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=99.0,
    reference="Lloyd (1982), IEEE TIT 28; Arthur, Vassilvitskii (2007)",
    library="sklearn",
    extra="formulas",
)
class KMeansRegime(_Clusters):
    """Index of the regime, by nearest of k centroids of (f2, f4) in the scaled window, calmest first.

    Lloyd's algorithm, the best of 10 starts, minimises the summed squared distances to the nearest centroid.
    The signal is the sign of the centroid's f2 in its own unit where that is more than half an sd of f2, else
    0; confidence (d2 - d1)/d2 of the two smallest distances.

    Outputs: inertia, the sum minimised; share_j, of the window's rows in regime j; d1.

    References
    ----------
    Lloyd (1982), IEEE Trans. Information Theory 28; Arthur, Vassilvitskii (2007), SODA.
    """

    @property
    def gives(self) -> tuple[str, ...]:
        return ("inertia", *(f"share_{j}" for j in range(self.k)), "d1")

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        found = library("sklearn.cluster").KMeans(
            self.k, n_init=10, algorithm="lloyd", max_iter=300, tol=1e-4, random_state=self.seed
        )
        found.fit(np.ascontiguousarray(z[:, PLANE]))
        order = np.argsort(found.cluster_centers_[:, 1], kind="stable")
        counts = np.bincount(found.labels_, minlength=self.k)[order]
        shares = {f"share_{j}": float(counts[j] / len(z)) for j in range(self.k)}
        return found.cluster_centers_[order], {"inertia": float(found.inertia_), **shares}

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        distances = _distances(fitted.model, z)
        regime = int(np.argmin(distances))
        d1, d2 = np.sort(distances)[:2]
        sd = fitted.scale.sd[MOVE]
        move = fitted.model[regime, 0] * (sd if sd > 0.0 else 1.0) + fitted.scale.mean[MOVE]
        signal = int(np.sign(move)) if abs(move) > 0.5 * sd else 0
        confidence = float((d2 - d1) / d2) if d2 > 0.0 else 0.0
        return float(regime), signal, confidence, {**fitted.notes, "d1": float(d1)}


@register(
    id=83,
    name="HierarchicalCluster",
    category="machine_learning",
    kind="estimator",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=99.0,
    reference="Ward (1963), JASA 58; Sokal, Rohlf (1962)",
    library="scipy",
    extra="formulas",
)
class HierarchicalCluster(_Clusters):
    """Index of the cluster in Ward's tree of (f2, f4) in the scaled window cut at k, the most falling first.

    Clusters are sorted by mean f2; at a fit the newest row has its own cluster, later rows that of the
    nearest mean. Index 0 is short, k - 1 long, else 0; confidence the cophenetic correlation within [0, 1].

    Outputs: cophenetic, the correlation of the distances in the tree and in the plane, 0 where either is
    constant; top_height, of the last merger; share, the cluster's of the window.

    References
    ----------
    Ward (1963), JASA 58; Sokal, Rohlf (1962), Taxon 11.
    """

    @property
    def gives(self) -> tuple[str, ...]:
        return ("cophenetic", "top_height", "share")

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        tree = library("scipy.cluster.hierarchy")
        points = np.ascontiguousarray(z[:, PLANE])
        links = tree.linkage(points, "ward")
        labels = tree.fcluster(links, self.k, "maxclust") - 1
        means = np.array([points[labels == j].mean(axis=0) for j in range(labels.max() + 1)])
        order = np.argsort(means[:, 0], kind="stable")
        correlation = float(tree.cophenet(links, library("scipy.spatial.distance").pdist(points))[0])
        notes = {
            "cophenetic": correlation if correlation == correlation else 0.0,
            "top_height": float(links[-1, 2]),
            "shares": np.bincount(labels)[order] / len(z),
            "last": int(np.flatnonzero(order == labels[-1])[0]),
        }
        return means[order], notes

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        notes = fitted.notes
        index = notes["last"] if at_fit else int(np.argmin(_distances(fitted.model, z)))
        signal = -1 if index == 0 else 1 if index == self.k - 1 else 0
        said = {name: notes[name] for name in ("cophenetic", "top_height")}
        confidence = min(max(notes["cophenetic"], 0.0), 1.0)
        return float(index), signal, confidence, {**said, "share": float(notes["shares"][index])}


@register(
    id=84,
    name="GaussianMixtureRegime",
    category="machine_learning",
    kind="estimator",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Dempster, Laird, Rubin (1977), JRSS-B 39; McLachlan, Peel (2000)",
    library="sklearn",
    extra="formulas",
)
class GaussianMixtureRegime(_Clusters):
    """Posterior probability of the most volatile of k normal components of (f2, f4) in the scaled window.

    The mixture, with full covariances, is fitted by expectation-maximisation from k-means. The signal is the
    sign of the mean f2, in its own unit, of the likeliest component where its posterior is above 0.6 and that
    mean more than a quarter sd from the window's, else 0; confidence the largest posterior.

    Outputs: post_j, the posteriors, calmest component first; bic; loglik, the mean over the window's rows.

    References
    ----------
    Dempster, Laird, Rubin (1977), JRSS-B 39; McLachlan, Peel (2000), Finite Mixture Models.
    """

    @property
    def gives(self) -> tuple[str, ...]:
        return (*(f"post_{j}" for j in range(self.k)), "bic", "loglik")

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        mixture = library("sklearn.mixture").GaussianMixture(
            self.k,
            covariance_type="full",
            reg_covar=1e-6,
            n_init=1,
            init_params="kmeans",
            tol=1e-3,
            max_iter=200,
            random_state=self.seed,
        )
        points = np.ascontiguousarray(z[:, PLANE])
        mixture.fit(points)
        notes = {"bic": float(mixture.bic(points)), "loglik": float(mixture.score(points))}
        return mixture, {**notes, "order": np.argsort(mixture.means_[:, 1], kind="stable")}

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        order = fitted.notes["order"]
        posterior = fitted.model.predict_proba(z[:, PLANE])[0][order]
        likeliest = int(np.argmax(posterior))
        mean, scale = float(fitted.model.means_[order[likeliest], 0]), fitted.scale
        move = mean * (scale.sd[MOVE] if scale.sd[MOVE] > 0.0 else 1.0) + scale.mean[MOVE]
        if abs(move) <= ZERO * abs(scale.mean[MOVE]):  # a component of rows that do not move
            move = 0.0
        clear = posterior[likeliest] > 0.6 and abs(mean) > 0.25
        said = {f"post_{j}": float(p) for j, p in enumerate(posterior)}
        said.update({name: fitted.notes[name] for name in ("bic", "loglik")})
        confidence = min(float(posterior[likeliest]), 1.0)
        return min(float(posterior[-1]), 1.0), int(np.sign(move)) if clear else 0, confidence, said


def components(z: Floats) -> tuple[Floats, Floats]:
    """Return variances and directions of the principal components of Z'Z/n, the largest first.

    Parameters
    ----------
    z : ndarray of float64, shape (n, m)

    Returns
    -------
    tuple of ndarray
        Variances, shape (m,), none below 0; directions, shape (m, m), one a column, whose entry of largest
        magnitude is above 0, the first of those that are as large but for rounding (two features alone always
        load alike).
    """
    variances, directions = np.linalg.eigh(z.T @ z / len(z))
    variances, directions = np.maximum(variances[::-1], 0.0), directions[:, ::-1]
    size = np.abs(directions)
    first = np.argmax(size >= (1.0 - 1e-9) * np.max(size, axis=0), axis=0)
    largest = directions[first, np.arange(len(variances))]
    return variances, directions * np.where(largest < 0.0, -1.0, 1.0)


@register(
    id=85,
    name="PCAFeatures",
    category="machine_learning",
    kind="estimator",
    cost="F",
    inputs=("trade",),
    reference="Hotelling (1933), J. Educational Psychology 24; Jolliffe (2002)",
)
class PCAFeatures(Windowed):
    """Score of an observation on the first principal component of the scaled window of feature vectors.

    Eigenvectors of Z'Z/n, signed so that the entry of largest magnitude is above 0. The signal is the sign of
    the score times that of the loading of f2 where |score| > 2 sqrt(lambda_1), else 0; confidence
    lambda_1 / sum(lambda).

    Outputs: ratio_j = lambda_j / sum(lambda), 0 where the sum is 0; score_1, on the second component; spe,
    the squared distance from the plane of the first k components.

    References
    ----------
    Hotelling (1933), J. Educational Psychology 24; Jolliffe (2002), Principal Component Analysis.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 60, "refit": 50}
    check_rows = 160
    k = Whole(2, "components of the reconstruction", high=8)
    refit = Whole(50, "observations from one fit to the next")
    stride = Whole(1, "observations from one reading to the next")

    @property
    def gives(self) -> tuple[str, ...]:
        return (*(f"ratio_{j}" for j in range(8)), "score_1", "spe")

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        variances, directions = components(z)
        total = float(np.sum(variances))
        ratios = variances / total if total > 0.0 else variances
        notes = {f"ratio_{j}": float(ratio) for j, ratio in enumerate(ratios)}
        return (float(variances[0]), directions), notes

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        variance, directions = fitted.model
        scores = z[0] @ directions
        rest = z[0] - directions[:, : self.k] @ scores[: self.k]
        value = float(scores[0])
        far = abs(value) > 2.0 * sqrt(variance)
        signal = int(np.sign(value) * np.sign(directions[MOVE, 0])) if far else 0
        said = {**fitted.notes, "score_1": float(scores[1]), "spe": float(rest @ rest)}
        return value, signal, fitted.notes["ratio_0"], said
