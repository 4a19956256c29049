"""Golden numbers and references of learned formulas (61 to 100)."""

from livetrading.formulas.checks.machine_learning import agents, ensembles, nets, search

__all__ = ["agents", "ensembles", "nets", "search"]
