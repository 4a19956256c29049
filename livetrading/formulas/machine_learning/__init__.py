"""Learned formulas: online nets, library models, agents, searches (61 to 100)."""

from livetrading.formulas.machine_learning import agents, autoencoders, ensembles, online_nets, search

__all__ = ["agents", "autoencoders", "ensembles", "online_nets", "search"]
