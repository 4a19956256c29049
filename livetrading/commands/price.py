"""``livetrading price``: what a bitcoin is worth, from its own chain.

The sub-commands stand in modules beside this one and add themselves with ``@price_app.command()``; the runner
imports those modules.
"""

from collections.abc import Iterator, Mapping
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
from livetrading.commands.state import At, Efficiency, EnergyCost, HashRate, Height, asked_state, iso

if TYPE_CHECKING:
    from rich.table import Table

    from livetrading.blockchain.chain_state import ChainState

__all__ = ["price_app"]

price_app = typer.Typer(rich_markup_mode=None)

Tree = dict[str, Any]

PARTS: Final = {
    "cost_usd": ("production cost, USD/BTC", ""),
    "energy_kwh": ("energy of a coin, kWh", ""),
    "stock_to_flow": ("stock to flow, years", ",.4f"),
    "supply_btc": ("supply, BTC", ",.8f"),
    "reward_btc": ("subsidy of a block, BTC", ",.8f"),
    "days": ("age, days", ",.2f"),
    "halvings": ("halvings", ",.0f"),
}
"""Names and forms of the parts that need more than their key says; without a form as `figure` gives it."""


@price_app.callback(invoke_without_command=True)
def price(
    ctx: typer.Context,
    height: Height = None,
    at: At = None,
    energy_cost: EnergyCost = None,
    efficiency: Efficiency = None,
    hash_rate: HashRate = None,
    model: Annotated[
        str, text_option("A model by its name, or all (default true-price).", "NAME")
    ] = "true-price",
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Value a bitcoin from its own chain, now or at a block or a time, with all its parts."""
    if ctx.invoked_subcommand is not None:
        _refuse_options_before(ctx)
        return DONE
    state = asked_state(height, at, energy_cost=energy_cost, efficiency=efficiency, hash_rate=hash_rate)
    origins = _origins(hash_rate is not None, efficiency is not None, energy_cost is not None)
    tree = _all_models(state) if model == "all" else _one_model(state, model)
    tree = plain({**tree, "state": _state_tree(state), "origins": origins})
    if json:
        print_json(tree)
    elif on_terminal():
        print_table((_table_of_all if model == "all" else _table_of_one)(tree), tree["notes"])
    else:
        print_lines(_without_empty(tree), tree["notes"])
    return DONE


def _without_empty(tree: Tree) -> Tree:
    """What lines show: reasons only where there are any, and the notes apart."""
    told = {key: _without_empty(part) if isinstance(part, dict) else part for key, part in tree.items()}
    return {key: part for key, part in told.items() if key != "notes" and (key != "reason" or part)}


def _refuse_options_before(ctx: typer.Context) -> None:
    """An option of `price` itself would be lost on a command of it."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            flag = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"{flag} must stand after {ctx.invoked_subcommand}, was before it")


def _origins(hash_rate: bool, efficiency: bool, energy_cost: bool) -> dict[str, str]:
    """Say of each input that is no fact of the chain where it is from."""
    return {
        "hash_rate": "given" if hash_rate else "difficulty 2^32 / 600 s",
        "efficiency": "given" if efficiency else "the network's, estimated",
        "energy_cost": "given" if energy_cost else "market of 2025-11-30",
    }


def _one_model(state: "ChainState", name: str) -> Tree:
    from livetrading.blockchain.valuation import model, state_columns

    chosen = model(name)
    found = chosen.value(state_columns(state))
    return {
        "model": name,
        "title": chosen.title,
        "unit": found.unit,
        "value": found.value,
        "price_usd": found.price_usd,
        "reason": str(found.reason) or None,
        "parts": dict(found.parts),
        "source": chosen.source,
        "notes": [*state.notes, *found.notes],
    }


def _all_models(state: "ChainState") -> Tree:
    from livetrading.blockchain.valuation import MODELS, state_columns

    columns = state_columns(state)
    found = {name: model.value(columns) for name, model in MODELS.items()}
    return {
        "models": {
            name: {
                "unit": value.unit,
                "value": value.value,
                "price_usd": value.price_usd,
                "reason": str(value.reason) or None,
            }
            for name, value in found.items()
        },
        "notes": [
            *state.notes,
            *(f"{name}: {note}" for name, value in found.items() if not value.reason for note in value.notes),
        ],
    }


def _state_tree(state: "ChainState") -> Tree:
    return {
        "height": state.height,
        "height_error": state.height_error,
        "time": state.time,
        "utc": iso(state.time),
        "bits": f"{state.bits:08x}",
        "difficulty": state.difficulty,
        "hash_rate": state.hash_rate,
        "efficiency": state.efficiency,
        "energy_cost": state.energy_cost,
        "supply_sat": state.supply_sat,
        "estimate": state.estimate,
    }


def _table_of_one(tree: Tree) -> "Table":
    from rich.table import Table

    table = Table("", tree["unit"], "", title=f"{tree['title']}, block {tree['state']['height']:,}")
    table.columns[0].no_wrap = True
    table.columns[1].justify = "right"
    table.add_row(tree["model"], figure(tree["value"]), tree["reason"] or "")
    for key, value in tree["parts"].items():
        label, form = PARTS.get(key, (key.replace("_", " "), ",.6g"))
        table.add_row(f"  {label}", number(value, form) if form else figure(value), "")
    table.add_section()
    for row in _state_rows(tree["state"], tree["origins"]):
        table.add_row(*row)
    return table


def _table_of_all(tree: Tree) -> "Table":
    from rich.table import Table

    state = tree["state"]
    title = f"Every model, block {state['height']:,}, {state['utc']}"
    table = Table("model", "value", "USD/BTC", "why not", title=title)
    table.columns[0].no_wrap = True
    for column in table.columns[1:3]:
        column.justify = "right"
    for name, found in tree["models"].items():
        price = "" if found["price_usd"] is None else figure(found["price_usd"])
        is_price = found["value"] is None or found["unit"] == "USD/BTC"
        value = "" if is_price else f"{_short(found['value'])} {found['unit']}"
        table.add_row(name, value, price, found["reason"] or "")
    return table


def _short(value: float) -> str:
    return figure(value) if abs(value) < 1e4 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.6g}"


def _state_rows(state: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    error = state["height_error"]
    yield "height", f"{state['height']:,}", f"+- {error:,.0f} blocks" if error else "given"
    yield "time", state["utc"].replace("T", " "), "" if error else "estimated"
    yield "difficulty", f"{state['difficulty']:,.{2 if state['difficulty'] < 1e6 else 0}f}", ""
    yield "hash rate, EH/s", figure(state["hash_rate"] / 1e18), origins["hash_rate"]
    yield "efficiency, J/TH", figure(state["efficiency"]), origins["efficiency"]
    yield "energy cost, USD/kWh", f"{state['energy_cost']:g}", origins["energy_cost"]
