"""``livetrading price sensitivity``: what an error of an input does to TRUE PRICE."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from livetrading.commands.output import (
    DONE,
    figure,
    json_option,
    number,
    on_terminal,
    plain,
    print_json,
    print_lines,
    print_table,
    text_option,
)
from livetrading.commands.price import price_app
from livetrading.commands.state import At, Efficiency, EnergyCost, HashRate, Height, asked_state, iso

if TYPE_CHECKING:
    from rich.table import Table

    from livetrading.blockchain.chain_state import ChainState
    from livetrading.blockchain.price_sensitivity import Bar, Input, JointRange

__all__ = ["show_sensitivity"]

Tree = dict[str, Any]

NUMBER: Final = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
TOGETHER: Final = (
    "The inputs are uncertain all at once: the range of them together is the answer, no single bar is."
)
DEFAULTS: Final = (
    "The ranges: hash rate 5 % (an estimate from three days of blocks), efficiency 20 % and energy cost 50 % "
    "(judgements); energy cost dominates. Reward, supply and days are known exactly."
)


@price_app.command("sensitivity")
def show_sensitivity(
    height: Height = None,
    at: At = None,
    energy_cost: EnergyCost = None,
    efficiency: Efficiency = None,
    hash_rate: HashRate = None,
    low: Annotated[
        str | None,
        text_option(
            "Low ends in per cent: one for every input, or name=percent,... (default: as uncertain as the "
            "inputs are).",
            "PERCENT",
        ),
    ] = None,
    high: Annotated[str | None, text_option("High ends, of the same inputs.", "PERCENT")] = None,
    plot: Annotated[Path | None, text_option("Draw the tornado to a .png or .svg file.", "FILE")] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Show how TRUE PRICE moves with its inputs: elasticities, a tornado, all errors together, a halving."""
    if (low is None) != (high is None):
        raise typer.BadParameter("--low and --high must be given together, was one of them")
    state = asked_state(height, at, energy_cost=energy_cost, efficiency=efficiency, hash_rate=hash_rate)
    ends = [
        None if text is None else _changes(text, flag) for text, flag in ((low, "--low"), (high, "--high"))
    ]
    from livetrading.blockchain.price_sensitivity import joint_range, tornado

    bars, joint = tornado(state, *ends), joint_range(state, *ends)
    if plot is not None:
        from livetrading.research.tornado_plot import plot_tornado

        plot_tornado(bars, joint, f"Sensitivity of TRUE PRICE, block {state.height:,}", plot)
    tree = _tree(state, bars, joint)
    notes = [*state.notes, *([DEFAULTS] if low is None else []), TOGETHER]
    if json:
        print_json({**tree, "notes": notes})
    elif on_terminal():
        print_table(_table(tree), notes)
    else:
        print_lines(_without_none(tree), notes)
    return DONE


def _without_none(tree: Tree) -> Tree:
    return {key: value for key, value in tree.items() if key != "reason" or value is not None}


def _changes(text: str, flag: str) -> "dict[Input, float]":
    """Read relative changes: one per cent for every input, or one each by name."""
    from livetrading.blockchain.domain import DomainError
    from livetrading.blockchain.price_sensitivity import INPUTS, LARGEST_CHANGE

    def change(part: str) -> float:
        if not re.fullmatch(NUMBER, part.strip(), re.ASCII):
            raise DomainError(f"a change must be a number, in per cent, was {part.strip()!r} ({flag})")
        if not -100.0 < float(part) <= 100.0 * LARGEST_CHANGE:
            raise DomainError(
                f"a change must be above -100 and at most {100.0 * LARGEST_CHANGE:g} per cent, "
                f"was {part.strip()} ({flag})"
            )
        return float(part) / 100.0

    if "=" not in text:
        return dict.fromkeys(INPUTS, change(text))
    found: dict[Input, float] = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        name = key.strip().replace("-", "_")
        matching = [known for known in INPUTS if known == name]
        if not matching:
            raise DomainError(f"an input must be one of {', '.join(INPUTS)}, was {key.strip()!r} ({flag})")
        if matching[0] in found:
            raise DomainError(f"an input must be given once, was {key.strip()!r} twice ({flag})")
        found[matching[0]] = change(value)
    return found


def _tree(state: "ChainState", bars: "tuple[Bar, ...]", joint: "JointRange") -> Tree:
    from livetrading.blockchain.price_sensitivity import INPUTS, elasticities, halving_effect

    slopes, halving = elasticities(state), halving_effect(state)
    tree = {
        "height": state.height,
        "time": state.time,
        "price_usd": joint.price,
        "reason": slopes.reason,
        "elasticities": {name: getattr(slopes, name) for name in INPUTS},
        "tornado": {
            bar.input: {
                "low": bar.low,
                "high": bar.high,
                "price_low": bar.price_low,
                "price_high": bar.price_high,
                "swing": bar.swing,
                "share": joint.share[bar.input],
            }
            for bar in bars
        },
        "together": {
            "all_low": joint.all_low,
            "all_high": joint.all_high,
            "independent_low": joint.independent_low,
            "independent_high": joint.independent_high,
        },
        "halving": {
            "halvings_alone": halving.halvings_alone,
            "reward_alone": halving.reward_alone,
            "both": halving.both,
        },
    }
    found: Tree = plain(tree)
    return found


def _table(tree: Tree) -> "Table":
    from rich.table import Table

    title = f"Sensitivity of TRUE PRICE, block {tree['height']:,}, {iso(tree['time'])}"
    table = Table("input", "elasticity", "low", "high", "at low", "at high", title=title)
    for column in table.columns:
        column.no_wrap = True
        column.justify = "right"
    table.columns[0].justify = "left"
    table.add_row("TRUE PRICE, USD/BTC", "", "", "", tree["reason"] or figure(tree["price_usd"]))
    table.add_section()
    slopes = tree["elasticities"]
    for name in [*tree["tornado"], *(name for name in slopes if name not in tree["tornado"])]:
        bar = tree["tornado"].get(name)
        ends = () if bar is None else (f"{100 * bar['low']:+.4g} %", f"{100 * bar['high']:+.4g} %")
        prices = () if bar is None else (figure(bar["price_low"]), figure(bar["price_high"]))
        table.add_row(name.replace("_", " "), number(slopes[name], ".6f"), *ends, *prices)
    table.add_section()
    joint, halving = tree["together"], tree["halving"]
    for label, key in (("independent errors", "independent"), ("all at extremes", "all")):
        table.add_row(label, "", "", "", figure(joint[f"{key}_low"]), figure(joint[f"{key}_high"]))
    table.add_section()
    table.add_row("a halving now", "", "", "", "", figure(halving["both"]))
    table.add_row("  its count alone", "", "", "", "", figure(halving["halvings_alone"]))
    table.add_row("  its reward alone", "", "", "", "", figure(halving["reward_alone"]))
    return table
