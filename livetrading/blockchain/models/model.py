"""What a valuation model is, what it is given and what it answers.

A model reads columns: a number or an array for each name in `CHANNELS`, one row a moment or a day. What is
missing or undefined in a row is NaN there, with the reason in words beside it; what is wrong, such as a
negative price, is an error.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.blockchain.protocol import DomainError

__all__ = [
    "CHANNELS",
    "ChannelModel",
    "Columns",
    "Computed",
    "Floats",
    "Kind",
    "Model",
    "Valuation",
    "Window",
    "masked_ratio",
]

Floats = NDArray[np.float64]
Columns = Mapping[str, ArrayLike]
Kind = Literal["price", "cap", "ratio", "energy", "signal"]
Window = tuple[date, date]
"""First and last day, both included."""

Rule = Literal["integer >= 0", ">= 0", "> 0", "any"]
CHANNELS: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "day": "integer >= 0",
        "time": "any",
        "height": "integer >= 0",
        "difficulty": "> 0",
        "difficulty_mean": "> 0",
        "hash_rate": ">= 0",
        "hash_rate_observed": ">= 0",
        "efficiency": "> 0",
        "energy_cost": ">= 0",
        "supply_btc": "> 0",
        "price_usd": "> 0",
        "market_cap_usd": "> 0",
        "realized_cap_usd": "> 0",
        "active_addresses": ">= 0",
        "transfer_btc": ">= 0",
        "fees_btc": ">= 0",
        "blocks": ">= 0",
        "issuance_btc": ">= 0",
        "tx_count": ">= 0",
        "exchange_inflow_usd": ">= 0",
        "exchange_outflow_usd": ">= 0",
    }
)
"""The columns a model may ask for, and what a value of each must be; NaN in a float column means not known.

`day` counts whole UTC days from 1970-01-01; a row of a daily table carries the day it is of, whose end is its
`time`. `hash_rate` is that of the difficulty unless the caller says otherwise; `hash_rate_observed` and
`difficulty_mean` are of the day's own blocks.
"""


LARGEST: Final = 2**62
"""Of a height or a day: their arithmetic stays inside 64 bits."""


@dataclass(frozen=True, slots=True)
class Valuation:
    """What a model says, with every intermediate; all arrays have the shape of the inputs.

    Attributes
    ----------
    model : str
        Its name in the registry.
    unit : str
        Unit of `value`: "USD/BTC", "USD", "1", "J/BTC", ...
    value : ndarray of float64
        The answer; NaN where `reason` says why.
    price_usd : ndarray of float64
        The answer as USD/BTC where the model implies a price, else NaN.
    parts : mapping of str to ndarray of float64
        The intermediates by name.
    reason : ndarray of str
        "" where `value` is a number.
    notes : tuple of str
        What holds for all of it: what was fitted to prices, what is a convention, what is singular.
    """

    model: str
    unit: str
    value: Floats
    price_usd: Floats
    parts: Mapping[str, Floats]
    reason: NDArray[np.str_]
    notes: tuple[str, ...]


class Model(Protocol):
    """A valuation model: its constants, where they come from, and its answer.

    Attributes
    ----------
    name, title : str
        Name in the registry, and in words.
    unit : str
        Of the answer.
    kind : {"price", "cap", "ratio", "energy", "signal"}
        What the answer is.
    channels, optional : tuple of str
        Columns without which there is no answer, and those that only a part of it needs.
    source : str
        Author, year and venue, and what of it is from memory.
    fitted : bool
        A coefficient was fitted to market prices.
    fit_window : (date, date) or None
        The days of that fit; None where nothing was fitted or the window is not known.
    prices_inside : bool
        The columns it reads contain market prices, so that it is no value apart from the market.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def optional(self) -> tuple[str, ...]: ...
    @property
    def source(self) -> str: ...
    @property
    def fitted(self) -> bool: ...
    @property
    def fit_window(self) -> Window | None: ...
    @property
    def prices_inside(self) -> bool: ...

    def available(self, channels: Collection[str]) -> bool:
        """Whether these columns are enough for an answer."""
        ...

    def value(self, columns: Columns) -> Valuation:
        """The answer for every row."""
        ...


