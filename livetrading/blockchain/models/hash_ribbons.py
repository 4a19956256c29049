"""Hash ribbons: a month's mean hash rate against two months'."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from livetrading.blockchain.models.daily import check_days, moving_average, why_no_average
from livetrading.blockchain.models.model import ChannelModel, Computed, Floats, Kind, masked_ratio

__all__ = ["HASH_RIBBONS", "HashRibbons"]


@dataclass(frozen=True, kw_only=True)
class HashRibbons(ChannelModel):
    """SMA30 / SMA60 of the daily hash rate: below 1 "capitulation", upward through 1 "recovery".

    Attributes
    ----------
    short, long : int
        Days of the two means.
    """

    short: int = 30
    long: int = 60
    unit: str = field(init=False, default="1")
    kind: Kind = field(init=False, default="signal")
    channels: tuple[str, ...] = field(init=False, default=("day", "hash_rate"))
    optional: tuple[str, ...] = field(init=False, default=("hash_rate_observed",))

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        day = columns["day"]
        check_days(day)
        observed = not np.all(np.isnan(columns["hash_rate_observed"]))
        name = "hash_rate_observed" if observed else "hash_rate"
        rate = columns[name]
        short, long = moving_average(day, rate, self.short), moving_average(day, rate, self.long)
        ratio = masked_ratio(short, long)
        below = np.where(np.isnan(ratio), np.nan, ratio < 1.0)
        return Computed(
            value=ratio,
            parts={"short": short, "long": long, "capitulation": below, "recovery": _recovery(below)},
            undefined=[
                *why_no_average(day, rate, self.long, name),
                (long == 0.0, f"no hash in the last {self.long} days"),
            ],
            notes=(
                "hash rate counted from the blocks of a day has a standard error of about 8% a day"
                if observed
                else "hash rate taken from the difficulty: it moves once in 2016 blocks",
                "that a recovery forecasts a rise is a claim made with hindsight, not tested here",
            ),
        )


def _recovery(below: Floats) -> Floats:
    """1 on the day the short mean is at or above the long one again; NaN where the day before is unknown."""
    crossed = np.full(below.shape, np.nan)
    if below.ndim:
        # After a missing day the means are NaN for a while, so that neighbours here are days in a row.
        known = ~np.isnan(below[1:]) & ~np.isnan(below[:-1])
        crossed[1:] = np.where(known, (below[:-1] == 1.0) & (below[1:] == 0.0), np.nan)
    return crossed


HASH_RIBBONS: Final = HashRibbons(
    name="hash-ribbons",
    title="Hash ribbons",
    source="Edwards, C. (2019), Hash Ribbons and Bitcoin bottoms, Capriole; from memory",
)
