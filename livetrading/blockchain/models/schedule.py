"""The subsidy schedule as columns of BTC."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.models.model import Floats
from livetrading.blockchain.protocol import SAT_PER_BTC, issued, subsidy

__all__ = ["reward_btc", "supply_before_btc"]


def reward_btc(height: NDArray[Any]) -> Floats:
    """Subsidy of the block, BTC."""
    return np.asarray(subsidy(height) / SAT_PER_BTC)


def supply_before_btc(height: NDArray[Any]) -> Floats:
    """Coins of the `height` blocks before this one, BTC."""
    return np.asarray(np.where(height > 0, issued(np.maximum(height, 1) - 1) / SAT_PER_BTC, 0.0))
