"""Which column of a file is which field: by name, by layout, or by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from livetrading.core.dtypes import BAR, TICK
from livetrading.data.cells import BadCell, floats
from livetrading.data.errors import DataError
from livetrading.data.spellings import FIELDS, LEFT_OUT, TIMES, field_of, layouts_of, named_unit
from livetrading.data.stamps import UNITS, Stamps

__all__ = ["PARTS", "Placing", "place"]

PARTS: Final = {"is_buyer_maker": "side", "is_sell": "side"}
"""Fields that are another one in other words."""

UNIT_OF: Final = {
    **dict.fromkeys(("open", "high", "low", "close", "price", "bid", "ask"), "USD/BTC"),
    **dict.fromkeys(("volume", "buy_volume", "bid_size", "ask_size"), "BTC"),
    "dollar": "USD",
    "trades": "1",
    "side": "+1 buyer, -1 seller",
    "flags": "bits",
    "is_buyer_maker": "true: the seller began it",
    "is_sell": "1: the seller began it",
}
"""Units as they are taken; what a file's price is in is not in the file."""

CLOCKS: Final = ("time", "recv", "exch")
"""Clocks of ticks, the preferred first."""

OF_TICKS: Final = ("price", "bid", "ask")
QUOTE: Final = ("bid", "ask")

_MAKES: Final = {
    ("unix", "date", "symbol", "open", "high", "low", "close"): "CryptoDataDownload",
    ("unix timestamp", "date", "symbol", "open", "high", "low", "close"): "CryptoDataDownload (Gemini)",
    ("open_time", "open", "high", "low", "close", "volume", "close_time"): "Binance klines",
    ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id"): "Binance aggTrades",
    ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker"): "Binance trades",
    ("timestamp", "open", "high", "low", "close", "volume_(btc)"): "Bitstamp (Kaggle)",
    ("date", "open", "high", "low", "close", "adj close", "volume"): "Yahoo Finance",
    ("exchange", "symbol", "timestamp", "local_timestamp"): "Tardis",
    ("time", "low", "high", "open", "close", "volume"): "Coinbase candles",
    ("time", "open", "high", "low", "close"): "TradingView, or alike",
}
"""Who writes a file, by how its names begin, in small letters."""

DOLLAR_VOLUMES: Final = ("Yahoo Finance", "yfinance")


@dataclass(frozen=True)
class Placing:
    """What each column of a file is.

    Attributes
    ----------
    kind : str
    positions : dict of str to int
        Position of the column by field; of the kind `columns` by the column's own name, but for the time.
    stamps : dict of str to Stamps
        The times that count, by field.
    left_out : list of str
        Names of columns that are not used.
    notes : list of str
        What was taken for granted.
    source : str
        Who writes such files, or "".
    own : bool
        Whether the names are those of this package's own records, whose `ts` is a bar's end.
    """

    kind: str
    positions: dict[str, int]
    stamps: dict[str, Stamps]
    left_out: list[str]
    notes: list[str]
    source: str
    own: bool

    def unit(self, name: str) -> str:
        """Return the unit of a field as it stands in the file."""
        if name in self.stamps:
            return self.stamps[name].unit or ""
        return "" if self.kind == "columns" else UNIT_OF.get(name, "")


def place(source: Any, columns: Mapping[str, str], kind: str | None) -> Placing:
    """Find out what the columns of a file are.

    Parameters
    ----------
    source : CsvTable, ParquetTable, ArrowTable or NpyTable
    columns : mapping of str to str
        Field by column, before recognition by name.
    kind : str, optional
        What the file holds; told by its fields where it is not given.

    Returns
    -------
    Placing

    Raises
    ------
    DataError
        If a column is no field, two are one, none is a time, or it cannot be told what the file holds.
    """
    names: list[str] = source.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{source.path} must name each column once, was {', '.join(names)} ({twice[0]} twice)"
        )
    _check_by_hand(source, columns)
    own = next((dtype for dtype in (TICK, BAR) if tuple(names) == dtype.names and not columns), None)
    notes: list[str] = []
    found, made_by = _fields(source, columns, own is not None, notes)
    placed = _Candidates(source, found, columns)
    chosen = kind or _kind_of(source, set(placed.fields))
    if made_by in DOLLAR_VOLUMES and chosen == "bars":
        notes.append(
            f"{made_by} gives the volume of a coin in its currency, not in coins: --columns Volume=dollar"
        )
    times = _times(placed, chosen, own, notes)
    stamps = {name: _stamps(source, name, at, columns, own is not None) for name, at in times.items()}
    positions = dict(times)
    if chosen == "columns":
        positions.update(_numeric(source, found, notes))
    else:
        wanted = _WANTED[chosen]
        positions.update({f: placed.one(f) for f in placed.fields if f in wanted})
        _check_complete(source, chosen, positions)
    used = set(positions.values())
    left = [name for at, name in enumerate(names) if at not in used]
    return Placing(chosen, positions, stamps, left, notes, made_by, own is not None)


