"""The subsidy schedule as columns of BTC."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.models.model import Floats
from livetrading.blockchain.protocol import SAT_PER_BTC, issued, subsidy

__all__ = ["reward_btc", "supply_before_btc"]


def reward_btc(height: NDArray[Any]) -> Floats:
    """Subsidy of the block, BTC."""
    return np.array([subsidy(int(h)) for h in height.ravel()], np.float64).reshape(height.shape) / SAT_PER_BTC


def supply_before_btc(height: NDArray[Any]) -> Floats:
    """Coins of the `height` blocks before this one, BTC."""
    sat = [issued(int(h) - 1) if h else 0 for h in height.ravel()]
    return np.array(sat, np.float64).reshape(height.shape) / SAT_PER_BTC
