from livetrading.core.kernel import Kernel
from livetrading.core.waiting import WaitingKernel

class SpreadShares(Kernel):
    def __new__(cls, n: int, cluster: bool, reading: int, limit: float = 0.0) -> SpreadShares: ...

class RealizedSpread(WaitingKernel):
    def __new__(cls, n: int, horizon: int, limit: float) -> RealizedSpread: ...

class EffectiveSpread(Kernel):
    def __new__(cls, n: int, by_volume: bool, limit: float) -> EffectiveSpread: ...

class QuotedSpread(Kernel):
    def __new__(cls, n: int, limit: float) -> QuotedSpread: ...
