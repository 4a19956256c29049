"""Instructions a tick, counted by valgrind: what a noisy machine cannot blur.

    python bench/counts.py [--out counts.json]

Each workload runs under callgrind for N ticks and for 2 N; the difference over N is what a tick costs,
start-up and imports cancelled. Two counts of one build differ by less than 0.1 %. valgrind's processor has
AVX2 and no AVX-512, so on any x86-64 machine the code counted is the one for x86-64-v3. Another compiler
makes other code: bench/baseline.json names its own.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from workload import fed_market, fresh_processor

from livetrading.config import load_config
from livetrading.core.dtypes import TICK

N = 1 << 18
"""256 refreshes of the vote, enough for every formula to be warm in most of them."""


def run(preset: str, ticks: int) -> None:
    """Market and processing."""
    config = load_config({"run.capital": 100.0}, preset=preset)
    fresh_processor(config, fed_market(config, 2 * N)).run(ticks)


def market(preset: str, ticks: int) -> None:
    """The market alone."""
    block = np.zeros(4096, TICK)
    chaos = fed_market(load_config({"run.capital": 100.0}, preset=preset), 2 * N)
    for _ in range(ticks // len(block)):
        chaos.fill(block)


WORKLOADS: dict[str, Callable[[str, int], None]] = {"run": run, "market": market}
COUNTED = ("run-realistic", "run-seed", "market-realistic")


def instructions(name: str, ticks: int) -> int:
    """Return how many instructions a fresh interpreter takes for this workload.

    Raises
    ------
    RuntimeError
        If valgrind fails or prints no count.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={Path(folder) / 'out'}",
                sys.executable,
                __file__,
                "--work",
                name,
                "--ticks",
                str(ticks),
            ],
            env={**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"valgrind must count instructions, was {done.stderr[-500:]!r}")
    return int(found[1])


def per_tick(name: str) -> float:
    """Return the instructions of a tick."""
    return (instructions(name, 2 * N) - instructions(name, N)) / N


def main() -> None:
    """Count every workload, or be the one that is counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", choices=COUNTED, help=argparse.SUPPRESS)
    parser.add_argument("--ticks", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        kind, preset = args.work.split("-")
        WORKLOADS[kind](preset, args.ticks)
        return
    counted = {name: round(per_tick(name), 1) for name in COUNTED}
    print(json.dumps(counted))
    if args.out:
        args.out.write_text(json.dumps(counted) + "\n")


if __name__ == "__main__":
    main()
