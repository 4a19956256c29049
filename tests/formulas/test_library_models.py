"""What the rows of the library models say beyond their numbers (71 to 90)."""

import sys
from importlib import import_module
from importlib.util import find_spec
from math import isnan, nan
from typing import Any

import numpy as np
import pytest

from livetrading.formulas import base, libraries
from livetrading.formulas.checks.machine_learning.ensembles import three
from livetrading.formulas.checks.machine_learning.loops import forecasts, judged
from livetrading.formulas.checks.machine_learning.slow import rows
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.machine_learning.clusters import components
from livetrading.formulas.machine_learning.embeddings import nearest, vote
from livetrading.formulas.machine_learning.ensembles import stack, stacked_p_up
from livetrading.formulas.machine_learning.features import features
from livetrading.formulas.machine_learning.fitted import Scale
from livetrading.formulas.registry import create, run

needs_catboost = pytest.mark.skipif(find_spec("catboost") is None, reason="catboost is not installed")
SMALL: dict[str, int] = {"n": 60, "h": 5, "refit": 40, "stride": 7}
FIRST = 20 + 60 + 5 - 1
"""The observation, counted from 0, at which a forecast of these parameters is first fitted."""


def rising(made: dict[str, Any], begin: int) -> dict[str, Any]:
    """Return rows whose price only rises from `begin` on."""
    price = made["price"].copy()
    price[begin:] = price[begin - 1] * 1.0001 ** np.arange(1, len(price) - begin + 1)
    return {**made, "price": price}


def fits_of(id: int, made: dict[str, Any], **given: Any) -> list[int]:
    """Return the observations at which a formula takes a new model."""
    formula, found, before = create(id, **given), [], None
    for t in range(len(made["price"])):
        formula.update({name: column[t] for name, column in made.items()})
        now = vars(formula)["_fitted"]
        if now is not before:
            found.append(t)
        before = now
    return found


class TestSchedule:
    def test_fits_come_every_refit_and_later_by_the_phase(self) -> None:
        made = rows(220, 61)
        assert fits_of(76, made, **SMALL) == [FIRST, FIRST + 40, FIRST + 80, FIRST + 120]
        assert fits_of(76, made, **SMALL, phase=9) == [FIRST, FIRST + 49, FIRST + 89, FIRST + 129]
        window = {"n": 60, "refit": 40, "stride": 7}
        assert fits_of(83, made, **window, phase=9) == [79, 79 + 49, 79 + 89, 79 + 129]

    @pytest.mark.parametrize(("id", "first"), [(76, FIRST), (85, 79)])
    def test_is_read_every_stride_and_at_fits(self, id: int, first: int) -> None:
        given = SMALL if id == 76 else {"n": 60, "refit": 40, "stride": 7}
        value = run(id, rows(220, 61), **given).value
        changes = {int(t) for t in np.flatnonzero(np.diff(value[first:])) + 1}
        read = {since for since in range(1, 220 - first) if since % 7 == 0 or since % 40 == 0}
        assert changes <= read
        assert len(changes) > len(read) // 2
        assert {40, 80} & changes, "40 is no multiple of 7"

    def test_what_is_no_trade_is_skipped(self) -> None:
        made = rows(200, 62)
        holes = np.sort(np.random.default_rng(1).choice(200, 40, replace=False))
        wide = {name: np.insert(column, holes, nan) for name, column in made.items()}
        wide["volume"][np.isnan(wide["price"])] = 1.0
        kept = ~np.isnan(wide["price"])
        for id, given in ((76, SMALL), (80, {"n": 60, "h": 5}), (85, {"n": 60}), (89, {"n": 60})):
            said, whole = run(id, wide, **given), run(id, made, **given)
            assert np.array_equal(said.value[kept], whole.value, equal_nan=True)
            assert np.array_equal(said.signal[kept], whole.signal)


class TestThreads:
    def test_components_need_no_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(libraries, "installed", lambda name: False)
        monkeypatch.setitem(sys.modules, "threadpoolctl", None)
        monkeypatch.setitem(sys.modules, "scipy.linalg", None)
        assert run(85, rows(90, 61), n=60).ready[79:].all()


