"""Scores, bands and oscillators (141 to 146)."""

from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.checks.mean_reversion.series import bars, fitted, ou
from livetrading.formulas.registry import run

Floats = NDArray[np.float64]


@golden(141)
def scores() -> Mapping[str, float]:
    return {
        "five": run(141, {"price": [1.0, 2.0, 3.0, 4.0, 10.0]}, n=5).value[-1],
        "walk": run(141, {"price": walk(1, 300)}).value[-1],
    }


@reference(141)
def scipy_zscore() -> Iterator[Comparison]:
    stats = import_module("scipy.stats")
    for scale in (1.0, 1e-8, 1e298):
        price = walk(14, 400) * scale
        said = run(141, {"price": price}, n=60)
        for i in range(59, 400):
            window = price[i - 59 : i + 1] / scale
            yield Comparison(f"row {i}", said.value[i], stats.zscore(window)[-1], 1e-9, 1e-10)


@golden(142)
def adaptive() -> Mapping[str, float]:
    reverting, wandering = (run(142, {"price": p}) for p in (ou(1, 300), walk(1, 300)))
    return {
        "ou HL": reverting.outputs["half_life"][-1],
        "ou n_t": reverting.outputs["n_t"][-1],
        "ou z": reverting.value[-1],
        "walk n_t": wandering.outputs["n_t"][-1],
        "walk z": wandering.value[-1],
    }


@reference(142)
def slow_adaptive() -> Iterator[Comparison]:
    price = np.concatenate([ou(3, 300), walk(4, 200)])
    said = run(142, {"price": price}, n=60, mult=6.0, n_min=10, n_max=90)
    for i in range(89, 500, 7):
        fit = fitted(np.log(price[i - 59 : i + 1]))
        life = np.log(2) / fit["theta"] if fit["theta"] > 0 else np.inf
        n = int(min(max(np.floor(min(6.0 * life, 1e6) + 0.5), 10), 90))
        window = price[i - n + 1 : i + 1]
        yield Comparison(f"n_t, row {i}", said.outputs["n_t"][i], n)
        yield Comparison(f"row {i}", said.value[i], (price[i] - window.mean()) / window.std(), 1e-9, 1e-10)


@golden(143)
def bands() -> Mapping[str, float]:
    said = run(143, {"price": walk(1, 300)})
    return {"%b": said.value[-1], **{name: said.outputs[name][-1] for name in ("upper", "mid", "lower")}}


@reference(143)
def pandas_bands() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    price = walk(15, 300)
    said, rolling = run(143, {"price": price}, n=30, k=1.5), pandas.Series(price).rolling(30)
    mid, sd = rolling.mean().to_numpy(), rolling.std(ddof=0).to_numpy()
    side = 0
    for i in range(29, 300):
        lower, upper = mid[i] - 1.5 * sd[i], mid[i] + 1.5 * sd[i]
        share = (price[i] - lower) / (upper - lower)
        if (side > 0 and share >= 0.5) or (side < 0 and share <= 0.5):
            side = 0
        if side == 0:
            side = 1 if share < 0 else -1 if share > 1 else 0
        yield Comparison(f"row {i}", said.value[i], share, 1e-8, 1e-8)
        yield Comparison(f"lower, row {i}", said.outputs["lower"][i], lower, 1e-9)
        yield Comparison(f"bandwidth, row {i}", said.outputs["bandwidth"][i], (upper - lower) / mid[i], 1e-8)
        yield Comparison(f"signal, row {i}", said.signal[i], float(side))


@golden(144)
def channel() -> Mapping[str, float]:
    said = run(144, bars())
    return {"u": said.value[-1], **{name: said.outputs[name][-1] for name in ("ema", "atr")}}


@reference(144)
def pandas_channel() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    rows = bars()
    close, high, low = rows["close"], rows["high"], rows["low"]
    said = run(144, rows, n=12, atr_n=7, k=1.0)
    ema = pandas.Series(close).ewm(span=12, adjust=False).mean().to_numpy()
    before = np.concatenate([[np.nan], close[:-1]])
    ranges = np.max([high - low, np.abs(high - before), np.abs(low - before)], axis=0)
    atr = float(np.mean(ranges[1:8]))
    for i in range(11, 200):
        atr = atr if i > 11 else _wilder(ranges[8:11], atr, 7)
        atr += (ranges[i] - atr) / 7
        yield Comparison(f"atr, row {i}", said.outputs["atr"][i], atr, 1e-9)
        yield Comparison(f"row {i}", said.value[i], (close[i] - ema[i]) / atr, 1e-8, 1e-9)


def _wilder(x: Floats, start: float, n: int) -> float:
    for one in x:
        start += (one - start) / n
    return start


@golden(145)
def strength() -> Mapping[str, float]:
    text = "44.34 44.09 44.15 43.61 44.33 44.83 45.10 45.42 45.84 46.08 45.89 46.03 45.61 46.28 46.28 46.00"
    said = run(145, {"close": np.array(text.split(), float)})
    return {"first": said.value[-2], "second": said.value[-1], "bars": run(145, bars()).value[-1]}


@reference(145)
def pandas_strength() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    close, n = np.asarray(market(300)["close"]), 9
    said, change = run(145, {"close": close}, n=n), np.diff(close)
    averages = []
    for moves in (np.maximum(change, 0), np.maximum(-change, 0)):
        first = np.concatenate([[moves[:n].mean()], moves[n:]])
        averages.append(pandas.Series(first).ewm(alpha=1 / n, adjust=False).mean().to_numpy())
    for i in range(n, 300):
        gain, loss = averages[0][i - n], averages[1][i - n]
        yield Comparison(f"row {i}", said.value[i], 100 - 100 / (1 + gain / loss), 1e-9)


@golden(146)
def stochastic() -> Mapping[str, float]:
    said = run(146, bars())
    return {"%K": said.value[-1], "%D": said.outputs["d"][-1]}


@reference(146)
def pandas_stochastic() -> Iterator[Comparison]:
    pandas = import_module("pandas")
    rows = bars()
    for n, d in ((9, 4), (1, 1), (40, 2)):
        said = run(146, rows, n=n, d=d)
        top = pandas.Series(rows["high"]).rolling(n).max().to_numpy()
        bottom = pandas.Series(rows["low"]).rolling(n).min().to_numpy()
        k = 100 * (rows["close"] - bottom) / (top - bottom)
        for i in range(n + d - 2, 200):
            mean = np.mean(k[i - d + 1 : i + 1])
            yield Comparison(f"%K, row {i}", said.value[i], k[i], 1e-9, 1e-9)
            yield Comparison(f"%D, row {i}", said.outputs["d"][i], mean, 1e-9, 1e-9)
            signal = 1.0 if mean < 20 and k[i] > mean else -1.0 if mean > 80 and k[i] < mean else 0.0
            yield Comparison(f"signal, row {i}", said.signal[i], signal)
