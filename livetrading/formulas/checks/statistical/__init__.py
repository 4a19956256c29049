"""Golden numbers and references of statistics of returns (1 to 30)."""

from livetrading.formulas.checks.statistical import (
    arima,
    bursts,
    dependence,
    drift,
    fits,
    moments,
    order,
    signs,
)

__all__ = ["arima", "bursts", "dependence", "drift", "fits", "moments", "order", "signs"]
