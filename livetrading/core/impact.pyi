import numpy as np
from numpy.typing import NDArray

from livetrading.core.kernel import Kernel

class KyleLambda(Kernel):
    def __new__(cls, m: int, n: int, t_min: float) -> KyleLambda: ...

class Scaled(Kernel): ...

class Invariance(Scaled):
    def __new__(
        cls, q: float, root: bool, n: int, limit: float, fixed: float, impact: float
    ) -> Invariance: ...

class Schedule(Scaled):
    def __new__(
        cls,
        q: float,
        T: float,
        N: int,
        lam: float,
        gamma: float,
        eta: float,
        eps: float,
        sigma: float,
        n: int,
        limit: float,
    ) -> Schedule: ...
    def slices_of(self, s: float) -> list[float]: ...

class LinearImpact(Kernel):
    def __new__(cls, q: float, n: int, limit: float) -> LinearImpact: ...

class RootImpact(Scaled):
    def __new__(cls, q: float, Y: float, n: int, limit: float) -> RootImpact: ...

class TemporaryImpact(Kernel):
    def __new__(cls, m: int, n: int, beta: float, day_n: int) -> TemporaryImpact: ...

class TransientImpact(Kernel):
    def __new__(cls, half_life: float, n: int, entry: float) -> TransientImpact: ...

class MetaOrder(Kernel):
    def __new__(cls, gap: int, min_trades: int, n: int, day_n: int) -> MetaOrder: ...

class PriceReversion(Kernel):
    def __new__(cls, m: int, n: int, t_min: float) -> PriceReversion: ...

class Line(Kernel):
    def __new__(cls, n: int) -> Line: ...
    def fit(self) -> tuple[float, float, float]: ...

def invariance_cost(
    sigma: float, price: float, volume: float, q: float, root: bool, fixed: float, impact: float
) -> tuple[float, float]: ...
def through_origin(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]: ...
def size_exponent(size: NDArray[np.float64], moved: NDArray[np.float64]) -> float: ...
