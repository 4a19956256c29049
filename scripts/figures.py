#!/usr/bin/env python
"""Write the figures of README.md: the output of a run as a terminal shows it, and the table of win rates.

`.venv/bin/python scripts/figures.py` rewrites both between their markers; `--print` only prints the table.
"""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Final

from livetrading.config import load_config
from livetrading.engine.hft import run_hft
from livetrading.engine.report import Report

README: Final = Path(__file__).parents[1] / "README.md"
COSTS: Final = {"market.spread_bps": 1, "broker.taker_bps": 5, "broker.latency_us": 1000}
# Kelly stops a strategy that shows no edge; what a win rate is worth needs trades on the null market as well.
FIXED: Final = {
    "sizing.kind": "fixed",
    "sizing.quantity_btc": 1e-6,
    "sizing.max_drawdown": 1,
    "limits.daily_loss": 1,
}
RUNS: Final[tuple[tuple[str, dict[str, object]], ...]] = (
    ("seed", {}),
    ("seed, fixed size", FIXED),
    ("seed, fixed size, costs", {**FIXED, **COSTS}),
    ("realistic", {}),
)
HEADER: Final = """\
| preset | market | trades | win rate, 95% interval | mean trade, bps | net, USD | fills |
|---|---|--:|--:|--:|--:|---|
"""


def row(name: str, report: Report) -> str:
    rate = "undefined"
    if report.win_rate is not None and report.win_rate_low is not None and report.win_rate_high is not None:
        rate = f"{report.win_rate:.3%} ({report.win_rate_low:.3%} to {report.win_rate_high:.3%})"
    mean = "undefined" if report.bps_per_trade is None else f"{report.bps_per_trade:+.3f}"
    cells = (name, report.market, f"{report.trades:,}", rate, mean, f"{report.net_pnl:+,.2f}")
    return "| " + " | ".join(cells) + f" | `{report.fills_sha256[:12]}` |\n"


def table() -> str:
    rows = []
    for name, changes in RUNS:
        report = run_hft(load_config({"run.capital": 100, **changes}, preset=name.partition(",")[0]))
        if report.null_control is None:
            raise SystemExit("a run must have its null control, was none")
        rows += [row(name, report), row(name, report.null_control)]
    return HEADER + "".join(rows)


def output(command: list[str]) -> str:
    """What the command writes to a terminal that knows no colours."""
    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "dumb", "COLUMNS": "100"}
    with subprocess.Popen(command, stdout=slave, env=environ) as process:
        os.close(slave)
        written = b""
        try:
            while part := os.read(master, 65536):
                written += part
        except OSError:  # how Linux says that the other side of a terminal is closed
            pass
    os.close(master)
    if process.returncode != 0:
        raise SystemExit(f"{command} must end with 0, was {process.returncode}")
    lines = written.decode().replace("\r", "").splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def replaced(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"README.md must hold {begin.strip()} and {end}, was without")
    return f"{before}{begin}{content}{end}{after}"


def main() -> None:
    if sys.argv[1:] == ["--print"]:
        print(table(), end="")
        return
    shown = output([sys.executable, "-m", "livetrading.runner", "hft", "100"])
    text = README.read_text("utf-8")
    text = replaced(text, "example", f"```console\n$ ./scripts/run hft 100\n{shown}\n```\n")
    text = replaced(text, "win rates", table())
    partial = README.with_suffix(".partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, README)


if __name__ == "__main__":
    main()
