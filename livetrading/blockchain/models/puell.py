"""Puell multiple: what a day's new coins are worth, against the mean of a year."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from livetrading.blockchain.models.daily import check_days, moving_average, why_no_average
from livetrading.blockchain.models.model import ChannelModel, Computed, Kind, masked_ratio

__all__ = ["PUELL", "Puell"]


@dataclass(frozen=True, kw_only=True)
class Puell(ChannelModel):
    """Issuance of the day in USD / its mean of the last 365 days, the day itself included.

    Attributes
    ----------
    window : int
        Days of the mean.
    """

    window: int = 365
    unit: str = field(init=False, default="1")
    kind: Kind = field(init=False, default="ratio")
    channels: tuple[str, ...] = field(init=False, default=("day", "issuance_btc", "price_usd"))
    prices_inside: bool = field(init=False, default=True)

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        day = columns["day"]
        check_days(day)
        issuance = columns["issuance_btc"] * columns["price_usd"]
        mean = moving_average(day, issuance, self.window)
        return Computed(
            value=masked_ratio(issuance, mean),
            parts={"issuance_usd": issuance, "mean_issuance_usd": mean},
            undefined=[
                *why_no_average(day, issuance, self.window, "issuance_btc and price_usd"),
                (mean == 0.0, f"no coin in the last {self.window} days"),
            ],
            notes=("made of market prices; a halving halves it although nothing else happens",),
        )


PUELL: Final = Puell(
    name="puell",
    title="Puell multiple",
    source="Puell, D., described by cryptopoiesis (April 2019), The Puell Multiple",
)
