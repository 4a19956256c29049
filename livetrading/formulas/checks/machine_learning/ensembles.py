"""Golden numbers and references of the forecasts by ensembles and naive Bayes (71 to 76, 80)."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.loops import Floats, Said, forecasts, golden_rows, judged
from livetrading.formulas.checks.machine_learning.slow import rows, stream
from livetrading.formulas.machine_learning.ensembles import bag_p_up, bayes_p_up, stack
from livetrading.formulas.registry import run

Labels = NDArray[np.int64]
SCHEDULE: Mapping[str, int] = {"n": 120, "refit": 70, "stride": 3, "h": 6}
ROWS = 340
FIRST_FIT = 529
FOUR = np.arange(1.0, 5.0)[:, None], np.array((0, 0, 1, 1))


def first_fit(id: int) -> dict[str, float]:
    """Return what a formula says of the golden data at its first fit."""
    said = run(id, {name: column[: FIRST_FIT + 1] for name, column in golden_rows().items()})
    return {
        "p_up": float(said.value[-1]),
        **{f"{name} there": float(x[-1]) for name, x in said.outputs.items()},
    }


def only(said: Mapping[str, float], *names: str) -> dict[str, float]:
    return {name: said[name] for name in names}


@golden(71)
def golden_forest() -> Mapping[str, float]:
    return only(first_fit(71), "p_up")


@golden(72)
def golden_boosting() -> Mapping[str, float]:
    module = import_module("sklearn.ensemble")
    one = module.GradientBoostingClassifier(n_estimators=1, learning_rate=1.0, max_depth=1).fit(*FOUR)
    p = one.predict_proba(FOUR[0])[:, 1]
    return {**only(first_fit(72), "p_up"), **{f"p of {i + 1}": float(p[i]) for i in range(4)}}


@golden(73)
def golden_adaptive() -> Mapping[str, float]:
    stump = import_module("sklearn.tree").DecisionTreeClassifier(max_depth=1)
    two = import_module("sklearn.ensemble").AdaBoostClassifier(stump, n_estimators=2, learning_rate=1.0)
    two.fit(np.arange(1.0, 7.0)[:, None], np.array((0, 0, 1, 0, 1, 1)))
    return {
        **only(first_fit(73), "p_up"),
        **{f"error {m}": float(two.estimator_errors_[m]) for m in range(2)},
        **{f"weight {m}": float(two.estimator_weights_[m]) for m in range(2)},
    }


@golden(74)
def golden_bagging() -> Mapping[str, float]:
    return only(first_fit(74), "p_up")


@golden(75)
def golden_stack() -> Mapping[str, float]:
    return only(first_fit(75), "p_up", "coef_lr there", "coef_nb there", "coef_dt there")


@golden(76)
def golden_vote() -> Mapping[str, float]:
    return only(first_fit(76), "p_up")


@golden(80)
def golden_bayes() -> Mapping[str, float]:
    return only(first_fit(80), "p_up")


def against(
    id: int,
    fit: Callable[[Floats, Labels], Any],
    ask: Callable[[Any, Floats], Said],
    rel: float,
    **own: Any,
) -> Iterator[Comparison]:
    """Compare a formula after every row with a loop that calls the library."""
    made = rows(ROWS, 41)
    said = run(id, made, **SCHEDULE, **own)
    yield from stream(str(own or "defaults"), said, forecasts(made, fit, ask, **SCHEDULE), rel)


@reference(71)
def forest_by_loop() -> Iterator[Comparison]:
    forest = import_module("sklearn.ensemble").RandomForestClassifier

    def fit(z: Floats, y: Labels) -> Any:
        return forest(
            9,
            max_depth=4,
            min_samples_leaf=3,
            max_features="sqrt",
            oob_score=True,
            bootstrap=True,
            random_state=5,
        ).fit(z, y)

    def ask(model: Any, z: Floats) -> Said:
        shares = {f"imp_{j}": float(share) for j, share in enumerate(model.feature_importances_)}
        return {**judged(float(model.predict_proba(z)[0, 1])), "oob_score": model.oob_score_, **shares}

    yield from against(71, fit, ask, 1e-12, trees=9, max_depth=4, min_leaf=3, seed=5)


@reference(71)
def stump_by_gini() -> Iterator[Comparison]:
    """The library's tree of one split is the split of smallest weighted Gini index of all."""
    g = np.random.default_rng(12)
    x, y = g.standard_normal((60, 8)), g.integers(0, 2, 60)
    forest = import_module("sklearn.ensemble").RandomForestClassifier(
        1, bootstrap=False, max_features=None, max_depth=1, random_state=0
    )
    tree = forest.fit(x, y).estimators_[0].tree_
    found = [
        (_gini(y[x[:, j] <= c]) + _gini(y[x[:, j] > c]), j, c) for j in range(8) for c in _middles(x[:, j])
    ]
    _, feature, threshold = min(found)
    yield Comparison("feature of the best split", tree.feature[0], feature, 0.0)
    yield Comparison("its threshold", tree.threshold[0], threshold, 1e-6)


