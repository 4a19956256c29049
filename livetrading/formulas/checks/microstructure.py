"""Golden numbers and references of microstructure formulas."""
