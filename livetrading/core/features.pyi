import numpy as np
from numpy.typing import NDArray

def trade_features(
    price: NDArray[np.float64], volume: NDArray[np.float64], side: NDArray[np.float64]
) -> NDArray[np.float64]: ...
def running_scores(x: NDArray[np.float64]) -> NDArray[np.float64]: ...
