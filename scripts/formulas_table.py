#!/usr/bin/env python
"""Write the table of docs/FORMULAS.md: every formula that is registered.

`.venv/bin/python scripts/formulas_table.py` rewrites it between its markers; `--print` only prints it.
"""

import sys
from pathlib import Path
from typing import Final

from livetrading.formulas.base import Formula
from livetrading.formulas.parameters import parameters_of
from livetrading.formulas.registry import FORMULA_REGISTRY, MODULES

PAGE: Final = Path(__file__).parents[1] / "docs" / "FORMULAS.md"
BEGIN: Final = "<!-- formulas -->\n"
END: Final = "<!-- /formulas -->"
HEADER: Final = """\
| id | name | what it is | kind | reads | value in | cost | parameters |
|--:|---|---|---|---|---|---|---|
"""


def row(formula: type[Formula]) -> str:
    """Return a line of the table; the first line of the documentation says what it is."""
    info = formula.info
    words = (formula.__doc__ or "").strip().partition("\n")[0].replace("|", "\\|")
    given = ", ".join(f"{name}={part.default!r}" for name, part in parameters_of(formula).items())
    cost = info.cost if info.library is None else f"{info.cost}, {info.library}"
    cells = (str(info.id), f"`{info.name}`", words, info.kind, ", ".join(info.inputs), info.unit, cost)
    return "| " + " | ".join((*cells, f"`{given}`" if given else "")) + " |\n"


def table() -> str:
    """Return all of them, a section a category."""
    parts = [f"{len(FORMULA_REGISTRY)} formulas stand.\n"]
    for category in MODULES:
        rows = [row(f) for f in FORMULA_REGISTRY.values() if f.info.category == category]
        if rows:
            parts.append(f"\n### {category.replace('_', ' ').capitalize()}\n\n{HEADER}{''.join(rows)}")
    return "".join(parts)


def replaced(text: str) -> str:
    """Return the page with a new table between the markers."""
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise SystemExit(f"{PAGE.name} must have {BEGIN.strip()} and {END}, had not")
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    if "--print" in sys.argv[1:]:
        print(table(), end="")
    else:
        PAGE.write_text(replaced(PAGE.read_text("utf-8")), "utf-8")
