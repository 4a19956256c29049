from collections.abc import Callable
from typing import TypedDict, type_check_only

import numpy as np
from numpy.typing import NDArray

from livetrading.core.market import Market
from livetrading.core.settings import Settings

@type_check_only
class Totals(TypedDict):
    ticks: int
    fills: int
    trades: int
    wins: int
    position_sat: int
    cash_micro: int
    gross_micro: int
    net_micro: int
    fees_micro: int
    equity_usd: float
    max_drawdown: float
    return_sum: float
    return_sum_sq: float
    rejected: dict[str, int]
    refused: dict[str, int]
    fills_sha256: str

class Processor:
    settings: Settings
    def __new__(
        cls,
        settings: Settings,
        capital_usd: float,
        market: Market | None = None,
        *,
        strict: bool = False,
        on_fills: Callable[[NDArray[np.void]], object] | None = None,
    ) -> Processor: ...
    def run(self, n: int, results: NDArray[np.void] | None = None, every: int = 1) -> int: ...
    def replay(
        self,
        ticks: NDArray[np.void],
        results: NDArray[np.void] | None = None,
        every: int = 1,
        true_price: NDArray[np.float64] | None = None,
    ) -> int: ...
    def rows_for(self, n: int, every: int = 1) -> int: ...
    def on_tick(
        self,
        ts: int,
        price: float,
        bid: float,
        ask: float,
        bid_size: float,
        ask_size: float,
        volume: float = 0.0,
        side: int = 0,
        flags: int = 1,
    ) -> int: ...
    def close(self) -> None: ...
    def halt(self) -> None: ...
    def resume(self) -> None: ...
    def totals(self) -> Totals: ...
