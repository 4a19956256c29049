import numpy as np
from numpy.typing import NDArray

class Market:
    start_ns: int
    dt_ns: int
    index: int
    @property
    def next_ts(self) -> int: ...
    def feed(self, knots: NDArray[np.void]) -> None: ...
    def fill(self, ticks: NDArray[np.void], true_price: NDArray[np.float64] | None = None) -> None: ...

class ChaosMarket(Market):
    def __new__(cls, seed: int, start_ns: int, dt_ns: int, *, spread_bps: float = 1.0) -> ChaosMarket: ...

class NullMarket(Market): ...

class GbmMarket(NullMarket):
    def __new__(
        cls, seed: int, start_ns: int, dt_ns: int, price: float, sd: float, *, spread_bps: float = 1.0
    ) -> GbmMarket: ...

class GarchMarket(NullMarket):
    def __new__(
        cls, seed: int, start_ns: int, dt_ns: int, price: float, sd: float, *, spread_bps: float = 1.0
    ) -> GarchMarket: ...

class BootstrapMarket(NullMarket):
    def __new__(
        cls,
        seed: int,
        start_ns: int,
        dt_ns: int,
        price: float,
        returns: NDArray[np.float64],
        sd: float | None = None,
        *,
        block: float = 20.0,
        signs: bool = True,
        spread_bps: float = 1.0,
    ) -> BootstrapMarket: ...

class HawkesMarket(NullMarket):
    def __new__(
        cls,
        seed: int,
        start_ns: int,
        dt_ns: int,
        price: float,
        *,
        impact_bps: float = 0.3,
        permanent: float = 0.5,
        spread_bps: float = 1.0,
    ) -> HawkesMarket: ...

def realised_sd(ticks: NDArray[np.void], lag: int = 256) -> float: ...
