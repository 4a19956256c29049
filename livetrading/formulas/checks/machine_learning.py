"""Golden numbers and references of machine_learning formulas."""
