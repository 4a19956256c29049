"""``livetrading price stream``: TRUE PRICE line by line, from the time and the known blocks."""

import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Annotated, Any, Final

import typer

from livetrading.commands import wall_clock
from livetrading.commands.output import DONE, INTERRUPTED, figure, json_option, plain, print_json, text_option
from livetrading.commands.price import price_app
from livetrading.commands.state import (
    Efficiency,
    EnergyCost,
    HashRate,
    Inputs,
    asked_inputs,
    iso,
    parse_whole,
)
from livetrading.engine.interrupt import Interrupt

__all__ = ["ticks"]

BROKEN_PIPE: Final = int(getattr(signal, "SIGPIPE", 13))


@price_app.command()
def stream(
    ctx: typer.Context,
    every: Annotated[str, text_option("A line every S seconds (default 1).", "S")] = "1",
    count: Annotated[str | None, text_option("Lines to print (default: until Ctrl-C).", "N")] = None,
    energy_cost: EnergyCost = None,
    efficiency: Efficiency = None,
    hash_rate: HashRate = None,
    json: Annotated[bool, json_option("Print a JSON object a line, nothing else.")] = False,
) -> int:
    """Value a bitcoin every second, from the time and the known blocks alone; no node is asked."""
    step = parse_whole(every, "seconds between lines", "--every", 1, 86_400) * wall_clock.NS_PER_S
    lines = None if count is None else parse_whole(count, "number of lines", "--count", 1, sys.maxsize)
    inputs = asked_inputs(energy_cost, efficiency, hash_rate)
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    halvings = None
    try:
        for now in islice(ticks(step, interrupt), lines):
            row = _row(now // wall_clock.NS_PER_S, inputs, halvings)
            halvings = row["halvings"]
            if json:
                print_json(row)
            else:
                print(_line(row))
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED + BROKEN_PIPE
    return INTERRUPTED + interrupt.signum if interrupt.requested else DONE


def ticks(step: int, interrupt: Interrupt) -> Iterator[int]:
    """Times of the wall clock, ns since the Unix epoch: now, and then every `step` ns until interrupted.

    The steps count from the whole second of the start, so that they do not drift. One that has passed, as
    while the machine was asleep, is left out, and a clock that is set back makes none wait.
    """
    now = wall_clock.now_ns()
    origin = now - now % wall_clock.NS_PER_S
    while True:
        yield now
        due = origin + ((now - origin) // step + 1) * step
        while 0 < (left := due - now) <= step:
            interrupt.call(partial(wall_clock.sleep_ns, left))
            if interrupt.requested:
                return
            now = wall_clock.now_ns()


def _row(time: int, inputs: Inputs, halvings_before: int | None) -> dict[str, Any]:
    from livetrading.blockchain.chain_state import chain_state
    from livetrading.blockchain.mathematical_price import true_price

    state = chain_state(time=time, **inputs)
    value = true_price(state.height, state.hash_rate, state.time, state.efficiency, state.energy_cost)
    halved = halvings_before is not None and value.halvings != halvings_before
    row = {
        "time": time,
        "utc": iso(time),
        "height": state.height,
        "height_error": state.height_error,
        "estimate": state.estimate,
        "price_usd": value.price_usd,
        "cost_usd": value.cost_usd,
        "multiplier": value.multiplier,
        "halvings": value.halvings,
        "hash_rate": state.hash_rate,
        "efficiency": state.efficiency,
        "energy_cost": state.energy_cost,
        "reason": value.reason,
        "note": "a halving: the jump of the price is the formula's" if halved else None,
    }
    whole: dict[str, Any] = plain(row)
    return whole


def _line(row: dict[str, Any]) -> str:
    height = f"block {row['height']:,}{' (estimate)' if row['estimate'] else ''}"
    price = f"undefined: {row['reason']}" if row["reason"] else f"{figure(row['price_usd'])} USD/BTC"
    return "  ".join(part for part in (row["utc"], height, f"TRUE PRICE {price}", row["note"]) if part)
