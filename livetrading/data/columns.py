"""Columns of a recording: which field each one is, and how a file of them is read in pieces."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from livetrading.core.dtypes import TICK
from livetrading.data.errors import DataError

__all__ = [
    "CHUNK_ROWS",
    "SUFFIXES",
    "WHOLE",
    "Columns",
    "check_columns",
    "parse_columns",
    "parse_pairs",
    "place",
]

SUFFIXES: Final = (".npy", ".ultra", ".csv", ".csv.gz", ".csv.zst", ".parquet")
"""What the name of a recording, or of a file of results, may end in."""

IGNORE: Final = "-"
"""The field of a column that is left out."""

PLACES: Final[Mapping[str, str]] = {
    **{name: name for name in TICK.names or ()},
    "recv_ns": "recv_ns",
    "exch_ms": "exch_ms",
    "bid_qty": "bid_size",
    "ask_qty": "ask_size",
    "qty": "volume",
    "update_id": IGNORE,
    "trade_id": IGNORE,
}
"""Field by column name. `ts` and `recv_ns` are nanoseconds, `exch_ms` milliseconds since the Unix epoch."""

I8_MAX: Final = 2**63 - 1
WHOLE: Final[Mapping[str, tuple[int, int]]] = {
    "ts": (-I8_MAX, I8_MAX),
    "recv_ns": (-I8_MAX, I8_MAX),
    "exch_ms": (-(I8_MAX // 10**6), I8_MAX // 10**6),
    "side": (-1, 1),
    "flags": (0, 7),
}
"""Fields that are whole numbers, with their bounds; nanoseconds exceed 2**53, so no float comes near them."""

NS_PER_UNIT: Final = {"ts": 1, "recv_ns": 1, "exch_ms": 10**6}
"""Nanoseconds in a unit of each time column, the preferred clock first."""

CHUNK_ROWS: Final = 16_384
"""Rows in a piece of a recording: a mebibyte of ticks, which stays in the cache."""


class Columns(Protocol):
    """A file of columns, open for reading from its first row to its last.

    Attributes
    ----------
    path : Path
    header : list of str
        The columns found.
    fields : list of str
        Those of them that are used, by field.
    """

    path: Path
    header: list[str]
    fields: list[str]

    def __iter__(self) -> Iterator[Mapping[str, NDArray[Any]]]:
        """Yield at most `CHUNK_ROWS` rows at a time, and some rows at least.

        By field, shape (rows,): i8 for side, flags and times, which are nanoseconds whatever their column's
        unit; f8 for the rest, where a cell without a value is NaN.
        """

    @property
    def done(self) -> float:
        """Share of the file that is behind, 0 to 1."""

    def close(self) -> None:
        """Close the file."""


def parse_columns(text: str) -> dict[str, str]:
    """Read the text of ``--columns``.

    Parameters
    ----------
    text : str
        Pairs ``column=field`` separated by commas: the name of a column in the file, and the name it is to be
        read by. That is a field of `TICK`, ``recv_ns``, ``exch_ms``, one of the other names recognised in
        files (``bid_qty``, ``ask_qty``, ``qty``, ``update_id``, ``trade_id``), or ``-`` to leave the column
        out. A column may hold ``=``, no comma.

    Returns
    -------
    dict of str to str
        Field by column, as `read_ticks` takes it.

    Raises
    ------
    DataError
        If an entry is no such pair, a column stands twice, or a field does not exist.

    Examples
    --------
    >>> parse_columns("time=recv_ns, amount=volume, venue=-")
    {'time': 'recv_ns', 'amount': 'volume', 'venue': '-'}
    """
    columns = parse_pairs(text)
    check_columns(columns)
    return columns


def parse_pairs(text: str) -> dict[str, str]:
    """Read ``column=field`` pairs as `parse_columns`, whatever the fields are called."""
    columns: dict[str, str] = {}
    for entry in text.split(","):
        column, _, field = (part.strip() for part in entry.rpartition("="))
        if not column or not field:
            raise DataError(f"columns must be column=field pairs separated by commas, was {text!r}")
        if column in columns:
            raise DataError(f"columns must name each column once, was {text!r} ({column} twice)")
        columns[column] = field
    return columns


def check_columns(columns: Mapping[str, str]) -> None:
    """Raise DataError if `columns` places a column at a field that does not exist."""
    for column, field in columns.items():
        if field != IGNORE and field not in PLACES:
            allowed = ", ".join((*PLACES, IGNORE))
            raise DataError(f"columns must place each column at one of {allowed}, was {column}={field}")


def place(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Find which column each field is.

    Parameters
    ----------
    path : Path
        The file, for the message.
    header : sequence of str
        The names of its columns.
    columns : mapping of str to str
        Field by column, before recognition by name.

    Returns
    -------
    dict of str to int
        Position of the column by field, for the columns that are used.

    Raises
    ------
    DataError
        If a name stands twice, a column cannot be placed, or two are one field.
    """
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(
            f"{path} must name each column once, was {', '.join(header)} ({', '.join(twice)} twice)"
        )
    unknown = [name for name in header if name not in columns and name not in PLACES]
    if unknown:
        raise DataError(
            f"{path}: columns must be among {', '.join(PLACES)}, or be placed by --columns column=field; "
            f"was {', '.join(header)} (unknown: {', '.join(unknown)})"
        )
    placed: dict[str, int] = {}
    for position, name in enumerate(header):
        field = PLACES.get(columns.get(name, name), IGNORE)
        if field == IGNORE:
            continue
        if field in placed:
            both = f"{header[placed[field]]} and {name}"
            raise DataError(f"{path}: {field} must be one column, was {both} (of {', '.join(header)})")
        placed[field] = position
    return placed
