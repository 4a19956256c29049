"""The yardsticks: `hft` on the chaos market beside two hand-written C programs of the same path, in one run.

    python bench/limit.py [--preset realistic] [--capital 100] [--ticks 20000000] [--rounds 5]
                          [--least 0.667]

Compiles bench/limit.c, which goes tick by tick, and bench/limit_columns.c, which goes column by column, for
this machine (`cc -O3 -march=native`) with the configuration as constants, runs the engine and both in turn,
and compares what they did: the SHA-256 of the fills, every refused order, and on the first million ticks the
columns that lead to no order. Prints one JSON line with the best rate of each and the ratios of the bests,
``ratio`` to limit.c and ``ratio_columns`` to limit_columns.c; exit code 1 where they disagree, or where
``ratio`` is below ``--least``. On a shared machine other processes slow single rounds, which the best of
several leaves out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import Config, load_config
from livetrading.core.dtypes import FILL, RESULT, Refusal
from livetrading.core.market import ChaosMarket
from livetrading.core.processor import Processor
from livetrading.core.settings import PPB_PER_BPS, VOTERS, capital_micro
from livetrading.engine.hft import run_hft
from livetrading.engine.report import Report

ROOT = Path(__file__).resolve().parent.parent
YARDSTICKS = ("limit", "limit_columns")
COLUMNS = ("cusum", "kyle_lambda", "vpin")
"""What is computed and leads to no order: the fills do not prove it."""


def constants(config: Config) -> dict[str, int | float | str]:
    """Return the configuration as bench/limit.h wants it.

    Raises
    ------
    ValueError
        If the yardsticks, which are written for one kind of configuration, cannot do the work.
    """
    s, market = config.settings, config.market
    fits = (
        market.name == "chaos"
        and s.signals.voters == VOTERS[:7]
        and s.books.count == 1
        and s.signals.adaptive
        and s.signals.estimators
        and (s.vote.kind, s.sizing.kind, s.exits.on_signal) == ("condorcet", "kelly", "none")
        and not s.sizing.calibrate
        and (s.broker.latency, s.limits.leverage) == ("constant", 1.0)
        and market.dt_s <= s.limits.stale_s
    )
    if not fits:
        raise ValueError("limit.h does the default voters, adaptive levels, the vote 333 and Kelly on chaos")
    return {
        "SEED": f"{market.seed}u",
        "START_NS": ChainClock(market.seed).start_ns,
        "DT_NS": round(market.dt_s * 1e9),
        "SPREAD_BPS": market.spread_bps,
        "WINDOW": s.signals.window,
        "GATE_TREND": int(s.signals.gate_trend),
        "GATE_VPIN": int(s.signals.gate_vpin),
        "H": s.vote.h,
        "REFRESH": s.vote.refresh,
        "P_MIN": s.vote.p_min,
        "K_MIN": s.vote.k_min,
        "CAPITAL_MICRO": capital_micro(config.run.capital),
        "KELLY": s.sizing.kelly,
        "MAX_FRACTION": s.sizing.max_fraction,
        "MAX_DRAWDOWN": s.sizing.max_drawdown,
        "TAKE_PROFIT_BPS": s.exits.take_profit_bps,
        "STOP_BPS": s.exits.stop_bps,
        "TRAIL": int(s.exits.trail_vol > 0 and s.exits.trail_activate_bps > 0),
        "TRAIL_ACTIVATE_BPS": s.exits.trail_activate_bps,
        "TRAIL_VOL": s.exits.trail_vol,
        "HOLD_TICKS": s.exits.hold_ticks,
        "TAKER_BPS": s.broker.taker_bps,
        "FEE_PPB": round(s.broker.taker_bps * PPB_PER_BPS),
        "BORROW_PPB": round(s.broker.borrow_bps_8h * PPB_PER_BPS),
        "IMPACT": s.broker.impact_bps * 1e-4,
        "LATENCY_NS": round(s.broker.feed_latency_us * 1000) + round(s.broker.latency_us * 1000),
        "MAX_POSITION": round(s.limits.max_position_btc * 1e8),
        "ORDERS_PER_S": s.limits.orders_per_s,
        "DAILY_LOSS": s.limits.daily_loss,
    }


def build(config: Config, program: Path) -> None:
    """Compile the yardstick of this name for this configuration and this machine."""
    values = {k: v.hex() if isinstance(v, float) else v for k, v in constants(config).items()}
    flags = "-std=gnu11 -O3 -march=native -ffp-contract=off -fno-math-errno -fno-trapping-math -DLT_NO_CLONES"
    files = (f"bench/{program.name}.c", "csrc/src/lt_variates.c", "csrc/src/lt_quantile.c")
    subprocess.run(
        [
            os.environ.get("CC", "cc"),
            *flags.split(),
            *os.environ.get("LIMIT_CFLAGS", "").split(),
            f"-I{ROOT / 'csrc/include'}",
            *(f"-DLIMIT_{name}={value}" for name, value in values.items()),
            *(str(ROOT / file) for file in files),
            "-lm",
            "-o",
            str(program),
        ],
        check=True,
    )


def yardstick(program: Path, knots: Path, ticks: int, fills: Path | None = None) -> dict[str, Any]:
    """Run a yardstick."""
    command = [str(program), str(knots), str(ticks), *([] if fills is None else [str(fills)])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def core(config: Config, knots: NDArray[np.void], keep: Callable[[NDArray[np.void]], object]) -> Processor:
    """Return a fresh processor on the configured market, which hands its fills to `keep`."""
    start_ns, dt_ns = ChainClock(config.market.seed).start_ns, round(config.market.dt_s * 1e9)
    market = ChaosMarket(config.market.seed, start_ns, dt_ns, spread_bps=config.market.spread_bps)
    market.feed(knots)
    return Processor(config.settings, config.run.capital, market, on_fills=keep)


def core_columns(config: Config, knots: NDArray[np.void], ticks: int) -> dict[str, float]:
    """Return the columns of the last of the first `ticks` ticks, as the core has them."""
    processor, row = core(config, knots, len), np.zeros(1, RESULT)
    processor.run(ticks - 1)
    processor.run(1, row)
    return {name: float(row[name][0]) for name in COLUMNS}


def core_fills(config: Config, knots: NDArray[np.void], ticks: int) -> NDArray[np.void]:
    """Return every fill of the core."""
    got = [np.empty(0, FILL)]
    processor = core(config, knots, lambda fills: got.append(fills.copy()))
    processor.run(ticks)
    processor.close()
    return np.concatenate(got)


def first_difference(name: str, a: NDArray[np.void], b: NDArray[np.void]) -> str:
    """Name the first fill in which the core and the yardstick of this name differ."""
    for at, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return f"fill {at}: core {x}, {name} {y}"
    return f"the core has {len(a)} fills, {name} {len(b)}"


def differences(
    config: Config, engine: Report, program: Path, whole: dict[str, Any], knots: NDArray[np.void]
) -> list[str]:
    """Return what a yardstick, which printed `whole`, did otherwise than the engine."""
    name, ticks = program.name, whole["ticks"]
    knot_file, fill_file = program.with_name("knots"), program.with_name("fills")
    short = min(ticks, 1_000_003)
    ours, theirs = core_columns(config, knots, short), yardstick(program, knot_file, short)
    wrong = [f"{c}: core {ours[c]!r}, {name} {theirs[c]!r}" for c in COLUMNS if ours[c] != theirs[c]]
    if engine.fills_sha256 != whole["fills_sha256"]:
        yardstick(program, knot_file, ticks, fill_file)
        wrong.append(first_difference(name, core_fills(config, knots, ticks), np.fromfile(fill_file, FILL)))
    refused = dict(zip((r.name.lower() for r in Refusal), whole["refused"], strict=True))
    if engine.refused_orders != refused:
        wrong.append(f"refused orders: core {engine.refused_orders}, {name} {refused}")
    return wrong


def compare(config: Config, ticks: int, rounds: int, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Run all three in turn; the figures, and what they disagree about."""
    programs = [folder / name for name in YARDSTICKS]
    clock = ChainClock(config.market.seed)
    knots = clock.knots(clock.start_ns + ticks * round(config.market.dt_s * 1e9))
    (folder / "knots").write_bytes(knots.tobytes())
    for program in programs:
        build(config, program)
    engines, printed = [], []
    for _ in range(rounds):
        engines.append(run_hft(config, null_control=False))
        printed.append([yardstick(program, folder / "knots", ticks) for program in programs])
    wrong = []
    for program, whole in zip(programs, printed[0], strict=True):
        wrong += differences(config, engines[0], program, whole, knots)
    core = ticks / min(engine.seconds for engine in engines)
    limit, columns = (ticks / min(whole["seconds"] for whole in runs) for runs in zip(*printed, strict=True))
    figures = {
        "preset": config.preset,
        "capital": config.run.capital,
        "ticks": ticks,
        "rounds": rounds,
        "fills": printed[0][0]["fills"],
        "fills_sha256": engines[0].fills_sha256,
        "core_ticks_per_second": round(core),
        "limit_ticks_per_second": round(limit),
        "columns_ticks_per_second": round(columns),
        "ratio": round(core / limit, 4),
        "ratio_columns": round(core / columns, 4),
    }
    return figures, wrong


def main() -> None:
    """Read the command line, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="realistic")
    parser.add_argument(
        "--capital", type=float, default=100.0, help="USD; much of it meets the displayed size"
    )
    parser.add_argument("--ticks", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--least", type=float, default=0.0, help="fail where the ratio to limit.c is below")
    args = parser.parse_args()
    config = load_config({"run.capital": args.capital, "run.ticks": args.ticks}, preset=args.preset)
    with tempfile.TemporaryDirectory() as folder:
        figures, wrong = compare(config, args.ticks, args.rounds, Path(folder))
    print(json.dumps(figures))
    for line in wrong:
        print(line, file=sys.stderr)
    if figures["ratio"] < args.least:
        print(f"the ratio must be at least {args.least}, was {figures['ratio']}", file=sys.stderr)
    sys.exit(1 if wrong or figures["ratio"] < args.least else 0)


if __name__ == "__main__":
    main()
