"""Golden numbers and references of the boosted-tree libraries (77 to 79)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.ensembles import FOUR, Labels, against, first_fit
from livetrading.formulas.checks.machine_learning.loops import Floats, Said, judged


def four(model: Any) -> dict[str, float]:
    p = model.fit(*FOUR).predict_proba(FOUR[0])[:, 1]
    return {f"p of {i + 1}": float(p[i]) for i in range(4)}


def xgboost(**given: Any) -> Any:
    return import_module("xgboost").XGBClassifier(
        reg_alpha=0, tree_method="exact", base_score=0.5, n_jobs=1, **given
    )


def lightgbm(**given: Any) -> Any:
    return import_module("lightgbm").LGBMClassifier(
        deterministic=True, force_row_wise=True, n_jobs=1, verbose=-1, reg_lambda=given.pop("lam"), **given
    )


def catboost(**given: Any) -> Any:
    return import_module("catboost").CatBoostClassifier(
        bootstrap_type="No",
        random_strength=0.0,
        thread_count=1,
        allow_writing_files=False,
        verbose=False,
        **given,
    )


@golden(77)
def golden_second_order() -> Mapping[str, float]:
    one = xgboost(n_estimators=1, max_depth=1, learning_rate=1.0, reg_lambda=1.0, min_child_weight=0)
    return {"p_up": first_fit(77)["p_up"], **four(one)}


@golden(78)
def golden_histograms() -> Mapping[str, float]:
    one = lightgbm(
        n_estimators=1,
        num_leaves=2,
        learning_rate=1.0,
        lam=1.0,
        min_child_samples=1,
        min_data_in_bin=1,
        min_sum_hessian_in_leaf=0,
        boost_from_average=False,
    )
    p = one.fit(*FOUR).booster_.predict(FOUR[0])
    return {"p_up": first_fit(78)["p_up"], **{f"p of {i + 1}": float(p[i]) for i in range(4)}}


@golden(79)
def golden_ordered() -> Mapping[str, float]:
    one = catboost(
        iterations=1,
        depth=1,
        learning_rate=1.0,
        l2_leaf_reg=1.0,
        boosting_type="Plain",
        boost_from_average=False,
        leaf_estimation_method="Newton",
        leaf_estimation_iterations=1,
        score_function="L2",
    )
    return {"p_up": first_fit(79)["p_up"], **four(one)}


@reference(77)
def second_order_by_loop() -> Iterator[Comparison]:
    def fit(z: Floats, y: Labels) -> Any:
        model = xgboost(
            n_estimators=9,
            max_depth=2,
            learning_rate=0.3,
            reg_lambda=0.5,
            gamma=1.5,
            min_child_weight=1,
            random_state=5,
        )
        return model.fit(z, y)

    def ask(model: Any, z: Floats) -> Said:
        gains = {f"imp_{j}": float(gain) for j, gain in enumerate(model.feature_importances_)}
        return {**judged(float(model.predict_proba(z)[0, 1])), **gains}

    yield from against(77, fit, ask, 1e-6, rounds=9, depth=2, eta=0.3, lam=0.5, gamma=1.5, seed=5)


@reference(77)
def second_order_by_hand() -> Iterator[Comparison]:
    """One round of one split: the gain of every cut, the leaves -G / (H + lam), by the definition."""
    g = np.random.default_rng(13)
    x, y, lam, gamma = g.standard_normal((50, 1)), g.integers(0, 2, 50), 2.0, 0.01
    model = xgboost(
        n_estimators=1,
        max_depth=1,
        learning_rate=1.0,
        reg_lambda=lam,
        gamma=gamma,
        min_child_weight=1,
    ).fit(x, y)
    slope, bend = 0.5 - y, np.full(50, 0.25)
    ordered = np.sort(x[:, 0])
    best, low, high = -np.inf, 0.0, 0.0
    for cut in (ordered[1:] + ordered[:-1]) / 2.0:
        left = x[:, 0] < cut
        sums = [(np.sum(slope[part]), np.sum(bend[part])) for part in (left, ~left, left | ~left)]
        scores = [s * s / (b + lam) for s, b in sums]
        gain = 0.5 * (scores[0] + scores[1] - scores[2]) - gamma
        if min(sums[0][1], sums[1][1]) >= 1.0 and gain > best:
            best, at = gain, cut
            low, high = (-s / (b + lam) for s, b in sums[:2])
    for i in range(50):
        logit = low if x[i, 0] < at else high
        p = float(model.predict_proba(x[i : i + 1])[0, 1])
        yield Comparison(f"p of row {i}", p, 1.0 / (1.0 + np.exp(-logit)), 1e-6)


@reference(78)
def histograms_by_loop() -> Iterator[Comparison]:
    def fit(z: Floats, y: Labels) -> Any:
        model = lightgbm(
            n_estimators=9,
            num_leaves=5,
            learning_rate=0.3,
            min_child_samples=7,
            lam=0.5,
            random_state=5,
        )
        return model.fit(z, y)

    def ask(model: Any, z: Floats) -> Said:
        margin = float(model.booster_.predict(z, raw_score=True)[0])
        return judged(1.0 / (1.0 + np.exp(-margin)))

    yield from against(78, fit, ask, 1e-9, rounds=9, leaves=5, eta=0.3, min_leaf=7, lam=0.5, seed=5)


@reference(79)
def ordered_by_loop() -> Iterator[Comparison]:
    def fit(z: Floats, y: Labels) -> Any:
        model = catboost(
            iterations=9,
            depth=3,
            learning_rate=0.3,
            l2_leaf_reg=2.0,
            boosting_type="Ordered",
            random_seed=5,
        )
        return model.fit(z, y)

    def ask(model: Any, z: Floats) -> Said:
        margin = float(model.predict(z, prediction_type="RawFormulaVal")[0])
        return judged(1.0 / (1.0 + np.exp(-margin)))

    yield from against(79, fit, ask, 1e-9, rounds=9, depth=3, eta=0.3, l2=2.0, seed=5)
