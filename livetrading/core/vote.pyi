import numpy as np
from numpy.typing import NDArray

class SignalConfluence:
    def __new__(
        cls,
        k: int,
        h: int = 10,
        eps: float = 0.0,
        a0: float = 10.0,
        b0: float = 10.0,
        lam: float = 0.999,
        nu: float = 50.0,
        prior: float = 0.5,
        p_min: float = 0.55,
        k_min: int = 2,
        use_corr: bool = True,
        clip: bool = True,
        cap: float = 2.0,
        stride: int = 0,
        refresh: int = 1,
    ) -> SignalConfluence: ...
    def update(self, signals: NDArray[np.int8], price: float) -> float: ...
    def update_many(self, signals: NDArray[np.int8], prices: NDArray[np.float64]) -> NDArray[np.float64]: ...
    @property
    def ready(self) -> bool: ...
    @property
    def value(self) -> float: ...
    @property
    def signal(self) -> int: ...
    @property
    def confidence(self) -> float: ...
    @property
    def outputs(self) -> dict[str, float]: ...

def majority_probability(p: NDArray[np.float64]) -> float: ...
def weigh(
    p: NDArray[np.float64],
    correlation: NDArray[np.float64] | None,
    votes: NDArray[np.int8],
    prior: float = 0.5,
    clip: bool = True,
    cap: float = 2.0,
) -> tuple[float, NDArray[np.float64]]: ...
