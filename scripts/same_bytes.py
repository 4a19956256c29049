#!/usr/bin/env python
"""Build the package in several ways, run the same trades with each build, and compare them byte for byte.

Run ``.venv/bin/python scripts/same_bytes.py`` for gcc -O2 against clang -O3, and with ``--full`` for every
compiler, level, SIMD width and CPython that this machine has. Exit code 1 on a difference. What was compiled
is read from the compiler's own command lines, and no two builds may be equal.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
DATA: Final = ROOT / "tests" / "data"
RECORDING: Final = ",".join(str(DATA / f"btcusdt_spot_20240808_{kind}.csv") for kind in ("quotes", "trades"))
FIXED: Final = {"sizing.kind": "fixed", "sizing.quantity_btc": 1e-4, "limits.daily_loss": 1}
RESTLESS: Final = {"vote.kind": "majority", "vote.k_min": 1, "exits.on_signal": "reverse"}
LATE: Final = {"broker.latency": "log-normal", "broker.latency_us": 50_000, "broker.taker_bps": 0.1}
CASES: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "realistic": ("realistic", {"run.ticks": 2_000_000}),
    "fixed size": ("realistic", {"run.ticks": 1_000_000, **FIXED}),
    "seed": ("seed", {"run.ticks": 1_000_000}),
    "books": ("seed", {"run.ticks": 1_000_000, "books.count": 8}),
    "garch-t": ("seed", {"run.ticks": 500_000, "market.name": "garch-t"}),
    "hawkes": ("seed", {"run.ticks": 500_000, "market.name": "hawkes", **LATE}),
    "recording": ("seed", {"market.name": RECORDING, "run.every": 1, **FIXED, **RESTLESS}),
}
"""Preset and changes; the null control of each is compared as well: a bootstrap, of the recording."""

ORDERS: Final = "orders"
"""A case of its own: every kind of order, at random, to a broker with probabilistic queues."""

WIDTHS: Final = {
    "": "",
    "v2": "ssse3 sse4_2 popcnt",
    "v3": "avx2 fma bmi2",
    "v4": "avx512f avx512vl avx512dq",
}
"""Levels of x86-64 by what /proc/cpuinfo calls some of their parts."""


@dataclass(frozen=True)
class Build:
    """One way to compile the core; a width is for the whole of it, without a choice at run time."""

    cc: str
    level: int
    width: str | None = None

    @property
    def flags(self) -> str:
        if self.width is None:
            return ""
        return f"-DLT_NO_CLONES -march=x86-64{self.width and '-'}{self.width}"

    @property
    def name(self) -> str:
        return f"{self.cc} -O{self.level} {self.flags}".strip()


def digests(folder: Path) -> dict[str, str]:
    """Digest fills and rows of every case with the package in `folder`, on one thread and on two at once."""
    import livetrading.core.processor as processor

    if not Path(processor.__file__).is_relative_to(folder):
        raise SystemExit(f"the package must be that in {folder}, was {processor.__file__}")
    names = (*CASES, ORDERS)
    with TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as threads:
        alone = {name: digest(name, Path(scratch) / f"{i}.npy") for i, name in enumerate(names)}
        twice = [
            (name, threads.submit(digest, name, Path(scratch) / f"{i}-{k}.npy"))
            for i, name in enumerate(names)
            for k in range(2)
        ]
        for name, future in twice:
            if future.result() != alone[name]:
                raise SystemExit(f"{name} must be the same on two threads, was {future.result()}")
    return alone


def digest(name: str, rows: Path) -> str:
    import numpy as np

    from livetrading.config import load_config
    from livetrading.engine.hft import run_hft

    if name == ORDERS:
        return digest_of_orders()
    preset, changes = CASES[name]
    config = load_config({"run.capital": 100, "run.every": 50, **changes}, preset=preset, environ={})
    report = run_hft(config, out=rows)
    null = report.null_control
    if report.trades == 0 or null is None:
        raise SystemExit(f"{name} must trade beside its null control, was {report.trades} trades")
    seen = hashlib.sha256(f"{report.fills_sha256} {null.fills_sha256}".encode())
    written = np.load(rows)
    for field in written.dtype.names:
        values = written[field]
        if values.dtype.kind == "f":  # what sign a NaN has is the compiler's choice
            values = np.where(np.isnan(values), np.nan, values)
        seen.update(values.tobytes())
    return seen.hexdigest()


def digest_of_orders(ticks: int = 100_000, pause: int = 25) -> str:
    """Send orders of every kind near the quote, cancel some, and digest the fills and the accounts."""
    import numpy as np

    from livetrading import TICK, ChainClock, ChaosMarket
    from livetrading.core.broker import PaperBroker
    from livetrading.core.orders import ORDER_KINDS
    from livetrading.core.settings import BrokerSettings

    chain, rows = ChainClock(1), np.zeros(ticks, TICK)
    market = ChaosMarket(1, chain.start_ns, 10**8, spread_bps=1.0)
    market.feed(chain.knots(chain.start_ns + ticks * 10**8))
    market.fill(rows)
    settings = BrokerSettings(queue="probabilistic", latency="log-normal", latency_us=80_000.0)
    broker, seen, count = PaperBroker(1e7, settings, books=2, seed=3), hashlib.sha256(), 0
    words = np.random.Philox(key=5).random_raw(ticks // pause).tolist()
    for i, word in enumerate(words):
        fills = broker.advance(rows[i * pause : (i + 1) * pause])
        seen.update(fills.tobytes())
        count += len(fills)
        kind, away = ORDER_KINDS[word % len(ORDER_KINDS)], (word >> 20) % 41 - 20
        price = None if kind == "market" else round(float(rows["bid"][(i + 1) * pause - 1]) + away * 0.5, 2)
        sent = broker.submit(
            kind, 1 - 2 * (word >> 8 & 1), 1 + (word >> 40) % 10**8, price, book=word >> 9 & 1
        )
        if word >> 10 & 3 == 0:
            broker.cancel(max(0, sent - (word >> 12) % 8))
    if count < ticks // pause // 4:
        raise SystemExit(f"orders must be filled, was {count} fills of {len(words)} orders")
    seen.update(repr([broker.account(book) for book in range(2)]).encode())
    return seen.hexdigest()


def installed(build: Build, folder: Path) -> Path:
    """Compile the package; where it is installed."""
    environ = {**os.environ, "CC": build.cc, "CFLAGS": build.flags, "LT_SANITIZE": ""}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps"]
    command += ["--target", str(folder / "package"), "-C", f"build-dir={folder / 'build'}"]
    command += ["-C", f"cmake.define.LT_OPTIMIZE={build.level}"]
    command += ["-C", "cmake.define.CMAKE_EXPORT_COMPILE_COMMANDS=ON", str(ROOT)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{build.name} must compile, was:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    check_commands(build, json.loads((folder / "build" / "compile_commands.json").read_text("utf-8")))
    return folder / "package"


def check_commands(build: Build, commands: list[dict[str, Any]]) -> None:
    """Hold the command lines of the compiler against what was asked for."""
    if len(commands) < 12:
        raise SystemExit(f"{build.name} must compile the whole core, was {len(commands)} files")
    for entry in commands:
        words = str(entry["command"]).split()
        levels = [word for word in words if word.startswith("-O")]
        right = Path(words[0]).name == build.cc and levels[-1] == f"-O{build.level}"
        if not right or not {*build.flags.split(), "-ffp-contract=off"} <= set(words):
            raise SystemExit(f"{entry['file']} must be compiled as {build.name}, was {entry['command']}")


def run(folder: Path, site: Path, python: Path, environ: dict[str, str]) -> dict[str, str]:
    """Run the cases in an interpreter without `site`, whose hooks would find the editable install first."""
    environ = {**os.environ, **environ, "PYTHONPATH": f"{folder}{os.pathsep}{site}"}
    command = [str(python), "-S", __file__, "--digests", str(folder)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise SystemExit(f"{python} must run the cases, was:\n{done.stderr[-3000:]}")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def compilers(full: bool) -> Iterator[Build]:
    """Yield what can be compiled and run here; the first is what a wheel holds."""
    gcc, clang = shutil.which("gcc"), shutil.which("clang")
    if gcc is None or clang is None:
        raise SystemExit(f"gcc and clang must be on PATH, was {gcc} and {clang}")
    if full:
        yield Build("gcc", 3)
    yield Build("gcc", 2)
    yield Build("clang", 3)
    if not full:
        return
    yield Build("clang", 2)
    yield from (Build(cc, 3) for cc in ("gcc-11", "gcc-13", "gcc-14", "clang-19") if shutil.which(cc))
    if platform.machine() == "x86_64":
        parts = set(Path("/proc/cpuinfo").read_text("ascii").split())
        for width, needed in WIDTHS.items():
            if set(needed.split()) <= parts:
                yield Build("gcc", 3, width)
                if width in ("v3", "v4"):  # without a width clang has made this machine code above
                    yield Build("clang", 3, width)


def interpreters(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield every other CPython that can be had: its version, an environment of it and its packages."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        needs = tomllib.load(file)["project"]["dependencies"]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in range(11, 16):
        built = sorted(pyenv.glob(f"3.{minor}.*/bin/python"))
        found = shutil.which(f"python3.{minor}")
        if minor == sys.version_info.minor or not (built or found):
            continue
        home = folder / f"3.{minor}"
        subprocess.run([built[-1] if built else found, "-m", "venv", home], check=True, capture_output=True)
        python = home / "bin" / "python"
        command = [str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:", *needs]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"CPython 3.{minor}: left out, {done.stderr.strip().splitlines()[-1]}")
            continue
        yield f"CPython 3.{minor}", python, home / "lib" / f"python3.{minor}" / "site-packages"


def libraries() -> dict[str, dict[str, str]]:
    """Return what takes the wide code away from the libraries underneath, and leaves the package as it is."""
    from numpy._core import _multiarray_umath as numpy

    return {
        "numpy without SIMD": {"NPY_DISABLE_CPU_FEATURES": " ".join(numpy.__cpu_dispatch__)},
        "libm without FMA": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"},
    }


def compare(full: bool, work: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Build and run one thing after another; yield each with what it traded."""
    here, site, shipped = Path(sys.executable), Path(sysconfig.get_path("purelib")), None
    binaries: dict[str, str] = {}
    for i, build in enumerate(compilers(full)):
        folder = installed(build, work / str(i))
        shipped = shipped or folder
        modules = sorted(folder.glob("livetrading/core/*.so"))
        binary = hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()
        if binary in binaries:
            raise SystemExit(f"{build.name} must differ from {binaries[binary]}, was the same machine code")
        binaries[binary] = build.name
        yield build.name, run(folder, site, here, {})
    if full and shipped is not None:
        for name, environ in libraries().items():
            yield name, run(shipped, site, here, environ)
        for name, python, packages in interpreters(work):
            yield name, run(shipped, packages, python, {})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="every build that can be had here")
    parser.add_argument("--digests", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.digests is not None:
        print(json.dumps(digests(arguments.digests)))
        return 0
    first: dict[str, str] = {}
    differ = 0
    print(f"{'fills and rows of':42}", *(f"{case[:12]:12}" for case in (*CASES, ORDERS)))
    with TemporaryDirectory() as work:
        for name, found in compare(arguments.full, Path(work)):
            first = first or found
            print(f"{name:42}", *(digest[:12] for digest in found.values()), flush=True)
            wrong = [case for case in found if found[case] != first[case]]
            if wrong:
                print(f"  must be as above, was another in: {'; '.join(wrong)}")
                differ += 1
    print("the same bytes" if not differ else f"{differ} of them differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
