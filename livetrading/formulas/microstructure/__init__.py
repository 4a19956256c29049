"""Microstructure: price impact, spreads and what they are made of, order flow (101 to 130)."""

from livetrading.formulas.microstructure import fitted, flow, impact, pin, spreads

__all__ = ["fitted", "flow", "impact", "pin", "spreads"]
