"""``livetrading data``: files of ticks, bars and tables.

The sub-commands stand in modules beside this one and add themselves with ``@data_app.command()``; the runner
imports those modules.
"""

import typer

__all__ = ["data_app"]

data_app = typer.Typer(help="Files of ticks, bars and tables.", rich_markup_mode=None)


@data_app.callback()
def _data() -> None:
    pass
