from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livetrading.core.kernel import Kernel

class WaitingKernel(Kernel):
    def update(self, ts: int, x: Sequence[float]) -> None: ...
    def run(
        self,
        ts: NDArray[np.int64],
        columns: Sequence[NDArray[np.float64] | None],
        value: NDArray[np.float64],
        signal: NDArray[np.int8],
        confidence: NDArray[np.float64],
        ready: NDArray[np.uint8],
        outputs: NDArray[np.float64],
    ) -> None: ...
    def state(self) -> bytes: ...
    def restore(self, state: bytes) -> None: ...
