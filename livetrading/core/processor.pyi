from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.core.market import Market
from livetrading.core.settings import Settings
from livetrading.core.totals import Totals

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
        signal: object = None,
        signal_state: NDArray[Any] | None = None,
        seed: int = 0,
        latencies: ArrayLike | None = None,
    ) -> Processor: ...
    def run(
        self,
        n: int,
        results: NDArray[np.void] | None = None,
        every: int = 1,
        signal: NDArray[np.int8] | None = None,
    ) -> int: ...
    def replay(
        self,
        ticks: NDArray[np.void],
        results: NDArray[np.void] | None = None,
        every: int = 1,
        true_price: NDArray[np.float64] | None = None,
        signal: NDArray[np.int8] | None = None,
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
        signal: int = 0,
    ) -> int: ...
    def last_row(self) -> NDArray[np.void]: ...
    def close(self) -> None: ...
    def halt(self) -> None: ...
    def resume(self) -> None: ...
    def totals(self) -> Totals: ...
