"""The spread: quoted, effective, realised, and what it is made of (115 to 120)."""

from typing import Any, ClassVar

from livetrading.core import spreads
from livetrading.core.kernel import Kernel
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.microstructure.impact import MATCHED, WINDOW_MAX
from livetrading.formulas.parameters import Choice, Flag, Real, Whole
from livetrading.formulas.registry import register

HUANG_STOLL = "Huang, Stoll (1997), Review of Financial Studies 10"
QUOTED = ("price", "side", "bid", "ask")


class _ThreeWay(KernelFormula):
    """The three-way model of the half-spread of Huang and Stoll.

    With Q the side of a trade, S and M the spread and mid of the quote before it,
    dM_t = (a + b) (S_(t-1) / 2) Q_(t-1) - a (S_(t-2) / 2) (1 - 2 pi) Q_(t-2) + u_t
    by least squares without constant over the last n trades, pi the share of changes of side among them.
    """

    reads = QUOTED
    n = Whole(500, "trades in the window", low=5, high=WINDOW_MAX)
    cluster = Flag(True, "take trades of one side and price at an unchanged quote for one")


@register(
    id=115,
    name="AdverseSelection",
    category="microstructure",
    kind="estimator",
    inputs=("trade", "quote"),
    reference=HUANG_STOLL,
)
class AdverseSelection(_ThreeWay):
    """Share a of the half-spread that pays for trading with the better informed; it is not clipped.

    Huang and Stoll's three-way model in trade time: with Q the side of a trade (those without are left out),
    S and M the spread and mid of the quote before it, and pi the share of changes of side,
    dM_t = (a + b) (S_(t-1) / 2) Q_(t-1) - a (S_(t-2) / 2) (1 - 2 pi) Q_(t-2) + u_t, by least squares without
    constant over the last n trades. With `cluster` a trade like the one before at an unchanged quote belongs
    to that one. Where |1 - 2 pi| < 0.02, or the normal equations have a condition above 10^12, what was said
    before stands.

    The side of the last trade where a > 2 se(a); confidence a, within [0, 1].

    Outputs: pi; inventory, b; order_cost, 1 - a - b; se of a; half_spread_bps, the mean of 10^4 (S/2) / M.

    References
    ----------
    Huang, Stoll (1997), Review of Financial Studies 10.
    """

    @property
    def gives(self) -> tuple[str, ...]:
        return ("pi", "inventory", "order_cost", "se", "half_spread_bps")

    check_parameters: ClassVar[dict[str, Any]] = {"n": 100}

    def _make(self) -> Kernel:
        return spreads.SpreadShares(self.n, self.cluster, 0)


