"""Learned formulas: online nets, library models, agents, searches (61 to 100)."""
