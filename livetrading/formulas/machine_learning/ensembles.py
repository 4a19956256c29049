"""Forecasts by trees, boosted, bagged, stacked and voting, and by naive Bayes (71 to 76, 80)."""

from math import exp, log, nan
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Schedule
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import library
from livetrading.formulas.machine_learning.features import FIRST, HitRate, labels, up_down
from livetrading.formulas.machine_learning.fitted import (
    Fitted,
    Floats,
    Forecast,
    Reading,
    Scale,
    features_of,
)
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

__all__ = [
    "AdaBoostSignal",
    "BaggingSignal",
    "GradientBoostingSignal",
    "NaiveBayesClassifier",
    "RandomForestSignal",
    "StackingEnsemble",
    "VotingClassifier",
    "bag_p_up",
    "bayes_p_up",
    "stack",
    "stacked_p_up",
]

Labels = NDArray[np.int64]
IMPORTANCES = tuple(f"imp_{j}" for j in range(8))
FEW_TREES: dict[str, Any] = {"n": 60, "refit": 60}


def _importances(found: Any) -> dict[str, float]:
    return {name: float(share) for name, share in zip(IMPORTANCES, found, strict=True)}


@register(
    id=71,
    name="RandomForestSignal",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Breiman (2001), Machine Learning 45",
    library="sklearn",
    extra="formulas",
)
class RandomForestSignal(Forecast):
    """Probability of a rise by a random forest over the last n known pairs.

    The mean over `trees` of the share of rises in the leaf, each tree grown on a bootstrap sample and split
    on the best of three features drawn at each node (the root of eight). Signal: past theta from 1/2;
    confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    oob_score, accuracy on the pairs that a tree has not seen; imp_0 to imp_7, the impurity that each feature
    takes away, summing to 1.

    References
    ----------
    Breiman (2001), Machine Learning 45.
    """

    check_parameters: ClassVar[dict[str, Any]] = {**FEW_TREES, "trees": 4}
    check_rows = 160
    trees = Whole(50, "trees", high=10_000)
    max_depth = Whole(5, "levels of a tree", high=100)
    min_leaf = Whole(10, "pairs in a leaf, at least")

    def _names(self) -> tuple[str, ...]:
        return ("oob_score", *IMPORTANCES)

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        forest = library("sklearn.ensemble").RandomForestClassifier(
            self.trees,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_leaf,
            max_features="sqrt",
            oob_score=True,
            random_state=self.seed,
            n_jobs=1,
        )
        forest.fit(z, y)
        return forest, {"oob_score": float(forest.oob_score_), **_importances(forest.feature_importances_)}

    def _p_up(self, fitted: Fitted, z: Floats) -> float:
        # the forest's own predict_proba sets a thread pool up for every row
        row = z.astype(np.float32)
        shares = [tree.tree_.predict(row)[0] for tree in fitted.model.estimators_]
        return float(np.mean([share[1] for share in shares]))


@register(
    id=72,
    name="GradientBoostingSignal",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Friedman (2001), Annals of Statistics 29",
    library="sklearn",
    extra="formulas",
)
class GradientBoostingSignal(Forecast):
    """Probability of a rise by gradient boosting of the binomial deviance over the last n known pairs.

    F_0 = ln(ybar / (1 - ybar)); each tree is fitted to the residuals y - p, its leaves take one Newton step,
    F_m = F_{m-1} + eta tree_m; p = 1 / (1 + exp(-F)). Signal: past theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    train_deviance, the loss on the pairs after the last tree.

    References
    ----------
    Friedman (2001), Annals of Statistics 29.
    """

    check_parameters: ClassVar[dict[str, Any]] = {**FEW_TREES, "trees": 5}
    check_rows = 160
    trees = Whole(50, "trees", high=10_000)
    eta = Real(0.1, "share of each tree that counts", low=0.0, high=1.0, open_low=True)
    max_depth = Whole(3, "levels of a tree", high=100)

    def _names(self) -> tuple[str, ...]:
        return ("train_deviance",)

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        boosted = library("sklearn.ensemble").GradientBoostingClassifier(
            n_estimators=self.trees,
            learning_rate=self.eta,
            max_depth=self.max_depth,
            subsample=1.0,
            random_state=self.seed,
        )
        boosted.fit(z, y)
        return boosted, {"train_deviance": float(boosted.train_score_[-1])}