def _gini(y: Labels) -> float:
    p = float(np.mean(y))
    return len(y) * 2.0 * p * (1.0 - p)


def _middles(x: Floats) -> Floats:
    ordered = np.sort(x)
    return (ordered[1:] + ordered[:-1]) / 2.0


@reference(72)
def boosting_by_loop() -> Iterator[Comparison]:
    boosting = import_module("sklearn.ensemble").GradientBoostingClassifier

    def fit(z: Floats, y: Labels) -> Any:
        return boosting(n_estimators=12, learning_rate=0.3, max_depth=2, random_state=3).fit(z, y)

    def ask(model: Any, z: Floats) -> Said:
        return {**judged(float(model.predict_proba(z)[0, 1])), "train_deviance": model.train_score_[-1]}

    yield from against(72, fit, ask, 1e-12, trees=12, eta=0.3, max_depth=2, seed=3)


@reference(73)
def adaptive_by_hand() -> Iterator[Comparison]:
    """Adaptive boosting written out: weights, errors, votes, p = 1 / (1 + exp(-2 margin / sum alpha))."""
    tree = import_module("sklearn.tree").DecisionTreeClassifier

    def fit(z: Floats, y: Labels) -> Any:
        weights, stumps = np.full(len(y), 1.0 / len(y)), []
        for seed in np.random.RandomState(2).randint(np.iinfo(np.int32).max, size=11):
            stump = tree(max_depth=1, random_state=seed).fit(z, y, sample_weight=weights)
            wrong = stump.predict(z) != y
            error = float(np.sum(weights[wrong]) / np.sum(weights))
            if error >= 0.5:
                break
            alpha = 0.7 * np.log((1.0 - error) / error)
            stumps.append((stump, alpha, error))
            weights = weights * np.exp(alpha * wrong)
            weights = weights / np.sum(weights)
        return stumps

    def ask(model: Any, z: Floats) -> Said:
        total = sum(alpha for _, alpha, _ in model)
        margin = sum(alpha * (2.0 * stump.predict(z)[0] - 1.0) for stump, alpha, _ in model) / total
        errors = [error for _, _, error in model]
        p = 1.0 / (1.0 + np.exp(-2.0 * margin))
        return {**judged(p), "mean_error": float(np.mean(errors)), "rounds_used": float(len(errors))}

    yield from against(73, fit, ask, 1e-9, rounds=11, rate=0.7, seed=2)


@reference(74)
def bagging_by_loop() -> Iterator[Comparison]:
    bagging = import_module("sklearn.ensemble").BaggingClassifier
    tree = import_module("sklearn.tree").DecisionTreeClassifier

    def fit(z: Floats, y: Labels) -> Any:
        return bagging(tree(min_samples_leaf=4), n_estimators=7, random_state=6).fit(z, y)

    def ask(model: Any, z: Floats) -> Said:
        parts = zip(model.estimators_, model.estimators_features_, strict=True)
        d = float(np.std([one.predict_proba(z[:, columns])[0, 1] for one, columns in parts]))
        said = judged(float(model.predict_proba(z)[0, 1]))
        return {**said, "confidence": said["confidence"] * (1.0 - 2.0 * d), "disagreement": d}

    yield from against(74, fit, ask, 1e-12, bags=7, min_leaf=4, seed=6)


@reference(74)
def one_sample_one_tree() -> Iterator[Comparison]:
    """Trees of all pairs agree, but for splits that are equally good; those of bootstrap samples do not."""
    bagging = import_module("sklearn.ensemble").BaggingClassifier
    tree = import_module("sklearn.tree").DecisionTreeClassifier

    def disagreements(bootstrap: bool) -> Floats:
        def fit(z: Floats, y: Labels) -> Any:
            return bagging(tree(min_samples_leaf=5), 30, bootstrap=bootstrap, random_state=0).fit(z, y)

        def ask(model: Any, z: Floats) -> Said:
            return {"value": 0.5, "d": float(np.std(bag_p_up(model, z)))}

        made = {name: column[: FIRST_FIT + 51] for name, column in golden_rows().items()}
        d = forecasts(made, fit, ask, n=500, refit=250, stride=10, h=10)["d"]
        return d[FIRST_FIT::10]

    whole, drawn = disagreements(False), disagreements(True)
    yield Comparison("disagreement of trees of all pairs, golden row", whole[0], 0.0, abs=0.05)
    yield Comparison("and over the rows after it", float(np.median(whole)), 0.0, abs=0.05)
    yield Comparison("that of bootstrap samples is above it", float(np.all(drawn > 0.05)), 1.0, 0.0)


