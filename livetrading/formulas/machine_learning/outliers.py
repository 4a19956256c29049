"""Filters by how unlike its window an observation is (82, 88 to 90)."""

from math import isfinite
from typing import Any, ClassVar

import numpy as np

from livetrading.formulas.errors import FormulaError
from livetrading.formulas.libraries import library
from livetrading.formulas.machine_learning.fitted import Fitted, Floats, Reading, Scale, Windowed
from livetrading.formulas.parameters import Parameter, Real, Whole
from livetrading.formulas.registry import register

__all__ = ["DBSCANAnomaly", "IsolationForest", "LOFAnomaly", "OneClassSVM"]

DENSITY = [0, 4, 6]


class _Gamma(Parameter[str | float]):
    """A word of the library's or a number above 0."""

    rule = "scale, auto or a finite number > 0"

    def check(self, value: Any) -> str | float:
        if value in ("scale", "auto"):
            return str(value)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise self._refuse(value) from None
        if isinstance(value, str | bytes | bool) or not (isfinite(number) and number > 0.0):
            raise self._refuse(value)
        return number


def _gate(blocks: bool) -> tuple[int, dict[str, float]]:
    """Return the signal and the gate of a filter."""
    return (-1, {"gate": 0.0}) if blocks else (1, {"gate": 1.0})


