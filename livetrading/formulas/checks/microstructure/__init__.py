"""Golden numbers and references of microstructure formulas (101 to 130)."""

from livetrading.formulas.checks.microstructure import fitted, flow, impact, spreads

__all__ = ["fitted", "flow", "impact", "spreads"]