class TestForecasts:
    def test_one_class_gives_no_model(self) -> None:
        made = rising(rows(400, 63), 1)
        made["price"][200:] = rows(400, 63)["price"][200:] * made["price"][199] / rows(400, 63)["price"][199]
        said = run(76, made, **SMALL)
        ready = int(np.argmax(said.ready))
        assert ready > 200
        assert (ready - FIRST) % 40 == 0
        assert said.ready[ready:].all()

    def test_one_class_leaves_the_former_model(self) -> None:
        made = rising(rows(330, 64), 170)
        assert max(fits_of(76, made, **SMALL)) < 300
        said = run(76, made, **SMALL)
        assert said.ready[FIRST:].all()
        assert len(set(said.value[-30:])) > 1, "it goes on to be read"

    def test_pairs_without_a_move_are_left_out(self) -> None:
        made = rows(300, 65)
        made["price"] = np.round(made["price"] / 40.0) * 40.0
        assert np.mean(made["price"][5:] == made["price"][:-5]) > 0.1

        def fit(z: Any, y: Any) -> Any:
            return [one.fit(z, y) for one in three()]

        def ask(model: Any, z: Any) -> dict[str, float]:
            return judged(float(np.mean([one.predict_proba(z)[0, 1] for one in model])))

        expected = forecasts(made, fit, ask, **SMALL)
        said = run(76, made, **SMALL)
        assert np.allclose(said.value, expected["value"], rtol=1e-9, equal_nan=True)
        assert np.allclose(said.outputs["hit_rate"], expected["hit_rate"], equal_nan=True)

    def test_no_vote_counts_within_theta(self) -> None:
        said = run(76, rows(220, 61), **SMALL, theta=0.5)
        assert said.ready.any()
        assert not said.signal.any()

    def test_naive_bayes_is_withdrawn_with_its_pairs(self) -> None:
        said = run(80, rising(rows(400, 66), 170), n=60, h=5)
        assert said.ready[FIRST:170].all()
        assert not said.ready[250:].any()
        assert np.isnan(said.outputs["hit_rate"][250:]).all()

    def test_a_stack_without_a_last_model_is_the_mean(self) -> None:
        g = np.random.default_rng(3)
        z, y = g.standard_normal((100, 8)), np.ones(100, np.int64)
        y[:20:2] = 0
        whole, meta = stack(z, y, three(), 5, 2)
        each = [one.fit(z, y).predict_proba(z[:1])[0, 1] for one in three()]
        assert meta is None
        assert stacked_p_up(whole, meta, z[:1]) == pytest.approx(np.mean(each), rel=1e-12)


