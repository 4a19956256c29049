"""Difficulty ribbon: how close together the means of difficulty over eight windows lie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from livetrading.blockchain.models.daily import check_days, moving_average, why_no_average
from livetrading.blockchain.models.model import ChannelModel, Computed, Kind

__all__ = ["DIFFICULTY_RIBBON", "DifficultyRibbon"]


@dataclass(frozen=True, kw_only=True)
class DifficultyRibbon(ChannelModel):
    """Population standard deviation / mean of the moving averages of daily difficulty.

    Attributes
    ----------
    windows : tuple of int
        Their days, ascending.
    """

    windows: tuple[int, ...] = (9, 14, 25, 40, 60, 90, 128, 200)
    unit: str = field(init=False, default="1")
    kind: Kind = field(init=False, default="signal")
    channels: tuple[str, ...] = field(init=False, default=("day", "difficulty"))
    optional: tuple[str, ...] = field(init=False, default=("difficulty_mean",))

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        day = columns["day"]
        check_days(day)
        daily_mean = not np.all(np.isnan(columns["difficulty_mean"]))
        name = "difficulty_mean" if daily_mean else "difficulty"
        strands = {f"sma_{n}": moving_average(day, columns[name], n) for n in self.windows}
        ribbon = np.stack(list(strands.values()))
        return Computed(
            value=ribbon.std(axis=0) / ribbon.mean(axis=0),
            parts=strands,
            undefined=why_no_average(day, columns[name], max(self.windows), name),
            notes=(
                "difficulty is the mean over the blocks of the day"
                if daily_mean
                else "difficulty is that of the day's last block",
                "compression says how fast difficulty grew, not where the price goes",
            ),
        )


DIFFICULTY_RIBBON: Final = DifficultyRibbon(
    name="difficulty-ribbon",
    title="Difficulty ribbon, compression",
    source="Woo, W. (2019), Bitcoin difficulty ribbon; from memory",
)
