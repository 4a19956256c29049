"""Golden numbers and references of the formulas of signs (1, 6, 11)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.registry import run

Floats = NDArray[np.float64]


def moves(signs: str) -> Floats:
    """Prices that move as the signs say."""
    steps = np.where(np.array(list(signs)) == "+", 1.01, 0.99)
    return np.asarray(100.0 * np.cumprod(np.concatenate(([1.0], steps))), np.float64)


def nonzero(price: Floats) -> list[tuple[int, float]]:
    """Row and return of every move that is not 0."""
    r = np.diff(np.log(price))
    return [(i + 1, float(x)) for i, x in enumerate(r) if x != 0.0]


@golden(1)
def posterior() -> Mapping[str, float]:
    even = run(1, {"price": moves("+++++++---")}, lam=1.0, min_obs=1)
    forgetting = run(1, {"price": moves("++-+")}, lam=0.9, min_obs=1)
    return {"lam 1": even.value[-1], "lam 0.9": forgetting.value[-1]}


@reference(1)
def scipy_beta() -> Iterator[Comparison]:
    beta = import_module("scipy.stats").beta
    price = np.asarray(market(600)["price"], np.float64)
    for lam, a0, b0 in ((0.99, 1.0, 1.0), (1.0, 0.25, 3.5), (0.8, 40.0, 40.0)):
        said = run(1, {"price": price}, lam=lam, a0=a0, b0=b0, min_obs=5)
        a = b = 0.0
        for row, r in nonzero(price):
            a, b = lam * a + (r > 0.0), lam * b + (r < 0.0)
            if not said.ready[row]:
                continue
            named = {"a": a0 + a, "b": b0 + b, "mean": (a0 + a) / (a0 + a + b0 + b)}
            for name, number in named.items():
                yield Comparison(f"{name}, {lam}, row {row}", said.outputs[name][row], number)
            yield Comparison(f"value, {lam}, row {row}", said.value[row], beta.sf(0.5, a0 + a, b0 + b), 1e-12)
    one_way = run(1, {"price": 1.001 ** np.arange(3000.0)}, lam=1.0).value[-1]
    yield Comparison("3000 ups", one_way, beta.sf(0.5, 3000.0, 1.0), 1e-12)
    down = run(1, {"price": 1.001 ** -np.arange(601.0)}, lam=1.0).value[-1]
    yield Comparison("600 downs", down, beta.sf(0.5, 1.0, 601.0), 1e-11)


@golden(6)
def entropy() -> Mapping[str, float]:
    said = run(6, {"price": walk(6, 401)})
    words = run(6, {"price": moves("++-++-++-+")}, n=10).value[-1]
    return {"signs": words, "walk": said.value[-1], "G": said.outputs["G"][-1], "p": said.outputs["p"][-1]}


@reference(6)
def scipy_entropy() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    price = np.asarray(market(500)["price"], np.float64)
    for n, word in ((60, 3), (50, 1), (120, 5), (7, 7)):
        said = run(6, {"price": price}, n=n, word=word)
        bits = ""
        for row, r in nonzero(price):
            bits += "1" if r > 0.0 else "0"
            if len(bits) < n or row % 7:
                continue
            window = bits[-n:]
            words = [int(window[i : i + word], 2) for i in range(n - word + 1)]
            counts = np.bincount(words, minlength=2**word)
            g, p = stats.power_divergence(counts, lambda_="log-likelihood")
            context = window[n - word + 1 :]
            lean = counts[int(context + "1", 2)] - counts[int(context + "0", 2)]
            where = f"n {n}, word {word}, row {row}"
            yield Comparison(
                f"H, {where}", said.value[row], stats.entropy(counts, base=2) / word, 1e-9, 1e-15
            )
            yield Comparison(f"G, {where}", said.outputs["G"][row], g)
            yield Comparison(f"p, {where}", said.outputs["p"][row], p)
            yield Comparison(f"signal, {where}", said.signal[row], np.sign(lean) if p < 0.05 else 0)


@golden(11)
def runs() -> Mapping[str, float]:
    return {
        "signs": run(11, {"price": moves("++---+-+++")}, n=10).value[-1],
        "walk": run(11, {"price": walk(11, 201)}).value[-1],
    }


@reference(11)
def statsmodels_runs() -> Iterator[Comparison]:
    runstest = import_module("statsmodels.sandbox.stats.runs").runstest_1samp
    price = np.asarray(market(500)["price"], np.float64)
    for n in (20, 100):
        said = run(11, {"price": price}, n=n, entry=1.0)
        seen: list[float] = []
        for row, r in nonzero(price):
            seen.append(r)
            if len(seen) < n:
                continue
            z, p = runstest(np.array(seen[-n:]), cutoff=0.0, correction=False)
            yield Comparison(f"z, n {n}, row {row}", said.value[row], z, 1e-9, 1e-14)
            yield Comparison(f"confidence, n {n}, row {row}", said.confidence[row], 1.0 - p, 1e-9, 1e-14)
            signal = 0.0 if abs(z) < 1.0 else -np.sign(z) * np.sign(r)
            yield Comparison(f"signal, n {n}, row {row}", said.signal[row], signal)
    yield Comparison("one run", run(11, {"price": moves("+" * 20)}, n=20).value[-1], 0.0)
    yield Comparison("no variance", run(11, {"price": moves("+-")}, n=2).value[-1], 0.0)
