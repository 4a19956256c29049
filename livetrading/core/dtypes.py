"""The numpy records that cross the boundary of the compiled core.

All are little-endian. `TICK` goes in, `RESULT`, `FILL` and `BAR` come out. Units: prices in USD per BTC,
sizes and volumes in BTC, `ts` in nanoseconds since the Unix epoch, `position` and `quantity` in satoshi,
`cash` and `fee` in micro-dollars (1e-6 USD), `equity` in USD.
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

__all__ = ["BAR", "FILL", "KNOT", "RESULT", "TICK", "BarFlag", "Reason", "Refusal", "Rejection", "TickFlag"]

TICK: Final = np.dtype(
    [
        ("ts", "<i8"),
        ("price", "<f8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("bid_size", "<f8"),
        ("ask_size", "<f8"),
        ("volume", "<f8"),
        ("side", "i1"),
        ("flags", "u1"),
    ],
    align=True,
)
"""One tick, 64 bytes. Without a trade `price` is the mid, `volume` 0 and `side` 0; unknown sizes are NaN."""

RESULT: Final = np.dtype(
    [
        ("ts", "<i8"),
        ("true_price", "<f8"),
        ("market_price", "<f8"),
        ("deviation", "<f8"),
        ("ofi", "<f8"),
        ("z_score", "<f8"),
        ("kalman_level", "<f8"),
        ("kalman_velocity", "<f8"),
        ("ewma_vol", "<f8"),
        ("cusum", "i1"),
        ("regime", "i1"),
        ("kyle_lambda", "<f8"),
        ("flow_momentum", "<f8"),
        ("vpin", "<f8"),
        ("microprice", "<f8"),
        ("vote_logodds", "<f8"),
        ("vote_probability", "<f8"),
        ("direction", "i1"),
        ("kelly_fraction", "<f8"),
        ("position", "<i8"),
        ("cash", "<i8"),
        ("equity", "<f8"),
        ("drawdown", "<f8"),
        ("trades", "<i8"),
        ("wins", "<i8"),
    ],
    align=True,
)
"""One row a tick where asked for. A formula not ready, or without input, is NaN (0 in the i1 columns).

`kelly_fraction` is the share of equity that this tick's entry asked for, 0 where none was asked for.
"""

FILL: Final = np.dtype(
    {
        "names": ["id", "ts", "order_id", "price", "quantity", "fee", "side", "reason", "book"],
        "formats": ["<u8", "<i8", "<u8", "<f8", "<i8", "<i8", "i1", "u1", "u1"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 49, 50],
        "itemsize": 56,
    }
)
"""One fill, 56 bytes with zero padding. `quantity` is positive; `side` is +1 for a buy, -1 for a sale."""

KNOT: Final = np.dtype([("ts", "<i8"), ("height", "<i8"), ("true_price", "<f8")])
"""True price in USD from block `height` on, which was found at `ts`."""


BAR: Final = np.dtype(
    [
        ("ts", "<i8"),
        ("start", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
        ("buy_volume", "<f8"),
        ("dollar", "<f8"),
        ("trades", "<i8"),
        ("flags", "u1"),
    ],
    align=True,
)
"""One bar, 88 bytes with zero padding.

`start` is when it opened. `ts` is its close: of a time bar its end, which is no part of it, of any other the
time of the trade that closed it. `buy_volume` is the part of `volume` that buyers took, `dollar` the sum of
price times volume in USD; NaN where they are not known, as `trades` is -1.
"""


class TickFlag(IntFlag):
    """What a tick carries."""

    QUOTE = 1
    """The quote is new with this tick."""
    TRADE = 2
    """There is a trade: price, volume and side are its own."""
    NO_QUOTE = 4
    """No quote is known: bid == ask == price."""


class BarFlag(IntFlag):
    """What a bar is, beside what happened in it."""

    FILLED = 1
    """Made up on request, where there were no data."""
    NO_TRADE = 2
    """Nothing traded: the prices are mids, or those from before."""
    OPEN = 4
    """Not closed when the stream ended."""


class Rejection(IntEnum):
    """Why a tick was rejected; the first that applies, in this order."""

    PRICE = 0
    CROSSED = 1
    TIME = 2
    SIZE = 3
    NO_QUOTE = 4


class Refusal(IntEnum):
    """Why an order that the vote asked for was not sent, or not filled whole."""

    HALTED = 0
    """The kill switch is on."""
    DRAWDOWN = 1
    """The drawdown control (formula 334) has halted the account."""
    DAILY_LOSS = 2
    STALE = 3
    """The quote, or the tick before, is older than the limit."""
    LOCKED = 4
    """bid == ask although a quote is known."""
    RATE = 5
    NO_EDGE = 6
    """The Kelly fraction after costs is 0."""
    REALISED = 7
    """The Kelly fraction realised over closed trades (formula 211) is 0."""
    TOO_SMALL = 8
    """The size rounds to less than one satoshi."""
    MAX_POSITION = 9
    CAPITAL = 10
    """The notional and its fee exceed the equity."""
    LEDGER = 11
    """An amount that the exact ledger cannot hold."""


class Reason(IntEnum):
    """What caused a fill."""

    ENTRY = 0
    TAKE_PROFIT = 1
    STOP = 2
    TRAILING = 3
    TIME = 4
    REVERSE = 5
    CLOSE = 6
