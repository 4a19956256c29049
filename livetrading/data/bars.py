"""Bars from ticks, live or recorded, in flat memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.bar_rules import (
    BarRule,
    DollarBars,
    DollarImbalanceBars,
    RunBars,
    TickBars,
    TickImbalanceBars,
    TimeBars,
    VolumeBars,
    VolumeImbalanceBars,
)
from livetrading.core.bars import BarBuilder
from livetrading.core.dtypes import TICK
from livetrading.core.errors import BarError

__all__ = [
    "PARAMETERS",
    "RULES",
    "BarBuilder",
    "BarError",
    "BarRule",
    "DollarBars",
    "DollarImbalanceBars",
    "RunBars",
    "TickBars",
    "TickImbalanceBars",
    "TimeBars",
    "VolumeBars",
    "VolumeImbalanceBars",
    "bars",
    "parse_rule",
    "tick_chunks",
]

Rows = NDArray[np.void]

PARAMETERS: Final = ("T0", "span_T", "span_b", "T_min", "T_max")
"""What the rules that expect take."""

BY_THRESHOLD: Final[Mapping[str, Callable[[str, bool], BarRule]]] = {
    "time": lambda text, fill: TimeBars(text, fill=fill),
    "tick": lambda text, _: TickBars(_whole(text)),
    "volume": lambda text, _: VolumeBars(_real("volume of a bar", text)),
    "dollar": lambda text, _: DollarBars(_real("value of a bar", text)),
}
BY_EXPECTATION: Final[Mapping[str, Callable[..., BarRule]]] = {
    "tick-imbalance": TickImbalanceBars,
    "volume-imbalance": VolumeImbalanceBars,
    "dollar-imbalance": DollarImbalanceBars,
    "tick-run": lambda **given: RunBars("tick", **given),
    "volume-run": lambda **given: RunBars("volume", **given),
    "dollar-run": lambda **given: RunBars("dollar", **given),
}
RULES: Final = (*(f"{name}:{of}" for name, of in zip(BY_THRESHOLD, ("1m", "1000", "10", "1e6"), strict=True)),
                *BY_EXPECTATION)  # fmt: skip
"""How each rule is written, with an example of a threshold."""


def bars(
    ticks: Rows | Iterable[Rows], rule: BarRule | BarBuilder, *, with_open: bool = False
) -> Iterator[Rows]:
    """Build bars from ticks, chunk by chunk.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n,), or iterable of such
        A market or a recording, such as `open_ticks` gives; how it is cut does not matter.
    rule : BarRule or BarBuilder
        What closes a bar: `TimeBars`, `TickBars`, `VolumeBars`, `DollarBars`, `TickImbalanceBars`,
        `VolumeImbalanceBars`, `DollarImbalanceBars` or `RunBars`. A builder goes on from where it stands, and
        tells afterwards what it has rejected.
    with_open : bool
        Whether the bar that is open when the ticks end comes last, with the flag `BarFlag.OPEN`.

    Yields
    ------
    ndarray of BAR, shape (rows,)
        At least one row.

    Raises
    ------
    BarError
        If a gap would be filled with more than 1,048,576 bars.
    TypeError
        If `rule` is none, or what comes of `ticks` no one-dimensional array of TICK.

    Examples
    --------
    >>> ticks = np.zeros(4, TICK)
    >>> ticks["ts"], ticks["bid"], ticks["ask"], ticks["flags"] = [0, 400, 900, 2100], 99, 101, 1
    >>> ticks["price"] = 100
    >>> [chunk["ts"].tolist() for chunk in bars(ticks, TimeBars("1us"), with_open=True)]
    [[1000], [3000]]
    """
    return _stream(ticks, rule if isinstance(rule, BarBuilder) else BarBuilder(rule), with_open)


def _stream(ticks: Rows | Iterable[Rows], builder: BarBuilder, with_open: bool) -> Iterator[Rows]:
    for chunk in tick_chunks(ticks):
        if len(closed := builder.push(chunk)):
            yield closed
    if with_open and len(standing := builder.open_bar()):
        yield standing


def tick_chunks(ticks: Rows | Iterable[Rows]) -> Iterator[Rows]:
    """Yield the array or the arrays as the core takes them, contiguous; TypeError if one is none of TICK."""
    for rows in [ticks] if isinstance(ticks, np.ndarray) else ticks:
        if not isinstance(rows, np.ndarray) or rows.dtype != TICK or rows.ndim != 1:
            found = f"{rows.dtype} of shape {rows.shape}" if isinstance(rows, np.ndarray) else repr(rows)
            raise TypeError(f"ticks must be one-dimensional arrays of TICK, was {found}")
        yield np.require(rows, requirements=["C", "A"])


def parse_rule(text: str, parameters: Iterable[str] = (), *, fill: bool = False) -> BarRule:
    """Read the text of ``--rule`` and of each ``--param``.

    Parameters
    ----------
    text : str
        ``time:1m``, ``tick:1000``, ``volume:10`` (BTC), ``dollar:1e6`` (USD), ``tick-imbalance``,
        ``volume-imbalance``, ``dollar-imbalance``, ``tick-run``, ``volume-run`` or ``dollar-run``.
    parameters : iterable of str
        Of the rules without a threshold, each as ``T0=50``; see `TickImbalanceBars`.
    fill : bool
        Of a rule by time; see `TimeBars`.

    Returns
    -------
    BarRule

    Raises
    ------
    BarError
        If there is no such rule, or it has no such threshold or parameter.

    Examples
    --------
    >>> parse_rule("volume:10")
    VolumeBars(btc=10.0)
    """
    name, colon, of = text.partition(":")
    given = _parameters(parameters)
    if fill and name != "time":
        raise BarError(f"fill must be asked of bars by time, was asked of {text}")
    if name in BY_THRESHOLD and colon:
        if given:
            raise BarError(f"parameters must be given to a rule that expects, was given to {text}")
        return BY_THRESHOLD[name](of, fill)
    if name in BY_EXPECTATION and not colon:
        return BY_EXPECTATION[name](**given)
    raise BarError(f"rule must be one of {', '.join(RULES)}, was {text!r}")


def _parameters(texts: Iterable[str]) -> dict[str, float]:
    given: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in PARAMETERS:
            raise BarError(f"a parameter must be one of {', '.join(PARAMETERS)} and its value, was {text!r}")
        if name in given:
            raise BarError(f"a parameter must be given once, was {name} twice")
        given[name] = _real(name, value)
    return given


def _real(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise BarError(f"{name} must be a number, was {text!r}")
    return value


def _whole(text: str) -> int:
    value = _real("trades of a bar", text)
    if value != int(value):
        raise BarError(f"trades of a bar must be a whole number, was {text!r}")
    return int(value)
