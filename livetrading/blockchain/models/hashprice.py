"""Hashprice: what a PH/s earns in a day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from livetrading.blockchain.models.model import ChannelModel, Computed, Kind, masked_ratio
from livetrading.blockchain.models.schedule import reward_btc

__all__ = ["HASHPRICE", "Hashprice"]

BLOCKS_PER_DAY: Final = 144
HASHES_PER_PH: Final = 1e15


@dataclass(frozen=True, kw_only=True)
class Hashprice(ChannelModel):
    """(subsidy + mean fees of a block) * 144 * price / hash rate in PH/s."""

    unit: str = field(init=False, default="USD/PH/s/day")
    kind: Kind = field(init=False, default="signal")
    channels: tuple[str, ...] = field(
        init=False, default=("height", "hash_rate", "price_usd", "fees_btc", "blocks")
    )
    prices_inside: bool = field(init=False, default=True)

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        subsidy, rate = reward_btc(columns["height"]), columns["hash_rate"] / HASHES_PER_PH
        fees = masked_ratio(columns["fees_btc"], columns["blocks"])
        per_btc = masked_ratio(BLOCKS_PER_DAY * columns["price_usd"], rate)
        return Computed(
            value=(subsidy + fees) * per_btc,
            parts={
                "subsidy_btc": subsidy,
                "mean_fees_btc": fees,
                "subsidy_usd": subsidy * per_btc,
                "fees_usd": fees * per_btc,
            },
            undefined=[
                (columns["blocks"] == 0.0, "no block that day"),
                (np.asarray(rate == 0.0), "hash rate 0"),
            ],
            notes=("made of market prices; 144 blocks a day whatever came, all at the subsidy of the last",),
        )


HASHPRICE: Final = Hashprice(
    name="hashprice",
    title="Hashprice",
    source="Luxor Technologies (2019), hashprice; from memory",
)
