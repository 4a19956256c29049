"""MVRV: market cap over realized cap."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from livetrading.blockchain.models.model import ChannelModel, Computed, Kind

__all__ = ["MVRV", "MarketToRealized"]


@dataclass(frozen=True, kw_only=True)
class MarketToRealized(ChannelModel):
    """Market cap / realized cap: the mean gain on paper of a coin since it last moved, plus 1."""

    unit: str = field(init=False, default="1")
    kind: Kind = field(init=False, default="ratio")
    channels: tuple[str, ...] = field(init=False, default=("market_cap_usd", "realized_cap_usd"))
    prices_inside: bool = field(init=False, default=True)

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        return Computed(
            value=columns["market_cap_usd"] / columns["realized_cap_usd"],
            parts={},
            notes=("both caps are made of market prices",),
        )


MVRV: Final = MarketToRealized(
    name="mvrv",
    title="MVRV",
    source="Mahmudov, M. and Puell, D. (2018), market value to realized value (MVRV); from memory",
)