@register(
    id=73,
    name="AdaBoostSignal",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Freund, Schapire (1997), J. Computer and System Sciences 55",
    library="sklearn",
    extra="formulas",
)
class AdaBoostSignal(Forecast):
    """Probability of a rise by discrete adaptive boosting of stumps over the last n known pairs.

    Round m fits a tree of one split to the weighted pairs, e_m its weighted error, and raises the weights of
    the pairs it got wrong by exp(alpha_m), alpha_m = rate ln((1 - e_m) / e_m). Signal: past theta from 1/2;
    confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    mean_error, the mean of e_m; rounds_used, fewer than `rounds` where a stump got all pairs right or no
    better than half of their weight.

    References
    ----------
    Freund, Schapire (1997), J. Computer and System Sciences 55.
    """

    check_parameters: ClassVar[dict[str, Any]] = {**FEW_TREES, "rounds": 4}
    check_rows = 160
    rounds = Whole(50, "stumps, at most", high=10_000)
    rate = Real(1.0, "factor of every stump's weight", low=0.0, high=10.0, open_low=True)

    def _names(self) -> tuple[str, ...]:
        return ("mean_error", "rounds_used")

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        stump = library("sklearn.tree").DecisionTreeClassifier(max_depth=1)
        boosted = library("sklearn.ensemble").AdaBoostClassifier(
            stump, n_estimators=self.rounds, learning_rate=self.rate, random_state=self.seed
        )
        boosted.fit(z, y)
        used = len(boosted.estimators_)
        mean_error = float(np.mean(boosted.estimator_errors_[:used]))
        return boosted, {"mean_error": mean_error, "rounds_used": float(used)}


@register(
    id=74,
    name="BaggingSignal",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Breiman (1996), Machine Learning 24",
    library="sklearn",
    extra="formulas",
)
class BaggingSignal(Forecast):
    """Probability of a rise as the mean of trees on bootstrap samples of the last n known pairs.

    With d the sd of what the trees say each, the confidence is |2 p - 1| (1 - 2 d). Signal: past theta from
    1/2.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    disagreement, d.

    References
    ----------
    Breiman (1996), Machine Learning 24.
    """

    check_parameters: ClassVar[dict[str, Any]] = {**FEW_TREES, "bags": 4}
    check_rows = 160
    bags = Whole(30, "trees", high=10_000)
    min_leaf = Whole(5, "pairs in a leaf, at least")

    def _names(self) -> tuple[str, ...]:
        return ("disagreement",)

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        tree = library("sklearn.tree").DecisionTreeClassifier(min_samples_leaf=self.min_leaf)
        bagged = library("sklearn.ensemble").BaggingClassifier(
            tree, n_estimators=self.bags, random_state=self.seed, n_jobs=1
        )
        bagged.fit(z, y)
        return bagged, {}

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        each = bag_p_up(fitted.model, z)
        p, d = float(np.mean(each)), float(np.std(each))
        signal, confidence = up_down(p, self.theta)
        return p, signal, confidence * max(1.0 - 2.0 * d, 0.0), {"disagreement": d}


def bag_p_up(bagged: Any, z: Floats) -> Floats:
    """Return what each tree of a fitted bag makes of one row, shape (1, k): the probability of a rise."""
    row = z.astype(np.float32)
    parts = zip(bagged.estimators_, bagged.estimators_features_, strict=True)
    return np.array([_share_up(tree, row[:, columns]) for tree, columns in parts])


def _share_up(tree: Any, row: NDArray[np.float32]) -> float:
    """Return the share of rises in the leaf; a sample of one class has a tree of one class."""
    share = tree.tree_.predict(np.ascontiguousarray(row))[0]
    return float(share[1]) if len(tree.classes_) == 2 else float(tree.classes_[0])


def _bases(seed: int) -> list[tuple[str, Any]]:
    linear, bayes = library("sklearn.linear_model"), library("sklearn.naive_bayes")
    tree = library("sklearn.tree").DecisionTreeClassifier(max_depth=3, min_samples_leaf=20, random_state=seed)
    return [("lr", linear.LogisticRegression(C=1.0, max_iter=200)), ("nb", bayes.GaussianNB()), ("dt", tree)]


def _each_p_up(bases: list[Any], z: Floats) -> Floats:
    return np.column_stack([base.predict_proba(z)[:, 1] for base in bases])