@dataclass(frozen=True, slots=True)
class Computed:
    """What a model makes of its columns, before reasons are put beside it.

    `undefined` holds masks with their reason in words; of several that hold in a row the first counts.
    """

    value: Floats
    parts: Mapping[str, Floats]
    price_usd: Floats | None = None
    undefined: Sequence[tuple[NDArray[np.bool_], str]] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChannelModel(ABC):
    """A `Model` that computes row by row, or over rows, from checked columns."""

    name: str
    title: str
    source: str
    unit: str = field(init=False, default="USD/BTC")
    kind: Kind = field(init=False, default="price")
    channels: tuple[str, ...] = field(init=False, default=())
    optional: tuple[str, ...] = field(init=False, default=())
    fitted: bool = field(init=False, default=False)
    fit_window: Window | None = field(init=False, default=None)
    prices_inside: bool = field(init=False, default=False)

    @abstractmethod
    def compute(self, columns: Mapping[str, Any]) -> Computed:
        """The answer from columns of one shape; those that are optional and absent are NaN."""

    def available(self, channels: Collection[str]) -> bool:
        """Whether these columns are enough for an answer."""
        return set(self.channels) <= set(channels)

    def value(self, columns: Columns) -> Valuation:
        """The answer for every row.

        Parameters
        ----------
        columns : mapping of str to float or array
            The columns by their names in `CHANNELS`, of equal shapes; a single number counts for all rows.

        Returns
        -------
        Valuation
            NaN with a reason where a column is absent, or NaN in a row.

        Raises
        ------
        DomainError
            If a value is infinite or outside its column's range, or shapes differ.
        TypeError
            If `height` or `day` is not of integers.
        """
        wanted = (*self.channels, *self.optional)
        given = _read({name: columns[name] for name in wanted if name in columns})
        shape = next(iter(given.values())).shape if given else _shape(columns)
        nothing = np.full(shape, np.nan)
        absent = [name for name in self.channels if name not in given]
        if absent:
            reason = np.full(shape, f"needs {', '.join(absent)}")
            return Valuation(self.name, self.unit, nothing, nothing, MappingProxyType({}), reason, ())
        with np.errstate(over="ignore", invalid="ignore"):
            done = self.compute({**dict.fromkeys(self.optional, nothing), **given})
        large = (np.isinf(done.value), "too large for a float")
        unknown = [(np.isnan(given[name]), f"needs {name}") for name in self.channels]
        reason = _reasons(shape, [*done.undefined, *unknown, large])
        bare = [name for name in self.optional if name not in given]
        price = nothing if done.price_usd is None else np.where(reason == "", _finite(done.price_usd), np.nan)
        return Valuation(
            model=self.name,
            unit=self.unit,
            value=np.where(reason == "", done.value, np.nan),
            price_usd=price,
            parts=MappingProxyType({name: _finite(part) for name, part in done.parts.items()}),
            reason=reason,
            notes=(*done.notes, *((f"parts that need {', '.join(bare)} are not known",) if bare else ())),
        )


def _shape(columns: Columns) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(np.shape(column) for column in columns.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(column)}" for name, column in columns.items())
        raise DomainError(f"columns must have equal shapes, was {shapes}") from None


def _read(columns: Columns) -> dict[str, NDArray[Any]]:
    """Columns checked by their rules and broadcast to one shape."""
    shape = _shape(columns)
    return {name: np.broadcast_to(_checked(name, column), shape) for name, column in columns.items()}


def _checked(name: str, column: ArrayLike) -> NDArray[Any]:
    rule, values = CHANNELS[name], np.asarray(column)
    whole = rule == "integer >= 0"
    kind, wanted = (np.integer, "integers") if whole else (np.number, "numbers")
    if not np.issubdtype(values.dtype, kind) or np.iscomplexobj(values):
        raise TypeError(f"{name} must be of {wanted}, was {values.dtype}")
    if whole:
        bad = (values < 0) | (values > LARGEST)
    else:
        values = values.astype(np.float64, copy=False)
        low = {"> 0": values <= 0.0, ">= 0": values < 0.0, "any": np.False_}[rule]
        bad = np.isinf(values) | low
    if np.any(bad):
        allowed = f"from 0 to {LARGEST}" if whole else "finite" if rule == "any" else f"finite and {rule}"
        raise DomainError(f"{name} must be {allowed}, was {values[bad].ravel()[0]!s}")
    return values.astype(np.int64, copy=False) if whole else values


def _reasons(shape: tuple[int, ...], undefined: Sequence[tuple[NDArray[np.bool_], str]]) -> NDArray[np.str_]:
    reason = np.full(shape, "", dtype="<U1")
    for mask, text in reversed(undefined):
        if np.any(mask):
            reason = np.where(mask, text, reason)
    return reason


def _finite(part: Floats) -> Floats:
    return np.asarray(np.where(np.isinf(part), np.nan, part), np.float64)


def masked_ratio(numerator: Floats | float, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is 0."""
    return np.asarray(numerator / np.where(denominator == 0.0, np.nan, denominator))
