"""Golden numbers and references of timeseries formulas."""
