"""W1 in this project: bench/w1.py's configuration through its own processor.

python bench/peers/w1_livetrading.py FILE.npy N
"""

import sys
from pathlib import Path

from measure import CAPITAL, Clock, read_tape, report

from livetrading.core.processor import Processor

sys.path.append(str(Path(__file__).resolve().parents[1]))
from w1 import W1, tape


def main() -> None:
    """Measure."""
    n = len(read_tape()[0])
    with Clock() as ticking:
        ticks = tape(sys.argv[1], n)
    processor = Processor(W1, CAPITAL)
    with Clock() as clock:
        processor.replay(ticks)
    totals = processor.totals()
    report(
        "livetrading",
        totals["ticks"],
        clock,
        totals["trades"],
        totals["net_micro"] / 1e6,
        tick_objects=ticking,
    )


if __name__ == "__main__":
    main()
