"""Large transfers in blocks: how much really moved, by a guess that is recorded, and what counts as large.

What is change and what is payment is not in a transaction; every rule here is a guess, and the one that was
used stands beside each figure. Size of a block or time of day say nothing of large holders.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from heapq import nlargest
from math import exp, log
from types import MappingProxyType
from typing import Final

from livetrading.blockchain.domain import DomainError, float_of, height_of, int_of
from livetrading.blockchain.protocol import SAT_PER_BTC

__all__ = [
    "BlockTransfers",
    "ChangeRule",
    "LargeTransfers",
    "Moved",
    "Tag",
    "Transfer",
    "moved",
]

LARGE_SAT: Final = 100 * SAT_PER_BTC
WINDOW_BLOCKS: Final = 2016
ROUND_SAT: Final = 100_000
"""An amount that is a multiple of 0.001 BTC counts as round, which people choose and change is not."""
EQUAL_OUTPUTS: Final = 5
BATCH_OUTPUTS: Final = 20
HALF_LIFE_S: Final = 86_400.0


class ChangeRule(Enum):
    """How the change of a transfer was guessed."""

    SCRIPT = "script"
    """Outputs to a script that an input spends."""
    ROUND = "round"
    """Of two outputs the one whose amount is not round, where the other's is."""
    LARGEST = "largest"
    """The largest output: a convention."""
    NONE = "none"
    """There is one output at most: nothing comes back."""


