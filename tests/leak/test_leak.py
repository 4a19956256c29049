"""What is made is given back: bytes, resident memory, descriptors; and the hot loop asks for none."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cycles
import numpy as np
import pytest

from livetrading.config import load_config
from livetrading.core.dtypes import RESULT
from livetrading.core.errors import LivetradingError
from livetrading.core.impact import Line
from livetrading.core.kernel import Kernel
from livetrading.data.results import ResultWriter
from livetrading.data.ticks import read_ticks
from livetrading.engine.hft import run_hft
from livetrading.formulas.registry import FORMULA_REGISTRY, create

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
CORE = HERE.parents[1] / "livetrading" / "core"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and asks glibc")


def printed(*arguments: str, **environment: str) -> dict[str, Any]:
    """Run a program of this directory in a process of its own; what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONMALLOC": "malloc", **environment},
        capture_output=True,
        text=True,
        cwd=HERE,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compiled_classes() -> set[str]:
    """Names of the classes of the core that can be made."""
    return {f.__name__ for f in classes() if not issubclass(f, Kernel)} - {"Market", "NullMarket"}


def classes() -> Iterator[type]:
    """Yield the public classes of the core that are compiled."""
    for path in CORE.glob("*.pyx"):
        module = importlib.import_module(f"livetrading.core.{path.stem}")
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_"):
                yield value


def test_every_class_of_the_core_is_cycled() -> None:
    beside = {"Processor, running", "Processor, books", "refused"}
    formulas = {f"formula {id}" for id in cycles.KERNELS}
    assert compiled_classes() | {"Line"} == set(cycles.USES) - beside - formulas


def test_every_kernel_is_cycled() -> None:
    made = [create(id, **getattr(FORMULA_REGISTRY[id], "check_parameters", {})) for id in cycles.KERNELS]
    used = {base for formula in made for base in type(formula._kernel).__mro__}
    assert {one for one in classes() if issubclass(one, Kernel)} - {Line} <= used


def check_cycles(n: int) -> None:
    # with a fixed threshold large blocks come from the system and go back: else the heap's top may stay;
    # freed blocks that a thread keeps for itself count as in use, so it is to keep none
    fixed = {
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "MALLOC_TRIM_THRESHOLD_": "65536",
        "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
    }
    for name, (in_use, resident) in printed("cycles.py", str(n), **fixed).items():
        assert in_use < max(n, 1024), f"{name}: {in_use} bytes in {n} cycles"
        assert resident < 1 << 19, f"{name}: {resident} bytes resident in {n} cycles"


def test_no_byte_is_left_of_1000_cycles() -> None:
    """A block forgotten each time would be 80 kB at the least."""
    check_cycles(1000)


@pytest.mark.full
def test_no_byte_is_left_of_100000_cycles() -> None:
    check_cycles(100_000)


def test_the_hot_loop_allocates_nothing(tmp_path: Path) -> None:
    """As many allocations for n ticks as for 2n."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to build the counter with")
    library = tmp_path / "count.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", library, HERE / "count_allocations.c"], check=True
    )
    counts = printed("allocations.py", LD_PRELOAD=str(library))
    assert len(counts) == 4
    for name, (once, twice) in counts.items():
        assert once == twice, f"{name}: {once} allocations for n ticks, {twice} for 2n"
        assert 0 < once < 100, name


def descriptors() -> list[str]:
    return sorted(os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())


def use_files(folder: Path) -> None:
    """Read, run and write, and fail at each of them."""
    quotes, trades = (DATA / f"btcusdt_spot_20240808_{kind}.csv" for kind in ("quotes", "trades"))
    np.save(folder / "ticks.npy", read_ticks([quotes, trades]))
    for name, content in (
        ("bad.csv", b"ts,bid,ask\n1,2\n"),
        ("bad.csv.gz", b"\x1f\x8b12"),
        ("bad.npy", b"PK\x03\x04"),
    ):
        (folder / name).write_bytes(content)
    for market in ("chaos", "gbm", f"{folder}/ticks.npy", f"{quotes},{trades}", f"{folder}/bad.csv",
                   f"{folder}/bad.csv.gz", f"{folder}/bad.npy", f"{folder}/none.csv"):  # fmt: skip
        with suppress(LivetradingError):
            config = load_config({"run.capital": 100, "run.ticks": 500, "market.name": market}, environ={})
            run_hft(config, out=folder / "rows.npy")
    with suppress(LookupError), ResultWriter(folder / "rows.csv", RESULT):
        raise LookupError


def test_descriptors_are_closed(tmp_path: Path) -> None:
    use_files(tmp_path)
    before = descriptors()
    for _ in range(5):
        use_files(tmp_path)
    assert descriptors() == before