def three(seed: int = 0) -> list[Any]:
    """Return the three classifiers that are stacked and that vote."""
    return [
        import_module("sklearn.linear_model").LogisticRegression(C=1.0, max_iter=200),
        import_module("sklearn.naive_bayes").GaussianNB(),
        import_module("sklearn.tree").DecisionTreeClassifier(
            max_depth=3, min_samples_leaf=20, random_state=seed
        ),
    ]


@reference(75)
def stack_by_loop() -> Iterator[Comparison]:
    logistic = import_module("sklearn.linear_model").LogisticRegression

    def fit(z: Floats, y: Labels) -> Any:
        edges = np.cumsum([0, *(len(part) for part in np.array_split(y, 4))])
        inputs, told = np.empty((0, 3)), np.empty(0, np.int64)
        for begin, end in pairwise(edges[1:]):
            seen = slice(0, begin - SCHEDULE["h"])
            if len(set(y[seen])) < 2:
                continue
            said = [base.fit(z[seen], y[seen]).predict_proba(z[begin:end])[:, 1] for base in three(4)]
            inputs, told = np.vstack([inputs, np.transpose(said)]), np.append(told, y[begin:end])
        meta = logistic(C=1.0, max_iter=200).fit(inputs, told)
        return [base.fit(z, y) for base in three(4)], meta

    def ask(model: Any, z: Floats) -> Said:
        bases, meta = model
        said = meta.predict_proba(np.array([[base.predict_proba(z)[0, 1] for base in bases]]))
        names = ("coef_lr", "coef_nb", "coef_dt")
        return {**judged(float(said[0, 1])), **dict(zip(names, meta.coef_[0], strict=True))}

    yield from against(75, fit, ask, 1e-9, blocks=4, seed=4)


@reference(75)
def equal_bases_weigh_the_same() -> Iterator[Comparison]:
    g = np.random.default_rng(8)
    z = g.standard_normal((200, 8))
    y = (z[:, 0] + g.standard_normal(200) > 0.0).astype(np.int64)
    _, meta = stack(z, y, [three()[0] for _ in range(3)], 5, 10)
    for coefficient in meta.coef_[0]:
        yield Comparison("equal weights", coefficient, float(np.mean(meta.coef_)), 0.0, 1e-6)


@reference(76)
def vote_by_loop() -> Iterator[Comparison]:
    def fit(z: Floats, y: Labels) -> Any:
        return [base.fit(z, y) for base in three(4)]

    def ask(model: Any, z: Floats) -> Said:
        each = [float(base.predict_proba(z)[0, 1]) for base in model]
        p, up = sum(each) / 3.0, sum(one > 0.5 for one in each)
        side = 1 if up > 1 else -1
        signal = side if abs(p - 0.5) > 0.05 else 0
        agree = up if side > 0 else 3 - up
        return {
            "value": p,
            "p_up": p,
            "signal": signal,
            "confidence": abs(2.0 * p - 1.0) * agree / 3.0,
            "votes_up": up,
        }

    yield from against(76, fit, ask, 1e-9, seed=4)


@reference(80)
def bayes_by_library() -> Iterator[Comparison]:
    bayes = import_module("sklearn.naive_bayes").GaussianNB

    def fit(z: Floats, y: Labels) -> Any:
        return bayes(var_smoothing=1e-9).fit(z, y)

    def ask(model: Any, z: Floats) -> Said:
        return judged(float(model.predict_proba(z)[0, 1]))

    made = rows(ROWS, 41)
    expected = forecasts(made, fit, ask, n=120, refit=3, stride=3, h=6)
    yield from stream("rebuilt", run(80, made, n=120, stride=3, h=6), expected, 1e-8)
    g = np.random.default_rng(9)
    z, y = g.standard_normal((40, 8)), g.integers(0, 2, 40)
    z[:, 3] = 0.0
    for far in (0.1, 1.0, 30.0):
        now = np.full(8, far)
        now[3] = 0.0
        p = float(fit(z, y).predict_proba(now[None, :])[0, 1])
        yield Comparison(f"p at {far}", bayes_p_up(z, y.astype(np.float64), now), p, 1e-8, 1e-300)
