"""The registry of valuation models: every one under its name, with one form of answer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from livetrading.blockchain.models import power_law
from livetrading.blockchain.models.model import CHANNELS, Columns, Model, Valuation
from livetrading.blockchain.protocol import DomainError

__all__ = ["CHANNELS", "MODELS", "Columns", "Model", "Valuation", "model"]

_REGISTERED: Final[tuple[Model, ...]] = (
    power_law.SET_A,
    power_law.SET_B,
)
MODELS: Final[Mapping[str, Model]] = MappingProxyType({entry.name: entry for entry in _REGISTERED})
"""The models by name, in the order in which they are shown."""


def model(name: str) -> Model:
    """The registered model of a name.

    Parameters
    ----------
    name : str
        A key of `MODELS`.

    Returns
    -------
    Model
        With its published constants; a refit is another object and not registered.

    Raises
    ------
    DomainError
        If no model has that name.
    """
    if name not in MODELS:
        raise DomainError(f"model must be one of {', '.join(MODELS)}, was {name!r}")
    return MODELS[name]
