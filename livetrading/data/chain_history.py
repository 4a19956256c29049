"""A day a row: the market's closing price beside the facts of the chain, or these alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import nan
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.chain_state import HEIGHT_ERROR, chain_columns
from livetrading.blockchain.epochs import EPOCHS
from livetrading.blockchain.protocol import SAT_PER_BTC, height_at, issued
from livetrading.data.daily_rows import read_rows
from livetrading.data.errors import DataError
from livetrading.data.merge import PRICE_MAX, PRICE_MIN

__all__ = [
    "FIRST_PRICE",
    "ChainHistory",
    "Gap",
    "date_of",
    "day_of",
    "embedded_history",
    "read_chain_history",
]

Gap = tuple[date, date]
"""First and last missing day, both included."""

DAY_S: Final = 86_400
FIRST_DATE: Final = date(1970, 1, 1)
GENESIS: Final = date(2009, 1, 3)
FIRST_PRICE: Final = date(2010, 7, 18)
"""Before it there was no market to speak of."""
LAST: Final = date(2139, 12, 31)
"""About when the last satoshi is paid."""
HEIGHT_TOLERANCE: Final = 2016
"""Blocks that a file's height may stand from where the embedded table has the chain at that time."""
CAP_MAX: Final = 1e18

DATES: Final = ("date", "time", "open_time_ms")
PRICES: Final = ("price_usd", "close", "price", "priceusd")
NUMBERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("height_eod", "height"), "height"),
        **dict.fromkeys(("market_cap_usd", "capmrktcurusd"), "market_cap_usd"),
        **dict.fromkeys(("realized_cap_usd", "caprealusd"), "realized_cap_usd"),
        **dict.fromkeys(("active_addresses", "adractcnt"), "active_addresses"),
        **dict.fromkeys(("transfer_btc", "transfer_adj_btc", "txtfrvaladjntv"), "transfer_btc"),
        **dict.fromkeys(("fees_btc", "feetotntv"), "fees_btc"),
        **dict.fromkeys(("blocks", "blkcnt"), "blocks"),
        **dict.fromkeys(("tx_count", "txcnt"), "tx_count"),
        **dict.fromkeys(("exchange_inflow_usd", "flowinexusd"), "exchange_inflow_usd"),
        **dict.fromkeys(("exchange_outflow_usd", "flowoutexusd"), "exchange_outflow_usd"),
        "difficulty_mean": "difficulty_mean",
    }
)
"""Channel by the name of a column, in small letters; Coin Metrics' names among them."""
POSITIVE: Final = frozenset(("market_cap_usd", "realized_cap_usd", "difficulty_mean"))


@dataclass(frozen=True, kw_only=True)
class ChainHistory:
    """Daily columns, and what is missing between them.

    Attributes
    ----------
    path : Path or None
        The file; None where all is from the embedded facts of the chain.
    columns : mapping of str to ndarray, shape (n,)
        By the names of `livetrading.blockchain.valuation.CHANNELS`. `day` (int64, days since 1970-01-01,
        strictly increasing), `time` (int64, its end at 24:00 UTC) and `height` (int64) are always there, and
        so are `difficulty`, `hash_rate`, `efficiency` and `supply_btc`, which follow from them; `price_usd`
        and the rest where the file has them, NaN in a row without. Read-only.
    gaps : tuple of (date, date)
        First and last day of every stretch between the first and the last price that has none; they are
        reported here and filled nowhere.
    notes : tuple of str
        In words: what was left out, what is an estimate.
    """

    path: Path | None
    columns: Mapping[str, NDArray[Any]]
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...]

    def between(self, first: date | None = None, last: date | None = None) -> "ChainHistory":
        """Return the rows of some days alone.

        Parameters
        ----------
        first, last : date, optional
            Both included; without them the first and the last row.

        Raises
        ------
        DataError
            If there is no such row.
        """
        days = self.columns["day"]
        low = int(days[0]) if first is None else day_of(first)
        high = int(days[-1]) if last is None else day_of(last)
        kept = (days >= low) & (days <= high)
        if not kept.any():
            asked = f"{first or 'the first'} to {last or 'the last'}"
            raise DataError(
                f"days must be among those of {self.path or 'the chain'}, {date_of(days[0])} to "
                f"{date_of(days[-1])}, was {asked}"
            )
        columns = {name: values[kept] for name, values in self.columns.items()}
        return _history(self.path, columns, self.notes)


