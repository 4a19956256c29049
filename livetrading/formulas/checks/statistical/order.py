"""Golden numbers and references of the formulas of order (8, 20, 30)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.checks.statistical.moments import windows
from livetrading.formulas.registry import run
from livetrading.formulas.statistical.order import berkowitz, hill, tail_quantile


@golden(8)
def histogram() -> Mapping[str, float]:
    said = run(8, {"price": walk(8, 301)})
    return {"KL": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}


@reference(8)
def scipy_divergence() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    said = run(8, market(400), n_ref=80, n_rec=25, bins=6, alpha=0.3)
    for i, r in windows(105):
        past, recent = r[:80], r[80:]
        edges = np.quantile(past, [j / 6 for j in range(1, 6)])
        p, q = ([0.5] * 6 for _ in range(2))
        for counts, values in ((p, recent), (q, past)):
            for x in values:
                counts[int(np.searchsorted(edges, x, side="left"))] += 1.0
        kl = stats.entropy(p, q)
        statistic = 2.0 * 80 * 25 / 105 * kl
        yield Comparison(f"value, row {i}", said.value[i], kl, 1e-9, 1e-15)
        yield Comparison(f"S, row {i}", said.outputs["S"][i], statistic, 1e-9, 1e-13)
        sf = stats.chi2.sf(statistic, 5)
        yield Comparison(f"p, row {i}", said.outputs["p"][i], sf)
        side = np.sign(recent.mean() - past.mean()) if sf < 0.3 else 0.0
        yield Comparison(f"signal, row {i}", said.signal[i], side)
    flat = run(8, {"price": np.full(400, 3.0)})
    yield Comparison("value of equal prices", flat.value[-1], 0.0)
    yield Comparison("p of equal prices", flat.outputs["p"][-1], 1.0)


@golden(20)
def tail() -> Mapping[str, float]:
    stats = import_module("scipy.stats")
    x = np.abs(stats.t.rvs(3, size=500, random_state=np.random.default_rng(20)))
    ordered = np.sort(x)[::-1]
    alpha = hill(ordered, 50)
    level = tail_quantile(alpha, ordered[50], 0.1, 0.01)
    return {"three": hill(np.array([8.0, 4.0, 2.0]), 2), "alpha": alpha, "Q": level}


@reference(20)
def scipy_pareto() -> Iterator[Comparison]:
    pareto = import_module("scipy.stats").pareto
    said = run(20, market(600), n=200, k_frac=0.15, p_tail=0.05)
    for i, r in windows(200, 600):
        x = np.sort(np.abs(r[r != 0.0]))[::-1]
        k = int(0.15 * len(x) + 1e-9)
        alpha = pareto.fit(x[:k], floc=0, fscale=x[k])[0]
        level = x[k] * (k / (len(x) * 0.05)) ** (1.0 / alpha)
        yield Comparison(f"alpha, row {i}", said.value[i], alpha, 1e-10)
        yield Comparison(f"se, row {i}", said.outputs["se"][i], alpha / np.sqrt(k))
        yield Comparison(f"quantile, row {i}", said.outputs["quantile"][i], level)
        yield Comparison(f"threshold, row {i}", said.outputs["threshold"][i], x[k])
        beyond = abs(r[-1]) > level
        yield Comparison(f"signal, row {i}", said.signal[i], -np.sign(r[-1]) * beyond)
        yield Comparison(f"confidence, row {i}", said.confidence[i], max(0.0, 1 - 1.96 / np.sqrt(k)) * beyond)


@golden(30)
def place() -> Mapping[str, float]:
    price = walk(30, 252)
    early = run(30, {"price": np.concatenate((price[:1], price))}, m_cal=4)
    assert not early.ready.any()
    lr, p = berkowitz(np.random.default_rng(30).random(100))
    # the place is there from n + 1 returns on, and said from n + m_cal on: what is put before is out of it
    grown = np.concatenate((np.full(3, price[0]), price))
    return {"u": run(30, {"price": grown}, m_cal=4).value[-1], "lr": lr, "p_B": p}


@reference(30)
def scipy_place() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    ols = import_module("statsmodels.api").OLS
    price = np.round(np.asarray(market(260)["price"], np.float64))
    r = np.diff(np.log(price))
    said = run(30, {"price": price}, n=60, m_cal=30, entry=0.1)
    u = [stats.percentileofscore(r[i - 60 : i], r[i], kind="mean") for i in range(60, 259)]
    u = [(x / 100.0 * 60 + 0.5) / 61.0 for x in u]
    for i in range(90, 260):
        last = np.array(u[i - 90 : i - 60])
        z = stats.norm.ppf(last)
        fit = ols(z[1:], np.column_stack((np.ones(29), z[:-1]))).fit()
        lr = 2.0 * (fit.llf - stats.norm.logpdf(z[1:]).sum())
        yield Comparison(f"value, row {i}", said.value[i], last[-1])
        yield Comparison(f"lr, row {i}", said.outputs["lr"][i], lr, 1e-8, 1e-10)
        yield Comparison(f"p_B, row {i}", said.outputs["p_B"][i], stats.chi2.sf(lr, 3), 1e-8, 1e-10)
        yield Comparison(f"ks, row {i}", said.outputs["ks"][i], stats.kstest(last, "uniform").statistic)
