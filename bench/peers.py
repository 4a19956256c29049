"""W1 here and in other engines, side by side: each in its own environment, on the same file.

    python bench/peers.py [--rounds 5] [--only NAME ...] [--ticks N] [--write] [--json FILE]

An environment is made under build/peers/NAME when it is first wanted, from bench/peers/requirements/NAME.txt;
an engine that cannot be installed stays in the table with the reason. Every engine must close the round trips
that the plain Python loop closes on as many ticks, and earn the same: exit code 1, and nothing written, where
one does not.

The rate is of processor time in the event loop alone: imports, reading the tape, making the engine's own tick
objects and compiling on first use are outside, and stand in the last column. Rounds are interleaved.
`--write` puts the table into README.md, between its markers.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from workload import write_w1

ROOT: Final = Path(__file__).resolve().parent.parent
RUNNERS: Final = ROOT / "bench" / "peers"
FOLDER: Final = ROOT / "build" / "peers"
README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- peers -->\n"
END: Final = "<!-- /peers -->"
PNL_TOLERANCE: Final = 1e-3
"""USD. One fill a step of the grid away is 2.5e-3; 112,000 fees rounded to a micro-dollar make 1e-4."""
LEAST_TICKS: Final = 1_000
TAPE_TICKS: Final = 100_000
"""The fewest that bench/workload.py writes, as it checks that many."""
Line = dict[str, Any]


class PeerError(Exception):
    """An engine is not there, or did not run."""


@dataclass(frozen=True)
class Engine:
    """A way to run W1.

    Attributes
    ----------
    name : str
        Of the runner, bench/peers/w1_NAME.py, and of the requirements; "-" and "." are "_" there.
    ticks : int
        How many it replays: as many as take it seconds.
    own : bool
        Whether it needs an environment of its own.
    title : str
        What the table calls it, where that is not the name.
    """

    name: str
    ticks: int
    own: bool = True
    title: str = ""


ENGINES: Final = (
    Engine("numba", 10_000_000, title="a bare loop, numba"),
    Engine("livetrading", 5_000_000, own=False, title="**livetrading**"),
    Engine("plain", 5_000_000, own=False, title="a bare loop, plain Python"),
    Engine("hftbacktest", 5_000_000),
    Engine("vectorbt", 5_000_000),
    Engine("backtesting", 2_000_000, title="backtesting.py"),
    Engine("nautilus_trader", 1_000_000),
)


def environment(engine: Engine, folder: Path = FOLDER, runners: Path = RUNNERS) -> Path:
    """Return the Python that runs this engine, in an environment made as its requirements say.

    Raises
    ------
    PeerError
        If what is required cannot be installed.
    """
    if not engine.own:
        return Path(sys.executable)
    required = (runners / "requirements" / f"{engine.name}.txt").read_text()
    home = folder / engine.name
    python, stamp = home / "bin" / "python", home / "requirements.txt"
    if stamp.exists() and stamp.read_text() == required:
        return python
    print(f"installing {engine.name} ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(home)], check=True)
    wanted = home / "wanted.txt"
    wanted.write_text(required)
    command = f"-m pip --python {python} install -q --only-binary :all: -r {wanted}"
    done = subprocess.run([sys.executable, *command.split()], capture_output=True, text=True)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise PeerError(f"not installed: {(errors or ['pip gave no reason'])[-1].removeprefix('ERROR: ')}")
    wanted.rename(stamp)
    return python


def run(engine: Engine, python: Path, tape: Path, ticks: int, runners: Path = RUNNERS) -> Line:
    """Run an engine once, in a process of its own; return the line it prints.

    Raises
    ------
    PeerError
        If it ends badly.
    """
    command = [str(python), str(runners / f"w1_{engine.name}.py"), str(tape), str(ticks)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise PeerError(f"did not run: it ended with {done.returncode} and said {said[-1]}")
    line: Line = json.loads(done.stdout.splitlines()[-1])
    return line


def disagreements(name: str, line: Line, reference: Line) -> list[str]:
    """Return in what an engine differs from the plain loop on the same ticks."""
    wrong = [
        f"{name}: {what} must be {reference[what]:,} as in the plain loop, was {line[what]:,}"
        for what in ("ticks", "trades")
        if line[what] != reference[what]
    ]
    if not abs(line["pnl"] - reference["pnl"]) <= PNL_TOLERANCE:
        wrong.append(
            f"{name}: PnL must be within {PNL_TOLERANCE} USD of {reference['pnl']:.6f} as in the plain loop, "
            f"was {line['pnl']:.6f}"
        )
    return wrong


def measure(
    engines: Sequence[Engine], rounds: int, limit: int | None
) -> tuple[dict[str, list[Line]], dict[str, str], list[str]]:
    """Run all engines in turn: what they printed, which are missing and why, and what is wrong."""
    ticks = {e.name: min(e.ticks, limit or e.ticks) for e in engines}
    most = max(TAPE_TICKS, *ticks.values())
    tape = FOLDER / f"w1-{most}.npy"
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_w1(tape, most)
    pythons, missing, wrong = {}, {}, []
    for engine in engines:
        try:
            pythons[engine.name] = environment(engine)
        except PeerError as error:
            missing[engine.name] = str(error)
    plain = Engine("plain", 0, own=False)
    reference = {n: run(plain, Path(sys.executable), tape, n) for n in set(ticks.values())}
    lines: dict[str, list[Line]] = {name: [] for name in pythons}
    for _ in range(rounds):
        for engine in engines:
            name = engine.name
            if name not in pythons:
                continue
            try:
                line = run(engine, pythons[name], tape, ticks[name])
            except PeerError as error:
                wrong.append(f"{name}: {error}")
                continue
            lines[name].append(line)
            wrong += disagreements(name, line, reference[ticks[name]])
    return lines, missing, wrong


def short(rate: float) -> str:
    """Return ticks a second for a reader."""
    number, unit = (rate / 1e6, "M") if rate >= 1e6 else (rate / 1e3, "k")
    return f"{number:.3g} {unit}" if number < 100 else f"{number:.0f} {unit}"


def row(engine: Engine, lines: list[Line], ours: float | None) -> str:
    """Return the engine's row."""
    rates = [line["ticks"] / line["cpu_seconds"] for line in lines]
    first, rate = lines[0], median(rates)
    title = engine.title or engine.name
    version = first["version"] if engine.own else None
    outside = {what: median(line["outside"][what] for line in lines) for what in first["outside"]}
    cells = (
        f"{title} {version}" if version else title,
        f"{first['ticks']:,}",
        f"{short(rate)} [{short(min(rates))} to {short(max(rates))}]",
        "" if ours is None else f"{ours / rate:.3g}",
        f"{first['trades']:,}",
        f"{first['pnl']:.4f}",
        f"{median(line['peak_mib'] for line in lines):,.0f}",
        ", ".join(f"{what} {seconds:.1f} s" for what, seconds in outside.items()),
    )
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    """Return what the figures were taken on."""
    info = Path("/proc/cpuinfo")
    names = (
        [line for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    name = names[0].partition(":")[2].strip() if names else platform.processor() or "unknown processor"
    return f"{name}, {os.cpu_count()} cores shared with others, {platform.system()}"


def table(
    engines: Sequence[Engine], lines: dict[str, list[Line]], missing: dict[str, str], command: str
) -> str:
    """Return the lines between the markers."""
    own = lines.get("livetrading")
    ours = median(line["ticks"] / line["cpu_seconds"] for line in own) if own else None
    out = [
        "| engine | ticks | ticks a second [least to most] | livetrading's over its | trades | PnL, USD "
        "| peak MiB | outside the clock |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for engine in engines:
        if engine.name in missing:
            out.append(f"| {engine.title or engine.name} | {missing[engine.name]} | | | | | | |")
        else:
            out.append(row(engine, lines[engine.name], ours))
    rounds = max((len(each) for each in lines.values()), default=0)
    waited = [line["seconds"] / line["cpu_seconds"] for each in lines.values() for line in each]
    out += [
        "",
        f"`{command}`: {machine()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}; "
        f"medians of interleaved rounds ({rounds}). Processor time: by the wall clock the loops took "
        f"{median(waited):.2f} times as long (at most {max(waited):.2f}), as the machine is shared.",
    ]
    return "\n".join(out) + "\n"


def write(text: str, readme: Path) -> None:
    """Put the table between the markers of the file.

    Raises
    ------
    ValueError
        If each marker is not there once, the first before the second.
    """
    whole = readme.read_text()
    if whole.count(BEGIN) != 1 or whole.count(END) != 1 or whole.index(BEGIN) > whole.index(END):
        raise ValueError(f"{readme.name} must have {BEGIN.strip()} and then {END}, each once")
    before, rest = whole.split(BEGIN)
    readme.write_text(before + BEGIN + text + END + rest.split(END)[1])


def main(arguments: Sequence[str] | None = None, engines: Sequence[Engine] = ENGINES) -> int:
    """Read the command line, measure, check, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[e.name for e in engines], help="these engines alone")
    parser.add_argument("--ticks", type=int, help="no more ticks than this, for a quick look")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--json", type=Path, help="where every line of every round goes")
    args = parser.parse_args(arguments)
    if args.rounds < 1:
        parser.error(f"--rounds must be at least 1, was {args.rounds}")
    if args.ticks is not None and args.ticks < LEAST_TICKS:
        parser.error(f"--ticks must be at least {LEAST_TICKS:,}, was {args.ticks:,}")
    chosen = [e for e in engines if args.only is None or e.name in args.only]
    lines, missing, wrong = measure(chosen, args.rounds, args.ticks)
    if args.json is not None:
        args.json.write_text(json.dumps({"lines": lines, "missing": missing}, indent=1))
    for problem in wrong:
        print(problem, file=sys.stderr)
    if wrong:
        return 1
    given = sys.argv[1:] if arguments is None else arguments
    text = table(chosen, lines, missing, " ".join([".venv/bin/python bench/peers.py", *given]))
    print(text, end="")
    if args.write:
        write(text, README)
    return 0


if __name__ == "__main__":
    sys.exit(main())
