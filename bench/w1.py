"""W1: a z-score rule over a recorded tape, as a configuration of the processor.

    python bench/w1.py FILE.npy N

FILE.npy is float64 of shape (4, n): bid, ask, trade quantity, trade side, one tick a millisecond. Prints one
JSON line.
"""

import json
import sys
import time

import numpy as np

from livetrading.core.dtypes import TICK, TickFlag
from livetrading.core.processor import Processor
from livetrading.core.settings import (
    BrokerSettings,
    ExitSettings,
    LimitSettings,
    Settings,
    SignalSettings,
    SizingSettings,
    VoteSettings,
)

START_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000

W1 = Settings(
    signals=SignalSettings(
        voters=("z_score",), window=100, adaptive=False, gate_trend=False, gate_vpin=False, estimators=False
    ),
    vote=VoteSettings(kind="majority", k_min=1),
    sizing=SizingSettings(kind="fixed", quantity_btc=0.01, max_drawdown=1.0),
    exits=ExitSettings(on_signal="flat"),
    broker=BrokerSettings(taker_bps=1.0, borrow_bps_8h=0.0, latency_us=0.0),
    limits=LimitSettings(orders_per_s=1000, daily_loss=1.0),
)


def tape(path: str, n: int) -> np.ndarray:
    """Return the first n ticks of the file as TICK: a quote and a trade at its touch each."""
    bid, ask, quantity, side = np.load(path, mmap_mode="r")[:, :n]
    ticks = np.zeros(len(bid), TICK)
    ticks["ts"] = START_NS + STEP_NS * np.arange(len(bid), dtype=np.int64)
    ticks["bid"], ticks["ask"] = bid, ask
    ticks["bid_size"] = ticks["ask_size"] = np.nan
    ticks["price"] = np.where(side > 0, ask, bid)
    ticks["volume"], ticks["side"] = quantity, side
    ticks["flags"] = TickFlag.QUOTE | TickFlag.TRADE
    return ticks


def run(ticks: np.ndarray, capital_usd: float = 1_000_000.0) -> dict[str, float]:
    """Replay the tape under W1 and count its closed round trips."""
    processor = Processor(W1, capital_usd)
    start = time.perf_counter()
    processor.replay(ticks)
    seconds = time.perf_counter() - start
    totals = processor.totals()
    return {
        "ticks": totals["ticks"],
        "seconds": seconds,
        "ticks_per_second": totals["ticks"] / seconds,
        "trades": totals["trades"],
        "pnl": totals["net_micro"] / 1e6,
    }


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(json.dumps(run(tape(sys.argv[1], int(sys.argv[2])))))