def day_of(day: date) -> int:
    """Return the days from 1970-01-01 to a date."""
    return (day - FIRST_DATE).days


def date_of(day: int) -> date:
    """Return the date of a number of days since 1970-01-01."""
    return FIRST_DATE + timedelta(days=int(day))


def read_chain_history(path: Path) -> ChainHistory:
    """Read a file with a price a day.

    Parameters
    ----------
    path : Path
        A ``.csv``, ``.csv.gz``, ``.csv.zst`` or ``.parquet`` file whose columns have names, in letters large
        or small: one of ``date``, ``time`` and ``open_time_ms``; one of ``price_usd``, ``close``, ``price``
        and ``PriceUSD``; and as they come ``height_eod`` or ``height``, ``market_cap_usd``,
        ``realized_cap_usd``, ``active_addresses``, ``transfer_btc``, ``fees_btc``, ``blocks``, ``tx_count``,
        ``difficulty_mean``, ``exchange_inflow_usd``, ``exchange_outflow_usd``, under these or Coin Metrics'
        names. Others are not used, and named in a note.

    Returns
    -------
    ChainHistory

    Raises
    ------
    DataError
        If the file cannot be read, a column is missing, or a value is outside its range; dates must increase.
        The message names the line.
    ExtraMissing
        If the format needs pyarrow and it is not installed.

    Notes
    -----
    A day is a date (YYYY-MM-DD, UTC). What is an instant, in seconds or milliseconds since the Unix epoch or
    in ISO 8601, must be 00:00 UTC, and is the day that begins then, as candles are stamped. An empty cell is
    not known; a price must not be NaN, 0 or negative. A row marked ``ok`` = 0 counts as one without a price.

    Heights that the file does not have are those of the embedded table at the day's end, good to about 120
    blocks. Difficulty is that of the height's epoch, and hash rate difficulty x 2^32 / 600.
    """
    path = Path(path)
    header, rows = read_rows(path)
    places, unused = _place(path, header)
    table, flagged = _read_table(path, places, rows)
    days = np.array(table.pop("day"), np.int64)
    heights = table.pop("height", None)
    columns: dict[str, NDArray[Any]] = {"day": days, "time": (days + 1) * DAY_S}
    if heights is not None:
        columns["height"] = _heights(path, table.pop("place"), columns["time"], heights)
    table.pop("place", None)
    columns.update({name: np.array(values, np.float64) for name, values in table.items()})
    columns |= _chain_facts(columns)
    notes = [f"columns not used: {', '.join(unused)}"] if unused else []
    if flagged:
        notes.append(f"{flagged} rows are marked ok = 0 and count as days without a price")
    notes += [*_unknown(columns), *_estimates(columns["height"], heights is None)]
    return _history(path, columns, tuple(notes))


