"""Order flow (111 to 113, 121 to 128, 130)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from math import inf, log, log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.core.flow import poisson_surprise
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import side, vol
from livetrading.formulas.checks.microstructure.tapes import (
    Trade,
    bars,
    compare,
    flow,
    rough,
    tape,
    trades,
)
from livetrading.formulas.registry import run

Floats = NDArray[np.float64]


def two_sided(z: float) -> float:
    """2 Phi(|z|) - 1, by scipy."""
    return float(2 * import_module("scipy.stats").norm.cdf(abs(z)) - 1)


def imbalances(volume: Any, signed: Any, bucket: float) -> tuple[Floats, list[int]]:
    """(B - S) / bucket of each full bucket by interpolation, and the place of the trade that fills it."""
    total = np.concatenate([[0.0], np.cumsum(volume)])
    net = np.concatenate([[0.0], np.cumsum(signed)])
    edges = bucket * np.arange(int(total[-1] / bucket + 1e-9) + 1)
    # several trades may stand at one volume: the last of them is where a bucket that ends there stands
    keep = np.append(np.diff(total) > 0, True)
    parts = np.diff(np.interp(edges, total[keep], net[keep])) / bucket
    return parts, [int(np.searchsorted(total[1:], edge * (1 - 1e-12))) for edge in edges[1:]]


def vpins(parts: Floats, n: int) -> list[float]:
    return [float(np.mean(np.abs(parts[i + 1 - n : i + 1]))) for i in range(n - 1, len(parts))]


def check_vpin(
    said: Any, rows: list[int], parts: Floats, n: int, hist: int, limit: float
) -> Iterator[Comparison]:
    """What VPIN says at the rows at which buckets close; of a row that closes several the last counts."""
    values = vpins(parts, n)
    last = {row: k for k, row in enumerate(rows) if k >= n - 1}
    for row, k in last.items():
        value, past = values[k - n + 1], values[max(0, k - n + 1 - hist) : k - n + 1]
        level = float(np.quantile(past, limit)) if len(past) >= 50 else inf
        if abs(value - level) < 1e-9:
            continue  # a tie of sums in another order
        gate = 0.0 if value >= level else 1.0
        expected = {
            "value": value,
            "signal": 2 * gate - 1,
            "gate": gate,
            "confidence": min(1.0, (k + 1) / (n + 50)),
            "buckets": k + 1,
            "last_imbalance": parts[k],
        }
        yield from compare(said, row, expected, 1e-9, 1e-9)


@golden(111)
def easley() -> Mapping[str, float]:
    said, one = run(111, flow()), run(111, flow(), n=1)
    closings = np.flatnonzero(np.diff(one.outputs["buckets"][one.ready], prepend=0.0) > 0)[:3]
    found = {f"bucket {k}": float(one.value[one.ready][at]) for k, at in enumerate(closings)}
    return {"value": said.value[-1], "buckets": said.outputs["buckets"][-1], **found}


@reference(111)
def interpolated() -> Iterator[Comparison]:
    cases = ((flow(), 5.0, 20, 60), (rough(41, 900), 3.0, 15, 80), (rough(42, 300, 1e3), 0.7, 10, 100))
    for columns, bucket, n, hist in cases:
        said, of = run(111, columns, bucket=bucket, n=n, hist=hist, limit=0.8), trades(columns)
        parts, at = imbalances([t.volume for t in of], [t.sign * t.volume for t in of], bucket)
        yield from check_vpin(said, [of[i].row for i in at], parts, n, hist, 0.8)


@golden(112)
def bulk() -> Mapping[str, float]:
    normal, student = run(112, flow()), run(112, flow(), dist="t")
    return {"normal": normal.value[-1], "t": student.value[-1], "buckets": normal.outputs["buckets"][-1]}


@reference(112)
def bulk_by_scipy() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    cases: tuple[tuple[dict[str, Any], int, float, Any], ...] = (
        (flow(), 5, 8.0, stats.norm.cdf),
        (rough(43, 900), 3, 4.0, lambda z: stats.t.cdf(z, 0.25)),
        (rough(44, 900, 1e3), 2, 3.0, lambda z: stats.t.cdf(z, 7.5)),
    )
    for columns, m, bucket, cdf in cases:
        df = {"dist": "normal"} if m == 5 else {"dist": "t", "df": 0.25 if m == 3 else 7.5}
        said = run(112, columns, m=m, bucket=bucket, n=12, sigma_n=9, hist=70, limit=0.7, **df)
        blocks = bars(trades(columns), m)
        close = np.array([bar[-1].price for bar in blocks])
        volume, signed = [], []
        for k in range(1, len(blocks)):
            d = np.diff(close[max(0, k - 9) : k + 1])
            share = cdf(d[-1] / np.std(d)) if len(d) > 1 and np.std(d) > 0 else 0.5
            volume.append(sum(t.volume for t in blocks[k]))
            signed.append((2 * share - 1) * volume[-1])
        parts, at = imbalances(volume, signed, bucket)
        yield from check_vpin(said, [blocks[i + 1][-1].row for i in at], parts, 12, 70, 0.7)


@golden(113)
def index() -> Mapping[str, float]:
    return {"value": run(113, flow()).value[-1]}


@reference(113)
def percentile() -> Iterator[Comparison]:
    score = import_module("scipy.stats").percentileofscore
    for columns, hist in ((flow(), 40), (rough(45, 900), 1000)):
        said, of = run(113, columns, bucket=3.0, n=15, hist=hist, limit=0.7), trades(columns)
        parts, at = imbalances([t.volume for t in of], [t.sign * t.volume for t in of], 3.0)
        values = vpins(parts, 15)
        last = {of[i].row: k - 14 for k, i in enumerate(at) if k >= 14}
        for row, k in last.items():
            past = values[max(0, k - hist) : k]
            if len(past) < 20:
                yield from compare(said, row, {"ready": 0})
            elif min(abs(np.array(past) - values[k])) > 1e-9:
                value = score(past, values[k], kind="weak") / 100
                gate = 0.0 if value >= 0.7 else 1.0
                expected = {"value": value, "vpin": values[k], "gate": gate, "confidence": abs(2 * value - 1)}
                yield from compare(said, row, {**expected, "signal": 2 * gate - 1}, 1e-9, 1e-9)


def quote_flow(columns: Mapping[str, Any]) -> tuple[list[int], Floats, Floats]:
    """Rows of the quotes from the second on, their e, and (qb + qa) / 2."""
    b, a, qb, qa = (np.asarray(columns[name], float) for name in ("bid", "ask", "bid_size", "ask_size"))
    with np.errstate(invalid="ignore"):
        valid = np.isfinite(b) & np.isfinite(a) & (b > 0) & (a > b) & (qb >= 0) & (qa >= 0)
    valid &= np.isfinite(qb) & np.isfinite(qa)
    rows = np.flatnonzero(valid)
    b, a, qb, qa = b[rows], a[rows], qb[rows], qa[rows]
    e = (b[1:] >= b[:-1]) * qb[1:] - (b[1:] <= b[:-1]) * qb[:-1]
    e = e - (a[1:] <= a[:-1]) * qa[1:] + (a[1:] >= a[:-1]) * qa[:-1]
    return rows[1:].tolist(), e, (qb + qa)[1:] / 2


@golden(121)
def cont() -> Mapping[str, float]:
    said, one = run(121, tape()), run(121, tape(), n=1)
    first = {f"e_{k}": one.outputs["e"][k] for k in (1, 2, 3)}
    return {"OFI": said.value[-1], "z": said.outputs["z"][-1], **first}


def votes(z: float, entry: float) -> dict[str, float]:
    return {"z": z, "signal": np.sign(z) if abs(z) > entry else 0, "confidence": two_sided(z)}


@reference(121, 123, 124)
def sums_of_e() -> Iterator[Comparison]:
    for columns, n in ((rough(46, 500), 30), (rough(47, 300), 7), (tape(), 50)):
        rows, e, depth = quote_flow(columns)
        plain, change = run(121, columns, n=n, entry=0.9), run(124, columns, n=n, entry=0.9)
        scaled = run(123, columns, n=n, entry=0.8)
        for k in range(n - 1, len(e)):
            now = e[k + 1 - n : k + 1]
            z = now.sum() / sqrt((now**2).sum()) if now.any() else 0.0
            yield from compare(plain, rows[k], {"value": now.sum(), "e": e[k], **votes(z, 0.9)})
            mean = depth[k + 1 - n : k + 1].mean()
            move = now.sum() / (2 * mean)
            expected = {"value": move, "depth": mean, "signal": np.sign(move) if abs(move) > 0.8 else 0}
            yield from compare(scaled, rows[k], {**expected, "confidence": 1 - np.exp(-abs(move) / 0.8)})
            if k >= 2 * n - 1:
                both = e[k + 1 - 2 * n : k + 1]
                value = now.sum() - both[:n].sum()
                z = value / sqrt((both**2).sum())
                yield from compare(change, rows[k], {"value": value, **votes(z, 0.9)}, 1e-9, 1e-10)


@golden(122)
def cumulative() -> Mapping[str, float]:
    said = run(122, tape())
    return {"C": said.value[-1], "z": said.outputs["z"][-1]}


@reference(122)
def filtered() -> Iterator[Comparison]:
    lfilter = import_module("scipy.signal").lfilter
    for columns, decay in ((rough(48, 500), 0.95), (tape(), 0.8)):
        rows, e, _ = quote_flow(columns)
        said = run(122, columns, decay=decay, warm=25, entry=0.9)
        c, d = lfilter([1], [1, -decay], e), lfilter([1], [1, -decay * decay], e * e)
        for k in range(24, len(e)):
            yield from compare(said, rows[k], {"value": c[k], **votes(c[k] / sqrt(d[k]), 0.9)}, 1e-9, 1e-10)


@golden(123)
def normalized() -> Mapping[str, float]:
    said = run(123, tape())
    return {"value": said.value[-1], "AD": said.outputs["depth"][-1]}


@golden(124)
def delta() -> Mapping[str, float]:
    said = run(124, tape())
    return {"value": said.value[-1], "z": said.outputs["z"][-1]}


def arrivals(n: int = 500, mean: float = 2.0, seed: int = 31) -> dict[str, Any]:
    """Return trades whose durations are exponential."""
    ts = np.cumsum(np.random.default_rng(seed).exponential(mean, n))
    return {
        "ts": np.rint(ts * 1e9).astype(np.int64),
        "price": np.full(n, 100.0),
        "volume": np.ones(n),
        "side": np.ones(n),
    }


@golden(125)
def rate() -> Mapping[str, float]:
    said = run(125, arrivals())
    return {"lam": said.value[-1], "base": said.outputs["base"][-1], "z": said.outputs["z"][-1]}


@reference(125)
def shot_noise() -> Iterator[Comparison]:
    for columns, tau in ((rough(49, 400), 5.0), (rough(50, 300), 60.0)):
        said, of = run(125, columns, tau=tau, warm=20, z_min=0.5), trades(columns)
        ts, signed = np.array([t.ts for t in of]), np.array([t.sign * t.volume for t in of])
        for i in range(20, len(of)):
            weights = np.exp(-(ts[i] - ts[:i]) / 1e9 / tau)
            span = (ts[i] - ts[0]) / 1e9
            lam = weights.sum() / tau / (1 - np.exp(-span / tau))
            base = i / span
            z = (lam - base) / sqrt(base / (2 * tau))
            signal = np.sign(signed[:i] @ weights) if z > 0.5 else 0
            expected = {"value": lam, "base": base, "z": z, "signal": signal, "confidence": two_sided(z)}
            yield from compare(said, of[i].row, expected, 1e-9, 1e-10)


@reference(125)
def campbell() -> Iterator[Comparison]:
    said = run(125, arrivals(60_000, 0.5, 51), tau=3.0)
    lam = said.value[1000:]
    yield Comparison("mean", lam.mean(), 2.0, 0.02)
    yield Comparison("variance", lam.var(), 2.0 / 6.0, 0.1)


@golden(126)
def clusters() -> Mapping[str, float]:
    said = run(126, arrivals())
    p, surprise = poisson_surprise(8, 2.0)
    return {
        "k": said.outputs["k"][-1],
        "p": 1.0 - said.confidence[-1],
        "burstiness": said.outputs["burstiness"][-1],
        "p of 8": p,
        "value of 8": surprise,
    }


@reference(126)
def scan() -> Iterator[Comparison]:
    poisson = import_module("scipy.stats").poisson
    for columns, window, n in ((rough(52, 500), 3.0, 40), (rough(53, 300), 0.5, 20)):
        said, of = run(126, columns, window=window, n=n, p_max=0.1), trades(columns)
        ts, signed = np.array([t.ts for t in of]), np.array([t.sign * t.volume for t in of])
        for i in range(n, len(of)):
            inside = (ts[: i + 1] > ts[i] - round(window * 1e9)).nonzero()[0]
            durations = np.diff(ts[i - n : i + 1]) / 1e9
            base = n / ((ts[i] - ts[i - n]) / 1e9)
            p = float(poisson.sf(len(inside) - 2, base * window))
            mean, sd = durations.mean(), durations.std()
            expected = {
                "value": -log10(p),
                "k": len(inside),
                "base": base,
                "burstiness": (sd - mean) / (sd + mean),
                "signal": np.sign(signed[inside].sum()) if p < 0.1 else 0,
                "confidence": 1 - p,
            }
            yield from compare(said, of[i].row, expected, 1e-9, 1e-11)


@reference(126)
def tails() -> Iterator[Comparison]:
    poisson = import_module("scipy.stats").poisson
    for mean in (1e-9, 0.3, 2.0, 17.0, 40.0, 300.0, 5e3, 1e5):
        for k in (1, 2, 3, 9, 33, 60, 310, 5100, 100_200):
            p, surprise = poisson_surprise(k, mean)
            expected = float(poisson.sf(k - 2, mean))
            yield Comparison(f"P(N >= {k - 1}), mean {mean}", p, expected, 1e-9, 1e-300)
            if 1e-290 < expected < 0.9:
                yield Comparison(f"surprise of {k}, mean {mean}", surprise, -log10(expected), 1e-9)


@golden(127)
def clock() -> Mapping[str, float]:
    said = run(127, flow())
    return {"value": said.value[-1], "last": said.outputs["last_imbalance"][-1]}


@reference(127)
def averaged_buckets() -> Iterator[Comparison]:
    frame = import_module("pandas").Series
    for columns, bucket, span in ((flow(), 4.0, 10), (rough(54, 500), 2.0, 5), (rough(55, 200), 0.05, 3)):
        said, of = run(127, columns, bucket=bucket, span=span, entry=0.2), trades(columns)
        parts, at = imbalances([t.volume for t in of], [t.sign * t.volume for t in of], bucket)
        mean = frame(parts).ewm(span=span, adjust=False).mean().to_numpy()
        last = {of[i].row: k for k, i in enumerate(at) if k >= span - 1}
        for row, k in last.items():
            expected = {
                "value": mean[k],
                "last_imbalance": parts[k],
                "confidence": min(1.0, abs(mean[k]) / 0.4),
            }
            signal = np.sign(mean[k]) if abs(mean[k]) > 0.2 else 0
            yield from compare(said, row, {**expected, "signal": signal}, 1e-9, 1e-9)


@golden(128)
def aggressors() -> Mapping[str, float]:
    columns = {"price": np.full(200, 100.0), "volume": vol(2, 200), "side": side(3, 200)}
    said = run(128, columns)
    return {
        "value": said.value[-1],
        "k": said.outputs["count_ratio"][-1] * 200,
        "z": said.outputs["z"][-1],
    }


@reference(128)
def proportion() -> Iterator[Comparison]:
    test = import_module("statsmodels.stats.proportion").proportions_ztest
    for columns, n in ((rough(56, 400), 30), (rough(57, 300, 1e3), 11)):
        said = run(128, columns, n=n, entry=0.02)
        of = [t for t in trades(columns) if t.sign != 0]
        for i in range(n - 1, len(of)):
            window = of[i + 1 - n : i + 1]
            k = sum(t.sign > 0 for t in window)
            share = sum(t.volume for t in window if t.sign > 0) / sum(t.volume for t in window)
            z = float(test(k, n, 0.5, prop_var=0.5)[0])
            signal = 1 if share > 0.52 and z > 1.645 else -1 if share < 0.48 and z < -1.645 else 0
            expected = {
                "value": share,
                "z": z,
                "count_ratio": k / n,
                "signal": signal,
                "confidence": two_sided(z),
            }
            yield from compare(said, of[i].row, expected)


@golden(130)
def providers() -> Mapping[str, float]:
    said = run(130, flow())
    return {"I": said.value[-1], **{name: column[-1] for name, column in said.outputs.items()}}


def signed(of: list[Trade]) -> Floats:
    return np.array([t.sign * t.volume for t in of])


@reference(130)
def inventories() -> Iterator[Comparison]:
    lfilter = import_module("scipy.signal").lfilter
    linregress = import_module("scipy.stats").linregress
    for columns, n, decay in ((rough(58, 500), 60, 0.97), (flow(400), 25, 0.999), (rough(59, 300), 5, 1.0)):
        said, of = run(130, columns, n=n, decay=decay, entry=0.9), trades(columns)
        held = lfilter([1], [1, -decay], -signed(of))
        for i in range(n - 1, len(of)):
            window = held[i + 1 - n : i + 1]
            if np.std(window) <= 1e-12 * np.max(np.abs(window)) or np.ptp(window[:-1]) == 0:
                continue
            z = (held[i] - window.mean()) / window.std()
            slope = linregress(window[:-1], window[1:]).slope
            expected = {
                "value": held[i],
                "z": z,
                "signal": 1 if z > 0.9 else -1 if z < -0.9 else 0,
                "confidence": min(1.0, abs(z) / 1.8),
            }
            yield from compare(said, of[i].row, expected, 1e-9, 1e-9)
            if abs(slope) > 1e-9 and abs(slope - 1) > 1e-9:
                half_life = -log(2) / log(slope) if 0 < slope < 1 else inf
                yield from compare(said, of[i].row, {"half_life": half_life}, 1e-8)
