"""NVT: the market's value of all coins over the value moved in a day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from livetrading.blockchain.models.model import ChannelModel, Computed, Kind, masked_ratio

__all__ = ["NVT", "NetworkValueToTransactions"]


@dataclass(frozen=True, kw_only=True)
class NetworkValueToTransactions(ChannelModel):
    """Market cap / (adjusted transfer volume of the day in BTC * price); a price over a flow, in days."""

    unit: str = field(init=False, default="1")
    kind: Kind = field(init=False, default="ratio")
    channels: tuple[str, ...] = field(init=False, default=("market_cap_usd", "transfer_btc", "price_usd"))
    prices_inside: bool = field(init=False, default=True)

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        transfer = columns["transfer_btc"] * columns["price_usd"]
        return Computed(
            value=masked_ratio(columns["market_cap_usd"], transfer),
            parts={"transfer_usd": transfer},
            undefined=[(transfer == 0.0, "no transfer that day")],
            notes=(
                "the price cancels: it is the supply over the coins moved in a day",
                "which outputs are change is the vendor's guess",
            ),
        )


NVT: Final = NetworkValueToTransactions(
    name="nvt",
    title="NVT ratio",
    source="Woo, W. (2017), Is Bitcoin in a bubble? Check the NVT ratio, Forbes",
)