def stack(z: Floats, y: Labels, bases: list[Any], blocks: int, h: int) -> tuple[list[Any], Any]:
    """Fit classifiers to all pairs, and to what they say of later pairs than they were fitted to another one.

    Parameters
    ----------
    z : ndarray of float64, shape (n, k)
        Scaled features in the order of time.
    y : ndarray of int64, shape (n,)
        0 or 1, both there.
    bases : list of sklearn classifiers
        Not fitted yet; they are copied.
    blocks : int
        The pairs are cut in as many; all but the first are forecast from those before.
    h : int
        Pairs left out before each block, whose labels were not known when it began.

    Returns
    -------
    tuple of list and (classifier or None)
        The bases fitted to all pairs, and the logistic regression on their forecasts; None where the pairs
        forecast are of one class.
    """
    clone = library("sklearn.base").clone
    cuts = np.array_split(np.arange(len(y)), blocks)
    said, told = [], []
    for k in range(1, blocks):
        before = np.concatenate(cuts[:k])[:-h]
        if len(np.unique(y[before])) == 2 and len(cuts[k]):
            fold = [clone(base).fit(z[before], y[before]) for base in bases]
            said.append(_each_p_up(fold, z[cuts[k]]))
            told.append(y[cuts[k]])
    whole = [clone(base).fit(z, y) for base in bases]
    if not told or len(np.unique(np.concatenate(told))) < 2:
        return whole, None
    meta = library("sklearn.linear_model").LogisticRegression(C=1.0, max_iter=200)
    return whole, meta.fit(np.concatenate(said), np.concatenate(told))


def stacked_p_up(whole: list[Any], meta: Any, z: Floats) -> float:
    """Return what the stack of `stack` makes of one row; the mean of the bases without a last model."""
    each = _each_p_up(whole, z)
    return float(np.mean(each)) if meta is None else float(meta.predict_proba(each)[0, 1])


@register(
    id=75,
    name="StackingEnsemble",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Wolpert (1992), Neural Networks 5",
    library="sklearn",
    extra="formulas",
)
class StackingEnsemble(Forecast):
    """Probability of a rise by a logistic regression on what three classifiers say.

    The bases are a logistic regression, naive Bayes and a tree. Cut in `blocks` by time, the known pairs of
    each block but the first are forecast by bases fitted to the blocks before less their last h pairs; the
    last model is fitted to these forecasts, and the bases anew to all pairs. Where the forecast pairs are of
    one class, the mean of the bases. Signal: past theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    coef_lr, coef_nb, coef_dt, the weights of the last model, NaN where there is none.

    References
    ----------
    Wolpert (1992), Neural Networks 5.
    """

    check_parameters: ClassVar[dict[str, Any]] = {**FEW_TREES, "n": 80}
    check_rows = 170
    blocks = Whole(5, "blocks of time", low=2, high=1000)

    def _names(self) -> tuple[str, ...]:
        return ("coef_lr", "coef_nb", "coef_dt")

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        whole, meta = stack(z, y, [base for _, base in _bases(self.seed)], self.blocks, self.h)
        coefficients = (nan, nan, nan) if meta is None else tuple(float(c) for c in meta.coef_[0])
        return (whole, meta), dict(zip(self._names(), coefficients, strict=True))

    def _p_up(self, fitted: Fitted, z: Floats) -> float:
        whole, meta = fitted.model
        return stacked_p_up(whole, meta, z)


@register(
    id=76,
    name="VotingClassifier",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Kittler, Hatef, Duin, Matas (1998), IEEE TPAMI 20",
    library="sklearn",
    extra="formulas",
)
class VotingClassifier(Forecast):
    """Probability of a rise as the mean of a logistic regression, naive Bayes and a tree.

    Each votes for a rise where it says more than 1/2, else for a fall. The signal is what most vote for, 0
    where the mean is within theta of 1/2; the confidence |2 p - 1| times the share of votes of the larger
    side.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    votes_up, 0 to 3.

    References
    ----------
    Kittler, Hatef, Duin, Matas (1998), IEEE TPAMI 20.
    """

    check_parameters: ClassVar[dict[str, Any]] = FEW_TREES
    check_rows = 160

    def _names(self) -> tuple[str, ...]:
        return ("votes_up",)

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        voting = library("sklearn.ensemble").VotingClassifier(_bases(self.seed), voting="soft")
        return voting.fit(z, y), {}

    def _read(self, fitted: Fitted, z: Floats, at_fit: bool) -> Reading:
        each = _each_p_up(fitted.model.estimators_, z)[0]
        p, up = float(np.mean(each)), int(np.sum(each > 0.5))
        side = 1 if up >= 2 else -1
        signal = 0 if abs(p - 0.5) <= self.theta else side
        return p, signal, abs(2.0 * p - 1.0) * max(up, 3 - up) / 3.0, {"votes_up": float(up)}


