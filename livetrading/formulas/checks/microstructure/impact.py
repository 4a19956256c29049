"""Price impact (101 to 105, 107, 109, 110, 129)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from math import log, log1p, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.core.impact import Schedule, invariance_cost, size_exponent, through_origin
from livetrading.formulas.base import Batch
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.microstructure.tapes import (
    Trade,
    bars,
    compare,
    daily,
    flow,
    rough,
    tape,
    trades,
)
from livetrading.formulas.registry import run

Floats = NDArray[np.float64]


def origin(x: Any, y: Any) -> tuple[float, float, float]:
    """Slope, t-value and share explained of y on x through the origin, by statsmodels."""
    fit = import_module("statsmodels.api").OLS(np.asarray(y), np.asarray(x)).fit()
    return float(fit.params[0]), float(fit.tvalues[0]), float(fit.rsquared)


@golden(101)
def kyle() -> Mapping[str, float]:
    said = run(101, flow())
    return {"lambda": said.value[-1], "t": said.outputs["t"][-1], "r2": said.outputs["r2"][-1]}


@reference(101)
def linregress() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    for columns, m, n in ((rough(1, 900), 4, 30), (rough(2, 700, 1e3), 3, 20)):
        said = run(101, columns, m=m, n=n, t_min=0.5)
        of = bars(trades(columns), m)
        close = np.array([bar[-1].price for bar in of])
        signed = np.array([sum(t.sign * t.volume for t in bar) for bar in of])
        for k in range(n, len(of)):
            q, d = signed[k - n + 1 : k + 1], np.diff(close[k - n : k + 1])
            fit = stats.linregress(q, d)
            t = fit.slope / fit.stderr
            votes = t >= 0.5 and abs(q[-1]) > np.std(q)
            expected = {
                "value": fit.slope,
                "t": t,
                "r2": fit.rvalue**2,
                "confidence": fit.rvalue**2,
                "intercept": fit.intercept,
                "signal": np.sign(q[-1]) if votes else 0,
            }
            yield from compare(said, of[k][-1].row, expected, 1e-8, 1e-11)


@golden(102)
def obizhaeva() -> Mapping[str, float]:
    linear, root = (8.21, 2.50), (2.08, 12.08)
    return {
        "linear": sum(invariance_cost(0.03, 50000.0, 20000.0, 10.0, False, *linear)),
        "root": sum(invariance_cost(0.03, 50000.0, 20000.0, 10.0, True, *root)),
        "benchmark linear": sum(invariance_cost(0.02, 40.0, 1e6, 1e4, False, *linear)),
        "benchmark root": sum(invariance_cost(0.02, 40.0, 1e6, 1e4, True, *root)),
        "sigma_D": run(105, flow(), n=1000).outputs["sigma_D"][-1],
        "V_D": run(105, flow(), n=1000).outputs["V_D"][-1],
    }


@reference(102)
def invariance() -> Iterator[Comparison]:
    columns = rough(3, 500, 1e3)
    of = trades(columns)
    for model in ("linear", "sqrt"):
        said = run(102, columns, q=3.0, n=60, model=model, limit_bps=3.0)
        for trade, day in zip(of, daily(of, 60), strict=True):
            if day is None:
                yield from compare(said, trade.row, {"ready": 0})
                continue
            sigma, volume = day
            activity = sigma * trade.price * volume
            scaled = activity / (0.02 * 40 * 1e6)
            share = 3.0 / (0.01 * volume)
            if model == "linear":
                terms = 8.21 * scaled ** (-1 / 3), 2.50 * scaled ** (1 / 3) * share
            else:
                terms = 2.08 * scaled ** (-1 / 3), 12.08 * sqrt(share)
            cost = sigma / 0.02 * sum(terms)
            expected = {
                "value": cost,
                "W": activity,
                "R": scaled,
                "spread": sigma / 0.02 * terms[0],
                "impact": sigma / 0.02 * terms[1],
                "signal": -1 if cost > 3.0 else 1,
                "confidence": 1,
            }
            yield from compare(said, trade.row, expected)


def plan(q: float, T: float, N: int, lam: float, gamma: float, eta: float, eps: float) -> Schedule:
    """A schedule that is asked for slices only."""
    return Schedule(q, T, N, lam, gamma, eta, eps, nan, 1, 10.0)


@golden(103)
def chriss() -> Mapping[str, float]:
    said = run(103, {"price": [50.0], "volume": [1.0]}, q=1e6, sigma=0.95)
    slices = plan(1e6, 5.0, 5, 1e-6, 2.5e-7, 2.5e-6, 0.0625).slices_of(0.95)
    found = {f"slice {j}": part for j, part in enumerate(slices)}
    return {
        "kappa": said.outputs["kappa"][0],
        "E": said.outputs["E"][0],
        "Var": said.outputs["Var"][0],
        **found,
    }


def trading_cost(n: Floats, s: float, lam: float) -> float:
    """E + lam Var of slices n, of the numbers of `best_slices`."""
    left = n.sum() - np.cumsum(n)
    tau, gamma, eta, eps = 0.5, 3e-7, 2e-6, 0.03
    rest = eta - gamma * tau / 2
    cost = gamma * n.sum() ** 2 / 2 + eps * np.abs(n).sum() + rest / tau * (n**2).sum()
    return float(cost + lam * s * s * tau * (left**2).sum())


@reference(103)
def best_slices() -> Iterator[Comparison]:
    minimize = import_module("scipy.optimize").minimize
    q, N, s = 1e6, 6, 1.3
    for lam in (1e-9, 1e-7, 2e-6, 1e-4):

        def cost(free: Floats, lam: float = lam) -> float:
            return trading_cost(q * np.append(free, 1.0 - free.sum()), s, lam) / 1e6

        best = minimize(cost, np.full(N - 1, 1 / N), method="BFGS", options={"gtol": 1e-9})
        mine = plan(q, 3.0, N, lam, 3e-7, 2e-6, 0.03).slices_of(s)
        yield Comparison("cost", cost(np.array(mine[:-1])), float(best.fun), 1e-12)
        for j in range(N - 1):
            yield Comparison(f"slice {j}, lam {lam}", mine[j], best.x[j], 1e-6, 1e-6)
    for lam in (0.0, 1e-30):
        equal = plan(q, 3.0, N, lam, 3e-7, 2e-6, 0.03)
        for part in equal.slices_of(s):
            yield Comparison("equal slices", part, 1 / N)


@reference(103)
def costs_of_a_day() -> Iterator[Comparison]:
    columns, given = rough(4, 400), {"q": 2e5, "T": 3.0, "N": 6, "lam": 2e-10, "gamma": 3e-7, "eta": 2e-6}
    of, said = trades(columns), run(103, columns, n=50, limit_bps=0.1714, **given)
    tau, rest = 0.5, 2e-6 - 3e-7 * 0.25
    for trade, day in zip(of, daily(of, 50), strict=True):
        if day is None:
            continue
        s = day[0] * trade.price
        half = sqrt(2e-10 * s * s / rest) * tau / 2
        kappa = 2 * np.arcsinh(half) / tau  # arccosh(1 + 2 half^2)
        x = 2e5 * np.sinh(kappa * (3.0 - tau * np.arange(7))) / np.sinh(kappa * 3.0)
        n = -np.diff(x)
        cost = 3e-7 * 4e10 / 2 + 0.0625 * np.abs(n).sum() + rest / tau * (n**2).sum()
        variance = s * s * tau * (x[1:] ** 2).sum()
        expected = {
            "value": 1e4 * cost / (2e5 * trade.price),
            "kappa": kappa,
            "half_life": 1 / kappa,
            "E": cost,
            "Var": variance,
            "first": n[0] / 2e5,
            "confidence": cost / (cost + sqrt(variance)),
            "signal": -1 if 1e4 * cost / (2e5 * trade.price) > 0.1714 else 1,
        }
        yield from compare(said, trade.row, expected)


@golden(104)
def glosten() -> Mapping[str, float]:
    said = run(104, tape())
    return {"value": said.value[-1], "eta": said.outputs["eta"][-1], "t": said.outputs["t"][-1]}


@reference(104)
def impact_by_ols() -> Iterator[Comparison]:
    for columns, n in ((rough(5, 500), 50), (rough(6, 500, 1e6), 40)):
        said, of = run(104, columns, n=n, q=2.0, limit_bps=0.05), trades(columns, quoted=True)
        flows = [t.sign * t.volume for t in of]
        mids = [t.mid for t in of]
        for i in range(n, len(of), 3):
            eta, t, _ = origin(flows[i - n : i], np.diff(mids[i - n : i + 1]))
            cost = 1e4 * eta * 2.0 / mids[i]
            confidence, signal = abs(t) / (1 + abs(t)), -1 if cost > 0.05 else 1
            expected = {"value": cost, "eta": eta, "t": t, "confidence": confidence, "signal": signal}
            yield from compare(said, of[i].row, expected, 1e-9, 1e-11)


@golden(105)
def torre() -> Mapping[str, float]:
    return {"value": run(105, flow(), n=1000).value[-1]}


@reference(105)
def root_law() -> Iterator[Comparison]:
    columns = rough(7, 500, 1e6)
    of, said = trades(columns), run(105, columns, n=70, q=3.0, Y=0.7, limit_bps=100.0)
    for trade, day in zip(of, daily(of, 70), strict=True):
        if day is not None:
            cost = 1e4 * 0.7 * day[0] * sqrt(3.0 / day[1])
            expected = {"value": cost, "sigma_D": day[0], "V_D": day[1], "participation": 3.0 / day[1]}
            yield from compare(said, trade.row, {**expected, "signal": -1 if cost > 100.0 else 1})
    yield Comparison("closed form", 1e4 * 0.02 * sqrt(0.01), 20.0)


@golden(107)
def temporary_rows() -> Mapping[str, float]:
    phi = np.random.default_rng(71).standard_normal(60)
    x = np.sign(phi) * np.abs(phi) ** 0.6
    return {"eta": through_origin(x, 0.142 * x)[0]}


def temporary_pairs(
    of: list[Trade], m: int, beta: float, day_n: int
) -> list[tuple[int, float, float, float, float]]:
    """Row of resolution, x, y, |phi| and sigma_D of each bar that counts."""
    days, blocks, found = daily(of, day_n, whole=False), bars(of, m), []
    for k, bar in enumerate(blocks):
        first = (k + 2) * m
        day = days[(k + 1) * m - 1]
        length = (bar[-1].ts - bar[0].ts) / 86400e9
        net = sum(t.sign * t.volume for t in bar)
        if first >= len(of) or k == 0 or length == 0 or net == 0 or day is None or 0.0 in day:
            continue
        vwap = sum(t.price * t.volume for t in bar) / sum(t.volume for t in bar)
        moved, stayed = log(vwap / bar[0].mid), log(of[first].mid / bar[0].mid)
        phi = net / (day[1] * length)
        found.append(
            (of[first].row, np.sign(phi) * abs(phi) ** beta, (moved - stayed / 2) / day[0], abs(phi), day[0])
        )
    return found


@reference(107)
def temporary_by_ols() -> Iterator[Comparison]:
    for columns, m, n in ((rough(8, 900), 4, 45), (rough(9, 600, 1e3), 3, 200)):
        said = run(107, columns, m=m, n=n, beta=0.7, day_n=90)
        rows = temporary_pairs(trades(columns, quoted=True), m, 0.7, 90)
        for i in range(29, len(rows)):
            window = rows[max(0, i + 1 - n) : i + 1]
            eta, t, share = origin([w[1] for w in window], [w[2] for w in window])
            bps = 1e4 * eta * rows[i][4] * np.median([w[3] for w in window]) ** 0.7
            expected = {"value": eta, "t": t, "temp_bps": bps, "confidence": max(share, 0.0), "signal": 0}
            yield from compare(said, rows[i][0], expected, 1e-8, 1e-11)
        yield Comparison("ready", float(said.ready.argmax()), float(rows[29][0]))


@golden(109)
def transient() -> Mapping[str, float]:
    ts, signed = np.array([0, 10, 20, 50]) * 10**9, np.array([1.0, 2.0, -1.0, 3.0])
    columns = {
        "ts": ts,
        "price": [100.0, 101.0, 103.0, 102.0],
        "volume": np.abs(signed),
        "side": np.sign(signed),
    }
    return {"E": run(109, columns, n=3).outputs["E"][-1]}


@reference(109)
def displacement() -> Iterator[Comparison]:
    for columns, n in ((rough(10, 450), 60), (rough(11, 400, 1e3), 50)):
        said, of = run(109, columns, n=n, half_life=7.0, entry=0.8), trades(columns)
        rho = log(2) / 7.0
        signed, ts = np.array([t.sign * t.volume for t in of]), np.array([t.ts for t in of])
        moved = np.array(
            [signed[: i + 1] @ np.exp(-rho * (ts[i] - ts[: i + 1]) / 1e9) for i in range(len(of))]
        )
        price = np.array([t.price for t in of])
        for i in range(n, len(of)):
            kappa, t, _ = origin(np.diff(moved[i - n : i + 1]), np.diff(price[i - n : i + 1]))
            sd, size = np.std(moved[i - n + 1 : i + 1]), abs(moved[i])
            votes = kappa > 0 and t > 2 and size > 0.8 * sd
            expected = {
                "value": 1e4 * kappa * moved[i] / price[i],
                "E": moved[i],
                "kappa": kappa,
                "t": t,
                "confidence": min(1.0, size / (1.6 * sd)),
                "signal": -np.sign(moved[i]) if votes else 0,
            }
            yield from compare(said, of[i].row, expected, 1e-9, 1e-9)


@golden(110)
def metaorders() -> Mapping[str, float]:
    size = np.repeat([0.001, 0.002, 0.004, 0.008, 0.016], 4)
    moved = 0.8 * np.sqrt(size)
    return {"Y": through_origin(np.sqrt(size), moved)[0], "delta": size_exponent(size, moved)}


def runs(of: list[Trade], gap: float, least: int, day_n: int) -> list[tuple[int, float, float]]:
    """Row of the trade that ends it, Q / V_D and I / sigma_D of each metaorder."""
    days, found, start = daily(of, day_n, whole=False), [], 0
    for i in range(1, len(of) + 1):
        last = of[i - 1]
        ends = i == len(of) or of[i].sign != last.sign or (of[i].ts - last.ts) / 1e9 > gap
        if not ends:
            continue
        day = days[i] if i < len(of) else None
        if last.sign != 0 and i - start >= least and day is not None and 0.0 not in day:
            before = of[start - 1].price if start > 0 else of[start].price
            moved = last.sign * log(last.price / before)
            found.append((of[i].row, sum(t.volume for t in of[start:i]) / day[1], moved / day[0]))
        start = i
    return found


def exponent(size: Floats, moved: Floats) -> float:
    order = np.argsort(size, kind="stable")
    groups = [(size[g].mean(), moved[g].mean()) for g in np.array_split(order, 5) if len(g)]
    used = [(log(a), log(b)) for a, b in groups if b > 0]
    if len(used) < 3 or len({a for a, _ in used}) == 1:
        return nan
    x, y = np.array(used).T
    return float(np.polyfit(x, y, 1)[0])


@reference(110)
def metaorders_by_ols() -> Iterator[Comparison]:
    for columns, n, least in ((rough(12, 900), 30, 2), (rough(13, 700, 1e3), 500, 3), (pressed(14), 25, 3)):
        columns["volume"] = np.abs(columns["volume"])
        said, of = run(110, columns, n=n, min_trades=least, gap=1.5, day_n=80), trades(columns)
        found = runs(of, 1.5, least, 80)
        for i in range(9, len(found)):
            window = found[max(0, i + 1 - n) : i + 1]
            size, moved = np.array([w[1] for w in window]), np.array([w[2] for w in window])
            slope, t, share = origin(np.sqrt(size), moved)
            expected = {
                "value": slope,
                "t": t,
                "count": i + 1,
                "delta": exponent(size, moved),
                "confidence": max(0.0, share),
            }
            yield from compare(said, found[i][0], expected, 1e-8, 1e-11)
        yield Comparison("ready", float(said.ready.argmax()), float(found[9][0]))
        yield from running(said, of, least)


def pressed(seed: int) -> dict[str, NDArray[Any]]:
    """Trades in runs of a side, which move the price along, against them in between."""
    g = np.random.default_rng(seed)
    side = np.repeat(g.choice([-1.0, 1.0], 260), g.integers(1, 8, 260))
    n = len(side)
    impact = np.where(np.abs(np.arange(n) - n / 2) < n / 6, -1e-4, 1e-4)
    price = 50_000.0 * np.exp(np.cumsum(side * impact + 1e-4 * g.standard_normal(n)))
    ts = np.cumsum(g.exponential(5e8, n)).astype(np.int64)
    return {"ts": ts, "price": price, "volume": g.exponential(1.0, n), "side": side}


def running(said: Batch, of: list[Trade], least: int) -> Iterator[Comparison]:
    """The run that is not finished, which is followed where those before it moved the price."""
    volume, count = 0.0, 0
    for i, trade in enumerate(of):
        same = i > 0 and trade.sign == of[i - 1].sign and (trade.ts - of[i - 1].ts) / 1e9 <= 1.5
        volume = 0.0 if trade.sign == 0 else trade.volume + (volume if same else 0.0)
        count = 0 if trade.sign == 0 else 1 + (count if same else 0)
        if said.ready[trade.row]:
            follow = count >= least and said.outputs["t"][trade.row] > 2.0
            expected = {"running_Q": volume, "signal": trade.sign if follow else 0}
            yield from compare(said, trade.row, expected)


def reversal_rows(of: list[Trade], m: int) -> tuple[list[int], Floats, Floats]:
    blocks = bars(of, m)
    close = np.array([bar[-1].price for bar in blocks])
    y = 1e4 * np.array([log1p((b - a) / a) for a, b in pairwise(close)])
    volume = np.array([sum(t.volume for t in bar) for bar in blocks[1:]])
    return [bar[-1].row for bar in blocks[1:]], y, np.sign(y) * volume


@golden(129)
def reversal() -> Mapping[str, float]:
    said = run(129, flow())
    _, y, v = reversal_rows(trades(flow()), 20)
    g, f, forecast = said.value[-1], said.outputs["f"][-1], said.outputs["forecast"][-1]
    return {"g": g, "f": f, "t": said.outputs["t"][-1], "c": forecast - f * y[-1] - g * v[-1]}


@reference(129)
def reversal_by_ols() -> Iterator[Comparison]:
    api = import_module("statsmodels.api")
    for columns, m, n in ((rough(14, 800), 3, 25), (rough(15, 600, 1e2), 4, 20)):
        said = run(129, columns, m=m, n=n, t_min=0.3)
        rows, y, v = reversal_rows(trades(columns), m)
        for k in range(n, len(rows)):
            x = np.column_stack([np.ones(n), y[k - n : k], v[k - n : k]])
            if np.linalg.cond(x.T @ x) > 1e11:
                continue
            fit = api.OLS(y[k - n + 1 : k + 1], x).fit()
            forecast = float(fit.params @ [1.0, y[k], v[k]])
            expected = {
                "value": fit.params[2],
                "f": fit.params[1],
                "t": fit.tvalues[2],
                "forecast": forecast,
                "confidence": fit.rsquared,
                "signal": np.sign(forecast) if fit.tvalues[2] < -0.3 else 0,
            }
            yield from compare(said, rows[k], expected, 1e-8, 1e-10)
