"""Learned formulas: online nets, library models, agents, searches (61 to 100)."""

from livetrading.formulas.machine_learning import (
    agents,
    autoencoders,
    boosting,
    clusters,
    embeddings,
    ensembles,
    online_nets,
    outliers,
    search,
)

__all__ = [
    "agents",
    "autoencoders",
    "boosting",
    "clusters",
    "embeddings",
    "ensembles",
    "online_nets",
    "outliers",
    "search",
]
