"""Time series: autoregressions, volatility, filters, unit roots, spectra, factors (31 to 60)."""

from livetrading.formulas.timeseries import (
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
