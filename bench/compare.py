"""Compare measurements with the stored baseline; exit code 1 on a regression of more than 15 %.

    pytest bench/bench_core.py --benchmark-json=bench.json
    python bench/limit.py > limit.json
    python bench/counts.py --out counts.json
    python bench/compare.py --bench bench.json --limit limit.json --counts counts.json [--update]

Compared are ratios, which are of one run (speed over the calibration kernel's, the core's over limit.c's and
over limit_columns.c's), and instructions a tick. Ratios depend on the processor all the same: on another one
than the baseline's they are printed and decide nothing, and the instructions alone do. ``--update`` takes the
measurements as the new baseline, ``--baseline`` names another file.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BASELINE: Final = Path(__file__).with_name("baseline.json")
TOLERANCE: Final = 0.15


@dataclass(frozen=True)
class Measured:
    """Ratios (more is better) and instructions a tick (fewer are), by name, and where they were measured."""

    cpu: str
    compiler: str
    ratios: dict[str, float]
    instructions: dict[str, float]


def ratios_of(bench: dict[str, Any]) -> dict[str, float]:
    """Return the ratios in a file of pytest-benchmark."""
    entries = [entry for entry in bench["benchmarks"] if "ratio" in entry["extra_info"]]
    return {entry["name"].removeprefix("test_"): round(entry["extra_info"]["ratio"], 4) for entry in entries}


def regressions(old: Measured, new: Measured) -> list[str]:
    """Return a line for every quantity that got worse by more than the tolerance."""
    lines = []
    if old.cpu == new.cpu:
        for name, before in old.ratios.items():
            now = new.ratios.get(name)
            if now is not None and now < before * (1 - TOLERANCE):
                lines.append(f"{name}: the ratio must be at least {1 - TOLERANCE:.0%} of {before}, was {now}")
    for name, before in old.instructions.items():
        now = new.instructions.get(name)
        if now is not None and now > before * (1 + TOLERANCE):
            lines.append(
                f"{name}: instructions a tick must be at most {1 + TOLERANCE:.0%} of {before}, was {now}"
            )
    return lines


def measured(bench: Path | None, limit: Path | None, counts: Path | None) -> Measured:
    """Read what was measured, where one is."""
    ratios: dict[str, float] = {}
    if bench is not None:
        ratios |= ratios_of(json.loads(bench.read_text()))
    if limit is not None:
        figures = json.loads(limit.read_text())
        ratios[f"limit.c {figures['preset']}"] = figures["ratio"]
        ratios[f"limit_columns.c {figures['preset']}"] = figures["ratio_columns"]
    instructions = {} if counts is None else json.loads(counts.read_text())
    return Measured(cpu(), compiler(), ratios, instructions)


def cpu() -> str:
    """Return the processor's name and widest vectors, which decide what code runs."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    fields = {name.strip(): value.strip() for name, value in pairs}
    flags = fields.get("flags", "").split()
    vectors = "AVX-512" if "avx512dq" in flags else "AVX2" if "avx2" in flags else "SSE2"
    return f"{fields.get('model name', 'unknown')}, family {fields.get('cpu family', '?')}, {vectors}"


def compiler() -> str:
    """Return the first line of what `cc` says of itself."""
    return subprocess.run(
        ["cc", "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]


def show(old: Measured, new: Measured) -> None:
    """Print every quantity before and now."""
    for title, was, now in (
        ("ratios", old.ratios, new.ratios),
        ("instructions a tick", old.instructions, new.instructions),
    ):
        for name, value in now.items():
            before = was.get(name)
            print(f"{title}: {name}: {value}" + ("" if before is None else f" ({value / before - 1:+.1%})"))


def main() -> None:
    """Compare, or take as the baseline."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("bench", "limit", "counts"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    new = measured(args.bench, args.limit, args.counts)
    if args.update:
        args.baseline.write_text(json.dumps(vars(new), indent=2) + "\n")
        return
    old = Measured(**json.loads(args.baseline.read_text()))
    show(old, new)
    if old.cpu != new.cpu:
        print(
            f"another processor than the baseline's ({old.cpu}): the ratios decide nothing", file=sys.stderr
        )
    wrong = regressions(old, new)
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
