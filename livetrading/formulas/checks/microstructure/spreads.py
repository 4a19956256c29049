"""The spread (115 to 120)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from math import isfinite, sqrt
from typing import Any

import numpy as np

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.microstructure.tapes import SECOND, Trade, compare, good, rough, tape, trades
from livetrading.formulas.registry import run


@golden(115)
def adverse() -> Mapping[str, float]:
    said = run(115, tape(), cluster=False)
    found = {name: said.outputs[name][-1] for name in ("pi", "order_cost")}
    return {**found, "a": said.value[-1], "a+b": said.value[-1] + said.outputs["inventory"][-1]}


@golden(116)
def inventory() -> Mapping[str, float]:
    return {"b": run(116, tape(), cluster=False).value[-1]}


@golden(117)
def processing() -> Mapping[str, float]:
    return {"share": run(117, tape(), cluster=False).outputs["share"][-1]}


def merged(of: list[Trade], cluster: bool) -> list[Trade]:
    found: list[Trade] = []
    for trade in of:
        if trade.sign == 0:
            continue
        key = trade.sign, trade.price, trade.bid, trade.ask
        last = found[-1] if found else None
        if cluster and last and key == (last.sign, last.price, last.bid, last.ask):
            continue
        found.append(trade)
    return found


def three_way(window: list[Trade]) -> dict[str, float] | None:
    """Regress as the model is written; None where it is not determined."""
    q = np.array([t.sign for t in window], float)
    s = np.array([t.ask - t.bid for t in window])
    mid = np.array([t.mid for t in window])
    k = 1 - 2 * np.mean(q[1:] != q[:-1])
    x = np.column_stack([s[1:-1] * q[1:-1] / 2, -s[:-2] / 2 * k * q[:-2]])
    if abs(k) < 0.02 or np.linalg.cond(x.T @ x) > 1e12:
        return None
    fit = import_module("statsmodels.api").OLS(np.diff(mid)[1:], x).fit()
    both, a = fit.params
    v = fit.cov_params()
    return {
        "pi": (1 - k) / 2,
        "a": a,
        "b": both - a,
        "share": 1 - both,
        "se_a": sqrt(v[1, 1]),
        "se_b": sqrt(v[0, 0] + v[1, 1] - 2 * v[0, 1]),
        "se_both": sqrt(v[0, 0]),
        "half": float(np.mean(s / 2 / mid)),
    }


def clip(x: float) -> float:
    return min(max(x, 0.0), 1.0)


def three_readings(
    f: dict[str, float], window: list[Trade], past: list[Trade]
) -> dict[int, dict[str, float]]:
    recent = sum(t.sign for t in past[-20:])
    cost, share = 1e4 * f["share"] * f["half"], abs(f["share"])
    return {
        115: {
            "value": f["a"],
            "signal": window[-1].sign if f["a"] > 2 * f["se_a"] else 0,
            "confidence": clip(f["a"]),
            "pi": f["pi"],
            "inventory": f["b"],
            "order_cost": f["share"],
            "se": f["se_a"],
            "half_spread_bps": 1e4 * f["half"],
        },
        116: {
            "value": f["b"],
            "signal": -np.sign(recent) if f["b"] > 2 * f["se_b"] and abs(recent) >= 10 else 0,
            "confidence": clip(f["b"]),
        },
        117: {
            "value": cost,
            "signal": -1 if cost > 0.1 else 1,
            "confidence": share / (share + f["se_both"]),
            "share": f["share"],
        },
    }


@reference(115, 116, 117)
def huang_stoll() -> Iterator[Comparison]:
    for columns, n, cluster in (
        (rough(21, 400), 40, True),
        (rough(22, 300, 1e3), 25, False),
        (sticky(), 60, True),
    ):
        given = {"n": n, "cluster": cluster}
        said = {id: run(id, columns, **given) for id in (115, 116)}
        said[117] = run(117, columns, limit_bps=0.1, **given)
        of = merged(trades(columns, quoted=True, sized=False), cluster)
        for i in range(n - 1, len(of)):
            window = of[i + 1 - n : i + 1]
            fit = three_way(window)
            if fit is not None:
                for id, expected in three_readings(fit, window, of[: i + 1]).items():
                    yield from compare(said[id], of[i].row, expected, 1e-8, 1e-10)


def simulated(n: int, a: float, b: float, seed: int) -> dict[str, Any]:
    """Trades under the model: spread 2, a side changes with probability 0.7, noise of sd 0.5."""
    g = np.random.default_rng(seed)
    pi = 0.7
    q = np.cumprod(np.where(g.random(n) < pi, -1.0, 1.0))
    mid = np.zeros(n)
    change = (a + b) * q[:-1] + 0.5 * g.standard_normal(n - 1)
    change[1:] -= a * (1 - 2 * pi) * q[:-2]
    mid[1:] = np.cumsum(change)
    mid += 50_000.0
    ts = np.arange(n) * SECOND
    return {"ts": ts, "price": mid + q, "side": q, "bid": mid - 1.0, "ask": mid + 1.0, "volume": np.ones(n)}


def sticky() -> dict[str, Any]:
    """Sides that persist, so that inventories build up, and quotes that follow."""
    columns = simulated(300, 0.3, 0.9, 23)
    g = np.random.default_rng(24)
    q = np.cumprod(np.where(g.random(300) < 0.12, -1.0, 1.0))
    columns["side"], columns["price"] = q, (columns["bid"] + columns["ask"]) / 2 + q
    return columns


@reference(115, 116)
def known_shares() -> Iterator[Comparison]:
    columns = simulated(20_000, 0.3, 0.2, 25)
    yield Comparison("a", run(115, columns, n=20_000, cluster=False).value[-1], 0.3, 0, 0.04)
    yield Comparison("b", run(116, columns, n=20_000, cluster=False).value[-1], 0.2, 0, 0.04)


@reference(117)
def only_processing() -> Iterator[Comparison]:
    said = run(117, simulated(20_000, 0.0, 0.0, 26), n=20_000, cluster=False)
    yield Comparison("share", said.outputs["share"][-1], 1.0, 0, 0.05)


@golden(118)
def realized() -> Mapping[str, float]:
    said = run(118, tape())
    return {"value": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}


def resolutions(columns: dict[str, Any], horizon: float) -> tuple[list[tuple[int, float, float]], list[int]]:
    """Of each trade with a side the row that resolves it, what was kept and taken; their number by row."""
    of = {t.row: t for t in trades(columns, quoted=True, sized=False)}
    now = 0
    events: list[tuple[int, int, float]] = []  # row, ts, mid in force before
    mid = float("nan")
    for row, ts in enumerate(columns["ts"]):
        bid, ask = columns["bid"][row], columns["ask"][row]
        told = isfinite(bid) and isfinite(ask) and 0 < bid < ask
        if told or (mid == mid and good(float(columns["price"][row]))):
            now = max(now, int(ts))
        if told:
            events.append((row, now, mid))
            mid = (bid + ask) / 2
        if row in of:
            events.append((row, now, mid))
    found = []
    for trade in of.values():
        if trade.sign != 0:
            beyond = trade.ts + round(horizon * 1e9)
            later = next((event for event in events if event[1] > beyond), None)
            if later is not None:
                kept = 2e4 * trade.sign * (trade.price - later[2]) / trade.mid
                paid = 2e4 * trade.sign * (trade.price - trade.mid) / trade.mid
                found.append((later[0], kept, paid - kept))
    brought = np.zeros(len(columns["ts"]), int)
    for trade in of.values():
        brought[trade.row] += trade.sign != 0
    return found, np.cumsum(brought).tolist()


@reference(118)
def kept() -> Iterator[Comparison]:
    for columns, n, horizon in ((rough(27, 500), 40, 5.0), (rough(28, 400, 1e3), 25, 0.3)):
        said = run(118, columns, n=n, horizon=horizon, limit_bps=0.02)
        found, brought = resolutions(columns, horizon)
        rows = np.array([row for row, _, _ in found])
        for row in sorted({row for row, _, _ in found}):
            done = int(np.searchsorted(rows, row, "right"))
            if done < n:
                yield from compare(said, row, {"ready": 0})
                continue
            window = found[done - n : done]
            value = float(np.mean([w[1] for w in window]))
            expected = {
                "value": value,
                "price_impact": float(np.mean([w[2] for w in window])),
                "pending": brought[row] - done,
                "signal": -1 if value > 0.02 else 1,
            }
            yield from compare(said, row, expected, 1e-9, 1e-10)


@golden(119)
def effective() -> Mapping[str, float]:
    equal = run(119, tape(), weight="equal")
    return {"volume": run(119, tape()).value[-1], "equal": equal.value[-1]}


@reference(119)
def averaged() -> Iterator[Comparison]:
    for columns in (rough(29, 300), rough(30, 300, 1e3)):
        of = [t for t in trades(columns, quoted=True) if t.sign != 0]
        paid = [2e4 * t.sign * (t.price - t.mid) / t.mid for t in of]
        for weight in ("volume", "equal"):
            said = run(119, columns, n=30, weight=weight, limit_bps=0.2)
            for i in range(29, len(of)):
                weights = [t.volume if weight == "volume" else 1.0 for t in of[i - 29 : i + 1]]
                value = float(np.average(paid[i - 29 : i + 1], weights=weights))
                expected = {"value": value, "signal": -1 if value > 0.2 else 1, "confidence": 1}
                yield from compare(said, of[i].row, expected, 1e-9, 1e-9)


@golden(120)
def quoted() -> Mapping[str, float]:
    said = run(120, tape())
    return {"value": said.value[-1], "last": said.outputs["last"][-1]}


@reference(120)
def weighted_by_time() -> Iterator[Comparison]:
    for columns, n in ((rough(31, 400), 30), (rough(32, 300, 1e6), 3), (rough(33, 100), 1)):
        said = run(120, columns, n=n, limit_bps=0.4)
        bid, ask = columns["bid"], columns["ask"]
        valid = np.flatnonzero(np.isfinite(bid) & np.isfinite(ask) & (bid > 0) & (ask > bid))
        now = np.maximum.accumulate(columns["ts"][valid])
        spread = 1e4 * (ask - bid)[valid] / ((ask + bid)[valid] / 2)
        for i in range(n - 1, len(valid)):
            window, ts = spread[i + 1 - n : i + 1], now[i + 1 - n : i + 1]
            stood = np.append(np.diff(ts), 0).astype(float)
            value = float(np.average(window, weights=stood) if stood.sum() > 0 else window.mean())
            expected = {"value": value, "last": window[-1], "signal": -1 if value > 0.4 else 1}
            yield from compare(said, int(valid[i]), expected)
