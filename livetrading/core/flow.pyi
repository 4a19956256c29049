import numpy as np
from numpy.typing import NDArray

from livetrading.core.kernel import Kernel
from livetrading.core.waiting import WaitingKernel

class Buckets(Kernel):
    def state(self) -> bytes: ...

class Toxicity(Buckets):
    def __new__(cls, bucket: float, n: int, hist: int, limit: float, ranked: bool) -> Toxicity: ...

class BulkToxicity(Buckets):
    def __new__(
        cls,
        m: int,
        bucket: float,
        n: int,
        sigma_n: int,
        df: float,
        log_beta: float,
        hist: int,
        limit: float,
    ) -> BulkToxicity: ...

class VolumeClock(Buckets):
    def __new__(cls, bucket: float, span: int, entry: float) -> VolumeClock: ...

class QuoteFlow(Kernel):
    def __new__(cls, reading: int, n: int, entry: float, decay: float = 0.0) -> QuoteFlow: ...

class ArrivalRate(Kernel):
    def __new__(cls, tau: float, z_min: float, warm: int) -> ArrivalRate: ...

class TradeCluster(WaitingKernel):
    def __new__(cls, window: float, span: int, n: int, p_max: float) -> TradeCluster: ...

class Aggressors(Kernel):
    def __new__(cls, n: int, entry: float) -> Aggressors: ...

class MakerInventory(Kernel):
    def __new__(cls, decay: float, n: int, entry: float) -> MakerInventory: ...

def pin_cost(
    theta: NDArray[np.float64],
    buys: NDArray[np.float64],
    sells: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[float, list[float]]: ...
def poisson_surprise(k: float, mean: float) -> tuple[float, float]: ...
def trade_side(price: float, side: float, mid: float, before: float, tick: int) -> tuple[int, int]: ...