_WANTED: Final = {
    "bars": BAR.names or (),
    "ticks": (*(TICK.names or ()), *PARTS),
    "trades": ("price", "volume", "side", *PARTS),
    "quotes": ("bid", "ask", "bid_size", "ask_size"),
}
_NEEDED: Final = {
    "bars": ("close",),
    "ticks": ("price", "bid", "ask", "volume"),
    "trades": ("price", "volume"),
    "quotes": QUOTE,
}


def _check_by_hand(source: Any, columns: Mapping[str, str]) -> None:
    for column, name in columns.items():
        if _stem(name) not in FIELDS:
            allowed = ", ".join(FIELDS)
            raise DataError(f"columns must place each column at one of {allowed}, was {column}={name}")
        if column not in source.names:
            raise DataError(
                f"columns must name columns of {source.path} ({', '.join(source.names)}), was {column}"
            )


def _fields(
    source: Any, columns: Mapping[str, str], own: bool, notes: list[str]
) -> tuple[list[str | None], str]:
    """Return the field of each column, None where it is not known, and who writes such files."""
    names: list[str] = source.names
    if own:
        as_time = {"ts": "time"}
        return [as_time.get(name, name) for name in names], "livetrading"
    by_hand = [columns.get(name) for name in names]
    if source.named:
        lower = [name.lower() for name in names]
        made_by = next((who for begin, who in _MAKES.items() if tuple(lower[: len(begin)]) == begin), "")
        if any("yfinance" in note for note in source.notes):
            made_by = "yfinance"
        return [
            _stem(hand) if hand else field_of(name) for hand, name in zip(by_hand, names, strict=True)
        ], made_by
    if any(by_hand):
        return [_stem(hand) if hand else None for hand in by_hand], "columns placed by hand"
    return _of_layout(source, notes)


def _of_layout(source: Any, notes: list[str]) -> tuple[list[str | None], str]:
    rows = source.head or []
    fitting = layouts_of(rows) if rows else []
    if len(fitting) == 1:
        told = f"the columns without names are those of {fitting[0].source}: {', '.join(fitting[0].fields)}"
        notes.append(f"{told}; no other known layout fits the first {len(rows)} rows")
        return list(fitting[0].fields), fitting[0].source
    could = "; ".join(f"{layout.source}: {', '.join(layout.fields)}" for layout in fitting)
    first = ", ".join(rows[0]) if rows else f"{len(source.names)} columns"
    raise DataError(
        f"{source.path}: columns without names must be of one known layout or be placed by hand "
        f"(--columns 1=time,2=open,...), was {'any of ' + could if could else 'of none'}: {first}"
    )


def _stem(name: str) -> str:
    """A field by one of its names, without the unit of a time."""
    stem, _, unit = name.rpartition("_")
    if stem in TIMES and unit in UNITS:
        return stem
    return name if name in FIELDS else field_of(name) or name