BAYES_LEAST = 10
"""Pairs of either class without which there is no naive Bayes."""


def bayes_p_up(z: Floats, y: Floats, now: Floats) -> float:
    """Return the probability of class 1 by Gaussian naive Bayes.

    Class priors are their shares; in each class every feature is normal with the mean and the variance (ddof
    0) there, plus 1e-9 of the largest variance of a feature over all rows. Features without any variance say
    nothing.

    Parameters
    ----------
    z : ndarray of float64, shape (n, k)
    y : ndarray of float64, shape (n,)
        0 or 1, both there.
    now : ndarray of float64, shape (k,)

    Returns
    -------
    float
    """
    floor = 1e-9 * float(np.max(np.var(z, axis=0)))
    said = []
    for c in (0.0, 1.0):
        rows = z[y == c]
        variance = np.var(rows, axis=0) + floor
        used = variance > 0.0
        d, variance = (now - np.mean(rows, axis=0))[used], variance[used]
        said.append(
            log(len(rows) / len(z)) - 0.5 * float(np.sum(np.log(2.0 * np.pi * variance) + d * d / variance))
        )
    gap = said[0] - said[1]
    return 1.0 / (1.0 + exp(gap)) if gap < 700.0 else 0.0


@register(
    id=80,
    name="NaiveBayesClassifier",
    category="machine_learning",
    cost="W",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Duda, Hart, Stork (2001), Pattern Classification, ch. 2-3",
)
class NaiveBayesClassifier(SeriesFormula):
    """Probability of a rise over the next h observations by Gaussian naive Bayes over the last n known pairs.

    The pairs are those of the observations s in [t - h - n + 1, t - h], eight features each, scaled by mean
    and sd, and whether the price was higher h observations later; where it was the same the pair is dropped.
    p is proportional to N_c/N prod_j N(z_j; mean_cj, var_cj + eps), eps = 1e-9 of the largest variance.
    Rebuilt at every `stride`-th observation from n + h + 19, counted from 0, on; not ready after one at which
    either class has fewer than 10 pairs. Signal: past theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved.

    References
    ----------
    Duda, Hart, Stork (2001), Pattern Classification, ch. 2-3.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 100}
    check_rows = 300
    reads = ("price", "volume", "side")
    n = Whole(500, "observations in the window", low=20, high=100_000)
    stride = Whole(10, "observations from one rebuilding to the next")
    h = Whole(10, "observations ahead", high=100_000)
    theta = Real(0.05, "distance from 1/2 past which the probability is a signal", low=0.0, high=0.5)

    def _prepare(self) -> None:
        self._builds = Schedule(self.lookback, self.stride)

    def _fixed(self) -> tuple[str, ...]:
        return ("_builds",)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p_up", "hit_rate")

    @property
    def lookback(self) -> int:
        return self.n + self.h + FIRST

    def _begin(self) -> None:
        self._hits = HitRate(self.h)
        self._p = nan

    def _advance(self, s: Series) -> None:
        if s.count < self._builds.first:
            return
        price = float(s.last("price", 1)[0])
        self._hits.resolve(price)
        builds = self._builds.due(s.count)
        if builds:
            self._p = self._rebuilt(s)
        self._hits.predict(price, self._p - 0.5 if builds else nan)
        if self._p == self._p:
            signal, confidence = up_down(self._p, self.theta)
            self._report(self._p, signal, confidence, p_up=self._p, hit_rate=self._hits.value)
        else:
            self._withdraw()

    def _rebuilt(self, s: Series) -> float:
        """Return the probability of now, NaN where either class has too few pairs."""
        x = features_of(s, self.n + self.h)
        y = labels(s.last("price", self.n + self.h), self.h)[: self.n]
        if min(np.count_nonzero(y == 0.0), np.count_nonzero(y == 1.0)) < BAYES_LEAST:
            return nan
        known = ~np.isnan(y)
        with np.errstate(all="ignore"):
            scale = Scale(x[: self.n][known])
            return bayes_p_up(scale(x[: self.n][known]), y[known], scale(x[-1]))