def embedded_history(first: date = FIRST_PRICE, last: date | None = None) -> ChainHistory:
    """Return the facts of the chain day by day, without a market.

    Parameters
    ----------
    first, last : date
        Both included. Without `last` it is the last whole day of the embedded table of epochs.

    Returns
    -------
    ChainHistory
        Without a column of prices.

    Raises
    ------
    DataError
        If a date is before 2009-01-03 or after 2139-12-31, or `last` before `first`.
    """
    end = date_of(int(EPOCHS.time[-1]) // DAY_S - 1) if last is None else last
    for name, day in (("first", first), ("last", end)):
        if not GENESIS <= day <= LAST:
            raise DataError(f"{name} day must be from {GENESIS} to {LAST}, was {day}")
    if end < first:
        raise DataError(f"last day must not be before {first}, was {end}")
    days = np.arange(day_of(first), day_of(end) + 1, dtype=np.int64)
    columns: dict[str, NDArray[Any]] = {"day": days, "time": (days + 1) * DAY_S}
    columns.update(_chain_facts(columns))
    return _history(None, columns, tuple(_estimates(columns["height"], True)))


def _unknown(columns: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Say which columns have no value on days with a price: models of these have fewer days to go by."""
    priced = ~np.isnan(columns["price_usd"])
    alike: dict[tuple[int, ...], list[str]] = {}
    for name, values in columns.items():
        days = columns["day"][priced & np.isnan(values)]
        if len(days):
            alike.setdefault(tuple(days.tolist()), []).append(name)
    for missing, names in alike.items():
        yield (
            f"not known on {len(missing):,} of {np.count_nonzero(priced):,} days with a price, the first "
            f"{date_of(missing[0])}, the last {date_of(missing[-1])}, and not filled: {', '.join(names)}"
        )


def _history(path: Path | None, columns: Mapping[str, NDArray[Any]], notes: tuple[str, ...]) -> ChainHistory:
    for values in columns.values():
        values.flags.writeable = False
    days = columns["day"]
    priced = days[~np.isnan(columns["price_usd"])] if "price_usd" in columns else days
    gaps = tuple(
        (date_of(before + 1), date_of(after - 1)) for before, after in pairwise(priced) if after - before > 1
    )
    return ChainHistory(path=path, columns=MappingProxyType(dict(columns)), gaps=gaps, notes=notes)


def _place(path: Path, header: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Find the position of each channel, and the columns that are none."""
    names = [name.lower() for name in header]
    places: dict[str, int] = {}
    for channel, known in (("date", DATES), ("price_usd", PRICES)):
        found = [name for name in names if name in known]
        if len(found) != 1:
            raise DataError(f"{path} must have one column of {', '.join(known)}, was {', '.join(header)}")
        places[channel] = names.index(found[0])
    unused = []
    for position, name in enumerate(names):
        channel = "ok" if name == "ok" else NUMBERS.get(name, "")
        if channel in places:
            raise DataError(f"{path} must have one column of {channel}, was {', '.join(header)}")
        if channel:
            places[channel] = position
        elif position not in places.values():
            unused.append(header[position])
    return places, unused


def _read_table(path: Path, places: Mapping[str, int], rows: Any) -> tuple[dict[str, list[Any]], int]:
    """Read every row; a list for each channel, and how many rows are marked as bad."""
    channels = [name for name in places if name not in ("date", "ok")]
    table: dict[str, list[Any]] = {"day": [], "place": [], **{name: [] for name in channels}}
    flagged = 0
    for place, cells in rows:
        at = f"{path}, {place}"
        day = _day(at, cells[places["date"]])
        if table["day"] and day <= table["day"][-1]:
            before = date_of(table["day"][-1])
            kind = "the same day again" if day == table["day"][-1] else f"{date_of(day)}"
            raise DataError(f"{at}: a date must be after that of the row before, {before}, was {kind}")
        table["day"].append(day)
        table["place"].append(place)
        for name in channels:
            table[name].append(_number(at, name, cells[places[name]]))
        if "ok" in places and cells[places["ok"]] != "1":
            if cells[places["ok"]] != "0":
                raise DataError(f"{at}: ok must be 0 or 1, was {cells[places['ok']]!r}")
            table["price_usd"][-1] = nan
            flagged += 1
    if not table["day"]:
        raise DataError(f"{path} must hold at least one row, was a header alone")
    if all(price != price for price in table["price_usd"]):
        raise DataError(f"{path} must hold at least one price, was {len(table['day'])} rows without any")
    return table, flagged


def _day(at: str, cell: str) -> int:
    rule = f"a date from {GENESIS} to {LAST}, or 00:00 UTC of one"
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
            day = day_of(date.fromisoformat(cell))
        else:
            day, rest = divmod(_instant_ms(cell), 1000 * DAY_S)
            if rest:
                raise DataError(f"{at}: a day must be {rule}, was {cell!r}")
    except (ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{at}: a day must be {rule}, was {cell!r}") from error
    if not day_of(GENESIS) <= day <= day_of(LAST):
        raise DataError(f"{at}: a day must be {rule}, was {cell!r}")
    return day


def _instant_ms(cell: str) -> int:
    """Milliseconds of an instant; whole numbers below 1e11 are seconds, which reach to the year 5138."""
    if re.fullmatch(r"[0-9]{1,15}", cell):
        return int(cell) * (1000 if int(cell) < 10**11 else 1)
    when = datetime.fromisoformat(cell)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return round(when.timestamp() * 1000)


def _number(at: str, name: str, cell: str) -> float | int:
    """Return the value of a cell, NaN where there is none."""
    if not cell and name != "height":
        return nan
    low, high = (PRICE_MIN, PRICE_MAX) if name == "price_usd" else (0.0, CAP_MAX)
    rule = "a whole number from 0 to 6929999" if name == "height" else f"from {low:g} to {high:g}"
    if name in POSITIVE:
        rule = f"above 0, up to {high:g}"
    try:
        # Python takes more: the digits of every script, and underscores between them.
        text = ascii(cell)[1:-1].replace("_", "?")
        if name == "height":
            whole = int(text)
            if not 0 <= whole < 6_930_000:
                raise DataError(f"{at}: {name} must be {rule}, was {cell!r}")
            return whole
        value = float(text)
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{at}: {name} must be {rule}, was {cell!r}") from error
    if not low <= value <= high or (name in POSITIVE and value == 0.0):
        raise DataError(f"{at}: {name} must be {rule}, was {cell!r}")
    return value


def _heights(
    path: Path, places: Sequence[str], times: NDArray[np.int64], given: Sequence[int]
) -> NDArray[np.int64]:
    """Check heights against each other and against the chain."""
    heights = np.array(given, np.int64)
    falls = np.flatnonzero(np.diff(heights) < 0) + 1
    if len(falls):
        row = falls[0]
        rule = f"must not be below that of the row before, {heights[row - 1]}"
        raise DataError(f"{path}, {places[row]}: height {rule}, was {heights[row]}")
    known = times <= EPOCHS.time[-1]
    expected = height_at(times)
    off = np.flatnonzero(known & (np.abs(heights - expected) > HEIGHT_TOLERANCE))
    if len(off):
        row = off[0]
        low, high = max(0, expected[row] - HEIGHT_TOLERANCE), expected[row] + HEIGHT_TOLERANCE
        rule = f"must be from {low} to {high} at the end of that day"
        raise DataError(f"{path}, {places[row]}: height {rule}, was {heights[row]}")
    return heights


def _chain_facts(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Compute what follows from day and height; heights from the embedded table where there are none."""
    times = columns["time"]
    given = columns.get("height")
    # A second before its end: the day whose efficiency it is.
    facts = {**chain_columns(given, times - 1)} if given is not None else {**chain_columns(times=times - 1)}
    del facts["time"]
    if "blocks" in columns and given is not None:
        facts.update(_of_blocks(columns, given))
    return facts


def _of_blocks(
    columns: Mapping[str, NDArray[Any]], heights: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Compute what takes the count of a day's blocks: what they were paid, and the hash rate they show."""
    blocks = columns["blocks"]
    counted = ~np.isnan(blocks) & (blocks <= heights + 1)
    before = np.where(counted, heights - np.where(counted, blocks, 0), heights).astype(np.int64)
    earlier = np.where(before >= 0, np.asarray(issued(np.maximum(before, 0))), 0)
    paid = (np.asarray(issued(heights)) - earlier) / SAT_PER_BTC
    facts = {"issuance_btc": np.where(counted, paid, nan)}
    if "difficulty_mean" in columns:
        facts["hash_rate_observed"] = columns["difficulty_mean"] * 2.0**32 * blocks / DAY_S
    return facts


def _estimates(heights: NDArray[np.int64], embedded: bool) -> list[str]:
    """Say which facts of the chain are estimates."""
    notes = []
    if embedded:
        notes.append(f"heights are those of the embedded table, standard error about {HEIGHT_ERROR:g} blocks")
    if heights[-1] >= EPOCHS.end_height:
        notes.append(
            f"the embedded table ends with height {EPOCHS.end_height - 1}: beyond it the difficulty is held, "
            "and heights that the file does not give come every 600 s"
        )
    return notes
