"""Forecasts by vote of the neighbours on a map of the window in two dimensions (86, 87)."""

from math import nan
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt, library, quietly
from livetrading.formulas.machine_learning.features import FIRST, HitRate, labels, up_down
from livetrading.formulas.machine_learning.fitted import Fitted, Floats, Scale, features_of
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

__all__ = ["TSNEVisualization", "UMAPEmbedding", "nearest", "vote"]

THETA: Final = 0.05
PLACE: Final = 5
"""Rows of the window between which an observation since the fit is placed."""


def nearest(points: Floats, x: Floats, k: int) -> NDArray[np.intp]:
    """Return the indices of the k rows of `points` nearest to x, of equal ones the earlier."""
    apart = np.sum((points - x) ** 2, axis=1)
    return np.argsort(apart, kind="stable")[:k]


def vote(places: Floats, y: Floats, place: Floats, k: int) -> float:
    """Return the share of rises among the k places nearest to `place` whose label is known.

    Parameters
    ----------
    places : ndarray of float64, shape (n, 2)
    y : ndarray of float64, shape (n,)
        1 a rise, 0 a fall, NaN unknown.
    place : ndarray of float64, shape (2,)
    k : int

    Returns
    -------
    float
        NaN where fewer than k labels are known.
    """
    known = ~np.isnan(y)
    if np.count_nonzero(known) < k:
        return nan
    return float(np.mean(y[known][nearest(places[known], place, k)]))


