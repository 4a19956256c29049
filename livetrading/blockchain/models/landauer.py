"""First principles: the Landauer limit as a yardstick for the energy in a hash."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log
from typing import Any, Final

import numpy as np

from livetrading.blockchain.models.energy_units import HASHES_PER_TH, J_PER_KWH, hashes_per_btc
from livetrading.blockchain.models.model import ChannelModel, Computed, Kind

__all__ = ["BOLTZMANN_J_K", "LANDAUER", "Landauer"]

BOLTZMANN_J_K: Final = 1.380649e-23
"""Exact, by the definition of the kelvin."""


@dataclass(frozen=True, kw_only=True)
class Landauer(ChannelModel):
    """Energy of a new coin if a hash cost what erasing its digest costs: R * 600 s / subsidy * bits k T ln 2.

    Attributes
    ----------
    temperature_k : float
        Temperature at which bits are erased, K.
    bits_per_hash : int
        256, one digest: a convention, no property of SHA-256 hardware.
    """

    temperature_k: float = 300.0
    bits_per_hash: int = 256
    unit: str = field(init=False, default="J/BTC")
    kind: Kind = field(init=False, default="energy")
    channels: tuple[str, ...] = field(init=False, default=("height", "hash_rate"))
    optional: tuple[str, ...] = field(init=False, default=("efficiency", "energy_cost"))

    @property
    def joule_per_bit(self) -> float:
        """Least energy of erasing a bit, J."""
        return BOLTZMANN_J_K * self.temperature_k * log(2.0)

    @property
    def joule_per_hash(self) -> float:
        """Least energy of erasing `bits_per_hash` bits, J."""
        return self.bits_per_hash * self.joule_per_bit

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        hashes = hashes_per_btc(columns["height"], columns["hash_rate"])
        joule = hashes * self.joule_per_hash
        kwh = joule / J_PER_KWH
        return Computed(
            value=joule,
            parts={
                "joule_per_hash": np.full(hashes.shape, self.joule_per_hash),
                "kwh_per_btc": kwh,
                "floor_usd": kwh * columns["energy_cost"],
                "efficiency_ratio": columns["efficiency"] / HASHES_PER_TH / self.joule_per_hash,
            },
            undefined=[(np.isnan(hashes) & ~np.isnan(columns["hash_rate"]), "no subsidy")],
            notes=(
                f"a yardstick and no bound: {self.bits_per_hash} bits a hash is a convention. A real double "
                "SHA-256 erases far more, and reversible logic could erase fewer",
            ),
        )


LANDAUER: Final = Landauer(
    name="landauer",
    title="First principles (Landauer)",
    source="Landauer, R. (1961), Irreversibility and heat generation in the computing process, IBM Journal "
    "of Research and Development 5(3)",
)
