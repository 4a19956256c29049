"""Statistics of returns and prices: moments, tests, tails, dependence (1 to 30)."""

from livetrading.formulas.statistical import (
    arima,
    bursts,
    dependence,
    drift,
    forecasts,
    inference,
    laws,
    moments,
    order,
    signs,
)

__all__ = [
    "arima",
    "bursts",
    "dependence",
    "drift",
    "forecasts",
    "inference",
    "laws",
    "moments",
    "order",
    "signs",
]
