"""How the columns of bars, trades and quotes are called, and what files without names hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from livetrading.data.stamps import NUMBER, UNITS

__all__ = ["FIELDS", "LEFT_OUT", "TIMES", "Layout", "field_of", "layouts_of", "named_unit"]

LEFT_OUT: Final = "-"
"""The field of a column that is left out."""

TIMES: Final = ("time", "start", "end", "recv", "exch")
"""Fields that are times: a row's only one, a bar's start and end, the clocks of receiver and exchange."""

_SPELLINGS: Final[Mapping[str, str]] = {
    "time": "ts time date datetime date_time timestamp unix unix_timestamp unix_time unixtime epoch dt "
    "transact_time trade_time event_time mts",
    "start": "start start_time open_time opentime open_timestamp bucket_start period_start time_open "
    "timeopen starttime",
    "end": "end end_time close_time closetime close_timestamp time_close timeclose period_end endtime",
    "recv": "recv recv_time recv_ts receive_time received local_timestamp local_ts local_time",
    "exch": "exch exch_ts exchange_time exchange_timestamp",
    "open": "open o open_price opening_price",
    "high": "high h high_price highest_price",
    "low": "low l low_price lowest_price",
    "close": "close c close_price closing_price",
    "volume": "volume vol v volume_btc volume_xbt volume_base base_volume btc_volume base_asset_volume qty "
    "quantity amount size trade_volume trade_size trade_qty last_qty",
    "dollar": "dollar quote_volume quote_asset_volume volume_usd volume_usdt volume_usdc volume_quote "
    "volume_currency turnover usd_volume",
    "buy_volume": "buy_volume taker_buy_volume taker_buy_base taker_buy_base_volume "
    "taker_buy_base_asset_volume",
    "trades": "trades count n trade_count tradecount num_trades number_of_trades n_trades",
    "price": "price p trade_price rate",
    "side": "side taker_side aggressor aggressor_side",
    "is_buyer_maker": "is_buyer_maker isbuyermaker buyer_maker was_the_buyer_the_maker",
    "bid": "bid bid_price best_bid best_bid_price bid_px",
    "ask": "ask ask_price best_ask best_ask_price ask_px offer",
    "bid_size": "bid_size bid_qty bid_amount bid_volume bid_quantity best_bid_qty best_bid_size",
    "ask_size": "ask_size ask_qty ask_amount ask_volume ask_quantity best_ask_qty best_ask_size",
    "flags": "flags",
    LEFT_OUT: "ignore id trade_id tid agg_trade_id agg_tradeid aggregate_trade_id first_trade_id "
    "last_trade_id update_id symbol ticker exchange is_best_match was_best_match isbestmatch adj_close "
    "adjusted_close weighted_price vwap quote_qty quoteqty base_qty dividends stock_splits taker_buy_quote "
    "taker_buy_quote_volume taker_buy_quote_asset_volume order_type misc",
}
_FIELD: Final = {name: field for field, names in _SPELLINGS.items() for name in names.split()}

FIELDS: Final = (*_SPELLINGS, "is_sell", *(f"{time}_{unit}" for time in TIMES for unit in UNITS))
"""What a column may be placed at by hand; a time with a unit is one whose size does not have to tell it."""

_UNIT_NAMES: Final = {
    **{unit: unit for unit in UNITS},
    **dict.fromkeys(("sec", "secs", "seconds"), "s"),
    **dict.fromkeys(("msec", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("usec", "micros", "microseconds"), "us"),
    **dict.fromkeys(("nsec", "nanos", "nanoseconds"), "ns"),
}


def _plain(name: str) -> str:
    """Small letters, and one underscore for whatever stands between words."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def field_of(name: str) -> str | None:
    """Return the field that a column's name says, or None.

    Parameters
    ----------
    name : str
        As it stands in the file, in any letters, words joined by anything.

    Examples
    --------
    >>> [field_of(name) for name in ("Unix Timestamp", "open_time_ms", "Volume BTC", "RSI")]
    ['time', 'start', 'volume', None]
    """
    plain = _plain(name)
    if plain in _FIELD:
        return _FIELD[plain]
    stem, _, unit = plain.rpartition("_")
    if unit in _UNIT_NAMES or unit in ("utc", "gmt"):
        field = _FIELD.get(stem)
        return field if field in TIMES else None
    return None


def named_unit(name: str) -> str | None:
    """Return the unit that the name of a column of times ends in, or None."""
    stem, _, unit = _plain(name).rpartition("_")
    return _UNIT_NAMES.get(unit) if _FIELD.get(stem) in TIMES else None


@dataclass(frozen=True)
class Layout:
    """The columns of files without names.

    Attributes
    ----------
    source : str
        Who writes such files.
    fields : tuple of str
        Field by position.
    kinds : str
        By position what a cell has to look like: t a time, f a number, i a whole number, b true or false.
    """

    source: str
    fields: tuple[str, ...]
    kinds: str


def _layout(source: str, kinds: str, fields: str) -> Layout:
    return Layout(source, tuple(fields.split()), kinds)


_BARS: Final = "start open high low close volume"
LAYOUTS: Final = (
    _layout("Binance klines", "tffffftfifff", f"{_BARS} end dollar trades buy_volume - -"),
    _layout("Binance aggTrades (spot)", "iffiitbb", "- price volume - - time is_buyer_maker -"),
    _layout("Binance aggTrades (futures)", "iffiitb", "- price volume - - time is_buyer_maker"),
    _layout("Binance trades (spot)", "iffftbb", "- price volume - time is_buyer_maker -"),
    _layout("Binance trades (futures)", "iffftb", "- price volume - time is_buyer_maker"),
    _layout("Kraken OHLCVT", "tfffffi", f"{_BARS} trades"),
    _layout("Kraken time and sales", "tff", "time price volume"),
    _layout("time, open, high, low, close, volume", "tfffff", _BARS),
    _layout("Coinbase candles", "tfffff", "start low high open close volume"),
    _layout("Bitfinex candles", "tfffff", "start open close high low volume"),
)
"""As the exchanges document their dumps and answers: Binance public data, Kraken's downloadable history,
Coinbase's and Bitfinex's candles."""

PRICES: Final = ("open", "high", "low", "close")

_LOOKS: Final = {
    "t": lambda cell: NUMBER.fullmatch(cell) is not None and len(cell.partition(".")[0]) >= 9,
    "f": lambda cell: re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell) is not None,
    "i": lambda cell: re.fullmatch(r"-?\d+", cell) is not None,
    "b": lambda cell: cell.lower() in ("true", "false"),
}


def layouts_of(rows: Sequence[Sequence[str]]) -> list[Layout]:
    """Return the layouts that all of the first rows of a file fit.

    Where several do, those are out that put a high below, or a low above, another price of a row.
    """
    fitting = [layout for layout in LAYOUTS if all(_looks_like(layout, row) for row in rows)]
    if len(fitting) < 2:
        return fitting
    return [layout for layout in fitting if all(_is_in_order(layout, row) for row in rows)]


def _looks_like(layout: Layout, row: Sequence[str]) -> bool:
    return len(row) == len(layout.kinds) and all(
        _LOOKS[kind](cell.strip()) for kind, cell in zip(layout.kinds, row, strict=True)
    )


def _is_in_order(layout: Layout, row: Sequence[str]) -> bool:
    price = {field: float(cell) for field, cell in zip(layout.fields, row, strict=True) if field in PRICES}
    return (
        price["low"]
        <= min(price["open"], price["close"])
        <= max(price["open"], price["close"])
        <= price["high"]
    )
