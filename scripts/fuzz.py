"""Feed the package what nobody sends, and stop at the first thing that is not as it should be.

Run ``python scripts/fuzz.py ticks --ticks 10000000``, ``config --documents 100000``, ``csv --files 20000``,
``orders --orders 1000000`` or ``ultra --files 20000``.
Case k of a seed is the same on every machine; a failure, crash or hang prints the command that repeats it.
"""

import argparse
import faulthandler
import importlib
import multiprocessing
import os
import sys
import time
import warnings
from collections import Counter
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
UNITS: Final = {"ticks": "ticks", "config": "documents", "csv": "files", "orders": "orders", "ultra": "files"}
"""What each fuzzer counts; its module is tests/fuzz/fuzz_NAME.py."""
SIZES: Final = {"ticks": 10_000_000, "config": 100_000, "csv": 20_000, "orders": 1_000_000, "ultra": 20_000}
HANG_S: Final = 120.0


def run_case(what: str, seed: int, number: int, folder: Path) -> Counter[str]:
    return importlib.import_module(f"fuzz_{what}").case(np.random.default_rng([seed, number]), folder)


def work(what: str, size: int, seed: int, at: "Synchronized[int]") -> None:
    """Run case after case until their units come to `size`, and say what they were."""
    prepare()
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        while (done := sum(count for name, count in counts.items() if name.endswith("fed"))) < size:
            counts += run_case(what, seed, at.value, Path(folder))
            at.value += 1
    seconds = time.monotonic() - begun
    print(f"{what}: {done:,} {UNITS[what]} in {at.value:,} cases of seed {seed}, {seconds:.0f} s")
    for name, count in sorted(counts.items()):
        print(f"  {name}: {count:,}")
    for name in sorted(name for name in counts if name.endswith(" accepted")):
        fed = counts[name.replace("accepted", "fed")]
        print(f"  share of {name}: {counts[name] / fed:.1%}")


def assert_build() -> None:
    """Where a build is expected, as `scripts/sanitize` does, assert that it is the one imported."""
    expected = os.environ.get("LT_EXPECT_BUILD")
    found = importlib.import_module("livetrading.core.processor").__file__
    if expected is not None and not str(found).startswith(expected):
        raise SystemExit(f"the core must be that of {expected}, was {found}")


def prepare() -> None:
    assert_build()
    faulthandler.enable()
    warnings.simplefilter("error")
    sys.path[:0] = [str(ROOT / "tests" / "fuzz"), str(ROOT / "tests" / "core")]


def watched(what: str, size: int, seed: int) -> int:
    """Run the cases in a process of their own, which may die or hang; the exit code."""
    context = multiprocessing.get_context("spawn")
    at: Any = context.Value("q", 0)
    worker = context.Process(target=work, args=(what, size, seed, at))
    worker.start()
    last, since = -1, time.monotonic()
    while worker.is_alive():
        worker.join(0.2)
        if at.value != last:
            last, since = at.value, time.monotonic()
        elif time.monotonic() - since > HANG_S:
            print(f"case {last} has taken {HANG_S:.0f} s")
            worker.terminate()
            worker.join()
    if worker.exitcode != 0:
        print(f"exit code {worker.exitcode}; this repeats it:")
        print(f"python scripts/fuzz.py {what} --seed {seed} --case {at.value}")
    return int(worker.exitcode != 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="what", required=True)
    for what, unit in UNITS.items():
        kind = kinds.add_parser(what)
        kind.add_argument(f"--{unit}", dest="size", type=int, default=SIZES[what])
        kind.add_argument("--seed", type=int, default=1)
        kind.add_argument("--case", type=int, help="run this case alone")
    given = parser.parse_args()
    if given.case is None:
        return watched(given.what, given.size, given.seed)
    prepare()
    with TemporaryDirectory() as folder:
        print(run_case(given.what, given.seed, given.case, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
