"""W1, the plain z-score rule, as one configuration of the processor."""

import importlib.util
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
MICRO = 10**6


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def quarter_steps(seed: int, n: int) -> np.ndarray:
    """Mids on a grid of a quarter dollar, on which no z-score of 100 is exactly 0 or 2."""
    rng = np.random.default_rng(seed)
    walk, swing = np.cumsum(rng.normal(0, 0.5, n)), np.zeros(n)
    shocks = rng.normal(0, 0.6, n)
    for k in range(1, n):
        swing[k] = 0.98 * swing[k - 1] + shocks[k]
    steps = np.rint((walk + swing) / 0.25).astype(int)
    for at in range(99, n):
        while tied(steps[at - 99 : at + 1]):
            steps[at] += 1
    return steps


def tied(window: np.ndarray) -> bool:
    distance, spread = parts(window)
    return distance == 0 or distance**2 == 4 * spread


def parts(window: np.ndarray) -> tuple[int, int]:
    """100 (x - mean) and 100^2 variance, whole numbers."""
    total = int(window.sum())
    return 100 * int(window[-1]) - total, 100 * int((window * window).sum()) - total * total


def by_hand(steps: np.ndarray) -> tuple[int, int]:
    """Round trips and net profit in micro-dollars: 0.01 BTC, half a dollar from the mid, 1 bp a fill."""
    trades = net = side = 0
    paid = Fraction(0)
    for at in range(99, len(steps)):
        distance, spread = parts(steps[at - 99 : at + 1])
        beyond = distance**2 > 4 * spread
        wish = -side
        if side == 0:
            wish = (-1 if distance > 0 else 1) if beyond else 0
        elif distance * side < 0:
            wish = 0
        if wish:
            price = 60_000 + Fraction(int(steps[at]), 4) + Fraction(wish, 2)
            notional = round(price * MICRO / 100)
            cash = -wish * notional - round(Fraction(notional, 10_000))
            if side == 0:
                paid, side = cash, wish
            else:
                trades, net, side = trades + 1, net + paid + cash, 0
    return trades, int(net)


def save(path: Path, steps: np.ndarray) -> str:
    mid = 60_000 + steps * 0.25
    ones = np.ones(len(steps))
    np.save(path, np.array([mid - 0.5, mid + 0.5, 0.05 * ones, ones]))
    return str(path)


@pytest.mark.parametrize("seed", [1, 2])
def test_small(tmp_path: Path, seed: int) -> None:
    w1 = module(ROOT / "bench" / "w1.py")
    steps = quarter_steps(seed, 20_000)
    trades, net = by_hand(steps)
    result = w1.run(w1.tape(save(tmp_path / "w1.npy", steps), 20_000))
    assert (result["ticks"], result["trades"]) == (20_000, trades)
    assert trades > 150
    assert round(result["pnl"] * MICRO) == net


def test_the_workload(tmp_path: Path) -> None:
    """What other engines trade on the same ticks: 22,431 round trips of 2,000,000, 55,989 of 5,000,000."""
    w1, workload = module(ROOT / "bench" / "w1.py"), module(ROOT / "bench" / "workload.py")
    path, n = tmp_path / "w1.npy", 5_000_000
    workload.write_w1(path, n)
    ticks = w1.tape(str(path), n)
    assert w1.run(ticks[:2_000_000])["trades"] == 22_431
    whole = w1.run(ticks)
    assert (whole["trades"], round(whole["pnl"] * MICRO)) == (55_989, -6_475_449_408)