class Tag(Enum):
    """Transfers that are counted apart: their amounts say little of who pays whom."""

    SELF_CHURN = "self-churn"
    """Every output goes to a script that an input spends."""
    COINJOIN = "coinjoin-like"
    """Five or more outputs of one amount."""
    BATCH = "batch payout"
    """Twenty or more outputs."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transaction as far as it is looked at; that of the coinbase is none.

    Parameters
    ----------
    input_scripts : sequence of bytes
        Scripts of the outputs it spends, one or more.
    outputs : sequence of (bytes, int)
        Script and amount in satoshi, >= 0, of each output, one or more.

    Raises
    ------
    DomainError
        If there is no input or no output, or an amount is negative.
    """

    input_scripts: Sequence[bytes]
    outputs: Sequence[tuple[bytes, int]]

    def __post_init__(self) -> None:
        if not self.input_scripts or not self.outputs:
            raise DomainError(
                f"a transfer must have an input and an output, was {len(self.input_scripts)} and "
                f"{len(self.outputs)}"
            )
        for _, amount in self.outputs:
            int_of(amount, "amount", 0, 2**53)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a transfer moved.

    Attributes
    ----------
    sat : int
        Sum of the outputs less the change, satoshi.
    rule : ChangeRule
        By which the change was guessed.
    tag : Tag or None
        Why it is counted apart: the first of `Tag` that applies.
    """

    sat: int
    rule: ChangeRule
    tag: Tag | None


def moved(transfer: Transfer) -> Moved:
    """Guess what a transfer moved from one owner to another.

    Returns
    -------
    Moved
        The change is what goes back to a script of an input; else of two outputs the one that is not round
        where the other is; else the largest. A single output is a payment whole. Outputs of amount 0, which
        carry data, are left out.

    References
    ----------
    Meiklejohn, S. and others (2013), A fistful of bitcoins: characterizing payments among men with no names.
    """
    amounts = [amount for _, amount in transfer.outputs if amount]
    mine = set(transfer.input_scripts)
    back = [amount for script, amount in transfer.outputs if amount and script in mine]
    plain = [amount for amount in amounts if amount % ROUND_SAT]
    if back:
        change, rule = sum(back), ChangeRule.SCRIPT
    elif len(amounts) <= 1:
        change, rule = 0, ChangeRule.NONE
    elif len(amounts) == 2 and len(plain) == 1:
        change, rule = plain[0], ChangeRule.ROUND
    else:
        change, rule = max(amounts), ChangeRule.LARGEST
    return Moved(sum(amounts) - change, rule, _tag(amounts, len(back)))


def _tag(amounts: list[int], back: int) -> Tag | None:
    if back == len(amounts):
        return Tag.SELF_CHURN if amounts else None
    if max(Counter(amounts).values()) >= EQUAL_OUTPUTS:
        return Tag.COINJOIN
    return Tag.BATCH if len(amounts) >= BATCH_OUTPUTS else None


@dataclass(frozen=True, slots=True)
class BlockTransfers:
    """The transfers of a block.

    Attributes
    ----------
    height : int
    threshold_sat : int
        What a transfer had to move to count as large, satoshi: known before the block.
    count : int
        Large transfers, those with a tag left out.
    btc : float
        What they moved, BTC.
    share : float
        Of all that moved without a tag; 0 where nothing did.
    rate_per_s : float
        Large transfers a second, exponentially weighted with a half-life of a day.
    tagged, tagged_btc : mapping of Tag to int, float
        Transfers that are counted apart, and what they moved, BTC.
    rules : mapping of ChangeRule to int
        How often each guess was used, over all transfers.
    """

    height: int
    threshold_sat: int
    count: int
    btc: float
    share: float
    rate_per_s: float
    tagged: Mapping[Tag, int]
    tagged_btc: Mapping[Tag, float]
    rules: Mapping[ChangeRule, int]


class LargeTransfers:
    """Large transfers block by block.

    A transfer without a tag is large where it moves 100 BTC or more, and the 99.9 % quantile of what moved
    without a tag in the 2016 blocks before its own, or more: the smallest amount that 99.9 % of those
    transfers did not exceed. The block itself does not raise its own bar.
    """

    def __init__(self) -> None:
        self._window: deque[tuple[int, list[int]]] = deque(maxlen=WINDOW_BLOCKS)
        self._rate = 0.0
        self._height: int | None = None
        self._time = 0.0

    def add(self, height: int, time: float, transfers: Iterable[Transfer]) -> BlockTransfers:
        """Take the next block.

        Parameters
        ----------
        height : int
            One above that of the block before.
        time : float
            When it was first seen, s since the Unix epoch, not before the block before.
        transfers : iterable of Transfer

        Returns
        -------
        BlockTransfers

        Raises
        ------
        DomainError
            If the height does not follow, or time goes backwards; nothing is taken then.
        """
        block, seen = height_of(height), float_of(time, "time", "finite")
        if self._height is not None and block != self._height + 1:
            raise DomainError(f"height must be {self._height + 1}, was {block}")
        if self._height is not None and seen < self._time:
            raise DomainError(f"time must not be before {self._time!r}, was {seen!r}")
        found = [moved(transfer) for transfer in transfers]
        plain = [one.sat for one in found if one.tag is None]
        threshold = self._threshold()
        large = [sat for sat in plain if sat >= threshold]
        self._update_rate(seen, len(large))
        self._window.append((len(plain), [sat for sat in plain if sat >= LARGE_SAT]))
        self._height, self._time = block, seen
        volume = sum(plain)
        tags = Counter(one.tag for one in found if one.tag)
        return BlockTransfers(
            height=block,
            threshold_sat=threshold,
            count=len(large),
            btc=sum(large) / SAT_PER_BTC,
            share=sum(large) / volume if volume else 0.0,
            rate_per_s=self._rate,
            tagged=MappingProxyType({tag: tags[tag] for tag in Tag}),
            tagged_btc=MappingProxyType({tag: _btc_of(found, tag) for tag in Tag}),
            rules=MappingProxyType({rule: sum(one.rule is rule for one in found) for rule in ChangeRule}),
        )

    def _threshold(self) -> int:
        """Larger of 100 BTC and the quantile, for which amounts from 100 BTC up are enough."""
        total = sum(count for count, _ in self._window)
        from_top = total - -(-total * 999 // 1000) + 1
        top = nlargest(from_top, (sat for _, amounts in self._window for sat in amounts))
        return top[-1] if 0 < from_top == len(top) and total else LARGE_SAT

    def _update_rate(self, seen: float, count: int) -> None:
        """Let the rate decay, and add ln 2 / half-life a transfer: of a steady stream that is its rate."""
        decay = log(2.0) / HALF_LIFE_S
        if self._height is not None:
            self._rate *= exp(-decay * (seen - self._time))
        self._rate += count * decay


def _btc_of(found: Sequence[Moved], tag: Tag) -> float:
    return sum(one.sat for one in found if one.tag is tag) / SAT_PER_BTC
