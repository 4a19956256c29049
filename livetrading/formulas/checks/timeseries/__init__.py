"""Golden numbers and references of time series (31 to 60)."""

from livetrading.formulas.checks.timeseries import (
    autoregression,
    bandpass,
    decomposition,
    smoothing,
    spectrum,
    state_space,
    threshold,
    unit_root,
    volatility,
)

__all__ = [
    "autoregression",
    "bandpass",
    "decomposition",
    "smoothing",
    "spectrum",
    "state_space",
    "threshold",
    "unit_root",
    "volatility",
]
