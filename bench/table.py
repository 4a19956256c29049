"""Write the table of benchmarks in README.md, between its markers.

    python bench/table.py [--bench bench.json] [--limit limit.json]

measures what is not given: that takes some minutes. Every number is measured; the best of the rounds counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- benchmarks -->\n"
END: Final = "<!-- /benchmarks -->"
NULL_MARKETS: Final = ("gbm", "garch-t", "bootstrap", "hawkes")
SPEEDS: Final = (
    ("test_market[realistic]", "the chaos market alone"),
    *((f"test_null_market[{name}]", f"the null market `{name}` alone") for name in NULL_MARKETS),
    ("test_replay[realistic]", "replay of an array, preset `realistic`"),
    ("test_replay[seed]", "replay of an array, preset `seed`"),
    ("test_books[realistic]", "replay over eight time scales (`--books 8`), `realistic`"),
    ("test_books[seed]", "replay over eight time scales (`--books 8`), `seed`"),
    ("test_run[realistic]", "market and processing, `realistic`"),
    ("test_run[seed]", "market and processing, `seed`"),
    ("test_w1", "replay of the plain rule W1, 22 orders a second"),
    ("test_w1_as_user[function]", "the same rule as a caller's C function (`numba.cfunc`)"),
    ("test_w1_as_user[array]", "the same rule as an array made beforehand"),
    ("test_resting_orders", "`PaperBroker.advance` with eight resting orders"),
)
Entries = dict[str, dict[str, Any]]


def speed(figure: float) -> str:
    """Return ticks a second for a reader."""
    return f"{figure / 1e6:.1f} million ticks/s"


def rows(entries: Entries, limit: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what was measured, the figure, and what repeats it."""
    out = []
    for name, what in SPEEDS:
        info = entries[name]
        if "fills" in info:
            what += f" ({info['fills']:,} fills in {info['ticks']:,} ticks)"
        figure = speed(info["ticks_per_second"])
        if "share_of_built_in" in info:
            figure += f"; {info['share_of_built_in']:.2f} times the built-in rule's, with its fills"
        out.append((what, figure, name))
    for preset in ("realistic", "seed"):
        name = f"test_on_tick[{preset}]"
        out.append(
            (f"`on_tick` from Python, `{preset}`", f"{entries[name]['nanoseconds_per_call']:.0f} ns", name)
        )
    two = entries["test_two_threads"]
    gain = f"{two['threads_speed_up']:.2f} times one (plain additions: {two['machine_speed_up']:.2f})"
    out.append(("two engines in two threads", gain, "test_two_threads"))
    for ticks in (1_000_000, 100_000_000):
        name = f"test_memory[{ticks}]"
        if name in entries:
            out.append(
                (f"peak memory of `hft 100 --ticks {ticks}`", f"{entries[name]['peak_mib']:.0f} MiB", name)
            )
    out = [
        (what, figure, f".venv/bin/python -m pytest 'bench/bench_core.py::{name}'")
        for what, figure, name in out
    ]
    what = f"`hft 100 --ticks {limit['ticks']} --no-null-control`, `realistic`"
    out.append((what, speed(limit["core_ticks_per_second"]), ".venv/bin/python bench/limit.py"))
    for what, rate, ratio in (
        ("hand-written C that makes the same fills, tick by tick", "limit", "ratio"),
        ("the same, column by column, with AVX-512 where there is any", "columns", "ratio_columns"),
    ):
        share = f"{speed(limit[f'{rate}_ticks_per_second'])}; the engine's are {limit[ratio]:.2f} of that"
        out.append((what, share, ".venv/bin/python bench/limit.py"))
    return out


def table(bench: dict[str, Any], limit: dict[str, Any]) -> str:
    """Return the lines between the markers."""
    entries = {entry["name"]: entry["extra_info"] for entry in bench["benchmarks"]}
    machine = bench["machine_info"]
    lines = ["| what | measured | repeat it with |", "|---|--:|---|"]
    lines += [f"| {what} | {figure} | `{command}` |" for what, figure, command in rows(entries, limit)]
    lines += [
        "",
        f"{machine['cpu'].get('brand_raw', 'unknown processor')} with {machine['cpu']['count']} cores "
        f"shared with others, {machine['system']}, Python {machine['python_version']}, "
        f"{bench['datetime'][:10]}; "
        "one core used but for the threads; the best of the rounds.",
    ]
    return "\n".join(lines) + "\n"


def measure(folder: Path, bench: Path | None, limit: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run what is not given."""
    if bench is None:
        bench = folder / "bench.json"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                str(ROOT / "bench/bench_core.py"),
                f"--benchmark-json={bench}",
            ],
            check=True,
            cwd=ROOT,
            env={**os.environ, "BENCH_LONG": "1"},
        )
    if limit is None:
        limit = folder / "limit.json"
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench/limit.py")], check=True, stdout=subprocess.PIPE
        )
        limit.write_bytes(done.stdout)
    return json.loads(bench.read_text()), json.loads(limit.read_text())


def main() -> None:
    """Measure, and put the table in its place."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--limit", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = table(*measure(Path(folder), args.bench, args.limit))
    before, rest = README.read_text().split(BEGIN)
    after = rest.split(END, 1)[1]
    README.write_text(before + BEGIN + text + END + after)


if __name__ == "__main__":
    main()
