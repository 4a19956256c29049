"""The registry of valuation models: every one under its name, with one form of answer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from livetrading.blockchain.chain_state import ChainState
from livetrading.blockchain.models.difficulty_ribbon import DIFFICULTY_RIBBON
from livetrading.blockchain.models.energy_units import ENERGY
from livetrading.blockchain.models.hash_ribbons import HASH_RIBBONS
from livetrading.blockchain.models.hashprice import HASHPRICE
from livetrading.blockchain.models.landauer import LANDAUER
from livetrading.blockchain.models.metcalfe import METCALFE
from livetrading.blockchain.models.model import CHANNELS, Columns, Model, Valuation
from livetrading.blockchain.models.mvrv import MVRV
from livetrading.blockchain.models.nvt import NVT
from livetrading.blockchain.models.power_law import SET_A, SET_B
from livetrading.blockchain.models.puell import PUELL
from livetrading.blockchain.models.realized_price import REALIZED_PRICE
from livetrading.blockchain.models.stock_to_flow import PLANB_2019, VARIANT_463D
from livetrading.blockchain.models.thermocap import THERMOCAP
from livetrading.blockchain.models.true_price import TRUE_PRICE
from livetrading.blockchain.protocol import SAT_PER_BTC, DomainError

__all__ = ["CHANNELS", "MODELS", "Columns", "Model", "Valuation", "model", "state_columns"]

SECONDS_PER_DAY: Final = 86_400

_REGISTERED: Final[tuple[Model, ...]] = (
    TRUE_PRICE,
    SET_A,
    SET_B,
    PLANB_2019,
    VARIANT_463D,
    LANDAUER,
    ENERGY,
    METCALFE,
    NVT,
    REALIZED_PRICE,
    MVRV,
    PUELL,
    THERMOCAP,
    HASH_RIBBONS,
    DIFFICULTY_RIBBON,
    HASHPRICE,
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


def state_columns(state: ChainState) -> dict[str, float]:
    """Columns of one state of the chain, as the models read them.

    Parameters
    ----------
    state : ChainState
        At a height or a time.

    Returns
    -------
    dict
        Its time, height, difficulty, hash rate, efficiency, energy cost and supply, and as `day` the UTC day
        of its time. The models that need a market or a history find no more here.
    """
    return {
        "day": state.time // SECONDS_PER_DAY,
        "time": state.time,
        "height": state.height,
        "difficulty": state.difficulty,
        "hash_rate": state.hash_rate,
        "efficiency": state.efficiency,
        "energy_cost": state.energy_cost,
        "supply_btc": state.supply_sat / SAT_PER_BTC,
    }
