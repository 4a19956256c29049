from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from livetrading.core.kernel import Kernel

def chi_square_survival(x: float, df: int) -> float: ...
def student_two_sided(t: float, df: float) -> float: ...
def beta_survival(x: float, a: float, b: float) -> float: ...
def concordance(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[int, int, int]: ...
def hawkes_intensity(
    times: NDArray[np.float64], mu: float, alpha: float, beta: float, at: float
) -> float: ...
def hawkes_loglik(times: NDArray[np.float64], mu: float, alpha: float, beta: float, end: float) -> float: ...
def mahalanobis(rows: NDArray[np.float64], lam: float) -> list[tuple[float, int, float]]: ...

class UpDown(Kernel):
    def __new__(cls, lam: float, a0: float, b0: float, entry: float, min_obs: int) -> UpDown: ...

class Likelihood(Kernel):
    def __new__(cls, n: int, entry: float) -> Likelihood: ...

class Bursts(Kernel):
    def __new__(
        cls,
        k: float,
        lam: float,
        warm: int,
        n_events: int,
        min_events: int,
        every: int,
        entry: float,
        phase: int,
        fit: Callable[[list[float]], tuple[float, float, float] | None],
    ) -> Bursts: ...

class WordEntropy(Kernel):
    def __new__(cls, n: int, word: int, alpha: float) -> WordEntropy: ...

class Runs(Kernel):
    def __new__(cls, n: int, entry: float) -> Runs: ...

class CrossSection(Kernel):
    def __new__(cls, formation: int, skip: int, min_assets: int) -> CrossSection: ...

class Momentum(Kernel):
    def __new__(cls, lookback: int, com: float, target: float, cap: float, entry: float) -> Momentum: ...

class Channel(Kernel):
    def __new__(cls, n: int) -> Channel: ...

class Anomaly(Kernel):
    def __new__(cls, lam: float, min_obs: int, alpha: float) -> Anomaly: ...
