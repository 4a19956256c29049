"""Golden numbers and references of learned formulas (61 to 100)."""

from livetrading.formulas.checks.machine_learning import (
    agents,
    autoencoders,
    boosting,
    clusters,
    embeddings,
    ensembles,
    nets,
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
    "nets",
    "outliers",
    "search",
]
