"""``livetrading price``: what a bitcoin is worth, from its own chain.

The sub-commands stand in modules beside this one and add themselves with ``@price_app.command()``; the runner
imports those modules.
"""

import typer

__all__ = ["price_app"]

price_app = typer.Typer(help="What a bitcoin is worth, from its own chain.", rich_markup_mode=None)


@price_app.callback(invoke_without_command=True)
def price(ctx: typer.Context) -> None:
    """Value a bitcoin from its own chain."""
    if ctx.invoked_subcommand is None:
        raise typer.BadParameter("price must be given a command")
