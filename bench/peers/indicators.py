"""Indicators of TA-Lib, talipp and river on bars, as many as there are; run by formula_peers.py."""

import json
import sys
import time
from importlib import import_module
from importlib.metadata import version

import numpy as np


def best(work, rounds):
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        last = work()
        times.append(time.process_time() - begin)
    return last, min(times)


def note(found, name, library, work, count, rounds):
    last, seconds = best(work, rounds)
    found.setdefault(name, {})[library] = {"last": float(last), "rate": count / seconds}


def talib(found, high, low, close, rounds):
    lib = import_module("talib")
    title = f"TA-Lib {version('TA-Lib')}, batch"
    works = {
        "RSI 14": lambda: lib.RSI(close, 14)[-1],
        "Bollinger 20, upper": lambda: lib.BBANDS(close, 20, 2, 2)[0][-1],
        "ATR 10": lambda: lib.ATR(high, low, close, 10)[-1],
        "%K 14": lambda: lib.STOCHF(high, low, close, 14, 3, 0)[0][-1],
    }
    for name, work in works.items():
        note(found, name, title, work, len(close), rounds)


def talipp(found, high, low, close, rounds):
    indicators, ohlcv = import_module("talipp.indicators"), import_module("talipp.ohlcv").OHLCV
    title = f"talipp {version('talipp')}, stream"
    bars = [ohlcv(c, h, lo, c, 1.0) for h, lo, c in zip(high, low, close, strict=True)]

    def fed(make, rows, read):
        def work():
            indicator = make()
            for row in rows:
                indicator.add(row)
            return read(indicator[-1])

        return work

    works = {
        "RSI 14": fed(lambda: indicators.RSI(14), close, float),
        "Bollinger 20, upper": fed(lambda: indicators.BB(20, 2), close, lambda one: one.ub),
        "ATR 10": fed(lambda: indicators.ATR(10), bars, float),
        "%K 14": fed(lambda: indicators.Stoch(14, 3), bars, lambda one: one.k),
    }
    for name, work in works.items():
        if name != "ATR 10":  # its first range is that of the first bar, TA-Lib's and ours that of the second
            note(found, name, title, work, len(close), rounds)


def river(found, high, low, close, rounds):
    stats, utils = import_module("river.stats"), import_module("river.utils")
    title = f"river {version('river')}, stream"

    def score():
        mean, var = utils.Rolling(stats.Mean(), 100), utils.Rolling(stats.Var(ddof=0), 100)
        z = 0.0
        for price in close:
            mean.update(price)
            var.update(price)
            sd = var.get() ** 0.5
            z = (price - mean.get()) / sd if sd > 0 else 0.0
        return z

    note(found, "z-score 100", title, score, len(close), rounds)


def main(tape, streamed, rounds):
    high, low, close = np.ascontiguousarray(np.load(tape).T)
    found = {}
    head = [column[:streamed].tolist() for column in (high, low, close)]
    for work, columns in ((talib, (high, low, close)), (talipp, head), (river, head)):
        try:
            work(found, *columns, rounds)
        except ModuleNotFoundError as error:
            print(f"left out: {error}", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