class _Candidates:
    """Positions by field; where several columns are one field, whoever asks for it has to choose."""

    def __init__(self, source: Any, found: Sequence[str | None], columns: Mapping[str, str]) -> None:
        self.source = source
        self.fields: dict[str, list[int]] = {}
        for at, name in enumerate(found):
            if name is not None and name != LEFT_OUT:
                self.fields.setdefault(name, []).append(at)

    def one(self, name: str) -> int:
        at = self.fields[name]
        if len(at) > 1:
            names = self.source.names
            both = " and ".join(names[i] for i in at)
            raise DataError(
                f"{self.source.path}: {name} must be one column, was {both}: leave one out "
                f"(--columns '{names[at[1]]}=-')"
            )
        return at[0]

    def one_time(self, name: str, notes: list[str]) -> int:
        """Of two columns of one time, take the numbers if the text says the same."""
        at = self.fields[name]
        head = self.source.head
        if len(at) == 2 and head:
            texts = [[row[i] for row in head] for i in at]
            try:
                same = np.array_equal(Stamps(name).read(texts[0]), Stamps(name).read(texts[1]))
            except BadCell:
                same = False
            if same:
                number = min(at, key=lambda i: not head[0][i].strip().lstrip("-").isdigit())
                names = [self.source.names[i] for i in (number, *(i for i in at if i != number))]
                notes.append(f"{names[0]} and {names[1]} say the same in the first rows: {names[0]} is read")
                return number
        return self.one(name)


def _kind_of(source: Any, fields: set[str]) -> str:
    quotes, price, bars = fields.issuperset(QUOTE), "price" in fields, "close" in fields
    if bars and (quotes or price):
        raise DataError(
            f"{source.path}: what the file holds must be told by its columns or be given (--kind), was both "
            f"close and {'bid, ask' if quotes else 'price'}: {', '.join(source.names)}"
        )
    if bars:
        return "bars"
    if quotes:
        return "ticks" if price and "volume" in fields else "quotes"
    return "trades" if price and "volume" in fields else "columns"


def _times(placed: _Candidates, kind: str, own: np.dtype[Any] | None, notes: list[str]) -> dict[str, int]:
    source = placed.source
    have = [name for name in TIMES if name in placed.fields]
    if not have:
        raise DataError(
            f"{source.path}: one column must be a time (ts, time, date, timestamp, open_time ...) or be "
            f"placed there (--columns NAME=time), was {', '.join(source.names)}"
        )
    if own is not None:
        return {name: placed.one(name) for name in have}
    if kind == "bars":
        edges = [name for name in ("start", "end") if name in have]
        chosen = edges or have[:1]
        return {name: placed.one_time(name, notes) for name in chosen}
    order = (*CLOCKS, "start", "end") if kind != "columns" else ("time", "start", "recv", "exch", "end")
    clock = next(name for name in order if name in have)
    others = [name for name in CLOCKS if name in have and name != clock and kind != "columns"]
    found: dict[str, int] = {name: placed.one_time(name, notes) for name in (clock, *others)}
    if others:
        notes.append(f"of several clocks {source.names[found[clock]]} is the one that counts")
    return found


def _stamps(source: Any, field: str, at: int, columns: Mapping[str, str], own: bool) -> Stamps:
    name = source.names[at]
    if name not in source.instants:
        by_hand = columns.get(name, "").rpartition("_")[2]
        if own:
            return Stamps(name, "ns", "the names are those of this package's records")
        if by_hand in UNITS:
            return Stamps(name, by_hand, "given by hand")
        unit = named_unit(name) if source.named else None
        return Stamps(name, unit, "the column's name says it" if unit else "", doubted=unit is not None)
    told, zone = source.instants[name]
    stamps = Stamps(name, "ns", told)
    stamps.zone = zone
    return stamps


def _numeric(source: Any, found: Sequence[str | None], notes: list[str]) -> dict[str, int]:
    """Return the columns that are no times and hold numbers, as far as the first rows tell."""
    taken: dict[str, int] = {}
    for at, name in enumerate(source.names):
        if found[at] in (*TIMES, LEFT_OUT):
            continue
        try:
            if name in source.texts:
                raise BadCell(0, "be numbers", name)
            floats([row[at] for row in source.head])
        except BadCell:
            notes.append(f"{name} holds no numbers: left out")
            continue
        if name == "ts" or name in TIMES:
            raise DataError(f"{source.path}: a column of numbers must not be called {name}, was")
        taken[name] = at
    return taken


def _check_complete(source: Any, kind: str, positions: Mapping[str, int]) -> None:
    lacking = [name for name in _NEEDED[kind] if name not in positions]
    if lacking:
        raise DataError(
            f"{source.path}: {kind} must have the columns {', '.join(_NEEDED[kind])} and a time; "
            f"was {', '.join(source.names)} (lacking {', '.join(lacking)})"
        )
