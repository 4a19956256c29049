"""A coin in units of energy: what the network spends on a new one, without any price."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from livetrading.blockchain.models.model import ChannelModel, Computed, Floats, Kind, masked_ratio
from livetrading.blockchain.models.schedule import reward_btc
from livetrading.blockchain.protocol import BLOCK_INTERVAL_S

__all__ = ["ENERGY", "J_PER_KWH", "EnergyUnits", "energy_value", "hashes_per_btc", "network_power_w"]

J_PER_KWH: Final = 3.6e6
HASHES_PER_TH: Final = 1e12
HOURS_PER_YEAR: Final = 24 * 365


def hashes_per_btc(height: Any, hash_rate: Any) -> Floats:
    """Hashes that 600 s of the network's work put into a new coin; NaN where there is no subsidy."""
    reward = reward_btc(height)
    return np.asarray(hash_rate * BLOCK_INTERVAL_S / np.where(reward > 0.0, reward, np.nan))


def network_power_w(hash_rate: Any, efficiency: Any) -> Floats:
    """Power of the network, W, from H/s and J/TH."""
    return np.asarray(hash_rate * (efficiency / HASHES_PER_TH))


@dataclass(frozen=True, kw_only=True)
class EnergyUnits(ChannelModel):
    """Energy a new coin takes: hash rate * efficiency * 600 s / subsidy."""

    unit: str = field(init=False, default="kWh/BTC")
    kind: Kind = field(init=False, default="energy")
    channels: tuple[str, ...] = field(init=False, default=("height", "hash_rate", "efficiency"))
    optional: tuple[str, ...] = field(init=False, default=("energy_cost",))

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        hashes = hashes_per_btc(columns["height"], columns["hash_rate"])
        joule = hashes * (columns["efficiency"] / HASHES_PER_TH)
        kwh = joule / J_PER_KWH
        power = network_power_w(columns["hash_rate"], columns["efficiency"])
        return Computed(
            value=kwh,
            parts={
                "joule_per_btc": joule,
                "btc_per_mwh": masked_ratio(1000.0, kwh),
                "power_gw": power / 1e9,
                "twh_per_year": power * HOURS_PER_YEAR / 1e12,
                "cost_usd": kwh * columns["energy_cost"],
            },
            undefined=[(np.isnan(hashes) & ~np.isnan(columns["hash_rate"]), "no subsidy")],
            notes=(
                "no price is in it; what the energy costs is not what the coin is worth",
                "fees are left out; a year is 365 days",
            ),
        )


def energy_value(height: int, hash_rate: float, efficiency: float) -> Mapping[str, float]:
    """A coin in energy at one block.

    Parameters
    ----------
    height : int
        Height of the block, >= 0.
    hash_rate : float
        H/s, >= 0.
    efficiency : float
        J/TH, > 0.

    Returns
    -------
    mapping of str to float
        `kwh_per_btc`, `joule_per_btc`, `btc_per_mwh`, `power_gw`, `twh_per_year`; NaN where there is no
        subsidy, and `btc_per_mwh` where nothing is spent.

    Raises
    ------
    DomainError
        If an argument is outside its range.
    TypeError
        If `height` is no integer.
    """
    said = ENERGY.value({"height": height, "hash_rate": hash_rate, "efficiency": efficiency})
    parts = {name: float(part) for name, part in said.parts.items() if name != "cost_usd"}
    return {"kwh_per_btc": float(said.value), **parts}


ENERGY: Final = EnergyUnits(
    name="energy",
    title="Energy units",
    source="arithmetic; for comparison, the CCAF survey put 2024 at 138 TWh and 28.2 J/TH",
)