class TestWindowsThatSayNothing:
    @pytest.mark.parametrize("id", [71, 75, 76, pytest.param(79, marks=needs_catboost)])
    def test_pairs_that_differ_in_no_feature(self, id: int) -> None:
        """One rise and one fall, both before the only moves."""
        price = np.full(130, 100.0)
        price[FIRST - 1 : FIRST + 1] = 101.0, 99.0
        price[FIRST + 1 :] = 99.0 + np.random.default_rng(1).standard_normal(130 - FIRST - 1).cumsum() * 0.1
        few = {71: {"trees": 3}, 79: {"rounds": 3}}.get(id, {})
        given = {"n": 60, "h": 5, "refit": 10, "stride": 1, **few}
        said = run(id, {"price": price, "volume": np.ones(130), "side": np.ones(130)}, **given)
        assert said.ready[-1]
        assert np.isfinite(said.value[said.ready]).all()
        assert ((said.confidence >= 0.0) & (said.confidence <= 1.0)).all()

    @pytest.mark.parametrize("id", [82, 83])
    def test_a_fit_that_fails_is_none(self, id: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where a fit fails, the newest row is read as between fits, not as the last row of the former."""
        made, given = rows(140, 61), {"n": 60, "refit": 20, "stride": 20}
        often = run(id, made, **{**given, "refit": 1000})
        formula = create(id, **given)
        for t in range(80):
            formula.update({name: column[t] for name, column in made.items()})

        def fails(*_: Any) -> Any:
            raise ValueError

        monkeypatch.setattr(formula, "_train", fails)
        for t in range(80, 140):
            formula.update({name: column[t] for name, column in made.items()})
            assert (formula.value, formula.outputs) == (
                often.value[t],
                {k: v[t] for k, v in often.outputs.items()},
            )
        assert len(set(often.value[79:])) > 1, "else it could be either"


class TestScale:
    def test_what_does_not_vary_is_divided_by_one(self) -> None:
        x = np.column_stack([np.full(9, 0.1), np.arange(9.0), 1e6 + 1e-9 * np.arange(9.0)])
        scale = Scale(x)
        assert scale.sd[0] == 0.0
        assert scale.sd[2] == 0.0
        assert scale(x[0] + 5.0)[0] == pytest.approx(5.0)
        assert scale(x)[:, 1].std() == pytest.approx(1.0)


class TestKernel:
    def test_takes_a_width(self) -> None:
        made = rows(80, 61)
        said = run(90, made, n=60, refit=60, stride=1, gamma=0.5, nu=0.2)
        x = features(made["price"], made["volume"], made["side"])[20:80]
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        library = import_module("sklearn.svm").OneClassSVM
        expected = library(gamma=0.5, nu=0.2).fit(z).decision_function(z[-1:])[0]
        assert said.value[79] == pytest.approx(expected, rel=1e-9)


class TestRounding:
    def test_two_features_alone_load_with_one_sign_each(self) -> None:
        for seed in range(40):
            pair = np.random.default_rng(seed).standard_normal((30, 2))
            z = np.zeros((30, 8))
            z[:, 6:] = (pair - pair.mean(axis=0)) / pair.std(axis=0)
            directions = components(z)[1]
            assert directions[6, 0] > 0.0, seed
            assert abs(directions[7, 0]) == pytest.approx(directions[6, 0], rel=1e-9)

    @pytest.mark.parametrize("seed", [0, 1, 14])
    def test_a_component_of_rows_that_do_not_move_has_no_direction(self, seed: int) -> None:
        g = np.random.default_rng(seed)
        price = 50_000.0 + 10.0 * g.standard_normal(130).cumsum()
        price[25 + seed : 100] = price[24 + seed]
        made = {"price": price, "volume": g.exponential(1.0, 130), "side": np.zeros(130)}
        said = run(84, made, n=30, refit=7, stride=1, k=2)
        still = slice(70, 77)
        assert said.ready[still].all()
        assert not said.signal[still].any()


class TestVotes:
    def test_are_of_the_nearest_that_are_known(self) -> None:
        places = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [9.0, 0.0]])
        y = np.array([nan, 1.0, 0.0, 1.0])
        assert vote(places, y, np.zeros(2), 1) == 1.0
        assert vote(places, y, np.zeros(2), 2) == 0.5
        assert isnan(vote(places, y, np.zeros(2), 4))

    def test_equal_distances_go_to_the_earlier(self) -> None:
        assert nearest(np.array([[1.0], [-1.0], [1.0]]), np.zeros(1), 2).tolist() == [0, 1]

    def test_without_enough_labels_it_is_not_ready(self) -> None:
        made = rows(80, 67)
        made["price"][28:47] = made["price"][28]
        given = {"n": 32, "perplexity": 5.0, "k": 20, "h": 3}
        said = run(86, made, **given)
        assert not said.ready[51]
        assert said.ready.sum() == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("id", "given"),
        [
            (71, {"phase": 250}),
            (81, {"k": 13, "n": 12}),
            (83, {"k": 1}),
            (86, {"n": 20, "perplexity": 20.0}),
            (86, {"n": 20, "perplexity": 5.0, "k": 21}),
            (87, {"n": 15}),
            (89, {"n": 20, "k": 19}),
            (90, {"gamma": "wide"}),
            (90, {"gamma": 0.0}),
        ],
    )
    def test_parameters_that_do_not_fit_together(self, id: int, given: dict[str, Any]) -> None:
        with pytest.raises(FormulaError, match="must be"):
            create(id, **given)

    @pytest.mark.parametrize(("id", "extra"), [(71, "formulas"), (77, "ml"), (87, "ml")])
    def test_a_library_that_is_missing_is_named(
        self, id: int, extra: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(base, "installed", lambda name: False)
        formula = create(id)
        formula.update(price=50_000.0, volume=1.0, side=1)
        assert formula.unavailable is not None
        assert f"livetrading[{extra}]" in str(formula.unavailable)
        said = run(id, rows(60, 68))
        assert said.unavailable == formula.unavailable
        assert not said.ready.any()
