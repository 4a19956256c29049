import numpy as np
from numpy.typing import NDArray

class Market:
    start_ns: int
    dt_ns: int
    index: int
    @property
    def next_ts(self) -> int: ...
    def feed(self, knots: NDArray[np.void]) -> None: ...
    def fill(self, ticks: NDArray[np.void]) -> None: ...

class ChaosMarket(Market):
    def __new__(cls, seed: int, start_ns: int, dt_ns: int, *, spread_bps: float = 1.0) -> ChaosMarket: ...

class GbmMarket(Market):
    def __new__(
        cls, seed: int, start_ns: int, dt_ns: int, price: float, sd: float, *, spread_bps: float = 1.0
    ) -> GbmMarket: ...

def realised_sd(ticks: NDArray[np.void], lag: int = 256) -> float: ...
