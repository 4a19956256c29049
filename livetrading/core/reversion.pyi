from livetrading.core.kernel import Kernel

class ZScore(Kernel):
    def __new__(cls, n: int, entry: float, exit: float) -> ZScore: ...

class KalmanHedge(Kernel):
    def __new__(
        cls, delta: float, noise: float, p0: float, entry: float, exit: float, warm: int
    ) -> KalmanHedge: ...
