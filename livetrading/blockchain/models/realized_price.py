"""Realized price: what the coins cost when each last moved, an average over all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from livetrading.blockchain.models.model import ChannelModel, Computed

__all__ = ["REALIZED_PRICE", "RealizedPrice"]


@dataclass(frozen=True, kw_only=True)
class RealizedPrice(ChannelModel):
    """Realized cap / supply, the cap being a sum of coins times market prices of the past."""

    channels: tuple[str, ...] = field(init=False, default=("realized_cap_usd", "supply_btc"))
    prices_inside: bool = field(init=False, default=True)

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        price = columns["realized_cap_usd"] / columns["supply_btc"]
        return Computed(
            value=price,
            parts={},
            price_usd=price,
            notes=(
                "it is made of market prices: no value apart from the market",
                "a coin that moves between two addresses of one owner counts as sold",
            ),
        )


REALIZED_PRICE: Final = RealizedPrice(
    name="realized-price",
    title="Realized price",
    source="Carter, N. and Le Calvez, A. (2018), realized capitalization, Coin Metrics; from memory",
)
