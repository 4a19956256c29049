"""What every command says, and how: options, lines, tables, JSON, errors and exit codes."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "DONE",
    "FAILURE",
    "INTERRUPTED",
    "USAGE",
    "check_out",
    "fail",
    "figure",
    "json_option",
    "number",
    "on_terminal",
    "plain",
    "print_json",
    "print_lines",
    "print_table",
    "print_text",
    "text_option",
]

DONE: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 128
"""To which the number of the signal is added, as shells do."""

LONGEST: Final = 600
"""Characters of an error; of a longer one, such as a cell of a broken file, the middle is left out."""


def text_option(help_text: str, metavar: str) -> Any:
    """Option whose text the command reads itself, so that its errors give the rule and the value."""
    return typer.Option(help=help_text, metavar=metavar, show_default=False)


def json_option(help_text: str = "Print one JSON object, nothing else.") -> Any:
    """The flag of every command that prints JSON instead of lines or a table."""
    return typer.Option("--json", help=help_text)


def check_out(out: Path | None, read: Sequence[Path], flag: str = "--out") -> None:
    """Refuse to replace what the run is made from."""
    if out is not None and os.path.realpath(out) in map(os.path.realpath, read):
        raise typer.BadParameter(f"{flag} must not be the recording or the configuration, was {out}")


def on_terminal() -> bool:
    """Whether a person reads along, who gets a table instead of lines."""
    return sys.stdout.isatty()


def number(value: float | None, form: str) -> str:
    """Format a figure for a table."""
    return "undefined" if value is None or not isfinite(value) else format(value, form)


def figure(value: float | None) -> str:
    """Format a figure of any size: cents where there are any, else six digits."""
    return number(value, ",.2f" if value is None or value == 0.0 or abs(value) >= 1.0 else ".6g")


def plain(value: Any) -> Any:
    """Turn arrays into lists, tuples too, and what is not finite into None, which JSON can say."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def print_json(tree: Mapping[str, Any]) -> None:
    """Print one object on one line; what is not finite has to be made `plain` before, knowingly."""
    import json

    print(json.dumps(tree, allow_nan=False))


def print_lines(tree: Mapping[str, Any], notes: Iterable[str] = ()) -> None:
    """Print each figure as ``key: value``, then the notes; the configuration is left to JSON."""
    for key, value in _flat(tree):
        print(f"{key}: {'undefined' if value is None else value}")
    for note in notes:
        print(f"note: {note}")


def print_table(table: "Table", notes: Iterable[str] = ()) -> None:
    """Print a table as wide as the terminal lets it be, then the notes."""
    from rich.console import Console

    console = Console()
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False)


def print_text(text: str) -> None:
    """Print paragraphs, on a terminal no wider than it is; indented lines stay apart."""
    columns = shutil.get_terminal_size().columns
    if on_terminal() and any(len(line) > columns for line in text.splitlines()):
        text = "\n\n".join(_filled(part, columns) for part in text.split("\n\n"))
    print(text)


def _filled(paragraph: str, columns: int) -> str:
    lines = paragraph.splitlines()
    head = lines[:2] if len(lines) > 1 and set(lines[1]) == {"-"} else []
    body = lines[len(head) :]
    if any(line.startswith(" ") for line in body):
        hung = [textwrap.fill(line, columns, subsequent_indent="    ") for line in body]
    else:
        hung = [textwrap.fill(" ".join(body), columns)]
    return "\n".join([*head, *hung])


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every figure under its path."""
    for key, value in tree.items():
        if key == "config":
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def fail(message: str, code: int) -> int:
    """Say on stderr, on one line, what is wrong."""
    line = " ".join(message.split())
    # A key or a name of a file may hold what moves the cursor or turns the text round.
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    if len(line) > LONGEST:
        line = f"{line[:400]} ... {line[-150:]}"
    print(f"livetrading: {line}", file=sys.stderr)
    return code
