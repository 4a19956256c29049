"""Rules of two moving averages, found by searches that take no derivatives (99, 100)."""

from collections.abc import Callable
from math import floor, sqrt
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.rules import crossover
from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.machine_learning.weights import generator
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

__all__ = ["genetic_minimise", "rule", "swarm_minimise"]

Floats = NDArray[np.float64]
Target = Callable[[Floats], float]
LOW: Final = np.array((2.0, 21.0, 0.0))
HIGH: Final = np.array((20.0, 120.0, 1.5))
PULL: Final = 2.05
CONSTRICTION: Final = 2.0 / abs(2.0 - 2.0 * PULL - sqrt((2.0 * PULL) ** 2 - 8.0 * PULL))
"""Of Clerc and Kennedy, 0.7298437881..., for a sum of pulls of 4.1."""


def rule(w: Floats, x: Floats, fee: float = 5e-5) -> tuple[float, float, float, float]:
    """Return what a rule of two averages would have earned over a window, and where it stands.

    d is the average of span floor(x0 + 0.5) less that of span floor(x1 + 0.5), both begun at the first
    price; held is the sign of d where |d| > x2 S, S the sd of d.

    Parameters
    ----------
    w : ndarray of float64, shape (n,)
        Prices, USD per BTC.
    x : ndarray of float64, shape (3,)
    fee : float
        Of one unit of turnover.

    Returns
    -------
    sharpe : float
        Mean over sd of the net log returns, 0 where the sd is 0.
    sd : float
        S, USD per BTC.
    fast, slow : float
        The averages at the end of the window, USD per BTC.
    """
    return crossover(w, floor(x[0] + 0.5), floor(x[1] + 0.5), float(x[2]), fee)


def genetic_minimise(
    f: Target, lo: Floats, hi: Floats, seed: int, pop: int = 24, gens: int = 20
) -> tuple[Floats, float]:
    """Return the fittest of the last generation and its value.

    The two fittest live on; the rest are children of two parents, each the best of three drawn, blended half
    their distance beyond either, a gene in ten moved by a tenth of its range times a normal number.

    Parameters
    ----------
    f : callable of ndarray of shape (d,)
        To be made small.
    lo, hi : ndarray of float64, shape (d,)
        The bounds of each gene.
    seed : int
    pop, gens : int
        Individuals, at least 2, and generations.

    References
    ----------
    Holland (1975), Adaptation in Natural and Artificial Systems; Eshelman, Schaffer (1993), FOGA 2 (the
    blending).
    """
    rng, span = generator(seed), hi - lo
    x = lo + rng.random((pop, len(lo))) * span
    fitness = np.array([f(each) for each in x])
    for _ in range(gens):
        born = [x[k] for k in np.argsort(fitness, kind="stable")[:2]]
        while len(born) < pop:
            mother, father = (_fittest(fitness, rng.integers(pop, size=3)) for _ in range(2))
            born.append(_child(rng, x[mother], x[father], lo, hi))
        x = np.array(born)
        fitness = np.array([f(each) for each in x])
    best = int(np.argmin(fitness))
    return x[best], float(fitness[best])


def _fittest(fitness: Floats, drawn: NDArray[np.int64]) -> int:
    return int(drawn[np.argmin(fitness[drawn])])


def _child(rng: np.random.Generator, a: Floats, b: Floats, lo: Floats, hi: Floats) -> Floats:
    low, width = np.minimum(a, b), np.abs(a - b)
    child = low - width / 2 + rng.random(len(a)) * 2 * width
    moved, by = rng.random(len(a)) < 0.1, rng.standard_normal(len(a))
    child += moved * 0.1 * (hi - lo) * by
    return np.clip(child, lo, hi)


def swarm_minimise(
    f: Target, lo: Floats, hi: Floats, seed: int, particles: int = 20, iters: int = 30
) -> tuple[Floats, float]:
    """Return the best place that a swarm has seen and its value.

    A particle's velocity is pulled to the best place it has seen and to the best of all, and held back by
    the factor of constriction; at a bound it stops.

    Parameters
    ----------
    f : callable of ndarray of shape (d,)
        To be made small.
    lo, hi : ndarray of float64, shape (d,)
        The bounds of each coordinate.
    seed : int
    particles, iters : int

    References
    ----------
    Kennedy, Eberhart (1995), Proc. ICNN; Clerc, Kennedy (2002), IEEE Trans. Evolutionary Computation 6.
    """
    rng, shape = generator(seed), (particles, len(lo))
    x = lo + rng.random(shape) * (hi - lo)
    v = np.zeros(shape)
    own, own_value = x.copy(), np.array([f(each) for each in x])
    best = int(np.argmin(own_value))
    for _ in range(iters):
        r1, r2 = rng.random(shape), rng.random(shape)
        v = CONSTRICTION * (v + PULL * r1 * (own - x) + PULL * r2 * (own[best] - x))
        free = x + v
        x = np.clip(free, lo, hi)
        v[x != free] = 0.0
        value = np.array([f(each) for each in x])
        better = value < own_value
        own[better], own_value[better] = x[better], value[better]
        best = int(np.argmin(own_value))
    return own[best].copy(), float(own_value[best])


