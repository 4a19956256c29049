"""Stock to flow: value a power of the years that today's issue would take to make all coins.

It has failed. From 2022 to 2025 the median of the year is too high by factors of 2.9 to 11.7 (cap model) and
5.1 to 22.4 (463-day variant). It stays as the record of what a close fit to ten years of prices was worth.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal

import numpy as np

from livetrading.blockchain.models.model import ChannelModel, Computed, Window
from livetrading.blockchain.models.regression import window_note
from livetrading.blockchain.models.schedule import reward_btc, supply_before_btc

__all__ = ["BLOCKS_PER_YEAR", "PLANB_2019", "VARIANT_463D", "StockToFlow"]

BLOCKS_PER_YEAR: Final = 52_560
"""6 * 24 * 365. The other convention, 365.25 days, is 52,596 and makes the ratio 0.07% smaller."""


@dataclass(frozen=True, kw_only=True)
class StockToFlow(ChannelModel):
    """exp(a) * S2F^b, with S2F the coins of the blocks before this one over a year's issue at its subsidy.

    Attributes
    ----------
    kind : {"cap", "price"}
        Whether the power is the value of all coins, USD, or of one, USD/BTC.
    intercept, exponent : float
        a and b, fitted to market prices.
    blocks_per_year : int
        52,560, or 52,596 for years of 365.25 days.
    """

    kind: Literal["cap", "price"]
    intercept: float
    exponent: float
    fit_window: Window | None = None
    convention: str = ""
    blocks_per_year: int = BLOCKS_PER_YEAR
    unit: str = field(init=False, default="")
    channels: tuple[str, ...] = field(init=False, default=("height",))
    fitted: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", "USD" if self.kind == "cap" else "USD/BTC")

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        height = columns["height"]
        reward, supply = reward_btc(height), supply_before_btc(height)
        flow = np.where(reward > 0.0, reward, np.nan) * self.blocks_per_year
        ratio = supply / flow
        value = np.exp(self.intercept + self.exponent * np.log(np.where(ratio > 0.0, ratio, np.nan)))
        price = value / np.where(supply > 0.0, supply, np.nan) if self.kind == "cap" else value
        return Computed(
            value=value,
            parts={"supply_btc": supply, "flow_btc_per_year": flow, "stock_to_flow": ratio},
            price_usd=price,
            undefined=[(height == 0, "height 0"), (reward == 0.0, "no subsidy")],
            notes=self._notes(bool(np.any(ratio <= 1.0))),
        )

    def _notes(self, first_year: bool) -> tuple[str, ...]:
        notes = [
            "a documented failure: since 2022 it is too high by factors of 3 to 22",
            window_note(self.fit_window),
            f"a year is {self.blocks_per_year:,} blocks",
        ]
        if self.convention:
            notes.append(self.convention)
        if first_year:
            notes.append("stock-to-flow is at most 1: the power law goes on, below all it was fitted to")
        return tuple(notes)


PLANB_2019: Final = StockToFlow(
    name="s2f-planb-2019",
    title="Stock to flow, market value, 2019",
    source="PlanB (22 March 2019), Modeling Bitcoin's Value with Scarcity: ln(value) = 3.3 ln(SF) + 14.6",
    kind="cap",
    intercept=14.6,
    exponent=3.3,
    fit_window=(date(2009, 12, 1), date(2019, 2, 28)),
    convention="its author left the first million coins out of the stock; here they are in",
)
VARIANT_463D: Final = StockToFlow(
    name="s2f-463d",
    title="Stock to flow, price, 463-day variant",
    source="later 2019 variant of PlanB's; coefficients as public code repeats them, no original seen",
    kind="price",
    intercept=-1.84,
    exponent=3.36,
    convention="463 days name the variant's flow; here the flow is a year's at the current subsidy",
)
