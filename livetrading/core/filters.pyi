from livetrading.core.kernel import Kernel

class Drift(Kernel):
    def __new__(cls, q: float, min_obs: int, entry: float) -> Drift: ...

class LogVariance(Kernel):
    def __new__(
        cls,
        phi: float,
        sigma_eta: float,
        alpha: float,
        beta: float,
        kappa: float,
        n0: int,
        calm: float,
        stress: float,
        h: int,
    ) -> LogVariance: ...

class Decaying(Kernel):
    def __new__(cls, tau: float, entry: float) -> Decaying: ...

class Brown(Kernel):
    def __new__(cls, order: int, alpha: float, lam: float, z0: float, warm: int) -> Brown: ...