class _Map(SeriesFormula):
    """Share of rises among the neighbours on a map of the last n feature vectors."""

    reads = ("price", "volume", "side")
    n = Whole(200, "observations on the map", low=12, high=20_000)
    refit = Whole(500, "observations from one map to the next")
    k = Whole(10, "neighbours that vote")
    h = Whole(10, "observations ahead", high=100_000)
    phase = Phase()

    def _prepare(self) -> None:
        if self.k > self.n:
            raise FormulaError(f"k must be at most n, {self.n}, was {self.k}")
        self._schedule = Schedule(self.n + FIRST, self.refit, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p_up", "hit_rate", "e0", "e1", "trust")

    @property
    def lookback(self) -> int:
        return max(self.n, self.h) + FIRST

    def _begin(self) -> None:
        self._hits = HitRate(self.h)
        self._fitted: Fitted | None = None
        self._since = 0
        self._y = np.full(self.n, nan)

    def _map(self, z: Floats) -> tuple[Floats, dict[str, float]]:
        """Return the places of the rows, shape (n, 2), and what is to be noted of the map."""
        raise NotImplementedError

    def _advance(self, s: Series) -> None:
        if s.count < self._schedule.first:
            return
        price = float(s.last("price", 1)[0])
        self._hits.resolve(price)
        self._since += 1
        p, place = nan, None
        with np.errstate(all="ignore"):
            if self._schedule.due(s.count):
                self._draw(s)
            elif self._fitted is not None:
                self._learn(s)
            if self._fitted is not None:
                place = self._place(s, self._fitted)
                p = vote(self._fitted.model[1], self._y, place, self.k)
        self._hits.predict(price, p - 0.5)
        if place is None or self._fitted is None or p != p:
            self._withdraw()
            return
        where = {"e0": float(place[0]), "e1": float(place[1])}
        said = {"p_up": p, "hit_rate": self._hits.value, **where, **self._fitted.notes}
        self._report(p, *up_down(p, THETA), **said)

    def _draw(self, s: Series) -> None:
        """Draw the map anew; one that cannot be drawn leaves the former."""
        x = features_of(s, self.n)
        scale = Scale(x)
        z = scale(x)
        drawn = attempt(lambda: self._map(z))
        if drawn is None:
            self._learn(s)
            return
        places, notes = drawn
        trust = library("sklearn.manifold").trustworthiness
        neighbours = min(10, (self.n - 1) // 2)
        notes["trust"] = float(quietly(trust, z, places, n_neighbors=neighbours))
        self._fitted = Fitted((z, places), scale, s.count, **notes)
        self._since = 0
        self._y = labels(s.last("price", self.n), self.h)

    def _learn(self, s: Series) -> None:
        """Note the label of the row of the map that resolves now."""
        row = self.n - 1 - self.h + self._since
        if 0 <= row < self.n:
            self._y = self._y.copy()
            self._y[row] = labels(s.last("price", self.h + 1), self.h)[0]

    def _place(self, s: Series, fitted: Fitted) -> Floats:
        """Return where on the map the newest observation lies."""
        z, places = fitted.model
        if self._since == 0:
            return np.asarray(places[-1])
        near = nearest(z, fitted.scale(features_of(s, 1)[0]), PLACE)
        return np.asarray(np.mean(places[near], axis=0))


def _finite(places: Any) -> Floats:
    found = np.asarray(places, np.float64)
    if not np.all(np.isfinite(found)):
        raise ValueError("places must be finite")
    return found


@register(
    id=86,
    name="TSNEVisualization",
    category="machine_learning",
    kind="estimator",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="van der Maaten, Hinton (2008), JMLR 9",
    library="sklearn",
    extra="formulas",
)
class TSNEVisualization(_Map):
    """Share of rises among the k neighbours of an observation on a t-SNE map of the last n feature vectors.

    The map brings the distribution over pairs, Student's t of their distances, close to that of the scaled
    vectors, normal with the given perplexity. An observation since the map was drawn lies at the mean of the
    five rows nearest to it in the features. Rows of the map vote once the price h observations later is
    known; not ready with fewer than k of them. Signal: more than 0.05 from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved; kl,
    the divergence left; e0, e1, the place; trust, of the map, how far neighbours on it are neighbours.

    References
    ----------
    van der Maaten, Hinton (2008), JMLR 9; Venna, Kaski (2001), ICANN (trustworthiness).
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 32, "perplexity": 5.0, "k": 5}
    check_rows = 80
    perplexity = Real(20.0, "neighbours, in effect, of a row", low=1.0)

    def _prepare(self) -> None:
        super()._prepare()
        if not self.perplexity < self.n:
            raise FormulaError(f"perplexity must be below n, {self.n}, was {self.perplexity:g}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p_up", "hit_rate", "kl", "e0", "e1", "trust")

    def _map(self, z: Floats) -> tuple[Floats, dict[str, float]]:
        found = library("sklearn.manifold").TSNE(
            2,
            perplexity=self.perplexity,
            init="pca",
            learning_rate="auto",
            max_iter=500,
            method="exact",
            random_state=0,
        )
        places = _finite(found.fit_transform(z))
        return places, {"kl": float(found.kl_divergence_)}


@register(
    id=87,
    name="UMAPEmbedding",
    category="machine_learning",
    kind="estimator",
    cost="F",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="McInnes, Healy, Melville (2018), arXiv:1802.03426",
    library="umap",
    extra="ml",
)
class UMAPEmbedding(_Map):
    """Share of rises among the k neighbours of an observation on a UMAP of the last n feature vectors.

    The map brings the fuzzy graph of its nearest neighbours close to that of the scaled vectors. An
    observation since the map was drawn lies at the mean of the five rows nearest to it in the features. Rows
    of the map vote once the price h observations later is known; not ready with fewer than k of them. Signal:
    more than 0.05 from 1/2; confidence |2 p - 1|. The first map waits for the library to compile.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved; e0,
    e1, the place; trust, of the map, how far neighbours on it are neighbours.

    References
    ----------
    McInnes, Healy, Melville (2018), arXiv:1802.03426; Venna, Kaski (2001), ICANN (trustworthiness).
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 32, "neighbors": 5, "k": 5}
    check_rows = 80
    neighbors = Whole(15, "neighbours of a row in the graph", low=2)
    min_dist = Real(0.1, "how close rows may lie on the map", low=0.0, high=1.0)

    def _prepare(self) -> None:
        super()._prepare()
        if not self.neighbors < self.n:
            raise FormulaError(f"neighbors must be below n, {self.n}, was {self.neighbors}")

    def _map(self, z: Floats) -> tuple[Floats, dict[str, float]]:
        found = library("umap").UMAP(
            n_neighbors=self.neighbors,
            min_dist=self.min_dist,
            n_components=2,
            n_epochs=200,
            init="spectral",
            random_state=0,
        )
        return _finite(found.fit_transform(z)), {}
