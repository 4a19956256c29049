"""Forecasts by the boosted-tree libraries (77 to 79)."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.libraries import library
from livetrading.formulas.machine_learning.fitted import Fitted, Floats, Forecast
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

__all__ = ["CatBoostLike", "LightGBMLike", "XGBoostLike"]

Labels = NDArray[np.int64]
FEW_ROUNDS: dict[str, Any] = {"n": 60, "refit": 60, "rounds": 4}


@register(
    id=77,
    name="XGBoostLike",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Chen, Guestrin (2016), KDD",
    library="xgboost",
    extra="ml",
)
class XGBoostLike(Forecast):
    """Probability of a rise by boosting of the second order, exact splits, over the last n known pairs.

    With g = p - y and h = p (1 - p) a leaf is -G / (H + lam), and a split gains
    [G_L^2 / (H_L + lam) + G_R^2 / (H_R + lam) - G^2 / (H + lam)] / 2 - gamma. The library computes in single
    precision. Signal: past theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved; imp_0
    to imp_7, the mean gain of the splits on each feature, summing to 1.

    References
    ----------
    Chen, Guestrin (2016), KDD.
    """

    check_parameters: ClassVar[dict[str, Any]] = FEW_ROUNDS
    check_rows = 160
    rounds = Whole(50, "trees", high=10_000)
    depth = Whole(3, "levels of a tree", high=30)
    eta = Real(0.1, "share of each tree that counts", low=0.0, high=1.0, open_low=True)
    lam = Real(1.0, "penalty of the leaves", low=0.0)
    gamma = Real(0.0, "gain below which there is no split", low=0.0)

    def _names(self) -> tuple[str, ...]:
        return tuple(f"imp_{j}" for j in range(8))

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        boosted = library("xgboost").XGBClassifier(
            n_estimators=self.rounds,
            max_depth=self.depth,
            learning_rate=self.eta,
            reg_lambda=self.lam,
            reg_alpha=0,
            gamma=self.gamma,
            min_child_weight=1,
            tree_method="exact",
            base_score=0.5,
            random_state=self.seed,
            n_jobs=1,
        )
        boosted.fit(z, y)
        # where no tree has a split the library divides 0 by 0
        gains = np.nan_to_num(np.asarray(boosted.feature_importances_, np.float64))
        return boosted, {name: float(gain) for name, gain in zip(self._names(), gains, strict=True)}


@register(
    id=78,
    name="LightGBMLike",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Ke et al. (2017), NeurIPS",
    library="lightgbm",
    extra="ml",
)
class LightGBMLike(Forecast):
    """Probability of a rise by boosting on histograms over the last n known pairs.

    Trees grow by the leaf whose split gains most until they have `leaves`. Signal: past theta from 1/2;
    confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved.

    References
    ----------
    Ke, Meng, Finley, Wang, Chen, Ma, Ye, Liu (2017), NeurIPS.
    """

    check_parameters: ClassVar[dict[str, Any]] = FEW_ROUNDS
    check_rows = 160
    rounds = Whole(50, "trees", high=10_000)
    leaves = Whole(8, "leaves of a tree", low=2, high=131_072)
    eta = Real(0.1, "share of each tree that counts", low=0.0, high=1.0, open_low=True)
    min_leaf = Whole(20, "pairs in a leaf, at least")
    lam = Real(1.0, "penalty of the leaves", low=0.0)

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        boosted = library("lightgbm").LGBMClassifier(
            n_estimators=self.rounds,
            num_leaves=self.leaves,
            learning_rate=self.eta,
            min_child_samples=self.min_leaf,
            reg_lambda=self.lam,
            deterministic=True,
            force_row_wise=True,
            random_state=self.seed,
            n_jobs=1,
            verbose=-1,
        )
        return boosted.fit(z, y), {}

    def _p_up(self, fitted: Fitted, z: Floats) -> float:
        # the wrapper warns of arrays without names of columns, which it was fitted to as well
        return float(fitted.model.booster_.predict(z, num_threads=1)[0])


@register(
    id=79,
    name="CatBoostLike",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Prokhorenkova, Gusev, Vorobev, Dorogush, Gulin (2018), NeurIPS",
    library="catboost",
    extra="ml",
)
class CatBoostLike(Forecast):
    """Probability of a rise by ordered boosting of symmetric trees over the last n known pairs.

    All nodes of a level split alike, and each pair's gradient comes from trees that have not seen it. Signal:
    past theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved.

    References
    ----------
    Prokhorenkova, Gusev, Vorobev, Dorogush, Gulin (2018), NeurIPS.
    """

    check_parameters: ClassVar[dict[str, Any]] = FEW_ROUNDS
    check_rows = 160
    rounds = Whole(50, "trees", high=10_000)
    depth = Whole(4, "levels of a tree", high=16)
    eta = Real(0.1, "share of each tree that counts", low=0.0, high=1.0, open_low=True)
    l2 = Real(3.0, "penalty of the leaves", low=0.0)

    def _train(self, z: Floats, y: Labels) -> tuple[Any, dict[str, Any]]:
        catboost = library("catboost")
        boosted = catboost.CatBoostClassifier(
            iterations=self.rounds,
            depth=self.depth,
            learning_rate=self.eta,
            l2_leaf_reg=self.l2,
            boosting_type="Ordered",
            bootstrap_type="No",
            random_strength=0.0,
            random_seed=self.seed,
            thread_count=1,
            allow_writing_files=False,
            verbose=False,
        )
        try:
            return boosted.fit(z, y), {}
        except catboost.CatBoostError as error:
            raise ValueError("pairs must differ in some feature") from error

    def _p_up(self, fitted: Fitted, z: Floats) -> float:
        return float(fitted.model.predict_proba(z, thread_count=1)[0, 1])
