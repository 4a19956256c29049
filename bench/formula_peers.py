"""Indicators here beside TA-Lib, talipp and river, where they have the same one, with equal numbers.

    python bench/formula_peers.py [PYTHON]

PYTHON is that of an environment with numpy and any of the three (`pip install TA-Lib talipp river`); without
it the table has this project alone. Rates are of processor time, the best of five rounds. Ends with 1 where a
last value differs by more than 1e-8 of its size.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from livetrading.formulas.checks.markets import market
from livetrading.formulas.registry import create

ROWS, STREAMED, ROUNDS = 200_000, 20_000, 5
PEERS = Path(__file__).parent / "peers" / "indicators.py"
OURS: dict[str, tuple[int, dict[str, float], str | None]] = {
    "RSI 14": (145, {}, None),
    "Bollinger 20, upper": (143, {}, "upper"),
    "ATR 10": (144, {"atr_n": 10}, "atr"),
    "%K 14": (146, {}, None),
    "z-score 100": (141, {}, None),
}
TOLERANCE = 1e-8


def best(work: Callable[[], object]) -> float:
    """Return the shortest processor time of some rounds, s."""
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def ours(columns: dict[str, np.ndarray]) -> dict[str, dict[str, dict[str, float]]]:
    """Return last value and updates a second, batch and stream, by indicator."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, (id, given, output) in OURS.items():
        said = create(id, **given).run(columns)
        last = said.value if output is None else said.outputs[output]
        rate = ROWS / best(lambda id=id, given=given: create(id, **given).run(columns))
        reads = [field for field in create(id).reads if field in columns]
        rows = [{field: float(columns[field][i]) for field in reads} for i in range(STREAMED)]

        def stream(
            id: int = id, given: dict[str, float] = given, rows: list[dict[str, float]] = rows
        ) -> None:
            formula = create(id, **given)
            for row in rows:
                formula.update(row)

        found[name] = {
            "livetrading, batch": {"last": float(last[-1]), "rate": rate},
            "livetrading, stream": {"last": float(last[STREAMED - 1]), "rate": STREAMED / best(stream)},
        }
    return found


def peers(python: str, columns: dict[str, np.ndarray]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the same of the libraries that the other environment has."""
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "bars.npy"
        np.save(tape, np.column_stack([columns[name] for name in ("high", "low", "close")]))
        command = [python, str(PEERS), str(tape), str(STREAMED), str(ROUNDS)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, dict[str, float]]] = json.loads(done.stdout)
    return found


def main(arguments: list[str]) -> int:
    """Print the table."""
    columns = {name: np.asarray(column) for name, column in market(ROWS).items()}
    columns["price"] = columns["close"]
    table = ours(columns)
    if arguments:
        for name, lines in peers(arguments[0], columns).items():
            table[name].update(lines)
    wrong = 0
    print("| indicator | library | updates a second | last value off by |")
    print("|---|---|--:|--:|")
    for name, lines in table.items():
        for library, line in lines.items():
            kind = library.rpartition(", ")[2]
            expected = table[name][f"livetrading, {kind}"]["last"]
            off = abs(line["last"] - expected) / max(abs(expected), 1.0)
            wrong += not off <= TOLERANCE
            print(f"| {name} | {library} | {line['rate']:,.0f} | {off:.1e} |")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