@register(
    id=116,
    name="InventoryComponent",
    category="microstructure",
    kind="estimator",
    inputs=("trade", "quote"),
    reference=f"{HUANG_STOLL}; Ho, Stoll (1981), J. Financial Economics 9",
)
class InventoryComponent(_ThreeWay):
    """Share b of the half-spread that pays for holding inventory; the model of AdverseSelection.

    Against the sum of the last 20 sides where b > 2 se(b) and that sum is 10 or more in size: quotes are
    expected to come back. se(b) is that of the difference of the two coefficients. Confidence b, within
    [0, 1].

    References
    ----------
    Huang, Stoll (1997), Review of Financial Studies 10; Ho, Stoll (1981), J. Financial Economics 9.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 100}

    def _make(self) -> Kernel:
        return spreads.SpreadShares(self.n, self.cluster, 1)


@register(
    id=117,
    name="OrderProcessingCost",
    category="microstructure",
    kind="cost",
    inputs=("trade", "quote"),
    unit="bps",
    reference=f"{HUANG_STOLL}; Roll (1984), J. Finance 39",
)
class OrderProcessingCost(_ThreeWay):
    """What of the half-spread pays for processing orders, bps: 10^4 (1 - a - b) mean((S/2) / M).

    The model of AdverseSelection. -1 where it is above limit_bps, else 1; confidence |share| / (|share| +
    se), se that of a + b.

    Outputs: share, 1 - a - b.

    References
    ----------
    Huang, Stoll (1997), Review of Financial Studies 10; Roll (1984), J. Finance 39.
    """

    limit_bps = Real(10.0, "cost above which an order is too dear, bps")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("share",)

    check_parameters: ClassVar[dict[str, Any]] = {"n": 100}

    def _make(self) -> Kernel:
        return spreads.SpreadShares(self.n, self.cluster, 2, self.limit_bps)


@register(
    id=118,
    name="RealizedSpread",
    category="microstructure",
    kind="cost",
    inputs=("trade", "quote"),
    unit="bps",
    reference="Huang, Stoll (1996), J. Financial Economics 41; SEC Rule 605",
)
class RealizedSpread(KernelFormula):
    """What the maker of a trade has kept after `horizon` s: mean of 10^4 2 s (p - m') / m, bps.

    s is the side of a trade (those without are left out), p its price, m the mid before it, m' the mid in
    force `horizon` s later: that of the last quote before the first quote or trade beyond. With that event
    the trade is resolved; the mean is over the last n resolved, also as quotes alone arrive.

    -1 where the value is above limit_bps, else 1; confidence 1.

    Outputs: price_impact, the effective spread of the same trades less the value, bps; pending, trades not
    resolved yet.

    References
    ----------
    Huang, Stoll (1996), J. Financial Economics 41; SEC Rule 605.
    """

    reads = QUOTED
    timed = True
    n = Whole(200, "resolved trades in the window", high=WINDOW_MAX)
    horizon = Real(5.0, "when the mid is looked at again, s", low=0.0, high=9e9)
    limit_bps = Real(10.0, "cost above which an order is too dear, bps")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("price_impact", "pending")

    def _make(self) -> Kernel:
        return spreads.RealizedSpread(self.n, round(self.horizon * 1e9), self.limit_bps)


@register(
    id=119,
    name="EffectiveSpread",
    category="microstructure",
    kind="cost",
    inputs=("trade", "quote"),
    unit="bps",
    reference="Lee (1993), J. Finance 48; Bessembinder (2003), J. Financial and Quantitative Analysis 38",
)
class EffectiveSpread(KernelFormula):
    """What takers paid about the mid: mean of 10^4 2 s (p - m) / m over the last n trades, bps.

    s is the side of a trade (those without are left out), p its price, m the mid of the quote before it.
    Weighted by volume, or equally. A negative spread is a price improvement and stays. -1 where the value is
    above limit_bps, else 1; confidence 1. Without volume what was said before stands.

    References
    ----------
    Lee (1993), J. Finance 48; Bessembinder (2003), J. Financial and Quantitative Analysis 38.
    """

    reads = MATCHED
    n = Whole(200, "trades in the window", high=WINDOW_MAX)
    weight = Choice("volume", "what a trade weighs by", among=("volume", "equal"))
    limit_bps = Real(10.0, "cost above which an order is too dear, bps")

    @property
    def warm_up(self) -> int:
        return self.n

    def _make(self) -> Kernel:
        return spreads.EffectiveSpread(self.n, self.weight == "volume", self.limit_bps)


@register(
    id=120,
    name="QuotedSpread",
    category="microstructure",
    kind="cost",
    inputs=("quote",),
    unit="bps",
    low=0.0,
    reference="Demsetz (1968), Quarterly J. Economics 82; Huang, Stoll (1996), J. Financial Economics 41",
)
class QuotedSpread(KernelFormula):
    """Quoted spread 10^4 (ask - bid) / mid over the last n quotes, each weighted by how long it stood, bps.

    The newest has not stood yet and has no weight; where all n came at one time, their plain mean. -1 where
    the value is above limit_bps, else 1; confidence 1.

    Outputs: last, the newest spread, bps.

    References
    ----------
    Demsetz (1968), Quarterly J. Economics 82; Huang, Stoll (1996), J. Financial Economics 41.
    """

    reads = ("bid", "ask")
    timed = True
    n = Whole(200, "quotes in the window", high=WINDOW_MAX)
    limit_bps = Real(10.0, "cost above which an order is too dear, bps")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("last",)

    @property
    def warm_up(self) -> int:
        return self.n

    def _make(self) -> Kernel:
        return spreads.QuotedSpread(self.n, self.limit_bps)
