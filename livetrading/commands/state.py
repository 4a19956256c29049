"""The state of the chain that a command is asked about, read from its options."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Final, TypedDict

from livetrading.commands import wall_clock
from livetrading.commands.output import text_option

if TYPE_CHECKING:
    from livetrading.blockchain.chain_state import ChainState
    from livetrading.blockchain.protocol import DomainError

__all__ = [
    "At",
    "Efficiency",
    "EnergyCost",
    "HashRate",
    "Height",
    "asked_inputs",
    "asked_state",
    "iso",
    "parse_whole",
]

Height = Annotated[str | None, text_option("As of this block.", "N")]
At = Annotated[
    str | None,
    text_option("As of this time: 2025-11-30 (00:00 UTC), 2025-11-30T04:48Z, or Unix seconds.", "DATE"),
]
EnergyCost = Annotated[str | None, text_option("Cost of energy in USD/kWh (default 0.044).", "C")]
Efficiency = Annotated[
    str | None, text_option("Energy of the machines in J/TH (default: the network's at the time).", "E")
]
HashRate = Annotated[
    str | None, text_option("Hash rate in EH/s (default: what the difficulty implies).", "R")
]

DATE: Final = r"\d{4}-\d{2}-\d{2}"
MOMENT: Final = rf"{DATE}[T ]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d{{1,6}})?)?(Z|[+-]\d{{2}}:?\d{{2}})"
NUMBER: Final = r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)"
UNIX: Final = r"[+-]?\d{1,12}"
LAST_SECOND: Final = 253_402_300_799
"""Of the year 9999, the last that a date can name."""
LAST_HEIGHT: Final = 2**31 - 1
"""A node counts blocks in 32 bits."""
LARGEST: Final = 1e12
"""Of a cost, an efficiency or a hash rate, far beyond any use."""
H_PER_EH: Final = 10**18


class Inputs(TypedDict, total=False):
    """What is given of the inputs that are no facts of the chain: USD/kWh, J/TH and H/s."""

    energy_cost: float
    efficiency: float
    hash_rate: float


def asked_state(
    height: str | None = None,
    at: str | None = None,
    *,
    energy_cost: str | None = None,
    efficiency: str | None = None,
    hash_rate: str | None = None,
) -> "ChainState":
    """State of the chain at a block, at a time, or now if neither is given.

    Raises
    ------
    DomainError
        If a text cannot be read, a value is outside its range, or both `height` and `at` are given.
    """
    if height is not None and at is not None:
        raise _domain_error(f"--height and --at must be given one at a time, was {height} and {at}")
    block = None if height is None else parse_whole(height, "height", "--height", 0, LAST_HEIGHT)
    time = None if at is None else _parse_time(at)
    inputs = asked_inputs(energy_cost, efficiency, hash_rate)
    from livetrading.blockchain.chain_state import chain_state
    from livetrading.blockchain.protocol import GENESIS_BLOCK_TIME

    if time is not None and time < GENESIS_BLOCK_TIME:
        first = datetime.fromtimestamp(GENESIS_BLOCK_TIME, UTC).isoformat().replace("+00:00", "Z")
        raise _domain_error(f"time must be {first}, the genesis block's, or later, was {at} (--at)")
    if block is None and time is None:
        time = wall_clock.now_ns() // wall_clock.NS_PER_S
    return chain_state(block, time, **inputs)


def asked_inputs(
    energy_cost: str | None = None, efficiency: str | None = None, hash_rate: str | None = None
) -> Inputs:
    """Read what is given, in the units of `chain_state`.

    Raises
    ------
    DomainError
        If a text is no number, or one outside its range.
    """
    inputs: Inputs = {}
    if energy_cost is not None:
        inputs["energy_cost"] = _parse_positive(energy_cost, "energy cost", "USD/kWh", "--energy-cost")
    if efficiency is not None:
        inputs["efficiency"] = _parse_positive(efficiency, "efficiency", "J/TH", "--efficiency")
    if hash_rate is not None:
        _parse_positive(hash_rate, "hash rate", "EH/s", "--hash-rate")
        inputs["hash_rate"] = float(Decimal(hash_rate) * H_PER_EH)  # rounded once
    return inputs


def parse_whole(text: str, name: str, flag: str, low: int, high: int) -> int:
    """Read a whole number from `low` to `high`."""
    if not re.fullmatch(r"[+-]?\d{1,30}", text, re.ASCII):
        raise _domain_error(f"{name} must be a whole number, was {text!r} ({flag})")
    if not low <= int(text) <= high:
        raise _domain_error(f"{name} must be from {low} to {high}, was {int(text)} ({flag})")
    return int(text)


def _parse_positive(text: str, name: str, unit: str, flag: str) -> float:
    # Python would also take the digits of other scripts, and underscores between them.
    if not re.fullmatch(NUMBER, text, re.ASCII | re.IGNORECASE):
        raise _domain_error(f"{name} must be a number, in {unit}, was {text!r} ({flag})")
    value = float(text)
    if not (isfinite(value) and 0.0 < value <= LARGEST):
        raise _domain_error(f"{name} must be above 0 and at most {LARGEST:g} {unit}, was {value!r} ({flag})")
    return value


def _parse_time(text: str) -> int:
    """Read a date, a moment with its offset, or Unix seconds; s since the Unix epoch, rounded down."""
    if re.fullmatch(UNIX, text, re.ASCII):
        if int(text) > LAST_SECOND:
            raise _domain_error(f"time must be at most {LAST_SECOND} s, the end of 9999, was {text} (--at)")
        return int(text)
    try:
        if re.fullmatch(DATE, text, re.ASCII):
            return int(datetime.fromisoformat(f"{text}T00:00Z").timestamp())
        if re.fullmatch(MOMENT, text, re.ASCII):
            return int(datetime.fromisoformat(text).timestamp() // 1)
    except (ValueError, OverflowError):
        pass  # such as a 30th of February: what follows says the rule
    raise _domain_error(
        "time must be a date (2025-11-30), a date and time with Z or an offset (2025-11-30T04:48Z), or whole "
        f"Unix seconds, was {text!r} (--at)"
    )


def _domain_error(message: str) -> "DomainError":
    # The protocol brings numpy along, which a command's help need not wait for.
    from livetrading.blockchain.protocol import DomainError

    return DomainError(message)


def iso(time: int) -> str:
    """Write a time, s since the Unix epoch, as UTC."""
    from numpy import datetime64

    return f"{datetime64(time, 's')}Z"