class RuleFormula(SeriesFormula):
    """The difference of two averages over its sd, their spans searched for on the last n prices.

    Between searches the averages go on from the window's end and the sd stands.
    """

    check_parameters: ClassVar[dict[str, int]] = {"n": 200, "refit": 150}
    n = Whole(500, "prices that a search looks at", low=30, high=100_000)
    refit = Whole(500, "observations from one search to the next")
    fee = Real(5e-5, "cost of one unit of turnover, a share of price", low=0.0)
    seed = Whole(0, "of the search", low=0, high=2**63 - 1)
    phase = Phase()

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    def _begin(self) -> None:
        self._x, self._sharpe, self._sd = LOW, 0.0, 0.0
        self._fast = self._slow = 0.0

    @property
    def gives(self) -> tuple[str, ...]:
        return ("J", "nf", "ns", "threshold")

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n

    def _search(self, f: Target) -> tuple[Floats, float]:
        raise NotImplementedError

    def _fit(self, w: Floats) -> None:
        self._x, _ = self._search(lambda x: -rule(w, x, self.fee)[0])
        self._sharpe, self._sd, self._fast, self._slow = rule(w, self._x, self.fee)

    def _advance(self, s: Series) -> None:
        if s.count < self.n:
            return
        nf, ns = (float(floor(span + 0.5)) for span in self._x[:2])
        if self._schedule.due(s.count):
            self._fit(s.last("price", self.n))
            nf, ns = (float(floor(span + 0.5)) for span in self._x[:2])
        else:
            price = float(s.last("price", 1)[0])
            self._fast += 2.0 / (nf + 1.0) * (price - self._fast)
            self._slow += 2.0 / (ns + 1.0) * (price - self._slow)
        d, threshold = self._fast - self._slow, float(self._x[2])
        signal = int(np.sign(d)) if abs(d) > threshold * self._sd else 0
        confidence = min(max(self._sharpe * sqrt(self.n) / 4.0, 0.0), 1.0)
        said: dict[str, Any] = {"J": self._sharpe, "nf": nf, "ns": ns, "threshold": threshold}
        self._report(d / self._sd if self._sd > 0.0 else 0.0, signal, confidence, **said)


@register(
    id=99,
    name="GeneticAlgorithm",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    unit="sd",
    reference="Holland (1975), Adaptation in Natural and Artificial Systems; Eshelman, Schaffer (1993), "
    "FOGA 2",
)
class GeneticAlgorithm(RuleFormula):
    """Difference of a fast and a slow average over its sd, the rule found by a genetic algorithm.

    At every refit, on the last n prices: spans x0 of [2, 20] and x1 of [21, 120] and a threshold x2 of
    [0, 1.5], such that holding the sign of d = EWMA - EWMA where |d| > x2 sd(d) has the highest mean over sd
    of log returns net of fees, J. `genetic_minimise` is the search alone. The signal is the sign of d past
    the threshold, the confidence J sqrt(n) / 4 within 0 and 1.

    Outputs: J; nf and ns, the spans; threshold.

    References
    ----------
    Holland (1975), Adaptation in Natural and Artificial Systems; Eshelman, Schaffer (1993), FOGA 2.
    """

    check_parameters: ClassVar[dict[str, int]] = {**RuleFormula.check_parameters, "pop": 8, "gens": 4}
    pop = Whole(24, "individuals", low=2, high=10_000)
    gens = Whole(20, "generations", low=0, high=10_000)

    def _search(self, f: Target) -> tuple[Floats, float]:
        return genetic_minimise(f, LOW, HIGH, self.seed, self.pop, self.gens)


@register(
    id=100,
    name="ParticleSwarm",
    category="machine_learning",
    cost="F",
    inputs=("trade",),
    unit="sd",
    reference="Kennedy, Eberhart (1995), Proc. ICNN; Clerc, Kennedy (2002), IEEE Trans. Evolutionary "
    "Computation 6",
)
class ParticleSwarm(RuleFormula):
    """Difference of a fast and a slow average over its sd, the rule found by a particle swarm.

    The rule, its signal, confidence and outputs are those of `GeneticAlgorithm`; `swarm_minimise` is the
    search alone.

    Outputs: J; nf and ns, the spans; threshold.

    References
    ----------
    Kennedy, Eberhart (1995), Proc. ICNN; Clerc, Kennedy (2002), IEEE Trans. Evolutionary Computation 6.
    """

    check_parameters: ClassVar[dict[str, int]] = {**RuleFormula.check_parameters, "particles": 6, "iters": 5}
    particles = Whole(20, "particles", high=10_000)
    iters = Whole(30, "iterations", low=0, high=10_000)

    def _search(self, f: Target) -> tuple[Floats, float]:
        return swarm_minimise(f, LOW, HIGH, self.seed, self.particles, self.iters)
