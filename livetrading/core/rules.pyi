import numpy as np
from numpy.typing import NDArray

def crossover(
    w: NDArray[np.float64], fast_span: float, slow_span: float, threshold: float, fee: float
) -> tuple[float, float, float, float]: ...