@register(
    id=82,
    name="DBSCANAnomaly",
    category="machine_learning",
    kind="filter",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Ester, Kriegel, Sander, Xu (1996), KDD",
    library="sklearn",
    extra="formulas",
)
class DBSCANAnomaly(Windowed):
    """1 where an observation is noise among the last n, 0 where it lies in a cluster of dense points.

    Points are the return, the volatility and the volume feature, scaled. A point with `min_samples` points
    within `eps` of it, itself included, is a core point; noise is what lies within eps of none. Blocks at
    noise; confidence 1 - noise_share.

    Outputs: clusters; noise_share of the window; gate.

    References
    ----------
    Ester, Kriegel, Sander, Xu (1996), KDD.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 60, "refit": 50, "min_samples": 5}
    check_rows = 160
    eps = Real(1.0, "distance of neighbours in sds", low=0.0, open_low=True)
    min_samples = Whole(10, "neighbours of a core point, itself included")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("clusters", "noise_share", "gate")

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        points = np.ascontiguousarray(z[:, DENSITY])
        found = library("sklearn.cluster").DBSCAN(self.eps, min_samples=self.min_samples).fit(points)
        noise = found.labels_ == -1
        notes = {
            "clusters": float(found.labels_.max() + 1),
            "noise_share": float(np.mean(noise)),
            "last": bool(noise[-1]),
        }
        return points[found.core_sample_indices_], notes

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        notes = fitted.notes
        apart = np.sqrt(np.sum((fitted.model - z[:, DENSITY]) ** 2, axis=1))
        noise = notes["last"] if at_fit else not bool(np.any(apart <= self.eps))
        signal, gate = _gate(noise)
        shares = {name: notes[name] for name in ("clusters", "noise_share")}
        return float(noise), signal, 1.0 - notes["noise_share"], {**shares, **gate}


@register(
    id=88,
    name="IsolationForest",
    category="machine_learning",
    kind="filter",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Liu, Ting, Zhou (2008), ICDM",
    library="sklearn",
    extra="formulas",
)
class IsolationForest(Windowed):
    """How few random cuts set an observation apart from the last n: 2^(-E[path] / c(sub)).

    Each of the trees cuts a sample of `sub` rows at random features and values; a leaf of m rows adds c(m),
    the mean path of m rows, c(m) = 2 H_{m-1} - 2 (m - 1)/m. Near 1 is unlike, below 1/2 is like. Blocks above
    the q-quantile of the window's own scores; confidence |2 s - 1|.

    Outputs: gate.

    References
    ----------
    Liu, Ting, Zhou (2008), ICDM.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 60, "refit": 50, "trees": 5, "sub": 32}
    check_rows = 160
    trees = Whole(100, "trees", high=10_000)
    sub = Whole(256, "rows of each tree, those of the window at most", low=2)
    q = Real(0.99, "share of the window's scores that pass", low=0.0, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate",)

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        forest = library("sklearn.ensemble").IsolationForest(
            n_estimators=self.trees, max_samples=self.sub, random_state=self.seed, n_jobs=1
        )
        forest.fit(z)
        return forest, {"limit": float(np.quantile(-forest.score_samples(z), self.q))}

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        score = -float(fitted.model.score_samples(z)[0])
        signal, gate = _gate(score > fitted.notes["limit"])
        return score, signal, min(abs(2.0 * score - 1.0), 1.0), gate


@register(
    id=89,
    name="LOFAnomaly",
    category="machine_learning",
    kind="filter",
    cost="F",
    inputs=("trade",),
    low=0.0,
    reference="Breunig, Kriegel, Ng, Sander (2000), SIGMOD",
    library="sklearn",
    extra="formulas",
)
class LOFAnomaly(Windowed):
    """How much sparser the neighbourhood of an observation is than those of its k neighbours in the window.

    LOF = mean over the neighbours o of lrd(o) / lrd(x), lrd = 1 / mean max(kdist(o), d(x, o)). About 1 within
    a cloud. At a fit the newest row is held out of it. Blocks above `limit`, with confidence
    |LOF - 1| / limit, at most 1; else passes with 1 / LOF, at most 1.

    Outputs: gate.

    References
    ----------
    Breunig, Kriegel, Ng, Sander (2000), SIGMOD.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 60, "refit": 50, "k": 10}
    check_rows = 160
    k = Whole(20, "neighbours")
    limit = Real(1.5, "factor above which it blocks", low=0.0, open_low=True)

    def _prepare(self) -> None:
        super()._prepare()
        if self.k > self.n - 2:
            raise FormulaError(f"k must be at most n - 2, {self.n - 2}, was {self.k}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate",)

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        neighbours = library("sklearn.neighbors").LocalOutlierFactor(self.k, novelty=True)
        return neighbours.fit(z[:-1]), {}

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        factor = -float(fitted.model.score_samples(z)[0])
        blocks = factor > self.limit
        signal, gate = _gate(blocks)
        passing = 1.0 / factor if factor > 1.0 else 1.0
        return factor, signal, min(abs(factor - 1.0) / self.limit, 1.0) if blocks else passing, gate


@register(
    id=90,
    name="OneClassSVM",
    category="machine_learning",
    kind="filter",
    cost="F",
    inputs=("trade",),
    reference="Schoelkopf, Platt, Shawe-Taylor, Smola, Williamson (2001), Neural Computation 13",
    library="sklearn",
    extra="formulas",
)
class OneClassSVM(Windowed):
    """Where an observation lies to the boundary about the last n: f(x) = sum alpha_i K(x_i, x) - rho.

    K(x, y) = exp(-gamma |x - y|^2), the alphas in [0, 1] with sum nu n, so that about the share nu of the
    window lies outside. Blocks below 0; confidence |f| over the largest |f| of the window, at most 1.

    Outputs: sv_share, rows of the window that carry the boundary; outlier_share, those outside; gate.

    References
    ----------
    Schoelkopf, Platt, Shawe-Taylor, Smola, Williamson (2001), Neural Computation 13.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 60, "refit": 50}
    check_rows = 160
    nu = Real(0.05, "share of the window that may lie outside", low=0.0, high=1.0, open_low=True)
    gamma = _Gamma("scale", "of the kernel: scale for 1 / (8 var of all scaled values), auto for 1 / 8")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("sv_share", "outlier_share", "gate")

    def _train(self, z: Floats, scale: Scale) -> tuple[Any, dict[str, Any]]:
        boundary = library("sklearn.svm").OneClassSVM(kernel="rbf", nu=self.nu, gamma=self.gamma).fit(z)
        f = boundary.decision_function(z)
        notes = {
            "sv_share": len(boundary.support_) / len(z),
            "outlier_share": float(np.mean(f < 0.0)),
            "largest": float(np.max(np.abs(f))),
        }
        return boundary, notes

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        f, largest = float(fitted.model.decision_function(z)[0]), fitted.notes["largest"]
        signal, gate = _gate(f < 0.0)
        shares = {name: fitted.notes[name] for name in ("sv_share", "outlier_share")}
        return f, signal, min(abs(f) / largest, 1.0) if largest > 0.0 else 0.0, {**shares, **gate}
