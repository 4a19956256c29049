"""Golden numbers and references of the searches (99, 100)."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.slow import Floats, rows, sd, stream
from livetrading.formulas.checks.markets import walk
from livetrading.formulas.machine_learning.search import HIGH, LOW, genetic_minimise, rule, swarm_minimise
from livetrading.formulas.registry import run

Cost = Callable[[Floats], float]
SQUARE = np.full(2, 5.0)


def sphere(x: Floats) -> float:
    return float(np.sum(x * x))


@golden(99)
def golden_genetic() -> Mapping[str, float]:
    w = walk(7, 500)
    return {
        "sphere": genetic_minimise(sphere, -SQUARE, SQUARE, 0)[1],
        "J": run(99, {"price": w}).outputs["J"][-1],
        "J(5, 30, 0.5)": rule(w, np.array((5.0, 30.0, 0.5)))[0],
        "J(2, 21, 0)": rule(w, np.array((2.0, 21.0, 0.0)))[0],
    }


@golden(100)
def golden_swarm() -> Mapping[str, float]:
    return {
        "sphere": swarm_minimise(sphere, -SQUARE, SQUARE, 0)[1],
        "J": run(100, {"price": walk(7, 500)}).outputs["J"][-1],
    }


def averages(w: Floats, nf: float, ns: float) -> Floats:
    """The difference of the two averages over the whole of w, by pandas."""
    pandas = import_module("pandas")
    fast, slow = (pandas.Series(w).ewm(alpha=2.0 / (n + 1.0), adjust=False).mean() for n in (nf, ns))
    return np.asarray((fast - slow).to_numpy(), np.float64)


def slow_rule(w: Floats, x: Floats, fee: float) -> float:
    d = averages(w, np.floor(x[0] + 0.5), np.floor(x[1] + 0.5))
    held = np.where(np.abs(d) > x[2] * sd(d), np.sign(d), 0.0)
    turnover = np.abs(np.diff(held, prepend=0.0))
    net = held[:-1] * np.log(w[1:] / w[:-1]) - fee * turnover[:-1]
    spread = sd(net)
    return float(np.mean(net)) / spread if spread > 0.0 else 0.0


@reference(99, 100)
def pandas_rule() -> Iterator[Comparison]:
    g = np.random.default_rng(4)
    for seed, n in ((1, 60), (2, 150), (3, 333)):
        w = rows(n, seed)["price"]
        for k in range(20):
            x = LOW + g.random(3) * (HIGH - LOW)
            yield Comparison(f"J of {n}, {k}", rule(w, x, 1e-4)[0], slow_rule(w, x, 1e-4), 1e-9, 1e-12)
    yield Comparison("J of a constant", rule(np.full(50, 7.0), LOW)[0], 0.0)


def slow_breeding(cost: Cost, pop: int, gens: int) -> Floats:
    """The fittest after all generations, one child after another."""
    g, size = np.random.default_rng(3), HIGH - LOW
    living = [LOW + row * size for row in g.random((pop, 3))]
    for _ in range(gens):
        costs = [cost(x) for x in living]
        ranked = sorted(range(pop), key=lambda i: costs[i])
        born = [living[i] for i in ranked[:2]]
        while len(born) < pop:
            parents = []
            for _ in range(2):
                drawn = g.integers(pop, size=3)
                parents.append(living[min(drawn, key=lambda i: costs[i])])
            low, high = np.minimum(*parents), np.maximum(*parents)
            wide = high - low
            child = low - wide / 2.0 + g.random(3) * 2.0 * wide
            altered = g.random(3) < 0.1
            child = child + altered * 0.1 * size * g.standard_normal(3)
            born.append(np.clip(child, LOW, HIGH))
        living = born
    fittest: Floats = min(living, key=cost)
    return fittest


def slow_flight(cost: Cost, particles: int, iters: int) -> Floats:
    """The best place of all, one particle after another."""
    g = np.random.default_rng(3)
    x = [LOW + row * (HIGH - LOW) for row in g.random((particles, 3))]
    v = [np.zeros(3) for _ in x]
    best: list[Floats] = list(x)
    least = [cost(one) for one in x]
    for _ in range(iters):
        leader = best[least.index(min(least))]
        r1, r2 = g.random((particles, 3)), g.random((particles, 3))
        for i in range(particles):
            pull = 2.05 * r1[i] * (best[i] - x[i]) + 2.05 * r2[i] * (leader - x[i])
            v[i] = 0.7298437881 * (v[i] + pull)
            there = x[i] + v[i]
            x[i] = np.clip(there, LOW, HIGH)
            v[i] = np.where(x[i] == there, v[i], 0.0)
            if cost(x[i]) < least[i]:
                best[i], least[i] = x[i], cost(x[i])
    return best[least.index(min(least))]


def check_search(id: int, search: Callable[[Cost, int, int], Floats], **sizes: int) -> Iterator[Comparison]:
    """The rule that a search of the window finds."""
    price, n, refit = rows(260)["price"], 80, 70
    said = run(id, {"price": price}, n=n, refit=refit, fee=1e-4, seed=3, **sizes)
    for last in range(n - 1, 260, refit):
        w = price[last - n + 1 : last + 1]
        found = search(lambda x, w=w: -slow_rule(w, x, 1e-4), *sizes.values())  # type: ignore[misc]
        named = (("nf", np.floor(found[0] + 0.5)), ("ns", np.floor(found[1] + 0.5)), ("threshold", found[2]))
        for name, number in named:
            for row in (last, min(last + refit - 1, 259)):
                yield Comparison(f"{name}, row {row}", said.outputs[name][row], float(number), 1e-9)


def check_stream(id: int) -> Iterator[Comparison]:
    """Between searches: the averages of the window and all after it, over the sd of the window."""
    price, n, refit = rows(260)["price"], 80, 70
    said = run(id, {"price": price}, n=n, refit=refit, fee=1e-4, seed=3)
    names = ("value", "signal", "confidence", "ready", "J")
    found = {name: np.full(260, np.nan if name in ("value", "J") else 0.0) for name in names}
    for t in range(n - 1, 260):
        last = n - 1 + (t - n + 1) // refit * refit
        window = price[last - n + 1 : t + 1]
        nf, ns, threshold = (said.outputs[name][t] for name in ("nf", "ns", "threshold"))
        d = averages(window, nf, ns)
        s, j = sd(d[:n]), slow_rule(window[:n], np.array((nf, ns, threshold)), 1e-4)
        found["value"][t] = d[-1] / s
        found["signal"][t] = np.sign(d[-1]) if abs(d[-1]) > threshold * s else 0.0
        found["confidence"][t] = np.clip(j * np.sqrt(n) / 4.0, 0.0, 1.0)
        found["ready"][t], found["J"][t] = 1.0, j
    yield from stream("stream", said, found)


@reference(99)
def slow_genetic() -> Iterator[Comparison]:
    yield from check_stream(99)
    yield from check_search(99, slow_breeding, pop=6, gens=4)


@reference(100)
def slow_swarm() -> Iterator[Comparison]:
    yield from check_stream(100)
    yield from check_search(100, slow_flight, particles=5, iters=6)


@reference(99, 100)
def scipy_evolution() -> Iterator[Comparison]:
    """The search of scipy finds no rule that is better by more than 0.05."""
    optimize = import_module("scipy.optimize")
    w = walk(7, 500)
    found = optimize.differential_evolution(
        lambda x: -rule(w, x)[0], list(zip(LOW, HIGH, strict=True)), rng=0, maxiter=60, polish=False
    )
    for id in (99, 100):
        short = -found.fun - run(id, {"price": w}).outputs["J"][-1]
        yield Comparison(f"what {id} falls short by", max(float(short), 0.0), 0.0, 0.0, 0.05)
